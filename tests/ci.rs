//! docs/ci.md: every snippet is parsed, and what it runs is run against this machine.
#![allow(clippy::disallowed_methods)] // this test runs what the document says

mod common;

use std::fs;
use std::net::TcpListener;
use std::path::Path;
use std::process::{Command, Output, Stdio};

use common::{BINARY, ClosedPort, Folder};
use granit_parser::{Event, Parser};
use serde_json::{Map, Value};

/// The fenced blocks of the document whose info string is this.
fn blocks(info: &str) -> Vec<String> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/ci.md");
    let text = fs::read_to_string(path).expect("docs/ci.md");
    let mut found: Vec<String> = Vec::new();
    let mut open: Option<(bool, String)> = None;
    for line in text.lines() {
        match (line.strip_prefix("```"), &mut open) {
            (Some(word), None) => open = Some((word.trim() == info, String::new())),
            (Some(_), Some((wanted, block))) => {
                if *wanted {
                    found.push(std::mem::take(block));
                }
                open = None;
            }
            (None, Some((_, block))) => *block += &format!("{line}\n"),
            (None, None) => {}
        }
    }
    assert!(open.is_none() && !found.is_empty(), "docs/ci.md has no block `{info}`");
    found
}

/// Reads one YAML document; every scalar as text.
fn yaml(text: &str) -> Value {
    enum Open {
        List(Vec<Value>),
        Map(Map<String, Value>, Option<String>),
    }
    let mut stack: Vec<Open> = vec![Open::List(Vec::new())];
    for event in Parser::new_from_str(text) {
        let (event, _) = event.unwrap_or_else(|error| panic!("{error}: {text}"));
        let value = match event {
            Event::SequenceStart(..) => {
                stack.push(Open::List(Vec::new()));
                continue;
            }
            Event::MappingStart(..) => {
                stack.push(Open::Map(Map::new(), None));
                continue;
            }
            Event::Scalar(text, ..) => Value::from(text.to_string()),
            Event::SequenceEnd | Event::MappingEnd => match stack.pop() {
                Some(Open::List(items)) => Value::Array(items),
                Some(Open::Map(fields, None)) => Value::Object(fields),
                _ => panic!("a key without a value: {text}"),
            },
            Event::Alias(..) => panic!("the snippets have no aliases"),
            _ => continue,
        };
        match stack.last_mut().expect("the outermost list") {
            Open::List(items) => items.push(value),
            Open::Map(fields, key) => match key.take() {
                Some(key) => assert!(fields.insert(key, value).is_none(), "a key twice: {text}"),
                None => *key = Some(value.as_str().expect("a key is text").to_owned()),
            },
        }
    }
    match stack.pop() {
        Some(Open::List(mut items)) if items.len() == 1 => items.remove(0),
        _ => panic!("not one document: {text}"),
    }
}

/// A folder in which the snippets run: targets.yaml, with loopback for the names, and ports.
struct Place {
    folder: Folder,
    database: TcpListener,
    api: TcpListener,
    discard: ClosedPort,
}

impl Place {
    fn new() -> Place {
        let listen = || TcpListener::bind("127.0.0.1:0").expect("a port");
        let (database, api, discard) = (listen(), listen(), ClosedPort::new());
        let place = Place { folder: Folder::new(), database, api, discard };
        let targets = place.here(&blocks("yaml targets.yaml").remove(0));
        place.folder.file("targets.yaml", targets);
        place
    }

    /// Puts this machine where the document has names, and this folder where it has others.
    fn here(&self, text: &str) -> String {
        let address = |listener: &TcpListener| listener.local_addr().expect("bound").to_string();
        let (database, folder) = (address(&self.database), self.folder.path(""));
        let folder = folder.trim_end_matches('/');
        text.replace("db.internal:5432", &database)
            .replace("https://api.internal:8443", &address(&self.api))
            .replace("api.internal:9", &self.discard.address.to_string())
            .replace("$HOSTADDRESS$:$ARG1$", &database)
            .replace("$address$:$tcpdoctor_port$", &database)
            .replace("/etc/tcpdoctor", folder)
            .replace("/var/lib/prometheus/node-exporter", folder)
            .replace("/usr/local/bin/tcpdoctor", BINARY)
    }

