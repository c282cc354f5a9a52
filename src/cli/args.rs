//! What can be written on the command line.

mod check;
mod diagnose;
mod runbook;

use std::ffi::OsString;
use std::io;
use std::path::PathBuf;
use std::time::Duration;

use clap::builder::{PossibleValuesParser, TypedValueParser};
use clap::error::ErrorKind;
use clap::{Args as ClapArgs, Parser, Subcommand, ValueEnum};
use clap_complete::Shell;

use crate::cli::nearest::suggestion;
use crate::cli::status;
use crate::model::contact::Contact;
use crate::model::target::TargetError;
use crate::render::Format;

pub(super) use check::{CheckArgs, ExitStyle};
pub(super) use diagnose::{Client, DiagnoseArgs};
pub(super) use runbook::{Lint, RunbookCommand, Test};

const EXAMPLES: &str = "\
Examples:
  tcpdoctor diagnose db.internal:5432         why can't I connect?
  tcpdoctor diagnose https://api.example      a URL gives the port
  tcpdoctor diagnose --runbook kernel         which kernel limits stand in the way?
  tcpdoctor check db:5432 cache:6379          may the deploy go on? (--targets FILE for many)
  tcpdoctor probe tcp_connect 10.0.0.5:22     one measurement on its own
  tcpdoctor explain tcp.timeout_filtered      what a diagnosis means
  tcpdoctor replay report.json                the same verdict again, offline

Exit status:
  0    healthy, or degraded (1 with --fail-on degraded)
  1    a fault was diagnosed
  2    the command line or a file it names cannot be used; nothing was sent
  3    inconclusive: what decides could not be looked at
  130  interrupted (143 by SIGTERM, 129 by SIGHUP); the report is a partial one

It changes nothing on this machine and needs no root; what root would add is said where it matters.";

/// Says why a TCP connection fails, where, and how it knows.
#[derive(Debug, Parser)]
#[command(name = "tcpdoctor", version, after_help = EXAMPLES, max_term_width = 100)]
#[command(disable_help_subcommand = true, infer_long_args = false)]
pub(super) struct Args {
    #[command(flatten)]
    pub(super) global: Global,
    #[command(subcommand)]
    pub(super) command: Command,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Find out why a connection to TARGET fails, step by step
    Diagnose(Box<DiagnoseArgs>),
    /// Check many targets against what is expected of them; never asks
    Check(Box<CheckArgs>),
    /// Run one probe and show what it saw; without NAME, list the probes
    Probe {
        /// The probe
        name: Option<String>,
        /// host:port, host or a URL: fills the probe's name, address and port arguments
        target: Option<String>,
        /// Set an argument of the probe (may be repeated; lists are comma-separated)
        #[arg(long, value_name = "ARG=VALUE", value_parser = pair)]
        with: Vec<(String, String)>,
    },
    /// Walk a saved JSON report again, offline, with the same or another runbook
    Replay {
        /// The report, as --format json wrote it; - for stdin
        file: String,
        /// Also tell in prose how the result came about
        #[arg(long)]
        explain: bool,
        #[command(flatten)]
        judge: Judge,
    },
    /// List and write runbooks
    Runbook {
        #[command(subcommand)]
        command: RunbookCommand,
    },
    /// Explain a diagnosis, a probe, or a field or outcome of a probe; without ID, list them
    Explain {
        /// For example tcp.timeout_filtered, tcp_connect, tcp_connect.rst_ttl or refused
        id: Option<String>,
    },
    /// Write the completions of a shell to stdout
    Completions {
        /// bash, zsh, fish, elvish or powershell
        #[arg(hide_possible_values = true)]
        shell: Shell,
    },
    /// Write the manual: the main page to stdout, or all pages into a directory
    Man {
        /// The directory, for example /usr/local/share/man/man1
        directory: Option<PathBuf>,
    },
}

/// What the exit status depends on.
#[derive(Debug, ClapArgs)]
pub(super) struct Judge {
    /// Exit with 1 for this as well: degraded, or ids such as mtu.* that were noted on the way (may be
    /// repeated)
    #[arg(long, value_name = "degraded|ID", value_delimiter = ',')]
    pub(super) fail_on: Vec<String>,
}

/// Options of every command.
#[derive(Debug, ClapArgs)]
#[command(next_help_heading = "Options of every command")]
pub(super) struct Global {
    /// What stdout carries: text, json, ndjson, junit, tap, sarif, github, markdown, nagios,
    /// prometheus, html, or code (what a server tells its client)
    #[arg(long, global = true, default_value = "text", value_name = "FORMAT", value_parser = formats(), hide_default_value = true, hide_possible_values = true)]
    pub(super) format: Format,
    /// Also write the result to a file, for example json=report.json (may be repeated)
    #[arg(long, global = true, value_name = "FORMAT=PATH", value_parser = output)]
    pub(super) output: Vec<(Format, PathBuf)>,
    /// Replace hosts, addresses, users and processes by stable pseudonyms, in every format
    #[arg(long, global = true)]
    pub(super) redact: bool,
    /// Write what was replaced by what to a file that only you can read
    #[arg(long, global = true, value_name = "FILE", requires = "redact")]
    pub(super) redact_map: Option<PathBuf>,
    /// The runbook to walk: the name of a built-in one, or a file
    #[arg(long, global = true, value_name = "NAME|PATH")]
    pub(super) runbook: Option<String>,
    /// Set a parameter of the runbook (may be repeated)
    #[arg(long, global = true, value_name = "NAME=VALUE", value_parser = pair)]
    pub(super) param: Vec<(String, String)>,
    /// How long a run may take, for each target: 500ms, 2s, 1m30s (30s unless given)
    #[arg(long, global = true, value_name = "TIME", value_parser = time, allow_hyphen_values = true)]
    pub(super) budget: Option<Duration>,
    /// Never ask; take the answer that the runbook provides for this case
    #[arg(long, global = true)]
    pub(super) no_input: bool,
    /// For screen readers and recordings: no redrawing, no colour, no marks beyond ASCII
    #[arg(long, global = true)]
    pub(super) plain: bool,
    /// Let the runbook contact this machine besides the target (may be repeated)
    #[arg(long, global = true, value_name = "HOST[:PORT]", value_parser = contact)]
    pub(super) allow_target: Vec<Contact>,
    /// Let the runbook run programs (probe exec)
    #[arg(long, global = true)]
    pub(super) allow_exec: bool,
    /// Look at IPv4 only
    #[arg(short = '4', long = "ipv4", global = true, conflicts_with = "v6")]
    pub(super) v4: bool,
    /// Look at IPv6 only
    #[arg(short = '6', long = "ipv6", global = true)]
    pub(super) v6: bool,
    /// When to colour: auto (on a terminal, unless NO_COLOR is set), always or never
    #[arg(
        long,
        global = true,
        value_name = "WHEN",
        default_value = "auto",
        hide_default_value = true,
        hide_possible_values = true
    )]
    pub(super) color: Colour,
    /// Show more: the commands for doing each step by hand, the steps that were not needed
    #[arg(short, long, global = true)]
    pub(super) verbose: bool,
}

