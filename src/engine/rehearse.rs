//! Runs a test of a runbook: the pure walk on what the test says was seen, held against what it
//! expects. No clock, no network.

use serde_json::Value;

use crate::engine::arm::{Arm, arms, place};
use crate::engine::fact::Fact;
use crate::engine::facts::{Facts, base_bindings};
use crate::engine::judge::judge;
use crate::engine::report::{Frame, assemble};

use crate::engine::walk::{Effect, Visit, watched};
use crate::model::rehearsal::{Mismatch, Reading, Rehearsed, Tried, Walked};
use crate::model::report::{Report, Vantage};
use crate::runbook::expr::{Bindings, Expr, Known, Read};
use crate::runbook::rehearsal::{Observed, Seen, Suite, Test, in_short};
use crate::runbook::{Branch, Conclusion, Kind, Next, Runbook};

/// What came of a test, and the report of its walk.
#[derive(Debug)]
pub struct Ran {
    /// The result.
    pub rehearsed: Rehearsed,
    /// What a run that saw the same would have reported.
    pub report: Report,
    /// The ways out that were taken and the findings noted, by their place among all of the runbook's.
    pub taken: Vec<usize>,
    /// What the walk needed and the test does not say.
    pub lacks: Option<Lack>,
}

/// What the walk needed and a test does not say.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Lack {
    /// What a step saw, by the step's key.
    Step(String),
    /// A field of what a step saw, which cannot be null.
    Field {
        /// The key of the step that saw it.
        step: String,
        /// The field, below what the step saw.
        field: String,
        /// The key of the step that reads it.
        reader: String,
    },
}

/// Runs one test of a suite.
pub fn rehearse(suite: &Suite, test: &Test) -> Ran {
    let mut ran = run(&suite.runbook, test);
    ran.rehearsed.file.clone_from(&suite.source);
    ran
}

/// Runs a test that belongs to no file.
pub(super) fn run(runbook: &Runbook, test: &Test) -> Ran {
    let facts = facts(test);
    let base = base_bindings(&test.target, &test.params);
    let mut witness = Witness::new(runbook, &test.observed);
    let walk = watched(runbook, &base, &facts, &mut |visit, names| witness.left(visit, names));
    let Witness { mut walked, mut lacks, taken, .. } = witness;
    if let (Effect::Run(need, _), None) = (&walk.effect, &lacks) {
        lacks = Some(Lack::Step(need.key.clone()));
    }
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
            let next = report.path.get(nth + 1).or(match &lacks {
                Some(Lack::Step(key)) => Some(key),
                _ => None,
            });
            step.to = next.cloned().unwrap_or_default();
        }
    }
    // What follows from something that is lacking says nothing.
    let problems = match &lacks {
        Some(lack) => {
            if let Lack::Field { reader, .. } = lack {
                let end = walked.iter().position(|step| step.step == *reader);
                walked.truncate(end.map_or(walked.len(), |at| at + 1));
                // Where it leads may depend on the field.
                if let Some(last) = walked.last_mut()
                    && last.tried.last().is_some_and(|tried| tried.held.is_none())
                {
                    last.to.clear();
                }
            }
            vec![lacking(lack)]
        }
        None => {
            let mut problems = judge(&test.expect, &report, &walked);
            problems.extend(never_needed(test, &report));
            problems
        }
    };
    let rehearsed = Rehearsed {
        name: test.name.clone(),
        file: String::new(),
        line: test.line,
        runbook: runbook.name.clone(),
        verdict: report.verdict,
        diagnosis: report.diagnosis.as_ref().map(|diagnosis| diagnosis.id.clone()),
        problems,
        parted: parted(test, &walked).filter(|_| lacks.is_none()),
        walked,
    };
    Ran { rehearsed, report, taken, lacks }
}

fn lacking(lack: &Lack) -> Mismatch {
    match lack {
        Lack::Step(key) => Mismatch {
            what: format!("observe.{key}"),
            expected: "what the step saw, for the walk comes to it".to_owned(),
            got: "the test does not say".to_owned(),
        },
        Lack::Field { step, field, reader } => Mismatch {
            what: format!("observe.{step}.{field}"),
            expected: format!("a value, for the step {reader} reads it"),
            got: "it is left out, and cannot be null".to_owned(),
        },
    }
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
    lacks: Option<Lack>,
    taken: Vec<usize>,
}

