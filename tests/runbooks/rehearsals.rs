//! Tests of runbooks: how test files are read, run, shown and made from reports.
//!
//! `UPDATE_GOLDEN=1 cargo test --test runbooks` writes the golden texts anew.

use std::fmt::Write as _;
use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::Arc;

use proptest::prelude::*;
use serde_json::{Map, Value};
use tcpdoctor::engine::{Tally, record, rehearse};
use tcpdoctor::model::outcome::Why;
use tcpdoctor::model::rehearsal::{ArmKind, Rehearsal};
use tcpdoctor::model::report::{Report, TargetEntry};
use tcpdoctor::model::types::{Record, Type};
use tcpdoctor::render::{Format, Style, rehearsal as render};
use tcpdoctor::runbook::rehearsal::{self, Expect, Observed, Seen, Suite, Test, as_file, complete};
use tcpdoctor::runbook::{self, Kind, Library, LoadError, Runbook, types};

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn folder() -> PathBuf {
    root().join("tests/runbooks/rehearsals")
}

/// Loads a test file below the folder of this suite, so that messages name no machine's path.
fn load(file: &str, text: &str) -> Result<Suite, LoadError> {
    let read = |path: &Path| {
        // `invalid/../shop.yaml`
        let mut plain = PathBuf::new();
        for part in path.components() {
            if part == std::path::Component::ParentDir {
                plain.pop();
            } else {
                plain.push(part);
            }
        }
        fs::read_to_string(folder().join(plain))
    };
    rehearsal::load(Path::new(file), text, Library { folders: &[], read: &read }, None)
}

fn test_files(folder: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            files.extend(test_files(&path));
        } else if path.to_string_lossy().ends_with(rehearsal::SUFFIX) {
            files.push(path);
        }
    }
    files.sort();
    files
}

/// Compares with the text beside it, or writes that.
fn golden(path: &Path, said: &str) -> Option<String> {
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        fs::write(path, said).unwrap();
    }
    let known = fs::read_to_string(path).unwrap_or_default();
    (known != said).then(|| format!("{}:\n{said}", path.display()))
}

fn run(suites: &[Suite]) -> Rehearsal {
    let mut tally = Tally::default();
    for suite in suites {
        for test in &suite.tests {
            tally.add(suite, rehearse(suite, test));
        }
    }
    tally.finish()
}

fn written(rehearsal: &Rehearsal, format: Format, style: &Style) -> String {
    let mut out = Vec::new();
    render::write(rehearsal, false, format, style, &mut out).unwrap();
    String::from_utf8(out).unwrap()
}

