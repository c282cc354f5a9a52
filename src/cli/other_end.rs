//! What the server sees of its port: read from a file, or pasted while this machine keeps knocking.

use std::io;
use std::net::IpAddr;
use std::path::Path;

use crate::cli::files;
use crate::cli::prompt::{Given, Prompt};
use crate::cli::usage::{Usage, quoted};
use crate::engine::other_end::{Here, Refused, accept, knock, mark};
use crate::engine::{Question, Session, ask};
use crate::model::outcome::Outcome;
use crate::model::report::{Report, TargetEntry};
use crate::model::server_report::{ServerReport, decode};
use crate::sys::{clock, egress};

/// Larger than any report; a bound all the same.
const MOST_BYTES: u64 = 64 << 20;

/// Reads the file of `--server-report` and gives it to the run, before anything is sent.
pub(super) fn given(session: &mut Session, file: &str, target: &TargetEntry) -> Result<(), Usage> {
    let steps = ask::expecting_server(session.runbook());
    if steps.is_empty() || target.host.is_none() {
        let name = &session.runbook().name;
        return Err(Usage::new(format!("runbook {name} does not ask for a server's report"))
            .help("leave --server-report out, or diagnose host:port from the client"));
    }
    let shown = if file == "-" { "stdin".to_owned() } else { quoted(file) };
    let bytes = read(file).map_err(|error| {
        let why = match error.kind() {
            io::ErrorKind::NotFound => "there is no such file".to_owned(),
            io::ErrorKind::FileTooLarge => "it is larger than 64 MiB".to_owned(),
            _ => error.to_string(),
        };
        Usage::new(format!("the server's report {shown} cannot be read: {why}"))
            .help("name a file that --format code or --format json wrote on the server")
    })?;
    let address = target.host.as_ref().and_then(|host| host.parse::<IpAddr>().ok());
    let source = address.and_then(egress::toward).and_then(|egress| egress.source);
    let here = Here {
        port: target.port,
        address: target.host.clone().filter(|_| address.is_some()),
        source: source.map(|source| source.to_string()),
        now: clock::utc_now(),
        ..Here::default()
    };
    let refused = |refused: Refused| {
        let client = refused.client.or_else(|| here.source.clone());
        let client = client.map_or_else(String::new, |client| format!(" --client {client}"));
        let port = target.port.unwrap_or_default();
        Usage::new(format!("the server's report {shown} is not taken: {}", refused.why))
            .help(format!("run on the server: tcpdoctor diagnose :{port}{client} --format code"))
    };
    let server = parse(&bytes).map_err(|why| refused(why.into()))?;
    let server = accept(server, &here).map_err(refused)?;
    for step in steps {
        session.learn(&step, seen(&server));
    }
    Ok(())
}

fn read(file: &str) -> io::Result<Vec<u8>> {
    match file {
        "-" => files::read_stdin(MOST_BYTES),
        path => files::read(Path::new(path), MOST_BYTES),
    }
}

/// Reads a code, or a whole report in JSON.
fn parse(bytes: &[u8]) -> Result<ServerReport, String> {
    // Some editors and shells begin a file with a byte order mark.
    let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
    let text = String::from_utf8_lossy(bytes);
    if !text.trim_start().starts_with('{') {
        return decode(&text).map_err(|refusal| refusal.to_string());
    }
    let report = crate::cli::replay::parse(bytes)?;
    ServerReport::of(&report)
}

fn seen(server: &ServerReport) -> Outcome {
    // Plain data always has a JSON form.
    Outcome::Seen(serde_json::to_value(server).unwrap_or_default())
}

/// Shows the command to run there and takes what it prints; `None` when the user goes back.
pub(super) async fn ask(prompt: &Prompt, question: &Question, report: &Report) -> Option<Outcome> {
    let mut here = Here::of(report);
    (here.knocking_since, here.mark) = (Some(clock::utc_now()), Some(mark()));
    let (address, port) = (here.address.clone().unwrap_or_default(), here.port.unwrap_or_default());
    prompt.say("");
    if let Some(why) = &question.why {
        prompt.say(why);
    }
    prompt.say(&format!(
        "Run this on {}; meanwhile two SYNs a second go there:",
        report.target.input
    ));
    prompt.say("");
    let command = question.command.clone().unwrap_or_default();
    prompt.command(&command);
    prompt.say("");
    prompt.say("Then paste what it prints (Enter ends it, Esc goes back).");
    loop {
        let given = tokio::select! {
            given = prompt.paste() => given,
            () = knock(&address, port, here.mark) => Given::Nothing,
        };
        let Given::Answer(text) = given else { return None };
        here.now = clock::utc_now();
        let taken = decode(&text)
            .map_err(|refusal| Refused::from(refusal.to_string()))
            .and_then(|server| accept(server, &here));
        match taken {
            Ok(server) => {
                prompt.say(&format!("Taken. {}", server.brief()));
                return Some(seen(&server));
            }
            Err(Refused { why, client }) => {
                prompt.say(&format!("That is not taken: {why}."));
                if let Some(client) = client {
                    prompt.say("");
                    prompt.command(&for_client(&command, &client));
                    prompt.say("");
                }
                prompt.say("Paste it again (Esc, or Enter on an empty line, goes back).");
            }
        }
    }
}

/// The command with another client in it.
fn for_client(command: &str, client: &str) -> String {
    let mut words: Vec<&str> = command.split_whitespace().collect();
    if let Some(at) = words.iter().position(|word| *word == "--client")
        && let Some(word) = words.get_mut(at + 1)
    {
        *word = client;
    }
    words.join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_is_told_again_with_another_client() {
        let command = "tcpdoctor diagnose :80 --client 10.1.0.2 --format code";
        let other = "tcpdoctor diagnose :80 --client 192.0.2.9 --format code";
        assert_eq!(for_client(command, "192.0.2.9"), other);
        assert_eq!(for_client("a --client", "b"), "a --client");
    }
    use crate::model::server_report::MOST_TEXT;

    #[test]
    fn a_whole_report_is_taken_as_well_as_a_code_and_one_of_a_client_is_not() {
        let client = include_bytes!("../../tests/render/reports/refused.json");
        let refusal = parse(client).expect_err("a client's");
        assert!(refusal.contains("not about a port of the machine"), "{refusal}");
        assert_eq!(
            parse(b"hello").expect_err("no code"),
            decode("hello").expect_err("none").to_string()
        );
        assert!(parse(b"{\"schema\": 1}").is_err());
        assert!(parse(&vec![b'a'; MOST_TEXT * 2]).expect_err("long").contains("KiB"));
    }
}
