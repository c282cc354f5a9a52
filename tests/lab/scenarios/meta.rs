//! When it can't be told.

use crate::expect::{fault, healthy, inconclusive};
use crate::rules::to_port;
use crate::run::Forbidden;
use crate::scenario::{Scenario, scenario};

pub(crate) fn all() -> Vec<Scenario> {
    vec![
        scenario("the budget ends before the port could answer")
            .nft("r2", to_port("forward", 5432, "drop"))
            .diagnose("10.4.3.2:5432 --budget 100ms")
            .expect(inconclusive("inconclusive.budget").here().within_ms(700)),
        scenario("the budget ends while the name server is silent")
            .dns(crate::dns_server::Zone::always(crate::dns_server::Answer::Silence))
            .diagnose("www.lab.test:80 --budget 200ms")
            .expect(inconclusive("inconclusive.budget").here().within_ms(800)),
        scenario("the files run out while the port is silent")
            .open_files(16)
            .nft("r2", to_port("forward", 5432, "drop"))
            .diagnose("10.4.3.2:5432")
            .expect(fault("tcp.fd_exhausted").here()),
        scenario("there is no /proc and the service works")
            .without_proc()
            .diagnose("www.lab.test:80")
            .expect(healthy()),
        scenario("there is no /proc and the port is dropped")
            .without_proc()
            .nft("r2", to_port("forward", 5432, "drop"))
            .diagnose("10.4.3.2:5432")
            .expect(fault("tcp.timeout_filtered").path(2, "10.4.2.2")),
        scenario("there is no netlink and the service works")
            .forbidden(Forbidden::Netlink)
            .diagnose("www.lab.test:80")
            .expect(healthy()),
        scenario("there is no netlink and the port is dropped")
            .forbidden(Forbidden::Netlink)
            .nft("r2", to_port("forward", 5432, "drop"))
            .diagnose("10.4.3.2:5432")
            .expect(fault("tcp.timeout_filtered").path(2, "10.4.2.2")),
        scenario("there is no netlink and no default route")
            .forbidden(Forbidden::Netlink)
            .ip("c", "route del default")
            .diagnose("10.4.3.2:80")
            .expect(fault("route.none").here().within_ms(1500)),
        scenario("the process may not connect")
            .forbidden(Forbidden::Connect)
            .diagnose("10.4.3.2:80")
            .expect(fault("tcp.denied_local").here().likely()),
    ]
}
