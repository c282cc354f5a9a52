//! What can be done at a fault: retest, go on, look closer, save, stop.

mod look;
mod save;

use crate::cli::args::Global;
use crate::cli::other_end;
use crate::cli::prompt::Prompt;
use crate::engine::Session;
use crate::model::check::Check;
use crate::model::outcome::Outcome;
use crate::model::report::{Report, Status, StepEntry, Verdict};

/// What the run does next.
#[derive(Debug, Clone, PartialEq)]
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
    Another,
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
        if probes(report).count() > 1 {
            items.push((Item::Another, "Retest from another step".to_owned()));
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
            Item::Another => another(prompt, report, step).await,
            Item::Pass => passable.clone().map(Next::Pass),
            Item::OtherEnd => match session.other_end() {
                Some(question) => {
                    let seen = other_end::ask(prompt, question, report).await;
                    seen.map(|outcome| Next::Learn(question.key.clone(), outcome))
                }
                None => None,
            },
            Item::Explain => {
                look::explain(prompt, session, report, step);
                None
            }
            Item::Raw => {
                look::raw(prompt, report, step).await;
                None
            }
            Item::Save => {
                save::save(prompt, global, session, check).await;
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
        .filter(|step| step.probe.is_some())
}

/// The step where the trouble began: the first that failed, else warned, else could not look.
fn culprit(report: &Report) -> Option<&StepEntry> {
    let first = |status: Status| probes(report).find(|step| step.status == status);
    let trouble = [Status::Fail, Status::Warn, Status::Unknown].into_iter().find_map(first);
    trouble.or_else(|| probes(report).last())
}

async fn another(prompt: &Prompt, report: &Report, culprit: Option<&StepEntry>) -> Option<Next> {
    let steps: Vec<&StepEntry> = probes(report).collect();
    let titles: Vec<String> = steps.iter().map(|step| step.title.clone()).collect();
    let own = steps.iter().position(|step| culprit.is_some_and(|culprit| culprit.id == step.id));
    let picked = prompt.pick_or_back("Retest from which step?", &titles, own.unwrap_or(0)).await?;
    Some(Next::Retest(steps[picked].id.clone()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_step_to_retest_is_the_first_that_failed() {
        let text = include_str!("../../tests/render/reports/refused.json");
        let report: Report = serde_json::from_str(text).expect("a report");
        assert_eq!(culprit(&report).map(|step| step.id.as_str()), Some("connect"));
        let mut healthy = report;
        healthy.steps.iter_mut().for_each(|step| step.status = Status::Pass);
        let last = probes(&healthy).last().map(|step| step.id.clone());
        assert_eq!(culprit(&healthy).map(|step| step.id.clone()), last);
    }
}