impl<'a> Witness<'a> {
    fn new(runbook: &'a Runbook, observed: &'a [Observed]) -> Witness<'a> {
        Witness { runbook, observed, walked: Vec::new(), lacks: None, taken: Vec::new() }
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
        // A choice leads by itself; a report of the other end is judged as an observation is.
        let seen = |one: &Observed| one.key == visit.key && matches!(one.seen, Seen::Fields { .. });
        let asked = matches!(step.kind, Kind::Ask { .. }) && !self.observed.iter().any(seen);
        let judged = visit.unknown.is_none() && !asked;
        for branch in step.branches.iter().filter(|_| judged) {
            let Some(when) = &branch.when else { break };
            read(when, &mut reads);
            let this = self::tried(when, &given);
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
            text: self.said(visit),
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

    /// What the step says, or what the test says that it saw where that is too little for a sentence.
    fn said(&self, visit: &Visit<'_>) -> Option<String> {
        let lacking =
            matches!(&self.lacks, Some(Lack::Field { reader, .. }) if *reader == visit.key);
        let own = visit.branch.is_some_and(|branch| branch.text.is_some()) && !lacking;
        let observed = self.observed.iter().find(|observed| observed.key == visit.key);
        match (&visit.step.kind, observed.map(|observed| &observed.seen)) {
            (Kind::Probe { spec, .. }, Some(Seen::Fields { given, .. })) if !own => {
                Some(spec.read(given).unwrap_or_else(|_| in_short(given)))
            }
            (Kind::Ask { .. }, Some(Seen::Fields { given, .. })) if !own => Some(in_short(given)),
            (Kind::Ask { .. }, Some(Seen::Fields { .. })) => visit.text.clone(),
            (Kind::Ask { .. }, Some(Seen::Answer(answer))) => Some(format!("answered: {answer}")),
            (Kind::Ask { .. }, _) => Some("nobody was there to answer".to_owned()),
            (Kind::Use { runbook, .. }, _) => Some(format!("runbook {}", runbook.name)),
            _ => visit.text.clone(),
        }
    }

    /// Notes a way out of the runbook's own steps.
    fn take(&mut self, visit: &Visit<'_>, is: impl Fn(&Arm<'_>) -> bool) {
        if visit.key == visit.step.id {
            self.taken.extend(place(self.runbook, visit.step, is));
        }
    }

    /// Keeps the first field that was read and not given.
    fn not_given(&mut self, visit: &Visit<'_>, reads: &[Read]) {
        let Some(at) = reads.iter().position(|read| !read.there) else { return };
        // An item's field is told by the list that was gone through.
        let list = reads[..at].iter().rev().find(|read| !read.item && read.value.is_array());
        let (root, rest) = reads[at].path.split_once('.').unwrap_or((&reads[at].path, ""));
        let (root, field) = match list.and_then(|list| list.path.split_once('.')) {
            Some((root, list)) if reads[at].item => (root, format!("{list}[].{rest}")),
            _ => (root, rest.to_owned()),
        };
        let prefix = visit.key.rfind('/').map_or("", |end| &visit.key[..=end]);
        let step = if root == "result" { visit.key.clone() } else { format!("{prefix}{root}") };
        self.lacks.get_or_insert(Lack::Field { step, field, reader: visit.key.clone() });
    }
}

pub(super) fn tried(when: &Expr, names: &Bindings) -> Tried {
    let (known, reads) = when.traced(names);
    let inner = |path: &str| reads.iter().any(|read| read.path.starts_with(&format!("{path}.")));
    let mut read: Vec<Reading> = Vec::new();
    for Read { path, value, item, there } in &reads {
        // Of `a.b.c` only the whole; what a loop reads again and again says little.
        if *there && !item && !inner(path) && read.iter().all(|known| known.path != *path) {
            read.push(Reading { path: path.clone(), value: value.clone() });
        }
    }
    let missing = reads.iter().find(|read| !read.there);
    Tried {
        when: when.source().to_owned(),
        held: known.truth().filter(|_| missing.is_none()),
        unknown: match (missing, known) {
            (Some(missing), _) => Some(format!("{} is not given", missing.path)),
            (None, Known::Unknown(on)) => Some(on),
            (None, Known::Value(Value::Bool(_))) => None,
            (None, Known::Value(_)) => Some("it is neither true nor false".to_owned()),
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
