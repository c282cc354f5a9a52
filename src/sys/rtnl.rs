//! rtnetlink: the kernel's route decision, its tables and rules, links, addresses, neighbours.
//!
//! All of it works without privilege (kernel facts 11).

use std::net::IpAddr;

use netlink_bindings::traits::NetlinkRequest;
use netlink_bindings::{rt_addr, rt_link, rt_neigh, rt_route, rt_rule};
use nix::errno::Errno;

use crate::model::outcome::Why;
use crate::sys::netlink::{Netlink, NetlinkError};

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
    fn from_number(number: u8) -> RouteKind {
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

/// A socket for rtnetlink.
#[derive(Debug)]
pub struct Rtnl {
    socket: Netlink,
}

const UP: u32 = 0x1;
const LOOPBACK: u32 = 0x8;
const NOARP: u32 = 0x80;
const LOWER_UP: u32 = 0x1_0000;
/// `RTM_F_CLONED`: the route is a cache entry.
const CLONED: u32 = 0x200;
/// `RTA_VIA`: a next hop of another family.
const VIA: u16 = 18;
/// `FIB_RULE_INVERT`.
const INVERT: u32 = 0x2;
/// IPPROTO_TCP.
const TCP: u8 = 6;

impl Rtnl {
    /// Opens the socket.
    ///
    /// # Errors
    ///
    /// Returns `Unsupported` where rtnetlink is hidden (a sandbox), else the errno.
    pub fn open() -> Result<Rtnl, Why> {
        match Netlink::open(libc::NETLINK_ROUTE as u16) {
            Ok(socket) => Ok(Rtnl { socket }),
            Err(error) => Err(match error.errno() {
                Some(Errno::EPERM | Errno::EACCES) => {
                    Why::Unsupported { what: format!("rtnetlink: {error}") }
                }
                _ => error.why("open rtnetlink", ""),
            }),
        }
    }

    /// Asks the kernel for the route of a TCP connection.
    ///
    /// # Errors
    ///
    /// Returns the kernel's refusal, which is its answer: ENETUNREACH no route, EINVAL blackhole,
    /// EACCES prohibit, EHOSTUNREACH unreachable.
    pub fn route(&mut self, flow: &Flow) -> Result<Decision, NetlinkError> {
        let header = rt_route::Rtmsg {
            rtm_family: family_number(flow.to),
            rtm_dst_len: full_length(flow.to),
            rtm_src_len: flow.from.map_or(0, full_length),
            ..Default::default()
        };
        let mut request = rt_route::Request::new().op_getroute_do(&header);
        let mut attributes = request.encode().push_dst(flow.to).push_ip_proto(TCP);
        if let Some(from) = flow.from {
            attributes = attributes.push_src(from);
        }
        if let Some(device) = flow.device {
            attributes = attributes.push_oif(device);
        }
        if let Some(port) = flow.port {
            attributes = attributes.push_dport(port);
        }
        drop(attributes);
        let replies = self.socket.request(&request)?;
        let (_, bytes) = replies.messages.first().ok_or(NetlinkError::Malformed)?;
        let (header, attributes) = rt_route::OpGetrouteDo::decode_reply(bytes);
        let mtu = attributes
            .get_metrics()
            .ok()
            .and_then(|metrics| metrics.get_mtu().ok())
            .filter(|mtu| *mtu > 0);
        let expires = attributes.get_cacheinfo().is_ok_and(|cache| cache.rta_expires > 0);
        // Every IPv4 answer is marked as cloned; an IPv6 route may expire by itself (RFC 4861).
        let exception = expires && header.rtm_flags & CLONED != 0;
        Ok(Decision {
            kind: RouteKind::from_number(header.rtm_type),
            device: attributes.get_oif().ok(),
            source: attributes.get_prefsrc().ok(),
            gateway: attributes.get_gateway().ok().or_else(|| via(attributes.get_buf())),
            mtu,
            mtu_learned: mtu.is_some() && exception,
        })
    }

    /// Lists the routes of all tables of a family.
    ///
    /// # Errors
    ///
    /// Returns why the kernel gave no list.
    pub fn routes(&mut self, like: IpAddr) -> Result<Vec<TableRoute>, NetlinkError> {
        let header = rt_route::Rtmsg { rtm_family: family_number(like), ..Default::default() };
        let request = rt_route::Request::new().op_getroute_dump(&header);
        let replies = self.socket.request(&request)?;
        let routes = replies.messages.iter().filter_map(|(_, bytes)| {
            let (header, attributes) = rt_route::OpGetrouteDump::decode_reply(bytes);
            // Learned exceptions are listed too; they are no routes.
            (header.rtm_flags & CLONED == 0).then(|| TableRoute {
                kind: RouteKind::from_number(header.rtm_type),
                to: attributes.get_dst().ok(),
                prefix: header.rtm_dst_len,
                table: attributes.get_table().unwrap_or_else(|_| header.rtm_table.into()),
                metric: attributes.get_priority().unwrap_or(0),
                tos: header.rtm_tos != 0,
            })
        });
        Ok(routes.collect())
    }

    /// Lists the policy rules of a family, in the kernel's order.
    ///
    /// # Errors
    ///
    /// Returns why the kernel gave no list.
    pub fn rules(&mut self, like: IpAddr) -> Result<Vec<Rule>, NetlinkError> {
        let header = rt_rule::FibRuleHdr { family: family_number(like), ..Default::default() };
        let request = rt_rule::Request::new().op_getrule_dump(&header);
        let replies = self.socket.request(&request)?;
        let rules = replies.messages.iter().map(|(_, bytes)| {
            let (header, attributes) = rt_rule::OpGetruleDump::decode_reply(bytes);
            rule(&header, &attributes)
        });
        Ok(rules.collect())
    }

    /// Lists the interfaces.
    ///
    /// # Errors
    ///
    /// Returns why the kernel gave no list.
    pub fn links(&mut self) -> Result<Vec<Link>, NetlinkError> {
        let request = rt_link::Request::new().op_getlink_dump(&Default::default());
        let replies = self.socket.request(&request)?;
        let links = replies.messages.iter().filter_map(|(_, bytes)| {
            let (header, attributes) = rt_link::OpGetlinkDump::decode_reply(bytes);
            Some(Link {
                index: u32::try_from(header.ifi_index).ok()?,
                name: attributes.get_ifname().ok()?.to_string_lossy().into_owned(),
                up: header.ifi_flags & UP != 0,
                carrier: header.ifi_flags & LOWER_UP != 0,
                loopback: header.ifi_flags & LOOPBACK != 0,
                noarp: header.ifi_flags & NOARP != 0,
                operstate: operstate(attributes.get_operstate().unwrap_or(0)),
                mtu: attributes.get_mtu().ok()?,
            })
        });
        Ok(links.collect())
    }

    /// Lists the addresses of all interfaces.
    ///
    /// # Errors
    ///
    /// Returns why the kernel gave no list.
    pub fn addresses(&mut self) -> Result<Vec<Address>, NetlinkError> {
        let request = rt_addr::Request::new().op_getaddr_dump(&Default::default());
        let replies = self.socket.request(&request)?;
        let addresses = replies.messages.iter().filter_map(|(_, bytes)| {
            let (header, attributes) = rt_addr::OpGetaddrDump::decode_reply(bytes);
            Some(Address {
                device: header.ifa_index,
                // On point-to-point links IFA_ADDRESS is the peer's.
                address: attributes.get_local().or_else(|_| attributes.get_address()).ok()?,
                prefix: header.ifa_prefixlen,
            })
        });
        Ok(addresses.collect())
    }

    /// Returns the state (`NUD_*`) of a neighbour's entry; `None` when there is none.
    ///
    /// # Errors
    ///
    /// Returns why the kernel did not say.
    pub fn neighbour(&mut self, device: u32, address: IpAddr) -> Result<Option<u16>, NetlinkError> {
        let header = rt_neigh::Ndmsg {
            ndm_family: family_number(address),
            ndm_ifindex: i32::try_from(device).unwrap_or(0),
            ..Default::default()
        };
        let mut request = rt_neigh::Request::new().op_getneigh_do(&header);
        drop(request.encode().push_dst(address));
        match self.socket.request(&request) {
            Ok(replies) => {
                let (_, bytes) = replies.messages.first().ok_or(NetlinkError::Malformed)?;
                Ok(Some(rt_neigh::OpGetneighDo::decode_reply(bytes).0.ndm_state))
            }
            Err(NetlinkError::Refused { errno: Errno::ENOENT, .. }) => Ok(None),
            // Before Linux 5.0 there is only the list.
            Err(NetlinkError::Refused { errno: Errno::EOPNOTSUPP | Errno::EINVAL, .. }) => {
                self.neighbour_of_list(device, address)
            }
            Err(error) => Err(error),
        }
    }

    fn neighbour_of_list(
        &mut self,
        device: u32,
        address: IpAddr,
    ) -> Result<Option<u16>, NetlinkError> {
        let header = rt_neigh::Ndmsg { ndm_family: family_number(address), ..Default::default() };
        let replies = self.socket.request(&rt_neigh::Request::new().op_getneigh_dump(&header))?;
        Ok(replies.messages.iter().find_map(|(_, bytes)| {
            let (header, attributes) = rt_neigh::OpGetneighDump::decode_reply(bytes);
            let same = header.ndm_ifindex == i32::try_from(device).ok()?
                && attributes.get_dst().ok()? == address;
            same.then_some(header.ndm_state)
        }))
    }
}

/// Returns the MTU for IPv6 of an interface, which a router advertisement may have lowered.
#[allow(clippy::disallowed_methods)]
pub fn ipv6_mtu(device: &str) -> Option<u32> {
    let path = format!("/proc/sys/net/ipv6/conf/{device}/mtu");
    std::fs::read_to_string(path).ok()?.trim().parse().ok()
}

fn family_number(address: IpAddr) -> u8 {
    match address {
        IpAddr::V4(_) => libc::AF_INET as u8,
        IpAddr::V6(_) => libc::AF_INET6 as u8,
    }
}

fn full_length(address: IpAddr) -> u8 {
    match address {
        IpAddr::V4(_) => 32,
        IpAddr::V6(_) => 128,
    }
}

/// Finds a next hop of another family among the attributes (`struct rtvia`: family, address), which
/// the codec takes for a bare address.
fn via(mut rest: &[u8]) -> Option<IpAddr> {
    loop {
        let [l0, l1, t0, t1] = *rest.first_chunk()?;
        let length = usize::from(u16::from_ne_bytes([l0, l1]));
        let value = rest.get(4..length)?;
        if u16::from_ne_bytes([t0, t1]) == VIA {
            let address = value.get(2..)?;
            return <[u8; 4]>::try_from(address)
                .map(IpAddr::from)
                .or_else(|_| <[u8; 16]>::try_from(address).map(IpAddr::from))
                .ok();
        }
        rest = rest.get(length.next_multiple_of(4)..)?;
    }
}

fn rule(header: &rt_rule::FibRuleHdr, attributes: &rt_rule::IterableFibRuleAttrs<'_>) -> Rule {
    let name = |name: Result<&std::ffi::CStr, _>| {
        name.ok().map(|name: &std::ffi::CStr| name.to_string_lossy().into_owned())
    };
    let ports = |range: rt_rule::FibRulePortRange| (range.start, range.end);
    let table = attributes.get_table().unwrap_or_else(|_| header.table.into());
    Rule {
        priority: attributes.get_priority().unwrap_or(0),
        from: attributes.get_src().ok().map(|address| (address, header.src_len)),
        to: attributes.get_dst().ok().map(|address| (address, header.dst_len)),
        mark: attributes
            .get_fwmark()
            .ok()
            .map(|mark| (mark, attributes.get_fwmask().unwrap_or(u32::MAX)))
            .filter(|(_, mask)| *mask != 0),
        incoming: name(attributes.get_iifname().map_err(drop)),
        outgoing: name(attributes.get_oifname().map_err(drop)),
        uids: attributes
            .get_uid_range()
            .ok()
            .map(|range| (range.start, range.end))
            .filter(|range| *range != (0, u32::MAX)),
        protocol: attributes.get_ip_proto().ok().filter(|number| *number != 0),
        source_ports: attributes.get_sport_range().ok().map(ports),
        ports: attributes.get_dport_range().ok().map(ports),
        more: header.tos != 0
            || attributes.get_l3mdev().is_ok_and(|on| on != 0)
            || attributes.get_dscp().is_ok()
            || attributes.get_flowlabel().is_ok()
            || attributes.get_tun_id().is_ok_and(|id| id != 0),
        not: header.flags & INVERT != 0,
        // All ones means that the rule suppresses nothing.
        suppress_prefix: attributes
            .get_suppress_prefixlen()
            .ok()
            .filter(|length| *length != u32::MAX),
        action: match header.action {
            1 => Action::Table(table),
            2 => Action::Goto(attributes.get_goto().unwrap_or(0)),
            3 => Action::Nop,
            6 => Action::Blackhole,
            7 => Action::Unreachable,
            8 => Action::Prohibit,
            other => Action::Other(other),
        },
    }
}

/// Words a number of `IF_OPER_*` as /sys/class/net does (RFC 2863 3.1.14).
fn operstate(number: u8) -> &'static str {
    match number {
        1 => "notpresent",
        2 => "down",
        3 => "lowerlayerdown",
        4 => "testing",
        5 => "dormant",
        6 => "up",
        _ => "unknown",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn loopback_is_a_local_route_of_a_link_with_an_address() {
        let mut rtnl = Rtnl::open().unwrap();
        let to = IpAddr::from([127, 0, 0, 1]);
        let flow = Flow { to, from: None, device: None, port: Some(80) };
        let decision = rtnl.route(&flow).unwrap();
        assert_eq!((decision.kind, decision.source), (RouteKind::Local, Some(to)));
        let links = rtnl.links().unwrap();
        let lo = links.iter().find(|link| Some(link.index) == decision.device).unwrap();
        assert!(lo.loopback && lo.up && lo.carrier, "{lo:?}");
        let addresses = rtnl.addresses().unwrap();
        assert!(addresses.iter().any(|own| own.address == to && own.device == lo.index));
        assert_eq!(rtnl.neighbour(lo.index, IpAddr::from([127, 9, 9, 9])).unwrap(), None);
    }

    #[test]
    fn the_rules_of_both_families_are_read_in_order() {
        let mut rtnl = Rtnl::open().unwrap();
        let rules = rtnl.rules(IpAddr::from([0, 0, 0, 0])).unwrap();
        assert!(rules.is_sorted_by_key(|rule| rule.priority), "{rules:?}");
        // Tables 255 and 254 are local and main (rt_tables).
        assert!(rules.iter().any(|rule| rule.action == Action::Table(254)), "{rules:?}");
        let routes = rtnl.routes(IpAddr::from([0, 0, 0, 0])).unwrap();
        assert!(routes.iter().any(|route| route.kind == RouteKind::Local && route.table == 255));
    }

    #[test]
    fn a_next_hop_of_the_other_family_is_found_and_hostile_attributes_are_not() {
        let address = "fe80::1".parse::<std::net::Ipv6Addr>().unwrap();
        let mut bytes = vec![8, 0, 4, 0, 1, 0, 0, 0, 22, 0, 18, 0, 10, 0];
        bytes.extend(address.octets());
        assert_eq!(via(&bytes), Some(IpAddr::V6(address)));
        for cut in 0..bytes.len() {
            assert_eq!(via(&bytes[..cut]), None);
        }
        assert_eq!(via(&[0, 0, 18, 0]), None);
        assert_eq!(via(&[3, 0, 1, 0, 0, 0]), None);
    }
}
