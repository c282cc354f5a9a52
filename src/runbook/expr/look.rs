//! What an expression speaks of, looked at as it is written.

use std::ops::Range;

use cel_core::BinaryOp;

use super::ast::{Ast, Function, Node};
use super::doubt::is_null;

/// A name that will go away.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OldName {
    /// Where, in bytes of the expression's source.
    pub span: Range<usize>,
    /// The name to write instead.
    pub new: &'static str,
}

/// Functions by an old name, and the new one.
const OLD_FUNCTIONS: [(&str, &str); 1] = [("double", "float")];

/// Calls `see` with a node and everything below it.
fn walk<'a>(ast: &'a Ast, see: &mut dyn FnMut(&'a Ast)) {
    see(ast);
    match &ast.node {
        Node::Literal(_) | Node::Name(_) => {}
        Node::Field { of, .. } | Node::Not(of) | Node::Negate(of) | Node::Has(of) => walk(of, see),
        Node::Index(a, b) | Node::Binary(_, a, b) => {
            walk(a, see);
            walk(b, see);
        }
        Node::List(items) | Node::Call(_, items) => items.iter().for_each(|item| walk(item, see)),
        Node::Ternary(parts) => parts.iter().for_each(|part| walk(part, see)),
        Node::Loop { list, body, .. } => {
            walk(list, see);
            walk(body, see);
        }
    }
}

/// See [`Expr::names`](super::Expr::names).
pub(super) fn names(ast: &Ast) -> Vec<(String, Range<usize>)> {
    let (mut found, mut own) = (Vec::new(), Vec::new());
    walk(ast, &mut |ast| match &ast.node {
        Node::Name(name) => found.push((name.clone(), ast.span.clone())),
        // A loop cannot take a name that means something outside it.
        Node::Loop { var, .. } => own.push(var.as_str()),
        _ => {}
    });
    found.retain(|(name, _)| !own.contains(&name.as_str()));
    found
}

/// See [`Expr::idle_null_tests`](super::Expr::idle_null_tests).
pub(super) fn idle_null_tests(ast: &Ast) -> Vec<Range<usize>> {
    let mut found = Vec::new();
    walk(ast, &mut |ast| {
        if let Node::Binary(BinaryOp::Eq | BinaryOp::Ne, left, right) = &ast.node {
            let tested = match (is_null(left), is_null(right)) {
                (false, true) => left,
                (true, false) => right,
                _ => return,
            };
            if matches!(tested.node, Node::Field { .. }) && never_null(tested) {
                found.push(ast.span.clone());
            }
        }
    });
    found
}

/// Whether a path is never null once its first name is known. What lies in a map or came out of
/// something untyped was marked as nullable.
fn never_null(ast: &Ast) -> bool {
    match &ast.node {
        Node::Name(_) => true,
        Node::Field { of, nullable, .. } => !nullable && never_null(of),
        _ => false,
    }
}

/// See [`Expr::old_names`](super::Expr::old_names).
pub(super) fn old_names(ast: &Ast, source: &str) -> Vec<OldName> {
    let mut found = Vec::new();
    walk(ast, &mut |ast| {
        let (Node::Call(Function::Float, _), Some(call)) =
            (&ast.node, source.get(ast.span.clone()))
        else {
            return;
        };
        for (old, new) in OLD_FUNCTIONS {
            if call.strip_prefix(old).is_some_and(|rest| rest.trim_start().starts_with('(')) {
                found.push(OldName { span: ast.span.start..ast.span.start + old.len(), new });
            }
        }
    });
    found
}
