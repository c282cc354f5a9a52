//! docs/formats.md: its examples are what the formats write. `UPDATE_DOCS=1` writes them anew.

use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use tcpdoctor::model::check::Check;
use tcpdoctor::model::expect::Judgement;
use tcpdoctor::render::Format;

use crate::checks::{check, every_outcome, write};

/// Four targets, one of each outcome.
fn example() -> Check {
    let mut results = every_outcome().results;
    let mut take = |name: &str| {
        let at = results.iter().position(|one| one.name == name).expect("a target of that name");
        results.remove(at)
    };
    let (mut web, mut db) = (take("web"), take("cache"));
    let (firewall, later) = (take("unknown"), take("later"));
    web.labels.remove("tier/zone");
    "db".clone_into(&mut db.name);
    "healthy".clone_into(&mut db.expect);
    db.problems = vec![
        "tcp.refused_no_listener: 10.4.3.2 answers on port 5432 with a reset: the host \
                        is up and no program listens there."
            .to_owned(),
    ];
    assert_eq!((db.outcome, later.outcome), (Judgement::Failed, Judgement::Skipped));
    check(vec![web, db, firewall, later])
}

#[test]
fn the_examples_in_the_document_are_up_to_date() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/formats.md");
    let text = fs::read_to_string(&path).expect("docs/formats.md");
    let mut new = String::new();
    let mut lines = text.lines();
    let mut shown = Vec::new();
    while let Some(line) = lines.next() {
        let _ = writeln!(new, "{line}");
        let Some((_, name)) = line.strip_prefix("````").and_then(|l| l.split_once(" example "))
        else {
            continue;
        };
        let format = Format::from_name(name).expect("a format");
        let example = write(format, &example());
        // Whole observations would be too long for a page.
        for line in example.lines() {
            match line.char_indices().nth(400) {
                Some((end, _)) => {
                    let _ = writeln!(new, "{}…", &line[..end]);
                }
                None => {
                    let _ = writeln!(new, "{line}");
                }
            }
        }
        new.push_str("````\n");
        assert!(lines.by_ref().any(|line| line == "````"), "the example of {name} has no end");
        shown.push(format);
    }
    if std::env::var_os("UPDATE_DOCS").is_some() {
        fs::write(&path, &new).expect("it can be written");
        return;
    }
    let same = new == text;
    assert!(same, "docs/formats.md is out of date: UPDATE_DOCS=1 cargo test --test formats");
    for format in Format::ALL {
        let told = text.contains(&format!("| `{}` |", format.name()));
        assert!(told, "docs/formats.md does not tell of {}", format.name());
        let long = matches!(format, Format::Json | Format::Html);
        assert!(long || shown.contains(&format), "no example of {}", format.name());
    }
}
