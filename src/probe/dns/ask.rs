//! One server, asked for every candidate name that the system's resolver would try.

use std::net::IpAddr;
use std::pin::pin;
use std::time::Duration;

use nix::errno::Errno;
use tokio::time::Instant;

use super::{DnsServer, Family, ServerOutcome};
use crate::sys::clock;
use crate::sys::dns_exchange::{self, Exchange};
use crate::sys::name_config::NameServer;
use crate::wire::dns::{self, Kind, Question, Rcode, Reply, Unfit, WireName};

/// How long the second question is waited for after the first met an error.
const SECOND_GRACE: Duration = Duration::from_millis(100);

/// How long things may take.
#[derive(Debug, Clone, Copy)]
pub(super) struct Limits {
    /// One question.
    pub(super) query: Duration,
    /// Everything, search domains included.
    pub(super) end: Instant,
    /// Whether only TCP is to be used.
    pub(super) tcp_only: bool,
}

/// A name to be tried.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Candidate {
    /// The name.
    pub(super) name: WireName,
    /// Whether a search domain was put behind it.
    pub(super) searched: bool,
}

/// What asking one server gave.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Asked {
    /// The part that is reported as it is.
    pub(super) report: DnsServer,
    /// Whether the server was done within the limits.
    finished: bool,
    /// Whether it gave any answer, to either question.
    pub(super) answered: bool,
    /// The candidate that the outcome belongs to, when a search domain made it.
    pub(super) answered_as: Option<String>,
    /// The CNAME chain of the answer.
    pub(super) cname_chain: Vec<String>,
    /// The lowest time to live of the answer.
    pub(super) ttl_s: Option<u32>,
    /// Whether the name has addresses of the unwanted family only.
    pub(super) other_family: bool,
    /// The system call and errno, when not even a socket was to be had.
    pub(super) starved: Option<(&'static str, Errno)>,
}

impl Asked {
    /// A server that has said nothing so far.
    pub(super) fn not_yet(server: &NameServer) -> Asked {
        Asked {
            report: DnsServer {
                address: server.text.clone(),
                outcome: ServerOutcome::Timeout,
                rcode: None,
                rtt_ms: None,
                addresses: Vec::new(),
                truncated: None,
                tcp_worked: None,
                authoritative: None,
                extended_error: None,
                errno: None,
                rejected_by: None,
                silent_on: None,
                tries: None,
            },
            finished: false,
            answered: false,
            answered_as: None,
            cname_chain: Vec::new(),
            ttl_s: None,
            other_family: false,
            starved: None,
        }
    }

    /// Settles what a server is called that is not waited for any longer.
    pub(super) fn give_up(&mut self, by_hosts: bool) {
        if !self.finished && by_hosts {
            self.report.outcome = ServerOutcome::Abandoned;
        }
        self.finished = true;
    }
}

/// Whether servers answered, and none of them with addresses.
pub(super) fn only_negative(asked: &[Asked]) -> bool {
    asked.iter().all(|asked| asked.report.outcome != ServerOutcome::Answered)
        && (asked.is_empty() || asked.iter().any(|asked| asked.answered))
}

/// Whether a name means this machine by definition (RFC 6761 6.3).
pub(super) fn is_localhost(name: &str) -> bool {
    let name = name.strip_suffix('.').unwrap_or(name).to_ascii_lowercase();
    name == "localhost" || name.ends_with(".localhost")
}

/// Lists the names that glibc would ask for, in its order (`__res_context_search`): a name with a
/// final dot as it is; one with at least `ndots` dots as it is first; else the search domains first.
pub(super) fn candidates(name: &str, search: &[String], ndots: u32) -> Vec<Candidate> {
    let as_it_is = WireName::new(name).map(|name| Candidate { name, searched: false });
    if name.ends_with('.') {
        return as_it_is.into_iter().collect();
    }
    let searched = search
        .iter()
        // `search .` means the name as it is, which comes anyway.
        .filter(|domain| !domain.starts_with('.'))
        .filter_map(|domain| WireName::new(&format!("{name}.{domain}")))
        .map(|name| Candidate { name, searched: true });
    let dots = name.bytes().filter(|byte| *byte == b'.').count();
    if dots >= ndots as usize {
        as_it_is.into_iter().chain(searched).collect()
    } else {
        searched.chain(as_it_is).collect()
    }
}

