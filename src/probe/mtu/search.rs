//! The search for the largest size that passes: sizes out, answers in, no clock and no socket.

use std::collections::BTreeMap;

/// Sizes around which links on an Ethernet path end: IPv6's minimum (RFC 8200), tunnels of all
/// kinds, PPPoE (RFC 2516). Asked first, so that the next round reaches almost every byte.
const USUAL: [u32; 8] = [1000, 1280, 1320, 1360, 1400, 1420, 1460, 1492];
/// The same on a path that starts with jumbo frames.
const JUMBO: [u32; 8] = [1280, 1420, 1492, 1500, 1501, 4000, 8000, 8900];
/// PPPoE takes 8 bytes of an Ethernet packet (RFC 2516): by far the most usual limit just below 1500.
const PPPOE: u32 = 1492;
/// A gap larger than this is first cut at the usual sizes.
const WIDE: u32 = 400;
/// Rounds after which the search ends inexact, so that heavy loss cannot keep it busy.
const ROUNDS: u32 = 9;
/// Rounds in a row whose control was lost, after which the method is given up.
const VOID: u32 = 2;

/// What became of one size in a round.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Fate {
    /// The size in bytes.
    pub(super) size: u32,
    /// Whether it passed.
    pub(super) passed: bool,
}

/// An n-ary search between a size that passed and one that was lost.
///
/// 1. That a size passed is proof, that one was lost is not: a loss counts only in a round whose
///    control, the largest size known to pass, got through; and the smallest lost size is asked
///    until it was lost twice.
/// 2. Each round spreads its sizes evenly over the gap; the first one over a wide gap takes the usual
///    sizes. When few are left, each goes out twice.
#[derive(Debug, Clone)]
pub(super) struct Search {
    passed: u32,
    /// How often each size above `passed` was lost.
    lost: BTreeMap<u32, u32>,
    width: usize,
    rounds: u32,
    void: u32,
    usual: bool,
}

/// What a search came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Found {
    /// The largest size that passed.
    pub(super) passed: u32,
    /// The smallest size above it that was lost twice; `None` when nothing is lost after all.
    pub(super) lost: Option<u32>,
}

impl Search {
    /// Starts between a size that passed and one that was lost once; a round asks about so many
    /// sizes.
    pub(super) fn new(passed: u32, lost: u32, width: usize) -> Search {
        Search {
            passed,
            lost: BTreeMap::from([(lost, 1)]),
            width: width.max(1),
            rounds: 0,
            void: 0,
            usual: false,
        }
    }

    /// The sizes of the next round, the control last; `None` when the search is over.
    pub(super) fn next(&self) -> Option<Vec<u32>> {
        let (&lost, &times) = self.lost.first_key_value()?;
        if self.rounds >= ROUNDS || self.void >= VOID {
            return None;
        }
        let mut sizes = self.spread(lost);
        if times < 2 {
            sizes.push(lost);
            if sizes.len() == 1 {
                sizes.push(lost);
            }
        } else if sizes.is_empty() {
            return None;
        }
        sizes.push(self.passed);
        Some(sizes)
    }

    /// Sizes between the known ones.
    fn spread(&self, lost: u32) -> Vec<u32> {
        let gap = lost.saturating_sub(self.passed);
        let inside = gap.saturating_sub(1);
        if !self.usual && gap > WIDE {
            let within = |size: &u32| *size > self.passed && *size < lost;
            let sizes = if lost > 1600 { JUMBO } else { USUAL };
            let usual: Vec<u32> = sizes.iter().copied().filter(within).collect();
            if !usual.is_empty() {
                return thin(usual, self.width);
            }
        }
        if !self.usual && self.passed < PPPOE && lost > PPPOE + 1 {
            return vec![PPPOE, PPPOE + 1];
        }
        let width = u32::try_from(self.width).unwrap_or(u32::MAX);
        if inside <= width {
            let twice = if inside * 2 <= width { 2 } else { 1 };
            let all = self.passed + 1..lost;
            return all.flat_map(|size| (0..twice).map(move |_| size)).collect();
        }
        (1..=width)
            .map(|n| {
                let offset = u64::from(gap) * u64::from(n) / u64::from(width + 1);
                self.passed + u32::try_from(offset).unwrap_or(0)
            })
            .collect()
    }

    /// Takes what became of a round.
    pub(super) fn answers(&mut self, fates: &[Fate]) {
        self.rounds += 1;
        self.usual = true;
        let control = self.passed;
        let best = fates.iter().filter(|fate| fate.passed).map(|fate| fate.size);
        let best = best.max();
        if let Some(best) = best {
            self.passed = self.passed.max(best);
        }
        let valid = fates.iter().any(|fate| fate.size == control && fate.passed);
        if valid {
            self.void = 0;
            for fate in fates.iter().filter(|fate| !fate.passed) {
                *self.lost.entry(fate.size).or_default() += 1;
            }
        } else if best.is_none() {
            self.void += 1;
        }
        let passed = self.passed;
        self.lost.retain(|size, _| *size > passed);
    }

    /// What is known now.
    pub(super) fn found(&self) -> Found {
        Found {
            passed: self.passed,
            lost: self.lost.iter().find(|(_, times)| **times >= 2).map(|(size, _)| *size),
        }
    }

    /// Rounds taken.
    #[cfg(test)]
    pub(super) fn rounds(&self) -> u32 {
        self.rounds
    }
}

