//! Progress of a check on stderr: a counter on a terminal that can redraw it, else one plain line for each target that
//! has ended.

use std::cell::Cell;
use std::io::{self, Write};
use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};

use crate::cli::args::Global;
use crate::cli::canvas;
use crate::cli::terminal::{self, Screen};
use crate::model::check::CheckResult;
use crate::model::expect::Judgement;
use crate::render::{duration, sanitise};

/// Progress of one check.
pub(super) struct Progress {
    shown: Shown,
    all: usize,
    ended: Cell<usize>,
    bad: Cell<usize>,
}

enum Shown {
    Nothing,
    Lines,
    Bar(ProgressBar),
}

impl Progress {
    /// Begins to show progress; `given` is the number of targets before some were left out.
    pub(super) fn begin(global: &Global, quiet: bool, all: usize, given: usize) -> Progress {
        let shown = match (quiet, terminal::screen(global)) {
            (true, _) => Shown::Nothing,
            (false, Screen::Live) => Shown::Bar(bar(all)),
            (false, Screen::Plain | Screen::Silent) => Shown::Lines,
        };
        if matches!(shown, Shown::Lines) && all < given {
            let _ = writeln!(io::stderr(), "{all} of {given} targets selected");
        }
        Progress { shown, all, ended: Cell::new(0), bad: Cell::new(0) }
    }

    /// Takes note of a target that has ended; those that were skipped ran to no end.
    pub(super) fn ended(&self, result: &CheckResult) {
        if result.outcome == Judgement::Skipped {
            return;
        }
        self.ended.set(self.ended.get() + 1);
        if result.outcome != Judgement::Passed {
            self.bad.set(self.bad.get() + 1);
        }
        match &self.shown {
            Shown::Nothing => {}
            Shown::Lines => {
                let _ = writeln!(io::stderr(), "{}", self.line(result));
            }
            Shown::Bar(bar) => {
                if self.bad.get() > 0 {
                    bar.set_message(format!(", {} not as expected", self.bad.get()));
                }
                bar.set_position(self.ended.get() as u64);
            }
        }
    }

    /// Takes note of targets that are looked at again, one at a time.
    pub(super) fn again(&self, count: usize) {
        let targets = if count == 1 { "target" } else { "targets" };
        let text = format!("looking again, alone, at {count} {targets}");
        match &self.shown {
            Shown::Nothing => {}
            Shown::Lines => {
                let _ = writeln!(io::stderr(), "{text}");
            }
            Shown::Bar(bar) => bar.set_message(format!(", {text}")),
        }
    }

    fn line(&self, result: &CheckResult) -> String {
        let all = self.all.to_string();
        let took = result.duration_ms.map(|ms| format!(", {}", duration(ms))).unwrap_or_default();
        let attempts = match result.attempts {
            0 | 1 => String::new(),
            attempts => format!(", {attempts} attempts"),
        };
        format!(
            "[{:>width$}/{all}] {:<6} {}{took}{attempts}",
            self.ended.get(),
            result.outcome.name(),
            sanitise::line(&result.name),
            width = all.len(),
        )
    }

    /// Removes every trace of it from the terminal.
    pub(super) fn settle(&self) {
        if let Shown::Bar(bar) = &self.shown {
            bar.finish_and_clear();
        }
    }
}

/// Ten frames a second at most, however many targets end.
fn bar(all: usize) -> ProgressBar {
    let bar = ProgressBar::with_draw_target(Some(all as u64), canvas::target(10));
    // The template is a constant; the plain bar serves as well if it were ever refused.
    if let Ok(style) =
        ProgressStyle::with_template("  {spinner} {pos} of {len} targets{wide_msg} {elapsed}")
    {
        bar.set_style(style.tick_chars("|/-\\ "));
    }
    bar.enable_steady_tick(Duration::from_millis(100));
    bar
}
