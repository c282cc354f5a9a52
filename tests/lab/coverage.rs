//! Every diagnosis that a shipped runbook can come to is reached by some scenario.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use libtest_mimic::Failed;

use crate::scenario::Scenario;

/// What no network namespace can bring about, with the reason; a test of the walk reaches each.
const ELSEWHERE: &[(&str, &str)] =
    &[("socket.tcp_mem_pressure", "net.ipv4.tcp_mem belongs to the whole machine")];

/// Compares what the runbooks conclude with what the scenarios ask for.
pub(crate) fn check(layers: &[(&str, Vec<Scenario>)]) -> Result<(), Failed> {
    let reached: BTreeSet<&str> =
        layers.iter().flat_map(|(_, scenarios)| scenarios).flat_map(Scenario::reaches).collect();
    let concluded = concluded()?;
    let missing: Vec<&String> =
        concluded.iter().filter(|id| !reached.contains(id.as_str())).collect();
    let missing: Vec<&String> = missing
        .into_iter()
        .filter(|id| !ELSEWHERE.iter().any(|(elsewhere, _)| elsewhere == id))
        .collect();
    if missing.is_empty() {
        return Ok(());
    }
    Err(format!("no scenario reaches {missing:?}").into())
}

/// The ids that some runbook concludes or notes.
fn concluded() -> Result<BTreeSet<String>, Failed> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("runbooks");
    let mut ids = BTreeSet::new();
    for file in fs::read_dir(folder)? {
        let path = file?.path();
        if path.extension().is_none_or(|extension| extension != "yaml") {
            continue;
        }
        let text = fs::read_to_string(path)?;
        for after in ["conclude: ", "note: "].iter().flat_map(|key| text.split(key).skip(1)) {
            let id = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '.' || c == '_';
            let end = after.find(|c| !id(c)).unwrap_or(after.len());
            if after[..end].contains('.') {
                ids.insert(after[..end].to_owned());
            }
        }
    }
    Ok(ids)
}
