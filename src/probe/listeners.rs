//! `listeners`: who waits for connections on a port of this machine.

mod elsewhere;
mod judge;

use std::collections::BTreeSet;
use std::net::IpAddr;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::model::outcome::Why;
use crate::probe::Probe;
use crate::probe::owner::{Book, Claim, Owner};
use crate::sys::sock_diag::SockDiag;
use crate::sys::{caps, egress, namespaces, procfs};
use crate::wire::inet_diag::{Query, State};

use judge::Waiting;

/// The `listeners` probe.
pub enum Listeners {}

/// Arguments of [`Listeners`].
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ListenersArgs {
    /// The port.
    pub port: u16,
    /// The address of this machine that clients use; null is any.
    #[serde(default)]
    pub address: Option<String>,
}

/// Who waits for connections on the port.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ListenersOutcome {
    /// A process listens, and takes connections to the address.
    Listening,
    /// A process listens on loopback only.
    LoopbackOnly,
    /// A process listens, but on other addresses of this machine, or only for the other family.
    OtherAddress,
    /// Nobody here; a process in another network namespace (a container) listens.
    Elsewhere,
    /// Nobody.
    None,
}

/// A socket that waits for connections.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Listener {
    /// Its address; `0.0.0.0` and `::` stand for all.
    pub address: String,
    /// Its port.
    pub port: u16,
    /// `v4` or `v6`.
    pub family: String,
    /// Whether it listens on all addresses.
    pub wildcard: bool,
    /// Whether only this machine itself can reach it.
    pub loopback: bool,
    /// Whether an IPv6 listener refuses IPv4; null for IPv4, and on kernels before 4.3.
    pub v6_only: Option<bool>,
    /// The only network interface it listens on; null is all.
    pub interface: Option<String>,
    /// Whether it takes connections to the address that was asked for (to any but loopback, when
    /// none was).
    pub accepts: bool,
    /// Connections that are complete and wait to be accepted.
    pub queue: u32,
    /// The limit of that queue: the smaller of what the application asked for and
    /// net.core.somaxconn. The kernel lets one more in.
    pub backlog: u32,
    /// Whether the queue is full: further clients run into a time-out.
    pub queue_full: bool,
    /// SYNs and handshakes that it dropped since it listens: history, only growth is evidence. Null
    /// on kernels before 4.7.
    pub drops: Option<u32>,
    /// The user who made the socket.
    pub uid: u32,
    /// The user's name; null for one that /etc/passwd does not have.
    pub user: Option<String>,
    /// The socket's inode.
    pub inode: u32,
    /// The process that holds it; null when hidden from us.
    pub owner: Option<Owner>,
    /// The processes seen to hold it; 0 when hidden.
    pub owner_count: u32,
    /// The owner in words, for example `nginx (pid 123, user www-data, unit nginx.service)` or
    /// `hidden (uid 1000; needs root)`.
    pub owner_name: String,
    /// Its systemd unit; null when it has none or it is hidden.
    pub unit: Option<String>,
    /// Its container, for example `docker 4c01db0b339c`; null when it is in none, or hidden.
    pub container: Option<String>,
}

/// A listener on another port.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct OtherListener {
    /// Its address.
    pub address: String,
    /// Its port.
    pub port: u16,
    /// Whether only this machine itself can reach it.
    pub loopback: bool,
    /// The owner in words, as far as a first glance tells.
    pub owner_name: String,
}

/// A listener in another network namespace.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ElsewhereListener {
    /// The process that holds it, or, where that is hidden, one of its namespace.
    pub pid: u32,
    /// The name of that process.
    pub command: String,
    /// Who that is in words, for example `python3 (pid 123, container docker 4c01db0b339c)`.
    pub owner_name: String,
    /// Whether that process was seen to hold the socket.
    pub certain: bool,
    /// The address.
    pub address: String,
    /// The port.
    pub port: u16,
    /// Whether only that namespace itself can reach it.
    pub loopback: bool,
    /// Connections that wait to be accepted.
    pub queue: u32,
    /// The limit of that queue; null where that needs root.
    pub backlog: Option<u32>,
    /// The number of the network namespace, as `lsns` shows it; null where that needs root.
    pub namespace: Option<u64>,
    /// The container, for example `docker 4c01db0b339c`; null when it is in none.
    pub container: Option<String>,
    /// The systemd unit of the process; null when it has none.
    pub unit: Option<String>,
}

