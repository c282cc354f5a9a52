//! The report: everything that one run saw and concluded (`tcpdoctor.report/1`).

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::model::diagnosis::Diagnosis;
use crate::model::layer::Layer;
use crate::model::outcome::Why;

/// The schema id of the report.
pub const SCHEMA: &str = "tcpdoctor.report/1";

/// What one run saw and concluded.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Report {
    /// [`SCHEMA`].
    pub schema: String,
    /// Which tool wrote it.
    pub tool: Tool,
    /// What was looked at.
    pub target: TargetEntry,
    /// Where it was looked at from.
    pub vantage: Vantage,
    /// Which runbook was walked.
    pub runbook: RunbookEntry,
    /// The values of the runbook's parameters.
    #[serde(default)]
    pub params: serde_json::Map<String, Value>,
    /// When the run began, RFC 3339 in UTC.
    pub started_at: String,
    /// How long it took, in milliseconds.
    pub duration_ms: f64,
    /// The verdict.
    pub verdict: Verdict,
    /// The root cause; null when healthy.
    pub diagnosis: Option<Diagnosis>,
    /// What was noted on the way.
    pub findings: Vec<Diagnosis>,
    /// The steps walked, in order.
    pub path: Vec<String>,
    /// Every step that ran, and those that did not.
    pub steps: Vec<StepEntry>,
}

/// The verdict of a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// It works.
    Healthy,
    /// It works, but a diagnosis of severity warning holds.
    Degraded,
    /// It does not work, and the diagnosis says why.
    Fault,
    /// What decides could not be looked at.
    Inconclusive,
}

impl Verdict {
    /// Returns the word used in JSON.
    pub fn name(self) -> &'static str {
        match self {
            Verdict::Healthy => "healthy",
            Verdict::Degraded => "degraded",
            Verdict::Fault => "fault",
            Verdict::Inconclusive => "inconclusive",
        }
    }
}

/// The tool that wrote a report.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tool {
    /// `tcpdoctor`.
    pub name: String,
    /// Its version.
    pub version: String,
}

/// The target as the report carries it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TargetEntry {
    /// As the user wrote it.
    pub input: String,
    /// The host name or address; null for this machine (`:port`).
    pub host: Option<String>,
    /// The port, when one was given or the scheme implies one.
    pub port: Option<u16>,
    /// The URL's scheme, when a URL was given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scheme: Option<String>,
    /// The address family that the user insisted on (`-4`/`-6`): `any`, `v4` or `v6`.
    #[serde(default = "any_family")]
    pub family: String,
}

fn any_family() -> String {
    "any".to_owned()
}

/// Where a run looked from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Vantage {
    /// This machine's host name.
    pub hostname: String,
    /// The kernel release.
    pub kernel: String,
    /// The effective user id.
    pub uid: u32,
    /// The effective capabilities by name, for example `CAP_NET_RAW`.
    pub capabilities: Vec<String>,
}

/// The runbook that was walked.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RunbookEntry {
    /// Its name.
    pub name: String,
    /// `builtin` or the file's path.
    pub source: String,
    /// SHA-256 of its text, hexadecimal; of several files, that of the list of their digests, one a
    /// line.
    pub sha256: String,
    /// Its own file and those that it extends, includes and uses; empty when there is only its own.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub files: Vec<FileEntry>,
    /// The names by which it, or a part of it, hides something else.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub shadows: Vec<Shadow>,
}

/// A file that has a part in a runbook.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FileEntry {
    /// `builtin:NAME` or the path.
    pub source: String,
    /// SHA-256 of its text, hexadecimal.
    pub sha256: String,
}

/// A name that is found more than once: the first in the lookup order hides the others.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Shadow {
    /// The name.
    pub name: String,
    /// What was taken: a path.
    pub source: String,
    /// What it hides: paths, or `builtin`.
    pub hides: Vec<String>,
}

/// How a step ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Status {
    /// Looked, and it is in order.
    Pass,
    /// Looked, and it is not as it should be.
    Warn,
    /// Looked, and it is broken.
    Fail,
    /// Could not look.
    Unknown,
    /// Did not run, or its result was not needed.
    Skipped,
}

/// One step of a run.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct StepEntry {
    /// The step's id in the runbook.
    pub id: String,
    /// What it asks, with names filled in.
    pub title: String,
    /// Its layer.
    pub layer: Layer,
    /// The probe that it ran, if any.
    pub probe: Option<String>,
    /// How it ended.
    pub status: Status,
    /// What it saw, in one line.
    pub text: Option<String>,
    /// The classic command for doing it by hand.
    pub by_hand: Option<String>,
    /// When it started, in milliseconds since the run began.
    pub started_ms: Option<f64>,
    /// How long it took, in milliseconds.
    pub duration_ms: Option<f64>,
    /// What the probe was asked.
    #[serde(default)]
    pub args: Option<Value>,
    /// The probe's typed result.
    pub observation: Option<Value>,
    /// Why it could not look.
    pub unknown: Option<Why>,
    /// The branch that was taken.
    pub branch: Option<BranchEntry>,
}

/// The branch that a step took.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct BranchEntry {
    /// The condition's source; null for `else` and `unknown`.
    pub when: Option<String>,
    /// The next step's id, or the id of what was concluded.
    pub to: String,
}
