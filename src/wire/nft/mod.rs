//! nftables as plain data: tables, chains, rules, expressions and sets, decoded from the messages of
//! `NETLINK_NETFILTER`.
//!
//! Nothing here judges: what cannot be decoded stays in the model as [`Expr::Opaque`] with its name.

pub mod decode;
pub mod set;
pub mod xt;

pub use set::{Element, Key, Set, Value};

/// Everything that the kernel listed.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Ruleset {
    /// The chains, in the order of the dump.
    pub chains: Vec<Chain>,
    /// The rules; those of one chain stand in their order.
    pub rules: Vec<Rule>,
    /// The sets, with their elements where those were asked for.
    pub sets: Vec<Set>,
}

/// The family of a table (`include/uapi/linux/netfilter.h`, `NFPROTO_*`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Family {
    /// Both IPv4 and IPv6.
    Inet,
    /// IPv4.
    Ip,
    /// ARP.
    Arp,
    /// One network device.
    Netdev,
    /// Bridged frames.
    Bridge,
    /// IPv6.
    Ip6,
}

impl Family {
    /// Reads the number of a family.
    pub fn from_number(number: u8) -> Option<Family> {
        Some(match number {
            1 => Family::Inet,
            2 => Family::Ip,
            3 => Family::Arp,
            5 => Family::Netdev,
            7 => Family::Bridge,
            10 => Family::Ip6,
            _ => return None,
        })
    }

    /// Returns the number of the family.
    pub fn number(self) -> u8 {
        match self {
            Family::Inet => 1,
            Family::Ip => 2,
            Family::Arp => 3,
            Family::Netdev => 5,
            Family::Bridge => 7,
            Family::Ip6 => 10,
        }
    }

    /// Returns the name that nft uses.
    pub fn name(self) -> &'static str {
        match self {
            Family::Inet => "inet",
            Family::Ip => "ip",
            Family::Arp => "arp",
            Family::Netdev => "netdev",
            Family::Bridge => "bridge",
            Family::Ip6 => "ip6",
        }
    }
}

/// A place in the kernel where base chains are called.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Hook {
    /// Before anything else, on one device.
    Ingress,
    /// Before routing.
    Prerouting,
    /// To this machine.
    Input,
    /// Through this machine.
    Forward,
    /// From this machine, before the route is final.
    Output,
    /// On the way out, after routing.
    Postrouting,
    /// The last, on one device.
    Egress,
}

impl Hook {
    /// Reads the number of a hook: `NF_INET_*`, or `NF_NETDEV_*` in the netdev family.
    pub fn from_number(family: Family, number: u32) -> Option<Hook> {
        Some(match (family, number) {
            (Family::Netdev, 0) | (Family::Inet, 5) => Hook::Ingress,
            (Family::Netdev, 1) => Hook::Egress,
            (Family::Netdev, _) => return None,
            (_, 0) => Hook::Prerouting,
            (_, 1) => Hook::Input,
            (_, 2) => Hook::Forward,
            (_, 3) => Hook::Output,
            (_, 4) => Hook::Postrouting,
            _ => return None,
        })
    }

    /// Returns the name that nft uses.
    pub fn name(self) -> &'static str {
        match self {
            Hook::Ingress => "ingress",
            Hook::Prerouting => "prerouting",
            Hook::Input => "input",
            Hook::Forward => "forward",
            Hook::Output => "output",
            Hook::Postrouting => "postrouting",
            Hook::Egress => "egress",
        }
    }
}

/// A chain.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Chain {
    /// Its table's family.
    pub family: Family,
    /// Its table.
    pub table: String,
    /// Its name.
    pub name: String,
    /// Where the kernel calls it; `None` for a chain that only rules jump to.
    pub base: Option<Base>,
}

/// What makes a chain a base chain.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Base {
    /// Where it is called.
    pub hook: Hook,
    /// When it is called there; lower is earlier.
    pub priority: i32,
    /// Whether a packet that no rule decided about is dropped.
    pub drops: bool,
    /// `filter`, `nat` or `route`.
    pub kind: String,
    /// The devices of a netdev or ingress chain.
    pub devices: Vec<String>,
}

/// A rule.
#[derive(Debug, Clone, PartialEq)]
pub struct Rule {
    /// Its table's family.
    pub family: Family,
    /// Its table.
    pub table: String,
    /// Its chain.
    pub chain: String,
    /// The number that names it in its table.
    pub handle: u64,
    /// The comment that its author wrote.
    pub comment: Option<String>,
    /// What it does, in order.
    pub exprs: Vec<Expr>,
}

/// What a rule or a map's element says of the packet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// Ends this base chain; later base chains still see the packet.
    Accept,
    /// Ends the packet.
    Drop,
    /// Hands it to a program.
    Queue,
    /// Goes on with the next expression.
    Continue,
    /// Goes on with the next rule.
    Break,
    /// Calls a chain.
    Jump(String),
    /// Goes to a chain without coming back.
    Goto(String),
    /// Returns to the calling chain.
    Return,
    /// A code that this program does not know.
    Other(i32),
}

/// Where a value comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Source {
    /// Bytes of a header.
    Payload {
        /// 0 link layer, 1 network, 2 transport (`NFT_PAYLOAD_*`).
        base: u32,
        /// The first byte, from the header's start.
        offset: u32,
        /// The number of bytes.
        len: u32,
    },
    /// Something the kernel knows of the packet (`NFT_META_*`).
    Meta(u32),
    /// Something the connection tracker knows (`NFT_CT_*`).
    Ct(u32),
    /// A routing lookup (`NFTA_FIB_F_*` flags, `NFT_FIB_RESULT_*`).
    Fib {
        /// What is looked up.
        flags: u32,
        /// What is taken from the answer.
        result: u32,
    },
}

