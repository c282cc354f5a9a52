//! A runbook's file as a whole: its head, its steps, and what may be judged about them together.

use std::fmt::Write as _;
use std::ops::Range;
use std::sync::Arc;

use sha2::{Digest, Sha256};

use super::branch::{Around, ENDS};
use super::code::Code;
use super::expr::Scope;
use super::load::{Books, Found, Origin};
use super::params::params_type;
use super::problem::did_you_mean;
use super::read::{Fields, Reader};
use super::step::unread;
use super::yaml::{self, Broken, Key, Node, Yaml};
use super::{Catalogue, Runbook, types};

/// The most steps of a runbook.
const MOST_STEPS: usize = 500;

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

impl Reader {
    /// Parses the text into a tree.
    pub(super) fn tree(&mut self, text: &str) -> Option<Node> {
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

    /// Reads a runbook.
    pub(super) fn runbook(
        &mut self,
        root: &Node,
        found: &Found,
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

        let scope = if self.trusted { Scope::open() } else { scope(&params, entries) };
        let ids: Vec<String> = entries.iter().map(|(key, _)| key.name.clone()).collect();
        let around = Around { steps: &ids, catalogue: &catalogue };
        let mut drafts = Vec::with_capacity(entries.len());
        for (key, node) in entries {
            let draft = self.step(key, node, &scope, &around, books);
            drafts.push(draft.unwrap_or_else(|| {
                self.astray = true;
                unread(key)
            }));
        }
        let start = start.and_then(|node| self.start(node, &ids));
        if !self.trusted {
            self.graph(&drafts, start, &params);
        }
        let start = start?;
        Some(Runbook {
            name: name?,
            title: title?,
            about,
            source: match &found.origin {
                Origin::Builtin(_) => "builtin".to_owned(),
                Origin::File(path) => path.to_string_lossy().into_owned(),
            },
            sha256: sha256(&found.text),
            params,
            start,
            steps: drafts.into_iter().map(|draft| draft.step).collect(),
            catalogue,
        })
    }

    fn own_catalogue(&mut self, fields: Fields<'_>) -> Option<Arc<Catalogue>> {
        // What is taken on trust looks nothing up before it concludes something.
        if !self.trusted
            && let Err(errors) = Catalogue::builtin()
        {
            // Only in a build whose tests failed.
            self.errors.problems.extend(errors.problems);
            return None;
        }
        let own = fields.find("diagnoses");
        let entries = own.map(|node| self.diagnoses(node, true)).unwrap_or_default();
        Some(Arc::new(Catalogue { entries, over_builtin: true }))
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

fn first_line(node: &Node) -> Range<usize> {
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

/// Collects the names that every expression of a runbook may use.
fn scope(params: &[super::Param], steps: &[(Key, Node)]) -> Scope {
    let mut scope =
        Scope::default().with("target", types::target()).with("params", params_type(params));
    for (key, node) in steps {
        if let Some(ty) = Reader::seen_type(&key.name, node) {
            scope.add(key.name.as_str(), ty);
        }
    }
    scope
}
