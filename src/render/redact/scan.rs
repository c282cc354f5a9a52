//! Finding names and addresses in a text.

use std::net::IpAddr;

use super::address::{leading, leading_link};
use super::names::{Kind, Names};

/// The longest name that is looked for, in parts between `.`, `-` and `_`.
const MOST_PARTS: usize = 16;

/// Whether a name can have the character in it: those of host names, users, processes and units.
pub(super) fn is_in_word(c: char) -> bool {
    c.is_alphanumeric() || matches!(c, '.' | '-' | '_')
}

/// Returns the text with everything that is known replaced.
pub(super) fn rewritten(text: &str, names: &mut Names) -> String {
    let mut new = String::with_capacity(text.len());
    let mut at = 0;
    let mut last = None;
    while let Some(c) = text[at..].chars().next() {
        let rest = &text[at..];
        let begins = !c.is_alphanumeric() || !last.is_some_and(char::is_alphanumeric);
        let found = if begins { replacement(rest, last, names) } else { None };
        let end = match found {
            Some((end, instead)) => {
                new.push_str(&instead);
                end
            }
            None => {
                new.push(c);
                c.len_utf8()
            }
        };
        at += end;
        last = text[..at].chars().next_back();
    }
    new
}

/// Returns all addresses in a text.
pub(super) fn addresses(text: &str) -> impl Iterator<Item = IpAddr> {
    let mut last = None;
    text.char_indices().filter_map(move |(at, c)| {
        let begins = begins_address(last);
        last = Some(c);
        begins.then(|| leading(&text[at..])).flatten().map(|(_, address)| address)
    })
}

fn begins_address(last: Option<char>) -> bool {
    !last.is_some_and(|c| c.is_alphanumeric() || c == '_')
}

/// Returns what the text begins with, by its length, and what stands for it.
fn replacement(rest: &str, last: Option<char>, names: &mut Names) -> Option<(usize, String)> {
    if let Some((end, pseudonym)) = names.phrase(rest) {
        return Some((end, pseudonym.to_owned()));
    }
    let begins = !last.is_some_and(char::is_alphanumeric);
    if begins && let Some((end, link)) = leading_link(rest) {
        return Some((end, names.addresses.of_link(link)));
    }
    if begins_address(last)
        && let Some((end, address)) = leading(rest)
    {
        let given = names.addresses.of(address);
        let spelled = &rest[..end];
        return Some((
            end,
            match (given == address, spelled.contains('-')) {
                (true, _) => spelled.to_owned(),
                (false, true) => given.to_string().replace('.', "-"),
                (false, false) => given.to_string(),
            },
        ));
    }
    if begins { word(rest, last, names) } else { None }
}

/// Looks for a name of which a word or some of its parts consist.
fn word(rest: &str, last: Option<char>, names: &mut Names) -> Option<(usize, String)> {
    let whole = rest.find(|c| !is_in_word(c)).unwrap_or(rest.len());
    let whole = rest[..whole].trim_end_matches(['.', '-', '_']);
    let starts = !last.is_some_and(is_in_word);
    if starts && let Some(end) = subdomain(whole, names) {
        names.learn(Kind::Host, &whole[..end]);
    }
    let parts = whole.match_indices(['.', '-', '_']).map(|(at, _)| at).take(MOST_PARTS - 1);
    let mut ends: Vec<usize> = parts.collect();
    if ends.len() < MOST_PARTS - 1 {
        ends.push(whole.len());
    }
    ends.into_iter().rev().find_map(|end| {
        let name = &whole[..end];
        // One letter is no name that could be told from a word.
        let known = names.find(name).filter(|_| name.chars().nth(1).is_some())?;
        Some((end, known.1.to_owned()))
    })
}

/// Whether the word is a name below a known host's.
fn subdomain(whole: &str, names: &Names) -> Option<usize> {
    let below = whole.match_indices('.').skip_while(|(at, _)| *at == 0).take(MOST_PARTS);
    let mut parents = below.map(|(at, _)| &whole[at + 1..]);
    let known = |parent: &str| matches!(names.find(parent), Some((Kind::Host, _)));
    (names.find(whole).is_none() && parents.any(known)).then_some(whole.len())
}
