//! A check as text: one line a target in the order given, what is not as expected explained below.

use std::io::{self, Write};

use crate::model::check::{Check, CheckResult, Outcome};
use crate::model::report::Status;
use crate::render::layout::{pad, pad_left, wrap, wrap_at_most};
use crate::render::sanitise::{line, prose};
use crate::render::{Paint, Style, words};

/// The width of the time column: `1.83 s`, `410 ms`.
const TIME: usize = 7;

/// Writes a check as text.
///
/// # Errors
///
/// Returns what writing to `out` met.
pub(super) fn write(check: &Check, style: &Style, out: &mut dyn Write) -> io::Result<()> {
    headline(check, style, out)?;
    let longest = check.results.iter().map(|result| console::measure_text_width(&result.name));
    let name = longest.max().unwrap_or(0).clamp(8, style.page() / 2);
    for result in &check.results {
        row(result, name, style, out)?;
    }
    for result in &check.results {
        if matches!(result.outcome, Outcome::Failed | Outcome::Error) {
            explain(result, style, out)?;
        }
    }
    Ok(())
}

fn headline(check: &Check, style: &Style, out: &mut dyn Write) -> io::Result<()> {
    let count = |outcome| match check.count(outcome) {
        0 => None,
        some => Some(format!("{some} {}", word(outcome))),
    };
    let counts = [Outcome::Failed, Outcome::Error, Outcome::Skipped, Outcome::Passed];
    let counts: Vec<String> = counts.into_iter().filter_map(count).collect();
    let text = format!(
        "{} of {} targets in {}",
        counts.join(", "),
        check.results.len(),
        words::duration(check.duration_ms)
    );
    writeln!(out, "{}\n", style.paint(Paint::Strong, &text))
}

fn word(outcome: Outcome) -> &'static str {
    match outcome {
        Outcome::Passed => "passed",
        Outcome::Failed => "failed",
        Outcome::Error => "could not be judged",
        Outcome::Skipped => "skipped",
    }
}

fn mark(outcome: Outcome, style: &Style) -> (&'static str, Paint) {
    style.status_mark(match outcome {
        Outcome::Passed => Status::Pass,
        Outcome::Failed => Status::Fail,
        Outcome::Error => Status::Unknown,
        Outcome::Skipped => Status::Skipped,
    })
}

fn row(result: &CheckResult, name: usize, style: &Style, out: &mut dyn Write) -> io::Result<()> {
    let (mark, paint) = mark(result.outcome, style);
    let time = result.duration_ms.map(words::duration).unwrap_or_default();
    let title = wrap_at_most(&line(&result.name), name, 1).concat();
    let used = console::measure_text_width(mark) + 1 + name + 2 + TIME + 2;
    let said = wrap_at_most(&said(result), style.page().saturating_sub(used).max(16), 1).concat();
    let text = format!(
        "{} {}  {}  {said}",
        style.paint(paint, mark),
        pad(&title, name),
        style.paint(Paint::Faint, &pad_left(&time, TIME)),
    );
    writeln!(out, "{}", text.trim_end())
}

/// Says in a few words what came of a target.
fn said(result: &CheckResult) -> String {
    let Some(report) = &result.report else {
        return prose(&result.problems.join("; ")).into_owned();
    };
    match &report.diagnosis {
        Some(diagnosis) => line(&diagnosis.id).into_owned(),
        None => report.verdict.name().to_owned(),
    }
}

fn explain(result: &CheckResult, style: &Style, out: &mut dyn Write) -> io::Result<()> {
    let (mark, paint) = mark(result.outcome, style);
    writeln!(out, "\n{} {}", style.paint(paint, mark), style.paint(paint, &line(&result.name)))?;
    for problem in &result.problems {
        for text in wrap(&prose(problem), style.page() - 2) {
            writeln!(out, "  {text}")?;
        }
    }
    Ok(())
}
