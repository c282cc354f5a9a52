//! `dns`: what the name means, asked the way applications ask and asked of each server directly.

mod ask;
mod brief;
mod heard;
mod verdict;

use std::net::IpAddr;
use std::time::Duration;

use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use tokio::sync::oneshot;
use tokio::time::{Instant, sleep_until};

use crate::model::outcome::Why;
use crate::probe::{Probe, Touch};
use crate::sys::clock;
use crate::sys::name_config::{self, Service};
use crate::sys::resolver::{self, Families, Lookup};
use crate::wire::dns::WireName;
use ask::Asked;

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
    /// SERVFAIL, and no server had anything better to say.
    Servfail,
    /// REFUSED, and no server had anything better to say.
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
    /// Another rcode, a malformed answer, a truncated one that could not be repeated over TCP, or a
    /// socket error.
    Failed,
    /// Nothing came back in time.
    Timeout,
    /// The server's host says that nothing listens there (ICMP port unreachable).
    PortUnreachable,
    /// A router or this machine's neighbour table says that the server cannot be reached.
    HostUnreachable,
    /// This machine has no usable route to the server; nothing was sent.
    NoRoute,
    /// The kernel would not send (EPERM): a packet filter of this machine, or a full connection
    /// tracking table.
    Denied,
    /// Nothing had come when the hosts file's answer made waiting pointless.
    Abandoned,
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
    /// The errno's name when the kernel reported one.
    pub errno: Option<String>,
    /// Who sent the ICMP error that came instead of an answer.
    pub rejected_by: Option<String>,
    /// `A` or `AAAA` when that question stayed without an answer while the other had one.
    pub silent_on: Option<String>,
    /// How many packets the slower question needed; null without an answer.
    pub tries: Option<u32>,
}

/// What [`Dns`] saw.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct DnsSeen {
    /// How the lookup ended as a whole.
    pub outcome: DnsOutcome,
    /// The name that was asked for.
    pub name: String,
    /// The addresses that applications get (getaddrinfo), wanted families only, in their order;
    /// the servers' own answers when getaddrinfo had not returned in time or gave up for the moment.
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
    /// Whether the hosts file beats DNS and has other addresses in a family that it has; null when
    /// DNS gave no addresses.
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
    /// The services that nsswitch.conf names for hosts, in order.
    pub services: Vec<String>,
    /// Why resolv.conf could not be read, for example `/etc/resolv.conf: EACCES`.
    pub config_problem: Option<String>,
}

impl Probe for Dns {
    const ID: &'static str = "dns";
    const DOC: &'static str = "Resolves a name the way applications do (getaddrinfo: nsswitch, hosts \
        file, search domains) and asks each configured server directly beside it.";
    const CONTACTS: &'static [Touch] = &[Touch { arg: "name", port: None }];
    const LEADS: bool = true;
    type Args = DnsArgs;
    type Seen = DnsSeen;

    async fn run(args: DnsArgs) -> Result<DnsSeen, Why> {
        if args.name.is_empty() || args.name.chars().any(char::is_control) {
            return Err(Why::Unsupported {
                what: "a name that is empty or has control characters".to_owned(),
            });
        }
        if let Some(seen) = verdict::literal(&args.name, args.family) {
            return Ok(seen);
        }
        look(args).await
    }

    fn brief(seen: &DnsSeen) -> String {
        brief::brief(seen)
    }
}

/// How long servers are waited for once the hosts file has answered; its addresses win anyway.
const HOSTS_PATIENCE: Duration = Duration::from_millis(300);
/// How much longer than the servers getaddrinfo may take on any account.
const LOOKUP_GRACE: Duration = Duration::from_millis(250);
/// What the end of a query may lag behind the start of the probe.
const SLACK: Duration = Duration::from_millis(50);

