//! What a picture is written with: shapes and texts, escaped.

use std::fmt::Write as _;

use super::badge;
use super::ink::{self, Ink};
use super::measure::{Face, cut};
use super::place::{Arrow, Layout, Point};
use crate::model::graph::{Graph, NodeKind};
use crate::model::report::Status;
use crate::render::xml::prose;

/// The ground around a picture.
pub(super) const MARGIN: f64 = 24.0;
/// The rounding of an arrow's corners.
const BEND: f64 = 7.0;

/// What the picture is written with.
#[derive(Default)]
pub(super) struct Pen {
    pub(super) out: String,
}

/// Writing to a String cannot fail.
macro_rules! put {
    ($pen:expr, $($arg:tt)*) => { let _ = write!($pen.out, $($arg)*); };
}

impl Pen {
    pub(super) fn document(&mut self, graph: &Graph, width: f64, height: f64, alone: bool) {
        let name = prose(&graph.name);
        let label = prose(&format!("Runbook {}: {}", graph.name, graph.title));
        put!(
            self,
            "<svg xmlns=\"http://www.w3.org/2000/svg\" class=\"tree\" role=\"img\" aria-label=\"{label}\" viewBox=\"0 0 {width:.0} {height:.0}\" width=\"{width:.0}\" height=\"{height:.0}\">\n"
        );
        put!(self, "<title>{label}</title>\n");
        if !alone {
            return;
        }
        put!(self, "<style>\n{}</style>\n", ink::style());
        put!(self, "<rect class=\"page\" width=\"100%\" height=\"100%\"/>\n");
        let room = width - 2.0 * MARGIN - 40.0 - name.len() as f64 * 13.0;
        let title = prose(&cut(&graph.title, Face::Plain(16.0), room));
        put!(
            self,
            "<text class=\"name\" x=\"{MARGIN}\" y=\"38\">{name}<tspan class=\"q\" dx=\"14\">{title}</tspan></text>\n"
        );
        self.legend(graph);
    }

    pub(super) fn legend(&mut self, graph: &Graph) {
        let kinds = [
            (NodeKind::Healthy, "in order"),
            (NodeKind::Diagnosis(crate::model::diagnosis::Severity::Critical), "fault"),
            (NodeKind::Diagnosis(crate::model::diagnosis::Severity::Warning), "warning"),
            (NodeKind::Diagnosis(crate::model::diagnosis::Severity::Info), "note"),
            (NodeKind::Inconclusive, "inconclusive"),
            (NodeKind::AsUsed, "as the used runbook ended"),
        ];
        let mut x = MARGIN;
        let y = 60.0;
        for (kind, word) in kinds {
            if graph.nodes.iter().any(|node| node.kind == kind) {
                self.badge(&kind, Point { x: x + 6.0, y });
                self.text("g", x + 17.0, y + 4.0, word);
                x += 17.0 + super::measure::width(word, Face::Plain(11.0)) + 18.0;
            }
        }
        let marked = graph.is_marked();
        put!(self, "<path class=\"way soft s-vantage\" d=\"M{x} {y}h26\"/>");
        let word =
            if marked { "could not look; the way taken is drawn bold" } else { "could not look" };
        self.text("g", x + 32.0, y + 4.0, word);
    }

    pub(super) fn start(&mut self, layout: &Layout, start: Option<usize>, origin: Point) {
        let corner = start.and_then(|start| layout.cards.get(start).copied().flatten());
        let Some(corner) = corner else { return };
        let (x, y) = (corner.x + origin.x + 30.0, corner.y + origin.y);
        put!(self, "<circle class=\"f-vantage\" cx=\"{x:.0}\" cy=\"{:.0}\" r=\"5\"/>", y - 18.0);
        put!(self, "<path class=\"way s-vantage\" d=\"M{x:.0} {:.0}V{y:.0}\"/>", y - 18.0);
        put!(
            self,
            "<path class=\"tip f-vantage\" d=\"M{x:.0} {y:.0}l-4-8h8z\"/><text class=\"g\" x=\"{:.0}\" y=\"{:.0}\">start</text>\n",
            x + 10.0,
            y - 14.0
        );
    }

    /// Begins a group; the title is shown when the pointer rests on it.
    pub(super) fn open(&mut self, class: &str, title: &str) {
        put!(self, "<g class=\"{class}\"><title>{}</title>", prose(title));
    }

    pub(super) fn close(&mut self) {
        self.out.push_str("</g>\n");
    }

    pub(super) fn rect(&mut self, class: &str, at: Point, width: f64, height: f64) {
        let round = if matches!(class, "box" | "rows") { " rx=\"5\"" } else { "" };
        put!(
            self,
            "<rect class=\"{class}\" x=\"{:.1}\" y=\"{:.1}\" width=\"{width:.1}\" height=\"{height:.1}\"{round}/>",
            at.x,
            at.y
        );
    }

