//! What every pipeline format says of a target: one reason code, one sentence.

use std::borrow::Cow;

use crate::model::check::CheckResult;
use crate::model::diagnosis::Diagnosis;
use crate::model::expect;
use crate::model::expect::Judgement;
use crate::model::report::{StepEntry, Verdict};
use crate::render::path;
use crate::render::sanitise::prose;

/// The reason code of a target that is in order.
pub(super) const HEALTHY: &str = "healthy";
/// The reason code of a target that was not looked at.
pub(super) const NOT_RUN: &str = "not_run";
/// The reason code of a target that could not be judged, when no diagnosis says why.
pub(super) const INCONCLUSIVE: &str = "inconclusive";
/// The reason code of a target that is in order although something else was expected, and of one
/// whose measurements are not as expected.
pub(super) const NOT_AS_EXPECTED: &str = "expectation.not_met";

/// Returns why a target fared as it did, as a stable code: the id of the diagnosis, or one of the
/// words above.
pub(super) fn reason(result: &CheckResult) -> &str {
    if let Some(diagnosis) = diagnosis(result) {
        return &diagnosis.id;
    }
    match (result.outcome, &result.report) {
        (Judgement::Skipped, _) | (_, None) => NOT_RUN,
        (Judgement::Failed, _) => NOT_AS_EXPECTED,
        (Judgement::Error, _) => INCONCLUSIVE,
        (Judgement::Passed, Some(report)) if report.verdict == Verdict::Inconclusive => {
            INCONCLUSIVE
        }
        (Judgement::Passed, _) => HEALTHY,
    }
}

/// Returns the root cause, when the target has one.
pub(super) fn diagnosis(result: &CheckResult) -> Option<&Diagnosis> {
    result.report.as_ref()?.diagnosis.as_ref()
}

/// Says in one line, of at most `most` characters, what is to be told of a target.
pub(super) fn sentence(result: &CheckResult, most: usize) -> String {
    let said = result.problems.join("; ");
    let text = match (diagnosis(result), result.outcome) {
        _ if !said.trim().is_empty() => said,
        (Some(diagnosis), Judgement::Passed) if result.is_degraded() => {
            format!("{}: {}", diagnosis.id, diagnosis.summary)
        }
        (Some(diagnosis), Judgement::Passed) => format!("as expected: {}", diagnosis.id),
        (Some(diagnosis), _) => format!("{}: {}", diagnosis.id, diagnosis.summary),
        (None, Judgement::Skipped) => "it was not looked at".to_owned(),
        (None, Judgement::Error) => "it could not be judged".to_owned(),
        (None, Judgement::Failed) => format!("not as expected ({})", result.expect),
        (None, Judgement::Passed) => "as expected".to_owned(),
    };
    shortened(&prose(&text), most).into_owned()
}

/// Cuts text to at most `most` characters; an ellipsis tells.
pub(super) fn shortened(text: &str, most: usize) -> Cow<'_, str> {
    match text.char_indices().nth(most) {
        None => Cow::Borrowed(text),
        Some(_) => {
            let kept: String = text.chars().take(most.saturating_sub(1)).collect();
            Cow::Owned(kept + "…")
        }
    }
}

/// Returns what is wrong beyond the diagnosis itself.
pub(super) fn problems_of_its_own(result: &CheckResult) -> impl Iterator<Item = &str> {
    let told = diagnosis(result).map(|found| format!("{}: {}", found.id, found.summary));
    let own = result.problems.iter().filter(move |problem| Some(*problem) != told.as_ref());
    own.map(String::as_str)
}

/// Returns the entries of the walked path that have anything to tell, in its order.
pub(super) fn walked(result: &CheckResult) -> Vec<&StepEntry> {
    let walked = result.report.iter().flat_map(path::walked);
    walked.filter(|step| says_something(step)).collect()
}

/// Returns whether a step has anything to tell: one that only branches on what is known has not.
pub(super) fn says_something(step: &StepEntry) -> bool {
    step.probe.is_some() || step.text.is_some() || step.observation.is_some()
}

/// Returns how long connecting took, in milliseconds; `None` when nothing opened.
pub(super) fn connect_ms(result: &CheckResult) -> Option<f64> {
    expect::connect_ms(result.report.as_ref()?)
}
