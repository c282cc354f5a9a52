//! `arrivals`: do a client's SYNs reach this machine, before any rule of it?

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, SocketAddr};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::model::outcome::Why;
use crate::probe::Probe;
use crate::sys::arrivals::{Arrivals as Packets, Arrived};
use crate::sys::rtnl::Rtnl;
use crate::sys::sock_diag::SockDiag;
use crate::sys::{clock, egress, errno};
use crate::wire::inet_diag::{Query, State};

/// So many SYNs are enough.
const ENOUGH: u32 = 3;
/// How often the socket table is looked at where packets may not be.
const LOOKS: Duration = Duration::from_millis(100);
/// A handshake that is half open for so long does not end: longer than nearly any round trip, and
/// shorter than the second after which one whose answer cannot be sent is forgotten.
const TOO_LONG: Duration = Duration::from_millis(750);
/// The most addresses that are told.
const MOST: usize = 16;
/// The most that are counted.
const MOST_KNOWN: usize = 1024;

/// The `arrivals` probe.
pub enum Arrivals {}

/// Arguments of [`Arrivals`].
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ArrivalsArgs {
    /// The port.
    pub port: u16,
    /// The client, by the address that it comes from; null for any.
    #[serde(default)]
    pub client: Option<String>,
    /// How long to watch at most, in milliseconds; 0 does not watch.
    #[serde(default = "default_window_ms")]
    pub window_ms: u32,
}

fn default_window_ms() -> u32 {
    2500
}

/// Whether SYNs came.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ArrivalsOutcome {
    /// SYNs arrived.
    Arrived,
    /// None arrived while every packet was watched.
    None,
    /// None was seen in the socket table, which proves nothing.
    Unseen,
}

/// Who sends SYNs to the port.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Sender {
    /// The address that they come from.
    pub address: String,
    /// The segment size that they advertise, in bytes: whoever sends them may choose it, and address
    /// translation does not change it. Null without that option.
    pub segment: Option<u16>,
    /// How many came.
    pub syns: u32,
}

/// What [`Arrivals`] saw.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct ArrivalsSeen {
    /// Whether SYNs came.
    pub outcome: ArrivalsOutcome,
    /// The port.
    pub port: u16,
    /// The client that was asked about; null for any.
    pub client: Option<String>,
    /// The SYNs that came; counting ends at three. Null where packets could not be watched and the
    /// socket table showed none.
    pub syns: Option<u32>,
    /// The addresses that they came from.
    pub clients: Vec<String>,
    /// Everybody whose SYNs to the port came meanwhile, whoever was asked about, the busiest first.
    pub senders: Vec<Sender>,
    /// Whether a handshake of the client stands half open: its SYN was taken and answered, and nothing
    /// came back for long. Null where the socket table is hidden.
    pub half_open: Option<bool>,
    /// Whether this machine has a route to the client; null where the kernel does not tell, or any
    /// client is meant.
    pub way_back: Option<bool>,
    /// This machine's addresses; null where the kernel does not tell.
    pub addresses: Option<Vec<String>>,
    /// How long was watched, in milliseconds.
    pub window_ms: f64,
    /// Why packets could not be watched; null when they were.
    pub without_privilege: Option<String>,
}

impl Probe for Arrivals {
    const ID: &'static str = "arrivals";
    const DOC: &'static str = "Watches whether SYNs of a client reach a port of this machine, before \
        its packet filter decides about them.";
    const PRIVILEGE: &'static str = "Watching packets needs CAP_NET_RAW; without it only SYNs that the \
        kernel took are seen, in the socket table.";
    type Args = ArrivalsArgs;
    type Seen = ArrivalsSeen;

