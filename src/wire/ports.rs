//! The ports that the kernel picks for outgoing connections (`ip-sysctl.rst`).

/// Returns the first and the last port of `net.ipv4.ip_local_port_range`.
pub fn range(text: &str) -> Option<(u16, u16)> {
    let mut words = text.split_ascii_whitespace();
    let (first, last) = (words.next()?.parse().ok()?, words.next()?.parse().ok()?);
    (first <= last).then_some((first, last))
}

/// Counts the ports of the range that `net.ipv4.ip_local_reserved_ports` (`8080,9148-9150`) leaves
/// out.
pub fn reserved_within(text: &str, (first, last): (u16, u16)) -> u32 {
    let mut taken: Vec<(u16, u16)> = text
        .trim()
        .split(',')
        .filter_map(|part| {
            let (from, to) = part.split_once('-').unwrap_or((part, part));
            let from: u16 = from.trim().parse().ok()?;
            let to: u16 = to.trim().parse().ok()?;
            let (from, to) = (from.max(first), to.min(last));
            (from <= to).then_some((from, to))
        })
        .collect();
    taken.sort_unstable();
    let mut count = 0;
    let mut next = 0;
    for (from, to) in taken {
        let from = u32::from(from).max(next);
        let end = u32::from(to) + 1;
        count += end.saturating_sub(from);
        next = next.max(end);
    }
    count
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_range_is_read_and_nonsense_is_unknown() {
        assert_eq!(range("32768\t60999\n"), Some((32768, 60999)));
        assert_eq!(range("60999 32768"), None);
        assert_eq!(range("x"), None);
    }

    #[test]
    fn only_reserved_ports_inside_the_range_count_and_each_once() {
        assert_eq!(reserved_within("8080,33000-33009,33005-33019,60000\n", (32768, 60999)), 21);
        assert_eq!(reserved_within("\n", (1, 65535)), 0);
        assert_eq!(reserved_within("0-65535", (1024, 65535)), 64512);
    }

    proptest! {
        #[test]
        fn never_more_than_the_range(text in "[0-9,-]{0,80}", first: u16, size in 0u16..1000) {
            let last = first.saturating_add(size);
            prop_assert!(reserved_within(&text, (first, last)) <= u32::from(last - first) + 1);
            let _ = range(&text);
        }
    }
}
