//! Rows of jobs, tasks and attempts as records.

use std::time::Duration;

use hw_catalog::{Finding, TableName, TableVersion};
use hw_job::{
    AttemptCounts, AttemptId, AttemptState, Due, Fence, JobId, JobState, Lifetime, Needs, Progress, SessionId,
    StoredDocument, TaskId, TaskState, Work, WorkerId,
};
use serde::{Deserialize, Serialize};
use sqlx::sqlite::SqliteRow;

use super::super::clock::{Epoch, Now};
use super::super::document::read_document;
use super::super::row::Reader;
use crate::{AttemptRecord, JobRecord, StoreError, TaskRecord};

/// What of a job never changes and is not looked for.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct JobDetails {
    pub(super) warnings: Vec<Finding>,
    pub(super) reads: Vec<(TableName, TableVersion)>,
    pub(super) timeout_micros: Option<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) not_before: Option<Due>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) deadline: Option<Due>,
    pub(super) parent: Option<JobId>,
    pub(super) lifetime: Lifetime,
}

/// The same of a task.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct TaskDetails {
    pub(super) needs: Needs,
    pub(super) after: Vec<u32>,
}

macro_rules! select_jobs {
    ($rest:literal) => {
        concat!(
            "SELECT j.number, j.id, j.kind, j.format, j.state, j.partial, j.failure, j.cancel_reason, j.progress,
                    j.task_counts, j.attempts, j.priority, j.tags, j.owner, j.fingerprint, j.created_at, j.started_at,
                    j.ended_at, j.created, j.ended, j.rows, j.bytes, d.params, d.expanded, d.details, r.document AS result
             FROM job j JOIN job_document d ON d.job = j.number LEFT JOIN job_result r ON r.job = j.number ",
            $rest
        )
    };
}

pub(super) const ONE_JOB: &str = select_jobs!("WHERE j.id = ?1");

pub(super) const NEWEST_RESULT: &str = select_jobs!(
    "WHERE j.fingerprint = ?1 AND j.kind = ?2 AND j.state = 'succeeded' AND r.document IS NOT NULL
     ORDER BY j.number DESC LIMIT 1"
);

pub(super) const ALL_JOBS: &str = select_jobs!(
    "WHERE j.number < ?1
       AND (?2 IS NULL OR j.kind IN (SELECT value FROM json_each(?2)))
       AND (?3 IS NULL OR j.state IN (SELECT value FROM json_each(?3)))
       AND (?4 IS NULL OR EXISTS (SELECT 1 FROM job_read b WHERE b.job = j.number AND +b.name = ?4))
       AND (?5 IS NULL OR EXISTS (SELECT 1 FROM json_each(j.tags) t WHERE t.value = ?5))
       AND (?6 IS NULL OR j.owner = ?6)
     ORDER BY j.number DESC LIMIT +?7"
);

/// The same by way of the index of unsettled jobs, which are few among many.
pub(super) const UNSETTLED_JOBS: &str = select_jobs!(
    "WHERE j.number IN (SELECT number FROM job WHERE settled = 0) AND j.number < ?1
       AND (?2 IS NULL OR j.kind IN (SELECT value FROM json_each(?2)))
       AND (?3 IS NULL OR j.state IN (SELECT value FROM json_each(?3)))
       AND (?4 IS NULL OR EXISTS (SELECT 1 FROM job_read b WHERE b.job = j.number AND +b.name = ?4))
       AND (?5 IS NULL OR EXISTS (SELECT 1 FROM json_each(j.tags) t WHERE t.value = ?5))
       AND (?6 IS NULL OR j.owner = ?6)
     ORDER BY j.number DESC LIMIT +?7"
);

macro_rules! select_tasks {
    ($rest:literal) => {
        concat!(
            "SELECT t.task & 4294967295 AS idx, j.id AS job_id, t.state, t.fence, t.attempts, t.counted, t.lost,
                    t.deaths, t.flow, t.affinity, t.not_before, t.worker, t.lease_until, t.failure, t.created_at,
                    t.started_at, t.ended_at, t.rows, t.bytes, d.kind, d.format, d.params, d.details, o.document AS outcome
             FROM task t JOIN job j ON j.number = t.job JOIN task_document d ON d.task = t.task
             LEFT JOIN task_outcome o ON o.task = t.task ",
            $rest
        )
    };
}

pub(super) const ONE_TASK: &str = select_tasks!("WHERE t.task = ((SELECT number FROM job WHERE id = ?1) << 32) | ?2");

pub(super) const TASKS_OF_JOB: &str = select_tasks!(
    "WHERE t.task BETWEEN (SELECT number << 32 FROM job WHERE id = ?1)
                      AND (SELECT (number << 32) | 4294967295 FROM job WHERE id = ?1)
     ORDER BY t.task"
);

/// Running tasks whose lease is over, or that of their worker's session.
pub(in super::super) const EXPIRED_TASKS: &str = select_tasks!(
    "LEFT JOIN worker w ON w.id = t.worker LEFT JOIN session s ON s.id = w.session
     WHERE t.state = 'running' AND (t.lease_until <= ?1 OR s.lease_until <= ?1)
     ORDER BY t.lease_until, t.task LIMIT +?2"
);

