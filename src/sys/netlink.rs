//! A small synchronous netlink socket that speaks the codecs of `netlink_bindings`.
//!
//! It owns what the codecs leave open: sequence numbers, multi-part replies, dumps that the kernel
//! marks as torn, lost messages, time limits and the kernel's own words about a refusal. Large
//! dumps belong into `spawn_blocking`.
#![allow(unsafe_code)]

use std::io::IoSliceMut;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
use std::time::Duration;

use netlink_bindings::traits::{NetlinkRequest, Protocol};
use nix::errno::Errno;
use nix::sys::socket::{MsgFlags, NetlinkAddr, recvmsg};

use crate::model::outcome::Why;

/// Bytes of a receive buffer: the kernel fills at most 32 KiB per message of a dump
/// (`netlink_recvmsg`), a single large answer may be longer.
const BUFFER: usize = 256 * 1024;
/// Length of `struct nlmsghdr`.
const HEADER: usize = 16;
/// How often a torn or overrun dump is repeated before it is given up.
const RETRIES: u32 = 8;
/// How long one receive may wait; the kernel answers at once or not at all.
const PATIENCE: Duration = Duration::from_secs(2);

const NLMSG_NOOP: u16 = 1;
const NLMSG_ERROR: u16 = 2;
const NLMSG_DONE: u16 = 3;
const NLM_F_REQUEST: u16 = 0x1;
const NLM_F_MULTI: u16 = 0x2;
const NLM_F_ACK: u16 = 0x4;
const NLM_F_DUMP_INTR: u16 = 0x10;
const NLM_F_DUMP: u16 = 0x300;
/// The error message carries attributes of the extended acknowledgement.
const NLM_F_ACK_TLVS: u16 = 0x200;
/// The attribute that holds the kernel's message.
const NLMSGERR_ATTR_MSG: u16 = 1;

/// Why the kernel gave no answer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NetlinkError {
    /// The kernel refused the request.
    #[error("{errno}{}", message.as_deref().map(|m| format!(": {m}")).unwrap_or_default())]
    Refused {
        /// The kernel's error.
        errno: Errno,
        /// The kernel's own words, when it gave any.
        message: Option<String>,
    },
    /// A system call failed.
    #[error("{operation}: {errno}")]
    System {
        /// Which one.
        operation: &'static str,
        /// Its error.
        errno: Errno,
    },
    /// Nothing came within the time limit.
    #[error("no answer in time")]
    Timeout,
    /// The listed objects changed under every attempt to list them.
    #[error("the list changed while it was read, {RETRIES} times")]
    Torn,
    /// An answer did not fit, or was not a netlink message.
    #[error("malformed answer")]
    Malformed,
    /// The codec belongs to a generic netlink family, which this socket does not resolve.
    #[error("generic netlink is not spoken here")]
    Generic,
}

impl NetlinkError {
    /// Returns the errno behind the error, when there is one.
    pub fn errno(&self) -> Option<Errno> {
        match self {
            NetlinkError::Refused { errno, .. } | NetlinkError::System { errno, .. } => {
                Some(*errno)
            }
            _ => None,
        }
    }

    /// Words the error as the reason why a probe could not look. `operation` says what was tried;
    /// `capability` is what the kernel wants when it answers EPERM or EACCES.
    pub fn why(&self, operation: &str, capability: &str) -> Why {
        match self.errno() {
            Some(Errno::EPERM | Errno::EACCES) => Why::NotPermitted {
                capability: capability.to_owned(),
                operation: operation.to_owned(),
            },
            // The family is not compiled in, not loaded, or hidden by a sandbox.
            Some(Errno::EPROTONOSUPPORT | Errno::EAFNOSUPPORT | Errno::ENOSYS) => {
                Why::Unsupported { what: format!("{operation}: {self}") }
            }
            Some(errno) => {
                Why::Failed { operation: operation.to_owned(), errno: format!("{errno:?}") }
            }
            None if *self == NetlinkError::Timeout => Why::Budget,
            None => Why::Unsupported { what: format!("{operation}: {self}") },
        }
    }
}

/// A netlink socket of one protocol, in the network namespace of the thread that opened it.
#[derive(Debug)]
pub struct Netlink {
    fd: OwnedFd,
    protocol: u16,
    sequence: u32,
    buffer: Vec<u8>,
}

/// The answer to one request: the payloads of its messages.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Replies {
    /// Message type and payload (without `nlmsghdr`), in order.
    pub messages: Vec<(u16, Vec<u8>)>,
}

/// How reading one request's answer ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Ended {
    Complete,
    Torn,
}

