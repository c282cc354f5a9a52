//! The command line: arguments, progress, prompts, exit status.

use std::process::ExitCode;

/// Runs the program.
pub fn main() -> ExitCode {
    ExitCode::from(3)
}
