//! A machine that a runbook may contact besides the target.

use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::model::target::{Host, Target, TargetError};

/// A machine, or one port of it: `dns.google`, `dns.google:53`, `[2001:db8::1]:53`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Contact {
    /// The host name or address.
    pub host: String,
    /// The only port; any when `None`.
    pub port: Option<u16>,
}

impl Contact {
    /// Returns what both allow: the same machine, at the port that both leave open.
    pub fn and(&self, other: &Contact) -> Option<Contact> {
        let ports_agree = self.port.is_none() || other.port.is_none() || self.port == other.port;
        let agree = same_machine(&self.host, &other.host) && ports_agree;
        agree.then(|| Contact { host: self.host.clone(), port: self.port.or(other.port) })
    }
}

/// Whether two texts name the same machine: the same address however it is written, or the same name
/// (RFC 4343: without regard to case, with or without the final dot).
pub fn same_machine(a: &str, b: &str) -> bool {
    match (address(a), address(b)) {
        (Some(a), Some(b)) => a == b,
        (None, None) => plain(a).eq_ignore_ascii_case(plain(b)),
        _ => false,
    }
}

/// Reads an address, with or without a zone; one that is mapped into IPv6 counts as IPv4.
pub fn address(text: &str) -> Option<IpAddr> {
    let text = text.split('%').next().unwrap_or(text);
    text.parse::<IpAddr>().ok().map(|address| address.to_canonical())
}

/// Whether a text names this machine for sure.
pub fn is_this_machine(text: &str) -> bool {
    match address(text) {
        Some(address) => address.is_loopback() || address.is_unspecified(),
        None => {
            let name = plain(text).to_ascii_lowercase();
            name == "localhost" || name.ends_with(".localhost")
        }
    }
}

/// Takes the final dot off a name.
pub fn plain(name: &str) -> &str {
    name.strip_suffix('.').unwrap_or(name)
}

impl FromStr for Contact {
    type Err = TargetError;

    fn from_str(text: &str) -> Result<Contact, TargetError> {
        const HINT: &str =
            "write a host, or host:port: dns.google, dns.google:53, [2001:db8::1]:53";
        let wrong = |problem: &str| TargetError { problem: problem.into(), hint: HINT.into() };
        if text.contains("://") {
            return Err(wrong("a URL is no machine"));
        }
        let target: Target = text.parse()?;
        match target.host {
            Host::Here => Err(wrong("the host is empty")),
            host => Ok(Contact { host: host.text().unwrap_or_default(), port: target.port }),
        }
    }
}

impl fmt::Display for Contact {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.port {
            None => f.write_str(&self.host),
            Some(port) if self.host.contains(':') => write!(f, "[{}]:{port}", self.host),
            Some(port) => write!(f, "{}:{port}", self.host),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn contact(text: &str) -> Contact {
        text.parse().unwrap_or_else(|error| panic!("{text}: {error}"))
    }

    #[test]
    fn what_is_written_is_read_and_written_the_same() {
        for text in ["dns.google", "dns.google:53", "192.0.2.1", "[2001:db8::1]:53", "2001:db8::1"]
        {
            assert_eq!(contact(text).to_string(), text);
        }
        for text in ["", ":53", "https://dns.google", "dns.google:0", "a b"] {
            assert!(text.parse::<Contact>().is_err(), "{text}");
        }
    }

    #[test]
    fn both_sides_must_allow_the_port() {
        let both = |a: &str, b: &str| contact(a).and(&contact(b)).map(|both| both.to_string());
        assert_eq!(both("dns.google", "DNS.google.:53").as_deref(), Some("dns.google:53"));
        assert_eq!(both("dns.google:53", "dns.google").as_deref(), Some("dns.google:53"));
        assert_eq!(both("dns.google:53", "dns.google:853"), None);
        assert_eq!(both("::ffff:192.0.2.1", "192.0.2.1").as_deref(), Some("::ffff:192.0.2.1"));
        assert_eq!(both("dns.google", "dns.example"), None);
    }

    #[test]
    fn loopback_is_this_machine_and_a_name_that_looks_like_it_is_not() {
        for here in ["localhost", "127.0.0.53", "::1", "LOCALHOST.", "a.localhost", "0.0.0.0"] {
            assert!(is_this_machine(here), "{here}");
        }
        for other in ["localhost.evil.test", "notlocalhost", "192.0.2.1"] {
            assert!(!is_this_machine(other), "{other}");
        }
    }
}
