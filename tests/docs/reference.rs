//! The reference under docs/reference: made from what `tcpdoctor explain` says, so that both never
//! say different things.

use std::fmt::Write as _;
use std::fs;
use std::process::Command;

use serde_json::Value;

use crate::{root, updates};

#[test]
fn the_reference_is_that_of_the_program() {
    let pages = [
        ("probes.md", probes()),
        ("diagnoses.md", diagnoses()),
        ("keys.md", keys()),
        ("codes.md", codes()),
    ];
    let folder = root().join("docs/reference");
    for (name, text) in pages {
        let path = folder.join(name);
        if updates() {
            fs::create_dir_all(&folder).expect("a writable folder");
            fs::write(&path, &text).expect("a writable page");
        }
        let written = fs::read_to_string(&path).unwrap_or_default();
        assert!(
            written == text,
            "docs/reference/{name} is stale: UPDATE_DOCS=1 cargo test --test docs writes it anew"
        );
    }
}

fn explain(id: Option<&str>) -> Value {
    let output = Command::new(env!("CARGO_BIN_EXE_tcpdoctor"))
        .args(["explain", "--format", "json"])
        .args(id)
        .output()
        .expect("the binary runs");
    assert!(output.status.success(), "explain {id:?}");
    serde_json::from_slice(&output.stdout).expect("JSON")
}

fn ids(of: &str) -> Vec<String> {
    let all = explain(None);
    let ids: Vec<String> = list(&all, of).iter().map(|id| word(id).to_owned()).collect();
    assert!(!ids.is_empty(), "explain lists no {of}");
    ids
}

fn list<'a>(value: &'a Value, name: &str) -> &'a [Value] {
    value[name].as_array().map(Vec::as_slice).unwrap_or_default()
}

fn word(value: &Value) -> &str {
    value.as_str().or_else(|| value["id"].as_str()).unwrap_or_default()
}

/// Text for a cell of a table.
fn cell(text: &str) -> String {
    text.replace('|', "\\|").replace('\n', " ")
}

fn head(title: &str, command: &str) -> String {
    format!(
        "# {title}\n\nMade from what `{command}` says; change it there, then \
         `UPDATE_DOCS=1 cargo test --test docs`.\n"
    )
}

fn probes() -> String {
    let mut page = head("Probes", "tcpdoctor explain PROBE");
    for id in ids("probes") {
        let probe = explain(Some(&id));
        let (doc, privilege) = (&probe["doc"], &probe["privilege"]);
        let _ = write!(page, "\n## {id}\n\n{}\n", doc.as_str().unwrap_or_default());
        if let Some(privilege) = privilege.as_str() {
            let _ = write!(page, "\n{privilege}\n");
        }
        let _ = write!(page, "\n| argument | type | default | |\n|---|---|---|---|\n");
        for field in list(&probe, "args") {
            let default = match &field["default"] {
                Value::Null if field["nullable"] == true => "none".to_owned(),
                Value::Null => "required".to_owned(),
                value => format!("`{}`", cell(&value.to_string())),
            };
            let _ = writeln!(page, "{} {default} | {} |", field_of(field), doc_of(field));
        }
        let _ = write!(page, "\n| sees | type | |\n|---|---|---|\n");
        for field in list(&probe, "result") {
            let _ = writeln!(page, "{} {} |", field_of(field), doc_of(field));
        }
    }
    page
}

fn field_of(field: &Value) -> String {
    let nullable = if field["nullable"] == true { ", may be null" } else { "" };
    format!("| `{}` | {}{nullable} |", word(&field["name"]), cell(word(&field["type"])))
}

fn doc_of(field: &Value) -> String {
    cell(word(&field["doc"]))
}

fn diagnoses() -> String {
    let mut page = head("Diagnoses", "tcpdoctor explain ID");
    for id in ids("diagnoses") {
        let entry = explain(Some(&id));
        let text = |name: &str| entry[name].as_str().unwrap_or_default().to_owned();
        let _ = write!(page, "\n## {id}\n\n**{}**: {}\n", text("title"), text("meaning"));
        let _ = write!(
            page,
            "\nSeverity {}, confidence {} unless the runbook says otherwise, place: {}.\n",
            text("severity"),
            text("confidence"),
            text("location")
        );
        let remedies = list(&entry, "remedies");
        if !remedies.is_empty() {
            page.push('\n');
        }
        for remedy in remedies {
            let command = remedy["command"].as_str().map(|command| format!(" `{command}`"));
            let (text, place) = (word(&remedy["text"]), word(&remedy["where"]));
            let when = remedy["when"].as_str().map(|when| format!(", when `{when}`"));
            let (command, when) = (command.unwrap_or_default(), when.unwrap_or_default());
            let _ = writeln!(page, "- {text}{command} ({place}{when})");
        }
        let alike = list(&entry, "lookalikes");
        if !alike.is_empty() {
            let _ = write!(page, "\nLooks alike:\n\n");
        }
        for other in alike {
            let _ = writeln!(page, "- `{}`: {}", word(other), word(&other["separate_by"]));
        }
    }
    page
}

fn keys() -> String {
    let mut page = head("Keys of runbooks", "tcpdoctor explain KEY");
    let _ = write!(page, "\n| key | in | takes | |\n|---|---|---|---|\n");
    for id in ids("keys") {
        let entry = explain(Some(&id));
        for key in list(&entry, "keys") {
            let places: Vec<&str> = list(key, "in").iter().map(word).collect();
            let required = if key["required"] == true { " (required)" } else { "" };
            let _ = writeln!(
                page,
                "| `{id}` | {} | {}{required} | {} |",
                places.join(", ").replace('_', " "),
                cell(word(&key["takes"])),
                doc_of(key)
            );
        }
    }
    page
}

fn codes() -> String {
    let mut page = head("Codes of the linter and the loader", "tcpdoctor explain TD001");
    for id in ids("codes") {
        let code = explain(Some(&id));
        let text = |name: &str| code[name].as_str().unwrap_or_default().trim().to_owned();
        let _ = write!(page, "\n## {id} ({})\n\n{}\n", text("level"), text("meaning"));
        if !text("explanation").is_empty() {
            let _ = write!(page, "\n{}\n", text("explanation"));
        }
        for (title, example) in [("Wrong", text("bad")), ("Right", text("good"))] {
            if !example.is_empty() {
                let _ = write!(page, "\n{title}:\n\n```yaml\n{example}\n```\n");
            }
        }
    }
    page
}
