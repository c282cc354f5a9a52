//! A diagnosis changes nothing on the machine: settings, rules, routes, neighbours, sockets.

use std::net::SocketAddr;

use libtest_mimic::Failed;

use crate::expect::{degraded, fault, healthy};
use crate::lab::Lab;
use crate::load::crowd;
use crate::process::{Accepts, process};
use crate::rules::{chain, no_too_big, to_port};
use crate::run::{self, Invocation, Limits, Mode};
use crate::scenario::{Scenario, scenario};
use crate::scenarios::server::{firewall_unseen, on_server};
use crate::seen::Settings;
use crate::servers::{self, Serve};
use crate::topology::Topology;
use crate::wire::Cable;

pub(crate) fn all() -> Vec<Scenario> {
    // A client whose gateway and name server are known already, and which has rules of its own.
    let client = |name| {
        scenario(name)
            .nft("c", chain("output", "ct state new counter; tcp dport 9 drop"))
            .ip("c", "rule add fwmark 7 lookup 77\nroute add unreachable 10.44.0.0/16")
            .step(acquainted)
            .unchanged()
    };
    let server = |name| {
        on_server(name)
            .process("s", process("shop").listens("[::]:8080", 128, Accepts::Keeps))
            .nft("s", chain("input", "ct state new counter; tcp dport 9 drop"))
            .unchanged()
    };
    vec![
        client("a service that works leaves the client as it was")
            .diagnose("www.lab.test:80")
            .expect(healthy()),
        client("a silent port leaves the client as it was")
            .nft("r2", to_port("forward", 5432, "drop"))
            .diagnose("10.4.3.2:5432")
            .expect(fault("tcp.timeout_filtered")),
        client("a refused port leaves the client as it was")
            .diagnose("10.4.3.2:5432")
            .expect(fault("tcp.refused_no_listener")),
        client("a path with a smaller MTU leaves the client as it was")
            .narrow(1300)
            .nft("r1", no_too_big())
            .nft("r2", no_too_big())
            .diagnose("10.4.3.2:80")
            .expect(fault("mtu.blackhole").or("degraded", "mtu.blackhole").within_ms(8000)),
        client("an address of this machine leaves the client as it was")
            .process("c", process("shop").listens("[::]:8080", 128, Accepts::Reads))
            .diagnose("10.4.1.2:8080")
            .expect(healthy()),
        server("a look at a port leaves the server as it was")
            .diagnose(":8080")
            .for_root(healthy())
            .for_nobody(firewall_unseen()),
        server("a look at a port where nobody listens leaves the server as it was")
            .diagnose(":4711")
            .expect(fault("tcp.refused_no_listener")),
        server("a look for CLOSE_WAIT leaves the server as it was")
            .abandoned(8080, 120)
            .diagnose(":8080 --runbook close_wait")
            .expect(fault("socket.close_wait_leak")),
        client("a sample of many connections leaves the client as it was")
            .diagnose("10.4.3.2:80 --runbook intermittent --param attempts=10 --param pace_ms=30")
            .expect(healthy().within_ms(8000)),
        server("a sample of its own service leaves the server as it was")
            .process("s", process("own").listens("127.0.0.1:8081", 128, Accepts::Reads))
            .diagnose(":8081 --runbook intermittent --param attempts=10 --param pace_ms=30")
            .expect(healthy().within_ms(8000)),
        server("a review of the kernel's settings leaves the server as it was")
            .sysctl("s", "net/ipv4/tcp_window_scaling", "0")
            .diagnose(":8080 --runbook kernel")
            .expect(degraded("kernel.window_scaling_off")),
    ]
}

/// Checks targets that work, refuse and are silent, at once, and compares the client before and after.
pub(crate) fn check_command() -> Result<(), Failed> {
    let mut lab = Lab::build(Topology::Line(2), Cable::default())?;
    for port in [22, 80] {
        servers::serve(&lab.stage, lab.host("s"), port, Serve::Reads)?;
    }
    lab.host("r2").nft(&to_port("forward", 5432, "drop"))?;
    lab.host("c").nft(&chain("output", "ct state new counter; tcp dport 9 drop"))?;
    acquainted(&mut lab)?;
    let targets = ["10.4.3.2:80", "10.4.3.2:81", "10.4.3.2:5432", "[fd04:3::2]:80", "10.4.3.2:9"];
    let words = ["check"].iter().chain(&targets).chain(&["--format", "json", "--quiet"]);
    let arguments: Vec<String> = words.map(|word| (*word).to_owned()).collect();
    let host = lab.host("c");
    for mode in [Mode::Root, Mode::Nobody] {
        let before = Settings::of(host)?;
        let limits = Limits::default();
        let ran = run::on(host, &Invocation { arguments: &arguments, mode, etc: &[], limits })?;
        let changes = before.changes(&Settings::of(host)?);
        if !changes.is_empty() || ran.code != Some(1) {
            return Err(format!("exit {:?}, changed: {changes:?}\n{}", ran.code, ran.stderr).into());
        }
    }
    Ok(())
}

/// Whoever the client is going to talk to is known already: a new neighbour is no change of ours.
fn acquainted(lab: &mut Lab) -> std::io::Result<()> {
    for server in ["10.4.3.2:22", "[fd04:3::2]:22"] {
        let server: SocketAddr = server.parse().map_err(std::io::Error::other)?;
        lab.keep(crowd(lab.host("c"), server, 1)?);
    }
    Ok(())
}
