//! A condition of a runbook: compiled, evaluated and asked when it is unknown.
#![no_main]

use std::sync::{Arc, LazyLock};

use libfuzzer_sys::fuzz_target;
use serde_json::json;
use tcpdoctor::model::types::Type;
use tcpdoctor::probe::Spec;
use tcpdoctor::runbook::expr::{Bindings, Expr, Facts, Scope, Template};
use tcpdoctor::runbook::types;

static SCOPE: LazyLock<Scope> = LazyLock::new(|| {
    let connect = Spec::find("tcp_connect").expect("a probe of ours");
    let seen = Type::Record(Arc::new((connect.result)()));
    Scope::default().with("target", types::target()).with("result", seen)
});

static BINDINGS: LazyLock<Bindings> = LazyLock::new(|| {
    let mut bindings = Bindings::default();
    let seen = json!({
        "outcome": "refused", "address": "192.0.2.1", "attempts": 5, "answer_ms": 0.9,
        "errno": null, "icmp": null, "failed_addresses": ["192.0.2.1"], "addresses": [],
    });
    bindings.values.insert("result".to_owned(), seen);
    bindings
});

fuzz_target!(|text: &str| {
    if let Ok(expr) = Expr::compile(text, &SCOPE) {
        let _ = expr.eval(&BINDINGS);
        let _ = expr.traced(&BINDINGS);
        let _ = expr.doubt(&Facts::default());
        let _ = (expr.words(), expr.names(), expr.idle_null_tests());
    }
    if let Ok(template) = Template::parse(text, &SCOPE) {
        let _ = template.fill(&BINDINGS);
    }
});
