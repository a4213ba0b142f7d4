//! The queue: claiming, keeping and finishing tasks under leases and fences. Each change is a fixed number of
//! statements, however many tasks it concerns: lists go into them, and out of them, as JSON.

mod block;
mod cancel;
mod claim;
mod ready;
mod report;
mod work;

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use async_trait::async_trait;
use hw_job::{Fence, JobId, TaskId, TaskState, WorkerId};

use super::clock::micros;
use super::events::id_text;
use super::jobs::{EXPIRED_TASKS, Heads, read_task, task_key};
use super::row::Reader;
use super::writer::{Batch, Change, sql};
use super::{SqliteStore, stored, to_json};
use crate::queue::{check_outcome, told_last};
use crate::{
    ChangeRefused, Claim, ClaimedTask, HeldTask, QueueStore, StoreError, TaskChange, TaskChanged, TaskRecord, TaskWork,
    Verdict,
};
pub(super) use block::block_dependents;
pub(super) use ready::Turns;
use ready::{Freed, make_ready};

#[async_trait]
impl QueueStore for SqliteStore {
    async fn claim_tasks(&self, claim: &Claim) -> Result<Vec<ClaimedTask>, StoreError> {
        // Workers ask often in vain: that needs no lock.
        if claim.slot.tasks == 0 || self.row(sql(ANY_QUEUED)).await?.is_none() {
            return Ok(Vec::new());
        }
        self.change(claim::Take(claim.clone())).await
    }

    async fn heartbeat(
        &self,
        worker: &WorkerId,
        held: &[HeldTask],
        lease: Duration,
    ) -> Result<Vec<Verdict>, StoreError> {
        if held.is_empty() {
            return Ok(Vec::new());
        }
        let keep = Keep {
            worker: worker.clone(),
            held: held.to_vec(),
            lease,
        };
        self.change(keep).await
    }

    async fn note_work(&self, done: &[TaskWork]) -> Result<(), StoreError> {
        if done.is_empty() {
            return Ok(());
        }
        self.change(work::Note::new(&told_last(done))?).await
    }

    async fn change_tasks(
        &self,
        changes: Vec<TaskChange>,
    ) -> Result<Vec<Result<TaskChanged, ChangeRefused>>, StoreError> {
        changes.iter().try_for_each(check_outcome)?;
        if changes.is_empty() {
            return Ok(Vec::new());
        }
        self.change(report::Report(changes)).await
    }

    async fn expired_tasks(&self, limit: u32) -> Result<Vec<TaskRecord>, StoreError> {
        let query = sql(EXPIRED_TASKS).bind(self.now().elapsed).bind(i64::from(limit));
        let rows = self.rows(query).await?;
        rows.iter().map(|row| read_task(row, self.epoch)).collect()
    }

    async fn wake_due_tasks(&self, limit: u32) -> Result<Option<Duration>, StoreError> {
        let next = self.next_pause_end().await?;
        match next {
            Some(next) if next <= self.now().elapsed => self.change(Wake { limit }).await,
            next => Ok(next.map(|next| {
                super::clock::Now {
                    elapsed: next,
                    ..self.now()
                }
                .since(self.now().elapsed)
            })),
        }
    }

    async fn requeue_task(&self, task: TaskId) -> Result<Result<(), ChangeRefused>, StoreError> {
        self.change(Requeue(task)).await
    }

    async fn cancel_task(&self, task: TaskId, reason: &str) -> Result<Result<(), ChangeRefused>, StoreError> {
        let reason = reason.to_owned();
        self.change(cancel::CancelTask { task, reason }).await
    }

    async fn queue_length(&self, job: Option<JobId>) -> Result<u64, StoreError> {
        // Ready tasks belong to unsettled jobs only, which know how many they have.
        let count = "SELECT coalesce(sum(task_counts ->> 'ready'), 0) AS ready FROM job
                     WHERE settled = 0 AND (?1 IS NULL OR id = ?1)";
        let row = self.row(sql(count).bind(job.map(id_text))).await?;
        row.map_or(Ok(0), |row| Reader::new(&row, "the queue").number("ready"))
    }
}

const NEXT_PAUSE_END: &str = "SELECT min(next) AS next
     FROM (SELECT min(not_before) AS next FROM task WHERE state = 'retry_wait'
           UNION ALL
           SELECT min(not_before) FROM task WHERE state = 'waiting' AND not_before IS NOT NULL)";

const ANY_QUEUED: &str = "SELECT 1 FROM task WHERE queued = 1 LIMIT 1";

#[cfg(test)]
pub(super) fn queries_with_plans() -> Vec<(&'static str, &'static str)> {
    vec![
        ("any task to claim", ANY_QUEUED),
        ("worker that may not claim", claim::STANDING),
        ("lanes with tasks", claim::OPEN_LANES),
        ("head of a lane", claim::HEAD_OF_LANE),
        ("head of a job", claim::HEAD_OF_JOB),
        ("last turn of a flow", ready::LAST_TURNS),
        ("end of the next pause", NEXT_PAUSE_END),
        ("pauses that are over", DUE),
        ("expired tasks", EXPIRED_TASKS),
        ("tasks and attempts reported on", report::LOOK),
    ]
}

impl SqliteStore {
    async fn next_pause_end(&self) -> Result<Option<i64>, StoreError> {
        let row = self.row(sql(NEXT_PAUSE_END)).await?;
        row.map_or(Ok(None), |row| Reader::new(&row, "the pauses").value("next"))
    }
}

