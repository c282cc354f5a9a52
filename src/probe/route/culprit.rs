//! Names the route or rule behind a refusal: walks rules and tables as the kernel does (pure).
//!
//! The kernel answers a lookup that ends at a blackhole, prohibit or unreachable entry with an errno
//! and nothing else; the entry has to be found in the lists.

use std::net::IpAddr;

use crate::sys::rtnl::{Action, Flow, RouteKind, Rule, TableRoute};

/// The most rules that are walked: `goto` can only go forward, hostile lists aside.
const MOST_STEPS: usize = 10_000;
/// `RT_TABLE_DEFAULT`, `RT_TABLE_MAIN`, `RT_TABLE_LOCAL` (linux/rtnetlink.h).
const DEFAULT: u32 = 253;
const MAIN: u32 = 254;
const LOCAL: u32 = 255;
/// IPPROTO_TCP.
const TCP: u8 = 6;

/// Returns the entry that ends the lookup of a flow of this user, as `ip route` or `ip rule` prints
/// it; `None` when the lists do not explain a refusal.
pub(super) fn culprit(
    flow: &Flow,
    uid: u32,
    rules: &[Rule],
    routes: &[TableRoute],
) -> Option<String> {
    let mut at = 0;
    for _ in 0..MOST_STEPS {
        let rule = rules.get(at)?;
        at += 1;
        if !matches(rule, flow, uid) {
            continue;
        }
        match rule.action {
            Action::Blackhole | Action::Unreachable | Action::Prohibit => {
                return Some(rule_text(rule));
            }
            Action::Goto(priority) => {
                at += rules.get(at..)?.iter().position(|rule| rule.priority >= priority)?;
            }
            Action::Table(table) => {
                let Some(route) = best(flow.to, table, routes) else {
                    continue;
                };
                let suppressed =
                    rule.suppress_prefix.is_some_and(|length| u32::from(route.prefix) <= length);
                match route.kind {
                    RouteKind::Throw => {}
                    _ if suppressed => {}
                    RouteKind::Blackhole | RouteKind::Unreachable | RouteKind::Prohibit => {
                        return Some(explained(route, rule));
                    }
                    _ => return None,
                }
            }
            Action::Nop | Action::Other(_) => {}
        }
    }
    None
}

/// Whether a rule is for a flow; one with a condition that is not decoded is taken not to be.
fn matches(rule: &Rule, flow: &Flow, uid: u32) -> bool {
    if rule.more {
        return false;
    }
    let in_range = |range: Option<(u16, u16)>, value: Option<u16>| {
        range.is_none_or(|(low, high)| value.is_some_and(|value| (low..=high).contains(&value)))
    };
    // Before a source is chosen it is all zeroes, which only a prefix of length 0 covers.
    let from = rule.from.is_none_or(|(net, length)| {
        length == 0 || flow.from.is_some_and(|from| covers(net, length, from))
    });
    let all = from
        && rule.to.is_none_or(|(net, length)| covers(net, length, flow.to))
        // Our sockets carry no mark.
        && rule.mark.is_none_or(|(mark, mask)| mark & mask == 0)
        // Packets of this machine come in by the loopback.
        && rule.incoming.as_deref().is_none_or(|name| name == "lo")
        && rule.outgoing.is_none()
        && rule.uids.is_none_or(|(low, high)| (low..=high).contains(&uid))
        && rule.protocol.is_none_or(|protocol| protocol == TCP)
        && rule.source_ports.is_none()
        && in_range(rule.ports, flow.port);
    all != rule.not
}

/// The route that a table gives for a destination: longest prefix, then smallest metric.
fn best(to: IpAddr, table: u32, routes: &[TableRoute]) -> Option<&TableRoute> {
    let fitting = routes.iter().filter(|route| {
        route.table == table
            && !route.tos
            && route.to.is_none_or(|net| covers(net, route.prefix, to))
    });
    fitting.min_by_key(|route| (u8::MAX - route.prefix, route.metric))
}

fn covers(net: IpAddr, length: u8, address: IpAddr) -> bool {
    let (net, address, bits) = match (net, address) {
        (IpAddr::V4(net), IpAddr::V4(address)) => {
            (u128::from(net.to_bits()), u128::from(address.to_bits()), 32)
        }
        (IpAddr::V6(net), IpAddr::V6(address)) => (net.to_bits(), address.to_bits(), 128),
        _ => return false,
    };
    let host_bits = u32::from(bits - length.min(bits));
    (net ^ address).checked_shr(host_bits).unwrap_or(0) == 0
}

