//! Hops in a short notation, and what they must come to.
//!
//! `a` … `f` = a router answered with TTL-exceeded, `*` = silence, `!` = the destination answered,
//! `R` = RST, `x` after a letter = that router sent another ICMP error, `Hx` = the destination did.

use super::*;
use crate::model::icmp::hops_from_ttl;

const HOST: [u8; 4] = [10, 0, 0, 99];

fn address(letter: u8) -> IpAddr {
    match letter {
        b'H' => IpAddr::from(HOST),
        router => IpAddr::from([10, 0, 0, router - b'a' + 1]),
    }
}

fn icmp(from: IpAddr, kind: IcmpKind, ttl: Option<u8>) -> IcmpError {
    IcmpError {
        kind,
        icmp_type: 3,
        code: 13,
        from,
        from_here: false,
        ttl,
        hop: ttl.and_then(hops_from_ttl),
        mtu: None,
    }
}

fn trace(notation: &str) -> Trace {
    trace_of(notation, IcmpKind::AdminProhibited, None)
}

fn trace_of(notation: &str, kind: IcmpKind, icmp_ttl: Option<u8>) -> Trace {
    let hops = notation.split_whitespace().zip(1..).map(|(word, ttl)| {
        let letter = word.as_bytes()[0];
        let (answer, from) = match word {
            "*" => (HopAnswer::Silent, None),
            "!" => (HopAnswer::Reached, Some(address(b'H'))),
            "R" => (HopAnswer::Reset, Some(address(b'H'))),
            word if word.ends_with('x') => (HopAnswer::Rejected, Some(address(letter))),
            _ => (HopAnswer::TtlExceeded, Some(address(letter))),
        };
        let error =
            (answer == HopAnswer::Rejected).then(|| from.map(|from| icmp(from, kind, icmp_ttl)));
        Hop {
            ttl,
            answer,
            address: from.map(|from| from.to_string()),
            addresses: from.iter().map(IpAddr::to_string).collect(),
            rtt_ms: None,
            icmp: error.flatten(),
            sent: 1,
            answered: u32::from(from.is_some()),
        }
    });
    Trace { hops: hops.collect(), errno: None }
}

fn both(tcp: &str, udp: &str) -> TraceSeen {
    conclude("host", address(b'H'), 80, trace(tcp), Some(trace(udp)))
}

#[test]
fn each_ending_has_its_outcome_and_place() {
    use TraceOutcome::*;
    for (notation, outcome, reached_at, last_hop) in [
        ("a b !", Reached, Some(3), 2),
        ("!", Reached, Some(1), 0),
        ("a * !", Reached, Some(3), 1),
        ("* * * !", Reached, Some(4), 0),
        ("a R", Reset, Some(2), 1),
        ("a b R R", Reset, Some(3), 2),
        ("a bx bx", Rejected, None, 1),
        ("a b * *", Dark, None, 2),
        ("* * * *", Dark, None, 0),
        ("a * c * *", Dark, None, 3),
        ("a b a b a b", Loop, None, 6),
        ("a * * R * !", Reached, Some(4), 1),
    ] {
        let summary = summarize(&trace(notation));
        assert_eq!(
            (summary.outcome, summary.reached_at, summary.last_hop),
            (outcome, reached_at, last_hop),
            "{notation}"
        );
    }
}

#[test]
fn a_host_that_answers_late_for_its_rate_limit_is_as_near_as_its_error_says() {
    for (notation, icmp_ttl, reached_at) in [
        ("a b * * * !", Some(62), 3),
        ("a b c * * !", Some(62), 6), // another way back
        ("a b * * * !", None, 6),
        ("a b !", Some(255), 3),
    ] {
        let mut udp = trace(notation);
        let last = udp.hops.last_mut().expect("hops");
        last.icmp = Some(icmp(address(b'H'), IcmpKind::PortUnreachable, icmp_ttl));
        assert_eq!(summarize(&udp).reached_at, Some(reached_at), "{notation} {icmp_ttl:?}");
    }
    // So a RST at the host's own distance is no sign of a box in front of it.
    let mut udp = trace("a b * * * !");
    udp.hops[5].icmp = Some(icmp(address(b'H'), IcmpKind::PortUnreachable, Some(62)));
    let seen = conclude("host", address(b'H'), 80, trace("a b R"), Some(udp));
    assert_eq!(seen.compare_went_further, Some(false));
}

#[test]
fn nothing_answering_has_hop_0_and_no_address() {
    let seen = both("* * *", "* * *");
    assert_eq!((seen.last_hop, seen.last_address), (0, None));
    assert_eq!(seen.compare_went_further, Some(false));
    assert!(!seen.host_answered);
}

#[test]
fn a_loop_is_found_through_the_gaps_of_rate_limits() {
    for (notation, from, repeated) in [
        ("a b a b", 1, "ab"),
        ("a b c b c b c", 2, "bc"),
        ("a b * b * b * *", 2, "b"),
        ("a b a * a b * *", 1, "ab"),
        ("a b c d b c d b c", 2, "bcd"),
        ("a b * d b * d", 2, "bd"),
        ("* * c d c d", 3, "cd"),
    ] {
        let found = summarize(&trace(notation)).repetition;
        let wanted = Repetition {
            from,
            addresses: repeated.bytes().map(|b| address(b).to_string()).collect(),
        };
        assert_eq!(found, Some(wanted), "{notation}");
    }
}

