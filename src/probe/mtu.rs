//! `mtu`: how large a packet passes, and what happens to larger ones.
//!
//! A small and a full-size packet go out three ways at once: as a SYN with data, as ICMP echo where
//! that is permitted, as UDP to a closed port. On a clear path that is all, and it takes one round
//! trip. Only when the full size vanishes where the small one passes, twice, is its limit searched
//! for, to the byte, and its place on the path.
//!
//! A too-big error has an effect that outlasts the probe: the kernel keeps the path MTU that it names
//! for 10 minutes (`net.ipv4.route.mtu_expires`, `net.ipv6.route.mtu_expires`), for every program on
//! this machine. Any other large packet would have had the same effect.

mod ask;
mod first;
mod locate;
mod run;
mod search;

use std::fmt::Write as _;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::model::outcome::Why;
use crate::probe::{Probe, Touch};
use crate::sys::host;

/// The `mtu` probe.
pub enum Mtu {}

/// Arguments of [`Mtu`].
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct MtuArgs {
    /// The destination address.
    pub address: String,
    /// An open TCP port there, for the test that needs no ICMP and no UDP.
    pub port: u16,
    /// How long a packet may stay unanswered before it counts as lost, in milliseconds, at least;
    /// four round trips when that is longer.
    #[serde(default = "default_wait_ms")]
    pub wait_ms: u32,
}

fn default_wait_ms() -> u32 {
    250
}

/// What happens to packets of full size.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum MtuOutcome {
    /// They pass: the path takes all that our own interface takes, or at least all that TCP would
    /// send to this server. Where only a SYN could show it, `path_mtu` is 20 bytes short.
    Clear,
    /// They come back with a too-big error that names the size; the kernel adapts.
    Reduced,
    /// They vanish without any error, smaller ones pass.
    BlackHole,
    /// No method got an answer to packets of any size, or too few to tell.
    NoAnswer,
}

/// How the size was found.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum MtuMethod {
    /// Nothing was sent: the destination is this machine.
    Local,
    /// A SYN with payload (TCP Fast Open without cookie); the server ignores the payload.
    TcpSyn,
    /// UDP with DF to a closed port.
    Udp,
    /// ICMP echo with DF, where this user may.
    IcmpEcho,
}

/// What [`Mtu`] saw. All sizes are those of whole IP packets, in bytes.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct MtuSeen {
    /// What happens to packets of full size.
    pub outcome: MtuOutcome,
    /// The address asked.
    pub address: String,
    /// How the size was found.
    pub method: MtuMethod,
    /// The MTU of our own interface.
    pub device_mtu: u32,
    /// The MTU of our own route when it is less than the interface's and was set, not learned.
    pub route_mtu: Option<u32>,
    /// A path MTU that the kernel had already learned before this probe.
    pub cached_mtu: Option<u32>,
    /// The largest packet that our own side would send: the largest size tried.
    pub local_mtu: u32,
    /// The largest packet that TCP would send to this port, as the server's MSS and what the kernel
    /// knows of the path allow; null when no handshake completed.
    pub tcp_needs: Option<u32>,
    /// The largest size that passed, or that a too-big error allowed.
    pub path_mtu: Option<u32>,
    /// The smallest size that vanished.
    pub smallest_lost: Option<u32>,
    /// The box that sent the too-big error, or the last hop that answers a packet of full size.
    pub hop_address: Option<String>,
    /// Its hop number; 0 with a null address when not even the first answered; null when not traced.
    pub hop: Option<u8>,
    /// Whether a full-size SYN stalled where a small one passed; null when not tried or ambiguous.
    pub tcp_stalled: Option<bool>,
    /// Whether UDP got any answer from the destination.
    pub udp_answered: Option<bool>,
    /// Packets sent.
    pub sent: u32,
    /// The sizes tried, in the order in which their fate was known.
    #[serde(default)]
    pub tried: Vec<SizeTried>,
}

/// What became of a packet of some size.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct SizeTried {
    /// The size in bytes.
    pub size: u32,
    /// How it was sent.
    pub method: MtuMethod,
    /// What became of it.
    pub answer: SizeAnswer,
}

/// What became of a packet.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum SizeAnswer {
    /// The destination answered it.
    Passed,
    /// A too-big error came back.
    TooBig,
    /// Nothing came back.
    Lost,
}

impl Probe for Mtu {
    const ID: &'static str = "mtu";
    const DOC: &'static str = "Finds the largest packet that passes unfragmented and whether larger \
        ones are reported or vanish.";
    const CONTACTS: &'static [Touch] = &[Touch { arg: "address", port: Some("port") }];
    const LEADS: bool = true;
    type Args = MtuArgs;
    type Seen = MtuSeen;

    async fn run(args: MtuArgs) -> Result<MtuSeen, Why> {
        let target = host::socket_address(&args.address, args.port).ok_or_else(|| {
            let what = format!("the address {}", args.address.escape_debug());
            Why::Unsupported { what }
        })?;
        run::look(&args, target).await
    }

    fn brief(seen: &MtuSeen) -> String {
        let mut text = match (seen.outcome, seen.path_mtu) {
            (MtuOutcome::NoAnswer, _) | (_, None) => {
                format!("{}: no answer to packets of {} bytes", seen.address, seen.local_mtu)
            }
            (MtuOutcome::Reduced, Some(mtu)) => {
                let known = if seen.cached_mtu == Some(mtu) { "known before" } else { "reported" };
                format!("{}: {mtu} of {} bytes pass, {known}", seen.address, seen.local_mtu)
            }
            (MtuOutcome::Clear | MtuOutcome::BlackHole, Some(mtu)) => {
                format!("{}: {mtu} of {} bytes pass", seen.address, seen.local_mtu)
            }
        };
        if let Some(lost) = seen.smallest_lost {
            let _ = write!(text, ", {lost} vanish");
        }
        // Behind the hop they vanish; the box itself tells of its limit.
        let place = if seen.outcome == MtuOutcome::BlackHole { " after" } else { " by" };
        match (seen.hop, &seen.hop_address) {
            (Some(hop), Some(address)) => {
                let _ = write!(text, "{place} hop {hop}, {address}");
            }
            (None, Some(address)) => {
                let _ = write!(text, "{place} {address}");
            }
            (Some(hop), None) => {
                let _ = write!(text, "{place} hop {hop}");
            }
            (None, None) => {}
        }
        let method = match seen.method {
            MtuMethod::Local => "nothing sent",
            MtuMethod::TcpSyn => "SYN with data",
            MtuMethod::Udp => "UDP",
            MtuMethod::IcmpEcho => "ICMP echo",
        };
        let _ = write!(text, " ({method}, {} packets)", seen.sent);
        text
    }
}
