//! The end of a job: everything that takes effect with it, in one transaction.

use async_trait::async_trait;
use hw_job::{JobEnding, JobState, TaskState};

use super::super::catalog::{PartTexts, change_catalog, name_states};
use super::super::files::{confirm_files, refuse_swept};
use super::super::row::kept;
use super::super::to_json;
use super::super::writer::{Batch, Change, sql};
use super::record::task_key;
use super::{Heads, JobHead};
use crate::catalog::plan_changes;
use crate::jobs::move_counted;
use crate::{EndJob, JobChangeError, StoreError};

pub(super) struct End {
    end: EndJob,
    /// Texts of the parts, made before the lock is taken.
    parts: PartTexts,
}

impl End {
    pub(super) fn new(end: EndJob) -> Result<Self, StoreError> {
        let parts = PartTexts::of(&end.changes)?;
        Ok(Self { end, parts })
    }
}

#[async_trait]
impl Change for End {
    type Answer = ();
    type Refusal = JobChangeError;

    async fn make(&self, batch: &mut Batch<'_>) -> Result<(), JobChangeError> {
        let end = &self.end;
        let mut heads = Heads::of_ids(batch, [end.job]).await?;
        let head = heads.unsettled(end.job)?;
        let names = name_states(batch, &end.changes).await?;
        let planned = plan_changes(names, &end.changes, end.job, batch.now.wall)?;

        refuse_swept(batch, &end.files).await?;
        if head.state != JobState::Finishing && end.ending.state() == JobState::Succeeded {
            batch.journal.job_finishing(end.job);
        }
        change_catalog(batch, end.job, planned, &self.parts).await?;
        confirm_files(batch, &end.files).await?;
        withdraw_tasks(batch, head).await?;
        settle(batch, head, &end.ending).await?;
        batch.journal.job_ended(end.job, &head.kind, end.ending.state());
        Ok(())
    }
}

/// Cancels the open tasks of a job and puts their fences up, so that whatever is reported on them is late.
async fn withdraw_tasks(batch: &mut Batch<'_>, head: &mut JobHead) -> Result<(), StoreError> {
    let open: Vec<_> = head.counts.0.iter().filter(|(state, _)| !state.is_settled()).collect();
    let open: Vec<_> = open.into_iter().map(|(state, count)| (*state, *count)).collect();
    if open.is_empty() {
        return Ok(());
    }
    // A claim may be about to take some of them: it is over first, and its tasks are withdrawn too.
    batch.behind_gate()?;
    let states: Vec<String> = open.iter().map(|(state, _)| state.as_str().to_owned()).collect();
    let withdraw = "WITH ended AS (
                        UPDATE attempt SET state = 'cancelled', ended_at = $4, took = greatest($5 - started, 0)
                        WHERE task BETWEEN $1 AND $2 AND state = 'running')
                    UPDATE task SET state = 'cancelled', queued = false, fence = fence + 1, worker = NULL,
                                    lease_until = NULL, not_before = NULL, ended_at = $4
                    WHERE task BETWEEN $1 AND $2 AND state = ANY($3)";
    let withdraw = sql(withdraw)
        .bind(task_key(head.number, 0))
        .bind(task_key(head.number, u32::MAX))
        .bind(states)
        .bind(batch.now.wall.0)
        .bind(batch.now.elapsed);
    batch.write(withdraw).await?;
    for (state, count) in open {
        move_counted(&mut head.counts, state, TaskState::Cancelled, count);
    }
    Ok(())
}

async fn settle(batch: &mut Batch<'_>, head: &JobHead, ending: &JobEnding) -> Result<(), StoreError> {
    let (mut failure, mut reason, mut partial, mut documents) = (None, None, false, head.documents);
    match ending {
        JobEnding::Succeeded { result, partial: part } => {
            partial = *part;
            documents = true;
            let insert = sql("INSERT INTO job_result (job, document) VALUES ($1, $2)")
                .bind(head.number)
                .bind(to_json(result)?);
            batch.write(insert).await?;
        }
        JobEnding::Failed(why) | JobEnding::TimedOut(why) => failure = Some(to_json(why)?),
        JobEnding::Cancelled { reason: why } => reason = Some(kept(why)),
    }
    let settle = "UPDATE job SET state = $2, settled = true, partial = $3, failure = $4,
                                 cancel_reason = coalesce($5, cancel_reason), task_counts = $6, documents = $7,
                                 ended_at = $8, ended = $9
                  WHERE number = $1";
    let settle = sql(settle)
        .bind(head.number)
        .bind(ending.state().as_str())
        .bind(partial)
        .bind(failure)
        .bind(reason)
        .bind(to_json(&head.counts)?)
        .bind(documents)
        .bind(batch.now.wall.0)
        .bind(batch.now.elapsed);
    batch.write(settle).await?;
    Ok(())
}
