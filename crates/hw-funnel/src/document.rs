//! The query document as written: every form of the language brought into one, each part with its place.
//!
//! [`Document`] is what [`read`](reader::read) makes of JSON. It knows nothing of a dataset; column names are still
//! text and values still JSON. Short and long forms, wrappers and default aggregations no longer differ.

mod expand;
mod reader;
mod rules;

use serde_json::Value;

use crate::comparison::{Comparison, Operator};
use crate::finding::{Located, Pointer};
use crate::relation::Relation;
use crate::scalar::Number;

pub(crate) use expand::expand;
pub(crate) use reader::{is_deeper_than, read};
pub(crate) use rules::{check, empty_timeframe};

/// Deepest nesting of a document; the language itself needs seven levels.
pub(crate) const DEPTH_MAX: usize = 64;
/// Most values of an `in` list.
pub(crate) const LIST_LENGTH_MAX: usize = 10_000;
/// Largest `top` of a breakdown.
pub(crate) const BREAKDOWN_TOP_MAX: u64 = 1_000;

#[derive(Debug, Default)]
pub(crate) struct Document {
    pub(crate) from: Option<Located<Value>>,
    pub(crate) to: Option<Located<Value>>,
    pub(crate) conditions: Vec<Condition>,
    pub(crate) relation: Option<Located<String>>,
    pub(crate) aggregations: Vec<Aggregation>,
    pub(crate) funnel: Option<Funnel>,
    pub(crate) compare: bool,
    /// Every column that is mentioned, in order, also where the rest of a filter could not be read.
    pub(crate) columns: Vec<Located<String>>,
}

#[derive(Debug)]
pub(crate) struct Condition {
    pub(crate) at: Pointer,
    pub(crate) name: Option<Located<String>>,
    /// `None` if it could not be read; the place is kept so that later conditions keep their index.
    pub(crate) body: Option<ConditionBody>,
}

#[derive(Debug)]
pub(crate) enum ConditionBody {
    Rows {
        rows: Rows,
        target: Option<Target>,
        include_zero: Option<Located<bool>>,
    },
    Sequence {
        steps: Vec<Step>,
        max_duration: Option<Located<Value>>,
    },
}

/// Which rows are meant: those that satisfy all filters.
#[derive(Debug)]
pub(crate) struct Rows {
    pub(crate) filters: Vec<Filter>,
    /// Whether the document said `filters`, not `filter`.
    pub(crate) is_list: bool,
}

#[derive(Debug)]
pub(crate) struct Filter {
    pub(crate) column: Located<String>,
    pub(crate) operator: Located<Operator>,
    pub(crate) value: Option<Located<Value>>,
}

#[derive(Debug)]
pub(crate) struct Target {
    pub(crate) at: Pointer,
    /// The column of a sum; `None` for a count.
    pub(crate) sum: Option<Located<String>>,
    pub(crate) comparison: Comparison,
    pub(crate) value: Number,
    /// The value as written.
    pub(crate) written: Value,
}

#[derive(Debug)]
pub(crate) struct Step {
    pub(crate) rows: Rows,
    pub(crate) row_found: bool,
}

#[derive(Debug, Clone)]
pub(crate) struct Aggregation {
    pub(crate) column: Located<String>,
    pub(crate) kind: AggregationKind,
    pub(crate) other: Option<Located<String>>,
    pub(crate) top: Option<u64>,
    pub(crate) q: Option<f64>,
    pub(crate) name: Option<Located<String>>,
}

#[derive(Debug)]
pub(crate) struct Funnel {
    pub(crate) at: Pointer,
    pub(crate) steps: Vec<Step>,
    pub(crate) max_duration: Option<Located<Value>>,
    pub(crate) step_aggregations: Vec<Aggregation>,
    pub(crate) end_aggregations: Vec<Aggregation>,
    pub(crate) step_times: bool,
    pub(crate) breakdown: Option<Breakdown>,
}

#[derive(Debug)]
pub(crate) struct Breakdown {
    pub(crate) column: Located<String>,
    pub(crate) by: BreakdownBy,
    pub(crate) top: Option<u64>,
}

/// How a breakdown assigns groups to values.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum BreakdownBy {
    /// The value at the group's first step.
    First,
    /// The funnel is matched for every pair of group and value.
    Pair,
}

/// Types of aggregations.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum AggregationKind {
    Count,
    CountPerValue,
    GroupsPerValue,
    SumPerValue,
    MeanPerValue,
    Sum,
    Min,
    Max,
    Mean,
    Distinct,
    Quantile,
}

impl AggregationKind {
    pub(crate) const ALL: [Self; 11] = [
        Self::Count,
        Self::CountPerValue,
        Self::GroupsPerValue,
        Self::SumPerValue,
        Self::MeanPerValue,
        Self::Sum,
        Self::Min,
        Self::Max,
        Self::Mean,
        Self::Distinct,
        Self::Quantile,
    ];

    /// What an aggregation without a type stands for.
    pub(crate) const DEFAULTS: [Self; 3] = [Self::Count, Self::CountPerValue, Self::GroupsPerValue];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Count => "count",
            Self::CountPerValue => "countPerValue",
            Self::GroupsPerValue => "groupsPerValue",
            Self::SumPerValue => "sumPerValue",
            Self::MeanPerValue => "meanPerValue",
            Self::Sum => "sum",
            Self::Min => "min",
            Self::Max => "max",
            Self::Mean => "mean",
            Self::Distinct => "distinct",
            Self::Quantile => "quantile",
        }
    }

    /// Whether the answer is a map from value to number.
    pub(crate) fn is_per_value(self) -> bool {
        matches!(
            self,
            Self::CountPerValue | Self::GroupsPerValue | Self::SumPerValue | Self::MeanPerValue
        )
    }

    /// Whether a second, numeric column is needed.
    pub(crate) fn needs_other(self) -> bool {
        matches!(self, Self::SumPerValue | Self::MeanPerValue)
    }
}

impl Document {
    /// All lists of aggregations with the key that names them.
    pub(crate) fn aggregation_lists(&self) -> impl Iterator<Item = &[Aggregation]> {
        let funnel = self
            .funnel
            .iter()
            .flat_map(|funnel| [&funnel.step_aggregations, &funnel.end_aggregations]);
        std::iter::once(&self.aggregations).chain(funnel).map(Vec::as_slice)
    }

    /// Every sequence of steps: those of conditions first, then the funnel's.
    pub(crate) fn sequences(&self) -> impl Iterator<Item = (&Pointer, &[Step])> {
        let conditions = self.conditions.iter().filter_map(|condition| match &condition.body {
            Some(ConditionBody::Sequence { steps, .. }) => Some((&condition.at, steps.as_slice())),
            Some(ConditionBody::Rows { .. }) | None => None,
        });
        conditions.chain(self.funnel.iter().map(|funnel| (&funnel.at, funnel.steps.as_slice())))
    }
}

/// What the rules found out besides findings.
#[derive(Debug, Default)]
pub(crate) struct Checked {
    /// The relation in postfix order; `None` without conditions.
    pub(crate) relation: Option<Relation>,
    /// The relation as text, explicit.
    pub(crate) relation_text: Option<String>,
    /// Names of conditions, as written, with their index.
    pub(crate) names: Vec<(String, usize)>,
}
