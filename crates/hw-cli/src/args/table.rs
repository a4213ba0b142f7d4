//! `headwater table`.

use clap::{Args, Subcommand, ValueEnum};

use super::duration;

/// The verbs of tables.
#[derive(Debug, Subcommand)]
pub(crate) enum TableVerb {
    Register(RegisterArgs),
    /// List the tables of the catalog
    ///
    /// Newest first. `--quiet` prints the names alone.
    #[command(
        visible_alias = "ls",
        after_long_help = "Examples:\n  headwater table list\n  headwater table list --format csv > tables.csv"
    )]
    List(Page),
    /// Show a table: facts and columns
    #[command(
        visible_alias = "info",
        after_long_help = "Examples:\n  headwater table show flights\n  headwater table show flights --parts --format jsonl"
    )]
    Show {
        /// Name of the table
        name: String,
        /// Most frequent values and share of distinct values of each column as well
        #[arg(long)]
        full: bool,
        /// The parts (files) instead of the columns
        #[arg(long, conflicts_with = "full")]
        parts: bool,
    },
    /// Take a table out of the catalog
    ///
    /// Files that were registered stay where they are. A table that was used moments ago, or that views read, is not dropped
    /// without --force.
    #[command(
        visible_alias = "unregister",
        after_long_help = "Examples:\n  headwater table drop flights\n  headwater table drop flights --force --yes"
    )]
    Drop {
        /// Name of the table
        name: String,
        /// Also when it was used moments ago, or views read it
        #[arg(long)]
        force: bool,
        /// Whether it is no fault that there is no such table.
        #[arg(skip)]
        may_be_absent: bool,
    },
    Repartition(RepartitionArgs),
    Export(ExportArgs),
    /// List the jobs that read or made a table
    #[command(after_long_help = "Examples:\n  headwater table runs flights\n  headwater table runs --limit 200")]
    Runs {
        /// Name of the table; without it, the jobs of all tables
        name: Option<String>,
        #[command(flatten)]
        page: Page,
    },
}

/// Register a folder of Parquet files as a table
///
/// The files stay where they are. With --group and --time the table can be asked in funnels. Parts are checked first:
/// columns and types agree, group and time columns exist and have no nulls, and every group stands in one part only.
#[derive(Debug, Args)]
#[command(after_long_help = "Examples:\n  \
    headwater table register events ./events --group user_id --time ts\n  \
    headwater table register daily s3://shop/events/ --group user_id --time ts --groups split --recursive")]
pub(crate) struct RegisterArgs {
    /// Name of the table
    pub(crate) name: String,
    /// Folder, file or URL of the parts; a wildcard may end it, within quotes: 'data/2026-*.parquet'
    #[arg(value_name = "PATH|URL")]
    pub(crate) path: String,
    /// Column that tells groups (users, devices) apart
    #[arg(short, long, value_name = "COLUMN")]
    pub(crate) group: Option<String>,
    /// Column that orders the rows of a group
    #[arg(short, long, value_name = "COLUMN")]
    pub(crate) time: Option<String>,
    /// Shell wildcard on the files' names [default: *.parquet]
    #[arg(long, value_name = "GLOB")]
    pub(crate) pattern: Option<String>,
    /// Look into sub-folders, too
    #[arg(short, long)]
    pub(crate) recursive: bool,
    /// Whether each group stands in one part only
    #[arg(long, value_name = "HOW")]
    pub(crate) groups: Option<Groups>,
    /// Which parts are read for the check [default: sample]
    #[arg(long, value_name = "WHICH")]
    pub(crate) validation: Option<Validation>,
    /// Do not check that each group stands in one part
    #[arg(long)]
    pub(crate) skip_uniques: bool,
    #[command(flatten)]
    pub(crate) job: JobArgs,
}

/// Make a table in which each group stands in one part
///
/// Reads the rows of a table, brings those of each group together, sorts them by group and time, and writes them as parts of
/// the new table; funnels over it are faster than over groups that straddle parts. Run again, it takes in the parts that
/// were added to the source since; when parts of the source are gone or changed, it makes the table anew.
#[derive(Debug, Args)]
#[command(after_long_help = "Examples:\n  \
    headwater table repartition events\n  \
    headwater table repartition daily --to by_device --group device --time ts --parts 64")]
