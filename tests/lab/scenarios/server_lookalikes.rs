//! Servers beside a fault that is not theirs, or just below a threshold, and the fault that looks just
//! the same.

use std::io::{self, Write};
use std::net::TcpStream;
use std::time::Duration;

use crate::expect::{Expect, degraded, fault, healthy, inconclusive};
use crate::lab::Lab;
use crate::load::{crowd, knocking};
use crate::process::{Accepts, Process, process};
use crate::rules::{chain, legacy_is_possible, policy};
use crate::scenario::Scenario;
use crate::scenarios::server::{firewall_unseen, on_server, server};
use crate::seen::{State, wait_for};

impl Scenario {
    /// So many clients connect to `s`, do something and stay.
    fn clients(
        self,
        port: u16,
        count: usize,
        act: impl Fn(&mut TcpStream) -> io::Result<()> + Send + Sync + 'static,
    ) -> Scenario {
        self.step(move |lab: &mut Lab| {
            let mut clients = crowd(lab.host("r2"), server(port), count)?;
            clients.iter_mut().try_for_each(&act)?;
            lab.keep(clients);
            Ok(())
        })
    }

    /// As [`Scenario::clients`], from `s` itself by its loopback address.
    fn own_clients(self, port: u16, count: usize) -> Scenario {
        self.step(move |lab: &mut Lab| {
            let target = (std::net::Ipv4Addr::LOCALHOST, port).into();
            let clients = crowd(lab.host("s"), target, count)?;
            lab.keep(clients);
            Ok(())
        })
    }
}

/// Writes until nothing more goes.
fn write_all_that_goes(client: &mut TcpStream) -> io::Result<()> {
    client.set_nonblocking(true)?;
    while client.write(&[b'x'; 65_536]).is_ok() {}
    Ok(())
}

fn shop() -> Process {
    process("shop").listens("[::]:8080", 128, Accepts::Reads)
}

fn serving(name: &'static str) -> Scenario {
    on_server(name).process("s", shop()).diagnose(":8080")
}

pub(crate) fn all() -> Vec<Scenario> {
    let mut all = queues();
    all.extend(thresholds());
    all.extend(rules());
    all.extend(names());
    if legacy_is_possible() {
        all.extend(legacy());
    }
    all
}

