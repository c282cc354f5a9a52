//! `tcpdoctor runbook show NAME|PATH`.

use serde_json::{Value, json};

use crate::cli::args::Global;
use crate::cli::runbooks;
use crate::cli::usage::Usage;
use crate::cli::{deliver, status};
use crate::model::graph::{Edge, EdgeKind, Graph, Node, NodeKind};
use crate::render::manual::{self, Part};
use crate::render::{Format, write_json};
use crate::runbook::{Param, Runbook, drawing};

/// Shows a runbook; returns the exit status.
pub(super) fn run(global: &Global, name: &str, resolved: bool) -> Result<u8, Usage> {
    if resolved {
        deliver::only(global, &[Format::Text])?;
        let text = runbooks::resolved(name)?;
        return Ok(deliver::deliver(global, status::DONE, |_, _, out| {
            out.write_all(text.as_bytes())
        }));
    }
    deliver::check_page(global)?;
    let runbook = runbooks::load(name)?;
    let graph = drawing::graph(&runbook);
    let parts = parts(&runbook, &graph);
    let data = data(&runbook, &graph);
    Ok(deliver::deliver(global, status::DONE, |format, style, out| match format {
        Format::Json => write_json(&data, out),
        _ => manual::write(&parts, style, out),
    }))
}

fn parts(runbook: &Runbook, graph: &Graph) -> Vec<Part> {
    let mut parts = vec![Part::Heading(format!("{}: {}", runbook.name, runbook.title))];
    parts.extend(runbook.about.iter().map(|about| Part::Text(about.clone())));
    let files: Vec<&str> = runbook.files.iter().map(|file| file.source.as_str()).collect();
    parts.push(Part::Text(match files.as_slice() {
        [_, others @ ..] if !others.is_empty() => {
            format!("From {}, with {}.", runbook.source, others.join(", "))
        }
        _ if runbook.source == "builtin" => "Built in.".to_owned(),
        _ => format!("From {}.", runbook.source),
    }));
    let hidden = runbook
        .shadows
        .iter()
        .map(|shadow| Part::Text(format!("{} hides {}.", shadow.source, shadow.hides.join(", "))));
    parts.extend(hidden);
    if !runbook.params.is_empty() {
        parts.push(Part::Heading("Parameters".to_owned()));
        parts.extend(
            runbook.params.iter().map(|param| Part::Item(param.name.clone(), about(param))),
        );
    }
    let contacts = runbook.all_contacts();
    if !contacts.is_empty() {
        parts.push(Part::Heading("Contacts besides the target, when allowed".to_owned()));
        parts.extend(
            contacts.iter().map(|contact| {
                Part::Item(contact.to_string(), format!("--allow-target {contact}"))
            }),
        );
    }
    for (at, node) in graph.nodes.iter().enumerate().take(runbook.steps.len()) {
        parts.push(Part::Heading(format!("{}: {}", node.id, node.title)));
        parts.push(Part::Text(kind(node, at == graph.start)));
        let ways = graph.edges.iter().filter(|edge| edge.from == at);
        parts.extend(ways.map(|edge| Part::Item(to(graph, edge), condition(edge, node))));
    }
    if !runbook.left_out.is_empty() {
        parts.push(Part::Heading("Left out".to_owned()));
        parts.push(Part::Text(runbook.left_out.join(", ")));
    }
    parts
}

fn about(param: &Param) -> String {
    let mut facts = vec![param.ty.name()];
    facts.extend(param.default.as_ref().map(|default| match default {
        Value::String(text) => format!("default {text:?}"),
        other => format!("default {other}"),
    }));
    facts.extend(param.min.map(|min| format!("at least {min}")));
    facts.extend(param.max.map(|max| format!("at most {max}")));
    if param.default.is_none() {
        facts.push("needed".to_owned());
    }
    format!("{} ({})", param.help.trim_end_matches('.'), facts.join(", "))
}

fn kind(node: &Node, first: bool) -> String {
    let does = match &node.kind {
        NodeKind::Probe(probe) => format!("probe {probe}"),
        NodeKind::Use(runbook) => format!("uses runbook {runbook}"),
        NodeKind::Ask => "asks you".to_owned(),
        _ => "decides".to_owned(),
    };
    let layer = node.layer.map(|layer| format!(", layer {}", layer.name())).unwrap_or_default();
    let first = if first { ", first" } else { "" };
    format!("{does}{layer}{first}")
}

fn to(graph: &Graph, edge: &Edge) -> String {
    graph.nodes.get(edge.to).map(|node| node.id.clone()).unwrap_or_default()
}

fn condition(edge: &Edge, node: &Node) -> String {
    match edge.kind {
        EdgeKind::When => format!("when {}", edge.label),
        EdgeKind::Else => "else".to_owned(),
        EdgeKind::Unknown if node.kind == NodeKind::Decide => "when that is not known".to_owned(),
        EdgeKind::Unknown => "when it could not look".to_owned(),
        EdgeKind::Choice => format!("answer {}", edge.label),
        EdgeKind::NoInput => "when nobody can be asked".to_owned(),
    }
}

fn data(runbook: &Runbook, graph: &Graph) -> Value {
    let steps = graph.nodes.iter().enumerate().take(runbook.steps.len()).map(|(at, node)| {
        let ways = graph.edges.iter().filter(|edge| edge.from == at);
        let (probe, uses) = match &node.kind {
            NodeKind::Probe(probe) => (Some(probe), None),
            NodeKind::Use(runbook) => (None, Some(runbook)),
            _ => (None, None),
        };
        json!({
            "id": node.id,
            "title": node.title,
            "layer": node.layer,
            "probe": probe,
            "use": uses,
            "ways": ways.map(|edge| json!({
                "condition": condition(edge, node),
                "to": to(graph, edge),
            })).collect::<Vec<_>>(),
        })
    });
    json!({
        "name": runbook.name,
        "title": runbook.title,
        "about": runbook.about,
        "source": runbook.source,
        "sha256": runbook.sha256,
        "files": runbook.files.iter().map(|file| json!({
            "source": file.source,
            "sha256": file.sha256,
        })).collect::<Vec<_>>(),
        "shadows": runbook.shadows,
        "contacts": runbook.all_contacts().iter().map(ToString::to_string).collect::<Vec<_>>(),
        "params": runbook.params.iter().map(|param| json!({
            "name": param.name,
            "type": param.ty.name(),
            "default": param.default,
            "min": param.min,
            "max": param.max,
            "help": param.help,
        })).collect::<Vec<_>>(),
        "start": graph.nodes.get(graph.start).map(|node| &node.id),
        "steps": steps.collect::<Vec<_>>(),
        "left_out": runbook.left_out,
    })
}