pub(crate) struct RepartitionArgs {
    /// Name of the table whose rows are read
    pub(crate) name: String,
    /// Name of the new table [default: NAME_by_GROUP]
    #[arg(long, value_name = "TABLE")]
    pub(crate) to: Option<String>,
    /// Column that tells groups apart, where the table does not say
    #[arg(short, long, value_name = "COLUMN")]
    pub(crate) group: Option<String>,
    /// Column that orders the rows of a group, where the table does not say
    #[arg(short, long, value_name = "COLUMN")]
    pub(crate) time: Option<String>,
    /// Distribute the groups over so many parts [default: by size]
    #[arg(long, value_name = "COUNT", value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) parts: Option<u32>,
    /// Rows of a row group [default: 262144]
    #[arg(long, value_name = "COUNT", value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) row_group_rows: Option<u32>,
    #[command(flatten)]
    pub(crate) job: JobArgs,
}

/// Write the rows of a table to files
///
/// A place that ends in .parquet, .csv or .jsonl is one file; any other is a folder, which gets as many files as the rows
/// need. A file appears whole or not at all. What is there already is not replaced without --overwrite; in a folder that
/// replaces what earlier exports of the table left.
#[derive(Debug, Args)]
#[command(after_long_help = "Examples:\n  \
    headwater table export events events.csv --columns user,ts --filter \"event = 'buy'\"\n  \
    headwater table export events s3://shop/copy/ --as parquet --rows-per-file 5000000")]
pub(crate) struct ExportArgs {
    /// Name of the table
    pub(crate) name: String,
    /// File, folder or URL
    #[arg(value_name = "FILE|FOLDER|URL")]
    pub(crate) to: String,
    /// Form of the files of a folder [default: parquet]
    #[arg(long = "as", value_name = "FORM")]
    pub(crate) form: Option<FileForm>,
    /// Only these columns, in this order, separated by commas
    #[arg(long, value_name = "COLUMNS", value_delimiter = ',')]
    pub(crate) columns: Vec<String>,
    /// Only rows that meet this condition in SQL
    #[arg(long, value_name = "CONDITION")]
    pub(crate) filter: Option<String>,
    /// Rows of each file of a folder [default: 1000000]
    #[arg(long, value_name = "COUNT", value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) rows_per_file: Option<u32>,
    /// Replace files that are there
    #[arg(long)]
    pub(crate) overwrite: bool,
    #[command(flatten)]
    pub(crate) job: JobArgs,
}

/// What rows are written as.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum FileForm {
    /// Parquet
    Parquet,
    /// RFC 4180 with a header line
    Csv,
    /// One JSON object a line
    Jsonl,
}

impl FileForm {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Parquet => "parquet",
            Self::Csv => "csv",
            Self::Jsonl => "jsonl",
        }
    }
}

/// Options of verbs that run a job.
#[derive(Debug, Clone, Default, Args)]
pub(crate) struct JobArgs {
    /// Let the server do it, and print the job's id at once
    #[arg(long)]
    pub(crate) detach: bool,
    /// Give up after this time, for instance 90s
    #[arg(long, value_name = "TIME", value_parser = duration::checked)]
    pub(crate) timeout: Option<String>,
    /// Do not start before: 2026-01-31T06:00:00Z, or 10m from now
    #[arg(long, value_name = "WHEN")]
    pub(crate) not_before: Option<String>,
    /// Give up unless it has ended by then: 2026-01-31T06:00:00Z, or 10m from now
    #[arg(long, value_name = "WHEN")]
    pub(crate) deadline: Option<String>,
    /// Show progress also where standard error is no terminal
    #[arg(long)]
    pub(crate) progress: bool,
}

/// Options of verbs that list.
#[derive(Debug, Clone, Default, Args)]
pub(crate) struct Page {
    /// Stop after so many [default: 50 on a terminal, else all]
    #[arg(short = 'n', long, value_name = "COUNT", value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) limit: Option<u32>,
    /// Go on where the last list ended
    #[arg(long, value_name = "TOKEN")]
    pub(crate) page: Option<String>,
}

/// Whether groups stand in one part each.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Groups {
    /// Each group stands in one part; checked, then relied upon
    Contained,
    /// Groups may straddle parts
    Split,
}

impl Groups {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Contained => "contained",
            Self::Split => "split",
        }
    }
}

/// Which parts are read for the check.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
#[value(rename_all = "snake_case")]
pub(crate) enum Validation {
    /// The first
    Single,
    /// First and last
    #[value(alias = "first-last")]
    FirstLast,
    /// First, last and some others
    Sample,
    /// All
    All,
}

impl Validation {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Single => "single",
            Self::FirstLast => "first_last",
            Self::Sample => "sample",
            Self::All => "all",
        }
    }
}