#[test]
fn what_repeats_by_chance_is_no_loop() {
    for notation in [
        "a b c d",       // nothing repeats
        "a a b b",       // a router that passes on with TTL 0, or counts twice
        "a b a c",       // the path goes on after the repetition
        "a b a",         // load balancing over paths of different length
        "a b a b !",     // it arrives
        "a * * a",       // once is chance
        "a a a a a a a", // one address for many routers (a tunnel)
    ] {
        let outcome = summarize(&trace(notation)).outcome;
        assert_ne!(outcome, TraceOutcome::Loop, "{notation}");
    }
}

#[test]
fn the_comparison_goes_further_only_past_the_hop_where_the_trace_ended() {
    for (tcp, udp, further, alive) in [
        ("a b * *", "a b !", true, true),
        ("a b * *", "a b c * *", true, false),
        ("a b * *", "a b * *", false, false),
        ("a b * *", "a * * *", false, false),
        ("a b !", "a b * *", false, false),
        ("a R", "a b !", true, true),
        ("a R", "a b c *", true, false),
        ("a b R", "a b !", false, true),
        ("a b bx", "a b !", true, true),
        ("a b bx", "a b bx", false, false),
        ("a b Hx", "a b Hx", false, true),
        ("a b a b", "a b a b a", false, false),
        ("a * * *", "a b a b a", false, false),
    ] {
        let seen = both(tcp, udp);
        assert_eq!(seen.compare_went_further, Some(further), "{tcp} / {udp}");
        assert_eq!(seen.host_answered, alive, "{tcp} / {udp}");
    }
}

#[test]
fn without_a_comparison_nothing_is_said_about_it() {
    let seen = conclude("host", address(b'H'), 80, trace("a b *"), None);
    assert_eq!(seen.compare_went_further, None);
    assert_eq!(seen.compare, None);
}

#[test]
fn the_box_that_rejects_is_located() {
    for (tcp, icmp_ttl, udp, hop) in [
        // A rule in the forward path of b: b is hop 2, the reject shows at TTL 3.
        ("a b bx bx", Some(63), "a b !", Some(2)),
        // The same with TTL-exceeded used up for TCP.
        ("a * bx", Some(63), "a b !", Some(2)),
        // A missing route, or a rule before routing: it shows at its own TTL.
        ("a bx bx", Some(63), "a bx", Some(2)),
        // Nothing of b but the reject: its own TTL decides between TTL 2 and 3.
        ("a * bx", Some(63), "a * *", Some(2)),
        ("a * bx", Some(62), "a * *", Some(3)),
        // A way back of another length says nothing.
        ("a * bx", Some(250), "a * *", Some(3)),
        ("a * bx", None, "a * *", Some(3)),
        // The host itself.
        ("a b Hx", Some(62), "a b !", Some(3)),
        // The very first hop.
        ("ax ax", Some(64), "ax", Some(1)),
    ] {
        let tcp = trace_of(tcp, IcmpKind::AdminProhibited, icmp_ttl);
        let seen = conclude("host", address(b'H'), 80, tcp.clone(), Some(trace(udp)));
        assert_eq!(seen.outcome, TraceOutcome::Rejected);
        assert_eq!(seen.rejected_hop, hop, "{tcp:?} / {udp}");
    }
}

#[test]
fn a_missing_route_seen_by_the_comparison_alone_counts() {
    let udp = trace_of("a bx", IcmpKind::NetUnreachable, None);
    let seen = conclude("host", address(b'H'), 80, trace("a * *"), Some(udp));
    assert_eq!(seen.outcome, TraceOutcome::Dark);
    assert_eq!(seen.rejected_hop, Some(2));
    assert_eq!(seen.rejected_by, Some(address(b'b').to_string()));
}

#[test]
fn a_rule_against_udp_alone_says_nothing_about_tcp() {
    let seen = both("a * *", "a bx");
    assert_eq!((seen.icmp, seen.rejected_hop), (None, None));
}

#[test]
fn an_error_from_this_machine_is_a_local_one_without_a_hop() {
    let mut tcp = trace("ax ax");
    for hop in &mut tcp.hops {
        if let Some(icmp) = &mut hop.icmp {
            icmp.from_here = true;
        }
    }
    let seen = conclude("host", address(b'H'), 80, tcp, None);
    assert_eq!(seen.outcome, TraceOutcome::LocalError);
    assert_eq!(seen.rejected_hop, None);
}

#[test]
fn a_send_that_fails_is_a_local_error() {
    let tcp = Trace { hops: Vec::new(), errno: Some("ENETUNREACH".to_owned()) };
    let seen = conclude("host", address(b'H'), 80, tcp, None);
    assert_eq!(seen.outcome, TraceOutcome::LocalError);
    assert_eq!(seen.errno.as_deref(), Some("ENETUNREACH"));
}

#[test]
fn several_routers_at_one_ttl_are_load_balancing() {
    assert!(both("a b d !", "a c d !").load_balanced);
    assert!(!both("a b d !", "a * d !").load_balanced);
    // The destination where the other trace still met a router is a rejected or shorter path.
    assert!(!both("a b R", "a b c !").load_balanced);
}
