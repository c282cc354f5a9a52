//! Addresses: how one is found in a text, and what stands in for it.

use std::collections::{HashMap, HashSet};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// The longest text of an IPv6 address, with an IPv4 address at its end.
const LONGEST: usize = 45;

/// Finds the address that a text begins with, and its length in bytes.
///
/// IPv4 also with leading zeros, and with `-` between the numbers, as in names that clouds give. What
/// goes on as a longer number or word is none.
pub(super) fn leading(text: &str) -> Option<(usize, IpAddr)> {
    let run = text.bytes().take(LONGEST).take_while(|b| b.is_ascii_hexdigit() || b":.".contains(b));
    let run = run.count();
    for end in (2..=run).rev() {
        let candidate = &text[..end];
        let address = candidate.parse().ok().or_else(|| v4(candidate, '.').map(IpAddr::V4));
        if let Some(address) = address
            && ends(&text[end..], address)
        {
            return Some((end, address));
        }
    }
    let run = text.bytes().take(15).take_while(|b| b.is_ascii_digit() || *b == b'-').count();
    let dashed = (7..=run).rev().find_map(|end| Some((end, v4(&text[..end], '-')?)));
    let dashed = dashed.filter(|(end, _)| !text[*end..].starts_with(|c: char| c.is_alphanumeric()));
    dashed.map(|(end, address)| (end, IpAddr::V4(address)))
}

/// Reads four numbers.
fn v4(text: &str, between: char) -> Option<Ipv4Addr> {
    let mut octets = [0; 4];
    let mut parts = text.split(between);
    for octet in &mut octets {
        let part = parts.next().filter(|part| (1..=3).contains(&part.len()))?;
        *octet = part.parse().ok().filter(|_| part.bytes().all(|b| b.is_ascii_digit()))?;
    }
    parts.next().is_none().then(|| Ipv4Addr::from(octets))
}

/// Whether an address may end before the rest of the text.
fn ends(rest: &str, address: IpAddr) -> bool {
    let mut rest = rest.chars();
    match (rest.next(), rest.next()) {
        (Some(c), _) if c.is_alphanumeric() || c == '_' => false,
        (Some('.'), Some(c)) if c.is_ascii_digit() => false,
        (Some(':'), Some(c)) if address.is_ipv6() => !(c.is_ascii_hexdigit() || c == ':'),
        _ => true,
    }
}

/// Finds the link address (six bytes) that a text begins with, and its length in bytes.
pub(super) fn leading_link(text: &str) -> Option<(usize, [u8; 6])> {
    let bytes = text.as_bytes();
    let between = *bytes.get(2).filter(|byte| b":-".contains(byte))?;
    let mut link = [0; 6];
    for (nth, byte) in link.iter_mut().enumerate() {
        let at = nth * 3;
        let pair = bytes.get(at..at + 2).filter(|pair| pair.iter().all(u8::is_ascii_hexdigit))?;
        if nth > 0 && bytes[at - 1] != between {
            return None;
        }
        *byte = u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok()?;
    }
    let next = text[17..].chars().next();
    let ends = next.is_none_or(|c| !c.is_alphanumeric() && !":-".contains(c));
    ends.then_some((17, link))
}

/// Returns whether an address means something by itself and names nobody: unspecified, loopback,
/// broadcast and masks, multicast.
fn is_special(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(v4) => {
            v4.is_unspecified() || v4.is_loopback() || v4.is_multicast() || v4.octets()[0] == 255
        }
        IpAddr::V6(v6) => v6.is_unspecified() || v6.is_loopback() || v6.is_multicast(),
    }
}

/// Which address stands for which.
#[derive(Debug, Default)]
pub(super) struct Addresses {
    met: HashSet<IpAddr>,
    given: HashMap<IpAddr, IpAddr>,
    taken: HashSet<IpAddr>,
    order: Vec<(IpAddr, IpAddr)>,
    links: HashMap<[u8; 6], u32>,
    link_order: Vec<[u8; 6]>,
}

impl Addresses {
    /// Remembers an address that occurs, so that none is given out that does.
    pub(super) fn meet(&mut self, address: IpAddr) {
        self.met.insert(address);
    }

    /// Returns what stands for an address.
    ///
    /// Addresses for documentation (RFC 5737, RFC 3849), then of the benchmarking network (RFC 2544);
    /// link-local ones stay link-local.
    pub(super) fn of(&mut self, address: IpAddr) -> IpAddr {
        if is_special(address) {
            return address;
        }
        if let IpAddr::V6(v6) = address
            && let Some(v4) = v6.to_ipv4_mapped()
            && let IpAddr::V4(given) = self.of(IpAddr::V4(v4))
        {
            return IpAddr::V6(given.to_ipv6_mapped());
        }
        if let Some(given) = self.given.get(&address) {
            return *given;
        }
        let free = |nth: &u32| {
            let candidate = candidate(address, *nth);
            (!self.taken.contains(&candidate) && !self.met.contains(&candidate))
                .then_some(candidate)
        };
        // A text holds fewer addresses than there are to give; all the same it must end.
        let given = (1..1 << 20).find_map(|nth| free(&nth)).unwrap_or(address);
        self.taken.insert(given);
        self.given.insert(address, given);
        self.order.push((address, given));
        given
    }

