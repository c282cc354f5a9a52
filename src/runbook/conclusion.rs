//! Conclusions: a diagnosis with its particulars, checked against the catalogue.

use std::ops::Range;

use super::branch::Around;
use super::catalogue::SEVERITIES;
use super::code::Code;
use super::expr::Scope;
use super::problem::did_you_mean;
use super::read::{Fields, Reader};
use super::yaml::{Node, Yaml};
use super::{Arg, Catalogue, Conclusion, Entry};
use crate::model::types::Type;

impl Reader {
    /// Says that there is no such diagnosis.
    pub(super) fn unknown_diagnosis(
        &mut self,
        id: &str,
        span: &Range<usize>,
        catalogue: &Catalogue,
    ) {
        let known: Vec<&str> = catalogue.all().map(|entry| entry.id.as_str()).collect();
        let message = format!("there is no diagnosis `{id}`");
        if id.starts_with("x-") && !did_you_mean(id, &known, "").starts_with("did") {
            let help = "a diagnosis of your own is described under `diagnoses:`".to_owned();
            self.wrong(Code::UNKNOWN_DIAGNOSIS, span, message, Some(help));
            return;
        }
        self.misnamed(Code::UNKNOWN_DIAGNOSIS, span, message, id, (&known, "diagnoses"));
    }

    /// Reads a diagnosis with its particulars.
    pub(super) fn conclusion(
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
        let not = fields.find("not").and_then(|node| self.texts(node, "`not`")).unwrap_or_default();
        if !self.trusted {
            let Some(entry) = around.catalogue.find(name) else {
                self.unknown_diagnosis(name, &id.span, around.catalogue);
                return None;
            };
            self.against_entry(entry, id, fields, &not);
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
            not_alternatives: not.into_iter().map(|(other, _)| other.to_owned()).collect(),
        })
    }

    /// Holds a conclusion against the words of its diagnosis: what they need, and their look-alikes.
    fn against_entry(
        &mut self,
        entry: &Entry,
        id: &Node,
        fields: Fields<'_>,
        not: &[(&str, &Node)],
    ) {
        let name = &entry.id;
        // One that cannot be read is given all the same.
        let given: Vec<&str> = match fields.find("with").map(|node| &node.value) {
            Some(Yaml::Map(with)) => with.iter().map(|(key, _)| key.name.as_str()).collect(),
            _ => Vec::new(),
        };
        let needs: Vec<&str> = entry.needs.iter().map(String::as_str).collect();
        let missing: Vec<&str> = needs.iter().filter(|n| !given.contains(n)).copied().collect();
        if !missing.is_empty() {
            let message = format!("`{name}` needs {} in `with`", listed(&missing));
            self.wrong(Code::NEEDS, &id.span, message, None);
        }
        if let Some(Yaml::Map(entries)) = fields.find("with").map(|node| &node.value) {
            let used: Vec<&str> =
                entry.needs.iter().chain(&entry.optional).map(String::as_str).collect();
            for (key, _) in entries.iter().filter(|(k, _)| !used.contains(&&*k.name)) {
                let message = format!("`{name}` has no use for `{}`", key.name);
                let known = (used.as_slice(), "values that it needs");
                self.misnamed(Code::NEEDS, &key.span, message, &key.name, known);
            }
        }
        let known: Vec<&str> = entry.lookalikes.iter().map(|l| l.id.as_str()).collect();
        for (other, node) in not.iter().filter(|(other, _)| !known.contains(other)) {
            let message = format!("`{other}` is no look-alike of `{name}`");
            let known = (known.as_slice(), "look-alikes");
            self.misnamed(Code::UNKNOWN_DIAGNOSIS, &node.span, message, other, known);
        }
    }

    /// Reads values by name, of any type.
    pub(super) fn values(&mut self, node: Option<&Node>, scope: &Scope) -> Vec<(String, Arg)> {
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
                self.misnamed(Code::UNKNOWN_STEP, &node.span, message, id, (&known, "steps"));
            }
            cited.push(id.to_owned());
        }
        cited
    }
}

fn listed(names: &[&str]) -> String {
    names.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ")
}
