//! `tcpdoctor explain ID`: a diagnosis, a probe, a field or outcome of a probe, a kernel parameter, a lint code or
//! a key of runbooks.

mod authoring;
mod evidence;

use std::sync::Arc;

use serde_json::{Value, json};

use crate::cli::args::Global;
use crate::cli::nearest::nearest;
use crate::cli::usage::{Usage, quoted};
use crate::cli::{deliver, runbooks, status};
use crate::model::diagnosis::Place;
use crate::model::types::{Field, Record, Type};
use crate::probe::sysctl::{self, Known, PARAMETERS};
use crate::probe::{REGISTRY, Spec};
use crate::render::manual::{self, Part};
use crate::render::{Format, remedy_place, write_json};
use crate::runbook::code::Code;
use crate::runbook::{Catalogue, Entry, builtin};

/// A page in both forms.
struct Page {
    parts: Vec<Part>,
    data: Value,
}

/// Explains an id, or lists all; returns the exit status.
pub(super) fn run(global: &Global, id: Option<&str>) -> Result<u8, Usage> {
    let run_only = global.budget.is_some() || global.v4 || global.v6 || !global.param.is_empty();
    if run_only {
        return Err(Usage::new("--budget, --param, -4 and -6 mean nothing to explain")
            .help("leave them out"));
    }
    let catalogue = match &global.runbook {
        Some(name) => Arc::clone(&runbooks::load(name)?.catalogue),
        None => runbooks::catalogue()?,
    };
    let page = match id {
        None => contents(&catalogue),
        Some(id) => page(id, &catalogue)?,
    };
    deliver::check_page(global)?;
    Ok(deliver::deliver(global, status::DONE, |format, style, out| match format {
        Format::Json => write_json(&page.data, out),
        _ => manual::write(&page.parts, style, out),
    }))
}

fn contents(catalogue: &Catalogue) -> Page {
    let mut parts = vec![Part::Heading("Diagnoses".to_owned())];
    let entries: Vec<&Entry> = catalogue.all().collect();
    parts.extend(
        entries.iter().map(|entry| Part::Item(entry.id.clone(), shown(entry.title.source()))),
    );
    parts.push(Part::Heading("Probes".to_owned()));
    parts.extend(
        REGISTRY.iter().map(|spec| Part::Item(spec.id.to_owned(), first_sentence(spec.doc))),
    );
    parts.push(Part::Heading("Kernel parameters".to_owned()));
    parts.extend(
        PARAMETERS
            .iter()
            .map(|known| Part::Item(known.name.to_owned(), first_sentence(known.meaning))),
    );
    parts.extend(authoring::contents());
    let data = json!({
        "codes": Code::ALL.iter().map(|(code, _)| code.name()).collect::<Vec<_>>(),
        "keys": authoring::keys(),
        "diagnoses": entries.iter().map(|entry| &entry.id).collect::<Vec<_>>(),
        "probes": REGISTRY.iter().map(|spec| spec.id).collect::<Vec<_>>(),
        "parameters": PARAMETERS.iter().map(|known| known.name).collect::<Vec<_>>(),
    });
    Page { parts, data }
}

fn page(id: &str, catalogue: &Catalogue) -> Result<Page, Usage> {
    if let Some(entry) = catalogue.find(id) {
        return Ok(diagnosis(entry));
    }
    if let Some(spec) = Spec::find(id) {
        return Ok(probe(spec));
    }
    if let Some(known) = sysctl::find(id) {
        return Ok(parameter(known));
    }
    if let Some(page) = authoring::page(id) {
        return Ok(page);
    }
    let probe = id.split_once('.').and_then(|(name, path)| Some((Spec::find(name)?, path)));
    if let Some((spec, path)) = probe
        && let Some(page) = field(spec, path)
    {
        return Ok(page);
    }
    if let Some(page) = evidence::word(id).or_else(|| evidence::bare_word(id)) {
        return Ok(page);
    }
    Err(unknown(id, catalogue, probe.map(|(spec, _)| spec)))
}

/// Nothing has that id; a probe's name may be the first part of it.
fn unknown(id: &str, catalogue: &Catalogue, spec: Option<&Spec>) -> Usage {
    let mut known: Vec<String> = catalogue.all().map(|entry| entry.id.clone()).collect();
    known.extend(REGISTRY.iter().map(|spec| spec.id.to_owned()));
    known.extend(PARAMETERS.iter().map(|parameter| parameter.name.to_owned()));
    known.extend(authoring::names());
    known.extend(evidence::words());
    if let Some(spec) = spec {
        let (args, result) = ((spec.args)(), (spec.result)());
        let fields = result.fields.into_iter().chain(args.fields);
        known.extend(fields.map(|field| format!("{}.{}", spec.id, field.name)));
    }
    let last = |known: &&String| known.rsplit('.').next().is_some_and(|last| last == id);
    let close = || nearest(id, known.iter().map(String::as_str)).map(str::to_owned);
    let help = match known.iter().find(last).cloned().or_else(close) {
        _ if builtin::RUNBOOKS.iter().any(|(name, _)| *name == id) => {
            format!("{id} is a runbook: tcpdoctor runbook show {id}")
        }
        Some(name) => format!("did you mean {name}?"),
        None => match spec {
            Some(spec) => format!("tcpdoctor explain {} lists the fields of that probe", spec.id),
            None => "tcpdoctor explain lists all diagnoses and probes".to_owned(),
        },
    };
    Usage::new(format!("nothing is called {}", quoted(id))).help(help)
}

