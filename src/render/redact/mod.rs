//! Results without what identifies a network: names, addresses, users and processes give way to
//! stable pseudonyms, the same one everywhere.
//!
//! It is done on the results themselves, so that every format is redacted alike. What is known to be
//! a name by its field is learned first; then every text is searched for those names, for addresses
//! in any spelling, and for link addresses. Words of closed vocabularies, ids and numbers stay, so a
//! redacted report replays to the same verdict. Loopback, unspecified, broadcast and multicast
//! addresses stay as well: they name nobody and mean something.

mod address;
mod fields;
mod names;
mod scan;

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::{Map, Value};

use crate::model::check::{Check, CheckResult};
use crate::model::diagnosis::Diagnosis;
use crate::model::graph::Graph;
use crate::model::outcome::Why;
use crate::model::report::{Report, StepEntry};
use crate::model::types::{Record, Type};

pub use fields::{PUBLIC, SECRET};
use names::Names;
pub use names::{Kind, Replaced};

/// What a probe takes and what it hands back.
#[derive(Debug, Clone)]
pub struct Schema {
    /// Its arguments.
    pub args: Arc<Record>,
    /// Its result.
    pub result: Arc<Record>,
}

/// Replaces what identifies; remembers what it replaced, so that several results agree.
#[derive(Debug)]
pub struct Redactor {
    /// By probe: they tell a word of a vocabulary from a name.
    schemas: BTreeMap<String, Schema>,
    names: Names,
}

impl Redactor {
    /// Makes one that has replaced nothing yet.
    pub fn new(schemas: BTreeMap<String, Schema>) -> Redactor {
        Redactor { schemas, names: Names::default() }
    }

    /// Returns what was replaced by what so far, in the order in which it was met.
    pub fn replaced(&self) -> Vec<Replaced> {
        self.names.replaced()
    }

    /// Returns the check with everything replaced.
    pub fn check(&mut self, check: &Check) -> Check {
        check.results.iter().for_each(|result| self.learn(result));
        let results = check.results.iter().map(|result| self.rewritten(result)).collect();
        Check { results, ..check.clone() }
    }

    /// Returns a result with everything replaced; for one that is written before the others.
    pub fn result(&mut self, result: &CheckResult) -> CheckResult {
        self.learn(result);
        self.rewritten(result)
    }

    fn learn(&mut self, result: &CheckResult) {
        self.names.learn_target(&result.target);
        if let Some(defined) = &result.defined {
            self.names.learn_path(&defined.file);
        }
        let Some(report) = &result.report else { return };
        self.names.learn_target(&report.target.input);
        if let Some(host) = &report.target.host {
            self.names.learn(Kind::Host, host);
        }
        self.names.learn(Kind::Host, &report.vantage.hostname);
        self.names.learn_path(&report.runbook.source);
        for step in &report.steps {
            let probe = step.probe.as_deref().unwrap_or_default();
            let schema = self.schemas.get(probe).cloned();
            for (value, record) in [
                (&step.args, schema.as_ref().map(|schema| &schema.args)),
                (&step.observation, schema.as_ref().map(|schema| &schema.result)),
            ] {
                let ty = record.map_or(Type::Any, |record| Type::Record(Arc::clone(record)));
                if let Some(value) = value {
                    self.learn_value(At { probe, field: "" }, value, &ty);
                }
            }
        }
    }

    fn learn_value(&mut self, at: At<'_>, value: &Value, ty: &Type) {
        match (value, ty) {
            (_, Type::Word(_)) => {}
            (Value::String(text), _) => match fields::kind(at.probe, at.field) {
                Some(kind) => self.names.learn(kind, text),
                None => self.names.learn_addresses(text),
            },
            (Value::Array(items), ty) => {
                items.iter().for_each(|item| self.learn_value(at, item, item_of(ty)));
            }
            (Value::Object(fields), ty) => {
                for (field, value) in fields {
                    self.learn_value(At { field, ..at }, value, field_of(ty, field));
                }
            }
            _ => {}
        }
    }

    fn rewritten(&mut self, result: &CheckResult) -> CheckResult {
        let mut new = result.clone();
        self.text(&mut new.name);
        new.labels.values_mut().for_each(|label| self.text(label));
        self.text(&mut new.target);
        self.text(&mut new.expect);
        new.problems.iter_mut().for_each(|problem| self.text(problem));
        if let Some(defined) = &mut new.defined {
            self.text(&mut defined.file);
        }
        if let Some(report) = &mut new.report {
            self.report(report);
        }
        if let Some(tree) = &mut new.tree {
            self.tree(tree);
        }
        new
    }

