//! Who listens, and whose queue has no room left.

use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::net::SocketAddr;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::model::outcome::Why;
use crate::probe::owner::{Book, Claim};
use crate::sys::sock_diag::SockDiag;
use crate::wire::inet_diag::{Entry, Query, State};

/// A listener with an accept queue that is full, or has one place left.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct FullQueue {
    /// The address; `0.0.0.0` and `::` stand for all.
    pub address: String,
    /// The port.
    pub port: u16,
    /// Connections that wait to be accepted.
    pub queue: u32,
    /// The limit of that queue: the smaller of what the program asked for and net.core.somaxconn as
    /// it was then. The kernel lets one more in.
    pub backlog: u32,
    /// Whether it is full: further clients run into a time-out.
    pub full: bool,
    /// The owner in words, or `hidden (…)`.
    pub owner_name: String,
}

/// A listener.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Waiting {
    local: SocketAddr,
    queue: u32,
    backlog: u32,
    claim: Claim,
}

/// The listeners of this network namespace.
#[derive(Debug, Clone, Default)]
pub(super) struct Listening {
    /// Who listens, by port: what nobody accepted is theirs.
    pub(super) owners: BTreeMap<u16, Claim>,
    full: Vec<Waiting>,
}

impl Listening {
    /// Lists them.
    pub(super) fn list(diag: &mut SockDiag) -> Result<Listening, Why> {
        let query = Query { states: State::Listen.bit(), ..Query::ALL };
        diag.fold(&query, Listening::default, |all, entry| all.add(entry))
    }

    fn add(&mut self, entry: Entry<'_>) {
        let claim = Claim { inode: entry.inode(), uid: entry.uid(), cgroup: entry.cgroup() };
        let (local, queue, backlog) = (entry.local(), entry.receive_queue(), entry.send_queue());
        self.owners.insert(local.port(), claim);
        if queue > 0 && queue >= backlog {
            self.full.push(Waiting { local, queue, backlog, claim });
        }
    }

    /// Names those whose queue has no room left, the longest queue first.
    pub(super) fn full(&self, book: &mut Book, most: usize) -> Vec<FullQueue> {
        let mut full = self.full.clone();
        full.sort_by_key(|one| (Reverse(one.queue), one.local));
        let told = full.iter().take(most).map(|one| FullQueue {
            address: one.local.ip().to_string(),
            port: one.local.port(),
            queue: one.queue,
            backlog: one.backlog,
            full: one.queue > one.backlog,
            owner_name: book.name(one.claim, None),
        });
        told.collect()
    }
}
