//! The pictures as a whole: what must never happen in any of them.

use proptest::prelude::*;

use super::card::Detail;
use super::layout::layout;
use super::place::{Card, Exit, Layout, Point};
use super::*;
use crate::model::diagnosis::Severity;
use crate::model::graph::{Edge, EdgeKind, Node, NodeKind};
use crate::model::layer::Layer;
use crate::model::report::{Report, Status};
use crate::runbook::builtin::RUNBOOKS;
use crate::runbook::{builtin, drawing};

const HOSTILE: &str =
    "</title></svg><script>alert(1)</script> \"'`&<>|[](){}#;%%\\ \u{1b}[2J\u{202e}\n]]> -->";

/// A step, the way out of it, and an end, all with the same text.
fn tree(text: &str) -> Graph {
    let mut step = Node::new(text, text, NodeKind::Probe(text.to_owned()));
    step.layer = Some(Layer::Dns);
    step.taken = true;
    step.status = Some(Status::Fail);
    step.fact = Some(text.to_owned());
    let ask = Node::new("ask", text, NodeKind::Ask);
    let mut end = Node::new("x-a.b", text, NodeKind::Diagnosis(Severity::Critical));
    end.taken = true;
    end.fact = Some(text.to_owned());
    let edge = |from, to, kind, taken| Edge { from, to, label: text.to_owned(), kind, taken };
    Graph {
        name: text.to_owned(),
        title: text.to_owned(),
        start: 0,
        nodes: vec![step, ask, end],
        edges: vec![
            edge(0, 1, EdgeKind::When, false),
            edge(0, 2, EdgeKind::Else, true),
            edge(1, 2, EdgeKind::Choice, false),
        ],
    }
}

fn written(graph: &Graph, format: Format) -> String {
    let mut out = Vec::new();
    write(graph, format, &mut out).expect("a vector takes everything");
    String::from_utf8(out).expect("UTF-8")
}

/// Checks that every tag is closed by its own, that no text holds a raw `<` or a bare `&`, and that
/// attributes are quoted; returns the texts.
fn well_formed(xml: &str) -> Vec<String> {
    let mut open: Vec<String> = Vec::new();
    let mut texts = Vec::new();
    let mut rest = xml;
    while let Some((text, tag)) = rest.split_once('<') {
        assert!(!text.contains('>'), "{text:?}");
        for entity in text.split('&').skip(1) {
            let known = ["amp;", "lt;", "gt;", "quot;", "#39;"];
            assert!(known.iter().any(|known| entity.starts_with(known)), "{entity:?}");
        }
        texts.push(text.to_owned());
        let (tag, after) = tag.split_once('>').expect("a tag ends");
        rest = after;
        if let Some(name) = tag.strip_prefix('/') {
            assert_eq!(open.pop().as_deref(), Some(name));
        } else {
            assert_eq!(tag.matches('"').count() % 2, 0, "{tag}");
            let name = tag.split([' ', '/']).next().unwrap_or_default();
            if !tag.ends_with('/') {
                open.push(name.to_owned());
            }
        }
    }
    assert!(open.is_empty(), "{open:?}");
    texts
}

#[test]
fn hostile_text_stays_text_in_every_picture() {
    let graph = tree(HOSTILE);
    for format in Format::PICTURES {
        let text = written(&graph, format);
        let bad = text.chars().find(|c| crate::render::sanitise::is_unsafe(*c) && *c != '\n');
        assert_eq!(bad, None, "{}", format.name());
        // In a quoted string of DOT, a tag is text.
        let tag = text.lines().find(|line| {
            line.contains("<script") && (format != Format::Dot || line.contains("<td"))
        });
        assert_eq!(tag, None, "{}", format.name());
    }
    well_formed(&written(&graph, Format::Svg));
    for line in written(&graph, Format::Mermaid).lines().skip(2) {
        // Labels stand between the outermost quotes; in them nothing but letters, entity codes and the
        // tags that we put there.
        let Some((_, label)) = line.split_once('"') else { continue };
        let (label, _) = label.rsplit_once('"').expect("a label ends");
        let ours = ["<b>", "</b>", "<i>", "</i>", "<br/>"];
        let bare = ours.iter().fold(label.to_owned(), |label, tag| label.replace(tag, ""));
        assert!(!bare.contains(['"', '<', '>', '`', '[', ']', '{', '}', '|']), "{bare}");
    }
    for line in written(&graph, Format::Dot).lines() {
        let unescaped = line.replace("\\\\", "").replace("\\\"", "");
        assert_eq!(unescaped.matches('"').count() % 2, 0, "{line}");
    }
}

