//! Which fields an evaluation read: for showing why a condition held, and for finding what a test of
//! a runbook forgot to give.

use std::cell::RefCell;

use serde_json::Value;

use super::ast::Ast;
use super::eval::{Env, Local};
use super::{Bindings, Known, Read};

/// Evaluates as [`eval`](super::eval::eval) does, and keeps every field that was read, in order.
pub(super) fn traced(ast: &Ast, source: &str, bindings: &Bindings) -> (Known, Vec<Read>) {
    let env = Env::new(source, bindings, Some(RefCell::default()));
    let known = env.known(ast);
    (known, env.reads.map(RefCell::into_inner).unwrap_or_default())
}

impl<'a> Env<'a> {
    /// Keeps what was read, when somebody wants to know.
    pub(super) fn keep(
        &self,
        ast: &Ast,
        record: &Value,
        field: &str,
        local: Option<&Local<'a, '_>>,
    ) {
        let Some(reads) = &self.reads else { return };
        let value = record.get(field);
        reads.borrow_mut().push(Read {
            path: self.source.get(ast.span.clone()).unwrap_or(field).to_owned(),
            value: value.cloned().unwrap_or(Value::Null),
            there: value.is_some() || record.is_null(),
            item: local.is_some() && !matches!(ast.root(), Some(root) if self.outer(root, local)),
        });
    }

    /// Whether a name means something outside of every loop.
    fn outer(&self, name: &str, local: Option<&Local<'a, '_>>) -> bool {
        let mut scope = local;
        while let Some(variable) = scope {
            if variable.name == name {
                return false;
            }
            scope = variable.up;
        }
        true
    }
}