/// When to colour.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum Colour {
    /// On a terminal
    Auto,
    /// Everywhere
    Always,
    /// Nowhere
    Never,
}

impl Global {
    /// Returns the family that the user insists on: `any`, `v4` or `v6`.
    pub(super) fn family(&self) -> &'static str {
        match (self.v4, self.v6) {
            (true, _) => "v4",
            (_, true) => "v6",
            _ => "any",
        }
    }

    /// Returns how long the whole run may take.
    pub(super) fn budget(&self) -> Duration {
        self.budget.unwrap_or(Duration::from_secs(30))
    }
}

/// What the command line amounts to.
pub(super) enum Parsed {
    /// Something to do.
    Run(Box<Args>),
    /// Help was shown.
    Shown,
    /// What is wrong, and the exit status.
    Refused(String, u8),
}

/// Reads the command line; shows help where that is asked for.
pub(super) fn parse(words: impl IntoIterator<Item = OsString>) -> Parsed {
    let error = match Args::try_parse_from(words) {
        Ok(args) => return Parsed::Run(Box::new(args)),
        Err(error) => error,
    };
    match error.kind() {
        ErrorKind::DisplayHelp | ErrorKind::DisplayVersion => match error.print() {
            Err(error) if error.kind() != io::ErrorKind::BrokenPipe => {
                let message = format!("error: stdout could not be written: {error}");
                Parsed::Refused(message, status::INCONCLUSIVE)
            }
            _ => Parsed::Shown,
        },
        // Plain text: the message quotes what the user wrote.
        _ => Parsed::Refused(error.render().to_string(), status::USAGE),
    }
}

fn formats() -> impl TypedValueParser<Value = Format> {
    let names = Format::named().map(Format::name);
    let named = |name: String| Format::from_name(&name).ok_or("there is no such format");
    PossibleValuesParser::new(names).try_map(named)
}

fn format(text: &str) -> Result<Format, String> {
    let names = Format::named().map(Format::name);
    Format::from_name(text).ok_or_else(|| suggestion(text, names))
}

fn output(text: &str) -> Result<(Format, PathBuf), String> {
    let Some((name, path)) = text.split_once('=') else {
        return Err("write FORMAT=PATH, for example json=report.json".to_owned());
    };
    match path {
        "" => Err("the path after = is missing".to_owned()),
        "-" => Err(format!("for stdout, write --format {name}")),
        _ => Ok((format(name)?, PathBuf::from(path))),
    }
}

fn pair(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((name, value)) if !name.is_empty() => Ok((name.to_owned(), value.to_owned())),
        _ => Err("write NAME=VALUE".to_owned()),
    }
}

fn contact(text: &str) -> Result<Contact, String> {
    text.parse().map_err(|error: TargetError| format!("{}; {}", error.problem, error.hint))
}

/// Reads a duration such as `500ms`, `2s` or `1m30s`; a bare number has no unit and is refused.
pub(super) fn time(text: &str) -> Result<Duration, String> {
    const LONGEST: Duration = Duration::from_secs(24 * 60 * 60);
    let written: jiff::SignedDuration =
        text.parse().map_err(|_| "write a time with its unit: 500ms, 2s, 1m30s".to_owned())?;
    let budget = Duration::try_from(written).map_err(|_| "the time is negative".to_owned())?;
    if budget < Duration::from_millis(1) {
        return Err("the time is zero, or less than 1ms".to_owned());
    }
    if budget > LONGEST {
        return Err("the time is longer than a day (24h)".to_owned());
    }
    Ok(budget)
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn the_command_line_is_well_formed() {
        Args::command().debug_assert();
    }

    #[test]
    fn budgets_have_a_unit_and_are_neither_zero_nor_negative_nor_endless() {
        assert_eq!(time("500ms"), Ok(Duration::from_millis(500)));
        assert_eq!(time("2s"), Ok(Duration::from_secs(2)));
        assert_eq!(time("1.5s"), Ok(Duration::from_millis(1500)));
        assert_eq!(time("1m30s"), Ok(Duration::from_secs(90)));
        for wrong in
            ["", "10", "0s", "-3s", "3s ago", "1d", "ten", "1e9s", "99999999999h", "0.1ms", "25h"]
        {
            assert!(time(wrong).is_err(), "{wrong}");
        }
    }
}
