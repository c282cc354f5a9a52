//! A runbook's tree as a picture: Mermaid, DOT, SVG.
//!
//! All three show the same: a box for each step with its arms in the order in which they are tried,
//! what each arm concludes inside the box, and an arrow where it leads to another step. Where a run is
//! marked, its way stands out and the rest is faded.

mod arm;
mod badge;
mod card;
mod channel;
mod condition;
mod dot;
mod ink;
mod layout;
mod measure;
mod mermaid;
mod order;
mod pen;
mod place;
mod svg;

#[cfg(test)]
mod tests;

use std::io::{self, Write};

use crate::model::graph::Graph;
use crate::render::Format;

use card::Detail;
pub(super) use ink::style;

/// Writes the tree in one of [`Format::PICTURES`]; Mermaid for any other.
///
/// # Errors
///
/// Returns what writing to `out` met.
pub fn write(graph: &Graph, format: Format, out: &mut dyn Write) -> io::Result<()> {
    let text = match format {
        Format::Svg => svg::draw(graph, Detail::Whole, true),
        Format::Dot => dot::draw(graph),
        _ => mermaid::draw(graph),
    };
    out.write_all(text.as_bytes())
}

/// Returns the drawing of the way that a run took, to stand in a page that has [`style`].
pub(super) fn way(graph: &Graph) -> String {
    svg::draw(graph, Detail::Way, false)
}
