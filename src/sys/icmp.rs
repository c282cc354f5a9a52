//! ICMP echo: over an unprivileged ICMP socket where the group may (`net.ipv4.ping_group_range`,
//! which counts for both families), else over a raw one (`CAP_NET_RAW`).

use std::fmt;
use std::hash::{BuildHasher, Hasher, RandomState};
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::os::fd::AsFd;
use std::time::Instant;

use socket2::{Domain, Protocol, SockAddr, Socket, Type};
use tokio::io::Interest;

use crate::model::icmp::IcmpError;
use crate::sys::errqueue::{self, Origin};
use crate::sys::socket::{self, Watched};
use crate::sys::{clock, errno, udp};
use crate::wire::icmp_echo;

/// Bytes of the IP and ICMP headers.
pub fn headers(v6: bool) -> u32 {
    if v6 { 48 } else { 28 }
}

/// The kind of socket in use.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// `SOCK_DGRAM`, without privilege.
    Dgram,
    /// `SOCK_RAW`, with `CAP_NET_RAW`.
    Raw,
}

/// Why no echo socket could be opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Unavailable {
    /// The error number with which the unprivileged socket was refused.
    pub dgram: i32,
    /// The error number with which the raw socket was refused.
    pub raw: i32,
}

impl fmt::Display for Unavailable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "ICMP echo: the unprivileged socket gives {} (net.ipv4.ping_group_range), the raw one \
             {} (CAP_NET_RAW)",
            errno::name(self.dgram),
            errno::name(self.raw)
        )
    }
}

/// Something that happened to one of our requests.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Event {
    /// The address itself answered.
    Reply {
        /// Which request.
        sequence: u16,
        /// The TTL (hop limit) of the answer as it arrived.
        ttl: Option<u8>,
    },
    /// An ICMP error came instead.
    Error {
        /// Which request; `None` when too little of it was quoted.
        sequence: Option<u16>,
        /// The error.
        icmp: IcmpError,
    },
}

/// Why a request could not be sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refused {
    /// It is larger than our own device allows: so many bytes.
    TooBigHere(u32),
    /// This machine failed with that error number.
    Errno(i32),
}

impl Refused {
    /// The error number.
    pub fn errno(&self) -> i32 {
        match self {
            Refused::TooBigHere(_) => libc::EMSGSIZE,
            Refused::Errno(errno) => *errno,
        }
    }
}

/// A socket that sends echo requests to one address and hears what answers them.
#[derive(Debug)]
pub struct Echo {
    watched: Watched,
    kind: Kind,
    target: IpAddr,
    ident: u16,
    token: [u8; 8],
}

/// How opening went wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OpenError {
    /// Neither kind of socket is allowed.
    Unavailable(Unavailable),
    /// The socket is allowed, but there is no way to the address (`ENETUNREACH` …).
    Errno(i32),
}

impl Echo {
    /// Opens a socket towards an address; only its IP part and scope count.
    ///
    /// # Errors
    ///
    /// Returns why neither kind of socket can be had, or the error of this machine.
    pub fn open(target: SocketAddr) -> Result<Echo, OpenError> {
        let (kind, socket) = match create(target, Type::DGRAM) {
            Ok(socket) => (Kind::Dgram, socket),
            Err(dgram) => match create(target, Type::RAW) {
                Ok(socket) => (Kind::Raw, socket),
                Err(raw) => {
                    return Err(OpenError::Unavailable(Unavailable {
                        dgram: errno::of(&dgram),
                        raw: errno::of(&raw),
                    }));
                }
            },
        };
        let random = RandomState::new().build_hasher().finish();
        prepare(&socket, target, kind)
            .and_then(|()| Watched::new(socket))
            .map(|watched| Echo {
                watched,
                kind,
                target: target.ip(),
                ident: random as u16,
                token: random.to_ne_bytes(),
            })
            .map_err(|error| OpenError::Errno(errno::of(&error)))
    }

    /// The kind of socket that was allowed.
    pub fn kind(&self) -> Kind {
        self.kind
    }

    /// Sends a request in an IP packet of `size` bytes with DF; returns the moment just before.
    ///
    /// # Errors
    ///
    /// Returns why this machine would not send it.
    pub fn send(&self, sequence: u16, size: u32) -> Result<Instant, Refused> {
        let v6 = self.target.is_ipv6();
        let length = (size.saturating_sub(headers(v6)) as usize) + icmp_echo::HEADER;
        let message = icmp_echo::request(v6, self.ident, sequence, self.token, length);
        let fd = self.watched.as_fd();
        let mut last = libc::EIO;
        // send() first reports an ICMP error that came meanwhile (SO_ERROR) and sends nothing then;
        // the error itself stays on the queue.
        for _ in 0..2 {
            socket::take_error(fd);
            let sent = clock::now();
            match self.watched.socket().send(&message) {
                Ok(_) => return Ok(sent),
                Err(error) => last = errno::of(&error),
            }
            if last == libc::EMSGSIZE {
                return Err(Refused::TooBigHere(self.limit()));
            }
        }
        Err(Refused::Errno(last))
    }

