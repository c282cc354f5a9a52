//! What all sources together say about a name: pure, from facts to what the probe reports.

use std::collections::BTreeSet;

use super::ask::Asked;
use super::{DnsOutcome, DnsSeen, Family, NameSource, ServerOutcome};
use crate::model::outcome::Why;
use crate::sys::name_config::split_zone;
use crate::sys::resolver::Lookup;
use std::net::IpAddr;

/// Everything that was found out.
#[derive(Debug, Clone)]
pub(super) struct Facts {
    /// The name as it was asked for.
    pub(super) name: String,
    /// Which addresses are wanted.
    pub(super) family: Family,
    /// The services of nsswitch.conf.
    pub(super) services: Vec<String>,
    /// The hosts file's addresses, of both families.
    pub(super) hosts: Vec<String>,
    /// Whether any server is configured, asked or not.
    pub(super) configured: bool,
    /// The servers that were asked, in order.
    pub(super) asked: Vec<Asked>,
    /// What getaddrinfo returned; `None` when it had not in time.
    pub(super) lookup: Option<Lookup>,
    /// Why resolv.conf could not be read.
    pub(super) config_problem: Option<String>,
}

/// Returns the family of an address as text, with or without a zone.
fn family_of(address: &str) -> Option<Family> {
    let (bare, _) = split_zone(address);
    match bare.parse().ok()? {
        IpAddr::V4(_) => Some(Family::V4),
        IpAddr::V6(_) => Some(Family::V6),
    }
}

fn wanted(address: &str, family: Family) -> bool {
    family == Family::Any || family_of(address) == Some(family)
}

fn count(addresses: &[String], family: Family) -> u32 {
    let of_family = addresses.iter().filter(|address| family_of(address) == Some(family));
    of_family.count() as u32
}

/// Returns what is seen of a name that is an address already; `None` when it is none.
pub(super) fn literal(name: &str, family: Family) -> Option<DnsSeen> {
    let (bare, zone) = split_zone(name);
    let address: IpAddr = bare.parse().ok()?;
    let text = match zone {
        Some(zone) if address.is_ipv6() => format!("{address}%{zone}"),
        Some(_) => return None,
        None => address.to_string(),
    };
    let fits = wanted(&text, family);
    let mut seen = empty(name);
    if fits {
        seen.outcome = DnsOutcome::Resolved;
        seen.source = Some(NameSource::Literal);
        seen.addresses = vec![text];
        seen.v4 = count(&seen.addresses, Family::V4);
        seen.v6 = count(&seen.addresses, Family::V6);
    }
    seen.other_family_only = !fits;
    Some(seen)
}

fn empty(name: &str) -> DnsSeen {
    DnsSeen {
        outcome: DnsOutcome::NoData,
        name: name.to_owned(),
        addresses: Vec::new(),
        v4: 0,
        v6: 0,
        source: None,
        hosts_addresses: Vec::new(),
        dns_addresses: Vec::new(),
        hosts_differ: None,
        cname_chain: Vec::new(),
        answered_as: None,
        other_family_only: false,
        ttl_s: None,
        servers: Vec::new(),
        servers_answered: 0,
        servers_dead: 0,
        servers_agree: None,
        dead_server: None,
        live_server: None,
        no_route_to_servers: false,
        getaddrinfo_error: None,
        getaddrinfo_ms: None,
        services: Vec::new(),
        config_problem: None,
    }
}

