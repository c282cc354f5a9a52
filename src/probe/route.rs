//! `route`: the kernel's own route decision for each address, its link and its next hop.

mod culprit;

use std::net::IpAddr;
use std::time::Duration;

use nix::errno::Errno;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use tokio::time::{Instant, MissedTickBehavior, interval, timeout_at};

use crate::model::outcome::Why;
use crate::probe::Probe;
use crate::sys::name_config::{scope_of, split_zone};
use crate::sys::netlink::NetlinkError;
use crate::sys::rtnl::{self, Address, Decision, Flow, Link, RouteKind, Rtnl};
use crate::sys::{caps, clock};

/// The `route` probe.
pub enum Route {}

/// Arguments of [`Route`].
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RouteArgs {
    /// The destination addresses.
    pub addresses: Vec<String>,
    /// The TCP destination port, which policy rules may look at.
    #[serde(default)]
    pub port: Option<u16>,
    /// Waits up to this long, in milliseconds, while a next hop is being resolved or probed again; 0
    /// looks once. It sends nothing itself: something else must be using the route meanwhile.
    #[serde(default)]
    pub settle_ms: u32,
}

/// What the kernel answered to a route lookup.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum RouteOutcome {
    /// A usable route.
    Found,
    /// The address is this machine's own.
    Local,
    /// ENETUNREACH: no route.
    None,
    /// EINVAL: a blackhole route.
    Blackhole,
    /// EACCES: a prohibit route or rule.
    Prohibit,
    /// EHOSTUNREACH: an unreachable route or rule.
    Unreachable,
    /// EADDRNOTAVAIL or no source address: this family is not set up on this machine.
    NoAddress,
    /// Another errno; EINVAL for a link-local address without a zone, ENODEV for an unknown one.
    Failed,
}

/// The state of a neighbour entry (ARP, ND), as the kernel names it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum NeighbourState {
    /// Resolution is under way and has had no answer yet.
    Incomplete,
    /// Confirmed lately.
    Reachable,
    /// Known, not confirmed lately.
    Stale,
    /// Waiting for a confirmation.
    Delay,
    /// Being probed again.
    Probe,
    /// Did not answer.
    Failed,
    /// Set by hand.
    Permanent,
    /// This kind of link needs no resolution.
    Noarp,
    /// No entry.
    Absent,
}

/// The route to one address.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct RouteEntry {
    /// The destination.
    pub address: String,
    /// `v4` or `v6`.
    pub family: String,
    /// What the kernel answered.
    pub outcome: RouteOutcome,
    /// The errno's name when the lookup failed.
    pub errno: Option<String>,
    /// The route's type: unicast, local, broadcast, anycast or multicast.
    pub kind: Option<String>,
    /// The outgoing interface.
    pub device: Option<String>,
    /// The source address that would be used.
    pub source: Option<String>,
    /// The next hop; null when the destination is on the link.
    pub gateway: Option<String>,
    /// Whether the destination is on the link itself.
    pub on_link: bool,
    /// The MTU in bytes that applies: the route's own, a learned path MTU, else the interface's.
    pub mtu: Option<u32>,
    /// The MTU of the interface in bytes.
    pub device_mtu: Option<u32>,
    /// Whether the MTU is a learned path MTU (a route cache exception).
    pub mtu_learned: bool,
    /// The text of the blackhole, prohibit or unreachable route or rule, when it could be found.
    pub culprit: Option<String>,
    /// The interface's administrative state.
    pub device_up: Option<bool>,
    /// Whether the interface has carrier.
    pub carrier: Option<bool>,
    /// The neighbour whose link address is needed: the gateway, or the destination on the link.
    pub neighbour: Option<String>,
    /// The state of that neighbour's entry; null when there is no neighbour to be resolved.
    pub neighbour_state: Option<NeighbourState>,
}

/// One interface.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Interface {
    /// Its name.
    pub name: String,
    /// Administratively up.
    pub up: bool,
    /// Has carrier.
    pub carrier: bool,
    /// The kernel's operstate word.
    pub operstate: String,
    /// Is the loopback.
    pub loopback: bool,
    /// MTU in bytes.
    pub mtu: u32,
    /// Its addresses with prefix length, such as `192.0.2.1/24`.
    pub addresses: Vec<String>,
}

