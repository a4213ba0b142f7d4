//! `headwater funnel`.

use std::path::PathBuf;

use clap::{Args, Subcommand};

use super::table::JobArgs;

/// The verbs of funnels.
#[derive(Debug, Subcommand)]
pub(crate) enum FunnelVerb {
    Run(RunArgs),
    Validate(ValidateArgs),
    Explain(ExplainArgs),
}

/// Run a funnel query over a table
///
/// Prints the result: on a terminal as bars, else the result document. Ctrl-C cancels the run.
#[derive(Debug, Args)]
#[command(after_long_help = "Examples:\n  \
    headwater funnel run events --file checkout.json\n  \
    headwater funnel run 'data/*.parquet' --group user --time ts -s \
    '{\"funnel\":{\"sequence\":[{\"filter\":[\"event\",\"==\",\"view\"]},{\"filter\":[\"event\",\"==\",\"buy\"]}]}}'")]
pub(crate) struct RunArgs {
    /// Name of the table, or files together with --group and --time
    pub(crate) table: String,
    #[command(flatten)]
    pub(crate) query: QueryArgs,
    /// Column that tells groups apart, where the table does not say
    #[arg(short, long, value_name = "COLUMN")]
    pub(crate) group: Option<String>,
    /// Column that orders the rows of a group, where the table does not say
    #[arg(short, long, value_name = "COLUMN")]
    pub(crate) time: Option<String>,
    /// Write the ids of the matching groups to a table or a file
    #[arg(long, value_name = "TABLE|FILE")]
    pub(crate) export_groups: Option<String>,
    /// Export the groups that reached this step: 1, 2, ... or last
    #[arg(long, value_name = "STEP", requires = "export_groups", value_parser = step)]
    pub(crate) step: Option<Step>,
    /// Replace the table of --export-groups if it is there already
    #[arg(long, requires = "export_groups")]
    pub(crate) replace: bool,
    /// Do not answer from a finished identical run
    #[arg(long)]
    pub(crate) no_cache: bool,
    #[command(flatten)]
    pub(crate) job: JobArgs,
}

/// Where a query document comes from: exactly one of three.
#[derive(Debug, Clone, Args)]
#[group(required = true, multiple = false)]
pub(crate) struct QueryArgs {
    /// Read the query document from this file; `-` is standard input
    #[arg(short, long, value_name = "FILE")]
    pub(crate) file: Option<PathBuf>,
    /// The query document itself
    #[arg(short, long, value_name = "JSON", allow_hyphen_values = true)]
    pub(crate) string: Option<String>,
    /// The empty query: counts all groups and rows
    #[arg(short, long)]
    pub(crate) empty: bool,
}

/// Check a funnel query without running it
///
/// Finds every fault at once, each with its place, and shows the query as it will be understood. Exits with 3 when there
/// are faults. With `--schema-only` only the structure is checked, without a table.
#[derive(Debug, Args)]
#[command(after_long_help = "Examples:\n  \
    headwater funnel validate events --file checkout.json\n  \
    headwater funnel validate --schema-only --file - < checkout.json")]
pub(crate) struct ValidateArgs {
    /// Name of the table
    #[arg(required_unless_present = "schema_only", conflicts_with = "schema_only")]
    pub(crate) table: Option<String>,
    #[command(flatten)]
    pub(crate) query: QueryArgs,
    /// Check the structure only, without a table
    #[arg(long)]
    pub(crate) schema_only: bool,
}

/// Tell how a funnel query is carried out
///
/// Shows the columns that are read and why, what the timeframe rules out, how each predicate is looked at, and the way that is
/// taken. With --analyze the query is run, its answer is thrown away, and rows, bytes and time of each stage are told.
#[derive(Debug, Args)]
#[command(after_long_help = "Examples:\n  \
    headwater funnel explain events --file checkout.json\n  \
    headwater funnel explain 'data/*.parquet' --group user --time ts --empty --analyze")]
pub(crate) struct ExplainArgs {
    /// Name of the table, or files together with --group and --time
    pub(crate) table: String,
    #[command(flatten)]
    pub(crate) query: QueryArgs,
    /// Column that tells groups apart, where the table does not say
    #[arg(short, long, value_name = "COLUMN")]
    pub(crate) group: Option<String>,
    /// Column that orders the rows of a group, where the table does not say
    #[arg(short, long, value_name = "COLUMN")]
    pub(crate) time: Option<String>,
    /// Run it, and tell rows, bytes and time of each stage
    #[arg(long)]
    pub(crate) analyze: bool,
}

/// A step of a funnel.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Step {
    /// Counted from 1.
    Number(u32),
    /// The last one.
    Last,
}

fn step(text: &str) -> Result<Step, String> {
    match text {
        "last" => Ok(Step::Last),
        number => match number.parse() {
            Ok(0) | Err(_) => Err("steps are 1, 2, ... or `last`".to_owned()),
            Ok(number) => Ok(Step::Number(number)),
        },
    }
}
