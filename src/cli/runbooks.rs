//! Finding the runbook to walk.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::cli::files;
use crate::cli::usage::{Usage, quoted};
use crate::model::report::RunbookEntry;
use crate::model::target::Host;
use crate::runbook::{self, Catalogue, Library, LoadError, Runbook};

/// Far larger than any runbook; the loader has bounds of its own.
const MOST_BYTES: u64 = 4 << 20;

/// Loads the runbook that was asked for, or else the built-in one that answers the question about
/// this host.
pub(super) fn for_host(asked: Option<&str>, host: &Host) -> Result<Arc<Runbook>, Usage> {
    if let Some(name) = asked {
        return load(name);
    }
    let name = match host {
        Host::Here => "listen",
        Host::Name(_) | Host::Addr(..) => "connect",
    };
    runbook::builtin(name).map_err(|error| match error {
        LoadError::NotFound { .. } if *host == Host::Here => Usage::new(
            "a target without a host (:port) asks about this machine as the server, and this build \
             has no runbook listen that could answer",
        )
        .help(
            "name the host to connect to, for example localhost:8080, or a runbook: --runbook FILE",
        ),
        other => told(&other),
    })
}

/// Loads a runbook by path, or by name from the folders for runbooks, else a built-in one.
pub(super) fn load(name_or_path: &str) -> Result<Arc<Runbook>, Usage> {
    let folders = folders(|name| std::env::var_os(name).map(PathBuf::from));
    let library = Library { folders: &folders, read: &read };
    runbook::load(name_or_path, library).map_err(|error| told(&error))
}

/// Loads the runbook that a report names.
pub(super) fn of_report(entry: &RunbookEntry) -> Result<Arc<Runbook>, Usage> {
    let loaded = if entry.source == "builtin" {
        runbook::builtin(&entry.name).map_err(|error| told(&error))
    } else {
        load(&entry.source)
    };
    loaded.map_err(|usage| match usage.is_whole() {
        true => usage,
        false => usage.help(format!(
            "the report was made with runbook {}; name one with --runbook",
            quoted(&entry.source)
        )),
    })
}

/// Returns the built-in catalogue of diagnoses.
pub(super) fn catalogue() -> Result<Arc<Catalogue>, Usage> {
    Catalogue::builtin().map_err(|errors| told(&LoadError::Invalid(errors)))
}

fn told(error: &LoadError) -> Usage {
    match error {
        LoadError::NotFound { help, .. } => Usage::new(error.to_string()).help(help.as_str()),
        LoadError::Unreadable { path, error } => {
            Usage::new(format!("the runbook {} cannot be read: {}", quoted(path), why(error)))
                .help("name a file that holds a runbook in YAML")
        }
        LoadError::Invalid(errors) => Usage::whole(errors.render()),
    }
}

fn why(error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::IsADirectory => "it is a directory".to_owned(),
        io::ErrorKind::PermissionDenied => "you may not read it".to_owned(),
        io::ErrorKind::FileTooLarge => "it is larger than 4 MiB".to_owned(),
        io::ErrorKind::InvalidData => "it is not UTF-8 text".to_owned(),
        _ => error.to_string(),
    }
}

fn read(path: &Path) -> io::Result<String> {
    let bytes = files::read(path, MOST_BYTES)?;
    String::from_utf8(bytes).map_err(|_| io::ErrorKind::InvalidData.into())
}

/// Returns the folders for runbooks, the first that has a name wins.
fn folders(variable: impl Fn(&str) -> Option<PathBuf>) -> Vec<PathBuf> {
    let config = variable("XDG_CONFIG_HOME")
        .filter(|path| path.is_absolute())
        .or_else(|| variable("HOME").map(|home| home.join(".config")));
    let mut folders = vec![PathBuf::from("runbooks")];
    folders.extend(config.map(|config| config.join("tcpdoctor/runbooks")));
    folders.push(PathBuf::from("/etc/tcpdoctor/runbooks"));
    folders
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_relative_xdg_folder_does_not_count() {
        let env = |name: &str| match name {
            "XDG_CONFIG_HOME" => Some(PathBuf::from("here")),
            "HOME" => Some(PathBuf::from("/home/ann")),
            _ => None,
        };
        let found = folders(env);
        assert_eq!(found[1], Path::new("/home/ann/.config/tcpdoctor/runbooks"));
        assert_eq!(folders(|_| None).len(), 2);
    }
}
