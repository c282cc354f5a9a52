//! Questions: what is shown, what an answer leads to, and that answers given beforehand do the same.

use std::fs;

use serde_json::Value;

use crate::closed_port;
use crate::common::{Folder, run};
use crate::menu::{choose, ready};
use crate::screen::{Screen, Setting};

/// A probe that sends nothing, and two questions behind it.
const ASKS: &str = "format: 1
name: asks
title: T
start: look
steps:
  look:
    title: A look
    layer: kernel
    probe: counters
    with: {window_ms: 1}
    branches: [{else: vpn}]
    unknown: vpn
  vpn:
    ask: Is a VPN up?
    why: It changes the route.
    default: up
    choices: {up: ever, down: {conclude: x-t.down}}
    no_input: ever
  ever:
    ask: Did it ever work?
    choices: {yes_it_did: judge, never: judge}
    no_input: judge
  judge:
    title: Judge
    layer: host
    decide: true
    branches:
      - {when: has(ever.answer) && ever.answer == \"never\", conclude: x-t.never}
      - else: {conclude: x-t.open}
diagnoses:
  x-t.down: {layer: route, severity: critical, location: here, title: The VPN is down, summary: Bring it up., meaning: M.}
  x-t.never: {layer: route, severity: critical, location: here, title: Never, summary: It never worked., meaning: M.}
  x-t.open: {layer: route, severity: critical, location: here, title: Open, summary: Nobody said., meaning: M.}
";

fn json(path: &str) -> Value {
    serde_json::from_str(&fs::read_to_string(path).expect("the report")).expect("JSON")
}

/// A report without what the clock says.
fn timeless(mut report: Value) -> Value {
    for field in ["started_at", "duration_ms"] {
        report[field] = Value::Null;
    }
    for step in report["steps"].as_array_mut().expect("steps") {
        for field in ["started_ms", "duration_ms"] {
            step[field] = Value::Null;
        }
        if step["probe"].is_string() {
            step["observation"] = Value::Null;
            step["text"] = Value::Null;
        }
    }
    report
}

#[test]
fn answers_at_the_terminal_and_with_answer_make_the_same_report_and_replays_agree() {
    let folder = Folder::new();
    let book = folder.file("asks.yaml", ASKS);
    let asked = folder.path("asked.json");
    let given = folder.path("given.json");
    let cases: [(&[&str], &str); 5] = [
        (&["vpn=down"], "x-t.down"),
        (&["vpn=up", "ever=never"], "x-t.never"),
        (&["vpn=unknown", "ever=yes_it_did"], "x-t.open"),
        (&["vpn=unknown", "ever=unknown"], "x-t.open"),
        (&["vpn=up", "ever=unknown"], "x-t.open"),
    ];
    for (answers, id) in cases {
        let output = format!("json={asked}");
        let args = ["diagnose", "--runbook", &book, "--output", &output];
        let mut screen = Screen::start(&args, Setting::default());
        for (nth, answer) in answers.iter().enumerate() {
            let choice = answer.split('=').nth(1).expect("a choice");
            let label = if choice == "unknown" { "I don't know" } else { choice };
            let question = ["Is a VPN up?", "Did it ever work?"][nth];
            let shown = screen.wait(question, |text| {
                text.contains(question) && text.trim_end().ends_with("I don't know")
            });
            // The default stands first under the cursor; without one it is "I don't know".
            let marked = ["❯ up", "❯ I don't know"][nth];
            assert!(shown.contains(marked), "{shown}");
            assert!(shown.contains("It changes the route."), "{shown}");
            choose(&mut screen, "Answer", &label.replace('_', " "));
        }
        screen.wait("the menu", ready);
        screen.keys("\r");
        assert_eq!(screen.end().0, 1);

        let output = format!("json={given}");
        let mut args = vec!["diagnose", "--runbook", &book, "--output", &output];
        answers.iter().for_each(|answer| args.extend(["--answer", answer]));
        assert_eq!(run(&args).status, Some(1));
        assert_eq!(json(&asked)["diagnosis"]["id"], id, "{answers:?}");
        assert_eq!(timeless(json(&asked)), timeless(json(&given)), "{answers:?}");

        let replayed = run(&["replay", &asked, "--runbook", &book, "--format", "json"]);
        assert_eq!(timeless(replayed.json()), timeless(json(&asked)), "{answers:?}");
    }
}

#[test]
fn an_answer_to_no_question_and_one_that_is_no_choice_are_refused_before_anything_is_sent() {
    let target = format!("127.0.0.1:{}", closed_port());
    for (answer, said) in [
        ("histroy=never", "did you mean history?"),
        ("history=nevr", "did you mean never?"),
        ("vpn=", "the question vpn has no answer"),
        ("server_refused=yes", "no question \"server_refused\""),
        ("history", "--answer"),
    ] {
        let ran = run(&["diagnose", &target, "--answer", answer]);
        assert_eq!(ran.status, Some(2), "{answer}: {}", ran.stderr);
        assert!(ran.stderr.contains(said), "{answer}: {}", ran.stderr);
        assert!(ran.stdout.is_empty(), "{answer}");
    }
    let twice = ["--answer", "history=never", "--answer", "history=unknown"];
    let args: Vec<&str> = ["diagnose", &target].into_iter().chain(twice).collect();
    assert_eq!(run(&args).status, Some(2));
}

#[test]
fn with_no_input_and_at_the_end_of_the_input_the_arm_for_nobody_is_taken() {
    let folder = Folder::new();
    let book = folder.file("asks.yaml", ASKS);
    let args = ["diagnose", "--runbook", &book, "--no-input"];
    let mut screen = Screen::start(&args, Setting::default());
    let (status, last) = screen.end();
    assert_eq!(status, 1);
    assert!(last.contains("x-t.open") && !last.contains("? Answer"), "{last}");

    let mut screen =
        Screen::start(&["diagnose", "--runbook", &book, "--plain"], Setting::default());
    let asks = |text: &str| text.trim_end().ends_with("Number, or Enter for 1 (up):");
    let shown = screen.wait("the question", asks);
    assert!(shown.contains("It changes the route.") && shown.contains("3 I don't know"), "{shown}");
    screen.keys("\u{4}");
    // Nobody is asked any more; the menu meets the end of the input, too.
    screen.wait("the menu", |text| text.trim_end().ends_with("Enter for 1 (Stop):"));
    screen.keys("\u{4}");
    let (status, last) = screen.end();
    assert_eq!(status, 1);
    assert!(last.contains("x-t.open") && !last.contains("Did it ever work? "), "{last}");
}

#[test]
fn after_a_retest_the_former_answer_is_offered_first_and_one_given_beforehand_stands() {
    let folder = Folder::new();
    let book = folder.file("asks.yaml", ASKS);
    let args = ["diagnose", "--runbook", &book, "--answer", "vpn=up"];
    let mut screen = Screen::start(&args, Setting::default());
    screen.wait("the question", |text| text.trim_end().ends_with("I don't know"));
    choose(&mut screen, "Answer", "never");
    screen.wait("the menu", ready);
    choose(&mut screen, "What now?", "Retest this step: A look");
    let shown = screen.wait("the question", |text| {
        text.matches("Answer ›").count() == 1 && text.trim_end().ends_with("I don't know")
    });
    assert!(shown.contains("❯ never") && !shown.contains("❯ up"), "{shown}");
    screen.keys("\r");
    screen.wait("the menu", |text| text.contains("Still FAULT x-t.never") && ready(text));
    screen.keys("\r");
    assert_eq!(screen.end().0, 1);
}
