//! Questions: what is asked, why, and what can be answered.

use std::ops::Range;

use super::branch::Around;
use super::code::Code;
use super::expr::Scope;
use super::problem::did_you_mean;
use super::read::{Fields, Reader};
use super::yaml::{Key, Node};
use super::{Branch, Expects, Kind};

/// What a question may ask for instead of a choice.
const EXPECTS: [(&str, Expects); 1] = [("server_report", Expects::ServerReport)];
/// The answer of a user who does not know.
pub const UNKNOWN: &str = "unknown";
impl Reader {
    /// Reads what an ask step does.
    pub(super) fn ask_kind(
        &mut self,
        fields: Fields<'_>,
        own: &Node,
        scope: &Scope,
        inner: &Scope,
        around: &Around<'_>,
    ) -> Option<(Kind, Vec<Range<usize>>)> {
        let question = self.template(fields.find("ask")?, "`ask`", scope);
        let what = "an ask step";
        let mut others = Vec::new();
        let no_input = self.need(fields, own, what, "no_input");
        let no_input = no_input.map(|node| self.arm(node, "`no_input`", scope, around));
        let why = fields.find("why").and_then(|node| self.template(node, "`why`", scope));
        let expects = fields.find("expects");
        let expects =
            expects.map(|node| self.word(node, "`expects`", &EXPECTS).unwrap_or(EXPECTS[0].1));
        let mut choices = Vec::new();
        let node = match expects {
            Some(_) => None,
            None => self.need(fields, own, what, "choices"),
        };
        if let Some(node) = node {
            let entries = self.entries(node, "`choices`").unwrap_or_default();
            if entries.is_empty() {
                self.wrong(Code::MISSING_KEY, &node.span, "`choices` is empty", None);
            }
            self.not_too_many(node, entries.len(), "`choices`").then_some(())?;
            for (key, value) in entries {
                self.choice(key);
                let (branch, span) = self.arm(value, "a choice", inner, around);
                choices.push((key.name.clone(), branch));
                others.push(span);
            }
        }
        let default = fields.find("default").and_then(|node| self.default_choice(node, &choices));
        let (no_input, span) = no_input?;
        others.insert(0, span);
        let no_input = Box::new(no_input);
        let kind = Kind::Ask { question: question?, why, default, expects, choices, no_input };
        Some((kind, others))
    }

    /// `unknown` is what a user says who does not know.
    fn choice(&mut self, key: &Key) {
        if key.name == UNKNOWN {
            let message = "`unknown` can always be chosen: it leads to `no_input`";
            let help = Some("leave it out, or give the choice another name".to_owned());
            self.wrong(Code::BAD_NAME, &key.span, message, help);
        }
    }

    fn default_choice(&mut self, node: &Node, choices: &[(String, Branch)]) -> Option<String> {
        let name = self.text(node, "`default`")?;
        if name == UNKNOWN {
            return None;
        }
        if choices.iter().all(|(known, _)| known != name) {
            let known: Vec<&str> = choices.iter().map(|(name, _)| name.as_str()).collect();
            let message = format!("there is no choice `{name}`");
            let help = did_you_mean(name, &known, "choices");
            self.wrong(Code::UNKNOWN_WORD, &node.span, message, Some(help));
            return None;
        }
        Some(name.to_owned())
    }
}
