//! A table of iptables-legacy as the kernel hands it out (`IPT_SO_GET_ENTRIES`), turned into chains
//! and rules of nftables' form, so that one walk serves both.
//!
//! Layouts: `include/uapi/linux/netfilter_ipv4/ip_tables.h`, `netfilter_ipv6/ip6_tables.h` and
//! `netfilter/x_tables.h`, for 64-bit machines.

use std::collections::BTreeMap;

use crate::wire::nft::xt::{Match, Target};
use crate::wire::nft::{Base, Chain, CmpOp, Expr, Family, Hook, Rule, Source, Verdict};

/// What the name of such a table ends with, to tell it from one of nftables.
pub const SUFFIX: &str = " (iptables-legacy)";
/// Length of `struct ipt_getinfo`.
pub const INFO: usize = 84;
/// Length of `struct ipt_get_entries` before its entries.
pub const HEAD: usize = 40;

/// What `IPT_SO_GET_INFO` says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Info {
    valid_hooks: u32,
    hooks: [u32; 5],
    policies: [u32; 5],
    /// Bytes of all entries.
    pub size: u32,
}

impl Info {
    /// Reads `struct ipt_getinfo`.
    pub fn parse(bytes: &[u8]) -> Option<Info> {
        let five = |at: usize| -> Option<[u32; 5]> {
            let mut all = [0; 5];
            for (nth, value) in all.iter_mut().enumerate() {
                *value = u32_at(bytes, at + 4 * nth)?;
            }
            Some(all)
        };
        Some(Info {
            valid_hooks: u32_at(bytes, 32)?,
            hooks: five(36)?,
            policies: five(56)?,
            size: u32_at(bytes, 80)?,
        })
    }
}

/// Where things stand in an entry of a family.
struct Layout {
    family: Family,
    /// Source, destination and their masks, and the length of each.
    address: usize,
    /// Names of the interfaces, then their masks.
    interfaces: usize,
    protocol: usize,
    flags: usize,
    inverted: usize,
    /// The offsets of the target and of the next entry.
    offsets: usize,
    counters: usize,
    matches: usize,
    goto: u8,
}

const V4: Layout = Layout {
    family: Family::Ip,
    address: 4,
    interfaces: 16,
    protocol: 80,
    flags: 82,
    inverted: 83,
    offsets: 88,
    counters: 96,
    matches: 112,
    goto: 2,
};
const V6: Layout = Layout {
    family: Family::Ip6,
    address: 16,
    interfaces: 64,
    protocol: 128,
    flags: 131,
    inverted: 132,
    offsets: 140,
    counters: 152,
    matches: 168,
    goto: 4,
};

/// Bits of `invflags`, the same in both families.
const NOT_IN: u8 = 1;
const NOT_OUT: u8 = 2;
const NOT_SOURCE: u8 = 8;
const NOT_DESTINATION: u8 = 0x10;
const NOT_PROTOCOL: u8 = 0x40;
/// `IPT_F_FRAG`: only fragments after the first.
const FRAGMENT: u8 = 1;
/// `IP6T_F_PROTO`: without it the protocol does not matter.
const WITH_PROTOCOL: u8 = 1;
/// The register that values pass through (`NFT_REG_1`).
const REGISTER: u32 = 1;

/// Reads the chains and rules of a table, `None` when the bytes make no sense. A rule's handle is its
/// number in its chain.
pub fn table(v6: bool, name: &str, info: &Info, bytes: &[u8]) -> Option<(Vec<Chain>, Vec<Rule>)> {
    let layout = if v6 { &V6 } else { &V4 };
    let entries = entries(layout, bytes)?;
    let table = format!("{name}{SUFFIX}");
    let chains = chains(layout.family, name, &table, info, &entries)?;
    let mut rules = Vec::new();
    let starts: BTreeMap<usize, &str> =
        chains.iter().map(|(start, chain)| (*start, chain.name.as_str())).collect();
    let policies: Vec<usize> = hooks(info).map(|(_, _, policy)| policy).collect();
    let (mut chain, mut number) = ("", 0);
    for entry in &entries {
        if let Some(name) = starts.get(&entry.at) {
            (chain, number) = (name, 0);
        }
        // A chain ends with the entry of its policy, or before the head of the next one.
        if chain.is_empty() || policies.contains(&entry.at) || entry.head().is_some() {
            continue;
        }
        number += 1;
        rules.push(Rule {
            family: layout.family,
            table: table.clone(),
            chain: chain.to_owned(),
            handle: number,
            comment: None,
            exprs: entry.exprs(layout, &starts)?,
        });
    }
    Some((chains.into_iter().map(|(_, chain)| chain).collect(), rules))
}

