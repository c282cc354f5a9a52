//! What can be mended mechanically: edits by byte ranges, so that comments and layout stay.
//!
//! Only where there is one thing that can have been meant, or one answer that is always safe.

use std::ops::Range;

use super::code::Code;
use super::problem::Problem;
use super::yaml::{self, Key, Node, Yaml};

/// A change that mends one problem.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Change {
    /// What it does: ``write `resolve` ``.
    pub(super) title: String,
    /// What is put in the place of which bytes.
    pub(super) edits: Vec<(Range<usize>, String)>,
}

/// Returns the change for each problem, where there is one.
pub(super) fn changes(text: &str, source: &str, problems: &[Problem]) -> Vec<Option<Change>> {
    if problems.is_empty() {
        return Vec::new();
    }
    let file = File { text, root: yaml::parse(text).ok() };
    let own = |problem: &&Problem| problem.source.name == source && problem.source.text == text;
    problems.iter().map(|problem| Some(problem).filter(own).and_then(|p| file.change(p))).collect()
}

struct File<'a> {
    text: &'a str,
    root: Option<Node>,
}

impl File<'_> {
    fn change(&self, problem: &Problem) -> Option<Change> {
        let help = problem.help.as_deref().unwrap_or_default();
        let written = self.text.get(problem.span.clone())?;
        if let Some(meant) = &problem.meant {
            return replace(problem, written, meant);
        }
        match problem.code {
            Code::WRONG_TYPE if help == "put it in quotes" => {
                Some(write(&problem.span, &format!("\"{written}\"")))
            }
            Code::WRONG_TYPE if help.starts_with("write `decide: true`") => {
                Some(write(&problem.span, "true"))
            }
            Code::UNKNOWN_STEP => self.conclude(problem, help),
            Code::FORMAT
                if written != "1" && problem.message.ends_with("begins with `format: 1`") =>
            {
                let edit = (problem.span.start..problem.span.start, "format: 1\n".to_owned());
                let block = !self.text[..problem.span.start].ends_with(['{', ' ']);
                block.then(|| Change { title: "add `format: 1`".to_owned(), edits: vec![edit] })
            }
            Code::MISSING_KEY if problem.message == "a remedy lacks the key `where`" => {
                self.place_of_remedy(problem)
            }
            Code::MISSING_KEY if problem.message == "an ask step lacks the key `no_input`" => {
                self.add_to_step(problem, "no_input: inconclusive")
            }
            Code::NO_UNKNOWN | Code::NO_UNKNOWN_ARM => {
                self.add_to_step(problem, "unknown: inconclusive")
            }
            Code::NO_ELSE => self.add_else(problem),
            Code::YAML if problem.message == "a colon does not fit here" => self.quote(problem),
            _ => None,
        }
    }

    /// `goto: dns.no_data`: a diagnosis is concluded.
    fn conclude(&self, problem: &Problem, help: &str) -> Option<Change> {
        help.strip_prefix("to conclude it, write `conclude: ")?;
        let before = self.text[..problem.span.start].trim_end_matches([' ', '"', '\'']);
        let start = before.len().checked_sub("goto:".len())?;
        before.ends_with("goto:").then(|| write(&(start..start + "goto".len()), "conclude"))
    }

    /// Where a remedy is to be done, when the diagnosis says where the fault is.
    fn place_of_remedy(&self, problem: &Problem) -> Option<Change> {
        let diagnoses = entry(self.root.as_ref()?, "diagnoses")?;
        let (_, diagnosis) =
            entries(diagnoses).iter().find(|(_, node)| holds(node, &problem.span))?;
        let Yaml::Text(location) = &entry(diagnosis, "location")?.value else {
            return None;
        };
        let place = match location.as_str() {
            "here" => "here",
            "target" => "target",
            "path" | "hop" | "resolver" => "network",
            _ => return None,
        };
        let Yaml::List(remedies) = &entry(diagnosis, "remedies")?.value else {
            return None;
        };
        let remedy = remedies.iter().find(|remedy| holds(remedy, &problem.span))?;
        self.add(remedy, &format!("where: {place}"))
    }

    fn add_to_step(&self, problem: &Problem, line: &str) -> Option<Change> {
        let steps = entries(entry(self.root.as_ref()?, "steps")?);
        let found =
            steps.iter().find(|(key, node)| key.span == problem.span || holds(node, &problem.span));
        self.add(&found?.1, line)
    }

    /// Adds a key to a mapping, behind its last one.
    fn add(&self, mapping: &Node, line: &str) -> Option<Change> {
        let title = format!("add `{line}`");
        let (first, last) = (entries(mapping).first()?, entries(mapping).last()?);
        let edit = if self.text[mapping.span.clone()].starts_with('{') {
            let end = last.1.span.end.max(last.0.span.end);
            (end..end, format!(", {line}"))
        } else {
            // The mapping may be the item of a list, so its own column is that of its first key.
            let start =
                self.text[..first.0.span.start].rfind('\n').map_or(0, |newline| newline + 1);
            let column = self.text[start..first.0.span.start].chars().count();
            let end = self.line_end(self.content_end(&last.1).max(last.0.span.end));
            (end..end, format!("{}{}{line}", self.newline(), " ".repeat(column)))
        };
        Some(Change { title, edits: vec![edit] })
    }

    /// Adds `else: inconclusive` behind the last branch.
    fn add_else(&self, problem: &Problem) -> Option<Change> {
        let steps = entries(entry(self.root.as_ref()?, "steps")?);
        let branches = steps.iter().find_map(|(_, step)| {
            let found = entries(step).iter().find(|(key, _)| key.span == problem.span);
            found.map(|(_, node)| node)
        })?;
        let Yaml::List(items) = &branches.value else {
            return None;
        };
        let last = items.last()?;
        let edit = if self.text[branches.span.clone()].starts_with('[') {
            let end = last.span.end;
            (end..end, ", {else: inconclusive}".to_owned())
        } else {
            let start = self.text[..last.span.start].rfind('\n').map_or(0, |newline| newline + 1);
            let dash = self.text[start..last.span.start].find('-')?;
            let end = self.line_end(self.content_end(last));
            let indent = &self.text[start..start + dash];
            (end..end, format!("{}{indent}- else: inconclusive", self.newline()))
        };
        Some(Change { title: "add `else: inconclusive`".to_owned(), edits: vec![edit] })
    }

    /// Puts the text of a line in quotes: `title: DNS: does it resolve?`.
    fn quote(&self, problem: &Problem) -> Option<Change> {
        let start = self.text[..problem.span.start].rfind('\n').map_or(0, |newline| newline + 1);
        let line = self.text[start..].lines().next()?;
        let (key, value) = line.split_once(": ")?;
        let begin = start + key.len() + 2 + (value.len() - value.trim_start().len());
        let value = value.trim();
        let plain =
            !value.starts_with(['[', '{', '|', '>', '&', '*', '!', '"', '\'', '%', '@', '`']);
        let name = key.trim().trim_start_matches("- ");
        let is_key = name.chars().all(|c| c.is_ascii_alphanumeric() || "_-.".contains(c));
        if !plain || !is_key || value.contains(" #") || begin > problem.span.start {
            return None;
        }
        let escaped = value.replace('\\', "\\\\").replace('"', "\\\"");
        let edit = (begin..begin + value.len(), format!("\"{escaped}\""));
        Some(Change { title: "put the text in quotes".to_owned(), edits: vec![edit] })
    }

    /// Where the last value in a node ends, without the blank lines behind a block of text.
    fn content_end(&self, node: &Node) -> usize {
        let inner = match &node.value {
            Yaml::List(items) => items.last().map(|item| self.content_end(item)),
            Yaml::Map(entries) => {
                entries.last().map(|(key, value)| self.content_end(value).max(key.span.end))
            }
            _ => None,
        };
        let flow = self.text[node.span.clone()].starts_with(['{', '[']);
        match inner.filter(|_| !flow) {
            Some(end) => end,
            None => node.span.start + self.text[node.span.clone()].trim_end().len(),
        }
    }

    fn line_end(&self, at: usize) -> usize {
        let rest = &self.text[at..];
        let line = rest.find('\n').map_or(rest, |newline| &rest[..newline]);
        at + line.trim_end_matches('\r').len()
    }

    fn newline(&self) -> &'static str {
        if self.text.contains("\r\n") { "\r\n" } else { "\n" }
    }
}

