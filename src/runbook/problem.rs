//! What is wrong with a file: all problems at once, each with its place, code and help.

use std::fmt;
use std::ops::Range;
use std::sync::Arc;

use annotate_snippets::{AnnotationKind, Level, Renderer, Snippet};

use super::code::Code;
use crate::model::lint;

/// The distance in bytes from which on two places are not shown together.
const FAR: usize = 64 << 10;
/// The most bytes of a file that are shown for one problem.
const LONGEST_SHOWN: usize = 16 << 10;
/// The most problems that are kept for one file; the rest is counted.
const MOST: usize = 100;

/// A file's name and text, kept for showing its lines.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Source {
    /// The path as given, or `builtin:NAME`.
    pub name: String,
    /// The text.
    pub text: String,
}

/// One problem.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// The file.
    pub source: Arc<Source>,
    /// Where, in bytes of the text.
    pub span: Range<usize>,
    /// Its stable code.
    pub code: Code,
    /// What is wrong, one sentence.
    pub message: String,
    /// A few words under the marked text.
    pub label: Option<String>,
    /// What to write instead.
    pub help: Option<String>,
    /// The text that certainly belongs in this place, without the quotes around it.
    pub meant: Option<String>,
    /// Another place that belongs to it, with a few words.
    pub other: Option<(Range<usize>, String)>,
}

impl Problem {
    /// Returns the line, counted from 1.
    pub fn line(&self) -> usize {
        position(&self.source.text, self.span.start).0
    }

    /// Returns the column in characters, counted from 1.
    pub fn column(&self) -> usize {
        position(&self.source.text, self.span.start).1
    }

    /// Returns `file:line:column: code: message`.
    pub fn brief(&self) -> String {
        let (line, column) = position(&self.source.text, self.span.start);
        format!(
            "{}:{line}:{column}: {}: {}",
            shown(&self.source.name),
            self.code.name(),
            shown(&self.message)
        )
    }

    /// Returns the problem as text for people, with its line underlined.
    pub fn shown(&self, colour: bool) -> String {
        self.render(&if colour { Renderer::styled() } else { Renderer::plain() })
    }

    /// Shows the problem without its line: for lines that nobody wrote to be read.
    fn without_lines(&self) -> String {
        let (line, column) = position(&self.source.text, self.span.start);
        let (code, level) = (self.code.name(), self.code.level().name());
        let (message, name) = (shown(&self.message), shown(&self.source.name));
        let mut text = format!("{level}[{code}]: {message}\n --> {name}:{line}:{column}");
        if let Some(help) = &self.help {
            text.push_str(&format!("\n  = help: {}", shown(help)));
        }
        text
    }

    fn render(&self, renderer: &Renderer) -> String {
        // The lines between two places are only looked at when the places are near each other.
        let near = |span: &&Range<usize>| span.start.abs_diff(self.span.start) < FAR;
        let others = self.other.iter().map(|(span, _)| span).filter(near);
        let (first, last) = others
            .fold((self.span.start, self.span.start), |(first, last), span| {
                (first.min(span.start), last.max(span.start))
            });
        let (lines, from, line) = window(&self.source.text, first, last);
        if lines.len() > LONGEST_SHOWN {
            return self.without_lines();
        }
        let text = visible(lines);
        let clamp = |span: &Range<usize>| {
            let within = |at: usize| boundary(&text, at.saturating_sub(from).min(text.len()));
            let (start, stop) = (within(span.start), within(span.end.max(span.start)));
            // A long span is cut at its first line: the place matters, not the whole block.
            let line_end = text[start..stop].find('\n').map_or(stop, |at| start + at);
            start..line_end
        };
        let message = shown(&self.message);
        let name = shown(&self.source.name);
        let label = self.label.as_deref().map(shown);
        let mut annotation = AnnotationKind::Primary.span(clamp(&self.span));
        if let Some(label) = &label {
            annotation = annotation.label(label);
        }
        let snippet = Snippet::source(&text).line_start(line).path(&name);
        let mut snippet = snippet.annotation(annotation);
        let other = self.other.as_ref().filter(|(span, _)| near(&span));
        let other = other.map(|(span, label)| (span, shown(label)));
        if let Some((span, label)) = &other {
            let annotation = AnnotationKind::Context.span(clamp(span)).label(label);
            snippet = snippet.annotation(annotation);
        }
        let help = self.help.as_deref().map(shown);
        let level = match self.code.level() {
            lint::Level::Error => Level::ERROR,
            lint::Level::Warning => Level::WARNING,
            lint::Level::Note => Level::NOTE,
        };
        let mut group = level.primary_title(&message).id(self.code.name()).element(snippet);
        if let Some(help) = &help {
            group = group.element(Level::HELP.message(help));
        }
        renderer.render(&[group]).to_string()
    }
}

/// Everything that is wrong with one or more files.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct LoadErrors {
    /// The problems, in the order of the text.
    pub problems: Vec<Problem>,
    /// How many more there are.
    pub more: usize,
}

impl LoadErrors {
    /// Returns all problems as plain text, with their lines underlined.
    pub fn render(&self) -> String {
        let renderer = Renderer::plain();
        let mut out = String::new();
        for problem in &self.problems {
            out.push_str(&problem.render(&renderer));
            out.push_str("\n\n");
        }
        out.push_str(&self.count());
        out.push('\n');
        out
    }

    fn count(&self) -> String {
        match self.problems.len() + self.more {
            1 => "1 problem".to_owned(),
            count if self.more == 0 => format!("{count} problems"),
            count => format!("{count} problems, {} shown", self.problems.len()),
        }
    }

