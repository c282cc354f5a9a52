//! sarif: to be written.

use std::io::{self, Write};

use crate::model::check::Check;

pub(super) fn write(check: &Check, out: &mut dyn Write) -> io::Result<()> {
    writeln!(out, "{}", check.results.len())
}
