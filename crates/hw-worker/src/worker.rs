//! The loop that claims, runs and reports tasks.
//!
//! ```text
//!            wake-up, slot free          task ended (all that ended by now in one report)
//!  idle ──▶ claim up to the free slots ──▶ run each ──▶ report + claim again
//!                                           │ every third of the lease: heartbeat, one statement for all
//!                                           │ every 200 ms, if anything was read: how much, likewise
//!                                           └ job cancelled, lease lost: the task's token fires
//! ```

#[cfg(test)]
mod tests;

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use hw_job::{
    AfterAttempt, AttemptCounts, Ending, ErrorClass, EventKind, EventSeq, Failure, RetryPolicy, SessionId, TaskId,
    Work, WorkerId,
};
use hw_store::{
    ChangeRefused, Claim, ClaimedTask, EventFilter, HeldTask, NewSession, NextState, Slot, Store, StoreError,
    TaskChange, TaskWork, Verdict, WorkerRecord,
};
use tokio::sync::watch;
use tokio::task::{JoinError, JoinSet};
use tokio::time::MissedTickBehavior;
use tokio_util::sync::CancellationToken;

use crate::documents::FileDocuments;
use crate::runner::{Meter, Outcome, TaskRunner};

/// Longest pause between looks at the queue, in case a wake-up was lost.
const LOOK_AGAIN: Duration = Duration::from_secs(1);

/// How often the store is told how much was worked off.
const TELL_WORK_EVERY: Duration = Duration::from_millis(200);

/// How long a stopping worker waits for its tasks to stop.
const STOP_WAIT: Duration = Duration::from_secs(2);

/// How often a report is sent that is refused for a reason that can be mended.
const SENT_MAX: u32 = 3;

/// Most events read at a time while looking for cancelled jobs.
const EVENTS_MAX: u32 = 1_000;

/// What a worker is made of.
pub struct WorkerOptions {
    /// Its session, which it begins anew if it was taken for dead.
    pub session: NewSession,
    /// Tasks that it runs at a time.
    pub slots: u32,
    /// Only tasks of this session's jobs; `None` = of any job.
    pub owner: Option<SessionId>,
    /// How long it may keep a task without a heartbeat.
    pub lease: Duration,
    /// How often tasks are tried again.
    pub retry: RetryPolicy,
    /// Labels that it carries.
    pub labels: Vec<String>,
    /// What it can do.
    pub runners: Vec<Arc<dyn TaskRunner>>,
    /// Where tasks come from.
    pub store: Arc<dyn Store>,
    /// Where large outcomes go.
    pub documents: Arc<FileDocuments>,
}

/// A pool of slots of one process.
pub struct Worker {
    id: WorkerId,
    options: WorkerOptions,
    kinds: Vec<(String, u32)>,
    runners: HashMap<String, Arc<dyn TaskRunner>>,
}

/// A task on its way.
struct Held {
    task: ClaimedTask,
    cancel: CancellationToken,
    meter: Meter,
    /// What the store was told of last.
    told: Work,
}

/// An attempt that came to its end.
struct Ended {
    task: ClaimedTask,
    ending: Ending,
    files: Vec<String>,
    work: Option<Work>,
}

/// What the loop keeps between its turns.
struct Pool {
    running: JoinSet<Ended>,
    held: HashMap<TaskId, Held>,
    by_handle: HashMap<tokio::task::Id, TaskId>,
    cursor: EventSeq,
    /// Whether the queue may hold something.
    look: bool,
}

impl Worker {
    /// A worker that has not started.
    pub fn new(options: WorkerOptions) -> Self {
        let known = options
            .runners
            .iter()
            .flat_map(|runner| runner.kinds().into_iter().map(move |kind| (kind, runner)));
        let mut kinds = Vec::new();
        let mut runners = HashMap::new();
        for ((kind, format), runner) in known {
            kinds.push((kind.to_owned(), format));
            runners.insert(kind.to_owned(), runner.clone());
        }
        let id = WorkerId(format!("{}:tasks", options.session.id));
        Self {
            id,
            options,
            kinds,
            runners,
        }
    }

