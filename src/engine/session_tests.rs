//! Questions, retests and walking on, on facts made by hand and probes that need no network.

use std::cell::{Cell, RefCell};
use std::future::{pending, ready};
use std::sync::Arc;
use std::time::Duration;

use serde_json::json;

use super::tests::{block_on, book, ping, plan, report};
use crate::engine::ask::{self, Question, Reply};
use crate::engine::drive::{Event, Session};
use crate::engine::report::replay;
use crate::model::outcome::{Outcome, Why};
use crate::model::report::{Report, Status, Verdict};
use crate::runbook::Runbook;

const ASKS: &str = r#"
  a:
    ask: Does {{ target.host }} need a VPN?
    why: It changes where to look.
    default: yes
    choices:
      yes: b
      no_never: healthy
    no_input: c
  b: {title: B, layer: host, decide: true, branches: [{else: {conclude: x-t.odd}}]}
  c: {title: C, layer: host, decide: true, branches: [{else: {conclude: x-t.bad, with: {n: "{{ 1 }}"}}}]}
"#;

fn session(book: Arc<Runbook>) -> Session {
    Session::new(plan(book, Duration::from_secs(20)))
}

fn answered(session: &mut Session, reply: &Reply) -> (Report, Vec<Question>) {
    let asked = RefCell::new(Vec::new());
    let ask = |question| {
        asked.borrow_mut().push(question);
        ready(reply.clone())
    };
    let report = block_on(session.run(pending(), Some(ask), |_| {}));
    (report, asked.into_inner())
}

fn unasked(session: &mut Session) -> Report {
    block_on(session.run(pending(), None::<fn(Question) -> std::future::Ready<Reply>>, |_| {}))
}

#[test]
fn a_question_is_asked_with_its_reason_and_the_answer_leads_on() {
    let mut session = session(book(ASKS));
    let (report, asked) = answered(&mut session, &Reply::Choice("yes".to_owned()));
    assert_eq!(asked.len(), 1);
    assert_eq!(asked[0].text, "Does 192.0.2.1 need a VPN?");
    assert_eq!(asked[0].why.as_deref(), Some("It changes where to look."));
    assert_eq!(
        (asked[0].choices.as_slice(), asked[0].default),
        (&["yes".into(), "no_never".into()][..], Some(0))
    );
    assert_eq!(report.verdict, Verdict::Degraded);
    assert_eq!(report.steps[0].observation, Some(json!({"answer": "yes"})));
    assert_eq!(report.steps[0].text.as_deref(), Some("Does 192.0.2.1 need a VPN? yes"));
    assert_eq!(report.steps[0].status, Status::Pass);
}

#[test]
fn who_does_not_know_takes_the_arm_without_input_and_the_report_says_so() {
    let (report, _) = answered(&mut session(book(ASKS)), &Reply::DontKnow);
    assert_eq!(report.verdict, Verdict::Fault);
    assert_eq!(report.steps[0].unknown, Some(Why::NotAnswered));
    assert_eq!(report.steps[0].status, Status::Unknown);
}

#[test]
fn where_nobody_is_asked_the_step_counts_as_skipped_and_nothing_is_recorded() {
    let nobody = answered(&mut session(book(ASKS)), &Reply::Nobody).0;
    for report in [unasked(&mut session(book(ASKS))), nobody] {
        assert_eq!(report.verdict, Verdict::Fault);
        assert_eq!(report.steps[0].status, Status::Skipped);
        assert_eq!((&report.steps[0].observation, &report.steps[0].unknown), (&None, &None));
    }
}

/// What two runs must have in common: all but the clock.
fn timeless(mut report: Report) -> Report {
    report.started_at.clear();
    report.duration_ms = 0.0;
    report
}

#[test]
fn an_answer_given_beforehand_makes_the_same_report_and_every_replay_agrees() {
    for reply in [Reply::Choice("yes".into()), Reply::Choice("no_never".into()), Reply::DontKnow] {
        let book = book(ASKS);
        let live = answered(&mut session(Arc::clone(&book)), &reply).0;
        let mut given = session(Arc::clone(&book));
        given.learn("a", reply.clone().outcome().expect("an answer"));
        let given = unasked(&mut given);
        assert_eq!(timeless(live.clone()), timeless(given));
        assert_eq!(timeless(replay(&live, &book)), timeless(live));
    }
}

