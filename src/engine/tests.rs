//! The walk on facts made by hand, and the driver on probes that need no network.

use std::sync::Arc;
use std::time::Duration;

use serde_json::{Map, Value, json};

use crate::engine::drive::{Event, Plan, run, unable};
use crate::engine::fact::Fact;
use crate::engine::facts::{Facts, base_bindings};
use crate::engine::permit::Permit;
use crate::engine::report::{Frame, assemble, replay};
use crate::engine::walk::{Effect, End, walk};
use crate::model::outcome::{Outcome, Why};
use crate::model::report::{Report, Status, TargetEntry, Vantage, Verdict};
use crate::runbook::{self, Library, Runbook};

pub(super) fn book(steps: &str) -> Arc<Runbook> {
    let head = "format: 1\nname: t\ntitle: T\nparams:\n  most: {type: float, default: 5}\nstart: a\nsteps:\n";
    let own = "diagnoses:\n  x-t.bad: {layer: host, severity: critical, location: target, title: Bad, summary: \"{{ n }} lost\", meaning: M., needs: [n], remedies: [{text: Many., where: here, when: n > 3}, {text: Few., where: here, when: n < 4}, {text: Neither., where: here, when: n.what == 1}], lookalikes: {host.down: ask it, icmp.loss: look}}\n  x-t.odd: {layer: host, severity: warning, location: target, title: Odd, summary: S, meaning: M.}\n";
    match runbook::parse("t.yaml", &format!("{head}{steps}{own}"), None) {
        Ok(book) => Arc::new(book),
        Err(errors) => panic!("{}", errors.render()),
    }
}

pub(super) fn target() -> TargetEntry {
    TargetEntry {
        input: "192.0.2.1:80".to_owned(),
        host: Some("192.0.2.1".to_owned()),
        port: Some(80),
        scheme: None,
        family: "any".to_owned(),
    }
}

pub(super) fn vantage() -> Vantage {
    Vantage { hostname: "h".into(), kernel: "k".into(), uid: 1, capabilities: Vec::new() }
}

pub(super) fn params() -> Map<String, Value> {
    Map::from_iter([("most".to_owned(), json!(5.0))])
}

/// A whole observation of the ping probe, as its type demands.
pub(super) fn ping(outcome: &str, received: u32, loss: Option<f64>) -> Outcome {
    Outcome::Seen(json!({
        "outcome": outcome, "method": "icmp_raw", "echo": true, "address": "192.0.2.1", "sent": 10,
        "received": received, "loss_percent": loss, "rtt_min_ms": null, "rtt_median_ms": null,
        "rtt_max_ms": null, "ttl": null, "icmp": null, "errno": null, "without_privilege": null,
    }))
}

fn facts(known: &[(&str, Outcome)]) -> Facts {
    let mut facts = Facts::default();
    for (key, outcome) in known {
        facts.add(key, Fact { args: None, outcome: outcome.clone(), timing: None });
    }
    facts
}

pub(super) fn report(book: &Runbook, known: &[(&str, Outcome)]) -> Report {
    let facts = facts(known);
    let walk = walk(book, &base_bindings(&target(), &params()), &facts);
    assert!(matches!(walk.effect, Effect::Done(_)), "the facts lead to an end: {:?}", walk.effect);
    let frame = Frame {
        target: target(),
        vantage: vantage(),
        params: params(),
        started_at: String::new(),
        duration_ms: 0.0,
    };
    assemble(book, walk, &facts, frame)
}

