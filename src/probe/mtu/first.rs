//! What the first round says: a small and a full-size packet each way, all at once. Pure.

use super::ask::{Reply, Way};
use crate::model::icmp::IcmpError;

/// A small and a full-size packet of one way; `None` while nothing has come of it.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Pair {
    pub(super) small: Option<Reply>,
    pub(super) big: Option<Reply>,
    /// The size of the big one in bytes.
    pub(super) size: u32,
}

impl Pair {
    fn small_passed(&self) -> bool {
        self.small == Some(Reply::Passed)
    }

    fn big_passed(&self) -> bool {
        self.big == Some(Reply::Passed)
    }

    /// The big one vanished where the small one passed.
    fn stalls(&self) -> bool {
        self.small_passed() && matches!(self.big, None | Some(Reply::Lost))
    }

    fn too_big(&self) -> Option<(u32, Option<IcmpError>)> {
        match self.big {
            Some(Reply::TooBig { mtu, icmp }) => Some((mtu, icmp)),
            _ => None,
        }
    }

    fn done(&self) -> bool {
        let useless = matches!(self.small, Some(Reply::Unusable));
        useless || (self.small.is_some() && self.big.is_some())
    }
}

/// The first round.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct First {
    pub(super) echo: Pair,
    pub(super) tcp: Pair,
    pub(super) udp: Pair,
    /// The largest packet in bytes that TCP would send to this server, once it is known.
    pub(super) segment: Option<u32>,
}

/// What to do next.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Next {
    /// A packet of this size passed, as large as this way can make it.
    Clear {
        /// The way that proved it.
        way: Way,
        /// The size in bytes.
        size: u32,
    },
    /// A too-big error came.
    Reduced {
        /// The way that got it.
        way: Way,
        /// The MTU in bytes that it names; `None` when it names none that makes sense.
        mtu: Option<u32>,
        /// The error.
        icmp: Option<IcmpError>,
    },
    /// The full size vanished, less passed.
    Search {
        /// The way to search with.
        way: Way,
        /// A size that passed; `None` = the small one.
        passed: Option<u32>,
        /// The size that vanished.
        lost: u32,
    },
    /// Nothing to tell from.
    Nothing,
}

impl First {
    /// The pair of one way.
    pub(super) fn pair(&mut self, way: Way) -> &mut Pair {
        match way {
            Way::Echo => &mut self.echo,
            Way::Tcp => &mut self.tcp,
            Way::Udp => &mut self.udp,
        }
    }

    /// The largest packet in bytes that has to pass.
    pub(super) fn limit(&self, ceiling: u32) -> u32 {
        self.segment.map_or(ceiling, |segment| segment.min(ceiling))
    }

    /// Whether anything of the small size came back.
    pub(super) fn heard(&self) -> bool {
        [self.echo, self.tcp, self.udp].iter().any(Pair::small_passed)
    }

    /// Whether waiting longer cannot change the decision. `patient` says that TCP answered so long
    /// ago that the other ways, had they any answer, would have had it too.
    pub(super) fn settled(&self, patient: bool) -> bool {
        let pairs = [self.echo, self.tcp, self.udp];
        let proof = self.echo.big_passed() || self.udp.big_passed();
        let reported = self.echo.too_big().or(self.udp.too_big()).is_some();
        let tcp_alone = patient
            && self.tcp.big_passed()
            && !self.echo.small_passed()
            && !self.udp.small_passed();
        proof || reported || tcp_alone || pairs.iter().all(Pair::done)
    }

