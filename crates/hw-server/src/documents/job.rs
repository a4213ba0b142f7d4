//! Jobs, tasks and attempts.

use hw_api::{AttemptDocument, JobDocument, ProblemError, ProgressDocument, TableRead, TaskDocument, rfc3339};
use hw_job::{JobState, Progress, TaskCounts, Timestamp};
use hw_store::{AttemptRecord, JobRecord, TaskRecord};
use serde_json::{Map, Value};

use crate::problem::of_failure;

/// How much of a job is shown.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Detail {
    /// As in a list: without expanded parameters and result.
    Brief,
    /// All of it, with its result, if there is one.
    Full(Option<Value>),
}

fn shown(time: Timestamp) -> String {
    rfc3339(time.0)
}

/// A job.
pub(crate) fn job_document(record: JobRecord, detail: Detail) -> JobDocument {
    let starts_in = record.starts_in();
    let progress = job_progress(&record);
    let (expanded, result) = match detail {
        Detail::Brief => (None, None),
        Detail::Full(result) => (Some(record.expanded), result),
    };
    JobDocument {
        id: record.id.to_string(),
        kind: record.kind,
        state: record.state.as_str().to_owned(),
        partial: record.partial,
        params: record.params,
        expanded,
        warnings: record.warnings.into_iter().map(ProblemError::from).collect(),
        reads: record
            .reads
            .iter()
            .map(|(table, version)| read(table, *version))
            .collect(),
        progress,
        attempts: record.attempts,
        priority: record.priority,
        timeout_seconds: record.timeout.map(|timeout| timeout.as_secs_f64()),
        not_before: record.not_before.map(|due| shown(due.at)),
        starts_in_seconds: starts_in.map(|left| left.as_secs_f64()),
        deadline: record.deadline.map(|due| shown(due.at)),
        tags: record.tags,
        parent: record.parent.map(|parent| parent.to_string()),
        created_at: shown(record.created_at),
        started_at: record.started_at.map(shown),
        ended_at: record.ended_at.map(shown),
        elapsed_seconds: record.age.as_secs_f64(),
        cancel_reason: record.cancel_reason,
        error: record.failure.as_ref().map(of_failure),
        result,
        cached_from: None,
    }
}

fn read(table: &hw_catalog::TableName, version: hw_catalog::TableVersion) -> TableRead {
    TableRead {
        table: table.to_string(),
        version: version.0,
    }
}

/// How far a job is, and what it waits for.
pub(crate) fn job_progress(record: &JobRecord) -> ProgressDocument {
    ProgressDocument {
        message: waits(record).or_else(|| record.progress.message.clone()),
        ..progress_document(&record.progress, &record.tasks)
    }
}

/// Why a job does not start, or that it is about to end.
fn waits(record: &JobRecord) -> Option<String> {
    let due = record.starts_in().and(record.not_before);
    match (due, record.state) {
        (Some(due), _) => Some(format!("waits until {}", due.at)),
        (None, JobState::Finishing) => Some("makes the result".to_owned()),
        (None, _) => None,
    }
}

/// How far a job is; the numbers of its tasks add up.
fn progress_document(progress: &Progress, tasks: &TaskCounts) -> ProgressDocument {
    let counts = tasks
        .0
        .iter()
        .map(|(state, count)| (state.as_str().to_owned(), Value::from(*count)));
    ProgressDocument {
        stage: progress.stage.clone(),
        message: progress.message.clone(),
        tasks: counts.collect::<Map<_, _>>(),
        rows: progress.rows,
        bytes: progress.bytes,
    }
}

/// A task of a list.
pub(crate) fn task_document_in_list(record: TaskRecord) -> TaskDocument {
    TaskDocument {
        id: record.id.to_string(),
        kind: record.kind,
        state: record.state.as_str().to_owned(),
        params: None,
        fence: record.fence.0,
        attempts: record.attempts,
        rows: record.work.rows,
        bytes: record.work.bytes,
        worker: record.worker.map(|worker| worker.to_string()),
        started_at: record.started_at.map(shown),
        ended_at: record.ended_at.map(shown),
        error: record.failure.as_ref().map(of_failure),
        history: Vec::new(),
    }
}

/// A task with its parameters and attempts.
pub(crate) fn task_document(record: TaskRecord, attempts: &[AttemptRecord]) -> TaskDocument {
    let own = attempts.iter().filter(|attempt| attempt.id.task == record.id);
    let history: Vec<_> = own.map(attempt_document).collect();
    let params = record.params.clone();
    let mut document = task_document_in_list(record);
    if document.worker.is_none() {
        document.worker = history.last().map(|attempt: &AttemptDocument| attempt.worker.clone());
    }
    document.params = Some(params);
    document.history = history;
    document
}

/// An attempt.
fn attempt_document(record: &AttemptRecord) -> AttemptDocument {
    AttemptDocument {
        id: record.id.to_string(),
        state: record.state.as_str().to_owned(),
        worker: record.worker.to_string(),
        started_at: shown(record.started_at),
        ended_at: record.ended_at.map(shown),
        seconds: record.took.map(|took| took.as_secs_f64()),
        error: record.failure.as_ref().map(of_failure),
    }
}
