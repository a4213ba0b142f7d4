//! Exactly what the user typed: one file per noun, each verb with its help and two examples.

use std::convert::Infallible;
use std::path::PathBuf;

use clap::builder::styling::{AnsiColor, Styles};
use clap::{Args, Parser, Subcommand, ValueEnum};

mod admin;
mod duration;
mod event;
mod funnel;
mod job;
mod place;
mod rocket;
mod script;
mod sql;
mod table;
mod task;
#[cfg(test)]
mod tests;

pub(crate) use admin::{
    CompletionArgs, ConfigVerb, DemoArgs, DocsVerb, ErrorPageArgs, Role, TokenVerb, UpArgs, WorkerArgs, WorkerVerb,
};
pub(crate) use event::{EventArgs, EventVerb};
pub(crate) use funnel::{ExplainArgs, FunnelVerb, QueryArgs, RunArgs, Step, ValidateArgs};
pub(crate) use job::{JobListArgs, JobVerb};
pub(crate) use place::{is_url, names_a_file};
pub(crate) use rocket::or_rocket;
pub(crate) use script::{CheckArgs, LaunchArgs, OptionsArgs, Parser as ScriptParser, ResolveArgs, ScriptVerb};
pub(crate) use sql::SqlArgs;
pub(crate) use table::{ExportArgs, JobArgs, Page, RegisterArgs, RepartitionArgs, TableVerb};
pub(crate) use task::{TaskReference, TaskVerb};

/// The whole command line.
#[derive(Debug, Parser)]
#[command(
    name = "headwater",
    version,
    about = "Ask Parquet files and Delta tables in SQL and in user funnels; one binary, no set-up",
    long_about = "Headwater asks Parquet files and Delta tables in SQL and in user funnels.\n\n\
        It starts with no set-up: everything local lives in ./.headwater. A command talks to the server named by --server, \
        else to a running `headwater up` of the data folder, else it does the work itself.",
    after_help = "Try `headwater demo` for a first result, `headwater help COMMAND` for the manual of a command,\n\
        `headwater help exit-codes` for what a command's exit code tells.",
    disable_help_subcommand = false,
    styles = STYLES,
    max_term_width = 110,
)]
pub(crate) struct CommandLine {
    #[command(flatten)]
    pub(crate) global: Global,
    #[command(subcommand)]
    pub(crate) command: Option<Command>,
}

const STYLES: Styles = Styles::styled()
    .header(AnsiColor::Green.on_default().bold())
    .usage(AnsiColor::Green.on_default().bold())
    .literal(AnsiColor::Cyan.on_default().bold())
    .placeholder(AnsiColor::Cyan.on_default());

/// Options that every verb takes.
#[derive(Debug, Clone, Default, Args)]
#[command(next_help_heading = "Global options")]
pub(crate) struct Global {
    /// Server to talk to, http:// or https:// [env: HEADWATER_SERVER; its token: HEADWATER_TOKEN]
    #[arg(long, global = true, value_name = "URL")]
    pub(crate) server: Option<String>,
    /// Folder of everything local [env: HEADWATER_DATA_DIR] [default: ./.headwater]
    #[arg(long, global = true, value_name = "DIR")]
    pub(crate) data_dir: Option<PathBuf>,
    /// Read this configuration file instead of looking for some
    #[arg(long, global = true, value_name = "FILE", conflicts_with = "no_config")]
    pub(crate) config: Option<PathBuf>,
    /// Read no configuration file
    #[arg(long, global = true)]
    pub(crate) no_config: bool,
    /// A setting that wins over environment and files; may be repeated
    #[arg(long, global = true, value_name = "KEY=VALUE", value_parser = setting)]
    pub(crate) set: Vec<(String, String)>,
    /// Form of the answer [default: table on a terminal; piped: csv for rows, json for a document, jsonl for a list]
    #[arg(long, global = true, value_name = "FORMAT")]
    pub(crate) format: Option<Format>,
    /// Print ids or names only, one a line, and no remarks
    #[arg(short, long, global = true)]
    pub(crate) quiet: bool,
    /// When to colour [env: NO_COLOR, CLICOLOR_FORCE]
    #[arg(long, global = true, value_name = "WHEN", alias = "colour", default_value = "auto")]
    pub(crate) color: When,
    /// Do not ask before something is lost
    #[arg(short, long, global = true)]
    pub(crate) yes: bool,
    /// Log to standard error: error, warn, info, debug or trace
    #[arg(long, global = true, value_name = "LEVEL", alias = "loglevel", value_parser = log_level)]
    pub(crate) log_level: Option<String>,
    /// As `--color never`
    #[arg(long, global = true, hide = true)]
    pub(crate) nocolor: bool,
    /// As `--format json`
    #[arg(long, global = true, hide = true, conflicts_with = "format")]
    pub(crate) nopretty: bool,
    /// Do not shorten what is wider than the terminal
    #[arg(long, global = true, hide = true)]
    pub(crate) notrim: bool,
}

