//! The handshake and what follows it.

use std::collections::BTreeSet;
use std::io;
use std::net::SocketAddr;

use socket2::{Domain, Socket, Type};

use crate::dns_server::Zone;
use crate::expect::{cannot_start, degraded, fault};
use crate::rules::{chain, to_port};
use crate::scenario::{Scenario, scenario};
use crate::servers::Serve;
use crate::topology::Topology;
use crate::wire::{Way, tcp_of};

pub(crate) fn all() -> Vec<Scenario> {
    let not_served = || fault("tcp.accepted_not_served").target("10.4.3.2").within_ms(6000);
    let broken = || degraded("tcp.family_broken").likely();
    vec![
        scenario("nobody accepts ssh connections")
            .serve(22, Serve::NeverAccepts)
            .diagnose("ssh://10.4.3.2")
            .expect(not_served().likely()),
        scenario("nobody accepts connections on port 22")
            .serve(22, Serve::NeverAccepts)
            .diagnose("10.4.3.2:22")
            .expect(not_served()),
        scenario("somebody accepts on port 22 and never says a word")
            .serve(22, Serve::NeverReads)
            .diagnose("10.4.3.2:22")
            .expect(not_served()),
        scenario("a web server accepts and never answers")
            .serve(80, Serve::NeverReads)
            .diagnose("http://10.4.3.2")
            .expect(not_served()),
        scenario("a database accepts and never answers")
            .serve(5432, Serve::NeverReads)
            .diagnose("postgres://10.4.3.2")
            .expect(not_served()),
        scenario("a web server resets when the request comes")
            .serve(80, Serve::ResetsOnData)
            .diagnose("http://10.4.3.2")
            .expect(fault("tcp.reset_on_first_data").target("10.4.3.2")),
        scenario("an ssh server closes without a word")
            .serve(22, Serve::ClosesAtOnce)
            .diagnose("ssh://10.4.3.2")
            .expect(fault("tcp.closed_early").target("10.4.3.2")),
        scenario("a database closes every connection at once")
            .serve(5432, Serve::ClosesAtOnce)
            .diagnose("10.4.3.2:5432")
            .expect(fault("tcp.closed_early").target("10.4.3.2").likely()),
        scenario("a service that nobody knows closes every connection at once")
            .serve(9999, Serve::ClosesAtOnce)
            .diagnose("10.4.3.2:9999")
            .expect(degraded("tcp.closed_early").target("10.4.3.2")),
        scenario("an ssh server resets every connection at once")
            .serve(22, Serve::ResetsAtOnce)
            .diagnose("10.4.3.2:22")
            .expect(fault("tcp.reset_on_first_data").target("10.4.3.2").likely()),
        scenario("a service that nobody knows resets every connection at once")
            .serve(9999, Serve::ResetsAtOnce)
            .diagnose("10.4.3.2:9999")
            .expect(degraded("tcp.reset_on_first_data").target("10.4.3.2")),
        scenario("the way is very long")
            .delay_ms(350)
            .diagnose("10.4.3.2:80")
            .expect(degraded("icmp.latency").kind("path").within_ms(8000)),
        scenario("a quarter of all packets is lost, each way")
            .loss(25)
            .ping_allowed()
            .diagnose("10.4.3.2:80")
            .expect(
                degraded("tcp.slow_handshake")
                    .or_id("icmp.loss")
                    .or_id("path.loss_from_hop")
                    .or("fault", "tcp.intermittent")
                    .within_ms(8000),
            ),
        scenario("every first SYN is lost")
            .frames(|| {
                let mut seen = BTreeSet::new();
                move |way, frame| match tcp_of(frame) {
                    Some(tcp) if way == Way::Out && tcp.syn && !tcp.ack => {
                        !seen.insert((tcp.source_port, tcp.port))
                    }
                    _ => true,
                }
            })
            .diagnose("10.4.3.2:80")
            .expect(degraded("tcp.slow_handshake").kind("path")),
        scenario("one of two ways of equal cost is dead")
            .topology(Topology::Ecmp)
            .nft("eb", chain("forward", "drop"))
            // With the usual five, one run in sixteen would see one way only.
            .diagnose("10.5.3.2:80 --param attempts=12")
            .expect(fault("tcp.intermittent").kind("path")),
        scenario("one of two IPv6 ways of equal cost is dead")
            .topology(Topology::Ecmp)
            .nft("eb", chain("forward", "drop"))
            .diagnose("[fd05:3::2]:80 --param attempts=12")
            .expect(fault("tcp.intermittent").kind("path")),
        scenario("the server refuses every second connection")
            .nft(
                "s",
                chain(
                    "input",
                    "tcp dport 80 tcp flags & (syn | ack) == syn numgen inc mod 2 == 0 reject with tcp reset",
                ),
            )
            .diagnose("10.4.3.2:80")
            .expect(fault("tcp.intermittent").within_ms(4000)),
        scenario("the server limits new connections and we reach the limit")
            .nft("s", chain("input", "tcp dport 80 tcp flags & (syn | ack) == syn limit rate over 4/minute burst 3 packets drop"))
            .diagnose("10.4.3.2:80")
            .expect(degraded("tcp.intermittent").kind("path").within_ms(4000)),
        scenario("IPv6 is dropped and IPv4 works")
            .nft("r2", chain("forward", "meta nfproto ipv6 tcp dport 80 drop"))
            .diagnose("www.lab.test:80")
            .expect(broken().path(2, "fd04:2::2")),
        scenario("IPv6 is dropped altogether and IPv4 works")
            .nft("r1", chain("forward", "meta nfproto ipv6 drop"))
            .diagnose("www.lab.test:80")
            .expect(broken().path(1, "fd04:1::1").within_ms(5000)),
        scenario("IPv4 is dropped and IPv6 works")
            .nft("r2", chain("forward", "meta nfproto ipv4 tcp dport 80 drop"))
            .diagnose("www.lab.test:80")
            .expect(broken().path(2, "10.4.2.2")),
        scenario("the server listens on IPv4 only and the name has both")
            .no_services()
            .serve_at("s", "0.0.0.0:80", Serve::Reads)
            .diagnose("www.lab.test:80")
            .expect(broken().target("fd04:3::2")),
        scenario("a router has no IPv6 route and IPv4 works")
            .ip6("r1", "route del fd04:3::/64")
            .diagnose("www.lab.test:80")
            .expect(broken().hop(1, "fd04:1::1").or_path(1, "fd04:1::1")),
        scenario("every local port to the target is used")
            .sysctl("c", "net/ipv4/ip_local_port_range", "50000 50003")
            .step(|lab| {
                let target = SocketAddr::from(([10, 4, 3, 2], 80));
                let held = lab.host("c").enter(|| (0..4).map(|_| connect(target)).collect());
                let held: io::Result<Vec<Socket>> = held;
                lab.keep(held?);
                Ok(())
            })
            .diagnose("10.4.3.2:80")
            .expect(fault("tcp.ephemeral_exhausted").here().likely().within_ms(2500)),
        scenario("the process may open no more files")
            // Enough to start, too few for the attempts.
            .open_files(9)
            .diagnose("10.4.3.2:80")
            .expect(fault("tcp.fd_exhausted").here().likely().within_ms(2500)),
        scenario("the process may open hardly a file")
            .open_files(4)
            .diagnose("10.4.3.2:80")
            .expect(cannot_start("open files")),
        scenario("the port is dropped for IPv6 and refused for IPv4")
            .nft("r2", chain("forward", "meta nfproto ipv6 tcp dport 5432 drop"))
            .dns(Zone::usual())
            .diagnose("www.lab.test:5432")
            .expect(fault("tcp.refused_no_listener").or_id("tcp.timeout_filtered")),
        scenario("another port is dropped and this one refuses")
            .nft("r2", to_port("forward", 80, "drop"))
            .diagnose("10.4.3.2:5432")
            .expect(fault("tcp.refused_no_listener").target("10.4.3.2").likely().within_ms(1500)),
    ]
}

fn connect(target: SocketAddr) -> io::Result<Socket> {
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None)?;
    socket.connect(&target.into())?;
    Ok(socket)
}
