//! `runbook graph` as a user meets it, and the drawing in the documentation.

#![allow(clippy::disallowed_methods)] // this test reads and writes files and runs the program

use std::path::Path;
use std::process::{Command, Output};

fn graph(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_tcpdoctor"))
        .args(["runbook", "graph"])
        .args(arguments)
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .output()
        .expect("the program runs")
}

fn stdout(output: &Output) -> &str {
    std::str::from_utf8(&output.stdout).expect("UTF-8")
}

#[test]
fn each_picture_comes_on_stdout() {
    let cases: [(&[&str], &str); 4] = [
        (&["kernel"], "flowchart TD"),
        (&["kernel", "--format", "mermaid"], "flowchart TD"),
        (&["kernel", "--format", "dot"], "digraph \"kernel\""),
        (&["kernel", "--format", "svg"], "<svg xmlns="),
    ];
    for (arguments, wanted) in cases {
        let output = graph(arguments);
        assert!(output.status.success(), "{output:?}");
        assert!(stdout(&output).contains(wanted), "{arguments:?}");
        assert!(output.stderr.is_empty(), "{output:?}");
    }
}

#[test]
fn the_way_of_a_saved_report_needs_no_name() {
    let output = graph(&["--report", "examples/filtered.json", "--format", "svg"]);
    assert!(output.status.success(), "{output:?}");
    assert!(stdout(&output).contains("class=\"way on"));
    let other = graph(&["kernel", "--report", "examples/filtered.json", "--format", "svg"]);
    assert!(other.status.success(), "{other:?}");
    let told = String::from_utf8_lossy(&other.stderr);
    assert!(told.contains("another"), "{told}");
}

#[test]
fn a_redacted_way_names_nobody() {
    let arguments = ["--report", "examples/filtered.json", "--format", "svg", "--redact"];
    let plain = graph(&arguments[..4]);
    let output = graph(&arguments);
    assert!(output.status.success(), "{output:?}");
    assert!(stdout(&output).contains("class=\"way on"));
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/filtered.json");
    let report: tcpdoctor::Report =
        serde_json::from_slice(&std::fs::read(path).expect("the example")).expect("a report");
    let diagnosis = report.diagnosis.expect("a fault");
    for secret in [report.target.host, diagnosis.location.address] {
        let secret = secret.expect("a name");
        assert!(stdout(&plain).contains(&secret) && !stdout(&output).contains(&secret), "{secret}");
    }
}

#[test]
fn what_cannot_be_drawn_is_said_in_one_message() {
    let cases: [(&[&str], &str); 6] = [
        (&[], "which runbook?"),
        (&["kernel", "--redact"], "no report to redact"),
        (&["conect"], "connect"),
        (&["kernel", "--format", "json"], "does not write json"),
        (&["kernel", "--report", "no-such-file.json"], "there is no such file"),
        (&["kernel", "--format", "svg", "--output", "html=x.html"], "does not write html"),
    ];
    for (arguments, wanted) in cases {
        let output = graph(arguments);
        assert_eq!(output.status.code(), Some(2), "{output:?}");
        let told = String::from_utf8_lossy(&output.stderr);
        assert!(told.contains(wanted) && told.starts_with("error:"), "{told}");
        assert!(output.stdout.is_empty());
    }
}

#[test]
fn other_commands_say_who_draws() {
    let output = Command::new(env!("CARGO_BIN_EXE_tcpdoctor"))
        .args(["replay", "examples/filtered.json", "--format", "svg"])
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .output()
        .expect("the program runs");
    assert_eq!(output.status.code(), Some(2));
    let told = String::from_utf8_lossy(&output.stderr);
    assert!(told.contains("runbook graph --report"), "{told}");
}

/// `UPDATE_GRAPH=1 cargo test --test graph` writes it anew.
#[test]
fn the_drawing_in_the_documentation_is_that_of_the_runbook() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/connect.svg");
    let output = graph(&["connect", "--format", "svg"]);
    let drawn = stdout(&output);
    assert!(drawn.len() < 300_000, "{} bytes", drawn.len());
    if std::env::var_os("UPDATE_GRAPH").is_some() {
        std::fs::write(&path, drawn).expect("docs can be written");
    }
    let kept = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(kept == drawn, "docs/connect.svg is stale: UPDATE_GRAPH=1 cargo test --test graph");
}
