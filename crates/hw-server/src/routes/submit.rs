//! From a request for a job to its answer: at once, after a wait, or as a stream of its progress.

mod readers;
mod stream;

use std::time::Duration;

use axum::response::{IntoResponse as _, Response};
use http::header::{LOCATION, RETRY_AFTER};
use http::{HeaderMap, HeaderValue, StatusCode};
use hw_api::JobDocument;
use hw_catalog::Finding;
use hw_controller::{Submit, SubmitFault, Submitted};
use hw_files::Access;
use hw_job::{JobId, Lifetime};
use hw_store::JobRecord;
use serde_json::Value;

use super::jobs::{Instants, Moment};
use super::{Answer, Route, document, lines_body};
use crate::auth::Caller;
use crate::documents::{Detail, job_document};
use crate::metrics::{CACHE_HITS, REQUEST_FAULTS};
use crate::problem::{ApiError, Fault};
use crate::request::Reader;
use crate::state::{Shared, State as Server};

use readers::check_drop;
pub(super) use readers::conflict;
pub(super) use stream::changed;

const IDEMPOTENCY_KEY: &str = "idempotency-key";
const KEY_BYTES_MAX: usize = 255;

/// How a client wants to be told of its job.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct JobOptions {
    wait: Option<Duration>,
    stream: bool,
    /// Whether the job goes on when the client goes away.
    detach: bool,
    /// Longest time to the end, from the submission or from `not_before`.
    timeout: Option<Duration>,
    not_before: Option<Moment>,
    deadline: Option<Moment>,
    key: Option<String>,
}

impl JobOptions {
    pub(super) const NAMES: &'static [&'static str] =
        &["wait", "stream", "detach", "timeout", "not_before", "deadline"];

    /// Reads the options of the query string and the headers.
    ///
    /// # Errors
    /// HW-A003 with every fault, those that the reader has found before among them.
    pub(super) fn read(mut reader: Reader<'_>, headers: &HeaderMap) -> Result<Self, Fault> {
        let options = Self {
            wait: reader.duration("wait"),
            stream: reader.flag("stream"),
            detach: reader.flag("detach"),
            timeout: reader.duration("timeout").filter(|timeout| !timeout.is_zero()),
            not_before: moment(&mut reader, "not_before"),
            deadline: moment(&mut reader, "deadline"),
            key: idempotency_key(&mut reader, headers),
        };
        if options.stream && options.wait.is_some() {
            reader.wrong(
                "`wait` and `stream` exclude each other",
                "a stream ends with the settled job by itself",
            );
        }
        reader.finish().map(|()| options)
    }

    /// The idempotency key.
    pub(super) fn key(&self) -> Option<&str> {
        self.key.as_deref()
    }
}

fn moment(reader: &mut Reader<'_>, name: &str) -> Option<Moment> {
    let text = reader.text(name)?;
    match Moment::parse_parameter(text) {
        Ok(moment) => Some(moment),
        Err(fault) => {
            reader.wrong(format!("`{name}` {fault}, found `{text}`"), fault.help());
            None
        }
    }
}

fn idempotency_key(reader: &mut Reader<'_>, headers: &HeaderMap) -> Option<String> {
    let header = headers.get(IDEMPOTENCY_KEY)?;
    let key = header
        .to_str()
        .ok()
        .map(str::trim)
        .filter(|key| (1..=KEY_BYTES_MAX).contains(&key.len()));
    if key.is_none() {
        reader.wrong(
            "the header `Idempotency-Key` must have 1 to 255 visible ASCII characters",
            "send for instance a UUID",
        );
    }
    key.map(str::to_owned)
}

/// Routes that make jobs.
pub(super) trait WithJobOptions {
    /// Adds the options that all of them take.
    fn job_options(self) -> Self;
}

