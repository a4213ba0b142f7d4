//! What jobs and checks answer: results by kind of job, validations, a job's whole record.
//!
//! The capabilities make these documents themselves; here stands their form, for clients and for the OpenAPI document.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;

use crate::{EventDocument, JobDocument, ProblemError, TaskDocument};

/// Result of a job, by its kind.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(untagged)]
pub enum JobResult {
    /// Of `funnel`.
    Funnel(Box<FunnelResult>),
    /// Of `register`.
    Registered(RegisterResult),
    /// Of `repartition`.
    Repartitioned(RepartitionResult),
    /// Of `export`.
    Exported(ExportResult),
    /// Of `view`.
    View(ViewResult),
    /// Of `drop`.
    Dropped(DropResult),
}

/// Result of a funnel query.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct FunnelResult {
    /// True: what fails gives a problem document.
    pub success: bool,
    /// Start of the run in Unix seconds and the last 8 digits of the job's id.
    pub request_id: String,
    /// Groups that satisfy the relation.
    pub query: FunnelSelection,
    /// Steps, where a funnel was asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub funnel: Option<FunnelSteps>,
    /// Matched groups and the rest, where that was asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub compare: Option<FunnelComparison>,
    /// Where the ids of groups went, where they were to be exported.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub export: Option<GroupsExported>,
    /// What is odd about the query but no fault.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub warnings: Vec<ProblemError>,
    /// What it cost.
    pub stats: FunnelStats,
}

/// Groups, all of their rows in the timeframe, and aggregations over these.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct FunnelSelection {
    /// Number of groups.
    pub matching_groups: u64,
    /// Number of their rows.
    pub matching_group_rows: u64,
    /// In the order of the query.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub aggregations: Option<Vec<AggregationResult>>,
}

/// Result of an aggregation.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct AggregationResult {
    /// The column.
    pub column: String,
    /// `count`, `countPerValue`, `sum`, ...
    #[serde(rename = "type")]
    pub aggregation_type: String,
    /// Of a quantile: which.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub q: Option<f64>,
    /// As the query named it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Of a map: how many values it holds at most.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub top: Option<u64>,
    /// A number, or a map from values as text to numbers; absent over no input.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub value: Option<AggregationValue>,
}

/// A number, or a number for each of the values with the largest ones.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(untagged)]
pub enum AggregationValue {
    /// Of the whole column.
    Number(f64),
    /// By value, as text.
    Map(BTreeMap<String, f64>),
}

/// The steps of a funnel.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct FunnelSteps {
    /// Each step of the sequence.
    pub sequence: Vec<FunnelStep>,
    /// Over the rows of the groups that passed the last step.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub end_aggregations: Option<Vec<AggregationResult>>,
    /// By value, where that was asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub breakdown: Option<Vec<FunnelBreakdown>>,
}

/// A step: the groups that passed it and all before it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct FunnelStep {
    /// Number of groups.
    pub matching_groups: u64,
    /// Number of their rows.
    pub matching_group_rows: u64,
    /// In the order of the query.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub aggregations: Option<Vec<AggregationResult>>,
    /// Time since the step before, where that was asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub since_previous: Option<StepTimes>,
}

/// Times between two steps, in the time column's unit.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct StepTimes {
    /// Number of groups that took the step.
    pub count: u64,
    /// Mean; absent without a group, as all that follow.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mean: Option<f64>,
    /// Median.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub p50: Option<f64>,
    /// 90th percentile.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub p90: Option<f64>,
    /// 99th percentile.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub p99: Option<f64>,
    /// Least.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub min: Option<f64>,
    /// Greatest.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max: Option<f64>,
    /// Number of groups by time.
    pub histogram: Vec<HistogramBar>,
    /// True where percentiles may be off by 1 %.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub approx: Option<bool>,
}

/// A bar of a histogram.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct HistogramBar {
    /// Where it begins.
    pub from: f64,
    /// Where it ends.
    pub to: f64,
    /// What lies between.
    pub count: u64,
}

/// The steps of the groups with one value, or of all whose values are not listed.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct FunnelBreakdown {
    /// The value; null is one, too. Absent of `other`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub value: Option<Value>,
    /// True of the last entry, where values are left.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub other: Option<bool>,
    /// Number of values that are left.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub values: Option<u64>,
    /// Each step of the sequence.
    pub sequence: Vec<FunnelStep>,
}

