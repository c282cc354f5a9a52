//! Counts sockets while the kernel lists them; keeps no socket but those that later questions need.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::hash::Hash;
use std::net::{IpAddr, SocketAddr};

use crate::probe::owner::Claim;
use crate::wire::inet_diag::{Entry, Identity, State};

/// Sockets with data in a queue that are looked at again, for each direction.
const SAMPLED: usize = 64;

/// A destination, seen from one address of ours: what the kernel needs a free port for.
pub(super) type Way = (IpAddr, SocketAddr);

/// A socket that some process should have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Held {
    pub(super) claim: Claim,
    pub(super) state: State,
    /// Where in the list of CLOSE_WAIT sockets it stands.
    pub(super) local_port: u16,
    pub(super) peer: SocketAddr,
}

/// A socket with data in a queue.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Queued {
    pub(super) bytes: u32,
    pub(super) identity: Identity,
}

/// The counts.
#[derive(Debug, Clone, Default)]
pub(super) struct Census {
    /// Ports on which somebody listens: there the peers are clients, and no port of ours is used up.
    served: HashSet<u16>,
    pub(super) states: BTreeMap<State, u32>,
    /// Every socket with an inode, and CLOSE_WAIT sockets without.
    pub(super) held: Vec<Held>,
    pub(super) not_accepted: u32,
    pub(super) syn_recv_peers: HashSet<IpAddr>,
    pub(super) syn_recv_ports: BTreeMap<u16, u32>,
    pub(super) time_wait: HashMap<Way, u32>,
    pub(super) syn_sent: HashMap<SocketAddr, u32>,
    pub(super) ways: HashMap<Way, u32>,
    pub(super) unread: Vec<Queued>,
    pub(super) unsent: Vec<Queued>,
}

impl Census {
    /// Counts nothing yet; `served` are the ports on which somebody listens.
    pub(super) fn new(served: HashSet<u16>) -> Census {
        Census { served, ..Census::default() }
    }

    /// Counts one socket.
    pub(super) fn add(&mut self, entry: Entry<'_>) {
        let Some(state) = entry.state() else { return };
        *self.states.entry(state).or_default() += 1;
        let (local, peer) = (entry.local(), entry.peer());
        let claim = Claim { inode: entry.inode(), uid: entry.uid(), cgroup: entry.cgroup() };
        if claim.inode != 0 || state == State::CloseWait {
            self.held.push(Held { claim, state, local_port: local.port(), peer });
        }
        let outgoing = peer.port() != 0 && !self.served.contains(&local.port());
        if outgoing {
            *self.ways.entry((local.ip(), peer)).or_default() += 1;
        }
        match state {
            State::SynRecv => {
                self.syn_recv_peers.insert(peer.ip());
                *self.syn_recv_ports.entry(local.port()).or_default() += 1;
            }
            State::TimeWait if outgoing => {
                *self.time_wait.entry((local.ip(), peer)).or_default() += 1
            }
            State::SynSent => *self.syn_sent.entry(peer).or_default() += 1,
            State::Established | State::CloseWait if claim.inode == 0 => self.not_accepted += 1,
            _ => {}
        }
        self.note_queues(entry, state);
    }

    fn note_queues(&mut self, entry: Entry<'_>, state: State) {
        if matches!(state, State::Listen | State::SynRecv | State::TimeWait | State::SynSent) {
            return;
        }
        let identity = || entry.identity();
        // The peer's FIN counts as one byte.
        let fin = u32::from(state == State::CloseWait);
        let unread = entry.receive_queue().saturating_sub(fin);
        // What was not accepted is not the reader's fault.
        if unread > 0 && entry.inode() != 0 {
            note(&mut self.unread, unread, identity);
        }
        if entry.send_queue() > 0 {
            note(&mut self.unsent, entry.send_queue(), identity);
        }
    }

    /// How many sockets are in a state.
    pub(super) fn count(&self, state: State) -> u32 {
        self.states.get(&state).copied().unwrap_or(0)
    }

    /// How many there are in all.
    pub(super) fn total(&self) -> u32 {
        self.states.values().sum()
    }
}

/// Keeps the fullest.
fn note(all: &mut Vec<Queued>, bytes: u32, identity: impl Fn() -> Identity) {
    if all.len() < SAMPLED {
        all.push(Queued { bytes, identity: identity() });
    } else if let Some(least) = all.iter_mut().min_by_key(|one| one.bytes)
        && least.bytes < bytes
    {
        *least = Queued { bytes, identity: identity() };
    }
}

