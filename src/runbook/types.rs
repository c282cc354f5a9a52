//! The types of the names in expressions: target, probe results, answers, used runbooks.

use std::sync::{Arc, OnceLock};

use crate::model::server_report::ServerReport;
use crate::model::types::{Field, Record, Type, Word};
use crate::probe::{REGISTRY, Spec, schema};
use crate::runbook::{Kind, Runbook};

/// The argument and result types of one probe.
#[derive(Debug)]
pub struct ProbeTypes {
    /// Its arguments.
    pub args: Arc<Record>,
    /// Its result.
    pub result: Arc<Record>,
}

/// Returns the types of a probe, derived once per process.
pub fn of(spec: &Spec) -> &'static ProbeTypes {
    static TYPES: [OnceLock<ProbeTypes>; REGISTRY.len()] =
        [const { OnceLock::new() }; REGISTRY.len()];
    static OTHER: OnceLock<ProbeTypes> = OnceLock::new();
    let at = REGISTRY.iter().position(|known| known.id == spec.id);
    // A spec that is not in the registry cannot be made: its fields are private.
    at.map_or(&OTHER, |at| &TYPES[at]).get_or_init(|| ProbeTypes {
        args: Arc::new((spec.args)()),
        result: Arc::new((spec.result)()),
    })
}

/// Returns the type of `target`.
pub fn target() -> Type {
    let family = ["any", "v4", "v6"].map(|name| (name, "An address family."));
    record(
        "target",
        vec![
            field("input", "The target as the user wrote it.", Type::Text, false),
            field(
                "host",
                "The host name or address; null for this machine (`:port`).",
                Type::Text,
                true,
            ),
            field("port", "The port, given or implied by the scheme.", Type::Int, true),
            field("scheme", "The URL's scheme, lower case; null without a URL.", Type::Text, true),
            field("family", "The address family that the user insisted on.", words(&family), false),
        ],
    )
}

/// Returns the type of an `ask` step's result.
pub(super) fn answer(step: &str, choices: &[String]) -> Type {
    let choices: Vec<(&str, &str)> = choices.iter().map(|c| (c.as_str(), "A choice.")).collect();
    record(step, vec![field("answer", "What the user chose.", words(&choices), false)])
}

/// Returns the type of what a server's own run saw.
pub fn server_report() -> Type {
    Type::Record(Arc::new(schema::record_of::<ServerReport>()))
}

/// Returns the type of a `use` step's result.
pub(super) fn used(step: &str, runbook: &Runbook) -> Type {
    let verdicts = [
        ("healthy", "It works."),
        ("degraded", "It works, but not as it should."),
        ("fault", "It does not work."),
        ("inconclusive", "What decides could not be looked at."),
    ];
    let steps = runbook.steps.iter().filter_map(|inner| {
        let ty = match &inner.kind {
            Kind::Probe { spec, .. } => Type::Record(Arc::clone(&of(spec).result)),
            Kind::Ask { expects: Some(_), .. } => server_report(),
            Kind::Ask { choices, .. } => {
                let choices: Vec<String> = choices.iter().map(|(c, _)| c.clone()).collect();
                answer(&inner.id, &choices)
            }
            Kind::Use { runbook, .. } => used(&format!("{step}.{}", inner.id), runbook),
            Kind::Decide => return None,
        };
        Some(field(&inner.id, "What this step saw; null when it did not run.", ty, true))
    });
    let steps = record(&format!("{step}.steps"), steps.collect());
    record(
        step,
        vec![
            field("verdict", "How the used runbook ended.", words(&verdicts), false),
            field("id", "The diagnosis it came to; null when healthy.", Type::Text, true),
            field("steps", "What its steps saw, by their ids.", steps, false),
        ],
    )
}

/// Builds a record type.
pub(super) fn record(name: &str, fields: Vec<Field>) -> Type {
    Type::Record(Arc::new(Record { name: name.to_owned(), doc: String::new(), fields }))
}

/// Builds a field of a record type.
pub(super) fn field(name: &str, doc: &str, ty: Type, nullable: bool) -> Field {
    Field { name: name.to_owned(), doc: doc.to_owned(), ty, nullable, default: None }
}

/// Builds a vocabulary.
pub(super) fn words(words: &[(&str, &str)]) -> Type {
    let words =
        words.iter().map(|(name, doc)| Word { name: (*name).to_owned(), doc: (*doc).to_owned() });
    Type::Word(words.collect())
}

/// Whether a value of type `from` may stand where `to` is wanted.
pub(super) fn fits(from: &Type, to: &Type) -> bool {
    match (from, to) {
        (Type::Any, _) | (_, Type::Any) => true,
        (Type::Int, Type::Float) => true,
        (Type::Word(_), Type::Text) => true,
        (Type::Word(from), Type::Word(to)) => {
            from.iter().all(|word| to.iter().any(|known| known.name == word.name))
        }
        (Type::List(from), Type::List(to)) => fits(from, to),
        (Type::Map(from), Type::Map(to)) => fits(from, to),
        (Type::Record(from), Type::Record(to)) => from.name == to.name,
        _ => from == to,
    }
}