#[test]
fn an_answer_to_a_question_that_is_not_reached_leaves_no_trace() {
    let book = book(
        "  a: {title: A, layer: host, decide: true, branches: [{when: params.most > 100, goto: q}, {else: healthy}]}
  q: {ask: Well?, choices: {go: healthy}, no_input: healthy}\n",
    );
    let mut given = session(book);
    given.learn("q", Reply::Choice("go".to_owned()).outcome().expect("an answer"));
    let report = unasked(&mut given);
    assert_eq!((report.path.join(" "), &report.steps[1].observation), ("a".into(), &None));
}

#[test]
fn the_questions_of_a_runbook_are_known_beforehand() {
    let asked = ask::questions(&book(ASKS));
    assert_eq!(asked.len(), 1);
    assert_eq!(
        (asked[0].key.as_str(), asked[0].choices.join(" ")),
        ("a", "yes no_never unknown".into())
    );
    assert_eq!(ask::reply("unknown"), Reply::DontKnow);
}

#[test]
fn an_interrupt_ends_a_question() {
    let mut session = session(book(ASKS));
    let rung = Cell::new(false);
    let interrupt = std::future::poll_fn(|context| {
        if rung.get() {
            return std::task::Poll::Ready(());
        }
        context.waker().wake_by_ref();
        std::task::Poll::Pending
    });
    let ask = |_| {
        rung.set(true);
        pending::<Reply>()
    };
    let report = block_on(session.run(interrupt, Some(ask), |_| {}));
    assert_eq!(report.steps[0].status, Status::Skipped);
}

/// `counters` without an address waits for its window and sends nothing.
const WAITS: &str = r#"
  a:
    title: First
    layer: kernel
    probe: counters
    with: {window_ms: 1}
    meanwhile: [{after: 0ms, start: [c]}]
    branches: [{else: q}]
    unknown: q
  q: {ask: Well?, choices: {go: b}, no_input: b}
  b:
    title: Second
    layer: kernel
    probe: counters
    with: {window_ms: 2}
    branches: [{when: result.window_ms > 0, conclude: x-t.odd}, {else: c}]
    unknown: c
  c:
    title: Third
    layer: kernel
    probe: counters
    with: {window_ms: 3}
    branches: [{when: result.window_ms > 2, conclude: x-t.bad, with: {n: "{{ result.window_ms }}"}}, {else: healthy}]
    unknown: healthy
"#;

fn started(session: &mut Session) -> (Report, Vec<String>) {
    let mut started = Vec::new();
    let ask = |_| ready(Reply::Choice("go".to_owned()));
    let report = block_on(session.run(pending(), Some(ask), |event| {
        if let Event::Started { step, .. } = event {
            started.push(step.to_owned());
        }
    }));
    (report, started)
}

#[test]
fn a_retest_runs_the_step_and_what_comes_after_it_and_nothing_before_it() {
    let mut session = session(book(WAITS));
    let (first, ran) = started(&mut session);
    assert_eq!((first.path.join(" "), ran.join(" ")), ("a q b".into(), "a c b".into()));
    session.forget_from("b");
    let (again, ran) = started(&mut session);
    assert_eq!((again.path.join(" "), ran.join(" ")), ("a q b".into(), "b".into()));
    let answer = |report: &Report| report.steps[1].observation.clone();
    assert_eq!(
        (answer(&again), again.steps[0].started_ms),
        (answer(&first), first.steps[0].started_ms)
    );
    assert!(again.steps[2].started_ms > first.steps[2].started_ms);
    assert_eq!(again.steps[3].observation, None, "what started early belonged to the old run");
    session.forget_from("a");
    assert_eq!(started(&mut session).1, ["a", "c", "b"]);
}

