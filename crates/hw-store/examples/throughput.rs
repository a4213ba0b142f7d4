//! How many state changes a second a store acknowledges, what a claim costs at the head of a long queue, and what the queue
//! adds to each task of a job.
//!
//! `cargo run --profile quick -p hw-store --example throughput [FOLDER]`, on SQLite, or with `--store postgres URL`
#![allow(clippy::disallowed_methods, reason = "a measurement reads the clock")]

use std::error::Error;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use hw_job::{AttemptCounts, Ending, JobId, Lifetime, Needs, SessionId, StoredDocument, TaskSpec, TaskState, WorkerId};
use hw_store::{
    Claim, ClaimedTask, NewJob, NextState, PostgresOptions, PostgresStore, QueueStore as _, Slot, SqliteOptions,
    SqliteStore, Store, SystemClock, TaskChange, host_boot_id,
};
use serde_json::json;

type Outcome<T> = Result<T, Box<dyn Error + Send + Sync>>;

const CALLERS: usize = 64;
const SINGLE_CHANGES: usize = 20_000;
const BATCHED_CHANGES: usize = 50_000;
const BATCH: u32 = 100;
const PARTS: usize = 256;
const LONG_QUEUE: usize = 100_000;
const CLAIMS: u32 = 500;

#[tokio::main]
async fn main() -> Outcome<()> {
    let words: Vec<String> = std::env::args().skip(1).collect();
    if let [option, backend, url] = words.as_slice()
        && option == "--store"
        && backend == "postgres"
    {
        let postgres = Arc::new(PostgresStore::open(url, PostgresOptions::new()).await?);
        println!("{}", postgres.address());
        let store: Arc<dyn Store> = postgres.clone();
        measure(&store).await?;
        postgres.close().await;
        return Ok(());
    }
    let scratch = tempfile::tempdir()?;
    let folder = words.first().map_or(scratch.path().to_owned(), PathBuf::from);
    let path = folder.join("throughput.db");
    let options = SqliteOptions::new(Arc::new(SystemClock), host_boot_id());
    let sqlite = Arc::new(SqliteStore::open(&path, options).await?);
    println!("{}", path.display());
    let store: Arc<dyn Store> = sqlite.clone();
    measure(&store).await?;
    sqlite.close().await;
    open_again(&path).await
}

async fn measure(store: &Arc<dyn Store>) -> Outcome<()> {
    submit_alone(store).await?;
    finish_alone(store).await?;
    finish_in_batches(store).await?;
    for _ in 0..3 {
        run_a_job(store).await?;
    }
    claim_from_a_long_queue(store).await
}

/// A job of 256 parts that take no time, worked off by four workers of four slots: what is left is the queue.
async fn run_a_job(store: &Arc<dyn Store>) -> Outcome<()> {
    static JOBS: AtomicUsize = AtomicUsize::new(100);
    let start = Instant::now();
    store
        .submit_job(job(JOBS.fetch_add(1, Ordering::Relaxed), PARTS))
        .await?;
    let workers = (0..4).map(|_| {
        let store = Arc::clone(store);
        tokio::spawn(async move {
            loop {
                let claimed = claim(&store, 4).await?;
                if claimed.is_empty() {
                    return Outcome::Ok(());
                }
                for task in &claimed {
                    store.change_tasks(vec![done(task)]).await?;
                }
            }
        })
    });
    for worker in workers.collect::<Vec<_>>() {
        worker.await??;
    }
    let each = start.elapsed() / u32::try_from(PARTS)?;
    println!("{each:>12.1?}  the queue's share of a task, {PARTS} parts, four workers of four slots, reported alone");
    Ok(())
}

async fn open_again(path: &Path) -> Outcome<()> {
    for _ in 0..3 {
        let start = Instant::now();
        let options = SqliteOptions::new(Arc::new(SystemClock), host_boot_id());
        let store = SqliteStore::open(path, options).await?;
        let opened = start.elapsed();
        store.queue_length(None).await?;
        let read = start.elapsed();
        store.close().await;
        let closed = start.elapsed();
        println!("opened after {opened:.1?}, first answer after {read:.1?}, closed after {closed:.1?}");
    }
    Ok(())
}

async fn submit_alone(store: &Arc<dyn Store>) -> Outcome<()> {
    let start = Instant::now();
    let jobs = 2_000;
    let callers = (0..CALLERS).map(|caller| {
        let store = Arc::clone(store);
        tokio::spawn(async move {
            for number in (caller..jobs).step_by(CALLERS) {
                let job = NewJob {
                    flush: true,
                    ..job(1_000_000 + number, 1)
                };
                store.submit_job(job).await?;
            }
            Outcome::Ok(())
        })
    });
    for caller in callers.collect::<Vec<_>>() {
        caller.await??;
    }
    report("jobs submitted alone, flushed", jobs, start.elapsed());
    while !claim(store, 1_000).await?.is_empty() {}
    Ok(())
}

