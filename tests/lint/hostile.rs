//! Files made to use up time or memory, and texts near to real ones: refused in time, never a panic.

use std::fs;
use std::process::{Command, Stdio};
use std::time::Duration;

use proptest::prelude::*;
use tcpdoctor::runbook::{builtin, lint};

use crate::common::{BINARY, Folder, cpu_time};
use crate::{large, yaml_files};

/// The processor time that one file may take here; an optimised build has one second.
const LONGEST: Duration = Duration::from_secs(20);
/// What the program may hold in memory while it lints, in KiB.
const MOST_KIB: usize = 100 << 10;

fn bomb() -> String {
    let mut text = String::from("format: 1\na0: &a0 [x, x, x, x, x, x, x, x, x, x]\n");
    for level in 1..30 {
        let below = format!("*a{}, ", level - 1).repeat(10);
        text.push_str(&format!("a{level}: &a{level} [{}]\n", below.trim_end_matches(", ")));
    }
    text
}

fn decides(steps: usize, branches: &str) -> String {
    let mut text = String::from("format: 1\nname: any\ntitle: A\nstart: s0\nsteps:\n");
    for step in 0..steps {
        text.push_str(&format!("  s{step}: {{decide: true, branches: [{branches}]}}\n"));
    }
    text
}

fn hostile() -> Vec<(&'static str, String)> {
    let one = large::large(1);
    let terms =
        |term: &str, by: &str| one.replace("result.servers_dead > 0", &vec![term; 1000].join(by));
    let names: Vec<String> = (0..100_000).map(|n| format!("s{n}x")).collect();
    let strange: String = (0..60_000).map(|key| format!("key{key}: 1\n")).collect();
    let holes = "{{ resul.v4 }} ".repeat(100_000);
    let cases: Vec<String> = (0..150)
        .map(|n| {
            format!(
                "{{when: '{}', goto: healthy}}",
                (0..24)
                    .map(|k| format!("target.host == \"{n}x{k}\""))
                    .collect::<Vec<_>>()
                    .join(" || ")
            )
        })
        .collect();
    vec![
        ("alias bomb", bomb()),
        (
            "wide aliases",
            format!("a: &a [{}]\nb:\n{}", "x, ".repeat(1000), "  - *a\n".repeat(2000)),
        ),
        ("10 MB of keys", strange.repeat(15)),
        ("10 MB on one line", "x".repeat(10 << 20)),
        ("deep flow", "[".repeat(2 << 20)),
        ("deep block", "- ".repeat(1 << 20)),
        ("deep mapping", "a: {".repeat(1 << 18)),
        ("1000 terms", terms("result.v4 > 0", " || ")),
        ("1000 brackets", terms("(", "").replace("result.dead_server != null", ")")),
        ("1000 nots", terms("!", "")),
        ("1000 wrong names", terms("resul.v4 > 0", " || ")),
        ("60,000 strange keys", strange),
        ("a name of 1 MB", format!("format: 1\nname: {}\n", "x".repeat(1 << 20))),
        (
            "a step of 1 MB",
            one.replacen("goto: healthy", &format!("goto: {}", "s".repeat(1 << 20)), 1),
        ),
        (
            "100,000 cited steps",
            one.replace("evidence: [s0]", &format!("evidence: [{}]", names.join(", "))),
        ),
        ("100,000 wrong holes", one.replace("the 0th time", &holes)),
        (
            "100,000 holes in many texts",
            one.replace("by_hand: dig", &format!("by_hand: {}", "{{ resul.v4 }} ".repeat(150))),
        ),
        ("single braces", one.replace("the 0th time", &"{result.v4}".repeat(100_000))),
        (
            "rounds",
            decides(
                1900,
                &(0..20)
                    .map(|n| format!("{{when: target.port == {n}, goto: s{}}}", n * 90))
                    .chain(["{else: healthy}".to_owned()])
                    .collect::<Vec<_>>()
                    .join(", "),
            ),
        ),
        (
            "many cases",
            decides(
                1,
                &cases
                    .iter()
                    .map(String::as_str)
                    .chain(["{else: healthy}"])
                    .collect::<Vec<_>>()
                    .join(", "),
            ),
        ),
        ("many branches", decides(1, &"{when: target.port == 1, goto: healthy}, ".repeat(20_000))),
        ("20,000 steps", decides(20_000, "{else: healthy}")),
    ]
}

