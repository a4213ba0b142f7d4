//! Making tasks ready: start-time fair queueing.
//!
//! A task that becomes ready gets the turn after the last one that its flow has in the queue, but never one that the
//! queue has passed: so flows take turns however many tasks each has, and one that was idle claims nothing for it.

use std::collections::{BTreeMap, BTreeSet};

use sqlx::sqlite::SqliteRow;

use super::super::jobs::Heads;
use super::super::row::Reader;
use super::super::to_json;
use super::super::writer::{Batch, sql};
use crate::StoreError;

pub(super) const LAST_TURNS: &str = "SELECT f.value ->> 0 AS flow, f.value ->> 1 AS priority,
                           max(coalesce((SELECT max(turn) FROM task
                                         WHERE flow = f.value ->> 0 AND priority = f.value ->> 1 AND queued = 1), 0),
                               coalesce((SELECT claimed FROM queue_turn WHERE priority = f.value ->> 1), 0)) AS last
                    FROM json_each(?1) f";

/// The next turn of flows, each at a priority.
pub(in super::super) struct Turns {
    last: BTreeMap<(String, i32), u64>,
}

impl Turns {
    /// Looks up the last turns of these flows.
    pub(in super::super) async fn load(
        batch: &mut Batch<'_>,
        flows: &BTreeSet<(String, i32)>,
    ) -> Result<Self, StoreError> {
        let mut last = BTreeMap::new();
        if flows.is_empty() {
            return Ok(Self { last });
        }
        for row in batch.rows(sql(LAST_TURNS).bind(to_json(flows)?)).await? {
            let row = Reader::new(&row, "the turns of the queue");
            last.insert((row.text("flow")?, row.number("priority")?), row.number("last")?);
        }
        Ok(Self { last })
    }

    /// The next turn of a flow that was looked up.
    pub(in super::super) fn deal(&mut self, flow: &str, priority: i32) -> u64 {
        let last = self.last.entry((flow.to_owned(), priority)).or_default();
        *last += 1;
        *last
    }
}

/// A task that is to become ready.
pub(super) struct Freed {
    pub(super) task: i64,
    pub(super) job: i64,
    pub(super) flow: String,
}

impl Freed {
    pub(super) fn read(row: &SqliteRow) -> Result<Self, StoreError> {
        let row = Reader::new(row, "a task");
        Ok(Self {
            task: row.value("task")?,
            job: row.value("job")?,
            flow: row.text("flow")?,
        })
    }
}

/// Makes tasks ready, in this order, and notes it. Their jobs' counts are the caller's.
pub(super) async fn make_ready(batch: &mut Batch<'_>, heads: &mut Heads, freed: &[Freed]) -> Result<(), StoreError> {
    if freed.is_empty() {
        return Ok(());
    }
    let mut flows = BTreeSet::new();
    for task in freed {
        if let Some(head) = heads.of_number(task.job).filter(|head| !head.cancelled) {
            flows.insert((task.flow.clone(), head.priority));
        }
    }
    let mut turns = Turns::load(batch, &flows).await?;
    let mut rows = Vec::with_capacity(freed.len());
    for task in freed {
        let Some(head) = heads.of_number(task.job) else {
            continue;
        };
        batch.journal.task_ready(head.id);
        if head.cancelled {
            rows.push((task.task, 0, 0));
        } else {
            rows.push((task.task, 1, turns.deal(&task.flow, head.priority)));
        }
    }
    let update = "UPDATE task SET state = 'ready', not_before = NULL, queued = c.queued, turn = c.turn
                  FROM (SELECT value ->> 0 AS task, value ->> 1 AS queued, value ->> 2 AS turn FROM json_each(?1)) c
                  WHERE task.task = c.task";
    batch.write(sql(update).bind(to_json(&rows)?)).await?;
    Ok(())
}
