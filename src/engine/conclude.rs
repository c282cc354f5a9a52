//! From a conclusion in a runbook to a diagnosis with the catalogue's words.

use serde_json::{Map, Value};

use crate::model::diagnosis::{
    Alternative, Confidence, Diagnosis, Location, Place, Remedy, RemedyPlace, Severity,
};
use crate::model::layer::Layer;
use crate::model::outcome::Why;
use crate::model::report::Verdict;
use crate::runbook::expr::{Bindings, Expr, Known};
use crate::runbook::{Catalogue, Conclusion, Entry, RemedyText};

/// Builds the diagnosis of a conclusion; evidence is added by the walk.
pub fn diagnosis(catalogue: &Catalogue, conclusion: &Conclusion, names: &Bindings) -> Diagnosis {
    let with = conclusion.with.iter().map(|(name, arg)| match arg.value(names) {
        Known::Value(value) => (name.clone(), value),
        Known::Unknown(_) => (name.clone(), Value::Null),
    });
    let mut with: Map<String, Value> = with.collect();
    // What is said of this machine was seen by the target of itself.
    let elsewhere = conclusion.place == Some(Place::Target)
        && catalogue.find(&conclusion.id).is_some_and(|entry| entry.place == Place::Here);
    if elsewhere {
        let host = names.values.get("target").and_then(|target| target.get("host"));
        with.insert("machine".to_owned(), host.cloned().unwrap_or_default());
    }
    let mut diagnosis = words_of(catalogue, &conclusion.id, with, names);
    if elsewhere {
        let here = diagnosis.remedies.iter_mut().filter(|remedy| remedy.place == RemedyPlace::Here);
        here.for_each(|remedy| remedy.place = RemedyPlace::Target);
    }
    if let Some(Known::Value(Value::String(word))) =
        conclusion.confidence.as_ref().map(|arg| arg.value(names))
    {
        diagnosis.confidence = Confidence::from_name(&word).unwrap_or(diagnosis.confidence);
    }
    if let Some(severity) = conclusion.severity {
        diagnosis.severity = severity;
    }
    if let Some(place) = conclusion.place {
        diagnosis.location.kind = place;
    }
    diagnosis.location.hop = conclusion.hop.as_ref().and_then(|hop| number(hop, names));
    diagnosis.location.address = conclusion
        .address
        .as_ref()
        .and_then(|address| text(address, names))
        .or_else(|| default_address(diagnosis.location.kind, names));
    diagnosis
        .alternatives
        .retain(|other| conclusion.not_alternatives.iter().all(|id| *id != other.id));
    diagnosis
}

/// Builds the diagnosis of a run whose deciding step could not look.
pub fn inconclusive(catalogue: &Catalogue, title: &str, why: &Why, names: &Bindings) -> Diagnosis {
    let (id, capability) = match why {
        Why::Failed { errno, .. } if errno == "EMFILE" || errno == "ENFILE" => {
            ("tcp.fd_exhausted", "")
        }
        // An option of ours, not a capability of the kernel's.
        Why::NotPermitted { capability, .. } if capability.starts_with("--") => {
            ("inconclusive.not_allowed", capability.as_str())
        }
        Why::NotPermitted { capability, .. } => ("inconclusive.permission", capability.as_str()),
        Why::Budget | Why::Interrupted => ("inconclusive.budget", ""),
        Why::Unsupported { .. } | Why::Failed { .. } | Why::Depends { .. } | Why::NotAnswered => {
            ("inconclusive.unsupported", "")
        }
    };
    let with = [("step", title), ("why", &why.to_string()), ("capability", capability)];
    let with = with.map(|(name, value)| (name.to_owned(), Value::String(value.to_owned())));
    words_of(catalogue, id, with.into_iter().collect(), names)
}

/// Computes the verdict that a concluded diagnosis stands for.
pub fn verdict_of(diagnosis: &Diagnosis) -> Verdict {
    match diagnosis.severity {
        _ if diagnosis.id.starts_with("inconclusive.") => Verdict::Inconclusive,
        Severity::Critical => Verdict::Fault,
        Severity::Warning => Verdict::Degraded,
        Severity::Info => Verdict::Healthy,
    }
}

