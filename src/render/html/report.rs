//! One target's report: the answer first, then what it rests on.

use super::anchor::id;
use super::put::put;
use super::{Depth, observed, path, signs, time, timeline};
use crate::model::check::CheckResult;
use crate::model::diagnosis::{Confidence, Diagnosis, Severity};
use crate::model::expect::Judgement;
use crate::model::report::{Report, Status, StepEntry, Verdict};
use crate::render::xml::{self, attribute, prose};
use crate::render::{graph, words};

/// Renders a target; ids begin with `key`, headings with this level.
pub(super) fn article(result: &CheckResult, key: &str, depth: Depth, level: u8) -> String {
    let mut out = String::new();
    let Some(report) = &result.report else {
        put!(out, "<article>\n<header class=\"verdict skipped\">");
        put!(out, "<p class=\"badge\">{} NOT RUN</p>", signs::sign(Status::Skipped));
        put!(out, "<h{level}>{}</h{level}>", prose(&result.name));
        put!(out, "<p class=\"summary\">This target was not looked at.</p>");
        problems(result, &mut out);
        put!(out, "</header>\n</article>");
        return out;
    };
    let page = Page { result, report, key, level: level + 1 };
    put!(out, "<article>");
    page.verdict(level, &mut out);
    if let Some(diagnosis) = &report.diagnosis {
        page.remedies(diagnosis, &mut out);
        page.reasons(diagnosis, &mut out);
        page.alternatives(diagnosis, &mut out);
    }
    page.findings(&mut out);
    page.steps(depth, &mut out);
    for section in observed::sections(report, page.level) {
        out.push_str(&section);
    }
    out.push_str(&timeline::section(report, page.level));
    if depth == Depth::Whole {
        page.tree(&mut out);
    }
    page.particulars(&mut out);
    put!(out, "</article>");
    out
}

struct Page<'a> {
    result: &'a CheckResult,
    report: &'a Report,
    key: &'a str,
    level: u8,
}

