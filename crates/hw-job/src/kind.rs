//! What a kind of job brings: typed parameters, the cut into tasks, the merge of outcomes.

use std::time::Duration;

use hw_catalog::{Finding, Part, Table, TableName, TableVersion};
use serde_json::Value;

use crate::failure::Failure;
use crate::ids::JobId;
use crate::job::{Lifetime, StoredDocument};
use crate::task::Needs;
use crate::time::Timestamp;

/// A kind of job. Pure: whatever it needs of the outside is handed in, or is done by a task.
///
/// The controller calls, in this order: [`reads`](Self::reads), [`prepare`](Self::prepare), and then
/// [`advance`](Self::advance) each time all tasks so far have succeeded, until it names no more of them; then
/// [`merge`](Self::merge), during which the job is `finishing`.
pub trait JobKind: Send + Sync {
    /// The kind's name, `funnel`.
    fn name(&self) -> &'static str;

    /// Version of the parameters it writes. It can read every earlier one.
    fn format(&self) -> u32 {
        1
    }

    /// What happens to its jobs when their submitter is gone.
    fn lifetime(&self) -> Lifetime;

    /// Tables that a job with these parameters reads. They are pinned before [`prepare`](Self::prepare).
    ///
    /// # Errors
    /// Every fault of the parameters that can be told without the tables.
    fn reads(&self, params: &Value) -> Result<Vec<TableName>, Vec<Finding>>;

    /// A table that it reads in the place of something else if there is one of that name, and only then. Called as
    /// [`writes`](Self::writes).
    fn may_read(&self, _params: &Value) -> Option<TableName> {
        None
    }

    /// Tables that a job with these parameters makes, as far as the parameters tell. Whether they are there is told to
    /// [`prepare`](Self::prepare), they are not pinned. Called with parameters in which [`reads`](Self::reads) found no fault.
    fn writes(&self, params: &Value) -> Vec<TableName> {
        let _ = params;
        Vec::new()
    }

    /// Checks the parameters against the tables and cuts the job into its first tasks (possibly none).
    ///
    /// # Errors
    /// [`PrepareError`] with every fault; nothing of the job exists then.
    fn prepare(&self, request: &PrepareRequest<'_>) -> Result<Prepared, PrepareError>;

    /// Called when all tasks so far have succeeded: more tasks, or that no more are needed. A kind that needs only its first
    /// tasks leaves it out.
    ///
    /// # Errors
    /// The failure with which the job ends.
    fn advance(&self, job: &JobView<'_>) -> Result<Advance, Failure> {
        let _ = job;
        Ok(Advance::Merge)
    }

    /// Makes the result of the outcomes. It may take its time, and is called anew with the same view if the process ends
    /// meanwhile and another one takes the job over.
    ///
    /// # Errors
    /// The failure with which the job ends.
    fn merge(&self, job: &JobView<'_>) -> Result<Merged, Failure>;

    /// Notes in the result how long the job took, the making of the result included: as `stats.totalTime`, if it has that.
    fn note_time(&self, result: &mut Value, elapsed: Duration) {
        if let Some(time) = result.pointer_mut("/stats/totalTime") {
            *time = elapsed.as_secs_f64().into();
        }
    }
}

/// What [`JobKind::prepare`] looks at.
#[derive(Debug)]
pub struct PrepareRequest<'a> {
    /// The parameters as given.
    pub params: &'a Value,
    /// The tables that the kind reads, in the order in which it named them.
    pub tables: &'a [PinnedTable],
    /// Those of the tables it [`writes`](JobKind::writes) that are there already.
    pub present: &'a [TableName],
    /// Working folder of the client, absolute; relative files are looked up there.
    pub folder: Option<&'a str>,
    /// Whether the client may read whatever the server's user may: one on the Unix socket or in process.
    pub unrestricted: bool,
    /// The job's id.
    pub job: JobId,
}

/// A table as a job sees it: one version, from start to end.
#[derive(Debug, Clone, PartialEq)]
pub struct PinnedTable {
    /// The table.
    pub table: Table,
    /// Its parts, in the order of their paths.
    pub parts: Vec<Part>,
    /// When a job last used it.
    pub last_used: Option<LastUse>,
}

/// When a table was last used by a job.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LastUse {
    /// On the wall, for people.
    pub at: Timestamp,
    /// Whole seconds before now, on the elapsed clock.
    pub seconds_ago: u64,
}