/// What [`Listeners`] saw.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ListenersSeen {
    /// Who waits for connections on the port.
    pub outcome: ListenersOutcome,
    /// The port.
    pub port: u16,
    /// The listening sockets on this port in this network namespace.
    pub count: u32,
    /// Those sockets.
    pub listeners: Vec<Listener>,
    /// Whether an IPv4 client from elsewhere could be accepted.
    pub accepts_v4: bool,
    /// Whether an IPv6 client from elsewhere could be accepted.
    pub accepts_v6: bool,
    /// Whether others could come to this machine over IPv4: an interface that is up has an address of
    /// it; null when that cannot be told.
    pub machine_v4: Option<bool>,
    /// Whether others could come over IPv6, by an address that is not link-local; null when that cannot
    /// be told.
    pub machine_v6: Option<bool>,
    /// Connections waiting to be accepted, of the fullest listener that clients meet; null without a
    /// listener.
    pub queue: Option<u32>,
    /// The limit of that queue; null without a listener.
    pub backlog: Option<u32>,
    /// Whether that queue is full: further clients run into a time-out.
    pub queue_full: bool,
    /// The owner of the listener with that queue in words; null without a listener.
    pub queue_owner: Option<String>,
    /// Connections waiting to be accepted, of all listeners on the port.
    pub waiting: u32,
    /// SYNs and handshakes that the listeners on the port dropped since they listen: history, only
    /// growth is evidence. Null on kernels before 4.7 and without a listener.
    pub drops: Option<u64>,
    /// The owners in words, for example `nginx (pid 123, user www-data, unit nginx.service)` or
    /// `hidden (uid 1000; needs root)`; null without a listener.
    pub owner_name: Option<String>,
    /// Whether the owner of a listener is hidden from us.
    pub owners_hidden: bool,
    /// Listeners on this port in other network namespaces. Without root they are looked for only
    /// where nobody here takes the connection.
    pub elsewhere: Vec<ElsewhereListener>,
    /// Network namespaces other than ours that were looked into; null when not looked for, or where
    /// /proc does not tell which there are.
    pub namespaces: Option<u32>,
    /// Network namespaces other than ours that could not be looked into; null when not looked for.
    pub namespaces_unseen: Option<u32>,
    /// Other ports that a client from elsewhere could reach by address, in order, 50 at most.
    pub other_ports: Vec<u16>,
    /// Other ports on which a process that holds a listener on this port listens too.
    pub owner_ports: Vec<u16>,
    /// Listeners on other ports, 50 at most: those that others can reach first.
    pub others: Vec<OtherListener>,
}

impl Probe for Listeners {
    const ID: &'static str = "listeners";
    const DOC: &'static str = "Finds who waits for connections on a port of this machine, how full \
        the queue is, and whether the port is served in another network namespace (a container).";
    const PRIVILEGE: &'static str = "Naming the processes of other users needs root; user, unit, \
        container and queues do not.";
    const LEADS: bool = true;
    type Args = ListenersArgs;
    type Seen = ListenersSeen;

    async fn run(args: ListenersArgs) -> Result<ListenersSeen, Why> {
        let wanted: Option<IpAddr> = match args.address.as_deref().map(str::parse) {
            None => None,
            Some(Ok(address)) => Some(address),
            Some(Err(_)) => {
                let what = format!("the address {:?}", args.address.unwrap_or_default());
                return Err(Why::Unsupported { what });
            }
        };
        let work = tokio::task::spawn_blocking(move || look(args.port, wanted));
        work.await.unwrap_or(Err(Why::Interrupted))
    }

    fn brief(seen: &ListenersSeen) -> String {
        let owner = seen.owner_name.as_deref().unwrap_or("somebody");
        let queue = match (seen.queue, seen.backlog) {
            (Some(queue), Some(backlog)) if seen.queue_full => {
                format!(", accept queue full ({queue} of {backlog})")
            }
            (Some(queue @ 1..), Some(backlog)) => format!(", {queue} of {backlog} waiting"),
            _ => String::new(),
        };
        let addresses: Vec<&str> = seen.listeners.iter().map(|one| one.address.as_str()).collect();
        let addresses = addresses.join(", ");
        match seen.outcome {
            ListenersOutcome::Listening => {
                format!("port {}: {owner} on {addresses}{queue}", seen.port)
            }
            ListenersOutcome::LoopbackOnly => {
                format!("port {}: {owner}, on loopback only ({addresses}){queue}", seen.port)
            }
            ListenersOutcome::OtherAddress => {
                format!("port {}: {owner}, on another address ({addresses}){queue}", seen.port)
            }
            ListenersOutcome::Elsewhere => match seen.elsewhere.first() {
                Some(one) => format!(
                    "port {}: nobody here; {} on {} in another network namespace",
                    seen.port, one.owner_name, one.address
                ),
                None => format!("port {}: nobody here", seen.port),
            },
            ListenersOutcome::None => match seen.namespaces_unseen {
                Some(unseen @ 1..) => format!(
                    "port {}: nobody listens; {unseen} other network namespaces could not be \
                     looked into",
                    seen.port
                ),
                _ => format!("port {}: nobody listens", seen.port),
            },
        }
    }
}

