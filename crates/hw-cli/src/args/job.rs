//! `headwater job`.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Subcommand};

use super::duration;
use super::table::Page;

/// The verbs of jobs. An id may be shortened to any part of at least four characters at its begin or end.
#[derive(Debug, Subcommand)]
pub(crate) enum JobVerb {
    List(JobListArgs),
    /// Show a job: state, progress, result, error
    #[command(
        after_long_help = "Examples:\n  headwater job show 3f2a91c0\n  headwater job show 3f2a91c0 --format json\n  headwater job show 3f2a91c0 --format html > funnel.html"
    )]
    Show {
        /// Id of the job, or its last characters
        id: String,
    },
    /// Wait until a job has ended; its outcome is the exit code
    ///
    /// Ctrl-C stops waiting, not the job.
    #[command(
        after_long_help = "Examples:\n  headwater job wait 3f2a91c0\n  headwater job wait 3f2a91c0 --timeout 10m && echo done"
    )]
    Wait {
        /// Id of the job, or its last characters
        id: String,
        /// Stop waiting after this time (exit code 7)
        #[arg(long, value_name = "TIME", value_parser = duration::parse)]
        timeout: Option<Duration>,
    },
    /// Ask a job to stop
    #[command(
        after_long_help = "Examples:\n  headwater job cancel 3f2a91c0\n  headwater job list --state running -q | xargs -n1 headwater job cancel"
    )]
    Cancel {
        /// Id of the job, or its last characters
        id: String,
        /// Why, for the record
        #[arg(long, value_name = "TEXT")]
        reason: Option<String>,
    },
    /// Print what happened to a job, oldest first
    #[command(
        after_long_help = "Examples:\n  headwater job logs 3f2a91c0\n  headwater job logs 3f2a91c0 --follow --format jsonl"
    )]
    Logs {
        /// Id of the job, or its last characters
        id: String,
        /// Go on with what happens from now on, until the job has ended
        #[arg(long)]
        follow: bool,
    },
    /// Export a job as one document
    ///
    /// `--format json` (default): parameters, versions, tasks, attempts, timings, result. `--format chrome-trace`: a timeline
    /// with one track per worker slot, for chrome://tracing or ui.perfetto.dev.
    #[command(
        after_long_help = "Examples:\n  headwater job export 3f2a91c0 > run.json\n  headwater job export 3f2a91c0 --format chrome-trace -o run.trace.json"
    )]
    Export {
        /// Id of the job, or its last characters
        id: String,
        /// Write to this file
        #[arg(short, long, value_name = "FILE")]
        output: Option<PathBuf>,
    },
}

/// List jobs, newest first
#[derive(Debug, Args)]
#[command(
    visible_alias = "ls",
    after_long_help = "Examples:\n  headwater job list --state running\n  headwater job list --table events --kind funnel --format jsonl"
)]
pub(crate) struct JobListArgs {
    /// Only of this kind: register, funnel, drop, repartition, export, view
    #[arg(long, value_name = "KIND")]
    pub(crate) kind: Option<String>,
    /// Only in this state: queued, running, finishing, succeeded, failed, cancelled, timed_out
    #[arg(long, value_name = "STATE")]
    pub(crate) state: Option<String>,
    /// Only those that read or make this table
    #[arg(long, value_name = "NAME")]
    pub(crate) table: Option<String>,
    /// Only with this tag
    #[arg(long, value_name = "TAG")]
    pub(crate) tag: Option<String>,
    #[command(flatten)]
    pub(crate) page: Page,
}
