//! Every fixture report in every format: what people and programs see, held by snapshots.

#![allow(clippy::disallowed_methods)] // this test reads its fixtures

use std::path::Path;

use tcpdoctor::Report;
use tcpdoctor::model::check::Check;
use tcpdoctor::model::expect::FailOn;
use tcpdoctor::render::{Format, Style, sanitise};

/// The fixtures, by file name without extension.
fn fixtures() -> Vec<(String, Report)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/render/reports");
    let mut reports: Vec<(String, Report)> = std::fs::read_dir(folder)
        .expect("the folder of fixtures")
        .map(|entry| {
            let path = entry.expect("a readable folder").path();
            let name = path.file_stem().expect("a file name");
            let text = std::fs::read_to_string(&path).expect("a readable fixture");
            let report = serde_json::from_str(&text)
                .unwrap_or_else(|error| panic!("{}: {error}", path.display()));
            (name.to_string_lossy().into_owned(), report)
        })
        .collect();
    reports.sort_by(|a, b| a.0.cmp(&b.0));
    assert!(reports.len() >= 9);
    reports
}

fn text(report: &Report, style: &Style) -> String {
    let mut out = Vec::new();
    Format::Text
        .write(&Check::of(report.clone(), &FailOn::default(), false), style, &mut out)
        .expect("a vector takes everything");
    String::from_utf8(out).expect("text is UTF-8")
}

#[test]
fn text_at_80_and_120_columns_is_as_recorded() {
    insta::with_settings!({snapshot_path => "render/snapshots", prepend_module_to_snapshot => false, omit_expression => true}, {
        for (name, report) in fixtures() {
            for width in [80, 120] {
                insta::assert_snapshot!(format!("{name}@{width}"), text(&report, &Style::plain(width)));
            }
        }
    });
}

#[test]
fn verbose_and_ascii_text_is_as_recorded() {
    insta::with_settings!({snapshot_path => "render/snapshots", prepend_module_to_snapshot => false, omit_expression => true}, {
        for (name, report) in fixtures() {
            if name == "filtered_at_hop_2" || name == "inconclusive_permission" {
                let mut style = Style::plain(80);
                style.verbose = true;
                insta::assert_snapshot!(format!("{name}@verbose"), text(&report, &style));
                style.unicode = false;
                style.verbose = false;
                insta::assert_snapshot!(format!("{name}@ascii"), text(&report, &style));
            }
        }
    });
}

#[test]
fn no_line_is_wider_than_the_page_except_a_command() {
    for (name, report) in fixtures() {
        let commands: Vec<String> = report
            .diagnosis
            .iter()
            .flat_map(|diagnosis| &diagnosis.remedies)
            .filter_map(|remedy| remedy.command.as_deref())
            .chain(report.steps.iter().filter_map(|step| step.by_hand.as_deref()))
            .map(|command| sanitise::line(command.trim()).into_owned())
            .collect();
        for width in [48, 60, 80, 100, 120, 160, 200] {
            for verbose in [false, true] {
                let mut style = Style::plain(width);
                style.verbose = verbose;
                for line in text(&report, &style).lines() {
                    let columns = console::measure_text_width(line);
                    let command = commands.iter().any(|command| line.ends_with(command.as_str()));
                    assert!(columns <= width || command, "{name} at {width}: {line}");
                    assert_eq!(line, line.trim_end(), "{name}: trailing blanks");
                }
            }
        }
    }
}

#[test]
fn nothing_that_a_terminal_acts_on_survives_in_any_format() {
    for (name, report) in fixtures() {
        for format in Format::ALL {
            for verbose in [false, true] {
                let mut style = Style::plain(80);
                style.verbose = verbose;
                let mut out = Vec::new();
                format
                    .write(&Check::of(report.clone(), &FailOn::default(), false), &style, &mut out)
                    .expect("a vector takes everything");
                let out = String::from_utf8(out).expect("UTF-8");
                let bad = out.chars().find(|c| sanitise::is_unsafe(*c) && *c != '\n');
                assert_eq!(bad, None, "{name} as {}", format.name());
            }
        }
    }
}

#[test]
fn colours_change_nothing_but_colours() {
    for (name, report) in fixtures() {
        let plain = text(&report, &Style::plain(80));
        let mut style = Style::plain(80);
        style.colour = true;
        let coloured = text(&report, &style);
        let stripped: Vec<String> = console::strip_ansi_codes(&coloured)
            .lines()
            .map(|line| line.trim_end().to_owned())
            .collect();
        assert_ne!(coloured, plain, "{name}");
        assert_eq!(stripped.join("\n"), plain.trim_end(), "{name}");
    }
}

#[test]
fn json_parses_back_to_the_same_report() {
    for (name, report) in fixtures() {
        let mut out = Vec::new();
        Format::Json
            .write(
                &Check::of(report.clone(), &FailOn::default(), false),
                &Style::plain(80),
                &mut out,
            )
            .expect("a vector takes everything");
        assert!(out.ends_with(b"}\n"), "{name}");
        let back: Report = serde_json::from_slice(&out).expect("valid JSON");
        assert_eq!(back, report, "{name}");
    }
}

/// Replaces free texts by others, one after the other.
fn replace_texts(value: &mut serde_json::Value, texts: &mut impl Iterator<Item = String>) {
    match value {
        serde_json::Value::Object(fields) => {
            for (name, value) in fields {
                let is_free = matches!(
                    name.as_str(),
                    "id" | "title"
                        | "summary"
                        | "text"
                        | "why"
                        | "separate_by"
                        | "command"
                        | "by_hand"
                        | "address"
                        | "input"
                        | "hostname"
                        | "step"
                        | "to"
                );
                match value {
                    serde_json::Value::String(text) if is_free => {
                        text.clone_from(&texts.next().expect("endless"));
                    }
                    other => replace_texts(other, texts),
                }
            }
        }
        serde_json::Value::Array(items) => {
            for item in items {
                replace_texts(item, texts);
            }
        }
        _ => {}
    }
}

proptest::proptest! {
    #![proptest_config(proptest::test_runner::Config::with_cases(64))]

    #[test]
    fn no_text_and_no_width_makes_a_renderer_panic_or_leak(
        texts in proptest::collection::vec("(.|[\\x00-\\x9f\u{202e}日 ]){0,60}", 1..40),
        width in 0usize..300,
        verbose in proptest::bool::ANY,
        unicode in proptest::bool::ANY,
    ) {
        let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/render/reports/filtered_at_hop_2.json");
        let text = std::fs::read_to_string(file).expect("the fixture");
        let mut value = serde_json::from_str(&text).expect("JSON");
        replace_texts(&mut value, &mut texts.iter().cycle().cloned());
        let Ok(report) = serde_json::from_value::<Report>(value) else {
            return Ok(());
        };
        let style = Style { colour: false, unicode, width, verbose };
        for format in Format::ALL {
            let mut out = Vec::new();
            format.write(&Check::of(report.clone(), &FailOn::default(), false), &style, &mut out).expect("a vector takes everything");
            let out = String::from_utf8(out).expect("UTF-8");
            proptest::prop_assert!(!out.chars().any(|c| sanitise::is_unsafe(c) && c != '\n'));
        }
    }
}
