//! Finding the runbook to walk.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::cli::files;
use crate::cli::usage::{Usage, quoted};
use crate::model::report::RunbookEntry;
use crate::model::target::Host;
use crate::runbook::{self, Catalogue, FileText, Files, Library, LoadError, Runbook};

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
    with_library(|library| runbook::load(name_or_path, library)).map_err(|error| told(&error))
}

/// Hands over the places where runbooks are looked for.
pub(super) fn with_library<T>(work: impl FnOnce(Library<'_>) -> T) -> T {
    let folders = folders(|name| std::env::var_os(name).map(PathBuf::from));
    work(Library { folders: &folders, read: &Disk })
}

/// Returns a runbook as one file, with what it extends and includes put in.
pub(super) fn resolved(name_or_path: &str) -> Result<String, Usage> {
    let resolved = with_library(|library| runbook::load::resolved(name_or_path, library));
    resolved.map_err(|error| told(&error))
}

/// Hands over the library in which names are looked up.
pub(super) fn in_library<T>(then: impl FnOnce(Library<'_>) -> T) -> T {
    let folders = folders(|name| std::env::var_os(name).map(PathBuf::from));
    then(Library { folders: &folders, read: &Disk })
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

/// One runbook that can be named.
pub(super) struct Listed {
    /// The name to give to `--runbook`.
    pub(super) name: String,
    /// Its title, when it can be loaded.
    pub(super) title: Option<String>,
    /// The folder, or `built in`.
    pub(super) folder: String,
    /// `builtin` or the file's path.
    pub(super) source: String,
    /// What else has the name and is not reached by it.
    pub(super) shadows: Vec<String>,
    /// Why it cannot be loaded.
    pub(super) problem: Option<String>,
}

/// Lists the runbooks that can be named, in the order in which names are looked up.
pub(super) fn list() -> Result<Vec<Listed>, Usage> {
    let mut found: Vec<Listed> = Vec::new();
    for folder in folders(|name| std::env::var_os(name).map(PathBuf::from)) {
        let shown = folder.display().to_string();
        let names = files::names_in(&folder).map_err(|error| {
            Usage::new(format!("the folder {} cannot be read: {}", quoted(&shown), why(&error)))
                .help("runbooks by name are looked for there")
        })?;
        for name in names.iter().filter_map(|name| name.strip_suffix(".yaml")) {
            let plain = |c: char| c.is_ascii_alphanumeric() || "_-".contains(c);
            if !name.is_empty() && name.chars().all(plain) {
                let path = folder.join(format!("{name}.yaml"));
                add(&mut found, name, &shown, path.display().to_string());
            }
        }
    }
    for (name, _) in runbook::builtin::RUNBOOKS {
        add(&mut found, name, "built in", "builtin".to_owned());
    }
    Ok(found)
}

fn add(found: &mut Vec<Listed>, name: &str, folder: &str, source: String) {
    if source != "builtin" && is_something_else(name, &source) {
        return;
    }
    if let Some(first) = found.iter_mut().find(|listed| listed.name == name) {
        first.shadows.push(source);
        return;
    }
    let loaded = if source == "builtin" {
        runbook::builtin(name).map_err(|error| told(&error))
    } else {
        load(&source)
    };
    let (title, problem) = match loaded {
        Ok(runbook) => (Some(runbook.title.clone()), None),
        Err(usage) => (None, Some(usage.brief())),
    };
    let (name, folder) = (name.to_owned(), folder.to_owned());
    found.push(Listed { name, title, folder, source, shadows: Vec::new(), problem });
}

/// Whether a file holds diagnoses for runbooks to include, or is a copy of the built-in runbook.
fn is_something_else(name: &str, source: &str) -> bool {
    let text = Disk.read(Path::new(source)).map(|file| file.text);
    text.is_ok_and(|text| {
        let catalogue = runbook::load::parse_catalogue(source, &text);
        catalogue.is_ok() || runbook::load::is_builtin(name, &text)
    })
}

/// Tells why a runbook cannot be loaded.
pub(super) fn told(error: &LoadError) -> Usage {
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

/// The files of this machine.
struct Disk;

impl Files for Disk {
    fn read(&self, path: &Path) -> io::Result<FileText> {
        let (bytes, objection) = files::read_judged(path, MOST_BYTES)?;
        let text = String::from_utf8(bytes).map_err(|_| io::ErrorKind::InvalidData)?;
        Ok(FileText { text, objection })
    }

    fn real(&self, path: &Path) -> Option<PathBuf> {
        files::real(path)
    }
}

/// Returns the folders for runbooks, the first that has a name wins.
fn folders(variable: impl Fn(&str) -> Option<PathBuf>) -> Vec<PathBuf> {
    let config = variable("XDG_CONFIG_HOME")
        .filter(|path| path.is_absolute())
        .or_else(|| variable("HOME").map(|home| home.join(".config")));
    let mut folders = vec![PathBuf::from("runbooks")];
    folders.extend(config.map(|config| config.join("tcpdoctor/runbooks")));
    folders.push(PathBuf::from("/etc/tcpdoctor/runbooks"));
    // Where HOME is another user's, as under sudo or setpriv, his runbooks are not ours.
    folders.retain(|folder| !files::is_closed(folder));
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
