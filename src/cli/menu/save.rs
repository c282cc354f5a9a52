//! Saving the report from the menu.

use std::path::Path;

use crate::cli::args::Global;
use crate::cli::prompt::{Given, Prompt};
use crate::cli::redaction::Redaction;
use crate::cli::{files, terminal};
use crate::engine::Session;
use crate::model::check::Check;
use crate::model::report::Report;
use crate::render::Format;
use crate::runbook::drawing;

/// The formats that a report is kept in, and how such files end.
const KEPT: [(Format, &str, &str); 3] = [
    (Format::Html, "HTML, a page for people", "html"),
    (Format::Markdown, "Markdown, for a ticket", "md"),
    (Format::Json, "JSON, all measurements, for replay", "json"),
];

/// Asks for a format and a name, and writes the file; what cannot be written is told and asked again.
pub(super) async fn save(prompt: &Prompt, global: &Global, session: &Session, check: &Check) {
    let Some(report) = check.results.first().and_then(|result| result.report.as_ref()) else {
        return;
    };
    let kinds = KEPT.map(|(_, label, _)| label.to_owned());
    let Some(kind) = prompt.pick_or_back("In which format?", &kinds, 0).await else { return };
    let (format, _, ending) = KEPT[kind];
    let (mut bytes, mut check) = (Vec::new(), check.clone());
    let mut tree = drawing::graph(session.runbook());
    tree.mark(report);
    check.results[0].tree = Some(tree);
    let check = Redaction::of(global).check(&check);
    if let Err(error) = format.write(&check, &terminal::file_style(global), &mut bytes) {
        return prompt.say(&format!("Nothing saved: {error}"));
    }
    loop {
        let proposed = file_name(report, ending, |name| Path::new(name).exists());
        let Given::Answer(written) = prompt.line("Save as", &proposed).await else { return };
        let name = written.trim().to_owned();
        let path = Path::new(&name);
        if let Some(objection) = files::objection(path) {
            prompt.say(&format!("That file cannot be written: {objection}."));
            continue;
        }
        if path.exists() {
            let choices = ["Keep it, choose another name", "Replace it"].map(str::to_owned);
            let there = format!("{name} is there already");
            match prompt.pick_or_back(&there, &choices, 0).await {
                Some(1) => {}
                Some(_) => continue,
                None => return,
            }
        }
        match files::write_whole(path, &bytes) {
            Ok(()) => return prompt.say(&format!("Saved: {name}")),
            Err(error) => prompt.say(&format!("{name} could not be written: {error}")),
        }
    }
}

/// Proposes a name that is not taken.
fn file_name(report: &Report, ending: &str, taken: impl Fn(&str) -> bool) -> String {
    let safe = |c: char| if c.is_ascii_alphanumeric() || "-._".contains(c) { c } else { '-' };
    let target: String = report.target.input.chars().map(safe).take(60).collect();
    let base = format!("tcpdoctor-{}", target.trim_matches(['-', '.']));
    let first = format!("{base}.{ending}");
    if !taken(&first) {
        return first;
    }
    let others = (2..1000).map(|nth| format!("{base}-{nth}.{ending}"));
    others.into_iter().find(|name| !taken(name)).unwrap_or(first)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_name_is_harmless_and_not_taken() {
        let text = include_str!("../../../tests/render/reports/refused.json");
        let name = |target: &str, taken: &[&str]| {
            let mut report: Report = serde_json::from_str(text).expect("a report");
            report.target.input = target.to_owned();
            file_name(&report, "json", |name| taken.contains(&name))
        };
        assert_eq!(name("db.test:5432", &[]), "tcpdoctor-db.test-5432.json");
        assert_eq!(name("../../etc/\u{1b}x", &[]), "tcpdoctor-etc--x.json");
        assert_eq!(name("[::1]:80", &["tcpdoctor-1--80.json"]), "tcpdoctor-1--80-2.json");
    }
}
