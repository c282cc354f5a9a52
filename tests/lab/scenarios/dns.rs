//! Names.

use std::time::Duration;

use hickory_proto::op::ResponseCode;

use crate::dns_server::{Answer, Zone};
use crate::expect::{degraded, fault, healthy};
use crate::rules::chain;
use crate::scenario::{Scenario, scenario};

const TWO_SERVERS: &str = "nameserver 10.4.9.53\nnameserver 10.4.9.54\n";

pub(crate) fn all() -> Vec<Scenario> {
    let silent = || Zone::always(Answer::Silence);
    let code = |code| Zone::always(Answer::Code(code));
    let unreachable = || fault("dns.unreachable").resolver("10.4.9.53").within_ms(6000);
    vec![
        scenario("no name server is configured")
            .resolv("search lab.test\n")
            .diagnose("www.lab.test:80")
            .expect(fault("dns.no_nameservers").here().confirmed().within_ms(1500)),
        scenario("the only name server is silent")
            .dns(silent())
            .diagnose("www.lab.test:80")
            .expect(unreachable().likely()),
        scenario("both name servers are silent")
            .dns(silent())
            .second_dns(silent())
            .resolv(TWO_SERVERS)
            .diagnose("www.lab.test:80")
            .expect(unreachable().naming("10.4.9.54")),
        scenario("no name server listens on its host")
            .no_dns()
            .diagnose("www.lab.test:80")
            .expect(unreachable().confirmed().within_ms(2500)),
        scenario("the name server should be a stub on this machine, which is not running")
            .resolv("nameserver 127.0.0.53\n")
            .diagnose("www.lab.test:80")
            .expect(fault("dns.unreachable").resolver("127.0.0.53").confirmed().within_ms(2500)),
        scenario("a firewall rejects the way to the name server")
            .nft("r1", chain("forward", "udp dport 53 reject with icmpx type admin-prohibited"))
            .diagnose("www.lab.test:80")
            .expect(unreachable().within_ms(2500)),
        scenario("the host of the name server is off")
            .ip("d", "link set d0 down")
            .diagnose("www.lab.test:80")
            .expect(unreachable()),
        scenario("the first of two name servers is silent")
            .dns(silent())
            .second_dns(Zone::usual())
            .resolv(TWO_SERVERS)
            .diagnose("www.lab.test:80")
            .expect(healthy().finding("dns.server_partial").naming("10.4.9.53").within_ms(7000)),
        scenario("the second of two name servers has its port closed")
            .resolv(TWO_SERVERS)
            .diagnose("www.lab.test:80")
            .expect(healthy().finding("dns.server_partial").naming("10.4.9.54")),
        scenario("two of three name servers are dead")
            .dns(silent())
            .second_dns(Zone::usual())
            .resolv("nameserver 10.4.9.53\nnameserver 10.4.9.1\nnameserver 10.4.9.54\n")
            .diagnose("www.lab.test:80")
            .expect(
                healthy()
                    .finding("dns.server_partial")
                    .naming("10.4.9.53")
                    .naming("10.4.9.1")
                    .within_ms(9000),
            ),
        scenario("the name does not exist").diagnose("nowhere.lab.test:80").expect(
            fault("dns.name_not_resolved").resolver("10.4.9.53").confirmed().within_ms(1500),
        ),
        scenario("the name is an alias of one that does not exist")
            .dns(Zone::usual().alias("old.lab.test", "gone.lab.test"))
            .diagnose("old.lab.test:80")
            .expect(fault("dns.name_not_resolved").resolver("10.4.9.53").within_ms(1500)),
        scenario("the name exists without an address")
            .diagnose("empty.lab.test:80")
            .expect(fault("dns.no_data").resolver("10.4.9.53").confirmed().within_ms(1500)),
        scenario("the name has no address of the wanted family")
            .diagnose("six.lab.test:80 -4")
            .expect(fault("dns.no_data").resolver("10.4.9.53").within_ms(1500)),
        scenario("the name server fails")
            .dns(code(ResponseCode::ServFail))
            .diagnose("www.lab.test:80")
            .expect(fault("dns.servfail").resolver("10.4.9.53").confirmed().within_ms(2500)),
        scenario("the name server refuses us")
            .dns(code(ResponseCode::Refused))
            .diagnose("www.lab.test:80")
            .expect(fault("dns.refused").resolver("10.4.9.53").confirmed().within_ms(2500)),
        scenario("the hosts file points to a machine where nobody listens")
            .hosts("127.0.0.1 localhost\n10.4.2.2 www.lab.test\n")
            .diagnose("www.lab.test:80")
            .expect(
                fault("dns.hosts_override").here().likely().naming("10.4.2.2").naming("10.4.3.2"),
            ),
        scenario("the hosts file points to a machine that is off")
            .hosts("127.0.0.1 localhost\n10.4.3.66 www.lab.test\n")
            .diagnose("www.lab.test:80")
            .expect(fault("dns.hosts_override").here().naming("10.4.3.66").within_ms(5000)),
        scenario("the hosts file differs from DNS and works")
            .ip("s", "addr add 10.4.3.3/24 dev s0")
            .hosts("127.0.0.1 localhost\n10.4.3.3 www.lab.test\n")
            .diagnose("www.lab.test:80")
            .expect(healthy().finding("dns.hosts_override")),
        scenario("one of two addresses refuses")
            .dns(Zone::usual().name("pair.lab.test", &["10.4.3.2", "10.4.2.2"]))
            .diagnose("pair.lab.test:80")
            .expect(degraded("dns.dead_address").target("10.4.2.2")),
        scenario("one of two addresses is silent")
            .ip("s", "addr add 10.4.3.3/24 dev s0")
            .nft("s", chain("input", "ip daddr 10.4.3.3 drop"))
            .dns(Zone::usual().name("pair.lab.test", &["10.4.3.2", "10.4.3.3"]))
            .diagnose("pair.lab.test:80")
            .expect(degraded("dns.dead_address").target("10.4.3.3")),
        scenario("one of three addresses has no host")
            .ip("s", "addr add 10.4.3.3/24 dev s0")
            .dns(Zone::usual().name("trio.lab.test", &["10.4.3.66", "10.4.3.2", "10.4.3.3"]))
            .diagnose("trio.lab.test:80")
            .expect(degraded("dns.dead_address").target("10.4.3.66").within_ms(5000)),
        scenario("the name is IPv6 only and this machine has no IPv6 route")
            .ip6("c", "route del default")
            .diagnose("six.lab.test:80")
            .expect(fault("dns.family_unusable").here().likely().within_ms(1500)),
        scenario("the name is IPv6 only and IPv6 is off here")
            .sysctl("c", "net/ipv6/conf/all/disable_ipv6", "1")
            .diagnose("six.lab.test:80")
            .expect(fault("dns.family_unusable").here().likely().within_ms(1500)),
        scenario("the name server takes 700 ms")
            .dns(Zone::usual().answer(
                "late.lab.test",
                Answer::Late(
                    Duration::from_millis(700),
                    Box::new(Answer::Addresses(vec!["10.4.3.2".parse().expect("an address")])),
                ),
            ))
            .diagnose("late.lab.test:80")
            .expect(healthy().within_ms(4000)),
        scenario("the answer is truncated and comes over TCP")
            .dns(Zone::usual().answer("large.lab.test", truncated()))
            .diagnose("large.lab.test:80")
            .expect(healthy().quiet()),
        scenario("the answer is truncated and TCP to the name server is closed")
            .dns(Zone::usual().answer("large.lab.test", truncated()).without_tcp())
            .diagnose("large.lab.test:80")
            .expect(fault("dns.tcp_fallback_blocked").resolver("10.4.9.53").within_ms(6000)),
    ]
}

fn truncated() -> Answer {
    let address = "10.4.3.2".parse().expect("an address");
    Answer::Truncated(Box::new(Answer::Addresses(vec![address])))
}
