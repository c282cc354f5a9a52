//! `tcpdoctor runbook list`, `show` and `new`, and what a runbook made of several files may do: the
//! real binary.
#![allow(clippy::disallowed_methods)] // these tests start the binary and read what it wrote

mod common;

use std::fs;
use std::net::TcpListener;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::process::{Command, Stdio};
use std::time::Instant;

use common::{Done, PATIENCE, done};
use serde_json::Value;

/// A folder of its own for one test, removed at its end; the binary runs in it.
struct Folder(common::Folder);

impl Folder {
    fn new() -> Folder {
        Folder(common::Folder::new())
    }

    /// Writes a file that only its owner may write, whatever the umask.
    fn file(&self, name: &str, text: &str) {
        let path = self.0.file(name, text);
        fs::set_permissions(path, fs::Permissions::from_mode(0o644)).expect("a mode");
    }

    fn path(&self, name: &str) -> String {
        self.0.path(name)
    }

    fn command(&self, args: &[&str]) -> Command {
        let mut command = common::command(args);
        command.current_dir(&self.0.0).env("HOME", &self.0.0);
        command
    }

    fn run(&self, args: &[&str]) -> Done {
        done(&mut self.command(args))
    }

    fn refused(&self, args: &[&str], says: &str) {
        let done = self.run(args);
        assert_eq!((done.status, done.stdout.as_str()), (Some(2), ""), "{args:?}: {}", done.stderr);
        assert!(done.stderr.contains(says), "{args:?}: {}", done.stderr);
    }
}

/// A runbook with one step.
fn one(head: &str, step: &str) -> String {
    format!(
        "format: 1\nname: one\ntitle: One\n{head}start: look\nsteps:\n  look:\n    title: Look\n    layer: host\n{step}    branches:\n      - else: healthy\n"
    )
}

#[test]
fn a_name_hides_others_and_list_and_report_say_so() {
    let folder = Folder::new();
    folder
        .file("runbooks/connect.yaml", "format: 1\nname: connect\ntitle: Ours\nextends: connect\n");
    folder.file(".config/tcpdoctor/runbooks/connect.yaml", &one("", "    decide: true\n"));
    folder.file(".config/tcpdoctor/runbooks/broken.yaml", "format: 1\nname: broken\n");
    folder.file("runbooks/words.yaml", "format: 1\ndiagnoses: {}\n");
    let list = folder.run(&["runbook", "list", "--format", "json"]).json();
    let found = |name: &str| {
        let all = list["runbooks"].as_array().expect("a list");
        all.iter().find(|entry| entry["name"] == name).cloned()
    };
    let ours = found("connect").expect("listed");
    assert_eq!(
        (&ours["title"], &ours["source"]),
        (&"Ours".into(), &"runbooks/connect.yaml".into())
    );
    assert_eq!(ours["shadows"].as_array().map(Vec::len), Some(2));
    assert!(found("broken").expect("listed")["problem"].is_string());
    assert!(found("words").is_none(), "diagnoses to include are no runbook");
    let text = folder.run(&["runbook", "list"]).stdout;
    assert!(text.contains("Ours (hides") && text.contains("built in"), "{text}");

    // It extends what it hides: here that is the one in the user's folder.
    let listener = TcpListener::bind("127.0.0.1:0").expect("a listener");
    let target = listener.local_addr().expect("an address").to_string();
    let done = folder.run(&["diagnose", "--runbook", "connect", &target, "--format", "json"]);
    assert!(
        done.stderr.contains("note: runbook connect is \"runbooks/connect.yaml\""),
        "{}",
        done.stderr
    );
    let report = done.json();
    let shadow = &report["runbook"]["shadows"][0];
    assert_eq!(shadow["hides"].as_array().and_then(|hides| hides.last()), Some(&"builtin".into()));
    assert_eq!(report["path"], serde_json::json!(["look"]));
    // Without a name the built-in one is meant, and nothing is hidden.
    let plain = folder.run(&["diagnose", &target, "--format", "json"]);
    assert_eq!(
        (plain.stderr.as_str(), &plain.json()["runbook"]["source"]),
        ("", &"builtin".into())
    );
}

