//! Snapshots of the kernel's network counters, readable without privilege.
#![allow(clippy::disallowed_methods)]

use std::collections::BTreeMap;
use std::time::Instant;

use crate::sys::clock;
use crate::wire::per_cpu::{self, Softnet};
use crate::wire::proc_dev::{self, DeviceCounters};
use crate::wire::proc_net::NetCounters;

/// The counters of this network namespace at one moment, as text: parsing can wait until after the
/// packets that they are to frame.
#[derive(Debug, Clone)]
pub struct Snapshot {
    taken: Instant,
    snmp: Option<String>,
    netstat: Option<String>,
    snmp6: Option<String>,
    dev: Option<String>,
}

impl Snapshot {
    /// Reads the counters now; a file that cannot be read leaves its counters unknown.
    pub fn take() -> Snapshot {
        let snmp = read("snmp");
        let snmp6 = read("snmp6");
        let netstat = read("netstat");
        let dev = read("dev");
        Snapshot { taken: clock::now(), snmp, netstat, snmp6, dev }
    }

    /// When it was taken.
    pub fn taken(&self) -> Instant {
        self.taken
    }

    /// The counters by name.
    pub fn counters(&self) -> NetCounters {
        self.parsed_into(NetCounters::default())
    }

    /// Only these counters, by name.
    pub fn only(&self, wanted: &'static [&'static str]) -> NetCounters {
        self.parsed_into(NetCounters::only(wanted))
    }

    fn parsed_into(&self, mut counters: NetCounters) -> NetCounters {
        for text in [&self.snmp, &self.netstat].into_iter().flatten() {
            counters.add_pairs(text);
        }
        if let Some(text) = &self.snmp6 {
            counters.add_lines(text);
        }
        if let Some(text) = &self.dev {
            counters.add_loopback(text);
        }
        counters
    }
}

/// The counters below the protocols at one moment: devices, and the queues between them and the
/// protocols.
#[derive(Debug, Clone)]
pub struct LinkSnapshot {
    /// Errors and drops by device; `None` when they cannot be read.
    pub devices: Option<BTreeMap<String, DeviceCounters>>,
    /// The queues of all CPUs, of the whole machine; `None` when they cannot be read.
    pub softnet: Option<Softnet>,
}

impl LinkSnapshot {
    /// Reads them now.
    pub fn take() -> LinkSnapshot {
        LinkSnapshot {
            devices: read("dev").map(|text| proc_dev::parse(&text)),
            softnet: read("softnet_stat").and_then(|text| per_cpu::softnet(&text)),
        }
    }
}

/// Reads a file of `/proc/net` in the network namespace of this thread.
pub(super) fn read(name: &str) -> Option<String> {
    // Of this thread, not of the process: tests move single threads into other namespaces.
    std::fs::read_to_string(format!("/proc/thread-self/net/{name}"))
        .or_else(|_| std::fs::read_to_string(format!("/proc/net/{name}")))
        .ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_kernel_counts_requests() {
        let counters = Snapshot::take().counters();
        assert!(counters.value("Ip.OutRequests").is_some());
        assert!(counters.value("TcpExt.TCPRetransFail").is_some());
        assert!(counters.value("Loopback.InPackets").is_some());
    }
}
