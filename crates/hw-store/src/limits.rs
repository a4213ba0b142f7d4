//! Limits that hold for every store, each with a name.

use std::time::Duration;

/// Jobs that may be queued or running at a time, unless a store is opened with another limit.
pub const UNFINISHED_JOBS_MAX: u32 = 10_000;

/// Tasks at the head of the queue that a claim chooses from.
pub const QUEUE_WINDOW: usize = 256;

/// Items of a page.
pub const PAGE_ITEMS_MAX: u32 = 1_000;

/// Newest events of the log that a process keeps at hand for its own readers.
pub(crate) const TAIL_EVENTS_MAX: usize = 1_024;

/// Settled jobs that one call of `prune` removes.
pub(crate) const PRUNED_JOBS_MAX: usize = 100;

/// Tasks of settled jobs after which one call of `prune` takes no further job.
pub(crate) const PRUNED_TASKS_MAX: u64 = 5_000;

/// Settled jobs whose documents one call of `prune` removes.
pub(crate) const PRUNED_RESULTS_MAX: usize = 100;

/// Events that one call of `prune` removes.
pub(crate) const PRUNED_EVENTS_MAX: usize = 10_000;

/// How long events wait, beyond their age, for a durable listener that has not read them. Then they go, and it is behind.
pub const LISTENER_WAIT_MAX: Duration = Duration::from_secs(30 * 24 * 3600);

/// Superseded versions of tables whose parts one call of `prune` removes.
pub(crate) const PRUNED_VERSIONS_MAX: usize = 100;

/// Writes that may wait for the writer; further callers wait for room.
pub(crate) const WRITES_QUEUED_MAX: usize = 1_024;

/// Writes that share a transaction, unless a store is opened with another limit.
pub const GROUP_COMMIT_MAX: usize = 256;

/// Longest time for which a writer keeps taking the lock without a gap for other processes.
pub(crate) const WRITE_STRETCH_MAX: Duration = Duration::from_millis(20);

/// That gap.
pub(crate) const COURTESY_PAUSE: Duration = Duration::from_millis(1);

/// Pause before a busy lock is asked for again.
pub(crate) const BUSY_RETRY_PAUSE: Duration = Duration::from_millis(1);

/// How long SQLite itself waits for a lock, before the writer asks again.
pub(crate) const LOCK_WAIT: Duration = Duration::from_millis(2);

/// Longest time that a store takes to have passed while its host was off.
pub(crate) const ABSENCE_MAX: Duration = Duration::from_secs(30 * 24 * 3600);

/// Levels of lists and objects in a document. Deeper ones could be written, but not read again.
pub const DOCUMENT_DEPTH_MAX: usize = 100;
