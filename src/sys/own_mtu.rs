//! How large a packet our own side would send towards an address. Nothing is sent to find out.

use std::io;
use std::net::SocketAddr;
use std::os::fd::AsFd;

use netlink_bindings::rt_route::{OpGetrouteDo, Request, Rtmsg};
use netlink_bindings::traits::NetlinkRequest;

use crate::sys::errqueue::{self, Origin};
use crate::sys::netlink::Netlink;
use crate::sys::{socket, udp};

/// Limits of our own side, in bytes of whole IP packets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OwnMtu {
    /// The MTU of the device that the route leads to.
    pub device: u32,
    /// The MTU that was set on the route, when it is less than the device's.
    pub route: Option<u32>,
    /// A path MTU that the kernel learned from an ICMP error, when it is less than both.
    pub learned: Option<u32>,
}

impl OwnMtu {
    /// The largest packet that our side may send when it forgets what it learned.
    pub fn ceiling(&self) -> u32 {
        self.route.unwrap_or(self.device)
    }
}

/// Reads the limits of our own side towards an address.
///
/// # Errors
///
/// Returns the error of `connect` or `getsockopt`, for example `ENETUNREACH`.
pub fn towards(target: SocketAddr) -> io::Result<OwnMtu> {
    let socket = udp::open(target, None)?;
    let (level, option) = if target.is_ipv6() {
        (libc::IPPROTO_IPV6, libc::IPV6_MTU)
    } else {
        (libc::IPPROTO_IP, libc::IP_MTU)
    };
    let current = socket::int(socket.as_fd(), level, option)?;
    let current = u32::try_from(current).map_err(|_| io::ErrorKind::InvalidData)?;
    let device = device(target)?.unwrap_or(current).max(current);
    let route = of_route(target).filter(|mtu| *mtu < device);
    Ok(OwnMtu { device, route, learned: (current < route.unwrap_or(device)).then_some(current) })
}

/// Offers the kernel more than any device but loopback takes: it refuses and names the limit.
fn device(target: SocketAddr) -> io::Result<Option<u32>> {
    // A device that takes this much would send it; TTL 1 keeps such a packet on the link.
    const LARGEST: usize = 65_507;
    let socket = udp::open(target, Some(1))?;
    match socket.send(&vec![0; LARGEST]) {
        Ok(_) => Ok(None),
        Err(error) if error.raw_os_error() == Some(libc::EMSGSIZE) => {
            Ok(errqueue::drain(socket.as_fd())
                .iter()
                .find(|entry| entry.origin == Origin::Local && entry.info > 0)
                .map(|entry| entry.info))
        }
        Err(error) => Err(error),
    }
}

/// The MTU set on the route itself (`ip route … mtu`); what was learned is kept apart from it.
fn of_route(target: SocketAddr) -> Option<u32> {
    /// `linux/rtnetlink.h`: answer with the route of the table, not with what became of it.
    const RTM_F_FIB_MATCH: u32 = 0x2000;
    let (family, bits) = if target.is_ipv6() { (libc::AF_INET6, 128) } else { (libc::AF_INET, 32) };
    let header = Rtmsg {
        rtm_family: u8::try_from(family).ok()?,
        rtm_dst_len: bits,
        rtm_flags: RTM_F_FIB_MATCH,
        ..Rtmsg::default()
    };
    let mut request = Request::new().op_getroute_do(&header);
    {
        let attributes = request.encode().push_dst(target.ip());
        if let SocketAddr::V6(v6) = target
            && v6.scope_id() != 0
        {
            attributes.push_oif(v6.scope_id());
        }
    }
    let replies = Netlink::ask(&request).ok()?;
    let (_, bytes) = replies.messages.first()?;
    let (_, attributes) = OpGetrouteDo::decode_reply(bytes);
    attributes.get_metrics().ok()?.get_mtu().ok()
}
