//! A rule as nft would print it, without its counter's numbers and its comment.

use std::collections::BTreeMap;

use super::symbol::{Symbol, symbol_of};
use super::value::index;
use crate::wire::nft::xt::{Match, Target};
use crate::wire::nft::{CmpOp, Expr, Family, Key, Reject, Rule, Ruleset, Set, Value, Verdict};

/// Elements of a set in place that are printed.
const SHOWN: usize = 8;

/// Writes a rule.
pub(super) fn rule_text(rules: &Ruleset, rule: &Rule) -> String {
    let mut words = Words {
        rules,
        rule,
        said: Vec::new(),
        symbols: BTreeMap::new(),
        network: match rule.family {
            Family::Ip => Some("ip"),
            Family::Ip6 => Some("ip6"),
            _ => None,
        },
        transport: None,
    };
    for expr in &rule.exprs {
        words.say(expr);
    }
    let said: Vec<String> = words.said.into_iter().map(|(text, _)| text).collect();
    said.join(" ")
}

struct Words<'a> {
    rules: &'a Ruleset,
    rule: &'a Rule,
    /// What is said so far; with a protocol's name, it goes when a field of that protocol follows.
    said: Vec<(String, Option<&'static str>)>,
    /// What stands in the registers, by slot.
    symbols: BTreeMap<usize, Symbol>,
    network: Option<&'static str>,
    transport: Option<&'static str>,
}

