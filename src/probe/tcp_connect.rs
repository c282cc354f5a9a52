//! `tcp_connect`: several paced connection attempts to each address, side by side.

mod attempts;
mod classify;
mod rst_ttl;
mod summary;

use std::net::SocketAddr;
use std::time::Duration;

use futures_util::future::join_all;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::model::icmp::IcmpError;
use crate::model::outcome::Why;
use crate::probe::{Probe, Touch};
use crate::sys::counters::Snapshot;
use crate::sys::{clock, host};

use attempts::{Attempts, Plan};
use classify::Verdict;

/// The `tcp_connect` probe.
pub enum TcpConnect {}

/// Arguments of [`TcpConnect`].
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct TcpConnectArgs {
    /// The addresses to connect to.
    pub addresses: Vec<String>,
    /// The port.
    pub port: u16,
    /// Attempts per address, each from its own source port.
    #[serde(default = "default_attempts")]
    pub attempts: u32,
    /// The time between two attempts to one address, in milliseconds.
    #[serde(default = "default_pace_ms")]
    pub pace_ms: u32,
    /// How long an attempt may stay unanswered, in milliseconds; over 1100 so that one SYN
    /// retransmission (1 s, RFC 6298) can still be answered.
    #[serde(default = "default_patience_ms")]
    pub patience_ms: u32,
    /// Whether to add as many attempts again when the first ones stay silent or disagree.
    #[serde(default = "default_second_batch")]
    pub second_batch: bool,
    /// Whether to keep the pace to the end whatever earlier attempts met, towards this machine too: for
    /// sampling over a while. Otherwise two equal ICMP errors end it.
    #[serde(default)]
    pub steady: bool,
    /// Whether to find out, when refused, with which TTL the RST arrives (about 31 more SYNs).
    #[serde(default = "default_origin")]
    pub rst_origin: bool,
}

fn default_attempts() -> u32 {
    5
}
fn default_pace_ms() -> u32 {
    15
}
fn default_patience_ms() -> u32 {
    1250
}
fn default_second_batch() -> bool {
    true
}
fn default_origin() -> bool {
    true
}

/// How attempts ended.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum ConnectOutcome {
    /// The handshake completed.
    Open,
    /// A RST came (ECONNREFUSED without an ICMP error).
    Refused,
    /// An ICMP error came: `icmp` says which and from whom.
    Rejected,
    /// Nothing came.
    Timeout,
    /// The next hop's link address could not be resolved (EHOSTUNREACH from this machine itself).
    NeighbourFailed,
    /// This machine refused before anything was sent: `errno` says why.
    LocalError,
}

/// The attempts to one address.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct ConnectEntry {
    /// The address.
    pub address: String,
    /// `v4` or `v6`.
    pub family: String,
    /// How the attempts ended: `open` when any did, else the most telling failure.
    pub outcome: ConnectOutcome,
    /// Attempts made.
    pub attempts: u32,
    /// Attempts that completed the handshake.
    pub opened: u32,
    /// Attempts answered by a RST.
    pub refused: u32,
    /// Attempts answered by an ICMP error.
    pub rejected: u32,
    /// Attempts without any answer.
    pub silent: u32,
    /// Attempts that failed on this machine.
    pub local_errors: u32,
    /// Attempts that opened only after a SYN retransmission.
    pub retransmitted: u32,
    /// Whether the first attempts opened and none after them (at least two each), as with a limit on
    /// new connections.
    pub opened_first: bool,
    /// The numbers of the attempts that did not open, from 1 in the order of sending, 50 at most.
    #[serde(default)]
    pub missed: Vec<u32>,
    /// The errno's name of the failure, for example `ECONNREFUSED`.
    pub errno: Option<String>,
    /// The ICMP error that answered.
    pub icmp: Option<IcmpError>,
    /// The shortest time to the answer, in milliseconds.
    pub answer_min_ms: Option<f64>,
    /// The median time to the answer, in milliseconds.
    pub answer_median_ms: Option<f64>,
    /// The longest time to the answer, in milliseconds.
    pub answer_max_ms: Option<f64>,
    /// The TTL (hop limit) with which the RST arrived; null when not measured.
    pub rst_ttl: Option<u8>,
    /// The segment size that the kernel negotiated for sending, in bytes, without time stamps.
    pub mss: Option<u32>,
}