/// Finds the gravest of several conclusions, the first of those that weigh the same; the others follow
/// without those that only say what could not be looked at.
pub fn gravest(mut concluded: Vec<Diagnosis>) -> (Option<Diagnosis>, Vec<Diagnosis>) {
    let gravity = |diagnosis: &Diagnosis| match verdict_of(diagnosis) {
        Verdict::Fault => 3,
        Verdict::Degraded => 2,
        Verdict::Inconclusive => 1,
        Verdict::Healthy => 0,
    };
    let most = concluded.iter().map(gravity).max();
    let first = concluded.iter().position(|one| Some(gravity(one)) == most);
    let first = first.map(|first| concluded.remove(first));
    concluded.retain(|other| verdict_of(other) != Verdict::Inconclusive);
    (first, concluded)
}

fn words_of(
    catalogue: &Catalogue,
    id: &str,
    mut with: Map<String, Value>,
    names: &Bindings,
) -> Diagnosis {
    if let Some(target) = names.values.get("target") {
        with.insert("target".to_owned(), target.clone());
    }
    let entry = catalogue.find(id);
    let optional = entry.iter().flat_map(|entry| &entry.optional).map(String::as_str);
    for name in optional.chain(["machine"]) {
        with.entry(name).or_insert(Value::Null);
    }
    let with = Bindings { values: with };
    match entry {
        Some(entry) => fill(entry, &with),
        None => wordless(id),
    }
}

fn fill(entry: &Entry, with: &Bindings) -> Diagnosis {
    let met = |remedy: &&RemedyText| {
        remedy.when.as_ref().is_none_or(|when| when.eval(with).truth() == Some(true))
    };
    let remedies = entry.remedies.iter().filter(met).map(|remedy| Remedy {
        text: remedy.text.fill(with),
        command: remedy.command.as_ref().map(|command| command.fill_command(with)),
        place: remedy.place,
    });
    let alternatives = entry.lookalikes.iter().map(|other| Alternative {
        id: other.id.clone(),
        separate_by: other.separate_by.fill(with),
    });
    Diagnosis {
        id: entry.id.clone(),
        layer: entry.layer,
        title: entry.title.fill(with),
        summary: entry.summary.fill(with),
        severity: entry.severity,
        confidence: entry.confidence,
        location: Location { kind: entry.place, hop: None, address: None },
        evidence: Vec::new(),
        ruled_out: Vec::new(),
        alternatives: alternatives.collect(),
        remedies: remedies.collect(),
    }
}

/// Only reached when a catalogue lacks one of the engine's own `inconclusive` ids.
fn wordless(id: &str) -> Diagnosis {
    Diagnosis {
        id: id.to_owned(),
        layer: Layer::Vantage,
        title: id.to_owned(),
        summary: id.to_owned(),
        severity: Severity::Critical,
        confidence: Confidence::Possible,
        location: Location { kind: Place::Here, hop: None, address: None },
        evidence: Vec::new(),
        ruled_out: Vec::new(),
        alternatives: Vec::new(),
        remedies: Vec::new(),
    }
}

/// A diagnosis at the target that names no address speaks of the address given, if one was.
fn default_address(place: Place, names: &Bindings) -> Option<String> {
    let host = names.values.get("target")?.get("host")?.as_str()?;
    let bare = host.split('%').next().unwrap_or(host);
    (place == Place::Target && bare.parse::<std::net::IpAddr>().is_ok()).then(|| host.to_owned())
}

fn number(expr: &Expr, names: &Bindings) -> Option<u32> {
    match expr.eval(names) {
        Known::Value(value) => value.as_u64().and_then(|n| u32::try_from(n).ok()),
        Known::Unknown(_) => None,
    }
}

fn text(expr: &Expr, names: &Bindings) -> Option<String> {
    match expr.eval(names) {
        Known::Value(Value::String(text)) => Some(text),
        _ => None,
    }
}
