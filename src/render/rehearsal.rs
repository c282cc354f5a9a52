//! The results of `runbook test`: text for the author of a runbook, and what pipelines read.
//!
//! A failed test shows what was expected beside what came, then the way the walk took with the
//! conditions that led there and the values that they read.

mod github;
mod junit;

use std::io::{self, Write};

use serde_json::Value;

use crate::model::rehearsal::{
    ArmCovered, ArmKind, Coverage, Mismatch, Rehearsal, Rehearsed, Share, Tried, Walked,
};
use crate::model::report::Status;
use crate::render::layout::{pad, wrap, wrap_at_most};
use crate::render::sanitise::{line, prose};
use crate::render::{Format, Paint, Style, write_json};

/// The formats that results of tests can be written in.
pub const FORMATS: &[Format] = &[Format::Text, Format::Json, Format::Junit, Format::Github];

/// How many unreached conclusions are named unless all are asked for.
const SOME: usize = 8;
/// Longer conditions end in an ellipsis unless all is asked for.
const MOST_LINES: usize = 3;

/// Writes the results in one of [`FORMATS`]; `all` lists everything that no test reaches.
///
/// # Errors
///
/// Returns what writing to `out` met.
pub fn write(
    rehearsal: &Rehearsal,
    all: bool,
    format: Format,
    style: &Style,
    out: &mut dyn Write,
) -> io::Result<()> {
    match format {
        Format::Json => write_json(rehearsal, out),
        Format::Junit => junit::write(rehearsal, out),
        Format::Github => github::write(rehearsal, out),
        _ => text(rehearsal, all, style, out),
    }
}

fn text(rehearsal: &Rehearsal, all: bool, style: &Style, out: &mut dyn Write) -> io::Result<()> {
    for tests in rehearsal.tests.chunk_by(|one, next| one.file == next.file) {
        file(tests, style, out)?;
    }
    for coverage in &rehearsal.coverage {
        covered(coverage, all, style, out)?;
    }
    let failures = rehearsal.failures();
    let count = rehearsal.tests.len();
    let (paint, summary) = match failures {
        0 => (Paint::Good, format!("{} passed", tests(count))),
        _ => (Paint::Bad, format!("{failures} of {} failed", tests(count))),
    };
    writeln!(out, "\n{}", style.paint(paint, &summary))
}

fn tests(count: usize) -> String {
    if count == 1 { "1 test".to_owned() } else { format!("{count} tests") }
}

/// The tests of one file.
fn file(tested: &[Rehearsed], style: &Style, out: &mut dyn Write) -> io::Result<()> {
    let failed = tested.iter().filter(|test| !test.passed()).count();
    let (mark, paint) = style.status_mark(if failed == 0 { Status::Pass } else { Status::Fail });
    let name = tested.first().map_or_else(Default::default, |test| line(&test.file).into_owned());
    let count = match failed {
        0 => tests(tested.len()),
        _ => format!("{failed} of {} failed", tests(tested.len())),
    };
    writeln!(out, "{} {}  {count}", style.paint(paint, mark), style.paint(Paint::Strong, &name))?;
    for test in tested {
        if !test.passed() {
            failure(test, style, out)?;
        } else if style.verbose {
            let (mark, paint) = style.status_mark(Status::Pass);
            for (nth, text) in wrap(&prose(&test.name), style.page() - 4).iter().enumerate() {
                let mark = if nth == 0 { mark } else { " " };
                writeln!(out, "  {} {text}", style.paint(paint, mark))?;
            }
        }
    }
    Ok(())
}

fn failure(test: &Rehearsed, style: &Style, out: &mut dyn Write) -> io::Result<()> {
    let (mark, paint) = style.status_mark(Status::Fail);
    let name = format!("{} (line {})", prose(&test.name), test.line);
    writeln!(out)?;
    for (nth, text) in wrap(&name, style.page() - 4).iter().enumerate() {
        let mark = if nth == 0 { mark } else { " " };
        writeln!(out, "  {} {}", style.paint(paint, mark), style.paint(Paint::Strong, text))?;
    }
    for problem in &test.problems {
        mismatch(problem, style, out)?;
    }
    if test.walked.is_empty() {
        return Ok(());
    }
    writeln!(out, "\n    {}", style.paint(Paint::Faint, "the way it took"))?;
    let widest = test.walked.iter().map(|step| console::measure_text_width(&line(&step.step)));
    let column = widest.max().unwrap_or(0).min(20);
    for (nth, step) in test.walked.iter().enumerate() {
        walked(step, test.parted == Some(nth), column, style, out)?;
    }
    Ok(())
}