    /// Claims and runs tasks until it is told to stop; then hands back what it has.
    ///
    /// # Errors
    /// [`StoreError`] if the worker could not announce itself. Later faults of the store are waited out.
    pub async fn run(&self, stop: CancellationToken) -> Result<(), StoreError> {
        self.options.store.put_worker(self.record()).await?;
        let mut wakes = self.options.store.wakes();
        let mut beat = tokio::time::interval(self.options.lease / 3);
        let mut tell = tokio::time::interval(TELL_WORK_EVERY);
        tell.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let cursor = self.options.store.last_event().await?;
        let mut pool = Pool {
            running: JoinSet::new(),
            held: HashMap::new(),
            by_handle: HashMap::new(),
            cursor,
            look: true,
        };
        while !stop.is_cancelled() {
            self.fill(&mut pool).await;
            tokio::select! {
                () = stop.cancelled() => {}
                Some(ended) = pool.running.join_next_with_id(), if !pool.running.is_empty() => {
                    self.report(&mut pool, ended).await;
                }
                _ = beat.tick() => self.heartbeat(&mut pool).await,
                _ = tell.tick(), if !pool.held.is_empty() => self.tell_work(&mut pool).await,
                woken = wake(&mut wakes) => self.catch_up(&mut pool, woken).await,
            }
        }
        self.hand_back(pool).await;
        Ok(())
    }

    /// Begins the worker's session anew and announces the worker again, after its process was taken for dead. What it has
    /// is kept as far as nobody has taken it away.
    ///
    /// # Errors
    /// [`StoreError`] if the store did not answer.
    pub async fn revive(&self) -> Result<(), StoreError> {
        let store = &self.options.store;
        store.start_session(self.options.session.clone()).await?;
        store.put_worker(self.record()).await
    }

    fn record(&self) -> WorkerRecord {
        WorkerRecord {
            id: self.id.clone(),
            session: self.options.session.id.clone(),
            slots: self.options.slots,
            labels: self.options.labels.clone(),
            draining: false,
            running: 0,
        }
    }

    /// Claims as many tasks as there are free slots, if the queue may hold any.
    async fn fill(&self, pool: &mut Pool) {
        let free = self
            .options
            .slots
            .saturating_sub(u32::try_from(pool.held.len()).unwrap_or(u32::MAX));
        if free == 0 || !pool.look {
            return;
        }
        match self.options.store.claim_tasks(&self.claim(free)).await {
            Ok(tasks) => {
                pool.look = u32::try_from(tasks.len()).unwrap_or(u32::MAX) >= free;
                for task in tasks {
                    self.start(pool, task);
                }
            }
            Err(StoreError::SessionOver(_)) => pool.look = self.begin_anew().await,
            Err(error) => {
                // The next wake-up or the next look asks again.
                pool.look = false;
                tracing::warn!(%error, "no task could be claimed");
            }
        }
    }

    fn claim(&self, free: u32) -> Claim {
        Claim {
            worker: self.id.clone(),
            kinds: self.kinds.clone(),
            slot: Slot {
                tasks: free,
                cpu_milli: free.saturating_mul(1000),
                memory_bytes: u64::MAX,
                labels: self.options.labels.clone(),
            },
            owner: self.options.owner.clone(),
            holds: Vec::new(),
            lease: self.options.lease,
        }
    }

    fn start(&self, pool: &mut Pool, task: ClaimedTask) {
        let cancel = CancellationToken::new();
        let meter = Meter::default();
        let held = Held {
            task: task.clone(),
            cancel: cancel.clone(),
            meter: meter.clone(),
            told: Work::default(),
        };
        let id = task.id;
        let runner = self.runners.get(&task.kind).cloned();
        let documents = self.options.documents.clone();
        let handle = pool.running.spawn(run_one(runner, documents, task, (meter, cancel)));
        pool.by_handle.insert(handle.id(), id);
        pool.held.insert(id, held);
    }

    /// Reports the attempt that ended and all others that have ended by now, in one statement, and claims for the slots that
    /// are free now at the same time: the store makes one transaction of both. What the reports make ready wakes whoever
    /// waits, this worker too.
    async fn report(&self, pool: &mut Pool, first: Result<(tokio::task::Id, Ended), JoinError>) {
        let mut changes = Vec::new();
        let mut next = Some(first);
        while let Some(result) = next {
            changes.extend(self.settle(pool, result));
            next = pool.running.try_join_next_with_id();
        }
        pool.look = true;
        tokio::join!(self.send(changes), self.fill(pool));
    }

    fn settle(&self, pool: &mut Pool, result: Result<(tokio::task::Id, Ended), JoinError>) -> Option<TaskChange> {
        let ended = match result {
            Ok((handle, ended)) => {
                pool.by_handle.remove(&handle);
                pool.held.remove(&ended.task.id);
                ended
            }
            Err(error) => {
                let task = pool
                    .by_handle
                    .remove(&error.id())
                    .and_then(|id| pool.held.remove(&id))?
                    .task;
                Ended {
                    task,
                    ending: Ending::Failed(panicked(error)),
                    files: Vec::new(),
                    work: None,
                }
            }
        };
        Some(self.change(ended))
    }

    fn change(&self, ended: Ended) -> TaskChange {
        let Ended {
            task,
            ending,
            files,
            work,
        } = ended;
        let counts = task.counts.and(&ending);
        let next = self.next_state(counts, &ending);
        TaskChange {
            task: task.id,
            fence: task.fence,
            ending,
            counts,
            next,
            files,
            work,
        }
    }

