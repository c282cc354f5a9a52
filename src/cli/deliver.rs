//! Brings a result to stdout and to the files of `--output`.

use std::cell::{Cell, RefCell};
use std::collections::HashSet;
use std::io::{self, Write};

use crate::cli::args::Global;
use crate::cli::redaction::{self, Redaction};
use crate::cli::usage::{Usage, quoted};
use crate::cli::{files as file, status, terminal};
use crate::model::check::{Check, CheckResult};
use crate::model::story::Told;
use crate::render::{Format, Style, nagios, ndjson, story};

/// Checks, for a command that shows a page rather than results, that only text and JSON are asked
/// for, and what [`check`] checks.
pub(super) fn check_page(global: &Global) -> Result<(), Usage> {
    only(global, &[Format::Text, Format::Json])?;
    check(global)
}

/// Checks, for a command that shows nothing of a report, that only these formats are asked for, and
/// no redaction.
pub(super) fn only(global: &Global, formats: &[Format]) -> Result<(), Usage> {
    if global.redact {
        return Err(Usage::new("this command cannot redact what it shows")
            .help("--redact goes with diagnose, check and replay"));
    }
    among(global, formats)
}

/// Checks that only these formats are asked for.
pub(super) fn among(global: &Global, formats: &[Format]) -> Result<(), Usage> {
    let asked = global.output.iter().map(|(format, _)| format).chain([&global.format]);
    for format in asked {
        if !formats.contains(format) {
            let names: Vec<&str> = formats.iter().map(|format| format.name()).collect();
            let names = names.join(" and ");
            return Err(Usage::new(format!("this command does not write {}", format.name()))
                .help(format!("it writes {names}; diagnose, check and replay write all formats")));
        }
    }
    Ok(())
}

/// Whether a format is asked for, on stdout or in a file.
pub(super) fn asks_for(global: &Global, format: Format) -> bool {
    let mut asked = global.output.iter().map(|(format, _)| format).chain([&global.format]);
    asked.any(|asked| *asked == format)
}

/// Checks that a code is asked for only of what one can be made of; `objection` says why not.
pub(super) fn check_code(global: &Global, objection: Option<String>) -> Result<(), Usage> {
    if !asks_for(global, Format::Code) {
        return Ok(());
    }
    let help = "on the server, run tcpdoctor diagnose :5432 --client 10.1.0.2 --format code";
    if let Some(objection) = objection {
        return Err(Usage::new(format!("no code can be made: {objection}")).help(help));
    }
    if global.redact {
        return Err(Usage::new("a code cannot be redacted: the other end needs what it holds")
            .help("leave --redact out"));
    }
    Ok(())
}

/// Writes results in every format that was asked for, in text with how they came about behind them;
/// returns the exit status, as [`deliver`] does.
pub(super) fn results_told(global: &Global, ended: u8, check: &Check, told: &[Told]) -> u8 {
    let mut redaction = Redaction::of(global);
    let check = redaction.check(check);
    let map = redaction.write_map(global);
    let ended = deliver(global, ended, |format, style, out| {
        format.write(&check, style, out)?;
        if format == Format::Text && !told.is_empty() {
            story::write(told, style, out)
        } else {
            Ok(())
        }
    });
    mapped(map, ended)
}

/// Writes results as [`results_told`] does, of which some may have been written already: names that were
/// replaced then keep their pseudonyms.
pub(super) fn results_after(
    global: &Global,
    ended: u8,
    check: &Check,
    mut redaction: Redaction,
) -> u8 {
    let check = redaction.check(check);
    let map = redaction.write_map(global);
    let ended = deliver(global, ended, |format, style, out| format.write(&check, style, out));
    mapped(map, ended)
}

/// Tells why the list of what was replaced could not be written.
pub(super) fn mapped(map: Result<(), String>, ended: u8) -> u8 {
    let lost = map.map_err(|message| terminal::complain(&message)).is_err();
    after(ended, lost)
}

/// Checks, for a command that writes results, that no picture of a runbook is asked for, and that the
/// files of `--output` can be written, before anything is sent.
pub(super) fn check(global: &Global) -> Result<(), Usage> {
    let mut asked = global.output.iter().map(|(format, _)| format).chain([&global.format]);
    if let Some(picture) = asked.find(|format| Format::PICTURES.contains(format)) {
        let name = picture.name();
        return Err(Usage::new(format!("this command does not write {name}")).help(format!(
            "for the tree with the way taken: save the report with --output json=FILE, then \
             tcpdoctor runbook graph --report FILE --format {name}"
        )));
    }
    files(global)
}

