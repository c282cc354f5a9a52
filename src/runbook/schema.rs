//! The JSON Schema of runbooks and files of diagnoses, for editors: completion and hover.
//!
//! Made from what the loader and `explain` use: the table of keys, the probes' contracts, the
//! catalogue. It knows nothing about expressions and ways, so what it accepts may still be wrong.

use serde_json::{Map, Value, json};

use super::keys::{GROUPS, Group, Key, Shape};
use super::{Catalogue, types};
use crate::model::types::{Field, Type};
use crate::probe::{REGISTRY, Spec};

/// The ends that stand instead of a step.
const ENDS: [(&str, &str); 3] = [
    ("healthy", "The target is in order."),
    ("inconclusive", "What decides could not be looked at."),
    ("as_used", "The end that the used runbook came to; only in a use step."),
];

/// Returns the schema, JSON Schema draft 2020-12.
pub fn schema() -> Value {
    let mut definitions = Map::new();
    for group in GROUPS.iter().filter(|group| !matches!(group.id, "runbook" | "catalogue")) {
        definitions.insert(group.id.to_owned(), definition(group));
    }
    definitions.insert("step".to_owned(), step());
    definitions.insert("diagnosis_id".to_owned(), diagnosis_id());
    definitions.insert("to".to_owned(), arm());
    for key in ["conclude", "note"] {
        definitions.insert(format!("needs_of_{key}"), json!({"allOf": needs(key)}));
    }
    for spec in REGISTRY {
        definitions.insert(format!("probe_{}", spec.id), arguments(spec));
    }
    let mut root = Map::new();
    root.insert("$schema".to_owned(), json!("https://json-schema.org/draft/2020-12/schema"));
    root.insert("title".to_owned(), json!("A runbook of tcpdoctor, or a file of diagnoses"));
    if let Some(group) = Group::find("runbook") {
        let Value::Object(mut whole) = object(group) else { unreachable!("an object") };
        whole.insert("required".to_owned(), json!(["format"]));
        root.append(&mut whole);
    }
    root.insert(
        "anyOf".to_owned(),
        json!([
            {"required": ["name", "title", "start", "steps"]},
            {"required": ["name", "extends"]},
            {"required": ["diagnoses"], "properties": {"name": false, "steps": false}},
        ]),
    );
    // Only in a file that extends another may a step be of no kind and a parameter of no type.
    root.insert("if".to_owned(), json!({"not": {"required": ["extends"]}}));
    let kinds = ["probe", "ask", "decide", "use"].map(|kind| json!({"required": [kind]}));
    root.insert(
        "then".to_owned(),
        json!({"properties": {
            "steps": {"additionalProperties": {"anyOf": kinds}, "minProperties": 1},
            "params": {"additionalProperties": {"required": ["type"]}},
        }}),
    );
    root.insert("dependentSchemas".to_owned(), json!({"name": {"properties": {
        "steps": {"propertyNames": {
            "pattern": "^[a-z][a-z0-9_]{0,63}$",
            "not": {"enum": ["healthy", "inconclusive", "as_used", "target", "params", "result"]},
        }},
        "diagnoses": {"propertyNames": {"pattern": "^x-"}},
    }}}));
    root.insert("$defs".to_owned(), Value::Object(definitions));
    Value::Object(root)
}

