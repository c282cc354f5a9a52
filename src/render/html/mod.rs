//! One self-contained page for people: what was seen, for a ticket.

use std::io::{self, Write};

use crate::model::check::Check;
use crate::render::{Style, text};

/// Writes the page.
pub(super) fn write(check: &Check, style: &Style, out: &mut dyn Write) -> io::Result<()> {
    let mut page = Vec::new();
    text::write(check, &Style { colour: false, ..style.clone() }, &mut page)?;
    let page = String::from_utf8_lossy(&page);
    let page = page.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;");
    writeln!(
        out,
        "<!DOCTYPE html>\n<html lang=\"en\"><meta charset=\"utf-8\"><title>tcpdoctor</title>"
    )?;
    writeln!(out, "<pre>{page}</pre></html>")
}
