//! The `tcpdoctor` command.

use std::process::ExitCode;

fn main() -> ExitCode {
    tcpdoctor::cli::main()
}
