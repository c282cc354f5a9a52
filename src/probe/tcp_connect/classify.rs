//! From single attempts to what an address did: pure, no socket and no clock.

use std::time::Duration;

use crate::model::icmp::{IcmpError, IcmpKind};
use crate::probe::tcp_connect::ConnectOutcome;
use crate::sys::tcp::{SynAnswer, SynReport};

/// How one attempt ended.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Try {
    /// What came.
    pub(super) end: End,
    /// The time to it in milliseconds.
    pub(super) rtt_ms: Option<f64>,
}

/// What came of one attempt.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum End {
    /// The handshake completed.
    Open {
        /// Only after the kernel had repeated the SYN.
        retransmitted: bool,
        /// The segment size for sending, in bytes.
        mss: Option<u32>,
    },
    /// A RST.
    Reset,
    /// An ICMP error, with the error number that the kernel made of it.
    Icmp(IcmpError, Option<i32>),
    /// EHOSTUNREACH that came later than `connect()`, without an ICMP error to explain it.
    NoNeighbour,
    /// An error of this machine.
    Local(i32),
    /// Nothing.
    Silent,
}

impl From<&SynReport> for Try {
    fn from(report: &SynReport) -> Try {
        let end = match report.answer {
            SynAnswer::SynAck => End::Open {
                retransmitted: report.retransmitted(),
                mss: report.info.and_then(|info| info.snd_mss),
            },
            SynAnswer::Rst => End::Reset,
            SynAnswer::Icmp(icmp) => End::Icmp(icmp, report.errno),
            SynAnswer::LocalError(libc::EHOSTUNREACH) if report.source.is_some() => {
                End::NoNeighbour
            }
            SynAnswer::LocalError(errno) => End::Local(errno),
            SynAnswer::Silent => End::Silent,
        };
        Try { end, rtt_ms: report.rtt_ms() }
    }
}

/// How often each end was met.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Tally {
    pub(super) opened: u32,
    pub(super) refused: u32,
    pub(super) rejected: u32,
    pub(super) silent: u32,
    pub(super) local_errors: u32,
    pub(super) retransmitted: u32,
}

/// What an address did.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Verdict {
    pub(super) outcome: ConnectOutcome,
    pub(super) tally: Tally,
    /// The error number of the failure.
    pub(super) errno: Option<i32>,
    /// The ICMP error that answered.
    pub(super) icmp: Option<IcmpError>,
    /// The times to the answers that make the outcome, in milliseconds, ascending.
    pub(super) times: Vec<f64>,
    /// The segment size for sending, in bytes.
    pub(super) mss: Option<u32>,
}

/// Sums up the attempts to one address.
///
/// The most telling end decides, in this order: any handshake, an ICMP error, a RST, a neighbour
/// that could not be resolved, silence, and errors of this machine last. So silence after an ICMP
/// error is never a time-out (routers limit their errors, RFC 1812 4.3.2.8), and attempts that failed because
/// our own used up the local ports do not hide what the others saw.
pub(super) fn classify(tries: &[Try]) -> Verdict {
    let rule_here = instant_and_from_here(tries);
    let class = |t: &Try| match t.end {
        End::Open { .. } => ConnectOutcome::Open,
        End::Icmp(icmp, _) if is_neighbour(&icmp) && !rule_here => ConnectOutcome::NeighbourFailed,
        End::Icmp(..) => ConnectOutcome::Rejected,
        End::Reset => ConnectOutcome::Refused,
        End::NoNeighbour => ConnectOutcome::NeighbourFailed,
        End::Silent => ConnectOutcome::Timeout,
        End::Local(_) => ConnectOutcome::LocalError,
    };
    let outcome = tries
        .iter()
        .map(class)
        .min_by_key(|outcome| rank(*outcome))
        .unwrap_or(ConnectOutcome::Timeout);
    let mut tally = Tally::default();
    let mut times = Vec::new();
    let mut errno = None;
    let mut icmp = None;
    let mut mss = None;
    for one in tries {
        let class = class(one);
        match class {
            ConnectOutcome::Open => tally.opened += 1,
            ConnectOutcome::Refused => tally.refused += 1,
            ConnectOutcome::Rejected => tally.rejected += 1,
            ConnectOutcome::Timeout => tally.silent += 1,
            ConnectOutcome::NeighbourFailed | ConnectOutcome::LocalError => tally.local_errors += 1,
        }
        if class != outcome {
            continue;
        }
        times.extend(one.rtt_ms);
        match one.end {
            End::Open { retransmitted, mss: size } => {
                tally.retransmitted += u32::from(retransmitted);
                mss = mss.or(size);
            }
            End::Reset => errno = Some(libc::ECONNREFUSED),
            End::Icmp(error, number) => {
                icmp = icmp.or(Some(error));
                errno = errno.or(number);
            }
            End::NoNeighbour => errno = errno.or(Some(libc::EHOSTUNREACH)),
            End::Local(number) => errno = errno.or(Some(number)),
            End::Silent => {}
        }
    }
    times.sort_by(f64::total_cmp);
    Verdict { outcome, tally, errno, icmp, times, mss }
}

