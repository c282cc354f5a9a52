//! The rungs of a run that is under way: what was walked, what runs, what waits for its turn.

use std::time::Instant;

use crate::engine::Event;
use crate::model::layer::Layer;
use crate::render::{Style, live};
use crate::sys::clock;

/// The ladder of one run.
#[derive(Default)]
pub(super) struct Ladder {
    /// Those that settled stand first, in the order of the walk.
    rungs: Vec<Rung>,
    settled: usize,
}

struct Rung {
    key: String,
    shape: Shape,
}

enum Shape {
    Settled(String),
    /// Walked, with nothing to tell.
    Silent,
    Running {
        layer: Layer,
        title: String,
        since: Instant,
        early: bool,
        /// How long it took, in milliseconds, when it has come to its end.
        took_ms: Option<f64>,
        /// Whether a plain line has told that it takes its time.
        told: bool,
    },
}

impl Ladder {
    /// Takes note of what happens; returns the line of a step that was walked.
    pub(super) fn event(&mut self, event: Event<'_>, style: &Style) -> Option<String> {
        match event {
            Event::Started { step, title, layer, early } => {
                self.start(step, title, layer, early);
                None
            }
            Event::Finished { step, took_ms: took } => {
                let rung = self.rungs.iter_mut().find(|rung| rung.key == step);
                if let Some(Rung { shape: Shape::Running { took_ms, .. }, .. }) = rung {
                    *took_ms = Some(took);
                }
                None
            }
            Event::Walked { entry } => {
                self.rungs.retain(|rung| rung.key != entry.id);
                let line = live::settled(entry, style);
                let shape = line.clone().map_or(Shape::Silent, Shape::Settled);
                let at = self.settled.min(self.rungs.len());
                self.rungs.insert(at, Rung { key: entry.id.clone(), shape });
                self.settled = at + 1;
                line
            }
        }
    }

    /// Takes note of a probe that starts.
    pub(super) fn start(&mut self, step: &str, title: &str, layer: Layer, early: bool) {
        self.rungs.retain(|rung| rung.key != step);
        let shape = Shape::Running {
            layer,
            title: title.to_owned(),
            since: clock::now(),
            early,
            took_ms: None,
            told: false,
        };
        self.rungs.push(Rung { key: step.to_owned(), shape });
    }

    /// Returns the lines as they stand now.
    pub(super) fn lines(&self, beat: usize, style: &Style) -> Vec<String> {
        let lines = self.rungs.iter().filter_map(|rung| match &rung.shape {
            Shape::Settled(line) => Some(line.clone()),
            Shape::Silent => None,
            Shape::Running { layer, title, since, early, took_ms, .. } => {
                let elapsed = took_ms.unwrap_or_else(|| clock::ms_since(*since));
                let under = match (early, took_ms) {
                    (_, Some(_)) => live::Under::Done,
                    (true, None) => live::Under::Early,
                    (false, None) => live::Under::Way,
                };
                Some(live::running(*layer, title, under, elapsed, beat, style))
            }
        });
        lines.collect()
    }

    /// Takes the lines that will not change any more.
    pub(super) fn take_settled(&mut self) -> Vec<String> {
        let taken = self.rungs.drain(..self.settled);
        let lines = taken.filter_map(|rung| match rung.shape {
            Shape::Settled(line) => Some(line),
            Shape::Silent | Shape::Running { .. } => None,
        });
        let lines = lines.collect();
        self.settled = 0;
        lines
    }

    /// Returns, once for each, what has been running for so long.
    pub(super) fn slow(&mut self, after_ms: f64) -> Vec<(Layer, String)> {
        let mut slow = Vec::new();
        for rung in &mut self.rungs {
            if let Shape::Running { layer, title, since, took_ms: None, told, .. } = &mut rung.shape
                && !*told
                && clock::ms_since(*since) >= after_ms
            {
                *told = true;
                slow.push((*layer, title.clone()));
            }
        }
        slow
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::report::{Status, StepEntry};

    fn entry(id: &str, text: Option<&str>) -> StepEntry {
        StepEntry {
            id: id.to_owned(),
            title: "T".to_owned(),
            layer: Layer::Path,
            probe: None,
            status: Status::Pass,
            text: text.map(str::to_owned),
            by_hand: None,
            started_ms: None,
            duration_ms: Some(5.0),
            args: None,
            observation: None,
            unknown: None,
            branch: None,
        }
    }

    #[test]
    fn rungs_settle_in_the_order_of_the_walk_above_those_that_still_run() {
        let style = Style::plain(80);
        let mut ladder = Ladder::default();
        ladder.start("a", "First", Layer::Dns, false);
        ladder.start("c", "Third", Layer::Path, true);
        ladder.event(Event::Finished { step: "c", took_ms: 300.0 }, &style);
        ladder.event(Event::Walked { entry: &entry("a", Some("one")) }, &style);
        ladder.event(Event::Walked { entry: &entry("decides", None) }, &style);
        ladder.start("b", "Second", Layer::Host, false);
        let words = |ladder: &Ladder| -> Vec<String> {
            let lines = ladder.lines(0, &style);
            lines
                .iter()
                .map(|line| line.split_whitespace().take(3).collect::<Vec<_>>().join(" "))
                .collect()
        };
        assert_eq!(words(&ladder), ["✓ path one", "· path Third", "⠋ host Second"]);
        ladder.event(Event::Walked { entry: &entry("b", Some("two")) }, &style);
        assert_eq!(words(&ladder), ["✓ path one", "✓ path two", "· path Third"]);
        assert_eq!(ladder.take_settled().len(), 2);
        assert_eq!(words(&ladder), ["· path Third"]);
    }

    #[test]
    fn what_takes_its_time_is_told_once() {
        let mut ladder = Ladder::default();
        ladder.start("a", "First", Layer::Dns, false);
        assert_eq!(ladder.slow(60_000.0), []);
        assert_eq!(ladder.slow(0.0), [(Layer::Dns, "First".to_owned())]);
        assert_eq!(ladder.slow(0.0), []);
    }
}
