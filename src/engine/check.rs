//! Many targets in one run: a bound on how many at a time, budgets, retries, and an end at any moment.
//!
//! What a run sees must not depend on the runs beside it. Packets of one thread, and the windows in
//! which counters are read around them, never overlap; but routers limit the ICMP errors that they
//! send to one machine (Linux: six at once, then one a second), and servers limit connections. So
//! what the crowd may have swayed (`crowd`) is looked at again alone before it counts.

mod crowd;

use std::cell::Cell;
use std::collections::BTreeMap;
use std::future::Future;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use serde_json::{Map, Value};
use tokio::sync::{Mutex, Semaphore};

use crate::engine::{Permit, Plan, run};
use crate::model::check::{Check, CheckResult, Defined, SCHEMA};
use crate::model::expect::Judgement;
use crate::model::expect::{Expect, FailOn, judge};
use crate::model::report::{Report, TargetEntry, Tool, Vantage};
use crate::runbook::Runbook;
use crate::sys::clock;

/// One target and what is expected of it.
#[derive(Debug, Clone)]
pub struct Job {
    /// Its name, unique among all.
    pub name: String,
    /// Its labels.
    pub labels: BTreeMap<String, String>,
    /// The target.
    pub target: TargetEntry,
    /// The runbook to walk.
    pub runbook: Arc<Runbook>,
    /// The runbook's parameters, checked and complete.
    pub params: Map<String, Value>,
    /// What is expected.
    pub expect: Expect,
    /// How long one run may take.
    pub budget: Duration,
    /// What may be touched besides the target.
    pub permit: Permit,
    /// Where it is defined.
    pub defined: Option<Defined>,
    /// Whether and how often to look again.
    pub retry: Option<Retry>,
}

/// Looking again until the expectation holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Retry {
    /// How long after the first run began another may begin.
    pub until: Duration,
    /// The pause between two runs.
    pub interval: Duration,
}

/// Bounds of the whole.
#[derive(Debug, Clone)]
pub struct Limits {
    /// How many runs at a time, at least one.
    pub jobs: usize,
    /// How long all together may take.
    pub total: Option<Duration>,
    /// Whether the first target that is not as expected ends it.
    pub fail_fast: bool,
    /// What fails although it can be used.
    pub fail_on: FailOn,
}

/// What happens during a check, one way.
#[derive(Debug)]
pub enum Event<'a> {
    /// A target has its result; those that were skipped come last.
    Ended(&'a CheckResult),
    /// So many targets are looked at again, one at a time.
    Again(usize),
}

/// The time between the beginnings of two runs.
const PACE: Duration = Duration::from_millis(1);
/// How far the pace may be made up for after something took long.
const BEHIND: Duration = Duration::from_millis(20);
/// Before each look alone: time for two ICMP errors from every router.
const QUIET: Duration = Duration::from_secs(2);
/// How long looking again alone may take in all.
const ALONE: Duration = Duration::from_secs(60);

/// Checks all targets, at most `limits.jobs` at a time, in their order.
///
/// `interrupt` ends it at any moment. The results of the check are in the order of the jobs.
pub async fn check(
    jobs: &[Job],
    limits: &Limits,
    vantage: &Vantage,
    interrupt: impl Future<Output = ()>,
    mut on_event: impl FnMut(Event<'_>),
) -> Check {
    let started_at = clock::utc_now();
    let start = clock::now();
    let course = Course {
        slots: Semaphore::new(limits.jobs.max(1)),
        door: Mutex::new(start),
        begun: Cell::new(0),
        running: Cell::new(0),
        deadline: limits.total.map(|total| start + total),
        fail_on: &limits.fail_on,
        vantage,
    };
    let mut book = Book {
        results: jobs.iter().map(|_| None).collect(),
        held: BTreeMap::new(),
        fail_fast: limits.fail_fast,
        on_event: &mut on_event,
    };
    let mut interrupt = pin!(interrupt);
    let ended = tokio::select! {
        biased;
        () = &mut interrupt => Err(Stop::Interrupted),
        ended = course.all(jobs, &mut book) => ended,
    };
    let why = match &ended {
        Ok(()) => String::new(),
        Err(Stop::Interrupted) => "interrupted".to_owned(),
        Err(Stop::Failed(name)) => format!("{name} was not as expected (--fail-fast)"),
    };
    Check {
        schema: SCHEMA.to_owned(),
        tool: Tool {
            name: env!("CARGO_PKG_NAME").to_owned(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
        },
        started_at,
        results: book.close(jobs, &why),
        duration_ms: clock::ms_since(start),
        interrupted: matches!(ended, Err(Stop::Interrupted)),
        alone: false,
    }
}

/// Why a check ends before its end.
#[derive(Debug)]
enum Stop {
    Interrupted,
    /// With `--fail-fast`: the name of the target that was not as expected.
    Failed(String),
}

/// The results as they come.
struct Book<'a> {
    results: Vec<Option<CheckResult>>,
    /// What the crowd may have swayed, until it is confirmed alone.
    held: BTreeMap<usize, CheckResult>,
    fail_fast: bool,
    on_event: &'a mut dyn FnMut(Event<'_>),
}

