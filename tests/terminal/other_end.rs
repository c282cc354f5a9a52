//! What the server printed, pasted into the client's terminal.

use serde_json::{Value, json};
use tcpdoctor::model::server_report::{ServerReport, encode};

use crate::DOWN;
use crate::common::{Done, Folder, run};
use crate::menu::ready;
use crate::screen::{Screen, Setting};

const ESC: &str = "\u{1b}";

const BOOK: &str = r#"format: 1
name: other
title: T
start: s
steps:
  s:
    title: What does the server see?
    layer: socket
    ask: Can you run a command there?
    expects: server_report
    by_hand: tcpdoctor diagnose :80 --client 127.0.0.1 --format code
    branches:
      - {when: result.queue_full != null && result.queue_full, conclude: x-t.full, with: {who: "{{ result.owner }}", queue: "{{ result.queue }}", time: "{{ ms(result.window_ms) }}"}}
      - else: healthy
    no_input: {conclude: x-t.open}
diagnoses:
  x-t.full: {layer: socket, severity: critical, location: target, title: The queue is full, summary: "{{ who }} has {{ queue }} in {{ time }}.", needs: [who, queue, time], meaning: M.}
  x-t.open: {layer: socket, severity: critical, location: target, title: Not known, summary: Nobody said., meaning: M.}
"#;

fn code(fields: Value) -> String {
    let mut report = json!({
        "port": 80, "verdict": "fault", "host": "db1", "at": tcpdoctor::sys::clock::utc_now(),
        "queue_full": true, "queue": 7, "owner": "shop",
    });
    if let (Some(report), Value::Object(fields)) = (report.as_object_mut(), fields) {
        report.extend(fields);
    }
    let report: ServerReport = serde_json::from_value(report).expect("a report");
    encode(&report)
}

/// As a terminal sends what is pasted, when it marks that.
fn marked(text: &str) -> String {
    format!("{ESC}[200~{}{ESC}[201~", text.replace('\n', "\r"))
}

/// Nothing that a terminal would act on, and nothing invisible.
const HOSTILE: &str =
    "db\u{1b}]0;owned\u{7}\u{1b}[2J\u{9b}31m\u{202e}\r\n\u{8}<script>alert(1)</script>";

fn hostile() -> Value {
    json!({
        "host": HOSTILE, "owner": HOSTILE, "rule": HOSTILE, "firewall": "drops", "manager": HOSTILE,
        "summary": HOSTILE, "id": HOSTILE, "listens_at": [HOSTILE], "unseen": [HOSTILE],
        "elsewhere": [{"owner_name": HOSTILE, "pid": 1, "address": HOSTILE}], "queue": u64::MAX, "window_ms": 1e308, "listen_overflows": i64::MIN,
    })
}

/// Where something is to be pasted, with the folder that has to stay.
fn asked(setting: Setting) -> (Screen, Folder) {
    let folder = Folder::new();
    let book = folder.file("other.yaml", BOOK);
    let mut screen = Screen::start(&["diagnose", "127.0.0.1:80", "--runbook", &book], setting);
    screen.wait("the menu", ready);
    screen.keys(DOWN);
    screen.wait("the choice", |text| text.contains("❯ Look from the server's side too"));
    screen.keys("\r");
    let shown = screen.wait("the paste", |text| text.trim_end().ends_with('>'));
    let command = "  tcpdoctor diagnose :80 --client 127.0.0.1 --format code";
    assert!(shown.lines().any(|line| line == command), "{shown}");
    (screen, folder)
}

/// Waits until something more is to be pasted.
fn refused(screen: &Screen, why: &str) -> String {
    screen.wait(why, |text| {
        text.contains(why) && text.lines().last().is_some_and(|line| line.trim() == ">")
    })
}

fn full(mut screen: Screen) {
    screen.wait("the report", |text| text.contains("The queue is full  x-t.full"));
    screen.wait("the menu", ready);
    screen.keys("\r");
    let (status, last) = screen.end();
    assert_eq!(status, 1, "{last}");
}

#[test]
fn it_decides_and_what_is_damaged_or_foreign_is_refused() {
    let (mut screen, _folder) = asked(Setting::default());
    let whole = code(json!({}));
    let cut: String = whole.chars().take(60).collect();
    screen.keys(&(marked(&cut) + "\r"));
    refused(&screen, "its end is missing");
    screen.keys(&marked(&code(json!({"port": 81}))));
    refused(&screen, "it is about port 81");
    screen.keys(&marked(&whole));
    full(screen);
}