#[test]
fn what_the_user_takes_to_answer_counts_neither_as_time_nor_as_budget() {
    let (budget, thinking) = (Duration::from_secs(3), Duration::from_secs(4));
    let mut slow = Session::new(plan(book(WAITS), budget));
    let ask = |_| async move {
        tokio::time::sleep(thinking).await;
        Reply::DontKnow
    };
    let report = block_on(slow.run(pending(), Some(ask), |_| {}));
    assert_eq!(report.steps[2].status, Status::Warn, "{:?}", report.steps[2]);
    assert!(report.duration_ms < 4000.0, "{}", report.duration_ms);
}

#[test]
fn walking_on_keeps_the_gravest_diagnosis_and_notes_the_others_and_a_replay_does_the_same() {
    let book = book(WAITS);
    let mut session = session(Arc::clone(&book));
    let (first, _) = started(&mut session);
    assert_eq!(first.diagnosis.as_ref().map(|d| d.id.as_str()), Some("x-t.odd"));
    assert_eq!(session.passable().as_deref(), Some("b"));
    session.pass("b");
    let (further, ran) = started(&mut session);
    assert!(ran.is_empty(), "everything is known already: {ran:?}");
    assert_eq!(further.path.join(" "), "a q b c");
    assert_eq!(further.diagnosis.as_ref().map(|d| d.id.as_str()), Some("x-t.bad"));
    assert_eq!(further.findings.iter().map(|d| d.id.as_str()).collect::<Vec<_>>(), ["x-t.odd"]);
    assert_eq!(session.passable(), None, "no way leads on from there");
    assert_eq!(timeless(replay(&further, &book)), timeless(further));
}

#[test]
fn a_retest_offers_the_former_answer_first_and_asks_nothing_that_was_answered_beforehand() {
    let mut asking = session(book(WAITS));
    for (nth, reply) in [Reply::Choice("go".to_owned()), Reply::DontKnow].into_iter().enumerate() {
        let (_, asked) = answered(&mut asking, &reply);
        assert_eq!(asked[0].default, (nth == 1).then_some(0), "{nth}");
        asking.forget_from("a");
    }
    assert_eq!(answered(&mut asking, &Reply::DontKnow).1[0].default, None);

    let mut given = session(book(WAITS));
    given.answer("q", Reply::Choice("go".to_owned()));
    for _ in 0..2 {
        let (report, asked) = answered(&mut given, &Reply::DontKnow);
        assert!(asked.is_empty());
        assert_eq!(report.steps[1].observation, Some(json!({"answer": "go"})));
        given.forget_from("a");
    }
}

/// Behind `a` three ways to conclude: from what a step there saw, from what was known before, and
/// because nothing else is left.
const SORTS: &str = r#"
  a:
    title: First
    layer: kernel
    probe: counters
    with: {window_ms: 1}
    branches: [{when: result.window_ms > 0, conclude: x-t.odd}, {else: b}]
    unknown: b
  b:
    title: Second
    layer: kernel
    probe: counters
    with: {window_ms: 2}
    branches: [{else: c}]
    unknown: c
  c:
    title: Third
    layer: host
    decide: true
    branches: [{when: CONDITION, conclude: x-t.bad, with: {n: "{{ 1 }}"}}, {else: {conclude: x-t.bad, with: {n: "{{ 2 }}"}}}]
    unknown: healthy
"#;

#[test]
fn behind_a_diagnosis_what_follows_by_exclusion_alone_is_not_concluded() {
    for (condition, sure) in [
        ("b.window_ms > 0", true),
        ("a.window_ms > 0", false),
        ("a.window_ms > 0 && b.window_ms > 0", true),
        ("params.most > 0", false),
        ("b.window_ms < 0", false),
    ] {
        let book = book(&SORTS.replace("CONDITION", condition));
        let mut session = session(Arc::clone(&book));
        started(&mut session);
        session.pass("a");
        let (report, _) = started(&mut session);
        let ids = |all: &[crate::model::diagnosis::Diagnosis]| {
            all.iter().map(|one| one.id.clone()).collect::<Vec<_>>().join(" ")
        };
        let (id, findings) = (report.diagnosis.clone().map(|one| one.id), ids(&report.findings));
        let wanted = if sure { ("x-t.bad", "x-t.odd") } else { ("x-t.odd", "") };
        assert_eq!((id.as_deref(), findings.as_str()), (Some(wanted.0), wanted.1), "{condition}");
        let (last, end) = (&report.steps[2], if sure { "x-t.bad" } else { "inconclusive" });
        assert_eq!(last.branch.as_ref().map(|branch| branch.to.as_str()), Some(end));
        assert_eq!(timeless(replay(&report, &book)), timeless(report));
    }
}

