//! Jobs: the general door, lists, one job, its end, its result, its records.

mod artefact;
mod find;
mod moments;
mod picture;
mod request;
mod trace;

use axum::extract::State;
use axum::response::{IntoResponse as _, Response};
use axum::routing::{get, post};
use http::header::RETRY_AFTER;
use http::{HeaderMap, HeaderValue, StatusCode};
use hw_api::{CancelRequest, EventDocument, JobDocument, JobLine, JobList, JobRecordDocument, JobRequest, JobResult};
use hw_catalog::{Finding, closest};
use hw_job::{EventSeq, JobState};
use hw_store::{EventFilter, JobFilter, JobRecord, Page, PageRequest, Role, StoreError};
use serde_json::Value;

use super::places::check_job;
use super::submit::{JobOptions, WithJobOptions as _, answer_again, full_document, load_job, submit};
use super::{Answer, Route, any, document, events, json, json_lines, lines_body};
use crate::auth::Caller;
use crate::documents::{Detail, job_document};
use crate::problem::{ApiError, Fault, of_failure};
use crate::request::{JsonBody, MaybeBody, QueryPairs, Segments};
use crate::state::{Shared, State as Server};

pub(super) use find::find_job;
pub(super) use moments::{Instants, Moment};

/// Why a job or task is cancelled, where the client does not say.
pub(super) const REASON: &str = "a client asked for it";

pub(super) fn routes() -> Vec<Route> {
    vec![
        Route::post("/api/v1/jobs", "submit_job", post(create))
            .about("Makes a job of any kind. Registrations need the role `admin`.")
            .role(Role::Write)
            .job_options()
            .body(json::<JobRequest>())
            .answers(
                200,
                "The job, settled; or its progress and the job as lines.",
                vec![json::<JobDocument>(), json_lines::<JobLine>()],
            )
            .answers(202, "The job, not settled yet.", vec![json::<JobDocument>()]),
        Route::get("/api/v1/jobs", "list_jobs", get(list))
            .about("Jobs, newest first.")
            .role(Role::Read)
            .query("kind", "string", "Only these kinds; several are separated by commas.")
            .query("state", "string", "Only these states.")
            .query("table", "string", "Only jobs that read this table.")
            .query("tag", "string", "Only jobs with this tag.")
            .paged()
            .answers(200, "A page of jobs.", vec![json::<JobList>()]),
        Route::get("/api/v1/jobs/{job}", "show_job", get(show))
            .about("A job, with its result once it has succeeded.")
            .role(Role::Read)
            .query(
                "wait",
                "string",
                "Answer when the job has settled, or after this time (`20s`).",
            )
            .answers(200, "The job.", vec![json::<JobDocument>()])
            .answers(
                202,
                "The job has not settled within the time.",
                vec![json::<JobDocument>()],
            ),
        Route::post("/api/v1/jobs/{job}/cancel", "cancel_job", post(cancel))
            .about("Asks for the end of a job; no effect on a settled one.")
            .role(Role::Write)
            .optional_body(json::<CancelRequest>())
            .answers(200, "The job.", vec![json::<JobDocument>()]),
        Route::get("/api/v1/jobs/{job}/result", "show_result", get(result))
            .about("The result of a job alone, or why there is none; that of a funnel also as a picture.")
            .role(Role::Read)
            .header("Accept", "One of the media types of the answer; JSON if absent.")
            .answers(
                200,
                "The result document; or, where the header `Accept` asks for it, a drawing or a page with the same figures.",
                vec![json::<JobResult>(), any(hw_api::SVG), any(hw_api::HTML)],
            ),
        Route::get("/api/v1/jobs/{job}/export", "export_job", get(export))
            .about("Everything about a job in one document.")
            .role(Role::Read)
            .query("format", "string", "`json` or `chrome-trace`.")
            .answers(
                200,
                "The document; with `chrome-trace` the timeline in the form of Chrome's tracing, which browsers show.",
                vec![json::<JobRecordDocument>()],
            ),
        Route::get("/api/v1/jobs/{job}/logs", "list_job_events", get(logs))
            .about("The events of a job, oldest first.")
            .role(Role::Read)
            .answers(200, "One event a line.", vec![json_lines::<EventDocument>()]),
    ]
}

