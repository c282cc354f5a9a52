//! SARIF 2.1.0, as code scanning takes it: a rule for each diagnosis, a result for each target that is
//! not as expected or degraded.
//!
//! What could not be judged is a result of kind `open` (3.27.9: not enough information to decide) and
//! an execution notification of level `error`; what was not looked at is a notification of level
//! `note`, for there is nothing to say about it. What is as expected has no result: an alert of an
//! earlier upload is then closed.

use std::collections::BTreeMap;
use std::io::{self, Write};

use serde_json::{Map, Value, json};
use sha2::{Digest, Sha256};

use crate::model::check::{Check, CheckResult};
use crate::model::diagnosis::{Diagnosis, Severity};
use crate::model::expect::Judgement;
use crate::render::sanitise::prose;
use crate::render::{account, markup, words, write_json};

const SCHEMA: &str =
    "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json";
const MOST: usize = 2_000;
/// GitHub shows 1024 characters of a rule's texts.
const MOST_TITLE: usize = 300;

pub(super) fn write(check: &Check, out: &mut dyn Write) -> io::Result<()> {
    let told: Vec<&CheckResult> = check
        .results
        .iter()
        .filter(|one| {
            matches!(one.outcome, Judgement::Failed | Judgement::Error) || one.is_degraded()
        })
        .collect();
    let mut rules = Rules::default();
    let results: Vec<Value> = told.iter().map(|result| entry(result, &mut rules)).collect();
    let notifications: Vec<Value> = check.results.iter().filter_map(notification).collect();
    write_json(
        &json!({
            "$schema": SCHEMA,
            "version": "2.1.0",
            "runs": [{
                "tool": {"driver": {
                    "name": "tcpdoctor",
                    "version": prose(&check.tool.version),
                    "rules": rules.rules,
                }},
                "automationDetails": {"id": "tcpdoctor/"},
                "columnKind": "unicodeCodePoints",
                "invocations": [{
                    "executionSuccessful": !check.interrupted,
                    "startTimeUtc": prose(&check.started_at),
                    "toolExecutionNotifications": notifications,
                }],
                "results": results,
            }],
        }),
        out,
    )
}

/// The rules met so far, by id.
#[derive(Default)]
struct Rules {
    rules: Vec<Value>,
    index: BTreeMap<String, usize>,
}

impl Rules {
    /// Returns the index of a rule, which is made when it is new.
    fn of(&mut self, id: &str, found: Option<&Diagnosis>) -> usize {
        if let Some(index) = self.index.get(id) {
            return *index;
        }
        let index = self.rules.len();
        self.rules.push(rule(id, found));
        self.index.insert(id.to_owned(), index);
        index
    }
}

fn rule(id: &str, found: Option<&Diagnosis>) -> Value {
    let title = match (found, id) {
        (Some(found), _) => account::shortened(&prose(&found.title), MOST_TITLE).into_owned(),
        (None, account::NOT_AS_EXPECTED) => "The target is not as expected".to_owned(),
        (None, _) => "What decides could not be looked at".to_owned(),
    };
    let (help, markdown) = match found {
        Some(_) => {
            let command = format!("tcpdoctor explain {}", prose(id));
            let says = "says what it means, how it is proven, what looks like it and what to do";
            (
                format!("{title}. {command} {says}."),
                format!("{}. {} {says}.", markup::inline(&title), markup::code(&command)),
            )
        }
        None => (format!("{title}."), format!("{title}.")),
    };
    let level = found.map_or("error", |found| level(found.severity));
    let mut tags = vec![json!("network")];
    tags.extend(found.map(|found| json!(found.layer)));
    json!({
        "id": prose(id),
        "name": name(id),
        "shortDescription": {"text": title},
        "fullDescription": {"text": title},
        "help": {"text": help, "markdown": markdown},
        "defaultConfiguration": {"level": level},
        "properties": {"tags": tags, "precision": "high", "problem.severity": match level {
            "note" => "recommendation",
            other => other,
        }},
    })
}

/// `tcp.timeout_filtered` as an identifier: `TcpTimeoutFiltered` (3.49.7 wants one).
fn name(id: &str) -> String {
    let words = id.split(|c: char| !c.is_ascii_alphanumeric()).filter(|word| !word.is_empty());
    let capital = |word: &str| word[..1].to_ascii_uppercase() + &word[1..];
    words.map(capital).collect()
}

fn level(severity: Severity) -> &'static str {
    match severity {
        Severity::Info => "note",
        Severity::Warning => "warning",
        Severity::Critical => "error",
    }
}

