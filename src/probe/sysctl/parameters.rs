//! The kernel parameters that decide over TCP connections: what they mean and when they matter.

/// What is known of one kernel parameter.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Known {
    /// Its name as `sysctl` takes it.
    pub name: &'static str,
    /// What it does, with its unit.
    pub meaning: &'static str,
    /// The evidence that would make it a problem.
    pub matters_when: &'static str,
}

/// Finds a parameter by its name.
pub fn find(name: &str) -> Option<&'static Known> {
    PARAMETERS.iter().find(|known| known.name == name)
}

const fn known(name: &'static str, meaning: &'static str, matters_when: &'static str) -> Known {
    Known { name, meaning, matters_when }
}

/// The parameters, by subject.
pub const PARAMETERS: &[Known] = &[
    known(
        "net.core.somaxconn",
        "The longest accept queue that listen() can get, in connections; a larger backlog is cut to \
         it without a word. The queue of a running listener changes only when it listens again.",
        "TcpExt.ListenOverflows grows, and a listener whose Send-Q equals this value has a full queue.",
    ),
    known(
        "net.ipv4.tcp_max_syn_backlog",
        "How many half-open connections are remembered while SYN cookies are off; each listener's own \
         backlog bounds them too.",
        "TcpExt.TCPReqQFullDrop grows and SYN cookies are off.",
    ),
    known(
        "net.ipv4.tcp_syncookies",
        "Whether a full SYN queue is answered with cookies (1), never (0) or always (2, for tests). \
         With a cookie the connection opens although nothing is remembered.",
        "It is 0 and TcpExt.TCPReqQFullDrop grows: each such SYN is lost.",
    ),
    known(
        "net.ipv4.tcp_synack_retries",
        "How often the answer to a SYN is sent again before the half-open connection is forgotten; 5 \
         keeps it for about a minute.",
        "Half-open connections of addresses that never complete fill the SYN queue.",
    ),
    known(
        "net.ipv4.tcp_abort_on_overflow",
        "Whether a connection that does not fit into the accept queue is reset (1) instead of being \
         left to try again (0).",
        "It is 1 and TcpExt.ListenOverflows grows: a short burst becomes errors at the clients.",
    ),
    known(
        "net.core.netdev_max_backlog",
        "How many packets may wait for each CPU between a device and the protocols.",
        "The second column of /proc/net/softnet_stat grows: packets are dropped there.",
    ),
    known(
        "net.ipv4.tcp_syn_retries",
        "How often a SYN of ours is sent again before connect() gives up; 6 takes about two minutes.",
        "Programs rely on it instead of a time-out of their own, and wait too long or not long enough.",
    ),
    known(
        "net.ipv4.ip_local_port_range",
        "The local ports that connect() may choose from. They bound the connections to one address \
         and port, not the connections in all.",
        "connect() fails with EADDRNOTAVAIL, or sockets towards one destination (TIME_WAIT included) \
         come near the size of the range.",
    ),
    known(
        "net.ipv4.ip_local_reserved_ports",
        "Ports within the range that connect() leaves alone.",
        "It takes much of the range away.",
    ),
    known(
        "net.ipv4.tcp_tw_reuse",
        "Whether connect() may use the port of a socket in TIME_WAIT again after a second, when time \
         stamps allow: 0 never, 1 always, 2 on loopback only. It changes nothing for a server.",
        "TIME_WAIT towards one destination uses up the local ports, and connections cannot be reused.",
    ),
    known(
        "net.ipv4.tcp_fin_timeout",
        "How long a closed socket waits for the peer's FIN (state FIN_WAIT_2), in seconds. TIME_WAIT \
         has a fixed length of 60 s and does not follow it.",
        "Sockets without an owner pile up in FIN_WAIT_2 because peers never close.",
    ),
    known(
        "net.ipv4.tcp_keepalive_time",
        "How long a connection with SO_KEEPALIVE is idle before the first probe, in seconds.",
        "Something on the way (NAT, firewall, load balancer) forgets idle connections sooner.",
    ),
    known(
        "net.ipv4.tcp_keepalive_intvl",
        "The time between two keepalive probes, in seconds.",
        "Dead peers are to be noticed sooner: time + interval × probes.",
    ),
    known(
        "net.ipv4.tcp_keepalive_probes",
        "How many keepalive probes go unanswered before the connection is dropped.",
        "Dead peers are to be noticed sooner: time + interval × probes.",
    ),
    known(
        "net.ipv4.tcp_window_scaling",
        "Whether windows over 64 KiB are offered (RFC 7323).",
        "It is 0: no connection can have more than 64 KiB on the way, however fast the path is.",
    ),
    known(
        "net.ipv4.tcp_rmem",
        "The least, first and largest receive buffer of a TCP socket, in bytes; the kernel tunes within \
         these.",
        "The largest is below the rate times the round trip that one connection is to reach.",
    ),
    known(
        "net.ipv4.tcp_wmem",
        "The least, first and largest send buffer of a TCP socket, in bytes; the kernel tunes within \
         these.",
        "The largest is below the rate times the round trip that one connection is to reach.",
    ),
    known(
        "net.core.rmem_max",
        "The largest receive buffer that a program may ask for with SO_RCVBUF, in bytes; automatic \
         tuning does not obey it.",
        "A program sets SO_RCVBUF and the value is below the rate times the round trip.",
    ),
    known(
        "net.core.wmem_max",
        "The largest send buffer that a program may ask for with SO_SNDBUF, in bytes; automatic tuning \
         does not obey it.",
        "A program sets SO_SNDBUF and the value is below the rate times the round trip.",
    ),
    known(
        "net.ipv4.tcp_mem",
        "The memory of all TCP sockets together, in pages: below the first nothing is saved, above the \
         second buffers shrink, above the third packets are dropped.",
        "The mem of TCP in /proc/net/sockstat passes the second, or TcpExt.TCPMemoryPressures grows.",
    ),
    known(
        "net.ipv4.tcp_mtu_probing",
        "Whether TCP finds out by itself that full-size packets vanish: 0 never, 1 after repeated \
         losses, 2 always.",
        "A path MTU black hole was found (mtu.blackhole) and cannot be repaired.",
    ),
    known(
        "net.ipv4.tcp_fastopen",
        "Whether data may travel in the SYN: 1 as client, 2 as server, 3 as both.",
        "SYNs with data vanish on the way, or a program expects it and it is off.",
    ),
    known(
        "net.ipv4.conf.all.rp_filter",
        "Whether a packet is dropped when its source would not be reached through the device it came \
         from: 0 no, 1 by the best route (strict), 2 by any route (loose). The larger of this and the \
         device's own value holds.",
        "TcpExt.IPReversePathFilter grows, as with two uplinks or asymmetric routes.",
    ),
    known(
        "net.ipv4.conf.default.rp_filter",
        "The value of rp_filter that new devices get.",
        "TcpExt.IPReversePathFilter grows, as with two uplinks or asymmetric routes.",
    ),
    known(
        "fs.file-max",
        "How many files all processes together may have open; a socket is one. Each process has a limit \
         of its own besides (ulimit -n).",
        "The first number of fs.file-nr comes near it, or calls fail with ENFILE.",
    ),
    known(
        "fs.file-nr",
        "Open files, free entries, and the most there may be; to be read only.",
        "The first number comes near the third.",
    ),
    known(
        "net.netfilter.nf_conntrack_max",
        "How many connections can be tracked in each network namespace. When the table is full, packets \
         of new connections are dropped.",
        "nf_conntrack_count comes near it, or the drop column of /proc/net/stat/nf_conntrack grows.",
    ),
    known(
        "net.netfilter.nf_conntrack_buckets",
        "The size of the hash table behind it; many entries per bucket cost time.",
        "It is far below a quarter of nf_conntrack_max and the table is well filled.",
    ),
    known(
        "net.netfilter.nf_conntrack_tcp_timeout_established",
        "How long a silent established connection stays in the table, in seconds.",
        "The table fills with connections that ended long ago without a FIN; or, when short, idle \
         connections are cut.",
    ),
    known(
        "net.netfilter.nf_conntrack_tcp_timeout_time_wait",
        "How long a closed connection stays in the table, in seconds.",
        "Most entries of a nearly full table are in TIME_WAIT.",
    ),
    known(
        "net.netfilter.nf_conntrack_tcp_timeout_close_wait",
        "How long a half-closed connection stays in the table, in seconds.",
        "Most entries of a nearly full table are in CLOSE_WAIT.",
    ),
];

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn every_parameter_is_named_once_and_explained_in_sentences() {
        let mut names = BTreeSet::new();
        for known in PARAMETERS {
            assert!(names.insert(known.name), "{} stands twice", known.name);
            for text in [known.meaning, known.matters_when] {
                assert!(text.ends_with('.') && !text.contains("  "), "{}: {text}", known.name);
            }
            assert_eq!(find(known.name), Some(known));
        }
    }
}
