//! Jobs, tasks and events on the wire.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use utoipa::ToSchema;

use crate::Problem;

/// Body of `POST /jobs`: the general door.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct JobRequest {
    /// `register`, `funnel`, `drop`.
    pub kind: String,
    /// Parameters of the kind.
    pub params: Value,
    /// Lower first; 100 if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub priority: Option<i32>,
    /// Longest time to the end, from the submission or from `not_before`, `"60s"`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timeout: Option<String>,
    /// Do not start before: RFC 3339, `"2026-01-31T06:00:00Z"`, or so long from now, `"10m"`. Such a job goes on when the
    /// server is started anew.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub not_before: Option<String>,
    /// End as `timed_out` unless the job has ended by then: RFC 3339, or so long from now.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub deadline: Option<String>,
    /// Labels.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub tags: Vec<String>,
    /// The job that made it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub parent: Option<String>,
}

/// Body of `POST /tables`: registers a folder of Parquet files. Members as `headwater table register`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct RegisterRequest {
    /// Name of the table.
    pub name: String,
    /// Folder, file or URL; its last part may be a wildcard.
    pub path: String,
    /// Column that tells groups apart.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub group: Option<String>,
    /// Column that orders the rows of a group.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub time: Option<String>,
    /// Shell wildcard on the file name; `*.parquet` if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pattern: Option<String>,
    /// Whether to search sub-folders.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub recursive: Option<bool>,
    /// `contained` (default) or `split`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub groups: Option<String>,
    /// `single`, `first_last`, `sample` (default) or `all`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub validation: Option<String>,
    /// Whether groups are checked to lie in one part each; true if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub validate_uniques: Option<bool>,
}

/// Body of `POST /tables/{name}/repartition`.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct RepartitionRequest {
    /// Name of the new table; that of the source, `_by_` and the group column if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub to: Option<String>,
    /// Column that tells groups apart, where the table does not say.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub group: Option<String>,
    /// Column that orders the rows of a group, where the table does not say.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub time: Option<String>,
    /// Number of parts that groups are distributed over; by the size if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub parts: Option<u32>,
    /// Rows of a row group of a part; 262144 if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub row_group_rows: Option<u32>,
}

/// Body of `POST /tables/{name}/export`.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ExportRequest {
    /// File (`.parquet`, `.csv`, `.jsonl`), folder or URL.
    pub to: String,
    /// `parquet`, `csv` or `jsonl`, where the file's name does not say; `parquet` if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub format: Option<String>,
    /// Columns in this order; all if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub columns: Option<Vec<String>>,
    /// Condition in SQL; only rows that meet it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub filter: Option<String>,
    /// Rows of each file of a folder; 1000000 if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rows_per_file: Option<u32>,
    /// Whether files that are there may be replaced.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub overwrite: Option<bool>,
}

/// Body of `POST /funnels/run`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct FunnelRequest {
    /// The table, or a file or folder of Parquet parts together with `group` and `time`.
    pub table: String,
    /// The query document.
    pub query: Value,
    /// Column that tells groups apart, where the table does not say.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub group: Option<String>,
    /// Column that orders the rows of a group, where the table does not say.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub time: Option<String>,
    /// Where the ids of matching groups go: `{"table"|"file": ..., "step": k or "last", "replace": bool}`. A table that is there
    /// already is an error (HW-T055) unless `replace` is true.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub export: Option<Value>,
    /// Whether a finished identical query may answer; true if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cache: Option<bool>,
}

/// Body of `POST /funnels/validate`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ValidateRequest {
    /// The table; without one only the structure is checked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub table: Option<String>,
    /// The query document, or its text.
    pub query: Value,
}

/// Body of `POST /jobs/{id}/cancel`.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct CancelRequest {
    /// For the record.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

