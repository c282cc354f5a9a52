//! `sockets`: a census of this machine's TCP sockets by state, owner and peer.

mod census;
mod group;
mod listening;
mod stuck;

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::model::outcome::Why;
use crate::probe::Probe;
use crate::probe::owner::Book;
use crate::sys::owners::Owners;
use crate::sys::procfs::{PortRange, TcpMemory};
use crate::sys::sock_diag::SockDiag;
use crate::wire::inet_diag::{Query, State};

use census::{Census, top};
pub use group::{CloseWaitOwner, ClosedPeer, SocketOwner};
pub use listening::FullQueue;
use listening::Listening;
pub use stuck::Held;
use stuck::{Look, Stuck};

/// The `sockets` probe.
pub enum Sockets {}

/// Arguments of [`Sockets`].
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SocketsArgs {
    /// Only sockets with this local port; null is all.
    #[serde(default)]
    pub port: Option<u16>,
    /// Only sockets with this remote address; null is all.
    #[serde(default)]
    pub peer: Option<String>,
    /// Only sockets with this remote port; null is all.
    #[serde(default)]
    pub peer_port: Option<u16>,
    /// How long to wait before queues are looked at again, in milliseconds; 0 does not look again,
    /// and leaves the stuck queues unknown.
    #[serde(default)]
    pub sample_ms: u32,
    /// How many of each list are told at most.
    #[serde(default = "default_top")]
    pub top: u32,
}

fn default_top() -> u32 {
    10
}

/// Sockets with one remote address and port.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct PeerCount {
    /// The remote address.
    pub address: String,
    /// The remote port.
    pub port: u16,
    /// The sockets.
    pub count: u32,
}

/// Sockets from one address of this machine to one destination.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct DestinationCount {
    /// The remote address.
    pub address: String,
    /// The remote port.
    pub port: u16,
    /// The local address.
    pub local: String,
    /// The sockets.
    pub count: u32,
}

/// Sockets with one local port.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct PortCount {
    /// The local port.
    pub port: u16,
    /// The sockets.
    pub count: u32,
}

/// A socket whose queue did not drain between the two looks.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct StuckSocket {
    /// The local address and port.
    pub local: String,
    /// The remote address and port.
    pub peer: String,
    /// The state, for example `established`.
    pub state: String,
    /// The bytes in the queue.
    pub queue: u32,
    /// Why they stay there.
    pub why: Held,
    /// The process that holds the socket; null when hidden.
    pub pid: Option<u32>,
    /// The owner in words, or `hidden (…)`.
    pub owner_name: String,
}

/// The memory of all TCP sockets, in pages (4 KiB on most machines), beside net.ipv4.tcp_mem.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct TcpMemorySeen {
    /// In use; null when not told.
    pub pages: Option<u64>,
    /// No pressure below; null when not told, as in a container.
    pub low: Option<u64>,
    /// Buffers shrink above; null when not told.
    pub pressure: Option<u64>,
    /// Nothing is left above; null when not told.
    pub high: Option<u64>,
}

/// What [`Sockets`] saw.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct SocketsSeen {
    /// All sockets that were asked for.
    pub total: u32,
    /// Sockets by state; every state is there.
    pub states: BTreeMap<String, u32>,
    /// Connections that are open.
    pub established: u32,
    /// Sockets that the application has not closed although the peer has.
    pub close_wait: u32,
    /// Closed connections that the kernel keeps for a minute.
    pub time_wait: u32,
    /// Half-open connections of clients.
    pub syn_recv: u32,
    /// Our own attempts that are not answered yet.
    pub syn_sent: u32,
    /// Complete connections that no application has accepted.
    pub not_accepted: u32,
    /// Listeners of any port whose accept queue is full or has one place left, the longest first.
    pub full_queues: Vec<FullQueue>,
    /// Who holds sockets in CLOSE_WAIT, those with the most first.
    pub close_wait_owners: Vec<CloseWaitOwner>,
    /// The sockets in CLOSE_WAIT of the first of them; 0 when there are none.
    pub top_close_wait: u32,
    /// Who holds sockets, those with the most first.
    pub owners: Vec<SocketOwner>,
    /// The addresses with half-open connections.
    pub syn_recv_peers: u32,
    /// Half-open connections by local port, the most first.
    pub syn_recv_ports: Vec<PortCount>,
    /// TIME_WAIT by destination, the most first.
    pub time_wait_peers: Vec<DestinationCount>,
    /// The sockets in TIME_WAIT to the first of them; 0 when there are none.
    pub time_wait_top: u32,
    /// How many ports the kernel may pick for outgoing connections to one destination
    /// (net.ipv4.ip_local_port_range, without the reserved ones); null when not readable.
    pub ephemeral_ports: Option<u32>,
    /// The share of those ports that TIME_WAIT to one destination takes, 0 to 1.
    pub time_wait_share: Option<f64>,
    /// Unanswered attempts by destination, the most first.
    pub syn_sent_peers: Vec<PeerCount>,
    /// Sockets of all states by destination, the most first.
    pub destinations: Vec<DestinationCount>,
    /// The sockets of all states to the first of them; 0 when there are none.
    pub ports_used_top: u32,
    /// The share of those ports that sockets of all states to one destination take, 0 to 1.
    pub ports_used_share: Option<f64>,
    /// Sockets whose application read nothing between two looks; null when looked only once.
    pub recv_stuck: Option<Vec<StuckSocket>>,
    /// Sockets whose peer took nothing between two looks; null when looked only once.
    pub send_stuck: Option<Vec<StuckSocket>>,
    /// The memory of all TCP sockets.
    pub tcp_mem: TcpMemorySeen,
    /// Sockets that a process holds which we cannot see.
    pub owners_hidden: u32,
}

