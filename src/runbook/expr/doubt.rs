//! What may make an expression unknown, and what a condition's outcome proves.

use std::ops::Range;

use cel_core::BinaryOp;
use serde_json::Value;

use super::Facts;
use super::ast::{Ast, Function, Loop, Node};

/// Something that may make an expression unknown.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Doubt {
    /// Where, in bytes of the expression's source.
    pub span: Range<usize>,
    /// Why, one clause: `connect may not have run`.
    pub why: String,
    /// The step that may not have run, or not have been able to look, when that is why.
    pub step: Option<String>,
}

impl Facts {
    /// Adds what holds when the condition is true.
    #[must_use]
    pub fn when_true(&self, condition: &super::Expr) -> Facts {
        condition.ast().map_or_else(|| self.clone(), |ast| self.assume(ast, true))
    }

    /// Adds what holds when the condition is false.
    #[must_use]
    pub fn when_false(&self, condition: &super::Expr) -> Facts {
        condition.ast().map_or_else(|| self.clone(), |ast| self.assume(ast, false))
    }

    fn assume(&self, condition: &Ast, truth: bool) -> Facts {
        let mut facts = self.clone();
        facts.learn(condition, truth);
        facts
    }

    /// Adds what a condition's outcome proves. A strict operator that came to a result had values
    /// on both sides.
    fn learn(&mut self, ast: &Ast, truth: bool) {
        match &ast.node {
            Node::Not(of) => self.learn(of, !truth),
            Node::Binary(BinaryOp::And, left, right) | Node::Binary(BinaryOp::Or, left, right) => {
                let and = matches!(ast.node, Node::Binary(BinaryOp::And, ..));
                if and == truth {
                    self.learn(left, truth);
                    self.learn(right, truth);
                } else {
                    // One of the two decided, it is not known which.
                    let left = self.assume(left, truth);
                    let right = self.assume(right, truth);
                    self.extend(&left.both(&right));
                }
            }
            Node::Has(of) if truth => self.learn_value(of),
            Node::Binary(op @ (BinaryOp::Eq | BinaryOp::Ne), left, right) => {
                let other = match (is_null(left), is_null(right)) {
                    (true, _) => right,
                    (_, true) => left,
                    _ => {
                        self.learn_value(left);
                        self.learn_value(right);
                        return;
                    }
                };
                if (*op == BinaryOp::Ne) == truth {
                    self.learn_value(other);
                } else if let Some(path) = path_of(other) {
                    // Decided, so at least the step that it belongs to saw something.
                    let root = path.split('.').next().unwrap_or(&path);
                    self.add(root);
                }
            }
            Node::Binary(
                BinaryOp::Lt | BinaryOp::Le | BinaryOp::Gt | BinaryOp::Ge | BinaryOp::In,
                left,
                right,
            ) => {
                self.learn_value(left);
                self.learn_value(right);
            }
            Node::Name(_) | Node::Field { .. } => self.learn_value(ast),
            _ => {}
        }
    }

    fn learn_value(&mut self, ast: &Ast) {
        match &ast.node {
            Node::Call(Function::Size, args) => {
                for arg in args {
                    self.learn_value(arg);
                }
            }
            _ => {
                if let Some(path) = path_of(ast) {
                    self.add(&path);
                }
            }
        }
    }
}

pub(super) fn is_null(ast: &Ast) -> bool {
    matches!(ast.node, Node::Literal(Value::Null))
}

/// Returns `a.b.c` as a path; `None` for anything else.
pub(super) fn path_of(ast: &Ast) -> Option<String> {
    match &ast.node {
        Node::Name(name) => Some(name.clone()),
        Node::Field { of, field, .. } => Some(format!("{}.{field}", path_of(of)?)),
        _ => None,
    }
}

/// See [`Expr::words`](super::Expr::words).
pub(super) fn words(ast: &Ast) -> Option<(String, Vec<String>)> {
    let text = |ast: &Ast| match &ast.node {
        Node::Literal(Value::String(text)) => Some(text.clone()),
        _ => None,
    };
    match &ast.node {
        Node::Binary(BinaryOp::Eq, left, right) => match (path_of(left), path_of(right)) {
            (Some(path), None) => Some((path, vec![text(right)?])),
            (None, Some(path)) => Some((path, vec![text(left)?])),
            _ => None,
        },
        Node::Binary(BinaryOp::In, left, right) => match &right.node {
            Node::List(items) => {
                Some((path_of(left)?, items.iter().map(text).collect::<Option<_>>()?))
            }
            _ => None,
        },
        Node::Binary(BinaryOp::Or, left, right) => {
            let (path, mut all) = words(left)?;
            let (other, more) = words(right)?;
            all.extend(more);
            (path == other).then_some((path, all))
        }
        _ => None,
    }
}

/// Finds what may make an expression unknown, null as a whole included.
pub(super) fn doubt(ast: &Ast, source: &str, facts: &Facts) -> Option<Doubt> {
    Search { source, locals: Vec::new() }.needed(ast, facts)
}

