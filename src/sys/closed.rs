//! For tests: ports on which nobody listens, and which no test beside gets meanwhile.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use socket2::{Domain, Protocol, Socket, Type};

/// Loopback of each family that this machine has.
pub(crate) fn loopbacks() -> impl Iterator<Item = IpAddr> {
    let has = |ip: &IpAddr| std::net::UdpSocket::bind((*ip, 0)).is_ok();
    [IpAddr::V4(Ipv4Addr::LOCALHOST), IpAddr::V6(Ipv6Addr::LOCALHOST)].into_iter().filter(has)
}

/// A closed port, as long as this is held.
pub(crate) struct Closed {
    pub(crate) address: SocketAddr,
    socket: Socket,
}

/// A TCP port that refuses: bound, and not listening.
pub(crate) fn tcp(ip: IpAddr) -> Closed {
    bound(ip, Type::STREAM, Protocol::TCP)
}

/// A UDP port that is unreachable: bound, and connected to itself, which takes no other's datagrams.
pub(crate) fn udp(ip: IpAddr) -> Closed {
    let closed = bound(ip, Type::DGRAM, Protocol::UDP);
    closed.socket.connect(&closed.address.into()).expect("an own address");
    closed
}

fn bound(ip: IpAddr, kind: Type, protocol: Protocol) -> Closed {
    let any = SocketAddr::new(ip, 0);
    let socket = Socket::new(Domain::for_address(any), kind, Some(protocol)).expect("a socket");
    socket.bind(&any.into()).expect("a free port");
    let address = socket.local_addr().expect("it is bound").as_socket().expect("an IP address");
    Closed { address, socket }
}