impl Words<'_> {
    fn say(&mut self, expr: &Expr) {
        let text = match expr {
            Expr::Load { dreg, source } => {
                let symbol = symbol_of(*source, self.network, self.transport);
                if let Some(protocol) = symbol.implies {
                    self.said.retain(|(_, implied)| *implied != Some(protocol));
                }
                self.symbols.insert(index(*dreg), symbol);
                return;
            }
            Expr::Constant { dreg, data } => {
                self.symbols.insert(index(*dreg), Symbol::constant(data));
                return;
            }
            Expr::Bitwise { sreg, dreg, mask, xor, .. } => {
                let symbol = self.symbol(*sreg).masked(mask, xor);
                self.symbols.insert(index(*dreg), symbol);
                return;
            }
            Expr::ByteOrder { sreg, dreg, .. } => {
                let symbol = self.symbol(*sreg).in_network_order();
                self.symbols.insert(index(*dreg), symbol);
                return;
            }
            Expr::Cmp { sreg, op, data } => return self.compare(*sreg, *op, data),
            Expr::Range { sreg, inverted, from, to } => {
                let symbol = self.symbol(*sreg);
                let not = if *inverted { "!= " } else { "" };
                format!("{} {not}{}", symbol.name, symbol.range(from, to))
            }
            Expr::Lookup { set, sreg, dreg, inverted } => {
                let text = self.look_up(set, *sreg, dreg.is_some(), *inverted);
                match dreg {
                    Some(dreg) if *dreg != 0 => {
                        let symbol = Symbol::named(text.replacen(" vmap ", " map ", 1));
                        self.symbols.insert(index(*dreg), symbol);
                        return;
                    }
                    _ => text,
                }
            }
            Expr::Store { sreg, target } => {
                let target = symbol_of(*target, self.network, self.transport);
                let value = self.symbol(*sreg);
                let value = match &value.constant {
                    Some(data) => target.value(data),
                    None => value.name,
                };
                format!("{} set {value}", target.name)
            }
            Expr::Counter { .. } => "counter".to_owned(),
            Expr::Verdict(verdict) => verdict_text(verdict),
            Expr::Log { prefix: None } => "log".to_owned(),
            Expr::Log { prefix: Some(prefix) } => format!("log prefix \"{prefix}\""),
            Expr::Limit { rate, unit, bytes, over } => limit_text(*rate, *unit, *bytes, *over),
            Expr::Reject(reject) => self.reject(*reject),
            Expr::Nat { keyword, .. } => (*keyword).to_owned(),
            Expr::Notrack => "notrack".to_owned(),
            Expr::Match(Match::Comment(_)) => return,
            Expr::Match(found) => {
                if matches!(found, Match::Tcp { .. }) {
                    self.said.retain(|(_, implied)| *implied != Some("tcp"));
                }
                match_text(found)
            }
            Expr::Target(Target::Reject(reject)) => self.reject(*reject),
            Expr::Target(target) => target_text(target),
            Expr::Passive(name) | Expr::Opaque(name) => name.clone(),
        };
        self.said.push((text, None));
    }

    fn symbol(&self, register: u32) -> Symbol {
        let found = self.symbols.get(&index(register)).cloned();
        found.unwrap_or_else(|| Symbol::named(format!("reg {register}")))
    }

    fn compare(&mut self, register: u32, op: CmpOp, data: &[u8]) {
        let symbol = self.symbol(register);
        let mut implied = None;
        if op == CmpOp::Eq {
            match (symbol.name.as_str(), data) {
                ("meta l4proto" | "ip protocol" | "ip6 nexthdr", [6]) => implied = Some("tcp"),
                ("meta l4proto" | "ip protocol" | "ip6 nexthdr", [17]) => implied = Some("udp"),
                ("meta nfproto", [2]) | ("meta protocol", [8, 0]) => implied = Some("ip"),
                ("meta nfproto", [10]) | ("meta protocol", [0x86, 0xdd]) => implied = Some("ip6"),
                _ => {}
            }
        }
        match implied {
            Some(protocol @ ("tcp" | "udp")) => self.transport = Some(protocol),
            Some(protocol) => self.network = Some(protocol),
            None => {}
        }
        // A range in two comparisons.
        if op == CmpOp::Lte
            && let Some((last, _)) = self.said.last_mut()
            && let Some(from) = last.strip_prefix(&format!("{} >= ", symbol.name))
        {
            *last = format!("{} {from}-{}", symbol.name, symbol.value(data));
            return;
        }
        self.said.push((symbol.compared(op, data), implied));
    }

    fn look_up(&self, name: &str, register: u32, map: bool, inverted: bool) -> String {
        let set = self.rules.sets.iter().find(|set| {
            set.family == self.rule.family && set.table == self.rule.table && set.name == name
        });
        let keys = self.keys(register, set.map_or(0, |set| set.key_len));
        let names: Vec<&str> = keys.iter().map(|key| key.name.as_str()).collect();
        let word = match (map, inverted) {
            (true, _) => "vmap ",
            (false, true) => "!= ",
            (false, false) => "",
        };
        let in_place = name.starts_with("__set") || name.starts_with("__map");
        let right = match set {
            Some(set) if in_place => elements_text(set, &keys),
            _ => format!("@{name}"),
        };
        format!("{} {word}{right}", names.join(" . "))
    }

    /// Finds what a key of `len` bytes is made of.
    fn keys(&self, register: u32, len: usize) -> Vec<Symbol> {
        let first = index(register);
        let slots = first..first.saturating_add(len.div_ceil(4).max(1));
        let found: Vec<Symbol> =
            slots.filter_map(|slot| self.symbols.get(&slot).cloned()).collect();
        if found.is_empty() {
            return vec![self.symbol(register)];
        }
        found
    }

    fn reject(&self, reject: Reject) -> String {
        let v6 = self.network == Some("ip6");
        let what = match reject {
            Reject::TcpReset => "tcp reset",
            // What nft leaves out because it is the default.
            Reject::Icmpx(1) => return "reject".to_owned(),
            Reject::Icmp(3) if !v6 => return "reject".to_owned(),
            Reject::Icmp(4) if v6 => return "reject".to_owned(),
            Reject::Icmpx(0) => "icmpx no-route",
            Reject::Icmpx(2) => "icmpx host-unreachable",
            Reject::Icmpx(3) => "icmpx admin-prohibited",
            Reject::Icmp(0) if v6 => "icmpv6 no-route",
            Reject::Icmp(1) if v6 => "icmpv6 admin-prohibited",
            Reject::Icmp(3) => "icmpv6 addr-unreachable",
            Reject::Icmp(5) if v6 => "icmpv6 policy-fail",
            Reject::Icmp(6) if v6 => "icmpv6 reject-route",
            Reject::Icmp(0) => "icmp net-unreachable",
            Reject::Icmp(1) => "icmp host-unreachable",
            Reject::Icmp(2) => "icmp prot-unreachable",
            Reject::Icmp(9) => "icmp net-prohibited",
            Reject::Icmp(10) => "icmp host-prohibited",
            Reject::Icmp(13) => "icmp admin-prohibited",
            Reject::Icmp(code) => return format!("reject with icmp {code}"),
            Reject::Icmpx(code) => return format!("reject with icmpx {code}"),
        };
        format!("reject with {what}")
    }
}

