use super::*;
use crate::model::report::Verdict;
use crate::runbook::load;

fn read(text: &str) -> Result<Vec<Wanted>, LoadErrors> {
    let variable = |name: &str| match name {
        "HOST" => Ok("db.test".to_owned()),
        "PORT" => Ok("5432".to_owned()),
        "EVIL" => Ok("a: b\n- \u{1b}[2J${HOST}".to_owned()),
        _ => Err("is not set".to_owned()),
    };
    let mut find = |name: Option<&str>, host: &Host| {
        let other = if *host == Host::Here { "listen" } else { "connect" };
        let found = load::builtin(name.unwrap_or(other));
        found.map_err(|error| (error.to_string(), None))
    };
    parse_targets("targets.yaml", text, &variable, &mut find)
}

fn one(entry: &str) -> Wanted {
    let text = format!("format: 1\nenv: [HOST, PORT, EVIL]\ntargets:\n  - {entry}\n");
    let mut all = read(&text).unwrap_or_else(|errors| panic!("{}", errors.render()));
    all.remove(0)
}

#[test]
fn a_target_may_be_a_text_and_takes_the_defaults() {
    let text = "format: 1\ndefaults:\n  labels: {env: prod, tier: web}\n  budget: 5s\n  \
                params: {attempts: 3}\n  retry: {until: 60s, interval: 2s}\n  family: v4\ntargets:\n  \
                - web.test:443\n  - {name: db, target: 'db.test:5432', labels: {tier: db}, budget: 1s, \
                params: {attempts: 7}, family: any}\n";
    let all = read(text).unwrap_or_else(|errors| panic!("{}", errors.render()));
    let [web, db] = &all[..] else { panic!("two targets") };
    assert_eq!((web.name.as_str(), web.line), ("web.test:443", 9));
    assert_eq!((web.budget, web.family), (Some(Duration::from_secs(5)), Some("v4")));
    assert_eq!(
        (web.retry_until, web.interval),
        (Some(Duration::from_secs(60)), Some(Duration::from_secs(2)))
    );
    assert_eq!(
        (&web.params["attempts"], &db.params["attempts"]),
        (&Value::from(3), &Value::from(7))
    );
    assert_eq!((db.name.as_str(), db.line, db.family), ("db", 10, Some("any")));
    assert_eq!((db.labels["env"].as_str(), db.labels["tier"].as_str()), ("prod", "db"));
    assert_eq!(db.budget, Some(Duration::from_secs(1)));
}

#[test]
fn variables_are_put_into_finished_values_once() {
    assert_eq!(one("'${HOST}:${PORT}'").name, "db.test:5432");
    assert_eq!(one("{name: 'a$${HOST}b', target: 'x:1'}").name, "a${HOST}b");
    assert_eq!(
        one("{target: 'x:1', params: {greeting_ms: '${PORT}'}}").params["greeting_ms"],
        5432
    );
    let text = "format: 1\nenv: [EVIL]\ntargets:\n  - {name: x, target: '${EVIL}'}\n";
    let errors = read(text).expect_err("no target");
    assert_eq!(errors.problems[0].code, Code::TARGETS);
    assert!(!errors.render().contains('\u{1b}'));
}

#[test]
fn a_default_stands_in_for_a_variable_that_is_not_set() {
    let text = "format: 1\nenv: [{name: NOPE, default: 99}]\ntargets: ['a:${NOPE}']\n";
    assert_eq!(read(text).expect("a target")[0].name, "a:99");
}

#[test]
fn expectations_are_read_in_every_form() {
    let expect = |text: &str| one(&format!("{{target: 'a:1', expect: {text}}}")).expect;
    assert_eq!(expect("healthy"), Expect::default());
    assert_eq!(expect("degraded").verdicts, [Verdict::Degraded]);
    assert_eq!(expect("{verdict: [healthy, fault]}").verdicts.len(), 2);
    assert_eq!(
        expect("{diagnosis: tcp.rejected_admin}").to_string(),
        "diagnosis tcp.rejected_admin"
    );
    assert_eq!(expect("{max_connect_ms: 50}").max_connect_ms, Some(50.0));
    let not = expect("{not: [mtu.*]}").not;
    assert!(!not[0].seen_by.is_empty(), "the steps that would see it are known");
    assert_eq!(expect("{diagnosis: inconclusive.permission}").diagnosis.len(), 1);
}

