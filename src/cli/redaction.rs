//! `--redact`: what identifies is replaced before anything is written; the list of what was replaced
//! goes into a file of its own, or nowhere.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::{Value, json};

use crate::cli::args::Global;
use crate::cli::files;
use crate::cli::usage::{Usage, quoted};
use crate::model::check::{Check, CheckResult};
use crate::probe::REGISTRY;
use crate::render::redact::{Redactor, Schema};

/// What one run replaces; the same in every format and for every target.
pub(super) struct Redaction {
    redactor: Option<Redactor>,
}

impl Redaction {
    /// Replaces what `--redact` asks for: everything, or nothing.
    pub(super) fn of(global: &Global) -> Redaction {
        Redaction { redactor: global.redact.then(|| Redactor::new(schemas())) }
    }

    /// Returns the check as it may be written.
    pub(super) fn check<'a>(&mut self, check: &'a Check) -> Cow<'a, Check> {
        match &mut self.redactor {
            Some(redactor) => Cow::Owned(redactor.check(check)),
            None => Cow::Borrowed(check),
        }
    }

    /// Returns one result as it may be written, before the others are known.
    pub(super) fn result<'a>(&mut self, result: &'a CheckResult) -> Cow<'a, CheckResult> {
        match &mut self.redactor {
            Some(redactor) => Cow::Owned(redactor.result(result)),
            None => Cow::Borrowed(result),
        }
    }

    /// Writes the list of `--redact-map`, readable by its owner alone; tells why when it cannot.
    pub(super) fn write_map(&self, global: &Global) -> Result<(), String> {
        let (Some(redactor), Some(path)) = (&self.redactor, &global.redact_map) else {
            return Ok(());
        };
        let replaced = redactor.replaced();
        let entries: Vec<Value> = replaced
            .iter()
            .map(|one| {
                json!({"kind": one.kind, "original": one.original, "pseudonym": one.pseudonym})
            })
            .collect();
        let text = json!({"schema": "tcpdoctor.redaction/1", "replaced": entries});
        let mut bytes = Vec::new();
        crate::render::write_json(&text, &mut bytes)
            .and_then(|()| files::write_private(path, &bytes))
            .map_err(|error| {
                let shown = quoted(&path.to_string_lossy());
                format!("error: {shown} could not be written: {error}")
            })
    }
}

/// Checks that the list can be written, before anything is sent.
pub(super) fn check(global: &Global) -> Result<(), Usage> {
    let Some(path) = &global.redact_map else { return Ok(()) };
    let shown = quoted(&path.to_string_lossy());
    if global.output.iter().any(|(_, other)| other == path) {
        return Err(Usage::new(format!("--output and --redact-map both name {shown}"))
            .help("keep the list apart from what is passed on"));
    }
    match files::objection(path) {
        None => Ok(()),
        Some(objection) => {
            Err(Usage::new(format!("--redact-map cannot write {shown}: {objection}"))
                .help("name a file in a directory that exists"))
        }
    }
}

fn schemas() -> BTreeMap<String, Schema> {
    let schema = |spec: &crate::probe::Spec| Schema {
        args: Arc::new((spec.args)()),
        result: Arc::new((spec.result)()),
    };
    REGISTRY.iter().map(|spec| (spec.id.to_owned(), schema(spec))).collect()
}
