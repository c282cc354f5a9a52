//! Matches and targets of iptables, which nftables carries as opaque structures.
//!
//! iptables-nft writes most conditions as native expressions (port and flag matches since 1.8.9); what
//! is left are the structures of `include/uapi/linux/netfilter/xt_*.h`, in host byte order.

use super::{Family, Nat, Reject};

/// A match.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Match {
    /// `-p tcp`: ports and flags.
    Tcp {
        /// Source ports.
        sports: (u16, u16),
        /// Destination ports.
        dports: (u16, u16),
        /// Which flags are looked at.
        flag_mask: u8,
        /// Which of those must be set.
        flag_set: u8,
        /// Bits: 1 source ports, 2 destination ports, 4 flags, 8 option.
        inverted: u8,
        /// A TCP option that must be there; 0 for none.
        option: u8,
    },
    /// A match of another protocol than TCP.
    OtherProtocol(String),
    /// `-m multiport`.
    Multiport {
        /// Whether source ports count.
        source: bool,
        /// Whether destination ports count.
        destination: bool,
        /// The ranges.
        ports: Vec<(u16, u16)>,
        /// Whether the ports must be others.
        inverted: bool,
    },
    /// `-m state` and `-m conntrack --ctstate`: a set of `XT_CONNTRACK_STATE_*` bits.
    State {
        /// The bits.
        mask: u16,
        /// Whether the state must be another.
        inverted: bool,
    },
    /// `-m comment`: always matches.
    Comment(String),
    /// `-m mark`.
    Mark {
        /// The mark.
        mark: u32,
        /// Which bits of it count.
        mask: u32,
        /// Whether it must be another.
        inverted: bool,
    },
    /// `-m owner`.
    Owner {
        /// The user ids and whether they must be others.
        uid: Option<((u32, u32), bool)>,
        /// The group ids and whether they must be others.
        gid: Option<((u32, u32), bool)>,
    },
    /// `-m addrtype`: sets of `1 << RTN_*`; 0 for any.
    AddrType {
        /// The source's types.
        source: u16,
        /// The destination's types.
        destination: u16,
        /// Whether the source's must be others.
        source_inverted: bool,
        /// Whether the destination's must be others.
        destination_inverted: bool,
    },
    /// Anything else, by name.
    Opaque(String),
}

/// A target.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Target {
    /// Refuses the packet.
    Reject(Reject),
    /// Lets the packet and the chain go on.
    Passive(String),
    /// Translates an address; accepts.
    Nat(String, Nat),
    /// Changes the mark and goes on.
    Mark,
    /// Takes the packet out of connection tracking, or may.
    Track(String),
    /// Anything else, by name.
    Opaque(String),
}

/// `xt_conntrack` looks at the state and at nothing else.
const CONNTRACK_STATE: u16 = 1 | 1 << 13;

impl Match {
    /// Reads a match from its name, revision and structure.
    pub fn read(name: &str, revision: u32, info: &[u8]) -> Match {
        Match::known(name, revision, info).unwrap_or_else(|| Match::Opaque(name.to_owned()))
    }

    fn known(name: &str, revision: u32, info: &[u8]) -> Option<Match> {
        let info = Info(info);
        Some(match (name, revision) {
            ("tcp", 0) => Match::Tcp {
                sports: (info.u16(0)?, info.u16(2)?),
                dports: (info.u16(4)?, info.u16(6)?),
                option: info.u8(8)?,
                flag_mask: info.u8(9)?,
                flag_set: info.u8(10)?,
                inverted: info.u8(11)?,
            },
            ("udp" | "udplite" | "icmp" | "icmp6" | "sctp" | "dccp" | "esp" | "ah", _) => {
                Match::OtherProtocol(name.to_owned())
            }
            ("multiport", 1) => info.multiport()?,
            ("conntrack", 2 | 3) => {
                let flags = info.u16(146)?;
                let inverted = info.u16(148)? & CONNTRACK_STATE != 0;
                (flags & CONNTRACK_STATE != 0 && flags & !CONNTRACK_STATE == 0).then_some(())?;
                let mask = info.u16(150)?;
                Match::State { mask, inverted }
            }
            ("state", 0) => {
                Match::State { mask: u16::try_from(info.u32(0)?).ok()?, inverted: false }
            }
            ("comment", 0) => Match::Comment(info.text()),
            ("mark", 1) => {
                Match::Mark { mark: info.u32(0)?, mask: info.u32(4)?, inverted: info.u8(8)? != 0 }
            }
            ("owner", 1) => {
                let (wanted, inverted) = (info.u8(16)?, info.u8(17)?);
                (wanted & !3 == 0).then_some(())?;
                let uid = ((info.u32(0)?, info.u32(4)?), inverted & 1 != 0);
                let gid = ((info.u32(8)?, info.u32(12)?), inverted & 2 != 0);
                Match::Owner {
                    uid: (wanted & 1 != 0).then_some(uid),
                    gid: (wanted & 2 != 0).then_some(gid),
                }
            }
            ("addrtype", 1) => {
                let flags = info.u32(4)?;
                // Limited to one interface: what is local to it is not known here.
                (flags & !3 == 0).then_some(())?;
                Match::AddrType {
                    source: info.u16(0)?,
                    destination: info.u16(2)?,
                    source_inverted: flags & 1 != 0,
                    destination_inverted: flags & 2 != 0,
                }
            }
            _ => return None,
        })
    }
}

