//! `runbook lint`: advice, what is mended, the lessons, hostile files, speed.

#![allow(clippy::disallowed_methods, clippy::unwrap_used)]

use std::path::Path;

use tcpdoctor::model::lint::Level;
use tcpdoctor::runbook::Library;
use tcpdoctor::runbook::builtin;
use tcpdoctor::runbook::lesson::Lesson;
use tcpdoctor::runbook::lint::{self, Linted};

/// A file of diagnoses to be included.
const TEAM: &str = "format: 1
diagnoses:
  x-team.asks:
    layer: application
    severity: info
    location: target
    title: The team knows
    summary: Ask the team.
";

fn shown(linted: &Linted) -> String {
    linted.found.render()
}

#[test]
fn the_built_in_runbooks_and_diagnoses_are_clean() {
    let mut said = String::new();
    for (name, text) in builtin::RUNBOOKS.iter().chain(builtin::DIAGNOSES) {
        let linted = lint::lint(&format!("{name}.yaml"), text, None);
        if !linted.found.problems.is_empty() {
            said.push_str(&shown(&linted));
        }
    }
    assert!(said.is_empty(), "{said}");
}

#[test]
fn every_lesson_shows_its_mistake_and_how_it_is_right() {
    let mut said = String::new();
    for lesson in Lesson::all() {
        for (example, bad) in [(lesson.bad, true), (lesson.good, false)] {
            let text = lesson.place.runbook(example);
            let read = |path: &Path| match path.to_str() {
                Some("example.yaml") => Ok(text.clone()),
                Some("team.yaml") => Ok(TEAM.to_owned()),
                _ => Err(std::io::ErrorKind::NotFound.into()),
            };
            let library = Library { folders: &[], read: &read };
            let linted = lint::lint("example.yaml", &text, Some(library));
            let codes: Vec<_> = linted.found.problems.iter().map(|problem| problem.code).collect();
            let fine = if bad { codes.contains(&lesson.code) } else { codes.is_empty() };
            if !fine {
                let name = lesson.code.name();
                said.push_str(&format!(
                    "{name}, {}:\n{text}\n{}\n",
                    if bad { "bad" } else { "good" },
                    shown(&linted)
                ));
            }
            assert_eq!(bad && lesson.code.level() == Level::Error, !linted.is_usable(), "{text}");
        }
    }
    assert!(said.is_empty(), "{said}");
}