/// How [`Expr::Cmp`] compares (`NFT_CMP_*`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CmpOp {
    /// Equal.
    Eq,
    /// Not equal.
    Neq,
    /// Less.
    Lt,
    /// Less or equal.
    Lte,
    /// Greater.
    Gt,
    /// Greater or equal.
    Gte,
}

/// How a packet is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reject {
    /// An ICMP or ICMPv6 destination-unreachable with this code, by the packet's family.
    Icmp(u8),
    /// A TCP reset.
    TcpReset,
    /// A code that means the same in both families (`NFT_REJECT_ICMPX_*`).
    Icmpx(u8),
}

/// What an address translation changes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Nat {
    /// The source.
    Source,
    /// The destination.
    Destination,
}

/// One expression of a rule. Registers keep their number on the wire (`NFT_REG_*`).
#[derive(Debug, Clone, PartialEq)]
pub enum Expr {
    /// Loads a value into a register.
    Load {
        /// The register.
        dreg: u32,
        /// The value.
        source: Source,
    },
    /// Writes a register into the packet or into what the kernel keeps with it.
    Store {
        /// The register.
        sreg: u32,
        /// What is written.
        target: Source,
    },
    /// Loads a constant.
    Constant {
        /// The register.
        dreg: u32,
        /// The constant.
        data: Vec<u8>,
    },
    /// Ends the rule when the comparison fails.
    Cmp {
        /// The register.
        sreg: u32,
        /// The comparison.
        op: CmpOp,
        /// What it is compared with, byte by byte from the left.
        data: Vec<u8>,
    },
    /// Ends the rule unless the value lies in a range.
    Range {
        /// The register.
        sreg: u32,
        /// Ends the rule when the value does lie there.
        inverted: bool,
        /// The lowest value.
        from: Vec<u8>,
        /// The highest value.
        to: Vec<u8>,
    },
    /// `(register & mask) ^ xor`.
    Bitwise {
        /// The register read.
        sreg: u32,
        /// The register written.
        dreg: u32,
        /// The mask.
        mask: Vec<u8>,
        /// The bits turned over.
        xor: Vec<u8>,
    },
    /// Swaps between host and network order.
    ByteOrder {
        /// The register read.
        sreg: u32,
        /// The register written.
        dreg: u32,
        /// Bytes of all values.
        len: u32,
        /// Bytes of one value.
        size: u32,
    },
    /// Looks a value up in a set; ends the rule when it is not there.
    Lookup {
        /// The set.
        set: String,
        /// The register of the key.
        sreg: u32,
        /// The register that takes a map's value; 0 takes its verdict.
        dreg: Option<u32>,
        /// Ends the rule when the value *is* there.
        inverted: bool,
    },
    /// A verdict.
    Verdict(Verdict),
    /// Counts.
    Counter {
        /// Packets counted.
        packets: u64,
        /// Their bytes.
        bytes: u64,
    },
    /// Writes a log line.
    Log {
        /// Its beginning.
        prefix: Option<String>,
    },
    /// Ends the rule over (or under) a rate.
    Limit {
        /// Packets or bytes per unit.
        rate: u64,
        /// The unit, in seconds.
        unit: u64,
        /// Whether bytes are counted.
        bytes: bool,
        /// Whether it matches over the rate rather than under it.
        over: bool,
    },
    /// Refuses the packet.
    Reject(Reject),
    /// Translates an address; accepts.
    Nat {
        /// The keyword of nft.
        keyword: &'static str,
        /// What changes.
        changes: Nat,
    },
    /// Takes the packet out of connection tracking.
    Notrack,
    /// A match of iptables.
    Match(xt::Match),
    /// A target of iptables.
    Target(xt::Target),
    /// A statement that lets the packet and the rule go on.
    Passive(String),
    /// Anything else, by name.
    Opaque(String),
}

impl Rule {
    /// Finds the comment: of the rule itself, or of an iptables match.
    pub fn author_comment(&self) -> Option<String> {
        self.comment.clone().or_else(|| {
            self.exprs.iter().find_map(|expr| match expr {
                Expr::Match(xt::Match::Comment(text)) => Some(text.clone()),
                _ => None,
            })
        })
    }

    /// Finds the rule's counter: its packets, and whether it stands behind everything that could
    /// still end the rule, so that it counts exactly the packets that meet the rule's fate.
    pub fn counter(&self) -> Option<(u64, bool)> {
        let at = (self.exprs.iter()).rposition(|expr| matches!(expr, Expr::Counter { .. }))?;
        let Expr::Counter { packets, .. } = self.exprs.get(at)? else {
            return None;
        };
        let rest = self.exprs.get(at + 1..).unwrap_or_default();
        Some((*packets, !rest.iter().any(Expr::may_end_rule)))
    }
}

impl Expr {
    /// Says whether the expression can end its rule without a verdict.
    fn may_end_rule(&self) -> bool {
        match self {
            Expr::Cmp { .. }
            | Expr::Range { .. }
            | Expr::Lookup { .. }
            | Expr::Limit { .. }
            | Expr::Opaque(_) => true,
            Expr::Match(found) => !matches!(found, xt::Match::Comment(_)),
            _ => false,
        }
    }
}
