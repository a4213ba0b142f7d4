//! Metrics under Funnel Rocket's names, beside our own: of each query and registration once it has ended, and of each attempt
//! at its tasks. A label that does not apply has the value `None`, as there.

use std::collections::HashMap;
use std::path::PathBuf;

use hw_job::{AttemptState, JobState, StoredDocument};
use hw_store::{AttemptRecord, JobRecord, Store, StoreError, TaskRecord};
use hw_worker::Sample;
use serde_json::Value;

use super::FamilyKind::Sized;
use super::{Family, Metrics, Unit, family, lastrun};
use crate::host::memory_bytes;

/// Jobs with more attempts than this are counted as a whole only: reading them would hold up all other counting.
const ATTEMPTS_MAX: u32 = 4_096;

/// Label value of what does not apply.
const NONE: &str = "None";

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
    Sized(Unit::Seconds),
    OF_JOBS,
    "Time of queries and registrations from submission to end.",
);
const ENQUEUE: Family = family(
    "async_enqueue_seconds",
    Sized(Unit::Seconds),
    OF_JOBS,
    "Time that their submission took.",
);
const POLL: Family = family(
    "async_poll_seconds",
    Sized(Unit::Seconds),
    OF_JOBS,
    "Time from the end of their submission to the end of their tasks.",
);
const INVOKE_TO_RUN: Family = family(
    "invoke_to_run_seconds",
    Sized(Unit::Seconds),
    OF_TASKS,
    "Time from a submission to the start of an attempt at one of its tasks.",
);
const TASK_RUN: Family = family(
    "task_total_run_seconds",
    Sized(Unit::Seconds),
    OF_TASKS,
    "Time of attempts.",
);
const TASK_LOAD: Family = family(
    "task_total_load_seconds",
    Sized(Unit::Seconds),
    OF_TASKS,
    "Time of attempts until parts were read and matched.",
);
const DOWNLOAD: Family = family(
    "task_download_seconds",
    Sized(Unit::Seconds),
    OF_TASKS,
    "Time of the downloads of attempts at queries, those side by side added up; 0 for local parts.",
);
const LOAD_FILE: Family = family(
    "task_load_file_seconds",
    Sized(Unit::Seconds),
    OF_TASKS,
    "Time of attempts at queries until parts were open.",
);
const PREFLIGHT: Family = family(
    "task_preflight_sleep_seconds",
    Sized(Unit::Seconds),
    OF_TASKS,
    "Always 0: workers take what fits them without a pause.",
);
const TASK_QUERY: Family = family(
    "task_run_query_seconds",
    Sized(Unit::Seconds),
    OF_TASKS,
    "Time of attempts at queries in which parts were read and matched.",
);
const SCANNED_ROWS: Family = family(
    "scanned_rows",
    Sized(Unit::Rows),
    OF_TASKS,
    "Rows within the timeframe that a task of a query matched.",
);
const SCANNED_GROUPS: Family = family("scanned_groups", Sized(Unit::Groups), OF_TASKS, "Groups among them.");
const MACHINE_MEMORY: Family = family(
    "machine_memory_bytes",
    Sized(Unit::Bytes),
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
    DOWNLOAD,
    LOAD_FILE,
    TASK_QUERY,
    SCANNED_ROWS,
    SCANNED_GROUPS,
    MACHINE_MEMORY,
];

/// What is told of runs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct RunOptions {
    /// Whether they are told apart by their dataset.
    pub(crate) dataset_label: bool,
    /// File that the metrics of the last one are written to.
    pub(crate) lastrun: Option<PathBuf>,
}

/// Counts an ended job, if Funnel Rocket has jobs of its kind.
pub(super) async fn observe_job(
    metrics: &Metrics,
    store: &dyn Store,
    record: &JobRecord,
    options: &RunOptions,
) -> Result<(), StoreError> {
    let job_type = match record.kind.as_str() {
        "funnel" => "query",
        "register" => "register",
        _ => return Ok(()),
    };
    let dataset = dataset(record).filter(|_| options.dataset_label);
    let dataset = dataset.unwrap_or_else(|| NONE.to_owned());
    let mut run = Run {
        record,
        dataset,
        job_type,
        samples: Vec::new(),
    };
    run.whole();
    if record.attempts <= ATTEMPTS_MAX {
        let attempts = store.load_attempts(record.id).await?;
        let tasks = store.load_tasks(record.id).await?;
        let tasks: HashMap<_, _> = tasks.iter().map(|task| (task.id, task)).collect();
        for attempt in &attempts {
            run.attempt(attempt, tasks.get(&attempt.id.task).copied());
        }
    }
    for (family, labels, value) in &run.samples {
        let labels: Vec<&str> = labels.iter().map(String::as_str).collect();
        metrics.observe_number(*family, &labels, *value);
    }
    if let Some(path) = &options.lastrun {
        lastrun::write(path, &run.rows()).await;
    }
    Ok(())
}

