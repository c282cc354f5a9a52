//! One SYN and what answers it, without privilege: SYN-ACK, RST, ICMP error with its sender, an
//! error of this machine, or silence.

use std::io;
use std::net::SocketAddr;
use std::os::fd::{AsFd, BorrowedFd};
use std::time::{Duration, Instant};

use socket2::{Domain, Protocol, SockAddr, Socket, Type};
use tokio::io::Interest;

use crate::model::icmp::{IcmpError, IcmpKind};
use crate::sys::errqueue::{self, Origin};
use crate::sys::socket::{self, Watched};
use crate::sys::{clock, errno};
use crate::wire::tcp_info::{TcpInfo, state};

/// A SYN to send.
#[derive(Debug, Clone)]
pub struct Syn {
    /// Where to; an IPv6 link-local address needs its scope id.
    pub target: SocketAddr,
    /// The TTL (hop limit) to send with; `None` = the system's.
    pub ttl: Option<u8>,
    /// The smallest TTL that an answer may arrive with (`IP_MINTTL`, `IPV6_MINHOPCOUNT`): the
    /// kernel drops others, and ICMP errors are compared by the TTL of the quoted packet.
    pub min_ttl: Option<u8>,
    /// The source address and port; an unspecified address or port 0 leaves the choice to the
    /// kernel.
    pub source: Option<SocketAddr>,
    /// The device to send through (`SO_BINDTODEVICE`).
    pub device: Option<String>,
    /// Data to send inside the SYN (TCP Fast Open without a cookie, RFC 7413); the kernel repeats
    /// the SYN without it after 1 s.
    pub payload: Option<Vec<u8>>,
    /// The segment size to advertise at most (`TCP_MAXSEG`), in bytes.
    pub max_segment: Option<u16>,
    /// Keeps the IPv6 flow label equal from socket to socket (`IPV6_AUTOFLOWLABEL` off), so that
    /// routers choose the same path for the same ports.
    pub steady_flow_label: bool,
}

impl Syn {
    /// A plain SYN to this address.
    pub fn to(target: SocketAddr) -> Syn {
        Syn {
            target,
            ttl: None,
            min_ttl: None,
            source: None,
            device: None,
            payload: None,
            max_segment: None,
            steady_flow_label: false,
        }
    }
}

/// What answered a SYN.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SynAnswer {
    /// The handshake completed.
    SynAck,
    /// A RST came.
    Rst,
    /// An ICMP error came.
    Icmp(IcmpError),
    /// This machine failed with that error number, before or instead of sending.
    LocalError(i32),
    /// Nothing came in the caller's time.
    Silent,
}

/// What became of a SYN.
#[derive(Debug, Clone)]
pub struct SynReport {
    /// What answered.
    pub answer: SynAnswer,
    /// The error number of the failure: of the kernel for an ICMP error or RST, of the system call
    /// for a local error; ECONNRESET or EPIPE when it was open and closed again at once. `None` when open
    /// or silent.
    pub errno: Option<i32>,
    /// When the SYN was sent: just before `connect()`.
    pub sent: Instant,
    /// The time from `connect()` to the answer; `None` when silent or failed on this machine.
    pub rtt: Option<Duration>,
    /// The source address and port that were used.
    pub source: Option<SocketAddr>,
    /// `TCP_INFO` at that moment.
    pub info: Option<TcpInfo>,
}

impl SynReport {
    /// The round-trip time in milliseconds, to the microsecond.
    pub fn rtt_ms(&self) -> Option<f64> {
        self.rtt.map(|rtt| clock::round_ms(rtt.as_secs_f64() * 1e3))
    }

    /// Whether the kernel had to repeat the SYN.
    pub fn retransmitted(&self) -> bool {
        self.info.and_then(|info| info.total_retrans).is_some_and(|times| times > 0)
    }
}

/// Sends a SYN and waits at most `patience` for what answers it.
///
/// Dropping the future closes the socket; an open connection is closed by a RST, so nothing lingers.
pub async fn probe(syn: &Syn, patience: Duration) -> SynReport {
    let mut attempt = Attempt::start(syn);
    match tokio::time::timeout(patience, attempt.answer()).await {
        Ok(report) => report,
        Err(_) => attempt.report_now(),
    }
}

