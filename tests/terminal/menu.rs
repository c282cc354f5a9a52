//! The menu at a fault: every entry, its ways back, and what it leaves behind.

use std::fs;

use serde_json::Value;

use crate::common::{ClosedPort, Folder, run};
use crate::screen::{Screen, Setting};
use crate::{DOWN, closed_port};

const ESC: &str = "\u{1b}";

/// Whether the menu waits for a key, with nothing below it.
pub(crate) fn ready(text: &str) -> bool {
    text.contains("? What now?")
        && text.contains("❯ Stop")
        && text.trim_end().ends_with("Save the report")
}

/// Moves down to an item of a list, once that list waits for a key, and takes it.
pub(crate) fn choose(screen: &mut Screen, list: &str, label: &str) {
    let mut at = String::new();
    while !at.contains(label) {
        if !at.is_empty() {
            screen.keys(DOWN);
        }
        let text = screen.wait(label, |text| marked(text, list).is_some_and(|now| now != at));
        at = marked(&text, list).expect("it was just there").to_owned();
    }
    screen.keys("\r");
}

/// The item under the cursor of the list that stands last, when its last line is there too.
fn marked<'a>(text: &'a str, list: &str) -> Option<&'a str> {
    let lines: Vec<&str> = text.trim_end().lines().collect();
    let head = lines.iter().rposition(|line| line.starts_with("? "))?;
    let named = lines[head][2..].starts_with(list);
    let last = lines.last()?.trim_start_matches(['❯', ' ']);
    let whole = ["Save the report", "Back", "I don't know"].contains(&last);
    lines[head..].iter().copied().find(|line| line.starts_with('❯')).filter(|_| named && whole)
}

fn refused(args: &[&str], setting: Setting) -> (Screen, u16) {
    let port = closed_port();
    let target = format!("127.0.0.1:{port}");
    let args: Vec<&str> = ["diagnose", &target].into_iter().chain(args.iter().copied()).collect();
    (Screen::start(&args, setting), port)
}

fn stop(mut screen: Screen) {
    screen.wait("the menu", ready);
    screen.keys("\r");
    let (status, last) = screen.end();
    assert_eq!(status, 1, "{last}");
}

fn json(path: &str) -> Value {
    serde_json::from_str(&fs::read_to_string(path).expect("the file")).expect("JSON")
}

#[test]
fn explain_says_what_was_done_what_it_means_and_the_command_for_doing_it_by_hand() {
    let (mut screen, port) = refused(&[], Setting::default());
    screen.wait("the menu", ready);
    choose(&mut screen, "What now?", "Explain");
    let said = screen.wait("the explanation", |text| text.contains("It could also be"));
    let by_hand = format!("nc -zv -w 3 127.0.0.1 {port}");
    for part in [
        "What it does: Opens TCP connections",
        "What that means: its outcome is refused: A RST came",
        by_hand.as_str(),
        // The step that decided is explained, too.
        "What it does: Finds who waits for connections",
        "ss -ltnp",
        "tcp.refused_no_listener: Nothing listens on that port",
    ] {
        assert!(said.contains(part), "{part}\n{said}");
    }
    stop(screen);
}

#[test]
fn the_raw_observation_is_that_of_the_step_where_the_trouble_began_or_of_any_other() {
    let (mut screen, _) = refused(&[], Setting::default());
    screen.wait("the menu", ready);
    choose(&mut screen, "What now?", "Show the raw observation");
    screen.wait("the steps", |text| text.contains("❯ Open TCP connections"));
    screen.keys("\r");
    screen.wait("every measurement", |text| {
        text.contains("outcome: refused") && text.contains("errno: ECONNREFUSED")
    });
    screen.wait("the menu", ready);
    choose(&mut screen, "What now?", "Show the raw observation");
    choose(&mut screen, "Which step's?", "Who listens here");
    // A machine with many listeners has more than a screen of them.
    screen.wait_raw("another step's", |raw| raw.contains("listeners: port"));
    stop(screen);
}

#[test]
fn the_report_is_saved_in_each_format_and_the_json_replays() {
    let folder = Folder::new();
    let file = |name: &str| folder.path(name);
    let (mut screen, port) = refused(&[], Setting::default());
    for (label, name) in [("HTML", "a.html"), ("Markdown", "a.md"), ("JSON", "a.json")] {
        screen.wait("the menu", ready);
        choose(&mut screen, "What now?", "Save the report");
        choose(&mut screen, "In which format?", label);
        screen.wait("the name", |text| text.trim_end().ends_with("Save as ›"));
        screen.keys(&format!("{}\r", file(name)));
        screen.wait("the file", |text| {
            let line = format!("Saved: {}", file(name));
            text.split_whitespace().collect::<String>().contains(&line.replace(' ', ""))
        });
    }
    stop(screen);
    let html = fs::read_to_string(file("a.html")).expect("the page");
    assert!(html.starts_with("<!DOCTYPE html>") && html.contains("tcp.refused_no_listener"));
    let markdown = fs::read_to_string(file("a.md")).expect("the text");
    assert!(markdown.contains("tcp.refused_no_listener"), "{markdown}");
    let saved = json(&file("a.json"));
    assert_eq!(saved["target"]["port"], port);
    let replay = run(&["replay", &file("a.json"), "--format", "json"]);
    assert_eq!(replay.status, Some(1), "{}", replay.stderr);
    assert_eq!(replay.json()["diagnosis"], saved["diagnosis"]);
}

