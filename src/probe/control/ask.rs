//! Asks the host in every way at once, and stops as soon as enough is known.

use std::net::SocketAddr;
use std::time::Duration;

use futures_util::StreamExt;
use futures_util::future::BoxFuture;
use futures_util::stream::FuturesUnordered;
use tokio::time::{Instant, sleep};

use crate::probe::control::judge::{Answer, Event, Method, Patience, deadline, enough_said};
use crate::sys::clock::sleep_until;
use crate::sys::icmp::{self, Echo, OpenError};
use crate::sys::tcp::{Attempt, Syn, SynAnswer};
use crate::sys::udp::{self, Datagram, Flight, UdpAnswer};
use crate::sys::{clock, host};

/// The UDP port asked: nobody is known to listen there.
const UDP_PORT: u16 = 33_499;
/// Between two SYNs, so that routers' ICMP limits (Linux: six in a burst) leave room for others.
const PACE: Duration = Duration::from_millis(10);
/// When the echo request is repeated.
const ECHO_AGAIN: Duration = Duration::from_millis(200);
/// The size of the echo request's IP packet, in bytes; that of `ping`.
const ECHO_SIZE: u32 = 84;

/// Everything heard.
#[derive(Debug, Default)]
pub(super) struct Heard {
    pub(super) events: Vec<Event>,
    /// The methods tried.
    pub(super) asked: Vec<Method>,
    /// Why ICMP echo could not be tried.
    pub(super) without_echo: Option<String>,
}

type Waiting = FuturesUnordered<BoxFuture<'static, Option<(Method, Answer, f64)>>>;

/// Asks, and waits until `patience` ends or enough is known.
pub(super) async fn run(target: SocketAddr, ports: &[u16], patience: Patience) -> Heard {
    let start = Instant::now();
    let address = target.ip();
    let pace = if host::is_own(address) { Duration::ZERO } else { PACE };
    let mut heard = Heard::default();
    let mut waiting: Waiting = FuturesUnordered::new();
    match Echo::open(target) {
        Ok(echo) => {
            heard.asked.push(Method::Echo);
            waiting.push(Box::pin(ask_echo(echo)));
        }
        Err(OpenError::Unavailable(why)) => heard.without_echo = Some(why.to_string()),
        Err(OpenError::Errno(errno)) => {
            heard.asked.push(Method::Echo);
            waiting.push(Box::pin(async move { Some((Method::Echo, Answer::Local(errno), 0.0)) }));
        }
    }
    heard.asked.push(Method::Udp(UDP_PORT));
    waiting.push(ask_udp(target));
    let mut ports = ports.iter().copied();
    let mut next_port = ports.next();
    let mut send_at = start;
    loop {
        if next_port.is_some() && enough_said(&heard.events, address) {
            next_port = None;
        }
        if waiting.is_empty() && next_port.is_none() {
            break;
        }
        let end_ms = deadline(&heard.events, address, patience).max(0.0);
        let end = start + Duration::from_secs_f64(end_ms / 1e3);
        tokio::select! {
            biased;
            Some(answer) = waiting.next(), if !waiting.is_empty() => {
                if let Some((method, answer, rtt_ms)) = answer {
                    let at_ms = start.elapsed().as_secs_f64() * 1e3;
                    heard.events.push(Event { method, answer, rtt_ms, at_ms });
                }
            }
            () = sleep_until(end) => break,
            () = sleep_until(send_at), if next_port.is_some() => {
                if let Some(port) = next_port {
                    heard.asked.push(Method::Tcp(port));
                    let attempt = Attempt::start(&Syn::to(with_port(target, port)));
                    if !attempt.failed() {
                        send_at = Instant::now() + pace;
                    }
                    waiting.push(Box::pin(ask_tcp(attempt, port)));
                }
                next_port = ports.next();
            }
        }
    }
    heard
}

/// Waits for what answers a SYN.
async fn ask_tcp(mut attempt: Attempt, port: u16) -> Option<(Method, Answer, f64)> {
    let report = attempt.answer().await;
    let answer = match report.answer {
        SynAnswer::SynAck => Answer::Open,
        SynAnswer::Rst => Answer::Reset,
        SynAnswer::Icmp(icmp) => Answer::Icmp(icmp),
        SynAnswer::LocalError(errno) => Answer::Local(errno),
        SynAnswer::Silent => return None,
    };
    Some((Method::Tcp(port), answer, report.rtt_ms().unwrap_or(0.0)))
}

/// Sends a datagram to a port where nobody listens.
fn ask_udp(target: SocketAddr) -> BoxFuture<'static, Option<(Method, Answer, f64)>> {
    let size = udp::headers(target.is_ipv6()) + 8;
    let mut flight =
        Flight::start(&Datagram { target: with_port(target, UDP_PORT), ttl: None, size });
    Box::pin(async move {
        let report = flight.answer().await;
        let answer = match report.answer {
            UdpAnswer::Data(ttl) => Answer::Reply(ttl),
            UdpAnswer::Icmp(icmp) => Answer::Icmp(icmp),
            UdpAnswer::LocalError(errno) => Answer::Local(errno),
            UdpAnswer::TooBigHere(_) => Answer::Local(libc::EMSGSIZE),
            UdpAnswer::Silent => return None,
        };
        Some((Method::Udp(UDP_PORT), answer, report.rtt_ms().unwrap_or(0.0)))
    })
}

/// Sends an echo request, and another when the first is not answered soon.
async fn ask_echo(echo: Echo) -> Option<(Method, Answer, f64)> {
    let local = |errno| Some((Method::Echo, Answer::Local(errno), 0.0));
    let mut sent = match echo.send(1, ECHO_SIZE) {
        Ok(sent) => vec![sent],
        Err(refused) => return local(refused.errno()),
    };
    let event = tokio::select! {
        event = echo.next() => event,
        () = sleep(ECHO_AGAIN) => {
            sent.extend(echo.send(2, ECHO_SIZE));
            echo.next().await
        }
    };
    let (sequence, answer) = match event {
        Ok(icmp::Event::Reply { sequence, ttl }) => (Some(sequence), Answer::Reply(ttl)),
        Ok(icmp::Event::Error { sequence, icmp }) => (sequence, Answer::Icmp(icmp)),
        Err(errno) => return local(errno),
    };
    let which = usize::from(sequence.unwrap_or(1).saturating_sub(1));
    let since = sent.get(which).or(sent.last())?;
    Some((Method::Echo, answer, clock::ms_since(*since)))
}

fn with_port(mut target: SocketAddr, port: u16) -> SocketAddr {
    target.set_port(port);
    target
}
