//! The queue: claiming, keeping and finishing tasks under leases and fences.
//!
//! ```text
//!  worker                     store                            controller
//!    │  claim_tasks ────────▶ ready → running, fence 7             │
//!    │◀─── task, fence 7 ──── lease until t+15 s                   │
//!    │  heartbeat (5 s) ────▶ lease until t+20 s                   │
//!    ┊ (paused or cut off)    lease runs out                       │
//!    ┊                        ◀──────────── change_tasks(fence 7) ─┤ running → ready, attempt lost, fence 8
//!    │                        another worker claims: fence 9       │
//!    │  change_tasks(7) ────▶ refused: late; nothing changes       │
//! ```
//!
//! A worker whose session's lease has run out may neither claim nor finish, though nobody has given the session up yet:
//! whoever gives it up may be about to take the tasks away and to say that the process died. The worker begins its session
//! anew, and then goes on.
//!
//! A fence is raised by one at each claim, and whenever a running task is taken from its worker (lost, preempted, or
//! withdrawn with its job); a report under another fence than the newest is recorded as `late` and changes nothing.

mod blocking;
mod lane;
mod report;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use hw_job::{AttemptCounts, Ending, Fence, JobId, Scarce, SessionId, TaskId, TaskState, Work, WorkerId};
use serde_json::Value;

use crate::{StoreError, TaskRecord};
pub(crate) use blocking::{Need, behind, freed};
pub(crate) use lane::{Candidate, Lane, choose, holds_any};
pub(crate) use report::{Judgement, Standing, cancelled_by_itself, check_outcome, judge, outcome_of, takes_away};

/// What a worker is ready to take.
#[derive(Debug, Clone, PartialEq)]
pub struct Claim {
    /// Who asks.
    pub worker: WorkerId,
    /// Kinds of tasks it can do, each with the newest format that it knows.
    pub kinds: Vec<(String, u32)>,
    /// Room that it has.
    pub slot: Slot,
    /// Only tasks of jobs that this session owns; `None` = of any job.
    pub owner: Option<SessionId>,
    /// Keys of parts that it holds; tasks with such an affinity are preferred within the window.
    pub holds: Vec<String>,
    /// How long it may keep a task without a heartbeat.
    pub lease: Duration,
}

/// Room at a worker.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Slot {
    /// At most so many tasks.
    pub tasks: u32,
    /// Thousandths of a processor that are free.
    pub cpu_milli: u32,
    /// Bytes of memory that are free.
    pub memory_bytes: u64,
    /// What else is free.
    pub scarce: Scarce,
    /// Labels that it carries.
    pub labels: Vec<String>,
}

/// A task that was claimed.
#[derive(Debug, Clone, PartialEq)]
pub struct ClaimedTask {
    /// The task.
    pub id: TaskId,
    /// Kind of its job.
    pub job_kind: String,
    /// What to do.
    pub kind: String,
    /// Version of `params`.
    pub format: u32,
    /// Its parameters.
    pub params: Value,
    /// Parameters of the job, expanded; shared by its tasks.
    pub job_params: Arc<Value>,
    /// The fence to report under.
    pub fence: Fence,
    /// Number of this attempt, from 1.
    pub attempt: u32,
    /// How earlier attempts ended.
    pub counts: AttemptCounts,
    /// Thousandths of a processor that it takes.
    pub cpu_milli: u32,
    /// Bytes of memory that it takes.
    pub memory_bytes: u64,
    /// What else it takes.
    pub scarce: Scarce,
}

/// A task that a worker says it has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct HeldTask {
    /// Which task.
    pub task: TaskId,
    /// Under which fence.
    pub fence: Fence,
}

/// What a worker has done of a task that it has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TaskWork {
    /// Which task.
    pub task: TaskId,
    /// Under which fence.
    pub fence: Fence,
    /// All that this attempt has worked off so far.
    pub work: Work,
}

