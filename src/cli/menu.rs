//! What can be done at a fault: retest, go on, look closer, save, stop.

use std::io::{self, Write};
use std::path::Path;

use crate::cli::args::Global;
use crate::cli::prompt::{Given, Prompt};
use crate::cli::redaction::Redaction;
use crate::cli::{files, other_end, terminal};
use crate::engine::Session;
use crate::model::check::Check;
use crate::model::outcome::Outcome;
use crate::model::report::{Report, Status, StepEntry, Verdict};
use crate::probe::Spec;
use crate::render::Format;
use crate::render::manual::{self, Part};
use crate::render::observed::Observed;
use crate::runbook::drawing;

/// What the run does next.
#[derive(Debug, PartialEq)]
pub(super) enum Next {
    /// It ends.
    Stop,
    /// It looks again, from this step on.
    Retest(String),
    /// It goes on behind this step.
    Pass(String),
    /// It takes in what a step saw.
    Learn(String, Outcome),
}

/// Whether there is anything to be done.
pub(super) fn is_due(report: &Report) -> bool {
    matches!(report.verdict, Verdict::Fault | Verdict::Inconclusive)
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Item {
    Stop,
    Retest,
    Earlier,
    Pass,
    OtherEnd,
    Explain,
    Raw,
    Save,
}

/// Asks what to do until that is something for the engine.
pub(super) async fn ask(
    prompt: &Prompt,
    global: &Global,
    session: &Session,
    check: &Check,
    report: &Report,
) -> Next {
    let passable = session.passable();
    let step = culprit(report);
    let mut items = vec![(Item::Stop, "Stop".to_owned())];
    if let Some(step) = step {
        items.push((Item::Retest, format!("Retest this step: {}", step.title)));
        if probes(report).next().is_some_and(|first| first.id != step.id) {
            items.push((Item::Earlier, "Retest from an earlier step".to_owned()));
        }
    }
    if passable.is_some() {
        items.push((Item::Pass, "Continue anyway".to_owned()));
    }
    if session.other_end().is_some() {
        items.push((Item::OtherEnd, "Look from the server's side too".to_owned()));
    }
    items.push((Item::Explain, "Explain".to_owned()));
    if step.is_some_and(|step| step.observation.is_some()) {
        items.push((Item::Raw, "Show the raw observation".to_owned()));
    }
    items.push((Item::Save, "Save the report".to_owned()));
    let labels: Vec<String> = items.iter().map(|(_, label)| label.clone()).collect();
    loop {
        prompt.say("");
        let picked = prompt.pick("What now?", &labels, 0).await.answer();
        let done = match picked.map_or(Item::Stop, |picked| items[picked].0) {
            Item::Stop => Some(Next::Stop),
            Item::Retest => step.map(|step| Next::Retest(step.id.clone())),
            Item::Earlier => earlier(prompt, report).await,
            Item::Pass => passable.clone().map(Next::Pass),
            Item::OtherEnd => match session.other_end() {
                Some(question) => other_end::ask(prompt, question, report).await,
                None => None,
            },
            Item::Explain => {
                explain(prompt, session, report, step);
                None
            }
            Item::Raw => {
                raw(prompt, report, step).await;
                None
            }
            Item::Save => {
                save(prompt, global, session, check).await;
                None
            }
        };
        if let Some(next) = done {
            return next;
        }
    }
}

/// The probe steps that were walked, in their order.
fn probes(report: &Report) -> impl Iterator<Item = &StepEntry> {
    let walked = report.path.iter();
    walked
        .filter_map(|id| report.steps.iter().find(|step| step.id == *id))
        .filter(|step| step.probe.is_some() && !step.id.contains('/'))
}

/// The step where the trouble began: the first that failed, else warned, else could not look.
fn culprit(report: &Report) -> Option<&StepEntry> {
    let first = |status: Status| probes(report).find(|step| step.status == status);
    let trouble = [Status::Fail, Status::Warn, Status::Unknown].into_iter().find_map(first);
    trouble.or_else(|| probes(report).last())
}

async fn earlier(prompt: &Prompt, report: &Report) -> Option<Next> {
    let steps: Vec<&StepEntry> = probes(report).collect();
    let titles: Vec<String> = steps.iter().map(|step| step.title.clone()).collect();
    let picked = prompt.pick("Retest from which step?", &titles, 0).await.answer()?;
    Some(Next::Retest(steps[picked].id.clone()))
}

/// What the probe did, what it saw, how to do it by hand, and what the diagnosis means.
fn explain(prompt: &Prompt, session: &Session, report: &Report, step: Option<&StepEntry>) {
    let mut parts = Vec::new();
    if let Some(step) = step {
        parts.push(Part::Heading(step.title.clone()));
        if let Some(spec) = step.probe.as_deref().and_then(Spec::find) {
            parts.push(Part::Text(format!("Probe {}: {}", spec.id, spec.doc)));
        }
        if let Some(text) = &step.text {
            parts.push(Part::Text(format!("It saw: {text}")));
        }
        if let Some(by_hand) = &step.by_hand {
            parts.push(Part::Text("By hand:".to_owned()));
            parts.push(Part::Command(by_hand.clone()));
        }
    }
    let diagnosis = report.diagnosis.as_ref();
    if let Some(diagnosis) = diagnosis {
        parts.push(Part::Heading(format!("{}: {}", diagnosis.id, diagnosis.title)));
        if let Some(entry) = session.runbook().catalogue.find(&diagnosis.id) {
            parts.push(Part::Text(entry.meaning.clone()));
        }
        let others = diagnosis.alternatives.iter();
        parts.extend(others.map(|other| {
            Part::Text(format!("It could also be {}; to tell: {}", other.id, other.separate_by))
        }));
    }
    show(|out| manual::write(&parts, prompt.style(), out));
}

async fn raw(prompt: &Prompt, report: &Report, step: Option<&StepEntry>) {
    let seen: Vec<&StepEntry> =
        report.steps.iter().filter(|step| step.observation.is_some()).collect();
    let titles: Vec<String> = seen.iter().map(|step| step.title.clone()).collect();
    let own = seen.iter().position(|other| step.is_some_and(|step| step.id == other.id));
    let picked = prompt.pick("Which step's?", &titles, own.unwrap_or(0)).await;
    let Some(step) = picked.answer().map(|picked| seen[picked]) else { return };
    let observed = Observed {
        probe: step.probe.clone().unwrap_or_else(|| step.id.clone()),
        args: step.args.clone().unwrap_or_default(),
        observation: step.observation.clone(),
        unknown: None,
        duration_ms: step.duration_ms.unwrap_or_default(),
        brief: step.text.clone(),
    };
    show(|out| observed.write(Format::Text, prompt.style(), out));
}

fn show(write: impl FnOnce(&mut dyn Write) -> io::Result<()>) {
    let mut bytes = b"\n".to_vec();
    // A vector takes everything; and there is nobody to tell when the terminal does not.
    let _ = write(&mut bytes);
    let _ = io::stderr().write_all(&bytes);
}

/// The formats that a report is kept in, and how such files end.
const KEPT: [(Format, &str, &str); 3] = [
    (Format::Html, "HTML, a page for people", "html"),
    (Format::Markdown, "Markdown, for a ticket", "md"),
    (Format::Json, "JSON, all measurements, for replay", "json"),
];

async fn save(prompt: &Prompt, global: &Global, session: &Session, check: &Check) {
    let Some(report) = check.results.first().and_then(|result| result.report.as_ref()) else {
        return;
    };
    let kinds = KEPT.map(|(_, label, _)| label.to_owned());
    let Some(kind) = prompt.pick("In which format?", &kinds, 0).await.answer() else { return };
    let (format, _, ending) = KEPT[kind];
    let (mut bytes, mut check) = (Vec::new(), check.clone());
    let mut tree = drawing::graph(session.runbook());
    tree.mark(report);
    check.results[0].tree = Some(tree);
    let check = Redaction::of(global).check(&check);
    if let Err(error) = format.write(&check, &terminal::file_style(global), &mut bytes) {
        return prompt.say(&format!("Nothing saved: {error}"));
    }
    let mut name = file_name(report, ending, |name| Path::new(name).exists());
    loop {
        let Given::Answer(written) = prompt.line("Save as", &name).await else { return };
        name = written.trim().to_owned();
        let path = Path::new(&name);
        if let Some(objection) = files::objection(path) {
            prompt.say(&format!("That file cannot be written: {objection}"));
            continue;
        }
        if path.exists() {
            let choices = ["Keep it, choose another name", "Replace it"].map(str::to_owned);
            let there = format!("{name} is there already");
            match prompt.pick(&there, &choices, 0).await.answer() {
                Some(1) => {}
                Some(_) => continue,
                None => return,
            }
        }
        match files::write_whole(path, &bytes) {
            Ok(()) => return prompt.say(&format!("Saved: {name}")),
            Err(error) => prompt.say(&format!("{name} could not be written: {error}")),
        }
    }
}

/// Proposes a name that is not taken.
fn file_name(report: &Report, ending: &str, taken: impl Fn(&str) -> bool) -> String {
    let safe = |c: char| if c.is_ascii_alphanumeric() || "-._".contains(c) { c } else { '-' };
    let target: String = report.target.input.chars().map(safe).take(60).collect();
    let base = format!("tcpdoctor-{}", target.trim_matches(['-', '.']));
    let first = format!("{base}.{ending}");
    if !taken(&first) {
        return first;
    }
    let others = (2..1000).map(|nth| format!("{base}-{nth}.{ending}"));
    others.into_iter().find(|name| !taken(name)).unwrap_or(first)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn report(target: &str) -> Report {
        let text = include_str!("../../tests/render/reports/refused.json");
        let mut report: Report = serde_json::from_str(text).expect("a report");
        report.target.input = target.to_owned();
        report
    }

    #[test]
    fn a_file_name_is_harmless_and_not_taken() {
        let name = |target: &str, taken: &[&str]| {
            file_name(&report(target), "json", |name| taken.contains(&name))
        };
        assert_eq!(name("db.test:5432", &[]), "tcpdoctor-db.test-5432.json");
        assert_eq!(name("../../etc/\u{1b}x", &[]), "tcpdoctor-etc--x.json");
        assert_eq!(name("[::1]:80", &["tcpdoctor-1--80.json"]), "tcpdoctor-1--80-2.json");
    }

    #[test]
    fn the_step_to_retest_is_the_first_that_failed() {
        assert_eq!(culprit(&report("x")).map(|step| step.id.as_str()), Some("connect"));
        let mut healthy = report("x");
        healthy.steps.iter_mut().for_each(|step| step.status = Status::Pass);
        let last = probes(&healthy).last().map(|step| step.id.clone());
        assert_eq!(culprit(&healthy).map(|step| step.id.clone()), last);
    }
}
