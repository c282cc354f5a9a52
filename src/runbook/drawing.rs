//! A runbook's tree as a picture knows it.

use crate::model::diagnosis::Severity;
use crate::model::graph::{Early, Edge, EdgeKind, Graph, Node, NodeKind};
use crate::runbook::{Branch, Conclusion, Kind, Next, Runbook, Step};

/// Draws a runbook: its steps in the file's order, then the ends in the order in which the steps reach
/// them; the arrows of each step in the order in which they are tried.
///
/// A step that looks at something has an arrow for the case that it cannot: its `unknown` arm, or
/// without one the inconclusive end, as the engine does it.
pub fn graph(runbook: &Runbook) -> Graph {
    let mut drawing = Drawing {
        runbook,
        graph: Graph {
            name: runbook.name.clone(),
            title: runbook.title.clone(),
            start: runbook.start,
            nodes: runbook.steps.iter().map(step_node).collect(),
            edges: Vec::new(),
        },
    };
    for (at, step) in runbook.steps.iter().enumerate() {
        drawing.arrows(at, step);
    }
    drawing.graph
}

struct Drawing<'a> {
    runbook: &'a Runbook,
    graph: Graph,
}

impl Drawing<'_> {
    fn arrows(&mut self, at: usize, step: &Step) {
        if let Kind::Ask { choices, no_input, .. } = &step.kind {
            for (choice, branch) in choices {
                self.arrow(at, branch, EdgeKind::Choice, choice);
            }
            self.arrow(at, no_input, EdgeKind::NoInput, "");
        }
        for branch in &step.branches {
            match &branch.when {
                Some(when) => self.arrow(at, branch, EdgeKind::When, when.source()),
                None => self.arrow(at, branch, EdgeKind::Else, ""),
            }
        }
        match (&step.unknown, &step.kind) {
            (Some(branch), _) => self.arrow(at, branch, EdgeKind::Unknown, ""),
            (None, Kind::Probe { .. } | Kind::Use { .. }) => {
                let to = self.end("inconclusive", NodeKind::Inconclusive);
                self.push(at, to, EdgeKind::Unknown, "");
            }
            (None, Kind::Ask { .. } | Kind::Decide) => {}
        }
    }

    fn arrow(&mut self, from: usize, branch: &Branch, kind: EdgeKind, label: &str) {
        let to = match &branch.next {
            Next::Goto(step) => *step,
            Next::Healthy => self.end("healthy", NodeKind::Healthy),
            Next::Inconclusive => self.end("inconclusive", NodeKind::Inconclusive),
            Next::AsUsed => self.end("as_used", NodeKind::AsUsed),
            Next::Conclude(conclusion) => self.diagnosis(conclusion),
        };
        self.push(from, to, kind, label);
    }

    fn push(&mut self, from: usize, to: usize, kind: EdgeKind, label: &str) {
        let label = label.trim().to_owned();
        self.graph.edges.push(Edge { from, to, label, kind, taken: false });
    }

    /// Finds the end of this id, or adds it.
    fn end(&mut self, id: &str, kind: NodeKind) -> usize {
        let title = match &kind {
            NodeKind::Healthy => "In order",
            NodeKind::Inconclusive => "What decides could not be looked at",
            _ => "As the used runbook ended",
        };
        let node = || Node::new(id, title, kind.clone());
        self.place(id, node)
    }

    /// A diagnosis that several branches conclude is as bad as the worst of them.
    fn diagnosis(&mut self, conclusion: &Conclusion) -> usize {
        let entry = self.runbook.catalogue.find(&conclusion.id);
        let severity = conclusion.severity.or(entry.map(|entry| entry.severity));
        let severity = severity.unwrap_or(Severity::Critical);
        let title = entry.map_or(conclusion.id.as_str(), |entry| entry.title.source());
        let at = self.place(&conclusion.id, || Node {
            layer: entry.map(|entry| entry.layer),
            ..Node::new(&conclusion.id, title, NodeKind::Diagnosis(severity))
        });
        if let NodeKind::Diagnosis(worst) = &mut self.graph.nodes[at].kind {
            *worst = severity.max(*worst);
        }
        at
    }

    fn place(&mut self, id: &str, node: impl FnOnce() -> Node) -> usize {
        let ends = &self.graph.nodes[self.runbook.steps.len()..];
        if let Some(known) = ends.iter().position(|end| end.id == id) {
            return self.runbook.steps.len() + known;
        }
        self.graph.nodes.push(node());
        self.graph.nodes.len() - 1
    }
}

