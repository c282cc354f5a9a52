//! The page as a whole: valid, self-contained, and no text of anybody's becomes markup.

use std::collections::BTreeSet;

use proptest::prelude::*;
use serde_json::Value;

use super::*;
use crate::model::check::CheckResult;
use crate::model::expect::{FailOn, Judgement};
use crate::model::report::Report;
use crate::render::xml;
use crate::runbook::{builtin, drawing};

const REPORTS: [(&str, &str); 10] = [
    ("degraded", include_str!("../../../tests/render/reports/degraded_dead_address.json")),
    ("nxdomain", include_str!("../../../tests/render/reports/dns_nxdomain.json")),
    ("filtered", include_str!("../../../tests/render/reports/filtered_at_hop_2.json")),
    ("healthy", include_str!("../../../tests/render/reports/healthy_local.json")),
    ("findings", include_str!("../../../tests/render/reports/healthy_remote_with_findings.json")),
    ("hostile", include_str!("../../../tests/render/reports/hostile_strings.json")),
    ("permission", include_str!("../../../tests/render/reports/inconclusive_permission.json")),
    ("mtu", include_str!("../../../tests/render/reports/mtu_black_hole.json")),
    ("refused", include_str!("../../../tests/render/reports/refused.json")),
    ("real", include_str!("../../../examples/filtered.json")),
];