/// A job.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct JobDocument {
    /// Its id.
    pub id: String,
    /// Its kind.
    pub kind: String,
    /// `queued`, `running`, `finishing`, `succeeded`, `failed`, `cancelled` or `timed_out`.
    pub state: String,
    /// Something beside the result failed.
    #[serde(default)]
    pub partial: bool,
    /// Parameters as given.
    pub params: Value,
    /// Parameters expanded; left out in lists.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expanded: Option<Value>,
    /// Oddities that are no faults.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub warnings: Vec<crate::ProblemError>,
    /// Versions of the tables it reads.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub reads: Vec<TableRead>,
    /// How far it is.
    pub progress: ProgressDocument,
    /// Number of attempts at its tasks.
    pub attempts: u32,
    /// Lower first.
    pub priority: i32,
    /// Longest time to the end, from the submission or from `not_before`, in seconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timeout_seconds: Option<f64>,
    /// It does not start before, as the wall stood at the submission.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub not_before: Option<String>,
    /// Seconds until it may start, while it must not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub starts_in_seconds: Option<f64>,
    /// It ends as `timed_out` unless it has ended by then, as the wall stood at the submission.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub deadline: Option<String>,
    /// Labels.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub tags: Vec<String>,
    /// The job that made it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub parent: Option<String>,
    /// When it was submitted.
    pub created_at: String,
    /// When its first task started.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub started_at: Option<String>,
    /// When it settled.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ended_at: Option<String>,
    /// Seconds from submission until it settled, or until now.
    pub elapsed_seconds: f64,
    /// Who or what asked for its end.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cancel_reason: Option<String>,
    /// Why it did not succeed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<Problem>,
    /// Its result; left out in lists.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub result: Option<Value>,
    /// The finished job that answered for this request, where none had to run.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cached_from: Option<String>,
}

/// A table as a job reads it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct TableRead {
    /// Its name.
    pub table: String,
    /// Its version.
    pub version: u64,
}

/// How far a job is.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, ToSchema)]
pub struct ProgressDocument {
    /// What is being done.
    #[serde(default)]
    pub stage: String,
    /// The same for people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
    /// Number of tasks by state; the sum is the number of tasks.
    #[schema(value_type = Object)]
    pub tasks: Map<String, Value>,
    /// Rows dealt with.
    #[serde(default)]
    pub rows: u64,
    /// Bytes read.
    #[serde(default)]
    pub bytes: u64,
}

/// A line of an answer with `?stream=true`: any number with `progress`, then one with `job`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum JobLine {
    /// How far the job is.
    Progress(ProgressDocument),
    /// The settled job.
    Job(Box<JobDocument>),
    /// The stream could not go on.
    Error(Problem),
}

/// A page of jobs, newest first.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct JobList {
    /// The jobs.
    pub items: Vec<JobDocument>,
    /// Token of the next page.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next: Option<String>,
}

/// The tasks of a job, by index.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct TaskList {
    /// The tasks.
    pub items: Vec<TaskDocument>,
    /// Token of the next page.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next: Option<String>,
}

/// A task.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct TaskDocument {
    /// `JOB/INDEX`.
    pub id: String,
    /// What it is.
    pub kind: String,
    /// Its state.
    pub state: String,
    /// Its parameters; with one task only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub params: Option<Value>,
    /// Its newest fence.
    pub fence: u64,
    /// Number of attempts.
    pub attempts: u32,
    /// Rows dealt with in the newest attempt that told of any.
    #[serde(default)]
    pub rows: u64,
    /// Bytes read, likewise.
    #[serde(default)]
    pub bytes: u64,
    /// Who has it or had it last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub worker: Option<String>,
    /// When its newest attempt started.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub started_at: Option<String>,
    /// When it settled.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ended_at: Option<String>,
    /// Why its last attempt failed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<Problem>,
    /// Its attempts; with one task only.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub history: Vec<AttemptDocument>,
}

/// An attempt at a task.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct AttemptDocument {
    /// `JOB/INDEX.NUMBER`.
    pub id: String,
    /// Its state.
    pub state: String,
    /// Who carried it out.
    pub worker: String,
    /// When it started.
    pub started_at: String,
    /// When it ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ended_at: Option<String>,
    /// How long it took.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub seconds: Option<f64>,
    /// Why it failed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<Problem>,
}

/// Why a task is where it is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct TaskExplanation {
    /// `JOB/INDEX`.
    pub id: String,
    /// Its state.
    pub state: String,
    /// What it waits for, each in one sentence; empty if it does not wait.
    pub reasons: Vec<String>,
}

/// An event.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct EventDocument {
    /// Its place in the log.
    pub seq: u64,
    /// When it was appended.
    pub at: String,
    /// What happened, `job.ended`.
    pub kind: String,
    /// What it happened to.
    pub subject: String,
    /// The job concerned.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub job: Option<String>,
    /// Further facts.
    pub data: Value,
}
