//! The client at a terminal and the server together: only both ends can tell.

use crate::expect::fault;
use crate::process::{Accepts, process};
use crate::rules::{chain, to_port};
use crate::scenario::{Scenario, scenario};
use crate::seen::{counter, wait_for};

const TARGET: &str = "10.4.3.2:5432";

/// A client that asks a server which serves the port.
fn served(name: &'static str) -> Scenario {
    scenario(name)
        .process("s", process("shop").listens("[::]:5432", 128, Accepts::Reads))
        .diagnose(TARGET)
        .both_ends()
}

/// A client that asks a server where nobody serves the port yet.
fn unserved(name: &'static str) -> Scenario {
    scenario(name).diagnose(TARGET).both_ends()
}

/// The client's packets leave the first router with its address.
fn translated(scenario: Scenario) -> Scenario {
    scenario.nft(
        "r1",
        "table ip nat { chain out { type nat hook postrouting priority 100; \
         oifname r1b masquerade; } }",
    )
}

pub(crate) fn all() -> Vec<Scenario> {
    let mut all = refusals();
    all.extend(queues());
    all.extend(filters());
    all.extend(ways());
    all
}

fn refusals() -> Vec<Scenario> {
    let there = |id| fault(id).target("10.4.3.2").confirmed().within_ms(4000);
    vec![
        unserved("nobody listens there").expect(there("tcp.refused_no_listener")),
        unserved("the service listens at loopback there")
            .process("s", process("shop").listens("127.0.0.1:5432", 128, Accepts::Reads))
            .expect(there("tcp.refused_loopback_only").naming("127.0.0.1")),
        unserved("the service listens at another address there")
            .ip("s", "addr add 10.4.99.1/32 dev lo")
            .process("s", process("shop").listens("10.4.99.1:5432", 128, Accepts::Reads))
            .expect(there("tcp.refused_no_listener").naming("10.4.99.1")),
        unserved("the service listens for IPv6 alone there")
            .process("s", process("shop").listens_v6_only(5432, Accepts::Reads))
            .expect(there("tcp.refused_family").naming("IPv4")),
        unserved("the service listens for IPv4 alone there")
            .process("s", process("shop").listens("0.0.0.0:5432", 128, Accepts::Reads))
            .diagnose("[fd04:3::2]:5432")
            .expect(fault("tcp.refused_family").target("fd04:3::2").confirmed().within_ms(4000)),
        unserved("the service is in another network namespace there")
            .process_apart(process("boxed").listens("0.0.0.0:7433", 128, Accepts::Reads))
            .diagnose("10.4.3.2:7433")
            .expect(there("tcp.refused_no_listener").naming("boxed").naming_process("boxed")),
        served("a rule resets there")
            .nft("s", to_port("input", 5432, "reject with tcp reset"))
            .for_nobody(
                fault("tcp.refused_no_listener")
                    .target("10.4.3.2")
                    .alternative("fw.reject")
                    .within_ms(4000),
            )
            .for_root(there("fw.reject").naming("lab_input")),
        // Its distance does not give it away: it sends with a smaller TTL.
        served("a box on the way resets and no SYN gets there")
            .nft("r2", to_port("forward", 5432, "reject with tcp reset"))
            .sysctl("r2", "net/ipv4/ip_default_ttl", "63")
            .for_root(fault("tcp.refused_middlebox").kind("path").confirmed().within_ms(4000)),
    ]
}