/// A level by its name, or by Python's as Funnel Rocket's users know it.
#[expect(clippy::unnecessary_wraps, reason = "the form of a parser of values")]
fn log_level(text: &str) -> Result<String, Infallible> {
    Ok(match text.to_ascii_lowercase().as_str() {
        "warning" => "warn".to_owned(),
        "critical" => "error".to_owned(),
        _ => text.to_owned(),
    })
}

/// Form of an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Format {
    /// For people
    Table,
    /// The API's own document
    Json,
    /// One document or row a line
    #[value(name = "jsonl")]
    JsonLines,
    /// RFC 4180 with a header line
    Csv,
    /// Rows of `sql` as a Markdown table
    #[value(alias = "md")]
    Markdown,
    /// Rows of `sql` as an Arrow IPC stream
    Arrow,
    /// Rows of `sql` as a Parquet file
    Parquet,
    /// A funnel's result as a drawing: `funnel run` and `job show`
    Svg,
    /// A funnel's result as a page with drawing and figures
    Html,
    /// Timeline of `job export`
    #[value(hide = true)]
    ChromeTrace,
}

impl Format {
    /// As the user writes it.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Table => "table",
            Self::Json => "json",
            Self::JsonLines => "jsonl",
            Self::Csv => "csv",
            Self::Markdown => "markdown",
            Self::Arrow => "arrow",
            Self::Parquet => "parquet",
            Self::Svg => "svg",
            Self::Html => "html",
            Self::ChromeTrace => "chrome-trace",
        }
    }
}

/// When to do what `auto` leaves to the surroundings.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum When {
    /// On a terminal
    #[default]
    Auto,
    /// Always
    Always,
    /// Never
    Never,
}

/// The nouns.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    Demo(DemoArgs),
    Up(UpArgs),
    Sql(SqlArgs),
    /// Register, list, show and drop tables
    #[command(subcommand, visible_alias = "tables")]
    Table(TableVerb),
    /// Ask which groups went through a sequence of events
    #[command(subcommand)]
    Funnel(FunnelVerb),
    /// Options in the text of UDF scripts
    #[command(subcommand, visible_alias = "scripts")]
    Script(ScriptVerb),
    /// List, follow, cancel and export jobs
    #[command(subcommand, visible_alias = "jobs")]
    Job(JobVerb),
    /// The tasks that jobs are cut into
    #[command(subcommand)]
    Task(TaskVerb),
    Worker(WorkerArgs),
    /// Tokens for a server that others can reach
    #[command(subcommand)]
    Token(TokenVerb),
    /// What happened, in order
    #[command(subcommand, visible_alias = "events")]
    Event(EventVerb),
    /// Settings; backup and restore of the store
    #[command(subcommand)]
    Config(ConfigVerb),
    #[command(
        after_long_help = "Examples:\n  headwater doctor\n  headwater doctor --format json --server http://127.0.0.1:7080"
    )]
    /// Check store, disk and settings; each failure with its remedy
    Doctor,
    Completions(CompletionArgs),
    /// Documentation that is part of the program
    #[command(subcommand)]
    Docs(DocsVerb),
    Explain(ErrorPageArgs),
    /// Names that the last word may be, for completion scripts
    #[command(hide = true)]
    CompleteWords {
        /// The words of the line behind `headwater`, up to the cursor
        #[arg(last = true)]
        words: Vec<String>,
    },
    #[command(
        hide = true,
        about = "What a command's exit code tells",
        long_about = EXIT_CODES,
        help_template = "{about-with-newline}"
    )]
    ExitCodes,
}

impl CommandLine {
    /// The line with what counts as its own: words to complete name the server and data folder of the line that they are of.
    pub(crate) fn settled(mut self) -> Self {
        if let Some(Command::CompleteWords { words }) = &self.command {
            let value = |name: &str| {
                let at = words.iter().position(|word| word == name)?;
                words.get(at + 1).filter(|value| !value.is_empty()).cloned()
            };
            self.global.data_dir = value("--data-dir").map(PathBuf::from).or(self.global.data_dir);
            self.global.server = value("--server").or(self.global.server);
            self.global.quiet = true;
        }
        self
    }
}

/// The page `headwater help exit-codes`.
pub(crate) const EXIT_CODES: &str = "\
What a command's exit code tells

    0  done
    1  the work itself failed
    2  bad usage
    3  bad input, query or call document; findings of `validate` and `check`
    4  not found
    5  conflict
    6  store or server out of reach, or it does not let you in
    7  timed out
    8  done, but partly (for instance the cleaning up failed)
  130  cancelled, also by Ctrl-C

A closed pipe (`headwater sql ... | head`) is no failure: 0.";

fn setting(text: &str) -> Result<(String, String), String> {
    let (key, value) = text
        .split_once('=')
        .ok_or("write it as KEY=VALUE, for instance `memory.limit=2GiB`")?;
    if key.trim().is_empty() {
        return Err("the key is missing".to_owned());
    }
    Ok((key.trim().to_owned(), value.to_owned()))
}
