//! From counter deltas to what became of our SYNs: pure.

use crate::probe::counters::CountersOutcome;
use crate::wire::proc_net::NetCounters;

/// What the counters did around one burst.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Burst {
    /// SYNs that the kernel took from us.
    pub(super) syns: i64,
    /// How many of them were answered, by whatever.
    pub(super) answered: i64,
    /// Growth of OutRequests.
    pub(super) requests: Option<i64>,
    /// Growth of OutTransmits (Linux 6.6 and later).
    pub(super) transmits: Option<i64>,
    /// Growth of InReceives.
    pub(super) receives: Option<i64>,
    /// Growth of InDelivers.
    pub(super) delivers: Option<i64>,
    /// Growth of ForwDatagrams: what arrived for others.
    pub(super) forwarded: Option<i64>,
    /// Growth of what the loopback device received.
    pub(super) looped: Option<i64>,
}

impl Burst {
    /// Reads the growth between two moments.
    pub(super) fn between(
        before: &NetCounters,
        after: &NetCounters,
        v4: bool,
        syns: i64,
        answered: i64,
    ) -> Burst {
        let group = if v4 { "Ip" } else { "Ip6" };
        let grew = |name: &str| after.growth(before, &format!("{group}.{name}"));
        Burst {
            syns,
            answered,
            requests: grew("OutRequests"),
            transmits: grew("OutTransmits"),
            receives: grew("InReceives"),
            delivers: grew("InDelivers"),
            forwarded: grew(if v4 { "ForwDatagrams" } else { "OutForwDatagrams" }),
            looped: after.growth(before, "Loopback.InPackets"),
        }
    }

    /// Packets taken from programs but not handed to the link.
    pub(super) fn kept_back(&self) -> Option<i64> {
        self.requests?.checked_sub(self.transmits?)
    }

    /// Packets that arrived for this machine but were not delivered upwards.
    pub(super) fn dropped(&self) -> Option<i64> {
        self.receives?.checked_sub(self.delivers?)?.checked_sub(self.forwarded?)
    }

    /// Whether waiting longer cannot change what this burst says.
    pub(super) fn settled(&self) -> bool {
        self.answered >= self.syns
            || self.kept_back().is_some_and(|kept| kept >= self.syns)
            || self.dropped().is_some_and(|dropped| dropped >= self.syns)
    }
}

/// Says what the bursts show together.
///
/// Every burst has a different number of SYNs, and a surplus has to contain exactly that number
/// (other traffic may add to it, but then equally in every burst). Replies that are dropped bring
/// more than one packet each where the other side repeats them; `quiet`, the packets that were not
/// delivered while nothing was sent for as long as the longest burst, tells them from the background.
pub(super) fn judge(bursts: &[Burst], quiet: Option<i64>) -> CountersOutcome {
    if bursts.is_empty() || bursts.iter().any(|burst| burst.syns <= 0) {
        return CountersOutcome::Unclear;
    }
    let kept: Option<Vec<i64>> = bursts.iter().map(Burst::kept_back).collect();
    // A RST or ICMP error of this very machine can answer a SYN that it kept back.
    if kept.as_ref().is_some_and(|kept| in_step(bursts, kept)) {
        return CountersOutcome::KeptBack;
    }
    if bursts.iter().all(|burst| burst.answered >= burst.syns) {
        // The RST of an IPv6 rule is transmitted without a request, which hides the SYN that was
        // kept back; but it comes in over the loopback device.
        let looped: Option<Vec<i64>> = bursts.iter().map(|burst| burst.looped).collect();
        return match looped {
            Some(looped) if in_step(bursts, &looped) => CountersOutcome::KeptBack,
            _ => CountersOutcome::Sent,
        };
    }
    if replies_missing(bursts) && quiet.is_some_and(is_quiet) {
        return CountersOutcome::RepliesDropped;
    }
    match kept {
        Some(kept) if kept.iter().all(|kept| *kept == 0) => CountersOutcome::Sent,
        _ => CountersOutcome::Unclear,
    }
}

/// Whether so few packets were not delivered that the background cannot explain the bursts.
pub(super) fn is_quiet(undelivered: i64) -> bool {
    (0..=1).contains(&undelivered)
}

/// The most replies to earlier SYNs (two batches of a connect) that are expected in one burst.
const EARLIER: i64 = 10;

/// Whether nothing was answered although every burst brought at least as many undelivered packets,
/// and not so many that replies, with those to earlier SYNs that are repeated now, cannot explain them.
pub(super) fn replies_missing(bursts: &[Burst]) -> bool {
    !bursts.is_empty()
        && bursts.iter().all(|burst| {
            let with_earlier = burst.syns..=burst.syns.saturating_add(EARLIER);
            burst.answered == 0 && burst.dropped().is_some_and(|n| with_earlier.contains(&n))
        })
}

/// The judgement for kernels without OutTransmits: a retransmission that is kept back again counts
/// as failed.
pub(super) fn judge_by_failures(syns: i64, failures: Option<i64>) -> CountersOutcome {
    match failures {
        Some(0) => CountersOutcome::Sent,
        Some(failures) if syns > 0 && failures >= syns => CountersOutcome::KeptBack,
        _ => CountersOutcome::Unclear,
    }
}

