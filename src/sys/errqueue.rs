//! A socket's error queue: which ICMP error answered, who sent it, and with which TTL it arrived.
//!
//! Works without privilege on TCP, UDP and ICMP sockets (Linux 2.2; IPv6 TCP since 5.8).
#![allow(unsafe_code)]

use std::io;
use std::mem;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV4, SocketAddrV6};
use std::os::fd::{AsRawFd, BorrowedFd};

use crate::model::icmp::{IcmpError, IcmpKind, hops_from_ttl};
use crate::sys::{host, socket};

/// Who put an entry on the error queue (`SO_EE_ORIGIN_*`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Origin {
    /// This machine's own stack, for example a packet over the device MTU.
    Local,
    /// An ICMP error.
    Icmp,
    /// An ICMPv6 error.
    Icmp6,
    /// Anything else (time stamps, zero-copy).
    Other(u8),
}

/// One entry of an error queue.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct QueuedError {
    /// The error number that the kernel derived from it.
    pub errno: i32,
    /// Who put it there.
    pub origin: Origin,
    /// The ICMP type; 0 when the origin is local.
    pub icmp_type: u8,
    /// The ICMP code; 0 when the origin is local.
    pub code: u8,
    /// `ee_info`: the MTU in bytes with `EMSGSIZE`, else 0.
    pub info: u32,
    /// The address of the box that sent the ICMP error.
    pub offender: Option<IpAddr>,
    /// The TTL (hop limit) with which the ICMP error arrived.
    pub ttl: Option<u8>,
    /// Where the packet in question was sent to (not set for TCP).
    pub destination: Option<SocketAddr>,
    /// The quoted bytes of our packet: the payload for UDP, the header for TCP.
    pub quoted: Vec<u8>,
}

impl QueuedError {
    /// Returns the entry as an ICMP error; `None` when no ICMP error caused it.
    ///
    /// `source` is the address from which the packet was sent, when known: an error from there, or
    /// from any other address of this machine, is marked `from_here`.
    pub fn icmp(&self, source: Option<IpAddr>) -> Option<IcmpError> {
        let kind = match self.origin {
            Origin::Icmp => IcmpKind::v4(self.icmp_type, self.code),
            Origin::Icmp6 => IcmpKind::v6(self.icmp_type, self.code),
            Origin::Local | Origin::Other(_) => return None,
        };
        let from = self.offender?;
        Some(IcmpError {
            kind,
            icmp_type: self.icmp_type,
            code: self.code,
            from,
            from_here: source == Some(from) || host::is_own(from),
            ttl: self.ttl,
            hop: self.ttl.and_then(hops_from_ttl),
            mtu: (kind == IcmpKind::TooBig && self.info != 0).then_some(self.info),
        })
    }
}

/// Makes a socket queue ICMP errors with their TTL, and report the TTL of what it receives.
///
/// # Errors
///
/// Returns the error of `setsockopt`.
pub fn enable(fd: BorrowedFd<'_>, v6: bool) -> io::Result<()> {
    let (level, errors, ttl) = if v6 {
        (libc::IPPROTO_IPV6, libc::IPV6_RECVERR, libc::IPV6_RECVHOPLIMIT)
    } else {
        (libc::IPPROTO_IP, libc::IP_RECVERR, libc::IP_RECVTTL)
    };
    socket::set_int(fd, level, errors, 1)?;
    socket::set_int(fd, level, ttl, 1)
}

/// Stops queueing ICMP errors: on an established TCP connection they would become fatal.
pub fn disable(fd: BorrowedFd<'_>, v6: bool) {
    let (level, errors) = if v6 {
        (libc::IPPROTO_IPV6, libc::IPV6_RECVERR)
    } else {
        (libc::IPPROTO_IP, libc::IP_RECVERR)
    };
    // It can only fail on a closed descriptor.
    let _ = socket::set_int(fd, level, errors, 0);
}

/// Takes every entry off the error queue, oldest first.
///
/// This clears a pending `SO_ERROR`, so read that first ([`socket::take_error`]).
pub fn drain(fd: BorrowedFd<'_>) -> Vec<QueuedError> {
    let mut entries = Vec::new();
    // A flood of errors must not hold us here for ever.
    for _ in 0..1024 {
        let mut buffer = [0_u8; 2048];
        let Ok(message) = receive(fd, &mut buffer, libc::MSG_ERRQUEUE) else {
            break;
        };
        if let Some(mut entry) = message.error {
            entry.ttl = message.ttl;
            entry.destination = message.address;
            entry.quoted = buffer[..message.length].to_vec();
            entries.push(entry);
        }
    }
    entries
}

