//! The ways through a runbook: what is certainly known on each, and which steps come before which.

use super::expr::Facts;
use super::{Branch, Kind, Next, Param, Step};

/// One way out of a step.
pub(super) struct Way<'a> {
    /// Which arm of the step it is.
    pub(super) arm: Arm,
    pub(super) branch: &'a Branch,
    /// What is certainly known when its condition is asked.
    pub(super) asked: Facts,
    /// What is certainly known once it is taken.
    pub(super) taken: Facts,
}

/// An arm of a step.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Arm {
    /// `unknown`.
    Unknown,
    /// `no_input`.
    NoInput,
    /// A choice, by its position.
    Choice(usize),
    /// A branch, by its position.
    Branch(usize),
}

/// Returns the ways out of a step, given what is known before it.
pub(super) fn out<'a>(step: &'a Step, before: &Facts) -> Vec<Way<'a>> {
    let mut ways = Vec::new();
    let mut way = |arm, branch: &'a Branch, asked: &Facts, taken: Facts| {
        ways.push(Way { arm, branch, asked: asked.clone(), taken });
    };
    if let Some(branch) = &step.unknown {
        way(Arm::Unknown, branch, before, before.clone());
    }
    if let Kind::Ask { choices, no_input, .. } = &step.kind {
        way(Arm::NoInput, no_input, before, before.clone());
        let seen = seen(step, before);
        for (nth, (_, branch)) in choices.iter().enumerate() {
            way(Arm::Choice(nth), branch, &seen, seen.clone());
        }
    }
    let mut facts = seen(step, before);
    for (nth, branch) in step.branches.iter().enumerate() {
        let Some(when) = &branch.when else {
            way(Arm::Branch(nth), branch, &facts, facts.clone());
            continue;
        };
        way(Arm::Branch(nth), branch, &facts, facts.when_true(when));
        facts = facts.when_false(when);
    }
    ways
}

/// Returns what is known once the step has seen something.
pub(super) fn seen(step: &Step, before: &Facts) -> Facts {
    let mut facts = before.clone();
    match &step.kind {
        Kind::Ask { expects: Some(_), .. } => {
            facts.add("result");
            facts.add(&step.id);
        }
        Kind::Ask { .. } => {
            facts.add("result.answer");
            facts.add(&format!("{}.answer", step.id));
        }
        Kind::Decide => {}
        Kind::Probe { .. } | Kind::Use { .. } => {
            facts.add("result");
            facts.add(&step.id);
        }
    }
    facts
}

/// Follows what is certainly known along every way: by step, `None` where no way leads. `order` has
/// every step behind those that lead to it.
pub(super) fn known(
    steps: &[&Step],
    order: &[usize],
    start: usize,
    params: &[Param],
) -> Vec<Option<Facts>> {
    let mut base = Facts::default();
    base.add("target.input");
    base.add("target.family");
    base.add("params");
    for param in params {
        base.add(&format!("params.{}", param.name));
    }
    let mut known: Vec<Option<Facts>> = vec![None; steps.len()];
    known[start] = Some(base);
    for &at in order {
        let Some(before) = known[at].clone() else {
            continue;
        };
        let step = steps[at];
        for way in out(step, &before) {
            let Next::Goto(to) = way.branch.next else {
                continue;
            };
            let facts = way.taken.renamed("result", &step.id);
            known[to] = Some(match known[to].take() {
                Some(other) => other.both(&facts),
                None => facts,
            });
        }
    }
    known
}

/// Returns every branch of a step.
pub(super) fn branches(step: &Step) -> impl Iterator<Item = &Branch> {
    let (no_input, choices) = match &step.kind {
        Kind::Ask { choices, no_input, .. } => (Some(&**no_input), choices.as_slice()),
        _ => (None, &[][..]),
    };
    let choices = choices.iter().map(|(_, branch)| branch);
    step.branches.iter().chain(&step.unknown).chain(no_input).chain(choices)
}

/// Returns the steps that a step leads to.
fn leads(step: &Step) -> impl Iterator<Item = usize> {
    branches(step).filter_map(|branch| match branch.next {
        Next::Goto(to) => Some(to),
        _ => None,
    })
}

/// Which steps come before which, on some way.
pub(super) struct Before {
    words: usize,
    bits: Vec<u64>,
}

impl Before {
    /// Finds out; steps without a cycle among them, from `start`.
    pub(super) fn of(steps: &[&Step], order: &[usize]) -> Before {
        let words = steps.len().div_ceil(64);
        let mut bits = vec![0u64; words * steps.len()];
        for &at in order {
            for to in leads(steps[at]) {
                for word in 0..words {
                    let more = bits[at * words + word];
                    bits[to * words + word] |= more;
                }
                bits[to * words + at / 64] |= 1 << (at % 64);
            }
        }
        Before { words, bits }
    }

    /// Says whether the one may have run before the other.
    pub(super) fn comes(&self, one: usize, before: usize) -> bool {
        self.bits[before * self.words + one / 64] >> (one % 64) & 1 == 1
    }
}

/// Returns the steps reached from `start`, each behind those that lead to it; the steps have no cycle.
pub(super) fn order(steps: &[&Step], start: usize) -> Vec<usize> {
    let mut done = vec![false; steps.len()];
    let mut order = Vec::new();
    let mut stack = vec![(start, leads(steps[start]).collect::<Vec<_>>())];
    done[start] = true;
    while let Some((at, next)) = stack.last_mut() {
        match next.pop() {
            Some(to) if !std::mem::replace(&mut done[to], true) => {
                stack.push((to, leads(steps[to]).collect()));
            }
            Some(_) => {}
            None => {
                order.push(*at);
                stack.pop();
            }
        }
    }
    order.reverse();
    order
}
