//! What is expected of a target, and whether a report meets it.
//!
//! Pure: an expectation and a report in, an [`Judgement`] and the reasons out. Four rules hold whatever
//! is expected:
//!
//! 1. What could not be looked at is an error, never passed and never failed.
//! 2. A fault fails, unless a fault is what was expected.
//! 3. Unless `verdict` or `diagnosis` says otherwise, the target must work: healthy, or degraded.
//! 4. What makes any run fail (`--fail-on`) fails unless the expectation names it.

use std::fmt;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::model::diagnosis::Diagnosis;
use crate::model::pattern::Pattern;
use crate::model::report::{Report, StepEntry, Verdict};

/// What is expected of a target.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Expect {
    /// The verdicts allowed; when empty, `healthy` and `degraded`, or any with a diagnosis expected.
    pub verdicts: Vec<Verdict>,
    /// Patterns of which one fits the diagnosis; when empty, none is expected.
    pub diagnosis: Vec<Pattern>,
    /// Diagnoses that must not be there, neither as the diagnosis nor noted on the way.
    pub not: Vec<Unwanted>,
    /// The longest that a connection may take to open (median of the attempts), in milliseconds.
    pub max_connect_ms: Option<f64>,
}

/// Diagnoses that must not be there.
#[derive(Debug, Clone, PartialEq)]
pub struct Unwanted {
    /// Their ids.
    pub pattern: Pattern,
    /// The steps of the runbook that would have seen one of them. When the walk came to one of these
    /// and it could not look, nothing can be said.
    pub seen_by: Vec<String>,
}

/// What fails a run even though the target can be used.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct FailOn {
    /// Whether the verdict `degraded` does.
    pub degraded: bool,
    /// Ids that do, as the diagnosis or noted on the way.
    pub ids: Vec<Pattern>,
}

impl FailOn {
    /// Says what of a report it hits, in words; `None` when nothing.
    pub fn hit(&self, report: &Report) -> Option<String> {
        self.hit_unless(report, &[])
    }

    fn hit_unless(&self, report: &Report, expected: &[Pattern]) -> Option<String> {
        let unexpected = |seen: &&Diagnosis| !expected.iter().any(|id| id.fits(&seen.id));
        let mut seen = seen(report).filter(unexpected);
        if let Some(seen) = seen.find(|seen| self.ids.iter().any(|id| id.fits(&seen.id))) {
            return Some(format!("{}: {}", seen.id, seen.summary));
        }
        (self.degraded && report.verdict == Verdict::Degraded).then(|| what(report))
    }
}

/// How a target fared against what was expected of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Judgement {
    /// As expected.
    Passed,
    /// Not as expected.
    Failed,
    /// It could not be judged: what decides could not be looked at.
    Error,
    /// It was not looked at.
    Skipped,
}

impl Judgement {
    /// Returns the word used in JSON.
    pub fn name(self) -> &'static str {
        match self {
            Judgement::Passed => "passed",
            Judgement::Failed => "failed",
            Judgement::Error => "error",
            Judgement::Skipped => "skipped",
        }
    }
}

/// Judges a report; an empty list of problems comes with [`Judgement::Passed`] only.
pub fn judge(expect: &Expect, fail_on: &FailOn, report: &Report) -> (Judgement, Vec<String>) {
    let names_verdict = expect.verdicts.contains(&report.verdict);
    if report.verdict == Verdict::Inconclusive && !names_verdict && !expect.names(report) {
        return (Judgement::Error, vec![what(report)]);
    }
    let mut failed = Vec::new();
    let mut open = Vec::new();
    if !expect.diagnosis.is_empty() && !expect.names(report) {
        failed.push(format!("expected {}, but {}", list(&expect.diagnosis), what(report)));
    } else if !expect.allows(report) {
        match expect.verdicts.as_slice() {
            [] => failed.push(what(report)),
            some => failed.push(format!("expected {}, but {}", verdicts(some), what(report))),
        }
    }
    // Naming the verdict or the diagnosis says that it is no surprise.
    if !(report.verdict == Verdict::Degraded && names_verdict)
        && let Some(hit) = fail_on.hit_unless(report, &expect.diagnosis)
        && !failed.contains(&hit)
    {
        failed.push(hit);
    }
    for unwanted in &expect.not {
        unwanted.judge(report, &mut failed, &mut open);
    }
    if let Some(most) = expect.max_connect_ms {
        match connect_ms(report) {
            Some(took) if took <= most => {}
            Some(took) => failed.push(format!("connecting took {took} ms, more than {most} ms")),
            None => {
                open.push(format!("no connection opened, so max_connect_ms {most} says nothing"))
            }
        }
    }
    match (failed.is_empty(), open.is_empty()) {
        (true, true) => (Judgement::Passed, Vec::new()),
        (true, false) => (Judgement::Error, open),
        (false, _) => {
            failed.append(&mut open);
            (Judgement::Failed, failed)
        }
    }
}

impl Expect {
    /// Whether the diagnosis is one that is expected by name.
    fn names(&self, report: &Report) -> bool {
        let found = report.diagnosis.as_ref();
        found.is_some_and(|found| self.diagnosis.iter().any(|id| id.fits(&found.id)))
    }