/// The definition of a group, with what its keys alone do not say.
fn definition(group: &Group) -> Value {
    let mut whole = object(group);
    // What belongs to a diagnosis stands only beside one.
    let alone = ["with", "at", "confidence", "severity", "evidence", "not"];
    let alone: Map<_, _> = alone.map(|key| (key.to_owned(), json!(false))).into_iter().collect();
    let way = json!([{"required": ["goto"], "properties": alone}, {"required": ["conclude"], "properties": {"goto": false}}]);
    match group.id {
        "arm" => whole["oneOf"] = way,
        "branch" => {
            whole["oneOf"] = json!([
                {"required": ["when"], "oneOf": way},
                {"required": ["else"], "maxProperties": 1},
            ]);
        }
        "param" => {
            whole["if"] = json!({"properties": {"type": {"const": "word"}}, "required": ["type"]});
            whole["then"] = json!({"required": ["values"]});
            whole["else"] =
                json!({"if": {"required": ["type"]}, "then": {"properties": {"values": false}}});
            // A parameter of a runbook that is extended keeps its type; see the root.
            whole["required"] = json!([]);
        }
        "ask_step" => whole["properties"]["choices"]["minProperties"] = json!(1),
        "probe_step" => {
            let each = REGISTRY.iter().map(|spec| {
                let mut then = json!({"properties": {
                    "with": {"$ref": format!("#/$defs/probe_{}", spec.id)}
                }});
                if needed_arguments(spec).next().is_some() {
                    then["required"] = json!(["with"]);
                }
                json!({"if": {"properties": {"probe": {"const": spec.id}}}, "then": then})
            });
            whole["allOf"] = Value::Array(each.collect());
        }
        _ => {}
    }
    if matches!(group.id, "arm" | "branch") {
        whole["allOf"] = json!([{"$ref": "#/$defs/needs_of_conclude"}]);
    }
    if group.id == "finding" {
        whole["allOf"] = json!([{"$ref": "#/$defs/needs_of_note"}]);
    }
    // A step that is turned off needs no ways out.
    if matches!(group.id, "probe_step" | "ask_report_step" | "decide_step" | "use_step")
        && let Some(required) = whole["required"].as_array_mut()
    {
        required.retain(|key| key != "branches");
        whole["anyOf"] = json!([{"required": ["branches"]}, {"required": ["disable"]}]);
    }
    whole
}

/// What the keys of a group say.
fn object(group: &Group) -> Value {
    let properties = group.keys.iter().map(|key| (key.name.to_owned(), property(key)));
    let required: Vec<&str> =
        group.keys.iter().filter(|key| key.needed).map(|key| key.name).collect();
    let mut whole = json!({
        "type": "object",
        "properties": properties.collect::<Map<_, _>>(),
        "additionalProperties": false,
    });
    if !required.is_empty() {
        whole["required"] = json!(required);
    }
    whole
}

fn property(key: &Key) -> Value {
    let mut value = shape(key.shape);
    value["description"] = json!(key.doc);
    if key.name == "rules_out" {
        value["propertyNames"] = json!({"$ref": "#/$defs/diagnosis_id"});
    }
    if key.name == "confidence" {
        return json!({
            "description": key.doc,
            "anyOf": [value, {"type": "string", "pattern": r"\{\{"}],
        });
    }
    value
}

fn shape(shape: Shape) -> Value {
    match shape {
        Shape::Format => json!({"const": 1}),
        Shape::Text | Shape::Template => json!({"type": "string"}),
        Shape::Condition => json!({"type": ["string", "boolean"]}),
        Shape::Int => json!({"type": ["integer", "string"]}),
        Shape::Number => json!({"type": "number"}),
        Shape::True => json!({"const": true}),
        Shape::Duration => json!({"type": "string", "pattern": r"^\s*\+?[0-9PpTt]"}),
        Shape::Name => json!({"type": "string", "pattern": "^[a-z][a-z0-9_-]{0,63}$"}),
        Shape::Words(words) => words_of(words.all()),
        Shape::Probe => {
            words_of(&REGISTRY.iter().map(|spec| (spec.id, spec.doc)).collect::<Vec<_>>())
        }
        Shape::Step | Shape::End => json!({"type": "string", "pattern": "^[a-z][a-z0-9_]{0,63}$"}),
        Shape::Diagnosis => json!({"$ref": "#/$defs/diagnosis_id"}),
        Shape::Values => json!({"type": "object"}),
        Shape::List(of) => json!({"type": "array", "items": self::shape(*of)}),
        Shape::Map(of) => json!({"type": "object", "additionalProperties": self::shape(*of)}),
        Shape::OneOrMore(of) => {
            let one = self::shape(*of);
            json!({"anyOf": [one, {"type": "array", "items": one}]})
        }
        Shape::Group(id) => json!({"$ref": format!("#/$defs/{id}")}),
        Shape::Arm => json!({"$ref": "#/$defs/to"}),
        Shape::AnyStep => json!({"$ref": "#/$defs/step"}),
        Shape::Scalar => json!({"type": ["string", "number", "boolean"]}),
    }
}

/// A closed list of words, each with its meaning.
fn words_of(words: &[(&str, &str)]) -> Value {
    let each = words.iter().map(|(word, doc)| json!({"const": word, "description": doc}));
    json!({"anyOf": each.collect::<Vec<_>>()})
}

