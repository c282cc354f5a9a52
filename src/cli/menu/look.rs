//! Looking closer from the menu: what a step did and what that means, and everything that it measured.

use std::io::{self, Write};

use serde_json::Value;

use crate::cli::prompt::Prompt;
use crate::engine::Session;
use crate::model::diagnosis::Diagnosis;
use crate::model::report::{Report, StepEntry};
use crate::model::types::Type;
use crate::probe::Spec;
use crate::render::Format;
use crate::render::manual::{self, Part};
use crate::render::observed::Observed;

/// Explains the steps that the diagnosis rests on, and then the diagnosis.
pub(super) fn explain(
    prompt: &Prompt,
    session: &Session,
    report: &Report,
    culprit: Option<&StepEntry>,
) {
    let diagnosis = report.diagnosis.as_ref();
    let mut parts = Vec::new();
    for step in cited(report, culprit) {
        parts.extend(of_step(step));
    }
    if let Some(diagnosis) = diagnosis {
        parts.extend(of_diagnosis(diagnosis, session));
    }
    show(|out| manual::write(&parts, &prompt.style(), out));
}

/// The steps with a probe that are evidence; without any, the step where the trouble began.
fn cited<'a>(report: &'a Report, culprit: Option<&'a StepEntry>) -> Vec<&'a StepEntry> {
    let evidence = report.diagnosis.iter().flat_map(|diagnosis| &diagnosis.evidence);
    let mut steps: Vec<&StepEntry> = Vec::new();
    for cited in evidence {
        let found = report.steps.iter().find(|step| step.id == cited.step && step.probe.is_some());
        steps.extend(found.filter(|found| steps.iter().all(|step| step.id != found.id)));
    }
    if steps.is_empty() { culprit.into_iter().collect() } else { steps }
}

/// What the probe did, what it saw, what that means, and how to do it by hand.
fn of_step(step: &StepEntry) -> Vec<Part> {
    let mut parts = vec![Part::Heading(step.title.clone())];
    let spec = step.probe.as_deref().and_then(Spec::find);
    if let Some(spec) = spec {
        parts.push(Part::Text(format!("What it does: {} (probe {})", spec.doc, spec.id)));
    }
    if let Some(text) = &step.text {
        let said = if step.unknown.is_some() { "It could not look" } else { "It saw" };
        parts.push(Part::Text(format!("{said}: {text}")));
    }
    if let Some((word, doc)) = spec.and_then(|spec| outcome(spec, step.observation.as_ref()?)) {
        parts.push(Part::Text(format!("What that means: its outcome is {word}: {doc}")));
    }
    if let Some(by_hand) = &step.by_hand {
        parts.push(Part::Text("By hand:".to_owned()));
        parts.push(Part::Command(by_hand.clone()));
    }
    parts
}

/// The outcome that was seen, and what the probe's vocabulary says of it.
fn outcome(spec: &Spec, seen: &Value) -> Option<(String, String)> {
    let outcome = seen.get("outcome")?.as_str()?;
    let record = (spec.result)();
    let Type::Word(words) = &record.field("outcome")?.ty else { return None };
    let word = words.iter().find(|word| word.name == outcome)?;
    Some((word.name.clone(), word.doc.clone()))
}

fn of_diagnosis(diagnosis: &Diagnosis, session: &Session) -> Vec<Part> {
    let catalogue = &session.runbook().catalogue;
    let mut parts = vec![Part::Heading(format!("{}: {}", diagnosis.id, diagnosis.title))];
    if let Some(entry) = catalogue.find(&diagnosis.id) {
        parts.push(Part::Text(entry.meaning.clone()));
    }
    parts.extend(
        diagnosis
            .ruled_out
            .iter()
            .map(|out| Part::Text(format!("It is not {}: {}", out.id, out.why))),
    );
    parts.extend(diagnosis.alternatives.iter().map(|other| {
        Part::Text(format!("It could also be {}; to tell: {}", other.id, other.separate_by))
    }));
    parts
}

/// Asks for a step and shows all that it measured.
pub(super) async fn raw(prompt: &Prompt, report: &Report, culprit: Option<&StepEntry>) {
    let seen: Vec<&StepEntry> =
        report.steps.iter().filter(|step| step.observation.is_some()).collect();
    let titles: Vec<String> = seen.iter().map(|step| step.title.clone()).collect();
    let own = seen.iter().position(|other| culprit.is_some_and(|step| step.id == other.id));
    let picked = prompt.pick_or_back("Which step's?", &titles, own.unwrap_or(0)).await;
    let Some(step) = picked.map(|picked| seen[picked]) else { return };
    let observed = Observed {
        probe: step.probe.clone().unwrap_or_else(|| step.id.clone()),
        args: step.args.clone().unwrap_or_default(),
        observation: step.observation.clone(),
        unknown: None,
        duration_ms: step.duration_ms.unwrap_or_default(),
        brief: step.text.clone(),
    };
    show(|out| observed.write(Format::Text, &prompt.style(), out));
}

fn show(write: impl FnOnce(&mut dyn Write) -> io::Result<()>) {
    let mut bytes = b"\n".to_vec();
    // A vector takes everything; and there is nobody to tell when the terminal does not.
    let _ = write(&mut bytes);
    let _ = io::stderr().write_all(&bytes);
}
