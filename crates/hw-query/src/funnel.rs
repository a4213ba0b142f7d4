//! Funnels over tables and files: the operator, and what runs it.
//!
//! ```text
//! contained groups              straddling groups, views, files
//!
//! per part:                     FunnelExec        one matcher per partition, a few at a time
//!   FunnelExec                    │
//!     │                         RepartitionExec   rows of a group to one partition; what waits spills
//!   scan of the part              │
//!                               scan of everything
//! ```
//!
//! The operator asks for its input distributed by the group column unless no group has rows in two parts; then each
//! part is matched by itself, one after the other. Either way each matcher sees all rows of its groups, its memory is
//! reserved from the engine's pool, and the partials merge exactly.

use std::sync::Arc;
use std::time::Duration;

use arrow_schema::{DataType, Schema};
use hw_catalog::{Part, Scalar, Table, TableKind, TableName, TableVersion};
use hw_funnel::{Dataset, GroupExport, Partial, TimeValue};
use serde_json::Value;
use tokio::sync::oneshot;

use crate::engine::Engine;
use crate::error::QueryError;
use crate::rows::SummaryHandle;
use crate::run::{AbortOnDrop, Canceller};

mod call;
mod codec;
mod direct;
mod exec;
mod explain;
mod listed;
mod node;
mod output;
mod planner;
mod room;
mod run;
mod skip;
mod spec;
mod table;
#[cfg(test)]
mod tests;
mod timeframe;

pub(crate) use call::add_funnels;
pub use codec::FunnelCodec;
pub(crate) use direct::KnownParts;
pub use exec::FunnelExec;
pub(crate) use listed::listed;
pub(crate) use planner::FunnelQueryPlanner;
pub(crate) use run::FunnelWork;
pub(crate) use table::with_readable_names;

/// A run of the operator over a registered table, or over some of its parts.
#[derive(Debug, Clone)]
pub struct FunnelScan {
    /// The table, with its group and time column: a dataset or a view.
    pub table: Arc<Table>,
    /// Its parts, or those of one task; all of them where groups straddle parts. Empty for views.
    pub parts: Vec<Part>,
    /// The expanded query document.
    pub query: Value,
    /// Which groups' ids to collect, if any.
    pub export: Option<GroupExport>,
}

/// A run of the operator over any relation.
#[derive(Debug, Clone)]
pub struct FunnelRelation {
    /// A table or view by its name, or files by path, URL or wildcard, without quotes around the whole.
    pub name: String,
    /// Column whose values are the groups.
    pub group: String,
    /// Column that orders the rows of a group.
    pub time: String,
    /// The expanded query document.
    pub query: Value,
    /// Which groups' ids to collect, if any.
    pub export: Option<GroupExport>,
}

/// What the operator is run over.
#[derive(Debug, Clone)]
pub enum FunnelInput {
    /// A registered table.
    Scan(FunnelScan),
    /// Any relation.
    Relation(FunnelRelation),
}

impl From<FunnelScan> for FunnelInput {
    fn from(scan: FunnelScan) -> Self {
        Self::Scan(scan)
    }
}

impl From<FunnelRelation> for FunnelInput {
    fn from(relation: FunnelRelation) -> Self {
        Self::Relation(relation)
    }
}

impl FunnelInput {
    fn query(&self) -> &Value {
        match self {
            Self::Scan(scan) => &scan.query,
            Self::Relation(relation) => &relation.query,
        }
    }

    fn export(&self) -> Option<GroupExport> {
        match self {
            Self::Scan(scan) => scan.export,
            Self::Relation(relation) => relation.export,
        }
    }

    /// Whether it is known to be parts of a table, and no view.
    fn is_dataset(&self) -> bool {
        matches!(self, Self::Scan(scan) if scan.table.kind != TableKind::View)
    }
}

