//! What `/proc` tells of a process, of users, and of the kernel's port range and TCP memory.
#![allow(clippy::disallowed_methods)]

use std::fs::{read, read_to_string};

use crate::sys::owners;
use crate::wire::cgroup::Membership;
use crate::wire::ports;
use crate::wire::proc_pid::{Status, command_line, soft_limit, user_name};

/// A process, as far as it can be seen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Process {
    /// Its number in our PID namespace.
    pub pid: u32,
    /// Its name (`comm`), 15 bytes at most.
    pub command: String,
    /// Its command line, cut, without secrets; `None` for kernel threads.
    pub args: Option<String>,
    /// Its effective user.
    pub uid: Option<u32>,
    /// Its parent.
    pub parent: Option<u32>,
    /// Its systemd unit and its container.
    pub membership: Membership,
    /// Its limit of open files (soft).
    pub fds_limit: Option<u64>,
    /// Whether a signal or a debugger has stopped it.
    pub stopped: Option<bool>,
}

impl Process {
    /// Reads a process; `None` when it is gone or hidden (`hidepid`).
    pub fn read(pid: u32) -> Option<Process> {
        let text = |name: &str| read_to_string(format!("/proc/{pid}/{name}")).ok();
        let status = Status::parse(&lossy(format!("/proc/{pid}/status"))?);
        Some(Process {
            pid,
            command: status.name?,
            args: read(format!("/proc/{pid}/cmdline")).ok().and_then(|bytes| command_line(&bytes)),
            uid: status.uid,
            parent: status.parent,
            stopped: status.stopped,
            membership: text("cgroup")
                .map(|text| Membership::of_process(&text))
                .unwrap_or_default(),
            fds_limit: text("limits").and_then(|text| soft_limit(&text, "Max open files")),
        })
    }

    /// Counts its open files; `None` when that is not permitted.
    pub fn fds_open(&self) -> Option<u32> {
        owners::count_descriptors(self.pid)
    }
}

/// The names of users, as `/etc/passwd` has them.
#[derive(Debug, Clone)]
pub struct Users {
    passwd: String,
}

impl Users {
    /// Reads them; directory services (LDAP) are not asked, that could block.
    pub fn read() -> Users {
        Users { passwd: lossy("/etc/passwd".to_owned()).unwrap_or_default() }
    }

    /// The name of a user.
    pub fn name(&self, uid: u32) -> Option<String> {
        user_name(&self.passwd, uid).map(str::to_owned)
    }
}

/// The name of a network interface by its index; `None` for 0, which is none.
pub fn interface_name(index: u32) -> Option<String> {
    let name = (index != 0).then(|| nix::net::if_::if_indextoname(index))?;
    // Gone meanwhile: the index still says that it is bound to one.
    Some(name.map_or_else(|_| format!("index {index}"), |name| name.to_string_lossy().into_owned()))
}

/// The ports that the kernel picks for outgoing connections.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PortRange {
    /// The first one.
    pub first: u16,
    /// The last one.
    pub last: u16,
    /// How many of them are usable: those reserved by the administrator are left out.
    pub usable: u32,
}

impl PortRange {
    /// Reads `net.ipv4.ip_local_port_range` and `ip_local_reserved_ports` of this network namespace.
    pub fn read() -> Option<PortRange> {
        let (first, last) =
            ports::range(&read_to_string("/proc/sys/net/ipv4/ip_local_port_range").ok()?)?;
        // Missing before Linux 2.6.35: nothing can be reserved then.
        let reserved = read_to_string("/proc/sys/net/ipv4/ip_local_reserved_ports")
            .map_or(0, |text| ports::reserved_within(&text, (first, last)));
        Some(PortRange { first, last, usable: u32::from(last - first) + 1 - reserved })
    }
}

/// The memory of all TCP sockets of this machine, in pages, and the limits `net.ipv4.tcp_mem`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct TcpMemory {
    /// In use.
    pub pages: Option<u64>,
    /// Below: no pressure.
    pub low: Option<u64>,
    /// Above: buffers shrink.
    pub pressure: Option<u64>,
    /// Above: no more memory.
    pub high: Option<u64>,
}

impl TcpMemory {
    /// Reads both; the limits are hidden inside other network namespaces than the first.
    pub fn read() -> TcpMemory {
        let pages = read_to_string("/proc/thread-self/net/sockstat").ok().and_then(|text| {
            let words = text.lines().find_map(|line| line.strip_prefix("TCP:"))?;
            words.split_ascii_whitespace().skip_while(|word| *word != "mem").nth(1)?.parse().ok()
        });
        let limits = read_to_string("/proc/sys/net/ipv4/tcp_mem").unwrap_or_default();
        let mut limits = limits.split_ascii_whitespace().map(|word| word.parse().ok());
        let mut next = || limits.next().flatten();
        TcpMemory { pages, low: next(), pressure: next(), high: next() }
    }
}

fn lossy(path: String) -> Option<String> {
    read(path).ok().map(|bytes| String::from_utf8_lossy(&bytes).into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_process_is_seen_whole() {
        let own = Process::read(std::process::id()).unwrap();
        assert!(!own.command.is_empty() && own.args.is_some());
        assert_eq!(own.uid, Some(crate::sys::caps::effective_uid()));
        assert!(own.fds_limit.is_some() && own.fds_open().is_some_and(|count| count > 2));
    }

    #[test]
    fn a_process_that_is_gone_is_none() {
        assert_eq!(Process::read(u32::MAX), None);
    }

    #[test]
    fn the_range_and_the_memory_are_read() {
        assert!(PortRange::read().is_some_and(|range| range.usable > 0));
        assert!(TcpMemory::read().pages.is_some());
    }
}
