//! The driver: runs what the walk asks for, starts slow probes early, keeps the budget.

use std::collections::BTreeMap;
use std::future::Future;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use serde_json::{Map, Value};

use crate::engine::facts::{Fact, Facts, Timing, base_bindings};
use crate::engine::permit::Permit;
use crate::engine::report::{Frame, assemble, visited};
use crate::engine::walk::{Early, Effect, Need, Walk, walk};
use crate::model::layer::Layer;
use crate::model::outcome::{Outcome, Why};
use crate::model::report::{Report, StepEntry, TargetEntry, Vantage};
use crate::runbook::Runbook;
use crate::sys::clock;

/// What is to be done.
#[derive(Debug)]
pub struct Plan {
    /// The target, as the report will carry it.
    pub target: TargetEntry,
    /// Where we look from.
    pub vantage: Vantage,
    /// The runbook.
    pub runbook: Arc<Runbook>,
    /// Its parameters, checked and complete.
    pub params: Map<String, Value>,
    /// How long the whole run may take.
    pub budget: Duration,
    /// What may be touched besides the target.
    pub permit: Permit,
}

/// What happens during a run, one way.
#[derive(Debug)]
pub enum Event<'a> {
    /// A probe started.
    Started {
        /// The step's key.
        step: &'a str,
        /// Its title.
        title: &'a str,
        /// Its layer.
        layer: Layer,
        /// Whether it was started before its turn.
        early: bool,
    },
    /// A probe finished.
    Finished {
        /// The step's key.
        step: &'a str,
        /// How long it took, in milliseconds.
        took_ms: f64,
    },
    /// The walk has passed a step.
    Walked {
        /// The step, as the report will carry it.
        entry: &'a StepEntry,
    },
}

/// Runs the plan on this machine.
///
/// `interrupt` ends it at any moment: what has not finished counts as unknown, and the report is a
/// partial one.
pub async fn run(
    plan: Plan,
    interrupt: impl Future<Output = ()>,
    mut on_event: impl FnMut(Event<'_>),
) -> Report {
    let started_at = clock::utc_now();
    let start = clock::now();
    let base = base_bindings(&plan.target, &plan.params);
    let mut course = Course {
        start,
        facts: Facts::live(plan.permit.clone()),
        running: BTreeMap::new(),
        probes: FuturesUnordered::new(),
    };
    let mut interrupt = pin!(interrupt);
    let mut budget = pin!(tokio::time::sleep(plan.budget));
    let mut over: Option<Why> = None;
    let mut told = 0;
    let walk = loop {
        let walk = walk(&plan.runbook, &base, &course.facts);
        told = tell(&walk, told, &course.facts, &mut on_event);
        let Effect::Run(need, early) = &walk.effect else {
            break walk;
        };
        if let Some(why) = &over {
            let (outcome, args) = (Outcome::Unknown(why.clone()), None);
            course.facts.add(&need.key, Fact { args, outcome, timing: None });
            continue;
        }
        course.start(need, false, &mut on_event);
        let hedge = course.next_hedge(need, early);
        tokio::select! {
            biased;
            () = &mut interrupt => over = Some(Why::Interrupted),
            Some(done) = course.probes.next() => course.finish(done, &mut on_event),
            () = &mut budget => over = Some(Why::Budget),
            () = wait_until(hedge) => {
                let waited = course.waited(need);
                for other in early.iter().filter(|other| other.after <= waited) {
                    course.start(&other.need, true, &mut on_event);
                }
            }
        }
    };
    let frame = Frame {
        target: plan.target,
        vantage: plan.vantage,
        params: plan.params,
        started_at,
        duration_ms: clock::ms_since(start),
    };
    assemble(&plan.runbook, walk, &course.facts, frame)
}

/// Builds the report of a run that could not even begin, for example without file descriptors.
pub fn unable(plan: Plan, why: Why) -> Report {
    let facts = Facts::blind(why);
    let walk = walk(&plan.runbook, &base_bindings(&plan.target, &plan.params), &facts);
    let frame = Frame {
        target: plan.target,
        vantage: plan.vantage,
        params: plan.params,
        started_at: clock::utc_now(),
        duration_ms: 0.0,
    };
    assemble(&plan.runbook, walk, &facts, frame)
}

struct Done {
    key: String,
    args: Value,
    outcome: Outcome,
    timing: Timing,
}

type Probing = Pin<Box<dyn Future<Output = Done> + Send>>;

struct Course {
    start: Instant,
    facts: Facts,
    /// Arguments and start of every probe that was started and not superseded.
    running: BTreeMap<String, (Value, Instant)>,
    probes: FuturesUnordered<Probing>,
}

impl Course {
    /// Starts a probe unless it runs already, or has run, with the same arguments.
    fn start(&mut self, need: &Need<'_>, early: bool, on_event: &mut impl FnMut(Event<'_>)) {
        if self.running.get(&need.key).is_some_and(|(args, _)| *args == need.args) {
            return;
        }
        let begun = clock::now();
        self.running.insert(need.key.clone(), (need.args.clone(), begun));
        let (key, args, start) = (need.key.clone(), need.args.clone(), self.start);
        let probe = need.spec.run(args.clone());
        self.probes.push(Box::pin(async move {
            let outcome = probe.await;
            let timing = Timing {
                started_ms: clock::round_ms((begun - start).as_secs_f64() * 1e3),
                duration_ms: clock::ms_since(begun),
            };
            Done { key, args, outcome, timing }
        }));
        let (step, title, layer) = (need.key.as_str(), need.title.as_str(), need.step.layer);
        on_event(Event::Started { step, title, layer, early });
    }

    fn finish(&mut self, done: Done, on_event: &mut impl FnMut(Event<'_>)) {
        // A probe started early with arguments that have changed since speaks of something else.
        if self.running.get(&done.key).is_none_or(|(args, _)| *args != done.args) {
            return;
        }
        on_event(Event::Finished { step: &done.key, took_ms: done.timing.duration_ms });
        let Done { key, args, outcome, timing } = done;
        self.facts.add(&key, Fact { args: Some(args), outcome, timing: Some(timing) });
    }

    fn waited(&self, need: &Need<'_>) -> Duration {
        self.running.get(&need.key).map_or(Duration::ZERO, |(_, begun)| begun.elapsed())
    }

    /// Says when the next probe is to be started early.
    fn next_hedge(&self, need: &Need<'_>, early: &[Early<'_>]) -> Option<Instant> {
        let (_, begun) = self.running.get(&need.key)?;
        early
            .iter()
            .filter(|other| !self.running.contains_key(&other.need.key))
            .map(|other| *begun + other.after)
            .min()
    }
}

async fn wait_until(when: Option<Instant>) {
    match when {
        Some(when) => clock::sleep_until(when.into()).await,
        None => std::future::pending().await,
    }
}

/// Reports the steps that the walk has passed since the last time.
fn tell(
    walk: &Walk<'_>,
    told: usize,
    facts: &Facts,
    on_event: &mut impl FnMut(Event<'_>),
) -> usize {
    for (nth, visit) in walk.visits.iter().enumerate().skip(told) {
        let next = walk.visits.get(nth + 1).map(|next| next.key.as_str());
        let entry = visited(visit, next, facts);
        on_event(Event::Walked { entry: &entry });
    }
    walk.visits.len()
}