impl Page<'_> {
    fn heading(&self, title: &str, out: &mut String) {
        put!(out, "<section>\n<h{0}>{title}</h{0}>", self.level);
    }

    /// The verdict, one sentence, where, and how sure.
    fn verdict(&self, level: u8, out: &mut String) {
        let report = self.report;
        let name = report.verdict.name();
        put!(out, "<header class=\"verdict {name}\">");
        put!(
            out,
            "<p class=\"badge\">{} {}</p>",
            signs::verdict_sign(report.verdict),
            words::verdict(report.verdict)
        );
        put!(out, "<h{level}>{}</h{level}>", prose(&report.target.input));
        match &report.diagnosis {
            Some(diagnosis) => {
                put!(
                    out,
                    "<p class=\"title\">{} <code>{}</code></p>",
                    prose(&diagnosis.title),
                    prose(&diagnosis.id)
                );
                put!(out, "<p class=\"summary\">{}</p>", prose(&diagnosis.summary));
            }
            None => {
                put!(out, "<p class=\"summary\">{}</p>", prose(&healthy_sentence(report)));
            }
        }
        self.expectation(out);
        put!(out, "<dl>");
        if let Some(diagnosis) = &report.diagnosis {
            fact("Where", &prose(&words::place(&diagnosis.location)), out);
            if report.verdict != Verdict::Inconclusive {
                fact("How sure", &confidence(diagnosis.confidence), out);
            }
        }
        let from = &report.vantage.hostname;
        fact("Looked from", &prose(from), out);
        let took = words::duration(report.duration_ms);
        fact("When", &format!("{}, for {took}", time(&report.started_at)), out);
        put!(out, "</dl>\n</header>");
    }

    /// What was expected, when it says something that the verdict does not.
    fn expectation(&self, out: &mut String) {
        let result = self.result;
        let plain = result.expect == "healthy" && result.outcome != Judgement::Skipped;
        if !plain {
            put!(
                out,
                "<p class=\"expect\">{} Expected {}: {}.</p>",
                signs::outcome_sign(result.outcome),
                prose(&result.expect),
                signs::outcome_word(result.outcome)
            );
            problems(result, out);
        }
        if result.attempts > 1 {
            put!(out, "<p class=\"expect\">The last of {} attempts.</p>", result.attempts);
        }
    }

    fn remedies(&self, diagnosis: &Diagnosis, out: &mut String) {
        if diagnosis.remedies.is_empty() {
            return;
        }
        self.heading("What to do", out);
        put!(out, "<ol class=\"remedies\">");
        for remedy in &diagnosis.remedies {
            let sentence = prose(remedy.text.trim().trim_end_matches([':', '.']));
            let place = words::remedy_place(remedy.place);
            put!(out, "<li><p>{sentence} <span class=\"where\">{place}</span></p>");
            let command = remedy.command.as_deref().filter(|command| !command.trim().is_empty());
            if let Some(command) = command {
                out.push_str(&to_copy(command));
            }
            put!(out, "</li>");
        }
        put!(out, "</ol>\n</section>");
    }

    fn reasons(&self, diagnosis: &Diagnosis, out: &mut String) {
        if diagnosis.evidence.is_empty() && diagnosis.ruled_out.is_empty() {
            return;
        }
        self.heading("Why", out);
        if !diagnosis.evidence.is_empty() {
            put!(out, "<ul class=\"evidence\">");
            for evidence in &diagnosis.evidence {
                let step = self.report.steps.iter().find(|step| step.id == evidence.step);
                let link = match step.filter(|step| self.report.path.contains(&step.id)) {
                    Some(step) => format!(
                        "<a href=\"#{}\">{}</a>",
                        self.step_id(step),
                        prose(step.layer.name())
                    ),
                    None => prose(&evidence.step),
                };
                put!(out, "<li>{link}: {}</li>", prose(&evidence.text));
            }
            put!(out, "</ul>");
        }
        if !diagnosis.ruled_out.is_empty() {
            put!(out, "<h{0}>What it is not</h{0}>\n<ul class=\"not\">", self.level + 1);
            for ruled_out in &diagnosis.ruled_out {
                put!(
                    out,
                    "<li><code>{}</code>: {}</li>",
                    prose(&ruled_out.id),
                    prose(&ruled_out.why)
                );
            }
            put!(out, "</ul>");
        }
        put!(out, "</section>");
    }

    fn alternatives(&self, diagnosis: &Diagnosis, out: &mut String) {
        if diagnosis.alternatives.is_empty() {
            return;
        }
        self.heading("What else it could be", out);
        put!(
            out,
            "<div class=\"scroll\" tabindex=\"0\" role=\"region\" aria-label=\"What else it could be\"><table>"
        );
        put!(
            out,
            "<thead><tr><th scope=\"col\">Cause</th><th scope=\"col\">What tells them apart</th></tr></thead><tbody>"
        );
        for other in &diagnosis.alternatives {
            put!(
                out,
                "<tr><th scope=\"row\"><code>{}</code></th><td>{}</td></tr>",
                prose(&other.id),
                prose(&other.separate_by)
            );
        }
        put!(out, "</tbody></table></div>\n</section>");
    }

    fn findings(&self, out: &mut String) {
        if self.report.findings.is_empty() {
            return;
        }
        self.heading("Noted on the way", out);
        put!(out, "<ul class=\"findings\">");
        for finding in &self.report.findings {
            put!(
                out,
                "<li>{} <strong>{}</strong> <code>{}</code><br>{}",
                signs::severity_sign(finding.severity),
                prose(&finding.title),
                prose(&finding.id),
                prose(&finding.summary)
            );
            for remedy in &finding.remedies {
                if let Some(command) = remedy.command.as_deref() {
                    put!(
                        out,
                        "<p class=\"small\">{}:</p>",
                        prose(remedy.text.trim().trim_end_matches([':', '.']))
                    );
                    out.push_str(&to_copy(command));
                }
            }
            put!(out, "</li>");
        }
        put!(out, "</ul>\n</section>");
    }

    /// What each step saw, in the order of the walk; what was measured is folded.
    fn steps(&self, depth: Depth, out: &mut String) {
        self.heading("What each step saw", out);
        put!(out, "<ol class=\"steps\">");
        for step in path::walked(self.report) {
            self.step(step, depth, out);
        }
        put!(out, "</ol>");
        let aside: Vec<&StepEntry> = path::aside(self.report);
        if !aside.is_empty() {
            put!(
                out,
                "<details><summary>Looked at early and not needed ({})</summary>",
                aside.len()
            );
            put!(out, "<ol class=\"steps\">");
            for step in aside {
                self.step(step, depth, out);
            }
            put!(out, "</ol></details>");
        }
        put!(out, "</section>");
    }

    fn step(&self, step: &StepEntry, depth: Depth, out: &mut String) {
        put!(
            out,
            "<li id=\"{}\" class=\"step {}\">",
            self.step_id(step),
            status_class(step.status)
        );
        let time = step.duration_ms.map(words::duration).unwrap_or_default();
        put!(
            out,
            "<p class=\"step-head\">{} <span class=\"layer\">{}</span> <strong>{}</strong> <span class=\"took\">{time}</span></p>",
            signs::sign(step.status),
            step.layer.name(),
            prose(&step.title)
        );
        match (&step.text, &step.unknown) {
            (Some(seen), _) => {
                put!(out, "<p>{}</p>", prose(seen));
            }
            (None, Some(why)) => {
                put!(out, "<p>Could not look: {}.</p>", prose(&why.to_string()));
            }
            (None, None) => {}
        }
        if let Some(branch) = &step.branch {
            let why = match &branch.when {
                Some(when) => format!("because <code>{}</code>", prose(when)),
                None if step.unknown.is_some() => "because it could not look".to_owned(),
                None => "because nothing else fitted".to_owned(),
            };
            put!(out, "<p class=\"small\">→ <code>{}</code> {why}</p>", prose(&branch.to));
        }
        self.folded(step, depth, out);
        put!(out, "</li>");
    }

    /// How to do it by hand, and everything that was measured.
    fn folded(&self, step: &StepEntry, depth: Depth, out: &mut String) {
        let by_hand = step.by_hand.as_deref().filter(|text| !text.trim().is_empty());
        let seen = step.observation.as_ref().filter(|_| depth != Depth::Brief);
        let summary = match (by_hand, seen) {
            (None, None) => return,
            (Some(_), None) => "By hand",
            (None, Some(_)) => "Everything measured",
            (Some(_), Some(_)) => "By hand, and everything measured",
        };
        put!(out, "<details class=\"raw\"><summary>{summary}</summary>");
        if let Some(by_hand) = by_hand {
            out.push_str(&to_copy(by_hand));
        }
        if let Some(seen) = seen {
            let probe = step.probe.as_deref().unwrap_or(&step.id);
            let json = serde_json::to_string_pretty(seen).unwrap_or_default();
            put!(out, "<p class=\"small\">What <code>{}</code> saw:</p>", prose(probe));
            put!(out, "<pre tabindex=\"0\">{}</pre>", xml::text(&json));
        }
        put!(out, "</details>");
    }

    fn step_id(&self, step: &StepEntry) -> String {
        let nth = self.report.steps.iter().position(|other| std::ptr::eq(other, step));
        format!("{}-{}-{}", self.key, nth.unwrap_or_default(), id(&step.id))
    }

    fn tree(&self, out: &mut String) {
        let Some(tree) = &self.result.tree else { return };
        self.heading("The way through the runbook", out);
        put!(
            out,
            "<p>Runbook <code>{}</code>: {} The way taken is drawn bold; of the other steps only the names are shown.</p>",
            prose(&tree.name),
            prose(&tree.title)
        );
        put!(
            out,
            "<div class=\"scroll tree-box\" tabindex=\"0\" role=\"region\" aria-label=\"The runbook's tree\">{}</div>\n</section>",
            graph::way(tree)
        );
    }

    /// What somebody needs who wants to repeat it.
    fn particulars(&self, out: &mut String) {
        let report = self.report;
        put!(
            out,
            "<details class=\"particulars\"><summary>Particulars of this run</summary>\n<dl>"
        );
        fact("Target", &prose(&report.target.input), out);
        let user = match report.vantage.uid {
            0 => "root".to_owned(),
            uid => format!("user id {uid}"),
        };
        let capabilities = report.vantage.capabilities.join(", ");
        let may = if capabilities.is_empty() { "no capabilities".to_owned() } else { capabilities };
        fact("Ran as", &prose(&format!("{user}, {may}")), out);
        fact("Kernel", &prose(&report.vantage.kernel), out);
        let runbook = &report.runbook;
        let sha = runbook.sha256.get(..12).unwrap_or(&runbook.sha256);
        fact(
            "Runbook",
            &prose(&format!("{} ({}), sha256 {sha}…", runbook.name, runbook.source)),
            out,
        );
        for (name, value) in &report.params {
            let value = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
            fact(&format!("Parameter {}", prose(name)), &prose(&value), out);
        }
        for (name, value) in &self.result.labels {
            fact(&format!("Label {}", prose(name)), &prose(value), out);
        }
        put!(out, "</dl></details>");
    }
}