#[test]
fn what_cannot_be_written_is_told_and_what_is_there_already_is_asked_about() {
    let folder = Folder::new();
    let there = folder.file("r.json", "mine");
    let (mut screen, _) = refused(&[], Setting::default());
    screen.wait("the menu", ready);
    choose(&mut screen, "What now?", "Save the report");
    choose(&mut screen, "In which format?", "JSON");
    let asks = |text: &str| text.trim_end().ends_with("Save as ›");
    screen.wait("the name", asks);
    screen.keys("/nonexistent/r.json\r");
    screen.wait("the objection", |text| text.contains("there is no directory") && asks(text));
    screen.keys(&format!("{there}\r"));
    screen.wait("the question", |text| text.contains("❯ Keep it, choose another name"));
    screen.keys("\r");
    screen.wait("the name", asks);
    assert_eq!(fs::read_to_string(&there).expect("the file"), "mine");
    screen.keys(&format!("{there}\r"));
    screen.wait("the question", |text| text.contains("❯ Keep it, choose another name"));
    choose(&mut screen, "/", "Back");
    screen.wait("the menu", ready);
    assert_eq!(fs::read_to_string(&there).expect("the file"), "mine");
    choose(&mut screen, "What now?", "Save the report");
    choose(&mut screen, "In which format?", "JSON");
    screen.wait("the name", asks);
    screen.keys(&format!("{there}\r"));
    screen.wait("the question", |text| text.contains("❯ Keep it, choose another name"));
    choose(&mut screen, "/", "Replace it");
    screen.wait("the file", |text| text.contains("Saved: "));
    assert_eq!(json(&there)["diagnosis"]["id"], "tcp.refused_no_listener");
    stop(screen);
}

#[test]
fn escape_leads_back_to_the_menu_from_everywhere_and_then_ends() {
    let (mut screen, _) = refused(&[], Setting::default());
    screen.wait("the menu", ready);
    for (entry, waits) in [
        ("Retest from another step", "Retest from which step?"),
        ("Show the raw observation", "Which step's?"),
        ("Save the report", "In which format?"),
    ] {
        choose(&mut screen, "What now?", entry);
        screen.wait(waits, |text| text.contains(waits) && text.trim_end().ends_with("Back"));
        screen.keys(ESC);
        screen.wait("the menu", ready);
    }
    choose(&mut screen, "What now?", "Save the report");
    choose(&mut screen, "In which format?", "HTML");
    screen.wait("the name", |text| text.trim_end().ends_with("Save as ›"));
    screen.keys("half a na");
    screen.wait("what is written", |text| text.trim_end().ends_with("half a na"));
    screen.keys(ESC);
    screen.wait("the menu", ready);
    screen.keys(ESC);
    assert_eq!(screen.end().0, 1);
}

#[test]
fn ctrl_c_in_a_list_or_a_line_below_the_menu_ends_with_130() {
    for deep in [false, true] {
        let (mut screen, _) = refused(&[], Setting::default());
        screen.wait("the menu", ready);
        choose(&mut screen, "What now?", "Save the report");
        screen.wait("the formats", |text| text.trim_end().ends_with("Back"));
        if deep {
            screen.keys("\r");
            screen.wait("the name", |text| text.trim_end().ends_with("Save as ›"));
            screen.keys("x");
            screen.wait("what is written", |text| text.trim_end().ends_with('x'));
        }
        screen.keys("\u{3}");
        assert_eq!(screen.end().0, 130);
    }
}

fn started(report: &Value, step: &str) -> f64 {
    let steps = report["steps"].as_array().expect("steps");
    let step = steps.iter().find(|entry| entry["id"] == step).expect("the step");
    step["started_ms"].as_f64().expect("it ran")
}

#[test]
fn a_retest_runs_its_step_and_what_follows_and_keeps_what_was_seen_before() {
    let folder = Folder::new();
    let file = folder.path("r.json");
    let (mut screen, _) = refused(&["--output", &format!("json={file}")], Setting::default());
    screen.wait("the menu", ready);
    let first = json(&file);
    choose(&mut screen, "What now?", "Retest this step: Open TCP connections");
    screen.wait("the comparison", |text| {
        text.contains("Still FAULT tcp.refused_no_listener, as before.") && ready(text)
    });
    let second = json(&file);
    for kept in ["resolve", "route"] {
        assert_eq!(started(&first, kept), started(&second, kept), "{kept}");
    }
    for anew in ["connect", "own_port"] {
        assert!(started(&first, anew) < started(&second, anew), "{anew}");
    }
    choose(&mut screen, "What now?", "Retest from another step");
    let list = screen.wait("the steps", |text| text.trim_end().ends_with("Back"));
    assert!(list.contains("❯ Open TCP connections"), "{list}");
    for _ in 0..2 {
        screen.keys("\u{1b}[A");
    }
    screen.wait("the first step", |text| text.contains("❯ Resolve 127.0.0.1"));
    screen.keys("\r");
    screen.wait("what is kept", |text| text.contains("Retest from here on: Resolve 127.0.0.1"));
    screen.wait("the menu", |text| text.matches("Still FAULT").count() == 2 && ready(text));
    let third = json(&file);
    for anew in ["resolve", "route", "connect", "own_port"] {
        assert!(started(&second, anew) < started(&third, anew), "{anew}");
    }
    stop(screen);
}

