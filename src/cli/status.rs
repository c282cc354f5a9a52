//! The exit status, computed once from the result.

use crate::model::check::Check;
use crate::model::expect::Judgement;

/// Healthy, degraded, as expected, or simply done.
pub(super) const DONE: u8 = 0;
/// A fault was diagnosed, or a target is not as expected.
pub(super) const FAULT: u8 = 1;
/// The command line or a file it names cannot be used; nothing was sent.
pub(super) const USAGE: u8 = 2;
/// What decides could not be looked at.
pub(super) const INCONCLUSIVE: u8 = 3;

/// Returns the exit status; `signal` is the one that ended the run. A failed target weighs more than one that could not be judged.
pub(super) fn of(check: &Check, signal: Option<u8>) -> u8 {
    let any = |outcome| check.count(outcome) > 0;
    if signal.is_some() {
        ended_by(signal)
    } else if any(Judgement::Failed) {
        FAULT
    } else if any(Judgement::Error) || any(Judgement::Skipped) {
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
    fn every_outcome_has_its_status_and_a_signal_has_its_own() {
        let cases = [
            (vec![], 0),
            (vec![Judgement::Passed], 0),
            (vec![Judgement::Passed, Judgement::Failed, Judgement::Error], 1),
            (vec![Judgement::Passed, Judgement::Error], 3),
            (vec![Judgement::Passed, Judgement::Skipped], 3),
        ];
        for (outcomes, status) in cases {
            let check = Check::sample(&outcomes);
            assert_eq!(of(&check, None), status, "{outcomes:?}");
            assert_eq!(of(&check, Some(2)), 130, "{outcomes:?}");
            assert_eq!(of(&check, Some(15)), 143, "{outcomes:?}");
        }
    }
}
