//! The messages of sock_diag for TCP sockets (`include/uapi/linux/inet_diag.h`): the request, and a
//! view of an answer that copies nothing.
//!
//! The layouts are taken from the kernel's header, not from a generated codec.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

/// `SOCK_DIAG_BY_FAMILY`, the type of a request and of its answers.
pub const SOCK_DIAG_BY_FAMILY: u16 = 20;
/// `TCPDIAG_GETSOCK`, the older request: it lists IPv4 and IPv6 in one walk over all sockets, which
/// takes half the time.
pub const TCPDIAG_GETSOCK: u16 = 18;
/// Length of `struct inet_diag_msg`.
const MESSAGE: usize = 72;
/// Length of `struct inet_diag_req_v2`.
const REQUEST: usize = 56;
/// The attribute that holds a filter program.
const REQ_BYTECODE: u16 = 1;
/// `INET_DIAG_BC_D_COND`: compares the remote address.
const BC_D_COND: u8 = 8;
const AF_INET: u8 = 2;
const AF_INET6: u8 = 10;
const TCP: u8 = 6;

/// Attribute numbers of an answer.
pub mod attribute {
    /// `struct tcp_info`, as long as the kernel knows it.
    pub const INFO: u16 = 2;
    /// `u32` counters of buffer memory, see `SK_MEMINFO_*`.
    pub const SKMEMINFO: u16 = 7;
    /// Whether an IPv6 listener refuses IPv4 (`IPV6_V6ONLY`); listening and closed sockets only.
    pub const SKV6ONLY: u16 = 11;
    /// The id of the cgroup in which the socket was made: the inode number of its directory.
    pub const CGROUP_ID: u16 = 21;
}

/// The bits of `idiag_ext` for `struct tcp_info` and the buffer memory.
const DETAILS: u8 = 1 << (attribute::INFO - 1) | 1 << (attribute::SKMEMINFO - 1);

/// TCP states as the kernel numbers them (`include/net/tcp_states.h`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum State {
    /// Open in both directions.
    Established = 1,
    /// Our SYN is not answered yet.
    SynSent,
    /// A SYN was answered, the last part of the handshake is missing.
    SynRecv,
    /// Closed here, the FIN is not acknowledged yet.
    FinWait1,
    /// Closed here and acknowledged; the peer has not closed.
    FinWait2,
    /// Closed on both sides; kept for 60 s to catch stray segments.
    TimeWait,
    /// Not connected.
    Close,
    /// The peer closed; the application here has not.
    CloseWait,
    /// Closed here after the peer did; the FIN is not acknowledged yet.
    LastAck,
    /// Waiting for connections.
    Listen,
    /// Closed on both sides at once, not acknowledged yet.
    Closing,
}

impl State {
    /// Every state, in the kernel's order.
    pub const ALL: [State; 11] = [
        State::Established,
        State::SynSent,
        State::SynRecv,
        State::FinWait1,
        State::FinWait2,
        State::TimeWait,
        State::Close,
        State::CloseWait,
        State::LastAck,
        State::Listen,
        State::Closing,
    ];

    /// Reads the kernel's number. 12 (`TCP_NEW_SYN_RECV`) is told as [`State::SynRecv`].
    pub fn of(number: u8) -> Option<State> {
        match number {
            12 => Some(State::SynRecv),
            number => State::ALL.get(usize::from(number).checked_sub(1)?).copied(),
        }
    }

    /// The bit of this state in a request.
    pub fn bit(self) -> u32 {
        1 << self as u8
    }

    /// The state's name, for example `close_wait`.
    pub fn name(self) -> &'static str {
        match self {
            State::Established => "established",
            State::SynSent => "syn_sent",
            State::SynRecv => "syn_recv",
            State::FinWait1 => "fin_wait1",
            State::FinWait2 => "fin_wait2",
            State::TimeWait => "time_wait",
            State::Close => "close",
            State::CloseWait => "close_wait",
            State::LastAck => "last_ack",
            State::Listen => "listen",
            State::Closing => "closing",
        }
    }
}

