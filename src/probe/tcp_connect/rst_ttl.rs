//! With which TTL a RST arrives, without privilege.
//!
//! `IP_MINTTL` and `IPV6_MINHOPCOUNT` make the kernel drop an answer whose TTL is under a threshold,
//! so the highest threshold at which the RST still gets through is its TTL.

use std::net::SocketAddr;
use std::ops::RangeInclusive;
use std::time::Duration;

use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use tokio::time::Instant;

use crate::sys::tcp::{Attempt, Syn, SynAnswer};

/// The step of the coarse round.
const STEP: u8 = 16;

/// Measures the TTL with which RSTs of this target arrive; `None` when they stop coming, or when so
/// many packets are lost that the result would be a guess.
///
/// Sends 17 SYNs, then the 15 between the last threshold that passed and the next. When gaps show
/// that packets get lost, nine more above the result keep a lost one from making it wrong. A round
/// ends when nothing more has come for about a round trip; the first already after a part of one, as
/// an answer missed there shows in the second. `rtt` is the time that a RST takes.
pub(super) async fn measure(target: SocketAddr, rtt: Duration) -> Option<u8> {
    let coarse = coarse();
    let passed = round(target, &coarse, rtt, rtt / 4).await;
    let mut loss = Loss::default();
    loss.add(&coarse, &passed);
    let mut low = passed.into_iter().max()?;
    // Twice at most: a saturated bracket means that the coarse answer above it was lost.
    for _ in 0..2 {
        let fine: Vec<u8> = bracket(low).collect();
        let passed = round(target, &fine, rtt, rtt).await;
        loss.add(&fine, &passed);
        let Some(found) = passed.into_iter().max() else {
            break;
        };
        low = found;
        if fine.last() != Some(&found) || found == u8::MAX {
            break;
        }
        loss.missing += 1;
    }
    if loss.missing * 4 > loss.expected {
        return None;
    }
    if loss.missing > 0 {
        let above: Vec<u8> = (low.saturating_add(1)..=low.saturating_add(3))
            .flat_map(|threshold| [threshold; 3])
            .collect();
        low = round(target, &above, rtt, rtt).await.into_iter().fold(low, u8::max);
    }
    Some(low)
}

/// How many answers should have come, as a higher threshold was answered, and how many did not.
#[derive(Debug, Default, PartialEq, Eq)]
struct Loss {
    expected: usize,
    missing: usize,
}

impl Loss {
    fn add(&mut self, sent: &[u8], passed: &[u8]) {
        let highest = passed.iter().max();
        for threshold in sent.iter().filter(|threshold| Some(*threshold) <= highest) {
            self.expected += 1;
            self.missing += usize::from(!passed.contains(threshold));
        }
    }
}

/// The thresholds of the coarse round: 1 always passes, and the usual initial values 64, 128 and
/// 255 lie inside a bracket, not at its end.
fn coarse() -> Vec<u8> {
    let steps = (STEP / 2 + 1..=u8::MAX).step_by(usize::from(STEP));
    std::iter::once(1).chain(steps).collect()
}

/// The thresholds between one of the coarse round and the next.
fn bracket(low: u8) -> RangeInclusive<u8> {
    low.saturating_add(1)..=low.saturating_add(STEP - 1)
}

/// Sends one SYN per threshold, all at once, and returns the thresholds at which a RST came before
/// nothing came for about `quiet`.
async fn round(target: SocketAddr, thresholds: &[u8], rtt: Duration, quiet: Duration) -> Vec<u8> {
    let start = Instant::now();
    let mut waiting: FuturesUnordered<_> = thresholds
        .iter()
        .map(|threshold| {
            let mut syn = Syn::to(target);
            syn.min_ttl = Some(*threshold);
            let mut attempt = Attempt::start(&syn);
            let threshold = *threshold;
            async move { (threshold, attempt.answer().await.answer) }
        })
        .collect();
    let mut passed = Vec::new();
    let longest = start + rtt * 2 + Duration::from_millis(60);
    // Answers to SYNs sent together come together, but a busy box may pause between them.
    let quiet = quiet.clamp(Duration::from_millis(25), Duration::from_millis(100));
    let mut until = longest;
    while let Ok(Some((threshold, answer))) = tokio::time::timeout_at(until, waiting.next()).await {
        if answer == SynAnswer::Rst {
            passed.push(threshold);
            until = longest.min(Instant::now() + quiet);
        }
    }
    passed
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sys::closed;

    #[test]
    fn the_rounds_cover_every_ttl() {
        let coarse = coarse();
        assert_eq!(coarse.len(), 17);
        for ttl in 1..=255 {
            let low = coarse.iter().copied().filter(|t| *t <= ttl).max().expect("1 passes");
            assert!(low == ttl || bracket(low).contains(&ttl), "{ttl}");
        }
        for usual in [64, 128] {
            let low = coarse.iter().copied().filter(|t| *t <= usual).max();
            assert!(low.is_some_and(|low| *bracket(low).end() > usual));
        }
    }

    #[test]
    fn a_gap_under_the_highest_shows_loss() {
        let cases: [(&[u8], &[u8], usize, usize); 3] = [
            (&[1, 9, 25, 41], &[25, 1, 9], 3, 0),
            (&[1, 9, 25, 41], &[1, 25], 3, 1),
            (&[1, 9], &[], 0, 0),
        ];
        for (sent, passed, expected, missing) in cases {
            let mut loss = Loss::default();
            loss.add(sent, passed);
            assert_eq!(loss, Loss { expected, missing });
        }
    }

    #[tokio::test]
    async fn a_rst_over_loopback_arrives_with_64() {
        for ip in closed::loopbacks() {
            let port = closed::tcp(ip);
            // As far away as that: nothing is given up early on a busy machine.
            let ttl = measure(port.address, Duration::from_secs(2)).await;
            assert_eq!(ttl, Some(64));
        }
    }
}
