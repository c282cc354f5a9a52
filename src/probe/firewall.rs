//! `firewall`: which local rule would decide about this very packet, and did it?

mod clients;
mod conclude;
mod iptables;
mod lookup;
mod matching;
mod packet;
mod question;
mod standing;
mod symbol;
mod text;
mod value;
mod walk;

use std::time::Duration;

use nix::errno::Errno;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::model::outcome::Why;
use crate::probe::{Probe, Touch};
use crate::sys;
use crate::sys::netlink::NetlinkError;
use crate::wire::nft::{Family, Ruleset};
use crate::wire::xtables::SUFFIX;

use conclude::{Readings, conclude, witnesses};
use question::Question;
use walk::decide;

/// How long the answers to our SYNs may take until their counter must have grown; longer than a
/// round trip around the world.
const ANSWERS: Duration = Duration::from_secs(1);
/// How often the counter is read meanwhile.
const LOOKS: Duration = Duration::from_millis(20);

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
    /// With `input` and no `address`, the client that is meant, by the address that it comes from; null
    /// for any. Nothing is sent to it.
    #[serde(default)]
    pub client: Option<String>,
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
    /// How long to watch the counters while clients come, in milliseconds, when the question is what
    /// happens to a client's SYN; 0 reads the rules only.
    #[serde(default)]
    pub watch_ms: u32,
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
    /// Our answer to a client's SYN on its way out; asked along with `input`.
    Answer,
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
    /// Where it stands and what it says, in words.
    pub told: String,
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
    /// Whether the deciding counter grew by at least our SYNs, or, without any, at all while it was
    /// watched; null without a counter.
    pub counted: Option<bool>,
    /// SYNs sent between the two readings.
    pub shots: u32,
    /// The clients that the rule concerns, in words, when it is not all of them: those of one family
    /// or interface, those that it matches, those that no earlier rule lets in. Null for all.
    pub partial: Option<String>,
    /// `v4` or `v6`, when the rule concerns every client of that family and no other; else null.
    pub partial_family: Option<String>,
    /// An address of this machine, when the rule concerns every client that connects to it and no
    /// other; else null.
    pub partial_address: Option<String>,
    /// A rule that sends clients of the port to another port or machine (DNAT, redirect), surely or
    /// perhaps; null when there is none.
    pub diverted: Option<DecidingRule>,
    /// Rules on the way that could not be evaluated, as text.
    pub not_evaluated: Vec<String>,
    /// Whether iptables-legacy has tables that could not be read, so that their rules are not judged;
    /// null when that cannot be told.
    pub legacy_tables: Option<bool>,
    /// Who manages the rules when it shows: `firewalld`, `ufw`, `docker`, `kubernetes`,
    /// `iptables`, `iptables-legacy`.
    pub owner: Option<String>,
}

impl Probe for Firewall {
    const ID: &'static str = "firewall";
    const DOC: &'static str = "Reads this machine's nftables and iptables rules and finds the one that decides about \
        this very packet; the growth of its counter during a few SYNs confirms it.";
    const PRIVILEGE: &'static str = "Reading the rules needs CAP_NET_ADMIN.";
    const CONTACTS: &'static [Touch] = &[Touch { arg: "address", port: Some("port") }];
    type Args = FirewallArgs;
    type Seen = FirewallSeen;

    async fn run(args: FirewallArgs) -> Result<FirewallSeen, Why> {
        let asked = args.clone();
        let (ruleset, legacy, question) = blocking(move || {
            let (ruleset, legacy) = rules()?;
            Ok((ruleset, legacy, Question::from_args(&asked)?))
        })
        .await?;
        if !question.clients.is_empty() {
            return about_clients(ruleset, legacy, question, args.watch_ms).await;
        }
        let packet = &question.packet;
        let decision = decide(&ruleset, packet);
        let mut readings = Readings::new(&ruleset);
        let witnesses = witnesses(&decision);
        if args.shots > 0 && args.direction != Direction::Input && !witnesses.is_empty() {
            readings = watch(readings, witnesses, &question, args).await?;
        }
        Ok(conclude(&ruleset, &decision, &readings, legacy))
    }

