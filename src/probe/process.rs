//! `process`: one process, its open files against its limit, and its sockets.

use std::collections::{BTreeMap, BTreeSet};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::model::outcome::Why;
use crate::probe::Probe;
use crate::sys::procfs::{self, Users};
use crate::sys::sock_diag::SockDiag;
use crate::sys::{namespaces, owners};
use crate::wire::inet_diag::{Query, State};

/// The `process` probe.
pub enum Process {}

/// Arguments of [`Process`].
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ProcessArgs {
    /// The number of the process.
    pub pid: u32,
}

/// What [`Process`] saw.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct ProcessSeen {
    /// The number of the process.
    pub pid: u32,
    /// Its name, 15 bytes at most.
    pub command: String,
    /// Its command line, cut to 200 characters, without what looks like a secret; null for a kernel
    /// thread.
    pub args: Option<String>,
    /// The number of its effective user.
    pub uid: Option<u32>,
    /// The name of that user; null for one that /etc/passwd does not have.
    pub user: Option<String>,
    /// The number of its parent.
    pub parent: Option<u32>,
    /// Its systemd unit; null when it has none.
    pub unit: Option<String>,
    /// Its container, for example `docker 4c01db0b339c`; null when it is in none.
    pub container: Option<String>,
    /// Whether it is in our network namespace; null when not told.
    pub our_namespace: Option<bool>,
    /// The files that it has open; before Linux 6.2 null where that needs privilege.
    pub fds_open: Option<u32>,
    /// How many it may have open (RLIMIT_NOFILE, soft); null when unlimited or not readable.
    pub fds_limit: Option<u64>,
    /// The open ones by the limit, 0 to 1; null when either is not known.
    pub fds_ratio: Option<f64>,
    /// Its TCP sockets by state, only states that it has; null where that needs privilege.
    pub sockets: Option<BTreeMap<String, u32>>,
    /// All its TCP sockets; null where that needs privilege.
    pub tcp_sockets: Option<u32>,
    /// Its sockets in CLOSE_WAIT; null where that needs privilege.
    pub close_wait: Option<u32>,
    /// The ports on which it listens, in order; null where that needs privilege.
    pub ports: Option<Vec<u16>>,
}

impl Probe for Process {
    const ID: &'static str = "process";
    const DOC: &'static str = "Describes one process: its unit or container, its open files against its limit, its sockets.";
    const PRIVILEGE: &'static str = "Counting the sockets of another user's process needs root.";
    type Args = ProcessArgs;
    type Seen = ProcessSeen;

    async fn run(args: ProcessArgs) -> Result<ProcessSeen, Why> {
        let work = tokio::task::spawn_blocking(move || look(args.pid));
        work.await.unwrap_or(Err(Why::Interrupted))
    }

    fn brief(seen: &ProcessSeen) -> String {
        let mut parts = vec![format!("{} (pid {})", seen.command, seen.pid)];
        match (seen.fds_open, seen.fds_limit) {
            (Some(open), Some(limit)) => parts.push(format!("{open} of {limit} files open")),
            (Some(open), None) => parts.push(format!("{open} files open")),
            _ => {}
        }
        match (seen.tcp_sockets, seen.close_wait) {
            (Some(count), Some(waiting @ 1..)) => {
                parts.push(format!("{count} TCP sockets, {waiting} in close_wait"));
            }
            (Some(count), _) => parts.push(format!("{count} TCP sockets")),
            (None, _) => parts.push("its sockets are hidden".to_owned()),
        }
        parts.join(", ")
    }
}

fn look(pid: u32) -> Result<ProcessSeen, Why> {
    let process = procfs::Process::read(pid).ok_or_else(|| Why::Failed {
        operation: format!("read /proc/{pid}/status"),
        errno: "ENOENT".to_owned(),
    })?;
    let our_namespace = namespaces::is_ours(pid);
    let census = match owners::sockets_of(pid) {
        Some((inodes, _)) => census(pid, &inodes.into_iter().collect(), our_namespace)?,
        None => None,
    };
    let fds_open = process.fds_open();
    let fds_limit = process.fds_limit.filter(|limit| *limit <= i64::MAX.unsigned_abs());
    Ok(ProcessSeen {
        pid,
        uid: process.uid,
        user: process.uid.and_then(|uid| Users::read().name(uid)),
        parent: process.parent,
        unit: process.membership.unit,
        container: process.membership.container,
        our_namespace,
        fds_open,
        fds_limit,
        fds_ratio: fds_ratio(fds_open, fds_limit),
        tcp_sockets: census.as_ref().map(|census| census.states.values().sum()),
        close_wait: census
            .as_ref()
            .map(|census| census.states.get(&State::CloseWait).copied().unwrap_or(0)),
        sockets: census.as_ref().map(|census| {
            let named = |(state, count): (&State, &u32)| (state.name().to_owned(), *count);
            census.states.iter().map(named).collect()
        }),
        ports: census.map(|census| census.ports.into_iter().collect()),
        command: process.command,
        args: process.args,
    })
}

fn fds_ratio(open: Option<u32>, limit: Option<u64>) -> Option<f64> {
    let limit = limit.filter(|limit| *limit > 0)?;
    Some((f64::from(open?) / limit as f64 * 1e4).round() / 1e4)
}

/// The sockets of one process.
#[derive(Debug, Default)]
struct Census {
    states: BTreeMap<State, u32>,
    ports: BTreeSet<u16>,
}

impl Census {
    fn add(&mut self, state: State, port: u16) {
        *self.states.entry(state).or_default() += 1;
        if state == State::Listen {
            self.ports.insert(port);
        }
    }
}

/// Counts the TCP sockets among these inodes, in the namespace of the process.
fn census(pid: u32, inodes: &BTreeSet<u32>, ours: Option<bool>) -> Result<Option<Census>, Why> {
    if ours != Some(false) {
        let counted = SockDiag::open()?.fold(&Query::ALL, Census::default, |all, entry| {
            if let Some(state) = entry.state().filter(|_| inodes.contains(&entry.inode())) {
                all.add(state, entry.local().port());
            }
        })?;
        return Ok(Some(counted));
    }
    let Some(v4) = namespaces::tcp_of(pid, false, |_| false) else { return Ok(None) };
    let v6 = namespaces::tcp_of(pid, true, |_| false).unwrap_or_default();
    let mut all = Census::default();
    for line in v4.into_iter().chain(v6).filter(|line| inodes.contains(&line.inode)) {
        all.add(line.state, line.local.port());
    }
    Ok(Some(all))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn this_process_and_its_listener_are_seen() {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let seen = Process::run(ProcessArgs { pid: std::process::id() }).await.unwrap();
        assert!(seen.ports.as_ref().is_some_and(|ports| ports.contains(&port)));
        assert!(seen.tcp_sockets.is_some_and(|count| count >= 1));
        assert!(seen.fds_ratio.is_some() && seen.our_namespace == Some(true));
        assert!(Process::brief(&seen).contains("files open"));
    }

    #[tokio::test]
    async fn a_process_that_does_not_exist_is_unknown() {
        let why = Process::run(ProcessArgs { pid: u32::MAX }).await.unwrap_err();
        assert!(matches!(why, Why::Failed { .. }));
    }
}
