//! `counters`: what the kernel's own counters do in a while, or while we send a known number of SYNs.

mod growth;
mod judge;

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::model::outcome::Why;
use crate::probe::{Probe, Touch};
use crate::sys::counters::{LinkSnapshot, Snapshot};
use crate::sys::tcp::{Attempt, Syn, SynAnswer};
use crate::sys::{clock, errno, host};
use crate::wire::proc_net::NetCounters;

use growth::Moment;
pub use growth::{Growth, InterfaceGrowth};
use judge::Burst;

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
    /// How long to watch each burst, in milliseconds; up to 300 when packets left and nothing has
    /// come back by then.
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
    /// Each burst brings at least as many packets that are not delivered upwards, and none come
    /// while nothing is sent.
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
    /// The packets that arrived for this machine during each burst without being delivered upwards:
    /// growth of InReceives less that of InDelivers and of ForwDatagrams.
    pub undelivered: Vec<i64>,
    /// The same while nothing was sent, for as long as the longest burst; null when that was not
    /// needed.
    pub quiet_undelivered: Option<i64>,
    /// Whether the kernel has the counters that show it (OutTransmits, Linux 6.6 and later).
    pub conclusive: bool,
    /// Every counter that grew over the whole probe, by `Group.Name`, for example
    /// `TcpExt.ListenOverflows`; those of the CPUs' queues are `Softnet.Dropped` and
    /// `Softnet.TimeSqueeze`.
    pub deltas: BTreeMap<String, i64>,
    /// How long was watched, in milliseconds.
    pub window_ms: f64,
    /// What grew over the whole probe.
    #[serde(flatten)]
    pub growth: Growth,
}

impl Probe for Counters {
    const ID: &'static str = "counters";
    const DOC: &'static str = "Watches the kernel's network counters while it sends a known number of \
        SYNs, which shows whether they leave this machine.";
    const CONTACTS: &'static [Touch] = &[Touch { arg: "address", port: Some("port") }];
    type Args = CountersArgs;
    type Seen = CountersSeen;

    async fn run(args: CountersArgs) -> Result<CountersSeen, Why> {
        let start = clock::now();
        let first = Snapshot::take();
        let link = LinkSnapshot::take();
        let window = Duration::from_millis(args.window_ms.into());
        let (Some(address), Some(port)) = (&args.address, args.port) else {
            tokio::time::sleep(window).await;
            let earlier = Moment { counters: first.counters(), link };
            let later = moment();
            if growth::nothing_read(&later) {
                let what = "the kernel's counters (/proc/net) cannot be seen".to_owned();
                return Err(Why::Unsupported { what });
            }
            return Ok(CountersSeen {
                outcome: CountersOutcome::Watched,
                syns: Vec::new(),
                kept_back: Vec::new(),
                undelivered: Vec::new(),
                quiet_undelivered: None,
                conclusive: true,
                deltas: growth::deltas(&earlier, &later),
                window_ms: clock::ms_since(start),
                growth: growth::between(&earlier, &later),
            });
        };
        let Some(target) = host::socket_address(address, port) else {
            return Err(Why::Unsupported { what: format!("the address {address:?}") });
        };
        let before = first.counters();
        let conclusive = before.value(transmits(target)).is_some();
        let sizes = if args.bursts.is_empty() { default_bursts() } else { args.bursts };
        let mut undelivered = Vec::new();
        let mut quiet_undelivered = None;
        let seen = if conclusive {
            let mut bursts = Vec::new();
            let mut longest = Duration::ZERO;
            for size in &sizes {
                let sent = clock::now();
                bursts.push(burst(target, *size, window).await?);
                longest = longest.max(sent.elapsed());
            }
            if judge::replies_missing(&bursts) {
                // Twice at most: repeated replies to earlier SYNs may fall into the first window.
                for _ in 0..2 {
                    quiet_undelivered = quiet(target, longest.max(window)).await.dropped();
                    if quiet_undelivered.is_none_or(judge::is_quiet) {
                        break;
                    }
                }
            }
            let kept_back = bursts.iter().filter_map(Burst::kept_back).collect();
            undelivered = bursts.iter().filter_map(Burst::dropped).collect();
            (
                judge::judge(&bursts, quiet_undelivered),
                bursts.iter().map(|burst| burst.syns).collect(),
                kept_back,
            )
        } else {
            by_failures(target, sizes[0], &before).await?
        };
        let (outcome, syns, kept_back): (_, Vec<i64>, _) = seen;
        let (earlier, later) = (Moment { counters: before, link }, moment());
        Ok(CountersSeen {
            outcome,
            syns: syns.into_iter().filter_map(|syns| u32::try_from(syns).ok()).collect(),
            kept_back,
            undelivered,
            quiet_undelivered,
            conclusive,
            deltas: growth::deltas(&earlier, &later),
            window_ms: clock::ms_since(start),
            growth: growth::between(&earlier, &later),
        })
    }