/// Puts all sources together.
///
/// # Errors
///
/// Returns `Failed` when nothing was learnt because this process could not open a socket.
pub(super) fn judge(facts: Facts) -> Result<DnsSeen, Why> {
    let hosts: Vec<String> = keep(&facts.hosts, facts.family);
    let found: Vec<String> = match &facts.lookup {
        Some(Lookup { result: Ok(addresses), .. }) => keep(addresses, facts.family),
        _ => Vec::new(),
    };
    if found.is_empty()
        && let Some((operation, errno)) = starved(&facts)
    {
        return Err(Why::Failed { operation, errno });
    }
    let mut seen = empty(&facts.name);
    // The first server with addresses, and failing that the first with any final word, tells the
    // details: chain, search domain, time to live.
    let spokesman = facts
        .asked
        .iter()
        .find(|asked| asked.report.outcome == ServerOutcome::Answered)
        .or_else(|| facts.asked.iter().find(|asked| is_final(asked.report.outcome)));
    if let Some(asked) = spokesman {
        seen.cname_chain.clone_from(&asked.cname_chain);
        seen.ttl_s = asked.ttl_s;
        seen.answered_as.clone_from(&asked.answered_as);
        if asked.report.outcome != ServerOutcome::Answered {
            seen.answered_as = None;
        }
    }
    for asked in &facts.asked {
        for address in &asked.report.addresses {
            if !seen.dns_addresses.contains(address) {
                seen.dns_addresses.push(address.clone());
            }
        }
    }
    (seen.outcome, seen.addresses) = outcome(&facts, found);
    seen.source = source(&facts, &seen, &hosts);
    let other_hosts = hosts.is_empty() && !facts.hosts.is_empty();
    seen.other_family_only = seen.outcome == DnsOutcome::NoData
        && (other_hosts || facts.asked.iter().any(|asked| asked.other_family));
    seen.hosts_differ = differ(&hosts, &seen);
    seen.v4 = count(&seen.addresses, Family::V4);
    seen.v6 = count(&seen.addresses, Family::V6);
    seen.hosts_addresses = hosts;
    about_servers(&mut seen, &facts.asked);
    if let Some(lookup) = &facts.lookup {
        seen.getaddrinfo_error = lookup.result.as_ref().err().cloned();
        seen.getaddrinfo_ms = Some(lookup.ms);
    }
    seen.servers = facts.asked.into_iter().map(|asked| asked.report).collect();
    seen.services = facts.services;
    seen.config_problem = facts.config_problem;
    Ok(seen)
}

fn keep(addresses: &[String], family: Family) -> Vec<String> {
    let kept = addresses.iter().filter(|address| wanted(address, family));
    kept.cloned().collect()
}

/// The system call and errno, when nothing was learnt for want of descriptors.
fn starved(facts: &Facts) -> Option<(String, String)> {
    if facts.asked.iter().any(|asked| asked.answered) {
        return None;
    }
    let problem = facts.config_problem.as_ref();
    if let Some((path, errno)) = problem.and_then(|problem| problem.split_once(": "))
        && ["EMFILE", "ENFILE"].contains(&errno)
    {
        return Some((format!("open({path})"), errno.to_owned()));
    }
    let (operation, errno) = facts.asked.iter().find_map(|asked| asked.starved)?;
    Some((operation.to_owned(), format!("{errno:?}")))
}

/// Whether glibc takes a server's word as final instead of asking the next one.
fn is_final(outcome: ServerOutcome) -> bool {
    use ServerOutcome::{Answered, NoData, Nxdomain};
    matches!(outcome, Answered | Nxdomain | NoData)
}

/// How the lookup ended, and the addresses.
///
/// 1. What getaddrinfo found counts.
/// 2. It said for certain that there is nothing: the first negative word of a server says what.
/// 3. It has not come back, or gave up for the moment: the first final word of a server counts.
/// 4. No final word: what the servers failed with.
fn outcome(facts: &Facts, found: Vec<String>) -> (DnsOutcome, Vec<String>) {
    if !found.is_empty() {
        return (DnsOutcome::Resolved, found);
    }
    let certain = match &facts.lookup {
        Some(Lookup { result: Err(code), .. }) => {
            ["EAI_NONAME", "EAI_NODATA", "EAI_ADDRFAMILY"].contains(&code.as_str())
        }
        Some(_) => true,
        None => false,
    };
    let mut words = facts.asked.iter().map(|asked| &asked.report);
    let word = words.find(|server| {
        is_final(server.outcome) && !(certain && server.outcome == ServerOutcome::Answered)
    });
    match word.map(|server| (server.outcome, &server.addresses)) {
        Some((ServerOutcome::Answered, addresses)) => {
            return (DnsOutcome::Resolved, addresses.clone());
        }
        Some((ServerOutcome::NoData, _)) => return (DnsOutcome::NoData, Vec::new()),
        Some(_) => return (DnsOutcome::Nxdomain, Vec::new()),
        None => {}
    }
    // The hosts file knows the name, in the other family only, and nobody else knows better.
    if !facts.hosts.is_empty() && certain {
        return (DnsOutcome::NoData, Vec::new());
    }
    let any = |outcome| facts.asked.iter().any(|asked| asked.report.outcome == outcome);
    let outcome = if facts.asked.is_empty() && !facts.configured {
        DnsOutcome::NoNameservers
    } else if any(ServerOutcome::Servfail) {
        DnsOutcome::Servfail
    } else if any(ServerOutcome::Refused) {
        DnsOutcome::Refused
    } else if facts.asked.is_empty() || facts.asked.iter().any(|asked| asked.answered) {
        DnsOutcome::Failed
    } else {
        DnsOutcome::Unreachable
    };
    (outcome, Vec::new())
}