    fn allows(&self, report: &Report) -> bool {
        match self.verdicts.as_slice() {
            [] if self.diagnosis.is_empty() => {
                matches!(report.verdict, Verdict::Healthy | Verdict::Degraded)
            }
            [] => true,
            some => some.contains(&report.verdict),
        }
    }
}

impl Unwanted {
    fn judge(&self, report: &Report, failed: &mut Vec<String>, open: &mut Vec<String>) {
        if let Some(found) = seen(report).find(|seen| self.pattern.fits(&seen.id)) {
            failed.push(format!("not expected: {}: {}", found.id, found.summary));
            return;
        }
        let blind =
            |step: &&StepEntry| report.path.contains(&step.id) && self.seen_by.contains(&step.id);
        for step in report.steps.iter().filter(blind) {
            if let Some(why) = &step.unknown {
                open.push(format!(
                    "whether {} holds was not seen: {}: {why}",
                    self.pattern, step.id
                ));
            }
        }
    }
}

/// The diagnosis and what was noted on the way.
fn seen(report: &Report) -> impl Iterator<Item = &Diagnosis> {
    report.diagnosis.iter().chain(&report.findings)
}

/// Returns how long connecting took: the median that the first walked `tcp_connect` step with an open
/// connection saw, in milliseconds.
pub fn connect_ms(report: &Report) -> Option<f64> {
    let walked = |step: &&StepEntry| {
        step.probe.as_deref() == Some("tcp_connect") && report.path.contains(&step.id)
    };
    let seen = report.steps.iter().filter(walked).filter_map(|step| step.observation.as_ref());
    let mut open = seen.filter(|seen| seen.get("outcome").and_then(Value::as_str) == Some("open"));
    open.next()?.get("answer_ms")?.as_f64()
}

/// Says what a report concludes.
fn what(report: &Report) -> String {
    match &report.diagnosis {
        Some(found) => format!("{}: {}", found.id, found.summary),
        None => format!("it is {}", report.verdict.name()),
    }
}

fn verdicts(some: &[Verdict]) -> String {
    let names: Vec<&str> = some.iter().map(|verdict| verdict.name()).collect();
    format!("verdict {}", names.join(" or "))
}

fn list(patterns: &[Pattern]) -> String {
    let names: Vec<&str> = patterns.iter().map(Pattern::as_str).collect();
    format!("diagnosis {}", names.join(" or "))
}

impl fmt::Display for Expect {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut said = match (self.verdicts.is_empty(), self.diagnosis.is_empty()) {
            (true, true) => vec!["healthy".to_owned()],
            (true, false) => vec![list(&self.diagnosis)],
            (false, true) => vec![verdicts(&self.verdicts)],
            (false, false) => vec![verdicts(&self.verdicts), list(&self.diagnosis)],
        };
        if !self.not.is_empty() {
            let not: Vec<&str> = self.not.iter().map(|not| not.pattern.as_str()).collect();
            said.push(format!("not {}", not.join(", not ")));
        }
        said.extend(self.max_connect_ms.map(|most| format!("connect within {most} ms")));
        f.write_str(&said.join(", "))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    /// A report with this verdict, diagnosis and findings; the walked steps `connect`, which opened
    /// after 20 ms unless a fault is told, and `mtu`, which may have been unable to look.
    fn report(verdict: &str, id: Option<&str>, findings: &[&str], mtu_unknown: bool) -> Report {
        let diagnosis = |id: &str| {
            json!({
                "id": id, "layer": "transport", "title": "T", "summary": "S", "severity": "critical",
                "confidence": "confirmed", "location": {"kind": "here", "hop": null, "address": null},
                "evidence": [], "ruled_out": [], "alternatives": [], "remedies": []
            })
        };
        let open = matches!(verdict, "healthy" | "degraded");
        let step = |id: &str, probe: &str, seen: Value, unknown: Value| {
            json!({
                "id": id, "title": id, "layer": "transport", "probe": probe, "status": "pass",
                "text": null, "by_hand": null, "started_ms": 0.0, "duration_ms": 1.0,
                "observation": seen, "unknown": unknown, "branch": null
            })
        };
        let connect = if open {
            json!({"outcome": "open", "answer_ms": 20.0})
        } else {
            json!({"outcome": "timeout"})
        };
        let why = if mtu_unknown { json!({"why": "budget"}) } else { Value::Null };
        let report = json!({
            "schema": "tcpdoctor.report/1", "tool": {"name": "tcpdoctor", "version": "0"},
            "target": {"input": "db:1", "host": "db", "port": 1},
            "vantage": {"hostname": "h", "kernel": "k", "uid": 0, "capabilities": []},
            "runbook": {"name": "connect", "source": "builtin", "sha256": ""},
            "started_at": "", "duration_ms": 1.0, "verdict": verdict,
            "diagnosis": id.map(diagnosis),
            "findings": findings.iter().map(|id| diagnosis(id)).collect::<Vec<_>>(),
            "path": ["connect", "mtu"],
            "steps": [
                step("connect", "tcp_connect", connect, Value::Null),
                step("mtu", "mtu", Value::Null, why),
            ]
        });
        serde_json::from_value(report).expect("a report")
    }

