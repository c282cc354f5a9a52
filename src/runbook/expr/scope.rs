//! The names that an expression may use, with their types.

use std::collections::HashMap;
use std::sync::Arc;

use crate::model::types::Type;

/// The names that an expression may use, with their types.
///
/// A copy shares what it was made of and holds its own names beside it: a runbook of a thousand steps
/// has a thousand scopes of a thousand names.
#[derive(Debug, Default, Clone)]
pub struct Scope {
    shared: Arc<Names>,
    own: Vec<(String, Type)>,
    /// Whether names that are not listed may be anything.
    open: bool,
}

#[derive(Debug, Default, Clone)]
struct Names {
    types: HashMap<String, Type>,
    /// In the order in which they were added.
    order: Vec<String>,
}

impl Scope {
    /// Makes a scope in which every name may be anything: for what was checked before.
    pub fn open() -> Scope {
        Scope { open: true, ..Scope::default() }
    }

    /// Adds a name; a later one of the same name hides the earlier.
    #[must_use]
    pub fn with(mut self, name: impl Into<String>, ty: Type) -> Scope {
        self.own.push((name.into(), ty));
        self
    }

    /// Adds a name, in place.
    pub fn add(&mut self, name: impl Into<String>, ty: Type) {
        let own = std::mem::take(&mut self.own);
        let shared = Arc::make_mut(&mut self.shared);
        for (name, ty) in own.into_iter().chain([(name.into(), ty)]) {
            if shared.types.insert(name.clone(), ty).is_none() {
                shared.order.push(name);
            }
        }
    }

    /// Finds the type of a name.
    pub fn find(&self, name: &str) -> Option<&Type> {
        let own = self.own.iter().rev().find(|(known, _)| known == name).map(|(_, ty)| ty);
        own.or_else(|| self.shared.types.get(name))
    }

    /// Whether names that it does not have may be anything.
    pub(super) fn is_open(&self) -> bool {
        self.open
    }

    /// Lists the names.
    pub(super) fn known(&self) -> Vec<&str> {
        let own = self.own.iter().map(|(name, _)| name.as_str());
        self.shared.order.iter().map(String::as_str).chain(own).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_later_name_hides_an_earlier_one_and_copies_do_not_meet() {
        let mut base = Scope::default().with("target", Type::Text).with("a", Type::Int);
        base.add("a", Type::Bool);
        let inner = base.clone().with("result", Type::Float).with("a", Type::Text);
        assert_eq!((base.find("a"), inner.find("a")), (Some(&Type::Bool), Some(&Type::Text)));
        assert_eq!((base.find("result"), inner.find("target")), (None, Some(&Type::Text)));
        assert_eq!(base.known(), ["target", "a"]);
    }
}
