//! A usage error: what is wrong and what to write instead. Exit status 2, nothing was sent.

use std::fmt;

/// A usage error.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Usage {
    /// What is wrong, and where.
    problem: String,
    /// What to write instead.
    help: Option<String>,
    whole: bool,
}

impl Usage {
    /// States a problem.
    pub(super) fn new(problem: impl Into<String>) -> Usage {
        Usage { problem: problem.into(), help: None, whole: false }
    }

    /// Takes a message that is complete: several problems, with their places and helps.
    pub(super) fn whole(message: impl Into<String>) -> Usage {
        Usage { problem: message.into(), help: None, whole: true }
    }

    /// Returns the problem in one line, without its help.
    pub(super) fn brief(&self) -> String {
        self.problem.lines().next().unwrap_or_default().trim_start_matches("error: ").to_owned()
    }

    /// Returns whether the message is complete and takes no help.
    pub(super) fn is_whole(&self) -> bool {
        self.whole
    }

    /// Takes it apart for a message that names a place: what is wrong, and what to write instead;
    /// of a complete message its first line, and `more`.
    pub(super) fn parts(self, more: &str) -> (String, Option<String>) {
        if !self.whole {
            return (self.problem, self.help);
        }
        let first = self.problem.lines().next().unwrap_or_default();
        (format!("the runbook is not valid: {first}"), Some(more.to_owned()))
    }

    /// Adds what to write instead.
    pub(super) fn help(mut self, help: impl Into<String>) -> Usage {
        self.help = Some(help.into());
        self
    }
}

impl fmt::Display for Usage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.whole {
            return f.write_str(&self.problem);
        }
        write!(f, "error: {}", self.problem)?;
        match &self.help {
            Some(help) => write!(f, "\n  help: {help}"),
            None => Ok(()),
        }
    }
}

/// Quotes what the user wrote, shortened and harmless.
pub(super) fn quoted(text: &str) -> String {
    const MOST: usize = 80;
    let mut short: String = text.chars().take(MOST).collect();
    if short.len() < text.len() {
        short.push_str("...");
    }
    format!("\"{}\"", crate::render::sanitise::line(&short))
}
