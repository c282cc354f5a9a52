//! `tcpdoctor check` as a pipeline meets it: targets files, expectations, exit statuses, signals, and
//! files that are whole or not there.
#![allow(clippy::disallowed_methods)] // these tests start the binary and read what it wrote

mod common;

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpListener;
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Instant;

use common::{
    BINARY, ClosedPort, Done, Folder, PATIENCE, SilentPort, done, ends, is_ready, open_port,
};
use nix::poll::PollFlags;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::Value;

/// `tcpdoctor check`.
fn command(args: &[&str]) -> Command {
    common::command(&[&["check"], args].concat())
}

fn run(args: &[&str]) -> Done {
    done(&mut command(args))
}

/// `name outcome` of every result.
fn outcomes(done: &Done) -> Vec<String> {
    let check = done.json();
    let results = check["results"].as_array().expect("results");
    let word = |value: &Value| value.as_str().expect("text").to_owned();
    results.iter().map(|r| format!("{} {}", word(&r["name"]), word(&r["outcome"]))).collect()
}

/// A port that refuses, as long as the first is held, and its address.
fn closed_port() -> (ClosedPort, String) {
    let port = ClosedPort::new();
    let address = port.address.to_string();
    (port, address)
}

fn assert_refused(args: &[&str], says: &str) {
    let done = run(args);
    assert_eq!(done.status, Some(2), "{args:?}: {}", done.stderr);
    assert_eq!(done.stdout, "", "{args:?}");
    assert!(done.stderr.contains(says), "{args:?}: {}", done.stderr);
    let raw = done.stderr.chars().find(|c| c.is_control() && *c != '\n');
    assert_eq!(raw, None, "{args:?}: {:?}", done.stderr);
}

#[test]
fn what_cannot_be_meant_is_refused_before_anything_is_sent() {
    let folder = Folder::new();
    let targets =
        folder.file("t.yaml", "format: 1\ntargets: [{target: 'a:1', labels: {tier: db}}]\n");
    let hostile = folder.file("h.yaml", "format: 1\ntargets: [\"\\e[2J\"]\n");
    assert_refused(&[], "no target");
    assert_refused(&["127.0.0.1:1", "127.0.0.1:1"], "two targets");
    assert_refused(&["db.test"], "no port");
    assert_refused(&["a:1", "--expect", "heathy"], "did you mean `healthy`?");
    assert_refused(&["a:1", "--expect", "{not: mtu.blackhol}"], "did you mean `mtu.blackhole`?");
    assert_refused(&["a:1", "--fail-on", "mtu.blakhole"], "did you mean mtu.blackhole?");
    assert_refused(&["a:1", "--jobs", "0"], "--jobs");
    assert_refused(&["a:1", "--interval", "1s"], "--retry-until");
    assert_refused(&["--targets", &folder.path("none.yaml")], "no such file");
    assert_refused(&["--targets", &targets, "--select", "teir"], "did you mean tier?");
    assert_refused(&["--targets", &targets, "--skip", "tier=*"], "leave no target");
    assert_refused(&["--targets", &targets, "--expect", "healthy"], "--expect");
    assert_refused(&["--targets", &targets, "a:1", "--runbook", "nope"], "nope");
    assert_refused(&["--targets", &hostile], "h.yaml:2:11");
}

#[test]
fn the_exit_status_says_whether_all_are_as_expected() {
    let (open, (_closed, closed)) = (open_port(), closed_port());
    let silent = SilentPort::new();
    let never = silent.address.to_string();
    let refused = "{diagnosis: tcp.refused*}";
    let cases: [(&[&str], i32); 8] = [
        (&[&open], 0),
        (&[&closed], 1),
        (&[&open, &closed], 1),
        (&[&closed, "--expect", refused], 0),
        (&[&open, "--expect", refused], 1),
        (&[&open, "--expect", "{max_connect_ms: 5000, not: mtu.*}"], 0),
        (&[&closed, "--exit-style", "nagios"], 2),
        (&[&never, "--budget", "1ms"], 3),
    ];
    for (args, status) in cases {
        let done = run(args);
        assert_eq!(done.status, Some(status), "{args:?}: {}{}", done.stdout, done.stderr);
    }
}

