//! `ping`: does the host answer echo requests, how fast, and with how much loss?

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::model::icmp::IcmpError;
use crate::model::outcome::Why;
use crate::probe::Probe;

/// The `ping` probe.
pub enum Ping {}

/// Arguments of [`Ping`].
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct PingArgs {
    /// The address to ask.
    pub address: String,
    /// How many requests.
    #[serde(default = "default_count")]
    pub count: u32,
    /// The time between two requests, in milliseconds.
    #[serde(default = "default_interval_ms")]
    pub interval_ms: u32,
    /// How long to wait for an answer after the last request, in milliseconds.
    #[serde(default = "default_wait_ms")]
    pub wait_ms: u32,
}

fn default_count() -> u32 {
    10
}
fn default_interval_ms() -> u32 {
    5
}
fn default_wait_ms() -> u32 {
    500
}

/// What came back.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum PingOutcome {
    /// At least one answer from the address itself.
    Answered,
    /// Nothing.
    Silent,
    /// An ICMP error instead of an answer.
    Unreachable,
    /// This machine could not send (no route, a local rule).
    SendFailed,
}

/// How it was asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum PingMethod {
    /// ICMP echo over an unprivileged ICMP socket (`net.ipv4.ping_group_range`).
    IcmpDgram,
    /// ICMP echo over a raw socket (`CAP_NET_RAW`).
    IcmpRaw,
    /// UDP to a closed port: the port-unreachable that comes back proves the host alive. Hosts
    /// limit the rate of these, so its loss says nothing.
    Udp,
}

/// What [`Ping`] saw.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct PingSeen {
    /// What came back.
    pub outcome: PingOutcome,
    /// How it was asked.
    pub method: PingMethod,
    /// Whether it was real ICMP echo, so that silence and loss mean something.
    pub echo: bool,
    /// The address asked.
    pub address: String,
    /// Requests sent.
    pub sent: u32,
    /// Answers received.
    pub received: u32,
    /// The share of echo requests without answer, in percent; null without echo.
    pub loss_percent: Option<f64>,
    /// The shortest round trip in milliseconds.
    pub rtt_min_ms: Option<f64>,
    /// The median round trip in milliseconds.
    pub rtt_median_ms: Option<f64>,
    /// The longest round trip in milliseconds.
    pub rtt_max_ms: Option<f64>,
    /// The TTL (hop limit) of the answers as they arrived.
    pub ttl: Option<u8>,
    /// The ICMP error that came instead, the first one.
    pub icmp: Option<IcmpError>,
    /// The errno's name when sending failed.
    pub errno: Option<String>,
    /// What could not be done without privilege, in words; null when nothing.
    pub without_privilege: Option<String>,
}

impl Probe for Ping {
    const ID: &'static str = "ping";
    const DOC: &'static str = "Sends ICMP echo requests, or UDP to a closed port where ICMP is not \
        permitted, and measures loss, round trip and TTL.";
    const PRIVILEGE: &'static str = "CAP_NET_RAW, or a group inside net.ipv4.ping_group_range, allows \
        real ICMP echo; without it only UDP is left, whose silence proves nothing.";
    type Args = PingArgs;
    type Seen = PingSeen;

    async fn run(_args: PingArgs) -> Result<PingSeen, Why> {
        Err(Why::Unsupported { what: "ping".to_owned() })
    }

    fn brief(seen: &PingSeen) -> String {
        seen.address.clone()
    }
}
