//! From single addresses to what the probe saw: pure.

use std::net::IpAddr;

use crate::model::icmp::{IcmpError, IcmpKind, hops_from_ttl};
use crate::probe::tcp_connect::classify::{median, rank};
use crate::probe::tcp_connect::{ConnectEntry, ConnectOutcome, ConnectSeen, Finished, SynCounters};
use crate::sys::counters::Snapshot;
use crate::sys::errno;

/// Failed attempts that are numbered at most.
const MOST_MISSED: usize = 50;

/// Sums up all addresses; times and counters are filled in by the caller.
pub(super) fn summarise(results: &[Finished], port: u16) -> ConnectSeen {
    let entries: Vec<ConnectEntry> = results.iter().map(entry).collect();
    // `min_by_key` keeps the first of equals, which is the order of preference of the addresses.
    let best = entries.iter().min_by_key(|entry| rank(entry.outcome));
    let with = |outcome: fn(&ConnectEntry) -> bool| {
        entries.iter().filter(|entry| outcome(entry)).map(|entry| entry.address.clone()).collect()
    };
    ConnectSeen {
        outcome: best.map_or(ConnectOutcome::LocalError, |best| best.outcome),
        address: best.map(|best| best.address.clone()).unwrap_or_default(),
        port,
        attempts: best.map_or(0, |best| best.attempts),
        opened: best.map_or(0, |best| best.opened),
        refused: best.map_or(0, |best| best.refused),
        rejected: best.map_or(0, |best| best.rejected),
        silent: best.map_or(0, |best| best.silent),
        local_errors: best.map_or(0, |best| best.local_errors),
        retransmitted: best.map_or(0, |best| best.retransmitted),
        opened_first: best.is_some_and(|best| best.opened_first),
        missed: best.map(|best| best.missed.clone()).unwrap_or_default(),
        errno: best.and_then(|best| best.errno.clone()),
        icmp: best.and_then(|best| best.icmp),
        rejected_by: best.and_then(|best| best.icmp).map(|icmp| icmp.from.to_string()),
        answer_ms: best.and_then(|best| best.answer_median_ms),
        rst_ttl: best.and_then(|best| best.rst_ttl),
        rst_hop: best.and_then(|best| best.rst_ttl).and_then(hops_from_ttl),
        mss: best.and_then(|best| best.mss),
        waited_ms: 0.0,
        failed_addresses: with(|entry| entry.outcome != ConnectOutcome::Open),
        open_addresses: with(|entry| entry.outcome == ConnectOutcome::Open),
        v4_open: open(&entries, "v4"),
        v6_open: open(&entries, "v6"),
        addresses: entries,
        counters: None,
    }
}

fn open(entries: &[ConnectEntry], family: &str) -> Option<bool> {
    let mut of_family = entries.iter().filter(|entry| entry.family == family).peekable();
    of_family.peek()?;
    Some(of_family.any(|entry| entry.outcome == ConnectOutcome::Open))
}

fn entry(result: &Finished) -> ConnectEntry {
    let verdict = &result.verdict;
    let target = result.attempts.target;
    ConnectEntry {
        address: result.address.clone(),
        family: if target.is_ipv4() { "v4" } else { "v6" }.to_owned(),
        outcome: verdict.outcome,
        attempts: u32::try_from(result.attempts.tries.len()).unwrap_or(u32::MAX),
        opened: verdict.tally.opened,
        refused: verdict.tally.refused,
        rejected: verdict.tally.rejected,
        silent: verdict.tally.silent,
        local_errors: verdict.tally.local_errors,
        retransmitted: verdict.tally.retransmitted,
        opened_first: result.attempts.opened_first,
        missed: result.attempts.missed.iter().copied().take(MOST_MISSED).collect(),
        errno: verdict.errno.map(errno::name),
        icmp: verdict.icmp,
        answer_min_ms: verdict.times.first().copied(),
        answer_median_ms: median(&verdict.times),
        answer_max_ms: verdict.times.last().copied(),
        rst_ttl: result.rst_ttl,
        mss: verdict.mss,
    }
}

/// The counters that tell.
const COUNTERS: &[&str] = &[
    "Ip.OutRequests",
    "Ip.OutTransmits",
    "Ip.InReceives",
    "Ip.InDelivers",
    "Ip.ForwDatagrams",
    "Ip6.OutRequests",
    "Ip6.OutTransmits",
    "Ip6.InReceives",
    "Ip6.InDelivers",
    "Ip6.OutForwDatagrams",
    "TcpExt.TCPRetransFail",
];