impl Book<'_> {
    fn enter(&mut self, nth: usize, result: CheckResult) -> Result<(), Stop> {
        (self.on_event)(Event::Ended(&result));
        let bad = matches!(result.outcome, Judgement::Failed | Judgement::Error);
        let name = (bad && self.fail_fast).then(|| result.name.clone());
        self.results[nth] = Some(result);
        name.map_or(Ok(()), |name| Err(Stop::Failed(name)))
    }

    /// What could not be confirmed any more says so; whatever has no result by now is skipped.
    fn close(self, jobs: &[Job], why: &str) -> Vec<CheckResult> {
        let Book { results, mut held, on_event, .. } = self;
        let results = results.into_iter().zip(jobs).enumerate().map(|(nth, (result, job))| {
            result.unwrap_or_else(|| {
                let held = held.remove(&nth).map(|held| unconfirmed(job, held));
                let result = held.unwrap_or_else(|| skipped(job, why));
                on_event(Event::Ended(&result));
                result
            })
        });
        results.collect()
    }
}

fn skipped(job: &Job, why: &str) -> CheckResult {
    CheckResult {
        name: job.name.clone(),
        labels: job.labels.clone(),
        target: job.target.input.clone(),
        expect: job.expect.to_string(),
        outcome: Judgement::Skipped,
        problems: vec![why.to_owned()],
        attempts: 0,
        duration_ms: None,
        report: None,
        crowded: false,
        defined: job.defined.clone(),
        tree: None,
    }
}

/// A result that the crowd may have swayed and that nobody had time to confirm: of a diagnosis that is
/// expected by name, nothing can be said then.
fn unconfirmed(job: &Job, mut held: CheckResult) -> CheckResult {
    if !job.expect.diagnosis.is_empty() {
        held.outcome = Judgement::Error;
        held.problems = vec![crowd::NOT_CONFIRMED.to_owned()];
    }
    held
}

/// What all runs share.
struct Course<'a> {
    /// First come, first served: one that looks again queues behind those that wait for their first.
    slots: Semaphore,
    /// When the next run may begin.
    door: Mutex<Instant>,
    /// How many runs have begun.
    begun: Cell<u64>,
    /// How many are under way.
    running: Cell<usize>,
    deadline: Option<Instant>,
    fail_on: &'a FailOn,
    vantage: &'a Vantage,
}

type Looking<'a> = Pin<Box<dyn Future<Output = (usize, CheckResult)> + 'a>>;

impl Course<'_> {
    async fn all(&self, jobs: &[Job], book: &mut Book<'_>) -> Result<(), Stop> {
        let mut open: FuturesUnordered<Looking<'_>> = FuturesUnordered::new();
        for (nth, job) in jobs.iter().enumerate() {
            open.push(Box::pin(async move { (nth, self.look(job).await) }));
        }
        while let Some((nth, result)) = open.next().await {
            if result.crowded {
                book.held.insert(nth, result);
            } else {
                book.enter(nth, result)?;
            }
        }
        let again: Vec<usize> = book.held.keys().copied().collect();
        if again.is_empty() {
            return Ok(());
        }
        (book.on_event)(Event::Again(again.len()));
        let last = clock::now() + ALONE;
        // Only others that met with silence can have used up what routers have to say.
        let quiet = if again.len() > 1 { QUIET } else { Duration::ZERO };
        for nth in again {
            // Held until the second look has ended: an interrupt in between loses nothing.
            let Some(held) = book.held.get(&nth) else { continue };
            let result = self.alone(&jobs[nth], held, quiet, last).await;
            book.held.remove(&nth);
            book.enter(nth, result)?;
        }
        Ok(())
    }

    /// Looks at one target until it is as expected or may not be looked at again.
    async fn look(&self, job: &Job) -> CheckResult {
        let mut result = skipped(job, "the total budget ended before its turn");
        let mut first: Option<Instant> = None;
        loop {
            let Some(Ran { report, begun, company }) = self.run(job).await else {
                return result;
            };
            result = self.judged(job, result, report);
            result.crowded = company && crowd::may_have_swayed(&result);
            let Some(retry) = job.retry.filter(|_| result.outcome != Judgement::Passed) else {
                return result;
            };
            let next = clock::now() + retry.interval;
            let last = *first.get_or_insert(begun) + retry.until;
            if next > last || self.deadline.is_some_and(|deadline| next >= deadline) {
                return result;
            }
            clock::sleep_until(next.into()).await;
        }
    }

    /// Looks again, with no other run under way and after a pause in which limits of others recover.
    /// Where there is no time for that, the result stays as it is, and says so.
    async fn alone(
        &self,
        job: &Job,
        held: &CheckResult,
        quiet: Duration,
        last: Instant,
    ) -> CheckResult {
        let end = self.deadline.map_or(last, |deadline| deadline.min(last));
        let next = clock::now() + quiet;
        if next < end {
            clock::sleep_until(next.into()).await;
            if let Some(ran) = self.run(job).await {
                let result = self.judged(job, held.clone(), ran.report);
                // It confirms an attempt, and is none of its own.
                return CheckResult { attempts: held.attempts, crowded: false, ..result };
            }
        }
        unconfirmed(job, held.clone())
    }

    fn judged(&self, job: &Job, result: CheckResult, report: Report) -> CheckResult {
        let (outcome, problems) = judge(&job.expect, self.fail_on, &report);
        CheckResult {
            outcome,
            problems,
            attempts: result.attempts + 1,
            duration_ms: Some(clock::round_ms(
                result.duration_ms.unwrap_or(0.0) + report.duration_ms,
            )),
            report: Some(report),
            ..result
        }
    }

    /// Runs once, when there is room. `None` when the total budget ends before that.
    async fn run(&self, job: &Job) -> Option<Ran> {
        // Never closed.
        let _slot = self.slots.acquire().await.ok()?;
        self.pace().await;
        let begun = clock::now();
        let left = self.deadline.map(|deadline| deadline.saturating_duration_since(begun));
        if left.is_some_and(|left| left.is_zero()) {
            return None;
        }
        let plan = Plan {
            target: job.target.clone(),
            vantage: self.vantage.clone(),
            runbook: Arc::clone(&job.runbook),
            params: job.params.clone(),
            budget: left.map_or(job.budget, |left| left.min(job.budget)),
            permit: job.permit.clone(),
        };
        let number = self.begun.get() + 1;
        self.begun.set(number);
        let before = self.running.replace(self.running.get() + 1);
        // A run is large; those that wait for their turn are many.
        let report = Box::pin(run(plan, std::future::pending(), |_| {})).await;
        self.running.set(self.running.get() - 1);
        Some(Ran { report, begun, company: before > 0 || self.begun.get() > number })
    }

    /// Lets runs begin one after the other, so that each finds the others' packets sent and read.
    async fn pace(&self) {
        let mut next = self.door.lock().await;
        clock::sleep_until((*next).into()).await;
        tokio::task::yield_now().await;
        let now = clock::now();
        *next = (*next + PACE).max(now.checked_sub(BEHIND).unwrap_or(now));
    }
}

