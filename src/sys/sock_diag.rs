//! Lists TCP sockets through `NETLINK_SOCK_DIAG`: all sockets of all users of this network
//! namespace, without privilege.

use nix::errno::Errno;

use crate::model::outcome::Why;
use crate::sys::netlink::{Netlink, NetlinkError};
use crate::wire::inet_diag::{Entry, Identity, Query, SOCK_DIAG_BY_FAMILY, TCPDIAG_GETSOCK};

const NLM_F_DUMP: u16 = 0x300;
/// How often both families are listed again because one list was torn.
const RETRIES: u32 = 4;
/// What messages call it.
const OPERATION: &str = "list TCP sockets (sock_diag)";

/// A socket for sock_diag, in the network namespace of the thread that opened it.
#[derive(Debug)]
pub struct SockDiag {
    netlink: Netlink,
}

impl SockDiag {
    /// Opens it.
    ///
    /// # Errors
    ///
    /// Returns `Unsupported` where netlink is hidden (a sandbox), else the errno.
    pub fn open() -> Result<SockDiag, Why> {
        Ok(SockDiag { netlink: Netlink::open(libc::NETLINK_SOCK_DIAG as u16).map_err(why)? })
    }

    /// Shows every socket that answers the query, of IPv4 and IPv6, to `each`, and keeps none: what
    /// it gathers is begun by `start`.
    ///
    /// A socket that comes or goes meanwhile may be missed or seen twice, as with every tool.
    ///
    /// # Errors
    ///
    /// Returns `Unsupported` where the kernel has no sock_diag for TCP.
    pub fn fold<T>(
        &mut self,
        query: &Query,
        mut start: impl FnMut() -> T,
        mut each: impl FnMut(&mut T, Entry<'_>),
    ) -> Result<T, Why> {
        let mut show = |gathered: &mut T, message: &[u8]| {
            if let Some(entry) = Entry::parse(message) {
                each(gathered, entry);
            }
        };
        let request = query.encode_both();
        let both = self.netlink.fold(
            TCPDIAG_GETSOCK,
            NLM_F_DUMP,
            &request,
            &mut start,
            |gathered, _, message| show(gathered, message),
        );
        match both {
            // A sandbox that knows the newer request only.
            Err(NetlinkError::Refused { .. }) => self.by_family(query, start, show),
            both => both.map_err(why),
        }
    }

    /// Asks for one family after the other.
    fn by_family<T>(
        &mut self,
        query: &Query,
        mut start: impl FnMut() -> T,
        mut show: impl FnMut(&mut T, &[u8]),
    ) -> Result<T, Why> {
        for _ in 0..RETRIES {
            let mut gathered = Some(start());
            for v6 in [false, true] {
                // `take` leaves nothing for a second try: a torn list begins both families anew.
                gathered = self
                    .netlink
                    .fold(
                        SOCK_DIAG_BY_FAMILY,
                        NLM_F_DUMP,
                        &query.encode(v6),
                        || gathered.take(),
                        |gathered, _, message| {
                            if let Some(gathered) = gathered.as_mut() {
                                show(gathered, message);
                            }
                        },
                    )
                    .map_err(why)?;
            }
            if let Some(gathered) = gathered {
                return Ok(gathered);
            }
        }
        Err(why(NetlinkError::Torn))
    }

    /// Reads one socket again, with its details; `None` when it is gone.
    ///
    /// # Errors
    ///
    /// As [`SockDiag::fold`].
    pub fn again<T>(
        &mut self,
        identity: &Identity,
        mut read: impl FnMut(Entry<'_>) -> T,
    ) -> Result<Option<T>, Why> {
        let answer = self.netlink.fold(
            SOCK_DIAG_BY_FAMILY,
            0,
            &identity.encode(),
            || None,
            |found, _, message| *found = Entry::parse(message).map(&mut read).or(found.take()),
        );
        match answer {
            // ESTALE: another socket has the same addresses now.
            Err(error) if matches!(error.errno(), Some(Errno::ENOENT | Errno::ESTALE)) => Ok(None),
            answer => answer.map_err(why),
        }
    }
}

fn why(error: NetlinkError) -> Why {
    match error.errno() {
        // The kernel refuses nobody; a sandbox does. ENOENT: the module tcp_diag is missing.
        Some(Errno::EPERM | Errno::EACCES | Errno::ENOENT) => {
            Why::Unsupported { what: format!("{OPERATION}: {error}") }
        }
        _ => error.why(OPERATION, ""),
    }
}

#[cfg(test)]
mod tests {
    use std::net::{IpAddr, SocketAddr, TcpListener, TcpStream};

    use socket2::{Domain, Socket, Type};

    use super::*;
    use crate::sys::closed;
    use crate::wire::inet_diag::State;

    fn listed(query: &Query) -> Vec<(State, SocketAddr, SocketAddr, Identity)> {
        let mut diag = SockDiag::open().unwrap();
        diag.fold(query, Vec::new, |all, entry| {
            all.push((entry.state().unwrap(), entry.local(), entry.peer(), entry.identity()));
        })
        .unwrap()
    }

    #[test]
    fn a_listener_is_listed_by_its_port_alone() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        // A socket that is bound and nothing else is not listed, whatever its port.
        let bound = closed::tcp(address.ip());
        let found = listed(&Query { local_port: Some(address.port()), ..Query::ALL });
        assert!(found.iter().all(|(_, local, ..)| local.port() == address.port()));
        assert!(listed(&Query::ALL).iter().all(|(_, local, ..)| *local != bound.address));
        // Another test may have the same port at another address.
        let own: Vec<_> = found.iter().filter(|(_, local, ..)| *local == address).collect();
        assert_eq!(own.len(), 1);
        assert_eq!(own[0].0, State::Listen);
    }

    #[test]
    fn the_kernel_chooses_by_state_port_and_peer() {
        let ip = closed::loopbacks().last().unwrap();
        let listener = TcpListener::bind((ip, 0)).unwrap();
        let address = listener.local_addr().unwrap();
        let client = TcpStream::connect(address).unwrap();
        let _server = listener.accept().unwrap();
        let query = Query {
            states: State::Established.bit(),
            peer_port: Some(address.port()),
            peer: Some(address.ip()),
            ..Query::ALL
        };
        let found = listed(&query);
        assert_eq!(found.len(), 1);
        assert_eq!(found[0].1, client.local_addr().unwrap());
        for other in ["192.0.2.1", "2001:db8::1"] {
            let elsewhere = Query { peer: other.parse().ok(), ..query };
            assert!(listed(&elsewhere).is_empty());
        }
    }

    #[test]
    fn one_walk_and_one_for_each_family_list_the_same() {
        let Some(ip) = closed::loopbacks().find(IpAddr::is_ipv6) else {
            return; // no IPv6 on this machine
        };
        // Another test may have the port at the other address.
        let (port, _v4, _v6) = loop {
            let v4 = TcpListener::bind("127.0.0.1:0").unwrap();
            let port = v4.local_addr().unwrap().port();
            if let Ok(v6) = TcpListener::bind((ip, port)) {
                break (port, v4, v6);
            }
        };
        let query = Query { local_port: Some(port), ..Query::ALL };
        let list = |all: &mut Vec<SocketAddr>, entry: Entry<'_>| all.push(entry.local());
        let mut diag = SockDiag::open().unwrap();
        let mut once = diag.fold(&query, Vec::new, list).unwrap();
        let mut twice = diag
            .by_family(&query, Vec::new, |all, message| list(all, Entry::parse(message).unwrap()))
            .unwrap();
        once.sort_unstable();
        twice.sort_unstable();
        assert_eq!((once.len(), &once), (2, &twice));
    }

    #[test]
    fn a_socket_that_is_bound_and_does_nothing_is_not_listed() {
        let idle = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
        let any: SocketAddr = "127.0.0.1:0".parse().unwrap();
        idle.bind(&any.into()).unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let found = listed(&Query { local_port: Some(address.port()), ..Query::ALL });
        assert!(found.iter().all(|one| one.1.port() == address.port()) && !found.is_empty());
    }

    #[test]
    fn one_socket_is_read_again_until_it_is_gone() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let local = listener.local_addr().unwrap();
        let found = listed(&Query { local_port: Some(port), ..Query::ALL });
        let own = &found.iter().find(|one| one.1 == local).unwrap().3;
        let mut diag = SockDiag::open().unwrap();
        let again = diag.again(own, |entry| entry.local().port()).unwrap();
        assert_eq!(again, Some(port));
        drop(listener);
        assert_eq!(diag.again(own, |entry| entry.inode()).unwrap(), None);
    }
}
