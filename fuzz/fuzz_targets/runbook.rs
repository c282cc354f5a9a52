//! A runbook that somebody wrote: read, checked, linted, mended and drawn.
#![no_main]

use libfuzzer_sys::fuzz_target;
use tcpdoctor::render::sanitise::is_unsafe;
use tcpdoctor::runbook::{self, drawing, lint, load};

fuzz_target!(|text: &str| {
    match runbook::parse("fuzz.yaml", text, None) {
        Ok(book) => drop(drawing::graph(&book)),
        Err(errors) => {
            let said = errors.render();
            assert!(!said.contains(|c| is_unsafe(c) && c != '\n'), "{said:?}");
        }
    }
    let _ = load::parse_catalogue("fuzz.yaml", text);
    let _ = lint::lint("fuzz.yaml", text, None).findings();
    if let Some(mended) = lint::mend("fuzz.yaml", text, None) {
        assert_eq!(lint::mend("fuzz.yaml", &mended.text, None), None, "mended twice");
    }
});
