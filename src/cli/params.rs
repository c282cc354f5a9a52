//! Values written as text on the command line, by the types of parameters and arguments.

use serde_json::{Map, Value};

use crate::cli::nearest::suggestion;
use crate::cli::usage::{Usage, quoted};
use crate::model::types::Type;
use crate::runbook::{Param, Runbook};

/// Returns the runbook's parameters, complete: those given, checked, and the defaults of the others.
pub(super) fn bind(
    runbook: &Runbook,
    given: &[(String, String)],
) -> Result<Map<String, Value>, Usage> {
    for (nth, (name, _)) in given.iter().enumerate() {
        if given[..nth].iter().any(|(other, _)| other == name) {
            return Err(Usage::new(format!("--param gives {} twice", quoted(name))));
        }
        if !runbook.params.iter().any(|param| param.name == *name) {
            let known = runbook.params.iter().map(|param| param.name.as_str());
            let problem = format!("runbook {} has no parameter {}", runbook.name, quoted(name));
            return Err(Usage::new(problem).help(suggestion(name, known)));
        }
    }
    let mut bound = Map::new();
    for param in &runbook.params {
        let text = given.iter().find(|(name, _)| *name == param.name);
        let value = match (text, &param.default) {
            (Some((_, text)), _) => checked(param, text)?,
            (None, Some(default)) => default.clone(),
            (None, None) => {
                let problem = format!(
                    "runbook {} needs a value for its parameter {}: {}",
                    runbook.name, param.name, param.help
                );
                return Err(Usage::new(problem).help(format!(
                    "write --param {}={}",
                    param.name,
                    param.ty.name()
                )));
            }
        };
        bound.insert(param.name.clone(), value);
    }
    Ok(bound)
}

fn checked(param: &Param, text: &str) -> Result<Value, Usage> {
    let wrong = |what: String| {
        Usage::new(format!("parameter {} cannot be {}: {what}", param.name, quoted(text)))
            .help(param.help.clone())
    };
    let value = parse(&param.ty, text).map_err(&wrong)?;
    if let Some(number) = value.as_f64() {
        match (param.min, param.max) {
            (Some(min), _) if number < min => return Err(wrong(format!("the least is {min}"))),
            (_, Some(max)) if number > max => return Err(wrong(format!("the most is {max}"))),
            _ => {}
        }
    }
    Ok(value)
}

/// Reads a value of a type; the error says what was expected.
///
/// Lists are comma-separated or JSON; records and maps are JSON.
pub(super) fn parse(ty: &Type, text: &str) -> Result<Value, String> {
    let json = || serde_json::from_str::<Value>(text);
    match ty {
        Type::Bool => match text {
            "true" | "yes" | "on" => Ok(Value::Bool(true)),
            "false" | "no" | "off" => Ok(Value::Bool(false)),
            _ => Err("true or false is expected".to_owned()),
        },
        Type::Int => {
            let number = text.parse::<i64>();
            let number = number.map_err(|_| "a whole number is expected".to_owned());
            number.map(Value::from)
        }
        Type::Float => {
            let number = text.parse::<f64>().ok().filter(|number| number.is_finite());
            number.map(Value::from).ok_or_else(|| "a number is expected".to_owned())
        }
        Type::Text => Ok(Value::from(text)),
        Type::Word(words) if words.iter().any(|word| word.name == text) => Ok(Value::from(text)),
        Type::Word(words) => Err(suggestion(text, words.iter().map(|word| word.name.as_str()))),
        Type::List(_) if text.starts_with('[') && !text.starts_with("[:") => {
            let list = json().ok().filter(Value::is_array);
            list.ok_or_else(|| "the JSON list is not well formed".to_owned())
        }
        Type::List(_) if text.is_empty() => Ok(Value::Array(Vec::new())),
        Type::List(item) => text.split(',').map(|text| parse(item, text.trim())).collect(),
        Type::Record(_) | Type::Map(_) => {
            let object = json().ok().filter(Value::is_object);
            object.ok_or_else(|| "a JSON object is expected".to_owned())
        }
        Type::Any => Ok(json().unwrap_or_else(|_| Value::from(text))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;
    use std::sync::Arc;

    #[test]
    fn text_becomes_the_type_that_is_asked_for() {
        let list = Type::List(Arc::new(Type::Int));
        assert_eq!(parse(&Type::Int, "-5"), Ok(json!(-5)));
        assert_eq!(parse(&Type::Float, "2.5"), Ok(json!(2.5)));
        assert_eq!(parse(&Type::Bool, "off"), Ok(json!(false)));
        assert_eq!(parse(&list, "22, 80"), Ok(json!([22, 80])));
        assert_eq!(parse(&list, "[22,80]"), Ok(json!([22, 80])));
        assert_eq!(parse(&list, ""), Ok(json!([])));
        assert_eq!(parse(&Type::Text, "5"), Ok(json!("5")));
    }

    #[test]
    fn what_does_not_fit_is_refused() {
        let list = Type::List(Arc::new(Type::Int));
        for (ty, text) in [
            (&Type::Int, "5.5"),
            (&Type::Int, ""),
            (&Type::Float, "inf"),
            (&Type::Float, "NaN"),
            (&Type::Bool, "maybe"),
            (&list, "1,x"),
            (&list, "[1"),
        ] {
            assert!(parse(ty, text).is_err(), "{text}");
        }
    }
}