fn entry(result: &CheckResult, rules: &mut Rules) -> Value {
    let found = account::diagnosis(result);
    let id = account::reason(result);
    let (kind, level) = match result.outcome {
        Judgement::Error => ("open", "none"),
        Judgement::Passed => ("fail", "warning"),
        Judgement::Failed | Judgement::Skipped => ("fail", "error"),
    };
    let name = prose(&result.name);
    let text = format!("{}: {}", name, account::sentence(result, MOST));
    let mut markdown = format!("**{}**: {}", markup::inline(&name), {
        markup::inline(&account::sentence(result, MOST))
    });
    for seen in found.map_or(&[][..], |found| &found.evidence).iter().take(8) {
        let text = account::shortened(&seen.text, MOST);
        markdown.push_str(&format!("\n- {}: {}", markup::code(&seen.step), markup::inline(&text)));
    }
    for remedy in found.map_or(&[][..], |found| &found.remedies) {
        let place = words::remedy_place(remedy.place);
        let command = remedy.command.as_deref().map(markup::code).unwrap_or_default();
        let text = markup::inline(remedy.text.trim_end_matches([':', '.']));
        markdown.push_str(&format!("\n1. {text} ({place}) {command}"));
    }
    let mut properties = Map::new();
    properties.insert("target".to_owned(), json!(prose(&result.target)));
    properties.insert("expected".to_owned(), json!(prose(&result.expect)));
    properties.insert("outcome".to_owned(), json!(result.outcome));
    if let Some(found) = found {
        properties.insert("confidence".to_owned(), json!(found.confidence));
        properties.insert("where".to_owned(), json!(words::place(&found.location)));
    }
    if !result.labels.is_empty() {
        properties.insert("labels".to_owned(), json!(result.labels));
    }
    json!({
        "ruleId": prose(id),
        "ruleIndex": rules.of(id, found),
        "kind": kind,
        "level": level,
        "message": {"text": text, "markdown": markdown},
        "locations": [location(result)],
        "partialFingerprints": {"primaryLocationLineHash": fingerprint(&result.name, id)},
        "properties": properties,
    })
}

/// Points at the target's entry in the targets file, else at the runbook: code scanning needs a file.
fn location(result: &CheckResult) -> Value {
    let report = result.report.as_ref();
    let (file, line) = match (&result.defined, report) {
        (Some(defined), _) => (defined.file.clone(), defined.line.max(1)),
        (None, Some(report)) if report.runbook.source != "builtin" => {
            (report.runbook.source.clone(), 1)
        }
        (None, Some(report)) => (format!("runbooks/{}.yaml", report.runbook.name), 1),
        (None, None) => ("tcpdoctor".to_owned(), 1),
    };
    let mut logical = vec![json!({
        "name": prose(&result.name),
        "fullyQualifiedName": prose(&result.target),
        "kind": "resource",
    })];
    if let Some(step) = report.and_then(|report| report.path.last()) {
        let runbook = report.map_or("", |report| &report.runbook.name);
        logical.push(json!({
            "name": prose(step),
            "fullyQualifiedName": prose(&format!("{runbook}.{step}")),
            "kind": "member",
        }));
    }
    json!({
        "physicalLocation": {
            "artifactLocation": {"uri": uri(&file)},
            "region": {"startLine": line},
        },
        "logicalLocations": logical,
    })
}

/// A path as a URI reference (RFC 3986): relative paths stay relative, absolute ones become `file:`.
fn uri(path: &str) -> String {
    let mut uri = String::from(if path.starts_with('/') { "file://" } else { "" });
    let path = path.strip_prefix("./").unwrap_or(path);
    for byte in path.bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'/' | b'.' | b'-' | b'_' | b'~' => {
                uri.push(char::from(byte));
            }
            other => uri.push_str(&format!("%{other:02X}")),
        }
    }
    uri
}

/// The same for the same target and cause, whatever moves in the file: alerts are followed by it.
fn fingerprint(name: &str, id: &str) -> String {
    let digest = Sha256::digest(format!("{name}\0{id}"));
    let hex: String = digest.iter().take(8).map(|byte| format!("{byte:02x}")).collect();
    format!("{hex}:1")
}

fn notification(result: &CheckResult) -> Option<Value> {
    let level = match result.outcome {
        Judgement::Error => "error",
        Judgement::Skipped => "note",
        Judgement::Passed | Judgement::Failed => return None,
    };
    let text = format!("{}: {}", prose(&result.name), account::sentence(result, MOST));
    Some(json!({
        "level": level,
        "message": {"text": text},
        "descriptor": {"id": prose(account::reason(result))},
    }))
}
