//! `tcpdoctor runbook …`: what authors of runbooks need. One file for each subcommand.

mod list;

use clap::Subcommand;

use crate::cli::args::Global;
use crate::cli::usage::Usage;

/// What to do with runbooks.
#[derive(Debug, Subcommand)]
pub(super) enum RunbookCommand {
    /// List the runbooks that can be named: title, where each comes from, what it shadows
    List,
}

/// Does it; returns the exit status.
pub(super) fn run(global: &Global, command: &RunbookCommand) -> Result<u8, Usage> {
    let run_only = global.budget.is_some() || global.v4 || global.v6 || !global.param.is_empty();
    if run_only {
        return Err(Usage::new("--budget, --param, -4 and -6 mean nothing to runbook")
            .help("leave them out"));
    }
    match command {
        RunbookCommand::List => list::run(global),
    }
}
