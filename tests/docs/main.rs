//! The documents that newcomers follow: what they tell people to type works and prints what they say,
//! and the reference is that of the program.
//!
//! A block that begins with ```` ```sh tested ```` is run line by line: `tcpdoctor` and
//! `cargo run --release --` stand for the binary under test. A line may end in `# exit 1`, or
//! `# exit 0 or 1`; without that it must exit with 0. A block of kind `yaml file=PATH` is written to
//! that file first. When a block of kind `text output` follows, the last line's stdout must equal it;
//! `UPDATE_DOCS=1 cargo test --test docs` writes it anew.
#![allow(clippy::disallowed_methods)] // this test runs what the documents say

mod reference;

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn updates() -> bool {
    std::env::var_os("UPDATE_DOCS").is_some()
}

/// A fenced block: its info string, its first content line's number, its content.
struct Block {
    info: String,
    first: usize,
    lines: Vec<String>,
}

fn blocks(text: &str) -> Vec<Block> {
    let mut blocks = Vec::new();
    let mut open: Option<Block> = None;
    for (nth, line) in text.lines().enumerate() {
        match (line.strip_prefix("```"), open.take()) {
            (Some(info), None) => {
                open =
                    Some(Block { info: info.trim().to_owned(), first: nth + 1, lines: Vec::new() });
            }
            (Some(_), Some(block)) => blocks.push(block),
            (None, Some(mut block)) => {
                block.lines.push(line.to_owned());
                open = Some(block);
            }
            (None, None) => {}
        }
    }
    assert!(open.is_none(), "a block is not closed");
    blocks
}

/// Runs one line as a shell would; returns the exit status and stdout.
fn run(line: &str, folder: &Path) -> (i32, String) {
    let line = line.replace("cargo run --release --", "tcpdoctor");
    let binary = Path::new(env!("CARGO_BIN_EXE_tcpdoctor"));
    let beside = binary.parent().expect("the binary is in a folder");
    let path = std::env::var("PATH").unwrap_or_default();
    let output = Command::new("sh")
        .args(["-c", &line])
        .current_dir(folder)
        .env("PATH", format!("{}:{path}", beside.display()))
        .env("LANG", "C.UTF-8")
        .env("XDG_CONFIG_HOME", folder.join("no-config"))
        .env_remove("LC_ALL")
        .stdin(Stdio::null())
        .output()
        .expect("sh runs");
    let status = output.status.code().expect("it was not killed");
    (status, String::from_utf8(output.stdout).expect("UTF-8"))
}

/// Follows a document in a folder, from its first block to its last.
fn follow(document: &Path, folder: &Path) {
    let text = fs::read_to_string(document).expect("the document");
    let blocks = blocks(&text);
    let mut printed: Vec<(usize, Vec<String>)> = Vec::new();
    let mut wrong = String::new();
    let mut ran = 0;
    for (nth, block) in blocks.iter().enumerate() {
        if let Some(file) = block.info.strip_prefix("yaml file=") {
            let file = folder.join(file);
            fs::create_dir_all(file.parent().expect("a folder")).expect("a writable folder");
            fs::write(file, block.lines.join("\n") + "\n").expect("a writable file");
        }
        if block.info != "sh tested" {
            continue;
        }
        let mut last = String::new();
        for line in block.lines.iter().filter(|line| !line.trim().is_empty()) {
            let (command, comment) = line.split_once(" # ").unwrap_or((line, ""));
            let expected = comment.trim().strip_prefix("exit ").unwrap_or("0");
            let (status, stdout) = run(command, folder);
            if !expected.split(" or ").any(|one| one == status.to_string()) {
                let _ = writeln!(wrong, "{command}: exit {status}, not {expected}\n{stdout}");
            }
            last = stdout;
            ran += 1;
        }
        let output = blocks.get(nth + 1).filter(|next| next.info == "text output");
        let Some(output) = output else { continue };
        let lines: Vec<String> = last.lines().map(|line| line.trim_end().to_owned()).collect();
        if lines != output.lines {
            let _ = writeln!(wrong, "{} prints otherwise:\n{last}", block.lines.join("\n"));
            printed.push((nth + 1, lines));
        }
    }
    assert!(ran > 0, "no block of {} is marked as tested", document.display());
    if updates() {
        let mut lines: Vec<String> = text.lines().map(str::to_owned).collect();
        for (nth, new) in printed.into_iter().rev() {
            let block = &blocks[nth];
            lines.splice(block.first..block.first + block.lines.len(), new);
        }
        fs::write(document, lines.join("\n") + "\n").expect("a writable document");
        return;
    }
    assert!(wrong.is_empty(), "{wrong}\nUPDATE_DOCS=1 cargo test --test docs writes them anew");
}

#[test]
fn every_command_of_the_readme_does_what_it_says() {
    follow(&root().join("README.md"), root());
}

#[test]
fn the_tutorial_works_as_printed_from_an_empty_folder() {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("tutorial");
    let _ = fs::remove_dir_all(&folder);
    fs::create_dir_all(&folder).expect("a writable folder");
    follow(&root().join("docs/writing-runbooks.md"), &folder);
}

#[test]
fn the_example_runbooks_are_clean_and_their_tests_reach_every_conclusion() {
    for command in [
        "tcpdoctor runbook lint --strict examples/runbooks",
        "tcpdoctor runbook test --fail-under 100 examples/runbooks",
    ] {
        let (status, stdout) = run(command, root());
        assert_eq!(status, 0, "{command}\n{stdout}");
    }
}

#[test]
fn files_that_the_documents_link_to_exist() {
    let mut documents = vec![root().join("README.md")];
    for entry in fs::read_dir(root().join("docs")).expect("the folder docs") {
        let path: PathBuf = entry.expect("an entry").path();
        documents.extend(path.extension().is_some_and(|end| end == "md").then_some(path));
    }
    let mut links = 0;
    for document in documents {
        let text = fs::read_to_string(&document).expect("a document");
        let folder = document.parent().expect("a folder");
        for part in text.split("](").skip(1) {
            let link = part.split(')').next().unwrap_or_default();
            let file = link.split('#').next().unwrap_or_default();
            if file.is_empty() || file.contains("://") || file.contains('{') {
                continue;
            }
            assert!(folder.join(file).exists(), "{} links to {file}", document.display());
            links += 1;
        }
    }
    assert!(links > 10, "{links}");
}
