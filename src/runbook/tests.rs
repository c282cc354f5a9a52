//! Tests over the loader as a whole.

use super::*;

#[test]
fn the_built_in_runbooks_load() {
    for (name, text) in builtin::RUNBOOKS {
        let checked = match parse(name, text, None) {
            Ok(checked) => checked,
            Err(errors) => panic!("{}", errors.render()),
        };
        // In a run the same text is taken on trust.
        let trusted = builtin(name).expect("what is checked is also valid on trust");
        assert_eq!(&checked.name, name);
        assert_eq!(trusted.source, "builtin");
        assert_eq!(trusted.sha256, checked.sha256);
        let shape = |book: &Runbook| {
            book.steps.iter().map(|step| (step.id.clone(), step.branches.len())).collect::<Vec<_>>()
        };
        assert_eq!(shape(&trusted), shape(&checked));
    }
}

#[test]
fn the_built_in_catalogue_loads_with_all_its_texts() {
    for (name, text) in builtin::DIAGNOSES {
        if let Err(errors) = load::parse_catalogue(name, text) {
            panic!("{}", errors.render());
        }
    }
}

/// A runbook with one decide step, to be put around what is tested.
fn around(branches: &str) -> String {
    format!(
        "format: 1\nname: one\ntitle: One\nstart: only\nsteps:\n  only:\n    title: Only\n    layer: dns\n    probe: dns\n    with: {{name: localhost}}\n    branches:\n{branches}\n"
    )
}

#[test]
fn mistakes_in_expressions_are_marked_however_the_text_is_written() {
    for (branches, line, column) in [
        ("      - {when: result.outcom == 'x', goto: healthy}\n      - else: healthy", 12, 23),
        ("      - {when: \"result.outcom == 'x'\", goto: healthy}\n      - else: healthy", 12, 24),
        ("      - {when: 'result.outcom > 1', goto: healthy}\n      - else: healthy", 12, 24),
        (
            "      - when: |\n          result.v4 > 0 &&\n          result.outcom == 'x'\n        goto: healthy\n      - else: healthy",
            14,
            18,
        ),
        (
            "      - when: >\n          result.v4 > 0 &&\n          result.outcom == 'x'\n        goto: healthy\n      - else: healthy",
            14,
            18,
        ),
        (
            "      - when: result.v4 > 0 &&\n          result.outcom == 'x'\n        goto: healthy\n      - else: healthy",
            13,
            18,
        ),
    ] {
        let text = around(branches);
        let errors = parse("one.yaml", &text, None).expect_err(branches);
        let first = &errors.problems[0];
        assert_eq!((first.line(), first.column()), (line, column), "{}", errors.render());
        assert_eq!(&text[first.span.clone()], "outcom", "{}", errors.render());
    }
}
