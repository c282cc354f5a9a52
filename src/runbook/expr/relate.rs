//! How types relate: what can be equal, what is the one that covers two, and their names in messages.

use std::sync::Arc;

use crate::model::types::{Type, Word};

/// Whether values of the two types can be equal.
pub(super) fn comparable(a: &Type, b: &Type) -> bool {
    match (a, b) {
        (Type::Any, _) | (_, Type::Any) => true,
        (Type::Int | Type::Float, Type::Int | Type::Float) => true,
        (Type::Text, Type::Text | Type::Word(_)) | (Type::Word(_), Type::Text) => true,
        (Type::Word(a), Type::Word(b)) => share_a_word(a, b),
        (Type::List(a), Type::List(b)) => comparable(a, b),
        (Type::Map(a), Type::Map(b)) => comparable(a, b),
        (Type::Record(a), Type::Record(b)) => a.name == b.name,
        _ => a == b,
    }
}

fn share_a_word(a: &[Word], b: &[Word]) -> bool {
    a.iter().any(|a| b.iter().any(|b| a.name == b.name))
}

/// Returns the type of what is one or the other.
pub(crate) fn join(a: Type, b: Type) -> Type {
    match (a, b) {
        (a, b) if a == b => a,
        (Type::Int | Type::Float, Type::Int | Type::Float) => Type::Float,
        (Type::Text | Type::Word(_), Type::Text | Type::Word(_)) => Type::Text,
        (Type::List(a), Type::List(b)) => {
            Type::List(Arc::new(join(Type::clone(&a), Type::clone(&b))))
        }
        _ => Type::Any,
    }
}

/// Names a type for a sentence.
pub(crate) fn article(ty: &Type) -> String {
    match ty {
        Type::Int => "an int".to_owned(),
        Type::Text => "text".to_owned(),
        Type::Any => "a value".to_owned(),
        Type::Word(_) => ty.name(),
        Type::Record(_) => "a record".to_owned(),
        Type::List(item) if item.record().is_some() => "a list of records".to_owned(),
        other => format!("a {}", other.name()),
    }
}
