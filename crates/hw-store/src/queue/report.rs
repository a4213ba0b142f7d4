//! What a report on an attempt does: takes effect, repeats one that did, or is refused.

use hw_job::{AttemptState, Ending, ErrorClass, Failure, Fence, StoredDocument, TaskId, TaskState, WorkerId};

use super::{ChangeRefused, NextState, TaskChange};
use crate::StoreError;
use crate::jobs::check_inline;

/// What is to be done about a report.
#[derive(Debug, PartialEq)]
pub(crate) enum Judgement {
    /// It takes effect; the task goes to this state.
    Apply(TaskState),
    /// It took effect before: somebody was not sure of that and sent it again.
    Repeated,
    /// It is refused.
    Refused {
        why: ChangeRefused,
        /// Whether its attempt is to be marked as late, with an event.
        mark_late: bool,
    },
}

/// How a task stands that is reported on.
#[derive(Debug)]
pub(crate) struct Standing {
    pub(crate) state: TaskState,
    pub(crate) fence: Fence,
    /// State of the attempt that the report is about, if it ever existed.
    pub(crate) attempt: Option<AttemptState>,
    /// Who has the task, if the lease of its session is over.
    pub(crate) silent: Option<WorkerId>,
    /// Whether the lease of the task itself still runs.
    pub(crate) leased: bool,
}

/// Judges a report on a task that stands so.
pub(crate) fn judge(change: &TaskChange, standing: Standing) -> Judgement {
    let Standing {
        state,
        fence,
        attempt,
        silent,
        leased,
    } = standing;
    if change.fence == fence && state == TaskState::Running {
        let task = change.task;
        let why = match silent {
            Some(worker) if !takes_away(&change.ending) => ChangeRefused::SessionOver { task, worker },
            // Between a look for expired leases and this change, the worker may have extended its own.
            None if leased && matches!(change.ending, Ending::Lost { .. }) => ChangeRefused::Leased { task },
            _ => return judge_current(change),
        };
        return Judgement::Refused { why, mark_late: false };
    }
    if change.fence == fence && attempt == Some(change.ending.attempt_state()) {
        return Judgement::Repeated;
    }
    Judgement::Refused {
        why: ChangeRefused::Late {
            task: change.task,
            fence: change.fence,
            current: fence,
        },
        // Whoever takes an attempt away a second time brings no work that came too late.
        mark_late: !takes_away(&change.ending) && attempt.is_some_and(was_taken_away),
    }
}

/// Whether a running task is taken from its worker by this ending, so that its fence rises.
pub(crate) fn takes_away(ending: &Ending) -> bool {
    match ending {
        Ending::Lost { .. } | Ending::Preempted => true,
        Ending::Succeeded(_) | Ending::Failed(_) | Ending::Cancelled | Ending::TimedOut => false,
    }
}

/// Refuses outcomes that are too large for the store.
pub(crate) fn check_outcome(change: &TaskChange) -> Result<(), StoreError> {
    match &change.ending {
        Ending::Succeeded(outcome) => check_inline(outcome, || format!("the outcome of task {}", change.task)),
        Ending::Failed(_) | Ending::Cancelled | Ending::TimedOut | Ending::Lost { .. } | Ending::Preempted => Ok(()),
    }
}

/// The outcome that the ending brings.
pub(crate) fn outcome_of(ending: &Ending) -> Option<&StoredDocument> {
    match ending {
        Ending::Succeeded(outcome) => Some(outcome),
        Ending::Failed(_) | Ending::Cancelled | Ending::TimedOut | Ending::Lost { .. } | Ending::Preempted => None,
    }
}

fn judge_current(change: &TaskChange) -> Judgement {
    let to = match change.next {
        NextState::Settled(state) => state,
        NextState::Ready => TaskState::Ready,
        NextState::RetryAfter(_) => TaskState::RetryWait,
    };
    let settles = matches!(change.next, NextState::Settled(_)) == to.is_settled();
    let succeeds = (to == TaskState::Succeeded) == outcome_of(&change.ending).is_some();
    if settles && succeeds && TaskState::Running.may_become(to) {
        return Judgement::Apply(to);
    }
    Judgement::Refused {
        why: ChangeRefused::Illegal {
            task: change.task,
            from: TaskState::Running,
            to,
        },
        mark_late: false,
    }
}

/// Why a task did not succeed that was cancelled by itself.
pub(crate) fn cancelled_by_itself(task: TaskId, reason: &str) -> Failure {
    let message = format!("task {task} was cancelled: {reason}");
    Failure::new(ErrorClass::Cancelled, "HW-J028", message).help("run the job again; a settled task stays as it is")
}

/// Whether the attempt ended without its worker having a say. One that ended by its worker's own report keeps that end.
fn was_taken_away(attempt: AttemptState) -> bool {
    match attempt {
        AttemptState::Lost | AttemptState::Preempted | AttemptState::Cancelled | AttemptState::TimedOut => true,
        AttemptState::Submitting
        | AttemptState::Queued
        | AttemptState::Starting
        | AttemptState::Running
        | AttemptState::Succeeded
        | AttemptState::Failed
        | AttemptState::Late => false,
    }
}
