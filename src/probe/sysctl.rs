//! `sysctl`: the kernel parameters that decide over TCP connections.

mod parameters;
mod suggest;

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::model::outcome::Why;
use crate::probe::Probe;
use crate::sys::procfs::TcpMemory;
use crate::sys::sysctl;
use crate::wire::ports;

pub use parameters::{Known, PARAMETERS, find};
use suggest::Grown;

/// The `sysctl` probe.
pub enum Sysctl {}

/// Arguments of [`Sysctl`].
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SysctlArgs {
    /// The rate that one connection is to reach, in Mbit/s; with `rtt_ms`, buffers are held against
    /// the product of both. Null or 0 when it does not matter.
    #[serde(default)]
    pub rate_mbit: Option<f64>,
    /// The round trip of that connection, in milliseconds; null or 0 when it does not matter.
    #[serde(default)]
    pub rtt_ms: Option<f64>,
    /// Counters that grew, by `Group.Name`, as `counters.deltas` lists them: values that matter only
    /// while a counter grows are suggested only then.
    #[serde(default)]
    pub grown: BTreeMap<String, i64>,
    /// The limits of the accept queues that have no room left, in connections: somaxconn is suggested
    /// only when it is what limits one of them. Null when they are not known; empty when none was
    /// seen.
    #[serde(default)]
    pub full_backlogs: Option<Vec<i64>>,
}

/// What [`Sysctl`] saw. A parameter that this kernel or network namespace lacks is null.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct SysctlSeen {
    /// The longest accept queue that a listener can get, in connections.
    pub somaxconn: Option<i64>,
    /// Whether an accept queue that has no room left is as long as somaxconn allows; null when it is
    /// not known which those are.
    pub backlog_capped: Option<bool>,
    /// How many half-open connections are remembered while SYN cookies are off.
    pub max_syn_backlog: Option<i64>,
    /// How many packets may wait for each CPU.
    pub netdev_max_backlog: Option<i64>,
    /// SYN cookies: 0 off, 1 when a SYN queue is full, 2 always.
    pub syncookies: Option<i64>,
    /// How often a SYN-ACK is sent again.
    pub synack_retries: Option<i64>,
    /// How often a SYN is sent again.
    pub syn_retries: Option<i64>,
    /// Whether a connection that does not fit into the accept queue is reset.
    pub abort_on_overflow: Option<bool>,
    /// Whether windows over 64 KiB are offered.
    pub window_scaling: Option<bool>,
    /// The first local port that connect() may choose.
    pub port_low: Option<i64>,
    /// The last local port that connect() may choose.
    pub port_high: Option<i64>,
    /// How many local ports connect() may choose from, without the reserved ones: the most
    /// connections to one address and port.
    pub ports: Option<i64>,
    /// TIME_WAIT reuse by connect(): 0 never, 1 always, 2 on loopback.
    pub tw_reuse: Option<i64>,
    /// How long FIN_WAIT_2 lasts, in seconds.
    pub fin_timeout_s: Option<i64>,
    /// After how many seconds of silence keepalive gives a dead peer up: time + interval × probes.
    pub keepalive_s: Option<i64>,
    /// Path MTU probing by TCP: 0 never, 1 after losses, 2 always.
    pub mtu_probing: Option<i64>,
    /// TCP Fast Open: 1 client, 2 server, 3 both.
    pub fastopen: Option<i64>,
    /// Reverse path filter of all devices: 0 off, 1 strict, 2 loose.
    pub rp_filter_all: Option<i64>,
    /// Reverse path filter that new devices get.
    pub rp_filter_default: Option<i64>,
    /// The least, first and largest TCP receive buffer in bytes; empty when unknown.
    pub tcp_rmem: Vec<i64>,
    /// The least, first and largest TCP send buffer in bytes; empty when unknown.
    pub tcp_wmem: Vec<i64>,
    /// The largest receive buffer that a program may ask for, in bytes.
    pub rmem_max: Option<i64>,
    /// The largest send buffer that a program may ask for, in bytes.
    pub wmem_max: Option<i64>,
    /// The bytes that one connection has on the way at the rate and round trip given; null without
    /// both.
    pub bdp_bytes: Option<i64>,
    /// The smaller of the largest TCP send and receive buffers, in bytes: the most that automatic
    /// tuning can reach.
    pub buffer_bytes: Option<i64>,
    /// Whether that smaller buffer holds the bytes on the way; null without rate and round trip.
    pub bdp_fits: Option<bool>,
    /// The three limits of TCP memory in pages: no saving, pressure, drop; empty when unknown.
    pub tcp_mem: Vec<i64>,
    /// The pages that all TCP sockets of the machine hold.
    pub tcp_mem_used: Option<i64>,
    /// The pages used against the limit where pressure begins, in percent.
    pub tcp_mem_percent: Option<f64>,
    /// How many files all processes may have open.
    pub file_max: Option<i64>,
    /// How many files are open.
    pub files_open: Option<i64>,
    /// Open files against the limit, in percent.
    pub files_percent: Option<f64>,
    /// How many connections can be tracked; null when connection tracking is not loaded.
    pub conntrack_max: Option<i64>,
    /// How many connections are tracked in this network namespace.
    pub conntrack_count: Option<i64>,
    /// Tracked connections against the limit, in percent.
    pub conntrack_percent: Option<f64>,
    /// The buckets of the connection tracking table.
    pub conntrack_buckets: Option<i64>,
    /// Every parameter with its meaning, and a suggestion where the evidence speaks for one.
    pub parameters: Vec<ParameterEntry>,
    /// How many suggestions there are.
    pub suggestions: u32,
    /// The suggestions as a file for `/etc/sysctl.d`, a comment with the reason before each line; null
    /// when there are none.
    pub sysctl_d: Option<String>,
}

