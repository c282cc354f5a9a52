//! Sockets by the process that holds them.

use std::collections::{BTreeMap, HashMap};
use std::net::IpAddr;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::census::{Held, top};
use crate::probe::owner::{Book, Claim};
use crate::wire::inet_diag::State;

/// A process with sockets in CLOSE_WAIT.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct CloseWaitOwner {
    /// The owner in words, for example `app (pid 123, user www-data, unit app.service)` or
    /// `hidden (user www-data; needs root)`.
    pub name: String,
    /// Its number; null when hidden.
    pub pid: Option<u32>,
    /// Its name; null when hidden.
    pub command: Option<String>,
    /// Its command line, cut, without what looks like a secret; null when hidden.
    pub args: Option<String>,
    /// The user; null for one that /etc/passwd does not have.
    pub user: Option<String>,
    /// The user's number.
    pub uid: u32,
    /// Its systemd unit; null when it has none, or it is hidden.
    pub unit: Option<String>,
    /// Its container; null when it is in none, or it is hidden.
    pub container: Option<String>,
    /// The sockets in CLOSE_WAIT; where the owner is hidden, those of all hidden processes of this
    /// user and cgroup that serve the same port, or none.
    pub count: u32,
    /// Those of them that it has not even accepted.
    pub not_accepted: u32,
    /// Whether the process is hidden from us.
    pub hidden: bool,
    /// The files that it has open; null where that needs privilege.
    pub fds_open: Option<u32>,
    /// How many it may have open (RLIMIT_NOFILE, soft); null when hidden.
    pub fds_limit: Option<u64>,
    /// The open ones by the limit, 0 to 1; null when either is not known.
    pub fds_ratio: Option<f64>,
    /// The peers that closed, those with the most sockets first.
    pub peers: Vec<ClosedPeer>,
}

/// A peer that closed connections.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ClosedPeer {
    /// The remote address.
    pub address: String,
    /// The remote port; null where the peer is the client.
    pub port: Option<u16>,
    /// The local port; null where this machine is the client.
    pub local_port: Option<u16>,
    /// The sockets in CLOSE_WAIT.
    pub count: u32,
}

/// A peer, with its port where it is the server, else with ours.
type Closer = (IpAddr, Option<u16>, Option<u16>);

/// A process with sockets.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct SocketOwner {
    /// The owner in words.
    pub name: String,
    /// Its number; null when hidden.
    pub pid: Option<u32>,
    /// Its name; null when hidden.
    pub command: Option<String>,
    /// Whether the process is hidden from us: then these are all sockets of its user and cgroup.
    pub hidden: bool,
    /// Its sockets.
    pub count: u32,
    /// Its sockets by state; only states that it has.
    pub states: BTreeMap<String, u32>,
}

/// Whose sockets are counted together: those of a process, or, where it is hidden, those of a user,
/// a cgroup and a served port.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
enum Key {
    Process(u32),
    Hidden(u32, Option<u64>, Option<u16>),
    /// Closed before it was accepted, by somebody who does not listen any more.
    Nobody,
}

/// The sockets of one owner.
#[derive(Debug, Clone)]
pub(super) struct Group {
    key: Key,
    /// One socket that stands for all.
    claim: Claim,
    states: [u32; State::ALL.len()],
    not_accepted: u32,
    /// The peers of those in CLOSE_WAIT.
    peers: HashMap<Closer, u32>,
}

impl Group {
    pub(super) fn hidden(&self) -> bool {
        matches!(self.key, Key::Hidden(..))
    }

    pub(super) fn total(&self) -> u32 {
        self.states.iter().sum()
    }

    /// The port that a hidden owner serves.
    fn served(&self) -> Option<u16> {
        match self.key {
            Key::Hidden(.., port) => port,
            _ => None,
        }
    }

    fn close_wait(&self) -> u32 {
        self.states[State::CloseWait as usize - 1]
    }
}

