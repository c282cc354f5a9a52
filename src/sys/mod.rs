//! The only room that touches Linux: sockets, netlink, procfs, files, clock, capabilities. It knows
//! no policy and no verdicts.

pub mod caps;
pub mod clock;
pub mod dns_exchange;
pub mod egress;
pub mod name_config;
pub mod netlink;
pub mod nft;
pub mod resolver;
pub mod rtnl;
pub mod syn;