/// Asks one server for the candidates, one after another, until one has an answer that glibc would
/// stop at.
pub(super) async fn ask_server(
    server: &NameServer,
    candidates: &[Candidate],
    family: Family,
    limits: Limits,
) -> Asked {
    let mut tried: Vec<(bool, Asked)> = Vec::new();
    for candidate in candidates {
        let left = limits.end.saturating_duration_since(Instant::from_std(clock::now()));
        if left.is_zero() && !tried.is_empty() {
            break;
        }
        let patience = limits.query.min(left);
        let both = ask_both(server, &candidate.name, family, patience, limits.tcp_only).await;
        let mut asked = put_together(Asked::not_yet(server), family, both);
        asked.answered_as = candidate.searched.then(|| candidate.name.text());
        let outcome = asked.report.outcome;
        tried.push((candidate.searched, asked));
        use ServerOutcome::{NoData, Nxdomain, Servfail};
        if !matches!(outcome, Nxdomain | NoData | Servfail) {
            break;
        }
    }
    let mut asked = choose(tried).unwrap_or_else(|| Asked::not_yet(server));
    asked.finished = true;
    asked
}

/// Chooses which candidate's outcome speaks for the server: the last one when the walk stopped
/// there; else, as in glibc, the name as it is when that was tried first, then NODATA, then SERVFAIL.
fn choose(mut tried: Vec<(bool, Asked)>) -> Option<Asked> {
    use ServerOutcome::{NoData, Nxdomain, Servfail};
    let (_, last) = tried.last()?;
    if !matches!(last.report.outcome, Nxdomain | NoData | Servfail) {
        return tried.pop().map(|(_, asked)| asked);
    }
    let rank = |(at, (searched, asked)): &(usize, (bool, Asked))| match asked.report.outcome {
        _ if *at == 0 && !searched => 0,
        NoData => 1,
        Servfail => 2,
        // Of several NXDOMAIN the one for the name itself says most.
        _ => 3 + u32::from(*searched),
    };
    let chosen = tried.into_iter().enumerate().min_by_key(rank);
    chosen.map(|(_, (_, asked))| asked)
}

/// What one question to one server met.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Heard {
    outcome: ServerOutcome,
    reply: Option<Reply>,
    rtt_ms: Option<f64>,
    tries: Option<u32>,
    tcp_worked: Option<bool>,
    errno: Option<Errno>,
    from: Option<IpAddr>,
    starved: Option<&'static str>,
}

/// Asks for the wanted types side by side; for the unwanted one only when it says more.
async fn ask_both(
    server: &NameServer,
    name: &WireName,
    family: Family,
    patience: Duration,
    tcp_only: bool,
) -> [Option<Heard>; 2] {
    let ask = |kind| ask_one(server, name, kind, patience, tcp_only);
    let no_data = |heard: &Heard| heard.outcome == ServerOutcome::NoData;
    match family {
        Family::Any => {
            let (v4, v6) = both(ask(Kind::A), ask(Kind::Aaaa)).await;
            [Some(v4), Some(v6)]
        }
        Family::V4 => {
            let v4 = ask(Kind::A).await;
            let v6 = if no_data(&v4) { Some(ask(Kind::Aaaa).await) } else { None };
            [Some(v4), v6]
        }
        Family::V6 => {
            let v6 = ask(Kind::Aaaa).await;
            let v4 = if no_data(&v6) { Some(ask(Kind::A).await) } else { None };
            [v4, Some(v6)]
        }
    }
}

/// Runs two questions side by side. When one meets an error of the network or of this machine, the
/// other meets it as well, unless the router has sent its share of ICMP errors for this second
/// (kernel facts 13): it is not waited for much longer.
async fn both(
    one: impl Future<Output = Heard>,
    other: impl Future<Output = Heard>,
) -> (Heard, Heard) {
    let (mut one, mut other) = (pin!(one), pin!(other));
    let (first, one_is_first) = tokio::select! {
        heard = &mut one => (heard, true),
        heard = &mut other => (heard, false),
    };
    let second = async {
        match one_is_first {
            true => other.await,
            false => one.await,
        }
    };
    let second = if first.errno.is_some() {
        let in_time = tokio::time::timeout(SECOND_GRACE, second).await;
        in_time.unwrap_or_else(|_| Heard::of(ServerOutcome::Timeout))
    } else {
        second.await
    };
    match one_is_first {
        true => (first, second),
        false => (second, first),
    }
}

