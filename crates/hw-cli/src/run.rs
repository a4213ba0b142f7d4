//! The way in.

use std::ffi::OsString;
use std::process;
use std::sync::Arc;

use hw_api::ExitCode;

use crate::program::Program;
use crate::surroundings::Surroundings;

/// Runs the command line of this process in a runtime of its own and says how it ended. The whole of a binary's `main`.
pub fn main(program: impl Program) -> process::ExitCode {
    let code = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => {
            let code = runtime.block_on(run_process(program));
            // Blocking reads of a terminal cannot be called back: do not wait for them.
            runtime.shutdown_background();
            code
        }
        Err(error) => refuse_to_start(&error),
    };
    process::ExitCode::from(code as u8)
}

async fn run_process(program: impl Program) -> ExitCode {
    match Surroundings::of_process() {
        Ok(surroundings) => run(std::env::args_os(), surroundings, Arc::new(program)).await,
        Err(error) => refuse_to_start(&error),
    }
}

fn refuse_to_start(error: &std::io::Error) -> ExitCode {
    eprintln!("error: headwater cannot start here: {error}");
    ExitCode::Failed
}

/// Runs one command line. `arguments` begin with the program's own name.
pub async fn run(
    arguments: impl IntoIterator<Item = OsString>,
    surroundings: Surroundings,
    program: Arc<dyn Program>,
) -> ExitCode {
    let _ = (arguments.into_iter(), surroundings, program);
    ExitCode::Done
}
