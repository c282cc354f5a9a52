//! Steps: arms that are missing, commands by hand, early starts, evidence.

use super::{Advisor, Written, entry, items};
use crate::runbook::code::Code;
use crate::runbook::expr::Facts;
use crate::runbook::yaml::{Node, Yaml};
use crate::runbook::{Arg, Conclusion, Kind, Step};

impl<'a> Advisor<'a> {
    pub(super) fn step(&mut self, written: Written<'a>) {
        let step = written.step;
        // What a file leaves out of a step that it extends stands in the other file.
        let whole =
            ["probe", "ask", "decide", "use"].iter().any(|kind| written.find(kind).is_some());
        if let (Kind::Probe { .. }, true) = (&step.kind, whole) {
            if step.unknown.is_none() {
                let message = format!(
                    "`{}` may be unable to look, and nothing says what to do then",
                    step.id
                );
                let help = "add `unknown: step` to go on, or `unknown: inconclusive`";
                self.advice(Code::NO_UNKNOWN_ARM, &written.key.span, message, help);
            }
            if step.by_hand.is_none() {
                let message = format!("`{}` does not say how to check it by hand", step.id);
                let help = "add the command that shows the same, as in \
                            `by_hand: dig +short {{ target.host }}`";
                self.advice(Code::NO_BY_HAND, &written.key.span, message, help);
            }
        }
        self.early_starts(written);
    }

    fn early_starts(&mut self, written: Written<'a>) {
        let Some((_, node)) = written.entry("meanwhile") else {
            return;
        };
        let entries = match &node.value {
            Yaml::List(entries) => entries.as_slice(),
            _ => std::slice::from_ref(node),
        };
        for (meanwhile, node) in written.step.meanwhile.iter().zip(entries) {
            let places = entry(node, "start").map(|(_, node)| items(node)).unwrap_or_default();
            for (other, place) in meanwhile.start.iter().zip(places) {
                self.early_start(written, *other, place);
            }
        }
    }

    fn early_start(&mut self, written: Written<'a>, other: usize, place: &Node) {
        let started = self.steps[other];
        if !self.before.comes(written.at, other) {
            let message = format!("no way leads from `{}` to `{}`", written.step.id, started.id);
            let help = "it would be started, and its result never waited for";
            self.advice(Code::EARLY_START, &place.span, message, help);
            return;
        }
        let Some(known) = self.known[written.at].clone() else {
            return;
        };
        if let Some(needed) = self.never_known(written, started, &known) {
            let message = format!("`{}` can never start here: it needs `{needed}`", started.id);
            let help = if needed == written.step.id {
                "that is the step that is still waiting: take it out of `start`, or give the \
                 argument a value to fall back on"
            } else {
                "that step runs later: take this one out of `start`"
            };
            self.advice(Code::EARLY_START, &place.span, message, help);
        }
    }

    /// Returns a step that an argument needs and that has certainly not run while `written` waits.
    fn never_known(&self, written: Written<'a>, started: &Step, known: &Facts) -> Option<String> {
        let Kind::Probe { spec, with } = &started.kind else {
            return None;
        };
        let args = &crate::runbook::types::of(spec).args;
        with.iter().find_map(|(name, arg)| {
            let Arg::Expr(expr) = arg else {
                return None;
            };
            if args.field(name).is_some_and(|field| field.nullable || field.default.is_some()) {
                return None;
            }
            let step = expr.doubt(known)?.step?;
            let at = *self.index.get(step.as_str())?;
            (!self.before.comes(at, written.at)).then_some(step)
        })
    }

    /// Steps cited that no way to the conclusion goes through.
    pub(super) fn evidence(&mut self, written: Written<'a>, node: &Node, conclusion: &Conclusion) {
        let cited = entry(node, "evidence").map(|(_, node)| items(node)).unwrap_or_default();
        for (id, place) in conclusion.evidence.iter().zip(cited) {
            let Some(&at) = self.index.get(id.as_str()) else {
                continue;
            };
            if at != written.at && !self.before.comes(at, written.at) {
                let message = format!("`{id}` never runs before `{}`", written.step.id);
                let help = "cite steps on the way here";
                self.advice(Code::EVIDENCE, &place.span, message, help);
            }
        }
    }
}