    /// Waits, as long as it takes, for the next answer to any request.
    ///
    /// # Errors
    ///
    /// Returns the error number when the socket itself fails.
    pub async fn next(&self) -> Result<Event, i32> {
        if let Some(event) = self.poll() {
            return Ok(event);
        }
        self.watched
            .when_ready(Interest::READABLE | Interest::ERROR, |_| self.poll())
            .await
            .map_err(|error| errno::of(&error))
    }

    /// Takes one answer, if there is any.
    pub fn poll(&self) -> Option<Event> {
        let fd = self.watched.as_fd();
        socket::take_error(fd);
        let mut buffer = [0; 2048];
        // A flood of foreign messages must not hold us here for ever.
        for _ in 0..256 {
            let Ok(message) = errqueue::receive(fd, &mut buffer, libc::MSG_ERRQUEUE) else {
                break;
            };
            let Some(mut queued) = message.error else {
                continue;
            };
            queued.ttl = message.ttl;
            let own = udp::local_ip(fd);
            let quoted = icmp_echo::parse(self.target.is_ipv6(), &buffer[..message.length]);
            let ours = quoted.is_none_or(|echo| self.is_ours(&echo));
            if let (Some(icmp), true) = (queued.icmp(own), ours) {
                return Some(Event::Error { sequence: quoted.map(|echo| echo.sequence), icmp });
            }
        }
        for _ in 0..256 {
            let message = match errqueue::receive(fd, &mut buffer, 0) {
                Ok(message) => message,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return None,
                // A pending error is reported once; what it is about stands on the queue.
                Err(_) => continue,
            };
            if message.address.map(|from| from.ip()) != Some(self.target) {
                continue;
            }
            let bytes = &buffer[..message.length];
            let v6 = self.target.is_ipv6();
            let bytes = match (self.kind, v6) {
                (Kind::Raw, false) => icmp_echo::after_ipv4_header(bytes),
                _ => Some(bytes),
            };
            if let Some(echo) = bytes.and_then(|bytes| icmp_echo::parse(v6, bytes))
                && echo.reply
                && self.is_ours(&echo)
            {
                return Some(Event::Reply { sequence: echo.sequence, ttl: message.ttl });
            }
        }
        None
    }

    /// Whether a message belongs to this socket: the kernel knows it for its own ICMP sockets
    /// (whose identifier it chose), on a raw one the identifier and the token tell.
    fn is_ours(&self, echo: &icmp_echo::Echo<'_>) -> bool {
        let seen = echo.data.len().min(self.token.len());
        let token = echo.data[..seen] == self.token[..seen];
        match self.kind {
            Kind::Dgram => token,
            Kind::Raw => token && echo.ident == self.ident,
        }
    }

    /// The limit of our own device after `EMSGSIZE`, from the queue.
    fn limit(&self) -> u32 {
        errqueue::drain(self.watched.as_fd())
            .iter()
            .find(|entry| entry.origin == Origin::Local)
            .map_or(0, |entry| entry.info)
    }
}

fn create(target: SocketAddr, kind: Type) -> io::Result<Socket> {
    let protocol = if target.is_ipv6() { Protocol::ICMPV6 } else { Protocol::ICMPV4 };
    Socket::new(Domain::for_address(target), kind.nonblocking(), Some(protocol))
}

fn prepare(socket: &Socket, target: SocketAddr, kind: Kind) -> io::Result<()> {
    let (fd, v6) = (socket.as_fd(), target.is_ipv6());
    errqueue::enable(fd, v6)?;
    udp::never_fragment(fd, v6)?;
    if kind == Kind::Raw {
        only_replies(socket, v6)?;
    }
    let mut peer = target;
    // Raw sockets take the port for a protocol number and refuse others than their own.
    peer.set_port(0);
    socket.connect(&SockAddr::from(peer))
}

/// Lets a raw IPv4 socket hear nothing but echo replies (`ICMP_FILTER`: a set bit blocks the type);
/// errors come through the queue all the same. IPv6 messages are sorted out when they are read.
fn only_replies(socket: &Socket, v6: bool) -> io::Result<()> {
    const SOL_RAW: i32 = 255;
    const ICMP_FILTER: i32 = 1;
    if v6 {
        return Ok(());
    }
    socket::set_int(socket.as_fd(), SOL_RAW, ICMP_FILTER, !1)
}
