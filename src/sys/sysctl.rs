//! Kernel parameters, read and never written.
#![allow(clippy::disallowed_methods)]

use std::io::ErrorKind;
use std::path::Path;

/// What reading a parameter met.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Parameter {
    /// Its text, trimmed, the numbers of a list separated by one blank.
    Value(String),
    /// This kernel, or this network namespace, does not have it.
    Missing,
    /// It is there and may not be read, with the errno's number.
    Refused(i32),
}

impl Parameter {
    /// Returns the text; `None` when it could not be read.
    pub fn value(self) -> Option<String> {
        match self {
            Parameter::Value(text) => Some(text),
            Parameter::Missing | Parameter::Refused(_) => None,
        }
    }
}

/// Returns the file of a parameter, for example `/proc/sys/net/core/somaxconn`.
pub fn path(name: &str) -> String {
    format!("/proc/sys/{}", name.replace('.', "/"))
}

/// Reads a parameter by its name, for example `net.core.somaxconn`; those of the network are those of
/// this thread's network namespace.
pub fn read(name: &str) -> Parameter {
    match std::fs::read_to_string(path(name)) {
        Ok(text) => Parameter::Value(text.split_whitespace().collect::<Vec<_>>().join(" ")),
        Err(error) if error.kind() == ErrorKind::NotFound => Parameter::Missing,
        Err(error) => Parameter::Refused(crate::sys::errno::of(&error)),
    }
}

/// Says whether parameters can be read at all: a sandbox may have no /proc.
pub fn available() -> bool {
    Path::new("/proc/sys/net").is_dir()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_parameter_is_read_by_name_and_a_missing_one_is_missing() {
        assert!(available());
        assert!(matches!(read("net.ipv4.tcp_rmem"), Parameter::Value(text)
            if text.split(' ').filter(|number| number.parse::<u64>().is_ok()).count() == 3));
        assert_eq!(read("net.ipv4.no_such_parameter"), Parameter::Missing);
    }
}
