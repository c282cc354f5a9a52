//! The clock.
#![allow(clippy::disallowed_methods)]

use std::time::Instant;

/// Returns the current monotonic time.
pub fn now() -> Instant {
    Instant::now()
}

/// Waits until a moment; not at all when it has come.
///
/// Tokio's timer rounds every moment up to its next millisecond, so that even one in the past would
/// cost up to one.
pub async fn sleep_until(moment: tokio::time::Instant) {
    if moment > tokio::time::Instant::now() {
        tokio::time::sleep_until(moment).await;
    }
}

/// Returns the milliseconds since `start`, to the microsecond.
pub fn ms_since(start: Instant) -> f64 {
    round_ms(start.elapsed().as_secs_f64() * 1e3)
}

/// Rounds milliseconds to the microsecond, so that reports stay readable.
pub fn round_ms(ms: f64) -> f64 {
    (ms * 1e3).round() / 1e3
}

/// Returns the current wall-clock time in UTC, RFC 3339 to the second.
pub fn utc_now() -> String {
    jiff::Timestamp::from_second(jiff::Timestamp::now().as_second())
        .map(|now| now.to_string())
        .unwrap_or_default()
}
