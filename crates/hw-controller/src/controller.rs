//! The controller's state and its steps.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use hw_catalog::{TableName, TableVersion};
use hw_job::{
    Advance, Clock, Command, Elapsed, ErrorClass, Event, EventKind, EventSeq, Failure, JobCourse, JobEnding, JobEvent,
    JobId, JobKind, JobState, JobView, Merged, Progress, RetryPolicy, SessionId, StoredDocument, TaskId, TaskState,
    TaskView,
};
use hw_store::{AddTasks, EndJob, EventFilter, JobChangeError, JobRecord, Store, StoreError, TaskRecord};
use serde_json::Value;
use tokio::sync::{Notify, watch};
use tokio_util::sync::CancellationToken;

use crate::documents::Documents;
use crate::ids::Ids;
use crate::liveness::Liveness;

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

/// A job that the controller drives.
pub(crate) struct Active {
    kind: Arc<dyn JobKind>,
    course: JobCourse,
    expanded: Value,
    reads: Vec<(TableName, TableVersion)>,
    since: Elapsed,
    /// How long its submission took.
    enqueued: Duration,
    deadline: Option<Elapsed>,
    /// What was decided when it was made or loaded, and is still to be done.
    due: Vec<Command>,
}

impl Active {
    pub(crate) fn new(
        kind: Arc<dyn JobKind>,
        course: JobCourse,
        expanded: Value,
        reads: Vec<(TableName, TableVersion)>,
        (since, deadline): (Elapsed, Option<Elapsed>),
    ) -> Self {
        Self {
            kind,
            course,
            expanded,
            reads,
            since,
            enqueued: Duration::ZERO,
            deadline,
            due: Vec::new(),
        }
    }

    /// The same job, with something to be done about it by the next step.
    pub(crate) fn with_due(mut self, due: Vec<Command>) -> Self {
        self.due = due;
        self
    }
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
            caught_up = self.read_events(&mut step).await? == 0;
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
    /// [`WaitError`] if there is no such job or the store did not answer.
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

    pub(crate) fn begin(&self, job: JobId, active: Active) {
        self.state().active.insert(job, active);
    }

    /// Notes that a job is in the store and how long its submission took. Nothing is decided about it before.
    pub(crate) fn enqueued(&self, job: JobId, since: Elapsed) {
        let took = self.now().since(since);
        if let Some(active) = self.state().active.get_mut(&job) {
            active.enqueued = took;
            active.due = active.course.resume();
        }
        self.nudge();
    }

    pub(crate) fn abandon(&self, job: JobId) {
        self.state().active.remove(&job);
    }

    /// Forgets a job of which this process may no longer know how it stands, and looks soon for what became of it.
    fn look_anew(&self, job: JobId) {
        self.abandon(job);
        self.state().rescue_at = self.now();
    }

    pub(crate) fn drives(&self, job: JobId) -> bool {
        self.state().active.contains_key(&job)
    }

    pub(crate) fn nudge(&self) {
        self.nudged.notify_one();
    }

