//! Messages of the kernel, and ICMP echo: whatever their lengths and nesting say.
#![no_main]

use libfuzzer_sys::fuzz_target;
use tcpdoctor::wire::nft::{Family, Set, decode, xt};
use tcpdoctor::wire::tcp_info::TcpInfo;
use tcpdoctor::wire::{conntrack, icmp_echo, inet_diag, xtables};

fuzz_target!(|bytes: &[u8]| {
    let _ = decode::chain(bytes);
    let _ = decode::rule(bytes).map(|rule| (rule.author_comment(), rule.counter()));
    let elements = decode::elements(bytes);
    if let Some(mut set) = decode::set(bytes) {
        Set::fill(&mut set, elements);
    }
    for name in ["tcp", "udp", "multiport", "conntrack", "comment", "limit", "set"] {
        let _ = xt::Match::read(name, 1, bytes);
    }
    for name in ["REJECT", "DNAT", "LOG", ""] {
        let _ = xt::Target::read(Family::Ip, name, bytes);
    }
    let _ = conntrack::Entry::parse(bytes);
    if let Some(entry) = inet_diag::Entry::parse(bytes) {
        let _ = (entry.state(), entry.local(), entry.peer(), entry.drops(), entry.cgroup());
    }
    let _ = TcpInfo::parse(bytes);
    if let Some(info) = xtables::Info::parse(bytes) {
        for v6 in [false, true] {
            let _ = xtables::table(v6, "filter", &info, bytes.get(84..).unwrap_or_default());
        }
    }
    for v6 in [false, true] {
        let _ = icmp_echo::parse(v6, bytes);
    }
    let _ = icmp_echo::after_ipv4_header(bytes);
});
