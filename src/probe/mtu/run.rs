//! Runs the first round, then what it calls for.

use std::net::{IpAddr, SocketAddr};
use std::time::{Duration, Instant};

use futures_util::StreamExt;
use futures_util::future::join_all;
use futures_util::stream::FuturesUnordered;
use tokio::time::timeout_at;

use super::ask::{Asked, Asker, Reply, SMALL, Way};
use super::first::{First, Next};
use super::locate::locate;
use super::search::{Fate, Found, Search};
use super::{MtuArgs, MtuMethod, MtuOutcome, MtuSeen, SizeAnswer, SizeTried};
use crate::model::icmp::{IcmpError, IcmpKind};
use crate::model::outcome::Why;
use crate::sys::own_mtu::{self, OwnMtu};
use crate::sys::{clock, errno, host, syn_data};

/// A SYN is repeated without its data after a second, so no answer may be waited for longer.
const LONGEST: Duration = Duration::from_millis(950);
/// Grace for answers that are on their way when the decision is clear already.
const GRACE: Duration = Duration::from_millis(5);
/// No round of a search starts that would end later than this after the first packet, unless the
/// target is so far away that each of a search's first rounds needs longer.
const WHOLE: Duration = Duration::from_millis(1500);
/// How many times the patience of one packet a search may take in all.
const ROUNDS: u32 = 5;
/// How long the router that sent a too-big error gets to confirm its place, at least.
const CONFIRM: Duration = Duration::from_millis(100);
/// Too-big errors followed one after the other: links that narrow step by step.
const STEPS: u32 = 4;

/// Looks.
pub(super) async fn look(args: &MtuArgs, target: SocketAddr) -> Result<MtuSeen, Why> {
    let own = own_mtu::towards(target).map_err(|error| Why::Failed {
        operation: format!("connect(UDP, {})", args.address),
        errno: errno::name(errno::of(&error)),
    })?;
    if host::is_own(target.ip()) {
        return Ok(MtuSeen { path_mtu: Some(own.device), ..empty(args, &own) });
    }
    let kernel_mtu = own.learned.unwrap_or(own.ceiling());
    let look = Look {
        asker: Asker::new(target, kernel_mtu),
        wait: Duration::from_millis(args.wait_ms.into()).min(LONGEST),
        own,
        start: clock::now(),
    };
    Ok(look.run(empty(args, &own)).await)
}

/// What is known before anything is sent.
fn empty(args: &MtuArgs, own: &OwnMtu) -> MtuSeen {
    MtuSeen {
        outcome: MtuOutcome::Clear,
        address: args.address.clone(),
        method: MtuMethod::Local,
        device_mtu: own.device,
        route_mtu: own.route,
        cached_mtu: own.learned,
        local_mtu: own.ceiling(),
        tcp_needs: None,
        path_mtu: None,
        smallest_lost: None,
        hop_address: None,
        hop: None,
        tcp_stalled: None,
        udp_answered: None,
        sent: 0,
        tried: Vec::new(),
    }
}

struct Look {
    asker: Asker,
    wait: Duration,
    own: OwnMtu,
    start: Instant,
}

impl Look {
    async fn run(&self, mut seen: MtuSeen) -> MtuSeen {
        let (first, rtt) = self.first().await;
        let patience = self.patience(rtt);
        seen.udp_answered = match (first.udp.small, first.udp.big) {
            (Some(Reply::Passed), _) | (_, Some(Reply::Passed)) => Some(true),
            (Some(Reply::Lost), _) => Some(false),
            _ => None,
        };
        seen.tcp_needs = first.segment;
        if first.tcp.big == Some(Reply::Passed) {
            seen.tcp_stalled = Some(false);
        }
        match first.decide(self.own.ceiling()) {
            Next::Clear { way, size } => self.clear(&mut seen, way, size),
            Next::Reduced { way, mtu, icmp } => {
                self.reduced(&mut seen, &first, (way, mtu, icmp), rtt).await;
            }
            Next::Search { way, passed, lost } => {
                let limit = first.limit(self.own.ceiling());
                self.vanished(&mut seen, way, passed, (lost, limit), patience).await;
            }
            Next::Nothing => {
                seen.outcome = MtuOutcome::NoAnswer;
                seen.method = MtuMethod::TcpSyn;
            }
        }
        seen.sent = self.asker.sent();
        seen.tried = self.asker.fates().into_iter().filter_map(tried).collect();
        seen
    }