fn step_node(step: &Step) -> Node {
    let kind = match &step.kind {
        Kind::Probe { spec, .. } => NodeKind::Probe(spec.id.to_owned()),
        Kind::Ask { .. } => NodeKind::Ask,
        Kind::Decide => NodeKind::Decide,
        Kind::Use { runbook, .. } => NodeKind::Use(runbook.name.clone()),
    };
    let early = step.meanwhile.iter().flat_map(|meanwhile| {
        meanwhile.start.iter().map(|&node| Early { after: meanwhile.after, node })
    });
    Node {
        layer: Some(step.layer),
        early: early.collect(),
        ..Node::new(&step.id, step.title.source(), kind)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::layer::Layer;
    use crate::runbook::builtin::RUNBOOKS;
    use crate::runbook::{builtin, parse};

    fn drawn(steps: &str) -> Graph {
        let text = format!("format: 1\nname: one\ntitle: One\nstart: first\nsteps:\n{steps}");
        match parse("one.yaml", &text, None) {
            Ok(runbook) => graph(&runbook),
            Err(errors) => panic!("{}", errors.render()),
        }
    }

    fn arrows(graph: &Graph) -> Vec<(&str, EdgeKind, &str, &str)> {
        let id = |node: usize| graph.nodes[node].id.as_str();
        let edges = graph.edges.iter();
        edges.map(|edge| (id(edge.from), edge.kind, edge.label.as_str(), id(edge.to))).collect()
    }

    #[test]
    fn every_arm_of_every_kind_of_step_is_an_arrow() {
        let graph = drawn(
            r#"
  first:
    title: Resolve {{ target.host }}
    layer: dns
    probe: dns
    with: {name: "{{ target.host }}"}
    meanwhile: {after: 300ms, start: [second]}
    branches:
      - when: result.outcome == "resolved"
        goto: ask
      - else: {conclude: dns.servfail, severity: warning, with: {name: a, server: b}}
  ask:
    ask: Is it up?
    choices: {"yes": second, "no": inconclusive}
    no_input: third
  second:
    title: Again
    layer: dns
    probe: dns
    with: {name: "{{ target.host }}"}
    branches:
      - else: third
    unknown: third
  third:
    title: Sort
    layer: transport
    decide: true
    branches:
      - when: target.family == "v4"
        conclude: dns.servfail
        with: {name: a, server: b}
      - else: healthy
"#,
        );
        assert_eq!(
            arrows(&graph),
            [
                ("first", EdgeKind::When, "result.outcome == \"resolved\"", "ask"),
                ("first", EdgeKind::Else, "", "dns.servfail"),
                ("first", EdgeKind::Unknown, "", "inconclusive"),
                ("ask", EdgeKind::Choice, "yes", "second"),
                ("ask", EdgeKind::Choice, "no", "inconclusive"),
                ("ask", EdgeKind::NoInput, "", "third"),
                ("second", EdgeKind::Else, "", "third"),
                ("second", EdgeKind::Unknown, "", "third"),
                ("third", EdgeKind::When, "target.family == \"v4\"", "dns.servfail"),
                ("third", EdgeKind::Else, "", "healthy"),
            ]
        );
        let ids: Vec<&str> = graph.nodes.iter().map(|node| node.id.as_str()).collect();
        let wanted = ["first", "ask", "second", "third", "dns.servfail", "inconclusive", "healthy"];
        assert_eq!(ids, wanted);
        assert_eq!(graph.nodes[0].title, "Resolve {{ target.host }}");
        assert_eq!(graph.nodes[0].early.len(), 1);
        assert_eq!(graph.nodes[0].early[0].node, 2);
        assert_eq!(graph.nodes[1].kind, NodeKind::Ask);
        // The catalogue's severity is worse than the first branch's own.
        assert_eq!(graph.nodes[4].kind, NodeKind::Diagnosis(Severity::Critical));
        assert_eq!(graph.nodes[4].layer, Some(Layer::Dns));
    }

    #[test]
    fn a_used_runbook_is_one_box_and_its_end_another() {
        let graph = drawn(
            "  first:\n    title: As usual\n    layer: transport\n    use: connect\n    branches:\n      - else: as_used\n",
        );
        assert_eq!(graph.nodes[0].kind, NodeKind::Use("connect".to_owned()));
        assert_eq!(graph.nodes[1].kind, NodeKind::AsUsed);
    }

    #[test]
    fn the_built_in_runbooks_are_drawn_whole() {
        for (name, _) in RUNBOOKS {
            let runbook = builtin(name).expect("it loads");
            let graph = graph(&runbook);
            assert_eq!(graph.name, *name);
            let mut reached = vec![false; graph.nodes.len()];
            reached[graph.start] = true;
            for edge in &graph.edges {
                reached[edge.to] = true;
            }
            let lost = graph.nodes.iter().zip(&reached).find(|(_, reached)| !**reached);
            assert_eq!(lost, None, "{name}");
            for (at, node) in graph.nodes.iter().enumerate() {
                let twin = graph.nodes[..at].iter().find(|other| other.id == node.id);
                assert_eq!(twin, None, "{name}: ids are unique");
                assert!(!node.title.is_empty(), "{name}: {}", node.id);
            }
        }
    }
}