/// A SYN under way.
///
/// Unless it is taken over by [`Attempt::into_socket`], closing it sends a RST (`SO_LINGER` 0): no
/// TIME_WAIT and no session stay behind.
#[derive(Debug)]
pub struct Attempt {
    stage: Stage,
    sent: Instant,
    target: SocketAddr,
}

#[derive(Debug)]
enum Stage {
    Failed(i32),
    Sent(Watched),
}

impl Attempt {
    /// Sends the SYN; it returns at once. Has to be called inside a tokio runtime.
    ///
    /// Failures (`EMFILE`, `EADDRNOTAVAIL`, `ENETUNREACH` …) are kept for the report.
    pub fn start(syn: &Syn) -> Attempt {
        let mut sent = clock::now();
        let stage = match open(syn).and_then(|socket| {
            sent = clock::now();
            connect(&socket, syn)?;
            Watched::new(socket)
        }) {
            Ok(watched) => Stage::Sent(watched),
            Err(error) => Stage::Failed(errno::of(&error)),
        };
        Attempt { stage, sent, target: syn.target }
    }

    /// Whether this machine failed before or instead of sending.
    pub fn failed(&self) -> bool {
        matches!(self.stage, Stage::Failed(_))
    }

    /// When the SYN was sent.
    pub fn sent(&self) -> Instant {
        self.sent
    }

    /// Waits, as long as it takes, for what answers; may be cancelled and called again.
    pub async fn answer(&mut self) -> SynReport {
        let outcome = match &self.stage {
            Stage::Failed(errno) => Err(*errno),
            Stage::Sent(watched) => match examine(watched.as_fd(), self.target) {
                Some(found) => Ok(found),
                None => watched
                    .when_ready(Interest::READABLE | Interest::WRITABLE, |socket| {
                        examine(socket.as_fd(), self.target)
                    })
                    .await
                    .map_err(|error| errno::of(&error)),
            },
        };
        match outcome {
            Ok(found) => self.report(found.0, found.1),
            Err(errno) => self.report(SynAnswer::LocalError(errno), Some(errno)),
        }
    }

    /// Reports without waiting: `Silent` when nothing has come so far.
    pub fn report_now(&self) -> SynReport {
        let (answer, errno) = match &self.stage {
            Stage::Failed(errno) => (SynAnswer::LocalError(*errno), Some(*errno)),
            Stage::Sent(watched) => {
                examine(watched.as_fd(), self.target).unwrap_or((SynAnswer::Silent, None))
            }
        };
        self.report(answer, errno)
    }

    /// `TCP_INFO` at this moment.
    pub fn info(&self) -> Option<TcpInfo> {
        match &self.stage {
            Stage::Failed(_) => None,
            Stage::Sent(watched) => info(watched.as_fd()),
        }
    }

    /// The socket; `None` when this machine failed to send.
    pub fn socket(&self) -> Option<&Watched> {
        match &self.stage {
            Stage::Failed(_) => None,
            Stage::Sent(watched) => Some(watched),
        }
    }

    /// Takes the socket over, with lingering switched off again: closing it is then an ordinary
    /// close. `None` when this machine failed to send.
    pub fn into_socket(self) -> Option<Watched> {
        match self.stage {
            Stage::Failed(_) => None,
            Stage::Sent(watched) => {
                // It can only fail on a closed descriptor.
                let _ = watched.socket().set_linger(None);
                Some(watched)
            }
        }
    }

    fn report(&self, answer: SynAnswer, errno: Option<i32>) -> SynReport {
        let rtt = match answer {
            SynAnswer::SynAck | SynAnswer::Rst | SynAnswer::Icmp(_) => Some(self.sent.elapsed()),
            SynAnswer::LocalError(_) | SynAnswer::Silent => None,
        };
        let (source, info) = match &self.stage {
            Stage::Failed(_) => (None, None),
            Stage::Sent(watched) => (source(watched.as_fd()), info(watched.as_fd())),
        };
        SynReport { answer, errno, sent: self.sent, rtt, source, info }
    }
}

