//! The kernel's network counters as `/proc/net/{snmp,netstat,snmp6}` print them.
//!
//! Read by name, never by column: kernels add and drop counters. A name that is missing is unknown,
//! not zero.

use std::collections::BTreeMap;

/// Counters by `Group.Name`, for example `Ip.OutRequests`, `TcpExt.ListenOverflows` or
/// `Ip6.OutRequests`.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct NetCounters {
    values: BTreeMap<String, i64>,
    /// The only ones to keep; empty for all.
    wanted: &'static [&'static str],
}

impl NetCounters {
    /// Begins empty, for only these counters: reading all of them takes as long as sending packets.
    pub fn only(wanted: &'static [&'static str]) -> NetCounters {
        NetCounters { values: BTreeMap::new(), wanted }
    }

    /// Adds what `/proc/net/snmp` or `/proc/net/netstat` says: pairs of lines, names then values.
    ///
    /// A pair whose groups differ is skipped, as is a name without a value or with a value that is
    /// no number.
    pub fn add_pairs(&mut self, text: &str) {
        let mut names: Option<(&str, &str)> = None;
        for line in text.lines() {
            let Some((group, rest)) = line.split_once(':') else {
                names = None;
                continue;
            };
            match names.take() {
                Some((header, columns)) if header == group => {
                    let pairs = columns.split_whitespace().zip(rest.split_whitespace());
                    for (name, value) in pairs {
                        self.add(group, name, value);
                    }
                }
                _ => names = Some((group, rest)),
            }
        }
    }

    /// Adds what `/proc/net/snmp6` says: one `Ip6Name value` per line.
    pub fn add_lines(&mut self, text: &str) {
        for line in text.lines() {
            let mut words = line.split_whitespace();
            let (Some(name), Some(value), None) = (words.next(), words.next(), words.next()) else {
                continue;
            };
            let Some((family, rest)) = name.split_once('6').filter(|(_, rest)| !rest.is_empty())
            else {
                continue;
            };
            self.add(&format!("{family}6"), rest, value);
        }
    }

    /// Adds what `/proc/net/dev` says of the loopback device: `Loopback.InPackets`.
    pub fn add_loopback(&mut self, text: &str) {
        let line = text.lines().find_map(|line| line.trim_start().strip_prefix("lo:"));
        // Received bytes, then received packets.
        if let Some(packets) = line.and_then(|line| line.split_whitespace().nth(1)) {
            self.add("Loopback", "InPackets", packets);
        }
    }

    /// Whether there is none: no file could be read.
    pub fn is_empty(&self) -> bool {
        self.values.is_empty()
    }

    /// One counter; `None` when this kernel does not have it.
    pub fn value(&self, name: &str) -> Option<i64> {
        self.values.get(name).copied()
    }

    /// How much one counter grew since `earlier`; `None` when either does not have it.
    pub fn growth(&self, earlier: &NetCounters, name: &str) -> Option<i64> {
        Some(self.value(name)?.wrapping_sub(earlier.value(name)?))
    }

    /// Every counter that grew since `earlier`.
    pub fn grown(&self, earlier: &NetCounters) -> BTreeMap<String, i64> {
        self.values
            .keys()
            .filter_map(|name| Some((name.clone(), self.growth(earlier, name)?)))
            .filter(|(_, growth)| *growth > 0)
            .collect()
    }

    fn add(&mut self, group: &str, name: &str, value: &str) {
        let is = |wanted: &str| {
            let rest = wanted.strip_prefix(group).and_then(|rest| rest.strip_prefix('.'));
            rest == Some(name)
        };
        if !self.wanted.is_empty() && !self.wanted.iter().copied().any(is) {
            return;
        }
        // Some are signed (Tcp.MaxConn is -1), the others 64-bit unsigned.
        let parsed = value.parse::<i64>().or_else(|_| value.parse::<u64>().map(u64::cast_signed));
        if let Ok(value) = parsed {
            self.values.insert(format!("{group}.{name}"), value);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn pairs(text: &str) -> NetCounters {
        let mut counters = NetCounters::default();
        counters.add_pairs(text);
        counters
    }

    #[test]
    fn names_and_values_pair_up_by_group() {
        let counters =
            pairs("Ip: InReceives OutRequests\nIp: 3248 1769\nTcp: MaxConn OutSegs\nTcp: -1 20\n");
        assert_eq!(counters.value("Ip.OutRequests"), Some(1769));
        assert_eq!(counters.value("Tcp.MaxConn"), Some(-1));
    }

    #[test]
    fn a_name_that_is_missing_is_unknown() {
        let counters = pairs("Ip: OutRequests OutTransmits\nIp: 5\n");
        assert_eq!(counters.value("Ip.OutRequests"), Some(5));
        assert_eq!(counters.value("Ip.OutTransmits"), None);
        assert_eq!(counters.growth(&counters, "Ip.OutTransmits"), None);
    }

    #[test]
    fn a_lost_line_does_not_shift_the_other_groups() {
        let counters = pairs("Ip: A B\nTcp: C\nTcp: 7\nUdp: D\nUdp: 8\n");
        assert_eq!(counters.value("Tcp.C"), Some(7));
        assert_eq!(counters.value("Udp.D"), Some(8));
        assert_eq!(counters.value("Ip.A"), None);
    }

    #[test]
    fn ipv6_names_split_after_the_six() {
        let mut counters = NetCounters::default();
        counters
            .add_lines("Ip6OutTransmits \t 18\nIcmp6OutType133  4\nUdpLite6MemErrors 0\nx\n6 1\n");
        assert_eq!(counters.value("Ip6.OutTransmits"), Some(18));
        assert_eq!(counters.value("Icmp6.OutType133"), Some(4));
        assert_eq!(counters.value("UdpLite6.MemErrors"), Some(0));
    }

    #[test]
    fn only_what_grew_is_listed() {
        let before = pairs("Ip: A B C\nIp: 1 2 3\n");
        let after = pairs("Ip: A B C D\nIp: 1 5 2 9\n");
        let grown: Vec<_> = after.grown(&before).into_iter().collect();
        assert_eq!(grown, [("Ip.B".to_owned(), 3)]);
    }

    proptest! {
        #[test]
        fn any_text_parses(text in "\\PC*", lines in proptest::collection::vec("[A-Za-z6:]{0,9}[ :0-9-]{0,40}", 0..20)) {
            let mut counters = pairs(&text);
            counters.add_lines(&text);
            let lines = lines.join("\n");
            counters.add_pairs(&lines);
            counters.add_lines(&lines);
            prop_assert!(counters.grown(&counters).is_empty());
        }
    }
}
