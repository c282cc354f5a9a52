//! Is the host there at all?

use crate::expect::{fault, healthy};
use crate::rules::{chain, to_port};
use crate::scenario::{Scenario, scenario};
use crate::wire::Way;

pub(crate) fn all() -> Vec<Scenario> {
    let down = |address| fault("host.down").target(address).likely().within_ms(4500);
    vec![
        scenario("the target is off")
            .ip("s", "link set s0 down")
            .diagnose("10.4.3.2:80")
            .expect(down("10.4.3.2")),
        scenario("the IPv6 target is off")
            .ip("s", "link set s0 down")
            .diagnose("[fd04:3::2]:80")
            .expect(down("fd04:3::2")),
        scenario("no host has the address").diagnose("10.4.3.66:80").expect(down("10.4.3.66")),
        scenario("the target of a name is off")
            .ip("s", "link set s0 down")
            .diagnose("four.lab.test:80")
            .expect(down("10.4.3.2")),
        scenario("a router has no route to the network")
            .diagnose("10.99.0.5:80")
            .expect(fault("host.unreachable_net").hop(1, "10.4.1.1").likely().within_ms(2500)),
        scenario("a router has no route to the IPv6 network")
            .diagnose("[fd99::5]:80")
            .expect(fault("host.unreachable_net").hop(1, "fd04:1::1").likely().within_ms(2500)),
        scenario("the second router has an unreachable route")
            .ip("r2", "route add unreachable 10.4.3.2/32\nroute add unreachable fd04:3::2/128")
            .diagnose("10.4.3.2:80")
            .expect(fault("host.unreachable_net").hop(2, "10.4.2.2").likely().within_ms(2500)),
        scenario("the second router has a prohibit route")
            .ip("r2", "route add prohibit 10.4.3.2/32")
            .diagnose("10.4.3.2:80")
            .expect(fault("tcp.rejected_admin").hop(2, "10.4.2.2").within_ms(2500)),
        scenario("the second router has a blackhole route")
            .ip("r2", "route add blackhole 10.4.3.2/32")
            .diagnose("10.4.3.2:80")
            .expect(fault("tcp.timeout_silent").path(1, "10.4.1.1").alternative("host.down")),
        scenario("ping is filtered and the service works")
            .ping_allowed()
            .nft(
                "r2",
                chain("forward", "icmp type echo-request drop; icmpv6 type echo-request drop"),
            )
            .diagnose("10.4.3.2:80")
            .expect(healthy().finding("icmp.filtered").within_ms(4000)),
        scenario("every third ping is lost and the service works")
            .ping_allowed()
            .frames(|| {
                let mut count = 0;
                move |way, frame| {
                    let reply =
                        way == Way::Back && frame.get(12..14) == Some(&[8, 0]) && frame[23] == 1;
                    count += u32::from(reply && frame[34] == 0);
                    !(reply && frame[34] == 0 && count % 3 == 0)
                }
            })
            .diagnose("10.4.3.2:80")
            .expect(healthy().or_degraded("icmp.loss").within_ms(4000)),
        scenario("the target is dead to ping and its port filtered, but ssh answers")
            .ping_allowed()
            .nft("s", to_port("input", 80, "drop") + &chain("prerouting", "ip protocol icmp drop"))
            .diagnose("10.4.3.2:80")
            .expect(fault("tcp.timeout_filtered").path(2, "10.4.2.2").within_ms(2000)),
    ]
}