/// A received message with its control data.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Message {
    /// The bytes written to the buffer.
    pub length: usize,
    /// The sender; on the error queue, the original destination.
    pub address: Option<SocketAddr>,
    /// The TTL (hop limit) with which it arrived.
    pub ttl: Option<u8>,
    /// The error that it carries; only on the error queue.
    pub error: Option<QueuedError>,
}

/// Receives one message without blocking; `flags` may hold `MSG_ERRQUEUE`.
///
/// # Errors
///
/// Returns the error of `recvmsg`, `WouldBlock` when nothing is there.
pub fn receive(fd: BorrowedFd<'_>, buffer: &mut [u8], flags: i32) -> io::Result<Message> {
    // SAFETY: `sockaddr_storage` and `msghdr` are plain C structs for which all zeroes is valid.
    let (mut name, mut header): (libc::sockaddr_storage, libc::msghdr) =
        unsafe { (mem::zeroed(), mem::zeroed()) };
    let mut vector = libc::iovec { iov_base: buffer.as_mut_ptr().cast(), iov_len: buffer.len() };
    // u64 elements, because control messages are aligned like `cmsghdr`.
    let mut control = [0_u64; 64];
    header.msg_name = (&raw mut name).cast();
    header.msg_namelen = mem::size_of::<libc::sockaddr_storage>() as libc::socklen_t;
    header.msg_iov = &raw mut vector;
    header.msg_iovlen = 1;
    header.msg_control = control.as_mut_ptr().cast();
    header.msg_controllen = mem::size_of_val(&control);
    // SAFETY: the descriptor is open for the call (it is borrowed), and every pointer in `header`
    // refers to a live buffer of the stated length.
    let length =
        unsafe { libc::recvmsg(fd.as_raw_fd(), &raw mut header, flags | libc::MSG_DONTWAIT) };
    let Ok(length) = usize::try_from(length) else {
        return Err(io::Error::last_os_error());
    };
    let mut message = Message {
        // MSG_TRUNC could make it longer than the buffer.
        length: length.min(buffer.len()),
        address: (header.msg_namelen > 0).then(|| address(bytes_of(&name))).flatten(),
        ttl: None,
        error: None,
    };
    // SAFETY: `header` was filled by `recvmsg` and its control buffer is still alive.
    let mut cursor = unsafe { libc::CMSG_FIRSTHDR(&raw const header) };
    while !cursor.is_null() {
        // SAFETY: CMSG_FIRSTHDR and CMSG_NXTHDR return only pointers to whole, aligned headers
        // inside the control buffer.
        let head = unsafe { cursor.read() };
        // SAFETY: CMSG_LEN only computes.
        let overhead = unsafe { libc::CMSG_LEN(0) } as usize;
        // SAFETY: the kernel wrote `cmsg_len` bytes from the header on, `overhead` of which are the
        // header itself; the control buffer outlives this slice.
        let data = unsafe {
            std::slice::from_raw_parts(
                libc::CMSG_DATA(cursor).cast_const(),
                (head.cmsg_len as usize).saturating_sub(overhead),
            )
        };
        match (head.cmsg_level, head.cmsg_type) {
            (libc::IPPROTO_IP, libc::IP_TTL) | (libc::IPPROTO_IPV6, libc::IPV6_HOPLIMIT) => {
                message.ttl = int_at(data, 0).and_then(|ttl| u8::try_from(ttl).ok());
            }
            (libc::IPPROTO_IP, libc::IP_RECVERR) | (libc::IPPROTO_IPV6, libc::IPV6_RECVERR) => {
                message.error = queued(data);
            }
            _ => {}
        }
        // SAFETY: as for CMSG_FIRSTHDR; `cursor` points into the same control buffer.
        cursor = unsafe { libc::CMSG_NXTHDR(&raw const header, cursor) };
    }
    Ok(message)
}

fn bytes_of(name: &libc::sockaddr_storage) -> &[u8] {
    // SAFETY: `sockaddr_storage` has no padding that matters (it was zeroed whole), any byte is a
    // valid `u8`, and the slice borrows from `name`.
    unsafe {
        std::slice::from_raw_parts(
            (&raw const *name).cast::<u8>(),
            mem::size_of::<libc::sockaddr_storage>(),
        )
    }
}

