//! States of jobs, and what is told about one while it runs.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::failure::Failure;
use crate::task::TaskState;

/// State of a job.
///
/// ```text
///             submit            first task starts         last needed outcome
///  (none) ──▶ queued ─────────▶ running ────────────────▶ finishing ──▶ succeeded
///                │                 │                          └───────▶ failed
///                └──── cancel ─────┴── timeout / failure ──▶ cancelled | timed_out | failed
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum JobState {
    /// Accepted; no task has started.
    Queued,
    /// A task has started.
    Running,
    /// All needed outcomes are there; the result is being made.
    Finishing,
    /// Ended with a result.
    Succeeded,
    /// Ended with a failure.
    Failed,
    /// Ended on request.
    Cancelled,
    /// Ended because it took too long.
    TimedOut,
}

impl JobState {
    /// Every state, in the order of the type.
    pub const ALL: [Self; 7] = [
        Self::Queued,
        Self::Running,
        Self::Finishing,
        Self::Succeeded,
        Self::Failed,
        Self::Cancelled,
        Self::TimedOut,
    ];

    /// Nothing follows.
    pub fn is_settled(self) -> bool {
        match self {
            Self::Succeeded | Self::Failed | Self::Cancelled | Self::TimedOut => true,
            Self::Queued | Self::Running | Self::Finishing => false,
        }
    }

    /// The state in the words of the API, `timed_out`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Queued => "queued",
            Self::Running => "running",
            Self::Finishing => "finishing",
            Self::Succeeded => "succeeded",
            Self::Failed => "failed",
            Self::Cancelled => "cancelled",
            Self::TimedOut => "timed_out",
        }
    }

    /// The state that [`as_str`](Self::as_str) writes so.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|state| state.as_str() == name)
    }
}

/// What happens to an unfinished job when the process that submitted it is gone.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Lifetime {
    /// Somebody waits for it: it ends as failed, class `platform`.
    Interactive,
    /// It waits for a server or for `resume`.
    Durable,
}

/// A document kept in the store, or in a file that the store refers to when it is large or tabular.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum StoredDocument {
    /// Up to 64 KiB of JSON.
    Inline(Value),
    /// A file of the file layer.
    File {
        /// Path below the deployment's file root.
        path: String,
        /// Media type.
        media_type: String,
        /// Size.
        bytes: u64,
        /// xxh3 of the content, hexadecimal.
        checksum: String,
    },
}

impl StoredDocument {
    /// Largest document that is kept in the store itself, in bytes of JSON text.
    pub const INLINE_BYTES_MAX: usize = 64 * 1024;
}

/// How a job ended.
#[derive(Debug, Clone, PartialEq)]
pub enum JobEnding {
    /// With a result.
    Succeeded {
        /// The result.
        result: StoredDocument,
        /// Something beside the result failed.
        partial: bool,
    },
    /// With a failure.
    Failed(Failure),
    /// On request.
    Cancelled {
        /// Who or what asked.
        reason: String,
    },
    /// It took longer than allowed.
    TimedOut(Failure),
}

impl JobEnding {
    /// The job's final state.
    pub fn state(&self) -> JobState {
        match self {
            Self::Succeeded { .. } => JobState::Succeeded,
            Self::Failed(_) => JobState::Failed,
            Self::Cancelled { .. } => JobState::Cancelled,
            Self::TimedOut(_) => JobState::TimedOut,
        }
    }
}

/// Number of a job's tasks by state; states without a task are absent.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct TaskCounts(pub BTreeMap<TaskState, u32>);

impl TaskCounts {
    /// Counts the states given.
    pub fn of(states: impl IntoIterator<Item = TaskState>) -> Self {
        let mut counts = BTreeMap::new();
        for state in states {
            *counts.entry(state).or_default() += 1;
        }
        Self(counts)
    }

    /// Number of tasks in all states.
    pub fn total(&self) -> u32 {
        self.0.values().sum()
    }

    /// Number of tasks in one state.
    pub fn in_state(&self, state: TaskState) -> u32 {
        self.0.get(&state).copied().unwrap_or(0)
    }
}

/// What has been worked off.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Work {
    /// Rows dealt with.
    pub rows: u64,
    /// Bytes read.
    pub bytes: u64,
}

/// How far a job is.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Progress {
    /// What is being done, a word of the job's kind: `discovering`, `inspecting`.
    #[serde(default)]
    pub stage: String,
    /// The same for people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
    /// Rows dealt with by all its tasks, each in its newest attempt that told of any.
    #[serde(default)]
    pub rows: u64,
    /// Bytes read, likewise.
    #[serde(default)]
    pub bytes: u64,
}
