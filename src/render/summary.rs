//! Text for many targets: a line for each and what is wrong with it, then the count.

use std::io::{self, Write};

use console::measure_text_width;

use crate::model::check::{Check, CheckResult, Outcome};
use crate::model::report::Status;
use crate::render::layout::{pad, pad_left, wrap_at_most};
use crate::render::sanitise::{line, prose};
use crate::render::{Paint, Style, account, text, words};

/// Longer names are told whole on a line of their own.
const WIDEST_NAME: usize = 36;
/// The width of the time column: `1.83 s`, `410 ms`.
const TIME: usize = 7;

pub(super) fn write(check: &Check, style: &Style, out: &mut dyn Write) -> io::Result<()> {
    let widths = check.results.iter().map(|one| measure_text_width(&line(&one.name)));
    let column = widths.max().unwrap_or(0).min(WIDEST_NAME);
    for result in &check.results {
        row(result, column, style, out)?;
    }
    if style.verbose {
        for report in check.results.iter().filter_map(|one| one.report.as_ref()) {
            writeln!(out)?;
            text::whole(report, style, out)?;
        }
    }
    count(check, style, out)
}

/// One target: mark, name, what is to be told of it, time.
fn row(result: &CheckResult, column: usize, style: &Style, out: &mut dyn Write) -> io::Result<()> {
    let (mark, paint) = mark(result, style);
    let name = line(&result.name);
    let indent = measure_text_width(mark) + 1 + column + 2;
    let time = result.duration_ms.map(words::duration).unwrap_or_default();
    let room = style.page().saturating_sub(indent + 2 + TIME).max(16);
    write!(out, "{} ", style.paint(paint, mark))?;
    if measure_text_width(&name) > column {
        let wide = style.page().saturating_sub(measure_text_width(mark) + 1);
        let lead = " ".repeat(measure_text_width(mark) + 1);
        for (nth, part) in wrap_at_most(&name, wide, 8).iter().enumerate() {
            writeln!(out, "{}{part}", if nth == 0 { "" } else { &lead })?;
        }
        write!(out, "{}", " ".repeat(indent))?;
    } else {
        write!(out, "{}  ", pad(&name, column))?;
    }
    let most = if style.verbose { usize::MAX } else { 6 };
    let told = told(result);
    for (nth, part) in wrap_at_most(&told, room, most).iter().enumerate() {
        if nth > 0 {
            writeln!(out, "{}{part}", " ".repeat(indent))?;
            continue;
        }
        let time = style.paint(Paint::Faint, &pad_left(&time, TIME));
        let text = format!("{}  {time}", pad(part, room));
        writeln!(out, "{}", text.trim_end())?;
    }
    Ok(())
}

fn told(result: &CheckResult) -> String {
    match result.outcome {
        Outcome::Passed if !result.is_degraded() => prose(&result.expect).into_owned(),
        Outcome::Passed => format!("degraded: {}", account::sentence(result, usize::MAX)),
        Outcome::Skipped => format!("not run: {}", account::sentence(result, usize::MAX)),
        Outcome::Error | Outcome::Failed => account::sentence(result, usize::MAX),
    }
}

fn mark(result: &CheckResult, style: &Style) -> (&'static str, Paint) {
    style.status_mark(match result.outcome {
        Outcome::Passed if result.is_degraded() => Status::Warn,
        Outcome::Passed => Status::Pass,
        Outcome::Failed => Status::Fail,
        Outcome::Error => Status::Unknown,
        Outcome::Skipped => Status::Skipped,
    })
}

fn count(check: &Check, style: &Style, out: &mut dyn Write) -> io::Result<()> {
    let total = check.results.len();
    let mut parts = vec![format!("{} of {total} passed", check.count(Outcome::Passed))];
    for (outcome, words) in [
        (Outcome::Failed, "failed"),
        (Outcome::Error, "could not be judged"),
        (Outcome::Skipped, "not run"),
    ] {
        match check.count(outcome) {
            0 => {}
            count => parts.push(format!("{count} {words}")),
        }
    }
    let time = words::duration(check.duration_ms);
    let interrupted = if check.interrupted { "; interrupted" } else { "" };
    let text = format!("{} in {time}{interrupted}", parts.join(", "));
    writeln!(out, "\n{}", style.paint(Paint::Strong, &text))?;
    let ids = check.results.iter().filter(|one| one.outcome == Outcome::Failed);
    if let Some(id) = ids.filter_map(account::diagnosis).map(|found| &found.id).next() {
        let more = format!(
            "More: tcpdoctor explain {}; -v shows every report, --format json every measurement.",
            line(id)
        );
        for part in wrap_at_most(&more, style.page(), 4) {
            writeln!(out, "{}", style.paint(Paint::Faint, &part))?;
        }
    }
    Ok(())
}
