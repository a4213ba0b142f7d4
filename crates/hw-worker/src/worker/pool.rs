//! What a worker has: tasks that run, tasks in reserve, reports that are to be sent.

#[cfg(test)]
mod tests;

use std::collections::{HashMap, VecDeque};
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use hw_job::{Ending, ErrorClass, EventSeq, Failure, JobId, TaskId, Work};
use hw_store::{ClaimedTask, TaskChange};
use tokio::task::{JoinError, JoinSet};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::Capacity;
use crate::documents::FileDocuments;
use crate::runner::{Meter, Outcome, TaskRunner};

/// Work that each slot has in reserve at most, while other workers could do it as well.
const RESERVED_WORK: Duration = Duration::from_millis(20);

/// The same for the only worker: what it reserves, nobody else misses. A more urgent job waits as long as that for a slot.
const RESERVED_WORK_ALONE: Duration = Duration::from_millis(60);

/// Most tasks in reserve, however short they are.
const RESERVED_MAX: u32 = 64;

/// Time after which a task in reserve is handed back.
const RESERVED_FOR_MAX: Duration = Duration::from_millis(200);

/// How long a report may wait for others while all slots are busy with more of the same job.
const REPORT_LAG_MAX: Duration = Duration::from_millis(25);

/// What a slot stands for.
const SLOT_CPU_MILLI: u32 = 1_000;

/// See the module.
pub(super) struct Pool {
    slots: u32,
    capacity: Capacity,
    pub(super) running: JoinSet<Ended>,
    by_handle: HashMap<tokio::task::Id, TaskId>,
    /// Tasks that run and tasks in reserve.
    pub(super) held: HashMap<TaskId, Held>,
    /// Claimed, and not begun.
    reserve: VecDeque<TaskId>,
    pace: Pace,
    /// Whether no new tasks are taken.
    pub(super) draining: bool,
    /// Whether no other worker takes tasks of the same jobs, as far as is known.
    pub(super) alone: bool,
    reports: Vec<TaskChange>,
    /// When the reports that wait have to be sent.
    reports_at: Option<Instant>,
    pub(super) sending: bool,
    pub(super) claiming: bool,
    /// Whether the queue may hold something.
    pub(super) look: bool,
    /// The last event dealt with.
    pub(super) cursor: EventSeq,
    /// The newest event heard of.
    heard: EventSeq,
    reading: bool,
    /// The newest event heard of when reading began.
    target: EventSeq,
    /// When the events may be read again.
    pub(super) events_at: Instant,
}

/// A task that the worker has.
pub(super) struct Held {
    pub(super) task: ClaimedTask,
    pub(super) cancel: CancellationToken,
    pub(super) meter: Meter,
    /// What the store was told of last.
    pub(super) told: Work,
    /// When it was claimed, and then when it was begun.
    since: Instant,
    begun: bool,
}

impl Held {
    /// Whether it has waited in reserve for too long.
    pub(super) fn is_stale(&self, now: Instant) -> bool {
        now.saturating_duration_since(self.since) > RESERVED_FOR_MAX
    }
}

/// An attempt that came to its end.
pub(super) struct Ended {
    pub(super) task: ClaimedTask,
    pub(super) ending: Ending,
    pub(super) files: Vec<String>,
    pub(super) work: Option<Work>,
}

/// What may be claimed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Room {
    pub(super) tasks: u32,
    pub(super) cpu_milli: u32,
    /// What is left of the rest.
    pub(super) left: Capacity,
}

impl Ended {
    /// An attempt that brought nothing.
    pub(super) fn without_outcome(task: ClaimedTask, ending: Ending) -> Self {
        Self {
            task,
            ending,
            files: Vec::new(),
            work: None,
        }
    }
}

impl Pool {
    pub(super) fn new(slots: u32, capacity: Capacity, cursor: EventSeq) -> Self {
        Self {
            slots,
            capacity,
            running: JoinSet::new(),
            by_handle: HashMap::new(),
            held: HashMap::new(),
            reserve: VecDeque::new(),
            pace: Pace::default(),
            draining: false,
            alone: false,
            reports: Vec::new(),
            reports_at: None,
            sending: false,
            claiming: false,
            look: true,
            cursor,
            heard: cursor,
            reading: false,
            target: cursor,
            events_at: Instant::now(),
        }
    }

    /// Takes tasks that were claimed. Those whose worker has died come last: should they kill this one too, the others are
    /// done by then.
    pub(super) fn hold(&mut self, mut tasks: Vec<ClaimedTask>) {
        tasks.sort_by_key(|task| task.counts.deaths > 0);
        for task in tasks {
            self.reserve.push_back(task.id);
            let held = Held {
                cancel: CancellationToken::new(),
                meter: Meter::default(),
                told: Work::default(),
                since: Instant::now(),
                begun: false,
                task,
            };
            self.held.insert(held.task.id, held);
        }
    }

