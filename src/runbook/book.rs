//! A runbook's file as a whole: its head, its steps, and what may be judged about them together.

use std::fmt::Write as _;
use std::ops::Range;
use std::sync::Arc;

use sha2::{Digest, Sha256};

use super::books::{Books, Found, Origin};
use super::branch::{Around, ENDS};
use super::code::Code;
use super::expr::Scope;
use super::keys::Group;
use super::params::params_type;
use super::read::{Fields, Reader};
use super::step::unread;
use super::yaml::{self, Broken, Key, Node, Yaml};
use super::{Catalogue, Kind, Param, Runbook, RunbookFile, Step, left, types};
use crate::model::contact::Contact;
use crate::model::target::TargetError;

/// The most steps of a runbook.
const MOST_STEPS: usize = 2000;

/// The most steps of a runbook with those of the runbooks that it uses, each as often as it is used.
const MOST_EXPANDED: usize = 2000;

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
    /// Parses a text into a tree; `offset` is where the text begins in the row of all texts.
    pub(super) fn tree(&mut self, text: &str, offset: usize) -> Option<Node> {
        match yaml::parse(text) {
            Ok(Node { value: Yaml::Null, span }) => {
                let span = span.start + offset..span.end + offset;
                self.wrong(Code::YAML, &span, "the file is empty", None);
                None
            }
            Ok(mut root) => {
                if offset > 0 {
                    root.shift(offset);
                }
                Some(root)
            }
            Err(Broken { code, span, message, help }) => {
                let span = span.start + offset..span.end + offset;
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

    /// Reads a runbook, put together already.
    pub(super) fn runbook(
        &mut self,
        root: &Node,
        found: &Found,
        books: &mut Books<'_>,
    ) -> Option<Runbook> {
        let group = Group::find("runbook")?;
        let what = group.what;
        let fields = self.fields(root, what, &group.names())?;
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
        self.contacts = self.contacts(fields.find("contacts"));
        let params = self.params(fields.find("params"));
        let catalogue = self.own_catalogue(fields)?;
        let start = self.need(fields, root, what, "start");
        let steps = self.need(fields, root, what, "steps")?;
        let entries = self.step_entries(steps)?;

        for (_, node) in entries {
            self.load_used(node, books);
        }
        let scope = if self.trusted { Scope::open() } else { self.scope(&params, entries) };
        let ids: Vec<String> = entries.iter().map(|(key, _)| key.name.clone()).collect();
        let places = ids.iter().enumerate().rev();
        let index = places.map(|(at, id)| (id.as_str(), at)).collect();
        let around = Around { steps: &ids, index: &index, catalogue: &catalogue, uses: false };
        let mut drafts = Vec::with_capacity(entries.len());
        for (key, node) in entries {
            let draft = self.step(key, node, &scope, &around);
            drafts.push(draft.unwrap_or_else(|| {
                self.astray = true;
                unread(key)
            }));
        }
        let start = start.and_then(|node| Some((self.start(node, &ids)?, node.span.clone())));
        let start = self.turn_off(&mut drafts, start);
        if let Some(start) = start {
            self.forgive_idle(&drafts, start);
        }
        if !self.trusted {
            self.graph(&drafts, start, &params);
        }
        let (name, title, start) = (name?, title?, start?);
        let (steps, start, left_out) = left::without_idle(drafts, start);
        let used = |step: &Step| match &step.kind {
            Kind::Use { runbook, .. } => runbook.expanded,
            _ => 0,
        };
        let expanded = steps.len() + steps.iter().map(used).sum::<usize>();
        if expanded > MOST_EXPANDED {
            let message = format!(
                "with the runbooks that it uses, there are more than {MOST_EXPANDED} steps"
            );
            self.wrong(Code::BOUNDS, &first_line(root), message, None);
            return None;
        }
        let files = self.files(&steps);
        Some(Runbook {
            name,
            title,
            about,
            source: match &found.origin {
                Origin::Builtin(_) => "builtin".to_owned(),
                Origin::File(path) => path.to_string_lossy().into_owned(),
            },
            sha256: sha256_of(&files),
            files,
            shadows: Vec::new(),
            contacts: std::mem::take(&mut self.contacts),
            left_out,
            expanded,
            params,
            start,
            steps,
            catalogue,
        })
    }

    /// Lists every file that has a part in the runbook, each once, the runbook's own first.
    fn files(&self, steps: &[Step]) -> Vec<RunbookFile> {
        let mut files: Vec<RunbookFile> = Vec::new();
        for part in &self.parts {
            files.push(RunbookFile {
                source: part.source.name.clone(),
                sha256: sha256(&part.source.text),
                objection: part.objection.clone(),
            });
        }
        for step in steps {
            if let Kind::Use { runbook, .. } = &step.kind {
                for file in &runbook.files {
                    if !files.contains(file) {
                        files.push(file.clone());
                    }
                }
            }
        }
        files
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

    /// Collects the names that every expression of a runbook may use.
    fn scope(&self, params: &[Param], steps: &[(Key, Node)]) -> Scope {
        let mut scope =
            Scope::default().with("target", types::target()).with("params", params_type(params));
        for (key, node) in steps {
            if let Some(ty) = self.seen_type(&key.name, node) {
                scope.add(key.name.as_str(), ty);
            }
        }
        scope
    }

    /// Reads what the runbook says it contacts beside the target.
    fn contacts(&mut self, node: Option<&Node>) -> Vec<Contact> {
        let mut contacts = Vec::new();
        let Some(node) = node else {
            return contacts;
        };
        for (text, node) in self.texts(node, "`contacts`").unwrap_or_default() {
            match text.parse() {
                Ok(contact) => contacts.push(contact),
                Err(TargetError { problem, hint }) => {
                    let message = format!("`{text}` cannot be contacted: {problem}");
                    self.wrong(Code::CONTACT, &node.span, message, Some(hint));
                }
            }
        }
        contacts
    }

    fn start(&mut self, node: &Node, ids: &[String]) -> Option<usize> {
        let id = self.text(node, "`start`")?;
        let found = ids.iter().position(|known| known == id);
        if found.is_none() {
            let known: Vec<&str> = ids.iter().map(String::as_str).collect();
            let message = format!("there is no step `{id}`");
            self.misnamed(Code::UNKNOWN_STEP, &node.span, message, id, (&known, "steps"));
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

/// Returns the digest of one file's text; of several, that of the list of their digests.
fn sha256_of(files: &[RunbookFile]) -> String {
    match files {
        [only] => only.sha256.clone(),
        several => {
            let list: Vec<&str> = several.iter().map(|file| file.sha256.as_str()).collect();
            sha256(&list.join("\n"))
        }
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