/// Matched groups beside all others of the timeframe.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct FunnelComparison {
    /// Those that match.
    pub matched: FunnelSelection,
    /// Those that do not.
    pub rest: FunnelSelection,
}

/// Where the ids of groups went.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct GroupsExported {
    /// The table.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub table: Option<String>,
    /// The file.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub file: Option<String>,
    /// The step that they reached: a number from 1, or `"last"`.
    pub step: Value,
    /// Number of ids.
    pub groups: u64,
    /// Size of the file.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bytes: Option<u64>,
}

/// What a funnel query cost.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct FunnelStats {
    /// Seconds from the submission to the result.
    pub total_time: f64,
    /// What was asked.
    pub dataset: DatasetStats,
    /// Of the job.
    pub invoker: InvokerStats,
    /// Of its tasks.
    pub worker: WorkerStats,
    /// `contained`: each part was matched by itself; `redistributed`: rows were brought together by group first.
    pub groups: String,
    /// The columns that were read, with their types.
    pub columns: BTreeMap<String, String>,
}

/// Size of a dataset.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct DatasetStats {
    /// In bytes.
    pub total_size: u64,
    /// Number of parts.
    pub parts: u64,
}

/// What a job took beside its tasks.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct InvokerStats {
    /// Seconds until its tasks were enqueued.
    pub enqueue_time: f64,
    /// Seconds from then to the end of the tasks.
    pub poll_time: f64,
    /// Number of tasks.
    pub total_tasks: u64,
    /// Number of attempts at them.
    pub total_attempts: u64,
    /// Tasks that failed for good.
    pub failed_tasks: u64,
    /// Attempts that failed.
    pub failed_attempts: u64,
    /// Attempts that were made anew because the platform had lost one.
    pub lost_retries: u64,
    /// Number of tasks by the quarter of a second, as text, in which they ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub task_success_over_time: Option<BTreeMap<String, u64>>,
}

/// What the tasks of a funnel query took.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct WorkerStats {
    /// Tasks of workers that were there already: all.
    pub warm_tasks: u64,
    /// Tasks of workers that had to be started: none.
    pub cold_tasks: u64,
    /// Rows in the timeframe.
    pub scanned_rows: u64,
    /// Groups in the timeframe, by part.
    pub scanned_groups: u64,
    /// Bytes that were read.
    pub bytes_read: u64,
    /// Bytes of these that remote stores gave.
    #[serde(default)]
    pub bytes_downloaded: u64,
    /// Bytes of these that remote stores would have given, had the host not had them on its disk.
    #[serde(default)]
    pub bytes_from_cache: u64,
    /// Files of the table.
    pub files: PruneStats,
    /// Row groups of these.
    pub row_groups: PruneStats,
    /// Rows of these; absent where a part does not tell its rows.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rows: Option<PruneStats>,
    /// Where parts came from.
    pub cache: CacheStats,
    /// Share of the tasks whose parts were not read from their source; absent without tasks.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cache_hit_ratio: Option<f64>,
    /// Seconds from the request to the start of the task; absent without tasks, as the others.
    pub invoke_latency: Option<BTreeMap<String, f64>>,
    /// Seconds that a worker waited for a better task: always 0.
    pub preflight_sleep: Option<BTreeMap<String, f64>>,
    /// Seconds until reading and matching, which go together, begin.
    pub load_time: Option<BTreeMap<String, f64>>,
    /// Seconds of reading and matching.
    pub engine_time: Option<BTreeMap<String, f64>>,
    /// Seconds of the whole task. Members are `min`, `mean`, `max` and percentiles such as `50%`.
    pub total_time: Option<BTreeMap<String, f64>>,
}

/// How much of something the timeframe rules out.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct PruneStats {
    /// All there are.
    pub total: u64,
    /// Those that were left out.
    pub pruned: u64,
}

/// Where the parts of tasks came from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct CacheStats {
    /// Tasks that read them in place.
    pub source: u64,
    /// Tasks that read remote parts from the disk of their host, and downloaded nothing.
    pub disk_cache: u64,
    /// Tasks whose parts were held in memory.
    pub memory_cache: u64,
}