const TWO_PINGS: &str = r#"
  a:
    title: First
    layer: host
    probe: ping
    with: {address: "{{ target.host }}"}
    meanwhile: {after: 10ms, start: [b]}
    branches:
      - when: result.loss_percent > params.most
        rules_out: {host.down: "{{ result.received }} answered"}
        status: fail
        goto: b
      - else: healthy
    unknown: b
  b:
    title: Second
    layer: host
    probe: ping
    with: {address: "{{ target.host }}", count: 3}
    findings:
      - {when: result.outcome == "silent", note: x-t.odd, evidence: [a]}
    branches:
      - when: has(a.outcome)
        conclude: x-t.bad
        with: {n: "{{ a.sent - a.received }}"}
        at: {kind: path, hop: "{{ 1 + 1 }}", address: "{{ a.address }}"}
        confidence: "{{ result.outcome == 'answered' ? 'confirmed' : 'possible' }}"
      - else: healthy
"#;

#[test]
fn the_first_true_branch_is_taken_and_what_comes_next_is_asked_for() {
    let book = book(TWO_PINGS);
    let base = base_bindings(&target(), &params());
    let walk = walk(&book, &base, &facts(&[("a", ping("answered", 5, Some(50.0)))]));
    let Effect::Run(need, early) = walk.effect else { panic!("an end") };
    assert_eq!((need.key.as_str(), need.args), ("b", json!({"address": "192.0.2.1", "count": 3})));
    assert!(early.is_empty());
    assert_eq!(walk.visits.len(), 1);
    assert_eq!(walk.visits[0].status, Status::Fail);
}

#[test]
fn a_conclusion_carries_place_evidence_exclusions_and_alternatives() {
    let book = book(TWO_PINGS);
    let known = [("a", ping("answered", 5, Some(50.0))), ("b", ping("answered", 3, Some(0.0)))];
    let report = report(&book, &known);
    let diagnosis = report.diagnosis.clone().expect("a diagnosis");
    assert_eq!((report.verdict, diagnosis.id.as_str()), (Verdict::Fault, "x-t.bad"));
    assert_eq!(diagnosis.summary, "5 lost");
    let place = (diagnosis.location.hop, diagnosis.location.address.as_deref());
    assert_eq!(place, (Some(2), Some("192.0.2.1")));
    let steps: Vec<_> = diagnosis.evidence.iter().map(|e| e.step.as_str()).collect();
    assert_eq!(steps, ["a", "b"]);
    assert_eq!(diagnosis.ruled_out[0].why, "5 answered");
    let others: Vec<_> = diagnosis.alternatives.iter().map(|a| a.id.as_str()).collect();
    assert_eq!(others, ["icmp.loss"], "what was ruled out is no alternative");
    let remedies: Vec<_> = diagnosis.remedies.iter().map(|r| r.text.as_str()).collect();
    assert_eq!(remedies, ["Many."], "a remedy is told when its condition is met");
    assert_eq!(report.path, ["a", "b"]);
    assert_eq!(report.steps[0].branch.as_ref().map(|b| b.to.as_str()), Some("b"));
}

#[test]
fn what_finished_early_but_was_not_walked_changes_nothing() {
    let book = book(TWO_PINGS);
    let with_early =
        [("a", ping("answered", 10, Some(0.0))), ("b", ping("silent", 0, Some(100.0)))];
    let report = report(&book, &with_early);
    assert_eq!(report.verdict, Verdict::Healthy);
    assert!(report.findings.is_empty() && report.diagnosis.is_none());
    let early = report.steps.iter().find(|step| step.id == "b").expect("listed");
    assert_eq!(early.status, Status::Skipped);
    assert!(early.observation.is_some(), "what it saw is kept");
}

#[test]
fn an_unknown_condition_takes_the_unknown_arm_and_is_never_false() {
    let book = book(TWO_PINGS);
    // The loss was not measured: null is not less than the threshold.
    let known = [("a", ping("answered", 5, None)), ("b", ping("silent", 0, Some(100.0)))];
    let report = report(&book, &known);
    assert_eq!(report.path, ["a", "b"]);
    assert_eq!(report.diagnosis.as_ref().map(|d| d.id.as_str()), Some("x-t.bad"));
}

