//! Not run is skipped, could not measure is an error, a fault is a failure: in every format.

use serde_json::Value;
use tcpdoctor::model::expect::Judgement;
use tcpdoctor::render::Format;

use crate::checks::{FARED, every_outcome, write};
use crate::common::Folder;
use crate::tools;

fn outcome(text: &str) -> &'static str {
    match text {
        "passed" => "passed",
        "failed" => "failed",
        "error" => "error",
        "skipped" => "skipped",
        other => panic!("{other}"),
    }
}

#[test]
fn json_and_ndjson_say_the_outcome() {
    let check: Value = serde_json::from_str(&write(Format::Json, &every_outcome())).expect("JSON");
    let lines = write(Format::Ndjson, &every_outcome());
    let lines: Vec<Value> =
        lines.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
    assert_eq!(check["schema"], "tcpdoctor.check/1");
    for (nth, (name, fared, _)) in FARED.iter().enumerate() {
        for one in [&check["results"][nth], &lines[nth]] {
            assert_eq!(one["name"], *name);
            assert_eq!(outcome(one["outcome"].as_str().expect("text")), fared.name(), "{name}");
        }
        assert_eq!(lines[nth]["schema"], "tcpdoctor.result/1");
    }
    assert_eq!(lines.len(), FARED.len());
}

#[test]
fn junit_says_the_outcome_and_the_reason() {
    if !tools::is_there("xmllint", "libxml2-utils")
        || !tools::is_there("/usr/bin/python3", "python3")
    {
        return;
    }
    let folder = Folder::new();
    let files = tools::files(&folder, "xml", &[write(Format::Junit, &every_outcome())]);
    tools::xmllint(&files);
    let read = tools::python(tools::JUNIT, &files).remove(0);
    for (nth, (name, fared, reason)) in FARED.iter().enumerate() {
        let case = &read["cases"][nth];
        assert_eq!(case[0], *name);
        let child = match fared {
            Judgement::Passed => None,
            Judgement::Failed => Some("failure"),
            Judgement::Error => Some("error"),
            Judgement::Skipped => Some("skipped"),
        };
        assert_eq!(case[2].as_array().expect("a list").first().and_then(Value::as_str), child);
        if child.is_some() {
            assert_eq!(case[3][0], *reason, "{name}");
        }
    }
    let counts = &read["counts"];
    for (count, said) in [("tests", "8"), ("failures", "3"), ("errors", "1"), ("skipped", "1")] {
        assert_eq!(counts[count], said, "{count}");
    }
}

#[test]
fn tap_says_the_outcome() {
    if !tools::is_there("perl", "perl") {
        return;
    }
    let folder = Folder::new();
    let text = write(Format::Tap, &every_outcome());
    let read = tools::perl(tools::TAP, &tools::files(&folder, "tap", std::slice::from_ref(&text)))
        .remove(0);
    assert_eq!(read["errors"], serde_json::json!([]));
    assert_eq!(read["planned"], FARED.len());
    for (nth, (name, fared, _)) in FARED.iter().enumerate() {
        let test = &read["tests"][nth];
        assert_eq!(test[1], format!("- {name}"));
        let (ok, directive) = match fared {
            Judgement::Passed => ("ok", ""),
            Judgement::Failed | Judgement::Error => ("not ok", ""),
            Judgement::Skipped => ("ok", "SKIP"),
        };
        assert_eq!((test[0].as_str(), test[2].as_str()), (Some(ok), Some(directive)), "{name}");
    }
    assert_eq!(text.matches("severity: \"error\"").count(), 1);
    assert_eq!(text.matches("severity: \"fail\"").count(), 3);
    assert_eq!(text.matches("severity: \"skipped\"").count(), 1);
    assert_eq!(text.matches("severity: \"warning\"").count(), 1);
}

#[test]
fn sarif_says_the_outcome() {
    let sarif: Value = serde_json::from_str(&write(Format::Sarif, &every_outcome())).expect("JSON");
    let run = &sarif["runs"][0];
    let results = run["results"].as_array().expect("results");
    let said: Vec<(&str, &str, &str)> = results
        .iter()
        .map(|one| {
            let text = |key: &str| one[key].as_str().expect("text");
            (text("ruleId"), text("kind"), text("level"))
        })
        .collect();
    let wanted = [
        ("dns.dead_address", "fail", "warning"),
        ("tcp.timeout_filtered", "fail", "error"),
        ("tcp.refused_no_listener", "fail", "error"),
        ("expectation.not_met", "fail", "error"),
        ("inconclusive.permission", "open", "none"),
    ];
    assert_eq!(said, wanted);
    for one in results {
        let rule = &run["tool"]["driver"]["rules"][one["ruleIndex"].as_u64().expect("n") as usize];
        assert_eq!(rule["id"], one["ruleId"]);
        assert!(!rule["help"]["text"].as_str().expect("help").is_empty());
    }
    let notes = &run["invocations"][0]["toolExecutionNotifications"];
    assert_eq!((&notes[0]["level"], &notes[1]["level"]), (&"error".into(), &"note".into()));
    let place = |nth: usize| &results[nth]["locations"][0]["physicalLocation"];
    assert_eq!(place(1)["artifactLocation"]["uri"], "deploy/my%20targets.yaml");
    assert_eq!(place(1)["region"]["startLine"], 12);
    assert_eq!(place(0)["artifactLocation"]["uri"], "runbooks/connect.yaml");
}

