//! Counting what the event log tells.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use hw_job::{Event, EventKind, EventSeq, JobId};
use hw_store::{EventFilter, JobFilter, PageRequest, Store, StoreError};
use serde_json::Value;
use tokio_util::sync::CancellationToken;

use super::rocket::{self, RunOptions};
use super::{
    EVENTS, JOB_SECONDS, JOBS_ENDED, JOBS_SUBMITTED, JOBS_UNFINISHED, Metrics, TASK_LATE, TASK_RETRIES, TASKS_ENDED,
};

/// Events read at a time.
const BATCH: u32 = 1_000;

/// Longest pause between looks at the log, in case a wake-up was lost.
const PAUSE_MAX: Duration = Duration::from_secs(5);

/// What is told of ended jobs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct CollectOptions {
    /// What is told of queries and registrations; among others, whether jobs are told apart by the table that they read.
    pub(crate) runs: RunOptions,
    /// Whether they are told under Funnel Rocket's names, too.
    pub(crate) funnel_rocket: bool,
}

/// Counts events from now on until it is told to stop. A store that does not answer is asked again after a pause.
pub(crate) async fn collect(
    metrics: Arc<Metrics>,
    store: Arc<dyn Store>,
    options: CollectOptions,
    stop: CancellationToken,
) {
    let mut wakes = store.wakes();
    let mut cursor = None;
    while !stop.is_cancelled() {
        wakes.borrow_and_update();
        let looked = match cursor {
            None => begin(&metrics, &*store).await,
            Some(cursor) => catch_up(&metrics, &*store, &options, cursor).await,
        };
        match looked {
            Ok(next) => cursor = Some(next),
            Err(error) => tracing::debug!(%error, "metrics could not read the events"),
        }
        tokio::select! {
            () = stop.cancelled() => {}
            _ = tokio::time::timeout(PAUSE_MAX, wakes.changed()) => {}
        }
    }
}

/// Where to read on from, and the jobs that are unfinished there.
async fn begin(metrics: &Metrics, store: &dyn Store) -> Result<EventSeq, StoreError> {
    let cursor = store.last_event().await?;
    let filter = JobFilter {
        unsettled: true,
        ..JobFilter::default()
    };
    let mut kinds: HashMap<String, u32> = HashMap::new();
    let mut page = PageRequest {
        limit: hw_store::PAGE_ITEMS_MAX,
        after: None,
    };
    loop {
        let found = store.list_jobs(&filter, &page).await?;
        for job in found.items {
            *kinds.entry(job.kind).or_default() += 1;
        }
        match found.next {
            Some(next) => page.after = Some(next),
            None => break,
        }
    }
    for (kind, count) in kinds {
        metrics.set(JOBS_UNFINISHED, &[&kind], f64::from(count));
    }
    Ok(cursor)
}

async fn catch_up(
    metrics: &Metrics,
    store: &dyn Store,
    options: &CollectOptions,
    mut cursor: EventSeq,
) -> Result<EventSeq, StoreError> {
    loop {
        let events = store.read_recent(cursor, BATCH, &EventFilter::default()).await?;
        let Some(last) = events.last() else {
            return Ok(cursor);
        };
        cursor = last.seq;
        for event in &events {
            count(metrics, event);
            if let (EventKind::JobEnded, Some(job)) = (event.kind, event.job) {
                observe_job(metrics, store, options, job).await?;
            }
        }
    }
}

fn count(metrics: &Metrics, event: &Event) {
    let fact = |name: &str| event.data.get(name).and_then(Value::as_str).unwrap_or("unknown");
    metrics.add(EVENTS, &[event.kind.as_str()], 1.0);
    match event.kind {
        EventKind::JobSubmitted => {
            metrics.add(JOBS_SUBMITTED, &[fact("kind")], 1.0);
            metrics.add(JOBS_UNFINISHED, &[fact("kind")], 1.0);
        }
        EventKind::JobEnded => {
            metrics.add(JOBS_ENDED, &[fact("kind"), fact("state")], 1.0);
            metrics.add(JOBS_UNFINISHED, &[fact("kind")], -1.0);
        }
        EventKind::TaskEnded => metrics.add(TASKS_ENDED, &[fact("state")], 1.0),
        EventKind::TaskRetry => metrics.add(TASK_RETRIES, &[], 1.0),
        EventKind::TaskLate => metrics.add(TASK_LATE, &[], 1.0),
        EventKind::JobStarted
        | EventKind::JobFinishing
        | EventKind::JobCancelRequested
        | EventKind::TaskReady
        | EventKind::TaskStarted
        | EventKind::TaskCancelRequested
        | EventKind::TaskBlocked
        | EventKind::TaskUnblocked
        | EventKind::TableCreated
        | EventKind::TableChanged
        | EventKind::TableDropped
        | EventKind::InputArrived
        | EventKind::ProductMade
        | EventKind::WorkerJoined
        | EventKind::WorkerLeft
        | EventKind::RuleChanged
        | EventKind::TimerFired
        | EventKind::HookCalled => {}
    }
}

async fn observe_job(
    metrics: &Metrics,
    store: &dyn Store,
    options: &CollectOptions,
    job: JobId,
) -> Result<(), StoreError> {
    if let Some(record) = store.load_job(job).await? {
        let table = record.reads.first().filter(|_| options.runs.dataset_label);
        let dataset = table.map(|(name, _)| name.to_string()).unwrap_or_default();
        let labels = [record.kind.as_str(), record.state.as_str(), &dataset];
        metrics.observe(JOB_SECONDS, &labels, record.age);
        if options.funnel_rocket {
            rocket::observe_job(metrics, store, &record, &options.runs).await?;
        }
    }
    Ok(())
}