/// Other ports that are told at most.
const OTHER_PORTS: usize = 50;

fn look(port: u16, wanted: Option<IpAddr>) -> Result<ListenersSeen, Why> {
    let query = Query { states: State::Listen.bit(), detailed: true, ..Query::ALL };
    let all = SockDiag::open()?.fold(&query, Vec::new, |all, entry| {
        all.push(Waiting {
            address: entry.local().ip(),
            port: entry.local().port(),
            v6: entry.is_v6(),
            v6_only: entry.v6_only(),
            interface: entry.interface(),
            queue: entry.receive_queue(),
            backlog: entry.send_queue(),
            drops: entry.drops(),
            claim: Claim { inode: entry.inode(), uid: entry.uid(), cgroup: entry.cgroup() },
        });
    })?;
    let (mut here, others): (Vec<Waiting>, Vec<Waiting>) =
        all.into_iter().partition(|waiting| waiting.port == port);
    here.sort_by_key(|waiting| (waiting.v6, waiting.address, waiting.claim.inode));
    let taken = here.iter().any(|waiting| waiting.accepts(wanted));
    // Without privilege, looking takes time that grows with the sockets of the machine.
    let far = (!taken || caps::effective_uid() == 0).then(namespaces::listening).flatten();
    let (seen, unseen) = (far.as_ref().map(|far| far.seen), far.as_ref().map(|far| far.unseen));
    let mut far = far.unwrap_or_default().listening;
    far.retain(|far| far.local.port() == port);
    let mut claims: Vec<Claim> = here.iter().map(|waiting| waiting.claim).collect();
    claims.extend(far.iter().map(elsewhere::claim));
    let besides: Vec<Claim> = others.iter().map(|waiting| waiting.claim).collect();
    let mut book = Book::of(&claims, &besides)?;
    let elsewhere: Vec<ElsewhereListener> =
        far.iter().map(|far| elsewhere::named(far, &mut book)).collect();
    let reach = judge::reach(&here, wanted);
    let ways = egress::ways_in();
    let fullest = judge::fullest(&here, wanted).copied();
    let listeners: Vec<Listener> =
        here.iter().map(|waiting| listener(waiting, wanted, &mut book)).collect();
    let mut names: Vec<&str> = listeners.iter().map(|one| one.owner_name.as_str()).collect();
    names.dedup();
    Ok(ListenersSeen {
        outcome: judge::outcome(&here, wanted, !elsewhere.is_empty()),
        port,
        count: u32::try_from(here.len()).unwrap_or(u32::MAX),
        accepts_v4: reach.v4,
        accepts_v6: reach.v6,
        machine_v4: machine(&ways, false),
        machine_v6: machine(&ways, true),
        queue: fullest.map(|waiting| waiting.queue),
        backlog: fullest.map(|waiting| waiting.backlog),
        queue_full: fullest.as_ref().is_some_and(Waiting::is_full),
        queue_owner: fullest.map(|waiting| book.name(waiting.claim, None)),
        waiting: here.iter().map(|waiting| waiting.queue).sum(),
        drops: drops(&here),
        owner_name: (!names.is_empty()).then(|| names.join(", ")),
        owners_hidden: listeners.iter().any(|one| one.owner.is_none()),
        elsewhere,
        namespaces: seen,
        namespaces_unseen: unseen,
        other_ports: judge::open_ports(&others, OTHER_PORTS),
        owner_ports: owner_ports(&here, &others, &book),
        others: other_listeners(others, &mut book),
        listeners,
    })
}

fn machine(ways: &[(String, bool)], v6: bool) -> Option<bool> {
    (!ways.is_empty()).then(|| ways.iter().any(|(_, way)| *way == v6))
}

/// What all of them dropped; `None` when one does not tell.
fn drops(here: &[Waiting]) -> Option<u64> {
    let all = here.iter().map(|waiting| waiting.drops.map(u64::from));
    all.sum::<Option<u64>>().filter(|_| !here.is_empty())
}

