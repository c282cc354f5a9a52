//! The exit status, computed once from the result.

use crate::model::report::Verdict;

/// Healthy, degraded, or simply done.
pub(super) const DONE: u8 = 0;
/// A fault was diagnosed.
pub(super) const FAULT: u8 = 1;
/// The command line or a file it names cannot be used; nothing was sent.
pub(super) const USAGE: u8 = 2;
/// What decides could not be looked at.
pub(super) const INCONCLUSIVE: u8 = 3;
/// The user or the system ended the run (128 + SIGINT).
pub(super) const INTERRUPTED: u8 = 130;

/// Returns the exit status of a run.
pub(super) fn of(verdict: Verdict, fail_on_degraded: bool, interrupted: bool) -> u8 {
    match verdict {
        _ if interrupted => INTERRUPTED,
        Verdict::Degraded if fail_on_degraded => FAULT,
        Verdict::Healthy | Verdict::Degraded => DONE,
        Verdict::Fault => FAULT,
        Verdict::Inconclusive => INCONCLUSIVE,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_verdict_has_its_status() {
        let cases = [
            (Verdict::Healthy, false, 0),
            (Verdict::Healthy, true, 0),
            (Verdict::Degraded, false, 0),
            (Verdict::Degraded, true, 1),
            (Verdict::Fault, false, 1),
            (Verdict::Inconclusive, false, 3),
        ];
        for (verdict, strict, status) in cases {
            assert_eq!(of(verdict, strict, false), status, "{verdict:?}");
            assert_eq!(of(verdict, strict, true), 130, "{verdict:?}");
        }
    }
}
