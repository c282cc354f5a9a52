//! Evaluates an expression over JSON values, three-valued.

use std::borrow::Cow;
use std::cell::{Cell, RefCell};
use std::cmp::Ordering;

use cel_core::BinaryOp;
use serde_json::Value;

use super::ast::{Ast, Function, Loop, Node};
use super::value::{Number, duration, equal, shown};
use super::{Bindings, Known, Read};

/// The most nodes evaluated for one expression; loops over long lists end here.
const FUEL: u32 = 200_000;

/// Why there is no value.
type Outcome<'a> = Result<Cow<'a, Value>, String>;

/// What an evaluation sees.
pub(super) struct Env<'a> {
    pub(super) source: &'a str,
    bindings: &'a Bindings,
    fuel: Cell<u32>,
    /// Every field that was read, when somebody wants to know.
    pub(super) reads: Option<RefCell<Vec<Read>>>,
}

/// A loop variable and those around it.
pub(super) struct Local<'a, 'up> {
    pub(super) name: &'a str,
    value: Cow<'a, Value>,
    pub(super) up: Option<&'up Local<'a, 'up>>,
}

/// Evaluates an expression; null as a whole is unknown.
pub(super) fn eval(ast: &Ast, source: &str, bindings: &Bindings) -> Known {
    Env::new(source, bindings, None).known(ast)
}