/// Words a route as `ip route` does, with the rule that led to its table when that is a special one.
fn explained(route: &TableRoute, rule: &Rule) -> String {
    let mut text = format!(
        "{} {}",
        route.kind.name(),
        prefix(route.to.map(|to| (to, route.prefix)), "default")
    );
    if route.table != MAIN {
        text.push_str(&format!(" table {}", table_name(route.table)));
    }
    // IPv6 gives every route a metric of 1024 unless told otherwise.
    if ![0, 1024].contains(&route.metric) {
        text.push_str(&format!(" metric {}", route.metric));
    }
    if ![DEFAULT, MAIN, LOCAL].contains(&route.table) {
        text.push_str(&format!(" (rule {})", rule_text(rule)));
    }
    text
}

/// Words a rule as `ip rule` does.
fn rule_text(rule: &Rule) -> String {
    let not = if rule.not { "not " } else { "" };
    let mut text = format!("{}: {not}from {}", rule.priority, prefix(rule.from, "all"));
    let mut add = |part: String| {
        text.push(' ');
        text.push_str(&part);
    };
    if rule.to.is_some() {
        add(format!("to {}", prefix(rule.to, "all")));
    }
    match rule.mark {
        Some((mark, u32::MAX)) => add(format!("fwmark {mark:#x}")),
        Some((mark, mask)) => add(format!("fwmark {mark:#x}/{mask:#x}")),
        None => {}
    }
    if let Some(name) = &rule.incoming {
        add(format!("iif {name}"));
    }
    if let Some(name) = &rule.outgoing {
        add(format!("oif {name}"));
    }
    if let Some((low, high)) = rule.uids {
        add(format!("uidrange {low}-{high}"));
    }
    match rule.protocol {
        Some(TCP) => add("ipproto tcp".to_owned()),
        Some(17) => add("ipproto udp".to_owned()),
        Some(number) => add(format!("ipproto {number}")),
        None => {}
    }
    for (word, range) in [("sport", rule.source_ports), ("dport", rule.ports)] {
        match range {
            Some((low, high)) if low == high => add(format!("{word} {low}")),
            Some((low, high)) => add(format!("{word} {low}-{high}")),
            None => {}
        }
    }
    match rule.action {
        Action::Table(table) => add(format!("lookup {}", table_name(table))),
        Action::Goto(priority) => add(format!("goto {priority}")),
        Action::Nop => add("nop".to_owned()),
        Action::Blackhole => add("blackhole".to_owned()),
        Action::Unreachable => add("unreachable".to_owned()),
        Action::Prohibit => add("prohibit".to_owned()),
        Action::Other(_) => {}
    }
    text
}

fn prefix(net: Option<(IpAddr, u8)>, none: &str) -> String {
    match net {
        None => none.to_owned(),
        Some((IpAddr::V4(net), 32)) => net.to_string(),
        Some((IpAddr::V6(net), 128)) => net.to_string(),
        Some((net, length)) => format!("{net}/{length}"),
    }
}

