//! `/proc/PID/net/tcp` and `tcp6`: the TCP sockets of any process' network namespace, readable
//! without privilege.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use crate::wire::inet_diag::State;

/// One socket, as a line tells it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Line {
    /// The local address and port; an IPv4-mapped address is told as IPv4.
    pub local: SocketAddr,
    /// The remote address and port.
    pub peer: SocketAddr,
    /// The state.
    pub state: State,
    /// Bytes that the peer has not acknowledged. For a listener 0: its limit is not told here.
    pub send_queue: u32,
    /// Bytes not read; for a listener the connections not accepted.
    pub receive_queue: u32,
    /// The owner's user id.
    pub uid: u32,
    /// The inode; 0 for a socket that no process holds.
    pub inode: u32,
}

impl Line {
    /// Reads one line; `None` for the heading and for what is no such line.
    pub fn parse(line: &str) -> Option<Line> {
        let mut words = line.split_ascii_whitespace();
        let _number = words.next()?;
        let local = address(words.next()?)?;
        let peer = address(words.next()?)?;
        let state = State::of(hex(words.next()?)?.try_into().ok()?)?;
        let (send, receive) = words.next()?.split_once(':')?;
        let (send_queue, receive_queue) = (hex(send)?, hex(receive)?);
        // The timer and the retransmits.
        let mut words = words.skip(2);
        let uid = words.next()?.parse().ok()?;
        let _timeout = words.next()?;
        let inode = words.next()?.parse().ok()?;
        Some(Line { local, peer, state, send_queue, receive_queue, uid, inode })
    }
}

/// Reads `0100007F:1F90`: words in this machine's byte order, the port as a number.
fn address(text: &str) -> Option<SocketAddr> {
    let (ip, port) = text.split_once(':')?;
    let port = u16::try_from(hex(port)?).ok()?;
    let ip = match ip.len() {
        8 => IpAddr::V4(Ipv4Addr::from(hex(ip)?.to_ne_bytes())),
        32 => {
            let mut bytes = [0; 16];
            for (nth, part) in bytes.chunks_exact_mut(4).enumerate() {
                part.copy_from_slice(&hex(ip.get(nth * 8..nth * 8 + 8)?)?.to_ne_bytes());
            }
            IpAddr::V6(Ipv6Addr::from(bytes)).to_canonical()
        }
        _ => return None,
    };
    Some(SocketAddr::new(ip, port))
}

fn hex(text: &str) -> Option<u32> {
    let plain = text.len() <= 8 && text.bytes().all(|byte| byte.is_ascii_hexdigit());
    plain.then(|| u32::from_str_radix(text, 16).ok())?
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_heading_is_no_socket() {
        let heading = "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode";
        assert_eq!(Line::parse(heading), None);
    }

    #[test]
    fn a_listener_of_ipv4_is_read() {
        let text = "   0: 0100007F:1F90 00000000:0000 0A 00000000:00000003 00:00000000 00000000  1000        0 23456 1 0000000000000000 100 0 0 10 0";
        let line = Line::parse(text).unwrap();
        assert_eq!(line.local.to_string(), "127.0.0.1:8080");
        assert_eq!((line.state, line.receive_queue), (State::Listen, 3));
        assert_eq!((line.uid, line.inode), (1000, 23456));
    }

    #[test]
    fn ipv6_words_are_in_machine_order_and_mapped_addresses_are_ipv4() {
        let text = "   1: B80D0120000000000000000001000000:0050 0000000000000000FFFF00000100007F:9C40 01 00000010:00000000 00:00000000 00000000     0        0 0 1";
        let line = Line::parse(text).unwrap();
        assert_eq!(line.local.to_string(), "[2001:db8::1]:80");
        assert_eq!(line.peer.to_string(), "127.0.0.1:40000");
        assert_eq!((line.send_queue, line.inode), (16, 0));
    }

    proptest! {
        #[test]
        fn any_text_parses(text in "\\PC*", words in "[0-9A-F: ]{0,200}") {
            let _ = (Line::parse(&text), Line::parse(&words));
        }
    }
}
