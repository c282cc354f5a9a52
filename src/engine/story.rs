//! From a report back to the reasoning: the walk again, with every condition that was tried.

use crate::engine::facts::{Facts, base_bindings};
use crate::engine::rehearse::tried;
use crate::engine::report::params_for;
use crate::engine::walk::{Visit, watched};
use crate::model::diagnosis::{Diagnosis, RuledOut};
use crate::model::outcome::{Outcome, Why};
use crate::model::report::Report;
use crate::model::story::{Ended, Looked, To, Told};
use crate::runbook::expr::Bindings;
use crate::runbook::{Kind, Next, Note, Runbook};

/// Tells how the report came about.
pub fn story(report: &Report, runbook: &Runbook) -> Vec<Told> {
    let facts = Facts::of(report);
    let base = base_bindings(&report.target, &params_for(report, runbook));
    let mut told: Vec<(Told, String, bool)> = Vec::new();
    watched(runbook, &base, &facts, &mut |visit, names| {
        let (to, inner) = (visit.to.clone(), visit.key.contains('/'));
        told.push((tell(visit, names, &facts), to, inner));
    });
    let titles: Vec<String> = told.iter().map(|(step, ..)| step.title.clone()).collect();
    let known: Vec<&Diagnosis> = report.diagnosis.iter().chain(&report.findings).collect();
    let ended = |id: &str| {
        let one = known.iter().find(|one| one.id == id);
        Ended {
            id: id.to_owned(),
            title: one.map(|one| one.title.clone()),
            confidence: one.map(|one| one.confidence),
        }
    };
    let mut behind = false;
    let mut steps = Vec::with_capacity(told.len());
    for (nth, (mut step, to, inner)) in told.into_iter().enumerate() {
        step.to = match (to.as_str(), titles.get(nth + 1)) {
            ("", next) => To::Step(next.cloned().unwrap_or_default()),
            ("healthy", Some(_)) if inner => To::Healthy,
            (id, Some(next)) if inner => To::Inner(ended(id), next.clone()),
            ("healthy", _) if behind => To::Nothing,
            ("inconclusive", None) if behind => To::Open,
            ("healthy", _) => To::Healthy,
            (id, Some(next)) => {
                behind = true;
                To::Past(ended(id), next.clone())
            }
            (id, None) => To::Diagnosis(ended(id)),
        };
        steps.push(step);
    }
    steps
}

fn tell(visit: &Visit<'_>, names: &Bindings, facts: &Facts) -> Told {
    let step = visit.step;
    let fact = facts.find(&visit.key);
    let took = fact.and_then(|fact| fact.timing).map(|timing| timing.duration_ms);
    let answer = fact.and_then(|fact| match &fact.outcome {
        Outcome::Seen(seen) => seen.get("answer")?.as_str(),
        Outcome::Unknown(_) => None,
    });
    let looked = match (&visit.unknown, &visit.text, &step.kind) {
        (Some(Why::NotAnswered), ..) => Looked::Unanswered,
        (Some(why), ..) => Looked::Blind(why.to_string()),
        (None, _, Kind::Ask { expects, .. }) if fact.is_none() => match expects {
            Some(_) => Looked::Unreported,
            None => Looked::Unasked,
        },
        (None, _, Kind::Ask { expects: None, .. }) => {
            Looked::Answered(answer.unwrap_or_default().replace('_', " "))
        }
        (None, Some(text), Kind::Ask { .. }) => Looked::Reported(text.clone()),
        (None, Some(text), _) => Looked::Saw(text.clone(), took),
        (None, None, _) => Looked::Weighed,
    };
    let (mut tries, mut spoken_against) = (Vec::new(), Vec::new());
    let judged = !matches!(
        looked,
        Looked::Blind(_) | Looked::Unanswered | Looked::Unasked | Looked::Unreported
    );
    for branch in step.branches.iter().filter(|_| judged) {
        let Some(when) = &branch.when else { break };
        let this = tried(when, names);
        let held = this.held;
        tries.push(this);
        match (held, &branch.next) {
            (Some(false), Next::Conclude(conclusion)) => {
                if !spoken_against.contains(&conclusion.id) {
                    spoken_against.push(conclusion.id.clone());
                }
            }
            (Some(false), _) => {}
            _ => break,
        }
    }
    let branch = visit.branch;
    let concluded = branch.and_then(|branch| match &branch.next {
        Next::Conclude(conclusion) => Some(&conclusion.id),
        _ => None,
    });
    spoken_against.retain(|id| Some(id) != concluded);
    let decided = tries.last().is_some_and(|last| last.held == Some(true));
    let arm = match &looked {
        Looked::Unasked | Looked::Unreported | Looked::Unanswered => "no_input",
        Looked::Blind(_) => "unknown",
        _ if decided => "when",
        _ if tries.last().is_some_and(|last| last.held.is_none()) => "unknown",
        _ => "else",
    };
    let holds = |note: &&Note| note.when.eval(names).truth() == Some(true);
    let noted = step.findings.iter().filter(|_| visit.unknown.is_none()).filter(holds);
    let noted = noted.map(|note| note.conclusion.id.clone());
    let excluded = branch.map_or(&[][..], |branch| &branch.rules_out).iter();
    Told {
        title: visit.title.clone(),
        layer: step.layer,
        looked,
        tried: tries,
        arm: arm.to_owned(),
        spoken_against,
        noted: noted.collect(),
        excluded: excluded
            .map(|(id, why)| RuledOut { id: id.clone(), why: why.fill(names) })
            .collect(),
        to: To::Healthy,
    }
}
