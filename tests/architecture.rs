//! The house rules: which room may look into which, where `unsafe` and printing live, how long files
//! may be. See docs/ARCHITECTURE.md.
#![allow(clippy::disallowed_methods)] // this test reads the sources

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

/// Every room, and the rooms that it may import besides itself.
const ROOMS: &[(&str, &[&str])] = &[
    ("model", &[]),
    ("wire", &[]),
    ("sys", &["model", "wire"]),
    ("probe", &["model", "wire", "sys"]),
    ("runbook", &["model", "probe"]),
    ("engine", &["model", "sys", "probe", "runbook"]),
    ("render", &["model"]),
    ("cli", &["model", "sys", "probe", "runbook", "engine", "render"]),
];

/// Files with more lines of product code (unit tests do not count) are split, or stand here with the
/// reason.
const LINES: usize = 450;
const LONG: &[(&str, usize, &str)] = &[
    ("probe/firewall/matching.rs", 600, "one arm for each nftables expression"),
    ("runbook/load.rs", 500, "finding, opening and checking a runbook recurse into each other"),
    ("runbook/keys/table.rs", 550, "one table, mostly prose"),
    ("sys/rtnl.rs", 550, "one function for each rtnetlink question"),
];

struct Source {
    /// Relative to `src`, with slashes.
    path: String,
    text: String,
}

impl Source {
    fn room(&self) -> &str {
        self.path.split(['/', '.']).next().unwrap_or_default()
    }

    /// Whether the whole file holds unit tests.
    fn is_tests(&self) -> bool {
        self.path.ends_with("tests.rs") || self.path.contains("/tests/")
    }

    /// The lines of product code: without comments, and without unit tests, which end a file.
    fn code(&self) -> impl Iterator<Item = (usize, &str)> {
        let text = if self.is_tests() { "" } else { &self.text };
        text.lines()
            .enumerate()
            .take_while(|(_, line)| line.trim() != "#[cfg(test)]")
            .map(|(nth, line)| (nth + 1, without_comment(line)))
    }
}

fn without_comment(line: &str) -> &str {
    let start = line.find("//").filter(|at| !line[..*at].ends_with(':'));
    start.map_or(line, |at| &line[..at])
}

fn sources() -> Vec<Source> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut folders = vec![root.clone()];
    let mut sources = Vec::new();
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).expect("a readable folder") {
            let path: PathBuf = entry.expect("a readable entry").path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                let relative = path.strip_prefix(&root).expect("below src");
                sources.push(Source {
                    path: relative.to_string_lossy().replace('\\', "/"),
                    text: fs::read_to_string(&path).expect("a readable source"),
                });
            }
        }
    }
    sources.sort_by(|a, b| a.path.cmp(&b.path));
    assert!(sources.len() > 40, "the sources were not found");
    sources
}

/// Returns the first path segments behind every `crate::`, also inside `use crate::{a, b::c}`.
fn imports(code: &str) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    for (at, _) in code.match_indices("crate::") {
        // `$crate::` and `xcrate::` are something else.
        if code[..at].ends_with(|c: char| c.is_alphanumeric() || c == '_') {
            continue;
        }
        let rest = &code[at + "crate::".len()..];
        match rest.strip_prefix('{') {
            None => found.extend(segment(rest)),
            Some(inside) => {
                let mut depth = 0;
                let mut start = true;
                for (at, c) in inside.char_indices() {
                    match c {
                        '{' => depth += 1,
                        '}' if depth == 0 => break,
                        '}' => depth -= 1,
                        ',' if depth == 0 => start = true,
                        c if start && !c.is_whitespace() => {
                            found.extend(segment(&inside[at..]));
                            start = false;
                        }
                        _ => {}
                    }
                }
            }
        }
    }
    found
}

fn segment(text: &str) -> Option<String> {
    let end = text.find(|c: char| !c.is_alphanumeric() && c != '_');
    let name = &text[..end.unwrap_or(text.len())];
    (!name.is_empty()).then(|| name.to_owned())
}

