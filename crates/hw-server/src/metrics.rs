//! Metrics in Prometheus' text form, with a registry of our own.
//!
//! Names are `headwater_<noun>_...` with base units; labels are bounded: a family that has seen [`SERIES_MAX`] combinations
//! puts every further one under `other`. [`FAMILIES`] is the list of what there is.

mod collect;
mod lastrun;
mod rocket;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crate::config::BucketSettings;

pub(crate) use collect::{CollectOptions, collect};
#[cfg(test)]
pub(crate) use rocket::FAMILIES as ROCKET_FAMILIES;
pub(crate) use rocket::RunOptions;

/// Combinations of label values that one family keeps apart.
const SERIES_MAX: usize = 500;

/// Upper bounds of the buckets of times, in seconds.
const SECONDS: &[f64] = &[
    0.001, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0,
];

/// What a family's values are.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum FamilyKind {
    /// Only grows.
    Counter,
    /// Goes up and down.
    Gauge,
    /// Counts values by size; the bounds of its buckets.
    Histogram(&'static [f64]),
    /// The same with the bounds that the settings give for this unit.
    Sized(Unit),
}

/// What a histogram with bounds of the settings counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Unit {
    Seconds,
    Bytes,
    Rows,
    Groups,
}

/// A named set of series.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Family {
    pub(crate) name: &'static str,
    pub(crate) kind: FamilyKind,
    /// Names of its labels.
    pub(crate) labels: &'static [&'static str],
    /// What it tells, for people.
    pub(crate) help: &'static str,
}

