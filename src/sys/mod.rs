//! The only room that touches Linux: sockets, netlink, procfs, files, clock, capabilities. It knows
//! no policy and no verdicts.

pub mod arrivals;
pub mod batch;
pub mod caps;
pub mod cgroups;
pub mod clock;
#[cfg(test)]
pub(crate) mod closed;
pub mod conntrack;
pub mod counters;
pub mod dns_exchange;
pub mod egress;
pub mod errno;
pub mod errqueue;
pub mod host;
pub mod icmp;
pub mod limits;
pub mod name_config;
pub mod namespaces;
pub mod netlink;
pub mod nft;
pub mod own_mtu;
pub mod owners;
pub mod procfs;
pub mod program;
pub mod resolver;
pub mod rtnl;
pub mod signals;
pub mod sock_diag;
pub mod socket;
pub mod ssh_line;
pub mod syn;
pub mod syn_data;
pub mod sysctl;
pub mod tcp;
pub mod tty;
pub mod udp;
pub mod xtables;