/// One run.
struct Ran {
    report: Report,
    begun: Instant,
    /// Whether another run was under way at any time.
    company: bool,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::pattern::Pattern;
    use crate::runbook::builtin;

    fn job(expected: &[&str]) -> Job {
        let expect = Expect {
            diagnosis: expected.iter().map(|id| Pattern::new(*id)).collect(),
            ..Expect::default()
        };
        Job {
            name: "db.test:5432".to_owned(),
            labels: BTreeMap::new(),
            target: TargetEntry {
                input: "db.test:5432".to_owned(),
                host: Some("db.test".to_owned()),
                port: Some(5432),
                scheme: None,
                family: "any".to_owned(),
            },
            runbook: builtin("connect").expect("it is built in"),
            params: Map::new(),
            expect,
            budget: Duration::from_secs(1),
            permit: Permit::default(),
            defined: None,
            retry: None,
        }
    }

    /// What an interrupted check says of a target whose result waits to be confirmed alone.
    fn interrupted(job: &Job, held: Option<Judgement>) -> (CheckResult, usize) {
        let mut told = 0;
        let mut on_event = |_: Event<'_>| told += 1;
        let held = held.map(|outcome| CheckResult {
            outcome,
            attempts: 1,
            crowded: true,
            problems: vec!["10 SYNs, no answer".to_owned()],
            ..skipped(job, "")
        });
        let book = Book {
            results: vec![None],
            held: held.map(|held| (0, held)).into_iter().collect(),
            fail_fast: false,
            on_event: &mut on_event,
        };
        let mut results = book.close(std::slice::from_ref(job), "interrupted");
        (results.remove(0), told)
    }

    #[test]
    fn an_interrupt_does_not_lose_what_waits_to_be_confirmed() {
        let (result, told) = interrupted(&job(&[]), Some(Judgement::Failed));
        assert_eq!((result.outcome, result.attempts, told), (Judgement::Failed, 1, 1));
        assert_eq!(result.problems, ["10 SYNs, no answer"]);
        assert!(result.crowded, "it says that it was not confirmed");
    }

    #[test]
    fn a_diagnosis_that_is_expected_by_name_does_not_pass_unconfirmed() {
        let (result, _) = interrupted(&job(&["tcp.timeout_filtered"]), Some(Judgement::Passed));
        assert_eq!((result.outcome, result.problems.len()), (Judgement::Error, 1));
    }

    #[test]
    fn what_was_not_looked_at_is_skipped() {
        let (result, told) = interrupted(&job(&[]), None);
        assert_eq!((result.outcome, result.attempts, told), (Judgement::Skipped, 0, 1));
        assert_eq!(result.problems, ["interrupted"]);
    }
}
