//! From a request to a job in the store: every fault is found before anything is made.

mod repeat;

use std::sync::Arc;
use std::time::Duration;

use hw_catalog::{Finding, TableName, TableVersion, closest};
use hw_job::{
    Due, Elapsed, Failure, JobCourse, JobId, JobKind, JobState, LastUse, Lifetime, PinnedTable, PrepareError,
    PrepareRequest, Prepared, TaskState,
};
use hw_store::{NewJob, StoreError, Submission, SubmitError};
use serde_json::Value;

use crate::controller::{Active, Controller, Instants, Unfinished};

/// Most tasks that a job may be cut into at once.
const TASKS_MAX: usize = 100_000;

/// A request for a job.
#[derive(Debug, Clone, PartialEq)]
pub struct Submit {
    /// Kind of job.
    pub kind: String,
    /// Its parameters.
    pub params: Value,
    /// The client's working folder, absolute.
    pub folder: Option<String>,
    /// Whether the client may read whatever the server's user may.
    pub unrestricted: bool,
    /// Lower first.
    pub priority: i32,
    /// Longest time from submission, or from `not_before`, to end.
    pub timeout: Option<Duration>,
    /// No task may start before. Such a job outlives the process that made it, whatever its kind.
    pub not_before: Option<Due>,
    /// It must have ended by then.
    pub deadline: Option<Due>,
    /// Labels.
    pub tags: Vec<String>,
    /// The job that asks.
    pub parent: Option<JobId>,
    /// Tells repeated submissions apart.
    pub idempotency_key: Option<String>,
    /// Whether a finished identical job may answer.
    pub reuse: bool,
    /// Whether the client is told that the job exists before it has settled (`202`): it must then survive a power cut.
    pub promised: bool,
}

impl Submit {
    /// A request with the usual priority and no further wishes.
    pub fn new(kind: impl Into<String>, params: Value) -> Self {
        Self {
            kind: kind.into(),
            params,
            folder: None,
            unrestricted: false,
            priority: 100,
            timeout: None,
            not_before: None,
            deadline: None,
            tags: Vec::new(),
            parent: None,
            idempotency_key: None,
            reuse: false,
            promised: false,
        }
    }
}

/// What became of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Submitted {
    /// A job was made.
    Created(JobId),
    /// The same request was made before, as this job.
    Existing(JobId),
    /// This finished job answers the request.
    Cached(JobId),
}

impl Submitted {
    /// The job, whichever way it came about.
    pub fn job(self) -> JobId {
        match self {
            Self::Created(job) | Self::Existing(job) | Self::Cached(job) => job,
        }
    }
}

/// Why no job was made.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum SubmitFault {
    /// No such kind.
    #[error("there is no job kind `{kind}`")]
    UnknownKind {
        /// The kind asked for.
        kind: String,
        /// What was probably meant.
        proposal: Option<String>,
    },
    /// The parameters have these faults.
    #[error("the parameters have {} fault(s)", .0.len())]
    Faults(Vec<Finding>),
    /// A table that it reads is not there.
    #[error("there is no table `{name}`")]
    TableNotFound {
        /// The table asked for.
        name: TableName,
        /// What was probably meant.
        proposal: Option<String>,
    },
    /// Something else stands against it as things are now.
    #[error("{}", .0.message)]
    Conflict(Failure),
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

impl From<SubmitError> for SubmitFault {
    fn from(error: SubmitError) -> Self {
        match error {
            SubmitError::KeyConflict { key, job } => Self::KeyConflict { key, job },
            SubmitError::QueueFull { limit } => Self::QueueFull { limit },
            SubmitError::Store(store) => Self::Store(store),
        }
    }
}

/// A request that nothing stands against.
struct Checked {
    id: JobId,
    kind: Arc<dyn JobKind>,
    tables: Vec<PinnedTable>,
    prepared: Prepared,
}

impl Controller {
    /// Checks a request, cuts it into tasks and makes the job, all or nothing. A request that is sent again under its
    /// idempotency key gives the job that it made, whatever stands against it by now.
    ///
    /// # Errors
    /// [`SubmitFault`] with every fault of the request; then no job exists.
    pub async fn submit(&self, submit: Submit) -> Result<Submitted, SubmitFault> {
        let since = self.now();
        match self.checked(&submit).await {
            Ok(checked) => self.make(submit, checked, since).await,
            Err(fault) => self.repeated_or(&submit, fault).await,
        }
    }