impl<'a> Env<'a> {
    pub(super) fn new(
        source: &'a str,
        bindings: &'a Bindings,
        reads: Option<RefCell<Vec<Read>>>,
    ) -> Env<'a> {
        Env { source, bindings, fuel: Cell::new(FUEL), reads }
    }

    pub(super) fn known(&self, ast: &'a Ast) -> Known {
        match self.value(ast, None) {
            Ok(value) if value.is_null() && !matches!(ast.node, Node::Literal(_)) => {
                Known::Unknown(self.is_null(ast))
            }
            Ok(value) => Known::Value(value.into_owned()),
            Err(why) => Known::Unknown(why),
        }
    }

    fn is_null(&self, ast: &Ast) -> String {
        let source = self.source.get(ast.span.clone()).unwrap_or("a value");
        format!("{source} is null")
    }

    /// Evaluates a node; null is a value here.
    fn value(&self, ast: &'a Ast, local: Option<&Local<'a, '_>>) -> Outcome<'a> {
        let Some(fuel) = self.fuel.get().checked_sub(1) else {
            return Err("the expression takes too long".to_owned());
        };
        self.fuel.set(fuel);
        match &ast.node {
            Node::Literal(value) => Ok(Cow::Borrowed(value)),
            Node::Name(name) => self.name(name, local),
            Node::Field { of, field, .. } => {
                let record = self.value(of, local)?;
                self.keep(ast, &record, field, local);
                Ok(field_of(record, field))
            }
            Node::Index(of, index) => self.index(of, index, local),
            Node::List(items) => {
                let items = items.iter().map(|item| self.value(item, local).map(Cow::into_owned));
                Ok(Cow::Owned(Value::Array(items.collect::<Result<_, _>>()?)))
            }
            Node::Not(of) => Ok(owned(!self.truth(of, local)?)),
            Node::Negate(of) => match self.number(of, local)? {
                Number::Int(int) => match int.checked_neg() {
                    Some(int) => Ok(owned(int)),
                    None => Err("an integer overflows".to_owned()),
                },
                Number::Float(float) => Ok(owned(-float)),
            },
            Node::Binary(op, left, right) => self.binary(*op, left, right, local),
            Node::Ternary(parts) => {
                let [condition, yes, no] = &**parts;
                if self.truth(condition, local)? {
                    self.value(yes, local)
                } else {
                    self.value(no, local)
                }
            }
            Node::Has(of) => {
                let there = self.value(of, local).is_ok_and(|value| !value.is_null());
                Ok(owned(there))
            }
            Node::Call(function, args) => self.call(*function, args, local),
            Node::Loop { kind, list, var, body } => self.run_loop(*kind, list, var, body, local),
        }
    }

    /// Evaluates a node whose value is needed: null is unknown.
    fn needed(&self, ast: &'a Ast, local: Option<&Local<'a, '_>>) -> Outcome<'a> {
        let value = self.value(ast, local)?;
        if value.is_null() {
            return Err(self.is_null(ast));
        }
        Ok(value)
    }

    fn name(&self, name: &str, local: Option<&Local<'a, '_>>) -> Outcome<'a> {
        let mut scope = local;
        while let Some(variable) = scope {
            if variable.name == name {
                return Ok(variable.value.clone());
            }
            scope = variable.up;
        }
        match self.bindings.values.get(name) {
            Some(value) => Ok(Cow::Borrowed(value)),
            None => Err(format!("{name} is not known")),
        }
    }

    fn index(&self, of: &'a Ast, index: &'a Ast, local: Option<&Local<'a, '_>>) -> Outcome<'a> {
        let list = self.needed(of, local)?;
        let at = self.needed(index, local)?;
        if let (Value::Object(_), Value::String(key)) = (&*list, &*at) {
            return Ok(field_of(list, key));
        }
        let position = at.as_i64().and_then(|at| usize::try_from(at).ok());
        let item = match (list, position) {
            (Cow::Borrowed(Value::Array(items)), Some(at)) => items.get(at).map(Cow::Borrowed),
            (Cow::Owned(Value::Array(items)), Some(at)) => {
                items.into_iter().nth(at).map(Cow::Owned)
            }
            _ => None,
        };
        item.ok_or_else(|| {
            let source = self.source.get(of.span.clone()).unwrap_or("a list");
            format!("{source} has no item {}", shown(&at).unwrap_or_default())
        })
    }

    fn truth(&self, ast: &'a Ast, local: Option<&Local<'a, '_>>) -> Result<bool, String> {
        self.needed(ast, local)?.as_bool().ok_or_else(|| self.unfit(ast, "a bool"))
    }

    fn number(&self, ast: &'a Ast, local: Option<&Local<'a, '_>>) -> Result<Number, String> {
        Number::of(&*self.needed(ast, local)?).ok_or_else(|| self.unfit(ast, "a number"))
    }

    fn text(&self, ast: &'a Ast, local: Option<&Local<'a, '_>>) -> Result<String, String> {
        match self.needed(ast, local)?.into_owned() {
            Value::String(text) => Ok(text),
            _ => Err(self.unfit(ast, "text")),
        }
    }

    fn unfit(&self, ast: &Ast, wanted: &str) -> String {
        let source = self.source.get(ast.span.clone()).unwrap_or("a value");
        format!("{source} is not {wanted}")
    }

    fn binary(
        &self,
        op: BinaryOp,
        left: &'a Ast,
        right: &'a Ast,
        local: Option<&Local<'a, '_>>,
    ) -> Outcome<'a> {
        match op {
            BinaryOp::And | BinaryOp::Or => {
                // Kleene: one side can decide although the other is unknown.
                let deciding = op == BinaryOp::Or;
                let a = self.truth(left, local);
                if a == Ok(deciding) {
                    return Ok(owned(deciding));
                }
                let b = self.truth(right, local);
                if b == Ok(deciding) {
                    return Ok(owned(deciding));
                }
                a.and(b).map(owned)
            }
            BinaryOp::Eq | BinaryOp::Ne => {
                let same = self.same(left, right, local)?;
                Ok(owned(same == (op == BinaryOp::Eq)))
            }
            BinaryOp::Lt | BinaryOp::Le | BinaryOp::Gt | BinaryOp::Ge => {
                let a = self.needed(left, local)?;
                let b = self.needed(right, local)?;
                let order = match (&*a, &*b) {
                    (Value::String(a), Value::String(b)) => Some(a.cmp(b)),
                    _ => match (Number::of(&a), Number::of(&b)) {
                        (Some(a), Some(b)) => a.compare(b),
                        _ => None,
                    },
                };
                let order = order.ok_or_else(|| self.unfit(left, "comparable here"))?;
                Ok(owned(match op {
                    BinaryOp::Lt => order == Ordering::Less,
                    BinaryOp::Le => order != Ordering::Greater,
                    BinaryOp::Gt => order == Ordering::Greater,
                    _ => order != Ordering::Less,
                }))
            }
            BinaryOp::In => {
                let item = self.needed(left, local)?;
                match &*self.needed(right, local)? {
                    Value::Array(items) => Ok(owned(items.iter().any(|other| equal(&item, other)))),
                    Value::Object(fields) => {
                        Ok(owned(item.as_str().is_some_and(|key| fields.contains_key(key))))
                    }
                    _ => Err(self.unfit(right, "a list")),
                }
            }
            BinaryOp::Add | BinaryOp::Sub | BinaryOp::Mul | BinaryOp::Div | BinaryOp::Mod => {
                self.arithmetic(op, left, right, local)
            }
        }
    }

    /// Compares for equality. With a literal null the other side's null is an answer, not unknown.
    fn same(
        &self,
        left: &'a Ast,
        right: &'a Ast,
        local: Option<&Local<'a, '_>>,
    ) -> Result<bool, String> {
        let null = |ast: &Ast| matches!(ast.node, Node::Literal(Value::Null));
        if null(right) {
            return Ok(self.value(left, local)?.is_null());
        }
        if null(left) {
            return Ok(self.value(right, local)?.is_null());
        }
        let a = self.needed(left, local)?;
        let b = self.needed(right, local)?;
        Ok(equal(&a, &b))
    }

    fn arithmetic(
        &self,
        op: BinaryOp,
        left: &'a Ast,
        right: &'a Ast,
        local: Option<&Local<'a, '_>>,
    ) -> Outcome<'a> {
        let a = self.needed(left, local)?;
        let b = self.needed(right, local)?;
        if op == BinaryOp::Add {
            match (&*a, &*b) {
                (Value::String(a), Value::String(b)) => return Ok(owned(format!("{a}{b}"))),
                (Value::Array(a), Value::Array(b)) => {
                    return Ok(owned(a.iter().chain(b).cloned().collect::<Vec<_>>()));
                }
                _ => {}
            }
        }
        let a = Number::of(&a).ok_or_else(|| self.unfit(left, "a number"))?;
        let b = Number::of(&b).ok_or_else(|| self.unfit(right, "a number"))?;
        if let (Number::Int(a), Number::Int(b)) = (a, b) {
            let result = match op {
                BinaryOp::Add => a.checked_add(b),
                BinaryOp::Sub => a.checked_sub(b),
                BinaryOp::Mul => a.checked_mul(b),
                BinaryOp::Div => a.checked_div(b),
                _ => a.checked_rem(b),
            };
            return result
                .map(owned)
                .ok_or_else(|| self.unfit(right, "usable here: division by zero or overflow"));
        }
        let (a, b) = (a.float(), b.float());
        let result = match op {
            BinaryOp::Add => a + b,
            BinaryOp::Sub => a - b,
            BinaryOp::Mul => a * b,
            BinaryOp::Div => a / b,
            _ => a % b,
        };
        if result.is_finite() {
            Ok(owned(result))
        } else {
            Err(self.unfit(right, "usable here: division by zero or overflow"))
        }
    }

    fn call(
        &self,
        function: Function,
        args: &'a [Ast],
        local: Option<&Local<'a, '_>>,
    ) -> Outcome<'a> {
        // The count of arguments was checked when the expression was parsed.
        let arg = |at: usize| args.get(at).ok_or_else(|| "an argument is missing".to_owned());
        match function {
            Function::Size => {
                let size = match &*self.needed(arg(0)?, local)? {
                    Value::Array(items) => items.len(),
                    Value::Object(fields) => fields.len(),
                    Value::String(text) => text.chars().count(),
                    _ => return Err(self.unfit(arg(0)?, "a list or text")),
                };
                Ok(owned(size))
            }
            Function::Contains | Function::StartsWith | Function::EndsWith => {
                let whole = self.text(arg(0)?, local)?;
                let part = self.text(arg(1)?, local)?;
                Ok(owned(match function {
                    Function::Contains => whole.contains(&part),
                    Function::StartsWith => whole.starts_with(&part),
                    _ => whole.ends_with(&part),
                }))
            }
            Function::Join => {
                let list = self.needed(arg(0)?, local)?;
                let between = self.text(arg(1)?, local)?;
                let Value::Array(items) = &*list else {
                    return Err(self.unfit(arg(0)?, "a list"));
                };
                let texts: Vec<String> = items
                    .iter()
                    .map(|item| plain(item).unwrap_or_else(|| "?".to_owned()))
                    .collect();
                Ok(owned(texts.join(&between)))
            }
            Function::Ms => Ok(owned(duration(self.number(arg(0)?, local)?.float()))),
            Function::Plural => {
                let count = self.needed(arg(0)?, local)?;
                let one = Number::of(&count).map(Number::float) == Some(1.0);
                let word = self.text(arg(if one { 1 } else { 2 })?, local)?;
                Ok(owned(format!("{} {word}", shown(&count).unwrap_or_default())))
            }
            Function::Int => match &*self.needed(arg(0)?, local)? {
                Value::String(text) => {
                    text.parse::<i64>().map(owned).map_err(|_| self.unfit(&args[0], "an integer"))
                }
                value => match Number::of(value) {
                    Some(Number::Int(int)) => Ok(owned(int)),
                    Some(Number::Float(float)) if float.abs() < 9.0e18 => Ok(owned(float as i64)),
                    _ => Err(self.unfit(arg(0)?, "an integer")),
                },
            },
            Function::Float => match &*self.needed(arg(0)?, local)? {
                Value::String(text) => match text.parse::<f64>() {
                    Ok(float) if float.is_finite() => Ok(owned(float)),
                    _ => Err(self.unfit(arg(0)?, "a number")),
                },
                value => Number::of(value)
                    .map(|number| owned(number.float()))
                    .ok_or_else(|| self.unfit(&args[0], "a number")),
            },
            Function::Text => {
                let value = self.needed(arg(0)?, local)?;
                Ok(owned(plain(&value).unwrap_or_default()))
            }
        }
    }

    fn run_loop(
        &self,
        kind: Loop,
        list: &'a Ast,
        var: &'a str,
        body: &'a Ast,
        local: Option<&Local<'a, '_>>,
    ) -> Outcome<'a> {
        let items: Vec<Cow<'a, Value>> = match self.needed(list, local)? {
            Cow::Borrowed(Value::Array(items)) => items.iter().map(Cow::Borrowed).collect(),
            Cow::Owned(Value::Array(items)) => items.into_iter().map(Cow::Owned).collect(),
            value => match &*value {
                Value::Object(fields) => fields.keys().map(|key| owned(key.as_str())).collect(),
                _ => return Err(self.unfit(list, "a list")),
            },
        };
        let mut unknown = None;
        let mut found = 0usize;
        let mut kept = Vec::new();
        for item in items {
            let here = Local { name: var, value: item, up: local };
            if kind == Loop::Map {
                kept.push(self.value(body, Some(&here))?.into_owned());
                continue;
            }
            match (kind, self.truth(body, Some(&here))) {
                (Loop::Exists, Ok(true)) => return Ok(owned(true)),
                (Loop::All, Ok(false)) => return Ok(owned(false)),
                (Loop::ExistsOne, Ok(true)) => found += 1,
                (Loop::Filter, Ok(true)) => kept.push(here.value.into_owned()),
                (_, Ok(_)) => {}
                (_, Err(why)) => unknown = unknown.or(Some(why)),
            }
        }
        if let Some(why) = unknown {
            return Err(why);
        }
        Ok(match kind {
            Loop::Exists => owned(false),
            Loop::All => owned(true),
            Loop::ExistsOne => owned(found == 1),
            Loop::Filter | Loop::Map => owned(kept),
        })
    }
}

/// Returns a field; null when the record or the field is null or missing.
fn field_of<'a>(record: Cow<'a, Value>, field: &str) -> Cow<'a, Value> {
    match record {
        Cow::Borrowed(record) => Cow::Borrowed(record.get(field).unwrap_or(&Value::Null)),
        Cow::Owned(mut record) => {
            Cow::Owned(record.get_mut(field).map(Value::take).unwrap_or(Value::Null))
        }
    }
}

/// Returns a value as text without escaping: escaping is done once, when a text is filled.
fn plain(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        value => shown(value),
    }
}

fn owned<'a>(value: impl Into<Value>) -> Cow<'a, Value> {
    Cow::Owned(value.into())
}