fn elements_text(set: &Set, keys: &[Symbol]) -> String {
    let shown = set.elements.iter().take(SHOWN).map(|element| {
        let key = key_text(set, &element.key, keys);
        match &element.value {
            Value::None => key,
            Value::Data(data) => format!("{key} : {}", Symbol::constant(data).name),
            Value::Verdict(verdict) => format!("{key} : {}", verdict_text(verdict)),
        }
    });
    let mut shown: Vec<String> = shown.collect();
    if set.elements.len() > SHOWN {
        shown.push("…".to_owned());
    }
    format!("{{ {} }}", shown.join(", "))
}

fn key_text(set: &Set, key: &Key, symbols: &[Symbol]) -> String {
    let parts = |from: &[u8], to: Option<&[u8]>| -> String {
        let whole = [from.len()];
        let fields = if set.fields.is_empty() { &whole[..] } else { &set.fields };
        let mut at = 0;
        let mut texts = Vec::new();
        for (field, len) in fields.iter().enumerate() {
            let symbol = symbols.get(field).or(symbols.first());
            let slice = |bytes: &[u8]| bytes.get(at..at + len).unwrap_or_default().to_vec();
            let low = slice(from);
            let text = symbol.map(|symbol| match to.map(slice) {
                Some(high) => symbol.range(&low, &high),
                None => symbol.value(&low),
            });
            texts.extend(text);
            at += len.next_multiple_of(4);
        }
        texts.join(" . ")
    };
    match key {
        Key::Exact(bytes) => parts(bytes, None),
        Key::Between(from, to) => parts(from, Some(to)),
        Key::Until(from, Some(end)) => parts(from, Some(&before(end))),
        Key::Until(from, None) => parts(from, Some(&vec![u8::MAX; from.len()])),
        Key::Any => "*".to_owned(),
    }
}

/// The value before another, as big-endian numbers.
fn before(bytes: &[u8]) -> Vec<u8> {
    let mut bytes = bytes.to_vec();
    for byte in bytes.iter_mut().rev() {
        let (less, borrows) = byte.overflowing_sub(1);
        *byte = less;
        if !borrows {
            break;
        }
    }
    bytes
}

fn verdict_text(verdict: &Verdict) -> String {
    match verdict {
        Verdict::Accept => "accept".to_owned(),
        Verdict::Drop => "drop".to_owned(),
        Verdict::Queue => "queue".to_owned(),
        Verdict::Continue => "continue".to_owned(),
        Verdict::Break => "break".to_owned(),
        Verdict::Jump(chain) => format!("jump {chain}"),
        Verdict::Goto(chain) => format!("goto {chain}"),
        Verdict::Return => "return".to_owned(),
        Verdict::Other(code) => format!("verdict {code}"),
    }
}

