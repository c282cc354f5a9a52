//! SVG: one file without anything from elsewhere, light and dark.

use super::card::{Detail, Sheet, is_box};
use super::ink::Ink;
use super::layout::layout;
use super::pen::{MARGIN, Pen};
use super::place::{Card, Layout, Point};
use crate::model::graph::Graph;

/// Draws a tree; `alone` as a file of its own, with its name, style and legend.
pub(super) fn draw(graph: &Graph, detail: Detail, alone: bool) -> String {
    let (sheets, boxes) = sheets(graph, detail);
    let cards = cards(graph, &sheets, &boxes);
    let place = |node: usize| boxes.iter().position(|other| *other == node);
    let layout = layout(&cards, place(graph.start).unwrap_or_default());

    let mut pen = Pen::default();
    let head = if alone { 104.0 } else { 30.0 };
    let origin = Point { x: MARGIN, y: head };
    let width = (layout.width + 2.0 * MARGIN).max(if alone { 660.0 } else { 0.0 });
    let height = layout.height + head + MARGIN;
    pen.document(graph, width, height, alone);
    pen.start(&layout, place(graph.start), origin);
    arrows(graph, &sheets, &boxes, &layout, origin, &mut pen);
    for (card, at) in layout.cards.iter().zip(&boxes) {
        if let Some(corner) = card {
            let at_point = Point { x: corner.x + origin.x, y: corner.y + origin.y };
            sheets[*at].draw(at_point, &mut pen);
        }
    }
    pen.out.push_str("</svg>\n");
    pen.out
}

/// Every node laid out, and which of them are boxes: ends that are only named in rows are none.
fn sheets(graph: &Graph, detail: Detail) -> (Vec<Sheet<'_>>, Vec<usize>) {
    let sheets = (0..graph.nodes.len()).map(|at| Sheet::new(graph, at, detail)).collect();
    (sheets, (0..graph.nodes.len()).filter(|at| is_box(graph, *at)).collect())
}

/// The boxes' sizes and arrows; numbered as in `boxes`.
fn cards(graph: &Graph, sheets: &[Sheet<'_>], boxes: &[usize]) -> Vec<Card> {
    let place = |node: usize| boxes.iter().position(|other| *other == node);
    let cards = boxes.iter().map(|at| {
        let mut card = sheets[*at].card(graph);
        for exit in &mut card.exits {
            exit.to = place(exit.to).unwrap_or_default();
        }
        card
    });
    cards.collect()
}

/// The boxes and where they go, for tests.
#[cfg(test)]
pub(super) fn placed(graph: &Graph, detail: Detail) -> (Vec<Card>, Layout) {
    let (sheets, boxes) = sheets(graph, detail);
    let cards = cards(graph, &sheets, &boxes);
    let layout = layout(&cards, 0);
    (cards, layout)
}

/// The arrows: those taken last, over the others.
fn arrows(
    graph: &Graph,
    sheets: &[Sheet<'_>],
    boxes: &[usize],
    layout: &Layout,
    origin: Point,
    pen: &mut Pen,
) {
    let marked = graph.is_marked();
    let mut taken = Vec::new();
    // As one group: where faded lines join they get no darker.
    pen.out.push_str(if marked { "<g class=\"faint\">\n" } else { "<g>\n" });
    for arrow in &layout.arrows {
        let (from, to) = (boxes[arrow.from], boxes[arrow.to]);
        let (left_at, soft) = sheets[from].leaves(to);
        let ink = Ink::of(&graph.nodes[to]);
        pen.arrow(arrow, ink, soft, origin);
        let Some(y) = left_at else { continue };
        let top = layout.cards[arrow.from].map_or(0.0, |corner| corner.y);
        let row = arrow.ports.iter().position(|port| (port.y - top - y).abs() < 0.01);
        taken.extend(row.map(|row| (arrow, row, ink)));
    }
    pen.close();
    for (arrow, row, ink) in taken {
        pen.way(&format!("way on {}", ink.stroke()), &arrow.way(row), origin);
        pen.tip(&format!("tip on {}", ink.fill()), arrow, origin);
    }
}
