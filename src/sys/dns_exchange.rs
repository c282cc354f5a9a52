//! One question to one DNS server, over UDP or TCP: bytes out, bytes in, and every way in which the
//! kernel says that it did not work.
#![allow(unsafe_code)]

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::os::fd::AsRawFd;
use std::time::Duration;

use nix::errno::Errno;
use nix::sys::socket::{ControlMessageOwned, MsgFlags, SockaddrStorage, recvmsg};
use socket2::{Domain, Protocol, Socket, Type};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpSocket, UdpSocket};
use tokio::time::{Instant, timeout_at};

use crate::sys::clock;

/// The most packets that do not fit the question which are passed over before giving up.
const MOST_STRAYS: u32 = 64;
/// The largest DNS message (RFC 1035 4.2.2).
const LARGEST: usize = 65_535;

/// How one exchange ended.
#[derive(Debug, Clone, PartialEq)]
pub enum Exchange<T> {
    /// An answer came.
    Answered {
        /// What was read from it.
        value: T,
        /// Milliseconds since the packet that it most likely answers was sent.
        rtt_ms: f64,
        /// How many packets were sent.
        tries: u32,
    },
    /// Nothing came in time.
    Silent,
    /// An ICMP error came instead (or, for TCP, a reset).
    Rejected {
        /// The errno that the kernel made of it.
        errno: Errno,
        /// Who sent it, when the error queue says so.
        from: Option<IpAddr>,
    },
    /// The kernel would not send.
    NotSent {
        /// The system call that failed.
        operation: &'static str,
        /// Its errno.
        errno: Errno,
    },
    /// There was no socket to be had.
    NoSocket {
        /// The system call that failed.
        operation: &'static str,
        /// Its errno.
        errno: Errno,
    },
}

/// Asks over UDP from a fresh connected socket (a random source port; ICMP errors come back), and
/// sends `again` once when half of the time has passed without an answer.
///
/// `read` looks at each packet that arrives; `None` passes over it as a stray.
pub async fn udp<T>(
    to: SocketAddr,
    first: &[u8],
    again: &[u8],
    patience: Duration,
    mut read: impl FnMut(&[u8]) -> Option<T>,
) -> Exchange<T> {
    let socket = match connected(to) {
        Ok(socket) => socket,
        Err(exchange) => return exchange.into_other(),
    };
    let end = Instant::now() + patience;
    let mut buffer = vec![0; LARGEST];
    let mut strays = 0;
    for (tries, (packet, until)) in
        [(first, end - patience / 2), (again, end)].into_iter().enumerate()
    {
        let sent = clock::now();
        if let Err(error) = socket.send(packet).await {
            // A local `reject` answers inside send(): EPERM, and the ICMP error is queued already.
            return match offender(&socket) {
                Some((errno, from)) => Exchange::Rejected { errno, from },
                None => Exchange::NotSent { operation: "send", errno: errno_of(&error) },
            };
        }
        loop {
            match timeout_at(until, socket.recv(&mut buffer)).await {
                Err(_) => break,
                Ok(Ok(length)) => {
                    if let Some(value) = read(&buffer[..length]) {
                        let tries = tries as u32 + 1;
                        return Exchange::Answered { value, rtt_ms: clock::ms_since(sent), tries };
                    }
                }
                Ok(Err(error)) => {
                    let errno = errno_of(&error);
                    let from = offender(&socket).and_then(|(_, from)| from);
                    // A learned path MTU: the next packet is cut to it.
                    if errno != Errno::EMSGSIZE {
                        return Exchange::Rejected { errno, from };
                    }
                }
            }
            strays += 1;
            if strays > MOST_STRAYS {
                return Exchange::Silent;
            }
        }
    }
    Exchange::Silent
}