/// What [`Route`] saw.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct RouteSeen {
    /// What the kernel answered for the best address: the first that has a route, else the first.
    pub outcome: RouteOutcome,
    /// The route of that address, in full.
    pub best: RouteEntry,
    /// The routes of all addresses, in order.
    pub routes: Vec<RouteEntry>,
    /// How many addresses have a route.
    pub usable: u32,
    /// How many of the IPv4 addresses have a route.
    pub usable_v4: u32,
    /// How many of the IPv6 addresses have a route.
    pub usable_v6: u32,
    /// All interfaces.
    pub interfaces: Vec<Interface>,
    /// How many interfaces besides loopback are up, with carrier and an address that is more than
    /// link-local (169.254.0.0/16, fe80::/10).
    pub interfaces_usable: u32,
    /// How many interfaces besides loopback are administratively up.
    pub interfaces_up: u32,
}

impl Probe for Route {
    const ID: &'static str = "route";
    const DOC: &'static str = "Asks the kernel which route it would take to each address, and looks \
        at that route's interface and next hop.";
    type Args = RouteArgs;
    type Seen = RouteSeen;

    async fn run(args: RouteArgs) -> Result<RouteSeen, Why> {
        let start = Instant::from_std(clock::now());
        let mut destinations = Vec::new();
        for address in &args.addresses {
            destinations.push(Destination::new(address)?);
        }
        if destinations.is_empty() {
            return Err(Why::Depends { on: "addresses".to_owned() });
        }
        // Tables may be long, and netlink calls block.
        let looking = tokio::task::spawn_blocking(move || look(&destinations, args.port));
        let (mut seen, pending, rtnl) = looking.await.map_err(|_| Why::Interrupted)??;
        let end = start + Duration::from_millis(args.settle_ms.into());
        // What is seen when the time ends counts.
        let settling = settle(&mut seen.routes, pending, rtnl);
        let _ = timeout_at(end, settling).await;
        seen.best = best(&seen.routes).unwrap_or(seen.best);
        Ok(seen)
    }

    fn brief(seen: &RouteSeen) -> String {
        let best = &seen.best;
        let errno = best.errno.as_deref().unwrap_or("no errno");
        let culprit = match &best.culprit {
            Some(culprit) => format!(": {culprit}"),
            None => String::new(),
        };
        match best.outcome {
            RouteOutcome::Local => format!("{} is this machine's own address", best.address),
            RouteOutcome::None => format!("no route to {} ({errno})", best.address),
            RouteOutcome::Blackhole | RouteOutcome::Prohibit | RouteOutcome::Unreachable => {
                format!("no way to {} ({errno}){culprit}", best.address)
            }
            RouteOutcome::NoAddress => format!("no source address for {}", best.address),
            RouteOutcome::Failed => format!("no route to {} ({errno})", best.address),
            RouteOutcome::Found => found(best),
        }
    }
}

fn found(best: &RouteEntry) -> String {
    let mut text = best.address.clone();
    if let Some(gateway) = &best.gateway {
        text.push_str(&format!(" via {gateway}"));
    }
    if let Some(device) = &best.device {
        text.push_str(&format!(" dev {device}"));
    }
    if let Some(source) = &best.source {
        text.push_str(&format!(" src {source}"));
    }
    if let Some(mtu) = best.mtu {
        let learned = if best.mtu_learned { " (learned)" } else { "" };
        text.push_str(&format!(", MTU {mtu}{learned}"));
    }
    match (best.device_up, best.carrier) {
        (Some(false), _) => text.push_str(", interface down"),
        (_, Some(false)) => text.push_str(", no carrier"),
        _ => {}
    }
    let unanswering = [NeighbourState::Failed, NeighbourState::Incomplete];
    if let (Some(neighbour), Some(state)) = (&best.neighbour, best.neighbour_state)
        && unanswering.contains(&state)
    {
        let word = match state {
            NeighbourState::Failed => "failed",
            _ => "incomplete",
        };
        text.push_str(&format!(", neighbour {neighbour} {word}"));
    }
    text
}

/// How often a neighbour is looked at while it is being resolved.
const TICK: Duration = Duration::from_millis(10);

/// An address to be looked up.
#[derive(Debug, Clone)]
struct Destination {
    /// As it was given.
    text: String,
    address: IpAddr,
    zone: Option<String>,
}

impl Destination {
    fn new(text: &str) -> Result<Destination, Why> {
        let (bare, zone) = split_zone(text);
        let address: IpAddr = bare.parse().map_err(|_| Why::Unsupported {
            what: format!("{} is not an address", text.escape_debug()),
        })?;
        Ok(Destination {
            text: text.to_owned(),
            // The kernel treats ::ffff:192.0.2.1 as the IPv4 address in it.
            address: address.to_canonical(),
            zone: zone.map(str::to_owned),
        })
    }
}

/// A neighbour whose entry has not settled: the index of its route, interface and address.
type Pending = (usize, u32, IpAddr);