#[test]
fn what_is_new_loads_and_is_never_written_over_anything() {
    let folder = Folder::new();
    let kinds = folder.run(&["runbook", "new", "--format", "json"]).json();
    let kinds: Vec<String> = kinds
        .as_array()
        .expect("a list")
        .iter()
        .map(|kind| kind["kind"].as_str().expect("a word").to_owned())
        .collect();
    assert!(kinds.len() >= 5);
    for kind in &kinds {
        let file = format!("my-{kind}.yaml");
        assert_eq!(folder.run(&["runbook", "new", kind, &file]).status, Some(0), "{kind}");
        let text = fs::read_to_string(folder.path(&file)).expect("written");
        assert!(text.starts_with("# yaml-language-server: $schema="), "{kind}");
        assert!(
            text.contains(&format!("--runbook {file}")),
            "{kind}: its own name in the comments"
        );
        let shown = folder.run(&["runbook", "show", &file]);
        assert_eq!(shown.status, Some(0), "{}", shown.stderr);
        assert!(shown.stdout.starts_with(&format!("my-{kind}: ")), "{}", shown.stdout);
        folder.refused(&["runbook", "new", kind, &file], "is there already");
        assert_eq!(fs::read_to_string(folder.path(&file)).expect("still there"), text);
        let printed = folder.run(&["runbook", "new", kind]);
        assert!(printed.stdout.contains("\nname: my-service\n"), "{}", printed.stdout);
    }
    folder.refused(&["runbook", "new", "tpc"], "did you mean tcp?");
    folder.refused(&["runbook", "new", "tcp", "My.yaml"], "cannot be a runbook's file");
    folder.refused(&["runbook", "new", "tcp", "gone/my.yaml"], "its folder does not exist");
    folder.refused(&["runbook", "new", "tcp", "--format", "json"], "does not write json");
}

#[test]
fn the_resolved_form_is_one_file_that_is_the_same_runbook() {
    let folder = Folder::new();
    folder.file(
        "mine.yaml",
        "format: 1\nname: mine\nextends: connect\ninclude: [lib/words.yaml]\nparams: {attempts: {default: 2}}\nsteps:\n  mtu: {disable: echo}\n  greeting: {add: {branches: [{when: result.outcome == \"silent\" && target.port == 1, conclude: x-a.b}]}}\n  refused:\n    title: Just refused\n    layer: transport\n    decide: true\n    branches: [{else: inconclusive}]\n",
    );
    folder.file(
        "lib/words.yaml",
        "format: 1\ndiagnoses:\n  # lint: allow TD110\n  x-a.b: {layer: host, severity: warning, location: target, title: T, summary: \"a: 'b' \\\"c\\\" # d\"}\n",
    );
    let resolved = folder.run(&["runbook", "show", "mine.yaml", "--resolved"]);
    assert_eq!(resolved.status, Some(0), "{}", resolved.stderr);
    assert!(!resolved.stdout.contains("extends:") && !resolved.stdout.contains("include:"));
    folder.file("whole/mine.yaml", &resolved.stdout);
    // What the author allowed, and what only steps used that are gone, is no news.
    let linted = folder.run(&["runbook", "lint", "whole/mine.yaml"]);
    assert!(linted.stdout.contains("nothing to mend"), "{}", linted.stdout);
    assert!(resolved.stdout.contains("# lint: allow TD110\n"), "{}", resolved.stdout);
    let again = folder.run(&["runbook", "show", "whole/mine.yaml", "--resolved"]);
    assert_eq!(again.stdout, resolved.stdout, "{}", again.stderr);
    let (mut a, mut b) = (
        folder.run(&["runbook", "show", "mine.yaml", "--format", "json"]).json(),
        folder.run(&["runbook", "show", "whole/mine.yaml", "--format", "json"]).json(),
    );
    assert!(a["left_out"].as_array().expect("a list").contains(&"middlebox".into()), "{a}");
    assert_eq!(a["files"].as_array().map(Vec::len), Some(3));
    for own in ["source", "sha256", "files", "left_out"] {
        (a[own], b[own]) = (Value::Null, Value::Null);
    }
    assert_eq!(a, b);
}

#[test]
fn a_built_in_runbook_resolves_to_itself() {
    let folder = Folder::new();
    for name in ["connect", "listen", "close_wait", "kernel", "intermittent"] {
        folder.file("whole.yaml", &folder.run(&["runbook", "show", name, "--resolved"]).stdout);
        let (mut a, mut b) = (
            folder.run(&["runbook", "show", name, "--format", "json"]).json(),
            folder.run(&["runbook", "show", "whole.yaml", "--format", "json"]).json(),
        );
        for own in ["source", "sha256", "files"] {
            (a[own], b[own]) = (Value::Null, Value::Null);
        }
        assert_eq!(a, b, "{name}");
    }
}

