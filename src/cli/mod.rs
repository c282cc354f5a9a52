//! The command line: arguments, progress, exit status. It decides nothing about the network.
//!
//! stdout carries only the chosen format; messages and progress go to stderr.

mod answers;
mod args;
mod canvas;
mod check;
mod conversation;
mod deliver;
mod diagnose;
mod explain;
mod fail_on;
mod files;
mod ladder;
mod manual;
mod menu;
mod nearest;
mod other_end;
mod params;
mod paste;
mod permits;
mod probe;
mod progress;
mod prompt;
mod redaction;
mod replay;
mod runbook;
mod runbooks;
mod runtime;
mod status;
mod terminal;
mod trees;
mod usage;

use std::process::ExitCode;

use crate::cli::args::{Command, ExitStyle, Parsed};
use crate::model::check::Alarm;

/// Runs the program.
pub fn main() -> ExitCode {
    let args = match args::parse(std::env::args_os()) {
        Parsed::Run(args) => args,
        Parsed::Shown => return ExitCode::SUCCESS,
        Parsed::Refused(message, status) => {
            terminal::complain(&message);
            return ExitCode::from(status);
        }
    };
    let global = &args.global;
    let ended = match &args.command {
        Command::Diagnose(args) => diagnose::run(global, args),
        Command::Check(check) => check::run(global, check),
        Command::Probe { name, target, with } => {
            probe::run(global, name.as_deref(), target.as_deref(), with)
        }
        Command::Replay { file, explain, judge } => replay::run(global, file, judge, *explain),
        Command::Runbook { command } => runbook::run(global, command),
        Command::Completions { shell } => Ok(manual::completions(*shell)),
        Command::Man { directory } => manual::man(directory.as_deref()),
        Command::Explain { id } => explain::run(global, id.as_deref()),
    };
    let status = ended.unwrap_or_else(|usage| {
        terminal::complain(&usage.to_string());
        match &args.command {
            // 2 would say that the target is in a critical state.
            Command::Check(check) if check.exit_style == ExitStyle::Nagios => {
                deliver::plugin_cannot(&usage.to_string());
                Alarm::Unknown.code()
            }
            _ => status::USAGE,
        }
    });
    ExitCode::from(status)
}