/// What the kernel's counters did around our first SYNs. Counters are those of the whole network
/// namespace, so equality with our own number is what tells.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct SynCounters {
    /// SYNs that we sent in the window.
    pub syns: i64,
    /// Growth of `Ip OutRequests` (v6: `Ip6OutRequests`).
    pub requests: Option<i64>,
    /// Growth of `Ip OutTransmits` (Linux 6.6 and later).
    pub transmits: Option<i64>,
    /// Growth of `IpExt InReceives` or its v6 twin.
    pub receives: Option<i64>,
    /// Growth of `Ip InDelivers` or its v6 twin.
    pub delivers: Option<i64>,
    /// Packets that arrived for this machine in the window without being delivered upwards: receives
    /// less delivers and less what was forwarded.
    pub undelivered: Option<i64>,
    /// Growth of `TcpExt TCPRetransFail` over the whole probe.
    pub retransmit_failures: Option<i64>,
    /// SYNs that the kernel took but did not hand to the link: requests less transmits, when both
    /// are known and not more than twice our own SYNs (other probes may have sent some too).
    pub kept_back: Option<i64>,
}

/// What [`TcpConnect`] saw.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct ConnectSeen {
    /// How it ended for the address named in `address`.
    pub outcome: ConnectOutcome,
    /// The address that the fields below speak of: the first that opened, else the first whose
    /// failure tells most.
    pub address: String,
    /// The port.
    pub port: u16,
    /// Attempts made to that address.
    pub attempts: u32,
    /// Attempts that completed the handshake.
    pub opened: u32,
    /// Attempts answered by a RST.
    pub refused: u32,
    /// Attempts answered by an ICMP error.
    pub rejected: u32,
    /// Attempts without any answer.
    pub silent: u32,
    /// Attempts that failed on this machine.
    pub local_errors: u32,
    /// Attempts that opened only after a SYN retransmission.
    pub retransmitted: u32,
    /// Whether the first attempts opened and none after them (at least two each), as with a limit on
    /// new connections.
    pub opened_first: bool,
    /// The numbers of the attempts that did not open, from 1 in the order of sending, 50 at most.
    #[serde(default)]
    pub missed: Vec<u32>,
    /// The errno's name of the failure.
    pub errno: Option<String>,
    /// The ICMP error that answered.
    pub icmp: Option<IcmpError>,
    /// The address of the box that sent the ICMP error; null when none came.
    pub rejected_by: Option<String>,
    /// The median time to the answer, in milliseconds.
    pub answer_ms: Option<f64>,
    /// The TTL (hop limit) with which the RST arrived; null when not measured.
    pub rst_ttl: Option<u8>,
    /// The hop number of the sender of the RST as that TTL suggests it.
    pub rst_hop: Option<u8>,
    /// The segment size that the kernel negotiated for sending, in bytes, without time stamps.
    pub mss: Option<u32>,
    /// How long the probe waited in all, in milliseconds.
    pub waited_ms: f64,
    /// Every address with its own result, in order.
    pub addresses: Vec<ConnectEntry>,
    /// The addresses on which no attempt opened.
    pub failed_addresses: Vec<String>,
    /// The addresses on which attempts opened.
    pub open_addresses: Vec<String>,
    /// Whether any IPv4 address opened; null without IPv4 addresses.
    pub v4_open: Option<bool>,
    /// Whether any IPv6 address opened; null without IPv6 addresses.
    pub v6_open: Option<bool>,
    /// What the kernel's counters did around our first SYNs.
    pub counters: Option<SynCounters>,
}

impl Probe for TcpConnect {
    const ID: &'static str = "tcp_connect";
    const DOC: &'static str = "Opens TCP connections to each address side by side and tells open, \
        refused (RST), rejected (ICMP, and who sent it), silent and local failure apart.";
    const CONTACTS: &'static [Touch] = &[Touch { arg: "addresses", port: Some("port") }];
    const LEADS: bool = true;
    type Args = TcpConnectArgs;
    type Seen = ConnectSeen;

