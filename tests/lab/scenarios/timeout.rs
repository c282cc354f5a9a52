//! Silence, and where it begins.

use crate::expect::{Expect, fault};
use crate::rules::{chain, no_icmp, policy, to_port};
use crate::scenario::{Scenario, scenario};
use crate::servers::Serve;
use crate::topology::Topology;

pub(crate) fn all() -> Vec<Scenario> {
    let filtered = || -> Expect {
        fault("tcp.timeout_filtered")
            .likely()
            .alternative("tcp.timeout_accept_queue")
            .within_ms(2000)
    };
    let located = || fault("tcp.timeout_filtered").likely().within_ms(2000);
    let silent = || fault("tcp.timeout_silent").alternative("host.down");
    let v4 = "10.4.3.2:5432";
    let v6 = "[fd04:3::2]:5432";
    vec![
        scenario("the first router drops the port")
            .nft("r1", to_port("forward", 5432, "drop"))
            .diagnose(v4)
            .expect(located().path(1, "10.4.1.1")),
        scenario("the second router drops the port")
            .nft("r2", to_port("forward", 5432, "drop"))
            .diagnose(v4)
            .expect(filtered().path(2, "10.4.2.2")),
        scenario("the second router drops the port before routing")
            .nft("r2", to_port("prerouting", 5432, "drop"))
            .diagnose(v4)
            .expect(located().path(1, "10.4.1.1")),
        scenario("the host's own firewall drops the port")
            .nft("s", to_port("input", 5432, "drop"))
            .diagnose(v4)
            .expect(filtered().path(2, "10.4.2.2")),
        scenario("the first router drops the IPv6 port")
            .nft("r1", to_port("forward", 5432, "drop"))
            .diagnose(v6)
            .expect(located().path(1, "fd04:1::1")),
        scenario("the second router drops the IPv6 port")
            .nft("r2", to_port("forward", 5432, "drop"))
            .diagnose(v6)
            .expect(filtered().path(2, "fd04:2::2")),
        scenario("the second router drops the IPv6 port before routing")
            .nft("r2", to_port("prerouting", 5432, "drop"))
            .diagnose(v6)
            .expect(located().path(1, "fd04:1::1")),
        scenario("the host's own firewall drops the IPv6 port")
            .nft("s", to_port("input", 5432, "drop"))
            .diagnose(v6)
            .expect(filtered().path(2, "fd04:2::2")),
        scenario("the port is dropped, by name")
            .nft("r2", to_port("forward", 5432, "drop"))
            .diagnose("four.lab.test:5432")
            .expect(filtered().path(2, "10.4.2.2")),
        scenario("the port is dropped for both families of a name")
            .nft("r2", to_port("forward", 5432, "drop"))
            .diagnose("www.lab.test:5432")
            .expect(fault("tcp.timeout_filtered").likely().kind("path")),
        scenario("the fourth of six routers drops the port")
            .topology(Topology::Line(6))
            .nft("r4", to_port("forward", 5432, "drop"))
            .diagnose("10.4.7.2:5432")
            .expect(located().path(4, "10.4.4.2")),
        scenario("the third of four routers drops the port and the second sends no ICMP")
            .topology(Topology::Line(4))
            .nft("r2", chain("output", "ip protocol icmp drop"))
            .nft("r3", to_port("forward", 5432, "drop"))
            .diagnose("10.4.5.2:5432")
            .expect(located().path(3, "10.4.3.2")),
        scenario("the port is dropped, and so is everything but ssh")
            .nft("s", policy("input", "drop", "tcp dport 22 accept"))
            .diagnose(v4)
            .expect(filtered().path(2, "10.4.2.2")),
        scenario("the port is dropped and only ping shows that the host lives")
            .ping_allowed()
            .no_services()
            .nft("s", policy("input", "drop", "icmp type echo-request accept"))
            .diagnose(v4)
            .expect(filtered().path(2, "10.4.2.2")),
        scenario("the port is dropped and the routers send no ICMP")
            .nft("r1", no_icmp())
            .nft("r2", no_icmp() + "table inet more { chain f { type filter hook forward priority 1; tcp dport 5432 drop; } }")
            .diagnose(v4)
            .expect(fault("tcp.timeout_filtered").likely().path_from_start().within_ms(4500)),
        scenario("the port is dropped and the routers limit their ICMP to next to nothing")
            .sysctl("r1", "net/ipv4/icmp_ratelimit", "10000")
            .sysctl("r2", "net/ipv4/icmp_ratelimit", "10000")
            .nft("r2", to_port("forward", 5432, "drop"))
            .diagnose(v4)
            .expect(filtered().path(2, "10.4.2.2")),
        scenario("the port is dropped behind two ways of equal cost")
            .topology(Topology::Ecmp)
            .nft("e2", to_port("forward", 5432, "drop"))
            .diagnose("10.5.3.2:5432")
            .expect(located().path(3, "10.5.21.2")),
        scenario("the port is dropped by a host on our own network")
            .topology(Topology::OnLink)
            .nft("s", to_port("input", 5432, "drop"))
            .diagnose("10.4.1.1:5432")
            .expect(filtered().path_from_start()),
        scenario("a host on our own network drops everything")
            .topology(Topology::OnLink)
            .nft("s", policy("input", "drop", "meta l4proto { udp, tcp, icmp } drop"))
            .diagnose("10.4.1.1:5432")
            // It answers ARP, so it lives.
            .expect(fault("tcp.timeout_filtered").path_from_start()),
        scenario("an IPv6 host on our own network drops everything")
            .topology(Topology::OnLink)
            .nft("s", policy("input", "drop", "icmpv6 type { nd-neighbor-solicit, nd-neighbor-advert } accept"))
            .diagnose("[fd04:1::1]:5432")
            .expect(fault("tcp.timeout_filtered").path_from_start()),
        scenario("the accept queue is full")
            .serve(5432, Serve::QueueFull)
            .diagnose(v4)
            .expect(filtered().path(2, "10.4.2.2")),
        scenario("the host drops everything")
            .nft("s", policy("input", "drop", "meta l4proto { udp, tcp, icmp } drop"))
            .diagnose(v4)
            .expect(silent().path(2, "10.4.2.2")),
        scenario("the host drops everything but neighbour discovery")
            .nft("s", policy("input", "drop", "icmpv6 type { nd-neighbor-solicit, nd-neighbor-advert } accept"))
            .diagnose(v6)
            .expect(silent().path(2, "fd04:2::2")),
        scenario("nothing answers and the user knows that the VPN is down")
            .nft("s", policy("input", "drop", "meta l4proto { udp, tcp, icmp } drop"))
            .diagnose("10.4.3.2:5432 --answer vpn=down")
            .expect(fault("route.vpn_down").kind("here")),
        scenario("the port is dropped and the user knows that it never worked")
            .nft("r2", to_port("forward", 5432, "drop"))
            .diagnose("10.4.3.2:5432 --answer history=never")
            .expect(filtered().path(2, "10.4.2.2").naming("ask those who run the firewalls")),
        scenario("the host has no way back")
            .ip("s", "route del default")
            .diagnose(v4)
            .expect(silent().path(2, "10.4.2.2")),
        scenario("the host is off and its router keeps that to itself")
            .ip("s", "link set s0 down")
            .nft("r2", chain("output", "icmp type destination-unreachable drop"))
            .diagnose(v4)
            .expect(silent().path(2, "10.4.2.2")),
        scenario("the gateway is there and does not forward")
            .sysctl("r1", "net/ipv4/ip_forward", "0")
            .diagnose(v4)
            .expect(silent().path_from_start()),
        scenario("the first router drops everything for the host")
            .nft("r1", chain("forward", "ip daddr 10.4.3.2 drop"))
            .diagnose(v4)
            .expect(silent().path(1, "10.4.1.1")),
        scenario("nothing at all answers, not even the first router")
            .nft("r1", chain("prerouting", "ip daddr 10.4.3.2 drop") + &no_icmp())
            .diagnose(v4)
            .expect(silent().path_from_start()),
    ]
}
