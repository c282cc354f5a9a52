//! Values: numbers of either kind, equality, and how values look in texts.

use std::cmp::Ordering;
use std::fmt::Write as _;

use serde_json::Value;

/// A number of either kind.
#[derive(Debug, Clone, Copy)]
pub(super) enum Number {
    Int(i64),
    Float(f64),
}

impl Number {
    pub(super) fn of(value: &Value) -> Option<Number> {
        let number = value.as_number()?;
        match number.as_i64() {
            Some(int) => Some(Number::Int(int)),
            None => number.as_f64().map(Number::Float),
        }
    }

    pub(super) fn float(self) -> f64 {
        match self {
            Number::Int(int) => int as f64,
            Number::Float(float) => float,
        }
    }

    pub(super) fn compare(self, other: Number) -> Option<Ordering> {
        match (self, other) {
            (Number::Int(a), Number::Int(b)) => Some(a.cmp(&b)),
            _ => self.float().partial_cmp(&other.float()),
        }
    }
}

/// Compares two values; integers and floats of the same size are equal.
pub(super) fn equal(a: &Value, b: &Value) -> bool {
    match (a, b) {
        (Value::Number(_), Value::Number(_)) => match (Number::of(a), Number::of(b)) {
            (Some(a), Some(b)) => a.compare(b) == Some(Ordering::Equal),
            _ => false,
        },
        (Value::Array(a), Value::Array(b)) => {
            a.len() == b.len() && a.iter().zip(b).all(|(a, b)| equal(a, b))
        }
        _ => a == b,
    }
}

/// Returns a value as texts show it; `None` for null.
///
/// Whole numbers are plain, floats have at most one decimal (two significant digits below 0.1),
/// lists are joined by commas, control characters are escaped.
pub fn shown(value: &Value) -> Option<String> {
    match value {
        Value::Null => None,
        Value::Bool(truth) => Some(truth.to_string()),
        Value::Number(number) => Some(match number.as_i64() {
            Some(int) => int.to_string(),
            None => decimal(number.as_f64().unwrap_or(0.0)),
        }),
        Value::String(text) => Some(escape(text)),
        Value::Array(items) => Some(
            items
                .iter()
                .map(|item| shown(item).unwrap_or_else(|| "?".to_owned()))
                .collect::<Vec<_>>()
                .join(", "),
        ),
        Value::Object(fields) => Some(
            fields
                .iter()
                .map(|(name, value)| {
                    let value = shown(value).unwrap_or_else(|| "?".to_owned());
                    format!("{} {value}", escape(name))
                })
                .collect::<Vec<_>>()
                .join(", "),
        ),
    }
}

/// Writes a float with at most one decimal; below 0.1 with two significant digits, so that what
/// was measured is never shown as 0.
pub(super) fn decimal(float: f64) -> String {
    let size = float.abs();
    let digits = if size >= 99.95 {
        0
    } else if size >= 0.0995 || size == 0.0 {
        1
    } else if size >= 0.00995 {
        2
    } else {
        3
    };
    let text = format!("{float:.digits$}");
    if text.contains('.') {
        text.trim_end_matches('0').trim_end_matches('.').to_owned()
    } else {
        text
    }
}

/// Writes a duration given in milliseconds: `0.9 ms`, `1.2 s`.
pub(super) fn duration(milliseconds: f64) -> String {
    if milliseconds.abs() >= 999.5 {
        format!("{} s", decimal(milliseconds / 1000.0))
    } else {
        format!("{} ms", decimal(milliseconds))
    }
}

/// Escapes control characters and those that turn the writing direction (Unicode TR 9), so that
/// text from the network can neither drive a terminal nor disguise itself.
pub fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        let turns = matches!(c, '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{feff}');
        match c {
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            c if c.is_control() || turns => {
                // Writing to a String cannot fail.
                let _ = write!(out, "\\u{{{:x}}}", c as u32);
            }
            c => out.push(c),
        }
    }
    out
}