    fn report(&mut self, report: &mut Report) {
        self.text(&mut report.target.input);
        self.optional(&mut report.target.host);
        self.text(&mut report.vantage.hostname);
        if report.runbook.source != "builtin" {
            self.text(&mut report.runbook.source);
        }
        self.fields("", &mut report.params, &Type::Any);
        let diagnoses = report.diagnosis.iter_mut().chain(&mut report.findings);
        diagnoses.for_each(|diagnosis| self.diagnosis(diagnosis));
        report.steps.iter_mut().for_each(|step| self.step(step));
    }

    fn diagnosis(&mut self, diagnosis: &mut Diagnosis) {
        self.text(&mut diagnosis.title);
        self.text(&mut diagnosis.summary);
        self.optional(&mut diagnosis.location.address);
        diagnosis.evidence.iter_mut().for_each(|seen| self.text(&mut seen.text));
        diagnosis.ruled_out.iter_mut().for_each(|out| self.text(&mut out.why));
        diagnosis.alternatives.iter_mut().for_each(|other| self.text(&mut other.separate_by));
        for remedy in &mut diagnosis.remedies {
            self.text(&mut remedy.text);
            self.optional(&mut remedy.command);
        }
    }

    fn step(&mut self, step: &mut StepEntry) {
        self.text(&mut step.title);
        self.optional(&mut step.text);
        self.optional(&mut step.by_hand);
        let probe = step.probe.clone().unwrap_or_default();
        let schema = self.schemas.get(&probe).cloned();
        for (value, record) in [
            (&mut step.args, schema.as_ref().map(|schema| &schema.args)),
            (&mut step.observation, schema.as_ref().map(|schema| &schema.result)),
        ] {
            let ty = record.map_or(Type::Any, |record| Type::Record(Arc::clone(record)));
            if let Some(value) = value {
                self.value(At { probe: &probe, field: "" }, value, &ty);
            }
        }
        match &mut step.unknown {
            Some(Why::NotPermitted { operation, .. }) => self.text(operation),
            Some(Why::Unsupported { what }) => self.text(what),
            Some(Why::Failed { operation, .. }) => self.text(operation),
            Some(Why::Depends { on }) => self.text(on),
            Some(Why::Budget | Why::Interrupted | Why::NotAnswered) | None => {}
        }
        if let Some(branch) = &mut step.branch {
            self.optional(&mut branch.when);
        }
    }

    fn value(&mut self, at: At<'_>, value: &mut Value, ty: &Type) {
        match (value, ty) {
            (_, Type::Word(_)) => {}
            (Value::String(text), _) => match fields::kind(at.probe, at.field) {
                Some(kind) => *text = self.names.field(kind, text),
                None => self.text(text),
            },
            (Value::Array(items), ty) => {
                items.iter_mut().for_each(|item| self.value(at, item, item_of(ty)));
            }
            (Value::Object(fields), ty) => self.fields(at.probe, fields, ty),
            _ => {}
        }
    }

    fn fields(&mut self, probe: &str, fields: &mut Map<String, Value>, ty: &Type) {
        for (field, value) in fields {
            self.value(At { probe, field }, value, field_of(ty, field));
        }
    }

    fn tree(&mut self, tree: &mut Graph) {
        self.text(&mut tree.title);
        for node in &mut tree.nodes {
            self.text(&mut node.title);
            self.optional(&mut node.fact);
        }
        tree.edges.iter_mut().for_each(|edge| self.text(&mut edge.label));
    }

    fn optional(&mut self, text: &mut Option<String>) {
        if let Some(text) = text {
            self.text(text);
        }
    }

    fn text(&mut self, text: &mut String) {
        *text = scan::rewritten(text, &mut self.names);
    }
}

/// Where in an observation a text stands.
#[derive(Clone, Copy)]
struct At<'a> {
    probe: &'a str,
    field: &'a str,
}

fn item_of(ty: &Type) -> &Type {
    match ty {
        Type::List(item) => item,
        _ => &Type::Any,
    }
}

fn field_of<'a>(ty: &'a Type, field: &str) -> &'a Type {
    match ty {
        Type::Record(record) => record.field(field).map_or(&Type::Any, |field| &field.ty),
        Type::Map(value) => value,
        _ => &Type::Any,
    }
}