    /// Sends a small and a full-size packet each way, all at once; returns what came, and the
    /// longest round trip.
    async fn first(&self) -> (First, Duration) {
        let start = self.start;
        let mut first = First::default();
        let mut under_way = FuturesUnordered::new();
        for way in [Way::Tcp, Way::Echo, Way::Udp] {
            let largest = self.asker.largest(way, self.own.ceiling());
            first.pair(way).size = largest;
            // The large one first: should the host have but one error left for us (rate limits), it
            // proves more with it.
            for size in [largest, SMALL] {
                let small = size == SMALL;
                let asked = self.asker.ask(way, size, LONGEST);
                under_way.push(async move { (small, asked.await) });
            }
        }
        let mut rtt = Duration::ZERO;
        let mut tcp_at: Option<Instant> = None;
        loop {
            let now = clock::now();
            // The other ways had as long again as TCP took, and a little.
            let patience_ends = tcp_at.map(|at| at + (at - start) + GRACE * 4);
            if first.settled(patience_ends.is_some_and(|end| now >= end)) {
                break;
            }
            let end = if first.heard() { self.patience(rtt) } else { LONGEST };
            let end = start + end;
            if now >= end {
                break;
            }
            let next = patience_ends.filter(|at| *at > now).map_or(end, |at| at.min(end));
            match timeout_at(next.into(), under_way.next()).await {
                Ok(Some((small, asked))) => {
                    note(&mut first, small, &asked);
                    if asked.reply == Reply::Passed {
                        rtt = rtt.max(asked.rtt.unwrap_or_default());
                        if asked.way == Way::Tcp && !small {
                            tcp_at = Some(clock::now());
                        }
                    }
                }
                Ok(None) => break,
                Err(_) => {}
            }
        }
        let grace = clock::now() + GRACE;
        while let Ok(Some((small, asked))) = timeout_at(grace.into(), under_way.next()).await {
            note(&mut first, small, &asked);
        }
        first.tcp.size = self.asker.largest(Way::Tcp, self.own.ceiling());
        // Whoever has not answered by now has lost it, unless the wait was cut short.
        if clock::now() >= start + self.patience(rtt) {
            for way in [Way::Tcp, Way::Echo, Way::Udp] {
                let pair = first.pair(way);
                for (fate, size) in [(&mut pair.small, SMALL), (&mut pair.big, pair.size)] {
                    if fate.is_none() {
                        self.asker.note(way, size, Reply::Lost);
                        *fate = Some(Reply::Lost);
                    }
                }
            }
        }
        (first, rtt)
    }

    fn patience(&self, rtt: Duration) -> Duration {
        (rtt * 4).max(self.wait).min(LONGEST)
    }

    fn clear(&self, seen: &mut MtuSeen, way: Way, size: u32) {
        seen.method = method(way);
        seen.path_mtu = Some(size);
        // A SYN keeps to what the kernel learned, and no other way answered.
        if let (Way::Tcp, Some(learned)) = (way, self.own.learned) {
            seen.outcome = MtuOutcome::Reduced;
            seen.path_mtu = Some(learned);
        }
    }

    /// Follows too-big errors down until a size passes.
    async fn reduced(
        &self,
        seen: &mut MtuSeen,
        first: &First,
        (way, mtu, icmp): (Way, Option<u32>, Option<IcmpError>),
        rtt: Duration,
    ) {
        let patience = self.patience(rtt);
        seen.outcome = MtuOutcome::Reduced;
        seen.method = method(way);
        seen.path_mtu = mtu;
        let (mut mtu, mut icmp) = (mtu, icmp);
        // Where the destination does not answer this way, only the errors can be seen.
        let answers = match way {
            Way::Echo => first.echo.small == Some(Reply::Passed),
            Way::Udp => first.udp.small == Some(Reply::Passed),
            Way::Tcp => false,
        };
        for _ in 0..STEPS {
            let Some(size) = mtu.filter(|size| *size > SMALL) else { break };
            match self.asker.ask(way, size, patience).await.reply {
                Reply::TooBig { mtu: less, icmp: next } if less < size && less >= 68 => {
                    (mtu, icmp) = (Some(less), next.or(icmp));
                    seen.path_mtu = mtu;
                }
                Reply::Lost if answers => {
                    let limit = first.limit(size);
                    self.vanished(seen, way, None, (size, limit), patience).await;
                    return;
                }
                _ => break,
            }
        }
        if let Some(icmp) = icmp {
            seen.hop_address = Some(icmp.from.to_string());
            seen.hop = self.hop_of(&icmp, (rtt * 4).max(CONFIRM)).await;
        }
    }

