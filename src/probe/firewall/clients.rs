//! Clients from anywhere: what the rules do to their SYNs and to our answers.
//!
//! 1. A rule or policy that surely ends the packets of every client is the answer.
//! 2. One that ends those of some, by family or interface, or behind a rule that accepts some by their
//!    address or on this very port, is the answer for a part of them.
//! 3. So is a rule about this very port that may match some, as one for a network.
//! 4. A rule about any port that may match leaves it undecided.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::conclude::{Readings, deciding_rule, located, owner, same, suspects, text};
use super::packet::Packet;
use super::question::Client;
use super::walk::{Decision, Doubt, Place, decide};
use super::{FirewallOutcome, FirewallSeen};
use crate::wire::nft::{Family, Ruleset};

/// A client and what the rules say of its packets.
pub(super) struct Judged<'a> {
    syn: &'a Packet,
    decision: Decision<'a>,
    /// The same on another port.
    elsewhere: Decision<'a>,
    /// The same for a client of an address that nobody means who writes rules.
    stranger: Decision<'a>,
}

impl<'a> Judged<'a> {
    /// Whether a rule that stands in the way here would let the same packets be on another port.
    fn is_about_port(&self, place: &Place<'_>) -> bool {
        !suspects(&self.elsewhere).any(|other| same(other, place)) && place.rule.is_some()
    }

    /// A rule that lets some clients pass what ends the others: by their address, or on this port.
    fn exception(&self) -> Option<Place<'a>> {
        let mut accepts = self.decision.doubts.iter().filter(|doubt| !doubt.drops);
        let of_client =
            |place: &Place<'_>| !self.stranger.doubts.iter().any(|other| same(&other.place, place));
        let found = accepts.find(|doubt| {
            let elsewhere = &self.elsewhere.doubts;
            let of_port = !elsewhere.iter().any(|other| same(&other.place, &doubt.place));
            of_port || of_client(&doubt.place)
        });
        found.map(|doubt| doubt.place)
    }

    /// Rules about this port that may drop its packets.
    fn may_drop(&self) -> impl Iterator<Item = Place<'a>> {
        let doubts = self.decision.doubts.iter().filter(|doubt| doubt.drops);
        doubts.map(|doubt| doubt.place).filter(|place| self.is_about_port(place))
    }
}

/// Follows each client's SYN and, when that may pass, our answer.
pub(super) fn judge<'a>(rules: &'a Ruleset, clients: &'a [Client]) -> Vec<Judged<'a>> {
    let judged = clients.iter().map(|client| {
        let decision = both_ways(rules, &client.syn, &client.answer);
        let (mut syn, mut answer) = (client.syn.clone(), client.answer.clone());
        syn.destination_ports = another(syn.destination_ports);
        answer.source_ports = another(answer.source_ports);
        let elsewhere = both_ways(rules, &syn, &answer);
        let (mut syn, mut answer) = (client.syn.clone(), client.answer.clone());
        let stranger = if syn.v6 { STRANGER_V6.into() } else { STRANGER_V4.into() };
        (syn.source, answer.destination) = (Some(stranger), Some(stranger));
        let stranger = both_ways(rules, &syn, &answer);
        Judged { syn: &client.syn, decision, elsewhere, stranger }
    });
    judged.collect()
}

/// Addresses of documentation (RFC 5737, RFC 3849).
const STRANGER_V4: Ipv4Addr = Ipv4Addr::new(198, 51, 100, 77);
const STRANGER_V6: Ipv6Addr = Ipv6Addr::new(0x2001, 0xdb8, 0x4001, 0, 0, 0, 0, 0x77);

/// A port that nobody means who writes rules about this one.
fn another((port, _): (u16, u16)) -> (u16, u16) {
    let other = port ^ 0x4001;
    (other, other)
}

fn both_ways<'a>(rules: &'a Ruleset, syn: &Packet, answer: &Packet) -> Decision<'a> {
    let mut decision = decide(rules, syn);
    if decision.ends.is_none() && decision.diverts.is_none() {
        let way_back = decide(rules, answer);
        decision.any_rules |= way_back.any_rules;
        decision.gave_up |= way_back.gave_up;
        decision.doubts.extend(way_back.doubts);
        decision.ends = way_back.ends;
    }
    decision
}

