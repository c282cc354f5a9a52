//! How a result came about, step by step.

use crate::model::diagnosis::RuledOut;
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
    /// It would have asked, and nobody was there.
    Unasked,
}

/// Where a step led.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum To {
    /// To the next question.
    Step(String),
    /// To the end: in order.
    Healthy,
    /// To the end: this diagnosis.
    Diagnosis(String),
    /// To this diagnosis, and on from there because the user wanted to see further.
    Past(String, String),
}
