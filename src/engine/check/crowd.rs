//! What the runs beside a run may have done to its result.
//!
//! 1. A crowd takes answers away; it makes none. A healthy target is healthy, where every attempt was
//!    refused by a RST nothing is missing, and who rejected them has said so.
//! 2. What only this machine's tables say (routes, links) is the same in a crowd.
//! 3. To an address of this machine there are no routers and no limits of others on the way.
//! 4. Everything else may rest on an ICMP error that a router did not send any more, on counters that
//!    others moved, on a server's limit that all together reached, on a budget that others used up.

use serde_json::Value;

use crate::model::check::CheckResult;
use crate::model::expect::Judgement;
use crate::model::layer::Layer;
use crate::model::report::{Report, StepEntry, Verdict};

/// The problem of a target whose diagnosis was expected by name and could not be confirmed alone.
pub(super) const NOT_CONFIRMED: &str = "seen beside other targets only, whose number may have kept \
    routers from answering; there was no time to look again alone";

/// Says whether a result that came in company may have come otherwise alone.
pub(super) fn may_have_swayed(result: &CheckResult) -> bool {
    let Some(report) = &result.report else {
        return false;
    };
    match report.verdict {
        // An expectation of time, then.
        Verdict::Healthy => result.outcome != Judgement::Passed,
        Verdict::Inconclusive => true,
        Verdict::Degraded | Verdict::Fault => {
            let layer = report.diagnosis.as_ref().map(|diagnosis| diagnosis.layer);
            let tables = matches!(layer, Some(Layer::Route | Layer::Link));
            !tables && !is_own(report) && !answered(report)
        }
    }
}

fn is_own(report: &Report) -> bool {
    word(report, "route", "outcome") == Some("local")
        || word(report, "listeners", "outcome").is_some()
}

fn answered(report: &Report) -> bool {
    let seen = observed(report, "tcp_connect");
    let number = |name| seen.and_then(|seen| seen.get(name)?.as_u64());
    match word(report, "tcp_connect", "outcome") {
        Some("refused") => {
            number("refused").is_some_and(|refused| number("attempts") == Some(refused))
        }
        Some("rejected") => number("opened") == Some(0) && number("refused") == Some(0),
        _ => false,
    }
}

fn word<'a>(report: &'a Report, probe: &str, field: &str) -> Option<&'a str> {
    observed(report, probe)?.get(field).and_then(Value::as_str)
}

/// What the first walked step of a probe saw.
fn observed<'a>(report: &'a Report, probe: &str) -> Option<&'a Value> {
    let walked =
        |step: &&StepEntry| step.probe.as_deref() == Some(probe) && report.path.contains(&step.id);
    report.steps.iter().find(walked)?.observation.as_ref()
}
