//! Jobs, tasks and attempts.

use hw_api::{AttemptDocument, JobDocument, ProblemError, ProgressDocument, TableRead, TaskDocument, rfc3339};
use hw_job::{Progress, TaskCounts, Timestamp};
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
        progress: progress_document(&record.progress, &record.tasks),
        attempts: record.attempts,
        priority: record.priority,
        timeout_seconds: record.timeout.map(|timeout| timeout.as_secs_f64()),
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

/// How far a job is; the numbers of its tasks add up.
pub(crate) fn progress_document(progress: &Progress, tasks: &TaskCounts) -> ProgressDocument {
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
