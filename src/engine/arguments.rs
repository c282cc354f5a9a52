//! What a step hands to its probe, or to the runbook that it uses.

use serde_json::{Map, Value};

use crate::probe::Spec;
use crate::runbook::expr::{Bindings, Known};
use crate::runbook::{Arg, Runbook, types};

/// Returns the parameters that have a default.
pub(super) fn defaults(runbook: &Runbook) -> Map<String, Value> {
    let known = runbook.params.iter().filter_map(|p| Some((p.name.clone(), p.default.clone()?)));
    known.collect()
}

/// Evaluates a probe's arguments; one that may be left out is left out when it is unknown.
///
/// # Errors
///
/// Returns what the first of the others depends on.
pub(super) fn arguments(
    spec: &Spec,
    with: &[(String, Arg)],
    names: &Bindings,
) -> Result<Value, String> {
    // Deriving the types takes longer than all the rest, and few arguments need them.
    let optional = |name: &str| {
        let field = types::of(spec).args.field(name);
        field.is_some_and(|field| field.nullable || field.default.is_some())
    };
    let mut args = Map::new();
    for (name, arg) in with {
        match arg.value(names) {
            Known::Value(Value::Null) if optional(name) => {}
            Known::Value(value) => {
                args.insert(name.clone(), value);
            }
            Known::Unknown(_) if optional(name) => {}
            Known::Unknown(on) => return Err(on),
        }
    }
    Ok(Value::Object(args))
}
