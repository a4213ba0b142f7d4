//! SQL requests.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;

/// Body of `POST /sql`: one statement.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct SqlRequest {
    /// The statement.
    pub sql: String,
    /// Values of `$1`, `$2`, ...: null, booleans, numbers, texts.
    #[serde(default)]
    pub params: Vec<Value>,
    /// Options of the answer's format; none are known yet.
    #[serde(default, skip_serializing_if = "serde_json::Map::is_empty")]
    #[schema(value_type = Object)]
    pub format_options: serde_json::Map<String, Value>,
    /// Options of the engine that the statement runs with, by name, as `SET` takes them.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub settings: BTreeMap<String, String>,
}

/// Header of an answer of `POST /sql` to a statement that changed the catalog: a [`StatementDone`] as JSON in ASCII.
pub const STATEMENT_DONE: &str = "headwater-done";

/// What a statement that changes the catalog has done; the one row of its answer has the same members.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StatementDone {
    /// `CREATE VIEW` or `DROP VIEW`.
    pub statement: String,
    /// `created`, `replaced`, `dropped`, or `unchanged` where nothing was to be done.
    pub outcome: String,
    /// The view.
    pub table: String,
    /// Its version now; absent once it is gone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<u64>,
    /// The job that did it; absent where nothing was to be done.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub job: Option<String>,
}

/// How rows travel, chosen by `Accept`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RowFormat {
    /// One array of row objects.
    Json,
    /// One row object per line.
    JsonLines,
    /// RFC 4180 with a header line.
    Csv,
    /// Arrow IPC stream.
    Arrow,
    /// One Parquet file.
    Parquet,
}

impl RowFormat {
    /// The media type.
    pub fn media_type(self) -> &'static str {
        match self {
            Self::Json => "application/json",
            Self::JsonLines => crate::JSON_LINES,
            Self::Csv => "text/csv; charset=utf-8",
            Self::Arrow => crate::ARROW_STREAM,
            Self::Parquet => crate::PARQUET,
        }
    }
}

/// Body of `POST /sql/explain`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ExplainRequest {
    /// The statement.
    pub sql: String,
    /// Values of `$1`, `$2`, ...
    #[serde(default)]
    pub params: Vec<Value>,
    /// Run it, and tell rows and time of each step.
    #[serde(default)]
    pub analyze: bool,
    /// Options of the engine that the statement runs with, by name, as `SET` takes them.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub settings: BTreeMap<String, String>,
}

/// How a statement is carried out.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct ExplainDocument {
    /// The plan as a tree for people.
    pub text: String,
    /// The plan as a document.
    pub plan: Value,
}