proptest! {
    #[test]
    fn no_text_breaks_a_picture(text in "(.|[\\x00-\\x9f\u{202e}日{}<>&\"' ]){0,80}") {
        let graph = tree(&text);
        for format in Format::PICTURES {
            let _ = written(&graph, format);
        }
        well_formed(&svg::draw(&graph, Detail::Way, false));
    }

    #[test]
    fn boxes_and_arrows_keep_off_each_other(
        arrows in proptest::collection::vec((0usize..14, 0usize..14), 0..50),
        heights in proptest::collection::vec(40f64..300.0, 15),
    ) {
        let mut cards: Vec<Card> = heights
            .iter()
            .map(|height| Card { width: 400.0, height: *height, exits: Vec::new() })
            .collect();
        for (a, b) in arrows {
            let (from, to) = (a.min(b), a.max(b) + 1);
            let rows = vec![10.0 + cards[from].exits.len() as f64 * 2.0];
            if cards[from].exits.iter().all(|exit| exit.to != to) {
                cards[from].exits.push(Exit { to, rows });
            }
        }
        let drawing = layout(&cards, 0);
        let count: usize = cards.iter().map(|card| card.exits.len()).sum();
        prop_assert_eq!(drawing.arrows.len(), count);
        in_order(&cards, &drawing);
    }

    #[test]
    fn arrows_that_lead_back_do_not_stop_the_layout(
        arrows in proptest::collection::vec((0usize..8, 0usize..8), 0..30),
    ) {
        let mut cards = vec![Card { width: 100.0, height: 40.0, exits: Vec::new() }; 8];
        for (from, to) in arrows {
            cards[from].exits.push(Exit { to, rows: vec![10.0] });
        }
        let drawing = layout(&cards, 3);
        prop_assert!(drawing.cards.iter().all(Option::is_some));
    }
}

/// Checks that no box covers another one, and that no line runs through one.
fn in_order(cards: &[Card], drawing: &Layout) {
    let place = |at: usize| drawing.cards[at].expect("every box has a place");
    for (a, card) in cards.iter().enumerate() {
        let at = place(a);
        assert!(at.x >= 0.0 && at.x + card.width <= drawing.width + 0.5);
        for (b, other) in cards.iter().enumerate().skip(a + 1) {
            let there = place(b);
            let beside = at.x + card.width < there.x || there.x + other.width < at.x;
            let above = at.y + card.height < there.y || there.y + other.height < at.y;
            assert!(beside || above, "boxes {a} and {b}");
        }
    }
    for arrow in &drawing.arrows {
        for row in 0..arrow.ports.len() {
            for line in arrow.way(row).windows(2) {
                let [from, to] = line else { continue };
                assert!(from.x == to.x || from.y == to.y, "{from:?} {to:?}");
                for (at, card) in cards.iter().enumerate() {
                    assert!(!runs_through((*from, *to), place(at), card), "{arrow:?} and {at}");
                }
            }
        }
    }
}

fn runs_through((from, to): (Point, Point), at: Point, card: &Card) -> bool {
    let (left, right) = (from.x.min(to.x), from.x.max(to.x));
    let (top, bottom) = (from.y.min(to.y), from.y.max(to.y));
    let inside = 0.5;
    left < at.x + card.width - inside
        && right > at.x + inside
        && top < at.y + card.height - inside
        && bottom > at.y + inside
}

