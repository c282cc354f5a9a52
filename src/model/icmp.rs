//! An ICMP error as a socket's error queue reports it.

use std::net::IpAddr;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What an ICMP error means, whatever the IP version.
///
/// Types and codes: RFC 792, RFC 1122 3.2.2.1, RFC 1812 5.2.7.1, RFC 4443.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum IcmpKind {
    /// 3/0, 3/6, 3/11; v6 1/0: a router has no route.
    NetUnreachable,
    /// 3/1, 3/7, 3/12, 3/5 …; v6 1/3: a router cannot reach the host.
    HostUnreachable,
    /// 3/2: the host lacks the protocol.
    ProtocolUnreachable,
    /// 3/3; v6 1/4: nobody listens (UDP), or a filter rejects.
    PortUnreachable,
    /// 3/9, 3/10, 3/13; v6 1/1, 1/5, 1/6: forbidden by policy.
    AdminProhibited,
    /// 3/4; v6 2/0: the packet is larger than the next link.
    TooBig,
    /// 11/0; v6 3/0: the hop limit ended here.
    TtlExceeded,
    /// Any other type and code.
    Other,
}

impl IcmpKind {
    /// Classifies an ICMPv4 type and code.
    pub fn v4(kind: u8, code: u8) -> IcmpKind {
        match (kind, code) {
            (3, 0 | 6 | 11) => IcmpKind::NetUnreachable,
            (3, 1 | 5 | 7 | 8 | 12) => IcmpKind::HostUnreachable,
            (3, 2) => IcmpKind::ProtocolUnreachable,
            (3, 3) => IcmpKind::PortUnreachable,
            (3, 4) => IcmpKind::TooBig,
            (3, 9 | 10 | 13) => IcmpKind::AdminProhibited,
            (11, 0) => IcmpKind::TtlExceeded,
            _ => IcmpKind::Other,
        }
    }

    /// Classifies an ICMPv6 type and code.
    pub fn v6(kind: u8, code: u8) -> IcmpKind {
        match (kind, code) {
            (1, 0) => IcmpKind::NetUnreachable,
            (1, 2 | 3) => IcmpKind::HostUnreachable,
            (1, 4) => IcmpKind::PortUnreachable,
            (1, 1 | 5 | 6) => IcmpKind::AdminProhibited,
            (2, _) => IcmpKind::TooBig,
            (3, 0) => IcmpKind::TtlExceeded,
            _ => IcmpKind::Other,
        }
    }
}

/// An ICMP error that answered one of our packets.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct IcmpError {
    /// What it means.
    pub kind: IcmpKind,
    /// The ICMP type number.
    #[serde(rename = "type")]
    pub icmp_type: u8,
    /// The ICMP code number.
    pub code: u8,
    /// The address of the box that sent it.
    #[schemars(with = "String")]
    pub from: IpAddr,
    /// Whether that box is this machine itself (a local rule, or a neighbour that did not answer).
    pub from_here: bool,
    /// The TTL (hop limit) with which the error arrived here.
    pub ttl: Option<u8>,
    /// The hop number of that box as its TTL suggests it; right where the way back is as long as
    /// the way there.
    pub hop: Option<u8>,
    /// The next-hop MTU in bytes that a too-big error names.
    pub mtu: Option<u32>,
}

/// Returns how many hops away a packet was made that arrived with this TTL.
///
/// Stacks start from 64 (Linux, BSD), 128 (Windows) or 255 (many routers); the lowest of these that
/// the TTL does not exceed is taken.
pub fn hops_from_ttl(ttl: u8) -> Option<u8> {
    let initial = match ttl {
        0 => return None,
        1..=64 => 64,
        65..=128 => 128,
        129..=255 => 255,
    };
    Some(initial - ttl + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_port_unreachable_codes_are_port_unreachable() {
        for code in 0..=15 {
            assert_eq!(IcmpKind::v4(3, code) == IcmpKind::PortUnreachable, code == 3);
        }
    }

    #[test]
    fn policy_codes_are_admin_prohibited_in_both_families() {
        for code in [9, 10, 13] {
            assert_eq!(IcmpKind::v4(3, code), IcmpKind::AdminProhibited);
        }
        for code in [1, 5, 6] {
            assert_eq!(IcmpKind::v6(1, code), IcmpKind::AdminProhibited);
        }
    }
}
