//! A diagnosis: what is wrong, where, how sure, why, and what to do.

use serde::{Deserialize, Serialize};

use crate::model::layer::Layer;

/// How bad it is for the user.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Severity {
    /// Worth knowing; nothing is broken.
    Info,
    /// Usable, but not as it should be: the verdict is `degraded`.
    Warning,
    /// It does not work: the verdict is `fault`.
    Critical,
}

impl Severity {
    /// Returns its name in reports and runbooks.
    pub fn name(self) -> &'static str {
        match self {
            Severity::Info => "info",
            Severity::Warning => "warning",
            Severity::Critical => "critical",
        }
    }
}

/// How sure the diagnosis is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Confidence {
    /// Fits what was seen; other causes fit as well.
    Possible,
    /// The best explanation of what was seen.
    Likely,
    /// Seen directly.
    Confirmed,
}

impl Confidence {
    /// Every confidence, the weakest first.
    pub const ALL: [Confidence; 3] =
        [Confidence::Possible, Confidence::Likely, Confidence::Confirmed];

    /// Returns its name in reports and runbooks.
    pub fn name(self) -> &'static str {
        match self {
            Confidence::Possible => "possible",
            Confidence::Likely => "likely",
            Confidence::Confirmed => "confirmed",
        }
    }

    /// Finds a confidence by its name.
    pub fn from_name(name: &str) -> Option<Confidence> {
        Confidence::ALL.into_iter().find(|confidence| confidence.name() == name)
    }
}

/// Which kind of place a diagnosis points at.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Place {
    /// This machine.
    Here,
    /// At or after the last hop that answered.
    Path,
    /// The box that spoke.
    Hop,
    /// The target's address.
    Target,
    /// A resolver.
    Resolver,
}

/// Where the fault is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Location {
    /// Which kind of place.
    pub kind: Place,
    /// The hop number; 0 with a null address when not even the first hop answered.
    pub hop: Option<u32>,
    /// The address of the place, as text.
    pub address: Option<String>,
}

/// One sentence of evidence and the step that saw it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Evidence {
    /// The step's id.
    pub step: String,
    /// What it saw.
    pub text: String,
}

/// A diagnosis that the run excluded, and why.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RuledOut {
    /// The diagnosis id.
    pub id: String,
    /// What excluded it.
    pub why: String,
}

/// Another cause that fits, and the test that would separate it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Alternative {
    /// The diagnosis id.
    pub id: String,
    /// The cheapest next test.
    pub separate_by: String,
}

/// Something to do about it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Remedy {
    /// What to do, one sentence.
    pub text: String,
    /// The command that does or checks it.
    pub command: Option<String>,
    /// Where to do it: `here`, `target` or `network`.
    #[serde(rename = "where")]
    pub place: RemedyPlace,
}

/// Where a remedy is to be carried out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RemedyPlace {
    /// On this machine.
    Here,
    /// On the target.
    Target,
    /// In the network between, or at the resolver.
    Network,
}

/// What is wrong, where, how sure, why, and what to do.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Diagnosis {
    /// The stable id, `layer.problem`.
    pub id: String,
    /// The layer that it belongs to.
    pub layer: Layer,
    /// A short name.
    pub title: String,
    /// One sentence with the real names and numbers.
    pub summary: String,
    /// How bad it is.
    pub severity: Severity,
    /// How sure it is.
    pub confidence: Confidence,
    /// Where it is.
    pub location: Location,
    /// What was seen.
    pub evidence: Vec<Evidence>,
    /// What it is not.
    pub ruled_out: Vec<RuledOut>,
    /// What else it could be.
    pub alternatives: Vec<Alternative>,
    /// What to do.
    pub remedies: Vec<Remedy>,
}
