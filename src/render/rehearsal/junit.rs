//! Tests of runbooks as JUnit XML: one suite for each file, one case for each test.
//!
//! There are no times: a test looks at no clock.

use std::io::{self, Write};

use crate::model::rehearsal::{Rehearsal, Rehearsed};
use crate::render::Style;
use crate::render::xml::{attribute, text};

pub(super) fn write(rehearsal: &Rehearsal, out: &mut dyn Write) -> io::Result<()> {
    writeln!(out, "<?xml version=\"1.0\" encoding=\"UTF-8\"?>")?;
    let (tests, failures) = (rehearsal.tests.len(), rehearsal.failures());
    writeln!(
        out,
        "<testsuites name=\"tcpdoctor runbook test\" tests=\"{tests}\" failures=\"{failures}\">"
    )?;
    for tests in rehearsal.tests.chunk_by(|one, next| one.file == next.file) {
        let failures = tests.iter().filter(|test| !test.passed()).count();
        let file = tests.first().map_or_else(String::new, |test| attribute(&test.file));
        writeln!(
            out,
            "  <testsuite name=\"{file}\" tests=\"{}\" failures=\"{failures}\" errors=\"0\" skipped=\"0\">",
            tests.len()
        )?;
        tests.iter().try_for_each(|test| case(test, out))?;
        writeln!(out, "  </testsuite>")?;
    }
    writeln!(out, "</testsuites>")
}

fn case(test: &Rehearsed, out: &mut dyn Write) -> io::Result<()> {
    write!(
        out,
        "    <testcase classname=\"tcpdoctor.{}\" name=\"{}\" file=\"{}\" line=\"{}\"",
        attribute(&test.runbook),
        attribute(&test.name),
        attribute(&test.file),
        test.line
    )?;
    let Some(first) = test.problems.first() else {
        return writeln!(out, "/>");
    };
    let message = format!("{}: expected {}, got {}", first.what, first.expected, first.got);
    write!(out, ">\n      <failure type=\"{}\"", attribute(&first.what))?;
    write!(out, " message=\"{}\">", attribute(&message))?;
    let mut page = Vec::new();
    super::failure(test, &Style::plain(100), &mut page)?;
    writeln!(out, "{}</failure>\n    </testcase>", text(&String::from_utf8_lossy(&page)))
}
