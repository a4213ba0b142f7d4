//! The way in: arguments to a verb, its ending to an exit code.

use std::ffi::OsString;
use std::sync::Arc;

use clap::error::ErrorKind;
use clap::{CommandFactory as _, FromArgMatches as _};
use hw_api::ExitCode;

use crate::args::{CommandLine, Format, Global, When, or_rocket};
use crate::console::Console;
use crate::context::{Context, Ended};
use crate::failure::{ClientError, Ending, Failure};
use crate::process::leave;
use crate::program::Program;
use crate::render::diagnostic;
use crate::surroundings::Surroundings;
use crate::verbs;

/// Runs the command line of this process in a runtime of its own, and ends the process. The whole of a binary's `main`.
pub fn main(program: impl Program) -> ! {
    let code = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => {
            let code = runtime.block_on(run_process(program));
            // Blocking reads of a terminal cannot be called back: do not wait for them.
            runtime.shutdown_background();
            code
        }
        Err(error) => refuse_to_start(&error),
    };
    leave(code)
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
    let arguments: Vec<OsString> = arguments.into_iter().collect();
    let width = surroundings.width.unwrap_or(100);
    match parse(&arguments, width).map(CommandLine::settled) {
        Ok(line) => {
            let (mut context, fault) = Context::new(&line.global, surroundings, program);
            let ended = match fault {
                Some(ending) => Err(ending),
                None => verbs::dispatch(line.command, &mut context).await,
            };
            let code = conclude(&mut context.console, ended);
            context.client.close().await;
            code
        }
        Err(error) => {
            let global = rough_global(&arguments);
            let mut console = Console::new(&global, surroundings);
            let ended = refuse_line(&mut console, &error);
            conclude(&mut console, ended)
        }
    }
}

fn parse(arguments: &[OsString], width: usize) -> Result<CommandLine, clap::Error> {
    let command = CommandLine::command().term_width(width);
    match command.try_get_matches_from(arguments) {
        Ok(matches) => CommandLine::from_arg_matches(&matches),
        Err(refused) => or_rocket(refused, arguments),
    }
}

/// The exit code of an ending, after telling what there is to tell.
fn conclude(console: &mut Console, ended: Ended) -> ExitCode {
    match ended {
        Ok(code) | Err(Ending::Quiet(code)) => code,
        Err(Ending::Failure(failure)) => {
            report(console, &failure);
            failure.exit
        }
    }
}

/// Tells a failure: the document to programs, its places and advice to people.
pub(crate) fn report(console: &mut Console, failure: &Failure) {
    let text = match console.errors_are_documents() {
        true => serde_json::to_string(&failure.problem).unwrap_or_else(|_| failure.problem.to_string()),
        false => diagnostic::render(failure, console.error_style),
    };
    console.say(text);
}

/// Help and version are data; everything else that clap has to say is bad usage.
fn refuse_line(console: &mut Console, error: &clap::Error) -> Ended {
    let text = error.render();
    match error.kind() {
        ErrorKind::DisplayHelp | ErrorKind::DisplayVersion => {
            let coloured = console.style.colour;
            console.data(if coloured {
                text.ansi().to_string()
            } else {
                text.to_string()
            })?;
            Ok(ExitCode::Done)
        }
        _ if console.errors_are_documents() => Err(ClientError::Usage {
            reason: headline(&text.to_string()),
            help: Some("`headwater help` tells the usage".to_owned()),
        }
        .into()),
        _ => {
            let text = match console.error_style.colour {
                true => text.ansi().to_string(),
                false => text.to_string(),
            };
            console.say(text.trim_end());
            Ok(ExitCode::Usage)
        }
    }
}

/// The first paragraph of a message of clap, without its label.
fn headline(text: &str) -> String {
    let paragraph = text.split("\n\n").next().unwrap_or_default();
    paragraph.trim_start_matches("error:").trim().to_owned()
}

/// The options that decide how a line is refused, as far as they can be seen in a line that cannot be read.
fn rough_global(arguments: &[OsString]) -> Global {
    let texts: Vec<&str> = arguments.iter().filter_map(|argument| argument.to_str()).collect();
    let has = |name: &str, value: &str| {
        let joined = format!("{name}={value}");
        texts.contains(&joined.as_str()) || texts.windows(2).any(|pair| pair == [name, value])
    };
    let format = [Format::Json, Format::JsonLines]
        .into_iter()
        .find(|format| has("--format", format.name()));
    let color = match () {
        () if has("--color", "never") || texts.contains(&"--nocolor") => When::Never,
        () if has("--color", "always") => When::Always,
        () => When::Auto,
    };
    Global {
        format,
        color,
        ..Global::default()
    }
}
