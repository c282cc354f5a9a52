//! `ping`: does the host answer echo requests, how fast, and with how much loss?

use std::fmt::Write as _;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use tokio::time::timeout_at;

use crate::model::icmp::IcmpError;
use crate::model::outcome::Why;
use crate::probe::{Probe, Touch};
use crate::sys::clock::{self, ms_since, round_ms};
use crate::sys::icmp::{Echo, Event, Kind, OpenError, Unavailable};
use crate::sys::udp::{self, Datagram, UdpAnswer};
use crate::sys::{errno, host};

/// The `ping` probe.
pub enum Ping {}

/// Arguments of [`Ping`].
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct PingArgs {
    /// The address to ask.
    pub address: String,
    /// How many requests.
    #[serde(default = "default_count")]
    pub count: u32,
    /// The time between two requests, in milliseconds.
    #[serde(default = "default_interval_ms")]
    pub interval_ms: u32,
    /// How long to wait for an answer after the last request, in milliseconds.
    #[serde(default = "default_wait_ms")]
    pub wait_ms: u32,
}

fn default_count() -> u32 {
    10
}
fn default_interval_ms() -> u32 {
    5
}
fn default_wait_ms() -> u32 {
    500
}

/// What came back.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum PingOutcome {
    /// At least one answer from the address itself.
    Answered,
    /// Nothing.
    Silent,
    /// An ICMP error instead of an answer.
    Unreachable,
    /// This machine could not send (no route, a local rule).
    SendFailed,
}

/// How it was asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum PingMethod {
    /// ICMP echo over an unprivileged ICMP socket (`net.ipv4.ping_group_range`).
    IcmpDgram,
    /// ICMP echo over a raw socket (`CAP_NET_RAW`).
    IcmpRaw,
    /// UDP to a closed port: the port-unreachable that comes back proves the host alive. Hosts
    /// limit the rate of these, so its loss says nothing.
    Udp,
}

/// What [`Ping`] saw.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct PingSeen {
    /// What came back.
    pub outcome: PingOutcome,
    /// How it was asked.
    pub method: PingMethod,
    /// Whether it was real ICMP echo, so that silence and loss mean something.
    pub echo: bool,
    /// The address asked.
    pub address: String,
    /// Requests sent.
    pub sent: u32,
    /// Answers received.
    pub received: u32,
    /// The share of echo requests without answer, in percent; null without echo.
    pub loss_percent: Option<f64>,
    /// The shortest round trip in milliseconds.
    pub rtt_min_ms: Option<f64>,
    /// The median round trip in milliseconds.
    pub rtt_median_ms: Option<f64>,
    /// The longest round trip in milliseconds.
    pub rtt_max_ms: Option<f64>,
    /// The TTL (hop limit) of the answers as they arrived.
    pub ttl: Option<u8>,
    /// The ICMP error that came instead, the first one.
    pub icmp: Option<IcmpError>,
    /// The errno's name when sending failed.
    pub errno: Option<String>,
    /// What could not be done without privilege, in words; null when nothing.
    pub without_privilege: Option<String>,
}

impl Probe for Ping {
    const ID: &'static str = "ping";
    const DOC: &'static str = "Sends ICMP echo requests, or UDP to a closed port where ICMP is not \
        permitted, and measures loss, round trip and TTL.";
    const PRIVILEGE: &'static str = "CAP_NET_RAW, or a group inside net.ipv4.ping_group_range, allows \
        real ICMP echo; without it only UDP is left, whose silence proves nothing.";
    const CONTACTS: &'static [Touch] = &[Touch { arg: "address", port: None }];
    const LEADS: bool = true;
    type Args = PingArgs;
    type Seen = PingSeen;

    async fn run(args: PingArgs) -> Result<PingSeen, Why> {
        let target = host::socket_address(&args.address, UDP_PORT).ok_or_else(|| {
            Why::Unsupported { what: format!("the address {}", args.address.escape_debug()) }
        })?;
        match Echo::open(target) {
            Ok(echo) => Ok(ask_echo(&args, &echo).await),
            Err(OpenError::Unavailable(why)) => Ok(ask_udp(&args, target, &why).await),
            Err(OpenError::Errno(errno)) => Ok(Tally::default().failed(&args, errno)),
        }
    }