#[test]
fn this_machine_needs_no_target_where_the_runbook_asks_for_none() {
    assert!(one("{name: limits, runbook: kernel}").target.is_none());
    assert_eq!(one("':8080'").runbook.name, "listen");
}

#[test]
fn what_is_wrong_is_told_with_its_place() {
    // Each: the entries below `targets:`, the code, the line and column, what is said.
    let cases = [
        ("  - {name: x}", "TD005", (4, 6), "lacks the key `target`"),
        ("  - {runbook: kernel}", "TD005", (4, 6), "needs a `name`"),
        ("  - 'a:99999'", "TD060", (4, 5), "out of range"),
        ("  - a.test", "TD060", (4, 5), "no port"),
        ("  - 5432", "TD006", (4, 5), "must be a mapping"),
        ("  - 'a:1'\n  - 'a:1'", "TD003", (5, 5), "two targets are called"),
        ("  - {target: 'a:1', tagret: 2}", "TD004", (4, 21), "no key `tagret`"),
        ("  - {target: 'a:${HSOT}'}", "TD061", (4, 17), "`HSOT` is not declared"),
        ("  - {target: 'a:${HOST'}", "TD061", (4, 17), "never closed"),
        ("  - {target: 'a:1', expect: heathy}", "TD062", (4, 29), "cannot be expected"),
        ("  - {target: 'a:1', expect: tcp.timeout}", "TD062", (4, 29), "cannot be expected"),
        ("  - {target: 'a:1', expect: {}}", "TD062", (4, 29), "expects nothing"),
        ("  - {target: 'a:1', expect: {not: []}}", "TD062", (4, 35), "empty"),
        ("  - {target: 'a:1', expect: {not: mtu.blackhol}}", "TD021", (4, 35), "no diagnosis"),
        ("  - {target: 'a:1', expect: {diagnosis: socket.*}}", "TD021", (4, 41), "never comes to"),
        ("  - {target: 'a:1', expect: {max_connect_ms: -1}}", "TD062", (4, 46), "more than 0"),
        ("  - {target: 'a:1', expect: {max_connect_ms: fast}}", "TD006", (4, 46), "a number"),
        (
            "  - {target: 'a:1', expect: {verdict: healthy, diagnosis: tcp.*}}",
            "TD062",
            (4, 48),
            "healthy has no",
        ),
        ("  - {target: 'a:1', params: {atempts: 5}}", "TD012", (4, 30), "no parameter `atempts`"),
        ("  - {target: 'a:1', params: {attempts: 500}}", "TD013", (4, 40), "more than 20"),
        ("  - {target: 'a:1', params: {attempts: many}}", "TD013", (4, 40), "must be"),
        ("  - {target: 'a:1', runbook: nope}", "TD032", (4, 30), "no runbook"),
        ("  - {target: 'a:1', budget: 5}", "TD006", (4, 29), "a time with its unit"),
        ("  - {target: 'a:1', budget: 25h}", "TD006", (4, 29), "cannot be `25h`"),
        ("  - {target: 'a:1', retry: {interval: 1s}}", "TD005", (4, 29), "`until`"),
        ("  - {target: 'a:1', labels: {a=b: 1}}", "TD009", (4, 30), "cannot be a label"),
        ("  - {target: 'a:1', labels: {a: [1]}}", "TD006", (4, 33), "must be text"),
        ("  - {target: '[::1]:1', family: v4}", "TD060", (4, 14), "does not go with"),
        ("  - {target: 'a:1', name: \"a\\nb\"}", "TD009", (4, 27), "one line"),
    ];
    for (entries, code, place, said) in cases {
        let text = format!("format: 1\nenv: [HOST]\ntargets:\n{entries}\n");
        let errors = read(&text).expect_err(entries);
        let first = &errors.problems[0];
        assert_eq!(errors.problems.len(), 1, "{}", errors.render());
        assert_eq!(first.code.name(), code, "{}", errors.render());
        assert_eq!((first.line(), first.column()), place, "{}", errors.render());
        assert!(first.message.contains(said), "{}", errors.render());
    }
}

