//! `tcpdoctor probe NAME [TARGET] [--with k=v]…`: one measurement on its own.

use std::cell::Cell;

use serde_json::{Map, Value, json};

use crate::cli::args::Global;
use crate::cli::nearest::suggestion;
use crate::cli::progress::Progress;
use crate::cli::usage::{Usage, quoted};
use crate::cli::{deliver, diagnose, params, runtime, status, terminal};
use crate::model::outcome::{Outcome, Why};
use crate::model::target::{Host, Target};
use crate::model::types::{Record, Type};
use crate::probe::{REGISTRY, Spec};
use crate::render::manual::{self, Part};
use crate::render::observed::Observed;
use crate::render::{Format, sanitise, write_json};
use crate::sys::clock;

/// Runs a probe, or lists all; returns the exit status.
pub(super) fn run(
    global: &Global,
    name: Option<&str>,
    target: Option<&str>,
    with: &[(String, String)],
) -> Result<u8, Usage> {
    if global.runbook.is_some() || !global.param.is_empty() {
        return Err(Usage::new("--runbook and --param mean nothing to a single probe")
            .help("set its arguments with --with ARG=VALUE"));
    }
    let Some(name) = name else {
        return list(global);
    };
    let spec = find(name)?;
    if spec.runs_programs && !global.allow_exec {
        return Err(Usage::new(format!("probe {} runs a program", spec.id))
            .help("allow it: add --allow-exec"));
    }
    let record = (spec.args)();
    let target = target.map(diagnose::parse).transpose()?;
    let mut args = given(spec, &record, with)?;
    if let Some(target) = &target {
        diagnose::agree(target, global)?;
        fill(&mut args, &record, target, global);
    }
    let unresolved = unresolved(&args, &record, target.as_ref());
    complete(spec, &record, &args, unresolved.is_some())?;
    deliver::check_page(global)?;

    let interrupted = Cell::new(None);
    let progress = Progress::begin(global);
    let start = clock::now();
    let work = async {
        if let Some(name) = unresolved {
            progress.started("dns", &format!("Resolve {name}"));
            let addresses = resolve(name, global).await?;
            place(&mut args, &record, addresses);
        }
        progress
            .started(spec.id, &target.as_ref().map_or_else(String::new, Target::without_secrets));
        Ok((spec.run(Value::Object(args.clone())).await, args))
    };
    let bounded = async {
        tokio::select! {
            biased;
            () = runtime::interrupt(&interrupted) => Err(Why::Interrupted),
            ended = work => ended,
            () = tokio::time::sleep(global.budget()) => Err(Why::Budget),
        }
    };
    let ended = runtime::run(bounded);
    progress.settle(false);
    let Some(ended) = ended else {
        return Ok(status::INCONCLUSIVE);
    };
    let (outcome, args) = match ended {
        Ok((outcome, args)) => (outcome, Value::Object(args)),
        Err(why) => (Outcome::Unknown(why), Value::Null),
    };
    refused(spec, &outcome)?;
    let observed = observed(spec, args, outcome, clock::ms_since(start));
    let ended = match observed.observation {
        _ if interrupted.get().is_some() => status::ended_by(interrupted.get()),
        Some(_) => status::DONE,
        None => status::INCONCLUSIVE,
    };
    Ok(deliver::deliver(global, ended, |format, style, out| observed.write(format, style, out)))
}

/// Finds a probe by name.
pub(super) fn find(name: &str) -> Result<&'static Spec, Usage> {
    Spec::find(name).ok_or_else(|| {
        Usage::new(format!("there is no probe {}", quoted(name)))
            .help(suggestion(name, REGISTRY.iter().map(|spec| spec.id)))
    })
}

fn list(global: &Global) -> Result<u8, Usage> {
    deliver::check_page(global)?;
    let entries: Vec<Value> = REGISTRY
        .iter()
        .map(|spec| json!({"id": spec.id, "doc": spec.doc, "privilege": spec.privilege}))
        .collect();
    let mut parts = vec![Part::Heading("Probes".to_owned())];
    parts.extend(REGISTRY.iter().map(|spec| Part::Item(spec.id.to_owned(), spec.doc.to_owned())));
    parts.push(Part::Heading("One of them on its own, and all about it".to_owned()));
    parts.push(Part::Command("tcpdoctor probe tcp_connect localhost:22".to_owned()));
    parts.push(Part::Command("tcpdoctor explain tcp_connect".to_owned()));
    Ok(deliver::deliver(global, status::DONE, |format, style, out| match format {
        Format::Json => write_json(&entries, out),
        _ => manual::write(&parts, style, out),
    }))
}

/// Reads `--with` by the types of the probe's arguments.
fn given(
    spec: &Spec,
    record: &Record,
    with: &[(String, String)],
) -> Result<Map<String, Value>, Usage> {
    let mut args = Map::new();
    for (name, text) in with {
        let Some(field) = record.field(name) else {
            let known = record.fields.iter().map(|field| field.name.as_str());
            let problem = format!("probe {} has no argument {}", spec.id, quoted(name));
            return Err(Usage::new(problem).help(suggestion(name, known)));
        };
        let value = if field.nullable && text == "null" {
            Ok(Value::Null)
        } else {
            params::parse(&field.ty, text).and_then(|value| in_range(name, value))
        };
        let value = value.map_err(|what| {
            Usage::new(format!("argument {name} cannot be {}: {what}", quoted(text)))
                .help(field.doc.clone())
        })?;
        if args.insert(name.clone(), value).is_some() {
            return Err(Usage::new(format!("--with gives {} twice", quoted(name))));
        }
    }
    Ok(args)
}

