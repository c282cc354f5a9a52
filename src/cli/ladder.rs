//! The rungs of a run that is under way: what was walked, what runs, what waits for its turn.

use std::time::Instant;

use crate::engine::Event;
use crate::render::Style;
use crate::render::live::{self, Settled};
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
    Settled(Settled),
    /// Walked, with nothing to tell.
    Silent,
    Running {
        name: String,
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
    /// Takes note of what happens; returns a step that was walked.
    pub(super) fn event(&mut self, event: Event<'_>) -> Option<Settled> {
        match event {
            Event::Started { step, title, layer, early } => {
                self.start(step, layer.name(), title, early);
                None
            }
            Event::Due { step } => {
                self.due(step);
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
                let settled = Settled::of(entry);
                let shape = settled.clone().map_or(Shape::Silent, Shape::Settled);
                self.insert(Rung { key: entry.id.clone(), shape });
                self.settled += 1;
                settled
            }
        }
    }

    /// Takes note of a probe that starts, named as its layer or otherwise.
    pub(super) fn start(&mut self, step: &str, name: &str, title: &str, early: bool) {
        self.rungs.retain(|rung| rung.key != step);
        let shape = Shape::Running {
            name: name.to_owned(),
            title: title.to_owned(),
            since: clock::now(),
            early,
            took_ms: None,
            told: false,
        };
        let rung = Rung { key: step.to_owned(), shape };
        if early {
            self.rungs.push(rung);
        } else {
            self.insert(rung);
        }
    }

    /// What was started early is waited for from now on.
    fn due(&mut self, step: &str) {
        let Some(at) = self.rungs.iter().position(|rung| rung.key == step) else { return };
        let mut rung = self.rungs.remove(at);
        if let Shape::Running { early, .. } = &mut rung.shape {
            *early = false;
        }
        self.insert(rung);
    }

    /// Puts a rung where the next one settles.
    fn insert(&mut self, rung: Rung) {
        self.settled = self.settled.min(self.rungs.len());
        self.rungs.insert(self.settled, rung);
    }

    /// Returns the lines as they stand now.
    pub(super) fn lines(&self, beat: usize, style: &Style) -> Vec<String> {
        let lines = self.rungs.iter().filter_map(|rung| match &rung.shape {
            Shape::Settled(settled) => Some(settled.line(style)),
            Shape::Silent => None,
            Shape::Running { name, title, since, early, took_ms, .. } => {
                let elapsed = took_ms.unwrap_or_else(|| clock::ms_since(*since));
                let under = match (early, took_ms) {
                    (_, Some(_)) => live::Under::Done,
                    (true, None) => live::Under::Early,
                    (false, None) => live::Under::Way,
                };
                Some(live::running(name, title, under, elapsed, beat, style))
            }
        });
        lines.collect()
    }

    /// Takes the lines that will not change any more.
    pub(super) fn take_settled(&mut self, style: &Style) -> Vec<String> {
        let taken = self.rungs.drain(..self.settled);
        let lines = taken.filter_map(|rung| match rung.shape {
            Shape::Settled(settled) => Some(settled.line(style)),
            Shape::Silent | Shape::Running { .. } => None,
        });
        let lines = lines.collect();
        self.settled = 0;
        lines
    }

    /// Returns, once for each, what has been running for so long.
    pub(super) fn slow(&mut self, after_ms: f64) -> Vec<(String, String)> {
        let mut slow = Vec::new();
        for rung in &mut self.rungs {
            if let Shape::Running { name, title, since, took_ms: None, told, .. } = &mut rung.shape
                && !*told
                && clock::ms_since(*since) >= after_ms
            {
                *told = true;
                slow.push((name.clone(), title.clone()));
            }
        }
        slow
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::layer::Layer;
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

    /// The sign, the layer and the first word of each rung.
    fn words(ladder: &Ladder) -> Vec<String> {
        let lines = ladder.lines(0, &Style::plain(80));
        let words = |line: &String| line.split_whitespace().take(3).collect::<Vec<_>>().join(" ");
        lines.iter().map(words).collect()
    }

    #[test]
    fn rungs_settle_in_the_order_of_the_walk_above_those_that_still_run() {
        let mut ladder = Ladder::default();
        ladder.start("a", "dns", "First", false);
        ladder.start("c", "path", "Third", true);
        ladder.event(Event::Finished { step: "c", took_ms: 300.0 });
        ladder.event(Event::Walked { entry: &entry("a", Some("one")) });
        ladder.event(Event::Walked { entry: &entry("decides", None) });
        ladder.start("b", "host", "Second", false);
        assert_eq!(words(&ladder), ["✓ path one", "⠋ host Second", "· path Third"]);
        ladder.event(Event::Walked { entry: &entry("b", Some("two")) });
        assert_eq!(words(&ladder), ["✓ path one", "✓ path two", "· path Third"]);
        assert_eq!(ladder.take_settled(&Style::plain(80)).len(), 2);
        assert_eq!(words(&ladder), ["· path Third"]);
    }

    #[test]
    fn what_was_started_early_moves_up_and_is_early_no_more_when_its_turn_comes() {
        let mut ladder = Ladder::default();
        ladder.start("a", "dns", "First", true);
        ladder.start("b", "path", "Second", true);
        let early = |ladder: &Ladder| {
            let lines = ladder.lines(0, &Style::plain(80));
            lines.iter().map(|line| line.contains("(early)")).collect::<Vec<_>>()
        };
        assert_eq!(early(&ladder), [true, true]);
        ladder.event(Event::Due { step: "b" });
        assert_eq!(words(&ladder), ["⠋ path Second", "⠋ dns First"]);
        assert_eq!(early(&ladder), [false, true]);
    }

    #[test]
    fn what_takes_its_time_is_told_once() {
        let mut ladder = Ladder::default();
        ladder.start("a", "dns", "First", false);
        assert_eq!(ladder.slow(60_000.0), []);
        assert_eq!(ladder.slow(0.0), [("dns".to_owned(), "First".to_owned())]);
        assert_eq!(ladder.slow(0.0), []);
    }
}
