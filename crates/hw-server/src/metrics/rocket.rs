//! Metrics under Funnel Rocket's names, beside our own: of each query and registration once it has ended, and of each attempt
//! at its tasks. A label that does not apply has the value `None`, as there.

use std::collections::HashMap;

use hw_job::{AttemptState, JobState, StoredDocument};
use hw_store::{AttemptRecord, JobRecord, Store, StoreError, TaskRecord};
use serde_json::Value;

use super::FamilyKind::Histogram;
use super::{Family, Metrics, family};
use crate::host::memory_bytes;

/// Jobs with more attempts than this are counted as a whole only: reading them would hold up all other counting.
const ATTEMPTS_MAX: u32 = 4_096;

/// Label value of what does not apply.
const NONE: &str = "None";

const SECONDS: &[f64] = &[0.05, 0.1, 0.5, 1.0, 2.0, 5.0, 10.0, 15.0];
const COUNTS: &[f64] = &[100.0, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 5e8];
const BYTES: &[f64] = &[1_048_576.0, 16_777_216.0, 67_108_864.0, 134_217_728.0, 268_435_456.0];

const OF_JOBS: &[&str] = &["component", "success", "dataset", "job_type"];
const OF_TASKS: &[&str] = &[
    "component",
    "success",
    "dataset",
    "job_type",
    "worker_startup",
    "load_from",
    "part_select_method",
];

const INVOKER_TOTAL: Family = family(
    "invoker_total_seconds",
    Histogram(SECONDS),
    OF_JOBS,
    "Time of queries and registrations from submission to end.",
);
const ENQUEUE: Family = family(
    "async_enqueue_seconds",
    Histogram(SECONDS),
    OF_JOBS,
    "Time that their submission took.",
);
const POLL: Family = family(
    "async_poll_seconds",
    Histogram(SECONDS),
    OF_JOBS,
    "Time from their submission to their result.",
);
const INVOKE_TO_RUN: Family = family(
    "invoke_to_run_seconds",
    Histogram(SECONDS),
    OF_TASKS,
    "Time from a submission to the start of an attempt at one of its tasks.",
);
const TASK_RUN: Family = family(
    "task_total_run_seconds",
    Histogram(SECONDS),
    OF_TASKS,
    "Time of attempts.",
);
const TASK_LOAD: Family = family(
    "task_total_load_seconds",
    Histogram(SECONDS),
    OF_TASKS,
    "Time of attempts until parts were read and matched.",
);
const PREFLIGHT: Family = family(
    "task_preflight_sleep_seconds",
    Histogram(SECONDS),
    OF_TASKS,
    "Always 0: workers take what fits them without a pause.",
);
const TASK_QUERY: Family = family(
    "task_run_query_seconds",
    Histogram(SECONDS),
    OF_TASKS,
    "Time of attempts at queries in which parts were read and matched.",
);
const SCANNED_ROWS: Family = family(
    "scanned_rows",
    Histogram(COUNTS),
    OF_TASKS,
    "Rows within the timeframe that a task of a query matched.",
);
const SCANNED_GROUPS: Family = family("scanned_groups", Histogram(COUNTS), OF_TASKS, "Groups among them.");
const MACHINE_MEMORY: Family = family(
    "machine_memory_bytes",
    Histogram(BYTES),
    OF_TASKS,
    "Memory of the host, once for each attempt.",
);

/// Every family under one of Funnel Rocket's names.
#[cfg(test)]
pub(crate) const FAMILIES: &[Family] = &[
    INVOKER_TOTAL,
    ENQUEUE,
    POLL,
    INVOKE_TO_RUN,
    TASK_RUN,
    TASK_LOAD,
    PREFLIGHT,
    TASK_QUERY,
    SCANNED_ROWS,
    SCANNED_GROUPS,
    MACHINE_MEMORY,
];

