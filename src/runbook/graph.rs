//! Checks over the steps as a whole: cycles, steps never reached, cases not covered, and
//! conditions that may be unknown where nothing says what to do then.

use std::ops::Range;

use super::code::Code;
use super::expr::{Expr, Facts};
use super::problem::Problem;
use super::read::Reader;
use super::step::Draft;
use super::ways::{self, Arm};
use super::yaml::Node;
use super::{Kind, Next, Param, Step};
use crate::model::types::Type;

/// Problems that leave every expression and arm readable.
const JUDGED_ALONE: [Code; 9] = [
    Code::NO_ELSE,
    Code::UNREACHABLE,
    Code::UNKNOWN_WORD,
    Code::BAD_NAME,
    Code::NEEDS,
    Code::PARAM,
    Code::ARGUMENT,
    Code::ARGUMENT_TYPE,
    Code::DIAGNOSIS,
];

/// A way from one step to another.
struct Edge {
    to: usize,
    span: Range<usize>,
}

impl Reader {
    /// Checks the steps as a whole, as far as what is wrong already lets that be judged.
    pub(super) fn graph(&mut self, drafts: &[Draft], start: Option<usize>, params: &[Param]) {
        // A step that is turned off leads nowhere; what only it led to is no mistake.
        let ways: Vec<Vec<Edge>> = drafts.iter().map(edges).collect();
        let is_on = |draft: &Draft| draft.disabled.is_none();
        let real = |draft: &Draft| if is_on(draft) { edges(draft) } else { Vec::new() };
        let edges: Vec<Vec<Edge>> = drafts.iter().map(real).collect();
        for draft in drafts.iter().filter(|draft| is_on(draft)) {
            self.started_early(draft, drafts);
            if !self.torn {
                self.covered(draft);
            }
        }
        let order = self.cycles(drafts, &edges, start.unwrap_or(0));
        let twice = |problem: &Problem| problem.code == Code::DUPLICATE_KEY;
        let Some(start) = start else {
            return;
        };
        if !self.astray && !self.errors.problems.iter().any(twice) {
            self.unreached(drafts, &ways, start);
        }
        // What a condition proves is only known where every expression could be read.
        let broken = |problem: &Problem| !JUDGED_ALONE.contains(&problem.code);
        if let (Some(order), false) = (order, self.errors.problems.iter().any(broken)) {
            self.doubts(drafts, &order, start, params);
        }
    }

    /// Only probes can be started before their turn.
    fn started_early(&mut self, draft: &Draft, drafts: &[Draft]) {
        let steps = draft.step.meanwhile.iter().flat_map(|meanwhile| &meanwhile.start);
        for (step, span) in steps.zip(&draft.early) {
            let Some(other) = drafts.get(*step).map(|other| &other.step) else {
                continue;
            };
            if !matches!(other.kind, Kind::Probe { .. }) {
                let message =
                    format!("`{}` is no probe step, only those can start early", other.id);
                self.wrong(Code::LEADS, span, message, None);
            }
        }
    }

    /// Wants an `else`, unless the conditions name every word of a result's field.
    fn covered(&mut self, draft: &Draft) {
        let step = &draft.step;
        if matches!(step.kind, Kind::Ask { .. }) || step.branches.is_empty() {
            return;
        }
        if step.branches.iter().any(|branch| branch.when.is_none()) {
            return;
        }
        let missing = match uncovered(draft) {
            Some(missing) if missing.is_empty() => return,
            Some(missing) => Some(format!("not covered: {}", missing.join(", "))),
            None => None,
        };
        let help = missing.unwrap_or_else(|| "add `- else: step` as the last branch".to_owned());
        let message = format!("the branches of `{}` do not cover every case", step.id);
        self.wrong(Code::NO_ELSE, &draft.branches, message, Some(help));
    }

    /// Reports cycles; returns the steps reached in an order in which every step comes after those
    /// that lead to it, or nothing when there is a cycle.
    fn cycles(
        &mut self,
        drafts: &[Draft],
        edges: &[Vec<Edge>],
        start: usize,
    ) -> Option<Vec<usize>> {
        #[derive(Clone, Copy, PartialEq)]
        enum Mark {
            New,
            Open,
            Done,
        }
        let mut marks = vec![Mark::New; drafts.len()];
        let mut order = Vec::new();
        let mut cyclic = false;
        let roots = std::iter::once(start).chain(0..drafts.len());
        for root in roots {
            if marks[root] != Mark::New {
                continue;
            }
            // An explicit stack: step and its next edge.
            let mut stack = vec![(root, 0)];
            marks[root] = Mark::Open;
            while let Some((at, next)) = stack.pop() {
                let Some(edge) = edges[at].get(next) else {
                    marks[at] = Mark::Done;
                    order.push(at);
                    continue;
                };
                stack.push((at, next + 1));
                match marks[edge.to] {
                    Mark::New => {
                        marks[edge.to] = Mark::Open;
                        stack.push((edge.to, 0));
                    }
                    Mark::Open => {
                        cyclic = true;
                        let from = stack.iter().position(|(step, _)| *step == edge.to);
                        if self.errors.is_full() {
                            continue;
                        }
                        let round: Vec<&str> = stack[from.unwrap_or(0)..]
                            .iter()
                            .map(|(step, _)| drafts[*step].step.id.as_str())
                            .chain([drafts[edge.to].step.id.as_str()])
                            .collect();
                        let message = format!("this leads back: {}", shortened(&round));
                        let other = (drafts[edge.to].id.clone(), "to here".to_owned());
                        self.problem(Code::CYCLE, &edge.span, message, None, Some(other));
                    }
                    Mark::Done => {}
                }
            }
        }
        order.reverse();
        (!cyclic).then_some(order)
    }

