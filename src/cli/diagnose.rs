//! `tcpdoctor diagnose TARGET`.

use std::cell::Cell;
use std::sync::Arc;

use crate::cli::args::{Global, Judge};
use crate::cli::progress::Progress;
use crate::cli::usage::{Usage, quoted};
use crate::cli::{deliver, fail_on, params, runbooks, runtime, status, terminal};
use crate::engine::{self, Plan};
use crate::model::check::Check;
use crate::model::report::{TargetEntry, Vantage};
use crate::model::target::{Host, Target};
use crate::runbook::{Arg, Kind, Runbook};
use crate::sys::caps;

/// Diagnoses a target; returns the exit status.
pub(super) fn run(global: &Global, target: Option<&str>, judge: &Judge) -> Result<u8, Usage> {
    let (entry, runbook) = match target {
        Some(target) => {
            let target = parse(target)?;
            let entry = entry(&target, global)?;
            (entry, runbooks::for_host(global.runbook.as_deref(), &target.host)?)
        }
        None => without_target(global)?,
    };
    let params = params::bind(&runbook, &global.param)?;
    let fail_on = fail_on::parse(&judge.fail_on, [&*runbook])?;
    deliver::check(global)?;
    let plan = Plan { target: entry, vantage: vantage(), runbook, params, budget: global.budget() };
    let interrupted = Cell::new(None);
    let progress = Progress::of(global, Some(&plan.target.input));
    let report = runtime::run(engine::run(plan, runtime::interrupt(&interrupted), |event| {
        progress.event(event)
    }));
    progress.settle(!terminal::is_terminal());
    let Some(report) = report else {
        return Ok(status::INCONCLUSIVE);
    };
    if interrupted.get().is_some() {
        terminal::complain("interrupted: the report is a partial one");
    }
    let check = Check::of(report, &fail_on, interrupted.get().is_some());
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
fn without_target(global: &Global) -> Result<(TargetEntry, Arc<Runbook>), Usage> {
    let needed = |what: String| {
        Usage::new(format!("{what} needs a target"))
            .help("name one, for example db.internal:5432, or :8080 for a port of this machine")
    };
    let Some(name) = global.runbook.as_deref() else {
        return Err(needed("diagnose".to_owned()));
    };
    let runbook = runbooks::load(name)?;
    if needs_target(&runbook) {
        return Err(needed(format!("runbook {}", runbook.name)));
    }
    let entry = TargetEntry {
        input: "this machine".to_owned(),
        host: None,
        port: None,
        scheme: None,
        family: global.family().to_owned(),
    };
    Ok((entry, runbook))
}

/// Whether a probe of the runbook, or of one that it uses, is given a part of the target.
fn needs_target(runbook: &Runbook) -> bool {
    let given = |with: &[(String, Arg)]| {
        with.iter().any(|(_, arg)| match arg {
            Arg::Literal(_) => false,
            Arg::Expr(expr) => expr.source().contains("target."),
            Arg::Text(text) => text.source().contains("target."),
        })
    };
    runbook.steps.iter().any(|step| match &step.kind {
        Kind::Probe { with, .. } => given(with),
        Kind::Use { runbook, with } => given(with) || needs_target(runbook),
        Kind::Ask { .. } | Kind::Decide => false,
    })
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
        input: without_secrets(&target.input),
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

/// Removes what a report must not carry from the text of a URL: the password, and the query, which
/// often holds a token. Neither has a part in the diagnosis.
fn without_secrets(input: &str) -> String {
    let Some((scheme, rest)) = input.split_once("://") else {
        return input.to_owned();
    };
    let rest = rest.find(['?', '#']).map_or(rest, |end| &rest[..end]);
    let (authority, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
    let authority = match authority.rsplit_once('@') {
        Some((user, host)) => match user.split_once(':') {
            Some((user, _)) => format!("{user}:***@{host}"),
            None => authority.to_owned(),
        },
        None => authority.to_owned(),
    };
    format!("{scheme}://{authority}{path}")
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn passwords_and_queries_stay_out_of_reports() {
        let cases = [
            ("postgres://u:p@db/app?x=1", "postgres://u:***@db/app"),
            ("https://token@api.test/v1#f", "https://token@api.test/v1"),
            ("https://a:b:c@h", "https://a:***@h"),
            ("https://h/a@b:c", "https://h/a@b:c"),
            ("db.test:5432", "db.test:5432"),
        ];
        for (input, kept) in cases {
            assert_eq!(without_secrets(input), kept);
        }
    }
}
