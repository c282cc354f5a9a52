//! The tracks between two layers: who runs above whom.

use super::place::LINE;

/// All arrows to one box between two layers: they join.
#[derive(Debug, Clone)]
pub(super) struct Net {
    /// The box that they lead to.
    pub(super) to: usize,
    /// Where they come from above.
    pub(super) pins: Vec<f64>,
    /// Where they go on below.
    pub(super) end: f64,
    /// The track, from above.
    pub(super) track: usize,
    /// The track's height.
    pub(super) y: f64,
    /// Whether it needs none.
    pub(super) straight: bool,
}

impl Net {
    fn low(&self) -> f64 {
        self.pins.iter().copied().fold(self.end, f64::min)
    }

    fn high(&self) -> f64 {
        self.pins.iter().copied().fold(self.end, f64::max)
    }

    fn meets(&self, other: &Net) -> bool {
        self.low() - LINE < other.high() && other.low() - LINE < self.high()
    }

    /// What it costs when this one runs above the other: lines that cross, and far worse, lines that
    /// lie on each other.
    fn cost_above(&self, other: &Net) -> u32 {
        let within = |x: f64, net: &Net| net.low() < x && x < net.high();
        let mut cost = u32::from(within(self.end, other));
        cost += other.pins.iter().map(|pin| u32::from(within(*pin, self))).sum::<u32>();
        let on_each_other = other.pins.iter().any(|pin| (pin - self.end).abs() < LINE / 2.0);
        cost + if on_each_other { 1000 } else { 0 }
    }
}

/// Gives each net a track; returns how many tracks there are.
pub(super) fn route(nets: &mut [Net]) -> usize {
    for net in nets.iter_mut() {
        net.straight = net.pins.iter().all(|pin| (pin - net.end).abs() < 0.5);
        if net.straight {
            net.pins.truncate(1);
        }
    }
    let mut order: Vec<usize> = (0..nets.len()).filter(|at| !nets[*at].straight).collect();
    // Few nets meet in a channel: neighbours change places as long as that helps.
    for _ in 0..order.len() {
        let mut changed = false;
        for at in 1..order.len() {
            let (above, below) = (&nets[order[at - 1]], &nets[order[at]]);
            if below.cost_above(above) < above.cost_above(below) {
                order.swap(at - 1, at);
                changed = true;
            }
        }
        if !changed {
            break;
        }
    }
    let mut count = 0;
    for at in 0..order.len() {
        let this = &nets[order[at]];
        let above = order[..at].iter().map(|other| &nets[*other]).filter(|other| other.meets(this));
        let track = above.map(|other| other.track + 1).max().unwrap_or(0);
        nets[order[at]].track = track;
        count = count.max(track + 1);
    }
    count
}
