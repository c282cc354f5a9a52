//! What the user asked about, parsed once.

use std::fmt;
use std::net::{IpAddr, Ipv6Addr};
use std::str::FromStr;

/// A target as the user gave it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Target {
    /// The text as given.
    pub input: String,
    /// The host.
    pub host: Host,
    /// The port, given or implied by the scheme.
    pub port: Option<u16>,
    /// The URL's scheme, lower case.
    pub scheme: Option<String>,
}

/// The host part of a target.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Host {
    /// A name to be resolved.
    Name(String),
    /// An address, with the zone of a link-local one.
    Addr(IpAddr, Option<String>),
    /// This machine (`:port`).
    Here,
}

/// Why a target could not be understood.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{problem}")]
pub struct TargetError {
    /// What is wrong, one sentence without the input.
    pub problem: String,
    /// What to write instead.
    pub hint: String,
}

/// Schemes whose default port is known; ports from the IANA registry.
pub const SCHEMES: &[(&str, u16)] = &[
    ("amqp", 5672),
    ("amqps", 5671),
    ("dns", 53),
    ("ftp", 21),
    ("ftps", 990),
    ("http", 80),
    ("https", 443),
    ("imap", 143),
    ("imaps", 993),
    ("kafka", 9092),
    ("ldap", 389),
    ("ldaps", 636),
    ("mongodb", 27017),
    ("mqtt", 1883),
    ("mqtts", 8883),
    ("mysql", 3306),
    ("nats", 4222),
    ("pop3", 110),
    ("pop3s", 995),
    ("postgres", 5432),
    ("postgresql", 5432),
    ("rdp", 3389),
    ("redis", 6379),
    ("rediss", 6379),
    ("rtsp", 554),
    ("sftp", 22),
    ("smtp", 25),
    ("smtps", 465),
    ("ssh", 22),
    ("telnet", 23),
    ("vnc", 5900),
    ("ws", 80),
    ("wss", 443),
];

fn wrong<T>(problem: impl Into<String>, hint: impl Into<String>) -> Result<T, TargetError> {
    Err(TargetError { problem: problem.into(), hint: hint.into() })
}

const FORMS: &str = "write host:port, [v6]:port, a URL such as https://host, or :port";

impl Target {
    /// Returns the target as written without what a report must not carry: a URL's password, and its
    /// query, which often holds a token. Neither has a part in the diagnosis.
    pub fn without_secrets(&self) -> String {
        without_secrets(&self.input)
    }
}

