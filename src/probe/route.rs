//! `route`: the kernel's own route decision for each address, its link and its next hop.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::model::outcome::Why;
use crate::probe::Probe;

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
    /// Waits up to this long, in milliseconds, for an unresolved next hop to settle; 0 looks once.
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
    /// Another errno.
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
    /// The state of that neighbour's entry.
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
    /// Its addresses with prefix length.
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
    /// How many interfaces besides loopback are up, with carrier and an address.
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

    async fn run(_args: RouteArgs) -> Result<RouteSeen, Why> {
        Err(Why::Unsupported { what: "route".to_owned() })
    }

    fn brief(seen: &RouteSeen) -> String {
        seen.best.address.clone()
    }
}
