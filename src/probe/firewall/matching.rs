//! Does one rule match the packet, and what does it say then?

use super::Direction;
use super::packet::{Device, Packet, host, outgoing};
use super::value::{Compared, Registers, Slot, Tri, slots};
use crate::wire::nft::xt::{Match, Target};
use crate::wire::nft::{
    CmpOp, Element, Expr, Hook, Key, Nat, Rule, Ruleset, Set, Source, Value, Verdict,
};

/// Before this priority connection tracking has not seen the packet (`NF_IP_PRI_CONNTRACK`).
const CONNTRACK: i32 = -200;
/// `NF_CT_STATE_*` bits.
const INVALID: u32 = 1;
const ESTABLISHED: u32 = 1 << 1;
const NEW: u32 = 1 << 3;
const UNTRACKED: u32 = 1 << 6;

/// Where the packet stands and what the rules so far made of it.
#[derive(Debug, Clone)]
pub(super) struct Standing {
    pub(super) packet: Packet,
    pub(super) hook: Hook,
    pub(super) priority: i32,
    /// Its mark, where known.
    mark: Option<u32>,
    /// Its connection's mark, where known.
    ct_mark: Option<u32>,
    /// Whether a rule took it out of connection tracking.
    untracked: Tri,
}

/// What a rule says of the packet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Fate {
    Accept,
    Drop,
    Reject,
    /// Something that this program cannot follow: a queue, an unknown target.
    Unknown,
    Next,
    Jump(String),
    Goto(String),
    Return,
}

/// A rule that matches, or may.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Fires {
    /// Whether it surely matches, with one fate.
    pub(super) certain: bool,
    /// Its possible fates.
    pub(super) fates: Vec<Fate>,
}

/// What one expression does to its rule.
enum Step {
    Goes(Tri),
    Ends(Vec<Fate>, Tri),
}

impl Standing {
    pub(super) fn new(packet: Packet) -> Standing {
        let fresh = packet.direction != Direction::Reply;
        Standing {
            packet,
            hook: Hook::Output,
            priority: 0,
            mark: Some(0),
            ct_mark: fresh.then_some(0),
            untracked: Tri::No,
        }
    }

    /// Evaluates a rule; `None` when it does not match. `sure` says whether the packet surely
    /// reaches it: what it changes is only then known afterwards.
    pub(super) fn fires(&mut self, rules: &Ruleset, rule: &Rule, sure: bool) -> Option<Fires> {
        let mut registers = Registers::new();
        let mut matches = Tri::Yes;
        for expr in &rule.exprs {
            let certain = sure && matches == Tri::Yes;
            match self.step(rules, rule, expr, &mut registers, certain) {
                Step::Goes(goes) => matches = matches.and(goes),
                Step::Ends(fates, goes) => {
                    matches = matches.and(goes);
                    let certain = matches == Tri::Yes && fates.len() == 1;
                    return (matches != Tri::No).then_some(Fires { certain, fates });
                }
            }
            if matches == Tri::No {
                return None;
            }
        }
        None
    }

    fn step(
        &mut self,
        rules: &Ruleset,
        rule: &Rule,
        expr: &Expr,
        registers: &mut Registers,
        certain: bool,
    ) -> Step {
        match expr {
            Expr::Load { dreg, source } => match self.load(*source) {
                Some(value) => {
                    registers.write(*dreg, &value);
                    Step::Goes(Tri::Yes)
                }
                None => Step::Goes(Tri::No),
            },
            Expr::Store { sreg, target } => {
                self.store(*target, registers.read(*sreg, 4).first().copied(), certain);
                Step::Goes(Tri::Yes)
            }
            Expr::Constant { dreg, data } => {
                registers.write(*dreg, &slots(data));
                Step::Goes(Tri::Yes)
            }
            Expr::Cmp { sreg, op, data } => {
                let value = registers.read(*sreg, data.len());
                Step::Goes(compare(*op, &value, data))
            }
            Expr::Range { sreg, inverted, from, to } => {
                let value = registers.read(*sreg, from.len().max(to.len()));
                let inside = Compared::new(&value, from).ge();
                let inside = inside.and(Compared::new(&value, to).le());
                Step::Goes(inside.xor(*inverted))
            }
            Expr::Bitwise { sreg, dreg, mask, xor } => {
                let value = registers.read(*sreg, mask.len());
                registers.write(*dreg, &masked(&value, mask, xor));
                Step::Goes(Tri::Yes)
            }
            Expr::ByteOrder { sreg, dreg, len, size } => {
                let value = registers.read(*sreg, *len as usize);
                let value: Vec<Slot> = value.iter().map(|slot| slot.swapped(*size)).collect();
                registers.write(*dreg, &value);
                Step::Goes(Tri::Yes)
            }
            Expr::Lookup { set, sreg, dreg, inverted } => {
                let found = rules.sets.iter().find(|candidate| {
                    candidate.family == rule.family
                        && candidate.table == rule.table
                        && candidate.name == *set
                });
                match found {
                    Some(set) => look_up(set, *sreg, *dreg, *inverted, registers),
                    None => Step::Goes(Tri::Maybe),
                }
            }
            Expr::Verdict(verdict) => ends(fate(verdict)),
            Expr::Reject(_) => ends(Fate::Reject),
            Expr::Nat { changes, .. } => {
                self.translated(*changes);
                ends(Fate::Accept)
            }
            Expr::Notrack => {
                self.untracked = if certain { Tri::Yes } else { Tri::Maybe };
                Step::Goes(Tri::Yes)
            }
            Expr::Match(found) => Step::Goes(self.xt_match(found)),
            Expr::Target(target) => self.xt_target(target),
            Expr::Counter { .. } | Expr::Log { .. } | Expr::Passive(_) => Step::Goes(Tri::Yes),
            Expr::Limit { .. } => Step::Goes(Tri::Maybe),
            Expr::Opaque(name) => {
                // It may have written any register.
                *registers = Registers::new();
                match name.as_str() {
                    "queue" | "synproxy" | "fwd" | "tproxy" => ends(Fate::Unknown),
                    _ => Step::Goes(Tri::Maybe),
                }
            }
        }
    }

