//! The progress of a job as lines, and the settled job as the last one.

use std::time::Duration;

use bytes::Bytes;
use futures::Stream;
use hw_api::{JobLine, ProgressDocument};
use hw_controller::Submitted;
use hw_job::JobId;
use hw_store::JobRecord;
use tokio::time::{sleep, timeout};

use super::{CancelOnDrop, load_job, submitted_document};
use crate::documents::job_progress;
use crate::problem::Fault;
use crate::routes::line;
use crate::state::{Shared, State as Server};

/// Shortest time between two lines of progress: 20 a second.
const PAUSE_MIN: Duration = Duration::from_millis(50);

/// Longest time between two looks at a job: its rows and bytes change without an event.
const LOOK_AGAIN: Duration = Duration::from_millis(250);

/// Lines of progress when it changes, then the settled job. Nothing is made before the client takes it; a client that goes
/// away drops the guard, which cancels the job.
pub(super) fn job_lines(state: Shared, submitted: Submitted, guard: Option<CancelOnDrop>) -> impl Stream<Item = Bytes> {
    async_stream::stream! {
        let mut guard = guard;
        let mut told: Option<ProgressDocument> = None;
        let mut next = load_job(&state, submitted.job()).await;
        loop {
            let record = match next {
                Ok(record) => record,
                Err(fault) => {
                    yield line(&JobLine::Error(fault.into_problem()));
                    return;
                }
            };
            if record.state.is_settled() {
                if let Some(guard) = guard.take() {
                    guard.release();
                }
                let document = submitted_document(&state, record, submitted).await;
                yield line(&JobLine::Job(Box::new(document)));
                return;
            }
            let progress = job_progress(&record);
            if told.as_ref() != Some(&progress) {
                yield line(&JobLine::Progress(progress.clone()));
                told = Some(progress);
            }
            next = changed(&state, record.id).await;
        }
    }
}

/// The job at once when it has settled, else when something happened, or after a while.
pub(in crate::routes) async fn changed(state: &Server, job: JobId) -> Result<JobRecord, Fault> {
    tokio::select! {
        record = state.controller().settled(job, LOOK_AGAIN) => Ok(record?),
        () = something_happens(state) => load_job(state, job).await,
    }
}

async fn something_happens(state: &Server) {
    let mut wakes = state.store().wakes();
    wakes.borrow_and_update();
    sleep(PAUSE_MIN).await;
    // A wake-up is only a hint, and so is its absence.
    drop(timeout(LOOK_AGAIN, wakes.changed()).await);
}
