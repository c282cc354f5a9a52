//! A step as a box: its name, what it saw, and a row for each arm.

use super::arm::{self, Arm};
use super::ink::Ink;
use super::measure::{Face, cut, wrap};
use super::pen::Pen;
use super::place::{Card, Exit, Point};
use crate::model::graph::{EdgeKind, Graph, Node};

/// How much of a marked tree is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Detail {
    /// Every step with all its arms.
    Whole,
    /// The steps that the run came by; of the others the names.
    Way,
}

const WIDTH: f64 = 440.0;
const WIDTH_FOLDED: f64 = 236.0;
/// The coloured band of the layer, and the room beside texts.
const BAND: f64 = 6.0;
const PAD: f64 = 10.0;
/// What the right column of a row takes.
const RIGHT: f64 = 206.0;
const LINE: f64 = 14.5;
const TITLE: Face = Face::Bold(13.0);
const SMALL: Face = Face::Mono(10.0);
const TEXT: Face = Face::Plain(11.0);
const ROW_PAD: f64 = 3.5;
/// What the sign before an end's title takes.
const SIGN: f64 = 18.0;

/// A box laid out: its texts are broken into lines, its rows have heights.
pub(super) struct Sheet<'a> {
    node: &'a Node,
    title: Vec<String>,
    about: Vec<String>,
    fact: Vec<String>,
    rows: Vec<Row<'a>>,
    head: f64,
    width: f64,
    height: f64,
    /// Whether a run is marked and did not come by.
    faded: bool,
}

struct Row<'a> {
    arm: Arm<'a>,
    why: Vec<String>,
    y: f64,
    height: f64,
}