#[test]
fn invalid_test_files_are_refused_with_the_message_beside_them() {
    let mut wrong = Vec::new();
    for path in test_files(&folder().join("invalid")) {
        let name = format!("invalid/{}", path.file_name().unwrap().to_str().unwrap());
        let said = match load(&name, &fs::read_to_string(&path).unwrap()) {
            Ok(_) => "it loads\n".to_owned(),
            Err(error) => error.render(),
        };
        assert_ne!(said, "it loads\n", "{name}");
        let beside = path.with_file_name(
            path.file_name().unwrap().to_str().unwrap().replace(rehearsal::SUFFIX, ".txt"),
        );
        wrong.extend(golden(&beside, &said));
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

fn shop(file: &str) -> Suite {
    match load(file, &fs::read_to_string(folder().join(file)).unwrap()) {
        Ok(suite) => suite,
        Err(error) => panic!("{}", error.render()),
    }
}

#[test]
fn whatever_can_be_said_and_expected_passes_where_it_holds() {
    let rehearsal = run(&[shop("passing.test.yaml")]);
    let said = written(&rehearsal, Format::Text, &Style::plain(80));
    assert_eq!(rehearsal.failures(), 0, "{said}");
    let coverage = &rehearsal.coverage[0];
    assert_eq!(coverage.conclusions().percent(), 100, "{said}");
    assert_eq!(coverage.steps().percent(), 100, "{said}");
    assert_eq!(coverage.findings().percent(), 100, "{said}");
    assert!(coverage.branches().reached < coverage.branches().total, "{said}");
}

#[test]
fn what_does_not_hold_is_shown_with_the_way_that_was_taken() {
    let rehearsal = run(&[shop("failing.test.yaml")]);
    assert_eq!(rehearsal.failures(), rehearsal.tests.len());
    let mut wrong = Vec::new();
    for (name, format, style) in [
        ("failing.txt", Format::Text, Style::plain(80)),
        ("failing_verbose.txt", Format::Text, Style { verbose: true, ..Style::plain(100) }),
        ("failing.xml", Format::Junit, Style::plain(80)),
        ("failing.github", Format::Github, Style::plain(80)),
        ("failing.json", Format::Json, Style::plain(80)),
    ] {
        wrong.extend(golden(&folder().join(name), &written(&rehearsal, format, &style)));
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn the_example_of_the_documentation_passes() {
    let text = fs::read_to_string(root().join("docs/testing-runbooks.md")).unwrap();
    let example = text.split("```yaml\n").nth(1).and_then(|rest| rest.split("```").next()).unwrap();
    let suite = match load("shop.test.yaml", example) {
        Ok(suite) => suite,
        Err(error) => panic!("{}", error.render()),
    };
    let rehearsal = run(&[suite]);
    let said = written(&rehearsal, Format::Text, &Style::plain(80));
    assert_eq!(rehearsal.failures(), 0, "{said}");
}

#[test]
fn no_probe_sees_a_field_that_would_be_taken_for_could_not_look() {
    for spec in tcpdoctor::probe::REGISTRY {
        assert!(types::of(spec).result.field("unknown").is_none(), "{}", spec.id);
    }
}

// What is shipped.

fn shipped() -> Vec<Suite> {
    let files = test_files(&root().join("runbooks"));
    assert!(!files.is_empty());
    // Without folders a name is the built-in runbook's.
    let read = |_: &Path| Err(std::io::ErrorKind::NotFound.into());
    let suites = files.iter().map(|path| {
        let name = path.strip_prefix(root()).unwrap();
        let text = fs::read_to_string(path).unwrap();
        match rehearsal::load(name, &text, Library { folders: &[], read: &read }, None) {
            Ok(suite) => suite,
            Err(error) => panic!("{}", error.render()),
        }
    });
    suites.collect()
}

#[test]
fn the_tests_of_the_built_in_runbooks_pass_and_reach_every_conclusion() {
    let rehearsal = run(&shipped());
    let said = written(&rehearsal, Format::Text, &Style::plain(100));
    assert_eq!(rehearsal.failures(), 0, "{said}");
    for (name, _) in runbook::builtin::RUNBOOKS {
        let coverage = rehearsal.coverage.iter().find(|one| one.runbook == *name);
        let coverage = coverage.unwrap_or_else(|| panic!("no test of the runbook {name}"));
        let mut missed = String::new();
        for arm in coverage.arms.iter().filter(|arm| arm.hits == 0) {
            if arm.kind != ArmKind::Branch {
                writeln!(missed, "{}: {} → {}", arm.step, arm.when, arm.to).unwrap();
            }
        }
        assert!(missed.is_empty(), "no test of {name} comes to:\n{missed}");
        assert_eq!(coverage.steps().percent(), 100, "{said}");
    }
}

#[test]
fn no_test_of_a_built_in_runbook_meets_a_hole_in_a_text() {
    for suite in shipped() {
        for test in &suite.tests {
            let report = rehearse(&suite, test).report;
            for diagnosis in report.diagnosis.iter().chain(&report.findings) {
                let texts = [&diagnosis.title, &diagnosis.summary];
                // A question is quoted with its mark behind a word; a hole stands alone.
                let alone = |text: &str, at: usize| !text[..at].ends_with(char::is_alphanumeric);
                let holes =
                    texts.iter().any(|text| text.match_indices('?').any(|(at, _)| alone(text, at)));
                assert!(!holes, "{}: {}: {}", suite.source, test.name, diagnosis.summary);
            }
        }
    }
}

// From a report to a test.

/// Any value of a type, as a probe could have seen it.
fn any_of(ty: &Type, depth: u32) -> BoxedStrategy<Value> {
    match ty {
        Type::Bool => any::<bool>().prop_map(Value::from).boxed(),
        Type::Int => (0..120i64).prop_map(Value::from).boxed(),
        Type::Float => (0..2000i64).prop_map(|n| Value::from(n as f64 / 4.0)).boxed(),
        Type::Text => prop_oneof![
            Just("10.0.0.5"),
            Just("fe80::1%eth0"),
            Just("EMFILE"),
            Just("no: \"yes\" \\ #"),
            Just(""),
            Just("a\u{1b}[31m\nb"),
            Just("12:30"),
        ]
        .prop_map(Value::from)
        .boxed(),
        Type::Word(words) => {
            let words: Vec<String> = words.iter().map(|word| word.name.clone()).collect();
            proptest::sample::select(words).prop_map(Value::from).boxed()
        }
        Type::List(item) if depth > 0 => {
            proptest::collection::vec(any_of(item, depth - 1), 0..5).prop_map(Value::from).boxed()
        }
        Type::List(_) => Just(Value::Array(Vec::new())).boxed(),
        Type::Record(record) => any_record(record, depth.saturating_sub(1)),
        Type::Map(of) => proptest::collection::btree_map("[A-Za-z]{1,5}", any_of(of, 0), 0..3)
            .prop_map(|map| Value::Object(map.into_iter().collect()))
            .boxed(),
        Type::Any => Just(Value::Null).boxed(),
    }
}

fn any_record(record: &Record, depth: u32) -> BoxedStrategy<Value> {
    let mut fields: BoxedStrategy<Vec<(String, Value)>> = Just(Vec::new()).boxed();
    for field in &record.fields {
        let name = field.name.clone();
        let value = any_of(&field.ty, depth);
        let value = match field.nullable {
            true => prop_oneof![1 => Just(Value::Null), 2 => value].boxed(),
            false => value,
        };
        fields = (fields, value)
            .prop_map(move |(mut fields, value)| {
                fields.push((name.clone(), value));
                fields
            })
            .boxed();
    }
    fields.prop_map(|fields| Value::Object(Map::from_iter(fields))).boxed()
}

/// A report of a run of a built-in runbook that saw anything at all.
fn any_report(name: &'static str) -> BoxedStrategy<(Arc<Runbook>, Report)> {
    let book = runbook::builtin(name).unwrap();
    let mut observed: BoxedStrategy<Vec<Observed>> = Just(Vec::new()).boxed();
    for step in &book.steps {
        let Kind::Probe { spec, .. } = &step.kind else { continue };
        let (key, record) = (step.id.clone(), Arc::clone(&types::of(spec).result));
        let seen = any_record(&record, 3).prop_map(move |given| {
            let whole = complete(&given, &record);
            Seen::Fields { given: whole.clone(), whole }
        });
        let seen = prop_oneof![9 => seen, 1 => Just(Seen::Unknown(Why::Budget))];
        observed = (observed, seen)
            .prop_map(move |(mut observed, seen)| {
                observed.push(Observed { key: key.clone(), seen, own: true });
                observed
            })
            .boxed();
    }
    observed
        .prop_map(move |observed| {
            let target = TargetEntry {
                input: "db.test:5432".to_owned(),
                host: Some("db.test".to_owned()),
                port: Some(5432),
                scheme: None,
                family: "any".to_owned(),
            };
            let params = book.params.iter();
            let params = params.filter_map(|p| Some((p.name.clone(), p.default.clone()?)));
            let test = Test {
                name: "any".to_owned(),
                line: 1,
                target,
                params: params.collect(),
                observed,
                expect: Expect::default(),
            };
            let suite = Suite {
                source: "any".to_owned(),
                named: book.name.clone(),
                runbook: Arc::clone(&book),
                tests: Vec::new(),
            };
            (Arc::clone(&book), rehearse(&suite, &test).report)
        })
        .boxed()
}

fn passes_as_a_test(book: &Arc<Runbook>, report: &Report) {
    let recorded = record(report, book, None);
    let text = as_file(&book.name, book, &recorded.test);
    let read = |_: &Path| Err(std::io::ErrorKind::NotFound.into());
    let library = Library { folders: &[], read: &read };
    let suite = match rehearsal::load(Path::new("x.test.yaml"), &text, library, None) {
        Ok(suite) => suite,
        Err(error) => panic!("{}\n{text}", error.render()),
    };
    let rehearsal = run(&[suite]);
    let said = written(&rehearsal, Format::Text, &Style::plain(100));
    assert_eq!(rehearsal.failures(), 0, "{said}\n{text}");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(10))]

    #[test]
    fn a_report_of_connect_becomes_a_test_that_passes((book, report) in any_report("connect")) {
        passes_as_a_test(&book, &report);
    }

    #[test]
    fn a_report_of_listen_becomes_a_test_that_passes((book, report) in any_report("listen")) {
        passes_as_a_test(&book, &report);
    }

    #[test]
    fn no_text_makes_the_reader_of_tests_panic(text in "(format: 1\nrunbook: connect\ntests:\n)?(\\PC|\n|  |- |: ){0,200}") {
        let _ = load("x.test.yaml", &text);
    }
}

// The command.

fn tcpdoctor(args: &[&str], folder: &Path, input: &str) -> Output {
    let mut child = Command::new(env!("CARGO_BIN_EXE_tcpdoctor"))
        .args(args)
        .current_dir(folder)
        .env("XDG_CONFIG_HOME", folder)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    // A program that needs no input may have ended already.
    let _ = child.stdin.take().unwrap().write_all(input.as_bytes());
    child.wait_with_output().unwrap()
}

fn said(output: &Output) -> (Option<i32>, String) {
    let mut text = String::from_utf8_lossy(&output.stdout).into_owned();
    text.push_str(&String::from_utf8_lossy(&output.stderr));
    (output.status.code(), text)
}

/// An empty folder of this test's own.
fn scratch(name: &str) -> PathBuf {
    let folder = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(name);
    let _ = fs::remove_dir_all(&folder);
    fs::create_dir_all(&folder).unwrap();
    folder
}

const REPORT: &str = "examples/filtered.json";

#[test]
fn the_exit_status_tells_passed_failed_and_invalid_apart() {
    let cases: [(&[&str], i32, &str); 9] = [
        (&["passing.test.yaml"], 0, "6 tests passed"),
        (&["passing.test.yaml", "failing.test.yaml"], 1, "6 of 12 tests failed"),
        (&["passing.test.yaml", "--filter", "AN OPEN shop"], 0, "1 test passed"),
        (&["passing.test.yaml", "--filter", "closed", "--fail-under", "100"], 1, "never concluded"),
        (&["passing.test.yaml", "--filter", "nothing of the kind"], 2, "no test's name contains"),
        (&["invalid/unknown_word.test.yaml", "invalid/bad_target.test.yaml"], 2, "TD009"),
        (&["aisle.yaml"], 2, "has no tests"),
        (&["nowhere.test.yaml"], 2, "there is no such file"),
        (&["passing.test.yaml", "--format", "sarif"], 2, "does not write sarif"),
    ];
    for (args, status, part) in cases {
        let args: Vec<&str> = ["runbook", "test"].iter().chain(args).copied().collect();
        let (ended, text) = said(&tcpdoctor(&args, &folder(), ""));
        assert_eq!(ended, Some(status), "{args:?}: {text}");
        assert!(text.contains(part), "{args:?}: {text}");
    }
}

#[test]
fn tests_are_found_by_the_name_of_their_runbook_and_by_default() {
    let folder = scratch("rehearsals_by_name");
    fs::create_dir_all(folder.join("runbooks/tests")).unwrap();
    let (ended, text) = said(&tcpdoctor(&["runbook", "test"], &folder, ""));
    assert_eq!(ended, Some(2));
    assert!(text.contains("there is no test file"), "{text}");
    for (name, book) in [("a", "connect"), ("b", "listen")] {
        let test = format!(
            "format: 1\nrunbook: {book}\ntests:\n  - name: {name} is blind\n    target: db.test:1\n    observe: {{{}: {{unknown: budget}}}}\n    expect: {{verdict: inconclusive}}\n",
            if book == "connect" { "resolve" } else { "listeners" }
        );
        fs::write(folder.join(format!("runbooks/tests/{name}.test.yaml")), test).unwrap();
    }
    for (args, count) in [
        (&[][..], "2 tests passed"),
        (&["connect"], "1 test passed"),
        (&["runbooks"], "2 tests passed"),
        (&["connect", "runbooks/tests/a.test.yaml"], "1 test passed"),
    ] {
        let args: Vec<&str> = ["runbook", "test"].iter().chain(args).copied().collect();
        let (ended, text) = said(&tcpdoctor(&args, &folder, ""));
        assert_eq!(ended, Some(0), "{text}");
        assert!(text.contains(count), "{args:?}: {text}");
    }
}

#[test]
fn a_runbook_s_own_file_stands_for_its_tests() {
    let folder = scratch("rehearsals_by_file");
    for file in ["shop.yaml", "aisle.yaml", "passing.test.yaml"] {
        fs::copy(self::folder().join(file), folder.join(file)).unwrap();
    }
    for named in ["shop.yaml", "./shop.yaml", "."] {
        let (ended, text) = said(&tcpdoctor(&["runbook", "test", named], &folder, ""));
        assert_eq!(ended, Some(0), "{text}");
        assert!(text.contains("6 tests passed"), "{named}: {text}");
    }
}

#[test]
fn a_report_is_printed_as_a_test_or_added_to_a_file() {
    let folder = scratch("rehearsals_from");
    let report = fs::read_to_string(root().join(REPORT)).unwrap();
    let from = ["runbook", "test", "--from", "-"];
    let printed = tcpdoctor(&from, &folder, &report);
    assert!(printed.status.success(), "{}", said(&printed).1);
    fs::write(folder.join("one.test.yaml"), &printed.stdout).unwrap();
    let (ended, text) = said(&tcpdoctor(&["runbook", "test", "one.test.yaml"], &folder, ""));
    assert_eq!(ended, Some(0), "{text}");

    for (name, status) in [("first", 0), ("second", 0), ("second", 2)] {
        let args: Vec<&str> = from.into_iter().chain(["new.test.yaml", "--name", name]).collect();
        let (ended, text) = said(&tcpdoctor(&args, &folder, &report));
        assert_eq!(ended, Some(status), "{text}");
    }
    let (ended, text) = said(&tcpdoctor(&["runbook", "test", "."], &folder, ""));
    assert_eq!(ended, Some(0), "{text}");
    assert!(text.contains("3 tests passed"), "{text}");
}

#[test]
fn what_a_report_of_another_version_has_too_much_is_left_out_and_said() {
    let folder = scratch("rehearsals_other_version");
    let mut report: Value =
        serde_json::from_str(&fs::read_to_string(root().join(REPORT)).unwrap()).unwrap();
    report["params"]["gone"] = Value::from(1);
    report["verdict"] = Value::from("degraded");
    let steps = report["steps"].as_array_mut().unwrap();
    let seen = steps.iter_mut().find(|step| step["id"] == "connect").unwrap();
    seen["observation"]["brand_new"] = Value::from("x");
    let output = tcpdoctor(
        &["runbook", "test", "--from", "-", "new.test.yaml"],
        &folder,
        &report.to_string(),
    );
    let (ended, text) = said(&output);
    assert_eq!(ended, Some(0), "{text}");
    for part in ["no parameter gone", "brand_new", "the report says degraded with"] {
        assert!(text.contains(part), "{part}: {text}");
    }
    let (ended, text) = said(&tcpdoctor(&["runbook", "test", "."], &folder, ""));
    assert_eq!(ended, Some(0), "{text}");
}
