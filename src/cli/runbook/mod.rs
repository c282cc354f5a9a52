//! `tcpdoctor runbook …`: what authors of runbooks need. One file for each subcommand.

mod graph;
mod lint;
mod list;
mod new;
mod record;
mod schema;
mod show;
mod test;

use crate::cli::args::{Global, RunbookCommand};
use crate::cli::usage::Usage;

/// Does it; returns the exit status.
pub(super) fn run(global: &Global, command: &RunbookCommand) -> Result<u8, Usage> {
    let run_only = global.budget.is_some() || global.v4 || global.v6 || !global.param.is_empty();
    if run_only {
        return Err(Usage::new("--budget, --param, -4 and -6 mean nothing to runbook")
            .help("leave them out"));
    }
    match command {
        RunbookCommand::List => list::run(global),
        RunbookCommand::Lint(lint) => lint::run(global, lint),
        RunbookCommand::Schema => schema::run(global),
        RunbookCommand::Graph { name, report } => {
            graph::run(global, name.as_deref(), report.as_deref())
        }
        RunbookCommand::Test(test) => test::run(global, test),
        RunbookCommand::Show { runbook, resolved } => show::run(global, runbook, *resolved),
        RunbookCommand::New { kind, file } => new::run(global, kind.as_deref(), file.as_deref()),
    }
}
