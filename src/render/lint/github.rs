//! Annotations of a GitHub Actions step: workflow commands on stdout.
//!
//! GitHub keeps ten annotations of each kind a step and drops the rest without a word, so the tenth
//! says how many more there are.

use std::io::{self, Write};

use super::summary;
use crate::model::lint::{Finding, Level, Lint};
use crate::render::sanitise::line;

/// GitHub's limit for each kind and step.
const MOST: usize = 10;

pub(super) fn write(lint: &Lint, out: &mut dyn Write) -> io::Result<()> {
    for level in [Level::Error, Level::Warning, Level::Note] {
        let all: Vec<&Finding> =
            lint.findings.iter().filter(|finding| finding.level == level).collect();
        let shown = if all.len() > MOST { MOST - 1 } else { all.len() };
        let (told, rest) = all.split_at(shown);
        told.iter().try_for_each(|finding| annotation(finding, out))?;
        if !rest.is_empty() {
            writeln!(out, "::{} title=tcpdoctor::and {} more", command(level), rest.len())?;
        }
    }
    writeln!(out, "{}", line(&summary(lint)))
}

fn annotation(finding: &Finding, out: &mut dyn Write) -> io::Result<()> {
    let at = finding.at;
    write!(
        out,
        "::{} file={},line={},endLine={}",
        command(finding.level),
        property(&line(&finding.file)),
        at.line,
        at.end_line
    )?;
    // Columns of several lines are refused.
    if at.line == at.end_line {
        write!(out, ",col={},endColumn={}", at.column, at.end_column)?;
    }
    let help = finding.help.as_ref().map(|help| format!("\n{}", line(help)));
    let text = format!("{}{}", line(&finding.message), help.unwrap_or_default());
    writeln!(out, ",title=tcpdoctor {}::{}", property(&finding.code), data(&text))
}

fn command(level: Level) -> &'static str {
    match level {
        Level::Error => "error",
        Level::Warning => "warning",
        Level::Note => "notice",
    }
}

/// Escapes a command's message, as @actions/core does.
fn data(text: &str) -> String {
    text.replace('%', "%25").replace('\r', "%0D").replace('\n', "%0A")
}

/// Escapes a command's property, as @actions/core does.
fn property(text: &str) -> String {
    data(text).replace(':', "%3A").replace(',', "%2C")
}