/// Asks the kernel everything once.
fn look(
    destinations: &[Destination],
    port: Option<u16>,
) -> Result<(RouteSeen, Vec<Pending>, Rtnl), Why> {
    let mut rtnl = Rtnl::open()?;
    let links = rtnl.links().map_err(|error| error.why("list links", ""))?;
    let addresses = rtnl.addresses().map_err(|error| error.why("list addresses", ""))?;
    let mut routes = Vec::new();
    let mut pending = Vec::new();
    for destination in destinations {
        let (entry, neighbour) = look_up(&mut rtnl, destination, port, &links, &addresses)?;
        if let Some((device, address)) = neighbour
            && entry.neighbour_state.is_some_and(unsettled)
        {
            pending.push((routes.len(), device, address));
        }
        routes.push(entry);
    }
    let count = |family: &str| {
        let usable =
            |entry: &&RouteEntry| has_route(entry) && (family.is_empty() || entry.family == family);
        routes.iter().filter(usable).count() as u32
    };
    let (usable, usable_v4, usable_v6) = (count(""), count("v4"), count("v6"));
    let best = best(&routes).ok_or(Why::Depends { on: "addresses".to_owned() })?;
    let outside = || links.iter().filter(|link| !link.loopback);
    let addressed = |link: &&Link| {
        let mut own = addresses.iter().filter(|own| own.device == link.index);
        own.any(|own| !is_link_local(own.address))
    };
    let seen = RouteSeen {
        outcome: best.outcome,
        best,
        routes,
        usable,
        usable_v4,
        usable_v6,
        interfaces_usable: outside()
            .filter(|link| link.up && link.carrier)
            .filter(addressed)
            .count() as u32,
        interfaces_up: outside().filter(|link| link.up).count() as u32,
        interfaces: links.iter().map(|link| interface(link, &addresses)).collect(),
    };
    Ok((seen, pending, rtnl))
}

fn has_route(entry: &RouteEntry) -> bool {
    matches!(entry.outcome, RouteOutcome::Found | RouteOutcome::Local)
}

/// The first address that has a route, else the first.
fn best(routes: &[RouteEntry]) -> Option<RouteEntry> {
    routes.iter().find(|entry| has_route(entry)).or(routes.first()).cloned()
}

fn is_link_local(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => address.is_link_local(),
        IpAddr::V6(address) => address.is_unicast_link_local(),
    }
}

fn interface(link: &Link, addresses: &[Address]) -> Interface {
    let own = addresses.iter().filter(|own| own.device == link.index);
    Interface {
        name: link.name.clone(),
        up: link.up,
        carrier: link.carrier,
        operstate: link.operstate.to_owned(),
        loopback: link.loopback,
        mtu: link.mtu,
        addresses: own.map(|own| format!("{}/{}", own.address, own.prefix)).collect(),
    }
}

