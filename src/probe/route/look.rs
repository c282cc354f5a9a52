//! Asks the kernel everything once: route, link, next hop, and who refuses.

use std::net::IpAddr;

use nix::errno::Errno;

use super::{Interface, NeighbourState, RouteEntry, RouteOutcome, RouteSeen, culprit, unsettled};
use crate::model::outcome::Why;
use crate::sys::caps;
use crate::sys::name_config::{scope_of, split_zone};
use crate::sys::netlink::NetlinkError;
use crate::sys::rtnl::{self, Address, Decision, Flow, Link, RouteKind, Rtnl};

/// An address to be looked up.
#[derive(Debug, Clone)]
pub(super) struct Destination {
    /// As it was given.
    text: String,
    address: IpAddr,
    zone: Option<String>,
}

impl Destination {
    pub(super) fn new(text: &str) -> Result<Destination, Why> {
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
pub(super) type Pending = (usize, u32, IpAddr);

/// Asks the kernel everything once.
pub(super) fn look(
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
pub(super) fn best(routes: &[RouteEntry]) -> Option<RouteEntry> {
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
            if entry.outcome != RouteOutcome::NoAddress {
                entry.culprit = culprit_of(rtnl, &flow);
            }
            // An unreachable rule, unlike such a route, answers ENETUNREACH (fib_rules).
            if entry.outcome == RouteOutcome::None && entry.culprit.is_some() {
                entry.outcome = RouteOutcome::Unreachable;
            }
            return Ok((entry, None));
        }
        Err(error) => return Err(error.why("look a route up", "")),
    };
    // A lookup that names a source does not repeat it. For want of an address IPv6 chooses ::1.
    let source = decision.source.or(flow.from);
    let link = links.iter().find(|link| Some(link.index) == decision.device);
    entry.outcome = match decision.kind {
        RouteKind::Local => RouteOutcome::Local,
        RouteKind::Blackhole => RouteOutcome::Blackhole,
        RouteKind::Prohibit => RouteOutcome::Prohibit,
        RouteKind::Unreachable => RouteOutcome::Unreachable,
        _ if source.is_none_or(|source| source.is_loopback() && !to.is_loopback()) => {
            RouteOutcome::NoAddress
        }
        _ => RouteOutcome::Found,
    };
    entry.kind = Some(decision.kind.name().to_owned());
    entry.source = source.map(|source| source.to_string());
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
    pub(super) fn of(destination: &Destination) -> RouteEntry {
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
pub(super) fn refusal(errno: Errno, to: IpAddr, addresses: &[Address]) -> RouteOutcome {
    let family_has_address = || addresses.iter().any(|own| own.address.is_ipv6() == to.is_ipv6());
    match errno {
        // IPv6 can be switched off as a whole.
        Errno::ENETUNREACH if to.is_ipv6() && !family_has_address() => RouteOutcome::NoAddress,
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

pub(super) fn neighbour_state(
    rtnl: &mut Rtnl,
    device: u32,
    address: IpAddr,
) -> Option<NeighbourState> {
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
}
