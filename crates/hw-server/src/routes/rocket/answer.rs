//! Answers and refusals in Funnel Rocket's form.

use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};
use http::header::CONTENT_TYPE;
use http::{HeaderValue, StatusCode};
use hw_api::{Problem, RocketFailure};
use hw_job::JobState;
use hw_store::JobRecord;
use serde_json::{Value, json};

use super::{pretty, progress};
use crate::config::CompatSettings;
use crate::problem::{ApiError, Fault};
use crate::routes::document;
use crate::routes::jobs::why_none;
use crate::state::{Shared, State as Server};

/// Kinds of a query's faults, as Funnel Rocket's validator names them.
const VALIDATION_KINDS: [&str; 6] = [
    "INVALID_ARGUMENTS",
    "SCHEMA",
    "TYPE_MISMATCH",
    "DATASET_MISMATCH",
    "RELATION",
    "UNEXPECTED",
];

/// Turns problems into Funnel Rocket's failures; other answers pass. Bodies are JSON whatever their media type says, since
/// its clients name any (curl: a form) or none; pages from elsewhere are known by their origin.
pub(crate) async fn speak(State(state): State<Shared>, mut request: Request, next: Next) -> Response {
    request.headers_mut().remove(CONTENT_TYPE);
    spoken(&state, next.run(request).await).await
}

/// The same answer with a problem turned into a failure, and indented where the settings say so.
pub(crate) async fn spoken(state: &Server, mut response: Response) -> Response {
    let response = match response.extensions_mut().remove::<Fault>() {
        Some(fault) => refused(response, &fault.into_problem(), &state.config().compat),
        None => response,
    };
    match state.config().compat.pretty_print {
        true => pretty::indented(response).await,
        false => response,
    }
}

/// Whether a path without a route is one of those that Funnel Rocket's clients may have meant.
pub(crate) fn is_of_funnel_rocket(state: &Server, path: &str) -> bool {
    let below = |folder: &str| {
        path.strip_prefix(folder)
            .is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    };
    state.config().compat.funnel_rocket && (below("/datasets") || below("/runs"))
}

/// The refusal keeps its headers: when to come again, which token to bring.
fn refused(mut response: Response, problem: &Problem, compat: &CompatSettings) -> Response {
    let failure = failure(problem, compat);
    let (media_type, text) = match compat.funnel_rocket_status {
        true => ("text/plain; charset=utf-8", plain(&failure.error_message)),
        false => ("application/json", serde_json::to_string(&failure).unwrap_or_default()),
    };
    *response.status_mut() = status(problem.status, compat);
    response
        .headers_mut()
        .insert(CONTENT_TYPE, HeaderValue::from_static(media_type));
    *response.body_mut() = text.into();
    response
}

/// What Funnel Rocket wrote before a job was made. A message that is not told is the word alone.
fn plain(message: &str) -> String {
    match message {
        UNTOLD => UNTOLD.to_owned(),
        message => format!("Error: {message}"),
    }
}

/// What is said instead of a fault that is not the client's.
const UNTOLD: &str = "Error";

fn status(status: u16, compat: &CompatSettings) -> StatusCode {
    match compat.funnel_rocket_status {
        true => StatusCode::INTERNAL_SERVER_ERROR,
        false => StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR),
    }
}

/// A problem in Funnel Rocket's form.
pub(super) fn failure(problem: &Problem, compat: &CompatSettings) -> RocketFailure {
    let told = compat.error_details || is_the_clients(problem);
    RocketFailure {
        success: false,
        error_message: if told { message(problem) } else { UNTOLD.to_owned() },
        error_kind: kind(problem).to_owned(),
        errors: if told { errors(problem) } else { Vec::new() },
        request_id: None,
        stats: None,
    }
}

/// Whether the client, its data or its patience is at fault.
fn is_the_clients(problem: &Problem) -> bool {
    problem.status < 500 || problem.status == 504
}

/// Faults that a message names; the list has all.
const NAMED_MAX: usize = 3;

