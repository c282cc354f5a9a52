//! What a linter found, for programs; the text for people shows the file's own lines and is made
//! where these are.

mod github;
mod sarif;

use std::io::{self, Write};

use crate::model::lint::{Level, Lint};
use crate::render::{Format, Style, write_json};

/// The formats that findings can be written in.
pub const FORMATS: [Format; 4] = [Format::Text, Format::Json, Format::Sarif, Format::Github];

/// Writes findings in one of [`FORMATS`]; `text` is what people read.
///
/// # Errors
///
/// Returns what writing to `out` met.
pub fn write(
    lint: &Lint,
    format: Format,
    text: &dyn Fn(&Style) -> String,
    style: &Style,
    out: &mut dyn Write,
) -> io::Result<()> {
    match format {
        Format::Json => write_json(lint, out),
        Format::Sarif => sarif::write(lint, out),
        Format::Github => github::write(lint, out),
        _ => {
            out.write_all(text(style).as_bytes())?;
            writeln!(out, "{}", summary(lint))
        }
    }
}

/// Counts what was found, in one line: `2 files: 1 error, 3 warnings; 2 can be mended with --fix`.
pub fn summary(lint: &Lint) -> String {
    let counts: Vec<String> = [Level::Error, Level::Warning, Level::Note]
        .into_iter()
        .map(|level| (lint.count(level), level))
        .filter(|(count, _)| *count > 0)
        .map(|(count, level)| counted(count, level.name()))
        .collect();
    let files = counted(lint.files, "file");
    if counts.is_empty() {
        return format!("{files}: nothing to mend");
    }
    let mut text = format!("{files}: {}", counts.join(", "));
    if lint.more > 0 {
        text.push_str(&format!(", {} more not shown", lint.more));
    }
    match lint.findings.iter().filter(|finding| finding.fix.is_some()).count() {
        0 => {}
        1 => text.push_str("; one can be mended with --fix"),
        count => text.push_str(&format!("; {count} can be mended with --fix")),
    }
    text
}

fn counted(count: usize, what: &str) -> String {
    let plural = if count == 1 { "" } else { "s" };
    format!("{count} {what}{plural}")
}