#[test]
fn a_finding_is_noted_and_never_decides() {
    let book = book(TWO_PINGS);
    let blind = Outcome::Unknown(Why::Budget);
    let report = report(&book, &[("a", blind), ("b", ping("silent", 0, Some(100.0)))]);
    assert_eq!(report.verdict, Verdict::Healthy);
    assert_eq!(report.findings[0].id, "x-t.odd");
    let steps: Vec<_> = report.findings[0].evidence.iter().map(|e| e.step.as_str()).collect();
    assert_eq!(steps, ["a", "b"], "what it cites, and its own step");
    assert_eq!(report.steps[0].status, Status::Unknown);
    assert_eq!(report.steps[0].unknown, Some(Why::Budget));
}

#[test]
fn a_step_that_could_not_look_and_has_no_arm_is_inconclusive_by_its_reason() {
    let book = book(TWO_PINGS);
    let lost = ("a", ping("answered", 5, Some(50.0)));
    let permission =
        Why::NotPermitted { capability: "CAP_NET_RAW".into(), operation: "open".into() };
    let cases = [
        (permission, "inconclusive.permission", Verdict::Inconclusive),
        (Why::Budget, "inconclusive.budget", Verdict::Inconclusive),
        (Why::Interrupted, "inconclusive.budget", Verdict::Inconclusive),
        (Why::Unsupported { what: "x".into() }, "inconclusive.unsupported", Verdict::Inconclusive),
        (
            Why::Failed { operation: "socket()".into(), errno: "EMFILE".into() },
            "tcp.fd_exhausted",
            Verdict::Fault,
        ),
    ];
    for (why, id, verdict) in cases {
        let report = report(&book, &[lost.clone(), ("b", Outcome::Unknown(why))]);
        assert_eq!(report.diagnosis.as_ref().map(|d| d.id.as_str()), Some(id));
        assert_eq!(report.verdict, verdict, "{id}");
    }
}

#[test]
fn an_answer_takes_its_choice_and_no_answer_the_arm_without_input() {
    let book = book(
        "  a: {title: T, layer: vantage, ask: Well?, choices: {yes: b, no: healthy}, no_input: healthy}
  b: {title: T, layer: host, decide: true, branches: [{else: {conclude: x-t.odd}}]}\n",
    );
    assert_eq!(report(&book, &[]).verdict, Verdict::Healthy);
    let yes = Outcome::Seen(json!({"answer": "yes"}));
    assert_eq!(report(&book, &[("a", yes)]).verdict, Verdict::Degraded);
    let foreign = Outcome::Seen(json!({"answer": "maybe"}));
    assert_eq!(report(&book, &[("a", foreign)]).verdict, Verdict::Healthy);
}

#[test]
fn a_used_runbook_is_walked_under_its_steps_name_and_may_decide() {
    let inner = "format: 1\nname: inner\ntitle: T\nstart: look\nsteps:\n  look:\n    title: T\n    layer: host\n    probe: ping\n    with: {address: \"{{ target.host }}\"}\n    branches:\n      - {when: result.outcome == \"silent\", conclude: icmp.filtered, with: {address: a, sent: 1}}\n      - {when: result.outcome == \"unreachable\", conclude: icmp.latency, with: {address: a, rtt: b, handshake: c}}\n      - else: healthy\n";
    let outer = "format: 1\nname: outer\ntitle: T\nstart: sub\nsteps:\n  sub:\n    title: T\n    layer: host\n    use: inner.yaml\n    branches:\n      - {when: result.id == \"icmp.filtered\", conclude: tcp.closed_early, with: {address: a, port: 1, protocol: p}}\n      - else: as_used\n    unknown: healthy\n";
    let read = |path: &std::path::Path| match path.file_name().and_then(|name| name.to_str()) {
        Some("inner.yaml") => Ok(inner.to_owned()),
        Some("outer.yaml") => Ok(outer.to_owned()),
        _ => Err(std::io::ErrorKind::NotFound.into()),
    };
    let book = match runbook::load("./outer.yaml", Library { folders: &[], read: &read }) {
        Ok(book) => book,
        Err(error) => panic!("{}", error.render()),
    };
    let own = report(&book, &[("sub/look", ping("silent", 0, Some(100.0)))]);
    assert_eq!(own.path, ["sub/look", "sub"]);
    assert_eq!(own.diagnosis.as_ref().map(|d| d.id.as_str()), Some("tcp.closed_early"));

    let taken_over = report(&book, &[("sub/look", ping("unreachable", 0, None))]);
    let diagnosis = taken_over.diagnosis.expect("the inner one");
    assert_eq!((diagnosis.id.as_str(), taken_over.verdict), ("icmp.latency", Verdict::Degraded));
    assert_eq!(diagnosis.evidence[0].step, "sub/look");
    let healthy = report(&book, &[("sub/look", ping("answered", 10, Some(0.0)))]);
    assert_eq!((healthy.verdict, healthy.diagnosis), (Verdict::Healthy, None));
}