/// Orders outcomes from the most to the least telling.
pub(super) fn rank(outcome: ConnectOutcome) -> u8 {
    match outcome {
        ConnectOutcome::Open => 0,
        ConnectOutcome::Rejected => 1,
        ConnectOutcome::Refused => 2,
        ConnectOutcome::NeighbourFailed => 3,
        ConnectOutcome::Timeout => 4,
        ConnectOutcome::LocalError => 5,
    }
}

/// Returns the median of ascending numbers; of an even count the lower middle one, so that it is
/// always one that was measured.
pub(super) fn median(ascending: &[f64]) -> Option<f64> {
    ascending.get(ascending.len().checked_sub(1)? / 2).copied()
}

/// Returns the usual time to an answer: the median, unless SYN retransmissions made that one long.
pub(super) fn round_trip(ascending: &[f64]) -> Option<Duration> {
    let usual = median(ascending)?.min(ascending.first()? * 2.0 + 20.0);
    Some(Duration::from_secs_f64(usual / 1e3))
}

/// What to do next for an address.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Next {
    /// Go on: send when the pace allows, and wait.
    Go,
    /// Send no more; what is under way may still answer for the grace time.
    Settle,
    /// All is seen.
    Done,
}

/// Where an address stands.
#[derive(Debug, Clone, Copy)]
pub(super) struct Progress<'a> {
    /// The attempts that have ended.
    pub(super) tries: &'a [Try],
    /// Attempts started.
    pub(super) sent: u32,
    /// Attempts of the batches that are due so far.
    pub(super) due: u32,
    /// Whether a second batch may still be added.
    pub(super) extendable: bool,
}

/// Says what to do next for an address.
///
/// Two equal ICMP errors settle it: a router answers only a few more (Linux: 6 in a burst, for a
/// missing route 2), and those that it does not answer would look like silence.
pub(super) fn next(progress: Progress<'_>) -> Next {
    let Progress { tries, sent, due, extendable } = progress;
    let ended = u32::try_from(tries.len()).unwrap_or(u32::MAX);
    if ended >= sent && sent >= due && !(extendable && disagree(tries)) {
        return Next::Done;
    }
    if settled(tries) {
        return if ended >= sent { Next::Done } else { Next::Settle };
    }
    Next::Go
}

/// Returns whether the attempts ended in different ways; errors of this machine do not count.
pub(super) fn disagree(tries: &[Try]) -> bool {
    let mut ends = tries
        .iter()
        .filter(|t| !matches!(t.end, End::Local(_)))
        .map(|t| std::mem::discriminant(&t.end));
    let first = ends.next();
    ends.any(|end| Some(end) != first)
}

