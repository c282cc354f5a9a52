//! Every scenario, by layer.

mod healthy;

use crate::scenario::Scenario;

/// The layers and their scenarios.
pub(crate) fn all() -> Vec<(&'static str, Vec<Scenario>)> {
    vec![("healthy", healthy::all())]
}
