//! Taking back what dead or silent processes left: tasks whose lease ran out, jobs without an owner.

use std::collections::BTreeSet;
use std::time::Duration;

use hw_job::{
    AfterAttempt, Command, Elapsed, Ending, ErrorClass, Failure, JobCourse, JobEnding, JobEvent, Lifetime, RetryPolicy,
    SessionId, TaskState,
};
use hw_store::{
    EndJob, JobChangeError, JobFilter, JobRecord, NextState, PageRequest, SessionRecord, StoreError, TaskChange,
    TaskRecord,
};

use crate::controller::{Active, Controller, Instants, Step, failure_of};

/// Most tasks taken back, and most jobs looked at, in one step.
const RESCUED_PER_STEP: u32 = 256;

/// Pause between two looks.
const RESCUE_EVERY: Duration = Duration::from_secs(1);

impl Controller {
    /// Looks for what others left, once per [`RESCUE_EVERY`].
    pub(crate) async fn rescue_if_due(&self, step: &mut Step) -> Result<(), StoreError> {
        if self.is_rescue_due(RESCUE_EVERY) {
            self.rescue(step).await?;
        }
        Ok(())
    }

    /// Gives up sessions that are dead, takes their tasks back and settles or adopts their jobs.
    async fn rescue(&self, step: &mut Step) -> Result<(), StoreError> {
        let sessions = self.store().list_sessions().await?;
        for dead in sessions.iter().filter(|record| self.is_over(record)) {
            tracing::info!(session = %dead.session.id, pid = dead.session.pid, "a process is gone; its work is taken back");
            self.store().end_session(&dead.session.id).await?;
        }
        self.take_back_tasks(&sessions, step).await?;
        self.settle_orphans(step).await
    }

    /// Whether the process is dead, as far as can be told from here: its lease is over, or it is not on this host any more.
    pub fn is_over(&self, record: &SessionRecord) -> bool {
        record.session.id != *self.session() && (record.expired || self.options.liveness.is_dead(&record.session))
    }

    async fn take_back_tasks(&self, sessions: &[SessionRecord], step: &mut Step) -> Result<(), StoreError> {
        let expired = self.store().expired_tasks(RESCUED_PER_STEP).await?;
        let changes: Vec<TaskChange> = expired.iter().map(|task| self.lost(task, sessions)).collect();
        if changes.is_empty() {
            return Ok(());
        }
        for refused in self.store().change_tasks(changes).await? {
            match refused {
                Ok(_) => step.taken_back += 1,
                Err(refused) => tracing::debug!(%refused, "a task was not taken back"),
            }
        }
        Ok(())
    }

    /// The worker died if its process is known to be dead; otherwise it may only be cut off.
    fn lost(&self, task: &TaskRecord, sessions: &[SessionRecord]) -> TaskChange {
        let worker = task.worker.as_ref().map(|worker| worker.0.as_str()).unwrap_or_default();
        let session = sessions.iter().find(|record| belongs_to(worker, &record.session.id));
        let worker_died = session.is_some_and(|record| self.options.liveness.is_dead(&record.session));
        let ending = Ending::Lost { worker_died };
        let counts = task.counts.and(&ending);
        let next = next_state(&self.options.retry, counts, &ending, self.options.ids.chance());
        TaskChange {
            task: task.id,
            fence: task.fence,
            ending,
            counts,
            next,
            files: Vec::new(),
            work: None,
        }
    }

    /// Looks at a page of unsettled jobs: takes up those of this session that it does not drive, and ends or adopts those
    /// whose owner is gone.
    async fn settle_orphans(&self, step: &mut Step) -> Result<(), StoreError> {
        let filter = JobFilter {
            unsettled: true,
            ..JobFilter::default()
        };
        let request = PageRequest {
            limit: RESCUED_PER_STEP,
            after: self.rescue_page(),
        };
        let page = self.store().list_jobs(&filter, &request).await?;
        let owners = self.owners_of(&page.items).await?;
        for job in page.items {
            match &job.owner {
                Some(owner) if owner == self.session() => self.take_up(job).await?,
                Some(owner) if owners.contains(owner) => {}
                Some(_) | None => self.settle_orphan(job, step).await?,
            }
        }
        self.go_on_at_page(page.next);
        Ok(())
    }

    /// The sessions that are there, if one of the jobs is of another session than this. They are looked up after the
    /// jobs: an owner that is missing then has ended, and is not one that has only just begun. A process that slept while
    /// it was given up may still have made or adopted jobs.
    async fn owners_of(&self, jobs: &[JobRecord]) -> Result<BTreeSet<SessionId>, StoreError> {
        let mut owners = jobs.iter().filter_map(|job| job.owner.as_ref());
        if owners.all(|owner| owner == self.session()) {
            return Ok(BTreeSet::new());
        }
        let sessions = self.store().list_sessions().await?;
        Ok(sessions.into_iter().map(|record| record.session.id).collect())
    }

