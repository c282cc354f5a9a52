//! The reasoning of a whole walk, as prose.

use std::io::{self, Write};

use serde_json::Value;

use crate::model::rehearsal::{Reading, Tried};
use crate::model::story::{Looked, To, Told};
use crate::render::layout::wrap;
use crate::render::sanitise::{line, prose};
use crate::render::{Paint, Style, words};

/// The most values that are told of one condition.
const MOST_VALUES: usize = 4;
/// The most diagnoses that are told to be spoken against at one step.
const MOST_IDS: usize = 6;

/// Writes how a report came about.
///
/// # Errors
///
/// Returns what writing to `out` met.
pub fn write(story: &[Told], style: &Style, out: &mut dyn Write) -> io::Result<()> {
    writeln!(out)?;
    writeln!(out, "{}", style.paint(Paint::Strong, "How it came to that"))?;
    let digits = story.len().to_string().len();
    for (nth, step) in story.iter().enumerate() {
        let number = format!("{:>digits$}. ", nth + 1);
        let indent = 2 + number.len();
        let head = format!("{} ({})", prose(&step.title), step.layer.name());
        for (nth, text) in wrap(&head, style.page() - indent).iter().enumerate() {
            let lead = if nth == 0 { format!("  {number}") } else { " ".repeat(indent) };
            writeln!(out, "{lead}{}", style.paint(Paint::Strong, text))?;
        }
        for text in wrap(&paragraph(step), style.page() - indent) {
            writeln!(out, "{}{text}", " ".repeat(indent))?;
        }
    }
    Ok(())
}

fn paragraph(step: &Told) -> String {
    let mut said = match &step.looked {
        Looked::Weighed => "It weighs what is known.".to_owned(),
        Looked::Saw(text, Some(ms)) => {
            format!("It saw, in {}: {}.", words::duration(*ms), bare(text))
        }
        Looked::Saw(text, None) => format!("It saw: {}.", bare(text)),
        Looked::Blind(why) => format!("It could not look: {}.", bare(why)),
        Looked::Unasked => "Nobody was asked.".to_owned(),
    };
    if let Some(decision) = decision(step) {
        said += &format!(" {decision}");
    }
    if !step.spoken_against.is_empty() {
        let ids: Vec<&str> =
            step.spoken_against.iter().take(MOST_IDS).map(String::as_str).collect();
        let more = step.spoken_against.len() - ids.len();
        let more = if more > 0 { format!(" and {more} more") } else { String::new() };
        said += &format!(" What it knows speaks against {}{more}.", line(&ids.join(", ")));
    }
    for out in &step.excluded {
        said += &format!(" That excludes {}: {}.", line(&out.id), bare(&out.why));
    }
    said += &match &step.to {
        To::Step(title) => format!(" Next: {}", ended(title)),
        To::Healthy => " So it is in order.".to_owned(),
        To::Diagnosis(id) => format!(" So it is {}.", line(id)),
        To::Past(id, title) => {
            format!(" So it is {}; looked further all the same: {}", line(id), ended(title))
        }
    };
    said
}

/// Says which condition decided, and on what.
fn decision(step: &Told) -> Option<String> {
    let last = step.tried.last();
    match (step.arm.as_str(), last) {
        ("when", Some(last)) => {
            let before = match step.tried.len() - 1 {
                0 => "This held".to_owned(),
                1 => "One condition did not hold, the next did".to_owned(),
                failed => format!("{failed} conditions did not hold, the next did"),
            };
            Some(format!("{before}: {}{}.", line(&last.when), values(last)))
        }
        ("unknown", Some(last)) if last.held.is_none() => {
            let why = last.unknown.as_deref().unwrap_or("something is not known");
            Some(format!("Whether {} holds is open: {}.", line(&last.when), bare(why)))
        }
        ("else", Some(_)) => {
            let count = step.tried.len();
            let read: Vec<&Reading> = step.tried.iter().flat_map(|tried| &tried.read).collect();
            let none = match count {
                1 => "Its condition does not hold".to_owned(),
                _ => format!("None of its {count} conditions holds"),
            };
            Some(format!("{none}{}.", told(&read)))
        }
        _ => None,
    }
}