#[test]
fn a_targets_file_is_checked_in_its_order_with_its_variables() {
    let (open, (_closed, closed)) = (open_port(), closed_port());
    let folder = Folder::new();
    let text = "format: 1\nenv: [CHECK_OPEN, {name: CHECK_CLOSED, default: '127.0.0.1:1'}]\n\
                defaults: {labels: {env: test}}\ntargets:\n\
                - {name: dmz, target: '${CHECK_CLOSED}', expect: {diagnosis: tcp.refused_no_listener}}\n\
                - {name: web, target: '${CHECK_OPEN}', labels: {tier: web}}\n\
                - {name: down, target: '${CHECK_CLOSED}', labels: {tier: db}}\n";
    let file = folder.file("targets.yaml", text);
    let with = |args: &[&str]| {
        let mut all = vec!["--targets", &file, "--format", "json", "--quiet"];
        all.extend(args);
        done(command(&all).env("CHECK_OPEN", &open).env("CHECK_CLOSED", &closed))
    };
    let all = with(&[]);
    assert_eq!(outcomes(&all), ["dmz passed", "web passed", "down failed"]);
    assert_eq!((all.status, all.stderr.as_str()), (Some(1), ""));
    let check = all.json();
    assert_eq!(check["schema"], "tcpdoctor.check/1");
    assert_eq!(check["results"][1]["defined"]["line"], 6);
    assert_eq!(check["results"][1]["report"]["verdict"], "healthy");
    assert_eq!(check["results"][2]["labels"]["env"], "test");
    assert_eq!(outcomes(&with(&["--select", "tier=w*"])), ["web passed"]);
    assert_eq!(outcomes(&with(&["--skip", "tier=db"])), ["dmz passed", "web passed"]);
    assert_eq!(outcomes(&with(&["--select", "name=d*"])), ["dmz passed", "down failed"]);
    let unset = done(&mut command(&["--targets", &file]));
    assert_eq!(unset.status, Some(2));
    assert!(unset.stderr.contains("CHECK_OPEN is not set"), "{}", unset.stderr);
}

#[test]
fn the_first_that_fails_ends_it_when_asked_and_the_rest_is_skipped() {
    let (open, (_closed, closed)) = (open_port(), closed_port());
    let done = run(&[&closed, &open, "--fail-fast", "--jobs", "1", "--format", "json"]);
    assert_eq!(outcomes(&done), [format!("{closed} failed"), format!("{open} skipped")]);
    assert_eq!(done.status, Some(1));
}