impl<'a> Sheet<'a> {
    pub(super) fn new(graph: &'a Graph, at: usize, detail: Detail) -> Sheet<'a> {
        let node = &graph.nodes[at];
        let marked = graph.is_marked();
        let faded = marked && !node.taken;
        let folded = faded && detail == Detail::Way;
        let end = node.kind.is_end();
        let width = if folded { WIDTH_FOLDED } else { WIDTH };
        let room = width - BAND - 2.0 * PAD;
        let layer = node.layer.map_or(0.0, |layer| layer.name().len() as f64 * 6.6 + 10.0);
        let sign = if end { SIGN } else { 0.0 };
        let title = wrap(&arm::title(node), TITLE, room - layer - sign, if folded { 2 } else { 3 });
        let mut about = vec![cut(&format!("{} · {}", node.id, arm::deed(&node.kind)), SMALL, room)];
        if let Some(early) = arm::early(graph, node).filter(|_| !folded) {
            about.extend(wrap(&early, SMALL, room, 2));
        }
        let fact = match (&node.fact, node.status) {
            (Some(fact), _) => wrap(fact, TEXT, room - 16.0, if end { 8 } else { 4 }),
            (None, Some(status)) => vec![arm::status(status).1.to_owned()],
            (None, None) => Vec::new(),
        };
        let fact = if folded { Vec::new() } else { fact };
        let mut head = 8.0 + title.len() as f64 * 16.0 + about.len() as f64 * 13.0 + 6.0;
        if !fact.is_empty() {
            head += fact.len() as f64 * LINE + 8.0;
        }
        let mut y = head;
        let mut rows = Vec::new();
        for arm in arm::arms(graph, at) {
            let why = wrap(&arm.why, TEXT, width - BAND - PAD * 2.0 - RIGHT, 3);
            // Of a step on the way, the arm that was taken is enough.
            let hidden = folded || (detail == Detail::Way && marked && !arm.edge.taken);
            let height = if hidden { 0.0 } else { why.len() as f64 * LINE + 2.0 * ROW_PAD };
            let at = if hidden { head - 8.0 } else { y };
            rows.push(Row { arm, why, y: at, height });
            y += height;
        }
        Sheet { node, title, about, fact, rows, head, width, height: y, faded }
    }

    /// Returns its size and where its arrows begin; an end that no run reached is no box of its own.
    pub(super) fn card(&self, graph: &Graph) -> Card {
        let mut exits: Vec<Exit> = Vec::new();
        for row in &self.rows {
            let (to, y) = (row.arm.edge.to, row.y + row.height / 2.0);
            if !is_box(graph, to) {
                continue;
            }
            match exits.iter_mut().find(|exit| exit.to == to) {
                Some(exit) => exit.rows.push(y),
                None => exits.push(Exit { to, rows: vec![y] }),
            }
        }
        for exit in &mut exits {
            // Hidden rows share one place.
            exit.rows.dedup();
        }
        Card { width: self.width, height: self.height, exits }
    }

    /// Returns the height at which the arm that was taken leaves for a box, and whether all arms to it
    /// are for what is unknown.
    pub(super) fn leaves(&self, to: usize) -> (Option<f64>, bool) {
        let mut rows = self.rows.iter().filter(|row| row.arm.edge.to == to);
        let taken = rows.clone().find(|row| row.arm.edge.taken);
        let unknown = rows.all(|row| row.arm.edge.kind == EdgeKind::Unknown);
        (taken.map(|row| row.y + row.height / 2.0), unknown)
    }

    pub(super) fn draw(&self, at: Point, pen: &mut Pen) {
        let node = self.node;
        let class = match (self.faded, node.taken) {
            (true, _) => "card off",
            (false, true) => "card on",
            (false, false) => "card",
        };
        let ink = Ink::of(node);
        pen.open(class, &format!("{}: {}", node.id, arm::title(node)));
        pen.rect("box", at, self.width, self.height);
        if self.height > self.head + 1.0 {
            pen.rect(
                "rows",
                Point { x: at.x, y: at.y + self.head },
                self.width,
                self.height - self.head,
            );
        }
        pen.band(ink, at, BAND, self.height);
        self.head(at, ink, pen);
        if self.height > self.head + 1.0 {
            for row in self.rows.iter().filter(|row| row.height > 0.0) {
                self.row(row, at, pen);
            }
        }
        pen.close();
    }

    fn head(&self, at: Point, ink: Ink, pen: &mut Pen) {
        let node = self.node;
        let left = at.x + BAND + PAD;
        let right = at.x + self.width - PAD;
        if let Some(layer) = node.layer {
            pen.text_end(&format!("lay {}", ink.fill()), right, at.y + 19.0, layer.name());
        }
        let sign = if node.kind.is_end() { SIGN } else { 0.0 };
        if node.kind.is_end() {
            pen.badge(&node.kind, Point { x: left + 6.0, y: at.y + 16.0 });
        }
        let mut y = at.y + 8.0;
        for line in &self.title {
            y += 16.0;
            pen.text("t", left + sign, y - 4.0, line);
        }
        for line in &self.about {
            y += 13.0;
            pen.text("m", left, y - 3.0, line);
        }
        if self.fact.is_empty() {
            return;
        }
        y += 6.0;
        if let Some(status) = node.status {
            pen.badge_of_status(status, Point { x: left + 5.0, y: y + LINE / 2.0 });
        }
        let indent = if node.status.is_some() { 16.0 } else { 0.0 };
        for line in &self.fact {
            y += LINE;
            pen.text("f", left + indent, y - 3.5, line);
        }
    }

    fn row(&self, row: &Row<'_>, at: Point, pen: &mut Pen) {
        let arm = &row.arm;
        let (y, left) = (at.y + row.y, at.x + BAND + PAD);
        let class = match (arm.edge.taken, self.node.taken) {
            (true, _) => "row on",
            (false, true) => "row off",
            (false, false) => "row",
        };
        pen.open(class, &format!("{} → {}: {}", arm.whole, arm.to.id, arm::title(arm.to)));
        if arm.edge.taken {
            let from = Point { x: at.x + BAND, y };
            pen.rect("lit", from, self.width - BAND, row.height);
        }
        if row.y > self.head {
            pen.rule(at.x + BAND, at.x + self.width, y);
        }
        let soft = !matches!(arm.edge.kind, EdgeKind::When | EdgeKind::Choice);
        for (nth, line) in row.why.iter().enumerate() {
            let y = y + ROW_PAD + (nth as f64 + 1.0) * LINE - 3.5;
            pen.text(if soft { "c soft" } else { "c" }, left, y, line);
        }
        let middle = y + row.height / 2.0;
        let column = at.x + self.width - PAD - RIGHT + 14.0;
        let name = cut(&arm.to.id, Face::Mono(10.5), RIGHT - 32.0);
        if arm.to.kind.is_end() {
            pen.badge(&arm.to.kind, Point { x: column + 6.0, y: middle });
        } else {
            pen.goto(Ink::of(arm.to), Point { x: column + 6.0, y: middle });
        }
        let strong = if arm.to.kind.is_end() { "d" } else { "d go" };
        pen.text(strong, column + 18.0, middle + 3.8, &name);
        pen.close();
    }
}

/// Returns whether a node is drawn as a box: every step, and the end that the run came to.
pub(super) fn is_box(graph: &Graph, at: usize) -> bool {
    let node = &graph.nodes[at];
    !node.kind.is_end() || node.taken
}
