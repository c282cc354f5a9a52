//! `tcpdoctor runbook lint FILE…`.

use std::path::{Path, PathBuf};

use similar::TextDiff;

use crate::cli::args::{Global, Lint};
use crate::cli::usage::{Usage, quoted};
use crate::cli::{deliver, files, runbooks, status, terminal};
use crate::model::lint::{self as model, Level, SCHEMA};
use crate::model::report::Tool;
use crate::render::{Format, Style, lint as render};
use crate::runbook::lint::{self, Linted};

/// Larger than any runbook; the loader has bounds of its own.
const MOST_BYTES: u64 = 4 << 20;
/// How deep folders are searched.
const DEEPEST: usize = 8;

/// A file to be looked at.
struct Source {
    /// As messages name it.
    name: String,
    text: String,
    /// Where it can be written back to.
    path: Option<PathBuf>,
}

/// Lints; returns the exit status.
pub(super) fn run(global: &Global, asked: &Lint) -> Result<u8, Usage> {
    deliver::only(global, &render::FORMATS)?;
    deliver::check(global)?;
    let mut sources = Vec::new();
    for name in &asked.files {
        add(name, &mut sources)?;
    }
    if asked.diff {
        return show_diff(global, &sources);
    }
    if asked.fix {
        sources.iter_mut().try_for_each(mend)?;
    }
    let linted: Vec<Linted> = sources.iter().map(lint_one).collect();
    let lint = result(&linted);
    let ended = if lint.count(Level::Error) > 0 {
        status::USAGE
    } else if asked.strict && !lint.findings.is_empty() {
        status::FAULT
    } else {
        status::DONE
    };
    let text = |style: &Style| shown(&linted, style);
    Ok(deliver::deliver(global, ended, |format, style, out| {
        render::write(&lint, format, &text, style, out)
    }))
}

fn lint_one(source: &Source) -> Linted {
    runbooks::in_library(|library| lint::lint(&source.name, &source.text, Some(library)))
}

fn result(linted: &[Linted]) -> model::Lint {
    let findings: Vec<_> = linted.iter().flat_map(Linted::findings).collect();
    model::Lint {
        schema: SCHEMA.to_owned(),
        tool: Tool { name: "tcpdoctor".to_owned(), version: env!("CARGO_PKG_VERSION").to_owned() },
        files: linted.len(),
        more: linted.iter().map(|linted| linted.found.more).sum(),
        rules: lint::rules(&findings),
        findings,
    }
}

fn shown(linted: &[Linted], style: &Style) -> String {
    let problems = linted.iter().flat_map(|linted| &linted.found.problems);
    problems.map(|problem| problem.shown(style.colour) + "\n\n").collect()
}

/// Finds what a word on the command line stands for.
fn add(name: &str, sources: &mut Vec<Source>) -> Result<(), Usage> {
    if name == "-" {
        let bytes = files::read_stdin(MOST_BYTES)
            .map_err(|error| Usage::new(format!("stdin cannot be read: {error}")))?;
        let text = text(bytes, "stdin")?;
        sources.push(Source { name: "-".to_owned(), text, path: None });
        return Ok(());
    }
    let path = Path::new(name);
    if path.is_dir() {
        let before = sources.len();
        folder(path, DEEPEST, sources)?;
        if sources.len() == before {
            return Err(Usage::new(format!("there is no runbook in {}", quoted(name)))
                .help("a runbook is a file *.yaml with `steps:` or `extends:` in it"));
        }
        return Ok(());
    }
    if path.is_file() {
        sources.push(file(path)?);
        return Ok(());
    }
    let found = runbooks::in_library(|library| lint::find(name, library));
    let (name, text) = found.map_err(|error| runbooks::told(&error))?;
    let path = Some(PathBuf::from(&name)).filter(|path| path.is_file());
    sources.push(Source { name, text, path });
    Ok(())
}

fn file(path: &Path) -> Result<Source, Usage> {
    let name = path.to_string_lossy().into_owned();
    let bytes = files::read(path, MOST_BYTES).map_err(|error| {
        Usage::new(format!("{} cannot be read: {error}", quoted(&name)))
            .help("name a file that holds a runbook in YAML")
    })?;
    let text = text(bytes, &name)?;
    Ok(Source { name, text, path: Some(path.to_owned()) })
}

fn text(bytes: Vec<u8>, name: &str) -> Result<String, Usage> {
    String::from_utf8(bytes).map_err(|error| {
        let line = error.as_bytes()[..error.utf8_error().valid_up_to()]
            .iter()
            .filter(|byte| **byte == b'\n')
            .count();
        Usage::new(format!("{} is not UTF-8 text: line {}", quoted(name), line + 1))
            .help("save it as UTF-8")
    })
}

/// Adds the runbooks and files of diagnoses in a folder and below; other YAML files stay out.
fn folder(path: &Path, deep: usize, sources: &mut Vec<Source>) -> Result<(), Usage> {
    let names = files::names_in(path).map_err(|error| {
        let shown = quoted(&path.to_string_lossy());
        Usage::new(format!("the folder {shown} cannot be read: {error}"))
    })?;
    for name in names.iter().filter(|name| !name.starts_with('.')) {
        let path = path.join(name);
        if path.is_dir() {
            if deep > 0 && !path.is_symlink() {
                folder(&path, deep - 1, sources)?;
            }
        } else if name.ends_with(".yaml") || name.ends_with(".yml") {
            let source = file(&path)?;
            let keys = ["steps:", "extends:", "diagnoses:"];
            if source.text.lines().any(|line| keys.iter().any(|key| line.starts_with(key))) {
                sources.push(source);
            }
        }
    }
    Ok(())
}

/// Mends a file and says on stderr what was done.
fn mend(source: &mut Source) -> Result<(), Usage> {
    let Some(path) = &source.path else {
        let what = quoted(&source.name);
        return Err(Usage::new(format!("{what} is no file that --fix could write to"))
            .help("--diff shows what it would change"));
    };
    let (name, text) = (&source.name, &source.text);
    let mended = runbooks::in_library(|library| lint::mend(name, text, Some(library)));
    let Some(mended) = mended else {
        return Ok(());
    };
    files::write_whole(path, mended.text.as_bytes())
        .map_err(|error| Usage::new(format!("{} cannot be written: {error}", quoted(name))))?;
    for done in &mended.done {
        terminal::complain(&format!("fixed {name}:{done}"));
    }
    source.text = mended.text;
    Ok(())
}

fn show_diff(global: &Global, sources: &[Source]) -> Result<u8, Usage> {
    deliver::only(global, &[Format::Text])?;
    let mut diff = String::new();
    for Source { name, text, .. } in sources {
        let mended = runbooks::in_library(|library| lint::mend(name, text, Some(library)));
        if let Some(mended) = mended {
            let lines = TextDiff::from_lines(text.as_str(), &mended.text);
            diff.push_str(&lines.unified_diff().header(name, name).to_string());
        }
    }
    let safe = crate::render::sanitise::message(&diff).into_owned();
    Ok(deliver::deliver(global, status::DONE, |_, _, out| out.write_all(safe.as_bytes())))
}
