//! The arms of a step as every picture words them.

use super::condition;
use crate::model::diagnosis::Severity;
use crate::model::graph::{Edge, EdgeKind, Graph, Node, NodeKind};
use crate::model::report::Status;

/// One way out of a step.
#[derive(Debug, Clone)]
pub(super) struct Arm<'a> {
    pub(super) edge: &'a Edge,
    /// Where it leads.
    pub(super) to: &'a Node,
    /// Why one goes this way, in a few words.
    pub(super) why: String,
    /// The same without anything left out.
    pub(super) whole: String,
}

/// Returns the arms of a step in the order in which they are tried.
pub(super) fn arms(graph: &Graph, step: usize) -> Vec<Arm<'_>> {
    let edges = graph.edges.iter().filter(|edge| edge.from == step);
    edges
        .filter_map(|edge| {
            let to = graph.nodes.get(edge.to)?;
            let (why, whole) = match edge.kind {
                EdgeKind::When => (condition::short(&edge.label), edge.label.clone()),
                EdgeKind::Else => ("otherwise".to_owned(), "else: no condition before".to_owned()),
                EdgeKind::Unknown => {
                    let whole = "unknown: it could not look, or a condition cannot be judged";
                    ("cannot tell".to_owned(), whole.to_owned())
                }
                EdgeKind::Choice => {
                    (format!("answer: {}", edge.label), format!("answer: {}", edge.label))
                }
                EdgeKind::NoInput => {
                    ("nobody to ask".to_owned(), "no_input: nobody can be asked".to_owned())
                }
            };
            Some(Arm { edge, to, why, whole })
        })
        .collect()
}

/// Says what a step does: `probe dns`, `asks the user`.
pub(super) fn deed(kind: &NodeKind) -> String {
    match kind {
        NodeKind::Probe(probe) => format!("probe {probe}"),
        NodeKind::Ask => "asks the user".to_owned(),
        NodeKind::Decide => "decides".to_owned(),
        NodeKind::Use(runbook) => format!("uses runbook {runbook}"),
        NodeKind::Healthy | NodeKind::Inconclusive | NodeKind::AsUsed => "end".to_owned(),
        NodeKind::Diagnosis(severity) => format!("diagnosis, {}", severity.name()),
    }
}

/// The sign of an end; each has its own, so that no colour is needed.
pub(super) fn sign(kind: &NodeKind) -> &'static str {
    match kind {
        NodeKind::Healthy => "✓",
        NodeKind::Inconclusive => "?",
        NodeKind::AsUsed => "↩",
        NodeKind::Diagnosis(Severity::Critical) => "✗",
        NodeKind::Diagnosis(Severity::Warning) => "!",
        NodeKind::Diagnosis(Severity::Info) => "i",
        NodeKind::Probe(_) | NodeKind::Ask | NodeKind::Decide | NodeKind::Use(_) => "→",
    }
}

/// The sign of how a step ended, and its word.
pub(super) fn status(status: Status) -> (&'static str, &'static str) {
    match status {
        Status::Pass => ("✓", "passed"),
        Status::Warn => ("!", "warned"),
        Status::Fail => ("✗", "failed"),
        Status::Unknown => ("?", "could not look"),
        Status::Skipped => ("–", "skipped"),
    }
}

/// Says which steps it starts early: `after 300 ms starts trace, control`.
pub(super) fn early(graph: &Graph, step: &Node) -> Option<String> {
    let mut groups: Vec<(std::time::Duration, Vec<&str>)> = Vec::new();
    for early in &step.early {
        let Some(node) = graph.nodes.get(early.node) else { continue };
        match groups.iter_mut().find(|(after, _)| *after == early.after) {
            Some((_, ids)) => ids.push(&node.id),
            None => groups.push((early.after, vec![&node.id])),
        }
    }
    let said = groups.iter().map(|(after, ids)| {
        let when = match after.as_millis() {
            0 => "at once".to_owned(),
            ms => format!("after {ms} ms"),
        };
        format!("{when} {}", ids.join(", "))
    });
    let said: Vec<String> = said.collect();
    (!said.is_empty()).then(|| format!("meanwhile {}", said.join("; ")))
}

/// Returns the title of a box; what a run would fill in stands in angle quotes.
pub(super) fn title(node: &Node) -> String {
    let mut title = String::new();
    let mut rest = node.title.as_str();
    while let Some((before, after)) = rest.split_once("{{") {
        let Some((hole, after)) = after.split_once("}}") else { break };
        title.push_str(before);
        title.push_str(&format!("‹{}›", hole.trim()));
        rest = after;
    }
    title + rest
}