/// Looks one destination up; also returns the neighbour that has to be resolved for it.
fn look_up(
    rtnl: &mut Rtnl,
    destination: &Destination,
    port: Option<u16>,
    links: &[Link],
    addresses: &[Address],
) -> Result<(RouteEntry, Option<(u32, IpAddr)>), Why> {
    let to = destination.address;
    let mut entry = RouteEntry::of(destination);
    let scope = destination.zone.as_deref().map(scope_of);
    match (to, scope) {
        (_, Some(0)) => return Ok((entry.failed(Errno::ENODEV), None)),
        // connect() refuses this before it looks for a route.
        (IpAddr::V6(v6), None) if v6.is_unicast_link_local() => {
            return Ok((entry.failed(Errno::EINVAL), None));
        }
        _ => {}
    }
    let mut flow = Flow { to, from: None, device: scope, port };
    let mut answer = rtnl.route(&flow);
    // connect() looks twice as well: rules may be for the source that the first look chose.
    if let Ok(Decision { source: Some(source), kind: RouteKind::Unicast, .. }) = &answer {
        flow.from = Some(*source);
        answer = rtnl.route(&flow);
    }
    let decision = match answer {
        Ok(decision) => decision,
        Err(NetlinkError::Refused { errno, .. }) => {
            entry = entry.failed(errno);
            entry.outcome = refusal(errno, to, addresses);
            let by_entry =
                [RouteOutcome::Blackhole, RouteOutcome::Prohibit, RouteOutcome::Unreachable];
            if by_entry.contains(&entry.outcome) {
                entry.culprit = culprit_of(rtnl, &flow);
            }
            return Ok((entry, None));
        }
        Err(error) => return Err(error.why("look a route up", "")),
    };
    let link = links.iter().find(|link| Some(link.index) == decision.device);
    entry.outcome = match decision.kind {
        RouteKind::Local => RouteOutcome::Local,
        RouteKind::Blackhole => RouteOutcome::Blackhole,
        RouteKind::Prohibit => RouteOutcome::Prohibit,
        RouteKind::Unreachable => RouteOutcome::Unreachable,
        _ if decision.source.is_none() => RouteOutcome::NoAddress,
        _ => RouteOutcome::Found,
    };
    entry.kind = Some(decision.kind.name().to_owned());
    entry.source = decision.source.map(|source| source.to_string());
    entry.gateway = decision.gateway.map(|gateway| gateway.to_string());
    entry.on_link = entry.outcome == RouteOutcome::Found && decision.gateway.is_none();
    entry.mtu_learned = decision.mtu_learned;
    entry.mtu = decision.mtu;
    let Some(link) = link else {
        return Ok((entry, None));
    };
    entry.device = Some(link.name.clone());
    entry.device_up = Some(link.up);
    entry.carrier = Some(link.carrier);
    entry.device_mtu = Some(link.mtu);
    entry.mtu = decision.mtu.or_else(|| {
        let lowered = to.is_ipv6().then(|| rtnl::ipv6_mtu(&link.name)).flatten();
        Some(lowered.map_or(link.mtu, |lowered| lowered.min(link.mtu)))
    });
    if entry.outcome != RouteOutcome::Found || decision.kind != RouteKind::Unicast || link.loopback
    {
        return Ok((entry, None));
    }
    let neighbour = decision.gateway.unwrap_or(to);
    entry.neighbour = Some(neighbour.to_string());
    if link.noarp {
        entry.neighbour_state = Some(NeighbourState::Noarp);
        return Ok((entry, None));
    }
    entry.neighbour_state = neighbour_state(rtnl, link.index, neighbour);
    Ok((entry, Some((link.index, neighbour))))
}

impl RouteEntry {
    fn of(destination: &Destination) -> RouteEntry {
        RouteEntry {
            address: destination.text.clone(),
            family: if destination.address.is_ipv4() { "v4" } else { "v6" }.to_owned(),
            outcome: RouteOutcome::Failed,
            errno: None,
            kind: None,
            device: None,
            source: None,
            gateway: None,
            on_link: false,
            mtu: None,
            device_mtu: None,
            mtu_learned: false,
            culprit: None,
            device_up: None,
            carrier: None,
            neighbour: None,
            neighbour_state: None,
        }
    }

    fn failed(mut self, errno: Errno) -> RouteEntry {
        self.errno = Some(format!("{errno:?}"));
        self
    }
}

/// What an errno of a route lookup says (kernel facts 2 and 11).
fn refusal(errno: Errno, to: IpAddr, addresses: &[Address]) -> RouteOutcome {
    let family_has_address = || addresses.iter().any(|own| own.address.is_ipv6() == to.is_ipv6());
    match errno {
        Errno::ENETUNREACH if !family_has_address() => RouteOutcome::NoAddress,
        Errno::ENETUNREACH => RouteOutcome::None,
        Errno::EINVAL => RouteOutcome::Blackhole,
        Errno::EACCES => RouteOutcome::Prohibit,
        Errno::EHOSTUNREACH => RouteOutcome::Unreachable,
        // The family is switched off or not compiled in.
        Errno::EADDRNOTAVAIL | Errno::EAFNOSUPPORT | Errno::EOPNOTSUPP => RouteOutcome::NoAddress,
        // A throw route that no later rule makes up for (IPv6 reports it as it is).
        Errno::EAGAIN => RouteOutcome::None,
        _ => RouteOutcome::Failed,
    }
}

/// Finds the entry behind a refusal; without the lists nothing is named.
fn culprit_of(rtnl: &mut Rtnl, flow: &Flow) -> Option<String> {
    let rules = rtnl.rules(flow.to).ok()?;
    let routes = rtnl.routes(flow.to).ok()?;
    let uid = caps::effective_uid();
    culprit::culprit(flow, uid, &rules, &routes)
}

fn neighbour_state(rtnl: &mut Rtnl, device: u32, address: IpAddr) -> Option<NeighbourState> {
    match rtnl.neighbour(device, address) {
        Ok(Some(state)) => Some(state_of(state)),
        Ok(None) => Some(NeighbourState::Absent),
        Err(_) => None,
    }
}

