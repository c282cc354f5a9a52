//! `tcpdoctor check TARGET… / --targets FILE`.

mod gather;
mod progress;
mod select;

use std::cell::Cell;
use std::sync::Arc;

use crate::cli::args::{CheckArgs, ExitStyle, Global};
use crate::cli::usage::{Usage, quoted};
use crate::cli::{deliver, diagnose, fail_on, permits, runtime, status, terminal, trees};
use crate::engine::check::{Event, Job, Limits, check};
use crate::runbook::Runbook;
use crate::sys::limits;

use progress::Progress;

/// How many targets at a time unless `--jobs` says otherwise.
const JOBS: u16 = 512;
/// Open files that a run may need at its widest, and those that the program has for itself.
const FILES: u64 = 24;
const OWN_FILES: u64 = 64;

/// Checks the targets; returns the exit status.
pub(super) fn run(global: &Global, args: &CheckArgs) -> Result<u8, Usage> {
    let mut jobs = gather::jobs(global, args)?;
    unique(&jobs)?;
    let given = jobs.len();
    select::apply(&mut jobs, &args.select, &args.skip)?;
    let fail_on = fail_on::parse(&args.judge.fail_on, runbooks(&jobs))?;
    deliver::check(global)?;
    deliver::check_code(global, Some("check writes none".to_owned()))?;
    let limits = Limits {
        jobs: at_a_time(args.jobs),
        total: args.total_budget,
        fail_fast: args.fail_fast,
        fail_on,
    };
    permits::tell(global, runbooks(&jobs));
    let signal = Cell::new(None);
    let vantage = diagnose::vantage();
    let progress = Progress::begin(global, args.quiet, jobs.len(), given);
    let stream = deliver::Stream::begin(global);
    let result =
        runtime::run(check(&jobs, &limits, &vantage, runtime::interrupt(&signal), |event| {
            match event {
                Event::Ended(result) => {
                    progress.ended(result);
                    stream.result(result);
                }
                Event::Again(count) => progress.again(count),
            }
        }));
    progress.settle();
    let Some(mut result) = result else {
        return Ok(status::INCONCLUSIVE);
    };
    trees::draw(global, &mut result, jobs.iter().map(|job| &*job.runbook));
    if result.interrupted {
        terminal::complain("interrupted: what had not ended is skipped");
    }
    let ended = match args.exit_style {
        ExitStyle::Default => status::of(&result, signal.get()),
        ExitStyle::Nagios => result.alarm().code(),
    };
    Ok(deliver::rest(global, ended, &result, stream))
}

/// How many targets at a time: as many as asked for and as this process may have files open for.
fn at_a_time(asked: Option<u16>) -> usize {
    let wanted = u64::from(asked.unwrap_or(JOBS));
    let limit = limits::raise_open_files(wanted * FILES + OWN_FILES);
    let most = limit.map_or(wanted, |limit| (limit.saturating_sub(OWN_FILES) / FILES).max(1));
    if asked.is_some() && most < wanted {
        terminal::complain(&format!(
            "note: {most} targets at a time, not {wanted}: this process may not open more files (ulimit -n)"
        ));
    }
    usize::try_from(wanted.min(most)).unwrap_or(1)
}

/// Refuses two targets of one name: nobody could tell their results apart.
fn unique(jobs: &[Job]) -> Result<(), Usage> {
    let mut names = std::collections::HashSet::with_capacity(jobs.len());
    match jobs.iter().find(|job| !names.insert(job.name.as_str())) {
        None => Ok(()),
        Some(job) => Err(Usage::new(format!("two targets are called {}", quoted(&job.name)))
            .help("leave one out, or give them names in a targets file")),
    }
}

/// The runbooks of all jobs, each once.
fn runbooks(jobs: &[Job]) -> impl Iterator<Item = &Runbook> + Clone {
    let mut seen = std::collections::HashSet::new();
    let fresh = |job: &&Job| seen.insert(Arc::as_ptr(&job.runbook));
    let found: Vec<&Runbook> = jobs.iter().filter(fresh).map(|job| &*job.runbook).collect();
    found.into_iter()
}
