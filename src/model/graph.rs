//! A runbook as a picture knows it: boxes, arrows, and which of them a run took.

use std::time::Duration;

use crate::model::diagnosis::Severity;
use crate::model::layer::Layer;
use crate::model::report::{Report, Status, StepEntry};

/// A runbook's tree.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Graph {
    /// The runbook's name.
    pub name: String,
    /// The question it answers.
    pub title: String,
    /// The first step, an index into [`Graph::nodes`].
    pub start: usize,
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
    /// The steps that it starts early.
    pub early: Vec<Early>,
    /// How the step ended in the run, when the run came by.
    pub status: Option<Status>,
    /// What it saw in the run, in one line; of a diagnosis, its sentence.
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

/// A step that is started while another one is still waiting.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Early {
    /// How long the other one must have waited.
    pub after: Duration,
    /// The step, an index into [`Graph::nodes`].
    pub node: usize,
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

impl NodeKind {
    /// Returns whether a walk ends there.
    pub fn is_end(&self) -> bool {
        matches!(
            self,
            NodeKind::Healthy | NodeKind::Inconclusive | NodeKind::AsUsed | NodeKind::Diagnosis(_)
        )
    }
}

impl Node {
    /// Makes a box that no run came by.
    pub fn new(id: &str, title: &str, kind: NodeKind) -> Node {
        Node {
            id: id.to_owned(),
            title: title.trim().to_owned(),
            kind,
            layer: None,
            early: Vec::new(),
            status: None,
            fact: None,
            taken: false,
        }
    }
}

impl Graph {
    /// Returns whether a run is marked.
    pub fn is_marked(&self) -> bool {
        self.nodes.iter().any(|node| node.taken)
    }

    /// Marks what the run of a report went through. Names that the report filled in take the place of
    /// the holes in titles.
    pub fn mark(&mut self, report: &Report) {
        for node in &mut self.nodes {
            if node.kind.is_end() || !report.path.contains(&node.id) {
                continue;
            }
            node.taken = true;
            if let Some(entry) = report.steps.iter().find(|step| step.id == node.id) {
                node.status = Some(entry.status);
                node.fact.clone_from(&entry.text);
                if !entry.title.trim().is_empty() {
                    entry.title.trim().clone_into(&mut node.title);
                }
            }
        }
        for entry in &report.steps {
            let from = self.nodes.iter().position(|node| node.taken && node.id == entry.id);
            let Some(from) = from else { continue };
            let ends = report.path.last() == Some(&entry.id);
            if let Some(taken) = self.way_out(from, entry, ends) {
                self.edges[taken].taken = true;
                self.nodes[self.edges[taken].to].taken = true;
            }
        }
        let Some(diagnosis) = &report.diagnosis else { return };
        let end = self.nodes.iter_mut().find(|node| node.taken && node.kind.is_end());
        if let Some(end) = end {
            end.fact = Some(diagnosis.summary.clone());
            if end.id == diagnosis.id {
                end.title.clone_from(&diagnosis.title);
                end.kind = NodeKind::Diagnosis(diagnosis.severity);
            }
        }
    }