/// Names a state (`NUD_*`, linux/neighbour.h).
fn state_of(number: u16) -> NeighbourState {
    match number {
        0x01 => NeighbourState::Incomplete,
        0x02 => NeighbourState::Reachable,
        0x04 => NeighbourState::Stale,
        0x08 => NeighbourState::Delay,
        0x10 => NeighbourState::Probe,
        0x20 => NeighbourState::Failed,
        0x40 => NeighbourState::Noarp,
        0x80 => NeighbourState::Permanent,
        _ => NeighbourState::Absent,
    }
}

/// Whether the kernel is waiting for the neighbour's answer right now.
fn unsettled(state: NeighbourState) -> bool {
    matches!(state, NeighbourState::Incomplete | NeighbourState::Probe)
}

/// Looks at the pending neighbours again and again until each has settled.
async fn settle(routes: &mut [RouteEntry], mut pending: Vec<Pending>, mut rtnl: Rtnl) {
    let mut ticks = interval(TICK);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Skip);
    while !pending.is_empty() {
        ticks.tick().await;
        pending.retain(|(at, device, address)| {
            let state = neighbour_state(&mut rtnl, *device, *address);
            if let Some(entry) = routes.get_mut(*at) {
                entry.neighbour_state = state;
            }
            state.is_some_and(unsettled)
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn own(text: &str) -> Address {
        Address { device: 1, address: text.parse().unwrap(), prefix: 8 }
    }

    #[test]
    fn an_errno_is_an_outcome() {
        let addresses = [own("127.0.0.1")];
        let v4 = |errno| refusal(errno, "192.0.2.1".parse().unwrap(), &addresses);
        assert_eq!(v4(Errno::ENETUNREACH), RouteOutcome::None);
        assert_eq!(v4(Errno::EINVAL), RouteOutcome::Blackhole);
        assert_eq!(v4(Errno::EACCES), RouteOutcome::Prohibit);
        assert_eq!(v4(Errno::EHOSTUNREACH), RouteOutcome::Unreachable);
        assert_eq!(v4(Errno::EADDRNOTAVAIL), RouteOutcome::NoAddress);
        assert_eq!(v4(Errno::ENOBUFS), RouteOutcome::Failed);
        let v6 = refusal(Errno::ENETUNREACH, "2001:db8::1".parse().unwrap(), &addresses);
        assert_eq!(v6, RouteOutcome::NoAddress);
    }

    fn run(addresses: &[&str]) -> Result<RouteSeen, Why> {
        let args = RouteArgs {
            addresses: addresses.iter().map(|text| (*text).to_owned()).collect(),
            port: Some(80),
            settle_ms: 0,
        };
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        runtime.unwrap().block_on(Route::run(args))
    }

    #[test]
    fn an_own_address_is_local() {
        let seen = run(&["127.0.0.1"]).unwrap();
        assert_eq!((seen.outcome, seen.usable, seen.usable_v4), (RouteOutcome::Local, 1, 1));
        assert_eq!(seen.best.device.as_deref(), Some("lo"));
        assert!(!seen.best.on_link && seen.best.neighbour.is_none());
        assert_eq!(Route::brief(&seen), "127.0.0.1 is this machine's own address");
        assert!(seen.interfaces.iter().any(|interface| interface.loopback));
    }

    #[test]
    fn the_best_address_is_the_first_with_a_route() {
        let seen = run(&["fe80::1", "fe80::1%nosuchdevice", "127.0.0.1"]).unwrap();
        let errnos: Vec<_> = seen.routes.iter().map(|entry| entry.errno.as_deref()).collect();
        assert_eq!(errnos, [Some("EINVAL"), Some("ENODEV"), None]);
        assert_eq!(seen.best.address, "127.0.0.1");
    }

    #[test]
    fn what_is_no_address_is_refused() {
        assert!(matches!(run(&["db.test"]), Err(Why::Unsupported { .. })));
        assert!(matches!(run(&[]), Err(Why::Depends { .. })));
    }

    #[test]
    fn a_brief_says_what_is_wrong_with_the_link() {
        let destination = Destination::new("10.4.3.2").unwrap();
        let mut entry = RouteEntry::of(&destination);
        entry.gateway = Some("10.4.1.1".to_owned());
        entry.device = Some("c0".to_owned());
        entry.source = Some("10.4.1.2".to_owned());
        entry.mtu = Some(1500);
        assert_eq!(found(&entry), "10.4.3.2 via 10.4.1.1 dev c0 src 10.4.1.2, MTU 1500");
        entry.carrier = Some(false);
        entry.neighbour = Some("10.4.1.1".to_owned());
        entry.neighbour_state = Some(NeighbourState::Failed);
        assert!(found(&entry).ends_with(", MTU 1500, no carrier, neighbour 10.4.1.1 failed"));
    }
}
