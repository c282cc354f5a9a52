//! How much of a runbook its tests reach.

use crate::engine::arm::arms;
use crate::engine::rehearse::Ran;
use crate::model::rehearsal::{Coverage, Rehearsal, SCHEMA, StepCovered};
use crate::model::report::Tool;
use crate::runbook::Runbook;
use crate::runbook::rehearsal::Suite;

/// Counts the results of many tests.
#[derive(Debug, Default)]
pub struct Tally {
    rehearsal: Option<Rehearsal>,
    /// The runbooks' digests, beside the rehearsal's coverage.
    digests: Vec<String>,
}

impl Tally {
    /// Adds what came of one test.
    pub fn add(&mut self, suite: &Suite, ran: Ran) {
        let runbook = &suite.runbook;
        let at = self.digests.iter().position(|digest| *digest == runbook.sha256);
        let rehearsal = self.rehearsal.get_or_insert_with(empty);
        let at = at.unwrap_or_else(|| {
            self.digests.push(runbook.sha256.clone());
            rehearsal.coverage.push(nothing(runbook));
            rehearsal.coverage.len() - 1
        });
        let coverage = &mut rehearsal.coverage[at];
        coverage.tests += 1;
        for arm in ran.taken {
            coverage.arms[arm].hits += 1;
        }
        for step in &mut coverage.steps {
            step.hits += usize::from(ran.report.path.contains(&step.step));
        }
        rehearsal.tests.push(ran.rehearsed);
    }

    /// Ends counting.
    pub fn finish(self) -> Rehearsal {
        self.rehearsal.unwrap_or_else(empty)
    }
}

fn empty() -> Rehearsal {
    Rehearsal {
        schema: SCHEMA.to_owned(),
        tool: Tool {
            name: env!("CARGO_PKG_NAME").to_owned(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
        },
        tests: Vec::new(),
        coverage: Vec::new(),
    }
}

fn nothing(runbook: &Runbook) -> Coverage {
    let arms = runbook
        .steps
        .iter()
        .flat_map(|step| arms(step).into_iter().map(move |arm| arm.covered(runbook, step)));
    Coverage {
        runbook: runbook.name.clone(),
        source: runbook.source.clone(),
        tests: 0,
        steps: runbook
            .steps
            .iter()
            .map(|step| StepCovered { step: step.id.clone(), hits: 0 })
            .collect(),
        arms: arms.collect(),
    }
}
