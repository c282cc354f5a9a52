//! From a finished walk to the report, and from a report to the same walk again.

use crate::engine::conclude::verdict_of;
use crate::engine::facts::{Facts, base_bindings};
use crate::engine::walk::{Effect, End, Visit, Walk, walk};
use crate::model::outcome::Outcome;
use crate::model::report::{
    BranchEntry, FileEntry, Report, RunbookEntry, SCHEMA, Status, StepEntry, TargetEntry, Tool,
    Vantage, Verdict,
};
use crate::runbook::{Kind, Runbook, RunbookFile, Step};

/// What a report says besides the walk.
pub struct Frame {
    /// The target.
    pub target: TargetEntry,
    /// The vantage.
    pub vantage: Vantage,
    /// The runbook's parameters.
    pub params: serde_json::Map<String, serde_json::Value>,
    /// When the run began.
    pub started_at: String,
    /// How long it took, in milliseconds.
    pub duration_ms: f64,
}

/// Walks a saved report's facts again, with the same or another runbook.
///
/// The verdict, the diagnosis and the path are computed anew; observations and times are those of
/// the report.
pub fn replay(report: &Report, runbook: &Runbook) -> Report {
    let facts = Facts::of(report);
    let params = params_for(report, runbook);
    let walk = walk(runbook, &base_bindings(&report.target, &params), &facts);
    let frame = Frame {
        target: report.target.clone(),
        vantage: report.vantage.clone(),
        params,
        started_at: report.started_at.clone(),
        duration_ms: report.duration_ms,
    };
    assemble(runbook, walk, &facts, frame)
}

/// The report's own parameters where the runbook still has them, else the runbook's defaults.
pub(super) fn params_for(
    report: &Report,
    runbook: &Runbook,
) -> serde_json::Map<String, serde_json::Value> {
    let value = |name: &str| report.params.get(name).cloned();
    let params = runbook.params.iter();
    params
        .filter_map(|p| Some((p.name.clone(), value(&p.name).or_else(|| p.default.clone())?)))
        .collect()
}

/// Builds the report of a walk that has ended.
pub fn assemble(runbook: &Runbook, walk: Walk<'_>, facts: &Facts, frame: Frame) -> Report {
    let Walk { visits, mut findings, effect, .. } = walk;
    let (verdict, diagnosis) = match effect {
        Effect::Done(End::Concluded(diagnosis)) => match verdict_of(&diagnosis) {
            Verdict::Healthy => {
                findings.push(*diagnosis);
                (Verdict::Healthy, None)
            }
            verdict => (verdict, Some(*diagnosis)),
        },
        Effect::Done(End::Healthy) => (Verdict::Healthy, None),
        // What was passed by is a diagnosis, so that no walk ends like this.
        Effect::Done(End::Open) => (Verdict::Inconclusive, None),
        // A driver always leads the walk to its end.
        Effect::Run(..) | Effect::Ask(_) => (Verdict::Inconclusive, None),
    };
    if let Some(diagnosis) = &diagnosis {
        findings.retain(|finding| finding.id != diagnosis.id);
    }
    Report {
        schema: SCHEMA.to_owned(),
        tool: Tool {
            name: env!("CARGO_PKG_NAME").to_owned(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
        },
        target: frame.target,
        vantage: frame.vantage,
        runbook: RunbookEntry {
            name: runbook.name.clone(),
            source: runbook.source.clone(),
            sha256: runbook.sha256.clone(),
            files: files(runbook),
            shadows: runbook.shadows.clone(),
        },
        params: frame.params,
        started_at: frame.started_at,
        duration_ms: frame.duration_ms,
        verdict,
        diagnosis,
        findings,
        path: visits.iter().map(|visit| visit.key.clone()).collect(),
        steps: steps(runbook, &visits, facts),
    }
}

fn files(runbook: &Runbook) -> Vec<FileEntry> {
    let entry =
        |file: &RunbookFile| FileEntry { source: file.source.clone(), sha256: file.sha256.clone() };
    let several = runbook.files.len() > 1;
    runbook.files.iter().filter(|_| several).map(entry).collect()
}

fn steps(runbook: &Runbook, visits: &[Visit<'_>], facts: &Facts) -> Vec<StepEntry> {
    let mut steps: Vec<StepEntry> = Vec::new();
    for (nth, visit) in visits.iter().enumerate() {
        let next = visits.get(nth + 1).map(|next| next.key.as_str());
        steps.push(visited(visit, next, facts));
    }
    for step in &runbook.steps {
        if steps.iter().all(|entry| entry.id != step.id) {
            steps.push(skipped(step, facts));
        }
    }
    steps
}

/// Describes one step walked.
pub(super) fn visited(visit: &Visit<'_>, next: Option<&str>, facts: &Facts) -> StepEntry {
    let to = if visit.to.is_empty() { next.unwrap_or_default() } else { &visit.to };
    let mut entry = StepEntry {
        title: visit.title.clone(),
        status: visit.status,
        text: visit.text.clone(),
        by_hand: visit.by_hand.clone(),
        unknown: visit.unknown.clone(),
        branch: Some(BranchEntry { when: visit.when.clone(), to: to.to_owned() }),
        ..blank(visit.step)
    };
    entry.id.clone_from(&visit.key);
    record(&mut entry, facts);
    entry
}

/// Describes a step that was not walked; what a probe started early saw is kept, an answer that was
/// given beforehand is not.
fn skipped(step: &Step, facts: &Facts) -> StepEntry {
    let mut entry = blank(step);
    if !matches!(step.kind, Kind::Ask { .. }) {
        record(&mut entry, facts);
    }
    entry
}

fn blank(step: &Step) -> StepEntry {
    StepEntry {
        id: step.id.clone(),
        title: step.title.source().to_owned(),
        layer: step.layer,
        probe: match &step.kind {
            Kind::Probe { spec, .. } => Some(spec.id.to_owned()),
            _ => None,
        },
        status: Status::Skipped,
        text: None,
        by_hand: None,
        started_ms: None,
        duration_ms: None,
        args: None,
        observation: None,
        unknown: None,
        branch: None,
    }
}

fn record(entry: &mut StepEntry, facts: &Facts) {
    let Some(fact) = facts.find(&entry.id) else {
        return;
    };
    if let Outcome::Seen(seen) = &fact.outcome {
        entry.observation = Some(seen.clone());
    }
    entry.args.clone_from(&fact.args);
    entry.started_ms = fact.timing.map(|timing| timing.started_ms);
    entry.duration_ms = fact.timing.map(|timing| timing.duration_ms);
}