fn reports() -> Vec<(&'static str, Report)> {
    let parsed =
        |(name, text): (&'static str, &str)| (name, serde_json::from_str(text).expect("a report"));
    REPORTS.into_iter().map(parsed).collect()
}

/// A check of one report, with its tree.
fn alone(report: Report) -> Check {
    let mut tree = drawing::graph(&builtin("connect").expect("it loads"));
    tree.mark(&report);
    let mut check = Check::of(report, &FailOn::default(), false);
    check.results[0].tree = Some(tree);
    check
}

/// A check of all reports, and of one target that was not looked at.
fn together() -> Check {
    let mut check = Check::sample(&[Judgement::Skipped]);
    let results = reports().into_iter().map(|(name, report)| {
        let mut result: CheckResult = alone(report).results.remove(0);
        result.name = name.to_owned();
        result.labels.insert("env".to_owned(), "<prod>".to_owned());
        result
    });
    check.results.splice(0..0, results);
    check
}

fn page(check: &Check) -> String {
    let mut out = Vec::new();
    write(check, &Style::plain(80), &mut out).expect("a vector takes everything");
    String::from_utf8(out).expect("UTF-8")
}

/// A tag with its attributes, or the text up to the next one.
#[derive(Debug)]
struct Piece {
    name: String,
    closes: bool,
    attributes: Vec<(String, String)>,
    text: String,
}

impl Piece {
    fn attribute(&self, name: &str) -> Option<&str> {
        let found = self.attributes.iter().find(|(known, _)| known == name);
        found.map(|(_, value)| value.as_str())
    }
}

const VOID: [&str; 4] = ["meta", "br", "input", "!DOCTYPE"];

/// Reads a page as strictly as we write it: attributes are quoted, all but void elements are closed by
/// their own tags, `<` and `&` stand only in tags and entities.
fn read(page: &str) -> Vec<Piece> {
    let mut pieces: Vec<Piece> = Vec::new();
    let mut open: Vec<String> = Vec::new();
    let mut rest = page;
    while let Some((text, after)) = rest.split_once('<') {
        let raw = matches!(open.last().map(String::as_str), Some("script" | "style"));
        if let Some(last) = pieces.last_mut() {
            last.text.push_str(text);
        }
        if raw && !after.starts_with("/script>") && !after.starts_with("/style>") {
            pieces.last_mut().expect("a script follows a tag").text.push('<');
            rest = after;
            continue;
        }
        let known = ["amp;", "lt;", "gt;", "quot;", "#39;"];
        let entities = text.split('&').skip(1).filter(|_| !raw);
        for entity in entities {
            assert!(known.iter().any(|known| entity.starts_with(known)), "{entity:.30}");
        }
        let (tag, after) = after.split_once('>').expect("a tag ends");
        rest = after;
        let closes = tag.starts_with('/');
        let bare = tag.trim_start_matches('/');
        let empty = bare.ends_with('/');
        let bare = bare.trim_end_matches('/');
        let (name, attributes) = bare.split_once([' ', '\n']).unwrap_or((bare, ""));
        if closes {
            assert_eq!(open.pop().as_deref(), Some(name), "{tag}");
        } else if !VOID.contains(&name) && !empty {
            open.push(name.to_owned());
        }
        let attributes = if name == "!DOCTYPE" { Vec::new() } else { read_attributes(attributes) };
        pieces.push(Piece { name: name.to_owned(), closes, attributes, text: String::new() });
    }
    assert!(open.is_empty(), "{open:?}");
    pieces
}

fn read_attributes(text: &str) -> Vec<(String, String)> {
    let mut attributes = Vec::new();
    let mut rest = text.trim();
    while !rest.is_empty() {
        let end = rest.find(['=', ' ']).unwrap_or(rest.len());
        let name = rest[..end].to_owned();
        let plain = |c: char| c.is_ascii_alphanumeric() || "-:".contains(c);
        assert!(!name.is_empty() && name.chars().all(plain), "{text}");
        rest = &rest[end..];
        let mut value = String::new();
        if let Some(quoted) = rest.strip_prefix("=\"") {
            let (inside, after) = quoted.split_once('"').expect("a value ends");
            value = inside.to_owned();
            rest = after;
        }
        attributes.push((name, value));
        rest = rest.trim_start();
    }
    attributes
}

/// Checks what holds for every page; returns its pieces.
fn in_order(page: &str) -> Vec<Piece> {
    let pieces = read(page);
    let tags = || pieces.iter().filter(|piece| !piece.closes);
    let mut ids = BTreeSet::new();
    for id in tags().filter_map(|piece| piece.attribute("id")) {
        assert!(ids.insert(id), "the id {id} twice");
    }
    let mut level = 0;
    for piece in tags() {
        for (name, value) in &piece.attributes {
            assert!(!name.starts_with("on") && name != "style" && name != "src", "{piece:?}");
            let elsewhere = value.contains("://") && name != "xmlns" && name != "aria-label";
            assert!(!elsewhere || name == "title", "{name}={value}");
        }
        if let Some(link) = piece.attribute("href") {
            let name = link.strip_prefix('#').expect("links stay in the page");
            assert!(ids.contains(name), "{link}");
        }
        if let ["h", digit] = [&piece.name[..1], &piece.name[1..]]
            && let Ok(this) = digit.parse::<u8>()
        {
            assert!(this <= level + 1, "<{}> after <h{level}>", piece.name);
            level = this;
        }
        if piece.name == "th" {
            assert!(piece.attribute("scope").is_some());
        }
        if piece.name == "svg" {
            let said =
                piece.attribute("aria-label").is_some() || piece.attribute("aria-hidden").is_some();
            assert!(said, "{piece:?}");
        }
    }
    assert_eq!(tags().filter(|piece| piece.name == "h1").count(), 1);
    assert_eq!(tags().filter(|piece| piece.name == "script").count(), 1);
    assert_eq!(
        tags().find(|piece| piece.name == "html").and_then(|html| html.attribute("lang")),
        Some("en")
    );
    let bad = page.chars().find(|c| crate::render::sanitise::is_unsafe(*c) && *c != '\n');
    assert_eq!(bad, None);
    pieces
}

#[test]
fn every_page_is_whole_accessible_and_self_contained() {
    for (_, report) in reports() {
        in_order(&page(&alone(report)));
    }
    in_order(&page(&together()));
    in_order(&page(&Check::sample(&[])));
    in_order(&page(&Check::sample(&[Judgement::Skipped, Judgement::Error])));
}

#[test]
fn the_policy_allows_exactly_the_script_and_the_style_of_the_page() {
    for check in [together(), alone(reports().remove(0).1)] {
        let page = page(&check);
        let pieces = read(&page);
        let policy = pieces.iter().find_map(|piece| {
            piece.attribute("http-equiv").and_then(|_| piece.attribute("content"))
        });
        let policy = policy.expect("a policy");
        assert!(policy.starts_with("default-src 'none';"), "{policy}");
        assert!(!policy.contains("unsafe"));
        for name in ["script", "style"] {
            let piece = pieces.iter().find(|piece| piece.name == name).expect("it is there");
            let allowed = format!("{name}-src {}", hash_source(&piece.text));
            assert!(policy.contains(&allowed), "{policy} lacks {allowed}");
        }
    }
}

/// Replaces every text of a report that is no word of a closed vocabulary.
fn replace_texts(value: &mut Value, text: &str) {
    const CLOSED: [&str; 14] = [
        "schema",
        "layer",
        "severity",
        "confidence",
        "kind",
        "where",
        "verdict",
        "status",
        "started_at",
        "why",
        "family",
        "probe",
        "outcome",
        "answer",
    ];
    match value {
        Value::Object(fields) => {
            for (name, value) in fields {
                match value {
                    Value::String(old) if !CLOSED.contains(&name.as_str()) => text.clone_into(old),
                    other => replace_texts(other, text),
                }
            }
        }
        Value::Array(items) => {
            for item in items {
                match item {
                    Value::String(old) => text.clone_into(old),
                    other => replace_texts(other, text),
                }
            }
        }
        _ => {}
    }
}

fn with_text(file: &str, text: &str) -> Report {
    let mut value: Value = serde_json::from_str(file).expect("JSON");
    let path = value["path"].clone();
    let ids: Vec<Value> =
        value["steps"].as_array().expect("steps").iter().map(|step| step["id"].clone()).collect();
    replace_texts(&mut value, text);
    value["path"] = path;
    for (step, id) in value["steps"].as_array_mut().expect("steps").iter_mut().zip(ids) {
        step["id"] = id;
    }
    serde_json::from_value(value).expect("still a report")
}

const HOSTILE: [&str; 8] = [
    "</script><script>alert(1)</script>",
    "</style></title></textarea><img src=x onerror=alert(1)>",
    "\" autofocus onfocus=alert(1) x=\"",
    "' onmouseover='alert(1)",
    "<!--<script>",
    "</svg></pre></details>]]>-->",
    "&lt;&#60;&bogus;javascript:alert(1)",
    "a\u{0}\u{1b}[2J\u{202e}\u{2028}\r\n\u{fffe}b",
];

#[test]
fn hostile_text_stays_text_wherever_it_stands() {
    for text in HOSTILE {
        // Those with the most kinds of sections.
        for (_, file) in [REPORTS[2], REPORTS[4], REPORTS[7], REPORTS[9]] {
            let report = with_text(file, text);
            let mut check = alone(report.clone());
            check.results[0].name = text.to_owned();
            check.results[0].target = text.to_owned();
            check.results[0].expect = text.to_owned();
            check.results[0].problems = vec![text.to_owned()];
            check.results[0].labels.insert(text.to_owned(), text.to_owned());
            check.tool.version = text.to_owned();
            check.started_at = text.to_owned();
            in_order(&page(&check));
            check.alone = false;
            in_order(&page(&check));
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(12))]

    #[test]
    fn no_text_becomes_markup(text in "(.|[\\x00-\\x9f\u{202e}<>&\"'/= ]){0,60}") {
        let check = alone(with_text(REPORTS[9].1, &text));
        in_order(&page(&check));
    }

    #[test]
    fn no_measurement_makes_it_panic(number in proptest::num::f64::ANY, other in proptest::num::i64::ANY) {
        let mut value: Value = serde_json::from_str(REPORTS[9].1).expect("JSON");
        fn replace(value: &mut Value, number: &Value) {
            match value {
                Value::Number(_) => *value = number.clone(),
                Value::Array(items) => items.iter_mut().for_each(|item| replace(item, number)),
                Value::Object(fields) => fields.values_mut().for_each(|field| replace(field, number)),
                _ => {}
            }
        }
        for number in [serde_json::json!(number), serde_json::json!(other), serde_json::json!({"a": []})] {
            for step in value["steps"].as_array_mut().expect("steps") {
                replace(&mut step["observation"], &number);
            }
            let report: Report = serde_json::from_value(value.clone()).expect("still a report");
            in_order(&page(&alone(report)));
        }
    }
}

/// What a reader sees first and the sections' headings: small enough to be reviewed.
fn outline(page: &str, names: &[&str]) -> String {
    let mut lines = Vec::new();
    for piece in read(page).iter().filter(|piece| !piece.closes) {
        let class = piece.attribute("class").unwrap_or_default();
        let shown = match piece.name.as_str() {
            "title" if piece.attributes.is_empty() && lines.is_empty() => true,
            name if names.contains(&name) => true,
            "p" => class == "summary" || class == "expect",
            _ => false,
        };
        if shown {
            lines.push(format!("{:<8}{}", piece.name, piece.text.trim()));
        }
    }
    lines.join("\n")
}

#[test]
fn the_outline_of_each_page_is_as_recorded() {
    for (name, report) in reports() {
        insta::assert_snapshot!(name, outline(&page(&alone(report)), &["h1", "h2", "h3", "dt"]));
    }
    insta::assert_snapshot!("many", outline(&page(&together()), &["h1", "h2", "caption"]));
}

#[test]
fn what_a_reader_needs_is_on_the_page() {
    let runbook = builtin("connect").expect("it loads");
    let real: Report = serde_json::from_str(REPORTS[9].1).expect("a report");
    let report = crate::engine::replay(&real, &runbook);
    let diagnosis = report.diagnosis.clone().expect("a diagnosis");
    let page = page(&alone(report.clone()));
    let texts: String = read(&page).iter().map(|piece| format!("{} ", piece.text)).collect();
    let says = |wanted: &str| {
        assert!(texts.contains(&xml::prose(wanted)), "{wanted}");
    };
    says(&diagnosis.summary);
    says(&words::place(&diagnosis.location));
    for evidence in &diagnosis.evidence {
        says(&evidence.text);
    }
    for other in &diagnosis.alternatives {
        says(&other.separate_by);
    }
    for remedy in &diagnosis.remedies {
        says(remedy.command.as_deref().unwrap_or_default());
    }
    says("early, beside connect");
    says(diagnosis.location.address.as_deref().expect("a fault on the path"));
    assert!(page.contains("class=\"way on"), "the way is drawn");
    // The answer comes before anything else.
    let first = page.find(&xml::prose(&diagnosis.summary)).expect("it is there");
    assert!(first < page.find("<section>").expect("sections follow"));
}

#[test]
fn many_targets_make_a_page_that_can_still_be_sent() {
    let one = together();
    let mut many = Check::sample(&[]);
    for nth in 0..500 {
        let mut result = one.results[nth % one.results.len()].clone();
        result.name = format!("target {nth}");
        many.results.push(result);
    }
    let page = page(&many);
    assert!(page.len() < 12_000_000, "{} bytes", page.len());
    assert_eq!(page.matches("<tr data-outcome").count(), 500);
    assert!(page.matches("class=\"scroll tree-box\"").count() <= TREES);
    in_order(&page);
}
