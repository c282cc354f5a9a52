//! `dns`: what the name means, asked the way applications ask and asked of each server directly.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::model::outcome::Why;
use crate::probe::Probe;

/// The `dns` probe.
pub enum Dns {}

/// Arguments of [`Dns`].
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct DnsArgs {
    /// The name to resolve; an address is handed back as it is.
    pub name: String,
    /// Which addresses are wanted: `any`, `v4` or `v6`.
    #[serde(default)]
    pub family: Family,
    /// How long one query to one server may take, in milliseconds.
    #[serde(default = "default_query_ms")]
    pub query_ms: u32,
}

fn default_query_ms() -> u32 {
    1500
}

/// Which address family is wanted.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Family {
    /// Both.
    #[default]
    Any,
    /// IPv4 only.
    V4,
    /// IPv6 only.
    V6,
}

/// How the lookup ended as a whole.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum DnsOutcome {
    /// At least one address of a wanted family.
    Resolved,
    /// The name does not exist (NXDOMAIN).
    Nxdomain,
    /// The name exists without an address of a wanted family (NODATA).
    NoData,
    /// Every server that answered said SERVFAIL.
    Servfail,
    /// Every server that answered said REFUSED.
    Refused,
    /// No configured server answered.
    Unreachable,
    /// No server is configured and no other source knew the name.
    NoNameservers,
    /// Anything else, for example FORMERR or a malformed answer.
    Failed,
}

/// Which source gave the addresses that applications use.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum NameSource {
    /// The text was an address already.
    Literal,
    /// The hosts file.
    Hosts,
    /// DNS.
    Dns,
    /// Another name service (mDNS, myhostname, a directory …).
    Other,
}

/// What one query to one server met.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ServerOutcome {
    /// An answer with addresses.
    Answered,
    /// NXDOMAIN.
    Nxdomain,
    /// NOERROR without an address of a wanted family.
    NoData,
    /// SERVFAIL.
    Servfail,
    /// REFUSED.
    Refused,
    /// Another rcode or a malformed answer.
    Failed,
    /// Nothing came back in time.
    Timeout,
    /// The server's host says that nothing listens there (ICMP port unreachable).
    PortUnreachable,
    /// A router or this machine's neighbour table says that the server cannot be reached.
    HostUnreachable,
    /// This machine has no usable route to the server; nothing was sent.
    NoRoute,
}

/// What one configured server answered.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct DnsServer {
    /// The server's address.
    pub address: String,
    /// What it answered.
    pub outcome: ServerOutcome,
    /// The response code's name, when one came.
    pub rcode: Option<String>,
    /// The round trip in milliseconds.
    pub rtt_ms: Option<f64>,
    /// The addresses that it gave.
    pub addresses: Vec<String>,
    /// Whether the UDP answer was truncated.
    pub truncated: Option<bool>,
    /// Whether the same query over TCP worked; null when it was not needed.
    pub tcp_worked: Option<bool>,
    /// Whether the answer was authoritative.
    pub authoritative: Option<bool>,
    /// The extended DNS error (RFC 8914), when one came.
    pub extended_error: Option<String>,
    /// The errno's name when sending failed.
    pub errno: Option<String>,
}

/// What [`Dns`] saw.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct DnsSeen {
    /// How the lookup ended as a whole.
    pub outcome: DnsOutcome,
    /// The name that was asked for.
    pub name: String,
    /// The addresses that applications get (getaddrinfo), wanted families only, in their order;
    /// the servers' own answers when getaddrinfo gave none.
    pub addresses: Vec<String>,
    /// How many of them are IPv4.
    pub v4: u32,
    /// How many of them are IPv6.
    pub v6: u32,
    /// Which source they come from; null when there are none.
    pub source: Option<NameSource>,
    /// The addresses that the hosts file has for the name.
    pub hosts_addresses: Vec<String>,
    /// The addresses that DNS has for the name.
    pub dns_addresses: Vec<String>,
    /// Whether the hosts file beats DNS and differs from it; null when DNS was not asked or silent.
    pub hosts_differ: Option<bool>,
    /// The CNAME chain, in order, without the name itself.
    pub cname_chain: Vec<String>,
    /// The fully qualified name that was answered, when it differs from the name (search domain).
    pub answered_as: Option<String>,
    /// Whether the name exists with addresses of the other, unwanted family only.
    pub other_family_only: bool,
    /// The lowest time to live of the answer, in seconds.
    pub ttl_s: Option<u32>,
    /// What each configured server answered, in the order of resolv.conf.
    pub servers: Vec<DnsServer>,
    /// How many servers gave any answer.
    pub servers_answered: u32,
    /// How many servers gave none.
    pub servers_dead: u32,
    /// Whether the servers that answered gave the same addresses; null with fewer than two.
    pub servers_agree: Option<bool>,
    /// The first server that gave no answer, for texts; null when all answered.
    pub dead_server: Option<String>,
    /// The first server that answered; null when none did.
    pub live_server: Option<String>,
    /// Whether every failure was this machine's own (no route to any server).
    pub no_route_to_servers: bool,
    /// The code that getaddrinfo returned, for example `EAI_NONAME`; null when it succeeded.
    pub getaddrinfo_error: Option<String>,
    /// How long getaddrinfo took, in milliseconds; null when it had not returned in time.
    pub getaddrinfo_ms: Option<f64>,
}

impl Probe for Dns {
    const ID: &'static str = "dns";
    const DOC: &'static str = "Resolves a name the way applications do (getaddrinfo: nsswitch, hosts \
        file, search domains) and asks each configured server directly beside it.";
    type Args = DnsArgs;
    type Seen = DnsSeen;

    async fn run(_args: DnsArgs) -> Result<DnsSeen, Why> {
        Err(Why::Unsupported { what: "dns".to_owned() })
    }

    fn brief(seen: &DnsSeen) -> String {
        seen.addresses.join(", ")
    }
}
