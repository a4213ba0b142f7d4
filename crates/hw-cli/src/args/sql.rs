//! `headwater sql`.

use std::path::PathBuf;

use clap::Args;

/// Run SQL over tables and files
///
/// Reads tables of the catalog by name and files by path: SELECT ... FROM 'events/*.parquet'. Without a statement it
/// opens a shell on a terminal, and reads statements from standard input otherwise; the first failing statement then
/// ends the run (`.bail off` changes that). Rows are streamed: memory does not grow with the result.
#[derive(Debug, Args)]
#[command(
    visible_alias = "query",
    after_long_help = "Examples:\n  \
        headwater sql \"SELECT event, count(*) FROM 'events/*.parquet' GROUP BY event ORDER BY 2 DESC\"\n  \
        headwater sql -f report.sql --param 2024-05-01 --format csv > report.csv"
)]
pub(crate) struct SqlArgs {
    /// Statements, separated by `;`
    #[arg(value_name = "STATEMENT", conflicts_with_all = ["file", "command"])]
    pub(crate) statement: Option<String>,
    /// Read statements from this file; `-` is standard input
    #[arg(short, long, value_name = "FILE")]
    pub(crate) file: Option<PathBuf>,
    /// A statement or dot command, before --file; may be repeated
    #[arg(short, long, value_name = "STATEMENT")]
    pub(crate) command: Vec<String>,
    /// Value of $1, then $2, ...: null, true, a number, a text in double quotes; anything else is a text as it stands
    #[arg(short, long = "param", value_name = "VALUE", allow_hyphen_values = true)]
    pub(crate) params: Vec<String>,
    /// Show the plan instead of running
    #[arg(long)]
    pub(crate) explain: bool,
    /// Run, and show the plan with rows and time of each step
    #[arg(long)]
    pub(crate) analyze: bool,
    /// Show every row and column of a table
    #[arg(short, long)]
    pub(crate) all: bool,
    /// Write the rows to this file; its ending chooses the form unless --format does
    #[arg(short, long, value_name = "FILE")]
    pub(crate) output: Option<PathBuf>,
}
