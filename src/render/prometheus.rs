//! Prometheus' text format (0.0.4), for the node exporter's textfile collector.
//!
//! Outcomes are series of their own with the value 0 or 1, so that none ever vanishes; the reason code
//! is a label of an info metric, so that an alert can name the cause. Every series of a metric has the
//! same labels. There are no time stamps: the collector refuses them.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, Write};

use serde::Serialize;

use crate::model::check::{Check, CheckResult};
use crate::model::expect::Judgement;
use crate::render::account;
use crate::render::sanitise::line;

/// The labels of a series, in order, and its value.
type Series = (Vec<(String, String)>, f64);

pub(super) fn write(check: &Check, out: &mut dyn Write) -> io::Result<()> {
    let targets = targets(check);
    family(
        "tcpdoctor_target_outcome",
        "Whether the target had this outcome in the last check (1) or not (0).",
        targets.iter().flat_map(Target::outcomes),
        out,
    )?;
    family(
        "tcpdoctor_target_diagnosis_info",
        "What the last check found: the reason code (a diagnosis id, healthy, inconclusive, \
         not_run or expectation.not_met), its layer, severity, confidence and place. Always 1.",
        targets.iter().map(Target::diagnosis),
        out,
    )?;
    let keys = label_names(check);
    family(
        "tcpdoctor_target_info",
        "The target's runbook, what was expected of it, and its labels. Always 1.",
        targets.iter().map(|target| target.info(&keys)),
        out,
    )?;
    family(
        "tcpdoctor_target_duration_seconds",
        "How long the last check of the target took, with all its attempts.",
        targets.iter().filter_map(|one| one.measured(one.result.duration_ms)),
        out,
    )?;
    family(
        "tcpdoctor_target_connect_seconds",
        "How long a TCP handshake with the target took (median); absent when none completed.",
        targets.iter().filter_map(|one| one.measured(account::connect_ms(one.result))),
        out,
    )?;
    family(
        "tcpdoctor_target_attempts",
        "How many runs the last check of the target took.",
        targets.iter().map(|one| (one.named(), f64::from(one.result.attempts))),
        out,
    )?;
    family(
        "tcpdoctor_check_duration_seconds",
        "How long the last check took.",
        [(Vec::new(), check.duration_ms / 1e3)],
        out,
    )?;
    family(
        "tcpdoctor_check_interrupted",
        "Whether the last check was interrupted (1) or not (0).",
        [(Vec::new(), flag(check.interrupted))],
        out,
    )?;
    let started = check.started_at.parse::<jiff::Timestamp>().ok();
    family(
        "tcpdoctor_check_start_time_seconds",
        "When the last check began, in seconds since 1970.",
        started.map(|at| (Vec::new(), at.as_millisecond() as f64 / 1e3)),
        out,
    )?;
    let version = label("version", &check.tool.version);
    family("tcpdoctor_build_info", "The tool's version. Always 1.", [(vec![version], 1.0)], out)
}

/// A result with a name that no other has, also once it is escaped.
struct Target<'a> {
    name: String,
    result: &'a CheckResult,
}

fn targets(check: &Check) -> Vec<Target<'_>> {
    let mut taken = BTreeSet::new();
    let named = check.results.iter().map(|result| {
        let plain = line(&result.name).into_owned();
        let numbered = (2..).map(|nth| format!("{plain} ({nth})"));
        let mut names = std::iter::once(plain.clone()).chain(numbered);
        let name = names.find(|name| !taken.contains(name)).unwrap_or_else(|| plain.clone());
        taken.insert(name.clone());
        Target { name, result }
    });
    named.collect()
}

