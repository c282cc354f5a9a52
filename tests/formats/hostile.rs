//! Texts that a hostile network, or a file of a stranger's, may send: in every format they stay text.

use proptest::strategy::{Strategy, ValueTree};
use proptest::test_runner::TestRunner;
use pulldown_cmark::{Event, Options, Parser, Tag};
use serde_json::Value;
use tcpdoctor::model::check::Check;
use tcpdoctor::render::{Format, sanitise};

use crate::checks::{every_outcome, hostile, write};
use crate::common::Folder;
use crate::formats::{sarif_schema, validate};
use crate::tools;

fn samples() -> Vec<String> {
    let mut samples: Vec<String> = [
        "\u{1b}[31mred\u{1b}[0m \u{1b}]0;owned\u{7}",
        "\u{9b}2J\u{7f}\u{90}q\u{9c}",
        "<script>alert(1)</script><img src=x onerror=y>",
        "a]]>b<![CDATA[c",
        "&amp; &lt; &#0; &bogus;",
        "one\ntwo\r\nthree\rfour\u{2028}five\u{85}six",
        "nul\0 \u{b}\u{c} \u{fffe}\u{ffff}\u{fdd0}\u{10ffff}",
        "\u{202e}live\u{2066} \u{200b}\u{feff}\u{e0041}",
        "::error title=x,file=y::z",
        "\n::error::z\n::stop-commands::x",
        "##[error]x %0A::error::y %25",
        "`a` | b || ``` ~~~ \\| \\",
        "\"q\" 'q' \\ \\n \\\" \\",
        "# SKIP it # TODO that \\# \\",
        "...",
        "---",
        "  ...\n  ---\nok 1 - x\nBail out! now\n1..0",
        "not ok 1\nTAP version 13",
        "@team #1 !2 %3 ~x :tada: http://evil.test www.evil.test a@b.test GH-1",
        "[x](javascript:alert(1)) ![i](http://e/x.png) [[y]] <http://z> <!-- c -->",
        "# h\n> q\n- l\n1. n\n    code\n***",
        "| time=1s;;; | x",
        "- x: {a: b} [c] &d *e !f | > % @",
        "</details></summary></failure></testcase>",
        "{} {{ target.host }} ${HOME} $(id) `id`",
        "é日😀 \u{1f3f3}\u{fe0f}\u{200d}\u{1f308}",
        "",
        " ",
    ]
    .map(str::to_owned)
    .to_vec();
    samples.push("x".repeat(30_000));
    samples.push("\u{1b}<&|`'\"\\#:@".repeat(1_500));
    samples
}

/// Checks whose texts are the samples, each sample at another place in each.
fn checks() -> Vec<Check> {
    let samples = samples();
    let mut checks: Vec<Check> = (0..samples.len())
        .step_by(3)
        .map(|first| {
            let mut texts = samples.clone();
            texts.rotate_left(first);
            hostile(&texts)
        })
        .collect();
    // And random ones; the same in every run.
    let mut runner = TestRunner::deterministic();
    let text = "(.|[\\x00-\\x9f\u{202e}\u{fffe}]|[<>&'\"|`#:@\\\\%\\[\\]\n.*_-]){0,40}";
    let texts = proptest::collection::vec(text, 5..60);
    for _ in 0..20 {
        let texts = texts.new_tree(&mut runner).expect("a strategy without a filter").current();
        checks.push(hostile(&texts));
    }
    checks
}

#[test]
fn nothing_that_a_terminal_acts_on_reaches_any_format() {
    for check in checks() {
        for format in Format::ALL {
            let out = write(format, &check);
            let bad = out.chars().find(|c| sanitise::is_unsafe(*c) && *c != '\n');
            assert_eq!(bad, None, "{}", format.name());
        }
    }
}

#[test]
fn json_and_ndjson_give_the_texts_back() {
    for check in checks() {
        let back: Check = serde_json::from_str(&write(Format::Json, &check)).expect("JSON");
        assert_eq!(back, check);
        let lines = write(Format::Ndjson, &check);
        assert_eq!(lines.lines().count(), check.results.len());
        for (line, result) in lines.lines().zip(&check.results) {
            let value: Value = serde_json::from_str(line).expect("JSON");
            assert_eq!(value["name"], result.name);
        }
    }
}

#[test]
fn junit_stays_valid_and_gives_the_names_back() {
    let there = tools::is_there("xmllint", "libxml2-utils");
    if !there || !tools::is_there("/usr/bin/python3", "python3") {
        return;
    }
    let checks = checks();
    let texts: Vec<String> = checks.iter().map(|check| write(Format::Junit, check)).collect();
    let folder = Folder::new();
    let files = tools::files(&folder, "xml", &texts);
    tools::xmllint(&files);
    for (check, read) in checks.iter().zip(tools::python(tools::JUNIT, &files)) {
        let cases = read["cases"].as_array().expect("cases");
        assert_eq!(cases.len(), check.results.len());
        for (case, result) in cases.iter().zip(&check.results) {
            assert_eq!(case[0], *sanitise::line(&result.name));
        }
    }
}