/// Each attempt once, with what was told of it last: a statement takes them all at once, not one after the other.
pub(crate) fn told_last(done: &[TaskWork]) -> Vec<TaskWork> {
    let last: BTreeMap<(TaskId, Fence), TaskWork> = done.iter().map(|told| ((told.task, told.fence), *told)).collect();
    last.into_values().collect()
}

/// What a worker learns of a task that it has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// Go on; the lease was extended.
    Keep,
    /// The job's end was asked for: stop and report.
    Cancel,
    /// The task is no longer the worker's: stop, a report would be late.
    Lost,
}

/// Where a task goes when an attempt has ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NextState {
    /// It is settled.
    Settled(TaskState),
    /// It may be claimed again.
    Ready,
    /// It may be claimed again after a pause, by the store's clock.
    RetryAfter(Duration),
}

/// The end of an attempt at a running task.
#[derive(Debug, Clone, PartialEq)]
pub struct TaskChange {
    /// Which task.
    pub task: TaskId,
    /// The fence of the attempt.
    pub fence: Fence,
    /// How it ended.
    pub ending: Ending,
    /// How the attempts so far ended, this one included.
    pub counts: AttemptCounts,
    /// What becomes of the task.
    pub next: NextState,
    /// Paths of files that the outcome refers to; confirmed with it.
    pub files: Vec<String>,
    /// What the attempt has worked off; `None` leaves what was told before.
    pub work: Option<Work>,
}

/// A change that took effect.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TaskChanged {
    /// The task's state now.
    pub state: TaskState,
}

/// Why a change of a task was refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ChangeRefused {
    /// The fence is over, or the attempt ended otherwise. An attempt that was taken from its worker is recorded as late,
    /// with an event, once, when its worker reports on it; one that ended by its worker's own report keeps that end, and
    /// so does one that is taken away a second time.
    #[error("the report on task {task} came too late: fence {fence} is over, {current} is in force")]
    Late {
        /// Which task.
        task: TaskId,
        /// The fence reported under.
        fence: Fence,
        /// The newest fence.
        current: Fence,
    },
    /// There is no such task.
    #[error("there is no task {0}")]
    NotFound(TaskId),
    /// A file that the outcome refers to can not be confirmed any more: the attempt brought nothing that lasts, and its
    /// worker reports it as failed.
    #[error("the file `{file}` of task {task} was swept before the task was reported")]
    FileSwept {
        /// Which task.
        task: TaskId,
        /// The first such file.
        file: String,
    },
    /// The lease of the task still runs, or was extended since the task was found among those whose lease was over: it is
    /// not lost.
    #[error("task {task} is not lost: its lease still runs")]
    Leased {
        /// Which task.
        task: TaskId,
    },
    /// The session of the worker that has the task is over: the worker begins a new one and reports again. Taking the task
    /// away is not refused so.
    #[error("task {task} cannot be finished: the session of worker `{worker}` is over")]
    SessionOver {
        /// Which task.
        task: TaskId,
        /// Who has it.
        worker: WorkerId,
    },
    /// The state does not allow it: a bug.
    #[error("task {task} is {} and cannot become {}", from.as_str(), to.as_str())]
    Illegal {
        /// Which task.
        task: TaskId,
        /// Its state.
        from: TaskState,
        /// The state asked for.
        to: TaskState,
    },
}

/// Tasks on their way.
#[async_trait]
pub trait QueueStore {
    /// Claims ready tasks that fit the room offered and leases them: state `running`, fence raised, attempt recorded,
    /// event `task.started`; a queued job becomes running with event `job.started`.
    ///
    /// Lowest priority value first, then by turn, which is dealt round-robin over flows; only a window of the queue's
    /// head ([`QUEUE_WINDOW`](crate::QUEUE_WINDOW)) is looked at, and within it tasks whose affinity the worker holds
    /// come first. Tasks that the worker may not take at all (another owner, kind, format or label, a need for
    /// accelerators or counters) take no place in its window; those too large for its room do. Tasks of jobs whose end
    /// was asked for are not claimed. Possibly none.
    ///
    /// A worker that never announced itself ([`SessionStore::put_worker`](crate::SessionStore::put_worker)) stands for
    /// itself: only the leases of its tasks bind it.
    ///
    /// # Errors
    /// [`StoreError::SessionOver`] if the lease of the worker's session is over and something could be claimed, and if the
    /// store did not answer; then nothing was claimed.
    ///
    /// Cancel-safe: a dropped future leaves either no lease or leases that expire by themselves.
    async fn claim_tasks(&self, claim: &Claim) -> Result<Vec<ClaimedTask>, StoreError>;