    fn healthy() -> Expect {
        Expect::default()
    }

    fn verdict(verdicts: &[Verdict]) -> Expect {
        Expect { verdicts: verdicts.to_vec(), ..healthy() }
    }

    fn diagnosed(id: &str) -> Expect {
        Expect { diagnosis: vec![Pattern::new(id)], ..healthy() }
    }

    fn without(id: &str) -> Expect {
        let seen_by = vec!["mtu".to_owned()];
        Expect { not: vec![Unwanted { pattern: Pattern::new(id), seen_by }], ..healthy() }
    }

    fn within(most: f64) -> Expect {
        Expect { max_connect_ms: Some(most), ..healthy() }
    }

    #[test]
    fn every_expectation_meets_every_kind_of_report() {
        let good = || report("healthy", None, &[], false);
        let noted = || report("healthy", None, &["mtu.cached"], false);
        let half = || report("degraded", Some("mtu.blackhole"), &[], false);
        let bad = || report("fault", Some("tcp.rejected_admin"), &[], false);
        let open = || report("inconclusive", Some("inconclusive.budget"), &[], false);
        let blind = || report("healthy", None, &[], true);
        use Judgement::{Error, Failed, Passed};
        let cases = [
            (healthy(), good(), Passed),
            (healthy(), noted(), Passed),
            (healthy(), half(), Passed),
            (healthy(), bad(), Failed),
            (healthy(), open(), Error),
            (verdict(&[Verdict::Healthy]), half(), Failed),
            (verdict(&[Verdict::Degraded]), half(), Passed),
            (verdict(&[Verdict::Degraded]), good(), Failed),
            (verdict(&[Verdict::Degraded]), open(), Error),
            (verdict(&[Verdict::Fault, Verdict::Healthy]), bad(), Passed),
            (verdict(&[Verdict::Inconclusive]), open(), Passed),
            (diagnosed("tcp.rejected_admin"), bad(), Passed),
            (diagnosed("tcp.*"), bad(), Passed),
            (diagnosed("tcp.timeout*"), bad(), Failed),
            (diagnosed("tcp.*"), good(), Failed),
            (diagnosed("tcp.*"), open(), Error),
            (diagnosed("inconclusive.budget"), open(), Passed),
            (diagnosed("mtu.*"), half(), Passed),
            (without("mtu.*"), good(), Passed),
            (without("mtu.*"), noted(), Failed),
            (without("mtu.*"), half(), Failed),
            (without("mtu.*"), bad(), Failed),
            (without("mtu.*"), blind(), Error),
            (within(50.0), good(), Passed),
            (within(20.0), good(), Passed),
            (within(19.9), good(), Failed),
            (within(50.0), bad(), Failed),
            (within(50.0), open(), Error),
            (Expect { diagnosis: vec![Pattern::new("tcp.*")], ..within(50.0) }, bad(), Error),
            (Expect { verdicts: vec![Verdict::Degraded], ..diagnosed("mtu.*") }, half(), Passed),
            (Expect { verdicts: vec![Verdict::Fault], ..diagnosed("mtu.*") }, half(), Failed),
        ];
        for (expect, report, outcome) in cases {
            let (got, problems) = judge(&expect, &FailOn::default(), &report);
            assert_eq!(got, outcome, "{expect} of {:?}: {problems:?}", report.verdict);
            assert_eq!(problems.is_empty(), got == Passed, "{expect}: {problems:?}");
        }
    }

    #[test]
    fn what_fails_any_run_fails_unless_it_is_what_was_expected() {
        let degraded = FailOn { degraded: true, ids: Vec::new() };
        let mtu = FailOn { degraded: false, ids: vec![Pattern::new("mtu.*")] };
        let half = report("degraded", Some("mtu.blackhole"), &[], false);
        let noted = report("healthy", None, &["mtu.cached"], false);
        let of =
            |expect: &Expect, fail_on: &FailOn, report: &Report| judge(expect, fail_on, report).0;
        assert_eq!(of(&healthy(), &degraded, &half), Judgement::Failed);
        assert_eq!(of(&verdict(&[Verdict::Degraded]), &degraded, &half), Judgement::Passed);
        assert_eq!(of(&healthy(), &mtu, &noted), Judgement::Failed);
        assert_eq!(of(&diagnosed("mtu.*"), &mtu, &half), Judgement::Passed);
        assert_eq!(of(&healthy(), &degraded, &noted), Judgement::Passed);
    }

    #[test]
    fn an_expectation_is_said_in_words() {
        assert_eq!(healthy().to_string(), "healthy");
        assert_eq!(diagnosed("tcp.*").to_string(), "diagnosis tcp.*");
        let both = Expect { not: without("mtu.*").not, ..within(50.0) };
        assert_eq!(both.to_string(), "healthy, not mtu.*, connect within 50 ms");
    }
}
