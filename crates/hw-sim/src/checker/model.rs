//! What the events have told so far.

use std::collections::BTreeMap;
use std::sync::Arc;

use hw_job::{Elapsed, Fence, JobState, SessionId, TaskState};

use crate::plan::Plan;

/// A job as its events tell it.
#[derive(Debug)]
pub(super) struct JobModel {
    pub(super) plan: Arc<Plan>,
    pub(super) state: JobState,
    pub(super) owner: Option<SessionId>,
    /// Its owner was given up since, or had been when it made the job.
    pub(super) was_orphan: bool,
    /// Not earlier than this was it submitted.
    pub(super) since: Elapsed,
    /// How many tasks were said to have become ready.
    pub(super) ready: u64,
    pub(super) tasks: BTreeMap<u32, TaskModel>,
    /// Changes of tables told under the job's name.
    pub(super) changes: u32,
    pub(super) cancel_requested: bool,
    /// How often it was said to have ended.
    pub(super) ends: u32,
    /// Whether the reason of its ending was looked into, when it was news.
    pub(super) ending_seen: bool,
    /// Removed by retention.
    pub(super) is_gone: bool,
}

#[derive(Debug, Default)]
pub(super) struct TaskModel {
    pub(super) attempts: u32,
    pub(super) news: News,
    pub(super) successes: u32,
    /// Somebody asked for its end alone.
    pub(super) cancelled: bool,
    pub(super) fence: Fence,
    /// The newest attempt whose loss was looked into, when it was news.
    pub(super) losses_seen: u32,
}

/// The last that was told of a task.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) enum News {
    #[default]
    None,
    Started,
    Retry(TaskState),
    Ended(TaskState),
    Blocked,
}

/// How long a session is alive, as far as is known.
#[derive(Debug, Default)]
pub(super) struct Life {
    /// Its lease runs at least until then.
    pub(super) until: Elapsed,
    /// Its process died or was replaced.
    pub(super) is_over: bool,
}

impl JobModel {
    pub(super) fn new(plan: Arc<Plan>, owner: Option<SessionId>, since: Elapsed) -> Self {
        Self {
            plan,
            state: JobState::Queued,
            owner,
            was_orphan: false,
            since,
            ready: 0,
            tasks: BTreeMap::new(),
            changes: 0,
            cancel_requested: false,
            ends: 0,
            ending_seen: false,
            is_gone: false,
        }
    }

    pub(super) fn is_settled(&self) -> bool {
        self.state.is_settled()
    }

    pub(super) fn has_succeeded(&self) -> bool {
        self.state == JobState::Succeeded
    }

    /// Whether anything of it may be done, as far as is known: it was not submitted before `since`.
    pub(super) fn may_start(&self, now: Elapsed) -> bool {
        let delay = self.plan.delay.unwrap_or_default();
        self.since.after(delay) <= now
    }

    /// Number of tasks that were cancelled by themselves.
    pub(super) fn cancelled_tasks(&self) -> u64 {
        let cancelled = self.tasks.values().filter(|task| task.cancelled);
        u64::try_from(cancelled.count()).unwrap_or(u64::MAX)
    }

    pub(super) fn starts(&self) -> u64 {
        self.tasks.values().map(|task| u64::from(task.attempts)).sum()
    }
}
