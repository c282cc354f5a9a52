//! The first metre: interfaces, carrier, neighbours.

use crate::expect::fault;
use crate::scenario::{Scenario, scenario};
use crate::topology::Topology;

pub(crate) fn all() -> Vec<Scenario> {
    let none_up = || fault("link.none_up").here().confirmed().within_ms(1500);
    let no_carrier = || fault("link.no_carrier").here().likely().within_ms(4500).naming("c0");
    let neighbour = || fault("neigh.failed").here().likely().within_ms(4500);
    vec![
        scenario("the only interface is down")
            .ip("c", "link set c0 down")
            .diagnose("10.4.3.2:80")
            .expect(none_up()),
        scenario("the only interface is down and the target is a name")
            .ip("c", "link set c0 down")
            .diagnose("www.lab.test:80")
            .expect(none_up()),
        scenario("the only interface has no address")
            .ip("c", "addr flush dev c0")
            .diagnose("10.4.3.2:80")
            .expect(none_up().or_id("link.no_address").or_id("route.none")),
        scenario("the cable is out")
            .ip("wire", "link set wl down")
            .diagnose("10.4.3.2:80")
            .expect(no_carrier()),
        scenario("the cable is out and the target is IPv6")
            .ip("wire", "link set wl down")
            .diagnose("[fd04:3::2]:80")
            .expect(no_carrier()),
        scenario("the cable is out and the target is a name")
            .ip("wire", "link set wl down")
            .diagnose("www.lab.test:80")
            .expect(no_carrier()),
        scenario("the gateway is dead")
            .ip("c", "route replace default via 10.4.1.99")
            .diagnose("10.4.3.2:80")
            .expect(neighbour().naming("10.4.1.99")),
        scenario("the IPv6 gateway is dead")
            .ip("c", "route replace default via fd04:1::99")
            .diagnose("[fd04:3::2]:80")
            .expect(neighbour().naming("fd04:1::99")),
        scenario("the link-local IPv6 gateway is dead")
            .ip("c", "route replace default via fe80::99 dev c0")
            .diagnose("[fd04:3::2]:80")
            .expect(neighbour().naming("fe80::99")),
        scenario("the gateway is dead and the name server is behind it")
            .ip("c", "route replace default via 10.4.1.99")
            .ip6("c", "route del default")
            .diagnose("www.lab.test:80")
            .expect(neighbour().naming("10.4.1.99").within_ms(6000)),
        scenario("the target on our own network is off")
            .topology(Topology::OnLink)
            .diagnose("10.4.1.77:80")
            .expect(neighbour().naming("10.4.1.77")),
        scenario("the IPv6 target on our own network is off")
            .topology(Topology::OnLink)
            .diagnose("[fd04:1::77]:80")
            .expect(neighbour().naming("fd04:1::77")),
    ]
}
