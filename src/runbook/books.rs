//! Finding the files of a runbook: its own, and those that it extends, includes and uses.
//!
//! Only the runbook that the user names may be anywhere. What a file names itself is found by name in
//! the library, or by path in the file's own folder and below; links that lead out are refused. How
//! many files there are, how large together and how deep is bounded.

use std::borrow::Cow;
use std::collections::HashMap;
use std::fmt::Write as _;
use std::io;
use std::path::{Component, Path, PathBuf};
use std::sync::Arc;

use super::Runbook;
use super::builtin::RUNBOOKS;
use super::code::Code;
use super::expr::escape;
use super::load::{FileText, Library, LoadError, reader};
use super::problem::{LoadErrors, did_you_mean};
use super::whole::Texts;
use super::yaml::{self, Node};
use crate::model::report::Shadow;

/// How deep runbooks may use and extend runbooks.
const DEEPEST: usize = 8;
/// The most files that one runbook is made of.
const MOST_FILES: usize = 64;
/// The most bytes that these have together.
const MOST_BYTES: usize = 4 << 20;

/// Where a runbook's text comes from.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) enum Origin {
    /// It is part of the program.
    Builtin(String),
    /// A file.
    File(PathBuf),
}

impl Origin {
    /// Returns the name for messages.
    pub(super) fn name(&self) -> String {
        match self {
            Origin::Builtin(name) => format!("builtin:{name}"),
            Origin::File(path) => path.to_string_lossy().into_owned(),
        }
    }
}

/// A file's text.
#[derive(Clone)]
pub(super) struct Found {
    pub(super) origin: Origin,
    pub(super) text: Cow<'static, str>,
    /// See [`FileText::objection`].
    pub(super) objection: Option<String>,
    /// Whether it is checked although it is part of the program.
    pub(super) checked: bool,
}

impl Found {
    pub(super) fn new(origin: Origin, text: impl Into<Cow<'static, str>>) -> Found {
        Found { origin, text: text.into(), objection: None, checked: false }
    }

    /// Returns what is kept for showing: what is too large is not.
    pub(super) fn shown(&self) -> &str {
        if self.text.len() > yaml::LARGEST { "" } else { &self.text }
    }
}

/// Runbooks while they are loaded: knows which are open, to find those that lead back to themselves.
pub(super) struct Books<'a> {
    library: Option<Library<'a>>,
    /// The runbooks being loaded, outermost first.
    open: Vec<Origin>,
    /// Those that were loaded: each is read once, however often it is used.
    loaded: HashMap<Origin, Result<Arc<Runbook>, LoadErrors>>,
    texts: HashMap<PathBuf, FileText>,
    shadows: Vec<Shadow>,
}

/// Code, message and help of another file that cannot be loaded.
pub(super) type UseError = (Code, String, Option<String>);