    /// Progress is told to people only, so a failure to note it is not one of the job.
    pub(crate) async fn note_stage(&self, job: JobId, stage: String) {
        let progress = Progress {
            stage,
            ..Progress::default()
        };
        if let Err(error) = self.store().note_progress(job, &progress).await {
            tracing::debug!(%job, %error, "the progress could not be noted");
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Does what was decided when jobs were made or loaded, one job after the other.
    async fn do_what_is_due(&self, step: &mut Step) -> Result<(), StoreError> {
        while let Some((job, commands)) = self.take_due() {
            self.carry_out(job, commands, step).await?;
        }
        Ok(())
    }

    fn take_due(&self) -> Option<(JobId, Vec<Command>)> {
        let mut state = self.state();
        let mut waiting = state.active.iter_mut().filter(|(_, active)| !active.due.is_empty());
        waiting
            .next()
            .map(|(job, active)| (*job, std::mem::take(&mut active.due)))
    }

    async fn read_events(&self, step: &mut Step) -> Result<usize, StoreError> {
        let filter = EventFilter {
            kinds: vec![
                EventKind::TaskEnded,
                EventKind::TaskRetry,
                EventKind::JobCancelRequested,
                EventKind::JobEnded,
            ],
            ..EventFilter::default()
        };
        let cursor = self.state().cursor;
        let events = self.store().read_events(cursor, EVENTS_PER_STEP, &filter).await?;
        for event in &events {
            self.deal_with(event, step).await?;
            self.state().cursor = event.seq;
        }
        step.events += events.len();
        Ok(events.len())
    }

    async fn deal_with(&self, event: &Event, step: &mut Step) -> Result<(), StoreError> {
        if event.kind == EventKind::TaskRetry {
            // Asking now tells when the new pause is over.
            self.state().wake_at = Some(self.now());
            return Ok(());
        }
        let Some(job) = event.job.filter(|job| self.drives(*job)) else {
            return Ok(());
        };
        let happened = match event.kind {
            EventKind::JobEnded => {
                self.abandon(job);
                None
            }
            EventKind::JobCancelRequested => {
                let record = self.store().load_job(job).await?;
                let reason = record.and_then(|record| record.cancel_reason).unwrap_or_default();
                Some(JobEvent::CancelRequested { reason })
            }
            _ => self.task_change(event).await?,
        };
        match happened {
            Some(happened) => self.apply(job, happened, step).await,
            None => Ok(()),
        }
    }

    async fn task_change(&self, event: &Event) -> Result<Option<JobEvent>, StoreError> {
        let state = event
            .data
            .get("state")
            .and_then(Value::as_str)
            .and_then(TaskState::from_name);
        let (Ok(task), Some(state)) = (event.subject.parse::<TaskId>(), state) else {
            return Ok(None);
        };
        let failure = match state {
            TaskState::Succeeded => None,
            _ => self.store().load_task(task).await?.map(|record| failure_of(&record)),
        };
        Ok(Some(JobEvent::TaskChanged {
            index: task.index,
            state,
            failure,
        }))
    }

    pub(crate) async fn apply(&self, job: JobId, happened: JobEvent, step: &mut Step) -> Result<(), StoreError> {
        let commands = match self.state().active.get_mut(&job) {
            Some(active) => active.course.apply(happened),
            None => Vec::new(),
        };
        self.carry_out(job, commands, step).await
    }

    async fn carry_out(&self, job: JobId, mut commands: Vec<Command>, step: &mut Step) -> Result<(), StoreError> {
        let unfinished = Unfinished::new(self, job);
        while let Some(command) = commands.pop() {
            match command {
                Command::AskKind => commands.extend(self.ask_kind(job, step).await?),
                Command::End(ending) => self.end(job, ending, Merge::default(), step).await?,
            }
        }
        unfinished.finish();
        Ok(())
    }

    /// Asks the job's kind what comes next, and does it.
    async fn ask_kind(&self, job: JobId, step: &mut Step) -> Result<Vec<Command>, StoreError> {
        let Some(facts) = self.facts(job) else {
            return Ok(Vec::new());
        };
        let records = self.store().load_tasks(job).await?;
        if records.iter().any(|task| task.state != TaskState::Succeeded) {
            return Ok(self.correct_course(job, &records));
        }
        if records.iter().any(|task| task.outcome.is_none()) {
            // Retention takes outcomes of settled jobs only: while this process slept, another one ended the job.
            self.look_anew(job);
            return Ok(Vec::new());
        }
        let tasks = match self.task_views(records).await {
            Ok(tasks) => tasks,
            Err(failure) => return Ok(vec![Command::End(JobEnding::Failed(failure))]),
        };
        let count = tasks.len();
        let advance = offload(move || {
            let view = JobView {
                id: job,
                expanded: &facts.expanded,
                reads: &facts.reads,
                tasks: &tasks,
                elapsed: facts.elapsed,
                enqueued: facts.enqueued,
            };
            facts.kind.advance(&view)
        });
        match advance.await {
            Err(failure) => Ok(vec![Command::End(JobEnding::Failed(failure))]),
            Ok(Advance::Tasks(specs)) if specs.is_empty() => Ok(vec![Command::End(JobEnding::Failed(nothing_named()))]),
            Ok(Advance::Tasks(specs)) => self.add_tasks(job, count, specs).await,
            Ok(Advance::Finish(merged)) => self.finish(job, merged, step).await,
        }
    }

    fn facts(&self, job: JobId) -> Option<Facts> {
        let state = self.state();
        let active = state.active.get(&job)?;
        Some(Facts {
            kind: active.kind.clone(),
            expanded: active.expanded.clone(),
            reads: active.reads.clone(),
            elapsed: self.now().since(active.since),
            enqueued: active.enqueued,
        })
    }

    /// Another process has driven the job on: its course becomes what the store says.
    fn correct_course(&self, job: JobId, records: &[TaskRecord]) -> Vec<Command> {
        let tasks = records.iter().map(|task| (task.id.index, task.state)).collect();
        match self.state().active.get_mut(&job) {
            Some(active) => active.course.apply(JobEvent::TasksAdded(tasks)),
            None => Vec::new(),
        }
    }

    async fn task_views(&self, records: Vec<TaskRecord>) -> Result<Vec<TaskView>, Failure> {
        let mut views = Vec::with_capacity(records.len());
        for task in records {
            let outcome = match &task.outcome {
                Some(stored) => self.options.documents.load(stored).await,
                None => Ok(Value::Null),
            };
            match outcome {
                Ok(outcome) => views.push(TaskView {
                    index: task.id.index,
                    kind: task.kind,
                    params: task.params,
                    outcome,
                    attempts: task.attempts,
                }),
                Err(error) => {
                    let message = format!("the outcome of task {} cannot be read: {error}", task.id);
                    return Err(Failure::new(ErrorClass::Platform, "HW-J015", message)
                        .help("it was removed or damaged; run the job again"));
                }
            }
        }
        Ok(views)
    }

    async fn add_tasks(
        &self,
        job: JobId,
        count: usize,
        specs: Vec<hw_job::TaskSpec>,
    ) -> Result<Vec<Command>, StoreError> {
        let first_index = u32::try_from(count).unwrap_or(u32::MAX);
        let stage = specs.first().map(|task| stage_of(&task.kind));
        let added = (first_index..).zip(specs.iter().map(|_| TaskState::Waiting)).collect();
        match self
            .store()
            .add_tasks(AddTasks {
                job,
                first_index,
                tasks: specs,
            })
            .await
        {
            Ok(()) => {
                if let Some(stage) = stage {
                    self.note_stage(job, stage).await;
                }
                let mut state = self.state();
                let course = state.active.get_mut(&job).map(|active| &mut active.course);
                Ok(course
                    .map(|course| course.apply(JobEvent::TasksAdded(added)))
                    .unwrap_or_default())
            }
            Err(JobChangeError::Store(StoreError::Misuse(reason))) => {
                Ok(vec![Command::End(JobEnding::Failed(refused_by_store(&reason)))])
            }
            Err(JobChangeError::Store(error)) => Err(error),
            Err(refused) => {
                tracing::debug!(%job, %refused, "the tasks were not added");
                self.look_anew(job);
                Ok(Vec::new())
            }
        }
    }

    async fn finish(&self, job: JobId, merged: Merged, step: &mut Step) -> Result<Vec<Command>, StoreError> {
        match self.store().finish_job(job).await {
            Ok(()) => {}
            Err(JobChangeError::Store(error)) => return Err(error),
            Err(refused) => {
                tracing::debug!(%job, %refused, "the job ended before its result was made");
                self.look_anew(job);
                return Ok(Vec::new());
            }
        }
        let Merged {
            result,
            partial,
            changes,
            files,
        } = merged;
        let ending = match self.options.documents.keep(job, result).await {
            Ok(result) => JobEnding::Succeeded { result, partial },
            Err(error) => {
                let message = format!("the result could not be written: {error}");
                JobEnding::Failed(
                    Failure::new(ErrorClass::Platform, "HW-J016", message).help("make room and run it again"),
                )
            }
        };
        let merge = match ending {
            JobEnding::Succeeded { .. } => Merge {
                changes,
                files: files.iter().filter_map(path_of).collect(),
            },
            _ => Merge::default(),
        };
        if let Some(active) = self.state().active.get_mut(&job) {
            // The course learns the end; the command that follows from it is carried out here, with the changes.
            active.course.apply(JobEvent::Merged(ending.clone()));
        }
        self.end(job, ending, merge, step).await?;
        Ok(Vec::new())
    }

    async fn end(&self, job: JobId, ending: JobEnding, merge: Merge, step: &mut Step) -> Result<(), StoreError> {
        let flush = !merge.changes.is_empty();
        let mut files = merge.files;
        if let JobEnding::Succeeded { result, .. } = &ending {
            files.extend(path_of(result));
        }
        let end = EndJob {
            job,
            ending,
            changes: merge.changes,
            files,
            flush,
        };
        let ended = match self.store().end_job(end).await {
            Err(JobChangeError::TableMoved { name, expected, found }) => {
                let failure = table_moved(&name, expected, found);
                self.store().end_job(failed_end(job, failure)).await
            }
            Err(JobChangeError::Store(StoreError::Misuse(reason))) => {
                self.store().end_job(failed_end(job, refused_by_store(&reason))).await
            }
            other => other,
        };
        match ended {
            Ok(()) | Err(JobChangeError::Settled { .. } | JobChangeError::NotFound(_)) => {
                self.abandon(job);
                step.ended += 1;
                self.ended.send_modify(|count| *count += 1);
                Ok(())
            }
            Err(JobChangeError::Store(error)) => Err(error),
            Err(refused) => {
                tracing::error!(%job, %refused, "the end of a job was refused");
                self.look_anew(job);
                Ok(())
            }
        }
    }

    async fn end_overdue(&self, step: &mut Step) -> Result<(), StoreError> {
        let now = self.now();
        let overdue: Vec<JobId> = {
            let state = self.state();
            let due = state
                .active
                .iter()
                .filter(|(_, active)| active.deadline.is_some_and(|deadline| deadline <= now));
            due.map(|(job, _)| *job).collect()
        };
        for job in overdue {
            let record = self.store().load_job(job).await?;
            let seconds = record
                .and_then(|record| record.timeout)
                .unwrap_or_default()
                .as_secs_f64();
            let failure = Failure::new(
                ErrorClass::Timeout,
                "HW-J017",
                format!("timed out after {seconds} seconds"),
            )
            .help("allow more time with a longer timeout, or ask for less");
            self.apply(job, JobEvent::TimedOut(failure), step).await?;
        }
        Ok(())
    }

    /// Makes the tasks ready whose pause is over, if one may be.
    async fn wake_due_tasks(&self) -> Result<(), StoreError> {
        let due = self.state().wake_at.is_some_and(|at| at <= self.now());
        if due {
            let next = self.store().wake_due_tasks(EVENTS_PER_STEP).await?;
            self.state().wake_at = next.map(|pause| self.now().after(pause));
        }
        Ok(())
    }

    /// The next instant at which something is due by itself.
    fn next_instant(&self) -> Option<Elapsed> {
        let state = self.state();
        let deadlines = state.active.values().filter_map(|active| active.deadline);
        deadlines.chain(state.wake_at).chain([state.rescue_at]).min()
    }

    /// Whether it is time to look for what others left; the next time is `every` later.
    pub(crate) fn is_rescue_due(&self, every: Duration) -> bool {
        let now = self.now();
        let mut state = self.state();
        let due = state.rescue_at <= now;
        if due {
            state.rescue_at = now.after(every);
            state.wake_at = Some(now);
        }
        due
    }

    /// The page of unsettled jobs to look at, so that in the course of several looks each of them has its turn.
    pub(crate) fn rescue_page(&self) -> Option<String> {
        self.state().rescue_page.clone()
    }

    pub(crate) fn go_on_at_page(&self, next: Option<String>) {
        self.state().rescue_page = next;
    }
}

/// Something about a job that has begun and must not stop half-way: where it does, by an error of the store or because
/// its future is dropped, the job is forgotten here and taken up again from what the store remembers.
pub(crate) struct Unfinished<'a> {
    controller: &'a Controller,
    job: JobId,
    finished: bool,
}

impl<'a> Unfinished<'a> {
    pub(crate) fn new(controller: &'a Controller, job: JobId) -> Self {
        Self {
            controller,
            job,
            finished: false,
        }
    }

