//! `conntrack`: how full the connection tracking table is, and what it does with new connections.

use std::collections::{BTreeMap, HashMap};
use std::net::IpAddr;
use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::model::outcome::Why;
use crate::probe::Probe;
use crate::sys::conntrack::{self, Table, Wanted};
use crate::sys::{clock, host, sysctl};
use crate::wire::conntrack::{Entry, tcp_state_name};

/// The `conntrack` probe.
pub enum Conntrack {}

/// Arguments of [`Conntrack`].
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ConntrackArgs {
    /// The destination whose entries are wanted; null for any.
    #[serde(default)]
    pub address: Option<String>,
    /// The destination port whose entries are wanted; null for any.
    #[serde(default)]
    pub port: Option<u16>,
    /// How long to watch the counters, in milliseconds.
    #[serde(default = "default_window_ms")]
    pub window_ms: u32,
    /// Whether to list the table when that is permitted; without it only the counts are read.
    #[serde(default = "yes")]
    pub list: bool,
}

fn yes() -> bool {
    true
}
fn default_window_ms() -> u32 {
    200
}

/// What [`Conntrack`] saw.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct ConntrackSeen {
    /// Whether connection tracking is loaded. It tracks only where a rule of this network namespace
    /// asks for it.
    pub active: bool,
    /// Connections tracked in this network namespace.
    pub count: Option<i64>,
    /// The most that can be tracked.
    pub max: Option<i64>,
    /// How full the table is, in percent.
    pub percent: Option<f64>,
    /// Packets of new connections dropped during the watch because the table was full.
    pub drops: Option<i64>,
    /// Entries that could not be added during the watch, as when two packets of one connection race.
    pub insert_failed: Option<i64>,
    /// Entries of unfinished connections thrown out during the watch to make room.
    pub early_drops: Option<i64>,
    /// Packets during the watch that belong to no connection.
    pub invalid: Option<i64>,
    /// The counters above since this network namespace came up, by the kernel's names: history, never
    /// evidence.
    pub since_boot: BTreeMap<String, i64>,
    /// How long was watched, in milliseconds.
    pub window_ms: f64,
    /// The addresses that most entries come from; null when the table may not be read.
    pub top_sources: Option<Vec<SourceEntry>>,
    /// The busiest of them in words, or that they are hidden.
    pub busiest: String,
    /// How many addresses entries come from; null when the table may not be read.
    pub sources: Option<i64>,
    /// Entries read; null when the table may not be read.
    pub listed: Option<i64>,
    /// Entries to the address and port given; null without them, or when the table may not be read.
    pub matching: Option<i64>,
    /// How many of those never saw an answer; null as for `matching`.
    pub unreplied: Option<i64>,
    /// Some of those entries, at most 20; empty when not known.
    pub entries: Vec<EntrySeen>,
    /// What could not be listed and why, in words; null when all was.
    pub without_privilege: Option<String>,
}

/// An address and how many entries come from it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct SourceEntry {
    /// The address.
    pub address: String,
    /// Its entries.
    pub count: i64,
}

/// One entry of the table.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct EntrySeen {
    /// `tcp`, `udp`, or the number of another protocol.
    pub protocol: String,
    /// Where the first packet came from.
    pub source: String,
    /// Its port.
    pub source_port: Option<u16>,
    /// Where it was sent to.
    pub destination: String,
    /// Its port.
    pub destination_port: Option<u16>,
    /// Where replies come from, when the destination was translated; else null.
    pub translated_to: Option<String>,
    /// The TCP state as connection tracking names it, for example `SYN_SENT`; null for other
    /// protocols.
    pub state: Option<String>,
    /// Whether no answer was ever seen.
    pub unreplied: bool,
}

/// Listing more entries would take seconds.
const MOST_LISTED: i64 = 2_000_000;
/// Entries shown at most.
const MOST_ENTRIES: usize = 20;
/// Sources shown at most.
const MOST_SOURCES: usize = 10;
/// Sources named in a sentence.
const MOST_NAMED: usize = 3;
const DIRECTORY: &str = "net.netfilter.nf_conntrack";

