//! Environment variables in a targets file: declared under `env`, written as `${NAME}`.

use std::collections::HashMap;

use super::File;
use crate::runbook::code::Code;
use crate::runbook::problem::did_you_mean;
use crate::runbook::targets::Variable;
use crate::runbook::yaml::{Node, Yaml};

/// The declared variables; `None` for one that was complained about.
pub(super) type Variables = HashMap<String, Option<String>>;

impl File<'_> {
    /// Reads the list under `env`.
    pub(super) fn variables(&mut self, node: Option<&Node>, variable: Variable<'_>) -> Variables {
        let mut variables = Variables::new();
        let Some(items) = node.and_then(|node| self.reader.list(node, "`env`")) else {
            return variables;
        };
        for item in items {
            let Some((name, place, default)) = self.declared(item) else { continue };
            let value = match (variable(&name), default) {
                (Ok(value), _) => Some(value),
                (Err(_), Some(default)) => Some(default),
                (Err(why), None) => {
                    let message = format!("the environment variable {name} {why}");
                    let help =
                        format!("set it, or give it a default: {{name: {name}, default: …}}");
                    self.reader.wrong(Code::ENVIRONMENT, &place.span, message, Some(help));
                    None
                }
            };
            if variables.insert(name.clone(), value).is_some() {
                let message = format!("{name} is declared twice");
                self.reader.wrong(Code::DUPLICATE_KEY, &place.span, message, None);
            }
        }
        variables
    }

    /// Reads a declaration: a name, or a name with a default.
    fn declared<'a>(&mut self, item: &'a Node) -> Option<(String, &'a Node, Option<String>)> {
        let what = "a variable";
        let (node, default) = match &item.value {
            Yaml::Text(_) => (item, None),
            _ => {
                let fields = self.reader.fields(item, what, &["name", "default"])?;
                let default = match fields.find("default") {
                    Some(node) => Some(match &node.value {
                        Yaml::Text(text) => text.clone(),
                        Yaml::Bool(_) | Yaml::Int(_) | Yaml::Float(_) => {
                            crate::runbook::read::Reader::json(node).to_string()
                        }
                        _ => {
                            self.reader.type_error(node, "`default`", "text");
                            return None;
                        }
                    }),
                    None => None,
                };
                (self.reader.need(fields, item, what, "name")?, default)
            }
        };
        let name = self.reader.text(node, "a variable's name")?;
        let first = |c: char| c.is_ascii_alphabetic() || c == '_';
        let fine = name.starts_with(first)
            && name.len() <= 200
            && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
        if !fine {
            let message = format!("`{name}` cannot be a variable");
            let help = Some("letters, digits and underscores, no digit first".to_owned());
            self.reader.wrong(Code::BAD_NAME, &node.span, message, help);
            return None;
        }
        Some((name.to_owned(), node, default))
    }

    /// Puts the variables into every text of a tree; keys stay as they are.
    pub(super) fn fill(&mut self, node: &mut Node, variables: &Variables) {
        match &mut node.value {
            Yaml::List(items) => items.iter_mut().for_each(|item| self.fill(item, variables)),
            Yaml::Map(entries) => {
                entries.iter_mut().for_each(|(_, value)| self.fill(value, variables));
            }
            Yaml::Text(text) if text.contains("${") => {
                let text = text.clone();
                let (filled, whole) = self.filled_text(node, &text, variables);
                self.filled.insert(node.span.start);
                if !whole {
                    self.unfilled.push(node.span.start);
                }
                node.value = Yaml::Text(filled);
            }
            _ => {}
        }
    }

    /// `${NAME}` becomes the variable's value, `$${` a plain `${`; also says whether every variable had
    /// one.
    fn filled_text(&mut self, node: &Node, text: &str, variables: &Variables) -> (String, bool) {
        let mut whole = true;
        let mut out = String::with_capacity(text.len());
        let mut at = 0;
        while let Some(found) = text[at..].find("${") {
            let start = at + found;
            if text[..start].ends_with('$') && start > at {
                out.push_str(&text[at..start - 1]);
                out.push_str("${");
                at = start + 2;
                continue;
            }
            out.push_str(&text[at..start]);
            let Some(length) = text[start..].find('}') else {
                let place = self.reader.within(node, start..start + 2);
                let help = "close it with }, or write $${ where a plain ${ is meant".to_owned();
                let message = "`${` is never closed";
                self.reader.wrong(Code::ENVIRONMENT, &place, message, Some(help));
                return (out, false);
            };
            let name = &text[start + 2..start + length];
            match variables.get(name) {
                Some(Some(value)) => out.push_str(value),
                Some(None) => whole = false,
                None => {
                    whole = false;
                    let place = self.reader.within(node, start..start + length + 1);
                    let known: Vec<&str> = variables.keys().map(String::as_str).collect();
                    let help = match did_you_mean(name, &known, "variables") {
                        found if found.starts_with("did you mean") => found,
                        _ => format!("declare it at the top of the file: env: [{name}]"),
                    };
                    let message = format!("the variable `{name}` is not declared");
                    self.reader.wrong(Code::ENVIRONMENT, &place, message, Some(help));
                }
            }
            at = start + length + 1;
        }
        out.push_str(&text[at..]);
        (out, whole)
    }
}