/// A heartbeat: one statement for all tasks of the worker.
struct Keep {
    worker: WorkerId,
    held: Vec<HeldTask>,
    lease: Duration,
}

#[async_trait]
impl Change for Keep {
    type Answer = Vec<Verdict>;
    type Refusal = StoreError;

    async fn make(&self, batch: &mut Batch<'_>) -> Result<Vec<Verdict>, StoreError> {
        let held = self.held.iter();
        let held = held.map(|held| (id_text(held.task.job), held.task.index, stored(held.fence.0)));
        let held: Vec<_> = held.collect();
        let keep = "UPDATE task SET lease_until = ?3
                    WHERE state = 'running' AND worker = ?2 AND given_up = 0 AND (task, fence) IN
                          (SELECT (j.number << 32) | (h.value ->> 1), h.value ->> 2
                           FROM json_each(?1) h JOIN job j ON j.id = h.value ->> 0)
                    RETURNING task & 4294967295 AS idx, fence,
                              (SELECT id FROM job WHERE number = task.job) AS job,
                              (SELECT cancel_reason IS NOT NULL FROM job WHERE number = task.job) AS cancelled";
        let keep = sql(keep)
            .bind(to_json(&held)?)
            .bind(self.worker.0.clone())
            .bind(batch.now.after(self.lease));
        let mut kept = BTreeMap::new();
        for row in batch.write_returning(keep).await? {
            let row = Reader::new(&row, "a running task");
            let task = TaskId::new(row.job_id("job")?, row.number("idx")?);
            let verdict = if row.truth("cancelled")? {
                Verdict::Cancel
            } else {
                Verdict::Keep
            };
            kept.insert((task, Fence(row.number("fence")?)), verdict);
        }
        let verdict = |held: &HeldTask| kept.get(&(held.task, held.fence)).copied();
        Ok(self
            .held
            .iter()
            .map(|held| verdict(held).unwrap_or(Verdict::Lost))
            .collect())
    }
}

const DUE: &str = "SELECT task, job, flow, state, not_before FROM task WHERE state = 'retry_wait' AND not_before <= ?1
     UNION ALL
     SELECT task, job, flow, state, not_before FROM task
     WHERE state = 'waiting' AND not_before IS NOT NULL AND not_before <= ?1
     ORDER BY not_before, task LIMIT +?2";

/// Ends pauses that are over, and the waiting of jobs that may start now.
struct Wake {
    limit: u32,
}

#[async_trait]
impl Change for Wake {
    type Answer = Option<Duration>;
    type Refusal = StoreError;

    async fn make(&self, batch: &mut Batch<'_>) -> Result<Option<Duration>, StoreError> {
        let due = sql(DUE).bind(batch.now.elapsed).bind(i64::from(self.limit));
        let rows = batch.rows(due).await?;
        let freed: Result<Vec<_>, _> = rows.iter().map(Freed::read).collect();
        let freed = freed?;
        let jobs: BTreeSet<i64> = freed.iter().map(|task| task.job).collect();
        let mut heads = Heads::of_numbers(batch, jobs).await?;
        for (task, row) in freed.iter().zip(&rows) {
            let from = Reader::new(row, "a task that is due").word("state", TaskState::from_name)?;
            if let Some(head) = heads.of_number(task.job) {
                head.move_task(from, TaskState::Ready);
            }
        }
        make_ready(batch, &mut heads, &freed).await?;
        heads.save(batch).await?;
        let next = batch.row(sql(NEXT_PAUSE_END)).await?;
        let next: Option<i64> = next.map_or(Ok(None), |row| Reader::new(&row, "the pauses").value("next"))?;
        Ok(next.map(|next| Duration::from_micros(u64::try_from(next - batch.now.elapsed).unwrap_or(0))))
    }
}

/// Gives a quarantined task another life.
struct Requeue(TaskId);

#[async_trait]
impl Change for Requeue {
    type Answer = Result<(), ChangeRefused>;
    type Refusal = StoreError;

    async fn make(&self, batch: &mut Batch<'_>) -> Result<Self::Answer, StoreError> {
        let task = self.0;
        let mut heads = Heads::of_ids(batch, [task.job]).await?;
        let Some(head) = heads.get_mut(task.job) else {
            return Ok(Err(ChangeRefused::NotFound(task)));
        };
        let look =
            sql("SELECT task, job, flow, state FROM task WHERE task = ?1").bind(task_key(head.number, task.index));
        let Some(row) = batch.row(look).await? else {
            return Ok(Err(ChangeRefused::NotFound(task)));
        };
        let from = Reader::new(&row, format_args!("task {task}")).word("state", TaskState::from_name)?;
        if head.state.is_settled() || from != TaskState::Quarantined {
            let to = TaskState::Ready;
            return Ok(Err(ChangeRefused::Illegal { task, from, to }));
        }
        let freed = Freed::read(&row)?;
        head.move_task(from, TaskState::Ready);
        let reset = sql("UPDATE task SET counted = 0, lost = 0, deaths = 0, ended_at = NULL WHERE task = ?1");
        batch.write(reset.bind(freed.task)).await?;
        let requeued = freed.task;
        make_ready(batch, &mut heads, &[freed]).await?;
        block::unblock_dependents(batch, &mut heads, requeued).await?;
        heads.save(batch).await?;
        Ok(Ok(()))
    }
}

/// A duration for a lease or pause, in the form of the tables.
fn until(batch: &Batch<'_>, duration: Duration) -> i64 {
    batch.now.elapsed.saturating_add(micros(duration))
}
