//! The driver: runs what the walk asks for, starts slow probes early, keeps the budget.

use std::collections::{BTreeMap, BTreeSet};
use std::future::Future;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use serde_json::{Map, Value};

use crate::engine::ask::{Question, Reply};
use crate::engine::effect;
use crate::engine::fact::{Fact, Timing};
use crate::engine::facts::{Facts, base_bindings};
use crate::engine::permit::Permit;
use crate::engine::report::{Frame, assemble, visited};
use crate::engine::walk::{Early, Effect, End, Need, Walk, walk};
use crate::model::layer::Layer;
use crate::model::outcome::{Outcome, Why};
use crate::model::report::{Report, StepEntry, TargetEntry, Vantage};
use crate::runbook::expr::Bindings;
use crate::runbook::{Kind, Runbook};
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
    /// The walk has come to a step whose probe was started before its turn and still runs.
    Due {
        /// The step's key.
        step: &'a str,
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

/// Runs the plan on this machine; nobody is asked.
///
/// `interrupt` ends it at any moment: what has not finished counts as unknown, and the report is a
/// partial one.
pub async fn run(
    plan: Plan,
    interrupt: impl Future<Output = ()>,
    on_event: impl FnMut(Event<'_>),
) -> Report {
    Session::new(plan).run(interrupt, None::<fn(_) -> std::future::Pending<Reply>>, on_event).await
}

/// A run that can be taken up again: with more known, or with a part of it forgotten.
#[derive(Debug)]
pub struct Session {
    plan: Plan,
    base: Bindings,
    facts: Facts,
    started_at: String,
    /// How long was worked so far, without the time that the user took.
    worked: Duration,
    /// What was answered beforehand: it holds for every walk.
    given: BTreeMap<String, Reply>,
    /// What the user answered last, offered first when a walk comes by the question again.
    said: BTreeMap<String, Reply>,
    /// The question about the other end that the last walk came by and nobody has answered.
    other_end: Option<Question>,
    /// Whether probes that were started early are waited for, though the walk does not need them.
    lingers: bool,
}

impl Session {
    /// Begins a run in which nothing is known yet.
    pub fn new(plan: Plan) -> Session {
        let base = base_bindings(&plan.target, &plan.params);
        let facts = Facts::live(plan.permit.clone());
        Session {
            plan,
            base,
            facts,
            started_at: clock::utc_now(),
            worked: Duration::ZERO,
            given: BTreeMap::new(),
            said: BTreeMap::new(),
            other_end: None,
            lingers: false,
        }
    }

    /// Waits for every probe that was started, so that the report holds what they saw even where the
    /// walk does not need it.
    pub fn linger(&mut self) {
        self.lingers = true;
    }

    /// Takes in an answer that was given beforehand.
    pub fn answer(&mut self, key: &str, reply: Reply) {
        if let Some(outcome) = reply.clone().outcome() {
            self.learn(key, outcome);
            self.given.insert(key.to_owned(), reply);
        }
    }

    /// Takes in what a step saw, before the walk comes to it: a server's report.
    pub fn learn(&mut self, key: &str, outcome: Outcome) {
        self.facts.add(key, Fact { args: None, outcome, timing: None });
    }

    /// Forgets what a step saw and all that came after it in the last walk, but for the answers that
    /// were given beforehand.
    pub fn forget_from(&mut self, key: &str) {
        let walk = walk(&self.plan.runbook, &self.base, &self.facts);
        let keys = walk.visits.iter().map(|visit| visit.key.as_str());
        let kept: BTreeSet<&str> = keys.take_while(|kept| *kept != key).collect();
        self.facts.keep(&kept);
        for (key, reply) in self.given.clone() {
            self.answer(&key, reply);
        }
    }

    /// Lets the walk go on behind a step that concludes.
    pub fn pass(&mut self, key: &str) {
        self.facts.pass(key);
    }

    /// Whether the runbook leads on behind the step that concluded last; returns its key.
    pub fn passable(&self) -> Option<String> {
        let walk = walk(&self.plan.runbook, &self.base, &self.facts);
        let Effect::Done(End::Concluded(_)) = &walk.effect else { return None };
        let last = walk.visits.last()?;
        let leads_on = !last.key.contains('/') && effect::onward(last.step).is_some();
        leads_on.then(|| last.key.clone())
    }

    /// Returns the question about the other end that the last run came by and nobody has answered.
    pub fn other_end(&self) -> Option<&Question> {
        self.other_end.as_ref()
    }

    /// Returns the runbook that is walked.
    pub fn runbook(&self) -> &Runbook {
        &self.plan.runbook
    }

    /// Runs what is not known yet, for at most the plan's budget, in which the time that `ask` takes
    /// does not count; without `ask` nobody is asked.
    pub async fn run<A: Future<Output = Reply>>(
        &mut self,
        interrupt: impl Future<Output = ()>,
        mut ask: Option<impl FnMut(Question) -> A>,
        mut on_event: impl FnMut(Event<'_>),
    ) -> Report {
        let runbook = Arc::clone(&self.plan.runbook);
        let mut course = Course {
            start: begun_before(self.worked),
            facts: std::mem::take(&mut self.facts),
            running: BTreeMap::new(),
            probes: FuturesUnordered::new(),
        };
        course.facts.attend(ask.is_some());
        let mut interrupt = pin!(interrupt);
        let mut budget = pin!(tokio::time::sleep(self.plan.budget));
        let mut over: Option<Why> = None;
        let mut told = 0;
        let walk = loop {
            let walk = walk(&runbook, &self.base, &course.facts);
            told = tell(&walk, told, &course.facts, &mut on_event);
            let (need, early) = match &walk.effect {
                Effect::Done(_) if self.lingers && over.is_none() && !course.probes.is_empty() => {
                    tokio::select! {
                        biased;
                        () = &mut interrupt => over = Some(Why::Interrupted),
                        Some(done) = course.probes.next() => course.finish(done, &mut on_event),
                        () = &mut budget => over = Some(Why::Budget),
                    }
                    continue;
                }
                Effect::Done(_) => break walk,
                Effect::Run(need, early) => (need, early),
                Effect::Ask(question) => {
                    let asked = clock::now();
                    let mut question = Question::clone(question);
                    if let Some(said) = self.said.get(&question.key) {
                        question.offer(said);
                    }
                    let key = question.key.clone();
                    let reply = match &mut ask {
                        Some(ask) if over.is_none() => {
                            let answered = pin!(ask(question));
                            course.wait_for(answered, interrupt.as_mut(), &mut on_event).await
                        }
                        _ => Some(Reply::Nobody),
                    };
                    if let Some(reply) = &reply {
                        self.said.insert(key.clone(), reply.clone());
                    }
                    match reply.map(Reply::outcome) {
                        None => over = Some(Why::Interrupted),
                        Some(None) => course.facts.attend(false),
                        Some(Some(outcome)) => {
                            course.facts.add(&key, Fact { args: None, outcome, timing: None });
                        }
                    }
                    let took = asked.elapsed();
                    course.start += took;
                    let deadline = budget.deadline() + took;
                    budget.as_mut().reset(deadline);
                    continue;
                }
            };
            if let Some(why) = &over {
                let (outcome, args) = (Outcome::Unknown(why.clone()), None);
                course.facts.add(&need.key, Fact { args, outcome, timing: None });
                continue;
            }
            if course.running.contains_key(&need.key) {
                on_event(Event::Due { step: &need.key });
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
        self.worked = course.start.elapsed();
        let frame = Frame {
            target: self.plan.target.clone(),
            vantage: self.plan.vantage.clone(),
            params: self.plan.params.clone(),
            started_at: self.started_at.clone(),
            duration_ms: clock::round_ms(self.worked.as_secs_f64() * 1e3),
        };
        self.other_end = open_question(&walk, &course.facts);
        let report = assemble(&runbook, walk, &course.facts, frame);
        self.facts = course.facts;
        report
    }
}

/// Finds the question about the other end that a walk came by and nobody has answered.
fn open_question(walk: &Walk<'_>, facts: &Facts) -> Option<Question> {
    let open = walk.visits.iter().rev().find(|visit| {
        let expects = matches!(visit.step.kind, Kind::Ask { expects: Some(_), .. });
        expects && facts.find(&visit.key).is_none()
    })?;
    Some(Question {
        key: open.key.clone(),
        text: open.title.clone(),
        why: open.why.clone(),
        command: open.by_hand.clone(),
        choices: Vec::new(),
        default: None,
    })
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
        let runs = self.running.get(&need.key).is_some_and(|(args, _)| *args == need.args);
        if runs || self.facts.answer(&need.key, &need.args).is_some() {
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

    /// Waits for an answer while the probes that were started early go on; `None` when interrupted.
    async fn wait_for(
        &mut self,
        mut answer: Pin<&mut impl Future<Output = Reply>>,
        mut interrupt: Pin<&mut impl Future<Output = ()>>,
        on_event: &mut impl FnMut(Event<'_>),
    ) -> Option<Reply> {
        loop {
            tokio::select! {
                biased;
                () = &mut interrupt => return None,
                reply = &mut answer => return Some(reply),
                Some(done) = self.probes.next() => self.finish(done, on_event),
            }
        }
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
            .filter(|other| self.facts.find(&other.need.key).is_none())
            .map(|other| *begun + other.after)
            .min()
    }
}

/// The moment at which a run began that has worked for so long by now.
fn begun_before(worked: Duration) -> Instant {
    let now = clock::now();
    now.checked_sub(worked).unwrap_or(now)
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
