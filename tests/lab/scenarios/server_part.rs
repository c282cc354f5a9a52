//! Rules that concern a part of what comes: a family, an address of ours, some clients. Who listens, and
//! for whom, says whether that is everybody.

use crate::expect::{Expect, fault, healthy};
use crate::process::{Accepts, process};
use crate::rules::chain;
use crate::scenario::Scenario;
use crate::scenarios::server::{firewall_unseen, on_server};

const IPTABLES: &str = "table ip filter { chain INPUT { type filter hook input priority 0; tcp dport 8080 counter drop; } }";
const IP6TABLES: &str = "table ip6 filter { chain INPUT { type filter hook input priority 0; tcp dport 8080 counter drop; } }";

fn listening(name: &'static str, at: &'static str) -> Scenario {
    on_server(name)
        .process("s", process("shop").listens(at, 128, Accepts::Reads))
        .diagnose(":8080")
        .for_nobody(firewall_unseen())
}

pub(crate) fn all() -> Vec<Scenario> {
    let shut = || fault("fw.input_drop").here().likely();
    let open = |expect: Expect| expect.without("fw.input_drop");
    vec![
        listening("iptables drops the port and the listener takes both families", "[::]:8080")
            .nft("s", IPTABLES)
            .for_root(shut().naming("IPv4 clients").naming("iptables -I INPUT")),
        listening("iptables drops the port and the listener takes IPv4 alone", "0.0.0.0:8080")
            .nft("s", IPTABLES)
            .for_root(shut().naming("iptables -I INPUT")),
        listening("ip6tables drops the port and the listener takes IPv4 alone", "0.0.0.0:8080")
            .nft("s", IP6TABLES)
            .for_root(open(healthy())),
        listening("a rule drops the port at the address of the listener", "10.4.3.2:8080")
            .ip("s", "address add 10.4.3.9/32 dev s0")
            .nft("s", chain("input", "ip daddr 10.4.3.2 tcp dport 8080 drop"))
            .for_root(shut().naming("10.4.3.2")),
        listening("a rule drops the port at our only IPv4 address", "0.0.0.0:8080")
            .nft("s", chain("input", "ip daddr 10.4.3.2 tcp dport 8080 drop"))
            .for_root(shut()),
        listening("a rule drops the port at one of our addresses", "[::]:8080")
            .ip("s", "address add 10.4.3.9/32 dev s0")
            .nft("s", chain("input", "ip daddr 10.4.3.9 tcp dport 8080 drop"))
            .for_root(
                healthy().finding("fw.input_drop").naming("clients that connect to 10.4.3.9"),
            ),
        listening("a rule drops the port at an address that is not ours", "[::]:8080")
            .nft("s", chain("input", "ip daddr 10.4.7.7 tcp dport 8080 drop"))
            .for_root(open(healthy())),
        listening("a rule accepts the port at our address and the policy drops", "0.0.0.0:8080")
            .nft(
                "s",
                "table ip lab { chain in { type filter hook input priority 0; policy drop; \
                 iif lo accept; ip daddr 10.4.3.2 tcp dport 8080 accept; } }",
            )
            .for_root(open(healthy())),
        listening("iptables lets one network in and the listener takes both families", "[::]:8080")
            .nft(
                "s",
                "table ip filter { chain INPUT { type filter hook input priority 0; policy drop; \
                 iif lo accept; ip saddr 10.9.0.0/16 tcp dport 8080 accept; } }",
            )
            .for_root(healthy().finding("fw.input_drop").naming("10.9.0.0/16")),
    ]
}