const fn family(name: &'static str, kind: FamilyKind, labels: &'static [&'static str], help: &'static str) -> Family {
    Family {
        name,
        kind,
        labels,
        help,
    }
}

use FamilyKind::{Counter, Gauge, Histogram, Sized};

pub(crate) const BUILD_INFO: Family = family(
    "headwater_build_info",
    Gauge,
    &["version", "store"],
    "Always 1; the labels tell the version and the kind of store.",
);
pub(crate) const HTTP_REQUESTS: Family = family(
    "headwater_http_requests_total",
    Counter,
    &["route", "status"],
    "Requests answered.",
);
pub(crate) const HTTP_SECONDS: Family = family(
    "headwater_http_request_seconds",
    Histogram(SECONDS),
    &["route"],
    "Time from a request to the head of its answer.",
);
pub(crate) const HTTP_RUNNING: Family = family(
    "headwater_http_requests_running",
    Gauge,
    &[],
    "Requests under way, streams included.",
);
pub(crate) const HTTP_FOLLOWERS: Family = family("headwater_http_followers", Gauge, &[], "Clients that follow events.");
pub(crate) const JOBS_SUBMITTED: Family = family(
    "headwater_jobs_submitted_total",
    Counter,
    &["kind"],
    "Jobs submitted while this server ran.",
);
pub(crate) const JOBS_ENDED: Family = family(
    "headwater_jobs_ended_total",
    Counter,
    &["kind", "state"],
    "Jobs that ended while this server ran.",
);
pub(crate) const JOB_SECONDS: Family = family(
    "headwater_job_seconds",
    Histogram(SECONDS),
    &["kind", "state", "dataset"],
    "Time of jobs from submission to end; `dataset` is the first table read, with `metrics.dataset_label` only.",
);
pub(crate) const JOBS_UNFINISHED: Family = family(
    "headwater_jobs_unfinished",
    Gauge,
    &["kind"],
    "Jobs that are queued or running.",
);
pub(crate) const TASKS_ENDED: Family = family(
    "headwater_tasks_ended_total",
    Counter,
    &["state"],
    "Tasks that settled while this server ran.",
);
pub(crate) const TASK_RETRIES: Family = family(
    "headwater_task_retries_total",
    Counter,
    &[],
    "Attempts that ended so that the task is tried again.",
);
pub(crate) const TASK_LATE: Family = family(
    "headwater_task_reports_late_total",
    Counter,
    &[],
    "Reports that came after their fence was over.",
);
pub(crate) const QUEUE_LENGTH: Family = family(
    "headwater_queue_tasks",
    Gauge,
    &[],
    "Tasks that are ready to be claimed.",
);
pub(crate) const EVENTS: Family = family(
    "headwater_events_total",
    Counter,
    &["kind"],
    "Events appended while this server ran.",
);
pub(crate) const MEMORY_RESERVED: Family = family(
    "headwater_memory_reserved_bytes",
    Gauge,
    &[],
    "Memory reserved from the pool of queries and tasks.",
);
pub(crate) const MEMORY_LIMIT: Family = family(
    "headwater_memory_limit_bytes",
    Gauge,
    &[],
    "Size of that pool, the setting `memory.limit`.",
);
pub(crate) const SPILLED: Family = family(
    "headwater_spilled_bytes",
    Gauge,
    &[],
    "Data of queries that are on disk because memory was short.",
);
pub(crate) const SPILL_LIMIT: Family = family(
    "headwater_spill_limit_bytes",
    Gauge,
    &[],
    "Most data that may be, the setting `spill.limit`.",
);
pub(crate) const PARTS_HELD_BYTES: Family = family(
    "headwater_parts_held_bytes",
    Gauge,
    &[],
    "Memory that decoded parts take which funnels ask for again and again.",
);
pub(crate) const PARTS_HELD_LIMIT: Family = family(
    "headwater_parts_held_limit_bytes",
    Gauge,
    &[],
    "Most memory that they may take, the setting `cache.memory`.",
);
pub(crate) const PARTS_HELD: Family = family("headwater_parts_held", Gauge, &[], "Number of such parts.");
pub(crate) const PARTS_USED: Family = family(
    "headwater_parts_used_total",
    Counter,
    &["from"],
    "Parts that funnels matched straight, by where they came from: `memory` or `file`.",
);
pub(crate) const PARTS_GIVEN_UP: Family = family(
    "headwater_parts_given_up_total",
    Counter,
    &[],
    "Parts that were held and had to go.",
);
pub(crate) const REMOTE_KEPT_BYTES: Family = family(
    "headwater_part_cache_bytes",
    Gauge,
    &[],
    "Bytes of remote files that the host keeps on its disk.",
);
pub(crate) const REMOTE_KEPT_LIMIT: Family = family(
    "headwater_part_cache_limit_bytes",
    Gauge,
    &[],
    "Most bytes of remote files that it may keep, the setting `cache.disk`.",
);
pub(crate) const REMOTE_READS: Family = family(
    "headwater_part_cache_reads_total",
    Counter,
    &["outcome"],
    "Reads of remote files by outcome: `hit` if the disk had all of it, else `miss`.",
);
pub(crate) const REMOTE_BYTES: Family = family(
    "headwater_part_cache_read_bytes_total",
    Counter,
    &["from"],
    "Bytes of remote files by where they came from: `disk` or `store`.",
);
pub(crate) const REMOTE_GIVEN_UP: Family = family(
    "headwater_part_cache_given_up_total",
    Counter,
    &[],
    "Pieces of remote files that this process removed from the disk to make room.",
);
pub(crate) const REMOTE_GIVEN_UP_BYTES: Family = family(
    "headwater_part_cache_given_up_bytes_total",
    Counter,
    &[],
    "Bytes of these.",
);
pub(crate) const RESIDENT: Family = family(
    "headwater_process_resident_bytes",
    Gauge,
    &[],
    "Memory that the process holds.",
);
pub(crate) const CACHE_HITS: Family = family(
    "headwater_result_cache_total",
    Counter,
    &["kind", "outcome"],
    "Submissions that could be answered by a finished job, by outcome: `hit` or `miss`.",
);

pub(crate) const REQUEST_FAULTS: Family = family(
    "headwater_request_faults_total",
    Counter,
    &["kind", "fault"],
    "Faults of requests for jobs that were refused, by kind of job and, of funnels, by kind of fault.",
);

/// Every family, in the order in which they are shown.
pub(crate) const FAMILIES: &[Family] = &[
    BUILD_INFO,
    HTTP_REQUESTS,
    HTTP_SECONDS,
    HTTP_RUNNING,
    HTTP_FOLLOWERS,
    JOBS_SUBMITTED,
    JOBS_ENDED,
    JOB_SECONDS,
    JOBS_UNFINISHED,
    TASKS_ENDED,
    TASK_RETRIES,
    TASK_LATE,
    QUEUE_LENGTH,
    EVENTS,
    MEMORY_RESERVED,
    MEMORY_LIMIT,
    SPILLED,
    SPILL_LIMIT,
    PARTS_HELD_BYTES,
    PARTS_HELD_LIMIT,
    PARTS_HELD,
    PARTS_USED,
    PARTS_GIVEN_UP,
    REMOTE_KEPT_BYTES,
    REMOTE_KEPT_LIMIT,
    REMOTE_READS,
    REMOTE_BYTES,
    REMOTE_GIVEN_UP,
    REMOTE_GIVEN_UP_BYTES,
    RESIDENT,
    CACHE_HITS,
    REQUEST_FAULTS,
];

/// Values of one combination of labels.
#[derive(Debug, Clone, PartialEq)]
enum Series {
    Number(f64),
    Buckets { counts: Vec<u64>, sum: f64, count: u64 },
}

/// The series of each family by their labels, by the family's name.
type Families = BTreeMap<&'static str, (Family, BTreeMap<Vec<String>, Series>)>;

/// All series. Families beyond [`FAMILIES`] may be added by other parts, for instance under the names of other programs.
#[derive(Debug)]
pub(crate) struct Metrics {
    buckets: BucketSettings,
    families: Mutex<Families>,
}

impl Metrics {
    /// No series; histograms will have these bounds where they have none of their own.
    pub(crate) fn new(buckets: BucketSettings) -> Self {
        Self {
            buckets,
            families: Mutex::default(),
        }
    }

    /// Upper bounds of the buckets of a histogram; none of the others.
    fn bounds(&self, kind: FamilyKind) -> &[f64] {
        match kind {
            Counter | Gauge => &[],
            Histogram(bounds) => bounds,
            Sized(Unit::Seconds) => &self.buckets.seconds,
            Sized(Unit::Bytes) => &self.buckets.bytes,
            Sized(Unit::Rows) => &self.buckets.rows,
            Sized(Unit::Groups) => &self.buckets.groups,
        }
    }

    /// Adds to a counter or gauge.
    pub(crate) fn add(&self, family: Family, labels: &[&str], amount: f64) {
        self.with_series(family, labels, |series| {
            if let Series::Number(number) = series {
                *number += amount;
            }
        });
    }

    /// Sets a gauge, or a counter that is kept elsewhere.
    pub(crate) fn set(&self, family: Family, labels: &[&str], value: f64) {
        self.with_series(family, labels, |series| {
            if let Series::Number(number) = series {
                *number = value;
            }
        });
    }

    /// Counts a time in a histogram.
    pub(crate) fn observe(&self, family: Family, labels: &[&str], time: Duration) {
        self.observe_number(family, labels, time.as_secs_f64());
    }

    /// Counts a number in a histogram.
    pub(crate) fn observe_number(&self, family: Family, labels: &[&str], number: f64) {
        let bounds = self.bounds(family.kind);
        self.with_series(family, labels, |series| {
            if let Series::Buckets { counts, sum, count } = series {
                let at = bounds.iter().position(|bound| number <= *bound);
                if let Some(bucket) = at.and_then(|at| counts.get_mut(at)) {
                    *bucket += 1;
                }
                *sum += number;
                *count += 1;
            }
        });
    }

    /// Everything, in Prometheus' text form.
    pub(crate) fn render(&self) -> String {
        let families = self.lock();
        let mut text = String::new();
        let listed = FAMILIES.iter().filter_map(|family| families.get(family.name));
        let others = families
            .values()
            .filter(|(family, _)| FAMILIES.iter().all(|listed| listed.name != family.name));
        for (family, series) in listed.chain(others) {
            write_family(&mut text, family, self.bounds(family.kind), series);
        }
        text
    }

    fn with_series(&self, family: Family, labels: &[&str], change: impl FnOnce(&mut Series)) {
        let mut families = self.lock();
        let (_, series) = families.entry(family.name).or_insert_with(|| (family, BTreeMap::new()));
        let mut key: Vec<String> = labels.iter().map(|&label| label.to_owned()).collect();
        if series.len() >= SERIES_MAX && !series.contains_key(&key) {
            key.fill("other".to_owned());
        }
        change(
            series
                .entry(key)
                .or_insert_with(|| Series::new(family.kind, self.bounds(family.kind).len())),
        );
    }

    fn lock(&self) -> MutexGuard<'_, Families> {
        self.families.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Series {
    fn new(kind: FamilyKind, buckets: usize) -> Self {
        match kind {
            Counter | Gauge => Self::Number(0.0),
            Histogram(_) | Sized(_) => Self::Buckets {
                counts: vec![0; buckets],
                sum: 0.0,
                count: 0,
            },
        }
    }
}

fn write_family(text: &mut String, family: &Family, bounds: &[f64], series: &BTreeMap<Vec<String>, Series>) {
    let kind = match family.kind {
        Counter => "counter",
        Gauge => "gauge",
        Histogram(_) | Sized(_) => "histogram",
    };
    let name = family.name;
    // Writing to a text does not fail.
    let _ = writeln!(text, "# HELP {name} {}\n# TYPE {name} {kind}", family.help);
    for (values, series) in series {
        let labels = labels_of(family, values);
        match series {
            Series::Number(number) => write_line(text, name, &labels, *number),
            Series::Buckets { counts, sum, count } => {
                write_buckets(text, family, &labels, (bounds, counts), *count);
                write_line(text, &format!("{name}_sum"), &labels, *sum);
                write_line(text, &format!("{name}_count"), &labels, count);
            }
        }
    }
}

fn write_buckets(
    text: &mut String,
    family: &Family,
    labels: &[String],
    (bounds, counts): (&[f64], &[u64]),
    count: u64,
) {
    let name = format!("{}_bucket", family.name);
    let mut below = 0;
    for (bound, counted) in bounds.iter().zip(counts) {
        below += counted;
        write_line(text, &name, &with(labels, format!("le=\"{bound}\"")), below);
    }
    write_line(text, &name, &with(labels, "le=\"+Inf\"".to_owned()), count);
}

fn with(labels: &[String], label: String) -> Vec<String> {
    labels.iter().cloned().chain([label]).collect()
}

fn write_line(text: &mut String, name: &str, labels: &[String], value: impl std::fmt::Display) {
    let labels = match labels {
        [] => String::new(),
        labels => format!("{{{}}}", labels.join(",")),
    };
    let _ = writeln!(text, "{name}{labels} {value}");
}

fn labels_of(family: &Family, values: &[String]) -> Vec<String> {
    let escaped = |value: &String| value.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n");
    family
        .labels
        .iter()
        .zip(values)
        // A label without a value is one that is not there.
        .filter(|(_, value)| !value.is_empty())
        .map(|(name, value)| format!("{name}=\"{}\"", escaped(value)))
        .collect()
}
