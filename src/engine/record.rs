//! From a report of a real run to a test: the same observations, trimmed to what the walk needs.

use std::sync::Arc;

use serde_json::{Map, Value};

use crate::engine::rehearse::{Lack, run};
use crate::model::outcome::Why;
use crate::model::report::{Report, StepEntry, TargetEntry, Verdict};
use crate::model::target::Target;
use crate::runbook::Runbook;
use crate::runbook::rehearsal::{
    Expect, Observed, Seen, Test, Whereabouts, complete, fitted, sight_of,
};

/// Lists longer than this are shortened where nothing depends on the rest.
const LONG_LIST: usize = 3;

/// A test made from a report.
#[derive(Debug)]
pub struct Recorded {
    /// The test.
    pub test: Test,
    /// What of the report could not be kept, and where the test differs from it.
    pub notes: Vec<String>,
}

/// Turns a report into a test of a runbook; the test passes.
///
/// What it expects is what this version's walk makes of the observations; where the report says
/// something else, a note says so.
pub fn record(report: &Report, runbook: &Arc<Runbook>, name: Option<&str>) -> Recorded {
    let mut notes = Vec::new();
    let mut test = Test {
        name: String::new(),
        line: 1,
        target: target(&report.target, &mut notes),
        params: params(report, runbook, &mut notes),
        observed: observed(report, runbook, &mut notes),
        expect: Expect::default(),
    };
    let walked = fill(runbook, &mut test, &mut notes);
    compare(report, &walked, &mut notes);
    test.observed.retain(|observed| walked.path.contains(&observed.key));
    test.observed.sort_by_key(|observed| walked.path.iter().position(|key| *key == observed.key));
    test.expect = expectation(&walked);
    test.name = name.map_or_else(|| describe(&walked), str::to_owned);
    trim(runbook, &mut test);
    Recorded { test, notes }
}

/// Walks, and calls unknown whatever step the report says too little of.
fn fill(runbook: &Runbook, test: &mut Test, notes: &mut Vec<String>) -> Report {
    loop {
        let ran = run(runbook, test);
        let Some(lack) = ran.lacks else { return ran.report };
        let (key, what) = match lack {
            Lack::Step(key) => (key, "what it saw".to_owned()),
            Lack::Field { step, field, .. } => (step, format!("its {field}")),
        };
        // What is unknown lacks nothing; so every round makes another step unknown.
        let unknown = |one: &Observed| one.key == key && matches!(one.seen, Seen::Unknown(_));
        if test.observed.iter().any(unknown) {
            return ran.report;
        }
        test.observed.retain(|observed| observed.key != key);
        notes.push(format!("step {key}: the report lacks {what}; the test calls the step unknown"));
        let why = Why::Depends { on: "the record of an older run".to_owned() };
        test.observed.push(Observed { key, seen: Seen::Unknown(why), own: true });
    }
}

fn describe(report: &Report) -> String {
    let ended = report.diagnosis.as_ref().map_or(report.verdict.name(), |d| d.title.as_str());
    format!("{ended} ({})", report.target.input)
}

/// The target as a test file can write it.
fn target(saved: &TargetEntry, notes: &mut Vec<String>) -> TargetEntry {
    let parsed = saved.input.parse::<Target>().ok();
    let same = parsed.as_ref().is_some_and(|parsed| {
        (parsed.host.text(), parsed.port, &parsed.scheme)
            == (saved.host.clone(), saved.port, &saved.scheme)
    });
    let here = saved.host.is_none() && saved.port.is_none();
    if same || here {
        return saved.clone();
    }
    let host = saved.host.clone().unwrap_or_default();
    let host = if host.contains(':') { format!("[{host}]") } else { host };
    let input = match saved.port {
        Some(port) => format!("{host}:{port}"),
        None => host,
    };
    notes.push(format!("the target is written as {input}"));
    match input.parse::<Target>() {
        Ok(parsed) => TargetEntry {
            host: parsed.host.text(),
            port: parsed.port,
            scheme: parsed.scheme,
            input,
            family: saved.family.clone(),
        },
        Err(_) => TargetEntry { host: None, port: None, scheme: None, ..saved.clone() },
    }
}

fn params(report: &Report, runbook: &Runbook, notes: &mut Vec<String>) -> Map<String, Value> {
    for name in report.params.keys() {
        if !runbook.params.iter().any(|param| param.name == *name) {
            notes.push(format!("the runbook has no parameter {name} any more; it is left out"));
        }
    }
    let known = runbook.params.iter().filter_map(|param| {
        let value = report.params.get(&param.name).or(param.default.as_ref())?;
        Some((param.name.clone(), value.clone()))
    });
    known.collect()
}

fn observed(report: &Report, runbook: &Runbook, notes: &mut Vec<String>) -> Vec<Observed> {
    let entries =
        report.steps.iter().filter_map(|entry| Some((entry, seen(entry, runbook, notes)?)));
    let observed: Vec<Observed> =
        entries.map(|(entry, seen)| Observed { key: entry.id.clone(), seen, own: true }).collect();
    observed
}

