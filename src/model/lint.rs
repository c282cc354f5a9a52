//! What a linter says about files, as plain data: every format renders the same findings.

use serde::{Deserialize, Serialize};

use crate::model::report::Tool;

/// The schema id of a lint result.
pub const SCHEMA: &str = "tcpdoctor.lint/1";

/// Everything that was found in some files.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Lint {
    /// [`SCHEMA`].
    pub schema: String,
    /// Which tool wrote it.
    pub tool: Tool,
    /// How many files were looked at.
    pub files: usize,
    /// The findings, file by file in the order in which the files were given, each in the order of
    /// the text.
    pub findings: Vec<Finding>,
    /// How many more there are: of one file only the first hundred are kept.
    pub more: usize,
    /// What the codes in `findings` mean, each once, in the codes' order.
    pub rules: Vec<Rule>,
}

/// One finding.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Finding {
    /// Its stable code, such as `TD012`.
    pub code: String,
    /// How bad it is.
    pub level: Level,
    /// What is wrong, one sentence.
    pub message: String,
    /// What to write instead.
    pub help: Option<String>,
    /// The file, as it was given; `-` is stdin, `builtin:NAME` a part of the program.
    pub file: String,
    /// Where in the file.
    pub at: Region,
    /// Another place in the file that belongs to it.
    pub related: Option<Related>,
    /// What `--fix` would write.
    pub fix: Option<Fix>,
}

/// A place in a file: from a character to behind another.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Region {
    /// The first line, counted from 1.
    pub line: usize,
    /// The first column in characters, counted from 1.
    pub column: usize,
    /// The last line.
    pub end_line: usize,
    /// The column behind the last character.
    pub end_column: usize,
}

/// A place that belongs to a finding, with a few words.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Related {
    /// Where.
    pub at: Region,
    /// What is there.
    pub message: String,
}

/// A change that mends a finding.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Fix {
    /// What it does, as in ``write `resolve` ``.
    pub title: String,
    /// The edits; they do not overlap.
    pub edits: Vec<Edit>,
}

/// One edit.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Edit {
    /// What is taken out; of no width where something is only put in.
    pub at: Region,
    /// What is put in its place.
    pub text: String,
}

/// How bad a finding is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Level {
    /// Worth a thought.
    Note,
    /// Very likely a mistake; the file can be used.
    Warning,
    /// The file cannot be used.
    Error,
}

impl Level {
    /// Returns the word used in every format.
    pub fn name(self) -> &'static str {
        match self {
            Level::Note => "note",
            Level::Warning => "warning",
            Level::Error => "error",
        }
    }
}

/// What a code means.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Rule {
    /// The code.
    pub code: String,
    /// How bad its findings are.
    pub level: Level,
    /// What it means, one sentence.
    pub meaning: String,
    /// Why it matters and what to do.
    pub explanation: String,
}

impl Lint {
    /// Counts the findings of a level.
    pub fn count(&self, level: Level) -> usize {
        self.findings.iter().filter(|finding| finding.level == level).count()
    }
}
