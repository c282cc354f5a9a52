//! Checks names and types of an expression before the run.

use std::ops::Range;
use std::sync::Arc;

use cel_core::BinaryOp;
use serde_json::Value;

use super::ast::{Ast, Function, Loop, Node};
use super::relate::{article, comparable, join};
use super::{ExprError, ExprErrorKind, Scope};
use crate::model::types::{Record, Type};
use crate::runbook::problem::{did_you_mean, nearest};

/// The most mistakes of one expression that are told.
const MOST_ERRORS: usize = 20;

/// Checks an expression, marks which of its fields may be null, and returns its type.
pub(super) fn check(ast: &mut Ast, source: &str, scope: &Scope) -> Result<Type, Vec<ExprError>> {
    let mut checker = Checker { source, scope, locals: Vec::new(), errors: Vec::new() };
    let ty = checker.ty(ast);
    if checker.errors.is_empty() { Ok(ty) } else { Err(checker.errors) }
}

struct Checker<'a> {
    source: &'a str,
    scope: &'a Scope,
    locals: Vec<(String, Type)>,
    errors: Vec<ExprError>,
}

impl Checker<'_> {
    fn wrong(
        &mut self,
        span: &Range<usize>,
        kind: ExprErrorKind,
        message: String,
        help: Option<String>,
    ) -> Type {
        if self.errors.len() < MOST_ERRORS {
            self.errors.push(ExprError { span: span.clone(), kind, message, help, meant: None });
        }
        Type::Any
    }

    /// Complains about a name that is none of those known.
    fn misnamed(
        &mut self,
        span: &Range<usize>,
        kind: ExprErrorKind,
        message: String,
        found: &str,
        (known, what): (&[&str], &str),
    ) -> Type {
        if self.errors.len() >= MOST_ERRORS {
            return Type::Any;
        }
        let help = Some(did_you_mean(found, known, what));
        let meant = nearest(found, known).map(str::to_owned);
        self.errors.push(ExprError { span: span.clone(), kind, message, help, meant });
        Type::Any
    }

    fn mismatch(&mut self, ast: &Ast, found: &Type, wanted: &str) -> Type {
        let source = self.source.get(ast.span.clone()).unwrap_or("this");
        let message = format!("`{source}` is {}, not {wanted}", article(found));
        self.wrong(&ast.span, ExprErrorKind::Type, message, None)
    }

    fn ty(&mut self, ast: &mut Ast) -> Type {
        let span = ast.span.clone();
        match &mut ast.node {
            Node::Literal(value) => match value {
                Value::Bool(_) => Type::Bool,
                Value::Number(number) if number.is_f64() => Type::Float,
                Value::Number(_) => Type::Int,
                Value::String(_) => Type::Text,
                _ => Type::Any,
            },
            Node::Name(name) => {
                let local = self.locals.iter().rev().find(|(known, _)| known == name);
                if let Some((_, ty)) = local {
                    return ty.clone();
                }
                match self.scope.find(name) {
                    Some(ty) => ty.clone(),
                    None if self.scope.is_open() => Type::Any,
                    None => {
                        let message = format!("nothing here is called `{name}`");
                        if name == "result" {
                            let help = "`result` is what the step's own probe saw: it is there in \
                                        `findings` and `branches`";
                            let help = Some(help.to_owned());
                            return self.wrong(&span, ExprErrorKind::UnknownName, message, help);
                        }
                        let known = self.scope.known();
                        let known = (known.as_slice(), "names");
                        self.misnamed(&span, ExprErrorKind::UnknownName, message, name, known)
                    }
                }
            }
            Node::Field { of, field, nullable } => self.field(of, field, nullable, &span),
            Node::Index(of, index) => self.index(of, index),
            Node::List(items) => {
                let types: Vec<Type> = items.iter_mut().map(|item| self.ty(item)).collect();
                let item = types.into_iter().reduce(join).unwrap_or(Type::Any);
                Type::List(Arc::new(item))
            }
            Node::Not(of) => {
                self.wants_bool(of);
                Type::Bool
            }
            Node::Negate(of) => self.wants_number(of),
            Node::Binary(op, left, right) => self.binary(*op, left, right, &span),
            Node::Ternary(parts) => {
                let [condition, yes, no] = &mut **parts;
                self.wants_bool(condition);
                let yes = self.ty(yes);
                let no = self.ty(no);
                join(yes, no)
            }
            Node::Has(of) => {
                self.ty(of);
                Type::Bool
            }
            Node::Call(function, args) => self.call(*function, args),
            Node::Loop { kind, list, var, body } => {
                let (kind, var) = (*kind, var.clone());
                self.run_loop(kind, list, &var, body, &span)
            }
        }
    }

    fn field(
        &mut self,
        of: &mut Ast,
        field: &str,
        nullable: &mut bool,
        span: &Range<usize>,
    ) -> Type {
        let ty = self.ty(of);
        let at = span.end.saturating_sub(field.len()).max(of.span.end)..span.end;
        match &ty {
            Type::Any => Type::Any,
            Type::Map(value) => Type::clone(value),
            Type::Record(record) => match record.field(field) {
                Some(found) => {
                    *nullable = found.nullable;
                    found.ty.clone()
                }
                None => self.no_field(of, record, field, &at),
            },
            other => {
                let source = self.source.get(of.span.clone()).unwrap_or("this");
                let message = format!("`{source}` is {} and has no fields", article(other));
                let help = matches!(other, Type::List(_)).then(|| {
                    format!("take one item, as in {source}[0], or ask of all, as in {source}.exists(item, …)")
                });
                self.wrong(&at, ExprErrorKind::Type, message, help)
            }
        }
    }

    fn no_field(&mut self, of: &Ast, record: &Record, field: &str, at: &Range<usize>) -> Type {
        let known: Vec<&str> = record.fields.iter().map(|f| f.name.as_str()).collect();
        let source = self.source.get(of.span.clone()).unwrap_or("this");
        let message = format!("`{source}` has no field `{field}`");
        self.misnamed(at, ExprErrorKind::UnknownField, message, field, (&known, "fields"))
    }

    fn index(&mut self, of: &mut Ast, index: &mut Ast) -> Type {
        let ty = self.ty(of);
        let at = self.ty(index);
        match (&ty, &at) {
            (Type::Any, _) => Type::Any,
            (Type::List(item), Type::Int | Type::Any) => Type::clone(item),
            (Type::Map(value), Type::Text | Type::Word(_) | Type::Any) => Type::clone(value),
            (Type::List(_), other) => self.mismatch(index, other, "an int"),
            (Type::Map(_), other) => self.mismatch(index, other, "text"),
            (other, _) => self.mismatch(of, other, "a list or a map"),
        }
    }

    fn wants_bool(&mut self, ast: &mut Ast) {
        let ty = self.ty(ast);
        if !matches!(ty, Type::Bool | Type::Any) {
            self.mismatch(ast, &ty, "a condition (true or false)");
        }
    }

    fn wants_number(&mut self, ast: &mut Ast) -> Type {
        let ty = self.ty(ast);
        match ty {
            Type::Int | Type::Float | Type::Any => ty,
            other => self.mismatch(ast, &other, "a number"),
        }
    }

    fn wants_text(&mut self, ast: &mut Ast) {
        let ty = self.ty(ast);
        if !matches!(ty, Type::Text | Type::Word(_) | Type::Any) {
            self.mismatch(ast, &ty, "text");
        }
    }

    fn binary(
        &mut self,
        op: BinaryOp,
        left: &mut Ast,
        right: &mut Ast,
        span: &Range<usize>,
    ) -> Type {
        match op {
            BinaryOp::And | BinaryOp::Or => {
                self.wants_bool(left);
                self.wants_bool(right);
                Type::Bool
            }
            BinaryOp::Eq | BinaryOp::Ne => {
                let (a, b) = (self.ty(left), self.ty(right));
                self.comparable(&a, &b, span);
                self.word(&a, right);
                self.word(&b, left);
                Type::Bool
            }
            BinaryOp::Lt | BinaryOp::Le | BinaryOp::Gt | BinaryOp::Ge => {
                let (a, b) = (self.ty(left), self.ty(right));
                let ordered =
                    |ty: &Type| matches!(ty, Type::Int | Type::Float | Type::Text | Type::Any);
                if !ordered(&a) {
                    self.mismatch(left, &a, "a number or text, which have an order");
                } else if !ordered(&b) {
                    self.mismatch(right, &b, "a number or text, which have an order");
                } else {
                    self.comparable(&a, &b, span);
                }
                Type::Bool
            }
            BinaryOp::In => {
                let item = self.ty(left);
                match self.ty(right) {
                    Type::List(of) => {
                        self.comparable(&item, &of, span);
                        if let Node::List(items) = &mut right.node {
                            for literal in items {
                                self.word(&item, literal);
                            }
                        }
                        self.word(&of, left);
                    }
                    Type::Map(_) => self.comparable(&item, &Type::Text, span),
                    Type::Any => {}
                    other => {
                        self.mismatch(right, &other, "a list or a map");
                    }
                }
                Type::Bool
            }
            BinaryOp::Add => {
                let (a, b) = (self.ty(left), self.ty(right));
                match (&a, &b) {
                    (Type::Any, _) | (_, Type::Any) => Type::Any,
                    (Type::Text | Type::Word(_), Type::Text | Type::Word(_)) => Type::Text,
                    (Type::List(_), Type::List(_)) => join(a, b),
                    (Type::Int | Type::Float, Type::Int | Type::Float) => join(a, b),
                    (Type::Text | Type::Word(_), _) => {
                        let message = format!("text and {} cannot be added", article(&b));
                        let help = Some("turn the other side into text with string(…)".to_owned());
                        self.wrong(span, ExprErrorKind::Type, message, help)
                    }
                    _ => {
                        let message =
                            format!("{} and {} cannot be added", article(&a), article(&b));
                        self.wrong(span, ExprErrorKind::Type, message, None)
                    }
                }
            }
            BinaryOp::Sub | BinaryOp::Mul | BinaryOp::Div | BinaryOp::Mod => {
                let (a, b) = (self.wants_number(left), self.wants_number(right));
                join(a, b)
            }
        }
    }

    /// Complains when values of two types can never be equal.
    fn comparable(&mut self, a: &Type, b: &Type, span: &Range<usize>) {
        if !comparable(a, b) {
            let message = format!("{} and {} cannot be compared", article(a), article(b));
            self.wrong(span, ExprErrorKind::Type, message, None);
        }
    }

    /// Complains about a text literal that is none of the words it is compared with.
    fn word(&mut self, ty: &Type, literal: &Ast) {
        let (Type::Word(words), Node::Literal(Value::String(text))) = (ty, &literal.node) else {
            return;
        };
        if words.iter().any(|word| word.name == *text) {
            return;
        }
        let known: Vec<&str> = words.iter().map(|word| word.name.as_str()).collect();
        let message = format!("`{text}` is never the value here");
        let kind = ExprErrorKind::Word;
        self.misnamed(&literal.span, kind, message, text, (&known, "words"));
    }

    fn call(&mut self, function: Function, args: &mut [Ast]) -> Type {
        match (function, args) {
            (Function::Size, [of]) => {
                let ty = self.ty(of);
                if !matches!(
                    ty,
                    Type::List(_) | Type::Map(_) | Type::Text | Type::Word(_) | Type::Any
                ) {
                    self.mismatch(of, &ty, "a list or text");
                }
                Type::Int
            }
            (Function::Contains | Function::StartsWith | Function::EndsWith, [whole, part]) => {
                self.wants_text(whole);
                self.wants_text(part);
                Type::Bool
            }
            (Function::Join, [list, between]) => {
                let ty = self.ty(list);
                if !matches!(ty, Type::List(_) | Type::Any) {
                    self.mismatch(list, &ty, "a list");
                }
                self.wants_text(between);
                Type::Text
            }
            (Function::Ms, [of]) => {
                self.wants_number(of);
                Type::Text
            }
            (Function::Plural, [count, one, many]) => {
                self.wants_number(count);
                self.wants_text(one);
                self.wants_text(many);
                Type::Text
            }
            (Function::Int | Function::Float, [of]) => {
                let ty = self.ty(of);
                if !matches!(ty, Type::Int | Type::Float | Type::Text | Type::Any) {
                    self.mismatch(of, &ty, "a number or text");
                }
                if function == Function::Int { Type::Int } else { Type::Float }
            }
            (_, args) => {
                for arg in args {
                    self.ty(arg);
                }
                Type::Text
            }
        }
    }

    fn run_loop(
        &mut self,
        kind: Loop,
        list: &mut Ast,
        var: &str,
        body: &mut Ast,
        span: &Range<usize>,
    ) -> Type {
        let ty = self.ty(list);
        let item = match &ty {
            Type::List(item) => Type::clone(item),
            Type::Map(_) => Type::Text,
            Type::Any => Type::Any,
            other => self.mismatch(list, other, "a list"),
        };
        if self.scope.find(var).is_some() || self.locals.iter().any(|(name, _)| name == var) {
            let message = format!("`{var}` already means something else here");
            let help = Some("give the items of the list another name".to_owned());
            self.wrong(span, ExprErrorKind::UnknownName, message, help);
        }
        self.locals.push((var.to_owned(), item));
        let result = if kind == Loop::Map {
            Type::List(Arc::new(self.ty(body)))
        } else {
            self.wants_bool(body);
            match kind {
                Loop::Filter => ty,
                _ => Type::Bool,
            }
        };
        self.locals.pop();
        result
    }
}