fn table_name(table: u32) -> String {
    match table {
        DEFAULT => "default".to_owned(),
        MAIN => "main".to_owned(),
        LOCAL => "local".to_owned(),
        number => number.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn net(text: &str) -> (IpAddr, u8) {
        let (net, length) = text.split_once('/').expect("net/length");
        (net.parse().expect("an address"), length.parse().expect("a length"))
    }

    fn route(kind: RouteKind, to: &str, table: u32) -> TableRoute {
        let (to, prefix) = match to {
            "default" => (None, 0),
            text => {
                let (net, length) = net(text);
                (Some(net), length)
            }
        };
        TableRoute { kind, to, prefix, table, metric: 0, tos: false }
    }

    fn rule(priority: u32, action: Action) -> Rule {
        Rule {
            priority,
            from: None,
            to: None,
            mark: None,
            incoming: None,
            outgoing: None,
            uids: None,
            protocol: None,
            source_ports: None,
            ports: None,
            more: false,
            not: false,
            suppress_prefix: None,
            action,
        }
    }

    fn usual() -> Vec<Rule> {
        let tables = [(0, LOCAL), (32766, MAIN), (32767, DEFAULT)];
        tables.map(|(priority, table)| rule(priority, Action::Table(table))).into()
    }

    fn flow(to: &str, port: u16) -> Flow {
        Flow { to: to.parse().expect("an address"), from: None, device: None, port: Some(port) }
    }

    fn found(rules: &[Rule], routes: &[TableRoute], to: &str) -> Option<String> {
        culprit(&flow(to, 80), 1000, rules, routes)
    }

    #[test]
    fn the_longest_prefix_is_the_culprit() {
        let routes = [
            route(RouteKind::Unreachable, "default", MAIN),
            route(RouteKind::Unicast, "10.0.0.0/8", MAIN),
            route(RouteKind::Prohibit, "10.4.0.0/16", MAIN),
            route(RouteKind::Blackhole, "10.4.3.2/32", MAIN),
        ];
        let at = |to| found(&usual(), &routes, to);
        assert_eq!(at("10.4.3.2").as_deref(), Some("blackhole 10.4.3.2"));
        assert_eq!(at("10.4.9.9").as_deref(), Some("prohibit 10.4.0.0/16"));
        assert_eq!(at("10.9.9.9"), None);
        assert_eq!(at("192.0.2.1").as_deref(), Some("unreachable default"));
        assert_eq!(at("2001:db8::1").as_deref(), Some("unreachable default"));
    }

    #[test]
    fn ipv6_prefixes_are_compared_bit_by_bit() {
        let routes = [
            route(RouteKind::Blackhole, "2001:db8::/33", MAIN),
            route(RouteKind::Unicast, "2001:db8:8000::/33", MAIN),
        ];
        let at = |to| found(&usual(), &routes, to);
        assert_eq!(at("2001:db8:7fff::1").as_deref(), Some("blackhole 2001:db8::/33"));
        assert_eq!(at("2001:db8:8000::1"), None);
        assert_eq!(at("10.0.0.1"), None);
    }

    #[test]
    fn a_rule_for_our_port_leads_to_its_table() {
        let mut rules = usual();
        let mut special = rule(32765, Action::Table(77));
        special.protocol = Some(TCP);
        special.ports = Some((5555, 5556));
        rules.insert(1, special);
        let routes = [
            route(RouteKind::Unreachable, "default", 77),
            route(RouteKind::Unicast, "default", MAIN),
        ];
        let at = |port| culprit(&flow("10.4.3.2", port), 1000, &rules, &routes);
        assert_eq!(
            at(5555).as_deref(),
            Some(
                "unreachable default table 77 (rule 32765: from all ipproto tcp dport 5555-5556 lookup 77)"
            )
        );
        assert_eq!(at(80), None);
    }

    #[test]
    fn a_rule_may_refuse_by_itself() {
        let mut rules = usual();
        let mut special = rule(100, Action::Prohibit);
        special.to = Some(net("10.4.3.0/24"));
        special.uids = Some((1000, 1000));
        rules.insert(1, special);
        let at = |uid| culprit(&flow("10.4.3.2", 80), uid, &rules, &[]);
        assert_eq!(
            at(1000).as_deref(),
            Some("100: from all to 10.4.3.0/24 uidrange 1000-1000 prohibit")
        );
        assert_eq!(at(0), None);
    }

    #[test]
    fn throw_suppressed_routes_and_goto_move_on() {
        let mut rules = vec![
            rule(1, Action::Goto(10)),
            rule(5, Action::Blackhole),
            rule(10, Action::Table(10)),
            rule(20, Action::Table(20)),
            rule(30, Action::Table(30)),
        ];
        rules[3].suppress_prefix = Some(0);
        let routes = [
            route(RouteKind::Throw, "10.0.0.0/8", 10),
            route(RouteKind::Unicast, "default", 20),
            route(RouteKind::Blackhole, "default", 30),
        ];
        let text = found(&rules, &routes, "10.4.3.2");
        assert_eq!(
            text.as_deref(),
            Some("blackhole default table 30 (rule 30: from all lookup 30)")
        );
    }

    #[test]
    fn rules_for_others_are_passed_over() {
        let others: [fn(&mut Rule); 8] = [
            |rule| rule.mark = Some((1, u32::MAX)),
            |rule| rule.incoming = Some("eth0".to_owned()),
            |rule| rule.outgoing = Some("eth0".to_owned()),
            |rule| rule.from = Some(net("192.0.2.0/24")),
            |rule| rule.protocol = Some(17),
            |rule| rule.source_ports = Some((1, 2)),
            |rule| rule.more = true,
            |rule| rule.not = true,
        ];
        for change in others {
            let mut other = rule(1, Action::Blackhole);
            change(&mut other);
            assert_eq!(found(&[other.clone()], &[], "10.4.3.2"), None, "{other:?}");
        }
        let mut ours = rule(1, Action::Blackhole);
        ours.from = Some(net("192.0.2.0/24"));
        let mut flow = flow("10.4.3.2", 80);
        flow.from = "192.0.2.7".parse().ok();
        assert_eq!(
            culprit(&flow, 0, &[ours], &[]).as_deref(),
            Some("1: from 192.0.2.0/24 blackhole")
        );
    }

    #[test]
    fn the_smaller_metric_wins_and_is_named() {
        let mut routes = [
            route(RouteKind::Unreachable, "10.0.0.0/8", MAIN),
            route(RouteKind::Blackhole, "10.0.0.0/8", MAIN),
        ];
        (routes[0].metric, routes[1].metric) = (200, 100);
        let text = found(&usual(), &routes, "10.4.3.2");
        assert_eq!(text.as_deref(), Some("blackhole 10.0.0.0/8 metric 100"));
    }
}
