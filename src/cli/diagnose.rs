//! `tcpdoctor diagnose TARGET`.

use std::cell::Cell;
use std::sync::Arc;

use crate::cli::args::{Global, Judge};
use crate::cli::progress::Progress;
use crate::cli::usage::{Usage, quoted};
use crate::cli::{deliver, fail_on, params, permits, runbooks, runtime, status, terminal, trees};
use crate::engine::{self, Plan};
use crate::model::check::Check;
use crate::model::report::{TargetEntry, Vantage};
use crate::model::target::{Host, Target};
use crate::runbook::Runbook;
use crate::sys::caps;

/// Diagnoses a target; returns the exit status.
pub(super) fn run(global: &Global, target: Option<&str>, judge: &Judge) -> Result<u8, Usage> {
    let (entry, runbook) = match target {
        Some(target) => {
            let target = parse(target)?;
            let entry = entry(&target, global)?;
            (entry, runbooks::for_host(global.runbook.as_deref(), &target.host)?)
        }
        None => without_target(global, "diagnose")?,
    };
    let params = params::bind(&runbook, &global.param)?;
    let fail_on = fail_on::parse(&judge.fail_on, [&*runbook])?;
    deliver::check(global)?;
    let permit = permits::of(global, &runbook)?;
    permits::tell(global, [&*runbook]);
    let (book, budget) = (Arc::clone(&runbook), global.budget());
    let plan = Plan { target: entry, vantage: vantage(), runbook, params, budget, permit };
    let interrupted = Cell::new(None);
    let progress = Progress::begin(global);
    let report = runtime::run(engine::run(plan, runtime::interrupt(&interrupted), |event| {
        progress.event(event)
    }));
    progress.settle();
    let Some(report) = report else {
        return Ok(status::INCONCLUSIVE);
    };
    if interrupted.get().is_some() {
        terminal::complain("interrupted: the report is a partial one");
    }
    let mut check = Check::of(report, &fail_on, interrupted.get().is_some());
    trees::draw(global, &mut check, [&*book]);
    let ended = status::of(&check, interrupted.get());
    Ok(deliver::results(global, ended, &check))
}

/// Reads a target.
pub(super) fn parse(text: &str) -> Result<Target, Usage> {
    text.parse::<Target>().map_err(|error| {
        Usage::new(format!("the target {} cannot be used: {}", quoted(text), error.problem))
            .help(error.hint)
    })
}

/// Finds the runbook for a run that is about this machine alone.
pub(super) fn without_target(
    global: &Global,
    command: &str,
) -> Result<(TargetEntry, Arc<Runbook>), Usage> {
    let needed = |what: String| {
        Usage::new(format!("{what} needs a target"))
            .help("name one, for example db.internal:5432, or :8080 for a port of this machine")
    };
    let Some(name) = global.runbook.as_deref() else {
        return Err(needed(command.to_owned()));
    };
    let runbook = runbooks::load(name)?;
    if runbook.needs_target() {
        return Err(needed(format!("runbook {}", runbook.name)));
    }
    Ok((this_machine(global), runbook))
}

/// The entry of a run that is about this machine alone.
pub(super) fn this_machine(global: &Global) -> TargetEntry {
    TargetEntry {
        input: "this machine".to_owned(),
        host: None,
        port: None,
        scheme: None,
        family: global.family().to_owned(),
    }
}

/// Turns a target into the report's form, with the family asked for.
pub(super) fn entry(target: &Target, global: &Global) -> Result<TargetEntry, Usage> {
    if target.port.is_none() {
        let shown = quoted(&target.input);
        let problem = match &target.scheme {
            Some(scheme) => {
                format!("the target {shown} has no port, and the scheme {scheme} has no known one")
            }
            None => format!("the target {shown} has no port"),
        };
        let host = target.host.text().unwrap_or_default();
        let host = if host.contains(':') { format!("[{host}]") } else { host };
        return Err(Usage::new(problem).help(format!(
            "write host:port, for example {host}:443, or a URL such as https://{host}"
        )));
    }
    agree(target, global)?;
    Ok(TargetEntry {
        input: target.without_secrets(),
        host: target.host.text(),
        port: target.port,
        scheme: target.scheme.clone(),
        family: global.family().to_owned(),
    })
}

/// Refuses `-4` for an IPv6 address and `-6` for an IPv4 one.
pub(super) fn agree(target: &Target, global: &Global) -> Result<(), Usage> {
    let Host::Addr(address, _) = &target.host else {
        return Ok(());
    };
    let (flag, is) = match (global.v4, global.v6, address.is_ipv4()) {
        (true, _, false) => ("-4", "an IPv6"),
        (_, true, true) => ("-6", "an IPv4"),
        _ => return Ok(()),
    };
    Err(Usage::new(format!("{flag} does not go with {address}, which is {is} address"))
        .help(format!("leave {flag} out")))
}

/// Says where we look from.
pub(super) fn vantage() -> Vantage {
    Vantage {
        hostname: caps::hostname().unwrap_or_else(|| "this machine".to_owned()),
        kernel: caps::kernel_release().unwrap_or_else(|| "unknown".to_owned()),
        uid: caps::effective_uid(),
        capabilities: caps::effective_capabilities().unwrap_or_default(),
    }
}
