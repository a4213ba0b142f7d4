//! Noting what running tasks have worked off: two statements for all of them, and no event.

use async_trait::async_trait;

use super::super::events::id_text;
use super::super::writer::{Batch, Change, sql};
use super::super::{stored, to_json};
use crate::{StoreError, TaskWork};

pub(super) struct Note {
    /// Rows of job, index, fence, rows, bytes.
    done: String,
}

impl Note {
    pub(super) fn new(done: &[TaskWork]) -> Result<Self, StoreError> {
        let row = |told: &TaskWork| {
            let (rows, bytes) = (stored(told.work.rows), stored(told.work.bytes));
            (
                id_text(told.task.job),
                told.task.index,
                stored(told.fence.0),
                rows,
                bytes,
            )
        };
        let done: Vec<_> = done.iter().map(row).collect();
        Ok(Self { done: to_json(&done)? })
    }
}

/// The jobs first, as they need to know what their tasks had told before.
const NOTE: &str = "UPDATE job SET rows = job.rows + c.rows, bytes = job.bytes + c.bytes
     FROM (SELECT t.job AS job, sum((w.value ->> 3) - t.rows) AS rows, sum((w.value ->> 4) - t.bytes) AS bytes
           FROM json_each(?1) w JOIN job j ON j.id = w.value ->> 0
           JOIN task t ON t.task = (j.number << 32) | (w.value ->> 1)
           WHERE t.state = 'running' AND t.fence = w.value ->> 2
           GROUP BY t.job) c
     WHERE job.number = c.job;
     UPDATE task SET rows = c.rows, bytes = c.bytes
     FROM (SELECT (j.number << 32) | (w.value ->> 1) AS task, w.value ->> 2 AS fence, w.value ->> 3 AS rows,
                  w.value ->> 4 AS bytes
           FROM json_each(?1) w JOIN job j ON j.id = w.value ->> 0) c
     WHERE task.task = c.task AND task.fence = c.fence AND task.state = 'running'";

#[async_trait]
impl Change for Note {
    type Answer = ();
    type Refusal = StoreError;

    async fn make(&self, batch: &mut Batch<'_>) -> Result<(), StoreError> {
        batch.write(sql(NOTE).bind(self.done.clone())).await?;
        Ok(())
    }
}
