//! What the evidence speaks for: pure. A parameter without evidence against it is left alone.

use std::collections::BTreeMap;

use super::SysctlSeen;

/// A value to set, and why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Suggestion {
    pub(super) value: String,
    pub(super) reason: String,
}

/// Counters that grew, by `Group.Name`.
pub(super) type Grown = BTreeMap<String, i64>;

/// The kernel's own default of somaxconn since Linux 5.4.
const SOMAXCONN: i64 = 4096;
/// The size of the kernel's default port range, 32768 to 60999.
const DEFAULT_PORTS: i64 = 28_232;
/// The kernel keeps the sizes of buffers in an `int`, and refuses more.
const LARGEST: i64 = i32::MAX as i64;
/// From here on a table or limit counts as nearly full, in percent.
const NEARLY: f64 = 80.0;

/// Suggests values by parameter name.
pub(super) fn suggest(seen: &SysctlSeen, grown: &Grown) -> BTreeMap<&'static str, Suggestion> {
    let mut found = BTreeMap::new();
    let mut add = |name, value: String, reason: String| {
        found.insert(name, Suggestion { value, reason });
    };
    let grew = |name: &str| grown.get(name).copied().filter(|grew| *grew > 0);

    if let Some(times) = grew("TcpExt.ListenOverflows") {
        // A queue that its own program made shorter gains nothing from a higher limit.
        let capped = seen.backlog_capped != Some(false);
        if seen.somaxconn.is_some_and(|most| most < SOMAXCONN) && capped {
            add(
                "net.core.somaxconn",
                SOMAXCONN.to_string(),
                format!(
                    "an accept queue overflowed {times} times just now, and none can be longer than \
                     this; programs must listen again, with a backlog as large"
                ),
            );
        }
        if seen.abort_on_overflow == Some(true) {
            add(
                "net.ipv4.tcp_abort_on_overflow",
                "0".to_owned(),
                format!("an accept queue overflowed {times} times just now; clients may try again"),
            );
        }
    }
    if seen.syncookies == Some(0)
        && let Some(times) = grew("TcpExt.TCPReqQFullDrop")
    {
        add(
            "net.ipv4.tcp_syncookies",
            "1".to_owned(),
            format!("{times} SYNs were dropped just now because a SYN queue was full"),
        );
    }
    if let (Some(times), Some(now)) = (grew("Softnet.Dropped"), seen.netdev_max_backlog) {
        add(
            "net.core.netdev_max_backlog",
            doubled(now).to_string(),
            format!("{times} packets were dropped just now because a CPU's queue was full"),
        );
    }
    if seen.window_scaling == Some(false) {
        let reason = "without it no connection can have more than 64 KiB on the way";
        add("net.ipv4.tcp_window_scaling", "1".to_owned(), reason.to_owned());
    }
    if let Some(ports) = seen.ports.filter(|ports| *ports < DEFAULT_PORTS) {
        add(
            "net.ipv4.ip_local_port_range",
            "32768 60999".to_owned(),
            format!(
                "only {ports} connections to one address and port are possible at a time; this is \
                 the kernel's default"
            ),
        );
    }
    if let Some(times) = grew("TcpExt.IPReversePathFilter") {
        for (name, value) in [
            ("net.ipv4.conf.all.rp_filter", seen.rp_filter_all),
            ("net.ipv4.conf.default.rp_filter", seen.rp_filter_default),
        ] {
            if value == Some(1) {
                let reason = format!("{times} packets were dropped just now by the strict check");
                add(name, "2".to_owned(), reason);
            }
        }
    }
    buffers(seen, &mut add);
    limits(seen, grown, &mut add);
    found
}

