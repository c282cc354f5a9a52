//! What is certainly known: a set of paths that have a value.

use std::cell::RefCell;
use std::collections::HashMap;
use std::rc::Rc;

/// Paths that certainly have a value: `connect` (the step saw something), `connect.icmp.kind` (and
/// that field is not null).
///
/// Sets that come from one another share the table of paths and are one bit a path large: a runbook of
/// a thousand steps has thousands of both.
#[derive(Debug, Clone, Default)]
pub struct Facts {
    table: Rc<RefCell<Table>>,
    bits: Vec<u64>,
}

#[derive(Debug, Default)]
struct Table {
    numbers: HashMap<String, usize>,
    /// The paths by their first name.
    under: HashMap<String, Vec<String>>,
}

impl Table {
    fn number(&mut self, path: &str) -> usize {
        if let Some(number) = self.numbers.get(path) {
            return *number;
        }
        let number = self.numbers.len();
        self.numbers.insert(path.to_owned(), number);
        let root = path.split('.').next().unwrap_or(path);
        self.under.entry(root.to_owned()).or_default().push(path.to_owned());
        number
    }
}

impl Facts {
    /// Adds a path and everything it goes through.
    pub fn add(&mut self, path: &str) {
        for (at, _) in path.match_indices('.') {
            self.insert(&path[..at]);
        }
        self.insert(path);
    }

    fn insert(&mut self, path: &str) {
        let number = self.table.borrow_mut().number(path);
        let word = number / 64;
        if self.bits.len() <= word {
            self.bits.resize(word + 1, 0);
        }
        self.bits[word] |= 1 << (number % 64);
    }

    /// Says whether a path certainly has a value.
    pub fn has(&self, path: &str) -> bool {
        let number = self.table.borrow().numbers.get(path).copied();
        number.is_some_and(|number| {
            self.bits.get(number / 64).is_some_and(|w| w >> (number % 64) & 1 == 1)
        })
    }

    /// Keeps what holds in both.
    #[must_use]
    pub fn both(&self, other: &Facts) -> Facts {
        let other = other.in_table_of(self);
        let bits = self.bits.iter().zip(&other.bits).map(|(a, b)| a & b).collect();
        Facts { table: Rc::clone(&self.table), bits }
    }

    /// Adds what holds in the other.
    pub(super) fn extend(&mut self, other: &Facts) {
        let other = other.in_table_of(self);
        if self.bits.len() < other.bits.len() {
            self.bits.resize(other.bits.len(), 0);
        }
        for (mine, more) in self.bits.iter_mut().zip(&other.bits) {
            *mine |= more;
        }
    }

    /// Renames the first name of every path: what was `result` is seen under the step's id later.
    #[must_use]
    pub fn renamed(&self, from: &str, to: &str) -> Facts {
        let under = self.table.borrow().under.get(from).cloned().unwrap_or_default();
        let mut facts = self.clone();
        for path in under.iter().filter(|path| self.has(path)) {
            facts.remove(path);
            let rest = path.strip_prefix(from).unwrap_or_default();
            facts.insert(&format!("{to}{rest}"));
        }
        facts
    }

    fn remove(&mut self, path: &str) {
        let number = self.table.borrow().numbers.get(path).copied();
        if let Some(number) = number
            && let Some(word) = self.bits.get_mut(number / 64)
        {
            *word &= !(1 << (number % 64));
        }
    }

    /// Returns itself, its bits numbered as in another set.
    fn in_table_of(&self, other: &Facts) -> Facts {
        if Rc::ptr_eq(&self.table, &other.table) {
            return self.clone();
        }
        let mut facts = Facts { table: Rc::clone(&other.table), bits: Vec::new() };
        let mine: Vec<String> = self.table.borrow().numbers.keys().cloned().collect();
        for path in mine.iter().filter(|path| self.has(path)) {
            facts.insert(path);
        }
        facts
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    impl Facts {
        pub(crate) fn of(paths: &[&str]) -> Facts {
            let mut facts = Facts::default();
            for path in paths {
                facts.add(path);
            }
            facts
        }
    }

    #[test]
    fn a_path_brings_what_it_goes_through() {
        let facts = Facts::of(&["connect.icmp.kind"]);
        assert!(
            facts.has("connect") && facts.has("connect.icmp") && facts.has("connect.icmp.kind")
        );
        assert!(!facts.has("connect.icmp.code") && !facts.has("icmp"));
    }

    #[test]
    fn both_keeps_what_two_sets_share_whatever_their_tables() {
        let one = Facts::of(&["a.x", "b.y", "c"]);
        let mut two = one.clone();
        two.add("d");
        for other in [Facts::of(&["c", "d", "a.x"]), two] {
            let both = one.both(&other);
            assert!(both.has("a.x") && both.has("c") && !both.has("d"));
        }
        assert!(!one.both(&Facts::of(&["c"])).has("b.y"));
    }

    #[test]
    fn renaming_moves_a_whole_subtree_and_nothing_else() {
        let facts =
            Facts::of(&["result.icmp.kind", "results", "target"]).renamed("result", "connect");
        assert!(facts.has("connect.icmp.kind") && facts.has("results") && facts.has("target"));
        assert!(!facts.has("result") && !facts.has("result.icmp"));
    }
}