impl Books<'_> {
    pub(super) fn new(library: Option<Library<'_>>) -> Books<'_> {
        Books {
            library,
            open: Vec::new(),
            loaded: HashMap::new(),
            texts: HashMap::new(),
            shadows: Vec::new(),
        }
    }

    pub(super) fn load(&mut self, name: &str) -> Result<Arc<Runbook>, LoadError> {
        let found = self.find(name, None)?;
        let mut runbook = self.parse(&found).map_err(LoadError::Invalid)?;
        runbook.shadows = std::mem::take(&mut self.shadows);
        Ok(Arc::new(runbook))
    }

    /// Loads the runbook that a `use` step names; a path is meant from the folder of its file.
    pub(super) fn used(
        &mut self,
        name: &str,
        near: Option<&Path>,
    ) -> Result<Arc<Runbook>, UseError> {
        let found = self.other(name, near, "use")?;
        self.parsed(name, &found, Code::USE)
    }

    /// Finds the runbook that another extends, and makes sure that it is right by itself.
    pub(super) fn extended(&mut self, name: &str, near: Option<&Path>) -> Result<Found, UseError> {
        let found = self.other(name, near, "extend")?;
        if matches!(found.origin, Origin::File(_)) {
            self.parsed(name, &found, Code::EXTENDS)?;
        }
        Ok(found)
    }

    /// Reads a file that a runbook includes.
    pub(super) fn included(&mut self, name: &str, near: Option<&Path>) -> Result<Found, UseError> {
        let wrong = |message: String, help: &str| (Code::INCLUDE, message, Some(help.to_owned()));
        let Some(near) = near.filter(|_| self.library.is_some()) else {
            return Err(wrong("there are no files to include here".to_owned(), "take it out"));
        };
        let path = self.within(name, near, Code::INCLUDE)?;
        self.file(&path).map_err(|error| match error {
            LoadError::NotFound { name, .. } => wrong(
                format!("there is no file `{name}`"),
                "check the path; it is meant from the \
                    folder of this file",
            ),
            other => (Code::INCLUDE, other.to_string(), None),
        })
    }

    /// Marks a file as being loaded.
    pub(super) fn open(&mut self, origin: &Origin) {
        self.open.push(origin.clone());
    }

    /// Ends what [`open`](Self::open) began.
    pub(super) fn close(&mut self) {
        self.open.pop();
    }

    fn parsed(&mut self, name: &str, found: &Found, code: Code) -> Result<Arc<Runbook>, UseError> {
        let loaded = match self.loaded.get(&found.origin) {
            Some(loaded) => loaded.clone(),
            None => {
                let loaded = self.parse(found).map(Arc::new);
                self.loaded.insert(found.origin.clone(), loaded.clone());
                loaded
            }
        };
        loaded.map_err(|errors| {
            // Of a file that is wrong because of another, the other's reason.
            let first =
                errors.problems.first().map(|problem| match (problem.code, &problem.help) {
                    (Code::USE | Code::EXTENDS, Some(help)) if help.contains(": TD") => {
                        help.clone()
                    }
                    _ => problem.brief(),
                });
            (code, format!("`{name}` is not valid"), first)
        })
    }

    /// Finds another runbook than the one that is being read.
    fn other(&mut self, name: &str, near: Option<&Path>, does: &str) -> Result<Found, UseError> {
        let code = if does == "use" { Code::USE } else { Code::EXTENDS };
        if self.open.len() >= DEEPEST {
            let message = format!("runbooks {does} runbooks more than {DEEPEST} deep");
            return Err((code, message, None));
        }
        let found = match (near, is_path(name)) {
            (Some(near), true) => self.within(name, near, code).map(|path| self.file(&path))?,
            _ => self.find(name, self.open.last().cloned().as_ref()),
        };
        let found = match found {
            Ok(found) => found,
            Err(LoadError::NotFound { name, help }) => {
                let message = format!("there is no runbook `{name}`");
                return Err((Code::UNKNOWN_RUNBOOK, message, Some(help)));
            }
            Err(other) => return Err((code, other.to_string(), None)),
        };
        if self.open.iter().any(|open| self.is_same(open, &found.origin)) {
            let round = self.open.iter().chain([&found.origin]).map(Origin::name);
            let round = round.collect::<Vec<_>>().join(" → ");
            let message = format!("runbooks {does} each other in a circle: {round}");
            return Err((code, message, None));
        }
        Ok(found)
    }

    fn is_same(&self, a: &Origin, b: &Origin) -> bool {
        let real = |path: &Path| self.library.and_then(|library| library.read.real(path));
        match (a, b) {
            (Origin::File(a), Origin::File(b)) => {
                a == b || real(a).is_some_and(|a| real(b) == Some(a))
            }
            _ => a == b,
        }
    }

    /// Returns the path of another file; it must be in the folder of the file that names it, or below.
    fn within(&self, name: &str, folder: &Path, code: Code) -> Result<PathBuf, UseError> {
        let help = "name a file in the folder of this one or below it, as in lib/diagnoses.yaml";
        let outside =
            |why: &str| Err((code, format!("`{}` {why}", escape(name)), Some(help.to_owned())));
        let path = Path::new(name);
        if path.is_absolute() {
            return outside("is an absolute path");
        }
        if path.components().any(|part| part == Component::ParentDir) {
            return outside("leads out of the folder of this file");
        }
        let path = plain_path(&folder.join(path));
        let real = |path: &Path| self.library.and_then(|library| library.read.real(path));
        let folder = if folder == Path::new("") { Path::new(".") } else { folder };
        if let Some(real_path) = real(&path)
            && real(folder).is_none_or(|folder| !real_path.starts_with(folder))
        {
            return outside("is a link that leads out of the folder of this file");
        }
        Ok(path)
    }

    /// Reads a file, each once, and all of them together within bounds.
    fn file(&mut self, path: &Path) -> Result<Found, LoadError> {
        let bounds = |what: String| LoadError::Unreadable {
            path: escape(&path.to_string_lossy()),
            error: io::Error::other(what),
        };
        let Some(library) = self.library else {
            return builtin_text(&path.to_string_lossy(), "");
        };
        if !self.texts.contains_key(path) {
            if self.texts.len() >= MOST_FILES {
                return Err(bounds(format!("a runbook is made of at most {MOST_FILES} files")));
            }
            let file = match library.read.read(path) {
                Ok(file) => file,
                Err(error) if absent(&error) => {
                    return Err(LoadError::NotFound {
                        name: escape(&path.to_string_lossy()),
                        help: "check the path".to_owned(),
                    });
                }
                Err(error) => return Err(unreadable(path, error)),
            };
            let before: usize = self.texts.values().map(|file| file.text.len()).sum();
            if !self.texts.is_empty() && before + file.text.len() > MOST_BYTES {
                let most = MOST_BYTES >> 20;
                return Err(bounds(format!("the files of a runbook have at most {most} MiB")));
            }
            self.texts.insert(path.to_path_buf(), file);
        }
        let FileText { text, objection } = self.texts[path].clone();
        let origin = Origin::File(path.to_path_buf());
        Ok(Found { objection, ..Found::new(origin, text) })
    }

    /// Finds a runbook's text. A name that the file `from` itself has means what that file hides.
    pub(super) fn find(&mut self, name: &str, from: Option<&Origin>) -> Result<Found, LoadError> {
        let Some(library) = self.library else {
            return builtin_text(name, "");
        };
        if is_path(name) {
            return self.file(&plain_path(Path::new(name)));
        }
        // Nothing that leads out of a folder.
        let plain = |c: char| c.is_ascii_alphanumeric() || "_-".contains(c);
        let folders = if name.chars().all(plain) { library.folders } else { &[] };
        let paths: Vec<PathBuf> =
            folders.iter().map(|folder| folder.join(format!("{name}.yaml"))).collect();
        let is_from = |path: &PathBuf| {
            from.is_some_and(|from| self.is_same(&Origin::File(path.clone()), from))
        };
        let first = paths.iter().position(is_from).map_or(0, |at| at + 1);
        let mut looked = Vec::new();
        for (nth, path) in paths.iter().enumerate().skip(first) {
            match self.file(path) {
                // The sources of this program, or a copy for reading: nothing is hidden.
                Ok(found) if is_builtin(name, &found.text) => return builtin_text(name, ""),
                Ok(found) => {
                    self.note_shadow(name, &paths[nth..]);
                    return Ok(found);
                }
                Err(LoadError::NotFound { .. }) => {
                    looked.extend(path.parent().map(|folder| folder.display().to_string()));
                }
                Err(error) => return Err(error),
            }
        }
        builtin_text(name, &looked.join(", "))
    }

    /// Notes what the first of these files hides.
    fn note_shadow(&mut self, name: &str, paths: &[PathBuf]) {
        let Some((taken, others)) = paths.split_first() else {
            return;
        };
        let exists =
            |path: &&PathBuf| self.library.is_some_and(|library| library.read.read(path).is_ok());
        let shown = |path: &PathBuf| path.to_string_lossy().into_owned();
        let mut hides: Vec<String> = others.iter().filter(exists).map(shown).collect();
        hides.extend(
            RUNBOOKS.iter().filter(|(known, _)| *known == name).map(|_| "builtin".to_owned()),
        );
        let shadow = Shadow { name: name.to_owned(), source: shown(taken), hides };
        if !shadow.hides.is_empty() && !self.shadows.contains(&shadow) {
            self.shadows.push(shadow);
        }
    }

    pub(super) fn parse(&mut self, found: &Found) -> Result<Runbook, LoadErrors> {
        self.parse_whole(found).map(|(runbook, ..)| runbook)
    }

    /// Checks a runbook; also returns the tree that it was read from, and the files behind that.
    pub(super) fn parse_whole(
        &mut self,
        found: &Found,
    ) -> Result<(Runbook, Node, Texts), LoadErrors> {
        let trusted = matches!(found.origin, Origin::Builtin(_)) && !found.checked;
        let mut reader = reader(found, trusted);
        self.open.push(found.origin.clone());
        let root = reader.tree(&found.text, 0);
        let root = root.and_then(|root| reader.put_together(root, self));
        let whole = root.and_then(|root| Some((reader.runbook(&root, found, self)?, root)));
        let texts = Texts::of(&reader.parts);
        self.open.pop();
        reader.finish(whole).map(|(runbook, root)| (runbook, root, texts))
    }
}

/// Whether a text is that of the built-in runbook of this name.
pub(super) fn is_builtin(name: &str, text: &str) -> bool {
    RUNBOOKS.iter().any(|(known, own)| *known == name && *own == text)
}

pub(super) fn is_path(name: &str) -> bool {
    name.contains('/') || name.ends_with(".yaml") || name.ends_with(".yml")
}

/// Makes `./a` and `a` one.
fn plain_path(path: &Path) -> PathBuf {
    path.components().filter(|part| *part != Component::CurDir).collect()
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
        return Ok(Found::new(origin, *text));
    }
    let known: Vec<&str> = RUNBOOKS.iter().map(|(known, _)| *known).collect();
    let mut help = did_you_mean(name, &known, "built-in runbooks");
    if !looked.is_empty() {
        // Writing to a String cannot fail.
        let _ = write!(help, "; looked in {}", escape(looked));
    }
    Err(LoadError::NotFound { name: escape(name), help })
}
