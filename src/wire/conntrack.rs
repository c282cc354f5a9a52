//! Entries of the connection tracking table as ctnetlink sends them
//! (`include/uapi/linux/netfilter/nfnetlink_conntrack.h`).

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// The message type of an entry and of the request for all: subsystem 1 (ctnetlink), message 0
/// (`IPCTNL_MSG_CT_NEW`) and 1 (`IPCTNL_MSG_CT_GET`).
pub const ENTRY: u16 = 0x100;
/// See [`ENTRY`].
pub const LIST: u16 = 0x101;
/// `struct nfgenmsg` of a request for all families.
pub const ALL_FAMILIES: [u8; 4] = [0; 4];

/// `IPS_SEEN_REPLY` and `IPS_ASSURED` of `enum ip_conntrack_status`.
const SEEN_REPLY: u32 = 1 << 1;
const ASSURED: u32 = 1 << 2;
/// The bits of an attribute's type that are no part of it (nested, network byte order).
const KIND: u16 = 0x3fff;

/// One end of a tracked packet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct End {
    /// Its address.
    pub address: IpAddr,
    /// Its port; `None` for protocols without ports.
    pub port: Option<u16>,
}

/// One entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Entry {
    /// The IP protocol number.
    pub protocol: u8,
    /// Where the first packet came from.
    pub from: End,
    /// Where it was sent to.
    pub to: End,
    /// Where replies come from: differs from `to` when the destination is translated.
    pub replies_from: Option<End>,
    /// The TCP state as the kernel numbers it; `None` for other protocols.
    pub tcp_state: Option<u8>,
    /// Whether a packet was seen in both directions.
    pub replied: bool,
    /// Whether the entry is kept when the table is full.
    pub assured: bool,
}

impl Entry {
    /// Reads one entry's message: `nfgenmsg`, then attributes. `None` when it has no tuple or is
    /// malformed.
    pub fn parse(message: &[u8]) -> Option<Entry> {
        let (mut tuple, mut reply, mut status, mut tcp_state) = (None, None, 0, None);
        for (kind, value) in attributes(message.get(4..)?) {
            match kind {
                1 => tuple = Tuple::parse(value),
                2 => reply = Tuple::parse(value),
                3 => status = u32::from_be_bytes(*value.first_chunk()?),
                // CTA_PROTOINFO, CTA_PROTOINFO_TCP, CTA_PROTOINFO_TCP_STATE.
                4 => tcp_state = inner(value, 1).and_then(|tcp| inner(tcp, 1)?.first().copied()),
                _ => {}
            }
        }
        let tuple = tuple?;
        Some(Entry {
            protocol: tuple.protocol,
            from: tuple.from,
            to: tuple.to,
            replies_from: reply.map(|reply| reply.from),
            tcp_state,
            replied: status & SEEN_REPLY != 0,
            assured: status & ASSURED != 0,
        })
    }

    /// Whether this end is where the entry's first packet was sent to, or where it arrives.
    pub fn is_to(&self, address: Option<IpAddr>, port: Option<u16>) -> bool {
        let fits = |end: &End| {
            address.is_none_or(|address| address == end.address)
                && port.is_none_or(|port| Some(port) == end.port)
        };
        fits(&self.to) || self.replies_from.as_ref().is_some_and(fits)
    }
}

/// Names a TCP state of connection tracking (`enum tcp_conntrack`).
pub fn tcp_state_name(state: u8) -> &'static str {
    const NAMES: [&str; 10] = [
        "NONE",
        "SYN_SENT",
        "SYN_RECV",
        "ESTABLISHED",
        "FIN_WAIT",
        "CLOSE_WAIT",
        "LAST_ACK",
        "TIME_WAIT",
        "CLOSE",
        "SYN_SENT2",
    ];
    NAMES.get(usize::from(state)).copied().unwrap_or("UNKNOWN")
}

/// Source, destination and protocol of one direction.
struct Tuple {
    protocol: u8,
    from: End,
    to: End,
}

