//! The controller's state and its steps. What a step does is told in the modules below, one for each concern.

mod active;
mod advance;
mod ending;
mod events;
mod timing;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use hw_job::{Clock, Elapsed, EventSeq, JobId, JobKind, JobState, RetryPolicy, SessionId, TaskId};
use hw_store::{ChangeRefused, JobChangeError, JobRecord, Store, StoreError};
use serde_json::Value;
use tokio::sync::{Notify, watch};
use tokio_util::sync::CancellationToken;

use crate::documents::Documents;
use crate::ids::Ids;
use crate::liveness::Liveness;
pub(crate) use active::{Active, Instants, Unfinished};
pub(crate) use ending::failure_of;

/// Most events that one step reads at a time.
const EVENTS_PER_STEP: u32 = 1_000;

/// How often one step reads events, so that a busy store cannot keep it from looking at timeouts.
const READS_PER_STEP: usize = 64;

/// Longest pause between steps, in case a wake-up was lost.
const PAUSE_MAX: Duration = Duration::from_secs(1);

/// What a controller is made of.
pub struct ControllerOptions {
    /// The process that it decides for; it drives the jobs that this session owns.
    pub session: SessionId,
    /// How often tasks are tried again.
    pub retry: RetryPolicy,
    /// A job is shown as finishing when making its result takes longer; zero shows each.
    pub finishing_shown_after: Duration,
    /// Whether it takes over durable jobs whose owner is gone.
    pub adopts: bool,
    /// The kinds of jobs that it knows.
    pub kinds: Vec<Arc<dyn JobKind>>,
    /// Where it remembers.
    pub store: Arc<dyn Store>,
    /// Where large documents go.
    pub documents: Arc<dyn Documents>,
    /// Time.
    pub clock: Arc<dyn Clock>,
    /// Ids and chance.
    pub ids: Arc<dyn Ids>,
    /// Which processes are dead.
    pub liveness: Arc<dyn Liveness>,
}

/// Decides what comes next for the jobs of its session.
pub struct Controller {
    pub(crate) options: ControllerOptions,
    kinds: BTreeMap<&'static str, Arc<dyn JobKind>>,
    state: Mutex<State>,
    stepping: tokio::sync::Mutex<()>,
    nudged: Notify,
    ended: watch::Sender<u64>,
}

struct State {
    /// In the order of ids, so that equal runs do equal things in the same order.
    active: BTreeMap<JobId, Active>,
    cursor: EventSeq,
    /// When to look for what others left.
    rescue_at: Elapsed,
    /// Where the next look goes on; `None` begins anew.
    rescue_page: Option<String>,
    /// When the next pause of a task is over; `None` while no task pauses.
    wake_at: Option<Elapsed>,
}

/// What one step did.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Step {
    /// Number of events dealt with.
    pub events: usize,
    /// Number of jobs ended.
    pub ended: usize,
    /// Number of tasks taken back from workers.
    pub taken_back: usize,
    /// When to step again even if nothing happens.
    pub again_in: Option<Duration>,
}

