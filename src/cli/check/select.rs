//! `--select` and `--skip`: which targets are checked, by label.

use crate::cli::nearest::nearest;
use crate::cli::usage::{Usage, quoted};
use crate::engine::check::Job;
use crate::model::pattern::Pattern;

/// Keeps the jobs that a word of `select` fits, if there is any, and that no word of `skip` fits.
pub(super) fn apply(jobs: &mut Vec<Job>, select: &[String], skip: &[String]) -> Result<(), Usage> {
    let selected = words(select, "--select", jobs)?;
    let skipped = words(skip, "--skip", jobs)?;
    jobs.retain(|job| {
        let wanted = selected.is_empty() || selected.iter().any(|word| word.fits(job));
        wanted && !skipped.iter().any(|word| word.fits(job))
    });
    if jobs.is_empty() {
        return Err(Usage::new("--select and --skip leave no target")
            .help("leave one of them out; nothing was checked"));
    }
    Ok(())
}

/// `LABEL` or `LABEL=VALUE`; `name` stands for the target's name where no label is called so.
struct Word {
    label: Pattern,
    value: Option<Pattern>,
}

impl Word {
    fn fits(&self, job: &Job) -> bool {
        let holds = |value: &str| self.value.as_ref().is_none_or(|wanted| wanted.fits(value));
        let mut labels = job.labels.iter().filter(|(label, _)| self.label.fits(label));
        labels.any(|(_, value)| holds(value))
            || (self.label.as_str() == "name"
                && self.value.is_some()
                && !job.labels.contains_key("name")
                && holds(&job.name))
    }
}

fn words(texts: &[String], option: &str, jobs: &[Job]) -> Result<Vec<Word>, Usage> {
    texts.iter().map(|text| word(text, option, jobs)).collect()
}

/// Reads a word; one whose label no target has is a mistake.
fn word(text: &str, option: &str, jobs: &[Job]) -> Result<Word, Usage> {
    let (label, value) = match text.split_once('=') {
        Some((label, value)) => (label, Some(Pattern::new(value))),
        None => (text, None),
    };
    let word = Word { label: Pattern::new(label), value };
    let labels = || jobs.iter().flat_map(|job| job.labels.keys());
    let known = labels().any(|known| word.label.fits(known));
    let by_name = label == "name" && word.value.is_some();
    if !known && !by_name {
        let help = match nearest(label, labels().map(|label| label.as_str())) {
            Some(near) => format!("did you mean {near}?"),
            None => {
                "write LABEL or LABEL=VALUE with a label of the targets file, or name=…".to_owned()
            }
        };
        let problem = format!("{option} {}: no target has such a label", quoted(text));
        return Err(Usage::new(problem).help(help));
    }
    Ok(word)
}
