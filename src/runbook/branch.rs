//! Arms of steps: conditions, where they lead, and what they conclude.

use std::ops::Range;

use super::catalogue::SEVERITIES;
use super::code::Code;
use super::expr::{Scope, Template};
use super::problem::did_you_mean;
use super::read::{Fields, Reader};
use super::yaml::{Node, Yaml};
use super::{Arg, Branch, Catalogue, Conclusion, Next, Note};
use crate::model::diagnosis::Place;
use crate::model::report::Status;
use crate::model::types::Type;

/// Words that stand for an end instead of a step.
pub(super) const ENDS: [&str; 2] = ["healthy", "inconclusive"];

const STATUSES: [(&str, Status); 4] = [
    ("pass", Status::Pass),
    ("warn", Status::Warn),
    ("fail", Status::Fail),
    ("unknown", Status::Unknown),
];

/// The kinds of places by name.
pub(super) const PLACES: [(&str, Place); 5] = [
    ("here", Place::Here),
    ("path", Place::Path),
    ("hop", Place::Hop),
    ("target", Place::Target),
    ("resolver", Place::Resolver),
];

const CONCLUSION_KEYS: [&str; 6] = ["with", "at", "confidence", "severity", "evidence", "not"];
const ARM_KEYS: [&str; 11] = [
    "goto",
    "conclude",
    "status",
    "text",
    "rules_out",
    "with",
    "at",
    "confidence",
    "severity",
    "evidence",
    "not",
];

/// What arms may refer to.
pub(super) struct Around<'a> {
    /// The steps' ids in order.
    pub(super) steps: &'a [String],
    /// The diagnoses.
    pub(super) catalogue: &'a Catalogue,
}

impl Around<'_> {
    fn step(&self, id: &str) -> Option<usize> {
        self.steps.iter().position(|known| known == id)
    }
}

/// An arm with the places that later checks point at.
pub(super) struct Arm {
    pub(super) branch: Branch,
    /// The condition's node, for places inside it.
    pub(super) when: Option<Node>,
    /// Where it says where it leads.
    pub(super) span: Range<usize>,
}

impl Reader {
    /// Reads the list under `branches`.
    pub(super) fn branches(&mut self, node: &Node, scope: &Scope, around: &Around<'_>) -> Vec<Arm> {
        let mut arms = Vec::new();
        let mut closed: Option<Range<usize>> = None;
        for item in self.list(node, "`branches`").unwrap_or_default() {
            let first = match &item.value {
                Yaml::Map(entries) => entries.first().map(|(key, _)| key.span.clone()),
                _ => None,
            };
            let place = first.unwrap_or_else(|| item.span.clone());
            if let Some(before) = &closed {
                self.problem(
                    Code::AFTER_ELSE,
                    &place,
                    "this branch is never tried".to_owned(),
                    None,
                    Some((before.clone(), "this one always applies".to_owned())),
                );
            }
            let Some(arm) = self.listed_arm(item, scope, around) else {
                continue;
            };
            if arm.branch.when.is_none() {
                closed = closed.or(Some(place));
            }
            arms.push(arm);
        }
        arms
    }

    fn listed_arm(&mut self, item: &Node, scope: &Scope, around: &Around<'_>) -> Option<Arm> {
        let mut known = vec!["when", "else"];
        known.extend(ARM_KEYS);
        let fields = self.fields(item, "a branch", &known)?;
        match (fields.entry("when"), fields.entry("else")) {
            (Some((_, when)), None) => {
                let condition = self.condition(when, scope);
                let (branch, span) = self.arm_fields(item, fields, scope, around)?;
                Some(Arm {
                    branch: Branch { when: Some(condition?), ..branch },
                    when: Some(when.clone()),
                    span,
                })
            }
            (None, Some((key, to))) => {
                let beside = ARM_KEYS.iter().find_map(|key| fields.entry(key));
                if let Some((other, _)) = beside {
                    self.wrong(
                        Code::LEADS,
                        &other.span,
                        format!("`{}` cannot stand beside `else`", other.name),
                        Some(format!("write it inside: else: {{{}: …}}", other.name)),
                    );
                }
                let (branch, _) = self.arm(to, "`else`", scope, around)?;
                Some(Arm { branch, when: None, span: key.span.clone() })
            }
            (Some(_), Some((key, _))) => {
                let message = "a branch has either `when` or `else`, not both";
                self.wrong(Code::LEADS, &key.span, message, None);
                None
            }
            (None, None) => {
                self.need(fields, item, "a branch", "when");
                None
            }
        }
    }

