//! Where the packet stands: what the kernel would tell a rule about it there.

use super::Direction;
use super::matching::Fate;
use super::packet::{Device, Packet, host, outgoing};
use super::value::{Slot, Tri, slots};
use crate::wire::nft::{Hook, Nat, Source};

/// Before this priority connection tracking has not seen the packet (`NF_IP_PRI_CONNTRACK`).
const CONNTRACK: i32 = -200;
/// `NF_CT_STATE_*` bits.
const INVALID: u32 = 1;
const ESTABLISHED: u32 = 1 << 1;
const NEW: u32 = 1 << 3;
pub(super) const UNTRACKED: u32 = 1 << 6;

/// Where the packet stands and what the rules so far made of it.
#[derive(Debug, Clone)]
pub(super) struct Standing {
    pub(super) packet: Packet,
    pub(super) hook: Hook,
    pub(super) priority: i32,
    /// Its mark, where known.
    pub(super) mark: Option<u32>,
    /// Its connection's mark, where known.
    ct_mark: Option<u32>,
    /// Whether a rule took it out of connection tracking.
    pub(super) untracked: Tri,
}

impl Standing {
    pub(super) fn new(packet: Packet) -> Standing {
        let fresh = !packet.answers();
        Standing {
            packet,
            hook: Hook::Output,
            priority: 0,
            mark: Some(0),
            ct_mark: fresh.then_some(0),
            untracked: Tri::No,
        }
    }

    /// Loads a value; `None` when the kernel has none and ends the rule.
    pub(super) fn load(&self, source: Source) -> Option<Vec<Slot>> {
        match source {
            Source::Payload { base, offset, len } => Some(self.packet.payload(base, offset, len)),
            Source::Meta(key) => self.meta(key),
            Source::Ct(key) => self.ct(key),
            Source::Fib { flags, result } => Some(self.fib(flags, result)),
        }
    }

    /// `enum nft_meta_keys`.
    pub(super) fn meta(&self, key: u32) -> Option<Vec<Slot>> {
        let packet = &self.packet;
        let ethertype: u16 = if packet.v6 { 0x86dd } else { 0x0800 };
        Some(match key {
            1 => slots(&ethertype.to_be_bytes()),
            3 => known(self.mark),
            4 => index(packet.entered_by(self.hook)),
            5 => index(packet.leaves_by(self.hook)),
            6 => name(packet.entered_by(self.hook)),
            7 => name(packet.leaves_by(self.hook)),
            10 => self.owner(packet.uid)?,
            11 => self.owner(packet.gid)?,
            12 | 25 => slots(&[0]),
            15 => slots(&[if packet.v6 { 10 } else { 2 }]),
            16 => slots(&[6]),
            19 if !outgoing(self.hook) && packet.direction != Direction::Output => slots(&[0]),
            _ => unknown(),
        })
    }

    /// Who owns the socket; only packets that a socket sends have one. An answer may be given to its
    /// socket before the input hook (early demultiplexing).
    pub(super) fn owner(&self, id: Option<u32>) -> Option<Vec<Slot>> {
        match (outgoing(self.hook), self.packet.direction) {
            (true, _) => Some(known(id)),
            (false, Direction::Reply) => Some(unknown()),
            (false, _) => None,
        }
    }

    /// `enum nft_ct_keys`.
    pub(super) fn ct(&self, key: u32) -> Option<Vec<Slot>> {
        if key == 0 {
            return Some(known(self.state()));
        }
        let tracked = match self.state() {
            Some(state) if state & (INVALID | UNTRACKED) != 0 => return None,
            Some(_) => true,
            None => false,
        };
        Some(match key {
            1 if tracked => slots(&[u8::from(self.packet.answers())]),
            3 if tracked => known(self.ct_mark),
            7 if tracked => slots(&[if self.packet.v6 { 10 } else { 2 }]),
            10 if tracked => slots(&[6]),
            _ => unknown(),
        })
    }

