//! Checks to be written: one of every outcome, and one that a hostile network wrote.

use std::collections::BTreeMap;
use std::path::Path;

use serde_json::Value;
use tcpdoctor::Report;
use tcpdoctor::model::check::{Check, CheckResult, Defined, SCHEMA};
use tcpdoctor::model::expect::FailOn;
use tcpdoctor::model::expect::Judgement;
use tcpdoctor::model::report::Tool;
use tcpdoctor::render::{Format, Style};

pub(crate) const FIXTURES: &[&str] = &[
    "degraded_dead_address",
    "dns_nxdomain",
    "filtered_at_hop_2",
    "healthy_local",
    "healthy_remote_with_findings",
    "hostile_strings",
    "inconclusive_permission",
    "mtu_black_hole",
    "refused",
];

pub(crate) fn fixture(name: &str) -> Report {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/render/reports");
    let text = std::fs::read_to_string(folder.join(format!("{name}.json"))).expect("a fixture");
    serde_json::from_str(&text).expect("a report")
}

pub(crate) fn alone(report: Report) -> Check {
    Check::of(report, &FailOn::default(), false)
}

pub(crate) fn write(format: Format, check: &Check) -> String {
    let mut out = Vec::new();
    format.write(check, &Style::plain(80), &mut out).expect("a vector takes everything");
    String::from_utf8(out).expect("every format is UTF-8")
}

fn result(name: &str, fixture_name: &str) -> CheckResult {
    let mut check = alone(fixture(fixture_name));
    let mut result = check.results.remove(0);
    result.name = name.to_owned();
    result
}

/// A check with every outcome: healthy, expected refusal, degraded, fault, fault where another was
/// expected, healthy where a fault was expected, inconclusive, not looked at.
pub(crate) fn every_outcome() -> Check {
    let labels = |pairs: &[(&str, &str)]| -> BTreeMap<String, String> {
        pairs.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect()
    };
    let mut healthy = result("web", "healthy_local");
    healthy.labels = labels(&[("team", "web"), ("tier/zone", "front")]);
    healthy.defined = Some(Defined { file: "targets.yaml".to_owned(), line: 3 });
    let mut refused = result("dmz must refuse", "refused");
    refused.expect = "diagnosis tcp.refused_no_listener".to_owned();
    refused.outcome = Judgement::Passed;
    refused.problems.clear();
    let degraded = result("two addresses", "degraded_dead_address");
    let mut fault = result("db", "filtered_at_hop_2");
    fault.labels = labels(&[("team", "data")]);
    fault.defined = Some(Defined { file: "deploy/my targets.yaml".to_owned(), line: 12 });
    fault.attempts = 3;
    let mut other = result("cache", "refused");
    other.expect = "diagnosis tcp.rejected_admin".to_owned();
    other.problems = vec!["expected diagnosis tcp.rejected_admin, but it is refused".to_owned()];
    let mut unexpected = result("must be closed", "healthy_local");
    unexpected.expect = "diagnosis tcp.rejected_admin".to_owned();
    unexpected.outcome = Judgement::Failed;
    unexpected.problems =
        vec!["expected diagnosis tcp.rejected_admin, but it is healthy".to_owned()];
    let inconclusive = result("unknown", "inconclusive_permission");
    let mut skipped = result("later", "healthy_local");
    skipped.outcome = Judgement::Skipped;
    skipped.report = None;
    skipped.attempts = 0;
    skipped.duration_ms = None;
    skipped.problems = vec!["interrupted".to_owned()];
    check(vec![healthy, refused, degraded, fault, other, unexpected, inconclusive, skipped])
}

/// How each target of [`every_outcome`] fared, and its reason code.
pub(crate) const FARED: &[(&str, Judgement, &str)] = &[
    ("web", Judgement::Passed, "healthy"),
    ("dmz must refuse", Judgement::Passed, "tcp.refused_no_listener"),
    ("two addresses", Judgement::Passed, "dns.dead_address"),
    ("db", Judgement::Failed, "tcp.timeout_filtered"),
    ("cache", Judgement::Failed, "tcp.refused_no_listener"),
    ("must be closed", Judgement::Failed, "expectation.not_met"),
    ("unknown", Judgement::Error, "inconclusive.permission"),
    ("later", Judgement::Skipped, "not_run"),
];

pub(crate) fn check(results: Vec<CheckResult>) -> Check {
    Check {
        schema: SCHEMA.to_owned(),
        tool: Tool { name: "tcpdoctor".to_owned(), version: "0.1.0".to_owned() },
        started_at: "2026-03-08T14:00:00Z".to_owned(),
        duration_ms: 3210.5,
        interrupted: false,
        results,
        alone: false,
    }
}

/// Every free text of a check replaced by these, one after the other.
pub(crate) fn hostile(texts: &[String]) -> Check {
    let mut value = serde_json::to_value(every_outcome()).expect("a check is JSON");
    let mut texts = texts.iter().cycle().cloned();
    replace(&mut value, &mut texts);
    let mut check: Check = serde_json::from_value(value).expect("only texts were replaced");
    for (nth, result) in check.results.iter_mut().enumerate() {
        // Names are unique in a check.
        result.name = format!("{nth} {}", texts.next().expect("endless"));
        let label = texts.next().expect("endless");
        result.labels.insert(texts.next().expect("endless"), label);
    }
    check
}

/// What a name, a banner, an error text or a file of a user's may hold.
const FREE: &[&str] = &[
    "name",
    "target",
    "expect",
    "problems",
    "file",
    "input",
    "host",
    "hostname",
    "title",
    "summary",
    "address",
    "text",
    "why",
    "separate_by",
    "command",
    "by_hand",
    "step",
    "when",
    "to",
    "operation",
    "what",
    "on",
    "source",
    "kernel",
];

fn replace(value: &mut Value, texts: &mut impl Iterator<Item = String>) {
    match value {
        Value::Object(fields) => {
            for (name, value) in fields {
                // `target` and `name` are records as well; the schema's and the tool's own words stay.
                let is_free = FREE.contains(&name.as_str());
                match value {
                    Value::String(text) if is_free => *text = texts.next().expect("endless"),
                    Value::Array(items) if is_free => {
                        for item in items {
                            *item = Value::from(texts.next().expect("endless"));
                        }
                    }
                    // The reason's own word, not a text.
                    Value::Object(why) if name == "unknown" => {
                        let kind = why.get("why").cloned();
                        replace(value, texts);
                        value["why"] = kind.expect("every reason has its word");
                    }
                    _ if matches!(name.as_str(), "tool" | "observation" | "args") => {}
                    other => replace(other, texts),
                }
            }
        }
        Value::Array(items) => items.iter_mut().for_each(|item| replace(item, texts)),
        _ => {}
    }
}
