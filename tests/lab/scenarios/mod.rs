//! Every scenario, by layer.

mod both_ends;
mod conntrack;
pub(crate) mod crowd;
mod distance;
mod dns;
mod firewall;
mod healthy;
mod host;
mod intermittent;
mod kernel;
mod link;
mod meta;
mod mtu;
pub(crate) mod read_only;
mod refused;
mod route;
pub(crate) mod server;
mod server_healthy;
mod server_lookalikes;
mod server_own;
mod server_part;
mod sockets;
mod tcp;
mod timeout;

use crate::scenario::Scenario;

/// The layers and their scenarios.
pub(crate) fn all() -> Vec<(&'static str, Vec<Scenario>)> {
    vec![
        ("healthy", healthy::all()),
        ("link", link::all()),
        ("dns", dns::all()),
        ("route", route::all()),
        ("host", host::all()),
        ("refused", refused::all()),
        ("timeout", timeout::all()),
        ("firewall", firewall::all()),
        ("tcp", tcp::all()),
        ("mtu", mtu::all()),
        ("distance", distance::all()),
        ("intermittent", intermittent::all()),
        ("meta", meta::all()),
        ("read-only", read_only::all()),
        ("both ends", both_ends::all()),
        ("server", server::all()),
        ("sockets", sockets::all()),
        ("kernel", kernel::all()),
        ("conntrack", conntrack::all()),
        ("server healthy", server_healthy::all()),
        ("server lookalikes", server_lookalikes::all()),
        ("server own", server_own::all()),
        ("server part", server_part::all()),
    ]
}