fn write(span: &Range<usize>, text: &str) -> Change {
    Change { title: format!("write `{text}`"), edits: vec![(span.clone(), text.to_owned())] }
}

/// Replaces what stands there, in quotes or not, by what is meant.
fn replace(problem: &Problem, written: &str, meant: &str) -> Option<Change> {
    let blanks = written.len() - written.trim_start().len();
    let written = written.trim();
    let quote = written.chars().next().filter(|c| "\"'".contains(*c) && written.len() > 1);
    let inner = match quote {
        Some(quote) => written.strip_prefix(quote)?.strip_suffix(quote)?,
        None => written,
    };
    // What an alias repeats stands elsewhere, and escapes make a text differ from its value: only what
    // the problem speaks of is replaced.
    problem.message.contains(&format!("`{inner}`")).then_some(())?;
    let start = problem.span.start + blanks + quote.map_or(0, char::len_utf8);
    Some(write(&(start..start + inner.len()), meant))
}

fn entries(node: &Node) -> &[(Key, Node)] {
    match &node.value {
        Yaml::Map(entries) => entries,
        _ => &[],
    }
}

fn entry<'a>(node: &'a Node, name: &str) -> Option<&'a Node> {
    entries(node).iter().find(|(key, _)| key.name == name).map(|(_, node)| node)
}

fn holds(node: &Node, span: &Range<usize>) -> bool {
    node.span.start <= span.start && span.end <= node.span.end
}