    /// The hop number of the box that sent an error: as its TTL suggests, unless another box
    /// answers from there.
    async fn hop_of(&self, icmp: &IcmpError, patience: Duration) -> Option<u8> {
        let hop = icmp.hop?;
        match self.asker.hop(hop, SMALL, patience).await {
            Some(there) => {
                let same = there.kind == IcmpKind::TtlExceeded && there.from == icmp.from;
                same.then_some(hop)
            }
            None => Some(hop),
        }
    }

    /// Searches for the largest size that passes, and for the place meanwhile.
    async fn vanished(
        &self,
        seen: &mut MtuSeen,
        way: Way,
        passed: Option<u32>,
        (lost, limit): (u32, u32),
        patience: Duration,
    ) {
        let mut lost = lost;
        if limit < lost && way != Way::Tcp {
            // What decides is not where the limit lies, but whether the largest packet of TCP passes.
            match self.asker.ask(way, limit, patience).await.reply {
                Reply::Passed | Reply::TooBig { .. } => return self.clear(seen, way, limit),
                Reply::Lost | Reply::Unusable => lost = limit,
            }
        }
        let (place, found) = tokio::join!(
            locate(&self.asker, lost.max(limit), patience),
            self.search(way, passed.unwrap_or(SMALL), lost, patience)
        );
        seen.method = method(way);
        seen.path_mtu = Some(found.passed);
        if way == Way::Tcp {
            seen.tcp_stalled = Some(found.lost.is_some());
        }
        let proven = found.passed.max(passed.unwrap_or(0));
        match found.lost {
            // More than TCP would send to this server may vanish.
            Some(lost) if proven >= limit => {
                self.clear(seen, way, proven);
                seen.smallest_lost = Some(lost);
            }
            Some(lost) => {
                seen.outcome = MtuOutcome::BlackHole;
                seen.smallest_lost = Some(lost);
                let place: Option<(u8, Option<IpAddr>)> = place;
                seen.hop = place.map(|(hop, _)| hop);
                seen.hop_address = place.and_then(|(_, address)| address).map(|a| a.to_string());
            }
            None if found.passed >= lost => self.clear(seen, way, found.passed),
            // The way tells no more, but a SYN passed that was as large as a SYN can be.
            None if proven + syn_data::SHORT_OF_FULL >= limit => {
                self.clear(seen, Way::Tcp, proven);
            }
            None => seen.outcome = MtuOutcome::NoAnswer,
        }
    }

    async fn search(&self, way: Way, passed: u32, lost: u32, patience: Duration) -> Found {
        // A Linux host answers 6 closed-port datagrams at once and then one per second.
        let width = if way == Way::Udp { 2 } else { 8 };
        let mut search = Search::new(passed, lost, width);
        let whole = WHOLE.max(patience * ROUNDS);
        while let Some(sizes) = search.next() {
            if clock::now() + patience > self.start + whole {
                break;
            }
            let round = sizes.iter().map(|size| self.asker.ask(way, *size, patience));
            let round = join_all(round).await;
            search.answers(&round.iter().map(fate).collect::<Vec<Fate>>());
            // The kernel learned a smaller MSS of this server meanwhile, so no SYN gets that large.
            let asked = sizes.iter().max();
            if asked > round.iter().map(|asked| &asked.size).max() {
                break;
            }
        }
        search.found()
    }
}

/// A size that came back with a too-big error did not vanish.
fn fate(asked: &Asked) -> Fate {
    let passed = matches!(asked.reply, Reply::Passed | Reply::TooBig { .. });
    Fate { size: asked.size, passed }
}

/// What is worth telling of a packet: a way that is closed says nothing about sizes.
fn tried((way, size, reply): (Way, u32, Reply)) -> Option<SizeTried> {
    let answer = match reply {
        Reply::Passed => SizeAnswer::Passed,
        Reply::TooBig { .. } => SizeAnswer::TooBig,
        Reply::Lost => SizeAnswer::Lost,
        Reply::Unusable => return None,
    };
    Some(SizeTried { size, method: method(way), answer })
}

fn note(first: &mut First, small: bool, asked: &Asked) {
    first.segment = first.segment.or(asked.segment);
    let pair = first.pair(asked.way);
    if small {
        pair.small = Some(asked.reply);
    } else {
        pair.big = Some(asked.reply);
        pair.size = asked.size;
    }
}

fn method(way: Way) -> MtuMethod {
    match way {
        Way::Echo => MtuMethod::IcmpEcho,
        Way::Tcp => MtuMethod::TcpSyn,
        Way::Udp => MtuMethod::Udp,
    }
}
