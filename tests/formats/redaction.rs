//! `--redact`: no name survives in any format, and a redacted report replays to the same verdict.

use std::collections::BTreeSet;
use std::sync::Arc;

use proptest::strategy::{Strategy, ValueTree};
use proptest::test_runner::TestRunner;
use serde_json::{Value, json};
use tcpdoctor::model::check::Check;
use tcpdoctor::model::types::{Record, Type};
use tcpdoctor::probe::REGISTRY;
use tcpdoctor::render::Format;
use tcpdoctor::render::redact::{PUBLIC, Redactor, SECRET, Schema};
use tcpdoctor::{Report, engine, runbook};

use crate::checks::{FIXTURES, alone, check, every_outcome, fixture, write};

fn redactor() -> Redactor {
    let schema = |spec: &tcpdoctor::probe::Spec| Schema {
        args: Arc::new((spec.args)()),
        result: Arc::new((spec.result)()),
    };
    Redactor::new(REGISTRY.iter().map(|spec| (spec.id.to_owned(), schema(spec))).collect())
}

/// Whether a text holds a name as a word of its own, whatever its case.
fn holds(text: &str, name: &str) -> bool {
    let (text, name) = (text.to_lowercase(), name.to_lowercase());
    let alone = |c: Option<char>| c.is_none_or(|c| !c.is_alphanumeric());
    text.match_indices(&name).any(|(at, _)| {
        alone(text[..at].chars().next_back()) && alone(text[at + name.len()..].chars().next())
    })
}

/// Every text field of every probe, as `probe.field`.
fn text_fields() -> BTreeSet<(String, String)> {
    fn walk(probe: &str, field: &str, ty: &Type, into: &mut BTreeSet<(String, String)>) {
        match ty {
            Type::Text | Type::Any => {
                into.insert((probe.to_owned(), field.to_owned()));
            }
            Type::List(item) => walk(probe, field, item, into),
            Type::Map(value) => walk(probe, field, value, into),
            Type::Record(record) => fields(probe, record, into),
            _ => {}
        }
    }
    fn fields(probe: &str, record: &Record, into: &mut BTreeSet<(String, String)>) {
        for field in &record.fields {
            walk(probe, &field.name, &field.ty, into);
        }
    }
    let mut found = BTreeSet::new();
    for spec in REGISTRY {
        fields(spec.id, &(spec.args)(), &mut found);
        fields(spec.id, &(spec.result)(), &mut found);
    }
    assert!(found.len() > 100);
    found
}

#[test]
fn of_every_text_that_a_probe_reports_it_is_known_whether_it_is_a_name() {
    let fits = |entry: &str, (probe, field): &(String, String)| match entry.split_once('.') {
        Some((of, name)) => of == probe && name == field,
        None => entry == field,
    };
    let all = text_fields();
    let unknown: Vec<String> = all
        .iter()
        .filter(|at| !SECRET.iter().any(|(entry, _)| fits(entry, at)))
        .filter(|at| !PUBLIC.iter().any(|entry| fits(entry, at)))
        .map(|(probe, field)| format!("{probe}.{field}"))
        .collect();
    assert!(unknown.is_empty(), "say in src/render/redact/fields.rs what these are: {unknown:?}");
    let entries = SECRET.iter().map(|(entry, _)| entry).chain(PUBLIC);
    let stale: Vec<&&str> = entries.filter(|entry| !all.iter().any(|at| fits(entry, at))).collect();
    assert!(stale.is_empty(), "src/render/redact/fields.rs has fields of no probe: {stale:?}");
}

