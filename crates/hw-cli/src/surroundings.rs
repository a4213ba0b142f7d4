//! The process around a command: folder, variables, streams, clock, interrupts. Tests hand in their own.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::io::{self, BufRead, BufReader, IsTerminal as _, Write};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use crate::interrupts::Interrupts;
use crate::terminal;

/// What a command sees of the process it runs in.
pub struct Surroundings {
    /// The working folder, absolute.
    pub folder: PathBuf,
    /// Environment variables; those that are not UTF-8 are left out.
    pub variables: BTreeMap<String, String>,
    /// Standard input.
    pub input: Box<dyn BufRead + Send>,
    /// Whether a person types the input.
    pub input_is_terminal: bool,
    /// Standard output: data.
    pub output: Box<dyn Write + Send>,
    /// Whether a person reads the output.
    pub output_is_terminal: bool,
    /// Standard error: everything else.
    pub errors: Box<dyn Write + Send>,
    /// Whether a person reads the errors.
    pub errors_is_terminal: bool,
    /// Columns of the terminal, if there is one.
    pub width: Option<usize>,
    /// Time since some moment; never runs backwards.
    pub clock: Arc<dyn Fn() -> Duration + Send + Sync>,
    /// Ctrl-C and SIGTERM.
    pub interrupts: Interrupts,
}

impl Surroundings {
    /// Those of this process. Begins to listen for Ctrl-C and SIGTERM: to be called within a tokio runtime.
    ///
    /// # Errors
    /// When the working folder is gone or signals cannot be listened for.
    pub fn of_process() -> io::Result<Self> {
        let begin = tokio::time::Instant::now();
        Ok(Self {
            folder: std::env::current_dir()?,
            variables: std::env::vars_os().filter_map(text_pair).collect(),
            input: Box::new(BufReader::new(io::stdin())),
            input_is_terminal: io::stdin().is_terminal(),
            output: Box::new(io::stdout()),
            output_is_terminal: io::stdout().is_terminal(),
            errors: Box::new(io::stderr()),
            errors_is_terminal: io::stderr().is_terminal(),
            width: terminal::width(),
            clock: Arc::new(move || begin.elapsed()),
            interrupts: Interrupts::of_process()?,
        })
    }
}

fn text_pair((name, value): (OsString, OsString)) -> Option<(String, String)> {
    Some((name.into_string().ok()?, value.into_string().ok()?))
}
