//! Conditions: never true, taken before, only by `else`, never null.

use super::{Advisor, Written, entry, items, listed};
use crate::runbook::code::Code;
use crate::runbook::expr::{Cases, Expr};
use crate::runbook::ways::Arm;
use crate::runbook::yaml::Node;
use crate::runbook::{Next, ways};

impl Advisor<'_> {
    pub(super) fn conditions(&mut self, written: Written<'_>) {
        self.dead_branches(written);
        self.only_else(written);
        self.never_unknown(written);
        let findings = written.find("findings").map(items).unwrap_or_default();
        for (note, item) in written.step.findings.iter().zip(findings) {
            if let Some((_, node)) = entry(item, "when") {
                self.contradiction(written, &note.when, node);
                self.condition(written, &note.when, node);
            }
        }
        for (nth, branch) in written.step.branches.iter().enumerate() {
            if let (Some(when), Some(node)) = (&branch.when, written.when(nth)) {
                self.condition(written, when, node);
            }
        }
    }

    /// What is said about a condition on its own.
    fn condition(&mut self, written: Written<'_>, when: &Expr, node: &Node) {
        for span in when.idle_null_tests() {
            let tested = when.source().get(span.clone()).unwrap_or_default().to_owned();
            let span = self.reader.within(node, span);
            let help = "take the test out; whether a step has run is asked with has(step.field)";
            self.advice(Code::NEVER_NULL, &span, format!("`{tested}`: this is never null"), help);
        }
        self.in_expression(written, when, node, 0);
    }

    /// Returns whether it said something.
    fn contradiction(&mut self, written: Written<'_>, when: &Expr, node: &Node) -> bool {
        let cases = when.cases(&|path| self.vocabulary(written.step, path));
        let Some(why) = cases.as_ref().and_then(|cases| cases.contradiction()) else {
            return false;
        };
        let message = format!("this is never true: {why}");
        self.advice(Code::NEVER_TRUE, &node.span, message, "is || meant instead of &&?");
        true
    }

    fn dead_branches(&mut self, written: Written<'_>) {
        let mut earlier = Vec::new();
        for (nth, branch) in written.step.branches.iter().enumerate() {
            let (Some(when), Some(node)) = (&branch.when, written.when(nth)) else {
                earlier.push(None);
                continue;
            };
            let cases = when.cases(&|path| self.vocabulary(written.step, path));
            if self.contradiction(written, when, node) {
                earlier.push(None);
                continue;
            }
            let before: usize = earlier.iter().flatten().map(Cases::count).sum();
            let cost = before * cases.as_ref().map_or(0, Cases::count);
            self.patience = self.patience.saturating_sub(cost);
            let patient = cases.as_ref().filter(|_| self.patience > 0);
            let taken = patient.and_then(|cases| cases.within(&earlier));
            if let (Some(before), true) = (taken, self.is_own(&node.span)) {
                let other = written.when(before).map(|other| other.span.clone());
                self.reader.problem(
                    Code::TAKEN_BEFORE,
                    &node.span,
                    "whenever this is true, an earlier branch is taken".to_owned(),
                    Some("put the narrower condition first, or take this branch out".to_owned()),
                    other
                        .filter(|span| self.is_own(span))
                        .map(|span| (span, "this one is tried before".to_owned())),
                );
            }
            earlier.push(cases);
        }
    }

    /// Words that only an `else` handles which concludes something, while the branches name most.
    fn only_else(&mut self, written: Written<'_>) {
        let step = written.step;
        let Some((last, branches)) = step.branches.split_last() else {
            return;
        };
        let concludes = matches!(last.next, Next::Healthy | Next::Conclude(_));
        let place = written.item(branches.len()).and_then(|item| entry(item, "else"));
        let (None, true, Some((key, _))) = (&last.when, concludes, place) else {
            return;
        };
        let mut path = None;
        let mut named = Vec::new();
        for branch in branches {
            let Some((this, words)) = branch.when.as_ref().and_then(Expr::words) else {
                return;
            };
            if path.get_or_insert_with(|| this.clone()) != &this {
                return;
            }
            named.extend(words);
        }
        let vocabulary = path.as_ref().and_then(|path| self.vocabulary(step, path));
        let (Some(path), Some(vocabulary)) = (path, vocabulary) else {
            return;
        };
        let left: Vec<&String> = vocabulary.iter().filter(|word| !named.contains(word)).collect();
        let handled = vocabulary.len() - left.len();
        if !left.is_empty() && branches.len() > 1 && left.len() < handled {
            let message = format!("only `else` handles {} of `{path}`", listed(&left));
            let help = "name them in a branch, or let `else` lead to inconclusive";
            self.advice(Code::ONLY_ELSE, &key.span, message, help);
        }
    }

    /// An `unknown` arm of a decision in which nothing can be unknown.
    fn never_unknown(&mut self, written: Written<'_>) {
        let (Some((key, _)), Some(before)) = (written.entry("unknown"), &self.known[written.at])
        else {
            return;
        };
        let decides = matches!(written.step.kind, crate::runbook::Kind::Decide);
        let closed = written.step.branches.last().is_some_and(|branch| branch.when.is_none());
        let unknown = ways::out(written.step, before).iter().any(|way| {
            matches!(way.arm, Arm::Branch(_))
                && way.branch.when.as_ref().is_some_and(|when| when.doubt(&way.asked).is_some())
        });
        if decides && closed && !unknown {
            let message = "this arm is never taken: no condition of this decision can be unknown";
            self.advice(Code::NEVER_UNKNOWN, &key.span, message, "take it out");
        }
    }
}