impl Probe for Sockets {
    const ID: &'static str = "sockets";
    const DOC: &'static str = "Counts this machine's TCP sockets by state, owner and peer: unclosed \
        ones, half-open ones, ports in use, queues that do not drain.";
    const PRIVILEGE: &'static str = "Naming the processes of other users needs root; states, queues, \
        users and cgroups do not.";
    type Args = SocketsArgs;
    type Seen = SocketsSeen;

    async fn run(args: SocketsArgs) -> Result<SocketsSeen, Why> {
        let query = query(&args)?;
        let (census, listeners, owners) = blocking(move || census(&query)).await?;
        let queues = match args.sample_ms {
            0 => None,
            pause => Some(Queues::watch(&census, pause).await?),
        };
        let most = usize::try_from(args.top).unwrap_or(usize::MAX);
        blocking(move || tell(&census, &listeners, owners, queues.as_ref(), most)).await
    }

    fn brief(seen: &SocketsSeen) -> String {
        let noun = if seen.total == 1 { "socket" } else { "sockets" };
        let mut parts = vec![format!("{} {noun}", seen.total)];
        let mut states: Vec<(&String, &u32)> =
            seen.states.iter().filter(|(_, count)| **count > 0).collect();
        states.sort_by(|a, b| b.1.cmp(a.1).then(a.0.cmp(b.0)));
        parts.extend(
            states.iter().take(4).map(|(state, count)| format!("{count} {}", state.to_uppercase())),
        );
        if let Some(first) = seen.close_wait_owners.first() {
            parts.push(format!("most CLOSE_WAIT: {} with {}", first.name, first.count));
        }
        if let Some(first) = seen.full_queues.first() {
            let how = if first.full { "full" } else { "nearly full" };
            let FullQueue { port, queue, backlog, .. } = first;
            parts.push(format!("the accept queue of port {port} is {how} ({queue} of {backlog})"));
        }
        let stuck = |all: &Option<Vec<StuckSocket>>| all.as_ref().map_or(0, Vec::len);
        match (stuck(&seen.recv_stuck), stuck(&seen.send_stuck)) {
            (0, 0) => {}
            (unread, unsent) => parts.push(format!("{unread} unread, {unsent} not draining")),
        }
        parts.join(", ")
    }
}

async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, Why> + Send + 'static,
) -> Result<T, Why> {
    tokio::task::spawn_blocking(work).await.unwrap_or(Err(Why::Interrupted))
}

fn query(args: &SocketsArgs) -> Result<Query, Why> {
    let peer: Option<IpAddr> = match &args.peer {
        None => None,
        Some(text) => Some(
            text.parse().map_err(|_| Why::Unsupported { what: format!("the address {text:?}") })?,
        ),
    };
    let (local_port, peer_port) = (args.port, args.peer_port);
    Ok(Query { local_port, peer_port, peer, ..Query::ALL })
}