#[test]
fn what_is_wrong_with_the_file_is_told() {
    let cases = [
        ("", "TD006"),
        ("targets: ['a:1']", "TD008"),
        ("format: 1", "TD005"),
        ("format: 1\ntargets: []", "TD060"),
        ("format: 1\ntargets: ['a:1']\nenv: [NOPE]", "TD061"),
        ("format: 1\ntargets: ['a:1']\nenv: [A-B]", "TD009"),
        ("format: 1\ntargets: ['a:1']\nenv: [HOST, HOST]", "TD003"),
        ("format: 1\ntargets: ['a:1']\ntargtes: 1", "TD004"),
        ("format: 1\ntargets: [", "TD001"),
    ];
    for (text, code) in cases {
        let errors = read(text).expect_err(text);
        assert_eq!(errors.problems[0].code.name(), code, "{}", errors.render());
    }
}

#[test]
fn too_many_targets_are_refused_and_as_many_as_allowed_are_read() {
    let file = |count: usize| {
        let entries: Vec<String> = (0..count)
            .map(|nth| format!("  - {{name: n{nth}, target: 'h{nth}:1', labels: {{a: b}}}}\n"))
            .collect();
        format!("format: 1\ntargets:\n{}", entries.concat())
    };
    assert_eq!(read(&file(MOST_TARGETS)).expect("as many as allowed").len(), MOST_TARGETS);
    let errors = read(&file(MOST_TARGETS + 1)).expect_err("one more");
    assert_eq!(errors.problems[0].code, Code::BOUNDS);
    let errors = read(&" ".repeat(LARGEST + 1)).expect_err("too large");
    assert_eq!(errors.problems[0].code, Code::BOUNDS);
}

#[test]
fn a_mistake_in_the_defaults_is_told_once() {
    let entries: String = (0..50).map(|nth| format!("  - 'h{nth}:1'\n")).collect();
    let text = format!("format: 1\ndefaults: {{expect: heathy}}\ntargets:\n{entries}");
    assert_eq!(read(&text).expect_err("a mistake").problems.len(), 1);
}

#[test]
fn every_lesson_about_targets_files_shows_its_mistake_and_how_it_is_right() {
    use crate::runbook::lesson::{Lesson, Place};
    let lessons: Vec<&Lesson> =
        Lesson::all().filter(|lesson| lesson.place == Place::Targets).collect();
    assert_eq!(lessons.len(), 3);
    for lesson in lessons {
        let errors = read(lesson.bad).expect_err("it is wrong");
        assert_eq!(errors.problems[0].code, lesson.code, "{}", errors.render());
        assert!(read(lesson.good).is_ok(), "{}", lesson.good);
    }
}

proptest::proptest! {
    #[test]
    fn no_text_makes_it_panic(text in "[ -~\n\u{e9}]{0,200}") {
        let _ = read(&text);
        let _ = read(&format!("format: 1\nenv: [HOST]\ntargets:\n  - {text}\n"));
    }

    #[test]
    fn names_labels_and_hosts_come_out_as_they_were_written(
        names in proptest::collection::btree_map("[a-z][a-z0-9 .-]{0,20}[a-z]", ("[a-z]{1,10}", 1u16.., "[a-z]{1,8}"), 1..20),
    ) {
        let entry = |(name, (host, port, label)): (&String, &(String, u16, String))| {
            format!("  - {{name: \"{name}\", target: \"{host}:{port}\", labels: {{tier: \"{label}\"}}}}\n")
        };
        let text = format!("format: 1\ntargets:\n{}", names.iter().map(entry).collect::<String>());
        let all = read(&text).map_err(|errors| proptest::test_runner::TestCaseError::fail(errors.render()))?;
        proptest::prop_assert_eq!(all.len(), names.len());
        for (wanted, (name, (host, port, label))) in all.iter().zip(&names) {
            proptest::prop_assert_eq!(&wanted.name, name);
            proptest::prop_assert_eq!(&wanted.labels["tier"], label);
            let target = wanted.target.as_ref().expect("a target");
            proptest::prop_assert_eq!((target.port, &target.input), (Some(*port), &format!("{host}:{port}")));
        }
    }
}
