//! The book of one trace: which TTLs were tried, what came, which to try next. Pure.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::time::Duration;

use super::{Hop, HopAnswer, analysis};
use crate::model::icmp::IcmpError;

/// TTLs sent side by side.
const WAVE: u8 = 4;

/// Something that answered a probe.
#[derive(Debug, Clone, Copy)]
pub(super) struct Got {
    pub(super) answer: HopAnswer,
    pub(super) from: IpAddr,
    pub(super) icmp: Option<IcmpError>,
    pub(super) rtt: Duration,
}

/// The probes of one TTL.
#[derive(Debug, Default)]
struct Tried {
    sent: u32,
    answers: Vec<Got>,
}

/// What one trace tried and heard.
#[derive(Debug)]
pub(super) struct Book {
    max_hops: u8,
    tried: BTreeMap<u8, Tried>,
}

impl Book {
    pub(super) fn new(max_hops: u8) -> Book {
        Book { max_hops: max_hops.max(1), tried: BTreeMap::new() }
    }

    pub(super) fn sent(&mut self, ttl: u8) {
        self.tried.entry(ttl).or_default().sent += 1;
    }

    pub(super) fn take(&mut self, ttl: u8, got: Got) {
        self.tried.entry(ttl).or_default().answers.push(got);
    }

    /// The lowest TTL at which something other than TTL-exceeded came.
    pub(super) fn end(&self) -> Option<u8> {
        self.tried
            .iter()
            .find(|(_, tried)| tried.answers.iter().any(|got| got.answer != HopAnswer::TtlExceeded))
            .map(|(ttl, _)| *ttl)
    }

    /// Whether larger TTLs would tell nothing more.
    pub(super) fn over(&self) -> bool {
        self.end().is_some() || analysis::repetition(&self.hops()).is_some()
    }

    /// The longest round trip so far.
    pub(super) fn slowest(&self) -> Duration {
        let answers = self.tried.values().flat_map(|tried| &tried.answers);
        answers.map(|got| got.rtt).max().unwrap_or_default()
    }

    /// The highest TTL of the waves; the largest TTL, tried by itself, is not one of them.
    fn front(&self) -> u8 {
        (1..=self.max_hops).take_while(|ttl| self.tried.contains_key(ttl)).last().unwrap_or(0)
    }

    /// The highest TTL that a router answered.
    fn best(&self) -> u8 {
        self.tried.iter().rfind(|(_, tried)| !tried.answers.is_empty()).map_or(0, |(ttl, _)| *ttl)
    }

    /// The TTLs of the next wave, when it is due.
    pub(super) fn wave(&self) -> Vec<u8> {
        let front = self.front();
        let due = front == 0 || self.best() + 1 >= front;
        if due && !self.over() { self.ahead(front) } else { Vec::new() }
    }

    fn ahead(&self, front: u8) -> Vec<u8> {
        let last = front.saturating_add(WAVE).min(self.max_hops);
        (front + 1..=last).filter(|ttl| !self.tried.contains_key(ttl)).collect()
    }

    /// The TTLs of a further try: the silent ones, and where no end is in sight also the next wave
    /// and the largest TTL, since more than a wave of routers may be silent before the destination.
    pub(super) fn again(&self) -> Vec<u8> {
        if analysis::repetition(&self.hops()).is_some() {
            return Vec::new();
        }
        let end = self.end();
        let silent = self
            .tried
            .iter()
            .filter(|(_, tried)| tried.answers.is_empty())
            .map(|(ttl, _)| *ttl)
            .filter(|ttl| end.is_none_or(|end| *ttl < end));
        let mut ttls: Vec<u8> = silent.collect();
        if end.is_none() {
            ttls.extend(self.ahead(self.front()));
            ttls.push(self.max_hops);
            ttls.sort_unstable();
            ttls.dedup();
        }
        ttls
    }

    /// The TTLs that are missing up to the distance that the other trace found, when this one has no
    /// end of its own.
    pub(super) fn up_to(&self, distance: u8) -> Vec<u8> {
        if self.over() {
            return Vec::new();
        }
        let last = distance.min(self.max_hops);
        (self.front() + 1..=last).filter(|ttl| !self.tried.contains_key(ttl)).collect()
    }

    /// The TTLs between the last wave and an answer to the largest TTL, spread evenly; empty when
    /// there is nothing between.
    pub(super) fn between(&self) -> Vec<u8> {
        let Some(end) = self.end() else {
            return Vec::new();
        };
        let below = self.tried.keys().copied().filter(|ttl| *ttl < end).max().unwrap_or(0);
        let gap = u16::from(end - below);
        let step = |n: u16| below + (gap * n / (u16::from(WAVE) + 1)) as u8;
        let mut ttls: Vec<u8> = (1..=u16::from(WAVE)).map(step).collect();
        ttls.dedup();
        ttls.retain(|ttl| *ttl > below && *ttl < end);
        if ttls.is_empty() && gap > 1 {
            ttls.push(below + 1);
        }
        ttls
    }

    /// The hops for the report: up to the end of the trace, or up to a wave of silence.
    pub(super) fn hops(&self) -> Vec<Hop> {
        let best = self.best();
        let last = self.end().unwrap_or(best.saturating_add(WAVE));
        self.tried
            .iter()
            .filter(|(ttl, _)| **ttl <= last)
            .map(|(ttl, tried)| tried.hop(*ttl))
            .collect()
    }
}