/// Reads `struct sock_extended_err` and the offender's socket address after it.
fn queued(data: &[u8]) -> Option<QueuedError> {
    const FIXED: usize = 16;
    let origin = match *data.get(4)? {
        1 => Origin::Local,
        2 => Origin::Icmp,
        3 => Origin::Icmp6,
        other => Origin::Other(other),
    };
    Some(QueuedError {
        errno: int_at(data, 0)?,
        origin,
        icmp_type: *data.get(5)?,
        code: *data.get(6)?,
        info: u32::from_ne_bytes(data.get(8..12)?.try_into().ok()?),
        offender: data.get(FIXED..).and_then(address).map(|from| from.ip()),
        ttl: None,
        destination: None,
        quoted: Vec::new(),
    })
}

/// Reads a `sockaddr_in` or `sockaddr_in6`.
fn address(bytes: &[u8]) -> Option<SocketAddr> {
    let family = i32::from(u16::from_ne_bytes(bytes.get(..2)?.try_into().ok()?));
    let port = u16::from_be_bytes(bytes.get(2..4)?.try_into().ok()?);
    match family {
        libc::AF_INET => {
            let octets: [u8; 4] = bytes.get(4..8)?.try_into().ok()?;
            Some(SocketAddrV4::new(Ipv4Addr::from(octets), port).into())
        }
        libc::AF_INET6 => {
            let octets: [u8; 16] = bytes.get(8..24)?.try_into().ok()?;
            let scope = bytes.get(24..28).and_then(|s| s.try_into().ok());
            let scope = scope.map_or(0, u32::from_ne_bytes);
            Some(SocketAddrV6::new(Ipv6Addr::from(octets), port, 0, scope).into())
        }
        _ => None,
    }
}

fn int_at(bytes: &[u8], at: usize) -> Option<i32> {
    Some(i32::from_ne_bytes(bytes.get(at..at + 4)?.try_into().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn entry(origin: u8, kind: u8, code: u8, info: u32, offender: &[u8]) -> Vec<u8> {
        let mut data = libc::EHOSTUNREACH.to_ne_bytes().to_vec();
        data.extend([origin, kind, code, 0]);
        data.extend(info.to_ne_bytes());
        data.extend([0; 4]);
        data.extend(offender);
        data
    }

    fn v4(octets: [u8; 4]) -> Vec<u8> {
        let mut name = (libc::AF_INET as u16).to_ne_bytes().to_vec();
        name.extend([0, 0]);
        name.extend(octets);
        name.extend([0; 8]);
        name
    }

    #[test]
    fn an_icmp_entry_names_its_sender() {
        let queued = queued(&entry(2, 3, 13, 0, &v4([192, 0, 2, 7]))).expect("an entry");
        let icmp = queued.icmp(None).expect("an ICMP error");
        assert_eq!(icmp.kind, IcmpKind::AdminProhibited);
        assert_eq!(icmp.from, IpAddr::from([192, 0, 2, 7]));
        assert!(!icmp.from_here);
        assert_eq!(icmp.mtu, None);
    }

    #[test]
    fn an_error_from_our_own_source_address_is_from_here() {
        let queued = queued(&entry(2, 3, 1, 0, &v4([192, 0, 2, 7]))).expect("an entry");
        let icmp = queued.icmp(Some(IpAddr::from([192, 0, 2, 7])));
        assert!(icmp.expect("an ICMP error").from_here);
    }

    #[test]
    fn a_local_entry_is_no_icmp_error() {
        let queued = queued(&entry(1, 0, 0, 1500, &[0; 16])).expect("an entry");
        assert_eq!(queued.origin, Origin::Local);
        assert_eq!(queued.offender, None);
        assert_eq!(queued.info, 1500);
        assert_eq!(queued.icmp(None), None);
    }

    proptest! {
        #[test]
        fn any_control_data_parses(data in proptest::collection::vec(any::<u8>(), 0..64)) {
            if let Some(queued) = queued(&data) {
                let _ = queued.icmp(None);
            }
            let _ = address(&data);
        }
    }

    #[test]
    fn a_closed_udp_port_on_loopback_queues_a_port_unreachable_from_here() {
        let closed = std::net::UdpSocket::bind("127.0.0.1:0").expect("bind");
        let target = closed.local_addr().expect("address");
        drop(closed);
        let socket = std::net::UdpSocket::bind("127.0.0.1:0").expect("bind");
        let fd = std::os::fd::AsFd::as_fd(&socket);
        enable(fd, false).expect("options");
        socket.send_to(b"hello", target).expect("send");
        let entries = drain(fd);
        assert_eq!(entries.len(), 1);
        assert_eq!(entries[0].quoted, b"hello");
        assert_eq!(entries[0].destination, Some(target));
        let icmp = entries[0].icmp(None).expect("ICMP");
        assert_eq!(icmp.kind, IcmpKind::PortUnreachable);
        assert!(icmp.from_here);
        assert_eq!(icmp.ttl, Some(64));
    }
}