fn settled(tries: &[Try]) -> bool {
    let errors: Vec<_> = tries
        .iter()
        .filter_map(|t| match t.end {
            End::Icmp(icmp, _) => Some((icmp.icmp_type, icmp.code, icmp.from)),
            _ => None,
        })
        .collect();
    errors.iter().any(|one| errors.iter().filter(|other| *other == one).count() >= 2)
        && !tries.iter().any(|t| matches!(t.end, End::Open { .. }))
}

/// A host-unreachable error that this machine makes when ARP or ND finds nobody.
fn is_neighbour(icmp: &IcmpError) -> bool {
    icmp.from_here && icmp.kind == IcmpKind::HostUnreachable
}

/// Tells a local rule that rejects with host-unreachable from a neighbour that does not resolve:
/// the rule answers each SYN on the spot, ARP and ND take seconds and then fail all at once.
fn instant_and_from_here(tries: &[Try]) -> bool {
    /// Longer than `connect()` takes, shorter than the pace between two attempts.
    const ON_THE_SPOT_MS: f64 = 1.0;
    let mut count = 0;
    for one in tries {
        if let End::Icmp(icmp, _) = one.end
            && is_neighbour(&icmp)
        {
            count += 1;
            if one.rtt_ms.is_none_or(|rtt| rtt > ON_THE_SPOT_MS) {
                return false;
            }
        }
    }
    count >= 2
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::IpAddr;

    const OPEN: End = End::Open { retransmitted: false, mss: Some(1448) };

    fn icmp(icmp_type: u8, code: u8, from_here: bool) -> End {
        let error = IcmpError {
            kind: IcmpKind::v4(icmp_type, code),
            icmp_type,
            code,
            from: IpAddr::from([192, 0, 2, 1]),
            from_here,
            ttl: Some(63),
            hop: None,
            mtu: None,
        };
        End::Icmp(error, Some(libc::EHOSTUNREACH))
    }

    fn tries(ends: &[End]) -> Vec<Try> {
        tries_at(ends, 20.0)
    }

    fn tries_at(ends: &[End], rtt: f64) -> Vec<Try> {
        let timed = |end: &End| !matches!(end, End::Silent | End::Local(_) | End::NoNeighbour);
        ends.iter().map(|end| Try { end: *end, rtt_ms: timed(end).then_some(rtt) }).collect()
    }

    #[test]
    fn the_most_telling_end_decides() {
        use ConnectOutcome as O;
        let admin = icmp(3, 13, false);
        let port = icmp(3, 3, false);
        let here_port = icmp(3, 3, true);
        let here_host = icmp(3, 1, true);
        let host = icmp(3, 1, false);
        let no_ports = End::Local(libc::EADDRNOTAVAIL);
        let table: &[(&[End], O)] = &[
            (&[], O::Timeout),
            (&[OPEN], O::Open),
            (&[OPEN, End::Silent, End::Reset, admin], O::Open),
            (&[no_ports, no_ports, OPEN], O::Open),
            (&[End::Reset, End::Reset], O::Refused),
            (&[End::Reset, End::Silent], O::Refused),
            (&[admin, End::Silent, End::Silent], O::Rejected),
            (&[End::Silent, port], O::Rejected),
            (&[port, End::Reset], O::Rejected),
            (&[here_port], O::Rejected),
            (&[host], O::Rejected),
            (&[here_host, here_host], O::NeighbourFailed),
            (&[End::NoNeighbour, End::Silent], O::NeighbourFailed),
            (&[End::Silent, End::Silent], O::Timeout),
            (&[End::Silent, no_ports], O::Timeout),
            (&[End::Local(libc::ENETUNREACH)], O::LocalError),
            (&[no_ports, no_ports], O::LocalError),
        ];
        for (ends, outcome) in table {
            assert_eq!(classify(&tries(ends)).outcome, *outcome, "{ends:?}");
        }
    }

    #[test]
    fn every_attempt_is_counted_once() {
        let verdict = classify(&tries(&[
            OPEN,
            OPEN,
            End::Reset,
            icmp(3, 13, false),
            End::Silent,
            End::Local(libc::EMFILE),
        ]));
        let tally = Tally {
            opened: 2,
            refused: 1,
            rejected: 1,
            silent: 1,
            local_errors: 1,
            retransmitted: 0,
        };
        assert_eq!(verdict.tally, tally);
        assert_eq!(verdict.errno, None);
        assert_eq!(verdict.icmp, None);
        assert_eq!(verdict.times, [20.0, 20.0]);
        assert_eq!(verdict.mss, Some(1448));
    }

    #[test]
    fn a_local_rule_that_says_host_unreachable_is_no_dead_neighbour() {
        let here = icmp(3, 1, true);
        let verdict = classify(&tries_at(&[here, here], 0.1));
        assert_eq!(verdict.outcome, ConnectOutcome::Rejected);
        let verdict = classify(&tries_at(&[here, here], 3060.0));
        assert_eq!(verdict.outcome, ConnectOutcome::NeighbourFailed);
    }

    #[test]
    fn the_errno_is_that_of_the_deciding_failure() {
        let verdict = classify(&tries(&[End::Local(libc::EADDRNOTAVAIL), icmp(3, 13, false)]));
        assert_eq!(verdict.errno, Some(libc::EHOSTUNREACH));
        let verdict = classify(&tries(&[End::Local(libc::EADDRNOTAVAIL)]));
        assert_eq!(verdict.errno, Some(libc::EADDRNOTAVAIL));
    }

    #[test]
    fn sending_stops_after_two_equal_icmp_errors() {
        let admin = icmp(3, 13, false);
        let table: &[(&[End], u32, u32, bool, Next)] = &[
            (&[], 1, 5, true, Next::Go),
            (&[OPEN; 5], 5, 5, true, Next::Done),
            (&[OPEN; 4], 5, 5, true, Next::Go),
            (&[End::Reset; 5], 5, 5, true, Next::Done),
            (&[admin], 2, 5, true, Next::Go),
            (&[admin, admin], 3, 5, true, Next::Settle),
            (&[admin, admin], 2, 5, true, Next::Done),
            (&[admin, icmp(3, 3, false)], 3, 5, true, Next::Go),
            (&[admin, admin, OPEN], 4, 5, true, Next::Go),
            // The first batch disagrees: as many again.
            (&[OPEN, End::Reset], 2, 2, true, Next::Go),
            (&[OPEN, End::Reset], 2, 2, false, Next::Done),
            // Our own lack of ports is no disagreement.
            (&[OPEN, End::Local(libc::EADDRNOTAVAIL)], 2, 2, true, Next::Done),
            (&[End::Local(libc::ENETUNREACH); 5], 5, 5, true, Next::Done),
        ];
        for (ends, sent, due, extendable, expected) in table {
            let tries = tries(ends);
            let progress =
                Progress { tries: &tries, sent: *sent, due: *due, extendable: *extendable };
            assert_eq!(next(progress), *expected, "{ends:?} {sent}/{due}");
        }
    }

    #[test]
    fn the_median_is_one_that_was_measured() {
        assert_eq!(median(&[]), None);
        assert_eq!(median(&[3.0]), Some(3.0));
        assert_eq!(median(&[1.0, 2.0]), Some(1.0));
        assert_eq!(median(&[1.0, 2.0, 9.0]), Some(2.0));
    }

    #[test]
    fn a_repeated_syn_does_not_pass_for_a_round_trip() {
        assert_eq!(round_trip(&[20.0, 1030.0, 1040.0]), Some(Duration::from_millis(60)));
        assert_eq!(round_trip(&[20.0, 21.0, 1040.0]), Some(Duration::from_millis(21)));
    }
}
