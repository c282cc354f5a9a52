//! The words of diagnoses: catalogue files, and a runbook's own `diagnoses`.

use super::branch::PLACES;
use super::code::Code;
use super::expr::Scope;
use super::read::{Fields, Reader};
use super::yaml::{Key, Node};
use super::{Catalogue, Entry, Lookalike, RemedyText};
use crate::model::diagnosis::{Confidence, RemedyPlace, Severity};
use crate::model::layer::Layer;
use crate::model::types::Type;

/// The severities by name.
pub(super) const SEVERITIES: [(&str, Severity); 3] =
    [("info", Severity::Info), ("warning", Severity::Warning), ("critical", Severity::Critical)];
/// How sure, by name.
pub(super) const CONFIDENCES: [(&str, Confidence); 3] = [
    ("possible", Confidence::Possible),
    ("likely", Confidence::Likely),
    ("confirmed", Confidence::Confirmed),
];
const REMEDY_PLACES: [(&str, RemedyPlace); 3] = [
    ("here", RemedyPlace::Here),
    ("target", RemedyPlace::Target),
    ("network", RemedyPlace::Network),
];
/// The most diagnoses of one file.
const MOST_DIAGNOSES: usize = 1000;
const KEYS: [&str; 11] = [
    "layer",
    "severity",
    "confidence",
    "location",
    "title",
    "summary",
    "meaning",
    "needs",
    "optional",
    "remedies",
    "lookalikes",
];

impl Reader {
    /// Reads a catalogue file.
    pub(super) fn catalogue_file(&mut self, root: &Node) -> Vec<Entry> {
        let what = "a catalogue file";
        let Some(fields) = self.fields(root, what, &["format", "diagnoses"]) else {
            return Vec::new();
        };
        self.format(fields, root, what);
        match self.need(fields, root, what, "diagnoses") {
            Some(node) => self.diagnoses(node, false),
            None => Vec::new(),
        }
    }

    /// Reads the mapping under `diagnoses`. A runbook's own ids begin with `x-`.
    pub(super) fn diagnoses(&mut self, node: &Node, own: bool) -> Vec<Entry> {
        let mut entries = Vec::new();
        let own_entries = self.entries(node, "`diagnoses`").unwrap_or_default();
        if own_entries.len() > MOST_DIAGNOSES {
            let message = format!("there are more than {MOST_DIAGNOSES} diagnoses");
            self.wrong(Code::BOUNDS, &node.span, message, None);
            return entries;
        }
        for (key, value) in own_entries {
            self.diagnosis_id(key, own);
            if let Some(entry) = self.diagnosis(key, value) {
                entries.push(entry);
            }
        }
        entries
    }

