//! Observations written by hand, held against what the probe can see.

use std::sync::Arc;

use serde_json::{Map, Value};

use crate::model::outcome::Why;
use crate::model::server_report::ServerReport;
use crate::model::types::{Record, Type};
use crate::probe::Spec;
use crate::runbook::code::Code;
use crate::runbook::problem::did_you_mean;
use crate::runbook::read::Reader;
use crate::runbook::rehearsal::Seen;
use crate::runbook::yaml::{Node, Yaml};
use crate::runbook::{Expects, Kind, Runbook, Step, types};

/// What stands for a probe that could not look.
const UNKNOWN: &str = "unknown";
const REASONS: [&str; 4] = ["not_permitted", "unsupported", "failed", "depends"];

/// Finds a step by its key, through the runbooks that are used.
pub(super) fn step<'a>(runbook: &'a Runbook, key: &str) -> Option<&'a Step> {
    let (first, rest) = match key.split_once('/') {
        Some((first, rest)) => (first, Some(rest)),
        None => (key, None),
    };
    let found = runbook.steps.iter().find(|step| step.id == first)?;
    match (rest, &found.kind) {
        (None, _) => Some(found),
        (Some(rest), Kind::Use { runbook, .. }) => step(runbook, rest),
        (Some(_), _) => None,
    }
}

/// What a step may see that is more than a choice.
#[derive(Debug, Clone)]
pub struct Sight {
    /// What sees it: a probe's name, or `server_report`.
    pub name: &'static str,
    /// The type of what it sees.
    pub record: Arc<Record>,
    probe: Option<&'static Spec>,
}

impl Sight {
    /// Says in one line what was seen.
    ///
    /// # Errors
    ///
    /// Returns what does not fit its type.
    pub fn read(&self, seen: &Value) -> Result<String, String> {
        match self.probe {
            Some(spec) => spec.read(seen),
            None => serde_json::from_value::<ServerReport>(seen.clone())
                .map(|report| report.brief())
                .map_err(|error| error.to_string()),
        }
    }
}

/// Finds what a step sees, by the step's key.
pub fn sight_of(runbook: &Runbook, key: &str) -> Option<Sight> {
    match step(runbook, key)?.kind {
        Kind::Probe { spec, .. } => {
            let record = Arc::clone(&types::of(spec).result);
            Some(Sight { name: spec.id, record, probe: Some(spec) })
        }
        Kind::Ask { expects: Some(Expects::ServerReport), .. } => {
            let Type::Record(record) = types::server_report() else { return None };
            Some(Sight { name: "server_report", record, probe: None })
        }
        _ => None,
    }
}

/// Lists the keys of the steps that a predicate takes, those of used runbooks included.
pub(super) fn keys(runbook: &Runbook, is: &dyn Fn(&Kind) -> bool) -> Vec<String> {
    let mut keys = Vec::new();
    for step in &runbook.steps {
        if is(&step.kind) {
            keys.push(step.id.clone());
        }
        if let Kind::Use { runbook, .. } = &step.kind {
            let inner = self::keys(runbook, is);
            keys.extend(inner.iter().map(|key| format!("{}/{key}", step.id)));
        }
    }
    keys
}

/// Puts something neutral where a record lacks a field that cannot be null.
pub fn complete(given: &Value, record: &Record) -> Value {
    let mut whole = Map::new();
    for field in &record.fields {
        let value = match given.get(&field.name) {
            Some(value) => completed(value, &field.ty),
            None if field.nullable => Value::Null,
            None => field.default.clone().unwrap_or_else(|| neutral(&field.ty)),
        };
        whole.insert(field.name.clone(), value);
    }
    Value::Object(whole)
}

fn completed(value: &Value, ty: &Type) -> Value {
    match (value, ty) {
        (Value::Object(_), Type::Record(record)) => complete(value, record),
        (Value::Array(items), Type::List(item)) => {
            items.iter().map(|value| completed(value, item)).collect()
        }
        (Value::Object(entries), Type::Map(of)) => {
            let entries = entries.iter().map(|(key, value)| (key.clone(), completed(value, of)));
            Value::Object(entries.collect())
        }
        _ => value.clone(),
    }
}

