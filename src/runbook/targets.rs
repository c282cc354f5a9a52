//! Targets files: what `check` looks at, and what is expected of each target.
//!
//! Read as strictly as runbooks: unknown keys, duplicate names, ids that the runbook never concludes
//! are all reported at once with their places. Only variables that the file declares under `env` are
//! put in, once, into finished values: what a variable holds is never read as YAML.

mod env;
mod expect;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, HashMap, HashSet};
use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

use serde_json::{Map, Value};

use super::code::Code;
use super::problem::{LoadErrors, Source, did_you_mean};
use super::read::{Fields, Reader};
use super::value::literal_fits;
use super::yaml::{self, Bounds, Node, Yaml};
use super::{Param, Runbook};
use crate::model::expect::Expect;
use crate::model::target::{Host, Target};
use crate::model::types::Type;

pub use expect::parse_expect;

/// The most targets in one file.
pub const MOST_TARGETS: usize = 10_000;
/// The largest file, in bytes.
pub const LARGEST: usize = 8 << 20;
const BOUNDS: Bounds = Bounds { bytes: LARGEST, nodes: 600_000 };
/// No name and no label is longer, in characters.
const LONGEST: usize = 200;
/// No budget is longer.
const LONGEST_TIME: Duration = Duration::from_secs(24 * 60 * 60);

/// One target of a file, everything about it checked.
#[derive(Debug, Clone)]
pub struct Wanted {
    /// Its name, unique in the file.
    pub name: String,
    /// The target; `None` where the runbook is about this machine alone.
    pub target: Option<Target>,
    /// The address family that the file insists on: `any`, `v4` or `v6`.
    pub family: Option<&'static str>,
    /// The runbook to walk.
    pub runbook: Arc<Runbook>,
    /// Its parameters, complete.
    pub params: Map<String, Value>,
    /// What is expected.
    pub expect: Expect,
    /// Its labels.
    pub labels: BTreeMap<String, String>,
    /// How long one run may take.
    pub budget: Option<Duration>,
    /// For how long it is looked at again until it is as expected.
    pub retry_until: Option<Duration>,
    /// The pause between two looks.
    pub interval: Option<Duration>,
    /// The line of its entry, from 1.
    pub line: u32,
}

/// Message and help of what cannot be found.
pub type NotFound = (String, Option<String>);
/// Finds the runbook of that name, or else the one that answers the question about a host.
pub type FindRunbook<'a> = &'a mut dyn FnMut(Option<&str>, &Host) -> Result<Arc<Runbook>, NotFound>;
/// Returns the value of an environment variable; an error says why there is none.
pub type Variable<'a> = &'a dyn Fn(&str) -> Result<String, String>;

/// Reads a targets file; `source` is its name for messages.
///
/// # Errors
///
/// Returns everything that is wrong.
pub fn parse_targets(
    source: &str,
    text: &str,
    variable: Variable<'_>,
    find: FindRunbook<'_>,
) -> Result<Vec<Wanted>, LoadErrors> {
    // What is too large is not kept for showing.
    let kept = if text.len() > LARGEST { "" } else { text };
    let reader = Reader::alone(source, kept);
    let mut file = File {
        reader,
        find,
        filled: HashSet::new(),
        unfilled: Vec::new(),
        found: HashMap::new(),
        expected: HashMap::new(),
    };
    let root = match yaml::parse_within(text, &BOUNDS) {
        Ok(root) => Some(root),
        Err(broken) => {
            file.reader.wrong(broken.code, &broken.span, broken.message, broken.help);
            None
        }
    };
    let wanted = root.and_then(|mut root| file.file(&mut root, variable));
    file.reader.finish(wanted)
}

/// A targets file while it is read.
struct File<'a> {
    reader: Reader,
    find: FindRunbook<'a>,
    /// Where texts begin into which a variable was put.
    filled: HashSet<usize>,
    /// Where texts begin that lack a variable's value; what holds one is not judged further.
    unfilled: Vec<usize>,
    /// Runbooks by what was asked for; `None` where that was complained about.
    found: HashMap<(Option<String>, bool), Option<Arc<Runbook>>>,
    /// Expectations by runbook and place: the defaults are read once for each runbook.
    expected: HashMap<(*const Runbook, usize), Option<Expect>>,
}

const ENTRY: [&str; 9] =
    ["name", "target", "runbook", "params", "expect", "labels", "budget", "retry", "family"];
