//! A test as YAML for people: one fact a line, short things on one line, quoted only where needed.

use std::fmt::Write as _;

use serde_json::{Map, Value, json};

use crate::model::outcome::Why;
use crate::runbook::Runbook;
use crate::runbook::rehearsal::{Expect, Observed, Seen, Test, Whereabouts};
use crate::runbook::yaml;

/// Longer lines are broken where they can be.
const WIDTH: usize = 100;

/// Writes a test file with one test.
pub fn as_file(named: &str, runbook: &Runbook, test: &Test) -> String {
    format!("format: 1\nrunbook: {}\ntests:\n{}", scalar(named), as_item(runbook, test))
}

/// Writes a test as an item of `tests`, indented by two blanks.
pub fn as_item(runbook: &Runbook, test: &Test) -> String {
    let mut fields = Map::new();
    fields.insert("name".to_owned(), test.name.as_str().into());
    if test.target.host.is_some() || test.target.port.is_some() {
        fields.insert("target".to_owned(), test.target.input.as_str().into());
    }
    if test.target.family != "any" {
        fields.insert("family".to_owned(), test.target.family.as_str().into());
    }
    let changed = test.params.iter().filter(|(name, value)| {
        let param = runbook.params.iter().find(|param| param.name == **name);
        param.and_then(|param| param.default.as_ref()) != Some(value)
    });
    let changed: Map<String, Value> =
        changed.map(|(name, value)| (name.clone(), value.clone())).collect();
    if !changed.is_empty() {
        fields.insert("params".to_owned(), Value::Object(changed));
    }
    let (mut observe, mut answers) = (Map::new(), Map::new());
    for Observed { key, seen, .. } in &test.observed {
        match seen {
            Seen::Fields { given, .. } => observe.insert(key.clone(), without_null(given)),
            Seen::Unknown(why) => observe.insert(key.clone(), json!({ "unknown": reason(why) })),
            Seen::Answer(answer) => answers.insert(key.clone(), answer.as_str().into()),
        };
    }
    if !observe.is_empty() {
        fields.insert("observe".to_owned(), Value::Object(observe));
    }
    if !answers.is_empty() {
        fields.insert("answers".to_owned(), Value::Object(answers));
    }
    fields.insert("expect".to_owned(), expected(&test.expect));
    let mut out = String::new();
    for (nth, (name, value)) in fields.iter().enumerate() {
        out.push_str(if nth == 0 { "  - " } else { "    " });
        // These are read from top to bottom, one step or fact a line.
        let open = matches!(name.as_str(), "observe" | "expect");
        entry(&mut out, name, value, 4, open);
    }
    out
}

/// Writes what was seen on one line, without what is null.
pub fn in_short(given: &Value) -> String {
    let short = flow(&without_null(given));
    short.trim_matches(['{', '}']).to_owned()
}

/// A field left out is null.
fn without_null(value: &Value) -> Value {
    match value {
        Value::Object(fields) => {
            let fields = fields.iter().filter(|(_, value)| !value.is_null());
            Value::Object(fields.map(|(name, value)| (name.clone(), without_null(value))).collect())
        }
        Value::Array(items) => items.iter().map(without_null).collect(),
        _ => value.clone(),
    }
}

fn reason(why: &Why) -> Value {
    match why {
        Why::Budget => "budget".into(),
        Why::Interrupted => "interrupted".into(),
        Why::NotPermitted { capability, operation } => {
            json!({"not_permitted": capability, "operation": operation})
        }
        Why::Unsupported { what } => json!({ "unsupported": what }),
        Why::Failed { operation, errno } => json!({"failed": errno, "operation": operation}),
        Why::Depends { on } => json!({ "depends": on }),
        Why::NotAnswered => "not_answered".into(),
    }
}

fn expected(expect: &Expect) -> Value {
    let mut fields = Map::new();
    let mut put = |name: &str, value: Option<Value>| {
        if let Some(value) = value {
            fields.insert(name.to_owned(), value);
        }
    };
    let list = |items: &Option<Vec<String>>| items.as_ref().map(|items| json!(items));
    put("verdict", expect.verdict.map(|verdict| json!(verdict)));
    put("diagnosis", expect.diagnosis.as_ref().map(|id| json!(id)));
    put("severity", expect.severity.map(|severity| json!(severity)));
    put("confidence", expect.confidence.map(|confidence| json!(confidence)));
    put("location", expect.location.as_ref().map(location));
    put("path", list(&expect.path));
    put("findings", list(&expect.findings));
    put("evidence", list(&expect.evidence));
    put("ruled_out", list(&expect.ruled_out));
    put("alternatives", list(&expect.alternatives));
    put("title", expect.title.as_ref().map(|text| json!(text)));
    put("summary", expect.summary.as_ref().map(|text| json!(text)));
    put("remedies", list(&expect.remedies));
    if !expect.texts.is_empty() {
        let texts = expect.texts.iter().map(|(step, text)| (step.clone(), json!(text)));
        put("texts", Some(Value::Object(texts.collect())));
    }
    Value::Object(fields)
}

fn location(location: &Whereabouts) -> Value {
    let mut fields = Map::new();
    if let Some(kind) = location.kind {
        fields.insert("kind".to_owned(), json!(kind));
    }
    if let Some(hop) = location.hop {
        fields.insert("hop".to_owned(), json!(hop));
    }
    if let Some(address) = &location.address {
        fields.insert("address".to_owned(), json!(address));
    }
    Value::Object(fields)
}