fn neutral(ty: &Type) -> Value {
    match ty {
        Type::Bool => false.into(),
        Type::Int => 0.into(),
        Type::Float => 0.0.into(),
        // Some texts must be addresses.
        Type::Text => "0.0.0.0".into(),
        Type::Word(words) => words.first().map_or("", |word| word.name.as_str()).into(),
        Type::List(_) => Value::Array(Vec::new()),
        Type::Record(record) => complete(&Value::Null, record),
        Type::Map(_) => Value::Object(Map::new()),
        Type::Any => Value::Null,
    }
}

/// Takes from a recorded observation what the probe's type of today has, and names what it drops.
pub fn fitted(seen: &Value, record: &Record) -> (Value, Vec<String>) {
    let mut dropped = Vec::new();
    let value = fit_record(seen, record, "", &mut dropped);
    (value, dropped)
}

fn fit_record(seen: &Value, record: &Record, at: &str, dropped: &mut Vec<String>) -> Value {
    let mut given = Map::new();
    for (name, value) in seen.as_object().into_iter().flatten() {
        let path = if at.is_empty() { name.clone() } else { format!("{at}.{name}") };
        let field = record.field(name);
        match field.and_then(|field| fit(value, &field.ty, field.nullable, &path, dropped)) {
            Some(value) => {
                given.insert(name.clone(), value);
            }
            None => dropped.push(path),
        }
    }
    for field in record.fields.iter().filter(|field| field.nullable) {
        given.entry(field.name.as_str()).or_insert(Value::Null);
    }
    Value::Object(given)
}

fn fit(
    value: &Value,
    ty: &Type,
    nullable: bool,
    at: &str,
    dropped: &mut Vec<String>,
) -> Option<Value> {
    match (value, ty) {
        (Value::Null, _) => nullable.then_some(Value::Null),
        (Value::Object(_), Type::Record(record)) => Some(fit_record(value, record, at, dropped)),
        (Value::Array(items), Type::List(item)) => {
            items.iter().map(|value| fit(value, item, false, at, dropped)).collect()
        }
        _ => fits(value, ty).then(|| value.clone()),
    }
}

/// Whether a plain value is of a type.
fn fits(value: &Value, ty: &Type) -> bool {
    crate::runbook::value::literal_fits(value, ty)
}

impl Reader {
    /// Reads what a probe saw, or why it could not look.
    pub(super) fn observation(&mut self, node: &Node, sight: &Sight) -> Option<Seen> {
        if let Yaml::Map(entries) = &node.value
            && let Some((_, why)) = entries.iter().find(|(key, _)| key.name == UNKNOWN)
        {
            if let Some((other, _)) = entries.iter().find(|(key, _)| key.name != UNKNOWN) {
                let message = "a probe that could not look saw nothing";
                let help = Some(format!("take out either `unknown` or `{}`", other.name));
                self.wrong(Code::UNKNOWN_KEY, &other.span, message, help);
            }
            return self.reason(why).map(Seen::Unknown);
        }
        let record = &sight.record;
        let before = self.errors.problems.len();
        let given = self.record(node, record, &format!("`{}`", sight.name))?;
        let whole = complete(&given, record);
        if self.errors.problems.len() == before
            && let Err(why) = sight.read(&whole)
        {
            let message = format!("the probe {} never sees this: {why}", sight.name);
            self.wrong(Code::WRONG_TYPE, &node.span, message, None);
        }
        Some(Seen::Fields { given, whole })
    }

