//! `/proc/net/sockstat`: how many sockets there are and the memory that they hold.

/// Finds one number by group and name, for example `TCP` and `mem` (pages); `None` when this kernel
/// does not print it.
pub fn value(text: &str, group: &str, name: &str) -> Option<u64> {
    let numbers = text.lines().find_map(|line| line.strip_prefix(group)?.strip_prefix(':'))?;
    let mut words = numbers.split_whitespace();
    words.find(|word| *word == name)?;
    words.next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "sockets: used 20\nTCP: inuse 1 orphan 112 tw 0 alloc 186 mem 91\n";

    #[test]
    fn numbers_are_found_by_name() {
        assert_eq!(value(TEXT, "TCP", "mem"), Some(91));
        assert_eq!(value(TEXT, "TCP", "orphan"), Some(112));
    }

    #[test]
    fn what_is_missing_is_unknown() {
        assert_eq!(value(TEXT, "TCP", "peak"), None);
        assert_eq!(value(TEXT, "UDP", "mem"), None);
        assert_eq!(value("TCP: mem\n", "TCP", "mem"), None);
        assert_eq!(value("TCP: mem x\n", "TCP", "mem"), None);
    }
}
