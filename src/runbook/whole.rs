//! A runbook that was put together from several files, written as one.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::Runbook;
use super::blame::has_word;
use super::problem::Source;
use super::read::Part;
use super::yaml::{Key, Node, Yaml};

/// The keys at the top in their usual order.
const ORDER: [&str; 9] =
    ["format", "name", "title", "about", "contacts", "params", "start", "steps", "diagnoses"];
/// The arms of a step, which one that is left out does not need.
const ARMS: [&str; 4] = ["branches", "unknown", "findings", "meanwhile"];
/// The longest list or mapping in braces.
const WIDTH: usize = 100;

/// What a comment begins with that allows a piece of advice; see `lint`.
const ALLOW: &str = "# lint: allow ";

/// The files that a tree was put together from: for the comments that are not in it.
pub(super) struct Texts(Vec<(usize, Arc<Source>)>);

impl Texts {
    pub(super) fn of(parts: &[Part]) -> Texts {
        Texts(parts.iter().map(|part| (part.offset, Arc::clone(&part.source))).collect())
    }

    /// Whether a place is in another file than the runbook's own.
    fn is_inherited(&self, at: usize) -> bool {
        self.0.get(1).is_some_and(|(offset, _)| at >= *offset)
    }

    /// Returns the codes of the advice that comments allow on a place's line or right above it.
    fn allowed(&self, at: usize) -> BTreeSet<&str> {
        let Some((offset, source)) = self.0.iter().rev().find(|(offset, _)| *offset <= at) else {
            return BTreeSet::new();
        };
        let text = &source.text;
        let Some(before) = text.get(..at - offset) else {
            return BTreeSet::new();
        };
        let start = before.rfind('\n').map_or(0, |end| end + 1);
        let own = text[start..].lines().next();
        let above =
            text[..start].lines().rev().take_while(|line| line.trim_start().starts_with('#'));
        let codes = own.into_iter().chain(above).filter_map(|line| line.split_once(ALLOW));
        let is_code = |word: &&str| word.starts_with("TD");
        let word = |c: char| !c.is_ascii_alphanumeric();
        codes.flat_map(|(_, codes)| codes.split(word)).filter(is_code).collect()
    }
}

/// Writes the tree that a runbook was read from.
pub(super) fn write(root: &Node, runbook: &Runbook, texts: &Texts) -> String {
    let Yaml::Map(entries) = &root.value else {
        return String::new();
    };
    let mut entries = entries.clone();
    entries.sort_by_key(|(key, _)| ORDER.iter().position(|known| *known == key.name));
    for (key, node) in &mut entries {
        if let ("steps", Yaml::Map(steps)) = (key.name.as_str(), &mut node.value) {
            leave_out(steps, runbook);
        }
    }
    let unused = unused_params(&entries, texts);
    let mut out = Out { text: String::new(), texts, unused };
    for (key, node) in &entries {
        if matches!(key.name.as_str(), "params" | "steps" | "diagnoses") {
            out.text.push('\n');
        }
        let Yaml::Map(steps) = &node.value else {
            out.entry(key, node, 0);
            continue;
        };
        if key.name != "steps" || steps.is_empty() {
            out.entry(key, node, 0);
            continue;
        }
        out.text.push_str("steps:\n");
        for (nth, (key, step)) in steps.iter().enumerate() {
            if nth > 0 {
                out.text.push('\n');
            }
            out.entry(key, step, 1);
        }
    }
    out.text
}

/// Finds the parameters of the runbook below that only steps spoke of that are left out.
fn unused_params(entries: &[(Key, Node)], texts: &Texts) -> Vec<usize> {
    let find = |name: &str| entries.iter().find(|(key, _)| key.name == name).map(|(_, node)| node);
    let Some(Yaml::Map(params)) = find("params").map(|node| &node.value) else {
        return Vec::new();
    };
    let steps = find("steps");
    let inherited = params.iter().filter(|(key, _)| texts.is_inherited(key.span.start));
    let idle = inherited.filter(|(key, _)| {
        !steps.is_some_and(|steps| speaks(steps, &format!("params.{}", key.name)))
    });
    idle.map(|(key, _)| key.span.start).collect()
}