    /// Whether further problems are only counted.
    pub(super) fn is_full(&self) -> bool {
        self.problems.len() >= MOST
    }

    pub(super) fn push(&mut self, problem: Problem) {
        if self.problems.len() < MOST {
            self.problems.push(problem);
        } else {
            self.more += 1;
        }
    }

    /// Sorts by place, and drops what was said twice.
    pub(super) fn sort(&mut self) {
        self.problems.sort_by_key(|problem| (problem.span.start, problem.code));
        self.problems.dedup();
    }
}

impl fmt::Display for LoadErrors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, problem) in self.problems.iter().enumerate() {
            if at > 0 {
                writeln!(f)?;
            }
            write!(f, "{}", problem.brief())?;
        }
        Ok(())
    }
}

impl std::error::Error for LoadErrors {}

/// Returns line and column of a byte, both counted from 1, the column in characters.
pub(super) fn position(text: &str, at: usize) -> (usize, usize) {
    let before = &text[..boundary(text, at.min(text.len()))];
    let line_start = before.rfind('\n').map_or(0, |newline| newline + 1);
    (before.matches('\n').count() + 1, before[line_start..].chars().count() + 1)
}

/// Cuts out the lines from the one that holds byte `first` to the one that holds byte `last`; also
/// returns where they begin and the first one's number.
fn window(text: &str, first: usize, last: usize) -> (&str, usize, usize) {
    let first = boundary(text, first.min(text.len()));
    let last = boundary(text, last.clamp(first, text.len()));
    let from = text[..first].rfind('\n').map_or(0, |newline| newline + 1);
    let to = text[last..].find('\n').map_or(text.len(), |newline| last + newline);
    (&text[from..to], from, text[..from].matches('\n').count() + 1)
}

fn boundary(text: &str, mut at: usize) -> usize {
    while !text.is_char_boundary(at) {
        at -= 1;
    }
    at
}

/// Makes a file's text safe to show without moving a byte: what could drive a terminal becomes `?`.
fn visible(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '\n' | '\t' => out.push(c),
            '\r' => out.push(' '),
            c if super::expr::is_unsafe(c) => out.extend(std::iter::repeat_n('?', c.len_utf8())),
            c => out.push(c),
        }
    }
    out
}

/// Makes a message safe to show, and cuts what is very long: it may quote the file.
fn shown(text: &str) -> String {
    const LONGEST: usize = 600;
    match text.char_indices().nth(LONGEST) {
        Some((end, _)) => super::expr::escape(&text[..end]) + " …",
        None => super::expr::escape(text),
    }
}

/// Finds the known name that must be meant; `None` when none is near, or two are as near.
pub(crate) fn nearest<'a>(found: &str, known: &[&'a str]) -> Option<&'a str> {
    match near(found, known) {
        (Some(name), None) => Some(name),
        _ => None,
    }
}

/// Finds the nearest known name, and another that is as near.
fn near<'a>(found: &str, known: &[&'a str]) -> (Option<&'a str>, Option<&'a str>) {
    // A long text is no slip of the finger, and comparing it costs its length squared.
    const LONGEST: usize = 100;
    if found.len() > LONGEST {
        return (None, None);
    }
    let mut best: Option<(f64, &str)> = None;
    let mut second: Option<(f64, &str)> = None;
    for name in known {
        let likeness = strsim::jaro_winkler(&found.to_lowercase(), &name.to_lowercase());
        // Two slips in a word of four letters, one in a shorter one.
        let slips = if found.len() > 3 { 2 } else { 1 };
        let typo = found.len() > 1 && strsim::damerau_levenshtein(found, name) <= slips;
        let likeness = if typo { likeness.max(0.9) } else { likeness };
        if likeness < 0.84 {
            continue;
        }
        if best.is_none_or(|(other, _)| likeness > other) {
            second = best.replace((likeness, name));
        } else if second.is_none_or(|(other, _)| likeness > other) {
            second = Some((likeness, name));
        }
    }
    // As near as each other: nobody can tell which is meant.
    let tie = |(likeness, _): &(f64, &str)| best.is_some_and(|(best, _)| best - likeness < 0.01);
    (best.map(|(_, name)| name), second.filter(tie).map(|(_, name)| name))
}

/// Suggests the nearest known name, or lists what there is.
pub(crate) fn did_you_mean(found: &str, known: &[&str], what: &str) -> String {
    match near(found, known) {
        (Some(name), Some(also)) => return format!("did you mean `{name}` or `{also}`?"),
        (Some(name), None) => return format!("did you mean `{name}`?"),
        _ => {}
    }
    if known.is_empty() {
        return format!("there are no {what} here");
    }
    const SHOWN: usize = 24;
    let listed: Vec<&str> = known.iter().take(SHOWN).copied().collect();
    let more = if known.len() > SHOWN { " …" } else { "" };
    format!("the {what} are {}{more}", listed.join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_name_is_meant_or_two_or_none() {
        let known = ["resolve", "connect", "v4", "v6"];
        assert_eq!(nearest("resolv", &known), Some("resolve"));
        assert_eq!(did_you_mean("resolv", &known, "steps"), "did you mean `resolve`?");
        assert_eq!(nearest("v5", &known), None);
        assert_eq!(did_you_mean("v5", &known, "steps"), "did you mean `v4` or `v6`?");
        assert_eq!(nearest("frobnicate", &known), None);
    }
}
