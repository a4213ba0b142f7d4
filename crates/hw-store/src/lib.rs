//! What the system remembers: catalog, jobs, tasks, queue, events, history.
//!
//! One trait, [`Store`], in parts by noun. [`MemoryStore`] serves tests and simulation, [`SqliteStore`] one host with
//! several processes, [`PostgresStore`] many hosts. All of them pass the one suite in `conformance`.
//!
//! Three rules hold for every implementation:
//!
//! 1. Every change of a job or task is one compare-and-set on (state, fence) together with its event, in one
//!    transaction. What [`hw_job::TaskState::may_become`] does not allow is refused.
//! 2. No event is ever skipped: readers see events in the order of their numbers, and no number appears below one that
//!    was already seen. A wake-up is only a hint.
//! 3. Decisions about leases and pauses use the store's own elapsed clock, never a caller's and never the wall's.

mod catalog;
mod clock;
#[cfg(test)]
mod conformance;
mod error;
mod events;
mod jobs;
mod journal;
mod limits;
mod memory;
mod postgres;
mod queue;
mod sessions;
mod sqlite;
#[cfg(test)]
mod tests;
mod trouble;

pub use catalog::{CatalogStore, FileLedger, TableUse};
pub use clock::{SystemClock, host_boot_id};
pub use error::{ERROR_CODES, StoreError};
pub use events::{EventFilter, EventStore, Heard, ListenFrom, ListenerRecord, ListenerStore, Missed};
pub use jobs::{
    AddTasks, AttemptRecord, EndJob, IdempotencyKey, JobChangeError, JobFilter, JobRecord, JobStore, NewJob, Page,
    PageRequest, Submission, SubmitError, TaskRecord,
};
pub use limits::{
    DOCUMENT_DEPTH_MAX, GROUP_COMMIT_MAX, LISTENER_WAIT_MAX, PAGE_ITEMS_MAX, QUEUE_WINDOW, UNFINISHED_JOBS_MAX,
};
pub use memory::MemoryStore;
pub use postgres::{PostgresOptions, PostgresStore};
pub use queue::{
    ChangeRefused, Claim, ClaimedTask, HeldTask, NextState, QueueStore, Slot, TaskChange, TaskChanged, TaskWork,
    Verdict,
};
pub use sessions::{NewSession, Role, SessionRecord, SessionStore, TokenRecord, WorkerRecord};
pub use sqlite::{SqliteOptions, SqliteStore, restore};

use std::path::Path;
use std::time::Duration;

use async_trait::async_trait;

/// Everything that the system remembers. See the parts for what each promises.
#[async_trait]
pub trait Store:
    CatalogStore + EventStore + FileLedger + JobStore + ListenerStore + QueueStore + SessionStore + Send + Sync
{
    /// Name of the implementation, for `doctor` and logs: `memory`, `sqlite`, `postgres`.
    fn backend(&self) -> &'static str;

    /// Where it is, for people and without secrets; `None` where that goes without saying.
    fn place(&self) -> Option<String> {
        None
    }

    /// Ends what is under way and lets go of what the store holds open; later calls fail.
    async fn close(&self) {}

    /// Whether the store answers.
    ///
    /// # Errors
    /// [`StoreError`] if it does not.
    async fn check(&self) -> Result<(), StoreError>;

    /// The fault that has kept every write of this process from succeeding for some seconds; `None` while they succeed.
    /// Who waits for a change asks it, so as not to wait for what cannot be written.
    fn trouble(&self) -> Option<StoreError> {
        None
    }

    /// Removes what is older than the limits say, at most a bounded number of rows of each noun per call; returns how
    /// many rows went. Settled jobs only. Events that a durable listener has not read wait for it up to
    /// [`LISTENER_WAIT_MAX`] beyond their age, unless it is behind anyway.
    ///
    /// # Errors
    /// [`StoreError`] if the store did not answer; what was removed stays removed.
    async fn prune(&self, limits: &Retention) -> Result<u64, StoreError>;

    /// Writes a consistent copy of the store to `target` while it is in use. `target` must not exist.
    ///
    /// # Errors
    /// [`StoreError::Unsupported`] where the implementation has none, otherwise what went wrong; then no file is left.
    async fn backup(&self, target: &Path) -> Result<(), StoreError>;
}

/// How long things are kept after they are over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Retention {
    /// The record of a settled job.
    pub jobs: Duration,
    /// The result of a settled job.
    pub results: Duration,
    /// An event, as far as no durable listener waits for it.
    pub events: Duration,
}

impl Default for Retention {
    /// 90 days for jobs and events, 7 days for results.
    fn default() -> Self {
        let days = |count: u64| Duration::from_secs(count * 24 * 3600);
        Self {
            jobs: days(90),
            results: days(7),
            events: days(90),
        }
    }
}
