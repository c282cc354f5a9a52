//! Linting: everything that the loader rejects, advice where it rejects nothing, and what can be mended.

use std::ops::Range;
use std::path::{Path, PathBuf};

use super::advice;
use super::books::{Books, Found, Origin};
use super::code::Code;
use super::fix::{self, Change};
use super::lesson::Lesson;
use super::load::{Library, LoadError, reader};
use super::problem::{LoadErrors, Problem, position};
use super::yaml::{Node, Yaml};
use crate::model::lint::{Edit, Finding, Fix, Level, Region, Related, Rule};

/// The comment that allows a piece of advice: `# lint: allow TD103`, on its line or right above.
const ALLOW: &str = "lint: allow ";

/// What was found in one file.
#[derive(Debug)]
pub struct Linted {
    text: String,
    /// The problems in the order of the text, and how many more there are.
    pub found: LoadErrors,
    changes: Vec<Option<Change>>,
}

/// A file with everything mended that can be mended mechanically.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mended {
    /// The new text.
    pub text: String,
    /// What was done, in the order in which it was done: `3:1: TD004: write `title``.
    pub done: Vec<String>,
}

/// Lints a runbook's or a catalogue file's text. `source` is the file's name; other files that it
/// names are looked for in `library`, or only among the built-in ones.
pub fn lint(source: &str, text: &str, library: Option<Library<'_>>) -> Linted {
    let found = Found::new(Origin::File(PathBuf::from(source)), text.to_owned());
    let mut reader = reader(&found, false);
    let mut books = Books::new(library);
    books.open(&found.origin);
    if let Some(root) = reader.tree(text, 0) {
        if is_catalogue(&root) {
            let entries = reader.catalogue_file(&root);
            if reader.errors.problems.is_empty() {
                advice::catalogue(&mut reader, &root, entries);
            }
        } else if let Some(root) = reader.put_together(root, &mut books) {
            let book = reader.runbook(&root, &found, &mut books);
            if let (Some(book), true) = (&book, reader.errors.problems.is_empty()) {
                advice::advise(&mut reader, &root, book);
                if let Some(stem) = stem(source) {
                    advice::file_name(&mut reader, &root, book, stem);
                }
            }
        }
    }
    let mut found = reader.everything();
    found
        .problems
        .retain(|problem| problem.code.level() == Level::Error || !allowed(text, problem));
    // The other files' problems are theirs to mend.
    let changes = fix::changes(text, source, &found.problems);
    Linted { text: text.to_owned(), found, changes }
}

/// Finds the text of a runbook by name or path, with the name of the file for messages.
///
/// # Errors
///
/// Returns why there is none.
pub fn find(name: &str, library: Library<'_>) -> Result<(String, String), LoadError> {
    let found = Books::new(Some(library)).find(name, None)?;
    Ok((found.origin.name(), found.text.into_owned()))
}

/// Mends what can be mended mechanically; `None` when there is nothing to mend, or when the result
/// would not be better.
pub fn mend(source: &str, text: &str, library: Option<Library<'_>>) -> Option<Mended> {
    // One mistake can hide another, so it is looked at again after each round.
    const MOST_ROUNDS: usize = 20;
    let mut mended = Mended { text: text.to_owned(), done: Vec::new() };
    let mut linted = lint(source, text, library);
    for _ in 0..MOST_ROUNDS {
        let Some((text, done)) = linted.apply() else {
            break;
        };
        let next = lint(source, &text, library);
        if next.cost() >= linted.cost() {
            break;
        }
        mended.done.extend(done);
        mended.text = text;
        linted = next;
    }
    let parses = super::yaml::parse(&mended.text).is_ok();
    (parses && !mended.done.is_empty()).then_some(mended)
}

impl Linted {
    /// Returns the findings as data.
    pub fn findings(&self) -> Vec<Finding> {
        let both = self.found.problems.iter().zip(&self.changes);
        both.map(|(problem, change)| finding(problem, change.as_ref())).collect()
    }

    /// Returns whether the file can be used.
    pub fn is_usable(&self) -> bool {
        self.found.problems.iter().all(|problem| problem.code.level() != Level::Error)
    }

