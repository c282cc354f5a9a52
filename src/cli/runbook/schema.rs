//! `tcpdoctor runbook schema`.

use crate::cli::args::Global;
use crate::cli::usage::Usage;
use crate::cli::{deliver, status};
use crate::render::write_json;
use crate::runbook::schema;

/// Prints the JSON Schema of runbooks; returns the exit status.
pub(super) fn run(global: &Global) -> Result<u8, Usage> {
    deliver::check_page(global)?;
    let schema = schema::schema();
    Ok(deliver::deliver(global, status::DONE, |_, _, out| write_json(&schema, out)))
}
