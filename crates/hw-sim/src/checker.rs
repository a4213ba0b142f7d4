//! What must hold after each step, whatever happens.
//!
//! The checker reads every event and keeps a model of what they tell: state of each job, last news of each task, fences,
//! leases and sessions. After each step it compares the store with the model. The promises, by name, are the first
//! arguments of `demand` here and in the modules below.

mod compare;
mod end;
mod ending;
mod events;
mod model;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use hw_controller::{SubmitFault, Submitted};
use hw_job::{Clock, Elapsed, Ending, EventSeq, Fence, JobId, SessionId, TaskId, TaskState, WorkerId};
use hw_store::{ChangeRefused, ClaimedTask, EventFilter, Store, StoreError, TaskChange, TaskChanged};

use crate::clock::SimClock;
use crate::disk::Disk;
use crate::executor::Executor;
use crate::plan::{Plan, Plans};
use crate::violation::{Violation, demand};
use model::{JobModel, Life};

/// Steps after which all unsettled jobs are compared, whether or not an event told of them.
const SWEEP_EVERY: u32 = 24;

/// Most events read at a time.
const EVENTS_MAX: u32 = 1_000;

/// A submission as the client made it.
pub(crate) struct Asked {
    pub(crate) plan: Arc<Plan>,
    pub(crate) key: Option<u8>,
    pub(crate) at: Elapsed,
}

/// Watches a deployment.
pub(crate) struct Checker {
    clock: Arc<SimClock>,
    store: Arc<dyn Store>,
    plans: Arc<Plans>,
    disk: Arc<Disk>,
    cursor: EventSeq,
    /// Numbers of all events, in the order in which they were read.
    log: Vec<EventSeq>,
    /// What a second reader has seen, who reads now and then, and little.
    seen_by_second: Vec<EventSeq>,
    jobs: BTreeMap<JobId, JobModel>,
    /// Jobs in the order of their events.
    order: Vec<JobId>,
    /// Jobs by idempotency key.
    keys: BTreeMap<String, JobId>,
    /// Tables by name, with their newest version.
    tables: BTreeMap<String, u64>,
    table_versions: BTreeMap<String, u64>,
    claims: BTreeSet<(TaskId, Fence)>,
    /// Until when a worker is known to have a task, at least.
    leases: BTreeMap<TaskId, (Fence, Elapsed)>,
    sessions: BTreeMap<SessionId, Life>,
    /// Sessions that were given up and not begun again.
    given_up: BTreeSet<String>,
    /// When the client's request that is on its way was made.
    began: Elapsed,
    steps: u32,
    digest: u64,
    trace: Option<Vec<String>>,
}

impl Checker {
    pub(crate) fn new(clock: Arc<SimClock>, store: Arc<dyn Store>, plans: Arc<Plans>, disk: Arc<Disk>) -> Self {
        Self {
            began: clock.elapsed(),
            clock,
            store,
            plans,
            disk,
            cursor: EventSeq(0),
            log: Vec::new(),
            seen_by_second: Vec::new(),
            jobs: BTreeMap::new(),
            order: Vec::new(),
            keys: BTreeMap::new(),
            tables: BTreeMap::new(),
            table_versions: BTreeMap::new(),
            claims: BTreeSet::new(),
            leases: BTreeMap::new(),
            sessions: BTreeMap::new(),
            given_up: BTreeSet::new(),
            steps: 0,
            digest: 0xCBF2_9CE4_8422_2325,
            trace: None,
        }
    }

    pub(crate) fn trace(&mut self) {
        self.trace = Some(Vec::new());
    }

    pub(crate) fn traced(&mut self) -> Vec<String> {
        self.trace.take().unwrap_or_default()
    }

    pub(crate) fn digest(&self) -> u64 {
        self.digest
    }

    pub(crate) fn note(&mut self, line: impl FnOnce() -> String) {
        if let Some(trace) = &mut self.trace {
            trace.push(line());
        }
    }

    /// Number of events so far.
    pub(crate) fn events(&self) -> usize {
        self.log.len()
    }

    /// Compares what the step did with what may be.
    pub(crate) fn check(&mut self, executor: &Executor) -> Result<(), Violation> {
        self.steps += 1;
        let mut touched = self.read_events(executor)?;
        if self.steps.is_multiple_of(SWEEP_EVERY) {
            touched.extend(self.unsettled_jobs());
        }
        for job in touched {
            self.compare_job(executor, job)?;
        }
        self.began = self.clock.elapsed();
        Ok(())
    }

