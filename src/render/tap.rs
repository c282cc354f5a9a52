//! The Test Anything Protocol, version 14: one test point for each target, what is known of it in a
//! YAML block.
//!
//! TAP knows no third result: a target that could not be judged is `not ok` with `severity: error`,
//! one that is not as expected `not ok` with `severity: fail`; one that was not looked at is skipped.

use std::io::{self, Write};

use serde_json::{Value, json};

use crate::model::check::{Check, CheckResult};
use crate::model::expect::Judgement;
use crate::render::account;
use crate::render::sanitise::{line, prose};

/// Harnesses show descriptions and messages on one line.
const MOST: usize = 1000;

pub(super) fn write(check: &Check, out: &mut dyn Write) -> io::Result<()> {
    writeln!(out, "TAP version 14")?;
    writeln!(out, "1..{}", check.results.len())?;
    for (nth, result) in check.results.iter().enumerate() {
        let ok = match result.outcome {
            Judgement::Passed | Judgement::Skipped => "ok",
            Judgement::Failed | Judgement::Error => "not ok",
        };
        let name = account::shortened(&result.name, MOST);
        write!(out, "{ok} {} - {}", nth + 1, description(&name))?;
        if result.outcome == Judgement::Skipped {
            write!(out, " # SKIP {}", description(&account::sentence(result, MOST)))?;
        }
        writeln!(out)?;
        block(result, out)?;
    }
    if check.interrupted {
        writeln!(out, "Bail out! interrupted")?;
    }
    Ok(())
}

/// Escapes what TAP 14 gives a meaning in a description: `\` and `#`.
fn description(text: &str) -> String {
    line(text).replace('\\', "\\\\").replace('#', "\\#")
}

/// Writes the YAML block: keys of ours, every text quoted on one line, so that neither `...` nor
/// `---` can end it.
fn block(result: &CheckResult, out: &mut dyn Write) -> io::Result<()> {
    let severity = match result.outcome {
        Judgement::Passed if result.is_degraded() => Some("warning"),
        Judgement::Passed => None,
        Judgement::Failed => Some("fail"),
        Judgement::Error => Some("error"),
        Judgement::Skipped => Some("skipped"),
    };
    writeln!(out, "  ---")?;
    let mut pair = |key: &str, value: Value| writeln!(out, "  {key}: {}", scalar(&value));
    if let Some(severity) = severity {
        pair("severity", json!(severity))?;
        pair("message", json!(account::sentence(result, MOST)))?;
    }
    pair("target", json!(result.target))?;
    pair("expected", json!(result.expect))?;
    pair("reason", json!(account::reason(result)))?;
    if let Some(report) = &result.report {
        pair("verdict", json!(report.verdict.name()))?;
        pair("runbook", json!(report.runbook.name))?;
    }
    pair("attempts", json!(result.attempts))?;
    pair("duration_ms", json!(result.duration_ms))?;
    let labels = result.labels.iter().map(|(name, value)| format!("{name}={value}"));
    list("labels", labels, out)?;
    let evidence = account::diagnosis(result).map_or(&[][..], |found| &found.evidence).iter();
    list("evidence", evidence.map(|seen| format!("{}: {}", seen.step, prose(&seen.text))), out)?;
    let steps = account::walked(result).into_iter().map(|step| {
        let status = json!(step.status);
        format!("{} {}", status.as_str().unwrap_or_default(), step.id)
    });
    list("steps", steps, out)?;
    writeln!(out, "  ...")
}

/// Writes a list on one line: harnesses read a part of YAML only, and lists below a key are not safe
/// with all of them.
fn list(key: &str, items: impl Iterator<Item = String>, out: &mut dyn Write) -> io::Result<()> {
    let items: Vec<String> = items.map(|item| scalar(&Value::from(item))).collect();
    match items.is_empty() {
        true => Ok(()),
        false => writeln!(out, "  {key}: [{}]", items.join(", ")),
    }
}

/// A JSON scalar, which YAML 1.2 reads as the same value.
fn scalar(value: &Value) -> String {
    match value {
        Value::String(text) => Value::from(line(text)).to_string(),
        other => other.to_string(),
    }
}
