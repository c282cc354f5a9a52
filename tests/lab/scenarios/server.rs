//! Run on the server itself: why can nobody reach my port?

use std::net::{Ipv4Addr, SocketAddr, SocketAddrV4};
use std::time::Duration;

use crate::expect::{Expect, degraded, fault, inconclusive};
use crate::lab::Lab;
use crate::load::{Flood, Ongoing, knocking};
use crate::process::{Accepts, process};
use crate::rules::{chain, policy, to_port};
use crate::scenario::{Scenario, scenario};
use crate::seen::{State, counter, sockets, wait_for};

/// Nothing but the firewall is left to look at, and that takes a privilege.
pub(crate) fn firewall_unseen() -> Expect {
    inconclusive("inconclusive.permission").here().naming("CAP_NET_ADMIN")
}

/// A scenario whose product runs on `s`, where nothing listens yet.
pub(crate) fn on_server(name: &'static str) -> Scenario {
    scenario(name).no_services().run_on("s")
}

/// Where `s` is reached.
pub(crate) const fn server(port: u16) -> SocketAddr {
    SocketAddr::V4(server_v4(port))
}

const fn server_v4(port: u16) -> SocketAddrV4 {
    SocketAddrV4::new(Ipv4Addr::new(10, 4, 3, 2), port)
}

impl Scenario {
    /// Somebody on the client keeps trying to connect, until the end of the run.
    pub(crate) fn knocking(self, port: u16, every_ms: u64) -> Scenario {
        self.knocking_from("c", port, every_ms)
    }

    /// As [`Scenario::knocking`], from another host.
    pub(crate) fn knocking_from(self, host: &'static str, port: u16, every_ms: u64) -> Scenario {
        self.step(move |lab| {
            let every = Duration::from_millis(every_ms);
            let knocking = knocking(lab.host(host), server(port), every)?;
            lab.keep(knocking);
            Ok(())
        })
    }

    /// Waits until a counter of `s` is at least this.
    pub(crate) fn counted(self, name: &'static str, least: u64) -> Scenario {
        self.step(move |lab| {
            let host = lab.host("s");
            wait_for(name, || Ok(counter(host, "TcpExt", name)? >= least))
        })
    }

    /// Waits until so many sockets of `s` are in this state; port 0 is any.
    pub(crate) fn sockets(self, state: State, port: u16, least: usize) -> Scenario {
        self.step(move |lab| {
            let host = lab.host("s");
            wait_for(&format!("{state:?}"), || Ok(sockets(host, state, port)? >= least))
        })
    }

    /// SYNs of nobody: so many at once, then so many every 50 ms until the end of the run.
    pub(crate) fn flood(self, port: u16, first: u32, then: u32) -> Scenario {
        // What answers them must not come back as an error.
        self.ip("r2", format!("route add blackhole {}", Flood::SOURCES)).step(
            move |lab: &mut Lab| {
                let mut flood = Flood::open(lab.host("r2"), server_v4(port))?;
                flood.send(first);
                let flooding =
                    Ongoing::start(lab.host("r2"), Duration::from_millis(50), move || {
                        flood.send(then);
                    })?;
                lab.keep(flooding);
                Ok(())
            },
        )
    }
}

pub(crate) fn all() -> Vec<Scenario> {
    let mut all = nobody_listens();
    if crate::groups::are_possible() {
        all.extend(units());
    }
    all.extend(queues());
    all.extend(rules());
    all
}

