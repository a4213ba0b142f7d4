//! From a request of Funnel Rocket's to its answer: the job is made like any other, and waited for until it has ended,
//! however long that takes. A client that goes away cancels it.

use axum::response::Response;
use bytes::Bytes;
use futures::Stream;
use http::header::CONTENT_TYPE;
use http::{HeaderMap, HeaderValue};
use hw_controller::Submit;
use hw_store::JobRecord;

use super::{answer, progress};
use crate::auth::Caller;
use crate::problem::Fault;
use crate::request::QueryPairs;
use crate::routes::submit::{CancelOnDrop, JobOptions, load_job, make};
use crate::routes::{Answer, lines_body};
use crate::state::Shared;

/// Makes a job and answers when it has ended, with lines of progress before if `stream` says so.
pub(super) async fn answer_with_job(
    state: &Shared,
    caller: &Caller,
    headers: &HeaderMap,
    submit: Submit,
    stream: bool,
) -> Answer {
    let (record, guard) = begin(state, caller, headers, submit).await?;
    if stream {
        return Ok(json_stream(progress::lines(state.clone(), record, guard)));
    }
    let record = ended(state, record, guard).await?;
    Ok(answer::of_job(state, &record).await)
}

/// Makes a job and waits for its end.
pub(super) async fn ended_job(
    state: &Shared,
    caller: &Caller,
    headers: &HeaderMap,
    submit: Submit,
) -> Result<JobRecord, Fault> {
    let (record, guard) = begin(state, caller, headers, submit).await?;
    ended(state, record, guard).await
}

async fn begin(
    state: &Shared,
    caller: &Caller,
    headers: &HeaderMap,
    submit: Submit,
) -> Result<(JobRecord, Option<CancelOnDrop>), Fault> {
    let options = JobOptions::read(QueryPairs::default().reader(&[]), headers)?;
    let submitted = make(state, caller, submit, &options).await?;
    let record = load_job(state, submitted.job()).await?;
    let guard = CancelOnDrop::of_submitted(state, submitted, &record);
    Ok((record, guard))
}

async fn ended(state: &Shared, mut record: JobRecord, guard: Option<CancelOnDrop>) -> Result<JobRecord, Fault> {
    while !record.state.is_settled() {
        let at_most = state.config().http.wait_max.0;
        record = state.controller().settled(record.id, at_most).await?;
    }
    if let Some(guard) = guard {
        guard.release();
    }
    Ok(record)
}

/// Lines under the media type that Funnel Rocket gives them.
fn json_stream(lines: impl Stream<Item = Bytes> + Send + 'static) -> Response {
    let mut response = lines_body(lines);
    response
        .headers_mut()
        .insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response
}