/// Lists the hooks of a table: number, first entry, entry of the policy.
fn hooks(info: &Info) -> impl Iterator<Item = (u32, usize, usize)> {
    let all = (0u32..).zip(info.hooks).zip(info.policies);
    let used = all.filter(|((hook, _), _)| info.valid_hooks >> hook & 1 == 1);
    used.map(|((hook, start), policy)| (hook, start as usize, policy as usize))
}

fn chains(
    family: Family,
    name: &str,
    table: &str,
    info: &Info,
    entries: &[Entry<'_>],
) -> Option<Vec<(usize, Chain)>> {
    let mut chains = Vec::new();
    for (hook, start, policy) in hooks(info) {
        let policy = entries.iter().find(|entry| entry.at == policy)?;
        let hook = Hook::from_number(family, hook)?;
        chains.push((
            start,
            Chain {
                family,
                table: table.to_owned(),
                name: hook.name().to_ascii_uppercase(),
                base: Some(Base {
                    hook,
                    priority: priority(name, hook),
                    drops: policy.verdict() == Some(DROP),
                    kind: if name == "nat" { "nat" } else { "filter" }.to_owned(),
                    devices: Vec::new(),
                }),
            },
        ));
    }
    // The last entry is a head of its own, without a chain.
    for pair in entries.windows(2) {
        if let Some(name) = pair[0].head() {
            let chain = Chain { family, table: table.to_owned(), name, base: None };
            chains.push((pair[1].at, chain));
        }
    }
    Some(chains)
}

/// `enum nf_ip_hook_priorities`.
fn priority(table: &str, hook: Hook) -> i32 {
    match (table, hook) {
        ("raw", _) => -300,
        ("mangle", _) => -150,
        ("nat", Hook::Prerouting | Hook::Output) => -100,
        ("nat", _) => 100,
        ("security", _) => 50,
        _ => 0,
    }
}

/// Verdicts of the standard target: `-NF_DROP - 1`, and so on.
const DROP: i32 = -1;
const ACCEPT: i32 = -2;
const QUEUE: i32 = -4;
const RETURN: i32 = -5;

/// One entry: a rule, a policy, or the head of a chain.
struct Entry<'a> {
    at: usize,
    bytes: &'a [u8],
    target: usize,
}

fn entries<'a>(layout: &Layout, bytes: &'a [u8]) -> Option<Vec<Entry<'a>>> {
    let mut found = Vec::new();
    let mut at = 0;
    while at < bytes.len() {
        let rest = bytes.get(at..)?;
        let target = usize::from(u16_at(rest, layout.offsets)?);
        let next = usize::from(u16_at(rest, layout.offsets + 2)?);
        let sound = target >= layout.matches && next >= target + 32;
        found.push(Entry { at, bytes: rest.get(..next).filter(|_| sound)?, target });
        at += next;
    }
    Some(found)
}

