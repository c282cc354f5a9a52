//! The trees that a page shows.

use crate::cli::args::Global;
use crate::model::check::Check;
use crate::model::expect::Judgement;
use crate::render::Format;
use crate::runbook::{Runbook, drawing};

/// In a check of more targets, a page shows the trees of those that did not pass.
const FEW: usize = 12;

/// Draws the way of each run through its runbook, when a format that shows it was asked for; the
/// runbooks come in the results' order.
pub(super) fn draw<'a>(
    global: &Global,
    check: &mut Check,
    runbooks: impl IntoIterator<Item = &'a Runbook>,
) {
    let mut asked = global.output.iter().map(|(format, _)| format).chain([&global.format]);
    if !asked.any(|format| *format == Format::Html) {
        return;
    }
    let few = check.results.len() <= FEW;
    for (result, runbook) in check.results.iter_mut().zip(runbooks) {
        let Some(report) = &result.report else { continue };
        if few || result.outcome != Judgement::Passed {
            let mut tree = drawing::graph(runbook);
            tree.mark(report);
            result.tree = Some(tree);
        }
    }
}
