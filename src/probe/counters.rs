//! `counters`: what the kernel's own counters do while we send a known number of SYNs.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::model::outcome::Why;
use crate::probe::Probe;

/// The `counters` probe.
pub enum Counters {}

/// Arguments of [`Counters`].
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct CountersArgs {
    /// The address to send SYNs to; null only watches.
    #[serde(default)]
    pub address: Option<String>,
    /// The port to send them to.
    #[serde(default)]
    pub port: Option<u16>,
    /// How many SYNs the two bursts have; different numbers, so that other traffic cannot mimic
    /// both.
    #[serde(default = "default_bursts")]
    pub bursts: Vec<u32>,
    /// How long to watch each burst, in milliseconds.
    #[serde(default = "default_window_ms")]
    pub window_ms: u32,
}

fn default_bursts() -> Vec<u32> {
    vec![3, 5]
}
fn default_window_ms() -> u32 {
    60
}

/// What the counters say of our SYNs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum CountersOutcome {
    /// Our SYNs were handed to the link.
    Sent,
    /// In every burst, as many packets as we sent were taken but not handed to the link.
    KeptBack,
    /// Packets arrive during the bursts in step with our SYNs but are not delivered upwards.
    RepliesDropped,
    /// Too much else was going on, or the bursts disagree.
    Unclear,
    /// Nothing was sent: the deltas are those of the window.
    Watched,
}

/// What [`Counters`] saw.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct CountersSeen {
    /// What the counters say of our SYNs.
    pub outcome: CountersOutcome,
    /// The number of SYNs in each burst.
    pub syns: Vec<u32>,
    /// The packets kept back in each burst: growth of OutRequests less growth of OutTransmits.
    pub kept_back: Vec<i64>,
    /// Whether the kernel has the counters that show it (OutTransmits, Linux 6.6 and later).
    pub conclusive: bool,
    /// Every counter that grew over the whole probe, by `Group.Name`, for example
    /// `TcpExt.ListenOverflows`.
    pub deltas: BTreeMap<String, i64>,
    /// How long was watched, in milliseconds.
    pub window_ms: f64,
}

impl Probe for Counters {
    const ID: &'static str = "counters";
    const DOC: &'static str = "Watches the kernel's network counters while it sends a known number of \
        SYNs, which shows whether they leave this machine.";
    type Args = CountersArgs;
    type Seen = CountersSeen;

    async fn run(_args: CountersArgs) -> Result<CountersSeen, Why> {
        Err(Why::Unsupported { what: "counters".to_owned() })
    }

    fn brief(_seen: &CountersSeen) -> String {
        String::new()
    }
}
