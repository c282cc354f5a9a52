//! What keeps a connection from going faster, by its own numbers; pure.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::wire::tcp_info::TcpInfo;

/// What keeps a connection from going faster.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum LimitedBy {
    /// The path: segments are lost, or as many are on their way as it carries.
    Network,
    /// The peer: its window is full, its application reads too slowly.
    Receiver,
    /// Our send buffer is too small for the path.
    Sender,
    /// An application: ours does not read, or gives less to send than the path could carry.
    Application,
    /// Nobody: no data waits, and none went for a second.
    Idle,
}

impl LimitedBy {
    /// Every word, the worst first.
    pub(super) const ALL: [LimitedBy; 5] = [
        LimitedBy::Network,
        LimitedBy::Receiver,
        LimitedBy::Sender,
        LimitedBy::Application,
        LimitedBy::Idle,
    ];

    pub(super) fn word(self) -> &'static str {
        match self {
            LimitedBy::Network => "network",
            LimitedBy::Receiver => "receiver",
            LimitedBy::Sender => "sender",
            LimitedBy::Application => "application",
            LimitedBy::Idle => "idle",
        }
    }
}

/// What is waiting, beside `struct tcp_info`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Queues {
    /// Bytes that our application has not read.
    pub(super) unread: u32,
    /// Bytes that the peer has not acknowledged.
    pub(super) unsent: u32,
    /// Whether the timer of zero-window probes runs.
    pub(super) probing: bool,
    /// Time-outs in a row.
    pub(super) timeouts: u8,
}

/// A connection that moved data within this time is in use, in milliseconds.
const RECENT_MS: u32 = 1000;

/// Says what keeps a connection from going faster.
///
/// 1. With data to send: the peer's closed window, or time-outs in a row, are told first, for they
///    are of this moment. Then what took more than half of the busy time: the peer's window, or our
///    buffer. Else the path, unless the kernel says that the application gave too little.
/// 2. With data that our application has not read: the application.
/// 3. Without any: the application when data went within the last second, else nobody.
pub(super) fn limited_by(queues: Queues, info: &TcpInfo) -> LimitedBy {
    if queues.unsent > 0 || info.unacked.is_some_and(|count| count > 0) {
        return sending(queues, info);
    }
    let recent = |ms: Option<u32>| ms.is_some_and(|ms| ms < RECENT_MS);
    if queues.unread > 0 || recent(info.last_sent_ms) || recent(info.last_received_ms) {
        LimitedBy::Application
    } else {
        LimitedBy::Idle
    }
}

fn sending(queues: Queues, info: &TcpInfo) -> LimitedBy {
    if queues.probing || info.snd_wnd == Some(0) {
        return LimitedBy::Receiver;
    }
    if queues.timeouts > 0 {
        return LimitedBy::Network;
    }
    let mostly = |part: Option<u64>| match (part, info.busy_us) {
        (Some(part), Some(busy)) => busy > 0 && part > busy / 2,
        _ => false,
    };
    if mostly(info.rwnd_limited_us) {
        LimitedBy::Receiver
    } else if mostly(info.sndbuf_limited_us) {
        LimitedBy::Sender
    } else if info.app_limited == Some(true) {
        LimitedBy::Application
    } else {
        LimitedBy::Network
    }
}

/// Says what most of the connections that are not idle are limited by; `None` without connections.
pub(super) fn mostly(counts: &[(LimitedBy, u32)]) -> Option<LimitedBy> {
    let busy = counts.iter().filter(|(by, count)| *by != LimitedBy::Idle && *count > 0);
    // The worst goes first where they are equal.
    let most = busy.max_by_key(|(by, count)| (*count, std::cmp::Reverse(*by)));
    let idle = counts.iter().find(|(by, count)| *by == LimitedBy::Idle && *count > 0);
    most.or(idle).map(|(by, _)| *by)
}

#[cfg(test)]
mod tests {
    use super::*;

    const SENDING: Queues = Queues { unread: 0, unsent: 5000, probing: false, timeouts: 0 };

    fn info() -> TcpInfo {
        TcpInfo {
            snd_wnd: Some(65535),
            busy_us: Some(1000),
            rwnd_limited_us: Some(0),
            sndbuf_limited_us: Some(0),
            app_limited: Some(false),
            last_sent_ms: Some(5000),
            last_received_ms: Some(5000),
            ..TcpInfo::default()
        }
    }

    #[test]
    fn a_closed_window_is_the_receiver_also_when_segments_time_out() {
        let queues = Queues { timeouts: 4, ..SENDING };
        assert_eq!(
            limited_by(queues, &TcpInfo { snd_wnd: Some(0), ..info() }),
            LimitedBy::Receiver
        );
        assert_eq!(limited_by(Queues { probing: true, ..queues }, &info()), LimitedBy::Receiver);
    }

    #[test]
    fn timeouts_are_the_network() {
        assert_eq!(limited_by(Queues { timeouts: 1, ..SENDING }, &info()), LimitedBy::Network);
        assert_eq!(limited_by(SENDING, &info()), LimitedBy::Network);
    }

    #[test]
    fn what_took_most_of_the_busy_time_counts() {
        let receiver = TcpInfo { rwnd_limited_us: Some(900), ..info() };
        assert_eq!(limited_by(SENDING, &receiver), LimitedBy::Receiver);
        let sender = TcpInfo { sndbuf_limited_us: Some(900), ..info() };
        assert_eq!(limited_by(SENDING, &sender), LimitedBy::Sender);
        let application = TcpInfo { app_limited: Some(true), ..info() };
        assert_eq!(limited_by(SENDING, &application), LimitedBy::Application);
    }

    #[test]
    fn unread_data_is_the_application_and_silence_is_idle() {
        let unread = Queues { unread: 10, ..Queues::default() };
        assert_eq!(limited_by(unread, &info()), LimitedBy::Application);
        assert_eq!(limited_by(Queues::default(), &info()), LimitedBy::Idle);
        let recent = TcpInfo { last_received_ms: Some(20), ..info() };
        assert_eq!(limited_by(Queues::default(), &recent), LimitedBy::Application);
    }

    #[test]
    fn an_old_kernel_that_tells_little_still_gets_a_word() {
        assert_eq!(limited_by(SENDING, &TcpInfo::default()), LimitedBy::Network);
        assert_eq!(limited_by(Queues::default(), &TcpInfo::default()), LimitedBy::Idle);
    }

    #[test]
    fn idle_connections_do_not_outvote_busy_ones() {
        let counts = [(LimitedBy::Network, 1), (LimitedBy::Receiver, 1), (LimitedBy::Idle, 50)];
        assert_eq!(mostly(&counts), Some(LimitedBy::Network));
        assert_eq!(mostly(&[(LimitedBy::Idle, 2)]), Some(LimitedBy::Idle));
        assert_eq!(mostly(&[(LimitedBy::Idle, 0)]), None);
    }
}
