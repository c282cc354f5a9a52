//! Where the output goes has been closed, or takes no more: nothing is said of it, nothing panics, and the
//! status is that of the result.

use std::fs::OpenOptions;
use std::os::fd::OwnedFd;
use std::process::Command;

use nix::fcntl::OFlag;
use nix::unistd::pipe2;

use crate::closed_port;
use crate::ladder::Climb;
use crate::screen::{Screen, Setting};

/// The end of a pipe that nobody reads.
fn closed_pipe() -> OwnedFd {
    pipe2(OFlag::O_CLOEXEC).expect("a pipe").1
}

#[test]
fn a_reader_who_has_enough_ends_the_report_quietly() {
    let target = format!("127.0.0.1:{}", closed_port());
    let program = env!("CARGO_BIN_EXE_tcpdoctor");
    // The status of the program, not that of head.
    let line = format!("{{ {program} diagnose {target} -v; echo status $? >&2; }} | head -1");
    let mut command = Command::new("sh");
    command.args(["-c", &line]);
    let mut screen = Screen::of(&mut command, Setting::default());
    let (_, last) = screen.end();
    let mut lines: Vec<&str> = last.lines().filter(|line| !line.trim().is_empty()).collect();
    // Which of the two writes first is open; the settled ladder stays, as the report goes elsewhere.
    lines.retain(|line| !line.starts_with("  "));
    lines.sort_unstable();
    assert_eq!(lines.len(), 2, "{last}");
    assert_eq!(lines[0], "status 1", "{last}");
    assert!(lines[1].contains("FAULT"), "{last}");
}

#[test]
fn a_closed_stdout_or_stderr_changes_nothing_but_what_is_seen() {
    let target = format!("127.0.0.1:{}", closed_port());
    let full = || OpenOptions::new().write(true).open("/dev/full").expect("/dev/full").into();
    let cases = [
        ("stdout", Setting { stdout: Some(closed_pipe()), ..Setting::default() }, ""),
        (
            "stderr",
            Setting { stderr: Some(closed_pipe()), ..Setting::default() },
            "Nothing listens",
        ),
        (
            "both",
            Setting {
                stdout: Some(closed_pipe()),
                stderr: Some(closed_pipe()),
                ..Setting::default()
            },
            "",
        ),
        (
            "a full disk",
            Setting { stdout: Some(full()), ..Setting::default() },
            "could not be written",
        ),
    ];
    for (what, setting, shown) in cases {
        let mut screen = Screen::start(&["diagnose", &target, "-v"], setting);
        let (status, last) = screen.end();
        assert_eq!(status, 1, "{what}: {last}");
        assert!(last.contains(shown), "{what}: {last}");
        assert!(!last.contains("panicked") && !last.contains("Broken pipe"), "{what}: {last}");
    }
}

#[test]
fn descriptors_that_are_not_open_at_all_are_no_reason_to_fail() {
    let target = format!("127.0.0.1:{}", closed_port());
    for closed in [">&-", "2>&-", "<&-", "<&- >&- 2>&-"] {
        let line = format!("exec {} diagnose {target} {closed}", env!("CARGO_BIN_EXE_tcpdoctor"));
        let mut command = Command::new("sh");
        command.args(["-c", &line]);
        let mut screen = Screen::of(&mut command, Setting::default());
        let (status, last) = screen.end();
        assert_eq!(status, 1, "{closed}: {last}");
        assert!(!last.contains("panicked"), "{closed}: {last}");
    }
}

#[test]
fn the_settled_ladder_stays_where_the_report_goes_elsewhere() {
    let climb = Climb::new();
    let (reader, writer) = pipe2(OFlag::O_CLOEXEC).expect("a pipe");
    let setting = Setting { stdout: Some(writer), ..Setting::default() };
    let mut screen = climb.start(setting);
    climb.open("behind", "a garden");
    climb.open("door", "open");
    let (status, last) = screen.end();
    assert_eq!(status, 1, "{last}");
    let lines: Vec<&str> = last.lines().map(str::trim_end).collect();
    assert!(lines[0].starts_with("  ✓ dns          The name is there"), "{last}");
    assert!(lines[1].starts_with("  ✓ transport    The door says open"), "{last}");
    assert!(lines[2].contains("Behind it is a garden") && lines.len() == 3, "{last}");
    drop(reader);
}