#[test]
fn tap_stays_valid_and_gives_the_names_back() {
    if !tools::is_there("perl", "perl") {
        return;
    }
    let checks = checks();
    let texts: Vec<String> = checks.iter().map(|check| write(Format::Tap, check)).collect();
    let folder = Folder::new();
    for (check, read) in
        checks.iter().zip(tools::perl(tools::TAP, &tools::files(&folder, "tap", &texts)))
    {
        assert_eq!(read["errors"], serde_json::json!([]));
        assert_eq!(read["other"], serde_json::json!([]));
        let tests = read["tests"].as_array().expect("tests");
        assert_eq!(tests.len(), check.results.len());
        for (test, result) in tests.iter().zip(&check.results) {
            let name = sanitise::line(&result.name).replace('\\', "\\\\").replace('#', "\\#");
            let said = test[1].as_str().expect("text").trim_start_matches("- ");
            let same = name.trim() == said.trim() || result.name.chars().count() > 1000;
            assert!(same, "{name:?} {said:?}");
        }
    }
}

/// Every YAML block parses, and holds the texts as they are shown.
#[test]
fn the_yaml_blocks_of_tap_are_yaml() {
    for check in checks() {
        let text = write(Format::Tap, &check);
        let mut targets = Vec::new();
        let mut block: Option<String> = None;
        for line in text.lines() {
            match (line, &mut block) {
                ("  ---", None) => block = Some(String::new()),
                ("  ...", Some(yaml)) => {
                    targets.push(value_of(yaml, "target"));
                    block = None;
                }
                (line, Some(yaml)) => {
                    yaml.push_str(line.strip_prefix("  ").expect("indented"));
                    yaml.push('\n');
                }
                (line, None) => assert!(
                    line.starts_with("ok ")
                        || line.starts_with("not ok ")
                        || line.starts_with("TAP ")
                        || line.starts_with("1.."),
                    "{line}"
                ),
            }
        }
        let wanted: Vec<String> =
            check.results.iter().map(|one| sanitise::line(&one.target).into_owned()).collect();
        assert_eq!(targets, wanted);
    }
}

/// Reads a YAML mapping; returns the value of one key.
fn value_of(yaml: &str, wanted: &str) -> String {
    let mut depth = 0;
    let mut last = String::new();
    let mut found = None;
    let mut is_key = true;
    for event in granit_parser::Parser::new_from_str(yaml) {
        let (event, _) = event.unwrap_or_else(|error| panic!("{error}: {yaml}"));
        match event {
            granit_parser::Event::MappingStart(..) | granit_parser::Event::SequenceStart(..) => {
                depth += 1;
                is_key = true;
            }
            granit_parser::Event::MappingEnd | granit_parser::Event::SequenceEnd => {
                depth -= 1;
                is_key = true;
            }
            granit_parser::Event::Scalar(text, ..) if depth == 1 => {
                if is_key {
                    last = text.to_string();
                } else if last == wanted {
                    found = Some(text.to_string());
                }
                is_key = !is_key;
            }
            _ => {}
        }
    }
    found.unwrap_or_else(|| panic!("no {wanted} in {yaml}"))
}

#[test]
fn sarif_stays_valid_and_gives_the_names_back() {
    let schema = sarif_schema();
    for check in checks() {
        let text = write(Format::Sarif, &check);
        validate(&schema, &text);
    }
}

#[test]
fn every_line_for_github_is_one_command_of_ours() {
    let decoded = |text: &str| {
        text.replace("%3A", ":")
            .replace("%2C", ",")
            .replace("%0D", "\r")
            .replace("%0A", "\n")
            .replace("%25", "%")
    };
    for check in checks() {
        let text = write(Format::Github, &check);
        let mut lines: Vec<&str> = text.lines().collect();
        let last = lines.pop().expect("a closing line");
        assert!(last.starts_with("tcpdoctor: 8 in all"));
        for line in lines {
            let rest = line.strip_prefix("::").expect("a command");
            let (head, message) = rest.split_once("::").expect("a message");
            let (kind, properties) = head.split_once(' ').expect("properties");
            assert!(matches!(kind, "error" | "warning" | "notice"));
            for property in properties.split(',') {
                let (key, value) = property.split_once('=').expect("a value");
                assert!(matches!(key, "title" | "file" | "line"), "{line}");
                assert!(!decoded(value).contains('\n'));
            }
            assert!(message.chars().count() < 4096);
        }
    }
}

