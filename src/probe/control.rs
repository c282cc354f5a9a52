//! `control`: is the host alive at all? Other common ports, UDP and ICMP, bounded and polite.

mod ask;
mod judge;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::model::icmp::IcmpError;
use crate::model::outcome::Why;
use crate::probe::{Probe, Touch};
use crate::sys::{clock, errno, host};

use ask::Heard;
use judge::{Answer, Method, Patience};

/// The `control` probe.
pub enum Control {}

/// Arguments of [`Control`].
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ControlArgs {
    /// The address to ask.
    pub address: String,
    /// A port to leave out: the one in question.
    #[serde(default)]
    pub except_port: Option<u16>,
    /// The TCP ports to try.
    #[serde(default = "default_ports")]
    pub ports: Vec<u16>,
    /// How long to wait for a sign of life, in milliseconds; over 3100, because a router tells of a
    /// dead host only after three ARP or ND tries a second apart.
    #[serde(default = "default_patience_ms")]
    pub patience_ms: u32,
    /// How long to go on collecting after the first sign of life, in milliseconds.
    #[serde(default = "default_linger_ms")]
    pub linger_ms: u32,
    /// Whether an answer that shows the host's own TTL ends the collecting: nothing else is wanted.
    #[serde(default)]
    pub until_ttl: bool,
}

fn default_ports() -> Vec<u16> {
    vec![22, 80, 443, 53, 445, 3389]
}
fn default_patience_ms() -> u32 {
    3400
}
fn default_linger_ms() -> u32 {
    60
}

/// Whether anything showed life.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ControlOutcome {
    /// The host answered on another port, to UDP or to echo.
    Alive,
    /// A router says that it cannot reach the host or its network.
    Unreachable,
    /// This machine could not resolve the link address of the next hop.
    NeighbourFailed,
    /// Nothing came from the host, whatever was tried.
    Silent,
    /// This machine could not send.
    LocalError,
}

/// How one attempt was made and answered.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct SignOfLife {
    /// `tcp`, `udp` or `icmp`.
    pub method: String,
    /// The port, where there is one.
    pub port: Option<u16>,
    /// `open`, `refused`, `echo`, `port_unreachable` or `rejected`.
    pub answer: String,
    /// The time to the answer in milliseconds.
    pub rtt_ms: f64,
    /// The TTL (hop limit) of the answer, where it is known.
    pub ttl: Option<u8>,
}

/// What [`Control`] saw.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct ControlSeen {
    /// Whether anything showed life.
    pub outcome: ControlOutcome,
    /// The address asked.
    pub address: String,
    /// The first proof of life in words, for example `port 22 answered in 0.9 ms`.
    pub proof: Option<String>,
    /// Whether another TCP port completed a handshake.
    pub other_port_open: bool,
    /// Another TCP port that completed a handshake.
    pub open_port: Option<u16>,
    /// Every answer.
    pub signs: Vec<SignOfLife>,
    /// The TTL (hop limit) of an answer that the host itself certainly sent: an echo reply or an
    /// ICMP error from its own address.
    pub host_ttl: Option<u8>,
    /// The ICMP error that a router sent instead.
    pub icmp: Option<IcmpError>,
    /// The address of that router.
    pub unreachable_by: Option<String>,
    /// The errno's name when this machine could not send, be it in one of the ways only.
    pub errno: Option<String>,
    /// How long was waited, in milliseconds.
    pub waited_ms: f64,
    /// What was tried, in words.
    pub tried: String,
    /// What could not be done without privilege, in words; null when nothing.
    pub without_privilege: Option<String>,
}

impl Probe for Control {
    const ID: &'static str = "control";
    const DOC: &'static str = "Looks for any sign of life of the host: a few other TCP ports, UDP to a \
        closed port, and ICMP echo where it is permitted.";
    const PRIVILEGE: &'static str =
        "CAP_NET_RAW, or a group inside net.ipv4.ping_group_range, adds ICMP echo.";
    const CONTACTS: &'static [Touch] = &[Touch { arg: "address", port: None }];
    const LEADS: bool = true;
    type Args = ControlArgs;
    type Seen = ControlSeen;