/// Writes `name: value` and what belongs to it; `open` keeps a mapping off the line of its name.
fn entry(out: &mut String, name: &str, value: &Value, indent: usize, open: bool) {
    let name = scalar(name);
    let short = flow(value);
    let is_map = matches!(value, Value::Object(fields) if !fields.is_empty());
    let fits = indent + name.len() + 2 + short.chars().count() <= WIDTH;
    // Writing to a String cannot fail.
    let _ = match value {
        _ if is_map && open => writeln!(out, "{name}:"),
        Value::Object(_) | Value::Array(_) if !fits => writeln!(out, "{name}:"),
        _ => {
            let _ = writeln!(out, "{name}: {short}");
            return;
        }
    };
    block(out, value, indent + 2);
}

fn block(out: &mut String, value: &Value, indent: usize) {
    let blanks = " ".repeat(indent);
    match value {
        Value::Object(fields) => {
            for (name, value) in fields {
                out.push_str(&blanks);
                entry(out, name, value, indent, false);
            }
        }
        Value::Array(items) => {
            for item in items {
                let short = flow(item);
                let fields = match item {
                    Value::Object(fields) if indent + 2 + short.chars().count() > WIDTH => fields,
                    _ => {
                        let _ = writeln!(out, "{blanks}- {short}");
                        continue;
                    }
                };
                for (nth, (name, value)) in fields.iter().enumerate() {
                    out.push_str(&blanks);
                    out.push_str(if nth == 0 { "- " } else { "  " });
                    entry(out, name, value, indent + 2, false);
                }
            }
        }
        other => {
            let _ = writeln!(out, "{blanks}{}", flow(other));
        }
    }
}

/// Writes a value on one line.
fn flow(value: &Value) -> String {
    match value {
        Value::Object(fields) => {
            let fields = fields.iter().map(|(k, v)| format!("{}: {}", scalar(k), flow(v)));
            format!("{{{}}}", fields.collect::<Vec<_>>().join(", "))
        }
        Value::Array(items) => {
            format!("[{}]", items.iter().map(flow).collect::<Vec<_>>().join(", "))
        }
        Value::String(text) => scalar(text),
        other => other.to_string(),
    }
}

/// Writes a text plain where no reader of YAML, old or new, takes it for something else.
fn scalar(text: &str) -> String {
    const WORDS: [&str; 8] = ["y", "n", "yes", "no", "on", "off", "true", "false"];
    let plain_char = |c: char| c.is_ascii_alphanumeric() || " _./:-+()".contains(c);
    let first = text.chars().next().unwrap_or(' ');
    let plain = first.is_ascii_alphanumeric()
        && text.chars().all(plain_char)
        && !text.ends_with([' ', ':'])
        && !text.contains(": ")
        && !text.contains("  ")
        // `12:30` and `1:2.5` are numbers to YAML 1.1; `10.0.0.5:80` is not.
        && (text.matches('.').count() > 1 || text.contains(|c: char| !"0123456789:._".contains(c)))
        && !WORDS.contains(&text.to_ascii_lowercase().as_str())
        && yaml::is_plain_text(text);
    if plain { text.to_owned() } else { quoted(text) }
}

fn quoted(text: &str) -> String {
    let mut out = String::from("\"");
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\t' => out.push_str("\\t"),
            '\r' => out.push_str("\\r"),
            c if c.is_control() || super::super::expr::is_unsafe(c) => {
                let _ = match c as u32 {
                    code @ 0..=0xff => write!(out, "\\x{code:02x}"),
                    code @ 0x100..=0xffff => write!(out, "\\u{code:04x}"),
                    code => write!(out, "\\U{code:08x}"),
                };
            }
            c => out.push(c),
        }
    }
    out.push('"');
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::runbook::read::Reader;
    use proptest::prelude::*;

    fn read_back(text: &str) -> Value {
        match yaml::parse(text) {
            Ok(node) => Reader::json(&node),
            Err(broken) => panic!("{}\n{text}", broken.message),
        }
    }

    #[test]
    fn texts_that_look_like_something_else_are_quoted() {
        for text in [
            "", "yes", "No", "12", "1.5", "12:30", "::1", "a: b", "a #b", "-", "x ", "0x1f",
            "null", "{", "1e3",
        ] {
            assert!(scalar(text).starts_with('"'), "{text}");
        }
        for text in [
            "db.test:5432",
            "10.0.0.5",
            "10.0.0.5:80",
            "2001:db8::1",
            "nobody listens (yet)",
            "resolve",
            "2.5 ms",
        ] {
            assert_eq!(scalar(text), text);
        }
    }

    fn any_value() -> impl Strategy<Value = Value> {
        let text = prop_oneof![
            "[ -~]{0,90}",
            "\\PC{0,12}",
            "[\\x00-\\x9f\u{2028}\u{feff}]{0,6}",
            "[0-9a-f:.]{0,9}"
        ];
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            any::<i64>().prop_map(Value::from),
            (-1.0e9..1.0e9).prop_map(Value::from),
            text.prop_map(Value::from),
        ];
        leaf.prop_recursive(4, 40, 6, |inner| {
            prop_oneof![
                proptest::collection::vec(inner.clone(), 0..6).prop_map(Value::from),
                proptest::collection::btree_map("[a-z/_ -]{1,9}|[ -~]{1,5}", inner, 0..6)
                    .prop_map(|map| Value::Object(map.into_iter().collect())),
            ]
        })
    }

    proptest! {
        #[test]
        fn what_is_written_is_read_back(value in any_value(), open: bool) {
            let mut out = String::new();
            entry(&mut out, "x", &value, 0, open);
            prop_assert_eq!(&read_back(&out)["x"], &value, "{}", out);
        }
    }
}