/// Why a job cannot be waited for.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum WaitError {
    /// There is no such job.
    #[error("there is no job {0}")]
    NotFound(JobId),
    /// The store did not answer.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl Controller {
    /// A controller that has done nothing yet. It deals with what happens from now on, and with the unfinished jobs
    /// that the store holds.
    ///
    /// # Errors
    /// [`StoreError`] if the store did not answer.
    pub async fn open(options: ControllerOptions) -> Result<Self, StoreError> {
        let kinds = options.kinds.iter().map(|kind| (kind.name(), kind.clone())).collect();
        let cursor = options.store.last_event().await?;
        let state = State {
            active: BTreeMap::new(),
            cursor,
            rescue_at: Elapsed(0),
            rescue_page: None,
            wake_at: Some(Elapsed(0)),
        };
        Ok(Self {
            options,
            kinds,
            state: Mutex::new(state),
            stepping: tokio::sync::Mutex::default(),
            nudged: Notify::new(),
            ended: watch::channel(0).0,
        })
    }

    /// Steps until it is told to stop. A store that does not answer is asked again after a pause.
    pub async fn run(self: Arc<Self>, stop: CancellationToken) {
        let mut wakes = self.store().wakes();
        while !stop.is_cancelled() {
            wakes.borrow_and_update();
            let pause = match self.step().await {
                Ok(step) => step.again_in.unwrap_or(PAUSE_MAX).min(PAUSE_MAX),
                Err(error) => {
                    tracing::warn!(%error, "the controller could not step");
                    PAUSE_MAX
                }
            };
            tokio::select! {
                () = stop.cancelled() => {}
                () = self.nudged.notified() => {}
                changed = wakes.changed() => if changed.is_err() { tokio::time::sleep(pause).await },
                () = tokio::time::sleep(pause) => {}
            }
        }
    }

    /// Reads what happened since the last step and does what follows from it.
    ///
    /// # Errors
    /// [`StoreError`] if the store did not answer; the next step goes on where this one stopped.
    ///
    /// Cancel-safe: what a dropped step left undone, a later one finds in the store.
    pub async fn step(&self) -> Result<Step, StoreError> {
        let _alone = self.stepping.lock().await;
        let mut step = Step::default();
        self.rescue_if_due(&mut step).await?;
        let mut caught_up = false;
        for _ in 0..READS_PER_STEP {
            self.do_what_is_due(&mut step).await?;
            // What follows from these events is told by further ones, whose wake-up asks for another step.
            caught_up = self.read_events(&mut step).await? < EVENTS_PER_STEP;
            if caught_up {
                break;
            }
        }
        self.end_overdue(&mut step).await?;
        self.wake_due_tasks().await?;
        step.again_in = match caught_up {
            true => self.next_instant().map(|next| next.since(self.now())),
            false => Some(Duration::ZERO),
        };
        Ok(step)
    }

    /// The job when it has settled, or as it is after `at_most`.
    ///
    /// # Errors
    /// [`WaitError`] if there is no such job, the store did not answer, or nothing can be written to it: the job may
    /// then go on later.
    pub async fn settled(&self, job: JobId, at_most: Duration) -> Result<JobRecord, WaitError> {
        const LOOK_AGAIN: Duration = Duration::from_millis(250);
        let mut ended = self.ended.subscribe();
        let until = tokio::time::Instant::now() + at_most;
        loop {
            ended.borrow_and_update();
            let record = self.store().load_job(job).await?.ok_or(WaitError::NotFound(job))?;
            let left = until.saturating_duration_since(tokio::time::Instant::now());
            if record.state.is_settled() || left.is_zero() {
                return Ok(record);
            }
            if let Some(trouble) = self.store().trouble() {
                return Err(trouble.into());
            }
            // Jobs that other processes drive do not show in `ended`.
            let _ = tokio::time::timeout(left.min(LOOK_AGAIN), ended.changed()).await;
        }
    }

    /// Asks for a job's end; its open tasks are withdrawn at once if this process drives it.
    ///
    /// # Errors
    /// [`JobChangeError`] if there is no such job or the store did not answer.
    pub async fn cancel(&self, job: JobId, reason: &str) -> Result<JobState, JobChangeError> {
        let state = self.store().request_cancel(job, reason).await?;
        self.nudge();
        Ok(state)
    }

    /// Cancels an open task. Its worker sees it within 200 ms; what it still reports is late. A job needs all its tasks, of
    /// whatever kind it is: it ends as `cancelled`, for the reason that tells of this task.
    ///
    /// # Errors
    /// [`StoreError`] if the store did not answer; [`ChangeRefused`] inside if there is no such task or it has ended.
    pub async fn cancel_task(&self, task: TaskId, reason: &str) -> Result<Result<(), ChangeRefused>, StoreError> {
        let answer = self.store().cancel_task(task, reason).await?;
        self.nudge();
        Ok(answer)
    }

    /// A job's result.
    ///
    /// # Errors
    /// [`crate::DocumentError`] if it is no longer kept or was damaged.
    pub async fn result(&self, record: &JobRecord) -> Result<Option<Value>, crate::DocumentError> {
        match &record.result {
            Some(stored) => self.options.documents.load(stored).await.map(Some),
            None => Ok(None),
        }
    }

    pub(crate) fn store(&self) -> &dyn Store {
        &*self.options.store
    }

    pub(crate) fn session(&self) -> &SessionId {
        &self.options.session
    }

    pub(crate) fn kinds(&self) -> &BTreeMap<&'static str, Arc<dyn JobKind>> {
        &self.kinds
    }

    pub(crate) fn now(&self) -> Elapsed {
        self.options.clock.elapsed()
    }

    pub(crate) fn new_job_id(&self) -> JobId {
        self.options.ids.job_id(self.options.clock.wall())
    }

    pub(crate) fn nudge(&self) {
        self.nudged.notify_one();
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
