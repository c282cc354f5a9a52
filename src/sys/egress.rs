//! Where a packet to an address would leave this machine, and from which local ports.
#![allow(clippy::disallowed_methods)]

use std::net::IpAddr;

use netlink_bindings::rt_route::{OpGetrouteDo, Request, Rtmsg};
use netlink_bindings::traits::NetlinkRequest;

use crate::sys::netlink::Netlink;
use crate::sys::rtnl::Rtnl;

/// The end of a route lookup.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Egress {
    /// The interface.
    pub device: String,
    /// The source address that the kernel would take.
    pub source: Option<IpAddr>,
}

/// Asks the kernel which way a packet to an address goes; `None` when there is none.
pub fn toward(address: IpAddr) -> Option<Egress> {
    let (family, bits) = match address {
        IpAddr::V4(_) => (libc::AF_INET, 32),
        IpAddr::V6(_) => (libc::AF_INET6, 128),
    };
    let header =
        Rtmsg { rtm_family: u8::try_from(family).ok()?, rtm_dst_len: bits, ..Rtmsg::default() };
    let mut request = Request::new().op_getroute_do(&header);
    request.encode().push_dst(address);
    let replies = Netlink::ask(&request).ok()?;
    let (_, bytes) = replies.messages.first()?;
    let (_, attributes) = OpGetrouteDo::decode_reply(bytes);
    let index = attributes.get_oif().ok()?;
    let name = nix::net::if_::if_indextoname(index).ok()?;
    Some(Egress {
        device: name.to_string_lossy().into_owned(),
        source: attributes.get_prefsrc().ok(),
    })
}

/// Lists the interfaces by which others may reach this machine, each with whether it is for IPv6: those
/// that are up and have an address that is not link-local. Empty when the kernel does not tell.
pub fn ways_in() -> Vec<(String, bool)> {
    let tables = Rtnl::open().ok().and_then(|mut rtnl| {
        let addresses = rtnl.addresses().ok()?;
        Some((rtnl.links().ok()?, addresses))
    });
    let Some((links, addresses)) = tables else {
        return Vec::new();
    };
    let mut ways = Vec::new();
    for link in links.iter().filter(|link| link.up && !link.loopback) {
        for v6 in [false, true] {
            let reached = addresses.iter().any(|entry| {
                entry.device == link.index
                    && match entry.address {
                        IpAddr::V4(_) => !v6,
                        IpAddr::V6(own) => v6 && !own.is_unicast_link_local(),
                    }
            });
            if reached {
                ways.push((link.name.clone(), v6));
            }
        }
    }
    ways
}

/// Lists the addresses by which others may reach this machine, on whatever interface: those that are
/// neither loopback nor link-local. Empty when the kernel does not tell.
pub fn own_addresses() -> Vec<IpAddr> {
    let listed = Rtnl::open().ok().and_then(|mut rtnl| rtnl.addresses().ok());
    let mut own: Vec<IpAddr> =
        listed.unwrap_or_default().into_iter().map(|entry| entry.address).collect();
    own.retain(|address| match address {
        IpAddr::V4(v4) => !v4.is_loopback() && !v4.is_link_local(),
        IpAddr::V6(v6) => !v6.is_loopback() && !v6.is_unicast_link_local(),
    });
    own.dedup();
    own
}

/// Returns an interface's index; `None` when there is none of that name.
pub fn device_index(name: &str) -> Option<u32> {
    nix::net::if_::if_nametoindex(name).ok()
}

/// Returns the range that local ports are chosen from (`net.ipv4.ip_local_port_range`, which holds
/// for IPv6 too); `None` when /proc does not tell.
pub fn local_ports() -> Option<(u16, u16)> {
    let text = std::fs::read_to_string("/proc/sys/net/ipv4/ip_local_port_range").ok()?;
    let mut numbers = text.split_whitespace().map(str::parse);
    match (numbers.next()?, numbers.next()?) {
        (Ok(low), Ok(high)) => Some((low, high)),
        _ => None,
    }
}
