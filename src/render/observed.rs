//! What one probe saw, run on its own: as text or JSON.

use std::io::{self, Write};

use serde::Serialize;
use serde_json::Value;

use crate::model::outcome::Why;
use crate::render::layout::wrap;
use crate::render::sanitise::{line, prose};
use crate::render::{Format, Paint, Style, settings, words, write_json};

/// What one probe saw, run on its own.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Observed {
    /// The probe.
    pub probe: String,
    /// The arguments it was given.
    pub args: Value,
    /// Its typed result; null when it could not look.
    pub observation: Option<Value>,
    /// Why it could not look; null when it did.
    pub unknown: Option<Why>,
    /// How long it took, in milliseconds.
    pub duration_ms: f64,
    /// The result in one line.
    #[serde(skip)]
    pub brief: Option<String>,
}

impl Observed {
    /// Writes it in a format.
    ///
    /// # Errors
    ///
    /// Returns what writing to `out` met.
    pub fn write(&self, format: Format, style: &Style, out: &mut dyn Write) -> io::Result<()> {
        match format {
            Format::Json => write_json(self, out),
            // The command line refuses the others: they are about targets.
            _ => self.text(style, out),
        }
    }

    fn text(&self, style: &Style, out: &mut dyn Write) -> io::Result<()> {
        let brief = match (&self.unknown, &self.brief) {
            (Some(why), _) => format!("could not look: {why}"),
            (None, Some(brief)) => brief.clone(),
            (None, None) => String::new(),
        };
        let time = words::duration(self.duration_ms);
        let head = format!("{}: {} ({time})", self.probe, prose(&brief));
        for text in wrap(&head, style.page()) {
            writeln!(out, "{}", style.paint(Paint::Strong, &text))?;
        }
        match &self.observation {
            Some(Value::Object(fields)) => record(fields, 2, style, out),
            Some(other) => writeln!(out, "  {}", scalar(other)),
            None => Ok(()),
        }
    }
}

fn record(
    fields: &serde_json::Map<String, Value>,
    indent: usize,
    style: &Style,
    out: &mut dyn Write,
) -> io::Result<()> {
    let blanks = " ".repeat(indent);
    for (name, value) in fields {
        let name = line(name);
        match value {
            Value::Object(inner) if !inner.is_empty() => {
                writeln!(out, "{blanks}{name}:")?;
                record(inner, indent + 2, style, out)?;
            }
            Value::Array(items) if items.iter().any(Value::is_object) => {
                writeln!(out, "{blanks}{name}:")?;
                for item in items {
                    entry(item, indent + 2, style, out)?;
                }
            }
            Value::String(text) if name == settings::FIELD => {
                writeln!(out, "{blanks}{name}:")?;
                settings::file(text, indent + 2, style, out)?;
            }
            other => {
                let room = style.page().saturating_sub(indent + 4);
                let text = format!("{name}: {}", scalar(other));
                for (n, text) in wrap(&text, room).iter().enumerate() {
                    let hang = if n == 0 { "" } else { "    " };
                    writeln!(out, "{blanks}{hang}{text}")?;
                }
            }
        }
    }
    Ok(())
}

/// One record of a list, its plain fields on one line as far as they go.
fn entry(item: &Value, indent: usize, style: &Style, out: &mut dyn Write) -> io::Result<()> {
    let mut plain = Vec::new();
    flatten("", item, &mut plain);
    let room = style.page().saturating_sub(indent + 2);
    for (n, text) in wrap(&plain.join(", "), room).iter().enumerate() {
        let bullet = if n == 0 { "- " } else { "  " };
        writeln!(out, "{}{bullet}{text}", " ".repeat(indent))?;
    }
    Ok(())
}

/// Collects `name value` pairs; in lists, what was not measured is left out.
fn flatten(name: &str, value: &Value, into: &mut Vec<String>) {
    match value {
        Value::Null => {}
        Value::Object(fields) => {
            for (field, value) in fields {
                let path = if name.is_empty() { field.clone() } else { format!("{name}.{field}") };
                flatten(&path, value, into);
            }
        }
        other => into.push(format!("{} {}", line(name), scalar(other))),
    }
}

fn scalar(value: &Value) -> String {
    match value {
        Value::Null => "not measured".to_owned(),
        Value::Bool(true) => "yes".to_owned(),
        Value::Bool(false) => "no".to_owned(),
        Value::String(text) if text.is_empty() => "\"\"".to_owned(),
        Value::String(text) => line(text).into_owned(),
        Value::Array(items) if items.is_empty() => "none".to_owned(),
        Value::Array(items) => {
            let items: Vec<String> = items.iter().map(scalar).collect();
            items.join(", ")
        }
        Value::Object(fields) if fields.is_empty() => "none".to_owned(),
        other => line(&other.to_string()).into_owned(),
    }
}