    async fn checked(&self, submit: &Submit) -> Result<Checked, SubmitFault> {
        let kind = self.kind(&submit.kind)?;
        let tables = self.pin_tables(&*kind, &submit.params).await?;
        let present = self.present(kind.writes(&submit.params)).await?;
        let id = self.new_job_id();
        let prepared = prepare(&*kind, submit, (&tables, &present), id)?;
        Ok(Checked {
            id,
            kind,
            tables,
            prepared,
        })
    }

    async fn make(&self, submit: Submit, checked: Checked, since: Elapsed) -> Result<Submitted, SubmitFault> {
        let Checked {
            id,
            kind,
            tables,
            prepared,
        } = checked;
        if let Some(job) = self.reusable(&submit, &prepared).await? {
            return Ok(Submitted::Cached(job));
        }
        let reads: Vec<_> = tables
            .iter()
            .map(|pinned| (pinned.table.name.clone(), pinned.table.version))
            .collect();
        let instants = Instants::new(since, submit.timeout, submit.not_before, submit.deadline);
        let delayed = instants.start.is_some();
        let first_states = prepared.tasks.iter().map(|task| first_state(task, delayed));
        let course = JobCourse::new(JobState::Queued, (0..).zip(first_states));
        // The course is known before the job is, so that no event of the job can pass unseen. Nothing is decided about it
        // before the job is in the store; a client that hangs up meanwhile leaves it to be found there.
        let unfinished = Unfinished::new(self, id);
        self.begin(
            id,
            Active::new(kind.clone(), course, prepared.expanded.clone(), reads.clone(), instants),
        );
        let job = new_job(&*kind, submit, prepared, reads, id, self.session().clone());
        match self.store().submit_job(job).await {
            Ok(Submission::Created) => {
                self.enqueued(id, since);
                unfinished.finish();
                Ok(Submitted::Created(id))
            }
            Ok(Submission::Existing(job)) => {
                self.abandon(id);
                unfinished.finish();
                Ok(Submitted::Existing(job))
            }
            // The job may be there nevertheless, if only the answer was lost.
            Err(error) => Err(error.into()),
        }
    }

    fn kind(&self, name: &str) -> Result<Arc<dyn JobKind>, SubmitFault> {
        self.kinds().get(name).cloned().ok_or_else(|| SubmitFault::UnknownKind {
            kind: name.to_owned(),
            proposal: closest(name, self.kinds().keys().copied()).map(str::to_owned),
        })
    }

    async fn pin_tables(&self, kind: &dyn JobKind, params: &Value) -> Result<Vec<PinnedTable>, SubmitFault> {
        let mut tables = Vec::new();
        let needed = kind.reads(params).map_err(SubmitFault::Faults)?;
        let needed = needed.into_iter().map(|name| (name, true));
        for (name, is_needed) in needed.chain(kind.may_read(params).map(|name| (name, false))) {
            let Some(table) = self.store().load_table(&name).await? else {
                if is_needed {
                    return Err(self.table_not_found(name).await?);
                }
                continue;
            };
            let parts = self.store().load_parts(&name, table.version).await?;
            let used = self.store().table_use(&name).await?;
            let last_used = used
                .at
                .zip(used.seconds_ago)
                .map(|(at, seconds_ago)| LastUse { at, seconds_ago });
            tables.push(PinnedTable {
                table,
                parts,
                last_used,
            });
        }
        Ok(tables)
    }

    /// Those of the tables that are there.
    async fn present(&self, names: Vec<TableName>) -> Result<Vec<TableName>, StoreError> {
        let mut present = Vec::new();
        for name in names {
            if self.store().load_table(&name).await?.is_some() {
                present.push(name);
            }
        }
        Ok(present)
    }

    async fn table_not_found(&self, name: TableName) -> Result<SubmitFault, StoreError> {
        let names: Vec<String> = self
            .store()
            .list_tables()
            .await?
            .into_iter()
            .map(|table| table.name.to_string())
            .collect();
        let proposal = closest(&name.to_string(), names.iter().map(String::as_str)).map(str::to_owned);
        Ok(SubmitFault::TableNotFound { name, proposal })
    }

