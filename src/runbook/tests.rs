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

#[test]
#[ignore = "a measurement"]
#[allow(clippy::disallowed_methods, clippy::print_stderr)]
fn how_long_loading_takes() {
    let time = |what: &str, run: &mut dyn FnMut()| {
        let start = std::time::Instant::now();
        run();
        eprintln!("{what}: {:?}", start.elapsed());
    };
    time("probe types", &mut || {
        for spec in crate::probe::REGISTRY {
            types::of(spec);
        }
    });
    time("catalogue", &mut || drop(Catalogue::builtin()));
    let (_, text) = builtin::RUNBOOKS[0];
    time("yaml of connect", &mut || drop(yaml::parse(text)));
    time("connect", &mut || drop(builtin("connect")));
    time("connect again", &mut || drop(builtin("connect")));
}
