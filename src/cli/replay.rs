//! `tcpdoctor replay FILE`: walks a saved report again, offline.

use std::io;
use std::path::Path;

use serde_json::Value;

use crate::cli::args::{Global, Judge};
use crate::cli::usage::{Usage, quoted};
use crate::cli::{deliver, fail_on, files, runbooks, status, terminal, trees};
use crate::engine;
use crate::model::check::Check;
use crate::model::report::{Report, SCHEMA};
use crate::model::server_report::ServerReport;

/// Larger than any report; a bound all the same.
const MOST_BYTES: u64 = 64 << 20;

/// Replays a report; returns the exit status.
pub(super) fn run(global: &Global, file: &str, judge: &Judge, explain: bool) -> Result<u8, Usage> {
    if global.budget.is_some() || global.v4 || global.v6 || !global.param.is_empty() {
        return Err(Usage::new("--budget, --param, -4 and -6 change nothing about a saved report")
            .help("leave them out, or run diagnose again with them"));
    }
    let report = read(file)?;
    let runbook = match &global.runbook {
        Some(name) => runbooks::load(name)?,
        None => runbooks::of_report(&report.runbook)?,
    };
    let fail_on = fail_on::parse(&judge.fail_on, [&*runbook])?;
    deliver::check(global)?;
    deliver::explains(global, explain)?;
    deliver::check_code(global, ServerReport::of(&report).err())?;
    if global.runbook.is_none() && runbook.sha256 != report.runbook.sha256 {
        terminal::complain(&format!(
            "note: runbook {} has changed since the report was written; the verdict may differ",
            report.runbook.name
        ));
    }
    let replayed = engine::replay(&report, &runbook);
    let told = if explain { engine::story(&replayed, &runbook) } else { Vec::new() };
    let mut check = Check::of(replayed, &fail_on, false);
    trees::draw(global, &mut check, [&*runbook]);
    Ok(deliver::results_told(global, status::of(&check, None), &check, &told))
}

/// Reads a saved report; `-` is stdin.
pub(super) fn read(file: &str) -> Result<Report, Usage> {
    let shown = if file == "-" { "stdin".to_owned() } else { quoted(file) };
    let read = match file {
        "-" => files::read_stdin(MOST_BYTES),
        path => files::read(Path::new(path), MOST_BYTES),
    };
    let bytes = read.map_err(|error| {
        let why = match error.kind() {
            io::ErrorKind::NotFound => "there is no such file".to_owned(),
            io::ErrorKind::IsADirectory => "it is a directory".to_owned(),
            io::ErrorKind::PermissionDenied => "you may not read it".to_owned(),
            io::ErrorKind::FileTooLarge => "it is larger than 64 MiB".to_owned(),
            _ => error.to_string(),
        };
        Usage::new(format!("the report {shown} cannot be read: {why}"))
            .help("name a file that --format json or --output json=FILE wrote")
    })?;
    parse(&bytes).map_err(|problem| {
        Usage::new(format!("{shown} is not a report that can be replayed: {problem}"))
            .help("name a file that --format json or --output json=FILE wrote")
    })
}

/// Reads a report, and says what is wrong with a file that is none.
pub(super) fn parse(bytes: &[u8]) -> Result<Report, String> {
    if bytes.iter().all(u8::is_ascii_whitespace) {
        return Err("it is empty".to_owned());
    }
    let value: Value = serde_json::from_slice(bytes).map_err(|error| {
        let (line, column) = (error.line(), error.column());
        if error.is_eof() {
            format!("it ends in the middle (line {line}, column {column}); was it cut off?")
        } else {
            format!("it is not JSON (line {line}, column {column})")
        }
    })?;
    match value.get("schema").and_then(Value::as_str) {
        Some(SCHEMA) => {}
        Some(other) if other.starts_with("tcpdoctor.report/") => {
            return Err(format!(
                "its schema is {}, and this version reads {SCHEMA}",
                quoted(other)
            ));
        }
        Some(other) => return Err(format!("its schema is {}, not {SCHEMA}", quoted(other))),
        None => return Err(format!("it has no schema field that says {SCHEMA}")),
    }
    serde_json::from_value(value).map_err(|error| format!("a field does not fit: {error}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_report_is_told_apart() {
        let cases: [(&[u8], &str); 8] = [
            (b" \n", "empty"),
            (b"{\"schema\": ", "ends in the middle"),
            (b"hello", "not JSON"),
            (b"[]", "no schema field"),
            (b"{\"schema\": 5}", "no schema field"),
            (b"{\"schema\": \"tcpdoctor.report/2\"}", "this version reads"),
            (b"{\"schema\": \"sarif\"}", "not tcpdoctor.report/1"),
            (b"{\"schema\": \"tcpdoctor.report/1\"}", "does not fit"),
        ];
        for (bytes, said) in cases {
            let problem = parse(bytes).expect_err(said);
            assert!(problem.contains(said), "{problem}");
        }
    }

    proptest::proptest! {
        #[test]
        fn no_file_makes_it_panic(bytes in proptest::collection::vec(proptest::num::u8::ANY, 0..200)) {
            let _ = parse(&bytes);
        }
    }
}
