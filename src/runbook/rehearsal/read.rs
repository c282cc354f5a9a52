//! Reading a test file: the runbook it names first, then every test against that runbook.

use std::path::Path;
use std::sync::Arc;

use serde_json::{Map, Value};

use crate::model::outcome::Why;
use crate::model::report::TargetEntry;
use crate::model::target::Target;
use crate::runbook::UNKNOWN;
use crate::runbook::books::{Found, Origin};
use crate::runbook::code::Code;
use crate::runbook::load::{Library, LoadError, beside, reader};
use crate::runbook::problem::did_you_mean;
use crate::runbook::read::{Fields, Reader};
use crate::runbook::rehearsal::observe::{keys, sight_of, step};
use crate::runbook::rehearsal::{Observed, Seen, Suite, Test};
use crate::runbook::value::literal_fits;
use crate::runbook::yaml::{self, Node, Yaml};
use crate::runbook::{Kind, Runbook};

/// What a test and the file's `defaults` may both give.
const GIVEN: [&str; 5] = ["target", "family", "params", "observe", "answers"];

/// Returns the runbook that a test file names; `None` when the text is no test file.
pub fn runbook_of(text: &str) -> Option<String> {
    let Yaml::Map(entries) = yaml::parse(text).ok()?.value else { return None };
    let find = |name: &str| entries.iter().find(|(key, _)| key.name == name);
    find("tests")?;
    match &find("runbook")?.1.value {
        Yaml::Text(named) => Some(named.clone()),
        _ => None,
    }
}

/// Reads a test file and loads the runbook that it names; with `instead`, that one is tested.
///
/// A path is meant from the test file's folder, a name is looked up as everywhere.
///
/// # Errors
///
/// Returns everything that is wrong with the file, or why the runbook cannot be loaded.
pub fn load(
    path: &Path,
    text: &str,
    library: Library<'_>,
    instead: Option<&Arc<Runbook>>,
) -> Result<Suite, LoadError> {
    let found = Found::new(Origin::File(path.to_path_buf()), text.to_owned());
    let mut reader = reader(&found, false);
    let root = reader.tree(text, 0);
    let suite = match root {
        Some(root) => reader.suite(&root, path, library, instead)?,
        None => None,
    };
    reader.finish(suite).map_err(LoadError::Invalid)
}

/// What `defaults` give, and then a test over them.
#[derive(Default, Clone)]
struct Given {
    target: Option<Target>,
    family: Option<&'static str>,
    params: Map<String, Value>,
    observed: Vec<Observed>,
}

impl Reader {
    fn suite(
        &mut self,
        root: &Node,
        path: &Path,
        library: Library<'_>,
        instead: Option<&Arc<Runbook>>,
    ) -> Result<Option<Suite>, LoadError> {
        let what = "a test file";
        let Some(fields) = self.fields(root, what, &["format", "runbook", "defaults", "tests"])
        else {
            return Ok(None);
        };
        self.format(fields, root, what);
        let Some(node) = self.need(fields, root, what, "runbook") else {
            return Ok(None);
        };
        let Some(named) = self.text(node, "`runbook`").map(str::to_owned) else {
            return Ok(None);
        };
        let runbook = match instead {
            Some(runbook) => Arc::clone(runbook),
            None => match beside(&named, path.parent(), library) {
                Ok(runbook) => runbook,
                Err(LoadError::NotFound { name, help }) => {
                    let message = format!("there is no runbook `{name}`");
                    self.wrong(Code::UNKNOWN_RUNBOOK, &node.span, message, Some(help));
                    return Ok(None);
                }
                Err(other) => return Err(other),
            },
        };
        let mut defaults = Given::default();
        if let Some(node) = fields.find("defaults")
            && let Some(fields) = self.fields(node, "`defaults`", &GIVEN)
        {
            self.given(fields, &runbook, &mut defaults, false);
        }
        let Some(node) = self.need(fields, root, what, "tests") else {
            return Ok(None);
        };
        let mut tests: Vec<Test> = Vec::new();
        for node in self.list(node, "`tests`").unwrap_or_default() {
            let Some((test, name)) = self.test(node, &runbook, &defaults) else {
                continue;
            };
            if tests.iter().any(|other| other.name == test.name) {
                let message = format!("two tests are named `{}`", test.name);
                self.wrong(Code::DUPLICATE_KEY, &name.span, message, None);
            }
            tests.push(test);
        }
        if tests.is_empty() && self.errors.problems.is_empty() {
            self.wrong(Code::MISSING_KEY, &node.span, "there are no tests", None);
        }
        let source = self.part(0).source.name.clone();
        Ok(Some(Suite { source, named, runbook, tests }))
    }