impl Netlink {
    /// Opens a socket of a netlink protocol, for example `libc::NETLINK_ROUTE as u16`.
    ///
    /// # Errors
    ///
    /// Returns the errno of `socket` or `setsockopt`.
    pub fn open(protocol: u16) -> Result<Netlink, NetlinkError> {
        Ok(Netlink { fd: socket(protocol)?, protocol, sequence: 0, buffer: vec![0; BUFFER] })
    }

    /// Opens a socket for a codec's protocol and sends its request: [`Netlink::open`] and
    /// [`Netlink::request`] in one.
    ///
    /// # Errors
    ///
    /// As [`Netlink::request`].
    pub fn ask<R: NetlinkRequest>(request: &R) -> Result<Replies, NetlinkError> {
        let Protocol::Raw { protonum, .. } = request.protocol() else {
            return Err(NetlinkError::Generic);
        };
        Netlink::open(protonum)?.request(request)
    }

    /// Sends a request and collects its whole answer; read it with `R::decode_reply(&payload)`.
    ///
    /// A request with `NLM_F_DUMP` is repeated while the kernel says that the list changed under it.
    ///
    /// # Errors
    ///
    /// Returns the kernel's refusal, or why no complete answer could be read.
    pub fn request<R: NetlinkRequest>(&mut self, request: &R) -> Result<Replies, NetlinkError> {
        let Protocol::Raw { request_type, .. } = request.protocol() else {
            return Err(NetlinkError::Generic);
        };
        self.exchange(request_type, request.flags(), request.payload())
    }

    /// Sends one message of the given type, flags (`NLM_F_DUMP` or 0) and payload, and collects its
    /// whole answer.
    ///
    /// # Errors
    ///
    /// As [`Netlink::request`].
    pub fn exchange(
        &mut self,
        kind: u16,
        flags: u16,
        payload: &[u8],
    ) -> Result<Replies, NetlinkError> {
        self.fold(kind, flags, payload, Replies::default, |replies, kind, message| {
            replies.messages.push((kind, message.to_vec()));
        })
    }

    /// Sends one message as [`Netlink::exchange`] does, and shows every message of the answer to
    /// `each` without keeping it. What was gathered is thrown away, and begun anew by `start`, when
    /// the answer turns out to be torn.
    ///
    /// # Errors
    ///
    /// As [`Netlink::request`].
    pub fn fold<T>(
        &mut self,
        kind: u16,
        flags: u16,
        payload: &[u8],
        mut start: impl FnMut() -> T,
        mut each: impl FnMut(&mut T, u16, &[u8]),
    ) -> Result<T, NetlinkError> {
        let dump = flags & NLM_F_DUMP == NLM_F_DUMP;
        for _ in 0..RETRIES {
            self.send(kind, flags, payload)?;
            let mut gathered = start();
            match self.collect(dump, |kind, message| each(&mut gathered, kind, message)) {
                Ok(Ended::Complete) => return Ok(gathered),
                Ok(Ended::Torn) => {}
                // Messages were lost: what is still queued belongs to a torn answer.
                Err(NetlinkError::System { errno: Errno::ENOBUFS, .. }) => {
                    self.fd = socket(self.protocol)?
                }
                Err(error) => return Err(error),
            }
        }
        Err(NetlinkError::Torn)
    }

    fn send(&mut self, kind: u16, flags: u16, payload: &[u8]) -> Result<(), NetlinkError> {
        self.sequence = self.sequence.wrapping_add(1);
        let length = u32::try_from(HEADER + payload.len()).map_err(|_| NetlinkError::Malformed)?;
        let mut message = Vec::with_capacity(HEADER + payload.len());
        message.extend(length.to_ne_bytes());
        message.extend(kind.to_ne_bytes());
        message.extend((flags | NLM_F_REQUEST | NLM_F_ACK).to_ne_bytes());
        message.extend(self.sequence.to_ne_bytes());
        message.extend(0u32.to_ne_bytes());
        message.extend(payload);
        nix::sys::socket::send(self.fd.as_raw_fd(), &message, MsgFlags::empty())
            .map_err(|errno| NetlinkError::System { operation: "send(netlink)", errno })?;
        Ok(())
    }

    fn collect(
        &mut self,
        dump: bool,
        mut each: impl FnMut(u16, &[u8]),
    ) -> Result<Ended, NetlinkError> {
        let mut torn = false;
        loop {
            let length = self.receive()?;
            for message in messages(&self.buffer[..length]) {
                let message = message?;
                if message.sequence != self.sequence {
                    continue;
                }
                torn |= message.flags & NLM_F_DUMP_INTR != 0;
                match message.kind {
                    NLMSG_NOOP => {}
                    NLMSG_DONE => {
                        // Since Linux 4.14 the end of a dump carries its errno.
                        match verdict(message.payload) {
                            None | Some(0) if torn => return Ok(Ended::Torn),
                            None | Some(0) => return Ok(Ended::Complete),
                            Some(code) => return Err(refused(code, &message)),
                        }
                    }
                    NLMSG_ERROR => match verdict(message.payload) {
                        None => return Err(NetlinkError::Malformed),
                        Some(0) if !dump => return Ok(Ended::Complete),
                        Some(0) => {}
                        Some(code) => return Err(refused(code, &message)),
                    },
                    kind => each(kind, message.payload),
                }
            }
        }
    }