/// The most frequent, at most `most` of them; equal ones in their own order.
pub(super) fn top<K: Copy + Ord + Hash>(
    counts: impl IntoIterator<Item = (K, u32)>,
    most: usize,
) -> Vec<(K, u32)> {
    let mut all: Vec<(K, u32)> = counts.into_iter().collect();
    let order = |a: &(K, u32), b: &(K, u32)| b.1.cmp(&a.1).then(a.0.cmp(&b.0));
    if all.len() > most && most > 0 {
        all.select_nth_unstable_by(most - 1, order);
    }
    all.truncate(most);
    all.sort_by(order);
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `struct inet_diag_msg` of an IPv4 socket.
    fn message(
        state: State,
        local: u16,
        peer: (&str, u16),
        inode: u32,
        queues: (u32, u32),
    ) -> Vec<u8> {
        let mut bytes = vec![0; 72];
        (bytes[0], bytes[1]) = (2, state as u8);
        bytes[4..6].copy_from_slice(&local.to_be_bytes());
        bytes[6..8].copy_from_slice(&peer.1.to_be_bytes());
        let ip: std::net::Ipv4Addr = peer.0.parse().unwrap();
        bytes[24..28].copy_from_slice(&ip.octets());
        bytes[56..60].copy_from_slice(&queues.0.to_ne_bytes());
        bytes[60..64].copy_from_slice(&queues.1.to_ne_bytes());
        bytes[68..72].copy_from_slice(&inode.to_ne_bytes());
        bytes
    }

    fn census(messages: &[Vec<u8>]) -> Census {
        let mut census = Census::new(HashSet::from([80]));
        for message in messages {
            census.add(Entry::parse(message).unwrap());
        }
        census
    }

    #[test]
    fn the_fin_of_the_peer_is_no_unread_data() {
        let census = census(&[
            message(State::CloseWait, 80, ("192.0.2.1", 4000), 7, (1, 0)),
            message(State::CloseWait, 80, ("192.0.2.1", 4001), 8, (2, 0)),
        ]);
        assert_eq!(census.unread.len(), 1);
        assert_eq!(census.unread[0].bytes, 1);
    }

    #[test]
    fn time_wait_of_clients_uses_up_no_port_of_ours() {
        let census = census(&[
            message(State::TimeWait, 40000, ("192.0.2.1", 443), 0, (0, 0)),
            message(State::TimeWait, 40001, ("192.0.2.1", 443), 0, (0, 0)),
            message(State::TimeWait, 80, ("192.0.2.9", 50001), 0, (0, 0)),
            message(State::TimeWait, 80, ("192.0.2.9", 50001), 0, (0, 0)),
        ]);
        let top = top(census.time_wait.iter().map(|(way, count)| (*way, *count)), 10);
        assert_eq!((top[0].0.1.to_string().as_str(), top[0].1), ("192.0.2.1:443", 2));
        assert_eq!((top.len(), census.ways.len()), (1, 1));
        assert_eq!(census.count(State::TimeWait), 4);
    }

    #[test]
    fn what_nobody_accepted_has_no_inode() {
        let census = census(&[
            message(State::Established, 80, ("192.0.2.1", 4000), 0, (10, 0)),
            message(State::CloseWait, 80, ("192.0.2.1", 4001), 0, (11, 0)),
            message(State::Established, 80, ("192.0.2.1", 4002), 5, (0, 0)),
        ]);
        assert_eq!(census.not_accepted, 2);
        assert!(census.unread.is_empty());
        assert_eq!(census.held.len(), 2);
    }

    #[test]
    fn only_the_fullest_queues_are_kept() {
        let all: Vec<Vec<u8>> = (1..=200)
            .map(|nth| message(State::Established, 80, ("192.0.2.1", nth), 9, (0, nth.into())))
            .collect();
        let census = census(&all);
        assert_eq!(census.unsent.len(), SAMPLED);
        assert!(census.unsent.iter().all(|one| one.bytes > 200 - SAMPLED as u32));
    }

    #[test]
    fn the_most_frequent_come_first_and_equal_ones_in_order() {
        assert_eq!(top([(3, 1), (1, 5), (2, 5), (4, 9)], 3), [(4, 9), (1, 5), (2, 5)]);
        assert!(top([(1, 1)], 0).is_empty());
    }
}