/// Result of a registration.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct RegisterResult {
    /// True: what fails gives a problem document.
    pub success: bool,
    /// As of a funnel.
    pub request_id: String,
    /// The dataset, as Funnel Rocket's clients know it.
    pub dataset: crate::RocketDatasetInfo,
    /// Number of rows, if every part was looked at.
    pub rows: Option<u64>,
    /// What is odd but no fault.
    pub warnings: Vec<ProblemError>,
    /// What it cost.
    pub stats: RegisterStats,
}

/// What a registration cost.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct RegisterStats {
    /// Seconds from the submission to the result.
    pub total_time: f64,
    /// What was registered.
    pub dataset: DatasetStats,
    /// Of the job.
    pub invoker: InvokerStats,
}

/// Result of a repartition.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct RepartitionResult {
    /// True: what fails gives a problem document.
    pub success: bool,
    /// As of a funnel.
    pub request_id: String,
    /// The table that was made.
    pub table: String,
    /// The table it was made of.
    pub source: String,
    /// `full`, `incremental` or `unchanged`.
    pub mode: String,
    /// Rows of the new table.
    pub rows: u64,
    /// Its bytes.
    pub bytes: u64,
    /// Its parts.
    pub parts: u64,
    /// Those of them that were written by this job.
    pub parts_written: u64,
    /// Parts of the source that were read.
    pub source_parts_taken: u64,
    /// Rows of these.
    pub source_rows_taken: u64,
    /// What it cost.
    pub stats: TimeStats,
}

/// Result of an export.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct ExportResult {
    /// True: what fails gives a problem document.
    pub success: bool,
    /// As of a funnel.
    pub request_id: String,
    /// The table.
    pub table: String,
    /// File or folder.
    pub to: String,
    /// `parquet`, `csv` or `jsonl`.
    pub format: String,
    /// The files that were written.
    pub files: Value,
    /// Their rows.
    pub rows: u64,
    /// Their bytes.
    pub bytes: u64,
    /// What it cost.
    pub stats: TimeStats,
}

/// The time that a job took.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct TimeStats {
    /// Seconds from the submission to the result.
    pub total_time: f64,
}

/// Result of making a view.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct ViewResult {
    /// True: what fails gives a problem document.
    pub success: bool,
    /// Start of the run in Unix seconds and the last 8 digits of the job's id.
    pub request_id: String,
    /// The view.
    pub table: String,
    /// `created`, `replaced`, or `unchanged` where a view of this name was to stay.
    pub mode: String,
    /// Its columns; none where it stayed.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub columns: Vec<String>,
    /// The tables that its query reads, those behind other views among them, as they were when it was planned.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub read: Vec<crate::TableRead>,
}

/// Result of dropping a table.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct DropResult {
    /// True: what fails gives a problem document.
    pub success: bool,
    /// True: a table that is not there is told as such.
    pub dataset_found: bool,
    /// When it was last used, in Unix seconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dataset_last_used: Option<i64>,
}

/// What was found in a funnel query, faults or none.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct ValidationDocument {
    /// Whether it can be run.
    pub success: bool,
    /// Kind of the first fault.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error_kind: Option<String>,
    /// The first fault in one line.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error_message: Option<String>,
    /// Every fault at its place.
    pub errors: Vec<ProblemError>,
    /// What is odd but no fault.
    pub warnings: Vec<ProblemError>,
    /// The query as it was given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source_query: Option<Value>,
    /// The query with every default written out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expanded_query: Option<Value>,
    /// Columns that it reads.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub used_columns: Option<Vec<String>>,
    /// Indices of the conditions that the relation names.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub used_conditions: Option<Vec<u64>>,
    /// Indices of the conditions that have names.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub condition_names: Option<BTreeMap<String, u64>>,
}

/// Everything about a job in one document.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct JobRecordDocument {
    /// Name and version of this form: `headwater.job/1`.
    pub form: String,
    /// Version of the program that wrote it.
    pub headwater: String,
    /// The job.
    pub job: JobDocument,
    /// Its tasks with their attempts.
    pub tasks: Vec<TaskDocument>,
    /// What happened to it, oldest first; 10,000 events at most.
    pub events: Vec<EventDocument>,
}

/// Rows as one array of objects, members in the order of the columns.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct RowsDocument(
    /// Values by column: integers and decimals are numbers with all digits, `NaN` and infinities the texts `"NaN"`, `"Infinity"`
    /// and `"-Infinity"`, timestamps RFC 3339, dates `YYYY-MM-DD`, binary base64, lists arrays, structs objects, null null.
    pub Vec<BTreeMap<String, Value>>,
);