fn without_secrets(input: &str) -> String {
    let Some((scheme, rest)) = input.split_once("://") else {
        return input.to_owned();
    };
    let rest = rest.find(['?', '#']).map_or(rest, |end| &rest[..end]);
    let (authority, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
    let authority = match authority.rsplit_once('@') {
        Some((user, host)) => match user.split_once(':') {
            Some((user, _)) => format!("{user}:***@{host}"),
            None => authority.to_owned(),
        },
        None => authority.to_owned(),
    };
    format!("{scheme}://{authority}{path}")
}

impl FromStr for Target {
    type Err = TargetError;

    fn from_str(input: &str) -> Result<Target, TargetError> {
        if input.is_empty() {
            return wrong("the target is empty", FORMS);
        }
        if let Some(bad) = input.chars().find(|c| c.is_control() || c.is_whitespace()) {
            return wrong(
                format!("the target contains {} ", bad.escape_debug()).trim_end().to_owned(),
                "write the target without blanks and control characters",
            );
        }
        let (scheme, rest) = split_scheme(input)?;
        let authority = match scheme {
            Some(_) => {
                let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
                let authority = &rest[..end];
                authority.rsplit_once('@').map_or(authority, |(_, host)| host)
            }
            None => rest,
        };
        let (host_text, port_text) = split_port(authority)?;
        let port = match port_text {
            Some(text) => Some(parse_port(text)?),
            None => scheme.as_deref().and_then(scheme_port),
        };
        let host = if host_text.is_empty() {
            if scheme.is_some() || port.is_none() {
                return wrong("the host is empty", FORMS);
            }
            Host::Here
        } else {
            parse_host(host_text)?
        };
        Ok(Target { input: input.to_owned(), host, port, scheme })
    }
}

fn split_scheme(input: &str) -> Result<(Option<String>, &str), TargetError> {
    let Some((scheme, rest)) = input.split_once("://") else {
        return Ok((None, input));
    };
    let ok = scheme.starts_with(|c: char| c.is_ascii_alphabetic())
        && scheme.chars().all(|c| c.is_ascii_alphanumeric() || "+-.".contains(c));
    if !ok {
        return wrong("the part before :// is not a URL scheme", FORMS);
    }
    Ok((Some(scheme.to_ascii_lowercase()), rest))
}

fn scheme_port(scheme: &str) -> Option<u16> {
    // `postgresql+psycopg2://` and the like: the part before the plus names the protocol.
    let base = scheme.split('+').next().unwrap_or(scheme);
    SCHEMES.iter().find(|(name, _)| *name == base).map(|(_, port)| *port)
}

/// Splits `host:port`, `[v6]:port`, `v6` and `host` into host text and port text.
fn split_port(authority: &str) -> Result<(&str, Option<&str>), TargetError> {
    if let Some(inner) = authority.strip_prefix('[') {
        let Some((host, after)) = inner.split_once(']') else {
            return wrong("the [ has no matching ]", "write [2001:db8::1]:443");
        };
        if host.split('%').next().is_none_or(|host| host.parse::<Ipv6Addr>().is_err()) {
            return wrong("the text in [ ] is not an IPv6 address", "write [2001:db8::1]:443");
        }
        return match after.strip_prefix(':') {
            Some(port) => Ok((host, Some(port))),
            None if after.is_empty() => Ok((host, None)),
            None => wrong("the text after ] is not :port", "write [2001:db8::1]:443"),
        };
    }
    match authority.matches(':').count() {
        0 => Ok((authority, None)),
        1 => {
            let (host, port) = authority.split_once(':').unwrap_or((authority, ""));
            Ok((host, Some(port)))
        }
        _ => {
            let address = authority.split('%').next().unwrap_or(authority);
            if address.parse::<Ipv6Addr>().is_ok() {
                return Ok((authority, None));
            }
            wrong(
                "the target has more than one colon",
                "write an IPv6 address in brackets: [2001:db8::1]:443",
            )
        }
    }
}

fn parse_port(text: &str) -> Result<u16, TargetError> {
    const HINT: &str = "write a port from 1 to 65535";
    if text.is_empty() {
        return wrong("the port after the colon is missing", HINT);
    }
    if !text.bytes().all(|b| b.is_ascii_digit()) {
        return wrong(format!("the port \"{}\" is not a number", text.escape_debug()), HINT);
    }
    match text.parse::<u32>() {
        Ok(0) => wrong("port 0 cannot be connected to", HINT),
        Ok(port @ 1..=65535) => Ok(port as u16),
        _ => wrong(format!("port {text} is out of range"), HINT),
    }
}

fn parse_host(text: &str) -> Result<Host, TargetError> {
    let (address, zone) = match text.split_once('%') {
        Some((address, zone)) => (address, Some(zone.to_owned())),
        None => (text, None),
    };
    if let Ok(address) = address.parse::<IpAddr>() {
        if zone.as_deref() == Some("") || (zone.is_some() && address.is_ipv4()) {
            return wrong("the % has no interface name behind it", "write fe80::1%eth0");
        }
        return Ok(Host::Addr(address, zone));
    }
    parse_name(text).map(Host::Name)
}

/// Checks a host name: at most 253 bytes in labels of at most 63 (RFC 1035 2.3.4).
fn parse_name(text: &str) -> Result<String, TargetError> {
    let name = text.strip_suffix('.').unwrap_or(text);
    if name.is_empty() {
        return wrong("the host is empty", FORMS);
    }
    if name.len() > 253 {
        return wrong(
            format!("the host name has {} bytes, more than the 253 that DNS allows", name.len()),
            "check the name",
        );
    }
    for label in name.split('.') {
        if label.is_empty() {
            return wrong("the host name has an empty label", "remove the doubled or leading dot");
        }
        if label.starts_with('-') || label.ends_with('-') {
            return wrong(
                "a label of the host name begins or ends with a hyphen",
                "check the name (RFC 1123 2.1)",
            );
        }
        if label.len() > 63 {
            return wrong(
                format!("a label of the host name has {} bytes, more than 63", label.len()),
                "check the name",
            );
        }
    }
    if let Some(bad) = name.chars().find(|c| !(c.is_alphanumeric() || "-_.".contains(*c))) {
        return wrong(
            format!("the host name contains {bad:?}"),
            "write letters, digits, hyphens, underscores and dots only",
        );
    }
    let all_numeric = name.split('.').all(|label| label.bytes().all(|b| b.is_ascii_digit()));
    if all_numeric {
        return wrong(
            format!("{name} is neither an IPv4 address nor a host name"),
            "write four numbers from 0 to 255, such as 192.0.2.1",
        );
    }
    Ok(text.to_owned())
}

impl Host {
    /// Returns the host as text: the name, or the address with its zone; `None` for this machine.
    pub fn text(&self) -> Option<String> {
        match self {
            Host::Name(name) => Some(name.clone()),
            Host::Addr(address, None) => Some(address.to_string()),
            Host::Addr(address, Some(zone)) => Some(format!("{address}%{zone}")),
            Host::Here => None,
        }
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.input)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn target(input: &str) -> Target {
        input.parse().unwrap_or_else(|e| panic!("{input}: {e}"))
    }

    #[test]
    fn passwords_and_queries_stay_out_of_reports() {
        let cases = [
            ("postgres://u:p@db/app?x=1", "postgres://u:***@db/app"),
            ("https://token@api.test/v1#f", "https://token@api.test/v1"),
            ("https://a:b:c@h", "https://a:***@h"),
            ("https://h/a@b:c", "https://h/a@b:c"),
            ("db.test:5432", "db.test:5432"),
        ];
        for (input, kept) in cases {
            assert_eq!(without_secrets(input), kept);
        }
    }

    #[test]
    fn every_documented_form_is_understood() {
        let name = |n: &str| Host::Name(n.to_owned());
        let cases = [
            ("db.internal:5432", name("db.internal"), Some(5432)),
            ("db.internal", name("db.internal"), None),
            ("127.0.0.1:80", Host::Addr("127.0.0.1".parse().unwrap(), None), Some(80)),
            ("[::1]:22", Host::Addr("::1".parse().unwrap(), None), Some(22)),
            ("::1", Host::Addr("::1".parse().unwrap(), None), None),
            ("fe80::1%eth0", Host::Addr("fe80::1".parse().unwrap(), Some("eth0".into())), None),
            (":8080", Host::Here, Some(8080)),
            ("https://api.test/x?y=1:2", name("api.test"), Some(443)),
            ("postgres://u:p@db.test/app", name("db.test"), Some(5432)),
            ("http://[::1]:8080/", Host::Addr("::1".parse().unwrap(), None), Some(8080)),
            ("ssh://host:2222", name("host"), Some(2222)),
            ("thing://host", name("host"), None),
        ];
        for (input, host, port) in cases {
            let target = target(input);
            assert_eq!((target.host, target.port), (host, port), "{input}");
        }
    }

    #[test]
    fn bad_targets_are_refused_with_a_hint() {
        let long = format!("{}.test:80", "a".repeat(64));
        let longer = format!("{}:80", vec!["abcdefgh"; 40].join("."));
        let cases = [
            "",
            ":",
            "host:",
            "host:0",
            "host:70000",
            "host:http",
            "host:+80",
            "a b:80",
            "a\u{1b}[31m:80",
            "https://",
            "http://:80",
            "[::1",
            "[::1]80",
            "[zz]:80",
            "1:2:3",
            "a..b:80",
            "-a:80",
            "a.b-.test:80",
            ".:80",
            "1.2.3:80",
            "999.1.1.1:80",
            "ho$t:80",
            "1.2.3.4%eth0:80",
            &long,
            &longer,
        ];
        for input in cases {
            let error = input.parse::<Target>().expect_err(input);
            assert!(!error.problem.is_empty() && !error.hint.is_empty());
            assert!(!error.problem.chars().any(char::is_control), "{:?}", error.problem);
        }
    }

    proptest::proptest! {
        #[test]
        fn no_text_makes_the_parser_panic(input in ".{0,300}") {
            let _ = input.parse::<Target>();
        }

        #[test]
        fn whatever_parses_has_a_usable_port(input in "[a-z0-9:.\\[\\]/%@]{0,40}") {
            if let Ok(target) = input.parse::<Target>() {
                proptest::prop_assert_ne!(target.port, Some(0));
            }
        }
    }
}
