//! Names of what a rule looks at, and values in the notation that belongs to each.

use std::net::{Ipv4Addr, Ipv6Addr};

use crate::wire::nft::{CmpOp, Source};

/// How values are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Notation {
    Number,
    Hex,
    Address4,
    Address6,
    Interface,
    Protocol,
    Family,
    State,
    Flags,
    AddressType,
    Raw,
}

/// Something that a rule looks at, as nft names it.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Symbol {
    pub(super) name: String,
    /// The protocol that naming it implies, so that nft does not say it again.
    pub(super) implies: Option<&'static str>,
    /// The value, for a register that holds a constant.
    pub(super) constant: Option<Vec<u8>>,
    notation: Notation,
    /// Whether numbers are in host order.
    host_order: bool,
    mask: Option<Vec<u8>>,
}

/// Names what an expression loads; the protocols are those that the rule has said before.
pub(super) fn symbol_of(
    source: Source,
    network: Option<&'static str>,
    transport: Option<&'static str>,
) -> Symbol {
    match source {
        Source::Payload { base, offset, len } => payload(base, offset, len, network, transport)
            .unwrap_or_else(|| {
                let base = match base {
                    0 => "ll",
                    1 => "nh",
                    2 => "th",
                    _ => "ih",
                };
                let name =
                    format!("@{base},{},{}", offset.saturating_mul(8), len.saturating_mul(8));
                Symbol::new(name, Notation::Raw)
            }),
        Source::Meta(key) => meta(key),
        Source::Ct(key) => ct(key),
        Source::Fib { flags, result } => fib(flags, result),
    }
}

fn payload(
    base: u32,
    offset: u32,
    len: u32,
    network: Option<&'static str>,
    transport: Option<&'static str>,
) -> Option<Symbol> {
    if base != 1 {
        return transport_field(base, offset, len, transport);
    }
    let (protocol, field, notation) = match network? {
        "ip" => match (offset, len) {
            (8, 1) => ("ip", "ttl", Notation::Number),
            (9, 1) => ("ip", "protocol", Notation::Protocol),
            (12, 1..=4) => ("ip", "saddr", Notation::Address4),
            (16, 1..=4) => ("ip", "daddr", Notation::Address4),
            _ => return None,
        },
        _ => match (offset, len) {
            (6, 1) => ("ip6", "nexthdr", Notation::Protocol),
            (7, 1) => ("ip6", "hoplimit", Notation::Number),
            (8, 1..=16) => ("ip6", "saddr", Notation::Address6),
            (24, 1..=16) => ("ip6", "daddr", Notation::Address6),
            _ => return None,
        },
    };
    let mut symbol = Symbol::new(format!("{protocol} {field}"), notation);
    symbol.implies = Some(protocol);
    Some(symbol)
}

fn transport_field(
    base: u32,
    offset: u32,
    len: u32,
    transport: Option<&'static str>,
) -> Option<Symbol> {
    let (field, notation) = match (base, offset, len) {
        (2, 0, 2) => ("sport", Notation::Number),
        (2, 2, 2) => ("dport", Notation::Number),
        (2, 13, 1) if transport == Some("tcp") => ("flags", Notation::Flags),
        _ => return None,
    };
    let mut symbol = Symbol::new(format!("{} {field}", transport.unwrap_or("th")), notation);
    symbol.implies = transport;
    Some(symbol)
}

fn meta(key: u32) -> Symbol {
    let (name, notation) = match key {
        0 => ("meta length", Notation::Number),
        1 => ("meta protocol", Notation::Hex),
        2 => ("meta priority", Notation::Hex),
        3 => ("meta mark", Notation::Hex),
        4 => ("iif", Notation::Number),
        5 => ("oif", Notation::Number),
        6 => ("iifname", Notation::Interface),
        7 => ("oifname", Notation::Interface),
        8 => ("iiftype", Notation::Number),
        9 => ("oiftype", Notation::Number),
        10 => ("meta skuid", Notation::Number),
        11 => ("meta skgid", Notation::Number),
        12 => ("meta nftrace", Notation::Number),
        15 => ("meta nfproto", Notation::Family),
        16 => ("meta l4proto", Notation::Protocol),
        19 => ("meta pkttype", Notation::Number),
        23 => ("meta cgroup", Notation::Number),
        key => return Symbol::new(format!("meta key {key}"), Notation::Raw),
    };
    let mut symbol = Symbol::new(name.to_owned(), notation);
    symbol.host_order = key != 1;
    symbol
}

