//! The loop that claims, runs and reports tasks.
//!
//! ```text
//!           wake-up, slot free          task ended                      reports and claims go to the store while tasks run:
//!  idle ──▶ claim: free slots ──▶ run ──▶ next reserved task at once ──▶ what ends meanwhile shares the next report
//!           and a reserve         │
//!           of short tasks        ├ every third of the lease: heartbeat, one statement for all
//!                                 ├ every 200 ms, if anything was read: how much, likewise
//!                                 └ job cancelled, lease lost: the task's token fires
//! ```
//!
//! Where tasks turn out to be short (a few milliseconds), more are claimed than there are slots, so that no slot waits for the
//! store between them. The reserve holds some milliseconds of work, more if there is no other worker; what waits in it for
//! longer is handed back.

mod pool;
mod report;
#[cfg(test)]
mod tests;

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use futures::future::BoxFuture;
use futures::stream::FuturesUnordered;
use futures::{FutureExt as _, StreamExt as _};
use hw_job::{Ending, Event, EventKind, EventSeq, RetryPolicy, Scarce, SessionId, WorkerId};
use hw_store::{
    Claim, ClaimedTask, EventFilter, HeldTask, NewSession, Slot, Store, StoreError, TaskWork, Verdict, WorkerRecord,
};
use tokio::sync::watch;
use tokio::time::{Instant, MissedTickBehavior, sleep_until};
use tokio_util::sync::CancellationToken;

use self::pool::{Ended, Pool};
use crate::documents::FileDocuments;
use crate::runner::TaskRunner;

/// Longest pause between looks at the queue, in case a wake-up was lost.
const LOOK_AGAIN: Duration = Duration::from_secs(1);

/// Pause between looks for other workers.
const LOOK_AROUND: Duration = Duration::from_secs(2);

/// Shortest pause between looks at the events while tasks run.
const EVENTS_PAUSE: Duration = Duration::from_millis(5);

/// How often the store is told how much was worked off.
const TELL_WORK_EVERY: Duration = Duration::from_millis(200);

/// How long a stopping worker waits for its tasks to stop.
const STOP_WAIT: Duration = Duration::from_secs(2);

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
    /// What it offers besides its slots.
    pub capacity: Capacity,
    /// What it can do.
    pub runners: Vec<Arc<dyn TaskRunner>>,
    /// Where tasks come from.
    pub store: Arc<dyn Store>,
    /// Where large outcomes go.
    pub documents: Arc<FileDocuments>,
    /// Told to take no new tasks, and tells when it has none left.
    pub drain: Drain,
}

/// What a worker has for its tasks besides slots, each of which is a processor: the sum of what they need never exceeds it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Capacity {
    /// Bytes of memory.
    pub memory_bytes: u64,
    /// What else it has.
    pub scarce: Scarce,
}

/// How a worker is drained. Clones are of the same worker.
#[derive(Debug, Clone, Default)]
pub struct Drain {
    wanted: CancellationToken,
    done: CancellationToken,
}

impl Drain {
    /// Tells the worker to take no new tasks, whatever the store says of it.
    pub fn begin(&self) {
        self.wanted.cancel();
    }

    /// Resolves when the worker, told so here or by the store, has no tasks left and has reported them all.
    pub async fn done(&self) {
        self.done.cancelled().await;
    }
}

/// A pool of slots of one process.
pub struct Worker {
    id: WorkerId,
    options: WorkerOptions,
    kinds: Vec<(String, u32)>,
    runners: HashMap<String, Arc<dyn TaskRunner>>,
}

/// What goes on with the store while tasks run.
type Errands<'w> = FuturesUnordered<BoxFuture<'w, Done>>;

