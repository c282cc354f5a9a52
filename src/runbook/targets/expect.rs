//! Expectations, checked against what the runbook can conclude at all.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::File;
use crate::model::expect::{Expect, Unwanted};
use crate::model::pattern::Pattern;
use crate::model::report::Verdict;
use crate::runbook::code::Code;
use crate::runbook::problem::{LoadErrors, did_you_mean};
use crate::runbook::read::Reader;
use crate::runbook::yaml::{self, Node, Yaml};
use crate::runbook::{Branch, Kind, Next, Runbook};

const VERDICTS: [(&str, Verdict); 4] = [
    ("healthy", Verdict::Healthy),
    ("degraded", Verdict::Degraded),
    ("fault", Verdict::Fault),
    ("inconclusive", Verdict::Inconclusive),
];
/// Longer than any connection attempt takes, in milliseconds.
const LONGEST_MS: f64 = 3_600_000.0;

/// Reads an expectation on its own, as in a targets file: `healthy`, `{diagnosis: tcp.*}`.
///
/// # Errors
///
/// Returns everything that is wrong; `source` is its name in messages.
pub fn parse_expect(source: &str, text: &str, runbook: &Runbook) -> Result<Expect, LoadErrors> {
    let mut reader = Reader::alone(source, text);
    let expect = match yaml::parse(text) {
        Ok(node) => reader.expectation(&node, runbook),
        Err(broken) => {
            reader.wrong(broken.code, &broken.span, broken.message, broken.help);
            None
        }
    };
    reader.finish(expect)
}

impl File<'_> {
    /// Reads an expectation, once for each runbook.
    pub(super) fn expect(&mut self, node: &Node, runbook: &Arc<Runbook>) -> Option<Expect> {
        let key = (Arc::as_ptr(runbook), node.span.start);
        if let Some(known) = self.expected.get(&key) {
            return known.clone();
        }
        let expect = self.reader.expectation(node, runbook);
        self.expected.insert(key, expect.clone());
        expect
    }
}

impl Reader {
    fn expectation(&mut self, node: &Node, runbook: &Runbook) -> Option<Expect> {
        if let Yaml::Text(text) = &node.value {
            return self.expected_word(node, text);
        }
        let known = ["verdict", "diagnosis", "not", "max_connect_ms"];
        let fields = match &node.value {
            Yaml::Map(_) => self.fields(node, "`expect`", &known)?,
            _ => {
                self.type_error(node, "`expect`", "healthy or a mapping");
                return None;
            }
        };
        let mut fine = true;
        let mut expect = Expect::default();
        if let Some(node) = fields.find("verdict") {
            let verdicts = self.one_or_list(node, "`verdict`")?.into_iter();
            let verdicts = verdicts.map(|node| self.word(node, "`verdict`", &VERDICTS));
            expect.verdicts = verdicts.collect::<Option<_>>()?;
        }
        let conclusions = conclusions(runbook);
        if let Some(node) = fields.find("diagnosis") {
            for node in self.one_or_list(node, "`diagnosis`")? {
                let pattern = self.pattern(node, "`diagnosis`", runbook, &conclusions);
                fine &= pattern.is_some();
                expect.diagnosis.extend(pattern);
            }
        }
        if let Some(node) = fields.find("not") {
            for node in self.one_or_list(node, "`not`")? {
                let Some(pattern) = self.pattern(node, "`not`", runbook, &conclusions) else {
                    fine = false;
                    continue;
                };
                let seen = conclusions.iter().filter(|(id, _)| pattern.fits(id));
                let seen: BTreeSet<String> = seen.flat_map(|(_, steps)| steps.clone()).collect();
                expect.not.push(Unwanted { pattern, seen_by: seen.into_iter().collect() });
            }
        }
        if let Some(node) = fields.find("max_connect_ms") {
            let most = match node.value {
                Yaml::Int(most) => most as f64,
                Yaml::Float(most) => most,
                _ => {
                    self.type_error(node, "`max_connect_ms`", "a number");
                    return None;
                }
            };
            if !(most > 0.0 && most <= LONGEST_MS) {
                let message =
                    format!("`max_connect_ms` must be more than 0 and at most {LONGEST_MS}");
                self.wrong(Code::EXPECTATION, &node.span, message, None);
                fine = false;
            }
            expect.max_connect_ms = Some(most);
        }
        if expect == Expect::default() && fine && self.errors.problems.is_empty() {
            let message = "this expects nothing";
            let help = Some("write expect: healthy, or leave it out".to_owned());
            self.wrong(Code::EXPECTATION, &node.span, message, help);
            fine = false;
        }
        if let (Some((key, _)), true) =
            (fields.entry("diagnosis"), expect.verdicts == [Verdict::Healthy])
        {
            let message = "what is healthy has no diagnosis";
            self.wrong(Code::EXPECTATION, &key.span, message, None);
            fine = false;
        }
        fine.then_some(expect)
    }

