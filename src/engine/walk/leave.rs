//! How a step is left: the branch that is taken, where it leads, and what is told of it.

use serde_json::{Value, json};

use crate::engine::effect::{End, otherwise};
use crate::engine::{ask, conclude};
use crate::model::diagnosis::Diagnosis;
use crate::model::outcome::Why;
use crate::model::report::{Status, Verdict};
use crate::runbook::expr::{Bindings, Expr, Known};
use crate::runbook::{Branch, Kind, Runbook, Step};

/// Where a step leads.
pub(super) enum Leave {
    Goto(usize),
    End(End),
}

impl Leave {
    pub(super) fn concluded(diagnosis: Diagnosis) -> Leave {
        Leave::End(End::Concluded(Box::new(diagnosis)))
    }

    /// Returns how a step counts that leads here, unless its branch says.
    pub(super) fn status(&self, blind: bool) -> Status {
        match self {
            _ if blind => Status::Unknown,
            Leave::End(End::Concluded(diagnosis)) => match conclude::verdict_of(diagnosis) {
                Verdict::Inconclusive => Status::Unknown,
                Verdict::Fault => Status::Fail,
                Verdict::Degraded => Status::Warn,
                Verdict::Healthy => Status::Pass,
            },
            Leave::End(End::Open) => Status::Unknown,
            Leave::Goto(_) | Leave::End(End::Healthy) => Status::Pass,
        }
    }

    /// Names what was concluded; empty on the way to another step.
    pub(super) fn name(&self) -> String {
        match self {
            Leave::Goto(_) => String::new(),
            Leave::End(End::Healthy) => "healthy".to_owned(),
            Leave::End(End::Open) => "inconclusive".to_owned(),
            Leave::End(End::Concluded(diagnosis)) => diagnosis.id.clone(),
        }
    }
}

/// Takes the first branch whose condition is true; the `unknown` arm when one is unknown before.
pub(super) fn choose<'a>(step: &'a Step, names: &Bindings) -> Result<&'a Branch, Why> {
    for branch in &step.branches {
        let Some(when) = &branch.when else { return Ok(branch) };
        match when.eval(names) {
            Known::Value(Value::Bool(true)) => return Ok(branch),
            Known::Value(_) => {}
            Known::Unknown(on) => return otherwise(step).ok_or(Why::Depends { on }),
        }
    }
    otherwise(step).ok_or(Why::Depends { on: "a branch that fits".to_owned() })
}

/// Whether a branch concludes from what was seen in one of these steps, and not because nothing else
/// is left.
pub(super) fn rests_on(branch: &Branch, steps: &[&str]) -> bool {
    let names = branch.when.as_ref().map(Expr::names).unwrap_or_default();
    names.iter().any(|(name, _)| name == "result" || steps.contains(&name.as_str()))
}

/// Says what a step saw in one line.
pub(super) fn brief(step: &Step, seen: Option<&Value>, names: &Bindings) -> Option<String> {
    match &step.kind {
        Kind::Probe { spec, .. } => spec.brief(seen?),
        Kind::Ask { .. } => ask::told(step, Some(seen?), names),
        Kind::Decide | Kind::Use { .. } => None,
    }
}

/// Makes the result of a step that used another runbook.
pub(super) fn used_result(end: &End, runbook: &Runbook, mut names: Bindings) -> Value {
    let ids = runbook.steps.iter().map(|step| &step.id);
    let seen = ids.filter_map(|id| Some((id.clone(), names.values.remove(id)?)));
    let steps = Value::Object(seen.collect());
    match end {
        // What a used runbook concludes counts, so that `Open` does not come here.
        End::Healthy | End::Open => json!({"verdict": "healthy", "id": null, "steps": steps}),
        End::Concluded(diagnosis) => {
            let verdict = conclude::verdict_of(diagnosis).name();
            json!({"verdict": verdict, "id": diagnosis.id, "steps": steps})
        }
    }
}
