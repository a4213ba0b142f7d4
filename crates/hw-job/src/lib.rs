//! Event, job, task, attempt, outcome: what happens, and what follows from it.
//!
//! A job has a kind and typed parameters and is cut into tasks; a task is carried out in attempts, each under a fence.
//! This crate holds their ids and states and the pure functions that decide what comes next:
//!
//! - [`JobCourse::apply`]: one event of a job to the commands that follow from it,
//! - [`RetryPolicy::after`]: how an attempt ended to what becomes of its task,
//! - [`TaskState::may_become`]: the transitions that exist; a store refuses every other one,
//! - [`JobKind`]: what a kind of job brings: parameters, the cut into tasks, the merge of outcomes.
//!
//! It knows no clock, no store, no network and no randomness: they are handed in.

mod course;
mod event;
mod failure;
mod ids;
mod job;
mod kind;
mod retry;
mod task;
#[cfg(test)]
mod tests;
mod time;

pub use course::{Command, JobCourse, JobEvent};
pub use event::{Event, EventKind, NewEvent};
pub use failure::{ErrorClass, Failure};
pub use ids::{AttemptId, EventSeq, Fence, InvalidId, JobId, SessionId, TaskId, WorkerId};
pub use job::{JobEnding, JobState, Lifetime, Progress, StoredDocument, TaskCounts, Work};
pub use kind::{
    Advance, CatalogChange, JobKind, JobView, LastUse, Merged, PinnedTable, PrepareError, PrepareRequest, Prepared,
    TaskSpec, TaskView,
};
pub use retry::{AfterAttempt, AttemptCounts, RetryPolicy};
pub use task::{AttemptState, Ending, Needs, Scarce, TaskState};
pub use time::{Clock, Due, Elapsed, Timestamp};
