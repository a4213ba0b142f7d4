//! The query as the matcher runs it: columns by index, constants typed, the relation in postfix order.
//!
//! A [`Query`] only comes out of validation. What travels to a worker is its expanded document, from which the worker
//! makes it again: a task never carries a plan of this or that engine version.

use arrow_schema::DataType;
use serde_json::Value;

use crate::column::ColumnKind;
use crate::comparison::Comparison;
use crate::document::{AggregationKind, BreakdownBy};
use crate::filter::Filter;
use crate::finding::Finding;
use crate::relation::Relation;
use crate::scalar::Number;
use crate::time::{TimeBounds, TimeValue};
use crate::validate::validate;

/// What validation needs to know of a table.
#[derive(Debug, Clone, PartialEq)]
pub struct Dataset {
    /// Column whose values are the groups: integer or string, never null.
    pub group_column: String,
    /// Column that orders the rows of a group: number, timestamp or date, never null.
    pub time_column: String,
    /// All columns with their Arrow types; those that funnels cannot read may be among them.
    pub columns: Vec<(String, DataType)>,
    /// Names of further columns that exist but cannot be queried, for better messages.
    pub unsupported: Vec<String>,
    /// Exact minimum and maximum of the time column in the stored unit, if known.
    pub time_range: Option<(TimeValue, TimeValue)>,
}

/// A validated query, bound to the columns of a dataset.
#[derive(Debug, Clone)]
pub struct Query {
    pub(crate) expanded: Value,
    /// The first is the group column, the second the time column (unless they are the same one).
    pub(crate) columns: Vec<Column>,
    pub(crate) time_column: usize,
    pub(crate) bounds: TimeBounds,
    /// Distinct filters of conditions and steps.
    pub(crate) filters: Vec<Filter>,
    pub(crate) conditions: Vec<Condition>,
    pub(crate) relation: Option<Relation>,
    pub(crate) aggregations: Vec<Aggregation>,
    pub(crate) funnel: Option<Funnel>,
    pub(crate) compare: bool,
}

#[derive(Debug, Clone)]
pub(crate) struct Column {
    pub(crate) name: String,
    pub(crate) data_type: DataType,
    pub(crate) kind: ColumnKind,
}

/// A condition; filters are indexes into [`Query::filters`], a row has to satisfy all of them.
#[derive(Debug, Clone)]
pub(crate) enum Condition {
    Rows {
        filters: Vec<usize>,
        target: Target,
        include_zero: bool,
    },
    Sequence(Sequence),
}

#[derive(Debug, Clone)]
pub(crate) struct Target {
    /// The column to sum; rows are counted if there is none.
    pub(crate) sum: Option<usize>,
    pub(crate) comparison: Comparison,
    pub(crate) constant: Number,
}

impl Target {
    /// Whether one row is enough, whatever it holds.
    pub(crate) fn is_any_row(&self) -> bool {
        self.sum.is_none() && self.comparison == Comparison::GreaterOrEqual && self.constant == Number::Int(1)
    }
}

#[derive(Debug, Clone)]
pub(crate) struct Sequence {
    /// The filters of each step.
    pub(crate) steps: Vec<Vec<usize>>,
    /// For each step, whether a row is to be found or to be absent.
    pub(crate) positive: Vec<bool>,
    pub(crate) max_duration: Option<TimeValue>,
}

#[derive(Debug, Clone)]
pub(crate) struct Aggregation {
    pub(crate) column: usize,
    pub(crate) kind: AggregationKind,
    pub(crate) other: Option<usize>,
    pub(crate) top: u64,
    /// Whether the document says so, rather than the default.
    pub(crate) is_top_given: bool,
    pub(crate) q: f64,
    pub(crate) name: Option<String>,
}

#[derive(Debug, Clone)]
pub(crate) struct Funnel {
    pub(crate) sequence: Sequence,
    pub(crate) step_aggregations: Vec<Aggregation>,
    pub(crate) end_aggregations: Vec<Aggregation>,
    pub(crate) step_times: bool,
    pub(crate) breakdown: Option<Breakdown>,
}

#[derive(Debug, Clone)]
pub(crate) struct Breakdown {
    pub(crate) column: usize,
    pub(crate) by: BreakdownBy,
    pub(crate) top: u64,
}

/// An expanded document that does not fit the dataset any more.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the stored query does not fit the dataset: {}", .findings.first().map_or("no reason given", |finding| finding.message.as_str()))]
pub struct RebuildError {
    /// What is wrong, as validation says it.
    pub findings: Vec<Finding>,
}

impl RebuildError {
    /// Stable code, with a page in `docs/errors`.
    pub fn code(&self) -> &'static str {
        "HW-F019"
    }

    /// What to do next.
    pub fn help(&self) -> &'static str {
        "the table has changed since the query was accepted; run it again"
    }
}

impl Query {
    /// Makes the query again from its expanded document.
    ///
    /// # Errors
    /// [`RebuildError`] if the document is not valid for this dataset.
    pub fn from_expanded(expanded: &Value, dataset: &Dataset) -> Result<Self, RebuildError> {
        let validation = validate(expanded, Some(dataset));
        validation.query.ok_or(RebuildError {
            findings: validation.findings,
        })
    }

    /// The expanded document: what to store, and what to send to workers. It is a valid query document and expands to
    /// itself.
    pub fn expanded(&self) -> &Value {
        &self.expanded
    }

    /// Names of the columns to read: group, time, then the others in the order of their first use. No name twice.
    pub fn columns(&self) -> Vec<&str> {
        self.columns.iter().map(|column| column.name.as_str()).collect()
    }

    /// Name of the time column.
    pub fn time_column(&self) -> &str {
        self.columns
            .get(self.time_column)
            .map_or("", |column| column.name.as_str())
    }

    /// The timeframe in the stored unit of the time column; bounds finer than that are rounded so that they select the
    /// same rows.
    pub fn time_bounds(&self) -> TimeBounds {
        self.bounds
    }

    /// Number of steps of the funnel, if there is one.
    pub fn funnel_steps(&self) -> Option<usize> {
        self.funnel.as_ref().map(|funnel| funnel.sequence.steps.len())
    }

    pub(crate) fn kind(&self, column: usize) -> Option<&ColumnKind> {
        self.columns.get(column).map(|column| &column.kind)
    }

    pub(crate) fn is_float(&self, column: usize) -> bool {
        self.kind(column) == Some(&ColumnKind::Float)
    }

    /// The aggregations that `compare` computes.
    pub(crate) fn compare_aggregations(&self) -> &[Aggregation] {
        match &self.funnel {
            Some(funnel) if self.aggregations.is_empty() => &funnel.end_aggregations,
            _ => &self.aggregations,
        }
    }
}
