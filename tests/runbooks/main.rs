//! Runbook files, valid and invalid, and what the loader says about them.
//!
//! Each file in `invalid/` has one reason to be refused, and its name says which; the text beside it
//! is what the user reads. `UPDATE_GOLDEN=1 cargo test --test runbooks` writes those texts anew.

#![allow(clippy::disallowed_methods, clippy::unwrap_used)]

#[path = "../common/mod.rs"]
mod common;
mod rehearsals;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use common::cpu_time;
use proptest::prelude::*;
use tcpdoctor::model::diagnosis::Severity;
use tcpdoctor::model::lint::Level;
use tcpdoctor::runbook::code::Code;
use tcpdoctor::runbook::lesson::{Lesson, Place};
use tcpdoctor::runbook::{self, Catalogue, Library, LoadError, builtin};

/// The processor time that one file may take here; an optimised build has one second.
const LONGEST: Duration = Duration::from_secs(20);

fn folder(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/runbooks").join(name)
}

fn files(name: &str) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder(name)).unwrap().map(|entry| entry.unwrap().path());
    let mut files: Vec<PathBuf> =
        entries.filter(|path| path.extension().is_some_and(|e| e == "yaml")).collect();
    files.sort();
    files
}

/// Loads a file by its name alone, so that messages do not depend on where the sources are.
fn load(path: &Path) -> Result<std::sync::Arc<runbook::Runbook>, LoadError> {
    let within = path.parent().unwrap().to_path_buf();
    let read = |path: &Path| fs::read_to_string(within.join(path));
    let name = path.file_name().unwrap().to_str().unwrap();
    runbook::load(name, Library { folders: &[], read: &read })
}

