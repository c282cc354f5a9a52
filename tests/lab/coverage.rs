//! Every diagnosis of the catalogue is reached by some scenario.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use libtest_mimic::Failed;

use crate::scenario::Scenario;

/// Diagnoses that no network namespace can bring about, each with the reason.
const OUT_OF_REACH: &[(&str, &str)] = &[
    ("inconclusive.permission", "needs a probe that decides and that nobody may run"),
    ("inconclusive.unsupported", "needs a kernel without the feature that decides"),
    ("tcp.denied_local", "needs a BPF program in a control group or a security module"),
];

/// Compares the catalogue with what the scenarios ask for.
pub(crate) fn check(layers: &[(&str, Vec<Scenario>)]) -> Result<(), Failed> {
    let reached: BTreeSet<&str> =
        layers.iter().flat_map(|(_, scenarios)| scenarios).flat_map(Scenario::reaches).collect();
    let excused: BTreeSet<&str> = OUT_OF_REACH.iter().map(|(id, _)| *id).collect();
    let catalogue = catalogue()?;
    let missing: Vec<&String> = catalogue
        .iter()
        .filter(|id| !reached.contains(id.as_str()) && !excused.contains(id.as_str()))
        .collect();
    if !missing.is_empty() {
        return Err(format!("no scenario reaches {missing:?}").into());
    }
    let stale: Vec<&&str> =
        excused.iter().filter(|id| reached.contains(*id) || !catalogue.contains(**id)).collect();
    if !stale.is_empty() {
        return Err(format!("no longer out of reach, or gone: {stale:?}").into());
    }
    Ok(())
}

/// The ids of the catalogue: the keys at two blanks that have a dot.
fn catalogue() -> Result<BTreeSet<String>, Failed> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("runbooks/diagnoses");
    let mut ids = BTreeSet::new();
    for file in fs::read_dir(folder)? {
        let text = fs::read_to_string(file?.path())?;
        ids.extend(text.lines().filter_map(|line| {
            let key = line.strip_prefix("  ")?.strip_suffix(':')?;
            (key.contains('.') && !key.starts_with(' ')).then(|| key.to_owned())
        }));
    }
    Ok(ids)
}