struct Search<'a> {
    source: &'a str,
    locals: Vec<&'a str>,
}

impl<'a> Search<'a> {
    fn because(&self, ast: &Ast, why: &str) -> Option<Doubt> {
        let source = self.source.get(ast.span.clone()).unwrap_or("a value");
        Some(Doubt { span: ast.span.clone(), why: format!("`{source}` {why}"), step: None })
    }

    /// Finds out whether `has(x)` is certainly true.
    fn certain(&mut self, condition: &'a Ast, facts: &Facts) -> bool {
        matches!(&condition.node, Node::Has(of) if self.needed(of, facts).is_none())
    }

    /// Finds what may leave a value unknown or null.
    fn needed(&mut self, ast: &'a Ast, facts: &Facts) -> Option<Doubt> {
        if let Some(doubt) = self.value(ast, facts) {
            return Some(doubt);
        }
        match &ast.node {
            Node::Field { of, nullable, .. } => {
                if path_of(ast).is_some_and(|path| facts.has(&path)) {
                    return None;
                }
                if *nullable {
                    return self.because(ast, "may be null");
                }
                // A field of a record that is null itself is null too.
                self.needed(of, facts)
            }
            Node::Index(of, _) => self.needed(of, facts),
            Node::Ternary(parts) => {
                let [condition, yes, no] = &**parts;
                let yes_facts = facts.assume(condition, true);
                let no_facts = facts.assume(condition, false);
                let yes = self.needed(yes, &yes_facts);
                if yes.is_some() || self.certain(condition, facts) {
                    return yes;
                }
                self.needed(no, &no_facts)
            }
            _ => None,
        }
    }

    /// Finds what may leave a value unknown; null is a value here.
    fn value(&mut self, ast: &'a Ast, facts: &Facts) -> Option<Doubt> {
        match &ast.node {
            Node::Literal(_) | Node::Has(_) => None,
            Node::Name(name) => {
                if self.locals.contains(&name.as_str()) || facts.has(name) {
                    None
                } else {
                    let doubt = self.because(ast, "may not have run, or could not look");
                    doubt.map(|doubt| Doubt { step: Some(name.clone()), ..doubt })
                }
            }
            Node::Field { of, .. } => self.value(of, facts),
            Node::Index(of, index) => self
                .needed(of, facts)
                .or_else(|| self.needed(index, facts))
                .or_else(|| self.because(ast, "may not be there")),
            Node::List(items) => items.iter().find_map(|item| self.needed(item, facts)),
            Node::Not(of) => self.needed(of, facts),
            Node::Negate(of) => self.needed(of, facts),
            Node::Binary(op @ (BinaryOp::And | BinaryOp::Or), left, right) => {
                let left_doubt = self.needed(left, facts);
                let then = facts.assume(left, *op == BinaryOp::And);
                let right_doubt = self.needed(right, &then);
                match (left_doubt, right_doubt) {
                    (None, doubt) => doubt,
                    // `doubtful && has(x)` may still be decided, but not always.
                    (doubt, _) => doubt,
                }
            }
            Node::Binary(BinaryOp::Eq | BinaryOp::Ne, left, right) if is_null(right) => {
                self.value(left, facts)
            }
            Node::Binary(BinaryOp::Eq | BinaryOp::Ne, left, right) if is_null(left) => {
                self.value(right, facts)
            }
            Node::Binary(BinaryOp::Div | BinaryOp::Mod, left, right) => self
                .needed(left, facts)
                .or_else(|| self.needed(right, facts))
                .or_else(|| match &right.node {
                    Node::Literal(value) if value.as_f64() != Some(0.0) => None,
                    _ => self.because(right, "may be zero"),
                }),
            Node::Binary(_, left, right) => {
                self.needed(left, facts).or_else(|| self.needed(right, facts))
            }
            Node::Ternary(parts) => {
                let [condition, yes, no] = &**parts;
                let yes_facts = facts.assume(condition, true);
                let no_facts = facts.assume(condition, false);
                let doubt = self.needed(condition, facts).or_else(|| self.value(yes, &yes_facts));
                if doubt.is_some() || self.certain(condition, facts) {
                    return doubt;
                }
                self.value(no, &no_facts)
            }
            Node::Call(function, args) => {
                let doubt = args.iter().find_map(|arg| self.needed(arg, facts));
                doubt.or_else(|| match function {
                    Function::Int | Function::Float => self.because(ast, "may not be a number"),
                    _ => None,
                })
            }
            Node::Loop { kind, list, var, body } => {
                let doubt = self.needed(list, facts);
                if doubt.is_some() {
                    return doubt;
                }
                self.locals.push(var);
                let mut inner = facts.clone();
                inner.add(var);
                let doubt = if *kind == Loop::Map {
                    self.value(body, &inner)
                } else {
                    self.needed(body, &inner)
                };
                self.locals.pop();
                doubt
            }
        }
    }
}
