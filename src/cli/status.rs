//! The exit status, computed once from the result.

use crate::model::check::{Check, Outcome};
use crate::model::report::Verdict;

/// Healthy, degraded, as expected, or simply done.
pub(super) const DONE: u8 = 0;
/// A fault was diagnosed, or a target is not as expected.
pub(super) const FAULT: u8 = 1;
/// The command line or a file it names cannot be used; nothing was sent.
pub(super) const USAGE: u8 = 2;
/// What decides could not be looked at.
pub(super) const INCONCLUSIVE: u8 = 3;

/// Returns the exit status of a run; `hit` tells whether `--fail-on` applies, `signal` is the signal
/// that ended it.
pub(super) fn of(verdict: Verdict, hit: bool, signal: Option<u8>) -> u8 {
    match verdict {
        _ if signal.is_some() => ended_by(signal),
        Verdict::Healthy | Verdict::Degraded if hit => FAULT,
        Verdict::Healthy | Verdict::Degraded => DONE,
        Verdict::Fault => FAULT,
        Verdict::Inconclusive => INCONCLUSIVE,
    }
}

/// Returns the exit status of a check. A failed target weighs more than one that could not be judged.
pub(super) fn of_check(check: &Check, signal: Option<u8>) -> u8 {
    let any = |outcome| check.count(outcome) > 0;
    if signal.is_some() {
        ended_by(signal)
    } else if any(Outcome::Failed) {
        FAULT
    } else if any(Outcome::Error) || any(Outcome::Skipped) {
        INCONCLUSIVE
    } else {
        DONE
    }
}

/// Returns 128 and the number of the signal that ended a run, as a shell says it.
pub(super) fn ended_by(signal: Option<u8>) -> u8 {
    signal.map_or(INCONCLUSIVE, |signal| 128u8.saturating_add(signal))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_verdict_has_its_status() {
        let cases = [
            (Verdict::Healthy, false, 0),
            (Verdict::Healthy, true, 1),
            (Verdict::Degraded, false, 0),
            (Verdict::Degraded, true, 1),
            (Verdict::Fault, false, 1),
            (Verdict::Inconclusive, false, 3),
        ];
        for (verdict, hit, status) in cases {
            assert_eq!(of(verdict, hit, None), status, "{verdict:?}");
            assert_eq!(of(verdict, hit, Some(2)), 130, "{verdict:?}");
            assert_eq!(of(verdict, hit, Some(15)), 143, "{verdict:?}");
        }
    }
}
