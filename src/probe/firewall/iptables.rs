//! Matches and targets of iptables, applied to the packet.

use super::Direction;
use super::matching::{Fate, Step, ends};
use super::packet::outgoing;
use super::standing::{Standing, UNTRACKED, address_type};
use super::value::Tri;
use crate::wire::nft::xt::{Match, Target};

impl Standing {
    pub(super) fn xt_match(&self, found: &Match) -> Tri {
        let packet = &self.packet;
        match found {
            Match::Tcp { sports, dports, flag_mask, flag_set, inverted, option } => {
                let flags = Tri::of(packet.flags & flag_mask == *flag_set);
                let option = if *option == 0 { Tri::Yes } else { Tri::Maybe };
                (inside(packet.source_ports, *sports).xor(inverted & 1 != 0))
                    .and(inside(packet.destination_ports, *dports).xor(inverted & 2 != 0))
                    .and(flags.xor(inverted & 4 != 0))
                    .and(option)
            }
            Match::OtherProtocol(_) => Tri::No,
            Match::Multiport { source, destination, ports, inverted } => {
                let any = |wanted: bool, value| match wanted {
                    true => {
                        (ports.iter()).fold(Tri::No, |sum, range| sum.or(inside(value, *range)))
                    }
                    false => Tri::No,
                };
                any(*source, packet.source_ports)
                    .or(any(*destination, packet.destination_ports))
                    .xor(*inverted)
            }
            Match::State { mask, inverted } => self.xt_state(*mask).xor(*inverted),
            Match::Comment(_) => Tri::Yes,
            Match::Mark { mark, mask, inverted } => match self.mark {
                Some(value) => Tri::of(value & mask == *mark).xor(*inverted),
                None => Tri::Maybe,
            },
            Match::Owner { uid, gid } => {
                self.xt_owner(packet.uid, *uid).and(self.xt_owner(packet.gid, *gid))
            }
            Match::AddrType { source, destination, source_inverted, destination_inverted } => {
                of_type(packet.local_source, *source).xor(*source_inverted && *source != 0).and(
                    of_type(packet.local_destination, *destination)
                        .xor(*destination_inverted && *destination != 0),
                )
            }
            Match::Opaque(_) => Tri::Maybe,
        }
    }

    /// `XT_CONNTRACK_STATE_*`: as `NF_CT_STATE_*` but for two bits of address translation and the
    /// untracked one.
    fn xt_state(&self, mask: u16) -> Tri {
        const TRANSLATED: u16 = 1 << 6 | 1 << 7;
        const XT_UNTRACKED: u16 = 1 << 8;
        let bit = match self.state() {
            None => return Tri::Maybe,
            Some(UNTRACKED) => u32::from(XT_UNTRACKED),
            Some(state) => state,
        };
        if u32::from(mask) & bit != 0 {
            Tri::Yes
        } else if mask & TRANSLATED != 0 {
            Tri::Maybe
        } else {
            Tri::No
        }
    }

    fn xt_owner(&self, id: Option<u32>, wanted: Option<((u32, u32), bool)>) -> Tri {
        let Some(((low, high), inverted)) = wanted else {
            return Tri::Yes;
        };
        match (outgoing(self.hook), id) {
            (true, Some(id)) => Tri::of((low..=high).contains(&id)).xor(inverted),
            // Without a socket nobody is the owner.
            (false, _) if self.packet.direction != Direction::Reply => Tri::of(inverted),
            _ => Tri::Maybe,
        }
    }

    pub(super) fn xt_target(&mut self, target: &Target) -> Step {
        match target {
            Target::Reject(_) => ends(Fate::Reject),
            Target::Passive(_) => Step::Goes(Tri::Yes),
            Target::Nat(_, changes) => ends(self.translated(*changes)),
            Target::Mark => {
                self.mark = None;
                Step::Goes(Tri::Yes)
            }
            Target::Track(_) => {
                self.untracked = Tri::Maybe;
                Step::Goes(Tri::Yes)
            }
            Target::Opaque(_) => ends(Fate::Unknown),
        }
    }
}

/// Does a number between bounds lie in a range?
fn inside((low, high): (u16, u16), (from, to): (u16, u16)) -> Tri {
    if from <= low && high <= to {
        Tri::Yes
    } else if high < from || to < low {
        Tri::No
    } else {
        Tri::Maybe
    }
}

/// Does an address have one of the types (`1 << RTN_*`; 0 for any)?
fn of_type(local: Option<bool>, types: u16) -> Tri {
    match local {
        _ if types == 0 => Tri::Yes,
        Some(local) => Tri::of(u32::from(types) >> address_type(local) & 1 == 1),
        None => Tri::Maybe,
    }
}
