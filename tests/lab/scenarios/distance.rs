//! The same faults far away, over a trembling line, and with one packet lost at the worst moment.

use crate::dns_server::{Answer, Zone};
use crate::expect::{fault, healthy};
use crate::rules::{chain, no_too_big, to_port};
use crate::scenario::{Scenario, scenario};
use crate::servers::Serve;
use crate::wire::{Way, tcp_of};

pub(crate) fn all() -> Vec<Scenario> {
    let v4 = "10.4.3.2:5432";
    let v6 = "[fd04:3::2]:5432";
    let far = |name| scenario(name).delay_ms(150);
    let shaky = |name| scenario(name).reorder_ms(30);
    vec![
        far("far away, the second router drops the port")
            .nft("r2", to_port("forward", 5432, "drop"))
            .diagnose(v4)
            .expect(fault("tcp.timeout_filtered").likely().path(2, "10.4.2.2")),
        far("far away, the host's own firewall drops the IPv6 port")
            .nft("s", to_port("input", 5432, "drop"))
            .diagnose(v6)
            .expect(fault("tcp.timeout_filtered").likely().path(2, "fd04:2::2")),
        far("far away, nobody listens")
            .diagnose(v4)
            .expect(fault("tcp.refused_no_listener").likely().target("10.4.3.2")),
        far("far away, the second router resets")
            .nft("r2", to_port("forward", 5432, "reject with tcp reset"))
            .diagnose(v4)
            .expect(fault("tcp.refused_middlebox").likely().path(2, "10.4.2.2").within_ms(5000)),
        far("far away, the first router resets IPv6")
            .nft("r1", to_port("forward", 5432, "reject with tcp reset"))
            .diagnose(v6)
            .expect(fault("tcp.refused_middlebox").likely().path(1, "fd04:1::1").within_ms(5000)),
        far("far away, the second router answers admin-prohibited")
            .nft("r2", to_port("forward", 5432, "reject with icmpx type admin-prohibited"))
            .diagnose(v4)
            .expect(fault("tcp.rejected_admin").likely().hop(2, "10.4.2.2")),
        far("far away, the target is off")
            .ip("s", "link set s0 down")
            .diagnose(v4)
            .expect(fault("host.down").likely().target("10.4.3.2").within_ms(5500)),
        far("far away, a narrow cable that nobody tells of")
            .narrow(1300)
            .nft("r1", no_too_big())
            .nft("r2", no_too_big())
            .diagnose("10.4.3.2:80")
            .expect(fault("mtu.blackhole").likely().path(1, "10.4.1.1").within_ms(8000)),
        far("far away, nobody accepts ssh connections")
            .serve(22, Serve::NeverAccepts)
            .diagnose("ssh://10.4.3.2")
            .expect(fault("tcp.accepted_not_served").target("10.4.3.2").within_ms(7000)),
        far("far away, the name server is silent")
            .dns(Zone::always(Answer::Silence))
            .diagnose("www.lab.test:80")
            .expect(fault("dns.unreachable").resolver("10.4.9.53").within_ms(6000)),
        shaky("over a trembling line, the second router drops the port")
            .nft("r2", to_port("forward", 5432, "drop"))
            .diagnose(v4)
            .expect(fault("tcp.timeout_filtered").likely().path(2, "10.4.2.2")),
        shaky("over a trembling line, the second router resets")
            .nft("r2", to_port("forward", 5432, "reject with tcp reset"))
            .diagnose(v4)
            .expect(fault("tcp.refused_middlebox").likely().path(2, "10.4.2.2")),
        shaky("over a trembling line, an output rule drops the port")
            .nft("c", to_port("output", 5432, "drop"))
            .diagnose(v4)
            .for_nobody(fault("tcp.blocked_local_output").here().likely())
            .for_root(fault("fw.output_drop").here().likely()),
        shaky("over a trembling line, a narrow cable that nobody tells of")
            .narrow(1300)
            .nft("r1", no_too_big())
            .nft("r2", no_too_big())
            .diagnose("10.4.3.2:80")
            .expect(fault("mtu.blackhole").likely().path(1, "10.4.1.1").within_ms(6000)),
        once("the first question to the name server is lost", Way::Out, is_dns)
            .diagnose("www.lab.test:80")
            .expect(healthy().within_ms(9000)),
        once("nobody listens, and the first reset is lost", Way::Back, |frame| {
            tcp_of(frame).is_some_and(|tcp| tcp.rst)
        })
        .diagnose(v4)
        .expect(fault("tcp.refused_no_listener").likely().target("10.4.3.2")),
        once("the port is dropped, and the first ICMP error is lost", Way::Back, is_icmp_error)
            .nft("r2", to_port("forward", 5432, "drop"))
            .diagnose(v4)
            .expect(fault("tcp.timeout_filtered").likely().path(2, "10.4.2.2")),
        once(
            "the second router rejects, and the first ICMP error is lost",
            Way::Back,
            is_icmp_error,
        )
        .nft("r2", to_port("forward", 5432, "reject with icmpx type admin-prohibited"))
        .diagnose(v4)
        .expect(fault("tcp.rejected_admin").likely().hop(2, "10.4.2.2")),
        scenario("every third ICMP error is lost, and the port is dropped")
            .nft(
                "r2",
                to_port("forward", 5432, "drop")
                    + &chain("output", "icmp type time-exceeded numgen inc mod 3 == 0 drop"),
            )
            .diagnose(v4)
            .expect(fault("tcp.timeout_filtered").likely().path(2, "10.4.2.2")),
    ]
}

/// Loses the first frame of one kind, one way.
fn once(name: &'static str, way: Way, kind: fn(&[u8]) -> bool) -> Scenario {
    scenario(name).frames(move || {
        let mut lost = false;
        move |to, frame| {
            let this = !lost && to == way && kind(frame);
            lost |= this;
            !this
        }
    })
}

fn is_dns(frame: &[u8]) -> bool {
    frame.get(12..14) == Some(&[0x08, 0x00])
        && frame.get(23) == Some(&17)
        && frame.get(36..38) == Some(&[0, 53])
}

fn is_icmp_error(frame: &[u8]) -> bool {
    frame.get(12..14) == Some(&[0x08, 0x00])
        && frame.get(23) == Some(&1)
        && matches!(frame.get(34), Some(3 | 11))
}