    /// Decides.
    ///
    /// 1. A full-size packet that passed any way is proof that the size passes: what vanished went
    ///    lost for another reason (a filter against large pings or against SYNs with data, a rate
    ///    limit).
    /// 2. A too-big error is believed.
    /// 3. A SYN cannot quite fill a packet. Where it passed and another way answers small packets
    ///    only, the bytes between decide: search there. But larger packets than TCP would send to
    ///    this server need not pass.
    /// 4. Where the full size vanished and less passed: search, with TCP first, because that is what
    ///    matters and no host limits its rate, then echo, then UDP.
    pub(super) fn decide(&self, ceiling: u32) -> Next {
        for (way, pair) in [(Way::Udp, self.udp), (Way::Echo, self.echo)] {
            if pair.big_passed() {
                return Next::Clear { way, size: pair.size };
            }
        }
        for (way, pair) in [(Way::Udp, self.udp), (Way::Echo, self.echo), (Way::Tcp, self.tcp)] {
            if let Some((mtu, icmp)) = pair.too_big() {
                let sensible = mtu >= 68 && mtu < pair.size;
                return Next::Reduced { way, mtu: sensible.then_some(mtu), icmp };
            }
        }
        if self.tcp.big_passed() {
            let size = self.tcp.size;
            for (way, pair) in [(Way::Echo, self.echo), (Way::Udp, self.udp)] {
                if pair.stalls() && size < self.limit(ceiling) {
                    return Next::Search { way, passed: Some(size), lost: pair.size };
                }
            }
            return Next::Clear { way: Way::Tcp, size };
        }
        for (way, pair) in [(Way::Tcp, self.tcp), (Way::Echo, self.echo), (Way::Udp, self.udp)] {
            if pair.stalls() {
                return Next::Search { way, passed: None, lost: pair.size };
            }
        }
        Next::Nothing
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Small and big: `+` passed, `-` lost, `?` still open, `x` unusable, `b` too big (1300).
    fn pair(notation: &str, size: u32) -> Pair {
        let reply = |letter| match letter {
            '+' => Some(Reply::Passed),
            '-' => Some(Reply::Lost),
            'x' => Some(Reply::Unusable),
            'b' => Some(Reply::TooBig { mtu: 1300, icmp: None }),
            _ => None,
        };
        let mut letters = notation.chars().map(reply);
        Pair { small: letters.next().flatten(), big: letters.next().flatten(), size }
    }

    fn first(echo: &str, tcp: &str, udp: &str) -> First {
        First { echo: pair(echo, 1500), tcp: pair(tcp, 1480), udp: pair(udp, 1500), segment: None }
    }

    const BLACK_HOLE: Next = Next::Search { way: Way::Tcp, passed: None, lost: 1480 };

    #[test]
    fn each_first_round_has_its_next_step() {
        for (echo, tcp, udp, next) in [
            ("xx", "++", "++", Next::Clear { way: Way::Udp, size: 1500 }),
            ("++", "--", "--", Next::Clear { way: Way::Echo, size: 1500 }),
            // A box against SYNs with data, or against large pings, is no limit of size.
            ("++", "+-", "--", Next::Clear { way: Way::Echo, size: 1500 }),
            ("+-", "++", "++", Next::Clear { way: Way::Udp, size: 1500 }),
            // UDP is filtered: TCP alone proves nearly the full size.
            ("xx", "++", "--", Next::Clear { way: Way::Tcp, size: 1480 }),
            ("xx", "+b", "-b", Next::Reduced { way: Way::Udp, mtu: Some(1300), icmp: None }),
            ("xx", "+b", "--", Next::Reduced { way: Way::Tcp, mtu: Some(1300), icmp: None }),
            ("xx", "+-", "+-", BLACK_HOLE),
            ("+-", "+-", "+-", BLACK_HOLE),
            ("xx", "+?", "--", BLACK_HOLE),
            ("+-", "xx", "--", Next::Search { way: Way::Echo, passed: None, lost: 1500 }),
            ("xx", "--", "+-", Next::Search { way: Way::Udp, passed: None, lost: 1500 }),
            // PPPoE: what a SYN cannot fill.
            ("+-", "++", "--", Next::Search { way: Way::Echo, passed: Some(1480), lost: 1500 }),
            ("xx", "++", "+-", Next::Search { way: Way::Udp, passed: Some(1480), lost: 1500 }),
            ("xx", "--", "--", Next::Nothing),
            ("xx", "xx", "xx", Next::Nothing),
        ] {
            assert_eq!(first(echo, tcp, udp).decide(1500), next, "{echo} {tcp} {udp}");
        }
    }

    #[test]
    fn what_the_server_never_takes_need_not_pass() {
        let mut round = first("xx", "++", "+-");
        round.segment = Some(1400);
        assert_eq!(round.decide(1500), Next::Clear { way: Way::Tcp, size: 1480 });
        round.segment = Some(1500);
        let search = Next::Search { way: Way::Udp, passed: Some(1480), lost: 9000 };
        round.udp.size = 9000;
        assert_eq!(round.decide(9000), search);
    }

    #[test]
    fn a_too_big_error_without_a_sensible_size_keeps_its_meaning() {
        for mtu in [0, 1500, 9000] {
            let mut round = first("xx", "--", "--");
            round.udp.big = Some(Reply::TooBig { mtu, icmp: None });
            let next = Next::Reduced { way: Way::Udp, mtu: None, icmp: None };
            assert_eq!(round.decide(1500), next);
        }
    }

    #[test]
    fn proof_ends_the_wait_and_doubt_does_not() {
        for (echo, tcp, udp, patient, settled) in [
            ("xx", "??", "?+", false, true),
            ("xx", "??", "?b", false, true),
            ("??", "++", "??", false, false),
            ("??", "++", "??", true, true),
            ("xx", "++", "+?", true, false),
            ("xx", "+?", "??", true, false),
            ("xx", "+-", "--", false, true),
            ("??", "??", "??", true, false),
        ] {
            let round = first(echo, tcp, udp);
            assert_eq!(round.settled(patient), settled, "{echo} {tcp} {udp} {patient}");
        }
    }
}
