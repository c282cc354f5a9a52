//! Graphviz' language: each step a table, each arrow from the row that it belongs to.

use std::fmt::Write as _;

use super::arm::{self, Arm};
use super::measure::{Face, wrap};
use crate::model::graph::{EdgeKind, Graph, Node, NodeKind};
use crate::model::layer::Layer;
use crate::render::sanitise;
use crate::render::xml;

/// Where the texts of a table are broken.
const ROOM: f64 = 260.0;
const FACE: Face = Face::Plain(10.0);

/// Writes a tree.
pub(super) fn draw(graph: &Graph) -> String {
    let marked = graph.is_marked();
    let mut out = String::new();
    put(&mut out, format_args!("digraph {} {{\n", quoted(&graph.name)));
    put(&mut out, format_args!("  label={}; labelloc=t; fontsize=18;\n", quoted(&graph.title)));
    out.push_str("  rankdir=TB; nodesep=0.5; ranksep=0.6; bgcolor=white;\n");
    out.push_str("  node [shape=plain, fontname=\"Helvetica\", fontsize=10];\n");
    out.push_str("  edge [fontname=\"Helvetica\", fontsize=9, arrowsize=0.7];\n");
    for (at, node) in graph.nodes.iter().enumerate() {
        if node.kind.is_end() {
            if node.taken {
                end(&mut out, at, node);
            }
            continue;
        }
        step(&mut out, graph, at, marked);
    }
    for (nth, edge) in graph.edges.iter().enumerate() {
        let to = &graph.nodes[edge.to];
        if to.kind.is_end() && !edge.taken {
            continue;
        }
        let row = graph.edges[..nth].iter().filter(|other| other.from == edge.from).count();
        let colour = if marked && !edge.taken { FADED } else { ink(to) };
        let width = if edge.taken { 3 } else { 1 };
        let style = if edge.kind == EdgeKind::Unknown { "dashed" } else { "solid" };
        put(
            &mut out,
            format_args!(
                "  n{}:r{row} -> n{} [color=\"{colour}\", penwidth={width}, style={style}];\n",
                edge.from, edge.to
            ),
        );
    }
    out.push_str("}\n");
    out
}

const FADED: &str = "#b4becb";

/// Writing to a String cannot fail.
fn put(out: &mut String, text: std::fmt::Arguments<'_>) {
    let _ = out.write_fmt(text);
}

fn step(out: &mut String, graph: &Graph, at: usize, marked: bool) {
    let node = &graph.nodes[at];
    let faded = marked && !node.taken;
    let text = if faded { "#8390a0" } else { "#1f2733" };
    let border = if node.taken { 2 } else { 1 };
    put(
        out,
        format_args!(
            "  n{at} [tooltip={}, fontcolor=\"{text}\", label=<<table border=\"{border}\" cellborder=\"0\" cellspacing=\"0\" cellpadding=\"3\" color=\"{}\">\n",
            quoted(&format!("{}: {}", node.id, arm::title(node))),
            if faded { FADED } else { ink(node) }
        ),
    );
    let layer = node.layer.map_or("", Layer::name);
    let title = lines(&arm::title(node), Face::Bold(12.0), ROOM);
    let about = escape(&format!("{layer} · {} · {}", node.id, arm::deed(&node.kind)));
    let fill = if faded { "#eef1f5" } else { tint(node.layer) };
    put(
        out,
        format_args!(
            "    <tr><td colspan=\"2\" align=\"left\" balign=\"left\" bgcolor=\"{fill}\"><font point-size=\"12\"><b>{title}</b></font><br/>{about}</td></tr>\n"
        ),
    );
    if let Some(early) = arm::early(graph, node) {
        put(
            out,
            format_args!(
                "    <tr><td colspan=\"2\" align=\"left\"><i>{}</i></td></tr>\n",
                escape(&early)
            ),
        );
    }
    if let Some(status) = node.status {
        let (sign, word) = arm::status(status);
        let fact = node.fact.as_deref().unwrap_or(word);
        let fact = lines(&format!("{sign} {fact}"), FACE, ROOM + 120.0);
        put(
            out,
            format_args!(
                "    <tr><td colspan=\"2\" align=\"left\" balign=\"left\" bgcolor=\"#fff1c2\">{fact}</td></tr>\n"
            ),
        );
    }
    for (nth, arm) in arm::arms(graph, at).iter().enumerate() {
        row(out, nth, arm);
    }
    out.push_str("  </table>>];\n");
}

fn row(out: &mut String, nth: usize, arm: &Arm<'_>) {
    let why = lines(&arm.why, FACE, ROOM);
    let to = format!("{} {}", arm::sign(&arm.to.kind), escape(&arm.to.id));
    let (open, close, fill) = match arm.edge.taken {
        true => ("<b>", "</b>", " bgcolor=\"#fff1c2\""),
        false => ("", "", ""),
    };
    put(
        out,
        format_args!(
            "    <tr><td align=\"left\" balign=\"left\"{fill}>{open}{why}{close}</td><td align=\"left\" port=\"r{nth}\"{fill}>{open}{to}{close}</td></tr>\n"
        ),
    );
}

/// The end that the run came to.
fn end(out: &mut String, at: usize, node: &Node) {
    let title = lines(&arm::title(node), Face::Bold(12.0), ROOM);
    let fact = node.fact.as_deref().map(|fact| lines(fact, FACE, ROOM + 60.0));
    put(
        out,
        format_args!(
            "  n{at} [label=<<table border=\"3\" cellborder=\"0\" cellspacing=\"0\" cellpadding=\"4\" color=\"{}\" style=\"rounded\"><tr><td align=\"left\" balign=\"left\"><font point-size=\"12\"><b>{} {title}</b></font><br/>{} · {}</td></tr>",
            ink(node),
            arm::sign(&node.kind),
            escape(&node.id),
            arm::deed(&node.kind)
        ),
    );
    if let Some(fact) = fact {
        put(out, format_args!("<tr><td align=\"left\" balign=\"left\">{fact}</td></tr>"));
    }
    out.push_str("</table>>];\n");
}

fn lines(text: &str, face: Face, room: f64) -> String {
    let lines = wrap(&sanitise::prose(text), face, room, 6);
    lines.iter().map(|line| escape(line)).collect::<Vec<_>>().join("<br/>")
}

/// A layer's colour, as in the SVG.
fn ink(node: &Node) -> &'static str {
    match (&node.kind, node.layer) {
        (NodeKind::Healthy, _) => "#1a7f37",
        (_, layer) => super::ink::of_layer(layer),
    }
}

fn tint(layer: Option<Layer>) -> &'static str {
    match layer {
        Some(Layer::Dns) => "#efe9fb",
        Some(Layer::Link) => "#f7edda",
        Some(Layer::Route) => "#e0f1f8",
        Some(Layer::Host) => "#f9e6f3",
        Some(Layer::Transport) => "#e4edfd",
        Some(Layer::Path) => "#fbe9df",
        Some(Layer::Firewall) => "#fbe4e3",
        Some(Layer::Socket) => "#ddf3ec",
        Some(Layer::Kernel) => "#ecf3dc",
        Some(Layer::Application) => "#e1f0f4",
        Some(Layer::Vantage) | None => "#eceff3",
    }
}

/// Escapes for Graphviz' HTML-like labels.
fn escape(text: &str) -> String {
    xml::prose(text)
}

/// Quotes a string of the DOT language: in one, only quotes and backslashes mean something.
fn quoted(text: &str) -> String {
    format!("\"{}\"", sanitise::prose(text).replace('\\', "\\\\").replace('"', "\\\""))
}
