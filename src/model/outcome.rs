//! What a probe hands back: it saw something, or it could not look and says why.

use serde::{Deserialize, Serialize};

/// The result of one probe: facts seen, or the reason why nothing could be seen.
///
/// A connect that *timed out* is `Seen` with outcome `timeout`; a probe that never got to look is
/// `Unknown`. The two are never mixed up.
#[derive(Debug, Clone, PartialEq)]
pub enum Outcome {
    /// The probe looked; the value is its typed result as JSON (an object).
    Seen(serde_json::Value),
    /// The probe could not look.
    Unknown(Why),
}

/// Why a probe could not look.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "why")]
pub enum Why {
    /// The kernel refused for lack of a capability, for example `CAP_NET_ADMIN`.
    NotPermitted {
        /// The capability that would have allowed it.
        capability: String,
        /// What was attempted, for example `list nftables rules`.
        operation: String,
    },
    /// The time budget ended first.
    Budget,
    /// This kernel, platform or namespace lacks what the probe needs.
    Unsupported {
        /// What is missing.
        what: String,
    },
    /// A system call of the probe itself failed.
    Failed {
        /// What was attempted, for example `socket(AF_INET, SOCK_STREAM)`.
        operation: String,
        /// The errno's symbolic name, for example `EMFILE`.
        errno: String,
    },
    /// Something the step needs was itself unknown.
    Depends {
        /// What was missing, for example `connect.address`.
        on: String,
    },
    /// The run was interrupted.
    Interrupted,
    /// The user was asked and does not know.
    NotAnswered,
}

impl std::fmt::Display for Why {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Why::NotPermitted { capability, operation } => {
                write!(f, "not permitted: {operation} needs {capability}")
            }
            Why::Budget => write!(f, "the time budget ended first"),
            Why::Unsupported { what } => write!(f, "not supported here: {what}"),
            Why::Failed { operation, errno } => write!(f, "{operation} failed with {errno}"),
            Why::Depends { on } => {
                write!(f, "{} is not known", on.strip_suffix(" is null").unwrap_or(on))
            }
            Why::Interrupted => write!(f, "interrupted"),
            Why::NotAnswered => write!(f, "the user does not know"),
        }
    }
}
