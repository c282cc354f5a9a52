//! Text for a tired engineer: verdict, ladder, one diagnosis, findings, where to read on.

use std::io::{self, Write};

use crate::model::check::{Check, CheckResult};
use crate::model::layer::Layer;
use crate::model::outcome::Why;
use crate::model::report::{Report, Status, StepEntry, Verdict};
use crate::render::layout::{pad, pad_left, wrap, wrap_at_most};
use crate::render::sanitise::{line, prose};
use crate::render::{Paint, Style, account, check_text, diagnosis, path, settings, words};

pub(super) fn write(check: &Check, style: &Style, out: &mut dyn Write) -> io::Result<()> {
    match &check.results[..] {
        [CheckResult { report: Some(report), .. }] if check.alone => whole(report, style, out),
        _ => check_text::write(check, style, out),
    }
}

/// Writes one report.
pub(super) fn whole(report: &Report, style: &Style, out: &mut dyn Write) -> io::Result<()> {
    headline(report, style, out)?;
    ladder(report, style, out)?;
    if let Some(diagnosis) = &report.diagnosis {
        diagnosis::block(diagnosis, report, style, out)?;
    }
    diagnosis::findings(&report.findings, style, out)?;
    settings::settings(report, style, out)?;
    reading_on(report, style, out)
}

/// The verdict and the target; beside them, where we looked from and how long it took.
fn headline(report: &Report, style: &Style, out: &mut dyn Write) -> io::Result<()> {
    let (mark, paint) = style.verdict_mark(report.verdict);
    let verdict = format!("{mark} {}", words::verdict(report.verdict));
    let verdict = verdict.trim_start();
    let indent = console::measure_text_width(verdict) + 2;
    let aside =
        format!("{} from {}", words::duration(report.duration_ms), line(&report.vantage.hostname));
    let target = line(&report.target.input);
    let lines = wrap_at_most(&target, style.page() - indent, 4);
    for (n, text) in lines.iter().enumerate() {
        if n == 0 {
            write!(out, "{}  ", style.paint(paint, verdict))?;
        } else {
            write!(out, "{}", " ".repeat(indent))?;
        }
        write!(out, "{}", style.paint(Paint::Strong, text))?;
        let used = indent + console::measure_text_width(text);
        let room = style.page().saturating_sub(used);
        let needed = console::measure_text_width(&aside) + 2;
        if n + 1 < lines.len() {
            writeln!(out)?;
        } else if needed <= room {
            let aside = pad_left(&aside, room);
            writeln!(out, "{}", style.paint(Paint::Faint, &aside))?;
        } else {
            writeln!(out)?;
            for text in wrap_at_most(&aside, style.page() - 2, 2) {
                writeln!(out, "  {}", style.paint(Paint::Faint, &text))?;
            }
        }
    }
    writeln!(out)
}

/// One line for each step walked, in the order of the walk.
fn ladder(report: &Report, style: &Style, out: &mut dyn Write) -> io::Result<()> {
    let walked = path::walked(report);
    let aside: Vec<&StepEntry> = report
        .steps
        .iter()
        .filter(|step| style.verbose && !walked.iter().any(|other| std::ptr::eq(*other, *step)))
        .collect();
    let column = Layer::ALL.iter().map(|layer| layer.name().len()).max().unwrap_or(0);
    for step in walked.iter().filter(|step| style.verbose || account::says_something(step)) {
        rung(step, column, style, out)?;
    }
    if !aside.is_empty() {
        writeln!(out, "  {}", style.paint(Paint::Faint, "not on the way:"))?;
        for step in aside {
            rung(step, column, style, out)?;
        }
    }
    Ok(())
}

