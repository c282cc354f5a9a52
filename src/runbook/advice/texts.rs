//! Texts and arguments: what they say about steps that may not have run, old names, single braces.

use std::collections::HashSet;

use super::{Advisor, Written, entries, entry, items};
use crate::runbook::code::Code;
use crate::runbook::expr::{Doubt, Expr, Facts, Template, sole_hole};
use crate::runbook::yaml::{Node, Yaml};
use crate::runbook::{Arg, Branch, Conclusion, Kind, Next, ways};

impl<'a> Advisor<'a> {
    pub(super) fn texts(&mut self, written: Written<'a>) {
        let step = written.step;
        let Some(before) = self.known[written.at].clone() else {
            return;
        };
        self.text(written, written.find("title"), Some(&step.title), &before);
        self.text(written, written.find("by_hand"), step.by_hand.as_ref(), &before);
        if let Kind::Ask { question, why, .. } = &step.kind {
            self.text(written, written.find("why"), why.as_ref(), &before);
            let said = written.find("title").is_none();
            self.text(written, written.find("ask"), said.then_some(question), &before);
        }
        self.arguments(written, &before);
        let seen = ways::seen(step, &before);
        let findings = written.find("findings").map(items).unwrap_or_default();
        for (note, item) in step.findings.iter().zip(findings) {
            self.conclusion(written, item, &note.conclusion, &seen.when_true(&note.when));
        }
        for way in ways::out(step, &before) {
            if let Some(node) = written.arm(way.arm) {
                self.arm(written, node, way.branch, &way.taken);
            }
        }
    }

    fn arm(&mut self, written: Written<'a>, node: &'a Node, branch: &Branch, facts: &Facts) {
        let find = |name| entry(node, name).map(|(_, node)| node);
        self.text(written, find("text"), branch.text.as_ref(), facts);
        let reasons = find("rules_out").map(entries).unwrap_or_default();
        for ((_, reason), (_, node)) in branch.rules_out.iter().zip(reasons) {
            self.text(written, Some(node), Some(reason), facts);
        }
        if let Next::Conclude(conclusion) = &branch.next {
            self.conclusion(written, node, conclusion, facts);
        }
    }

    fn conclusion(
        &mut self,
        written: Written<'a>,
        node: &'a Node,
        conclusion: &Conclusion,
        facts: &Facts,
    ) {
        let with = entry(node, "with").map(|(_, node)| entries(node)).unwrap_or_default();
        for (name, arg) in &conclusion.with {
            if let Some((_, node)) = with.iter().find(|(key, _)| key.name == *name) {
                self.said(written, node, arg, facts, Code::TEXT_UNKNOWN);
            }
        }
        if let (Some((_, node)), Some(arg)) = (entry(node, "confidence"), &conclusion.confidence) {
            self.said(written, node, arg, facts, Code::TEXT_UNKNOWN);
        }
        self.evidence(written, node, conclusion);
    }

    fn text(
        &mut self,
        written: Written<'a>,
        node: Option<&'a Node>,
        text: Option<&Template>,
        facts: &Facts,
    ) {
        let (Some(node), Some(text)) = (node, text) else {
            return;
        };
        for (expr, at) in text.holes() {
            self.speaks(written, node, expr, at, facts, Code::TEXT_UNKNOWN);
        }
    }

    fn said(&mut self, written: Written<'a>, node: &'a Node, arg: &Arg, facts: &Facts, code: Code) {
        match arg {
            Arg::Literal(_) => {}
            Arg::Expr(expr) => self.speaks(written, node, expr, offset(node), facts, code),
            Arg::Text(text) => {
                for (expr, at) in text.holes() {
                    self.speaks(written, node, expr, at, facts, code);
                }
            }
            Arg::List(args) => {
                for (arg, node) in args.iter().zip(items(node)) {
                    self.said(written, node, arg, facts, code);
                }
            }
        }
    }

    fn arguments(&mut self, written: Written<'a>, before: &Facts) {
        let (with, optional): (_, &dyn Fn(&str) -> bool) = match &written.step.kind {
            Kind::Probe { spec, with } => (with, &|name| {
                let args = &crate::runbook::types::of(spec).args;
                args.field(name).is_some_and(|field| field.nullable || field.default.is_some())
            }),
            Kind::Use { with, .. } => (with, &|_| false),
            _ => return,
        };
        let nodes = written.find("with").map(entries).unwrap_or_default();
        for (name, arg) in with {
            let Some((_, node)) = nodes.iter().find(|(key, _)| key.name == *name) else {
                continue;
            };
            // An optional argument is left out when it is unknown; a text then has a ? in it.
            let code = match arg {
                Arg::Expr(_) if optional(name) => None,
                Arg::Text(_) => Some(Code::TEXT_UNKNOWN),
                _ => Some(Code::ARGUMENT_UNKNOWN),
            };
            if let Some(code) = code {
                self.said(written, node, arg, before, code);
            }
        }
    }

