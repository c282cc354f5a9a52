//! `tcp_trace`: traceroute with the very SYN in question, beside a comparison trace.
//!
//! TTLs go out in waves of four, side by side; the next wave follows when one of the last two hops
//! of the wave before answered. So at most three probes of either trace go past the destination, and
//! a SYN that does finds an open port open: its connection is closed at once by a RST. Hops that
//! stay silent are tried once more, together with the next wave and with the largest TTL. A router
//! hears both traces; Linux routers answer one client 6 errors of all kinds at once and then one per
//! second (`net.ipv4.icmp_ratelimit`), of which this takes four at most.

mod analysis;
mod book;
mod run;

use std::fmt::Write as _;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::model::icmp::IcmpError;
use crate::model::outcome::Why;
use crate::probe::{Probe, Touch};
use crate::sys::host;

/// The `tcp_trace` probe.
pub enum TcpTrace {}

/// Arguments of [`TcpTrace`].
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct TcpTraceArgs {
    /// The destination address.
    pub address: String,
    /// The TCP port.
    pub port: u16,
    /// The highest TTL tried.
    #[serde(default = "default_max_hops")]
    pub max_hops: u8,
    /// Tries per hop; a further try goes only to hops that stayed silent.
    #[serde(default = "default_tries")]
    pub tries: u8,
    /// How long to wait for a hop, in milliseconds.
    #[serde(default = "default_wait_ms")]
    pub wait_ms: u32,
    /// Whether to trace with UDP as well, for comparison.
    #[serde(default = "default_compare")]
    pub compare: bool,
}

fn default_max_hops() -> u8 {
    30
}
fn default_tries() -> u8 {
    2
}
fn default_wait_ms() -> u32 {
    350
}
fn default_compare() -> bool {
    true
}

/// What answered at one TTL.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum HopAnswer {
    /// A router said that the hop limit ended there.
    TtlExceeded,
    /// The destination answered: SYN-ACK, or port-unreachable from its own address.
    Reached,
    /// A RST came, from the destination or from a box that speaks in its name.
    Reset,
    /// Another ICMP error came.
    Rejected,
    /// Nothing came.
    Silent,
}

/// One hop.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Hop {
    /// The TTL (hop limit) of our packet.
    pub ttl: u8,
    /// What answered.
    pub answer: HopAnswer,
    /// The address of the first box that answered.
    pub address: Option<String>,
    /// All addresses that answered at this TTL; more than one means load balancing.
    pub addresses: Vec<String>,
    /// The shortest round trip in milliseconds.
    pub rtt_ms: Option<f64>,
    /// The ICMP error, when it is not a plain TTL-exceeded.
    pub icmp: Option<IcmpError>,
    /// Packets sent.
    pub sent: u32,
    /// Packets answered.
    pub answered: u32,
}

/// How a trace ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum TraceOutcome {
    /// The destination answered.
    Reached,
    /// A RST came.
    Reset,
    /// An ICMP error other than TTL-exceeded came.
    Rejected,
    /// Nothing answers after the last hop that did.
    Dark,
    /// The same hops repeat until the TTL ends.
    Loop,
    /// This machine could not send.
    LocalError,
}

/// The comparison trace, in short.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Comparison {
    /// What was sent, for example `udp`.
    pub method: String,
    /// How it ended.
    pub outcome: TraceOutcome,
    /// The TTL at which the destination answered.
    pub reached_at: Option<u8>,
    /// The last hop that answered; 0 when none did.
    pub last_hop: u8,
    /// The address of that hop.
    pub last_address: Option<String>,
    /// The hops in order.
    pub hops: Vec<Hop>,
}

