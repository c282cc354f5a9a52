//! The targets of a check, from the command line and from a file.

use std::collections::{BTreeMap, HashMap};
use std::env::VarError;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use crate::cli::args::{CheckArgs, Global};
use crate::cli::usage::{Usage, quoted};
use crate::cli::{diagnose, files, params, permits, runbooks};
use crate::engine::check::{Job, Retry};
use crate::model::check::Defined;
use crate::model::expect::Expect;
use crate::model::report::TargetEntry;
use crate::model::target::Host;
use crate::runbook::Runbook;
use crate::runbook::targets::{self, Wanted, parse_expect, parse_targets};

/// The pause before looking again unless `--interval` or the file says otherwise.
const INTERVAL: Duration = Duration::from_secs(2);

/// Makes the jobs: the targets of the command line first, then those of the file.
pub(super) fn jobs(global: &Global, args: &CheckArgs) -> Result<Vec<Job>, Usage> {
    let mut books = Books::default();
    let mut jobs = Vec::new();
    for target in &args.targets {
        jobs.push(written(target, global, args, &mut books)?);
    }
    match &args.file {
        Some(file) => {
            alone(global, args)?;
            jobs.extend(filed(file, global, args, &mut books)?);
        }
        // A runbook about this machine needs no target.
        None if jobs.is_empty() && global.runbook.is_some() => {
            let (entry, runbook) = diagnose::without_target(global, "check")?;
            jobs.push(job(entry, runbook, global, args)?);
        }
        None if jobs.is_empty() => {
            return Err(Usage::new("there is no target to check").help(
                "name some, for example db.internal:5432, or a file of them: --targets FILE",
            ));
        }
        None => {}
    }
    Ok(jobs)
}

/// Refuses options that say something about targets of the command line where there are none.
fn alone(global: &Global, args: &CheckArgs) -> Result<(), Usage> {
    let option = match (&args.expect, global.param.is_empty()) {
        _ if !args.targets.is_empty() => return Ok(()),
        (Some(_), _) => "--expect",
        (None, false) => "--param",
        (None, true) => return Ok(()),
    };
    Err(Usage::new(format!("{option} speaks of targets on the command line, and there are none"))
        .help("write it into the targets file, under defaults"))
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
    job(entry, runbook, global, args)
}

fn job(
    entry: TargetEntry,
    runbook: Arc<Runbook>,
    global: &Global,
    args: &CheckArgs,
) -> Result<Job, Usage> {
    let expect = match &args.expect {
        Some(text) => parse_expect("--expect", text, &runbook)
            .map_err(|errors| Usage::whole(errors.render()))?,
        None => Expect::default(),
    };
    Ok(Job {
        name: entry.input.clone(),
        labels: BTreeMap::new(),
        params: params::bind(&runbook, &global.param)?,
        permit: permits::of(global, &runbook)?,
        target: entry,
        runbook,
        expect,
        budget: global.budget(),
        retry: args
            .retry_until
            .map(|until| Retry { until, interval: args.interval.unwrap_or(INTERVAL) }),
        defined: None,
    })
}

/// Makes the jobs of a targets file.
fn filed(
    file: &str,
    global: &Global,
    args: &CheckArgs,
    books: &mut Books,
) -> Result<Vec<Job>, Usage> {
    let (name, text) = read(file)?;
    let variable = |name: &str| {
        std::env::var(name).map_err(|error| match error {
            VarError::NotPresent => "is not set".to_owned(),
            VarError::NotUnicode(_) => "is not UTF-8 text".to_owned(),
        })
    };
    let mut find = |asked: Option<&str>, host: &Host| {
        let runbook = books.for_host(asked.or(global.runbook.as_deref()), host);
        runbook.map_err(|usage| usage.parts("tcpdoctor runbook lint says what is wrong with it"))
    };
    let wanted = parse_targets(&name, &text, &variable, &mut find)
        .map_err(|errors| Usage::whole(errors.render()))?;
    wanted.into_iter().map(|one| of_file(one, &name, global, args)).collect()
}

fn of_file(wanted: Wanted, file: &str, global: &Global, args: &CheckArgs) -> Result<Job, Usage> {
    let target = match &wanted.target {
        Some(target) => {
            // What the file says of the family was held against the address there.
            if wanted.family.is_none() {
                diagnose::agree(target, global)?;
            }
            TargetEntry {
                input: target.without_secrets(),
                host: target.host.text(),
                port: target.port,
                scheme: target.scheme.clone(),
                family: wanted.family.unwrap_or(global.family()).to_owned(),
            }
        }
        None => diagnose::this_machine(global),
    };
    let until = wanted.retry_until.or(args.retry_until);
    let interval = wanted.interval.or(args.interval).unwrap_or(INTERVAL);
    Ok(Job {
        name: wanted.name,
        labels: wanted.labels,
        target,
        params: wanted.params,
        permit: permits::of(global, &wanted.runbook)?,
        runbook: wanted.runbook,
        expect: wanted.expect,
        budget: wanted.budget.unwrap_or(global.budget()),
        retry: until.map(|until| Retry { until, interval }),
        defined: Some(Defined { file: file.to_owned(), line: wanted.line }),
    })
}

/// Reads the file; also returns its name for messages.
fn read(file: &str) -> Result<(String, String), Usage> {
    let most = targets::LARGEST as u64;
    let (name, read) = match file {
        "-" => ("stdin".to_owned(), files::read_stdin(most)),
        path => (path.to_owned(), files::read(Path::new(path), most)),
    };
    let help = "name a file that lists targets in YAML; docs/checks.md shows one";
    let refused = |why: String| {
        Usage::new(format!("the targets file {} cannot be read: {why}", quoted(&name))).help(help)
    };
    let bytes = read.map_err(|error| refused(files::why(&error)))?;
    let text = String::from_utf8(bytes).map_err(|_| refused("it is not UTF-8 text".to_owned()))?;
    Ok((name, text))
}
