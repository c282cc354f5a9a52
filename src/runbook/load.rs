//! Text to a checked runbook, and where runbooks are found.

use std::fmt::Write as _;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use sha2::{Digest, Sha256};

use super::branch::{Around, ENDS};
use super::builtin::RUNBOOKS;
use super::catalogue::Texts;
use super::code::Code;
use super::expr::Scope;
use super::params::params_type;
use super::problem::{LoadErrors, Source, did_you_mean};
use super::read::{Fields, Reader};
use super::yaml::{self, Broken, Key, Node, Yaml};
use super::{Catalogue, Entry, Runbook, types};

/// How deep runbooks may use runbooks.
const DEEPEST_USE: usize = 8;
/// The most steps of a runbook.
const MOST_STEPS: usize = 500;

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
    Books { library: Some(library), open: Vec::new(), near: None }.load(name)
}

/// Loads a built-in runbook.
///
/// # Errors
///
/// Returns an error when there is none of that name.
pub fn builtin(name: &str) -> Result<Arc<Runbook>, LoadError> {
    Books { library: None, open: Vec::new(), near: None }.load(name)
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
    Books { library, open: vec![source.to_owned()], near: None }.parse(source, text)
}

/// Checks a catalogue file's text, texts and all.
///
/// # Errors
///
/// Returns everything that is wrong.
pub fn parse_catalogue(source: &str, text: &str) -> Result<Vec<Entry>, LoadErrors> {
    catalogue_file(source, text, Texts::Checked)
}

pub(super) fn catalogue_file(
    source: &str,
    text: &str,
    texts: Texts,
) -> Result<Vec<Entry>, LoadErrors> {
    let mut reader = reader(source, text);
    let root = reader.tree(text);
    let entries = root.map(|root| reader.catalogue_file(&root, texts));
    reader.finish(entries)
}

/// Runbooks while they are loaded: knows which are open, to find those that use themselves.
pub(super) struct Books<'a> {
    library: Option<Library<'a>>,
    /// Sources of the runbooks being loaded, outermost first.
    open: Vec<String>,
    /// The folder of the file being loaded: used runbooks are looked for beside it first.
    near: Option<PathBuf>,
}

/// Code, message and help of a used runbook that cannot be loaded.
type UseError = (Code, String, Option<String>);

impl Books<'_> {
    fn load(&mut self, name: &str) -> Result<Arc<Runbook>, LoadError> {
        let (source, text) = self.find(name)?;
        self.open_text(source, &text).map_err(LoadError::Invalid)
    }

    /// Loads the runbook that a `use` step names.
    pub(super) fn used(&mut self, name: &str) -> Result<Arc<Runbook>, UseError> {
        if self.open.len() >= DEEPEST_USE {
            let message = format!("runbooks use runbooks more than {DEEPEST_USE} deep");
            return Err((Code::USE, message, None));
        }
        let (source, text) = match self.find(name) {
            Ok(found) => found,
            Err(LoadError::NotFound { name, help }) => {
                let message = format!("there is no runbook `{name}`");
                return Err((Code::UNKNOWN_RUNBOOK, message, Some(help)));
            }
            Err(other) => return Err((Code::USE, other.to_string(), None)),
        };
        if self.open.contains(&source) {
            let mut round = self.open.clone();
            round.push(source);
            let message = format!("runbooks use each other in a circle: {}", round.join(" → "));
            return Err((Code::USE, message, None));
        }
        self.open_text(source.clone(), &text).map_err(|errors| {
            let first = errors.problems.first().map(|problem| problem.brief());
            let message = format!("`{}` is not valid", super::expr::escape(name));
            (Code::USE, message, first)
        })
    }

    fn open_text(&mut self, source: String, text: &str) -> Result<Arc<Runbook>, LoadErrors> {
        let near = self.near.take();
        self.near = Path::new(&source).parent().map(Path::to_path_buf);
        self.open.push(source.clone());
        let runbook = self.parse(&source, text);
        self.open.pop();
        self.near = near;
        runbook.map(Arc::new)
    }

    /// Finds a runbook's source and text.
    fn find(&self, name: &str) -> Result<(String, String), LoadError> {
        let is_path = name.contains('/') || name.ends_with(".yaml") || name.ends_with(".yml");
        let Some(library) = self.library else {
            return builtin_text(name, "");
        };
        if is_path {
            let beside = self.near.as_ref().map(|folder| folder.join(name));
            let path = beside.unwrap_or_else(|| PathBuf::from(name));
            return match (library.read)(&path) {
                Ok(text) => Ok((path.to_string_lossy().into_owned(), text)),
                Err(error) if error.kind() == io::ErrorKind::NotFound => Err(LoadError::NotFound {
                    name: super::expr::escape(&path.to_string_lossy()),
                    help: "check the path".to_owned(),
                }),
                Err(error) => Err(unreadable(&path, error)),
            };
        }
        let mut looked = Vec::new();
        if plain(name) {
            for folder in library.folders {
                let path = folder.join(format!("{name}.yaml"));
                match (library.read)(&path) {
                    Ok(text) => return Ok((path.to_string_lossy().into_owned(), text)),
                    Err(error) if absent(&error) => looked.push(folder.display().to_string()),
                    Err(error) => return Err(unreadable(&path, error)),
                }
            }
        }
        builtin_text(name, &looked.join(", "))
    }

    fn parse(&mut self, source: &str, text: &str) -> Result<Runbook, LoadErrors> {
        let mut reader = reader(source, text);
        let runbook = reader.tree(text).and_then(|root| reader.runbook(&root, source, text, self));
        reader.finish(runbook)
    }
}