/// Takes out the steps that are left out; one that the others speak of stays, turned off, so that its
/// name means something.
fn leave_out(steps: &mut Vec<(Key, Node)>, runbook: &Runbook) {
    let left = |id: &str| runbook.left_out.iter().any(|left| left == id);
    let kept: Vec<Node> =
        steps.iter().filter(|(key, _)| !left(&key.name)).map(|(_, node)| node.clone()).collect();
    // One that is turned off may lead to another.
    let spoken: Vec<String> = steps
        .iter()
        .filter(|(key, _)| left(&key.name) && kept.iter().any(|node| speaks(node, &key.name)))
        .map(|(key, _)| key.name.clone())
        .collect();
    steps.retain(|(key, _)| !left(&key.name) || spoken.contains(&key.name));
    for (key, node) in steps {
        let Yaml::Map(entries) = &mut node.value else {
            continue;
        };
        if !left(&key.name) {
            continue;
        }
        entries.retain(|(key, _)| !ARMS.contains(&key.name.as_str()));
        let known = |node: &Node| match &node.value {
            Yaml::Text(to) => !left(to) || spoken.contains(to),
            _ => false,
        };
        if !entries.iter().any(|(key, node)| key.name == "disable" && known(node)) {
            entries.retain(|(key, _)| key.name != "disable");
            let key = Key { name: "disable".to_owned(), span: 0..0 };
            let value = Yaml::Text("inconclusive".to_owned());
            entries.push((key, Node { value, span: 0..0 }));
        }
    }
}

fn speaks(node: &Node, of: &str) -> bool {
    match &node.value {
        Yaml::Text(text) => has_word(text, of),
        Yaml::List(items) => items.iter().any(|item| speaks(item, of)),
        Yaml::Map(entries) => entries.iter().any(|(_, value)| speaks(value, of)),
        _ => false,
    }
}

/// The text while it is written.
struct Out<'a> {
    text: String,
    texts: &'a Texts,
    /// Where parameters are named that nothing uses, which is nobody's mistake.
    unused: Vec<usize>,
}

impl Out<'_> {
    fn entry(&mut self, key: &Key, node: &Node, depth: usize) {
        let mut codes: BTreeSet<String> =
            self.texts.allowed(key.span.start).into_iter().map(str::to_owned).collect();
        if self.unused.contains(&key.span.start) {
            codes.insert("TD107".to_owned());
        }
        if flow(node).is_some_and(|_| depth > 0) {
            self.allowed_inside(node, &mut codes);
        }
        self.allow(&codes, depth);
        self.indent(depth);
        self.text.push_str(&scalar(&key.name, false));
        self.text.push(':');
        self.value(node, depth);
    }

    fn allow(&mut self, codes: &BTreeSet<String>, depth: usize) {
        if !codes.is_empty() {
            let codes: Vec<&str> = codes.iter().map(String::as_str).collect();
            self.indent(depth);
            self.text.push_str(&format!("{ALLOW}{}\n", codes.join(" ")));
        }
    }

    fn allowed_inside(&self, node: &Node, codes: &mut BTreeSet<String>) {
        let owned = |at| self.texts.allowed(at).into_iter().map(str::to_owned);
        match &node.value {
            Yaml::List(items) => {
                for item in items {
                    codes.extend(owned(item.span.start));
                    self.allowed_inside(item, codes);
                }
            }
            Yaml::Map(entries) => {
                for (key, node) in entries {
                    codes.extend(owned(key.span.start));
                    self.allowed_inside(node, codes);
                }
            }
            _ => {}
        }
    }

    /// Writes a value behind its key or dash, and ends the line.
    fn value(&mut self, node: &Node, depth: usize) {
        match &node.value {
            Yaml::Map(entries) if !entries.is_empty() => {
                if let Some(flow) = flow(node).filter(|_| depth > 0) {
                    self.text.push_str(&format!(" {flow}\n"));
                    return;
                }
                self.text.push('\n');
                for (key, node) in entries {
                    self.entry(key, node, depth + 1);
                }
            }
            Yaml::List(items) if !items.is_empty() => {
                if let Some(flow) = flow(node) {
                    self.text.push_str(&format!(" {flow}\n"));
                    return;
                }
                self.text.push('\n');
                for item in items {
                    self.list_item(item, depth + 1);
                }
            }
            Yaml::Text(text) if text.contains('\n') && is_block(text) => {
                self.text.push_str(if text.ends_with('\n') { " |\n" } else { " |-\n" });
                for line in text.lines() {
                    if !line.is_empty() {
                        self.indent(depth + 1);
                        self.text.push_str(line);
                    }
                    self.text.push('\n');
                }
            }
            _ => {
                self.text.push(' ');
                self.text.push_str(&plain(node, false));
                self.text.push('\n');
            }
        }
    }

    fn list_item(&mut self, item: &Node, depth: usize) {
        let flow = flow(item);
        let Yaml::Map(entries) = &item.value else {
            self.indent(depth);
            self.text.push('-');
            self.value(item, depth);
            return;
        };
        let mut codes = BTreeSet::new();
        if let Some(flow) = flow {
            self.allowed_inside(item, &mut codes);
            self.allow(&codes, depth);
            self.indent(depth);
            self.text.push_str(&format!("- {flow}\n"));
            return;
        }
        let first = entries.first().map_or(0, |(key, _)| key.span.start);
        codes.extend(self.texts.allowed(first).into_iter().map(str::to_owned));
        self.allow(&codes, depth);
        let begin = self.text.len();
        for (nth, (key, node)) in entries.iter().enumerate() {
            if nth > 0 {
                self.entry(key, node, depth + 1);
                continue;
            }
            // What allows something for it stands above the dash.
            self.indent(depth + 1);
            self.text.push_str(&scalar(&key.name, false));
            self.text.push(':');
            self.value(node, depth + 1);
        }
        self.text.replace_range(begin + 2 * depth..begin + 2 * depth + 2, "- ");
    }

    fn indent(&mut self, depth: usize) {
        self.text.extend(std::iter::repeat_n("  ", depth));
    }
}