/// Reads `TCP_INFO`, as much of it as this kernel has.
pub fn info(fd: BorrowedFd<'_>) -> Option<TcpInfo> {
    let mut buffer = [0; 512];
    let length = socket::bytes(fd, libc::IPPROTO_TCP, libc::TCP_INFO, &mut buffer).ok()?;
    Some(TcpInfo::parse(&buffer[..length]))
}

fn open(syn: &Syn) -> io::Result<Socket> {
    let v6 = syn.target.is_ipv6();
    let socket = Socket::new(
        Domain::for_address(syn.target),
        Type::STREAM.nonblocking(),
        Some(Protocol::TCP),
    )?;
    let fd = socket.as_fd();
    errqueue::enable(fd, v6)?;
    socket.set_linger(Some(Duration::ZERO))?;
    let (level, ttl, min_ttl) = if v6 {
        (libc::IPPROTO_IPV6, libc::IPV6_UNICAST_HOPS, IPV6_MINHOPCOUNT)
    } else {
        (libc::IPPROTO_IP, libc::IP_TTL, libc::IP_MINTTL)
    };
    if let Some(value) = syn.ttl {
        socket::set_int(fd, level, ttl, i32::from(value))?;
    }
    if let Some(value) = syn.min_ttl {
        socket::set_int(fd, level, min_ttl, i32::from(value))?;
    }
    if v6 && syn.steady_flow_label {
        socket::set_int(fd, level, IPV6_AUTOFLOWLABEL, 0)?;
    }
    if let Some(size) = syn.max_segment {
        socket::set_int(fd, libc::IPPROTO_TCP, libc::TCP_MAXSEG, i32::from(size))?;
    }
    if let Some(device) = &syn.device {
        socket.bind_device(Some(device.as_bytes()))?;
    }
    if let Some(source) = syn.source {
        if source.port() == 0 {
            // Leaves the port to connect(), which may share it between destinations.
            socket::set_int(fd, libc::IPPROTO_IP, libc::IP_BIND_ADDRESS_NO_PORT, 1)?;
        } else {
            socket.set_reuse_address(true)?;
        }
        socket.bind(&SockAddr::from(source))?;
    }
    Ok(socket)
}

fn connect(socket: &Socket, syn: &Syn) -> io::Result<()> {
    let target = SockAddr::from(syn.target);
    let result = match &syn.payload {
        None => socket.connect(&target),
        Some(payload) => {
            socket::set_int(socket.as_fd(), libc::IPPROTO_TCP, libc::TCP_FASTOPEN_NO_COOKIE, 1)?;
            socket.send_to_with_flags(payload, &target, libc::MSG_FASTOPEN).map(drop)
        }
    };
    match result {
        Err(error) if error.raw_os_error() != Some(libc::EINPROGRESS) => Err(error),
        _ => Ok(()),
    }
}

/// Looks whether anything has answered yet.
fn examine(fd: BorrowedFd<'_>, target: SocketAddr) -> Option<(SynAnswer, Option<i32>)> {
    // SO_ERROR before the queue: draining clears it.
    let errno = socket::take_error(fd);
    let own = source(fd).map(|source| source.ip());
    let mut local = None;
    for entry in errqueue::drain(fd) {
        match entry.icmp(own) {
            // The kernel repeats the SYN by itself after a too-big error.
            Some(icmp) if icmp.kind == IcmpKind::TooBig => {}
            Some(icmp) => return Some((SynAnswer::Icmp(icmp), Some(entry.errno))),
            None if entry.origin == Origin::Local => local = Some(entry.errno),
            None => {}
        }
    }
    if let Some(number) = errno {
        return Some(ended_by(number));
    }
    let state = info(fd)?.state?;
    match (state, local) {
        (state::SYN_SENT, None) => None,
        (state::SYN_SENT | state::CLOSE, Some(number)) => {
            Some((SynAnswer::LocalError(number), local))
        }
        // It ended since the error was looked for; without one now, somebody else read it first, which
        // is not expected, and a RST fits.
        (state::CLOSE, None) => {
            Some(ended_by(socket::take_error(fd).unwrap_or(libc::ECONNREFUSED)))
        }
        // The kernel can connect a socket to itself (simultaneous open) when source and target
        // port meet on one address; nobody answered then.
        _ if itself(fd, target) => Some((SynAnswer::Rst, Some(libc::ECONNREFUSED))),
        _ => Some((SynAnswer::SynAck, None)),
    }
}

