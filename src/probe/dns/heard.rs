//! One question to one server, and what came of it.

use std::net::IpAddr;
use std::pin::pin;
use std::time::Duration;

use nix::errno::Errno;

use super::{Family, ServerOutcome};
use crate::sys::dns_exchange::{self, Exchange};
use crate::sys::name_config::NameServer;
use crate::wire::dns::{self, Kind, Question, Rcode, Reply, Unfit, WireName};

/// How long the second question is waited for after the first met an error.
const SECOND_GRACE: Duration = Duration::from_millis(100);

/// What one question to one server met.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Heard {
    pub(super) outcome: ServerOutcome,
    pub(super) reply: Option<Reply>,
    pub(super) rtt_ms: Option<f64>,
    pub(super) tries: Option<u32>,
    pub(super) tcp_worked: Option<bool>,
    pub(super) errno: Option<Errno>,
    pub(super) from: Option<IpAddr>,
    pub(super) starved: Option<&'static str>,
}

/// Asks for the wanted types side by side; for the unwanted one only when it says more.
pub(super) async fn ask_both(
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
    pub(super) fn of(outcome: ServerOutcome) -> Heard {
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
pub(super) fn not_sent(errno: Errno) -> ServerOutcome {
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

pub(super) fn outcome_of(reply: &Reply) -> ServerOutcome {
    match reply.rcode {
        Rcode::NoError if !reply.addresses.is_empty() => ServerOutcome::Answered,
        Rcode::NoError => ServerOutcome::NoData,
        Rcode::NxDomain => ServerOutcome::Nxdomain,
        Rcode::ServFail => ServerOutcome::Servfail,
        Rcode::Refused => ServerOutcome::Refused,
        Rcode::FormErr | Rcode::NotImp | Rcode::Other(_) => ServerOutcome::Failed,
    }
}
