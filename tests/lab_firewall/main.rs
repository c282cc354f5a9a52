//! The firewall probe against real rules, in network namespaces of its own.
//!
//! Each test runs in a thread that has left the network namespace. Without the right to do so the
//! test runs itself again inside a user namespace (`unshare -Ur`). Where that cannot be, or a command is
//! missing, it says so and is left out; with `TCPDOCTOR_LAB=required`, as in CI, it fails.
#![allow(clippy::disallowed_methods, clippy::unwrap_used)]

mod random;

use std::process::{Command, Stdio};

use nix::sched::{CloneFlags, unshare};
use serde_json::{Value, json};
use tcpdoctor::model::outcome::{Outcome, Why};
use tcpdoctor::probe::Spec;

/// Runs a test in a network namespace with one interface, `d0`, that swallows what is sent.
#[allow(clippy::print_stderr)] // a test that is left out says so
fn in_namespace(test: &str, body: fn()) {
    if let Some(obstacle) = obstacle() {
        let required = std::env::var_os("TCPDOCTOR_LAB").is_some_and(|value| value == "required");
        assert!(!required, "{obstacle}");
        eprintln!("left out: {obstacle}");
        return;
    }
    let here = std::thread::spawn(move || {
        unshare(CloneFlags::CLONE_NEWNET).ok()?;
        shell(
            "ip link set lo up
            ip link add d0 type veth peer name d1
            ip address add 192.0.2.1/24 dev d0
            ip -6 address add 2001:db8::1/64 dev d0 nodad
            ip link set d0 up
            ip link set d1 up
            ip neighbour add 192.0.2.2 lladdr 02:00:00:00:00:02 dev d0 nud permanent
            ip neighbour add 2001:db8::2 lladdr 02:00:00:00:00:02 dev d0 nud permanent",
        );
        body();
        Some(())
    });
    if let Some(()) = here.join().expect("the test itself failed") {
        return;
    }
    assert!(
        std::env::var_os("IN_USER_NAMESPACE").is_none(),
        "no network namespace even inside a user namespace"
    );
    let again = Command::new("unshare")
        .arg("-Ur")
        .arg(std::env::current_exe().unwrap())
        .args(["--exact", test, "--nocapture"])
        .env("IN_USER_NAMESPACE", "1")
        .status()
        .unwrap();
    assert!(again.success());
}

/// Says why no network can be built here, if so.
fn obstacle() -> Option<String> {
    let works = |program: &str, arguments: &[&str]| {
        let ran = Command::new(program).args(arguments).stdin(Stdio::null()).output();
        ran.is_ok_and(|ran| ran.status.success())
    };
    let commands = [("ip", "-V"), ("nft", "--version"), ("iptables", "--version")];
    for (command, version) in commands {
        if !works(command, &[version]) {
            return Some(format!("no command {command}"));
        }
    }
    let possible = works("unshare", &["-n", "true"]) || works("unshare", &["-Urn", "true"]);
    (!possible).then(|| "no network namespaces, and no user namespaces that have them".to_owned())
}

macro_rules! in_namespace {
    ($(fn $name:ident() $body:block)+) => {
        $(#[test]
        fn $name() {
            in_namespace(stringify!($name), || $body);
        })+
    };
}

fn shell(script: &str) {
    let status = Command::new("sh").args(["-ec", script]).status().unwrap();
    assert!(status.success(), "{script}");
}

fn nft(rules: &str) {
    // A rule wants an end of line before the brace that closes its chain.
    let rules = ["drop", "accept", "reject", "output", "priority 0", "unreachable"]
        .iter()
        .fold(rules.replace(" } }", "\n}\n}"), |rules, last| {
            rules.replace(&format!("{last} }}"), &format!("{last}\n}}"))
        });
    assert!(try_nft(&rules, Stdio::inherit()), "{rules}");
}

