//! Who holds a socket: part of the results of the socket probes.
//!
//! What cannot be seen is called hidden, never none: without privilege the descriptors of other
//! users' processes are closed to us. The user, the unit and the container of a socket stay visible.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::model::outcome::Why;
use crate::sys::owners::Owners;
use crate::sys::procfs::{Process, Users};
use crate::sys::{caps, cgroups};
use crate::wire::cgroup::Membership;

/// How the owner of a socket was found.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum FoundBy {
    /// One of its descriptors is the socket.
    Descriptor,
    /// It is the only process of the cgroup in which the socket was made.
    Cgroup,
}

/// A process that holds a socket.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Owner {
    /// Its number.
    pub pid: u32,
    /// Its name, 15 bytes at most.
    pub command: String,
    /// Its command line, cut to 200 characters, without what looks like a secret; null for a kernel
    /// thread.
    pub args: Option<String>,
    /// The name of its effective user; null for one that /etc/passwd does not have.
    pub user: Option<String>,
    /// The number of its effective user.
    pub uid: Option<u32>,
    /// The files that it has open; null where that needs privilege.
    pub fds_open: Option<u32>,
    /// How many it may have open (RLIMIT_NOFILE, soft); null when unlimited or not readable.
    pub fds_limit: Option<u64>,
    /// Whether a signal (SIGSTOP) or a debugger has stopped it; null when not told.
    pub stopped: Option<bool>,
    /// How it was found.
    pub found_by: FoundBy,
}

/// What is known of the holder of one socket.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Holder {
    pub(super) owner: Option<Owner>,
    pub(super) count: u32,
    pub(super) hidden: bool,
    pub(super) unit: Option<String>,
    pub(super) container: Option<String>,
    /// For a summary, for example `nginx (pid 123, user www-data, unit nginx.service)`.
    pub(super) name: String,
}

/// What the kernel says of a socket's owner to everybody.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Claim {
    pub(super) inode: u32,
    pub(super) uid: u32,
    pub(super) cgroup: Option<u64>,
}

/// Everything needed to name holders, gathered once.
pub(super) struct Book {
    owners: Arc<Owners>,
    users: Users,
    processes: BTreeMap<u32, Option<Process>>,
    /// Cgroups of sockets without a visible holder: path, and the process if there is only one.
    cgroups: BTreeMap<u64, (String, Option<u32>)>,
}

impl Book {
    /// Scans once for the holders of these sockets, and, where it passes by, for those of others.
    pub(super) fn of(claims: &[Claim], besides: &[Claim]) -> Result<Book, Why> {
        let inodes =
            |claims: &[Claim]| -> Vec<u32> { claims.iter().map(|claim| claim.inode).collect() };
        Ok(Book::with(Owners::of(&inodes(claims), &inodes(besides))?, claims.iter().copied()))
    }

    /// Begins with the holders that a scan found, to tell of these sockets.
    pub(super) fn with(owners: Arc<Owners>, claims: impl IntoIterator<Item = Claim>) -> Book {
        // Where the owner is hidden, the cgroup still tells the unit or the container.
        let ids: BTreeSet<u64> = claims
            .into_iter()
            .filter(|claim| claim.inode != 0 && owners.pids(claim.inode).is_empty())
            .filter_map(|claim| claim.cgroup)
            // 0 is none, 1 the root of all.
            .filter(|id| *id > 1)
            .collect();
        let paths = if ids.is_empty() { BTreeMap::new() } else { cgroups::paths(&ids) };
        let only = |(id, path): (u64, String)| (id, (path.clone(), only_process(&path)));
        let cgroups = paths.into_iter().map(only).collect();
        Book { owners, users: Users::read(), processes: BTreeMap::new(), cgroups }
    }

    /// The name of a user.
    pub(super) fn user(&self, uid: u32) -> Option<String> {
        self.users.name(uid)
    }

    /// The process that stands for all that hold a socket; `None` when none was seen.
    pub(super) fn pid(&mut self, inode: u32) -> Option<u32> {
        match self.owners.pids(inode) {
            [] => None,
            [(_, only)] => Some(*only),
            several => {
                let pids: Vec<u32> = several.iter().map(|(_, pid)| *pid).collect();
                let parent = |pid| (pid, self.process(pid).and_then(|process| process.parent));
                eldest(&pids.into_iter().map(parent).collect())
            }
        }
    }

    /// The process that stands for all that hold a socket, seen or found by its cgroup.
    pub(super) fn known(&mut self, claim: Claim) -> Option<(u32, FoundBy)> {
        let by_cgroup = || {
            let (_, only) = self.cgroups.get(&claim.cgroup.filter(|_| claim.inode != 0)?)?;
            only.map(|pid| (pid, FoundBy::Cgroup))
        };
        let cgroup = by_cgroup();
        self.pid(claim.inode).map(|pid| (pid, FoundBy::Descriptor)).or(cgroup)
    }

    /// Names the holder of one socket.
    pub(super) fn holder(&mut self, claim: Claim) -> Holder {
        let count = u32::try_from(self.owners.pids(claim.inode).len()).unwrap_or(u32::MAX);
        let owner = self.known(claim).and_then(|(pid, found_by)| self.owner(pid, found_by));
        let hidden = owner.is_none() && claim.inode != 0;
        let name = self.name(claim, None);
        let Membership { unit, container } = self.membership(claim);
        Holder { owner, count, hidden, unit, container, name }
    }

