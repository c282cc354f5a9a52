//! Signals during the run and in a prompt: the partial report, the status, the terminal as it was.

use nix::sys::signal::Signal;

use crate::ladder::Climb;
use crate::screen::{Screen, Setting};
use crate::{ASKS, Folder, menu};

const CTRL_C: &str = "\u{3}";

/// The partial report stands there, and nothing of the ladder.
fn partial(last: &str) {
    let lines: Vec<&str> = last.lines().collect();
    let first =
        lines.iter().position(|line| line.contains("interrupted: the report is a partial one"));
    assert!(first.is_some_and(|at| at <= 1), "{last}");
    assert!(last.contains("INCONCLUSIVE  this machine"), "{last}");
    assert!(!last.contains(|c| "⠋⠙⠹⠸⠼⠴⠦⠧⠇⠏".contains(c)), "{last}");
}

#[test]
fn ctrl_c_during_the_ladder_prints_the_partial_report_and_ends_with_130() {
    let climb = Climb::new();
    let mut screen = climb.start(Setting::default());
    screen.keys(CTRL_C);
    let (status, last) = screen.end();
    assert_eq!(status, 130, "{last}");
    partial(&last);
    assert!(last.contains("✓ dns          The name is there"), "what was seen is told: {last}");
}

#[test]
fn sigterm_and_sighup_during_the_ladder_end_it_as_ctrl_c_does_with_their_own_status() {
    for (signal, status) in [(Signal::SIGTERM, 143), (Signal::SIGHUP, 129), (Signal::SIGINT, 130)] {
        let climb = Climb::new();
        let mut screen = climb.start(Setting::default());
        screen.signal(signal);
        let (ended, last) = screen.end();
        assert_eq!(ended, status, "{last}");
        partial(&last);
    }
}

#[test]
fn sigterm_and_sighup_in_a_question_give_the_terminal_back() {
    let folder = Folder::new();
    let book = folder.file("asks.yaml", ASKS);
    for (signal, status) in [(Signal::SIGTERM, 143), (Signal::SIGHUP, 129)] {
        let mut screen = Screen::start(&["diagnose", "--runbook", &book], Setting::default());
        screen.wait("the question", |text| text.contains("I don't know"));
        screen.signal(signal);
        let (ended, last) = screen.end();
        assert_eq!(ended, status, "{last}");
        assert!(last.contains("interrupted: the report is a partial one"), "{last}");
        assert!(last.contains("Nobody said."), "the report of what is known: {last}");
    }
}

#[test]
fn sigterm_and_sighup_in_the_menu_give_the_terminal_back() {
    let folder = Folder::new();
    let book = folder.file("asks.yaml", ASKS);
    let args = ["diagnose", "--runbook", &book, "--answer", "a=down"];
    for (signal, status) in [(Signal::SIGTERM, 143), (Signal::SIGHUP, 129)] {
        let mut screen = Screen::start(&args, Setting::default());
        screen.wait("the menu", menu);
        screen.signal(signal);
        let (ended, last) = screen.end();
        assert_eq!(ended, status, "{last}");
        assert!(last.contains("The VPN is down"), "the report stays: {last}");
    }
}

#[test]
fn a_terminal_that_goes_away_ends_the_run_and_the_prompt_without_a_panic() {
    let climb = Climb::new();
    assert_eq!(climb.start(Setting::default()).hang_up(), 129);
    let folder = Folder::new();
    let book = folder.file("asks.yaml", ASKS);
    let screen = Screen::start(&["diagnose", "--runbook", &book], Setting::default());
    screen.wait("the question", |text| text.contains("I don't know"));
    assert_eq!(screen.hang_up(), 129);
    let args = ["diagnose", "--runbook", &book, "--answer", "a=down"];
    let screen = Screen::start(&args, Setting::default());
    screen.wait("the menu", menu);
    assert_eq!(screen.hang_up(), 129);
}
