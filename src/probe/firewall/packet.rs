//! The packet in question: what is known of its headers and of what the kernel keeps with it.

use std::net::IpAddr;

use super::Direction;
use super::value::{Slot, slots};
use crate::wire::nft::{Family, Hook};

/// The source ports that a client's kernel may choose: everything that is no system port (RFC 6335).
pub(super) const CLIENT_PORTS: (u16, u16) = (1024, u16::MAX);
/// A TCP SYN.
pub(super) const SYN: u8 = 0x02;
/// A TCP SYN-ACK.
pub(super) const SYN_ACK: u8 = 0x12;

/// An interface.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Device {
    pub(super) name: String,
    pub(super) index: Option<u32>,
}

/// The packet in question.
#[derive(Debug, Clone)]
pub(super) struct Packet {
    pub(super) direction: Direction,
    pub(super) v6: bool,
    pub(super) source: Option<IpAddr>,
    pub(super) destination: Option<IpAddr>,
    pub(super) source_ports: (u16, u16),
    pub(super) destination_ports: (u16, u16),
    pub(super) flags: u8,
    /// The interface that it leaves by (output) or comes in by.
    pub(super) device: Option<Device>,
    /// Whether its source and destination are addresses of this machine.
    pub(super) local_source: Option<bool>,
    pub(super) local_destination: Option<bool>,
    /// Who sends it, where this machine does.
    pub(super) uid: Option<u32>,
    pub(super) gid: Option<u32>,
}

impl Packet {
    /// Lists the hooks that the packet passes, in order.
    pub(super) fn hooks(&self) -> &'static [Hook] {
        const OUT: [Hook; 3] = [Hook::Output, Hook::Postrouting, Hook::Egress];
        const IN: [Hook; 3] = [Hook::Ingress, Hook::Prerouting, Hook::Input];
        // What leaves by the loopback interface comes in by it at once.
        const ROUND: [Hook; 6] = [
            Hook::Output,
            Hook::Postrouting,
            Hook::Egress,
            Hook::Ingress,
            Hook::Prerouting,
            Hook::Input,
        ];
        match self.direction {
            Direction::Output if self.loopback() => &ROUND,
            Direction::Output | Direction::Answer => &OUT,
            Direction::Input | Direction::Reply => &IN,
        }
    }

    /// Says whether a family's chains see the packet.
    pub(super) fn passes(&self, family: Family) -> bool {
        match family {
            Family::Inet | Family::Netdev => true,
            Family::Ip => !self.v6,
            Family::Ip6 => self.v6,
            Family::Arp | Family::Bridge => false,
        }
    }

    /// Says whether the packet is the answer to a SYN.
    pub(super) fn answers(&self) -> bool {
        matches!(self.direction, Direction::Reply | Direction::Answer)
    }

    /// Says whether the packet stays on this machine.
    pub(super) fn loopback(&self) -> bool {
        self.device.as_ref().is_some_and(|device| device.name == "lo")
    }

    /// Returns the interface that the packet has entered by when it stands at a hook; `Some(None)`
    /// when there is none.
    pub(super) fn entered_by(&self, hook: Hook) -> Option<Option<&Device>> {
        if outgoing(hook) {
            return Some(None);
        }
        self.device.as_ref().map(Some)
    }

    /// Returns the interface that the packet will leave by, likewise.
    pub(super) fn leaves_by(&self, hook: Hook) -> Option<Option<&Device>> {
        if !outgoing(hook) {
            return Some(None);
        }
        self.device.as_ref().map(Some)
    }

    /// Forgets the destination: a rule changed it.
    pub(super) fn forget_destination(&mut self) {
        self.destination = None;
        self.destination_ports = (0, u16::MAX);
        self.local_destination = None;
    }

    /// Forgets the source: a rule changed it.
    pub(super) fn forget_source(&mut self) {
        self.source = None;
        self.source_ports = (0, u16::MAX);
        self.local_source = None;
    }

    /// Loads bytes of a header; `NFT_PAYLOAD_*` names the header.
    pub(super) fn payload(&self, base: u32, offset: u32, len: u32) -> Vec<Slot> {
        const NETWORK: u32 = 1;
        const TRANSPORT: u32 = 2;
        let fields = match (base, self.v6) {
            (NETWORK, false) => self.ipv4(),
            (NETWORK, true) => self.ipv6(),
            (TRANSPORT, _) => self.tcp(),
            _ => Vec::new(),
        };
        load(&fields, offset, len)
    }

    /// RFC 791, section 3.1. The kernel sets "don't fragment" on its own SYNs.
    fn ipv4(&self) -> Vec<Field> {
        let mut fields =
            vec![Field::known(0, &[0x45]), Field::known(6, &[0x40, 0]), Field::known(9, &[TCP])];
        fields.extend(address(12, self.source));
        fields.extend(address(16, self.destination));
        fields
    }

    /// RFC 8200, section 3.
    fn ipv6(&self) -> Vec<Field> {
        let mut fields = vec![Field::known(6, &[TCP])];
        fields.extend(address(8, self.source));
        fields.extend(address(24, self.destination));
        fields
    }

    /// RFC 9293, section 3.1.
    fn tcp(&self) -> Vec<Field> {
        vec![
            Field::ports(0, self.source_ports),
            Field::ports(2, self.destination_ports),
            Field::known(13, &[self.flags]),
            Field::known(18, &[0, 0]),
        ]
    }
}

/// Says whether a hook is on the way out.
pub(super) fn outgoing(hook: Hook) -> bool {
    matches!(hook, Hook::Output | Hook::Postrouting | Hook::Egress)
}

const TCP: u8 = 6;

/// Bytes of a header that are known, exactly or within bounds.
struct Field {
    offset: usize,
    low: Vec<u8>,
    high: Vec<u8>,
}

impl Field {
    fn known(offset: usize, bytes: &[u8]) -> Field {
        Field { offset, low: bytes.to_vec(), high: bytes.to_vec() }
    }

    fn ports(offset: usize, (low, high): (u16, u16)) -> Field {
        Field { offset, low: low.to_be_bytes().to_vec(), high: high.to_be_bytes().to_vec() }
    }
}

fn address(offset: usize, address: Option<IpAddr>) -> Option<Field> {
    Some(match address? {
        IpAddr::V4(v4) => Field::known(offset, &v4.octets()),
        IpAddr::V6(v6) => Field::known(offset, &v6.octets()),
    })
}

fn load(fields: &[Field], offset: u32, len: u32) -> Vec<Slot> {
    // The kernel's registers hold 64 bytes.
    let len = len.min(64) as usize;
    let offset = offset as usize;
    let (mut low, mut high) = (vec![0; len], vec![u8::MAX; len]);
    for field in fields {
        let exact = field.low == field.high;
        let whole = field.offset >= offset && field.offset + field.low.len() <= offset + len;
        // Bounds of a number say nothing of its parts.
        if !exact && !whole {
            continue;
        }
        for (at, (l, h)) in field.low.iter().zip(&field.high).enumerate() {
            let to = (field.offset + at).checked_sub(offset);
            if let Some(to) = to.filter(|to| *to < len) {
                low[to] = *l;
                high[to] = *h;
            }
        }
    }
    let pairs = low.chunks(4).zip(high.chunks(4));
    pairs.map(|(low, high)| Slot::between(low, high)).collect()
}

/// Splits a number in host order into slots, as the kernel stores it.
pub(super) fn host(number: u32) -> Vec<Slot> {
    slots(&number.to_ne_bytes())
}