    async fn run(args: ArrivalsArgs) -> Result<ArrivalsSeen, Why> {
        let client = match &args.client {
            Some(text) => match text.trim_matches(['[', ']']).parse::<IpAddr>() {
                Ok(client) => Some(client.to_canonical()),
                Err(_) => return Err(Why::Unsupported { what: format!("the address {text:?}") }),
            },
            None => None,
        };
        let start = clock::now();
        let end = start + Duration::from_millis(args.window_ms.into());
        let own = own_addresses();
        let mut seen = Seen { client, own: own.clone().unwrap_or_default(), ..Seen::default() };
        let mut without_privilege = None;
        let mut half_open = None;
        let done = AtomicBool::new(false);
        match (args.window_ms > 0).then(|| Packets::of_port(args.port)) {
            None => {}
            Some(Ok(packets)) => {
                let watch = async {
                    seen.watch(&packets, end).await;
                    done.store(true, Ordering::Relaxed);
                };
                half_open = tokio::join!(watch, half_opened(args.port, client, end, &done)).1;
            }
            Some(Err(error)) => {
                let errno = errno::name(errno::of(&error));
                without_privilege = Some(format!("watching packets gives {errno} (CAP_NET_RAW)"));
                half_open = half_opened(args.port, client, end, &done).await;
                if half_open == Some(true) {
                    seen.syns = 1;
                    seen.from.extend(client);
                }
            }
        }
        let watched = without_privilege.is_none() && args.window_ms > 0;
        let outcome = match (seen.syns, watched) {
            (1.., _) => ArrivalsOutcome::Arrived,
            (0, true) => ArrivalsOutcome::None,
            (0, false) => ArrivalsOutcome::Unseen,
        };
        Ok(ArrivalsSeen {
            outcome,
            port: args.port,
            client: client.map(|client| client.to_string()),
            syns: (outcome != ArrivalsOutcome::Unseen).then_some(seen.syns),
            clients: seen.from.iter().take(MOST).map(ToString::to_string).collect(),
            senders: seen.senders(),
            half_open,
            way_back: client
                .filter(|_| own.is_some())
                .map(|client| egress::toward(client).is_some()),
            addresses: own.map(|own| own.iter().take(MOST).map(ToString::to_string).collect()),
            window_ms: clock::ms_since(start),
            without_privilege,
        })
    }

    fn brief(seen: &ArrivalsSeen) -> String {
        let who = match (&seen.client, seen.clients.as_slice()) {
            (Some(client), _) => format!("of {client}"),
            (None, []) => "of anybody".to_owned(),
            (None, clients) => format!("of {}", clients.join(", ")),
        };
        let time = seen.window_ms / 1e3;
        let others = match seen.senders.len() {
            0 => String::new(),
            1 => format!("; of {} some did", seen.senders[0].address),
            count => format!("; of {count} others some did"),
        };
        match (seen.outcome, seen.syns.unwrap_or(0)) {
            (ArrivalsOutcome::Arrived, count) => {
                let half =
                    if seen.half_open == Some(true) { ", a handshake is half open" } else { "" };
                format!("{count} SYNs {who} arrived in {time:.1} s{half}")
            }
            (ArrivalsOutcome::None, _) => format!("no SYN {who} arrived in {time:.1} s{others}"),
            (ArrivalsOutcome::Unseen, _) => {
                format!("no SYN {who} in the socket table, which proves nothing")
            }
        }
    }
}

/// What has come so far.
#[derive(Default)]
struct Seen {
    client: Option<IpAddr>,
    own: Vec<IpAddr>,
    syns: u32,
    from: BTreeSet<IpAddr>,
    senders: BTreeMap<(IpAddr, Option<u16>), u32>,
}

impl Seen {
    /// Takes note of a SYN, if it is meant.
    fn note(&mut self, Arrived { from, to, segment }: Arrived) {
        if !(self.own.is_empty() || self.own.contains(&to) || to.is_loopback()) {
            return;
        }
        // A flood has more senders than anybody wants to know.
        let known = self.senders.len() < MOST_KNOWN || self.senders.contains_key(&(from, segment));
        if known {
            *self.senders.entry((from, segment)).or_default() += 1;
        }
        if self.client.is_none_or(|client| client == from) {
            self.syns += 1;
            self.from.insert(from);
        }
    }

    fn senders(&self) -> Vec<Sender> {
        let mut all: Vec<_> = self.senders.iter().collect();
        all.sort_by_key(|(_, syns)| std::cmp::Reverse(**syns));
        let told = all.into_iter().take(MOST).map(|((address, segment), syns)| Sender {
            address: address.to_string(),
            segment: *segment,
            syns: *syns,
        });
        told.collect()
    }

    async fn watch(&mut self, packets: &Packets, end: Instant) {
        while self.syns < ENOUGH {
            tokio::select! {
                biased;
                found = packets.next() => match found {
                    Ok(syn) => self.note(syn),
                    Err(_) => return,
                },
                () = clock::sleep_until(end.into()) => return,
            }
        }
    }
}

/// Handshakes that stand half open, each with since when.
#[derive(Default)]
struct Waiting(BTreeMap<SocketAddr, Instant>);

impl Waiting {
    /// Looks at the table; returns whether somebody has waited for too long. `None` where it is hidden.
    fn look(&mut self, port: u16, client: Option<IpAddr>, now: Instant) -> Option<bool> {
        let query = Query {
            states: State::SynRecv.bit(),
            local_port: Some(port),
            peer: client,
            ..Query::ALL
        };
        let all = SockDiag::open().and_then(|mut sockets| {
            sockets.fold(&query, Vec::new, |all, entry| {
                let peer = entry.peer();
                if client.is_none_or(|client| client == peer.ip().to_canonical()) {
                    all.push((peer, entry.retransmits()));
                }
            })
        });
        Some(self.learn(&all.ok()?, now))
    }