fn queues() -> Vec<Scenario> {
    let queue = || fault("tcp.timeout_accept_queue").here().likely();
    vec![
        serving("another port is flooded and answered with cookies")
            .process("s", process("other").listens("0.0.0.0:9000", 64, Accepts::Reads))
            .flood(9000, 400, 20)
            .counted("SyncookiesSent", 100)
            .all_well(),
        serving("another port is flooded and cookies are off")
            .sysctl("s", "net/ipv4/tcp_syncookies", "0")
            .process("s", process("other").listens("0.0.0.0:9000", 24, Accepts::Reads))
            .flood(9000, 60, 4)
            .counted("TCPReqQFullDrop", 10)
            .all_well_but(&|expect| expect.finding("kernel.syncookies_off")),
        serving("cookies are sent to everybody and clients come")
            .sysctl("s", "net/ipv4/tcp_syncookies", "2")
            .knocking(8080, 5)
            .counted("SyncookiesSent", 20)
            .all_well(),
        on_server("another service overflows while connections wait here, in a queue with room")
            .process("s", process("slow").listens("0.0.0.0:8080", 128, Accepts::Nothing))
            .clients(8080, 100, |_| Ok(()))
            .process("s", process("stuck").listens("0.0.0.0:9000", 2, Accepts::Nothing))
            .knocking(9000, 20)
            .counted("ListenOverflows", 3)
            .diagnose(":8080")
            .all_well_but(&|expect| expect.without("tcp.timeout_accept_queue")),
        on_server("the queue at loopback is full and the one at our address is not")
            .process(
                "s",
                process("shop").listens("127.0.0.1:8080", 1, Accepts::Nothing).listens(
                    "10.4.3.2:8080",
                    128,
                    Accepts::Reads,
                ),
            )
            .own_clients(8080, 2)
            .diagnose(":8080")
            .all_well_but(&|expect| expect.without("tcp.timeout_accept_queue")),
        on_server("one of two workers on the port does not accept")
            .process("s", process("stuck").listens("0.0.0.0:8080", 2, Accepts::Nothing))
            .process("s", process("brisk").listens("0.0.0.0:8080", 128, Accepts::Reads))
            .knocking(8080, 20)
            .counted("ListenOverflows", 3)
            .diagnose(":8080")
            .for_nobody(queue())
            .for_root(queue().naming_process("stuck")),
        on_server("the program asked for a short queue and it overflows")
            .process("s", process("busy").listens("0.0.0.0:8080", 4, Accepts::EveryMs(60)))
            .sysctl("s", "net/core/somaxconn", "64")
            .knocking(8080, 5)
            .counted("ListenOverflows", 20)
            .diagnose(":8080 --runbook kernel")
            // A queue that is emptied one by one may be looked at just below its limit: likely then.
            .for_nobody(queue().without("kernel.backlog_capped"))
            .for_root(queue().without("kernel.backlog_capped").naming_process("busy")),
        on_server("the kernel allows only a short queue and it overflows")
            .sysctl("s", "net/core/somaxconn", "8")
            .process("s", process("busy").listens("0.0.0.0:8080", 1024, Accepts::EveryMs(60)))
            .knocking(8080, 5)
            .counted("ListenOverflows", 20)
            .diagnose(":8080 --runbook kernel")
            .for_nobody(degraded("kernel.backlog_capped").here().naming("8080").naming("8"))
            .for_root(degraded("kernel.backlog_capped").here().naming_process("busy")),
        on_server("a service reads nothing, and little waits to be read")
            .process("s", process("lazy").listens("[::]:8080", 128, Accepts::Keeps))
            .clients(8080, 20, |client| client.write_all(&[b'x'; 200]))
            .diagnose(":8080")
            .all_well(),
        on_server("a service reads nothing and clients have sent all they can")
            .process("s", process("lazy").listens("[::]:8080", 128, Accepts::Keeps))
            .clients(8080, 3, write_all_that_goes)
            .step(|lab| {
                // The unread bytes: /proc/net/tcp has them in hexadecimal, tx:rx.
                let host = lab.host("s");
                wait_for("unread data", || {
                    let lines = host.output("ss -Htn 'sport = :8080' | awk '$2 > 65536'")?;
                    Ok(lines.lines().count() >= 3)
                })
            })
            .diagnose(":8080")
            .for_nobody(firewall_unseen().finding("socket.recvq_stuck"))
            .for_root(healthy().finding("socket.recvq_stuck").naming_process("lazy")),
        on_server("clients take nothing of what the service sends")
            .process("s", process("talker").listens("[::]:8080", 128, Accepts::Talks))
            .clients(8080, 8, |_| Ok(()))
            .step(|lab| {
                let host = lab.host("s");
                wait_for("unsent data", || {
                    let lines = host.output("ss -Htno 'sport = :8080' | grep -c persist")?;
                    Ok(lines.trim().parse::<usize>().unwrap_or(0) >= 8)
                })
            })
            .diagnose(":8080")
            .for_nobody(firewall_unseen().finding("socket.sendq_stuck"))
            .for_root(healthy().finding("socket.sendq_stuck").naming("zero window")),
    ]
}

fn thresholds() -> Vec<Scenario> {
    let orders = || process("orders").listens("[::]:8080", 4096, Accepts::Keeps);
    vec![
        on_server("99 in CLOSE_WAIT of one program and 99 of another are no leak")
            .process("s", orders())
            .abandoned(8080, 99)
            .forgetful(process("billing"), 99)
            .diagnose(":8080 --runbook close_wait")
            .expect(healthy().quiet()),
        on_server("100 in CLOSE_WAIT are a leak")
            .process("s", orders())
            .abandoned(8080, 100)
            .diagnose(":8080 --runbook close_wait")
            .expect(fault("socket.close_wait_leak").here().likely().naming("100")),
        on_server("attempts to reach a silent service pile up")
            .nft("r2", chain("input", "tcp dport 9000 drop"))
            .step(|lab| {
                let silent = std::net::SocketAddr::from(([10, 4, 3, 1], 9000));
                let knocks = knocking(lab.host("s"), silent, Duration::from_millis(5))?;
                lab.keep(knocks);
                let host = lab.host("s");
                wait_for("SYN_SENT", || {
                    let lines = host.output("ss -Htn state syn-sent")?;
                    Ok(lines.lines().count() >= 25)
                })
            })
            .diagnose(":8080 --runbook close_wait --param syn_sent=25")
            .expect(degraded("socket.syn_sent_pileup").here().naming("10.4.3.1").naming("9000")),
        on_server("100 half-open connections are no flood")
            .process("s", process("shop").listens("0.0.0.0:8080", 1024, Accepts::Reads))
            .flood(8080, 100, 0)
            .sockets(State::SynReceived, 8080, 100)
            .diagnose(":8080")
            .all_well_but(&|expect| expect.without("tcp.syn_flood")),
        on_server("100 half-open connections are over a threshold of 90")
            .process("s", process("shop").listens("0.0.0.0:8080", 1024, Accepts::Reads))
            .flood(8080, 100, 0)
            .sockets(State::SynReceived, 8080, 100)
            .diagnose(":8080 --param syn_recv=90")
            .expect(fault("tcp.syn_flood").here().likely().naming("100")),
        serving("the table of connections is full at 79 percent")
            .tracked("s", "input", 79)
            .all_well_but(&|expect| expect.quiet().within_ms(20_000)),
        on_server("the table of connections at 40 percent is over a threshold of 30")
            .process("s", shop())
            .tracked("s", "input", 40)
            .diagnose(":8080 --param conntrack_percent=30")
            .for_nobody(firewall_unseen().finding("conntrack.near_full").within_ms(20_000))
            .for_root(degraded("conntrack.near_full").here().within_ms(20_000)),
    ]
}

