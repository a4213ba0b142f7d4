//! A job's attempts as a timeline that Chrome and Perfetto read: a process per worker, a track per slot of it, a slice per
//! attempt. Gaps are times in which the slot had nothing of this job to do.

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

use hw_job::Timestamp;
use hw_store::{AttemptRecord, JobRecord};
use serde_json::{Value, json};

use crate::routes::{Answer, document};
use crate::state::Shared;

pub(super) async fn chrome_trace(state: &Shared, record: JobRecord) -> Answer {
    let attempts = state.store().load_attempts(record.id).await?;
    let now = state.parts().clock.wall();
    Ok(document(&trace(&record, attempts, now)))
}

fn trace(record: &JobRecord, mut attempts: Vec<AttemptRecord>, now: Timestamp) -> Value {
    attempts.sort_by_key(|attempt| (attempt.started_at, attempt.id));
    let mut events = vec![
        named(
            "process_name",
            0,
            0,
            &format!("job {} ({})", record.id.short(), record.kind),
        ),
        slice(
            record.state.as_str(),
            (0, 0),
            record.created_at,
            record.ended_at.unwrap_or(now),
            json!({"job": record.id.to_string()}),
        ),
    ];
    let mut workers: BTreeMap<String, (usize, Slots)> = BTreeMap::new();
    for attempt in &attempts {
        let count = workers.len();
        let (process, slots) = workers
            .entry(attempt.worker.to_string())
            .or_insert_with(|| (count + 1, Slots::default()));
        let end = end_of(attempt, now);
        let slot = slots.take(attempt.started_at, end);
        events.push(slice(
            &format!("{}.{}", attempt.id.task.index, attempt.id.number),
            (*process, slot),
            attempt.started_at,
            end,
            json!({
                "attempt": attempt.id.to_string(),
                "state": attempt.state.as_str(),
                "error": attempt.failure.as_ref().map(|failure| failure.message.clone()),
            }),
        ));
    }
    for (worker, (process, slots)) in &workers {
        events.push(named("process_name", *process, 0, worker));
        events.extend((0..slots.0.len()).map(|slot| named("thread_name", *process, slot, &format!("slot {slot}"))));
    }
    json!({"displayTimeUnit": "ms", "traceEvents": events})
}

/// The time that the attempt took on the elapsed clock counts, so that a jump of the wall's does not bend it.
fn end_of(attempt: &AttemptRecord, now: Timestamp) -> Timestamp {
    let took = attempt.took.and_then(|took| i64::try_from(took.as_micros()).ok());
    let by_length = took.map(|took| Timestamp(attempt.started_at.0.saturating_add(took)));
    by_length.or(attempt.ended_at).unwrap_or(now)
}

/// When each slot of a worker is free again.
#[derive(Default)]
struct Slots(Vec<Timestamp>);

impl Slots {
    /// The first slot that is free at `start`; a further one if none is.
    fn take(&mut self, start: Timestamp, end: Timestamp) -> usize {
        match self.0.iter().position(|free| *free <= start) {
            Some(slot) => {
                if let Some(free) = self.0.get_mut(slot) {
                    *free = end;
                }
                slot
            }
            None => {
                self.0.push(end);
                self.0.len() - 1
            }
        }
    }
}

fn named(what: &str, process: usize, thread: usize, name: &str) -> Value {
    json!({"ph": "M", "name": what, "pid": process, "tid": thread, "args": {"name": name}})
}

fn slice(name: &str, (process, thread): (usize, usize), start: Timestamp, end: Timestamp, facts: Value) -> Value {
    let length = end.0.saturating_sub(start.0).max(0);
    json!({"ph": "X", "name": name, "cat": "attempt", "pid": process, "tid": thread, "ts": start.0, "dur": length, "args": facts})
}