fn rung(step: &StepEntry, column: usize, style: &Style, out: &mut dyn Write) -> io::Result<()> {
    let (mark, paint) = style.status_mark(step.status);
    let time = step.duration_ms.map(words::duration).unwrap_or_default();
    let indent = 2 + console::measure_text_width(mark) + 1 + column + 2;
    let room = style.page().saturating_sub(indent + 2 + TIME).max(16);
    let most = if style.verbose { usize::MAX } else { 3 };
    let fact = fact(step);
    for (n, text) in wrap_at_most(&fact, room, most).iter().enumerate() {
        if n > 0 {
            writeln!(out, "{}{text}", " ".repeat(indent))?;
            continue;
        }
        let layer = pad(step.layer.name(), column);
        let layer = style.paint(Paint::Faint, &layer);
        let time = style.paint(Paint::Faint, &pad_left(&time, TIME));
        let text = match step.status {
            Status::Fail | Status::Warn => style.paint(Paint::Strong, text) + &gap(text, room),
            _ => pad(text, room),
        };
        let line = format!("  {} {layer}  {text}  {time}", style.paint(paint, mark));
        writeln!(out, "{}", line.trim_end())?;
    }
    if let (true, Some(by_hand)) = (style.verbose, &step.by_hand) {
        let by_hand = style.paint(Paint::Command, &line(by_hand.trim()));
        writeln!(out, "{}by hand: {by_hand}", " ".repeat(indent))?;
    }
    Ok(())
}

/// The width of the time column: `1.83 s`, `410 ms`.
pub(super) const TIME: usize = 7;

fn gap(text: &str, width: usize) -> String {
    " ".repeat(width.saturating_sub(console::measure_text_width(text)))
}

/// Says what a step saw, or why it saw nothing, or at least what it asked.
pub(super) fn fact(step: &StepEntry) -> String {
    let text = step.text.as_deref().filter(|text| !text.trim().is_empty());
    match (&step.unknown, text) {
        (Some(why), None) => prose(&format!("{}: {why}", step.title.trim())).into_owned(),
        (_, Some(text)) => prose(text).into_owned(),
        (None, None) => prose(&step.title).into_owned(),
    }
}

/// What was left open for want of privilege, and where to read on.
fn reading_on(report: &Report, style: &Style, out: &mut dyn Write) -> io::Result<()> {
    writeln!(out)?;
    let mut closing = Vec::new();
    for (capability, operations) in not_permitted(report) {
        // An option of ours is nobody's privilege.
        let root = if capability.starts_with("--") { "" } else { " (root has it)" };
        closing.push(format!("Not looked at for want of {capability}{root}: {operations}."));
    }
    if report.verdict != Verdict::Healthy || style.verbose {
        let missed = done_otherwise(report).into_iter();
        closing.extend(missed.map(|what| format!("Not done for want of privilege: {what}.")));
    }
    let explain = report
        .diagnosis
        .as_ref()
        .map(|diagnosis| format!("tcpdoctor explain {}; ", line(&diagnosis.id)));
    let rest = if style.verbose {
        "--format json has every measurement."
    } else if report.verdict == Verdict::Healthy {
        "-v shows the commands for doing it by hand, --format json every measurement."
    } else {
        "-v shows the steps by hand, --format json every measurement."
    };
    closing.push(format!("More: {}{rest}", explain.unwrap_or_default()));
    for text in closing {
        for text in wrap(&text, style.page()) {
            writeln!(out, "{}", style.paint(Paint::Faint, &text))?;
        }
    }
    Ok(())
}

/// Returns what probes of the walk had to do otherwise for want of privilege, in their own words.
fn done_otherwise(report: &Report) -> Vec<String> {
    let mut said: Vec<String> = Vec::new();
    for step in path::walked(report) {
        let text = step.observation.as_ref().and_then(|seen| seen.get("without_privilege"));
        if let Some(text) = text.and_then(serde_json::Value::as_str) {
            let text = prose(text).trim_end_matches('.').to_owned();
            if !said.contains(&text) {
                said.push(text);
            }
        }
    }
    said
}

/// Returns what could not be looked at, by missing capability.
fn not_permitted(report: &Report) -> Vec<(String, String)> {
    let mut missing: Vec<(String, Vec<String>)> = Vec::new();
    for step in &report.steps {
        let Some(Why::NotPermitted { capability, operation }) = &step.unknown else {
            continue;
        };
        let (capability, operation) = (prose(capability), prose(operation));
        match missing.iter_mut().find(|(known, _)| *known == capability) {
            Some((_, operations)) if operations.contains(&operation.to_string()) => {}
            Some((_, operations)) => operations.push(operation.into_owned()),
            None => missing.push((capability.into_owned(), vec![operation.into_owned()])),
        }
    }
    let joined =
        |(capability, operations): (String, Vec<String>)| (capability, operations.join(", "));
    missing.into_iter().map(joined).collect()
}
