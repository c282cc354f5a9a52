//! Where packets of full size vanish: the TTL is checked before the size, so every hop in front of
//! the narrow link still answers a large packet that ends there.

use std::net::IpAddr;
use std::time::Duration;

use futures_util::future::join_all;

use super::ask::{Asker, SMALL};
use crate::model::icmp::{IcmpError, IcmpKind};

/// TTLs asked side by side.
const WAVE: u8 = 4;
/// The largest TTL asked.
const MOST: u8 = 24;
/// A router whose errors are used up has one for us again after this (Linux sends one per second).
const REFILL: Duration = Duration::from_millis(1050);

/// Who answered at one TTL.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Place {
    ttl: u8,
    /// The router that answered the large packet.
    big: Option<IpAddr>,
    /// Whether anything answered the small one.
    small: bool,
    /// Whether it was the end of the path that answered the small one.
    end: bool,
}

/// Finds the last hop that answers a packet of `size` bytes; hop 0 and no address when not even the
/// first does. `None` when hops answer nothing at all.
pub(super) async fn locate(
    asker: &Asker,
    size: u32,
    patience: Duration,
) -> Option<(u8, Option<IpAddr>)> {
    let mut places: Vec<Place> = Vec::new();
    for start in (1..=MOST).step_by(usize::from(WAVE)) {
        let wave = (start..start + WAVE).map(|ttl| place(asker, ttl, size, patience));
        places.extend(join_all(wave).await);
        if !goes_on(&places) {
            break;
        }
    }
    // By chance a single packet is lost; where only the small one came, the large one goes again.
    let doubtful = doubtful(&places);
    let again = doubtful.iter().map(|ttl| asker.hop(*ttl, size, patience));
    for (ttl, answer) in doubtful.iter().zip(join_all(again).await) {
        if let Some(place) = places.iter_mut().find(|place| place.ttl == *ttl) {
            place.big = router(answer);
        }
    }
    let mute = mute(&places);
    if !mute.is_empty() {
        tokio::time::sleep(REFILL).await;
        let again = mute.iter().map(|ttl| asker.hop(*ttl, size, patience));
        for (ttl, answer) in mute.iter().zip(join_all(again).await) {
            if let Some(place) = places.iter_mut().find(|place| place.ttl == *ttl) {
                place.big = router(answer);
            }
        }
    }
    found(&places)
}

async fn place(asker: &Asker, ttl: u8, size: u32, patience: Duration) -> Place {
    // The large one first: should the router have but one error left for us (rate limits), silence
    // towards the large packet alone would be a wrong trail.
    let (big, small) =
        tokio::join!(asker.hop(ttl, size, patience), asker.hop(ttl, SMALL, patience));
    Place {
        ttl,
        big: router(big),
        small: small.is_some(),
        end: small.is_some_and(|icmp| icmp.kind != IcmpKind::TtlExceeded),
    }
}

fn router(answer: Option<IcmpError>) -> Option<IpAddr> {
    answer.filter(|icmp| icmp.kind == IcmpKind::TtlExceeded).map(|icmp| icmp.from)
}

/// Whether the next wave can tell more: one of the last two hops answered the large packet.
fn goes_on(places: &[Place]) -> bool {
    let last = places.iter().rev().take(2).any(|place| place.big.is_some());
    last && !places.iter().any(|place| place.end)
}

/// The first two TTLs after the last answered large packet whose small packet was answered.
fn doubtful(places: &[Place]) -> Vec<u8> {
    let last = places.iter().filter(|place| place.big.is_some()).map(|place| place.ttl).max();
    let after = places.iter().filter(|place| place.ttl > last.unwrap_or(0));
    after.filter(|place| place.small && !place.end).map(|place| place.ttl).take(2).collect()
}

/// TTLs that answered nothing at all and stand before one that did, or before the end: routers that
/// send no errors, or whose errors were used up by others.
fn mute(places: &[Place]) -> Vec<u8> {
    let last = places.iter().filter(|place| place.big.is_some()).map(|place| place.ttl).max();
    let answers = |place: &&Place| place.small && place.ttl > last.unwrap_or(0);
    let next = places.iter().find(answers).map_or(WAVE, |place| place.ttl);
    let between = places.iter().filter(|place| place.ttl > last.unwrap_or(0) && place.ttl < next);
    between.map(|place| place.ttl).collect()
}

fn found(places: &[Place]) -> Option<(u8, Option<IpAddr>)> {
    let last = places.iter().rfind(|place| place.big.is_some());
    match last {
        Some(place) => Some((place.ttl, place.big)),
        None => places.iter().any(|place| place.small).then_some((0, None)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `B` = both answered, `s` = only the small packet, `e` = the small one reached the end,
    /// `.` = nothing.
    fn places(notation: &str) -> Vec<Place> {
        let place = |(letter, ttl)| Place {
            ttl,
            big: (letter == 'B').then(|| IpAddr::from([10, 0, 0, ttl])),
            small: letter != '.',
            end: letter == 'e',
        };
        notation.chars().zip(1..).map(place).collect()
    }

    #[test]
    fn the_last_hop_that_answers_the_large_packet_is_found() {
        for (notation, hop) in [
            ("Bsee", Some(1)),
            ("BBsss", Some(2)),
            ("B.see", Some(1)),
            ("BsBse", Some(3)),
            ("ssee", Some(0)),
            ("B...", Some(1)),
            ("....", None),
        ] {
            let found = found(&places(notation));
            assert_eq!(found.map(|(hop, _)| hop), hop, "{notation}");
            let address = found.and_then(|(_, address)| address);
            assert_eq!(address.is_some(), hop.is_some_and(|hop| hop > 0), "{notation}");
        }
    }

    #[test]
    fn the_next_wave_follows_only_an_answer_near_the_front() {
        assert!(goes_on(&places("BBBB")));
        assert!(goes_on(&places("BBB.")));
        assert!(!goes_on(&places("BBss")));
        assert!(!goes_on(&places("BBBe")));
    }

    #[test]
    fn a_hop_that_may_have_used_up_its_errors_is_asked_again_later() {
        assert_eq!(mute(&places("..ee")), [1, 2]);
        assert_eq!(mute(&places("B.ee")), [2]);
        assert_eq!(mute(&places("Bsee")), Vec::<u8>::new());
        assert_eq!(mute(&places("ssee")), Vec::<u8>::new());
        assert_eq!(mute(&places("B...")), [2, 3], "the last of a wave may lie behind the end");
    }

    #[test]
    fn what_may_be_chance_is_asked_again() {
        assert_eq!(doubtful(&places("Bsss")), [2, 3]);
        assert_eq!(doubtful(&places("B.se")), [3]);
        assert_eq!(doubtful(&places("BBee")), Vec::<u8>::new());
        assert_eq!(doubtful(&places("ssee")), [1, 2]);
    }
}