/// Buffers against the bandwidth-delay product.
fn buffers(seen: &SysctlSeen, add: &mut impl FnMut(&'static str, String, String)) {
    let Some(bdp) = seen.bdp_bytes else { return };
    // Half of the receive buffer at least becomes the window (tcp_adv_win_scale = 1).
    let wanted = (doubled(bdp) / MIB).saturating_add(1).saturating_mul(MIB).min(LARGEST);
    let reason = format!("one connection needs {bdp} bytes on the way (rate × round trip)");
    for (name, triple) in
        [("net.ipv4.tcp_rmem", &seen.tcp_rmem), ("net.ipv4.tcp_wmem", &seen.tcp_wmem)]
    {
        if let [least, first, most] = triple[..]
            && most < bdp
        {
            add(
                name,
                format!("{least} {first} {wanted}"),
                format!("{reason}; the largest is {most}"),
            );
        }
    }
    for (name, most) in [("net.core.rmem_max", seen.rmem_max), ("net.core.wmem_max", seen.wmem_max)]
    {
        if most.is_some_and(|most| most < bdp) {
            add(name, wanted.to_string(), format!("{reason}, also where programs set the size"));
        }
    }
}

/// What all sockets, files or connections share.
fn limits(seen: &SysctlSeen, grown: &Grown, add: &mut impl FnMut(&'static str, String, String)) {
    if let (Some(open), Some(max), Some(percent)) =
        (seen.files_open, seen.file_max, seen.files_percent)
        && percent >= NEARLY
    {
        let reason = format!("{open} of {max} files are open");
        add("fs.file-max", doubled(max).to_string(), reason);
    }
    if let (Some(count), Some(max), Some(percent)) =
        (seen.conntrack_count, seen.conntrack_max, seen.conntrack_percent)
        && percent >= NEARLY
    {
        let reason = format!("{count} of {max} connections are tracked");
        add("net.netfilter.nf_conntrack_max", doubled(max).to_string(), reason);
    }
    let [low, pressure, high] = seen.tcp_mem[..] else { return };
    let times = grown.get("TcpExt.TCPMemoryPressures").copied().filter(|grew| *grew > 0);
    let reason = match (times, seen.tcp_mem_used) {
        (Some(times), _) => format!("TCP came under memory pressure {times} times just now"),
        (None, Some(used)) if used >= pressure => {
            format!("TCP sockets hold {used} pages, more than the {pressure} where buffers shrink")
        }
        _ => return,
    };
    let values = [low, pressure, high].map(|value| doubled(value).to_string());
    add("net.ipv4.tcp_mem", values.join(" "), format!("{reason}; check that memory allows it"));
}

const MIB: i64 = 1 << 20;

fn doubled(value: i64) -> i64 {
    value.saturating_mul(2)
}

/// Writes the suggestions as a file for `/etc/sysctl.d`; `None` when there is nothing to write.
pub(super) fn file(seen: &SysctlSeen) -> Option<String> {
    let mut text = String::from("# Suggested by tcpdoctor, which changed nothing.\n");
    let mut any = false;
    for parameter in &seen.parameters {
        let (Some(value), Some(reason)) = (&parameter.suggestion, &parameter.reason) else {
            continue;
        };
        any = true;
        let now = parameter.value.as_deref().unwrap_or("unknown");
        text += &format!("# now {now}: {reason}\n{} = {value}\n", parameter.name);
    }
    any.then_some(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn grown(pairs: &[(&str, i64)]) -> Grown {
        pairs.iter().map(|(name, grew)| ((*name).to_owned(), *grew)).collect()
    }

    fn names(seen: &SysctlSeen, pairs: &[(&str, i64)]) -> Vec<&'static str> {
        suggest(seen, &grown(pairs)).into_keys().collect()
    }

    #[test]
    fn the_kernels_defaults_need_nothing() {
        let seen = SysctlSeen {
            somaxconn: Some(4096),
            syncookies: Some(1),
            window_scaling: Some(true),
            ports: Some(DEFAULT_PORTS),
            conntrack_percent: Some(79.9),
            files_percent: Some(1.0),
            tcp_mem: vec![1, 2, 3],
            tcp_mem_used: Some(1),
            ..SysctlSeen::default()
        };
        assert!(names(&seen, &[]).is_empty());
        assert!(names(&seen, &[("TcpExt.ListenOverflows", 5)]).is_empty());
        assert_eq!(file(&seen), None);
    }

    #[test]
    fn somaxconn_is_left_alone_where_the_program_itself_asked_for_a_short_queue() {
        let overflow = [("TcpExt.ListenOverflows", 9)];
        let mut seen = SysctlSeen { somaxconn: Some(128), ..SysctlSeen::default() };
        for (capped, suggested) in [(None, 1), (Some(true), 1), (Some(false), 0)] {
            seen.backlog_capped = capped;
            assert_eq!(names(&seen, &overflow).len(), suggested, "{capped:?}");
        }
    }

    #[test]
    fn what_is_unknown_is_left_alone() {
        let everything = [
            ("TcpExt.ListenOverflows", 1),
            ("TcpExt.TCPReqQFullDrop", 1),
            ("TcpExt.TCPMemoryPressures", 1),
            ("TcpExt.IPReversePathFilter", 1),
            ("Softnet.Dropped", 1),
        ];
        assert!(names(&SysctlSeen::default(), &everything).is_empty());
    }

    #[test]
    fn a_small_value_matters_only_while_its_counter_grows() {
        let seen = SysctlSeen {
            somaxconn: Some(128),
            syncookies: Some(0),
            rp_filter_all: Some(1),
            netdev_max_backlog: Some(1000),
            ..SysctlSeen::default()
        };
        assert!(names(&seen, &[]).is_empty());
        assert_eq!(names(&seen, &[("TcpExt.ListenOverflows", 9)]), ["net.core.somaxconn"]);
        assert_eq!(names(&seen, &[("TcpExt.TCPReqQFullDrop", 9)]), ["net.ipv4.tcp_syncookies"]);
        let rule = names(&seen, &[("TcpExt.IPReversePathFilter", 2)]);
        assert_eq!(rule, ["net.ipv4.conf.all.rp_filter"]);
        let queue = suggest(&seen, &grown(&[("Softnet.Dropped", 2)]));
        assert_eq!(queue["net.core.netdev_max_backlog"].value, "2000");
    }

    #[test]
    fn buffers_are_held_against_the_product_of_rate_and_round_trip() {
        let mut seen = SysctlSeen {
            bdp_bytes: Some(12_500_000),
            tcp_rmem: vec![4096, 131_072, 6_291_456],
            tcp_wmem: vec![4096, 16_384, 16_777_216],
            rmem_max: Some(212_992),
            ..SysctlSeen::default()
        };
        let found = suggest(&seen, &Grown::new());
        assert_eq!(found["net.ipv4.tcp_rmem"].value, "4096 131072 25165824");
        let names: Vec<_> = found.into_keys().collect();
        assert_eq!(names, ["net.core.rmem_max", "net.ipv4.tcp_rmem"]);
        seen.bdp_bytes = Some(7_500_000_000_000);
        let found = suggest(&seen, &Grown::new());
        assert_eq!(found["net.core.rmem_max"].value, "2147483647", "the kernel takes no more");
        seen.bdp_bytes = None;
        assert!(suggest(&seen, &Grown::new()).is_empty());
    }

    #[test]
    fn shared_limits_are_raised_when_they_are_nearly_reached() {
        let seen = SysctlSeen {
            conntrack_count: Some(240_000),
            conntrack_max: Some(262_144),
            conntrack_percent: Some(91.6),
            tcp_mem: vec![10, 20, 30],
            tcp_mem_used: Some(20),
            ports: Some(1000),
            window_scaling: Some(false),
            ..SysctlSeen::default()
        };
        let found = suggest(&seen, &Grown::new());
        assert_eq!(found["net.netfilter.nf_conntrack_max"].value, "524288");
        assert_eq!(found["net.ipv4.tcp_mem"].value, "20 40 60");
        assert_eq!(found["net.ipv4.ip_local_port_range"].value, "32768 60999");
        assert_eq!(found["net.ipv4.tcp_window_scaling"].value, "1");
    }
}
