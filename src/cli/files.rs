//! Files that the command line names: read whole and bounded, written whole or not at all.
#![allow(clippy::disallowed_methods)] // the user names these files; the network room stays out of it

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};

/// Reads a file up to `most` bytes.
///
/// # Errors
///
/// Returns what reading met; `FileTooLarge` past the bound.
pub(super) fn read(path: &Path, most: u64) -> io::Result<Vec<u8>> {
    bounded(File::open(path)?, most)
}

/// Reads stdin up to `most` bytes.
///
/// # Errors
///
/// As [`read`].
pub(super) fn read_stdin(most: u64) -> io::Result<Vec<u8>> {
    bounded(io::stdin(), most)
}

fn bounded(reader: impl Read, most: u64) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    reader.take(most + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > most {
        return Err(io::ErrorKind::FileTooLarge.into());
    }
    Ok(bytes)
}

/// Says why a file cannot be written later; `None` when nothing speaks against it. Writes nothing.
pub(super) fn objection(path: &Path) -> Option<String> {
    if path.is_dir() {
        return Some("it is a directory".to_owned());
    }
    let folder = folder_of(path);
    if !folder.is_dir() {
        return Some(format!("there is no directory {}", folder.display()));
    }
    None
}

/// Writes a file whole: under a temporary name beside it, then renamed, so that a reader sees the
/// old content or the new. What is no regular file (a pipe, `/dev/stderr`) is written directly.
///
/// # Errors
///
/// Returns what writing met; the temporary file is removed.
pub(super) fn write_whole(path: &Path, bytes: &[u8]) -> io::Result<()> {
    // Through a symbolic link, the file behind it is replaced and the link stays.
    let path = &fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
    let old = fs::metadata(path).ok();
    if old.as_ref().is_some_and(|old| !old.is_file()) {
        return OpenOptions::new().write(true).open(path)?.write_all(bytes);
    }
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let temporary = folder_of(path).join(format!(".{name}.{}", std::process::id()));
    let written = (|| {
        let mut file = OpenOptions::new().write(true).create_new(true).open(&temporary)?;
        if let Some(old) = old {
            file.set_permissions(old.permissions())?;
        }
        file.write_all(bytes)?;
        file.sync_data()?;
        fs::rename(&temporary, path)
    })();
    if written.is_err() {
        let _ = fs::remove_file(&temporary);
    }
    written
}

fn folder_of(path: &Path) -> PathBuf {
    match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder.to_owned(),
        _ => PathBuf::from("."),
    }
}

/// Lists the names of the files in a folder, sorted; a folder that is not there has none.
///
/// # Errors
///
/// Returns what reading the folder met.
pub(super) fn names_in(folder: &Path) -> io::Result<Vec<String>> {
    let entries = match fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(error),
    };
    let mut names = Vec::new();
    for entry in entries {
        // A name that is not UTF-8 cannot be typed as a runbook's name.
        names.extend(entry?.file_name().into_string());
    }
    names.sort();
    Ok(names)
}