fn census(query: &Query) -> Result<(Census, Listening, Arc<Owners>), Why> {
    let mut diag = SockDiag::open()?;
    let listeners = Listening::list(&mut diag)?;
    let mut count = || {
        let start = || Census::new(listeners.owners.keys().copied().collect());
        diag.fold(query, start, |census, entry| census.add(entry))
    };
    let (census, owners) = match *query == Query::ALL {
        // All of them: the owners can be looked for meanwhile.
        true => {
            let (census, owners) = Owners::of_all(count)?;
            (census?, Arc::new(owners))
        }
        false => {
            let census = count()?;
            let held = census.held.iter().map(|held| held.claim.inode);
            let inodes: Vec<u32> =
                held.chain(listeners.owners.values().map(|claim| claim.inode)).collect();
            let owners = Owners::of(&inodes, &[])?;
            (census, owners)
        }
    };
    Ok((census, listeners, owners))
}

/// Queues that did not drain.
struct Queues {
    unread: Vec<Stuck>,
    unsent: Vec<Stuck>,
}

impl Queues {
    /// Looks twice at the sockets with data in a queue.
    async fn watch(census: &Census, pause_ms: u32) -> Result<Queues, Why> {
        let look = || {
            let (unread, unsent) = (census.unread.clone(), census.unsent.clone());
            blocking(move || -> Result<(Vec<Look>, Vec<Look>), Why> {
                Ok((stuck::look(&unread)?, stuck::look(&unsent)?))
            })
        };
        let before = look().await?;
        tokio::time::sleep(Duration::from_millis(pause_ms.into())).await;
        let after = look().await?;
        Ok(Queues {
            unread: stuck::unread(&before.0, &after.0),
            unsent: stuck::unsent(&before.1, &after.1),
        })
    }
}

fn tell(
    census: &Census,
    listeners: &Listening,
    owners: Arc<Owners>,
    queues: Option<&Queues>,
    most: usize,
) -> Result<SocketsSeen, Why> {
    let claims =
        census.held.iter().map(|held| held.claim).chain(listeners.owners.values().copied());
    let mut book = Book::with(owners, claims);
    let full_queues = listeners.full(&mut book, most);
    let groups = group::by_owner(&census.held, &listeners.owners, &mut book);
    let close_wait_owners = group::close_wait(&groups, &mut book, most);
    let range = PortRange::read();
    let share = |count: u32| {
        let usable = range.map(|range| range.usable).filter(|usable| *usable > 0)?;
        Some((f64::from(count) / f64::from(usable) * 1e4).round() / 1e4)
    };
    let time_wait_peers = destinations(top(copied(&census.time_wait), most.max(1)));
    let destinations = destinations(top(copied(&census.ways), most.max(1)));
    let first = |all: &[DestinationCount]| all.first().map_or(0, |one| one.count);
    let (time_wait_top, ports_used_top) = (first(&time_wait_peers), first(&destinations));
    let mut stuck = |all: &[Stuck]| -> Vec<StuckSocket> {
        let mut all: Vec<&Stuck> = all.iter().collect();
        all.sort_by_key(|one| std::cmp::Reverse(one.queue));
        all.into_iter().take(most).map(|one| stuck_socket(one, &mut book)).collect()
    };
    let memory = TcpMemory::read();
    Ok(SocketsSeen {
        total: census.total(),
        states: State::ALL.map(|state| (state.name().to_owned(), census.count(state))).into(),
        established: census.count(State::Established),
        close_wait: census.count(State::CloseWait),
        time_wait: census.count(State::TimeWait),
        syn_recv: census.count(State::SynRecv),
        syn_sent: census.count(State::SynSent),
        not_accepted: census.not_accepted,
        full_queues,
        top_close_wait: close_wait_owners.first().map_or(0, |owner| owner.count),
        close_wait_owners,
        recv_stuck: queues.map(|queues| stuck(&queues.unread)),
        send_stuck: queues.map(|queues| stuck(&queues.unsent)),
        owners_hidden: groups
            .iter()
            .filter(|group| group.hidden())
            .map(|group| group.total())
            .sum(),
        owners: group::owners(&groups, &mut book, most),
        syn_recv_peers: u32::try_from(census.syn_recv_peers.len()).unwrap_or(u32::MAX),
        syn_recv_ports: top(copied(&census.syn_recv_ports), most)
            .into_iter()
            .map(|(port, count)| PortCount { port, count })
            .collect(),
        time_wait_peers,
        time_wait_top,
        ephemeral_ports: range.map(|range| range.usable),
        time_wait_share: share(time_wait_top),
        syn_sent_peers: peers(top(copied(&census.syn_sent), most)),
        destinations,
        ports_used_top,
        ports_used_share: share(ports_used_top),
        tcp_mem: TcpMemorySeen {
            pages: memory.pages,
            low: memory.low,
            pressure: memory.pressure,
            high: memory.high,
        },
    })
}