    fn brief(seen: &CountersSeen) -> String {
        let sum: u32 = seen.syns.iter().sum();
        let kept: i64 = seen.kept_back.iter().sum();
        let took = format!("{:.0} ms", seen.window_ms);
        match seen.outcome {
            CountersOutcome::Watched => watched(seen, &took),
            CountersOutcome::Sent => format!("{sum} SYNs, all handed to the link"),
            CountersOutcome::KeptBack => {
                format!("{sum} SYNs taken, {kept} packets not handed to the link")
            }
            CountersOutcome::RepliesDropped => {
                format!("{sum} SYNs, as many packets arrived but were not delivered")
            }
            CountersOutcome::Unclear => {
                format!("{sum} SYNs, the counters do not follow them ({kept} packets kept back)")
            }
        }
    }
}

fn moment() -> Moment {
    Moment { counters: Snapshot::take().counters(), link: LinkSnapshot::take() }
}

/// Names what speaks of trouble; the other counters grow whenever a packet moves.
fn watched(seen: &CountersSeen, took: &str) -> String {
    let growth = &seen.growth;
    let telling = [
        (growth.listen_overflows, "accept queue overflows"),
        (growth.listen_drops, "listen drops"),
        (growth.syncookies_sent, "SYN cookies"),
        (growth.reqq_full_drops, "SYN queue drops"),
        (growth.retrans_segs, "retransmissions"),
        (growth.memory_pressure, "memory pressures"),
        (growth.backlog_drops, "socket backlog drops"),
        (growth.rcvq_drops, "receive queue drops"),
        (growth.rp_filter_drops, "reverse path drops"),
        (growth.softnet_dropped, "CPU queue drops"),
        (growth.interface_errors, "interface errors"),
        (growth.interface_drops, "interface drops"),
    ];
    let grew = telling.iter().filter_map(|(grew, what)| Some((grew.filter(|n| *n > 0)?, what)));
    let grew: Vec<String> = grew.map(|(grew, what)| format!("{grew} {what}")).collect();
    let missing = telling.iter().filter(|(grew, _)| grew.is_none()).map(|(_, what)| *what);
    let missing: Vec<&str> = missing.collect();
    let mut text = match grew.is_empty() {
        true => format!("in {took} no counter of drops, errors or retransmissions grew"),
        false => format!("in {took} {}", grew.join(", ")),
    };
    if !missing.is_empty() {
        text += &format!("; not counted here: {}", missing.join(", "));
    }
    text
}

/// How often the counters are read while a burst is watched.
const LOOK: Duration = Duration::from_millis(10);
/// How long to wait for replies of a far target.
const LONGEST: Duration = Duration::from_millis(300);
/// After the first SYN retransmission (1 s, RFC 6298).
const AFTER_RETRANSMISSION: Duration = Duration::from_millis(1100);

/// The counter of packets handed to the link.
fn transmits(target: SocketAddr) -> &'static str {
    if target.is_ipv4() { "Ip.OutTransmits" } else { "Ip6.OutTransmits" }
}