/// Which source the addresses come from.
///
/// They are the hosts file's when it has them all, unless DNS has the same and is asked first; else
/// DNS's, unless another service stands before it and DNS has none of them (answers of DNS differ
/// from one query to the next, so that not all must be the same).
fn source(facts: &Facts, seen: &DnsSeen, hosts: &[String]) -> Option<NameSource> {
    if seen.addresses.is_empty() {
        return None;
    }
    let position = |name: &str| facts.services.iter().position(|service| service == name);
    let by_dns = seen.addresses.iter().any(|address| seen.dns_addresses.contains(address));
    let by_hosts = seen.addresses.iter().all(|address| hosts.contains(address));
    let dns_first = match (position("dns"), position("files")) {
        (Some(dns), Some(files)) => dns < files,
        (dns, _) => dns.is_some(),
    };
    if by_hosts && !(by_dns && dns_first) {
        return Some(NameSource::Hosts);
    }
    let before_dns = facts.services.iter().take(position("dns").unwrap_or(usize::MAX));
    let other_first = before_dns.into_iter().any(|service| service != "files");
    Some(match by_dns || (!seen.dns_addresses.is_empty() && !other_first) {
        true => NameSource::Dns,
        false => NameSource::Other,
    })
}

/// Whether the hosts file's addresses win and are not those of DNS, family by family: a hosts file
/// with the IPv4 address only does not differ from a DNS that has an IPv6 address as well.
fn differ(hosts: &[String], seen: &DnsSeen) -> Option<bool> {
    if hosts.is_empty() || seen.dns_addresses.is_empty() {
        return None;
    }
    let of = |addresses: &[String], family| -> BTreeSet<String> {
        keep(addresses, family).into_iter().collect()
    };
    let differ = [Family::V4, Family::V6].into_iter().any(|family| {
        let mine = of(hosts, family);
        !mine.is_empty() && mine != of(&seen.dns_addresses, family)
    });
    Some(differ && seen.source == Some(NameSource::Hosts))
}

fn about_servers(seen: &mut DnsSeen, asked: &[Asked]) {
    let dead = |asked: &&Asked| !asked.answered && asked.report.outcome != ServerOutcome::Abandoned;
    let name = |asked: &Asked| asked.report.address.clone();
    seen.servers_answered = asked.iter().filter(|asked| asked.answered).count() as u32;
    seen.servers_dead = asked.iter().filter(dead).count() as u32;
    seen.dead_server = asked.iter().find(dead).map(name);
    seen.live_server = asked.iter().find(|asked| asked.answered).map(name);
    seen.no_route_to_servers = !asked.is_empty()
        && asked.iter().all(|asked| asked.report.outcome == ServerOutcome::NoRoute);
    let mut words = asked.iter().filter(|asked| is_final(asked.report.outcome));
    if let Some(first) = words.next() {
        let set = |asked: &Asked| -> BTreeSet<String> {
            asked.report.addresses.iter().cloned().collect()
        };
        let mut others = words.peekable();
        seen.servers_agree =
            others.peek().is_some().then(|| others.all(|other| set(other) == set(first)));
    }
}

#[cfg(test)]
#[path = "verdict_tests.rs"]
mod tests;
