//! What ran when: slow steps that were started early stand beside the one they did not wait for.

use super::put::put;
use super::{path, signs};
use crate::model::report::{Report, StepEntry};
use crate::render::words;
use crate::render::xml::prose;

/// A step that ran.
struct Run<'a> {
    step: &'a StepEntry,
    start: f64,
    took: f64,
    /// On the way, or only started early.
    walked: bool,
    /// The step that was still waiting when this one started.
    beside: Option<&'a str>,
}

/// Renders the section; empty when nothing was timed.
pub(super) fn section(report: &Report, level: u8) -> String {
    let runs = runs(report);
    let mut out = String::new();
    if runs.is_empty() {
        return out;
    }
    let end = runs.iter().map(|run| run.start + run.took).fold(report.duration_ms, f64::max);
    put!(out, "<section>\n<h{level}>What ran when</h{level}>");
    if runs.iter().any(|run| run.beside.is_some()) {
        put!(
            out,
            "<p>Steps marked <em>early</em> were started while another one was still waiting.</p>"
        );
    }
    put!(
        out,
        "<div class=\"scroll\" tabindex=\"0\" role=\"region\" aria-label=\"What ran when\"><table class=\"timeline\"><thead><tr><th scope=\"col\">Step</th><th scope=\"col\" class=\"wide\">0 to {}</th><th scope=\"col\" class=\"number\">Began</th><th scope=\"col\" class=\"number\">Took</th></tr></thead>\n<tbody>",
        words::duration(end)
    );
    for run in &runs {
        let (from, width) = share(run.start, run.took, end);
        let class = if run.walked { "ran" } else { "ran spare" };
        let note = match (run.beside, run.walked) {
            (Some(other), true) => format!("early, beside {}", prose(other)),
            (Some(other), false) => format!("early, beside {}; not needed", prose(other)),
            (None, false) => "not needed".to_owned(),
            (None, true) => String::new(),
        };
        put!(
            out,
            "<tr><th scope=\"row\">{} {}<span class=\"small\">{note}</span></th>",
            signs::sign(run.step.status),
            prose(&run.step.id)
        );
        put!(
            out,
            "<td class=\"wide\"><svg class=\"bar {class}\" viewBox=\"0 0 1000 12\" preserveAspectRatio=\"none\" aria-hidden=\"true\"><rect class=\"ground\" width=\"1000\" height=\"12\"/><rect class=\"value\" x=\"{from:.0}\" width=\"{width:.0}\" height=\"12\"/></svg></td>"
        );
        put!(
            out,
            "<td class=\"number\">{}</td><td class=\"number\">{}</td></tr>",
            words::duration(run.start),
            words::duration(run.took)
        );
    }
    put!(out, "</tbody></table></div>\n</section>");
    out
}

/// Returns where a bar begins and how wide it is, in thousandths; what is short can still be seen.
fn share(start: f64, took: f64, end: f64) -> (f64, f64) {
    if !(end.is_finite() && end > 0.0) {
        return (0.0, 1000.0);
    }
    let from = (start / end * 1000.0).clamp(0.0, 994.0);
    (from, (took / end * 1000.0).clamp(6.0, 1000.0 - from))
}

fn runs(report: &Report) -> Vec<Run<'_>> {
    let walked = path::walked(report);
    let timed = |step: &StepEntry| {
        let times = (step.started_ms?, step.duration_ms?);
        let real = |ms: f64| ms.is_finite() && ms >= 0.0;
        (real(times.0) && real(times.1)).then_some(times)
    };
    let all = walked.iter().copied().map(|step| (step, true));
    let all = all.chain(path::aside(report).into_iter().map(|step| (step, false)));
    let mut runs: Vec<Run<'_>> = all
        .filter_map(|(step, on_the_way)| {
            let (start, took) = timed(step)?;
            let nth = walked.iter().position(|other| std::ptr::eq(*other, step));
            let before = &walked[..nth.unwrap_or(walked.len())];
            // The first in the walk that ended only after this one began.
            let beside = before.iter().find(|other| {
                timed(other).is_some_and(|(from, long)| from <= start && start < from + long)
            });
            let beside = beside.map(|other| other.id.as_str());
            Some(Run { step, start, took, walked: on_the_way, beside })
        })
        .collect();
    runs.sort_by(|a, b| a.start.total_cmp(&b.start));
    runs
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bars_stay_within_their_ground() {
        for (start, took, end) in
            [(0.0, 0.0, 10.0), (10.0, 0.0, 10.0), (9.99, 5.0, 10.0), (1.0, 1.0, 0.0)]
        {
            let (from, width) = share(start, took, end);
            assert!(from >= 0.0 && width >= 6.0 && from + width <= 1000.0, "{start} {took} {end}");
        }
    }
}
