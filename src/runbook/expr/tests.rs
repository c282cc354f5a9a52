use std::sync::Arc;

use proptest::prelude::*;
use serde_json::json;

use super::*;
use crate::model::types::{Field, Record, Word};

fn record(name: &str, fields: &[(&str, Type, bool)]) -> Type {
    let fields = fields.iter().map(|(name, ty, nullable)| Field {
        name: (*name).to_owned(),
        doc: String::new(),
        ty: ty.clone(),
        nullable: *nullable,
        default: None,
    });
    Type::Record(Arc::new(Record {
        name: name.to_owned(),
        doc: String::new(),
        fields: fields.collect(),
    }))
}

fn word(words: &[&str]) -> Type {
    let words = words.iter().map(|name| Word { name: (*name).to_owned(), doc: String::new() });
    Type::Word(words.collect())
}

fn scope() -> Scope {
    let icmp =
        record("Icmp", &[("kind", word(&["admin", "host"]), false), ("hop", Type::Int, true)]);
    let entry = record("Entry", &[("address", Type::Text, false), ("rtt_ms", Type::Float, true)]);
    let seen = record(
        "Seen",
        &[
            ("outcome", word(&["open", "refused", "timeout"]), false),
            ("address", Type::Text, false),
            ("attempts", Type::Int, false),
            ("rtt_ms", Type::Float, true),
            ("errno", Type::Text, true),
            ("agree", Type::Bool, true),
            ("icmp", icmp, true),
            ("entries", Type::List(Arc::new(entry)), false),
            ("names", Type::List(Arc::new(Type::Text)), false),
            ("deltas", Type::Map(Arc::new(Type::Int)), false),
        ],
    );
    Scope::default()
        .with("target", crate::runbook::types::target())
        .with("params", record("params", &[("limit", Type::Int, false)]))
        .with("connect", seen.clone())
        .with("trace", seen.clone())
        .with("result", seen)
}

/// `connect` and `result` saw something; `trace` did not run.
fn bindings() -> Bindings {
    let seen = json!({
        "outcome": "refused", "address": "192.0.2.1", "attempts": 5, "rtt_ms": 0.94, "errno": null,
        "agree": null, "icmp": null,
        "entries": [{"address": "192.0.2.1", "rtt_ms": 0.9}, {"address": "192.0.2.2", "rtt_ms": null}],
        "names": ["a", "b"], "deltas": {"drops": 3},
    });
    let values = json!({
        "target": {"input": "db:5432", "host": "db", "port": 5432, "scheme": null, "family": "any"},
        "params": {"limit": 3},
        "connect": seen, "result": seen,
    });
    match values {
        Value::Object(values) => Bindings { values },
        _ => Bindings::default(),
    }
}

fn compile(source: &str) -> Expr {
    match Expr::compile(source, &scope()) {
        Ok(expr) => expr,
        Err(errors) => panic!("{source}: {errors:?}"),
    }
}

fn eval(source: &str) -> Known {
    compile(source).eval(&bindings())
}

fn value(source: &str) -> Value {
    match eval(source) {
        Known::Value(value) => value,
        Known::Unknown(why) => panic!("{source}: unknown, {why}"),
    }
}

fn unknown(source: &str) -> String {
    match eval(source) {
        Known::Unknown(why) => why,
        Known::Value(value) => panic!("{source}: {value}"),
    }
}

fn first_error(source: &str) -> ExprError {
    match Expr::compile(source, &scope()) {
        Ok(_) => panic!("{source} compiles"),
        Err(mut errors) => errors.remove(0),
    }
}