    fn brief(seen: &PingSeen) -> String {
        let method = match seen.method {
            PingMethod::IcmpDgram | PingMethod::IcmpRaw => "ICMP echo",
            PingMethod::Udp => "UDP to a closed port",
        };
        let mut text = match (&seen.errno, seen.outcome) {
            (Some(errno), PingOutcome::SendFailed) => {
                format!("{}: {method} not sent, {errno}", seen.address)
            }
            _ => format!("{}: {} of {} answered, {method}", seen.address, seen.received, seen.sent),
        };
        if let (Some(min), Some(median), Some(max)) =
            (seen.rtt_min_ms, seen.rtt_median_ms, seen.rtt_max_ms)
        {
            let _ = write!(text, ", {min:.1}/{median:.1}/{max:.1} ms min/median/max");
        }
        if let Some(loss) = seen.loss_percent.filter(|loss| *loss > 0.0) {
            let _ = write!(text, ", {loss:.0} % lost");
        }
        if let Some(icmp) = &seen.icmp {
            let _ = write!(text, ", ICMP {}/{} from {}", icmp.icmp_type, icmp.code, icmp.from);
        }
        text
    }
}

/// Traceroute's first port: hardly anything listens there, and filters tend to let it through.
const UDP_PORT: u16 = 33_434;
/// Bytes of a request's whole IP packet: those of `ping`'s default.
const SIZE: u32 = 84;
/// A Linux host answers 6 closed-port datagrams at once and then one per second
/// (`net.ipv4.icmp_ratelimit`), so few must do.
const UDP_REQUESTS: u32 = 3;

/// What the requests brought so far.
#[derive(Debug, Default)]
struct Tally {
    sent: u32,
    /// One round trip in milliseconds per answered request.
    rtts: Vec<f64>,
    ttl: Option<u8>,
    icmp: Option<IcmpError>,
    errno: Option<i32>,
}

impl Tally {
    fn answered(&mut self, rtt: f64, ttl: Option<u8>) {
        self.rtts.push(rtt);
        self.ttl = self.ttl.or(ttl);
    }

    fn failed(mut self, args: &PingArgs, errno: i32) -> PingSeen {
        self.errno = Some(errno);
        self.seen(args, PingMethod::IcmpDgram, None)
    }

    fn seen(mut self, args: &PingArgs, method: PingMethod, without: Option<String>) -> PingSeen {
        let received = u32::try_from(self.rtts.len()).unwrap_or(u32::MAX);
        let echo = method != PingMethod::Udp;
        let outcome = if received > 0 {
            PingOutcome::Answered
        } else if self.icmp.is_some() {
            PingOutcome::Unreachable
        } else if self.sent == 0 {
            PingOutcome::SendFailed
        } else {
            PingOutcome::Silent
        };
        self.rtts.sort_by(f64::total_cmp);
        PingSeen {
            outcome,
            method,
            echo,
            address: args.address.clone(),
            sent: self.sent,
            received,
            loss_percent: (echo && self.sent > 0).then(|| {
                let lost = f64::from(self.sent.saturating_sub(received));
                round_ms(lost * 100.0 / f64::from(self.sent))
            }),
            rtt_min_ms: self.rtts.first().copied(),
            rtt_median_ms: self.rtts.get(self.rtts.len() / 2).copied(),
            rtt_max_ms: self.rtts.last().copied(),
            ttl: self.ttl,
            icmp: self.icmp,
            errno: self.errno.map(errno::name),
            without_privilege: without,
        }
    }
}

/// Sends `count` requests; when some, but not all, are lost, twice as many again at half the pace,
/// because ten packets say little about a share.
async fn ask_echo(args: &PingArgs, echo: &Echo) -> PingSeen {
    let method = match echo.kind() {
        Kind::Dgram => PingMethod::IcmpDgram,
        Kind::Raw => PingMethod::IcmpRaw,
    };
    let mut asked = Asked::new(echo);
    let interval = Duration::from_millis(args.interval_ms.into());
    let wait = Duration::from_millis(args.wait_ms.into());
    let count = u16::try_from(args.count.clamp(1, MOST)).unwrap_or(1);
    asked.batch(count, interval, wait).await;
    let received = asked.tally.rtts.len();
    if received > 0 && received < usize::from(count) {
        asked.batch(count * 2, interval * 2, wait).await;
    }
    asked.tally.seen(args, method, None)
}