#[test]
fn what_the_steps_of_a_used_runbook_saw_is_there_after_it() {
    let inner = "format: 1\nname: inner\ntitle: T\nstart: look\nsteps:\n  look:\n    title: T\n    layer: host\n    probe: ping\n    with: {address: \"{{ target.host }}\"}\n    branches:\n      - {when: result.received > 0, goto: healthy}\n      - else: again\n    unknown: healthy\n  again:\n    title: T\n    layer: host\n    probe: ping\n    with: {address: \"{{ target.host }}\"}\n    branches:\n      - else: healthy\n";
    let outer = "format: 1\nname: outer\ntitle: T\nstart: sub\nsteps:\n  sub:\n    title: T\n    layer: host\n    use: inner.yaml\n    branches:\n      - {when: result.steps.again.received == 0, goto: inconclusive}\n      - else: after\n    unknown: after\n  after:\n    title: T\n    layer: host\n    decide: true\n    branches:\n      - {when: sub.steps.look.received == 7, conclude: tcp.closed_early, with: {address: \"{{ sub.steps.look.address }}\", port: 1, protocol: p}}\n      - else: healthy\n    unknown: inconclusive\n";
    let read = |path: &std::path::Path| match path.file_name().and_then(|name| name.to_str()) {
        Some("inner.yaml") => Ok(inner.to_owned()),
        Some("outer.yaml") => Ok(outer.to_owned()),
        _ => Err(std::io::ErrorKind::NotFound.into()),
    };
    let book = match runbook::load("outer.yaml", Library { folders: &[], read: &read }) {
        Ok(book) => book,
        Err(error) => panic!("{}", error.render()),
    };
    // The step `again` did not run, so what speaks of it is unknown, not false.
    let seen = report(&book, &[("sub/look", ping("answered", 7, Some(30.0)))]);
    let diagnosis = seen.diagnosis.expect("concluded");
    assert_eq!(diagnosis.id, "tcp.closed_early");
    assert!(diagnosis.summary.contains("192.0.2.1"), "{}", diagnosis.summary);
    let blind = report(&book, &[("sub/look", Outcome::Unknown(Why::Budget))]);
    assert_eq!(blind.verdict, Verdict::Inconclusive);
}

#[test]
fn a_replay_of_any_report_ends_the_same() {
    let book = book(TWO_PINGS);
    let lost = ("a", ping("answered", 5, Some(50.0)));
    let runs: [&[(&str, Outcome)]; 3] = [
        &[("a", ping("answered", 10, Some(0.0)))],
        &[lost.clone(), ("b", ping("answered", 3, Some(0.0)))],
        &[lost, ("b", Outcome::Unknown(Why::Budget))],
    ];
    for known in runs {
        let live = report(&book, known);
        let text = serde_json::to_string(&live).expect("a report is JSON");
        let saved: Report = serde_json::from_str(&text).expect("and is read back");
        assert_eq!(saved, live);
        let again = replay(&saved, &book);
        assert_eq!(
            (again.verdict, &again.diagnosis, &again.path),
            (live.verdict, &live.diagnosis, &live.path)
        );
    }
}

