//! A runbook that was put together from several files, written as one.

use super::Runbook;
use super::blame::has_word;
use super::yaml::{Key, Node, Yaml};

/// The keys at the top in their usual order.
const ORDER: [&str; 9] =
    ["format", "name", "title", "about", "contacts", "params", "start", "steps", "diagnoses"];
/// The arms of a step, which one that is left out does not need.
const ARMS: [&str; 4] = ["branches", "unknown", "findings", "meanwhile"];
/// The longest list or mapping in braces.
const WIDTH: usize = 100;

/// Writes the tree that a runbook was read from.
pub(super) fn write(root: &Node, runbook: &Runbook) -> String {
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
    let mut out = String::new();
    for (key, node) in &entries {
        if matches!(key.name.as_str(), "params" | "steps" | "diagnoses") {
            out.push('\n');
        }
        entry(key, node, 0, &mut out);
    }
    out
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

fn entry(key: &Key, node: &Node, depth: usize, out: &mut String) {
    indent(depth, out);
    out.push_str(&scalar(&key.name, false));
    out.push(':');
    value(node, depth, out);
}

/// Writes a value behind its key or dash, and ends the line.
fn value(node: &Node, depth: usize, out: &mut String) {
    match &node.value {
        Yaml::Map(entries) if !entries.is_empty() => {
            if let Some(flow) = flow(node).filter(|_| depth > 0) {
                out.push_str(&format!(" {flow}\n"));
                return;
            }
            out.push('\n');
            for (key, node) in entries {
                entry(key, node, depth + 1, out);
            }
        }
        Yaml::List(items) if !items.is_empty() => {
            if let Some(flow) = flow(node) {
                out.push_str(&format!(" {flow}\n"));
                return;
            }
            out.push('\n');
            for item in items {
                list_item(item, depth + 1, out);
            }
        }
        Yaml::Text(text) if text.contains('\n') && is_block(text) => {
            out.push_str(if text.ends_with('\n') { " |\n" } else { " |-\n" });
            for line in text.lines() {
                if !line.is_empty() {
                    indent(depth + 1, out);
                    out.push_str(line);
                }
                out.push('\n');
            }
        }
        _ => {
            out.push(' ');
            out.push_str(&plain(node, false));
            out.push('\n');
        }
    }
}

fn list_item(item: &Node, depth: usize, out: &mut String) {
    let Yaml::Map(entries) = &item.value else {
        indent(depth, out);
        out.push('-');
        value(item, depth, out);
        return;
    };
    if let Some(flow) = flow(item) {
        indent(depth, out);
        out.push_str(&format!("- {flow}\n"));
        return;
    }
    let mut text = String::new();
    for (key, node) in entries {
        entry(key, node, depth + 1, &mut text);
    }
    indent(depth, out);
    out.push_str("- ");
    out.push_str(text.trim_start());
}

fn indent(depth: usize, out: &mut String) {
    out.extend(std::iter::repeat_n("  ", depth));
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
