//! Runbooks: YAML to a checked decision tree, its expressions and texts, and the catalogue.
//!
//! | step | file |
//! |---|---|
//! | a name or path becomes a text | `load`, `books`, `builtin` |
//! | the text becomes a tree that knows its places | `yaml` |
//! | the trees of several files become one | `extend`; `blame` says which of them a problem is in |
//! | the tree is read into the types below, every problem is kept | `read`, `book`, `step`, `used`, `branch`, `conclusion`, `value`, `params`, `catalogue` |
//! | expressions are parsed and checked against the probes' types | `expr`, `types` |
//! | the steps are judged as a whole: cycles, cases, unknowns | `graph` |
//! | tests of runbooks are read and written | `rehearsal` |
//! | what is turned off or not reached is taken out | `left` |
//! | problems become text for people | `problem`, `code` |
//! | the tree becomes boxes and arrows | `drawing` |
//!
//! Nothing after loading can fail for a reason of the file's own.

mod advice;
mod ask;
mod blame;
mod book;
mod books;
mod branch;
pub mod builtin;
mod catalogue;
pub mod code;
mod complain;
mod conclusion;
pub mod drawing;
pub mod expr;
mod extend;
mod fix;
mod graph;
pub mod keys;
mod left;
pub mod lesson;
pub mod lint;
pub mod load;
mod params;
pub mod problem;
mod read;
pub mod rehearsal;
pub mod schema;
mod step;
pub mod targets;
pub mod types;
mod used;
mod value;
mod ways;
mod whole;
mod yaml;

use std::sync::Arc;
use std::time::Duration;

use serde_json::Value;

use crate::model::contact::Contact;
use crate::model::diagnosis::{Confidence, Place, RemedyPlace, Severity};
use crate::model::layer::Layer;
use crate::model::report::{Shadow, Status};
use crate::model::types::Type;
use crate::probe::Spec;
use crate::runbook::expr::{Bindings, Expr, Known, Template};

pub use ask::UNKNOWN;
pub use load::{FileText, Files, Library, LoadError, builtin, load, parse};
pub use problem::{LoadErrors, Problem};

/// A checked runbook.
#[derive(Debug)]
pub struct Runbook {
    /// Its name.
    pub name: String,
    /// The question it answers.
    pub title: String,
    /// What it does, in a few sentences.
    pub about: Option<String>,
    /// `builtin` or the file's path.
    pub source: String,
    /// SHA-256 of its text, hexadecimal; of a runbook made of several files, that of the list of
    /// their digests, one a line.
    pub sha256: String,
    /// Every file that has a part in it, its own first: what it extends, includes and uses.
    pub files: Vec<RunbookFile>,
    /// The names by which it, or a part of it, hides something else.
    pub shadows: Vec<Shadow>,
    /// The machines that it says it contacts beside the target; those of the runbooks that it uses
    /// stand there.
    pub contacts: Vec<Contact>,
    /// The ids of steps that were taken out: turned off, or of the extended runbook and not reached.
    pub left_out: Vec<String>,
    /// How many steps it has with those of the runbooks that it uses.
    pub expanded: usize,
    /// Its parameters.
    pub params: Vec<Param>,
    /// The first step, an index into `steps`.
    pub start: usize,
    /// The steps in the file's order.
    pub steps: Vec<Step>,
    /// The diagnoses that it can conclude: the built-in catalogue and its own.
    pub catalogue: Arc<Catalogue>,
}

impl Runbook {
    /// Whether a probe of it, or of a runbook that it uses, is given a part of the target.
    pub fn needs_target(&self) -> bool {
        let given = |with: &[(String, Arg)]| {
            let mut exprs = with.iter().flat_map(|(_, arg)| arg.exprs());
            exprs.any(|expr| expr.source().contains("target."))
        };
        self.steps.iter().any(|step| match &step.kind {
            Kind::Probe { with, .. } => given(with),
            Kind::Use { runbook, with } => given(with) || runbook.needs_target(),
            Kind::Ask { .. } | Kind::Decide => false,
        })
    }
}

/// A file that has a part in a runbook.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RunbookFile {
    /// `builtin:NAME` or the path.
    pub source: String,
    /// SHA-256 of its text, hexadecimal.
    pub sha256: String,
    /// Why it may not run programs: whose file it is, or who else may write it.
    pub objection: Option<String>,
}

