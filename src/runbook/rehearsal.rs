//! Tests of runbooks: a file says what each step's probe saw and how the walk must end.
//!
//! The rule about fields: **a field that is left out is null where its probe allows null (not
//! measured); any other field must be given as soon as the walk reads it.** So a test holds only
//! what matters, and what it forgot is never taken for a zero.

mod expect;
mod observe;
mod read;
mod write;

use std::sync::Arc;

use serde_json::{Map, Value};

use crate::model::diagnosis::{Confidence, Place, Severity};
use crate::model::outcome::{Outcome, Why};
use crate::model::report::{TargetEntry, Verdict};
use crate::runbook::Runbook;

pub use observe::{complete, fitted, sight_of};
pub use read::{load, runbook_of};
pub use write::{as_file, as_item, in_short};

/// The end of a test file's name.
pub const SUFFIX: &str = ".test.yaml";

/// The tests of one file.
#[derive(Debug)]
pub struct Suite {
    /// The file's name.
    pub source: String,
    /// The runbook as the file names it.
    pub named: String,
    /// The runbook that is tested.
    pub runbook: Arc<Runbook>,
    /// The tests.
    pub tests: Vec<Test>,
}

/// One test.
#[derive(Debug, Clone, PartialEq)]
pub struct Test {
    /// What it shows, a sentence.
    pub name: String,
    /// The line of its name, counted from 1.
    pub line: usize,
    /// The target.
    pub target: TargetEntry,
    /// The runbook's parameters, complete.
    pub params: Map<String, Value>,
    /// What was seen, by step.
    pub observed: Vec<Observed>,
    /// What must come of it.
    pub expect: Expect,
}

/// What one step saw.
#[derive(Debug, Clone, PartialEq)]
pub struct Observed {
    /// The step's key; inside a used runbook `use/step`.
    pub key: String,
    /// What was seen or answered.
    pub seen: Seen,
    /// Whether the test itself gives it, not the file's `defaults`.
    pub own: bool,
}

/// What was seen.
#[derive(Debug, Clone, PartialEq)]
pub enum Seen {
    /// The probe looked.
    Fields {
        /// The fields given, and null for those that may be null.
        given: Value,
        /// The same with something neutral in every other field, so that the probe can say in one
        /// line what it saw.
        whole: Value,
    },
    /// The probe could not look.
    Unknown(Why),
    /// Somebody was asked and answered.
    Answer(String),
}

impl Seen {
    /// Returns it as the walk takes it.
    pub fn outcome(&self) -> Outcome {
        match self {
            Seen::Fields { whole, .. } => Outcome::Seen(whole.clone()),
            Seen::Unknown(why) => Outcome::Unknown(why.clone()),
            Seen::Answer(answer) => Outcome::Seen(serde_json::json!({ "answer": answer })),
        }
    }
}

/// What a test expects; what is `None` is not looked at.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Expect {
    /// The verdict.
    pub verdict: Option<Verdict>,
    /// The diagnosis; `Some(None)` for none.
    pub diagnosis: Option<Option<String>>,
    /// How bad it is.
    pub severity: Option<Severity>,
    /// How sure it is.
    pub confidence: Option<Confidence>,
    /// Where it is.
    pub location: Option<Whereabouts>,
    /// The steps walked, in order.
    pub path: Option<Vec<String>>,
    /// The findings' ids, in any order, all of them.
    pub findings: Option<Vec<String>>,
    /// The steps cited as evidence, in any order, all of them.
    pub evidence: Option<Vec<String>>,
    /// Ids of what was excluded, in any order, all of them.
    pub ruled_out: Option<Vec<String>>,
    /// Ids of what else it could be, in any order, all of them.
    pub alternatives: Option<Vec<String>>,
    /// A part of the diagnosis' title.
    pub title: Option<String>,
    /// A part of its summary.
    pub summary: Option<String>,
    /// Parts of its remedies' texts or commands: each must be found in one of them.
    pub remedies: Option<Vec<String>>,
    /// Parts of what steps say, by step.
    pub texts: Vec<(String, String)>,
}

/// Where a diagnosis must be; what is `None` is not looked at.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Whereabouts {
    /// The kind of place.
    pub kind: Option<Place>,
    /// The hop; `Some(None)` for none.
    pub hop: Option<Option<u32>>,
    /// The address; `Some(None)` for none.
    pub address: Option<Option<String>>,
}
