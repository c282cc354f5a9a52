//! The real binary: bad input, exit statuses, stdout and stderr.
#![allow(clippy::disallowed_methods)] // these tests start the binary and read what it wrote

mod common;

use std::fs;
use std::io::{BufRead, BufReader, Read};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Instant;

use common::{
    BINARY, ClosedPort, Done, Folder, PATIENCE, SilentPort, command, done, greeting, open_port, run,
};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::Value;

fn fixture(name: &str) -> String {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/render/reports");
    folder.join(name).to_string_lossy().into_owned()
}

/// One clear message on stderr, nothing on stdout, exit status 2, nothing raw.
fn assert_refused(args: &[&str], says: &str) {
    let done = run(args);
    assert_eq!(done.status, Some(2), "{args:?}: {}", done.stderr);
    assert_eq!(done.stdout, "", "{args:?}");
    assert!(done.stderr.starts_with("error: "), "{args:?}: {}", done.stderr);
    assert!(done.stderr.contains(says), "{args:?}: {}", done.stderr);
    assert_eq!(done.stderr.matches("error:").count(), 1, "{}", done.stderr);
    let raw = done.stderr.chars().find(|c| c.is_control() && *c != '\n');
    assert_eq!(raw, None, "{args:?}: {:?}", done.stderr);
}

#[test]
fn a_target_that_cannot_be_used_is_refused_before_anything_is_sent() {
    let long = format!("{}.test:80", "abcdefgh.".repeat(40));
    let label = format!("{}.test:80", "a".repeat(64));
    let cases = [
        ("", "empty"),
        ("db.test:0", "port 0"),
        ("db.test:70000", "out of range"),
        ("db.test:http", "not a number"),
        ("db.test:", "missing"),
        ("https://:443", "host is empty"),
        ("a b:80", "contains"),
        ("a\u{1b}[31mb:80", "\\u{1b}"),
        ("a\u{202e}b:80", "\\u{202e}"),
        ("1:2:3", "more than one colon"),
        ("[::1:80", "no matching ]"),
        ("999.1.1.1:80", "neither an IPv4 address"),
        (&long, "bytes"),
        (&label, "label"),
        ("db.test", "no port"),
        ("thing://db.test", "no port"),
    ];
    for (target, says) in cases {
        assert_refused(&["diagnose", target], says);
    }
    assert_refused(&["-4", "diagnose", "[::1]:80"], "IPv6");
    assert_refused(&["diagnose", "-6", "127.0.0.1:80"], "IPv4");
}

#[test]
fn a_refused_target_comes_with_what_to_write_instead() {
    let done = run(&["diagnose", "db.test:70000"]);
    assert_eq!(
        done.stderr,
        "error: the target \"db.test:70000\" cannot be used: port 70000 is out of range\n  \
         help: write a port from 1 to 65535\n"
    );
}

#[test]
fn unknown_words_are_refused_with_the_nearest_known_one() {
    assert_refused(&["diagnos", "a:1"], "diagnose");
    assert_refused(&["diagnose", "a:1", "--bugdet", "2s"], "--budget");
    assert_refused(&["diagnose", "a:1", "--format", "yaml"], "text, json");
    assert_refused(&["diagnose", "a:1", "--fail-on", "fault"], "degraded");
    assert_refused(&["probe", "tcp_conect", "a:1"], "did you mean tcp_connect?");
    assert_refused(&["probe", "dns", "--with", "nam=x"], "did you mean name?");
    assert_refused(&["explain", "tcp_conect"], "did you mean tcp_connect?");
    assert_refused(&["explain", "tcp_connect.outcom"], "did you mean tcp_connect.outcome?");
    assert_refused(&["explain", "\u{1b}[2J"], "\\u{1b}[2J");
    assert_refused(&["diagnose", "--\u{7}"], "--");
}

#[test]
fn budgets_need_a_unit_and_a_positive_value() {
    for budget in ["10", "0s", "-2s", "soon", "1d", "99999999999h", ""] {
        assert_refused(&["diagnose", "a:1", "--budget", budget], "--budget");
    }
}

