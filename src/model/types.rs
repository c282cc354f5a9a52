//! The types of probe arguments and results, as expressions and the documentation see them.

use std::sync::Arc;

/// The type of a value in an observation, an argument or a parameter.
#[derive(Debug, Clone, PartialEq)]
pub enum Type {
    /// True or false.
    Bool,
    /// A 64-bit signed integer.
    Int,
    /// A 64-bit float.
    Float,
    /// Free text.
    Text,
    /// One word of a closed vocabulary.
    Word(Arc<[Word]>),
    /// A list of one element type.
    List(Arc<Type>),
    /// A record with named fields.
    Record(Arc<Record>),
    /// Text keys to values of one type.
    Map(Arc<Type>),
    /// Anything; not checked before the run.
    Any,
}

/// One word of a closed vocabulary.
#[derive(Debug, Clone, PartialEq)]
pub struct Word {
    /// The word.
    pub name: String,
    /// What it means.
    pub doc: String,
}

/// A record type.
#[derive(Debug, Clone, PartialEq)]
pub struct Record {
    /// The type's name, unique among record types.
    pub name: String,
    /// What it is.
    pub doc: String,
    /// Its fields in order.
    pub fields: Vec<Field>,
}

/// One field of a record type.
#[derive(Debug, Clone, PartialEq)]
pub struct Field {
    /// The field's name.
    pub name: String,
    /// What it means, with its unit.
    pub doc: String,
    /// Its type.
    pub ty: Type,
    /// Whether it may be null: not measured.
    pub nullable: bool,
    /// The value used when an argument is left out; `None` means that it is required (arguments)
    /// or always there (results).
    pub default: Option<serde_json::Value>,
}

impl Record {
    /// Finds a field by name.
    pub fn field(&self, name: &str) -> Option<&Field> {
        self.fields.iter().find(|field| field.name == name)
    }
}

impl Type {
    /// Returns the type's name for messages, for example `list of text`.
    pub fn name(&self) -> String {
        match self {
            Type::Bool => "bool".to_owned(),
            Type::Int => "int".to_owned(),
            Type::Float => "float".to_owned(),
            Type::Text => "text".to_owned(),
            Type::Word(words) => {
                let names: Vec<&str> = words.iter().map(|word| word.name.as_str()).collect();
                format!("one of {}", names.join(", "))
            }
            Type::List(item) => format!("list of {}", item.name()),
            Type::Record(record) => record.name.clone(),
            Type::Map(value) => format!("map of {}", value.name()),
            Type::Any => "any".to_owned(),
        }
    }

    /// Returns the record behind this type, if it is one.
    pub fn record(&self) -> Option<&Arc<Record>> {
        match self {
            Type::Record(record) => Some(record),
            _ => None,
        }
    }
}