/// What was expected above what came.
fn mismatch(problem: &Mismatch, style: &Style, out: &mut dyn Write) -> io::Result<()> {
    let (expected, got) = match problem.what.as_str() {
        "path" => without_common_start(&problem.expected, &problem.got),
        _ => (problem.expected.clone(), problem.got.clone()),
    };
    let what = line(&problem.what);
    let (expected, got) = (prose(&expected), prose(&got));
    let (good, bad) = (style.paint(Paint::Good, &expected), style.paint(Paint::Bad, &got));
    let short = format!("{what}: expected {expected}, got {got}");
    if console::measure_text_width(&short) <= style.page() - 4 {
        return writeln!(out, "    {what}: expected {good}, got {bad}");
    }
    writeln!(out, "    {what}:")?;
    for (what, text, paint) in [("expected", &expected, Paint::Good), ("got", &got, Paint::Bad)] {
        for (nth, text) in wrap(text, style.page() - 16).iter().enumerate() {
            let what = pad(if nth == 0 { what } else { "" }, 9);
            writeln!(out, "      {what} {}", style.paint(paint, text))?;
        }
    }
    Ok(())
}

/// Of two paths, leaves out what they begin with alike, but for the last step of it.
fn without_common_start(expected: &str, got: &str) -> (String, String) {
    let split = |text: &str| text.split(", ").map(str::to_owned).collect::<Vec<_>>();
    let (expected, got) = (split(expected), split(got));
    let common = expected.iter().zip(&got).take_while(|(a, b)| a == b).count();
    let from = common.saturating_sub(1);
    let shown = |steps: &[String]| {
        let rest = steps.get(from..).unwrap_or_default().join(", ");
        if from == 0 { rest } else { format!("… {rest}") }
    };
    (shown(&expected), shown(&got))
}

fn walked(
    step: &Walked,
    whole: bool,
    column: usize,
    style: &Style,
    out: &mut dyn Write,
) -> io::Result<()> {
    let (mark, paint) = style.status_mark(step.status);
    let (mark, name) = (style.paint(paint, mark), pad(&line(&step.step), column));
    let blanks = " ".repeat(column);
    let (last, before) = match step.tried.split_last() {
        Some((last, before)) if last.held != Some(false) => (Some(last), before),
        _ => (None, &step.tried[..]),
    };
    let before = if whole || style.verbose { before } else { &[] };
    let leads = format!("{} → {}", line(&step.arm), line(&step.to));
    let leads = style.paint(Paint::Strong, &leads);
    let Some(text) = &step.text else {
        if last.is_none() && before.is_empty() {
            return writeln!(out, "    {mark} {name}  {leads}");
        }
        writeln!(out, "    {mark} {name}  decides")?;
        return conditions(before, last, step, &leads, column, style, out);
    };
    let room = style.page().saturating_sub(column + 9);
    for (nth, text) in wrap_at_most(&prose(text), room, 2).iter().enumerate() {
        match nth {
            0 => writeln!(out, "    {mark} {name}  {text}")?,
            _ => writeln!(out, "      {blanks}  {text}")?,
        }
    }
    conditions(before, last, step, &leads, column, style, out)
}

fn conditions(
    before: &[Tried],
    last: Option<&Tried>,
    step: &Walked,
    leads: &str,
    column: usize,
    style: &Style,
    out: &mut dyn Write,
) -> io::Result<()> {
    before.iter().try_for_each(|one| tried(one, None, column, style, out))?;
    match last {
        Some(last) => tried(last, Some(step), column, style, out),
        None => writeln!(out, "{}{leads}", " ".repeat(column + 8)),
    }
}

