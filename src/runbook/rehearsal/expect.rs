//! What a test expects, held against what the runbook can come to.

use crate::model::diagnosis::Confidence;
use crate::model::report::Verdict;
use crate::runbook::branch::PLACES;
use crate::runbook::catalogue::{CONFIDENCES, SEVERITIES};
use crate::runbook::code::Code;
use crate::runbook::read::{Fields, Reader};
use crate::runbook::rehearsal::observe::{keys, step};
use crate::runbook::rehearsal::read::known;
use crate::runbook::rehearsal::{Expect, Whereabouts};
use crate::runbook::yaml::{Node, Yaml};
use crate::runbook::{Kind, Runbook};

const VERDICTS: [(&str, Verdict); 4] = [
    ("healthy", Verdict::Healthy),
    ("degraded", Verdict::Degraded),
    ("fault", Verdict::Fault),
    ("inconclusive", Verdict::Inconclusive),
];
const KEYS: [&str; 14] = [
    "verdict",
    "diagnosis",
    "severity",
    "confidence",
    "location",
    "path",
    "findings",
    "evidence",
    "ruled_out",
    "alternatives",
    "title",
    "summary",
    "remedies",
    "texts",
];

impl Reader {
    /// Reads what is under `expect`.
    pub(super) fn expect(&mut self, node: &Node, runbook: &Runbook) -> Option<Expect> {
        let what = "`expect`";
        let fields = self.fields(node, what, &KEYS)?;
        if KEYS.iter().all(|key| fields.find(key).is_none()) {
            let help = Some("say at least `verdict: healthy`, or `diagnosis: …`".to_owned());
            self.wrong(Code::MISSING_KEY, &node.span, "the test expects nothing", help);
        }
        let word = |reader: &mut Reader, key: &str, words: &[(&str, Verdict)]| {
            fields.find(key).and_then(|node| reader.word(node, &format!("`{key}`"), words))
        };
        let verdict = word(self, "verdict", &VERDICTS);
        let diagnosis = fields.find("diagnosis").and_then(|node| match node.value {
            Yaml::Null => Some(None),
            _ => self.id(node, "`diagnosis`", runbook).map(Some),
        });
        let severity = fields.find("severity");
        let severity = severity.and_then(|node| self.word(node, "`severity`", &SEVERITIES));
        let confidence = fields.find("confidence");
        let confidence: Option<Confidence> =
            confidence.and_then(|node| self.word(node, "`confidence`", &CONFIDENCES));
        let location = fields.find("location").and_then(|node| self.whereabouts(node));
        let path = self.steps(fields, "path", runbook);
        let evidence = self.steps(fields, "evidence", runbook);
        let texts = fields.find("texts").map(|node| self.step_texts(node, runbook));
        Some(Expect {
            verdict,
            diagnosis,
            severity,
            confidence,
            location,
            path,
            findings: self.ids(fields, "findings", runbook),
            evidence,
            ruled_out: self.ids(fields, "ruled_out", runbook),
            alternatives: self.ids(fields, "alternatives", runbook),
            title: self.text_part(fields, "title"),
            summary: self.text_part(fields, "summary"),
            remedies: fields.find("remedies").and_then(|node| {
                let parts = self.texts(node, "`remedies`")?;
                Some(parts.into_iter().map(|(text, _)| text.to_owned()).collect())
            }),
            texts: texts.unwrap_or_default(),
        })
    }

    fn text_part(&mut self, fields: Fields<'_>, key: &str) -> Option<String> {
        let text = self.text(fields.find(key)?, &format!("`{key}`"))?;
        Some(text.trim().to_owned())
    }

    /// Reads a diagnosis id that the runbook's catalogue has.
    fn id(&mut self, node: &Node, what: &str, runbook: &Runbook) -> Option<String> {
        let id = self.text(node, what)?;
        if !knows(runbook, id) {
            self.unknown_diagnosis(id, &node.span, &runbook.catalogue);
            return None;
        }
        Some(id.to_owned())
    }

    fn ids(&mut self, fields: Fields<'_>, key: &str, runbook: &Runbook) -> Option<Vec<String>> {
        let what = format!("`{key}`");
        let items = self.texts(fields.find(key)?, &what)?;
        let of = format!("an item of {what}");
        Some(items.into_iter().filter_map(|(_, node)| self.id(node, &of, runbook)).collect())
    }

    fn steps(&mut self, fields: Fields<'_>, key: &str, runbook: &Runbook) -> Option<Vec<String>> {
        let items = self.texts(fields.find(key)?, &format!("`{key}`"))?;
        let mut steps = Vec::new();
        for (key, node) in items {
            self.known_step(key, &node.span, runbook);
            steps.push(key.to_owned());
        }
        Some(steps)
    }

    fn known_step(&mut self, key: &str, span: &std::ops::Range<usize>, runbook: &Runbook) {
        if step(runbook, key).is_none() {
            let message = format!("there is no step `{key}`");
            let help = known("steps", key, &keys(runbook, &|_| true));
            self.wrong(Code::UNKNOWN_STEP, span, message, Some(help));
        }
    }

    fn step_texts(&mut self, node: &Node, runbook: &Runbook) -> Vec<(String, String)> {
        let mut texts = Vec::new();
        for (key, node) in self.entries(node, "`texts`").unwrap_or_default() {
            self.known_step(&key.name, &key.span, runbook);
            if let Some(text) = self.text(node, &format!("`{}`", key.name)) {
                texts.push((key.name.clone(), text.trim().to_owned()));
            }
        }
        texts
    }

    fn whereabouts(&mut self, node: &Node) -> Option<Whereabouts> {
        let fields = self.fields(node, "`location`", &["kind", "hop", "address"])?;
        let kind = fields.find("kind").and_then(|node| self.word(node, "`kind`", &PLACES));
        let hop = fields.find("hop").and_then(|node| match node.value {
            Yaml::Null => Some(None),
            Yaml::Int(hop) => u32::try_from(hop).ok().map(Some),
            _ => {
                self.type_error(node, "`hop`", "a whole number");
                None
            }
        });
        let address = fields.find("address").and_then(|node| match node.value {
            Yaml::Null => Some(None),
            _ => self.text(node, "`address`").map(|text| Some(text.to_owned())),
        });
        Some(Whereabouts { kind, hop, address })
    }
}

/// Whether the catalogue of a runbook, or of one that it uses, has an id.
fn knows(runbook: &Runbook, id: &str) -> bool {
    runbook.catalogue.find(id).is_some()
        || runbook.steps.iter().any(|step| match &step.kind {
            Kind::Use { runbook, .. } => knows(runbook, id),
            _ => false,
        })
}
