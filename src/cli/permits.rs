//! What the user allows a runbook to touch besides the target.

use crate::cli::args::Global;
use crate::cli::terminal;
use crate::cli::usage::{Usage, quoted};
use crate::engine::Permit;
use crate::runbook::Runbook;

/// Returns what this run may touch; says what the runbook asks for and did not get, and which names
/// are hidden by others.
pub(super) fn of(global: &Global, runbook: &Runbook) -> Result<Permit, Usage> {
    if global.allow_exec && runbook.runs_programs() {
        exec_allowed(runbook)?;
    }
    for shadow in &runbook.shadows {
        let hidden: Vec<String> = shadow.hides.iter().map(|hidden| place(hidden)).collect();
        terminal::complain(&format!(
            "note: {} is {}, which hides {}",
            shadow.name,
            place(&shadow.source),
            hidden.join(" and ")
        ));
    }
    let allowed = |wanted| global.allow_target.iter().any(|given| given.and(wanted).is_some());
    let wanted: Vec<String> = runbook
        .all_contacts()
        .into_iter()
        .filter(|contact| !allowed(contact))
        .map(|contact| format!("--allow-target {contact}"))
        .collect();
    if !wanted.is_empty() {
        terminal::complain(&format!(
            "note: runbook {} would also contact other machines; allow it with {}",
            runbook.name,
            wanted.join(" ")
        ));
    }
    Ok(Permit { targets: global.allow_target.clone(), exec: global.allow_exec })
}

fn place(source: &str) -> String {
    if source == "builtin" { "the built-in one".to_owned() } else { quoted(source) }
}

/// Refuses to run programs for a file that somebody else could have written.
fn exec_allowed(runbook: &Runbook) -> Result<(), Usage> {
    let objected = runbook.files.iter().find_map(|file| Some((file, file.objection.as_ref()?)));
    match objected {
        None => Ok(()),
        Some((file, objection)) => Err(Usage::new(format!(
            "--allow-exec does not count for {}: {objection}",
            quoted(&file.source)
        ))
        .help(
            "a runbook that runs programs, and every file it is made of, belongs to you or to root, \
             and nobody else may write it: read it, then make it yours (chown, chmod go-w)",
        )),
    }
}