impl Tuple {
    fn parse(bytes: &[u8]) -> Option<Tuple> {
        let (mut source, mut destination) = (None, None);
        let (mut protocol, mut from_port, mut to_port) = (None, None, None);
        for (kind, value) in attributes(bytes) {
            match kind {
                // CTA_TUPLE_IP
                1 => {
                    for (kind, value) in attributes(value) {
                        match kind {
                            1 | 3 => source = address(value),
                            2 | 4 => destination = address(value),
                            _ => {}
                        }
                    }
                }
                // CTA_TUPLE_PROTO
                2 => {
                    for (kind, value) in attributes(value) {
                        match kind {
                            1 => protocol = value.first().copied(),
                            2 => from_port = value.first_chunk().map(|b| u16::from_be_bytes(*b)),
                            3 => to_port = value.first_chunk().map(|b| u16::from_be_bytes(*b)),
                            _ => {}
                        }
                    }
                }
                _ => {}
            }
        }
        Some(Tuple {
            protocol: protocol?,
            from: End { address: source?, port: from_port },
            to: End { address: destination?, port: to_port },
        })
    }
}

fn address(bytes: &[u8]) -> Option<IpAddr> {
    if let Ok(bytes) = <[u8; 4]>::try_from(bytes) {
        return Some(Ipv4Addr::from(bytes).into());
    }
    Some(Ipv6Addr::from(<[u8; 16]>::try_from(bytes).ok()?).into())
}

fn inner(bytes: &[u8], wanted: u16) -> Option<&[u8]> {
    attributes(bytes).find(|(kind, _)| *kind == wanted).map(|(_, value)| value)
}

/// Splits netlink attributes; a wrong length ends them.
fn attributes(mut rest: &[u8]) -> impl Iterator<Item = (u16, &[u8])> {
    std::iter::from_fn(move || {
        let [l0, l1, k0, k1] = *rest.first_chunk()?;
        let length = usize::from(u16::from_ne_bytes([l0, l1]));
        let value = rest.get(4..length)?;
        rest = rest.get(length.next_multiple_of(4)..).unwrap_or(&[]);
        Some((u16::from_ne_bytes([k0, k1]) & KIND, value))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn attribute(kind: u16, value: &[u8]) -> Vec<u8> {
        let length = u16::try_from(4 + value.len()).expect("short");
        let mut bytes = [length.to_ne_bytes(), kind.to_ne_bytes()].concat();
        bytes.extend(value);
        bytes.resize(bytes.len().next_multiple_of(4), 0);
        bytes
    }

    fn tuple(from: [u8; 4], to: [u8; 4], ports: [u16; 2]) -> Vec<u8> {
        let ip = [attribute(1, &from), attribute(2, &to)].concat();
        let proto = [
            attribute(1, &[6]),
            attribute(2, &ports[0].to_be_bytes()),
            attribute(3, &ports[1].to_be_bytes()),
        ];
        [attribute(0x8001, &ip), attribute(0x8002, &proto.concat())].concat()
    }

    fn entry() -> Vec<u8> {
        let state = attribute(0x8001, &attribute(1, &[1]));
        [
            vec![2, 0, 0, 0],
            attribute(0x8001, &tuple([10, 0, 0, 1], [10, 0, 0, 2], [4000, 80])),
            attribute(0x8002, &tuple([10, 9, 9, 9], [10, 0, 0, 1], [8080, 4000])),
            attribute(3, &8u32.to_be_bytes()),
            attribute(0x8004, &state),
        ]
        .concat()
    }

    #[test]
    fn an_unanswered_translated_syn_is_read() {
        let entry = Entry::parse(&entry()).expect("an entry");
        assert_eq!(entry.from.address, IpAddr::from([10, 0, 0, 1]));
        assert_eq!((entry.from.port, entry.to.port), (Some(4000), Some(80)));
        assert_eq!(entry.tcp_state.map(tcp_state_name), Some("SYN_SENT"));
        assert!(!entry.replied && !entry.assured);
        assert!(entry.is_to(Some([10, 0, 0, 2].into()), Some(80)));
        assert!(entry.is_to(Some([10, 9, 9, 9].into()), None));
        assert!(!entry.is_to(Some([10, 0, 0, 2].into()), Some(81)));
        assert!(!entry.is_to(Some([10, 0, 0, 1].into()), None));
    }

    #[test]
    fn what_has_no_tuple_is_no_entry() {
        assert_eq!(Entry::parse(&[2, 0, 0, 0]), None);
        assert_eq!(Entry::parse(&[]), None);
        let bytes = entry();
        assert_eq!(Entry::parse(&bytes[..20]), None);
    }

    proptest! {
        #[test]
        fn hostile_bytes_never_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200), at in 0usize..150, byte: u8) {
            let _ = Entry::parse(&bytes);
            let mut near = entry();
            let at = at % near.len();
            near[at] = byte;
            let _ = Entry::parse(&near);
        }
    }
}
