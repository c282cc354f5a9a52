//! Where problems are reported when a tree is put together from several files.

use std::ops::Range;
use std::sync::Arc;

use super::problem::Problem;
use super::read::{Part, Reader};
use super::yaml::{Node, Yaml};

impl Reader {
    /// Finds the file that holds a place.
    pub(super) fn part(&self, at: usize) -> &Part {
        let holds = |part: &&Part| part.offset <= at;
        self.parts.iter().rev().find(holds).unwrap_or(&self.parts[0])
    }

    /// Maps a span inside a node's text to the file: exact unless escapes changed the text, then the
    /// whole node.
    pub(super) fn within(&self, node: &Node, span: Range<usize>) -> Range<usize> {
        let part = self.part(node.span.start);
        let local = node.span.start - part.offset..node.span.end - part.offset;
        let (Yaml::Text(text), Some(raw)) = (&node.value, part.source.text.get(local)) else {
            return node.span.clone();
        };
        match (offset_in(raw, text, span.start), offset_in(raw, text, span.end)) {
            (Some(start), Some(end)) => node.span.start + start..node.span.start + end,
            _ => node.span.clone(),
        }
    }

    /// Turns places in the row of all texts into places in their files, and moves what a change
    /// caused to that change.
    pub(super) fn place(&mut self) {
        if self.parts.len() == 1 {
            return;
        }
        let problems = std::mem::take(&mut self.errors.problems);
        let mut placed: Vec<Problem> = Vec::with_capacity(problems.len());
        for problem in problems {
            // Only the reader's own know the row.
            let ours = Arc::ptr_eq(&problem.source, &self.parts[0].source);
            let problem = if ours { self.placed(problem) } else { problem };
            let said = |known: &Problem| {
                known.span == problem.span
                    && known.message == problem.message
                    && Arc::ptr_eq(&known.source, &problem.source)
            };
            if !placed.iter().any(said) {
                placed.push(problem);
            }
        }
        self.errors.problems = placed;
    }

    fn placed(&self, mut problem: Problem) -> Problem {
        let part = self.part(problem.span.start);
        if part.below
            && let Some(change) = self.cause(&problem)
        {
            let there = self.shown_at(problem.span.start);
            problem.label = Some(format!("this does not fit {there}"));
            (problem.span, problem.other) = (change, None);
            return problem;
        }
        let (offset, length) = (part.offset, part.source.text.len());
        let local = |span: &Range<usize>| {
            span.start.saturating_sub(offset)..span.end.saturating_sub(offset).min(length)
        };
        problem.source = Arc::clone(&part.source);
        problem.span = local(&problem.span);
        problem.other = problem.other.and_then(|(span, label)| {
            if self.part(span.start).offset == offset {
                return Some((local(&span), label));
            }
            let there = format!("{label}: {}", self.shown_at(span.start));
            problem.label = Some(match &problem.label {
                Some(own) => format!("{own}; {there}"),
                None => there,
            });
            None
        });
        problem
    }

    /// Finds the change that a problem in a file below comes from: one that the problem names, else
    /// one that its line names, else that of the step that it is in, else `extends` itself.
    fn cause(&self, problem: &Problem) -> Option<Range<usize>> {
        let part = self.part(problem.span.start);
        let text = &part.source.text;
        let at = problem.span.start - part.offset;
        let line = text.get(..at).and_then(|before| before.rfind('\n')).map_or(0, |end| end + 1);
        let end = (problem.span.end - part.offset).min(text.len());
        let line = text.get(line..end).unwrap_or_default();
        let named = |words: &str| {
            let found = self.changes.named.iter().find(|(id, _)| has_word(words, id));
            found.map(|(_, place)| place.clone())
        };
        let inside = |(_, place): &&(String, Range<usize>)| place.contains(&problem.span.start);
        let step = self.changes.below.iter().find(inside);
        named(&problem.message)
            .or_else(|| named(line))
            .or_else(|| named(&step?.0))
            .or_else(|| self.changes.extends.clone())
    }

    fn shown_at(&self, at: usize) -> String {
        let part = self.part(at);
        let before = part.source.text.get(..at - part.offset).unwrap_or_default();
        let line = before.matches('\n').count() + 1;
        let column = before.rsplit('\n').next().unwrap_or_default().chars().count() + 1;
        format!("{}:{line}:{column}", part.source.name)
    }
}

/// Finds where byte `at` of a scalar's text stands in the scalar as written: behind a quote, and
/// with line breaks and indentation where folding left a blank or a line break.
fn offset_in(raw: &str, text: &str, at: usize) -> Option<usize> {
    let quote = raw.chars().next().filter(|c| "\"'".contains(*c));
    let quoted = quote.is_some_and(|quote| raw.len() > 1 && raw.ends_with(quote));
    let mut written = raw.char_indices().peekable();
    if quoted {
        written.next();
    }
    for (offset, c) in text.char_indices() {
        // The end of a span lies behind its last character, not behind the blanks that follow.
        if offset == at {
            return written.peek().map(|(written, _)| *written);
        }
        let (_, w) = written.next()?;
        if w == c && w != '\n' {
            continue;
        }
        if !(w == '\n' || w == '\r') || !c.is_whitespace() {
            return None;
        }
        while written.next_if(|(_, w)| *w == ' ').is_some() {}
    }
    (at == text.len()).then(|| written.peek().map_or(raw.len(), |(written, _)| *written))
}

/// Whether a text has this word, not as a part of another.
pub(super) fn has_word(text: &str, word: &str) -> bool {
    let part = |c: Option<char>| c.is_some_and(|c| c.is_alphanumeric() || c == '_');
    text.match_indices(word).any(|(at, _)| {
        let before = text[..at].chars().next_back();
        !part(before) && !part(text[at + word.len()..].chars().next())
    })
}