    async fn take_up(&self, job: JobRecord) -> Result<(), StoreError> {
        if self.drives(job.id) {
            return Ok(());
        }
        self.load(job).await
    }

    async fn settle_orphan(&self, job: JobRecord, step: &mut Step) -> Result<(), StoreError> {
        match orphan_ending(&job) {
            // Its owner may have begun its session anew since it was looked for: nobody ends a job of a living one.
            Some(ending) if self.adopts(&job).await? => self.end_orphan(job, ending, step).await,
            Some(_) => Ok(()),
            None if self.options.adopts && self.kinds().contains_key(job.kind.as_str()) => self.adopt(job).await,
            None => Ok(()),
        }
    }

    async fn end_orphan(&self, job: JobRecord, ending: JobEnding, step: &mut Step) -> Result<(), StoreError> {
        let end = EndJob {
            job: job.id,
            ending,
            changes: Vec::new(),
            files: Vec::new(),
            flush: false,
        };
        match self.store().end_job(end).await {
            Ok(()) => step.ended += 1,
            Err(JobChangeError::Store(error)) => return Err(error),
            Err(refused) => tracing::debug!(job = %job.id, %refused, "an orphaned job had ended already"),
        }
        Ok(())
    }

    async fn adopt(&self, job: JobRecord) -> Result<(), StoreError> {
        match self.adopts(&job).await? {
            true => self.load(job).await,
            false => Ok(()),
        }
    }

    /// Becomes the owner of a job, unless another one was faster.
    async fn adopts(&self, job: &JobRecord) -> Result<bool, StoreError> {
        let owner = job.owner.as_ref();
        self.store().adopt_job(job.id, owner, self.session()).await
    }

    /// Takes a job's course up from what the store remembers.
    async fn load(&self, job: JobRecord) -> Result<(), StoreError> {
        let Some(kind) = self.kinds().get(job.kind.as_str()).cloned() else {
            tracing::warn!(job = %job.id, kind = job.kind, "a job of a kind that this program does not know waits");
            return Ok(());
        };
        let tasks = self.store().load_tasks(job.id).await?;
        let states = tasks.iter().map(|task| (task.id.index, task.state));
        let mut course = JobCourse::new(job.state, states);
        let due = first_commands(&mut course, &job, &tasks);
        let since = Elapsed(
            self.now()
                .0
                .saturating_sub(u64::try_from(job.age.as_micros()).unwrap_or(u64::MAX)),
        );
        let instants = Instants::new(since, job.timeout, job.not_before, job.deadline);
        self.begin(
            job.id,
            Active::new(kind, course, job.expanded, job.reads, instants).with_due(due),
        );
        Ok(())
    }
}

/// Whether a worker lives in the process of this session: workers are named `SESSION:NAME`.
fn belongs_to(worker: &str, session: &SessionId) -> bool {
    let rest = worker.strip_prefix(session.0.as_str());
    rest.is_some_and(|rest| rest.is_empty() || rest.starts_with(':'))
}

/// How a job without an owner ends; `None` if it waits for one.
fn orphan_ending(job: &JobRecord) -> Option<JobEnding> {
    if let Some(reason) = job.cancel_reason.clone() {
        return Some(JobEnding::Cancelled { reason });
    }
    match job.lifetime {
        Lifetime::Durable => None,
        Lifetime::Interactive => {
            let failure = Failure::new(
                ErrorClass::Platform,
                "HW-J010",
                "the process that ran the job ended before the job did",
            );
            let help = "run it again; nothing of the job was kept";
            Some(JobEnding::Failed(failure.help(help)))
        }
    }
}

/// What is to be done about a job that was just loaded. The events that tell of its cancellation and of its tasks may
/// have been read by the process that drove it before, so the records say it instead.
fn first_commands(course: &mut JobCourse, job: &JobRecord, tasks: &[TaskRecord]) -> Vec<Command> {
    if let Some(reason) = job.cancel_reason.clone() {
        return course.apply(JobEvent::CancelRequested { reason });
    }
    let mut settled = tasks.iter().filter(|task| task.state.is_settled());
    match settled.find(|task| task.state != TaskState::Succeeded) {
        Some(task) => course.apply(JobEvent::TaskChanged {
            index: task.id.index,
            state: task.state,
            failure: Some(failure_of(task)),
        }),
        None => course.resume(),
    }
}

/// The store's form of what the retry policy decides.
pub(crate) fn next_state(
    policy: &RetryPolicy,
    counts: hw_job::AttemptCounts,
    ending: &Ending,
    chance: f64,
) -> NextState {
    match policy.after(counts, ending, chance) {
        AfterAttempt::Settled(state) => NextState::Settled(state),
        AfterAttempt::Ready => NextState::Ready,
        AfterAttempt::RetryAfter(pause) => NextState::RetryAfter(pause),
    }
}
