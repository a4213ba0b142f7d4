//! How funnels are carried out.

use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;

use crate::ExplainDocument;

/// Body of `POST /funnels/explain`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct FunnelExplainRequest {
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
    /// Run it, and tell rows, bytes and time of each stage.
    #[serde(default)]
    pub analyze: bool,
}

/// How a funnel is carried out, over all its parts together.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct FunnelExplainDocument {
    /// Tasks that a job would be cut into.
    #[serde(default)]
    pub tasks: u64,
    /// `pages`: parts are matched straight from their pages; `plan`: over a plan of the engine.
    pub way: String,
    /// Why this way.
    pub reason: String,
    /// How groups are matched.
    pub strategy: StrategyDocument,
    /// `contained` or `split`: whether groups may straddle parts.
    pub groups: String,
    /// The columns that are read: group, time, then the others.
    pub columns: Vec<ExplainedColumn>,
    /// The distinct predicates of conditions and steps.
    pub predicates: Vec<ExplainedPredicate>,
    /// Parts, and how many of them the timeframe rules out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub parts: Option<PrunedDocument>,
    /// Row groups, and how many of them the timeframe rules out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub row_groups: Option<PrunedDocument>,
    /// The engine's memory.
    pub memory: ExplainedMemory,
    /// What a run did, if it was asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub analysis: Option<AnalysisDocument>,
    /// The plan over the first parts that are matched together: the one taken, or the one to fall back to where memory
    /// does not suffice.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub plan: Option<ExplainDocument>,
}

/// How groups are matched.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct StrategyDocument {
    /// `streaming`: row by row in order of time; `gathering`: rows that serve a step are brought together first; `plain`:
    /// all rows are.
    pub name: String,
    /// What asks for it.
    pub reason: String,
}

/// A column that is read.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct ExplainedColumn {
    /// Its name.
    pub name: String,
    /// Its Arrow type.
    #[serde(rename = "type")]
    pub data_type: String,
    /// What for: `group`, `time`, `filter`, `target`, `aggregation`, `breakdown`.
    pub uses: Vec<String>,
    /// It in the row groups that are not ruled out, as their footers tell.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stored: Option<StoredColumnDocument>,
    /// What a run read of it; a row group that is read twice counts twice.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub read: Option<ReadColumnDocument>,
}

/// A column as it is stored.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct StoredColumnDocument {
    /// Row groups.
    pub row_groups: u64,
    /// Those of them whose pages all are codes into a dictionary.
    pub dictionary_row_groups: u64,
    /// Bytes as stored.
    pub bytes: u64,
    /// Bytes decompressed.
    pub unfolded_bytes: u64,
}

/// A column as it was read.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct ReadColumnDocument {
    /// Row groups.
    pub row_groups: u64,
    /// Those of them that came as codes into a dictionary.
    pub dictionary_row_groups: u64,
    /// Entries of these dictionaries.
    pub entries: u64,
    /// Rows of the others.
    pub flat_rows: u64,
    /// Bytes as stored.
    pub bytes: u64,
    /// Bytes decompressed.
    pub unfolded_bytes: u64,
}

/// A predicate.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct ExplainedPredicate {
    /// Its column.
    pub column: String,
    /// Its operator.
    pub op: String,
    /// Its value, unless the operator takes none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub value: Option<Value>,
    /// Pointers into the expanded query.
    pub places: Vec<String>,
    /// Over what it is looked at: each entry of a `dictionary`, each of the `rows`, or `mixed` where row groups differ.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub per: Option<String>,
}

/// Of so many, so many ruled out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct PrunedDocument {
    /// All.
    pub total: u64,
    /// Ruled out.
    pub pruned: u64,
}

/// Memory of the engine.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ExplainedMemory {
    /// The setting `memory.limit`.
    pub limit: u64,
    /// Most bytes that the columns of one row group take while they are decoded.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub decoding: Option<u64>,
    /// Parts that are held in memory, decoded (the setting `cache.memory`), so that their files are not read; absent if none
    /// is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub held: Option<u64>,
}

/// What a run did.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct AnalysisDocument {
    /// From the first file opened to the answer.
    pub elapsed_ms: f64,
    /// Matchers, side by side on the engine's threads.
    pub matchers: u64,
    /// Those that began again, since rows of a group were out of order of time.
    pub restarted: u64,
    /// Lists of row groups matched again as a whole, since footers told wrong ranges of groups.
    pub rejoined: u64,
    /// Matchers that looked at rows again for aggregations.
    pub second_passes: u64,
    /// Row groups of which no row can serve any step or condition, so that only their groups were read.
    pub row_groups_without_match: u64,
    /// Rows, groups and bytes from the files to the answer.
    pub stages: Vec<ExplainedStage>,
    /// Computing time over all threads, by what it was spent on; empty for a plan, which tells its own.
    pub times: Vec<ExplainedTime>,
}

/// What is left at a stage.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ExplainedStage {
    /// `stored`, `read`, `decoded`, `timeframe`, `selected` (rows that serve a step or condition), `matched` (groups that
    /// satisfy the conditions, with all their rows), `passed` (those that pass the last step).
    pub stage: String,
    /// Rows.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rows: Option<u64>,
    /// Groups.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub groups: Option<u64>,
    /// Bytes of the query's columns as stored, read or decompressed; of `timeframe` the state of all groups in memory.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bytes: Option<u64>,
}

/// Time spent on one thing.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct ExplainedTime {
    /// `open`, `decode`, `masks`, `groups`, `matching`, `verdict`, `second_pass` or `merge`.
    pub activity: String,
    /// Milliseconds.
    pub ms: f64,
}