    /// The second reader reads up to `limit` events from where it was.
    pub(crate) fn read_some(&mut self, executor: &Executor, limit: u32) -> Result<(), Violation> {
        let cursor = self.seen_by_second.last().copied().unwrap_or_default();
        let filter = EventFilter::default();
        let read = self.store.read_events(cursor, limit.max(1), &filter);
        let events = answer(executor.now(read))?;
        self.seen_by_second.extend(events.iter().map(|event| event.seq));
        Ok(())
    }

    pub(crate) fn session_until(&mut self, session: &SessionId, until: Elapsed) {
        let life = self.sessions.entry(session.clone()).or_default();
        life.until = life.until.max(until);
    }

    pub(crate) fn session_over(&mut self, session: &SessionId) {
        self.sessions.entry(session.clone()).or_default().is_over = true;
    }

    /// The `nth` newest job, counted round.
    pub(crate) fn newest(&self, nth: usize) -> Option<JobId> {
        let place = nth % self.order.len().max(1);
        self.order.iter().rev().nth(place).copied()
    }

    #[cfg(test)]
    pub(crate) fn first_state(&self) -> Option<hw_job::JobState> {
        let first = self.order.first()?;
        self.jobs.get(first).map(|job| job.state)
    }

    /// When the request began that does what follows.
    pub(crate) fn began(&mut self, at: Elapsed) {
        self.began = at;
    }

    pub(crate) fn may_be_gone(&self, job: JobId) -> Result<(), Violation> {
        let settled = self.jobs.get(&job).is_none_or(JobModel::is_settled);
        demand(settled, "unsettled jobs are kept", || format!("job {job} is gone"))
    }

    /// A worker was given a task.
    pub(crate) fn claimed(&mut self, task: &ClaimedTask, worker: &WorkerId, until: Elapsed) -> Result<(), Violation> {
        demand(
            self.claims.insert((task.id, task.fence)),
            "no task is held twice under one fence",
            || format!("task {} was given out again under fence {}", task.id, task.fence),
        )?;
        let newest = self.leases.get(&task.id).map(|(fence, _)| *fence).unwrap_or_default();
        demand(newest < task.fence, "fences only rise", || {
            format!(
                "task {} was given to {worker} under fence {} after {newest}",
                task.id, task.fence
            )
        })?;
        self.leases.insert(task.id, (task.fence, until));
        Ok(())
    }

    /// A worker's lease was extended. One that had run out counts as over for good: somebody may have seen that and be about
    /// to take the task away.
    pub(crate) fn kept(&mut self, task: &ClaimedTask, until: Elapsed) {
        let now = self.clock.elapsed();
        let lease = self.leases.get_mut(&task.id);
        if let Some(lease) = lease.filter(|(fence, until)| *fence == task.fence && *until > now) {
            lease.1 = until;
        }
    }

    /// What the store said to a report.
    pub(crate) fn reported(
        &mut self,
        executor: &Executor,
        change: &TaskChange,
        answer_: Result<TaskChanged, ChangeRefused>,
    ) -> Result<(), Violation> {
        let (task, fence) = (change.task, change.fence);
        match answer_ {
            Ok(_) => self.report_was_taken(executor, change),
            Err(ChangeRefused::Late { .. }) => Ok(()),
            Err(ChangeRefused::NotFound(_)) => self.may_be_gone(task.job),
            Err(ChangeRefused::SessionOver { worker, .. }) => {
                let alive = self.is_alive(worker.0.trim_end_matches(":tasks"), self.clock.elapsed());
                demand(!alive, "whoever lives may finish", || {
                    format!("{worker} was refused task {task}")
                })
            }
            Err(refused @ ChangeRefused::FileSwept { .. }) => {
                Err(Violation::new("files that are referred to stay", refused.to_string()))
            }
            Err(refused @ (ChangeRefused::Illegal { .. } | ChangeRefused::Leased { .. })) => {
                let detail = format!("under fence {fence}: {refused}");
                Err(Violation::new("every transition is legal", detail))
            }
        }
    }