impl Target<'_> {
    fn named(&self) -> Vec<(String, String)> {
        vec![label("name", &self.name), label("target", &self.result.target)]
    }

    fn with(&self, more: impl IntoIterator<Item = (String, String)>) -> Vec<(String, String)> {
        self.named().into_iter().chain(more).collect()
    }

    fn outcomes(&self) -> Vec<Series> {
        let all = [Judgement::Passed, Judgement::Failed, Judgement::Error, Judgement::Skipped];
        let series = all.map(|outcome| {
            let labels = self.with([label("outcome", outcome.name())]);
            (labels, flag(outcome == self.result.outcome))
        });
        series.to_vec()
    }

    fn diagnosis(&self) -> Series {
        let found = account::diagnosis(self.result);
        let report = self.result.report.as_ref();
        let labels = self.with([
            label("reason", account::reason(self.result)),
            label("verdict", report.map_or("", |report| report.verdict.name())),
            label("layer", &word(found.map(|found| found.layer))),
            label("severity", &word(found.map(|found| found.severity))),
            label("confidence", &word(found.map(|found| found.confidence))),
            label("place", &word(found.map(|found| found.location.kind))),
        ]);
        (labels, 1.0)
    }

    /// The users' labels are empty where a target lacks one that another has.
    fn info(&self, keys: &BTreeMap<&str, String>) -> Series {
        let report = self.result.report.as_ref();
        let mut labels = self.with([
            label("runbook", report.map_or("", |report| &report.runbook.name)),
            label("expect", &self.result.expect),
        ]);
        labels.extend(keys.iter().map(|(key, name)| {
            label(name, self.result.labels.get(*key).map_or("", String::as_str))
        }));
        (labels, 1.0)
    }

    fn measured(&self, ms: Option<f64>) -> Option<Series> {
        Some((self.named(), ms? / 1e3))
    }
}

fn label(name: &str, value: &str) -> (String, String) {
    (name.to_owned(), value.to_owned())
}

/// The word that JSON uses; empty when there is none.
fn word(value: Option<impl Serialize>) -> String {
    let value = value.and_then(|value| serde_json::to_value(value).ok());
    value.as_ref().and_then(serde_json::Value::as_str).unwrap_or_default().to_owned()
}

fn flag(is: bool) -> f64 {
    f64::from(u8::from(is))
}

/// Returns a label name for every key of the users' labels: `label_` and the key with everything but
/// letters, digits and `_` replaced; a number tells apart what is the same then.
fn label_names(check: &Check) -> BTreeMap<&str, String> {
    let keys: BTreeSet<&str> =
        check.results.iter().flat_map(|one| one.labels.keys()).map(String::as_str).collect();
    let mut names: BTreeMap<&str, String> = BTreeMap::new();
    for key in keys {
        let plain = |c: char| if c.is_ascii_alphanumeric() { c } else { '_' };
        let plain = format!("label_{}", key.chars().map(plain).collect::<String>());
        let mut name = plain.clone();
        let mut nth = 2;
        while names.values().any(|taken| *taken == name) {
            name = format!("{plain}_{nth}");
            nth += 1;
        }
        names.insert(key, name);
    }
    names
}

fn family(
    name: &str,
    help: &str,
    series: impl IntoIterator<Item = Series>,
    out: &mut dyn Write,
) -> io::Result<()> {
    let mut series = series.into_iter().peekable();
    if series.peek().is_none() {
        return Ok(());
    }
    writeln!(out, "# HELP {name} {help}\n# TYPE {name} gauge")?;
    for (labels, value) in series {
        // Nothing is measured finer than a microsecond.
        let value = (value * 1e6).round() / 1e6;
        let labels: Vec<String> =
            labels.iter().map(|(key, text)| format!("{key}=\"{}\"", quoted(text))).collect();
        match &labels[..] {
            [] => writeln!(out, "{name} {value}")?,
            labels => writeln!(out, "{name}{{{}}} {value}", labels.join(","))?,
        }
    }
    Ok(())
}

/// Escapes a label's value: `\`, `"` and line ends, and what a terminal would act on.
fn quoted(text: &str) -> String {
    line(text).replace('\\', "\\\\").replace('"', "\\\"")
}
