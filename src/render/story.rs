//! The reasoning of a whole walk, as prose.

mod condition;

use std::io::{self, Write};

use serde_json::Value;

use crate::model::rehearsal::{Reading, Tried};
use crate::model::story::{Ended, Looked, To, Told};
use crate::render::layout::wrap;
use crate::render::sanitise::{line, prose};
use crate::render::{Paint, Style, words};

/// The most values that are told of one condition.
const MOST_VALUES: usize = 4;

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
        Looked::Answered(answer) => format!("The answer was: {}.", bare(answer)),
        Looked::Reported(text) => format!("The server reports: {}.", bare(text)),
        Looked::Blind(why) => format!("It could not look: {}.", bare(why)),
        Looked::Unanswered => "The answer was: I don't know.".to_owned(),
        Looked::Unasked => "Nobody was asked.".to_owned(),
        Looked::Unreported => "There is no report of the server.".to_owned(),
    };
    if let Some(decision) = decision(step) {
        said += &format!(" {decision}");
    }
    if !step.spoken_against.is_empty() {
        let ids: Vec<String> = step.spoken_against.iter().map(|id| line(id).into_owned()).collect();
        said += &format!(" That speaks against {}.", listed(&ids));
    }
    if !step.noted.is_empty() {
        let ids: Vec<String> = step.noted.iter().map(|id| line(id).into_owned()).collect();
        said += &format!(" Noted on the way: {}.", listed(&ids));
    }
    for (ids, why) in excluded(step) {
        said += &format!(" That excludes {}: {}.", listed(&ids), bare(why));
    }
    said += &match &step.to {
        To::Step(title) => format!(" Next: {}", ended(title)),
        To::Healthy => " So it is in order.".to_owned(),
        To::Diagnosis(end) => format!(" So it is {}.", named(end)),
        To::Past(end, title) => {
            format!(" So it is {}. Looked further all the same: {}", named(end), ended(title))
        }
        To::Inner(end, title) => format!(" So far it is {}. Next: {}", named(end), ended(title)),
        To::Nothing => " Nothing more is found.".to_owned(),
        To::Open => " What is left would follow only if nothing had been found before, so nothing \
             follows."
            .to_owned(),
    };
    said
}

/// What was come to, in words where there are any.
fn named(end: &Ended) -> String {
    let mut said = line(&end.id).into_owned();
    if let Some(title) = &end.title {
        said += &format!(" ({})", bare(title));
    }
    if let Some(confidence) = end.confidence {
        said += &format!(", {}", words::confidence(confidence));
    }
    said
}

/// What is excluded, together where the reason is the same.
fn excluded(step: &Told) -> Vec<(Vec<String>, &str)> {
    let mut reasons: Vec<(Vec<String>, &str)> = Vec::new();
    for out in &step.excluded {
        let id = line(&out.id).into_owned();
        match reasons.iter_mut().find(|(_, why)| *why == out.why) {
            Some((ids, _)) => ids.push(id),
            None => reasons.push((vec![id], &out.why)),
        }
    }
    reasons
}

/// Says which condition decided, and on what.
fn decision(step: &Told) -> Option<String> {
    let last = step.tried.last();
    match (step.arm.as_str(), last) {
        ("when", Some(last)) => Some(match condition::plain(&last.when) {
            Some(said) => format!("What decides: {said}{}.", bracketed(last, &said)),
            None => format!("What decides: {}.", values(&[last]).join(", ")),
        })
        .filter(|said| said != "What decides: ."),
        ("unknown", Some(last)) if last.held.is_none() => {
            let why = last.unknown.as_deref().unwrap_or("something is not known");
            let why = why.replace("result.", "").replace(" is null", " is not known");
            Some(format!("It cannot be decided, because {}.", bare(&why)))
        }
        ("else", Some(_)) => {
            let tried: Vec<&Tried> = step.tried.iter().collect();
            let read = values(&tried);
            let read =
                if read.is_empty() { String::new() } else { format!(" ({})", read.join(", ")) };
            Some(format!("Nothing that it looks for is the case{read}."))
        }
        _ => None,
    }
}

/// The values behind a condition that are not in its words already.
fn bracketed(tried: &Tried, said: &str) -> String {
    let read = values(&[tried]);
    let new: Vec<String> =
        read.into_iter().filter(|value| !said.contains(value.as_str())).collect();
    if new.is_empty() { String::new() } else { format!(" ({})", new.join(", ")) }
}

/// Lists what was read and is known, once each.
fn values(tried: &[&Tried]) -> Vec<String> {
    let mut said: Vec<String> = Vec::new();
    for Reading { path, value } in tried.iter().flat_map(|tried| &tried.read) {
        let Some(value) = short(value) else { continue };
        let path = path.strip_prefix("result.").unwrap_or(path);
        let text = format!("{} is {value}", line(path));
        if !said.contains(&text) {
            said.push(text);
        }
    }
    said.truncate(MOST_VALUES);
    said
}

/// A value that fits into a sentence; what is not known explains nothing.
fn short(value: &Value) -> Option<String> {
    match value {
        Value::String(text) if text.chars().count() <= 60 => Some(line(text).into_owned()),
        Value::Number(number) => Some(match number.as_f64() {
            Some(float) if float.fract() == 0.0 && float.abs() < 1e15 => format!("{float:.0}"),
            _ => number.to_string(),
        }),
        Value::Bool(_) => Some(value.to_string()),
        Value::Array(items) if items.is_empty() => Some("empty".to_owned()),
        _ => None,
    }
}

/// `a`, `a and b`, `a, b and c`.
fn listed(items: &[String]) -> String {
    match items {
        [] => String::new(),
        [one] => one.clone(),
        [first @ .., last] => format!("{} and {last}", first.join(", ")),
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
    use crate::model::diagnosis::{Confidence, RuledOut};
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
            noted: vec!["icmp.loss".to_owned()],
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
        let end = |id: &str, title: &str| Ended {
            id: id.to_owned(),
            title: Some(title.to_owned()),
            confidence: Some(Confidence::Likely),
        };
        let story = [
            step("when", saw(), vec![no.clone(), yes], next()),
            step("else", Looked::Weighed, vec![no], To::Healthy),
            step("unknown", saw(), vec![open], To::Diagnosis(end("x-a.b", "It is far."))),
            step("unknown", Looked::Blind("no right.".to_owned()), Vec::new(), next()),
            step("no_input", Looked::Unasked, Vec::new(), To::Past(end("x", "X"), "On.".into())),
            step("else", Looked::Answered("no vpn".to_owned()), Vec::new(), To::Open),
        ];
        let mut out = Vec::new();
        write(&story, &Style::plain(60), &mut out).expect("a vector takes everything");
        let text = String::from_utf8(out).expect("UTF-8");
        assert!(text.lines().all(|line| console::measure_text_width(line) <= 60), "{text}");
        let joined = text.split_whitespace().collect::<Vec<_>>().join(" ");
        for said in [
            "1. Does it \\u{1b} answer? (transport) It saw, in 12 ms: 5 of 5. What decides: ok is true. \
             That speaks against host.down. Noted on the way: icmp.loss. That excludes a.b: it answers. Next: Is it far? 2.",
            "It weighs what is known. Nothing that it looks for is the case (n is 5).",
            "So it is in order.",
            "It cannot be decided, because rtt is not known.",
            "So it is x-a.b (It is far), likely",
            "It could not look: no right.",
            "Nobody was asked.",
            "So it is x (X), likely",
            "Looked further all the same: On.",
            "The answer was: no vpn.",
        ] {
            assert!(joined.contains(said), "{said}\n{joined}");
        }
    }
}
