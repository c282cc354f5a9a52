//! Counters that the kernel prints as one line of hexadecimal numbers per CPU.

use std::collections::BTreeMap;

/// What the network stack did with packets between the device and the protocols, all CPUs together.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Softnet {
    /// Packets dropped because a CPU's queue was full (`net.core.netdev_max_backlog`).
    pub dropped: u64,
    /// Times that a CPU ran out of its share before the queue was empty.
    pub squeezed: u64,
}

/// Reads `/proc/net/softnet_stat`, whose columns have no names: processed, dropped, time_squeeze …
/// (`softnet_seq_show`). `None` when a line has no such columns.
pub fn softnet(text: &str) -> Option<Softnet> {
    let mut sum = None;
    for line in text.lines() {
        let mut columns = line.split_whitespace();
        let mut next = || u64::from_str_radix(columns.next()?, 16).ok();
        let (_processed, dropped, squeezed) = (next()?, next()?, next()?);
        let before = sum.unwrap_or(Softnet { dropped: 0, squeezed: 0 });
        sum = Some(Softnet {
            dropped: before.dropped.wrapping_add(dropped),
            squeezed: before.squeezed.wrapping_add(squeezed),
        });
    }
    sum
}

/// Reads a table with a heading, such as `/proc/net/stat/nf_conntrack`, and adds the lines up.
///
/// A column that is missing, or whose number cannot be read on any line, is not there.
pub fn table(text: &str) -> BTreeMap<String, u64> {
    let mut lines = text.lines();
    let names: Vec<&str> = lines.next().unwrap_or_default().split_whitespace().collect();
    let mut sums: Vec<Option<u64>> = vec![None; names.len()];
    let mut broken = vec![false; names.len()];
    for line in lines.filter(|line| !line.trim().is_empty()) {
        let mut columns = line.split_whitespace();
        for (sum, broken) in sums.iter_mut().zip(&mut broken) {
            match columns.next().map(|column| u64::from_str_radix(column, 16)) {
                Some(Ok(number)) => *sum = Some(sum.unwrap_or(0).wrapping_add(number)),
                _ => *broken = true,
            }
        }
    }
    let columns = names.into_iter().zip(sums).zip(broken);
    columns
        .filter(|(_, broken)| !broken)
        .filter_map(|((name, sum), _)| Some((name.to_owned(), sum?)))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_cpus_are_added_up() {
        let seen = softnet("0031e428 00000002 00000001 0\n002ea015 00000010 00000001 0\n");
        assert_eq!(seen, Some(Softnet { dropped: 18, squeezed: 2 }));
    }

    #[test]
    fn columns_that_cannot_be_read_are_unknown() {
        assert_eq!(softnet(""), None);
        assert_eq!(softnet("0031e428 00000002\n"), None);
        assert_eq!(softnet("0 0 0\nx 0 0\n"), None);
    }

    #[test]
    fn a_table_is_read_by_the_names_in_its_heading() {
        let text =
            "entries  clashres drop insert_failed\n0000000a  00 0000001d 0\n0000000a 00 1 2\n";
        let table = table(text);
        assert_eq!(table.get("drop"), Some(&30));
        assert_eq!(table.get("insert_failed"), Some(&2));
        assert_eq!(table.get("early_drop"), None);
    }

    #[test]
    fn a_short_line_leaves_its_last_columns_unknown() {
        let table = table("entries drop\n1 2\n1\n");
        assert_eq!(table.get("entries"), Some(&2));
        assert_eq!(table.get("drop"), None);
        assert!(super::table("entries drop\n").is_empty());
    }

    proptest! {
        #[test]
        fn any_text_parses(text in "\\PC*", lines in proptest::collection::vec("[a-z0-9 ]{0,40}", 0..9)) {
            softnet(&text);
            table(&text);
            softnet(&lines.join("\n"));
            table(&lines.join("\n"));
        }
    }
}