    async fn run(args: ControlArgs) -> Result<ControlSeen, Why> {
        let start = clock::now();
        let Some(target) = host::socket_address(&args.address, 0) else {
            return Err(Why::Unsupported { what: format!("the address {:?}", args.address) });
        };
        let patience = Patience {
            life_ms: args.patience_ms.into(),
            linger_ms: args.linger_ms.into(),
            until_ttl: args.until_ttl,
        };
        let mut ports = args.ports;
        ports.retain(|port| Some(*port) != args.except_port);
        let heard = ask::run(target, &ports, patience).await;
        Ok(seen(args.address, target.ip(), heard, clock::ms_since(start)))
    }

    fn brief(seen: &ControlSeen) -> String {
        let ControlSeen { address, tried, .. } = seen;
        let waited = match seen.waited_ms {
            ms if ms >= 1000.0 => format!("{:.1} s", ms / 1e3),
            ms => format!("{ms:.0} ms"),
        };
        match (&seen.proof, &seen.icmp, &seen.errno) {
            (Some(proof), ..) => format!("{address}: {proof}"),
            (None, Some(icmp), _) => format!(
                "{address}: ICMP {}/{} from {} after {waited}; tried {tried}",
                icmp.icmp_type, icmp.code, icmp.from
            ),
            (None, None, Some(errno)) => {
                format!("{address}: {errno} on this machine; tried {tried}")
            }
            (None, None, None) => format!("{address}: no answer in {waited}; tried {tried}"),
        }
    }
}

fn seen(address: String, ip: std::net::IpAddr, heard: Heard, waited_ms: f64) -> ControlSeen {
    let events = &heard.events;
    let signs = judge::signs(events, ip);
    let open_port = signs
        .iter()
        .find(|sign| sign.method == "tcp" && sign.answer == "open")
        .and_then(|sign| sign.port);
    let icmp = judge::instead(events, ip);
    let errno = events.iter().find_map(|event| match event.answer {
        Answer::Local(number) => Some(errno::name(number)),
        _ => None,
    });
    ControlSeen {
        outcome: judge::outcome(events, ip, heard.asked.len()),
        address,
        proof: judge::proof(&signs),
        other_port_open: open_port.is_some(),
        open_port,
        signs,
        host_ttl: judge::host_ttl(events, ip),
        icmp,
        unreachable_by: icmp.map(|icmp| icmp.from.to_string()),
        errno,
        waited_ms,
        tried: tried(&heard.asked),
        without_privilege: heard.without_echo,
    }
}

/// What was tried, in words: `TCP 22, 80, UDP 33499, ICMP echo`.
fn tried(asked: &[Method]) -> String {
    let mut parts = Vec::new();
    let ports: Vec<String> = asked
        .iter()
        .filter_map(|method| match method {
            Method::Tcp(port) => Some(port.to_string()),
            Method::Udp(_) | Method::Echo => None,
        })
        .collect();
    if !ports.is_empty() {
        parts.push(format!("TCP {}", ports.join(", ")));
    }
    for method in asked {
        match method {
            Method::Tcp(_) => {}
            Method::Udp(port) => parts.push(format!("UDP {port}")),
            Method::Echo => parts.push("ICMP echo".to_owned()),
        }
    }
    parts.join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn this_machine_shows_life() {
        let args = serde_json::json!({"address": "127.0.0.1", "ports": [1, 2], "except_port": 2});
        let args = serde_json::from_value(args).expect("arguments");
        let seen = Control::run(args).await.expect("looked");
        assert_eq!(seen.outcome, ControlOutcome::Alive);
        assert!(seen.tried.contains("TCP 1, UDP 33499") || seen.tried.contains("TCP 1, ICMP"));
        assert_eq!(seen.host_ttl, Some(64));
        assert!(Control::brief(&seen).starts_with("127.0.0.1: "));
    }

    #[test]
    fn what_was_tried_is_put_in_words() {
        let asked = [Method::Echo, Method::Udp(9), Method::Tcp(22), Method::Tcp(80)];
        assert_eq!(tried(&asked), "TCP 22, 80, ICMP echo, UDP 9");
        assert_eq!(tried(&[]), "");
    }
}