#[test]
fn after_a_fix_the_report_says_what_it_was_before() {
    let closed = ClosedPort::new();
    let mut screen = Screen::start(&["diagnose", &closed.address.to_string()], Setting::default());
    screen.wait("the menu", ready);
    let _listener = closed.open();
    choose(&mut screen, "What now?", "Retest this step");
    screen.wait("the comparison", |text| {
        text.contains("Before: FAULT tcp.refused_no_listener. Now: HEALTHY.")
    });
    assert_eq!(screen.end().0, 0);
}

/// Two probes that send nothing, each of which leads to a diagnosis.
const TWO: &str = "format: 1
name: two
title: T
start: a
steps:
  a:
    title: First look
    layer: kernel
    probe: counters
    with: {window_ms: 1}
    branches: [{when: result.window_ms > 0, conclude: x-t.first}, {else: b}]
    unknown: b
  b:
    title: Second look
    layer: kernel
    probe: counters
    with: {window_ms: 1}
    branches: [{when: result.window_ms > 0, conclude: x-t.second}, {else: healthy}]
    unknown: healthy
diagnoses:
  x-t.first: {layer: kernel, severity: critical, location: here, title: The first, summary: It is one., meaning: M.}
  x-t.second: {layer: kernel, severity: critical, location: here, title: The second, summary: It is two., meaning: M.}
";

#[test]
fn continuing_finds_what_lies_behind_and_says_when_there_is_nothing_more() {
    let folder = Folder::new();
    let book = folder.file("two.yaml", TWO);
    let mut screen = Screen::start(&["diagnose", "--runbook", &book], Setting::default());
    screen.wait("the menu", ready);
    choose(&mut screen, "What now?", "Continue anyway");
    let said = screen
        .wait("the second report", |text| text.contains("x-t.second: It is two.") && ready(text));
    assert!(said.contains("Continuing behind x-t.first"), "{said}");
    assert!(!said.lines().rev().take(8).any(|line| line.contains("Continue anyway")), "{said}");
    stop(screen);

    // On this machine nothing but exclusion would lead further from a port where nobody listens.
    let (mut screen, _) = refused(&[], Setting::default());
    screen.wait("the menu", ready);
    choose(&mut screen, "What now?", "Continue anyway");
    let said = screen.wait("the second report", |text| {
        text.contains("Behind tcp.refused_no_listener nothing more was found.") && ready(text)
    });
    assert!(!said.contains("fw.input_drop"), "{said}");
    stop(screen);
}

/// Whether the numbered menu waits.
fn asks_for_a_number(text: &str) -> bool {
    text.trim_end().ends_with("Number, or Enter for 1 (Stop):")
}

#[test]
fn in_plain_mode_entries_are_taken_by_number_or_word_and_ctrl_d_leads_back() {
    let folder = Folder::new();
    let file = folder.path("r.md");
    let (mut screen, _) = refused(&["--plain"], Setting::default());
    screen.wait("the menu", asks_for_a_number);
    screen.keys("expl\r");
    screen
        .wait("the explanation", |text| text.contains("What it does:") && asks_for_a_number(text));
    screen.keys("9\r");
    screen.wait("the objection", |text| text.contains("Write a number from 1 to 7."));
    screen.keys("save\r");
    screen.wait("the formats", |text| text.contains("4 Back"));
    screen.keys("4\r");
    screen.wait("the menu", asks_for_a_number);
    screen.keys("7\r");
    screen.wait("the formats", |text| text.matches("4 Back").count() == 2);
    screen.keys("2\r");
    screen.wait("the name", |text| text.trim_end().ends_with("Save as:"));
    screen.keys("\u{4}");
    screen.wait("the menu", asks_for_a_number);
    screen.keys("7\r");
    screen.wait("the formats", |text| text.matches("4 Back").count() == 3);
    screen.keys("2\r");
    screen.wait("the name", |text| text.trim_end().ends_with("Save as:"));
    screen.keys(&format!("{file}\r"));
    screen.wait("the file", |text| text.contains("Saved: ") && asks_for_a_number(text));
    assert!(fs::read_to_string(&file).expect("the file").contains("tcp.refused_no_listener"));
    // The end of the input ends the run.
    screen.keys("\u{4}");
    assert_eq!(screen.end().0, 1);
}