#[test]
fn values_come_out_as_in_cel() {
    for (source, expected) in [
        ("1 + 2 * 3", json!(7)),
        ("(1 + 2) * 3", json!(9)),
        ("7 / 2", json!(3)),
        ("-7 % 3", json!(-1)),
        ("7.0 / 2", json!(3.5)),
        ("result.rtt_ms < 1", json!(true)),
        ("result.attempts > 4.5", json!(true)),
        ("1 == 1.0", json!(true)),
        ("result.outcome == 'refused'", json!(true)),
        ("result.outcome in ['open', 'refused']", json!(true)),
        ("'drops' in result.deltas", json!(true)),
        ("result.deltas.drops + 1", json!(4)),
        ("result.deltas['drops']", json!(3)),
        ("size(result.names) == result.names.size()", json!(true)),
        ("'x: ' + result.outcome", json!("x: refused")),
        ("result.names + ['c']", json!(["a", "b", "c"])),
        ("result.names[1]", json!("b")),
        ("result.entries.map(e, e.address)", json!(["192.0.2.1", "192.0.2.2"])),
        ("result.names.exists(n, n == 'b')", json!(true)),
        ("result.names.all(n, n == 'b')", json!(false)),
        ("result.names.exists_one(n, n == 'b')", json!(true)),
        ("result.names.filter(n, n > 'a')", json!(["b"])),
        ("result.address.startsWith('192.')", json!(true)),
        ("result.address.endsWith('.1')", json!(true)),
        ("result.address.contains('0.2')", json!(true)),
        ("join(result.names, ' and ')", json!("a and b")),
        ("result.names.join('/')", json!("a/b")),
        ("ms(result.rtt_ms)", json!("0.9 ms")),
        ("ms(1234)", json!("1.2 s")),
        ("ms(1000)", json!("1 s")),
        ("ms(0.04)", json!("0.04 ms")),
        ("plural(result.attempts, 'SYN', 'SYNs')", json!("5 SYNs")),
        ("plural(1, 'SYN', 'SYNs')", json!("1 SYN")),
        ("string(5) + '/' + string(1.5)", json!("5/1.5")),
        ("int('12') + int(3.9)", json!(15)),
        ("float('1.5')", json!(1.5)),
        ("result.attempts > params.limit ? 'many' : 'few'", json!("many")),
        ("target.port == 5432 && target.scheme == null", json!(true)),
        ("!(result.attempts == 5)", json!(false)),
        ("result.entries.exists(e, e.rtt_ms != null && e.rtt_ms < 1)", json!(true)),
        ("result.entries.map(e, e.rtt_ms)", json!([0.9, null])),
    ] {
        assert_eq!(value(source), expected, "{source}");
    }
}

#[test]
fn what_is_null_or_did_not_run_makes_unknown() {
    for (source, why) in [
        ("result.errno", "result.errno is null"),
        ("result.errno == 'EPERM'", "result.errno is null"),
        ("result.icmp.kind == 'admin'", "result.icmp.kind is null"),
        ("trace.outcome == 'open'", "trace is not known"),
        ("trace.errno == null", "trace is not known"),
        ("result.agree", "result.agree is null"),
        ("!result.agree", "result.agree is null"),
        ("result.agree ? 1 : 2", "result.agree is null"),
        ("result.names[7]", "result.names has no item 7"),
        ("result.attempts / 0", "0 is not usable here: division by zero or overflow"),
        ("9223372036854775807 + 1", "1 is not usable here: division by zero or overflow"),
        ("ms(result.icmp.hop)", "result.icmp.hop is null"),
        ("result.entries.all(e, e.rtt_ms < 5)", "e.rtt_ms is null"),
        ("result.errno == result.errno", "result.errno is null"),
    ] {
        assert_eq!(unknown(source), why, "{source}");
    }
}

#[test]
fn unknown_is_absorbed_as_kleene_says() {
    for (source, expected) in [
        ("result.agree || true", true),
        ("true || result.agree", true),
        ("result.agree && false", false),
        ("false && trace.attempts > 3", false),
        ("result.attempts == 5 ? true : result.agree", true),
        ("has(result.icmp) && result.icmp.kind == 'admin'", false),
        ("result.icmp == null || result.icmp.kind == 'admin'", true),
        ("result.icmp != null && result.icmp.hop > 3", false),
        ("has(trace.outcome)", false),
        ("has(result.outcome)", true),
        ("has(result.icmp.kind)", false),
        ("has(trace.icmp.kind) || result.attempts > 1", true),
        ("result.errno == null", true),
        ("null != result.errno", false),
        ("result.entries.exists(e, e.rtt_ms < 1)", true),
        ("result.entries.all(e, e.rtt_ms > 1)", false),
    ] {
        assert_eq!(value(source), json!(expected), "{source}");
    }
}

