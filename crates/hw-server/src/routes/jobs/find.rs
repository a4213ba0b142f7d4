//! Which job a client means.

use hw_job::JobId;
use hw_store::JobRecord;

use crate::problem::{ApiError, Fault};
use crate::routes::submit::load_job;
use crate::state::State as Server;

/// Fewest characters by which a job is found.
const CHARS_MIN: usize = 4;

/// Candidates that are named where several jobs fit.
const CANDIDATES_MAX: u32 = 8;

/// The job of a whole id, or of the beginning or end of one.
pub(in crate::routes) async fn find_job(state: &Server, text: &str) -> Result<JobRecord, Fault> {
    if let Ok(job) = text.parse::<JobId>() {
        return load_job(state, job).await;
    }
    let unknown = || Fault::from(ApiError::JobNotFound { text: text.to_owned() });
    let is_part = |c: char| c.is_ascii_hexdigit() || c == '-';
    if text.chars().count() < CHARS_MIN || !text.chars().all(is_part) {
        return Err(unknown());
    }
    let found = state
        .store()
        .find_jobs(&text.to_ascii_lowercase(), CANDIDATES_MAX)
        .await?;
    match found.as_slice() {
        [] => Err(unknown()),
        [job] => load_job(state, *job).await,
        several => Err(ApiError::JobAmbiguous {
            text: text.to_owned(),
            candidates: several.iter().map(ToString::to_string).collect(),
        }
        .into()),
    }
}