const DEFAULTS: [&str; 7] = ["runbook", "params", "expect", "labels", "budget", "retry", "family"];
const FAMILIES: [(&str, &str); 3] = [("any", "any"), ("v4", "v4"), ("v6", "v6")];

impl File<'_> {
    fn file(&mut self, root: &mut Node, variable: Variable<'_>) -> Option<Vec<Wanted>> {
        let what = "a targets file";
        let known = ["format", "env", "defaults", "targets"];
        let fields = self.reader.fields(root, what, &known)?;
        self.reader.format(fields, root, what);
        let declared = fields.find("env").cloned();
        self.reader.need(fields, root, what, "targets");
        let variables = self.variables(declared.as_ref(), variable);
        if let Yaml::Map(entries) = &mut root.value {
            for (key, node) in entries {
                if matches!(key.name.as_str(), "defaults" | "targets") {
                    self.fill(node, &variables);
                }
            }
        }
        let fields = Fields::of(root)?;
        let nothing = Node { value: Yaml::Map(Vec::new()), span: 0..0 };
        let defaults = fields.find("defaults").unwrap_or(&nothing);
        if self.lacks(defaults) {
            return None;
        }
        let defaults = self.reader.fields(defaults, "`defaults`", &DEFAULTS)?;
        let node = fields.find("targets")?;
        let items = self.reader.list(node, "`targets`")?;
        if items.is_empty() {
            self.reader.wrong(Code::TARGETS, &node.span, "there are no targets", None);
        }
        if items.len() > MOST_TARGETS {
            let message = format!("there are {} targets, more than {MOST_TARGETS}", items.len());
            self.reader.wrong(Code::BOUNDS, &items[MOST_TARGETS].span, message, None);
            return None;
        }
        // Spans lead to lines without reading the text again for each.
        let mut lines = Lines { text: Arc::clone(&self.reader.part(0).source), at: 0, line: 1 };
        let mut names: HashMap<String, Range<usize>> = HashMap::new();
        let mut wanted = Vec::with_capacity(items.len());
        for item in items {
            if self.reader.errors.is_full() {
                break;
            }
            if self.lacks(item) {
                continue;
            }
            let line = lines.line(item.span.start);
            let Some((one, place)) = self.entry(item, defaults, line) else { continue };
            if let Some(first) = names.get(&one.name) {
                self.reader.problem(
                    Code::DUPLICATE_KEY,
                    &place,
                    format!("two targets are called `{}`", one.name),
                    Some("give each a `name` of its own".to_owned()),
                    Some((first.clone(), "the first".to_owned())),
                );
            }
            names.entry(one.name.clone()).or_insert(place);
            wanted.push(one);
        }
        Some(wanted)
    }

    /// Reads one target: a mapping, or the target alone as text. Also returns where its name stands.
    fn entry(
        &mut self,
        node: &Node,
        defaults: Fields<'_>,
        line: u32,
    ) -> Option<(Wanted, Range<usize>)> {
        let what = "a target";
        let alone = [(
            yaml::Key { name: "target".to_owned(), span: node.span.clone() },
            Node { value: node.value.clone(), span: node.span.clone() },
        )];
        let fields = match node.value {
            Yaml::Text(_) => Fields::from_entries(&alone),
            _ => self.reader.fields(node, what, &ENTRY)?,
        };
        let either = |key: &str| fields.find(key).or_else(|| defaults.find(key));
        let family = either("family");
        let family = family.and_then(|node| self.reader.word(node, "`family`", &FAMILIES));
        let mut bad = false;
        let target = fields.find("target").and_then(|node| {
            let target = self.target(node, family);
            bad = target.is_none();
            target
        });
        let named = fields.find("name");
        let name = match (named, &target) {
            (Some(node), _) => self.label_text(node, "`name`"),
            (None, Some(target)) => Some(target.without_secrets()),
            (None, None) => None,
        };
        let runbook =
            self.runbook(either("runbook"), target.as_ref().map(|target| &target.host))?;
        if target.is_none() && !bad && !self.reader.mistyped(fields, "target") {
            let place = fields.first().unwrap_or_else(|| node.span.clone());
            if runbook.needs_target() {
                let message =
                    format!("a target of runbook {} lacks the key `target`", runbook.name);
                self.reader.wrong(Code::MISSING_KEY, &place, message, None);
            } else if named.is_none() {
                let message = "a check of this machine alone needs a `name`";
                self.reader.wrong(Code::MISSING_KEY, &place, message, None);
            }
        }
        let params = self.params_of(fields.find("params"), defaults.find("params"), &runbook, node);
        let expect = match either("expect") {
            Some(node) => self.expect(node, &runbook),
            None => Some(Expect::default()),
        };
        let mut labels = BTreeMap::new();
        for node in [defaults.find("labels"), fields.find("labels")].into_iter().flatten() {
            self.labels(node, &mut labels);
        }
        let budget = either("budget").and_then(|node| self.time(node, "`budget`"));
        let retry = either("retry").and_then(|node| {
            let fields = self.reader.fields(node, "`retry`", &["until", "interval"])?;
            let until = self.reader.need(fields, node, "`retry`", "until")?;
            let until = self.time(until, "`until`")?;
            let interval = fields.find("interval");
            Some((until, interval.and_then(|node| self.time(node, "`interval`"))))
        });
        if bad {
            return None;
        }
        let place = named.or_else(|| fields.find("target")).map_or(&node.span, |node| &node.span);
        let place = place.clone();
        let one = Wanted {
            name: name?,
            target,
            family,
            runbook,
            params: params?,
            expect: expect?,
            labels,
            budget,
            retry_until: retry.map(|(until, _)| until),
            interval: retry.and_then(|(_, interval)| interval),
            line,
        };
        Some((one, place))
    }

    /// Whether a variable below this place has no value.
    fn lacks(&self, node: &Node) -> bool {
        self.unfilled.iter().any(|at| node.span.contains(at))
    }

    fn target(&mut self, node: &Node, family: Option<&str>) -> Option<Target> {
        let text = self.reader.text(node, "`target`")?;
        let wrong = |problem: String, help: String, file: &mut Self| {
            file.reader.wrong(Code::TARGETS, &node.span, problem, Some(help));
            None
        };
        let target = match text.parse::<Target>() {
            Ok(target) => target,
            Err(error) => {
                return wrong(format!("the target cannot be used: {error}"), error.hint, self);
            }
        };
        if target.port.is_none() {
            let message = match &target.scheme {
                Some(scheme) => {
                    format!("the target has no port, and the scheme {scheme} no known one")
                }
                None => "the target has no port".to_owned(),
            };
            return wrong(message, "write host:port, or a URL such as https://…".to_owned(), self);
        }
        if let (Host::Addr(address, _), Some(family)) = (&target.host, family) {
            let other = if address.is_ipv4() { "v6" } else { "v4" };
            if family == other {
                let message = format!("the address does not go with `family: {family}`");
                return wrong(message, "leave `family` out".to_owned(), self);
            }
        }
        Some(target)
    }

    /// Finds the runbook, once for each name.
    fn runbook(&mut self, node: Option<&Node>, host: Option<&Host>) -> Option<Arc<Runbook>> {
        let name = match node {
            Some(node) => Some(self.reader.text(node, "`runbook`")?.to_owned()),
            None => None,
        };
        // Without a target there is only the runbook to go by.
        let host = host.unwrap_or(&Host::Here);
        let key = (name, *host == Host::Here);
        if let Some(known) = self.found.get(&key) {
            return known.clone();
        }
        let found = match (self.find)(key.0.as_deref(), host) {
            Ok(found) => Some(found),
            Err((message, help)) => {
                let place = node.map_or(0..0, |node| node.span.clone());
                self.reader.wrong(Code::UNKNOWN_RUNBOOK, &place, message, help);
                None
            }
        };
        self.found.insert(key, found.clone());
        found
    }

    /// Reads the parameters: the target's own, then those of the defaults, then the runbook's.
    fn params_of(
        &mut self,
        own: Option<&Node>,
        defaults: Option<&Node>,
        runbook: &Runbook,
        entry: &Node,
    ) -> Option<Map<String, Value>> {
        let mut given: HashMap<&str, &Node> = HashMap::new();
        for node in [defaults, own].into_iter().flatten() {
            for (key, value) in self.reader.entries(node, "`params`")? {
                if !runbook.params.iter().any(|param| param.name == key.name) {
                    let known: Vec<&str> = runbook.params.iter().map(|p| p.name.as_str()).collect();
                    let help = did_you_mean(&key.name, &known, "parameters");
                    let message =
                        format!("runbook {} has no parameter `{}`", runbook.name, key.name);
                    self.reader.wrong(Code::ARGUMENT, &key.span, message, Some(help));
                }
                given.insert(&key.name, value);
            }
        }
        let mut bound = Map::new();
        for param in &runbook.params {
            let value = match (given.get(param.name.as_str()), &param.default) {
                (Some(node), _) => self.param_value(param, node),
                (None, Some(default)) => Some(default.clone()),
                (None, None) => {
                    let message =
                        format!("runbook {} needs its parameter `{}`", runbook.name, param.name);
                    let help = Some(format!("write params: {{{}: …}}: {}", param.name, param.help));
                    let place = entry.span.start..entry.span.start;
                    self.reader.wrong(Code::ARGUMENT, &place, message, help);
                    None
                }
            };
            bound.insert(param.name.clone(), value?);
        }
        Some(bound)
    }

    fn param_value(&mut self, param: &Param, node: &Node) -> Option<Value> {
        let mut value = Reader::json(node);
        if let (Yaml::Text(text), false) = (&node.value, param.ty == Type::Text)
            && self.filled.contains(&node.span.start)
        {
            let plain = Node { value: yaml::typed(text), span: node.span.clone() };
            value = Reader::json(&plain);
        }
        let name = &param.name;
        let problem = if !literal_fits(&value, &param.ty) {
            Some(format!("parameter `{name}` must be {}", param.ty.name()))
        } else {
            let number = value.as_f64();
            match (number, param.min, param.max) {
                (Some(n), Some(min), _) if n < min => Some(format!("`{name}` is less than {min}")),
                (Some(n), _, Some(max)) if n > max => Some(format!("`{name}` is more than {max}")),
                _ => None,
            }
        };
        let Some(problem) = problem else {
            return Some(value);
        };
        let help = Some(param.help.clone()).filter(|help| !help.is_empty());
        self.reader.wrong(Code::ARGUMENT_TYPE, &node.span, problem, help);
        None
    }

    fn labels(&mut self, node: &Node, labels: &mut BTreeMap<String, String>) {
        for (key, value) in self.reader.entries(node, "`labels`").unwrap_or_default() {
            let strange = |c: char| c.is_whitespace() || c.is_control() || "=*,".contains(c);
            if key.name.is_empty()
                || key.name.chars().count() > LONGEST
                || key.name.contains(strange)
            {
                let message = format!("`{}` cannot be a label", key.name);
                let help = Some("no blanks, no = * , and at most 200 characters".to_owned());
                self.reader.wrong(Code::BAD_NAME, &key.span, message, help);
            }
            if let Some(text) = self.label_text(value, "a label's value") {
                labels.insert(key.name.clone(), text);
            }
        }
    }

    /// Reads a short text on one line; numbers and truth values are taken as written.
    fn label_text(&mut self, node: &Node, what: &str) -> Option<String> {
        let text = match &node.value {
            Yaml::Text(text) => text.clone(),
            Yaml::Bool(_) | Yaml::Int(_) | Yaml::Float(_) => Reader::json(node).to_string(),
            _ => {
                self.reader.type_error(node, what, "text");
                return None;
            }
        };
        let blank = text.trim().is_empty();
        if blank || text.chars().count() > LONGEST || text.chars().any(char::is_control) {
            let message = format!("{what} must be one line of 1 to {LONGEST} characters");
            self.reader.wrong(Code::BAD_NAME, &node.span, message, None);
            return None;
        }
        Some(text)
    }

    fn time(&mut self, node: &Node, what: &str) -> Option<Duration> {
        let Yaml::Text(text) = &node.value else {
            self.reader.type_error(node, what, "a time with its unit, as in 500ms or 1m30s");
            return None;
        };
        let time = text.parse::<jiff::SignedDuration>().ok();
        let time = time.and_then(|time| Duration::try_from(time).ok());
        let fits = |time: &Duration| (Duration::from_millis(1)..=LONGEST_TIME).contains(time);
        if time.filter(fits).is_none() {
            let message = format!("{what} cannot be `{text}`");
            let help = "a time from 1ms to 24h with its unit, as in 500ms or 1m30s".to_owned();
            self.reader.wrong(Code::WRONG_TYPE, &node.span, message, Some(help));
            return None;
        }
        time
    }
}

/// Counts lines while places rise.
struct Lines {
    text: Arc<Source>,
    at: usize,
    line: u32,
}

impl Lines {
    fn line(&mut self, at: usize) -> u32 {
        let bytes = self.text.text.as_bytes();
        let to = at.min(bytes.len());
        // An alias may lead back.
        if to >= self.at {
            let more = bytes[self.at..to].iter().filter(|byte| **byte == b'\n').count();
            self.line = self.line.saturating_add(u32::try_from(more).unwrap_or(u32::MAX));
            self.at = to;
        }
        self.line
    }
}