    /// Receives one datagram from the kernel into the buffer and returns its length.
    fn receive(&mut self) -> Result<usize, NetlinkError> {
        loop {
            let mut parts = [IoSliceMut::new(&mut self.buffer)];
            let received =
                recvmsg::<NetlinkAddr>(self.fd.as_raw_fd(), &mut parts, None, MsgFlags::empty());
            match received {
                Ok(message) if message.flags.contains(MsgFlags::MSG_TRUNC) => {
                    return Err(NetlinkError::Malformed);
                }
                // Only the kernel has port 0; another process may write to us too.
                Ok(message) if message.address.is_some_and(|from| from.pid() != 0) => {}
                Ok(message) => return Ok(message.bytes),
                Err(Errno::EINTR) => {}
                Err(Errno::EAGAIN) => return Err(NetlinkError::Timeout),
                Err(errno) => {
                    return Err(NetlinkError::System { operation: "recv(netlink)", errno });
                }
            }
        }
    }
}

/// Opens the descriptor: close-on-exec, with a receive time limit, a large buffer and extended
/// acknowledgements without an echo of the request.
fn socket(protocol: u16) -> Result<OwnedFd, NetlinkError> {
    let failed = |operation| move || NetlinkError::System { operation, errno: Errno::last() };
    // SAFETY: socket(2) takes no pointers.
    let raw = unsafe {
        libc::socket(libc::AF_NETLINK, libc::SOCK_RAW | libc::SOCK_CLOEXEC, i32::from(protocol))
    };
    if raw < 0 {
        return Err(failed("socket(AF_NETLINK)")());
    }
    // SAFETY: `raw` was just opened and nobody else owns it.
    let fd = unsafe { OwnedFd::from_raw_fd(raw) };
    let limit = libc::timeval { tv_sec: PATIENCE.as_secs() as libc::time_t, tv_usec: 0 };
    option(&fd, libc::SOL_SOCKET, libc::SO_RCVTIMEO, limit)
        .ok_or_else(failed("setsockopt(SO_RCVTIMEO)"))?;
    // The rest only makes answers better; a kernel without it still answers.
    let size = BUFFER as libc::c_int;
    let _ = option(&fd, libc::SOL_SOCKET, libc::SO_RCVBUF, size);
    let _ = option(&fd, libc::SOL_NETLINK, libc::NETLINK_EXT_ACK, 1);
    let _ = option(&fd, libc::SOL_NETLINK, libc::NETLINK_CAP_ACK, 1);
    Ok(fd)
}

/// Sets one socket option; `None` when the kernel refuses.
fn option<T: Copy>(fd: &OwnedFd, level: i32, name: i32, value: T) -> Option<()> {
    // SAFETY: the pointer and length describe `value`, which lives through the call; the kernel
    // only reads from it.
    let result = unsafe {
        libc::setsockopt(
            fd.as_raw_fd(),
            level,
            name,
            (&raw const value).cast(),
            size_of::<T>() as libc::socklen_t,
        )
    };
    (result == 0).then_some(())
}

/// One message of a datagram.
#[derive(Debug, PartialEq, Eq)]
struct Message<'a> {
    kind: u16,
    flags: u16,
    sequence: u32,
    payload: &'a [u8],
}

/// Splits a datagram into its messages; a wrong length ends it with an error.
fn messages(mut rest: &[u8]) -> impl Iterator<Item = Result<Message<'_>, NetlinkError>> {
    std::iter::from_fn(move || {
        if rest.is_empty() {
            return None;
        }
        let message = split_message(&mut rest);
        if message.is_none() {
            rest = &[];
        }
        Some(message.ok_or(NetlinkError::Malformed))
    })
}

fn split_message<'a>(rest: &mut &'a [u8]) -> Option<Message<'a>> {
    let bytes: &'a [u8] = rest;
    let header: &[u8; HEADER] = bytes.first_chunk()?;
    let [l0, l1, l2, l3, k0, k1, f0, f1, s0, s1, s2, s3, ..] = *header;
    let length = usize::try_from(u32::from_ne_bytes([l0, l1, l2, l3])).ok()?;
    let payload = bytes.get(HEADER..length)?;
    *rest = bytes.get(length.next_multiple_of(4)..).unwrap_or(&[]);
    Some(Message {
        kind: u16::from_ne_bytes([k0, k1]),
        flags: u16::from_ne_bytes([f0, f1]),
        sequence: u32::from_ne_bytes([s0, s1, s2, s3]),
        payload,
    })
}

