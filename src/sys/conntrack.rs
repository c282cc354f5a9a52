//! The connection tracking table of this network namespace.

use std::collections::{BTreeMap, HashMap};
use std::net::IpAddr;

use crate::sys::counters;
use crate::sys::netlink::{Netlink, NetlinkError};
use crate::wire::conntrack::{ALL_FAMILIES, ENTRY, Entry, LIST};
use crate::wire::per_cpu;

/// More distinct sources than this are not told apart, to bound memory (about 50 MB).
const MOST_SOURCES: usize = 1_000_000;

/// Which entries are wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Wanted {
    /// Those to this address.
    pub address: Option<IpAddr>,
    /// Those to this port.
    pub port: Option<u16>,
    /// At most this many; the others are only counted.
    pub most: usize,
}

/// What is in the table.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Table {
    /// Entries read.
    pub listed: u64,
    /// Entries by the address that their first packet came from.
    pub sources: HashMap<IpAddr, u64>,
    /// The wanted entries, as they came.
    pub entries: Vec<Entry>,
    /// How many entries were wanted.
    pub matching: u64,
    /// How many of them never saw an answer.
    pub unreplied: u64,
}

/// Lists the table entry by entry, without keeping it.
///
/// # Errors
///
/// Returns the kernel's refusal: EPERM without `CAP_NET_ADMIN`.
pub fn table(wanted: &Wanted) -> Result<Table, NetlinkError> {
    let mut socket = Netlink::open(libc::NETLINK_NETFILTER as u16)?;
    socket.fold(
        LIST,
        libc::NLM_F_DUMP as u16,
        &ALL_FAMILIES,
        Table::default,
        |table, kind, bytes| {
            if let Some(entry) = (kind == ENTRY).then(|| Entry::parse(bytes)).flatten() {
                table.add(entry, wanted);
            }
        },
    )
}

impl Table {
    fn add(&mut self, entry: Entry, wanted: &Wanted) {
        self.listed += 1;
        let source = entry.from.address;
        if self.sources.len() < MOST_SOURCES || self.sources.contains_key(&source) {
            *self.sources.entry(source).or_default() += 1;
        }
        let asked = wanted.address.is_some() || wanted.port.is_some();
        if asked && entry.is_to(wanted.address, wanted.port) {
            self.matching += 1;
            self.unreplied += u64::from(!entry.replied);
            if self.entries.len() < wanted.most {
                self.entries.push(entry);
            }
        }
    }
}

/// Returns the counters of connection tracking since the namespace began, all CPUs together, by the
/// kernel's names (`drop`, `insert_failed` …); `None` when the kernel does not print them.
pub fn statistics() -> Option<BTreeMap<String, u64>> {
    counters::read("stat/nf_conntrack").map(|text| per_cpu::table(&text))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::conntrack::End;

    fn entry(last: u8, replied: bool) -> Entry {
        let end = |address, port| End { address, port: Some(port) };
        Entry {
            protocol: 6,
            from: end([10, 0, 0, last].into(), 4000),
            to: end([10, 0, 0, 99].into(), 80),
            replies_from: None,
            tcp_state: Some(1),
            replied,
            assured: false,
        }
    }

    #[test]
    fn entries_are_counted_by_source_and_the_wanted_ones_kept() {
        let wanted = Wanted { address: Some([10, 0, 0, 99].into()), port: Some(80), most: 1 };
        let mut table = Table::default();
        for (last, replied) in [(1, true), (1, false), (2, false)] {
            table.add(entry(last, replied), &wanted);
        }
        assert_eq!(table.sources[&IpAddr::from([10, 0, 0, 1])], 2);
        assert_eq!((table.listed, table.matching, table.unreplied), (3, 3, 2));
        assert_eq!(table.entries.len(), 1);
    }

    #[test]
    fn without_a_target_no_entry_is_wanted() {
        let mut table = Table::default();
        table.add(entry(1, true), &Wanted { most: 9, ..Wanted::default() });
        assert!(table.matching == 0 && table.entries.is_empty());
    }
}
