//! Results in every format: pure, one file per format.
//!
//! A renderer takes finished values and a [`Style`] and writes bytes; it reads no clock, knows no
//! terminal and decides no exit status. It is the first place where data from the network becomes
//! text again, so every string passes [`sanitise`] on its way out.

mod account;
mod check_text;
mod code;
mod diagnosis;
mod github;
pub mod graph;
mod html;
mod json;
mod junit;
mod layout;
pub mod lint;
pub mod live;
pub mod manual;
mod markdown;
mod markup;
pub mod nagios;
pub mod ndjson;
pub mod observed;
mod path;
mod prometheus;
pub mod redact;
pub mod rehearsal;
pub mod sanitise;
mod sarif;
mod settings;
pub mod story;
mod style;
mod tap;
mod text;
mod words;
mod xml;

use std::io::{self, Write};

use crate::model::check::Check;

pub use json::{write_json, write_json_line};
pub use style::{Paint, Style};
pub use words::{duration, remedy_place};

/// A format that results can be written in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Format {
    /// For people at a terminal.
    Text,
    /// For programs: the contracts `tcpdoctor.report/1` and `tcpdoctor.check/1`.
    Json,
    /// One line of JSON for each target.
    Ndjson,
    /// JUnit XML, as Jenkins and GitLab read it.
    Junit,
    /// The Test Anything Protocol, version 14.
    Tap,
    /// SARIF 2.1.0, for code scanning.
    Sarif,
    /// Annotations of a GitHub Actions step.
    Github,
    /// Markdown, for tickets, comments and step summaries.
    Markdown,
    /// The line of a Nagios plugin.
    Nagios,
    /// Prometheus' text format, for the node exporter's textfile collector.
    Prometheus,
    /// One self-contained page.
    Html,
    /// What a server sees of its port, as a few lines to be carried to the client.
    Code,
    /// A runbook's tree as a Mermaid flowchart.
    Mermaid,
    /// A runbook's tree in Graphviz' language.
    Dot,
    /// A runbook's tree as a drawing.
    Svg,
}

impl Format {
    /// The formats that show a runbook's tree and no results.
    pub const PICTURES: [Format; 3] = [Format::Mermaid, Format::Dot, Format::Svg];

    /// Every format for any results.
    pub const ALL: [Format; 11] = [
        Format::Text,
        Format::Json,
        Format::Ndjson,
        Format::Junit,
        Format::Tap,
        Format::Sarif,
        Format::Github,
        Format::Markdown,
        Format::Nagios,
        Format::Prometheus,
        Format::Html,
    ];

    /// Every format that has a name.
    pub fn named() -> impl Iterator<Item = Format> + Clone {
        Self::ALL.into_iter().chain([Format::Code]).chain(Self::PICTURES)
    }

    /// Returns the name used on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Format::Text => "text",
            Format::Json => "json",
            Format::Ndjson => "ndjson",
            Format::Junit => "junit",
            Format::Tap => "tap",
            Format::Sarif => "sarif",
            Format::Github => "github",
            Format::Markdown => "markdown",
            Format::Nagios => "nagios",
            Format::Prometheus => "prometheus",
            Format::Html => "html",
            Format::Code => "code",
            Format::Mermaid => "mermaid",
            Format::Dot => "dot",
            Format::Svg => "svg",
        }
    }

    /// Finds a format by its [`name`](Self::name).
    pub fn from_name(name: &str) -> Option<Format> {
        Self::named().find(|format| format.name() == name)
    }

    /// Writes the results; a picture, the trees that they went through.
    ///
    /// # Errors
    ///
    /// Returns what writing to `out` met.
    pub fn write(self, check: &Check, style: &Style, out: &mut dyn Write) -> io::Result<()> {
        match self {
            Format::Text => text::write(check, style, out),
            Format::Json => json::write(check, out),
            Format::Ndjson => ndjson::write(check, out),
            Format::Junit => junit::write(check, out),
            Format::Tap => tap::write(check, out),
            Format::Sarif => sarif::write(check, out),
            Format::Github => github::write(check, out),
            Format::Markdown => markdown::write(check, out),
            Format::Nagios => nagios::write(check, out),
            Format::Prometheus => prometheus::write(check, out),
            Format::Html => html::write(check, style, out),
            Format::Code => code::write(check, out),
            Format::Mermaid | Format::Dot | Format::Svg => {
                let mut trees = check.results.iter().filter_map(|result| result.tree.as_ref());
                trees.try_for_each(|tree| graph::write(tree, self, out))
            }
        }
    }
}
