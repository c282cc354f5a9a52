//! Expressions (CEL) and texts with expressions in them; three-valued.

use serde_json::Value;

/// A compiled, type-checked expression.
#[derive(Debug)]
pub struct Expr {
    source: String,
}

/// Text with `{{ expression }}` holes.
#[derive(Debug)]
pub struct Template {
    source: String,
}

/// The names an expression can see at run time.
///
/// `target`, `params` and `vantage` are always there; each step that ran is there under its id;
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

impl Expr {
    /// Returns the expression as written.
    pub fn source(&self) -> &str {
        &self.source
    }

    /// Evaluates it.
    pub fn eval(&self, _bindings: &Bindings) -> Known {
        Known::Unknown("not built".to_owned())
    }
}

impl Template {
    /// Returns the text as written.
    pub fn source(&self) -> &str {
        &self.source
    }

    /// Fills the holes; an unknown value becomes `?`.
    pub fn fill(&self, _bindings: &Bindings) -> String {
        self.source.clone()
    }
}
