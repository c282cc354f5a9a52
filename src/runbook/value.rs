//! Values in argument lists: written out, one expression, or text with expressions in it.

use serde_json::Value;

use std::sync::Arc;

use super::Arg;
use super::branch::PLACES;
use super::code::Code;
use super::expr::{Expr, Scope, article, join, sole_hole};
use super::read::Reader;
use super::types::fits;
use super::yaml::{Node, Yaml};
use crate::model::contact::{Contact, is_this_machine, same_machine};
use crate::model::diagnosis::Place;
use crate::model::types::{Record, Type};
use crate::probe::Spec;

/// A value and its type as far as it is known.
pub(super) struct Found {
    pub(super) arg: Arg,
    /// `None` for a literal, which is checked as it is.
    pub(super) ty: Option<Type>,
}

impl Reader {
    /// Turns a node without expressions into a JSON value.
    pub(super) fn json(node: &Node) -> Value {
        match &node.value {
            Yaml::Null => Value::Null,
            Yaml::Bool(value) => (*value).into(),
            Yaml::Int(value) => (*value).into(),
            Yaml::Float(value) => (*value).into(),
            Yaml::Text(value) => value.as_str().into(),
            Yaml::List(items) => items.iter().map(Reader::json).collect(),
            Yaml::Map(entries) => {
                let entries =
                    entries.iter().map(|(key, value)| (key.name.clone(), Reader::json(value)));
                Value::Object(entries.collect())
            }
        }
    }

    /// Reads a value.
    pub(super) fn value(&mut self, node: &Node, scope: &Scope) -> Option<Found> {
        let Yaml::Text(text) = &node.value else {
            let inner = self.hole_inside(node);
            if let (Some(_), Yaml::List(items)) = (&inner, &node.value)
                && items.iter().all(|item| !matches!(item.value, Yaml::List(_) | Yaml::Map(_)))
            {
                return self.list_with_holes(items, scope);
            }
            if let Some(span) = inner {
                self.wrong(
                    Code::ARGUMENT_TYPE,
                    &span,
                    "an expression cannot stand this deep inside lists and mappings",
                    Some("make the whole value one expression, as in \"{{ [a, b] }}\"".to_owned()),
                );
                return None;
            }
            return Some(Found { arg: Arg::Literal(Reader::json(node)), ty: None });
        };
        if let Some((source, offset)) = sole_hole(text) {
            let expr = self.compile(node, source, offset, scope)?;
            let ty = Some(expr.ty().clone());
            return Some(Found { arg: Arg::Expr(expr), ty });
        }
        if text.contains("{{") {
            let template = self.template(node, "the text", scope)?;
            return Some(Found { arg: Arg::Text(template), ty: Some(Type::Text) });
        }
        Some(Found { arg: Arg::Literal(Value::String(text.clone())), ty: None })
    }

    /// Reads a list with expressions among its items.
    fn list_with_holes(&mut self, items: &[Node], scope: &Scope) -> Option<Found> {
        let mut args = Vec::with_capacity(items.len());
        let mut types = Vec::with_capacity(items.len());
        for item in items {
            let found = self.value(item, scope)?;
            types.push(found.ty.unwrap_or_else(|| match &item.value {
                Yaml::Bool(_) => Type::Bool,
                Yaml::Int(_) => Type::Int,
                Yaml::Float(_) => Type::Float,
                Yaml::Text(_) => Type::Text,
                _ => Type::Any,
            }));
            args.push(found.arg);
        }
        let item = types.into_iter().reduce(join).unwrap_or(Type::Any);
        Some(Found { arg: Arg::List(args), ty: Some(Type::List(Arc::new(item))) })
    }

    /// Wants every machine that a probe is given in plain text to be the user's own or declared.
    pub(super) fn contacts_declared(&mut self, spec: &Spec, with: Option<&Node>) {
        let Some(Yaml::Map(args)) = with.map(|node| &node.value) else {
            return;
        };
        let find = |name: &str| args.iter().find(|(key, _)| key.name == name).map(|(_, node)| node);
        for touch in spec.contacts {
            let Some(node) = find(touch.arg) else {
                continue;
            };
            let port = touch.port.and_then(find).and_then(|node| match node.value {
                Yaml::Int(port) => u16::try_from(port).ok(),
                _ => None,
            });
            let items = match &node.value {
                Yaml::List(items) => items.as_slice(),
                _ => std::slice::from_ref(node),
            };
            for item in items {
                let Yaml::Text(host) = &item.value else {
                    continue;
                };
                let declared = |contact: &Contact| {
                    let port_fits =
                        contact.port.is_none() || port.is_none() || contact.port == port;
                    same_machine(&contact.host, host) && port_fits
                };
                if host.contains("{{")
                    || is_this_machine(host)
                    || self.contacts.iter().any(declared)
                {
                    continue;
                }
                let whole = Contact { host: host.clone(), port };
                let message = format!("`{host}` is not the target, and not declared as a contact");
                let help = format!(
                    "write \"{{{{ target.host }}}}\", or declare it at the top: contacts: [\"{whole}\"]; \
                     the user allows it with --allow-target {whole}"
                );
                self.wrong(Code::CONTACT, &item.span, message, Some(help));
            }
        }
    }

    fn hole_inside(&self, node: &Node) -> Option<std::ops::Range<usize>> {
        match &node.value {
            Yaml::Text(text) if text.contains("{{") => Some(node.span.clone()),
            Yaml::List(items) => items.iter().find_map(|item| self.hole_inside(item)),
            Yaml::Map(entries) => entries.iter().find_map(|(_, value)| self.hole_inside(value)),
            _ => None,
        }
    }