#[test]
fn github_says_the_outcome() {
    let text = write(Format::Github, &every_outcome());
    let begin = |start: &str| text.lines().filter(|line| line.starts_with(start)).count();
    assert_eq!(begin("::error "), 4);
    assert_eq!(begin("::warning "), 1);
    assert_eq!(begin("::notice "), 1);
    assert!(
        text.contains(
            "::error title=db failed (tcp.timeout_filtered),file=deploy/my targets.yaml,line=12::"
        ),
        "{text}"
    );
    assert!(text.contains("title=unknown could not be judged (inconclusive.permission)"));
    assert!(text.contains("title=later not run (not_run)"));
}

#[test]
fn markdown_says_the_outcome() {
    let text = write(Format::Markdown, &every_outcome());
    assert!(
        text.starts_with(
            "### tcpdoctor: 3 passed, 3 failed, 1 could not be judged, 1 not run of 8"
        )
    );
    let signs = [("✅", 2), ("⚠️", 1), ("❌", 3), ("❓", 1), ("➖", 1)];
    let table: Vec<&str> = text.lines().skip(4).take(FARED.len()).collect();
    for (sign, count) in signs {
        let rows = table.iter().filter(|row| row.starts_with(&format!("| {sign} |")));
        assert_eq!(rows.count(), count, "{sign}");
    }
}

#[test]
fn nagios_says_the_worst() {
    let mut check = every_outcome();
    let line = |check: &_| write(Format::Nagios, check);
    assert!(
        line(&check).starts_with(
            "TCPDOCTOR CRITICAL - 3 of 8 not as expected: db (tcp.timeout_filtered), "
        )
    );
    check.results.retain(|one| one.outcome != Judgement::Failed);
    assert!(line(&check).starts_with("TCPDOCTOR UNKNOWN - 1 of 5 could not be judged: unknown (inconclusive.permission); 1 of 5 not run: later (not_run)"), "{}", line(&check));
    check.results.retain(|one| one.outcome != Judgement::Error);
    assert!(line(&check).starts_with("TCPDOCTOR WARNING - "));
    check.results.retain(|one| !one.is_degraded());
    assert!(line(&check).starts_with("TCPDOCTOR OK - "));
    check.results.retain(|one| one.outcome == Judgement::Skipped);
    assert!(line(&check).starts_with("TCPDOCTOR UNKNOWN - later: interrupted"), "{}", line(&check));
    check.results.clear();
    assert!(line(&check).starts_with("TCPDOCTOR UNKNOWN - no targets"));
}

#[test]
fn prometheus_says_the_outcome_and_the_reason() {
    if !tools::is_there("/usr/bin/python3", "python3-prometheus-client") {
        return;
    }
    let folder = Folder::new();
    let files = tools::files(&folder, "prom", &[write(Format::Prometheus, &every_outcome())]);
    let families = tools::python(tools::PROMETHEUS, &files).remove(0);
    let family = |name: &str| {
        let families = families.as_array().expect("a list");
        families.iter().find(|family| family[0] == name).unwrap_or_else(|| panic!("{name}"))
    };
    let outcomes = family("tcpdoctor_target_outcome")[3].as_array().expect("samples");
    let reasons = family("tcpdoctor_target_diagnosis_info")[3].as_array().expect("samples");
    for (nth, (name, fared, reason)) in FARED.iter().enumerate() {
        let of = |sample: &&Value| sample[0]["name"] == *name;
        let is: Vec<&Value> =
            outcomes.iter().filter(of).filter(|sample| sample[1] == 1.0).collect();
        assert_eq!(is.len(), 1, "{name}");
        assert_eq!(is[0][0]["outcome"], fared.name());
        assert_eq!(reasons[nth][0]["reason"], *reason, "{name}");
    }
    let info = family("tcpdoctor_target_info")[3].as_array().expect("samples");
    assert_eq!(info[0][0]["label_team"], "web");
    assert_eq!(info[0][0]["label_tier_zone"], "front");
    assert_eq!(info[1][0]["label_team"], "");
    let durations = family("tcpdoctor_target_duration_seconds")[3].as_array().expect("samples");
    assert_eq!(durations.len(), 7, "what was not looked at has no duration");
}