/// Writes a small list or mapping in one line; `None` for one that is too large for that.
fn flow(node: &Node) -> Option<String> {
    let text = match &node.value {
        Yaml::List(items) => {
            let items: Option<Vec<String>> = items.iter().map(flow_part).collect();
            format!("[{}]", items?.join(", "))
        }
        Yaml::Map(entries) => {
            let part = |(key, value): &(Key, Node)| {
                Some(format!("{}: {}", scalar(&key.name, true), flow_part(value)?))
            };
            let parts: Option<Vec<String>> = entries.iter().map(part).collect();
            format!("{{{}}}", parts?.join(", "))
        }
        _ => return None,
    };
    (text.len() <= WIDTH).then_some(text)
}

fn flow_part(node: &Node) -> Option<String> {
    match &node.value {
        Yaml::List(items) if !items.is_empty() => flow(node),
        Yaml::Map(entries) if !entries.is_empty() => {
            let small = entries
                .iter()
                .all(|(_, value)| !matches!(value.value, Yaml::List(_) | Yaml::Map(_)));
            flow(node).filter(|_| small)
        }
        Yaml::Text(text) if text.contains('\n') => None,
        _ => Some(plain(node, true)),
    }
}

fn plain(node: &Node, in_flow: bool) -> String {
    match &node.value {
        Yaml::Null => "null".to_owned(),
        Yaml::Bool(value) => value.to_string(),
        Yaml::Int(value) => value.to_string(),
        Yaml::Float(value) => format!("{value:?}"),
        Yaml::Text(text) => scalar(text, in_flow),
        Yaml::List(_) => "[]".to_owned(),
        Yaml::Map(_) => "{}".to_owned(),
    }
}

/// Whether a text can stand in a block of lines as it is.
fn is_block(text: &str) -> bool {
    let no_control = text.chars().all(|c| c == '\n' || !super::expr::is_unsafe(c));
    let first = text.lines().next().unwrap_or_default();
    no_control && !first.is_empty() && !first.starts_with([' ', '\t']) && !text.ends_with("\n\n")
}

/// Writes a text, in quotes where it would be read as something else without.
fn scalar(text: &str, in_flow: bool) -> String {
    if is_plain(text, in_flow) {
        return text.to_owned();
    }
    if !text.contains('\n') && !text.chars().any(super::expr::is_unsafe) && text.contains('"') {
        return format!("'{}'", text.replace('\'', "''"));
    }
    let mut out = String::from('"');
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            c if super::expr::is_unsafe(c) || c.is_control() => match u32::from(c) {
                code @ 0..=0xff => out.push_str(&format!("\\x{code:02x}")),
                code @ 0..=0xffff => out.push_str(&format!("\\u{code:04x}")),
                code => out.push_str(&format!("\\U{code:08x}")),
            },
            c => out.push(c),
        }
    }
    out.push('"');
    out
}

fn is_plain(text: &str, in_flow: bool) -> bool {
    let starts = text.starts_with(|c: char| c.is_alphabetic() || c == '_' || c == '/');
    let special =
        |c: char| "{}[],".contains(c) && in_flow || c == '\n' || super::expr::is_unsafe(c);
    starts
        && !text.contains(": ")
        && !text.contains(" #")
        && !text.ends_with([':', ' '])
        && !text.contains(special)
        && !text.contains("{{")
        && matches!(super::yaml::typed(text), Yaml::Text(_))
}
