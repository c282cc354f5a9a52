//! How text looks: width, colour and the set of marks. Values only; the caller looks at terminals.

use crate::model::diagnosis::Severity;
use crate::model::report::{Status, Verdict};

/// How text looks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Style {
    /// Whether to colour.
    pub colour: bool,
    /// Whether marks may leave ASCII.
    pub unicode: bool,
    /// The width of the page in columns.
    pub width: usize,
    /// Whether to show what a hurried reader does not need.
    pub verbose: bool,
}

/// Lines longer than this are hard to read, however wide the terminal is.
const WIDEST: usize = 120;
/// Narrower pages would have no room for the facts.
const NARROWEST: usize = 48;

impl Style {
    /// Plain text of the given width: no colour, Unicode marks.
    pub fn plain(width: usize) -> Style {
        Style { colour: false, unicode: true, width, verbose: false }
    }

    /// Returns the width to lay out for.
    pub(super) fn page(&self) -> usize {
        self.width.clamp(NARROWEST, WIDEST)
    }

    /// Paints text, if colours are on.
    pub fn paint(&self, paint: Paint, text: &str) -> String {
        if self.colour && !text.is_empty() {
            format!("\u{1b}[{}m{text}\u{1b}[0m", paint.code())
        } else {
            text.to_owned()
        }
    }

    /// Returns the mark of a step and its paint.
    pub fn status_mark(&self, status: Status) -> (&'static str, Paint) {
        let (sign, word, paint) = match status {
            Status::Pass => ("✓", "ok  ", Paint::Good),
            Status::Warn => ("!", "warn", Paint::Warn),
            Status::Fail => ("✗", "FAIL", Paint::Bad),
            Status::Unknown => ("?", "??  ", Paint::Open),
            Status::Skipped => ("–", "-   ", Paint::Faint),
        };
        (if self.unicode { sign } else { word }, paint)
    }

    /// Returns the mark of a verdict and its paint.
    pub(super) fn verdict_mark(&self, verdict: Verdict) -> (&'static str, Paint) {
        let status = match verdict {
            Verdict::Healthy => Status::Pass,
            Verdict::Degraded => Status::Warn,
            Verdict::Fault => Status::Fail,
            Verdict::Inconclusive => Status::Unknown,
        };
        let (mark, paint) = self.status_mark(status);
        // The word beside it says it already where marks are words.
        (if self.unicode { mark } else { "" }, paint)
    }

    /// Returns the mark of a diagnosis and its paint.
    pub(super) fn severity_mark(&self, severity: Severity) -> (&'static str, Paint) {
        let (sign, word, paint) = match severity {
            Severity::Info => ("i", "note", Paint::Open),
            Severity::Warning => ("!", "warn", Paint::Warn),
            Severity::Critical => ("✗", "FAIL", Paint::Bad),
        };
        (if self.unicode { sign } else { word }, paint)
    }
}

/// What a colour means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Paint {
    /// In order.
    Good,
    /// Not as it should be.
    Warn,
    /// Broken.
    Bad,
    /// Not known.
    Open,
    /// Less important.
    Faint,
    /// More important.
    Strong,
    /// Something to type.
    Command,
}

impl Paint {
    /// Returns the SGR parameters (ECMA-48 8.3.117).
    fn code(self) -> &'static str {
        match self {
            Paint::Good => "32",
            Paint::Warn => "33",
            Paint::Bad => "1;31",
            Paint::Open => "36",
            Paint::Faint => "2",
            Paint::Strong => "1",
            Paint::Command => "36",
        }
    }
}