/// Looks a name up both ways at once and puts the two together.
async fn look(args: DnsArgs) -> Result<DnsSeen, Why> {
    let start = Instant::from_std(clock::now());
    let query = Duration::from_millis(args.query_ms.into());
    // An internationalised name is asked for as punycode, by everybody.
    let name = match WireName::new(&args.name) {
        Some(wire) if !args.name.is_ascii() => wire.text(),
        _ => args.name.clone(),
    };
    let mut lookup = resolver::start_lookup(&name, families(args.family));
    let conf = name_config::resolv_conf();
    let services = name_config::host_services();
    let hosts = name_config::hosts_addresses(&name);

    let mut servers = conf.servers.clone();
    let configured = !servers.is_empty();
    if !configured {
        servers.push(name_config::default_server());
    }
    // RFC 6761 6.3: names of this machine are not for servers.
    let candidates = match ask::is_localhost(&name) {
        true => Vec::new(),
        false => ask::candidates(&name, &conf.search, conf.ndots),
    };
    if candidates.is_empty() {
        servers.clear();
    }
    let limits = ask::Limits { query, end: start + query * 2, tcp_only: conf.tcp_only };
    let mut asked: Vec<Asked> = servers.iter().map(Asked::not_yet).collect();
    let mut waiting: FuturesUnordered<_> = servers
        .iter()
        .enumerate()
        .map(|(at, server)| {
            let asking = ask::ask_server(server, &candidates, args.family, limits);
            async move { (at, asking.await) }
        })
        .collect();
    let mut found: Option<Lookup> = None;
    let mut servers_done = start;
    while !waiting.is_empty() || lookup.is_some() {
        let until = match (&found, waiting.is_empty()) {
            (Some(Lookup { result: Ok(_), .. }), false) if !hosts.is_empty() => {
                start + HOSTS_PATIENCE.min(query)
            }
            (Some(Lookup { result: Ok(_), .. }), false) => start + query + SLACK,
            // Other name services may be slower than DNS, and nothing else can help any more.
            (None, true) if ask::only_negative(&asked) && has_other_service(&services) => {
                start + query * 2
            }
            // It asks the same servers: about as long again is enough, unless a packet got lost, and
            // then it waits five seconds (RES_TIMEOUT) for nothing that is not known already.
            (None, true) => {
                (servers_done + (servers_done - start) + LOOKUP_GRACE).min(start + query + SLACK)
            }
            _ => limits.end + SLACK,
        };
        tokio::select! {
            Some((at, answer)) = waiting.next() => {
                asked[at] = answer;
                servers_done = Instant::from_std(clock::now());
            }
            answer = receive(&mut lookup), if lookup.is_some() => {
                found = answer;
                lookup = None;
            }
            () = sleep_until(until) => break,
        }
    }
    let by_hosts = found.as_ref().is_some_and(|found| found.result.is_ok()) && !hosts.is_empty();
    drop(waiting);
    for asked in &mut asked {
        asked.give_up(by_hosts);
    }
    if !configured && asked.iter().all(|asked| !asked.answered) {
        asked.clear();
    }
    let facts = verdict::Facts {
        name: args.name,
        family: args.family,
        services: services.into_iter().map(|service| service.name).collect(),
        hosts,
        configured,
        asked,
        lookup: found,
        config_problem: conf.problem,
    };
    let mut seen = verdict::judge(facts)?;
    if seen.getaddrinfo_ms.is_none() {
        order_by_use(&mut seen.addresses);
    }
    Ok(seen)
}

/// Waits for the system's resolver; pending for ever when it is not asked.
async fn receive(lookup: &mut Option<oneshot::Receiver<Lookup>>) -> Option<Lookup> {
    match lookup {
        Some(receiver) => receiver.await.ok(),
        None => std::future::pending().await,
    }
}

/// Whether a service besides the hosts file and DNS is asked.
fn has_other_service(services: &[Service]) -> bool {
    let known = ["files", "dns", "myhostname"];
    services.iter().any(|service| !known.contains(&service.name.as_str()))
}

/// Puts addresses that this machine has a route to first, and of those IPv6 (RFC 6724 6, rules 1
/// and 6), as getaddrinfo would have.
fn order_by_use(addresses: &mut [String]) {
    addresses.sort_by_cached_key(|text| match text.parse::<IpAddr>() {
        Ok(address) => (!resolver::has_route(address), address.is_ipv4()),
        Err(_) => (true, true),
    });
}

fn families(family: Family) -> Families {
    match family {
        Family::Any => Families::Any,
        Family::V4 => Families::V4,
        Family::V6 => Families::V6,
    }
}