#[test]
fn escape_goes_back_to_the_menu_and_so_does_an_empty_line() {
    for key in [ESC, "\r"] {
        let (mut screen, _folder) = asked(Setting::default());
        screen.keys(key);
        screen.wait("the menu", ready);
        screen.keys("\r");
        assert_eq!(screen.end().0, 1, "{key:?}");
    }
}

#[test]
fn ctrl_c_ends_with_130_and_pasted_text_is_marked_no_more() {
    let (mut screen, _folder) = asked(Setting::default());
    screen.keys(&format!("{ESC}[200~tcpdoctor1.abc"));
    screen.wait("what was pasted so far", |text| text.contains("14 characters"));
    screen.keys("\u{3}");
    let (status, last) = screen.end();
    assert_eq!(status, 130, "{last}");
}

#[test]
fn an_unmarked_paste_decides_and_what_stands_behind_it_presses_no_keys() {
    let (mut screen, _folder) = asked(Setting::default());
    let around = format!("$ x\r{}root@db1:~# \r\r\r\r", code(json!({})).replace('\n', "\r"));
    screen.keys(&around);
    full(screen);
}

#[test]
fn a_quoted_and_wrapped_paste_is_taken() {
    let (mut screen, _folder) = asked(Setting::default());
    let quoted: String = code(json!({})).lines().map(|line| format!("> {line}  \n")).collect();
    screen.keys(&marked(&quoted));
    full(screen);
}

#[test]
fn a_megabyte_of_rubbish_is_refused_once_and_presses_no_keys() {
    let (mut screen, _folder) = asked(Setting::default());
    let rubbish = "rubbish\r\u{1b}[B\u{1b}\r".repeat(100_000);
    screen.keys(&format!("{ESC}[200~{rubbish}{ESC}[201~"));
    let shown = refused(&screen, "longer than 32 KiB");
    assert_eq!(shown.matches("That is not taken").count(), 1, "{shown}");
    screen.keys(&marked(&code(json!({}))));
    full(screen);
}

#[test]
fn nothing_hostile_in_a_right_code_reaches_the_terminal() {
    let (mut screen, _folder) = asked(Setting::default());
    screen.keys(&marked(&code(hostile())));
    screen.wait("the report", |text| text.contains("The queue is full  x-t.full"));
    screen.wait("the menu", ready);
    screen.keys("\r");
    assert_eq!(screen.end().0, 1);
    let raw = String::from_utf8_lossy(&screen.raw()).into_owned();
    for part in ["\u{1b}]0;", "\u{7}", "\u{1b}[2J", "\u{9b}", "\u{202e}", "\u{8}"] {
        assert!(!raw.contains(part), "{part:?} in {raw:?}");
    }
    assert!(raw.contains("\\u{1b}]0;owned"), "it is told, harmless: {raw:?}");
}

#[test]
fn lines_are_read_where_none_can_be_redrawn() {
    let folder = Folder::new();
    let book = folder.file("other.yaml", BOOK);
    let args = ["diagnose", "127.0.0.1:80", "--runbook", &book, "--plain"];
    let mut screen = Screen::start(&args, Setting::default());
    let shown = screen.wait("the menu", |text| text.contains("Number, or Enter for 1 (Stop)"));
    let item = shown.lines().find(|line| line.contains("Look from the server's side"));
    let number = item.and_then(|line| line.split_whitespace().next()).expect("it is offered");
    screen.keys(&format!("{number}\r"));
    screen.wait("the paste", |text| text.contains("Then paste"));
    screen.keys(&code(json!({})).replace('\n', "\r"));
    let twice = |text: &str| text.matches("Number, or Enter for 1 (Stop)").count() == 2;
    let shown = screen.wait("the menu again", twice);
    assert!(shown.contains("The queue is full  x-t.full"), "{shown}");
    screen.keys("\r");
    assert_eq!(screen.end().0, 1);
}

/// A run with a report of the server from a file.
fn with_file(content: &str, format: &str) -> Done {
    let folder = Folder::new();
    let book = folder.file("other.yaml", BOOK);
    let file = folder.file("server.txt", content);
    run(&[
        "diagnose",
        "127.0.0.1:80",
        "--runbook",
        &book,
        "--server-report",
        &file,
        "--no-input",
        "--format",
        format,
    ])
}

