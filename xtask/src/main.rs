//! The developer's one door: `cargo xtask` prints the list of commands.

mod commands;
mod lock;
mod outline;
mod source;
mod tidy;
mod tree;

use std::process::ExitCode;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let Some((name, rest)) = arguments.split_first() else {
        print!("{}", commands::list());
        return ExitCode::SUCCESS;
    };
    let Some(command) = commands::find(name) else {
        eprint!("xtask: unknown command `{name}`\n\n{}", commands::list());
        return ExitCode::from(2);
    };
    match (command.run)(rest) {
        Ok(()) => ExitCode::SUCCESS,
        Err(message) => {
            eprintln!("xtask {name}: {message}");
            ExitCode::FAILURE
        }
    }
}
