//! How far a job is, in Funnel Rocket's words.

use std::collections::BTreeMap;

use bytes::Bytes;
use futures::Stream;
use hw_api::RocketProgress;
use hw_job::{JobState, TaskCounts, TaskState};
use hw_store::JobRecord;

use super::answer;
use crate::documents::job_progress;
use crate::routes::line;
use crate::routes::submit::{CancelOnDrop, changed};
use crate::state::{Shared, State as Server};

/// Lines of progress when it changes, then the ordinary answer. Nothing is made before the client takes it; a client that
/// goes away drops the guard, which cancels the job.
pub(super) fn lines(
    state: Shared,
    mut record: JobRecord,
    guard: Option<CancelOnDrop>,
) -> impl Stream<Item = Bytes> + Send + 'static {
    async_stream::stream! {
        let mut guard = guard;
        let mut told: Option<RocketProgress> = None;
        while !record.state.is_settled() {
            let progress = progress_of(&state, &record).await;
            if told.as_ref() != Some(&progress) {
                yield line(&progress);
                told = Some(progress);
            }
            record = match changed(&state, record.id).await {
                Ok(record) => record,
                Err(fault) => {
                    let problem = fault.into_problem();
                    yield line(&answer::failure_of_job(&state, &record, &problem).await);
                    return;
                }
            };
        }
        if let Some(guard) = guard.take() {
            guard.release();
        }
        let (_, document) = answer::document_of_job(&state, &record).await;
        yield line(&document);
    }
}

/// What a task is that ended otherwise than well.
const FAILED: &str = "ENDED_FAILED";

/// Kind of the tasks of a registration that Funnel Rocket has, too: one for each part that is looked at.
const INSPECT: &str = "register.inspect";

/// How far a job is; the numbers of its tasks add up.
pub(super) async fn progress_of(state: &Server, record: &JobRecord) -> RocketProgress {
    let running = match record.kind.as_str() {
        "register" => "RUNNING",
        _ => "RUNNING_QUERY",
    };
    let mut counts: BTreeMap<&str, u32> = BTreeMap::new();
    for (state, count) in &tasks_of(state, record).await.counts.0 {
        *counts.entry(status_of_task(*state, running)).or_default() += count;
    }
    RocketProgress {
        stage: stage(record.state).to_owned(),
        message: job_progress(record).message,
        tasks: counts
            .into_iter()
            .map(|(status, count)| (status.to_owned(), count.into()))
            .collect(),
    }
}

/// Tasks that are told, and the attempts at them.
pub(super) struct ToldTasks {
    pub(super) counts: TaskCounts,
    pub(super) attempts: u32,
}

/// All tasks of a query; of a registration those of parts, and whatever failed.
pub(super) async fn tasks_of(state: &Server, record: &JobRecord) -> ToldTasks {
    let all = ToldTasks {
        counts: record.tasks.clone(),
        attempts: record.attempts,
    };
    if record.kind != "register" {
        return all;
    }
    let Ok(mut tasks) = state.store().load_tasks(record.id).await else {
        return all;
    };
    tasks.retain(|task| task.kind == INSPECT || is_failed(task.state));
    ToldTasks {
        counts: TaskCounts::of(tasks.iter().map(|task| task.state)),
        attempts: tasks.iter().map(|task| task.attempts).sum(),
    }
}

/// Number of tasks that ended otherwise than well.
pub(super) fn failed(counts: &TaskCounts) -> u32 {
    let failed = counts.0.iter().filter(|(state, _)| is_failed(**state));
    failed.map(|(_, count)| count).sum()
}

fn is_failed(state: TaskState) -> bool {
    status_of_task(state, "") == FAILED
}

fn stage(state: JobState) -> &'static str {
    match state {
        JobState::Queued => "STARTING",
        JobState::Running => "RUNNING",
        JobState::Finishing => "FINISHING",
        JobState::Succeeded | JobState::Failed | JobState::Cancelled | JobState::TimedOut => "DONE",
    }
}

fn status_of_task(state: TaskState, running: &'static str) -> &'static str {
    match state {
        TaskState::Waiting | TaskState::Ready | TaskState::Planned | TaskState::RetryWait | TaskState::Blocked => {
            "QUEUED"
        }
        TaskState::Launching => "LOADING_DATA",
        TaskState::Running => running,
        TaskState::Succeeded => "ENDED_SUCCESS",
        TaskState::Failed
        | TaskState::Cancelled
        | TaskState::TimedOut
        | TaskState::Quarantined
        | TaskState::Infeasible => FAILED,
    }
}
