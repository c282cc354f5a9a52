//! Pages for authors of runbooks: lint codes and keys.

use serde_json::json;

use super::{Page, first_sentence};
use crate::model::lint::Level;
use crate::render::manual::Part;
use crate::runbook::code::Code;
use crate::runbook::keys::{GROUPS, Group, Key, Shape};
use crate::runbook::lesson::Lesson;

/// Explains a lint code or a key.
pub(super) fn page(id: &str) -> Option<Page> {
    Code::find(id).map(code).or_else(|| key(id))
}

/// Every name that [`page`] explains.
pub(super) fn names() -> impl Iterator<Item = String> {
    Code::ALL.iter().map(|(code, _)| code.name()).chain(keys().into_iter().map(str::to_owned))
}

/// The keys, each once, in the order of the table.
pub(super) fn keys() -> Vec<&'static str> {
    let mut names: Vec<&str> = Vec::new();
    for key in GROUPS.iter().flat_map(|group| group.keys) {
        if !names.contains(&key.name) {
            names.push(key.name);
        }
    }
    names
}

/// What the list of everything says about them.
pub(super) fn contents() -> Vec<Part> {
    let mut parts = vec![Part::Heading("Keys of runbooks".to_owned())];
    for name in keys() {
        let found = GROUPS.iter().find_map(|group| group.key(name));
        let doc = found.map_or("", |key| key.doc);
        parts.push(Part::Item(name.to_owned(), first_sentence(doc)));
    }
    parts.push(Part::Heading("Codes of `runbook lint`".to_owned()));
    parts.extend(
        Code::ALL.iter().map(|(code, meaning)| Part::Item(code.name(), (*meaning).to_owned())),
    );
    parts
}

fn code(code: Code) -> Page {
    let (name, level) = (code.name(), code.level());
    let used = match level {
        Level::Error => "an error: the file cannot be used",
        Level::Warning => "a warning: the file can be used, and is very likely not what was meant",
        Level::Note => "a note: the file can be used",
    };
    let mut parts = vec![
        Part::Heading(format!("{name}: {}", code.meaning().trim_end_matches('.'))),
        Part::Text(format!("This is {used}.")),
    ];
    let lesson = Lesson::of(code);
    if let Some(lesson) = lesson {
        parts.push(Part::Text(lesson.why.to_owned()));
        parts.push(Part::Heading("Wrong".to_owned()));
        parts.push(Part::Lines(lesson.bad.to_owned()));
        parts.push(Part::Heading("Right".to_owned()));
        parts.push(Part::Lines(lesson.good.to_owned()));
    }
    if level != Level::Error {
        parts.push(Part::Heading("When it is meant that way".to_owned()));
        parts.push(Part::Text("Allow it on its line, or right above:".to_owned()));
        parts.push(Part::Lines(format!("# lint: allow {name}")));
    }
    let data = json!({
        "id": name,
        "level": level,
        "meaning": code.meaning(),
        "explanation": lesson.map(|lesson| lesson.why),
        "bad": lesson.map(|lesson| lesson.bad),
        "good": lesson.map(|lesson| lesson.good),
    });
    Page { parts, data }
}

fn key(name: &str) -> Option<Page> {
    // What is the same everywhere is said once.
    let mut found: Vec<(&Key, Vec<&Group>)> = Vec::new();
    for group in GROUPS {
        let Some(key) = group.key(name) else {
            continue;
        };
        match found.iter_mut().find(|(known, _)| known.doc == key.doc) {
            Some((_, groups)) => groups.push(group),
            None => found.push((key, vec![group])),
        }
    }
    if found.is_empty() {
        return None;
    }
    let mut parts = vec![Part::Heading(format!("Key `{name}` of runbooks"))];
    for (key, groups) in &found {
        let mut groups: Vec<&str> = groups.iter().map(|group| group.what).collect();
        // The two kinds of questions are both an ask step.
        groups.dedup();
        let needed = if key.needed { "; required" } else { "" };
        parts.push(Part::Heading(format!("In {}{needed}", groups.join(", "))));
        parts.push(Part::Text(key.doc.to_owned()));
        parts.push(Part::Text(format!("Takes {}.", key.shape.words())));
        parts.extend(words(key.shape));
        parts.extend(inner(key.shape));
    }
    let data = json!({
        "id": name,
        "keys": found.iter().map(|(key, groups)| json!({
            "in": groups.iter().map(|group| group.id).collect::<Vec<_>>(),
            "doc": key.doc,
            "takes": key.shape.words(),
            "required": key.needed,
        })).collect::<Vec<_>>(),
    });
    Some(Page { parts, data })
}

fn words(shape: Shape) -> Vec<Part> {
    match shape {
        Shape::Words(words) => {
            let all = words.all().iter();
            all.map(|(word, doc)| Part::Item((*word).to_owned(), (*doc).to_owned())).collect()
        }
        _ => Vec::new(),
    }
}

/// The keys of what a key takes.
fn inner(shape: Shape) -> Vec<Part> {
    let group = match shape {
        Shape::Group(id) => Group::find(id),
        Shape::List(of) | Shape::Map(of) | Shape::OneOrMore(of) => return inner(*of),
        Shape::Arm => Group::find("arm"),
        _ => None,
    };
    let keys = group.map_or(&[][..], |group| group.keys).iter();
    keys.map(|key| Part::Item(key.name.to_owned(), first_sentence(key.doc))).collect()
}