/// What the counters of the family of `address` did between the snapshots.
pub(super) fn counters(
    results: &[Finished],
    address: &str,
    before: &Snapshot,
    window: &Snapshot,
    after: &Snapshot,
) -> Option<SynCounters> {
    let best = results.iter().find(|one| one.address == address)?;
    let v4 = best.attempts.target.is_ipv4();
    let syns = results
        .iter()
        .filter(|one| one.attempts.target.is_ipv4() == v4)
        .flat_map(|one| &one.attempts.syns)
        .filter(|sent| **sent <= window.taken())
        .count();
    let syns = i64::try_from(syns).unwrap_or(i64::MAX);
    let [first, second, last] = [before, window, after].map(|moment| moment.only(COUNTERS));
    let group = if v4 { "Ip" } else { "Ip6" };
    let grew = |name: &str| second.growth(&first, &format!("{group}.{name}"));
    let (requests, transmits) = (grew("OutRequests"), grew("OutTransmits"));
    let (receives, delivers) = (grew("InReceives"), grew("InDelivers"));
    let forwarded = grew(if v4 { "ForwDatagrams" } else { "OutForwDatagrams" });
    let undelivered =
        receives.zip(delivers).zip(forwarded).and_then(|((received, delivered), forwarded)| {
            received.checked_sub(delivered)?.checked_sub(forwarded)
        });
    Some(SynCounters {
        syns,
        requests,
        transmits,
        receives,
        delivers,
        undelivered,
        retransmit_failures: last.growth(&first, "TcpExt.TCPRetransFail"),
        kept_back: kept_back(syns, requests, transmits),
    })
}

/// The packets that were taken but not handed to the link; unknown when they are so many more than
/// our SYNs that other traffic must be mixed in.
fn kept_back(syns: i64, requests: Option<i64>, transmits: Option<i64>) -> Option<i64> {
    let kept = requests?.checked_sub(transmits?)?;
    (0..=2 * syns).contains(&kept).then_some(kept)
}

/// One line of what was seen.
pub(super) fn brief(seen: &ConnectSeen) -> String {
    let where_to = endpoint(&seen.address, seen.port);
    let took = seen.answer_ms.map(milliseconds).unwrap_or_default();
    let share = |count: u32| format!("{count} of {}", seen.attempts);
    let mut line = match seen.outcome {
        ConnectOutcome::Open => {
            let mut line = format!("{where_to} open in {took} ({})", share(seen.opened));
            if seen.retransmitted > 0 {
                line.push_str(&format!(", {} after a SYN retransmission", seen.retransmitted));
            }
            line
        }
        ConnectOutcome::Refused => {
            let mut line = format!("{where_to} refused (RST) in {took}, {}", share(seen.refused));
            if let Some(ttl) = seen.rst_ttl {
                line.push_str(&format!(", RST TTL {ttl}"));
            }
            line
        }
        ConnectOutcome::Rejected => match &seen.icmp {
            Some(icmp) => format!("{where_to} rejected: {}, in {took}", icmp_text(icmp)),
            None => format!("{where_to} rejected in {took}"),
        },
        ConnectOutcome::Timeout => format!(
            "{} SYN{} to {where_to}, no answer in {}",
            seen.attempts,
            if seen.attempts == 1 { "" } else { "s" },
            milliseconds(seen.waited_ms)
        ),
        ConnectOutcome::NeighbourFailed => format!(
            "{where_to}: the next hop's link address could not be resolved ({})",
            seen.errno.as_deref().unwrap_or("EHOSTUNREACH")
        ),
        ConnectOutcome::LocalError => format!(
            "connect to {where_to} failed on this machine with {}",
            seen.errno.as_deref().unwrap_or("an unknown error")
        ),
    };
    if seen.addresses.len() > 1 {
        line.push_str(&format!(
            "; {} of {} addresses open",
            seen.open_addresses.len(),
            seen.addresses.len()
        ));
    }
    line
}

fn endpoint(address: &str, port: u16) -> String {
    if address.contains(':') { format!("[{address}]:{port}") } else { format!("{address}:{port}") }
}

fn icmp_text(icmp: &IcmpError) -> String {
    let kind = match icmp.kind {
        IcmpKind::NetUnreachable => "net-unreachable",
        IcmpKind::HostUnreachable => "host-unreachable",
        IcmpKind::ProtocolUnreachable => "protocol-unreachable",
        IcmpKind::PortUnreachable => "port-unreachable",
        IcmpKind::AdminProhibited => "admin-prohibited",
        IcmpKind::TooBig => "packet-too-big",
        IcmpKind::TtlExceeded => "ttl-exceeded",
        IcmpKind::Other => "error",
    };
    let version = if matches!(icmp.from, IpAddr::V6(_)) { "ICMPv6" } else { "ICMP" };
    let here = if icmp.from_here { " (this machine)" } else { "" };
    format!("{version} {kind} ({}/{}) from {}{here}", icmp.icmp_type, icmp.code, icmp.from)
}