    /// How far the file is from being in order; errors that hide others count most.
    fn cost(&self) -> (bool, usize, usize) {
        let errors = self.found.problems.iter().filter(|p| p.code.level() == Level::Error).count();
        let torn = self.found.problems.iter().any(|problem| problem.code == Code::YAML);
        (torn, errors + self.found.more, self.found.problems.len() - errors)
    }

    /// Applies every change that does not overlap one before it.
    fn apply(&self) -> Option<(String, Vec<String>)> {
        let mut edits: Vec<(Range<usize>, &str)> = Vec::new();
        let mut done = Vec::new();
        for (problem, change) in self.found.problems.iter().zip(&self.changes) {
            let Some(change) = change else {
                continue;
            };
            let touches = |a: &Range<usize>, b: &Range<usize>| a.start <= b.end && b.start <= a.end;
            let clash = change.edits.iter().any(|(a, _)| edits.iter().any(|(b, _)| touches(a, b)));
            if clash {
                continue;
            }
            edits.extend(change.edits.iter().map(|(range, text)| (range.clone(), text.as_str())));
            let (line, column) = (problem.line(), problem.column());
            done.push(format!("{line}:{column}: {}: {}", problem.code.name(), change.title));
        }
        edits.sort_by_key(|(range, _)| range.start);
        let mut text = self.text.clone();
        for (range, new) in edits.iter().rev() {
            text.replace_range(range.clone(), new);
        }
        (!edits.is_empty()).then_some((text, done))
    }
}

/// Returns the rules behind some findings, each once, in the codes' order.
pub fn rules<'a>(findings: impl IntoIterator<Item = &'a Finding>) -> Vec<Rule> {
    let mut codes: Vec<Code> =
        findings.into_iter().filter_map(|finding| Code::find(&finding.code)).collect();
    codes.sort_unstable();
    codes.dedup();
    let rule = |code: &Code| Rule {
        code: code.name(),
        level: code.level(),
        meaning: code.meaning().to_owned(),
        explanation: Lesson::of(*code).map_or("", |lesson| lesson.why).to_owned(),
    };
    codes.iter().map(rule).collect()
}

fn finding(problem: &Problem, change: Option<&Change>) -> Finding {
    let text = &problem.source.text;
    let region = |span: &Range<usize>| region(text, span);
    Finding {
        code: problem.code.name(),
        level: problem.code.level(),
        message: problem.message.clone(),
        help: problem.help.clone(),
        file: problem.source.name.clone(),
        at: region(&problem.span),
        related: problem
            .other
            .as_ref()
            .map(|(span, message)| Related { at: region(span), message: message.clone() }),
        fix: change.map(|change| Fix {
            title: change.title.clone(),
            edits: change
                .edits
                .iter()
                .map(|(range, text)| Edit { at: region(range), text: text.clone() })
                .collect(),
        }),
    }
}

fn region(text: &str, span: &Range<usize>) -> Region {
    let (line, column) = position(text, span.start);
    let (end_line, end_column) = position(text, span.end.max(span.start));
    Region { line, column, end_line, end_column }
}

/// Whether a file holds diagnoses only.
fn is_catalogue(root: &Node) -> bool {
    let Yaml::Map(entries) = &root.value else {
        return false;
    };
    let has = |name: &str| entries.iter().any(|(key, _)| key.name == name);
    has("diagnoses") && !["steps", "start", "name", "extends"].iter().any(|key| has(key))
}

fn stem(source: &str) -> Option<&str> {
    let path = Path::new(source);
    let yaml = path.extension().is_some_and(|end| end == "yaml" || end == "yml");
    path.file_stem().filter(|_| yaml)?.to_str()
}

/// Whether a comment on the line, or right above it, allows this piece of advice.
fn allowed(text: &str, problem: &Problem) -> bool {
    let at = problem.span.start.min(text.len());
    let start = text[..at].rfind('\n').map_or(0, |newline| newline + 1);
    let name = problem.code.name();
    let allows = |line: &str| {
        let comment = line.split_once(ALLOW).map(|(before, codes)| (before.contains('#'), codes));
        comment.is_some_and(|(is_comment, codes)| is_comment && codes.contains(&name))
    };
    let line = text[start..].lines().next().unwrap_or_default();
    let above = text[..start].lines().rev();
    let mut comments = above.take_while(|line| line.trim_start().starts_with('#'));
    allows(line) || comments.any(allows)
}
