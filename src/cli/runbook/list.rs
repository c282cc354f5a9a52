//! `tcpdoctor runbook list`.

use serde_json::json;

use crate::cli::args::Global;
use crate::cli::runbooks::{self, Listed};
use crate::cli::usage::Usage;
use crate::cli::{deliver, status};
use crate::render::manual::{self, Part};
use crate::render::{Format, write_json};

/// Lists the runbooks; returns the exit status.
pub(super) fn run(global: &Global) -> Result<u8, Usage> {
    deliver::check_page(global)?;
    let all = runbooks::list()?;
    let parts = parts(&all);
    let data = json!({ "runbooks": all.iter().map(entry).collect::<Vec<_>>() });
    Ok(deliver::deliver(global, status::DONE, |format, style, out| match format {
        Format::Json => write_json(&data, out),
        _ => manual::write(&parts, style, out),
    }))
}

fn parts(all: &[Listed]) -> Vec<Part> {
    let mut parts = Vec::new();
    let mut folder = None;
    for listed in all {
        if folder != Some(&listed.folder) {
            folder = Some(&listed.folder);
            parts.push(Part::Heading(listed.folder.clone()));
        }
        let mut text = match (&listed.title, &listed.problem) {
            (Some(title), _) => title.clone(),
            (None, problem) => {
                format!("cannot be used: {}", problem.as_deref().unwrap_or("it has no title"))
            }
        };
        if !listed.shadows.is_empty() {
            text.push_str(&format!(" (hides {})", listed.shadows.join(", ")));
        }
        parts.push(Part::Item(listed.name.clone(), text));
    }
    parts
}

fn entry(listed: &Listed) -> serde_json::Value {
    json!({
        "name": listed.name,
        "title": listed.title,
        "source": listed.source,
        "shadows": listed.shadows,
        "problem": listed.problem,
    })
}
