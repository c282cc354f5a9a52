//! Sends single SYNs and forgets about them.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use socket2::{Domain, Protocol, Socket, Type};

/// Sends up to `shots` SYNs, each from a socket of its own that is closed at once; returns how many
/// left the socket layer. Whether a firewall drops them later does not matter here.
pub fn send(target: SocketAddr, source: Option<IpAddr>, shots: u32) -> u32 {
    let sent = (0..shots).filter(|_| one(target, source).is_ok());
    u32::try_from(sent.count()).unwrap_or(u32::MAX)
}

fn one(target: SocketAddr, source: Option<IpAddr>) -> std::io::Result<()> {
    let socket = Socket::new(Domain::for_address(target), Type::STREAM, Some(Protocol::TCP))?;
    socket.set_nonblocking(true)?;
    // No FIN, no TIME_WAIT: an answer that still comes is reset.
    socket.set_linger(Some(Duration::ZERO))?;
    if let Some(source) = source {
        socket.bind(&SocketAddr::new(source, 0).into())?;
    }
    match socket.connect(&target.into()) {
        Ok(()) => Ok(()),
        Err(error) => match error.raw_os_error() {
            // A local reject comes back before the call returns.
            Some(libc::EINPROGRESS | libc::ECONNREFUSED) => Ok(()),
            _ => Err(error),
        },
    }
}
