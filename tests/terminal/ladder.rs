//! The ladder while it is climbed, and where it cannot be drawn.

use std::fs;
use std::io::Write;
use std::net::{TcpListener, TcpStream};
use std::process::Command;

use crate::screen::{Screen, Setting};
use crate::{DOWN, Folder, closed_port, menu};

/// Three rungs: one that is there at once, one that waits for a file, and one behind it that is started
/// early and waits for another.
pub(crate) const CLIMB: &str = "format: 1
name: climb
title: T
start: name
steps:
  name:
    title: Look at the name
    layer: dns
    probe: exec
    with: {argv: [echo, x]}
    branches: [{else: {goto: door, text: The name is there}}]
  door:
    title: Wait for the door
    layer: transport
    probe: exec
    with: {argv: [sh, -c, 'until cat FOLDER/door; do sleep 0.02; done'], timeout_ms: 120000}
    meanwhile: {after: 10ms, start: [behind]}
    branches: [{else: {goto: behind, text: 'The door says {{ result.stdout }}'}}]
  behind:
    title: Look behind the door
    layer: host
    probe: exec
    with: {argv: [sh, -c, 'until cat FOLDER/behind; do sleep 0.02; done'], timeout_ms: 120000}
    branches: [{else: {conclude: x-t.end, text: 'Behind it is {{ result.stdout }}'}}]
diagnoses:
  x-t.end: {layer: host, severity: critical, location: here, title: This is the end, summary: It is., meaning: M.}
";

/// A run that is under way.
pub(crate) struct Climb {
    pub(crate) folder: Folder,
    book: String,
}

impl Climb {
    pub(crate) fn new() -> Climb {
        let folder = Folder::new();
        let at = folder.0.to_string_lossy().into_owned();
        let book = folder.file("climb.yaml", CLIMB.replace("FOLDER", &at));
        Climb { folder, book }
    }

    pub(crate) fn args(&self) -> [&str; 4] {
        ["diagnose", "--runbook", &self.book, "--allow-exec"]
    }

    /// Lets a step come to its end.
    pub(crate) fn open(&self, name: &str, says: &str) {
        let whole = self.folder.file("whole", says);
        fs::rename(whole, self.folder.0.join(name)).expect("one folder");
    }

    /// Starts it, and returns when everything runs that can.
    pub(crate) fn start(&self, setting: Setting) -> Screen {
        let screen = Screen::start(&self.args(), setting);
        screen.wait("the ladder", |text| line(text, "Look behind the door").is_some());
        screen
    }
}

/// The line of the screen that holds this.
fn line<'a>(text: &'a str, what: &str) -> Option<&'a str> {
    text.lines().find(|line| line.contains(what))
}

/// Whether a sign of something under way is left.
fn turns(text: &str) -> bool {
    text.contains(|c| "⠋⠙⠹⠸⠼⠴⠦⠧⠇⠏".contains(c))
}

#[test]
fn rungs_run_with_their_time_and_settle_in_place_with_what_they_saw() {
    let climb = Climb::new();
    let mut screen = climb.start(Setting::default());
    let first = screen.wait("the ladder", turns);
    assert!(first.trim_start_matches(|c| "⠋⠙⠹⠸⠼⠴⠦⠧⠇⠏ ".contains(c)).starts_with("this machine"));
    let settled = line(&first, "The name is there").expect("the first is through");
    assert!(settled.starts_with("  ✓ dns") && settled.ends_with("ms"), "{settled}");
    let door = |text: &str| line(text, "Wait for the door").map(str::to_owned);
    let running = door(&first).expect("it runs");
    assert!(running.contains(" transport ") && running.ends_with(" s"), "{running}");
    assert!(!running.contains("(early)"), "{running}");
    screen.wait("time and sign to go on", |text| {
        door(text).is_some_and(|line| line[..8] != running[..8] && line[60..] != running[60..])
    });
    let early = line(&first, "Look behind the door").expect("it runs").to_owned();
    assert!(early.contains(" host ") && early.contains("(early)"), "{early}");

    climb.open("behind", "a garden");
    screen.wait("its end", |text| {
        line(text, "Look behind the door (early)").is_some_and(|line| !turns(line))
    });
    climb.open("door", "open");
    let shown = screen.wait("the menu", menu);
    let lines: Vec<&str> = shown.lines().collect();
    assert!(lines[0].starts_with("✗ FAULT  this machine"), "nothing above the report: {shown}");
    let settled = line(&shown, "The door says open").expect("it settled");
    assert!(
        settled.starts_with("  ✓ transport    The door") && settled.ends_with('s'),
        "{settled}"
    );
    assert!(shown.contains("Behind it is a garden") && !turns(&shown), "{shown}");
    screen.keys("\r");
    assert_eq!(screen.end().0, 1);
    let raw = String::from_utf8_lossy(&screen.raw()).into_owned();
    assert!(
        !raw.contains("\u{1b}[2J") && !raw.contains("\u{1b}[2K  "),
        "lines are not cleared first"
    );
    // It has settled before the first frame, or after it once.
    assert!(raw.matches("The name is there").count() <= 2, "what stands is not drawn again");
}

