//! Parameters of a runbook: types, defaults and bounds.

use super::Param;
use super::code::Code;
use super::read::Reader;
use super::types::{field, record, words};
use super::value::literal_fits;
use super::yaml::{Node, Yaml};
use crate::model::types::Type;

impl Reader {
    /// Reads the mapping under `params`.
    pub(super) fn params(&mut self, node: Option<&Node>) -> Vec<Param> {
        let Some(node) = node else {
            return Vec::new();
        };
        let mut params = Vec::new();
        let entries = self.entries(node, "`params`").unwrap_or_default();
        if !self.not_too_many(node, entries.len(), "`params`") {
            return params;
        }
        for (key, value) in entries {
            self.name(&key.name, &key.span, "a parameter's name", false);
            if let Some(param) = self.param(&key.name, value) {
                params.push(param);
            }
        }
        params
    }

    fn param(&mut self, name: &str, node: &Node) -> Option<Param> {
        let known = ["type", "default", "min", "max", "values", "help"];
        let fields = self.fields(node, "a parameter", &known)?;
        let kind = self.need(fields, node, "a parameter", "type")?;
        let kinds = [
            ("int", "int"),
            ("float", "float"),
            ("bool", "bool"),
            ("text", "text"),
            ("word", "word"),
        ];
        let kind = self.word(kind, "`type`", &kinds)?;
        let ty = match kind {
            "int" => Type::Int,
            "float" => Type::Float,
            "bool" => Type::Bool,
            "text" => Type::Text,
            _ => {
                let values = self.need(fields, node, "a parameter of type word", "values")?;
                let values = self.texts(values, "`values`")?;
                if values.is_empty() {
                    self.wrong(Code::PARAM, &node.span, "`values` is empty", None);
                }
                self.not_too_many(node, values.len(), "`values`").then_some(())?;
                words(&values.iter().map(|(v, _)| (*v, "")).collect::<Vec<_>>())
            }
        };
        if let (Some((key, _)), false) = (fields.entry("values"), kind == "word") {
            let help = Some("write `type: word`".to_owned());
            let message = format!("`values` does not fit the type {kind}");
            self.wrong(Code::PARAM, &key.span, message, help);
        }
        let numeric = matches!(ty, Type::Int | Type::Float);
        let min = self.bound(fields.find("min"), "`min`", numeric, kind);
        let max = self.bound(fields.find("max"), "`max`", numeric, kind);
        if let (Some(min), Some(max), Some(place)) = (min, max, fields.find("max"))
            && min > max
        {
            let message = format!("`max` ({max}) is less than `min` ({min})");
            self.wrong(Code::PARAM, &place.span, message, None);
        }
        let default = fields.find("default").and_then(|node| {
            let value = Reader::json(node);
            if !literal_fits(&value, &ty) {
                let message = format!("the default of `{name}` is not {}", ty.name());
                self.wrong(Code::PARAM, &node.span, message, None);
                return None;
            }
            if let Some(number) = value.as_f64() {
                let low = min.is_some_and(|min| number < min);
                let high = max.is_some_and(|max| number > max);
                if low || high {
                    let message = format!("the default of `{name}` is outside its bounds");
                    self.wrong(Code::PARAM, &node.span, message, None);
                }
            }
            Some(value)
        });
        let help = match fields.find("help") {
            Some(node) => self.text(node, "`help`").unwrap_or_default().to_owned(),
            None => String::new(),
        };
        Some(Param { name: name.to_owned(), ty, default, min, max, help })
    }

    fn bound(&mut self, node: Option<&Node>, what: &str, numeric: bool, kind: &str) -> Option<f64> {
        let node = node?;
        if !numeric {
            let message = format!("{what} does not fit the type {kind}");
            self.wrong(Code::PARAM, &node.span, message, None);
            return None;
        }
        match node.value {
            Yaml::Int(int) => Some(int as f64),
            Yaml::Float(float) => Some(float),
            _ => {
                self.type_error(node, what, "a number");
                None
            }
        }
    }
}

/// Returns the type of `params`.
pub(super) fn params_type(params: &[Param]) -> Type {
    let fields =
        params.iter().map(|param| field(&param.name, &param.help, param.ty.clone(), false));
    record("params", fields.collect())
}