    fn next_state(&self, counts: AttemptCounts, ending: &Ending) -> NextState {
        match self.options.retry.after(counts, ending, chance()) {
            AfterAttempt::Settled(state) => NextState::Settled(state),
            AfterAttempt::Ready => NextState::Ready,
            AfterAttempt::RetryAfter(pause) => NextState::RetryAfter(pause),
        }
    }

    /// Revives the session; whether it did.
    async fn begin_anew(&self) -> bool {
        tracing::warn!("this process was taken for dead; it starts a new session");
        let revived = self.revive().await;
        if let Err(error) = &revived {
            tracing::warn!(%error, "the session could not be started anew");
        }
        revived.is_ok()
    }

    /// Sends reports; those that are refused for a reason that can be mended are mended and sent again, a few times.
    async fn send(&self, mut changes: Vec<TaskChange>) {
        for _ in 0..SENT_MAX {
            if changes.is_empty() {
                return;
            }
            changes = self.send_once(changes).await;
        }
        tracing::warn!(
            reports = changes.len(),
            "the end of some attempts was refused again and again"
        );
    }

    /// A report that the store cannot take is dropped: the lease runs out and the task is tried again. Returns what is to
    /// be sent again.
    async fn send_once(&self, changes: Vec<TaskChange>) -> Vec<TaskChange> {
        let answers = match self.options.store.change_tasks(changes.clone()).await {
            Ok(answers) => answers,
            Err(error) => {
                tracing::warn!(%error, "the end of some attempts could not be reported");
                return Vec::new();
            }
        };
        let mut again = Vec::new();
        let mut is_over = false;
        for (change, answer) in changes.into_iter().zip(answers) {
            match answer {
                Ok(_) => {}
                Err(ChangeRefused::SessionOver { .. }) => {
                    is_over = true;
                    again.push(change);
                }
                Err(ChangeRefused::FileSwept { file, .. }) => again.push(self.without_files(change, &file).await),
                Err(refused) => tracing::debug!(%refused, "a report changed nothing"),
            }
        }
        if is_over && !self.begin_anew().await {
            return Vec::new();
        }
        again
    }

    /// What is reported of an attempt whose files were swept before it could be told of: it failed, and the task writes
    /// them anew in its next attempt. The files are removed, as some may have been written after the sweep.
    async fn without_files(&self, change: TaskChange, swept: &str) -> TaskChange {
        for file in &change.files {
            if let Err(error) = self.options.documents.files().remove(file).await {
                tracing::debug!(%error, file, "a file that nothing refers to was not removed");
            }
        }
        let ending = Ending::Failed(written_too_slowly(swept));
        // The counts of the report hold the success, which counts nothing.
        let counts = change.counts.and(&ending);
        let next = self.next_state(counts, &ending);
        TaskChange {
            ending,
            counts,
            next,
            files: Vec::new(),
            ..change
        }
    }

    /// Tells the store how much was worked off, of the tasks of which there is news. People look at it, nothing is decided
    /// by it: what could not be told, is told next time.
    async fn tell_work(&self, pool: &mut Pool) {
        let mut done = Vec::new();
        for held in pool.held.values_mut() {
            let work = held.meter.read();
            if work != std::mem::replace(&mut held.told, work) {
                done.push(TaskWork {
                    task: held.task.id,
                    fence: held.task.fence,
                    work,
                });
            }
        }
        if done.is_empty() {
            return;
        }
        if let Err(error) = self.options.store.note_work(&done).await {
            tracing::debug!(%error, "it could not be told how much was worked off");
        }
    }

    async fn heartbeat(&self, pool: &mut Pool) {
        let held: Vec<HeldTask> = pool
            .held
            .values()
            .map(|held| HeldTask {
                task: held.task.id,
                fence: held.task.fence,
            })
            .collect();
        if held.is_empty() {
            return;
        }
        match self.options.store.heartbeat(&self.id, &held, self.options.lease).await {
            Ok(verdicts) => {
                for (task, verdict) in held.iter().zip(verdicts) {
                    match verdict {
                        Verdict::Keep => {}
                        Verdict::Cancel | Verdict::Lost => cancel(pool, task.task),
                    }
                }
            }
            Err(error) => tracing::warn!(%error, "the leases could not be extended"),
        }
    }