    /// Reads an arm: a step's id, an end, or a mapping.
    pub(super) fn arm(
        &mut self,
        node: &Node,
        what: &str,
        scope: &Scope,
        around: &Around<'_>,
    ) -> Option<(Branch, Range<usize>)> {
        match &node.value {
            Yaml::Map(_) => {
                let fields = self.fields(node, what, &ARM_KEYS)?;
                self.arm_fields(node, fields, scope, around)
            }
            Yaml::Text(_) => {
                let next = self.destination(node, around)?;
                Some((plain(next), node.span.clone()))
            }
            _ => {
                self.type_error(node, what, "a step's id or a mapping");
                None
            }
        }
    }

    fn arm_fields(
        &mut self,
        node: &Node,
        fields: Fields<'_>,
        scope: &Scope,
        around: &Around<'_>,
    ) -> Option<(Branch, Range<usize>)> {
        let status = fields.find("status").and_then(|node| self.word(node, "`status`", &STATUSES));
        let text = fields.find("text").and_then(|node| self.template(node, "`text`", scope));
        let rules_out = self.rules_out(fields, scope, around);
        let (next, span) = match (fields.entry("goto"), fields.entry("conclude")) {
            (Some((_, to)), None) => {
                self.only_with_conclude(fields);
                (self.destination(to, around)?, to.span.clone())
            }
            (None, Some((_, id))) if ENDS.iter().any(|end| is_text(id, end)) => {
                self.only_with_conclude(fields);
                (self.destination(id, around)?, id.span.clone())
            }
            (None, Some((_, id))) => {
                let conclusion = self.conclusion(id, fields, scope, around)?;
                (Next::Conclude(Box::new(conclusion)), id.span.clone())
            }
            (Some(_), Some((key, _))) => {
                let message = "a branch has either `goto` or `conclude`, not both";
                self.wrong(Code::LEADS, &key.span, message, None);
                return None;
            }
            (None, None) => {
                let place = match &node.value {
                    Yaml::Map(entries) => entries.first().map(|(key, _)| key.span.clone()),
                    _ => None,
                };
                let help = "add `goto: step`, `conclude: diagnosis`, or `goto: healthy`";
                self.wrong(
                    Code::LEADS,
                    &place.unwrap_or_else(|| node.span.clone()),
                    "this branch leads nowhere",
                    Some(help.to_owned()),
                );
                return None;
            }
        };
        let branch = Branch { when: None, status, text, rules_out, next };
        Some((branch, span))
    }

    fn only_with_conclude(&mut self, fields: Fields<'_>) {
        for key in CONCLUSION_KEYS {
            if let Some((key, _)) = fields.entry(key) {
                let message =
                    format!("`{}` belongs to a diagnosis, and none is concluded", key.name);
                self.wrong(Code::UNKNOWN_KEY, &key.span, message, None);
            }
        }
    }

    fn destination(&mut self, node: &Node, around: &Around<'_>) -> Option<Next> {
        let id = self.text(node, "a step's id")?;
        match id {
            "healthy" => return Some(Next::Healthy),
            "inconclusive" => return Some(Next::Inconclusive),
            _ => {}
        }
        match around.step(id) {
            Some(step) => Some(Next::Goto(step)),
            None => {
                self.unknown_step(node, id, around);
                None
            }
        }
    }