/// What a run of the operator found.
#[derive(Debug)]
pub struct FunnelPartial {
    /// The counts, to be merged with those of other tasks. It tells the rows within the timeframe too.
    pub partial: Partial,
    /// The columns that were read: group, time, then the others.
    pub columns: Vec<String>,
    /// Bytes read from files, footers too.
    pub bytes_read: u64,
    /// Files that were to be read.
    pub files_total: u64,
    /// Files of which no row was needed: the timeframe rules them out.
    pub files_pruned: u64,
    /// Files whose rows were held in memory, so that they were not read.
    pub files_held: u64,
    /// Bytes that remote stores gave.
    pub downloaded: u64,
    /// Bytes of remote files that the host had on its disk.
    pub from_cache: u64,
    /// Time of downloads, those side by side added up.
    pub download_time: Duration,
    /// Row groups of the files that were opened.
    pub row_groups_total: u64,
    /// Row groups that were skipped.
    pub row_groups_pruned: u64,
    /// Whether rows were distributed by group first, since groups may straddle parts.
    pub redistributed: bool,
    /// The tables that were read and the version of each.
    pub pinned: Vec<(TableName, TableVersion)>,
}

/// A run under way. Dropping it cancels it.
#[derive(Debug)]
pub struct FunnelRun {
    outcome: oneshot::Receiver<Result<FunnelPartial, QueryError>>,
    summary: SummaryHandle,
    task: AbortOnDrop,
}

impl FunnelRun {
    /// What was read so far.
    pub fn summary(&self) -> SummaryHandle {
        self.summary.clone()
    }

    /// A handle that cancels the run while it is waited for elsewhere.
    pub fn canceller(&self) -> Canceller {
        self.task.0.clone()
    }

    /// Waits for the end.
    ///
    /// # Errors
    /// [`QueryError::FunnelQuery`] if the query no longer fits the table, [`QueryError::FunnelData`] if the rows
    /// contradict it, and as any query: [`QueryError::Part`], [`QueryError::Memory`], [`QueryError::Cancelled`].
    pub async fn finish(self) -> Result<FunnelPartial, QueryError> {
        let canceller = self.canceller();
        match self.outcome.await {
            Ok(outcome) => outcome,
            Err(_) if canceller.is_cancelled() => Err(QueryError::Cancelled),
            Err(_) => Err(QueryError::internal("the funnel ended unexpectedly")),
        }
    }
}

pub(crate) fn start(engine: &Engine, work: FunnelWork) -> Result<FunnelRun, QueryError> {
    let (sender, outcome) = oneshot::channel();
    let summary = work.summary();
    let cancelled = work.cancelled();
    let task = engine
        .spawn(async move { drop(sender.send(work.run().await)) })?
        .abort_handle();
    Ok(FunnelRun {
        outcome,
        summary,
        task: AbortOnDrop(Canceller::with_flag(task, cancelled)),
    })
}

/// What validation needs to know of a registered table; `None` if it has no group or no time column.
///
/// The time range is given where both ends are exact.
pub fn dataset_of(table: &Table) -> Option<Dataset> {
    let time_column = table.time_column.clone()?;
    let range = table.column(&time_column).and_then(|column| {
        let exact =
            |bound: &Option<hw_catalog::Bound>| bound.as_ref().filter(|bound| bound.exact).map(|bound| bound.value);
        Some((time_value(exact(&column.min)?), time_value(exact(&column.max)?)))
    });
    // A column of a type that funnels cannot read is refused by its type, one that was set aside by its name.
    let set_aside = |name: &str| table.unsupported.iter().any(|column| column.name == name);
    let (columns, unsupported): (Vec<_>, Vec<_>) = columns_of(&table.schema)
        .into_iter()
        .partition(|(name, data_type)| hw_catalog::ColumnType::of(data_type).is_none() || !set_aside(name));
    Some(Dataset {
        group_column: table.group_column.clone()?,
        columns,
        unsupported: unsupported.into_iter().map(|(name, _)| name).collect(),
        time_range: range,
        time_column,
    })
}

/// What validation needs to know of a relation without statistics.
pub fn dataset_of_schema(schema: &Schema, group: &str, time: &str) -> Dataset {
    Dataset {
        group_column: group.to_owned(),
        time_column: time.to_owned(),
        columns: columns_of(schema),
        unsupported: Vec::new(),
        time_range: None,
    }
}

fn columns_of(schema: &Schema) -> Vec<(String, DataType)> {
    let fields = schema.fields().iter();
    fields
        .map(|field| (field.name().clone(), field.data_type().clone()))
        .collect()
}

fn time_value(scalar: Scalar) -> TimeValue {
    match scalar {
        Scalar::Int(value) => TimeValue::Int(i128::from(value)),
        Scalar::UInt(value) => TimeValue::Int(i128::from(value)),
        Scalar::Float(value) => TimeValue::Float(value),
    }
}
