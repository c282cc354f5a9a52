//! What the hops of two traces say: pure, from hops to facts.

use std::net::IpAddr;

use super::{Comparison, Hop, HopAnswer, TraceOutcome, TraceSeen};
use crate::model::icmp::{IcmpError, IcmpKind};

/// The hops of one trace, by rising TTL.
#[derive(Debug, Clone, Default)]
pub(super) struct Trace {
    /// The TTLs tried.
    pub(super) hops: Vec<Hop>,
    /// The errno's name when this machine would not send.
    pub(super) errno: Option<String>,
}

/// One trace in short.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Summary {
    pub(super) outcome: TraceOutcome,
    /// The TTL at which the destination, or a RST in its name, first answered.
    pub(super) reached_at: Option<u8>,
    /// The last hop that answered with TTL-exceeded; 0 when none did.
    pub(super) last_hop: u8,
    pub(super) last_address: Option<String>,
    /// The first other ICMP error and the TTL at which it came.
    pub(super) rejection: Option<(u8, IcmpError)>,
    pub(super) repetition: Option<Repetition>,
}

/// Hops that repeat.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Repetition {
    /// The TTL at which the repetition starts.
    pub(super) from: u8,
    /// The addresses that repeat, in order.
    pub(super) addresses: Vec<String>,
}

/// Puts both traces together.
pub(super) fn conclude(
    address: &str,
    destination: IpAddr,
    port: u16,
    tcp: Trace,
    udp: Option<Trace>,
) -> TraceSeen {
    let short = summarize(&tcp);
    let other = udp.as_ref().map(summarize);
    let udp_hops = udp.as_ref().map_or(&[][..], |trace| &trace.hops[..]);
    // A router without a route says so whatever the protocol, though seldom more than twice in a
    // row: the answer to one trace explains the silence of the other.
    let routing = other.as_ref().and_then(|summary| summary.rejection).filter(|(_, icmp)| {
        matches!(icmp.kind, IcmpKind::NetUnreachable | IcmpKind::HostUnreachable)
    });
    let rejection = short.rejection.or(routing);
    let icmp = rejection.map(|(_, icmp)| icmp);
    let reached_by_udp = other.as_ref().and_then(|summary| summary.reached_at);
    let repetition = short.repetition.clone();
    TraceSeen {
        outcome: short.outcome,
        address: address.to_owned(),
        port,
        reached_at: short.reached_at,
        last_hop: short.last_hop,
        last_address: short.last_address.clone(),
        compare_went_further: other.as_ref().map(|other| went_further(&short, other)),
        host_answered: udp_hops.iter().any(|hop| {
            hop.answer == HopAnswer::Reached
                || hop.icmp.is_some_and(|icmp| icmp.from == destination)
        }),
        rejected_hop: rejection.and_then(|(ttl, icmp)| {
            hop_of(ttl, &icmp, [&tcp.hops, udp_hops], destination, reached_by_udp)
        }),
        rejected_by: icmp.map(|icmp| icmp.from.to_string()),
        icmp,
        errno: tcp.errno.clone(),
        loop_from: repetition.as_ref().map(|repetition| repetition.from),
        loop_addresses: repetition.map_or_else(Vec::new, |repetition| repetition.addresses),
        load_balanced: load_balanced([&tcp.hops, udp_hops]),
        compare: udp.zip(other).map(|(udp, other)| Comparison {
            method: "udp".to_owned(),
            outcome: other.outcome,
            reached_at: other.reached_at,
            last_hop: other.last_hop,
            last_address: other.last_address,
            hops: udp.hops,
        }),
        hops: tcp.hops,
    }
}

/// Reads one trace: an answer of the destination outweighs everything else that came, because
/// silence and errors can be the work of rate limits.
pub(super) fn summarize(trace: &Trace) -> Summary {
    let first =
        |answer| trace.hops.iter().find(move |hop: &&Hop| hop.answer == answer).map(|hop| hop.ttl);
    let reached = first(HopAnswer::Reached).map(|ttl| distance(&trace.hops, ttl));
    let reset = first(HopAnswer::Reset);
    let rejection = trace
        .hops
        .iter()
        .filter(|hop| hop.answer == HopAnswer::Rejected)
        .find_map(|hop| Some((hop.ttl, hop.icmp?)));
    let last = trace.hops.iter().rfind(|hop| hop.answer == HopAnswer::TtlExceeded);
    let repetition = repetition(&trace.hops);
    let outcome = if reached.is_some() {
        TraceOutcome::Reached
    } else if reset.is_some() {
        TraceOutcome::Reset
    } else if let Some((_, icmp)) = rejection {
        if icmp.from_here { TraceOutcome::LocalError } else { TraceOutcome::Rejected }
    } else if repetition.is_some() {
        TraceOutcome::Loop
    } else if trace.errno.is_some() && last.is_none() {
        TraceOutcome::LocalError
    } else {
        TraceOutcome::Dark
    };
    Summary {
        outcome,
        reached_at: match (reached, reset) {
            (Some(a), Some(b)) => Some(a.min(b)),
            (a, b) => a.or(b),
        },
        last_hop: last.map_or(0, |hop| hop.ttl),
        last_address: last.and_then(|hop| hop.address.clone()),
        rejection,
        repetition: (outcome == TraceOutcome::Loop).then_some(repetition).flatten(),
    }
}

