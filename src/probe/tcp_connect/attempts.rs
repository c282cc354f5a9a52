//! The attempts to one address: paced, adaptive, bounded.

use std::net::SocketAddr;
use std::time::Duration;

use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use tokio::time::Instant;

use crate::probe::tcp_connect::classify::{End, Next, Progress, Try, disagree, next};
use crate::sys::clock::sleep_until;
use crate::sys::host;
use crate::sys::tcp::{Attempt, Syn};

/// How attempts are made.
#[derive(Debug, Clone, Copy)]
pub(super) struct Plan {
    /// Attempts in a batch.
    pub(super) batch: u32,
    /// The time between two attempts.
    pub(super) pace: Duration,
    /// How long an attempt may stay unanswered.
    pub(super) patience: Duration,
    /// Whether a second batch may follow.
    pub(super) second_batch: bool,
}

/// When the second batch starts, at the earliest, if the first is not answered by then.
const SECOND_BATCH: Duration = Duration::from_millis(250);
/// The pace towards this machine itself, where nothing limits ICMP errors or drops bursts.
const OWN_PACE: Duration = Duration::from_millis(1);

/// What became of the attempts to one address.
#[derive(Debug)]
pub(super) struct Attempts {
    pub(super) target: SocketAddr,
    /// Whether the address is one of this machine.
    pub(super) own: bool,
    /// Every attempt; those that were still unanswered at the end are silent.
    pub(super) tries: Vec<Try>,
    /// When each SYN was handed to the kernel; attempts that failed before that are left out.
    pub(super) syns: Vec<std::time::Instant>,
    /// Whether all that opened were sent before all that did not; see [`opened_first`].
    pub(super) opened_first: bool,
}

/// Makes the attempts to one address.
pub(super) async fn run(target: SocketAddr, plan: Plan) -> Attempts {
    let own = host::is_own(target.ip());
    let pace = if own { plan.pace.min(OWN_PACE) } else { plan.pace };
    let start = Instant::now();
    // Total silence ends with the patience of the first batch. Where something does answer, the
    // second batch gets its own, so that a lost SYN can be repeated there too (after 1 s).
    let silent_end = start + plan.patience + pace * plan.batch.saturating_sub(1);
    let mut running = FuturesUnordered::new();
    let mut tries: Vec<Try> = Vec::new();
    let mut syns = Vec::new();
    let mut opened: Vec<u32> = Vec::new();
    let mut sent = 0;
    let mut due = plan.batch;
    let mut extendable = plan.second_batch;
    let mut send_at = start;
    let mut last_sent = start;
    let mut settled_at: Option<Instant> = None;
    loop {
        let progress = Progress { tries: &tries, sent, due, extendable };
        match next(progress) {
            Next::Done => break,
            Next::Settle => {
                settled_at.get_or_insert_with(|| Instant::now() + grace(&tries));
            }
            Next::Go => settled_at = None,
        }
        let end = if tries.iter().any(|t| t.rtt_ms.is_some()) {
            silent_end.max(last_sent + plan.patience)
        } else {
            silent_end
        };
        let second = (start + SECOND_BATCH).max(last_sent + answered_by(&tries));
        if extendable && sent >= due && running.is_empty() && disagree(&tries) {
            extendable = false;
            due += plan.batch;
        }
        tokio::select! {
            // Answers first: they decide whether more is sent.
            biased;
            Some(ended) = running.next(), if !running.is_empty() => {
                let (number, one): (u32, Try) = ended;
                if matches!(one.end, End::Open { .. }) {
                    opened.push(number);
                }
                tries.push(one);
            }
            () = sleep_until(settled_at.unwrap_or(end).min(end)) => break,
            () = sleep_until(second), if extendable && settled_at.is_none() => {
                extendable = false;
                due += plan.batch;
                send_at = send_at.max(second);
            }
            () = sleep_until(send_at), if sent < due && settled_at.is_none() => {
                sent += 1;
                let mut attempt = Attempt::start(&Syn::to(target));
                if !attempt.failed() {
                    syns.push(attempt.sent());
                    last_sent = Instant::now();
                    send_at = last_sent + pace;
                }
                let number = sent;
                running.push(async move { (number, Try::from(&attempt.answer().await)) });
            }
        }
    }
    let unanswered = usize::try_from(sent).unwrap_or(usize::MAX).saturating_sub(tries.len());
    tries.extend(std::iter::repeat_n(SILENT, unanswered));
    let opened_first = opened_first(&opened, sent);
    Attempts { target, own, tries, syns, opened_first }
}

/// Whether the first attempts opened and none after them, at least two each: `opened` are the
/// numbers, from 1, of those that opened out of `sent`. Random failures hardly ever fall like that.
fn opened_first(opened: &[u32], sent: u32) -> bool {
    let count = u32::try_from(opened.len()).unwrap_or(u32::MAX);
    count >= 2 && sent >= count.saturating_add(2) && opened.iter().max() == Some(&count)
}

const SILENT: Try = Try { end: End::Silent, rtt_ms: None };

/// How long an attempt may take, judging by those that were answered, before it counts as late: half
/// as long again.
fn answered_by(tries: &[Try]) -> Duration {
    Duration::from_secs_f64(slowest_ms(tries) * 1.5 / 1e3)
}

/// How long attempts under way may still take after two equal ICMP errors: as long as these took.
fn grace(tries: &[Try]) -> Duration {
    Duration::from_secs_f64((slowest_ms(tries) / 1e3).clamp(0.01, 0.2))
}

fn slowest_ms(tries: &[Try]) -> f64 {
    tries.iter().filter_map(|t| t.rtt_ms).fold(0.0, f64::max)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_far_host_has_time_to_answer_before_a_second_batch() {
        let answered = |rtt_ms| Try { end: End::Reset, rtt_ms: Some(rtt_ms) };
        assert_eq!(answered_by(&[SILENT]), Duration::ZERO);
        assert_eq!(answered_by(&[answered(180.0), answered(200.0)]), Duration::from_millis(300));
    }

    #[test]
    fn only_an_unbroken_run_at_the_start_counts_as_opened_first() {
        assert!(opened_first(&[2, 1, 3], 10));
        assert!(!opened_first(&[1], 10), "one alone may be chance");
        assert!(!opened_first(&[1, 2, 3, 4], 5), "one failure alone may be chance");
        assert!(!opened_first(&[1, 2, 4], 10));
        assert!(!opened_first(&[1, 2, 3], 3));
        assert!(!opened_first(&[], 5));
    }
}
