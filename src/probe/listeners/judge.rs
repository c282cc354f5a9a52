//! What the listening sockets of a port mean for a client; pure.

use std::collections::BTreeSet;
use std::net::IpAddr;

use super::ListenersOutcome;
use crate::probe::owner::Claim;

/// A listening socket, as the kernel lists it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Waiting {
    pub(super) address: IpAddr,
    pub(super) port: u16,
    /// An IPv6 socket, whatever its address.
    pub(super) v6: bool,
    pub(super) v6_only: Option<bool>,
    pub(super) interface: u32,
    pub(super) queue: u32,
    pub(super) backlog: u32,
    /// What it dropped since it listens; `None` where the kernel does not tell.
    pub(super) drops: Option<u32>,
    pub(super) claim: Claim,
}

/// Which clients from elsewhere could be accepted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Reach {
    pub(super) v4: bool,
    pub(super) v6: bool,
}

/// `LOOPBACK_IFINDEX`: the loopback interface has this number in every network namespace.
const LOOPBACK: u32 = 1;

impl Waiting {
    /// Whether further connections are refused a place: `sk_acceptq_is_full` lets in one more than
    /// the backlog.
    pub(super) fn is_full(&self) -> bool {
        self.queue > self.backlog
    }

    /// Whether only this machine itself can reach it, by its address or by its interface.
    pub(super) fn is_loopback(&self) -> bool {
        self.address.is_loopback() || self.interface == LOOPBACK
    }

    /// Whether an IPv4 (IPv6) packet to some address of this machine can be for this socket.
    fn takes(&self, v4: bool) -> bool {
        match (self.address, v4) {
            (IpAddr::V4(_), v4) => v4,
            (IpAddr::V6(address), true) => {
                // Where the kernel does not tell, the default is that it takes both.
                self.v6 && address.is_unspecified() && self.v6_only != Some(true)
            }
            (IpAddr::V6(_), false) => true,
        }
    }

    /// Whether it takes connections to this address; `None` is any address but loopback.
    pub(super) fn accepts(&self, wanted: Option<IpAddr>) -> bool {
        match wanted.map(|address| address.to_canonical()) {
            None => !self.is_loopback(),
            Some(wanted) if self.address.is_unspecified() => self.takes(wanted.is_ipv4()),
            Some(wanted) => self.address == wanted,
        }
    }

    fn reach(&self) -> Reach {
        match self.is_loopback() {
            true => Reach::default(),
            false => Reach { v4: self.takes(true), v6: self.takes(false) },
        }
    }
}

/// Says which clients from elsewhere could be accepted; with an address only those that use it.
pub(super) fn reach(here: &[Waiting], wanted: Option<IpAddr>) -> Reach {
    let wanted = wanted.filter(|address| !address.is_loopback() && !address.is_unspecified());
    let usable = here.iter().filter(|waiting| wanted.is_none() || waiting.accepts(wanted));
    let mut all = Reach::default();
    for one in usable.map(Waiting::reach) {
        all.v4 |= one.v4 && wanted.is_none_or(|address| address.to_canonical().is_ipv4());
        all.v6 |= one.v6 && wanted.is_none_or(|address| address.to_canonical().is_ipv6());
    }
    all
}

/// Says who waits for connections.
pub(super) fn outcome(
    here: &[Waiting],
    wanted: Option<IpAddr>,
    elsewhere: bool,
) -> ListenersOutcome {
    // 0.0.0.0 or :: as a target is this machine itself.
    let wanted = wanted.filter(|address| !address.is_unspecified());
    if here.iter().any(|waiting| waiting.accepts(wanted)) {
        ListenersOutcome::Listening
    } else if !here.is_empty() {
        match here.iter().all(Waiting::is_loopback) {
            true => ListenersOutcome::LoopbackOnly,
            false => ListenersOutcome::OtherAddress,
        }
    } else if elsewhere {
        ListenersOutcome::Elsewhere
    } else {
        ListenersOutcome::None
    }
}

/// The listener whose queue is nearest to its limit, among those that the clients meet when there are
/// any.
pub(super) fn fullest(here: &[Waiting], wanted: Option<IpAddr>) -> Option<&Waiting> {
    let met = here.iter().any(|waiting| waiting.accepts(wanted));
    let asked = here.iter().filter(|waiting| !met || waiting.accepts(wanted));
    asked.max_by_key(|waiting| {
        (u64::from(waiting.queue) * 1000 / (u64::from(waiting.backlog) + 1), waiting.queue)
    })
}

