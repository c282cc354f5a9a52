//! The ladder while it is still being climbed: one line for each rung, cut to the page.

use crate::model::layer::Layer;
use crate::model::report::{Status, StepEntry};
use crate::render::account::says_something;
use crate::render::layout::{pad, pad_left};
use crate::render::sanitise::prose;
use crate::render::text::{TIME, fact};
use crate::render::{Paint, Style, words};

/// How a rung stands that has not settled.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Under {
    /// It is its turn.
    Way,
    /// It was started before its turn.
    Early,
    /// It was started before its turn and has come to its end.
    Done,
}

/// A rung that has settled: a step that was walked.
#[derive(Debug, Clone)]
pub struct Settled {
    status: Status,
    layer: Layer,
    fact: String,
    duration_ms: Option<f64>,
}

impl Settled {
    /// Takes the rung from a step that was walked; `None` for one that has nothing to tell.
    pub fn of(entry: &StepEntry) -> Option<Settled> {
        says_something(entry).then(|| Settled {
            status: entry.status,
            layer: entry.layer,
            fact: fact(entry),
            duration_ms: entry.duration_ms,
        })
    }

    /// Returns its line.
    pub fn line(&self, style: &Style) -> String {
        let (mark, paint) = style.status_mark(self.status);
        let time = self.duration_ms.map(words::duration).unwrap_or_default();
        let mark = style.paint(paint, mark);
        line(&mark, self.layer.name(), &self.fact, "", &time, style)
    }
}

/// Returns the line of something under way, named as its layer or otherwise; `beat` turns its sign.
pub fn running(
    name: &str,
    title: &str,
    under: Under,
    elapsed_ms: f64,
    beat: usize,
    style: &Style,
) -> String {
    let width = console::measure_text_width(style.status_mark(Status::Pass).0);
    let sign = match under {
        Under::Done if style.unicode => "·",
        Under::Done => "-",
        Under::Way | Under::Early => turn(beat, style),
    };
    let mark = style.paint(Paint::Open, &pad(sign, width));
    let time = words::elapsed(elapsed_ms);
    let aside = match under {
        Under::Way => "",
        Under::Early | Under::Done => " (early)",
    };
    line(&mark, name, &prose(title), aside, &time, style)
}

/// Returns the sign that turns.
pub fn turn(beat: usize, style: &Style) -> &'static str {
    const ROUND: [&str; 10] = ["⠋", "⠙", "⠹", "⠸", "⠼", "⠴", "⠦", "⠧", "⠇", "⠏"];
    const PLAIN: [&str; 4] = ["|", "/", "-", "\\"];
    if style.unicode { ROUND[beat % ROUND.len()] } else { PLAIN[beat % PLAIN.len()] }
}

/// One line, as wide as the report's lines, so that nothing moves when the report takes its place.
fn line(mark: &str, name: &str, text: &str, aside: &str, time: &str, style: &Style) -> String {
    let column = Layer::ALL.iter().map(|layer| layer.name().len()).max().unwrap_or(0);
    let indent = 2 + console::measure_text_width(mark) + 1 + column + 2;
    let room = style.page().saturating_sub(indent + 2 + TIME);
    let kept = room.saturating_sub(aside.len());
    let tail = if style.unicode { "…" } else { "..." };
    let text = console::truncate_str(text, kept, tail);
    let gap = " ".repeat(kept.saturating_sub(console::measure_text_width(&text)));
    let name = style.paint(Paint::Faint, &pad(name, column));
    let aside = style.paint(Paint::Faint, aside);
    let time = style.paint(Paint::Faint, &pad_left(time, TIME));
    let line = format!("  {mark} {name}  {text}{aside}{gap}  {time}");
    console::truncate_str(&line, style.width, "").into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(text: &str) -> StepEntry {
        StepEntry {
            id: "connect".to_owned(),
            title: "Open TCP connections".to_owned(),
            layer: Layer::Transport,
            probe: Some("tcp_connect".to_owned()),
            status: Status::Fail,
            text: Some(text.to_owned()),
            by_hand: None,
            started_ms: None,
            duration_ms: Some(1201.0),
            args: None,
            observation: None,
            unknown: None,
            branch: None,
        }
    }

    fn settled(entry: &StepEntry, style: &Style) -> Option<String> {
        Settled::of(entry).map(|settled| settled.line(style))
    }

    #[test]
    fn a_rung_is_one_line_however_narrow_the_window_is() {
        for width in [20, 48, 80, 120, 200] {
            for unicode in [true, false] {
                let style = Style { unicode, ..Style::plain(width) };
                for text in ["short", &"word ".repeat(60), "日本語 ".repeat(40).as_str()] {
                    let line = settled(&entry(text), &style).expect("it has a text");
                    assert!(console::measure_text_width(&line) <= width, "{line:?}");
                    for under in [Under::Way, Under::Early, Under::Done] {
                        let line = running("application", text, under, 6e4, 3, &style);
                        assert!(console::measure_text_width(&line) <= width, "{line:?}");
                        assert!(unicode || !text.is_ascii() || line.is_ascii(), "{line:?}");
                    }
                }
            }
        }
    }

    #[test]
    fn a_settled_rung_stands_where_it_ran_with_its_fact_and_time() {
        let style = Style::plain(80);
        let ran = running("transport", "Open it", Under::Early, 440.0, 0, &style);
        assert_eq!(
            ran,
            "  ⠋ transport    Open it (early)                                           0.4 s"
        );
        let line = settled(&entry("5 SYNs, no \u{1b}answer"), &style).expect("a text");
        assert_eq!(
            line,
            "  ✗ transport    5 SYNs, no \\u{1b}answer                                  1.20 s"
        );
    }

    #[test]
    fn a_step_that_only_decides_is_no_rung() {
        let entry = StepEntry { probe: None, text: None, ..entry("") };
        assert_eq!(settled(&entry, &Style::plain(80)), None);
    }
}