    fn brief(seen: &FirewallSeen) -> String {
        let Some(rule) = &seen.rule else {
            if let Some(diverted) = &seen.diverted {
                return format!("sends clients to another port or machine: {}", diverted.told);
            }
            return match (seen.outcome, seen.not_evaluated.as_slice()) {
                (FirewallOutcome::NoRules, _) => "no rules on the way".to_owned(),
                (FirewallOutcome::Undecided, [first, ..]) => format!("not evaluated: {first}"),
                (FirewallOutcome::Undecided, []) => "undecided".to_owned(),
                _ => "every chain on the way accepts".to_owned(),
            };
        };
        let mut what = format!("{} (hook {})", rule.told, rule.hook);
        if let Some(clients) = &seen.partial {
            what += &format!("; it concerns {clients}");
        }
        if let Some(owner) = &seen.owner {
            what += &format!("; managed by {owner}");
        }
        if let Some(grown) = rule.packets_grown.filter(|grown| seen.shots > 0 || *grown > 0) {
            what += &format!("; its counter grew by {grown}");
        }
        what
    }
}

/// Sends the SYNs between two readings of the counters that can tell who decides.
async fn watch(
    mut readings: Readings,
    chains: Vec<(Family, String, String)>,
    question: &Question,
    args: FirewallArgs,
) -> Result<Readings, Why> {
    let Some(target) = question.target else {
        return Ok(readings);
    };
    let source = question.bind;
    let shots = args.shots;
    let mut readings = blocking(move || {
        for chain in &chains {
            readings.before(&read(chain)?);
        }
        readings.shots = sys::syn::send(target, source, shots);
        for chain in &chains {
            readings.after(&read(chain)?);
        }
        readings.chains = chains;
        Ok(readings)
    })
    .await?;
    // Our own SYNs are counted before `connect` returns, the answers come when they come.
    let start = sys::clock::now();
    while args.direction == Direction::Reply
        && readings.shots > 0
        && !readings.counted()
        && start.elapsed() < ANSWERS
    {
        tokio::time::sleep(LOOKS).await;
        readings = blocking(move || {
            for chain in readings.chains.clone() {
                readings.after(&read(&chain)?);
            }
            Ok(readings)
        })
        .await?;
    }
    Ok(readings)
}

fn read(
    (family, table, chain): &(Family, String, String),
) -> Result<Vec<crate::wire::nft::Rule>, Why> {
    if table.ends_with(SUFFIX) {
        return Ok(sys::xtables::chain_rules(*family, table, chain).unwrap_or_default());
    }
    sys::nft::chain_rules(*family, table, chain).map_err(|error| cannot_list(&error))
}

/// Lists the rules of nftables and of iptables-legacy, and says whether tables of the latter could
/// not be read.
fn rules() -> Result<(Ruleset, Option<bool>), Why> {
    let listed = sys::nft::ruleset();
    // A kernel without nf_tables may still have the older tables.
    let absent = matches!(&listed, Err(error) if error.errno() == Some(Errno::EINVAL));
    let mut ruleset =
        if absent { Ruleset::default() } else { listed.map_err(|e| cannot_list(&e))? };
    let unread = sys::xtables::add_tables(&mut ruleset);
    if absent && ruleset.chains.is_empty() {
        return Err(Why::Unsupported { what: "nftables in this kernel".to_owned() });
    }
    Ok((ruleset, unread))
}

/// Looks at what happens to the SYNs of clients and to our answers, while some may come.
async fn about_clients(
    ruleset: Ruleset,
    legacy: Option<bool>,
    question: Question,
    watch_ms: u32,
) -> Result<FirewallSeen, Why> {
    let watch = Duration::from_millis(watch_ms.into());
    let start = sys::clock::now();
    let (ruleset, question, chains, mut readings) = blocking(move || {
        let chains = clients::witnesses(&clients::judge(&ruleset, &question.clients));
        let mut readings = Readings::new(&ruleset);
        for chain in chains.iter().filter(|_| !watch.is_zero()) {
            readings.before(&read(chain)?);
        }
        Ok((ruleset, question, chains, readings))
    })
    .await?;
    let watched = !watch.is_zero() && !chains.is_empty();
    if watched {
        tokio::time::sleep(watch.saturating_sub(start.elapsed())).await;
    }
    blocking(move || {
        for chain in chains.iter().filter(|_| watched) {
            readings.after(&read(chain)?);
        }
        let judged = clients::judge(&ruleset, &question.clients);
        Ok(clients::conclude(&ruleset, &judged, &readings, legacy))
    })
    .await
}

fn cannot_list(error: &NetlinkError) -> Why {
    error.why("list nftables rules", "CAP_NET_ADMIN")
}

/// Runs system calls that may take a while off the async threads.
async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, Why> + Send + 'static,
) -> Result<T, Why> {
    match tokio::task::spawn_blocking(work).await {
        Ok(result) => result,
        Err(_) => Err(Why::Interrupted),
    }
}