/// Groups sockets by owner; what nobody accepted belongs to the listener on its port.
pub(super) fn by_owner(
    held: &[Held],
    listeners: &BTreeMap<u16, Claim>,
    book: &mut Book,
) -> Vec<Group> {
    let mut groups: HashMap<Key, Group> = HashMap::new();
    for one in held {
        let claim = match one.claim.inode {
            0 => listeners.get(&one.local_port).copied(),
            _ => Some(one.claim),
        };
        let key = match claim {
            None => Key::Nobody,
            Some(claim) => match book.known(claim) {
                Some((pid, _)) => Key::Process(pid),
                None => {
                    let served = listeners.contains_key(&one.local_port);
                    Key::Hidden(claim.uid, claim.cgroup, served.then_some(one.local_port))
                }
            },
        };
        let group = groups.entry(key).or_insert_with(|| Group {
            key,
            claim: claim.unwrap_or(one.claim),
            states: [0; State::ALL.len()],
            not_accepted: 0,
            peers: HashMap::new(),
        });
        group.states[one.state as usize - 1] += 1;
        group.not_accepted += u32::from(one.claim.inode == 0);
        if one.state == State::CloseWait {
            let closer = match listeners.contains_key(&one.local_port) {
                true => (one.peer.ip(), None, Some(one.local_port)),
                false => (one.peer.ip(), Some(one.peer.port()), None),
            };
            *group.peers.entry(closer).or_default() += 1;
        }
    }
    let mut groups: Vec<Group> = groups.into_values().collect();
    groups.sort_by_key(|group| (std::cmp::Reverse(group.total()), group.key));
    groups
}

/// Who holds sockets.
pub(super) fn owners(groups: &[Group], book: &mut Book, most: usize) -> Vec<SocketOwner> {
    let told = groups.iter().take(most);
    told.map(|group| {
        let pid = book.known(group.claim).map(|(pid, _)| pid);
        let states = State::ALL.iter().zip(group.states).filter(|(_, count)| *count > 0);
        SocketOwner {
            name: book.name(group.claim, group.served()),
            pid,
            command: pid.and_then(|pid| book.process(pid)).map(|process| process.command.clone()),
            hidden: group.hidden(),
            count: group.total(),
            states: states.map(|(state, count)| (state.name().to_owned(), count)).collect(),
        }
    })
    .collect()
}

/// Who holds sockets in CLOSE_WAIT.
pub(super) fn close_wait(groups: &[Group], book: &mut Book, most: usize) -> Vec<CloseWaitOwner> {
    let mut leaky: Vec<&Group> = groups.iter().filter(|group| group.close_wait() > 0).collect();
    leaky.sort_by_key(|group| (std::cmp::Reverse(group.close_wait()), group.key));
    leaky.into_iter().take(most).map(|group| close_wait_owner(group, book, most)).collect()
}

fn close_wait_owner(group: &Group, book: &mut Book, most: usize) -> CloseWaitOwner {
    let holder = book.holder(group.claim);
    let uid = holder.owner.as_ref().and_then(|owner| owner.uid).unwrap_or(group.claim.uid);
    let (fds_open, fds_limit) =
        holder.owner.as_ref().map_or((None, None), |owner| (owner.fds_open, owner.fds_limit));
    let (pid, command, args) = match holder.owner {
        Some(owner) => (Some(owner.pid), Some(owner.command), owner.args),
        None => (None, None, None),
    };
    CloseWaitOwner {
        name: book.name(group.claim, group.served()),
        pid,
        command,
        args,
        user: book.user(uid),
        uid,
        unit: holder.unit,
        container: holder.container,
        count: group.close_wait(),
        not_accepted: group.not_accepted,
        hidden: group.hidden(),
        fds_open,
        fds_limit,
        fds_ratio: ratio(fds_open, fds_limit),
        peers: closed_peers(&group.peers, most),
    }
}

fn closed_peers(peers: &HashMap<Closer, u32>, most: usize) -> Vec<ClosedPeer> {
    let first = top(peers.iter().map(|(closer, count)| (*closer, *count)), most);
    first
        .into_iter()
        .map(|((address, port, local_port), count)| ClosedPeer {
            address: address.to_string(),
            port,
            local_port,
            count,
        })
        .collect()
}

fn ratio(open: Option<u32>, limit: Option<u64>) -> Option<f64> {
    let limit = limit.filter(|limit| *limit > 0)?;
    Some((f64::from(open?) / limit as f64 * 1e4).round() / 1e4)
}
