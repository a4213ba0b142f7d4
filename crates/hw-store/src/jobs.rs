//! Jobs: submitting, looking up, adding tasks, ending.

mod check;
mod counts;

use std::time::Duration;

use async_trait::async_trait;
use hw_catalog::{Finding, TableName, TableVersion};
use hw_job::{
    AttemptCounts, AttemptId, AttemptState, CatalogChange, Due, Elapsed, Failure, Fence, JobEnding, JobId, JobState,
    Lifetime, Needs, Progress, SessionId, StoredDocument, TaskCounts, TaskId, TaskSpec, TaskState, Timestamp, Work,
    WorkerId,
};
use serde_json::Value;

use crate::StoreError;
pub(crate) use check::{
    check_depth, check_ending, check_events, check_inline, check_job, check_page, check_tasks, job_folder, page_token,
    parse_page_token, plain_id,
};
pub(crate) use counts::move_counted;

/// Tells repeated submissions of one request apart from new ones.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IdempotencyKey {
    /// The client's key.
    pub key: String,
    /// Identifies kind and parameters; another one under the same key is a conflict.
    pub request: String,
}

/// A job to be made, with its first tasks.
#[derive(Debug, Clone, PartialEq)]
pub struct NewJob {
    /// Its id, made by the submitter.
    pub id: JobId,
    /// Its kind.
    pub kind: String,
    /// Version of its parameters.
    pub format: u32,
    /// Parameters as given.
    pub params: Value,
    /// Parameters expanded.
    pub expanded: Value,
    /// Oddities that are no faults.
    pub warnings: Vec<Finding>,
    /// Versions of the tables it reads.
    pub reads: Vec<(TableName, TableVersion)>,
    /// Its first tasks; their indices are their places here.
    pub tasks: Vec<TaskSpec>,
    /// Lower first.
    pub priority: i32,
    /// Longest time from submission, or from `not_before`, to end.
    pub timeout: Option<Duration>,
    /// No task may start before.
    pub not_before: Option<Due>,
    /// It must have ended by then.
    pub deadline: Option<Due>,
    /// Labels for people and filters.
    pub tags: Vec<String>,
    /// The job that made it.
    pub parent: Option<JobId>,
    /// What happens to it when its owner is gone.
    pub lifetime: Lifetime,
    /// The process that drives it.
    pub owner: SessionId,
    /// Same text, same answer; lets a finished job answer for a new one.
    pub fingerprint: Option<String>,
    /// Tells repeated submissions apart.
    pub idempotency: Option<IdempotencyKey>,
    /// Whether the submission must survive a power cut once it is acknowledged.
    pub flush: bool,
}

/// What became of a submission.
#[derive(Debug, Clone, PartialEq)]
pub enum Submission {
    /// The job exists now.
    Created,
    /// The same request was submitted before, as this job.
    Existing(JobId),
}

/// Why a submission was refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SubmitError {
    /// The idempotency key was used for another request.
    #[error("the idempotency key `{key}` was used for another request, job {job}")]
    KeyConflict {
        /// The key.
        key: String,
        /// The job made for the other request.
        job: JobId,
    },
    /// Too many jobs are unfinished.
    #[error("{limit} jobs are queued or running, no more are accepted")]
    QueueFull {
        /// The limit.
        limit: u32,
    },
    /// The store did not answer.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// A job as the store remembers it.
