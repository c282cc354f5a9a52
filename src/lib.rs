//! A guided TCP/IP troubleshooting runbook engine for Linux.
//!
//! Data runs one way: the command line parses a [`Target`] once, an engine plan carries it with a
//! checked runbook, probes report what they saw, the pure walk branches on those facts to a
//! diagnosis, and a renderer turns the finished [`Report`] into text.
//!
//! | room | holds |
//! |---|---|
//! | [`model`] | the words everyone uses, as plain data |
//! | [`wire`] | bytes to headers and netlink messages, without I/O |
//! | [`sys`] | the only room that touches Linux |
//! | [`probe`] | one file per probe: what it looks at and what it saw |
//! | [`runbook`] | YAML to a checked decision tree; expressions, texts, catalogue |
//! | [`engine`] | the walk (pure) and the driver (async) |
//! | [`render`] | a report as text or JSON |
//! | [`cli`] | arguments, progress, exit status |

pub mod cli;
pub mod engine;
pub mod model;
pub mod probe;
pub mod render;
pub mod runbook;
pub mod sys;
pub mod wire;

pub use model::report::Report;
pub use model::target::Target;