fn rules() -> Vec<Scenario> {
    let drop = || fault("fw.input_drop").here().likely();
    let unseen = |expect: Expect| expect.within_ms(4000);
    vec![
        serving("our answers are dropped")
            .nft("s", chain("output", "tcp sport 8080 counter drop"))
            .for_nobody(unseen(firewall_unseen()))
            .for_root(fault("fw.output_drop").here().likely().naming("tcp sport 8080")),
        serving("our answers are dropped and clients keep coming")
            .nft("s", chain("output", "tcp sport 8080 counter drop"))
            .knocking(8080, 40)
            .for_nobody(unseen(firewall_unseen()))
            .for_root(fault("fw.output_drop").here().confirmed().naming("nft insert rule")),
        serving("the rules of ufw drop the port")
            .nft("s", UFW)
            .for_nobody(firewall_unseen())
            .for_root(drop().naming("ufw").naming("ufw allow 8080/tcp")),
        serving("the rules of ufw drop the port and docker sends it to a container")
            .nft("s", [UFW, DOCKER].concat())
            .all_well(),
        on_server("nobody listens and a rule sends clients to another port")
            .process("s", process("shop").listens("[::]:8081", 128, Accepts::Reads))
            .nft(
                "s",
                "table inet lab { chain in { type nat hook prerouting priority -100; \
                 tcp dport 8080 redirect to :8081; } }",
            )
            .diagnose(":8080")
            // Without the right to read rules nobody knows.
            .for_nobody(fault("tcp.refused_no_listener").target("127.0.0.1").likely())
            .for_root(healthy().quiet()),
        on_server("nobody listens and a rule sends clients of another port elsewhere")
            .nft(
                "s",
                "table inet lab { chain in { type nat hook prerouting priority -100; \
                 tcp dport 8088 redirect to :8081; } }",
            )
            .diagnose(":8080")
            .expect(fault("tcp.refused_no_listener").target("127.0.0.1").likely()),
        serving("the firewall drops what other hosts send through")
            .nft("s", policy("forward", "drop", "tcp dport 8080 drop"))
            .all_well(),
        serving("the firewall drops what goes out to other servers of that port")
            .nft("s", chain("output", "tcp dport 8080 ct state new drop"))
            .all_well(),
    ]
}

/// As ufw writes them: everything but SSH is shut.
const UFW: &str = "table ip filter {
    chain ufw-user-input { tcp dport 22 accept
    }
    chain INPUT { type filter hook input priority 0; policy drop;
        iifname lo accept
        ct state established,related accept
        jump ufw-user-input
    }
}
table ip6 filter {
    chain ufw6-user-input { tcp dport 22 accept
    }
    chain INPUT { type filter hook input priority 0; policy drop;
        iifname lo accept
        ct state established,related accept
        jump ufw6-user-input
    }
}
";

/// As docker writes them for a published port, for both families.
const DOCKER: &str = "table ip nat {
    chain DOCKER { iifname docker0 return
        tcp dport 8080 dnat to 10.77.0.2:80
    }
    chain PREROUTING { type nat hook prerouting priority -100;
        fib daddr type local jump DOCKER
    }
}
table ip6 nat {
    chain DOCKER { iifname docker0 return
        tcp dport 8080 dnat to [fd77::2]:80
    }
    chain PREROUTING { type nat hook prerouting priority -100;
        fib daddr type local jump DOCKER
    }
}
";

