//! The part of jobs that changes while their tasks do: read at the start of a change, written back at its end.

use std::collections::BTreeMap;

use hw_job::{JobId, JobState, TaskCounts, TaskState};
use sqlx::sqlite::SqliteRow;

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
            " IN (SELECT value FROM json_each(?1))"
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
        let rows = batch.rows(sql(select_heads!("id")).bind(to_json(&ids)?)).await?;
        Self::read(&rows)
    }

    /// Heads of the jobs of these numbers.
    pub(in super::super) async fn of_numbers(
        batch: &mut Batch<'_>,
        numbers: impl IntoIterator<Item = i64>,
    ) -> Result<Self, StoreError> {
        let numbers: Vec<i64> = numbers.into_iter().collect();
        let rows = batch
            .rows(sql(select_heads!("number")).bind(to_json(&numbers)?))
            .await?;
        Self::read(&rows)
    }

    fn read(rows: &[SqliteRow]) -> Result<Self, StoreError> {
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
        let changed = self.heads.values().filter(|head| head.changed);
        let rows: Result<Vec<_>, StoreError> = changed.map(head_row).collect();
        let rows = rows?;
        if rows.is_empty() {
            return Ok(());
        }
        let save = "UPDATE job SET state = c.state, task_counts = c.counts, tasks = c.tasks, attempts = c.attempts,
                                   dependencies = c.dependencies, documents = c.documents, started_at = c.started_at,
                                   rows = c.rows, bytes = c.bytes
                    FROM (SELECT value ->> 0 AS number, value ->> 1 AS state, value ->> 2 AS counts,
                                 value ->> 3 AS tasks, value ->> 4 AS attempts, value ->> 5 AS dependencies,
                                 value ->> 6 AS documents, value ->> 7 AS started_at, value ->> 8 AS rows,
                                 value ->> 9 AS bytes
                          FROM json_each(?1)) c
                    WHERE job.number = c.number";
        batch.write(sql(save).bind(to_json(&rows)?)).await?;
        Ok(())
    }
}

impl JobHead {
    /// Counts a task that went from one state to another.
    pub(in super::super) fn move_task(&mut self, from: TaskState, to: TaskState) {
        move_counted(&mut self.counts, from, to, 1);
        self.changed = true;
    }
}

type HeadRow = (i64, &'static str, String, u32, u32, i64, i64, Option<i64>, i64, i64);

fn head_row(head: &JobHead) -> Result<HeadRow, StoreError> {
    Ok((
        head.number,
        head.state.as_str(),
        to_json(&head.counts)?,
        head.tasks,
        head.attempts,
        i64::from(head.dependencies),
        i64::from(head.documents),
        head.started_at,
        head.rows,
        head.bytes,
    ))
}

fn read_head(row: &SqliteRow) -> Result<JobHead, StoreError> {
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