fn nobody_listens() -> Vec<Scenario> {
    let none = || fault("tcp.refused_no_listener").target("127.0.0.1").likely().within_ms(4000);
    let loopback = || fault("tcp.refused_loopback_only").here().likely().within_ms(2500);
    let shop = || process("shop");
    vec![
        on_server("nobody listens on the port").diagnose(":4711").expect(none()),
        on_server("nobody listens on the port, and others do on theirs")
            .process("s", shop().listens("[::]:8080", 128, Accepts::Reads))
            .diagnose(":4711")
            .expect(none()),
        on_server("somebody has a connection from that port and nobody listens")
            .process("r2", process("peer").listens("0.0.0.0:9000", 16, Accepts::Reads))
            .sysctl("s", "net/ipv4/ip_local_port_range", "4712 4712")
            .process("s", shop().connects("10.4.3.1:9000", 1))
            .sysctl("s", "net/ipv4/ip_local_port_range", "32768 60999")
            .diagnose(":4712")
            .expect(none()),
        on_server("a sandbox forbids netlink, and only that can list the listeners")
            .forbidden(crate::run::Forbidden::Netlink)
            .diagnose(":8080")
            .expect(inconclusive("inconclusive.unsupported").here()),
        on_server("the listener is bound to loopback")
            .process("s", shop().listens("127.0.0.1:8080", 128, Accepts::Reads))
            .diagnose(":8080")
            .for_nobody(loopback().naming("127.0.0.1"))
            .for_root(loopback().naming("127.0.0.1").naming("shop").naming_process("shop")),
        on_server("the listener is bound to IPv6 loopback")
            .process("s", shop().listens("[::1]:8080", 128, Accepts::Reads))
            .diagnose(":8080")
            .for_nobody(loopback().naming("::1"))
            .for_root(loopback().naming("::1").naming_process("shop")),
        on_server("the listener is bound to loopback of both families")
            .process(
                "s",
                shop().listens("127.0.0.1:8080", 128, Accepts::Reads).listens(
                    "[::1]:8080",
                    128,
                    Accepts::Reads,
                ),
            )
            .diagnose(":8080")
            .expect(loopback()),
        on_server("the listener is bound to another address of 127/8")
            .process("s", shop().listens("127.0.0.53:8080", 128, Accepts::Reads))
            .diagnose(":8080")
            .expect(loopback()),
        on_server("the listener at loopback is our own and we are nobody")
            .process("s", shop().by_user(65_534).listens("127.0.0.1:8080", 128, Accepts::Reads))
            .diagnose(":8080")
            .expect(loopback().naming("shop").naming_process("shop")),
        on_server("the listener takes IPv6 alone")
            .process("s", shop().listens_v6_only(8080, Accepts::Reads))
            .diagnose(":8080")
            .expect(
                fault("tcp.refused_family")
                    .or("degraded", "tcp.refused_family")
                    .here()
                    .within_ms(2500),
            ),
        on_server("the listener is in another network namespace")
            .process_apart(process("boxed").listens("0.0.0.0:7431", 128, Accepts::Reads))
            .diagnose(":7431")
            .expect(none().naming("boxed").naming_process("boxed")),
        on_server("the IPv6 listener is in another network namespace")
            .process_apart(process("boxed").listens("[::]:7432", 128, Accepts::Reads))
            .diagnose(":7432")
            .expect(none().naming("boxed").naming_process("boxed")),
        on_server("a client asks its own address and only loopback listens")
            .run_on("c")
            .process("c", shop().listens("127.0.0.1:5432", 128, Accepts::Reads))
            .diagnose("10.4.1.2:5432")
            .expect(loopback()),
        on_server("a client asks its own address and nobody listens")
            .run_on("c")
            .diagnose("10.4.1.2:5433")
            .expect(fault("tcp.refused_no_listener").anywhere().likely().within_ms(2500)),
    ]
}

/// Services whose control group tells who they are, to everybody.
fn units() -> Vec<Scenario> {
    const CONTAINER: &str =
        "docker-4c01db0b339c8e1f0c8a1d7e5b3a2f6d9e8c7b6a5f4e3d2c1b0a99887766554433.scope";
    let loopback = || fault("tcp.refused_loopback_only").here().likely().within_ms(2500);
    let in_group = |name, group: &'static str| {
        on_server(name)
            .step(move |lab| {
                let shop = process("shop").listens("127.0.0.1:8080", 128, Accepts::Reads);
                lab.start_in_group("s", group, shop)
            })
            .diagnose(":8080")
    };
    vec![
        in_group("the listener at loopback is a unit of systemd", "shop.service")
            .expect(loopback().naming("shop.service")),
        in_group("the listener at loopback is in a container", CONTAINER)
            .expect(loopback().naming("4c01db0b339c")),
    ]
}

fn queues() -> Vec<Scenario> {
    let queue = || fault("tcp.timeout_accept_queue").here().likely();
    let flood = || fault("tcp.syn_flood").here().likely();
    let stuck = |backlog| process("stuck").listens("[::]:8080", backlog, Accepts::Nothing);
    vec![
        on_server("nobody accepts, the queue is full and clients keep coming")
            .process("s", stuck(5))
            .knocking(8080, 40)
            .counted("ListenOverflows", 3)
            .diagnose(":8080")
            .for_nobody(queue())
            .for_root(queue().naming("stuck").naming_process("stuck")),
        on_server("the queue is full and the process is our own and we are nobody")
            .process(
                "s",
                process("stuck").by_user(65_534).listens("0.0.0.0:8080", 2, Accepts::Nothing),
            )
            .knocking(8080, 40)
            .counted("ListenOverflows", 3)
            .diagnose(":8080")
            .expect(queue().naming("stuck").naming_process("stuck")),
        on_server("the service accepts too slowly and its short queue overflows")
            .process("s", process("slow").listens("0.0.0.0:8080", 3, Accepts::EveryMs(200)))
            .knocking(8080, 10)
            .counted("ListenOverflows", 10)
            .diagnose(":8080")
            .expect(queue()),
        on_server("a client asks its own address and the queue there is full")
            .run_on("c")
            .process("c", process("stuck").listens("0.0.0.0:8080", 2, Accepts::Nothing))
            .step(|lab| {
                let own = SocketAddr::from(([10, 4, 1, 2], 8080));
                let knocking = knocking(lab.host("c"), own, Duration::from_millis(40))?;
                lab.keep(knocking);
                let host = lab.host("c");
                wait_for("overflows", || Ok(counter(host, "TcpExt", "ListenOverflows")? >= 3))
            })
            .diagnose("10.4.1.2:8080")
            .expect(queue().within_ms(6000)),
        on_server("800 half-open connections from as many addresses")
            .process("s", process("shop").listens("0.0.0.0:8080", 1024, Accepts::Reads))
            .flood(8080, 800, 5)
            .sockets(State::SynReceived, 8080, 700)
            .diagnose(":8080")
            .expect(flood()),
        on_server("a flood of SYNs is answered with cookies")
            .process("s", process("shop").listens("0.0.0.0:8080", 128, Accepts::Reads))
            .flood(8080, 400, 20)
            .counted("SyncookiesSent", 100)
            .diagnose(":8080")
            .expect(flood()),
        on_server("a flood of SYNs and cookies are off")
            .sysctl("s", "net/ipv4/tcp_syncookies", "0")
            .process("s", process("shop").listens("0.0.0.0:8080", 1024, Accepts::Reads))
            .flood(8080, 1400, 20)
            .sockets(State::SynReceived, 8080, 600)
            .diagnose(":8080")
            .expect(flood().or_id("kernel.syncookies_off")),
        on_server("a flood of SYNs from an IPv4 client at a listener of both families")
            .process("s", process("shop").listens("[::]:8080", 1024, Accepts::Reads))
            .flood(8080, 800, 5)
            .sockets(State::SynReceived, 8080, 700)
            .diagnose(":8080")
            .expect(flood()),
    ]
}

