//! JUnit XML, as Jenkins, GitLab and most pipelines read it: one test case for each target.
//!
//! A target that is not as expected is a `failure`, one that could not be judged an `error`, one that
//! was not looked at `skipped`. The steps are no test cases of their own: a step may well fail on the
//! way to a target that is as expected. They are told in `system-out`, as the text report tells them.

use std::io::{self, Write};

use crate::model::check::{Check, CheckResult};
use crate::model::expect::Judgement;
use crate::render::xml::{attribute, text};
use crate::render::{Style, account, text as plain};

/// Viewers show the message on one line.
const MOST_MESSAGE: usize = 1000;

pub(super) fn write(check: &Check, out: &mut dyn Write) -> io::Result<()> {
    let counts = format!(
        "tests=\"{}\" failures=\"{}\" errors=\"{}\"",
        check.results.len(),
        check.count(Judgement::Failed),
        check.count(Judgement::Error),
    );
    let time = seconds(check.duration_ms);
    writeln!(out, "<?xml version=\"1.0\" encoding=\"UTF-8\"?>")?;
    writeln!(out, "<testsuites name=\"tcpdoctor\" {counts} time=\"{time}\">")?;
    let skipped = check.count(Judgement::Skipped);
    write!(out, "  <testsuite name=\"tcpdoctor\" {counts} skipped=\"{skipped}\" time=\"{time}\"")?;
    write!(out, " timestamp=\"{}\"", attribute(&check.started_at))?;
    let mut reports = check.results.iter().filter_map(|result| result.report.as_ref());
    if let Some(report) = reports.next() {
        write!(out, " hostname=\"{}\"", attribute(&report.vantage.hostname))?;
    }
    writeln!(out, ">")?;
    writeln!(out, "    <properties>")?;
    property("tool", &format!("{} {}", check.tool.name, check.tool.version), out)?;
    property("interrupted", if check.interrupted { "true" } else { "false" }, out)?;
    writeln!(out, "    </properties>")?;
    check.results.iter().try_for_each(|result| case(result, out))?;
    writeln!(out, "  </testsuite>\n</testsuites>")
}

fn property(name: &str, value: &str, out: &mut dyn Write) -> io::Result<()> {
    writeln!(out, "      <property name=\"{name}\" value=\"{}\"/>", attribute(value))
}

fn case(result: &CheckResult, out: &mut dyn Write) -> io::Result<()> {
    let runbook = result.report.as_ref().map_or("target", |report| &report.runbook.name);
    write!(out, "    <testcase classname=\"tcpdoctor.{}\"", attribute(runbook))?;
    write!(out, " name=\"{}\"", attribute(&result.name))?;
    if let Some(ms) = result.duration_ms {
        write!(out, " time=\"{}\"", seconds(ms))?;
    }
    if let Some(defined) = &result.defined {
        write!(out, " file=\"{}\" line=\"{}\"", attribute(&defined.file), defined.line)?;
    }
    writeln!(out, ">")?;
    let element = match result.outcome {
        Judgement::Passed => None,
        Judgement::Failed => Some("failure"),
        Judgement::Error => Some("error"),
        Judgement::Skipped => Some("skipped"),
    };
    if let Some(element) = element {
        let kind = attribute(account::reason(result));
        let message = attribute(&account::sentence(result, MOST_MESSAGE));
        write!(out, "      <{element} type=\"{kind}\" message=\"{message}\">")?;
        writeln!(out, "{}</{element}>", text(&body(result)))?;
    }
    write!(out, "      <system-out>")?;
    let labels = result.labels.iter().map(|(name, value)| format!("{name}={value}\n"));
    write!(out, "{}", text(&labels.collect::<String>()))?;
    if let Some(report) = &result.report {
        let mut page = Vec::new();
        plain::whole(report, &Style::plain(100), &mut page)?;
        write!(out, "{}", text(&String::from_utf8_lossy(&page)))?;
    }
    writeln!(out, "</system-out>\n    </testcase>")
}

/// What was expected, what is wrong with it, how it is known.
fn body(result: &CheckResult) -> String {
    let mut lines = vec![format!("expected: {}", result.expect)];
    lines.extend(result.problems.iter().cloned());
    if let Some(diagnosis) = account::diagnosis(result) {
        let evidence = diagnosis.evidence.iter();
        lines.extend(evidence.map(|seen| format!("because: {}: {}", seen.step, seen.text)));
        let remedies = diagnosis.remedies.iter().map(|remedy| {
            let text = remedy.text.trim_end_matches([':', '.']);
            let command = remedy.command.as_deref().filter(|command| !command.is_empty());
            command.map_or(format!("do: {text}"), |command| format!("do: {text}: {command}"))
        });
        lines.extend(remedies);
    }
    lines.join("\n")
}

fn seconds(ms: f64) -> String {
    format!("{:.3}", if ms.is_finite() { ms.max(0.0) / 1e3 } else { 0.0 })
}