    /// Runs a script as a job does; it must succeed.
    fn run(&self, script: &str) -> Output {
        let binary = Path::new(BINARY);
        let path = std::env::var("PATH").unwrap_or_default();
        let folder = binary.parent().expect("the binary is in a folder");
        let output = Command::new("bash")
            .args(["-e", "-o", "pipefail", "-c", &self.here(script)])
            .current_dir(&self.folder.0)
            .env("PATH", format!("{}:{path}", folder.display()))
            .env("GITHUB_STEP_SUMMARY", self.folder.path("summary.md"))
            .stdin(Stdio::null())
            .output()
            .expect("bash runs");
        let said = String::from_utf8_lossy(&output.stderr);
        let out = String::from_utf8_lossy(&output.stdout);
        assert!(output.status.success(), "{script}: {:?}\n{out}\n{said}", output.status.code());
        output
    }

    /// Runs the program with these arguments; it must succeed.
    fn arguments(&self, arguments: &Value) -> Output {
        let words = arguments.as_array().expect("a list").iter();
        let quoted = words.map(|word| format!("'{}'", word.as_str().expect("text")));
        self.run(&format!("tcpdoctor {}", quoted.collect::<Vec<_>>().join(" ")))
    }

    fn has(&self, file: &str, said: &str) {
        let text = fs::read_to_string(self.folder.path(file)).expect(file);
        assert!(text.contains(said), "{file}: {text}");
    }
}

#[test]
fn the_github_job_runs_and_leaves_its_files() {
    let place = Place::new();
    let job = yaml(&blocks("yaml github").remove(0));
    let steps = job["jobs"]["smoke"]["steps"].as_array().expect("steps");
    let scripts: Vec<&str> = steps.iter().filter_map(|step| step["run"].as_str()).collect();
    assert_eq!(scripts.len(), 1);
    let output = place.run(scripts[0]);
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(said.contains("3 in all, 3 passed"), "{said}");
    place.has("summary.md", "### tcpdoctor: 3 passed of 3");
    place.has("smoke.xml", "<testsuites");
    place.has("smoke.sarif", "2.1.0");
    place.has("smoke.html", "<html");
    // What later steps upload is what this one wrote.
    let uploaded = steps.iter().filter_map(|step| step["with"].as_object());
    let uploaded: String = uploaded.flat_map(|with| with.values()).map(Value::to_string).collect();
    for file in ["smoke.sarif", "smoke.xml", "smoke.html"] {
        assert!(uploaded.contains(file) && scripts[0].contains(file), "{file}");
    }
}

#[test]
fn the_gitlab_job_runs_and_leaves_its_report() {
    let place = Place::new();
    let job = yaml(&blocks("yaml gitlab").remove(0));
    for line in job["smoke"]["script"].as_array().expect("a script") {
        place.run(line.as_str().expect("text"));
    }
    let report = job["smoke"]["artifacts"]["reports"]["junit"].as_str().expect("a report");
    place.has(report, "<testsuites");
}

#[test]
fn the_containers_run() {
    let place = Place::new();
    let blocks = blocks("yaml kubernetes");
    assert_eq!(blocks.len(), 2);
    let job = yaml(&blocks[0]);
    let container = &job["spec"]["template"]["spec"]["containers"][0];
    let output = place.arguments(&container["args"]);
    assert!(String::from_utf8_lossy(&output.stdout).contains("3 passed"));
    assert_eq!(container["securityContext"]["capabilities"]["drop"][0], "ALL");
    let pod = yaml(&blocks[1]);
    place.arguments(&pod["spec"]["initContainers"][0]["args"]);
}

