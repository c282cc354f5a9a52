//! The fault lab: real faults in network namespaces, and the whole verdict of the real program.
//!
//! ```text
//! cargo test --test lab                          everything
//! cargo test --test lab -- refused               scenarios whose name contains the word
//! TCPDOCTOR_LAB=required cargo test --test lab   what can't run is a failure, not ignored
//! TCPDOCTOR_LAB_SLACK=2                          stretches every time bound
//! TCPDOCTOR_LAB_EXEC='ip -s link; ping 10.4.3.2' runs this where the product would run, and shows its output
//! TCPDOCTOR_LAB_REPORTS=DIR                      keeps every report
//! UPDATE_SCREENS=1 cargo test --test lab -- screen   writes what stands on the terminal anew
//! ```
//!
//! Needs root or unprivileged user namespaces, `ip` and `nft`. Each trial builds a network of its own
//! and runs the program in it once, as root or as nobody; nothing is shared, so they run side by side.
#![allow(clippy::disallowed_methods, clippy::print_stderr)]

mod conntrack;
mod contract;
mod coverage;
mod dialogue;
mod dns_server;
mod expect;
mod groups;
mod lab;
mod load;
mod net;
mod process;
mod redacted;
mod rules;
mod run;
mod scenario;
mod scenarios;
#[allow(dead_code, unsafe_code)]
#[path = "../terminal/screen.rs"]
mod screen;
mod screens;
mod seen;
mod servers;
mod terminal;
mod topology;
mod wire;

use std::process::ExitCode;
use std::sync::Arc;

use libtest_mimic::{Arguments, Completion, Failed, Trial};

use crate::run::Mode;

/// A trial that is no scenario.
type Other = fn() -> Result<(), Failed>;

fn main() -> ExitCode {
    let mut own = std::env::args().skip(1);
    if own.next().as_deref() == Some(process::ARGUMENT) {
        return process::be(own);
    }
    let mut arguments = Arguments::from_args();
    // Scenarios mostly wait for the network, not for a processor.
    arguments.test_threads.get_or_insert(10);
    let obstacle = if arguments.list { None } else { obstacle() };
    let required = std::env::var("TCPDOCTOR_LAB").is_ok_and(|value| value == "required");
    let layers = scenarios::all();
    let covered = coverage::check(&layers);
    let mut trials = vec![Trial::test(
        "coverage: every diagnosis that a runbook concludes has a scenario",
        || covered,
    )];
    let others: [(&str, Other); 4] = [
        (
            "crowd: 500 targets of this machine, each as alone and in order",
            scenarios::crowd::five_hundred,
        ),
        (
            "crowd: targets behind routers that limit their errors are each as alone",
            scenarios::crowd::behind_routers,
        ),
        ("coverage: whatever is changed on a host is noticed", seen::check),
        (
            "read-only: a check of many targets leaves the client as it was",
            scenarios::read_only::check_command,
        ),
    ];
    for (name, other) in others {
        let unable = obstacle.clone();
        trials.push(Trial::ignorable_test(name, move || match unable {
            None => other().map(|()| Completion::Completed),
            Some(reason) if required => Err(reason.into()),
            Some(reason) => Ok(Completion::ignored_with(reason)),
        }));
    }
    for capture in screens::all() {
        let unable = obstacle.clone();
        trials.push(Trial::ignorable_test(capture.name(), move || match unable {
            None => capture.look().map(|()| Completion::Completed),
            Some(reason) if required => Err(reason.into()),
            Some(reason) => Ok(Completion::ignored_with(reason)),
        }));
    }
    for (layer, scenarios) in layers {
        for scenario in scenarios {
            let scenario = Arc::new(scenario);
            for (mode, suffix) in [(Mode::Nobody, ""), (Mode::Root, " (root)")] {
                if !scenario.runs_in(mode) {
                    continue;
                }
                let (scenario, obstacle) = (Arc::clone(&scenario), obstacle.clone());
                let name = format!("{layer}: {}{suffix}", scenario.name);
                trials.push(Trial::ignorable_test(name, move || match obstacle {
                    None => scenario.run(mode).map(|()| Completion::Completed).map_err(Into::into),
                    Some(reason) if required => Err(reason.into()),
                    Some(reason) => Ok(Completion::ignored_with(reason)),
                }));
            }
        }
    }
    let conclusion = libtest_mimic::run(&arguments, trials);
    run::clean_up();
    conclusion.exit_code()
}

/// Says why no network can be built here, if so.
fn obstacle() -> Option<String> {
    if let Err(reason) = net::become_root() {
        return Some(reason);
    }
    let tried = net::Host::new("trial").and_then(|host| host.nft("list ruleset\n"));
    tried.err().map(|e| format!("no network namespaces here: {e}"))
}
