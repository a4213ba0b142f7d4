//! The part of jobs that changes while their tasks do: read at the start of a change, written back at its end.

use std::collections::BTreeMap;

use hw_job::{JobId, JobState, TaskCounts, TaskState};
use sqlx::postgres::PgRow;

use super::super::events::id_text;
use super::super::row::Reader;
use super::super::to_json;
use super::super::writer::{Batch, sql};
use crate::jobs::move_counted;
use crate::{JobChangeError, StoreError};

/// What changes of a job.
pub(in super::super) struct JobHead {
    pub(in super::super) number: i64,
    pub(in super::super) id: JobId,
    pub(in super::super) kind: String,
    pub(in super::super) state: JobState,
    /// Whether its end was asked for.
    pub(in super::super) cancelled: bool,
    pub(in super::super) counts: TaskCounts,
    /// Number of its tasks.
    pub(in super::super) tasks: u32,
    pub(in super::super) attempts: u32,
    pub(in super::super) priority: i32,
    /// Whether any of its tasks waits for another.
    pub(in super::super) dependencies: bool,
    /// Whether an outcome or a result is kept.
    pub(in super::super) documents: bool,
    pub(in super::super) started_at: Option<i64>,
    /// Rows dealt with by its tasks.
    pub(in super::super) rows: i64,
    /// Bytes read by its tasks.
    pub(in super::super) bytes: i64,
    pub(in super::super) changed: bool,
}

/// The heads of the jobs that a change concerns.
pub(in super::super) struct Heads {
    heads: BTreeMap<i64, JobHead>,
    numbers: BTreeMap<JobId, i64>,
}

macro_rules! select_heads {
    ($which:literal) => {
        concat!(
            "SELECT number, id, kind, state, cancel_reason IS NOT NULL AS cancelled, task_counts, tasks, attempts,
                    priority, dependencies, documents, started_at, rows, bytes
             FROM job WHERE ",
            $which,
            " = ANY($1)"
        )
    };
}

impl Heads {
    /// Heads of the jobs of these ids; unknown ones are left out.
    pub(in super::super) async fn of_ids(
        batch: &mut Batch<'_>,
        ids: impl IntoIterator<Item = JobId>,
    ) -> Result<Self, StoreError> {
        let ids: Vec<String> = ids.into_iter().map(id_text).collect();
        let rows = batch.rows(sql(select_heads!("id")).bind(ids)).await?;
        Self::read(&rows)
    }

    /// Heads of the jobs of these numbers.
    pub(in super::super) async fn of_numbers(
        batch: &mut Batch<'_>,
        numbers: impl IntoIterator<Item = i64>,
    ) -> Result<Self, StoreError> {
        let numbers: Vec<i64> = numbers.into_iter().collect();
        let rows = batch.rows(sql(select_heads!("number")).bind(numbers)).await?;
        Self::read(&rows)
    }

    fn read(rows: &[PgRow]) -> Result<Self, StoreError> {
        let mut heads = BTreeMap::new();
        let mut numbers = BTreeMap::new();
        for row in rows {
            let head = read_head(row)?;
            numbers.insert(head.id, head.number);
            heads.insert(head.number, head);
        }
        Ok(Self { heads, numbers })
    }

    pub(in super::super) fn get(&self, id: JobId) -> Option<&JobHead> {
        self.heads.get(self.numbers.get(&id)?)
    }

    pub(in super::super) fn get_mut(&mut self, id: JobId) -> Option<&mut JobHead> {
        self.heads.get_mut(self.numbers.get(&id)?)
    }

    pub(in super::super) fn of_number(&mut self, number: i64) -> Option<&mut JobHead> {
        self.heads.get_mut(&number)
    }

    /// The head of a job that must not have settled.
    pub(in super::super) fn unsettled(&mut self, id: JobId) -> Result<&mut JobHead, JobChangeError> {
        let head = self.get_mut(id).ok_or(JobChangeError::NotFound(id))?;
        match head.state {
            state if state.is_settled() => Err(JobChangeError::Settled { job: id, state }),
            _ => Ok(head),
        }
    }

    /// Writes back what changed.
    pub(in super::super) async fn save(&self, batch: &mut Batch<'_>) -> Result<(), StoreError> {
        let changed: Vec<&JobHead> = self.heads.values().filter(|head| head.changed).collect();
        if changed.is_empty() {
            return Ok(());
        }
        let counts: Result<Vec<String>, StoreError> = changed.iter().map(|head| to_json(&head.counts)).collect();
        let save = "UPDATE job SET state = c.state, task_counts = c.counts, tasks = c.tasks, attempts = c.attempts,
                                   dependencies = c.dependencies, documents = c.documents, started_at = c.started_at,
                                   rows = c.rows, bytes = c.bytes
                    FROM unnest($1::bigint[], $2::text[], $3::text[], $4::bigint[], $5::bigint[], $6::boolean[],
                                $7::boolean[], $8::bigint[], $9::bigint[], $10::bigint[])
                         AS c (number, state, counts, tasks, attempts, dependencies, documents, started_at, rows, bytes)
                    WHERE job.number = c.number";
        let save = sql(save)
            .bind(column(&changed, |head| head.number))
            .bind(column(&changed, |head| head.state.as_str().to_owned()))
            .bind(counts?)
            .bind(column(&changed, |head| i64::from(head.tasks)))
            .bind(column(&changed, |head| i64::from(head.attempts)))
            .bind(column(&changed, |head| head.dependencies))
            .bind(column(&changed, |head| head.documents))
            .bind(column(&changed, |head| head.started_at))
            .bind(column(&changed, |head| head.rows))
            .bind(column(&changed, |head| head.bytes));
        batch.write(save).await?;
        Ok(())
    }
}

/// One member of all of these, in their order.
pub(in super::super) fn column<R, T>(rows: &[R], member: impl Fn(&R) -> T) -> Vec<T> {
    rows.iter().map(member).collect()
}

impl JobHead {
    /// Counts a task that went from one state to another.
    pub(in super::super) fn move_task(&mut self, from: TaskState, to: TaskState) {
        move_counted(&mut self.counts, from, to, 1);
        self.changed = true;
    }
}

fn read_head(row: &PgRow) -> Result<JobHead, StoreError> {
    let id = Reader::new(row, "a job").job_id("id")?;
    let row = Reader::new(row, format_args!("job {id}"));
    Ok(JobHead {
        number: row.value("number")?,
        id,
        kind: row.text("kind")?,
        state: row.word("state", JobState::from_name)?,
        cancelled: row.truth("cancelled")?,
        counts: row.json("task_counts")?,
        tasks: row.number("tasks")?,
        attempts: row.number("attempts")?,
        priority: row.number("priority")?,
        dependencies: row.truth("dependencies")?,
        documents: row.truth("documents")?,
        started_at: row.value("started_at")?,
        rows: row.value("rows")?,
        bytes: row.value("bytes")?,
        changed: false,
    })
}
