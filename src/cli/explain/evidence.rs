//! What leads to a diagnosis, and what an outcome leads to: read off the built-in runbooks.

use std::rc::Rc;

use serde_json::{Value, json};

use super::{Page, shown};
use crate::model::types::{Type, Word};
use crate::probe::{REGISTRY, Spec};
use crate::render::manual::Part;
use crate::runbook::{self, Branch, Kind, Next, Runbook, Step, builtin};

/// The most places that are listed.
const MOST: usize = 12;

/// A way out of a step of a built-in runbook.
struct Way {
    /// `runbook, "title of the step"`.
    place: String,
    /// What must be so, in the runbook's words.
    when: String,
    /// Where it leads, when that is an end.
    to: Option<String>,
    /// The names by which conditions here read what probes saw, each with its probe.
    readers: Rc<Vec<(String, &'static str)>>,
    /// The probe of the step.
    probe: Option<&'static str>,
}

impl Way {
    /// Whether its condition asks a probe's field for a word.
    fn asks(&self, probe: &str, path: &str, word: &str) -> bool {
        let asked = |name: &str| self.when.contains(&format!("{name}.{path} == \"{word}\""));
        let other = self.readers.iter().any(|(id, of)| *of == probe && asked(id));
        other || (self.probe == Some(probe) && asked("result"))
    }
}

/// Lists what leads to a diagnosis.
pub(super) fn of_diagnosis(id: &str) -> Vec<Part> {
    let ways = ways();
    let mut leading: Vec<&Way> = Vec::new();
    for way in ways.iter().filter(|way| way.to.as_deref() == Some(id)) {
        if !leading.iter().any(|known| known.place == way.place && known.when == way.when) {
            leading.push(way);
        }
    }
    if leading.is_empty() {
        return Vec::new();
    }
    let mut parts = vec![Part::Heading("What leads to it".to_owned())];
    let told = leading.iter().take(MOST);
    parts.extend(told.map(|way| Part::Item(way.place.clone(), way.when.clone())));
    if leading.len() > MOST {
        parts.push(Part::Text(format!("and {} more ways", leading.len() - MOST)));
    }
    parts
}

/// Explains a word of a probe's vocabulary: `tcp_connect.outcome.refused`.
pub(super) fn word(id: &str) -> Option<Page> {
    let (path, word) = id.rsplit_once('.')?;
    let (spec, path) = path.split_once('.')?;
    let spec = Spec::find(spec)?;
    let field = super::lookup(&(spec.result)(), path)?;
    let found = vocabulary(&field.ty)?.iter().find(|known| known.name == word)?.clone();
    Some(page(&[Found { spec, path: path.to_owned(), word: found }]))
}

/// Explains a word wherever a probe has it: `refused`.
pub(super) fn bare_word(word: &str) -> Option<Page> {
    let mut found = Vec::new();
    for spec in REGISTRY {
        search(spec, &(spec.result)().fields, "", word, &mut found);
    }
    (!found.is_empty()).then(|| page(&found))
}

/// Lists every word of every probe, for suggestions.
pub(super) fn words() -> Vec<String> {
    let mut words = Vec::new();
    for spec in REGISTRY {
        for field in (spec.result)().fields {
            let known = vocabulary(&field.ty).unwrap_or_default();
            words.extend(
                known.iter().map(|word| format!("{}.{}.{}", spec.id, field.name, word.name)),
            );
        }
    }
    words
}

/// A word and where it stands.
struct Found {
    spec: &'static Spec,
    path: String,
    word: Word,
}

fn search(
    spec: &'static Spec,
    fields: &[crate::model::types::Field],
    prefix: &str,
    wanted: &str,
    found: &mut Vec<Found>,
) {
    for field in fields {
        let path = format!("{prefix}{}", field.name);
        let known = vocabulary(&field.ty).unwrap_or_default();
        found.extend(known.iter().filter(|word| word.name == wanted).map(|word| Found {
            spec,
            path: path.clone(),
            word: word.clone(),
        }));
        if let Some(record) = super::record_in(&field.ty) {
            search(spec, &record.fields, &format!("{path}."), wanted, found);
        }
    }
}

fn vocabulary(ty: &Type) -> Option<&[Word]> {
    match ty {
        Type::Word(words) => Some(words),
        Type::List(item) | Type::Map(item) => vocabulary(item),
        _ => None,
    }
}

fn page(found: &[Found]) -> Page {
    let ways = ways();
    let (mut parts, mut data) = (Vec::new(), Vec::new());
    for Found { spec, path, word } in found {
        let id = format!("{}.{path}.{}", spec.id, word.name);
        parts.push(Part::Heading(format!("Outcome {id}")));
        parts.push(Part::Text(word.doc.clone()));
        parts.push(Part::Text(format!("Probe {}: {}", spec.id, spec.doc)));
        let asking: Vec<&Way> =
            ways.iter().filter(|way| way.asks(spec.id, path, &word.name)).collect();
        if !asking.is_empty() {
            parts.push(Part::Text("Where built-in runbooks ask for it:".to_owned()));
        }
        for way in asking.iter().take(MOST) {
            let to = way.to.as_ref().map_or(String::new(), |to| format!(", which is {to}"));
            parts.push(Part::Item(way.place.clone(), format!("{}{to}", way.when)));
        }
        data.push(json!({"id": id, "doc": word.doc, "probe": spec.id, "field": path}));
    }
    let data = match data.as_mut_slice() {
        [one] => one.take(),
        _ => Value::Array(data),
    };
    Page { parts, data }
}

fn ways() -> Vec<Way> {
    let mut ways = Vec::new();
    for (name, _) in builtin::RUNBOOKS {
        // A built-in runbook that is invalid is found by the tests.
        let Ok(runbook) = runbook::builtin(name) else { continue };
        collect(&runbook, &mut ways);
    }
    ways
}

fn collect(runbook: &Runbook, ways: &mut Vec<Way>) {
    let readers = runbook.steps.iter().filter_map(|step| match &step.kind {
        Kind::Probe { spec, .. } => Some((step.id.clone(), spec.id)),
        _ => None,
    });
    let readers = Rc::new(readers.collect::<Vec<_>>());
    for step in &runbook.steps {
        let place = format!("{}, {}", runbook.name, shown(step.title.source()));
        let probe = match &step.kind {
            Kind::Probe { spec, .. } => Some(spec.id),
            _ => None,
        };
        let mut way = |when: String, branch: &Branch| {
            let to = match &branch.next {
                Next::Conclude(conclusion) => Some(conclusion.id.clone()),
                _ => None,
            };
            ways.push(Way { place: place.clone(), when, to, readers: Rc::clone(&readers), probe });
        };
        for (when, branch) in arms(step) {
            way(when, branch);
        }
        for note in &step.findings {
            let (place, when) = (place.clone(), format!("noted when {}", note.when.source()));
            let to = Some(note.conclusion.id.clone());
            ways.push(Way { place, when, to, readers: Rc::clone(&readers), probe });
        }
    }
}

fn arms(step: &Step) -> Vec<(String, &Branch)> {
    let mut arms: Vec<(String, &Branch)> = Vec::new();
    for branch in &step.branches {
        let when = match &branch.when {
            Some(when) => when.source().to_owned(),
            None => "nothing else fits".to_owned(),
        };
        arms.push((when, branch));
    }
    if let Some(unknown) = &step.unknown {
        arms.push(("it could not look".to_owned(), unknown));
    }
    if let Kind::Ask { choices, no_input, .. } = &step.kind {
        let chosen = choices.iter().map(|(name, branch)| (format!("the answer is {name}"), branch));
        arms.extend(chosen);
        arms.push(("nobody can say".to_owned(), no_input));
    }
    arms
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_word_of_every_probe_can_be_explained() {
        let words = words();
        assert!(words.len() > 80, "{}", words.len());
        for id in words {
            let page = word(&id).unwrap_or_else(|| panic!("{id}"));
            assert!(page.data["doc"].as_str().is_some_and(|doc| !doc.is_empty()), "{id}");
        }
    }

    #[test]
    fn an_outcome_is_explained_with_what_built_in_runbooks_make_of_it() {
        let texts = |page: &Page| {
            let items = page.parts.iter().filter_map(|part| match part {
                Part::Item(place, when) => Some(format!("{place}: {when}")),
                _ => None,
            });
            items.collect::<Vec<_>>().join("\n")
        };
        let refused = word("tcp_connect.outcome.refused").expect("a word");
        assert!(
            texts(&refused).contains("connect, Sort the failed attempts"),
            "{}",
            texts(&refused)
        );
        assert!(bare_word("refused").is_some_and(|page| page.parts.len() > refused.parts.len()));
        assert!(word("tcp_connect.outcome.nonsense").is_none() && bare_word("nonsense").is_none());
    }

    #[test]
    fn a_diagnosis_is_explained_with_what_leads_to_it() {
        assert!(!of_diagnosis("tcp.timeout_filtered").is_empty());
        assert!(of_diagnosis("x-no.such").is_empty());
    }
}