impl Probe for Conntrack {
    const ID: &'static str = "conntrack";
    const DOC: &'static str = "Watches the connection tracking table: how full it is, what it drops, and, \
        when permitted, where its entries come from.";
    const PRIVILEGE: &'static str = "CAP_NET_ADMIN allows to list the table: its top sources, and the \
        entries of one destination; how full it is and what it drops needs no privilege.";
    type Args = ConntrackArgs;
    type Seen = ConntrackSeen;

    async fn run(args: ConntrackArgs) -> Result<ConntrackSeen, Why> {
        let address = match args.address.as_deref().map(|text| host::socket_address(text, 0)) {
            None => None,
            Some(Some(address)) => Some(address.ip()),
            Some(None) => {
                let text = args.address.unwrap_or_default();
                return Err(Why::Unsupported { what: format!("the address {text:?}") });
            }
        };
        if !sysctl::available() {
            return Err(Why::Unsupported { what: "/proc/sys cannot be seen".to_owned() });
        }
        let start = clock::now();
        let number =
            |name: &str| sysctl::read(&format!("{DIRECTORY}_{name}")).value()?.parse().ok();
        let mut seen = ConntrackSeen { max: number("max"), ..ConntrackSeen::default() };
        seen.active = seen.max.is_some();
        if !seen.active {
            return Ok(seen);
        }
        match args.list {
            true => "hidden (needs CAP_NET_ADMIN)".clone_into(&mut seen.busiest),
            false => "not listed".clone_into(&mut seen.busiest),
        }
        let before = conntrack::statistics().unwrap_or_default();
        let wanted = Wanted { address, port: args.port, most: MOST_ENTRIES };
        let small = number("count").is_some_and(|count: i64| count <= MOST_LISTED);
        let listing = (small && args.list)
            .then(|| tokio::task::spawn_blocking(move || conntrack::table(&wanted)));
        tokio::time::sleep(Duration::from_millis(args.window_ms.into())).await;
        seen.without_privilege = match listing {
            None if !args.list => None,
            None => Some(format!("a table of more than {MOST_LISTED} entries is not listed")),
            Some(listing) => match listing.await {
                Ok(Ok(table)) => {
                    seen.add_table(&table, &wanted);
                    None
                }
                Ok(Err(error)) => {
                    Some(error.why("list tracked connections", "CAP_NET_ADMIN").to_string())
                }
                Err(_) => Some("the list could not be read".to_owned()),
            },
        };
        seen.count = number("count");
        let filled = seen.count.zip(seen.max).filter(|(_, max)| *max > 0);
        seen.percent =
            filled.map(|(count, max)| (count as f64 / max as f64 * 1000.0).round() / 10.0);
        seen.add_growth(&before, &conntrack::statistics().unwrap_or_default());
        seen.window_ms = clock::ms_since(start);
        Ok(seen)
    }

    fn brief(seen: &ConntrackSeen) -> String {
        if !seen.active {
            return "connection tracking is not loaded".to_owned();
        }
        let mut text = match (seen.count, seen.max, seen.percent) {
            (Some(count), Some(max), Some(percent)) => {
                format!("{count} of {max} connections tracked ({percent} %)")
            }
            _ => "how many connections are tracked is not known".to_owned(),
        };
        for (grew, what) in [
            (seen.drops, "dropped"),
            (seen.insert_failed, "insertions failed"),
            (seen.early_drops, "thrown out early"),
        ] {
            if let Some(grew) = grew.filter(|grew| *grew > 0) {
                text += &format!(", {grew} {what} in {:.0} ms", seen.window_ms);
            }
        }
        if let Some(first) = seen.top_sources.as_ref().and_then(|top| top.first()) {
            text += &format!(", most from {} ({})", first.address, first.count);
        }
        if let (Some(matching), Some(unreplied)) = (seen.matching, seen.unreplied) {
            text += &format!(", {matching} to this destination ({unreplied} unanswered)");
        }
        text
    }
}

