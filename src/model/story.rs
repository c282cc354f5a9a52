//! How a result came about, step by step.

use crate::model::diagnosis::{Confidence, RuledOut};
use crate::model::layer::Layer;
use crate::model::rehearsal::Tried;

/// One step of the way.
#[derive(Debug, Clone, PartialEq)]
pub struct Told {
    /// What it asked.
    pub title: String,
    /// Its layer.
    pub layer: Layer,
    /// How it looked.
    pub looked: Looked,
    /// The conditions that were tried, in order; the last one decided when it held.
    pub tried: Vec<Tried>,
    /// The way out that was taken: `when`, `else`, `unknown`, `no_input`, a choice.
    pub arm: String,
    /// The diagnoses whose conditions did not hold.
    pub spoken_against: Vec<String>,
    /// The diagnoses that were noted on the way.
    pub noted: Vec<String>,
    /// What taking this way excludes, and why.
    pub excluded: Vec<RuledOut>,
    /// Where it led: the next step's question, or what was concluded.
    pub to: To,
}

/// How a step looked.
#[derive(Debug, Clone, PartialEq)]
pub enum Looked {
    /// It only weighed what was known.
    Weighed,
    /// It saw this, in so many milliseconds where that was measured.
    Saw(String, Option<f64>),
    /// It could not look.
    Blind(String),
    /// It asked, and the user answered.
    Answered(String),
    /// The server reported.
    Reported(String),
    /// It asked, and the user did not know.
    Unanswered,
    /// It would have asked, and nobody was there.
    Unasked,
    /// It would have taken in the server's report, and there was none.
    Unreported,
}

/// Where a step led.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum To {
    /// To the next question.
    Step(String),
    /// To the end: in order.
    Healthy,
    /// To the end: this diagnosis.
    Diagnosis(Ended),
    /// To this diagnosis, and on from there because the user wanted to see further: the next question.
    Past(Ended, String),
    /// To the end of a used runbook, and on in the one that uses it: the next question.
    Inner(Ended, String),
    /// To the end behind such a diagnosis: nothing was found there.
    Nothing,
    /// To the end behind such a diagnosis: what is left there would follow by exclusion alone.
    Open,
}

/// A diagnosis that was come to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ended {
    /// Its id.
    pub id: String,
    /// Its title, where the report has it.
    pub title: Option<String>,
    /// How sure it is, where the report says.
    pub confidence: Option<Confidence>,
}