/// A condition, whether it held, and what it read.
fn tried(
    tried: &Tried,
    taken: Option<&Walked>,
    column: usize,
    style: &Style,
    out: &mut dyn Write,
) -> io::Result<()> {
    let blanks = " ".repeat(column + 8);
    let room = style.page().saturating_sub(column + 8);
    let held = match (taken, tried.held) {
        (Some(step), Some(true)) => format!("yes → {}", line(&step.to)),
        (Some(step), _) if step.to.is_empty() => "unknown".to_owned(),
        (Some(step), _) => format!("unknown → {}", line(&step.to)),
        (None, Some(_)) => "no".to_owned(),
        (None, None) => "unknown".to_owned(),
    };
    let most = if style.verbose { usize::MAX } else { MOST_LINES };
    for text in wrap_at_most(&format!("{}?", prose(&tried.when)), room, most) {
        writeln!(out, "{blanks}{text}")?;
    }
    let paint = if taken.is_some() { Paint::Strong } else { Paint::Faint };
    let read =
        tried.read.iter().map(|read| format!("{} is {}", line(&read.path), shown(&read.value)));
    let mut why: Vec<String> = read.collect();
    let unknown = tried.unknown.as_ref().map(|unknown| prose(unknown).into_owned());
    why.extend(unknown.filter(|unknown| !why.contains(unknown)));
    let text = if why.is_empty() { held } else { format!("{held}; {}", why.join(", ")) };
    for text in wrap_at_most(&text, room.saturating_sub(2), most) {
        writeln!(out, "{blanks}  {}", style.paint(paint, &text))?;
    }
    Ok(())
}

/// A value on one short line.
fn shown(value: &Value) -> String {
    const LONGEST: usize = 60;
    let text = line(&value.to_string()).into_owned();
    match text.char_indices().nth(LONGEST) {
        Some((end, _)) => format!("{} …", &text[..end]),
        None => text,
    }
}

/// How much of a runbook the tests reach, and what they do not.
fn covered(coverage: &Coverage, all: bool, style: &Style, out: &mut dyn Write) -> io::Result<()> {
    let share = |share: Share, what: &str| match share.total {
        0 => format!("no {what}"),
        _ => format!("{}/{} {what}", share.reached, share.total),
    };
    let (steps, branches) = (coverage.steps(), coverage.branches());
    let (conclusions, findings) = (coverage.conclusions(), coverage.findings());
    let text = format!(
        "{}, {}, {} ({} %), {}",
        share(steps, "steps"),
        share(branches, "branches"),
        share(conclusions, "conclusions"),
        conclusions.percent(),
        share(findings, "findings"),
    );
    let name = line(&coverage.runbook);
    writeln!(out, "\n{} reached by {}", style.paint(Paint::Strong, &name), tests(coverage.tests))?;
    for text in wrap(&text, style.page() - 2) {
        writeln!(out, "  {text}")?;
    }
    let missing = |arm: &&ArmCovered| arm.hits == 0 && (all || arm.kind != ArmKind::Branch);
    let missing: Vec<&ArmCovered> = coverage.arms.iter().filter(missing).collect();
    let shown = if all || missing.len() <= SOME { missing.len() } else { SOME };
    if all {
        let steps = coverage.steps.iter().filter(|step| step.hits == 0);
        let steps: Vec<&str> = steps.map(|step| step.step.as_str()).collect();
        if !steps.is_empty() {
            let steps = format!("never walked: {}", steps.join(", "));
            for text in wrap(&line(&steps), style.page() - 2) {
                writeln!(out, "  {}", style.paint(Paint::Warn, &text))?;
            }
        }
    }
    for arm in &missing[..shown] {
        let what = match arm.kind {
            ArmKind::Branch => "never taken",
            ArmKind::Conclusion => "never concluded",
            ArmKind::Finding => "never noted",
        };
        let head = format!("{what}: {} → {}", line(&arm.step), line(&arm.to));
        writeln!(out, "  {}", style.paint(Paint::Warn, &head))?;
        for text in wrap_at_most(&prose(&arm.when), style.page() - 6, MOST_LINES) {
            writeln!(out, "      {text}")?;
        }
    }
    if missing.len() > shown {
        writeln!(out, "  … and {} more: --coverage lists all", missing.len() - shown)?;
    }
    Ok(())
}
