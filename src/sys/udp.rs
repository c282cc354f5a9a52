//! One UDP datagram with DF and what answers it, without privilege: data, an ICMP error with its
//! sender, an error of this machine, or silence.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::os::fd::{AsFd, BorrowedFd};
use std::time::{Duration, Instant};

use socket2::{Domain, Protocol, SockAddr, Socket, Type};
use tokio::io::Interest;

use crate::model::icmp::IcmpError;
use crate::sys::errqueue::{self, Origin};
use crate::sys::socket::{self, Watched};
use crate::sys::{clock, errno};

/// A datagram to send.
#[derive(Debug, Clone, Copy)]
pub struct Datagram {
    /// Where to; an IPv6 link-local address needs its scope id.
    pub target: SocketAddr,
    /// The TTL (hop limit) to send with; `None` = the system's.
    pub ttl: Option<u8>,
    /// The size of the whole IP packet in bytes, at least that of its headers. It is never
    /// fragmented here, and a path MTU that the kernel learned before is ignored
    /// (`IP_PMTUDISC_PROBE`).
    pub size: u32,
}

/// What answered a datagram.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum UdpAnswer {
    /// Data came back from the target, with this TTL (hop limit).
    Data(Option<u8>),
    /// An ICMP error came.
    Icmp(IcmpError),
    /// It is larger than our own device allows: so many bytes.
    TooBigHere(u32),
    /// This machine failed with that error number, before or instead of sending.
    LocalError(i32),
    /// Nothing came in the caller's time.
    Silent,
}

/// What became of a datagram.
#[derive(Debug, Clone, Copy)]
pub struct UdpReport {
    /// What answered.
    pub answer: UdpAnswer,
    /// The time from just before `send()` to the answer; `None` when silent or failed here.
    pub rtt: Option<Duration>,
}

impl UdpReport {
    /// The round-trip time in milliseconds, to the microsecond.
    pub fn rtt_ms(&self) -> Option<f64> {
        self.rtt.map(|rtt| clock::round_ms(rtt.as_secs_f64() * 1e3))
    }
}

/// Bytes of the IP and UDP headers.
pub fn headers(v6: bool) -> u32 {
    if v6 { 48 } else { 28 }
}

/// Sends a datagram and waits at most `patience` for what answers it.
pub async fn probe(datagram: &Datagram, patience: Duration) -> UdpReport {
    let mut flight = Flight::start(datagram);
    match tokio::time::timeout(patience, flight.answer()).await {
        Ok(report) => report,
        Err(_) => flight.report_now(),
    }
}

/// A datagram under way, on a socket and source port of its own.
#[derive(Debug)]
pub struct Flight {
    stage: Stage,
    sent: Instant,
}

#[derive(Debug)]
enum Stage {
    Over(UdpAnswer),
    Sent(Watched),
}

impl Flight {
    /// Sends the datagram; it returns at once. Has to be called inside a tokio runtime.
    pub fn start(datagram: &Datagram) -> Flight {
        let mut sent = clock::now();
        let stage = match open(datagram.target, datagram.ttl).and_then(Watched::new) {
            Err(error) => Stage::Over(UdpAnswer::LocalError(errno::of(&error))),
            Ok(watched) => {
                let headers = headers(datagram.target.is_ipv6());
                let payload = vec![0; datagram.size.saturating_sub(headers) as usize];
                sent = clock::now();
                match watched.socket().send(&payload) {
                    Ok(_) => Stage::Sent(watched),
                    Err(error) => Stage::Over(refused(&watched, errno::of(&error))),
                }
            }
        };
        Flight { stage, sent }
    }

    /// When the datagram was sent.
    pub fn sent(&self) -> Instant {
        self.sent
    }

    /// Waits, as long as it takes, for what answers; may be cancelled and called again.
    pub async fn answer(&mut self) -> UdpReport {
        let answer = match &self.stage {
            Stage::Over(answer) => Ok(*answer),
            Stage::Sent(watched) => match examine(watched.as_fd()) {
                Some(answer) => Ok(answer),
                None => {
                    watched
                        .when_ready(Interest::READABLE | Interest::ERROR, |socket| {
                            examine(socket.as_fd())
                        })
                        .await
                }
            },
        };
        match answer {
            Ok(answer) => self.report(answer),
            Err(error) => self.report(UdpAnswer::LocalError(errno::of(&error))),
        }
    }

    /// Reports without waiting: `Silent` when nothing has come so far.
    pub fn report_now(&self) -> UdpReport {
        self.report(match &self.stage {
            Stage::Over(answer) => *answer,
            Stage::Sent(watched) => examine(watched.as_fd()).unwrap_or(UdpAnswer::Silent),
        })
    }

    fn report(&self, answer: UdpAnswer) -> UdpReport {
        let came = matches!(answer, UdpAnswer::Data(_) | UdpAnswer::Icmp(_));
        UdpReport { answer, rtt: came.then(|| self.sent.elapsed()) }
    }
}

/// Opens a connected socket that queues ICMP errors and never fragments.
///
/// # Errors
///
/// Returns the error of a system call, for example `ENETUNREACH` of `connect`.
pub fn open(target: SocketAddr, ttl: Option<u8>) -> io::Result<Socket> {
    let v6 = target.is_ipv6();
    let socket =
        Socket::new(Domain::for_address(target), Type::DGRAM.nonblocking(), Some(Protocol::UDP))?;
    errqueue::enable(socket.as_fd(), v6)?;
    never_fragment(socket.as_fd(), v6)?;
    if let Some(ttl) = ttl {
        set_ttl(socket.as_fd(), v6, ttl)?;
    }
    socket.connect(&SockAddr::from(target))?;
    Ok(socket)
}