    fn unknown_step(&mut self, node: &Node, id: &str, around: &Around<'_>) {
        let mut known: Vec<&str> = around.steps.iter().map(String::as_str).collect();
        known.extend(ENDS);
        let help = if around.catalogue.find(id).is_some() {
            format!("to conclude it, write `conclude: {id}`")
        } else {
            did_you_mean(id, &known, "steps")
        };
        let message = format!("there is no step `{id}`");
        self.wrong(Code::UNKNOWN_STEP, &node.span, message, Some(help));
    }

    /// Reads a condition.
    fn condition(&mut self, node: &Node, scope: &Scope) -> Option<super::expr::Expr> {
        let condition = self.expr(node, "`when`", scope)?;
        if !matches!(condition.ty(), Type::Bool | Type::Any) {
            let message = format!(
                "a condition must be true or false, this is {}",
                super::expr::article(condition.ty())
            );
            self.wrong(Code::EXPRESSION_TYPE, &node.span, message, None);
            return None;
        }
        Some(condition)
    }

    /// Reads the list under `findings`.
    pub(super) fn findings(
        &mut self,
        node: &Node,
        scope: &Scope,
        around: &Around<'_>,
    ) -> Vec<Note> {
        let mut known = vec!["when", "note"];
        known.extend(CONCLUSION_KEYS);
        let mut notes = Vec::new();
        for item in self.list(node, "`findings`").unwrap_or_default() {
            let Some(fields) = self.fields(item, "a finding", &known) else {
                continue;
            };
            let when = self.need(fields, item, "a finding", "when");
            let id = self.need(fields, item, "a finding", "note");
            let when = when.and_then(|when| self.condition(when, scope));
            let conclusion = id.and_then(|id| self.conclusion(id, fields, scope, around));
            if let (Some(when), Some(conclusion)) = (when, conclusion) {
                notes.push(Note { when, conclusion });
            }
        }
        notes
    }

    fn rules_out(
        &mut self,
        fields: Fields<'_>,
        scope: &Scope,
        around: &Around<'_>,
    ) -> Vec<(String, Template)> {
        let mut out = Vec::new();
        let Some(node) = fields.find("rules_out") else {
            return out;
        };
        for (key, why) in self.entries(node, "`rules_out`").unwrap_or_default() {
            if around.catalogue.find(&key.name).is_none() {
                self.unknown_diagnosis(&key.name, &key.span, around.catalogue);
            }
            if let Some(why) = self.template(why, "a reason", scope) {
                out.push((key.name.clone(), why));
            }
        }
        out
    }

    fn unknown_diagnosis(&mut self, id: &str, span: &Range<usize>, catalogue: &Catalogue) {
        let known: Vec<&str> = catalogue.all().map(|entry| entry.id.as_str()).collect();
        let mut help = did_you_mean(id, &known, "diagnoses");
        if id.starts_with("x-") && !help.starts_with("did") {
            help = "a diagnosis of your own is described under `diagnoses:`".to_owned();
        }
        let message = format!("there is no diagnosis `{id}`");
        self.wrong(Code::UNKNOWN_DIAGNOSIS, span, message, Some(help));
    }