/// The dataset that is asked, or made.
fn dataset(record: &JobRecord) -> Option<String> {
    let asked = record.reads.first().map(|(name, _)| name.to_string());
    asked.or_else(|| Some(record.params.get("name")?.as_str()?.to_owned()))
}

/// A truth value as Funnel Rocket writes it.
fn word(is_so: bool) -> &'static str {
    if is_so { "True" } else { "False" }
}

/// What was measured of a run.
struct Run<'a> {
    record: &'a JobRecord,
    dataset: String,
    job_type: &'static str,
    samples: Vec<(Family, Vec<String>, f64)>,
}

impl Run<'_> {
    fn note(&mut self, family: Family, labels: &[&str], value: f64) {
        let labels = labels.iter().map(|label| (*label).to_owned()).collect();
        self.samples.push((family, labels, value));
    }

    fn whole(&mut self) {
        let record = self.record;
        let dataset = self.dataset.clone();
        let success = word(record.state == JobState::Succeeded);
        let labels = ["invoker", success, &dataset, self.job_type];
        self.note(INVOKER_TOTAL, &labels, record.age.as_secs_f64());
        let Some(StoredDocument::Inline(result)) = &record.result else {
            return;
        };
        let stat = |name: &str| result.get("stats")?.get("invoker")?.get(name)?.as_f64();
        for (family, name) in [(ENQUEUE, "enqueueTime"), (POLL, "pollTime")] {
            if let Some(seconds) = stat(name) {
                self.note(family, &labels, seconds);
            }
        }
    }

    #[expect(clippy::cast_precision_loss, reason = "Prometheus' numbers are floating")]
    fn attempt(&mut self, attempt: &AttemptRecord, task: Option<&TaskRecord>) {
        let succeeded = attempt.state == AttemptState::Succeeded;
        // Outcomes that are kept in files are not read for this.
        let outcome = match task.filter(|_| succeeded).and_then(|task| task.outcome.as_ref()) {
            Some(StoredDocument::Inline(outcome)) => outcome,
            _ => &Value::Null,
        };
        let is_query = self.job_type == "query";
        let load_from = outcome.get("loadFrom").and_then(Value::as_str);
        let dataset = self.dataset.clone();
        let labels = [
            "worker",
            word(succeeded),
            &dataset,
            self.job_type,
            "warm",
            if is_query { load_from.unwrap_or("source") } else { NONE },
            "set_by_invoker",
        ];
        let number = |name: &str| outcome.get(name).and_then(Value::as_f64);
        // The worker tells best when it began and ended: it claims short tasks ahead, and reports them together.
        let claimed = (attempt.started_at.0 - self.record.created_at.0).max(0) as f64 / 1e6;
        let load = number("loadSeconds");
        let took = attempt.took.map(|took| took.as_secs_f64());
        let observed = [
            (INVOKE_TO_RUN, number("invokeLatency").or(Some(claimed))),
            (PREFLIGHT, Some(0.0)),
            (DOWNLOAD, number("downloadSeconds").or(Some(0.0))),
            (TASK_RUN, number("seconds").or(took)),
            (MACHINE_MEMORY, memory_bytes().map(|bytes| bytes as f64)),
            (TASK_LOAD, load),
            (LOAD_FILE, load),
            (
                TASK_QUERY,
                number("seconds").map(|seconds| seconds - load.unwrap_or_default()),
            ),
            (SCANNED_ROWS, number("scannedRows")),
            (SCANNED_GROUPS, number("scannedGroups")),
        ];
        for (family, value) in observed {
            if let Some(value) = value {
                self.note(family, &labels, value);
            }
        }
    }

    /// The same as rows of a file.
    fn rows(&self) -> Vec<Sample> {
        let row = |(family, labels, value): &(Family, Vec<String>, f64)| Sample {
            name: family.name,
            value: *value,
            labels: family.labels.iter().copied().zip(labels.iter().cloned()).collect(),
        };
        self.samples.iter().map(row).collect()
    }
}