    /// Finds the arrow along which a step was left.
    ///
    /// A report names the diagnosis that an end stands for, and does not say which of the arms without
    /// a condition was taken: the one that leads there, of several the likeliest.
    fn way_out(&self, from: usize, entry: &StepEntry, ends: bool) -> Option<usize> {
        let branch = entry.branch.as_ref()?;
        let answer = entry.observation.as_ref().and_then(|seen| seen.get("answer"));
        let answer = answer.and_then(serde_json::Value::as_str);
        let kind_fits = |edge: &Edge| match (edge.kind, branch.when.as_deref()) {
            (EdgeKind::When, when) => when == Some(edge.label.as_str()),
            (_, Some(_)) => false,
            (EdgeKind::Else, None) => entry.unknown.is_none(),
            (EdgeKind::Choice, None) => answer == Some(edge.label.as_str()),
            (EdgeKind::NoInput, None) => answer.is_none(),
            (EdgeKind::Unknown, None) => true,
        };
        let exact = |edge: &Edge| self.nodes[edge.to].id == branch.to;
        let stands_in = |edge: &Edge| {
            ends && matches!(self.nodes[edge.to].kind, NodeKind::Inconclusive | NodeKind::AsUsed)
        };
        // Branches are tried in their order, and so are the arrows.
        let find = |target_fits: &dyn Fn(&Edge) -> bool| {
            self.edges
                .iter()
                .position(|edge| edge.from == from && kind_fits(edge) && target_fits(edge))
        };
        find(&exact).or_else(|| find(&stands_in))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    const FIRST: usize = 0;
    const SECOND: usize = 1;
    const DEAD: usize = 2;
    const INCONCLUSIVE: usize = 3;

    /// `first` tries two conditions, then `else`; all arms may lead to `second`.
    fn graph(arms: &[(EdgeKind, &str, usize)]) -> Graph {
        let nodes = vec![
            Node::new("first", "Ask {{ target.host }}", NodeKind::Probe("dns".to_owned())),
            Node::new("second", "Then", NodeKind::Decide),
            Node::new("host.down", "Down", NodeKind::Diagnosis(Severity::Warning)),
            Node::new("inconclusive", "Open", NodeKind::Inconclusive),
        ];
        let edge = |(kind, label, to): &(EdgeKind, &str, usize)| Edge {
            from: FIRST,
            to: *to,
            label: (*label).to_owned(),
            kind: *kind,
            taken: false,
        };
        Graph {
            name: "one".to_owned(),
            title: "One".to_owned(),
            start: FIRST,
            nodes,
            edges: arms.iter().map(edge).collect(),
        }
    }

    fn report(when: Option<&str>, to: &str, unknown: &Value, seen: &Value) -> Report {
        let step = json!({
            "id": "first", "title": "Ask db.test", "layer": "dns", "probe": "dns",
            "status": "warn", "text": "seen", "by_hand": null, "started_ms": 0.0, "duration_ms": 1.0,
            "observation": seen, "unknown": unknown, "branch": {"when": when, "to": to},
        });
        let report = json!({
            "schema": "tcpdoctor.report/1", "tool": {"name": "tcpdoctor", "version": "0"},
            "target": {"input": "db.test", "host": "db.test", "port": null},
            "vantage": {"hostname": "here", "kernel": "6", "uid": 0, "capabilities": []},
            "runbook": {"name": "one", "source": "builtin", "sha256": ""},
            "started_at": "2026-01-01T00:00:00Z", "duration_ms": 1.0, "verdict": "inconclusive",
            "diagnosis": null, "findings": [], "path": ["first"], "steps": [step],
        });
        serde_json::from_value(report).expect("a report")
    }

    fn taken(graph: &Graph) -> Vec<usize> {
        (0..graph.edges.len()).filter(|at| graph.edges[*at].taken).collect()
    }

    #[test]
    fn the_arm_that_was_taken_is_found_among_arms_that_lead_to_one_place() {
        use EdgeKind::{Choice, Else, NoInput, Unknown, When};
        let why = json!({"why": "budget"});
        let no = Value::Null;
        let yes = json!({"answer": "yes"});
        let arms =
            [(When, "a", SECOND), (When, "b", SECOND), (Else, "", SECOND), (Unknown, "", SECOND)];
        let ask = [(Choice, "no", SECOND), (Choice, "yes", SECOND), (NoInput, "", SECOND)];
        let open = [(When, "a", SECOND), (Else, "", DEAD), (Unknown, "", INCONCLUSIVE)];
        type Arms<'a> = &'a [(EdgeKind, &'a str, usize)];
        type Case<'a> = (Arms<'a>, Option<&'a str>, &'a str, &'a Value, &'a Value, Option<usize>);
        let cases: [Case<'_>; 11] = [
            (&arms, Some("b"), "second", &no, &no, Some(1)),
            (&arms, None, "second", &no, &no, Some(2)),
            (&arms, None, "second", &why, &no, Some(3)),
            (&arms, Some("c"), "second", &no, &no, None),
            (&arms, None, "elsewhere", &no, &no, None),
            (&ask, None, "second", &no, &yes, Some(1)),
            (&ask, None, "second", &no, &no, Some(2)),
            (&open, None, "host.down", &no, &no, Some(1)),
            // A condition was unknown, which leads along the same arm as a step that could not look.
            (&open, None, "inconclusive.unsupported", &no, &no, Some(2)),
            (&open, None, "inconclusive.budget", &why, &no, Some(2)),
            // The inconclusive end may stand for a diagnosis that is a box of its own.
            (&open, None, "host.down", &why, &no, Some(2)),
        ];
        for (arms, when, to, unknown, seen, wanted) in cases {
            let mut graph = graph(arms);
            graph.mark(&report(when, to, unknown, seen));
            assert_eq!(taken(&graph), Vec::from_iter(wanted), "{when:?} to {to}");
            for at in taken(&graph) {
                assert!(graph.nodes[graph.edges[at].to].taken);
            }
        }
    }

    #[test]
    fn a_marked_step_shows_what_it_saw_under_the_name_it_had() {
        let mut graph = graph(&[(EdgeKind::Else, "", DEAD)]);
        assert!(!graph.is_marked());
        graph.mark(&report(None, "host.down", &Value::Null, &Value::Null));
        let first = &graph.nodes[FIRST];
        assert_eq!((first.title.as_str(), first.fact.as_deref()), ("Ask db.test", Some("seen")));
        assert_eq!(first.status, Some(Status::Warn));
        assert!(graph.is_marked() && !graph.nodes[SECOND].taken);
    }
}
