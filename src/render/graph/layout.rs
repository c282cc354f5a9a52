//! Where boxes and arrows of a layered drawing go: sizes in, places out; it knows no contents.
//!
//! After Sugiyama: 1. each box goes one layer below the lowest box that leads to it; 2. an arrow over
//! several layers passes each as a wire, and all arrows to one box share it; 3. layers are ordered so
//! that few arrows cross; 4. places along the layer keep arrows straight; 5. between two layers each
//! arrow runs on a track of its own. An arrow leaves a box at the height of the row that it belongs to
//! and enters the next one from above, so nothing runs through a box or a text.

use super::channel::{self, Net};
use super::order;
use super::place::{Arrow, Card, Exit, Item, LINE, Layout, Point};

/// The room between two boxes, and beside a wire.
const GAP: f64 = 26.0;
/// The room above the first track between two layers.
const ABOVE: f64 = 16.0;
/// The room below the last track, for the arrow's head.
const BELOW: f64 = 24.0;
/// How far from a box's corner an arrow may enter it.
const CORNER: f64 = 14.0;

/// Places the boxes and their arrows, beginning with the box `start`.
pub(super) fn layout(cards: &[Card], start: usize) -> Layout {
    if cards.is_empty() {
        return Layout::default();
    }
    let levels = order::levels(cards, start);
    let mut plan = Plan {
        cards,
        layers: order::layers(cards, start, &levels),
        levels,
        x: Vec::new(),
        sides: Vec::new(),
    };
    plan.place();
    plan.draw()
}

struct Plan<'a> {
    cards: &'a [Card],
    levels: Vec<usize>,
    layers: Vec<Vec<Item>>,
    /// The middle of each item, as in `layers`.
    x: Vec<Vec<f64>>,
    /// For each box and exit: whether it leaves on the right, and how many lines stand between it
    /// and the box.
    sides: Vec<Vec<(bool, usize)>>,
}

