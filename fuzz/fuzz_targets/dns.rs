//! What comes back from a name server.
#![no_main]

use std::sync::LazyLock;

use libfuzzer_sys::fuzz_target;
use tcpdoctor::wire::dns::{Kind, Question, WireName, question, read_reply};

static ASKED: LazyLock<Question> = LazyLock::new(|| {
    let name = WireName::new("www.test").expect("a name");
    question(&name, Kind::A, 0x1234).expect("it fits")
});

fuzz_target!(|bytes: &[u8]| {
    let _ = read_reply(&ASKED, bytes);
    // As an answer to our question, so that more than the header is read.
    let mut near = ASKED.bytes.clone();
    near[2] |= 0x80;
    near.truncate(12);
    near.extend(bytes);
    let _ = read_reply(&ASKED, &near);
    if let Ok(text) = str::from_utf8(bytes)
        && let Some(name) = WireName::new(text)
    {
        let _ = question(&name, Kind::Aaaa, 1);
    }
});