    pub(crate) fn finish(mut self) {
        self.finished = true;
    }
}

impl Drop for Unfinished<'_> {
    fn drop(&mut self) {
        if !self.finished {
            self.controller.look_anew(self.job);
        }
    }
}

/// What a job's kind is asked about, copied out of the state.
struct Facts {
    kind: Arc<dyn JobKind>,
    expanded: Value,
    reads: Vec<(TableName, TableVersion)>,
    elapsed: Duration,
    enqueued: Duration,
}

/// What takes effect together with a job's end.
#[derive(Default)]
struct Merge {
    changes: Vec<hw_job::CatalogChange>,
    files: Vec<String>,
}

/// The stage that a kind of task stands for: `inspect` for `register.inspect`.
pub(crate) fn stage_of(task_kind: &str) -> String {
    task_kind.rsplit('.').next().unwrap_or(task_kind).to_owned()
}

fn path_of(document: &StoredDocument) -> Option<String> {
    match document {
        StoredDocument::Inline(_) => None,
        StoredDocument::File { path, .. } => Some(path.clone()),
    }
}

/// Why a task did not succeed.
pub(crate) fn failure_of(task: &TaskRecord) -> Failure {
    let failure = task.failure.clone();
    if task.state == TaskState::Quarantined && (failure.is_none() || task.counts.deaths > 0) {
        let message = format!(
            "task {} was given up after {} attempts: its worker died {} times, it was lost {} times",
            task.id, task.attempts, task.counts.deaths, task.counts.lost
        );
        return Failure::new(ErrorClass::Platform, "HW-J013", message)
            .help("see `headwater task show`; `headwater task requeue` tries it again");
    }
    failure.unwrap_or_else(|| {
        Failure::new(
            ErrorClass::Internal,
            "HW-J012",
            format!("task {} is {}", task.id, task.state.as_str()),
        )
    })
}