fn ct(key: u32) -> Symbol {
    let (name, notation) = match key {
        0 => return Symbol::state(),
        1 => ("ct direction", Notation::Number),
        2 => ("ct status", Notation::Hex),
        3 => ("ct mark", Notation::Hex),
        7 => ("ct l3proto", Notation::Family),
        10 => ("ct protocol", Notation::Protocol),
        17 => ("ct zone", Notation::Number),
        key => return Symbol::new(format!("ct key {key}"), Notation::Raw),
    };
    let mut symbol = Symbol::new(name.to_owned(), notation);
    symbol.host_order = true;
    symbol
}

fn fib(flags: u32, result: u32) -> Symbol {
    let names = ["saddr", "daddr", "mark", "iif", "oif"];
    let keys = names.into_iter().enumerate();
    let keys: Vec<&str> =
        keys.filter(|(bit, _)| flags >> bit & 1 == 1).map(|(_, name)| name).collect();
    let (result, notation) = match result {
        1 => ("oif", Notation::Number),
        2 => ("oifname", Notation::Interface),
        _ => ("type", Notation::AddressType),
    };
    let mut symbol = Symbol::new(format!("fib {} {result}", keys.join(" . ")), notation);
    symbol.host_order = true;
    symbol
}

impl Symbol {
    fn new(name: String, notation: Notation) -> Symbol {
        Symbol { name, implies: None, constant: None, notation, host_order: false, mask: None }
    }

    /// Something with a name and no notation of its own.
    pub(super) fn named(name: String) -> Symbol {
        Symbol::new(name, Notation::Raw)
    }

    /// A constant.
    pub(super) fn constant(data: &[u8]) -> Symbol {
        let mut symbol = Symbol::named(hex(data));
        symbol.constant = Some(data.to_vec());
        symbol
    }

    /// `ct state`.
    pub(super) fn state() -> Symbol {
        let mut symbol = Symbol::new("ct state".to_owned(), Notation::State);
        symbol.host_order = true;
        symbol
    }

    /// `tcp flags`.
    pub(super) fn flags() -> Symbol {
        Symbol::new("tcp flags".to_owned(), Notation::Flags)
    }

    pub(super) fn masked(mut self, mask: &[u8], xor: &[u8]) -> Symbol {
        if xor.iter().any(|byte| *byte != 0) {
            self.name = format!("({} & {}) ^ {}", self.name, hex(mask), hex(xor));
            return self;
        }
        self.mask = Some(mask.to_vec());
        self
    }

    pub(super) fn in_network_order(mut self) -> Symbol {
        self.host_order = false;
        self
    }

    /// Writes a comparison.
    pub(super) fn compared(&self, op: CmpOp, data: &[u8]) -> String {
        let zero = data.iter().all(|byte| *byte == 0);
        let sign = match op {
            CmpOp::Eq => "",
            CmpOp::Neq => "!= ",
            CmpOp::Lt => "< ",
            CmpOp::Lte => "<= ",
            CmpOp::Gt => "> ",
            CmpOp::Gte => ">= ",
        };
        let Some(mask) = &self.mask else {
            return format!("{} {sign}{}", self.name, self.value(data));
        };
        let bits = matches!(self.notation, Notation::State | Notation::Flags);
        match self.prefix(mask) {
            Some(length) => {
                return format!("{} {sign}{}/{length}", self.name, self.value(data));
            }
            // Any of these bits.
            None if bits && op == CmpOp::Neq && zero => {
                return format!("{} {}", self.name, self.value(mask));
            }
            None if self.notation == Notation::Flags => {
                let (value, mask) = (self.value(data), self.value(mask));
                return format!("{} {sign}{value} / {mask}", self.name);
            }
            None => {}
        }
        let sign = if op == CmpOp::Eq { "== " } else { sign };
        let (mask, value) = (self.value(mask), self.value(data));
        format!("{} & {mask} {sign}{value}", self.name)
    }

    /// Counts the leading ones of an address's mask.
    fn prefix(&self, mask: &[u8]) -> Option<u32> {
        if !matches!(self.notation, Notation::Address4 | Notation::Address6) {
            return None;
        }
        let ones: u32 = mask.iter().map(|byte| byte.count_ones()).sum();
        let mut bits = mask.iter().flat_map(|byte| (0..8).rev().map(move |bit| byte >> bit & 1));
        let leading = bits.by_ref().take_while(|bit| *bit == 1).count();
        (u32::try_from(leading) == Ok(ones)).then_some(ones)
    }