/// A report of a server with names in every place that can hold one.
fn full_of_names() -> (Check, Vec<&'static str>) {
    let mut report = fixture("refused");
    report.target.input = "postgres://appuser:***@db7.corp.example:5432/payroll".to_owned();
    report.target.host = Some("db7.corp.example".to_owned());
    report.target.scheme = Some("postgres".to_owned());
    report.vantage.hostname = "jump3".to_owned();
    report.runbook.source = "/home/mallory/books/connect.yaml".to_owned();
    let diagnosis = report.diagnosis.as_mut().expect("refused");
    diagnosis.summary = "db7.corp.example (10.4.3.2) refused JUMP3; see replica.db7.corp.example, \
                         ::ffff:10.4.3.2, 2A00:1450:0:0::5 and [2a00:1450::5]:5432, 010.004.003.002, \
                         10-4-3-2.cloud, link 52:54:00:ab:cd:ef"
        .to_owned();
    diagnosis.location.address = Some("10.4.3.2".to_owned());
    report.steps[0].observation = Some(json!({
        "outcome": "resolved", "name": "db7.corp.example", "addresses": ["10.4.3.2", "127.0.0.1"],
        "cname_chain": ["alias.corp.example."], "servers": [{"address": "10.9.9.9", "outcome": "answered"}],
    }));
    let listeners = json!({
        "outcome": "found",
        "listeners": [{
            "address": "10.4.3.2", "port": 5432, "user": "pgadmin",
            "owner": {"pid": 77, "command": "postmaster", "user": "pgadmin",
                      "args": "/opt/secret dir/postmaster -D /srv/payroll"},
            "owner_name": "postmaster (pid 77, user pgadmin, unit ledger.service)",
            "unit": "ledger.service", "container": "8f3c0ffee123",
        }],
        "others": [{"address": "fe80::5054:ff:feab:cdef", "port": 1,
                    "owner_name": "cronjobd (pid 9, user batch, container c0nta1ner)"}],
    });
    let mut step = report.steps[2].clone();
    step.id = "listeners".to_owned();
    step.probe = Some("listeners".to_owned());
    step.text = Some(
        "postmaster (pid 77, user pgadmin, unit ledger.service) listens; \
                      /opt/secret dir/postm… runs as batch"
            .to_owned(),
    );
    step.by_hand = Some("nc -zv db7.corp.example 5432; ssh appuser@10.4.3.2".to_owned());
    step.observation = Some(listeners);
    step.unknown = None;
    report.path.push(step.id.clone());
    report.steps.push(step);
    let mut greeting = report.steps[2].clone();
    greeting.id = "greeting".to_owned();
    greeting.probe = Some("greeting".to_owned());
    greeting.text = Some("it says 220 mail.inner.example ready".to_owned());
    greeting.observation =
        Some(json!({"banner": "220 mail.inner.example ready", "host": "db7.corp.example"}));
    report.path.push(greeting.id.clone());
    report.steps.push(greeting);
    let mut check = alone(report);
    check.results[0].labels.insert("owner".to_owned(), "pgadmin".to_owned());
    check.results[0].problems = vec!["db7.corp.example is not as expected".to_owned()];
    let names = vec![
        "db7",
        "corp.example",
        "payroll",
        "appuser",
        "jump3",
        "mallory",
        "10.4.3.2",
        "10.9.9.9",
        "2a00:1450::5",
        "2a00:1450:0:0::5",
        "010.004.003.002",
        "10-4-3-2",
        "52:54:00:ab:cd:ef",
        "pgadmin",
        "postmaster",
        "ledger.service",
        "ledger",
        "8f3c0ffee123",
        "c0nta1ner",
        "cronjobd",
        "batch",
        "secret",
        "mail.inner.example",
        "feab:cdef",
        "alias",
    ];
    (check, names)
}

#[test]
fn no_name_survives_in_any_format() {
    let (check, names) = full_of_names();
    let mut redactor = redactor();
    let redacted = redactor.check(&check);
    for whole in [false, true] {
        let redacted = Check { alone: whole, ..redacted.clone() };
        for format in Format::ALL {
            let text = write(format, &redacted);
            let left: Vec<&&str> = names.iter().filter(|name| holds(&text, name)).collect();
            assert!(left.is_empty(), "{} has {left:?}:\n{text}", format.name());
            assert!(format == Format::Nagios || text.contains("host-1"), "{}", format.name());
        }
    }
    let list = redactor.replaced();
    for name in ["db7.corp.example", "jump3", "10.4.3.2", "pgadmin", "ledger.service", "mallory"] {
        assert!(list.iter().any(|one| one.original == name), "{name} is not on the list");
    }
    let mut pseudonyms: Vec<&str> = list.iter().map(|one| one.pseudonym.as_str()).collect();
    let all = pseudonyms.len();
    pseudonyms.sort_unstable();
    pseudonyms.dedup();
    assert_eq!(pseudonyms.len(), all, "a pseudonym stands for two");
}

