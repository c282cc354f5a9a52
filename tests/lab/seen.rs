//! What the lab itself reads of a host, without the product: whether a fault is in place, and whether
//! anything has changed.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io;
use std::path::Path;
use std::time::{Duration, Instant};

use crate::net::Host;

/// A state of a TCP socket, as in `/proc/net/tcp`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum State {
    Established = 1,
    SynReceived = 3,
    TimeWait = 6,
    CloseWait = 8,
}

/// Waits until something holds on a host.
pub(crate) fn wait_for(what: &str, mut holds: impl FnMut() -> io::Result<bool>) -> io::Result<()> {
    let deadline = Instant::now() + Duration::from_secs(20);
    while !holds()? {
        if Instant::now() > deadline {
            return Err(io::Error::other(format!("waited in vain for {what}")));
        }
        std::thread::sleep(Duration::from_millis(5));
    }
    Ok(())
}

/// Counts sockets of either family in a state at a local port; port 0 is any.
pub(crate) fn sockets(host: &Host, state: State, port: u16) -> io::Result<usize> {
    let state = format!("{:02X}", state as u8);
    let port = format!(":{port:04X}");
    let mut count = 0;
    for file in ["tcp", "tcp6"] {
        let text = host.enter(|| fs::read_to_string(format!("/proc/thread-self/net/{file}")))?;
        for line in text.lines().skip(1) {
            let words: Vec<&str> = line.split_whitespace().take(4).collect();
            let [_, local, _, found] = words[..] else { continue };
            let here = port == ":0000" || local.ends_with(&port);
            count += usize::from(here && found == state);
        }
    }
    Ok(count)
}

/// A counter of `/proc/net/netstat` or `/proc/net/snmp`.
pub(crate) fn counter(host: &Host, group: &str, name: &str) -> io::Result<u64> {
    let text = host.enter(|| -> io::Result<String> {
        Ok(fs::read_to_string("/proc/thread-self/net/netstat")?
            + &fs::read_to_string("/proc/thread-self/net/snmp")?)
    })?;
    let lines: Vec<Vec<&str>> = text
        .lines()
        .filter_map(|line| line.strip_prefix(group)?.strip_prefix(": "))
        .map(|line| line.split_whitespace().collect())
        .collect();
    let found = lines.chunks(2).find_map(|pair| {
        let at = pair[0].iter().position(|found| *found == name)?;
        pair.get(1)?.get(at)?.parse().ok()
    });
    found.ok_or_else(|| io::Error::other(format!("no counter {group}{name} here")))
}

/// Everything that a diagnosis must leave as it is.
pub(crate) struct Settings(BTreeMap<&'static str, BTreeSet<String>>);

impl Settings {
    pub(crate) fn of(host: &Host) -> io::Result<Settings> {
        let mut all = BTreeMap::new();
        let mut sysctls = BTreeSet::new();
        host.enter(|| walk(Path::new("/proc/sys/net"), &mut sysctls));
        all.insert("kernel setting", sysctls);
        for (what, command) in [
            ("nftables rule", "nft -s list ruleset"),
            ("route", "ip route show table all"),
            ("IPv6 route", "ip -6 route show table all"),
            ("policy rule", "ip rule"),
            ("IPv6 policy rule", "ip -6 rule"),
            ("address", "ip -o addr show"),
            ("link", "ip -o link show"),
            // Without states, which change with every packet, and without loopback's own.
            ("neighbour", "ip neigh show nud all | grep -v ' dev lo ' | cut -d' ' -f1-5"),
            ("queueing discipline", "tc qdisc show"),
            // Without queues, and without what a connection that was closed in order leaves behind.
            ("socket", "ss -Hantu | awk '$2 != \"TIME-WAIT\" {print $1, $2, $5, $6}'"),
        ] {
            // Where a tool is missing, nothing is compared.
            let lines = host.output(command)?.lines().map(str::to_owned).collect();
            all.insert(what, lines);
        }
        Ok(Settings(all))
    }

    /// Lists what has been added, changed or removed since.
    pub(crate) fn changes(&self, after: &Settings) -> Vec<String> {
        let mut changes = Vec::new();
        for (what, before) in &self.0 {
            let after = &after.0[what];
            let gone = before.difference(after).map(|line| format!("{what} gone: {line}"));
            let new = after.difference(before).map(|line| format!("{what} new: {line}"));
            changes.extend(gone.chain(new));
        }
        changes
    }
}

/// Reads every setting below a folder, as `path = value`.
fn walk(folder: &Path, into: &mut BTreeSet<String>) {
    let Ok(entries) = fs::read_dir(folder) else { return };
    for entry in entries.flatten() {
        let path = entry.path();
        if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            walk(&path, into);
        } else if !CHANGES_BY_ITSELF.iter().any(|name| path.ends_with(name))
            && let Ok(text) = fs::read_to_string(&path)
        {
            into.insert(format!("{} = {}", path.display(), text.trim()));
        }
    }
}

const CHANGES_BY_ITSELF: [&str; 1] = ["nf_conntrack_count"];
