//! One function per verb: arguments become requests, answers become output.

use clap::CommandFactory as _;
use hw_api::ExitCode;

use crate::args::{Command, CommandLine, EXIT_CODES, WorkerVerb};
use crate::context::{Context, Ended};

mod admin;
mod complete;
mod config;
mod demo;
mod docs;
mod event;
mod explain;
mod funnel;
mod job;
mod lists;
mod process;
mod query;
mod running;
mod script;
mod sql;
mod table;
mod task;
#[cfg(test)]
mod tests;

pub(crate) use running::tasks_done;
pub(crate) use sql::session_code;

/// Carries out a command. Verbs that treat Ctrl-C in a way of their own come first; the others just stop.
pub(crate) async fn dispatch(command: Option<Command>, context: &mut Context) -> Ended {
    let Some(command) = command else {
        return short_help(context);
    };
    match command {
        Command::Demo(args) => demo::run(context, &args).await,
        Command::Up(args) => process::up(context, args).await,
        Command::Worker(args) if args.verb.is_none() => process::worker(context, args).await,
        Command::Sql(args) => sql::run(context, args).await,
        Command::Table(verb) => table::run(context, verb).await,
        Command::Funnel(verb) => funnel::run(context, verb).await,
        Command::Job(verb) => job::run(context, verb).await,
        other => {
            let interrupts = context.interrupts.clone();
            Context::until_interrupted(interrupts, simple(other, context)).await
        }
    }
}

async fn simple(command: Command, context: &mut Context) -> Ended {
    match command {
        Command::Task(verb) => task::run(context, verb).await,
        Command::Worker(args) => match args.verb {
            Some(WorkerVerb::List { host, label, all, page }) => {
                admin::list_workers(context, (host.as_deref(), label.as_deref(), all), &page).await
            }
            Some(WorkerVerb::Drain { id, undo }) => admin::drain_worker(context, &id, undo).await,
            None => process::worker(context, args).await,
        },
        Command::Token(verb) => admin::token(context, verb).await,
        Command::Event(verb) => event::run(context, verb).await,
        Command::Config(verb) => config::run(context, verb).await,
        Command::Doctor => admin::doctor(context).await,
        Command::Completions(args) => admin::completions(context, &args),
        Command::Docs(verb) => docs::run(context, verb),
        Command::Explain(args) => explain::run(context, &args),
        Command::Script(verb) => script::run(context, &verb),
        Command::CompleteWords { words } => complete::run(context, &words).await,
        Command::ExitCodes => {
            context.console.line(EXIT_CODES)?;
            Ok(ExitCode::Done)
        }
        other @ (Command::Demo(_)
        | Command::Up(_)
        | Command::Sql(_)
        | Command::Table(_)
        | Command::Funnel(_)
        | Command::Job(_)) => Box::pin(dispatch(Some(other), context)).await,
    }
}

/// What `headwater` alone says.
fn short_help(context: &mut Context) -> Ended {
    let style = context.console.style;
    let command = CommandLine::command();
    let about = command.get_about().map(ToString::to_string).unwrap_or_default();
    let lines = FIRST_STEPS
        .iter()
        .map(|(line, what)| format!("  {}  {what}\n", style.advice(format!("{line:<48}"))));
    let text = format!(
        "{} {}: {about}\n\n{}\n{} lists all commands, {} is the manual of one.\n",
        style.strong("headwater"),
        env!("CARGO_PKG_VERSION"),
        lines.collect::<String>(),
        style.advice("headwater --help"),
        style.advice("headwater help COMMAND"),
    );
    context.console.data(text)?;
    Ok(ExitCode::Done)
}

const FIRST_STEPS: [(&str, &str); 6] = [
    ("headwater demo", "real data, a funnel, what to try next"),
    (
        "headwater sql \"SELECT * FROM 'data/*.parquet'\"",
        "ask files in SQL; no set-up",
    ),
    ("headwater sql", "the SQL shell"),
    ("headwater table register NAME PATH", "make a folder of files a table"),
    ("headwater funnel run TABLE --file QUERY.json", "ask a funnel"),
    ("headwater up", "serve: HTTP API, scheduler, workers"),
];