#[derive(Debug, Clone, PartialEq)]
pub struct JobRecord {
    /// Its id.
    pub id: JobId,
    /// Its kind.
    pub kind: String,
    /// Version of its parameters.
    pub format: u32,
    /// Its state.
    pub state: JobState,
    /// Parameters as given.
    pub params: Value,
    /// Parameters expanded.
    pub expanded: Value,
    /// Oddities that are no faults.
    pub warnings: Vec<Finding>,
    /// Versions of the tables it reads.
    pub reads: Vec<(TableName, TableVersion)>,
    /// Its result, once it succeeded and as long as results are kept.
    pub result: Option<StoredDocument>,
    /// Something beside the result failed.
    pub partial: bool,
    /// Why it failed or timed out.
    pub failure: Option<Failure>,
    /// Who or what asked for its end.
    pub cancel_reason: Option<String>,
    /// How far it is.
    pub progress: Progress,
    /// Its tasks by state.
    pub tasks: TaskCounts,
    /// Number of attempts at all its tasks.
    pub attempts: u32,
    /// Lower first.
    pub priority: i32,
    /// Longest time from submission, or from `not_before`, to end.
    pub timeout: Option<Duration>,
    /// No task may start before.
    pub not_before: Option<Due>,
    /// It must have ended by then.
    pub deadline: Option<Due>,
    /// Labels.
    pub tags: Vec<String>,
    /// The job that made it.
    pub parent: Option<JobId>,
    /// What happens to it when its owner is gone.
    pub lifetime: Lifetime,
    /// The process that drives it; `None` once that process is gone and nobody took it over.
    pub owner: Option<SessionId>,
    /// Same text, same answer.
    pub fingerprint: Option<String>,
    /// When it was submitted.
    pub created_at: Timestamp,
    /// When its first task started.
    pub started_at: Option<Timestamp>,
    /// When it settled.
    pub ended_at: Option<Timestamp>,
    /// Time from submission until it settled, or until now; immune to clock jumps while the host runs.
    pub age: Duration,
}

impl JobRecord {
    /// Time until the job may start, by the store's clock; `None` if it may.
    pub fn starts_in(&self) -> Option<Duration> {
        let left = self.not_before?.after.checked_sub(self.age)?;
        (!left.is_zero() && self.state == JobState::Queued).then_some(left)
    }
}

/// A task as the store remembers it.
#[derive(Debug, Clone, PartialEq)]
pub struct TaskRecord {
    /// Its id.
    pub id: TaskId,
    /// What a worker must know to do.
    pub kind: String,
    /// Version of `params`.
    pub format: u32,
    /// Its state.
    pub state: TaskState,
    /// The newest fence; zero before the first claim.
    pub fence: Fence,
    /// Its parameters.
    pub params: Value,
    /// What it needs of its place.
    pub needs: Needs,
    /// Keys that make a worker preferable.
    pub affinity: Vec<String>,
    /// Whom it takes turns with.
    pub flow: String,
    /// Tasks that must succeed first.
    pub after: Vec<u32>,
    /// Number of attempts made.
    pub attempts: u32,
    /// How those ended, for the retry policy.
    pub counts: AttemptCounts,
    /// Not to be claimed before this.
    pub not_before: Option<Elapsed>,
    /// Who has it.
    pub worker: Option<WorkerId>,
    /// Until when.
    pub lease_until: Option<Elapsed>,
    /// What it has worked off, in the newest attempt that told of any.
    pub work: Work,
    /// What it brought.
    pub outcome: Option<StoredDocument>,
    /// Why the last attempt failed.
    pub failure: Option<Failure>,
    /// When it was made.
    pub created_at: Timestamp,
    /// When its newest attempt started.
    pub started_at: Option<Timestamp>,
    /// When it settled.
    pub ended_at: Option<Timestamp>,
}

/// An attempt as the store remembers it.
#[derive(Debug, Clone, PartialEq)]
pub struct AttemptRecord {
    /// Its id.
    pub id: AttemptId,
    /// Its fence.
    pub fence: Fence,
    /// Its state.
    pub state: AttemptState,
    /// Who carried it out.
    pub worker: WorkerId,
    /// When it started.
    pub started_at: Timestamp,
    /// When it ended.
    pub ended_at: Option<Timestamp>,
    /// How long it took, on the elapsed clock.
    pub took: Option<Duration>,
    /// Why it failed.
    pub failure: Option<Failure>,
}

