//! Where a walk stands and what it needs next.

use std::time::Duration;

use serde_json::Value;

use crate::engine::ask::Question;
use crate::model::diagnosis::{Diagnosis, RuledOut};
use crate::model::outcome::Why;
use crate::model::report::Status;
use crate::probe::Spec;
use crate::runbook::{Branch, Kind, Next, Step};

/// Where the walk stands.
#[derive(Debug)]
pub struct Walk<'a> {
    /// The steps walked, in order.
    pub visits: Vec<Visit<'a>>,
    /// What was noted on the way.
    pub findings: Vec<Diagnosis>,
    /// What was excluded on the way.
    pub ruled_out: Vec<RuledOut>,
    /// What comes next.
    pub effect: Effect<'a>,
}

/// One step walked.
#[derive(Debug)]
pub struct Visit<'a> {
    /// The step's key.
    pub key: String,
    /// The step.
    pub step: &'a Step,
    /// Its title, filled in.
    pub title: String,
    /// The command by hand, filled in.
    pub by_hand: Option<String>,
    /// Why a question is asked, filled in.
    pub why: Option<String>,
    /// What it saw, in one line.
    pub text: Option<String>,
    /// How it counts.
    pub status: Status,
    /// The condition of the branch taken.
    pub when: Option<String>,
    /// Where the branch led.
    pub to: String,
    /// Why it could not look.
    pub unknown: Option<Why>,
    /// The way out that was taken; `None` when the step has none for this case.
    pub branch: Option<&'a Branch>,
}

/// What the walk needs next.
#[derive(Debug)]
pub enum Effect<'a> {
    /// The outcome of this probe.
    Run(Box<Need<'a>>, Vec<Early<'a>>),
    /// The user's answer.
    Ask(Box<Question>),
    /// Nothing: it ended.
    Done(End),
}

/// A probe to run.
#[derive(Debug)]
pub struct Need<'a> {
    /// The step's key.
    pub key: String,
    /// The step.
    pub step: &'a Step,
    /// The step's title, filled in.
    pub title: String,
    /// The probe.
    pub spec: &'static Spec,
    /// Its arguments.
    pub args: Value,
}

/// A probe to start early, should the current one still be waiting.
#[derive(Debug)]
pub struct Early<'a> {
    /// How long the current step must have waited.
    pub after: Duration,
    /// What to start.
    pub need: Need<'a>,
}

/// How the walk ended.
#[derive(Debug, Clone)]
pub enum End {
    /// The target is in order.
    Healthy,
    /// Nothing is certain: behind a diagnosis that the user passed by, exclusion alone led here.
    Open,
    /// A diagnosis.
    Concluded(Box<Diagnosis>),
}

/// The arm that is taken when a condition is unknown.
pub(super) fn otherwise(step: &Step) -> Option<&Branch> {
    match &step.kind {
        Kind::Ask { no_input, .. } => Some(no_input),
        _ => step.unknown.as_ref(),
    }
}

/// Where a step leads on to that concludes: its `else`, or the arm for what is unknown.
pub(super) fn onward(step: &Step) -> Option<usize> {
    let otherwise = step.branches.iter().filter(|branch| branch.when.is_none());
    let mut ways = otherwise.chain(&step.unknown).filter_map(|branch| match branch.next {
        Next::Goto(next) => Some(next),
        _ => None,
    });
    ways.next()
}
