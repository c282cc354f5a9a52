//! Advice on files that can be used: what is dead, what will read badly, what was forgotten.
//!
//! Only what is worth an engineer's time; the built-in runbooks get none of it, which a test holds. It
//! is given when nothing is wrong, because what is wrong hides what was meant.

mod conditions;
mod diagnoses;
mod steps;
mod texts;

use std::collections::HashMap;
use std::ops::Range;

use super::code::Code;
use super::read::Reader;
use super::ways::{self, Arm, Before};
use super::yaml::{Key, Node, Yaml};
use super::{Kind, Runbook, Step, types};
use crate::model::types::Type;
use crate::runbook::expr::Facts;

pub(super) use diagnoses::catalogue;

/// A checked runbook beside the tree that it was read from.
struct Advisor<'a> {
    reader: &'a mut Reader,
    book: &'a Runbook,
    root: &'a Node,
    steps: Vec<&'a Step>,
    /// The steps' positions by their ids.
    index: HashMap<&'a str, usize>,
    /// What is certainly known before each step.
    known: Vec<Option<Facts>>,
    before: Before,
    /// How many cases of conditions may still be held against each other: a file made to be slow gets
    /// less advice.
    patience: usize,
}

/// A step beside what the file says about it.
#[derive(Clone, Copy)]
struct Written<'a> {
    at: usize,
    step: &'a Step,
    key: &'a Key,
    node: &'a Node,
}

/// Adds advice about a runbook in which nothing is wrong.
pub(super) fn advise(reader: &mut Reader, root: &Node, book: &Runbook) {
    let steps: Vec<&Step> = book.steps.iter().collect();
    let order = ways::order(&steps, book.start);
    let mut advisor = Advisor {
        known: ways::known(&steps, &order, book.start, &book.params),
        before: Before::of(&steps, &order),
        index: steps.iter().enumerate().map(|(at, step)| (step.id.as_str(), at)).collect(),
        patience: 1_000_000,
        reader,
        book,
        root,
        steps,
    };
    for written in advisor.written() {
        advisor.step(written);
        advisor.conditions(written);
        advisor.texts(written);
    }
    advisor.holes_with_one_brace();
    advisor.params();
    advisor.diagnoses();
}

/// Adds advice about a runbook in a file that is not called by its name.
pub(super) fn file_name(reader: &mut Reader, root: &Node, book: &Runbook, stem: &str) {
    let Some((_, node)) = entry(root, "name").filter(|_| book.name != stem) else {
        return;
    };
    let message = format!("`{}` stands in a file called {stem}", book.name);
    let help = format!("name the file {}.yaml, or write `name: {stem}`", book.name);
    reader.wrong(Code::FILE_NAME, &node.span, message, Some(help));
}

impl<'a> Advisor<'a> {
    /// Returns the steps that the file itself writes out.
    fn written(&self) -> Vec<Written<'a>> {
        let entries = entry(self.root, "steps").map(|(_, node)| entries(node)).unwrap_or_default();
        let found = entries.iter().filter_map(|(key, node)| {
            let at = *self.index.get(key.name.as_str())?;
            Some(Written { at, step: &self.book.steps[at], key, node })
        });
        found.collect()
    }

    fn advice(&mut self, code: Code, span: &Range<usize>, message: impl Into<String>, help: &str) {
        // What another file writes is that file's own to mend.
        if self.is_own(span) {
            self.reader.wrong(code, span, message, Some(help.to_owned()));
        }
    }

    /// Adds advice that says what certainly belongs in this place instead.
    fn instead(&mut self, code: Code, span: &Range<usize>, message: String, meant: String) {
        if self.is_own(span) {
            let help = format!("did you mean `{meant}`?");
            self.reader.mistaken(code, span, message, help, Some(meant));
        }
    }

    /// Whether a place is in the file itself, not in one that it extends or includes.
    fn is_own(&self, span: &Range<usize>) -> bool {
        self.reader.part(span.start).offset == 0
    }

    /// Returns the type of what a step sees.
    fn seen(&self, step: &Step) -> Option<Type> {
        match &step.kind {
            Kind::Probe { spec, .. } => Some(Type::Record(types::of(spec).result.clone())),
            Kind::Ask { expects: Some(_), .. } => Some(types::server_report()),
            Kind::Ask { choices, .. } => {
                let choices: Vec<String> = choices.iter().map(|(name, _)| name.clone()).collect();
                Some(types::answer(&step.id, &choices))
            }
            Kind::Use { runbook, .. } => Some(types::used(&step.id, runbook)),
            Kind::Decide => None,
        }
    }

    /// Returns the closed vocabulary of a path as the expressions of a step see it.
    fn vocabulary(&self, step: &Step, path: &str) -> Option<Vec<String>> {
        let (root, rest) = path.split_once('.')?;
        let mut ty = match root {
            "result" => self.seen(step)?,
            "target" => types::target(),
            "params" => super::params::params_type(&self.book.params),
            id => self.seen(self.steps[*self.index.get(id)?])?,
        };
        for name in rest.split('.') {
            ty = ty.record()?.field(name)?.ty.clone();
        }
        match ty {
            Type::Word(words) => Some(words.iter().map(|word| word.name.clone()).collect()),
            _ => None,
        }
    }
}

impl<'a> Written<'a> {
    /// Finds a key of the step.
    fn entry(self, name: &str) -> Option<(&'a Key, &'a Node)> {
        entry(self.node, name)
    }

    fn find(self, name: &str) -> Option<&'a Node> {
        self.entry(name).map(|(_, node)| node)
    }

    /// Finds the item of `branches` for a branch.
    fn item(self, nth: usize) -> Option<&'a Node> {
        match &self.find("branches")?.value {
            // What the file adds to a step that it extends stands elsewhere.
            Yaml::List(items) if items.len() == self.step.branches.len() => items.get(nth),
            _ => None,
        }
    }

    /// Finds the condition of a branch.
    fn when(self, nth: usize) -> Option<&'a Node> {
        entry(self.item(nth)?, "when").map(|(_, node)| node)
    }

    /// Finds what an arm says: a mapping, or where it leads as a text.
    fn arm(self, arm: Arm) -> Option<&'a Node> {
        match arm {
            Arm::Unknown => self.find("unknown"),
            Arm::NoInput => self.find("no_input"),
            Arm::Choice(nth) => entries(self.find("choices")?).get(nth).map(|(_, node)| node),
            Arm::Branch(nth) => {
                let item = self.item(nth)?;
                Some(entry(item, "else").map_or(item, |(_, node)| node))
            }
        }
    }
}

fn entries(node: &Node) -> &[(Key, Node)] {
    match &node.value {
        Yaml::Map(entries) => entries,
        _ => &[],
    }
}

fn items(node: &Node) -> &[Node] {
    match &node.value {
        Yaml::List(items) => items,
        _ => &[],
    }
}

fn entry<'a>(node: &'a Node, name: &str) -> Option<(&'a Key, &'a Node)> {
    entries(node).iter().find(|(key, _)| key.name == name).map(|(key, node)| (key, node))
}

/// Lists names for a sentence: `a`, `b` and `c`.
fn listed(names: &[impl AsRef<str>]) -> String {
    let quoted: Vec<String> = names.iter().map(|name| format!("`{}`", name.as_ref())).collect();
    match quoted.as_slice() {
        [rest @ .., last] if !rest.is_empty() => format!("{} and {last}", rest.join(", ")),
        quoted => quoted.concat(),
    }
}