#[test]
fn files_made_to_be_slow_are_done_in_time() {
    let mut slow = Vec::new();
    for (name, text) in hostile() {
        let start = cpu_time();
        let linted = lint::lint("any.yaml", &text, None);
        let _ = linted.findings();
        let shown = linted.found.render();
        let took = cpu_time() - start;
        assert!(shown.len() < 200_000, "{name}: {}", shown.len());
        assert!(!linted.found.problems.is_empty(), "{name}");
        if took > LONGEST {
            slow.push(format!("{name}: {took:?}"));
        }
    }
    assert!(slow.is_empty(), "{}", slow.join("\n"));
}

/// The program itself, in a process that may hold no more: it ends with what is wrong, not with a
/// failed allocation.
#[test]
fn files_made_to_be_large_stay_within_100_mb() {
    let folder = Folder::new();
    let mut wrong = Vec::new();
    for (at, (name, text)) in hostile().into_iter().enumerate() {
        let path = folder.file(&format!("{at}.yaml"), text);
        let run = format!("ulimit -d {MOST_KIB} && exec \"$0\" runbook lint \"$1\"");
        let mut command = Command::new("sh");
        command.args(["-c", &run, BINARY, &path]);
        let output = command.stdin(Stdio::null()).output().unwrap();
        let code = output.status.code();
        let advice = code == Some(0) && !output.stdout.is_empty();
        if code != Some(2) && !advice {
            let said =
                String::from_utf8_lossy(&output.stderr).chars().take(300).collect::<String>();
            wrong.push(format!("{name}: {:?} {said}", output.status));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// Real files with lines taken out, doubled or swapped, and bytes changed.
fn mutated() -> impl Strategy<Value = String> {
    let mut texts: Vec<String> = yaml_files("tests/runbooks/valid")
        .iter()
        .map(|path| fs::read_to_string(path).unwrap())
        .collect();
    texts.extend(
        builtin::RUNBOOKS
            .iter()
            .filter(|(name, _)| *name != "connect")
            .map(|(_, text)| (*text).to_owned()),
    );
    let change = (any::<prop::sample::Index>(), 0usize..4, any::<u8>());
    (prop::sample::select(texts), prop::collection::vec(change, 1..5)).prop_map(
        |(text, changes)| {
            changes.into_iter().fold(text, |text, (at, kind, byte)| {
                let mut lines: Vec<&str> = text.lines().collect();
                let line = at.index(lines.len().max(1)).min(lines.len().saturating_sub(1));
                match kind {
                    0 if !lines.is_empty() => {
                        lines.remove(line);
                    }
                    1 if !lines.is_empty() => lines.insert(line, lines[line]),
                    2 if line > 0 => lines.swap(line - 1, line),
                    _ => {
                        let mut bytes = text.clone().into_bytes();
                        let place = at.index(bytes.len().max(1));
                        if let Some(found) = bytes.get_mut(place) {
                            *found ^= byte;
                        }
                        return String::from_utf8_lossy(&bytes).into_owned();
                    }
                }
                lines.join("\n") + "\n"
            })
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 96, ..ProptestConfig::default() })]

    #[test]
    fn nothing_near_a_runbook_makes_lint_or_fix_panic(text in mutated()) {
        let linted = lint::lint("near.yaml", &text, None);
        for finding in linted.findings() {
            prop_assert!(finding.at.line >= 1 && finding.at.column >= 1);
            prop_assert!((finding.at.line, finding.at.column) <= (finding.at.end_line, finding.at.end_column));
        }
        let _ = linted.found.render();
        if let Some(mended) = lint::mend("near.yaml", &text, None) {
            prop_assert_ne!(&mended.text, &text);
            // What is mended parses, and mending it again changes nothing.
            prop_assert!(tcpdoctor::runbook::load::as_json(&mended.text).is_some());
            prop_assert_eq!(lint::mend("near.yaml", &mended.text, None), None);
        }
    }
}
