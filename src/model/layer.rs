//! The rungs of the ladder, from this machine's own means up to the application.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A layer of the checklist; the order is the order of the ladder.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum Layer {
    /// What this machine lets us look at: permissions, budget, kernel support.
    Vantage,
    /// Interfaces and carrier, and the neighbour (ARP/ND) of the next hop.
    Link,
    /// Names to addresses.
    Dns,
    /// The kernel's own route decision.
    Route,
    /// Is the host alive at all?
    Host,
    /// TCP itself: handshake, refusals, resets.
    Transport,
    /// What lies between: hops, filters, MTU.
    Path,
    /// This machine's packet filter.
    Firewall,
    /// This machine's sockets and their owners.
    Socket,
    /// This machine's kernel limits and tables.
    Kernel,
    /// What speaks on top of TCP.
    Application,
}

impl Layer {
    /// Every layer in ladder order.
    pub const ALL: [Layer; 11] = [
        Layer::Vantage,
        Layer::Link,
        Layer::Dns,
        Layer::Route,
        Layer::Host,
        Layer::Transport,
        Layer::Path,
        Layer::Firewall,
        Layer::Socket,
        Layer::Kernel,
        Layer::Application,
    ];

    /// Returns the name used in YAML, JSON and on the terminal.
    pub const fn name(self) -> &'static str {
        match self {
            Layer::Vantage => "vantage",
            Layer::Link => "link",
            Layer::Dns => "dns",
            Layer::Route => "route",
            Layer::Host => "host",
            Layer::Transport => "transport",
            Layer::Path => "path",
            Layer::Firewall => "firewall",
            Layer::Socket => "socket",
            Layer::Kernel => "kernel",
            Layer::Application => "application",
        }
    }

    /// Finds a layer by its [`name`](Self::name).
    pub fn from_name(name: &str) -> Option<Layer> {
        Self::ALL.into_iter().find(|layer| layer.name() == name)
    }
}
