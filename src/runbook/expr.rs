//! Expressions (a subset of CEL) and texts with expressions in them; three-valued.
//!
//! Syntax and precedence are CEL's: `cel-core` parses. Types, unknowns and evaluation are our own,
//! because the language differs from CEL in three rules: null, a step that did not run and a step
//! that could not look make what needs them *unknown*; integers and floats mix; words are checked
//! against their vocabulary. No other module may see `cel_core`.

mod ast;
mod cases;
mod check;
mod doubt;
mod eval;
mod facts;
mod look;
mod relate;
mod scope;
mod template;
mod trace;
mod value;

use std::ops::Range;
use std::sync::OnceLock;

use serde_json::Value;

use crate::model::types::Type;

pub use cases::Cases;
pub use doubt::Doubt;
pub use facts::Facts;
pub use look::OldName;
pub(crate) use relate::{article, join};
pub use scope::Scope;
pub use template::Template;
pub(crate) use template::sole_hole;
pub use value::{escape, is_unsafe, shown};

use ast::Ast;

/// A compiled, type-checked expression.
#[derive(Debug)]
pub struct Expr {
    source: String,
    /// Parsed when it is first needed; `None` inside when it cannot be.
    ast: OnceLock<Option<Ast>>,
    ty: Type,
}

/// The names an expression can see at run time.
///
/// `target` and `params` are always there; each step that saw something is there under its id;
/// `result` is the current step's own result. A name that is not bound is unknown, not an error.
#[derive(Debug, Default, Clone)]
pub struct Bindings {
    /// Values by name.
    pub values: serde_json::Map<String, Value>,
}

/// The value of an expression, or why it has none.
#[derive(Debug, Clone, PartialEq)]
pub enum Known {
    /// A value.
    Value(Value),
    /// Something it needs is null, missing or did not run; the text names it.
    Unknown(String),
}

/// A field that an evaluation read.
#[derive(Debug, Clone, PartialEq)]
pub struct Read {
    /// The field as the expression writes it, for example `connect.outcome`.
    pub path: String,
    /// What it held; null when it was null or missing.
    pub value: Value,
    /// Whether the record has the field at all, be it null.
    pub there: bool,
    /// Whether it belongs to an item of a list that is gone through.
    pub item: bool,
}

/// What is wrong with an expression.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ExprError {
    /// Where, in bytes of the expression's source.
    pub span: Range<usize>,
    /// Which kind of mistake.
    pub kind: ExprErrorKind,
    /// What is wrong, one sentence.
    pub message: String,
    /// What to write instead.
    pub help: Option<String>,
    /// The text that certainly belongs in this place, without the quotes around it.
    pub meant: Option<String>,
}

/// The kinds of mistakes in an expression.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ExprErrorKind {
    /// Not in the grammar, or a part of CEL that is not offered.
    Syntax,
    /// Too long, too deep or with too many parts.
    TooLarge,
    /// A name that nothing here has.
    UnknownName,
    /// A field that the record lacks.
    UnknownField,
    /// A function that does not exist.
    UnknownFunction,
    /// Operands or arguments of the wrong type.
    Type,
    /// A literal outside a word's vocabulary.
    Word,
}

impl Expr {
    /// Compiles an expression and checks its names and types.
    ///
    /// # Errors
    ///
    /// Returns every mistake found.
    pub fn compile(source: &str, scope: &Scope) -> Result<Expr, Vec<ExprError>> {
        let mut ast = ast::parse(source).map_err(|error| vec![error])?;
        let ty = check::check(&mut ast, source, scope)?;
        Ok(Expr { source: source.to_owned(), ast: OnceLock::from(Some(ast)), ty })
    }

    /// Keeps an expression that was checked elsewhere; it is parsed when it is first evaluated.
    ///
    /// For the built-in runbooks, which a test checks: most of it is never evaluated in a run.
    pub fn lazy(source: impl Into<String>) -> Expr {
        Expr { source: source.into(), ast: OnceLock::new(), ty: Type::Any }
    }

    fn ast(&self) -> Option<&Ast> {
        self.ast.get_or_init(|| ast::parse(&self.source).ok()).as_ref()
    }

    /// Returns the expression as written.
    pub fn source(&self) -> &str {
        &self.source
    }

    /// Returns the type of its value.
    pub fn ty(&self) -> &Type {
        &self.ty
    }

    /// Evaluates it.
    pub fn eval(&self, bindings: &Bindings) -> Known {
        match self.ast() {
            Some(ast) => eval::eval(ast, &self.source, bindings),
            None => Known::Unknown(format!("{} is no expression", self.source)),
        }
    }

    /// Evaluates it, and returns every field that was read on the way, in order.
    pub fn traced(&self, bindings: &Bindings) -> (Known, Vec<Read>) {
        match self.ast() {
            Some(ast) => trace::traced(ast, &self.source, bindings),
            None => (self.eval(bindings), Vec::new()),
        }
    }

    /// Finds what may make it unknown although `facts` hold; `None` when nothing can.
    pub fn doubt(&self, facts: &Facts) -> Option<Doubt> {
        doubt::doubt(self.ast()?, &self.source, facts)
    }

    /// Returns the names that it speaks of, each with its place in bytes of the source; the variables
    /// of its own loops are not among them.
    pub fn names(&self) -> Vec<(String, Range<usize>)> {
        self.ast().map(look::names).unwrap_or_default()
    }

    /// Finds tests for null of what is never null, each with its place.
    pub fn idle_null_tests(&self) -> Vec<Range<usize>> {
        self.ast().map(look::idle_null_tests).unwrap_or_default()
    }

    /// Finds names in it that will go away, each with its place and the new name.
    pub fn old_names(&self) -> Vec<OldName> {
        self.ast().map(|ast| look::old_names(ast, &self.source)).unwrap_or_default()
    }

    /// Returns the cases in which it is true; `None` when they are too many to be told apart.
    /// `words` gives the closed vocabulary of a path, if it has one.
    pub fn cases(&self, words: &dyn Fn(&str) -> Option<Vec<String>>) -> Option<Cases> {
        cases::cases(self.ast()?, &self.source, words)
    }

    /// Returns the literal words of `path == "word"` and `path in ["word", …]`, with the path, when
    /// the whole expression has one of these forms.
    pub fn words(&self) -> Option<(String, Vec<String>)> {
        doubt::words(self.ast()?)
    }
}

impl Known {
    /// Returns the truth of a condition; `None` when it is unknown or not a bool.
    pub fn truth(&self) -> Option<bool> {
        match self {
            Known::Value(Value::Bool(truth)) => Some(*truth),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests;