/// The distance of a destination that first answered at this TTL.
///
/// A host limits the rate of its ICMP errors too, so silence just below may be its own. Then the TTL
/// of its error counts, where it says that the host is nearer.
fn distance(hops: &[Hop], ttl: u8) -> u8 {
    let at = hops.iter().find(|hop| hop.ttl == ttl);
    let nearer = at.and_then(|hop| hop.icmp?.hop).filter(|hop| *hop < ttl);
    nearer
        .filter(|nearer| {
            hops.iter()
                .filter(|hop| hop.ttl >= *nearer && hop.ttl < ttl)
                .all(|hop| hop.answer == HopAnswer::Silent)
        })
        .unwrap_or(ttl)
}

/// Finds hops that repeat up to the last one that answered.
///
/// 1. From some TTL on, the answers agree with one period of 2 to 12 hops: equal places have equal
///    addresses, different places different ones. Silent hops (rate limits) agree with anything.
/// 2. Two addresses came twice each, or one came three times. Less could be load balancing over
///    paths of different length.
pub(super) fn repetition(hops: &[Hop]) -> Option<Repetition> {
    let answers: Vec<(u8, &str)> = hops
        .iter()
        .filter(|hop| hop.answer == HopAnswer::TtlExceeded)
        .filter_map(|hop| Some((hop.ttl, hop.address.as_deref()?)))
        .collect();
    for period in 2..=12 {
        for start in 0..answers.len() {
            if let Some(found) = repeats(&answers[start..], period) {
                return Some(found);
            }
        }
    }
    None
}

fn repeats(answers: &[(u8, &str)], period: u8) -> Option<Repetition> {
    for (ttl, address) in answers {
        for (other_ttl, other) in answers {
            if (ttl % period == other_ttl % period) != (address == other) {
                return None;
            }
        }
    }
    let times = |address: &str| answers.iter().filter(|(_, other)| *other == address).count();
    // Hops before the loop came once; so did routers of the loop that hardly answer.
    let from = answers.iter().position(|(_, address)| times(address) > 1)?;
    let mut addresses: Vec<&str> = Vec::new();
    for (_, address) in &answers[from..] {
        if times(address) > 1 && !addresses.contains(address) {
            addresses.push(address);
        }
    }
    let enough = addresses.len() >= 2 || addresses.iter().any(|address| times(address) >= 3);
    enough.then(|| Repetition {
        from: answers[from].0,
        addresses: addresses.into_iter().map(str::to_owned).collect(),
    })
}

/// Whether the comparison got further than the trace: it passed the hop at which the trace ended.
fn went_further(trace: &Summary, other: &Summary) -> bool {
    match trace.outcome {
        TraceOutcome::Reached => false,
        // A router, or a farther host, behind the hop at which the RST came.
        TraceOutcome::Reset => {
            let at = trace.reached_at.unwrap_or(u8::MAX);
            other.last_hop >= at || other.reached_at.is_some_and(|reached| reached > at)
        }
        TraceOutcome::Rejected => {
            let at = trace.rejection.map_or(u8::MAX, |(ttl, _)| ttl);
            other.reached_at.is_some() || other.last_hop >= at
        }
        // Where hops repeat, further round is not further on.
        TraceOutcome::Loop => other.reached_at.is_some(),
        TraceOutcome::Dark | TraceOutcome::LocalError => {
            other.reached_at.is_some()
                || (other.outcome != TraceOutcome::Loop && other.last_hop > trace.last_hop)
        }
    }
}

/// Tells the hop number of the box that sent an ICMP error, first seen at this TTL.
///
/// 1. Where the same box also answered with TTL-exceeded, that is its place: a rule in the forward
///    path first shows one TTL later.
/// 2. The destination is where the comparison reached it.
/// 3. Otherwise the TTL at which the error came (a missing route and a rule before routing show
///    there), or the one before when that hop is silent and the error's own TTL says so.
fn hop_of(
    ttl: u8,
    icmp: &IcmpError,
    traces: [&[Hop]; 2],
    destination: IpAddr,
    reached: Option<u8>,
) -> Option<u8> {
    if icmp.from_here {
        return None;
    }
    let from = icmp.from.to_string();
    let own = |hop: &&Hop| hop.answer == HopAnswer::TtlExceeded && hop.addresses.contains(&from);
    let mut all = traces.into_iter().flatten();
    if let Some(place) = all.clone().filter(own).map(|hop| hop.ttl).min() {
        return Some(place);
    }
    if icmp.from == destination {
        return Some(reached.unwrap_or(ttl));
    }
    let before = ttl.saturating_sub(1);
    let silent = !all.any(|hop| hop.ttl == before && hop.answer == HopAnswer::TtlExceeded);
    Some(if silent && icmp.hop == Some(before) { before } else { ttl })
}

/// Whether routers of different addresses answered at one TTL, in one trace or across both.
fn load_balanced(traces: [&[Hop]; 2]) -> bool {
    let routers = |hop: &&Hop| hop.answer == HopAnswer::TtlExceeded;
    let all = || traces.into_iter().flatten().filter(routers);
    all().any(|hop| {
        hop.addresses.len() > 1
            || all().any(|other| other.ttl == hop.ttl && other.addresses != hop.addresses)
    })
}

#[cfg(test)]
#[path = "analysis_tests.rs"]
mod tests;
