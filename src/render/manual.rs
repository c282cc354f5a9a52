//! A page of reference: heading, paragraphs, definitions, commands. `explain` and lists use it.

use std::io::{self, Write};

use crate::render::layout::wrap;
use crate::render::sanitise::{line, prose};
use crate::render::{Paint, Style};

/// One element of a page.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Part {
    /// The page's or a section's name.
    Heading(String),
    /// A paragraph.
    Text(String),
    /// A term and what it means.
    Item(String, String),
    /// Something to type.
    Command(String),
    /// Lines of a file, their indentation kept.
    Lines(String),
}

/// Writes the parts below each other.
///
/// # Errors
///
/// Returns what writing to `out` met.
pub fn write(parts: &[Part], style: &Style, out: &mut dyn Write) -> io::Result<()> {
    let terms = parts.iter().filter_map(|part| match part {
        Part::Item(term, _) => Some(console::measure_text_width(&line(term))),
        _ => None,
    });
    let column = terms.max().unwrap_or(0).min(26);
    for (n, part) in parts.iter().enumerate() {
        match part {
            Part::Heading(text) => {
                if n > 0 {
                    writeln!(out)?;
                }
                writeln!(out, "{}", style.paint(Paint::Strong, &line(text)))?;
            }
            Part::Text(text) => {
                for text in wrap(&prose(text), style.page() - 2) {
                    writeln!(out, "  {text}")?;
                }
            }
            Part::Item(term, meaning) => item(&line(term), meaning, column, style, out)?,
            Part::Lines(text) => {
                for text in text.lines() {
                    writeln!(out, "{}", format!("      {}", line(text)).trim_end())?;
                }
            }
            Part::Command(command) => {
                let command = style.paint(Paint::Command, &line(command.trim()));
                writeln!(out, "      {command}")?;
            }
        }
    }
    Ok(())
}

/// Writes one paragraph.
///
/// # Errors
///
/// Returns what writing to `out` met.
pub fn paragraph(text: &str, style: &Style, out: &mut dyn Write) -> io::Result<()> {
    for text in wrap(&prose(text), style.page()) {
        writeln!(out, "{text}")?;
    }
    Ok(())
}

fn item(
    term: &str,
    meaning: &str,
    column: usize,
    style: &Style,
    out: &mut dyn Write,
) -> io::Result<()> {
    let indent = 2 + column + 2;
    let meaning = prose(meaning);
    let lines = wrap(&meaning, style.page() - indent);
    let used = console::measure_text_width(term);
    let term = style.paint(Paint::Command, term);
    let mut lines = lines.iter();
    if used > column {
        writeln!(out, "  {term}")?;
    } else {
        let first = lines.next().map_or("", String::as_str);
        let text = format!("  {term}{}{first}", " ".repeat(column - used + 2));
        writeln!(out, "{}", text.trim_end())?;
    }
    for text in lines {
        writeln!(out, "{}{text}", " ".repeat(indent))?;
    }
    Ok(())
}
