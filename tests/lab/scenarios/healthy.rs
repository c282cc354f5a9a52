//! Networks that look odd and work: nothing here may be called a fault.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use socket2::{Domain, Socket, Type};

use crate::dns_server::Zone;
use crate::expect::healthy;
use crate::rules::{chain, no_icmp, policy, to_port};
use crate::scenario::{Scenario, scenario};
use crate::servers::Serve;
use crate::topology::Topology;
use crate::wire::{Way, is_echo_request, tcp_of};

pub(crate) fn all() -> Vec<Scenario> {
    let v4 = "10.4.3.2:80";
    let quiet = || healthy().quiet();
    vec![
        scenario("a plain service over IPv4").diagnose(v4).expect(quiet()),
        scenario("a plain service over IPv6").diagnose("[fd04:3::2]:80").expect(quiet()),
        scenario("a plain service by name, both families").diagnose("www.lab.test:80").expect(quiet()),
        scenario("a plain service by name, IPv4 only").diagnose("four.lab.test:80").expect(quiet()),
        scenario("a plain service by name, IPv6 only").diagnose("six.lab.test:80").expect(quiet()),
        scenario("a service of both families, IPv4 wanted").diagnose("www.lab.test:80 -4").expect(quiet()),
        scenario("a service of both families, IPv6 wanted").diagnose("www.lab.test:80 -6").expect(quiet()),
        scenario("a web server on its other port, which waits for us to speak")
            .diagnose("10.4.3.2:8080")
            .expect(quiet()),
        scenario("an ssh server").diagnose("10.4.3.2:22").expect(quiet()),
        scenario("an ssh server by URL").diagnose("ssh://www.lab.test").expect(quiet()),
        scenario("a web server by URL")
            .serve(80, Serve::Answers("HTTP/1.1 200 OK\r\ncontent-length: 0\r\nconnection: close\r\n\r\n"))
            .diagnose("http://10.4.3.2")
            .expect(quiet()),
        scenario("a service at loopback")
            .serve_on("c", 5432, Serve::Reads)
            .diagnose("127.0.0.1:5432")
            .expect(quiet().within_ms(800)),
        scenario("a service at IPv6 loopback")
            .serve_on("c", 5432, Serve::Reads)
            .diagnose("[::1]:5432")
            .expect(quiet().within_ms(800)),
        scenario("a service at localhost")
            .serve_on("c", 5432, Serve::Reads)
            .diagnose("localhost:5432")
            .expect(quiet().within_ms(800)),
        scenario("a service at loopback and no interface is up")
            .ip("c", "link set c0 down")
            .serve_on("c", 5432, Serve::Reads)
            .diagnose("127.0.0.1:5432")
            .expect(healthy()),
        scenario("a service at an address of this machine")
            .serve_on("c", 5432, Serve::Reads)
            .diagnose("10.4.1.2:5432")
            .expect(quiet().within_ms(800)),
        scenario("a service on our own network")
            .topology(Topology::OnLink)
            .diagnose("10.4.1.1:80")
            .expect(quiet()),
        scenario("a service on our own network, IPv6")
            .topology(Topology::OnLink)
            .diagnose("[fd04:1::1]:80")
            .expect(quiet()),
        scenario("a service behind seven routers")
            .topology(Topology::Line(7))
            .diagnose("10.4.8.2:80")
            .expect(quiet()),
        scenario("a service behind a long delay")
            .delay_ms(150)
            .diagnose(v4)
            .expect(quiet().within_ms(5000)),
        scenario("a service behind jitter").jitter_ms(15).diagnose(v4).expect(quiet()),
        scenario("ICMP is filtered everywhere")
            .nft("r1", no_icmp())
            .nft("r2", no_icmp())
            .nft("s", no_icmp())
            .diagnose(v4)
            .expect(healthy().without("mtu.blackhole").within_ms(4000)),
        scenario("ICMP is filtered everywhere, IPv6")
            .nft("r1", no_icmp())
            .nft("r2", no_icmp())
            .nft("s", no_icmp())
            .diagnose("[fd04:3::2]:80")
            .expect(healthy().without("mtu.blackhole").within_ms(4000)),
        scenario("the middle hop is silent")
            .nft("r2", no_icmp())
            .diagnose(v4)
            .expect(healthy().without("mtu.blackhole").within_ms(4000)),
        scenario("the routers limit their ICMP to next to nothing")
            .sysctl("r1", "net/ipv4/icmp_ratelimit", "10000")
            .sysctl("r2", "net/ipv4/icmp_ratelimit", "10000")
            .diagnose(v4)
            .expect(quiet()),
        scenario("every other port is dropped")
            .nft("s", policy("input", "drop", "tcp dport 80 accept"))
            .diagnose(v4)
            .expect(healthy().within_ms(4000)),
        scenario("a stateful firewall at the server lets us in")
            .nft("s", policy("input", "drop", "ct state established,related accept; tcp dport 80 ct state new accept"))
            .diagnose(v4)
            .expect(healthy().within_ms(4000)),
        scenario("a stateful firewall here lets answers in")
            .nft("c", policy("input", "drop", "iif lo accept; ct state established,related accept; icmpv6 type { nd-neighbor-solicit, nd-neighbor-advert } accept"))
            .diagnose(v4)
            .expect(quiet()),
        scenario("a firewall here drops other ports")
            .nft("c", to_port("output", 5432, "drop"))
            .diagnose(v4)
            .expect(quiet()),
        scenario("a router clamps the segment size")
            .nft("r1", chain("forward", "tcp flags syn tcp option maxseg size set 1200"))
            .diagnose(v4)
            .expect(healthy().without("mtu.blackhole")),
        scenario("a router sends the port to another machine and port")
            .ip("s", "addr add 10.4.3.3/24 dev s0")
            .nft("r2", "table ip nat { chain p { type nat hook prerouting priority -100; ip daddr 10.4.3.2 tcp dport 80 dnat to 10.4.3.3:8080; } }")
            .diagnose(v4)
            .expect(quiet()),
        scenario("the target's address exists only in a router's translation")
            .nft("r2", "table ip nat { chain p { type nat hook prerouting priority -100; ip daddr 10.4.3.9 tcp dport 80 dnat to 10.4.3.2:8080; } }")
            .diagnose("10.4.3.9:80")
            .expect(healthy().within_ms(5000)),
        scenario("a router hides us behind its own address")
            .nft("r1", "table ip nat { chain p { type nat hook postrouting priority 100; oifname r1b masquerade; } }")
            .diagnose(v4)
            .expect(quiet()),
        scenario("two ways of equal cost").topology(Topology::Ecmp).diagnose("10.5.3.2:80").expect(quiet()),
        scenario("two IPv6 ways of equal cost")
            .topology(Topology::Ecmp)
            .diagnose("[fd05:3::2]:80")
            .expect(quiet()),
        scenario("the way back differs from the way there")
            .topology(Topology::Ecmp)
            .ip("e1", "route replace 10.5.3.0/24 via 10.5.11.2")
            .ip("e2", "route replace 10.5.1.0/24 via 10.5.22.1")
            .diagnose("10.5.3.2:80")
            .expect(quiet()),
        scenario("the name is an alias of an alias of an alias")
            .dns(
                Zone::usual()
                    .alias("one.lab.test", "two.lab.test")
                    .alias("two.lab.test", "three.lab.test")
                    .alias("three.lab.test", "www.lab.test"),
            )
            .diagnose("one.lab.test:80")
            .expect(quiet()),
        scenario("the hosts file says the same as DNS")
            .hosts("127.0.0.1 localhost\n10.4.3.2 four.lab.test\n")
            .diagnose("four.lab.test:80")
            .expect(quiet()),
        scenario("the name is in the hosts file only")
            .hosts("127.0.0.1 localhost\n10.4.3.2 private.lab.test\n")
            .diagnose("private.lab.test:80")
            .expect(healthy()),
        scenario("the name is in the hosts file and no name server is configured")
            .resolv("")
            .hosts("127.0.0.1 localhost\n10.4.3.2 private.lab.test\n")
            .diagnose("private.lab.test:80")
            .expect(healthy()),
        scenario("this machine has IPv6 on its own cable only")
            .ip6("c", "route del default")
            .ip("c", "addr del fd04:1::2/64 dev c0")
            .diagnose("www.lab.test:80")
            .expect(healthy().without("tcp.family_broken")),
        scenario("IPv6 is off here")
            .sysctl("c", "net/ipv6/conf/all/disable_ipv6", "1")
            .diagnose("www.lab.test:80")
            .expect(healthy().without("tcp.family_broken")),
        scenario("the ssh banner takes a second")
            .serve(22, Serve::Greets("SSH-2.0-slow\r\n", Duration::from_secs(1)))
            .diagnose("10.4.3.2:22")
            .expect(quiet().within_ms(4000)),
        scenario("a server that reads and never speaks, on a port nobody knows")
            .serve(9977, Serve::Reads)
            .diagnose("10.4.3.2:9977")
            .expect(quiet()),
        scenario("a server that waits for us to speak, on a port nobody knows")
            .serve(9977, Serve::NeverReads)
            .diagnose("10.4.3.2:9977")
            .expect(healthy().within_ms(5000)),
        scenario("the port was dropped a moment ago")
            .nft("c", "table inet past { chain o { type filter hook output priority 0; tcp dport 80 drop; } }")
            .step(|lab| {
                // Each leaves an unanswered SYN, a retransmission that failed or a reset behind.
                lab.host("c").enter(|| {
                    for _ in 0..4 {
                        let _ = attempt(80, Duration::from_millis(300));
                        let _ = attempt(81, Duration::from_millis(300));
                    }
                });
                lab.host("c").nft("delete table inet past")
            })
            .diagnose(v4)
            .expect(quiet()),
        scenario("many old connections wait to be forgotten")
            .step(|lab| {
                // Closed by us first: each stays in TIME_WAIT here.
                let patience = Duration::from_secs(20);
                lab.host("c").enter(|| (0..80).try_for_each(|_| attempt(80, patience).map(drop)))
            })
            .diagnose(v4)
            .expect(quiet()),
        scenario("packets overtake each other").reorder_ms(15).diagnose(v4).expect(quiet()),
        scenario("one single SYN is lost")
            .frames(|| {
                let mut lost = false;
                move |way, frame| {
                    let syn = way == Way::Out && tcp_of(frame).is_some_and(|tcp| tcp.syn);
                    let drop = syn && !lost;
                    lost |= syn;
                    !drop
                }
            })
            .diagnose(v4)
            .expect(quiet()),
        scenario("one single ping is lost")
            .ping_allowed()
            .frames(|| {
                let mut lost = false;
                move |way, frame| {
                    let echo = way == Way::Out && is_echo_request(frame);
                    let drop = echo && !lost;
                    lost |= echo;
                    !drop
                }
            })
            .diagnose(v4)
            .expect(quiet().within_ms(5000)),
        scenario("the host answers few pings and every connection")
            .ping_allowed()
            .nft("s", chain("input", "icmp type echo-request limit rate over 5/second burst 5 packets drop"))
            .diagnose(v4)
            .expect(healthy().within_ms(5000)),
        scenario("a database by URL, which answers")
            .serve(5432, Serve::Answers("N"))
            .diagnose("postgres://10.4.3.2")
            .expect(quiet()),
        scenario("a limit of new connections that a person does not reach")
            .nft("s", chain("input", "tcp dport 80 tcp flags & (syn | ack) == syn limit rate over 50/second burst 20 packets drop"))
            .diagnose(v4)
            .expect(quiet()),
        scenario("the default route is in another table, by a policy rule")
            .ip("c", "route del default\nroute add default via 10.4.1.1 table 100\nrule add from all lookup 100")
            .diagnose(v4)
            .expect(quiet()),
        scenario("the whole world seems to be on our own network")
            .sysctl("r1", "net/ipv4/conf/r1a/proxy_arp", "1")
            .sysctl("r1", "net/ipv4/neigh/r1a/proxy_delay", "0")
            .ip("c", "route replace default dev c0")
            .diagnose(v4)
            .expect(quiet()),
        scenario("our address stands alone and the gateway is outside of it, as in clouds")
            .ip("c", "addr del 10.4.1.2/24 dev c0\naddr add 10.4.1.2/32 dev c0\nroute add 10.4.1.1 dev c0\nroute add default via 10.4.1.1")
            .diagnose(v4)
            .expect(quiet()),
        scenario("the IPv6 gateway has a link-local address, as usual")
            .ip("r1", "addr add fe80::1/64 dev r1a nodad")
            .ip("c", "route replace default via fe80::1 dev c0")
            .diagnose("[fd04:3::2]:80")
            .expect(quiet()),
        scenario("the name server has an IPv6 address")
            .dns_on("d", "fd04:9::53", Zone::usual())
            .resolv("nameserver fd04:9::53\n")
            .diagnose("www.lab.test:80")
            .expect(quiet()),
        scenario("the name server is a stub on this machine")
            .dns_on("c", "127.0.0.53", Zone::usual())
            .resolv("nameserver 127.0.0.53\noptions edns0 trust-ad\n")
            .diagnose("www.lab.test:80")
            .expect(quiet()),
        scenario("the name ends with a dot and shouts")
            .diagnose("WWW.Lab.Test.:80")
            .expect(quiet()),
        scenario("the name has six addresses and all work")
            .ip("s", (3..8).map(|n| format!("addr add 10.4.3.{n}/24 dev s0\n")).collect::<String>())
            .dns(Zone::usual().name(
                "six.lab.test",
                &["10.4.3.2", "10.4.3.3", "10.4.3.4", "10.4.3.5", "10.4.3.6", "10.4.3.7"],
            ))
            .diagnose("six.lab.test:80")
            .expect(quiet()),
        scenario("another name server is slow to fail and never needed")
            .resolv("nameserver 10.4.9.53\noptions timeout:1 attempts:1 ndots:2\nsearch lab.test example.test\n")
            .diagnose("www.lab.test:80")
            .expect(quiet()),
        scenario("a short name and a search domain")
            .resolv("nameserver 10.4.9.53\nsearch lab.test\n")
            .diagnose("www:80")
            .expect(healthy()),
    ]
}

/// One connection to the server.
fn attempt(port: u16, patience: Duration) -> io::Result<Socket> {
    let target = SocketAddr::from(([10, 4, 3, 2], port));
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None)?;
    socket.connect_timeout(&target.into(), patience)?;
    Ok(socket)
}
