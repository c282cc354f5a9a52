//! How long a diagnosis takes, beside the commands that a person would type instead.
//!
//! ```text
//! cargo bench --bench speed                     everything, about eight minutes
//! cargo bench --bench speed -- refused          cases whose name contains the word
//! cargo bench --bench speed -- --rounds 9       more runs of each
//! cargo bench --bench speed -- --steps          when each step of the product's last run began and ended
//! cargo bench --bench speed -- --check          fails when a median is above twice its bound
//! ```
//!
//! Each command runs in a network of its own, built and broken in the same way by the fault lab
//! (`tests/lab`), and with the neighbour caches filled: no run profits or suffers from the one before,
//! whose questions may have used up what routers answer per second. A round runs the product and then
//! the classic commands, so that both meet the same load of the machine. The product runs as nobody;
//! the classic commands run as root, without which `traceroute -T` refuses. A run of the product that
//! does not come to the right diagnosis and place is an error, however fast it was.
#![allow(clippy::disallowed_methods, clippy::print_stdout, clippy::print_stderr)]

mod cases;
mod first_packet;
mod network;
mod spread;
mod tool;

// The fault lab's own modules; the bench needs only a part of them.
#[allow(dead_code)]
#[path = "../../tests/lab/dns_server.rs"]
mod dns_server;
#[allow(dead_code)]
#[path = "../../tests/lab/groups.rs"]
mod groups;
#[allow(dead_code)]
#[path = "../../tests/lab/lab.rs"]
mod lab;
#[allow(dead_code)]
#[path = "../../tests/lab/net.rs"]
mod net;
#[allow(dead_code)]
#[path = "../../tests/lab/process.rs"]
mod process;
#[allow(dead_code)]
#[path = "../../tests/lab/rules.rs"]
mod rules;
#[allow(dead_code)]
#[path = "../../tests/lab/run.rs"]
mod run;
#[allow(dead_code)]
#[path = "../../tests/lab/servers.rs"]
mod servers;
#[allow(dead_code)]
#[path = "../../tests/lab/topology.rs"]
mod topology;
#[allow(dead_code)]
#[path = "../../tests/lab/wire.rs"]
mod wire;

use std::process::ExitCode;
use std::time::Duration;

use serde_json::Value;

use crate::cases::{Case, Measured};
use crate::network::Network;
use crate::spread::Spread;
use crate::tool::Tool;

/// How far a median may exceed its bound before `--check` calls it broken: other machines are slower
/// and busier, and a bench that cries wolf is switched off.
const SLACK: u32 = 2;

