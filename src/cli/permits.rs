//! What the user allows a runbook to touch besides the target.

use crate::cli::args::Global;
use crate::cli::terminal;
use crate::cli::usage::{Usage, quoted};
use crate::engine::Permit;
use crate::model::report::Shadow;
use crate::runbook::Runbook;

/// Returns what this run may touch.
pub(super) fn of(global: &Global, runbook: &Runbook) -> Result<Permit, Usage> {
    if global.allow_exec && runbook.runs_programs() {
        exec_allowed(runbook)?;
    }
    Ok(Permit { targets: global.allow_target.clone(), exec: global.allow_exec })
}

/// Says what these runbooks ask for and did not get, and which names hide others; each once.
pub(super) fn tell<'a>(global: &Global, runbooks: impl IntoIterator<Item = &'a Runbook>) {
    let mut notes: Vec<String> = Vec::new();
    for runbook in runbooks {
        let shadows = runbook.shadows.iter().map(hidden);
        notes.extend(shadows.chain(not_allowed(global, runbook)));
    }
    let mut told: Vec<&String> = Vec::new();
    for note in &notes {
        if !told.contains(&note) {
            terminal::complain(note);
            told.push(note);
        }
    }
}

fn hidden(shadow: &Shadow) -> String {
    let hidden: Vec<String> = shadow.hides.iter().map(|hidden| place(hidden)).collect();
    let (name, source) = (&shadow.name, place(&shadow.source));
    format!("note: runbook {name} is {source}, which hides {}", hidden.join(" and "))
}

fn not_allowed(global: &Global, runbook: &Runbook) -> Option<String> {
    let allowed = |wanted| global.allow_target.iter().any(|given| given.and(wanted).is_some());
    let targets = runbook.all_contacts().into_iter().filter(|contact| !allowed(contact));
    let mut wanted: Vec<String> =
        targets.map(|contact| format!("--allow-target {contact}")).collect();
    if runbook.runs_programs() && !global.allow_exec {
        wanted.push("--allow-exec".to_owned());
    }
    let (name, wanted) = (&runbook.name, wanted.join(" "));
    (!wanted.is_empty()).then(|| {
        format!("note: runbook {name} can do more than you have allowed it; all with {wanted}")
    })
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