#[test]
fn what_was_started_early_is_so_no_more_when_its_turn_comes() {
    let climb = Climb::new();
    let mut screen = climb.start(Setting::default());
    climb.open("door", "open");
    screen.wait("its turn", |text| {
        line(text, "Look behind the door")
            .is_some_and(|line| turns(line) && !line.contains("early"))
    });
    climb.open("behind", "a garden");
    screen.wait("the menu", menu);
    screen.keys("\r");
    assert_eq!(screen.end().0, 1);
}

#[test]
fn the_ladder_follows_a_window_that_becomes_narrower_and_wider() {
    let climb = Climb::new();
    let mut screen = climb.start(Setting::default());
    for columns in [50, 120, 48, 200, 80] {
        screen.resize(columns);
        // The page is not wider than 120.
        let page = usize::from(columns).min(120);
        // Cut by the terminal, a line would have lost its time.
        let fits = |line: &str| line.trim_end().chars().count() == page && line.ends_with('s');
        let shown = screen.wait(&format!("the ladder at {columns}"), |text| {
            ["Wait for", "The name"].iter().all(|what| line(text, what).is_some_and(fits))
        });
        assert_eq!(shown.matches("this machine").count(), 1, "{shown}");
        assert_eq!(shown.matches("Wait for").count(), 1, "{shown}");
        assert_eq!(shown.lines().count(), 5, "{shown}");
    }
    screen.resize(120);
    climb.open("behind", "a garden");
    climb.open("door", "open");
    let shown = screen.wait("the menu", menu);
    assert!(line(&shown, "✗ FAULT").is_some_and(|line| line.chars().count() == 120), "{shown}");
    assert!(shown.starts_with("✗ FAULT") && !turns(&shown), "{shown}");
    screen.keys("\r");
    assert_eq!(screen.end().0, 1);
}

#[test]
fn a_prompt_follows_a_window_that_becomes_narrower_and_wider() {
    let target = format!("127.0.0.1:{}", closed_port());
    let mut screen = Screen::start(&["diagnose", &target], Setting::default());
    screen.wait("the menu", menu);
    for (columns, item) in [(60, "Retest this step"), (120, "Retest from")] {
        screen.resize(columns);
        screen.keys(DOWN);
        let shown = screen.wait("the choice", |text| text.contains(&format!("❯ {item}")));
        assert_eq!(shown.matches("What now?").count(), 1, "{shown}");
        assert_eq!(shown.matches('❯').count(), 1, "{shown}");
    }
    screen.keys("\u{1b}");
    assert_eq!(screen.end().0, 1);
}

#[test]
fn text_in_front_of_the_cursor_keeps_its_line() {
    let climb = Climb::new();
    let mut command = Command::new("sh");
    let line = format!(
        "printf 'no line break'; exec {} {}",
        env!("CARGO_BIN_EXE_tcpdoctor"),
        climb.args().join(" ")
    );
    command.args(["-c", &line]);
    let mut screen = Screen::of(&mut command, Setting::default());
    screen.wait("the ladder", |text| text.contains("Look behind the door"));
    climb.open("behind", "a garden");
    climb.open("door", "open");
    screen.wait("the menu", menu);
    let rows = screen.rows();
    assert_eq!(rows[0], "no line break");
    assert!(rows[1].starts_with("✗ FAULT"), "{rows:?}");
    screen.keys("\r");
    assert_eq!(screen.end().0, 1);
}

#[test]
fn an_enter_during_the_run_does_not_answer_the_menu() {
    let climb = Climb::new();
    let mut screen = climb.start(Setting::default());
    screen.keys("\r\r");
    screen.wait("the echo", |text| text.lines().count() > 5);
    climb.open("behind", "a garden");
    climb.open("door", "open");
    screen.wait("the menu", menu);
    screen.keys(DOWN);
    screen.wait("the choice", |text| text.contains("❯ Retest this step"));
    screen.keys("\u{1b}");
    assert_eq!(screen.end().0, 1);
}