async fn ask_one(
    server: &NameServer,
    name: &WireName,
    kind: Kind,
    patience: Duration,
    tcp_only: bool,
) -> Heard {
    let Some(question) = dns::question(name, kind, dns_exchange::random_id()) else {
        return Heard::of(ServerOutcome::Failed);
    };
    let over_tcp = || async {
        let exchange = dns_exchange::tcp(server.to, &question.bytes, patience, reader(&question));
        Heard::from_exchange(exchange.await)
    };
    if tcp_only {
        return over_tcp().await;
    }
    let over_udp =
        |first| dns_exchange::udp(server.to, first, &question.plain, patience, reader(&question));
    let mut heard = Heard::from_exchange(over_udp(&question.bytes).await);
    // A server without EDNS (RFC 6891 7); the system's resolver does not use EDNS by default.
    let unread = |reply: &Reply| matches!(reply.rcode, Rcode::FormErr | Rcode::NotImp);
    if heard.reply.as_ref().is_some_and(unread) {
        heard = Heard::from_exchange(over_udp(&question.plain).await);
    }
    if !heard.reply.as_ref().is_some_and(|reply| reply.truncated) {
        return heard;
    }
    let repeated = over_tcp().await;
    let worked = repeated.reply.is_some();
    if worked {
        heard.outcome = repeated.outcome;
        // What UDP said about itself stays: that it was truncated, and how fast it was.
        heard.reply = repeated.reply.map(|reply| Reply { truncated: true, ..reply });
    } else {
        heard.outcome = ServerOutcome::Failed;
        heard.errno = repeated.errno;
    }
    heard.tcp_worked = Some(worked);
    heard
}

fn reader(question: &Question) -> impl FnMut(&[u8]) -> Option<Result<Reply, Unfit>> {
    |bytes| match dns::read_reply(question, bytes) {
        Err(Unfit::Foreign) => None,
        readable => Some(readable),
    }
}

impl Heard {
    fn of(outcome: ServerOutcome) -> Heard {
        Heard {
            outcome,
            reply: None,
            rtt_ms: None,
            tries: None,
            tcp_worked: None,
            errno: None,
            from: None,
            starved: None,
        }
    }

    fn from_exchange(exchange: Exchange<Result<Reply, Unfit>>) -> Heard {
        match exchange {
            Exchange::Answered { value, rtt_ms, tries } => Heard {
                outcome: value.as_ref().map_or(ServerOutcome::Failed, outcome_of),
                reply: value.ok(),
                rtt_ms: Some(rtt_ms),
                tries: Some(tries),
                ..Heard::of(ServerOutcome::Failed)
            },
            Exchange::Silent => Heard::of(ServerOutcome::Timeout),
            Exchange::Rejected { errno, from } => Heard {
                errno: Some(errno),
                from,
                ..Heard::of(match errno {
                    Errno::ECONNREFUSED => ServerOutcome::PortUnreachable,
                    Errno::ECONNRESET | Errno::EPIPE => ServerOutcome::Failed,
                    Errno::ETIMEDOUT => ServerOutcome::Timeout,
                    _ => ServerOutcome::HostUnreachable,
                })
            },
            Exchange::NotSent { errno, .. } => {
                Heard { errno: Some(errno), ..Heard::of(not_sent(errno)) }
            }
            Exchange::NoSocket { operation, errno } => Heard {
                errno: Some(errno),
                starved: Some(operation),
                ..Heard::of(ServerOutcome::Failed)
            },
        }
    }
}