/// An errand that came back.
enum Done {
    Sent,
    Claimed {
        asked: u32,
        answer: Result<Vec<ClaimedTask>, StoreError>,
    },
    Read(Result<Vec<Event>, StoreError>),
    LookedAround(Result<Vec<WorkerRecord>, StoreError>),
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
        let mut beat = every(self.options.lease / 3);
        let mut tell = every(TELL_WORK_EVERY);
        let mut look_again = every(LOOK_AGAIN);
        let mut look_around = every(LOOK_AROUND);
        let cursor = self.options.store.last_event().await?;
        let mut pool = Pool::new(self.options.slots, self.options.capacity.clone(), cursor);
        // Jobs of its own session are nobody else's.
        pool.alone = self.options.owner.is_some();
        let mut errands = Errands::new();
        while !stop.is_cancelled() {
            self.start(&mut pool);
            self.go(&mut pool, &errands);
            if pool.is_drained() && errands.is_empty() {
                self.options.drain.done.cancel();
            }
            let events_at = pool.events_at;
            let reports_at = pool.reports_at();
            tokio::select! {
                () = stop.cancelled() => {}
                () = self.options.drain.wanted.cancelled(), if !pool.draining => self.begin_to_drain(&mut pool),
                Some(ended) = pool.running.join_next_with_id(), if !pool.running.is_empty() => self.settle(&mut pool, ended),
                Some(done) = errands.next(), if !errands.is_empty() => self.take(&mut pool, done).await,
                _ = beat.tick() => self.heartbeat(&mut pool).await,
                _ = tell.tick(), if !pool.held.is_empty() => {
                    self.tell_work(&mut pool).await;
                    self.hand_back_reserve(&mut pool);
                }
                () = sleep_until(reports_at.unwrap_or(events_at)), if reports_at.is_some() => {}
                () = sleep_until(events_at), if pool.is_behind() => self.read_events(&mut pool, &errands),
                seq = woken(&mut wakes) => pool.note_wake(seq),
                _ = look_again.tick() => pool.look_anew(*wakes.borrow()),
                _ = look_around.tick(), if self.options.owner.is_none() => self.look_around(&errands),
            }
        }
        self.hand_back(pool, errands).await;
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

    /// Begins as many of the tasks in reserve as there is room for.
    fn start(&self, pool: &mut Pool) {
        while let Some((task, meter, cancel)) = pool.next_to_run() {
            let id = task.id;
            let runner = self.runners.get(&task.kind).cloned();
            let documents = self.options.documents.clone();
            pool.run(id, pool::run_one(runner, documents, task, (meter, cancel)));
        }
    }