/// Reads the (negative or zero) errno at the front of an error or end message.
fn verdict(payload: &[u8]) -> Option<i32> {
    payload.first_chunk().map(|code| i32::from_ne_bytes(*code))
}

fn refused(code: i32, message: &Message<'_>) -> NetlinkError {
    // nlmsgerr repeats the request's header; a dump's end does not (and it has no such flag).
    let attributes = match message.kind {
        NLMSG_ERROR => message.payload.get(4 + HEADER..),
        _ => message.payload.get(4..),
    };
    let told = message.flags & NLM_F_ACK_TLVS != 0 && message.kind == NLMSG_ERROR
        || message.flags & NLM_F_MULTI != 0;
    NetlinkError::Refused {
        errno: Errno::from_raw(code.wrapping_neg()),
        message: attributes.filter(|_| told).and_then(kernel_words),
    }
}

/// Finds the kernel's message among the attributes of an extended acknowledgement.
fn kernel_words(mut rest: &[u8]) -> Option<String> {
    loop {
        let [l0, l1, t0, t1] = *rest.first_chunk()?;
        let length = usize::from(u16::from_ne_bytes([l0, l1]));
        let value = rest.get(4..length)?;
        if u16::from_ne_bytes([t0, t1]) == NLMSGERR_ATTR_MSG {
            let text = value.split(|byte| *byte == 0).next()?;
            return Some(String::from_utf8_lossy(text).into_owned());
        }
        rest = rest.get(length.next_multiple_of(4)..)?;
    }
}

#[cfg(test)]
mod tests {
    use netlink_bindings::{nftables, rt_link, rt_route};
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_dump_of_links_names_loopback() {
        let request = rt_link::Request::new().op_getlink_dump(&Default::default());
        let replies = Netlink::ask(&request).unwrap();
        let names: Vec<String> = replies
            .messages
            .iter()
            .filter_map(|(_, bytes)| {
                let (_, attributes) = rt_link::OpGetlinkDump::decode_reply(bytes);
                Some(attributes.get_ifname().ok()?.to_string_lossy().into_owned())
            })
            .collect();
        assert!(names.contains(&"lo".to_owned()), "{names:?}");
    }

    #[test]
    fn one_socket_answers_request_after_request_and_a_refusal_keeps_its_errno() {
        let mut socket = Netlink::open(libc::NETLINK_ROUTE as u16).unwrap();
        let loopback = rt_route::Rtmsg {
            rtm_family: libc::AF_INET as u8,
            rtm_dst_len: 32,
            ..Default::default()
        };
        for _ in 0..3 {
            let mut request = rt_route::Request::new().op_getroute_do(&loopback);
            request.encode().push_dst([127, 0, 0, 1].into());
            assert_eq!(socket.request(&request).unwrap().messages.len(), 1);
        }
        // 0xffff is no request of rtnetlink.
        let refused = socket.exchange(0xffff, 0, &[0; 16]).unwrap_err();
        assert_eq!(refused.errno(), Some(Errno::EOPNOTSUPP));
    }

    #[test]
    fn the_kernels_words_come_with_the_refusal() {
        let mut socket = Netlink::open(libc::NETLINK_ROUTE as u16).unwrap();
        // RTM_GETROUTE (26) with a header that is too short.
        let refused = socket.exchange(26, 0, &[2, 0]).unwrap_err();
        assert!(
            matches!(&refused, NetlinkError::Refused { errno: Errno::EINVAL, message: Some(words) }
                if words.contains("Invalid header")),
            "{refused:?}"
        );
    }

    #[test]
    fn a_missing_capability_becomes_a_reason_with_its_name() {
        let refused = NetlinkError::Refused { errno: Errno::EPERM, message: None };
        assert_eq!(
            refused.why("list nftables rules", "CAP_NET_ADMIN"),
            Why::NotPermitted {
                capability: "CAP_NET_ADMIN".to_owned(),
                operation: "list nftables rules".to_owned(),
            }
        );
    }

    #[test]
    fn the_codec_of_nftables_is_accepted() {
        let request = nftables::Request::new().op_gettable_dump(&Default::default());
        match Netlink::ask(&request) {
            Ok(_) => {}
            Err(error) => assert_eq!(error.errno(), Some(Errno::EPERM), "{error:?}"),
        }
    }

    proptest! {
        #[test]
        fn hostile_datagrams_never_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            for message in messages(&bytes).flatten() {
                let _ = refused(verdict(message.payload).unwrap_or(i32::MIN), &message);
            }
            let _ = kernel_words(&bytes);
        }
    }
}