/// Lists the chains whose counters can tell who decides.
pub(super) fn witnesses(judged: &[Judged<'_>]) -> Vec<(Family, String, String)> {
    let mut chains = Vec::new();
    for client in judged {
        for chain in super::conclude::witnesses(&client.decision) {
            if !chains.contains(&chain) {
                chains.push(chain);
            }
        }
    }
    chains
}

/// Says what was seen.
pub(super) fn conclude(
    rules: &Ruleset,
    judged: &[Judged<'_>],
    readings: &Readings,
    legacy_tables: Option<bool>,
) -> FirewallSeen {
    let grew = |place: &Place<'_>| readings.growth(place).is_some_and(|grown| grown > 0);
    let ended: Vec<&Judged<'_>> =
        judged.iter().filter(|client| client.decision.ends.is_some()).collect();
    let ends = || ended.iter().filter_map(|client| client.decision.ends);
    let mays = || judged.iter().flat_map(Judged::may_drop);
    let end = ends().find(grew).or_else(|| ends().next());
    let may = mays().find(grew).or_else(|| mays().next());
    let limits = end.and_then(|_| limits(rules, judged, &ended));
    let (place, partial) = match (end, may) {
        // Somebody met it just now, and that was about this port.
        (Some(end), Some(may)) if limits.is_some() && grew(&may) && !grew(&end) => {
            (Some(may), Some(Part::of(SOME)))
        }
        (Some(end), _) => (Some(end), limits),
        (None, Some(may)) => (Some(may), Some(Part::of(SOME))),
        (None, None) => (None, None),
    };
    let gave_up = judged.iter().any(|client| client.decision.gave_up);
    let open: Vec<&Doubt<'_>> = judged.iter().flat_map(|client| &client.decision.doubts).collect();
    let undecided = gave_up || open.iter().any(|doubt| doubt.drops);
    let outcome = match place {
        Some(place) if place.rejects => FirewallOutcome::Rejects,
        Some(_) => FirewallOutcome::Drops,
        None if undecided => FirewallOutcome::Undecided,
        None if judged.iter().any(|client| client.decision.any_rules) => FirewallOutcome::Accepts,
        None => FirewallOutcome::NoRules,
    };
    // What a rule about any port counts may have been others' packets.
    let counted = place.and_then(|place| {
        let grown = readings.growth(&place)? > 0;
        let of_port = judged.iter().all(|client| client.is_about_port(&place));
        let sure = partial.is_none() || of_port;
        Some(grown && sure)
    });
    let mut not_evaluated: Vec<String> = Vec::new();
    for doubt in open {
        let told = located(rules, &doubt.place);
        let decides = place.is_some_and(|place| same(&place, &doubt.place));
        if !decides && !not_evaluated.contains(&told) {
            not_evaluated.push(told);
        }
    }
    if gave_up {
        not_evaluated.push("too many rules".to_owned());
    }
    let diverts = judged.iter().find_map(|client| client.decision.diverts);
    FirewallSeen {
        owner: owner(rules, place.as_ref()),
        diverted: diverts.map(|place| deciding_rule(rules, &place, readings)),
        outcome,
        rule: place.map(|place| deciding_rule(rules, &place, readings)),
        counted,
        shots: 0,
        partial_family: partial.as_ref().and_then(|part| part.family).map(str::to_owned),
        partial_address: partial.as_ref().and_then(|part| part.address).map(|own| own.to_string()),
        partial: partial.map(|part| part.words),
        not_evaluated,
        legacy_tables,
    }
}

const SOME: &str = "some clients";

/// A part of all clients.
struct Part {
    /// Which, in words.
    words: String,
    /// `v4` or `v6`, when it is exactly those of one family.
    family: Option<&'static str>,
    /// An address of ours, when it is exactly those that connect to it.
    address: Option<IpAddr>,
}

impl Part {
    fn of(words: impl Into<String>) -> Part {
        Part { words: words.into(), family: None, address: None }
    }
}

/// Which clients meet their end, when it is not all of them.
fn limits(rules: &Ruleset, judged: &[Judged<'_>], ended: &[&Judged<'_>]) -> Option<Part> {
    // A rule that lets some in does so for a family as for all.
    let exception = ended.iter().find_map(|client| client.exception());
    let Some(exception) = exception else {
        return (ended.len() < judged.len()).then(|| which(judged, ended));
    };
    let text = text(rules, &exception);
    Some(Part::of(format!("clients that no earlier rule lets in (as does: {text})")))
}

fn which(judged: &[Judged<'_>], ended: &[&Judged<'_>]) -> Part {
    let ends = |client: &Judged<'_>| ended.iter().any(|other| std::ptr::eq(*other, client));
    let exactly = |belongs: &dyn Fn(&Judged<'_>) -> bool| {
        judged.iter().all(|client| belongs(client) == ends(client))
    };
    let device = |client: &Judged<'_>| {
        client.syn.device.as_ref().map_or("any interface", |device| device.name.as_str()).to_owned()
    };
    if exactly(&|client| client.syn.v6) {
        return Part { family: Some("v6"), ..Part::of("IPv6 clients") };
    }
    if exactly(&|client| !client.syn.v6) {
        return Part { family: Some("v4"), ..Part::of("IPv4 clients") };
    }
    let mut devices: Vec<String> = ended.iter().map(|client| device(client)).collect();
    devices.dedup();
    if exactly(&|client| devices.contains(&device(client))) {
        return Part::of(format!("clients that come in by {}", devices.join(", ")));
    }
    let mut addresses: Vec<IpAddr> =
        ended.iter().filter_map(|client| client.syn.destination).collect();
    addresses.sort_unstable();
    addresses.dedup();
    if exactly(&|client| client.syn.destination.is_some_and(|own| addresses.contains(&own))) {
        let words: Vec<String> = addresses.iter().map(IpAddr::to_string).collect();
        let part = Part::of(format!("clients that connect to {}", words.join(", ")));
        let one = (addresses.len() == 1).then(|| addresses.first().copied()).flatten();
        return Part { address: one, ..part };
    }
    let family = |client: &Judged<'_>| if client.syn.v6 { "IPv6" } else { "IPv4" };
    let mut pairs: Vec<String> = (ended.iter())
        .map(|client| format!("{} clients that come in by {}", family(client), device(client)))
        .collect();
    pairs.dedup();
    Part::of(pairs.join(", "))
}