/// Milliseconds with as many digits as matter; seconds from a thousand on.
fn milliseconds(ms: f64) -> String {
    if ms >= 1000.0 {
        format!("{:.1} s", ms / 1e3)
    } else if ms >= 10.0 {
        format!("{ms:.1} ms")
    } else {
        format!("{ms:.2} ms")
    }
}

#[cfg(test)]
mod tests {
    use std::net::SocketAddr;

    use super::*;
    use crate::probe::tcp_connect::attempts::Attempts;
    use crate::probe::tcp_connect::classify::{End, Try, classify};

    fn finished(address: &str, ends: &[End]) -> Finished {
        let tries: Vec<Try> =
            ends.iter().map(|end| Try { end: *end, rtt_ms: Some(20.4) }).collect();
        let target = SocketAddr::new(address.parse().expect("an address"), 80);
        Finished {
            address: address.to_owned(),
            verdict: classify(&tries),
            attempts: Attempts {
                target,
                own: false,
                tries,
                syns: Vec::new(),
                opened_first: false,
                missed: Vec::new(),
            },
            rst_ttl: None,
        }
    }

    const OPEN: End = End::Open { retransmitted: false, mss: Some(1448) };

    fn admin() -> End {
        let icmp = IcmpError {
            kind: IcmpKind::AdminProhibited,
            icmp_type: 3,
            code: 13,
            from: IpAddr::from([10, 4, 2, 2]),
            from_here: false,
            ttl: Some(63),
            hop: Some(2),
            mtu: None,
        };
        End::Icmp(icmp, Some(libc::EHOSTUNREACH))
    }

    #[test]
    fn the_first_open_address_speaks_for_all() {
        let results = [
            finished("fd04::1", &[End::Silent]),
            finished("10.4.3.2", &[OPEN, OPEN]),
            finished("10.4.3.3", &[OPEN]),
        ];
        let seen = summarise(&results, 80);
        assert_eq!(seen.address, "10.4.3.2");
        assert_eq!(seen.outcome, ConnectOutcome::Open);
        assert_eq!((seen.attempts, seen.opened), (2, 2));
        assert_eq!(seen.failed_addresses, ["fd04::1"]);
        assert_eq!(seen.open_addresses, ["10.4.3.2", "10.4.3.3"]);
        assert_eq!((seen.v4_open, seen.v6_open), (Some(true), Some(false)));
        assert_eq!(brief(&seen), "10.4.3.2:80 open in 20.4 ms (2 of 2); 2 of 3 addresses open");
    }

    #[test]
    fn a_family_without_addresses_is_unknown() {
        let seen = summarise(&[finished("10.4.3.2", &[OPEN])], 80);
        assert_eq!(seen.v6_open, None);
    }

    #[test]
    fn each_outcome_has_its_line() {
        let line = |ends: &[End]| brief(&summarise(&[finished("10.4.3.2", ends)], 80));
        assert_eq!(line(&[End::Reset]), "10.4.3.2:80 refused (RST) in 20.4 ms, 1 of 1");
        assert_eq!(
            line(&[admin()]),
            "10.4.3.2:80 rejected: ICMP admin-prohibited (3/13) from 10.4.2.2, in 20.4 ms"
        );
        assert_eq!(
            line(&[End::Local(libc::EMFILE)]),
            "connect to 10.4.3.2:80 failed on this machine with EMFILE"
        );
        assert!(line(&[End::Silent]).starts_with("1 SYN to 10.4.3.2:80, no answer in"));
    }

    #[test]
    fn the_silent_time_out_has_no_errno_and_no_time() {
        let seen = summarise(&[finished("10.4.3.2", &[End::Silent])], 80);
        assert_eq!((seen.errno, seen.icmp, seen.rst_ttl), (None, None, None));
    }

    #[test]
    fn kept_back_is_unknown_when_other_traffic_is_mixed_in() {
        assert_eq!(kept_back(5, Some(5), Some(0)), Some(5));
        assert_eq!(kept_back(5, Some(15), Some(15)), Some(0));
        assert_eq!(kept_back(5, Some(15), Some(3)), None);
        assert_eq!(kept_back(5, Some(3), Some(9)), None);
        assert_eq!(kept_back(5, Some(3), None), None);
    }
}
