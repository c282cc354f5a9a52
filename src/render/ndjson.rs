//! JSON lines: one line for each target, so that a reader can take each as it ends.

use std::io::{self, Write};

use serde::Serialize;

use crate::model::check::{Check, CheckResult};
use crate::render::write_json_line;

/// The schema id of a line.
pub const SCHEMA: &str = "tcpdoctor.result/1";

#[derive(Serialize)]
struct Line<'a> {
    schema: &'static str,
    #[serde(flatten)]
    result: &'a CheckResult,
}

pub(super) fn write(check: &Check, out: &mut dyn Write) -> io::Result<()> {
    check.results.iter().try_for_each(|result| write_result(result, out))
}

/// Writes the line of one target, for a caller that has it before the others.
///
/// # Errors
///
/// Returns what writing to `out` met.
pub fn write_result(result: &CheckResult, out: &mut dyn Write) -> io::Result<()> {
    write_json_line(&Line { schema: SCHEMA, result }, out)
}
