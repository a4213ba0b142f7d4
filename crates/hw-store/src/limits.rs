//! Limits that hold for every store, each with a name.

/// Jobs that may be queued or running at a time, unless a store is opened with another limit.
pub const UNFINISHED_JOBS_MAX: u32 = 10_000;

/// Tasks at the head of the queue that a claim chooses from.
pub const QUEUE_WINDOW: usize = 256;

/// Items of a page.
pub const PAGE_ITEMS_MAX: u32 = 1_000;

/// Settled jobs that one call of `prune` removes.
pub(crate) const PRUNED_JOBS_MAX: usize = 100;

/// Tasks of settled jobs after which one call of `prune` takes no further job.
pub(crate) const PRUNED_TASKS_MAX: u64 = 5_000;

/// Settled jobs whose documents one call of `prune` removes.
pub(crate) const PRUNED_RESULTS_MAX: usize = 100;

/// Events that one call of `prune` removes.
pub(crate) const PRUNED_EVENTS_MAX: usize = 10_000;

/// Superseded versions of tables whose parts one call of `prune` removes.
pub(crate) const PRUNED_VERSIONS_MAX: usize = 100;