/// Counts the pixels on which lines that lead to different boxes lie on each other.
fn on_each_other(drawing: &Layout) -> f64 {
    let mut lines: Vec<(usize, Point, Point)> = Vec::new();
    for arrow in &drawing.arrows {
        for row in 0..arrow.ports.len() {
            lines.extend(arrow.way(row).windows(2).map(|line| (arrow.to, line[0], line[1])));
        }
    }
    let mut shared = 0.0;
    for (nth, (to, a, b)) in lines.iter().enumerate() {
        for (other, c, d) in lines[nth + 1..].iter().filter(|(other, ..)| other != to) {
            let overlap = |a: f64, b: f64, c: f64, d: f64| {
                (a.max(b).min(c.max(d)) - a.min(b).max(c.min(d))).max(0.0)
            };
            let upright = a.x == b.x && c.x == d.x && (a.x - c.x).abs() < 2.0;
            let level = a.y == b.y && c.y == d.y && (a.y - c.y).abs() < 2.0;
            let _ = other;
            if upright {
                shared += overlap(a.y, b.y, c.y, d.y);
            } else if level {
                shared += overlap(a.x, b.x, c.x, d.x);
            }
        }
    }
    shared
}

#[test]
fn in_the_built_in_runbooks_no_two_lines_lie_on_each_other() {
    for (name, _) in RUNBOOKS {
        let graph = drawing::graph(&builtin(name).expect("it loads"));
        let (cards, drawing) = svg::placed(&graph, Detail::Whole);
        in_order(&cards, &drawing);
        assert_eq!(on_each_other(&drawing), 0.0, "{name}");
    }
}

#[test]
fn every_step_and_every_arm_of_the_built_in_runbooks_is_in_every_picture() {
    for (name, _) in RUNBOOKS {
        let graph = drawing::graph(&builtin(name).expect("it loads"));
        let svg = written(&graph, Format::Svg);
        let texts = well_formed(&svg).concat();
        for node in &graph.nodes {
            assert!(texts.contains(&node.id), "{name}: {}", node.id);
        }
        assert_eq!(svg.matches("<g class=\"row").count(), graph.edges.len(), "{name}");
        let dot = written(&graph, Format::Dot);
        assert_eq!(dot.matches("port=\"r").count(), graph.edges.len(), "{name}");
        assert_eq!(written(&graph, Format::Svg), svg, "{name}: the same each time");
    }
}

#[test]
fn the_way_of_a_run_is_bold_from_the_start_to_its_end() {
    let runbook = builtin("connect").expect("it loads");
    let text = include_str!("../../../examples/filtered.json");
    let report: Report = serde_json::from_str(text).expect("a report");
    let report = crate::engine::replay(&report, &runbook);
    let mut graph = drawing::graph(&runbook);
    graph.mark(&report);
    let end = graph.nodes.iter().find(|node| node.taken && node.kind.is_end());
    assert_eq!(end.map(|end| end.id.as_str()), report.diagnosis.as_ref().map(|d| d.id.as_str()));
    let taken = graph.edges.iter().filter(|edge| edge.taken).count();
    assert_eq!(taken, report.path.len());
    let svg = written(&graph, Format::Svg);
    assert_eq!(svg.matches("class=\"way on").count(), taken);
    assert_eq!(svg.matches("<g class=\"card on\"").count(), taken + 1);
    assert!(written(&graph, Format::Mermaid).contains("linkStyle"));
    assert_eq!(written(&graph, Format::Dot).matches("penwidth=3").count(), taken);
    // Of what the run did not come by, only the names are left.
    let way = svg::draw(&graph, Detail::Way, false);
    assert!(way.matches("<g class=\"row").count() < svg.matches("<g class=\"row").count() / 2);
    well_formed(&way);
}

#[test]
fn a_long_runbook_is_drawn_in_no_time() {
    let steps = 1000;
    let mut nodes: Vec<Node> =
        (0..steps).map(|n| Node::new(&format!("s{n}"), "A step", NodeKind::Decide)).collect();
    nodes.push(Node::new("healthy", "In order", NodeKind::Healthy));
    let edge = |from: usize, to: usize, kind| Edge {
        from,
        to,
        label: "a == 1".to_owned(),
        kind,
        taken: false,
    };
    let mut edges = Vec::new();
    for from in 0..steps {
        edges.push(edge(from, from + 1, EdgeKind::When));
        edges.push(edge(from, (from + 7).min(steps), EdgeKind::Else));
    }
    let graph = Graph { name: "long".to_owned(), title: "Long".to_owned(), start: 0, nodes, edges };
    let began = crate::sys::clock::now();
    let svg = written(&graph, Format::Svg);
    assert!(svg.contains("s999"));
    // In a debug build on a busy machine: generous.
    assert!(began.elapsed().as_secs() < 20, "{:?}", began.elapsed());
}
