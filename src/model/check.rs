//! The result of `check`: many targets, what was expected of each, and whether it held.
//!
//! A deploy pipeline tells four things apart, and so does every format: a target that is as expected
//! *passed*; one that is not *failed*; one that could not be judged (inconclusive, nothing deciding
//! could be looked at) is an *error*; one that was not looked at was *skipped*.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::model::graph::Graph;
use crate::model::report::{Report, Tool};

/// The schema id of a check.
pub const SCHEMA: &str = "tcpdoctor.check/1";

/// What one `check` saw.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Check {
    /// [`SCHEMA`].
    pub schema: String,
    /// Which tool wrote it.
    pub tool: Tool,
    /// When the check began, RFC 3339 in UTC.
    pub started_at: String,
    /// How long it took, in milliseconds.
    pub duration_ms: f64,
    /// Whether it was interrupted: what had not ended by then is skipped.
    pub interrupted: bool,
    /// One result a target, in the order in which the targets were given.
    pub results: Vec<CheckResult>,
}

/// What came of one target.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct CheckResult {
    /// Its name in the targets file, else the target as written; unique within a check.
    pub name: String,
    /// Its labels.
    #[serde(default)]
    pub labels: BTreeMap<String, String>,
    /// The target as written.
    pub target: String,
    /// What was expected, in words: `healthy`, `diagnosis tcp.rejected_admin`.
    pub expect: String,
    /// Whether it held.
    pub outcome: Outcome,
    /// What did not hold, or why nothing can be said; empty when passed.
    pub problems: Vec<String>,
    /// How many runs it took (`--retry-until`); 0 when skipped.
    pub attempts: u32,
    /// How long all runs took together, in milliseconds; null when skipped.
    pub duration_ms: Option<f64>,
    /// The report of the last run; null when skipped.
    pub report: Option<Report>,
    /// The runbook's tree with the way taken, for formats that draw it.
    #[serde(skip)]
    pub tree: Option<Graph>,
}

/// How a target fared against what was expected of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// As expected.
    Passed,
    /// Not as expected.
    Failed,
    /// It could not be judged: what decides could not be looked at.
    Error,
    /// It was not looked at.
    Skipped,
}

impl Outcome {
    /// Returns the word used in JSON.
    pub fn name(self) -> &'static str {
        match self {
            Outcome::Passed => "passed",
            Outcome::Failed => "failed",
            Outcome::Error => "error",
            Outcome::Skipped => "skipped",
        }
    }
}

impl Check {
    /// Counts the results with this outcome.
    pub fn count(&self, outcome: Outcome) -> usize {
        self.results.iter().filter(|result| result.outcome == outcome).count()
    }
}