#[test]
fn where_nothing_can_be_redrawn_there_are_plain_lines_and_no_escape_byte() {
    let climb = Climb::new();
    climb.open("door", "open");
    let (_held, slow) = slow_connection();
    let args: Vec<&str> = climb.args().into_iter().chain(["--no-input"]).collect();
    let env =
        |name, value: &str| Setting { env: vec![(name, value.to_owned())], ..Setting::default() };
    let cases = [
        ("a dumb terminal", Setting { term: "dumb", ..Setting::default() }),
        ("no terminal type", Setting { term: "", ..Setting::default() }),
        ("a build", env("CI", "true")),
        ("a window without a size", Setting { columns: 0, ..Setting::default() }),
        (
            "a slow line",
            Setting {
                env: vec![("SSH_CONNECTION", slow), ("NO_COLOR", "1".to_owned())],
                ..Setting::default()
            },
        ),
    ];
    for (what, setting) in cases {
        let _ = fs::remove_file(climb.folder.0.join("behind"));
        let mut screen = Screen::start(&args, setting);
        plain(&climb, &mut screen, what);
    }
    let mut command = Command::new("script");
    let line = [&[env!("CARGO_BIN_EXE_tcpdoctor")], &args[..]].concat().join(" ");
    command.args(["-qec", &line, "/dev/null"]);
    let _ = fs::remove_file(climb.folder.0.join("behind"));
    let mut screen = Screen::of(&mut command, Setting::default());
    plain(&climb, &mut screen, "script");
}

/// Lets it come to its end when it has told what takes so long; no byte may be an escape.
fn plain(climb: &Climb, screen: &mut Screen, what: &str) {
    screen.wait_raw(what, |raw| raw.contains("... host: Look behind the door"));
    climb.open("behind", "a garden");
    let (status, _) = screen.end();
    assert_eq!(status, 1, "{what}");
    let raw = String::from_utf8(screen.raw()).expect("UTF-8");
    assert!(!raw.contains('\u{1b}'), "{what}: {raw:?}");
    let lines: Vec<&str> = raw.lines().map(str::trim_end).collect();
    assert!(lines[0].starts_with("... ") && lines[1].starts_with("✗ FAULT"), "{what}: {raw}");
    assert_eq!(raw.matches("Look behind the door").count(), 1, "told once, {what}: {raw}");
}

/// A connection on which more waits than a screen, as `SSH_CONNECTION` names it.
fn slow_connection() -> ((TcpStream, TcpStream), String) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let client = TcpStream::connect(listener.local_addr().expect("bound")).expect("it listens");
    let (mut server, _) = listener.accept().expect("a client");
    server.set_nonblocking(true).expect("a socket");
    while server.write(&[0; 65_536]).is_ok() {}
    let (from, to) = (client.local_addr().expect("bound"), server.local_addr().expect("bound"));
    let name = format!("127.0.0.1 {} 127.0.0.1 {}", from.port(), to.port());
    ((client, server), name)
}

/// Takes a second, then leaves a mark, whether anybody watches or not.
const MARKS: &str = "format: 1
name: marks
title: T
start: wait
steps:
  wait: {title: Wait, layer: dns, probe: exec, with: {argv: [sleep, '1']}, branches: [{else: mark}]}
  mark: {title: Leave a mark, layer: host, probe: exec, with: {argv: [touch, FOLDER/mark]}, branches: [{else: healthy}]}
";

#[test]
fn a_terminal_that_takes_nothing_does_not_hold_up_the_run_nor_do_frames_pile_up() {
    let folder = Folder::new();
    let book = folder.file("marks.yaml", MARKS.replace("FOLDER", &folder.0.to_string_lossy()));
    let args = ["diagnose", "--runbook", &book, "--allow-exec"];
    let mut screen = Screen::start(&args, Setting { deaf: true, ..Setting::default() });
    screen.until("the mark", || folder.0.join("mark").exists());
    screen.listen();
    let (status, last) = screen.end();
    assert_eq!(status, 0, "{last}");
    assert!(last.contains("HEALTHY") && !turns(&last), "{last}");
    let raw = String::from_utf8_lossy(&screen.raw()).into_owned();
    let frames = raw.matches("\u{1b}[?7l").count();
    // One that waited, one after it at most, and the last that clears.
    assert!((1..=3).contains(&frames), "{frames} frames");
}

#[test]
fn check_draws_a_counter_where_it_can_and_lines_elsewhere() {
    let target = format!("127.0.0.1:{}", closed_port());
    let args = ["check", &target];
    let mut screen = Screen::start(&args, Setting::default());
    let (status, last) = screen.end();
    assert_eq!(status, 1, "{last}");
    assert!(!last.contains("of 1 targets"), "nothing of it is left: {last}");
    let mut screen = Screen::start(&args, Setting { term: "dumb", ..Setting::default() });
    let (status, last) = screen.end();
    assert_eq!(status, 1, "{last}");
    assert!(last.starts_with("[1/1] failed"), "{last}");
    assert!(!screen.raw().contains(&0x1b), "{last}");
}