#[test]
fn a_target_that_comes_up_later_passes_and_the_attempts_are_counted() {
    let (closed, address) = closed_port();
    let witness = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let other = witness.local_addr().expect("it is bound").to_string();
    let mut child = command(&[&address, &other, "--jobs", "1", "--format", "json"])
        .args(["--retry-until", "60s", "--interval", "50ms"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the binary runs");
    // One at a time: once the second is looked at, the first has been, and was refused.
    let (mut client, _) = witness.accept().expect("a connection");
    let opened = closed.open();
    std::thread::spawn(move || {
        let _ = client.write_all(b"hello\r\n");
        for mut client in witness.incoming().flatten() {
            let _ = client.write_all(b"hello\r\n");
        }
    });
    std::thread::spawn(move || {
        for mut client in opened.incoming().flatten() {
            let _ = client.write_all(b"hello\r\n");
        }
    });
    let mut stdout = String::new();
    child.stdout.take().expect("piped").read_to_string(&mut stdout).expect("UTF-8");
    assert!(child.wait().expect("it ends").success(), "{stdout}");
    let check: Value = serde_json::from_str(&stdout).expect("JSON");
    assert_eq!(check["results"][0]["outcome"], "passed");
    assert!(
        check["results"][0]["attempts"].as_u64() >= Some(2),
        "{}",
        check["results"][0]["attempts"]
    );
    assert_eq!(check["results"][1]["attempts"], 1);
}

#[test]
fn a_target_that_never_comes_up_is_tried_until_the_time_is_over() {
    let (_closed, closed) = closed_port();
    let done = run(&[&closed, "--retry-until", "3s", "--interval", "500ms", "--format", "json"]);
    assert_eq!(done.status, Some(1));
    let attempts = done.json()["results"][0]["attempts"].as_u64().expect("a number");
    assert!((2..=7).contains(&attempts), "{attempts}");
}

#[test]
fn the_total_budget_makes_errors_of_what_runs_and_skips_the_rest() {
    let silent = [SilentPort::new(), SilentPort::new()];
    let [one, other] = silent.each_ref().map(|port| port.address.to_string());
    let args = [&one, &other, "--jobs", "1", "--total-budget", "300ms", "--budget", "1h"];
    let start = Instant::now();
    let done = run(&[&args[..], &["--retry-until", "1h", "--format", "json"]].concat());
    assert_eq!(outcomes(&done), [format!("{one} error"), format!("{other} skipped")]);
    assert_eq!(done.status, Some(3));
    assert!(start.elapsed() < PATIENCE, "{:?}", start.elapsed());
}

#[test]
fn progress_is_one_plain_line_for_each_target_and_nothing_when_quiet() {
    let (open, (_closed, closed)) = (open_port(), closed_port());
    let shown = run(&[&open, &closed]);
    let lines: Vec<&str> = shown.stderr.lines().collect();
    assert_eq!(lines.len(), 2, "{}", shown.stderr);
    assert!(lines[1].starts_with("[2/2] "), "{}", shown.stderr);
    assert!(!shown.stderr.contains('\u{1b}') && !shown.stderr.contains('\r'));
    assert_eq!(run(&[&open, &closed, "-q"]).stderr, "");
}

#[test]
fn text_has_a_line_for_each_target_and_explains_what_failed() {
    let (open, (_closed, closed)) = (open_port(), closed_port());
    let done = run(&[&open, &closed, "-q"]);
    let lines: Vec<&str> = done.stdout.lines().collect();
    assert!(lines[0].starts_with("1 failed, 1 passed of 2 targets in "), "{}", done.stdout);
    assert!(lines[2].starts_with("✓ ") && lines[2].ends_with("healthy"), "{}", done.stdout);
    assert!(lines[3].starts_with("✗ ") && lines[3].ends_with("tcp.refused_no_listener"));
    for said in ["  Where  ", "  Do     ", &format!("tcpdoctor diagnose {closed}")] {
        assert!(done.stdout.contains(said), "{said}: {}", done.stdout);
    }
    assert!(lines.iter().all(|line| line.chars().count() <= 80), "{}", done.stdout);
}

fn send(child: &Child, signal: Signal) {
    let pid = Pid::from_raw(i32::try_from(child.id()).expect("a pid"));
    kill(pid, signal).expect("own child");
}

#[test]
fn a_signal_ends_it_with_what_is_known_and_the_rest_is_skipped() {
    let (open, silent) = (open_port(), SilentPort::new());
    let never = silent.address.to_string();
    let folder = Folder::new();
    for (signal, status) in [(Signal::SIGINT, 130), (Signal::SIGTERM, 143), (Signal::SIGHUP, 129)] {
        let file = folder.path(&format!("{status}.json"));
        let mut child = command(&[&never, &open, "--format", "ndjson"])
            .args(["--output", &format!("json={file}"), "--retry-until", "1h"])
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("the binary runs");
        let mut lines = BufReader::new(child.stdout.take().expect("piped")).lines();
        // A line comes as its target ends; the silent one is looked at for ever.
        let first: Value =
            serde_json::from_str(&lines.next().expect("a line").expect("UTF-8")).expect("JSON");
        assert_eq!((&first["name"], &first["outcome"]), (&open.as_str().into(), &"passed".into()));
        send(&child, signal);
        let rest: Vec<String> = lines.map(|line| line.expect("UTF-8")).collect();
        assert_eq!(ends(&mut child).code(), Some(status));
        let second: Value = serde_json::from_str(&rest[0]).expect("JSON");
        assert_eq!((rest.len(), &second["outcome"]), (1, &"skipped".into()));
        let check: Value =
            serde_json::from_slice(&fs::read(&file).expect("the file")).expect("JSON");
        assert_eq!(check["interrupted"], true);
        assert_eq!(check["results"][0]["outcome"], "skipped");
        assert_eq!(check["results"][0]["problems"][0], "interrupted");
        assert_eq!(check["results"][1]["report"]["verdict"], "healthy");
    }
}

#[test]
fn a_second_signal_ends_it_at_once() {
    let silent = SilentPort::new();
    let never = silent.address.to_string();
    let ports: Vec<String> = (0..12).map(|_| open_port()).collect();
    let mut args: Vec<&str> = ports.iter().map(String::as_str).collect();
    args.extend([&never, "--format", "json", "--retry-until", "1h"]);
    let mut child = command(&args)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the binary runs");
    let mut progress = BufReader::new(child.stderr.take().expect("piped")).lines();
    for _ in &ports {
        progress.next().expect("a line").expect("UTF-8");
    }
    send(&child, Signal::SIGTERM);
    // More than a pipe takes, and nobody reads it: from the first byte on, it hangs in writing.
    let stdout = child.stdout.take().expect("piped");
    assert!(is_ready(&stdout, PollFlags::POLLIN, PATIENCE), "the result does not come");
    send(&child, Signal::SIGTERM);
    assert_eq!(ends(&mut child).signal(), Some(libc::SIGTERM));
}

#[test]
fn killed_at_any_moment_it_leaves_a_complete_file_or_none() {
    let folder = Folder::new();
    // A report that takes a while to write.
    let fixture =
        Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/render/reports/healthy_local.json");
    let mut report: Value =
        serde_json::from_slice(&fs::read(fixture).expect("a fixture")).expect("JSON");
    let step = report["steps"][0].clone();
    for nth in 0..400 {
        let mut step = step.clone();
        step["id"] = format!("more{nth}").into();
        report["steps"].as_array_mut().expect("steps").push(step);
    }
    let input = folder.file("in.json", report.to_string());
    let output = folder.path("out.json");
    let start = || {
        let output = format!("json={output}");
        common::command(&["replay", &input, "--output", &output])
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .expect("the binary runs")
    };
    let begun = Instant::now();
    ends(&mut start());
    let took = begun.elapsed();
    let whole = fs::read(&output).expect("written");
    assert!(serde_json::from_slice::<Value>(&whole).is_ok());
    let (mut absent, mut present) = (0, 0);
    // Where no file was, the moment nears that of the writing from both sides, however fast the
    // machine is just now.
    let mut near = took;
    for nth in 0..60u32 {
        let fresh = nth % 2 == 0;
        match fresh {
            true => drop(fs::remove_file(&output)),
            false => fs::write(&output, &whole).expect("own folder"),
        }
        let mut child = start();
        // It says nothing, and is not waited for beyond its end.
        let said = child.stderr.take().expect("piped");
        is_ready(&said, PollFlags::empty(), if fresh { near } else { took * (nth + 1) / 55 });
        let _ = child.kill();
        ends(&mut child);
        match fs::read(&output) {
            Ok(bytes) => {
                assert!(bytes == whole, "{} of {} bytes", bytes.len(), whole.len());
                if fresh {
                    present += 1;
                    near = near * 4 / 5;
                }
            }
            Err(_) if fresh => {
                absent += 1;
                near = near * 5 / 4;
            }
            Err(error) => panic!("the old file is gone: {error}"),
        }
        assert_eq!(folder.names().iter().filter(|name| name.ends_with(".tmp")).count(), 0);
    }
    assert!(absent > 0 && present > 0, "killed before and after: {absent} and {present}");
}

#[test]
fn few_open_files_make_it_slower_and_change_nothing_else() {
    let ports: Vec<String> = (0..20).map(|_| open_port()).collect();
    let line =
        format!("ulimit -n 120; exec \"$0\" check --jobs 20 -q --format json {}", ports.join(" "));
    let done = done(Command::new("sh").args(["-c", &line, BINARY]));
    assert_eq!(done.status, Some(0), "{}{}", done.stdout, done.stderr);
    assert!(done.stderr.contains("targets at a time"), "{}", done.stderr);
    assert_eq!(done.json()["results"].as_array().map(Vec::len), Some(20));
}