/// Which jobs a list holds. Empty members pass all.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct JobFilter {
    /// Only these kinds.
    pub kinds: Vec<String>,
    /// Only these states.
    pub states: Vec<JobState>,
    /// Only jobs that read this table.
    pub table: Option<TableName>,
    /// Only jobs with this tag.
    pub tag: Option<String>,
    /// Only jobs owned by this session.
    pub owner: Option<SessionId>,
    /// Only jobs that are not settled.
    pub unsettled: bool,
}

/// Which page of a list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PageRequest {
    /// At most so many items, 1 to 1,000.
    pub limit: u32,
    /// The token that came with the page before.
    pub after: Option<String>,
}

/// A page of a list, newest first.
#[derive(Debug, Clone, PartialEq)]
pub struct Page<T> {
    /// The items.
    pub items: Vec<T>,
    /// Token of the next page; `None` on the last one.
    pub next: Option<String>,
}

/// More tasks for a job, and how far it is.
#[derive(Debug, Clone, PartialEq)]
pub struct AddTasks {
    /// Which job.
    pub job: JobId,
    /// Index of the first new task: the number of tasks that the job has. Another number is a conflict.
    pub first_index: u32,
    /// The tasks.
    pub tasks: Vec<TaskSpec>,
}

/// The end of a job.
#[derive(Debug, Clone, PartialEq)]
pub struct EndJob {
    /// Which job.
    pub job: JobId,
    /// How it ends.
    pub ending: JobEnding,
    /// Changes of the catalog that take effect with it.
    pub changes: Vec<CatalogChange>,
    /// Files confirmed with it, by path.
    pub files: Vec<String>,
    /// Whether the end must survive a power cut once it is acknowledged.
    pub flush: bool,
}

/// Why a change of a job was refused. Nothing of it took effect.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum JobChangeError {
    /// There is no such job.
    #[error("there is no job {0}")]
    NotFound(JobId),
    /// The job has settled meanwhile.
    #[error("job {job} has ended already, as {}", state.as_str())]
    Settled {
        /// Which job.
        job: JobId,
        /// As what.
        state: JobState,
    },
    /// Somebody else added tasks meanwhile.
    #[error("job {job} has {found} tasks, not {expected}")]
    TasksMoved {
        /// Which job.
        job: JobId,
        /// Number of tasks that the change was based on.
        expected: u32,
        /// Number of tasks that it has.
        found: u32,
    },
    /// A table changed meanwhile.
    #[error("table `{name}` changed while the job ran: version {expected} was looked at, {found} is there now")]
    TableMoved {
        /// Which table.
        name: TableName,
        /// The version looked at.
        expected: TableVersion,
        /// The version there; zero if the table is gone.
        found: TableVersion,
    },
    /// The store did not answer.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Jobs, their tasks and attempts.
#[async_trait]
pub trait JobStore {
    /// Makes a job and its first tasks, with events `job.submitted` and, if any task is ready, `task.ready`. Tasks
    /// without predecessors are ready, the others wait; all of them wait if the job must not start yet. The first task's
    /// stage is the job's, and the tables that it reads are in use now.
    ///
    /// # Errors
    /// [`SubmitError`]; then nothing exists. It is [`StoreError::Misuse`] if the id is taken, a document is nested deeper
    /// than [`DOCUMENT_DEPTH_MAX`](crate::DOCUMENT_DEPTH_MAX), or tasks wait for each other in a circle or for a task
    /// that does not exist.
    async fn submit_job(&self, job: NewJob) -> Result<Submission, SubmitError>;

    /// The job, or `None`.
    ///
    /// # Errors
    /// [`StoreError`] if the store did not answer.
    async fn load_job(&self, id: JobId) -> Result<Option<JobRecord>, StoreError>;

    /// Up to `limit` ids of jobs whose text begins or ends with `text` (hyphens ignored), newest first.
    ///
    /// # Errors
    /// [`StoreError`] if the store did not answer.
    async fn find_jobs(&self, text: &str, limit: u32) -> Result<Vec<JobId>, StoreError>;

