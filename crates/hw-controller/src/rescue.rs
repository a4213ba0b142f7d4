//! Taking back what dead or silent processes left: tasks whose lease ran out, jobs without an owner.

use std::time::Duration;

use hw_job::{AfterAttempt, Elapsed, Ending, ErrorClass, Failure, JobCourse, JobEnding, Lifetime, RetryPolicy};
use hw_store::{
    EndJob, JobChangeError, JobFilter, JobRecord, NextState, PageRequest, SessionRecord, StoreError, TaskChange,
    TaskRecord,
};

use crate::controller::{Active, Controller, Step};

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

    fn is_over(&self, record: &SessionRecord) -> bool {
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
        let session = sessions.iter().find(|record| worker.starts_with(&record.session.id.0));
        let worker_died = session.is_none_or(|record| self.options.liveness.is_dead(&record.session));
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
        }
    }

    async fn settle_orphans(&self, step: &mut Step) -> Result<(), StoreError> {
        let filter = JobFilter {
            unsettled: true,
            ..JobFilter::default()
        };
        let page = self
            .store()
            .list_jobs(
                &filter,
                &PageRequest {
                    limit: RESCUED_PER_STEP,
                    after: None,
                },
            )
            .await?;
        for job in page.items {
            let mine = job.owner.as_ref() == Some(self.session());
            match (&job.owner, job.lifetime) {
                (Some(_), _) if mine && !self.drives(job.id) => self.load(job).await?,
                (Some(_), _) => {}
                (None, Lifetime::Interactive) => self.end_orphan(job, step).await?,
                (None, Lifetime::Durable) if self.options.adopts => self.adopt(job).await?,
                (None, Lifetime::Durable) => {}
            }
        }
        Ok(())
    }

    async fn end_orphan(&self, job: JobRecord, step: &mut Step) -> Result<(), StoreError> {
        let failure = Failure::new(
            ErrorClass::Platform,
            "HW-J010",
            "the process that ran the job ended before the job did",
        )
        .help("run it again; nothing of the job was kept");
        let end = EndJob {
            job: job.id,
            ending: JobEnding::Failed(failure),
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
        let adopted = self.store().adopt_job(job.id, None, self.session()).await?;
        if adopted { self.load(job).await } else { Ok(()) }
    }

    /// Takes a job's course up from what the store remembers.
    async fn load(&self, job: JobRecord) -> Result<(), StoreError> {
        let Some(kind) = self.kinds().get(job.kind.as_str()).cloned() else {
            tracing::warn!(job = %job.id, kind = job.kind, "a job of a kind that this program does not know waits");
            return Ok(());
        };
        let tasks = self.store().load_tasks(job.id).await?;
        let states = tasks.iter().map(|task| (task.id.index, task.state));
        let course = JobCourse::new(job.state, states);
        let since = Elapsed(
            self.now()
                .0
                .saturating_sub(u64::try_from(job.age.as_micros()).unwrap_or(u64::MAX)),
        );
        let deadline = job.timeout.map(|timeout| since.after(timeout));
        self.begin(
            job.id,
            Active::new(kind, course, job.expanded, job.reads, (since, deadline)),
        );
        Ok(())
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
