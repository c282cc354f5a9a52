//! The SSH connection that the terminal hangs on, as the kernel of this machine measures it.

use crate::sys::sock_diag::SockDiag;
use crate::wire::inet_diag::{Entry, Query, State, attribute};
use crate::wire::tcp_info::TcpInfo;

/// How an SSH connection fares.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct SshLine {
    /// The smoothed round trip in milliseconds; `None` where it was not measured yet.
    pub rtt_ms: Option<f64>,
    /// Bytes on their way to the terminal that have not been acknowledged.
    pub waiting: u32,
}

impl SshLine {
    /// Finds the connection that `SSH_CONNECTION` names (sshd(8): client address and port, server address
    /// and port); `None` where it is not one of this network namespace.
    pub fn named(connection: &str) -> Option<SshLine> {
        let words: Vec<&str> = connection.split_ascii_whitespace().collect();
        let [_, client, _, server] = words[..] else { return None };
        let query = Query {
            states: State::Established.bit(),
            local_port: Some(server.parse().ok()?),
            peer_port: Some(client.parse().ok()?),
            peer: None,
            detailed: true,
        };
        let mut found = None;
        let see = |found: &mut Option<SshLine>, entry: Entry<'_>| {
            let info = entry.attribute(attribute::INFO).map(TcpInfo::parse);
            let rtt_us = info.and_then(|info| info.rtt_us).filter(|rtt| *rtt > 0);
            *found = Some(SshLine {
                rtt_ms: rtt_us.map(|rtt| f64::from(rtt) / 1e3),
                waiting: entry.send_queue(),
            });
        };
        SockDiag::open().ok()?.fold(&query, || found.take(), see).ok()?
    }
}

#[cfg(test)]
mod tests {
    use std::net::{TcpListener, TcpStream};

    use super::*;

    #[test]
    fn a_connection_is_found_by_its_ports_and_measured() {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let client = TcpStream::connect(listener.local_addr().expect("bound")).expect("it listens");
        let (_server, _) = listener.accept().expect("a client");
        let (from, to) =
            (client.local_addr().expect("bound"), client.peer_addr().expect("connected"));
        let name = format!("127.0.0.1 {} 127.0.0.1 {}", from.port(), to.port());
        let line = SshLine::named(&name).expect("it is there");
        assert_eq!(line.waiting, 0);
        assert!(line.rtt_ms.is_some_and(|rtt| rtt < 1e3), "{line:?}");
        assert_eq!(SshLine::named("127.0.0.1 1 127.0.0.1 1"), None);
        for nonsense in ["", "x", "a b c d", "127.0.0.1 70000 127.0.0.1 22"] {
            assert_eq!(SshLine::named(nonsense), None, "{nonsense:?}");
        }
    }
}