impl WithJobOptions for Route {
    fn job_options(self) -> Self {
        self.query(
            "wait",
            "string",
            "Answer when the job has settled, or after this time (`20s`).",
        )
        .query(
            "stream",
            "boolean",
            "Answer with lines of progress, and the settled job as the last one.",
        )
        .query(
            "detach",
            "boolean",
            "Go on when the client goes away; with `wait` or `stream` the job is cancelled otherwise.",
        )
        .query(
            "timeout",
            "string",
            "Longest time to the end, from the submission or from `not_before` (`60s`).",
        )
        .query(
            "not_before",
            "string",
            "Do not start before: RFC 3339, or so long from now (`10m`).",
        )
        .query(
            "deadline",
            "string",
            "End as `timed_out` unless the job has ended by then: RFC 3339, or so long from now.",
        )
        .header("Idempotency-Key", "The same key and request give the same job.")
    }
}

/// Makes a job and answers as its client wishes.
pub(super) async fn submit(state: &Shared, caller: &Caller, submit: Submit, options: JobOptions) -> Answer {
    let submitted = make(state, caller, submit, &options).await?;
    answer(state, submitted, &options).await
}

/// Makes a job, or finds the one that answers.
///
/// # Errors
/// Every fault of the request; then no job exists.
pub(super) async fn make(
    state: &Shared,
    caller: &Caller,
    submit: Submit,
    options: &JobOptions,
) -> Result<Submitted, Fault> {
    let cacheable = submit.reuse;
    let kind = submit.kind.clone();
    let (instants, findings) = Instants::new(
        options.not_before,
        options.deadline,
        state.parts().clock.wall(),
        |fault| Finding::new("HW-A003", fault.message).help(fault.help),
    );
    if !findings.is_empty() {
        let fault = ApiError::Parameters { findings }.into();
        return made_before(state, (&submit.kind, &submit.params), options, fault).await;
    }
    if let Err(fault) = check_drop(state, &submit).await {
        return made_before(state, (&submit.kind, &submit.params), options, fault).await;
    }
    let submit = Submit {
        folder: caller
            .folder
            .as_ref()
            .map(|folder| folder.to_string_lossy().into_owned()),
        unrestricted: caller.access == Access::Unrestricted,
        timeout: submit
            .timeout
            .or(options.timeout)
            .or(state.config().jobs.timeout.map(|timeout| timeout.0)),
        not_before: submit.not_before.or(instants.not_before),
        deadline: submit.deadline.or(instants.deadline),
        idempotency_key: options.key.clone(),
        // A wait may end before the job does.
        promised: !options.stream,
        ..submit
    };
    let submitted = state.controller().submit(submit).await;
    if let Err(SubmitFault::Faults(findings)) = &submitted {
        count_faults(state, &kind, findings);
    }
    let submitted = submitted?;
    if cacheable {
        let outcome = if matches!(submitted, Submitted::Cached(_)) {
            "hit"
        } else {
            "miss"
        };
        state.metrics.add(CACHE_HITS, &[&kind, outcome], 1.0);
    }
    Ok(submitted)
}

/// Counts what was wrong with a request, by the kinds of faults that a capability tells apart.
fn count_faults(state: &Server, kind: &str, findings: &[Finding]) {
    for finding in findings {
        let fault = match finding.kind.as_str() {
            "" => "other",
            kind => kind,
        };
        state.metrics.add(REQUEST_FAULTS, &[kind, fault], 1.0);
    }
}

/// What stands against a request, unless it is only sent again under its key: then its job answers. A deadline, for
/// instance, passes while a client tries again and again.
pub(super) async fn answer_again(
    state: &Shared,
    request: (&str, &Value),
    options: &JobOptions,
    fault: Fault,
) -> Answer {
    let submitted = made_before(state, request, options, fault).await?;
    answer(state, submitted, options).await
}

