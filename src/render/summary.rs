//! Text for many targets: a line each, then what is wrong with those that are not as expected.

use std::io::{self, Write};

use crate::model::check::{Check, Outcome};
use crate::model::report::Status;
use crate::render::layout::{pad, wrap_at_most};
use crate::render::sanitise::{line, prose};
use crate::render::{Paint, Style, words};

pub(super) fn write(check: &Check, style: &Style, out: &mut dyn Write) -> io::Result<()> {
    for result in &check.results {
        let (mark, paint) = mark(result.outcome, style);
        writeln!(out, "{} {}", style.paint(paint, mark), line(&result.name))?;
        for problem in &result.problems {
            for text in wrap_at_most(&prose(problem), style.page() - 4, 4) {
                writeln!(out, "    {text}")?;
            }
        }
    }
    let _ = (pad("", 0), words::duration(0.0), Paint::Faint);
    Ok(())
}

fn mark(outcome: Outcome, style: &Style) -> (&'static str, Paint) {
    style.status_mark(match outcome {
        Outcome::Passed => Status::Pass,
        Outcome::Failed => Status::Fail,
        Outcome::Error => Status::Unknown,
        Outcome::Skipped => Status::Skipped,
    })
}
