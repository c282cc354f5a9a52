//! What somebody pastes as the report of a server.
#![no_main]

use libfuzzer_sys::fuzz_target;
use tcpdoctor::model::server_report::{decode, encode, progress};

fuzz_target!(|text: &str| {
    let _ = progress(text);
    if let Ok(report) = decode(text) {
        let again = decode(&encode(&report));
        assert!(again.is_ok_and(|again| again == report), "{text:?}");
    }
});