/// Which TCP sockets to list; the kernel does the choosing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Query {
    /// The bits of the states wanted, see [`State::bit`].
    pub states: u32,
    /// The local port; `None` is any.
    pub local_port: Option<u16>,
    /// The remote port; `None` is any.
    pub peer_port: Option<u16>,
    /// The remote address; `None` is any.
    pub peer: Option<IpAddr>,
    /// Whether `struct tcp_info` and the buffer memory are wanted: about four times the bytes.
    pub detailed: bool,
}

impl Query {
    /// All sockets, without details. Numbers 1 to 12; 13 would be sockets that are bound and do nothing,
    /// which Linux 6.8 and later list whatever port is asked for.
    pub const ALL: Query =
        Query { states: 0x1ffe, local_port: None, peer_port: None, peer: None, detailed: false };

    /// The payload of the request for one family (`struct inet_diag_req_v2`).
    pub fn encode(&self, v6: bool) -> Vec<u8> {
        let mut request = Vec::with_capacity(REQUEST + 40);
        request.extend([if v6 { AF_INET6 } else { AF_INET }, TCP, self.extensions(), 0]);
        request.extend(self.states.to_ne_bytes());
        self.append_id(&mut request);
        self.append_filter(&mut request);
        request
    }

    /// The payload of the older request, for both families (`struct inet_diag_req`).
    pub fn encode_both(&self) -> Vec<u8> {
        let mut request = Vec::with_capacity(REQUEST + 44);
        request.extend([0, 0, 0, self.extensions()]);
        self.append_id(&mut request);
        request.extend(self.states.to_ne_bytes());
        request.extend([0; 4]);
        self.append_filter(&mut request);
        request
    }

    fn extensions(&self) -> u8 {
        if self.detailed { DETAILS } else { 0 }
    }

    /// `struct inet_diag_sockid` with the ports, and no cookie.
    fn append_id(&self, request: &mut Vec<u8>) {
        request.extend(self.local_port.unwrap_or(0).to_be_bytes());
        request.extend(self.peer_port.unwrap_or(0).to_be_bytes());
        request.extend([0; 36]);
        // INET_DIAG_NOCOOKIE
        request.extend([0xff; 8]);
    }

    fn append_filter(&self, request: &mut Vec<u8>) {
        if let Some(peer) = self.peer {
            append_peer(request, peer);
        }
    }
}

/// What names one socket for good: family, addresses, ports, interface and cookie.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Identity {
    family: u8,
    id: [u8; 48],
}

impl Identity {
    /// The payload of a request for this socket alone, with its details.
    pub fn encode(&self) -> Vec<u8> {
        let mut request = vec![self.family, TCP, DETAILS, 0];
        request.extend(u32::MAX.to_ne_bytes());
        request.extend(self.id);
        request
    }
}

/// Appends a filter program of one comparison: the remote address, any port.
///
/// The kernel compares an IPv4 address with the IPv4-mapped addresses of IPv6 sockets too
/// (`inet_diag_bc_run`).
fn append_peer(request: &mut Vec<u8>, peer: IpAddr) {
    let (family, address) = match peer.to_canonical() {
        IpAddr::V4(address) => (AF_INET, address.octets().to_vec()),
        IpAddr::V6(address) => (AF_INET6, address.octets().to_vec()),
    };
    // struct inet_diag_bc_op and struct inet_diag_hostcond; a jump past the end by 4 means no.
    let length = 4 + 8 + address.len();
    let attribute = u16::try_from(4 + length).unwrap_or(u16::MAX);
    request.extend(attribute.to_ne_bytes());
    request.extend(REQ_BYTECODE.to_ne_bytes());
    request.extend([BC_D_COND, u8::try_from(length).unwrap_or(u8::MAX)]);
    request.extend(u16::try_from(length + 4).unwrap_or(u16::MAX).to_ne_bytes());
    let bits = u8::try_from(address.len() * 8).unwrap_or(u8::MAX);
    request.extend([family, bits, 0, 0]);
    request.extend((-1i32).to_ne_bytes());
    request.extend(address);
}

/// One socket, as an answer holds it.
#[derive(Debug, Clone, Copy)]
pub struct Entry<'a> {
    fixed: &'a [u8; MESSAGE],
    attributes: &'a [u8],
}

