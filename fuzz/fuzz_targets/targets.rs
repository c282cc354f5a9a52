//! A targets file, and a target.
#![no_main]

use libfuzzer_sys::fuzz_target;
use tcpdoctor::Target;
use tcpdoctor::render::sanitise::is_unsafe;
use tcpdoctor::runbook::builtin;
use tcpdoctor::runbook::targets::parse_targets;

fuzz_target!(|text: &str| {
    let variable = |name: &str| match name {
        "HOST" => Ok("db.test".to_owned()),
        _ => Err("is not set".to_owned()),
    };
    let mut find = |name: Option<&str>, _: &_| {
        builtin(name.unwrap_or("connect")).map_err(|error| (error.to_string(), None))
    };
    if let Err(errors) = parse_targets("targets.yaml", text, &variable, &mut find) {
        let said = errors.render();
        assert!(!said.contains(|c| is_unsafe(c) && c != '\n'), "{said:?}");
    }
    let _ = text.parse::<Target>();
});
