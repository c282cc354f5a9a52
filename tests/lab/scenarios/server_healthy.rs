//! Servers that look odd and work: nothing here may be called a fault.
//!
//! Without the right to read the firewall, "nobody can reach it" stays open.

use crate::expect::{Expect, healthy};
use crate::load::crowd;
use crate::process::{Accepts, process};
use crate::rules::{chain, policy};
use crate::scenario::Scenario;
use crate::scenarios::server::{firewall_unseen, on_server, server};
use crate::seen::{State, counter, wait_for};

impl Scenario {
    /// Root finds nothing; nobody finds nothing either but can't read the rules.
    pub(crate) fn all_well(self) -> Scenario {
        self.all_well_but(&|expect| expect.quiet())
    }

    pub(crate) fn all_well_but(self, then: &dyn Fn(Expect) -> Expect) -> Scenario {
        self.for_root(then(healthy())).for_nobody(then(firewall_unseen()))
    }
}

pub(crate) fn all() -> Vec<Scenario> {
    let shop = || process("shop").listens("[::]:8080", 128, Accepts::Reads);
    let serving = |name| on_server(name).process("s", shop()).diagnose(":8080");
    vec![
        serving("a plain service").unchanged().all_well(),
        on_server("a plain service of IPv4 alone")
            .process("s", process("shop").listens("0.0.0.0:8080", 128, Accepts::Reads))
            .diagnose(":8080")
            .all_well_but(&|expect| expect),
        on_server("two listeners share the port, one for each family")
            .process(
                "s",
                process("shop")
                    .listens_v6_only(8080, Accepts::Reads)
                    .listens("0.0.0.0:8080", 128, Accepts::Reads),
            )
            .diagnose(":8080")
            .all_well(),
        on_server("one listener at loopback and one at our address")
            .process(
                "s",
                process("shop")
                    .listens("127.0.0.1:8080", 128, Accepts::Reads)
                    .listens("10.4.3.2:8080", 128, Accepts::Reads),
            )
            .diagnose(":8080")
            .all_well_but(&|expect| expect.without("tcp.refused_loopback_only")),
        serving("the same port in another network namespace as well")
            .process_apart(process("boxed").listens("0.0.0.0:8080", 128, Accepts::Reads))
            .all_well(),
        serving("the firewall drops other ports")
            .nft("s", chain("input", "tcp dport { 80, 443, 8000-8079, 8081-9000 } counter drop"))
            .all_well(),
        serving("the firewall drops all but this port")
            .nft("s", policy("input", "drop", "iif lo accept; ct state established,related accept; tcp dport { 22, 8080 } accept"))
            .all_well(),
        serving("only one network is let in")
            .nft("s", policy("input", "drop", "iif lo accept; ct state established,related accept; ip saddr 10.9.0.0/16 tcp dport 8080 accept"))
            .for_root(healthy().finding("fw.input_drop").naming("10.9.0.0/16"))
            .for_nobody(firewall_unseen()),
        serving("strangers that misbehaved are shut out for a while")
            .nft(
                "s",
                "table inet lab { set banned { type ipv4_addr; elements = { 10.66.0.1, 10.4.1.2 }; } \
                 chain input { type filter hook input priority 0; \
                 ip saddr @banned counter drop; ct state invalid drop; } }",
            )
            .all_well(),
        serving("new connections are let in at a limited rate")
            .nft("s", policy("input", "drop", "iif lo accept; ct state established,related accept; tcp dport 8080 limit rate 100/second accept"))
            .for_root(healthy())
            .for_nobody(firewall_unseen()),
        serving("the rules of firewalld let the port in")
            .nft("s", FIREWALLD)
            .all_well(),
        serving("the firewall drops UDP at this port")
            .nft("s", chain("input", "udp dport 8080 drop; tcp sport 8080 drop"))
            .all_well(),
        serving("the rules that drop the port are in a table that sleeps")
            .nft("s", "table inet lab { flags dormant; chain input { type filter hook input priority 0; tcp dport 8080 drop; } }")
            .all_well(),
        serving("the firewall drops the port on another interface")
            .nft("s", chain("input", "iifname docker0 tcp dport 8080 drop"))
            .all_well(),
        serving("the firewall drops the port after it has been accepted")
            .nft("s", chain("input", "tcp dport 8080 counter accept; counter drop"))
            .knocking(8080, 40)
            .all_well(),
        serving("old overflows, and none since")
            .process("s", process("stuck").listens("0.0.0.0:9000", 0, Accepts::Nothing))
            .knocking_until(9000, 300)
            .all_well(),
        serving("another service's queue is full and nobody calls there")
            .process("s", process("stuck").listens("0.0.0.0:9000", 3, Accepts::Nothing))
            .step(|lab| {
                let waiting = crowd(lab.host("r2"), server(9000), 4)?;
                lab.keep(waiting);
                Ok(())
            })
            .all_well(),
        on_server("connections wait in a queue that has room")
            .process("s", process("slow").listens("0.0.0.0:8080", 128, Accepts::Nothing))
            .step(|lab| {
                let waiting = crowd(lab.host("r2"), server(8080), 20)?;
                lab.keep(waiting);
                Ok(())
            })
            .diagnose(":8080")
            .all_well_but(&|expect| expect.without("tcp.timeout_accept_queue")),
        on_server("2000 connections are open and more come")
            .process("s", process("shop").listens("[::]:8080", 1024, Accepts::Keeps))
            .step(|lab| {
                let clients = crowd(lab.host("r2"), server(8080), 2000)?;
                lab.keep(clients);
                Ok(())
            })
            .sockets(State::Established, 8080, 2000)
            .knocking(8080, 40)
            .diagnose(":8080")
            .all_well(),
        on_server("5000 connections from many clients wait to be forgotten")
            .process("s", process("shop").listens("[::]:8080", 4096, Accepts::Closes))
            .step(|lab| crowd_that_leaves(lab, 5000))
            .sockets(State::TimeWait, 8080, 4900)
            .diagnose(":8080")
            .all_well_but(&|expect| expect.without("socket.time_wait_pressure")),
        serving("5000 connections of ours wait to be forgotten, and ports are plenty")
            .lingering(5000)
            .sockets(State::TimeWait, 0, 4900)
            .all_well_but(&|expect| expect.without("socket.time_wait_pressure")),
    ]
}