async fn create(
    State(state): State<Shared>,
    caller: Caller,
    query: QueryPairs,
    headers: HeaderMap,
    JsonBody(request): JsonBody<JobRequest>,
) -> Answer {
    let options = JobOptions::read(query.reader(JobOptions::NAMES), &headers)?;
    if request.kind == "register" {
        caller.may(Role::Admin)?;
    }
    check_job(&request.kind, &request.params, &caller)?;
    let asked = options.key().map(|_| (request.kind.clone(), request.params.clone()));
    match (request::read(&state, request).await, asked) {
        (Ok(request), _) => submit(&state, &caller, request, options).await,
        (Err(fault), Some((kind, params))) => answer_again(&state, (&kind, &params), &options, fault).await,
        (Err(fault), None) => Err(fault),
    }
}

/// Whether a finished identical job may answer: only funnels ask the same question again.
pub(super) fn may_reuse(state: &Shared, kind: &str, params: &Value) -> bool {
    let wanted = params.get("cache").and_then(Value::as_bool).unwrap_or(true);
    kind == "funnel" && wanted && state.config().cache.results
}

/// Kinds of jobs that this program makes. History may hold others, of programs before and after it.
pub(crate) const KINDS: [&str; 6] = ["register", "funnel", "drop", "repartition", "export", "view"];

/// No job of a kind that nobody knows is more likely a slip than an answer.
fn check_kinds(asked: &[String]) -> Result<(), Fault> {
    let unknown = asked.iter().filter(|kind| !KINDS.contains(&kind.as_str()));
    let findings: Vec<Finding> = unknown
        .map(|kind| {
            let help = match closest(kind, KINDS) {
                Some(near) => format!("did you mean `{near}`?"),
                None => format!("known are {}", KINDS.join(", ")),
            };
            Finding::new(
                "HW-A003",
                format!("`kind` has no value `{kind}`, and no job is of that kind"),
            )
            .help(help)
        })
        .collect();
    match findings.is_empty() {
        true => Ok(()),
        false => Err(ApiError::Parameters { findings }.into()),
    }
}

async fn list(State(state): State<Shared>, query: QueryPairs) -> Answer {
    let mut reader = query.reader(&["kind", "state", "table", "tag", "limit", "page"]);
    let states: Vec<&str> = JobState::ALL.iter().map(|state| state.as_str()).collect();
    let table = reader.text("table").map(str::parse).transpose();
    let filter = JobFilter {
        kinds: reader.texts("kind").into_iter().map(str::to_owned).collect(),
        states: reader.choices("state", &states, JobState::from_name),
        table: match table {
            Ok(table) => table,
            Err(error) => {
                let error: hw_catalog::InvalidTableName = error;
                reader.wrong(format!("`table`: {error}"), "give the name of a table");
                None
            }
        },
        tag: reader.text("tag").map(str::to_owned),
        ..JobFilter::default()
    };
    let page = reader.page();
    reader.finish()?;
    let found = page_of_jobs(&state, &filter, &page).await?;
    if found.items.is_empty() {
        check_kinds(&filter.kinds)?;
    }
    let items = found
        .items
        .into_iter()
        .map(|job| job_document(job, Detail::Brief))
        .collect();
    Ok(document(&JobList {
        items,
        next: found.next,
    }))
}

/// A page of jobs, newest first.
///
/// # Errors
/// HW-A003 for a token that is none of this list.
pub(super) async fn page_of_jobs(
    state: &Server,
    filter: &JobFilter,
    page: &PageRequest,
) -> Result<Page<JobRecord>, Fault> {
    let found = state.store().list_jobs(filter, page).await;
    found.map_err(|error| match error {
        StoreError::Misuse(message) if page.after.is_some() => foreign_page(message),
        other => other.into(),
    })
}

/// Refuses labels that a job cannot have.
pub(super) fn check_tags(tags: &[String]) -> Result<(), Fault> {
    match request::fault_of_tags(tags) {
        None => Ok(()),
        Some((message, help)) => Err(ApiError::Parameters {
            findings: vec![Finding::new("HW-A003", message).help(help)],
        }
        .into()),
    }
}

