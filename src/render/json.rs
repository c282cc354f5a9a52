//! JSON: the contracts `tcpdoctor.report/1` (one report) and `tcpdoctor.check/1`, indented, one document.

use std::io::{self, Write};

use serde::Serialize;
use serde_json::ser::{CompactFormatter, Formatter, PrettyFormatter, Serializer};

use crate::model::check::{Check, CheckResult};
use crate::render::sanitise::is_unsafe;

pub(super) fn write(check: &Check, out: &mut dyn Write) -> io::Result<()> {
    match &check.results[..] {
        [CheckResult { report: Some(report), .. }] if check.alone => write_json(report, out),
        _ => write_json(check, out),
    }
}

/// Writes any value as indented JSON with a line end.
///
/// Characters that a terminal could act on and that JSON allows raw (DEL, C1, bidirectional
/// controls) are written as `\uXXXX`: the same value to a parser, harmless to a terminal.
///
/// # Errors
///
/// Returns what writing to `out` met.
pub fn write_json<T: Serialize + ?Sized>(value: &T, out: &mut dyn Write) -> io::Result<()> {
    let safe = Safe(PrettyFormatter::new());
    value.serialize(&mut Serializer::with_formatter(&mut *out, safe))?;
    out.write_all(b"\n")
}

/// Writes any value as JSON on one line, with a line end; as [`write_json`] otherwise.
///
/// # Errors
///
/// Returns what writing to `out` met.
pub fn write_json_line<T: Serialize + ?Sized>(value: &T, out: &mut dyn Write) -> io::Result<()> {
    let safe = Safe(CompactFormatter);
    value.serialize(&mut Serializer::with_formatter(&mut *out, safe))?;
    out.write_all(b"\n")
}

struct Safe<F>(F);

impl<F: Formatter> Formatter for Safe<F> {
    fn write_string_fragment<W: ?Sized + Write>(
        &mut self,
        out: &mut W,
        fragment: &str,
    ) -> io::Result<()> {
        let mut rest = fragment;
        while let Some(at) = rest.find(is_unsafe) {
            out.write_all(&rest.as_bytes()[..at])?;
            let bad = rest[at..].chars().next().unwrap_or_default();
            for unit in bad.encode_utf16(&mut [0; 2]) {
                write!(out, "\\u{unit:04x}")?;
            }
            rest = &rest[at + bad.len_utf8()..];
        }
        out.write_all(rest.as_bytes())
    }

    fn begin_array<W: ?Sized + Write>(&mut self, out: &mut W) -> io::Result<()> {
        self.0.begin_array(out)
    }

    fn end_array<W: ?Sized + Write>(&mut self, out: &mut W) -> io::Result<()> {
        self.0.end_array(out)
    }

    fn begin_array_value<W: ?Sized + Write>(&mut self, out: &mut W, first: bool) -> io::Result<()> {
        self.0.begin_array_value(out, first)
    }

    fn end_array_value<W: ?Sized + Write>(&mut self, out: &mut W) -> io::Result<()> {
        self.0.end_array_value(out)
    }

    fn begin_object<W: ?Sized + Write>(&mut self, out: &mut W) -> io::Result<()> {
        self.0.begin_object(out)
    }

    fn end_object<W: ?Sized + Write>(&mut self, out: &mut W) -> io::Result<()> {
        self.0.end_object(out)
    }

    fn begin_object_key<W: ?Sized + Write>(&mut self, out: &mut W, first: bool) -> io::Result<()> {
        self.0.begin_object_key(out, first)
    }

    fn begin_object_value<W: ?Sized + Write>(&mut self, out: &mut W) -> io::Result<()> {
        self.0.begin_object_value(out)
    }

    fn end_object_value<W: ?Sized + Write>(&mut self, out: &mut W) -> io::Result<()> {
        self.0.end_object_value(out)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    #[test]
    fn the_value_stays_the_same_and_nothing_raw_reaches_the_terminal() {
        let value = json!({"a\u{9b}": ["x\u{202e}y\u{7f}", "\u{e0041}\u{1b}", "é日\""], "n": null});
        let mut bytes = Vec::new();
        write_json(&value, &mut bytes).expect("a vector takes everything");
        let text = String::from_utf8(bytes).expect("JSON is UTF-8");
        assert!(!text.chars().any(|c| is_unsafe(c) && c != '\n'), "{text:?}");
        assert_eq!(serde_json::from_str::<Value>(&text).expect("valid JSON"), value);
    }
}
