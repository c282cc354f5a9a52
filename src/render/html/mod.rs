//! One self-contained page for people: made to be attached to a ticket.
//!
//! No script, font or picture comes from elsewhere, and a Content-Security-Policy says so: it allows
//! the one script and the one style sheet by their hashes. The page is whole without the script, which
//! only copies commands, filters the index and opens what a link points into.

mod anchor;
mod index;
mod observed;
mod put;
mod report;
mod signs;
mod timeline;

#[cfg(test)]
mod tests;

use std::io::{self, Write};

use crate::model::check::{Check, CheckResult};
use crate::model::expect::Judgement;
use crate::render::{Style, graph, path, words};
use anchor::hash_source;

use crate::render::xml::prose;

const STYLE: &str = include_str!("page.css");
const SCRIPT: &str = include_str!("page.js");
/// In a check of more targets, only those that did not pass are shown with trees and measurements.
const FEW: usize = 12;
/// So many trees at most: each takes about 50 kB.
const TREES: usize = 30;

/// Writes the page.
pub(super) fn write(check: &Check, _style: &Style, out: &mut dyn Write) -> io::Result<()> {
    let style = format!("{STYLE}{}", graph::style());
    head(check, &style, out)?;
    writeln!(out, "<body>\n<main>")?;
    match check.results.as_slice() {
        [only] if check.alone => {
            write!(out, "{}", report::article(only, "r", Depth::of(check, only, 0), 1))?;
        }
        results => {
            write!(out, "{}", index::index(check))?;
            let mut trees = 0;
            for (nth, result) in results.iter().enumerate() {
                let depth = Depth::of(check, result, trees);
                trees += usize::from(depth == Depth::Whole);
                write!(out, "{}", index::target(result, nth, depth))?;
            }
        }
    }
    writeln!(out, "</main>\n{}", footer(check))?;
    writeln!(out, "<script>{SCRIPT}</script>\n</body>\n</html>")
}

/// How much of a target is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Depth {
    /// Everything.
    Whole,
    /// Without its tree.
    Measured,
    /// Without its tree and its raw measurements.
    Brief,
}

impl Depth {
    fn of(check: &Check, result: &CheckResult, trees: usize) -> Depth {
        let few = check.results.len() <= FEW;
        match result.outcome {
            Judgement::Passed | Judgement::Skipped if !few => Depth::Brief,
            _ if trees >= TREES => Depth::Measured,
            _ => Depth::Whole,
        }
    }
}

fn head(check: &Check, style: &str, out: &mut dyn Write) -> io::Result<()> {
    let policy = format!(
        "default-src 'none'; style-src {}; script-src {}; base-uri 'none'; form-action 'none'",
        hash_source(style),
        hash_source(SCRIPT)
    );
    writeln!(out, "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">")?;
    writeln!(out, "<meta http-equiv=\"Content-Security-Policy\" content=\"{policy}\">")?;
    writeln!(out, "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">")?;
    writeln!(out, "<meta name=\"color-scheme\" content=\"light dark\">")?;
    writeln!(out, "<meta name=\"referrer\" content=\"no-referrer\">")?;
    writeln!(out, "<title>{}</title>\n<style>{style}</style>\n</head>", prose(&title(check)))
}

fn title(check: &Check) -> String {
    match check.results.as_slice() {
        [only] if check.alone => {
            let verdict = only.report.as_ref().map(|report| words::verdict(report.verdict));
            format!("{} {} – tcpdoctor", verdict.unwrap_or("NOT RUN"), only.target)
        }
        results => {
            let passed = check.count(Judgement::Passed);
            format!("{passed} of {} targets passed – tcpdoctor", results.len())
        }
    }
}

fn footer(check: &Check) -> String {
    format!(
        "<footer><p>Written by {} {}; began {}, took {}. It only looked: nothing was changed on any machine.</p></footer>",
        prose(&check.tool.name),
        prose(&check.tool.version),
        time(&check.started_at),
        words::duration(check.duration_ms)
    )
}

/// A time of day for people and for programs.
fn time(rfc3339: &str) -> String {
    let shown = prose(&rfc3339.replacen('T', " ", 1).replacen('Z', " UTC", 1));
    // What is no date is shown, and not called one.
    let plain = |c: char| c.is_ascii_digit() || "-T:.Z+".contains(c);
    match rfc3339.len() >= 20 && rfc3339.chars().all(plain) {
        true => format!("<time datetime=\"{}\">{shown}</time>", prose(rfc3339)),
        false => shown,
    }
}