/// Sends SYNs all at once, and watches the counters until they tell or the time is over.
async fn burst(target: SocketAddr, size: u32, window: Duration) -> Result<Burst, Why> {
    let before = Snapshot::take().counters();
    let attempts = syns(target, size)?;
    let start = clock::now();
    // Looking takes an ICMP error off the socket's queue, so what was seen once is kept.
    let mut answers = vec![false; attempts.len()];
    loop {
        for (answered, attempt) in answers.iter_mut().zip(&attempts) {
            *answered |= attempt.report_now().answer != SynAnswer::Silent;
        }
        let answered = answers.iter().filter(|answered| **answered).count();
        let seen = Burst::between(
            &before,
            &Snapshot::take().counters(),
            target.is_ipv4(),
            count(attempts.len()),
            count(answered),
        );
        let waited = start.elapsed();
        if seen.settled() || waited >= window.max(LONGEST) {
            return Ok(seen);
        }
        // A rule of this machine drops a packet before connect() returns, so that after the window
        // only replies can be waited for.
        if waited >= window && seen.kept_back() != Some(0) {
            return Ok(seen);
        }
        tokio::time::sleep(LOOK).await;
    }
}

/// Watches the counters while nothing is sent.
async fn quiet(target: SocketAddr, window: Duration) -> Burst {
    let before = Snapshot::take().counters();
    tokio::time::sleep(window).await;
    Burst::between(&before, &Snapshot::take().counters(), target.is_ipv4(), 0, 0)
}

/// For kernels without OutTransmits: counts the SYN retransmissions that failed.
async fn by_failures(
    target: SocketAddr,
    size: u32,
    before: &NetCounters,
) -> Result<(CountersOutcome, Vec<i64>, Vec<i64>), Why> {
    let attempts = syns(target, size)?;
    tokio::time::sleep(AFTER_RETRANSMISSION).await;
    let failures = Snapshot::take().counters().growth(before, "TcpExt.TCPRetransFail");
    let sent = count(attempts.len());
    let outcome = judge::judge_by_failures(sent, failures);
    Ok((outcome, vec![sent], failures.into_iter().collect()))
}

/// Starts this many attempts; those that fail at once are left out.
fn syns(target: SocketAddr, size: u32) -> Result<Vec<Attempt>, Why> {
    let all = (0..size.min(MOST)).map(|_| Attempt::start(&Syn::to(target)));
    let (failed, sent): (Vec<_>, Vec<_>) = all.partition(Attempt::failed);
    match failed.first().map(|attempt| attempt.report_now().answer) {
        Some(SynAnswer::LocalError(number)) if sent.is_empty() => Err(Why::Failed {
            operation: format!("connect to {target}"),
            errno: errno::name(number),
        }),
        _ => Ok(sent),
    }
}

/// SYNs in one burst at most, out of politeness.
const MOST: u32 = 20;

fn count(number: usize) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn syns_to_a_closed_port_of_this_machine_are_sent() {
        let closed = crate::sys::closed::tcp(std::net::Ipv4Addr::LOCALHOST.into());
        let args = serde_json::json!({"address": "127.0.0.1", "port": closed.address.port()});
        let args = serde_json::from_value(args).expect("arguments");
        let seen = Counters::run(args).await.expect("looked");
        // Other tests share the counters, so that the bursts may be drowned, but never kept back.
        assert_ne!(seen.outcome, CountersOutcome::RepliesDropped);
        assert_eq!(seen.syns, [3, 5]);
    }

    #[tokio::test]
    async fn without_an_address_it_only_watches() {
        let args = serde_json::from_value(serde_json::json!({"window_ms": 1})).expect("arguments");
        let seen = Counters::run(args).await.expect("looked");
        assert_eq!(seen.outcome, CountersOutcome::Watched);
        assert!(seen.syns.is_empty());
    }
}