    /// `healthy` allows `degraded`; the other verdicts are meant exactly.
    fn expected_word(&mut self, node: &Node, text: &str) -> Option<Expect> {
        if text == "healthy" {
            return Some(Expect::default());
        }
        if let Some((_, verdict)) = VERDICTS.iter().find(|(name, _)| *name == text) {
            return Some(Expect { verdicts: vec![*verdict], ..Expect::default() });
        }
        let known: Vec<&str> = VERDICTS.iter().map(|(name, _)| *name).collect();
        let help = if text.contains('.') {
            format!("write {{diagnosis: {text}}}, or {{not: [{text}]}}")
        } else {
            did_you_mean(text, &known, "words")
        };
        let message = format!("`{text}` cannot be expected");
        self.wrong(Code::EXPECTATION, &node.span, message, Some(help));
        None
    }

    fn one_or_list<'a>(&mut self, node: &'a Node, what: &str) -> Option<Vec<&'a Node>> {
        match &node.value {
            Yaml::List(items) if items.is_empty() => {
                self.wrong(Code::EXPECTATION, &node.span, format!("{what} is empty"), None);
                None
            }
            Yaml::List(items) => Some(items.iter().collect()),
            _ => Some(vec![node]),
        }
    }

    /// Reads a pattern that fits at least one id which the runbook can come to.
    fn pattern(
        &mut self,
        node: &Node,
        what: &str,
        runbook: &Runbook,
        conclusions: &BTreeMap<String, BTreeSet<String>>,
    ) -> Option<Pattern> {
        let text = self.text(node, what)?;
        let pattern = Pattern::new(text);
        if conclusions.keys().any(|id| pattern.fits(id)) {
            return Some(pattern);
        }
        let known: Vec<&str> = conclusions.keys().map(String::as_str).collect();
        let (message, help) = if runbook.catalogue.all().any(|entry| pattern.fits(&entry.id)) {
            let message = format!("runbook {} never comes to `{text}`", runbook.name);
            (message, "name an id that it comes to, or another runbook for this target".to_owned())
        } else {
            let message = format!("there is no diagnosis `{text}`");
            let help = match did_you_mean(text, &known, "diagnoses") {
                found if found.starts_with("did you mean") => found,
                _ => "tcpdoctor explain lists all".to_owned(),
            };
            (message, help)
        };
        self.wrong(Code::UNKNOWN_DIAGNOSIS, &node.span, message, Some(help));
        None
    }
}

/// Returns every id that a runbook can conclude or note, with the keys of the steps that do.
pub(super) fn conclusions(runbook: &Runbook) -> BTreeMap<String, BTreeSet<String>> {
    let mut found = BTreeMap::new();
    collect(runbook, "", &mut found);
    // The engine's own, which any step may come to.
    for entry in runbook.catalogue.all() {
        if entry.id.starts_with("inconclusive.") {
            found.entry(entry.id.clone()).or_default();
        }
    }
    found
}

fn collect(runbook: &Runbook, before: &str, found: &mut BTreeMap<String, BTreeSet<String>>) {
    for step in &runbook.steps {
        let key = format!("{before}{}", step.id);
        let mut add = |id: &str| {
            found.entry(id.to_owned()).or_default().insert(key.clone());
        };
        for note in &step.findings {
            add(&note.conclusion.id);
        }
        let mut arms: Vec<&Branch> = step.branches.iter().chain(&step.unknown).collect();
        if let Kind::Ask { choices, no_input, .. } = &step.kind {
            arms.extend(choices.iter().map(|(_, branch)| branch));
            arms.push(no_input);
        }
        for arm in arms {
            if let Next::Conclude(conclusion) = &arm.next {
                add(&conclusion.id);
            }
        }
        if let Kind::Use { runbook, .. } = &step.kind {
            collect(runbook, &format!("{key}/"), found);
        }
    }
}
