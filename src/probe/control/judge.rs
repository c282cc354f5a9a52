//! From single answers to whether the host lives: pure, no socket and no clock.

use std::net::IpAddr;

use crate::model::icmp::{IcmpError, IcmpKind};
use crate::probe::control::{ControlOutcome, SignOfLife};

/// How the host was asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Method {
    Tcp(u16),
    Udp(u16),
    Echo,
}

/// What came of it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Answer {
    /// A handshake completed.
    Open,
    /// A RST.
    Reset,
    /// An echo reply or UDP data, with the TTL (hop limit) of its arrival.
    Reply(Option<u8>),
    /// An ICMP error.
    Icmp(IcmpError),
    /// An error of this machine.
    Local(i32),
}

/// An answer and when it came.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Event {
    pub(super) method: Method,
    pub(super) answer: Answer,
    /// From sending to the answer, in milliseconds; 0 for errors of this machine.
    pub(super) rtt_ms: f64,
    /// From the start of the probe to the answer, in milliseconds.
    pub(super) at_ms: f64,
}

/// Who says what with an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Voice {
    /// The host itself.
    Host,
    /// A router: it cannot reach the host or its network.
    Unreachable,
    /// A router, about something else.
    Router,
    /// This machine: nobody answers ARP or ND.
    Neighbour,
    /// This machine: it may not or cannot send.
    Here,
}

/// How long to wait, all in milliseconds from the start.
#[derive(Debug, Clone, Copy)]
pub(super) struct Patience {
    /// For a sign of life.
    pub(super) life_ms: f64,
    /// For more, after the first sign of life.
    pub(super) linger_ms: f64,
    /// Whether the host's TTL is all that is wanted.
    pub(super) until_ttl: bool,
}

/// How long after a router's word something else may still come: longer than most round trips.
const AFTER_ROUTER_MS: f64 = 300.0;
/// The same when the word came so late that the router must have waited for the host's link address
/// in vain (three tries a second apart): nothing will answer then.
const AFTER_SLOW_ROUTER_MS: f64 = 40.0;
/// An unreachable error later than this is such a one.
const SLOW_MS: f64 = 1000.0;
/// How long to wait for the other errors when ARP or ND has failed here: they come all at once.
const AFTER_NEIGHBOUR_MS: f64 = 20.0;
/// A local rule answers within this time, in milliseconds; ARP and ND take seconds.
const ON_THE_SPOT_MS: f64 = 1.0;

/// Returns when to stop waiting if nothing else comes, in milliseconds from the start.
///
/// A router's word about one port is not the last word on the host: Linux limits its errors to six
/// in a burst, so equal errors to every method cannot be waited for, but neither can they be
/// believed while other methods have not had the time to answer.
pub(super) fn deadline(events: &[Event], address: IpAddr, patience: Patience) -> f64 {
    let heard = |wanted: Voice| {
        events.iter().filter(move |event| voice(event, address) == wanted).map(|event| event.at_ms)
    };
    let first = |wanted| heard(wanted).reduce(f64::min);
    if patience.until_ttl && host_ttl(events, address).is_some() {
        return 0.0;
    }
    if let Some(at) = first(Voice::Host) {
        return at + patience.linger_ms;
    }
    let mut stop = patience.life_ms;
    if let Some(at) = first(Voice::Neighbour) {
        stop = stop.min(at + AFTER_NEIGHBOUR_MS);
    }
    if let Some(at) = first(Voice::Unreachable) {
        let more = if at > SLOW_MS { AFTER_SLOW_ROUTER_MS } else { AFTER_ROUTER_MS };
        stop = stop.min(at + more);
    }
    // Rejected on the way more than once: the rest would be too, but for the limit.
    if heard(Voice::Router).count() >= 2 {
        let last = heard(Voice::Router).fold(0.0, f64::max);
        stop = stop.min(last + AFTER_ROUTER_MS);
    }
    stop
}

/// Whether asking on more ports is pointless, because routers or this machine have said enough.
pub(super) fn enough_said(events: &[Event], address: IpAddr) -> bool {
    let says = |event: &&Event| {
        matches!(voice(event, address), Voice::Unreachable | Voice::Router | Voice::Neighbour)
    };
    events.iter().filter(says).count() >= 2
}

/// Whether anything showed life, and if not, why.
///
/// `asked` is how many methods were tried.
pub(super) fn outcome(events: &[Event], address: IpAddr, asked: usize) -> ControlOutcome {
    let any = |wanted| events.iter().any(|event| voice(event, address) == wanted);
    let failed_here = events.iter().filter(|event| voice(event, address) == Voice::Here).count();
    if any(Voice::Host) {
        ControlOutcome::Alive
    } else if any(Voice::Neighbour) {
        ControlOutcome::NeighbourFailed
    } else if any(Voice::Unreachable) {
        ControlOutcome::Unreachable
    } else if asked > 0 && failed_here >= asked {
        ControlOutcome::LocalError
    } else {
        ControlOutcome::Silent
    }
}

