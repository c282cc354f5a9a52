//! Validators and parsers of others, run on what we wrote.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use serde_json::Value;

use crate::common::Folder;

/// Whether a program is there. In CI (`TCPDOCTOR_LAB=required`, as for the lab) a missing one is a
/// failure; elsewhere the test says so and is left out.
#[allow(clippy::print_stderr)] // a test that is left out says so
pub(crate) fn is_there(program: &str, package: &str) -> bool {
    let mut probe = Command::new(program);
    match package {
        "python3-prometheus-client" => probe.args(["-c", "import prometheus_client"]),
        _ => probe.arg("--version"),
    };
    let found = probe.stdin(Stdio::null()).stderr(Stdio::null()).output();
    if found.is_ok_and(|found| found.status.success()) {
        return true;
    }
    let message = format!("{program} or a module of its is missing: apt-get install {package}");
    let required = std::env::var_os("TCPDOCTOR_LAB").is_some_and(|value| value == "required");
    assert!(!required, "{message}");
    eprintln!("left out: {message}");
    false
}

/// Writes one file for each text; returns their paths, in order.
pub(crate) fn files(folder: &Folder, extension: &str, texts: &[String]) -> Vec<PathBuf> {
    let write = |(nth, text)| folder.file(&format!("{nth:04}.{extension}"), text).into();
    texts.iter().enumerate().map(write).collect()
}

fn run(program: &str, args: &[&OsStr]) -> Output {
    Command::new(program).args(args).stdin(Stdio::null()).output().expect("it runs")
}

/// Validates XML files against Jenkins' schema of JUnit reports.
pub(crate) fn xmllint(files: &[PathBuf]) {
    let schema = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/formats/junit-10.xsd");
    let mut args: Vec<&OsStr> = vec!["--noout".as_ref(), "--huge".as_ref(), "--schema".as_ref()];
    args.push(schema.as_os_str());
    args.extend(files.iter().map(|file| file.as_os_str()));
    let output = run("xmllint", &args);
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}");
}

/// Reads files with a script of python's; it prints one line of JSON for each.
pub(crate) fn python(script: &str, files: &[PathBuf]) -> Vec<Value> {
    lines("/usr/bin/python3", &["-c".as_ref(), script.as_ref()], files)
}

/// Reads files with a script of perl's; it prints one line of JSON for each.
pub(crate) fn perl(script: &str, files: &[PathBuf]) -> Vec<Value> {
    lines("perl", &["-e".as_ref(), script.as_ref()], files)
}

fn lines(program: &str, script: &[&OsStr], files: &[PathBuf]) -> Vec<Value> {
    let mut args = script.to_vec();
    args.extend(files.iter().map(|file| file.as_os_str()));
    let output = run(program, &args);
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}");
    let out = String::from_utf8(output.stdout).expect("UTF-8");
    let read = |line: &str| serde_json::from_str(line).unwrap_or_else(|e| panic!("{e}: {line}"));
    let values: Vec<Value> = out.lines().map(read).collect();
    assert_eq!(values.len(), files.len(), "{said}");
    values
}

/// Reads JUnit: `[[name, class, [child…], message]…]` of the test cases, and the counts.
pub(crate) const JUNIT: &str = "
import json, sys, xml.etree.ElementTree as tree
for file in sys.argv[1:]:
    root = tree.parse(file).getroot()
    suite = root.find('testsuite')
    cases = [[case.get('name'), case.get('classname'),
              [child.tag for child in case if child.tag != 'system-out'],
              [child.get('type') for child in case if child.tag != 'system-out'],
              [child.get('message') for child in case if child.tag != 'system-out']]
             for case in suite.findall('testcase')]
    print(json.dumps({'cases': cases, 'counts': dict(suite.attrib)}))
";

/// Reads Prometheus' text format with its Python client: `[[family, help, [[labels, value]…]]…]`.
pub(crate) const PROMETHEUS: &str = "
import json, sys
from prometheus_client.parser import text_string_to_metric_families as parse
for file in sys.argv[1:]:
    text = open(file, encoding='utf-8', newline='').read()
    families = [[family.name, family.type, family.documentation,
                 [[sample.labels, sample.value, sample.timestamp] for sample in family.samples]]
                for family in parse(text)]
    print(json.dumps(families))
";

/// Reads TAP with the parser behind prove. TAP 14 says that a harness for 13 reads it; parsers before
/// Test::Harness 3.48 refuse the number, so it is lowered for them.
pub(crate) const TAP: &str = r#"
use strict; use warnings; use TAP::Parser; use JSON::PP;
binmode STDOUT, ':raw';
for my $file (@ARGV) {
    open my $in, '<:raw', $file or die $!;
    local $/; my $text = <$in>;
    $text =~ s/\ATAP version 14\n/TAP version 13\n/ or die "no version";
    my $parser = TAP::Parser->new({ tap => $text });
    my (@tests, @other);
    while (my $result = $parser->next) {
        if ($result->is_test) {
            my $text = $result->description; utf8::decode($text);
            push @tests, [$result->is_actual_ok ? 'ok' : 'not ok', $text, $result->directive];
        } elsif ($result->is_bailout) { push @other, 'bailout'; }
        elsif ($result->is_unknown) { push @other, $result->as_string; }
    }
    my @errors = $parser->parse_errors;
    print JSON::PP->new->utf8->canonical->encode(
        { tests => \@tests, other => \@other, errors => \@errors, planned => $parser->tests_planned }), "\n";
}
"#;