/// Checks that the files of `--output` can be written.
pub(super) fn files(global: &Global) -> Result<(), Usage> {
    redaction::check(global)?;
    let mut seen = HashSet::new();
    for (_, path) in &global.output {
        let shown = quoted(&path.to_string_lossy());
        if !seen.insert(path) {
            return Err(Usage::new(format!("--output names {shown} twice"))
                .help("give each format a file of its own"));
        }
        if let Some(objection) = file::objection(path) {
            return Err(Usage::new(format!("--output cannot write {shown}: {objection}"))
                .help("name a file in a directory that exists"));
        }
    }
    Ok(())
}

/// Writes what a stream has not written; returns the exit status, as [`deliver`] does.
pub(super) fn rest(global: &Global, ended: u8, check: &Check, stream: Stream) -> u8 {
    if !stream.open {
        return results_after(global, ended, check, stream.redaction.into_inner());
    }
    let mut redaction = stream.redaction.into_inner();
    let check = redaction.check(check);
    let map = redaction.write_map(global);
    let write =
        |format: Format, style: &Style, out: &mut dyn Write| format.write(&check, style, out);
    let lost = to_files(global, &write) || stream.lost.get();
    mapped(map, after(ended, lost))
}

/// Writes the result in every format that was asked for; returns the exit status, which is no longer
/// 0 when something could not be written.
pub(super) fn deliver(
    global: &Global,
    ended: u8,
    write: impl Fn(Format, &Style, &mut dyn Write) -> io::Result<()>,
) -> u8 {
    // Both are tried, whatever comes of the first.
    let lost = to_files(global, &write) | to_stdout(global, &write);
    after(ended, lost)
}

fn after(ended: u8, lost: bool) -> u8 {
    if lost && ended == status::DONE { status::INCONCLUSIVE } else { ended }
}

type Write1<'a> = &'a dyn Fn(Format, &Style, &mut dyn Write) -> io::Result<()>;

/// Returns whether something could not be written.
fn to_files(global: &Global, write: Write1<'_>) -> bool {
    let mut lost = false;
    for (format, path) in &global.output {
        let mut bytes = Vec::new();
        let written = write(*format, &terminal::file_style(global), &mut bytes)
            .and_then(|()| file::write_whole(path, &bytes));
        if let Err(error) = written {
            let shown = quoted(&path.to_string_lossy());
            terminal::complain(&format!("error: {shown} could not be written: {error}"));
            lost = true;
        }
    }
    lost
}

fn to_stdout(global: &Global, write: Write1<'_>) -> bool {
    let mut bytes = Vec::new();
    let mut stdout = io::stdout().lock();
    let written = write(global.format, &terminal::style(global), &mut bytes)
        .and_then(|()| stdout.write_all(&bytes))
        .and_then(|()| stdout.flush());
    refused(written)
}

/// Tells monitoring why a plugin could not do its work: one line on stdout, as it shows no other.
pub(super) fn plugin_cannot(why: &str) {
    // There is nobody to tell when that fails.
    let _ = nagios::write_cannot(why, &mut io::stdout().lock());
}

/// Returns whether writing to stdout failed, and says so.
fn refused(written: io::Result<()>) -> bool {
    match written {
        Ok(()) => false,
        // The reader has what it wanted (`| head`).
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => false,
        Err(error) => {
            terminal::complain(&format!("error: stdout could not be written: {error}"));
            true
        }
    }
}

/// Results on stdout as they come, for the format that has a line for each.
pub(super) struct Stream {
    open: bool,
    redaction: RefCell<Redaction>,
    /// Whether nobody reads any more.
    ended: Cell<bool>,
    /// Whether something could not be written.
    lost: Cell<bool>,
}

impl Stream {
    /// Begins to write, if stdout carries such a format.
    pub(super) fn begin(global: &Global) -> Stream {
        let open = global.format == Format::Ndjson;
        let redaction = RefCell::new(Redaction::of(global));
        Stream { open, redaction, ended: Cell::new(false), lost: Cell::new(false) }
    }

    /// Writes one result.
    pub(super) fn result(&self, result: &CheckResult) {
        if !self.open || self.ended.get() {
            return;
        }
        let result = self.redaction.borrow_mut().result(result);
        let mut line = Vec::new();
        let mut stdout = io::stdout().lock();
        let written = ndjson::write_result(&result, &mut line)
            .and_then(|()| stdout.write_all(&line))
            .and_then(|()| stdout.flush());
        self.ended.set(written.is_err());
        self.lost.set(refused(written));
    }
}

/// Checks that there is text to explain in.
pub(super) fn explains(global: &Global, explain: bool) -> Result<(), Usage> {
    let problem = match explain {
        true if !asks_for(global, Format::Text) => "--explain adds to text alone",
        true if global.redact => "--explain tells every value, and --redact replaces them",
        _ => return Ok(()),
    };
    Err(Usage::new(problem).help("leave one of them out"))
}
