//! Every scenario, by layer.

mod distance;
mod dns;
mod firewall;
mod healthy;
mod host;
mod link;
mod meta;
mod mtu;
mod refused;
mod route;
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
        ("meta", meta::all()),
    ]
}
