//! How far a job is, in Funnel Rocket's words.

use std::collections::BTreeMap;

use bytes::Bytes;
use futures::Stream;
use hw_api::RocketProgress;
use hw_job::{JobState, TaskState};
use hw_store::JobRecord;

use super::answer;
use crate::documents::job_progress;
use crate::routes::line;
use crate::routes::submit::{CancelOnDrop, changed};
use crate::state::Shared;

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
            let progress = progress_of(&record);
            if told.as_ref() != Some(&progress) {
                yield line(&progress);
                told = Some(progress);
            }
            record = match changed(&state, record.id).await {
                Ok(record) => record,
                Err(fault) => {
                    let problem = fault.into_problem();
                    yield line(&answer::failure_of_job(&state, &record, &problem));
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

/// How far a job is; the numbers of its tasks add up.
pub(super) fn progress_of(record: &JobRecord) -> RocketProgress {
    let running = match record.kind.as_str() {
        "register" => "RUNNING",
        _ => "RUNNING_QUERY",
    };
    let mut counts: BTreeMap<&str, u32> = BTreeMap::new();
    for (state, count) in &record.tasks.0 {
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
        | TaskState::Infeasible => "ENDED_FAILED",
    }
}
