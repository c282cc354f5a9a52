//! The ready file for `/etc/sysctl.d`, where a review of kernel parameters suggests values.

use std::io::{self, Write};

use serde_json::Value;

use crate::model::report::Report;
use crate::render::layout::wrap;
use crate::render::sanitise::line;
use crate::render::{Paint, Style};

/// The field of a probe's result that holds a whole file.
pub(super) const FIELD: &str = "sysctl_d";
/// Where the file is meant to be.
const PLACE: &str = "/etc/sysctl.d/60-tcpdoctor.conf";

/// Writes the file that a step of the report suggests, if any does.
pub(super) fn settings(report: &Report, style: &Style, out: &mut dyn Write) -> io::Result<()> {
    let found = report.steps.iter().filter_map(|step| step.observation.as_ref()?.get(FIELD));
    let Some(text) = found.filter_map(Value::as_str).next_back() else {
        return Ok(());
    };
    let head = format!("Ready for {PLACE} (nothing was applied)");
    writeln!(out, "\n{}", style.paint(Paint::Strong, &head))?;
    file(text, 2, style, out)
}

/// Writes a file line by line, so that it can be copied: comments plain, settings as commands.
pub(super) fn file(
    text: &str,
    indent: usize,
    style: &Style,
    out: &mut dyn Write,
) -> io::Result<()> {
    let blanks = " ".repeat(indent);
    for text in text.lines() {
        match text.strip_prefix("# ") {
            Some(comment) => {
                for text in wrap(&line(comment), style.page().saturating_sub(indent + 2)) {
                    let text = style.paint(Paint::Faint, &format!("# {text}"));
                    writeln!(out, "{blanks}{text}")?;
                }
            }
            None => writeln!(out, "{blanks}{}", style.paint(Paint::Command, &line(text)))?,
        }
    }
    Ok(())
}