#[test]
fn every_room_imports_only_what_it_may() {
    let mut wrong = Vec::new();
    for source in sources() {
        let room = source.room();
        if matches!(room, "lib" | "main") {
            continue;
        }
        let (_, allowed) = ROOMS
            .iter()
            .find(|(name, _)| *name == room)
            .unwrap_or_else(|| panic!("src/{} belongs to no room", source.path));
        let code: Vec<&str> = source.code().map(|(_, line)| line).collect();
        for import in imports(&code.join("\n")) {
            let is_room = ROOMS.iter().any(|(name, _)| *name == import);
            if is_room && import != room && !allowed.contains(&import.as_str()) {
                wrong.push(format!("src/{} ({room}) imports {import}", source.path));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn no_probe_imports_another_and_runbooks_know_only_their_contracts() {
    let mut wrong = Vec::new();
    for source in sources() {
        for (line, code) in source.code() {
            let probe = source.path.strip_prefix("probe/");
            if let Some(file) = probe.filter(|file| !matches!(*file, "mod.rs" | "schema.rs")) {
                let own = file.split(['/', '.']).next().unwrap_or_default();
                for (at, _) in code.match_indices("crate::probe::") {
                    let other = segment(&code[at + "crate::probe::".len()..]);
                    let other = other.unwrap_or_default();
                    let is_probe = sources_of_probes().contains(&other);
                    if is_probe && other != own {
                        wrong.push(format!("src/{}:{line} uses probe {other}", source.path));
                    }
                }
            }
            if source.room() == "runbook" && awaits(code) {
                wrong.push(format!("src/{}:{line} awaits", source.path));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

fn awaits(code: &str) -> bool {
    let keyword = |at: usize| {
        let next = code[at + ".await".len()..].chars().next();
        next.is_none_or(|c| !c.is_alphanumeric() && c != '_')
    };
    code.match_indices(".await").any(|(at, _)| keyword(at))
}

/// The names of the probes' modules, read from the registry's file.
fn sources_of_probes() -> BTreeSet<String> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/probe/mod.rs");
    let text = fs::read_to_string(path).expect("the registry");
    let specs = text.lines().filter_map(|line| line.trim().strip_prefix("Spec::of::<"));
    specs.filter_map(segment).collect()
}

#[test]
fn unsafe_code_lives_in_sys_only_and_says_why_it_is_sound() {
    let mut wrong = Vec::new();
    for source in sources() {
        let lines: Vec<&str> = source.text.lines().collect();
        for (line, code) in source.code() {
            let is_unsafe = code.contains("unsafe {")
                || code.contains("unsafe fn")
                || code.contains("unsafe impl")
                || code.contains("allow(unsafe_code");
            if !is_unsafe {
                continue;
            }
            if source.room() != "sys" {
                wrong.push(format!("src/{}:{line} is unsafe outside sys", source.path));
            }
            let above = &lines[line.saturating_sub(8)..line];
            let explained =
                above.iter().any(|line| line.contains("SAFETY:") || line.contains("# Safety"));
            if !code.contains("allow(") && !explained {
                wrong.push(format!("src/{}:{line} has no SAFETY comment", source.path));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn only_the_command_line_prints() {
    let mut wrong = Vec::new();
    for source in sources() {
        if matches!(source.room(), "cli") {
            continue;
        }
        for (line, code) in source.code() {
            let prints = ["println!", "print!(", "eprint!(", "dbg!", "io::stdout", "io::stderr"];
            if prints.iter().any(|print| code.contains(print)) {
                wrong.push(format!("src/{}:{line}: {}", source.path, code.trim()));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn the_pure_rooms_know_no_clock_no_socket_no_file_and_no_process() {
    let banned = [
        "std::net::Tcp",
        "std::net::Udp",
        "std::fs",
        "std::process",
        "Instant",
        "SystemTime",
        "socket2",
        "libc::",
        "nix::",
        "tokio",
    ];
    let mut wrong = Vec::new();
    for source in sources() {
        if !matches!(source.room(), "model" | "wire" | "render") {
            continue;
        }
        for (line, code) in source.code() {
            // Constants of the kernel's interface are no I/O.
            if source.room() == "wire" && code.contains("libc::") {
                continue;
            }
            if let Some(word) = banned.iter().find(|word| code.contains(**word)) {
                wrong.push(format!("src/{}:{line} uses {word}", source.path));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn files_stay_short_enough_to_be_read_in_one_sitting() {
    let mut wrong = Vec::new();
    for source in sources() {
        let lines = source.code().count();
        let listed = LONG.iter().find(|(path, ..)| *path == source.path);
        let most = listed.map_or(LINES, |(_, most, _)| *most);
        if lines > most {
            wrong.push(format!("src/{} has {lines} lines, more than {most}", source.path));
        }
    }
    for (path, _, reason) in LONG {
        assert!(!reason.is_empty());
        if !Path::new(env!("CARGO_MANIFEST_DIR")).join("src").join(path).exists() {
            wrong.push(format!("src/{path} is on the list and does not exist"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn every_module_begins_by_saying_what_it_is_for() {
    for source in sources().iter().filter(|source| !source.is_tests()) {
        assert!(source.text.starts_with("//!"), "src/{}", source.path);
        let stem = source.path.rsplit('/').next().unwrap_or_default();
        for vague in ["utils.rs", "util.rs", "helpers.rs", "common.rs", "misc.rs", "manager.rs"] {
            assert_ne!(stem, vague, "src/{}", source.path);
        }
    }
}

#[test]
fn the_scanner_sees_nested_imports() {
    let code = "use crate::{model::target, sys::{clock, caps}};\nlet x = crate::wire::ip();";
    let found: Vec<String> = imports(code).into_iter().collect();
    assert_eq!(found, ["model", "sys", "wire"]);
}
