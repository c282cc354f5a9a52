//! `greeting`: after the handshake, does anybody serve the connection?

mod protocol;
mod watch;

use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::model::outcome::Why;
use crate::probe::{Probe, Touch};
use crate::sys::{clock, host};

use watch::Plan;

/// The `greeting` probe.
pub enum Greeting {}

/// Arguments of [`Greeting`].
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct GreetingArgs {
    /// The address.
    pub address: String,
    /// The port.
    pub port: u16,
    /// The URL scheme that the user gave; only then is a request sent.
    #[serde(default)]
    pub scheme: Option<String>,
    /// The name that the user gave, for the request of a protocol that carries one (HTTP, TLS); the
    /// address without.
    #[serde(default)]
    pub host: Option<String>,
    /// How long the server may take to react, in milliseconds.
    #[serde(default = "default_patience_ms")]
    pub patience_ms: u32,
}

fn default_patience_ms() -> u32 {
    3000
}

/// How the server reacted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum GreetingOutcome {
    /// It sent data: a banner, or an answer to our request.
    Answered,
    /// It closed its side after we closed ours, as a program does that reads.
    Closed,
    /// It closed its side before we had closed ours, without a byte.
    ClosedEarly,
    /// It reset the connection.
    Reset,
    /// It neither sent nor closed anything.
    Silent,
    /// The connection could not be opened this time.
    NotConnected,
}

/// Which side of the protocol speaks first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum FirstSpeaker {
    /// The server greets (SSH, SMTP, FTP, MySQL …).
    Server,
    /// The client asks (HTTP, TLS, PostgreSQL, Redis …).
    Client,
}

/// What [`Greeting`] saw.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct GreetingSeen {
    /// How the server reacted.
    pub outcome: GreetingOutcome,
    /// The address.
    pub address: String,
    /// The port.
    pub port: u16,
    /// The protocol assumed, from the scheme or else the well-known port; null when unknown.
    pub protocol: Option<String>,
    /// Whether the user named the protocol (a URL scheme), rather than the port number suggesting it.
    pub protocol_named: bool,
    /// Which side speaks first in that protocol; null when unknown.
    pub first_speaker: Option<FirstSpeaker>,
    /// Whether we sent a request.
    pub spoke: bool,
    /// The first line received, as printable text, at most 120 characters; null when none came.
    pub banner: Option<String>,
    /// The time to the first byte in milliseconds.
    pub first_byte_ms: Option<f64>,
    /// Whether the server's kernel acknowledged what we sent (data or FIN); null when unknown.
    pub acknowledged: Option<bool>,
    /// Whether the server closed its side after we had closed ours; null when we had not.
    pub close_answered: Option<bool>,
    /// How long was waited, in milliseconds.
    pub waited_ms: f64,
}

impl Probe for Greeting {
    const ID: &'static str = "greeting";
    const DOC: &'static str = "Opens one connection and watches whether a program serves it: a banner, \
        an answer to the request of the named protocol, or a close in answer to ours.";
    const CONTACTS: &'static [Touch] = &[Touch { arg: "address", port: Some("port") }];
    type Args = GreetingArgs;
    type Seen = GreetingSeen;

    async fn run(args: GreetingArgs) -> Result<GreetingSeen, Why> {
        let start = clock::now();
        let Some(target) = host::socket_address(&args.address, args.port) else {
            return Err(Why::Unsupported { what: format!("the address {:?}", args.address) });
        };
        let named = args.scheme.as_deref().and_then(protocol::by_scheme);
        let assumed = named.or_else(|| protocol::by_port(args.port));
        let plan = match (named, assumed.map(protocol::Protocol::first_speaker)) {
            (_, Some(FirstSpeaker::Server)) => Plan::Listen,
            // Data is sent only to a protocol that the user has named.
            (Some(named), _) => named
                .hello(args.host.as_deref().unwrap_or(&args.address))
                .map_or(Plan::CloseOnly, Plan::Speak),
            (None, _) => Plan::CloseOnly,
        };
        let patience = Duration::from_millis(args.patience_ms.into());
        let watch = watch::run(target, &plan, patience).await;
        Ok(GreetingSeen {
            outcome: watch.outcome,
            address: args.address,
            port: args.port,
            protocol: assumed.map(|protocol| protocol.name.to_owned()),
            protocol_named: named.is_some(),
            first_speaker: assumed.map(protocol::Protocol::first_speaker),
            spoke: watch.spoke,
            banner: watch.data.as_deref().map(protocol::banner),
            first_byte_ms: watch.first_byte_ms,
            acknowledged: watch.acknowledged,
            close_answered: watch.close_answered,
            waited_ms: clock::ms_since(start),
        })
    }

    fn brief(seen: &GreetingSeen) -> String {
        let waited = match seen.waited_ms {
            ms if ms >= 1000.0 => format!("{:.1} s", ms / 1e3),
            ms => format!("{ms:.1} ms"),
        };
        let asked = match (&seen.protocol, seen.spoke) {
            (Some(protocol), true) => format!("{protocol} request: "),
            _ => String::new(),
        };
        match seen.outcome {
            GreetingOutcome::Answered => format!(
                "{asked}\"{}\" in {:.1} ms",
                seen.banner.as_deref().unwrap_or_default(),
                seen.first_byte_ms.unwrap_or(seen.waited_ms)
            ),
            GreetingOutcome::Closed => {
                format!("{asked}the server closed in answer to our close, {waited}")
            }
            GreetingOutcome::ClosedEarly => {
                format!("{asked}the server closed without a byte, {waited}")
            }
            GreetingOutcome::Reset => format!("{asked}the server reset the connection, {waited}"),
            GreetingOutcome::Silent => {
                let acknowledged = match seen.acknowledged {
                    Some(true) => "; its kernel acknowledged what we sent",
                    Some(false) => "; what we sent was not acknowledged",
                    None => "",
                };
                format!("{asked}no byte and no close in {waited}{acknowledged}")
            }
            GreetingOutcome::NotConnected => format!("no connection this time, {waited}"),
        }
    }
}