impl<'a> Entry<'a> {
    /// Reads the payload of an answer; `None` if it is too short or of another family.
    pub fn parse(payload: &'a [u8]) -> Option<Entry<'a>> {
        let (fixed, attributes) = payload.split_first_chunk::<MESSAGE>()?;
        matches!(fixed[0], AF_INET | AF_INET6).then_some(Entry { fixed, attributes })
    }

    /// Whether it is an IPv6 socket; its addresses may still be IPv4, see [`Entry::local`].
    pub fn is_v6(&self) -> bool {
        self.fixed[0] == AF_INET6
    }

    /// The state; `None` for a number that no kernel of today has.
    pub fn state(&self) -> Option<State> {
        State::of(self.fixed[1])
    }

    /// The running timer: 0 none, 1 retransmission, 2 keepalive, 3 TIME_WAIT, 4 zero-window probe.
    pub fn timer(&self) -> u8 {
        self.fixed[2]
    }

    /// Time-outs in a row of what the timer stands for.
    pub fn retransmits(&self) -> u8 {
        self.fixed[3]
    }

    /// The local address and port; an IPv4-mapped address is told as IPv4.
    pub fn local(&self) -> SocketAddr {
        self.address(4, 8)
    }

    /// The remote address and port; an IPv4-mapped address is told as IPv4.
    pub fn peer(&self) -> SocketAddr {
        self.address(6, 24)
    }

    /// The index of the interface to which the socket is bound; 0 is none.
    pub fn interface(&self) -> u32 {
        self.u32_at(40)
    }

    /// The kernel's unique number of the socket.
    pub fn cookie(&self) -> u64 {
        u64::from(self.u32_at(44)) | u64::from(self.u32_at(48)) << 32
    }

    /// What names this socket for good.
    pub fn identity(&self) -> Identity {
        let mut id = [0; 48];
        id.copy_from_slice(&self.fixed[4..52]);
        Identity { family: self.fixed[0], id }
    }

    /// How long until the timer ends, in milliseconds.
    pub fn expires_ms(&self) -> u32 {
        self.u32_at(52)
    }

    /// Bytes that the application has not read; for a listener the connections not accepted.
    pub fn receive_queue(&self) -> u32 {
        self.u32_at(56)
    }

    /// Bytes that the peer has not acknowledged; for a listener the limit of its accept queue.
    pub fn send_queue(&self) -> u32 {
        self.u32_at(60)
    }

    /// The user that owns the socket; 0 as well for a socket that no process holds.
    pub fn uid(&self) -> u32 {
        self.u32_at(64)
    }

    /// The socket's inode; 0 for one that no process holds (not accepted yet, or closed).
    pub fn inode(&self) -> u32 {
        self.u32_at(68)
    }

    /// The bytes of an attribute, see [`attribute`].
    pub fn attribute(&self, wanted: u16) -> Option<&'a [u8]> {
        let mut rest = self.attributes;
        loop {
            let [l0, l1, t0, t1] = *rest.first_chunk()?;
            let length = usize::from(u16::from_ne_bytes([l0, l1]));
            let value = rest.get(4..length)?;
            if u16::from_ne_bytes([t0, t1]) == wanted {
                return Some(value);
            }
            rest = rest.get(length.next_multiple_of(4)..)?;
        }
    }

    /// Whether an IPv6 listener refuses IPv4; `None` for other sockets and kernels before 4.3.
    pub fn v6_only(&self) -> Option<bool> {
        Some(*self.attribute(attribute::SKV6ONLY)?.first()? != 0)
    }

    /// The id of the cgroup in which the socket was made; `None` on kernels before 5.8 or without
    /// cgroup v2.
    pub fn cgroup(&self) -> Option<u64> {
        Some(u64::from_ne_bytes(self.attribute(attribute::CGROUP_ID)?.try_into().ok()?))
    }

    /// What the socket dropped since it was made (`SK_MEMINFO_DROPS`); for a listener the SYNs and
    /// handshakes that it had no room for. `None` when no details were asked for, and on kernels
    /// before 4.7.
    pub fn drops(&self) -> Option<u32> {
        let memory = self.attribute(attribute::SKMEMINFO)?;
        Some(u32::from_ne_bytes(*memory.get(8 * 4..)?.first_chunk()?))
    }