fn table_moved(name: &TableName, expected: TableVersion, found: TableVersion) -> Failure {
    let message = format!("table `{name}` changed while the job ran: it read version {expected}, now there is {found}");
    Failure::new(ErrorClass::Input, "HW-J018", message).help("run it again on the table as it is now")
}

/// A job that asks for nothing would be asked again for ever.
fn nothing_named() -> Failure {
    let message = "the job's kind named neither further tasks nor a result";
    Failure::new(ErrorClass::Internal, "HW-J025", message).help("this is a bug of ours; please report it")
}

/// What the store will never take is not tried again.
fn refused_by_store(reason: &str) -> Failure {
    let message = format!("the store refused what the job's kind made: {reason}");
    Failure::new(ErrorClass::Internal, "HW-J026", message).help("this is a bug of ours; please report it")
}

fn failed_end(job: JobId, failure: Failure) -> EndJob {
    EndJob {
        job,
        ending: JobEnding::Failed(failure),
        changes: Vec::new(),
        files: Vec::new(),
        flush: false,
    }
}

/// Runs a computation off the reactor where there is one, and in place where there is none (simulation).
async fn offload<T: Send + 'static>(work: impl FnOnce() -> Result<T, Failure> + Send + 'static) -> Result<T, Failure> {
    match tokio::runtime::Handle::try_current() {
        Err(_) => work(),
        Ok(runtime) => runtime.spawn_blocking(work).await.unwrap_or_else(|error| {
            let message = format!("the result could not be computed: {error}");
            Err(Failure::new(ErrorClass::Internal, "HW-J019", message).help("this is a bug of ours; please report it"))
        }),
    }
}
