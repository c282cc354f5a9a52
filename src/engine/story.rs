//! From a report back to the reasoning: the walk again, with every condition that was tried.

use crate::engine::facts::{Facts, base_bindings};
use crate::engine::rehearse::tried;
use crate::engine::report::params_for;
use crate::engine::walk::{Visit, watched};
use crate::model::diagnosis::RuledOut;
use crate::model::report::Report;
use crate::model::story::{Looked, To, Told};
use crate::runbook::expr::Bindings;
use crate::runbook::{Kind, Next, Runbook};

/// Tells how the report came about.
pub fn story(report: &Report, runbook: &Runbook) -> Vec<Told> {
    let facts = Facts::of(report);
    let base = base_bindings(&report.target, &params_for(report, runbook));
    let mut told: Vec<(Told, String)> = Vec::new();
    watched(runbook, &base, &facts, &mut |visit, names| {
        let to = visit.to.clone();
        told.push((tell(visit, names, &facts), to));
    });
    let titles: Vec<String> = told.iter().map(|(step, _)| step.title.clone()).collect();
    let steps = told.into_iter().enumerate().map(|(nth, (mut step, to))| {
        step.to = match (to.as_str(), titles.get(nth + 1)) {
            ("", next) => To::Step(next.cloned().unwrap_or_default()),
            ("healthy", _) => To::Healthy,
            (id, Some(next)) => To::Past(id.to_owned(), next.clone()),
            (id, None) => To::Diagnosis(id.to_owned()),
        };
        step
    });
    steps.collect()
}

fn tell(visit: &Visit<'_>, names: &Bindings, facts: &Facts) -> Told {
    let step = visit.step;
    let fact = facts.find(&visit.key);
    let took = fact.and_then(|fact| fact.timing).map(|timing| timing.duration_ms);
    let looked = match (&visit.unknown, &visit.text, &step.kind) {
        (Some(why), ..) => Looked::Blind(why.to_string()),
        (None, _, Kind::Ask { .. }) if fact.is_none() => Looked::Unasked,
        (None, Some(text), _) => Looked::Saw(text.clone(), took),
        (None, None, _) => Looked::Weighed,
    };
    let (mut tries, mut spoken_against) = (Vec::new(), Vec::new());
    let judged = visit.unknown.is_none() && looked != Looked::Unasked;
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
        Looked::Unasked => "no_input",
        Looked::Blind(_) => "unknown",
        _ if decided => "when",
        _ if tries.last().is_some_and(|last| last.held.is_none()) => "unknown",
        _ => "else",
    };
    let excluded = branch.map_or(&[][..], |branch| &branch.rules_out).iter();
    Told {
        title: visit.title.clone(),
        layer: step.layer,
        looked,
        tried: tries,
        arm: arm.to_owned(),
        spoken_against,
        excluded: excluded
            .map(|(id, why)| RuledOut { id: id.clone(), why: why.fill(names) })
            .collect(),
        to: To::Healthy,
    }
}
