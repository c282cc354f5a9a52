//! The interactive run at a pseudo-terminal: what stands on the screen, what keys do, and that the
//! terminal is given back as it was.
#![allow(clippy::disallowed_methods)] // these tests start the binary at a terminal of their own
#![allow(unsafe_code)] // `pre_exec` makes the terminal the controlling one

#[path = "../common/mod.rs"]
mod common;
mod ladder;
mod menu;
mod other_end;
mod pipes;
mod questions;
mod screen;
mod signals;

use std::fs;
use std::path::Path;

use common::{ClosedPort, Folder};
use screen::{Screen, Setting};

const DOWN: &str = "\u{1b}[B";

/// A port on which nobody listens, and which nobody takes while this process lives.
fn closed_port() -> u16 {
    let closed = ClosedPort::new();
    let port = closed.address.port();
    std::mem::forget(closed);
    port
}

/// Whether the whole menu stands there: the terminal may show its first lines alone.
fn menu(text: &str) -> bool {
    text.contains("What now?") && text.contains("Save the report")
}

const ASKS: &str = "format: 1
name: asks
title: T
start: a
steps:
  a: {ask: Is a VPN up?, why: It changes the route., choices: {up: b, down: c}, no_input: d}
  b: {title: B, layer: host, decide: true, branches: [{else: healthy}]}
  c: {title: C, layer: host, decide: true, branches: [{else: {conclude: x-t.down}}]}
  d: {title: D, layer: host, decide: true, branches: [{else: {conclude: x-t.open}}]}
diagnoses:
  x-t.down: {layer: route, severity: critical, location: here, title: The VPN is down, summary: Bring it up., meaning: M.}
  x-t.open: {layer: route, severity: warning, location: here, title: Not known, summary: Nobody said., meaning: M.}
";

#[test]
fn a_fault_offers_a_menu_whose_default_is_to_stop_with_the_reports_status() {
    let target = format!("127.0.0.1:{}", closed_port());
    let mut screen = Screen::start(&["diagnose", &target], Setting::default());
    let shown = screen.wait("the menu", menu);
    assert!(shown.contains("Nothing listens on that port"), "{shown}");
    assert!(shown.contains("Stop") && shown.contains("Retest this step"), "{shown}");
    screen.keys("\r");
    let (status, last) = screen.end();
    assert_eq!(status, 1, "{last}");
}

#[test]
fn after_the_fault_is_mended_a_retest_finds_it_healthy() {
    let closed = ClosedPort::new();
    let target = closed.address.to_string();
    let mut screen = Screen::start(&["diagnose", &target], Setting::default());
    screen.wait("the menu", menu);
    let _listener = closed.open();
    screen.keys(DOWN);
    screen.wait("the choice", |text| text.contains("❯ Retest this step"));
    screen.keys("\r");
    screen.wait("the verdict", |text| text.contains("HEALTHY"));
    let (status, last) = screen.end();
    assert_eq!(status, 0, "{last}");
}

#[test]
fn a_question_is_answered_with_a_key_and_the_report_is_the_same_as_with_answer() {
    let folder = Folder::new();
    let book = folder.file("asks.yaml", ASKS);
    let asked = folder.path("asked.json");
    let given = folder.path("given.json");
    let output = format!("json={asked}");
    let mut screen =
        Screen::start(&["diagnose", "--runbook", &book, "--output", &output], Setting::default());
    let shown = screen.wait("the question", |text| text.contains("I don't know"));
    assert!(shown.contains("Is a VPN up?") && shown.contains("It changes the route."), "{shown}");
    // "I don't know" is offered first.
    screen.keys("\u{1b}[A\r");
    screen.wait("the menu", menu);
    screen.keys("\r");
    assert_eq!(screen.end().0, 1);
    let output = format!("json={given}");
    let mut screen = Screen::start(
        &["diagnose", "--runbook", &book, "--answer", "a=down", "--no-input", "--output", &output],
        Setting::default(),
    );
    assert_eq!(screen.end().0, 1);
    let timeless = |path: &str| {
        let text = fs::read_to_string(path).expect("the report");
        let mut report: serde_json::Value = serde_json::from_str(&text).expect("JSON");
        for field in ["started_at", "duration_ms"] {
            report[field] = serde_json::Value::Null;
        }
        report
    };
    assert_eq!(timeless(&asked), timeless(&given));
}

#[test]
fn ctrl_c_in_a_prompt_ends_with_130_and_gives_the_terminal_back() {
    let folder = Folder::new();
    let book = folder.file("asks.yaml", ASKS);
    let mut screen = Screen::start(&["diagnose", "--runbook", &book], Setting::default());
    screen.wait("the question", |text| text.contains("I don't know"));
    screen.keys("\u{3}");
    let (status, last) = screen.end();
    assert_eq!(status, 130, "{last}");
    assert!(last.contains("interrupted: the report is a partial one"), "{last}");
}

#[test]
fn ctrl_c_in_the_menu_ends_with_130_and_gives_the_terminal_back() {
    let target = format!("127.0.0.1:{}", closed_port());
    let mut screen = Screen::start(&["diagnose", &target], Setting::default());
    screen.wait("the menu", menu);
    screen.keys("\u{3}");
    assert_eq!(screen.end().0, 130);
}

#[test]
fn plain_and_dumb_terminals_get_numbers_and_nothing_is_redrawn() {
    let target = format!("127.0.0.1:{}", closed_port());
    let dumb = Setting { term: "dumb", ..Setting::default() };
    for (args, setting) in [
        (vec!["diagnose", &target, "--plain"], Setting::default()),
        (vec!["diagnose", &target], dumb),
    ] {
        let mut screen = Screen::start(&args, setting);
        screen.wait("the menu", |text| text.contains("Number, or Enter for 1 (Stop)"));
        screen.keys("1\r");
        let (status, last) = screen.end();
        assert_eq!(status, 1, "{last}");
        let raw = screen.raw();
        assert!(!raw.contains(&0x1b), "{:?}", String::from_utf8_lossy(&raw));
    }
}

#[test]
fn without_utf_8_everything_is_ascii() {
    let target = format!("127.0.0.1:{}", closed_port());
    let setting = Setting { lang: "C", ..Setting::default() };
    let mut screen = Screen::start(&["diagnose", &target], setting);
    screen.wait("the menu", menu);
    screen.keys("\r");
    let (status, last) = screen.end();
    assert_eq!(status, 1);
    assert!(last.is_ascii() && screen.raw().is_ascii(), "{last}");
}

#[test]
fn reports_of_every_kind_look_as_recorded_at_80_and_120_columns() {
    // Recorded in the lab, see tests/lab/screens.rs.
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/terminal/reports");
    let kinds =
        ["healthy", "refused", "filtered", "mtu_black_hole", "dns_failure", "close_wait_leak"];
    for kind in kinds {
        let report = folder.join(format!("{kind}.json")).to_string_lossy().into_owned();
        for columns in [80, 120] {
            let setting = Setting { columns, silent: true, ..Setting::default() };
            let mut screen = Screen::start(&["replay", &report], setting);
            let (status, last) = screen.end();
            assert_eq!(status, i32::from(kind != "healthy"), "{last}");
            insta::with_settings!({omit_expression => true, prepend_module_to_snapshot => false}, {
                insta::assert_snapshot!(format!("{kind}@{columns}"), last);
            });
        }
    }
}