    fn unreached(&mut self, drafts: &[Draft], edges: &[Vec<Edge>], start: usize) {
        let mut reached = vec![false; drafts.len()];
        let off = (0..drafts.len()).filter(|at| drafts[*at].disabled.is_some());
        let mut open: Vec<usize> = off.chain([start]).collect();
        while let Some(at) = open.pop() {
            if !std::mem::replace(&mut reached[at], true) {
                open.extend(edges[at].iter().map(|edge| edge.to));
            }
        }
        for (at, draft) in drafts.iter().enumerate() {
            // What an extending runbook no longer reaches is left out.
            if reached[at] || self.part(draft.id.start).below {
                continue;
            }
            let early = drafts.iter().any(|other| {
                other.step.meanwhile.iter().any(|meanwhile| meanwhile.start.contains(&at))
            });
            let help = early
                .then(|| "it is only started early, and its result is never waited for".to_owned());
            let message = format!("no branch leads to the step `{}`", draft.step.id);
            self.wrong(Code::UNREACHABLE, &draft.id, message, help);
        }
    }

    /// Finds conditions that may be unknown where nothing says what to do then.
    fn doubts(&mut self, drafts: &[Draft], order: &[usize], start: usize, params: &[Param]) {
        let steps: Vec<&Step> = drafts.iter().map(|draft| &draft.step).collect();
        let known = ways::known(&steps, order, start, params);
        for &at in order {
            let (Some(before), draft) = (&known[at], &drafts[at]) else {
                continue;
            };
            // A question has its `no_input`.
            let asks = matches!(draft.step.kind, Kind::Ask { .. });
            if draft.step.unknown.is_some() || asks {
                continue;
            }
            for way in ways::out(&draft.step, before) {
                if let (Arm::Branch(nth), Some(when)) = (way.arm, &way.branch.when) {
                    let node = draft.arms.get(nth).and_then(|(node, _)| node.as_ref());
                    self.doubt(draft.step.id.as_str(), when, node, &way.asked);
                }
            }
        }
    }

    fn doubt(&mut self, step: &str, when: &Expr, node: Option<&Node>, facts: &Facts) {
        let (Some(doubt), Some(node)) = (when.doubt(facts), node) else {
            return;
        };
        let span = self.within(node, doubt.span);
        let message = format!("{}, and the step `{step}` has no `unknown:` arm", doubt.why);
        let help = "add `unknown: step`, or ask for it first with has(…) && …".to_owned();
        self.wrong(Code::NO_UNKNOWN, &span, message, Some(help));
    }
}

/// Names the steps of a round; of a long one the first and the last.
fn shortened(round: &[&str]) -> String {
    const MOST: usize = 12;
    match round.len() {
        0..=MOST => round.join(" → "),
        count => {
            let (first, last) = (&round[..MOST / 2], &round[count - MOST / 2..]);
            format!("{} → … → {}", first.join(" → "), last.join(" → "))
        }
    }
}

fn edges(draft: &Draft) -> Vec<Edge> {
    let step = &draft.step;
    let (no_input, choices) = match &step.kind {
        Kind::Ask { choices, no_input, .. } => (Some(&**no_input), choices.as_slice()),
        _ => (None, &[][..]),
    };
    let others = step.unknown.iter().chain(no_input);
    let others = others.chain(choices.iter().map(|(_, branch)| branch));
    let arms = step.branches.iter().zip(draft.arms.iter().map(|(_, span)| span));
    arms.chain(others.zip(&draft.others))
        .filter_map(|(branch, span)| match branch.next {
            Next::Goto(to) => Some(Edge { to, span: span.clone() }),
            _ => None,
        })
        .collect()
}

/// Returns the words that no branch names, when every branch names words of the same field of the
/// step's own result.
fn uncovered(draft: &Draft) -> Option<Vec<String>> {
    let mut path: Option<String> = None;
    let mut named = Vec::new();
    for branch in &draft.step.branches {
        let (this, words) = branch.when.as_ref()?.words()?;
        if path.get_or_insert_with(|| this.clone()) != &this {
            return None;
        }
        named.extend(words);
    }
    let path = path?;
    let field = path.strip_prefix("result.")?;
    let Kind::Probe { spec, .. } = &draft.step.kind else {
        return None;
    };
    let field = super::types::of(spec).result.field(field)?;
    let Type::Word(words) = &field.ty else {
        return None;
    };
    if field.nullable {
        return None;
    }
    let missing = words.iter().filter(|word| !named.contains(&word.name));
    Some(missing.map(|word| word.name.clone()).collect())
}