/// The answers that the host itself gave, in the order of their coming.
pub(super) fn signs(events: &[Event], address: IpAddr) -> Vec<SignOfLife> {
    events.iter().filter_map(|event| sign(event, address)).collect()
}

/// The TTL (hop limit) of an answer that the host certainly made itself. A RST is not one: any box
/// on the way can make it.
pub(super) fn host_ttl(events: &[Event], address: IpAddr) -> Option<u8> {
    events.iter().find_map(|event| match event.answer {
        Answer::Reply(ttl) => ttl,
        Answer::Icmp(icmp) if icmp.from == address => icmp.ttl,
        _ => None,
    })
}

/// The ICMP error that was sent in the host's place: one that says unreachable before another.
pub(super) fn instead(events: &[Event], address: IpAddr) -> Option<IcmpError> {
    [Voice::Unreachable, Voice::Router, Voice::Neighbour, Voice::Here].into_iter().find_map(
        |wanted| {
            events.iter().filter(|event| voice(event, address) == wanted).find_map(|event| {
                match event.answer {
                    Answer::Icmp(icmp) => Some(icmp),
                    _ => None,
                }
            })
        },
    )
}

/// The first proof of life in words; a RST only when there is nothing better.
pub(super) fn proof(signs: &[SignOfLife]) -> Option<String> {
    let best = signs.iter().find(|sign| sign.answer != "refused").or_else(|| signs.first())?;
    let took = if best.rtt_ms >= 10.0 {
        format!("{:.1} ms", best.rtt_ms)
    } else {
        format!("{:.2} ms", best.rtt_ms)
    };
    let port = best.port.unwrap_or_default();
    Some(match (best.method.as_str(), best.answer.as_str()) {
        ("icmp", _) => format!("ICMP echo answered in {took}"),
        ("udp", "port_unreachable") => {
            format!("the host itself said UDP port {port} unreachable in {took}")
        }
        ("udp", "open") => format!("UDP port {port} answered in {took}"),
        ("tcp", "open") => format!("port {port} answered in {took}"),
        ("tcp", "refused") => format!("port {port} refused (RST) in {took}"),
        (method, _) => format!("the host itself rejected {method} port {port} in {took}"),
    })
}

fn sign(event: &Event, address: IpAddr) -> Option<SignOfLife> {
    if voice(event, address) != Voice::Host {
        return None;
    }
    let (method, port) = match event.method {
        Method::Tcp(port) => ("tcp", Some(port)),
        Method::Udp(port) => ("udp", Some(port)),
        Method::Echo => ("icmp", None),
    };
    let (answer, ttl) = match event.answer {
        Answer::Open => ("open", None),
        Answer::Reset => ("refused", None),
        Answer::Reply(ttl) if event.method == Method::Echo => ("echo", ttl),
        Answer::Reply(ttl) => ("open", ttl),
        Answer::Icmp(icmp) if method == "udp" && icmp.kind == IcmpKind::PortUnreachable => {
            ("port_unreachable", icmp.ttl)
        }
        Answer::Icmp(icmp) => ("rejected", icmp.ttl),
        Answer::Local(_) => return None,
    };
    Some(SignOfLife {
        method: method.to_owned(),
        port,
        answer: answer.to_owned(),
        rtt_ms: event.rtt_ms,
        ttl,
    })
}

