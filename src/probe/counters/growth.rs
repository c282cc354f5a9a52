//! What grew, by the names that runbooks ask for: pure.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::sys::counters::LinkSnapshot;
use crate::wire::proc_dev::DeviceCounters;
use crate::wire::proc_net::NetCounters;

/// What grew while the probe watched. A counter that this kernel does not have is null, not 0.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Growth {
    /// SYNs and ACKs of handshakes that met a full accept queue (`TcpExt.ListenOverflows`).
    pub listen_overflows: Option<i64>,
    /// SYNs and ACKs of handshakes that a listener dropped for whatever reason, overflows included
    /// (`TcpExt.ListenDrops`).
    pub listen_drops: Option<i64>,
    /// SYN cookies sent, which happens only while a SYN queue is full (`TcpExt.SyncookiesSent`).
    pub syncookies_sent: Option<i64>,
    /// SYNs dropped because a SYN queue was full and cookies were off (`TcpExt.TCPReqQFullDrop`).
    pub reqq_full_drops: Option<i64>,
    /// SYNs answered with a cookie because a SYN queue was full (`TcpExt.TCPReqQFullDoCookies`).
    pub reqq_full_cookies: Option<i64>,
    /// Segments sent again (`Tcp.RetransSegs`).
    pub retrans_segs: Option<i64>,
    /// SYNs and SYN-ACKs sent again (`TcpExt.TCPSynRetrans`).
    pub syn_retrans: Option<i64>,
    /// RSTs sent (`Tcp.OutRsts`).
    pub resets_sent: Option<i64>,
    /// Connections that went from established to closed without a FIN handshake, by a reset of either
    /// side or a time-out (`Tcp.EstabResets`).
    pub connections_reset: Option<i64>,
    /// Handshakes that failed, on either side (`Tcp.AttemptFails`).
    pub attempts_failed: Option<i64>,
    /// Times that TCP came under memory pressure (`TcpExt.TCPMemoryPressures`).
    pub memory_pressure: Option<i64>,
    /// Segments dropped because the queue of a socket in use was full (`TcpExt.TCPBacklogDrop`); this
    /// is not the listen backlog.
    pub backlog_drops: Option<i64>,
    /// Segments dropped because a receive queue was full (`TcpExt.TCPRcvQDrop`).
    pub rcvq_drops: Option<i64>,
    /// Packets dropped by reverse path filtering (`TcpExt.IPReversePathFilter`).
    pub rp_filter_drops: Option<i64>,
    /// Packets dropped because a CPU's queue was full (`net.core.netdev_max_backlog`); of the whole
    /// machine, all network namespaces together.
    pub softnet_dropped: Option<i64>,
    /// Times that a CPU could not empty its queue within its share; of the whole machine.
    pub softnet_squeezed: Option<i64>,
    /// Errors on all network devices; null when they are not counted.
    pub interface_errors: Option<i64>,
    /// Packets dropped by all network devices; null when they are not counted.
    pub interface_drops: Option<i64>,
    /// The devices with new errors or drops.
    #[serde(default)]
    pub interfaces: Vec<InterfaceGrowth>,
    /// The counters above as they stand since the machine, or this network namespace, came up, by
    /// `Group.Name`: history, never evidence.
    #[serde(default)]
    pub since_boot: BTreeMap<String, i64>,
}

/// What grew on one network device.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct InterfaceGrowth {
    /// The device.
    pub device: String,
    /// Frames received with an error.
    pub rx_errors: Option<i64>,
    /// Frames received and dropped, also those that the device missed.
    pub rx_dropped: Option<i64>,
    /// Frames that could not be sent for an error.
    pub tx_errors: Option<i64>,
    /// Frames dropped on the way out.
    pub tx_dropped: Option<i64>,
}

/// The kernel's counters at one moment.
pub(super) struct Moment {
    pub(super) counters: NetCounters,
    pub(super) link: LinkSnapshot,
}

/// Whether none of the kernel's counters could be read.
pub(super) fn nothing_read(moment: &Moment) -> bool {
    moment.counters.is_empty() && moment.link.softnet.is_none() && moment.link.devices.is_none()
}

/// Returns every counter that grew, by `Group.Name`.
pub(super) fn deltas(before: &Moment, after: &Moment) -> BTreeMap<String, i64> {
    let mut grown = after.counters.grown(&before.counters);
    if let (Some(then), Some(now)) = (before.link.softnet, after.link.softnet) {
        grown.insert("Softnet.Dropped".to_owned(), difference(then.dropped, now.dropped));
        grown.insert("Softnet.TimeSqueeze".to_owned(), difference(then.squeezed, now.squeezed));
        grown.retain(|_, grew| *grew > 0);
    }
    grown
}

/// Compares two moments.
pub(super) fn between(before: &Moment, after: &Moment) -> Growth {
    let mut since_boot = BTreeMap::new();
    let mut grew = |name: &str| {
        since_boot.extend(after.counters.value(name).map(|value| (name.to_owned(), value)));
        after.counters.growth(&before.counters, name)
    };
    let mut growth = Growth {
        listen_overflows: grew("TcpExt.ListenOverflows"),
        listen_drops: grew("TcpExt.ListenDrops"),
        syncookies_sent: grew("TcpExt.SyncookiesSent"),
        reqq_full_drops: grew("TcpExt.TCPReqQFullDrop"),
        reqq_full_cookies: grew("TcpExt.TCPReqQFullDoCookies"),
        retrans_segs: grew("Tcp.RetransSegs"),
        syn_retrans: grew("TcpExt.TCPSynRetrans"),
        resets_sent: grew("Tcp.OutRsts"),
        connections_reset: grew("Tcp.EstabResets"),
        attempts_failed: grew("Tcp.AttemptFails"),
        memory_pressure: grew("TcpExt.TCPMemoryPressures"),
        backlog_drops: grew("TcpExt.TCPBacklogDrop"),
        rcvq_drops: grew("TcpExt.TCPRcvQDrop"),
        rp_filter_drops: grew("TcpExt.IPReversePathFilter"),
        softnet_dropped: None,
        softnet_squeezed: None,
        interface_errors: None,
        interface_drops: None,
        interfaces: Vec::new(),
        since_boot: BTreeMap::new(),
    };
    growth.since_boot = since_boot;
    growth.add_softnet(&before.link, &after.link);
    growth.add_devices(&before.link, &after.link);
    growth
}