    /// The next task of the reserve, if there is room for it.
    pub(super) fn next_to_run(&mut self) -> Option<(ClaimedTask, Meter, CancellationToken)> {
        let id = *self.reserve.front()?;
        let needed = self.held.get(&id).map_or(0, |held| held.task.cpu_milli);
        let fits = self.cpu_taken().saturating_add(needed) <= self.cpu();
        // One that alone is too large for this worker runs alone.
        if self.begun() >= self.slots || !(fits || self.begun() == 0) {
            return None;
        }
        self.reserve.pop_front();
        let held = self.held.get_mut(&id)?;
        held.begun = true;
        held.since = Instant::now();
        Some((held.task.clone(), held.meter.clone(), held.cancel.clone()))
    }

    /// Runs the work of a task.
    pub(super) fn run(&mut self, task: TaskId, work: impl Future<Output = Ended> + Send + 'static) {
        let handle = self.running.spawn(work);
        self.by_handle.insert(handle.id(), task);
    }

    /// Takes a task out whose work has ended.
    pub(super) fn end(&mut self, result: Result<(tokio::task::Id, Ended), JoinError>) -> Option<Ended> {
        let handle = result.as_ref().map_or_else(JoinError::id, |(handle, _)| *handle);
        let held = self
            .by_handle
            .remove(&handle)
            .and_then(|task| self.held.remove(&task))?;
        self.pace.note(held.since.elapsed());
        self.look = true;
        Some(match result {
            Ok((_, ended)) => ended,
            Err(error) => Ended::without_outcome(held.task, Ending::Failed(panicked(error))),
        })
    }

    /// Takes in what is to be told of an attempt that ended.
    pub(super) fn report(&mut self, change: TaskChange) {
        self.reports.push(change);
        self.reports_at.get_or_insert(Instant::now() + REPORT_LAG_MAX);
    }

    /// The reports that are to be sent now: those that wait, once the ones before them have arrived.
    pub(super) fn take_reports(&mut self) -> Option<Vec<TaskChange>> {
        let may_wait = self.reports_at.is_none_or(|at| at > Instant::now()) && self.nobody_waits();
        if self.sending || self.reports.is_empty() || may_wait {
            return None;
        }
        self.sending = true;
        self.reports_at = None;
        Some(std::mem::take(&mut self.reports))
    }

    /// Whether nothing could go on here if the reports were sent: no slot is free, and their jobs need tasks that are held.
    fn nobody_waits(&self) -> bool {
        let goes_on = |change: &TaskChange| self.held.keys().any(|held| held.job == change.task.job);
        let succeeded = |change: &TaskChange| matches!(change.ending, Ending::Succeeded(_));
        self.begun() >= self.slots && self.reports.iter().all(|change| succeeded(change) && goes_on(change))
    }

    /// When reports that wait have to be sent, unless some are under way.
    pub(super) fn reports_at(&self) -> Option<Instant> {
        self.reports_at.filter(|_| !self.sending)
    }

    /// All reports that were not sent.
    pub(super) fn drain_reports(&mut self) -> Vec<TaskChange> {
        std::mem::take(&mut self.reports)
    }

    /// What is to be claimed now: when a slot is free, or half of the reserve is gone.
    pub(super) fn take_claim(&mut self) -> Option<Room> {
        if self.claiming || !self.look || self.draining {
            return None;
        }
        let free = self.slots.saturating_sub(self.begun());
        let target = self.reserve_target(Instant::now());
        let reserved = count(self.reserve.len());
        if reserved > target / 2 || (free == 0 && target == 0) {
            return None;
        }
        let tasks = (free + target).saturating_sub(reserved);
        let cpu = self.cpu().saturating_add(target.saturating_mul(SLOT_CPU_MILLI));
        let taken: u32 = self.held.values().map(|held| held.task.cpu_milli).sum();
        let cpu_milli = cpu.saturating_sub(taken);
        if tasks == 0 || cpu_milli == 0 {
            return None;
        }
        self.claiming = true;
        self.look = false;
        Some(Room {
            tasks,
            cpu_milli,
            left: self.capacity_left(),
        })
    }

    /// What the tasks that are held, those in reserve too, leave of the capacity.
    fn capacity_left(&self) -> Capacity {
        let mut left = self.capacity.clone();
        for Held { task, .. } in self.held.values() {
            left.memory_bytes = left.memory_bytes.saturating_sub(task.memory_bytes);
            left.scarce = left.scarce.without(&task.scarce);
        }
        left
    }

