//! Bytes to headers and messages that no kept crate covers: no I/O, no clock, no `unsafe`.
#![forbid(unsafe_code)]

pub mod cgroup;
pub mod conntrack;
pub mod dns;
pub mod icmp_echo;
pub mod inet_diag;
pub mod nft;
pub mod per_cpu;
pub mod ports;
pub mod proc_dev;
pub mod proc_net;
pub mod proc_net_tcp;
pub mod proc_pid;
pub mod tcp_info;
pub mod xtables;
