//! The line of a Nagios plugin: state, what is wrong, performance data.
//!
//! One line of at most 1024 bytes (NRPE 2's limit); `|` separates the performance data and so occurs
//! nowhere else. The exit status follows with `--exit-style nagios`.

use std::io::{self, Write};

use crate::model::check::{Alarm, Check};
use crate::model::expect::Judgement;
use crate::render::account;
use crate::render::sanitise::{line, prose};

/// Room for the sentence; the performance data takes the rest.
const MOST: usize = 600;

pub(super) fn write(check: &Check, out: &mut dyn Write) -> io::Result<()> {
    let state = check.alarm().name();
    let told = shortened_bytes(&plain(&told(check)), MOST);
    write!(out, "TCPDOCTOR {state} - {told} | ")?;
    write!(out, "time={}s;;;0", seconds(check.duration_ms))?;
    let total = check.results.len();
    for outcome in [Judgement::Passed, Judgement::Failed, Judgement::Error, Judgement::Skipped] {
        write!(out, " {}={};;;0;{total}", outcome.name(), check.count(outcome))?;
    }
    if let [result] = &check.results[..]
        && let Some(ms) = account::connect_ms(result)
    {
        write!(out, " connect={}s;;;0", seconds(ms))?;
    }
    writeln!(out)
}

/// Writes the line of a plugin that could not do its work.
///
/// # Errors
///
/// Returns what writing to `out` met.
pub fn write_cannot(why: &str, out: &mut dyn Write) -> io::Result<()> {
    let state = Alarm::Unknown.name();
    let why = prose(why.trim_start_matches("error: "));
    writeln!(out, "TCPDOCTOR {state} - {}", shortened_bytes(&plain(&why), MOST))
}

fn told(check: &Check) -> String {
    if let [result] = &check.results[..] {
        return format!("{}: {}", result.name, account::sentence(result, MOST));
    }
    let total = check.results.len();
    let groups = [
        (Judgement::Failed, "not as expected"),
        (Judgement::Error, "could not be judged"),
        (Judgement::Skipped, "not run"),
    ];
    let mut parts = Vec::new();
    for (outcome, words) in groups {
        let those = check.results.iter().filter(|result| result.outcome == outcome);
        let those: Vec<String> =
            those.map(|one| format!("{} ({})", one.name, account::reason(one))).collect();
        if !those.is_empty() {
            parts.push(format!("{} of {total} {words}: {}", those.len(), those.join(", ")));
        }
    }
    let degraded = check.results.iter().filter(|result| result.is_degraded());
    let degraded: Vec<String> =
        degraded.map(|one| format!("{} ({})", one.name, account::reason(one))).collect();
    if !degraded.is_empty() {
        parts.push(format!("{} of {total} degraded: {}", degraded.len(), degraded.join(", ")));
    }
    if parts.is_empty() {
        return match total {
            0 => "no targets".to_owned(),
            _ => format!("all {total} targets as expected"),
        };
    }
    parts.join("; ")
}

/// Nothing that a terminal acts on, nothing that begins the performance data, and no backslash, which
/// some cores read as the start of a line end (`\n`).
fn plain(text: &str) -> String {
    line(text).replace(['|', '\\'], "/")
}

/// Cuts text to at most `most` bytes.
fn shortened_bytes(text: &str, most: usize) -> String {
    if text.len() <= most {
        return text.to_owned();
    }
    let end = (0..=most - 3).rev().find(|at| text.is_char_boundary(*at)).unwrap_or(0);
    format!("{}...", &text[..end])
}

/// Six decimals, so that a handshake on this machine is not 0.
fn seconds(ms: f64) -> String {
    format!("{:.6}", if ms.is_finite() { ms.max(0.0) / 1e3 } else { 0.0 })
}