impl Entry<'_> {
    fn target_name(&self) -> String {
        text(self.bytes.get(self.target + 2..self.target + 31).unwrap_or_default())
    }

    /// The name of the chain that begins behind this entry.
    fn head(&self) -> Option<String> {
        (self.target_name() == "ERROR")
            .then(|| text(self.bytes.get(self.target + 32..).unwrap_or_default()))
    }

    /// The verdict or jump of the standard target.
    fn verdict(&self) -> Option<i32> {
        let verdict = u32_at(self.bytes, self.target + 32)?.cast_signed();
        self.target_name().is_empty().then_some(verdict)
    }

    fn exprs(&self, layout: &Layout, starts: &BTreeMap<usize, &str>) -> Option<Vec<Expr>> {
        let mut exprs = Vec::new();
        self.header(layout, &mut exprs)?;
        let mut at = layout.matches;
        while at < self.target {
            let length = usize::from(u16_at(self.bytes, at)?);
            let found = self.bytes.get(at..at + length).filter(|_| length >= 32)?;
            let revision = u32::from(*found.get(31)?);
            let name = text(found.get(2..31)?);
            exprs.push(Expr::Match(Match::read(&name, revision, found.get(32..)?)));
            at += length;
        }
        let counters = layout.counters;
        let (packets, bytes) = (u64_at(self.bytes, counters)?, u64_at(self.bytes, counters + 8)?);
        exprs.push(Expr::Counter { packets, bytes });
        let goes = *self.bytes.get(layout.flags)? & layout.goto != 0;
        exprs.push(match self.verdict() {
            Some(DROP) => Expr::Verdict(Verdict::Drop),
            Some(ACCEPT) => Expr::Verdict(Verdict::Accept),
            Some(QUEUE) => Expr::Verdict(Verdict::Queue),
            Some(RETURN) => Expr::Verdict(Verdict::Return),
            // A rule without a target leads to the next one.
            Some(to) if usize::try_from(to) == Ok(self.at + self.bytes.len()) && !goes => {
                Expr::Verdict(Verdict::Continue)
            }
            Some(to) => match usize::try_from(to).ok().and_then(|to| starts.get(&to)) {
                Some(name) if goes => Expr::Verdict(Verdict::Goto((*name).to_owned())),
                Some(name) => Expr::Verdict(Verdict::Jump((*name).to_owned())),
                None => Expr::Verdict(Verdict::Other(to)),
            },
            None => {
                let info = self.bytes.get(self.target + 32..)?;
                Expr::Target(Target::read(layout.family, &self.target_name(), info))
            }
        });
        Some(exprs)
    }

    /// What the entry asks of the IP header and the interfaces.
    fn header(&self, layout: &Layout, exprs: &mut Vec<Expr>) -> Option<()> {
        let inverted = *self.bytes.get(layout.inverted)?;
        let flags = *self.bytes.get(layout.flags)?;
        let op = |bit: u8| if inverted & bit == 0 { CmpOp::Eq } else { CmpOp::Neq };
        for (nth, key, bit) in [(0, 6, NOT_IN), (1, 7, NOT_OUT)] {
            let name = self.bytes.get(layout.interfaces + 16 * nth..)?.get(..16)?;
            let mask = self.bytes.get(layout.interfaces + 32 + 16 * nth..)?.get(..16)?;
            let length = mask.iter().take_while(|byte| **byte == 0xff).count();
            if length > 0 {
                // A whole name is compared with its end, a beginning ("eth+") without.
                let whole = name.get(..length)?.contains(&0);
                let data = if whole { name } else { name.get(..length)? };
                exprs.push(Expr::Load { dreg: REGISTER, source: Source::Meta(key) });
                exprs.push(Expr::Cmp { sreg: REGISTER, op: op(bit), data: data.to_vec() });
            }
        }
        let length = layout.address;
        let offset = if layout.family == Family::Ip { 12 } else { 8 };
        for (nth, bit) in [(0, NOT_SOURCE), (1, NOT_DESTINATION)] {
            let address = self.bytes.get(length * nth..)?.get(..length)?;
            let mask = self.bytes.get(length * (nth + 2)..)?.get(..length)?;
            if mask.iter().all(|byte| *byte == 0) {
                continue;
            }
            let source = Source::Payload {
                base: 1,
                offset: u32::try_from(offset + length * nth).ok()?,
                len: u32::try_from(length).ok()?,
            };
            exprs.push(Expr::Load { dreg: REGISTER, source });
            if mask.iter().any(|byte| *byte != 0xff) {
                let (mask, xor) = (mask.to_vec(), vec![0; length]);
                exprs.push(Expr::Bitwise { sreg: REGISTER, dreg: REGISTER, mask, xor });
            }
            exprs.push(Expr::Cmp { sreg: REGISTER, op: op(bit), data: address.to_vec() });
        }
        let protocol = u16_at(self.bytes, layout.protocol)?;
        let asked = layout.family == Family::Ip || flags & WITH_PROTOCOL != 0;
        if let Some(protocol) = u8::try_from(protocol).ok().filter(|number| asked && *number != 0) {
            exprs.push(Expr::Load { dreg: REGISTER, source: Source::Meta(16) });
            exprs.push(Expr::Cmp { sreg: REGISTER, op: op(NOT_PROTOCOL), data: vec![protocol] });
        }
        if layout.family == Family::Ip && flags & FRAGMENT != 0 {
            exprs.push(Expr::Match(Match::OtherProtocol("fragment".to_owned())));
        }
        Some(())
    }
}

fn text(bytes: &[u8]) -> String {
    let text = bytes.split(|byte| *byte == 0).next().unwrap_or_default();
    String::from_utf8_lossy(text).into_owned()
}

fn u16_at(bytes: &[u8], at: usize) -> Option<u16> {
    Some(u16::from_ne_bytes(*bytes.get(at..)?.first_chunk()?))
}

fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_ne_bytes(*bytes.get(at..)?.first_chunk()?))
}

fn u64_at(bytes: &[u8], at: usize) -> Option<u64> {
    Some(u64::from_ne_bytes(*bytes.get(at..)?.first_chunk()?))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// An IPv4 entry with a target; `change` works on its header.
    fn entry(target: &str, data: &[u8], change: impl Fn(&mut Vec<u8>)) -> Vec<u8> {
        let mut bytes = vec![0; 112];
        change(&mut bytes);
        let mut tail = vec![0; 32];
        tail[2..2 + target.len()].copy_from_slice(target.as_bytes());
        tail.extend(data);
        tail.resize(tail.len().next_multiple_of(8), 0);
        bytes[88..90].copy_from_slice(&112u16.to_ne_bytes());
        bytes[90..92].copy_from_slice(&((112 + tail.len()) as u16).to_ne_bytes());
        bytes[96..104].copy_from_slice(&7u64.to_ne_bytes());
        bytes.extend(tail);
        bytes
    }

    fn standard(verdict: i32) -> Vec<u8> {
        entry("", &verdict.to_ne_bytes(), |_| {})
    }

    /// INPUT with one rule and a dropping policy, and a chain `own` that it jumps to.
    fn sample() -> (Info, Vec<u8>) {
        let size = standard(ACCEPT).len();
        let jump = i32::try_from(2 * size + entry("ERROR", &[0; 30], |_| {}).len()).unwrap();
        let mut head = b"own".to_vec();
        head.resize(30, 0);
        let all = [
            entry("", &jump.to_ne_bytes(), |bytes| {
                // -s 10.0.0.0/8 -i eth+ -p tcp
                bytes[0] = 10;
                bytes[8] = 0xff;
                bytes[16..19].copy_from_slice(b"eth");
                bytes[48..51].copy_from_slice(&[0xff; 3]);
                bytes[80] = 6;
            }),
            standard(DROP),
            entry("ERROR", &head, |_| {}),
            entry("REJECT", &3u32.to_ne_bytes(), |_| {}),
            standard(RETURN),
            entry("ERROR", b"ERROR", |_| {}),
        ];
        let policy = all[0].len() as u32;
        let bytes = all.concat();
        let mut info =
            Info { valid_hooks: 1 << 1, hooks: [0; 5], policies: [0; 5], size: bytes.len() as u32 };
        info.policies[1] = policy;
        (info, bytes)
    }

    #[test]
    fn chains_policies_rules_and_jumps_are_found() {
        let (info, bytes) = sample();
        let (chains, rules) = table(false, "filter", &info, &bytes).expect("sound");
        let names: Vec<_> = chains.iter().map(|chain| chain.name.as_str()).collect();
        assert_eq!(names, ["INPUT", "own"]);
        assert!(chains[0].base.as_ref().is_some_and(|base| base.drops && base.hook == Hook::Input));
        assert_eq!(chains[0].table, "filter (iptables-legacy)");
        let told: Vec<_> = rules.iter().map(|rule| (rule.chain.as_str(), rule.handle)).collect();
        assert_eq!(told, [("INPUT", 1), ("own", 1), ("own", 2)]);
        assert_eq!(rules[0].exprs.last(), Some(&Expr::Verdict(Verdict::Jump("own".to_owned()))));
        assert_eq!(rules[0].counter(), Some((7, true)));
        assert!(matches!(rules[1].exprs.last(), Some(Expr::Target(Target::Reject(_)))));
        assert!(rules[0].exprs.contains(&Expr::Cmp {
            sreg: 1,
            op: CmpOp::Eq,
            data: b"eth".to_vec()
        }));
    }

    #[test]
    fn an_entry_that_leads_nowhere_is_refused() {
        let (info, mut bytes) = sample();
        bytes[90] = 0;
        bytes[91] = 0;
        assert_eq!(table(false, "filter", &info, &bytes), None);
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_without_a_panic(
            bytes in proptest::collection::vec(any::<u8>(), 0..600),
            numbers in any::<[u32; 5]>(),
            v6 in any::<bool>(),
        ) {
            let info = Info { valid_hooks: 31, hooks: numbers, policies: numbers, size: 0 };
            let _ = table(v6, "filter", &info, &bytes);
            let _ = Info::parse(&bytes);
            let (_, sound) = sample();
            let mut cut = sound;
            cut.truncate(bytes.len());
            let _ = table(v6, "nat", &info, &cut);
        }
    }
}
