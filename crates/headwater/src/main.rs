//! The binary: hands the router and the long-running processes to the commands.

mod logging;
mod program;

use std::process::ExitCode;

fn main() -> ExitCode {
    hw_cli::main(program::Headwater)
}
