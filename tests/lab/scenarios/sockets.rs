//! Sockets that pile up on this machine, and who has them.

use std::net::SocketAddr;

use crate::expect::{degraded, fault, healthy};
use crate::load::crowd;
use crate::process::{Accepts, Process, process};
use crate::scenario::Scenario;
use crate::scenarios::server::{firewall_unseen, on_server, server};
use crate::seen::{State, sockets, wait_for};

impl Scenario {
    /// So many clients connect to `s` and go away again, and the service keeps its side open.
    pub(crate) fn abandoned(self, port: u16, count: usize) -> Scenario {
        self.step(move |lab| {
            drop(crowd(lab.host("r2"), server(port), count)?);
            let host = lab.host("s");
            wait_for("CLOSE_WAIT", || Ok(sockets(host, State::CloseWait, port)? >= count))
        })
    }

    /// A process of `s` whose connections to another service are all closed by that one.
    pub(crate) fn forgetful(self, process: Process, count: usize) -> Scenario {
        self.process(
            "r2",
            crate::process::process("closer").listens("0.0.0.0:9000", 4096, Accepts::Closes),
        )
        .process("s", process.connects("10.4.3.1:9000", count))
        .sockets(State::CloseWait, 0, count)
    }

    /// So many connections of `s` to a service elsewhere that `s` itself has closed.
    pub(crate) fn lingering(self, count: usize) -> Scenario {
        self.process("r2", process("elsewhere").listens("0.0.0.0:9000", 4096, Accepts::Reads)).step(
            move |lab| {
                let elsewhere = SocketAddr::from(([10, 4, 3, 1], 9000));
                (0..count).try_for_each(|_| crowd(lab.host("s"), elsewhere, 1).map(drop))
            },
        )
    }
}

pub(crate) fn all() -> Vec<Scenario> {
    let leak = || fault("socket.close_wait_leak").here().likely();
    let orders = || process("orders").listens("[::]:8080", 4096, Accepts::Keeps);
    let both = |name, target| {
        // The second has no port of its own here: its connections go out.
        on_server(name)
            .process("s", orders().may_open(1024))
            .abandoned(8080, 180)
            .forgetful(process("billing").may_open(512), 120)
            .diagnose(target)
            .for_root(
                leak()
                    .naming("orders")
                    .naming_process("orders")
                    .naming("180")
                    .naming("1024")
                    .naming("billing")
                    .naming_process("billing")
                    .naming("120")
                    .naming("512"),
            )
            .for_nobody(leak().naming("300"))
    };
    let own = |name, target| {
        on_server(name)
            .process("s", orders_of_nobody().may_open(400))
            .abandoned(8080, 300)
            .diagnose(target)
            .expect(leak().naming("orders").naming_process("orders").naming("300").naming("400"))
            .needs_other_users()
    };
    vec![
        on_server("the service is stopped by a signal")
            .process("s", process("halted").listens("[::]:8080", 128, Accepts::Reads))
            .shell(
                "s",
                "p=$(ss -Hltnp 'sport = :8080' | grep -o 'pid=[0-9]*' | cut -d= -f2); kill -STOP $p
                until grep -q 'State:.T' /proc/$p/status; do sleep 0.01; done",
            )
            .diagnose(":8080")
            .for_nobody(firewall_unseen())
            .for_root(
                fault("tcp.accepted_not_served").here().naming("stopped").naming_process("halted"),
            ),
        both("two processes leave 300 connections in CLOSE_WAIT", ":8080 --runbook close_wait"),
        own(
            "our own process leaves 300 connections in CLOSE_WAIT and we are nobody",
            ":8080 --runbook close_wait",
        ),
        on_server("two workers share the port and both leave connections in CLOSE_WAIT")
            .process("s", worker("odd"))
            .process("s", worker("even"))
            .abandoned(8080, 300)
            .diagnose(":8080")
            .for_root(
                leak()
                    .naming("odd")
                    .naming_process("odd")
                    .naming("even")
                    .naming_process("even")
                    .naming("300"),
            )
            .for_nobody(leak().naming("300")),
        on_server("the service itself leaves 300 connections in CLOSE_WAIT")
            .process("s", orders().may_open(1024))
            .abandoned(8080, 300)
            .diagnose(":8080")
            .for_root(leak().naming("orders").naming_process("orders").naming("300"))
            .for_nobody(leak().naming("300")),
        on_server("250 of 300 in CLOSE_WAIT are a pool to one peer")
            .process("s", orders())
            .abandoned(8080, 50)
            .forgetful(process("pool"), 250)
            .diagnose(":8080 --runbook close_wait")
            .for_root(leak().naming("pool").naming_process("pool").naming("10.4.3.1"))
            .for_nobody(leak().naming("10.4.3.1")),
        on_server("50 in CLOSE_WAIT are no leak")
            .process("s", orders())
            .abandoned(8080, 50)
            .diagnose(":8080 --runbook close_wait")
            .expect(healthy()),
        on_server("50 in CLOSE_WAIT are no leak for the port either")
            .process("s", orders())
            .abandoned(8080, 50)
            .diagnose(":8080")
            .for_root(healthy())
            .for_nobody(firewall_unseen().without("socket.close_wait_leak")),
        on_server("50 in CLOSE_WAIT are over a threshold of 40")
            .process("s", orders())
            .abandoned(8080, 50)
            .diagnose(":8080 --runbook close_wait --param close_wait=40")
            .expect(leak()),
        on_server("nearly every local port to one destination waits to be forgotten")
            .sysctl("s", "net/ipv4/ip_local_port_range", "40000 41023")
            .lingering(970)
            .sockets(State::TimeWait, 0, 860)
            .process("s", orders())
            .diagnose(":8080")
            .for_root(
                degraded("socket.time_wait_pressure")
                    .or("fault", "socket.time_wait_pressure")
                    .here()
                    .naming("10.4.3.1"),
            )
            .for_nobody(
                firewall_unseen()
                    .or("degraded", "socket.time_wait_pressure")
                    .or("fault", "socket.time_wait_pressure")
                    .noting("socket.time_wait_pressure"),
            ),
        on_server("the service has hardly a file left")
            .process("s", orders().may_open(256).leaves_free(9))
            .diagnose(":8080")
            .for_root(
                fault("socket.fd_near_limit")
                    .or("degraded", "socket.fd_near_limit")
                    .here()
                    .naming("orders")
                    .naming_process("orders")
                    .naming("256"),
            )
            // Files of other users are hidden, and the rules too.
            .for_nobody(firewall_unseen()),
        on_server("our own service has hardly a file left and we are nobody")
            .process("s", orders_of_nobody().may_open(256).leaves_free(9))
            .diagnose(":8080")
            .expect(fault("socket.fd_near_limit").here().naming_process("orders").naming("256"))
            .needs_other_users(),
    ]
}

fn worker(name: &'static str) -> Process {
    process(name).listens("0.0.0.0:8080", 1024, Accepts::Keeps)
}

fn orders_of_nobody() -> Process {
    process("orders").by_user(65_534).listens("[::]:8080", 4096, Accepts::Keeps)
}
