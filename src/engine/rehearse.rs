//! Runs a test of a runbook: the pure walk on what the test says was seen, held against what it
//! expects. No clock, no network.

use serde_json::Value;

use crate::engine::facts::{Fact, Facts, base_bindings};
use crate::engine::judge::judge;
use crate::engine::report::{Frame, assemble};
use crate::engine::tally::{self, arms};
use crate::engine::walk::{Effect, Visit, watched};
use crate::model::rehearsal::{Mismatch, Reading, Rehearsed, Tried, Walked};
use crate::model::report::{Report, Vantage};
use crate::runbook::expr::{Bindings, Expr, Known, Read};
use crate::runbook::rehearsal::{Observed, Seen, Suite, Test};
use crate::runbook::{Branch, Conclusion, Kind, Next, Runbook};

/// What came of a test, and the report of its walk.
#[derive(Debug)]
pub struct Ran {
    /// The result.
    pub rehearsed: Rehearsed,
    /// What a run that saw the same would have reported.
    pub report: Report,
    /// The ways out that were taken and the findings noted, by their place among all of the runbook's
    /// (see [`tally`]).
    pub taken: Vec<usize>,
    /// The step that the walk came to and the test does not speak of.
    pub lacks: Option<String>,
}

/// Runs one test of a suite.
pub fn rehearse(suite: &Suite, test: &Test) -> Ran {
    let (mut rehearsed, report, taken, lacks) = run(&suite.runbook, test);
    rehearsed.file.clone_from(&suite.source);
    Ran { rehearsed, report, taken, lacks }
}

/// Runs a test that belongs to no file.
pub(super) fn run(
    runbook: &Runbook,
    test: &Test,
) -> (Rehearsed, Report, Vec<usize>, Option<String>) {
    let facts = facts(test);
    let base = base_bindings(&test.target, &test.params);
    let mut witness = Witness::new(runbook, &test.observed);
    let walk = watched(runbook, &base, &facts, &mut |visit, names| witness.left(visit, names));
    let Witness { mut walked, mut problems, taken, .. } = witness;
    let lacks = match &walk.effect {
        Effect::Run(need, _) => {
            problems.push(Mismatch {
                what: format!("observe.{}", need.key),
                expected: format!("what the step saw (probe {}): {}", need.spec.id, need.title),
                got: "the test does not say".to_owned(),
            });
            Some(need.key.clone())
        }
        // A test asks nobody.
        Effect::Ask(_) | Effect::Done(_) => None,
    };
    let frame = Frame {
        target: test.target.clone(),
        vantage: nowhere(),
        params: test.params.clone(),
        started_at: String::new(),
        duration_ms: 0.0,
    };
    let report = assemble(runbook, walk, &facts, frame);
    for (nth, step) in walked.iter_mut().enumerate() {
        if step.to.is_empty() {
            step.to = report.path.get(nth + 1).or(lacks.as_ref()).cloned().unwrap_or_default();
        }
    }
    // What follows from an observation that is lacking says nothing.
    if problems.is_empty() {
        problems = judge(&test.expect, &report);
        problems.extend(never_needed(test, &report));
    }
    let rehearsed = Rehearsed {
        name: test.name.clone(),
        file: String::new(),
        line: test.line,
        runbook: runbook.name.clone(),
        verdict: report.verdict,
        diagnosis: report.diagnosis.as_ref().map(|diagnosis| diagnosis.id.clone()),
        problems,
        parted: parted(test, &walked),
        walked,
    };
    (rehearsed, report, taken, lacks)
}

/// Finds the last step that the way shares with the expected path, or the last one of all.
fn parted(test: &Test, walked: &[Walked]) -> Option<usize> {
    let last = walked.len().checked_sub(1)?;
    let path = test.expect.path.as_deref().unwrap_or_default();
    let common = walked.iter().zip(path).take_while(|(step, key)| step.step == **key).count();
    let same = path.is_empty() || (common == walked.len() && common == path.len());
    Some(if same { last } else { common.saturating_sub(1) })
}

fn facts(test: &Test) -> Facts {
    let mut facts = Facts::default();
    for Observed { key, seen, .. } in &test.observed {
        facts.add(key, Fact { args: None, outcome: seen.outcome(), timing: None });
    }
    facts
}

fn nowhere() -> Vantage {
    Vantage { hostname: String::new(), kernel: String::new(), uid: 0, capabilities: Vec::new() }
}

/// What a test says of steps that the walk never comes to is a mistake in the test.
fn never_needed(test: &Test, report: &Report) -> Vec<Mismatch> {
    let own = test.observed.iter().filter(|observed| observed.own);
    let idle = own.filter(|observed| !report.path.contains(&observed.key));
    let idle = idle.map(|Observed { key, seen, .. }| Mismatch {
        what: match seen {
            Seen::Answer(_) => format!("answers.{key}"),
            _ => format!("observe.{key}"),
        },
        expected: "the walk comes to this step".to_owned(),
        got: "it does not".to_owned(),
    });
    idle.collect()
}

/// Watches the walk: which conditions were tried and what they read.
struct Witness<'a> {
    runbook: &'a Runbook,
    observed: &'a [Observed],
    walked: Vec<Walked>,
    problems: Vec<Mismatch>,
    taken: Vec<usize>,
}

