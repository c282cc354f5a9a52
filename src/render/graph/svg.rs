//! SVG: one file without anything from elsewhere, light and dark.

use std::fmt::Write as _;

use super::badge;
use super::card::{Sheet, is_box};
use super::layout::{self, Arrow, Card, Layout, Point};
use super::measure::{Face, cut};
use crate::model::graph::{Graph, Node, NodeKind};
use crate::model::layer::Layer;
use crate::model::report::Status;
use crate::render::xml::prose;

const MARGIN: f64 = 24.0;
/// The rounding of an arrow's corners.
const BEND: f64 = 7.0;

/// How much of a marked tree is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Detail {
    /// Every step with all its arms.
    Whole,
    /// The steps that the run came by; of the others the names.
    Way,
}

/// Draws a tree; `alone` as a file of its own, with its name, style and legend.
pub(super) fn draw(graph: &Graph, detail: Detail, alone: bool) -> String {
    let (sheets, boxes) = sheets(graph, detail);
    let cards = cards(graph, &sheets, &boxes);
    let place = |node: usize| boxes.iter().position(|other| *other == node);
    let layout = layout::layout(&cards, place(graph.start).unwrap_or_default());

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
    let layout = layout::layout(&cards, 0);
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

/// A colour: of a layer, or of how it ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Ink(&'static str);

impl Ink {
    pub(super) fn of(node: &Node) -> Ink {
        match (&node.kind, node.layer) {
            (NodeKind::Healthy, _) => Ink("good"),
            (_, Some(layer)) => Ink(layer.name()),
            (_, None) => Ink("vantage"),
        }
    }

    pub(super) fn fill(self) -> String {
        format!("f-{}", self.0)
    }

    pub(super) fn stroke(self) -> String {
        format!("s-{}", self.0)
    }
}

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
    fn document(&mut self, graph: &Graph, width: f64, height: f64, alone: bool) {
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
        put!(self, "<style>\n{}</style>\n", style());
        put!(self, "<rect class=\"page\" width=\"100%\" height=\"100%\"/>\n");
        let room = width - 2.0 * MARGIN - 40.0 - name.len() as f64 * 13.0;
        let title = prose(&cut(&graph.title, Face::Plain(16.0), room));
        put!(
            self,
            "<text class=\"name\" x=\"{MARGIN}\" y=\"38\">{name}<tspan class=\"q\" dx=\"14\">{title}</tspan></text>\n"
        );
        self.legend(graph);
    }

    fn legend(&mut self, graph: &Graph) {
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

    fn start(&mut self, layout: &Layout, start: Option<usize>, origin: Point) {
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

    fn arrow(&mut self, arrow: &Arrow, ink: Ink, soft: bool, origin: Point) {
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

    fn tip(&mut self, class: &str, arrow: &Arrow, origin: Point) {
        if let Some(end) = arrow.trunk.last() {
            let (x, y) = (end.x + origin.x, end.y + origin.y);
            put!(self, "<path class=\"{class}\" d=\"M{x:.1} {y:.1}l-4.5-9h9z\"/>\n");
        }
    }

    /// A line with round corners.
    fn way(&mut self, class: &str, points: &[Point], origin: Point) {
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

/// The colours of the layers on light and on dark ground: each has at least 4.5:1 against it.
const INKS: [(&str, &str, &str); 12] = [
    (Layer::Vantage.name(), "#5a6675", "#a3b0c0"),
    (Layer::Link.name(), "#8a5a00", "#e0a94a"),
    (Layer::Dns.name(), "#6d3fc0", "#b79aff"),
    (Layer::Route.name(), "#0b6a93", "#5fc0ea"),
    (Layer::Host.name(), "#a3307e", "#f08bcf"),
    (Layer::Transport.name(), "#1d5fd1", "#7fb0ff"),
    (Layer::Path.name(), "#ad430a", "#ff9d66"),
    (Layer::Firewall.name(), "#b3261e", "#ff8f87"),
    (Layer::Socket.name(), "#0b7558", "#4fd0a8"),
    (Layer::Kernel.name(), "#4c6b12", "#a9cf5a"),
    (Layer::Application.name(), "#2b6a7c", "#7ccbe0"),
    ("good", "#1a7f37", "#56d364"),
];

/// Returns the colour of a layer on light ground.
pub(super) fn ink(layer: Option<Layer>) -> &'static str {
    let name = layer.unwrap_or(Layer::Vantage).name();
    INKS.iter().find(|(known, ..)| *known == name).map_or("#5a6675", |(_, light, _)| light)
}

/// Returns the style sheet; classes begin at `.tree`, so that it can stand in a page.
pub(in crate::render) fn style() -> String {
    let mut light = String::new();
    let mut dark = String::new();
    for (name, on_light, on_dark) in INKS {
        for (to, colour) in [(&mut light, on_light), (&mut dark, on_dark)] {
            let _ =
                writeln!(to, ".tree .f-{name}{{fill:{colour}}}.tree .s-{name}{{stroke:{colour}}}");
        }
    }
    format!("{STYLE}{light}@media screen and (prefers-color-scheme:dark){{\n{DARK}{dark}}}\n")
}

const STYLE: &str = "\
.tree text{font-family:'Helvetica Neue',Helvetica,Arial,'Liberation Sans','DejaVu Sans',sans-serif;fill:#1f2733}
.tree .page{fill:#fff}
.tree .name{font-size:24px;font-weight:700}
.tree .q{font-size:16px;font-weight:400;fill:#4d5866}
.tree .g{font-size:11px;fill:#4d5866}
.tree .t{font-size:13px;font-weight:700}
.tree .m{font-family:ui-monospace,Menlo,Consolas,'Liberation Mono','DejaVu Sans Mono',monospace;font-size:10px;fill:#5a6675}
.tree .lay{font-size:10px;font-weight:700;letter-spacing:.04em}
.tree .c{font-size:11px}
.tree .soft{font-style:italic;fill:#4d5866}
.tree .f{font-size:11px}
.tree .d{font-family:ui-monospace,Menlo,Consolas,'Liberation Mono','DejaVu Sans Mono',monospace;font-size:10.5px}
.tree .go{font-weight:700}
.tree .box{fill:#fff;stroke:#b4becb}
.tree .rows{fill:#f5f7fa;stroke:#b4becb}
.tree .lit{fill:#fff1c2}
.tree .rule{stroke:#dce2ea;fill:none}
.tree .way{fill:none;stroke-width:1.5}
.tree path.soft{stroke-dasharray:5 4;fill:none}
.tree .goto{fill:none;stroke-width:1.6}
.tree .card.off{opacity:.5}
.tree .row.off{opacity:.62}
.tree .faint{opacity:.4}
.tree .card.on .box{stroke:#1f2733;stroke-width:2}
.tree .way.on{stroke-width:4}
.tree .row.on .c,.tree .row.on .d{font-weight:700}
.tree .b{fill:none;stroke:#fff;stroke-width:1.7;stroke-linecap:round}
.tree .bt{font-size:9px;font-weight:700;fill:#fff;text-anchor:middle}
.tree .crit{fill:#c01c28}
.tree .warn{fill:#8f5a00}
.tree .info{fill:#3d6b9e}
.tree .good{fill:#1a7f37}
.tree .open{fill:#5a6675}
";

const DARK: &str = "\
.tree text{fill:#e3e9f1}
.tree .page{fill:#12161c}
.tree .q,.tree .g,.tree .soft{fill:#a3b0c0}
.tree .m{fill:#a3b0c0}
.tree .box{fill:#1b212a;stroke:#465262}
.tree .rows{fill:#161b22;stroke:#465262}
.tree .lit{fill:#4a3d10}
.tree .rule{stroke:#2a3340}
.tree path.soft{fill:none}
.tree .card.on .box{stroke:#e3e9f1}
.tree .b{stroke:#12161c}
.tree .bt{fill:#12161c}
.tree .crit{fill:#ff7b72}
.tree .warn{fill:#e3b341}
.tree .info{fill:#79b8ff}
.tree .good{fill:#56d364}
.tree .open{fill:#a3b0c0}
";
