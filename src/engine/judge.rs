//! What a test expects of a report, point by point.

use crate::model::diagnosis::{Diagnosis, Place};
use crate::model::rehearsal::{Mismatch, Walked};
use crate::model::report::Report;
use crate::runbook::rehearsal::{Expect, Whereabouts};

const NONE: &str = "none";

/// Lists what does not hold.
pub(super) fn judge(expect: &Expect, report: &Report, walked: &[Walked]) -> Vec<Mismatch> {
    let mut judge = Judge { problems: Vec::new() };
    let diagnosis = report.diagnosis.as_ref();
    if let Some(verdict) = expect.verdict {
        judge.same("verdict", verdict.name(), report.verdict.name());
    }
    if let Some(id) = &expect.diagnosis {
        let got = diagnosis.map_or(NONE, |diagnosis| &diagnosis.id);
        judge.same("diagnosis", id.as_deref().unwrap_or(NONE), got);
    }
    if let Some(path) = &expect.path {
        judge.same("path", &joined(path), &joined(&report.path));
    }
    if let Some(findings) = &expect.findings {
        judge.set("findings", findings, report.findings.iter().map(|finding| &finding.id));
    }
    judge.particulars(expect, diagnosis);
    for (step, part) in &expect.texts {
        let walked = walked.iter().find(|walked| walked.step == *step);
        let text = walked.and_then(|walked| walked.text.as_deref());
        judge.part(&format!("texts.{step}"), part, text);
    }
    judge.problems
}

struct Judge {
    problems: Vec<Mismatch>,
}

impl Judge {
    fn wrong(&mut self, what: &str, expected: &str, got: &str) {
        self.problems.push(Mismatch {
            what: what.to_owned(),
            expected: expected.to_owned(),
            got: got.to_owned(),
        });
    }

    fn same(&mut self, what: &str, expected: &str, got: &str) {
        if expected != got {
            self.wrong(what, expected, got);
        }
    }

    /// The same items in any order.
    fn set<'a>(&mut self, what: &str, expected: &[String], got: impl Iterator<Item = &'a String>) {
        let got: Vec<String> = got.cloned().collect();
        let within = |items: &[String], all: &[String]| items.iter().all(|one| all.contains(one));
        if !within(expected, &got) || !within(&got, expected) {
            self.wrong(what, &joined(expected), &joined(&got));
        }
    }

    /// A part of a text; blanks and line ends are all the same.
    fn part(&mut self, what: &str, part: &str, text: Option<&str>) {
        let found = text.is_some_and(|text| words(text).contains(&words(part)));
        if !found {
            self.wrong(what, &format!("… {part} …"), text.unwrap_or("nothing was said"));
        }
    }

    fn particulars(&mut self, expect: &Expect, diagnosis: Option<&Diagnosis>) {
        if let Some(severity) = expect.severity {
            let got = diagnosis.map_or(NONE, |diagnosis| diagnosis.severity.name());
            self.same("severity", severity.name(), got);
        }
        if let Some(confidence) = expect.confidence {
            let got = diagnosis.map_or(NONE, |diagnosis| diagnosis.confidence.name());
            self.same("confidence", confidence.name(), got);
        }
        if let Some(location) = &expect.location {
            self.location(location, diagnosis);
        }
        let (mut evidence, mut ruled_out, mut others) = (Vec::new(), Vec::new(), Vec::new());
        if let Some(diagnosis) = diagnosis {
            evidence.extend(diagnosis.evidence.iter().map(|evidence| &evidence.step));
            ruled_out.extend(diagnosis.ruled_out.iter().map(|out| &out.id));
            others.extend(diagnosis.alternatives.iter().map(|other| &other.id));
        }
        if let Some(steps) = &expect.evidence {
            self.set("evidence", steps, evidence.into_iter());
        }
        if let Some(ids) = &expect.ruled_out {
            self.set("ruled_out", ids, ruled_out.into_iter());
        }
        if let Some(ids) = &expect.alternatives {
            self.set("alternatives", ids, others.into_iter());
        }
        if let Some(title) = &expect.title {
            self.part("title", title, diagnosis.map(|diagnosis| diagnosis.title.as_str()));
        }
        if let Some(summary) = &expect.summary {
            self.part("summary", summary, diagnosis.map(|diagnosis| diagnosis.summary.as_str()));
        }
        for part in expect.remedies.iter().flatten() {
            let remedies = diagnosis.map(|diagnosis| {
                let texts = diagnosis.remedies.iter().map(|remedy| match &remedy.command {
                    Some(command) => format!("{}: {command}", remedy.text),
                    None => remedy.text.clone(),
                });
                texts.collect::<Vec<_>>().join(" | ")
            });
            self.part("remedies", part, remedies.as_deref());
        }
    }

    fn location(&mut self, expected: &Whereabouts, diagnosis: Option<&Diagnosis>) {
        let Some(got) = diagnosis.map(|diagnosis| &diagnosis.location) else {
            self.wrong("location", "somewhere", NONE);
            return;
        };
        if let Some(kind) = expected.kind {
            self.same("location.kind", place_name(kind), place_name(got.kind));
        }
        let hop = |hop: Option<u32>| hop.map_or_else(|| NONE.to_owned(), |hop| hop.to_string());
        if let Some(expected) = expected.hop {
            self.same("location.hop", &hop(expected), &hop(got.hop));
        }
        if let Some(address) = &expected.address {
            let got = got.address.as_deref().unwrap_or(NONE);
            self.same("location.address", address.as_deref().unwrap_or(NONE), got);
        }
    }
}

fn joined(items: &[String]) -> String {
    if items.is_empty() { NONE.to_owned() } else { items.join(", ") }
}

fn words(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

fn place_name(place: Place) -> &'static str {
    match place {
        Place::Here => "here",
        Place::Path => "path",
        Place::Hop => "hop",
        Place::Target => "target",
        Place::Resolver => "resolver",
    }
}
