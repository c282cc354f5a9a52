//! `firewall`: which local nftables rule would decide about this very packet, and did it?

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::model::outcome::Why;
use crate::probe::Probe;

/// The `firewall` probe.
pub enum Firewall {}

/// Arguments of [`Firewall`].
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct FirewallArgs {
    /// The way of the packet: `output` for our SYN to a remote address, `input` for a client's SYN
    /// to a port of this machine or for the SYN-ACK that comes back.
    #[serde(default)]
    pub direction: Direction,
    /// The remote address; null for any client.
    #[serde(default)]
    pub address: Option<String>,
    /// The destination port of the SYN.
    pub port: u16,
    /// The interface that the packet leaves or enters by.
    #[serde(default)]
    pub device: Option<String>,
    /// Our own address.
    #[serde(default)]
    pub source: Option<String>,
    /// How many SYNs to send between two readings of the counters; 0 reads the rules only.
    #[serde(default = "default_shots")]
    pub shots: u32,
}

fn default_shots() -> u32 {
    3
}

/// The way of the packet.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Direction {
    /// Our SYN on its way out.
    #[default]
    Output,
    /// A client's SYN on its way in.
    Input,
    /// The answer to our SYN on its way in.
    Reply,
}

/// What the rules say of the packet.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum FirewallOutcome {
    /// No rules at all on the hooks that the packet passes.
    NoRules,
    /// Every chain on the way lets it through.
    Accepts,
    /// A rule or a chain's policy drops it.
    Drops,
    /// A rule rejects it.
    Rejects,
    /// A rule that cannot be evaluated stands before the decision.
    Undecided,
}

/// The rule or policy that decides.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct DecidingRule {
    /// The table's family: `inet`, `ip`, `ip6` or `netdev`.
    pub family: String,
    /// The table.
    pub table: String,
    /// The chain.
    pub chain: String,
    /// The hook of the base chain that leads there.
    pub hook: String,
    /// The rule's handle; null for a chain's policy.
    pub handle: Option<u64>,
    /// The rule as nft would print it, or `policy drop`.
    pub text: String,
    /// The rule's comment.
    pub comment: Option<String>,
    /// Packets that its counter counted before our SYNs; null without a counter.
    pub packets_before: Option<u64>,
    /// Growth of its counter during our SYNs; null without a counter.
    pub packets_grown: Option<u64>,
}

/// What [`Firewall`] saw.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct FirewallSeen {
    /// What the rules say of the packet.
    pub outcome: FirewallOutcome,
    /// The rule or policy that decides; null when everything accepts.
    pub rule: Option<DecidingRule>,
    /// Whether the deciding counter grew by at least our SYNs; null without a counter.
    pub counted: Option<bool>,
    /// SYNs sent between the two readings.
    pub shots: u32,
    /// Rules on the way that could not be evaluated, as text.
    pub not_evaluated: Vec<String>,
    /// Whether iptables-legacy rules may exist beside, which nftables does not show; null when that
    /// cannot be told.
    pub legacy_tables: Option<bool>,
    /// Who manages the rules when it shows: `firewalld`, `ufw`, `docker`, `kubernetes`.
    pub owner: Option<String>,
}

impl Probe for Firewall {
    const ID: &'static str = "firewall";
    const DOC: &'static str = "Reads this machine's nftables rules and finds the one that decides about \
        this very packet; the growth of its counter during a few SYNs confirms it.";
    const PRIVILEGE: &'static str = "Reading the rules needs CAP_NET_ADMIN.";
    type Args = FirewallArgs;
    type Seen = FirewallSeen;

    async fn run(_args: FirewallArgs) -> Result<FirewallSeen, Why> {
        Err(Why::Unsupported { what: "firewall".to_owned() })
    }

    fn brief(seen: &FirewallSeen) -> String {
        seen.rule.as_ref().map(|rule| rule.text.clone()).unwrap_or_default()
    }
}