/// Rules of iptables-legacy, which nftables does not show.
fn legacy() -> Vec<Scenario> {
    let drop = || fault("fw.input_drop").here().naming("iptables-legacy");
    vec![
        serving("a rule of iptables-legacy drops the port and clients keep coming")
            .shell(
                "s",
                "iptables-legacy -A INPUT -p tcp -m tcp --dport 8080 -j DROP
                ip6tables-legacy -A INPUT -p tcp -m tcp --dport 8080 -j DROP",
            )
            .knocking(8080, 40)
            .for_nobody(firewall_unseen())
            .for_root(drop().confirmed().naming("iptables-legacy -I INPUT")),
        serving("the policy of iptables-legacy is to drop")
            .shell(
                "s",
                "for t in iptables ip6tables; do $t-legacy -A INPUT -i lo -j ACCEPT
                $t-legacy -A INPUT -m state --state ESTABLISHED -j ACCEPT
                $t-legacy -N web; $t-legacy -A web -p tcp -m multiport --dports 80,443 -j ACCEPT
                $t-legacy -A INPUT -j web; $t-legacy -P INPUT DROP; done",
            )
            .for_nobody(firewall_unseen())
            .for_root(drop().likely()),
        serving("a rule of iptables-legacy rejects the port for IPv4")
            .shell(
                "s",
                "iptables-legacy -A INPUT -p tcp --dport 8080 -j REJECT --reject-with tcp-reset",
            )
            .for_nobody(firewall_unseen())
            .for_root(fault("fw.reject").here().likely().naming("IPv4 clients")),
        serving("rules of iptables-legacy let the port in")
            .shell(
                "s",
                "for t in iptables ip6tables; do $t-legacy -A INPUT -i lo -j ACCEPT
                $t-legacy -A INPUT -p tcp -m multiport --dports 22,8080 -j ACCEPT
                $t-legacy -A INPUT -p tcp --dport 8080 -j DROP; $t-legacy -P INPUT DROP; done",
            )
            .all_well(),
        serving("rules of iptables-legacy drop other ports, networks and interfaces")
            .shell(
                "s",
                "iptables-legacy -A INPUT -p tcp --dport 8000:8079 -j DROP
                iptables-legacy -A INPUT -p udp --dport 8080 -j DROP
                iptables-legacy -A INPUT -i docker+ -p tcp --dport 8080 -j DROP
                iptables-legacy -A FORWARD -p tcp --dport 8080 -j DROP
                iptables-legacy -A INPUT -s 10.66.0.0/16 -j DROP",
            )
            .all_well(),
    ]
}

fn names() -> Vec<Scenario> {
    vec![
        on_server("the service that should listen does so on another port")
            .process("s", process("shop").listens("[::]:7452", 128, Accepts::Reads))
            .diagnose(":7451 --param service=shop")
            .for_root(fault("tcp.refused_other_port").here().confirmed().naming("[::]:7452"))
            // Whose listener it is, is hidden.
            .for_nobody(fault("tcp.refused_no_listener").target("127.0.0.1").naming("7452")),
        on_server("another program holds the port")
            .process("s", process("squatter").listens("[::]:8080", 128, Accepts::Reads))
            .diagnose(":8080 --param service=shop")
            .for_root(fault("socket.port_conflict").here().naming_process("squatter"))
            .for_nobody(firewall_unseen()),
        on_server("the program that should hold the port does")
            .process("s", shop())
            .diagnose(":8080 --param service=shop")
            .all_well(),
        on_server("the listener takes IPv6 alone and the machine has nothing else")
            .process("s", process("shop").listens_v6_only(8080, Accepts::Reads))
            .ip("s", "addr del 10.4.3.2/24 dev s0")
            .diagnose(":8080")
            .all_well(),
        serving("there is no /proc on the server")
            .without_proc()
            .for_root(healthy().quiet())
            .for_nobody(firewall_unseen()),
        on_server("there is no /proc and the kernel's settings are asked for")
            .without_proc()
            .diagnose(":8080 --runbook kernel")
            .expect(inconclusive("inconclusive.unsupported").here()),
        on_server("there is no /proc and sockets are counted all the same")
            .process("s", process("orders").listens("[::]:8080", 4096, Accepts::Keeps))
            .abandoned(8080, 120)
            .without_proc()
            .diagnose(":8080 --runbook close_wait")
            .expect(fault("socket.close_wait_leak").here().naming("120")),
    ]
}
