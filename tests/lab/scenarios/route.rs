//! This machine's routes, and loops.

use crate::expect::{Expect, fault};
use crate::scenario::{Scenario, scenario};

pub(crate) fn all() -> Vec<Scenario> {
    let local = |id: &'static str| -> Expect { fault(id).here().confirmed().within_ms(1500) };
    let to_v4 = |kind: &str| format!("route add {kind} 10.4.3.2/32");
    let to_v6 = |kind: &str| format!("route add {kind} fd04:3::2/128");
    vec![
        scenario("there is no default route")
            .ip("c", "route del default")
            .diagnose("10.4.3.2:80")
            .expect(local("route.none")),
        scenario("there is no IPv6 default route")
            .ip6("c", "route del default")
            .diagnose("[fd04:3::2]:80")
            .expect(local("route.none")),
        scenario("there is no default route and the name server is not on our network")
            .ip("c", "route del default")
            .ip6("c", "route del default")
            .diagnose("www.lab.test:80")
            .expect(local("route.none")),
        scenario("a link-local target without a zone")
            .diagnose("[fe80::1]:80")
            .expect(fault("target.non_routable").target("fe80::1").within_ms(1500)),
        scenario("a multicast target")
            .diagnose("224.0.0.1:80")
            .expect(fault("target.non_routable").target("224.0.0.1").within_ms(1500)),
        scenario("a blackhole route")
            .ip("c", to_v4("blackhole"))
            .diagnose("10.4.3.2:80")
            .expect(local("route.blackhole")),
        scenario("an IPv6 blackhole route")
            .ip("c", to_v6("blackhole"))
            .diagnose("[fd04:3::2]:80")
            .expect(local("route.blackhole")),
        scenario("a prohibit route")
            .ip("c", to_v4("prohibit"))
            .diagnose("10.4.3.2:80")
            .expect(local("route.prohibit")),
        scenario("an IPv6 prohibit route")
            .ip("c", to_v6("prohibit"))
            .diagnose("[fd04:3::2]:80")
            .expect(local("route.prohibit")),
        scenario("an unreachable route")
            .ip("c", to_v4("unreachable"))
            .diagnose("10.4.3.2:80")
            .expect(local("route.unreachable")),
        scenario("an IPv6 unreachable route")
            .ip("c", to_v6("unreachable"))
            .diagnose("[fd04:3::2]:80")
            .expect(local("route.unreachable")),
        scenario("a policy rule sends one port into an unreachable table")
            .ip(
                "c",
                "rule add ipproto tcp dport 80 table 77\nroute add unreachable default table 77",
            )
            .diagnose("10.4.3.2:80")
            .expect(local("route.unreachable")),
        scenario("a policy rule prohibits the target")
            .ip("c", "rule add to 10.4.3.2 prohibit")
            .diagnose("10.4.3.2:80")
            .expect(local("route.prohibit")),
        scenario("two routers send the packet back and forth")
            .ip("r1", "route add 10.99.0.0/24 via 10.4.2.2")
            .ip("r2", "route add 10.99.0.0/24 via 10.4.2.1")
            .diagnose("10.99.0.5:80")
            .expect(fault("route.loop").path(1, "10.4.1.1").likely()),
        // What somebody else asked a moment ago has used up what routers say in a second.
        scenario("two routers send the packet back and forth and have no errors left")
            .ip("r1", "route add 10.99.0.0/24 via 10.4.2.2")
            .ip("r2", "route add 10.99.0.0/24 via 10.4.2.1")
            .shell(
                "c",
                "for t in 63 64; do ping -q -c 30 -i 0.002 -W 1 -t $t 10.99.0.5; done; true",
            )
            .diagnose("10.99.0.5:80")
            .expect(fault("route.loop").kind("path").likely().anywhere()),
        scenario("two routers send the IPv6 packet back and forth")
            .ip("r1", "route add fd99::/64 via fd04:2::2")
            .ip("r2", "route add fd99::/64 via fd04:2::1")
            .diagnose("[fd99::5]:80")
            // An IPv6 router answers with the address of the interface that the packet came in by:
            // r1 shows two addresses, and the repetition starts at r2.
            .expect(fault("route.loop").path(2, "fd04:2::2").likely()),
    ]
}
