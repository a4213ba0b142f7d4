//! `headwater sql`: statements from the command line, a file, a pipe, or a person.

use std::fs::File;
use std::io::{BufRead as _, BufReader};
use std::path::Path;

use hw_api::ExitCode;
use serde_json::Value;

use crate::args::{Format, SqlArgs};
use crate::console::Answer;
use crate::context::{Context, Ended};
use crate::failure::{ClientError, Ending};
use crate::output::OutputFile;
use crate::shell::{Flow, Settings, Shell, interactive};

pub(crate) async fn run(context: &mut Context, args: SqlArgs) -> Ended {
    let is_session = args.statement.is_none() && args.file.is_none() && args.command.is_empty();
    let settings = settings(context, &args, is_session)?;
    let output = match &args.output {
        Some(path) => Some(OutputFile::create(&context.absolute_path(path))?),
        None => None,
    };
    if is_session && context.console.input_is_terminal {
        return interactive::run(context, settings).await;
    }
    let mut shell = Shell::new(context, settings);
    shell.set_output(output);
    for command in args.statement.iter().chain(&args.command) {
        shell.set_source("the statement");
        if run_text(&mut shell, command).await? == Flow::Leave {
            return shell.conclude();
        }
    }
    match &args.file {
        Some(file) if file.as_os_str() != "-" => run_file(&mut shell, file).await?,
        Some(_) => run_input(&mut shell).await?,
        None if is_session => run_input(&mut shell).await?,
        None => Flow::Continue,
    };
    shell.conclude()
}

fn settings(context: &Context, args: &SqlArgs, is_session: bool) -> Result<Settings, Ending> {
    let by_name = args.output.as_deref().and_then(format_of_file);
    let format = match (context.console.format, by_name) {
        (None, Some(format)) => format,
        _ => context.console.format_for(Answer::Rows),
    };
    if matches!(format, Format::ChromeTrace | Format::Svg | Format::Html) {
        return Err(crate::console::unfit(format));
    }
    let binary = match format {
        Format::Arrow => Some(("an Arrow stream", "arrow")),
        Format::Parquet => Some(("a Parquet file", "parquet")),
        _ => None,
    };
    if let Some((what, ending)) = binary.filter(|_| args.output.is_none() && context.console.output_is_terminal) {
        return Err(ClientError::Usage {
            reason: format!("{what} is nothing for a terminal"),
            help: Some(format!("write it to a file: --output FILE.{ending}")),
        }
        .into());
    }
    Ok(Settings {
        format,
        timer: true,
        bail: !(is_session && context.console.input_is_terminal),
        all: args.all,
        explain: match (args.explain, args.analyze) {
            (_, true) => Some(true),
            (true, false) => Some(false),
            (false, false) => None,
        },
        params: args.params.iter().map(|text| parameter(text)).collect(),
        width: context.console.width,
    })
}

/// The form that a file's name asks for.
fn format_of_file(path: &Path) -> Option<Format> {
    match path.extension()?.to_str()? {
        "csv" => Some(Format::Csv),
        "json" => Some(Format::Json),
        "jsonl" | "ndjson" => Some(Format::JsonLines),
        "md" => Some(Format::Markdown),
        "arrow" | "arrows" | "ipc" => Some(Format::Arrow),
        "parquet" => Some(Format::Parquet),
        "txt" => Some(Format::Table),
        _ => None,
    }
}

/// A value as the user typed it: JSON for null, booleans, numbers and quoted texts, else a text as it stands.
fn parameter(text: &str) -> Value {
    match serde_json::from_str(text) {
        Ok(value @ (Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_))) => value,
        _ => Value::String(text.to_owned()),
    }
}

async fn run_text(shell: &mut Shell<'_>, text: &str) -> Result<Flow, Ending> {
    for line in text.split_inclusive('\n') {
        if shell.execute_line(line).await? == Flow::Leave {
            return Ok(Flow::Leave);
        }
    }
    shell.finish().await
}

async fn run_file(shell: &mut Shell<'_>, file: &Path) -> Result<Flow, Ending> {
    shell.set_source(&file.display().to_string());
    let unreadable = |error: std::io::Error| ClientError::Input {
        path: file.to_owned(),
        reason: error.to_string(),
    };
    let path = shell.context().absolute_path(file);
    let mut reader = BufReader::new(File::open(path).map_err(unreadable)?);
    loop {
        let mut line = String::new();
        match reader.read_line(&mut line).map_err(unreadable)? {
            0 => return shell.finish().await,
            _ => {
                if shell.execute_line(&line).await? == Flow::Leave {
                    return Ok(Flow::Leave);
                }
            }
        }
    }
}

async fn run_input(shell: &mut Shell<'_>) -> Result<Flow, Ending> {
    shell.set_source("standard input");
    while let Some(line) = shell.context().console.read_line()? {
        if shell.execute_line(&line).await? == Flow::Leave {
            return Ok(Flow::Leave);
        }
    }
    shell.finish().await
}

/// The exit code of a session: that of the last failure that did not end it.
pub(crate) fn session_code(failed: Option<ExitCode>) -> ExitCode {
    failed.unwrap_or(ExitCode::Done)
}
