//! The documents that cross the wire, and nothing that acts on them.
//!
//! Field names are `snake_case`, times RFC 3339 in UTC with microseconds, absent facts are left out, clients ignore
//! members they do not know. Every fault travels as a [`Problem`]. The documents of Funnel Rocket's routes (`Rocket...`) have
//! its names instead.

mod answer;
mod explain;
mod job;
mod problem;
mod query;
mod rocket;
mod server;
mod table;
#[cfg(test)]
mod tests;
mod time;

pub use answer::{
    AggregationResult, AggregationValue, CacheStats, DatasetStats, DropResult, ExportResult, FunnelBreakdown,
    FunnelComparison, FunnelResult, FunnelSelection, FunnelStats, FunnelStep, FunnelSteps, GroupsExported,
    HistogramBar, InvokerStats, JobRecordDocument, JobResult, PruneStats, RegisterResult, RegisterStats,
    RepartitionResult, RowsDocument, StepTimes, TimeStats, ValidationDocument, ViewResult, WorkerStats,
};
pub use explain::{
    AnalysisDocument, ExplainedColumn, ExplainedMemory, ExplainedPredicate, ExplainedStage, ExplainedTime,
    FunnelExplainDocument, FunnelExplainRequest, PrunedDocument, ReadColumnDocument, StoredColumnDocument,
    StrategyDocument,
};
pub use job::{
    AttemptDocument, CancelRequest, EventDocument, ExportRequest, FunnelRequest, JobDocument, JobLine, JobList,
    JobRequest, ProgressDocument, RegisterRequest, RepartitionRequest, TableRead, TaskDocument, TaskExplanation,
    TaskList, ValidateRequest,
};
pub use problem::{ExitCode, Problem, ProblemError};
pub use query::{ExplainDocument, ExplainRequest, RowFormat, STATEMENT_DONE, SqlRequest, StatementDone};
pub use rocket::{
    RocketDatasetId, RocketDatasetInfo, RocketFailure, RocketParts, RocketProgress, RocketRegisterRequest, RocketRun,
    RocketRunList, RocketUnregistered,
};
pub use server::{
    BackupRequest, Check, CheckState, CheckedConfig, DoctorDocument, HealthDocument, NewTokenDocument, ServerDocument,
    SettingDocument, TokenDocument, TokenList, TokenRequest, WorkerDocument, WorkerList,
};
pub use table::{ColumnDocument, PartDocument, PartList, TableDocument, TableList, UnsupportedDocument};
pub use time::rfc3339;

/// Version of the HTTP API, the first part of its paths.
pub const API_PREFIX: &str = "/api/v1";

/// Media type of a [`Problem`].
pub const PROBLEM_JSON: &str = "application/problem+json";

/// Media type of JSON lines.
pub const JSON_LINES: &str = "application/jsonl";

/// Media type of an Arrow IPC stream.
pub const ARROW_STREAM: &str = "application/vnd.apache.arrow.stream";

/// Media type of a Parquet file.
pub const PARQUET: &str = "application/vnd.apache.parquet";

/// Media type of a drawing.
pub const SVG: &str = "image/svg+xml";

/// Media type of a page.
pub const HTML: &str = "text/html";

/// Header with the client's working folder; honoured only over the Unix socket and in process.
pub const FOLDER_HEADER: &str = "headwater-folder";