#[test]
fn mistakes_are_found_before_the_run_where_they_are() {
    for (source, kind, marked, help) in [
        ("result.outcom == 'open'", ExprErrorKind::UnknownField, "outcom", "`outcome`"),
        ("conect.outcome == 'open'", ExprErrorKind::UnknownName, "conect", "`connect`"),
        ("result.outcome == 'opened'", ExprErrorKind::Word, "'opened'", "`open`"),
        ("result.outcome in ['open', 'refusd']", ExprErrorKind::Word, "'refusd'", "`refused`"),
        ("result.icmp.kind != 'adnim'", ExprErrorKind::Word, "'adnim'", "`admin`"),
        ("result.attempts == 'five'", ExprErrorKind::Type, "result.attempts == 'five'", ""),
        (
            "result.outcome == connect.icmp.kind",
            ExprErrorKind::Type,
            "result.outcome == connect.icmp.kind",
            "",
        ),
        ("result.attempts && true", ExprErrorKind::Type, "result.attempts", ""),
        ("result.names.outcome", ExprErrorKind::Type, "outcome", "[0]"),
        ("result.attempts = 5", ExprErrorKind::Syntax, "=", "=="),
        ("result.attempts == 5 and true", ExprErrorKind::Syntax, "and", "&&"),
        ("result.attempts ==", ExprErrorKind::Syntax, "", ""),
        ("", ExprErrorKind::Syntax, "", ""),
        ("sise(result.names)", ExprErrorKind::UnknownFunction, "sise", "`size`"),
        ("result.names.exist(n, true)", ExprErrorKind::UnknownFunction, "exist", "`exists`"),
        ("ms()", ExprErrorKind::Syntax, "ms()", ""),
        (
            "result.entries.exists(e, e.adress == 'x')",
            ExprErrorKind::UnknownField,
            "adress",
            "`address`",
        ),
        (
            "result.names.map(result, 1)",
            ExprErrorKind::UnknownName,
            "result.names.map(result, 1)",
            "",
        ),
        ("'a' + 1", ExprErrorKind::Type, "'a' + 1", "string"),
        ("b'bytes'", ExprErrorKind::Syntax, "b'bytes'", ""),
        ("{'a': 1}", ExprErrorKind::Syntax, "{'a': 1}", ""),
        ("has(result)", ExprErrorKind::Syntax, "has(result)", ""),
        ("result.outcome > 'a'", ExprErrorKind::Type, "result.outcome", ""),
    ] {
        let error = first_error(source);
        assert_eq!(
            (error.kind, source.get(error.span.clone())),
            (kind, Some(marked)),
            "{source}: {error:?}"
        );
        let helps = error.help.unwrap_or_default();
        assert!(helps.contains(help), "{source}: {helps}");
    }
}

#[test]
fn too_large_expressions_are_refused_before_they_are_parsed() {
    let chain = |text: &str, count: usize| text.repeat(count);
    for source in [
        format!("{}1{}", chain("(", 5000), chain(")", 5000)),
        format!("{}1{}", chain("(", 33), chain(")", 33)),
        format!("{}true", chain("!", 3000)),
        format!("{}1", chain("-", 3000)),
        format!("1{}", chain("+1", 2000)),
        format!("{}1", chain("true?1:", 500)),
        format!("result{}", chain(".a", 2000)),
        format!("[{}1]", chain("1,", 2000)),
        format!("1{}", chain(" in [1]", 500)),
        format!("1{}", chain("\nin\n1", 500)),
        format!("result.names{}", chain("[0]", 1000)),
        format!("ms{}", chain("(1)", 1000)),
        format!("result.names{}", chain(".map(a,[a].map(b,[b].map(c,c)))", 1)),
        "x".repeat(5000),
    ] {
        assert_eq!(first_error(&source).kind, ExprErrorKind::TooLarge, "{}", &source[..20]);
    }
}

