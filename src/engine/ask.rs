//! Questions to the user: what is asked, what may be answered, and what an answer counts as.

use serde_json::{Value, json};

use crate::model::outcome::{Outcome, Why};
use crate::model::server_report::ServerReport;
use crate::runbook::expr::Bindings;
use crate::runbook::{Expects, Kind, Runbook, Step, UNKNOWN};

/// A question, filled in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Question {
    /// The step's key.
    pub key: String,
    /// The question.
    pub text: String,
    /// Why the answer matters.
    pub why: Option<String>,
    /// A command that helps to find the answer, or for the server's report the one to run there.
    pub command: Option<String>,
    /// What can be chosen; empty where something else is expected.
    pub choices: Vec<String>,
    /// The choice to offer first, an index into `choices`; `None` is "I don't know".
    pub default: Option<usize>,
}

impl Question {
    /// Offers first what was answered before.
    pub(super) fn offer(&mut self, said: &Reply) {
        match said {
            Reply::Choice(choice) => {
                self.default = self.choices.iter().position(|known| known == choice);
            }
            Reply::DontKnow => self.default = None,
            Reply::Nobody => {}
        }
    }
}

/// What came of a question.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reply {
    /// One of its choices.
    Choice(String),
    /// The user does not know.
    DontKnow,
    /// There is nobody to be asked, now or later.
    Nobody,
}

impl Reply {
    /// Returns what the step saw; `None` when nobody was asked.
    pub fn outcome(self) -> Option<Outcome> {
        match self {
            Reply::Choice(choice) => Some(Outcome::Seen(json!({"answer": choice}))),
            Reply::DontKnow => Some(Outcome::Unknown(Why::NotAnswered)),
            Reply::Nobody => None,
        }
    }
}

/// A question that a runbook may come to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Asked {
    /// The step's key.
    pub key: String,
    /// What can be answered, `unknown` last.
    pub choices: Vec<String>,
}

/// Lists what a runbook, and those that it uses, may ask; what a server's report answers is left out.
pub fn questions(runbook: &Runbook) -> Vec<Asked> {
    let mut found = Vec::new();
    collect(runbook, "", &mut found);
    found
}

fn collect(runbook: &Runbook, prefix: &str, found: &mut Vec<Asked>) {
    for step in &runbook.steps {
        let key = format!("{prefix}{}", step.id);
        match &step.kind {
            Kind::Ask { expects: None, choices, .. } => {
                let names = choices.iter().map(|(name, _)| name.clone());
                let choices = names.chain([UNKNOWN.to_owned()]).collect();
                found.push(Asked { key, choices });
            }
            Kind::Use { runbook, .. } => collect(runbook, &format!("{key}/"), found),
            _ => {}
        }
    }
}

/// Finds the steps that a server's report answers, those of used runbooks included.
pub fn expecting_server(runbook: &Runbook) -> Vec<String> {
    let mut found = Vec::new();
    for step in &runbook.steps {
        match &step.kind {
            Kind::Ask { expects: Some(Expects::ServerReport), .. } => found.push(step.id.clone()),
            Kind::Use { runbook, .. } => {
                let inner = expecting_server(runbook).into_iter();
                found.extend(inner.map(|key| format!("{}/{key}", step.id)));
            }
            _ => {}
        }
    }
    found
}

/// Reads an answer that was given as text: a choice, or `unknown`.
pub fn reply(text: &str) -> Reply {
    if text == UNKNOWN { Reply::DontKnow } else { Reply::Choice(text.to_owned()) }
}

/// Fills in a step's question.
pub(super) fn question(step: &Step, key: &str, names: &Bindings) -> Question {
    let Kind::Ask { question, why, default, choices, .. } = &step.kind else {
        unreachable!("only an ask step asks")
    };
    let position = |name: &String| choices.iter().position(|(known, _)| known == name);
    Question {
        key: key.to_owned(),
        text: question.fill(names),
        why: why.as_ref().map(|why| why.fill(names)),
        command: step.by_hand.as_ref().map(|command| command.fill_command(names)),
        choices: choices.iter().map(|(name, _)| name.clone()).collect(),
        default: default.as_ref().and_then(position),
    }
}

/// Fills in why a step asks.
pub(super) fn why(step: &Step, names: &Bindings) -> Option<String> {
    match &step.kind {
        Kind::Ask { why, .. } => why.as_ref().map(|why| why.fill(names)),
        _ => None,
    }
}

/// Says in one line what was asked and answered.
pub(super) fn told(step: &Step, seen: Option<&Value>, names: &Bindings) -> Option<String> {
    let Kind::Ask { question, expects, .. } = &step.kind else { return None };
    if expects.is_some() {
        let report: ServerReport = serde_json::from_value(seen?.clone()).ok()?;
        return Some(report.brief());
    }
    let question = question.fill(names);
    Some(match seen {
        Some(seen) => {
            let answer = seen.get("answer").and_then(Value::as_str)?;
            format!("{question} {}", answer.replace('_', " "))
        }
        None => format!("{question} not known"),
    })
}
