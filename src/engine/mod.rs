//! The engine: a pure walk (facts in, effect out) and an async driver that runs what it asks for.
//!
//! [`walk`] decides, [`drive`] does, [`conclude`] finds the words, [`replay`] walks a saved report
//! again. Nothing here prints, and no wording lives here: that is the catalogue's.

mod arguments;
pub mod ask;
pub mod check;
pub mod conclude;
pub mod drive;
mod effect;
pub mod facts;
pub mod other_end;
pub mod report;
#[cfg(test)]
mod session_tests;
#[cfg(test)]
mod tests;
pub mod walk;

pub use ask::{Question, Reply};
pub use drive::{Event, Plan, Session, run, unable};
pub use facts::Facts;
pub use report::replay;