    /// The holder of a socket in words; `port` is the one that a hidden holder serves.
    pub(super) fn name(&mut self, claim: Claim, port: Option<u16>) -> String {
        let membership = self.membership(claim);
        let known = self.known(claim).and_then(|(pid, _)| self.process(pid)).cloned();
        let Some(process) = known else {
            return self.hidden(claim, port, &membership);
        };
        let user = match (process.uid.and_then(|uid| self.users.name(uid)), process.uid) {
            (Some(name), _) => format!(", user {name}"),
            (None, Some(uid)) => format!(", uid {uid}"),
            (None, None) => String::new(),
        };
        format!("{} (pid {}{user}{})", process.command, process.pid, place(&membership))
    }

    /// The unit and the container of the holder, or of the cgroup in which the socket was made.
    fn membership(&mut self, claim: Claim) -> Membership {
        if let Some((pid, _)) = self.known(claim)
            && let Some(process) = self.process(pid)
        {
            return process.membership.clone();
        }
        let place = claim.cgroup.and_then(|id| self.cgroups.get(&id));
        place.map(|(path, _)| Membership::of_path(path)).unwrap_or_default()
    }

    /// Whether one of these processes holds the socket.
    pub(super) fn is_held_by(&self, inode: u32, pids: &[u32]) -> bool {
        self.owners.pids(inode).iter().any(|(_, pid)| pids.contains(pid))
    }

    /// The processes seen to hold a socket.
    pub(super) fn pids(&self, inode: u32) -> impl Iterator<Item = u32> {
        self.owners.pids(inode).iter().map(|(_, pid)| *pid)
    }

    /// Describes a process as an owner.
    pub(super) fn owner(&mut self, pid: u32, found_by: FoundBy) -> Option<Owner> {
        let process = self.process(pid)?.clone();
        Some(Owner {
            pid,
            args: process.args.clone(),
            user: process.uid.and_then(|uid| self.users.name(uid)),
            uid: process.uid,
            fds_open: process.fds_open(),
            fds_limit: process.fds_limit.filter(|limit| *limit <= i64::MAX.unsigned_abs()),
            stopped: process.stopped,
            command: process.command,
            found_by,
        })
    }

    /// A process, read once.
    pub(super) fn process(&mut self, pid: u32) -> Option<&Process> {
        self.processes.entry(pid).or_insert_with(|| Process::read(pid)).as_ref()
    }

    fn hidden(&self, claim: Claim, port: Option<u16>, membership: &Membership) -> String {
        if claim.inode == 0 {
            return "no process yet".to_owned();
        }
        let user = match self.users.name(claim.uid) {
            Some(name) => format!("user {name}"),
            None => format!("uid {}", claim.uid),
        };
        let port = port.map(|port| format!(", port {port}")).unwrap_or_default();
        // Root does not see processes outside of its PID namespace, nor the kernel's own sockets.
        let why = match caps::effective_uid() {
            0 => "not visible from here",
            _ => "needs root",
        };
        format!("hidden ({user}{port}{}; {why})", place(membership))
    }
}

/// Chooses, among processes that share a socket, the one that the others descend from: one whose
/// parent is not among them. The service goes before the `init` that made the socket for it.
fn eldest(parents: &BTreeMap<u32, Option<u32>>) -> Option<u32> {
    let others = || parents.iter().filter(|(pid, _)| **pid != 1);
    let among = |parent: &Option<u32>| {
        parent.is_some_and(|parent| parent != 1 && parents.contains_key(&parent))
    };
    others()
        .find(|(_, parent)| !among(parent))
        .or_else(|| others().next())
        .or_else(|| parents.first_key_value())
        .map(|(pid, _)| *pid)
}

fn only_process(path: &str) -> Option<u32> {
    match cgroups::processes(path)?[..] {
        [only] => Some(only),
        _ => None,
    }
}

/// The container or unit in words, to follow a name.
pub(super) fn place(membership: &Membership) -> String {
    match (&membership.container, &membership.unit) {
        (Some(container), _) => format!(", container {container}"),
        (None, Some(unit)) => format!(", unit {unit}"),
        (None, None) => String::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_parent_of_the_workers_stands_for_all() {
        let parents = BTreeMap::from([(90, Some(100)), (100, Some(1)), (101, Some(100))]);
        assert_eq!(eldest(&parents), Some(100));
    }

    #[test]
    fn a_service_goes_before_the_init_that_made_its_socket() {
        assert_eq!(eldest(&BTreeMap::from([(1, Some(0)), (700, Some(1))])), Some(700));
        assert_eq!(eldest(&BTreeMap::from([(1, Some(0))])), Some(1));
        assert_eq!(eldest(&BTreeMap::new()), None);
    }

    #[test]
    fn a_socket_without_a_visible_holder_is_hidden_and_never_none() {
        let claim = Claim { inode: u32::MAX, uid: 0, cgroup: None };
        let holder = Book::of(&[claim], &[]).expect("/proc").holder(claim);
        assert!(holder.hidden && holder.owner.is_none());
        assert!(holder.name.starts_with("hidden (user root"), "{}", holder.name);
    }
}