fn limit_text(rate: u64, unit: u64, bytes: bool, over: bool) -> String {
    let over = if over { "over " } else { "" };
    let what = if bytes { " bytes" } else { "" };
    match unit {
        1 => format!("limit rate {over}{rate}{what}/second"),
        60 => format!("limit rate {over}{rate}{what}/minute"),
        3_600 => format!("limit rate {over}{rate}{what}/hour"),
        86_400 => format!("limit rate {over}{rate}{what}/day"),
        604_800 => format!("limit rate {over}{rate}{what}/week"),
        unit => format!("limit rate {over}{rate}{what}/{unit}s"),
    }
}

fn match_text(found: &Match) -> String {
    let not = |inverted: bool| if inverted { "!= " } else { "" };
    let port = |(low, high): (u16, u16)| match low == high {
        true => low.to_string(),
        false => format!("{low}-{high}"),
    };
    match found {
        Match::Tcp { sports, dports, flag_mask, flag_set, inverted, .. } => {
            let all = (0, u16::MAX);
            let mut parts = Vec::new();
            if *sports != all {
                parts.push(format!("tcp sport {}{}", not(inverted & 1 != 0), port(*sports)));
            }
            if *dports != all {
                parts.push(format!("tcp dport {}{}", not(inverted & 2 != 0), port(*dports)));
            }
            if *flag_mask != 0 {
                let flags = Symbol::flags().masked(&[*flag_mask], &[0]);
                let op = match inverted & 4 {
                    0 => CmpOp::Eq,
                    _ => CmpOp::Neq,
                };
                parts.push(flags.compared(op, &[*flag_set]));
            }
            match parts.is_empty() {
                true => "meta l4proto tcp".to_owned(),
                false => parts.join(" "),
            }
        }
        Match::OtherProtocol(name) => format!("meta l4proto {name}"),
        Match::Multiport { source, destination, ports, inverted } => {
            let ports: Vec<String> = ports.iter().map(|range| port(*range)).collect();
            let which = match (source, destination) {
                (true, true) => "th sport or dport",
                (true, false) => "tcp sport",
                _ => "tcp dport",
            };
            format!("{which} {}{{ {} }}", not(*inverted), ports.join(", "))
        }
        Match::State { mask, inverted } => {
            let states = Symbol::state().value(&u32::from(mask & 0x3f).to_ne_bytes());
            format!("ct state {}{states}", not(*inverted))
        }
        Match::Mark { mark, mask: u32::MAX, inverted } => {
            format!("meta mark {}{mark:#x}", not(*inverted))
        }
        Match::Mark { mark, mask, inverted } => {
            let op = if *inverted { "!=" } else { "==" };
            format!("meta mark & {mask:#x} {op} {mark:#x}")
        }
        Match::Owner { uid, gid } => {
            let ids = [("skuid", uid), ("skgid", gid)];
            let ids = ids.into_iter().filter_map(|(key, id)| {
                let ((low, high), inverted) = (*id)?;
                let range = match low == high {
                    true => low.to_string(),
                    false => format!("{low}-{high}"),
                };
                Some(format!("meta {key} {}{range}", not(inverted)))
            });
            ids.collect::<Vec<_>>().join(" ")
        }
        Match::AddrType { source, destination, .. } => {
            let sides = [("saddr", source), ("daddr", destination)];
            let sides = sides.into_iter().filter(|(_, types)| **types != 0);
            let sides = sides.map(|(side, types)| match types {
                2 => format!("fib {side} type unicast"),
                4 => format!("fib {side} type local"),
                types => format!("fib {side} type {types:#x}"),
            });
            sides.collect::<Vec<_>>().join(" ")
        }
        Match::Comment(_) => String::new(),
        Match::Opaque(name) => format!("xt match \"{name}\""),
    }
}

fn target_text(target: &Target) -> String {
    match target {
        Target::Reject(_) => "reject".to_owned(),
        Target::Passive(name) | Target::Nat(name, _) | Target::Track(name) => {
            format!("xt target \"{name}\"")
        }
        Target::Mark => "xt target \"MARK\"".to_owned(),
        Target::Opaque(name) => format!("xt target \"{name}\""),
    }
}
