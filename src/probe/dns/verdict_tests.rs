use nix::errno::Errno;

use super::super::brief::brief;
use super::*;
use crate::sys::name_config::default_server;

fn server(address: &str, outcome: ServerOutcome, addresses: &[&str]) -> Asked {
    let mut asked = Asked::not_yet(&default_server());
    asked.report.address = address.to_owned();
    asked.report.outcome = outcome;
    asked.report.addresses = owned(addresses);
    use ServerOutcome::{Answered, Failed, NoData, Nxdomain, Refused, Servfail};
    asked.answered = matches!(outcome, Answered | Nxdomain | NoData | Servfail | Refused | Failed);
    asked
}

fn owned(texts: &[&str]) -> Vec<String> {
    texts.iter().map(|text| (*text).to_owned()).collect()
}

fn facts(servers: &[(ServerOutcome, &[&str])], lookup: Option<Result<&[&str], &str>>) -> Facts {
    let asked = servers.iter().enumerate().map(|(at, (outcome, addresses))| {
        server(&format!("192.0.2.{}", at + 1), *outcome, addresses)
    });
    Facts {
        name: "db.test".to_owned(),
        family: Family::Any,
        services: owned(&["files", "dns"]),
        hosts: Vec::new(),
        configured: !servers.is_empty(),
        asked: asked.collect(),
        lookup: lookup
            .map(|result| Lookup { result: result.map(owned).map_err(str::to_owned), ms: 1.0 }),
        config_problem: None,
    }
}

fn seen(facts: Facts) -> DnsSeen {
    let seen = judge(facts).expect("learnt something");
    assert!(!brief(&seen).is_empty());
    assert_eq!(seen.v4 + seen.v6, seen.addresses.len() as u32);
    assert_eq!(seen.source.is_some(), !seen.addresses.is_empty());
    assert_eq!(seen.outcome == DnsOutcome::Resolved, !seen.addresses.is_empty());
    seen
}

type Texts = &'static [&'static str];

const A: &[&str] = &["10.0.0.1"];
const B: &[&str] = &["10.0.0.2"];
const NONE: &[&str] = &[];
const NONAME: Option<Result<&[&str], &str>> = Some(Err("EAI_NONAME"));
const AGAIN: Option<Result<&[&str], &str>> = Some(Err("EAI_AGAIN"));