/// Whether each number is that burst's SYNs plus the same surplus.
fn in_step(bursts: &[Burst], numbers: &[i64]) -> bool {
    let mut surplus = bursts.iter().zip(numbers).map(|(burst, number)| number - burst.syns);
    let Some(first) = surplus.next() else {
        return false;
    };
    // One burst alone says nothing with a surplus; neither does one that is larger than the burst.
    let most = if numbers.len() > 1 { bursts.iter().map(|b| b.syns).min().unwrap_or(0) } else { 0 };
    (0..=most).contains(&first) && surplus.all(|other| other == first)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn burst(syns: i64, answered: i64, kept: i64, dropped: i64) -> Burst {
        Burst {
            syns,
            answered,
            requests: Some(100 + kept),
            transmits: Some(100),
            receives: Some(50 + dropped),
            delivers: Some(50),
            forwarded: Some(0),
            looped: Some(0),
        }
    }

    #[test]
    fn only_numbers_in_step_with_our_own_convince() {
        use CountersOutcome as O;
        let table: &[(&[Burst], O)] = &[
            (&[], O::Unclear),
            (&[burst(0, 0, 0, 0)], O::Unclear),
            (&[burst(3, 0, 0, 0), burst(5, 0, 0, 0)], O::Sent),
            (&[burst(3, 3, 0, 0), burst(5, 5, 0, 0)], O::Sent),
            (&[burst(3, 0, 3, 0), burst(5, 0, 5, 0)], O::KeptBack),
            // The same surplus of other traffic in both.
            (&[burst(3, 0, 4, 0), burst(5, 0, 6, 0)], O::KeptBack),
            // A local rule that answers.
            (&[burst(3, 3, 3, 0), burst(5, 5, 5, 0)], O::KeptBack),
            (&[burst(3, 0, 5, 0), burst(5, 0, 5, 0)], O::Unclear),
            (&[burst(3, 0, 3, 0), burst(5, 0, 0, 0)], O::Unclear),
            (&[burst(3, 0, 300, 0), burst(5, 0, 302, 0)], O::Unclear),
            (&[burst(3, 0, 0, 3), burst(5, 0, 0, 5)], O::RepliesDropped),
            // Replies that the other side repeats.
            (&[burst(3, 0, 0, 4), burst(5, 0, 0, 9)], O::RepliesDropped),
            (&[burst(3, 0, 0, 4), burst(5, 0, 0, 4)], O::Sent),
            (&[burst(3, 1, 0, 3), burst(5, 0, 0, 5)], O::Sent),
            // Forwarded packets count as transmitted and received.
            (&[burst(3, 0, -7, 9), burst(5, 0, -9, 20)], O::Unclear),
            (&[burst(3, 3, -7, 9), burst(5, 5, -9, 20)], O::Sent),
            (&[burst(4, 0, 4, 0)], O::KeptBack),
            (&[burst(4, 0, 5, 0)], O::Unclear),
        ];
        for (bursts, expected) in table {
            assert_eq!(judge(bursts, Some(0)), *expected, "{bursts:?}");
        }
    }

    #[test]
    fn a_missing_counter_leaves_it_unclear_unless_all_were_answered() {
        let mut old = burst(3, 0, 0, 0);
        old.transmits = None;
        assert_eq!(judge(&[old], None), CountersOutcome::Unclear);
        old.answered = 3;
        assert_eq!(judge(&[old], None), CountersOutcome::Sent);
    }

    #[test]
    fn packets_dropped_all_the_time_are_not_our_replies() {
        let bursts = [burst(3, 0, 0, 3), burst(5, 0, 0, 5)];
        assert_eq!(judge(&bursts, Some(1)), CountersOutcome::RepliesDropped);
        assert_eq!(judge(&bursts, Some(4)), CountersOutcome::Sent);
        assert_eq!(judge(&bursts, None), CountersOutcome::Sent);
    }

    #[test]
    fn a_reset_that_comes_in_over_the_loopback_device_is_our_own() {
        let looped = |syns, looped| Burst { looped: Some(looped), ..burst(syns, syns, 0, 0) };
        assert_eq!(judge(&[looped(3, 3), looped(5, 5)], None), CountersOutcome::KeptBack);
        assert_eq!(judge(&[looped(3, 9), looped(5, 5)], None), CountersOutcome::Sent);
        assert_eq!(judge(&[looped(3, 0), looped(5, 0)], None), CountersOutcome::Sent);
    }

    #[test]
    fn failed_retransmissions_stand_in_for_a_missing_counter() {
        assert_eq!(judge_by_failures(3, Some(0)), CountersOutcome::Sent);
        assert_eq!(judge_by_failures(3, Some(3)), CountersOutcome::KeptBack);
        assert_eq!(judge_by_failures(3, Some(1)), CountersOutcome::Unclear);
        assert_eq!(judge_by_failures(3, None), CountersOutcome::Unclear);
    }

    proptest! {
        #[test]
        fn any_numbers_are_judged(numbers in proptest::collection::vec(any::<[i64; 4]>(), 0..4)) {
            let bursts: Vec<Burst> = numbers
                .iter()
                .map(|n| Burst {
                    syns: n[0] % 1000,
                    answered: n[1] % 1000,
                    requests: Some(n[2]),
                    transmits: Some(n[3]),
                    receives: Some(n[3]),
                    delivers: Some(n[2]),
                    forwarded: Some(n[1]),
                    looped: Some(n[0]),
                })
                .collect();
            let _ = judge(&bursts, Some(0));
        }
    }
}
