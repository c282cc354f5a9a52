//! `greeting`: after the handshake, does anybody serve the connection?

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::model::outcome::Why;
use crate::probe::Probe;

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
    /// The first bytes received, as printable text, at most 120 characters; null when none came.
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
    type Args = GreetingArgs;
    type Seen = GreetingSeen;

    async fn run(_args: GreetingArgs) -> Result<GreetingSeen, Why> {
        Err(Why::Unsupported { what: "greeting".to_owned() })
    }

    fn brief(seen: &GreetingSeen) -> String {
        seen.address.clone()
    }
}
