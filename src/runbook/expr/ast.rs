//! The guard before the parser, and the parser's tree turned into ours.

use std::ops::Range;

use cel_core::parser::{ParseOptions, parse_with_options};
use cel_core::{BinaryOp, Expr as Cel, SpannedExpr, UnaryOp};
use serde_json::Value;

use super::{ExprError, ExprErrorKind};
use crate::runbook::problem::{did_you_mean, nearest};

/// The longest expression, in bytes.
const LONGEST: usize = 4096;
/// The deepest nesting of brackets; the parser recurses and overflows the stack near 100.
const DEEPEST: usize = 32;
/// The most operators and separators; bounds the tree's depth for left-leaning chains.
const MOST_OPERATORS: usize = 200;
/// The deepest nesting of loops (`exists`, `map` …).
const DEEPEST_LOOP: usize = 2;

/// One node of an expression.
#[derive(Debug)]
pub(super) struct Ast {
    pub(super) node: Node,
    /// Where it is in the source, in bytes.
    pub(super) span: Range<usize>,
}

impl Ast {
    /// Returns the name that a chain of fields begins with.
    pub(super) fn root(&self) -> Option<&str> {
        match &self.node {
            Node::Name(name) => Some(name),
            Node::Field { of, .. } | Node::Index(of, _) => of.root(),
            _ => None,
        }
    }
}

/// What a node is.
#[derive(Debug)]
pub(super) enum Node {
    Literal(Value),
    Name(String),
    Field {
        of: Box<Ast>,
        field: String,
        /// Whether the field may be null; set by the check.
        nullable: bool,
    },
    Index(Box<Ast>, Box<Ast>),
    List(Vec<Ast>),
    Not(Box<Ast>),
    Negate(Box<Ast>),
    Binary(BinaryOp, Box<Ast>, Box<Ast>),
    Ternary(Box<[Ast; 3]>),
    Has(Box<Ast>),
    Call(Function, Vec<Ast>),
    Loop {
        kind: Loop,
        list: Box<Ast>,
        var: String,
        body: Box<Ast>,
    },
}

/// A function.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Function {
    Size,
    Contains,
    StartsWith,
    EndsWith,
    Join,
    Ms,
    Plural,
    Int,
    Float,
    Text,
}

impl Function {
    /// Every function with its name, how many arguments it takes and whether it is also a method.
    pub(super) const ALL: [(&str, Function, usize, bool); 11] = [
        ("size", Function::Size, 1, true),
        ("contains", Function::Contains, 2, true),
        ("startsWith", Function::StartsWith, 2, true),
        ("endsWith", Function::EndsWith, 2, true),
        ("join", Function::Join, 2, true),
        ("ms", Function::Ms, 1, false),
        ("plural", Function::Plural, 3, false),
        ("int", Function::Int, 1, false),
        ("float", Function::Float, 1, false),
        ("double", Function::Float, 1, false),
        ("string", Function::Text, 1, false),
    ];
}

/// A loop over a list.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Loop {
    Exists,
    All,
    ExistsOne,
    Filter,
    Map,
}

impl Loop {
    const ALL: [(&str, Loop); 5] = [
        ("exists", Loop::Exists),
        ("all", Loop::All),
        ("exists_one", Loop::ExistsOne),
        ("filter", Loop::Filter),
        ("map", Loop::Map),
    ];
}

/// Parses an expression; the bounds are checked before the parser sees it.
pub(super) fn parse(source: &str) -> Result<Ast, ExprError> {
    guard(source)?;
    if source.trim().is_empty() {
        return Err(syntax(0..source.len(), "the expression is empty"));
    }
    let parsed = parse_with_options(source, ParseOptions::without_macros());
    if let Some(error) = parsed.errors.into_iter().next() {
        return Err(syntax_error(source, error.span));
    }
    match parsed.ast {
        Some(tree) => lower(source, tree, 0),
        None => Err(syntax(0..source.len(), "the expression cannot be read")),
    }
}