/// The ports that the holders of these listeners listen on as well.
fn owner_ports(here: &[Waiting], others: &[Waiting], book: &Book) -> Vec<u16> {
    let pids: Vec<u32> = here
        .iter()
        .flat_map(|waiting| book.pids(waiting.claim.inode))
        .filter(|pid| *pid != 1)
        .collect();
    let held = others.iter().filter(|waiting| book.is_held_by(waiting.claim.inode, &pids));
    let ports: BTreeSet<u16> = held.map(|waiting| waiting.port).collect();
    ports.into_iter().take(OTHER_PORTS).collect()
}

fn other_listeners(mut others: Vec<Waiting>, book: &mut Book) -> Vec<OtherListener> {
    others.sort_by_key(|one| (one.is_loopback(), one.port, one.v6, one.address));
    let told = others.iter().take(OTHER_PORTS);
    told.map(|waiting| OtherListener {
        address: waiting.address.to_string(),
        port: waiting.port,
        loopback: waiting.is_loopback(),
        owner_name: book.name(waiting.claim, None),
    })
    .collect()
}

fn listener(waiting: &Waiting, wanted: Option<IpAddr>, book: &mut Book) -> Listener {
    let holder = book.holder(waiting.claim);
    Listener {
        address: waiting.address.to_string(),
        port: waiting.port,
        family: if waiting.v6 { "v6" } else { "v4" }.to_owned(),
        wildcard: waiting.address.is_unspecified(),
        loopback: waiting.is_loopback(),
        v6_only: waiting.v6_only,
        interface: procfs::interface_name(waiting.interface),
        accepts: waiting.accepts(wanted),
        queue: waiting.queue,
        backlog: waiting.backlog,
        queue_full: waiting.is_full(),
        drops: waiting.drops,
        uid: waiting.claim.uid,
        user: book.user(waiting.claim.uid),
        inode: waiting.claim.inode,
        owner: holder.owner,
        owner_count: holder.count,
        owner_name: holder.name,
        unit: holder.unit,
        container: holder.container,
    }
}

#[cfg(test)]
mod tests {
    use std::net::{TcpListener, TcpStream};

    use super::*;

    async fn run(args: serde_json::Value) -> ListenersSeen {
        Listeners::run(serde_json::from_value(args).unwrap()).await.unwrap()
    }

    #[tokio::test]
    async fn our_own_listener_is_named_with_its_queue() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let _client = TcpStream::connect(("127.0.0.1", port)).unwrap();
        // The client is in the queue a moment after its connect is done.
        let mut seen = run(serde_json::json!({"port": port})).await;
        while seen.waiting == 0 {
            seen = run(serde_json::json!({"port": port})).await;
        }
        assert_eq!(seen.outcome, ListenersOutcome::LoopbackOnly);
        assert_eq!((seen.count, seen.waiting, seen.queue_full), (1, 1, false));
        let one = &seen.listeners[0];
        assert_eq!(one.owner.as_ref().map(|owner| owner.pid), Some(std::process::id()));
        assert!(one.loopback && !one.wildcard && one.v6_only.is_none() && !seen.owners_hidden);
        let asked = run(serde_json::json!({"port": port, "address": "127.0.0.1"})).await;
        assert_eq!(asked.outcome, ListenersOutcome::Listening);
    }

    #[tokio::test]
    async fn an_ipv6_wildcard_takes_both_families_and_another_port_of_ours_is_told() {
        // The lower descriptor: whoever finds the listener has passed it.
        let other = TcpListener::bind("127.0.0.1:0").unwrap();
        let Ok(listener) = TcpListener::bind("[::]:0") else {
            return; // no IPv6 on this machine
        };
        let port = listener.local_addr().unwrap().port();
        let seen = run(serde_json::json!({"port": port})).await;
        assert_eq!(seen.outcome, ListenersOutcome::Listening);
        assert_eq!((seen.accepts_v4, seen.accepts_v6), (true, true));
        assert_eq!(seen.listeners[0].v6_only, Some(false));
        assert!(seen.owner_ports.contains(&other.local_addr().unwrap().port()));
    }

    #[tokio::test]
    async fn a_port_without_listener_has_no_queue_and_no_owner() {
        let closed = crate::sys::closed::tcp(std::net::Ipv4Addr::LOCALHOST.into());
        let seen = run(serde_json::json!({"port": closed.address.port()})).await;
        assert_eq!((seen.count, seen.queue, seen.backlog, seen.owner_name), (0, None, None, None));
        assert!(seen.namespaces.is_some());
    }
}
