//! A runbook as a picture knows it: boxes, arrows, and which of them a run took.

use crate::model::diagnosis::Severity;
use crate::model::layer::Layer;
use crate::model::report::{Report, Status};

/// A runbook's tree.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Graph {
    /// The runbook's name.
    pub name: String,
    /// The question it answers.
    pub title: String,
    /// The boxes: steps in the file's order, then the ends in the order in which they are reached.
    pub nodes: Vec<Node>,
    /// The arrows, in the order in which the branches are tried.
    pub edges: Vec<Edge>,
}

/// A box.
#[derive(Debug, Clone, PartialEq)]
pub struct Node {
    /// Unique in the graph: a step's id, or for an end its word (`healthy`, `inconclusive`,
    /// `as_used`) or diagnosis id.
    pub id: String,
    /// What it asks, or the diagnosis' title; holes in texts as written.
    pub title: String,
    /// What it is.
    pub kind: NodeKind,
    /// A step's layer, or a diagnosis' own.
    pub layer: Option<Layer>,
    /// How the step ended in the run, when the run came by.
    pub status: Option<Status>,
    /// What it saw in the run, in one line.
    pub fact: Option<String>,
    /// Whether the run came by.
    pub taken: bool,
}

/// What a box stands for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NodeKind {
    /// A step that runs this probe.
    Probe(String),
    /// A question to the user.
    Ask,
    /// A decision on what is known.
    Decide,
    /// Another runbook, by name.
    Use(String),
    /// The end: in order.
    Healthy,
    /// The end: what decides could not be looked at.
    Inconclusive,
    /// The end that the used runbook came to.
    AsUsed,
    /// The end: a diagnosis.
    Diagnosis(Severity),
}

/// An arrow.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Edge {
    /// Index into [`Graph::nodes`].
    pub from: usize,
    /// Index into [`Graph::nodes`].
    pub to: usize,
    /// The condition's source, the answer to a question; empty for `else`, `unknown`, `no_input`.
    pub label: String,
    /// Why one goes this way.
    pub kind: EdgeKind,
    /// Whether the run went this way.
    pub taken: bool,
}

/// Why one goes along an arrow.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum EdgeKind {
    /// Its condition is true.
    When,
    /// No condition before it is.
    Else,
    /// The step could not look, or a condition is unknown.
    Unknown,
    /// The user chose it.
    Choice,
    /// Nobody could be asked.
    NoInput,
}

impl Graph {
    /// Marks what the run of a report went through.
    pub fn mark(&mut self, report: &Report) {
        for node in &mut self.nodes {
            let entry = report.steps.iter().find(|step| step.id == node.id);
            node.taken = report.path.contains(&node.id);
            let Some(entry) = entry.filter(|_| node.taken) else { continue };
            node.status = Some(entry.status);
            node.fact.clone_from(&entry.text);
        }
        for edge in &mut self.edges {
            let from = &self.nodes[edge.from];
            let entry = report.steps.iter().find(|step| step.id == from.id && from.taken);
            let Some(branch) = entry.and_then(|entry| entry.branch.as_ref()) else { continue };
            let unknown = entry.is_some_and(|entry| entry.unknown.is_some());
            let same_way = match edge.kind {
                EdgeKind::When => branch.when.as_deref() == Some(edge.label.as_str()),
                EdgeKind::Unknown => branch.when.is_none() && unknown,
                EdgeKind::Else => branch.when.is_none() && !unknown,
                EdgeKind::Choice | EdgeKind::NoInput => true,
            };
            edge.taken = same_way && self.nodes[edge.to].id == branch.to;
        }
        for edge in self.edges.iter().filter(|edge| edge.taken) {
            self.nodes[edge.to].taken = true;
        }
    }
}