#[test]
fn the_largest_expressions_that_pass_do_not_overflow_a_small_stack() {
    let check = || {
        for source in [
            format!("{}1{} == 1", "(".repeat(32), ")".repeat(32)),
            format!("1{} == 1", "+1".repeat(190)),
            format!("{}true", "!".repeat(198)),
            format!("{}1{} == 1", "(-".repeat(32), ")".repeat(32)),
            format!("{}true{}", "(!!!!!!".repeat(32), ")".repeat(32)),
            format!("{}1{} == 1", "(true ? ".repeat(32), " : 1)".repeat(32)),
            format!("{}true{}", "(true || false && 1 == 1 + ".repeat(20), "1)".repeat(20)),
            format!("{}1{} == []", "[".repeat(32), "]".repeat(32)),
            format!("result.attempts == 5{}", " && true".repeat(90)),
        ] {
            let Ok(expr) = Expr::compile(&source, &scope()) else {
                continue;
            };
            let _ = expr.doubt(&Facts::default());
            let _ = expr.eval(&bindings());
        }
    };
    let thread = std::thread::Builder::new().stack_size(2 << 20).spawn(check);
    thread.unwrap().join().unwrap();
}

#[test]
fn long_loops_end() {
    let long: Vec<u32> = (0..3000).collect();
    let mut bindings = bindings();
    bindings.values.insert("result".to_owned(), json!({"names": long}));
    let expr = compile("result.names.all(a, result.names.all(b, a == a))");
    assert_eq!(expr.eval(&bindings), Known::Unknown("the expression takes too long".to_owned()));
}

#[test]
fn doubt_is_where_a_null_or_a_step_that_did_not_run_can_reach() {
    let known = Facts::of(&["target.input", "params.limit", "result", "connect"]);
    for certain in [
        "result.outcome == 'open'",
        "result.errno == null",
        "has(trace.outcome)",
        "has(trace.outcome) && trace.outcome == 'open'",
        "has(trace.icmp) && trace.icmp.kind == 'admin'",
        "result.icmp != null && result.icmp.kind == 'admin'",
        "result.icmp == null || result.icmp.kind == 'admin'",
        "!has(result.errno) || result.errno == 'EPERM'",
        "result.errno != null ? result.errno == 'x' : false",
        "result.attempts > params.limit",
        "result.entries.exists(e, e.rtt_ms != null && e.rtt_ms > 1)",
        "result.attempts / 2 > 1",
        "has(trace.outcome) && trace.outcome == 'open' && trace.attempts > 1",
    ] {
        let doubt = compile(certain).doubt(&known);
        assert_eq!(doubt, None, "{certain}");
    }
    for (doubtful, span) in [
        ("trace.outcome == 'open'", "trace"),
        ("result.errno == 'EPERM'", "result.errno"),
        ("result.icmp.kind == 'admin'", "result.icmp"),
        ("has(result.icmp) && result.icmp.hop > 3", "result.icmp.hop"),
        ("result.agree", "result.agree"),
        ("result.names[0] == 'a'", "result.names[0]"),
        ("result.errno == 'x' && has(result.errno)", "result.errno"),
        ("result.entries.all(e, e.rtt_ms > 1)", "e.rtt_ms"),
        ("result.attempts / params.limit > 1", "params.limit"),
        ("result.errno == null || trace.outcome == 'open'", "trace"),
    ] {
        let doubt = compile(doubtful).doubt(&known);
        let marked = doubt.as_ref().and_then(|doubt| doubtful.get(doubt.span.clone()));
        assert_eq!(marked, Some(span), "{doubtful}: {doubt:?}");
    }
}

#[test]
fn conditions_prove_things_for_the_branches_behind_them() {
    let base = Facts::of(&["result"]);
    let null = compile("result.icmp == null");
    let kind = compile("result.icmp.kind == 'admin'");
    assert!(kind.doubt(&base.when_true(&null)).is_some());
    assert!(kind.doubt(&base.when_false(&null)).is_none());
    let either = compile("trace.outcome == 'open' || trace.attempts > 3");
    assert!(base.when_true(&either).has("trace"));
    let both = compile("trace.outcome == 'open' && result.rtt_ms > 3");
    assert!(base.when_true(&both).has("result.rtt_ms"));
    assert!(!base.when_false(&both).has("result.rtt_ms"));
    assert!(base.when_true(&both).renamed("result", "connect").has("connect.rtt_ms"));
}