    async fn run(args: TcpConnectArgs) -> Result<ConnectSeen, Why> {
        let start = clock::now();
        let targets = targets(&args)?;
        let plan = Plan {
            batch: args.attempts.max(1),
            pace: Duration::from_millis(args.pace_ms.into()),
            patience: Duration::from_millis(args.patience_ms.into()),
            second_batch: args.second_batch,
            steady: args.steady,
        };
        let before = Snapshot::take();
        let (all, window) =
            watched(join_all(targets.iter().map(|t| attempts::run(*t, plan)))).await;
        let after = Snapshot::take();
        let named = args.addresses.into_iter().zip(all);
        let results = named.map(|(address, one)| finish(address, one, args.rst_origin));
        let results = join_all(results).await;
        let mut seen = summary::summarise(&results, args.port);
        seen.counters = summary::counters(&results, &seen.address, &before, &window, &after);
        seen.waited_ms = clock::ms_since(start);
        Ok(seen)
    }

    fn brief(seen: &ConnectSeen) -> String {
        summary::brief(seen)
    }
}

/// An address with its attempts, summed up.
#[derive(Debug)]
struct Finished {
    /// As it was given.
    address: String,
    attempts: Attempts,
    verdict: Verdict,
    rst_ttl: Option<u8>,
}

/// When the counters are read for the second time: late enough for the first batch and its answers
/// on most paths, earlier than anything else that a runbook starts beside a slow connect.
const WINDOW: Duration = Duration::from_millis(200);

fn targets(args: &TcpConnectArgs) -> Result<Vec<SocketAddr>, Why> {
    if args.addresses.is_empty() {
        return Err(Why::Depends { on: "an address to connect to".to_owned() });
    }
    args.addresses
        .iter()
        .map(|text| {
            host::socket_address(text, args.port)
                .ok_or_else(|| Why::Unsupported { what: format!("the address {text:?}") })
        })
        .collect()
}

/// Runs the attempts and reads the counters when they end or after [`WINDOW`], whichever is first.
async fn watched(work: impl Future<Output = Vec<Attempts>>) -> (Vec<Attempts>, Snapshot) {
    tokio::pin!(work);
    tokio::select! {
        all = &mut work => {
            let snapshot = Snapshot::take();
            (all, snapshot)
        }
        () = tokio::time::sleep(WINDOW) => {
            let snapshot = Snapshot::take();
            (work.await, snapshot)
        }
    }
}

async fn finish(address: String, attempts: Attempts, rst_origin: bool) -> Finished {
    let verdict = classify::classify(&attempts.tries);
    let refused = verdict.outcome == ConnectOutcome::Refused;
    let rst_ttl = match classify::round_trip(&verdict.times) {
        Some(rtt) if rst_origin && refused && !attempts.own => {
            rst_ttl::measure(attempts.target, rtt).await
        }
        _ => None,
    };
    Finished { address, attempts, verdict, rst_ttl }
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;

    use super::*;

    #[tokio::test]
    async fn open_and_refused_addresses_are_told_apart_in_one_run() {
        let listener = TcpListener::bind("127.0.0.1:0").expect("bind");
        let args = serde_json::json!({
            "addresses": ["127.0.0.2", "127.0.0.1"],
            "port": listener.local_addr().expect("an address").port(),
        });
        let args = serde_json::from_value(args).expect("arguments");
        let seen = TcpConnect::run(args).await.expect("looked");
        assert_eq!(seen.outcome, ConnectOutcome::Open);
        assert_eq!(seen.address, "127.0.0.1");
        assert_eq!((seen.attempts, seen.opened), (5, 5));
        assert_eq!(seen.addresses[0].outcome, ConnectOutcome::Refused);
        assert_eq!(seen.addresses[0].errno.as_deref(), Some("ECONNREFUSED"));
        assert_eq!(seen.addresses[0].rst_ttl, None);
        assert_eq!(seen.failed_addresses, ["127.0.0.2"]);
        assert_eq!(seen.counters.map(|counters| counters.syns), Some(10));
    }

    #[tokio::test]
    async fn an_address_that_is_none_is_a_reason_not_a_failure() {
        for addresses in [vec![], vec!["nonsense".to_owned()]] {
            let args = serde_json::json!({"addresses": addresses, "port": 80});
            let args = serde_json::from_value(args).expect("arguments");
            assert!(TcpConnect::run(args).await.is_err());
        }
    }
}
