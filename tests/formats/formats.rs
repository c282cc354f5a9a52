//! What each format looks like, and that its own rules and limits hold.

use serde_json::Value;
use tcpdoctor::render::Format;

use crate::checks::{FIXTURES, alone, every_outcome, fixture, write};
use crate::common::Folder;
use crate::tools;

#[test]
fn every_format_of_a_check_is_as_recorded() {
    insta::with_settings!({snapshot_path => "snapshots", prepend_module_to_snapshot => false, omit_expression => true}, {
        for format in Format::ALL {
            if !matches!(format, Format::Json | Format::Ndjson | Format::Html) {
                insta::assert_snapshot!(format.name(), write(format, &every_outcome()));
            }
        }
    });
}

#[test]
fn an_empty_check_and_every_fixture_can_be_written_in_every_format() {
    let mut empty = every_outcome();
    empty.results.clear();
    let mut checks = vec![empty];
    checks.extend(FIXTURES.iter().map(|name| alone(fixture(name))));
    let sarif = sarif_schema();
    let mut junit = Vec::new();
    for check in &checks {
        for format in Format::ALL {
            assert!(write(format, check).ends_with('\n') || check.results.is_empty());
        }
        validate(&sarif, &write(Format::Sarif, check));
        junit.push(write(Format::Junit, check));
    }
    if tools::is_there("xmllint", "libxml2-utils") {
        let folder = Folder::new();
        tools::xmllint(&tools::files(&folder, "xml", &junit));
    }
}

pub(crate) fn sarif_schema() -> jsonschema::Validator {
    let schema = include_str!("sarif-schema-2.1.0.json");
    // The official file has a pattern that is no regular expression (a `]` too many), twice.
    let schema = schema.replace("-[a-zA-Z]{2}]?$", "-[a-zA-Z]{2}$");
    let schema: Value = serde_json::from_str(&schema).expect("the schema is JSON");
    jsonschema::validator_for(&schema).expect("the schema is one")
}

pub(crate) fn validate(schema: &jsonschema::Validator, text: &str) {
    let value: Value = serde_json::from_str(text).expect("SARIF is JSON");
    let errors: Vec<String> = schema
        .iter_errors(&value)
        .map(|error| format!("{}: {error}", error.instance_path()))
        .collect();
    assert!(errors.is_empty(), "{}", errors.join("\n"));
}

#[test]
fn the_sarif_schema_would_object() {
    let schema = sarif_schema();
    let mut value: Value =
        serde_json::from_str(&write(Format::Sarif, &every_outcome())).expect("JSON");
    assert!(schema.is_valid(&value));
    value["runs"][0]["results"][0]["level"] = "fatal".into();
    assert!(!schema.is_valid(&value));
}

/// GitHub refuses an upload without these, and drops alerts of one fingerprint.
#[test]
fn sarif_has_what_code_scanning_wants() {
    let sarif: Value = serde_json::from_str(&write(Format::Sarif, &every_outcome())).expect("JSON");
    let run = &sarif["runs"][0];
    let mut fingerprints = std::collections::BTreeSet::new();
    for result in run["results"].as_array().expect("results") {
        let location = &result["locations"][0]["physicalLocation"];
        assert!(location["artifactLocation"]["uri"].is_string());
        assert!(location["region"]["startLine"].as_u64().is_some_and(|line| line > 0));
        assert!(result["message"]["text"].as_str().is_some_and(|text| text.len() > 10));
        let fingerprint = &result["partialFingerprints"]["primaryLocationLineHash"];
        assert!(fingerprints.insert(fingerprint.as_str().expect("text").to_owned()));
    }
    for rule in run["tool"]["driver"]["rules"].as_array().expect("rules") {
        for text in ["shortDescription", "fullDescription", "help"] {
            assert!(rule[text]["text"].as_str().is_some_and(|text| text.len() <= 1024), "{rule}");
        }
    }
}

#[test]
fn github_gets_at_most_ten_annotations_of_a_kind_and_none_is_dropped_silently() {
    let mut check = every_outcome();
    let failed = check.results[3].clone();
    check.results = (0..25)
        .map(|nth| {
            let mut one = failed.clone();
            one.name = format!("db{nth}");
            one
        })
        .collect();
    let text = write(Format::Github, &check);
    let errors: Vec<&str> = text.lines().filter(|line| line.starts_with("::error ")).collect();
    assert_eq!(errors.len(), 10);
    assert!(errors[9].contains("and 16 more: db9, db10"), "{}", errors[9]);
}

#[test]
fn markdown_of_a_thousand_failures_fits_a_comment() {
    let mut check = every_outcome();
    let failed = check.results[3].clone();
    check.results = (0..1000)
        .map(|nth| {
            let mut one = failed.clone();
            one.name = format!("db{nth}");
            one
        })
        .collect();
    let text = write(Format::Markdown, &check);
    assert!(text.chars().count() < 65_536, "{}", text.len());
    assert!(text.contains("more targets are not shown") && text.contains("are not shown here"));
}

/// The form that the guidelines for monitoring plugins give: `TEXT | 'label'=value[unit];…`.
#[test]
fn the_nagios_line_is_one_line_with_performance_data() {
    for name in FIXTURES {
        let line = write(Format::Nagios, &alone(fixture(name)));
        assert!(line.len() <= 1024 && line.ends_with('\n') && line.matches('\n').count() == 1);
        let (text, data) = line.trim_end().split_once(" | ").expect("performance data");
        assert!(text.starts_with("TCPDOCTOR ") && !text.contains('|'), "{text}");
        for item in data.split(' ') {
            let (label, rest) = item.split_once('=').expect("a label");
            assert!(label.chars().all(|c| c.is_ascii_lowercase()), "{item}");
            let fields: Vec<&str> = rest.split(';').collect();
            let number = fields[0].trim_end_matches('s');
            assert!(number.parse::<f64>().is_ok_and(|n| n >= 0.0), "{item}");
            assert!((4..=5).contains(&fields.len()) && fields[1].is_empty() && fields[3] == "0");
        }
    }
}

#[test]
fn an_interrupted_check_bails_out_and_is_not_successful() {
    let mut check = every_outcome();
    check.interrupted = true;
    assert!(write(Format::Tap, &check).ends_with("Bail out! interrupted\n"));
    let sarif: Value = serde_json::from_str(&write(Format::Sarif, &check)).expect("JSON");
    assert_eq!(sarif["runs"][0]["invocations"][0]["executionSuccessful"], false);
    assert!(write(Format::Prometheus, &check).contains("tcpdoctor_check_interrupted 1\n"));
    assert!(write(Format::Markdown, &check).contains("(interrupted)"));
}