#[test]
fn texts_are_filled_and_what_is_not_known_is_a_question_mark() {
    for (text, filled) in [
        ("no holes", "no holes"),
        ("{{ target.host }}:{{ target.port }}", "db:5432"),
        ("{{result.attempts}} of {{ params.limit }}", "5 of 3"),
        ("to {{ result.errno }} and {{ trace.address }}", "to ? and ?"),
        ("{{ result.names }}", "a, b"),
        ("{{ result.rtt_ms }} ms", "0.9 ms"),
        ("{{ 12345.678 }} {{ 99.94 }} {{ 99.96 }} {{ 2.0 }} {{ 0.0 }}", "12346 99.9 100 2 0"),
        ("{{ result.attempts == 5 }}", "true"),
        ("{{ '}}' }} and {{ \"{{\" }}", "}} and {{"),
        ("a } b }} c { d", "a } b }} c { d"),
        ("é{{ 'ü' }}é", "éüé"),
    ] {
        let template = Template::parse(text, &scope());
        let template = template.unwrap_or_else(|errors| panic!("{text}: {errors:?}"));
        assert_eq!(template.fill(&bindings()), filled, "{text}");
        assert_eq!(Template::lazy(text).fill(&bindings()), filled, "{text}");
    }
}

#[test]
fn values_from_the_network_cannot_drive_a_terminal() {
    let mut bindings = bindings();
    bindings
        .values
        .insert("connect".to_owned(), json!({"address": "a\u{1b}[31m\n\u{202e}b\u{9b}"}));
    let template = Template::lazy("{{ connect.address }}");
    assert_eq!(template.fill(&bindings), "a\\u{1b}[31m\\n\\u{202e}b\\u{9b}");
}

#[test]
fn broken_holes_are_found() {
    for (text, marked) in
        [("a {{ result.attempts", "{{"), ("x {{ result.atempts }}", "atempts"), ("{{ }}", " ")]
    {
        let errors = Template::parse(text, &scope()).expect_err(text);
        assert_eq!(text.get(errors[0].span.clone()), Some(marked), "{text}: {errors:?}");
    }
}

/// Evaluates an expression without names with the library's own checker and evaluator.
fn oracle(source: &str) -> Option<Value> {
    let env = cel_core::Env::with_standard_library();
    let ast = env.compile(source).ok()?;
    let program = env.program(&ast).ok()?;
    match program.eval(&cel_core::MapActivation::new()) {
        cel_core::Value::Bool(value) => Some(value.into()),
        cel_core::Value::Int(value) => Some(value.into()),
        cel_core::Value::Double(value) => Some(value.into()),
        cel_core::Value::String(value) => Some((*value).into()),
        _ => Some(Value::Null),
    }
}

fn number() -> impl Strategy<Value = String> {
    let leaf = prop_oneof![
        (-9i64..10).prop_map(|n| n.to_string()),
        Just("9223372036854775807".to_owned())
    ];
    leaf.prop_recursive(4, 24, 3, |inner| {
        let op = prop_oneof![Just("+"), Just("-"), Just("*"), Just("/"), Just("%")];
        prop_oneof![
            (inner.clone(), op, inner.clone()).prop_map(|(a, op, b)| format!("({a} {op} {b})")),
            (inner.clone(), inner.clone(), inner.clone())
                .prop_map(|(a, b, c)| format!("({a} > {b} ? {a} : {c})")),
            inner.prop_map(|a| format!("size([{a}, 1])")),
        ]
    })
}

fn condition() -> impl Strategy<Value = String> {
    let compare = prop_oneof![Just("=="), Just("!="), Just("<"), Just("<="), Just(">"), Just(">=")];
    let leaf = prop_oneof![
        (number(), compare, number()).prop_map(|(a, op, b)| format!("{a} {op} {b}")),
        (number(), number()).prop_map(|(a, b)| format!("{a} in [1, {b}]")),
        number().prop_map(|a| format!("[1, 0, 2].exists(x, 4 / x > {a})")),
        number().prop_map(|a| format!("[1, 0, 2].all(x, 4 / x > {a})")),
    ];
    leaf.prop_recursive(4, 24, 3, |inner| {
        let op = prop_oneof![Just("&&"), Just("||")];
        prop_oneof![
            (inner.clone(), op, inner.clone()).prop_map(|(a, op, b)| format!("({a}) {op} ({b})")),
            inner.prop_map(|a| format!("!({a})")),
        ]
    })
}