fn unreadable(path: &Path, error: io::Error) -> LoadError {
    LoadError::Unreadable { path: super::expr::escape(&path.to_string_lossy()), error }
}

fn absent(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory)
}

/// Whether a name can be a file's stem: nothing that leads out of a folder.
fn plain(name: &str) -> bool {
    !name.is_empty() && name.chars().all(|c| c.is_ascii_alphanumeric() || "_-".contains(c))
}

fn builtin_text(name: &str, looked: &str) -> Result<(String, String), LoadError> {
    if let Some((_, text)) = RUNBOOKS.iter().find(|(known, _)| *known == name) {
        return Ok(("builtin".to_owned() + ":" + name, (*text).to_owned()));
    }
    let known: Vec<&str> = RUNBOOKS.iter().map(|(known, _)| *known).collect();
    let mut help = did_you_mean(name, &known, "built-in runbooks");
    if !looked.is_empty() {
        let _ = write!(help, "; looked in {}", super::expr::escape(looked));
    }
    Err(LoadError::NotFound { name: super::expr::escape(name), help })
}

fn reader(source: &str, text: &str) -> Reader {
    // What is too large is not kept for showing.
    let text = if text.len() > yaml::LARGEST { "" } else { text };
    Reader::new(Arc::new(Source { name: source.to_owned(), text: text.to_owned() }))
}

impl Reader {
    fn tree(&mut self, text: &str) -> Option<Node> {
        match yaml::parse(text) {
            Ok(Node { value: Yaml::Null, span }) => {
                self.wrong(Code::YAML, &span, "the file is empty", None);
                None
            }
            Ok(root) => Some(root),
            Err(Broken { code, span, message, help }) => {
                self.wrong(code, &span, message, help);
                None
            }
        }
    }

    /// Checks `format: 1`.
    pub(super) fn format(&mut self, fields: Fields<'_>, root: &Node, what: &str) {
        match fields.find("format") {
            Some(node) if matches!(node.value, Yaml::Int(1)) => {}
            Some(node) => {
                let help = Some("this version reads format 1".to_owned());
                self.wrong(Code::FORMAT, &node.span, "the format is unknown", help);
            }
            None => {
                let place = first_line(root);
                let message = format!("{what} begins with `format: 1`");
                self.wrong(Code::FORMAT, &place, message, None);
            }
        }
    }

    fn runbook(
        &mut self,
        root: &Node,
        source: &str,
        text: &str,
        books: &mut Books<'_>,
    ) -> Option<Runbook> {
        let what = "a runbook";
        let known = ["format", "name", "title", "about", "params", "start", "steps", "diagnoses"];
        let fields = self.fields(root, what, &known)?;
        self.format(fields, root, what);
        let name = self.need(fields, root, what, "name");
        let name = name.and_then(|node| {
            let name = self.text(node, "`name`")?;
            self.name(name, &node.span, "a runbook's name", true);
            Some(name.to_owned())
        });
        let title = self.need(fields, root, what, "title");
        let title = title.and_then(|node| self.text(node, "`title`").map(str::to_owned));
        let about = fields.find("about");
        let about = about.and_then(|node| self.text(node, "`about`").map(str::to_owned));
        let params = self.params(fields.find("params"));
        let catalogue = self.own_catalogue(fields)?;
        let start = self.need(fields, root, what, "start");
        let steps = self.need(fields, root, what, "steps")?;
        let entries = self.step_entries(steps)?;

        let mut scope =
            Scope::default().with("target", types::target()).with("params", params_type(&params));
        for (key, node) in entries {
            if let Some(ty) = Reader::seen_type(&key.name, node) {
                scope.add(key.name.as_str(), ty);
            }
        }
        let ids: Vec<String> = entries.iter().map(|(key, _)| key.name.clone()).collect();
        let around = Around { steps: &ids, catalogue: &catalogue };
        let drafts: Vec<_> = entries
            .iter()
            .map(|(key, node)| self.step(key, node, &scope, &around, books))
            .collect();
        let start = start.and_then(|node| self.start(node, &ids));
        // A step that could not be read has no ways out: what hangs on it would be said to be
        // unreachable.
        let drafts: Vec<_> = drafts.into_iter().collect::<Option<_>>()?;
        let start = start?;
        if self.errors.problems.iter().all(|problem| graph_matters(problem.code)) {
            self.graph(&drafts, start, &params);
        }
        Some(Runbook {
            name: name?,
            title: title?,
            about,
            source: match source.strip_prefix("builtin:") {
                Some(_) => "builtin".to_owned(),
                None => source.to_owned(),
            },
            sha256: sha256(text),
            params,
            start,
            steps: drafts.into_iter().map(|draft| draft.step).collect(),
            catalogue,
        })
    }

