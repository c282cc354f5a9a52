//! Many targets: the counts, the matrix, and each target's report in a fold.

use super::put::put;
use super::report::article;
use super::{Depth, path, signs, time};
use crate::model::check::{Check, CheckResult};
use crate::model::expect::Judgement;
use crate::model::layer::Layer;
use crate::model::report::Status;
use crate::render::words;
use crate::render::xml::prose;

const OUTCOMES: [Judgement; 4] =
    [Judgement::Failed, Judgement::Error, Judgement::Passed, Judgement::Skipped];

/// The head of the page: what came of all of them, and one row a target.
pub(super) fn index(check: &Check) -> String {
    let mut out = String::new();
    let worst = match check {
        check if check.count(Judgement::Failed) > 0 => "fault",
        check if check.count(Judgement::Error) > 0 || check.interrupted => "inconclusive",
        check if check.count(Judgement::Passed) == 0 => "inconclusive",
        _ => "healthy",
    };
    put!(out, "<header class=\"verdict {worst}\">");
    put!(
        out,
        "<h1>{} of {} targets passed</h1>",
        check.count(Judgement::Passed),
        check.results.len()
    );
    let took = words::duration(check.duration_ms);
    put!(out, "<p class=\"summary\">Checked {}, for {took}.</p>", time(&check.started_at));
    if check.interrupted {
        put!(
            out,
            "<p class=\"summary\">The check was interrupted: what had not ended by then was not looked at.</p>"
        );
    }
    put!(out, "<ul class=\"counts\">");
    for outcome in OUTCOMES {
        let count = check.count(outcome);
        if count > 0 {
            put!(
                out,
                "<li>{} <strong>{count}</strong> {}</li>",
                signs::outcome_sign(outcome),
                signs::outcome_word(outcome)
            );
        }
    }
    put!(out, "</ul>\n</header>");
    if !check.results.is_empty() {
        matrix(check, &mut out);
    }
    out
}

/// The layers that any target's walk looked at, in the ladder's order.
fn layers(check: &Check) -> Vec<Layer> {
    let reports = check.results.iter().filter_map(|result| result.report.as_ref());
    let seen: Vec<Layer> = reports
        .flat_map(|report| path::walked(report).into_iter().map(|step| step.layer))
        .collect();
    Layer::ALL.into_iter().filter(|layer| seen.contains(layer)).collect()
}

fn matrix(check: &Check, out: &mut String) {
    let layers = layers(check);
    put!(out, "<section>\n<h2>Targets</h2>");
    // Shown by the script: without it there is nothing to filter with.
    put!(out, "<form class=\"filter\" id=\"filter\" hidden>");
    put!(
        out,
        "<label>Find <input type=\"search\" id=\"find\" placeholder=\"name, cause, label\"></label>"
    );
    for outcome in OUTCOMES {
        let count = check.count(outcome);
        if count > 0 {
            put!(
                out,
                "<label class=\"tick\"><input type=\"checkbox\" value=\"{}\" checked> {} {} ({count})</label>",
                outcome.name(),
                signs::outcome_sign(outcome),
                signs::outcome_word(outcome)
            );
        }
    }
    put!(out, "<output id=\"shown\" aria-live=\"polite\"></output></form>");
    put!(
        out,
        "<div class=\"scroll\" tabindex=\"0\" role=\"region\" aria-label=\"Targets and layers\"><table class=\"matrix\" id=\"matrix\">"
    );
    put!(
        out,
        "<caption class=\"said\">What came of each target, layer by layer</caption>\n<thead><tr><th scope=\"col\">Target</th><th scope=\"col\">Result</th><th scope=\"col\">Cause</th>"
    );
    for layer in &layers {
        put!(out, "<th scope=\"col\" class=\"turned\"><span>{}</span></th>", layer.name());
    }
    put!(out, "<th scope=\"col\" class=\"number\">Time</th></tr></thead>\n<tbody>");
    for (nth, result) in check.results.iter().enumerate() {
        row(result, nth, &layers, out);
    }
    put!(out, "</tbody></table></div>\n</section>");
}

fn row(result: &CheckResult, nth: usize, layers: &[Layer], out: &mut String) {
    let labels: Vec<String> =
        result.labels.iter().map(|(name, value)| format!("{name}={value}")).collect();
    put!(out, "<tr data-outcome=\"{}\">", result.outcome.name());
    put!(out, "<th scope=\"row\"><a href=\"#t{nth}\">{}</a>", prose(&result.name));
    if result.name != result.target {
        put!(out, "<span class=\"small\">{}</span>", prose(&result.target));
    }
    if !labels.is_empty() {
        put!(out, "<span class=\"small\">{}</span>", prose(&labels.join(", ")));
    }
    put!(out, "</th>");
    put!(
        out,
        "<td class=\"result\">{} {}</td>",
        signs::outcome_sign(result.outcome),
        signs::outcome_word(result.outcome)
    );
    let diagnosis = result.report.as_ref().and_then(|report| report.diagnosis.as_ref());
    match diagnosis {
        Some(diagnosis) => {
            put!(out, "<td><code>{}</code></td>", prose(&diagnosis.id));
        }
        None => {
            put!(out, "<td></td>");
        }
    }
    for layer in layers {
        let worst = result.report.as_ref().and_then(|report| {
            let steps = path::walked(report).into_iter();
            steps.filter(|step| step.layer == *layer).map(|step| step.status).max_by_key(rank)
        });
        let sign = worst.map(signs::sign).unwrap_or_default();
        put!(out, "<td class=\"cell\">{sign}</td>");
    }
    let took = result.duration_ms.map(words::duration).unwrap_or_default();
    put!(out, "<td class=\"number\">{took}</td></tr>");
}

fn rank(status: &Status) -> u8 {
    match status {
        Status::Fail => 4,
        Status::Warn => 3,
        Status::Unknown => 2,
        Status::Pass => 1,
        Status::Skipped => 0,
    }
}

/// One target, folded; what did not pass and is the only one is open.
pub(super) fn target(result: &CheckResult, nth: usize, depth: Depth) -> String {
    let mut out = String::new();
    let diagnosis = result.report.as_ref().and_then(|report| report.diagnosis.as_ref());
    let cause = diagnosis.map(|d| format!(" <code>{}</code>", prose(&d.id))).unwrap_or_default();
    put!(
        out,
        "<details class=\"target\" id=\"t{nth}\"><summary>{} <span class=\"name\">{}</span> {}{cause}</summary>",
        signs::outcome_sign(result.outcome),
        prose(&result.name),
        signs::outcome_word(result.outcome)
    );
    out.push_str(&article(result, &format!("t{nth}"), depth, 2));
    put!(out, "<p class=\"small\"><a href=\"#matrix\">Back to all targets</a></p></details>");
    out
}
