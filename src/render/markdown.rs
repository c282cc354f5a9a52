//! Markdown (GitHub's and GitLab's flavour), for tickets, comments and step summaries.
//!
//! A table of all targets, then what is known of those that are not as expected. It stays below the
//! 65,536 characters that a comment may have (a step summary may have 1 MiB); what does not fit is
//! counted. Text from elsewhere can neither format nor link nor mention anybody.

use std::io::{self, Write};

use crate::model::check::{Check, CheckResult};
use crate::model::expect::Judgement;
use crate::model::report::{Report, Status, StepEntry, Verdict};
use crate::render::account;
use crate::render::markup::{code, code_in_cell, element, inline};
use crate::render::words;

/// GitHub's limit for a comment is 65,536 characters; some room is left for what a job adds.
const MOST: usize = 60_000;
/// The table leaves room for details.
const MOST_TABLE: usize = 40_000;
const MOST_CELL: usize = 300;
const MOST_TEXT: usize = 2_000;

pub(super) fn write(check: &Check, out: &mut dyn Write) -> io::Result<()> {
    let mut page = Page { text: String::new() };
    headline(check, &mut page);
    if !(check.alone && check.results.len() == 1) {
        table(check, &mut page);
    }
    let told: Vec<&CheckResult> =
        check.results.iter().filter(|one| check.alone || is_to_be_told(one)).collect();
    for (nth, result) in told.iter().enumerate() {
        let mut part = Page { text: String::new() };
        details(result, check.alone, &mut part);
        if !page.takes(&part.text, MOST) {
            page.line(&format!("*{} more are not shown here.*", told.len() - nth));
            break;
        }
    }
    let seconds = words::duration(check.duration_ms);
    page.line(&format!(
        "<sub>{} {}, {}, {seconds}</sub>",
        paragraph(&check.tool.name),
        paragraph(&check.tool.version),
        short_code(&check.started_at)
    ));
    out.write_all(page.text.as_bytes())
}

struct Page {
    text: String,
}

impl Page {
    fn line(&mut self, text: &str) {
        self.text.push_str(text);
        self.text.push('\n');
    }

    /// Takes a part if the page stays below `most` characters.
    fn takes(&mut self, part: &str, most: usize) -> bool {
        // Bytes are never fewer than characters, whichever the limit counts.
        let fits = self.text.len() + part.len() <= most;
        if fits {
            self.text.push_str(part);
        }
        fits
    }
}

fn headline(check: &Check, page: &mut Page) {
    if let ([result], true) = (&check.results[..], check.alone) {
        let verdict = result.report.as_ref().map_or("NOT RUN", |one| words::verdict(one.verdict));
        let sign = sign(result);
        page.line(&format!("### {sign} {verdict}: {}\n", paragraph(&result.name)));
        return;
    }
    let total = check.results.len();
    let mut parts = Vec::new();
    for (outcome, words) in [
        (Judgement::Passed, "passed"),
        (Judgement::Failed, "failed"),
        (Judgement::Error, "could not be judged"),
        (Judgement::Skipped, "not run"),
    ] {
        match check.count(outcome) {
            0 => {}
            count => parts.push(format!("{count} {words}")),
        }
    }
    let interrupted = if check.interrupted { " (interrupted)" } else { "" };
    page.line(&format!("### tcpdoctor: {} of {total}{interrupted}\n", parts.join(", ")));
}

fn table(check: &Check, page: &mut Page) {
    page.line("| | target | expected | found | time |\n|---|---|---|---|---|");
    for (nth, result) in check.results.iter().enumerate() {
        let time = result.duration_ms.map_or("–".to_owned(), words::duration);
        let row = format!(
            "| {} | {} | {} | {} | {time} |\n",
            sign(result),
            inline(&account::shortened(&result.name, MOST_CELL)),
            inline(&account::shortened(&result.expect, MOST_CELL)),
            code_in_cell(&account::shortened(account::reason(result), MOST_CELL)),
        );
        if !page.takes(&row, MOST_TABLE) {
            page.line(&format!("\n*{} more targets are not shown.*", check.results.len() - nth));
            break;
        }
    }
    page.line("");
}

