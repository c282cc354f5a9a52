//! The search for the largest packet that passes: each packet in its order, and the sizes in theirs.

use std::collections::BTreeMap;

use serde_json::Value;

use super::{head, number, string};
use crate::render::html::put::put;

const WIDTH: f64 = 640.0;
const EDGE: f64 = 24.0;
/// The height of one packet.
const STEP: f64 = 9.0;
/// More packets would make no picture; a search sends about 40.
const MOST: usize = 400;

/// Draws and lists the sizes tried; empty when none were kept.
pub(super) fn tried(tried: &[Value], limit: Option<f64>) -> String {
    let sizes = tried.iter().take(MOST);
    let packets: Vec<(f64, &str)> = sizes
        .filter_map(|packet| Some((number(packet, "size")?, string(packet, "answer")?)))
        .collect();
    let mut out = String::new();
    if packets.is_empty() {
        return out;
    }
    picture(&packets, limit, &mut out);
    let mut counts: BTreeMap<u64, [usize; 3]> = BTreeMap::new();
    for (size, answer) in &packets {
        let column = match *answer {
            "passed" => 0,
            "lost" => 1,
            _ => 2,
        };
        counts.entry(*size as u64).or_default()[column] += 1;
    }
    put!(out, "<details><summary>Sizes tried ({})</summary>", counts.len());
    head(&mut out, "Sizes tried", &["Bytes", "Passed", "Lost", "Reported too big"]);
    for (size, [passed, lost, too_big]) in counts {
        let said = |count: usize, sign: &str| match count {
            0 => String::new(),
            count => format!("{sign} {count}"),
        };
        put!(
            out,
            "<tr><th scope=\"row\">{size}</th><td>{}</td><td>{}</td><td>{}</td></tr>",
            said(passed, "✓"),
            said(lost, "✗"),
            said(too_big, "!")
        );
    }
    put!(out, "</tbody></table></div></details>");
    out
}

/// One row a packet, from left to right by size: a disc passed, a cross was lost, a triangle was
/// reported too big.
fn picture(packets: &[(f64, &str)], limit: Option<f64>, out: &mut String) {
    let largest = packets.iter().map(|(size, _)| *size).fold(1.0, f64::max);
    let x = |size: f64| EDGE + size / largest * (WIDTH - 2.0 * EDGE);
    let bottom = 26.0 + packets.len() as f64 * STEP;
    let passed = packets.iter().filter(|(_, answer)| *answer == "passed").count();
    let lost = packets.iter().filter(|(_, answer)| *answer == "lost").count();
    put!(
        out,
        "<svg class=\"sizes\" viewBox=\"0 0 {WIDTH} {:.0}\" role=\"img\" aria-label=\"{} packets of up to {largest:.0} bytes in their order: {passed} passed, {lost} were lost\">",
        bottom + 18.0,
        packets.len()
    );
    put!(
        out,
        "<path class=\"axis\" d=\"M{EDGE} 20H{:.0}M{EDGE} {bottom:.0}H{0:.0}\"/>",
        WIDTH - EDGE
    );
    put!(out, "<text x=\"{EDGE}\" y=\"{:.0}\">0</text>", bottom + 14.0);
    put!(
        out,
        "<text class=\"end\" x=\"{:.0}\" y=\"{:.0}\">{largest:.0} bytes</text>",
        WIDTH - EDGE,
        bottom + 14.0
    );
    if let Some(limit) = limit.filter(|limit| *limit <= largest) {
        put!(
            out,
            "<path class=\"limit\" d=\"M{0:.1} 16V{bottom:.0}\"/><text class=\"middle\" x=\"{0:.1}\" y=\"12\">{limit:.0} pass</text>",
            x(limit)
        );
    }
    for (nth, (size, answer)) in packets.iter().enumerate() {
        let (x, y) = (x(*size), 26.0 + (nth as f64 + 0.5) * STEP);
        match *answer {
            "passed" => {
                put!(out, "<circle class=\"good\" cx=\"{x:.1}\" cy=\"{y:.1}\" r=\"3\"/>");
            }
            "lost" => {
                put!(
                    out,
                    "<path class=\"bad\" d=\"M{:.1} {:.1}l6 6m0-6l-6 6\"/>",
                    x - 3.0,
                    y - 3.0
                );
            }
            _ => {
                put!(out, "<path class=\"warn\" d=\"M{x:.1} {:.1}l4 7h-8z\"/>", y - 4.0);
            }
        }
    }
    put!(
        out,
        "</svg>\n<p class=\"small\">From top to bottom in the order of the answers: ● passed, ✗ lost, ▲ reported too big.</p>"
    );
}
