//! Every format, read back by a real parser or validated against its real schema, with texts that a
//! hostile network may send, and redacted.

#![allow(clippy::disallowed_methods)] // these tests read fixtures and run validators

mod checks;
#[path = "../common/mod.rs"]
mod common;
mod examples;
mod formats;
mod hostile;
mod outcomes;
mod redaction;
mod tools;
