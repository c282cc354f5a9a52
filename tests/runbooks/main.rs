//! Runbook files, valid and invalid, and what the loader says about them.
//!
//! Each file in `invalid/` has one reason to be refused, and its name says which; the text beside it
//! is what the user reads. `UPDATE_GOLDEN=1 cargo test --test runbooks` writes those texts anew.

#![allow(clippy::disallowed_methods, clippy::unwrap_used)]

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use proptest::prelude::*;
use tcpdoctor::runbook::code::Code;
use tcpdoctor::runbook::{self, Library, LoadError};

fn folder(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/runbooks").join(name)
}

fn files(name: &str) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder(name)).unwrap().map(|entry| entry.unwrap().path());
    let mut files: Vec<PathBuf> =
        entries.filter(|path| path.extension().is_some_and(|e| e == "yaml")).collect();
    files.sort();
    files
}

/// Loads a file by its name alone, so that messages do not depend on where the sources are.
fn load(path: &Path) -> Result<std::sync::Arc<runbook::Runbook>, LoadError> {
    let within = path.parent().unwrap().to_path_buf();
    let read = |path: &Path| fs::read_to_string(within.join(path));
    let name = path.file_name().unwrap().to_str().unwrap();
    runbook::load(name, Library { folders: &[], read: &read })
}

#[test]
fn invalid_files_are_refused_with_the_message_beside_them() {
    let update = std::env::var_os("UPDATE_GOLDEN").is_some();
    let mut wrong = Vec::new();
    for path in files("invalid") {
        let said = match load(&path) {
            Ok(_) => "it loads\n".to_owned(),
            Err(error) => error.render(),
        };
        let golden = path.with_extension("txt");
        if update {
            fs::write(&golden, &said).unwrap();
        }
        if said == "it loads\n" || fs::read_to_string(&golden).unwrap_or_default() != said {
            wrong.push(format!("{}:\n{said}", path.display()));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn valid_files_load() {
    for path in files("valid") {
        if let Err(error) = load(&path) {
            panic!("{}: {}", path.display(), error.render());
        }
    }
}

#[test]
fn every_code_has_an_invalid_file() {
    let mut seen = BTreeSet::new();
    for path in files("invalid") {
        if let Err(LoadError::Invalid(errors)) = load(&path) {
            seen.extend(errors.problems.iter().map(|problem| problem.code));
        }
    }
    let unseen: Vec<String> = Code::ALL
        .iter()
        .map(|(code, _)| *code)
        .filter(|c| !seen.contains(c))
        .map(Code::name)
        .collect();
    assert!(unseen.is_empty(), "{unseen:?}");
}
