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

/// Times that a transaction is tried that others were in the way of, on Postgres.
pub(crate) const TRIES_MAX: u32 = 5;

/// Longest time for which Postgres may leave a statement, a commit or a new connection without an answer.
pub(crate) const ANSWER_MAX: Duration = Duration::from_secs(30);

/// First and longest pause between two tries to reach a Postgres server that is away.
pub(crate) const RECONNECT_PAUSE_MIN: Duration = Duration::from_millis(20);
/// See [`RECONNECT_PAUSE_MIN`].
pub(crate) const RECONNECT_PAUSE_MAX: Duration = Duration::from_millis(500);

/// How long a process that stopped in the middle of a transaction may keep others of a Postgres store from writing.
pub(crate) const IDLE_IN_TRANSACTION_MAX: Duration = Duration::from_secs(5);

/// Receipts of writers that did not close their store go after this time.
pub(crate) const RECEIPT_KEPT: Duration = Duration::from_secs(24 * 3600);

/// Times that a claim chooses anew because others took what it had chosen, on Postgres.
pub(crate) const CLAIM_ROUNDS_MAX: usize = 3;