    /// Reads a record: every field of it by its type, null where one may be left out.
    fn record(&mut self, node: &Node, record: &Record, what: &str) -> Option<Value> {
        let entries = self.entries(node, what)?;
        let mut given = Map::new();
        for (key, value) in entries {
            let Some(field) = record.field(&key.name) else {
                let known: Vec<&str> = record.fields.iter().map(|f| f.name.as_str()).collect();
                let message = format!("{what} has no field `{}`", key.name);
                let help = did_you_mean(&key.name, &known, "fields");
                self.wrong(Code::UNKNOWN_FIELD, &key.span, message, Some(help));
                continue;
            };
            if matches!(value.value, Yaml::Null) {
                if field.nullable {
                    given.insert(key.name.clone(), Value::Null);
                } else {
                    let message = format!("`{}` is never null", key.name);
                    let help = format!("{}: {}", field.name, field.doc);
                    self.wrong(Code::WRONG_TYPE, &value.span, message, Some(help));
                }
                continue;
            }
            if let Some(value) = self.observed(value, &field.ty, &format!("`{}`", key.name)) {
                given.insert(key.name.clone(), value);
            }
        }
        for field in record.fields.iter().filter(|field| field.nullable) {
            given.entry(field.name.as_str()).or_insert(Value::Null);
        }
        Some(Value::Object(given))
    }

    fn observed(&mut self, node: &Node, ty: &Type, what: &str) -> Option<Value> {
        match ty {
            Type::Record(record) => self.record(node, record, what),
            Type::List(item) => {
                let items = self.list(node, what)?;
                let of = format!("an item of {what}");
                let items: Vec<Value> =
                    items.iter().filter_map(|node| self.observed(node, item, &of)).collect();
                Some(Value::Array(items))
            }
            Type::Map(of) => {
                let entries = self.entries(node, what)?;
                let mut map = Map::new();
                for (key, value) in entries {
                    let what = format!("`{}`", key.name);
                    if let Some(value) = self.observed(value, of, &what) {
                        map.insert(key.name.clone(), value);
                    }
                }
                Some(Value::Object(map))
            }
            Type::Word(words) => {
                let known: Vec<(&str, ())> = words.iter().map(|w| (w.name.as_str(), ())).collect();
                self.word(node, what, &known)?;
                Some(Reader::json(node))
            }
            _ => {
                let value = Reader::json(node);
                if fits(&value, ty) {
                    return Some(value);
                }
                let wanted = match ty {
                    Type::Bool => "true or false",
                    Type::Int => "a whole number",
                    Type::Float => "a number",
                    _ => "text",
                };
                self.type_error(node, what, wanted);
                None
            }
        }
    }

    /// Reads why a probe could not look: `budget`, or `{not_permitted: CAP_NET_RAW}`.
    fn reason(&mut self, node: &Node) -> Option<Why> {
        if let Yaml::Text(_) = node.value {
            let words = [("budget", 0), ("interrupted", 1), ("not_answered", 2)];
            return Some(match self.word(node, "`unknown`", &words)? {
                0 => Why::Budget,
                1 => Why::Interrupted,
                _ => Why::NotAnswered,
            });
        }
        let Yaml::Map(entries) = &node.value else {
            let help = "write budget, interrupted, {not_permitted: CAP_NET_RAW}, {unsupported: what}, \
                        {failed: EMFILE} or {depends: what}";
            let message = "`unknown` says why the probe could not look";
            self.wrong(Code::WRONG_TYPE, &node.span, message, Some(help.to_owned()));
            return None;
        };
        let known: Vec<&str> = REASONS.into_iter().chain(["operation"]).collect();
        let fields = self.fields(node, "`unknown`", &known)?;
        let operation = match fields.find("operation") {
            Some(node) => self.text(node, "`operation`")?.to_owned(),
            None => "the probe".to_owned(),
        };
        let Some((reason, what)) =
            REASONS.iter().find_map(|reason| Some((*reason, fields.find(reason)?)))
        else {
            let place = entries.first().map_or(&node.span, |(key, _)| &key.span);
            if !REASONS.iter().any(|reason| self.mistyped(fields, reason)) {
                let message = format!("`unknown` needs one of {}", REASONS.join(", "));
                self.wrong(Code::MISSING_KEY, place, message, None);
            }
            return None;
        };
        let text = self.text(what, &format!("`{reason}`"))?.to_owned();
        Some(match reason {
            "not_permitted" => Why::NotPermitted { capability: text, operation },
            "unsupported" => Why::Unsupported { what: text },
            "failed" => Why::Failed { operation, errno: text },
            _ => Why::Depends { on: text },
        })
    }
}