    fn learn(&mut self, all: &[(SocketAddr, u8)], now: Instant) -> bool {
        // An answer that a rule of ours drops is never counted as sent again.
        let since = |peer: &SocketAddr| self.0.get(peer).copied().unwrap_or(now);
        let first = all.iter().take(MOST_KNOWN).map(|(peer, _)| (*peer, since(peer))).collect();
        self.0 = first;
        let long = self.0.values().any(|since| now.duration_since(*since) >= TOO_LONG);
        long || all.iter().any(|(_, again)| *again > 0)
    }
}

/// Whether a handshake of the client, or of anybody, stands half open for long; `None` where that is
/// hidden.
///
/// One that has just begun is half open as well, so the table is looked at again and again: until
/// `done` and nobody waits any more, or to the end.
async fn half_opened(
    port: u16,
    client: Option<IpAddr>,
    end: Instant,
    done: &AtomicBool,
) -> Option<bool> {
    let mut waiting = Waiting::default();
    loop {
        let now = clock::now();
        if waiting.look(port, client, now)? {
            return Some(true);
        }
        if now >= end || (done.load(Ordering::Relaxed) && waiting.0.is_empty()) {
            return Some(false);
        }
        tokio::time::sleep(LOOKS).await;
    }
}

/// The addresses by which others reach this machine; only its own loopback when there are no others.
fn own_addresses() -> Option<Vec<IpAddr>> {
    let all = Rtnl::open().ok()?.addresses().ok()?;
    let all: Vec<IpAddr> = all.iter().map(|entry| entry.address).collect();
    let others: Vec<IpAddr> =
        all.iter().copied().filter(|address| !address.is_loopback()).collect();
    Some(if others.is_empty() { all } else { others })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(text: &str) -> IpAddr {
        text.parse().expect("an address")
    }

    #[test]
    fn what_others_send_and_what_goes_elsewhere_does_not_count() {
        let mut seen = Seen {
            client: Some(address("10.1.0.2")),
            own: vec![address("10.1.0.5")],
            ..Seen::default()
        };
        let syn = |from: &str, to: &str| Arrived {
            from: address(from),
            to: address(to),
            segment: Some(600),
        };
        seen.note(syn("10.1.0.3", "10.1.0.5"));
        seen.note(syn("10.1.0.3", "10.1.0.5"));
        seen.note(syn("10.1.0.2", "10.9.9.9"));
        assert_eq!(seen.syns, 0);
        seen.note(syn("10.1.0.2", "10.1.0.5"));
        assert_eq!((seen.syns, seen.from.len()), (1, 1));
        let told: Vec<String> =
            seen.senders().iter().map(|one| format!("{} {}", one.address, one.syns)).collect();
        assert_eq!(told, ["10.1.0.3 2", "10.1.0.2 1"]);
    }

    #[test]
    fn a_handshake_that_has_just_begun_is_not_half_open_yet() {
        let peer: SocketAddr = "10.1.0.2:4000".parse().expect("an address");
        let other: SocketAddr = "10.1.0.2:4001".parse().expect("an address");
        let start = clock::now();
        let at = |ms: u64| start + Duration::from_millis(ms);
        let mut waiting = Waiting::default();
        assert!(!waiting.learn(&[(peer, 0)], at(0)));
        assert!(!waiting.learn(&[(peer, 0), (other, 0)], at(400)));
        assert!(!waiting.learn(&[(other, 0)], at(800)), "the first has come to its end");
        assert!(!waiting.learn(&[], at(900)) && waiting.0.is_empty());
        assert!(!waiting.learn(&[(other, 0)], at(1000)), "the port is used anew");
        assert!(waiting.learn(&[(peer, 1), (other, 0)], at(1100)), "its answer was sent again");
        assert!(waiting.learn(&[(other, 0)], at(1750)), "it stands there for too long");
    }

    #[test]
    fn a_flood_of_senders_is_counted_no_further() {
        let mut seen = Seen::default();
        for nth in 0..5000_u32 {
            let from = IpAddr::V4(std::net::Ipv4Addr::from(nth));
            seen.note(Arrived { from, to: address("10.1.0.5"), segment: None });
        }
        assert_eq!((seen.senders.len(), seen.senders().len()), (MOST_KNOWN, MOST));
    }
}