fn try_nft(rules: &str, complaints: Stdio) -> bool {
    use std::io::Write;
    let mut nft = Command::new("nft")
        .args(["-f", "-"])
        .stdin(Stdio::piped())
        .stderr(complaints)
        .spawn()
        .unwrap();
    nft.stdin.take().unwrap().write_all(rules.as_bytes()).unwrap();
    nft.wait().unwrap().success()
}

fn probe(args: Value) -> Outcome {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(Spec::find("firewall").unwrap().run(args))
}

/// What the probe saw.
fn seen(args: Value) -> Value {
    match probe(args) {
        Outcome::Seen(seen) => seen,
        Outcome::Unknown(why) => panic!("{why}"),
    }
}

fn brief(seen: &Value) -> String {
    Spec::find("firewall").unwrap().brief(seen).unwrap()
}

/// A SYN of ours to `192.0.2.2`.
fn to_port(port: u16) -> Value {
    seen(json!({ "address": "192.0.2.2", "port": port }))
}

in_namespace! {
    fn without_rules_there_are_no_rules() {
        let seen = to_port(80);
        assert_eq!(seen["outcome"], "no_rules");
        assert_eq!(seen["rule"], Value::Null);
        assert_eq!(seen["shots"], 0);
        assert_eq!(brief(&seen), "no rules on the way");
    }

    fn a_table_that_sleeps_decides_nothing() {
        nft("table inet t { flags dormant
            chain o { type filter hook output priority 0; tcp dport 80 drop } }");
        assert_eq!(to_port(80)["outcome"], "no_rules");
    }

    fn a_dropping_rule_is_named_and_its_counter_confirms_it() {
        nft("table inet t { chain o { type filter hook output priority 0;
                udp dport 80 drop
                tcp dport 80 counter drop comment \"no web\" } }");
        let seen = to_port(80);
        assert_eq!(seen["outcome"], "drops");
        assert_eq!(seen["counted"], true);
        assert_eq!(seen["rule"]["text"], "tcp dport 80 counter drop");
        assert_eq!(seen["rule"]["comment"], "no web");
        assert_eq!(seen["rule"]["packets_before"], 0);
        assert_eq!(seen["rule"]["packets_grown"], 3);
        assert_eq!(
            brief(&seen),
            "handle 3 in table inet t, chain o: tcp dport 80 counter drop (hook output); its counter grew by 3"
        );
        assert_eq!(to_port(81)["outcome"], "accepts");
        let read_only = seen_without_shots(80);
        assert_eq!(read_only["rule"]["packets_before"], 3);
        assert_eq!(read_only["rule"]["packets_grown"], Value::Null);
        assert_eq!(read_only["counted"], Value::Null);
    }

    fn a_policy_decides_where_no_exception_matches() {
        nft("table inet t { chain o { type filter hook output priority 0; policy drop;
                ct state established,related accept
                tcp dport { 22, 443 } accept
                tcp dport 8000-8010 accept } }");
        for open in [22, 443, 8005] {
            assert_eq!(to_port(open)["outcome"], "accepts", "{open}");
        }
        let seen = to_port(80);
        assert_eq!(seen["outcome"], "drops");
        assert_eq!(seen["rule"]["text"], "policy drop");
        assert_eq!(seen["rule"]["handle"], Value::Null);
        assert_eq!(seen["counted"], Value::Null);
        assert_eq!(seen["not_evaluated"], json!([]));
        assert_eq!(brief(&seen), "the policy of table inet t, chain o: drop (hook output)");
    }

    fn sets_intervals_and_concatenations_are_looked_up() {
        nft("table inet t {
            set ports { type inet_service; flags interval; elements = { 80, 100-200 } }
            set pairs { type ipv4_addr . inet_service; flags interval;
                elements = { 192.0.2.0/28 . 300-310 } }
            set many { type ipv4_addr; elements = { 192.0.2.2, 192.0.2.9 } }
            chain o { type filter hook output priority 0;
                tcp dport @ports counter drop
                ip daddr . tcp dport @pairs drop
                tcp dport 400 ip daddr @many drop
                tcp dport 401 ip daddr != @many drop } }");
        for dropped in [80, 100, 150, 200, 300, 310, 400] {
            assert_eq!(to_port(dropped)["outcome"], "drops", "{dropped}");
        }
        for open in [79, 81, 99, 201, 299, 311, 401] {
            assert_eq!(to_port(open)["outcome"], "accepts", "{open}");
        }
        assert_eq!(to_port(150)["rule"]["text"], "tcp dport @ports counter drop");
        assert_eq!(to_port(300)["rule"]["text"], "ip daddr . tcp dport @pairs drop");
    }

    fn verdict_maps_jump_into_chains_that_return_or_drop() {
        nft("table inet t {
            chain back { return
                drop }
            chain deep { tcp flags & (syn|ack) == syn drop }
            chain gone { accept }
            chain o { type filter hook output priority 0;
                tcp dport vmap { 1-10 : drop, 11 : jump back, 12 : jump deep, 13 : goto gone }
                tcp dport 11-13 reject with tcp reset } }");
        assert_eq!(to_port(5)["rule"]["text"],
            "tcp dport vmap { 1-10 : drop, 11 : jump back, 12 : jump deep, 13 : goto gone }");
        let back = to_port(11);
        assert_eq!(back["outcome"], "rejects");
        assert_eq!(back["rule"]["text"], "tcp dport 11-13 reject with tcp reset");
        let deep = to_port(12);
        assert_eq!(deep["rule"]["chain"], "deep");
        assert_eq!(deep["rule"]["hook"], "output");
        assert_eq!(deep["rule"]["text"], "tcp flags syn / syn,ack drop");
        assert_eq!(to_port(13)["outcome"], "accepts");
    }

    fn a_table_of_the_other_family_does_not_see_the_packet() {
        nft("table ip6 t { chain o { type filter hook output priority 0; policy drop; } }");
        assert_eq!(to_port(80)["outcome"], "no_rules");
        let six = seen(json!({ "address": "2001:db8::2", "port": 80 }));
        assert_eq!(six["outcome"], "drops");
    }

    fn interfaces_users_and_addresses_are_compared() {
        nft("table inet t { chain o { type filter hook output priority 0;
                oifname \"e*\" drop
                oifname != \"d0\" drop
                oif \"lo\" drop
                meta skuid > 0 drop
                ip daddr 10.0.0.0/8 drop
                ip6 daddr 2001:db8::/32 tcp dport 90 counter reject with icmpx admin-prohibited
                ip saddr 192.0.2.1 ip daddr 192.0.2.0/25 tcp dport != 22 drop } }");
        let four = to_port(80);
        assert_eq!(four["rule"]["text"],
            "ip saddr 192.0.2.1 ip daddr 192.0.2.0/25 tcp dport != 22 drop");
        assert_eq!(to_port(22)["outcome"], "accepts");
        let six = seen(json!({ "address": "2001:db8::2", "port": 90 }));
        assert_eq!(six["outcome"], "rejects");
        assert_eq!(six["counted"], true);
        assert_eq!(six["rule"]["text"],
            "ip6 daddr 2001:db8::/32 tcp dport 90 counter reject with icmpx admin-prohibited");
    }

    fn chains_are_called_by_priority_and_hook() {
        nft("table inet late { chain p { type filter hook postrouting priority 0;
                tcp dport 80 drop } }
            table ip first { chain o { type filter hook output priority -10;
                tcp dport 81 accept
                tcp dport 82 drop } }
            table inet second { chain o { type filter hook output priority 10;
                tcp dport 81-82 reject } }");
        assert_eq!(to_port(80)["rule"]["hook"], "postrouting");
        let accepted_before = to_port(81);
        assert_eq!(accepted_before["rule"]["table"], "second");
        assert_eq!(accepted_before["rule"]["text"], "tcp dport 81-82 reject");
        assert_eq!(to_port(82)["rule"]["table"], "first");
    }

    fn a_rule_that_cannot_be_evaluated_leaves_the_outcome_open() {
        nft("table inet t { chain o { type filter hook output priority 0;
                tcp dport 80 limit rate over 1/hour burst 1000 packets drop
                tcp dport 81 limit rate 1/hour burst 1000 packets accept
                tcp dport 81 drop } }");
        let open = to_port(80);
        assert_eq!(open["outcome"], "undecided");
        assert_eq!(open["rule"], Value::Null);
        assert_eq!(open["not_evaluated"],
            json!(["inet t o: tcp dport 80 limit rate over 1/hour drop"]));
        let dropped = to_port(81);
        assert_eq!(dropped["outcome"], "drops");
        assert_eq!(dropped["rule"]["text"], "tcp dport 81 drop");
        assert_eq!(dropped["not_evaluated"],
            json!(["inet t o: tcp dport 81 limit rate 1/hour accept"]));
    }

    fn a_counter_settles_what_cannot_be_evaluated() {
        nft("table inet t { chain o { type filter hook output priority 0;
                tcp dport 80 meta cpu < 4096 counter drop
                tcp dport 81 meta cpu > 4096 counter drop
                tcp dport 82 meta cpu < 4096 accept
                tcp dport 82 counter drop } }");
        let hit = to_port(80);
        assert_eq!(hit["outcome"], "drops");
        assert_eq!(hit["counted"], true);
        assert_eq!(hit["not_evaluated"], json!([]));
        let missed = to_port(81);
        assert_eq!(missed["outcome"], "accepts");
        assert_eq!(missed["shots"], 3);
        let before = to_port(82);
        assert_eq!(before["outcome"], "undecided");
        assert_eq!(before["counted"], false);
    }

    fn an_answer_is_looked_at_on_its_way_in() {
        nft("table inet t { chain i { type filter hook input priority 0; policy drop;
                ct state established,related accept
                iif lo accept } }
            table ip u { chain i { type filter hook prerouting priority 0;
                tcp sport 81 drop
                tcp dport 82 drop } }");
        let reply = |port: u16| {
            seen(json!({ "address": "192.0.2.2", "port": port, "direction": "reply" }))
        };
        assert_eq!(reply(80)["outcome"], "accepts");
        assert_eq!(reply(81)["rule"]["text"], "tcp sport 81 drop");
        assert_eq!(reply(82)["outcome"], "accepts");
    }

    fn a_client_of_any_address_is_looked_at_on_its_way_in() {
        nft("table inet t { chain i { type filter hook input priority 0; policy drop;
                ct state established accept
                tcp dport 22 accept
                meta nfproto ipv4 tcp dport 23 accept
                ip saddr 192.0.2.0/24 tcp dport 24 accept
                tcp dport 25 reject with icmpx port-unreachable } }");
        let input = |port: u16| seen(json!({ "port": port, "direction": "input", "device": "d0" }));
        assert_eq!(input(22)["outcome"], "accepts");
        assert_eq!(input(22)["shots"], 0);
        assert_eq!(input(22)["partial"], Value::Null);
        assert_eq!(input(23)["outcome"], "drops");
        assert_eq!(input(23)["partial"], "IPv6 clients");
        assert_eq!(input(26)["partial"], Value::Null, "everybody");
        let some = input(24);
        assert_eq!(some["outcome"], "drops");
        assert_eq!(some["not_evaluated"][0], "inet t i: ip saddr 192.0.2.0/24 tcp dport 24 accept");
        assert_eq!(input(25)["outcome"], "rejects");
        let one = seen(json!({ "port": 24, "direction": "input", "address": "192.0.2.7" }));
        assert_eq!(one["outcome"], "accepts");
    }

    fn clients_are_told_apart_by_interface_and_address() {
        nft("table inet t { chain i { type filter hook input priority 0;
                iifname d0 tcp dport 30 drop
                iifname d9 tcp dport 31 drop
                iifname lo accept
                ip saddr 192.0.2.0/24 tcp dport 32 drop
                ip saddr 203.0.113.0/24 drop
                ct status dnat accept
                tcp dport 34 limit rate 10/second accept
                ip saddr 192.0.2.0/24 accept
                ip6 saddr 2001:db8::/64 accept
                tcp dport { 34, 35 } drop } }
            table netdev n { chain i { type filter hook ingress device d0 priority 0;
                tcp dport 36 drop } }");
        let input = |port: u16| seen(json!({ "port": port, "direction": "input" }));
        let all = input(30);
        assert_eq!((&all["outcome"], &all["partial"]), (&json!("drops"), &Value::Null));
        assert_eq!(input(31)["outcome"], "undecided", "only the rule for any port is left");
        let network = input(32);
        assert_eq!(network["outcome"], "drops");
        assert_eq!(network["partial"], "some clients");
        assert_eq!(network["rule"]["text"], "ip saddr 192.0.2.0/24 tcp dport 32 drop");
        let limited = input(34);
        assert_eq!(limited["outcome"], "drops");
        assert_eq!(
            limited["partial"],
            "clients that no earlier rule lets in (as does: \
             tcp dport 34 limit rate 10/second accept)"
        );
        let listed = input(35);
        assert_eq!(
            listed["partial"],
            "clients that no earlier rule lets in (as does: ip saddr 192.0.2.0/24 accept)"
        );
        assert_eq!(input(36)["rule"]["hook"], "ingress");
    }

    fn what_may_be_an_exception_for_translated_packets_alone_is_none() {
        nft("table inet t { chain i { type filter hook input priority 0; policy drop;
                ct state established,related accept
                ct status dnat accept
                iifname lo accept
                tcp dport 22 accept } }");
        let shut = seen(json!({ "port": 80, "direction": "input" }));
        assert_eq!((&shut["outcome"], &shut["partial"]), (&json!("drops"), &Value::Null));
    }

    fn our_answers_to_clients_pass_the_rules_as_well() {
        nft("table inet t { chain o { type filter hook output priority 0;
                ct state new drop
                tcp sport 80 drop
                tcp dport 81 drop } }");
        let seen = |port: u16| seen(json!({ "port": port, "direction": "input" }));
        assert_eq!(seen(80)["outcome"], "drops");
        assert_eq!(seen(80)["rule"]["hook"], "output");
        assert_eq!(seen(81)["outcome"], "accepts");
    }

    fn what_leaves_by_the_loopback_comes_in_by_it() {
        nft("table inet t { chain i { type filter hook input priority 0;
                iifname \"lo\" tcp dport 80 counter drop } }");
        let seen = seen(json!({ "address": "127.0.0.1", "port": 80 }));
        assert_eq!(seen["outcome"], "drops");
        assert_eq!(seen["rule"]["hook"], "input");
        assert_eq!(seen["counted"], true);
    }

    fn rules_of_iptables_are_understood() {
        shell("iptables -A OUTPUT -p tcp --dport 80 -j DROP
            iptables -A OUTPUT -p tcp --dport 81 -m comment --comment 'no web' -j REJECT --reject-with tcp-reset
            iptables -A OUTPUT -p tcp -m multiport --dports 82,83:90 -j REJECT
            iptables -A OUTPUT -m conntrack --ctstate ESTABLISHED -j DROP
            iptables -A OUTPUT -p tcp --syn --dport 91 -m conntrack --ctstate NEW -j DROP
            iptables -A OUTPUT -p tcp --dport 92 -m addrtype --dst-type LOCAL -j DROP
            iptables -A OUTPUT -p tcp --dport 93 -m statistic --mode random --probability 0.0001 -j DROP
            iptables -A OUTPUT -p tcp --dport 94 -m mark --mark 1 -j DROP
            ip6tables -A OUTPUT -p tcp --dport 80 -j REJECT --reject-with icmp6-adm-prohibited");
        let dropped = to_port(80);
        assert_eq!(dropped["outcome"], "drops");
        assert_eq!(dropped["counted"], true);
        assert_eq!(dropped["rule"]["text"], "tcp dport 80 counter drop");
        assert_eq!(dropped["rule"]["packets_grown"], 3);
        let reset = to_port(81);
        assert_eq!(reset["outcome"], "rejects");
        assert_eq!(reset["rule"]["text"], "tcp dport 81 counter reject with tcp reset");
        assert_eq!(reset["rule"]["comment"], "no web");
        assert_eq!(reset["counted"], true);
        assert_eq!(to_port(85)["rule"]["text"],
            "meta l4proto tcp tcp dport { 82, 83-90 } counter reject");
        assert_eq!(to_port(91)["rule"]["text"],
            "tcp flags syn / fin,syn,rst,ack tcp dport 91 ct state new counter drop");
        assert_eq!(to_port(92)["outcome"], "accepts");
        assert_eq!(to_port(93)["outcome"], "accepts", "its counter did not move");
        assert_eq!(to_port(94)["outcome"], "accepts");
        let six = seen(json!({ "address": "2001:db8::2", "port": 80 }));
        assert_eq!(six["outcome"], "rejects");
        assert_eq!(six["rule"]["text"], "tcp dport 80 counter reject with icmpv6 admin-prohibited");
    }

    fn ephemeral_source_ports_decide_what_they_can() {
        nft("table inet t { chain o { type filter hook output priority 0;
                tcp sport 22 drop
                tcp sport > 1000 tcp dport 80 drop } }");
        assert_eq!(to_port(80)["rule"]["text"], "tcp sport > 1000 tcp dport 80 drop");
        assert_eq!(to_port(81)["outcome"], "accepts");
    }

    fn the_owner_of_the_rules_shows_in_their_names() {
        nft("table inet firewalld { chain filter_OUTPUT { type filter hook output priority 10;
                tcp dport 80 drop } }
            table ip filter { chain ufw-user-output { tcp dport 81 reject }
                chain DOCKER { accept }
                chain OUTPUT { type filter hook output priority 0; policy drop;
                    tcp dport 82 drop
                    tcp dport 80 accept
                    jump ufw-user-output } }");
        assert_eq!(to_port(80)["owner"], "firewalld");
        assert_eq!(to_port(81)["owner"], "ufw");
        assert_eq!(to_port(82)["owner"], "iptables");
        assert_eq!(to_port(83)["owner"], "ufw");
    }

    fn the_last_hook_is_the_devices_own() {
        nft("table netdev t { chain e { type filter hook egress device d0 priority 0;
                ip daddr 192.0.2.2 tcp dport 80 counter drop } }");
        let seen = to_port(80);
        assert_eq!(seen["rule"]["family"], "netdev");
        assert_eq!(seen["rule"]["hook"], "egress");
        assert_eq!(seen["counted"], true);
    }
}

fn seen_without_shots(port: u16) -> Value {
    seen(json!({ "address": "192.0.2.2", "port": port, "shots": 0 }))
}

#[test]
fn without_the_capability_the_probe_says_which_it_lacks() {
    if tcpdoctor::sys::caps::has("CAP_NET_ADMIN") == Some(true) {
        let nobody =
            "--reuid=65534 --regid=65534 --clear-groups --inh-caps=-all --bounding-set=-all";
        let again = Command::new("setpriv")
            .args(nobody.split(' '))
            .arg(std::env::current_exe().unwrap())
            .args(["--exact", "without_the_capability_the_probe_says_which_it_lacks"])
            .status()
            .unwrap();
        assert!(again.success());
        return;
    }
    let Outcome::Unknown(why) = probe(json!({ "address": "192.0.2.2", "port": 80 })) else {
        panic!("the rules were listed without the capability");
    };
    let expected = Why::NotPermitted {
        capability: "CAP_NET_ADMIN".to_owned(),
        operation: "list nftables rules".to_owned(),
    };
    assert_eq!(why, expected);
}