    fn diagnosis_id(&mut self, key: &Key, own: bool) {
        let part = |text: &str| {
            !text.is_empty()
                && text
                    .chars()
                    .all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || "_-".contains(c))
        };
        let fine = key.name.len() <= 100 && key.name.contains('.') && key.name.split('.').all(part);
        if !fine {
            let help = "write layer.problem in small letters, as in x-db.failover_running";
            let message = format!("`{}` cannot be a diagnosis id", key.name);
            self.wrong(Code::BAD_NAME, &key.span, message, Some(help.to_owned()));
        } else if own && !key.name.starts_with("x-") {
            let message = format!("`{}` does not begin with x-", key.name);
            let help = Some(format!("name it x-{}", key.name));
            self.wrong(Code::BAD_NAME, &key.span, message, help);
        }
    }

    fn diagnosis(&mut self, key: &Key, node: &Node) -> Option<Entry> {
        let what = "a diagnosis";
        let fields = self.fields(node, what, &KEYS)?;
        let layers = Layer::ALL.map(|layer| (layer.name(), layer));
        let layer = self.need(fields, node, what, "layer");
        let layer = layer.and_then(|node| self.word(node, "`layer`", &layers));
        let severity = self.need(fields, node, what, "severity");
        let severity = severity.and_then(|node| self.word(node, "`severity`", &SEVERITIES));
        let confidence = match fields.find("confidence") {
            Some(node) => self.word(node, "`confidence`", &CONFIDENCES),
            None => Some(Confidence::Likely),
        };
        let place = self.need(fields, node, what, "location");
        let place = place.and_then(|node| self.word(node, "`location`", &PLACES));
        let needs = self.value_names(fields, "needs");
        let optional = self.value_names(fields, "optional");
        let mut scope = Scope::default();
        if !self.trusted {
            scope.add("target", super::types::target());
            // Given by the engine: the machine that `here` means, null for the one it runs on.
            scope.add("machine", Type::Any);
            for need in needs.iter().chain(&optional) {
                scope.add(need.as_str(), Type::Any);
            }
        }
        let title = self.need(fields, node, what, "title");
        let title = title.and_then(|node| self.template(node, "`title`", &scope));
        let summary = self.need(fields, node, what, "summary");
        let summary = summary.and_then(|node| self.template(node, "`summary`", &scope));
        let meaning = match fields.find("meaning") {
            Some(node) => self.text(node, "`meaning`").unwrap_or_default().trim().to_owned(),
            None => String::new(),
        };
        let remedies = self.remedies(fields, &scope);
        let lookalikes = self.lookalikes(fields, &key.name, &scope);
        Some(Entry {
            id: key.name.clone(),
            layer: layer?,
            severity: severity?,
            confidence: confidence?,
            place: place?,
            title: title?,
            summary: summary?,
            meaning,
            needs,
            optional,
            remedies,
            lookalikes,
        })
    }

    fn value_names(&mut self, fields: Fields<'_>, key: &str) -> Vec<String> {
        let Some(node) = fields.find(key) else {
            return Vec::new();
        };
        let mut names = Vec::new();
        for (name, node) in self.texts(node, &format!("`{key}`")).unwrap_or_default() {
            self.name(name, &node.span, "a value's name", false);
            names.push(name.to_owned());
        }
        names
    }

    fn remedies(&mut self, fields: Fields<'_>, scope: &Scope) -> Vec<RemedyText> {
        let mut remedies = Vec::new();
        let Some(node) = fields.find("remedies") else {
            return remedies;
        };
        let what = "a remedy";
        for item in self.short_list(node, "`remedies`").unwrap_or_default() {
            let Some(fields) = self.fields(item, what, &["when", "text", "command", "where"])
            else {
                continue;
            };
            let when = fields.find("when").and_then(|node| self.condition(node, scope));
            let text = self.need(fields, item, what, "text");
            let text = text.and_then(|node| self.template(node, "`text`", scope));
            let command = fields.find("command");
            let command = command.and_then(|node| self.template(node, "`command`", scope));
            let place = self.need(fields, item, what, "where");
            let place = place.and_then(|node| self.word(node, "`where`", &REMEDY_PLACES));
            if let (Some(text), Some(place)) = (text, place) {
                remedies.push(RemedyText { when, text, command, place });
            }
        }
        remedies
    }

    fn lookalikes(&mut self, fields: Fields<'_>, id: &str, scope: &Scope) -> Vec<Lookalike> {
        let mut lookalikes = Vec::new();
        let Some(node) = fields.find("lookalikes") else {
            return lookalikes;
        };
        for (key, value) in self.entries(node, "`lookalikes`").unwrap_or_default() {
            if key.name == id {
                let message = format!("`{id}` is listed as its own look-alike");
                self.wrong(Code::DIAGNOSIS, &key.span, message, None);
            }
            if let Some(separate_by) = self.template(value, "a way to separate", scope) {
                lookalikes.push(Lookalike { id: key.name.clone(), separate_by });
            }
        }
        lookalikes
    }
}

impl Catalogue {
    /// Finds the words of a diagnosis.
    pub fn find(&self, id: &str) -> Option<&Entry> {
        let own = self.entries.iter().find(|entry| entry.id == id);
        own.or_else(|| self.below()?.find(id))
    }

    /// Returns every entry: its own, then those of the catalogue below.
    pub fn all(&self) -> impl Iterator<Item = &Entry> {
        let below = self.below().into_iter().flat_map(|below| below.entries.iter());
        self.entries.iter().chain(below)
    }

    fn below(&self) -> Option<&'static Catalogue> {
        // It cannot be read only in a build whose tests failed.
        self.over_builtin.then(|| Catalogue::read_once().as_deref().ok()).flatten()
    }
}
