//! Making tasks ready: start-time fair queueing.
//!
//! A task that becomes ready gets the turn after the last one that its flow has in the queue, but never one that the
//! queue has passed: so flows take turns however many tasks each has, and one that was idle claims nothing for it.

use std::collections::{BTreeMap, BTreeSet};

use sqlx::postgres::PgRow;

use super::super::jobs::{Heads, column};
use super::super::row::{Reader, kept};
use super::super::stored;
use super::super::writer::{Batch, sql};
use crate::StoreError;

const LAST_TURNS: &str = "SELECT f.flow, f.priority,
                           greatest(coalesce((SELECT max(turn) FROM task
                                              WHERE flow = f.flow AND priority = f.priority AND queued), 0),
                                    coalesce((SELECT claimed FROM queue_turn WHERE priority = f.priority), 0)) AS last
                    FROM unnest($1::text[], $2::bigint[]) AS f (flow, priority)";

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
        let flows: Vec<_> = flows.iter().collect();
        let look = sql(LAST_TURNS)
            .bind(column(&flows, |(flow, _)| kept(flow)))
            .bind(column(&flows, |(_, priority)| i64::from(*priority)));
        for row in batch.rows(look).await? {
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
    pub(super) fn read(row: &PgRow) -> Result<Self, StoreError> {
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
            rows.push((task.task, false, 0));
        } else {
            rows.push((task.task, true, turns.deal(&task.flow, head.priority)));
        }
    }
    let update = "UPDATE task SET state = 'ready', not_before = NULL, queued = c.queued, turn = c.turn
                  FROM unnest($1::bigint[], $2::boolean[], $3::bigint[]) AS c (task, queued, turn)
                  WHERE task.task = c.task";
    let update = sql(update)
        .bind(column(&rows, |(task, _, _)| *task))
        .bind(column(&rows, |(_, queued, _)| *queued))
        .bind(column(&rows, |(_, _, turn)| stored(*turn)));
    batch.write(update).await?;
    Ok(())
}