/// A parameter of a runbook.
#[derive(Debug, Clone)]
pub struct Param {
    /// Its name.
    pub name: String,
    /// Its type: int, float, bool, text or word.
    pub ty: Type,
    /// Its default; required when `None`.
    pub default: Option<Value>,
    /// The smallest number allowed.
    pub min: Option<f64>,
    /// The largest number allowed.
    pub max: Option<f64>,
    /// What it means.
    pub help: String,
}

impl Runbook {
    /// Returns the machines that it and the runbooks that it uses say they contact.
    pub fn all_contacts(&self) -> Vec<&Contact> {
        let mut all: Vec<&Contact> = self.contacts.iter().collect();
        for step in &self.steps {
            if let Kind::Use { runbook, .. } = &step.kind {
                all.extend(runbook.all_contacts());
            }
        }
        all.sort_by_key(|contact| contact.to_string());
        all.dedup();
        all
    }

    /// Says whether it, or a runbook that it uses, has a step that runs a program.
    pub fn runs_programs(&self) -> bool {
        self.steps.iter().any(|step| match &step.kind {
            Kind::Probe { spec, .. } => spec.runs_programs,
            Kind::Use { runbook, .. } => runbook.runs_programs(),
            Kind::Ask { .. } | Kind::Decide => false,
        })
    }
}

/// One step.
#[derive(Debug)]
pub struct Step {
    /// Its name in the file.
    pub id: String,
    /// What it asks.
    pub title: Template,
    /// Its layer.
    pub layer: Layer,
    /// What it does.
    pub kind: Kind,
    /// The classic command for doing it by hand.
    pub by_hand: Option<Template>,
    /// Steps to start while this one is still waiting.
    pub meanwhile: Vec<Meanwhile>,
    /// What is noted from its result, each on its own, before the branches.
    pub findings: Vec<Note>,
    /// Tried in order; the first whose condition is true is taken. The last is `else`, or every
    /// possibility is covered by `unknown`.
    pub branches: Vec<Branch>,
    /// Taken when the step could not look, or a condition is unknown before one is true.
    pub unknown: Option<Branch>,
}

/// What a step does.
#[derive(Debug)]
pub enum Kind {
    /// Runs a probe.
    Probe {
        /// The probe.
        spec: &'static Spec,
        /// Its arguments by name; those left out take the probe's defaults.
        with: Vec<(String, Arg)>,
    },
    /// Asks the user.
    Ask {
        /// The question.
        question: Template,
        /// Why the answer matters.
        why: Option<Template>,
        /// The choice that is offered first; without one, that is "I don't know".
        default: Option<String>,
        /// What is asked for instead of a choice; the step's branches then judge it.
        expects: Option<Expects>,
        /// The answers and where they lead.
        choices: Vec<(String, Branch)>,
        /// Taken when nobody can be asked.
        no_input: Box<Branch>,
    },
    /// Only branches on what is known already.
    Decide,
    /// Walks another runbook; its verdict is this step's `result`.
    Use {
        /// The other runbook.
        runbook: Arc<Runbook>,
        /// Its parameters by name.
        with: Vec<(String, Arg)>,
    },
}

/// What a question may ask for instead of one of its choices.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Expects {
    /// What the server sees of the port itself: a run of `tcpdoctor` there, whose command is the
    /// step's `by_hand`. It is never asked for before the walk has come to an end.
    ServerReport,
}

/// A value in an argument list.
#[derive(Debug)]
pub enum Arg {
    /// Written out in the file.
    Literal(Value),
    /// One expression (`"{{ resolve.addresses }}"`): keeps its type.
    Expr(Expr),
    /// Text with expressions in it.
    Text(Template),
    /// A list with expressions among its items.
    List(Vec<Arg>),
}

impl Arg {
    /// Evaluates it; text with an unknown value in it is still text.
    pub fn value(&self, names: &Bindings) -> Known {
        match self {
            Arg::Literal(value) => Known::Value(value.clone()),
            Arg::Expr(expr) => expr.eval(names),
            Arg::Text(text) => Known::Value(Value::String(text.fill(names))),
            Arg::List(items) => {
                let mut values = Vec::with_capacity(items.len());
                for item in items {
                    match item.value(names) {
                        Known::Value(value) => values.push(value),
                        unknown => return unknown,
                    }
                }
                Known::Value(Value::Array(values))
            }
        }
    }

    /// Returns the expressions in it.
    pub fn exprs(&self) -> Box<dyn Iterator<Item = &Expr> + '_> {
        match self {
            Arg::Literal(_) => Box::new(std::iter::empty()),
            Arg::Expr(expr) => Box::new(std::iter::once(expr)),
            Arg::Text(text) => Box::new(text.exprs()),
            Arg::List(items) => Box::new(items.iter().flat_map(Arg::exprs)),
        }
    }
}