/// One parameter.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct ParameterEntry {
    /// Its name, for example `net.core.somaxconn`.
    pub name: String,
    /// Its file.
    pub path: String,
    /// Its value as the kernel prints it; null when this kernel or network namespace has no such
    /// parameter, or it may not be read.
    pub value: Option<String>,
    /// What it means.
    pub meaning: String,
    /// The evidence that would make it a problem.
    pub matters_when: String,
    /// The value to set; null when nothing speaks for a change.
    pub suggestion: Option<String>,
    /// Why.
    pub reason: Option<String>,
}

impl Probe for Sysctl {
    const ID: &'static str = "sysctl";
    const DOC: &'static str = "Reads the kernel parameters that decide over TCP connections, with what \
        each means and when it matters; suggests values only where evidence speaks for them.";
    type Args = SysctlArgs;
    type Seen = SysctlSeen;

    async fn run(args: SysctlArgs) -> Result<SysctlSeen, Why> {
        if !sysctl::available() {
            return Err(Why::Unsupported { what: "/proc/sys cannot be seen".to_owned() });
        }
        let names = PARAMETERS.iter().map(|known| known.name).chain([COUNT]);
        let values = names.filter_map(|name| Some((name, sysctl::read(name).value()?))).collect();
        let pages = TcpMemory::read().pages.and_then(|pages| i64::try_from(pages).ok());
        Ok(review(&Values(values), pages, &args))
    }

    fn brief(seen: &SysctlSeen) -> String {
        let read = seen.parameters.iter().filter(|parameter| parameter.value.is_some()).count();
        let mut text = format!("{read} kernel parameters read");
        let suggested = |parameter: &ParameterEntry| {
            let value = parameter.suggestion.as_ref()?;
            let now = parameter.value.as_deref().unwrap_or("unknown");
            Some(format!("{} {now} → {value}", parameter.name))
        };
        let suggestions: Vec<String> = seen.parameters.iter().filter_map(suggested).collect();
        match suggestions.is_empty() {
            true => text += ", nothing speaks for changing one",
            false => text += &format!("; suggested: {}", suggestions.join(", ")),
        }
        text
    }
}

/// Besides the parameters, a count that one of them is held against.
const COUNT: &str = "net.netfilter.nf_conntrack_count";