/// Sets DF, lets the kernel neither fragment nor obey a path MTU that it learned before.
///
/// # Errors
///
/// Returns the error of `setsockopt`.
pub fn never_fragment(fd: BorrowedFd<'_>, v6: bool) -> io::Result<()> {
    if v6 {
        socket::set_int(fd, libc::IPPROTO_IPV6, libc::IPV6_MTU_DISCOVER, libc::IPV6_PMTUDISC_PROBE)
    } else {
        socket::set_int(fd, libc::IPPROTO_IP, libc::IP_MTU_DISCOVER, libc::IP_PMTUDISC_PROBE)
    }
}

/// Sets the TTL (hop limit) of what a socket sends from now on.
///
/// # Errors
///
/// Returns the error of `setsockopt`.
pub fn set_ttl(fd: BorrowedFd<'_>, v6: bool, ttl: u8) -> io::Result<()> {
    let (level, option) = if v6 {
        (libc::IPPROTO_IPV6, libc::IPV6_UNICAST_HOPS)
    } else {
        (libc::IPPROTO_IP, libc::IP_TTL)
    };
    socket::set_int(fd, level, option, i32::from(ttl))
}

/// Sets the TTL (hop limit) back to the system's.
///
/// # Errors
///
/// Returns the error of `setsockopt`.
pub fn default_ttl(fd: BorrowedFd<'_>, v6: bool) -> io::Result<()> {
    if v6 {
        socket::set_int(fd, libc::IPPROTO_IPV6, libc::IPV6_UNICAST_HOPS, -1)
    } else {
        socket::set_int(fd, libc::IPPROTO_IP, libc::IP_TTL, -1)
    }
}

/// Why `send()` refused: the queue tells the limit of our own device.
fn refused(watched: &Watched, errno: i32) -> UdpAnswer {
    let queued = errqueue::drain(watched.as_fd());
    queued
        .iter()
        .find(|entry| entry.origin == Origin::Local && entry.errno == libc::EMSGSIZE)
        .map_or(UdpAnswer::LocalError(errno), |entry| UdpAnswer::TooBigHere(entry.info))
}

/// The source address of a connected socket.
pub fn local_ip(fd: BorrowedFd<'_>) -> Option<IpAddr> {
    let address = socket2::SockRef::from(&fd).local_addr().ok()?;
    Some(address.as_socket()?.ip())
}

/// Looks whether anything has answered yet.
fn examine(fd: BorrowedFd<'_>) -> Option<UdpAnswer> {
    // SO_ERROR before the queue: draining clears it.
    let errno = socket::take_error(fd);
    let own = local_ip(fd);
    if let Some(icmp) = errqueue::drain(fd).iter().find_map(|entry| entry.icmp(own)) {
        return Some(UdpAnswer::Icmp(icmp));
    }
    let mut buffer = [0; 64];
    match errqueue::receive(fd, &mut buffer, 0) {
        Ok(message) => Some(UdpAnswer::Data(message.ttl)),
        Err(error) if error.kind() == io::ErrorKind::WouldBlock => errno.map(UdpAnswer::LocalError),
        Err(error) => Some(UdpAnswer::LocalError(errno::of(&error))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::icmp::IcmpKind;
    use crate::sys::closed;

    fn runtime() -> tokio::runtime::Runtime {
        tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime")
    }

    #[test]
    fn a_closed_port_answers_port_unreachable_in_both_families() {
        for ip in closed::loopbacks() {
            let port = closed::udp(ip);
            let datagram = Datagram { target: port.address, ttl: Some(3), size: 300 };
            let report = runtime().block_on(probe(&datagram, Duration::from_secs(60)));
            let UdpAnswer::Icmp(icmp) = report.answer else {
                panic!("{ip}: {report:?}");
            };
            assert_eq!(icmp.kind, IcmpKind::PortUnreachable);
            assert_eq!(icmp.from, ip);
            assert!(report.rtt.is_some());
        }
    }

    #[test]
    fn an_answer_is_data() {
        let server = std::net::UdpSocket::bind("127.0.0.1:0").expect("bind");
        let target = server.local_addr().expect("an address");
        let datagram = Datagram { target, ttl: None, size: 40 };
        let report = runtime().block_on(async {
            let mut flight = Flight::start(&datagram);
            let mut buffer = [0; 64];
            let (length, from) = server.recv_from(&mut buffer).expect("the datagram");
            assert_eq!(length, 12);
            server.send_to(b"hello", from).expect("send");
            flight.answer().await
        });
        assert_eq!(report.answer, UdpAnswer::Data(Some(64)));
    }

    #[test]
    fn silence_is_silent() {
        let server = std::net::UdpSocket::bind("127.0.0.1:0").expect("bind");
        let datagram =
            Datagram { target: server.local_addr().expect("an address"), ttl: None, size: 40 };
        let report = runtime().block_on(probe(&datagram, Duration::from_millis(1)));
        assert_eq!(report.answer, UdpAnswer::Silent);
        assert_eq!(report.rtt, None);
    }
}