/// As firewalld writes them, with the port open in the public zone.
pub(crate) const FIREWALLD: &str = "table inet firewalld {
    chain filter_INPUT { type filter hook input priority 10; policy accept;
        ct state { established, related } accept
        ct status dnat accept
        iifname \"lo\" accept
        ct state invalid drop
        jump filter_INPUT_ZONES
        reject with icmpx admin-prohibited
    }
    chain filter_INPUT_ZONES { goto filter_IN_public
    }
    chain filter_IN_public { jump filter_IN_public_allow
        meta l4proto { icmp, ipv6-icmp } accept
        reject with icmpx admin-prohibited
    }
    chain filter_IN_public_allow { tcp dport 22 accept
        tcp dport 8080 accept
    }
}
";

/// Clients that leave as soon as the service has closed.
fn crowd_that_leaves(lab: &mut crate::lab::Lab, count: usize) -> std::io::Result<()> {
    use std::io::Read;
    for mut client in crowd(lab.host("r2"), server(8080), count)? {
        client.read_to_end(&mut Vec::new())?;
    }
    Ok(())
}

impl Scenario {
    /// Somebody connects again and again until so many SYNs have been dropped, and then leaves.
    fn knocking_until(self, port: u16, overflows: u64) -> Scenario {
        self.step(move |lab| {
            let every = std::time::Duration::from_millis(1);
            let knocking = crate::load::knocking(lab.host("r2"), server(port), every)?;
            let host = lab.host("s");
            wait_for("overflows", || Ok(counter(host, "TcpExt", "ListenOverflows")? >= overflows))?;
            drop(knocking);
            Ok(())
        })
    }
}
