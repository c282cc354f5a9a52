//! The engine: a pure walk (facts in, effect out) and an async driver that runs what it asks for.
//!
//! [`walk`] decides, [`drive`] does, [`conclude`] finds the words, [`replay`] walks a saved report
//! again; [`rehearse()`] runs tests of runbooks, [`record()`] makes one from a report. Nothing here
//! prints, and no wording lives here: that is the catalogue's.

mod arguments;
mod arm;
pub mod ask;
pub mod check;
pub mod conclude;
pub mod drive;
mod effect;
pub mod fact;
pub mod facts;
mod judge;
pub mod other_end;
pub mod permit;
pub mod record;
pub mod rehearse;
pub mod report;
#[cfg(test)]
mod session_tests;
pub mod story;
pub mod tally;
#[cfg(test)]
mod tests;
pub mod walk;

pub use ask::{Question, Reply};
pub use drive::{Event, Plan, Session, run, unable};
pub use facts::Facts;
pub use permit::Permit;
pub use record::record;
pub use rehearse::rehearse;
pub use report::replay;
pub use story::story;
pub use tally::Tally;
