//! The table of tracked connections is full, on the server or on the client.

use crate::conntrack::{TOP_SOURCE, fill};
use crate::expect::{degraded, fault};
use crate::process::{Accepts, process};
use crate::rules::chain;
use crate::scenario::{Scenario, scenario};
use crate::scenarios::server::{firewall_unseen, on_server};

impl Scenario {
    /// Connections of a host are tracked on a hook, and so many places of a hundred are taken.
    pub(crate) fn tracked(self, host: &'static str, hook: &'static str, percent: u32) -> Scenario {
        self.nft(host, chain(hook, "ct state new counter"))
            .step(move |lab| fill(lab.host(host), percent))
    }
}

pub(crate) fn all() -> Vec<Scenario> {
    let full = || fault("conntrack.full").here().likely().within_ms(20_000);
    let near = || degraded("conntrack.near_full").here().within_ms(20_000);
    let serving = |name| {
        on_server(name)
            .process("s", process("shop").listens("[::]:8080", 128, Accepts::Reads))
            .diagnose(":8080")
    };
    vec![
        serving("the server tracks as many connections as it can and clients keep coming")
            .tracked("s", "input", 100)
            .knocking(8080, 40)
            .for_nobody(full())
            .for_root(full().naming(TOP_SOURCE)),
        serving("the server's table of connections is nearly full")
            .tracked("s", "input", 86)
            .for_nobody(
                firewall_unseen()
                    .or("degraded", "conntrack.near_full")
                    .noting("conntrack.near_full"),
            )
            .for_root(near().naming(TOP_SOURCE)),
        scenario("the client tracks as many connections as it can")
            .tracked("c", "output", 100)
            .diagnose("10.4.3.2:80")
            .expect(full()),
    ]
}
