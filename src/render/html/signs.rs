//! Signs and words of verdicts, outcomes and statuses: a sign for the eye, a word for everybody.

use crate::model::diagnosis::Severity;
use crate::model::expect::Judgement;
use crate::model::report::{Status, Verdict};

fn mark(class: &str, sign: &str, word: &str) -> String {
    format!(
        "<span class=\"mark {class}\" title=\"{word}\"><span aria-hidden=\"true\">{sign}</span><span class=\"said\">{word}</span></span>"
    )
}

/// How a step ended.
pub(super) fn sign(status: Status) -> String {
    match status {
        Status::Pass => mark("good", "✓", "passed"),
        Status::Warn => mark("warn", "!", "warning"),
        Status::Fail => mark("bad", "✗", "failed"),
        Status::Unknown => mark("open", "?", "could not look"),
        Status::Skipped => mark("none", "–", "not run"),
    }
}

/// The verdict's sign; the word stands beside it.
pub(super) fn verdict_sign(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Healthy => "<span class=\"mark good\" aria-hidden=\"true\">✓</span>",
        Verdict::Degraded => "<span class=\"mark warn\" aria-hidden=\"true\">!</span>",
        Verdict::Fault => "<span class=\"mark bad\" aria-hidden=\"true\">✗</span>",
        Verdict::Inconclusive => "<span class=\"mark open\" aria-hidden=\"true\">?</span>",
    }
}

/// How a target fared against what was expected.
pub(super) fn outcome_sign(outcome: Judgement) -> &'static str {
    match outcome {
        Judgement::Passed => "<span class=\"mark good\" aria-hidden=\"true\">✓</span>",
        Judgement::Failed => "<span class=\"mark bad\" aria-hidden=\"true\">✗</span>",
        Judgement::Error => "<span class=\"mark open\" aria-hidden=\"true\">?</span>",
        Judgement::Skipped => "<span class=\"mark none\" aria-hidden=\"true\">–</span>",
    }
}

/// The same in a word.
pub(super) fn outcome_word(outcome: Judgement) -> &'static str {
    match outcome {
        Judgement::Passed => "passed",
        Judgement::Failed => "failed",
        Judgement::Error => "could not be judged",
        Judgement::Skipped => "not looked at",
    }
}

/// How bad a finding is.
pub(super) fn severity_sign(severity: Severity) -> String {
    match severity {
        Severity::Info => mark("open", "i", "note"),
        Severity::Warning => mark("warn", "!", "warning"),
        Severity::Critical => mark("bad", "✗", "critical"),
    }
}