impl Target {
    /// Reads a target from its name and structure.
    pub fn read(family: Family, name: &str, info: &[u8]) -> Target {
        let named = name.to_owned();
        match name {
            "REJECT" => Info(info)
                .u32(0)
                .and_then(|with| reject(family, with))
                .map_or(Target::Opaque(named), Target::Reject),
            "MARK" => Target::Mark,
            "CT" | "NOTRACK" => Target::Track(named),
            "LOG" | "NFLOG" | "TRACE" | "TCPMSS" | "CONNMARK" | "CHECKSUM" | "CLASSIFY"
            | "DSCP" | "TOS" | "TTL" | "HL" | "ECN" | "TCPOPTSTRIP" | "SECMARK" | "CONNSECMARK"
            | "AUDIT" | "TEE" | "SET" | "RATEEST" | "IDLETIMER" | "LED" => Target::Passive(named),
            "MASQUERADE" | "SNAT" => Target::Nat(named, Nat::Source),
            "DNAT" | "REDIRECT" | "NETMAP" => Target::Nat(named, Nat::Destination),
            _ => Target::Opaque(named),
        }
    }
}

/// Reads `enum ipt_reject_with` or `enum ip6t_reject_with`; the result holds the ICMP code.
fn reject(family: Family, with: u32) -> Option<Reject> {
    Some(match (family, with) {
        (Family::Ip, 7) | (Family::Ip6, 6) => Reject::TcpReset,
        (Family::Ip, 0..=3) => Reject::Icmp(u8::try_from(with).ok()?),
        (Family::Ip, 5) => Reject::Icmp(9),
        (Family::Ip, 6) => Reject::Icmp(10),
        (Family::Ip, 8) => Reject::Icmp(13),
        (Family::Ip6, 0..=4) => Reject::Icmp(u8::try_from(with).ok()?),
        (Family::Ip6, 7) => Reject::Icmp(5),
        (Family::Ip6, 8) => Reject::Icmp(6),
        _ => return None,
    })
}

/// A structure of iptables.
struct Info<'a>(&'a [u8]);

impl Info<'_> {
    fn u8(&self, at: usize) -> Option<u8> {
        self.0.get(at).copied()
    }

    fn u16(&self, at: usize) -> Option<u16> {
        Some(u16::from_ne_bytes(*self.0.get(at..)?.first_chunk()?))
    }

    fn u32(&self, at: usize) -> Option<u32> {
        Some(u32::from_ne_bytes(*self.0.get(at..)?.first_chunk()?))
    }

    fn text(&self) -> String {
        let text = self.0.split(|byte| *byte == 0).next().unwrap_or_default();
        String::from_utf8_lossy(text).into_owned()
    }

    /// `struct xt_multiport_v1`: a port with a flag begins a range that the next port ends.
    fn multiport(&self) -> Option<Match> {
        const PORTS: usize = 15;
        let which = self.u8(0)?;
        let count = usize::from(self.u8(1)?).min(PORTS);
        let mut ports = Vec::new();
        let mut at = 0;
        while at < count {
            let low = self.u16(2 + 2 * at)?;
            let ranges = self.u8(2 + 2 * PORTS + at)? != 0;
            let high = if ranges { self.u16(4 + 2 * at)? } else { low };
            at += if ranges { 2 } else { 1 };
            ports.push((low, high));
        }
        Some(Match::Multiport {
            source: which != 1,
            destination: which != 0,
            ports,
            inverted: self.u8(2 + 3 * PORTS)? != 0,
        })
    }
}