    /// Returns what stands for a link address: a locally administered one.
    pub(super) fn of_link(&mut self, link: [u8; 6]) -> String {
        if link == [0; 6] || link == [0xff; 6] {
            return spelled(link);
        }
        let next = self.links.len() as u32 + 1;
        let nth = *self.links.entry(link).or_insert(next);
        if nth == next {
            self.link_order.push(link);
        }
        pseudonym_of_link(nth)
    }

    /// Returns the addresses that were replaced, and by which.
    pub(super) fn replaced(&self) -> impl Iterator<Item = (String, String)> {
        let addresses = self.order.iter().map(|(from, to)| (from.to_string(), to.to_string()));
        let links = self.link_order.iter().zip(1..);
        addresses.chain(links.map(|(link, nth)| (spelled(*link), pseudonym_of_link(nth))))
    }
}

fn spelled(link: [u8; 6]) -> String {
    link.map(|byte| format!("{byte:02x}")).join(":")
}

fn pseudonym_of_link(nth: u32) -> String {
    let [_, a, b, c] = nth.to_be_bytes();
    spelled([0x02, 0, 0, a, b, c])
}

fn candidate(address: IpAddr, nth: u32) -> IpAddr {
    let [high, low] = [(nth >> 8) as u8, nth as u8];
    match address {
        IpAddr::V4(v4) if v4.is_link_local() => Ipv4Addr::new(169, 254, high, low).into(),
        IpAddr::V4(_) => {
            let within = |net: [u8; 3], nth: u32| Ipv4Addr::new(net[0], net[1], net[2], nth as u8);
            match nth {
                1..=254 => within([192, 0, 2], nth).into(),
                255..=508 => within([198, 51, 100], nth - 254).into(),
                509..=762 => within([203, 0, 113], nth - 508).into(),
                _ => Ipv4Addr::from(u32::from(Ipv4Addr::new(198, 18, 0, 0)) + (nth - 762)).into(),
            }
        }
        IpAddr::V6(v6) => {
            let [high, low] = [(nth >> 16) as u16, nth as u16];
            let net = if v6.is_unicast_link_local() { [0xfe80, 0] } else { [0x2001, 0xdb8] };
            Ipv6Addr::new(net[0], net[1], 0, 0, 0, 0, high, low).into()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_spelling_is_found_and_nothing_else() {
        let cases = [
            ("10.4.3.2", Some((8, "10.4.3.2"))),
            ("10.4.3.2:5432", Some((8, "10.4.3.2"))),
            ("10.4.3.2/24", Some((8, "10.4.3.2"))),
            ("10.4.3.2.", Some((8, "10.4.3.2"))),
            ("010.004.003.002", Some((15, "10.4.3.2"))),
            ("10-4-3-2.cloud", Some((8, "10.4.3.2"))),
            ("2.3.4.10.in-addr.arpa", Some((8, "2.3.4.10"))),
            ("2001:DB8:0:0::1]:443", Some((15, "2001:db8::1"))),
            ("::ffff:10.4.3.2", Some((15, "::ffff:10.4.3.2"))),
            ("fe80::1%eth0", Some((7, "fe80::1"))),
            ("1.2.3", None),
            ("1.2.3.4.5", None),
            ("256.1.1.1", None),
            ("12:30:45", None),
            ("deadbeef", None),
            ("1.2.3.4x", None),
        ];
        for (text, found) in cases {
            let found = found.map(|(end, address)| (end, address.parse().unwrap()));
            assert_eq!(leading(text), found, "{text}");
        }
        assert_eq!(
            leading_link("52:54:00:12:34:56 x"),
            Some((17, [0x52, 0x54, 0, 0x12, 0x34, 0x56]))
        );
        assert_eq!(leading_link("52:54:00:12:34:56:78"), None);
        assert_eq!(leading_link("52:54:00"), None);
    }

    #[test]
    fn pseudonyms_are_of_the_same_family_unique_and_none_that_occurs() {
        let mut addresses = Addresses::default();
        addresses.meet("192.0.2.1".parse().unwrap());
        let mut seen = HashSet::new();
        for nth in 0..2000_u32 {
            let v4 = IpAddr::from(Ipv4Addr::from(0x0a00_0000 + nth));
            let v6 = IpAddr::from(Ipv6Addr::from(0x2a00_u128 << 112 | u128::from(nth)));
            for address in [v4, v6] {
                let given = addresses.of(address);
                assert_eq!(given.is_ipv4(), address.is_ipv4());
                assert_eq!(addresses.of(address), given);
                assert!(seen.insert(given), "{given}");
            }
        }
        assert!(!seen.contains(&"192.0.2.1".parse().unwrap()));
        for special in
            ["127.0.0.1", "0.0.0.0", "::1", "::", "255.255.255.0", "224.0.0.1", "ff02::1"]
        {
            let special: IpAddr = special.parse().unwrap();
            assert_eq!(addresses.of(special), special);
        }
        let local = addresses.of("fe80::5054:ff:fe12:3456".parse().unwrap());
        assert!(local.to_string().starts_with("fe80::"), "{local}");
    }
}
