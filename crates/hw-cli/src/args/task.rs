//! `headwater task`.

use std::str::FromStr;

use clap::Subcommand;

/// The verbs of tasks. A task is written `JOB/INDEX`, as the lists print it.
#[derive(Debug, Subcommand)]
pub(crate) enum TaskVerb {
    /// List the tasks of a job
    #[command(
        visible_alias = "ls",
        after_long_help = "Examples:\n  headwater task list 3f2a91c0\n  headwater task list 3f2a91c0 --format csv"
    )]
    List {
        /// Id of the job, or its last characters
        job: String,
    },
    /// Show a task: parameters and attempts
    #[command(
        after_long_help = "Examples:\n  headwater task show 3f2a91c0/0\n  headwater task show 3f2a91c0/0 --format json"
    )]
    Show {
        /// The task, JOB/INDEX
        task: TaskReference,
    },
    /// Say why a task is where it is: what it waits for, and until when
    #[command(
        after_long_help = "Examples:\n  headwater task explain 3f2a91c0/4\n  headwater task explain 3f2a91c0/4 --format json"
    )]
    Explain {
        /// The task, JOB/INDEX
        task: TaskReference,
    },
    /// Give a task that used up its attempts another try
    #[command(
        after_long_help = "Examples:\n  headwater task requeue 3f2a91c0/4\n  headwater task requeue 3f2a91c0/4 --format json"
    )]
    Requeue {
        /// The task, JOB/INDEX
        task: TaskReference,
    },
    /// Cancel a single task
    ///
    /// Its worker stops within 200 ms. A job needs all its tasks, so the job ends as cancelled too.
    #[command(
        after_long_help = "Examples:\n  headwater task cancel 3f2a91c0/4\n  headwater task cancel 3f2a91c0/4 --format json"
    )]
    Cancel {
        /// The task, JOB/INDEX
        task: TaskReference,
        /// Why, for the record
        #[arg(long, value_name = "TEXT")]
        reason: Option<String>,
    },
}

/// `JOB/INDEX`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct TaskReference {
    /// Id of the job, or a part of it.
    pub(crate) job: String,
    /// Index of the task in the job.
    pub(crate) index: u32,
}

impl FromStr for TaskReference {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (job, index) = text
            .rsplit_once('/')
            .ok_or("a task is written JOB/INDEX, for instance `3f2a91c0/0`")?;
        let index = index.parse().map_err(|_| format!("`{index}` is no index of a task"))?;
        Ok(Self {
            job: job.to_owned(),
            index,
        })
    }
}