fn main() -> ExitCode {
    let options = match Options::read(std::env::args().skip(1)) {
        Ok(options) => options,
        Err(problem) => {
            eprintln!("{problem}");
            return ExitCode::from(2);
        }
    };
    if let Err(reason) = net::become_root() {
        eprintln!("no network namespaces here: {reason}");
        return ExitCode::FAILURE;
    }
    surroundings();
    let mut trouble = Vec::new();
    for case in cases::all().iter().filter(|case| case.name.contains(&options.word)) {
        match measure(case, &options) {
            Ok(broken) => trouble.extend(broken),
            Err(problem) => {
                println!("  {problem}");
                trouble.push(format!("{}: {problem}", case.name));
            }
        }
    }
    run::clean_up();
    for line in &trouble {
        eprintln!("FAILED: {line}");
    }
    if trouble.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

struct Options {
    check: bool,
    steps: bool,
    /// For cases that take seconds; the quick ones get four times as many.
    rounds: usize,
    word: String,
}

impl Options {
    fn read(mut arguments: impl Iterator<Item = String>) -> Result<Options, String> {
        let mut options = Options { check: false, steps: false, rounds: 5, word: String::new() };
        while let Some(argument) = arguments.next() {
            match argument.as_str() {
                // Cargo adds it.
                "--bench" => {}
                "--check" => options.check = true,
                "--steps" => options.steps = true,
                "--rounds" => {
                    let rounds = arguments.next().and_then(|number| number.parse().ok());
                    options.rounds = rounds.filter(|rounds| *rounds > 0).ok_or("--rounds N")?;
                }
                flag if flag.starts_with('-') => return Err(format!("unknown flag {flag}")),
                word => word.clone_into(&mut options.word),
            }
        }
        Ok(options)
    }
}

/// Prints what the numbers depend on.
fn surroundings() {
    let read = |path: &str| std::fs::read_to_string(path).unwrap_or_default();
    let kernel = read("/proc/sys/kernel/osrelease");
    let load = read("/proc/loadavg");
    let cpus = std::thread::available_parallelism().map_or(0, usize::from);
    println!(
        "Linux {}, {cpus} CPUs, load {}; times are min / median / max\n",
        kernel.trim(),
        load.split(' ').next().unwrap_or_default()
    );
}

/// Runs all rounds of a case and prints it; returns what `--check` complains of.
fn measure(case: &Case, options: &Options) -> Result<Option<String>, String> {
    println!("{}: tcpdoctor {}", case.name, case.arguments.join(" "));
    let rounds = if case.quick { options.rounds * 4 } else { options.rounds };
    let broken = |e: std::io::Error| format!("the lab itself failed: {e}");
    let (tools, missing): (Vec<&Tool>, Vec<&Tool>) =
        case.classic.iter().partition(|tool| tool.is_installed());
    let mut ours = Vec::new();
    let mut theirs: Vec<Vec<Duration>> = vec![Vec::new(); tools.len()];
    let mut round_trips = Vec::new();
    let mut last = String::new();
    for _ in 0..rounds {
        let network = Network::build(case).map_err(broken)?;
        round_trips.push(network.round_trip());
        ours.push(match case.measured {
            Measured::Whole => {
                let ran = network.product(&case.arguments).map_err(broken)?;
                case.right.check(&ran)?;
                last = ran.stdout;
                ran.wall
            }
            Measured::FirstPacket => {
                let (ran, first) = network.first_packet(&case.arguments).map_err(broken)?;
                case.right.check(&ran)?;
                last = ran.stdout;
                first.ok_or("no packet was seen")?
            }
        });
        drop(network);
        if tools.is_empty() {
            continue;
        }
        let network = Network::build(case).map_err(broken)?;
        for (tool, times) in tools.iter().zip(&mut theirs) {
            times.push(match case.measured {
                Measured::Whole => network.classic(tool).map_err(broken)?.wall,
                Measured::FirstPacket => {
                    let (_, first) = network.classic_first_packet(tool).map_err(broken)?;
                    first.ok_or_else(|| format!("no packet of {tool} was seen"))?
                }
            });
        }
    }

    let spread = Spread::of(&ours);
    let mut verdict = String::new();
    let mut complaint = None;
    if let Some(bound) = case.bound {
        let round_trip = Spread::of(&round_trips).median;
        let allowed = bound.time + round_trip * bound.round_trips;
        let held = ours.iter().filter(|time| **time <= allowed).count();
        verdict = format!("   bound {}: held in {held} of {rounds}", bound.words(round_trip));
        if options.check && spread.median > allowed * SLACK {
            complaint = Some(format!("{}: median {spread}, {verdict}", case.name));
        }
    }
    println!("  {:<42} {spread}{verdict}", "tcpdoctor (nobody)");
    let compare = |name: &str, times: &[Duration]| {
        let ratio = Spread::of_ratios(times, &ours);
        println!("  {name:<42} {}   {ratio} times ours", Spread::of(times));
    };
    for (tool, times) in tools.iter().zip(&theirs) {
        compare(&tool.to_string(), times);
    }
    if tools.len() > 1 {
        let together: Vec<Duration> =
            (0..rounds).map(|round| theirs.iter().map(|times| times[round]).sum()).collect();
        compare("one after the other", &together);
    }
    for tool in missing {
        println!("  {:<42} not measured: {} is not installed here", tool.to_string(), tool.name());
    }
    if options.steps {
        print_steps(&last);
    }
    println!();
    Ok(complaint)
}

/// Prints when the steps of a report ran.
fn print_steps(report: &str) {
    let report = serde_json::from_str::<Value>(report).unwrap_or_default();
    for step in report["steps"].as_array().into_iter().flatten() {
        let (began, took) = (step["started_ms"].as_f64(), step["duration_ms"].as_f64());
        if let (Some(id), Some(began), Some(took)) = (step["id"].as_str(), began, took) {
            println!("    {id:<16} {began:>8.1} ms to {:>8.1} ms", began + took);
        }
    }
    println!("    whole run, as the report has it: {} ms", report["duration_ms"]);
}