#[test]
fn arguments_of_a_probe_are_checked_before_it_runs() {
    assert_refused(&["probe", "tcp_connect"], "needs addresses");
    assert_refused(&["probe", "tcp_connect", "127.0.0.1"], "needs port");
    assert_refused(&["probe", "dns"], "needs name");
    assert_refused(&["probe", "tcp_connect", "127.0.0.1:1", "--with", "port=70000"], "65535");
    assert_refused(
        &["probe", "tcp_connect", "127.0.0.1:1", "--with", "attempts=x"],
        "whole number",
    );
    assert_refused(&["probe", "tcp_connect", "127.0.0.1:1", "--with", "attempts=-1"], "attempts");
    assert_refused(&["probe", "tcp_connect", "127.0.0.1:1", "--with", "attempts"], "NAME=VALUE");
    assert_refused(&["probe", "dns", "a", "--runbook", "connect"], "--with");
}

#[test]
fn a_runbook_that_is_not_there_or_is_broken_is_refused() {
    let folder = Folder::new();
    let broken = folder.file("broken.yaml", "format: 1\nname: [\n");
    assert_refused(&["diagnose", "a:1", "--runbook", "/nonexistent/book.yaml"], "book.yaml");
    assert_refused(&["diagnose", "a:1", "--runbook", "conect"], "connect");
    let done = run(&["diagnose", "a:1", "--runbook", &broken]);
    assert_eq!(done.status, Some(2));
    assert!(done.stderr.contains("broken.yaml"), "{}", done.stderr);
    assert_refused(&["diagnose", "a:1", "--param", "attemps=3"], "did you mean attempts?");
    assert_refused(&["diagnose", "a:1", "--param", "attempts=0"], "least");
    assert_refused(&["diagnose", "a:1", "--param", "attempts=many"], "whole number");
    assert_refused(&["diagnose", "a:1", "--param", "attempts"], "NAME=VALUE");
}

#[test]
fn a_file_that_is_no_report_is_refused_with_the_reason() {
    let folder = Folder::new();
    let whole = fs::read(fixture("refused.json")).expect("the fixture");
    let cases: [(&str, &[u8], &str); 6] = [
        ("empty.json", b"", "empty"),
        ("cut.json", &whole[..whole.len() / 2], "ends in the middle"),
        ("text.json", b"FAULT db.test", "not JSON"),
        ("foreign.json", b"{\"version\": \"2.1.0\"}", "schema"),
        ("newer.json", b"{\"schema\": \"tcpdoctor.report/9\"}", "tcpdoctor.report/1"),
        ("binary.json", &[0xff, 0xfe, 0x00, 0x1b], "not JSON"),
    ];
    for (name, content, says) in cases {
        assert_refused(&["replay", &folder.file(name, content)], says);
    }
    assert_refused(&["replay", &folder.path("missing.json")], "no such file");
    assert_refused(&["replay", &folder.path("")], "directory");
    assert_refused(&["replay", &fixture("refused.json"), "--budget", "2s"], "saved report");
}

#[test]
fn a_file_for_output_is_checked_before_anything_is_sent() {
    let folder = Folder::new();
    let nowhere = format!("json={}", folder.path("no/such/folder.json"));
    let itself = format!("json={}", folder.path(""));
    assert_refused(&["probe", "--output", &nowhere], "no directory");
    assert_refused(&["probe", "--output", &itself], "is a directory");
    assert_refused(&["probe", "--output", "report.json"], "FORMAT=PATH");
    assert_refused(&["probe", "--output", "json="], "missing");
    assert_refused(&["probe", "--output", "json=-"], "--format json");
    assert_refused(&["probe", "--output", "pdf=x.pdf"], "text, json");
}

#[test]
fn output_files_are_written_whole_and_replace_what_was_there() {
    let folder = Folder::new();
    let json = folder.file("probes.json", "old");
    let text = folder.path("probes.txt");
    let (to_json, to_text) = (format!("json={json}"), format!("text={text}"));
    let done = run(&["probe", "--output", &to_json, "--output", &to_text, "--format", "json"]);
    assert_eq!(done.status, Some(0), "{}", done.stderr);
    assert_eq!(fs::read_to_string(&json).expect("written"), done.stdout);
    assert!(fs::read_to_string(&text).expect("written").contains("tcp_connect"));
    assert_eq!(folder.names(), ["probes.json", "probes.txt"], "nothing else was left behind");
    assert!(done.json().as_array().expect("a list").iter().any(|probe| probe["id"] == "dns"));
}

#[test]
fn help_names_every_command_and_every_exit_status() {
    let help = run(&["--help"]);
    assert_eq!((help.status, help.stderr.as_str()), (Some(0), ""));
    for word in ["diagnose", "probe", "replay", "explain", "Exit status", "130", "--budget"] {
        assert!(help.stdout.contains(word), "{word}");
    }
    let version = run(&["--version"]);
    assert_eq!(version.stdout, format!("tcpdoctor {}\n", env!("CARGO_PKG_VERSION")));
    let nothing = run(&[]);
    assert_eq!((nothing.status, nothing.stdout.as_str()), (Some(2), ""));
    assert!(nothing.stderr.contains("Usage:"));
}

