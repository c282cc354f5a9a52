//! `exec`: runs a program of the team's own. Off unless the user allows it.

use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::Value;

use crate::model::outcome::Why;
use crate::probe::Probe;
use crate::sys::clock;
use crate::sys::program::{self, Ended, Kept};

/// The longest time limit, in milliseconds.
const LONGEST_MS: u32 = 600_000;

/// The `exec` probe.
pub enum Exec {}

/// Arguments of [`Exec`].
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ExecArgs {
    /// The program and its arguments, each one item; no shell takes them apart. A program without a
    /// slash is looked for in PATH.
    #[serde(deserialize_with = "words")]
    #[schemars(with = "Vec<String>")]
    pub argv: Vec<String>,
    /// How long it may run, in milliseconds, at most ten minutes; then it is killed with all that it
    /// started.
    #[serde(default = "default_timeout_ms")]
    pub timeout_ms: u32,
}

fn default_timeout_ms() -> u32 {
    5000
}

/// Numbers among the arguments, such as a port, are written out.
fn words<'de, D: Deserializer<'de>>(from: D) -> Result<Vec<String>, D::Error> {
    let items = Vec::<Value>::deserialize(from)?;
    let word = |item: Value| match item {
        Value::String(text) => Ok(text),
        Value::Number(_) | Value::Bool(_) => Ok(item.to_string()),
        other => Err(serde::de::Error::custom(format!("{other} cannot be an argument"))),
    };
    items.into_iter().map(word).collect()
}

/// How a program ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ExecOutcome {
    /// It ended by itself, with an exit code.
    Exited,
    /// A signal ended it, for example a crash.
    Killed,
    /// It did not end in time, and was killed with all that it had started.
    TimedOut,
    /// There is no such program.
    NotFound,
    /// It is there, and this user may not run it, or it is no program.
    NotExecutable,
}

/// What [`Exec`] saw.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct ExecSeen {
    /// How the program ended.
    pub outcome: ExecOutcome,
    /// The program.
    pub program: String,
    /// Its exit code; null unless it ended by itself.
    pub exit_code: Option<i32>,
    /// The number of the signal that ended it; null when none did.
    pub signal: Option<i32>,
    /// What it wrote to stdout, the first 64 KiB; what is not UTF-8 is replaced.
    pub stdout: String,
    /// What it wrote to stderr, the first 64 KiB; what is not UTF-8 is replaced.
    pub stderr: String,
    /// Whether it wrote more than is kept.
    pub cut: bool,
    /// What it wrote to stdout, read as JSON; null when that is none.
    pub json: Option<Value>,
    /// How long it ran, in milliseconds.
    pub took_ms: f64,
}

impl Probe for Exec {
    const ID: &'static str = "exec";
    const DOC: &'static str = "Runs a program of your own, for what only it knows, and hands on what \
        it printed. It runs only with --allow-exec, and only when the runbook's files belong to you \
        or to root and nobody else may write them.";
    const RUNS_PROGRAMS: bool = true;
    type Args = ExecArgs;
    type Seen = ExecSeen;

    async fn run(args: ExecArgs) -> Result<ExecSeen, Why> {
        let start = clock::now();
        let Some((name, rest)) = args.argv.split_first() else {
            return Err(Why::Unsupported { what: "argv names no program".to_owned() });
        };
        let limit = Duration::from_millis(args.timeout_ms.min(LONGEST_MS).into());
        let ran = program::run(name, rest, limit).await?;
        let (outcome, exit_code, signal) = match ran.ended {
            Ended::Exited(code) => (ExecOutcome::Exited, Some(code), None),
            Ended::Killed(signal) => (ExecOutcome::Killed, None, Some(signal)),
            Ended::TimedOut => (ExecOutcome::TimedOut, None, None),
            Ended::NotFound => (ExecOutcome::NotFound, None, None),
            Ended::NotExecutable => (ExecOutcome::NotExecutable, None, None),
        };
        let text = |kept: &Kept| String::from_utf8_lossy(&kept.bytes).into_owned();
        Ok(ExecSeen {
            outcome,
            program: name.clone(),
            exit_code,
            signal,
            stdout: text(&ran.stdout),
            stderr: text(&ran.stderr),
            cut: ran.stdout.cut || ran.stderr.cut,
            json: serde_json::from_slice(&ran.stdout.bytes).ok(),
            took_ms: clock::ms_since(start),
        })
    }

    fn brief(seen: &ExecSeen) -> String {
        let ended = match (seen.outcome, seen.exit_code, seen.signal) {
            (ExecOutcome::Exited, Some(code), _) => format!("exited with {code}"),
            (ExecOutcome::Exited, None, _) => "exited".to_owned(),
            (ExecOutcome::Killed, _, Some(signal)) => format!("was ended by signal {signal}"),
            (ExecOutcome::Killed, _, None) => "was ended by a signal".to_owned(),
            (ExecOutcome::TimedOut, ..) => "did not end in time".to_owned(),
            (ExecOutcome::NotFound, ..) => "was not found".to_owned(),
            (ExecOutcome::NotExecutable, ..) => "cannot be run".to_owned(),
        };
        let line =
            |text: &str| text.lines().find(|line| !line.trim().is_empty()).map(str::to_owned);
        let said = match seen.exit_code {
            Some(0) => line(&seen.stdout),
            _ => line(&seen.stderr).or_else(|| line(&seen.stdout)),
        };
        let short = |text: String| match text.char_indices().nth(120) {
            Some((end, _)) => format!("{}...", &text[..end]),
            None => text,
        };
        match said {
            Some(said) => format!("{} {ended}: {}", seen.program, short(said.trim().to_owned())),
            None => format!("{} {ended}", seen.program),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ran(argv: Value) -> Result<ExecSeen, Why> {
        let _forks = crate::sys::program::FORKS.read().expect("no panic");
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        let args = serde_json::from_value(serde_json::json!({ "argv": argv })).expect("arguments");
        runtime.expect("a runtime").block_on(Exec::run(args))
    }

    #[test]
    fn json_is_parsed_and_other_output_is_not() {
        let seen = ran(serde_json::json!(["printf", "{\"lag\": %s}", 7])).expect("it runs");
        assert_eq!(seen.json, Some(serde_json::json!({"lag": 7})));
        assert_eq!(Exec::brief(&seen), "printf exited with 0: {\"lag\": 7}");
        let seen = ran(serde_json::json!(["echo", "$HOME; `id`"])).expect("it runs");
        assert_eq!((seen.stdout.as_str(), seen.json), ("$HOME; `id`\n", None), "no shell");
    }

    #[test]
    fn an_argument_that_is_no_text_is_refused_and_so_is_no_program() {
        let null = serde_json::from_value::<ExecArgs>(serde_json::json!({"argv": ["a", null]}));
        assert!(null.is_err());
        assert!(matches!(ran(serde_json::json!([])), Err(Why::Unsupported { .. })));
    }
}