fn foreign_page(message: String) -> Fault {
    let finding = Finding::new("HW-A003", format!("`page` is no token of this list: {message}"));
    ApiError::Parameters {
        findings: vec![finding.help("take `next` of the page before")],
    }
    .into()
}

async fn show(State(state): State<Shared>, query: QueryPairs, Segments(job): Segments<String>) -> Answer {
    let mut reader = query.reader(&["wait"]);
    let wait = reader.duration("wait");
    reader.finish()?;
    let mut record = find_job(&state, &job).await?;
    if let Some(wait) = wait {
        let wait = wait.min(state.config().http.wait_max.0);
        record = state.controller().settled(record.id, wait).await?;
    }
    let unsettled = wait.is_some() && !record.state.is_settled();
    let mut response = document(&full_document(&state, record).await);
    if unsettled {
        *response.status_mut() = StatusCode::ACCEPTED;
        response.headers_mut().insert(RETRY_AFTER, HeaderValue::from(1_u64));
    }
    Ok(response)
}

async fn cancel(
    State(state): State<Shared>,
    query: QueryPairs,
    Segments(job): Segments<String>,
    MaybeBody(request): MaybeBody<CancelRequest>,
) -> Answer {
    query.reader(&[]).finish()?;
    let job = find_job(&state, &job).await?.id;
    let reason = request
        .and_then(|request| request.reason)
        .unwrap_or_else(|| REASON.to_owned());
    state.controller().cancel(job, &reason).await?;
    let record = load_job(&state, job).await?;
    Ok(document(&full_document(&state, record).await))
}

async fn result(
    State(state): State<Shared>,
    query: QueryPairs,
    headers: HeaderMap,
    Segments(job): Segments<String>,
) -> Answer {
    query.reader(&[]).finish()?;
    let record = find_job(&state, &job).await?;
    let form = picture::chosen_form(&record, &headers)?;
    let gone = || ApiError::ResultGone {
        document: format!("job {}", record.id),
    };
    match record.state {
        JobState::Succeeded => match state.controller().result(&record).await? {
            Some(result) => picture::shown(&record, result, form).await,
            None => Err(gone().into()),
        },
        JobState::Failed | JobState::TimedOut | JobState::Cancelled => Err(why_none(&record)),
        state @ (JobState::Queued | JobState::Running | JobState::Finishing) => Err(ApiError::NotSettled {
            job: record.id.to_string(),
            state: state.as_str(),
        }
        .into()),
    }
}

/// Why a settled job has no result, pointing to the job.
pub(super) fn why_none(record: &JobRecord) -> Fault {
    let failure = record.failure.clone().unwrap_or_else(|| {
        let reason = record.cancel_reason.as_deref().unwrap_or("no reason was given");
        let message = format!("job {} is {}: {reason}", record.id, record.state.as_str());
        hw_job::Failure::new(hw_job::ErrorClass::Cancelled, "HW-A029", message).help("run it again")
    });
    let mut problem = of_failure(&failure);
    problem.instance = Some(format!("{}/jobs/{}", hw_api::API_PREFIX, record.id));
    problem.into()
}

async fn export(State(state): State<Shared>, query: QueryPairs, Segments(job): Segments<String>) -> Answer {
    let mut reader = query.reader(&["format"]);
    let trace = reader.choices("format", &["json", "chrome-trace"], |text| match text {
        "json" => Some(false),
        "chrome-trace" => Some(true),
        _ => None,
    });
    reader.finish()?;
    let record = find_job(&state, &job).await?;
    match trace.last() {
        Some(true) => trace::chrome_trace(&state, record).await,
        Some(false) | None => artefact::artefact(&state, record).await,
    }
}

async fn logs(
    State(state): State<Shared>,
    query: QueryPairs,
    Segments(job): Segments<String>,
) -> Result<Response, Fault> {
    query.reader(&[]).finish()?;
    let filter = EventFilter {
        job: Some(find_job(&state, &job).await?.id),
        ..EventFilter::default()
    };
    let kept = events::kept_events(state, EventSeq(0), filter);
    Ok(lines_body(kept).into_response())
}