impl ConntrackSeen {
    fn add_growth(&mut self, before: &BTreeMap<String, u64>, after: &BTreeMap<String, u64>) {
        let mut grew = |name: &str| {
            let now = after.get(name)?;
            self.since_boot.insert(name.to_owned(), now.cast_signed());
            Some(now.wrapping_sub(*before.get(name)?).cast_signed())
        };
        let (drops, failed) = (grew("drop"), grew("insert_failed"));
        let (early, invalid) = (grew("early_drop"), grew("invalid"));
        (self.drops, self.insert_failed) = (drops, failed);
        (self.early_drops, self.invalid) = (early, invalid);
    }

    fn add_table(&mut self, table: &Table, wanted: &Wanted) {
        let asked = wanted.address.is_some() || wanted.port.is_some();
        self.listed = Some(signed(table.listed));
        self.sources = i64::try_from(table.sources.len()).ok();
        let top = top(&table.sources);
        let named = top.iter().take(MOST_NAMED);
        let named: Vec<_> = named.map(|top| format!("{} ({})", top.address, top.count)).collect();
        self.busiest = if named.is_empty() { "none".to_owned() } else { named.join(", ") };
        self.top_sources = Some(top);
        self.matching = asked.then(|| signed(table.matching));
        self.unreplied = asked.then(|| signed(table.unreplied));
        self.entries = table.entries.iter().map(EntrySeen::of).collect();
    }
}

impl EntrySeen {
    fn of(entry: &Entry) -> EntrySeen {
        let translated = entry.replies_from.filter(|end| *end != entry.to);
        EntrySeen {
            protocol: match entry.protocol {
                6 => "tcp".to_owned(),
                17 => "udp".to_owned(),
                other => other.to_string(),
            },
            source: entry.from.address.to_string(),
            source_port: entry.from.port,
            destination: entry.to.address.to_string(),
            destination_port: entry.to.port,
            translated_to: translated.map(|end| match end.port {
                Some(port) => std::net::SocketAddr::new(end.address, port).to_string(),
                None => end.address.to_string(),
            }),
            state: entry.tcp_state.map(|state| tcp_state_name(state).to_owned()),
            unreplied: !entry.replied,
        }
    }
}

/// The sources with most entries, the most first; equals by address, so that the order is stable.
fn top(sources: &HashMap<IpAddr, u64>) -> Vec<SourceEntry> {
    let mut all: Vec<(IpAddr, u64)> = sources.iter().map(|(ip, count)| (*ip, *count)).collect();
    all.sort_unstable_by_key(|(address, count)| (std::cmp::Reverse(*count), *address));
    all.truncate(MOST_SOURCES);
    let entry = |(address, count): (IpAddr, u64)| SourceEntry {
        address: address.to_string(),
        count: signed(count),
    };
    all.into_iter().map(entry).collect()
}

fn signed(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table(text: &str) -> BTreeMap<String, u64> {
        crate::wire::per_cpu::table(text)
    }

    #[test]
    fn only_growth_counts_and_a_missing_column_is_unknown() {
        let mut seen = ConntrackSeen::default();
        seen.add_growth(&table("drop invalid\n10 1\n5 1\n"), &table("drop invalid\n12 1\n5 1\n"));
        assert_eq!(seen.drops, Some(2));
        assert_eq!(seen.invalid, Some(0));
        assert_eq!(seen.insert_failed, None);
        assert_eq!(seen.since_boot["drop"], 0x17);
    }

    #[test]
    fn the_busiest_sources_come_first() {
        let sources = (1..=20u8).map(|last| ([10, 0, 0, last].into(), u64::from(last / 2)));
        let top = top(&sources.collect());
        assert_eq!(top.len(), MOST_SOURCES);
        assert_eq!((top[0].address.as_str(), top[0].count), ("10.0.0.20", 10));
        assert_eq!(top[1].address, "10.0.0.18");
    }

    #[tokio::test]
    async fn the_table_is_watched_with_or_without_privilege() {
        let args = serde_json::from_value(serde_json::json!({"window_ms": 1})).expect("arguments");
        let seen = Conntrack::run(args).await.expect("looked");
        if seen.active {
            assert!(seen.count.is_some() && seen.percent.is_some());
            assert_eq!(seen.top_sources.is_none(), seen.without_privilege.is_some());
        }
    }
}