    /// The state of the connection as one of the `NF_CT_STATE_*` bits; `None` when it cannot be told.
    pub(super) fn state(&self) -> Option<u32> {
        let early = matches!(self.hook, Hook::Prerouting | Hook::Output);
        match (self.hook, self.untracked) {
            (_, Tri::Maybe) | (Hook::Egress, _) => None,
            (_, Tri::Yes) => Some(UNTRACKED),
            (Hook::Ingress, _) => Some(INVALID),
            _ if early && self.priority < CONNTRACK => Some(INVALID),
            _ if self.packet.answers() => Some(ESTABLISHED),
            _ => Some(NEW),
        }
    }

    pub(super) fn fib(&self, asked: u32, result: u32) -> Vec<Slot> {
        const SOURCE: u32 = 1;
        const DESTINATION: u32 = 2;
        const MARK: u32 = 4;
        const IIF: u32 = 8;
        const OUTPUT_INTERFACE: u32 = 1;
        const ADDRESS_TYPE: u32 = 3;
        const PRESENT: u32 = 32;
        match (result, asked & !(MARK | PRESENT)) {
            (ADDRESS_TYPE, SOURCE) => known(self.packet.local_source.map(address_type)),
            (ADDRESS_TYPE, DESTINATION) => known(self.packet.local_destination.map(address_type)),
            // The way back: an answer comes in where our route to its sender leaves.
            (OUTPUT_INTERFACE, flags)
                if flags == SOURCE | IIF && self.packet.direction == Direction::Reply =>
            {
                match asked & PRESENT {
                    0 => index(self.packet.entered_by(self.hook)),
                    _ => slots(&[1]),
                }
            }
            _ => unknown(),
        }
    }

    pub(super) fn store(&mut self, target: Source, value: Option<Slot>, certain: bool) {
        let value = value.and_then(Slot::known).filter(|_| certain);
        // Registers hold host order as bytes.
        let value = value.map(|bytes| u32::from_ne_bytes(bytes.to_be_bytes()));
        match target {
            Source::Meta(3) => self.mark = value,
            Source::Ct(3) => match self.state() {
                // Without a connection there is nothing to write to.
                Some(INVALID | UNTRACKED) => {}
                Some(_) => self.ct_mark = value,
                None => self.ct_mark = None,
            },
            Source::Payload { .. } => {
                self.packet.forget_destination();
                self.packet.forget_source();
            }
            _ => {}
        }
    }

    /// Says what a translation makes of the packet.
    pub(super) fn translated(&mut self, changes: Nat) -> Fate {
        match changes {
            Nat::Source => self.packet.forget_source(),
            // The question is about a port of this machine, and the packet is for another now.
            Nat::Destination if self.packet.direction == Direction::Input => return Fate::Divert,
            Nat::Destination => self.packet.forget_destination(),
        }
        Fate::Accept
    }
}

/// `RTN_LOCAL` or `RTN_UNICAST`.
pub(super) fn address_type(local: bool) -> u32 {
    if local { 2 } else { 1 }
}

fn index(device: Option<Option<&Device>>) -> Vec<Slot> {
    match device {
        Some(None) => host(0),
        Some(Some(device)) => known(device.index),
        None => unknown(),
    }
}

/// `IFNAMSIZ` bytes, padded with zeros.
fn name(device: Option<Option<&Device>>) -> Vec<Slot> {
    let name = match device {
        Some(None) => "",
        Some(Some(device)) => device.name.as_str(),
        None => return unknown(),
    };
    let mut bytes = name.as_bytes().to_vec();
    bytes.resize(16, 0);
    slots(&bytes)
}

fn known(number: Option<u32>) -> Vec<Slot> {
    number.map_or_else(unknown, host)
}

pub(super) fn unknown() -> Vec<Slot> {
    vec![Slot::ANY; 4]
}