fn rules() -> Vec<Scenario> {
    let drop = || fault("fw.input_drop").here().likely();
    let reject = || fault("fw.reject").here().likely();
    let serving = |name| {
        on_server(name)
            .process("s", process("shop").listens("[::]:8080", 128, Accepts::Reads))
            .diagnose(":8080")
            .for_nobody(firewall_unseen())
    };
    // Packets that arrive and are not delivered can be counted without any privilege.
    let unseen = || firewall_unseen().or("fault", "fw.input_drop");
    vec![
        serving("an input rule drops the port")
            .nft("s", to_port("input", 8080, "drop"))
            .for_root(drop().naming("lab_input")),
        serving("an input rule drops the port and clients keep coming")
            .nft("s", to_port("input", 8080, "drop"))
            .knocking(8080, 40)
            .for_nobody(unseen())
            .for_root(drop().naming("lab_input")),
        serving("an input rule without a counter drops the port")
            .nft("s", chain("input", "tcp dport 8080 drop"))
            .for_root(drop()),
        serving("the input policy is drop")
            .nft("s", policy("input", "drop", "iif lo accept; tcp dport { 22, 443 } accept"))
            .for_root(drop()),
        serving("a stateful input chain lets only old connections in")
            .nft(
                "s",
                policy("input", "drop", "iif lo accept; ct state established,related accept; tcp dport 22 ct state new accept"),
            )
            .for_root(drop()),
        serving("an input rule drops everything that is new")
            .nft("s", chain("input", "ct state established,related accept; iif lo accept; ct state new counter drop"))
            .knocking(8080, 40)
            .for_nobody(unseen())
            .for_root(drop()),
        serving("a chain that another jumps to drops a set of ports")
            .nft(
                "s",
                "table inet lab { set closed { type inet_service; elements = { 8080, 8081 }; } \
                 chain deny { counter drop; } \
                 chain input { type filter hook input priority 0; tcp dport @closed jump deny; } }",
            )
            .for_root(drop()),
        serving("a rule before routing drops the port")
            .nft("s", to_port("prerouting", 8080, "drop"))
            .for_root(drop()),
        serving("a rule below IP drops the port on its interface")
            .nft(
                "s",
                "table netdev lab { chain in { type filter hook ingress device s0 priority 0; \
                 tcp dport 8080 counter drop; } }",
            )
            .for_root(drop()),
        serving("an input rule drops what comes in on the interface")
            .nft("s", chain("input", "iifname s0 tcp dport 8080 counter drop"))
            .for_root(drop()),
        serving("an input rule drops the port for one network")
            .nft("s", chain("input", "ip saddr 10.4.1.0/24 tcp dport 8080 counter drop"))
            .knocking(8080, 40)
            .for_nobody(unseen())
            .for_root(degraded("fw.input_drop").here()),
        serving("an input rule drops the port for IPv6 alone")
            .nft("s", chain("input", "meta nfproto ipv6 tcp dport 8080 counter drop"))
            .for_root(drop().or("degraded", "fw.input_drop")),
        serving("an input rule rejects the port")
            .nft("s", to_port("input", 8080, "reject"))
            .for_root(reject()),
        serving("an input rule rejects the port and clients keep coming")
            .nft("s", to_port("input", 8080, "reject"))
            .knocking(8080, 40)
            .for_nobody(firewall_unseen().or("fault", "fw.reject").or("fault", "fw.input_drop"))
            .for_root(reject()),
        serving("an input rule resets the port")
            .nft("s", to_port("input", 8080, "reject with tcp reset"))
            .for_root(reject()),
    ]
}
