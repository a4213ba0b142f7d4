//! Blocking tasks that need one which ended otherwise than needed, and letting them wait again.

use std::collections::{BTreeMap, BTreeSet};

use hw_job::{TaskId, TaskState};

use super::super::jobs::{Heads, task_key};
use super::super::row::Reader;
use super::super::writer::{Batch, sql};
use crate::StoreError;
use crate::queue::{Need, behind, freed};

/// Who waits for whom behind these tasks, by way of others that wait too.
const WAITING: &str = "WITH RECURSIVE behind (before, task) AS (
         SELECT a.before, a.task FROM task_after a JOIN task t ON t.task = a.task
         WHERE a.before = ANY($1) AND t.state = 'waiting'
         UNION
         SELECT a.before, a.task FROM behind b JOIN task_after a ON a.before = b.task JOIN task t ON t.task = a.task
         WHERE t.state = 'waiting')
     SELECT before, task FROM behind";

/// Blocked tasks of a job, each with those that it needs and that did not succeed.
const BLOCKED: &str = "SELECT a.before, a.task, b.state FROM task_after a
     JOIN task t ON t.task = a.task JOIN task b ON b.task = a.before
     WHERE a.before BETWEEN $1 AND $2 AND t.state = 'blocked' ORDER BY a.task";

/// Blocks all that stand behind those among these which ended otherwise than needed or are blocked themselves. All of the
/// tasks are of jobs whose heads are there. Two statements, however many tasks and however long the chains.
pub(in super::super) async fn block_dependents(
    batch: &mut Batch<'_>,
    heads: &mut Heads,
    ended: &[(i64, TaskState)],
) -> Result<(), StoreError> {
    let mut has_dependents = |task: i64| heads.of_number(task >> 32).is_some_and(|head| head.dependencies);
    let ended = ended
        .iter()
        .filter(|(task, state)| state.holds_up() && has_dependents(*task));
    let ended: Vec<(i64, TaskState)> = ended.copied().collect();
    if ended.is_empty() {
        return Ok(());
    }
    let waiting = waiting_behind(batch, &ended).await?;
    let mut blocked = BTreeSet::new();
    for (before, state) in ended {
        let held = behind(before, |task| waiting.get(&task).cloned().unwrap_or_default());
        for task in held {
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
    let block = sql("UPDATE task SET state = 'blocked' WHERE task = ANY($1)");
    if !blocked.is_empty() {
        batch
            .write(block.bind(blocked.into_iter().collect::<Vec<i64>>()))
            .await?;
    }
    Ok(())
}

/// Who waits right behind whom, of all that stand behind these.
async fn waiting_behind(
    batch: &mut Batch<'_>,
    ended: &[(i64, TaskState)],
) -> Result<BTreeMap<i64, Vec<i64>>, StoreError> {
    let keys: Vec<i64> = ended.iter().map(|(task, _)| *task).collect();
    let mut waiting: BTreeMap<i64, Vec<i64>> = BTreeMap::new();
    for row in batch.rows(sql(WAITING).bind(keys)).await? {
        let row = Reader::new(&row, "a waiting task");
        let (before, task) = (row.value("before")?, row.value("task")?);
        waiting.entry(before).or_default().push(task);
    }
    Ok(waiting)
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
    let mut needs = Vec::new();
    for row in batch.rows(look).await? {
        let row = Reader::new(&row, "a blocked task");
        needs.push(Need {
            task: row.value("task")?,
            before: row.value::<i64>("before")?,
            state: row.word("state", TaskState::from_name)?,
        });
    }
    let freed = freed(&needs);
    for task in &freed {
        head.move_task(TaskState::Blocked, TaskState::Waiting);
        batch
            .journal
            .task_unblocked(TaskId::new(head.id, index_of(*task)), index_of(before));
    }
    let free = sql("UPDATE task SET state = 'waiting' WHERE task = ANY($1)");
    if !freed.is_empty() {
        batch.write(free.bind(freed.into_iter().collect::<Vec<i64>>())).await?;
    }
    Ok(())
}

fn index_of(task: i64) -> u32 {
    u32::try_from(task & i64::from(u32::MAX)).unwrap_or(u32::MAX)
}