/// The first fault of a query in Funnel Rocket's words, several other faults one after the other, single ones in ours.
fn message(problem: &Problem) -> String {
    match problem.errors.as_slice() {
        [first, ..] if VALIDATION_KINDS.contains(&first.kind.as_str()) => {
            format!(
                "Query validation failed: ValidationError({}: {})",
                first.kind, first.message
            )
        }
        [_, _, ..] => several(problem),
        _ => problem.detail.clone(),
    }
}

fn several(problem: &Problem) -> String {
    let count = problem.errors.len();
    let named: Vec<&str> = problem
        .errors
        .iter()
        .take(NAMED_MAX)
        .map(|error| error.message.as_str())
        .collect();
    let named = named.join("; ");
    let more = match count.saturating_sub(NAMED_MAX) {
        0 => String::new(),
        more => format!("; and {more} more"),
    };
    // A number of faults says nothing beside the faults.
    match problem.detail == format!("{count} faults") {
        true => format!("{named}{more}"),
        false => format!("{}: {named}{more}", problem.detail),
    }
}

fn kind(problem: &Problem) -> &str {
    let of_first = problem.errors.first().map(|first| first.kind.as_str());
    if let Some(kind) = of_first.filter(|kind| VALIDATION_KINDS.contains(kind)) {
        return kind;
    }
    match (problem.class.as_deref(), problem.status) {
        (Some("data"), _) => "DATA",
        (Some("cancelled"), _) => "CANCELLED",
        (Some("timeout"), _) => "TIMEOUT",
        (_, 401) => "UNAUTHORIZED",
        (_, 403) => "FORBIDDEN",
        (_, 404) => "NOT_FOUND",
        (_, 409) => "CONFLICT",
        (_, 410) => "GONE",
        (Some("external"), _) => "EXTERNAL",
        (Some("platform"), _) | (_, 503) => "UNAVAILABLE",
        (_, 400..=499) => "INVALID_ARGUMENTS",
        _ => "UNEXPECTED",
    }
}

/// Every fault; a problem without single faults is one itself.
fn errors(problem: &Problem) -> Vec<hw_api::ProblemError> {
    match problem.errors.as_slice() {
        [] => {
            let finding = hw_catalog::Finding::new(problem.code.clone(), problem.detail.clone());
            let finding = match &problem.help {
                Some(help) => finding.help(help),
                None => finding,
            };
            vec![finding.into()]
        }
        errors => errors.to_vec(),
    }
}

/// The answer to who waited for a job: its result document, or why there is none.
pub(super) async fn of_job(state: &Server, record: &JobRecord) -> Response {
    let (code, body) = document_of_job(state, record).await;
    (status_of_job(code, state), document(&body)).into_response()
}

fn status_of_job(code: u16, state: &Server) -> StatusCode {
    match code {
        200 => StatusCode::OK,
        other => status(other, &state.config().compat),
    }
}

/// The same as a document, with the status that fits it.
pub(super) async fn document_of_job(state: &Server, record: &JobRecord) -> (u16, Value) {
    let fault: Fault = match record.state {
        JobState::Succeeded => match state.controller().result(record).await {
            Ok(Some(result)) => return (200, result),
            Ok(None) => ApiError::ResultGone {
                document: format!("job {}", record.id),
            }
            .into(),
            Err(error) => error.into(),
        },
        JobState::Queued
        | JobState::Running
        | JobState::Finishing
        | JobState::Failed
        | JobState::Cancelled
        | JobState::TimedOut => why_none(record),
    };
    let problem = fault.into_problem();
    let failure = failure_of_job(state, record, &problem).await;
    (problem.status, serde_json::to_value(failure).unwrap_or_default())
}

/// The failure of a job, with its id and what it took.
pub(super) async fn failure_of_job(state: &Server, record: &JobRecord, problem: &Problem) -> RocketFailure {
    let tasks = progress::tasks_of(state, record).await;
    RocketFailure {
        request_id: Some(hw_worker::request_id(record.id)),
        stats: Some(json!({
            "totalTime": record.age.as_secs_f64(),
            "invoker": {
                "totalTasks": tasks.counts.total(),
                "totalAttempts": tasks.attempts,
                "failedTasks": progress::failed(&tasks.counts),
            },
        })),
        ..failure(problem, &state.config().compat)
    }
}
