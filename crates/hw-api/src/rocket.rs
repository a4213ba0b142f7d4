//! Documents in Funnel Rocket's form: `camelCase` members, nulls left out.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use utoipa::ToSchema;

use crate::ProblemError;

/// Body of `POST /datasets/register`; `snake_case` names are known, too.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct RocketRegisterRequest {
    /// Name of the dataset; any text.
    pub name: String,
    /// Folder or URL of the parts.
    pub basepath: String,
    /// Column that tells groups apart.
    pub group_id_column: String,
    /// Column that orders the rows of a group.
    pub timestamp_column: String,
    /// Shell wildcard on the file name; `*.parquet` if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pattern: Option<String>,
    /// `SINGLE`, `FIRST_LAST`, `SAMPLE` (default) or `ALL`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub validation_mode: Option<String>,
    /// Whether groups are checked to lie in one part each; true if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub validate_uniques: Option<bool>,
    /// `contained` (default) or `split`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub groups: Option<String>,
}

/// A registration of a name. A name that is registered again is another dataset.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct RocketDatasetId {
    /// The whole name, dots included.
    pub name: String,
    /// When it was registered; left out in lists of runs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub registered_at: Option<String>,
}

/// A dataset.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct RocketDatasetInfo {
    /// Folder or URL of the parts.
    pub basepath: String,
    /// Number of parts.
    pub total_parts: u64,
    /// Which registration it is.
    pub id: RocketDatasetId,
    /// Column that tells groups apart.
    pub group_id_column: String,
    /// Column that orders the rows of a group.
    pub timestamp_column: String,
}

/// The parts of a dataset.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct RocketParts {
    /// `LIST`.
    pub naming_method: String,
    /// Number of parts.
    pub total_parts: u64,
    /// Their size in bytes.
    pub total_size: u64,
    /// Their names relative to the base path, sorted.
    pub filenames: Vec<String>,
}

/// Why a request failed.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct RocketFailure {
    /// False.
    pub success: bool,
    /// What happened.
    pub error_message: String,
    /// The kind of a query's fault (`SCHEMA`, `TYPE_MISMATCH`, `DATASET_MISMATCH`, `RELATION`, `INVALID_ARGUMENTS`), else
    /// `UNAUTHORIZED`, `FORBIDDEN`, `NOT_FOUND`, `CONFLICT`, `GONE`, `UNAVAILABLE`, `DATA`, `EXTERNAL`, `CANCELLED`,
    /// `TIMEOUT` or `UNEXPECTED`.
    pub error_kind: String,
    /// Every fault at its place.
    pub errors: Vec<ProblemError>,
    /// The run, where one was made.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub request_id: Option<String>,
    /// What it took until then.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stats: Option<Value>,
}

/// What became of `POST /datasets/{name}/unregister`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct RocketUnregistered {
    /// Whether the dataset is not there any more.
    pub success: bool,
    /// Why it still is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error_message: Option<String>,
    /// The same as a word.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error_kind: Option<String>,
    /// The same in full.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub errors: Vec<ProblemError>,
    /// Whether there was such a dataset.
    pub dataset_found: bool,
    /// When a query last used it, in seconds since 1970.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dataset_last_used: Option<i64>,
}

/// A line of progress with `stream=true`; the last line is the ordinary answer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct RocketProgress {
    /// `STARTING`, `RUNNING`, `FINISHING` or `DONE`.
    pub stage: String,
    /// What is being done, for people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
    /// Number of tasks by state: `QUEUED`, `RUNNING_QUERY` (`RUNNING` of registrations), `ENDED_SUCCESS`, `ENDED_FAILED`.
    /// The sum is the number of tasks.
    #[schema(value_type = Object)]
    pub tasks: Map<String, Value>,
}

/// A query or registration, past or under way: a view of its job.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct RocketRun {
    /// By which its answer names it.
    pub request_id: String,
    /// Its job under `/api/v1/jobs`.
    pub job_id: String,
    /// `QUERY` or `REGISTER`.
    pub job_type: String,
    /// `QUEUED`, `RUNNING`, `FINISHING`, `ENDED_SUCCESS`, `ENDED_FAILED`, `CANCELLED` or `TIMED_OUT`.
    pub status: String,
    /// How far it is.
    pub progress: RocketProgress,
    /// The dataset that it asks or makes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dataset: Option<RocketDatasetId>,
    /// Labels that its client gave.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub tags: Vec<String>,
    /// When it was submitted.
    pub submitted_at: String,
    /// When its first task started.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub started_at: Option<String>,
    /// When it ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ended_at: Option<String>,
    /// Seconds from submission to end, or until now.
    pub total_time: f64,
    /// Why it failed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error_message: Option<String>,
    /// The same as a word.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error_kind: Option<String>,
    /// Every fault at its place.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub errors: Vec<ProblemError>,
    /// The query as it was given; left out in lists.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub query: Option<Value>,
    /// The query with everything written out; left out in lists.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expanded_query: Option<Value>,
    /// The arguments of a registration; left out in lists.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub arguments: Option<Value>,
    /// Its answer, `stats` included; left out in lists.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub result: Option<Value>,
}

/// A page of runs, newest first.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct RocketRunList {
    /// The runs.
    pub runs: Vec<RocketRun>,
    /// Token of the next page.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next: Option<String>,
}
