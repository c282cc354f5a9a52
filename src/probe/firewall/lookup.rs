//! Sets and maps: does an element stand for the value?

use super::matching::{Fate, Step, fate};
use super::standing::unknown;
use super::value::{Compared, Registers, Slot, Tri, slots};
use crate::wire::nft::{Element, Key, Set, Value};

/// Looks a value up: which elements may hold it?
pub(super) fn look_up(
    set: &Set,
    sreg: u32,
    dreg: Option<u32>,
    inverted: bool,
    registers: &mut Registers,
) -> Step {
    let value = registers.read(sreg, set.key_len);
    let mut hits: Vec<&Element> = Vec::new();
    let mut found = Tri::No;
    for element in set.elements.iter().filter(|element| element.key != Key::Any) {
        let hit = match holds(&set.fields, &element.key, &value) {
            Tri::Yes if element.conditional => Tri::Maybe,
            hit => hit,
        };
        if hit != Tri::No {
            hits.push(element);
            found = found.or(hit);
        }
        if hit == Tri::Yes {
            break;
        }
    }
    if found != Tri::Yes
        && let Some(rest) = set.elements.iter().find(|element| element.key == Key::Any)
    {
        hits.push(rest);
        found = Tri::Yes;
    }
    let goes = found.xor(inverted);
    match (dreg, hits.as_slice()) {
        (None, _) => Step::Goes(goes),
        (Some(0), hits) => {
            let mut fates: Vec<Fate> = Vec::new();
            for hit in hits {
                match &hit.value {
                    Value::Verdict(verdict) => fates.push(fate(verdict)),
                    _ => fates.push(Fate::Unknown),
                }
            }
            match (goes, fates.as_slice()) {
                (Tri::No, _) | (_, []) => Step::Goes(Tri::No),
                (_, [Fate::Next]) => Step::Goes(goes),
                _ => Step::Ends(fates, goes),
            }
        }
        (Some(dreg), [only]) => {
            let value = match &only.value {
                Value::Data(data) => slots(data),
                _ => unknown(),
            };
            registers.write(dreg, &value);
            Step::Goes(goes)
        }
        (Some(dreg), _) => {
            registers.write(dreg, &unknown());
            Step::Goes(goes)
        }
    }
}

fn holds(fields: &[usize], key: &Key, value: &[Slot]) -> Tri {
    match key {
        Key::Exact(bytes) => Compared::new(value, bytes).eq(),
        Key::Until(from, to) => {
            let below = to.as_ref().map(|to| Compared::new(value, to).lt());
            Compared::new(value, from).ge().and(below.unwrap_or(Tri::Yes))
        }
        Key::Between(from, to) => {
            let whole = [from.len()];
            let fields = if fields.is_empty() { &whole } else { fields };
            let mut at = 0;
            let mut result = Tri::Yes;
            for len in fields {
                let part = value.get(at / 4..).unwrap_or_default();
                let end = at + len;
                let (Some(from), Some(to)) = (from.get(at..end), to.get(at..end)) else {
                    return Tri::Maybe;
                };
                result =
                    result.and(Compared::new(part, from).ge()).and(Compared::new(part, to).le());
                // Each part begins at a register of its own.
                at += len.next_multiple_of(4);
            }
            result
        }
        Key::Any => Tri::Maybe,
    }
}
