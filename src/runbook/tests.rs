//! Tests over the loader as a whole.

use super::*;

#[test]
fn the_built_in_runbooks_load() {
    for (name, _) in builtin::RUNBOOKS {
        if let Err(error) = builtin(name) {
            panic!("{}", error.render());
        }
    }
}

#[test]
fn the_built_in_catalogue_loads_with_all_its_texts() {
    for (name, text) in builtin::DIAGNOSES {
        if let Err(errors) = load::parse_catalogue(name, text) {
            panic!("{}", errors.render());
        }
    }
}