    /// Writes a range; as a prefix where it is one.
    pub(super) fn range(&self, from: &[u8], to: &[u8]) -> String {
        if from == to {
            return self.value(from);
        }
        let differs: Vec<u8> = from.iter().zip(to).map(|(a, b)| !(a ^ b)).collect();
        let aligned = (from.iter().zip(&differs)).all(|(byte, mask)| byte & !mask == 0);
        match self.prefix(&differs) {
            Some(length) if aligned && from.len() == to.len() => {
                format!("{}/{length}", self.value(from))
            }
            _ => format!("{}-{}", self.value(from), self.value(to)),
        }
    }

    /// Writes a value.
    pub(super) fn value(&self, data: &[u8]) -> String {
        match self.notation {
            Notation::Number => self.number(data).map(|number| number.to_string()),
            Notation::Hex => self.number(data).map(|number| format!("{number:#x}")),
            Notation::Address4 => address4(data),
            Notation::Address6 => address6(data),
            Notation::Interface => Some(interface(data)),
            Notation::Protocol => protocol(data),
            Notation::Family => match data.first() {
                Some(2) => Some("ipv4".to_owned()),
                Some(10) => Some("ipv6".to_owned()),
                _ => None,
            },
            Notation::State => self.number(data).map(|number| {
                let names = ["invalid", "established", "related", "new", "", "", "untracked"];
                bits(number, &names)
            }),
            Notation::Flags => self.number(data).map(|number| {
                let names = ["fin", "syn", "rst", "psh", "ack", "urg", "ecn", "cwr"];
                bits(number, &names)
            }),
            Notation::AddressType => match self.number(data) {
                Some(1) => Some("unicast".to_owned()),
                Some(2) => Some("local".to_owned()),
                Some(3) => Some("broadcast".to_owned()),
                Some(5) => Some("multicast".to_owned()),
                _ => None,
            },
            Notation::Raw => None,
        }
        .unwrap_or_else(|| hex(data))
    }

    fn number(&self, data: &[u8]) -> Option<u64> {
        if data.len() > 8 {
            return None;
        }
        let big_endian = !self.host_order || cfg!(target_endian = "big");
        let fold = |sum: u64, byte: &u8| sum << 8 | u64::from(*byte);
        Some(match big_endian {
            true => data.iter().fold(0, fold),
            false => data.iter().rev().fold(0, fold),
        })
    }
}

/// An address; a shorter one is the prefix that its bytes are.
fn address4(data: &[u8]) -> Option<String> {
    let mut octets = [0; 4];
    octets.get_mut(..data.len())?.copy_from_slice(data);
    Some(prefixed(Ipv4Addr::from(octets).to_string(), data.len(), 4))
}

fn address6(data: &[u8]) -> Option<String> {
    let mut octets = [0; 16];
    octets.get_mut(..data.len())?.copy_from_slice(data);
    Some(prefixed(Ipv6Addr::from(octets).to_string(), data.len(), 16))
}

fn prefixed(address: String, len: usize, full: usize) -> String {
    if len == full { address } else { format!("{address}/{}", len * 8) }
}

/// A name padded with zeros; without the padding it is a beginning.
fn interface(data: &[u8]) -> String {
    let name = data.split(|byte| *byte == 0).next().unwrap_or_default();
    let open = if name.len() == data.len() { "*" } else { "" };
    format!("\"{}{open}\"", String::from_utf8_lossy(name))
}

fn protocol(data: &[u8]) -> Option<String> {
    let name = match data {
        [1] => "icmp",
        [6] => "tcp",
        [17] => "udp",
        [58] => "ipv6-icmp",
        [132] => "sctp",
        [number] => return Some(number.to_string()),
        _ => return None,
    };
    Some(name.to_owned())
}

fn bits(number: u64, names: &[&str]) -> String {
    let set = names.iter().enumerate().filter(|(bit, _)| number >> bit & 1 == 1);
    let set: Vec<&str> = set.map(|(_, name)| *name).collect();
    if set.is_empty() {
        return format!("{number:#x}");
    }
    set.join(",")
}

fn hex(data: &[u8]) -> String {
    let digits: String = data.iter().map(|byte| format!("{byte:02x}")).collect();
    format!("0x{digits}")
}
