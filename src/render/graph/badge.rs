//! The signs of ends and of how steps ended: each has a shape of its own, colour only helps.

use super::place::Point;
use crate::model::diagnosis::Severity;
use crate::model::graph::NodeKind;
use crate::model::report::Status;

/// Returns the sign of an end, about 12 pixels wide, around a point.
pub(super) fn end(kind: &NodeKind, at: Point) -> String {
    match kind {
        NodeKind::Healthy => check(at),
        NodeKind::Inconclusive => question(at),
        NodeKind::Diagnosis(Severity::Critical) => cross(at),
        NodeKind::Diagnosis(Severity::Warning) => exclamation(at),
        NodeKind::Diagnosis(Severity::Info) => letter_i(at),
        _ => back(at),
    }
}

/// Returns the sign of how a step ended.
pub(super) fn status(status: Status, at: Point) -> String {
    match status {
        Status::Pass => check(at),
        Status::Warn => exclamation(at),
        Status::Fail => cross(at),
        Status::Unknown | Status::Skipped => question(at),
    }
}

/// A disc with a hook.
fn check(Point { x, y }: Point) -> String {
    format!(
        "<circle class=\"good\" cx=\"{x:.1}\" cy=\"{y:.1}\" r=\"6\"/><path class=\"b\" d=\"M{:.1} {y:.1}l2 2.4l4-4.6\"/>",
        x - 3.0
    )
}

/// An octagon with a cross, like a stop sign.
fn cross(Point { x, y }: Point) -> String {
    format!(
        "<path class=\"crit\" d=\"M{:.1} {:.1}h5l3.5 3.5v5l-3.5 3.5h-5l-3.5-3.5v-5z\"/><path class=\"b\" d=\"M{:.1} {:.1}l5 5m0-5l-5 5\"/>",
        x - 2.5,
        y - 6.0,
        x - 2.5,
        y - 2.5
    )
}

/// A triangle with an exclamation mark.
fn exclamation(Point { x, y }: Point) -> String {
    format!(
        "<path class=\"warn\" d=\"M{x:.1} {:.1}l6.5 11.5h-13z\"/><path class=\"b\" d=\"M{x:.1} {:.1}v3.6m0 2.4v.1\"/>",
        y - 6.5,
        y - 2.8
    )
}

/// A square with an i.
fn letter_i(Point { x, y }: Point) -> String {
    format!(
        "<rect class=\"info\" x=\"{:.1}\" y=\"{:.1}\" width=\"11\" height=\"11\" rx=\"2\"/><path class=\"b\" d=\"M{x:.1} {:.1}v.1m0 3v3.4\"/>",
        x - 5.5,
        y - 5.5,
        y - 3.0
    )
}

/// A diamond with a question mark.
fn question(Point { x, y }: Point) -> String {
    format!(
        "<path class=\"open\" d=\"M{x:.1} {:.1}l7 7l-7 7l-7-7z\"/><text class=\"bt\" x=\"{x:.1}\" y=\"{:.1}\">?</text>",
        y - 7.0,
        y + 3.2
    )
}

/// A disc with an arrow back.
fn back(Point { x, y }: Point) -> String {
    format!(
        "<circle class=\"info\" cx=\"{x:.1}\" cy=\"{y:.1}\" r=\"6\"/><path class=\"b\" d=\"M{:.1} {:.1}h-5m2-2l-2 2l2 2\"/>",
        x + 2.5,
        y
    )
}