fn diagnosis(entry: &Entry) -> Page {
    let mut parts = vec![
        Part::Heading(format!("{}: {}", entry.id, shown(entry.title.source()))),
        Part::Text(entry.meaning.clone()),
        Part::Text(format!(
            "Layer {}; severity {}; usually {}; points at {}.",
            entry.layer.name(),
            entry.severity.name(),
            entry.confidence.name(),
            place(entry.place)
        )),
        Part::Heading("What a report says".to_owned()),
        Part::Text(shown(entry.summary.source())),
    ];
    parts.extend(evidence::of_diagnosis(&entry.id));
    if !entry.remedies.is_empty() {
        parts.push(Part::Heading("What to do".to_owned()));
    }
    for remedy in &entry.remedies {
        let text = shown(remedy.text.source());
        let text = text.trim().trim_end_matches([':', '.']);
        let place = remedy_place(remedy.place);
        parts.push(Part::Text(match &remedy.when {
            Some(when) => format!("{text} ({place}, when {})", when.source()),
            None => format!("{text} ({place})"),
        }));
        parts.extend(remedy.command.iter().map(|command| Part::Command(shown(command.source()))));
    }
    if !entry.lookalikes.is_empty() {
        parts.push(Part::Heading("What looks like it, and the test that tells".to_owned()));
    }
    for other in &entry.lookalikes {
        parts.push(Part::Item(other.id.clone(), shown(other.separate_by.source())));
    }
    let data = json!({
        "id": entry.id,
        "layer": entry.layer,
        "severity": entry.severity,
        "confidence": entry.confidence,
        "location": entry.place,
        "title": entry.title.source(),
        "summary": entry.summary.source(),
        "meaning": entry.meaning,
        "remedies": entry.remedies.iter().map(|remedy| json!({
            "text": remedy.text.source(),
            "command": remedy.command.as_ref().map(|command| command.source()),
            "where": remedy.place,
            "when": remedy.when.as_ref().map(|when| when.source()),
        })).collect::<Vec<_>>(),
        "lookalikes": entry.lookalikes.iter().map(|other| json!({
            "id": other.id,
            "separate_by": other.separate_by.source(),
        })).collect::<Vec<_>>(),
    });
    Page { parts, data }
}

fn probe(spec: &Spec) -> Page {
    let (args, result) = ((spec.args)(), (spec.result)());
    let mut parts =
        vec![Part::Heading(format!("Probe {}", spec.id)), Part::Text(spec.doc.to_owned())];
    if !spec.privilege.is_empty() {
        parts.push(Part::Text(spec.privilege.to_owned()));
    }
    parts.push(Part::Heading("Arguments".to_owned()));
    parts.extend(args.fields.iter().map(argument));
    parts.push(Part::Heading("What it sees".to_owned()));
    parts.extend(result.fields.iter().map(|field| Part::Item(field.name.clone(), meaning(field))));
    let data = json!({
        "id": spec.id,
        "doc": spec.doc,
        "privilege": spec.privilege,
        "args": fields(&args),
        "result": fields(&result),
    });
    Page { parts, data }
}

fn parameter(known: &Known) -> Page {
    let parts = vec![
        Part::Heading(format!("Kernel parameter {}", known.name)),
        Part::Text(known.meaning.to_owned()),
        Part::Heading("When it matters".to_owned()),
        Part::Text(known.matters_when.to_owned()),
        Part::Heading("Its value, and what the evidence speaks for".to_owned()),
        Part::Command(format!("sysctl {}", known.name)),
        Part::Command("tcpdoctor diagnose --runbook kernel".to_owned()),
    ];
    let data = json!({
        "id": known.name,
        "meaning": known.meaning,
        "matters_when": known.matters_when,
    });
    Page { parts, data }
}