impl<'a> Witness<'a> {
    fn new(runbook: &'a Runbook, observed: &'a [Observed]) -> Witness<'a> {
        Witness { runbook, observed, walked: Vec::new(), problems: Vec::new(), taken: Vec::new() }
    }

    fn left(&mut self, visit: &Visit<'_>, names: &Bindings) {
        let step = visit.step;
        let given = self.given(visit, names);
        let mut reads = Vec::new();
        let read = |expr: &Expr, reads: &mut Vec<Read>| reads.extend(expr.traced(&given).1);
        if let Kind::Probe { with, .. } | Kind::Use { with, .. } = &step.kind {
            for expr in with.iter().flat_map(|(_, arg)| arg.exprs()) {
                read(expr, &mut reads);
            }
        }
        for note in step.findings.iter().filter(|_| visit.unknown.is_none()) {
            read(&note.when, &mut reads);
            if note.when.eval(names).truth() == Some(true) {
                for expr in exprs_of(&note.conclusion) {
                    read(expr, &mut reads);
                }
                self.take(visit, |arm| arm.is_note(note));
            }
        }
        let mut tried = Vec::new();
        let judged = visit.unknown.is_none() && !matches!(step.kind, Kind::Ask { .. });
        for branch in step.branches.iter().filter(|_| judged) {
            let Some(when) = &branch.when else { break };
            read(when, &mut reads);
            let this = self::tried(when, names);
            let on = this.held == Some(false);
            tried.push(this);
            if !on {
                break;
            }
        }
        if let Some(branch) = visit.branch {
            for expr in exprs_said(branch) {
                read(expr, &mut reads);
            }
            self.take(visit, |arm| arm.is_branch(branch));
        }
        for expr in step.title.exprs() {
            read(expr, &mut reads);
        }
        self.not_given(visit, &reads);
        let arm = arms(step).into_iter().find(|arm| visit.branch.is_some_and(|b| arm.is_branch(b)));
        self.walked.push(Walked {
            step: visit.key.clone(),
            status: visit.status,
            text: visit.text.clone(),
            tried,
            arm: arm.map_or_else(|| "unknown".to_owned(), |arm| arm.when()),
            to: visit.to.clone(),
        });
    }

    /// The names as the test gives them: a field that it leaves out is not there.
    fn given(&self, visit: &Visit<'_>, names: &Bindings) -> Bindings {
        let prefix = visit.key.rfind('/').map_or("", |end| &visit.key[..=end]);
        let mut given = names.clone();
        for Observed { key, seen, .. } in self.observed {
            let (Seen::Fields { given: fields, .. }, Some(name)) = (seen, key.strip_prefix(prefix))
            else {
                continue;
            };
            let names = [Some(name), (*key == visit.key).then_some("result")];
            for name in names.into_iter().flatten() {
                if let Some(value) = given.values.get_mut(name) {
                    value.clone_from(fields);
                }
            }
        }
        given
    }

    /// Notes a way out of the runbook's own steps.
    fn take(&mut self, visit: &Visit<'_>, is: impl Fn(&tally::Arm<'_>) -> bool) {
        if visit.key == visit.step.id {
            self.taken.extend(tally::place(self.runbook, visit.step, is));
        }
    }

    /// Complains about the first field that was read and not given.
    fn not_given(&mut self, visit: &Visit<'_>, reads: &[Read]) {
        let Some(read) = reads.iter().find(|read| !read.there) else { return };
        let (root, rest) = read.path.split_once('.').unwrap_or((&read.path, ""));
        let prefix = visit.key.rfind('/').map_or("", |end| &visit.key[..=end]);
        let key = if root == "result" { visit.key.clone() } else { format!("{prefix}{root}") };
        let known = self.observed.iter().any(|observed| observed.key == key);
        let (what, field) = if read.item || !known {
            (format!("observe, for the step {}", visit.key), read.path.as_str())
        } else {
            (format!("observe.{key}"), rest)
        };
        self.problems.push(Mismatch {
            what,
            expected: format!("the field `{field}`: the step {} reads it", visit.key),
            got: "it is left out, and cannot be null".to_owned(),
        });
    }
}

fn tried(when: &Expr, names: &Bindings) -> Tried {
    let (known, reads) = when.traced(names);
    let inner = |path: &str| reads.iter().any(|read| read.path.starts_with(&format!("{path}.")));
    let mut read: Vec<Reading> = Vec::new();
    for Read { path, value, item, .. } in &reads {
        // Of `a.b.c` only the whole; what a loop reads again and again says little.
        if !item && !inner(path) && read.iter().all(|known| known.path != *path) {
            read.push(Reading { path: path.clone(), value: value.clone() });
        }
    }
    Tried {
        when: when.source().to_owned(),
        held: known.truth(),
        unknown: match known {
            Known::Unknown(on) => Some(on),
            Known::Value(Value::Bool(_)) => None,
            Known::Value(_) => Some("it is neither true nor false".to_owned()),
        },
        read,
    }
}

/// The expressions behind what taking a branch says.
fn exprs_said(branch: &Branch) -> Vec<&Expr> {
    let mut exprs: Vec<&Expr> = branch.text.iter().flat_map(|text| text.exprs()).collect();
    exprs.extend(branch.rules_out.iter().flat_map(|(_, why)| why.exprs()));
    if let Next::Conclude(conclusion) = &branch.next {
        exprs.extend(exprs_of(conclusion));
    }
    exprs
}

fn exprs_of(conclusion: &Conclusion) -> Vec<&Expr> {
    let with = conclusion.with.iter().map(|(_, arg)| arg).chain(&conclusion.confidence);
    let mut exprs: Vec<&Expr> = with.flat_map(|arg| arg.exprs()).collect();
    exprs.extend(conclusion.hop.iter().chain(&conclusion.address));
    exprs
}
