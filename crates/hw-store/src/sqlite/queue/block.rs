//! Blocking tasks that need one which ended otherwise than needed, and letting them wait again.

use std::collections::{BTreeMap, BTreeSet};

use hw_job::{TaskId, TaskState};

use super::super::jobs::{Heads, task_key};
use super::super::row::Reader;
use super::super::to_json;
use super::super::writer::{Batch, sql};
use crate::StoreError;

/// Whom each of these tasks holds up, those that wait only.
const WAITING: &str = "SELECT a.before, a.task FROM task_after a JOIN task t ON t.task = a.task
     WHERE a.before IN (SELECT value FROM json_each(?1)) AND t.state = 'waiting' ORDER BY a.before, a.task";

/// Blocked tasks of a job, each with those that it needs and that did not succeed.
const BLOCKED: &str = "SELECT a.before, a.task, b.state FROM task_after a
     JOIN task t ON t.task = a.task JOIN task b ON b.task = a.before
     WHERE a.before BETWEEN ?1 AND ?2 AND t.state = 'blocked' ORDER BY a.task";

/// Blocks the tasks that wait for those among these which ended otherwise than needed. All of the tasks are of jobs whose
/// heads are there.
pub(in super::super) async fn block_dependents(
    batch: &mut Batch<'_>,
    heads: &mut Heads,
    ended: &[(i64, TaskState)],
) -> Result<(), StoreError> {
    let mut holds_up = |task: i64| heads.of_number(task >> 32).is_some_and(|head| head.dependencies);
    let ended = ended.iter().filter(|(task, state)| state.blocks() && holds_up(*task));
    let ended: Vec<(i64, TaskState)> = ended.copied().collect();
    if ended.is_empty() {
        return Ok(());
    }
    let keys: Vec<i64> = ended.iter().map(|(task, _)| *task).collect();
    let mut waiting: BTreeMap<i64, Vec<i64>> = BTreeMap::new();
    for row in batch.rows(sql(WAITING).bind(to_json(&keys)?)).await? {
        let row = Reader::new(&row, "a waiting task");
        waiting
            .entry(row.value("before")?)
            .or_default()
            .push(row.value("task")?);
    }
    let mut blocked = BTreeSet::new();
    for (before, state) in ended {
        for task in waiting.remove(&before).unwrap_or_default() {
            if blocked.insert(task)
                && let Some(head) = heads.of_number(task >> 32)
            {
                head.move_task(TaskState::Waiting, TaskState::Blocked);
                batch
                    .journal
                    .task_blocked(TaskId::new(head.id, index_of(task)), index_of(before), state);
            }
        }
    }
    let block = sql("UPDATE task SET state = 'blocked' WHERE task IN (SELECT value FROM json_each(?1))");
    if !blocked.is_empty() {
        batch.write(block.bind(to_json(&blocked)?)).await?;
    }
    Ok(())
}

/// Lets the tasks wait again that only this one blocked.
pub(super) async fn unblock_dependents(
    batch: &mut Batch<'_>,
    heads: &mut Heads,
    before: i64,
) -> Result<(), StoreError> {
    let Some(head) = heads.of_number(before >> 32).filter(|head| head.dependencies) else {
        return Ok(());
    };
    let look = sql(BLOCKED)
        .bind(task_key(head.number, 0))
        .bind(task_key(head.number, u32::MAX));
    let (mut freed, mut held) = (BTreeSet::new(), BTreeSet::new());
    for row in batch.rows(look).await? {
        let row = Reader::new(&row, "a blocked task");
        let task: i64 = row.value("task")?;
        if row.value::<i64>("before")? == before {
            freed.insert(task);
        } else if row.word("state", TaskState::from_name)?.blocks() {
            held.insert(task);
        }
    }
    freed.retain(|task| !held.contains(task));
    for task in &freed {
        head.move_task(TaskState::Blocked, TaskState::Waiting);
        batch
            .journal
            .task_unblocked(TaskId::new(head.id, index_of(*task)), index_of(before));
    }
    let free = sql("UPDATE task SET state = 'waiting' WHERE task IN (SELECT value FROM json_each(?1))");
    if !freed.is_empty() {
        batch.write(free.bind(to_json(&freed)?)).await?;
    }
    Ok(())
}

fn index_of(task: i64) -> u32 {
    u32::try_from(task & i64::from(u32::MAX)).unwrap_or(u32::MAX)
}