fn is_to_be_told(result: &CheckResult) -> bool {
    matches!(result.outcome, Judgement::Failed | Judgement::Error) || result.is_degraded()
}

/// What is known of one target; folded when there are several.
fn details(result: &CheckResult, alone: bool, page: &mut Page) {
    if !alone {
        let name = element(&account::shortened(&result.name, MOST_CELL));
        let reason = element(&account::shortened(account::reason(result), MOST_CELL));
        let sign = sign(result);
        let summary = format!("{sign} {name} <code>{reason}</code>");
        page.line(&format!("<details><summary>{summary}</summary>\n"));
        for problem in account::problems_of_its_own(result) {
            page.line(&format!("{}\n", paragraph(problem)));
        }
    }
    if let Some(report) = &result.report {
        diagnosis(report, page);
        steps(result, page);
    }
    if !alone {
        page.line("</details>\n");
    }
}

fn diagnosis(report: &Report, page: &mut Page) {
    let Some(found) = &report.diagnosis else { return };
    page.line(&format!("**{}** {}\n", paragraph(&found.title), short_code(&found.id)));
    page.line(&format!("{}\n", paragraph(&found.summary)));
    page.line(&format!("- **Where:** {}", paragraph(&words::place(&found.location))));
    if report.verdict != Verdict::Inconclusive {
        page.line(&format!("- **How sure:** {}", words::confidence(found.confidence)));
    }
    for seen in found.evidence.iter().take(8) {
        page.line(&format!("- **Because:** {}: {}", short_code(&seen.step), paragraph(&seen.text)));
    }
    for other in found.alternatives.iter().take(4) {
        let test = paragraph(&other.separate_by);
        page.line(&format!("- **Or:** {}; to tell: {test}", short_code(&other.id)));
    }
    page.line("");
    for remedy in &found.remedies {
        let place = words::remedy_place(remedy.place);
        page.line(&format!("1. {} ({place})", paragraph(remedy.text.trim_end_matches([':', '.']))));
        if let Some(command) = remedy.command.as_deref().filter(|one| !one.trim().is_empty()) {
            page.line(&format!("   {}", short_code(command.trim())));
        }
    }
    page.line("");
}

fn steps(result: &CheckResult, page: &mut Page) {
    let walked = account::walked(result);
    if walked.is_empty() {
        return;
    }
    page.line("| | layer | what was seen | time |\n|---|---|---|---|");
    for step in walked.iter().take(40) {
        let time = step.duration_ms.map_or(String::new(), words::duration);
        let sign = status(step.status);
        page.line(&format!(
            "| {sign} | {} | {} | {time} |",
            step.layer.name(),
            inline(&fact(step))
        ));
    }
    page.line("");
}

fn fact(step: &StepEntry) -> String {
    let text = match (&step.text, &step.unknown) {
        (Some(text), _) if !text.trim().is_empty() => text.clone(),
        (_, Some(why)) => format!("{}: {why}", step.title),
        _ => step.title.clone(),
    };
    account::shortened(&text, MOST_CELL).into_owned()
}

fn sign(result: &CheckResult) -> &'static str {
    match result.outcome {
        Judgement::Passed if result.is_degraded() => status(Status::Warn),
        Judgement::Passed => status(Status::Pass),
        Judgement::Failed => status(Status::Fail),
        Judgement::Error => status(Status::Unknown),
        Judgement::Skipped => status(Status::Skipped),
    }
}

fn status(status: Status) -> &'static str {
    match status {
        Status::Pass => "✅",
        Status::Warn => "⚠️",
        Status::Fail => "❌",
        Status::Unknown => "❓",
        Status::Skipped => "➖",
    }
}

fn short_code(text: &str) -> String {
    code(&account::shortened(text, MOST_TEXT))
}

fn paragraph(text: &str) -> String {
    inline(&account::shortened(text, MOST_TEXT))
}
