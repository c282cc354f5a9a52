//! `tcpdoctor diagnose TARGET`.

use std::net::IpAddr;
use std::sync::Arc;

use serde_json::{Map, Value};

use crate::cli::args::{Client, DiagnoseArgs, Global};
use crate::cli::usage::{Usage, quoted};
use crate::cli::{
    answers, conversation, deliver, fail_on, other_end, params, permits, runbooks, runtime, status,
    trees,
};
use crate::engine::{Plan, Session, story};
use crate::model::check::Check;
use crate::model::report::{TargetEntry, Vantage};
use crate::model::target::{Host, Target};
use crate::render::Format;
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
        None => without_target(global, "diagnose")?,
    };
    let mut params = params::bind(&runbook, &global.param)?;
    if let Some(Client::One(client)) = args.client {
        for_client(client, &mut entry, &runbook, &mut params)?;
    }
    let answers = answers::check(&runbook, &args.answer)?;
    let fail_on = fail_on::parse(&args.judge.fail_on, [&*runbook])?;
    deliver::check(global)?;
    deliver::explains(global, args.explain)?;
    let elsewhere = target_elsewhere(&entry);
    deliver::check_code(global, elsewhere)?;
    let target = entry.clone();
    let permit = permits::of(global, &runbook)?;
    permits::tell(global, [&*runbook]);
    let (book, budget) = (Arc::clone(&runbook), global.budget());
    let plan = Plan { target: entry, vantage: vantage(), runbook, params, budget, permit };
    let mut session = Session::new(plan);
    // The other end wants to know all that can be known.
    if args.client.is_some() || deliver::asks_for(global, Format::Code) {
        session.linger();
    }
    for (step, reply) in answers {
        session.answer(&step, reply);
    }
    if let Some(file) = &args.server_report {
        other_end::given(&mut session, file, &target)?;
    }
    let shown = |check: &mut Check, ended: u8| -> u8 {
        trees::draw(global, check, [&*book]);
        let report = check.results.first().and_then(|result| result.report.as_ref());
        let told = report.filter(|_| args.explain).map(|report| story(report, &book));
        deliver::results_told(global, ended, check, &told.unwrap_or_default())
    };
    let held = conversation::hold(global, &mut session, &target.input, &fail_on, shown);
    Ok(runtime::run(held).unwrap_or(status::INCONCLUSIVE))
}

/// Says why a target is no port of this machine.
fn target_elsewhere(entry: &TargetEntry) -> Option<String> {
    (entry.host.is_some() || entry.port.is_none())
        .then(|| format!("{} is no port of this machine (:port)", entry.input))
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