    /// Loads a value; `None` when the kernel has none and ends the rule.
    fn load(&self, source: Source) -> Option<Vec<Slot>> {
        match source {
            Source::Payload { base, offset, len } => Some(self.packet.payload(base, offset, len)),
            Source::Meta(key) => self.meta(key),
            Source::Ct(key) => self.ct(key),
            Source::Fib { flags, result } => Some(self.fib(flags, result)),
        }
    }

    /// `enum nft_meta_keys`.
    fn meta(&self, key: u32) -> Option<Vec<Slot>> {
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
    fn owner(&self, id: Option<u32>) -> Option<Vec<Slot>> {
        match (outgoing(self.hook), self.packet.direction) {
            (true, _) => Some(known(id)),
            (false, Direction::Reply) => Some(unknown()),
            (false, _) => None,
        }
    }

    /// `enum nft_ct_keys`.
    fn ct(&self, key: u32) -> Option<Vec<Slot>> {
        if key == 0 {
            return Some(known(self.state()));
        }
        let tracked = match self.state() {
            Some(state) if state & (INVALID | UNTRACKED) != 0 => return None,
            Some(_) => true,
            None => false,
        };
        Some(match key {
            1 if tracked => slots(&[u8::from(self.packet.direction == Direction::Reply)]),
            3 if tracked => known(self.ct_mark),
            7 if tracked => slots(&[if self.packet.v6 { 10 } else { 2 }]),
            10 if tracked => slots(&[6]),
            _ => unknown(),
        })
    }

    /// The state of the connection as one of the `NF_CT_STATE_*` bits; `None` when it cannot be told.
    fn state(&self) -> Option<u32> {
        let early = matches!(self.hook, Hook::Prerouting | Hook::Output);
        match (self.hook, self.untracked) {
            (_, Tri::Maybe) | (Hook::Egress, _) => None,
            (_, Tri::Yes) => Some(UNTRACKED),
            (Hook::Ingress, _) => Some(INVALID),
            _ if early && self.priority < CONNTRACK => Some(INVALID),
            _ if self.packet.direction == Direction::Reply => Some(ESTABLISHED),
            _ => Some(NEW),
        }
    }

    fn fib(&self, flags: u32, result: u32) -> Vec<Slot> {
        const SOURCE: u32 = 1;
        const DESTINATION: u32 = 2;
        const MARK: u32 = 4;
        const IIF: u32 = 8;
        const OUTPUT_INTERFACE: u32 = 1;
        const ADDRESS_TYPE: u32 = 3;
        match (result, flags & !MARK) {
            (ADDRESS_TYPE, SOURCE) => known(self.packet.local_source.map(address_type)),
            (ADDRESS_TYPE, DESTINATION) => known(self.packet.local_destination.map(address_type)),
            // The way back: an answer comes in where our route to its sender leaves.
            (OUTPUT_INTERFACE, flags)
                if flags == SOURCE | IIF && self.packet.direction == Direction::Reply =>
            {
                index(self.packet.entered_by(self.hook))
            }
            _ => unknown(),
        }
    }

    fn store(&mut self, target: Source, value: Option<Slot>, certain: bool) {
        let value = value.and_then(Slot::known).filter(|_| certain);
        // Registers hold host order as bytes.
        let value = value.map(|bytes| u32::from_ne_bytes(bytes.to_be_bytes()));
        match target {
            Source::Meta(3) => self.mark = value,
            Source::Ct(3) => self.ct_mark = value,
            Source::Payload { .. } => {
                self.packet.forget_destination();
                self.packet.forget_source();
            }
            _ => {}
        }
    }

    fn translated(&mut self, changes: Nat) {
        match changes {
            Nat::Source => self.packet.forget_source(),
            Nat::Destination => self.packet.forget_destination(),
        }
    }

    fn xt_match(&self, found: &Match) -> Tri {
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

    fn xt_target(&mut self, target: &Target) -> Step {
        match target {
            Target::Reject(_) => ends(Fate::Reject),
            Target::Passive(_) => Step::Goes(Tri::Yes),
            Target::Nat(_, changes) => {
                self.translated(*changes);
                ends(Fate::Accept)
            }
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

fn ends(fate: Fate) -> Step {
    match fate {
        Fate::Next => Step::Goes(Tri::Yes),
        fate => Step::Ends(vec![fate], Tri::Yes),
    }
}

fn fate(verdict: &Verdict) -> Fate {
    match verdict {
        Verdict::Accept => Fate::Accept,
        Verdict::Drop => Fate::Drop,
        Verdict::Queue | Verdict::Other(_) => Fate::Unknown,
        Verdict::Continue | Verdict::Break => Fate::Next,
        Verdict::Jump(chain) => Fate::Jump(chain.clone()),
        Verdict::Goto(chain) => Fate::Goto(chain.clone()),
        Verdict::Return => Fate::Return,
    }
}

fn compare(op: CmpOp, value: &[Slot], data: &[u8]) -> Tri {
    let compared = Compared::new(value, data);
    match op {
        CmpOp::Eq => compared.eq(),
        CmpOp::Neq => compared.eq().not(),
        CmpOp::Lt => compared.lt(),
        CmpOp::Lte => compared.le(),
        CmpOp::Gt => compared.gt(),
        CmpOp::Gte => compared.ge(),
    }
}

fn masked(value: &[Slot], mask: &[u8], xor: &[u8]) -> Vec<Slot> {
    let words = |bytes: &[u8]| -> Vec<u32> {
        let known = slots(bytes).into_iter().filter_map(Slot::known);
        known.collect()
    };
    let xor = words(xor);
    let pairs = value.iter().zip(words(mask)).enumerate();
    pairs.map(|(at, (slot, mask))| slot.masked(mask, xor.get(at).copied().unwrap_or(0))).collect()
}

/// Looks a value up: which elements may hold it?
fn look_up(
    set: &Set,
    sreg: u32,
    dreg: Option<u32>,
    inverted: bool,
    registers: &mut Registers,
) -> Step {
    let value = registers.read(sreg, set.key_len);
    let mut hits: Vec<&Element> = Vec::new();
    let mut found = Tri::No;
    for element in set.elements.iter().filter(|element| element.key != Key::Any) {
        let hit = match holds(&set.fields, &element.key, &value) {
            Tri::Yes if element.conditional => Tri::Maybe,
            hit => hit,
        };
        if hit != Tri::No {
            hits.push(element);
            found = found.or(hit);
        }
        if hit == Tri::Yes {
            break;
        }
    }
    if found != Tri::Yes
        && let Some(rest) = set.elements.iter().find(|element| element.key == Key::Any)
    {
        hits.push(rest);
        found = Tri::Yes;
    }
    let goes = found.xor(inverted);
    match (dreg, hits.as_slice()) {
        (None, _) => Step::Goes(goes),
        (Some(0), hits) => {
            let mut fates: Vec<Fate> = Vec::new();
            for hit in hits {
                match &hit.value {
                    Value::Verdict(verdict) => fates.push(fate(verdict)),
                    _ => fates.push(Fate::Unknown),
                }
            }
            match (goes, fates.as_slice()) {
                (Tri::No, _) | (_, []) => Step::Goes(Tri::No),
                (_, [Fate::Next]) => Step::Goes(goes),
                _ => Step::Ends(fates, goes),
            }
        }
        (Some(dreg), [only]) => {
            let value = match &only.value {
                Value::Data(data) => slots(data),
                _ => unknown(),
            };
            registers.write(dreg, &value);
            Step::Goes(goes)
        }
        (Some(dreg), _) => {
            registers.write(dreg, &unknown());
            Step::Goes(goes)
        }
    }
}

fn holds(fields: &[usize], key: &Key, value: &[Slot]) -> Tri {
    match key {
        Key::Exact(bytes) => Compared::new(value, bytes).eq(),
        Key::Until(from, to) => {
            let below = to.as_ref().map(|to| Compared::new(value, to).lt());
            Compared::new(value, from).ge().and(below.unwrap_or(Tri::Yes))
        }
        Key::Between(from, to) => {
            let whole = [from.len()];
            let fields = if fields.is_empty() { &whole } else { fields };
            let mut at = 0;
            let mut result = Tri::Yes;
            for len in fields {
                let part = value.get(at / 4..).unwrap_or_default();
                let end = at + len;
                let (Some(from), Some(to)) = (from.get(at..end), to.get(at..end)) else {
                    return Tri::Maybe;
                };
                result =
                    result.and(Compared::new(part, from).ge()).and(Compared::new(part, to).le());
                // Each part begins at a register of its own.
                at += len.next_multiple_of(4);
            }
            result
        }
        Key::Any => Tri::Maybe,
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

/// `RTN_LOCAL` or `RTN_UNICAST`.
fn address_type(local: bool) -> u32 {
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

fn unknown() -> Vec<Slot> {
    vec![Slot::ANY; 4]
}