/// The runbook kernel on counters and parameters as a probe would have seen them.
fn review(watch: &Value, table: &Value, parameters: &Value) -> Report {
    let book = runbook::builtin("kernel").expect("it is built in");
    let seen = |value: &Value| Outcome::Seen(value.clone());
    let unknown = Outcome::Unknown(Why::Unsupported { what: "sock_diag".into() });
    let facts = facts(&[
        ("watch", seen(watch)),
        ("table", seen(table)),
        ("census", unknown),
        ("parameters", seen(parameters)),
    ]);
    let params = book.params.iter().filter_map(|p| Some((p.name.clone(), p.default.clone()?)));
    let params: Map<String, Value> = params.collect();
    let walk = walk(&book, &base_bindings(&target(), &params), &facts);
    assert!(matches!(walk.effect, Effect::Done(_)), "{:?}", walk.effect);
    let (target, vantage) = (target(), vantage());
    let frame = Frame { target, vantage, params, started_at: String::new(), duration_ms: 0.0 };
    assemble(&book, walk, &facts, frame)
}

/// One object with the fields of both.
fn with(base: Value, more: Value) -> Value {
    let (Value::Object(mut base), Value::Object(more)) = (base, more) else { panic!("objects") };
    base.extend(more);
    Value::Object(base)
}

#[test]
fn a_review_of_the_kernel_concludes_only_what_grows_or_is_off() {
    use crate::probe::conntrack::ConntrackSeen;
    use crate::probe::sysctl::SysctlSeen;
    let quiet = json!({
        "outcome": "watched", "syns": [], "kept_back": [], "undelivered": [], "conclusive": true,
        "deltas": {}, "window_ms": 1000.0, "listen_overflows": 0, "reqq_full_drops": 0,
        "memory_pressure": 0,
    });
    let empty = serde_json::to_value(ConntrackSeen::default()).expect("plain data");
    let modern = with(
        serde_json::to_value(SysctlSeen::default()).expect("plain data"),
        json!({
            "somaxconn": 4096, "syncookies": 1, "window_scaling": true, "ports": 28232,
            "tcp_mem": [1, 2, 3], "tcp_mem_used": 1, "tcp_mem_percent": 50.0,
        }),
    );
    let full = json!({
        "active": true, "count": 100, "max": 100, "percent": 100.0, "drops": 3, "busiest": "a (9)",
    });
    let nothing = json!({});
    let cases: [(&Value, &Value, &Value, Option<&str>); 12] = [
        (&nothing, &nothing, &nothing, None),
        (&json!({"listen_overflows": 5}), &nothing, &nothing, None),
        (&nothing, &nothing, &json!({"somaxconn": 8}), None),
        (
            &json!({"listen_overflows": 5}),
            &nothing,
            &json!({"somaxconn": 8}),
            Some("kernel.backlog_capped"),
        ),
        (&nothing, &nothing, &json!({"syncookies": 0}), None),
        (
            &json!({"reqq_full_drops": 2}),
            &nothing,
            &json!({"syncookies": 0}),
            Some("kernel.syncookies_off"),
        ),
        (&json!({"memory_pressure": 1}), &nothing, &nothing, Some("socket.tcp_mem_pressure")),
        (&nothing, &nothing, &json!({"tcp_mem_percent": 100.0}), Some("socket.tcp_mem_pressure")),
        (&nothing, &nothing, &json!({"window_scaling": false}), Some("kernel.window_scaling_off")),
        (
            &nothing,
            &nothing,
            &json!({"bdp_bytes": 9, "buffer_bytes": 8, "bdp_fits": false}),
            Some("kernel.buffers_below_bdp"),
        ),
        (&nothing, &with(full.clone(), json!({"drops": 0})), &nothing, Some("conntrack.near_full")),
        (&nothing, &full, &json!({"window_scaling": false}), Some("conntrack.full")),
    ];
    for (watch, table, parameters, id) in cases {
        let report = review(
            &with(quiet.clone(), watch.clone()),
            &with(empty.clone(), table.clone()),
            &with(modern.clone(), parameters.clone()),
        );
        let concluded = report.diagnosis.as_ref().map(|diagnosis| diagnosis.id.as_str());
        assert_eq!(concluded, id, "{watch} {table} {parameters}");
        assert!(report.diagnosis.is_none_or(|diagnosis| !diagnosis.summary.contains('?')));
    }
    // What this kernel does not count is unknown, and concludes nothing.
    let uncounted = with(quiet, json!({"listen_overflows": null, "memory_pressure": null}));
    let unread = serde_json::to_value(SysctlSeen::default()).expect("plain data");
    assert_eq!(review(&uncounted, &empty, &unread).verdict, Verdict::Healthy);
}

