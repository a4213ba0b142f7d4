//! Tables on the wire.

use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;

/// A page of tables, newest version first.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct TableList {
    /// The tables, without their columns.
    pub items: Vec<TableDocument>,
    /// Token of the next page.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next: Option<String>,
}

/// A table.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct TableDocument {
    /// Its name.
    pub name: String,
    /// `bucket`, `dataset`, `lake`, `mirror`, `managed` or `view`.
    pub kind: String,
    /// Raised by one at each committed change.
    pub version: u64,
    /// Column that tells groups apart.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub group_column: Option<String>,
    /// Column that orders the rows of a group.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub time_column: Option<String>,
    /// `contained` or `split`.
    pub groups: String,
    /// Whether containment was proven over all parts.
    #[serde(default)]
    pub containment_proven: bool,
    /// Columns by which every part is sorted.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub sorted_by: Vec<String>,
    /// Number of rows.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rows: Option<u64>,
    /// Stored bytes.
    pub bytes: u64,
    /// Number of parts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub parts: Option<u64>,
    /// Where the parts are.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub location: Option<String>,
    /// Wildcard that the parts' names match.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pattern: Option<String>,
    /// Its columns; left out in lists.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub columns: Vec<ColumnDocument>,
    /// Columns that funnels cannot use; left out in lists.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub unsupported: Vec<UnsupportedDocument>,
    /// When this version was committed.
    pub registered_at: String,
    /// When a job last used it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_used_at: Option<String>,
    /// The job that made it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub origin: Option<String>,
    /// A remark.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub comment: Option<String>,
    /// The query of a view; left out in lists.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub query: Option<String>,
    /// Tables and views that the query of a view names; left out in lists.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub reads: Vec<String>,
}

/// A column.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct ColumnDocument {
    /// Its name.
    pub name: String,
    /// Its type in funnels: `INT`, `FLOAT`, `BOOL`, `STRING`, `TIMESTAMP`, `DATE`, `LIST<...>`; absent if unsupported.
    #[serde(default, rename = "type", skip_serializing_if = "Option::is_none")]
    pub column_type: Option<String>,
    /// Its type in SQL, as Arrow names it.
    pub sql_type: String,
    /// Least value over the inspected parts: a number, or the time as text.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub min: Option<Value>,
    /// Greatest value.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max: Option<Value>,
    /// Number of null cells, if known for all parts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub null_count: Option<u64>,
    /// Whether few values repeat often.
    #[serde(default)]
    pub categorical: bool,
    /// Most frequent values and their share of the rows; with `full` only.
    #[serde(default, skip_serializing_if = "serde_json::Map::is_empty")]
    #[schema(value_type = Object)]
    pub top_values: serde_json::Map<String, Value>,
    /// Distinct values per row; with `full` only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unique_ratio: Option<f64>,
}

/// A column that funnels cannot use.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct UnsupportedDocument {
    /// Its name.
    pub name: String,
    /// Why.
    pub reason: String,
}

/// A page of a table's parts, by path.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct PartList {
    /// The parts.
    pub items: Vec<PartDocument>,
    /// Token of the next page.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next: Option<String>,
}

/// A part.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct PartDocument {
    /// Path below the table's location.
    pub path: String,
    /// Its size.
    pub bytes: u64,
    /// Its rows, if known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rows: Option<u64>,
}
