//! Where runbooks are found, and text to checked runbook.

use std::borrow::Cow;
use std::fmt::Write as _;
use std::io;
use std::path::{Component, Path, PathBuf};
use std::sync::Arc;

use super::builtin::RUNBOOKS;
use super::code::Code;
use super::expr::escape;
use super::problem::{LoadErrors, Source, did_you_mean};
use super::read::Reader;
use super::{Entry, Runbook, yaml};

/// How deep runbooks may use runbooks.
const DEEPEST_USE: usize = 8;

/// Reads a file as text: handed in, because files are touched in `sys` only.
pub type ReadFile<'a> = &'a dyn Fn(&Path) -> io::Result<String>;

/// Why a runbook could not be loaded.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    /// Nothing of that name or path.
    #[error("there is no runbook `{name}`")]
    NotFound {
        /// What was asked for, control characters escaped.
        name: String,
        /// Where it was looked for, or what is alike.
        help: String,
    },
    /// The file cannot be read.
    #[error("{path} cannot be read: {error}")]
    Unreadable {
        /// The path, control characters escaped.
        path: String,
        /// Why.
        error: io::Error,
    },
    /// The file is wrong.
    #[error("{0}")]
    Invalid(LoadErrors),
}

impl LoadError {
    /// Returns the error as plain text for people, all of it.
    pub fn render(&self) -> String {
        match self {
            LoadError::NotFound { help, .. } => format!("error: {self}\n  help: {help}\n"),
            LoadError::Unreadable { .. } => format!("error: {self}\n"),
            LoadError::Invalid(errors) => errors.render(),
        }
    }
}

/// Where runbooks are looked for, and how files are read.
#[derive(Clone, Copy)]
pub struct Library<'a> {
    /// Folders in the order in which they are searched; the built-in runbooks come last.
    pub folders: &'a [PathBuf],
    /// Reads a file.
    pub read: ReadFile<'a>,
}

/// Loads a runbook by path or name: a path as given (it has a `/` or ends in `.yaml` or `.yml`),
/// else `NAME.yaml` in the library's folders in order, else the built-in one.
///
/// # Errors
///
/// Returns why it could not be loaded; a wrong file with everything that is wrong in it.
pub fn load(name: &str, library: Library<'_>) -> Result<Arc<Runbook>, LoadError> {
    Books { library: Some(library), open: Vec::new() }.load(name)
}

/// Loads a runbook as [`load`] does; a path is meant from the folder `near`.
pub(super) fn beside(
    name: &str,
    near: Option<&Path>,
    library: Library<'_>,
) -> Result<Arc<Runbook>, LoadError> {
    let mut books = Books { library: Some(library), open: Vec::new() };
    let found = books.find(name, near)?;
    books.parse(&found).map(Arc::new).map_err(LoadError::Invalid)
}

/// Loads a built-in runbook.
///
/// # Errors
///
/// Returns an error when there is none of that name.
pub fn builtin(name: &str) -> Result<Arc<Runbook>, LoadError> {
    Books { library: None, open: Vec::new() }.load(name)
}

/// Checks a runbook's text; `source` is the file's name for messages and reports. Other runbooks
/// that it uses are looked for in `library`, or only among the built-in ones.
///
/// # Errors
///
/// Returns everything that is wrong.
pub fn parse(
    source: &str,
    text: &str,
    library: Option<Library<'_>>,
) -> Result<Runbook, LoadErrors> {
    let found = Found { origin: Origin::File(PathBuf::from(source)), text: text.to_owned().into() };
    Books { library, open: Vec::new() }.parse(&found)
}

/// Checks a catalogue file's text.
///
/// # Errors
///
/// Returns everything that is wrong.
pub fn parse_catalogue(source: &str, text: &str) -> Result<Vec<Entry>, LoadErrors> {
    catalogue_file(source, text, false)
}

pub(super) fn catalogue_file(
    source: &str,
    text: &str,
    trusted: bool,
) -> Result<Vec<Entry>, LoadErrors> {
    let mut reader = reader(source, text, trusted);
    let root = reader.tree(text);
    let entries = root.map(|root| reader.catalogue_file(&root));
    reader.finish(entries)
}

pub(super) fn reader(source: &str, text: &str, trusted: bool) -> Reader {
    // What is too large is not kept for showing.
    let text = if text.len() > yaml::LARGEST { "" } else { text };
    Reader::new(Arc::new(Source { name: source.to_owned(), text: text.to_owned() }), trusted)
}

/// Where a runbook's text comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Origin {
    /// It is part of the program.
    Builtin(String),
    /// A file.
    File(PathBuf),
}

impl Origin {
    /// Returns the name for messages.
    fn name(&self) -> String {
        match self {
            Origin::Builtin(name) => format!("builtin:{name}"),
            Origin::File(path) => path.to_string_lossy().into_owned(),
        }
    }
}