/// Refuses numbers that no argument takes: negative ones, and ports out of range.
fn in_range(name: &str, value: Value) -> Result<Value, String> {
    let is_port = matches!(name, "port" | "ports" | "except_port");
    let numbers: Vec<i64> = match &value {
        Value::Array(items) => items.iter().filter_map(Value::as_i64).collect(),
        one => one.as_i64().into_iter().collect(),
    };
    if is_port && !numbers.iter().all(|port| (1..=65535).contains(port)) {
        Err("ports go from 1 to 65535".to_owned())
    } else if numbers.iter().any(|number| *number < 0) {
        Err("it may not be negative".to_owned())
    } else {
        Ok(value)
    }
}

/// Fills what the target gives and `--with` does not.
fn fill(args: &mut Map<String, Value>, record: &Record, target: &Target, global: &Global) {
    let mut set = |name: &str, value: Value| {
        if record.field(name).is_some() && !value.is_null() && !args.contains_key(name) {
            args.insert(name.to_owned(), value);
        }
    };
    set("name", json!(target.host.text()));
    set("port", json!(target.port));
    set("except_port", json!(target.port));
    set("scheme", json!(target.scheme));
    if global.family() != "any" {
        set("family", json!(global.family()));
    }
    if let Host::Addr(..) = &target.host {
        set("address", json!(target.host.text()));
        set("addresses", json!(target.host.text().into_iter().collect::<Vec<_>>()));
    }
}

/// Returns the name that must be resolved before the probe can run.
fn unresolved<'a>(
    args: &Map<String, Value>,
    record: &Record,
    target: Option<&'a Target>,
) -> Option<&'a str> {
    let Host::Name(name) = &target?.host else {
        return None;
    };
    let wanted = |field: &str| record.field(field).is_some() && !args.contains_key(field);
    (wanted("address") || wanted("addresses")).then_some(name)
}

/// Refuses to start while a required argument is missing.
fn complete(
    spec: &Spec,
    record: &Record,
    args: &Map<String, Value>,
    resolves: bool,
) -> Result<(), Usage> {
    let missing = record.fields.iter().find(|field| {
        let later = resolves && matches!(field.name.as_str(), "address" | "addresses");
        field.default.is_none() && !field.nullable && !later && !args.contains_key(&field.name)
    });
    let Some(field) = missing else { return Ok(()) };
    let (name, kind) = (&field.name, field.ty.name());
    let doc = field.doc.trim_end_matches('.');
    Err(Usage::new(format!("probe {} needs {name} ({kind}): {doc}", spec.id)).help(format!(
        "name a target, tcpdoctor probe {} host:port, or write --with {name}=…",
        spec.id
    )))
}

/// Resolves a name as applications do; tells the user why when there is no address.
async fn resolve(name: &str, global: &Global) -> Result<Vec<String>, Why> {
    let missing = || Why::Depends { on: format!("an address of {name}") };
    let dns = Spec::find("dns").ok_or_else(missing)?;
    match dns.run(json!({"name": name, "family": global.family()})).await {
        Outcome::Seen(seen) => {
            let addresses = seen.get("addresses").and_then(Value::as_array);
            let addresses = addresses.into_iter().flatten().filter_map(Value::as_str);
            let addresses: Vec<String> = addresses.map(str::to_owned).collect();
            if addresses.is_empty() {
                let brief = dns.brief(&seen).unwrap_or_default();
                terminal::complain(&format!("dns: {}", sanitise::prose(&brief)));
                return Err(missing());
            }
            Ok(addresses)
        }
        Outcome::Unknown(why) => Err(why),
    }
}

/// Puts resolved addresses where the probe wants them.
fn place(args: &mut Map<String, Value>, record: &Record, addresses: Vec<String>) {
    let wants = |args: &Map<String, Value>, name: &str| {
        record.field(name).is_some() && !args.contains_key(name)
    };
    if wants(args, "address") {
        args.insert("address".to_owned(), json!(addresses.first()));
    }
    let list = record.field("addresses").map(|field| &field.ty);
    if wants(args, "addresses") && matches!(list, Some(Type::List(_))) {
        args.insert("addresses".to_owned(), json!(addresses));
    }
}

/// Tells arguments that the probe itself refused, before it sent anything, from what it saw.
fn refused(spec: &Spec, outcome: &Outcome) -> Result<(), Usage> {
    match outcome {
        Outcome::Unknown(Why::Unsupported { what }) => {
            match what.strip_prefix(&format!("arguments of {}: ", spec.id)) {
                Some(problem) => Err(Usage::new(format!(
                    "probe {} cannot run with these arguments: {problem}",
                    spec.id
                ))
                .help(format!("see tcpdoctor explain {}", spec.id))),
                None => Ok(()),
            }
        }
        _ => Ok(()),
    }
}

fn observed(spec: &Spec, args: Value, outcome: Outcome, duration_ms: f64) -> Observed {
    let (observation, unknown) = match outcome {
        Outcome::Seen(value) => (Some(value), None),
        Outcome::Unknown(why) => (None, Some(why)),
    };
    Observed {
        probe: spec.id.to_owned(),
        args,
        brief: observation.as_ref().and_then(|seen| spec.brief(seen)),
        observation,
        unknown,
        duration_ms,
    }
}
