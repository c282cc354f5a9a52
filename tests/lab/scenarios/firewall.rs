//! This machine's own rules.

use crate::expect::fault;
use crate::rules::{chain, policy, to_port};
use crate::scenario::{Scenario, scenario};
use crate::servers::Serve;

pub(crate) fn all() -> Vec<Scenario> {
    let blocked = || fault("tcp.blocked_local_output").here().likely().within_ms(2500);
    let rule = || fault("fw.output_drop").here().likely().within_ms(2500);
    let reject = || fault("fw.reject").here().likely().within_ms(2500);
    let v4 = "10.4.3.2:5432";
    let v6 = "[fd04:3::2]:5432";
    vec![
        scenario("an output rule drops the port")
            .nft("c", to_port("output", 5432, "drop"))
            .diagnose(v4)
            .for_nobody(blocked())
            .for_root(rule().confirmed().naming("lab_output")),
        scenario("an output rule drops the IPv6 port")
            .nft("c", to_port("output", 5432, "drop"))
            .diagnose(v6)
            .for_nobody(blocked())
            .for_root(rule().confirmed().naming("lab_output")),
        scenario("an output rule without a counter drops the port")
            .nft("c", chain("output", "tcp dport 5432 drop"))
            .diagnose(v4)
            .for_nobody(blocked())
            .for_root(rule()),
        scenario("the output policy is drop")
            .nft("c", policy("output", "drop", "udp dport 53 accept; tcp dport { 22, 80 } accept"))
            .diagnose(v4)
            .for_nobody(blocked())
            .for_root(rule()),
        scenario("a postrouting rule drops the port")
            .nft("c", to_port("postrouting", 5432, "drop"))
            .diagnose(v4)
            .for_nobody(blocked())
            .for_root(rule()),
        scenario("an output rule drops the port in a chain that another jumps to")
            .nft(
                "c",
                "table inet lab { set closed { type inet_service; elements = { 5432, 5433 }; } \
                 chain deny { counter drop; } \
                 chain output { type filter hook output priority 0; tcp dport @closed jump deny; } }",
            )
            .diagnose(v4)
            .for_nobody(blocked())
            .for_root(rule()),
        scenario("an output rule rejects the port")
            .nft("c", to_port("output", 5432, "reject"))
            .diagnose(v4)
            .expect(reject()),
        scenario("an output rule rejects the port with admin-prohibited")
            .nft("c", to_port("output", 5432, "reject with icmpx type admin-prohibited"))
            .diagnose(v4)
            .expect(reject()),
        scenario("an output rule rejects the IPv6 port")
            .nft("c", to_port("output", 5432, "reject"))
            .diagnose(v6)
            .expect(reject()),
        scenario("an output rule resets the port")
            .nft("c", to_port("output", 5432, "reject with tcp reset"))
            .diagnose(v4)
            .for_nobody(blocked().or_id("fw.reject").or_id("tcp.refused_middlebox").anywhere())
            .for_root(reject()),
        scenario("a rule below IP drops the port")
            .nft(
                "c",
                "table netdev lab { chain out { type filter hook egress device c0 priority 0; \
                 tcp dport 5432 counter drop; } }",
            )
            .diagnose(v4)
            .for_nobody(blocked())
            .for_root(rule()),
        scenario("an input rule drops the port at loopback")
            .nft("c", chain("input", "tcp dport 5432 counter drop"))
            .serve_on("c", 5432, Serve::Reads)
            .diagnose("127.0.0.1:5432")
            .for_nobody(
                fault("fw.input_drop")
                    .or_id("tcp.blocked_local_output")
                    .or_id("tcp.timeout_filtered")
                    .here(),
            )
            .for_root(fault("fw.input_drop").here().likely()),
        scenario("an input rule rejects the port at loopback")
            .nft("c", chain("input", "tcp dport 5432 counter reject"))
            .serve_on("c", 5432, Serve::Reads)
            .diagnose("127.0.0.1:5432")
            .expect(fault("fw.reject").here()),
        scenario("an output rule drops our questions to the name server")
            .nft("c", chain("output", "udp dport 53 drop; tcp dport 53 drop"))
            .diagnose("www.lab.test:80")
            .expect(
                fault("dns.unreachable")
                    .or_id("fw.output_drop")
                    .or_id("tcp.blocked_local_output")
                    .within_ms(6000),
            ),
        scenario("an input rule eats the answers")
            .nft("c", chain("input", "tcp sport 5432 counter drop"))
            .serve(5432, Serve::Reads)
            .diagnose(v4)
            .expect(fault("fw.input_drop").here().likely()),
        scenario("an input rule eats the IPv6 answers")
            .nft("c", chain("input", "tcp sport 5432 counter drop"))
            .serve(5432, Serve::Reads)
            .diagnose("[fd04:3::2]:5432")
            .expect(fault("fw.input_drop").here().likely()),
        scenario("an output rule resets IPv6")
            .nft("c", chain("output", "tcp dport 5432 counter reject with tcp reset"))
            .serve(5432, Serve::Reads)
            .diagnose("[fd04:3::2]:5432")
            .for_nobody(fault("tcp.blocked_local_output").or_id("fw.reject").here())
            .for_root(fault("fw.reject").here()),
    ]
}