fn queues() -> Vec<Scenario> {
    let there = |id| fault(id).target("10.4.3.2").likely().within_ms(6000);
    vec![
        unserved("nobody accepts there")
            .process("s", process("stuck").listens("0.0.0.0:5432", 2, Accepts::Nothing))
            .knocking_from("r2", 5432, 40)
            .counted("ListenOverflows", 3)
            .for_nobody(there("tcp.timeout_accept_queue"))
            .for_root(there("tcp.timeout_accept_queue").naming_process("stuck").confirmed()),
        unserved("nobody accepts there, and a name leads to it")
            .process("s", process("stuck").listens("0.0.0.0:5432", 2, Accepts::Nothing))
            .knocking_from("r2", 5432, 40)
            .counted("ListenOverflows", 3)
            .diagnose("postgres://four.lab.test")
            .expect(there("tcp.timeout_accept_queue")),
        unserved("the SYN queue there is full and cookies are off")
            .sysctl("s", "net/ipv4/tcp_syncookies", "0")
            .process("s", process("shop").listens("0.0.0.0:5432", 16, Accepts::Reads))
            .flood(5432, 100, 5)
            .step(|lab| {
                let host = lab.host("s");
                wait_for("drops", || Ok(counter(host, "TcpExt", "TCPReqQFullDrop")? >= 10))
            })
            .expect(there("tcp.timeout_syn_queue").or_id("tcp.syn_flood")),
    ]
}

fn filters() -> Vec<Scenario> {
    let there = |id| fault(id).target("10.4.3.2").confirmed().within_ms(6000);
    let silent = || fault("tcp.timeout_filtered").path(2, "10.4.2.2").within_ms(6000);
    let dropped_in = to_port("input", 5432, "drop");
    vec![
        served("a rule drops what comes in there")
            .nft("s", dropped_in.clone())
            .for_nobody(silent().or_id("fw.input_drop").anywhere())
            .for_root(there("fw.input_drop").naming("lab_input")),
        served("a rule drops what goes out there")
            .nft("s", chain("output", "tcp sport 5432 counter drop"))
            .for_nobody(fault("tcp.reply_lost").kind("path").likely().within_ms(6000))
            .for_root(there("fw.output_drop").naming("lab_output")),
        translated(
            served("a rule drops what comes in there behind an address translation")
                .nft("s", dropped_in),
        )
        .for_root(there("fw.input_drop").naming("lab_input")),
    ]
}

fn ways() -> Vec<Scenario> {
    let lost = || fault("tcp.reply_lost").kind("path").within_ms(6000);
    let filtered = || fault("tcp.timeout_filtered").path(2, "10.4.2.2").within_ms(6000);
    let to = to_port("forward", 5432, "drop");
    let back = chain("forward", "tcp sport 5432 counter drop");
    let no_route = |scenario: Scenario| {
        scenario.ip("s", "route del default\nroute add 10.4.2.0/24 via 10.4.3.1")
    };
    vec![
        served("no SYN gets there")
            .nft("r2", to.clone())
            .for_nobody(filtered())
            .for_root(filtered().confirmed().naming("none of them reaches")),
        served("SYNs get there and no answer comes back")
            .nft("r2", back.clone())
            .for_nobody(lost().likely())
            .for_root(lost().confirmed()),
        translated(served("no SYN gets there behind an address translation").nft("r2", to))
            .for_root(filtered().confirmed().naming("none of them reaches")),
        translated(
            served("SYNs get there and no answer comes back behind an address translation")
                .nft("r2", back),
        )
        .for_root(lost().confirmed()),
        no_route(served("the server has no way back"))
            .for_nobody(fault("tcp.reply_lost").target("10.4.3.2").likely().within_ms(9000))
            .for_root(fault("tcp.reply_lost").target("10.4.3.2").confirmed().within_ms(9000)),
        served("the server filters by a way back that leads elsewhere")
            .sysctl("s", "net/ipv4/conf/all/rp_filter", "1")
            .ip("s", "route add 10.4.1.0/24 dev lo")
            .for_root(
                fault("fw.input_drop")
                    .target("10.4.3.2")
                    .likely()
                    .naming("reverse path")
                    .within_ms(9000),
            ),
        served("no SYN gets there, nor anything else")
            .nft("r2", chain("forward", "iifname r2a counter drop"))
            .for_root(filtered().confirmed().within_ms(9000)),
    ]
}