/// Asks over TCP (RFC 7766): the length in two bytes, then the message, both ways.
pub async fn tcp<T>(
    to: SocketAddr,
    question: &[u8],
    patience: Duration,
    mut read: impl FnMut(&[u8]) -> Option<T>,
) -> Exchange<T> {
    let socket = if to.is_ipv4() { TcpSocket::new_v4() } else { TcpSocket::new_v6() };
    let socket = match socket {
        Ok(socket) => socket,
        Err(error) => {
            return Exchange::NoSocket {
                operation: "socket(SOCK_STREAM)",
                errno: errno_of(&error),
            };
        }
    };
    let started = clock::now();
    let conversation = async {
        let mut stream = socket.connect(to).await?;
        let length = u16::try_from(question.len()).map_err(|_| io::ErrorKind::InvalidInput)?;
        let mut message = length.to_be_bytes().to_vec();
        message.extend(question);
        stream.write_all(&message).await?;
        for _ in 0..MOST_STRAYS {
            let length = stream.read_u16().await?;
            let mut answer = vec![0; usize::from(length)];
            stream.read_exact(&mut answer).await?;
            if let Some(value) = read(&answer) {
                return Ok(Some(value));
            }
        }
        Ok::<_, io::Error>(None)
    };
    match tokio::time::timeout(patience, conversation).await {
        Ok(Ok(Some(value))) => {
            Exchange::Answered { value, rtt_ms: clock::ms_since(started), tries: 1 }
        }
        Ok(Ok(None)) | Err(_) => Exchange::Silent,
        Ok(Err(error)) => Exchange::Rejected { errno: errno_of(&error), from: None },
    }
}

/// Draws a random number for a question's id (RFC 5452: not to be guessed).
pub fn random_id() -> u16 {
    let mut bytes = [0u8; 2];
    // SAFETY: the pointer and length describe `bytes`; up to 256 bytes are never cut short.
    let read = unsafe { libc::getrandom(bytes.as_mut_ptr().cast(), bytes.len(), 0) };
    if read == 2 {
        return u16::from_ne_bytes(bytes);
    }
    // A sandbox without getrandom(2): the standard library seeds its hashers at random as well.
    use std::hash::{BuildHasher, Hasher, RandomState};
    RandomState::new().build_hasher().finish() as u16
}

/// Opens a UDP socket connected to the server, with errors of all kinds switched on.
fn connected(to: SocketAddr) -> Result<UdpSocket, Exchange<()>> {
    let no_socket = |operation| {
        move |error: io::Error| Exchange::NoSocket { operation, errno: errno_of(&error) }
    };
    let socket = Socket::new(
        Domain::for_address(to),
        Type::DGRAM.nonblocking().cloexec(),
        Some(Protocol::UDP),
    )
    .map_err(no_socket("socket(SOCK_DGRAM)"))?;
    // Without it only port-unreachable reaches a UDP socket (`udp_err`, `icmp_err_convert`).
    let (level, name) = if to.is_ipv4() {
        (libc::SOL_IP, libc::IP_RECVERR)
    } else {
        (libc::SOL_IPV6, libc::IPV6_RECVERR)
    };
    let on: libc::c_int = 1;
    // SAFETY: the pointer and length describe `on`, which lives through the call.
    unsafe {
        libc::setsockopt(
            socket.as_raw_fd(),
            level,
            name,
            (&raw const on).cast(),
            size_of::<libc::c_int>() as libc::socklen_t,
        );
    }
    socket
        .connect(&to.into())
        .map_err(|error| Exchange::NotSent { operation: "connect", errno: errno_of(&error) })?;
    UdpSocket::from_std(socket.into()).map_err(no_socket("epoll_ctl"))
}

/// Takes one entry off the error queue: its errno and, when it names one, its sender.
fn offender(socket: &UdpSocket) -> Option<(Errno, Option<IpAddr>)> {
    /// `SO_EE_ORIGIN_ICMP` and `SO_EE_ORIGIN_ICMP6`.
    const ICMP: u8 = 2;
    const ICMP6: u8 = 3;
    let mut data = [0; 256];
    let mut parts = [std::io::IoSliceMut::new(&mut data)];
    let mut space = nix::cmsg_space!(libc::sock_extended_err, libc::sockaddr_in6);
    let flags = MsgFlags::MSG_ERRQUEUE | MsgFlags::MSG_DONTWAIT;
    let message =
        recvmsg::<SockaddrStorage>(socket.as_raw_fd(), &mut parts, Some(&mut space), flags).ok()?;
    message.cmsgs().ok()?.find_map(|control| match control {
        ControlMessageOwned::Ipv4RecvErr(error, from) if error.ee_origin == ICMP => {
            let from = from.map(|from| IpAddr::V4(u32::from_be(from.sin_addr.s_addr).into()));
            Some((Errno::from_raw(error.ee_errno as i32), from))
        }
        ControlMessageOwned::Ipv6RecvErr(error, from) if error.ee_origin == ICMP6 => {
            let from = from.map(|from| IpAddr::V6(from.sin6_addr.s6_addr.into()));
            Some((Errno::from_raw(error.ee_errno as i32), from))
        }
        _ => None,
    })
}