    /// What the store said to the cancellation of one task.
    pub(crate) fn task_cancelled(
        &mut self,
        executor: &Executor,
        task: TaskId,
        told: Result<(), ChangeRefused>,
    ) -> Result<(), Violation> {
        let stored = answer(executor.now(self.store.load_task(task)))?;
        let Some(stored) = stored else {
            return self.may_be_gone(task.job).or_else(|violation| match told {
                Err(ChangeRefused::NotFound(_)) => Ok(()),
                _ => Err(violation),
            });
        };
        let fenced = self.leases.get(&task).is_none_or(|(fence, _)| *fence < stored.fence);
        let right = match &told {
            Ok(()) => stored.state == TaskState::Cancelled && fenced && stored.outcome.is_none(),
            Err(ChangeRefused::Illegal { from, .. }) => from.is_settled() && stored.state == *from,
            // The job may have added it since.
            Err(ChangeRefused::NotFound(_)) => true,
            // Only reports are refused so.
            Err(_) => false,
        };
        demand(right, "cancelled tasks are over at once", || {
            format!("{told:?}: {stored:?}")
        })
    }

    /// A report that is taken is one of the newest fence, and ends the attempt of that fence.
    fn report_was_taken(&mut self, executor: &Executor, change: &TaskChange) -> Result<(), Violation> {
        let (task, fence) = (change.task, change.fence);
        let newest = self.leases.get(&task).map(|(fence, _)| *fence).unwrap_or_default();
        demand(newest <= fence, "late reports change nothing", || {
            format!("a report on task {task} under fence {fence} was taken, {newest} is in force")
        })?;
        let attempts = answer(executor.now(self.store.load_attempts(task.job)))?;
        let ended = attempts
            .iter()
            .any(|attempt| attempt.id.task == task && attempt.fence == fence && is_end(attempt.state, &change.ending));
        demand(ended, "late reports change nothing", || {
            format!("a report on task {task} under fence {fence} was taken and did not end that attempt")
        })
    }

    /// What a client was told about its submission.
    pub(crate) fn submitted(
        &mut self,
        executor: &Executor,
        asked: &Asked,
        told: Result<Submitted, SubmitFault>,
    ) -> Result<(), Violation> {
        let detail = || format!("plan {} of {:?}: {told:?}", asked.plan.number, asked.at);
        let invariant = "submissions are answered truly";
        self.check_jobs_exist(executor)?;
        let plan_of = |job: JobId| self.jobs.get(&job).map(|job| job.plan.number);
        let right = match &told {
            Ok(Submitted::Created(job)) => plan_of(*job) == Some(asked.plan.number),
            Ok(Submitted::Existing(job)) => asked.key.is_some() && plan_of(*job) == Some(asked.plan.number),
            Ok(Submitted::Cached(job)) => {
                let succeeded = self.jobs.get(job).is_some_and(JobModel::has_succeeded);
                asked.plan.answers && asked.key.is_none() && succeeded && plan_of(*job) == Some(asked.plan.number)
            }
            Err(SubmitFault::KeyConflict { job, .. }) => plan_of(*job) != Some(asked.plan.number),
            Err(SubmitFault::TableNotFound { .. }) => asked.plan.table.is_some(),
            Err(SubmitFault::Store(error)) => !matches!(error, StoreError::Misuse(_)),
            Err(
                SubmitFault::UnknownKind { .. }
                | SubmitFault::Faults(_)
                | SubmitFault::Conflict(_)
                | SubmitFault::QueueFull { .. },
            ) => false,
        };
        demand(right, invariant, detail)
    }

    /// Takes up what a step did so far, so that the job of an answer is known.
    fn check_jobs_exist(&mut self, executor: &Executor) -> Result<(), Violation> {
        let touched = self.read_events(executor)?;
        touched.into_iter().try_for_each(|job| self.compare_job(executor, job))
    }

    fn unsettled_jobs(&self) -> Vec<JobId> {
        let open = self.jobs.iter().filter(|(_, job)| !job.is_settled());
        open.map(|(id, _)| *id).collect()
    }

    pub(crate) fn all_settled(&self) -> bool {
        self.jobs.values().all(JobModel::is_settled)
    }

    /// The unsettled jobs, for people.
    pub(crate) fn unsettled(&self) -> String {
        let open = self.jobs.iter().filter(|(_, job)| !job.is_settled());
        let open = open.map(|(id, job)| format!("job {id} of {:?}: {job:?}", job.plan));
        open.collect::<Vec<_>>().join("; ")
    }
}

/// The store's answer; the checker's own way to it is never troubled.
fn answer<T, E: std::fmt::Debug>(answer: Option<Result<T, E>>) -> Result<T, Violation> {
    match answer {
        Some(Ok(answer)) => Ok(answer),
        Some(Err(error)) => Err(Violation::new("the store answers", format!("{error:?}"))),
        None => Err(Violation::new("the store answers", "it waits for ever")),
    }
}

fn is_end(state: hw_job::AttemptState, ending: &Ending) -> bool {
    state == ending.attempt_state()
}
