//! Where runbooks are found, and text to checked runbook.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::books::{self, Books, Found, Origin, is_path};
use super::problem::{LoadErrors, Source};
use super::read::Reader;
use super::{Entry, Runbook};

/// A file that was read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FileText {
    /// Its text.
    pub text: String,
    /// Why it may not run programs: whose file it is, or who else may write it. `None` when nothing
    /// speaks against it.
    pub objection: Option<String>,
}

/// How files are read: handed in, because files are touched elsewhere. A function that reads a text
/// is one.
pub trait Files {
    /// Reads a file.
    ///
    /// # Errors
    ///
    /// Returns what reading it met.
    fn read(&self, path: &Path) -> io::Result<FileText>;

    /// Returns where a file is when every symbolic link is followed; `None` when that is not known.
    fn real(&self, path: &Path) -> Option<PathBuf> {
        let _ = path;
        None
    }
}

impl<F: Fn(&Path) -> io::Result<String>> Files for F {
    fn read(&self, path: &Path) -> io::Result<FileText> {
        self(path).map(|text| FileText { text, objection: None })
    }
}

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
    pub read: &'a dyn Files,
}

/// Loads a runbook by path or name: a path as given (it has a `/` or ends in `.yaml` or `.yml`),
/// else `NAME.yaml` in the library's folders in order, else the built-in one.
///
/// # Errors
///
/// Returns why it could not be loaded; a wrong file with everything that is wrong in it.
pub fn load(name: &str, library: Library<'_>) -> Result<Arc<Runbook>, LoadError> {
    Books::new(Some(library)).load(name)
}

/// Loads a runbook as [`load`] does; a path is meant from the folder `near`.
pub(super) fn beside(
    name: &str,
    near: Option<&Path>,
    library: Library<'_>,
) -> Result<Arc<Runbook>, LoadError> {
    let path = near.filter(|_| is_path(name)).map(|folder| folder.join(name));
    let path = path.as_ref().map(|path| path.to_string_lossy());
    load(path.as_deref().unwrap_or(name), library)
}

/// Loads a built-in runbook.
///
/// # Errors
///
/// Returns an error when there is none of that name.
pub fn builtin(name: &str) -> Result<Arc<Runbook>, LoadError> {
    Books::new(None).load(name)
}

/// Loads a runbook and writes it as one file: what it extends and includes put in, what is left out
/// taken out.
///
/// # Errors
///
/// As [`load`].
pub fn resolved(name: &str, library: Library<'_>) -> Result<String, LoadError> {
    let mut books = Books::new(Some(library));
    let mut found = books.find(name, None)?;
    // What is part of the program is checked as well: the tree is needed.
    found.checked = true;
    let (runbook, root, texts) = books.parse_whole(&found).map_err(LoadError::Invalid)?;
    Ok(super::whole::write(&root, &runbook, &texts))
}

/// Says whether a text is that of the built-in runbook of this name: then a file with it hides nothing.
pub fn is_builtin(name: &str, text: &str) -> bool {
    books::is_builtin(name, text)
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
    let origin = Origin::File(PathBuf::from(source));
    Books::new(library).parse(&Found::new(origin, text.to_owned()))
}

/// Checks a catalogue file's text.
///
/// # Errors
///
/// Returns everything that is wrong.
pub fn parse_catalogue(source: &str, text: &str) -> Result<Vec<Entry>, LoadErrors> {
    catalogue_file(source, text, false)
}

/// Reads YAML as runbooks are read, as a JSON value: for checking a file against the schema.
pub fn as_json(text: &str) -> Option<serde_json::Value> {
    super::yaml::parse(text).ok().map(|root| Reader::json(&root))
}

pub(super) fn catalogue_file(
    source: &str,
    text: &str,
    trusted: bool,
) -> Result<Vec<Entry>, LoadErrors> {
    let found = Found::new(Origin::File(PathBuf::from(source)), text.to_owned());
    let mut reader = reader(&found, trusted);
    let root = reader.tree(text, 0);
    let entries = root.map(|root| reader.catalogue_file(&root));
    reader.finish(entries)
}

pub(super) fn reader(found: &Found, trusted: bool) -> Reader {
    let source = Source { name: found.origin.name(), text: found.shown().to_owned() };
    Reader::new(Arc::new(source), found, trusted)
}
