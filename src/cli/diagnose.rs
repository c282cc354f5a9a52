//! `tcpdoctor diagnose TARGET`.

use std::net::IpAddr;
use std::sync::Arc;

use serde_json::{Map, Value};

use crate::cli::args::{DiagnoseArgs, Global};
use crate::cli::usage::{Usage, quoted};
use crate::cli::{
    answers, conversation, deliver, fail_on, other_end, params, permits, runbooks, runtime, status,
};
use crate::engine::{Plan, Session};
use crate::model::check::Check;
use crate::model::report::{Report, TargetEntry, Vantage};
use crate::model::target::{Host, Target};
use crate::runbook::Runbook;
use crate::sys::caps;

/// Diagnoses a target; returns the exit status.
pub(super) fn run(global: &Global, args: &DiagnoseArgs) -> Result<u8, Usage> {
    let (mut entry, runbook) = match &args.target {
        Some(target) => {
            let target = parse(target)?;
            let entry = entry(&target, global)?;
            (entry, runbooks::for_host(global.runbook.as_deref(), &target.host)?)
        }
        None => without_target(global)?,
    };
    let mut params = params::bind(&runbook, &global.param)?;
    if let Some(client) = args.client {
        for_client(client, &mut entry, &runbook, &mut params)?;
    }
    let answers = answers::check(&runbook, &args.answer)?;
    let fail_on = fail_on::parse(&args.judge.fail_on, [&*runbook])?;
    deliver::check(global)?;
    let target = entry.clone();
    let permit = permits::of(global, &runbook)?;
    permits::tell(global, [&*runbook]);
    let budget = global.budget();
    let plan = Plan { target: entry, vantage: vantage(), runbook, params, budget, permit };
    let mut session = Session::new(plan);
    for (step, reply) in answers {
        if let Some(outcome) = reply.outcome() {
            session.learn(&step, outcome);
        }
    }
    if let Some(file) = &args.server_report {
        other_end::given(&mut session, file, &target)?;
    }
    let shown =
        |_: &Report, check: &Check, ended: u8| -> u8 { deliver::results(global, ended, check) };
    let held = conversation::hold(global, &mut session, &target.input, &fail_on, shown);
    Ok(runtime::run(held).unwrap_or(status::INCONCLUSIVE))
}

/// Takes in which client cannot connect to this machine.
fn for_client(
    client: IpAddr,
    entry: &mut TargetEntry,
    runbook: &Runbook,
    params: &mut Map<String, Value>,
) -> Result<(), Usage> {
    if entry.host.is_some() || entry.port.is_none() {
        return Err(Usage::new("--client goes with :port, where this machine is the server")
            .help("on the server, run tcpdoctor diagnose :5432 --client 10.1.0.2"));
    }
    if runbook.params.iter().all(|param| param.name != "client") {
        return Err(Usage::new(format!("runbook {} asks about no client", runbook.name))
            .help("leave --client out"));
    }
    let family = if client.is_ipv4() { "v4" } else { "v6" };
    if entry.family != "any" && entry.family != family {
        let flag = if entry.family == "v4" { "-4" } else { "-6" };
        return Err(Usage::new(format!("{flag} does not go with --client {client}"))
            .help(format!("leave {flag} out")));
    }
    family.clone_into(&mut entry.family);
    params.insert("client".to_owned(), Value::String(client.to_string()));
    Ok(())
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
    if runbook.needs_target() {
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