    pub(super) fn band(&mut self, ink: Ink, at: Point, width: f64, height: f64) {
        let (x, y, bottom) = (at.x, at.y, at.y + height);
        put!(
            self,
            "<path class=\"{}\" d=\"M{:.1} {y:.1}V{bottom:.1}H{:.1}Q{x:.1} {bottom:.1} {x:.1} {:.1}V{:.1}Q{x:.1} {y:.1} {:.1} {y:.1}z\"/>",
            ink.fill(),
            x + width,
            x + 5.0,
            bottom - 5.0,
            y + 5.0,
            x + 5.0
        );
    }

    pub(super) fn rule(&mut self, from: f64, to: f64, y: f64) {
        put!(self, "<path class=\"rule\" d=\"M{from:.1} {y:.1}H{to:.1}\"/>");
    }

    pub(super) fn text(&mut self, class: &str, x: f64, y: f64, text: &str) {
        put!(self, "<text class=\"{class}\" x=\"{x:.1}\" y=\"{y:.1}\">{}</text>", prose(text));
    }

    pub(super) fn text_end(&mut self, class: &str, x: f64, y: f64, text: &str) {
        put!(
            self,
            "<text class=\"{class}\" text-anchor=\"end\" x=\"{x:.1}\" y=\"{y:.1}\">{}</text>",
            prose(text)
        );
    }

    pub(super) fn badge(&mut self, kind: &NodeKind, at: Point) {
        self.out.push_str(&badge::end(kind, at));
    }

    pub(super) fn badge_of_status(&mut self, status: Status, at: Point) {
        self.out.push_str(&badge::status(status, at));
    }

    /// The sign of a row that leads to another box.
    pub(super) fn goto(&mut self, ink: Ink, at: Point) {
        let (x, y) = (at.x, at.y);
        put!(
            self,
            "<path class=\"goto {}\" d=\"M{:.1} {y:.1}h9m-4 -4l4 4l-4 4\"/>",
            ink.stroke(),
            x - 5.0
        );
    }

    pub(super) fn arrow(&mut self, arrow: &Arrow, ink: Ink, soft: bool, origin: Point) {
        let class = format!("way {}{}", ink.stroke(), if soft { " soft" } else { "" });
        self.way(&class, &arrow.way(0), origin);
        for (nth, port) in arrow.ports.iter().enumerate() {
            let (x, y) = (port.x + origin.x, port.y + origin.y);
            put!(self, "<circle class=\"{}\" cx=\"{x:.1}\" cy=\"{y:.1}\" r=\"2.5\"/>", ink.fill());
            if nth > 0 {
                // The line of the first row comes by.
                let x = arrow.trunk[0].x;
                let after = Point { x, y: port.y + BEND + 1.0 };
                self.way(&class, &[*port, Point { x, y: port.y }, after], origin);
            }
        }
        self.tip(&format!("tip {}", ink.fill()), arrow, origin);
    }

    pub(super) fn tip(&mut self, class: &str, arrow: &Arrow, origin: Point) {
        if let Some(end) = arrow.trunk.last() {
            let (x, y) = (end.x + origin.x, end.y + origin.y);
            put!(self, "<path class=\"{class}\" d=\"M{x:.1} {y:.1}l-4.5-9h9z\"/>\n");
        }
    }

    /// A line with round corners.
    pub(super) fn way(&mut self, class: &str, points: &[Point], origin: Point) {
        let mut d = String::new();
        let at = |nth: usize| {
            let point: &Point = &points[nth];
            (point.x + origin.x, point.y + origin.y)
        };
        for nth in 0..points.len() {
            let (x, y) = at(nth);
            if nth == 0 {
                let _ = write!(d, "M{x:.1} {y:.1}");
            } else if nth + 1 == points.len() {
                let _ = write!(d, "L{x:.1} {y:.1}");
            } else {
                let bend = |(ox, oy): (f64, f64)| {
                    let length = ((ox - x).powi(2) + (oy - y).powi(2)).sqrt();
                    let part = if length > 0.0 { BEND.min(length / 2.0) / length } else { 0.0 };
                    (x + (ox - x) * part, y + (oy - y) * part)
                };
                let ((fx, fy), (tx, ty)) = (bend(at(nth - 1)), bend(at(nth + 1)));
                let _ = write!(d, "L{fx:.1} {fy:.1}Q{x:.1} {y:.1} {tx:.1} {ty:.1}");
            }
        }
        put!(self, "<path class=\"{class}\" d=\"{d}\"/>\n");
    }
}