impl Tried {
    fn hop(&self, ttl: u8) -> Hop {
        // The destination's answer outweighs an error, an error a TTL-exceeded (another path).
        let rank = |got: &&Got| match got.answer {
            HopAnswer::Reached => 0,
            HopAnswer::Reset => 1,
            HopAnswer::Rejected => 2,
            HopAnswer::TtlExceeded => 3,
            HopAnswer::Silent => 4,
        };
        let main = self.answers.iter().min_by_key(rank);
        let mut addresses: Vec<String> = Vec::new();
        for got in &self.answers {
            let from = got.from.to_string();
            if !addresses.contains(&from) {
                addresses.push(from);
            }
        }
        let shortest = self.answers.iter().map(|got| got.rtt).min();
        Hop {
            ttl,
            answer: main.map_or(HopAnswer::Silent, |got| got.answer),
            address: main.map(|got| got.from.to_string()),
            addresses,
            rtt_ms: shortest.map(|rtt| (rtt.as_secs_f64() * 1e6).round() / 1e3),
            icmp: main.and_then(|got| got.icmp),
            sent: self.sent,
            answered: u32::try_from(self.answers.len()).unwrap_or(u32::MAX),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    type Path<'a> = &'a dyn Fn(u8) -> Option<(HopAnswer, u8)>;

    fn send(book: &mut Book, path: Path<'_>, ttls: impl Fn(&Book) -> Vec<u8>) -> bool {
        let ttls = ttls(book);
        for ttl in &ttls {
            book.sent(*ttl);
            if let Some((answer, router)) = path(*ttl) {
                let from = IpAddr::from([10, 0, 0, router]);
                let rtt = Duration::from_millis(20);
                book.take(*ttl, Got { answer, from, icmp: None, rtt });
            }
        }
        !ttls.is_empty()
    }

    fn waves(book: &mut Book, path: Path<'_>) {
        while send(book, path, Book::wave) {}
    }

    /// Sends what the book asks for to a pretend path until it asks for nothing more; returns the
    /// hops and the number of probes sent.
    fn walk(max_hops: u8, path: impl Fn(u8) -> Option<(HopAnswer, u8)>) -> (Vec<Hop>, u32) {
        let mut book = Book::new(max_hops);
        waves(&mut book, &path);
        send(&mut book, &path, Book::again);
        waves(&mut book, &path);
        while send(&mut book, &path, Book::between) {}
        let total = book.tried.values().map(|tried| tried.sent).sum();
        (book.hops(), total)
    }

    fn reached_at(hops: &[Hop]) -> Option<u8> {
        let reached = |hop: &&Hop| hop.answer == HopAnswer::Reached;
        hops.iter().find(reached).map(|hop| hop.ttl)
    }

    #[test]
    fn the_destination_is_found_at_every_distance_even_behind_silent_routers() {
        for distance in 1..=30 {
            for talkative in [0, 1, 2, 3, 7, 29] {
                let (hops, sent) = walk(30, |ttl| {
                    if ttl >= distance {
                        Some((HopAnswer::Reached, 99))
                    } else if ttl <= talkative {
                        Some((HopAnswer::TtlExceeded, ttl))
                    } else {
                        None
                    }
                });
                assert_eq!(
                    reached_at(&hops),
                    Some(distance),
                    "{distance} hops, {talkative} of them answer"
                );
                assert!(sent <= 60, "{sent} probes");
            }
        }
    }

    #[test]
    fn at_most_three_probes_pass_a_destination_behind_routers_that_answer() {
        for distance in 1..=30 {
            let (_, sent) = walk(30, |ttl| {
                Some(if ttl >= distance {
                    (HopAnswer::Reached, 99)
                } else {
                    (HopAnswer::TtlExceeded, ttl)
                })
            });
            assert!(sent <= u32::from(distance) + 3, "{distance}: {sent}");
        }
    }

    #[test]
    fn a_loop_ends_the_trace_early() {
        let (_, sent) = walk(30, |ttl| Some((HopAnswer::TtlExceeded, ttl % 2)));
        assert!(sent <= 8, "{sent}");
    }

    #[test]
    fn a_dark_trace_tries_silent_hops_twice_and_shows_one_wave_of_silence() {
        let (hops, sent) = walk(30, |ttl| (ttl <= 2).then_some((HopAnswer::TtlExceeded, ttl)));
        let silent = hops.iter().filter(|hop| hop.answer == HopAnswer::Silent);
        assert_eq!(silent.count(), 4);
        assert_eq!(hops.last().map(|hop| hop.ttl), Some(6));
        assert!(sent <= 17, "{sent}");
    }

    #[test]
    fn the_distance_that_the_other_trace_found_is_filled_in() {
        let path = |ttl: u8| (ttl <= 2 || ttl == 9).then_some((HopAnswer::TtlExceeded, ttl));
        let mut book = Book::new(30);
        waves(&mut book, &path);
        send(&mut book, &path, Book::again);
        waves(&mut book, &path);
        assert_eq!(book.up_to(12), [9, 10, 11, 12]);
        send(&mut book, &path, |book| book.up_to(12));
        let last = book.hops().into_iter().rfind(|hop| hop.answer == HopAnswer::TtlExceeded);
        assert_eq!(last.map(|hop| hop.ttl), Some(9));
        assert!(book.up_to(12).is_empty());
    }

    #[test]
    fn a_single_allowed_hop_is_enough() {
        let (hops, sent) = walk(1, |_| Some((HopAnswer::Reached, 99)));
        assert_eq!((reached_at(&hops), sent), (Some(1), 1));
    }
}
