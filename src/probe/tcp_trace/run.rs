//! Sends the probes of both traces and waits for what answers.

use std::future::Future;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::atomic::{AtomicU8, Ordering};
use std::time::{Duration, Instant};

use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use tokio::time::timeout_at;

use super::analysis::Trace;
use super::book::{Book, Got};
use super::{HopAnswer, TcpTraceArgs};
use crate::model::icmp::IcmpKind;
use crate::sys::tcp::{Attempt, Syn, SynAnswer};
use crate::sys::udp::{Datagram, Flight, UdpAnswer};
use crate::sys::{clock, errno, host};

/// Traceroute's first port: hardly anything listens there, and filters tend to let it through.
const UDP_PORT: u16 = 33_434;
/// Bytes of a comparison packet, those of traceroute's.
const UDP_SIZE: u32 = 60;
/// Once the end of the path is known, silent hops before it need not hold us up: routers answer
/// within this time or three round trips, or hardly ever.
const SHORT: Duration = Duration::from_millis(100);
/// Answers of one moment are taken together before the next wave goes out, so that it does not run
/// past an end that is already known.
const TOGETHER: Duration = Duration::from_millis(2);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Method {
    Tcp,
    Udp,
}

/// Traces with TCP and, when asked for, with UDP at the same time.
pub(super) async fn both(args: &TcpTraceArgs, target: SocketAddr) -> (Trace, Option<Trace>) {
    // The TTL at which UDP reached the destination; 0 while unknown.
    let distance = AtomicU8::new(0);
    let udp = async {
        if args.compare {
            Some(Tracer::new(args, target, Method::Udp, &distance).run().await)
        } else {
            None
        }
    };
    tokio::join!(Tracer::new(args, target, Method::Tcp, &distance).run(), udp)
}

/// What became of the probe with this TTL: an answer, or the errno of this machine.
type Answer = (u8, Result<Option<Got>, i32>);

struct Tracer<'a> {
    method: Method,
    target: SocketAddr,
    /// The TTL at which UDP reached the destination; 0 while unknown.
    distance: &'a AtomicU8,
    tries: u8,
    wait: Duration,
    /// The whole trace ends here, whatever is still open.
    end: Instant,
    book: Book,
    errno: Option<i32>,
    under_way: FuturesUnordered<Pin<Box<dyn Future<Output = Answer> + Send>>>,
    /// The probes that the current round waits for, with their time of sending.
    open: Vec<(u8, Instant)>,
}