/// Explains `probe.field` or `probe.field.inner`, looked up in the result, then in the arguments.
fn field(spec: &Spec, path: &str) -> Option<Page> {
    let (args, result) = ((spec.args)(), (spec.result)());
    let field = lookup(&result, path).or_else(|| lookup(&args, path))?;
    let mut parts = vec![Part::Heading(format!("{}.{path}", spec.id)), Part::Text(meaning(&field))];
    if let Some(words) = words(&field.ty) {
        parts.push(Part::Heading("Its words".to_owned()));
        parts.extend(words);
    }
    if let Some(record) = record_in(&field.ty) {
        parts.push(Part::Heading("Its fields".to_owned()));
        parts.extend(
            record.fields.iter().map(|field| Part::Item(field.name.clone(), meaning(field))),
        );
    }
    let data = describe(&field);
    Some(Page { parts, data })
}

fn lookup(record: &Record, path: &str) -> Option<Field> {
    let (first, rest) = match path.split_once('.') {
        Some((first, rest)) => (first, Some(rest)),
        None => (path, None),
    };
    let field = record.field(first)?;
    match rest {
        None => Some(field.clone()),
        Some(rest) => lookup(record_in(&field.ty)?, rest),
    }
}

/// Returns the record of a type, or of a list's or map's elements.
fn record_in(ty: &Type) -> Option<&Arc<Record>> {
    match ty {
        Type::Record(record) => Some(record),
        Type::List(item) | Type::Map(item) => record_in(item),
        _ => None,
    }
}

fn words(ty: &Type) -> Option<Vec<Part>> {
    match ty {
        Type::Word(words) => {
            Some(words.iter().map(|word| Part::Item(word.name.clone(), word.doc.clone())).collect())
        }
        Type::List(item) | Type::Map(item) => words(item),
        _ => None,
    }
}

fn argument(field: &Field) -> Part {
    let default = match &field.default {
        Some(Value::Null) | None if field.nullable => " (optional)".to_owned(),
        Some(default) => format!(" (default {default})"),
        None => " (required)".to_owned(),
    };
    Part::Item(field.name.clone(), format!("{}{default}", meaning(field)))
}

fn meaning(field: &Field) -> String {
    let kind = match &field.ty {
        Type::Record(_) => "a record".to_owned(),
        Type::List(item) if record_in(item).is_some() => "a list of records".to_owned(),
        other => other.name(),
    };
    format!("{} [{kind}]", field.doc)
}

fn fields(record: &Record) -> Vec<Value> {
    record.fields.iter().map(describe).collect()
}

fn describe(field: &Field) -> Value {
    let mut data = json!({
        "name": field.name,
        "type": field.ty.name(),
        "doc": field.doc,
        "nullable": field.nullable,
        "default": field.default,
    });
    if let Some(record) = record_in(&field.ty) {
        data["fields"] = Value::Array(fields(record));
    }
    data
}

/// Shows a text with its holes as `<expression>`.
fn shown(source: &str) -> String {
    let mut text = String::with_capacity(source.len());
    let mut rest = source;
    while let Some((before, after)) = rest.split_once("{{") {
        let Some((hole, after)) = after.split_once("}}") else {
            break;
        };
        text.push_str(before);
        text.push_str(&format!("<{}>", hole.trim()));
        rest = after;
    }
    text + rest
}

fn first_sentence(text: &str) -> String {
    match text.split_once(". ") {
        Some((first, _)) => format!("{first}."),
        None => text.to_owned(),
    }
}

fn place(place: Place) -> &'static str {
    match place {
        Place::Here => "this machine",
        Place::Path => "the path at or after the last hop that answered",
        Place::Hop => "the box that spoke",
        Place::Target => "the target",
        Place::Resolver => "a resolver",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn holes_are_shown_as_what_they_stand_for() {
        assert_eq!(shown("{{ name }} is {{ count }}"), "<name> is <count>");
        assert_eq!(shown("open {{ hole"), "open {{ hole");
    }

    #[test]
    fn every_built_in_diagnosis_can_be_explained() {
        let catalogue = runbooks::catalogue().expect("the built-in catalogue is valid");
        let ids: Vec<&str> = catalogue.all().map(|entry| entry.id.as_str()).collect();
        assert!(ids.len() > 40, "{ids:?}");
        for id in ids {
            let page = page(id, &catalogue).expect("a known id");
            assert!(page.parts.len() > 3, "{id}");
            let mut text = Vec::new();
            let style = crate::render::Style::plain(80);
            manual::write(&page.parts, &style, &mut text).expect("a vector takes everything");
            let text = String::from_utf8(text).expect("UTF-8");
            assert!(text.contains(id) && !text.contains("{{"), "{text}");
        }
    }

    #[test]
    fn every_probe_and_every_field_of_it_can_be_explained() {
        for spec in REGISTRY {
            assert!(!probe(spec).parts.is_empty());
            for field in (spec.result)().fields {
                let page = super::field(spec, &field.name).expect("a known field");
                assert!(page.parts.len() > 1, "{}.{}", spec.id, field.name);
            }
        }
    }
}
