//! Bytes to headers and messages that no kept crate covers: no I/O, no clock, no `unsafe`.
#![forbid(unsafe_code)]

pub mod conntrack;
pub mod dns;
pub mod icmp_echo;
pub mod nft;
pub mod per_cpu;
pub mod proc_dev;
pub mod proc_net;
pub mod sockstat;
pub mod tcp_info;