    /// How many tasks to have in reserve. None while a task is held whose worker has died: whatever it does to this one,
    /// the tasks in reserve are not to suffer.
    fn reserve_target(&self, now: Instant) -> u32 {
        if self.held.values().any(|held| held.task.counts.deaths > 0) {
            return 0;
        }
        let begun = self.held.values().filter(|held| held.begun);
        let longest = begun.map(|held| now.saturating_duration_since(held.since)).max();
        let work = if self.alone { RESERVED_WORK_ALONE } else { RESERVED_WORK };
        let each = self.pace.tasks_within(work, longest.unwrap_or_default());
        each.saturating_mul(self.slots).min(RESERVED_MAX)
    }

    fn begun(&self) -> u32 {
        count(self.held.len() - self.reserve.len())
    }

    fn cpu(&self) -> u32 {
        self.slots.saturating_mul(SLOT_CPU_MILLI)
    }

    fn cpu_taken(&self) -> u32 {
        let begun = self.held.values().filter(|held| held.begun);
        begun.map(|held| held.task.cpu_milli).sum()
    }

    /// Takes tasks out of the reserve.
    pub(super) fn take_reserve(&mut self, which: impl Fn(&Held) -> bool) -> Vec<ClaimedTask> {
        let is_taken = |task: &TaskId| self.held.get(task).is_some_and(&which);
        let taken: Vec<TaskId> = self.reserve.iter().copied().filter(is_taken).collect();
        self.reserve.retain(|task| !taken.contains(task));
        let held = taken.iter().filter_map(|task| self.held.remove(task));
        held.map(|held| held.task).collect()
    }

    /// Whether no task is left, nor any to be reported, and none will come.
    pub(super) fn is_drained(&self) -> bool {
        self.draining && !self.claiming && !self.sending && self.held.is_empty() && self.reports.is_empty()
    }

    /// Takes in that there are events up to this one. A worker that has nothing need not know which: it asks for tasks.
    pub(super) fn note_wake(&mut self, newest: EventSeq) {
        self.heard = self.heard.max(newest);
        if self.held.is_empty() && !self.claiming && !self.reading {
            self.cursor = self.heard;
            self.look = true;
        }
    }

    /// The same when nobody said so.
    pub(super) fn look_anew(&mut self, newest: EventSeq) {
        self.note_wake(newest);
        self.look = true;
        self.events_at = Instant::now();
    }

    /// Whether there are events that were not looked at.
    pub(super) fn is_behind(&self) -> bool {
        self.heard > self.cursor && !self.reading
    }

    /// Where to read on; `again` is when the events may be read the next time.
    pub(super) fn begin_to_read(&mut self, again: Instant) -> EventSeq {
        self.reading = true;
        self.events_at = again;
        self.target = self.heard;
        self.cursor
    }

    /// The events were read: to the end of those heard of by then, or not; `None` if they could not be.
    pub(super) fn read(&mut self, to_the_end: Option<bool>) {
        self.reading = false;
        if to_the_end == Some(true) {
            self.cursor = self.cursor.max(self.target);
        }
    }

    pub(super) fn cancel(&self, task: TaskId) {
        if let Some(held) = self.held.get(&task) {
            held.cancel.cancel();
        }
    }

    pub(super) fn cancel_job(&self, job: Option<JobId>) {
        let of_job = self.held.values().filter(|held| Some(held.task.id.job) == job);
        of_job.for_each(|held| held.cancel.cancel());
    }

    pub(super) fn cancel_all(&self) {
        self.held.values().for_each(|held| held.cancel.cancel());
    }
}

fn count(length: usize) -> u32 {
    u32::try_from(length).unwrap_or(u32::MAX)
}

/// How long tasks take of late: the longest at once, shorter ones little by little.
#[derive(Debug, Default)]
struct Pace(Option<Duration>);

impl Pace {
    fn note(&mut self, took: Duration) {
        self.0 = Some(match self.0 {
            Some(known) if took < known => (known * 3 + took) / 4,
            _ => took,
        });
    }

    /// How many tasks a slot does within a time; `longest`: how long the one has run that runs for longest.
    fn tasks_within(&self, time: Duration, longest: Duration) -> u32 {
        let Some(known) = self.0 else { return 0 };
        let each = known.max(longest).as_micros().max(1);
        u32::try_from(time.as_micros() / each).unwrap_or(u32::MAX)
    }
}

/// Does a task, unless it is cancelled.
pub(super) async fn run_one(
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