fn voice(event: &Event, address: IpAddr) -> Voice {
    match event.answer {
        Answer::Open | Answer::Reset | Answer::Reply(_) => Voice::Host,
        // EHOSTUNREACH long after sending, without an ICMP error to explain it.
        Answer::Local(libc::EHOSTUNREACH) if event.at_ms > SLOW_MS => Voice::Neighbour,
        Answer::Local(_) => Voice::Here,
        Answer::Icmp(icmp) => {
            let unreachable =
                matches!(icmp.kind, IcmpKind::NetUnreachable | IcmpKind::HostUnreachable);
            if icmp.from == address {
                Voice::Host
            } else if !icmp.from_here {
                if unreachable { Voice::Unreachable } else { Voice::Router }
            } else if icmp.kind == IcmpKind::HostUnreachable && event.rtt_ms > ON_THE_SPOT_MS {
                Voice::Neighbour
            } else {
                Voice::Here
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOST: [u8; 4] = [192, 0, 2, 80];
    const ROUTER: [u8; 4] = [192, 0, 2, 1];
    const PATIENCE: Patience = Patience { life_ms: 3400.0, linger_ms: 60.0, until_ttl: false };

    fn icmp(code: u8, from: [u8; 4], from_here: bool) -> Answer {
        Answer::Icmp(IcmpError {
            kind: IcmpKind::v4(3, code),
            icmp_type: 3,
            code,
            from: IpAddr::from(from),
            from_here,
            ttl: Some(62),
            hop: None,
            mtu: None,
        })
    }

    fn at(method: Method, answer: Answer, at_ms: f64) -> Event {
        Event { method, answer, rtt_ms: at_ms, at_ms }
    }

    fn tcp(answer: Answer, at_ms: f64) -> Event {
        at(Method::Tcp(22), answer, at_ms)
    }

    #[test]
    fn one_word_of_the_host_is_life_whatever_routers_say() {
        use ControlOutcome as O;
        let local = Answer::Local(libc::EPERM);
        let table: &[(&[Event], usize, O)] = &[
            (&[], 8, O::Silent),
            (&[], 0, O::Silent),
            (&[tcp(Answer::Open, 1.0)], 8, O::Alive),
            (&[tcp(Answer::Reset, 1.0)], 8, O::Alive),
            (&[at(Method::Echo, Answer::Reply(Some(62)), 1.0)], 8, O::Alive),
            (&[at(Method::Udp(9), icmp(3, HOST, false), 1.0)], 8, O::Alive),
            (&[tcp(icmp(10, HOST, false), 1.0)], 8, O::Alive),
            (&[tcp(icmp(1, ROUTER, false), 1.0), tcp(Answer::Reset, 2.0)], 8, O::Alive),
            (&[tcp(icmp(1, ROUTER, false), 3070.0)], 8, O::Unreachable),
            (&[tcp(icmp(0, ROUTER, false), 20.0)], 8, O::Unreachable),
            (&[tcp(icmp(13, ROUTER, false), 20.0)], 8, O::Silent),
            (&[tcp(icmp(1, ROUTER, true), 3070.0)], 8, O::NeighbourFailed),
            (&[tcp(Answer::Local(libc::EHOSTUNREACH), 3070.0)], 8, O::NeighbourFailed),
            (&[tcp(local, 0.0)], 8, O::Silent),
            (&[tcp(local, 0.0)], 1, O::LocalError),
            (&[tcp(icmp(3, ROUTER, true), 0.1)], 1, O::LocalError),
            (&[tcp(icmp(1, ROUTER, true), 0.1)], 1, O::LocalError),
        ];
        for (events, asked, expected) in table {
            assert_eq!(outcome(events, IpAddr::from(HOST), *asked), *expected, "{events:?}");
        }
    }

    #[test]
    fn waiting_ends_as_soon_as_nothing_else_can_come() {
        let table: &[(&[Event], f64)] = &[
            (&[], 3400.0),
            (&[tcp(Answer::Reset, 20.0)], 80.0),
            (&[tcp(icmp(1, ROUTER, false), 20.0)], 320.0),
            (&[tcp(icmp(1, ROUTER, false), 20.0), tcp(Answer::Reset, 100.0)], 160.0),
            (&[tcp(icmp(1, ROUTER, false), 3070.0)], 3110.0),
            (&[tcp(icmp(1, ROUTER, true), 3070.0)], 3090.0),
            (&[tcp(icmp(13, ROUTER, false), 20.0)], 3400.0),
            (&[tcp(icmp(13, ROUTER, false), 20.0); 2], 320.0),
        ];
        for (events, expected) in table {
            assert_eq!(deadline(events, IpAddr::from(HOST), PATIENCE), *expected, "{events:?}");
        }
    }

    #[test]
    fn who_wants_the_ttl_alone_waits_for_nothing_more() {
        let host = IpAddr::from(HOST);
        let patience = Patience { until_ttl: true, ..PATIENCE };
        let events = [tcp(Answer::Reset, 20.0), at(Method::Udp(9), icmp(3, HOST, false), 22.0)];
        assert_eq!(deadline(&events[..1], host, patience), 80.0);
        assert_eq!(deadline(&events, host, patience), 0.0);
        assert_eq!(deadline(&events, host, PATIENCE), 80.0);
    }

    #[test]
    fn a_reset_gives_no_host_ttl_but_a_port_unreachable_from_the_host_does() {
        let host = IpAddr::from(HOST);
        let events = [
            tcp(Answer::Reset, 1.0),
            tcp(icmp(1, ROUTER, false), 1.5),
            at(Method::Udp(9), icmp(3, HOST, false), 2.0),
        ];
        assert_eq!(host_ttl(&events[..2], host), None);
        assert_eq!(host_ttl(&events, host), Some(62));
        let signs = signs(&events, host);
        assert_eq!(signs.len(), 2);
        let proof = proof(&signs);
        assert_eq!(
            proof.as_deref(),
            Some("the host itself said UDP port 9 unreachable in 2.00 ms")
        );
    }

    #[test]
    fn the_error_in_the_hosts_place_is_the_one_that_says_unreachable() {
        let events = [tcp(icmp(13, ROUTER, false), 1.0), tcp(icmp(1, ROUTER, false), 2.0)];
        let found = instead(&events, IpAddr::from(HOST)).expect("an error");
        assert_eq!(found.code, 1);
    }
}
