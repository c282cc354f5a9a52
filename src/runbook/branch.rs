//! Arms of steps: conditions, where they lead, and what they conclude.

use std::collections::HashMap;
use std::ops::Range;

use super::code::Code;
use super::expr::{Expr, Scope, Template};
use super::read::{Fields, Reader};
use super::yaml::{Node, Yaml};
use super::{Branch, Catalogue, Next, Note};
use crate::model::diagnosis::Place;
use crate::model::report::Status;
use crate::model::types::Type;

/// Words that stand for an end instead of a step.
pub(super) const ENDS: [&str; 3] = ["healthy", "inconclusive", "as_used"];

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
    /// Their positions; of an id that is written twice, the first.
    pub(super) index: &'a HashMap<&'a str, usize>,
    /// The diagnoses.
    pub(super) catalogue: &'a Catalogue,
    /// Whether these are the arms of a step that uses another runbook.
    pub(super) uses: bool,
}

impl Around<'_> {
    /// Finds a step by its id.
    pub(super) fn step(&self, id: &str) -> Option<usize> {
        self.index.get(id).copied()
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
        let Some(items) = self.short_list(node, "`branches`") else {
            self.astray = true;
            return arms;
        };
        for item in items {
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
                (self.astray, self.torn) = (true, true);
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
                let (branch, span) = self.arm_fields(item, fields, scope, around);
                // What is wrong was said; the rest of the tree can still be judged.
                let condition = condition.unwrap_or_else(|| Expr::lazy("true"));
                let branch = Branch { when: Some(condition), ..branch };
                Some(Arm { branch, when: Some(when.clone()), span })
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
                let (branch, _) = self.arm(to, "`else`", scope, around);
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
    ) -> (Branch, Range<usize>) {
        match &node.value {
            Yaml::Map(_) => match self.fields(node, what, &ARM_KEYS) {
                Some(fields) => self.arm_fields(node, fields, scope, around),
                None => (plain(self.nowhere()), node.span.clone()),
            },
            Yaml::Text(_) => (plain(self.destination(node, around)), node.span.clone()),
            _ => {
                self.type_error(node, what, "a step's id or a mapping");
                (plain(self.nowhere()), node.span.clone())
            }
        }
    }

    /// Stands in for a destination that could not be read.
    fn nowhere(&mut self) -> Next {
        self.astray = true;
        Next::Inconclusive
    }

    fn arm_fields(
        &mut self,
        node: &Node,
        fields: Fields<'_>,
        scope: &Scope,
        around: &Around<'_>,
    ) -> (Branch, Range<usize>) {
        let status = fields.find("status").and_then(|node| self.word(node, "`status`", &STATUSES));
        let text = fields.find("text").and_then(|node| self.template(node, "`text`", scope));
        let rules_out = self.rules_out(fields, scope, around);
        let (next, span) = match (fields.entry("goto"), fields.entry("conclude")) {
            (Some((_, to)), None) => {
                self.only_with_conclude(fields);
                (self.destination(to, around), to.span.clone())
            }
            (None, Some((_, id))) if ENDS.iter().any(|end| is_text(id, end)) => {
                self.only_with_conclude(fields);
                (self.destination(id, around), id.span.clone())
            }
            (None, Some((_, id))) => {
                let conclusion = self.conclusion(id, fields, scope, around);
                let next = conclusion.map(|conclusion| Next::Conclude(Box::new(conclusion)));
                (next.unwrap_or(Next::Inconclusive), id.span.clone())
            }
            (Some(_), Some((key, _))) => {
                let message = "a branch has either `goto` or `conclude`, not both";
                self.wrong(Code::LEADS, &key.span, message, None);
                (self.nowhere(), key.span.clone())
            }
            (None, None) if self.mistyped(fields, "goto") || self.mistyped(fields, "conclude") => {
                (self.nowhere(), node.span.clone())
            }
            (None, None) => {
                let place = match &node.value {
                    Yaml::Map(entries) => entries.first().map(|(key, _)| key.span.clone()),
                    _ => None,
                };
                let help = "add `goto: step`, `conclude: diagnosis`, or `goto: healthy`";
                let place = place.unwrap_or_else(|| node.span.clone());
                let message = "this branch leads nowhere";
                self.wrong(Code::LEADS, &place, message, Some(help.to_owned()));
                (self.nowhere(), place)
            }
        };
        (Branch { when: None, status, text, rules_out, next }, span)
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

    /// Reads a step's id or an end.
    pub(super) fn destination(&mut self, node: &Node, around: &Around<'_>) -> Next {
        let Some(id) = self.text(node, "a step's id") else {
            return self.nowhere();
        };
        match (id, around.step(id)) {
            ("healthy", _) => Next::Healthy,
            ("inconclusive", _) => Next::Inconclusive,
            ("as_used", _) if around.uses => Next::AsUsed,
            ("as_used", _) => {
                let message = "`as_used` stands only in a step that uses another runbook";
                self.wrong(Code::LEADS, &node.span, message, None);
                self.nowhere()
            }
            (_, Some(step)) => Next::Goto(step),
            (_, None) => {
                self.unknown_step(node, id, around);
                self.nowhere()
            }
        }
    }

    fn unknown_step(&mut self, node: &Node, id: &str, around: &Around<'_>) {
        let mut known: Vec<&str> = around.steps.iter().map(String::as_str).collect();
        known.extend(ENDS);
        let message = format!("there is no step `{id}`");
        if around.catalogue.find(id).is_some() {
            let help = format!("to conclude it, write `conclude: {id}`");
            self.wrong(Code::UNKNOWN_STEP, &node.span, message, Some(help));
            return;
        }
        self.misnamed(Code::UNKNOWN_STEP, &node.span, message, id, (&known, "steps"));
    }

    /// Reads a condition.
    /// Reads a condition.
    pub(super) fn condition(&mut self, node: &Node, scope: &Scope) -> Option<Expr> {
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
        for item in self.short_list(node, "`findings`").unwrap_or_default() {
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
            if !self.trusted && around.catalogue.find(&key.name).is_none() {
                self.unknown_diagnosis(&key.name, &key.span, around.catalogue);
            }
            if let Some(why) = self.template(why, "a reason", scope) {
                out.push((key.name.clone(), why));
            }
        }
        out
    }
}

fn plain(next: Next) -> Branch {
    Branch { when: None, status: None, text: None, rules_out: Vec::new(), next }
}

fn is_text(node: &Node, wanted: &str) -> bool {
    matches!(&node.value, Yaml::Text(text) if text == wanted)
}