#[test]
fn the_service_runs_and_writes_metrics() {
    let place = Place::new();
    let service = blocks("ini tcpdoctor-check.service").remove(0);
    let start = service.lines().find_map(|line| line.strip_prefix("ExecStart="));
    place.run(start.expect("ExecStart"));
    place.has("tcpdoctor.prom", "tcpdoctor_target_outcome{name=\"database\"");
    assert_eq!(place.folder.names(), ["targets.yaml", "tcpdoctor.prom"], "nothing else is left");
    let timer = blocks("ini tcpdoctor-check.timer").remove(0);
    if Command::new("systemd-analyze").arg("--version").output().is_err() {
        return;
    }
    for (name, text) in [("tcpdoctor-check.service", service), ("tcpdoctor-check.timer", timer)] {
        let text = place.here(&text).replace("User=prometheus", "User=root");
        place.folder.file(name, text);
    }
    let verify = Command::new("systemd-analyze")
        .args(["verify", "--man=no", "tcpdoctor-check.service", "tcpdoctor-check.timer"])
        .current_dir(&place.folder.0)
        .output()
        .expect("it runs");
    let said = String::from_utf8_lossy(&verify.stderr);
    let ours: Vec<&str> = said.lines().filter(|line| line.contains("tcpdoctor-check")).collect();
    assert!(ours.is_empty(), "{ours:?}");
}

#[test]
fn the_alerts_name_metrics_that_exist() {
    let place = Place::new();
    place.run("tcpdoctor check --targets targets.yaml --quiet --output prometheus=metrics.prom");
    let metrics = fs::read_to_string(place.folder.path("metrics.prom")).expect("metrics");
    let rules = yaml(&blocks("yaml prometheus").remove(0));
    let mut named = 0;
    for rule in rules["groups"][0]["rules"].as_array().expect("rules") {
        let expr = rule["expr"].as_str().expect("an expression");
        for word in expr.split(|c: char| !c.is_alphanumeric() && c != '_') {
            if word.starts_with("tcpdoctor_") {
                assert!(metrics.contains(&format!("# TYPE {word} ")), "{word}");
                named += 1;
            }
        }
    }
    assert!(named >= 3);
    // And so does the table.
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/ci.md");
    let text = fs::read_to_string(path).expect("docs/ci.md");
    for line in metrics.lines().filter_map(|line| line.strip_prefix("# TYPE ")) {
        let name = line.split(' ').next().expect("a name");
        assert!(name == "tcpdoctor_build_info" || text.contains(&format!("`{name}")), "{name}");
    }
}

#[test]
fn the_monitoring_commands_print_one_line() {
    let place = Place::new();
    let nagios = blocks("cfg nagios").remove(0);
    let line = nagios.lines().find_map(|line| line.trim().strip_prefix("command_line"));
    let output = place.run(line.expect("command_line").trim());
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(said.starts_with("TCPDOCTOR OK - ") && said.matches('\n').count() == 1, "{said}");

    let icinga = blocks("cfg icinga").remove(0);
    let quoted: Vec<&str> = icinga.split('"').skip(1).step_by(2).skip(1).collect();
    let output = place.run(&quoted.join(" "));
    assert!(String::from_utf8_lossy(&output.stdout).starts_with("TCPDOCTOR OK - "));
}

#[test]
fn completions_and_manual_pages_are_usable() {
    let place = Place::new();
    place.run(&blocks("sh tested").remove(0));
    place.run("bash -n tcpdoctor.bash");
    place.has("_tcpdoctor", "#compdef tcpdoctor");
    place.has("tcpdoctor.fish", "complete -c tcpdoctor");
    place.has("man1/tcpdoctor-check.1", ".TH tcpdoctor-check");
}

#[test]
fn a_plugin_that_cannot_work_is_unknown_and_says_so_on_stdout() {
    let args = ["check", "bad|target\u{1b}", "--format", "nagios", "--exit-style", "nagios"];
    let done = common::run(&args);
    let said = done.stdout;
    assert_eq!(done.status, Some(3), "{said}");
    assert!(said.starts_with("TCPDOCTOR UNKNOWN - ") && said.matches('\n').count() == 1, "{said}");
    assert!(!said.contains('|') && !said.contains('\u{1b}'), "{said}");
}