fn values(tried: &Tried) -> String {
    told(&tried.read.iter().collect::<Vec<_>>())
}

/// Lists what was read, once each.
fn told(read: &[&Reading]) -> String {
    let mut said: Vec<String> = Vec::new();
    for Reading { path, value } in read {
        let Some(value) = short(value) else { continue };
        let text = format!("{} is {value}", line(path));
        if !said.contains(&text) {
            said.push(text);
        }
    }
    said.truncate(MOST_VALUES);
    if said.is_empty() { String::new() } else { format!(" ({})", said.join(", ")) }
}

/// A value that fits into a sentence.
fn short(value: &Value) -> Option<String> {
    match value {
        Value::Null => Some("not known".to_owned()),
        Value::String(text) if text.chars().count() <= 60 => Some(format!("\"{}\"", line(text))),
        Value::Bool(_) | Value::Number(_) => Some(value.to_string()),
        Value::Array(items) => Some(match items.len() {
            0 => "empty".to_owned(),
            count => format!("a list of {count}"),
        }),
        Value::String(_) | Value::Object(_) => None,
    }
}

/// A sentence without its full stop.
fn bare(text: &str) -> String {
    prose(text).trim_end_matches('.').to_owned()
}

/// A sentence with its end: a question keeps its own.
fn ended(text: &str) -> String {
    let text = bare(text);
    if text.ends_with(['?', '!']) { text } else { text + "." }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::diagnosis::RuledOut;
    use crate::model::layer::Layer;
    use serde_json::json;

    fn tried(when: &str, held: Option<bool>, path: &str, value: Value) -> Tried {
        let read = vec![Reading { path: path.to_owned(), value }];
        let unknown = held.is_none().then(|| format!("{path} is null"));
        Tried { when: when.to_owned(), held, unknown, read }
    }

    fn step(arm: &str, looked: Looked, tried: Vec<Tried>, to: To) -> Told {
        Told {
            title: "Does it \u{1b} answer?".to_owned(),
            layer: Layer::Transport,
            looked,
            tried,
            arm: arm.to_owned(),
            spoken_against: vec!["host.down".to_owned()],
            excluded: vec![RuledOut { id: "a.b".to_owned(), why: "it answers.".to_owned() }],
            to,
        }
    }

    #[test]
    fn every_way_out_is_told_with_what_it_rests_on() {
        let saw = || Looked::Saw("5 of 5.".to_owned(), Some(12.0));
        let no = tried("result.n > 5", Some(false), "result.n", json!(5));
        let yes = tried("result.ok", Some(true), "result.ok", json!(true));
        let open = tried("result.rtt < 1", None, "result.rtt", Value::Null);
        let next = || To::Step("Is it far?".to_owned());
        let story = [
            step("when", saw(), vec![no.clone(), yes], next()),
            step("else", Looked::Weighed, vec![no], To::Healthy),
            step("unknown", saw(), vec![open], To::Diagnosis("x-a.b".to_owned())),
            step("unknown", Looked::Blind("no right.".to_owned()), Vec::new(), next()),
            step("no_input", Looked::Unasked, Vec::new(), To::Past("x".into(), "On.".into())),
        ];
        let mut out = Vec::new();
        write(&story, &Style::plain(60), &mut out).expect("a vector takes everything");
        let text = String::from_utf8(out).expect("UTF-8");
        assert!(text.lines().all(|line| console::measure_text_width(line) <= 60), "{text}");
        let joined = text.split_whitespace().collect::<Vec<_>>().join(" ");
        for said in [
            "1. Does it \\u{1b} answer? (transport) It saw, in 12 ms: 5 of 5. One condition did not \
             hold, the next did: result.ok (result.ok is true). What it knows speaks against \
             host.down. That excludes a.b: it answers. Next: Is it far? 2.",
            "It weighs what is known. Its condition does not hold (result.n is 5).",
            "So it is in order.",
            "Whether result.rtt < 1 holds is open: result.rtt is null.",
            "So it is x-a.b.",
            "It could not look: no right.",
            "Nobody was asked.",
            "So it is x; looked further all the same: On.",
        ] {
            assert!(joined.contains(said), "{said}\n{joined}");
        }
    }
}
