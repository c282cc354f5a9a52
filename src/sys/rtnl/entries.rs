//! What rtnetlink tells, as plain data.

use std::net::IpAddr;

/// The kernel's route types (`RTN_*`, linux/rtnetlink.h).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RouteKind {
    /// An ordinary route.
    Unicast,
    /// An address of this machine.
    Local,
    /// A broadcast address.
    Broadcast,
    /// An anycast address.
    Anycast,
    /// A multicast address.
    Multicast,
    /// Packets vanish; local senders get EINVAL.
    Blackhole,
    /// Packets are answered with host unreachable; local senders get EHOSTUNREACH.
    Unreachable,
    /// Packets are answered with administratively prohibited; local senders get EACCES.
    Prohibit,
    /// This table has no route, the next rule decides.
    Throw,
    /// Any other type.
    Other(u8),
}

impl RouteKind {
    pub(super) fn from_number(number: u8) -> RouteKind {
        match number {
            1 => RouteKind::Unicast,
            2 => RouteKind::Local,
            3 => RouteKind::Broadcast,
            4 => RouteKind::Anycast,
            5 => RouteKind::Multicast,
            6 => RouteKind::Blackhole,
            7 => RouteKind::Unreachable,
            8 => RouteKind::Prohibit,
            9 => RouteKind::Throw,
            other => RouteKind::Other(other),
        }
    }

    /// Returns the word that iproute2 uses.
    pub fn name(self) -> &'static str {
        match self {
            RouteKind::Unicast => "unicast",
            RouteKind::Local => "local",
            RouteKind::Broadcast => "broadcast",
            RouteKind::Anycast => "anycast",
            RouteKind::Multicast => "multicast",
            RouteKind::Blackhole => "blackhole",
            RouteKind::Unreachable => "unreachable",
            RouteKind::Prohibit => "prohibit",
            RouteKind::Throw => "throw",
            RouteKind::Other(_) => "other",
        }
    }
}

/// What a route is looked up for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Flow {
    /// The destination.
    pub to: IpAddr,
    /// The source address, once it is chosen.
    pub from: Option<IpAddr>,
    /// The outgoing interface's number, when it is given (a zone).
    pub device: Option<u32>,
    /// The TCP destination port, for policy rules.
    pub port: Option<u16>,
}

/// The kernel's answer to a route lookup.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Decision {
    /// The route's type.
    pub kind: RouteKind,
    /// The outgoing interface's number.
    pub device: Option<u32>,
    /// The source address that would be used.
    pub source: Option<IpAddr>,
    /// The next hop; of the other family for routes by RFC 5549.
    pub gateway: Option<IpAddr>,
    /// The MTU of the route or of a path MTU exception, in bytes.
    pub mtu: Option<u32>,
    /// Whether that MTU was learned and will expire.
    pub mtu_learned: bool,
}

/// An entry of a routing table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TableRoute {
    /// Its type.
    pub kind: RouteKind,
    /// Its destination's first address; `None` for the default route.
    pub to: Option<IpAddr>,
    /// The length of its prefix.
    pub prefix: u8,
    /// Its table's number.
    pub table: u32,
    /// Its metric; smaller wins. 0 when it has none.
    pub metric: u32,
    /// Whether it is for packets with particular type-of-service bits, which ours do not have.
    pub tos: bool,
}

/// What a policy rule does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Action {
    /// Looks into a table.
    Table(u32),
    /// Goes on at another rule's priority.
    Goto(u32),
    /// Nothing.
    Nop,
    /// Discards with EINVAL.
    Blackhole,
    /// Refuses with EHOSTUNREACH.
    Unreachable,
    /// Refuses with EACCES.
    Prohibit,
    /// Anything else.
    Other(u8),
}

/// A policy rule.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rule {
    /// Its place in the order; smaller first.
    pub priority: u32,
    /// Which sources it is for.
    pub from: Option<(IpAddr, u8)>,
    /// Which destinations it is for.
    pub to: Option<(IpAddr, u8)>,
    /// Which firewall mark, and under which mask.
    pub mark: Option<(u32, u32)>,
    /// Which incoming interface.
    pub incoming: Option<String>,
    /// Which outgoing interface.
    pub outgoing: Option<String>,
    /// Which user ids, both ends included.
    pub uids: Option<(u32, u32)>,
    /// Which IP protocol.
    pub protocol: Option<u8>,
    /// Which source ports, both ends included.
    pub source_ports: Option<(u16, u16)>,
    /// Which destination ports, both ends included.
    pub ports: Option<(u16, u16)>,
    /// Whether it has a condition that is not decoded here (tos, l3mdev, tunnel id …).
    pub more: bool,
    /// Whether its conditions are inverted.
    pub not: bool,
    /// Routes of its table with a prefix no longer than this do not count.
    pub suppress_prefix: Option<u32>,
    /// What it does.
    pub action: Action,
}

/// An interface.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Link {
    /// Its number.
    pub index: u32,
    /// Its name.
    pub name: String,
    /// Administratively up (`IFF_UP`).
    pub up: bool,
    /// Has carrier (`IFF_LOWER_UP`).
    pub carrier: bool,
    /// The loopback (`IFF_LOOPBACK`).
    pub loopback: bool,
    /// Resolves no neighbours (`IFF_NOARP`).
    pub noarp: bool,
    /// The kernel's operstate word.
    pub operstate: &'static str,
    /// MTU in bytes.
    pub mtu: u32,
}

/// An address of an interface.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Address {
    /// The interface's number.
    pub device: u32,
    /// The address.
    pub address: IpAddr,
    /// The length of its prefix.
    pub prefix: u8,
}