#[test]
fn the_digest_covers_every_file_of_a_runbook() {
    let folder = Folder::new();
    folder.file("a.yaml", "format: 1\nname: a\nextends: b.yaml\n");
    folder.file(
        "b.yaml",
        &one("include: [c.yaml]\n", "    use: d.yaml\n    unknown: inconclusive\n"),
    );
    folder.file("c.yaml", "format: 1\ndiagnoses: {}\n");
    folder.file("d.yaml", &one("", "    decide: true\n"));
    let digest = || {
        let shown = folder.run(&["runbook", "show", "a.yaml", "--format", "json"]).json();
        let files = shown["files"].as_array().expect("a list").clone();
        let sources: Vec<&str> = files.iter().filter_map(|file| file["source"].as_str()).collect();
        assert_eq!(sources, ["a.yaml", "b.yaml", "c.yaml", "d.yaml"]);
        shown["sha256"].clone()
    };
    let first = digest();
    for name in ["a.yaml", "b.yaml", "c.yaml", "d.yaml"] {
        let text = fs::read_to_string(folder.path(name)).expect("there");
        folder.file(name, &format!("{text}# changed\n"));
        assert_ne!(digest(), first, "{name}");
        folder.file(name, &text);
    }
    assert_eq!(digest(), first);
}

#[test]
fn files_outside_the_folder_and_pipes_are_not_read() {
    let folder = Folder::new();
    folder.file("secret.yaml", "format: 1\ndiagnoses: {}\n");
    folder.file("in/words.yaml", "format: 1\ndiagnoses: {}\n");
    let included = |file: &str| {
        folder.file("in/a.yaml", &one(&format!("include: [{file}]\n"), "    decide: true\n"));
    };
    included("words.yaml");
    assert_eq!(folder.run(&["runbook", "show", "in/a.yaml"]).status, Some(0));
    symlink("words.yaml", folder.path("in/inside.yaml")).expect("a link");
    included("inside.yaml");
    assert_eq!(
        folder.run(&["runbook", "show", "in/a.yaml"]).status,
        Some(0),
        "links inside are fine"
    );
    symlink("../secret.yaml", folder.path("in/out.yaml")).expect("a link");
    symlink("..", folder.path("in/up")).expect("a link");
    let fifo = folder.path("in/pipe.yaml");
    assert!(Command::new("mkfifo").arg(&fifo).status().is_ok_and(|status| status.success()));
    for (file, says) in [
        ("out.yaml", "is a link that leads out of the folder"),
        ("up/secret.yaml", "is a link that leads out of the folder"),
        ("../secret.yaml", "leads out of the folder"),
        ("/etc/passwd", "is an absolute path"),
        ("pipe.yaml", "it is no regular file"),
        (".", "directory"),
    ] {
        included(file);
        folder.refused(&["runbook", "show", "in/a.yaml"], says);
    }
}

#[test]
fn other_machines_are_contacted_only_when_the_user_says_so() {
    let folder = Folder::new();
    // 192.0.2.1 is for documentation (RFC 5737); nothing is ever sent to it here.
    let step =
        "    probe: ping\n    with: {address: 192.0.2.1, count: 1}\n    unknown: inconclusive\n";
    folder.file("undeclared.yaml", &one("", step));
    folder.refused(
        &["diagnose", "--runbook", "undeclared.yaml", "127.0.0.1:9"],
        "`192.0.2.1` is not the target",
    );
    folder.file("declared.yaml", &one("contacts: [192.0.2.1]\n", step));
    let computed = step.replace("192.0.2.1", "\"{{ '192.0.2.' + '1' }}\"");
    folder.file("computed.yaml", &one("", &computed));
    // The route probe repeats what it was asked, which makes it no more the user's.
    let echo = "    probe: route\n    with: {addresses: [192.0.2.1]}\n    unknown: inconclusive\n";
    let echo = one("", echo).replace("else: healthy", "else: ping")
        + "  ping:\n    title: T\n    layer: host\n    probe: ping\n    with: {address: \"{{ look.routes[0].address }}\"}\n    branches:\n      - else: healthy\n    unknown: inconclusive\n";
    folder.file("echo.yaml", &echo);
    for file in ["declared.yaml", "computed.yaml", "echo.yaml"] {
        let done = folder.run(&["diagnose", "--runbook", file, "127.0.0.1:9", "--format", "json"]);
        let report = done.json();
        assert_eq!(done.status, Some(3), "{file}: {report:#}");
        assert_eq!(report["diagnosis"]["id"], "inconclusive.not_allowed", "{file}");
        let last = &report["steps"][report["path"].as_array().map_or(0, Vec::len) - 1];
        assert_eq!(last["unknown"]["capability"], "--allow-target 192.0.2.1", "{file}");
        assert_eq!(last["observation"], Value::Null);
        assert_eq!(done.stderr.contains("--allow-target 192.0.2.1"), file == "declared.yaml");
    }
    // What the user gave is the user's: the target, a parameter, this machine.
    let param = "    probe: ping\n    with: {address: \"{{ params.peer }}\", count: 1}\n    unknown: inconclusive\n";
    folder.file("param.yaml", &one("params: {peer: {type: text, default: 192.0.2.1}}\n", param));
    let run = |more: &[&str]| {
        let args = ["diagnose", "--runbook", "param.yaml", "127.0.0.1:9", "--format", "json"];
        folder.run(&[&args[..], more].concat()).json()
    };
    assert_eq!(run(&[])["diagnosis"]["id"], "inconclusive.not_allowed");
    assert_eq!(run(&["--param", "peer=127.0.0.2"])["verdict"], "healthy");
    folder.refused(
        &["diagnose", "--allow-target", "https://a", "127.0.0.1:9"],
        "a URL is no machine",
    );
}