/// A job cut into its first tasks.
#[derive(Debug, Clone, PartialEq)]
pub struct Prepared {
    /// The parameters, expanded: every default written out. Tasks and merge work on these.
    pub expanded: Value,
    /// The first tasks; with none, [`JobKind::advance`] is asked at once.
    pub tasks: Vec<TaskSpec>,
    /// Same text, same answer: identifies the question and the versions of what it reads. `None` = never reused.
    pub fingerprint: Option<String>,
    /// What is odd about the parameters but no fault.
    pub warnings: Vec<Finding>,
}

/// Why a job could not be prepared.
#[derive(Debug, Clone, PartialEq)]
pub enum PrepareError {
    /// The parameters have these faults.
    Faults(Vec<Finding>),
    /// Something else stands against the job as the catalog is now.
    Conflict(Failure),
}

/// A task to be made.
#[derive(Debug, Clone, PartialEq)]
pub struct TaskSpec {
    /// What a worker must know to do: `funnel.part`.
    pub kind: String,
    /// Version of `params`; a worker claims only versions it knows.
    pub format: u32,
    /// A document, never a serialised plan.
    pub params: Value,
    /// What the task needs of its place.
    pub needs: Needs,
    /// Keys (parts) that make a worker that announced them preferable.
    pub affinity: Vec<String>,
    /// Tasks with one flow take turns with those of other flows: a table's name, or the job's id.
    pub flow: String,
    /// Indices of tasks of the same job that must succeed first. The task is blocked as soon as one of them ends otherwise.
    pub after: Vec<u32>,
}

impl TaskSpec {
    /// The stage of its job that it stands for: `inspect` for `register.inspect`.
    pub fn stage(&self) -> &str {
        self.kind.rsplit('.').next().unwrap_or(&self.kind)
    }
}

/// A job all of whose tasks so far have succeeded.
#[derive(Debug)]
pub struct JobView<'a> {
    /// The job's id.
    pub id: JobId,
    /// Its parameters, expanded.
    pub expanded: &'a Value,
    /// Versions of the tables it reads.
    pub reads: &'a [(TableName, TableVersion)],
    /// Its tasks by index.
    pub tasks: &'a [TaskView],
    /// Time since its submission.
    pub elapsed: Duration,
    /// How long its submission took: checking, cutting, enqueueing.
    pub enqueued: Duration,
}

/// A succeeded task.
#[derive(Debug, Clone, PartialEq)]
pub struct TaskView {
    /// Its index.
    pub index: u32,
    /// What it was.
    pub kind: String,
    /// Its parameters.
    pub params: Value,
    /// What it brought; documents kept in files are loaded.
    pub outcome: Value,
    /// Number of attempts that were made.
    pub attempts: u32,
    /// Those of them that the platform lost.
    pub lost: u32,
}

/// What comes next for a job.
#[derive(Debug, Clone, PartialEq)]
pub enum Advance {
    /// More tasks.
    Tasks(Vec<TaskSpec>),
    /// No more: the result can be made.
    Merge,
}

/// A job's result, and what its end changes.
#[derive(Debug, Clone, PartialEq)]
pub struct Merged {
    /// The result document.
    pub result: Value,
    /// Something beside the result failed.
    pub partial: bool,
    /// Changes of the catalog, committed together with the job's end or not at all.
    pub changes: Vec<CatalogChange>,
    /// Files that are referred to from now on.
    pub files: Vec<StoredDocument>,
}

/// A change of the catalog.
#[derive(Debug, Clone, PartialEq)]
pub enum CatalogChange {
    /// The table exists with these parts from now on. Its version is the successor of the one that was there.
    Put {
        /// The table; its `version` is set by the store.
        table: Box<Table>,
        /// Its parts, in the order of their paths.
        parts: Vec<Part>,
        /// The version that was looked at, 0 for no table of this name; another one is a conflict. `None` takes whatever is
        /// there.
        expected: Option<TableVersion>,
    },
    /// The table is gone. The files of a dataset stay; those that are ours are swept once nobody reads them.
    Drop {
        /// Which table.
        name: TableName,
        /// The version that was looked at; another one is a conflict.
        version: TableVersion,
    },
}