/// The skeleton of a page: everything but the texts.
fn skeleton(markdown: &str) -> Vec<String> {
    let options = Options::ENABLE_TABLES | Options::ENABLE_STRIKETHROUGH | Options::ENABLE_MATH;
    let mut skeleton: Vec<String> = Vec::new();
    for event in Parser::new_ext(markdown, options) {
        match event {
            Event::Text(_) | Event::SoftBreak => {}
            Event::Code(_) => skeleton.push("code".to_owned()),
            Event::InlineHtml(html) if &*html == "<!-- -->" => {}
            Event::InlineHtml(html) => skeleton.push(format!("inline {html}")),
            Event::Html(html) => {
                // Our own elements; what is between them is escaped.
                let tags = html.replace("<!-- -->", "");
                let tags = tags.split('<').skip(1);
                skeleton.extend(tags.map(|tag| tag.split('>').next().unwrap_or("").to_owned()));
            }
            Event::Start(Tag::Link { .. } | Tag::Image { .. }) => panic!("a link: {markdown}"),
            other => skeleton.push(format!("{other:?}")),
        }
    }
    skeleton
}

#[test]
fn markdown_keeps_its_skeleton_whatever_the_texts_are() {
    // Every text is there, so that nothing is left out for being empty.
    let plain = skeleton(&write(Format::Markdown, &hostile(&["text".to_owned()])));
    assert!(plain.len() > 100);
    for sample in samples() {
        let sample = format!("t{sample}");
        if sample.len() > 1000 {
            continue; // other tests hold the limit
        }
        let page = write(Format::Markdown, &hostile(std::slice::from_ref(&sample)));
        assert_eq!(skeleton(&page), plain, "{sample:?}\n{page}");
    }
    let mut runner = TestRunner::deterministic();
    let text = "([<>&'\"|`#:@\\\\%\\[\\]()!$~{}\n.*_=+ a1-]){1,30}";
    let text = proptest::string::string_regex(text).expect("a pattern");
    for _ in 0..100 {
        let sample = format!("t{}", text.new_tree(&mut runner).expect("no filter").current());
        let page = write(Format::Markdown, &hostile(std::slice::from_ref(&sample)));
        assert_eq!(skeleton(&page), plain, "{sample:?}\n{page}");
    }
}

#[test]
fn markdown_mentions_nobody_and_fits() {
    for check in checks() {
        let page = write(Format::Markdown, &check);
        assert!(page.chars().count() < 65_536);
        assert!(page.lines().all(|line| line.len() < 20_000));
    }
    let page = write(Format::Markdown, &hostile(&["@team http://evil.test".to_owned()]));
    for event in Parser::new_ext(&page, Options::ENABLE_TABLES) {
        if let Event::Text(text) = event {
            assert!(!text.contains("@team") && !text.contains("http://"), "{text}");
        }
    }
}

#[test]
fn the_nagios_line_stays_one_short_line() {
    for check in checks() {
        let line = write(Format::Nagios, &check);
        assert_eq!(line.matches('\n').count(), 1);
        assert_eq!(line.matches('|').count(), 1);
        assert!(line.len() <= 1024, "{}", line.len());
    }
}

#[test]
fn prometheus_stays_valid_and_gives_the_names_back() {
    if !tools::is_there("/usr/bin/python3", "python3-prometheus-client") {
        return;
    }
    let checks = checks();
    let texts: Vec<String> = checks.iter().map(|check| write(Format::Prometheus, check)).collect();
    let folder = Folder::new();
    let read = tools::python(tools::PROMETHEUS, &tools::files(&folder, "prom", &texts));
    for ((check, families), text) in checks.iter().zip(read).zip(&texts) {
        let families = families.as_array().expect("families");
        let names: Vec<&str> = families.iter().map(|one| one[0].as_str().expect("name")).collect();
        let mut unique = names.clone();
        unique.sort_unstable();
        unique.dedup();
        assert_eq!(unique.len(), names.len(), "a metric in two places");
        for family in families {
            assert_eq!(family[1], "gauge");
            assert!(family[2].as_str().is_some_and(|help| help.ends_with('.')));
            let samples = family[3].as_array().expect("samples");
            let keys = |sample: &Value| -> Vec<String> {
                sample[0].as_object().expect("labels").keys().cloned().collect()
            };
            let mut series = std::collections::BTreeSet::new();
            for sample in samples {
                assert_eq!(keys(sample), keys(&samples[0]), "labels differ");
                assert!(series.insert(sample[0].to_string()), "a series twice: {sample}");
                assert!(sample[2].is_null(), "a time stamp");
            }
        }
        let reasons = families.iter().find(|one| one[0] == "tcpdoctor_target_diagnosis_info");
        let samples = reasons.expect("the family")[3].as_array().expect("samples");
        for (sample, result) in samples.iter().zip(&check.results) {
            assert_eq!(sample[0]["name"], *sanitise::line(&result.name));
        }
        // A line end of our own ends every line; none comes from a text.
        let begins = |line: &str| line.starts_with("# ") || line.starts_with("tcpdoctor_");
        assert!(text.lines().all(begins));
    }
}

#[test]
fn the_outcome_survives_every_text() {
    let wanted = every_outcome();
    for check in checks() {
        let outcomes =
            |check: &Check| check.results.iter().map(|one| one.outcome).collect::<Vec<_>>();
        assert_eq!(outcomes(&check), outcomes(&wanted));
    }
}