const PROGRAM: &str = "    probe: exec\n    with: {argv: [sh, -c, \"echo '{\\\"lag\\\": 7}'; touch ran\"], timeout_ms: 20000}\n    unknown: inconclusive\n";

#[test]
fn programs_run_only_when_allowed_and_only_for_files_that_nobody_else_may_write() {
    let folder = Folder::new();
    let text = one("", PROGRAM).replace(
        "- else: healthy",
        "- {when: result.json.lag == 7, goto: healthy}\n      - else: inconclusive",
    );
    folder.file("program.yaml", &text);
    let run = |more: &[&str]| {
        let args = ["diagnose", "--runbook", "program.yaml", "127.0.0.1:9", "--format", "json"];
        folder.run(&[&args[..], more].concat())
    };
    let ran = || fs::remove_file(folder.path("ran")).is_ok();
    let refused = run(&[]);
    assert_eq!(refused.status, Some(3));
    let why = &refused.json()["steps"][0]["unknown"];
    assert_eq!(
        (&why["why"], &why["capability"]),
        (&"not_permitted".into(), &"--allow-exec".into())
    );
    assert!(refused.stderr.contains("--allow-exec") && !ran());

    let allowed = run(&["--allow-exec", "--output", "json=report.json"]);
    assert_eq!(allowed.status, Some(0), "{}{}", allowed.stderr, allowed.stdout);
    assert_eq!(allowed.json()["steps"][0]["observation"]["json"]["lag"], 7);
    assert!(ran());
    // A replay runs nothing.
    let replayed = folder.run(&["replay", "report.json", "--format", "json"]);
    assert_eq!((replayed.status, ran()), (Some(0), false), "{}", replayed.stderr);

    for (mode, says) in [(0o666, "everybody may write it"), (0o664, "its group may write it")] {
        fs::set_permissions(folder.path("program.yaml"), fs::Permissions::from_mode(mode))
            .expect("a mode");
        let refused = run(&["--allow-exec"]);
        assert_eq!((refused.status, ran()), (Some(2), false));
        assert!(refused.stderr.contains(says), "{}", refused.stderr);
    }
    // A file that is extended counts as well.
    fs::set_permissions(folder.path("program.yaml"), fs::Permissions::from_mode(0o666))
        .expect("a mode");
    folder.file("over.yaml", "format: 1\nname: over\nextends: program.yaml\n");
    folder.refused(
        &["diagnose", "--runbook", "over.yaml", "127.0.0.1:9", "--allow-exec"],
        "program.yaml",
    );
    folder.refused(&["probe", "exec", "--with", "argv=true"], "runs a program");
    let probe = folder.run(&["probe", "exec", "--with", "argv=echo,hello", "--allow-exec"]);
    assert!(probe.stdout.contains("echo exited with 0: hello"), "{}", probe.stdout);
}

#[test]
fn an_interrupt_ends_the_program_and_all_that_it_started() {
    let folder = Folder::new();
    let step = "    probe: exec\n    with: {argv: [sh, -c, \"sleep 600 & echo $! > pid.tmp; mv pid.tmp pid; wait\"], timeout_ms: 600000}\n    unknown: inconclusive\n";
    folder.file("program.yaml", &one("", step));
    let args =
        ["diagnose", "--runbook", "program.yaml", "127.0.0.1:9", "--allow-exec", "--budget", "5m"];
    let mut child = folder
        .command(&args)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .expect("the binary runs");
    let end = Instant::now() + PATIENCE;
    let pid = loop {
        if let Ok(pid) = fs::read_to_string(folder.path("pid")) {
            break pid.trim().to_owned();
        }
        assert!(Instant::now() < end, "the program does not start");
        std::thread::yield_now();
    };
    let id = nix::unistd::Pid::from_raw(i32::try_from(child.id()).expect("a pid"));
    nix::sys::signal::kill(id, nix::sys::signal::Signal::SIGINT).expect("a signal");
    assert_eq!(child.wait().expect("it ends").code(), Some(130));
    let gone = || {
        let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
        stat.is_empty() || stat.contains(") Z ")
    };
    while !gone() {
        assert!(Instant::now() < end, "what the program started is still there");
        std::thread::yield_now();
    }
}
