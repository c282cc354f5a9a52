//! `tcpdoctor completions SHELL` and `tcpdoctor man [DIR]`: made from the command line's definition, so
//! that they are never out of date.

use std::io::{self, Write};
use std::path::Path;

use clap::{Command, CommandFactory};
use clap_complete::Shell;

use crate::cli::args::Args;
use crate::cli::usage::{Usage, quoted};
use crate::cli::{files, status, terminal};

/// Writes the completions of a shell to stdout; returns the exit status.
pub(super) fn completions(shell: Shell) -> u8 {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut Args::command(), "tcpdoctor", &mut script);
    print(&script)
}

/// Writes the manual's main page to stdout, or all pages into a folder; returns the exit status.
pub(super) fn man(folder: Option<&Path>) -> Result<u8, Usage> {
    let pages = pages();
    let Some(folder) = folder else {
        return Ok(print(pages.first().map_or(&[], |(_, page)| page)));
    };
    if !folder.is_dir() {
        let shown = quoted(&folder.to_string_lossy());
        return Err(Usage::new(format!("there is no directory {shown}"))
            .help("make it first, or leave it out to have the main page on stdout"));
    }
    for (name, page) in pages {
        let path = folder.join(format!("{name}.1"));
        if let Err(error) = files::write_whole(&path, &page) {
            let shown = quoted(&path.to_string_lossy());
            terminal::complain(&format!("error: {shown} could not be written: {error}"));
            return Ok(status::INCONCLUSIVE);
        }
    }
    Ok(status::DONE)
}

/// Returns the pages by name: `tcpdoctor`, `tcpdoctor-check`, `tcpdoctor-runbook-lint` …
fn pages() -> Vec<(String, Vec<u8>)> {
    let mut command = Args::command();
    command.build();
    let mut pages = Vec::new();
    page(&command, &mut pages);
    pages
}

fn page(command: &Command, pages: &mut Vec<(String, Vec<u8>)>) {
    let name = command.get_display_name().unwrap_or_else(|| command.get_name()).to_owned();
    let mut text = Vec::new();
    if clap_mangen::Man::new(command.clone()).render(&mut text).is_ok() {
        pages.push((name, text));
    }
    let below = command.get_subcommands().filter(|below| !below.is_hide_set());
    below.for_each(|below| page(below, pages));
}

fn print(bytes: &[u8]) -> u8 {
    let mut stdout = io::stdout().lock();
    match stdout.write_all(bytes).and_then(|()| stdout.flush()) {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => {
            terminal::complain(&format!("error: stdout could not be written: {error}"));
            status::INCONCLUSIVE
        }
        _ => status::DONE,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::ValueEnum;

    #[test]
    fn every_command_has_a_page_and_every_page_says_what_it_is_of() {
        let pages = pages();
        let names: Vec<&str> = pages.iter().map(|(name, _)| name.as_str()).collect();
        for name in ["tcpdoctor", "tcpdoctor-diagnose", "tcpdoctor-check", "tcpdoctor-runbook-list"]
        {
            assert!(names.contains(&name), "{names:?}");
        }
        for (name, page) in &pages {
            let page = String::from_utf8_lossy(page);
            assert!(page.contains(".TH ") && page.contains(".SH NAME"), "{name}");
            assert!(page.replace("\\-", "-").contains(name.as_str()), "{name}: {page}");
        }
    }

    #[test]
    fn every_shell_has_completions_that_know_the_formats() {
        for shell in Shell::value_variants() {
            let mut script = Vec::new();
            clap_complete::generate(*shell, &mut Args::command(), "tcpdoctor", &mut script);
            let script = String::from_utf8(script).expect("UTF-8");
            for word in ["diagnose", "runbook", "prometheus", "sarif"] {
                assert!(script.contains(word), "{shell}: {word}");
            }
        }
    }
}