/// What an error of the socket says about the SYN.
fn ended_by(errno: i32) -> (SynAnswer, Option<i32>) {
    match errno {
        libc::ECONNREFUSED => (SynAnswer::Rst, Some(errno)),
        // Reset (EPIPE: after its FIN) only once the connection was established.
        libc::ECONNRESET | libc::EPIPE => (SynAnswer::SynAck, Some(errno)),
        libc::ETIMEDOUT => (SynAnswer::Silent, None),
        number => (SynAnswer::LocalError(number), Some(number)),
    }
}

fn source(fd: BorrowedFd<'_>) -> Option<SocketAddr> {
    socket2::SockRef::from(&fd).local_addr().ok()?.as_socket()
}

fn itself(fd: BorrowedFd<'_>, target: SocketAddr) -> bool {
    source(fd).is_some_and(|own| own.port() == target.port() && own.ip() == target.ip())
}

/// `linux/in6.h`; absent from the libc crate on some targets.
const IPV6_MINHOPCOUNT: i32 = 73;
/// `linux/in6.h`.
const IPV6_AUTOFLOWLABEL: i32 = 70;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sys::closed::{self, Closed};
    use std::io::Read;
    use std::net::{Ipv4Addr, TcpListener};

    const PATIENCE: Duration = Duration::from_secs(60);

    fn refusing() -> Closed {
        closed::tcp(Ipv4Addr::LOCALHOST.into())
    }

    #[tokio::test]
    async fn a_listener_answers_with_a_syn_ack() {
        for ip in closed::loopbacks() {
            let listener = TcpListener::bind((ip, 0)).expect("bind");
            let target = listener.local_addr().expect("address");
            let report = probe(&Syn::to(target), PATIENCE).await;
            assert_eq!(report.answer, SynAnswer::SynAck);
            assert!(report.rtt.is_some());
            assert!(!report.retransmitted());
            assert_eq!(report.source.map(|s| s.ip()), Some(target.ip()));
        }
    }

    #[tokio::test]
    async fn a_closed_port_answers_with_a_rst() {
        for ip in closed::loopbacks() {
            let port = closed::tcp(ip);
            let report = probe(&Syn::to(port.address), PATIENCE).await;
            assert_eq!(report.answer, SynAnswer::Rst);
            assert_eq!(report.errno, Some(libc::ECONNREFUSED));
        }
    }

    #[tokio::test]
    async fn dropping_an_open_attempt_resets_the_connection() {
        let listener = TcpListener::bind("127.0.0.1:0").expect("bind");
        let report = probe(&Syn::to(listener.local_addr().expect("address")), PATIENCE).await;
        assert_eq!(report.answer, SynAnswer::SynAck);
        let (mut stream, _) = listener.accept().expect("accept");
        let error = stream.read(&mut [0; 1]).expect_err("a reset");
        assert_eq!(error.raw_os_error(), Some(libc::ECONNRESET));
    }

    #[tokio::test]
    async fn an_answer_under_the_smallest_ttl_is_not_seen() {
        let listener = TcpListener::bind("127.0.0.1:0").expect("bind");
        let mut syn = Syn::to(listener.local_addr().expect("address"));
        syn.min_ttl = Some(255);
        let report = probe(&syn, Duration::from_millis(20)).await;
        assert_eq!(report.answer, SynAnswer::Silent);
        assert_eq!(report.rtt, None);
    }

    #[tokio::test]
    async fn a_failure_of_this_machine_is_a_result() {
        let port = refusing();
        let mut syn = Syn::to(port.address);
        syn.device = Some("no-such-dev".to_owned());
        let report = probe(&syn, PATIENCE).await;
        assert_eq!(report.answer, SynAnswer::LocalError(libc::ENODEV));
        assert_eq!(report.info, None);
    }

    #[test]
    fn attempts_can_move_between_threads() {
        fn send<T: Send>(_: T) {}
        send(probe(&Syn::to(refusing().address), PATIENCE));
    }
}
