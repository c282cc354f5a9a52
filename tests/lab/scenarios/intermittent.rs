//! What fails now and then, sampled over a while.

use crate::dns_server::Zone;
use crate::expect::{degraded, fault, healthy};
use crate::process::{Accepts, process};
use crate::rules::chain;
use crate::scenario::{Scenario, scenario};
use crate::scenarios::server::on_server;

/// A second of sampling is enough where every n-th packet is hit.
const SAMPLE: &str = "--runbook intermittent --param attempts=20 --param pace_ms=50";
/// Every sixth new connection.
const EVERY_SIXTH: &str =
    "tcp dport 80 tcp flags & (syn | ack) == syn numgen inc mod 6 == 0 counter";

pub(crate) fn all() -> Vec<Scenario> {
    let sampled = |name, target: &str| scenario(name).diagnose(&format!("{target} {SAMPLE}"));
    let slow = || fault("tcp.timeout_accept_queue").here().confirmed().within_ms(9000);
    vec![
        sampled("every sixth connection is refused", "10.4.3.2:80")
            .nft("s", chain("input", &format!("{EVERY_SIXTH} reject with tcp reset")))
            .expect(fault("tcp.intermittent").kind("path").naming("of 20").within_ms(8000)),
        sampled("every sixth first SYN is dropped", "10.4.3.2:80")
            .nft("s", chain("input", &format!("{EVERY_SIXTH} drop")))
            .expect(degraded("tcp.slow_handshake").kind("path").naming("of 20").within_ms(8000)),
        sampled("every seventh frame is lost, each way", "10.4.3.2:80")
            .ping_allowed()
            .frames(|| {
                let mut frames = 0;
                move |_, _| {
                    frames += 1;
                    frames % 7 != 0
                }
            })
            .expect(
                degraded("icmp.loss")
                    .or_id("tcp.slow_handshake")
                    .or("fault", "tcp.intermittent")
                    .kind("path")
                    .within_ms(9000),
            ),
        on_server("the service on this machine accepts too slowly")
            .process("s", process("busy").listens("0.0.0.0:8080", 1, Accepts::EveryMs(400)))
            .diagnose(&format!("127.0.0.1:8080 {SAMPLE}"))
            .for_nobody(slow())
            .for_root(slow().naming_process("busy")),
        sampled("one of two name servers is dead and connections work", "www.lab.test:80")
            .resolv("nameserver 10.4.9.53\nnameserver 10.4.9.54\n")
            .dns(Zone::usual())
            .expect(degraded("dns.server_partial").resolver("10.4.9.54").within_ms(9000)),
        sampled("every connection is refused", "10.4.3.2:81")
            .expect(fault("tcp.refused_no_listener").target("10.4.3.2").within_ms(9000)),
        sampled("nothing ever fails", "10.4.3.2:80").expect(healthy().quiet().within_ms(8000)),
    ]
}