    /// A page of jobs, newest first.
    ///
    /// # Errors
    /// [`StoreError`] if the store did not answer, the page token is none of its own or the limit out of range
    /// ([`StoreError::Misuse`]).
    async fn list_jobs(&self, filter: &JobFilter, page: &PageRequest) -> Result<Page<JobRecord>, StoreError>;

    /// All tasks of a job by index; empty for an unknown job.
    ///
    /// # Errors
    /// [`StoreError`] if the store did not answer.
    async fn load_tasks(&self, job: JobId) -> Result<Vec<TaskRecord>, StoreError>;

    /// The task, or `None`.
    ///
    /// # Errors
    /// [`StoreError`] if the store did not answer.
    async fn load_task(&self, task: TaskId) -> Result<Option<TaskRecord>, StoreError>;

    /// All attempts at the tasks of a job, by task and number.
    ///
    /// # Errors
    /// [`StoreError`] if the store did not answer.
    async fn load_attempts(&self, job: JobId) -> Result<Vec<AttemptRecord>, StoreError>;

    /// The job that was submitted under this idempotency key, and the request that it was made for; `None` for a key that
    /// is not known, or no longer because its job is gone.
    ///
    /// # Errors
    /// [`StoreError`] if the store did not answer.
    async fn find_key(&self, key: &str) -> Result<Option<(JobId, String)>, StoreError>;

    /// The newest succeeded job of this kind and fingerprint whose result is kept.
    ///
    /// # Errors
    /// [`StoreError`] if the store did not answer.
    async fn find_result(&self, kind: &str, fingerprint: &str) -> Result<Option<JobRecord>, StoreError>;

    /// Adds tasks to an unsettled job, and makes the first one's stage the job's; those that need one which ended otherwise
    /// than well, or is blocked itself, are blocked.
    ///
    /// # Errors
    /// [`JobChangeError`]; then none was added.
    async fn add_tasks(&self, add: AddTasks) -> Result<(), JobChangeError>;

    /// Marks a running job as finishing; no effect on one that is finishing already.
    ///
    /// # Errors
    /// [`JobChangeError`]; then nothing changed.
    async fn finish_job(&self, job: JobId) -> Result<(), JobChangeError>;

    /// Ends a job: its state, result, catalog changes, confirmed files, event `job.ended` (before it `job.finishing`, if it
    /// succeeds and was not marked so) and the table events, and the withdrawal of its open tasks (state `cancelled`, fence raised, running attempts `cancelled`) in one transaction.
    /// The store sets the version of a table that is put, its time, and its origin where it names none.
    ///
    /// # Errors
    /// [`JobChangeError`]; then nothing changed. [`StoreError::FileSwept`] inside if one of the files can not be confirmed.
    async fn end_job(&self, end: EndJob) -> Result<(), JobChangeError>;

    /// Notes that the job's end was asked for, with an event; no effect on a settled job or a second time. Returns the
    /// job's state.
    ///
    /// # Errors
    /// [`JobChangeError::NotFound`], or the store did not answer.
    async fn request_cancel(&self, job: JobId, reason: &str) -> Result<JobState, JobChangeError>;

    /// Adds labels to the job, settled or not, behind those it has; one that it has already is not added. No effect if the job
    /// is not there.
    ///
    /// # Errors
    /// [`StoreError`] if the store did not answer.
    async fn label_job(&self, job: JobId, tags: &[String]) -> Result<(), StoreError>;

    /// Makes `to` the owner of the unsettled job if `from` is still its owner and has no session, not even one that was
    /// begun anew after it was given up; returns whether it did.
    ///
    /// # Errors
    /// [`StoreError`] if the store did not answer.
    async fn adopt_job(&self, job: JobId, from: Option<&SessionId>, to: &SessionId) -> Result<bool, StoreError>;
}
