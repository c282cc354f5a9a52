//! Kernel settings of this machine, and the load that makes them matter.

use crate::expect::{degraded, fault, healthy};
use crate::process::{Accepts, process};
use crate::scenario::Scenario;
use crate::scenarios::server::{firewall_unseen, on_server};
use crate::seen::State;

pub(crate) fn all() -> Vec<Scenario> {
    let shop = || process("shop").listens("[::]:8080", 128, Accepts::Reads);
    let review = |name| on_server(name).process("s", shop()).diagnose(":8080 --runbook kernel");
    vec![
        on_server("somaxconn cuts the backlog short and it overflows")
            .sysctl("s", "net/core/somaxconn", "8")
            .process("s", process("busy").listens("0.0.0.0:8080", 1024, Accepts::EveryMs(60)))
            .knocking(8080, 5)
            .counted("ListenOverflows", 20)
            .diagnose(":8080")
            .expect(
                fault("kernel.backlog_capped")
                    .or_id("tcp.timeout_accept_queue")
                    .noting("kernel.backlog_capped")
                    .here()
                    .naming("8"),
            ),
        on_server("somaxconn is small and nothing overflows")
            .sysctl("s", "net/core/somaxconn", "8")
            .process("s", shop())
            .diagnose(":8080")
            .for_root(healthy().without("kernel.backlog_capped"))
            .for_nobody(firewall_unseen().without("kernel.backlog_capped")),
        on_server("the queue of half-open connections is full and cookies are off")
            .sysctl("s", "net/ipv4/tcp_syncookies", "0")
            .process("s", process("shop").listens("0.0.0.0:8080", 24, Accepts::Reads))
            .flood(8080, 60, 4)
            .counted("TCPReqQFullDrop", 10)
            .diagnose(":8080")
            .expect(
                fault("kernel.syncookies_off")
                    .or_id("tcp.timeout_syn_queue")
                    .or_id("tcp.syn_flood")
                    .noting("kernel.syncookies_off")
                    .here(),
            ),
        on_server("cookies are off and nothing is dropped")
            .sysctl("s", "net/ipv4/tcp_syncookies", "0")
            .process("s", shop())
            .diagnose(":8080")
            .for_root(healthy().without("kernel.syncookies_off"))
            .for_nobody(firewall_unseen().without("kernel.syncookies_off")),
        review("window scaling is off")
            .sysctl("s", "net/ipv4/tcp_window_scaling", "0")
            .expect(degraded("kernel.window_scaling_off").here().naming("tcp_window_scaling")),
        on_server("window scaling is off on a server that works")
            .sysctl("s", "net/ipv4/tcp_window_scaling", "0")
            .process("s", shop())
            .diagnose(":8080")
            .for_root(
                degraded("kernel.window_scaling_off")
                    .or_healthy()
                    .noting("kernel.window_scaling_off"),
            )
            .for_nobody(
                firewall_unseen()
                    .or("degraded", "kernel.window_scaling_off")
                    .noting("kernel.window_scaling_off"),
            ),
        review("the range of local ports is narrow")
            .sysctl("s", "net/ipv4/ip_local_port_range", "50000 50099")
            .expect(
                degraded("kernel.port_range_narrow")
                    .or_healthy()
                    .noting("kernel.port_range_narrow")
                    .here(),
            ),
        review("the kernel has its defaults").expect(healthy().quiet()),
        on_server("the buffers are smaller than rate times round trip")
            .process("s", shop())
            .diagnose(":8080 --runbook kernel --param rate_mbit=10000 --param rtt_ms=200")
            .expect(degraded("kernel.buffers_below_bdp").here()),
        on_server("cookies are on and a handful of handshakes is open")
            .process("s", shop())
            .flood(8080, 40, 0)
            .sockets(State::SynReceived, 8080, 40)
            .diagnose(":8080")
            .for_root(healthy().without("tcp.syn_flood"))
            .for_nobody(firewall_unseen().without("tcp.syn_flood")),
    ]
}
