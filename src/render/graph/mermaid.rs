//! A Mermaid flowchart, as Markdown viewers draw it.
//!
//! Mermaid has no rows to draw an arrow from: an arrow carries the conditions of all arms that lead
//! the same way, and what a step concludes stands in one box beside it.

use std::fmt::Write as _;

use super::arm::{self, Arm};
use super::measure::{Face, cut, wrap};
use crate::model::diagnosis::Severity;
use crate::model::graph::{EdgeKind, Graph, Node, NodeKind};
use crate::render::sanitise;

const FACE: Face = Face::Plain(12.0);
const ROOM: f64 = 300.0;
/// The conditions on one arrow.
const MOST: usize = 4;

/// Writes a tree.
pub(super) fn draw(graph: &Graph) -> String {
    let mut out = String::new();
    let mut put = |text: std::fmt::Arguments<'_>| {
        // Writing to a String cannot fail.
        let _ = out.write_fmt(text);
    };
    put(format_args!("%% {}: {}\n", comment(&graph.name), comment(&graph.title)));
    // Its lines are broken here already.
    put(format_args!("%%{{init: {{\"flowchart\": {{\"wrappingWidth\": 420}}}}}}%%\n"));
    put(format_args!("flowchart TD\n"));
    let mut links: Vec<(String, bool)> = Vec::new();
    let mut faded: Vec<String> = Vec::new();
    for (at, node) in graph.nodes.iter().enumerate() {
        if node.kind.is_end() {
            if node.taken {
                put(format_args!("  n{at}([\"{}\"]):::{}\n", end_label(node), end_class(node)));
            }
            continue;
        }
        let (open, close) = match node.kind {
            NodeKind::Decide => ("{{", "}}"),
            NodeKind::Ask => ("[/", "/]"),
            NodeKind::Use(_) => ("[[", "]]"),
            _ => ("[", "]"),
        };
        if graph.is_marked() && !node.taken {
            faded.push(format!("n{at}"));
        }
        let class = node.layer.map_or("vantage", crate::model::layer::Layer::name);
        put(format_args!("  n{at}{open}\"{}\"{close}:::l_{class}\n", step_label(graph, node)));
        let arms = arm::arms(graph, at);
        let ends: Vec<&Arm<'_>> = arms.iter().filter(|arm| !shown(arm)).collect();
        if !ends.is_empty() {
            let listed: Vec<String> = ends.iter().map(|arm| row(arm)).collect();
            put(format_args!("  e{at}[\"{}\"]:::ends\n", listed.join("<br/>")));
            if graph.is_marked() {
                faded.push(format!("e{at}"));
            }
            links.push((format!("n{at} -.- e{at}"), false));
        }
        let mut done = Vec::new();
        for arm in arms.iter().filter(|arm| shown(arm)) {
            if done.contains(&arm.edge.to) {
                continue;
            }
            done.push(arm.edge.to);
            let same: Vec<&Arm<'_>> =
                arms.iter().filter(|other| other.edge.to == arm.edge.to).collect();
            let arrow = match same.iter().all(|arm| arm.edge.kind == EdgeKind::Unknown) {
                true => "-.->",
                false => "-->",
            };
            let taken = same.iter().any(|arm| arm.edge.taken);
            let link = format!("n{at} {arrow}|\"{}\"| n{}", arrow_label(&same), arm.edge.to);
            links.push((link, taken));
        }
    }
    for (link, _) in &links {
        put(format_args!("  {link}\n"));
    }
    let taken: Vec<String> =
        (0..links.len()).filter(|at| links[*at].1).map(|at| at.to_string()).collect();
    if !taken.is_empty() {
        put(format_args!("  linkStyle {} stroke:#c01c28,stroke-width:4px\n", taken.join(",")));
    }
    put(format_args!("{CLASSES}"));
    if !faded.is_empty() {
        put(format_args!("  class {} faded\n", faded.join(",")));
    }
    let on: Vec<String> = (0..graph.nodes.len())
        .filter(|at| graph.nodes[*at].taken)
        .map(|at| format!("n{at}"))
        .collect();
    if !on.is_empty() {
        put(format_args!("  class {} taken\n", on.join(",")));
    }
    out
}