fn stuck_socket(stuck: &Stuck, book: &mut Book) -> StuckSocket {
    StuckSocket {
        local: stuck.look.local.to_string(),
        peer: stuck.look.peer.to_string(),
        state: stuck.look.state.map_or("unknown", State::name).to_owned(),
        queue: stuck.queue,
        why: stuck.why,
        pid: book.known(stuck.look.claim).map(|(pid, _)| pid),
        owner_name: book.name(stuck.look.claim, None),
    }
}

fn copied<'a, K: Copy + 'a>(
    counts: impl IntoIterator<Item = (&'a K, &'a u32)>,
) -> impl Iterator<Item = (K, u32)> {
    counts.into_iter().map(|(key, count)| (*key, *count))
}

fn peers(counts: Vec<(SocketAddr, u32)>) -> Vec<PeerCount> {
    let peer = |(peer, count): (SocketAddr, u32)| PeerCount {
        address: peer.ip().to_string(),
        port: peer.port(),
        count,
    };
    counts.into_iter().map(peer).collect()
}

fn destinations(counts: Vec<(census::Way, u32)>) -> Vec<DestinationCount> {
    let one = |((local, peer), count): (census::Way, u32)| DestinationCount {
        address: peer.ip().to_string(),
        port: peer.port(),
        local: local.to_string(),
        count,
    };
    counts.into_iter().map(one).collect()
}

#[cfg(test)]
mod tests {
    use std::net::{TcpListener, TcpStream};

    use super::*;

    async fn run(args: serde_json::Value) -> SocketsSeen {
        Sockets::run(serde_json::from_value(args).unwrap()).await.unwrap()
    }

    /// Looks until so many have been closed by their peers, who did so a moment ago.
    async fn run_until_closed(port: u16, count: u32) -> SocketsSeen {
        loop {
            let seen = run(serde_json::json!({"port": port})).await;
            if seen.close_wait == count {
                return seen;
            }
        }
    }

    #[tokio::test]
    async fn unclosed_sockets_of_this_process_are_counted_with_their_peer() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let mut held = Vec::new();
        for _ in 0..3 {
            drop(TcpStream::connect(("127.0.0.1", port)).unwrap());
            held.push(listener.accept().unwrap());
        }
        let waiting = TcpStream::connect(("127.0.0.1", port)).unwrap();
        let seen = run_until_closed(port, 3).await;
        assert_eq!((seen.total, seen.close_wait, seen.established), (5, 3, 1));
        assert_eq!((seen.not_accepted, seen.owners_hidden), (1, 0));
        let owner = &seen.close_wait_owners[0];
        assert_eq!((owner.pid, owner.count), (Some(std::process::id()), 3));
        assert!(owner.fds_ratio.is_some() && !owner.hidden);
        let peer = ClosedPeer {
            address: "127.0.0.1".to_owned(),
            port: None,
            local_port: Some(port),
            count: 3,
        };
        assert_eq!(owner.peers, [peer]);
        assert_eq!((seen.recv_stuck, seen.ports_used_top), (None, 0));
        drop(waiting);
    }

    #[tokio::test]
    async fn what_nobody_accepted_belongs_to_the_listener() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        drop(TcpStream::connect(("127.0.0.1", port)).unwrap());
        let seen = run_until_closed(port, 1).await;
        let owner = &seen.close_wait_owners[0];
        assert_eq!((owner.pid, owner.count), (Some(std::process::id()), 1));
        assert_eq!(owner.not_accepted, 1);
    }

    #[tokio::test]
    async fn every_state_is_there_and_two_looks_know_what_is_stuck() {
        use std::io::Write;
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let mut client = TcpStream::connect(("127.0.0.1", port)).unwrap();
        let (server, _) = listener.accept().unwrap();
        client.write_all(b"unread").unwrap();
        _ = server.peek(&mut [0; 6]).unwrap();
        let seen = run(serde_json::json!({"port": port, "sample_ms": 5})).await;
        assert_eq!(seen.states.len(), State::ALL.len());
        let stuck = &seen.recv_stuck.unwrap()[0];
        assert_eq!((stuck.queue, stuck.why), (6, Held::NotRead));
        assert_eq!(stuck.pid, Some(std::process::id()));
        assert_eq!(seen.send_stuck, Some(Vec::new()));
    }

    #[tokio::test]
    async fn an_address_that_is_none_is_refused() {
        let args = serde_json::json!({"peer": "example.org"});
        let ran = Sockets::run(serde_json::from_value(args).unwrap()).await;
        assert!(matches!(ran, Err(Why::Unsupported { .. })));
    }
}
