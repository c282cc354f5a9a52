//! The file's own diagnoses and parameters: what nothing uses, and what a reader would miss.

use std::collections::HashSet;

use super::{Advisor, entries, entry, items};
use crate::model::diagnosis::Severity;
use crate::runbook::code::Code;
use crate::runbook::read::Reader;
use crate::runbook::yaml::{Key, Node};
use crate::runbook::{Arg, Branch, Catalogue, Conclusion, Entry, Kind, Next, Runbook, ways};

impl Advisor<'_> {
    /// Parameters that nothing uses.
    pub(super) fn params(&mut self) {
        let Some((_, node)) = entry(self.root, "params") else {
            return;
        };
        let mut used = HashSet::new();
        each_source(self.book, &mut |source| {
            for (at, _) in source.match_indices("params.") {
                let rest = &source[at + "params.".len()..];
                let end = rest.find(|c: char| !c.is_ascii_alphanumeric() && c != '_');
                used.insert(rest[..end.unwrap_or(rest.len())].to_owned());
            }
        });
        for (key, _) in entries(node) {
            if !used.contains(&key.name) {
                let message = format!("nothing uses the parameter `{}`", key.name);
                let help =
                    format!("take it out, or write {{{{ params.{} }}}} where it counts", key.name);
                self.advice(Code::UNUSED_PARAM, &key.span, message, &help);
            }
        }
    }

    /// The file's own diagnoses.
    pub(super) fn diagnoses(&mut self) {
        let Some((_, node)) = entry(self.root, "diagnoses") else {
            return;
        };
        let concluded: HashSet<&str> = conclusions(self.book).map(|c| c.id.as_str()).collect();
        for (key, node) in entries(node) {
            if !concluded.contains(key.name.as_str()) {
                let message = format!("nothing concludes `{}`", key.name);
                let help = format!("take it out, or write `conclude: {}` in a branch", key.name);
                self.advice(Code::UNUSED_DIAGNOSIS, &key.span, message, &help);
            }
            let entry = self.book.catalogue.find(&key.name);
            if let (Some(entry), true) = (entry, self.is_own(&key.span)) {
                described(self.reader, key, node, entry, &self.book.catalogue);
            }
        }
    }
}

/// Adds advice about the entries of a catalogue file, beside the built-in catalogue.
pub(in crate::runbook) fn catalogue(reader: &mut Reader, root: &Node, read: Vec<Entry>) {
    let catalogue = Catalogue { entries: read, over_builtin: true };
    let Some((_, node)) = entry(root, "diagnoses") else {
        return;
    };
    for (key, node) in entries(node) {
        if let Some(entry) = catalogue.entries.iter().find(|entry| entry.id == key.name) {
            described(reader, key, node, entry, &catalogue);
        }
    }
}

/// What is said about the words of one diagnosis.
fn described(reader: &mut Reader, key: &Key, node: &Node, words: &Entry, catalogue: &Catalogue) {
    if words.remedies.is_empty() && words.severity != Severity::Info {
        let message = format!("`{}` says nothing that could be done", key.name);
        let help = "add `remedies:`, a list of {text: …, command: …, where: target}".to_owned();
        reader.wrong(Code::NO_REMEDY, &key.span, message, Some(help));
    }
    let mut texts = vec![words.title.source(), words.summary.source()];
    texts.extend(words.lookalikes.iter().map(|other| other.separate_by.source()));
    for remedy in &words.remedies {
        texts.push(remedy.text.source());
        texts.extend(remedy.command.as_ref().map(|command| command.source()));
        texts.extend(remedy.when.as_ref().map(|when| when.source()));
    }
    let listed = |key| entry(node, key).map(|(_, node)| items(node)).unwrap_or_default();
    // The engine itself concludes these, always with the same values.
    let engine = key.name.starts_with("inconclusive.");
    let needs = words.needs.iter().zip(listed("needs")).map(|(name, place)| (name, place, "needs"));
    let optional = words.optional.iter().zip(listed("optional"));
    let optional = optional.map(|(name, place)| (name, place, "optional"));
    for (need, place, list) in needs.chain(optional).filter(|_| !engine) {
        if !texts.iter().any(|text| text.contains(need.as_str())) {
            let message = format!("no text of `{}` uses `{need}`", key.name);
            let help = format!("write {{{{ {need} }}}} in a text, or take it out of `{list}`");
            reader.wrong(Code::UNUSED_VALUE, &place.span, message, Some(help));
        }
    }
    let others = entry(node, "lookalikes").map(|(_, node)| entries(node)).unwrap_or_default();
    for (other, _) in others {
        if catalogue.find(&other.name).is_none() {
            let known: Vec<&str> = catalogue.all().map(|entry| entry.id.as_str()).collect();
            let message = format!("there is no diagnosis `{}`", other.name);
            let known = (known.as_slice(), "diagnoses");
            reader.misnamed(Code::UNKNOWN_LOOKALIKE, &other.span, message, &other.name, known);
        }
    }
}

fn conclusions(book: &Runbook) -> impl Iterator<Item = &Conclusion> {
    let concluded = |branch: &'_ Branch| matches!(branch.next, Next::Conclude(_));
    book.steps.iter().flat_map(move |step| {
        let noted = step.findings.iter().map(|note| &note.conclusion);
        let ends = ways::branches(step).filter(move |branch| concluded(branch));
        noted.chain(ends.filter_map(|branch| match &branch.next {
            Next::Conclude(conclusion) => Some(&**conclusion),
            _ => None,
        }))
    })
}

/// Calls `see` with the source of every expression and text of a runbook.
fn each_source(book: &Runbook, see: &mut dyn FnMut(&str)) {
    for step in &book.steps {
        see(step.title.source());
        step.by_hand.iter().for_each(|text| see(text.source()));
        match &step.kind {
            Kind::Probe { with, .. } | Kind::Use { with, .. } => each_arg(with, see),
            Kind::Ask { question, why, .. } => {
                see(question.source());
                why.iter().for_each(|text| see(text.source()));
            }
            Kind::Decide => {}
        }
        for note in &step.findings {
            see(note.when.source());
        }
        for branch in ways::branches(step) {
            branch.when.iter().for_each(|when| see(when.source()));
            branch.text.iter().for_each(|text| see(text.source()));
            branch.rules_out.iter().for_each(|(_, why)| see(why.source()));
        }
    }
    for conclusion in conclusions(book) {
        each_arg(&conclusion.with, see);
        conclusion.confidence.iter().for_each(|arg| each_value(arg, see));
        let places = [&conclusion.hop, &conclusion.address];
        places.into_iter().flatten().for_each(|expr| see(expr.source()));
    }
}

fn each_arg(args: &[(String, Arg)], see: &mut dyn FnMut(&str)) {
    args.iter().for_each(|(_, arg)| each_value(arg, see));
}

fn each_value(arg: &Arg, see: &mut dyn FnMut(&str)) {
    match arg {
        Arg::Literal(_) => {}
        Arg::Expr(expr) => see(expr.source()),
        Arg::Text(text) => see(text.source()),
        Arg::List(items) => items.iter().for_each(|item| each_value(item, see)),
    }
}