/// Counts an ended job, if Funnel Rocket has jobs of its kind. `dataset` is empty where datasets are not told apart.
pub(super) async fn observe_job(
    metrics: &Metrics,
    store: &dyn Store,
    record: &JobRecord,
    dataset: &str,
) -> Result<(), StoreError> {
    let job_type = match record.kind.as_str() {
        "funnel" => "query",
        "register" => "register",
        _ => return Ok(()),
    };
    let dataset = if dataset.is_empty() { NONE } else { dataset };
    observe_whole(metrics, record, dataset, job_type);
    if record.attempts > ATTEMPTS_MAX {
        return Ok(());
    }
    let attempts = store.load_attempts(record.id).await?;
    let tasks: HashMap<_, _> = store
        .load_tasks(record.id)
        .await?
        .into_iter()
        .map(|task| (task.id, task))
        .collect();
    for attempt in &attempts {
        let labels = Labels {
            success: word(attempt.state == AttemptState::Succeeded),
            dataset,
            job_type,
        };
        observe_attempt(metrics, record, attempt, tasks.get(&attempt.id.task), &labels);
    }
    Ok(())
}

struct Labels<'a> {
    success: &'static str,
    dataset: &'a str,
    job_type: &'static str,
}

/// A truth value as Funnel Rocket writes it.
fn word(is_so: bool) -> &'static str {
    if is_so { "True" } else { "False" }
}

fn observe_whole(metrics: &Metrics, record: &JobRecord, dataset: &str, job_type: &str) {
    let success = word(record.state == JobState::Succeeded);
    let labels = ["invoker", success, dataset, job_type];
    metrics.observe(INVOKER_TOTAL, &labels, record.age);
    let Some(StoredDocument::Inline(result)) = &record.result else {
        return;
    };
    let stat = |name: &str| result.get("stats")?.get("invoker")?.get(name)?.as_f64();
    for (family, name) in [(ENQUEUE, "enqueueTime"), (POLL, "pollTime")] {
        if let Some(seconds) = stat(name) {
            metrics.observe_number(family, &labels, seconds);
        }
    }
}

#[expect(clippy::cast_precision_loss, reason = "Prometheus' numbers are floating")]
fn observe_attempt(
    metrics: &Metrics,
    record: &JobRecord,
    attempt: &AttemptRecord,
    task: Option<&TaskRecord>,
    labels: &Labels<'_>,
) {
    let load_from = if labels.job_type == "query" { "source" } else { NONE };
    let labels = [
        "worker",
        labels.success,
        labels.dataset,
        labels.job_type,
        "warm",
        load_from,
        "set_by_invoker",
    ];
    let waited = (attempt.started_at.0 - record.created_at.0).max(0) as f64 / 1e6;
    metrics.observe_number(INVOKE_TO_RUN, &labels, waited);
    metrics.observe_number(PREFLIGHT, &labels, 0.0);
    if let Some(took) = attempt.took {
        metrics.observe(TASK_RUN, &labels, took);
    }
    if let Some(bytes) = memory_bytes() {
        metrics.observe_number(MACHINE_MEMORY, &labels, bytes as f64);
    }
    let outcome = task
        .filter(|_| attempt.state == AttemptState::Succeeded)
        .and_then(|task| task.outcome.as_ref());
    if let Some(StoredDocument::Inline(outcome)) = outcome {
        observe_outcome(metrics, outcome, &labels);
    }
}

/// What a task of a query brought. Outcomes that are kept in files are not read for this.
fn observe_outcome(metrics: &Metrics, outcome: &Value, labels: &[&str]) {
    let number = |name: &str| outcome.get(name).and_then(Value::as_f64);
    let load = number("loadSeconds");
    let query = number("seconds").map(|seconds| seconds - load.unwrap_or_default());
    let observed = [
        (TASK_LOAD, load),
        (TASK_QUERY, query),
        (SCANNED_ROWS, number("scannedRows")),
        (SCANNED_GROUPS, number("scannedGroups")),
    ];
    for (family, number) in observed {
        if let Some(number) = number {
            metrics.observe_number(family, labels, number);
        }
    }
}