    fn test<'a>(
        &mut self,
        node: &'a Node,
        runbook: &Runbook,
        defaults: &Given,
    ) -> Option<(Test, &'a Node)> {
        let what = "a test";
        let known: Vec<&str> = ["name", "expect"].into_iter().chain(GIVEN).collect();
        let fields = self.fields(node, what, &known)?;
        let name = self.need(fields, node, what, "name")?;
        let text = self.text(name, "`name`")?.to_owned();
        if text.trim().is_empty() {
            let help = Some("say in a sentence what the test shows".to_owned());
            self.wrong(Code::BAD_NAME, &name.span, "the name is empty", help);
        }
        let mut given = defaults.clone();
        self.given(fields, runbook, &mut given, true);
        if given.target.is_none() && runbook.needs_target() {
            let message = format!("the runbook {} needs a target", runbook.name);
            let help = Some("write `target: host:port`, here or under `defaults`".to_owned());
            self.wrong(Code::MISSING_KEY, &name.span, message, help);
        }
        let params = self.all_params(given.params, runbook, name);
        let expect = self.need(fields, node, what, "expect")?;
        let expect = self.expect(expect, runbook)?;
        let line = self.part(0).source.text[..name.span.start].matches('\n').count() + 1;
        let target = entry(given.target.as_ref(), given.family);
        Some((Test { name: text, line, target, params, observed: given.observed, expect }, name))
    }

    /// Reads what `defaults` or a test gives; what is given again replaces.
    fn given(&mut self, fields: Fields<'_>, runbook: &Runbook, given: &mut Given, own: bool) {
        if let Some(node) = fields.find("target") {
            given.target = self.target(node).or(given.target.take());
        }
        if let Some(node) = fields.find("family") {
            let families = ["any", "v4", "v6"].map(|name| (name, name));
            given.family = self.word(node, "`family`", &families).or(given.family);
        }
        if let Some(node) = fields.find("params") {
            self.some_params(node, runbook, &mut given.params);
        }
        let mut observed = Vec::new();
        if let Some(node) = fields.find("observe") {
            for (key, node) in self.entries(node, "`observe`").unwrap_or_default() {
                let Some(sight) = sight_of(runbook, &key.name) else {
                    self.no_probe(&key.name, &key.span, runbook);
                    continue;
                };
                if let Some(seen) = self.observation(node, &sight) {
                    observed.push(Observed { key: key.name.clone(), seen, own });
                }
            }
        }
        if let Some(node) = fields.find("answers") {
            for (key, node) in self.entries(node, "`answers`").unwrap_or_default() {
                let Some(Kind::Ask { choices, expects: None, .. }) =
                    step(runbook, &key.name).map(|s| &s.kind)
                else {
                    let asked =
                        keys(runbook, &|kind| matches!(kind, Kind::Ask { expects: None, .. }));
                    let message = format!("no step `{}` asks anything", key.name);
                    let help = known("steps that ask", &key.name, &asked);
                    self.wrong(Code::UNKNOWN_STEP, &key.span, message, Some(help));
                    continue;
                };
                let mut words: Vec<(&str, ())> =
                    choices.iter().map(|(c, _)| (c.as_str(), ())).collect();
                words.push((UNKNOWN, ()));
                if self.word(node, "the answer", &words).is_some()
                    && let Yaml::Text(answer) = &node.value
                {
                    let seen = match answer.as_str() {
                        UNKNOWN => Seen::Unknown(Why::NotAnswered),
                        _ => Seen::Answer(answer.clone()),
                    };
                    observed.push(Observed { key: key.name.clone(), seen, own });
                }
            }
        }
        given.observed.retain(|old| observed.iter().all(|new| new.key != old.key));
        given.observed.extend(observed);
    }

    fn no_probe(&mut self, key: &str, span: &std::ops::Range<usize>, runbook: &Runbook) {
        let (message, help) = match step(runbook, key).map(|step| &step.kind) {
            Some(Kind::Ask { .. }) => (
                format!("the step `{key}` asks somebody and sees nothing"),
                format!("write `answers: {{{key}: …}}`"),
            ),
            Some(Kind::Use { runbook, .. }) => {
                let inner = keys(runbook, &|kind| matches!(kind, Kind::Probe { .. }));
                let first = inner.first().map_or("step", String::as_str);
                (
                    format!("the step `{key}` uses the runbook {}", runbook.name),
                    format!("say what its steps saw, as in `{key}/{first}`"),
                )
            }
            Some(_) => (
                format!("the step `{key}` runs no probe and sees nothing"),
                "take it out; it decides on what the others saw".to_owned(),
            ),
            None => {
                let all = keys(runbook, &|kind| matches!(kind, Kind::Probe { .. }));
                (format!("there is no step `{key}`"), known("steps with a probe", key, &all))
            }
        };
        self.wrong(Code::UNKNOWN_STEP, span, message, Some(help));
    }

    fn target(&mut self, node: &Node) -> Option<Target> {
        let text = self.text(node, "`target`")?;
        match text.parse::<Target>() {
            Ok(target) => Some(target),
            Err(error) => {
                let message = format!("the target cannot be used: {}", error.problem);
                self.wrong(Code::BAD_NAME, &node.span, message, Some(error.hint));
                None
            }
        }
    }

    fn some_params(&mut self, node: &Node, runbook: &Runbook, params: &mut Map<String, Value>) {
        for (key, node) in self.entries(node, "`params`").unwrap_or_default() {
            let Some(param) = runbook.params.iter().find(|param| param.name == key.name) else {
                let all: Vec<&str> = runbook.params.iter().map(|p| p.name.as_str()).collect();
                let message = format!("runbook {} has no parameter `{}`", runbook.name, key.name);
                let help = did_you_mean(&key.name, &all, "parameters");
                self.wrong(Code::UNKNOWN_NAME, &key.span, message, Some(help));
                continue;
            };
            let value = Reader::json(node);
            let low = value.as_f64().zip(param.min).is_some_and(|(value, min)| value < min);
            let high = value.as_f64().zip(param.max).is_some_and(|(value, max)| value > max);
            if !literal_fits(&value, &param.ty) || low || high {
                let what = if low || high { "within its bounds" } else { &param.ty.name() };
                let message = format!("the parameter `{}` is not {what}", key.name);
                self.wrong(Code::PARAM, &node.span, message, Some(param.help.clone()));
                continue;
            }
            params.insert(key.name.clone(), value);
        }
    }

    /// Adds the defaults of the parameters that were not given, in the runbook's order.
    fn all_params(
        &mut self,
        mut given: Map<String, Value>,
        runbook: &Runbook,
        name: &Node,
    ) -> Map<String, Value> {
        let mut all = Map::new();
        for param in &runbook.params {
            match given.remove(&param.name).or_else(|| param.default.clone()) {
                Some(value) => {
                    all.insert(param.name.clone(), value);
                }
                None => {
                    let message = format!("the test gives no parameter `{}`", param.name);
                    let help = format!("runbook {} needs it: {}", runbook.name, param.help);
                    self.wrong(Code::PARAM, &name.span, message, Some(help));
                }
            }
        }
        all
    }
}

/// Suggests one of some names.
pub(super) fn known(what: &str, found: &str, names: &[String]) -> String {
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    did_you_mean(found, &names, what)
}

fn entry(target: Option<&Target>, family: Option<&str>) -> TargetEntry {
    let family = family.unwrap_or("any").to_owned();
    match target {
        Some(target) => TargetEntry {
            input: target.input.clone(),
            host: target.host.text(),
            port: target.port,
            scheme: target.scheme.clone(),
            family,
        },
        None => TargetEntry {
            input: "this machine".to_owned(),
            host: None,
            port: None,
            scheme: None,
            family,
        },
    }
}
