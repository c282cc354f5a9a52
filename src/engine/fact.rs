//! One step's outcome, and when it was seen.

use serde_json::Value;

use crate::model::outcome::Outcome;

/// When a step's probe ran, in milliseconds since the run began.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Timing {
    /// When it started.
    pub started_ms: f64,
    /// How long it took.
    pub duration_ms: f64,
}

/// One step's outcome.
#[derive(Debug, Clone, PartialEq)]
pub struct Fact {
    /// What the probe was asked; `None` when nothing ran.
    pub args: Option<Value>,
    /// What the probe handed back.
    pub outcome: Outcome,
    /// When; `None` when nothing ran.
    pub timing: Option<Timing>,
}
