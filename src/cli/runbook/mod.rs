//! `tcpdoctor runbook …`: what authors of runbooks need. One file for each subcommand.

mod graph;
mod lint;
mod list;
mod new;
mod record;
mod schema;
mod show;
mod test;

use std::path::PathBuf;

use clap::Subcommand;

use crate::cli::args::Global;
use crate::cli::usage::Usage;

/// What to do with runbooks.
#[derive(Debug, Subcommand)]
pub(super) enum RunbookCommand {
    /// List the runbooks that can be named: title, where each comes from, what it hides
    List,
    /// Check runbooks and files of diagnoses: what is wrong, and what would better be changed
    Lint(lint::Lint),
    /// Print the JSON Schema of runbooks, for editors
    Schema,
    /// Draw a runbook's tree: --format mermaid (unless given), dot (Graphviz) or svg
    Graph {
        /// The runbook: a name or a file; not needed with --report
        name: Option<String>,
        /// Show the way that the run of this saved JSON report took; - for stdin
        #[arg(long, value_name = "FILE")]
        report: Option<String>,
    },
    /// Run the tests of runbooks, offline; or make one from a saved report
    Test(test::Test),
    /// Show what a runbook does, step by step; or, with --resolved, as one file
    Show {
        /// The runbook: a name or a file
        #[arg(value_name = "NAME|PATH")]
        runbook: String,
        /// Write it as YAML, with what it extends and includes put in
        #[arg(long)]
        resolved: bool,
    },
    /// Write the beginning of a runbook, with comments; without KIND, list the kinds
    New {
        /// The kind of target: tcp, http, database, dns or local
        kind: Option<String>,
        /// The file to write, which must not be there yet; stdout without
        file: Option<PathBuf>,
    },
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
