//! Annotations of a GitHub Actions step: workflow commands on stdout.
//!
//! What failed and what could not be judged is an error, what passed with a warning a warning, what
//! was not looked at a notice. GitHub keeps ten annotations of each kind a step and drops the rest
//! without a word, so the tenth says how many more there are; the format `markdown` has them all, for
//! the step's summary.

use std::io::{self, Write};

use crate::model::check::{Check, CheckResult};
use crate::model::expect::Judgement;
use crate::render::account;
use crate::render::sanitise::line;

/// GitHub's limit for each kind and step.
const MOST: usize = 10;
/// GitHub cuts messages at 4 KiB.
const MOST_MESSAGE: usize = 1000;
const MOST_TITLE: usize = 200;

pub(super) fn write(check: &Check, out: &mut dyn Write) -> io::Result<()> {
    for kind in ["error", "warning", "notice"] {
        let all: Vec<&CheckResult> =
            check.results.iter().filter(|one| kind_of(one) == Some(kind)).collect();
        let shown = if all.len() > MOST { MOST - 1 } else { all.len() };
        let (told, rest) = all.split_at(shown);
        told.iter().try_for_each(|result| annotation(kind, result, out))?;
        if !rest.is_empty() {
            let names: Vec<&str> = rest.iter().map(|result| result.name.as_str()).collect();
            let names = line(&names.join(", ")).into_owned();
            let text = format!("and {} more: {names}", rest.len());
            let text = account::shortened(&text, MOST_MESSAGE);
            writeln!(out, "::{kind} title=tcpdoctor::{}", data(&text))?;
        }
    }
    // Runners also look for the older `##[…]` anywhere in a line; this one carries numbers only.
    writeln!(
        out,
        "tcpdoctor: {} in all, {} passed, {} failed, {} could not be judged, {} not run",
        check.results.len(),
        check.count(Judgement::Passed),
        check.count(Judgement::Failed),
        check.count(Judgement::Error),
        check.count(Judgement::Skipped),
    )
}

/// Returns the kind of annotation that a target gets.
fn kind_of(result: &CheckResult) -> Option<&'static str> {
    match result.outcome {
        Judgement::Failed | Judgement::Error => Some("error"),
        Judgement::Passed if result.is_degraded() => Some("warning"),
        Judgement::Passed => None,
        Judgement::Skipped => Some("notice"),
    }
}

fn annotation(kind: &str, result: &CheckResult, out: &mut dyn Write) -> io::Result<()> {
    let what = match result.outcome {
        Judgement::Failed => "failed",
        Judgement::Error => "could not be judged",
        Judgement::Skipped => "not run",
        Judgement::Passed => "degraded",
    };
    let title = format!("{} {what} ({})", result.name, account::reason(result));
    let title = line(&title).into_owned();
    write!(out, "::{kind} title={}", property(&account::shortened(&title, MOST_TITLE)))?;
    if let Some(defined) = &result.defined {
        let file = line(&defined.file).into_owned();
        write!(out, ",file={},line={}", property(&file), defined.line)?;
    }
    writeln!(out, "::{}", data(&account::sentence(result, MOST_MESSAGE)))
}

/// Escapes a command's message, as @actions/core does.
pub(super) fn data(text: &str) -> String {
    text.replace('%', "%25").replace('\r', "%0D").replace('\n', "%0A")
}

/// Escapes a command's property, as @actions/core does.
pub(super) fn property(text: &str) -> String {
    data(text).replace(':', "%3A").replace(',', "%2C")
}
