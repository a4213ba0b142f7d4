//! Cancelling a task by itself: it settles at once, and whatever its worker still reports is late.

use async_trait::async_trait;
use hw_job::{TaskId, TaskState};

use super::super::jobs::{Heads, task_key};
use super::super::row::Reader;
use super::super::to_json;
use super::super::writer::{Batch, Change, sql};
use super::block::block_dependents;
use crate::queue::cancelled_by_itself;
use crate::{ChangeRefused, StoreError};

pub(super) struct CancelTask {
    pub(super) task: TaskId,
    pub(super) reason: String,
}

const WITHDRAW: &str = "WITH ended AS (
         UPDATE attempt SET state = 'cancelled', ended_at = $2, took = greatest($3 - started, 0)
         WHERE task = $1 AND state = 'running')
     UPDATE task SET state = 'cancelled', queued = false, fence = fence + 1, worker = NULL, lease_until = NULL,
                     not_before = NULL, ended_at = $2, failure = $4
     WHERE task = $1";

#[async_trait]
impl Change for CancelTask {
    type Answer = Result<(), ChangeRefused>;
    type Refusal = StoreError;

    fn takes_ready_tasks(&self) -> bool {
        true
    }

    async fn make(&self, batch: &mut Batch<'_>) -> Result<Self::Answer, StoreError> {
        let task = self.task;
        let mut heads = Heads::of_ids(batch, [task.job]).await?;
        let Some(head) = heads.get_mut(task.job) else {
            return Ok(Err(ChangeRefused::NotFound(task)));
        };
        let key = task_key(head.number, task.index);
        let look = sql("SELECT state, attempts FROM task WHERE task = $1").bind(key);
        let Some(row) = batch.row(look).await? else {
            return Ok(Err(ChangeRefused::NotFound(task)));
        };
        let row = Reader::new(&row, format_args!("task {task}"));
        let (from, to) = (row.word("state", TaskState::from_name)?, TaskState::Cancelled);
        if head.state.is_settled() || !from.may_become(to) {
            return Ok(Err(ChangeRefused::Illegal { task, from, to }));
        }
        batch.journal.task_cancel_requested(task, &self.reason);
        batch.journal.attempt_ended(task, row.number("attempts")?, to);
        head.move_task(from, to);
        let withdraw = sql(WITHDRAW)
            .bind(key)
            .bind(batch.now.wall.0)
            .bind(batch.now.elapsed)
            .bind(to_json(&cancelled_by_itself(task, &self.reason))?);
        batch.write(withdraw).await?;
        block_dependents(batch, &mut heads, &[(key, to)]).await?;
        heads.save(batch).await?;
        Ok(Ok(()))
    }
}