#[test]
fn the_same_name_has_the_same_pseudonym_everywhere() {
    let (check, _) = full_of_names();
    let redacted = redactor().check(&check);
    let report = redacted.results[0].report.as_ref().expect("a report");
    let diagnosis = report.diagnosis.as_ref().expect("refused");
    let address = diagnosis.location.address.as_deref().expect("an address");
    let seen = &report.steps[0].observation.as_ref().expect("an observation");
    assert_eq!(seen["addresses"][0], address);
    assert_eq!(seen["addresses"][1], "127.0.0.1", "loopback names nobody");
    assert_eq!(seen["name"], *report.target.host.as_ref().expect("a host"));
    assert_eq!(seen["outcome"], "resolved", "a vocabulary's word stays");
    let summary = &diagnosis.summary;
    assert!(summary.starts_with(&format!("host-1 ({address}) refused host-")), "{summary}");
    let mapped = format!("::ffff:{address},");
    assert!(summary.contains(&mapped), "{summary}");
    let dashed = address.replace('.', "-");
    assert!(summary.contains(&format!("{dashed}.cloud")), "{summary}");
    assert_eq!(seen["servers"][0]["outcome"], "answered");
}

#[test]
fn what_is_not_a_name_stays() {
    let plain = every_outcome();
    let redacted = redactor().check(&plain);
    for (before, after) in plain.results.iter().zip(&redacted.results) {
        assert_eq!((before.outcome, before.attempts), (after.outcome, after.attempts));
        let (Some(before), Some(after)) = (&before.report, &after.report) else { continue };
        assert_eq!((before.verdict, &before.path), (after.verdict, &after.path));
        let id = |report: &Report| report.diagnosis.as_ref().map(|found| found.id.clone());
        assert_eq!(id(before), id(after));
        for (before, after) in before.steps.iter().zip(&after.steps) {
            assert_eq!((&before.id, before.status), (&after.id, after.status));
            assert_eq!(
                (before.started_ms, before.duration_ms),
                (after.started_ms, after.duration_ms)
            );
        }
    }
}

#[test]
fn redacting_twice_changes_nothing_that_matters() {
    let (check, names) = full_of_names();
    let once = redactor().check(&check);
    let twice = redactor().check(&once);
    assert_eq!(once.results[0].outcome, twice.results[0].outcome);
    let text = write(Format::Json, &twice);
    assert!(names.iter().all(|name| !holds(&text, name)));
}

#[test]
fn a_redacted_report_replays_to_the_same_verdict() {
    let file = concat!(env!("CARGO_MANIFEST_DIR"), "/examples/filtered.json");
    let text = std::fs::read_to_string(file).expect("the example");
    let mut reports: Vec<Report> = vec![serde_json::from_str(&text).expect("a report")];
    reports.extend(FIXTURES.iter().map(|name| fixture(name)));
    for report in reports {
        let redacted = redactor().check(&alone(report.clone()));
        let redacted = redacted.results[0].report.as_ref().expect("a report");
        let book = runbook::builtin(&report.runbook.name).expect("a built-in runbook");
        let (plain, again) = (engine::replay(&report, &book), engine::replay(redacted, &book));
        assert_eq!((plain.verdict, &plain.path), (again.verdict, &again.path));
        let id = |report: &Report| report.diagnosis.as_ref().map(|found| found.id.clone());
        assert_eq!(id(&plain), id(&again), "{}", report.target.input);
    }
}

/// Names and addresses of any form, put where the report has them and into its texts.
#[test]
fn random_names_survive_nowhere() {
    let mut runner = TestRunner::deterministic();
    let name = "[a-z]{2}[a-z0-9]{2,8}q[0-9]{2}(\\.[a-z]{3,6}zz){0,2}";
    let word = "[A-Za-z][a-z0-9_.-]{3,8}q[0-9]{2}";
    let strategy = (
        name,
        name,
        word,
        word,
        "[a-z/]{2,6} --[a-z]{3,8}=[A-Za-z0-9]{8,12}q",
        proptest::num::u32::ANY.prop_map(|n| std::net::Ipv4Addr::from(n | 0x0100_0000)),
        proptest::num::u128::ANY.prop_map(|n| std::net::Ipv6Addr::from(n >> 3 | 1 << 125)),
    );
    for _ in 0..150 {
        let (host, other, user, process, args, v4, v6) =
            strategy.new_tree(&mut runner).expect("no filter").current();
        let special = v4.is_loopback() || v4.is_multicast() || v4.octets()[0] == 255;
        let mut report = fixture("refused");
        report.target.host = Some(host.clone());
        report.target.input = format!("{host}:5432");
        report.vantage.hostname.clone_from(&other);
        report.steps[0].observation = Some(
            json!({"outcome": "resolved", "name": host, "addresses": [v4.to_string(), v6.to_string()]}),
        );
        report.steps[2].probe = Some("process".to_owned());
        report.steps[2].observation = Some(json!({"command": process, "args": args, "user": user}));
        let text = format!(
            "{host} {v4}:80 [{v6}]:443 {}% ({v4}/24), {process}: {args}; {user}@{other}. sub.{host}, x-{v4}-y",
            v6.to_string().to_uppercase()
        );
        report.steps[1].text = Some(text.clone());
        report.diagnosis.as_mut().expect("refused").summary = text;
        let redacted = redactor().check(&alone(report));
        for format in [Format::Json, Format::Text, Format::Markdown, Format::Junit] {
            let out = write(format, &redacted);
            let mut secrets = vec![host.clone(), other.clone(), user.clone(), process.clone()];
            secrets.push(args.clone());
            secrets.push(v6.to_string());
            if !special {
                secrets.push(v4.to_string());
            }
            // Lines are wrapped; a secret could be wrapped as well.
            let unwrapped = out.split_whitespace().collect::<String>();
            for secret in secrets {
                let unspaced: String = secret.split_whitespace().collect();
                assert!(!holds(&out, &secret), "{secret} in {out}");
                assert!(unspaced.len() < 8 || !unwrapped.contains(&unspaced), "{secret} in {out}");
            }
        }
    }
}

