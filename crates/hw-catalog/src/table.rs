//! A table of the catalog, whatever its kind.

use std::fmt;

use arrow_schema::Schema;
use serde::{Deserialize, Serialize};

use crate::{ColumnSummary, TableName};

/// Raised by one at each committed change of a table.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct TableVersion(pub u64);

impl fmt::Display for TableVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// Where the rows of a table live, and so who may write them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TableKind {
    /// In memory.
    Bucket,
    /// Parquet parts at a location, registered.
    Dataset,
    /// Delta table, in place.
    Lake,
    /// Local segments that follow a Delta table.
    Mirror,
    /// Segments written by SQL, loops, scripts and exports.
    Managed,
    /// A query.
    View,
}

impl TableKind {
    /// All kinds.
    pub const ALL: [Self; 6] = [
        Self::Bucket,
        Self::Dataset,
        Self::Lake,
        Self::Mirror,
        Self::Managed,
        Self::View,
    ];

    /// The kind in the words of the API, `dataset`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Bucket => "bucket",
            Self::Dataset => "dataset",
            Self::Lake => "lake",
            Self::Mirror => "mirror",
            Self::Managed => "managed",
            Self::View => "view",
        }
    }
}

/// Whether a group (a user) may have rows in more than one part.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Groups {
    /// No group has rows in two parts.
    Contained,
    /// Groups may straddle parts; funnels redistribute the rows by group first.
    Split,
}

/// What the catalog knows of a table. The parts of a dataset are kept beside it: there may be many.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Table {
    /// Schema and name.
    pub name: TableName,
    /// Where the rows live.
    pub kind: TableKind,
    /// Raised by one at each committed change; a name that is registered again goes on counting.
    pub version: TableVersion,
    /// All columns with their Arrow types, in stored order.
    pub schema: Schema,
    /// Column that tells groups (users) apart, if funnels can run over the table.
    pub group_column: Option<String>,
    /// Column that orders the rows of a group.
    pub time_column: Option<String>,
    /// Whether groups are contained in parts.
    pub groups: Groups,
    /// Columns by which every part is sorted, ascending; empty if not known.
    pub sorted_by: Vec<String>,
    /// Number of rows, if known.
    pub rows: Option<u64>,
    /// Stored size in bytes.
    pub bytes: u64,
    /// Columns that funnels can use, in stored order.
    pub columns: Vec<ColumnSummary>,
    /// Columns that they cannot use, and why.
    pub unsupported: Vec<UnsupportedColumn>,
    /// The dataset behind the table; `None` for other kinds.
    pub dataset: Option<Dataset>,
    /// When this version was committed: UTC, microseconds since 1970.
    pub registered_at: i64,
    /// The job that made it, as text.
    pub origin: Option<String>,
    /// A remark for people.
    pub comment: Option<String>,
    /// For a table whose rows are those of another one, brought together by group.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub repartition: Option<Box<Repartition>>,
    /// The query behind a view; `None` for other kinds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub view: Option<Box<View>>,
}

/// The query behind a view. The names and types of the view's own columns stand in the schema of its table.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct View {
    /// Its text: one query, in which the names of files are absolute.
    pub query: String,
    /// How the query names its columns, in the order of the view's own.
    pub columns: Vec<String>,
    /// Tables and views that it names, by name.
    pub reads: Vec<TableName>,
    /// Files that it names, as they stand in its text.
    pub files: Vec<String>,
}

/// Of which table a table was made by bringing the rows of each group together.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Repartition {
    /// The table whose rows these are.
    pub source: TableName,
    /// Its version when it was last read.
    pub version: TableVersion,
    /// Number of places that groups are distributed over; one without a group has no part.
    pub buckets: u32,
    /// The file that tells which parts were taken in, and where they went.
    pub manifest: KeptFile,
}

/// A file of the deployment's own file root.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeptFile {
    /// Path below the root.
    pub path: String,
    /// Size in bytes.
    pub bytes: u64,
    /// Checksum of the content, as text.
    pub checksum: String,
}

/// A column that funnels cannot use.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct UnsupportedColumn {
    /// Name, exactly as stored.
    pub name: String,
    /// Its type, or what else stands against it.
    pub reason: String,
}

/// Where the parts of a dataset are.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Dataset {
    /// URL of the folder that holds the parts, ending in `/`.
    pub location: String,
    /// Shell wildcard that the file names match.
    pub pattern: String,
    /// Whether sub-folders were searched too.
    pub recursive: bool,
    /// Number of parts.
    pub parts: u64,
    /// Number of parts whose rows were inspected.
    pub inspected: u64,
    /// Whether containment of groups was proven over all parts, not only over a sample.
    pub containment_proven: bool,
}

/// One Parquet file of a dataset.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Part {
    /// Path below the dataset's location, with `/` between folders.
    pub path: String,
    /// Size in bytes.
    pub bytes: u64,
    /// Number of rows, if its footer was read.
    pub rows: Option<u64>,
    /// Identity of the content where the store gives one.
    pub etag: Option<String>,
    /// Last modification: UTC, microseconds since 1970.
    pub modified_at: i64,
}

impl Table {
    /// The summary of the column named exactly so.
    pub fn column(&self, name: &str) -> Option<&ColumnSummary> {
        self.columns.iter().find(|column| column.name == name)
    }
}
