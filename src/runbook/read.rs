//! Reading a node tree: keys, words, texts and expressions, with every complaint collected.
//!
//! A tree may be put together from several files (`extends`, `include`). Their texts are thought of as
//! lying one behind the other, so that a place is one number, whatever file it is in; see [`Part`].

use std::collections::{HashMap, HashSet};
use std::ops::Range;
use std::path::PathBuf;
use std::sync::Arc;

use super::Runbook;
use super::books::{Found, Origin, UseError};
use super::code::Code;
use super::expr::{Expr, ExprError, ExprErrorKind, Scope, Template};
use super::extend::Changes;
use super::problem::{LoadErrors, Source, nearest};
use super::yaml::{Key, Node, Yaml};
use crate::model::contact::Contact;

/// One of the files that a tree is put together from.
pub(super) struct Part {
    /// Where its text begins in the row of all texts; a place in it is that much more than its byte.
    pub(super) offset: usize,
    pub(super) source: Arc<Source>,
    pub(super) origin: Origin,
    /// Why it may not run programs.
    pub(super) objection: Option<String>,
    /// Whether it is below the file that is being read: right by itself, so that what is wrong in it
    /// is wrong because of what the file above changes.
    pub(super) below: bool,
}

/// A file while it is read, with those that it is put together from.
pub(super) struct Reader {
    /// The file itself, then the others.
    pub(super) parts: Vec<Part>,
    pub(super) errors: LoadErrors,
    /// What this file changes of the one that it extends.
    pub(super) changes: Changes,
    /// The runbooks that steps use, by where they name them.
    pub(super) used: HashMap<usize, Result<Arc<Runbook>, UseError>>,
    /// What the runbook says it contacts beside the target.
    pub(super) contacts: Vec<Contact>,
    /// Whether the file is part of the program. A test checks those; in a run their expressions and
    /// texts are only parsed when they are used, which keeps the start quick.
    pub(super) trusted: bool,
    /// Places of keys that their mapping does not have.
    strange: Vec<Range<usize>>,
    /// Whether some arm leads nobody knows where: then a step that seems unreachable may not be.
    pub(super) astray: bool,
    /// Whether some arm could not be read at all: then the others need not cover every case.
    pub(super) torn: bool,
}

/// The keys of a mapping, all of them known.
#[derive(Clone, Copy)]
pub(super) struct Fields<'a> {
    entries: &'a [(Key, Node)],
}

impl<'a> Fields<'a> {
    /// Takes the keys of a mapping whose keys were looked at before.
    pub(super) fn of(node: &'a Node) -> Option<Fields<'a>> {
        match &node.value {
            Yaml::Map(entries) => Some(Fields { entries }),
            _ => None,
        }
    }

    /// Takes keys that stand in no mapping.
    pub(super) fn from_entries(entries: &'a [(Key, Node)]) -> Fields<'a> {
        Fields { entries }
    }

    /// Returns where the first key stands.
    pub(super) fn first(self) -> Option<Range<usize>> {
        self.entries.first().map(|(key, _)| key.span.clone())
    }

    /// Finds the value of a key; of a duplicate, the first.
    pub(super) fn find(self, key: &str) -> Option<&'a Node> {
        self.entry(key).map(|(_, value)| value)
    }

    /// Finds a key with its value.
    pub(super) fn entry(self, key: &str) -> Option<(&'a Key, &'a Node)> {
        let mut entries = self.entries.iter();
        entries.find(|(known, _)| known.name == key).map(|(key, value)| (key, value))
    }
}

impl Reader {
    pub(super) fn new(source: Arc<Source>, found: &Found, trusted: bool) -> Reader {
        let (origin, objection) = (found.origin.clone(), found.objection.clone());
        Reader {
            parts: vec![Part { offset: 0, source, origin, objection, below: false }],
            errors: LoadErrors::default(),
            changes: Changes::default(),
            used: HashMap::new(),
            contacts: Vec::new(),
            trusted,
            strange: Vec::new(),
            astray: false,
            torn: false,
        }
    }

    /// Begins a file that stands for itself; `text` is what messages show of it.
    pub(super) fn alone(name: &str, text: &str) -> Reader {
        let source = Source { name: name.to_owned(), text: text.to_owned() };
        let found = Found::new(Origin::File(PathBuf::from(name)), String::new());
        Reader::new(Arc::new(source), &found, false)
    }

