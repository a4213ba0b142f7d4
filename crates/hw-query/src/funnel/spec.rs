//! What the operator does, as a document that any worker of a fitting version understands.

use std::cmp::Ordering;
use std::fmt;
use std::hash::{Hash, Hasher};
use std::sync::Arc;

use arrow_schema::DataType;
use hw_funnel::{Dataset, GroupExport, Query, RebuildError};
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// Version of the document; raised when an older worker would misread it.
const VERSION: u32 = 1;

/// A query bound to a table, and how it is to be run.
#[derive(Clone)]
pub(crate) struct FunnelSpec {
    query: Arc<Query>,
    facts: Facts,
    options: Options,
}

/// How a query is to be run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Options {
    /// Whether the input must first be distributed by group.
    pub(crate) redistribute: bool,
    /// Matchers that hold rows at the same time in one process; the others' rows wait, on disk if need be.
    pub(crate) matchers_max: usize,
    /// Bytes that are reserved for these before their rows come.
    pub(crate) room: usize,
    /// Which groups' ids to collect.
    pub(crate) export: Option<GroupExport>,
}

/// What the matcher needs to know of the table.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Facts {
    group_column: String,
    time_column: String,
    /// Columns that the query reads.
    columns: Vec<(String, DataType)>,
}

#[derive(Serialize, Deserialize)]
struct Document {
    version: u32,
    query: Value,
    dataset: Facts,
    redistribute: bool,
    matchers_max: usize,
    #[serde(default)]
    room: usize,
    export: Option<StoredExport>,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum StoredExport {
    Matching,
    Step(usize),
    Last,
}

/// A document that cannot be carried out here.
#[derive(Debug, thiserror::Error)]
pub(crate) enum SpecError {
    /// Not a document of ours.
    #[error("the document of a funnel operator is damaged: {0}")]
    Damaged(#[from] serde_json::Error),
    /// Written by another version.
    #[error("the document of a funnel operator has version {0}, expected is {VERSION}")]
    Version(u32),
    /// The query does not fit the columns.
    #[error(transparent)]
    Query(#[from] RebuildError),
}

impl FunnelSpec {
    /// Binds the expanded `query` to `dataset`.
    pub(crate) fn new(query: &Value, dataset: &Dataset, options: Options) -> Result<Self, RebuildError> {
        let query = Query::from_expanded(query, dataset)?;
        let read = query.columns();
        let columns = dataset.columns.iter().filter(|(name, _)| read.contains(&name.as_str()));
        let facts = Facts {
            group_column: dataset.group_column.clone(),
            time_column: dataset.time_column.clone(),
            columns: columns.cloned().collect(),
        };
        Ok(Self {
            query: Arc::new(query),
            facts,
            options,
        })
    }

    /// The same, to be run otherwise.
    pub(crate) fn with_options(self, options: Options) -> Self {
        Self { options, ..self }
    }

    /// Columns that the query reads.
    pub(crate) fn columns(&self) -> usize {
        self.facts.columns.len()
    }

    pub(crate) fn query(&self) -> &Arc<Query> {
        &self.query
    }

    pub(crate) fn options(&self) -> Options {
        self.options
    }

    pub(crate) fn group_column(&self) -> &str {
        &self.facts.group_column
    }

    pub(crate) fn to_json(&self) -> Value {
        let document = Document {
            version: VERSION,
            query: self.query.expanded().clone(),
            dataset: self.facts.clone(),
            redistribute: self.options.redistribute,
            matchers_max: self.options.matchers_max,
            room: self.options.room,
            export: self.options.export.map(StoredExport::from),
        };
        // Nothing in the document can fail to be JSON: texts, numbers, and a document that was JSON before.
        serde_json::to_value(document).unwrap_or_default()
    }

    pub(crate) fn from_json(bytes: &[u8]) -> Result<Self, SpecError> {
        #[derive(Deserialize)]
        struct Versioned {
            version: u32,
        }
        let Versioned { version } = serde_json::from_slice(bytes)?;
        if version != VERSION {
            return Err(SpecError::Version(version));
        }
        let document: Document = serde_json::from_slice(bytes)?;
        let dataset = Dataset {
            group_column: document.dataset.group_column,
            time_column: document.dataset.time_column,
            columns: document.dataset.columns,
            unsupported: Vec::new(),
            time_range: None,
        };
        let options = Options {
            redistribute: document.redistribute,
            matchers_max: document.matchers_max.max(1),
            room: document.room,
            export: document.export.map(GroupExport::from),
        };
        Ok(Self::new(&document.query, &dataset, options)?)
    }
}

impl From<GroupExport> for StoredExport {
    fn from(export: GroupExport) -> Self {
        match export {
            GroupExport::Matching => Self::Matching,
            GroupExport::Step(step) => Self::Step(step),
            GroupExport::Last => Self::Last,
        }
    }
}

impl From<StoredExport> for GroupExport {
    fn from(export: StoredExport) -> Self {
        match export {
            StoredExport::Matching => Self::Matching,
            StoredExport::Step(step) => Self::Step(step),
            StoredExport::Last => Self::Last,
        }
    }
}

impl fmt::Debug for FunnelSpec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FunnelSpec")
            .field("query", self.query.expanded())
            .finish_non_exhaustive()
    }
}

/// Two are equal if their documents are.
impl PartialEq for FunnelSpec {
    fn eq(&self, other: &Self) -> bool {
        self.facts == other.facts && self.options == other.options && self.query.expanded() == other.query.expanded()
    }
}

impl Eq for FunnelSpec {}

impl Hash for FunnelSpec {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.to_json().to_string().hash(state);
    }
}

impl PartialOrd for FunnelSpec {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        (self == other).then_some(Ordering::Equal)
    }
}
