//! Text with `{{ expression }}` holes.

use std::ops::Range;
use std::sync::OnceLock;

use super::value::shown;
use super::{Bindings, Expr, ExprError, ExprErrorKind, Known, Scope};

/// Text with `{{ expression }}` holes.
#[derive(Debug)]
pub struct Template {
    source: String,
    parts: OnceLock<Vec<Part>>,
}

#[derive(Debug)]
enum Part {
    Text(String),
    /// An expression, and where it begins in the text.
    Hole(Box<Expr>, usize),
}

/// The most expressions in a text.
const MOST_HOLES: usize = 200;
/// The most mistakes of one text that are told.
const MOST_ERRORS: usize = 20;

/// A hole of a text: where it is, and the expression in it.
struct Hole {
    /// The braces included.
    span: Range<usize>,
    /// Between the braces.
    inner: Range<usize>,
}

impl Template {
    /// Parses a text and checks the expressions in it.
    ///
    /// # Errors
    ///
    /// Returns every mistake; spans are bytes of the text.
    pub fn parse(source: &str, scope: &Scope) -> Result<Template, Vec<ExprError>> {
        let parts = parts(source, scope)?;
        Ok(Template { source: source.to_owned(), parts: OnceLock::from(parts) })
    }

    /// Keeps a text that was checked elsewhere; it is parsed when it is first filled.
    ///
    /// For the built-in catalogue, whose texts a test checks: most are never filled in a run.
    pub fn lazy(source: impl Into<String>) -> Template {
        Template { source: source.into(), parts: OnceLock::new() }
    }

    /// Returns the text as written.
    pub fn source(&self) -> &str {
        &self.source
    }

    /// Fills the holes; an unknown value becomes `?`, control characters are escaped.
    pub fn fill(&self, bindings: &Bindings) -> String {
        self.filled(bindings, |text| text)
    }

    /// Fills the holes of a command that a person may copy into a shell.
    ///
    /// Whatever the network supplied stays one word: a character with a meaning to the shell becomes
    /// an underscore.
    pub fn fill_command(&self, bindings: &Bindings) -> String {
        let plain = |c: char| c.is_alphanumeric() || "._:@%+=,/-[]".contains(c);
        self.filled(bindings, |text| text.chars().map(|c| if plain(c) { c } else { '_' }).collect())
    }

    fn filled(&self, bindings: &Bindings, value: impl Fn(String) -> String) -> String {
        let mut out = String::with_capacity(self.source.len());
        for part in self.parts() {
            match part {
                Part::Text(text) => out.push_str(text),
                Part::Hole(expr, _) => match expr.eval(bindings) {
                    Known::Value(seen) => match shown(&seen) {
                        Some(text) => out.push_str(&value(text)),
                        None => out.push('?'),
                    },
                    Known::Unknown(_) => out.push('?'),
                },
            }
        }
        out
    }

    /// Returns the expressions in the holes, each with the byte of the text at which it begins.
    pub fn holes(&self) -> impl Iterator<Item = (&Expr, usize)> {
        self.parts().iter().filter_map(|part| match part {
            Part::Hole(expr, at) => Some((&**expr, *at)),
            Part::Text(_) => None,
        })
    }

    /// Returns the expressions in its holes.
    pub fn exprs(&self) -> impl Iterator<Item = &Expr> {
        self.parts().iter().filter_map(|part| match part {
            Part::Hole(expr, _) => Some(&**expr),
            Part::Text(_) => None,
        })
    }

    fn parts(&self) -> &[Part] {
        self.parts.get_or_init(|| {
            parts(&self.source, &Scope::open())
                .unwrap_or_else(|_| vec![Part::Text(self.source.clone())])
        })
    }
}

/// Returns the expression when the text is exactly one hole, with its offset in the text.
pub(crate) fn sole_hole(source: &str) -> Option<(&str, usize)> {
    let trimmed = source.trim();
    let start = source.len() - source.trim_start().len();
    let found = holes(trimmed).ok()?;
    match found.as_slice() {
        [hole] if hole.span == (0..trimmed.len()) => {
            Some((trimmed.get(hole.inner.clone())?, start + hole.inner.start))
        }
        _ => None,
    }
}

fn parts(source: &str, scope: &Scope) -> Result<Vec<Part>, Vec<ExprError>> {
    let found = holes(source).map_err(|error| vec![error])?;
    let (mut parts, mut errors, mut end) = (Vec::new(), Vec::new(), 0);
    for hole in found {
        if errors.len() >= MOST_ERRORS {
            break;
        }
        if hole.span.start > end {
            parts.push(Part::Text(source[end..hole.span.start].to_owned()));
        }
        end = hole.span.end;
        match Expr::compile(&source[hole.inner.clone()], scope) {
            Ok(expr) => parts.push(Part::Hole(Box::new(expr), hole.inner.start)),
            Err(wrong) => errors.extend(wrong.into_iter().map(|mut error| {
                error.span = error.span.start + hole.inner.start..error.span.end + hole.inner.start;
                error
            })),
        }
    }
    if end < source.len() {
        parts.push(Part::Text(source[end..].to_owned()));
    }
    if errors.is_empty() { Ok(parts) } else { Err(errors) }
}

/// Finds the holes; braces inside an expression's text literals do not count.
fn holes(source: &str) -> Result<Vec<Hole>, ExprError> {
    let mut found = Vec::new();
    let mut from = 0;
    while let Some(at) = source[from..].find("{{") {
        let start = from + at;
        let inner = start + 2;
        let Some(length) = end_of_hole(&source[inner..]) else {
            return Err(ExprError {
                span: start..inner,
                kind: ExprErrorKind::Syntax,
                message: "this {{ has no matching }}".to_owned(),
                help: Some("write {{ \"{{\" }} for the braces themselves".to_owned()),
                meant: None,
            });
        };
        from = inner + length + 2;
        if found.len() >= MOST_HOLES {
            return Err(ExprError {
                span: start..from,
                kind: ExprErrorKind::TooLarge,
                message: format!("the text has more than {MOST_HOLES} expressions"),
                help: None,
                meant: None,
            });
        }
        found.push(Hole { span: start..from, inner: inner..inner + length });
    }
    Ok(found)
}

fn end_of_hole(text: &str) -> Option<usize> {
    let bytes = text.as_bytes();
    let (mut at, mut quote) = (0, None);
    while at < bytes.len() {
        match (bytes[at], quote) {
            (b'\\', Some(_)) => at += 1,
            (c, Some(open)) if c == open => quote = None,
            (_, Some(_)) => {}
            (c @ (b'"' | b'\''), None) => quote = Some(c),
            (b'}', None) if bytes.get(at + 1) == Some(&b'}') => return Some(at),
            _ => {}
        }
        at += 1;
    }
    None
}
