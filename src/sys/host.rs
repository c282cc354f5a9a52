//! Facts about this machine's own addresses.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV6};

use socket2::{Domain, Protocol, SockAddr, Socket, Type};

/// Reads an address as text, with the zone of an IPv6 link-local one as a device name or number
/// (`fe80::1%eth0`, RFC 4007), and adds the port. `None` when it is no address or names no device.
pub fn socket_address(text: &str, port: u16) -> Option<SocketAddr> {
    let Some((address, zone)) = text.split_once('%') else {
        return Some(SocketAddr::new(text.parse().ok()?, port));
    };
    let address: Ipv6Addr = address.parse().ok()?;
    let scope = match zone.parse() {
        Ok(number) => number,
        Err(_) => nix::net::if_::if_nametoindex(zone).ok()?,
    };
    Some(SocketAddrV6::new(address, port, 0, scope).into())
}

/// Returns whether the kernel would deliver packets for this address to this machine itself.
///
/// A UDP socket is connected to it, which sends nothing: for a local destination, and only then,
/// the kernel chooses the destination as its source. This also covers `127.0.0.2` and `local`
/// routes, which no interface lists. `false` when it cannot be found out.
pub fn is_own(address: IpAddr) -> bool {
    if address.is_loopback() {
        return true;
    }
    source_towards(SocketAddr::new(address, 9)) == Some(address)
}

/// Returns the source address that the kernel would choose towards this destination; sends nothing.
pub fn source_towards(destination: SocketAddr) -> Option<IpAddr> {
    let domain = Domain::for_address(destination);
    let socket = Socket::new(domain, Type::DGRAM, Some(Protocol::UDP)).ok()?;
    socket.connect(&SockAddr::from(destination)).ok()?;
    let source = socket.local_addr().ok()?.as_socket()?.ip();
    let unspecified =
        source == IpAddr::V4(Ipv4Addr::UNSPECIFIED) || source == IpAddr::V6(Ipv6Addr::UNSPECIFIED);
    (!unspecified).then_some(source)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn loopback_addresses_are_our_own() {
        assert!(is_own(IpAddr::V4(Ipv4Addr::LOCALHOST)));
        assert!(is_own(IpAddr::V4(Ipv4Addr::new(127, 0, 0, 2))));
        assert!(is_own(IpAddr::V6(Ipv6Addr::LOCALHOST)));
    }

    #[test]
    fn a_zone_is_a_device_of_this_machine() {
        let target = socket_address("fe80::1%lo", 80).expect("an address");
        assert!(matches!(target, SocketAddr::V6(v6) if v6.scope_id() == 1));
        assert_eq!(socket_address("fe80::1%no-such-dev", 80), None);
        assert_eq!(socket_address("10.0.0.1%lo", 80), None);
        assert_eq!(socket_address("example", 80), None);
    }

    #[test]
    fn a_documentation_address_is_not_ours() {
        assert!(!is_own(IpAddr::V4(Ipv4Addr::new(192, 0, 2, 1))));
    }
}
