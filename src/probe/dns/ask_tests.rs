use super::*;
use crate::sys::name_config::default_server;

fn names(name: &str, search: &[&str], ndots: u32) -> Vec<String> {
    let search: Vec<String> = search.iter().map(|domain| (*domain).to_owned()).collect();
    let found = candidates(name, &search, ndots);
    found.iter().map(|candidate| candidate.name.text()).collect()
}

#[test]
fn candidates_come_in_the_order_of_glibc() {
    let search = &["a.test", "b.test"];
    assert_eq!(names("db", search, 1), ["db.a.test", "db.b.test", "db"]);
    assert_eq!(names("db.x", search, 1), ["db.x", "db.x.a.test", "db.x.b.test"]);
    assert_eq!(names("db.x", search, 2), ["db.x.a.test", "db.x.b.test", "db.x"]);
    assert_eq!(names("db.x.", search, 5), ["db.x"]);
    assert_eq!(names("db", search, 0), ["db", "db.a.test", "db.b.test"]);
    assert_eq!(names("db", &["."], 1), ["db"]);
    assert!(names("a..b", search, 1).is_empty());
    assert!(names(&"x".repeat(64), search, 1).is_empty());
}

#[test]
fn localhost_is_localhost_by_any_spelling() {
    for name in ["localhost", "LOCALHOST.", "www.localhost"] {
        assert!(is_localhost(name), "{name}");
    }
    for name in ["localhost.test", "notlocalhost"] {
        assert!(!is_localhost(name), "{name}");
    }
}

fn reply(rcode: Rcode, addresses: &[&str]) -> Heard {
    let reply = Reply {
        rcode,
        authoritative: true,
        truncated: false,
        addresses: addresses.iter().filter_map(|text| text.parse().ok()).collect(),
        cname_chain: Vec::new(),
        ttl_s: (!addresses.is_empty()).then_some(60),
        extended_error: None,
    };
    Heard {
        rtt_ms: Some(1.0),
        tries: Some(1),
        outcome: outcome_of(&reply),
        reply: Some(reply),
        ..Heard::of(ServerOutcome::Failed)
    }
}

fn said(family: Family, v4: Heard, v6: Option<Heard>) -> Asked {
    put_together(Asked::not_yet(&default_server()), family, [Some(v4), v6])
}

#[test]
fn two_answers_make_one_outcome() {
    use ServerOutcome::*;
    let none = || reply(Rcode::NoError, &[]);
    let silent = || Heard::of(Timeout);
    let rows = [
        (reply(Rcode::NoError, &["192.0.2.1"]), none(), Answered, None),
        (none(), reply(Rcode::NoError, &["2001:db8::1"]), Answered, None),
        (none(), none(), NoData, None),
        (reply(Rcode::NxDomain, &[]), silent(), Nxdomain, Some("AAAA")),
        (none(), reply(Rcode::ServFail, &[]), Servfail, None),
        (reply(Rcode::NoError, &["192.0.2.1"]), silent(), Answered, Some("AAAA")),
        (none(), silent(), Timeout, Some("AAAA")),
        (silent(), silent(), Timeout, None),
        (silent(), Heard::of(PortUnreachable), PortUnreachable, None),
        (reply(Rcode::FormErr, &[]), reply(Rcode::FormErr, &[]), Failed, None),
    ];
    for (v4, v6, outcome, silent_on) in rows {
        let asked = said(Family::Any, v4.clone(), Some(v6.clone()));
        assert_eq!(asked.report.outcome, outcome, "{v4:?} {v6:?}");
        assert_eq!(asked.report.silent_on.as_deref(), silent_on);
        let answered = v4.reply.is_some() || v6.reply.is_some();
        assert_eq!(asked.answered, answered);
    }
}

#[test]
fn the_unwanted_family_only_says_that_it_is_there() {
    let v6 = reply(Rcode::NoError, &["2001:db8::1"]);
    let asked = said(Family::V4, reply(Rcode::NoError, &[]), Some(v6));
    assert_eq!(asked.report.outcome, ServerOutcome::NoData);
    assert!(asked.other_family && asked.report.addresses.is_empty());
}

#[test]
fn of_several_candidates_the_one_that_glibc_reports_speaks() {
    use ServerOutcome::*;
    let tried = |list: &[(bool, ServerOutcome)]| {
        let asked = list.iter().map(|(searched, outcome)| {
            let mut asked = Asked::not_yet(&default_server());
            asked.report.outcome = *outcome;
            (*searched, asked)
        });
        choose(asked.collect()).map(|asked| asked.report.outcome)
    };
    assert_eq!(tried(&[]), None);
    assert_eq!(tried(&[(true, Nxdomain), (true, Answered)]), Some(Answered));
    assert_eq!(tried(&[(true, Nxdomain), (false, Timeout)]), Some(Timeout));
    assert_eq!(tried(&[(true, Nxdomain), (true, NoData), (false, Nxdomain)]), Some(NoData));
    assert_eq!(tried(&[(true, Servfail), (false, Nxdomain)]), Some(Servfail));
    assert_eq!(tried(&[(false, Servfail), (true, Nxdomain)]), Some(Servfail));
    assert_eq!(tried(&[(false, Nxdomain), (true, NoData)]), Some(Nxdomain));
}

#[test]
fn the_errno_of_sending_says_whether_a_route_or_a_filter_was_in_the_way() {
    for errno in [Errno::ENETUNREACH, Errno::EINVAL, Errno::EACCES, Errno::EHOSTUNREACH] {
        assert_eq!(not_sent(errno), ServerOutcome::NoRoute);
    }
    assert_eq!(not_sent(Errno::EPERM), ServerOutcome::Denied);
    assert_eq!(not_sent(Errno::ENOBUFS), ServerOutcome::Failed);
}
