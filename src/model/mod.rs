//! The words everyone uses, as plain data: no I/O, no clock, no colour.

pub mod check;
pub mod contact;
pub mod diagnosis;
pub mod expect;
pub mod graph;
pub mod icmp;
pub mod layer;
pub mod lint;
pub mod outcome;
pub mod pattern;
pub mod rehearsal;
pub mod report;
pub mod server_report;
pub mod story;
pub mod target;
pub mod types;
