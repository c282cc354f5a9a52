//! Somebody says no.

use crate::expect::fault;
use crate::rules::to_port;
use crate::scenario::{Scenario, scenario};
use crate::topology::Topology;

pub(crate) fn all() -> Vec<Scenario> {
    let no_listener =
        |address| fault("tcp.refused_no_listener").target(address).likely().within_ms(1500);
    let reject = |kind: &str| format!("reject with {kind}");
    let port_unreachable = || fault("tcp.rejected_port_unreach").likely().within_ms(1500);
    let admin = || fault("tcp.rejected_admin").likely().within_ms(1500);
    let middlebox = || fault("tcp.refused_middlebox").likely().within_ms(2500);
    let v4 = "10.4.3.2:5432";
    let v6 = "[fd04:3::2]:5432";
    vec![
        scenario("nobody listens").diagnose(v4).expect(no_listener("10.4.3.2")),
        scenario("nobody listens on the IPv6 address")
            .diagnose(v6)
            .expect(no_listener("fd04:3::2")),
        scenario("nobody listens, by name")
            .diagnose("four.lab.test:5432")
            .expect(no_listener("10.4.3.2")),
        scenario("nobody listens at loopback")
            .diagnose("127.0.0.1:5432")
            .expect(no_listener("127.0.0.1").confirmed()),
        scenario("nobody listens at IPv6 loopback")
            .diagnose("[::1]:5432")
            .expect(no_listener("::1").confirmed()),
        scenario("nobody listens and the routers and the host send no ICMP")
            .nft("r1", crate::rules::no_icmp())
            .nft("r2", crate::rules::no_icmp())
            .nft("s", crate::rules::no_icmp())
            .diagnose(v4)
            .expect(no_listener("10.4.3.2")),
        scenario("nobody listens on a host of our own network")
            .topology(Topology::OnLink)
            .diagnose("10.4.1.1:5432")
            .expect(no_listener("10.4.1.1")),
        scenario("nobody listens at an address of this machine")
            .diagnose("10.4.1.2:5432")
            .expect(no_listener("10.4.1.2").confirmed()),
        scenario("a host of our own network rejects with port-unreachable")
            .topology(Topology::OnLink)
            .nft("s", to_port("input", 5432, "reject"))
            .diagnose("10.4.1.1:5432")
            .expect(port_unreachable().hop(1, "10.4.1.1")),
        scenario("the fifth of seven routers answers admin-prohibited")
            .topology(Topology::Line(7))
            .nft("r5", to_port("forward", 5432, &reject("icmpx type admin-prohibited")))
            .diagnose("10.4.8.2:5432")
            .expect(admin().hop(5, "10.4.5.2")),
        scenario("the fourth of six routers resets")
            .topology(Topology::Line(6))
            .nft("r4", to_port("forward", 5432, &reject("tcp reset")))
            .diagnose("10.4.7.2:5432")
            .expect(middlebox().path(4, "10.4.4.2")),
        scenario("the second router resets and no other port of the host answers TCP")
            .no_services()
            .nft("r2", to_port("forward", 5432, &reject("tcp reset")))
            .nft("s", crate::rules::policy("input", "drop", "meta l4proto udp accept"))
            .diagnose(v4)
            .expect(middlebox().path(2, "10.4.2.2").within_ms(4500)),
        scenario("the first router rejects with port-unreachable")
            .nft("r1", to_port("forward", 5432, "reject"))
            .diagnose(v4)
            .expect(port_unreachable().hop(1, "10.4.1.1")),
        scenario("the second router rejects with port-unreachable")
            .nft("r2", to_port("forward", 5432, "reject"))
            .diagnose(v4)
            .expect(port_unreachable().hop(2, "10.4.2.2")),
        scenario("the host's own firewall rejects with port-unreachable")
            .nft("s", to_port("input", 5432, "reject"))
            .diagnose(v4)
            .expect(port_unreachable().hop(3, "10.4.3.2")),
        scenario("the second router rejects IPv6 with port-unreachable")
            .nft("r2", to_port("forward", 5432, "reject"))
            .diagnose(v6)
            .expect(port_unreachable().hop(2, "fd04:2::2")),
        scenario("the first router answers admin-prohibited")
            .nft("r1", to_port("forward", 5432, &reject("icmpx type admin-prohibited")))
            .diagnose(v4)
            .expect(admin().hop(1, "10.4.1.1")),
        scenario("the second router answers host-prohibited")
            .nft("r2", to_port("forward", 5432, &reject("icmp type host-prohibited")))
            .diagnose(v4)
            .expect(admin().hop(2, "10.4.2.2")),
        scenario("the second router answers net-prohibited")
            .nft("r2", to_port("forward", 5432, &reject("icmp type net-prohibited")))
            .diagnose(v4)
            .expect(admin().hop(2, "10.4.2.2")),
        scenario("the host's own firewall answers admin-prohibited")
            .nft("s", to_port("input", 5432, &reject("icmpx type admin-prohibited")))
            .diagnose(v4)
            .expect(admin().hop(3, "10.4.3.2")),
        scenario("the second router answers IPv6 admin-prohibited")
            .nft("r2", to_port("forward", 5432, &reject("icmpv6 type admin-prohibited")))
            .diagnose(v6)
            .expect(admin().hop(2, "fd04:2::2")),
        scenario("the first router answers IPv6 policy-fail")
            .nft("r1", to_port("forward", 5432, &reject("icmpv6 type policy-fail")))
            .diagnose(v6)
            .expect(admin().hop(1, "fd04:1::1")),
        scenario("the second router answers IPv6 reject-route")
            .nft("r2", to_port("forward", 5432, &reject("icmpv6 type reject-route")))
            .diagnose(v6)
            .expect(admin().hop(2, "fd04:2::2")),
        scenario("host-unreachable for this port only, others work")
            .nft("r2", to_port("forward", 5432, &reject("icmp type host-unreachable")))
            .diagnose(v4)
            .expect(admin().hop(2, "10.4.2.2").within_ms(2500)),
        scenario("net-unreachable for this port only, others work")
            .nft("r1", to_port("forward", 5432, &reject("icmp type net-unreachable")))
            .diagnose(v4)
            .expect(admin().hop(1, "10.4.1.1").within_ms(2500)),
        scenario("IPv6 address-unreachable for this port only, others work")
            .nft("r2", to_port("forward", 5432, &reject("icmpv6 type addr-unreachable")))
            .diagnose(v6)
            .expect(admin().hop(2, "fd04:2::2").within_ms(2500)),
        scenario("the first router resets")
            .nft("r1", to_port("forward", 5432, &reject("tcp reset")))
            .diagnose(v4)
            .expect(middlebox().path(1, "10.4.1.1")),
        scenario("the second router resets")
            .nft("r2", to_port("forward", 5432, &reject("tcp reset")))
            .diagnose(v4)
            .expect(middlebox().path(2, "10.4.2.2")),
        scenario("the first router resets IPv6")
            .nft("r1", to_port("forward", 5432, &reject("tcp reset")))
            .diagnose(v6)
            .expect(middlebox().path(1, "fd04:1::1")),
        scenario("the second router resets IPv6")
            .nft("r2", to_port("forward", 5432, &reject("tcp reset")))
            .diagnose(v6)
            .expect(middlebox().path(2, "fd04:2::2")),
        scenario("the second router resets and nothing else of the host answers")
            .no_services()
            .nft(
                "r2",
                crate::rules::chain(
                    "forward",
                    "ip daddr 10.4.3.2 tcp flags syn reject with tcp reset; ip daddr 10.4.3.2 drop",
                ),
            )
            .diagnose(v4)
            .expect(
                fault("tcp.refused_middlebox").or_id("tcp.refused_no_listener").within_ms(5000),
            ),
        scenario("the host's own firewall resets")
            .nft("s", to_port("input", 5432, &reject("tcp reset")))
            .diagnose(v4)
            .expect(fault("tcp.refused_no_listener").target("10.4.3.2").within_ms(2500)),
    ]
}
