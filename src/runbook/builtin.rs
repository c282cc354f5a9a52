//! The runbooks and the catalogue that are part of the program.

use std::sync::{Arc, OnceLock};

use super::Catalogue;
use super::load::catalogue_file;
use super::problem::LoadErrors;

macro_rules! files {
    ($($name:literal: $path:literal),* $(,)?) => {
        &[$(($name, include_str!(concat!("../../runbooks/", $path)))),*]
    };
}

/// The built-in runbooks: name and text. One line for each `runbooks/*.yaml`.
pub const RUNBOOKS: &[(&str, &str)] = files! {
    "close_wait": "close_wait.yaml",
    "connect": "connect.yaml",
    "intermittent": "intermittent.yaml",
    "kernel": "kernel.yaml",
    "listen": "listen.yaml",
};

/// The files of the built-in catalogue. One line for each `runbooks/diagnoses/*.yaml`.
pub const DIAGNOSES: &[(&str, &str)] = files! {
    "dns": "diagnoses/dns.yaml",
    "firewall": "diagnoses/firewall.yaml",
    "host": "diagnoses/host.yaml",
    "kernel": "diagnoses/kernel.yaml",
    "link": "diagnoses/link.yaml",
    "path": "diagnoses/path.yaml",
    "route": "diagnoses/route.yaml",
    "socket": "diagnoses/socket.yaml",
    "transport": "diagnoses/transport.yaml",
    "vantage": "diagnoses/vantage.yaml",
};

/// Beginnings of runbooks by the kind of target that they are for. One line for each
/// `runbooks/starters/*.yaml`.
pub const STARTERS: &[(&str, &str)] = files! {
    "tcp": "starters/tcp.yaml",
    "http": "starters/http.yaml",
    "database": "starters/database.yaml",
    "dns": "starters/dns.yaml",
    "local": "starters/local.yaml",
};

impl Catalogue {
    /// Returns the built-in catalogue; it is read once per process, its texts when they are used.
    ///
    /// # Errors
    ///
    /// Returns what is wrong in it: never in a build that passed its tests.
    pub fn builtin() -> Result<Arc<Catalogue>, LoadErrors> {
        Catalogue::read_once().clone()
    }

    pub(super) fn read_once() -> &'static Result<Arc<Catalogue>, LoadErrors> {
        static BUILTIN: OnceLock<Result<Arc<Catalogue>, LoadErrors>> = OnceLock::new();
        BUILTIN.get_or_init(read)
    }
}

fn read() -> Result<Arc<Catalogue>, LoadErrors> {
    let mut entries = Vec::new();
    for (name, text) in DIAGNOSES {
        let source = format!("builtin:diagnoses/{name}.yaml");
        entries.extend(catalogue_file(&source, text, true)?);
    }
    Ok(Arc::new(Catalogue { entries, over_builtin: false }))
}
