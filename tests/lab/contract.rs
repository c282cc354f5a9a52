//! What every report must keep to.

use serde_json::Value;

use crate::expect::{list, text};
use crate::run::Ran;

/// What every report must keep to, whatever it says.
pub(crate) fn broken_by(ran: &Ran, report: &Value) -> Vec<String> {
    let mut broken = Vec::new();
    let mut must = |holds: bool, what: &str| {
        if !holds {
            broken.push(format!("contract: {what}"));
        }
    };
    must(report["schema"] == "tcpdoctor.report/1", "the schema is tcpdoctor.report/1");
    must(report["tool"]["name"] == "tcpdoctor", "the tool has a name");
    must(report["target"]["input"].is_string(), "the target is there as it was written");
    must(report["vantage"]["uid"].is_u64(), "the vantage has a uid");
    must(report["runbook"]["sha256"].as_str().is_some_and(|s| s.len() == 64), "the runbook's hash");
    let total = report["duration_ms"].as_f64();
    must(total.is_some_and(|ms| ms >= 0.0), "the duration is a number");
    must(!ran.stderr.contains("panicked"), "no panic");

    let verdict = text(&report["verdict"]);
    let diagnosis = &report["diagnosis"];
    must(diagnosis.is_null() == (verdict == "healthy"), "the diagnosis is null iff healthy");
    let code = match verdict.as_str() {
        "healthy" | "degraded" => 0,
        "fault" => 1,
        _ => 3,
    };
    must(ran.code == Some(code), &format!("exit code {code} for {verdict}, was {:?}", ran.code));
    match verdict.as_str() {
        "degraded" => must(diagnosis["severity"] == "warning", "degraded is a warning"),
        "fault" => must(diagnosis["severity"] == "critical", "a fault is critical"),
        _ => {}
    }

    let steps = list(&report["steps"]);
    let allowed = |step: &Value| !text(&step["unknown"]["capability"]).starts_with("--allow");
    must(
        steps.iter().all(allowed),
        "the built-in runbooks contact the target and the way to it only",
    );
    let has_step = |id: &Value| steps.iter().any(|step| step["id"] == *id);
    for id in list(&report["path"]) {
        must(has_step(id), &format!("the path's step {id} exists"));
    }
    must(!list(&report["path"]).is_empty(), "the path is not empty");
    for step in steps {
        let id = text(&step["id"]);
        let unknown = step["status"] == "unknown";
        must(unknown != step["unknown"].is_null(), &format!("{id}: unknown has a reason"));
        must(!unknown || step["observation"].is_null(), &format!("{id}: unknown saw nothing"));
        for key in ["started_ms", "duration_ms"] {
            let number = step[key].as_f64();
            must(
                step[key].is_null() || number.is_some_and(|ms| ms >= 0.0),
                &format!("{id}: {key} is a time"),
            );
        }
        let order = step["started_ms"].as_f64().zip(total);
        must(order.is_none_or(|(at, end)| at <= end + 1.0), &format!("{id}: starts in the run"));
    }
    let twice = list(&report["findings"]).iter().any(|finding| finding["id"] == diagnosis["id"]);
    must(!twice, "the diagnosis is not a finding as well");
    for told in std::iter::once(diagnosis).chain(list(&report["findings"])) {
        if told.is_null() {
            continue;
        }
        let id = text(&told["id"]);
        must(id.contains('.'), &format!("{id} is layer.problem"));
        for key in ["title", "summary", "severity", "confidence", "layer"] {
            let there = told[key].as_str().is_some_and(|s| !s.trim().is_empty());
            must(there, &format!("{id}: {key} is there"));
        }
        let words = told.to_string();
        must(!words.contains("{{"), &format!("{id}: no template is left open"));
        must(!list(&told["evidence"]).is_empty(), &format!("{id}: there is evidence"));
        for evidence in list(&told["evidence"]) {
            let step = &evidence["step"];
            must(has_step(step), &format!("{id}: the evidence's step {step} exists"));
        }
        let at = &told["location"];
        let located = match at["kind"].as_str() {
            Some("here") => true,
            Some("hop") => at["hop"].as_u64() > Some(0) && at["address"].is_string(),
            Some("path") => match at["hop"].as_u64() {
                Some(0) => at["address"].is_null(),
                // Without a hop it is the way to that address as a whole.
                Some(_) | None => at["address"].is_string(),
            },
            Some("target" | "resolver") => at["address"].is_string(),
            _ => false,
        };
        must(located, &format!("{id}: the location {at} is whole"));
    }
    broken
}
