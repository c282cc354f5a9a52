//! The result of `runbook test`: which tests of runbooks held, what did not, the way each took and
//! how much of a runbook they reach together.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::model::report::{Status, Tool, Verdict};

/// The schema id of a rehearsal.
pub const SCHEMA: &str = "tcpdoctor.test/1";

/// What came of all tests.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Rehearsal {
    /// [`SCHEMA`].
    pub schema: String,
    /// Which tool ran them.
    pub tool: Tool,
    /// The tests, in the files' order.
    pub tests: Vec<Rehearsed>,
    /// How much of each runbook they reach, in the order in which the runbooks were first met.
    pub coverage: Vec<Coverage>,
}

impl Rehearsal {
    /// Counts the tests that failed.
    pub fn failures(&self) -> usize {
        self.tests.iter().filter(|test| !test.passed()).count()
    }
}

/// What came of one test.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Rehearsed {
    /// Its name.
    pub name: String,
    /// The test file.
    pub file: String,
    /// The line of its name, counted from 1.
    pub line: usize,
    /// The runbook's name.
    pub runbook: String,
    /// How the walk ended.
    pub verdict: Verdict,
    /// The diagnosis that it came to; null when healthy.
    pub diagnosis: Option<String>,
    /// What did not hold; the test passed when there is nothing.
    pub problems: Vec<Mismatch>,
    /// The way it took.
    pub walked: Vec<Walked>,
    /// The step whose way out explains best what did not hold, an index into `walked`: where the way
    /// leaves the expected path, else the last one; null when none explains it.
    pub parted: Option<usize>,
}

impl Rehearsed {
    /// Whether everything held.
    pub fn passed(&self) -> bool {
        self.problems.is_empty()
    }
}

/// Something that did not hold.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Mismatch {
    /// What it concerns: a key under `expect`, or `observe.STEP`.
    pub what: String,
    /// What the test asks for.
    pub expected: String,
    /// What was the case.
    pub got: String,
}

/// One step of the way.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Walked {
    /// The step's id; inside a used runbook `use/step`.
    pub step: String,
    /// How it counted.
    pub status: Status,
    /// What it saw, in one line.
    pub text: Option<String>,
    /// The conditions that were tried, in order, with what they read; the last one was taken when it
    /// is true.
    pub tried: Vec<Tried>,
    /// The way out that was taken, in words: a condition, `else`, `unknown`, a choice.
    pub arm: String,
    /// The next step, or what was concluded.
    pub to: String,
}

/// A condition that was tried.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Tried {
    /// Its source.
    pub when: String,
    /// Whether it held; null when that is unknown.
    pub held: Option<bool>,
    /// Why it is unknown.
    pub unknown: Option<String>,
    /// The fields that it read, with what they held.
    pub read: Vec<Reading>,
}

/// A field that a condition read.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Reading {
    /// The field as the condition writes it.
    pub path: String,
    /// What it held.
    pub value: Value,
}

/// How much of a runbook its tests reach.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Coverage {
    /// The runbook's name.
    pub runbook: String,
    /// `builtin` or the file's path.
    pub source: String,
    /// How many tests walked it.
    pub tests: usize,
    /// Its steps, in the file's order; those of runbooks that it uses are not its own.
    pub steps: Vec<StepCovered>,
    /// Every way out of its steps, and every finding.
    pub arms: Vec<ArmCovered>,
}

/// A step, and how often it was walked.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StepCovered {
    /// The step's id.
    pub step: String,
    /// How many tests came to it.
    pub hits: usize,
}

/// A way out of a step or a finding, and how often it was taken.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ArmCovered {
    /// The step's id.
    pub step: String,
    /// What it is.
    pub kind: ArmKind,
    /// Its condition; otherwise `else`, `unknown`, `no_input` or the choice.
    pub when: String,
    /// The next step, the diagnosis concluded or noted, `healthy`, `inconclusive` or `as_used`.
    pub to: String,
    /// How many tests took it.
    pub hits: usize,
}

/// What a way out is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ArmKind {
    /// It leads to another step or ends without a diagnosis of its own.
    Branch,
    /// It concludes a diagnosis.
    Conclusion,
    /// It notes a finding and leads nowhere.
    Finding,
}

/// How many of how many.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Share {
    /// How many were reached.
    pub reached: usize,
    /// How many there are.
    pub total: usize,
}

impl Share {
    fn of(hits: impl Iterator<Item = usize>) -> Share {
        let mut share = Share { reached: 0, total: 0 };
        for hits in hits {
            share.total += 1;
            share.reached += usize::from(hits > 0);
        }
        share
    }

    /// Returns the share in whole percent, rounded down; of nothing, everything was reached.
    pub fn percent(self) -> usize {
        (self.reached * 100).checked_div(self.total).unwrap_or(100)
    }
}

impl Coverage {
    /// Counts the steps reached.
    pub fn steps(&self) -> Share {
        Share::of(self.steps.iter().map(|step| step.hits))
    }

    /// Counts the ways out of steps that were taken, those that conclude included.
    pub fn branches(&self) -> Share {
        Share::of(self.of_kind(|kind| kind != ArmKind::Finding))
    }

    /// Counts the conclusions reached: each place that concludes a diagnosis, not each diagnosis.
    pub fn conclusions(&self) -> Share {
        Share::of(self.of_kind(|kind| kind == ArmKind::Conclusion))
    }

    /// Counts the findings noted.
    pub fn findings(&self) -> Share {
        Share::of(self.of_kind(|kind| kind == ArmKind::Finding))
    }

    fn of_kind(&self, is: impl Fn(ArmKind) -> bool) -> impl Iterator<Item = usize> {
        self.arms.iter().filter(move |arm| is(arm.kind)).map(|arm| arm.hits)
    }
}
