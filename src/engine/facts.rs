//! What is known so far: each step's outcome and when it was seen.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};

use crate::engine::fact::{Fact, Timing};
use crate::engine::permit::Permit;
use crate::model::outcome::{Outcome, Why};
use crate::model::report::{Report, TargetEntry};
use crate::runbook::expr::Bindings;

/// All outcomes by step key; the key of a step inside a used runbook is `use/step`.
#[derive(Debug, Clone, Default)]
pub struct Facts {
    facts: BTreeMap<String, Fact>,
    /// What a missing outcome counts as, when no more will come.
    closed: Option<Why>,
    /// Whether somebody can be asked.
    attended: bool,
    /// Steps whose diagnosis does not end the walk, because the user wants to see further.
    passed: BTreeSet<String>,
    /// What may be touched; `None` when nothing will be, so that nothing is checked.
    permit: Option<Permit>,
}

impl Facts {
    /// Reads the facts out of a saved report.
    pub fn of(report: &Report) -> Facts {
        let facts = report.steps.iter().filter_map(|entry| {
            let outcome = match (&entry.observation, &entry.unknown) {
                (Some(seen), _) => Outcome::Seen(seen.clone()),
                (None, Some(why)) => Outcome::Unknown(why.clone()),
                (None, None) => return None,
            };
            let timing = entry
                .started_ms
                .zip(entry.duration_ms)
                .map(|(started_ms, duration_ms)| Timing { started_ms, duration_ms });
            Some((entry.id.clone(), Fact { args: entry.args.clone(), outcome, timing }))
        });
        Facts {
            facts: facts.collect(),
            closed: Some(Why::Depends { on: "a recorded observation".to_owned() }),
            attended: false,
            passed: passed(report),
            permit: None,
        }
    }

    /// Knows that nothing can be looked at, and why.
    pub fn blind(why: Why) -> Facts {
        Facts { closed: Some(why), ..Facts::default() }
    }

    /// Begins a live run, which may touch what the permit says.
    pub fn live(permit: Permit) -> Facts {
        Facts { permit: Some(permit), ..Facts::default() }
    }

    /// Returns what may be touched.
    pub(super) fn permit(&self) -> Option<&Permit> {
        self.permit.as_ref()
    }

    /// Finds a step's outcome.
    pub fn find(&self, key: &str) -> Option<&Fact> {
        self.facts.get(key)
    }

    /// Finds what a step saw when it was asked this; a saved report answers whatever it was asked.
    pub fn answer(&self, key: &str, args: &Value) -> Option<&Outcome> {
        let fact = self.facts.get(key)?;
        let same = self.closed.is_some() || fact.args.as_ref().is_none_or(|asked| asked == args);
        same.then_some(&fact.outcome)
    }

    /// Adds a step's outcome.
    pub fn add(&mut self, key: &str, fact: Fact) {
        self.facts.insert(key.to_owned(), fact);
    }

    /// Takes note whether somebody can be asked.
    pub fn attend(&mut self, attended: bool) {
        self.attended = attended;
    }

    /// Whether somebody can be asked.
    pub fn attended(&self) -> bool {
        self.attended && self.closed.is_none()
    }

    /// Lets the walk go on behind a step that concludes, where the runbook leads on from there.
    pub fn pass(&mut self, key: &str) {
        self.passed.insert(key.to_owned());
    }

    /// Whether the walk goes on behind a step that concludes.
    pub fn passes(&self, key: &str) -> bool {
        self.passed.contains(key)
    }

    /// Forgets all but these steps.
    pub fn keep(&mut self, keys: &BTreeSet<&str>) {
        self.facts.retain(|key, _| keys.contains(key.as_str()));
        self.passed.retain(|key| keys.contains(key.as_str()));
    }

    /// Returns what a missing outcome counts as; `None` while it may still come.
    pub fn missing(&self) -> Option<Outcome> {
        self.closed.clone().map(Outcome::Unknown)
    }
}

/// Finds the steps behind whose diagnosis a run went on: a path leads on from them to another step
/// than their branch says. A step of a used runbook (`use/step`) never does.
fn passed(report: &Report) -> BTreeSet<String> {
    let ways = report.path.iter().zip(report.path.iter().skip(1));
    let on = ways.filter(|(from, to)| {
        let entry = report.steps.iter().find(|entry| entry.id == **from);
        let branch = entry.and_then(|entry| entry.branch.as_ref());
        !from.contains('/') && branch.is_some_and(|branch| branch.to != **to)
    });
    on.map(|(from, _)| from.clone()).collect()
}

/// Builds the names that every expression of a run can see.
pub fn base_bindings(target: &TargetEntry, params: &serde_json::Map<String, Value>) -> Bindings {
    let mut values = serde_json::Map::new();
    let target = json!({
        "input": target.input,
        "host": target.host,
        "port": target.port,
        "scheme": target.scheme,
        "family": target.family,
    });
    values.insert("target".to_owned(), target);
    values.insert("params".to_owned(), Value::Object(params.clone()));
    Bindings { values }
}
