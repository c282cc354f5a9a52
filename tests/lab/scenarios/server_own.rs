//! The target is an address of the machine that asks: what can be seen of the server is looked at.

use std::net::SocketAddr;
use std::time::Duration;

use crate::expect::{fault, healthy};
use crate::load::knocking;
use crate::process::{Accepts, process};
use crate::rules::to_port;
use crate::scenario::{Scenario, scenario};
use crate::seen::{counter, wait_for};
use crate::servers::Serve;

/// A scenario whose client asks itself.
fn own(name: &'static str) -> Scenario {
    scenario(name).run_on("c")
}

pub(crate) fn all() -> Vec<Scenario> {
    let shop = || process("shop");
    let refused = |id| fault(id).likely().within_ms(4000);
    vec![
        own("a client asks its own IPv4 address and the listener takes IPv6 alone")
            .process("c", shop().listens_v6_only(5432, Accepts::Reads))
            .diagnose("10.4.1.2:5432")
            .expect(refused("tcp.refused_family").here().naming("IPv6")),
        own("a client asks its own IPv6 address and the listener takes IPv4 alone")
            .process("c", shop().listens("0.0.0.0:5432", 128, Accepts::Reads))
            .diagnose("[fd04:1::2]:5432")
            .expect(refused("tcp.refused_family").here().naming("IPv4")),
        own("a client asks its own address and the listener has another of them")
            .ip("c", "addr add 10.4.1.77/24 dev c0")
            .process("c", shop().listens("10.4.1.77:5432", 128, Accepts::Reads))
            .diagnose("10.4.1.2:5432")
            .expect(refused("tcp.refused_no_listener").target("10.4.1.2").naming("10.4.1.77")),
        own("a client asks its own address and a container listens")
            .process_apart(process("boxed").listens("0.0.0.0:7433", 128, Accepts::Reads))
            .diagnose("10.4.1.2:7433")
            .expect(refused("tcp.refused_no_listener").target("10.4.1.2").naming("boxed")),
        own("a client asks its own address and the first few fill the queue")
            .process("c", process("stuck").listens("0.0.0.0:5432", 1, Accepts::Nothing))
            .diagnose("10.4.1.2:5432")
            .for_nobody(fault("tcp.timeout_accept_queue").here().within_ms(6000))
            .for_root(
                fault("tcp.timeout_accept_queue").here().naming_process("stuck").within_ms(6000),
            ),
        own("a client asks its own IPv6 address and the queue there is full")
            .process("c", process("stuck").listens("[::]:5432", 2, Accepts::Nothing))
            .step(|lab| {
                let target: SocketAddr =
                    "[fd04:1::2]:5432".parse().map_err(std::io::Error::other)?;
                let knocks = knocking(lab.host("c"), target, Duration::from_millis(40))?;
                lab.keep(knocks);
                let host = lab.host("c");
                wait_for("overflows", || Ok(counter(host, "TcpExt", "ListenOverflows")? >= 3))
            })
            .diagnose("[fd04:1::2]:5432")
            .expect(fault("tcp.timeout_accept_queue").here().likely().within_ms(6000)),
        own("a client asks its own address and an input rule drops it")
            .nft("c", to_port("input", 5432, "drop"))
            .serve_on("c", 5432, Serve::Reads)
            .diagnose("10.4.1.2:5432")
            .for_nobody(
                fault("fw.input_drop").or_id("tcp.blocked_local_output").here().within_ms(6000),
            )
            .for_root(fault("fw.input_drop").here().naming("lab_input").within_ms(6000)),
        own("a client asks its own address, a plain service with a queue")
            .process("c", shop().listens("[::]:5432", 128, Accepts::Reads))
            .diagnose("10.4.1.2:5432")
            .expect(healthy().quiet()),
        scenario("a service works and the client's table of connections is nearly full")
            .tracked("c", "output", 86)
            .diagnose("10.4.3.2:80")
            .expect(healthy().finding("conntrack.near_full").within_ms(20_000)),
        own("a client asks its own service and its table of connections is full")
            .process("c", shop().listens("[::]:5432", 128, Accepts::Reads))
            .tracked("c", "input", 100)
            .diagnose("10.4.1.2:5432")
            .expect(fault("conntrack.full").here().within_ms(20_000)),
        scenario("every local port to the service is taken")
            .sysctl("c", "net/ipv4/ip_local_port_range", "40000 40019")
            .process("c", process("pool").connects("10.4.3.2:80", 20))
            .diagnose("10.4.3.2:80")
            .expect(
                fault("tcp.ephemeral_exhausted")
                    .here()
                    .naming("20")
                    .finding("kernel.port_range_narrow"),
            ),
        scenario("many connections to another service leave ports for this one")
            .sysctl("c", "net/ipv4/ip_local_port_range", "40000 40019")
            .process("c", process("pool").connects("10.4.3.2:8080", 20))
            .diagnose("10.4.3.2:80")
            .expect(healthy().or("degraded", "kernel.port_range_narrow")),
    ]
}
