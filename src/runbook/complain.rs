//! Adding problems while a tree is read.

use std::ops::Range;
use std::sync::Arc;

use super::code::Code;
use super::problem::{Problem, did_you_mean, nearest};
use super::read::Reader;
use super::yaml::{Node, Yaml};

/// The most branches, findings, choices and remedies in a list, and parameters.
const MOST_LISTED: usize = 200;

impl Reader {
    /// Adds a problem.
    pub(super) fn wrong(
        &mut self,
        code: Code,
        span: &Range<usize>,
        message: impl Into<String>,
        help: Option<String>,
    ) {
        self.problem(code, span, message.into(), help, None);
    }

    /// Adds a problem about a name that is none of those known.
    pub(super) fn misnamed(
        &mut self,
        code: Code,
        span: &Range<usize>,
        message: String,
        found: &str,
        (known, what): (&[&str], &str),
    ) {
        // What is only counted needs no suggestion, which takes its time among many names.
        if self.errors.is_full() {
            self.wrong(code, span, message, None);
            return;
        }
        let meant = nearest(found, known).map(str::to_owned);
        let help = did_you_mean(found, known, what);
        self.mistaken(code, span, message, help, meant);
    }

    /// Adds a problem; `meant` is what certainly belongs in this place instead.
    pub(super) fn mistaken(
        &mut self,
        code: Code,
        span: &Range<usize>,
        message: String,
        help: String,
        meant: Option<String>,
    ) {
        let before = self.errors.problems.len();
        self.wrong(code, span, message, Some(help));
        // Past the bound it was only counted.
        if let Some(problem) = self.errors.problems.get_mut(before) {
            problem.meant = meant;
        }
    }

    /// Adds a problem that concerns two places.
    pub(super) fn problem(
        &mut self,
        code: Code,
        span: &Range<usize>,
        message: String,
        help: Option<String>,
        other: Option<(Range<usize>, String)>,
    ) {
        self.errors.push(Problem {
            source: Arc::clone(&self.parts[0].source),
            span: span.clone(),
            code,
            message,
            label: None,
            help,
            meant: None,
            other,
        });
    }

    /// Says so when a list or mapping is longer than any that people write.
    pub(super) fn not_too_many(&mut self, node: &Node, count: usize, what: &str) -> bool {
        if count > MOST_LISTED {
            let message = format!("{what} has more than {MOST_LISTED} entries");
            self.wrong(Code::BOUNDS, &node.span, message, None);
        }
        count <= MOST_LISTED
    }

    /// Adds a problem about a value that is not of the kind wanted.
    pub(super) fn type_error(&mut self, node: &Node, what: &str, wanted: &str) {
        let message = format!("{what} must be {wanted}, not {}", node.value.kind());
        let help = match (&node.value, wanted) {
            (Yaml::Bool(_) | Yaml::Int(_) | Yaml::Float(_), "text") => {
                Some("put it in quotes".to_owned())
            }
            (Yaml::Map(_), "text") => Some("a text that begins with { is put in quotes".to_owned()),
            _ => None,
        };
        self.wrong(Code::WRONG_TYPE, &node.span, message, help);
    }
}
