//! The counters of network devices as `/proc/net/dev` prints them.
//!
//! Columns are found by the names in the heading; one that is missing is unknown, not zero.

use std::collections::BTreeMap;

/// The error and drop counters of one device since it was made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct DeviceCounters {
    /// Frames received with an error.
    pub rx_errors: Option<u64>,
    /// Frames received and dropped, also those that the device missed.
    pub rx_dropped: Option<u64>,
    /// Frames that could not be sent for an error.
    pub tx_errors: Option<u64>,
    /// Frames dropped on the way out.
    pub tx_dropped: Option<u64>,
}

/// Where the counters stand in a line.
#[derive(Debug, Default)]
struct Columns {
    rx_errors: Option<usize>,
    rx_dropped: Option<usize>,
    tx_errors: Option<usize>,
    tx_dropped: Option<usize>,
}

/// Reads the text of `/proc/net/dev`; lines without numbers are skipped, as is everything when the
/// heading does not name its columns.
pub fn parse(text: &str) -> BTreeMap<String, DeviceCounters> {
    let mut columns = None;
    let mut devices = BTreeMap::new();
    for line in text.lines() {
        let Some(columns) = &columns else {
            columns = heading(line);
            continue;
        };
        // A name may contain a colon, the numbers do not.
        let Some((name, numbers)) = line.rsplit_once(':') else { continue };
        let numbers: Vec<Option<u64>> =
            numbers.split_whitespace().map(|number| number.parse().ok()).collect();
        let at = |column: Option<usize>| column.and_then(|n| numbers.get(n).copied().flatten());
        let counters = DeviceCounters {
            rx_errors: at(columns.rx_errors),
            rx_dropped: at(columns.rx_dropped),
            tx_errors: at(columns.tx_errors),
            tx_dropped: at(columns.tx_dropped),
        };
        devices.insert(name.trim().to_owned(), counters);
    }
    devices
}

/// Reads the heading's second line: ` face |bytes packets errs …|bytes packets errs …`.
fn heading(line: &str) -> Option<Columns> {
    let mut parts = line.split('|').skip(1);
    let (receive, transmit) = (parts.next()?, parts.next()?);
    let receive: Vec<&str> = receive.split_whitespace().collect();
    let transmit: Vec<&str> = transmit.split_whitespace().collect();
    let find = |names: &[&str], name: &str| names.iter().position(|known| *known == name);
    let offset = receive.len();
    receive.contains(&"bytes").then(|| Columns {
        rx_errors: find(&receive, "errs"),
        rx_dropped: find(&receive, "drop"),
        tx_errors: find(&transmit, "errs").map(|n| n + offset),
        tx_dropped: find(&transmit, "drop").map(|n| n + offset),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const TEXT: &str = "\
Inter-|   Receive                                                |  Transmit
 face |bytes    packets errs drop fifo frame compressed multicast|bytes    packets errs drop fifo colls carrier compressed
    lo:  390521    6575    0    0    0     0          0         0   390521    6575    0    0    0     0       0          0
eth0:1: 104206127    5256    1    2    0     0          0         0   319350    3235    3    4    0     0       0          0
";

    #[test]
    fn errors_and_drops_of_both_directions_are_found_by_name() {
        let devices = parse(TEXT);
        assert_eq!(devices["lo"].rx_errors, Some(0));
        assert_eq!(
            devices["eth0:1"],
            DeviceCounters {
                rx_errors: Some(1),
                rx_dropped: Some(2),
                tx_errors: Some(3),
                tx_dropped: Some(4)
            }
        );
    }

    #[test]
    fn a_missing_column_is_unknown() {
        let devices = parse(" face |bytes drop|bytes errs\n eth0: 1 2 3\n");
        let expected = DeviceCounters { rx_dropped: Some(2), ..DeviceCounters::default() };
        assert_eq!(devices["eth0"], expected);
        assert!(parse("eth0: 1 2 3\n").is_empty());
    }

    proptest! {
        #[test]
        fn any_text_parses(text in "\\PC*", lines in proptest::collection::vec("[a-z|: 0-9]{0,40}", 0..9)) {
            parse(&text);
            parse(&format!("{TEXT}{}", lines.join("\n")));
        }
    }
}
