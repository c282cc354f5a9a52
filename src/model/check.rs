//! The result of `check`: many targets, what was expected of each, and whether it held.
//!
//! A deploy pipeline tells four things apart, and so does every format: a target that is as expected
//! *passed*; one that is not *failed*; one that could not be judged (inconclusive, nothing deciding
//! could be looked at) is an *error*; one that was not looked at was *skipped*.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::model::expect::{Expect, FailOn, Judgement, judge};
use crate::model::graph::Graph;
use crate::model::report::{Report, Tool, Verdict};

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
    /// Whether this is the one report of `diagnose` or `replay` ([`Check::of`]) rather than the work
    /// of `check`: text and JSON are then the report's own.
    #[serde(skip)]
    pub alone: bool,
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
    pub outcome: Judgement,
    /// What did not hold, or why nothing can be said; empty when passed.
    pub problems: Vec<String>,
    /// How many runs it took (`--retry-until`); 0 when skipped.
    pub attempts: u32,
    /// How long all runs took together, in milliseconds; null when skipped.
    pub duration_ms: Option<f64>,
    /// The report of the last run; null when skipped.
    pub report: Option<Report>,
    /// Whether runs beside it may have swayed the last run and there was no time to look again alone.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub crowded: bool,
    /// Where it is defined, for formats that point into files: the entry of the targets file, else
    /// the runbook's file.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub defined: Option<Defined>,
    /// The runbook's tree with the way taken, for formats that draw it.
    #[serde(skip)]
    pub tree: Option<Graph>,
}

/// A place in a file of the user's.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Defined {
    /// The file as the user named it.
    pub file: String,
    /// The line, from 1.
    pub line: u32,
}

impl CheckResult {
    /// Returns whether the target passed although it is not as it should be.
    pub fn is_degraded(&self) -> bool {
        let verdict = self.report.as_ref().map(|report| report.verdict);
        self.outcome == Judgement::Passed && verdict == Some(Verdict::Degraded)
    }
}

/// A state as the guidelines for monitoring plugins number them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Alarm {
    /// Everything is as expected.
    Ok,
    /// Usable, but not as it should be.
    Warning,
    /// Something is not as expected.
    Critical,
    /// It could not be judged.
    Unknown,
}

impl Alarm {
    /// Returns the word that a plugin prints.
    pub fn name(self) -> &'static str {
        match self {
            Alarm::Ok => "OK",
            Alarm::Warning => "WARNING",
            Alarm::Critical => "CRITICAL",
            Alarm::Unknown => "UNKNOWN",
        }
    }

    /// Returns the exit status of a plugin.
    pub fn code(self) -> u8 {
        match self {
            Alarm::Ok => 0,
            Alarm::Warning => 1,
            Alarm::Critical => 2,
            Alarm::Unknown => 3,
        }
    }
}

impl Check {
    /// Makes a check of one report, of which it is expected that the target can be used and that
    /// `fail_on` does not apply.
    pub fn of(report: Report, fail_on: &FailOn, interrupted: bool) -> Check {
        let expect = Expect::default();
        let (outcome, problems) = judge(&expect, fail_on, &report);
        Check {
            schema: SCHEMA.to_owned(),
            tool: report.tool.clone(),
            started_at: report.started_at.clone(),
            duration_ms: report.duration_ms,
            interrupted,
            results: vec![CheckResult {
                name: report.target.input.clone(),
                labels: BTreeMap::new(),
                target: report.target.input.clone(),
                expect: expect.to_string(),
                outcome,
                problems,
                attempts: 1,
                duration_ms: Some(report.duration_ms),
                report: Some(report),
                crowded: false,
                defined: None,
                tree: None,
            }],
            alone: true,
        }
    }

    /// Returns the state that monitoring shows for the whole.
    ///
    /// 1. A target that failed is critical. 2. One that could not be judged is unknown, and so is an
    ///    interrupted check and one that looked at nothing. 3. One that passed with a warning
    ///    (`degraded` where `healthy` was expected) is a warning.
    pub fn alarm(&self) -> Alarm {
        let looked = self.results.iter().any(|result| result.outcome != Judgement::Skipped);
        if self.count(Judgement::Failed) > 0 {
            Alarm::Critical
        } else if self.count(Judgement::Error) > 0 || self.interrupted || !looked {
            Alarm::Unknown
        } else if self.results.iter().any(CheckResult::is_degraded) {
            Alarm::Warning
        } else {
            Alarm::Ok
        }
    }

    /// Counts the results with this outcome.
    pub fn count(&self, outcome: Judgement) -> usize {
        self.results.iter().filter(|result| result.outcome == outcome).count()
    }
}

#[cfg(test)]
impl Check {
    /// A check of targets without a report that fared like this.
    pub(crate) fn sample(outcomes: &[Judgement]) -> Check {
        let result = |(nth, outcome): (usize, &Judgement)| CheckResult {
            name: format!("target-{nth}"),
            labels: BTreeMap::new(),
            target: format!("db{nth}.test:5432"),
            expect: "healthy".to_owned(),
            outcome: *outcome,
            problems: Vec::new(),
            attempts: 1,
            duration_ms: None,
            report: None,
            crowded: false,
            defined: None,
            tree: None,
        };
        Check {
            schema: SCHEMA.to_owned(),
            tool: Tool { name: "tcpdoctor".to_owned(), version: "0".to_owned() },
            started_at: "2026-03-08T14:00:00Z".to_owned(),
            duration_ms: 1.0,
            interrupted: false,
            results: outcomes.iter().enumerate().map(result).collect(),
            alone: false,
        }
    }
}
