//! The boxes and arrows of a drawing, before and after they have their places.

/// The room between two vertical lines.
pub(super) const LINE: f64 = 12.0;

/// A box to be placed.
#[derive(Debug, Clone)]
pub(super) struct Card {
    pub(super) width: f64,
    pub(super) height: f64,
    /// One for each box that it leads to.
    pub(super) exits: Vec<Exit>,
}

/// An arrow to be drawn.
#[derive(Debug, Clone)]
pub(super) struct Exit {
    /// The box that it leads to.
    pub(super) to: usize,
    /// The heights, from the box's top, of the rows that it begins at.
    pub(super) rows: Vec<f64>,
}

/// A point in pixels; y grows downwards.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Point {
    pub(super) x: f64,
    pub(super) y: f64,
}

/// An arrow's way.
#[derive(Debug, Clone)]
pub(super) struct Arrow {
    pub(super) from: usize,
    pub(super) to: usize,
    /// Where it begins, one for each row.
    pub(super) ports: Vec<Point>,
    /// From beside the first row to the next box, one corner after the other.
    pub(super) trunk: Vec<Point>,
}

impl Arrow {
    /// Returns the whole way from one of its rows.
    pub(super) fn way(&self, row: usize) -> Vec<Point> {
        let Some(port) = self.ports.get(row) else { return Vec::new() };
        let Some(first) = self.trunk.first() else { return Vec::new() };
        let mut way = vec![*port, Point { x: first.x, y: port.y }];
        way.extend(self.trunk.iter().skip(1));
        way
    }
}

/// The drawing.
#[derive(Debug, Clone, Default)]
pub(super) struct Layout {
    pub(super) width: f64,
    pub(super) height: f64,
    /// The boxes' upper left corners.
    pub(super) cards: Vec<Option<Point>>,
    pub(super) arrows: Vec<Arrow>,
}

/// What stands in a layer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Item {
    Card(usize),
    /// The arrows to this box on their way.
    Wire(usize),
}
