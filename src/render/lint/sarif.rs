//! SARIF 2.1.0, as code scanning takes it: a rule for each code, a result for each finding.

use std::fmt::Write as _;
use std::io::{self, Write};

use serde_json::{Value, json};

use crate::model::lint::{Finding, Lint, Region, Rule};
use crate::render::sanitise::prose;
use crate::render::write_json;

const SCHEMA: &str =
    "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json";

pub(super) fn write(lint: &Lint, out: &mut dyn Write) -> io::Result<()> {
    let results = lint.findings.iter().map(|finding| result(finding, &lint.rules));
    let sarif = json!({
        "$schema": SCHEMA,
        "version": "2.1.0",
        "runs": [{
            "tool": {"driver": {
                "name": lint.tool.name,
                "version": lint.tool.version,
                "rules": lint.rules.iter().map(rule).collect::<Vec<_>>(),
            }},
            "automationDetails": {"id": "tcpdoctor-lint/"},
            "columnKind": "unicodeCodePoints",
            "results": results.collect::<Vec<_>>(),
        }],
    });
    write_json(&sarif, out)
}

fn rule(rule: &Rule) -> Value {
    let more = format!("{} `tcpdoctor explain {}` shows an example.", rule.explanation, rule.code);
    json!({
        "id": rule.code,
        "shortDescription": {"text": rule.meaning},
        "fullDescription": {"text": rule.explanation},
        "help": {"text": more, "markdown": more},
        "defaultConfiguration": {"level": rule.level.name()},
    })
}

fn result(finding: &Finding, rules: &[Rule]) -> Value {
    let text = match &finding.help {
        Some(help) => format!("{}. {}", prose(&finding.message), prose(help)),
        None => prose(&finding.message).into_owned(),
    };
    let mut result = json!({
        "ruleId": finding.code,
        "level": finding.level.name(),
        "message": {"text": text},
        "locations": [location(&finding.file, finding.at)],
    });
    if let Some(index) = rules.iter().position(|rule| rule.code == finding.code) {
        result["ruleIndex"] = json!(index);
    }
    if let Some(related) = &finding.related {
        let mut place = location(&finding.file, related.at);
        place["message"] = json!({"text": prose(&related.message)});
        result["relatedLocations"] = json!([place]);
    }
    if let Some(fix) = &finding.fix {
        let replacements = fix.edits.iter().map(|edit| {
            json!({"deletedRegion": region(edit.at), "insertedContent": {"text": edit.text}})
        });
        result["fixes"] = json!([{
            "description": {"text": prose(&fix.title)},
            "artifactChanges": [{
                "artifactLocation": {"uri": uri(&finding.file)},
                "replacements": replacements.collect::<Vec<_>>(),
            }],
        }]);
    }
    result
}

fn location(file: &str, at: Region) -> Value {
    json!({"physicalLocation": {
        "artifactLocation": {"uri": uri(file)},
        "region": region(at),
    }})
}

fn region(at: Region) -> Value {
    json!({
        "startLine": at.line,
        "startColumn": at.column,
        "endLine": at.end_line,
        "endColumn": at.end_column,
    })
}

/// Writes a path as a URI reference (RFC 3986): what is no plain character is percent-encoded.
fn uri(path: &str) -> String {
    let path = path.strip_prefix("./").unwrap_or(path);
    let mut out = String::with_capacity(path.len());
    for byte in path.bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'/' | b'-' | b'_' | b'.' | b'~' => {
                out.push(char::from(byte));
            }
            _ => {
                // Writing to a String cannot fail.
                let _ = write!(out, "%{byte:02X}");
            }
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_become_uri_references() {
        assert_eq!(uri("./runbooks/my db.yaml"), "runbooks/my%20db.yaml");
        assert_eq!(uri("/etc/ä:b.yaml"), "/etc/%C3%A4%3Ab.yaml");
    }
}
