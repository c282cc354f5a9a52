//! The network namespaces of other processes: containers, mostly.
#![allow(clippy::disallowed_methods)]

use std::collections::BTreeMap;
use std::fs::{File, metadata, read_link};
use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::os::unix::fs::MetadataExt;
use std::time::Duration;

use nix::sched::{CloneFlags, setns};

use crate::sys::batch::Batch;
use crate::sys::sock_diag::SockDiag;
use crate::sys::{clock, owners};
use crate::wire::inet_diag::{Query, State};
use crate::wire::proc_net_tcp::Line;

/// How long the reading of `/proc/PID/net/tcp` of all namespaces may take. Each reading walks over
/// all sockets of the machine, of whatever namespace; on a busy one that takes a while.
const PATIENCE: Duration = Duration::from_millis(1500);
/// Processes of a namespace that are tried when one ends meanwhile.
const TRIES: usize = 3;

/// A listening socket of another network namespace.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Listening {
    /// Its address and port.
    pub local: SocketAddr,
    /// Its inode, which is unique on this machine.
    pub inode: u32,
    /// The user who made it.
    pub uid: u32,
    /// Connections not accepted yet.
    pub queue: u32,
    /// The limit of that queue; `None` where only `/proc` was readable, which does not tell.
    pub backlog: Option<u32>,
    /// A process of the namespace, the lowest.
    pub pid: u32,
}

/// What was found in other network namespaces.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Others {
    /// The listening sockets.
    pub listening: Vec<Listening>,
    /// Namespaces that were looked into.
    pub seen: u32,
    /// Namespaces that could not be looked into, or not in time.
    pub unseen: u32,
}

/// Finds the listening sockets of every network namespace but ours that a visible process is in.
///
/// Root enters each for a moment, in a thread of its own; others read `/proc/PID/net/tcp`. `None`
/// where `/proc` does not tell which namespaces there are.
pub fn listening() -> Option<Others> {
    static TOGETHER: Batch<Option<u64>, Option<Others>> = Batch::new();
    let own = own_mark();
    let seen = TOGETHER.ask(&own, |asked| match asked.iter().all(|other| *other == own) {
        true => listening_now(),
        // Threads in several namespaces: what is another one differs between them.
        false => None,
    });
    match &*seen {
        Some(others) => Some(others.clone()),
        None => listening_now(),
    }
}

fn listening_now() -> Option<Others> {
    let namespaces = others()?;
    if namespaces.is_empty() {
        return Some(Others::default());
    }
    std::thread::Builder::new()
        .name("namespaces".to_owned())
        .spawn(move || look_into(&namespaces))
        .ok()
        .and_then(|thread| thread.join().ok())
}

/// The processes of every other network namespace, a few of each, lowest first.
fn others() -> Option<Vec<Vec<u32>>> {
    let (own, mut pids) = (own_mark()?, owners::processes().ok()?);
    pids.sort_unstable();
    let mut namespaces: BTreeMap<u64, Vec<u32>> = BTreeMap::new();
    for pid in pids {
        if let Some(mark) = mark(pid).filter(|mark| *mark != own) {
            let members = namespaces.entry(mark).or_default();
            if members.len() < TRIES {
                members.push(pid);
            }
        }
    }
    Some(namespaces.into_values().collect())
}

fn look_into(namespaces: &[Vec<u32>]) -> Others {
    let start = clock::now();
    let mut all = Others::default();
    for members in namespaces {
        let found = members.iter().find_map(|pid| {
            entered(*pid).or_else(|| (start.elapsed() < PATIENCE).then(|| read(*pid)).flatten())
        });
        match found {
            Some(listening) => {
                all.seen += 1;
                all.listening.extend(listening);
            }
            None => all.unseen += 1,
        }
    }
    all
}

/// Enters the namespace with this thread, for good, and asks its kernel tables.
fn entered(pid: u32) -> Option<Vec<Listening>> {
    let namespace = File::open(format!("/proc/{pid}/ns/net")).ok()?;
    setns(namespace, CloneFlags::CLONE_NEWNET).ok()?;
    let query = Query { states: State::Listen.bit(), ..Query::ALL };
    SockDiag::open()
        .ok()?
        .fold(&query, Vec::new, |all, entry| {
            all.push(Listening {
                local: entry.local(),
                inode: entry.inode(),
                uid: entry.uid(),
                queue: entry.receive_queue(),
                backlog: Some(entry.send_queue()),
                pid,
            });
        })
        .ok()
}

/// Reads them from `/proc`.
fn read(pid: u32) -> Option<Vec<Listening>> {
    // The kernel lists them before all others; before Linux 4.4 with half-open connections between.
    let last = |line: &Line| !matches!(line.state, State::Listen | State::SynRecv);
    let v4 = tcp_of(pid, false, last)?;
    // Without IPv6 there is no such file.
    let v6 = tcp_of(pid, true, last).unwrap_or_default();
    let lines = v4.into_iter().chain(v6).filter(|line| line.state == State::Listen);
    let listening = lines.map(|line| Listening {
        local: line.local,
        inode: line.inode,
        uid: line.uid,
        queue: line.receive_queue,
        backlog: None,
        pid,
    });
    Some(listening.collect())
}

/// The TCP sockets of the network namespace of a process, until `last` says so; `None` when they
/// cannot be read.
pub fn tcp_of(pid: u32, v6: bool, mut last: impl FnMut(&Line) -> bool) -> Option<Vec<Line>> {
    let name = if v6 { "tcp6" } else { "tcp" };
    let file = File::open(format!("/proc/{pid}/net/{name}")).ok()?;
    let mut lines = Vec::new();
    for text in BufReader::new(file).lines() {
        let Some(line) = Line::parse(&text.ok()?) else { continue };
        if last(&line) {
            break;
        }
        lines.push(line);
    }
    Some(lines)
}

/// Says whether a process is in the network namespace of this thread; `None` when it is gone.
pub fn is_ours(pid: u32) -> Option<bool> {
    Some(mark(pid)? == own_mark()?)
}

/// The number of a process' network namespace as `ip netns identify` and `lsns` show it; `None`
/// where that needs privilege.
pub fn number(pid: u32) -> Option<u64> {
    let link = read_link(format!("/proc/{pid}/ns/net")).ok()?;
    link.to_str()?.strip_prefix("net:[")?.strip_suffix(']')?.parse().ok()
}

/// What tells network namespaces apart without privilege: the inode number of a file of `/proc/net`,
/// which every namespace has for itself.
fn mark(pid: u32) -> Option<u64> {
    metadata(format!("/proc/{pid}/net/dev")).ok().map(|meta| meta.ino())
}

fn own_mark() -> Option<u64> {
    metadata("/proc/thread-self/net/dev").ok().map(|meta| meta.ino())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_process_is_in_our_namespace_and_no_process_in_none() {
        assert_eq!(is_ours(std::process::id()), Some(true));
        assert_eq!(is_ours(u32::MAX), None);
        assert!(number(std::process::id()).is_some());
        assert_eq!(tcp_of(u32::MAX, false, |_| false), None);
    }

    #[test]
    fn our_own_listeners_are_read_before_all_other_sockets() {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let local = listener.local_addr().unwrap();
        let found = read(std::process::id()).unwrap();
        let own = found.iter().find(|one| one.local == local).unwrap();
        assert!(own.inode != 0 && own.backlog.is_none());
    }
}