impl Plan<'_> {
    /// Finds the middles and the sides in turns: where an arrow leaves depends on where it goes.
    fn place(&mut self) {
        self.x = self.layers.iter().map(|layer| vec![0.0; layer.len()]).collect();
        self.sides = self.cards.iter().map(|card| vec![(true, 0); card.exits.len()]).collect();
        for round in 0..12 {
            let down = round % 2 == 0;
            let count = self.layers.len();
            for step in 0..count {
                let layer = if down { step } else { count - 1 - step };
                self.align(layer, down || round >= 8, !down || round >= 8);
            }
            self.choose_sides();
        }
        // A tree is read downwards: in the end each box stands below what leads to it.
        for _ in 0..2 {
            for layer in 1..self.layers.len() {
                self.align(layer, true, false);
            }
            self.choose_sides();
        }
        let leftmost = self.layers.iter().enumerate().flat_map(|(layer, items)| {
            let x = &self.x[layer];
            items.iter().zip(x).map(|(item, x)| x - self.reach(*item).0).collect::<Vec<_>>()
        });
        let leftmost = leftmost.fold(f64::INFINITY, f64::min);
        for x in self.x.iter_mut().flatten() {
            *x = (*x - leftmost).round();
        }
    }

    /// How far an item reaches to the left and to the right of its middle.
    fn reach(&self, item: Item) -> (f64, f64) {
        match item {
            Item::Wire(_) => (0.0, 0.0),
            Item::Card(card) => {
                let lines = |right: bool| {
                    self.sides[card].iter().filter(|(side, _)| *side == right).count() as f64
                };
                let half = self.cards[card].width / 2.0;
                (half + lines(false) * LINE, half + lines(true) * LINE)
            }
        }
    }

    /// Where the exit's line runs, from the box's middle.
    fn exit_offset(&self, card: usize, exit: usize) -> f64 {
        let (right, nth) = self.sides[card][exit];
        let offset = self.cards[card].width / 2.0 + (nth as f64 + 1.0) * LINE;
        if right { offset } else { -offset }
    }

    /// The place of an item in its layer.
    fn middle(&self, layer: usize, item: Item) -> f64 {
        let at = self.layers[layer].iter().position(|other| *other == item);
        at.map_or(0.0, |at| self.x[layer][at])
    }

    /// What the arrows to `to` become in a layer.
    fn passes(&self, to: usize, layer: usize) -> Item {
        if self.levels[to] == layer { Item::Card(to) } else { Item::Wire(to) }
    }

    /// The lines that come down from a layer towards `to`.
    fn pins(&self, layer: usize, to: usize) -> Vec<f64> {
        let mut pins = Vec::new();
        for (item, x) in self.layers[layer].iter().zip(&self.x[layer]) {
            match item {
                Item::Wire(wire) if *wire == to => pins.push(*x),
                Item::Wire(_) => {}
                Item::Card(card) => {
                    for (exit, leads) in self.cards[*card].exits.iter().enumerate() {
                        if leads.to == to && self.levels[to] > layer {
                            pins.push(x + self.exit_offset(*card, exit));
                        }
                    }
                }
            }
        }
        pins
    }

    /// Where a box wants to stand for the sake of what leads to it: below the middle of a box, and
    /// anywhere where a wire meets its top.
    fn leads_here(&self, layer: usize, to: usize, now: f64) -> Vec<f64> {
        let half = (self.cards[to].width / 2.0 - CORNER).max(0.0);
        let above = self.layers[layer - 1].iter().zip(&self.x[layer - 1]);
        let wishes = above.filter_map(|(item, x)| match item {
            Item::Wire(wire) => (*wire == to).then(|| now.clamp(x - half, x + half)),
            Item::Card(card) => {
                self.cards[*card].exits.iter().any(|exit| exit.to == to).then_some(*x)
            }
        });
        wishes.collect()
    }

    /// Moves the items of a layer to below what leads to them, above where they lead.
    fn align(&mut self, layer: usize, from_above: bool, to_below: bool) {
        let mut wanted = Vec::new();
        for (at, item) in self.layers[layer].iter().enumerate() {
            // Only where nothing else pulls.
            let (mut sum, mut weight) = (self.x[layer][at] * 1e-3, 1e-3);
            let mut pull = |x: f64, strength: f64| {
                sum += x * strength;
                weight += strength;
            };
            let to = match item {
                Item::Card(to) | Item::Wire(to) => *to,
            };
            if from_above && layer > 0 {
                match item {
                    Item::Wire(_) => {
                        for pin in self.pins(layer - 1, to) {
                            pull(pin, 4.0);
                        }
                    }
                    Item::Card(_) => {
                        for x in self.leads_here(layer, to, self.x[layer][at]) {
                            pull(x, 1.0);
                        }
                    }
                }
            }
            if to_below && layer + 1 < self.layers.len() {
                match item {
                    Item::Wire(to) => {
                        let next = self.passes(*to, layer + 1);
                        let strength = if matches!(next, Item::Wire(_)) { 8.0 } else { 2.0 };
                        pull(self.middle(layer + 1, next), strength);
                    }
                    Item::Card(card) => {
                        for (exit, leads) in self.cards[*card].exits.iter().enumerate() {
                            if self.levels[leads.to] > layer {
                                let next = self.passes(leads.to, layer + 1);
                                let offset = match next {
                                    Item::Card(_) => 0.0,
                                    Item::Wire(_) => self.exit_offset(*card, exit) / 2.0,
                                };
                                pull(self.middle(layer + 1, next) - offset, 1.0);
                            }
                        }
                    }
                }
            }
            wanted.push((sum / weight, weight));
        }
        self.x[layer] = self.apart(layer, &wanted);
    }

    /// Keeps items as near to where they want to be as their order and their room allow: the least
    /// squares under `x[i + 1] - x[i] >= room`, by pooling neighbours that push each other.
    fn apart(&self, layer: usize, wanted: &[(f64, f64)]) -> Vec<f64> {
        let items = &self.layers[layer];
        let mut offsets = vec![0.0; items.len()];
        for at in 1..items.len() {
            let (before, this) = (items[at - 1], items[at]);
            let wires = matches!((before, this), (Item::Wire(_), Item::Wire(_)));
            let room = if wires { LINE } else { GAP };
            offsets[at] = offsets[at - 1] + self.reach(before).1 + room + self.reach(this).0;
        }
        // Sum of wishes, weight, and how many items a pool has.
        let mut pools: Vec<(f64, f64, usize)> = Vec::new();
        for ((x, weight), offset) in wanted.iter().zip(&offsets) {
            pools.push(((x - offset) * weight, *weight, 1));
            while let [.., before, last] = pools.as_slice()
                && before.0 / before.1 > last.0 / last.1
            {
                let joined = (before.0 + last.0, before.1 + last.1, before.2 + last.2);
                pools.truncate(pools.len() - 2);
                pools.push(joined);
            }
        }
        let places =
            pools.iter().flat_map(|(sum, weight, n)| std::iter::repeat_n(sum / weight, *n));
        places.zip(&offsets).map(|(x, offset)| x + offset).collect()
    }

    /// Lets each arrow leave its box on the side where it goes, and orders the lines so that they do
    /// not cross: beside a box the lower row's line is the inner one.
    fn choose_sides(&mut self) {
        for layer in 0..self.layers.len() {
            for (at, item) in self.layers[layer].iter().enumerate() {
                let Item::Card(card) = *item else { continue };
                let middle = self.x[layer][at];
                let exits = &self.cards[card].exits;
                let mut sides: Vec<(bool, usize)> = exits
                    .iter()
                    .map(|exit| {
                        let below = self.levels[exit.to] > layer;
                        let next = self.passes(exit.to, (layer + 1).min(self.layers.len() - 1));
                        let x = if below { self.middle(layer + 1, next) } else { middle };
                        (x >= middle - 1.0, 0)
                    })
                    .collect();
                for right in [false, true] {
                    let mut on_side: Vec<usize> =
                        (0..exits.len()).filter(|exit| sides[*exit].0 == right).collect();
                    let lowest = |exit: usize| exits[exit].rows.iter().copied().fold(0.0, f64::max);
                    on_side.sort_by(|a, b| lowest(*b).total_cmp(&lowest(*a)).then(b.cmp(a)));
                    for (nth, exit) in on_side.into_iter().enumerate() {
                        sides[exit].1 = nth;
                    }
                }
                self.sides[card] = sides;
            }
        }
    }

    fn draw(&self) -> Layout {
        let mut drawing = Layout { cards: vec![None; self.cards.len()], ..Layout::default() };
        let mut tops = Vec::new();
        let mut channels: Vec<Vec<Net>> = Vec::new();
        let mut top = 0.0;
        for (layer, items) in self.layers.iter().enumerate() {
            tops.push(top);
            let mut height: f64 = 0.0;
            for (item, x) in items.iter().zip(&self.x[layer]) {
                drawing.width = drawing.width.max(x + self.reach(*item).1);
                if let Item::Card(card) = item {
                    let size = &self.cards[*card];
                    height = height.max(size.height);
                    drawing.cards[*card] = Some(Point { x: x - size.width / 2.0, y: top });
                }
            }
            top += height;
            drawing.height = top;
            let mut nets = self.nets(layer);
            let tracks = channel::route(&mut nets);
            for net in &mut nets {
                net.y = top + ABOVE + net.track as f64 * LINE;
            }
            channels.push(nets);
            top += ABOVE + tracks as f64 * LINE + BELOW;
        }
        for (from, card) in self.cards.iter().enumerate() {
            for (nth, exit) in card.exits.iter().enumerate() {
                drawing.arrows.extend(self.arrow(from, nth, exit, &tops, &channels));
            }
        }
        drawing
    }

    /// The arrows between a layer and the next one, one net for each box they lead to.
    fn nets(&self, layer: usize) -> Vec<Net> {
        let Some(below) = self.layers.get(layer + 1) else { return Vec::new() };
        let mut nets: Vec<Net> = Vec::new();
        for (item, x) in below.iter().zip(&self.x[layer + 1]) {
            let (Item::Card(to) | Item::Wire(to)) = *item;
            let pins = self.pins(layer, to);
            if !pins.is_empty() {
                nets.push(Net { to, pins, end: *x, track: 0, y: 0.0, straight: false });
            }
        }
        let all: Vec<(usize, f64)> =
            nets.iter().flat_map(|net| net.pins.iter().map(|pin| (net.to, *pin))).collect();
        for net in &mut nets {
            if self.levels[net.to] != layer + 1 {
                continue;
            }
            // A box takes an arrow anywhere along its top, if no other line comes down there.
            let half = (self.cards[net.to].width / 2.0 - CORNER).max(0.0);
            let (low, high) = (net.end - half, net.end + half);
            net.pins.sort_by(f64::total_cmp);
            let wish = net.pins[net.pins.len() / 2].clamp(low, high);
            let free = |x: f64| {
                (low..=high).contains(&x)
                    && all.iter().all(|(to, pin)| *to == net.to || (pin - x).abs() >= LINE - 2.0)
            };
            let nudged =
                (0..40).map(|n| f64::from((n + 1) / 2) * if n % 2 == 0 { 6.0 } else { -6.0 });
            net.end = nudged.map(|by| wish + by).find(|x| free(*x)).unwrap_or(wish);
        }
        nets
    }

    fn arrow(
        &self,
        from: usize,
        nth: usize,
        exit: &Exit,
        tops: &[f64],
        channels: &[Vec<Net>],
    ) -> Option<Arrow> {
        let corner_y = *tops.get(self.levels[from])?;
        let middle = self.middle(self.levels[from], Item::Card(from));
        let half = self.cards[from].width / 2.0;
        let (right, _) = self.sides[from][nth];
        let side = if right { middle + half } else { middle - half };
        let ports: Vec<Point> =
            exit.rows.iter().map(|row| Point { x: side, y: corner_y + row }).collect();
        let mut x = middle + self.exit_offset(from, nth);
        let mut trunk = vec![Point { x, y: ports.first()?.y }];
        // A box that is not below (only in a tree that is none) is named in the row, not shown.
        for layer in self.levels[from]..self.levels[exit.to] {
            let net = channels.get(layer)?.iter().find(|net| net.to == exit.to)?;
            if !net.straight {
                trunk.push(Point { x, y: net.y });
                trunk.push(Point { x: net.end, y: net.y });
            }
            x = net.end;
        }
        (trunk.len() > 1 || self.levels[from] < self.levels[exit.to]).then(|| {
            trunk.push(Point { x, y: tops[self.levels[exit.to]] });
            Arrow { from, to: exit.to, ports, trunk }
        })
    }
}
