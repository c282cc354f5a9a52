//! Names and what stands for them.

use std::collections::HashMap;
use std::net::IpAddr;

use super::address::{Addresses, leading};
use super::scan;

/// What a name is of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Kind {
    /// A machine, by its name.
    Host,
    /// A user.
    User,
    /// A program, by the name of its process.
    Process,
    /// The command line of a process.
    Arguments,
    /// One word of a command line.
    Argument,
    /// A unit of systemd.
    Unit,
    /// A container.
    Container,
    /// An owner in words: `app (pid 123, user ann, unit app.service)`.
    Owner,
    /// What a server says first.
    Banner,
    /// What somebody wrote beside a rule.
    Comment,
    /// A file in somebody's home.
    Path,
}

impl Kind {
    /// Returns the word that pseudonyms begin with.
    pub fn word(self) -> &'static str {
        match self {
            Kind::Host => "host",
            Kind::User => "user",
            Kind::Process => "process",
            Kind::Arguments => "arguments",
            Kind::Argument => "argument",
            Kind::Unit => "unit",
            Kind::Container => "container",
            Kind::Owner => "owner",
            Kind::Banner => "banner",
            Kind::Comment => "comment",
            Kind::Path => "path",
        }
    }
}

/// What was replaced, and by what.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Replaced {
    /// What it is: `host`, `address`, `user` …
    pub kind: &'static str,
    /// What stood there.
    pub original: String,
    /// What stands there now.
    pub pseudonym: String,
}

/// Names that say nothing about anybody.
const COMMON: &[&str] = &["localhost", "this machine", "root", "nobody", "hidden", "builtin"];

/// All names known so far.
#[derive(Debug, Default)]
pub(super) struct Names {
    pub(super) addresses: Addresses,
    /// Names of letters, digits, `.`, `-` and `_`; of hosts in lower case.
    words: HashMap<String, (Kind, String)>,
    /// All other names, by their first character, the longest first.
    phrases: HashMap<char, Vec<(String, String)>>,
    count: HashMap<Kind, usize>,
    order: Vec<Replaced>,
}

impl Names {
    /// Returns what was replaced, names first.
    pub(super) fn replaced(&self) -> Vec<Replaced> {
        let addresses = self.addresses.replaced().map(|(original, pseudonym)| Replaced {
            kind: "address",
            original,
            pseudonym,
        });
        self.order.iter().cloned().chain(addresses).collect()
    }

    /// Learns that a text is a name of this kind.
    pub(super) fn learn(&mut self, kind: Kind, text: &str) {
        self.learn_addresses(text);
        let text = text.trim();
        let name = if kind == Kind::Host { text.trim_end_matches('.') } else { text };
        if kind == Kind::Owner {
            return self.learn_owner(name);
        }
        if kind == Kind::Argument && !is_telling(name) {
            return;
        }
        let is_address = leading(name).is_some_and(|(end, _)| {
            end == name.len() || kind == Kind::Host && name[end..].starts_with('%')
        });
        if name.is_empty() || is_address || is_common(name) || self.find(name).is_some() {
            return;
        }
        let nth = self.count.entry(kind).or_insert(0);
        *nth += 1;
        let pseudonym = format!("{}-{nth}", kind.word());
        self.insert(kind, name, pseudonym);
    }

    fn insert(&mut self, kind: Kind, name: &str, pseudonym: String) {
        self.order.push(Replaced {
            kind: kind.word(),
            original: name.to_owned(),
            pseudonym: pseudonym.clone(),
        });
        if name.chars().all(scan::is_in_word) {
            self.words.insert(name.to_lowercase(), (kind, pseudonym));
            return;
        }
        let Some(first) = name.chars().next() else { return };
        let phrases = self.phrases.entry(first).or_default();
        let at = phrases.partition_point(|(other, _)| other.len() >= name.len());
        phrases.insert(at, (name.to_owned(), pseudonym));
    }

    /// Learns the addresses in a text, so that no pseudonym is one of them.
    pub(super) fn learn_addresses(&mut self, text: &str) {
        scan::addresses(text).for_each(|address: IpAddr| self.addresses.meet(address));
    }