/// What it means that the kernel would not send, by errno (kernel facts: a route that is missing or
/// forbids answers at connect or send, a packet filter with EPERM).
fn not_sent(errno: Errno) -> ServerOutcome {
    match errno {
        Errno::EPERM => ServerOutcome::Denied,
        Errno::ENETUNREACH
        | Errno::EHOSTUNREACH
        | Errno::EINVAL
        | Errno::EACCES
        | Errno::EADDRNOTAVAIL
        | Errno::ENETDOWN
        | Errno::ENODEV => ServerOutcome::NoRoute,
        _ => ServerOutcome::Failed,
    }
}

fn outcome_of(reply: &Reply) -> ServerOutcome {
    match reply.rcode {
        Rcode::NoError if !reply.addresses.is_empty() => ServerOutcome::Answered,
        Rcode::NoError => ServerOutcome::NoData,
        Rcode::NxDomain => ServerOutcome::Nxdomain,
        Rcode::ServFail => ServerOutcome::Servfail,
        Rcode::Refused => ServerOutcome::Refused,
        Rcode::FormErr | Rcode::NotImp | Rcode::Other(_) => ServerOutcome::Failed,
    }
}

/// Puts the answers for A and AAAA together into what the server said.
fn put_together(mut asked: Asked, family: Family, [v4, v6]: [Option<Heard>; 2]) -> Asked {
    let all: Vec<(&str, bool, &Heard)> = [
        v4.as_ref().map(|heard| ("A", family != Family::V6, heard)),
        v6.as_ref().map(|heard| ("AAAA", family != Family::V4, heard)),
    ]
    .into_iter()
    .flatten()
    .collect();
    let Some((_, _, decisive)) = all
        .iter()
        .filter(|(_, wanted, _)| *wanted)
        .min_by_key(|(_, _, heard)| weight(heard.outcome))
    else {
        return asked;
    };
    let replied = all.iter().any(|(_, _, heard)| heard.reply.is_some());
    let report = &mut asked.report;
    report.outcome = decisive.outcome;
    report.errno = decisive.errno.map(|errno| format!("{errno:?}"));
    report.rejected_by = decisive.from.map(|from| from.to_string());
    if let Some(reply) = &decisive.reply {
        report.rcode = Some(reply.rcode.name());
        report.authoritative = Some(reply.authoritative);
        asked.cname_chain.clone_from(&reply.cname_chain);
        asked.ttl_s = reply.ttl_s;
    }
    for (kind, wanted, heard) in &all {
        asked.answered |= heard.rtt_ms.is_some();
        asked.starved = asked.starved.or(heard.starved.zip(heard.errno));
        let Some(reply) = &heard.reply else {
            if replied && *wanted {
                report.silent_on = Some((*kind).to_owned());
            }
            continue;
        };
        report.truncated = Some(report.truncated.unwrap_or(false) | reply.truncated);
        if let Some(worked) = heard.tcp_worked {
            report.tcp_worked = Some(report.tcp_worked.unwrap_or(true) & worked);
        }
        report.extended_error =
            report.extended_error.take().or_else(|| reply.extended_error.clone());
        report.tries = report.tries.max(heard.tries);
        if *wanted {
            report.rtt_ms = match (report.rtt_ms, heard.rtt_ms) {
                (Some(one), Some(other)) => Some(one.max(other)),
                (one, other) => one.or(other),
            };
            if heard.outcome == ServerOutcome::Answered {
                report.addresses.extend(reply.addresses.iter().map(IpAddr::to_string));
                asked.ttl_s = asked.ttl_s.into_iter().chain(reply.ttl_s).min();
            }
        } else {
            asked.other_family |= !reply.addresses.is_empty();
        }
    }
    asked
}

/// Which of two answers decides, lowest first: addresses, then what makes the whole lookup fail.
fn weight(outcome: ServerOutcome) -> u32 {
    use ServerOutcome::*;
    match outcome {
        Answered => 0,
        // NXDOMAIN holds for every type of the name (RFC 8020).
        Nxdomain => 1,
        Servfail => 2,
        Refused => 3,
        Failed => 4,
        Denied => 5,
        NoRoute => 6,
        PortUnreachable => 7,
        HostUnreachable => 8,
        Timeout | Abandoned => 9,
        NoData => 10,
    }
}

#[cfg(test)]
#[path = "ask_tests.rs"]
mod tests;
