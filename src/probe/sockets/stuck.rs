//! Queues that do not drain between two looks.

use std::net::SocketAddr;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::census::Queued;
use crate::model::outcome::Why;
use crate::probe::owner::Claim;
use crate::sys::sock_diag::SockDiag;
use crate::wire::inet_diag::{Entry, Identity, State, attribute};
use crate::wire::tcp_info::TcpInfo;

/// Why data stays in a send queue.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Held {
    /// The application here does not read.
    NotRead,
    /// The peer has no room: its application does not read.
    ZeroWindow,
    /// Segments are sent again and again and not acknowledged.
    Retransmitting,
}

/// One look at one socket.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Look {
    pub(super) identity: Identity,
    pub(super) state: Option<State>,
    pub(super) local: SocketAddr,
    pub(super) peer: SocketAddr,
    pub(super) claim: Claim,
    unread: u32,
    unsent: u32,
    /// The running timer and its time-outs in a row.
    timer: u8,
    retransmits: u8,
    received: Option<u64>,
    acknowledged: Option<u64>,
    window: Option<u32>,
}

/// The timer of zero-window probes.
const PROBE_TIMER: u8 = 4;

impl Look {
    fn at(entry: Entry<'_>) -> Look {
        let info = entry.attribute(attribute::INFO).map(TcpInfo::parse).unwrap_or_default();
        let fin = u32::from(entry.state() == Some(State::CloseWait));
        Look {
            identity: entry.identity(),
            state: entry.state(),
            local: entry.local(),
            peer: entry.peer(),
            claim: Claim { inode: entry.inode(), uid: entry.uid(), cgroup: entry.cgroup() },
            unread: entry.receive_queue().saturating_sub(fin),
            unsent: entry.send_queue(),
            timer: entry.timer(),
            retransmits: entry.retransmits(),
            received: info.bytes_received,
            acknowledged: info.bytes_acked,
            window: info.snd_wnd,
        }
    }

    /// Whether the application took nothing out of the receive queue since `before`.
    fn unread_since(&self, before: &Look) -> bool {
        let taken = |look: &Look| Some(look.received?.wrapping_sub(look.unread.into()));
        before.unread > 0
            && self.unread > 0
            && match (taken(self), taken(before)) {
                (Some(now), Some(then)) => now == then,
                _ => self.unread >= before.unread,
            }
    }

    /// Why the peer took nothing out of the send queue since `before`; `None` when it did, or when
    /// it only had not the time.
    fn held_since(&self, before: &Look) -> Option<Held> {
        let moved = matches!((self.acknowledged, before.acknowledged), (Some(now), Some(then)) if now != then);
        if moved || before.unsent == 0 || self.unsent == 0 {
            return None;
        }
        match (self.window, self.timer, self.retransmits) {
            (Some(0), ..) | (None, PROBE_TIMER, _) => Some(Held::ZeroWindow),
            (_, _, 1..) => Some(Held::Retransmitting),
            _ => None,
        }
    }
}

/// A socket whose queue did not drain.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Stuck {
    pub(super) look: Look,
    pub(super) queue: u32,
    pub(super) why: Held,
}

/// Reads these sockets again; those that are gone are left out.
pub(super) fn look(queued: &[Queued]) -> Result<Vec<Look>, Why> {
    let mut diag = SockDiag::open()?;
    let mut looks = Vec::with_capacity(queued.len());
    for one in queued {
        looks.extend(diag.again(&one.identity, Look::at)?);
    }
    Ok(looks)
}

/// Which receive queues nobody read from.
pub(super) fn unread(before: &[Look], after: &[Look]) -> Vec<Stuck> {
    pairs(before, after)
        .filter(|(then, now)| now.unread_since(then))
        .map(|(_, now)| Stuck { look: *now, queue: now.unread, why: Held::NotRead })
        .collect()
}

/// Which send queues the peer took nothing from, and why.
pub(super) fn unsent(before: &[Look], after: &[Look]) -> Vec<Stuck> {
    pairs(before, after)
        .filter_map(|(then, now)| {
            Some(Stuck { look: *now, queue: now.unsent, why: now.held_since(then)? })
        })
        .collect()
}

fn pairs<'a>(before: &'a [Look], after: &'a [Look]) -> impl Iterator<Item = (&'a Look, &'a Look)> {
    after
        .iter()
        .filter_map(|now| Some((before.iter().find(|then| then.identity == now.identity)?, now)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn look(unread: u32, unsent: u32) -> Look {
        let bytes = {
            let mut bytes = [0; 72];
            (bytes[0], bytes[1]) = (2, State::Established as u8);
            bytes
        };
        let entry = Entry::parse(&bytes).unwrap();
        Look {
            unread,
            unsent,
            received: Some(1000),
            acknowledged: Some(500),
            window: Some(65535),
            ..Look::at(entry)
        }
    }

    #[test]
    fn an_application_that_reads_while_more_arrives_is_not_stuck() {
        let before = look(100, 0);
        let after = Look { received: Some(1300), ..look(100, 0) };
        assert!(unread(&[before], &[after]).is_empty());
    }

    #[test]
    fn an_application_that_read_nothing_is_stuck_also_when_more_arrives() {
        let before = look(100, 0);
        let after = Look { received: Some(1300), ..look(400, 0) };
        assert_eq!(unread(&[before], &[after])[0].queue, 400);
        assert_eq!(unread(&[before], &[before]).len(), 1);
    }

    #[test]
    fn a_closed_window_is_told_from_a_path_that_loses() {
        let before = look(0, 900);
        let closed = Look { window: Some(0), ..before };
        assert_eq!(unsent(&[before], &[closed])[0].why, Held::ZeroWindow);
        let lost = Look { retransmits: 3, timer: 1, ..before };
        assert_eq!(unsent(&[before], &[lost])[0].why, Held::Retransmitting);
    }

    #[test]
    fn data_in_flight_is_not_stuck() {
        let before = look(0, 900);
        assert!(unsent(&[before], &[before]).is_empty());
        let moved = Look { acknowledged: Some(900), window: Some(0), ..before };
        assert!(unsent(&[before], &[moved]).is_empty());
        assert!(unsent(&[], &[before]).is_empty());
    }
}
