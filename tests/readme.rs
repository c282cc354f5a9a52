//! The README's own commands: what it tells people to type works, and prints what it says.
//!
//! A block that begins with ```` ```sh tested ```` is run line by line: `tcpdoctor` and
//! `cargo run --release --` stand for the binary under test. A line may end in `# exit 1`, or
//! `# exit 0 or 1`; without that it must exit with 0. When a block of kind `text output` follows, the
//! last line's stdout must equal it; `UPDATE_README=1 cargo test --test readme` writes it anew.
#![allow(clippy::disallowed_methods)] // this test runs what the README says

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

fn readme() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("README.md")
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
    assert!(open.is_none(), "a block of the README is not closed");
    blocks
}

/// Runs one line as a shell would; returns the exit status and stdout.
fn run(line: &str) -> (i32, String) {
    let line = line.replace("cargo run --release --", "tcpdoctor");
    let binary = Path::new(env!("CARGO_BIN_EXE_tcpdoctor"));
    let folder = binary.parent().expect("the binary is in a folder");
    let path = std::env::var("PATH").unwrap_or_default();
    let output = Command::new("sh")
        .args(["-c", &line])
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .env("PATH", format!("{}:{path}", folder.display()))
        .env("LANG", "C.UTF-8")
        .env_remove("LC_ALL")
        .stdin(Stdio::null())
        .output()
        .expect("sh runs");
    let status = output.status.code().expect("it was not killed");
    (status, String::from_utf8(output.stdout).expect("UTF-8"))
}

#[test]
fn every_command_marked_as_tested_does_what_the_readme_says() {
    let text = fs::read_to_string(readme()).expect("the README");
    let update = std::env::var_os("UPDATE_README").is_some();
    let blocks = blocks(&text);
    let mut lines: Vec<String> = text.lines().map(str::to_owned).collect();
    let mut wrong = String::new();
    let mut ran = 0;
    for (nth, block) in blocks.iter().enumerate().rev() {
        if block.info != "sh tested" {
            continue;
        }
        let mut last = String::new();
        for line in block.lines.iter().filter(|line| !line.trim().is_empty()) {
            let (command, comment) = line.split_once(" # ").unwrap_or((line, ""));
            let expected = comment.trim().strip_prefix("exit ").unwrap_or("0");
            let (status, stdout) = run(command);
            if !expected.split(" or ").any(|one| one == status.to_string()) {
                let _ = writeln!(wrong, "{command}: exit {status}, not {expected}");
            }
            last = stdout;
            ran += 1;
        }
        let output = blocks.get(nth + 1).filter(|next| next.info == "text output");
        let Some(output) = output else { continue };
        let printed: Vec<String> = last.lines().map(str::to_owned).collect();
        if update {
            let range = output.first..output.first + output.lines.len();
            lines.splice(range, printed);
        } else if printed != output.lines {
            let _ = writeln!(wrong, "{} prints otherwise:\n{last}", block.lines.join("\n"));
        }
    }
    if update {
        fs::write(readme(), lines.join("\n") + "\n").expect("the README can be written");
    }
    assert!(ran > 0, "no block of the README is marked as tested");
    assert!(wrong.is_empty(), "{wrong}\nUPDATE_README=1 cargo test --test readme writes them anew");
}

#[test]
fn files_that_the_readme_links_to_exist() {
    let text = fs::read_to_string(readme()).expect("the README");
    let root = readme().parent().expect("a folder").to_owned();
    let mut links = 0;
    for part in text.split("](").skip(1) {
        let link = part.split(')').next().unwrap_or_default();
        let file = link.split('#').next().unwrap_or_default();
        if file.is_empty() || file.contains("://") {
            continue;
        }
        assert!(root.join(file).exists(), "the README links to {file}");
        links += 1;
    }
    assert!(links > 0);
}
