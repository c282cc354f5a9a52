//! `tcpdoctor runbook test --from REPORT`: a real run becomes a test.

use std::io::Write as _;
use std::path::{Component, Path, PathBuf};
use std::sync::Arc;

use crate::cli::args::Global;
use crate::cli::usage::{Usage, quoted};
use crate::cli::{files, replay, runbooks, status, terminal};
use crate::engine::{record, rehearse};
use crate::runbook::Runbook;
use crate::runbook::rehearsal::{self, SUFFIX, as_file, as_item};

/// Far larger than any test file; the loader has bounds of its own.
const MOST_BYTES: u64 = 4 << 20;

/// Makes the test and adds it to a file, or prints it; returns the exit status.
pub(super) fn run(
    global: &Global,
    report: &str,
    name: Option<&str>,
    to: &[String],
) -> Result<u8, Usage> {
    let to = match to {
        [] => None,
        [one] => Some(Path::new(one)),
        _ => return Err(Usage::new("--from makes one test: name one file to add it to")),
    };
    if to.is_some_and(Path::is_dir) {
        return Err(Usage::new("--from adds the test to a file, and a folder is named")
            .help("name a file, for example runbooks/mine.test.yaml"));
    }
    let report = replay::read(report)?;
    let runbook = match &global.runbook {
        Some(name) => runbooks::load(name)?,
        None => runbooks::of_report(&report.runbook)?,
    };
    let recorded = record(&report, &runbook, name);
    for note in &recorded.notes {
        terminal::complain(&format!("note: {note}"));
    }
    let Some(path) = to else {
        let text = as_file(&named(&runbook, Path::new("")), &runbook, &recorded.test);
        let written = std::io::stdout().lock().write_all(text.as_bytes());
        return Ok(if written.is_ok() { status::DONE } else { status::INCONCLUSIVE });
    };
    let folder = path.parent().unwrap_or(Path::new(""));
    let text = match path.exists() {
        false => as_file(&named(&runbook, folder), &runbook, &recorded.test),
        true => added(&read(path)?, &as_item(&runbook, &recorded.test)),
    };
    checked(path, &text, &runbook, &recorded.test.name)?;
    let shown = quoted(&path.to_string_lossy());
    files::write_whole(path, text.as_bytes())
        .map_err(|error| Usage::new(format!("{shown} cannot be written: {error}")))?;
    let name = crate::render::sanitise::line(&recorded.test.name).into_owned();
    terminal::complain(&format!("added to {shown}: {name}"));
    Ok(status::DONE)
}

/// Adds an item where the last line of a file ends its list of tests, indented as the others are.
fn added(text: &str, item: &str) -> String {
    let first = text.lines().find(|line| line.trim_start().starts_with("- name:"));
    let indent = first.map_or(2, |line| line.len() - line.trim_start().len());
    let mut out = text.trim_end().to_owned();
    out.push('\n');
    for line in item.lines() {
        out.push_str(&" ".repeat(indent));
        out.push_str(line.strip_prefix("  ").unwrap_or(line));
        out.push('\n');
    }
    out
}

/// Reads what is about to be written, and runs the new test out of it.
fn checked(path: &Path, text: &str, runbook: &Arc<Runbook>, name: &str) -> Result<(), Usage> {
    let shown = quoted(&path.to_string_lossy());
    let suite = runbooks::with_library(|library| rehearsal::load(path, text, library, None));
    let suite = suite.map_err(|error| {
        Usage::whole(format!(
            "{}error: the test cannot be added to {shown}; without a file it is printed\n",
            error.render()
        ))
    })?;
    if suite.runbook.name != runbook.name {
        let problem = format!(
            "{shown} tests the runbook {}, and the report is of {}",
            suite.runbook.name, runbook.name
        );
        return Err(Usage::new(problem).help("name another file"));
    }
    let added = suite.tests.iter().find(|test| test.name == name);
    let passes = added.is_some_and(|test| rehearse(&suite, test).rehearsed.passed());
    if !passes {
        return Err(Usage::new(format!("the test does not pass in {shown} beside its `defaults`"))
            .help("name another file, or print it by naming none"));
    }
    Ok(())
}

/// How a test file in a folder names the runbook.
fn named(runbook: &Runbook, folder: &Path) -> String {
    let by_name = runbooks::load(&runbook.name).is_ok_and(|other| other.source == runbook.source);
    if runbook.source == "builtin" || by_name {
        return runbook.name.clone();
    }
    let path = Path::new(&runbook.source);
    let path = relative(folder, path).unwrap_or_else(|| path.to_owned());
    path.to_string_lossy().into_owned()
}

/// The way from a folder to a file, when both are relative to the same place or absolute.
fn relative(folder: &Path, file: &Path) -> Option<PathBuf> {
    let plain = |path: &Path| {
        let parts = path.components().filter(|part| *part != Component::CurDir);
        parts.map(|part| part.as_os_str().to_owned()).collect::<Vec<_>>()
    };
    let up = |path: &Path| path.components().any(|part| part == Component::ParentDir);
    if folder.is_absolute() != file.is_absolute() || up(folder) || up(file) {
        return None;
    }
    let (from, to) = (plain(folder), plain(file));
    let common = from.iter().zip(&to).take_while(|(a, b)| a == b).count();
    let mut path = PathBuf::new();
    path.extend(std::iter::repeat_n("..", from.len() - common));
    path.extend(&to[common..]);
    let text = path.to_string_lossy();
    // A bare file name would be taken for it anyway; the dot says that it is a path.
    Some(if text.contains('/') { path } else { Path::new(".").join(path) })
}

/// Reads a test file's text.
pub(super) fn read(path: &Path) -> Result<String, Usage> {
    let cannot = |why: String| {
        let path = quoted(&path.to_string_lossy());
        Usage::new(format!("{path} cannot be read: {why}"))
            .help(format!("name a test file (NAME{SUFFIX}), a folder with some, or a runbook"))
    };
    let bytes = files::read(path, MOST_BYTES).map_err(|error| cannot(files::why(&error)))?;
    String::from_utf8(bytes).map_err(|_| cannot("it is not UTF-8 text".to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_new_item_is_indented_as_those_before_it() {
        let item = "  - name: b\n    expect: {}\n";
        assert_eq!(
            added("tests:\n- name: a\n  expect: {}\n\n", item),
            "tests:\n- name: a\n  expect: {}\n- name: b\n  expect: {}\n"
        );
        assert_eq!(
            added("tests:\n    - name: a", item),
            "tests:\n    - name: a\n    - name: b\n      expect: {}\n"
        );
    }

    #[test]
    fn the_way_to_a_runbook_begins_at_the_test_file() {
        let cases = [
            ("runbooks/tests", "runbooks/db.yaml", Some("../db.yaml")),
            ("", "db.yaml", Some("./db.yaml")),
            ("tests", "tests/db.yaml", Some("./db.yaml")),
            ("/a/b", "/a/c/db.yaml", Some("../c/db.yaml")),
            ("/a", "db.yaml", None),
            ("../a", "db.yaml", None),
        ];
        for (folder, file, way) in cases {
            let found = relative(Path::new(folder), Path::new(file));
            assert_eq!(found.as_deref(), way.map(Path::new), "{folder} {file}");
        }
    }
}
