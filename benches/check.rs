//! 500 targets of this machine in one check (a third each open, refused and dropped), beside one target
//! alone and `nmap -sT -Pn` on the same targets.
//!
//! The targets live in a network namespace that this program makes for itself; it ends with it.
//! `cargo bench --bench check`, as root or in an unprivileged user namespace; needs `ip` and `nft`.
#![allow(clippy::disallowed_methods, clippy::print_stdout, clippy::unwrap_used, missing_docs)]

mod common;

use std::io::Write;
use std::net::TcpListener;
use std::os::fd::AsFd;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use common::{enter_namespace, present};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::resource::{UsageWho, getrusage};
use serde_json::Value;

const TARGETS: u16 = 500;
const ROUNDS: usize = 5;

fn main() {
    enter_namespace();
    nft(
        "table inet t {\n chain i {\n type filter hook input priority 0\n tcp dport 22000-22999 drop\n }\n}\n",
    );
    serve((0..TARGETS).step_by(3).map(port).collect());
    let targets: Vec<String> = (0..TARGETS).map(|nth| format!("127.0.0.1:{}", port(nth))).collect();

    let (mut all, mut alone, mut nmap) = (Vec::new(), Vec::new(), Vec::new());
    let installed = present("nmap");
    for _ in 0..ROUNDS {
        all.push(timed(|| check(&targets)));
        // Of the three kinds, the dropped one takes longest by far.
        alone.push(timed(|| check(&targets[2..3])));
        if installed {
            nmap.push(timed(scan));
        }
    }
    let memory = getrusage(UsageWho::RUSAGE_CHILDREN).unwrap().max_rss() as f64 / 1024.0;

    println!("{TARGETS} targets, a third each open, refused and dropped; {ROUNDS} rounds\n");
    let slowest = row("the slowest target alone (dropped)", &mut alone, None);
    let bound = 2.0 * slowest + 1.0;
    let ours = row("tcpdoctor check, all of them", &mut all, Some(bound));
    println!("  {:<36} {:>8.2} times the slowest alone", "", ours / slowest);
    if installed {
        let nmap = row("nmap -sT -Pn, the same targets", &mut nmap, None);
        println!("  {:<36} {:>8.2} times nmap's time", "", ours / nmap);
    } else {
        println!("  nmap is not installed (Debian: nmap)");
    }
    println!(
        "  {:<36} {memory:>8.1} MB, {:.2} MB a target",
        "memory at its peak",
        memory / f64::from(TARGETS)
    );
}

fn port(nth: u16) -> u16 {
    20_000 + 1000 * (nth % 3) + nth
}

/// Checks, and holds every result against what it must be: a wrong one fails the bench.
fn check(targets: &[String]) {
    let output = Command::new(env!("CARGO_BIN_EXE_tcpdoctor"))
        .args(["check", "-q", "--format", "json"])
        .args(targets)
        .stdin(Stdio::null())
        .output()
        .unwrap();
    let check: Value = serde_json::from_slice(&output.stdout).unwrap();
    let results = check["results"].as_array().unwrap();
    assert_eq!(results.len(), targets.len());
    for (target, result) in targets.iter().zip(results) {
        assert_eq!(result["target"], target.as_str(), "in order");
        let id = result["report"]["diagnosis"]["id"].as_str();
        let expected = match target.as_bytes()[11] {
            b'0' => None,
            b'1' => Some("tcp.refused_no_listener"),
            _ => Some("fw.input_drop"),
        };
        assert_eq!(id, expected, "{target}");
    }
}

fn scan() {
    let ports: Vec<String> = (0..TARGETS).map(|nth| port(nth).to_string()).collect();
    let output = Command::new("nmap")
        .args(["-sT", "-Pn", "-n", "-p", &ports.join(","), "127.0.0.1"])
        .stdin(Stdio::null())
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(text.contains("20000/tcp open"), "{text}{}", String::from_utf8_lossy(&output.stderr));
}

fn timed(work: impl FnOnce()) -> Duration {
    let start = Instant::now();
    work();
    start.elapsed()
}

/// Prints min, median and max in seconds, and whether the median keeps a bound; returns the median.
fn row(what: &str, times: &mut [Duration], bound: Option<f64>) -> f64 {
    times.sort_unstable();
    let seconds = |at: usize| times[at].as_secs_f64();
    let (least, median, most) = (seconds(0), seconds(times.len() / 2), seconds(times.len() - 1));
    let kept = |bound: f64| if median <= bound { "kept" } else { "MISSED" };
    let note = bound.map(|bound| format!("  (wanted <= {bound:.2} s)  {}", kept(bound)));
    println!("  {what:<36} {least:>8.2} / {median:.2} / {most:.2} s{}", note.unwrap_or_default());
    median
}

/// Accepts and closes, in one thread for all ports.
fn serve(ports: Vec<u16>) {
    let listeners: Vec<TcpListener> =
        ports.into_iter().map(|port| TcpListener::bind(("127.0.0.1", port)).unwrap()).collect();
    std::thread::spawn(move || {
        loop {
            let mut waiting: Vec<PollFd<'_>> = listeners
                .iter()
                .map(|listener| PollFd::new(listener.as_fd(), PollFlags::POLLIN))
                .collect();
            poll(&mut waiting, PollTimeout::NONE).unwrap();
            for (listener, one) in listeners.iter().zip(&waiting) {
                if one.any() == Some(true) {
                    drop(listener.accept());
                }
            }
        }
    });
}

fn nft(rules: &str) {
    let mut nft = Command::new("nft").args(["-f", "-"]).stdin(Stdio::piped()).spawn().expect("nft");
    nft.stdin.take().unwrap().write_all(rules.as_bytes()).unwrap();
    assert!(nft.wait().unwrap().success());
}