/// The ports that a client from elsewhere could reach by address.
pub(super) fn open_ports(others: &[Waiting], most: usize) -> Vec<u16> {
    let open = others.iter().filter(|waiting| !waiting.is_loopback());
    let ports: BTreeSet<u16> = open.map(|waiting| waiting.port).collect();
    ports.into_iter().take(most).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn waiting(address: &str) -> Waiting {
        let address: IpAddr = address.parse().unwrap();
        Waiting {
            address,
            port: 80,
            v6: address.is_ipv6(),
            v6_only: address.is_ipv6().then_some(false),
            interface: 0,
            queue: 0,
            backlog: 128,
            drops: Some(0),
            claim: Claim { inode: 1, uid: 0, cgroup: None },
        }
    }

    fn asked(here: &[Waiting], address: &str) -> ListenersOutcome {
        outcome(here, address.parse().ok(), false)
    }

    #[test]
    fn an_ipv6_wildcard_takes_ipv4_unless_it_is_v6_only() {
        let mut any = waiting("::");
        assert_eq!(reach(&[any], None), Reach { v4: true, v6: true });
        any.v6_only = Some(true);
        assert_eq!(reach(&[any], None), Reach { v4: false, v6: true });
        assert_eq!(asked(&[any], "192.0.2.1"), ListenersOutcome::OtherAddress);
    }

    #[test]
    fn an_ipv4_wildcard_takes_no_ipv6() {
        assert_eq!(reach(&[waiting("0.0.0.0")], None), Reach { v4: true, v6: false });
        assert_eq!(asked(&[waiting("0.0.0.0")], "::1"), ListenersOutcome::OtherAddress);
    }

    #[test]
    fn loopback_only_is_told_unless_loopback_was_asked_for() {
        let both = [waiting("127.0.0.1"), waiting("::1")];
        assert_eq!(outcome(&both, None, false), ListenersOutcome::LoopbackOnly);
        assert_eq!(reach(&both, None), Reach::default());
        assert_eq!(asked(&both, "127.0.0.1"), ListenersOutcome::Listening);
        assert_eq!(asked(&both, "192.0.2.1"), ListenersOutcome::LoopbackOnly);
        assert_eq!(asked(&both[..1], "127.0.0.2"), ListenersOutcome::LoopbackOnly);
    }

    #[test]
    fn a_listener_on_one_address_takes_only_that_one() {
        let one = [waiting("192.0.2.1")];
        assert_eq!(asked(&one, "192.0.2.1"), ListenersOutcome::Listening);
        assert_eq!(asked(&one, "::ffff:192.0.2.1"), ListenersOutcome::Listening);
        assert_eq!(asked(&one, "192.0.2.2"), ListenersOutcome::OtherAddress);
        assert_eq!(outcome(&one, None, false), ListenersOutcome::Listening);
    }

    #[test]
    fn a_listener_here_goes_before_one_in_a_container() {
        assert_eq!(outcome(&[], None, true), ListenersOutcome::Elsewhere);
        assert_eq!(outcome(&[waiting("::1")], None, true), ListenersOutcome::LoopbackOnly);
        assert_eq!(outcome(&[], None, false), ListenersOutcome::None);
    }

    #[test]
    fn a_queue_is_full_one_above_its_backlog() {
        let mut one = waiting("::");
        (one.queue, one.backlog) = (128, 128);
        assert!(!one.is_full());
        one.queue = 129;
        assert!(one.is_full());
    }

    #[test]
    fn the_fullest_is_the_one_nearest_its_limit() {
        let (mut long, mut short) = (waiting("::"), waiting("0.0.0.0"));
        (long.queue, long.backlog) = (100, 4096);
        (short.queue, short.backlog) = (6, 5);
        assert_eq!(fullest(&[long, short], None), Some(&short));
        assert_eq!(fullest(&[], None), None);
    }

    #[test]
    fn a_full_queue_at_loopback_is_not_the_queue_of_others() {
        let (mut own, open) = (waiting("127.0.0.1"), waiting("192.0.2.1"));
        (own.queue, own.backlog) = (6, 5);
        assert_eq!(fullest(&[own, open], None), Some(&open));
        assert_eq!(fullest(&[own, open], "127.0.0.1".parse().ok()), Some(&own));
        assert_eq!(fullest(&[own], None), Some(&own));
    }

    #[test]
    fn a_wildcard_that_is_bound_to_the_loopback_interface_is_loopback() {
        let bound = Waiting { interface: 1, ..waiting("0.0.0.0") };
        assert_eq!(outcome(&[bound], None, false), ListenersOutcome::LoopbackOnly);
        assert_eq!(reach(&[bound], None), Reach::default());
        let other = Waiting { interface: 2, ..bound };
        assert_eq!(outcome(&[other], None, false), ListenersOutcome::Listening);
    }

    #[test]
    fn ports_open_to_others_are_listed_once_and_in_order() {
        let mut all =
            [waiting("0.0.0.0"), waiting("::"), waiting("127.0.0.1"), waiting("192.0.2.1")];
        (all[2].port, all[3].port) = (5432, 22);
        assert_eq!(open_ports(&all, 50), [22, 80]);
        assert_eq!(open_ports(&all, 1), [22]);
    }
}
