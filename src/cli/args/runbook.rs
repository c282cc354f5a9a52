//! What can be written behind `runbook`.

use std::path::PathBuf;

use clap::{Args as ClapArgs, Subcommand};

/// What to do with runbooks.
#[derive(Debug, Subcommand)]
pub(in crate::cli) enum RunbookCommand {
    /// List the runbooks that can be named: title, where each comes from, what it hides
    List,
    /// Check runbooks and files of diagnoses: what is wrong, and what would better be changed
    Lint(Lint),
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
    Test(Test),
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

const LINT_STATUS: &str = "\
Exit status: 0 nothing is wrong (there may be advice), 1 there is advice and --strict, 2 a file
cannot be used. `tcpdoctor explain TD104` explains a code. A comment on the line of a piece of
advice, or right above, allows it:  # lint: allow TD104";

/// Check runbooks and files of diagnoses.
#[derive(Debug, ClapArgs)]
#[command(after_help = LINT_STATUS)]
pub(in crate::cli) struct Lint {
    /// Files, folders, names of runbooks, or - for stdin
    #[arg(required = true, value_name = "FILE")]
    pub(in crate::cli) files: Vec<String>,
    /// Exit with 1 when there is advice
    #[arg(long)]
    pub(in crate::cli) strict: bool,
    /// Mend what can be mended mechanically; comments and layout stay
    #[arg(long)]
    pub(in crate::cli) fix: bool,
    /// Show what --fix would change, as a unified diff; nothing is written
    #[arg(long, conflicts_with = "fix")]
    pub(in crate::cli) diff: bool,
}

const TEST_STATUS: &str = "\
Exit status:
  0    every test passed
  1    a test failed, or fewer conclusions are reached than --fail-under asks for
  2    a test file or its runbook is invalid; nothing was run

A test file (NAME.test.yaml) says what each step's probe saw and what the walk must come to. A field
that it leaves out is null, where the probe allows null; any other must be given when it is read.";

/// What can be written behind `runbook test`.
#[derive(Debug, ClapArgs)]
#[command(after_help = TEST_STATUS)]
pub(in crate::cli) struct Test {
    /// A test file, a folder with test files, or a runbook (file or name) whose tests are to be run;
    /// by default all in ./runbooks
    #[arg(value_name = "FILE|FOLDER|NAME")]
    pub(in crate::cli) what: Vec<String>,
    /// Run only the tests whose name contains this
    #[arg(long, value_name = "TEXT", conflicts_with = "from")]
    pub(in crate::cli) filter: Option<String>,
    /// List everything that no test reaches, branches included
    #[arg(long, conflicts_with = "from")]
    pub(in crate::cli) coverage: bool,
    /// Exit with 1 when the tests reach less than this share of a runbook's conclusions, in percent
    #[arg(long, value_name = "PERCENT", value_parser = clap::value_parser!(u8).range(0..=100), conflicts_with = "from")]
    pub(in crate::cli) fail_under: Option<u8>,
    /// Make a test of a JSON report (- for stdin) that passes; added to FILE, or printed without one
    #[arg(long, value_name = "REPORT")]
    pub(in crate::cli) from: Option<String>,
    /// The name of the new test, a sentence
    #[arg(long, value_name = "SENTENCE", requires = "from")]
    pub(in crate::cli) name: Option<String>,
}
