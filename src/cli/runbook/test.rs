//! `tcpdoctor runbook test`: tests of runbooks, offline; and tests made from reports.

use std::path::{Path, PathBuf};

use crate::cli::args::{Global, Test};
use crate::cli::runbook::record::{self, read};
use crate::cli::usage::{Usage, quoted};
use crate::cli::{deliver, files, runbooks, status};
use crate::engine::{Tally, rehearse};
use crate::model::rehearsal::Rehearsal;
use crate::render::rehearsal as render;
use crate::runbook::rehearsal::{self, SUFFIX, Suite};

/// Where tests are looked for unless something is named.
const FOLDER: &str = "runbooks";

/// Runs the tests, or makes one; returns the exit status.
pub(super) fn run(global: &Global, test: &Test) -> Result<u8, Usage> {
    if let Some(report) = &test.from {
        return record::run(global, report, test.name.as_deref(), &test.what);
    }
    deliver::only(global, render::FORMATS)?;
    deliver::check(global)?;
    let suites = load(&find(&test.what)?, global.runbook.as_deref())?;
    let wanted = test.filter.as_deref().unwrap_or_default().to_lowercase();
    let mut tally = Tally::default();
    for suite in &suites {
        for one in suite.tests.iter().filter(|one| one.name.to_lowercase().contains(&wanted)) {
            tally.add(suite, rehearse(suite, one));
        }
    }
    let rehearsal = tally.finish();
    if rehearsal.tests.is_empty() {
        let filter = quoted(test.filter.as_deref().unwrap_or_default());
        return Err(Usage::new(format!("no test's name contains {filter}"))
            .help("run without --filter -v to see the names"));
    }
    let ended = status_of(&rehearsal, test.fail_under);
    Ok(deliver::deliver(global, ended, |format, style, out| {
        render::write(&rehearsal, test.coverage, format, style, out)
    }))
}

fn status_of(rehearsal: &Rehearsal, least: Option<u8>) -> u8 {
    let least = usize::from(least.unwrap_or(0));
    let little = rehearsal.coverage.iter().any(|one| one.conclusions().percent() < least);
    if rehearsal.failures() > 0 || little { status::FAULT } else { status::DONE }
}

/// Finds the test files that are meant.
fn find(what: &[String]) -> Result<Vec<PathBuf>, Usage> {
    let mut found: Vec<PathBuf> = Vec::new();
    if what.is_empty() {
        found = below(Path::new(FOLDER))?;
        if found.is_empty() {
            return Err(Usage::new(format!("there is no test file (*{SUFFIX}) in ./{FOLDER}"))
                .help("name a file or a folder; --from REPORT makes a test of a saved report"));
        }
    }
    for one in what {
        let path = Path::new(one);
        let tests = if path.is_dir() {
            below(path)?
        } else if one.contains('/') || one.ends_with(".yaml") || one.ends_with(".yml") {
            of_file(path)?
        } else {
            let named = |named: &str| Path::new(named).file_stem() == Some(one.as_ref());
            below(Path::new(FOLDER))?.into_iter().filter(|path| tests_of(path, &named)).collect()
        };
        if tests.is_empty() {
            return Err(Usage::new(format!("{} has no tests", quoted(one))).help(format!(
                "write a file NAME{SUFFIX} in ./{FOLDER} or beside the runbook; --from REPORT makes \
                 a test of a saved report"
            )));
        }
        found.extend(tests);
    }
    let mut seen = std::collections::HashSet::new();
    found.retain(|path| seen.insert(path.clone()));
    Ok(found)
}

fn below(folder: &Path) -> Result<Vec<PathBuf>, Usage> {
    files::below(folder, SUFFIX).map_err(|error| {
        Usage::new(format!("{} cannot be searched: {error}", quoted(&folder.to_string_lossy())))
    })
}

/// A test file itself, or the tests of a runbook's file: those in its folder and below.
fn of_file(path: &Path) -> Result<Vec<PathBuf>, Usage> {
    let text = read(path)?;
    if rehearsal::runbook_of(&text).is_some() || path.to_string_lossy().ends_with(SUFFIX) {
        return Ok(vec![path.to_owned()]);
    }
    let folder = match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    };
    let all = below(folder)?.into_iter();
    let all = all.map(|path| path.strip_prefix("./").map_or(path.clone(), Path::to_path_buf));
    let own = all.filter(|test| {
        let beside = test.parent().unwrap_or(Path::new(""));
        let is_this = |named: &str| {
            let is_name = !named.contains('/') && path.file_stem() == Some(named.as_ref());
            is_name || files::same(&beside.join(named), path)
        };
        tests_of(test, &is_this)
    });
    Ok(own.collect())
}

/// Whether the runbook that a test file names is the one meant.
fn tests_of(path: &Path, is: &dyn Fn(&str) -> bool) -> bool {
    let named = read(path).ok().and_then(|text| rehearsal::runbook_of(&text));
    named.is_some_and(|named| is(&named))
}

/// Loads every file; what is wrong with any of them is told at once.
fn load(paths: &[PathBuf], instead: Option<&str>) -> Result<Vec<Suite>, Usage> {
    let instead = instead.map(runbooks::load).transpose()?;
    let mut suites = Vec::new();
    let mut wrong: Vec<String> = Vec::new();
    for path in paths {
        let text = read(path)?;
        let loaded = runbooks::with_library(|library| {
            rehearsal::load(path, &text, library, instead.as_ref())
        });
        match loaded {
            Ok(suite) => suites.push(suite),
            Err(error) => {
                let said = error.render();
                if !wrong.contains(&said) {
                    wrong.push(said);
                }
            }
        }
    }
    if wrong.is_empty() { Ok(suites) } else { Err(Usage::whole(wrong.join("\n"))) }
}
