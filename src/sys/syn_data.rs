//! A SYN that carries data, to learn whether a packet of that size passes (TCP Fast Open without a
//! cookie, RFC 7413; Linux 4.15): no privilege, no ICMP, no application data.
//!
//! The server ignores the data and answers the SYN. The kernel would then send the data once more,
//! to the application; so right after the SYN the socket's TTL is lowered to 1: what the kernel sends
//! from then on ends at the first router. Closing restores the TTL and sends a RST, so that the
//! handshake never completes at the server and its application sees no connection. Only a server on
//! the same link gets the data: line ends, which most protocols ignore.

use std::io;
use std::net::SocketAddr;
use std::os::fd::{AsFd, BorrowedFd};
use std::time::{Duration, Instant};

use socket2::{Domain, Protocol, SockAddr, Socket, Type};
use tokio::io::Interest;

use crate::model::icmp::{IcmpError, IcmpKind};
use crate::sys::socket::{self, Watched};
use crate::sys::{clock, errno, errqueue, tcp, udp};
use crate::wire::tcp_info::state;

/// The kernel leaves this much of a full segment free in a SYN with data (`MAX_TCP_OPTION_SPACE`).
const OPTION_SPACE: u32 = 40;
/// Options of a SYN by default: MSS, SACK permitted, time stamps, window scale.
const OPTIONS: u32 = 20;
const TCP_HEADER: u32 = 20;
/// Taken off `tcpi_snd_mss` where both sides do time stamps (RFC 7323).
const TIME_STAMPS: u32 = 12;

/// What became of a SYN with data.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SynDataAnswer {
    /// A SYN-ACK or RST came: it passed.
    Passed,
    /// A too-big error came; the kernel now believes in this path MTU in bytes.
    TooBig(u32),
    /// Another ICMP error came.
    Icmp(IcmpError),
    /// This machine failed with that error number.
    LocalError(i32),
    /// Nothing came in the caller's time.
    Silent,
}

/// What became of a SYN with data, and when.
#[derive(Debug, Clone, Copy)]
pub struct SynDataReport {
    /// What became of it.
    pub answer: SynDataAnswer,
    /// The largest IP packet in bytes that TCP would send on this connection, as the server's MSS and
    /// the kernel's path MTU allow; `None` unless the handshake completed. Up to 12 more than in
    /// fact where the server does without time stamps.
    pub segment: Option<u32>,
    /// The time to the answer.
    pub rtt: Option<Duration>,
}

/// The largest SYN with data is so many bytes short of the path MTU.
pub const SHORT_OF_FULL: u32 = OPTION_SPACE - OPTIONS;

/// The smallest and largest IP packet in bytes that can be asked about where the kernel believes in
/// this path MTU.
pub fn range(v6: bool, mtu: u32) -> (u32, u32) {
    let empty = ip_header(v6) + TCP_HEADER + OPTIONS;
    (empty + 1, mtu.saturating_sub(SHORT_OF_FULL).max(empty))
}

/// A SYN with data under way.
#[derive(Debug)]
pub struct Flight {
    watched: Watched,
    v6: bool,
    size: u32,
    mtu: u32,
    sent: Instant,
}

impl Flight {
    /// Sends a SYN in an IP packet of `size` bytes, where the kernel believes in a path MTU of `mtu`.
    /// It returns at once. Has to be called inside a tokio runtime.
    ///
    /// # Errors
    ///
    /// Returns the error of this machine; `EOPNOTSUPP` when TCP Fast Open is switched off.
    pub fn start(target: SocketAddr, size: u32, mtu: u32) -> io::Result<Flight> {
        let v6 = target.is_ipv6();
        let socket = Socket::new(
            Domain::for_address(target),
            Type::STREAM.nonblocking(),
            Some(Protocol::TCP),
        )?;
        let fd = socket.as_fd();
        errqueue::enable(fd, v6)?;
        socket.set_linger(Some(Duration::ZERO))?;
        socket::set_int(fd, libc::IPPROTO_TCP, libc::TCP_FASTOPEN_NO_COOKIE, 1)?;
        let headers = ip_header(v6) + TCP_HEADER + OPTIONS;
        let payload: Vec<u8> = b"\r\n"
            .iter()
            .copied()
            .cycle()
            .take(size.saturating_sub(headers).max(1) as usize)
            .collect();
        let sent = clock::now();
        let target = SockAddr::from(target);
        // Returns how much of the data went into the SYN.
        let inside = socket.send_to_with_flags(&payload, &target, libc::MSG_FASTOPEN)?;
        udp::set_ttl(fd, v6, 1)?;
        Ok(Flight {
            watched: Watched::new(socket)?,
            v6,
            size: headers + u32::try_from(inside).unwrap_or(u32::MAX - headers),
            mtu,
            sent,
        })
    }