proptest! {
    #[test]
    fn what_cel_can_say_has_the_value_it_has_in_cel(source in prop_oneof![number(), condition()]) {
        let Ok(expr) = Expr::compile(&source, &Scope::default()) else {
            return Ok(());
        };
        let Some(expected) = oracle(&source) else {
            return Err(TestCaseError::fail(format!("the oracle refuses {source}")));
        };
        match expr.eval(&Bindings::default()) {
            Known::Value(value) => prop_assert_eq!(value, expected, "{}", source),
            Known::Unknown(why) => prop_assert_eq!(Value::Null, expected, "{}: {}", source, why),
        }
    }

    #[test]
    fn no_text_makes_the_compiler_panic(source in "\\PC{0,200}") {
        let _ = Expr::compile(&source, &scope()).map(|expr| (expr.eval(&bindings()), expr.doubt(&Facts::default())));
    }

    #[test]
    fn no_mixture_of_tokens_makes_the_compiler_panic(
        tokens in prop::collection::vec(prop::sample::select(vec![
            "result", ".", "outcome", "icmp", "kind", "names", "entries", "(", ")", "[", "]", "{", "}", "==", "!=", "<", ">=",
            "&&", "||", "!", "-", "+", "*", "/", "%", "?", ":", ",", "in", "null", "true", "1", "2.5", "'a'", "\"b\"", "has",
            "size", "exists", "map", "all", "filter", "x", "ms", "plural", "join", "string", "target", "\n", " ", "'", "\\", "é",
        ]), 0..40)
    ) {
        let source = tokens.concat();
        if let Ok(expr) = Expr::compile(&source, &scope()) {
            let _ = expr.eval(&bindings());
            let _ = expr.doubt(&Facts::of(&["result"]));
            let _ = expr.words();
        }
    }

    #[test]
    fn no_text_makes_the_template_parser_panic(text in "[a-z{}\"'\\\\ .é]{0,60}") {
        let _ = Template::parse(&text, &scope()).map(|template| template.fill(&bindings()));
        let _ = Template::lazy(text.as_str()).fill(&bindings());
        let _ = sole_hole(&text);
    }

    #[test]
    fn whatever_has_no_doubt_is_never_unknown(source in
        prop::sample::subsequence(vec![
            "result.errno != null", "result.errno == 'x'", "has(result.icmp)", "result.icmp.kind == 'admin'",
            "trace.attempts > 1", "has(trace.outcome)", "result.agree", "result.attempts > 1", "result.icmp == null",
        ], 1..5).prop_shuffle().prop_flat_map(|parts| {
            let count = parts.len();
            (Just(parts), prop::collection::vec(prop::sample::select(vec![" && ", " || "]), count))
        }).prop_map(|(parts, ops)| {
            let mut text = String::new();
            for (at, (part, op)) in parts.iter().zip(&ops).enumerate() {
                if at > 0 { text = format!("({text}){op}"); }
                text.push_str(part);
            }
            text
        })
    ) {
        let expr = compile(&source);
        if expr.doubt(&Facts::of(&["result", "target", "params"])).is_none() {
            let known = expr.eval(&bindings());
            prop_assert!(known.truth().is_some(), "{}: {:?}", source, known);
        }
    }
}

#[test]
fn a_value_in_a_command_stays_one_word() {
    let text = Template::lazy("dig +short {{ name }} # {{ ports }}");
    let values = serde_json::json!({"name": "x.test;$(rm -rf ~)'`\n", "ports": [80, 443]});
    let bindings = Bindings { values: values.as_object().cloned().unwrap() };
    assert_eq!(text.fill_command(&bindings), "dig +short x.test___rm_-rf______n # 80,_443");
}
