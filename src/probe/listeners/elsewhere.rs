//! Listeners in other network namespaces: those of containers, seen through one process of each.

use std::collections::BTreeMap;

use super::ElsewhereListener;
use crate::probe::owner::{Book, Claim};
use crate::sys::{owners, procfs};
use crate::wire::inet_diag::State;
use crate::wire::proc_net_tcp::Line;

/// Network namespaces looked into at most.
const NAMESPACES: usize = 1000;
/// Processes of a namespace that are tried when one ends meanwhile.
const TRIES: usize = 3;

/// A listener in another network namespace.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Far {
    line: Line,
    /// A process of the namespace, the lowest.
    pid: u32,
}

impl Far {
    pub(super) fn claim(&self) -> Claim {
        Claim { inode: self.line.inode, uid: self.line.uid, cgroup: None }
    }
}

/// What was found in all other network namespaces.
#[derive(Debug, Default)]
pub(super) struct FarAway {
    pub(super) found: Vec<Far>,
    pub(super) namespaces: u32,
}

/// Looks into every network namespace but ours that has a visible process.
pub(super) fn listeners_on(port: u16) -> FarAway {
    let mut all = FarAway::default();
    let (Some(own), Ok(mut pids)) = (procfs::own_network_mark(), owners::processes()) else {
        return all;
    };
    pids.sort_unstable();
    let mut namespaces: BTreeMap<u64, Vec<u32>> = BTreeMap::new();
    for pid in pids {
        match procfs::network_mark(pid) {
            Some(mark) if mark != own => {
                let members = namespaces.entry(mark).or_default();
                if members.len() < TRIES {
                    members.push(pid);
                }
            }
            _ => {}
        }
    }
    for members in namespaces.values().take(NAMESPACES) {
        let found = members.iter().find_map(|pid| Some((*pid, listening(*pid)?)));
        if let Some((pid, lines)) = found {
            all.namespaces += 1;
            let here = lines.into_iter().filter(|line| line.local.port() == port);
            all.found.extend(here.map(|line| Far { line, pid }));
        }
    }
    all
}

/// The listening sockets of a process' namespace; the kernel lists them before all others.
fn listening(pid: u32) -> Option<Vec<Line>> {
    // Kernels before 4.4 list half-open connections with their listener.
    let last = |line: &Line| !matches!(line.state, State::Listen | State::SynRecv);
    let v4 = procfs::tcp_of(pid, false, last)?;
    // Without IPv6 there is no such file.
    let v6 = procfs::tcp_of(pid, true, last).unwrap_or_default();
    Some(v4.into_iter().chain(v6).filter(|line| line.state == State::Listen).collect())
}

/// Names the processes.
pub(super) fn named(far: &[Far], book: &mut Book) -> Vec<ElsewhereListener> {
    let mut all = Vec::new();
    for one in far {
        let holder = book.pid(one.line.inode);
        let pid = holder.unwrap_or(one.pid);
        let process = book.process(pid).cloned();
        let membership = process.as_ref().map(|process| process.membership.clone());
        let membership = membership.unwrap_or_default();
        all.push(ElsewhereListener {
            pid,
            command: process.map_or_else(|| "?".to_owned(), |process| process.command),
            certain: holder.is_some(),
            address: one.line.local.ip().to_string(),
            port: one.line.local.port(),
            loopback: one.line.local.ip().is_loopback(),
            namespace: procfs::network_namespace(one.pid),
            container: membership.container,
            unit: membership.unit,
        });
    }
    all
}