/// The most requests in a first batch; sequence numbers of both batches have 16 bits.
const MOST: u32 = 20_000;

/// The echo requests of one run.
struct Asked<'a> {
    echo: &'a Echo,
    /// When request n was sent; `None` once it is answered.
    pending: Vec<Option<Instant>>,
    open: usize,
    tally: Tally,
}

impl<'a> Asked<'a> {
    fn new(echo: &'a Echo) -> Asked<'a> {
        Asked { echo, pending: Vec::new(), open: 0, tally: Tally::default() }
    }

    /// Sends so many requests and hears answers meanwhile, then waits until all are answered, at
    /// most `wait`.
    async fn batch(&mut self, count: u16, interval: Duration, wait: Duration) {
        let mut due = clock::now();
        for _ in 0..count {
            if self.hear_until(due, false).await.is_err() || !self.send() {
                return;
            }
            due += interval;
        }
        let _ = self.hear_until(clock::now() + wait, true).await;
    }

    /// Sends one request; `false` when this machine refuses.
    fn send(&mut self) -> bool {
        let Ok(sequence) = u16::try_from(self.pending.len()) else {
            return false;
        };
        match self.echo.send(sequence, SIZE) {
            Ok(sent) => {
                self.pending.push(Some(sent));
                self.open += 1;
                self.tally.sent += 1;
                true
            }
            Err(refused) => {
                self.tally.errno = Some(refused.errno());
                false
            }
        }
    }

    /// Takes answers until that moment, or until all requests are answered when `all` is set.
    async fn hear_until(&mut self, end: Instant, all: bool) -> Result<(), ()> {
        loop {
            if all && self.open == 0 {
                return Ok(());
            }
            match timeout_at(end.into(), self.echo.next()).await {
                Ok(Ok(event)) => self.take(event),
                Ok(Err(errno)) => {
                    self.tally.errno = Some(errno);
                    return Err(());
                }
                Err(_) => return Ok(()),
            }
        }
    }

    fn take(&mut self, event: Event) {
        let sequence = match event {
            Event::Reply { sequence, .. } => Some(sequence),
            Event::Error { sequence, .. } => sequence,
        };
        let slot = sequence.and_then(|at| self.pending.get_mut(usize::from(at)));
        // A second answer to one request is a duplicate.
        let Some(sent) = slot.and_then(Option::take) else {
            if let (Event::Error { icmp, .. }, None) = (event, sequence) {
                self.tally.icmp.get_or_insert(icmp);
            }
            return;
        };
        self.open -= 1;
        match event {
            Event::Reply { ttl, .. } => self.tally.answered(ms_since(sent), ttl),
            Event::Error { icmp, .. } => {
                self.tally.icmp.get_or_insert(icmp);
            }
        }
    }
}

/// Asks with UDP to closed ports: one datagram first, more only after an answer.
async fn ask_udp(args: &PingArgs, target: SocketAddr, why: &Unavailable) -> PingSeen {
    let mut tally = Tally::default();
    let wait = Duration::from_millis(args.wait_ms.into());
    for request in 0..UDP_REQUESTS.min(args.count.max(1)) {
        let mut target = target;
        target.set_port(UDP_PORT + request as u16);
        let datagram = Datagram { target, ttl: None, size: SIZE };
        let report = udp::probe(&datagram, wait).await;
        match (report.answer, report.rtt_ms()) {
            (UdpAnswer::Data(ttl), Some(rtt)) => tally.answered(rtt, ttl),
            (UdpAnswer::Icmp(icmp), Some(rtt)) if icmp.from == target.ip() => {
                tally.answered(rtt, icmp.ttl);
            }
            (UdpAnswer::Icmp(icmp), _) => {
                tally.icmp.get_or_insert(icmp);
            }
            (UdpAnswer::LocalError(errno), _) => tally.errno = Some(errno),
            _ => {}
        }
        if tally.errno.is_some() {
            break;
        }
        tally.sent += 1;
        if tally.rtts.is_empty() {
            break;
        }
    }
    tally.seen(args, PingMethod::Udp, Some(why.to_string()))
}