fn guard(source: &str) -> Result<(), ExprError> {
    let too_large = |message: String| {
        Err(ExprError {
            span: 0..source.len(),
            kind: ExprErrorKind::TooLarge,
            message,
            help: Some("split it over several steps or branches".to_owned()),
            meant: None,
        })
    };
    if source.len() > LONGEST {
        return too_large(format!("the expression is longer than {LONGEST} bytes"));
    }
    // Characters in text literals count as well: a little too strict, but it cannot be fooled.
    let (mut depth, mut deepest, mut operators) = (0usize, 0usize, 0usize);
    for c in source.bytes() {
        match c {
            b'(' | b'[' | b'{' => {
                depth += 1;
                operators += 1;
            }
            b')' | b']' | b'}' => depth = depth.saturating_sub(1),
            b'!' | b'-' | b'?' | b'+' | b'*' | b'/' | b'%' | b'<' | b'>' | b'=' | b'&' | b'|'
            | b'.' | b',' => operators += 1,
            _ => {}
        }
        deepest = deepest.max(depth);
    }
    let words = source.split(|c: char| !(c.is_alphanumeric() || c == '_'));
    operators += words.filter(|word| *word == "in").count();
    if deepest > DEEPEST {
        return too_large(format!("brackets are nested deeper than {DEEPEST}"));
    }
    if operators > MOST_OPERATORS {
        return too_large(format!("the expression has more than {MOST_OPERATORS} operators"));
    }
    Ok(())
}

fn lower(source: &str, tree: SpannedExpr, loops: usize) -> Result<Ast, ExprError> {
    let span = tree.span;
    let boxed = |tree: Box<SpannedExpr>| lower(source, *tree, loops).map(Box::new);
    let node = match tree.node {
        Cel::Null => Node::Literal(Value::Null),
        Cel::Bool(value) => Node::Literal(value.into()),
        Cel::Int(value) => Node::Literal(value.into()),
        Cel::UInt(value) => Node::Literal(value.into()),
        Cel::Float(value) => Node::Literal(value.into()),
        Cel::String(value) => Node::Literal(value.into()),
        Cel::Ident(name) => Node::Name(name),
        Cel::Unary { op, expr } => match op {
            UnaryOp::Not => Node::Not(boxed(expr)?),
            UnaryOp::Neg => Node::Negate(boxed(expr)?),
        },
        Cel::Binary { op, left, right } => Node::Binary(op, boxed(left)?, boxed(right)?),
        Cel::Ternary { cond, then_expr, else_expr } => {
            let lowered = [
                lower(source, *cond, loops)?,
                lower(source, *then_expr, loops)?,
                lower(source, *else_expr, loops)?,
            ];
            Node::Ternary(Box::new(lowered))
        }
        Cel::Member { expr, field, optional: false } => {
            Node::Field { of: boxed(expr)?, field, nullable: true }
        }
        Cel::Index { expr, index, optional: false } => Node::Index(boxed(expr)?, boxed(index)?),
        Cel::List(items) if items.iter().all(|item| !item.optional) => {
            let items = items.into_iter().map(|item| lower(source, item.expr, loops));
            Node::List(items.collect::<Result<_, _>>()?)
        }
        Cel::Call { expr, args } => lower_call(source, *expr, args, &span, loops)?,
        _ => {
            let what = source.get(span.clone()).unwrap_or("this");
            return Err(syntax(
                span.clone(),
                format!("`{what}` is a part of CEL that runbooks do not offer"),
            ));
        }
    };
    Ok(Ast { node, span })
}