    /// Reads the arguments of a probe or a used runbook against their types.
    pub(super) fn arguments(
        &mut self,
        node: Option<&Node>,
        owner: (&str, &Node),
        types: &Record,
        scope: &Scope,
    ) -> Vec<(String, Arg)> {
        let (name, at) = owner;
        let entries = match node {
            Some(node) => self.entries(node, "`with`").unwrap_or_default(),
            None => &[],
        };
        let mut args = Vec::new();
        for (key, value) in entries {
            let Some(field) = types.field(&key.name) else {
                let known: Vec<&str> = types.fields.iter().map(|f| f.name.as_str()).collect();
                let message = format!("`{name}` takes no argument `{}`", key.name);
                let known = (known.as_slice(), "arguments");
                self.misnamed(Code::ARGUMENT, &key.span, message, &key.name, known);
                // What it says is still checked.
                self.value(value, scope);
                continue;
            };
            let Some(found) = self.value(value, scope) else {
                continue;
            };
            let fine = match (&found.ty, &found.arg) {
                (Some(ty), _) => fits(ty, &field.ty),
                (None, Arg::Literal(literal)) => {
                    (literal.is_null() && field.nullable) || literal_fits(literal, &field.ty)
                }
                (None, _) => true,
            };
            if !fine {
                self.unfit(value, &key.name, found.ty.as_ref(), &field.ty);
            }
            args.push((key.name.clone(), found.arg));
        }
        for field in &types.fields {
            let required = field.default.is_none() && !field.nullable;
            if required && !entries.iter().any(|(key, _)| key.name == field.name) {
                let message = format!("`{name}` needs the argument `{}`", field.name);
                let help = Some(format!("{}: {}", field.name, field.doc));
                self.wrong(Code::ARGUMENT, &at.span, message, help);
            }
        }
        args
    }

    fn unfit(&mut self, node: &Node, name: &str, found: Option<&Type>, wanted: &Type) {
        let found = match found {
            Some(ty) => article(ty),
            None => match (&node.value, wanted) {
                (Yaml::Text(text), Type::Word(words)) => {
                    let known: Vec<&str> = words.iter().map(|word| word.name.as_str()).collect();
                    let message = format!("`{name}` cannot be `{text}`");
                    let known = (known.as_slice(), "words");
                    self.misnamed(Code::UNKNOWN_WORD, &node.span, message, text, known);
                    return;
                }
                (value, _) => value.kind().to_owned(),
            },
        };
        let message = format!("`{name}` must be {}, not {found}", article(wanted));
        self.wrong(Code::ARGUMENT_TYPE, &node.span, message, None);
    }

    /// Reads `at: {kind, hop, address}`.
    pub(super) fn location(
        &mut self,
        node: Option<&Node>,
        scope: &Scope,
    ) -> (Option<Place>, Option<Expr>, Option<Expr>) {
        let Some(node) = node else {
            return (None, None, None);
        };
        let Some(fields) = self.fields(node, "`at`", &["kind", "hop", "address"]) else {
            return (None, None, None);
        };
        let kind = fields.find("kind").and_then(|node| self.word(node, "`kind`", &PLACES));
        let hop =
            fields.find("hop").and_then(|node| self.one_expr(node, "`hop`", &Type::Int, scope));
        let address = fields
            .find("address")
            .and_then(|node| self.one_expr(node, "`address`", &Type::Text, scope));
        (kind, hop, address)
    }

    /// Reads a single expression in braces, or a literal, of a given type.
    fn one_expr(&mut self, node: &Node, what: &str, wanted: &Type, scope: &Scope) -> Option<Expr> {
        let literal = match &node.value {
            Yaml::Int(int) => Some(int.to_string()),
            Yaml::Text(text) if !text.contains("{{") => {
                Some(Value::from(text.as_str()).to_string())
            }
            _ => None,
        };
        let expr = match (literal, &node.value) {
            (Some(literal), _) => self.compile(node, &literal, 0, scope)?,
            (None, Yaml::Text(text)) => {
                let Some((source, offset)) = sole_hole(text) else {
                    let help = "write one expression, as in \"{{ result.address }}\"";
                    let message = format!("{what} must be a single expression");
                    self.wrong(Code::EXPRESSION, &node.span, message, Some(help.to_owned()));
                    return None;
                };
                self.compile(node, source, offset, scope)?
            }
            _ => {
                self.type_error(node, what, "an expression");
                return None;
            }
        };
        if !fits(expr.ty(), wanted) {
            let message = format!("{what} must be {}, not {}", article(wanted), article(expr.ty()));
            self.wrong(Code::EXPRESSION_TYPE, &node.span, message, None);
            return None;
        }
        Some(expr)
    }
}

/// Whether a value written out is of a type.
pub(super) fn literal_fits(value: &Value, ty: &Type) -> bool {
    match (value, ty) {
        (_, Type::Any) => true,
        (Value::Bool(_), Type::Bool) => true,
        (Value::Number(number), Type::Int) => number.is_i64() || number.is_u64(),
        (Value::Number(_), Type::Float) => true,
        (Value::String(_), Type::Text) => true,
        (Value::String(text), Type::Word(words)) => words.iter().any(|word| word.name == *text),
        (Value::Array(items), Type::List(item)) => items.iter().all(|v| literal_fits(v, item)),
        (Value::Object(fields), Type::Map(value)) => {
            fields.values().all(|v| literal_fits(v, value))
        }
        (Value::Object(fields), Type::Record(record)) => fields.iter().all(|(name, value)| {
            record.field(name).is_some_and(|field| literal_fits(value, &field.ty))
        }),
        _ => false,
    }
}