    /// Every fault of a request, as [`submit`](Self::submit) would find it. Makes nothing.
    ///
    /// # Errors
    /// [`SubmitFault`], as `submit`.
    pub async fn check(&self, submit: &Submit) -> Result<(), SubmitFault> {
        self.checked(submit).await.map(|_| ())
    }

    /// A finished job that answers the request. A key that tells submissions apart wants a job of its own, and so does a
    /// time before which it must not start.
    async fn reusable(&self, submit: &Submit, prepared: &Prepared) -> Result<Option<JobId>, StoreError> {
        let Some(fingerprint) = prepared
            .fingerprint
            .as_ref()
            .filter(|_| submit.reuse && submit.idempotency_key.is_none() && submit.not_before.is_none())
        else {
            return Ok(None);
        };
        let Some(found) = self.store().find_result(&submit.kind, fingerprint).await? else {
            return Ok(None);
        };
        // Who asks again under another label finds the answer by it; a job that has very many labels answers no more.
        let new: Vec<String> = submit
            .tags
            .iter()
            .filter(|tag| !found.tags.contains(*tag))
            .cloned()
            .collect();
        if new.is_empty() {
            return Ok(Some(found.id));
        }
        if found.tags.len() + new.len() > LABELS_MAX {
            return Ok(None);
        }
        self.store().label_job(found.id, &new).await?;
        Ok(Some(found.id))
    }
}

/// Labels up to which a finished job answers requests that bring more.
const LABELS_MAX: usize = 64;

fn prepare(
    kind: &dyn JobKind,
    submit: &Submit,
    (tables, present): (&[PinnedTable], &[TableName]),
    job: JobId,
) -> Result<Prepared, SubmitFault> {
    let request = PrepareRequest {
        params: &submit.params,
        tables,
        present,
        folder: submit.folder.as_deref(),
        unrestricted: submit.unrestricted,
        job,
    };
    let prepared = kind.prepare(&request).map_err(|error| match error {
        PrepareError::Faults(findings) => SubmitFault::Faults(findings),
        PrepareError::Conflict(failure) => SubmitFault::Conflict(failure),
    })?;
    if prepared.tasks.len() > TASKS_MAX {
        let message = format!(
            "the job would be cut into {} tasks, at most {TASKS_MAX} are allowed",
            prepared.tasks.len()
        );
        return Err(SubmitFault::Faults(vec![
            Finding::new("HW-J014", message).help("split the table into fewer, larger parts"),
        ]));
    }
    Ok(prepared)
}

fn new_job(
    kind: &dyn JobKind,
    submit: Submit,
    prepared: Prepared,
    reads: Vec<(TableName, TableVersion)>,
    id: JobId,
    owner: hw_job::SessionId,
) -> NewJob {
    let idempotency = repeat::key_of(&submit);
    let flush = must_last(&submit, kind.lifetime());
    let lifetime = match submit.not_before {
        // Nobody waits at a terminal for what starts tomorrow.
        Some(due) if !due.after.is_zero() => Lifetime::Durable,
        Some(_) | None => kind.lifetime(),
    };
    NewJob {
        id,
        kind: submit.kind,
        format: kind.format(),
        params: submit.params,
        expanded: prepared.expanded,
        warnings: prepared.warnings,
        reads,
        tasks: prepared.tasks,
        priority: submit.priority,
        timeout: submit.timeout,
        not_before: submit.not_before,
        deadline: submit.deadline,
        tags: submit.tags,
        parent: submit.parent,
        lifetime,
        owner,
        fingerprint: prepared.fingerprint,
        idempotency,
        flush,
    }
}

/// Whether the submission must survive a power cut. A query whose caller waits for its end may go with the power; but whoever
/// sends a key wants to find its job again.
fn must_last(submit: &Submit, lifetime: Lifetime) -> bool {
    let delayed = submit.not_before.is_some_and(|due| !due.after.is_zero());
    lifetime == Lifetime::Durable || delayed || submit.promised || submit.idempotency_key.is_some()
}

fn first_state(task: &hw_job::TaskSpec, delayed: bool) -> TaskState {
    if task.after.is_empty() && !delayed {
        TaskState::Ready
    } else {
        TaskState::Waiting
    }
}

#[cfg(test)]
mod tests;