const OTHER_END: &str = r#"
  a:
    title: Look
    layer: host
    probe: ping
    with: {address: "{{ target.host }}"}
    branches: [{else: s}]
    unknown: s
  s:
    title: What does the server see?
    layer: socket
    ask: Can you run a command on {{ target.host }}?
    why: It decides.
    expects: server_report
    by_hand: tcpdoctor diagnose :{{ target.port }} --format code
    branches:
      - {when: result.queue_full, conclude: x-t.bad, with: {n: "{{ result.queue }}"}}
      - {when: "result.arrived != null && result.arrived == 0", conclude: x-t.odd}
      - else: healthy
    no_input: inconclusive
"#;

fn server(fields: serde_json::Value) -> Outcome {
    let mut report = json!({"port": 80, "verdict": "healthy", "host": "s", "at": ""});
    if let (Some(report), serde_json::Value::Object(fields)) = (report.as_object_mut(), fields) {
        report.extend(fields);
    }
    let report: crate::model::server_report::ServerReport =
        serde_json::from_value(report).expect("a report");
    Outcome::Seen(serde_json::to_value(report).expect("plain data"))
}

#[test]
fn the_other_end_is_never_asked_for_during_the_walk_and_its_report_is_judged_like_any_result() {
    let book = book(OTHER_END);
    let mut session = session(Arc::clone(&book));
    session.learn("a", ping("silent", 0, Some(100.0)));
    let (without, asked) = answered(&mut session, &Reply::DontKnow);
    assert!(asked.is_empty());
    assert_eq!(
        (without.verdict, without.steps[1].status),
        (Verdict::Inconclusive, Status::Skipped)
    );
    let open = session.other_end().expect("open").clone();
    assert_eq!(open.key, "s");
    assert_eq!(open.command.as_deref(), Some("tcpdoctor diagnose :80 --format code"));
    session.learn("s", server(json!({"queue_full": true, "queue": 7})));
    let with = answered(&mut session, &Reply::DontKnow).0;
    assert_eq!(with.diagnosis.as_ref().map(|d| d.summary.as_str()), Some("7 lost"));
    assert!(session.other_end().is_none());
    assert_eq!(timeless(replay(&with, &book)), timeless(with));
    assert_eq!(ask::expecting_server(&book), ["s"]);
}

#[test]
fn what_the_server_could_not_see_decides_nothing() {
    let book = book(OTHER_END);
    let cases = [
        (json!({}), Verdict::Inconclusive, "a condition is unknown"),
        (json!({"queue_full": false}), Verdict::Healthy, "else"),
        (json!({"queue_full": false, "arrived": 0}), Verdict::Degraded, "none arrived"),
        (json!({"queue_full": false, "arrived": 3}), Verdict::Healthy, "some arrived"),
    ];
    for (fields, verdict, why) in cases {
        let known = [("a", ping("silent", 0, Some(100.0))), ("s", server(fields))];
        assert_eq!(report(&book, &known).verdict, verdict, "{why}");
    }
}

#[test]
fn who_lingers_hears_what_was_started_early_and_the_walk_stays_the_same() {
    let mut hasty = session(book(WAITS));
    let mut patient = session(book(WAITS));
    patient.linger();
    let (hasty, patient) = (unasked(&mut hasty), unasked(&mut patient));
    assert_eq!((&hasty.path, &hasty.verdict), (&patient.path, &patient.verdict));
    let third = |report: &Report| report.steps.iter().find(|step| step.id == "c").cloned();
    assert!(third(&patient).is_some_and(|step| step.observation.is_some()));
}