    /// Ends reading: everything that was found.
    pub(super) fn everything(mut self) -> LoadErrors {
        self.place();
        self.errors.sort();
        self.errors
    }

    /// Ends reading: the value, or everything that was wrong.
    pub(super) fn finish<T>(mut self, value: Option<T>) -> Result<T, LoadErrors> {
        self.errors.sort();
        self.place();
        match value {
            Some(value) if self.errors.problems.is_empty() => Ok(value),
            _ => Err(self.errors),
        }
    }

    /// Reads a mapping's entries; duplicate keys are complained about.
    pub(super) fn entries<'a>(&mut self, node: &'a Node, what: &str) -> Option<&'a [(Key, Node)]> {
        let Yaml::Map(entries) = &node.value else {
            self.type_error(node, what, "a mapping");
            return None;
        };
        let mut seen: HashMap<&str, &Key> = HashMap::with_capacity(entries.len());
        for (key, _) in entries {
            let first = *seen.entry(&key.name).or_insert(key);
            if !std::ptr::eq(first, key) {
                self.problem(
                    Code::DUPLICATE_KEY,
                    &key.span,
                    format!("`{}` is written twice in {what}", key.name),
                    None,
                    Some((first.span.clone(), "first written here".to_owned())),
                );
            }
        }
        Some(entries)
    }

    /// Reads a mapping whose keys are all in `known`.
    pub(super) fn fields<'a>(
        &mut self,
        node: &'a Node,
        what: &str,
        known: &[&str],
    ) -> Option<Fields<'a>> {
        let entries = self.entries(node, what)?;
        for (key, value) in entries {
            if self.errors.is_full() {
                break;
            }
            if !known.contains(&key.name.as_str()) {
                self.strange.push(key.span.clone());
                let message = format!("{what} has no key `{}`", key.name);
                // `{text: one, two}` is a key `two` with nothing behind it.
                if matches!(value.value, Yaml::Null) && key.name.contains(' ') {
                    let help = "a text with a comma in it is put in quotes inside { }".to_owned();
                    self.wrong(Code::UNKNOWN_KEY, &key.span, message, Some(help));
                    continue;
                }
                self.misnamed(Code::UNKNOWN_KEY, &key.span, message, &key.name, (known, "keys"));
            }
        }
        Some(Fields { entries })
    }

    /// Whether a key that the mapping does not have is one of these, written wrongly: then it is
    /// not missing as well.
    pub(super) fn mistyped(&self, fields: Fields<'_>, wanted: &str) -> bool {
        fields.entries.iter().any(|(key, _)| {
            self.strange.contains(&key.span) && nearest(&key.name, &[wanted]).is_some()
        })
    }

    /// Reads a key that must be there.
    pub(super) fn need<'a>(
        &mut self,
        fields: Fields<'a>,
        node: &Node,
        what: &str,
        key: &str,
    ) -> Option<&'a Node> {
        let found = fields.find(key);
        if found.is_none() && !self.mistyped(fields, key) {
            let place = fields.entries.first().map_or(&node.span, |(first, _)| &first.span);
            let message = format!("{what} lacks the key `{key}`");
            self.wrong(Code::MISSING_KEY, place, message, None);
        }
        found
    }

    /// Reads text.
    pub(super) fn text<'a>(&mut self, node: &'a Node, what: &str) -> Option<&'a str> {
        match &node.value {
            Yaml::Text(text) => Some(text),
            _ => {
                self.type_error(node, what, "text");
                None
            }
        }
    }

    /// Reads a list of things that are compared with each other, which must not be too many.
    pub(super) fn short_list<'a>(&mut self, node: &'a Node, what: &str) -> Option<&'a [Node]> {
        let items = self.list(node, what)?;
        self.not_too_many(node, items.len(), what).then_some(items)
    }

    /// Reads a list.
    pub(super) fn list<'a>(&mut self, node: &'a Node, what: &str) -> Option<&'a [Node]> {
        match &node.value {
            Yaml::List(items) => Some(items),
            _ => {
                self.type_error(node, what, "a list");
                None
            }
        }
    }

    /// Reads a list of texts, each once.
    pub(super) fn texts<'a>(
        &mut self,
        node: &'a Node,
        what: &str,
    ) -> Option<Vec<(&'a str, &'a Node)>> {
        let items = self.list(node, what)?;
        let item_name = format!("an item of {what}");
        let mut found: Vec<(&str, &Node)> = Vec::new();
        let mut seen = HashSet::new();
        for item in items {
            let Some(text) = self.text(item, &item_name) else {
                continue;
            };
            if !seen.insert(text) {
                let message = format!("`{text}` is listed twice in {what}");
                self.wrong(Code::DUPLICATE_KEY, &item.span, message, None);
                continue;
            }
            found.push((text, item));
        }
        Some(found)
    }

    /// Reads one of a fixed set of words.
    pub(super) fn word<T: Copy>(
        &mut self,
        node: &Node,
        what: &str,
        words: &[(&str, T)],
    ) -> Option<T> {
        let text = self.text(node, what)?;
        let found = words.iter().find(|(word, _)| *word == text);
        if found.is_none() {
            let known: Vec<&str> = words.iter().map(|(word, _)| *word).collect();
            let message = format!("{what} cannot be `{text}`");
            self.misnamed(Code::UNKNOWN_WORD, &node.span, message, text, (&known, "words"));
        }
        found.map(|(_, value)| *value)
    }

    /// Reads a text with expressions in it.
    pub(super) fn template(&mut self, node: &Node, what: &str, scope: &Scope) -> Option<Template> {
        let text = self.text(node, what)?;
        // What is only counted need not be read.
        if self.trusted || self.errors.is_full() {
            return Some(Template::lazy(text));
        }
        match Template::parse(text, scope) {
            Ok(template) => Some(template),
            Err(errors) => {
                self.expression_errors(node, 0, errors);
                Some(Template::lazy(""))
            }
        }
    }

    /// Reads an expression.
    pub(super) fn expr(&mut self, node: &Node, what: &str, scope: &Scope) -> Option<Expr> {
        let source = match &node.value {
            Yaml::Bool(true) => "true",
            Yaml::Bool(false) => "false",
            _ => self.text(node, what)?,
        };
        self.compile(node, source, 0, scope)
    }

    /// Compiles an expression that stands `offset` bytes into a node's text.
    pub(super) fn compile(
        &mut self,
        node: &Node,
        source: &str,
        offset: usize,
        scope: &Scope,
    ) -> Option<Expr> {
        if self.trusted || self.errors.is_full() {
            return Some(Expr::lazy(source));
        }
        match Expr::compile(source, scope) {
            Ok(expr) => Some(expr),
            Err(errors) => {
                self.expression_errors(node, offset, errors);
                None
            }
        }
    }

    fn expression_errors(&mut self, node: &Node, offset: usize, errors: Vec<ExprError>) {
        for error in errors {
            let code = match error.kind {
                ExprErrorKind::Syntax => Code::EXPRESSION,
                ExprErrorKind::TooLarge => Code::EXPRESSION_SIZE,
                ExprErrorKind::UnknownName => Code::UNKNOWN_NAME,
                ExprErrorKind::UnknownField => Code::UNKNOWN_FIELD,
                ExprErrorKind::UnknownFunction => Code::UNKNOWN_FUNCTION,
                ExprErrorKind::Type => Code::EXPRESSION_TYPE,
                ExprErrorKind::Word => Code::VOCABULARY,
            };
            let span = self.within(node, error.span.start + offset..error.span.end + offset);
            match error.help {
                Some(help) => self.mistaken(code, &span, error.message, help, error.meant),
                None => self.wrong(code, &span, error.message, None),
            }
        }
    }

    /// Checks a name: a letter, then letters, digits and underscores (and hyphens where allowed).
    pub(super) fn name(
        &mut self,
        name: &str,
        span: &Range<usize>,
        what: &str,
        hyphen: bool,
    ) -> bool {
        let fine = name.len() <= 64
            && name.starts_with(|c: char| c.is_ascii_lowercase())
            && name.chars().all(|c| {
                c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_' || (hyphen && c == '-')
            });
        if !fine {
            let also = if hyphen { ", hyphens" } else { "" };
            self.wrong(
                Code::BAD_NAME,
                span,
                format!("`{name}` cannot be {what}"),
                Some(format!(
                    "a small letter first, then small letters, digits{also} and underscores"
                )),
            );
        }
        fine
    }
}
