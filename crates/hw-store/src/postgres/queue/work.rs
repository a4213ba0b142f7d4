//! Noting what running tasks have worked off: two statements for all of them, and no event.

use async_trait::async_trait;

use super::super::events::id_text;
use super::super::jobs::column;
use super::super::stored;
use super::super::writer::{Batch, Change, Sql, sql};
use crate::{StoreError, TaskWork};

pub(super) struct Note(pub(super) Vec<TaskWork>);

macro_rules! told {
    () => {
        "(SELECT j.number AS job, (j.number << 32) | w.index AS task, w.fence, w.rows, w.bytes
          FROM unnest($1::text[], $2::bigint[], $3::bigint[], $4::bigint[], $5::bigint[])
               AS w (id, index, fence, rows, bytes) JOIN job j ON j.id = w.id)"
    };
}

/// The jobs first, as they need to know what their tasks had told before.
const NOTE_JOBS: &str = concat!(
    "UPDATE job SET rows = job.rows + c.rows, bytes = job.bytes + c.bytes
     FROM (SELECT w.job, sum(w.rows - t.rows)::bigint AS rows, sum(w.bytes - t.bytes)::bigint AS bytes
           FROM ",
    told!(),
    " w JOIN task t ON t.task = w.task AND t.fence = w.fence AND t.state = 'running'
           GROUP BY w.job) c
     WHERE job.number = c.job"
);

const NOTE_TASKS: &str = concat!(
    "UPDATE task SET rows = c.rows, bytes = c.bytes FROM ",
    told!(),
    " c WHERE task.task = c.task AND task.fence = c.fence AND task.state = 'running'"
);

impl Note {
    fn of(&self, text: &'static str) -> Sql {
        sql(text)
            .bind(column(&self.0, |told| id_text(told.task.job)))
            .bind(column(&self.0, |told| i64::from(told.task.index)))
            .bind(column(&self.0, |told| stored(told.fence.0)))
            .bind(column(&self.0, |told| stored(told.work.rows)))
            .bind(column(&self.0, |told| stored(told.work.bytes)))
    }
}

#[async_trait]
impl Change for Note {
    type Answer = ();
    type Refusal = StoreError;

    async fn make(&self, batch: &mut Batch<'_>) -> Result<(), StoreError> {
        batch.write(self.of(NOTE_JOBS)).await?;
        batch.write(self.of(NOTE_TASKS)).await?;
        Ok(())
    }
}