/// Steps to start early.
#[derive(Debug, Clone)]
pub struct Meanwhile {
    /// How long this step must have waited.
    pub after: Duration,
    /// The steps to start, indices into [`Runbook::steps`].
    pub start: Vec<usize>,
}

/// One way out of a step.
#[derive(Debug)]
pub struct Branch {
    /// Its condition; `None` for `else`, `unknown`, `no_input` and choices.
    pub when: Option<Expr>,
    /// How the step counts when this branch is taken; by default `fail` when a critical diagnosis is
    /// concluded, `warn` for a lesser one, `unknown` in the `unknown` arm, else `pass`.
    pub status: Option<Status>,
    /// What was seen, in one line; by default the probe's own brief.
    pub text: Option<Template>,
    /// Diagnoses that taking this branch excludes, with the reason.
    pub rules_out: Vec<(String, Template)>,
    /// Where it leads.
    pub next: Next,
}

/// Where a branch leads.
#[derive(Debug)]
pub enum Next {
    /// To another step, an index into [`Runbook::steps`].
    Goto(usize),
    /// The target is in order.
    Healthy,
    /// The deciding step could not look: the engine concludes `inconclusive.permission`, `.budget` or
    /// `.unsupported` by the reason.
    Inconclusive,
    /// To the end that the used runbook came to, its diagnosis included (keyword `as_used`, only in a
    /// `use` step).
    AsUsed,
    /// To a diagnosis.
    Conclude(Box<Conclusion>),
}

/// Something noted on the way.
#[derive(Debug)]
pub struct Note {
    /// When it is noted; an unknown condition notes nothing.
    pub when: Expr,
    /// What is noted.
    pub conclusion: Conclusion,
}

/// A diagnosis with its particulars.
#[derive(Debug)]
pub struct Conclusion {
    /// The diagnosis id.
    pub id: String,
    /// How sure, `possible`, `likely` or `confirmed` as text; the catalogue's own when `None`.
    pub confidence: Option<Arg>,
    /// How bad; the catalogue's own when `None`.
    pub severity: Option<Severity>,
    /// The kind of place; the catalogue's own when `None`.
    pub place: Option<Place>,
    /// The hop number, an int expression.
    pub hop: Option<Expr>,
    /// The address of the place, a text expression; defaults to the kind's own (target: the address
    /// tried).
    pub address: Option<Expr>,
    /// Values for the catalogue's texts, by name.
    pub with: Vec<(String, Arg)>,
    /// Ids of the steps cited as evidence; by default those that warned or failed, and the concluding one.
    pub evidence: Vec<String>,
    /// Ids of the catalogue's look-alikes that do not apply here.
    pub not_alternatives: Vec<String>,
}

/// The words of all diagnoses.
#[derive(Debug, Default)]
pub struct Catalogue {
    /// The entries, in the files' order.
    pub entries: Vec<Entry>,
    /// Whether it adds to the built-in catalogue, which is read when something is looked up there.
    pub over_builtin: bool,
}

/// The words of one diagnosis.
#[derive(Debug)]
pub struct Entry {
    /// The id.
    pub id: String,
    /// Its layer.
    pub layer: Layer,
    /// How bad it is.
    pub severity: Severity,
    /// How sure it is when a runbook says nothing else.
    pub confidence: Confidence,
    /// The kind of place it points at.
    pub place: Place,
    /// A short name.
    pub title: Template,
    /// One sentence with the real names and numbers.
    pub summary: Template,
    /// What it means, for `explain`.
    pub meaning: String,
    /// The names that a runbook's `with` must give for its texts.
    pub needs: Vec<String>,
    /// The names that a runbook's `with` may give; null where it does not.
    pub optional: Vec<String>,
    /// What to do.
    pub remedies: Vec<RemedyText>,
    /// What else looks like it.
    pub lookalikes: Vec<Lookalike>,
}

/// A remedy's texts.
#[derive(Debug)]
pub struct RemedyText {
    /// When it is worth telling, over the same values as the texts; always when `None`. A condition
    /// that is unknown is not met.
    pub when: Option<Expr>,
    /// What to do.
    pub text: Template,
    /// The command.
    pub command: Option<Template>,
    /// Where to do it.
    pub place: RemedyPlace,
}

/// A diagnosis that looks alike.
#[derive(Debug)]
pub struct Lookalike {
    /// Its id.
    pub id: String,
    /// The cheapest test that separates the two.
    pub separate_by: Template,
}

#[cfg(test)]
mod tests;
