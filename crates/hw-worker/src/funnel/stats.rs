//! The `stats` object of a funnel's answer: what it cost, and which way was taken.

use std::collections::BTreeMap;
use std::time::Duration;

use hw_catalog::{ColumnType, Table};
use hw_funnel::Partial;
use hw_job::{JobView, TaskView};
use serde_json::{Map, Value, json};

/// Samples from which percentiles other than the median mean something.
const SAMPLES_MIN: usize = 20;

/// Samples from which those beyond the 98th do.
const SAMPLES_MIN_EXTREME: usize = 100;

/// Where the extreme ones begin.
const EXTREME: f64 = 0.98;

/// The median, which is always told.
const MEDIAN: f64 = 0.5;

/// Width of a slot of `taskSuccessOverTime`, in seconds.
const SLOT_SECONDS: f64 = 0.25;

pub(super) fn stats(
    job: &JobView<'_>,
    table: &Table,
    parts: &[&TaskView],
    merged: &Partial,
    percentiles: &[f64],
) -> Value {
    let redistributed = |task: &&TaskView| task.outcome.get("redistributed") == Some(&Value::Bool(true));
    json!({
        // Until the result is there: the making of it is added when it is made.
        "totalTime": seconds(job.elapsed),
        "dataset": {"totalSize": table.bytes, "parts": table.dataset.as_ref().map_or(0, |dataset| dataset.parts)},
        "invoker": invoker(job, parts),
        "worker": worker(parts, merged, percentiles),
        "groups": if parts.iter().any(redistributed) { "redistributed" } else { "contained" },
        "columns": loaded_columns(table, parts),
    })
}

fn invoker(job: &JobView<'_>, parts: &[&TaskView]) -> Value {
    let (latency, run) = (numbers(parts, "invokeLatency"), numbers(parts, "seconds"));
    let attempts: u32 = parts.iter().map(|task| task.attempts).sum();
    json!({
        "enqueueTime": seconds(job.enqueued),
        "pollTime": seconds(job.elapsed.saturating_sub(job.enqueued)),
        "totalTasks": parts.len(),
        "totalAttempts": attempts,
        "failedTasks": 0,
        "failedAttempts": u64::from(attempts).saturating_sub(parts.len() as u64),
        "lostRetries": parts.iter().map(|task| task.lost).sum::<u32>(),
        "taskSuccessOverTime": over_time(&latency, &run),
    })
}

fn worker(parts: &[&TaskView], merged: &Partial, percentiles: &[f64]) -> Value {
    let tasks = parts.len();
    let timing = |samples: Vec<f64>| timing(samples, percentiles);
    let (load, run) = (numbers(parts, "loadSeconds"), numbers(parts, "seconds"));
    let engine = run.iter().zip(&load).map(|(run, load)| (run - load).max(0.0)).collect();
    let from = |place: &str| {
        let is_from = |task: &&&TaskView| task.outcome.get("loadFrom").and_then(Value::as_str) == Some(place);
        parts.iter().filter(is_from).count()
    };
    let (held, on_disk) = (from("memory_cache"), from("disk_cache"));
    json!({
        "warmTasks": tasks,
        "coldTasks": 0,
        "scannedRows": merged.scanned_rows(),
        "scannedGroups": merged.scanned_groups(),
        "bytesRead": total(parts, "bytesRead"),
        "files": {"total": total(parts, "filesTotal"), "pruned": total(parts, "filesPruned")},
        "rowGroups": {"total": total(parts, "rowGroupsTotal"), "pruned": total(parts, "rowGroupsPruned")},
        "rows": rows(parts, merged.scanned_rows()),
        "bytesDownloaded": total(parts, "bytesDownloaded"),
        "bytesFromCache": total(parts, "bytesFromCache"),
        "cache": {"source": tasks - held - on_disk, "diskCache": on_disk, "memoryCache": held},
        "cacheHitRatio": (tasks > 0).then(|| (held + on_disk) as f64 / tasks as f64),
        "invokeLatency": timing(numbers(parts, "invokeLatency")),
        // Workers take what fits them without a pause.
        "preflightSleep": timing(vec![0.0; tasks]),
        // Parts are matched while they are read: what is told apart is the time until that begins.
        "loadTime": timing(load),
        "engineTime": timing(engine),
        "totalTime": timing(run),
    })
}

/// All rows, and those that the timeframe rules out; null where not every part tells its rows.
fn rows(parts: &[&TaskView], scanned: u64) -> Value {
    let told = parts.iter().map(|task| task.outcome.get("rowsTotal")?.as_u64());
    match told.sum::<Option<u64>>() {
        Some(total) => json!({"total": total, "pruned": total.saturating_sub(scanned)}),
        None => Value::Null,
    }
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
fn timing(mut samples: Vec<f64>, percentiles: &[f64]) -> Value {
    samples.sort_by(f64::total_cmp);
    let (Some(min), Some(max)) = (samples.first(), samples.last()) else {
        return Value::Null;
    };
    let mean = samples.iter().sum::<f64>() / samples.len() as f64;
    let mut timing = Map::new();
    timing.insert("min".to_owned(), json!(min));
    timing.insert("mean".to_owned(), json!(mean));
    timing.insert("max".to_owned(), json!(max));
    for percentile in told(percentiles, samples.len()) {
        timing.insert(
            percent(percentile),
            json!(samples.get(rank(percentile, samples.len()) - 1)),
        );
    }
    Value::Object(timing)
}

/// The percentiles that mean something of so many samples.
fn told(percentiles: &[f64], samples: usize) -> Vec<f64> {
    if samples < SAMPLES_MIN {
        return vec![MEDIAN];
    }
    let means_something = |percentile: &&f64| **percentile <= EXTREME || samples >= SAMPLES_MIN_EXTREME;
    percentiles.iter().filter(means_something).copied().collect()
}

/// Its place among the sorted samples, from 1. What is rounded off is far less than a sample.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    clippy::cast_precision_loss,
    reason = "a share of a number of samples is between none and all of them"
)]
fn rank(percentile: f64, samples: usize) -> usize {
    let exact = samples as f64 * percentile;
    ((exact - 1e-9).ceil().max(1.0) as usize).min(samples)
}

/// `25%`, `99.9%`.
fn percent(percentile: f64) -> String {
    format!("{}%", (percentile * 1e6).round() / 1e4)
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
