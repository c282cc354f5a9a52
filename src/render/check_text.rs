//! A check as text: one line a target in the order given, what is not as expected explained below,
//! once for each cause.

use std::io::{self, Write};

use crate::model::check::{Check, CheckResult};
use crate::model::diagnosis::{Diagnosis, Remedy};
use crate::model::expect::Judgement;
use crate::model::report::Status;
use crate::render::layout::{pad, pad_left, wrap, wrap_at_most};
use crate::render::sanitise::{line, prose};
use crate::render::{Paint, Style, words};

/// The width of the time column: `1.83 s`, `410 ms`.
const TIME: usize = 7;
/// The column where the facts of a cause begin, behind `Where`.
const INDENT: usize = 9;
/// Targets of one cause that are told one by one; JSON and `-v` have all.
const MOST_TOLD: usize = 5;

/// Writes a check as text.
///
/// # Errors
///
/// Returns what writing to `out` met.
pub(super) fn write(check: &Check, style: &Style, out: &mut dyn Write) -> io::Result<()> {
    headline(check, style, out)?;
    let longest =
        check.results.iter().map(|result| console::measure_text_width(&line(&result.name)));
    let name = longest.max().unwrap_or(0).clamp(8, style.page() / 2);
    for result in &check.results {
        row(result, name, style, out)?;
    }
    for cause in causes(check) {
        cause.explain(style, out)?;
    }
    Ok(())
}

fn headline(check: &Check, style: &Style, out: &mut dyn Write) -> io::Result<()> {
    let count = |outcome| match check.count(outcome) {
        0 => None,
        some => Some(format!("{some} {}", word(outcome))),
    };
    let counts = [Judgement::Failed, Judgement::Error, Judgement::Skipped, Judgement::Passed];
    let counts: Vec<String> = counts.into_iter().filter_map(count).collect();
    let all = check.results.len();
    let targets = if all == 1 { "target" } else { "targets" };
    let interrupted = if check.interrupted { ", interrupted" } else { "" };
    let text = format!(
        "{} of {all} {targets} in {}{interrupted}",
        counts.join(", "),
        words::duration(check.duration_ms)
    );
    for text in wrap(&text, style.page()) {
        writeln!(out, "{}", style.paint(Paint::Strong, &text))?;
    }
    writeln!(out)
}

fn word(outcome: Judgement) -> &'static str {
    match outcome {
        Judgement::Passed => "passed",
        Judgement::Failed => "failed",
        Judgement::Error => "could not be judged",
        Judgement::Skipped => "skipped",
    }
}

fn mark(result: &CheckResult, style: &Style) -> (&'static str, Paint) {
    style.status_mark(match result.outcome {
        Judgement::Passed if result.is_degraded() => Status::Warn,
        Judgement::Passed => Status::Pass,
        Judgement::Failed => Status::Fail,
        Judgement::Error => Status::Unknown,
        Judgement::Skipped => Status::Skipped,
    })
}

fn row(result: &CheckResult, name: usize, style: &Style, out: &mut dyn Write) -> io::Result<()> {
    let (mark, paint) = mark(result, style);
    let time = result.duration_ms.map(words::duration).unwrap_or_default();
    let title = cut(&line(&result.name), name);
    let used = console::measure_text_width(mark) + 1 + name + 2 + TIME + 2;
    let said = cut(&said(result), style.page().saturating_sub(used).max(16));
    let text = format!(
        "{} {}  {}  {said}",
        style.paint(paint, mark),
        pad(&title, name),
        style.paint(Paint::Faint, &pad_left(&time, TIME)),
    );
    writeln!(out, "{}", text.trim_end())
}

fn cut(text: &str, width: usize) -> String {
    wrap_at_most(text, width, 1).concat()
}

/// Says in a few words what came of a target.
fn said(result: &CheckResult) -> String {
    let Some(report) = &result.report else {
        return prose(&result.problems.join("; ")).into_owned();
    };
    let mut said = match (&report.diagnosis, result.outcome) {
        (Some(diagnosis), _) => line(&diagnosis.id).into_owned(),
        (None, Judgement::Failed | Judgement::Error) => {
            prose(&result.problems.join("; ")).into_owned()
        }
        (None, _) => report.verdict.name().to_owned(),
    };
    if result.attempts > 1 {
        said.push_str(&format!(", {} attempts", result.attempts));
    }
    if result.crowded {
        said.push_str(", in a crowd");
    }
    said
}

/// Targets that are not as expected for the same reason.
struct Cause<'a> {
    outcome: Judgement,
    /// The diagnosis of the first; `None` where there is none.
    diagnosis: Option<&'a Diagnosis>,
    results: Vec<&'a CheckResult>,
}

