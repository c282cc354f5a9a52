//! `runbook lint`: advice, what is mended, the lessons, hostile files, speed.

#![allow(clippy::disallowed_methods, clippy::unwrap_used)]

#[path = "../common/mod.rs"]
mod common;
mod fix;
mod hostile;
mod large;
mod output;

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use common::cpu_time;
use serde_json::Value;
use tcpdoctor::model::lint::Level;
use tcpdoctor::runbook::keys::GROUPS;
use tcpdoctor::runbook::lesson::{Lesson, Place};
use tcpdoctor::runbook::lint::{self, Linted};
use tcpdoctor::runbook::{Library, builtin, schema};

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
    for lesson in Lesson::all().filter(|lesson| lesson.place != Place::Targets) {
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

fn schema_text() -> String {
    let mut text = serde_json::to_string_pretty(&schema::schema()).unwrap();
    text.push('\n');
    text
}

fn manifest(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
}

#[test]
fn the_schema_beside_the_runbooks_is_that_of_the_program() {
    let path = manifest("runbooks/schema.json");
    if std::env::var_os("UPDATE_SCHEMA").is_some() {
        fs::write(&path, schema_text()).unwrap();
    }
    let fine = fs::read_to_string(&path).unwrap_or_default() == schema_text();
    assert!(fine, "runbooks/schema.json is stale: UPDATE_SCHEMA=1 cargo test --test lint");
}

/// Reads YAML as JSON, as an editor's plug-in does.
fn as_json(text: &str) -> Option<Value> {
    tcpdoctor::runbook::load::as_json(text)
}

fn yaml_files(folder: &str) -> Vec<PathBuf> {
    let entries = fs::read_dir(manifest(folder)).unwrap().map(|entry| entry.unwrap().path());
    let mut files: Vec<PathBuf> = entries
        .filter(|path| {
            let name = path.to_string_lossy();
            name.ends_with(".yaml") && !name.ends_with(".test.yaml")
        })
        .collect();
    files.sort();
    files
}

#[test]
fn valid_files_satisfy_the_schema_and_it_catches_what_has_to_do_with_keys_and_words() {
    let validator = jsonschema::draft202012::new(&schema::schema()).unwrap();
    for folder in ["runbooks", "runbooks/diagnoses", "tests/runbooks/valid", "examples/runbooks"] {
        for path in yaml_files(folder) {
            let value = as_json(&fs::read_to_string(&path).unwrap()).unwrap();
            let errors: Vec<String> = validator
                .iter_errors(&value)
                .map(|error| format!("{}: {}: {error}", path.display(), error.instance_path()))
                .collect();
            assert!(errors.is_empty(), "{}", errors.join("\n"));
        }
    }
    // Expressions, ways and names of steps are nothing that a schema knows.
    let (mut caught, mut missed) = (0, Vec::new());
    for path in yaml_files("tests/runbooks/invalid") {
        match as_json(&fs::read_to_string(&path).unwrap()) {
            Some(value) if validator.is_valid(&value) => missed.push(path),
            _ => caught += 1,
        }
    }
    let missed: Vec<_> = missed.iter().filter_map(|path| path.file_stem()).collect();
    assert!(caught >= 70, "{caught} caught, missed: {missed:?}");
    let must = [
        "unknown_key",
        "unknown_layer",
        "unknown_probe",
        "missing_argument",
        "needs_not_given",
        "key_beside_else",
        "two_kinds",
        "argument_word",
        "literal_of_wrong_type",
        "unknown_type",
    ];
    for name in must {
        assert!(!missed.iter().any(|missed| *missed == name), "{name} satisfies the schema");
    }
}

#[test]
fn the_first_line_of_every_built_in_runbook_points_at_the_schema() {
    for (folder, up) in [("runbooks", ""), ("runbooks/diagnoses", "../")] {
        for path in yaml_files(folder) {
            let text = fs::read_to_string(&path).unwrap();
            let wanted = format!("# yaml-language-server: $schema={up}schema.json");
            assert_eq!(text.lines().next(), Some(wanted.as_str()), "{}", path.display());
        }
    }
}

/// A file in which a mapping of this group has one more key, `zzz`.
fn with_strange_key(group: &str) -> Option<String> {
    let dns = "title: A\nlayer: dns\nprobe: dns\nwith: {name: a}\nunknown: inconclusive\n";
    let branches = "branches: [{else: healthy}]\n";
    let (place, text) = match group {
        "runbook" => (Place::Head, "zzz: 1".to_owned()),
        "param" => (Place::Head, "params: {a: {type: int, zzz: 1}}".to_owned()),
        "probe_step" => (Place::Step, format!("{dns}{branches}zzz: 1")),
        "ask_step" => (Place::Step, "ask: A?\nchoices: {a: healthy}\nno_input: healthy\nzzz: 1".to_owned()),
        "ask_report_step" => (
            Place::Step,
            format!("ask: A?\nexpects: server_report\n{branches}no_input: healthy\nzzz: 1"),
        ),
        "decide_step" => (Place::Step, format!("decide: true\n{branches}zzz: 1")),
        "use_step" => (Place::Step, format!("title: A\nlayer: dns\nuse: connect\n{branches}zzz: 1")),
        "meanwhile" => (Place::Step, format!("{dns}{branches}meanwhile: {{after: 1s, start: [], zzz: 1}}")),
        "branch" => (Place::Step, format!("{dns}branches: [{{when: true, goto: healthy, zzz: 1}}, {{else: healthy}}]")),
        "arm" => (Place::Step, format!("{dns}branches: [{{else: {{goto: healthy, zzz: 1}}}}]")),
        "finding" => (Place::Step, format!("{dns}{branches}findings: [{{when: true, note: x-a.b, zzz: 1}}]")),
        "at" => (Place::Step, format!("{dns}branches: [{{else: {{conclude: x-a.b, at: {{zzz: 1}}}}}}]")),
        "diagnosis" => (Place::Head, "diagnoses: {x-a.b: {layer: dns, severity: info, location: here, title: A, summary: B, zzz: 1}}".to_owned()),
        "remedy" => (Place::Head, "diagnoses: {x-a.b: {layer: dns, severity: info, location: here, title: A, summary: B, remedies: [{text: A, where: here, zzz: 1}]}}".to_owned()),
        "catalogue" => (Place::File, "format: 1\ndiagnoses: {}\nzzz: 1".to_owned()),
        "add" => (Place::File, "format: 1\nname: a\nextends: connect\nsteps: {resolve: {add: {zzz: 1}}}".to_owned()),
        _ => return None,
    };
    Some(place.runbook(&text))
}

#[test]
fn the_loader_takes_exactly_the_keys_of_the_table() {
    for group in GROUPS {
        let text = with_strange_key(group.id).unwrap_or_else(|| panic!("no file for {}", group.id));
        let linted = lint::lint("example.yaml", &text, None);
        let problem =
            linted.found.problems.iter().find(|problem| problem.message.contains("`zzz`"));
        let problem = problem.unwrap_or_else(|| panic!("{}: {}", group.id, shown(&linted)));
        let help = problem.help.clone().unwrap_or_default();
        let known: Vec<&str> =
            help.strip_prefix("the keys are ").unwrap_or(&help).split(", ").collect();
        let table: Vec<&str> = group.keys.iter().map(|key| key.name).collect();
        assert_eq!(
            known.iter().collect::<BTreeSet<_>>(),
            table.iter().collect::<BTreeSet<_>>(),
            "{}",
            group.id
        );
        assert!(problem.message.starts_with(group.what), "{}: {}", group.id, problem.message);
    }
}

#[test]
fn a_runbook_of_a_thousand_steps_is_linted_at_once() {
    let text = large::large(1000);
    let start = cpu_time();
    let linted = lint::lint("large.yaml", &text, None);
    let took = cpu_time() - start;
    assert!(linted.found.problems.is_empty(), "{}", shown(&linted));
    // The bound of an optimised build is 200 ms; this one is mostly not, and the machine may be slow.
    let most = if cfg!(debug_assertions) { 8000 } else { 800 };
    assert!(took.as_millis() < most, "{took:?}");
}