    /// The size of the whole IP packet in bytes; less than asked for when the kernel keeps a smaller
    /// segment size for this server (`tcp_metrics`).
    pub fn size(&self) -> u32 {
        self.size
    }

    /// Waits at most `patience` for an answer. That has to be less than a second: then the kernel
    /// repeats the SYN without the data.
    pub async fn report(&self, patience: Duration) -> SynDataReport {
        let answer = match tokio::time::timeout(patience, self.answer()).await {
            Ok(Ok(answer)) => answer,
            Ok(Err(error)) => SynDataAnswer::LocalError(errno::of(&error)),
            Err(_) => self.examine(true).unwrap_or(SynDataAnswer::Silent),
        };
        SynDataReport {
            answer,
            segment: self.segment(),
            rtt: (answer != SynDataAnswer::Silent).then(|| self.sent.elapsed()),
        }
    }

    async fn answer(&self) -> io::Result<SynDataAnswer> {
        if let Some(answer) = self.examine(false) {
            return Ok(answer);
        }
        let both = Interest::READABLE | Interest::WRITABLE;
        self.watched.when_ready(both, |_| self.examine(false)).await
    }

    /// Looks whether anything has answered yet. After a too-big error the kernel repeats the SYN
    /// without data; that one ends at the first router for its TTL, so a path MTU that shrank tells
    /// more than the error then queued.
    fn examine(&self, last: bool) -> Option<SynDataAnswer> {
        let fd = self.fd();
        let errno = socket::take_error(fd);
        let icmp = errqueue::drain(fd).iter().find_map(|entry| entry.icmp(None));
        let info = tcp::info(fd)?;
        let shrunk = info.pmtu.filter(|pmtu| *pmtu < self.mtu);
        let over = info.state != Some(state::SYN_SENT) || icmp.is_some() || last;
        if let Some(pmtu) = shrunk.filter(|pmtu| over && *pmtu < self.size) {
            return Some(SynDataAnswer::TooBig(pmtu));
        }
        match info.state {
            Some(state::SYN_SENT) => {}
            Some(state::CLOSE) => {
                return Some(match (errno, icmp) {
                    (_, Some(icmp)) => SynDataAnswer::Icmp(icmp),
                    (Some(libc::ECONNREFUSED | libc::ECONNRESET) | None, None) => {
                        SynDataAnswer::Passed
                    }
                    (Some(errno), None) => SynDataAnswer::LocalError(errno),
                });
            }
            _ => return Some(SynDataAnswer::Passed),
        }
        match (icmp, errno) {
            (Some(icmp), _) if icmp.kind == IcmpKind::TooBig => None,
            (Some(icmp), _) => Some(SynDataAnswer::Icmp(icmp)),
            (None, Some(errno)) => Some(SynDataAnswer::LocalError(errno)),
            (None, None) => None,
        }
    }

    fn segment(&self) -> Option<u32> {
        let info = tcp::info(self.fd())?;
        let connected = matches!(info.state, Some(state::ESTABLISHED | state::CLOSE_WAIT));
        let mss = info.snd_mss.filter(|_| connected)?;
        Some(mss + TIME_STAMPS + TCP_HEADER + ip_header(self.v6))
    }

    fn fd(&self) -> BorrowedFd<'_> {
        self.watched.as_fd()
    }
}

impl Drop for Flight {
    fn drop(&mut self) {
        // The RST of the close that follows has to get there. It cannot fail on a live socket.
        let _ = udp::default_ttl(self.fd(), self.v6);
    }
}

fn ip_header(v6: bool) -> u32 {
    if v6 { 40 } else { 20 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_listener_on_this_machine_answers_and_sees_the_size() {
        let server = std::net::TcpListener::bind("127.0.0.1:0").expect("bind");
        let target = server.local_addr().expect("an address");
        let runtime =
            tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        runtime.block_on(async {
            match Flight::start(target, 900, 65_536) {
                Err(error) => assert_eq!(error.raw_os_error(), Some(libc::EOPNOTSUPP)),
                Ok(flight) => {
                    assert_eq!(flight.size(), 900);
                    let report = flight.report(Duration::from_secs(60)).await;
                    assert_eq!(report.answer, SynDataAnswer::Passed);
                    assert!(report.rtt.is_some() && report.segment.is_some());
                }
            }
        });
    }

    #[test]
    fn the_largest_syn_leaves_room_for_options() {
        assert_eq!(range(false, 1500), (61, 1480));
        assert_eq!(range(true, 1280), (81, 1260));
    }
}