    fn address(&self, port: usize, at: usize) -> SocketAddr {
        let number = u16::from_be_bytes([self.fixed[port], self.fixed[port + 1]]);
        let mut bytes = [0; 16];
        bytes.copy_from_slice(&self.fixed[at..at + 16]);
        let [a, b, c, d, ..] = bytes;
        let ip = match self.fixed[0] {
            AF_INET6 => IpAddr::V6(Ipv6Addr::from(bytes)).to_canonical(),
            _ => IpAddr::V4(Ipv4Addr::new(a, b, c, d)),
        };
        SocketAddr::new(ip, number)
    }

    fn u32_at(&self, at: usize) -> u32 {
        let f = self.fixed;
        u32::from_ne_bytes([f[at], f[at + 1], f[at + 2], f[at + 3]])
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn message(family: u8, state: u8, attributes: &[u8]) -> Vec<u8> {
        let mut bytes = vec![0; MESSAGE];
        bytes[0] = family;
        bytes[1] = state;
        bytes[4..6].copy_from_slice(&8080u16.to_be_bytes());
        bytes.extend(attributes);
        bytes
    }

    #[test]
    fn a_request_has_the_layout_of_the_header_file() {
        let query = Query { local_port: Some(443), ..Query::ALL };
        let bytes = query.encode(true);
        assert_eq!(bytes.len(), REQUEST);
        assert_eq!(bytes[..4], [AF_INET6, TCP, 0, 0]);
        assert_eq!(bytes[8..10], 443u16.to_be_bytes());
        assert_eq!(bytes[48..], [0xff; 8]);
        let both = query.encode_both();
        assert_eq!((both.len(), &both[4..52]), (REQUEST + 4, &bytes[8..56]));
        assert_eq!(both[52..56], 0x1ffe_u32.to_ne_bytes());
    }

    #[test]
    fn a_filter_program_is_as_long_as_it_says() {
        for (peer, length) in [("192.0.2.1", 16), ("2001:db8::1", 28)] {
            let query = Query { peer: peer.parse().ok(), ..Query::ALL };
            let bytes = query.encode(false);
            let program = &bytes[REQUEST..];
            assert_eq!(program.len(), 4 + length);
            assert_eq!(u16::from_ne_bytes([program[0], program[1]]), 4 + length as u16);
            assert_eq!(usize::from(program[5]), length);
        }
    }

    #[test]
    fn an_ipv4_mapped_address_is_told_as_ipv4() {
        let mut bytes = message(AF_INET6, 1, &[]);
        bytes[8..24].copy_from_slice(&"::ffff:192.0.2.7".parse::<Ipv6Addr>().unwrap().octets());
        let entry = Entry::parse(&bytes).unwrap();
        assert_eq!(entry.local().to_string(), "192.0.2.7:8080");
        assert!(entry.is_v6());
    }

    #[test]
    fn attributes_are_found_behind_others_and_missing_ones_are_unknown() {
        let attributes = [5, 0, 8, 0, 7, 0, 0, 0, 5, 0, 11, 0, 1, 0, 0, 0];
        let bytes = message(AF_INET6, 10, &attributes);
        let entry = Entry::parse(&bytes).unwrap();
        assert_eq!(entry.v6_only(), Some(true));
        assert_eq!(entry.cgroup(), None);
        assert_eq!(entry.state(), Some(State::Listen));
    }

    #[test]
    fn states_have_the_kernels_numbers() {
        assert_eq!(State::of(8), Some(State::CloseWait));
        assert_eq!(State::of(12), Some(State::SynRecv));
        assert_eq!((State::of(0), State::of(13)), (None, None));
        assert_eq!(State::Listen.bit(), 1 << 10);
        for state in State::ALL {
            assert_eq!(State::of(state as u8), Some(state));
        }
    }

    proptest! {
        #[test]
        fn any_bytes_parse(bytes in proptest::collection::vec(any::<u8>(), 0..300), family in 0u8..12) {
            let mut bytes = bytes;
            if let Some(first) = bytes.first_mut() {
                *first = family;
            }
            if let Some(entry) = Entry::parse(&bytes) {
                prop_assert!(bytes.len() >= MESSAGE);
                let _ = (entry.state(), entry.local(), entry.peer(), entry.cookie(), entry.v6_only());
                let _ = (entry.cgroup(), entry.attribute(attribute::INFO), entry.inode());
            }
        }
    }
}
