//! `--fail-on`: what makes a run fail although the target can be used.

use crate::cli::nearest::suggestion;
use crate::cli::usage::{Usage, quoted};
use crate::model::expect::FailOn;
use crate::model::pattern::Pattern;
use crate::runbook::Runbook;

/// Reads `--fail-on`; ids are checked against the catalogues of the runbooks to walk.
pub(super) fn parse<'a>(
    words: &[String],
    runbooks: impl IntoIterator<Item = &'a Runbook> + Clone,
) -> Result<FailOn, Usage> {
    let mut fail_on = FailOn::default();
    for word in words {
        if word == "degraded" {
            fail_on.degraded = true;
            continue;
        }
        let pattern = Pattern::new(word);
        let known = || {
            let entries = runbooks.clone().into_iter().flat_map(|runbook| runbook.catalogue.all());
            entries.map(|entry| entry.id.as_str()).filter(|id| !id.starts_with("inconclusive."))
        };
        if !known().any(|id| pattern.fits(id)) {
            let problem = format!("--fail-on names {}, which no diagnosis is called", quoted(word));
            let mut known: Vec<&str> = known().collect();
            known.push("degraded");
            let help = match suggestion(word, known.iter().copied()) {
                found if found.starts_with("did you mean") => found,
                _ => "write degraded, an id, or a pattern such as mtu.*; tcpdoctor explain lists \
                      the ids"
                    .to_owned(),
            };
            return Err(Usage::new(problem).help(help));
        }
        fail_on.ids.push(pattern);
    }
    Ok(fail_on)
}
