//! Many targets in one run: a bound on how many at a time, budgets, retries, and an end at any moment.

use std::collections::BTreeMap;
use std::future::Future;
use std::pin::pin;
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use serde_json::{Map, Value};
use tokio::sync::Semaphore;

use crate::engine::{Permit, Plan, run};
use crate::model::check::{Check, CheckResult, Outcome, SCHEMA};
use crate::model::expect::{Expect, FailOn, judge};
use crate::model::report::{TargetEntry, Tool, Vantage};
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

/// Checks all targets, at most `limits.jobs` at a time, in their order.
///
/// `interrupt` ends it at any moment; `ended` sees each result as it comes, those that were skipped
/// last. The results of the check are in the order of the jobs.
pub async fn check(
    jobs: &[Job],
    limits: &Limits,
    vantage: &Vantage,
    interrupt: impl Future<Output = ()>,
    mut ended: impl FnMut(&CheckResult),
) -> Check {
    let started_at = clock::utc_now();
    let start = clock::now();
    let course = Course {
        slots: Semaphore::new(limits.jobs.max(1)),
        deadline: limits.total.map(|total| start + total),
        fail_on: &limits.fail_on,
        vantage,
    };
    let mut results: Vec<Option<CheckResult>> = jobs.iter().map(|_| None).collect();
    let mut open: FuturesUnordered<_> = jobs
        .iter()
        .enumerate()
        .map(|(nth, job)| {
            let course = &course;
            async move { (nth, course.look(job).await) }
        })
        .collect();
    let mut interrupt = pin!(interrupt);
    let mut stopped: Option<String> = None;
    let mut interrupted = false;
    loop {
        tokio::select! {
            biased;
            () = &mut interrupt => {
                interrupted = true;
                stopped = Some("interrupted".to_owned());
                break;
            }
            next = open.next() => {
                let Some((nth, result)) = next else { break };
                ended(&result);
                let bad = matches!(result.outcome, Outcome::Failed | Outcome::Error);
                let name = result.name.clone();
                results[nth] = Some(result);
                if bad && limits.fail_fast {
                    stopped = Some(format!("{name} was not as expected (--fail-fast)"));
                    break;
                }
            }
        }
    }
    drop(open);
    let why = stopped.unwrap_or_default();
    let results = results.into_iter().zip(jobs).map(|(result, job)| {
        result.unwrap_or_else(|| {
            let result = skipped(job, &why);
            ended(&result);
            result
        })
    });
    Check {
        schema: SCHEMA.to_owned(),
        tool: Tool {
            name: env!("CARGO_PKG_NAME").to_owned(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
        },
        started_at,
        results: results.collect(),
        duration_ms: clock::ms_since(start),
        interrupted,
        alone: false,
    }
}

fn skipped(job: &Job, why: &str) -> CheckResult {
    CheckResult {
        name: job.name.clone(),
        labels: job.labels.clone(),
        target: job.target.input.clone(),
        expect: job.expect.to_string(),
        outcome: Outcome::Skipped,
        problems: vec![why.to_owned()],
        attempts: 0,
        duration_ms: None,
        report: None,
        defined: None,
        tree: None,
    }
}

/// What all runs share.
struct Course<'a> {
    /// First come, first served: one that looks again queues behind those that wait for their first.
    slots: Semaphore,
    deadline: Option<Instant>,
    fail_on: &'a FailOn,
    vantage: &'a Vantage,
}

impl Course<'_> {
    /// Looks at one target until it is as expected or may not be looked at again.
    async fn look(&self, job: &Job) -> CheckResult {
        let mut result = skipped(job, "the total budget ended before its turn");
        let mut took = 0.0;
        let mut first: Option<Instant> = None;
        loop {
            let Some((report, begun)) = self.run(job).await else {
                return result;
            };
            took += report.duration_ms;
            let (outcome, problems) = judge(&job.expect, self.fail_on, &report);
            result = CheckResult {
                outcome,
                problems,
                attempts: result.attempts + 1,
                duration_ms: Some(clock::round_ms(took)),
                report: Some(report),
                ..result
            };
            let Some(retry) = job.retry.filter(|_| outcome != Outcome::Passed) else {
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

    /// Runs once, when there is room; also returns when it began. `None` when the total budget ends
    /// before that.
    async fn run(&self, job: &Job) -> Option<(crate::model::report::Report, Instant)> {
        // Never closed.
        let _slot = self.slots.acquire().await.ok()?;
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
        // A run is large; those that wait for their turn are many.
        let report = Box::pin(run(plan, std::future::pending(), |_| {})).await;
        Some((report, begun))
    }
}
