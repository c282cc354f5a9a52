//! Which steps a report walked, and in which order.

use crate::model::report::{Report, StepEntry};

/// Returns the entries of the walked path in its order; a step that the path names but the report lacks
/// is left out.
pub(super) fn walked(report: &Report) -> Vec<&StepEntry> {
    let mut walked: Vec<&StepEntry> = Vec::new();
    for id in &report.path {
        let next = report
            .steps
            .iter()
            .find(|step| step.id == *id && !walked.iter().any(|other| std::ptr::eq(*other, *step)));
        walked.extend(next);
    }
    walked
}

/// Returns the steps that saw something and were not on the way.
pub(super) fn aside(report: &Report) -> Vec<&StepEntry> {
    let walked = walked(report);
    let aside = report.steps.iter().filter(|step| {
        let ran = step.observation.is_some() || step.started_ms.is_some();
        ran && !walked.iter().any(|other| std::ptr::eq(*other, *step))
    });
    aside.collect()
}