#[test]
fn the_outcome_follows_getaddrinfo_and_then_the_first_final_word() {
    use DnsOutcome as Whole;
    use ServerOutcome::*;
    type Row<'a> =
        (&'a [(ServerOutcome, &'a [&'a str])], Option<Result<&'a [&'a str], &'a str>>, Whole);
    let rows: &[Row<'_>] = &[
        (&[(Answered, A)], Some(Ok(A)), Whole::Resolved),
        (&[(Timeout, NONE), (Answered, A)], Some(Ok(A)), Whole::Resolved),
        // getaddrinfo still waits for the dead first server.
        (&[(Timeout, NONE), (Answered, A)], None, Whole::Resolved),
        (&[(Timeout, NONE), (Nxdomain, NONE)], None, Whole::Nxdomain),
        (&[(Timeout, NONE), (NoData, NONE)], None, Whole::NoData),
        (&[(Timeout, NONE), (Timeout, NONE)], None, Whole::Unreachable),
        (&[(Nxdomain, NONE)], NONAME, Whole::Nxdomain),
        (&[(NoData, NONE)], Some(Err("EAI_NODATA")), Whole::NoData),
        // SERVFAIL and REFUSED move on to the next server, NXDOMAIN does not.
        (&[(Servfail, NONE), (Nxdomain, NONE)], NONAME, Whole::Nxdomain),
        (&[(Nxdomain, NONE), (Servfail, NONE)], NONAME, Whole::Nxdomain),
        (&[(Nxdomain, NONE), (Answered, A)], NONAME, Whole::Nxdomain),
        (&[(Servfail, NONE), (Answered, A)], Some(Ok(A)), Whole::Resolved),
        (&[(Servfail, NONE)], AGAIN, Whole::Servfail),
        (&[(Servfail, NONE), (Timeout, NONE)], None, Whole::Servfail),
        (&[(Refused, NONE), (Servfail, NONE)], AGAIN, Whole::Servfail),
        (&[(Refused, NONE), (Refused, NONE)], AGAIN, Whole::Refused),
        (&[(Refused, NONE), (Timeout, NONE)], None, Whole::Refused),
        (&[(Failed, NONE)], Some(Err("EAI_FAIL")), Whole::Failed),
        (&[(PortUnreachable, NONE), (HostUnreachable, NONE)], AGAIN, Whole::Unreachable),
        (&[(NoRoute, NONE)], AGAIN, Whole::Unreachable),
        (&[(Denied, NONE)], AGAIN, Whole::Unreachable),
        (&[], NONAME, Whole::NoNameservers),
        (&[], AGAIN, Whole::NoNameservers),
        (&[], None, Whole::NoNameservers),
        // It gave up for the moment, a server answers now.
        (&[(Answered, A)], AGAIN, Whole::Resolved),
        // DNS knows it, but applications do not ask DNS.
        (&[(Answered, A)], NONAME, Whole::Failed),
        // The hosts file or another service knows it.
        (&[(Nxdomain, NONE)], Some(Ok(A)), Whole::Resolved),
        (&[], Some(Ok(A)), Whole::Resolved),
    ];
    for (servers, lookup, outcome) in rows {
        assert_eq!(seen(facts(servers, *lookup)).outcome, *outcome, "{servers:?} {lookup:?}");
    }
}

#[test]
fn the_order_of_getaddrinfo_is_kept() {
    let order: &[&str] = &["2001:db8::1", "10.0.0.1"];
    let dns: &[&str] = &["10.0.0.1", "2001:db8::1"];
    let seen = seen(facts(&[(ServerOutcome::Answered, dns)], Some(Ok(order))));
    assert_eq!(seen.addresses, order);
    assert_eq!((seen.v4, seen.v6, seen.source), (1, 1, Some(NameSource::Dns)));
}

#[test]
fn unwanted_families_are_left_out_and_named() {
    let mut only_v6 = facts(&[(ServerOutcome::NoData, NONE)], NONAME);
    only_v6.family = Family::V4;
    only_v6.asked[0].other_family = true;
    let only_v6 = seen(only_v6);
    assert_eq!(only_v6.outcome, DnsOutcome::NoData);
    assert!(only_v6.other_family_only);

    let mut hosts = facts(&[], NONAME);
    hosts.family = Family::V4;
    hosts.hosts = owned(&["2001:db8::1"]);
    let hosts = seen(hosts);
    assert_eq!((hosts.outcome, hosts.other_family_only), (DnsOutcome::NoData, true));
    assert!(hosts.hosts_addresses.is_empty());
}

#[test]
fn the_hosts_file_differs_only_where_it_wins_and_dns_has_addresses() {
    let rows: &[(Texts, Texts, Texts, Option<bool>)] = &[
        // hosts file, DNS, services, differs
        (A, B, &["files", "dns"], Some(true)),
        (A, A, &["files", "dns"], Some(false)),
        (A, NONE, &["files", "dns"], None),
        (NONE, B, &["files", "dns"], None),
        // Only families that the hosts file has are compared.
        (A, &["10.0.0.1", "2001:db8::1"], &["files", "dns"], Some(false)),
        (A, &["2001:db8::1"], &["files", "dns"], Some(true)),
    ];
    for (hosts, dns, services, differs) in rows {
        let outcome =
            if dns.is_empty() { ServerOutcome::Nxdomain } else { ServerOutcome::Answered };
        let winner = if hosts.is_empty() { dns } else { hosts };
        let mut facts = facts(&[(outcome, dns)], Some(Ok(winner)));
        facts.hosts = owned(hosts);
        facts.services = owned(services);
        assert_eq!(seen(facts).hosts_differ, *differs, "{hosts:?} {dns:?}");
    }
    // DNS stands before the hosts file: its answer wins, nothing is overridden.
    let mut dns_first = facts(&[(ServerOutcome::Answered, B)], Some(Ok(B)));
    dns_first.hosts = owned(A);
    dns_first.services = owned(&["dns", "files"]);
    let dns_first = seen(dns_first);
    assert_eq!((dns_first.source, dns_first.hosts_differ), (Some(NameSource::Dns), Some(false)));
}

#[test]
fn the_source_is_the_service_that_the_addresses_come_from() {
    let rows: &[(Texts, Texts, Texts, Texts, NameSource)] = &[
        // hosts, DNS, getaddrinfo, services
        (A, NONE, A, &["files", "dns"], NameSource::Hosts),
        (A, A, A, &["files", "dns"], NameSource::Hosts),
        (A, A, A, &["dns", "files"], NameSource::Dns),
        (NONE, A, A, &["files", "dns"], NameSource::Dns),
        // Round robin: other addresses from one query to the next.
        (NONE, A, B, &["files", "dns"], NameSource::Dns),
        (NONE, A, B, &["files", "mdns4_minimal", "dns"], NameSource::Other),
        (NONE, A, A, &["files", "mdns4_minimal", "dns"], NameSource::Dns),
        (NONE, NONE, A, &["files", "dns", "myhostname"], NameSource::Other),
    ];
    for (hosts, dns, found, services, source) in rows {
        let outcome =
            if dns.is_empty() { ServerOutcome::Nxdomain } else { ServerOutcome::Answered };
        let mut facts = facts(&[(outcome, dns)], Some(Ok(found)));
        facts.hosts = owned(hosts);
        facts.services = owned(services);
        assert_eq!(seen(facts).source, Some(*source), "{hosts:?} {dns:?} {found:?} {services:?}");
    }
}

#[test]
fn servers_are_counted_and_compared() {
    use ServerOutcome::*;
    let seen_of = |servers: &[(ServerOutcome, &[&str])]| seen(facts(servers, Some(Ok(A))));
    let both = seen_of(&[(Timeout, NONE), (Answered, A), (Answered, A)]);
    assert_eq!((both.servers_answered, both.servers_dead), (2, 1));
    assert_eq!(both.dead_server.as_deref(), Some("192.0.2.1"));
    assert_eq!(both.live_server.as_deref(), Some("192.0.2.2"));
    assert_eq!(both.servers_agree, Some(true));
    assert_eq!(seen_of(&[(Answered, A), (Answered, B)]).servers_agree, Some(false));
    assert_eq!(seen_of(&[(Answered, A), (Nxdomain, NONE)]).servers_agree, Some(false));
    assert_eq!(seen_of(&[(Answered, A), (Servfail, NONE)]).servers_agree, None);
    let hosts = seen_of(&[(Abandoned, NONE), (Answered, A)]);
    assert_eq!((hosts.servers_answered, hosts.servers_dead), (1, 0));
}

#[test]
fn no_route_to_any_server_is_this_machines_own_fault() {
    use ServerOutcome::*;
    let here =
        |servers: &[(ServerOutcome, &[&str])]| seen(facts(servers, AGAIN)).no_route_to_servers;
    assert!(here(&[(NoRoute, NONE), (NoRoute, NONE)]));
    assert!(!here(&[(NoRoute, NONE), (Timeout, NONE)]));
    assert!(!here(&[]));
}

#[test]
fn a_process_without_descriptors_says_so() {
    let mut starved = facts(&[(ServerOutcome::Failed, NONE)], Some(Err("EAI_SYSTEM EMFILE")));
    starved.asked[0].answered = false;
    starved.asked[0].starved = Some(("socket(SOCK_DGRAM)", Errno::EMFILE));
    let failed = |operation: &str| {
        Err(Why::Failed { operation: operation.to_owned(), errno: "EMFILE".to_owned() })
    };
    assert_eq!(judge(starved), failed("socket(SOCK_DGRAM)"));
    let mut unread = facts(&[], NONAME);
    unread.config_problem = Some("/etc/resolv.conf: EMFILE".to_owned());
    assert_eq!(judge(unread), failed("open(/etc/resolv.conf)"));
}

#[test]
fn an_address_is_handed_back_as_it_is() {
    for (text, family, addresses) in [
        ("192.0.2.1", Family::Any, &["192.0.2.1"][..]),
        ("2001:DB8:0::1", Family::V6, &["2001:db8::1"]),
        ("fe80::1%eth0", Family::Any, &["fe80::1%eth0"]),
        ("192.0.2.1", Family::V6, &[]),
    ] {
        let seen = literal(text, family).expect("an address");
        assert_eq!(seen.addresses, addresses, "{text}");
        assert_eq!(seen.other_family_only, addresses.is_empty());
    }
    assert_eq!(literal("db.test", Family::Any), None);
    assert_eq!(literal("192.0.2.1%eth0", Family::Any), None);
}

#[test]
fn a_brief_says_who_failed_how() {
    use ServerOutcome::*;
    let mut dead = facts(&[(Timeout, NONE), (NoRoute, NONE), (PortUnreachable, NONE)], AGAIN);
    dead.asked[1].report.errno = Some("ENETUNREACH".to_owned());
    dead.asked[2].report.rejected_by = Some("192.0.2.254".to_owned());
    assert_eq!(
        brief(&seen(dead)),
        "no answer from 192.0.2.1 (timeout), 192.0.2.2 (no route, ENETUNREACH), \
         192.0.2.3 (port unreachable, says 192.0.2.254)"
    );
    let mut found = facts(&[(Timeout, NONE), (Answered, A)], Some(Ok(A)));
    found.asked[1].report.rtt_ms = Some(0.42);
    found.asked[1].cname_chain = owned(&["a.test", "b.test"]);
    assert_eq!(
        brief(&seen(found)),
        "db.test is 10.0.0.1 (DNS 192.0.2.2, 0.4 ms), alias of b.test; no answer from 192.0.2.1 (timeout)"
    );
}