fn problems(result: &CheckResult, out: &mut String) {
    if result.problems.is_empty() {
        return;
    }
    put!(out, "<ul class=\"problems\">");
    for problem in &result.problems {
        put!(out, "<li>{}</li>", prose(problem));
    }
    put!(out, "</ul>");
}

/// Both arguments are HTML.
fn fact(name: &str, value: &str, out: &mut String) {
    put!(out, "<div><dt>{name}</dt><dd>{value}</dd></div>");
}

fn to_copy(line: &str) -> String {
    format!(
        "<div class=\"command\"><pre tabindex=\"0\"><code>{}</code></pre><button type=\"button\" class=\"copy\" hidden>Copy</button></div>\n",
        attribute(line.trim())
    )
}

/// How sure, as a word and as one to three marks.
fn confidence(confidence: Confidence) -> String {
    let marks = match confidence {
        Confidence::Confirmed => "●●●",
        Confidence::Likely => "●●○",
        Confidence::Possible => "●○○",
    };
    format!(
        "<span class=\"sure\" aria-hidden=\"true\">{marks}</span> {}",
        words::confidence(confidence)
    )
}

fn healthy_sentence(report: &Report) -> String {
    let last = path::walked(report).into_iter().rev().find_map(|step| {
        let critical = matches!(step.status, Status::Pass | Status::Warn);
        step.text.clone().filter(|_| critical)
    });
    match (report.verdict, last) {
        (Verdict::Healthy, _) if report.findings.iter().any(|f| f.severity > Severity::Info) => {
            "It works; what is not ideal is noted below.".to_owned()
        }
        (Verdict::Healthy, _) => {
            "It works: every step that was needed found it in order.".to_owned()
        }
        (_, Some(last)) => last,
        (_, None) => String::new(),
    }
}

fn status_class(status: Status) -> &'static str {
    match status {
        Status::Pass => "pass",
        Status::Warn => "warn",
        Status::Fail => "fail",
        Status::Unknown => "unknown",
        Status::Skipped => "skipped",
    }
}