#[test]
fn nothing_hostile_in_a_file_reaches_any_format() {
    for format in ["text", "markdown", "html", "json", "junit", "ndjson", "tap", "github", "sarif"]
    {
        let done = with_file(&code(hostile()), format);
        assert_eq!(done.status, Some(1), "{format}: {}", done.stderr);
        let unsafe_one = |c: &char| c.is_control() && *c != '\n' || *c == '\u{202e}';
        let said = done.stdout + &done.stderr;
        assert_eq!(said.chars().find(unsafe_one), None, "{format}: {said:?}");
        assert!(format != "html" || !said.contains("<script>alert"), "{said}");
    }
}

#[test]
fn a_file_that_is_no_servers_report_is_refused_with_one_reason() {
    let now = tcpdoctor::sys::clock::utc_now();
    let client = include_str!("../render/reports/refused.json");
    let mut server: Value = serde_json::from_str(client).expect("a report");
    server["target"]["host"] = Value::Null;
    server["target"]["port"] = 81.into();
    server["started_at"] = now.as_str().into();
    let blind = server.to_string();
    server["steps"][0]["probe"] = "listeners".into();
    let mut cases = vec![
        (String::new(), "it is empty"),
        ("hello".to_owned(), "there is no code in it"),
        ("x".repeat(1 << 20), "it is longer than 32 KiB"),
        (code(json!({}))[..60].to_owned(), "its end is missing"),
        (code(json!({})).replacen("tcpdoctor1.", "tcpdoctor9.", 1), "it begins with tcpdoctor9."),
        (format!("{}{}", code(json!({})), code(json!({"queue": 8}))), "there are several codes"),
        (code(json!({"port": 81})), "it is about port 81"),
        (code(json!({"client": "10.9.9.9"})), "it was asked about client 10.9.9.9"),
        (code(json!({"addresses": ["10.9.9.9"]})), "does not have the address 127.0.0.1"),
        (code(json!({"at": "2020-01-01T00:00:00Z"})), "run the command there again"),
        (code(json!({"at": HOSTILE})), "its time"),
        (client.to_owned(), "not about a port of the machine"),
        (blind, "nobody looked for a listener"),
        (server.to_string(), "it is about port 81"),
        ("{\"schema\": \"tcpdoctor.report/1\"".to_owned(), "it ends in the middle"),
        ("{\"schema\": \"\u{1b}]0;x\"}".to_owned(), "it is not JSON"),
    ];
    cases.push((format!("\u{feff}{}", server), "it is about port 81"));
    for (content, says) in cases {
        let done = with_file(&content, "text");
        assert_eq!((done.status, done.stdout.as_str()), (Some(2), ""), "{says}: {}", done.stderr);
        assert_eq!(done.stderr.matches("is not taken:").count(), 1, "{says}: {}", done.stderr);
        assert!(done.stderr.contains(says), "{says}: {}", done.stderr);
        assert!(!done.stderr.contains(|c: char| c.is_control() && c != '\n'), "{:?}", done.stderr);
    }
}

#[test]
fn a_whole_report_is_taken_from_a_file_as_well_as_a_code() {
    let mut server: Value =
        serde_json::from_str(include_str!("../render/reports/refused.json")).expect("a report");
    server["target"]["host"] = Value::Null;
    server["target"]["port"] = 80.into();
    server["started_at"] = tcpdoctor::sys::clock::utc_now().into();
    server["steps"][0]["probe"] = "listeners".into();
    server["steps"][0]["observation"] =
        json!({"queue_full": true, "queue": 7, "owner_name": "shop"});
    for content in [server.to_string(), code(json!({}))] {
        let report = with_file(&content, "json").json();
        assert_eq!(report["diagnosis"]["id"], "x-t.full");
        assert_eq!(report["steps"][0]["observation"]["owner"], "shop");
    }
    // What a person made of it by hand is looked at no more closely than what the tool wrote.
    for odd in [json!(7), json!({"queue_full": "yes"}), json!([]), json!({"listeners": {"a": 1}})] {
        server["steps"][0]["observation"] = odd;
        let report = with_file(&server.to_string(), "json").json();
        assert_eq!(report["verdict"], "healthy", "{report}");
    }
}
