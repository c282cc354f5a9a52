//! The walk: given the facts so far, where in the tree are we and what is needed next?
//!
//! It starts at the top each time and has no state, no clock and no I/O, so that a live run, a
//! replay and a test take exactly the same way. An expression sees only steps that were walked
//! before it: a probe that was started early and finished in between changes nothing.

mod leave;

use serde_json::{Value, json};

use leave::{Leave, brief, choose, rests_on, used_result};

use crate::engine::arguments::{arguments, defaults};
use crate::engine::ask;
use crate::engine::conclude;
use crate::engine::effect;
pub use crate::engine::effect::{Early, Effect, End, Need, Visit, Walk};
use crate::engine::facts::Facts;
use crate::engine::permit::Circle;
use crate::model::diagnosis::{Diagnosis, Evidence, RuledOut};
use crate::model::outcome::{Outcome, Why};
use crate::model::report::Status;
use crate::probe::Spec;
use crate::runbook::expr::{Bindings, Known};
use crate::runbook::{Branch, Catalogue, Kind, Next, Runbook, Step};

/// Walks `runbook` as far as the facts lead.
pub fn walk<'a>(runbook: &'a Runbook, base: &Bindings, facts: &Facts) -> Walk<'a> {
    watched(runbook, base, facts, &mut |_, _| {})
}

/// Walks as [`walk`] does, and shows every step as it is left, with the names that it saw.
pub fn watched<'a>(
    runbook: &'a Runbook,
    base: &Bindings,
    facts: &Facts,
    watch: &mut dyn FnMut(&Visit<'a>, &Bindings),
) -> Walk<'a> {
    let mut walker = Walker {
        facts,
        watch,
        catalogue: &runbook.catalogue,
        visits: Vec::new(),
        findings: Vec::new(),
        ruled_out: Vec::new(),
        used: None,
        circle: Circle::new(facts.permit(), runbook, base),
        passed: Vec::new(),
        behind: None,
    };
    let effect = match walker.runbook(runbook, base.clone(), "") {
        Flow::Stop(effect) => effect,
        Flow::End(end, _) => Effect::Done(walker.judge(end)),
    };
    let Walker { visits, findings, ruled_out, .. } = walker;
    Walk { visits, findings, ruled_out, effect }
}

struct Walker<'a, 'f> {
    facts: &'f Facts,
    watch: &'f mut dyn FnMut(&Visit<'a>, &Bindings),
    catalogue: &'a Catalogue,
    visits: Vec<Visit<'a>>,
    findings: Vec<Diagnosis>,
    ruled_out: Vec<RuledOut>,
    /// How the runbook that was used last ended.
    used: Option<End>,
    /// What was concluded where the walk went on all the same.
    passed: Vec<Diagnosis>,
    /// How many steps were walked before it first went on so.
    behind: Option<usize>,
    /// What may be contacted.
    circle: Circle<'f>,
}

enum Flow<'a> {
    Stop(Effect<'a>),
    /// How a runbook ended, and what its steps saw.
    End(End, Bindings),
}

