//! Facts about this machine's own addresses.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use socket2::{Domain, Protocol, SockAddr, Socket, Type};

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
    fn a_documentation_address_is_not_ours() {
        assert!(!is_own(IpAddr::V4(Ipv4Addr::new(192, 0, 2, 1))));
    }
}
