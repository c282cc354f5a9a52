//! The colours of a picture, light and dark, and its style sheet.

use std::fmt::Write as _;

use crate::model::graph::{Node, NodeKind};
use crate::model::layer::Layer;

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
pub(super) fn of_layer(layer: Option<Layer>) -> &'static str {
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
