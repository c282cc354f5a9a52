//! Steps that are left out: those that `disable` turns off, and those of an extended runbook that
//! nothing leads to any more.

use std::collections::HashMap;
use std::ops::Range;

use super::code::Code;
use super::read::Reader;
use super::step::Draft;
use super::{Branch, Kind, Next, Step};

impl Reader {
    /// Leads every way to a step that is turned off to where that step says instead; returns the step
    /// to begin with.
    pub(super) fn turn_off(
        &mut self,
        drafts: &mut [Draft],
        start: Option<(usize, Range<usize>)>,
    ) -> Option<usize> {
        let mut ends: HashMap<usize, End> = HashMap::new();
        for at in 0..drafts.len() {
            if let Some(place) = drafts[at].disabled.as_ref().map(|(_, place)| place.clone()) {
                let end = end_of(drafts, at).unwrap_or_else(|| {
                    let message = "the steps that are disabled lead to each other in a circle";
                    self.wrong(Code::CYCLE, &place, message, None);
                    End::Inconclusive
                });
                ends.insert(at, end);
            }
        }
        if ends.is_empty() {
            return start.map(|(at, _)| at);
        }
        for draft in &mut *drafts {
            for branch in arms(&mut draft.step) {
                if let Next::Goto(to) = branch.next
                    && let Some(end) = ends.get(&to)
                {
                    branch.next = end.next();
                }
            }
            let mut early = std::mem::take(&mut draft.early).into_iter();
            for meanwhile in &mut draft.step.meanwhile {
                meanwhile.start.retain(|step| {
                    let place = early.next();
                    let runs = !ends.contains_key(step);
                    draft.early.extend(place.filter(|_| runs));
                    runs
                });
            }
        }
        let (at, place) = start?;
        match ends.get(&at) {
            None => Some(at),
            Some(End::Step(to)) => Some(*to),
            Some(_) => {
                let message = "the first step is disabled, and no other takes its place";
                let help = "let it be disabled in favour of another step".to_owned();
                self.wrong(Code::LEADS, &place, message, Some(help));
                None
            }
        }
    }
}

impl Reader {
    /// Forgets what is wrong in steps of an extended runbook that are left out.
    pub(super) fn forgive_idle(&mut self, drafts: &[Draft], start: usize) {
        if self.changes.extends.is_none() {
            return;
        }
        let reached = reached(drafts.iter().map(|draft| &draft.step).collect(), start);
        let idle = |id: &str| {
            drafts.iter().zip(&reached).any(|(draft, reached)| !reached && draft.step.id == id)
        };
        let places: Vec<Range<usize>> = self
            .changes
            .below
            .iter()
            .filter(|(id, _)| idle(id))
            .map(|(_, place)| place.clone())
            .collect();
        self.errors
            .problems
            .retain(|problem| !places.iter().any(|place| place.contains(&problem.span.start)));
    }
}

/// Where a step that is turned off leads in the end.
#[derive(Clone, Copy)]
enum End {
    Step(usize),
    Healthy,
    Inconclusive,
}

impl End {
    fn next(self) -> Next {
        match self {
            End::Step(to) => Next::Goto(to),
            End::Healthy => Next::Healthy,
            End::Inconclusive => Next::Inconclusive,
        }
    }
}

/// Follows steps that are turned off; `None` when they lead back to themselves.
fn end_of(drafts: &[Draft], from: usize) -> Option<End> {
    let mut at = from;
    for _ in 0..=drafts.len() {
        match drafts[at].disabled.as_ref().map(|(next, _)| next) {
            None => return Some(End::Step(at)),
            Some(Next::Goto(to)) => at = *to,
            Some(Next::Healthy) => return Some(End::Healthy),
            Some(_) => return Some(End::Inconclusive),
        }
    }
    None
}

fn arms(step: &mut Step) -> impl Iterator<Item = &mut Branch> {
    let (no_input, choices) = match &mut step.kind {
        Kind::Ask { no_input, choices, .. } => (Some(&mut **no_input), choices.as_mut_slice()),
        _ => (None, &mut [][..]),
    };
    let choices = choices.iter_mut().map(|(_, branch)| branch);
    step.branches.iter_mut().chain(&mut step.unknown).chain(no_input).chain(choices)
}

/// Tells of every step whether a walk from `start` may reach it.
fn reached(steps: Vec<&Step>, start: usize) -> Vec<bool> {
    let mut reached = vec![false; steps.len()];
    let mut open = vec![start];
    while let Some(at) = open.pop() {
        if std::mem::replace(&mut reached[at], true) {
            continue;
        }
        let step = steps[at];
        let (no_input, choices) = match &step.kind {
            Kind::Ask { no_input, choices, .. } => (Some(&**no_input), choices.as_slice()),
            _ => (None, &[][..]),
        };
        let choices = choices.iter().map(|(_, branch)| branch);
        let branches = step.branches.iter().chain(&step.unknown).chain(no_input).chain(choices);
        open.extend(branches.filter_map(|branch| match branch.next {
            Next::Goto(to) => Some(to),
            _ => None,
        }));
    }
    reached
}

/// Takes out the steps that no walk from `start` reaches; returns the others, the new place of
/// `start`, and the ids of what was taken out.
pub(super) fn without_idle(drafts: Vec<Draft>, start: usize) -> (Vec<Step>, usize, Vec<String>) {
    let steps: Vec<Step> = drafts.into_iter().map(|draft| draft.step).collect();
    let reached = reached(steps.iter().collect(), start);
    if reached.iter().all(|reached| *reached) {
        return (steps, start, Vec::new());
    }
    let mut places = vec![0; steps.len()];
    let mut next = 0;
    for (place, reached) in places.iter_mut().zip(&reached) {
        *place = next;
        next += usize::from(*reached);
    }
    let mut kept = Vec::with_capacity(next);
    let mut left_out = Vec::new();
    for (mut step, is_reached) in steps.into_iter().zip(&reached) {
        if !is_reached {
            left_out.push(step.id);
            continue;
        }
        for branch in arms(&mut step) {
            if let Next::Goto(to) = &mut branch.next {
                *to = places[*to];
            }
        }
        for meanwhile in &mut step.meanwhile {
            meanwhile.start.retain(|other| reached[*other]);
            meanwhile.start.iter_mut().for_each(|other| *other = places[*other]);
        }
        kept.push(step);
    }
    (kept, places[start], left_out)
}