#[test]
fn results_written_one_by_one_and_together_agree() {
    let (first, _) = full_of_names();
    let mut second = first.results[0].clone();
    second.name = "another".to_owned();
    let both = check(vec![first.results[0].clone(), second]);
    let mut redactor = redactor();
    let one_by_one: Vec<Value> = both
        .results
        .iter()
        .map(|result| serde_json::to_value(redactor.result(result)).expect("JSON"))
        .collect();
    let together = serde_json::to_value(redactor.check(&both).results).expect("JSON");
    assert_eq!(together, Value::from(one_by_one));
}

fn tcpdoctor(arguments: &[&str]) -> std::process::Output {
    std::process::Command::new(env!("CARGO_BIN_EXE_tcpdoctor"))
        .args(arguments)
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .output()
        .expect("it runs")
}

#[test]
fn the_list_of_what_was_replaced_is_in_a_file_of_its_own_that_only_its_owner_reads() {
    use std::os::unix::fs::PermissionsExt;
    let folder = crate::common::Folder::new();
    let (list, page) = (folder.file("list", ""), folder.path("page.html"));
    let html = format!("html={page}");
    let arguments = ["replay", "examples/filtered.json", "--redact", "--format", "json"];
    let output = tcpdoctor(&[&arguments[..], &["--redact-map", &list, "--output", &html]].concat());
    assert_eq!(output.status.code(), Some(1), "{}", String::from_utf8_lossy(&output.stderr));
    let told = String::from_utf8(output.stdout).expect("UTF-8");
    let page = std::fs::read_to_string(page).expect("the page");
    let written = std::fs::read_to_string(&list).expect("the list");
    for name in ["four.lab.test", "10.4.3.2", "web1"] {
        assert!(written.contains(name), "{written}");
        assert!(!holds(&told, name) && !holds(&page, name), "{name}");
    }
    let mode = std::fs::metadata(list).expect("the list").permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
}

#[test]
fn what_cannot_be_redacted_is_refused_before_anything_is_sent() {
    for arguments in [
        &["probe", "tcp_connect", "127.0.0.1:1", "--redact"][..],
        &["explain", "--redact"],
        &["diagnose", "127.0.0.1:1", "--redact-map", "x"],
        &["diagnose", "127.0.0.1:1", "--redact", "--redact-map", "/nonexistent/x"],
        &["check", "127.0.0.1:1", "--redact", "--redact-map", "x", "--output", "json=x"],
    ] {
        let output = tcpdoctor(arguments);
        assert_eq!(output.status.code(), Some(2), "{arguments:?}");
        assert!(output.stdout.is_empty() && !output.stderr.is_empty(), "{arguments:?}");
    }
}

#[test]
fn a_report_with_half_a_character_is_refused_with_its_place() {
    let folder = crate::common::Folder::new();
    let text = "{\"schema\": \"tcpdoctor.report/1\", \"tool\": {\"name\": \"\\ud800\"}}".to_owned();
    let file = folder.file("report.json", text);
    let output = tcpdoctor(&["replay", &file]);
    assert_eq!(output.status.code(), Some(2));
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(said.contains("line 1"), "{said}");
}
