//! Which fields of observations hold a name. A test holds that every text field of every probe
//! stands in one of the two lists.

use super::names::Kind;

/// Fields that hold a name: by their own name, or by the probe's and theirs.
pub const SECRET: &[(&str, Kind)] = &[
    ("dns.name", Kind::Host),
    ("sockets.name", Kind::Owner),
    ("host", Kind::Host),
    ("cname_chain", Kind::Host),
    ("answered_as", Kind::Host),
    ("user", Kind::User),
    ("command", Kind::Process),
    ("args", Kind::Arguments),
    ("unit", Kind::Unit),
    ("container", Kind::Container),
    ("owner_name", Kind::Owner),
    ("banner", Kind::Banner),
    ("comment", Kind::Comment),
];

/// Fields that hold no name of their own: vocabularies, addresses (which are found by their form),
/// and sentences made of other fields.
pub const PUBLIC: &[&str] = &[
    "address",
    "addresses",
    "answer",
    "best",
    "busiest",
    "chain",
    "config_problem",
    "culprit",
    "dead_server",
    "destination",
    "device",
    "dns_addresses",
    "errno",
    "extended_error",
    "failed_addresses",
    "family",
    "from",
    "gateway",
    "getaddrinfo_error",
    "hook",
    "hop_address",
    "hosts_addresses",
    "interface",
    "kind",
    "last_address",
    "live_server",
    "local",
    "loop_addresses",
    "matters_when",
    "meaning",
    "method",
    "neighbour",
    "not_evaluated",
    "open_addresses",
    "operstate",
    "owner",
    "partial",
    "path",
    "peer",
    "proof",
    "protocol",
    "rcode",
    "reason",
    "rejected_by",
    "route.name",
    "scheme",
    "services",
    "silent_on",
    "source",
    "state",
    "suggestion",
    "sysctl.name",
    "sysctl_d",
    "table",
    "text",
    "translated_to",
    "tried",
    "unreachable_by",
    "value",
    "without_privilege",
];

/// Returns what a field of a probe holds a name of.
pub(super) fn kind(probe: &str, field: &str) -> Option<Kind> {
    let fits = |entry: &str| match entry.split_once('.') {
        Some((of, name)) => of == probe && name == field,
        None => entry == field,
    };
    SECRET.iter().find(|(entry, _)| fits(entry)).map(|(_, kind)| *kind)
}
