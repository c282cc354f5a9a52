//! The diagnosis block of the text report, and the findings below it.

use std::io::{self, Write};

use crate::model::diagnosis::Diagnosis;
use crate::model::report::{Report, Verdict};
use crate::render::layout::{pad, wrap, wrap_at_most};
use crate::render::sanitise::{line, prose};
use crate::render::{Paint, Style, words};

/// The column where the facts begin, behind `How sure`.
const INDENT: usize = 12;
/// Longer sentences end in an ellipsis; JSON has them whole.
const MOST_LINES: usize = 8;

/// Writes what is wrong, where, how sure, why, what it is not, what else it could be, what to do.
pub(super) fn block(
    diagnosis: &Diagnosis,
    report: &Report,
    style: &Style,
    out: &mut dyn Write,
) -> io::Result<()> {
    writeln!(out)?;
    title(diagnosis, style, out)?;
    let most = if style.verbose { usize::MAX } else { MOST_LINES };
    for text in wrap_at_most(&prose(&diagnosis.summary), style.page() - 2, most) {
        writeln!(out, "  {text}")?;
    }
    writeln!(out)?;

    let mut facts = Facts { style, out };
    facts.item("Where", &words::place(&diagnosis.location))?;
    // That nothing can be said is not more or less sure.
    if report.verdict != Verdict::Inconclusive {
        facts.item("How sure", words::confidence(diagnosis.confidence))?;
    }
    let because = diagnosis.evidence.iter().map(|evidence| {
        let step = report.steps.iter().find(|step| step.id == evidence.step);
        let source = step.map_or(evidence.step.as_str(), |step| step.layer.name());
        format!("{}: {}", line(source), prose(&evidence.text))
    });
    facts.list("Because", because.collect(), 8)?;
    facts.list("Not", ruled_out(diagnosis), 6)?;
    let other = diagnosis
        .alternatives
        .iter()
        .map(|other| format!("{}; to tell: {}", line(&other.id), prose(&other.separate_by)));
    facts.list("Or", other.collect(), 4)?;
    remedies(diagnosis, style, facts.out)
}

/// What it is not, and why; what one observation rules out stands together.
fn ruled_out(diagnosis: &Diagnosis) -> Vec<String> {
    let mut reasons: Vec<(&str, Vec<&str>)> = Vec::new();
    for out in &diagnosis.ruled_out {
        match reasons.iter_mut().find(|(why, _)| *why == out.why) {
            Some((_, ids)) => ids.push(&out.id),
            None => reasons.push((&out.why, vec![&out.id])),
        }
    }
    let told = |(why, ids): (&str, Vec<&str>)| format!("{}: {}", line(&ids.join(", ")), prose(why));
    reasons.into_iter().map(told).collect()
}

/// The short name, and the id behind it or below it.
fn title(diagnosis: &Diagnosis, style: &Style, out: &mut dyn Write) -> io::Result<()> {
    let (mark, paint) = style.severity_mark(diagnosis.severity);
    let indent = console::measure_text_width(mark) + 1;
    let title = prose(&diagnosis.title);
    let id = line(&diagnosis.id);
    let mut lines = wrap_at_most(&title, style.page() - indent, MOST_LINES);
    let last = lines.pop().unwrap_or_default();
    let fits = indent + console::measure_text_width(&last) + 2 + console::measure_text_width(&id)
        <= style.page();
    let mut lead = style.paint(paint, mark) + " ";
    for text in lines {
        writeln!(out, "{lead}{}", style.paint(paint, &text))?;
        lead = " ".repeat(indent);
    }
    write!(out, "{lead}{}", style.paint(paint, &last))?;
    if fits {
        writeln!(out, "  {}", style.paint(Paint::Faint, &id))
    } else {
        writeln!(out)?;
        for text in wrap_at_most(&id, style.page() - indent, 3) {
            let text = style.paint(Paint::Faint, &text);
            writeln!(out, "{}{text}", " ".repeat(indent))?;
        }
        Ok(())
    }
}

/// Writes `Label  text` items with a hanging indent.
struct Facts<'a> {
    style: &'a Style,
    out: &'a mut dyn Write,
}

impl Facts<'_> {
    fn item(&mut self, label: &str, text: &str) -> io::Result<()> {
        let most = if self.style.verbose { usize::MAX } else { MOST_LINES };
        let room = self.style.page() - INDENT;
        for (n, text) in wrap_at_most(text, room, most).iter().enumerate() {
            let label = if n == 0 { label } else { "" };
            let label = self.style.paint(Paint::Strong, &pad(label, INDENT - 2));
            writeln!(self.out, "  {label}{text}")?;
        }
        Ok(())
    }

    fn list(&mut self, label: &str, items: Vec<String>, most: usize) -> io::Result<()> {
        let shown = if self.style.verbose { items.len() } else { most };
        for (n, text) in items.iter().take(shown).enumerate() {
            self.item(if n == 0 { label } else { "" }, text)?;
        }
        if items.len() > shown {
            self.item("", &format!("and {} more (-v)", items.len() - shown))?;
        }
        Ok(())
    }
}

/// Numbered when there are several; each command stands alone on its line, so that it can be copied.
fn remedies(diagnosis: &Diagnosis, style: &Style, out: &mut dyn Write) -> io::Result<()> {
    let many = diagnosis.remedies.len() > 1;
    for (n, remedy) in diagnosis.remedies.iter().enumerate() {
        let label = if n == 0 { "Do" } else { "" };
        let label = style.paint(Paint::Strong, &pad(label, INDENT - 2));
        let number = if many { format!("{}. ", n + 1) } else { String::new() };
        let inner = INDENT + number.len();
        let command = remedy.command.as_deref().map(str::trim);
        let command = command.filter(|command| !command.is_empty());
        let place = words::remedy_place(remedy.place);
        let text = prose(&remedy.text);
        let text = text.trim_end_matches([':', '.']);
        let end = if command.is_some() { ":" } else { "" };
        let text = format!("{text} ({place}){end}");
        for (n, text) in wrap(&text, style.page() - inner).iter().enumerate() {
            if n == 0 {
                writeln!(out, "  {label}{number}{text}")?;
            } else {
                writeln!(out, "{}{text}", " ".repeat(inner))?;
            }
        }
        if let Some(command) = command {
            let command = style.paint(Paint::Command, &line(command));
            writeln!(out, "{}{command}", " ".repeat(inner + 2))?;
        }
    }
    Ok(())
}

/// Writes what was noted on the way: one entry each, mark, id, summary.
pub(super) fn findings(
    findings: &[Diagnosis],
    style: &Style,
    out: &mut dyn Write,
) -> io::Result<()> {
    if findings.is_empty() {
        return Ok(());
    }
    writeln!(out)?;
    writeln!(out, "{}", style.paint(Paint::Strong, "Noted on the way"))?;
    const MOST: usize = 8;
    let shown = if style.verbose { findings.len() } else { MOST };
    for finding in findings.iter().take(shown) {
        let (mark, paint) = style.severity_mark(finding.severity);
        let indent = 2 + console::measure_text_width(mark) + 1;
        let text = format!("{}: {}", line(&finding.id), prose(&finding.summary));
        let lines = wrap_at_most(&text, style.page() - indent, 4);
        for (n, text) in lines.iter().enumerate() {
            if n == 0 {
                writeln!(out, "  {} {text}", style.paint(paint, mark))?;
            } else {
                writeln!(out, "{}{text}", " ".repeat(indent))?;
            }
        }
    }
    if findings.len() > shown {
        writeln!(out, "  and {} more (-v)", findings.len() - shown)?;
    }
    Ok(())
}