pub(super) fn plan(book: Arc<Runbook>, budget: Duration) -> Plan {
    Plan {
        target: target(),
        vantage: vantage(),
        runbook: book,
        params: params(),
        budget,
        permit: Permit::default(),
    }
}

pub(super) fn block_on<T>(future: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    runtime.expect("a runtime").block_on(future)
}

/// `counters` without an address waits for its window and sends nothing.
const SLOW: &str = r#"
  a:
    title: Wait
    layer: kernel
    probe: counters
    with: {window_ms: 60000}
    meanwhile: [{after: 1ms, start: [b]}]
    branches: [{else: b}]
    unknown: b
  b:
    title: Wait less
    layer: kernel
    probe: counters
    with: {window_ms: 1}
    branches: [{else: healthy}]
"#;

#[test]
fn the_budget_ends_what_is_under_way_and_what_finished_early_still_counts() {
    let mut early = Vec::new();
    let report = block_on(run(
        // Time enough for the short one on a busy machine.
        plan(book(SLOW), Duration::from_secs(3)),
        std::future::pending(),
        |event| {
            if let Event::Started { step, early: true, .. } = event {
                early.push(step.to_owned());
            }
        },
    ));
    assert_eq!(early, ["b"]);
    assert!(report.duration_ms < 30_000.0, "{}", report.duration_ms);
    assert_eq!(report.steps[0].unknown, Some(Why::Budget));
    assert_eq!(report.steps[1].status, Status::Pass);
    assert_eq!(report.verdict, Verdict::Healthy);
}

#[test]
fn an_interrupt_ends_at_once_with_a_partial_report() {
    let report = block_on(run(plan(book(SLOW), Duration::from_secs(600)), async {}, |_| {}));
    assert_eq!(report.steps[0].unknown, Some(Why::Interrupted));
    assert!(report.duration_ms < 30_000.0);
}

#[test]
fn a_run_that_cannot_begin_says_why() {
    let why = Why::Failed { operation: "epoll_create1".into(), errno: "EMFILE".into() };
    let report = unable(
        plan(
            book(
                "  a: {title: T, layer: host, probe: ping, with: {address: \"{{ target.host }}\"}, branches: [{else: healthy}]}\n",
            ),
            Duration::ZERO,
        ),
        why,
    );
    assert_eq!(report.diagnosis.map(|d| d.id), Some("tcp.fd_exhausted".to_owned()));
}

#[test]
fn the_end_of_a_healthy_walk_is_healthy() {
    let book = book("  a: {title: T, layer: host, decide: true, branches: [{else: healthy}]}\n");
    let walk = walk(&book, &base_bindings(&target(), &params()), &Facts::default());
    assert!(matches!(walk.effect, Effect::Done(End::Healthy)));
}
