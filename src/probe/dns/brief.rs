//! What was seen of a name, in one line.

use super::{DnsOutcome, DnsSeen, DnsServer, NameSource, ServerOutcome};

/// The most addresses that a brief names.
const MOST_NAMED: usize = 3;

/// Says in one line what was seen.
pub(super) fn brief(seen: &DnsSeen) -> String {
    let from = |wanted: &[ServerOutcome]| {
        let server = seen.servers.iter().find(|server| wanted.contains(&server.outcome));
        server.map_or(String::new(), |server| format!(" from {}", server.address))
    };
    match seen.outcome {
        DnsOutcome::Resolved => resolved(seen),
        DnsOutcome::Nxdomain => format!("NXDOMAIN{}", from(&[ServerOutcome::Nxdomain])),
        DnsOutcome::NoData => {
            let other = match seen.other_family_only {
                true => ", addresses of the other family only",
                false => "",
            };
            format!("{} has no wanted address{}{other}", seen.name, from(&[ServerOutcome::NoData]))
        }
        DnsOutcome::Servfail => format!("SERVFAIL{}", from(&[ServerOutcome::Servfail])),
        DnsOutcome::Refused => format!("REFUSED{}", from(&[ServerOutcome::Refused])),
        DnsOutcome::Unreachable => {
            let servers: Vec<String> = seen.servers.iter().map(silence).collect();
            format!("no answer from {}", servers.join(", "))
        }
        DnsOutcome::NoNameservers => match &seen.config_problem {
            Some(problem) => format!("no name server ({problem})"),
            None => "no name server is configured".to_owned(),
        },
        DnsOutcome::Failed => failed(seen),
    }
}

fn failed(seen: &DnsSeen) -> String {
    let mut parts: Vec<String> = seen.getaddrinfo_error.iter().cloned().collect();
    parts.extend(seen.servers.iter().map(|server| match server.addresses.first() {
        Some(first) => format!("{} has {first}", server.address),
        None => silence(server),
    }));
    parts.join("; ")
}

fn resolved(seen: &DnsSeen) -> String {
    if seen.source == Some(NameSource::Literal) {
        return format!("{} is an address already", seen.name);
    }
    let mut addresses = seen.addresses.iter().take(MOST_NAMED).cloned().collect::<Vec<_>>();
    if seen.addresses.len() > MOST_NAMED {
        addresses.push(format!("{} more", seen.addresses.len() - MOST_NAMED));
    }
    let source = match seen.source {
        Some(NameSource::Hosts) => "hosts file".to_owned(),
        Some(NameSource::Other) => "another name service".to_owned(),
        _ => match seen.servers.iter().find(|server| !server.addresses.is_empty()) {
            Some(DnsServer { address, rtt_ms: Some(ms), .. }) => {
                format!("DNS {address}, {ms:.1} ms")
            }
            _ => "DNS".to_owned(),
        },
    };
    let name = seen.answered_as.as_ref().unwrap_or(&seen.name);
    let mut text = format!("{name} is {} ({source})", addresses.join(", "));
    if let Some(end) = seen.cname_chain.last() {
        text.push_str(&format!(", alias of {end}"));
    }
    if let Some((server, kind)) =
        seen.servers.iter().find_map(|server| Some(server).zip(server.silent_on.as_ref()))
    {
        text.push_str(&format!("; {} left {kind} unanswered", server.address));
    }
    if let Some(dead) =
        seen.servers.iter().find(|server| Some(&server.address) == seen.dead_server.as_ref())
    {
        text.push_str(&format!("; no answer from {}", silence(dead)));
    }
    text
}

/// Names a server and how it failed.
fn silence(server: &DnsServer) -> String {
    let errno = server.errno.as_deref().unwrap_or("no errno");
    let mut how = match server.outcome {
        _ if server.tcp_worked == Some(false) => "truncated, and no answer over TCP".to_owned(),
        ServerOutcome::Timeout => "timeout".to_owned(),
        ServerOutcome::PortUnreachable => "port unreachable".to_owned(),
        ServerOutcome::HostUnreachable => format!("unreachable, {errno}"),
        ServerOutcome::NoRoute => format!("no route, {errno}"),
        ServerOutcome::Denied => format!("not sent, {errno}"),
        _ => match (&server.errno, &server.rcode) {
            (Some(errno), _) => errno.clone(),
            (None, Some(rcode)) => rcode.clone(),
            (None, None) => "malformed answer".to_owned(),
        },
    };
    if let Some(from) = server.rejected_by.as_ref().filter(|from| **from != server.address) {
        how.push_str(&format!(", says {from}"));
    }
    format!("{} ({how})", server.address)
}