async fn finish_alone(store: &Arc<dyn Store>) -> Outcome<()> {
    store.submit_job(job(1, SINGLE_CHANGES)).await?;
    let tasks = claim_all(store, SINGLE_CHANGES).await?;
    let start = Instant::now();
    let callers = tasks.chunks(SINGLE_CHANGES / CALLERS + 1).map(|tasks| {
        let (store, tasks) = (Arc::clone(store), tasks.to_vec());
        tokio::spawn(async move {
            for task in &tasks {
                store.change_tasks(vec![done(task)]).await?;
            }
            Outcome::Ok(())
        })
    });
    for caller in callers.collect::<Vec<_>>() {
        caller.await??;
    }
    report("ends of tasks reported alone", SINGLE_CHANGES, start.elapsed());
    Ok(())
}

async fn finish_in_batches(store: &Arc<dyn Store>) -> Outcome<()> {
    store.submit_job(job(2, BATCHED_CHANGES)).await?;
    let start = Instant::now();
    let tasks = claim_all(store, BATCHED_CHANGES).await?;
    report("claims in batches", BATCHED_CHANGES, start.elapsed());
    let start = Instant::now();
    for batch in tasks.chunks(usize::try_from(BATCH)?) {
        store.change_tasks(batch.iter().map(done).collect()).await?;
    }
    report("ends of tasks reported in batches", BATCHED_CHANGES, start.elapsed());
    Ok(())
}

async fn claim_from_a_long_queue(store: &Arc<dyn Store>) -> Outcome<()> {
    for (number, ready) in [(3, 100), (5, 1_000), (4, LONG_QUEUE)] {
        let start = Instant::now();
        store.submit_job(job(number, ready)).await?;
        report("tasks submitted at once", ready, start.elapsed());
        let claims = CLAIMS.min(u32::try_from(ready / 2)?);
        let start = Instant::now();
        for _ in 0..claims {
            claim(store, 1).await?;
        }
        let each = start.elapsed() / claims;
        println!("{each:>12.1?}  a claim of one task among {ready}");
    }
    Ok(())
}

async fn claim_all(store: &Arc<dyn Store>, count: usize) -> Outcome<Vec<ClaimedTask>> {
    let mut tasks = Vec::new();
    while tasks.len() < count {
        tasks.extend(claim(store, BATCH).await?);
    }
    Ok(tasks)
}

async fn claim(store: &Arc<dyn Store>, tasks: u32) -> Outcome<Vec<ClaimedTask>> {
    let claim = Claim {
        worker: WorkerId("w".to_owned()),
        kinds: vec![("part".to_owned(), 1)],
        slot: Slot {
            tasks,
            cpu_milli: u32::MAX,
            memory_bytes: u64::MAX,
            scarce: hw_job::Scarce::default(),
            labels: Vec::new(),
        },
        owner: None,
        holds: Vec::new(),
        lease: Duration::from_secs(15),
    };
    Ok(store.claim_tasks(&claim).await?)
}

fn done(task: &ClaimedTask) -> TaskChange {
    TaskChange {
        task: task.id,
        fence: task.fence,
        ending: Ending::Succeeded(StoredDocument::Inline(json!({ "rows": 1000, "groups": 7 }))),
        counts: AttemptCounts::default(),
        next: NextState::Settled(TaskState::Succeeded),
        files: Vec::new(),
        work: None,
    }
}

fn job(number: usize, tasks: usize) -> NewJob {
    let mut random = [0; 10];
    for (place, byte) in random.iter_mut().rev().zip(number.to_le_bytes()) {
        *place = byte;
    }
    let task = TaskSpec {
        kind: "part".to_owned(),
        format: 1,
        params: json!({ "part": "year=2013/month=01/part-00000.parquet", "columns": ["a", "b", "c"] }),
        needs: Needs::default(),
        affinity: Vec::new(),
        flow: format!("flow {}", number % 7),
        after: Vec::new(),
    };
    NewJob {
        id: JobId::new(1_700_000_000_000, random),
        kind: "measure".to_owned(),
        format: 1,
        params: json!({}),
        expanded: json!({ "query": "x".repeat(500) }),
        warnings: Vec::new(),
        reads: Vec::new(),
        tasks: vec![task; tasks],
        priority: 100,
        timeout: None,
        not_before: None,
        deadline: None,
        tags: Vec::new(),
        parent: None,
        lifetime: Lifetime::Durable,
        owner: SessionId("s".to_owned()),
        fingerprint: None,
        idempotency: None,
        flush: false,
    }
}

fn report(what: &str, count: usize, took: Duration) {
    let count = u32::try_from(count).unwrap_or(u32::MAX);
    let rate = f64::from(count) / took.as_secs_f64();
    println!("{rate:>10.0}/s  {what} ({count} in {took:.1?})");
}