/// Keeps at most `width` of the sizes, spread over all of them, the largest first of all.
fn thin(sizes: Vec<u32>, width: usize) -> Vec<u32> {
    if sizes.len() <= width {
        return sizes;
    }
    (1..=width).map(|n| sizes[sizes.len() * n / width - 1]).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// A pretend link that lets sizes up to a limit pass and loses others, and a share of all by
    /// chance.
    struct Link {
        limit: u32,
        loss_percent: u64,
        state: u64,
    }

    impl Link {
        fn passes(&mut self, size: u32) -> bool {
            // xorshift: chance that is the same in every run.
            self.state ^= self.state << 13;
            self.state ^= self.state >> 7;
            self.state ^= self.state << 17;
            self.state % 100 >= self.loss_percent && size <= self.limit
        }

        fn find(&mut self, mut search: Search) -> (Found, u32) {
            while let Some(sizes) = search.next() {
                assert!(sizes.len() <= 10, "{sizes:?}");
                let mut fates = Vec::new();
                for size in sizes {
                    let passed = self.passes(size);
                    fates.push(Fate { size, passed });
                }
                search.answers(&fates);
            }
            (search.found(), search.rounds())
        }
    }

    fn clean(limit: u32) -> Link {
        Link { limit, loss_percent: 0, state: 1 }
    }

    fn exact(limit: u32) -> Found {
        Found { passed: limit, lost: Some(limit + 1) }
    }

    #[test]
    fn usual_limits_are_found_to_the_byte_in_a_few_rounds() {
        for (limit, most) in [
            (1280, 3),
            (1300, 3),
            (1399, 3),
            (1400, 3),
            (1420, 3),
            (1436, 3),
            (1450, 3),
            (1472, 3),
            (1492, 3),
            (1499, 3),
            (1006, 4),
            (576, 5),
        ] {
            let (found, rounds) = clean(limit).find(Search::new(61, 1500, 8));
            assert_eq!(found, exact(limit));
            assert!(rounds <= most, "{limit}: {rounds} rounds");
        }
    }

    #[test]
    fn what_a_syn_cannot_fill_takes_few_answers() {
        for (limit, width, most) in [(1492, 2, 2), (1492, 8, 2), (1488, 8, 3), (1499, 8, 3)] {
            let (found, rounds) = clean(limit).find(Search::new(1480, 1500, width));
            assert_eq!(found, exact(limit));
            assert!(rounds <= most, "{limit}: {rounds} rounds");
        }
    }

    #[test]
    fn jumbo_frames_over_a_usual_link_are_found_at_once() {
        let (found, rounds) = clean(1500).find(Search::new(61, 9000, 8));
        assert_eq!(found, exact(1500));
        assert!(rounds <= 2, "{rounds} rounds");
        let (found, _) = clean(8999).find(Search::new(61, 9000, 8));
        assert_eq!(found, exact(8999));
    }

    #[test]
    fn a_loss_by_chance_at_full_size_is_no_limit() {
        let (found, rounds) = clean(1500).find(Search::new(61, 1500, 8));
        assert_eq!(found, Found { passed: 1500, lost: None });
        assert_eq!(rounds, 1);
    }

    #[test]
    fn loss_by_chance_does_not_move_the_limit() {
        let mut wrong = 0;
        for seed in 1..=200 {
            let mut link = Link { limit: 1400, loss_percent: 5, state: seed * 7919 };
            let (found, _) = link.find(Search::new(61, 1500, 8));
            assert!(found.passed <= 1400, "more than the link passed: {found:?}");
            wrong += u32::from(found != exact(1400));
        }
        assert!(wrong <= 10, "{wrong} of 200 searches ended elsewhere");
    }

    #[test]
    fn a_method_that_stops_answering_gives_up_and_blames_no_size() {
        // A host that answers a burst of closed-port datagrams and then falls silent.
        let mut search = Search::new(61, 1500, 2);
        let mut left = 3;
        let mut rounds = 0;
        while let Some(sizes) = search.next() {
            rounds += 1;
            let fates: Vec<Fate> = sizes
                .into_iter()
                .map(|size| {
                    let passed = size <= 1400 && left > 0;
                    left -= i32::from(passed);
                    Fate { size, passed }
                })
                .collect();
            search.answers(&fates);
        }
        assert!(rounds <= 5, "{rounds}");
        let found = search.found();
        assert!(found.passed <= 1400);
        assert!(found.lost.is_none_or(|lost| lost > 1400), "{found:?}");
    }

    #[test]
    fn a_dead_method_ends_after_two_void_rounds() {
        let mut search = Search::new(61, 1500, 8);
        for round in 1.. {
            let Some(sizes) = search.next() else {
                assert_eq!(round, 3);
                break;
            };
            let fates = sizes.iter().map(|size| Fate { size: *size, passed: false });
            let fates: Vec<Fate> = fates.collect();
            search.answers(&fates);
        }
        assert_eq!(search.found().lost, None);
    }

    proptest! {
        #[test]
        fn any_limit_is_found_to_the_byte(limit in 100_u32..9000, over in 1_u32..3000, width in 2_usize..9) {
            let (found, _) = clean(limit).find(Search::new(61, limit + over, width));
            // Two sizes a round may need more rounds than allowed; nothing wrong is said then.
            prop_assert!(found.passed <= limit);
            prop_assert!(found.lost.is_none_or(|lost| lost > limit));
            if width >= 6 {
                prop_assert_eq!(found, exact(limit));
            }
        }
    }
}
