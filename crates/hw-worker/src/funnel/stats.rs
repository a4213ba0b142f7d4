//! The `stats` object of a funnel's answer: what it cost, and which way was taken.

use std::collections::BTreeMap;
use std::time::Duration;

use hw_catalog::{ColumnType, Table};
use hw_funnel::Partial;
use hw_job::{JobView, TaskView};
use serde_json::{Map, Value, json};

/// Percentiles that are told, with the number of samples from which each means something.
const PERCENTILES: [(u32, usize); 5] = [(25, 20), (50, 1), (75, 20), (95, 20), (99, 100)];

/// Width of a slot of `taskSuccessOverTime`, in seconds.
const SLOT_SECONDS: f64 = 0.25;

pub(super) fn stats(job: &JobView<'_>, table: &Table, parts: &[&TaskView], merged: &Partial) -> Value {
    let latency = numbers(parts, "invokeLatency");
    let run = numbers(parts, "seconds");
    let attempts: u32 = parts.iter().map(|task| task.attempts).sum();
    let tasks = parts.len();
    json!({
        "totalTime": seconds(job.elapsed),
        "dataset": {"totalSize": table.bytes, "parts": table.dataset.as_ref().map_or(0, |dataset| dataset.parts)},
        "invoker": {
            "enqueueTime": seconds(job.enqueued),
            "pollTime": seconds(job.elapsed.saturating_sub(job.enqueued)),
            "totalTasks": tasks,
            "totalAttempts": attempts,
            "failedTasks": 0,
            "failedAttempts": u64::from(attempts).saturating_sub(tasks as u64),
            "taskSuccessOverTime": over_time(&latency, &run),
        },
        "worker": {
            "warmTasks": tasks,
            "coldTasks": 0,
            "scannedRows": merged.scanned_rows(),
            "scannedGroups": merged.scanned_groups(),
            "bytesRead": total(parts, "bytesRead"),
            "files": {"total": total(parts, "filesTotal"), "pruned": total(parts, "filesPruned")},
            "rowGroups": {"total": total(parts, "rowGroupsTotal"), "pruned": total(parts, "rowGroupsPruned")},
            "cache": {"source": tasks, "diskCache": 0},
            "invokeLatency": timing(latency),
            // Parts are matched while they are read: what is told apart is the time until that begins.
            "loadTime": timing(numbers(parts, "loadSeconds")),
            "totalTime": timing(run),
        },
        "groups": if parts.iter().any(|task| task.outcome.get("redistributed") == Some(&Value::Bool(true))) {
            "redistributed"
        } else {
            "contained"
        },
        "columns": loaded_columns(table, parts),
    })
}

/// Number of successes in each quarter of a second since the request, slots without one left out.
fn over_time(latency: &[f64], run: &[f64]) -> Value {
    let mut slots: BTreeMap<u64, u64> = BTreeMap::new();
    for (latency, run) in latency.iter().zip(run) {
        *slots.entry(((latency + run) / SLOT_SECONDS).ceil() as u64).or_default() += 1;
    }
    slots
        .into_iter()
        .map(|(slot, count)| (format!("{:.2}", slot as f64 * SLOT_SECONDS), json!(count)))
        .collect::<Map<_, _>>()
        .into()
}

/// Least, mean and greatest value with percentiles (nearest rank); null without a sample.
fn timing(mut samples: Vec<f64>) -> Value {
    samples.sort_by(f64::total_cmp);
    let (Some(min), Some(max)) = (samples.first(), samples.last()) else {
        return Value::Null;
    };
    let mean = samples.iter().sum::<f64>() / samples.len() as f64;
    let mut timing = Map::new();
    timing.insert("min".to_owned(), json!(min));
    timing.insert("mean".to_owned(), json!(mean));
    timing.insert("max".to_owned(), json!(max));
    for (percentile, _) in PERCENTILES.iter().filter(|(_, needed)| samples.len() >= *needed) {
        let rank = (samples.len() * *percentile as usize).div_ceil(100).max(1);
        timing.insert(format!("{percentile}%"), json!(samples.get(rank - 1)));
    }
    Value::Object(timing)
}

fn loaded_columns(table: &Table, parts: &[&TaskView]) -> Value {
    let names = parts
        .first()
        .and_then(|task| task.outcome.get("columns"))
        .and_then(Value::as_array);
    let named = names.into_iter().flatten().filter_map(Value::as_str);
    let typed = named.filter_map(|name| {
        let field = table.schema.field_with_name(name).ok()?;
        Some((name.to_owned(), json!(ColumnType::of(field.data_type())?.name())))
    });
    Value::Object(typed.collect())
}

fn numbers(parts: &[&TaskView], member: &str) -> Vec<f64> {
    parts
        .iter()
        .filter_map(|task| task.outcome.get(member)?.as_f64())
        .collect()
}

fn total(parts: &[&TaskView], member: &str) -> u64 {
    parts.iter().filter_map(|task| task.outcome.get(member)?.as_u64()).sum()
}

fn seconds(duration: Duration) -> f64 {
    duration.as_secs_f64()
}