impl Growth {
    fn add_softnet(&mut self, before: &LinkSnapshot, after: &LinkSnapshot) {
        let Some(now) = after.softnet else { return };
        self.since_boot.insert("Softnet.Dropped".to_owned(), now.dropped.cast_signed());
        self.since_boot.insert("Softnet.TimeSqueeze".to_owned(), now.squeezed.cast_signed());
        let then = before.softnet;
        self.softnet_dropped = then.map(|then| difference(then.dropped, now.dropped));
        self.softnet_squeezed = then.map(|then| difference(then.squeezed, now.squeezed));
    }

    fn add_devices(&mut self, before: &LinkSnapshot, after: &LinkSnapshot) {
        let (Some(then), Some(now)) = (&before.devices, &after.devices) else { return };
        // A device that came in between has no earlier count; it began with zero, but its name may
        // have been another's.
        let known = now.iter().filter_map(|(name, now)| Some((name, then.get(name)?, now)));
        for (name, then, now) in known {
            let device = InterfaceGrowth::between(name, then, now);
            add(&mut self.interface_errors, device.rx_errors);
            add(&mut self.interface_errors, device.tx_errors);
            add(&mut self.interface_drops, device.rx_dropped);
            add(&mut self.interface_drops, device.tx_dropped);
            if device.any() {
                self.interfaces.push(device);
            }
        }
    }
}

impl InterfaceGrowth {
    fn between(device: &str, then: &DeviceCounters, now: &DeviceCounters) -> InterfaceGrowth {
        let grew = |then: Option<u64>, now: Option<u64>| Some(difference(then?, now?));
        InterfaceGrowth {
            device: device.to_owned(),
            rx_errors: grew(then.rx_errors, now.rx_errors),
            rx_dropped: grew(then.rx_dropped, now.rx_dropped),
            tx_errors: grew(then.tx_errors, now.tx_errors),
            tx_dropped: grew(then.tx_dropped, now.tx_dropped),
        }
    }

    fn any(&self) -> bool {
        let all = [self.rx_errors, self.rx_dropped, self.tx_errors, self.tx_dropped];
        all.into_iter().flatten().any(|grew| grew > 0)
    }
}

fn difference(then: u64, now: u64) -> i64 {
    now.wrapping_sub(then).cast_signed()
}

fn add(sum: &mut Option<i64>, more: Option<i64>) {
    if let Some(more) = more {
        *sum = Some(sum.unwrap_or(0).saturating_add(more));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::per_cpu::Softnet;

    fn moment(pairs: &str, dropped: Option<u64>, devices: &[(&str, u64)]) -> Moment {
        let mut counters = NetCounters::default();
        counters.add_pairs(pairs);
        let devices = devices.iter().map(|(name, rx_dropped)| {
            let counters =
                DeviceCounters { rx_dropped: Some(*rx_dropped), ..DeviceCounters::default() };
            ((*name).to_owned(), counters)
        });
        Moment {
            counters,
            link: LinkSnapshot {
                devices: Some(devices.collect()),
                softnet: dropped.map(|dropped| Softnet { dropped, squeezed: 0 }),
            },
        }
    }

    #[test]
    fn growth_is_told_apart_from_history() {
        let before = moment("TcpExt: ListenOverflows\nTcpExt: 500\n", Some(3), &[("eth0", 7)]);
        let after = moment("TcpExt: ListenOverflows\nTcpExt: 516\n", Some(5), &[("eth0", 9)]);
        let growth = between(&before, &after);
        assert_eq!(growth.listen_overflows, Some(16));
        assert_eq!(growth.softnet_dropped, Some(2));
        assert_eq!(growth.interface_drops, Some(2));
        assert_eq!(growth.interfaces[0].rx_dropped, Some(2));
        assert_eq!(growth.since_boot["TcpExt.ListenOverflows"], 516);
        let deltas: Vec<_> = deltas(&before, &after).into_iter().collect();
        let softnet = ("Softnet.Dropped".to_owned(), 2);
        assert_eq!(deltas, [softnet, ("TcpExt.ListenOverflows".to_owned(), 16)]);
    }

    #[test]
    fn what_does_not_grow_is_zero_and_what_is_missing_is_unknown() {
        let before = moment("TcpExt: ListenDrops\nTcpExt: 5\n", None, &[("eth0", 7)]);
        let growth = between(&before, &before);
        assert_eq!(growth.listen_drops, Some(0));
        assert_eq!(growth.listen_overflows, None);
        assert_eq!(growth.softnet_dropped, None);
        assert_eq!(growth.interface_drops, Some(0));
        assert_eq!(growth.interface_errors, None);
        assert!(growth.interfaces.is_empty());
        assert!(!growth.since_boot.contains_key("TcpExt.ListenOverflows"));
    }

    #[test]
    fn a_new_device_has_no_growth() {
        let growth = between(&moment("", None, &[]), &moment("", None, &[("veth1", 7)]));
        assert_eq!(growth.interface_drops, None);
    }
}