/// What a step knows when it comes to its branches.
enum Looked<'a> {
    Seen(Option<Value>),
    /// The user chose.
    Choice(Value, &'a Branch),
    /// The user does not know, or was not asked.
    Unanswered(Option<Why>, &'a Branch),
    Unknown(Why),
}

impl<'a> Walker<'a, '_> {
    fn runbook(&mut self, runbook: &'a Runbook, mut names: Bindings, prefix: &str) -> Flow<'a> {
        let mut at = runbook.start;
        // A checked runbook has no cycle, so no walk is longer than the number of steps.
        for _ in 0..=runbook.steps.len() {
            let step = &runbook.steps[at];
            let key = format!("{prefix}{}", step.id);
            names.values.remove("result");
            let looked = match self.look(runbook, step, &key, &names, prefix) {
                Ok(looked) => looked,
                Err(effect) => return Flow::Stop(effect),
            };
            if let Looked::Seen(Some(seen)) | Looked::Choice(seen, _) = &looked {
                names.values.insert(step.id.clone(), seen.clone());
                names.values.insert("result".to_owned(), seen.clone());
            }
            match self.leave(step, &key, &names, looked) {
                Leave::Goto(next) => at = next,
                Leave::End(End::Concluded(diagnosis)) if self.facts.passes(&key) => {
                    match effect::onward(step) {
                        Some(next) => {
                            self.passed.push(*diagnosis);
                            self.behind.get_or_insert(self.visits.len());
                            at = next;
                        }
                        None => return Flow::End(End::Concluded(diagnosis), names),
                    }
                }
                Leave::End(end) => return Flow::End(end, names),
            }
        }
        unreachable!("a checked runbook has no cycle")
    }

    /// Makes the gravest conclusion the diagnosis; the others are findings.
    fn judge(&mut self, end: End) -> End {
        let mut concluded = std::mem::take(&mut self.passed);
        if let End::Concluded(diagnosis) = end {
            concluded.push(*diagnosis);
        }
        let (gravest, others) = conclude::gravest(concluded);
        for other in others {
            if self.findings.iter().all(|known| known.id != other.id) {
                self.findings.push(other);
            }
        }
        gravest.map_or(End::Healthy, |diagnosis| End::Concluded(Box::new(diagnosis)))
    }

    /// Finds what the step saw, or what is needed for that.
    fn look(
        &mut self,
        runbook: &'a Runbook,
        step: &'a Step,
        key: &str,
        names: &Bindings,
        prefix: &str,
    ) -> Result<Looked<'a>, Effect<'a>> {
        match &step.kind {
            Kind::Decide => Ok(Looked::Seen(None)),
            Kind::Probe { spec, with } => {
                let outcome = match arguments(spec, with, names) {
                    Err(on) => Outcome::Unknown(Why::Depends { on }),
                    Ok(args) => match self.facts.answer(key, &args).cloned() {
                        Some(outcome) => outcome,
                        None => match self.facts.missing() {
                            Some(outcome) => outcome,
                            None => match self.circle.objection(spec, &args) {
                                Some(why) => Outcome::Unknown(why),
                                None => {
                                    let need = (*spec, args);
                                    return Err(
                                        self.needed(runbook, step, key, need, names, prefix)
                                    );
                                }
                            },
                        },
                    },
                };
                if let Some(fact) = self.facts.find(key) {
                    self.circle.learn(spec, fact);
                }
                Ok(match outcome {
                    Outcome::Seen(seen) => Looked::Seen(Some(seen)),
                    Outcome::Unknown(why) => Looked::Unknown(why),
                })
            }
            Kind::Ask { expects, choices, no_input, .. } => {
                let outcome = self.facts.find(key).map(|fact| &fact.outcome);
                let seen = match outcome {
                    Some(Outcome::Seen(seen)) => seen,
                    Some(Outcome::Unknown(why)) => {
                        return Ok(Looked::Unanswered(Some(why.clone()), no_input));
                    }
                    None if expects.is_none() && self.facts.attended() => {
                        let question = ask::question(step, key, names);
                        return Err(Effect::Ask(Box::new(question)));
                    }
                    None => return Ok(Looked::Unanswered(None, no_input)),
                };
                if expects.is_some() {
                    return Ok(Looked::Seen(Some(seen.clone())));
                }
                let answer = seen.get("answer").and_then(Value::as_str);
                let chosen =
                    answer.and_then(|answer| choices.iter().find(|(choice, _)| choice == answer));
                Ok(match chosen {
                    Some((choice, branch)) => Looked::Choice(json!({"answer": choice}), branch),
                    None => Looked::Unanswered(None, no_input),
                })
            }
            Kind::Use { runbook: used, with } => {
                let mut inner = names.clone();
                inner.values.retain(|name, _| name == "target");
                let mut params = defaults(used);
                for (name, arg) in with {
                    match arg.value(names) {
                        Known::Value(value) => params.insert(name.clone(), value),
                        Known::Unknown(on) => return Ok(Looked::Unknown(Why::Depends { on })),
                    };
                }
                inner.values.insert("params".to_owned(), Value::Object(params));
                match self.runbook(used, inner, &format!("{key}/")) {
                    Flow::Stop(effect) => Err(effect),
                    Flow::End(end, names) => {
                        let seen = used_result(&end, used, names);
                        self.used = Some(end);
                        Ok(Looked::Seen(Some(seen)))
                    }
                }
            }
        }
    }

    /// Asks for a probe to be run, and for those that may start while it is waiting.
    fn needed(
        &self,
        runbook: &'a Runbook,
        step: &'a Step,
        key: &str,
        (spec, args): (&'static Spec, Value),
        names: &Bindings,
        prefix: &str,
    ) -> Effect<'a> {
        let need = |step: &'a Step, key: String, spec, args| Need {
            key,
            step,
            title: step.title.fill(names),
            spec,
            args,
        };
        let mut early = Vec::new();
        for meanwhile in &step.meanwhile {
            for &other in &meanwhile.start {
                let other = &runbook.steps[other];
                let Kind::Probe { spec, with } = &other.kind else {
                    continue;
                };
                // What cannot be filled in yet, or may not be, cannot be started yet.
                let Ok(args) = arguments(spec, with, names) else {
                    continue;
                };
                if self.circle.objection(spec, &args).is_some() {
                    continue;
                }
                let key = format!("{prefix}{}", other.id);
                early.push(Early { after: meanwhile.after, need: need(other, key, spec, args) });
            }
        }
        Effect::Run(Box::new(need(step, key.to_owned(), spec, args)), early)
    }

    /// Chooses the branch, records the visit and says where it leads.
    fn leave(&mut self, step: &'a Step, key: &str, names: &Bindings, looked: Looked<'a>) -> Leave {
        let unasked = matches!(looked, Looked::Unanswered(None, _));
        let (seen, blind, branch) = match looked {
            Looked::Seen(seen) => {
                self.note_findings(step, key, names);
                (seen, None, choose(step, names))
            }
            Looked::Choice(seen, branch) => (Some(seen), None, Ok(branch)),
            Looked::Unanswered(why, branch) => (None, why, Ok(branch)),
            Looked::Unknown(why) => (None, Some(why.clone()), step.unknown.as_ref().ok_or(why)),
        };
        let title = step.title.fill(names);
        let mut leave = match branch.as_ref().map(|branch| &branch.next) {
            Ok(Next::Goto(next)) => Leave::Goto(*next),
            Ok(Next::Healthy) => Leave::End(End::Healthy),
            Ok(Next::Conclude(conclusion)) => {
                Leave::concluded(conclude::diagnosis(self.catalogue, conclusion, names))
            }
            Ok(end @ (Next::Inconclusive | Next::AsUsed)) => {
                let used = self.used.take().filter(|_| matches!(end, Next::AsUsed));
                used.filter(|_| blind.is_none()).map_or_else(
                    || {
                        let condition = Why::Depends { on: "a condition".to_owned() };
                        let why = blind.as_ref().unwrap_or(&condition);
                        Leave::concluded(conclude::inconclusive(self.catalogue, &title, why, names))
                    },
                    Leave::End,
                )
            }
            Err(why) => {
                Leave::concluded(conclude::inconclusive(self.catalogue, &title, why, names))
            }
        };
        let branch = branch.ok();
        if matches!(leave, Leave::End(End::Concluded(_))) && self.by_exclusion(branch, key) {
            leave = Leave::End(End::Open);
        }
        let text = match (branch.and_then(|branch| branch.text.as_ref()), &blind) {
            (Some(text), _) => Some(text.fill(names)),
            (None, Some(Why::NotAnswered)) => ask::told(step, None, names),
            (None, Some(why)) => Some(why.to_string()),
            (None, None) => brief(step, seen.as_ref(), names),
        };
        for (id, why) in branch.map_or(&[][..], |branch| &branch.rules_out) {
            self.ruled_out.push(RuledOut { id: id.clone(), why: why.fill(names) });
        }
        let visit = Visit {
            key: key.to_owned(),
            step,
            title,
            by_hand: step.by_hand.as_ref().map(|text| text.fill_command(names)),
            why: ask::why(step, names),
            text,
            status: match (branch.and_then(|branch| branch.status), unasked) {
                (Some(status), _) if !matches!(leave, Leave::End(End::Open)) => status,
                (_, true) => Status::Skipped,
                (_, false) => leave.status(blind.is_some()),
            },
            when: branch
                .and_then(|branch| branch.when.as_ref())
                .map(|when| when.source().to_owned()),
            to: leave.name(),
            unknown: blind,
            branch,
        };
        (self.watch)(&visit, names);
        self.visits.push(visit);
        if let Leave::End(End::Concluded(diagnosis)) = &mut leave {
            match branch.map(|branch| &branch.next) {
                Some(Next::Conclude(conclusion)) => {
                    self.add_evidence(diagnosis, &conclusion.evidence, key)
                }
                // It comes with its own.
                Some(Next::AsUsed) if !diagnosis.evidence.is_empty() => {}
                _ => self.add_evidence(diagnosis, &[], key),
            }
        }
        leave
    }

    /// Whether a step behind a diagnosis that was passed by concludes because nothing else is left: that
    /// diagnosis is, so it proves nothing. A used runbook reasons on its own.
    fn by_exclusion(&self, branch: Option<&Branch>, key: &str) -> bool {
        let Some(behind) = self.behind.filter(|_| !key.contains('/')) else { return false };
        let seen: Vec<&str> = self.visits[behind..].iter().map(|one| one.key.as_str()).collect();
        branch.is_none_or(|branch| !matches!(branch.next, Next::AsUsed) && !rests_on(branch, &seen))
    }

    fn note_findings(&mut self, step: &'a Step, key: &str, names: &Bindings) {
        for note in &step.findings {
            if note.when.eval(names) != Known::Value(Value::Bool(true)) {
                continue;
            }
            let mut finding = conclude::diagnosis(self.catalogue, &note.conclusion, names);
            finding.evidence = self.cited(&note.conclusion.evidence, key);
            if let Some(text) = brief(step, names.values.get("result"), names) {
                finding.evidence.push(Evidence { step: key.to_owned(), text });
            }
            if !self.findings.iter().any(|known| known.id == finding.id) {
                self.findings.push(finding);
            }
        }
    }

    /// Lists what earlier steps say that a finding cites; what its own step says stands behind it.
    fn cited(&self, cited: &[String], key: &str) -> Vec<Evidence> {
        let prefix = key.rfind('/').map_or("", |end| &key[..=end]);
        let counts = |visit: &Visit<'_>| {
            let id = visit.key.strip_prefix(prefix);
            id.is_some_and(|id| cited.iter().any(|cited| cited == id))
        };
        (self.visits.iter())
            .filter(|visit| counts(visit))
            .filter_map(|visit| {
                Some(Evidence { step: visit.key.clone(), text: visit.text.clone()? })
            })
            .collect()
    }

    /// Adds the evidence and what was ruled out, and drops the alternatives that were.
    ///
    /// Without cited steps the evidence is what warned, what failed, what was answered, and the
    /// concluding step.
    fn add_evidence(&self, diagnosis: &mut Diagnosis, cited: &[String], key: &str) {
        let prefix = key.rfind('/').map_or("", |end| &key[..=end]);
        let counts = |visit: &Visit<'_>| match visit.key.strip_prefix(prefix) {
            Some(id) if !cited.is_empty() => cited.iter().any(|cited| cited == id),
            _ => {
                let answered = matches!(visit.step.kind, Kind::Ask { .. });
                let bad = matches!(visit.status, Status::Warn | Status::Fail);
                visit.key == key || bad || answered
            }
        };
        diagnosis.evidence = self
            .visits
            .iter()
            // Who does not know proves nothing.
            .filter(|visit| counts(visit) && visit.unknown != Some(Why::NotAnswered))
            .filter_map(|visit| {
                Some(Evidence { step: visit.key.clone(), text: visit.text.clone()? })
            })
            .collect();
        for out in &self.ruled_out {
            let known = diagnosis.ruled_out.iter().any(|known| known.id == out.id);
            if out.id != diagnosis.id && !known {
                diagnosis.ruled_out.push(out.clone());
            }
        }
        let ruled_out = &diagnosis.ruled_out;
        diagnosis.alternatives.retain(|other| ruled_out.iter().all(|out| out.id != other.id));
    }
}