    /// Looks at what happened: new work, cancelled jobs.
    async fn catch_up(&self, pool: &mut Pool, woken: bool) {
        let filter = EventFilter {
            kinds: vec![
                EventKind::TaskReady,
                EventKind::TaskCancelRequested,
                EventKind::JobCancelRequested,
                EventKind::JobEnded,
            ],
            ..EventFilter::default()
        };
        if !woken {
            pool.look = true;
        }
        let events = match self.options.store.read_events(pool.cursor, EVENTS_MAX, &filter).await {
            Ok(events) => events,
            Err(error) => {
                tracing::warn!(%error, "the events could not be read");
                return;
            }
        };
        for event in events {
            pool.cursor = event.seq;
            if event.kind == EventKind::TaskReady {
                pool.look = true;
                continue;
            }
            if event.kind == EventKind::TaskCancelRequested {
                if let Ok(task) = event.subject.parse() {
                    cancel(pool, task);
                }
                continue;
            }
            let stopped: Vec<TaskId> = pool
                .held
                .keys()
                .filter(|task| Some(task.job) == event.job)
                .copied()
                .collect();
            for task in stopped {
                cancel(pool, task);
            }
        }
    }

    /// Stops what runs and hands it back, so that nobody has to wait for the leases.
    async fn hand_back(&self, mut pool: Pool) {
        for held in pool.held.values() {
            held.cancel.cancel();
        }
        // What a task still brings after it was told to stop is not looked at.
        let drain = async { while pool.running.join_next().await.is_some() {} };
        let _ = tokio::time::timeout(STOP_WAIT, drain).await;
        let preempted = |held: Held| Ended {
            task: held.task,
            ending: Ending::Preempted,
            files: Vec::new(),
            work: None,
        };
        let changes = pool
            .held
            .into_values()
            .map(|held| self.change(preempted(held)))
            .collect();
        self.send(changes).await;
    }
}

async fn run_one(
    runner: Option<Arc<dyn TaskRunner>>,
    documents: Arc<FileDocuments>,
    task: ClaimedTask,
    (meter, cancel): (Meter, CancellationToken),
) -> Ended {
    let (ending, files) = match runner {
        None => (Ending::Failed(unknown_kind(&task)), Vec::new()),
        Some(runner) => {
            // Dropping the work is the last resort against a runner that does not look at its token.
            let work = async {
                tokio::select! {
                    biased;
                    () = cancel.cancelled() => None,
                    result = runner.run(&task, &meter, &cancel) => Some(result),
                }
            };
            match work.await {
                None => (Ending::Cancelled, Vec::new()),
                Some(Err(failure)) => (Ending::Failed(failure), Vec::new()),
                Some(Ok(outcome)) => keep(&documents, &task, outcome).await,
            }
        }
    };
    let work = Some(meter.read()).filter(|work| *work != Work::default());
    Ended {
        task,
        ending,
        files,
        work,
    }
}

async fn keep(documents: &FileDocuments, task: &ClaimedTask, outcome: Outcome) -> (Ending, Vec<String>) {
    let Outcome { document, mut files } = outcome;
    match documents.keep(task.id.job, document).await {
        Ok(kept) => {
            if let hw_job::StoredDocument::File { path, .. } = &kept {
                files.push(path.clone());
            }
            (Ending::Succeeded(kept), files)
        }
        Err(failure) => (Ending::Failed(failure), Vec::new()),
    }
}

/// `true` for a wake-up, `false` when it is time to look without one.
async fn wake(wakes: &mut watch::Receiver<EventSeq>) -> bool {
    match tokio::time::timeout(LOOK_AGAIN, wakes.changed()).await {
        Ok(Ok(())) => true,
        Ok(Err(_)) => {
            tokio::time::sleep(LOOK_AGAIN).await;
            false
        }
        Err(_) => false,
    }
}

fn cancel(pool: &Pool, task: TaskId) {
    if let Some(held) = pool.held.get(&task) {
        held.cancel.cancel();
    }
}

fn written_too_slowly(file: &str) -> Failure {
    let message = format!("the file `{file}` was swept before it was confirmed");
    Failure::new(ErrorClass::Platform, "HW-T021", message)
        .help("it is written again; if it recurs, writing is too slow")
}

fn unknown_kind(task: &ClaimedTask) -> Failure {
    let message = format!("this worker does not know tasks of kind `{}`", task.kind);
    Failure::new(ErrorClass::Internal, "HW-J021", message).help("run workers of the same version as the server")
}

fn panicked(error: JoinError) -> Failure {
    let reason = match error.try_into_panic() {
        Ok(panic) => panic
            .downcast_ref::<&str>()
            .map(|text| (*text).to_owned())
            .or_else(|| panic.downcast_ref::<String>().cloned())
            .unwrap_or_else(|| "no message".to_owned()),
        Err(error) => error.to_string(),
    };
    Failure::new(
        ErrorClass::Internal,
        "HW-J020",
        format!("the task stopped with a bug: {reason}"),
    )
    .help("this is a bug of ours; please report it")
}

/// Spreads pauses; nothing else is decided by it.
fn chance() -> f64 {
    rand::random()
}