    /// Reads a diagnosis with its particulars.
    fn conclusion(
        &mut self,
        id: &Node,
        fields: Fields<'_>,
        scope: &Scope,
        around: &Around<'_>,
    ) -> Option<Conclusion> {
        let name = self.text(id, "a diagnosis id")?;
        let with = self.values(fields.find("with"), scope);
        let confidence = fields.find("confidence").and_then(|node| self.confidence(node, scope));
        let severity = fields.find("severity");
        let severity = severity.and_then(|node| self.word(node, "`severity`", &SEVERITIES));
        let (place, hop, address) = self.location(fields.find("at"), scope);
        let evidence = self.evidence(fields.find("evidence"), around);
        let Some(entry) = around.catalogue.find(name) else {
            self.unknown_diagnosis(name, &id.span, around.catalogue);
            return None;
        };
        let given: Vec<&str> = with.iter().map(|(name, _)| name.as_str()).collect();
        let needs: Vec<&str> = entry.needs.iter().map(String::as_str).collect();
        let missing: Vec<&str> = needs.iter().filter(|n| !given.contains(n)).copied().collect();
        if !missing.is_empty() {
            let message = format!("`{name}` needs {} in `with`", listed(&missing));
            self.wrong(Code::NEEDS, &id.span, message, None);
        }
        if let Some(Yaml::Map(entries)) = fields.find("with").map(|node| &node.value) {
            for (key, _) in entries.iter().filter(|(k, _)| !needs.contains(&&*k.name)) {
                let message = format!("`{name}` has no use for `{}`", key.name);
                let help = did_you_mean(&key.name, &needs, "values that it needs");
                self.wrong(Code::NEEDS, &key.span, message, Some(help));
            }
        }
        let mut not_alternatives = Vec::new();
        if let Some(node) = fields.find("not") {
            let known: Vec<&str> = entry.lookalikes.iter().map(|l| l.id.as_str()).collect();
            for (other, node) in self.texts(node, "`not`").unwrap_or_default() {
                if !known.contains(&other) {
                    let message = format!("`{other}` is no look-alike of `{name}`");
                    let help = did_you_mean(other, &known, "look-alikes");
                    self.wrong(Code::UNKNOWN_DIAGNOSIS, &node.span, message, Some(help));
                }
                not_alternatives.push(other.to_owned());
            }
        }
        Some(Conclusion {
            id: name.to_owned(),
            confidence,
            severity,
            place,
            hop,
            address,
            with,
            evidence,
            not_alternatives,
        })
    }

    fn values(&mut self, node: Option<&Node>, scope: &Scope) -> Vec<(String, Arg)> {
        let Some(node) = node else {
            return Vec::new();
        };
        let entries = self.entries(node, "`with`").unwrap_or_default();
        let mut values = Vec::new();
        for (key, value) in entries {
            if let Some(value) = self.value(value, scope) {
                values.push((key.name.clone(), value.arg));
            }
        }
        values
    }

    fn confidence(&mut self, node: &Node, scope: &Scope) -> Option<Arg> {
        const WORDS: [(&str, ()); 3] = [("possible", ()), ("likely", ()), ("confirmed", ())];
        let found = self.value(node, scope)?;
        match &found.arg {
            Arg::Expr(expr) => {
                if !matches!(expr.ty(), Type::Text | Type::Word(_) | Type::Any) {
                    self.type_error(node, "`confidence`", "a word");
                }
            }
            _ => self.word(node, "`confidence`", &WORDS)?,
        }
        Some(found.arg)
    }

    fn evidence(&mut self, node: Option<&Node>, around: &Around<'_>) -> Vec<String> {
        let Some(node) = node else {
            return Vec::new();
        };
        let mut cited = Vec::new();
        for (id, node) in self.texts(node, "`evidence`").unwrap_or_default() {
            if around.step(id).is_none() {
                let known: Vec<&str> = around.steps.iter().map(String::as_str).collect();
                let message = format!("there is no step `{id}`");
                let help = did_you_mean(id, &known, "steps");
                self.wrong(Code::UNKNOWN_STEP, &node.span, message, Some(help));
            }
            cited.push(id.to_owned());
        }
        cited
    }
}

fn plain(next: Next) -> Branch {
    Branch { when: None, status: None, text: None, rules_out: Vec::new(), next }
}

fn is_text(node: &Node, wanted: &str) -> bool {
    matches!(&node.value, Yaml::Text(text) if text == wanted)
}

fn listed(names: &[&str]) -> String {
    names.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ")
}