/// A step: of one kind, or a change to a step of the runbook that is extended.
fn step() -> Value {
    let kinds = ["probe", "ask", "decide", "use"];
    let each = kinds.map(|kind| match kind {
        "ask" => json!({
            "if": {"required": ["ask"]},
            "then": {
                "if": {"required": ["expects"]},
                "then": {"$ref": "#/$defs/ask_report_step"},
                "else": {"$ref": "#/$defs/ask_step"},
            },
        }),
        kind => json!({
            "if": {"required": [kind]},
            "then": {"$ref": format!("#/$defs/{kind}_step")},
        }),
    });
    let mut properties = Map::new();
    for group in GROUPS.iter().filter(|group| group.id.ends_with("_step")) {
        for key in group.keys {
            properties.entry(key.name).or_insert_with(|| json!({"description": key.doc}));
        }
    }
    properties.insert(
        "add".to_owned(),
        json!({
            "description": "Branches and findings to be put to those of the step that is extended.",
            "$ref": "#/$defs/add",
        }),
    );
    json!({
        "type": "object",
        "properties": properties,
        "additionalProperties": false,
        "allOf": each,
    })
}

/// A step's id, an end, or a mapping.
fn arm() -> Value {
    json!({"anyOf": [
        words_of(&ENDS),
        {"type": "string", "pattern": "^[a-z][a-z0-9_]{0,63}$"},
        {"$ref": "#/$defs/arm"},
    ]})
}

fn diagnosis_id() -> Value {
    let catalogue = Catalogue::builtin().unwrap_or_default();
    let known: Vec<(&str, &str)> =
        catalogue.entries.iter().map(|entry| (entry.id.as_str(), entry.title.source())).collect();
    json!({"anyOf": [
        words_of(&known),
        words_of(&ENDS),
        {"type": "string", "pattern": "^x-", "description": "A diagnosis of your own."},
    ]})
}

/// What each diagnosis wants under `with`.
fn needs(key: &str) -> Vec<Value> {
    let catalogue = Catalogue::builtin().unwrap_or_default();
    let with_needs = catalogue.entries.iter().filter(|entry| !entry.needs.is_empty());
    let each = with_needs.map(|entry| {
        let names = entry.needs.iter().chain(&entry.optional);
        let names = names.map(|name| (name.clone(), json!({})));
        json!({
            "if": {"properties": {key: {"const": entry.id}}, "required": [key]},
            "then": {"required": ["with"], "properties": {"with": {
                "properties": names.collect::<Map<_, _>>(),
                "required": entry.needs,
                "additionalProperties": false,
            }}},
        })
    });
    each.collect()
}

fn needed_arguments(spec: &Spec) -> impl Iterator<Item = &'static Field> + use<> {
    let args = &types::of(spec).args;
    args.fields.iter().filter(|field| field.default.is_none() && !field.nullable)
}

/// The arguments of a probe.
fn arguments(spec: &Spec) -> Value {
    let fields = types::of(spec).args.fields.iter();
    let properties = fields.map(|field| (field.name.clone(), argument(field)));
    let required: Vec<&str> = needed_arguments(spec).map(|field| field.name.as_str()).collect();
    json!({
        "type": "object",
        "properties": properties.collect::<Map<_, _>>(),
        "additionalProperties": false,
        "required": required,
    })
}

fn argument(field: &Field) -> Value {
    let mut options = vec![value(&field.ty), json!({"type": "string", "pattern": r"\{\{"})];
    if field.nullable {
        options.push(json!({"type": "null"}));
    }
    let mut argument = json!({"description": field.doc, "anyOf": options});
    if let Some(default) = field.default.as_ref().filter(|default| !default.is_null()) {
        argument["default"] = default.clone();
    }
    argument
}

/// A value written out.
fn value(ty: &Type) -> Value {
    match ty {
        Type::Bool => json!({"type": "boolean"}),
        Type::Int => json!({"type": "integer"}),
        Type::Float => json!({"type": "number"}),
        Type::Text => json!({"type": "string"}),
        Type::Word(words) => {
            let words: Vec<(&str, &str)> =
                words.iter().map(|word| (word.name.as_str(), word.doc.as_str())).collect();
            words_of(&words)
        }
        Type::List(item) => {
            let hole = json!({"type": "string", "pattern": r"\{\{"});
            json!({"type": "array", "items": {"anyOf": [value(item), hole]}})
        }
        Type::Map(of) => json!({"type": "object", "additionalProperties": value(of)}),
        Type::Record(_) => json!({"type": "object"}),
        Type::Any => json!({}),
    }
}
