//! A job of kind `funnel` or `register` as a run.

use hw_api::{Problem, RocketDatasetId, RocketFailure, RocketRun, rfc3339};
use hw_catalog::TableName;
use hw_job::{JobState, Timestamp};
use hw_store::JobRecord;
use hw_worker::{asked_query, asked_table, dataset_name, info};
use serde_json::Value;

use super::{answer, progress};
use crate::routes::jobs::why_none;
use crate::state::State as Server;

/// The kinds of jobs that are runs, with what clients call them.
pub(super) const KINDS: [(&str, &str); 2] = [("funnel", "query"), ("register", "register")];

/// Every state of a run with the job's.
pub(super) const STATUSES: [(&str, JobState); 7] = [
    ("QUEUED", JobState::Queued),
    ("RUNNING", JobState::Running),
    ("FINISHING", JobState::Finishing),
    ("ENDED_SUCCESS", JobState::Succeeded),
    ("ENDED_FAILED", JobState::Failed),
    ("CANCELLED", JobState::Cancelled),
    ("TIMED_OUT", JobState::TimedOut),
];

/// A run as lists show it.
pub(super) async fn brief(state: &Server, record: &JobRecord) -> RocketRun {
    let failure = failure(state, record);
    let job_type = KINDS.iter().find(|(kind, _)| *kind == record.kind);
    let status = STATUSES.iter().find(|(_, state)| *state == record.state);
    let (error_message, error_kind, errors) = match failure {
        Some(failure) => (Some(failure.error_message), Some(failure.error_kind), failure.errors),
        None => (None, None, Vec::new()),
    };
    RocketRun {
        request_id: hw_worker::request_id(record.id),
        job_id: record.id.to_string(),
        job_type: job_type.map(|(_, name)| name.to_ascii_uppercase()).unwrap_or_default(),
        status: status.map(|(name, _)| (*name).to_owned()).unwrap_or_default(),
        progress: progress::progress_of(state, record).await,
        dataset: dataset(record),
        tags: record.tags.clone(),
        submitted_at: shown(record.created_at),
        started_at: record.started_at.map(shown),
        ended_at: record.ended_at.map(shown),
        total_time: record.age.as_secs_f64(),
        error_message,
        error_kind,
        errors,
        query: None,
        expanded_query: None,
        arguments: None,
        result: None,
    }
}

/// A run with its question and its answer. A result that is no longer kept is left out.
pub(super) async fn full(state: &Server, record: &JobRecord) -> RocketRun {
    let is_query = record.kind == "funnel";
    let registered = asked_table(&record.expanded).filter(|_| is_query);
    let exact = registered
        .as_ref()
        .and_then(info)
        .and_then(|info| serde_json::from_value::<RocketDatasetId>(info.get("id")?.clone()).ok());
    let brief = brief(state, record).await;
    RocketRun {
        dataset: exact.or(brief.dataset),
        query: record.params.get("query").filter(|_| is_query).cloned(),
        expanded_query: asked_query(&record.expanded).filter(|_| is_query).cloned(),
        arguments: (!is_query).then(|| record.params.clone()),
        result: state.controller().result(record).await.ok().flatten(),
        ..brief
    }
}

/// Why it has ended without a result.
fn failure(state: &Server, record: &JobRecord) -> Option<RocketFailure> {
    let ended_otherwise = record.state.is_settled() && record.state != JobState::Succeeded;
    let problem: Option<Problem> = ended_otherwise.then(|| why_none(record).into_problem());
    problem.map(|problem| answer::failure(&problem, &state.config().compat))
}

/// The dataset asked, or the one to be made.
fn dataset(record: &JobRecord) -> Option<RocketDatasetId> {
    let asked = record.reads.first().map(|(name, _)| name.clone());
    let made = || -> Option<TableName> { record.params.get("name").and_then(Value::as_str)?.parse().ok() };
    let name: TableName = asked.or_else(made)?;
    Some(RocketDatasetId {
        name: dataset_name(&name),
        registered_at: None,
    })
}

fn shown(at: Timestamp) -> String {
    rfc3339(at.0)
}
