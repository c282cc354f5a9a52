//! `arrivals`: do a client's SYNs reach this machine, before any rule of it?

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::time::{Duration, Instant};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::model::outcome::Why;
use crate::probe::Probe;
use crate::sys::arrivals::Arrivals as Packets;
use crate::sys::rtnl::Rtnl;
use crate::sys::sock_diag::SockDiag;
use crate::sys::{clock, errno};
use crate::wire::inet_diag::{Query, State};

/// So many SYNs are enough.
const ENOUGH: u32 = 3;
/// How often the socket table is looked at where packets may not be.
const LOOKS: Duration = Duration::from_millis(100);
/// The most addresses that are told.
const MOST: usize = 16;

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
    /// Whether a handshake of the client stands half open: its SYN was taken and answered, and nothing
    /// has come back. Null where the socket table is hidden.
    pub half_open: Option<bool>,
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
        match (args.window_ms > 0).then(|| Packets::of_port(args.port)) {
            None => {}
            Some(Ok(packets)) => {
                seen.watch(&packets, end).await;
                half_open = half_opened(args.port, client);
            }
            Some(Err(error)) => {
                let errno = errno::name(errno::of(&error));
                without_privilege = Some(format!("watching packets gives {errno} (CAP_NET_RAW)"));
                half_open = seen.watch_table(args.port, end).await;
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
            clients: seen.from.keys().take(MOST).map(ToString::to_string).collect(),
            half_open,
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
        match (seen.outcome, seen.syns.unwrap_or(0)) {
            (ArrivalsOutcome::Arrived, count) => {
                let half =
                    if seen.half_open == Some(true) { ", a handshake is half open" } else { "" };
                format!("{count} SYNs {who} arrived in {time:.1} s{half}")
            }
            (ArrivalsOutcome::None, _) => format!("no SYN {who} arrived in {time:.1} s"),
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
    from: BTreeMap<IpAddr, u32>,
}

impl Seen {
    /// Takes note of a SYN, if it is meant.
    fn note(&mut self, from: IpAddr, to: IpAddr) {
        let ours = self.own.is_empty() || self.own.contains(&to) || to.is_loopback();
        if ours && self.client.is_none_or(|client| client == from) {
            self.syns += 1;
            *self.from.entry(from).or_default() += 1;
        }
    }

    async fn watch(&mut self, packets: &Packets, end: Instant) {
        while self.syns < ENOUGH {
            tokio::select! {
                biased;
                found = packets.next() => match found {
                    Ok((from, to)) => self.note(from, to),
                    Err(_) => return,
                },
                () = clock::sleep_until(end.into()) => return,
            }
        }
    }

    /// Looks at the socket table again and again; returns whether a handshake stood half open.
    async fn watch_table(&mut self, port: u16, end: Instant) -> Option<bool> {
        loop {
            let half_open = half_opened(port, self.client)?;
            if half_open {
                self.syns = 1;
                self.from.extend(self.client.map(|client| (client, 1)));
            }
            if half_open || clock::now() >= end {
                return Some(half_open);
            }
            tokio::time::sleep(LOOKS).await;
        }
    }
}

/// Whether a handshake of the client, or of anybody, stands half open; `None` where that is hidden.
fn half_opened(port: u16, client: Option<IpAddr>) -> Option<bool> {
    let query =
        Query { states: State::SynRecv.bit(), local_port: Some(port), peer: client, ..Query::ALL };
    let any = SockDiag::open().and_then(|mut sockets| {
        sockets.fold(
            &query,
            || false,
            |any, entry| {
                let peer = entry.peer().ip().to_canonical();
                *any |= client.is_none_or(|client| client == peer);
            },
        )
    });
    any.ok()
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
        seen.note(address("10.1.0.3"), address("10.1.0.5"));
        seen.note(address("10.1.0.2"), address("10.9.9.9"));
        assert_eq!(seen.syns, 0);
        seen.note(address("10.1.0.2"), address("10.1.0.5"));
        assert_eq!((seen.syns, seen.from.len()), (1, 1));
    }
}
