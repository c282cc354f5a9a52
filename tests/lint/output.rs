//! The command itself: formats, exit statuses, what it finds by name.

use std::fs;

use serde_json::Value;

use crate::common::{self, Done, Folder};
use crate::manifest;

fn run(args: &[&str]) -> Done {
    let mut command = common::command(&[&["runbook", "lint"], args].concat());
    common::done(command.current_dir(manifest("tests/runbooks")))
}

const WRONG: &str = "invalid/several_mistakes_at_once.yaml";
const ADVISED: &str = "valid/everything.yaml";

#[test]
fn the_status_tells_errors_from_advice() {
    for (args, status) in [
        (&["connect"][..], 0),
        (&["connect", "--strict"], 0),
        (&[ADVISED], 0),
        (&[ADVISED, "--strict"], 1),
        (&[WRONG], 2),
        (&[WRONG, ADVISED, "--strict"], 2),
        (&["invalid"], 2),
        (&["nothing.yaml"], 2),
        (&["conect"], 2),
        (&[ADVISED, "--format", "junit"], 2),
    ] {
        let done = run(args);
        assert_eq!(done.status, Some(status), "{args:?}: {} {}", done.stdout, done.stderr);
    }
    assert!(run(&["conect"]).stderr.contains("did you mean `connect`?"));
}

#[test]
fn stdin_is_a_file_too() {
    let wrong = fs::File::open(manifest("tests/runbooks").join(WRONG)).unwrap();
    let done = common::done(common::command(&["runbook", "lint", "-"]).stdin(wrong));
    assert_eq!(done.status, Some(2));
    assert!(done.stdout.contains("error[TD010]: there is no step `helthy`"), "{}", done.stdout);
    assert!(done.stdout.contains("--> -:13:15"), "{}", done.stdout);
    assert!(
        done.stdout.ends_with("1 file: 5 errors; 4 can be mended with --fix\n"),
        "{}",
        done.stdout
    );
}

#[test]
fn json_and_github_name_places_and_codes() {
    let done = run(&[WRONG, "--format", "json"]);
    let lint: Value = serde_json::from_str(&done.stdout).unwrap();
    assert_eq!((&lint["schema"], &lint["files"]), (&"tcpdoctor.lint/1".into(), &1.into()));
    let step = lint["findings"].as_array().unwrap().iter().find(|f| f["code"] == "TD010").unwrap();
    assert_eq!(step["file"], WRONG);
    assert_eq!(
        step["at"],
        serde_json::json!({"line": 13, "column": 15, "end_line": 13, "end_column": 21})
    );
    assert_eq!(step["fix"]["edits"][0]["text"], "healthy");
    assert!(lint["rules"].as_array().unwrap().iter().any(|rule| rule["code"] == "TD010"));

    let done = run(&[WRONG, "--format", "github"]);
    let line = "::error file=invalid/several_mistakes_at_once.yaml,line=13,endLine=13,col=15,endColumn=21,\
                title=tcpdoctor TD010::there is no step `helthy`%0Adid you mean `healthy`?";
    assert!(done.stdout.lines().any(|said| said == line), "{}", done.stdout);
}

#[test]
fn sarif_satisfies_its_schema() {
    let schema = fs::read_to_string(manifest("tests/formats/sarif-schema-2.1.0.json")).unwrap();
    // The official file has a pattern that is no regular expression (a `]` too many), twice.
    let schema = schema.replace("-[a-zA-Z]{2}]?$", "-[a-zA-Z]{2}$");
    let schema: Value = serde_json::from_str(&schema).unwrap();
    let validator = jsonschema::validator_for(&schema).unwrap();
    for files in [&["invalid", ADVISED][..], &["connect"]] {
        let args: Vec<&str> = files.iter().copied().chain(["--format", "sarif"]).collect();
        let sarif: Value = serde_json::from_str(&run(&args).stdout).unwrap();
        let errors: Vec<String> = validator.iter_errors(&sarif).map(|e| e.to_string()).collect();
        assert!(errors.is_empty(), "{errors:?}");
    }
}

#[test]
fn a_file_is_mended_in_place_or_only_shown() {
    let folder = Folder::new();
    let wrong = "format: 1\nname: one\ntitle: One\nstart: end\nsteps:\n  end:\n    decide: true # yes\n    branches: [{else: helthy}]\n";
    let path = &folder.file("one.yaml", wrong);
    let done = run(&[path, "--diff"]);
    assert!(
        done.stdout.contains("-    branches: [{else: helthy}]\n+    branches: [{else: healthy}]\n"),
        "{}",
        done.stdout
    );
    assert_eq!(fs::read_to_string(path).unwrap(), wrong);
    let done = run(&[path, "--fix"]);
    assert_eq!(done.status, Some(0), "{}", done.stdout);
    assert_eq!(done.stderr, format!("fixed {path}:8:23: TD010: write `healthy`\n"));
    assert_eq!(fs::read_to_string(path).unwrap(), wrong.replace("helthy", "healthy"));
    assert_eq!(run(&["connect", "--fix"]).status, Some(2));
}