/// A runbook's text.
pub(super) struct Found {
    pub(super) origin: Origin,
    pub(super) text: Cow<'static, str>,
}

/// Runbooks while they are loaded: knows which are open, to find those that use themselves.
pub(super) struct Books<'a> {
    library: Option<Library<'a>>,
    /// The runbooks being loaded, outermost first.
    open: Vec<Origin>,
}

/// Code, message and help of a used runbook that cannot be loaded.
type UseError = (Code, String, Option<String>);

impl Books<'_> {
    fn load(&mut self, name: &str) -> Result<Arc<Runbook>, LoadError> {
        let found = self.find(name, None)?;
        self.parse(&found).map(Arc::new).map_err(LoadError::Invalid)
    }

    /// Loads the runbook that a `use` step names; a path is meant from the using file's folder.
    pub(super) fn used(&mut self, name: &str) -> Result<Arc<Runbook>, UseError> {
        if self.open.len() >= DEEPEST_USE {
            let message = format!("runbooks use runbooks more than {DEEPEST_USE} deep");
            return Err((Code::USE, message, None));
        }
        let near = match self.open.last() {
            Some(Origin::File(path)) => path.parent().map(Path::to_path_buf),
            _ => None,
        };
        let found = match self.find(name, near.as_deref()) {
            Ok(found) => found,
            Err(LoadError::NotFound { name, help }) => {
                let message = format!("there is no runbook `{name}`");
                return Err((Code::UNKNOWN_RUNBOOK, message, Some(help)));
            }
            Err(other) => return Err((Code::USE, other.to_string(), None)),
        };
        if self.open.contains(&found.origin) {
            let round = self.open.iter().chain([&found.origin]).map(Origin::name);
            let round = round.collect::<Vec<_>>().join(" → ");
            let message = format!("runbooks use each other in a circle: {round}");
            return Err((Code::USE, message, None));
        }
        self.parse(&found).map(Arc::new).map_err(|errors| {
            let first = errors.problems.first().map(|problem| problem.brief());
            (Code::USE, format!("`{name}` is not valid"), first)
        })
    }

    /// Finds a runbook's text.
    fn find(&self, name: &str, near: Option<&Path>) -> Result<Found, LoadError> {
        let is_path = name.contains('/') || name.ends_with(".yaml") || name.ends_with(".yml");
        let Some(library) = self.library else {
            return builtin_text(name, "");
        };
        if is_path {
            let path = near.map_or_else(|| PathBuf::from(name), |folder| folder.join(name));
            // `./a` and `a` are one file.
            let path: PathBuf =
                path.components().filter(|part| *part != Component::CurDir).collect();
            return match (library.read)(&path) {
                Ok(text) => Ok(Found { origin: Origin::File(path), text: text.into() }),
                Err(error) if absent(&error) => Err(LoadError::NotFound {
                    name: escape(&path.to_string_lossy()),
                    help: "check the path".to_owned(),
                }),
                Err(error) => Err(unreadable(&path, error)),
            };
        }
        let mut looked = Vec::new();
        // Nothing that leads out of a folder.
        let plain = |c: char| c.is_ascii_alphanumeric() || "_-".contains(c);
        let folders = if name.chars().all(plain) { library.folders } else { &[] };
        for folder in folders {
            let path = folder.join(format!("{name}.yaml"));
            match (library.read)(&path) {
                Ok(text) => return Ok(Found { origin: Origin::File(path), text: text.into() }),
                Err(error) if absent(&error) => looked.push(folder.display().to_string()),
                Err(error) => return Err(unreadable(&path, error)),
            }
        }
        builtin_text(name, &looked.join(", "))
    }

    fn parse(&mut self, found: &Found) -> Result<Runbook, LoadErrors> {
        let trusted = matches!(found.origin, Origin::Builtin(_));
        let mut reader = reader(&found.origin.name(), &found.text, trusted);
        self.open.push(found.origin.clone());
        let root = reader.tree(&found.text);
        let runbook = root.and_then(|root| reader.runbook(&root, found, self));
        self.open.pop();
        reader.finish(runbook)
    }
}

fn unreadable(path: &Path, error: io::Error) -> LoadError {
    LoadError::Unreadable { path: escape(&path.to_string_lossy()), error }
}

fn absent(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory)
}

fn builtin_text(name: &str, looked: &str) -> Result<Found, LoadError> {
    if let Some((_, text)) = RUNBOOKS.iter().find(|(known, _)| *known == name) {
        let origin = Origin::Builtin(name.to_owned());
        return Ok(Found { origin, text: Cow::Borrowed(text) });
    }
    let known: Vec<&str> = RUNBOOKS.iter().map(|(known, _)| *known).collect();
    let mut help = did_you_mean(name, &known, "built-in runbooks");
    if !looked.is_empty() {
        // Writing to a String cannot fail.
        let _ = write!(help, "; looked in {}", escape(looked));
    }
    Err(LoadError::NotFound { name: escape(name), help })
}
