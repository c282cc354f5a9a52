//! What `--fix` does: each case is a whole file before and after.

use tcpdoctor::runbook::lint;

use crate::shown;

/// A runbook around a step's keys, with comments and an odd layout that must survive.
fn around(step: &str, tail: &str) -> String {
    format!(
        "# A comment at the top.\nformat: 1\nname: one   # and one behind\ntitle: One\nstart: resolve\n\nsteps:\n  resolve:\n{step}{tail}"
    )
}

const DNS: &str = "    title:   Resolve {{ target.host }}\n    layer: dns\n    probe: dns\n    with: {name: \"{{ target.host }}\"}\n    by_hand: dig {{ target.host }}\n";

const OWN: &str = "diagnoses:\n  x-db.down:\n    layer: application\n    severity: critical\n    location: target\n    title: Down\n    summary: Down.\n    remedies:\n";

/// Mends a text once and makes sure that there is nothing left to mend.
fn mended(text: &str) -> String {
    let once = lint::mend("one.yaml", text, None);
    let once = once.unwrap_or_else(|| {
        panic!("nothing was mended:\n{text}\n{}", shown(&lint::lint("one.yaml", text, None)))
    });
    assert_eq!(lint::mend("one.yaml", &once.text, None), None, "{}", once.text);
    once.text
}

#[test]
fn mechanical_mistakes_are_mended_where_they_are() {
    let closed = "    branches:\n      - when: result.outcome == \"resolved\"\n        goto: healthy # fine\n      - else: inconclusive\n    unknown: inconclusive\n";
    let good = around(DNS, closed);
    for (right, wrong) in [
        ("goto: healthy #", "goto: helthy #"),
        ("layer: dns", "layer: 'dsn'"),
        ("title: One", "titel: One"),
        ("== \"resolved\"", "= \"resolved\""),
        ("== \"resolved\"", "== \"resolvd\""),
        ("result.outcome", "result.outcom"),
        ("probe: dns", "probe: dsn"),
        ("with: {name", "with: {nam"),
        ("      - else: inconclusive\n    unknown: inconclusive\n", "      - else: inconclusive\n"),
        (
            "        goto: healthy # fine\n      - else: inconclusive\n",
            "        goto: healthy # fine\n",
        ),
        ("start: resolve", "start: resolv"),
    ] {
        let text = good.replacen(right, wrong, 1);
        assert_ne!(text, good, "{wrong}");
        let fixed = mended(&text).replace("'dns'", "dns");
        assert_eq!(fixed, good, "{wrong}");
    }
}

#[test]
fn several_mistakes_are_mended_at_once_also_those_that_hide_others() {
    let text = "format: 1\nname: one\ntitel: DNS: does it resolve?\nstart: resolve\nsteps:\n  resolve:\n    title: A\n    layer: dsn\n    probe: dns\n    with: {name: a.localhost}\n    branches: [{when: result.outcome = \"resolved\" and result.v4 > 0, goto: helthy}]\n    by_hand: dig a\n";
    let mended = lint::mend("one.yaml", text, None).unwrap();
    let right = "format: 1\nname: one\ntitle: \"DNS: does it resolve?\"\nstart: resolve\nsteps:\n  resolve:\n    title: A\n    layer: dns\n    probe: dns\n    with: {name: a.localhost}\n    branches: [{when: result.outcome == \"resolved\" && result.v4 > 0, goto: healthy}, {else: inconclusive}]\n    by_hand: dig a\n    unknown: inconclusive\n";
    assert_eq!(mended.text, right);
    assert!(mended.done.len() >= 7, "{:?}", mended.done);
    assert!(lint::lint("one.yaml", right, None).found.problems.is_empty());
}

#[test]
fn remedies_get_the_place_where_the_fault_is() {
    let end = "    branches:\n      - else: {conclude: x-db.down}\n    unknown: inconclusive\n";
    for (remedies, right) in [
        ("      - {text: Start it.}\n", "      - {text: Start it., where: target}\n"),
        (
            "      - text: Start it.  # now\n",
            "      - text: Start it.  # now\n        where: target\n",
        ),
        (
            "      - text: |\n          Start it.\n          Then wait.\n\n      - {text: Ask., where: here}\n",
            "      - text: |\n          Start it.\n          Then wait.\n        where: target\n\n      - {text: Ask., where: here}\n",
        ),
    ] {
        let text = format!("{}{OWN}{remedies}", around(DNS, end));
        assert_eq!(mended(&text), format!("{}{OWN}{right}", around(DNS, end)));
    }
}

#[test]
fn advice_is_mended_too() {
    let end = "    branches:\n      - when: double(result.v4) > 0.5\n        text: \"{result.v4} found\"\n        goto: healthy\n      - else: inconclusive\n";
    let right = "    branches:\n      - when: float(result.v4) > 0.5\n        text: \"{{ result.v4 }} found\"\n        goto: healthy\n      - else: inconclusive\n    unknown: inconclusive\n";
    assert_eq!(mended(&around(DNS, end)), around(DNS, right));
}

#[test]
fn line_ends_of_other_systems_and_a_missing_last_one_are_kept() {
    let end = "    branches:\n      - when: result.v4 > 0\n        goto: helthy\n      - else: inconclusive";
    let right = "    branches:\n      - when: result.v4 > 0\n        goto: healthy\n      - else: inconclusive\n    unknown: inconclusive";
    let dos = |text: String| text.replace('\n', "\r\n");
    assert_eq!(mended(&around(DNS, end)), around(DNS, right));
    assert_eq!(mended(&dos(around(DNS, end))), dos(around(DNS, right)));
}

#[test]
fn what_may_mean_two_things_is_left_alone() {
    let closed = "    branches: [{else: healthy}]\n    unknown: inconclusive\n";
    let family = DNS.replace("}\"}", "}\", family: v5}");
    for text in [
        around(&family, closed),
        around(DNS, "    branches: [{else: frobnicate}]\n    unknown: inconclusive\n"),
        "format: 1\nname: [\n".to_owned(),
        String::new(),
    ] {
        assert_eq!(lint::mend("one.yaml", &text, None), None, "{text}");
    }
}
