//! `route`: the kernel's own route decision for each address, its link and its next hop.

mod culprit;
mod look;

use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use tokio::time::{Instant, MissedTickBehavior, interval, timeout_at};

use crate::model::outcome::Why;
use crate::probe::Probe;
use crate::sys::clock;
use crate::sys::rtnl::Rtnl;
use look::{Destination, Pending, best, look, neighbour_state};

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
    const LEADS: bool = true;
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