impl<'a> Tracer<'a> {
    fn new(
        args: &TcpTraceArgs,
        target: SocketAddr,
        method: Method,
        distance: &'a AtomicU8,
    ) -> Tracer<'a> {
        let wait = Duration::from_millis(args.wait_ms.into());
        let max_hops = if host::is_own(target.ip()) { 1 } else { args.max_hops };
        Tracer {
            method,
            target,
            distance,
            tries: args.tries,
            wait,
            end: clock::now() + wait * 3 + SHORT,
            book: Book::new(max_hops),
            errno: None,
            under_way: FuturesUnordered::new(),
            open: Vec::new(),
        }
    }

    async fn run(mut self) -> Trace {
        self.send(self.book.wave());
        self.hear().await;
        for _ in 1..self.tries {
            let again = self.book.again();
            if again.is_empty() || self.stopped() {
                break;
            }
            self.send(again);
            self.hear().await;
        }
        loop {
            let between = self.book.between();
            if between.is_empty() || self.stopped() {
                break;
            }
            self.send(between);
            self.hear().await;
        }
        let missing = self.book.up_to(self.distance.load(Ordering::Relaxed));
        if !missing.is_empty() && !self.stopped() {
            self.send(missing);
            self.hear().await;
        }
        Trace { hops: self.book.hops(), errno: self.errno.map(errno::name) }
    }

    /// Whether no further probe may go out.
    fn stopped(&self) -> bool {
        self.errno.is_some() || clock::now() >= self.end
    }

    fn send(&mut self, ttls: Vec<u8>) {
        for ttl in ttls {
            if self.errno.is_some() {
                return;
            }
            let (sent, answer) = match self.method {
                Method::Tcp => self.send_syn(ttl),
                Method::Udp => self.send_datagram(ttl),
            };
            self.book.sent(ttl);
            self.open.push((ttl, sent));
            self.under_way.push(answer);
        }
    }

    fn send_syn(&self, ttl: u8) -> (Instant, Pin<Box<dyn Future<Output = Answer> + Send>>) {
        let syn = Syn { ttl: Some(ttl), steady_flow_label: true, ..Syn::to(self.target) };
        let mut attempt = Attempt::start(&syn);
        let target = self.target.ip();
        let answer = async move {
            let sent = attempt.sent();
            let report = attempt.answer().await;
            let rtt = report.rtt.unwrap_or_else(|| sent.elapsed());
            let got = |answer, from, icmp| Ok(Some(Got { answer, from, icmp, rtt }));
            let result = match report.answer {
                SynAnswer::SynAck => got(HopAnswer::Reached, target, None),
                SynAnswer::Rst => got(HopAnswer::Reset, target, None),
                SynAnswer::Icmp(icmp) if icmp.kind == IcmpKind::TtlExceeded => {
                    got(HopAnswer::TtlExceeded, icmp.from, None)
                }
                SynAnswer::Icmp(icmp) => got(HopAnswer::Rejected, icmp.from, Some(icmp)),
                SynAnswer::LocalError(errno) => Err(errno),
                SynAnswer::Silent => Ok(None),
            };
            (ttl, result)
        };
        (clock::now(), Box::pin(answer))
    }

    fn send_datagram(&self, ttl: u8) -> (Instant, Pin<Box<dyn Future<Output = Answer> + Send>>) {
        let mut target = self.target;
        target.set_port(UDP_PORT + u16::from(ttl));
        let mut flight = Flight::start(&Datagram { target, ttl: Some(ttl), size: UDP_SIZE });
        let answer = async move {
            let report = flight.answer().await;
            let rtt = report.rtt.unwrap_or_default();
            let got = |answer, from, icmp| Ok(Some(Got { answer, from, icmp, rtt }));
            let result = match report.answer {
                UdpAnswer::Data(_) => got(HopAnswer::Reached, target.ip(), None),
                UdpAnswer::Icmp(icmp) => match icmp.kind {
                    IcmpKind::TtlExceeded => got(HopAnswer::TtlExceeded, icmp.from, None),
                    IcmpKind::PortUnreachable if icmp.from == target.ip() => {
                        got(HopAnswer::Reached, icmp.from, Some(icmp))
                    }
                    _ => got(HopAnswer::Rejected, icmp.from, Some(icmp)),
                },
                UdpAnswer::LocalError(errno) => Err(errno),
                UdpAnswer::TooBigHere(_) | UdpAnswer::Silent => Ok(None),
            };
            (ttl, result)
        };
        (clock::now(), Box::pin(answer))
    }

    /// Takes answers, and sends waves that become due, until every probe of this round is answered
    /// or has had its time.
    async fn hear(&mut self) {
        loop {
            self.forget();
            let Some(oldest) = self.open.iter().map(|(_, sent)| *sent).min() else {
                return;
            };
            let until = (oldest + self.patience()).min(self.end);
            match timeout_at(until.into(), self.under_way.next()).await {
                Ok(Some(answer)) => self.take(answer),
                Ok(None) => self.open.clear(),
                Err(_) => continue,
            }
            let together = clock::now() + TOGETHER;
            while let Ok(Some(answer)) = timeout_at(together.into(), self.under_way.next()).await {
                self.take(answer);
            }
            if !self.stopped() {
                self.send(self.book.wave());
            }
        }
    }

    /// Stops waiting for probes whose time is over, or that went past the end of the path.
    fn forget(&mut self) {
        let (now, patience, end) = (clock::now(), self.patience(), self.book.end());
        if now >= self.end {
            self.open.clear();
        }
        self.open.retain(|(ttl, sent)| now < *sent + patience && end.is_none_or(|end| *ttl < end));
    }

    fn patience(&self) -> Duration {
        let known = self.book.slowest() * 3;
        if self.book.over() { known.max(SHORT.min(self.wait)) } else { known.max(self.wait) }
    }

    fn take(&mut self, (ttl, result): Answer) {
        if let Some(at) = self.open.iter().position(|(open, _)| *open == ttl) {
            self.open.swap_remove(at);
        }
        match result {
            Ok(Some(got)) => {
                if self.method == Method::Udp && got.answer == HopAnswer::Reached {
                    let distance = got.icmp.and_then(|icmp| icmp.hop).unwrap_or(ttl).min(ttl);
                    self.distance.store(distance, Ordering::Relaxed);
                }
                self.book.take(ttl, got);
            }
            Ok(None) => {}
            Err(errno) => {
                self.errno.get_or_insert(errno);
            }
        }
    }
}
