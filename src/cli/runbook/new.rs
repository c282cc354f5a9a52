//! `tcpdoctor runbook new KIND [FILE]`.

use std::io;
use std::path::Path;

use serde_json::json;

use crate::cli::args::Global;
use crate::cli::nearest::suggestion;
use crate::cli::usage::{Usage, quoted};
use crate::cli::{deliver, files, status, terminal};
use crate::render::manual::{self, Part};
use crate::render::{Format, write_json};
use crate::runbook::builtin::STARTERS;

/// What each kind is for.
const KINDS: [(&str, &str); 5] = [
    ("tcp", "A service on a TCP port: the built-in runbook as a step, and a limit of your own."),
    ("http", "An HTTP or HTTPS service: extends the built-in runbook."),
    (
        "database",
        "A database: the built-in runbook as a step, then a program that asks the database.",
    ),
    ("dns", "A name: does it lead where it should, and do all resolvers agree?"),
    ("local", "A service on this machine: does it listen, and does it keep up?"),
];

/// The name in the starters, which that of the file replaces.
const NAME: &str = "name: starter";

/// Writes the beginning of a runbook; returns the exit status.
pub(super) fn run(global: &Global, kind: Option<&str>, file: Option<&Path>) -> Result<u8, Usage> {
    let Some(kind) = kind else {
        return list(global);
    };
    // A file of HTTPS is the same as one of HTTP.
    let plain = if kind == "https" { "http" } else { kind };
    let Some((_, text)) = STARTERS.iter().find(|(known, _)| *known == plain) else {
        return Err(Usage::new(format!("there is no beginning for {}", quoted(kind)))
            .help(suggestion(kind, STARTERS.iter().map(|(known, _)| *known))));
    };
    deliver::only(global, &[Format::Text])?;
    let Some(file) = file else {
        let text = text.replace(NAME, "name: my-service");
        return Ok(deliver::deliver(global, status::DONE, |_, _, out| {
            out.write_all(text.as_bytes())
        }));
    };
    let shown = file.to_string_lossy();
    let text = text.replace(NAME, &format!("name: {}", name_of(file)?));
    let text = text.replace("FILE", &shown);
    files::write_new(file, text.as_bytes()).map_err(|error| not_written(&shown, &error))?;
    terminal::complain(&format!("wrote {shown}; see what it does: tcpdoctor runbook show {shown}"));
    Ok(status::DONE)
}

fn list(global: &Global) -> Result<u8, Usage> {
    deliver::check_page(global)?;
    let mut parts = vec![Part::Heading("Kinds of runbooks to begin with".to_owned())];
    parts.extend(KINDS.map(|(kind, what)| Part::Item(kind.to_owned(), what.to_owned())));
    parts.push(Part::Heading("One of them as a file".to_owned()));
    parts.push(Part::Command("tcpdoctor runbook new tcp runbooks/my-service.yaml".to_owned()));
    let data: Vec<_> =
        KINDS.iter().map(|(kind, what)| json!({"kind": kind, "about": what})).collect();
    Ok(deliver::deliver(global, status::DONE, |format, style, out| match format {
        Format::Json => write_json(&data, out),
        _ => manual::write(&parts, style, out),
    }))
}

/// Takes the runbook's name from that of its file: by that it is found.
fn name_of(file: &Path) -> Result<&str, Usage> {
    let shown = quoted(&file.to_string_lossy());
    let stem = file.file_stem().and_then(|stem| stem.to_str()).unwrap_or_default();
    let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || "_-".contains(c);
    let is_name = stem.len() <= 64
        && stem.starts_with(|c: char| c.is_ascii_lowercase())
        && stem.chars().all(plain);
    let printable = !file.to_string_lossy().chars().any(char::is_control);
    let is_yaml = file.extension().is_some_and(|extension| extension == "yaml");
    if is_name && is_yaml && printable {
        return Ok(stem);
    }
    Err(Usage::new(format!("{shown} cannot be a runbook's file")).help(
        "a small letter first, then small letters, digits, hyphens and underscores, and .yaml at \
         the end: runbooks/my-service.yaml",
    ))
}

fn not_written(shown: &str, error: &io::Error) -> Usage {
    let (shown, what) = (quoted(shown), error.kind());
    match what {
        io::ErrorKind::AlreadyExists => Usage::new(format!("{shown} is there already"))
            .help("name another file; nothing is ever overwritten"),
        io::ErrorKind::NotFound => {
            Usage::new(format!("{shown} cannot be written: its folder does not exist"))
                .help("make the folder first, for example mkdir runbooks")
        }
        _ => Usage::new(format!("{shown} cannot be written: {error}"))
            .help("name a file in a folder that you may write"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_starter_is_listed_and_loads_under_a_name_of_its_own() {
        let kinds: Vec<&str> = KINDS.iter().map(|(kind, _)| *kind).collect();
        assert_eq!(kinds, STARTERS.iter().map(|(kind, _)| *kind).collect::<Vec<_>>());
        for (kind, text) in STARTERS {
            assert!(text.starts_with("# yaml-language-server: $schema="), "{kind}");
            assert_eq!(text.matches(NAME).count(), 1, "{kind}");
            let none = |_: &Path| Err(io::ErrorKind::NotFound.into());
            let library = crate::runbook::Library { folders: &[], read: &none };
            let text = text.replace(NAME, "name: my-service");
            if let Err(errors) = crate::runbook::parse(kind, &text, Some(library)) {
                panic!("{}", errors.render());
            }
        }
    }
}