pub(super) const ATTEMPTS_OF_JOB: &str =
    "SELECT task & 4294967295 AS idx, number, fence, state, worker, started_at, ended_at, took, failure
     FROM attempt WHERE task BETWEEN (SELECT number << 32 FROM job WHERE id = ?1)
                                 AND (SELECT (number << 32) | 4294967295 FROM job WHERE id = ?1)
     ORDER BY task, number";

/// The key of a task in the tables.
pub(in super::super) fn task_key(job: i64, index: u32) -> i64 {
    (job << 32) | i64::from(index)
}

pub(super) fn read_job(row: &SqliteRow, now: Now) -> Result<JobRecord, StoreError> {
    let id = Reader::new(row, "a job").job_id("id")?;
    let row = Reader::new(row, format_args!("job {id}"));
    let details: JobDetails = read_document(&row, "details")?;
    let created: i64 = row.value("created")?;
    let ended: Option<i64> = row.value("ended")?;
    Ok(JobRecord {
        id,
        kind: row.text("kind")?,
        format: row.number("format")?,
        state: row.word("state", JobState::from_name)?,
        params: row.json("params")?,
        expanded: row.json("expanded")?,
        warnings: details.warnings,
        reads: details.reads,
        result: row.json_if_any("result")?,
        partial: row.truth("partial")?,
        failure: row.json_if_any("failure")?,
        cancel_reason: row.value("cancel_reason")?,
        progress: Progress {
            rows: row.number("rows")?,
            bytes: row.number("bytes")?,
            ..row.json("progress")?
        },
        tasks: row.json("task_counts")?,
        attempts: row.number("attempts")?,
        priority: row.number("priority")?,
        timeout: details.timeout_micros.map(Duration::from_micros),
        not_before: details.not_before,
        deadline: details.deadline,
        tags: row.json("tags")?,
        parent: details.parent,
        lifetime: details.lifetime,
        owner: row.value::<Option<String>>("owner")?.map(SessionId),
        fingerprint: row.value("fingerprint")?,
        created_at: row.timestamp("created_at")?,
        started_at: row.timestamp_if_any("started_at")?,
        ended_at: row.timestamp_if_any("ended_at")?,
        age: Now {
            elapsed: ended.unwrap_or(now.elapsed),
            ..now
        }
        .since(created),
    })
}

pub(in super::super) fn read_task(row: &SqliteRow, epoch: Epoch) -> Result<TaskRecord, StoreError> {
    let named = Reader::new(row, "a task");
    let id = TaskId::new(named.job_id("job_id")?, named.number("idx")?);
    let row = Reader::new(row, format_args!("task {id}"));
    let details: TaskDetails = read_document(&row, "details")?;
    let instant = |column| Ok::<_, StoreError>(row.value::<Option<i64>>(column)?.map(|at| epoch.to_host(at)));
    Ok(TaskRecord {
        id,
        kind: row.text("kind")?,
        format: row.number("format")?,
        state: row.word("state", TaskState::from_name)?,
        fence: Fence(row.number("fence")?),
        params: row.json("params")?,
        needs: details.needs,
        affinity: row.json_if_any("affinity")?.unwrap_or_default(),
        flow: row.text("flow")?,
        after: details.after,
        attempts: row.number("attempts")?,
        counts: read_counts(&row)?,
        not_before: instant("not_before")?,
        worker: row.value::<Option<String>>("worker")?.map(WorkerId),
        lease_until: instant("lease_until")?,
        work: Work {
            rows: row.number("rows")?,
            bytes: row.number("bytes")?,
        },
        outcome: row.json_if_any("outcome")?,
        failure: row.json_if_any("failure")?,
        created_at: row.timestamp("created_at")?,
        started_at: row.timestamp_if_any("started_at")?,
        ended_at: row.timestamp_if_any("ended_at")?,
    })
}

pub(in super::super) fn read_counts(row: &Reader<'_>) -> Result<AttemptCounts, StoreError> {
    Ok(AttemptCounts {
        counted: row.number("counted")?,
        lost: row.number("lost")?,
        deaths: row.number("deaths")?,
    })
}

pub(super) fn read_attempt(row: &SqliteRow, job: JobId) -> Result<AttemptRecord, StoreError> {
    let named = Reader::new(row, "an attempt");
    let id = AttemptId {
        task: TaskId::new(job, named.number("idx")?),
        number: named.number("number")?,
    };
    let row = Reader::new(row, format_args!("attempt {id}"));
    Ok(AttemptRecord {
        id,
        fence: Fence(row.number("fence")?),
        state: row.word("state", AttemptState::from_name)?,
        worker: WorkerId(row.text("worker")?),
        started_at: row.timestamp("started_at")?,
        ended_at: row.timestamp_if_any("ended_at")?,
        took: row.duration_if_any("took")?,
        failure: row.json_if_any("failure")?,
    })
}

/// The paths of the files behind documents that are about to go.
pub(in super::super) fn outcome_files(rows: &[SqliteRow]) -> Result<Vec<String>, StoreError> {
    let mut files = Vec::new();
    for row in rows {
        let document: StoredDocument = Reader::new(row, "a result or outcome").json("document")?;
        if let StoredDocument::File { path, .. } = document {
            files.push(path);
        }
    }
    Ok(files)
}