/// Text and ground are both given, so that a viewer's dark theme changes neither.
const CLASSES: &str = "\
  classDef l_vantage fill:#eceff3,stroke:#5a6675,color:#1f2733
  classDef l_link fill:#f7edda,stroke:#8a5a00,color:#1f2733
  classDef l_dns fill:#efe9fb,stroke:#6d3fc0,color:#1f2733
  classDef l_route fill:#e0f1f8,stroke:#0b6a93,color:#1f2733
  classDef l_host fill:#f9e6f3,stroke:#a3307e,color:#1f2733
  classDef l_transport fill:#e4edfd,stroke:#1d5fd1,color:#1f2733
  classDef l_path fill:#fbe9df,stroke:#ad430a,color:#1f2733
  classDef l_firewall fill:#fbe4e3,stroke:#b3261e,color:#1f2733
  classDef l_socket fill:#ddf3ec,stroke:#0b7558,color:#1f2733
  classDef l_kernel fill:#ecf3dc,stroke:#4c6b12,color:#1f2733
  classDef l_application fill:#e1f0f4,stroke:#2b6a7c,color:#1f2733
  classDef ends fill:#f5f7fa,stroke:#b4becb,color:#1f2733,text-align:left
  classDef good fill:#dff3e4,stroke:#1a7f37,color:#1f2733
  classDef bad fill:#fbe4e3,stroke:#c01c28,color:#1f2733
  classDef warn fill:#f7edda,stroke:#8f5a00,color:#1f2733
  classDef open fill:#eceff3,stroke:#5a6675,color:#1f2733
  classDef faded opacity:0.45
  classDef taken stroke-width:4px
";

/// Whether an arm has an arrow of its own, rather than a line in the box of ends.
fn shown(arm: &Arm<'_>) -> bool {
    !arm.to.kind.is_end() || arm.edge.taken
}

fn step_label(graph: &Graph, node: &Node) -> String {
    let mut label = format!("<b>{}</b>", lines(&arm::title(node), 3));
    label.push_str(&format!("<br/>{} · {}", escape(&node.id), escape(&arm::deed(&node.kind))));
    if let Some(early) = arm::early(graph, node) {
        label.push_str(&format!("<br/><i>{}</i>", lines(&early, 2)));
    }
    if let Some(status) = node.status {
        let (sign, word) = arm::status(status);
        label.push_str(&format!("<br/>{sign} {}", lines(node.fact.as_deref().unwrap_or(word), 4)));
    }
    label
}

fn end_label(node: &Node) -> String {
    let mut label = format!("{} <b>{}</b>", arm::sign(&node.kind), lines(&arm::title(node), 3));
    label.push_str(&format!("<br/>{}", escape(&node.id)));
    if let Some(fact) = &node.fact {
        label.push_str(&format!("<br/>{}", lines(fact, 6)));
    }
    label
}

fn end_class(node: &Node) -> &'static str {
    match node.kind {
        NodeKind::Healthy => "good",
        NodeKind::Diagnosis(Severity::Critical) => "bad",
        NodeKind::Diagnosis(_) => "warn",
        _ => "open",
    }
}

/// A line in the box of ends.
fn row(arm: &Arm<'_>) -> String {
    let why = cut(&sanitise::prose(&arm.why), FACE, ROOM);
    format!("{} <b>{}</b>: {}", arm::sign(&arm.to.kind), escape(&arm.to.id), escape(&why))
}

/// The conditions of the arms that lead the same way, one a line.
fn arrow_label(arms: &[&Arm<'_>]) -> String {
    let mut said: Vec<String> = Vec::new();
    for arm in arms.iter().take(MOST) {
        said.push(lines(&arm.why, 2));
    }
    if arms.len() > MOST {
        said.push(format!("or {} more", arms.len() - MOST));
    }
    said.join("<br/>")
}

fn lines(text: &str, most: usize) -> String {
    let lines = wrap(&sanitise::prose(text), FACE, ROOM, most);
    lines.iter().map(|line| escape(line)).collect::<Vec<_>>().join("<br/>")
}

/// Writes everything that could mean something to Mermaid, to its Markdown or to HTML as an entity
/// code, which Mermaid turns back into the character when it draws.
fn escape(text: &str) -> String {
    let mut safe = String::new();
    for c in sanitise::prose(text).chars() {
        if c.is_alphanumeric() || " .,:-→≠≤≥·…‹›–".contains(c) {
            safe.push(c);
        } else {
            let _ = write!(safe, "#{};", u32::from(c));
        }
    }
    safe
}

/// A comment ends at the line's end; braces would be read as a directive, and a page that shows the
/// source should not see tags.
fn comment(text: &str) -> String {
    sanitise::prose(text).replace(['{', '}', '%', '<', '>'], " ")
}