fn lower_call(
    source: &str,
    callee: SpannedExpr,
    mut args: Vec<SpannedExpr>,
    span: &Range<usize>,
    loops: usize,
) -> Result<Node, ExprError> {
    let callee_span = callee.span.clone();
    let (name, receiver) = match callee.node {
        Cel::Ident(name) => (name, None),
        Cel::Member { expr, field, optional: false } => (field, Some(*expr)),
        _ => return Err(syntax(callee_span, "only functions can be called")),
    };
    if name == "has" && receiver.is_none() {
        let of = match (args.pop(), args.is_empty()) {
            (Some(of), true) if matches!(of.node, Cel::Member { .. }) => of,
            _ => {
                return Err(syntax(span.clone(), "has() takes one field, as in has(result.icmp)"));
            }
        };
        return Ok(Node::Has(Box::new(lower(source, of, loops)?)));
    }
    let name_span = match &receiver {
        Some(receiver) => {
            callee_span.end.saturating_sub(name.len()).max(receiver.span.end)..callee_span.end
        }
        None => callee_span,
    };
    if let (Some(&(_, kind)), Some(list)) =
        (Loop::ALL.iter().find(|(known, _)| *known == name), &receiver)
    {
        return lower_loop(source, kind, &name, list.clone(), args, span, loops);
    }
    let Some(&(_, function, count, method)) =
        Function::ALL.iter().find(|(known, ..)| *known == name)
    else {
        let known = Function::ALL
            .iter()
            .map(|(known, ..)| *known)
            .chain(Loop::ALL.iter().map(|(known, _)| *known));
        let mut names: Vec<&str> = known.chain(["has"]).collect();
        names.sort_unstable();
        return Err(ExprError {
            span: name_span,
            kind: ExprErrorKind::UnknownFunction,
            message: format!("there is no function `{name}`"),
            help: Some(did_you_mean(&name, &names, "functions")),
            meant: nearest(&name, &names).map(str::to_owned),
        });
    };
    if receiver.is_some() && !method {
        return Err(syntax(name_span, format!("`{name}` is written as a function: {name}(…)")));
    }
    let all: Vec<SpannedExpr> = receiver.into_iter().chain(args).collect();
    if all.len() != count {
        let plural = if count == 1 { "" } else { "s" };
        return Err(syntax(
            span.clone(),
            format!("`{name}` takes {count} argument{plural}, not {}", all.len()),
        ));
    }
    let args = all.into_iter().map(|arg| lower(source, arg, loops));
    Ok(Node::Call(function, args.collect::<Result<_, _>>()?))
}

fn lower_loop(
    source: &str,
    kind: Loop,
    name: &str,
    list: SpannedExpr,
    args: Vec<SpannedExpr>,
    span: &Range<usize>,
    loops: usize,
) -> Result<Node, ExprError> {
    if loops >= DEEPEST_LOOP {
        return Err(ExprError {
            span: span.clone(),
            kind: ExprErrorKind::TooLarge,
            message: format!("loops are nested deeper than {DEEPEST_LOOP}"),
            help: None,
            meant: None,
        });
    }
    let list = Box::new(lower(source, list, loops)?);
    let mut args = args.into_iter();
    match (args.next(), args.next(), args.next()) {
        (Some(var), Some(body), None) => {
            let Cel::Ident(var) = var.node else {
                return Err(syntax(
                    var.span,
                    format!("{name}() takes a plain name first, as in {name}(item, …)"),
                ));
            };
            let body = Box::new(lower(source, body, loops + 1)?);
            Ok(Node::Loop { kind, list, var, body })
        }
        _ => Err(syntax(
            span.clone(),
            format!("{name}() takes a name and an expression, as in {name}(item, item > 0)"),
        )),
    }
}

fn syntax(span: Range<usize>, message: impl Into<String>) -> ExprError {
    ExprError {
        span,
        kind: ExprErrorKind::Syntax,
        message: message.into(),
        help: None,
        meant: None,
    }
}

/// Words the parser's complaint anew: its own shows the names of its Rust types.
fn syntax_error(source: &str, span: Range<usize>) -> ExprError {
    let span = span.start.min(source.len())..span.end.min(source.len());
    let found = source.get(span.clone()).unwrap_or("").trim();
    if found.is_empty() {
        return syntax(span, "the expression ends too early");
    }
    let mut error = syntax(span, format!("`{found}` does not fit here"));
    let (meant, help) = match found {
        "=" => (Some("=="), "write == to compare"),
        "and" => (Some("&&"), "write && for and"),
        "or" => (Some("||"), "write || for or"),
        // What it belongs to would change: `not a == b`.
        "not" => (None, "write ! for not"),
        "&" => (Some("&&"), "write && for and"),
        "|" => (Some("||"), "write || for or"),
        _ => return error,
    };
    (error.help, error.meant) = (Some(help.to_owned()), meant.map(str::to_owned));
    error
}
