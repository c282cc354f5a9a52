//! Packets that are too large.

use std::io;
use std::net::UdpSocket;

use nix::sys::socket::getsockopt;
use nix::sys::socket::sockopt::IpMtu;

use crate::expect::{fault, healthy};
use crate::rules::{chain, no_too_big, policy};
use crate::scenario::{Scenario, scenario};
use crate::seen::wait_for;

pub(crate) fn all() -> Vec<Scenario> {
    let usable = || healthy().without("mtu.blackhole").within_ms(4500);
    let hole = || fault("mtu.blackhole").likely().within_ms(6000);
    vec![
        scenario("our own route has a small MTU")
            .ip("c", "route change default via 10.4.1.1 mtu 1400")
            .diagnose("10.4.3.2:80")
            .expect(healthy().finding("mtu.local").naming("1400").within_ms(4000)),
        scenario("a narrow cable on the way, and the router says so")
            .narrow(1300)
            .diagnose("10.4.3.2:80")
            .expect(healthy().finding("mtu.path_reduced").naming("1300").without("mtu.blackhole").within_ms(4000)),
        scenario("a narrow cable on the IPv6 way, and the router says so")
            .narrow(1300)
            .diagnose("[fd04:3::2]:80")
            .expect(healthy().finding("mtu.path_reduced").naming("1300").without("mtu.blackhole").within_ms(4000)),
        scenario("a narrow cable on the way, which this machine knows of already")
            .narrow(1300)
            .step(|lab| lab.host("c").enter(|| learn_mtu("10.4.3.2:9", 1300)))
            .diagnose("10.4.3.2:80")
            .expect(healthy().finding("mtu.cached").naming("1300").without("mtu.blackhole").within_ms(4000)),
        scenario("a narrow cable on the way, and nobody says so")
            .narrow(1300)
            .nft("r1", no_too_big())
            .nft("r2", no_too_big())
            .diagnose("10.4.3.2:80")
            .expect(hole().path(1, "10.4.1.1").naming("1300")),
        scenario("a narrow cable on the IPv6 way, and nobody says so")
            .narrow(1300)
            .nft("r1", no_too_big())
            .nft("r2", no_too_big())
            .diagnose("[fd04:3::2]:80")
            .expect(hole().path(1, "fd04:1::1").naming("1300")),
        scenario("two routers disagree about the MTU of their cable")
            .ip("r2", "link set r2a mtu 1400")
            .diagnose("10.4.3.2:80")
            // A veth end takes four bytes more than its MTU.
            .expect(hole().path(1, "10.4.1.1").naming("1404")),
        scenario("a narrow cable that nobody tells of, and the host answers to TCP only")
            .narrow(1300)
            .nft("r1", no_too_big())
            .nft("r2", no_too_big())
            .nft("s", policy("input", "drop", "tcp dport { 22, 80 } accept"))
            .diagnose("10.4.3.2:80")
            .expect(hole().kind("path").naming("1300")),
        scenario("a narrow cable that nobody tells of, and UDP and ICMP are dropped on the way")
            .narrow(1300)
            .nft("r1", no_too_big() + "table inet only { chain f { type filter hook forward priority 0; meta l4proto { udp, icmp } drop; } }")
            .nft("r2", no_too_big())
            .diagnose("10.4.3.2:80")
            .expect(hole().kind("path")),
        scenario("a narrow cable that nobody tells of, and a router clamps the segment size")
            .narrow(1300)
            .nft("r1", no_too_big() + &chain("forward", "tcp flags syn tcp option maxseg size set 1200"))
            .nft("r2", no_too_big())
            .diagnose("10.4.3.2:80")
            .expect(usable()),
        scenario("the server's interface is narrower than its router's")
            .ip("s", "link set s0 mtu 1400")
            .diagnose("10.4.3.2:80")
            // Its segment size keeps TCP below that, both ways; only other protocols suffer.
            .expect(usable()),
        scenario("our interface takes larger packets than our network")
            .ip("c", "link set c0 mtu 9000")
            .diagnose("10.4.3.2:80")
            .expect(usable()),
        scenario("our network takes large packets and the next one does not")
            .ip("c", "link set c0 mtu 9000")
            .ip("r1", "link set r1a mtu 9000")
            .diagnose("10.4.3.2:80")
            .expect(usable().finding("mtu.path_reduced").naming("1500")),
        scenario("a firewall drops SYNs that carry data, and the host answers to TCP only")
            .nft("r1", chain("forward", "tcp flags & (syn | ack) == syn meta length > 100 drop"))
            .nft("s", policy("input", "drop", "tcp dport { 22, 80 } accept"))
            .diagnose("10.4.3.2:80")
            .expect(usable()),
        scenario("the host answers to TCP only and every cable is wide")
            .nft("s", policy("input", "drop", "tcp dport { 22, 80 } accept"))
            .diagnose("10.4.3.2:80")
            .expect(healthy().without("mtu.blackhole").without("mtu.path_reduced")),
    ]
}

/// Sends large datagrams until the kernel has learned the MTU of the path.
fn learn_mtu(target: &str, mtu: i32) -> io::Result<()> {
    let socket = UdpSocket::bind("0.0.0.0:0")?;
    socket.connect(target)?;
    wait_for("the kernel to learn the path's MTU", || {
        // Fails while the last error is reported, and when the datagram is too large by now.
        let _ = socket.send(&[0; 1400]);
        Ok(getsockopt(&socket, IpMtu)? == mtu)
    })
}