#[test]
fn invalid_files_are_refused_with_the_message_beside_them() {
    let update = std::env::var_os("UPDATE_GOLDEN").is_some();
    let mut wrong = Vec::new();
    for path in files("invalid") {
        let said = match load(&path) {
            Ok(_) => "it loads\n".to_owned(),
            Err(error) => error.render(),
        };
        let golden = path.with_extension("txt");
        if update {
            fs::write(&golden, &said).unwrap();
        }
        if said == "it loads\n" || fs::read_to_string(&golden).unwrap_or_default() != said {
            wrong.push(format!("{}:\n{said}", path.display()));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn valid_files_load() {
    for path in files("valid") {
        if let Err(error) = load(&path) {
            panic!("{}: {}", path.display(), error.render());
        }
    }
}

#[test]
fn every_shipped_file_is_part_of_the_program() {
    let shipped = Path::new(env!("CARGO_MANIFEST_DIR")).join("runbooks");
    for (folder, table) in
        [(shipped.clone(), builtin::RUNBOOKS), (shipped.join("diagnoses"), builtin::DIAGNOSES)]
    {
        let entries = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
        let found: BTreeMap<String, String> = entries
            .filter(|path| path.extension().is_some_and(|e| e == "yaml"))
            .map(|path| {
                let name = path.file_stem().unwrap().to_str().unwrap().to_owned();
                (name, fs::read_to_string(path).unwrap())
            })
            .collect();
        let table = table.iter().map(|(name, text)| ((*name).to_owned(), (*text).to_owned()));
        assert_eq!(found.keys().collect::<Vec<_>>().len(), table.len());
        for (name, text) in table {
            assert_eq!(found.get(&name), Some(&text), "{name}");
        }
    }
}

#[test]
fn the_catalogue_is_of_one_piece() {
    let catalogue = Catalogue::builtin().unwrap();
    let mut seen = BTreeSet::new();
    for entry in catalogue.all() {
        assert!(seen.insert(&entry.id), "{} is described twice", entry.id);
        let idle = entry.remedies.is_empty() && entry.severity != Severity::Info;
        assert!(!idle, "{} says nothing that could be done", entry.id);
        let texts = [&entry.title, &entry.summary].into_iter();
        let texts = texts.chain(entry.lookalikes.iter().map(|other| &other.separate_by));
        let remedies = entry.remedies.iter().flat_map(|r| [Some(&r.text), r.command.as_ref()]);
        let texts = texts.chain(remedies.flatten()).map(|text| text.source());
        let conditions = entry.remedies.iter().filter_map(|r| Some(r.when.as_ref()?.source()));
        let texts: Vec<&str> = texts.chain(conditions).collect();
        // The engine hands the same three values to all of these.
        let own = !entry.id.starts_with("inconclusive.");
        for need in entry.needs.iter().filter(|_| own) {
            assert!(texts.iter().any(|t| t.contains(need)), "{}: no text uses {need}", entry.id);
        }
    }
}

#[test]
fn line_ends_of_other_systems_and_a_byte_order_mark_are_taken() {
    let text = fs::read_to_string(folder("valid").join("everything.yaml")).unwrap();
    let dos = text.replace('\n', "\r\n");
    assert!(runbook::parse("dos.yaml", &dos, None).is_ok());
    assert!(runbook::parse("bom.yaml", &format!("\u{feff}{text}"), None).is_ok());
    let wrong = dos.replace("probe: dns", "probe: dsn");
    let errors = runbook::parse("dos.yaml", &wrong, None).unwrap_err();
    assert!(errors.render().contains("    probe: dsn"), "{}", errors.render());
    assert!(!errors.render().contains('\r'));
}

#[test]
fn hostile_files_are_refused_in_time() {
    let mut wide = String::from("format: 1\nname: wide\ntitle: wide\nstart: s0\nsteps:\n");
    for step in 0..20_000 {
        wide.push_str(&format!("  s{step}: {{decide: true, branches: [{{else: healthy}}]}}\n"));
    }
    let keys: String = (0..20_000).map(|key| format!("key{key}: 1\n")).collect();
    let hostile = [
        "x: ".repeat(1 << 18),
        "[".repeat(1 << 19),
        "{a: ".repeat(1 << 18),
        "- ".repeat(1 << 18),
        format!("a: &a [{}]\n{}", "x, ".repeat(1000), "b: *a\n".repeat(2000)),
        format!("a: &a {{{}}}\nb:\n  <<: *a\n", "k: 1, ".repeat(1000)),
        "a\n".repeat(1 << 18),
        "\"".repeat(1 << 18),
        "#".repeat(1 << 20),
        "x".repeat((1 << 20) + 1),
        format!("format: 1\nname: {}", "x".repeat(1 << 19)),
        format!("format: 1\ntitle: {}", "{{".repeat(1 << 18)),
        keys,
        wide,
    ];
    for text in hostile {
        let start = cpu_time();
        let errors = runbook::parse("hostile.yaml", &text, None).unwrap_err();
        assert!(errors.render().len() < 100_000, "{}", &text[..20]);
        let took = cpu_time() - start;
        assert!(took < LONGEST, "{}: {took:?}", &text[..20]);
    }
}

/// Loads `a.yaml` out of files made up by `text`; says what was wrong and how much was read.
fn made_up(text: impl Fn(&str) -> String) -> (Result<usize, String>, usize) {
    let reads = std::cell::Cell::new(0);
    let read = |path: &Path| {
        reads.set(reads.get() + 1);
        Ok(text(path.to_str().unwrap()))
    };
    let start = cpu_time();
    let loaded = runbook::load("a.yaml", Library { folders: &[], read: &read });
    let took = cpu_time() - start;
    assert!(took < LONGEST, "{took:?}");
    (loaded.map(|book| book.expanded).map_err(|error| error.render()), reads.get())
}

const STEP: &str = "title: T, layer: host, unknown: healthy, branches: [{else: healthy}]";

#[test]
fn bombs_of_many_files_are_refused() {
    let head =
        |name: &str| format!("format: 1\nname: {}\ntitle: T\n", name.trim_end_matches(".yaml"));
    // Each file extends a longer one.
    let (said, reads) = made_up(|name| head("x") + &format!("extends: a{name}\n"));
    assert!(said.unwrap_err().contains("more than 8 deep"));
    assert!(reads < 100, "{reads}");
    // Each uses ten others, each of which uses ten others …
    let (said, reads) = made_up(|name| {
        let uses = (0..10).map(|n| format!("  s{n}: {{use: b{n}{name}, {STEP}}}\n"));
        head("x") + "start: s0\nsteps:\n" + &uses.collect::<String>()
    });
    assert!(said.unwrap_err().contains("is not valid"), "{reads}");
    assert!(reads < 100, "{reads}");
    // A small number of files that unfold to 4^7 steps.
    let (said, _) = made_up(|name| {
        let depth = name.len();
        let step = |n: usize| match depth {
            13 => format!("  s{n}: {{decide: true, branches: [{{else: {}}}]}}\n", next(n)),
            _ => format!(
                "  s{n}: {{use: b{name}, title: T, layer: host, unknown: healthy, branches: [{{else: {}}}]}}\n",
                next(n)
            ),
        };
        fn next(n: usize) -> String {
            if n < 3 { format!("s{}", n + 1) } else { "healthy".to_owned() }
        }
        head("x") + "start: s0\nsteps:\n" + &(0..4).map(step).collect::<String>()
    });
    assert!(said.unwrap_err().contains("more than 2000 steps"));
    // Many includes, and large ones.
    let (said, reads) = made_up(|_| {
        let files: Vec<String> = (0..1000).map(|n| format!("i{n}.yaml")).collect();
        head("x") + &format!("include: [{}]\nstart: a\nsteps: {{}}\n", files.join(", "))
    });
    assert!(said.unwrap_err().contains("more than 16 files are included"));
    assert_eq!(reads, 1);
    let (said, _) = made_up(|name| match name {
        "a.yaml" => {
            head("x")
                + "include: [big.yaml]\nstart: a\nsteps: {a: {decide: true, branches: [{else: healthy}]}}\n"
        }
        _ => "x".repeat(10 << 20),
    });
    assert!(said.unwrap_err().contains("at most 4 MiB"));
}

#[test]
fn what_a_file_says_cannot_drive_the_terminal() {
    let text = "format: 1\nname: \"a\\e[31m\"\ntitle: \u{1b}]0;x\u{7}\n\u{202e}x: 1\n";
    let errors = runbook::parse("\u{1b}[2J.yaml", text, None).unwrap_err();
    let unsafe_char = |c: char| c.is_control() && c != '\n' || c == '\u{202e}';
    assert!(!errors.render().contains(unsafe_char), "{:?}", errors.render());
    assert!(!errors.to_string().contains(unsafe_char));
}

#[test]
fn runbooks_are_found_by_path_then_in_folders_then_among_the_built_in() {
    let one = fs::read_to_string(folder("valid").join("every_word_has_a_branch.yaml")).unwrap();
    let read = |path: &Path| match path.to_str().unwrap() {
        "./a.yaml" | "a.yaml" | "second/known.yaml" => Ok(one.clone()),
        "first/secret.yaml" => Err(std::io::ErrorKind::PermissionDenied.into()),
        _ => Err(std::io::ErrorKind::NotFound.into()),
    };
    let folders = [PathBuf::from("first"), PathBuf::from("second")];
    let library = Library { folders: &folders, read: &read };
    assert_eq!(runbook::load("./a.yaml", library).unwrap().source, "a.yaml");
    assert_eq!(runbook::load("known", library).unwrap().source, "second/known.yaml");
    assert_eq!(runbook::load("connect", library).unwrap().source, "builtin");
    for (name, said) in [
        (
            "conect",
            "there is no runbook `conect`\n  help: did you mean `connect`?; looked in first, second",
        ),
        ("./b.yaml", "there is no runbook `b.yaml`"),
        ("secret", "first/secret.yaml cannot be read: permission denied"),
        ("../connect", "there is no runbook `../connect`"),
        ("", "there is no runbook ``"),
        ("a\u{1b}b", "there is no runbook `a\\u{1b}b`"),
    ] {
        let error = runbook::load(name, library).unwrap_err().render();
        assert!(error.contains(said), "{name}: {error}");
    }
}

#[test]
fn every_code_has_an_invalid_file() {
    let mut seen = BTreeSet::new();
    for path in files("invalid") {
        if let Err(LoadError::Invalid(errors)) = load(&path) {
            seen.extend(errors.problems.iter().map(|problem| problem.code));
        }
    }
    let unseen: Vec<String> = Code::ALL
        .iter()
        .map(|(code, _)| *code)
        // What is wrong with targets files has tests beside their reader.
        .filter(|code| Lesson::of(*code).is_none_or(|lesson| lesson.place != Place::Targets))
        .filter(|code| code.level() == Level::Error && !seen.contains(code))
        .map(Code::name)
        .collect();
    assert!(unseen.is_empty(), "{unseen:?}");
}

/// Texts near to real ones: a piece of a good file is cut out, doubled or replaced.
fn near_misses() -> impl Strategy<Value = String> {
    let texts: Vec<String> = files("valid")
        .iter()
        .chain(&files("invalid"))
        .map(|path| fs::read_to_string(path).unwrap())
        .collect();
    let pieces = prop::sample::select(vec![
        "",
        " ",
        "\n",
        "  ",
        ":",
        "-",
        "{",
        "}",
        "[",
        "]",
        "\"",
        "'",
        "{{",
        "}}",
        "&a ",
        "*a",
        "<<: ",
        "null",
        "1",
        "true",
        "else",
        "when: ",
        "result.",
        "?",
        "|\n",
        ">\n",
        "#",
        "!",
        "%",
        "\t",
        "\r",
        "é",
        "\u{0}",
        "\u{feff}",
        "---\n",
        "healthy",
        "unknown: ",
        "steps:\n",
    ]);
    let change = (any::<prop::sample::Index>(), 0usize..12, pieces);
    (prop::sample::select(texts), prop::collection::vec(change, 1..6)).prop_map(
        |(text, changes)| {
            changes.into_iter().fold(text, |text, (at, cut, piece)| {
                let mut chars: Vec<char> = text.chars().collect();
                let at = at.index(chars.len() + 1);
                let end = (at + cut).min(chars.len());
                chars.splice(at..end, piece.chars());
                chars.into_iter().collect()
            })
        },
    )
}

proptest! {
    #[test]
    fn no_text_makes_the_loader_panic(text in "\\PC{0,300}") {
        if let Err(errors) = runbook::parse("any.yaml", &text, None) {
            let _ = errors.render();
        }
    }

    #[test]
    fn nothing_near_a_runbook_makes_the_loader_panic(text in near_misses()) {
        if let Err(errors) = runbook::parse("near.yaml", &text, None) {
            prop_assert!(!errors.problems.is_empty());
            for problem in &errors.problems {
                prop_assert!(problem.line() >= 1 && problem.column() >= 1);
                prop_assert!(problem.span.end <= text.len(), "{:?}", problem);
            }
            let _ = errors.render();
        }
        let _ = runbook::load::parse_catalogue("near.yaml", &text).map_err(|errors| errors.render());
    }
}