/// Groups what failed, then what could not be judged, in the order of the first of each.
fn causes(check: &Check) -> Vec<Cause<'_>> {
    let mut causes: Vec<Cause<'_>> = Vec::new();
    for outcome in [Judgement::Failed, Judgement::Error] {
        for result in check.results.iter().filter(|result| result.outcome == outcome) {
            let diagnosis = result.report.as_ref().and_then(|report| report.diagnosis.as_ref());
            let id = diagnosis.map(|diagnosis| &diagnosis.id);
            let same = |cause: &&mut Cause<'_>| {
                cause.outcome == outcome && cause.diagnosis.map(|known| &known.id) == id
            };
            match causes.iter_mut().find(same) {
                Some(cause) => cause.results.push(result),
                None => causes.push(Cause { outcome, diagnosis, results: vec![result] }),
            }
        }
    }
    causes
}

impl Cause<'_> {
    fn explain(&self, style: &Style, out: &mut dyn Write) -> io::Result<()> {
        let [first, ..] = &self.results[..] else { return Ok(()) };
        let (mark, paint) = mark(first, style);
        let title = match (self.diagnosis, self.outcome) {
            (Some(diagnosis), _) => format!("{}: {}", line(&diagnosis.id), prose(&diagnosis.title)),
            (None, Judgement::Failed) => "not as expected".to_owned(),
            (None, _) => "could not be judged".to_owned(),
        };
        writeln!(out)?;
        let indent = console::measure_text_width(mark) + 1;
        for (nth, text) in wrap(&title, style.page() - indent).iter().enumerate() {
            let lead = if nth == 0 { style.paint(paint, mark) + " " } else { " ".repeat(indent) };
            writeln!(out, "{lead}{}", style.paint(paint, text))?;
        }
        let told = if style.verbose { self.results.len() } else { MOST_TOLD };
        for result in self.results.iter().take(told) {
            self.target(result, style, out)?;
        }
        if self.results.len() > told {
            writeln!(out, "  and {} more (-v)", self.results.len() - told)?;
        }
        if let Some(diagnosis) = self.diagnosis {
            self.place(diagnosis, style, out)?;
            if let Some(remedy) = diagnosis.remedies.first() {
                what_to_do(remedy, style, out)?;
            }
        }
        let more = match (first.crowded, first.report.as_ref().and_then(|r| r.target.host.as_ref()))
        {
            (true, Some(_)) => "seen beside others only; alone it may show more: ",
            (false, Some(_)) => "",
            (_, None) => return Ok(()),
        };
        let command = format!("{more}tcpdoctor diagnose {}", line(&first.target));
        fact("More", &command, style, out)
    }

    /// One target: its name and what did not hold; the id stands above already.
    fn target(&self, result: &CheckResult, style: &Style, out: &mut dyn Write) -> io::Result<()> {
        let id = self.diagnosis.map(|diagnosis| format!("{}: ", diagnosis.id)).unwrap_or_default();
        for (nth, problem) in result.problems.iter().enumerate() {
            let problem = problem.strip_prefix(&id).unwrap_or(problem);
            let text = match nth {
                0 => format!("{}: {}", line(&result.name), prose(problem)),
                _ => prose(problem).into_owned(),
            };
            for (at, text) in wrap(&text, style.page() - 4).iter().enumerate() {
                let lead = if nth == 0 && at == 0 { "  " } else { "    " };
                writeln!(out, "{lead}{text}")?;
            }
        }
        Ok(())
    }

    /// Where it is, if that is the same for all.
    fn place(&self, first: &Diagnosis, style: &Style, out: &mut dyn Write) -> io::Result<()> {
        let places =
            self.results.iter().filter_map(|result| result.report.as_ref()?.diagnosis.as_ref());
        let same =
            places.map(|diagnosis| &diagnosis.location).all(|place| *place == first.location);
        let place =
            if same { words::place(&first.location) } else { "at several places".to_owned() };
        fact("Where", &place, style, out)
    }
}

fn fact(label: &str, text: &str, style: &Style, out: &mut dyn Write) -> io::Result<()> {
    for (nth, text) in wrap(text, style.page() - INDENT).iter().enumerate() {
        let label = if nth == 0 { label } else { "" };
        writeln!(out, "  {}{text}", style.paint(Paint::Strong, &pad(label, INDENT - 2)))?;
    }
    Ok(())
}

/// The first remedy; its command stands alone on its line, so that it can be copied.
fn what_to_do(remedy: &Remedy, style: &Style, out: &mut dyn Write) -> io::Result<()> {
    let command = remedy.command.as_deref().map(str::trim).filter(|command| !command.is_empty());
    let text = prose(&remedy.text);
    let text = text.trim_end_matches([':', '.']);
    let end = if command.is_some() { ":" } else { "" };
    fact("Do", &format!("{text} ({}){end}", words::remedy_place(remedy.place)), style, out)?;
    match command {
        Some(command) => {
            let command = style.paint(Paint::Command, &line(command));
            writeln!(out, "{}{command}", " ".repeat(INDENT + 2))
        }
        None => Ok(()),
    }
}
