//! Derives the types that expressions and documentation see from the Rust types of a probe.

use std::sync::Arc;

use schemars::JsonSchema;
use schemars::generate::SchemaSettings;
use serde_json::Value;

use crate::model::types::{Field, Record, Type, Word};

/// Returns the record type of `T`, read off its JSON schema.
///
/// # Panics
///
/// Panics if `T` is not a struct; a test over the registry holds that none is.
pub fn record_of<T: JsonSchema>() -> Record {
    let mut settings = SchemaSettings::draft2020_12();
    settings.inline_subschemas = true;
    let schema = settings.into_generator().into_root_schema_for::<T>();
    match convert(schema.as_value(), &T::schema_name()).0 {
        Type::Record(record) => Arc::unwrap_or_clone(record),
        other => unreachable!("{} is a {}, not a record", T::schema_name(), other.name()),
    }
}

/// Converts one schema node; the flag says whether null is allowed.
fn convert(schema: &Value, name: &str) -> (Type, bool) {
    if let Some(options) =
        schema.get("anyOf").or_else(|| schema.get("oneOf")).and_then(Value::as_array)
    {
        return convert_options(options, name);
    }
    if let Some(words) = schema.get("enum").and_then(Value::as_array) {
        let nullable = words.iter().any(Value::is_null);
        return (
            Type::Word(words.iter().filter_map(|word| plain_word(word, "")).collect()),
            nullable,
        );
    }
    let (kind, nullable) = kind_of(schema);
    let ty = match kind {
        "boolean" => Type::Bool,
        "integer" => Type::Int,
        "number" => Type::Float,
        "string" => Type::Text,
        "array" => {
            let item = schema
                .get("items")
                .map_or(Type::Any, |items| convert(items, &format!("{name}_item")).0);
            Type::List(Arc::new(item))
        }
        "object" => convert_object(schema, name),
        _ => Type::Any,
    };
    (ty, nullable)
}

fn convert_options(options: &[Value], name: &str) -> (Type, bool) {
    let mut nullable = false;
    let mut words = Vec::new();
    let mut other = None;
    for option in options {
        if option.get("type").and_then(Value::as_str) == Some("null") {
            nullable = true;
        } else if let Some(word) = option.get("const") {
            words.extend(plain_word(word, doc_of(option)));
        } else if let Some(list) = option.get("enum").and_then(Value::as_array) {
            words.extend(list.iter().filter_map(|word| plain_word(word, "")));
        } else {
            let (ty, null) = convert(option, name);
            nullable |= null;
            other = Some(ty);
        }
    }
    match other {
        Some(Type::Word(more)) => {
            words.extend(more.iter().cloned());
            (Type::Word(words.into()), nullable)
        }
        Some(ty) if words.is_empty() => (ty, nullable),
        Some(_) => (Type::Any, nullable),
        None => (Type::Word(words.into()), nullable),
    }
}

fn convert_object(schema: &Value, name: &str) -> Type {
    let Some(properties) = schema.get("properties").and_then(Value::as_object) else {
        let value = schema
            .get("additionalProperties")
            .filter(|value| value.is_object())
            .map_or(Type::Any, |value| convert(value, &format!("{name}_value")).0);
        return Type::Map(Arc::new(value));
    };
    let name = schema.get("title").and_then(Value::as_str).unwrap_or(name);
    let fields = properties.iter().map(|(field, schema)| {
        let (ty, nullable) = convert(schema, &format!("{name}_{field}"));
        Field {
            name: field.clone(),
            doc: doc_of(schema).to_owned(),
            ty,
            nullable,
            default: schema.get("default").cloned(),
        }
    });
    Type::Record(Arc::new(Record {
        name: name.to_owned(),
        doc: doc_of(schema).to_owned(),
        fields: fields.collect(),
    }))
}

/// Splits `"integer"` and `["integer", "null"]` into the kind and whether null is allowed.
fn kind_of(schema: &Value) -> (&str, bool) {
    match schema.get("type") {
        Some(Value::String(kind)) => (kind, false),
        Some(Value::Array(kinds)) => {
            let nullable = kinds.iter().any(|kind| kind == "null");
            let kind = kinds.iter().filter_map(Value::as_str).find(|kind| *kind != "null");
            (kind.unwrap_or(""), nullable)
        }
        _ => ("", false),
    }
}

fn plain_word(word: &Value, doc: &str) -> Option<Word> {
    Some(Word { name: word.as_str()?.to_owned(), doc: doc.to_owned() })
}

fn doc_of(schema: &Value) -> &str {
    schema.get("description").and_then(Value::as_str).unwrap_or("")
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde::{Deserialize, Serialize};

    #[derive(Serialize, Deserialize, JsonSchema)]
    #[serde(rename_all = "snake_case")]
    enum Colour {
        /// Like grass.
        Green,
        /// Like blood.
        Red,
    }

    #[derive(Serialize, Deserialize, JsonSchema)]
    struct Inner {
        /// How far, in hops.
        hops: u8,
    }

    #[derive(Serialize, Deserialize, JsonSchema)]
    struct Outer {
        colour: Colour,
        maybe: Option<Colour>,
        rtt_ms: Option<f64>,
        inner: Vec<Inner>,
        one: Option<Inner>,
        #[serde(default = "five")]
        count: u32,
        deltas: std::collections::BTreeMap<String, i64>,
    }

    fn five() -> u32 {
        5
    }

    #[test]
    fn words_nulls_lists_defaults_and_maps_survive() {
        let record = record_of::<Outer>();
        let field = |name: &str| record.field(name).cloned().unwrap();
        assert_eq!(field("colour").ty.name(), "one of green, red");
        assert!(field("maybe").nullable && !field("colour").nullable);
        assert_eq!(field("maybe").ty.name(), "one of green, red");
        assert_eq!((field("rtt_ms").ty, field("rtt_ms").nullable), (Type::Float, true));
        assert_eq!(field("count").default, Some(Value::from(5)));
        assert_eq!(field("deltas").ty, Type::Map(Arc::new(Type::Int)));
        let Type::List(item) = field("inner").ty else { panic!("not a list") };
        assert_eq!(item.record().unwrap().field("hops").unwrap().doc, "How far, in hops.");
        assert!(field("one").nullable && field("one").ty.record().is_some());
    }
}
