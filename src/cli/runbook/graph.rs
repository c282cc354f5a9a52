//! `tcpdoctor runbook graph`: a runbook as a picture.

use crate::cli::args::Global;
use crate::cli::redaction::Redaction;
use crate::cli::usage::Usage;
use crate::cli::{deliver, replay, runbooks, status, terminal};
use crate::model::check::Check;
use crate::model::expect::FailOn;
use crate::render::{Format, graph};
use crate::runbook::drawing;

/// Draws a runbook, or the way of a saved report through it; returns the exit status.
pub(super) fn run(
    global: &Global,
    runbook: Option<&str>,
    report: Option<&str>,
) -> Result<u8, Usage> {
    // Text is what stdout carries unless told otherwise; of the pictures, Mermaid is text.
    let [mermaid, dot, svg] = Format::PICTURES;
    deliver::among(global, &[mermaid, dot, svg, Format::Text])?;
    if global.runbook.is_some() && runbook.is_some() {
        return Err(Usage::new("two runbooks are named").help("leave --runbook out"));
    }
    let report = report.map(replay::read).transpose()?;
    let runbook = match (runbook.or(global.runbook.as_deref()), &report) {
        (Some(name), _) => runbooks::load(name)?,
        (None, Some(report)) => runbooks::of_report(&report.runbook)?,
        (None, None) => {
            return Err(Usage::new("which runbook?")
                .help("name one, for example tcpdoctor runbook graph connect --format svg"));
        }
    };
    if global.redact && report.is_none() {
        return Err(Usage::new("there is no report to redact")
            .help("leave --redact out, or add --report FILE"));
    }
    deliver::files(global)?;
    let mut tree = drawing::graph(&runbook);
    let mut redaction = Redaction::of(global);
    if let Some(report) = report {
        if report.runbook.sha256 != runbook.sha256 {
            terminal::complain(&format!(
                "note: the report was written by another version of runbook {} or by another one; \
                 what no longer fits is not marked",
                report.runbook.name
            ));
        }
        tree.mark(&report);
        let mut check = Check::of(report, &FailOn::default(), false);
        check.results[0].tree = Some(tree);
        tree = redaction.check(&check).into_owned().results.remove(0).tree.unwrap_or_default();
    }
    let map = redaction.write_map(global);
    let ended =
        deliver::deliver(global, status::DONE, |format, _, out| graph::write(&tree, format, out));
    Ok(deliver::mapped(map, ended))
}
