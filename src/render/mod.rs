//! A report as text or JSON: pure, one file per format.
//!
//! A renderer takes finished values and a [`Style`] and writes bytes; it reads no clock, knows no
//! terminal and decides no exit status. It is the first place where data from the network becomes
//! text again, so every string passes [`sanitise`] on its way out.

mod check_text;
mod diagnosis;
mod json;
mod layout;
pub mod manual;
pub mod observed;
pub mod sanitise;
mod settings;
mod style;
mod text;
mod words;

use std::io::{self, Write};

use crate::model::report::Report;

pub use check_text::write_check_text;
pub use json::write_json;
pub use style::{Paint, Style};
pub use words::duration;

/// A format that a report can be written in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// For people at a terminal.
    Text,
    /// For programs: the contract `tcpdoctor.report/1`.
    Json,
}

impl Format {
    /// Every format.
    pub const ALL: [Format; 2] = [Format::Text, Format::Json];

    /// Returns the name used on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Format::Text => "text",
            Format::Json => "json",
        }
    }

    /// Finds a format by its [`name`](Self::name).
    pub fn from_name(name: &str) -> Option<Format> {
        Self::ALL.into_iter().find(|format| format.name() == name)
    }

    /// Writes the report.
    ///
    /// # Errors
    ///
    /// Returns what writing to `out` met.
    pub fn write(self, report: &Report, style: &Style, out: &mut dyn Write) -> io::Result<()> {
        match self {
            Format::Text => text::write(report, style, out),
            Format::Json => json::write(report, style, out),
        }
    }
}