    /// Learns the user and the path of a URL that is a target; what may follow is a secret as well.
    pub(super) fn learn_target(&mut self, input: &str) {
        self.learn_addresses(input);
        let Some((_, rest)) = input.split_once("://") else {
            let host = input.rsplit_once(':').map_or(input, |(host, _)| host);
            if !host.is_empty() && host.chars().all(scan::is_in_word) {
                self.learn(Kind::Host, host);
            }
            return;
        };
        let (authority, path) = rest.split_at(rest.find(['/', '?', '#']).unwrap_or(rest.len()));
        let host = match authority.rsplit_once('@') {
            Some((user, host)) => {
                self.learn(Kind::User, user.split(':').next().unwrap_or(user));
                host
            }
            None => authority,
        };
        let host = host.rsplit_once(':').map_or(host, |(host, _)| host);
        if host.chars().all(scan::is_in_word) {
            self.learn(Kind::Host, host);
        }
        if path.len() > 1 && self.find(path).is_none() {
            let nth = self.count.entry(Kind::Path).or_insert(0);
            *nth += 1;
            let pseudonym = format!("/path-{nth}");
            self.insert(Kind::Path, path, pseudonym);
        }
    }

    /// Learns the user in whose home a file lies.
    pub(super) fn learn_path(&mut self, path: &str) {
        if let Some(rest) = path.strip_prefix("/home/") {
            self.learn(Kind::User, rest.split('/').next().unwrap_or(rest));
        }
    }

    /// Learns from `app (pid 123, user ann, unit app.service)` and
    /// `hidden (user ann; needs root)`.
    fn learn_owner(&mut self, words: &str) {
        let Some((name, inside)) = words.rsplit_once(" (") else {
            return self.learn(Kind::Process, words);
        };
        self.learn(Kind::Process, name);
        let inside = inside.trim_end_matches(')').split("; ").next().unwrap_or_default();
        for part in inside.split(", ") {
            match part.split_once(' ') {
                Some(("user", user)) => self.learn(Kind::User, user),
                Some(("unit", unit)) => self.learn(Kind::Unit, unit),
                Some(("container", container)) => self.learn(Kind::Container, container),
                _ => {}
            }
        }
    }

    /// Returns what stands for the whole of a field that holds a name.
    pub(super) fn field(&mut self, kind: Kind, text: &str) -> String {
        if kind == Kind::Argument && !is_telling(text) && self.find(text).is_none() {
            return text.to_owned();
        }
        self.learn(kind, text);
        let name = text.trim();
        match self.find(name) {
            Some((_, pseudonym)) => pseudonym.to_owned(),
            None => scan::rewritten(text, self),
        }
    }

    /// Finds a name; case says nothing.
    pub(super) fn find(&self, name: &str) -> Option<(Kind, &str)> {
        if let Some((kind, pseudonym)) = self.words.get(&name.to_lowercase()) {
            return Some((*kind, pseudonym));
        }
        let phrases = self.phrases.get(&name.chars().next()?)?;
        let found = phrases.iter().find(|(phrase, _)| phrase == name)?;
        Some((Kind::Arguments, &found.1))
    }

    /// Finds a phrase that a text begins with: the whole of it, or as much as was not cut off (`…`).
    pub(super) fn phrase(&self, text: &str) -> Option<(usize, &str)> {
        const ENOUGH: usize = 12;
        let phrases = self.phrases.get(&text.chars().next()?)?;
        phrases.iter().find_map(|(phrase, pseudonym)| {
            if let Some(rest) = text.strip_prefix(phrase.as_str()) {
                // A word that goes on is another one.
                let inside = phrase.ends_with(char::is_alphanumeric);
                let goes_on = inside && rest.starts_with(char::is_alphanumeric);
                return (!goes_on).then_some((phrase.len(), pseudonym.as_str()));
            }
            let common = text.char_indices().zip(phrase.chars());
            let common = common.take_while(|((_, a), b)| a == b).last();
            let end = common.map_or(0, |((at, c), _)| at + c.len_utf8());
            let cut = text[end..].starts_with('…') || text[end..].starts_with("...");
            (end >= ENOUGH && cut).then_some((end, pseudonym.as_str()))
        })
    }
}

/// Whether a word of a command line can tell anything; options and numbers cannot, and would be
/// replaced in every text.
fn is_telling(word: &str) -> bool {
    let option = word.starts_with('-') && !word.contains('=') && word.len() < 20;
    let number = word.bytes().all(|byte| byte.is_ascii_digit());
    !option && !number && word.chars().count() > 1
}

fn is_common(name: &str) -> bool {
    let lower = name.to_lowercase();
    COMMON.contains(&lower.as_str()) || lower.ends_with(".localhost")
}
