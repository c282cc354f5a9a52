//! Failed tests of runbooks as annotations of a GitHub Actions step.

use std::io::{self, Write};

use crate::model::rehearsal::{Rehearsal, Rehearsed};
use crate::render::github::{data, property};
use crate::render::sanitise::line;

/// GitHub's limit for each kind and step.
const MOST: usize = 10;

pub(super) fn write(rehearsal: &Rehearsal, out: &mut dyn Write) -> io::Result<()> {
    let failed: Vec<&Rehearsed> = rehearsal.tests.iter().filter(|test| !test.passed()).collect();
    let shown = if failed.len() > MOST { MOST - 1 } else { failed.len() };
    for test in &failed[..shown] {
        let problems = test.problems.iter();
        let problems =
            problems.map(|p| format!("{}: expected {}, got {}", p.what, p.expected, p.got));
        let problems: Vec<String> = problems.map(|text| line(&text).into_owned()).collect();
        writeln!(
            out,
            "::error title={},file={},line={}::{}",
            property(&line(&test.name)),
            property(&line(&test.file)),
            test.line,
            data(&problems.join("\n"))
        )?;
    }
    if failed.len() > shown {
        writeln!(out, "::error title=tcpdoctor::and {} more failed tests", failed.len() - shown)?;
    }
    let passed = rehearsal.tests.len() - failed.len();
    writeln!(out, "tcpdoctor: {passed} tests passed, {} failed", failed.len())
}
