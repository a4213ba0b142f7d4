//! `headwater event`.

use clap::{Args, Subcommand};

/// The verbs of events.
#[derive(Debug, Subcommand)]
pub(crate) enum EventVerb {
    /// List what happened, oldest first
    #[command(
        visible_alias = "ls",
        after_long_help = "Examples:\n  headwater event list --since 1200\n  headwater event list --kind table.changed --format jsonl"
    )]
    List {
        #[command(flatten)]
        filter: EventArgs,
        /// Stop after so many
        #[arg(short = 'n', long, value_name = "COUNT", value_parser = clap::value_parser!(u32).range(1..))]
        limit: Option<u32>,
    },
    /// Print events as they happen, until Ctrl-C
    #[command(
        after_long_help = "Examples:\n  headwater event follow\n  headwater event follow --kind 'job.*' --format jsonl | jq .subject"
    )]
    Follow {
        #[command(flatten)]
        filter: EventArgs,
    },
}

/// Which events.
#[derive(Debug, Clone, Default, Args)]
pub(crate) struct EventArgs {
    /// Only those after this place in the log
    #[arg(long, value_name = "SEQ")]
    pub(crate) since: Option<u64>,
    /// Only of this kind, for instance job.ended
    #[arg(long, value_name = "KIND")]
    pub(crate) kind: Option<String>,
    /// Only those of this job
    #[arg(long, value_name = "ID")]
    pub(crate) job: Option<String>,
}
