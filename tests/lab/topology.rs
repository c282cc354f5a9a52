//! The networks. The client is `c`, the server `s`; the cable at the client runs through `wire`.

use std::io;

use crate::net::{Host, Plan};

/// Which network.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Topology {
    /// `c - r1 - … - rN - s` with N routers, 1 to 7, and the name server's host `d` behind `r1`.
    ///
    /// | cable | left | right |
    /// |---|---|---|
    /// | 1, c to r1 | `c0` 10.4.1.2, fd04:1::2 | `r1a` 10.4.1.1, fd04:1::1 |
    /// | i, r(i-1) to ri | `r(i-1)b` 10.4.i.1, fd04:i::1 | `ria` 10.4.i.2, fd04:i::2 |
    /// | N+1, rN to s | `rNb` 10.4.(N+1).1 | `s0` 10.4.(N+1).2 |
    /// | 9, r1 to d | `r1d` 10.4.9.1, fd04:9::1 | `d0` 10.4.9.53 and .54, fd04:9::53 |
    Line(usize),
    /// `c` and `s` on one cable: `c0` 10.4.1.2, `s0` 10.4.1.1 (fd04:1::2, fd04:1::1).
    OnLink,
    /// `c - e1 = (ea | eb) = e2 - s`: two ways of the same cost, chosen by addresses and ports.
    /// `c0` 10.5.1.2, `e1` 10.5.1.1, `ea` 10.5.11.2, `eb` 10.5.12.2, `e2` 10.5.21.2 and 10.5.22.2,
    /// `s0` 10.5.3.2; fd05 likewise.
    Ecmp,
}

const ROUTERS: [&str; 7] = ["r1", "r2", "r3", "r4", "r5", "r6", "r7"];

impl Topology {
    pub(crate) fn routers(self) -> &'static [&'static str] {
        match self {
            Topology::Line(count) => &ROUTERS[..count],
            Topology::OnLink => &[],
            Topology::Ecmp => &["e1", "ea", "eb", "e2"],
        }
    }

    pub(crate) fn lay_out(self, plan: &mut Plan) {
        for host in ["c", "wire"].iter().chain(self.routers()).chain(&["s"]) {
            plan.host(host);
        }
        // The cable's own interfaces take frames of any size and have no addresses at all.
        let first = |plan: &mut Plan, left: &str, host: &str, interface: &str, right: &str| {
            plan.cable(["c", "c0", left], ["wire", "wl", ""]);
            plan.cable(["wire", "wr", ""], [host, interface, right]);
            plan.ip("wire", "link set wl mtu 9000\nlink set wr mtu 9000");
        };
        match self {
            Topology::OnLink => {
                first(plan, "10.4.1.2/24 fd04:1::2/64", "s", "s0", "10.4.1.1/24 fd04:1::1/64");
                plan.ip("c", "route add default via 10.4.1.1\nroute add default via fd04:1::1");
            }
            Topology::Line(count) => {
                let routers = &ROUTERS[..count];
                first(plan, "10.4.1.2/24 fd04:1::2/64", "r1", "r1a", "10.4.1.1/24 fd04:1::1/64");
                for (at, router) in routers.iter().enumerate() {
                    let (number, next) = (at + 2, routers.get(at + 1).copied().unwrap_or("s"));
                    let interface = if next == "s" { "s0".to_owned() } else { format!("{next}a") };
                    plan.cable(
                        [
                            router,
                            &format!("{router}b"),
                            &format!("10.4.{number}.1/24 fd04:{number}::1/64"),
                        ],
                        [next, &interface, &format!("10.4.{number}.2/24 fd04:{number}::2/64")],
                    );
                }
                plan.host("d");
                plan.cable(
                    ["r1", "r1d", "10.4.9.1/24 fd04:9::1/64"],
                    ["d", "d0", "10.4.9.53/24 10.4.9.54/24 fd04:9::53/64"],
                );
                plan.ip("d", "route add default via 10.4.9.1\nroute add default via fd04:9::1");
                plan.ip("c", "route add default via 10.4.1.1\nroute add default via fd04:1::1");
                let last = count + 1;
                plan.ip(
                    "s",
                    &format!(
                        "route add default via 10.4.{last}.1\nroute add default via fd04:{last}::1"
                    ),
                );
                for (at, router) in routers.iter().enumerate() {
                    // Cable at+1 is on the left, at+2 on the right.
                    for far in (1..=at).chain((at > 0).then_some(9)) {
                        let gateway = at + 1;
                        plan.ip(router, &format!("route add 10.4.{far}.0/24 via 10.4.{gateway}.1"));
                        plan.ip(
                            router,
                            &format!("route add fd04:{far}::/64 via fd04:{gateway}::1"),
                        );
                    }
                    for far in at + 3..=last {
                        let gateway = at + 2;
                        plan.ip(router, &format!("route add 10.4.{far}.0/24 via 10.4.{gateway}.2"));
                        plan.ip(
                            router,
                            &format!("route add fd04:{far}::/64 via fd04:{gateway}::2"),
                        );
                    }
                }
            }
            Topology::Ecmp => {
                first(plan, "10.5.1.2/24 fd05:1::2/64", "e1", "toc", "10.5.1.1/24 fd05:1::1/64");
                for (leg, side, near, far) in [("ea", "toa", 11, 21), ("eb", "tob", 12, 22)] {
                    let at =
                        |net: u32, host: u32| format!("10.5.{net}.{host}/24 fd05:{net}::{host}/64");
                    plan.cable(["e1", side, &at(near, 1)], [leg, "left", &at(near, 2)]);
                    plan.cable([leg, "right", &at(far, 1)], ["e2", side, &at(far, 2)]);
                    plan.ip(
                        leg,
                        &format!(
                            "route add 10.5.3.0/24 via 10.5.{far}.2\nroute add fd05:3::/64 via fd05:{far}::2\n\
                             route add 10.5.1.0/24 via 10.5.{near}.1\nroute add fd05:1::/64 via fd05:{near}::1"
                        ),
                    );
                }
                plan.cable(
                    ["e2", "tos", "10.5.3.1/24 fd05:3::1/64"],
                    ["s", "s0", "10.5.3.2/24 fd05:3::2/64"],
                );
                plan.ip("c", "route add default via 10.5.1.1\nroute add default via fd05:1::1");
                plan.ip("s", "route add default via 10.5.3.1\nroute add default via fd05:3::1");
                plan.ip(
                    "e1",
                    "route add 10.5.3.0/24 nexthop via 10.5.11.2 nexthop via 10.5.12.2\n\
                     route add fd05:3::/64 nexthop via fd05:11::2 nexthop via fd05:12::2",
                );
                plan.ip(
                    "e2",
                    "route add 10.5.1.0/24 via 10.5.21.1\nroute add fd05:1::/64 via fd05:21::1",
                );
            }
        }
    }

    /// Kernel settings that the network needs beside forwarding.
    pub(crate) fn finish<'a>(self, host: &dyn Fn(&str) -> &'a Host) -> io::Result<()> {
        host("wire").sysctl("net/ipv6/conf/all/disable_ipv6", "1")?;
        if self == Topology::Ecmp {
            host("e1").sysctl("net/ipv4/fib_multipath_hash_policy", "1")?;
            host("e1").sysctl("net/ipv6/fib_multipath_hash_policy", "1")?;
        }
        Ok(())
    }
}
