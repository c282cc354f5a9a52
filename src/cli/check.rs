//! `tcpdoctor check TARGET… / --targets FILE`.

use std::cell::Cell;
use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::Duration;

use crate::cli::args::{CheckArgs, Global};
use crate::cli::usage::{Usage, quoted};
use crate::cli::{
    deliver, diagnose, fail_on, params, permits, runbooks, runtime, status, terminal,
};
use crate::engine::check::{Job, Limits, Retry, check};
use crate::model::expect::Expect;
use crate::model::target::Host;
use crate::runbook::Runbook;

/// How many targets at a time unless `--jobs` says otherwise.
const JOBS: u16 = 64;

/// Checks the targets; returns the exit status.
pub(super) fn run(global: &Global, args: &CheckArgs) -> Result<u8, Usage> {
    let mut jobs = Vec::new();
    let mut books = Books::default();
    for target in &args.targets {
        jobs.push(written(target, global, args, &mut books)?);
    }
    if jobs.is_empty() {
        return Err(Usage::new("there is no target to check")
            .help("name some, for example db.internal:5432, or a file of them: --targets FILE"));
    }
    for (nth, job) in jobs.iter().enumerate() {
        if jobs[..nth].iter().any(|other| other.name == job.name) {
            return Err(Usage::new(format!("the target {} is given twice", quoted(&job.name))));
        }
    }
    let fail_on = fail_on::parse(&args.judge.fail_on, jobs.iter().map(|job| &*job.runbook))?;
    deliver::check(global)?;
    let limits = Limits {
        jobs: args.jobs.unwrap_or(JOBS).into(),
        total: args.total_budget,
        fail_fast: args.fail_fast,
        fail_on,
    };
    permits::tell(global, jobs.iter().map(|job| &*job.runbook));
    let signal = Cell::new(None);
    let vantage = diagnose::vantage();
    let result = runtime::run(check(&jobs, &limits, &vantage, runtime::interrupt(&signal), |_| {}));
    let Some(result) = result else {
        return Ok(status::INCONCLUSIVE);
    };
    if result.interrupted {
        terminal::complain("interrupted: what had not ended is skipped");
    }
    let ended = status::of(&result, signal.get());
    Ok(deliver::results(global, ended, &result))
}

/// The runbooks of a check, each loaded once.
#[derive(Default)]
struct Books {
    loaded: HashMap<(Option<String>, bool), Arc<Runbook>>,
}

impl Books {
    fn for_host(&mut self, asked: Option<&str>, host: &Host) -> Result<Arc<Runbook>, Usage> {
        let key = (asked.map(str::to_owned), *host == Host::Here);
        if let Some(loaded) = self.loaded.get(&key) {
            return Ok(Arc::clone(loaded));
        }
        let loaded = runbooks::for_host(asked, host)?;
        self.loaded.insert(key, Arc::clone(&loaded));
        Ok(loaded)
    }
}

/// Makes the job of a target on the command line.
fn written(text: &str, global: &Global, args: &CheckArgs, books: &mut Books) -> Result<Job, Usage> {
    let target = diagnose::parse(text)?;
    let entry = diagnose::entry(&target, global)?;
    let runbook = books.for_host(global.runbook.as_deref(), &target.host)?;
    let params = params::bind(&runbook, &global.param)?;
    let permit = permits::of(global, &runbook)?;
    Ok(Job {
        name: entry.input.clone(),
        labels: BTreeMap::new(),
        target: entry,
        runbook,
        params,
        expect: Expect::default(),
        budget: global.budget(),
        permit,
        retry: args.retry_until.map(|until| Retry {
            until,
            interval: args.interval.unwrap_or(Duration::from_secs(2)),
        }),
    })
}