fn seen(entry: &StepEntry, runbook: &Runbook, notes: &mut Vec<String>) -> Option<Seen> {
    let id = &entry.id;
    let sight = sight_of(runbook, id);
    match (&entry.observation, &entry.unknown, sight) {
        (Some(seen), _, Some(sight)) => {
            let record = &sight.record;
            let (given, dropped) = fitted(seen, record);
            if !dropped.is_empty() {
                let dropped = dropped.join(", ");
                notes.push(format!("step {id}: the probe {} sees no such {dropped}", sight.name));
            }
            let whole = complete(&given, record);
            if let Err(why) = sight.read(&whole) {
                notes.push(format!("step {id}: its observation does not fit: {why}"));
                return None;
            }
            Some(Seen::Fields { given, whole })
        }
        (Some(seen), _, None) => {
            let answer = seen.get("answer").and_then(Value::as_str).map(str::to_owned);
            if answer.is_none() && entry.probe.is_some() {
                notes.push(format!("the runbook has no step {id} with a probe; it is left out"));
            }
            answer.map(Seen::Answer)
        }
        (None, Some(why @ Why::NotAnswered), _) | (None, Some(why), Some(_)) => {
            Some(Seen::Unknown(why.clone()))
        }
        _ => None,
    }
}

/// Says where the report and this version's walk part.
fn compare(report: &Report, walked: &Report, notes: &mut Vec<String>) {
    let id = |report: &Report| {
        let id = report.diagnosis.as_ref().map(|diagnosis| diagnosis.id.clone());
        id.unwrap_or_else(|| "no diagnosis".to_owned())
    };
    let end = |report: &Report| format!("{} with {}", report.verdict.name(), id(report));
    if end(report) != end(walked) {
        notes.push(format!(
            "the report says {}; this runbook comes to {}, and the test expects that",
            end(report),
            end(walked)
        ));
    } else if report.path != walked.path {
        notes.push(format!(
            "the report took another way ({}); the test expects {}",
            report.path.join(", "),
            walked.path.join(", ")
        ));
    }
}

fn expectation(walked: &Report) -> Expect {
    let diagnosis = walked.diagnosis.as_ref();
    Expect {
        verdict: Some(walked.verdict),
        diagnosis: diagnosis.map(|diagnosis| Some(diagnosis.id.clone())),
        confidence: diagnosis.map(|diagnosis| diagnosis.confidence),
        location: diagnosis
            .filter(|_| walked.verdict != Verdict::Inconclusive)
            .map(|diagnosis| &diagnosis.location)
            .map(|location| Whereabouts {
                kind: Some(location.kind),
                hop: location.hop.map(Some),
                address: location.address.clone().map(Some),
            }),
        path: Some(walked.path.clone()),
        findings: (!walked.findings.is_empty())
            .then(|| walked.findings.iter().map(|finding| finding.id.clone()).collect()),
        summary: diagnosis.map(|diagnosis| diagnosis.summary.clone()),
        ..Expect::default()
    }
}

/// Takes out every field that nothing depends on.
fn trim(runbook: &Runbook, test: &mut Test) {
    for nth in 0..test.observed.len() {
        let key = test.observed[nth].key.clone();
        let Some(sight) = sight_of(runbook, &key) else { continue };
        let record = &sight.record;
        let Seen::Fields { mut given, .. } = test.observed[nth].seen.clone() else { continue };
        let mut holds = |given: &Value| {
            let whole = complete(given, record);
            let fits = sight.read(&whole).is_ok();
            test.observed[nth].seen = Seen::Fields { given: given.clone(), whole };
            fits && run(runbook, test).rehearsed.passed()
        };
        trim_value(&mut given, &mut Vec::new(), &mut holds);
        let whole = complete(&given, record);
        test.observed[nth].seen = Seen::Fields { given, whole };
    }
}

/// One step of the way to a value inside an observation.
#[derive(Clone)]
enum At {
    Field(String),
    Item(usize),
}

fn inside<'a>(root: &'a mut Value, path: &[At]) -> Option<&'a mut Value> {
    let mut value = root;
    for at in path {
        value = match at {
            At::Field(name) => value.get_mut(name)?,
            At::Item(nth) => value.get_mut(nth)?,
        };
    }
    Some(value)
}

/// Tries to take out every field and surplus item below `path`, the outer ones first.
fn trim_value(root: &mut Value, path: &mut Vec<At>, holds: &mut dyn FnMut(&Value) -> bool) {
    match inside(root, path).cloned() {
        Some(Value::Object(fields)) => {
            for name in fields.keys() {
                let without = |root: &mut Value| {
                    let record = inside(root, path).and_then(Value::as_object_mut);
                    record.and_then(|record| record.shift_remove(name));
                };
                if !attempt(root, without, holds) {
                    path.push(At::Field(name.clone()));
                    trim_value(root, path, holds);
                    path.pop();
                }
            }
        }
        Some(Value::Array(items)) => {
            for nth in (0..items.len()).rev() {
                let long = inside(root, path).and_then(|list| list.as_array().map(Vec::len));
                let without = |root: &mut Value| {
                    let list = inside(root, path).and_then(Value::as_array_mut);
                    list.map(|list| list.remove(nth));
                };
                if long > Some(LONG_LIST) && attempt(root, without, holds) {
                    continue;
                }
                path.push(At::Item(nth));
                trim_value(root, path, holds);
                path.pop();
            }
        }
        _ => {}
    }
}

fn attempt(
    root: &mut Value,
    change: impl Fn(&mut Value),
    holds: &mut dyn FnMut(&Value) -> bool,
) -> bool {
    let mut changed = root.clone();
    change(&mut changed);
    let held = holds(&changed);
    if held {
        *root = changed;
    }
    held
}
