//! Packet filter rules that scenarios share.

use crate::net::Host;

/// A chain of a table of its own on one hook: `forward`, `input`, `output`, `postrouting`.
pub(crate) fn chain(hook: &str, rules: &str) -> String {
    policy(hook, "accept", rules)
}

/// As [`chain`], with a policy.
pub(crate) fn policy(hook: &str, policy: &str, rules: &str) -> String {
    let priority = if hook == "prerouting" { -150 } else { 0 };
    format!(
        "table inet lab_{hook} {{ chain {hook} {{ type filter hook {hook} priority {priority}; \
         policy {policy}; {rules}; }} }}\n"
    )
}

/// Does something to segments for a port, on one hook.
pub(crate) fn to_port(hook: &str, port: u16, verdict: &str) -> String {
    chain(hook, &format!("tcp dport {port} counter {verdict}"))
}

/// Every ICMP error and echo of both families is dropped on the way in, out and through; neighbour
/// discovery goes on.
pub(crate) fn no_icmp() -> String {
    ["input", "output", "forward"].map(|hook| chain(hook, NO_ICMP)).concat()
}

/// The rules of [`no_icmp`] alone.
pub(crate) const NO_ICMP: &str = "ip protocol icmp drop; icmpv6 type { destination-unreachable, \
    packet-too-big, time-exceeded, echo-request, echo-reply } drop";

/// A host that tells nobody of packets too large for the next cable.
pub(crate) fn no_too_big() -> String {
    chain(
        "output",
        "icmp type destination-unreachable icmp code frag-needed drop; icmpv6 type packet-too-big drop",
    )
}

/// Whether this kernel has iptables-legacy, and `iptables-legacy` is there to speak to it. Where the
/// lab is required the tool has to be there.
pub(crate) fn legacy_is_possible() -> bool {
    let tried = Host::new("legacy").and_then(|host| host.run("iptables-legacy -w -L INPUT -n"));
    match tried {
        Ok(()) => true,
        Err(error) if error.to_string().contains("not found") => {
            std::env::var("TCPDOCTOR_LAB").is_ok_and(|value| value == "required")
        }
        Err(_) => false,
    }
}