    fn own_catalogue(&mut self, fields: Fields<'_>) -> Option<Arc<Catalogue>> {
        let base = match Catalogue::builtin() {
            Ok(base) => base,
            Err(errors) => {
                // Only in a build whose tests failed.
                self.errors.problems.extend(errors.problems);
                return None;
            }
        };
        let Some(node) = fields.find("diagnoses") else {
            return Some(base);
        };
        let entries = self.diagnoses(node, Texts::Checked, true);
        Some(Arc::new(Catalogue { entries, base: Some(base) }))
    }

    fn step_entries<'a>(&mut self, node: &'a Node) -> Option<&'a [(Key, Node)]> {
        let entries = self.entries(node, "`steps`")?;
        if entries.is_empty() {
            self.wrong(Code::MISSING_KEY, &node.span, "there are no steps", None);
            return None;
        }
        if entries.len() > MOST_STEPS {
            let message = format!("there are more than {MOST_STEPS} steps");
            self.wrong(Code::BOUNDS, &node.span, message, None);
            return None;
        }
        for (key, _) in entries {
            if !self.name(&key.name, &key.span, "a step's id", false) {
                continue;
            }
            let taken = ENDS.contains(&key.name.as_str())
                || RESERVED.contains(&key.name.as_str())
                || CEL_WORDS.contains(&key.name.as_str());
            if taken {
                let message = format!("`{}` has a meaning of its own", key.name);
                let help = Some("give the step another id".to_owned());
                self.wrong(Code::BAD_NAME, &key.span, message, help);
            }
        }
        Some(entries)
    }

    fn start(&mut self, node: &Node, ids: &[String]) -> Option<usize> {
        let id = self.text(node, "`start`")?;
        let found = ids.iter().position(|known| known == id);
        if found.is_none() {
            let known: Vec<&str> = ids.iter().map(String::as_str).collect();
            let message = format!("there is no step `{id}`");
            let help = did_you_mean(id, &known, "steps");
            self.wrong(Code::UNKNOWN_STEP, &node.span, message, Some(help));
        }
        found
    }
}

/// Names that expressions already have.
const RESERVED: [&str; 4] = ["target", "params", "result", "vantage"];

/// Words that cannot be names in CEL.
const CEL_WORDS: [&str; 23] = [
    "true",
    "false",
    "null",
    "in",
    "as",
    "break",
    "const",
    "continue",
    "else",
    "for",
    "function",
    "if",
    "import",
    "let",
    "loop",
    "package",
    "namespace",
    "return",
    "var",
    "void",
    "while",
    "has",
    "size",
];

/// Whether the graph can still be judged although there is a problem of this kind.
fn graph_matters(code: Code) -> bool {
    !matches!(
        code,
        Code::YAML
            | Code::DUPLICATE_KEY
            | Code::LEADS
            | Code::UNKNOWN_STEP
            | Code::KINDS
            | Code::AFTER_ELSE
            | Code::EXPRESSION
            | Code::UNKNOWN_DIAGNOSIS
            | Code::UNKNOWN_NAME
            | Code::UNKNOWN_FIELD
            | Code::UNKNOWN_FUNCTION
            | Code::EXPRESSION_TYPE
            | Code::EXPRESSION_SIZE
            | Code::VOCABULARY
            | Code::MISSING_KEY
            | Code::WRONG_TYPE
    )
}

fn first_line(node: &Node) -> std::ops::Range<usize> {
    match &node.value {
        Yaml::Map(entries) => {
            entries.first().map_or(node.span.clone(), |(key, _)| key.span.clone())
        }
        _ => node.span.clone(),
    }
}

fn sha256(text: &str) -> String {
    let mut out = String::with_capacity(64);
    for byte in Sha256::digest(text.as_bytes()) {
        // Writing to a String cannot fail.
        let _ = write!(out, "{byte:02x}");
    }
    out
}
