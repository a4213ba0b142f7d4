//! Tallies: what one aggregation has counted so far, exact and mergeable.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use crate::document::AggregationKind;
use crate::query::{Aggregation, Query};
use crate::scalar::{Number, Scalar};
use crate::sum::Sum;

/// The state of one aggregation. Groups never straddle two tallies, so all of them merge exactly.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) enum Tally {
    /// Rows: `count`.
    Rows(u64),
    /// Rows or groups per value: `countPerValue`, `groupsPerValue`, `quantile`.
    Counts(BTreeMap<Scalar, u64>),
    /// `sumPerValue`, `meanPerValue`.
    Sums(BTreeMap<Scalar, Sum>),
    /// `sum`, `mean`.
    Total(Sum),
    /// `min`, `max`.
    Extreme { is_max: bool, value: Option<Scalar> },
    /// `distinct`.
    Values(BTreeSet<Scalar>),
}

/// The rows of one group, as an aggregation sees them: value and other value per row, `None` for null.
pub(crate) struct GroupValues<'a, V, O>
where
    V: Iterator<Item = Option<&'a Scalar>>,
    O: Iterator<Item = Option<&'a Scalar>>,
{
    pub(crate) values: V,
    pub(crate) others: O,
}

impl Tally {
    pub(crate) fn empty(aggregation: &Aggregation, query: &Query) -> Self {
        match aggregation.kind {
            AggregationKind::Count => Self::Rows(0),
            AggregationKind::CountPerValue | AggregationKind::GroupsPerValue | AggregationKind::Quantile => {
                Self::Counts(BTreeMap::new())
            }
            AggregationKind::SumPerValue | AggregationKind::MeanPerValue => Self::Sums(BTreeMap::new()),
            AggregationKind::Sum | AggregationKind::Mean => Self::Total(Sum::empty(query.is_float(aggregation.column))),
            AggregationKind::Min => Self::Extreme {
                is_max: false,
                value: None,
            },
            AggregationKind::Max => Self::Extreme {
                is_max: true,
                value: None,
            },
            AggregationKind::Distinct => Self::Values(BTreeSet::new()),
        }
    }

    /// Adds all rows of one group.
    pub(crate) fn add_group<'a, V, O>(&mut self, aggregation: &Aggregation, query: &Query, rows: GroupValues<'a, V, O>)
    where
        V: Iterator<Item = Option<&'a Scalar>>,
        O: Iterator<Item = Option<&'a Scalar>>,
    {
        let values = rows.values;
        match self {
            Self::Rows(count) => *count += values.flatten().fold(0, |rows, _| rows + 1),
            Self::Counts(counts) if aggregation.kind == AggregationKind::GroupsPerValue => {
                let distinct: BTreeSet<&Scalar> = values.flatten().collect();
                distinct.into_iter().for_each(|value| count_one(counts, value));
            }
            Self::Counts(counts) => values.flatten().for_each(|value| count_one(counts, value)),
            Self::Sums(sums) => {
                let is_float = aggregation.other.is_some_and(|other| query.is_float(other));
                for (value, other) in values.zip(rows.others) {
                    if let Some(value) = value {
                        add_to_sum(sums, value, other.and_then(Scalar::number), is_float);
                    }
                }
            }
            Self::Total(sum) => values
                .flatten()
                .filter_map(Scalar::number)
                .for_each(|number| sum.add(number)),
            Self::Extreme { is_max, value } => {
                let found = if *is_max {
                    values.flatten().max()
                } else {
                    values.flatten().min()
                };
                extend_extreme(*is_max, value, found);
            }
            Self::Values(set) => {
                for value in values.flatten() {
                    if !set.contains(value) {
                        set.insert(value.clone());
                    }
                }
            }
        }
    }

    /// Adds the tally of other groups; `false` if it belongs to another aggregation.
    pub(crate) fn merge(&mut self, other: &Self) -> bool {
        match (self, other) {
            (Self::Rows(count), Self::Rows(more)) => *count += more,
            (Self::Counts(counts), Self::Counts(more)) => {
                for (value, more) in more {
                    *counts.entry(value.clone()).or_default() += more;
                }
            }
            (Self::Sums(sums), Self::Sums(more)) => return merge_sums(sums, more),
            (Self::Total(sum), Self::Total(more)) => return sum.merge(more),
            (
                Self::Extreme { is_max, value },
                Self::Extreme {
                    is_max: other_is_max,
                    value: other,
                },
            ) => {
                extend_extreme(*is_max, value, other.as_ref());
                return is_max == other_is_max;
            }
            (Self::Values(set), Self::Values(more)) => set.extend(more.iter().cloned()),
            _ => return false,
        }
        true
    }
}

fn count_one(counts: &mut BTreeMap<Scalar, u64>, value: &Scalar) {
    match counts.get_mut(value) {
        Some(count) => *count += 1,
        None => {
            counts.insert(value.clone(), 1);
        }
    }
}

fn add_to_sum(sums: &mut BTreeMap<Scalar, Sum>, value: &Scalar, number: Option<Number>, is_float: bool) {
    if !sums.contains_key(value) {
        sums.insert(value.clone(), Sum::empty(is_float));
    }
    if let (Some(sum), Some(number)) = (sums.get_mut(value), number) {
        sum.add(number);
    }
}

fn merge_sums(sums: &mut BTreeMap<Scalar, Sum>, more: &BTreeMap<Scalar, Sum>) -> bool {
    more.iter().all(|(value, sum)| match sums.get_mut(value) {
        Some(known) => known.merge(sum),
        None => {
            sums.insert(value.clone(), sum.clone());
            true
        }
    })
}

fn extend_extreme(is_max: bool, value: &mut Option<Scalar>, found: Option<&Scalar>) {
    let Some(found) = found else { return };
    let is_further = value
        .as_ref()
        .is_none_or(|value| if is_max { found > value } else { found < value });
    if is_further {
        *value = Some(found.clone());
    }
}
