//! Sets and maps: exact values, intervals and concatenations.

use super::{Family, Verdict};

const INTERVAL: u32 = 0x4;

/// A set or map with its elements.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Set {
    /// Its table's family.
    pub family: Family,
    /// Its table.
    pub table: String,
    /// Its name; `__set0`, `__map0` … when a rule wrote it in place.
    pub name: String,
    /// `NFT_SET_*` bits.
    pub flags: u32,
    /// Bytes of a key.
    pub key_len: usize,
    /// Bytes of each part of a concatenated key; empty when it is one value.
    pub fields: Vec<usize>,
    /// Its elements.
    pub elements: Vec<Element>,
}

/// An element of a set.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Element {
    /// Which values it stands for.
    pub key: Key,
    /// What a map gives for them.
    pub value: Value,
    /// Whether it carries a condition of its own, such as a rate limit.
    pub conditional: bool,
}

/// Which values an element stands for, in the order of their bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Key {
    /// One value.
    Exact(Vec<u8>),
    /// From a value on, up to but without another; open when there is none.
    Until(Vec<u8>, Option<Vec<u8>>),
    /// Between two values, part by part, both included.
    Between(Vec<u8>, Vec<u8>),
    /// Everything that no other element stands for.
    Any,
}

/// What a map gives for an element.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Value {
    /// Nothing: it is a set.
    None,
    /// Data for a register.
    Data(Vec<u8>),
    /// A verdict.
    Verdict(Verdict),
}

/// An element as the kernel lists it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RawElement {
    /// The key, or the start of an interval.
    pub key: Vec<u8>,
    /// The last value, for intervals of concatenations.
    pub key_end: Option<Vec<u8>>,
    /// See [`Element::value`].
    pub value: Value,
    /// Marks the first value *behind* an interval.
    pub interval_end: bool,
    /// Stands for everything else.
    pub catch_all: bool,
    /// See [`Element::conditional`].
    pub conditional: bool,
}

impl Set {
    /// Takes the elements that the kernel listed.
    ///
    /// Intervals of simple keys come as two elements, a start and the first value behind the end; the
    /// second is left out when the next interval begins there.
    pub fn fill(&mut self, mut raw: Vec<RawElement>) {
        let intervals = self.flags & INTERVAL != 0;
        if intervals {
            raw.sort_by(|a, b| a.key.cmp(&b.key));
        }
        for (at, element) in raw.iter().enumerate() {
            if element.interval_end {
                continue;
            }
            let key = match &element.key_end {
                _ if element.catch_all => Key::Any,
                Some(end) => Key::Between(element.key.clone(), end.clone()),
                None if intervals && self.fields.len() < 2 => {
                    let later = raw.get(at..).unwrap_or_default();
                    let end = later.iter().find(|next| next.key > element.key);
                    Key::Until(element.key.clone(), end.map(|next| next.key.clone()))
                }
                None => Key::Exact(element.key.clone()),
            };
            self.elements.push(Element {
                key,
                value: element.value.clone(),
                conditional: element.conditional,
            });
        }
    }
}