#[test]
fn a_reader_that_leaves_early_causes_no_noise() {
    let mut child = command(&["explain"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the binary runs");
    drop(child.stdout.take());
    let output = child.wait_with_output().expect("it ends");
    let said = String::from_utf8(output.stderr).expect("UTF-8");
    assert_eq!((output.status.code(), said.as_str()), (Some(0), ""));
}

#[test]
fn a_full_disk_is_told_and_is_no_success() {
    let full = fs::OpenOptions::new().write(true).open("/dev/full").expect("/dev/full");
    let done = done(command(&["probe"]).stdout(full));
    assert_eq!(done.status, Some(3));
    assert!(done.stderr.contains("stdout could not be written"), "{}", done.stderr);
}

/// Runs the binary under a shell that first lowers the limit on open files.
fn with_open_files(limit: u32, args: &str) -> Done {
    let script = format!("ulimit -n {limit}; exec \"$0\" {args}");
    done(Command::new("sh").args(["-c", &script, BINARY]).stdin(Stdio::null()))
}

#[test]
fn too_few_file_descriptors_are_told_and_never_panic() {
    for limit in 4..24 {
        let done = with_open_files(limit, "probe tcp_connect 127.0.0.1:1");
        assert!(!done.stderr.contains("panicked"), "{limit}: {}", done.stderr);
        // With very few, the program may not even be loaded: the shell says so with 127.
        assert!(matches!(done.status, Some(0 | 3 | 127)), "{limit}: {:?}", done.status);
    }
    let few = with_open_files(6, "probe tcp_connect 127.0.0.1:1");
    assert_eq!(few.status, Some(3), "{}", few.stderr);
    assert!(few.stderr.contains("RLIMIT_NOFILE"), "{}", few.stderr);
}

#[test]
fn colours_come_only_when_asked_for_or_on_a_terminal() {
    assert!(!run(&["explain", "dns"]).stdout.contains('\u{1b}'));
    assert!(run(&["explain", "dns", "--color", "always"]).stdout.contains('\u{1b}'));
    assert!(!run(&["explain", "dns", "--color", "never"]).stdout.contains('\u{1b}'));
}

#[test]
fn a_service_that_works_is_healthy_and_the_status_says_so() {
    let target = open_port();
    let done = run(&["diagnose", &target]);
    assert_eq!(done.status, Some(0), "{}{}", done.stdout, done.stderr);
    assert!(done.stdout.contains(&target), "{}", done.stdout);
    assert_eq!(done.stderr, "", "stderr is silent when it is no terminal");
}

#[test]
fn a_port_without_a_listener_is_a_fault_with_the_contract_s_fields() {
    let closed = ClosedPort::new();
    let done = run(&["diagnose", &closed.address.to_string(), "--format", "json"]);
    assert_eq!(done.status, Some(1), "{}", done.stderr);
    let report = done.json();
    assert_eq!(report["schema"], "tcpdoctor.report/1");
    assert_eq!(report["verdict"], "fault");
    assert_eq!(report["diagnosis"]["id"], "tcp.refused_no_listener");
    assert_eq!(report["target"]["port"], closed.address.port());
    assert_eq!(report["target"]["host"], "127.0.0.1");
    for field in ["tool", "vantage", "runbook", "started_at", "duration_ms", "findings", "path"] {
        assert!(!report[field].is_null(), "{field}");
    }
    for step in report["steps"].as_array().expect("steps") {
        for field in ["id", "title", "layer", "status", "observation", "unknown", "branch"] {
            assert!(step.get(field).is_some(), "{field} of {step}");
        }
    }
}

#[test]
fn a_saved_report_replays_to_the_same_report() {
    let folder = Folder::new();
    let file = folder.path("report.json");
    let output = format!("json={file}");
    let target = open_port();
    let live = run(&["diagnose", &target, "--output", &output]);
    let again = run(&["replay", &file]);
    assert_eq!((again.status, &again.stdout), (live.status, &live.stdout), "{}", again.stderr);
    let json = run(&["replay", &file, "--format", "json"]);
    assert_eq!(json.stdout, fs::read_to_string(&file).expect("the report"));
    let line = "\"$0\" replay - --format json < \"$1\"";
    let piped = done(Command::new("sh").args(["-c", line, BINARY, &file]));
    assert_eq!(piped.stdout, json.stdout);
}

#[test]
fn a_budget_ends_the_run_and_says_so() {
    let silent = SilentPort::new();
    let target = silent.address.to_string();
    let done = run(&["diagnose", &target, "--budget", "300ms", "--format", "json"]);
    assert_eq!(done.status, Some(3), "{}", done.stdout);
    let report = done.json();
    assert_eq!(report["diagnosis"]["id"], "inconclusive.budget");
    // Left alone, the first probe alone takes longer than all of it.
    assert!(report["duration_ms"].as_f64() < Some(20_000.0), "{}", report["duration_ms"]);
}

/// The first step is over at once, the second takes longer than any test waits.
const WAITS: &str = "format: 1
name: waits
title: Waits
start: first
steps:
  first: {title: First, layer: host, decide: true, branches: [{else: second}]}
  second:
    title: Second
    layer: kernel
    probe: counters
    with: {window_ms: 600000}
    branches: [{else: healthy}]
    unknown: inconclusive
";

#[test]
fn an_interrupt_ends_the_run_at_once_with_a_partial_report() {
    let folder = Folder::new();
    let book = folder.file("waits.yaml", WAITS);
    for (signal, status) in [(Signal::SIGINT, 130), (Signal::SIGTERM, 143)] {
        let args = ["diagnose", "127.0.0.1:1", "--runbook", &book, "--budget", "1h", "-v"];
        let mut child = command(&args)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("the binary runs");
        // The long one is under way.
        let mut stderr = BufReader::new(child.stderr.take().expect("piped"));
        let mut line = String::new();
        stderr.read_line(&mut line).expect("progress");
        assert!(line.contains("Second"), "{line}");
        let start = Instant::now();
        kill(Pid::from_raw(child.id().cast_signed()), signal).expect("own child");
        let output = child.wait_with_output().expect("it ends");
        assert!(start.elapsed() < PATIENCE, "{:?}", start.elapsed());
        assert_eq!(output.status.code(), Some(status), "{signal}");
        let report = String::from_utf8(output.stdout).expect("UTF-8");
        assert!(report.contains("INCONCLUSIVE"), "{report}");
        let mut rest = String::new();
        stderr.read_to_string(&mut rest).expect("UTF-8");
        assert!(rest.contains("interrupted"), "{rest}");
    }
}

#[test]
fn a_probe_shows_its_arguments_and_what_it_saw() {
    let target = open_port().replace("127.0.0.1", "localhost");
    let done = run(&["probe", "tcp_connect", &target, "-4", "--format", "json"]);
    assert_eq!(done.status, Some(0), "{}{}", done.stdout, done.stderr);
    let seen = done.json();
    assert_eq!(seen["probe"], "tcp_connect");
    assert_eq!(seen["args"]["addresses"], serde_json::json!(["127.0.0.1"]));
    assert_eq!(seen["observation"]["outcome"], "open");
    assert_eq!(seen["unknown"], Value::Null);
    assert!(seen["duration_ms"].as_f64().is_some());
    let text = run(&["probe", "tcp_connect", &target, "-4", "--with", "attempts=2"]);
    assert!(text.stdout.contains("attempts: 2"), "{}", text.stdout);
}

#[test]
fn a_password_in_the_target_never_reaches_a_report() {
    let target = format!("postgres://ann:s3cret@{}/db?token=t0ken", open_port());
    for format in ["text", "json"] {
        let done = run(&["diagnose", &target, "--format", format]);
        assert!(done.stdout.contains("ann:***@127.0.0.1"), "{}", done.stdout);
        assert!(!done.stdout.contains("s3cret") && !done.stdout.contains("t0ken"));
    }
}

#[test]
fn nothing_raw_from_a_server_reaches_the_terminal() {
    let target = greeting("220 \u{1b}[2J\u{1b}]0;owned\u{7}\u{9b}31m\u{202e}\r\n");
    for args in [
        &["diagnose", target.as_str()][..],
        &["diagnose", &target, "-v", "--format", "json"],
        &["probe", "greeting", &target],
        &["probe", "greeting", &target, "--format", "json"],
    ] {
        let done = run(args);
        let all = format!("{}{}", done.stdout, done.stderr);
        let raw = all.chars().find(|c| tcpdoctor::render::sanitise::is_unsafe(*c) && *c != '\n');
        assert_eq!(raw, None, "{args:?}: {all:?}");
    }
}