/// The job that this request made when it was sent before, else the fault.
async fn made_before(
    state: &Shared,
    (kind, params): (&str, &Value),
    options: &JobOptions,
    fault: Fault,
) -> Result<Submitted, Fault> {
    let Some(key) = options.key() else {
        return Err(fault);
    };
    let submitted = state.controller().repeated(kind, params, key).await?;
    submitted.ok_or(fault)
}

async fn answer(state: &Shared, submitted: Submitted, options: &JobOptions) -> Answer {
    let record = load_job(state, submitted.job()).await?;
    let waits = options.stream || options.wait.is_some();
    let guard = match waits && !options.detach {
        true => CancelOnDrop::of_submitted(state, submitted, &record),
        false => None,
    };
    if options.stream {
        let response = lines_body(stream::job_lines(state.clone(), submitted, guard));
        return Ok(located(response, submitted.job()));
    }
    let wait = options.wait.unwrap_or_default().min(state.config().http.wait_max.0);
    let record = match wait.is_zero() {
        true => record,
        false => state.controller().settled(record.id, wait).await?,
    };
    if let Some(guard) = guard {
        guard.release();
    }
    settled_or_accepted(state, record, submitted).await
}

/// 200 for a settled job, 202 for another one.
async fn settled_or_accepted(state: &Server, record: JobRecord, submitted: Submitted) -> Answer {
    let job = record.id;
    let settled = record.state.is_settled();
    let mut response = document(&submitted_document(state, record, submitted).await);
    if !settled {
        *response.status_mut() = StatusCode::ACCEPTED;
        response.headers_mut().insert(RETRY_AFTER, HeaderValue::from(1_u64));
    }
    Ok(located(response, job))
}

fn located(response: Response, job: JobId) -> Response {
    ([(LOCATION, format!("{}/jobs/{job}", hw_api::API_PREFIX))], response).into_response()
}

/// The whole job, and which one answered where none had to run.
async fn submitted_document(state: &Server, record: JobRecord, submitted: Submitted) -> JobDocument {
    let cached_from = match submitted {
        Submitted::Cached(job) => Some(job.to_string()),
        Submitted::Created(_) | Submitted::Existing(_) => None,
    };
    JobDocument {
        cached_from,
        ..full_document(state, record).await
    }
}

/// The whole job. A result that is no longer kept is left out.
pub(super) async fn full_document(state: &Server, record: JobRecord) -> JobDocument {
    let result = match state.controller().result(&record).await {
        Ok(result) => result,
        Err(error) => {
            tracing::debug!(job = %record.id, %error, "the result of a job is gone");
            None
        }
    };
    job_document(record, Detail::Full(result))
}

/// The job of this id.
pub(super) async fn load_job(state: &Server, job: JobId) -> Result<JobRecord, Fault> {
    let record = state.store().load_job(job).await?;
    record.ok_or_else(|| ApiError::JobNotFound { text: job.to_string() }.into())
}

/// Cancels a job whose client went away while it was waited for.
pub(super) struct CancelOnDrop {
    state: Shared,
    job: Option<JobId>,
}

impl CancelOnDrop {
    /// A guard of a job that was made for this client alone; other jobs go on without it.
    pub(super) fn of_submitted(state: &Shared, submitted: Submitted, record: &JobRecord) -> Option<Self> {
        let ours = matches!(submitted, Submitted::Created(_)) && record.lifetime == Lifetime::Interactive;
        ours.then(|| Self {
            state: state.clone(),
            job: Some(record.id),
        })
    }

    /// The client got its answer.
    pub(super) fn release(mut self) {
        self.job = None;
    }
}

impl Drop for CancelOnDrop {
    fn drop(&mut self) {
        let (Some(job), Ok(runtime)) = (self.job.take(), tokio::runtime::Handle::try_current()) else {
            return;
        };
        let state = self.state.clone();
        runtime.spawn(async move {
            if let Err(error) = state.controller().cancel(job, "the client went away").await {
                tracing::warn!(%job, %error, "a job whose client went away could not be cancelled");
            }
        });
    }
}
