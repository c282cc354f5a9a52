//! A saved report: read, replayed, redacted and written in every format.
#![no_main]

use std::sync::{Arc, LazyLock};

use libfuzzer_sys::fuzz_target;
use tcpdoctor::model::check::Check;
use tcpdoctor::model::expect::FailOn;
use tcpdoctor::render::sanitise::is_unsafe;
use tcpdoctor::render::{Format, Style};
use tcpdoctor::runbook::{Runbook, builtin};
use tcpdoctor::{Report, engine};

static CONNECT: LazyLock<Arc<Runbook>> =
    LazyLock::new(|| builtin("connect").expect("it is built in"));

fuzz_target!(|bytes: &[u8]| {
    let Ok(report) = serde_json::from_slice::<Report>(bytes) else { return };
    let replayed = engine::replay(&report, &CONNECT);
    for report in [report, replayed] {
        let check = Check::of(report, &FailOn::default(), false);
        for format in Format::ALL {
            let mut out = Vec::new();
            format.write(&check, &Style::plain(80), &mut out).expect("a vector takes everything");
            let out = String::from_utf8(out).expect("every format is UTF-8");
            assert!(!out.contains(|c| is_unsafe(c) && c != '\n'), "{}", format.name());
        }
    }
});