/// The parameters that could be read, as text.
struct Values(BTreeMap<&'static str, String>);

impl Values {
    fn text(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(String::as_str)
    }

    fn int(&self, name: &str) -> Option<i64> {
        self.text(name)?.parse().ok()
    }

    /// A list of numbers; empty when one of them is none.
    fn list(&self, name: &str) -> Vec<i64> {
        let numbers = self.text(name).unwrap_or_default().split(' ').map(str::parse);
        numbers.collect::<Result<_, _>>().unwrap_or_default()
    }
}

/// Turns what was read into facts: pure.
fn review(values: &Values, tcp_pages: Option<i64>, args: &SysctlArgs) -> SysctlSeen {
    let ipv4 = |name: &str| values.int(&format!("net.ipv4.{name}"));
    let conntrack = |name: &str| values.int(&format!("net.netfilter.nf_conntrack_{name}"));
    let range = values.text("net.ipv4.ip_local_port_range").and_then(ports::range);
    let reserved = values.text("net.ipv4.ip_local_reserved_ports").unwrap_or_default();
    let tcp_rmem = values.list("net.ipv4.tcp_rmem");
    let tcp_wmem = values.list("net.ipv4.tcp_wmem");
    let buffer_bytes = match (&tcp_rmem[..], &tcp_wmem[..]) {
        ([_, _, receive], [_, _, send]) => Some(*receive.min(send)),
        _ => None,
    };
    let bdp_bytes = bandwidth_delay(args.rate_mbit, args.rtt_ms);
    let tcp_mem = values.list("net.ipv4.tcp_mem");
    let files_open = values.list("fs.file-nr").first().copied();
    let file_max = values.int("fs.file-max");
    let (conntrack_count, conntrack_max) = (conntrack("count"), conntrack("max"));
    let mut seen = SysctlSeen {
        somaxconn: values.int("net.core.somaxconn"),
        backlog_capped: None,
        max_syn_backlog: ipv4("tcp_max_syn_backlog"),
        netdev_max_backlog: values.int("net.core.netdev_max_backlog"),
        syncookies: ipv4("tcp_syncookies"),
        synack_retries: ipv4("tcp_synack_retries"),
        syn_retries: ipv4("tcp_syn_retries"),
        abort_on_overflow: ipv4("tcp_abort_on_overflow").map(|value| value != 0),
        window_scaling: ipv4("tcp_window_scaling").map(|value| value != 0),
        port_low: range.map(|(low, _)| low.into()),
        port_high: range.map(|(_, high)| high.into()),
        ports: range.map(|(low, high)| {
            i64::from(high - low) + 1 - i64::from(ports::reserved_within(reserved, (low, high)))
        }),
        tw_reuse: ipv4("tcp_tw_reuse"),
        fin_timeout_s: ipv4("tcp_fin_timeout"),
        keepalive_s: keepalive(
            ipv4("tcp_keepalive_time"),
            ipv4("tcp_keepalive_intvl"),
            ipv4("tcp_keepalive_probes"),
        ),
        mtu_probing: ipv4("tcp_mtu_probing"),
        fastopen: ipv4("tcp_fastopen"),
        rp_filter_all: ipv4("conf.all.rp_filter"),
        rp_filter_default: ipv4("conf.default.rp_filter"),
        tcp_rmem,
        tcp_wmem,
        rmem_max: values.int("net.core.rmem_max"),
        wmem_max: values.int("net.core.wmem_max"),
        bdp_bytes,
        buffer_bytes,
        bdp_fits: bdp_bytes.zip(buffer_bytes).map(|(bdp, buffer)| bdp <= buffer),
        tcp_mem_percent: percent(tcp_pages, tcp_mem.get(1).copied()),
        tcp_mem,
        tcp_mem_used: tcp_pages,
        file_max,
        files_open,
        files_percent: percent(files_open, file_max),
        conntrack_max,
        conntrack_count,
        conntrack_percent: percent(conntrack_count, conntrack_max),
        conntrack_buckets: conntrack("buckets"),
        parameters: Vec::new(),
        suggestions: 0,
        sysctl_d: None,
    };
    seen.backlog_capped = match (&args.full_backlogs, seen.somaxconn) {
        (Some(full), Some(most)) if !full.is_empty() => Some(full.contains(&most)),
        _ => None,
    };
    explain(&mut seen, values, &args.grown);
    seen
}

/// Adds the parameters with their meaning, and the suggestions.
fn explain(seen: &mut SysctlSeen, values: &Values, grown: &Grown) {
    let suggestions = suggest::suggest(seen, grown);
    let entry = |known: &Known| ParameterEntry {
        name: known.name.to_owned(),
        path: sysctl::path(known.name),
        value: values.text(known.name).map(str::to_owned),
        meaning: known.meaning.to_owned(),
        matters_when: known.matters_when.to_owned(),
        suggestion: suggestions.get(known.name).map(|suggestion| suggestion.value.clone()),
        reason: suggestions.get(known.name).map(|suggestion| suggestion.reason.clone()),
    };
    seen.parameters = PARAMETERS.iter().map(entry).collect();
    seen.suggestions = u32::try_from(suggestions.len()).unwrap_or(u32::MAX);
    seen.sysctl_d = suggest::file(seen);
}

/// The bytes on the way at this rate and round trip.
fn bandwidth_delay(rate_mbit: Option<f64>, rtt_ms: Option<f64>) -> Option<i64> {
    let bytes = rate_mbit? * 1e6 / 8.0 * rtt_ms? / 1e3;
    // Up to far above any buffer, and far below where the conversion would saturate.
    (bytes > 0.0 && bytes < 1e15).then_some(bytes.ceil() as i64)
}

fn keepalive(time: Option<i64>, interval: Option<i64>, probes: Option<i64>) -> Option<i64> {
    time?.checked_add(interval?.checked_mul(probes?)?)
}

fn percent(used: Option<i64>, most: Option<i64>) -> Option<f64> {
    let (used, most) = (used?, most.filter(|most| *most > 0)?);
    Some((used as f64 / most as f64 * 1000.0).round() / 10.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn args(json: serde_json::Value) -> SysctlArgs {
        serde_json::from_value(json).expect("arguments")
    }

    fn seen(values: &[(&'static str, &str)], json: serde_json::Value) -> SysctlSeen {
        let values = values.iter().map(|(name, value)| (*name, (*value).to_owned())).collect();
        review(&Values(values), None, &args(json))
    }

    #[test]
    fn nothing_read_is_unknown_and_suggests_nothing() {
        let seen = seen(&[], serde_json::json!({"rate_mbit": 1000.0, "rtt_ms": 10.0}));
        assert_eq!(seen.somaxconn, None);
        assert_eq!(seen.ports, None);
        assert_eq!(seen.bdp_fits, None);
        assert_eq!(seen.conntrack_percent, None);
        assert_eq!(seen.suggestions, 0);
        assert_eq!(seen.parameters.len(), PARAMETERS.len());
        assert!(seen.parameters.iter().all(|parameter| parameter.value.is_none()));
    }

    #[test]
    fn reserved_ports_are_taken_off_the_range() {
        let values = [
            ("net.ipv4.ip_local_port_range", "1000 1999"),
            ("net.ipv4.ip_local_reserved_ports", "80,1000,1990-2100"),
        ];
        assert_eq!(seen(&values, serde_json::json!({})).ports, Some(989));
    }

    #[test]
    fn a_gigabit_at_ten_milliseconds_has_a_megabyte_and_a_quarter_on_the_way() {
        let values = [
            ("net.ipv4.tcp_rmem", "4096 131072 1250000"),
            ("net.ipv4.tcp_wmem", "4096 16384 4194304"),
        ];
        let seen = seen(&values, serde_json::json!({"rate_mbit": 1000.0, "rtt_ms": 10.0}));
        assert_eq!(seen.bdp_bytes, Some(1_250_000));
        assert_eq!(seen.bdp_fits, Some(true));
        assert_eq!(bandwidth_delay(Some(f64::MAX), Some(2.0)), None);
        assert_eq!(bandwidth_delay(Some(-1.0), Some(2.0)), None);
        assert_eq!(bandwidth_delay(Some(0.0), Some(2.0)), None);
    }

    #[test]
    fn the_file_has_a_comment_with_the_reason_before_each_line() {
        let values = [("net.core.somaxconn", "128"), ("net.ipv4.tcp_window_scaling", "0")];
        let grown = serde_json::json!({"grown": {"TcpExt.ListenOverflows": 16}});
        let file = seen(&values, grown).sysctl_d.expect("suggestions");
        let lines: Vec<&str> = file.lines().collect();
        assert_eq!(lines.len(), 5);
        assert!(lines[1].starts_with("# now 128: an accept queue overflowed 16 times"));
        assert_eq!(lines[2], "net.core.somaxconn = 4096");
        assert_eq!(lines[4], "net.ipv4.tcp_window_scaling = 1");
    }

    #[tokio::test]
    async fn this_kernel_has_most_of_them() {
        let seen = Sysctl::run(args(serde_json::json!({}))).await.expect("looked");
        assert!(seen.somaxconn.is_some() && seen.syncookies.is_some());
        assert!(seen.ports.is_some_and(|ports| ports > 0));
        assert!(seen.tcp_mem_percent.is_some());
    }
}