    /// Extends the leases of the tasks that the worker still has, also of those to be cancelled; one statement for all
    /// of them. A lease that ran out can be extended until somebody takes the task away, but not one of a worker whose
    /// session was ended. The verdicts come in the order of `held`.
    ///
    /// # Errors
    /// [`StoreError`] if the store did not answer.
    async fn heartbeat(
        &self,
        worker: &WorkerId,
        held: &[HeldTask],
        lease: Duration,
    ) -> Result<Vec<Verdict>, StoreError>;

    /// Notes how much has been worked off of running tasks, a fixed number of statements for all of them. What is told under
    /// another fence than the newest is left out. A job's figures are the sums of its tasks'. No event, no flush: nobody who
    /// waits for something to become ready or to end is woken.
    ///
    /// # Errors
    /// [`StoreError`] if the store did not answer.
    async fn note_work(&self, done: &[TaskWork]) -> Result<(), StoreError>;

    /// Ends attempts. Each change succeeds or is refused by itself, in the order given. A succeeded task makes the tasks
    /// that waited only for it ready, with one event per job at the end; one that settled otherwise leaves those that wait
    /// for it blocked, and those that wait for these, however far behind, each with an event after those of all the changes. A task is lost only while its lease, or that of
    /// its worker's session, is over. A report that is repeated, because the answer to
    /// the first one was lost, succeeds again and changes nothing.
    ///
    /// # Errors
    /// [`StoreError`] if the store did not answer, or an inline outcome is too large or too deep
    /// ([`StoreError::Misuse`]); then none took effect.
    async fn change_tasks(
        &self,
        changes: Vec<TaskChange>,
    ) -> Result<Vec<Result<TaskChanged, ChangeRefused>>, StoreError>;

    /// Up to `limit` running tasks whose lease has run out, or whose worker's session has ended, oldest first.
    ///
    /// # Errors
    /// [`StoreError`] if the store did not answer.
    async fn expired_tasks(&self, limit: u32) -> Result<Vec<TaskRecord>, StoreError>;

    /// Makes up to `limit` tasks ready whose pause is over, or whose job may start now, with one event per job; returns how
    /// long until the next of them is due, if any waits.
    ///
    /// # Errors
    /// [`StoreError`] if the store did not answer.
    async fn wake_due_tasks(&self, limit: u32) -> Result<Option<Duration>, StoreError>;

    /// Makes a quarantined task ready again, its counts at zero. Tasks that only it blocked, however far behind, wait again,
    /// each with an event.
    ///
    /// # Errors
    /// [`ChangeRefused`] inside if the task is not quarantined or its job has settled.
    async fn requeue_task(&self, task: TaskId) -> Result<Result<(), ChangeRefused>, StoreError>;

    /// Cancels an open task of an unsettled job: it is `cancelled`, with events `task.cancel_requested` and `task.ended`, and
    /// a failure of class `cancelled` that tells the reason; tasks that wait for it are blocked. Its fence rises and a running attempt ends as `cancelled`, so
    /// that whatever its worker still reports is late.
    ///
    /// # Errors
    /// [`ChangeRefused`] inside if there is no such task, or it has settled.
    async fn cancel_task(&self, task: TaskId, reason: &str) -> Result<Result<(), ChangeRefused>, StoreError>;

    /// Number of ready tasks, and of those of one job where it is given.
    ///
    /// # Errors
    /// [`StoreError`] if the store did not answer.
    async fn queue_length(&self, job: Option<JobId>) -> Result<u64, StoreError>;
}
