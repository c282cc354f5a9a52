//! Rules of random shape: what the probe says without sending anything must be what happens to a SYN,
//! told by a counter behind all other chains.

use std::process::Stdio;

use serde_json::json;
use tcpdoctor::sys;
use tcpdoctor::wire::nft::Family;

use super::{in_namespace, seen_without_shots, try_nft};

#[test]
fn random_rules_end_the_packets_that_the_probe_says_they_end() {
    in_namespace("random::random_rules_end_the_packets_that_the_probe_says_they_end", || {
        let mut dice = Dice(20_260_725);
        let mut decided = 0;
        for _ in 0..80 {
            let rules = dice.ruleset();
            // Some combinations contradict themselves, which nft does not accept.
            if !try_nft(&format!("flush ruleset\n{rules}{ORACLE}"), Stdio::null()) {
                continue;
            }
            for port in [80, 81, 85] {
                let seen = seen_without_shots(port);
                let before = passed();
                let sent = sys::syn::send(([192, 0, 2, 2], port).into(), None, 1);
                assert_eq!(sent, 1);
                let expected = match passed() - before {
                    0 => ["drops", "rejects"].as_slice(),
                    _ => ["accepts", "no_rules"].as_slice(),
                };
                let outcome = seen["outcome"].as_str().unwrap();
                if seen["not_evaluated"] != json!([]) {
                    continue;
                }
                decided += 1;
                assert!(expected.contains(&outcome), "port {port}: {seen:#}\n{rules}");
            }
        }
        assert!(decided > 100, "{decided}");
    });
}

const ORACLE: &str = "table inet oracle { chain p { type filter hook postrouting priority 2000;
    ip daddr 192.0.2.2 meta l4proto tcp counter
    }
    }\n";

/// Packets that passed all chains.
fn passed() -> u64 {
    let rules = sys::nft::chain_rules(Family::Inet, "oracle", "p").unwrap();
    rules[0].counter().unwrap().0
}

/// A small generator of numbers (Knuth's MMIX), so that a failure can be repeated.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: usize) -> usize {
        self.0 = (self.0.wrapping_mul(6_364_136_223_846_793_005))
            .wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) as usize % sides
    }

    fn pick<'a>(&mut self, from: &[&'a str]) -> &'a str {
        from[self.roll(from.len())]
    }

    fn ruleset(&mut self) -> String {
        let policy = self.pick(&["accept", "accept", "drop"]);
        let first = self.pick(&["-10", "0", "10", "-300"]);
        let family = self.pick(&["inet", "inet", "ip"]);
        format!(
            "table {family} t {{
                set s {{ type inet_service; flags interval; elements = {{ 70-79, 81, 85-90 }}
                }}
                map m {{ type inet_service : verdict; flags interval
                    elements = {{ 80 : jump b, 81 : accept, 82-84 : drop, 85-90 : goto a }}
                }}
                chain b {{\n{}}}
                chain a {{\n{}}}
                chain o {{ type filter hook output priority 0; policy {policy};\n{}}}
            }}
            table inet u {{
                chain b {{\n{}}}
                chain a {{ jump b\n}}
                set s {{ type inet_service; elements = {{ 80, 85 }}
                }}
                map m {{ type inet_service : verdict; elements = {{ 80 : return, 81 : jump a }}
                }}
                chain o {{ type filter hook output priority {first};\n{}}}
                chain p {{ type filter hook postrouting priority 0;\n{}}}
            }}\n",
            self.rules(2, false),
            self.rules(3, false),
            self.rules(5, true),
            // The kernel rejects in no postrouting chain.
            self.rules(2, false).replace("reject with tcp reset", "drop"),
            self.rules(3, true).replace("reject", "drop"),
            self.rules(2, true).replace("reject", "drop"),
        )
    }

    fn rules(&mut self, count: usize, jumps: bool) -> String {
        (0..count).map(|_| self.rule(jumps)).collect()
    }

    fn rule(&mut self, jumps: bool) -> String {
        let conditions: Vec<&str> = CONDITIONS.lines().skip(1).collect();
        let matches: Vec<&str> = (0..self.roll(3)).map(|_| self.pick(&conditions)).collect();
        let ends = match jumps {
            true => self.pick(&[
                "accept",
                "drop",
                "reject",
                "return",
                "jump a",
                "jump b",
                "goto a",
                "counter",
                "meta mark set 1",
                "continue",
                "tcp dport vmap @m",
                "meta mark set 5 accept",
                "tcp dport vmap { 80 : drop, 81-84 : jump a, 85 : continue }",
                "ct state vmap { new : jump b, established : drop }",
                "jump a",
                "jump b",
            ]),
            false => self.pick(&[
                "accept",
                "drop",
                "reject with tcp reset",
                "return",
                "counter",
                "meta mark set 1",
                "continue",
                "meta mark set meta mark | 0x2",
                "meta mark set 2",
                "ct mark 1 drop",
            ]),
        };
        format!("{} {ends}\n", matches.join(" "))
    }
}

/// Conditions, one a line.
const CONDITIONS: &str = r#"
tcp dport 80
tcp dport != 80
tcp dport { 80, 85 }
tcp dport != { 80, 85 }
tcp dport 80-83
tcp dport != 80-83
tcp dport @s
tcp dport != @s
tcp dport > 80
tcp dport <= 80
th dport 85
tcp sport 22
tcp sport > 1000
udp dport 80
meta l4proto udp
meta l4proto { tcp, udp }
tcp flags syn
tcp flags & (syn|ack) == syn
tcp flags & (fin|syn|rst|ack) != syn
tcp flags rst
oifname "d0"
oifname "d*"
oifname != "e*"
iifname "d0"
oif d0
meta skuid 0
meta skuid > 5
meta skuid 0-9
ct state new
ct state established
ct state { new, invalid }
ct state != new
ct direction original
meta mark 1
meta mark & 0x3 == 0x1
meta mark != 0
ip daddr 192.0.2.0/24
ip daddr != 192.0.2.2
ip daddr { 10.0.0.0/8, 192.0.2.2-192.0.2.9 }
ip saddr 192.0.2.1
ip daddr . tcp dport { 192.0.2.0/28 . 80-81, 10.0.0.1 . 85 }
ip saddr . ip daddr . tcp dport { 192.0.2.1 . 192.0.2.2 . 85 }"#;
