//! Finding the runbook to walk.

use std::sync::Arc;

use crate::cli::usage::{Usage, quoted};
use crate::model::target::Host;
use crate::runbook::{Catalogue, Runbook};

/// Returns the name of the built-in runbook that answers the question about this host.
pub(super) fn default_name(host: &Host) -> &'static str {
    match host {
        Host::Here => "listen",
        Host::Name(_) | Host::Addr(..) => "connect",
    }
}

/// Loads a runbook by name or path.
pub(super) fn load(name_or_path: &str) -> Result<Arc<Runbook>, Usage> {
    Err(Usage::new(format!("there is no runbook {}", quoted(name_or_path))))
}

/// Returns the built-in catalogue of diagnoses.
pub(super) fn catalogue() -> Result<Arc<Catalogue>, Usage> {
    Ok(Arc::new(Catalogue::default()))
}