/// What [`TcpTrace`] saw.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct TraceSeen {
    /// How the TCP trace ended.
    pub outcome: TraceOutcome,
    /// The destination.
    pub address: String,
    /// The port.
    pub port: u16,
    /// The hops of the TCP trace in order.
    pub hops: Vec<Hop>,
    /// The TTL at which the destination (or a RST in its name) first answered.
    pub reached_at: Option<u8>,
    /// The last hop that answered the TCP trace with TTL-exceeded; 0 when none did.
    pub last_hop: u8,
    /// The address of that hop.
    pub last_address: Option<String>,
    /// The comparison trace; null when it was not made.
    pub compare: Option<Comparison>,
    /// Whether the comparison got further than the TCP trace; null without comparison.
    pub compare_went_further: Option<bool>,
    /// Whether anything in the comparison proves the destination itself alive.
    pub host_answered: bool,
    /// The hop number of the box that sent an ICMP error other than TTL-exceeded, from the trace or
    /// else from the error's own TTL; null when none came or it cannot be told. Where the TCP trace
    /// got no such error but the comparison got a net- or host-unreachable, that one is given here
    /// and in the next two fields: routers limit the rate of these to two in a row.
    pub rejected_hop: Option<u8>,
    /// The address of that box.
    pub rejected_by: Option<String>,
    /// That ICMP error.
    pub icmp: Option<IcmpError>,
    /// The errno's name when this machine would not send.
    pub errno: Option<String>,
    /// The hop number (TTL) at which the repetition starts, and the addresses that repeat.
    pub loop_from: Option<u8>,
    /// The addresses that repeat.
    pub loop_addresses: Vec<String>,
    /// Whether several boxes answered at one TTL.
    pub load_balanced: bool,
}

impl Probe for TcpTrace {
    const ID: &'static str = "tcp_trace";
    const DOC: &'static str = "Traces the path with TCP SYNs of rising TTL, all hops side by side, and \
        once more with UDP for comparison.";
    const CONTACTS: &'static [Touch] = &[Touch { arg: "address", port: Some("port") }];
    const LEADS: bool = true;
    type Args = TcpTraceArgs;
    type Seen = TraceSeen;

    async fn run(args: TcpTraceArgs) -> Result<TraceSeen, Why> {
        let target = host::socket_address(&args.address, args.port).ok_or_else(|| {
            let what = format!("the address {}", args.address.escape_debug());
            Why::Unsupported { what }
        })?;
        let (tcp, udp) = run::both(&args, target).await;
        Ok(analysis::conclude(&args.address, target.ip(), args.port, tcp, udp))
    }

    fn brief(seen: &TraceSeen) -> String {
        let mut text = format!("TCP to port {}: ", seen.port);
        text += &ending(seen.outcome, seen.reached_at, seen.last_hop, seen.last_address.as_deref());
        if let Some(icmp) = &seen.icmp {
            let _ = write!(text, ", ICMP {}/{} from {}", icmp.icmp_type, icmp.code, icmp.from);
            if let Some(hop) = seen.rejected_hop {
                let _ = write!(text, " at hop {hop}");
            }
        }
        if let Some(errno) = &seen.errno {
            let _ = write!(text, ", {errno}");
        }
        if let Some(from) = seen.loop_from {
            let _ = write!(text, ", {} repeat from hop {from} on", seen.loop_addresses.join(" "));
        }
        if let Some(other) = &seen.compare {
            let _ = write!(
                text,
                "; UDP: {}",
                ending(
                    other.outcome,
                    other.reached_at,
                    other.last_hop,
                    other.last_address.as_deref(),
                )
            );
        }
        text
    }
}

fn ending(outcome: TraceOutcome, reached: Option<u8>, last: u8, address: Option<&str>) -> String {
    let at = reached.map_or_else(|| "?".to_owned(), |hop| hop.to_string());
    match (outcome, address) {
        (TraceOutcome::Reached, _) => format!("answer at hop {at}"),
        (TraceOutcome::Reset, _) => format!("RST at hop {at}"),
        (TraceOutcome::LocalError, _) => "not sent".to_owned(),
        (_, None) => "no hop answered".to_owned(),
        (TraceOutcome::Dark, Some(address)) => {
            format!("silence after hop {last}, {address}")
        }
        (_, Some(address)) => format!("last hop {last}, {address}"),
    }
}