    /// Sends the reports of what has ended, and asks for more tasks if the queue may hold any and there is room: the store
    /// makes one transaction of both.
    fn go<'w>(&'w self, pool: &mut Pool, errands: &Errands<'w>) {
        if let Some(reports) = pool.take_reports() {
            errands.push(self.send(reports).map(|()| Done::Sent).boxed());
        }
        if let Some(claim) = pool.take_claim() {
            let asked = claim.tasks;
            let claim = self.claim(claim);
            let claimed = async move {
                let answer = self.options.store.claim_tasks(&claim).await;
                Done::Claimed { asked, answer }
            };
            errands.push(claimed.boxed());
        }
    }

    async fn take(&self, pool: &mut Pool, done: Done) {
        match done {
            Done::Sent => pool.sending = false,
            Done::Claimed { asked, answer } => self.take_claimed(pool, asked, answer).await,
            Done::Read(events) => take_events(pool, events),
            Done::LookedAround(Ok(workers)) => self.take_workers(pool, &workers),
            Done::LookedAround(Err(error)) => tracing::debug!(%error, "the other workers could not be listed"),
        }
    }

    async fn take_claimed(&self, pool: &mut Pool, asked: u32, answer: Result<Vec<ClaimedTask>, StoreError>) {
        pool.claiming = false;
        match answer {
            Ok(tasks) => {
                pool.look |= u32::try_from(tasks.len()).unwrap_or(u32::MAX) >= asked;
                match pool.draining {
                    true => tasks.into_iter().for_each(|task| self.give_back(pool, task)),
                    false => pool.hold(tasks),
                }
            }
            Err(StoreError::SessionOver(_)) => pool.look = self.begin_anew().await,
            // The next wake-up or the next look asks again.
            Err(error) => tracing::warn!(%error, "no task could be claimed"),
        }
    }

    fn claim(&self, room: pool::Room) -> Claim {
        Claim {
            worker: self.id.clone(),
            kinds: self.kinds.clone(),
            slot: Slot {
                tasks: room.tasks,
                cpu_milli: room.cpu_milli,
                memory_bytes: room.left.memory_bytes,
                scarce: room.left.scarce,
                labels: self.options.labels.clone(),
            },
            owner: self.options.owner.clone(),
            holds: Vec::new(),
            lease: self.options.lease,
        }
    }

    /// Notes the attempt that ended and all others that have ended by now.
    fn settle(&self, pool: &mut Pool, first: Result<(tokio::task::Id, Ended), tokio::task::JoinError>) {
        let mut next = Some(first);
        while let Some(result) = next {
            if let Some(ended) = pool.end(result) {
                let change = self.change(ended);
                pool.report(change);
            }
            next = pool.running.try_join_next_with_id();
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
                        Verdict::Cancel | Verdict::Lost => pool.cancel(task.task),
                    }
                }
            }
            Err(error) => tracing::warn!(%error, "the leases could not be extended"),
        }
    }

    fn take_workers(&self, pool: &mut Pool, workers: &[WorkerRecord]) {
        pool.alone = workers.iter().all(|worker| worker.id == self.id);
        let draining = workers.iter().any(|worker| worker.id == self.id && worker.draining);
        match draining || self.options.drain.wanted.is_cancelled() {
            true if !pool.draining => self.begin_to_drain(pool),
            true => {}
            false => pool.draining = false,
        }
    }

    /// Takes no new tasks, and hands back those that were not begun.
    fn begin_to_drain(&self, pool: &mut Pool) {
        pool.draining = true;
        for task in pool.take_reserve(|_| true) {
            self.give_back(pool, task);
        }
    }

    fn give_back(&self, pool: &mut Pool, task: ClaimedTask) {
        let change = self.change(Ended::without_outcome(task, Ending::Preempted));
        pool.report(change);
    }

    /// Looks whether there are other workers, and whether this one is to drain.
    fn look_around<'w>(&'w self, errands: &Errands<'w>) {
        let workers = self.options.store.list_workers();
        errands.push(workers.map(Done::LookedAround).boxed());
    }

    /// Looks at what happened: new work, cancelled jobs.
    fn read_events<'w>(&'w self, pool: &mut Pool, errands: &Errands<'w>) {
        let cursor = pool.begin_to_read(Instant::now() + EVENTS_PAUSE);
        let read = async move {
            let filter = EventFilter {
                kinds: vec![
                    EventKind::TaskReady,
                    EventKind::TaskCancelRequested,
                    EventKind::JobCancelRequested,
                    EventKind::JobEnded,
                ],
                ..EventFilter::default()
            };
            Done::Read(self.options.store.read_recent(cursor, EVENTS_MAX, &filter).await)
        };
        errands.push(read.boxed());
    }

    /// Hands back what waits for a slot for long: others may have one free.
    fn hand_back_reserve(&self, pool: &mut Pool) {
        let now = Instant::now();
        for task in pool.take_reserve(|held| held.is_stale(now)) {
            self.give_back(pool, task);
        }
    }

    /// Stops what runs and hands it back, so that nobody has to wait for the leases.
    async fn hand_back(&self, mut pool: Pool, mut errands: Errands<'_>) {
        pool.cancel_all();
        let back = async {
            // What a task still brings after it was told to stop is not looked at.
            while pool.running.join_next().await.is_some() {}
            while let Some(done) = errands.next().await {
                if let Done::Claimed { answer: Ok(tasks), .. } = done {
                    pool.hold(tasks);
                }
            }
        };
        let _ = tokio::time::timeout(STOP_WAIT, back).await;
        let reports = pool.drain_reports();
        let held = pool.held.into_values();
        let preempted = held.map(|held| self.change(Ended::without_outcome(held.task, Ending::Preempted)));
        let changes = reports.into_iter().chain(preempted).collect();
        self.send(changes).await;
    }
}

fn take_events(pool: &mut Pool, events: Result<Vec<Event>, StoreError>) {
    let events = match events {
        Ok(events) => events,
        Err(error) => {
            tracing::warn!(%error, "the events could not be read");
            pool.read(None);
            return;
        }
    };
    // A full page is followed by another.
    pool.read(Some(u32::try_from(events.len()).unwrap_or(u32::MAX) < EVENTS_MAX));
    for event in events {
        pool.cursor = pool.cursor.max(event.seq);
        match event.kind {
            EventKind::TaskReady => pool.look = true,
            EventKind::TaskCancelRequested => {
                if let Ok(task) = event.subject.parse() {
                    pool.cancel(task);
                }
            }
            _ => pool.cancel_job(event.job),
        }
    }
}

/// Waits for a wake-up; returns the number of the newest event.
async fn woken(wakes: &mut watch::Receiver<EventSeq>) -> EventSeq {
    if wakes.changed().await.is_err() {
        // The store was closed. What is left to do is done by the clock.
        std::future::pending::<()>().await;
    }
    *wakes.borrow_and_update()
}

fn every(period: Duration) -> tokio::time::Interval {
    let mut interval = tokio::time::interval(period);
    interval.set_missed_tick_behavior(MissedTickBehavior::Delay);
    interval
}