fn errno_of(error: &io::Error) -> Errno {
    match error.raw_os_error() {
        Some(code) => Errno::from_raw(code),
        // The peer closed the TCP connection in the middle of an answer.
        None if error.kind() == io::ErrorKind::UnexpectedEof => Errno::ECONNRESET,
        None => Errno::UnknownErrno,
    }
}

impl Exchange<()> {
    /// Changes the type of an exchange that has no answer.
    fn into_other<T>(self) -> Exchange<T> {
        match self {
            Exchange::Answered { .. } | Exchange::Silent => Exchange::Silent,
            Exchange::Rejected { errno, from } => Exchange::Rejected { errno, from },
            Exchange::NotSent { operation, errno } => Exchange::NotSent { operation, errno },
            Exchange::NoSocket { operation, errno } => Exchange::NoSocket { operation, errno },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sys::closed;

    const PATIENCE: Duration = Duration::from_secs(60);

    fn run<F: Future>(future: F) -> F::Output {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        runtime.unwrap().block_on(future)
    }

    #[test]
    fn a_stray_packet_is_passed_over_and_a_lost_one_sent_again() {
        run(async {
            let server = UdpSocket::bind("127.0.0.1:0").await.unwrap();
            let to = server.local_addr().unwrap();
            let serve = async {
                let mut buffer = [0; 64];
                let (first, _) = server.recv_from(&mut buffer).await.unwrap();
                assert_eq!(&buffer[..first], b"first");
                let (second, from) = server.recv_from(&mut buffer).await.unwrap();
                assert_eq!(&buffer[..second], b"again");
                server.send_to(b"stray", from).await.unwrap();
                server.send_to(b"answer", from).await.unwrap();
            };
            let read = |bytes: &[u8]| (bytes == b"answer").then_some(7);
            // The first half passes in vain.
            let patience = Duration::from_secs(4);
            let (exchange, ()) = tokio::join!(udp(to, b"first", b"again", patience, read), serve);
            assert!(
                matches!(exchange, Exchange::Answered { value: 7, tries: 2, .. }),
                "{exchange:?}"
            );
        });
    }

    #[test]
    fn a_closed_port_is_rejected_at_once_and_by_name() {
        for ip in closed::loopbacks() {
            let port = closed::udp(ip);
            let exchange = run(udp(port.address, b"x", b"x", PATIENCE, |_| Some(())));
            let rejected = Exchange::Rejected { errno: Errno::ECONNREFUSED, from: Some(ip) };
            assert_eq!(exchange, rejected);
        }
    }

    #[test]
    fn a_tcp_answer_in_pieces_is_put_together() {
        run(async {
            let server = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
            let to = server.local_addr().unwrap();
            let serve = async {
                let (mut stream, _) = server.accept().await.unwrap();
                let length = stream.read_u16().await.unwrap();
                let mut question = vec![0; length.into()];
                stream.read_exact(&mut question).await.unwrap();
                assert_eq!(question, b"question");
                for piece in [b"\0".as_slice(), b"\x06an", b"sw", b"er"] {
                    stream.write_all(piece).await.unwrap();
                    stream.flush().await.unwrap();
                }
                stream
            };
            let read = |bytes: &[u8]| (bytes == b"answer").then_some(());
            let (exchange, _stream) = tokio::join!(tcp(to, b"question", PATIENCE, read), serve);
            assert!(matches!(exchange, Exchange::Answered { .. }), "{exchange:?}");
        });
    }

    #[test]
    fn a_closed_tcp_port_is_rejected() {
        for ip in closed::loopbacks() {
            let port = closed::tcp(ip);
            let exchange = run(tcp::<()>(port.address, b"x", PATIENCE, |_| None));
            assert_eq!(exchange, Exchange::Rejected { errno: Errno::ECONNREFUSED, from: None });
        }
    }
}
