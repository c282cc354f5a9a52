//! The arguments of `tcpdoctor check`.

use std::time::Duration;

use clap::{Args as ClapArgs, ValueEnum};

use super::{Judge, time};

/// Arguments of `check`.
#[derive(Debug, ClapArgs)]
pub(in crate::cli) struct CheckArgs {
    /// The targets, as for diagnose
    #[arg(value_name = "TARGET")]
    pub(in crate::cli) targets: Vec<String>,
    /// Also check the targets of this YAML file; - for stdin
    #[arg(long = "targets", value_name = "FILE")]
    pub(in crate::cli) file: Option<String>,
    /// What is expected of each TARGET, as in a targets file: healthy (unless given),
    /// {diagnosis: tcp.rejected_admin}, {max_connect_ms: 50}, {not: [mtu.*]}
    #[arg(long, value_name = "EXPECTATION")]
    pub(in crate::cli) expect: Option<String>,
    /// Check only targets with this label (* is a wildcard; may be repeated: one must fit)
    #[arg(long, value_name = "LABEL[=VALUE]")]
    pub(in crate::cli) select: Vec<String>,
    /// Leave out targets with this label
    #[arg(long, value_name = "LABEL[=VALUE]")]
    pub(in crate::cli) skip: Vec<String>,
    /// How many targets at a time
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=4096))]
    pub(in crate::cli) jobs: Option<u16>,
    /// How long all targets together may take; those that had no turn by then are skipped
    #[arg(long, value_name = "TIME", value_parser = time, allow_hyphen_values = true)]
    pub(in crate::cli) total_budget: Option<Duration>,
    /// Look again until a target is as expected, for at most this long
    #[arg(long, value_name = "TIME", value_parser = time, allow_hyphen_values = true)]
    pub(in crate::cli) retry_until: Option<Duration>,
    /// The pause before looking again (2s unless given)
    #[arg(
        long,
        value_name = "TIME",
        value_parser = time,
        allow_hyphen_values = true,
        requires = "retry_until"
    )]
    pub(in crate::cli) interval: Option<Duration>,
    /// Stop at the first target that is not as expected; the rest is skipped
    #[arg(long)]
    pub(in crate::cli) fail_fast: bool,
    #[command(flatten)]
    pub(in crate::cli) judge: Judge,
    /// What the exit status says: default, or nagios (0 OK, 1 warning, 2 critical, 3 unknown)
    #[arg(
        long,
        value_name = "STYLE",
        default_value = "default",
        hide_default_value = true,
        hide_possible_values = true
    )]
    pub(in crate::cli) exit_style: ExitStyle,
    /// No progress on stderr
    #[arg(short, long)]
    pub(in crate::cli) quiet: bool,
}

/// What the exit status says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(in crate::cli) enum ExitStyle {
    /// 0, 1, 2, 3, 130 as for every command
    Default,
    /// As a monitoring plugin
    Nagios,
}