    /// Judges an expression whose value is used: it begins `at` bytes into the node's text.
    fn speaks(
        &mut self,
        written: Written<'a>,
        node: &Node,
        expr: &Expr,
        at: usize,
        facts: &Facts,
        code: Code,
    ) {
        if self.in_expression(written, expr, node, at) {
            return;
        }
        let Some(Doubt { span, step: Some(id), .. }) = expr.doubt(facts) else {
            return;
        };
        let span = self.reader.within(node, span.start + at..span.end + at);
        let (message, help) = if code == Code::ARGUMENT_UNKNOWN {
            (
                format!("when `{id}` has not run or could not look, this step cannot look either"),
                format!("give a value to fall back on: has({id}.…) ? {id}.… : …"),
            )
        } else {
            (
                format!("when `{id}` has not run or could not look, the reader finds a ? here"),
                format!("write has({id}.…) ? … : …, or say it where `{id}` has run"),
            )
        };
        self.advice(code, &span, message, &help);
    }

    /// What is said about every expression: old names, and steps that only run later. Returns whether
    /// it speaks of such a step.
    pub(super) fn in_expression(
        &mut self,
        written: Written<'_>,
        expr: &Expr,
        node: &Node,
        at: usize,
    ) -> bool {
        for old in expr.old_names() {
            let name = expr.source().get(old.span.clone()).unwrap_or_default().to_owned();
            let span = self.reader.within(node, old.span.start + at..old.span.end + at);
            let message = format!("`{name}` is the old name of `{}`", old.new);
            self.instead(Code::DEPRECATED, &span, message, old.new.to_owned());
        }
        let mut later = false;
        for (name, span) in expr.names() {
            let Some(&other) = self.index.get(name.as_str()) else {
                continue;
            };
            if other == written.at || self.before.comes(other, written.at) {
                continue;
            }
            later = true;
            let span = self.reader.within(node, span.start + at..span.end + at);
            let message = format!("`{name}` never runs before `{}`", written.step.id);
            self.advice(
                Code::RUNS_LATER,
                &span,
                message,
                "ask for it in a step that comes after it",
            );
        }
        later
    }

    /// Texts with `{result.x}` where `{{ result.x }}` is meant.
    pub(super) fn holes_with_one_brace(&mut self) {
        let mut names = HashSet::from(["target", "params", "result"]);
        names.extend(self.steps.iter().map(|step| step.id.as_str()));
        let mut found = Vec::new();
        for key in ["steps", "diagnoses"] {
            if let Some((_, node)) = entry(self.root, key) {
                single_braces(node, &names, &mut found);
            }
        }
        for (node, range) in found {
            let Yaml::Text(text) = &node.value else {
                continue;
            };
            if self.reader.errors.is_full() {
                return;
            }
            let meant = format!("{{{{ {} }}}}", text[range.start + 1..range.end - 1].trim());
            let message = format!("the reader sees `{}` as it is written", &text[range.clone()]);
            let span = self.reader.within(node, range);
            self.instead(Code::ONE_BRACE, &span, message, meant);
        }
    }
}

/// Returns where the sole hole of a node's text begins.
fn offset(node: &Node) -> usize {
    match &node.value {
        Yaml::Text(text) => sole_hole(text).map_or(0, |(_, at)| at),
        _ => 0,
    }
}

fn single_braces<'a>(
    node: &'a Node,
    names: &HashSet<&str>,
    found: &mut Vec<(&'a Node, std::ops::Range<usize>)>,
) {
    match &node.value {
        Yaml::List(items) => items.iter().for_each(|item| single_braces(item, names, found)),
        Yaml::Map(entries) => {
            for (key, value) in entries {
                if key.name != "when" {
                    single_braces(value, names, found);
                }
            }
        }
        Yaml::Text(text) if text.contains('{') => {
            found.extend(in_text(text, names).into_iter().map(|range| (node, range)));
        }
        _ => {}
    }
}

fn in_text(text: &str, names: &HashSet<&str>) -> Vec<std::ops::Range<usize>> {
    let (mut found, mut from) = (Vec::new(), 0);
    while let Some(at) = text[from..].find('{').map(|at| from + at) {
        if text[at..].starts_with("{{") {
            let Some(end) = text[at..].find("}}") else {
                break;
            };
            from = at + end + 2;
            continue;
        }
        from = at + 1;
        let Some(length) = text[from..].find(['{', '}']) else {
            break;
        };
        let (inner, end) = (text[from..from + length].trim(), from + length);
        let path = |c: char| c.is_ascii_alphanumeric() || "._".contains(c);
        let root = inner.split_once('.').map(|(root, _)| root);
        let closed = text[end..].starts_with('}') && !text[end..].starts_with("}}");
        if closed && inner.chars().all(path) && root.is_some_and(|root| names.contains(root)) {
            found.push(at..end + 1);
            from = end + 1;
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_looks_like_a_hole_counts() {
        let names = HashSet::from(["result", "dns"]);
        let found = |text: &str| -> Vec<String> {
            in_text(text, &names).into_iter().map(|range| text[range].to_owned()).collect()
        };
        assert_eq!(found("{result.v4} and { dns.name }"), ["{result.v4}", "{ dns.name }"]);
        for text in [
            "{{ result.v4 }}",
            "awk '{print $1}'",
            "{result}",
            "{other.x}",
            "${x.y}",
            "{",
            "{result.v4",
        ] {
            assert!(found(text).is_empty(), "{text}");
        }
    }
}
