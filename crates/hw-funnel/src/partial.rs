//! Partials: what a matcher found in its rows, ready to be merged with what others found.
//!
//! All rows of a group are in one partial. Counts, maps and sums are exact and independent of the order of merging.
//! A partial is stored as bytes with a version; the ids of matching groups travel beside it, as an Arrow array.

mod codec;

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;

use arrow_array::{Array, ArrayRef, Int64Array, LargeStringArray, UInt64Array};
use arrow_cast::{CastOptions, cast_with_options};
use arrow_schema::DataType;
use arrow_select::concat::concat;
use serde::{Deserialize, Serialize};

use crate::durations::Durations;
use crate::query::{Aggregation, Query};
use crate::scalar::Scalar;
use crate::tally::Tally;
use crate::top;

/// Counts of a query over some of the groups of a table.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Partial {
    pub(crate) scanned_rows: u64,
    pub(crate) scanned_groups: u64,
    pub(crate) query: Selection,
    pub(crate) funnel: Option<FunnelPartial>,
    pub(crate) compare: Option<(Selection, Selection)>,
    #[serde(skip)]
    groups: Option<ArrayRef>,
    /// Whether values were left out of lists per value.
    pub(crate) lists_cut: bool,
    /// Whether such lists were merged with others, so that their order and numbers may be off.
    pub(crate) approximate: bool,
}

/// Groups, all their rows, and the aggregations over these.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Selection {
    pub(crate) groups: u64,
    pub(crate) rows: u64,
    pub(crate) tallies: Vec<Tally>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct FunnelPartial {
    pub(crate) steps: Vec<StepPartial>,
    pub(crate) end: Vec<Tally>,
    /// Per value of the breakdown's column; `None` is null.
    pub(crate) breakdown: Option<BTreeMap<Option<Scalar>, Vec<StepPartial>>>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct StepPartial {
    pub(crate) selection: Selection,
    pub(crate) since_previous: Option<Box<Durations>>,
}

/// A partial that cannot be read, or does not belong to the same query.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PartialError {
    /// The stored form is of another version or damaged.
    #[error("the stored partial cannot be read: {reason}")]
    Unreadable {
        /// What is wrong with it.
        reason: String,
    },
    /// Two partials have other parts, so they come from different queries.
    #[error("the partials come from different queries")]
    Different,
    /// Group ids could not be joined or sorted.
    #[error("the group ids of partials do not fit together: {reason}")]
    Groups {
        /// What the array kernels say.
        reason: String,
    },
}

impl PartialError {
    /// Stable code, with a page in `docs/errors`.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Unreadable { .. } => "HW-F016",
            Self::Different | Self::Groups { .. } => "HW-F017",
        }
    }

    /// What to do next.
    pub fn help(&self) -> &'static str {
        match self {
            Self::Unreadable { .. } => "run the query again; results of unfinished runs are not kept over an upgrade",
            Self::Different | Self::Groups { .. } => "run the query again; if it recurs, report it as a bug",
        }
    }
}

impl Partial {
    /// The partial of no rows, from which merging can start.
    pub fn empty(query: &Query) -> Self {
        let selection = |aggregations: &[Aggregation]| Selection::empty(aggregations, query);
        let funnel = query.funnel.as_ref().map(|funnel| FunnelPartial {
            steps: StepPartial::empty_steps(query),
            end: tallies(&funnel.end_aggregations, query),
            breakdown: funnel.breakdown.as_ref().map(|_| BTreeMap::new()),
        });
        let compared = || selection(query.compare_aggregations());
        Self {
            scanned_rows: 0,
            scanned_groups: 0,
            query: selection(&query.aggregations),
            funnel,
            compare: query.compare.then(|| (compared(), compared())),
            groups: None,
            lists_cut: false,
            approximate: false,
        }
    }

    /// Rows within the timeframe.
    pub fn scanned_rows(&self) -> u64 {
        self.scanned_rows
    }

    /// Groups with at least one row within the timeframe.
    pub fn scanned_groups(&self) -> u64 {
        self.scanned_groups
    }

    /// Groups that satisfy the relation.
    pub fn matching_groups(&self) -> u64 {
        self.query.groups
    }

    /// Adds the partial of other groups of the same query. Exact, in any order, unless lists were cut
    /// ([`keep_top`](Self::keep_top)).
    ///
    /// # Errors
    /// [`PartialError::Different`] if it is of another query, [`PartialError::Groups`] if the group ids are of
    /// another type. `self` is then half merged and of no use.
    pub fn merge(&mut self, other: Self) -> Result<(), PartialError> {
        let fits = self.query.merge(&other.query)
            && merge_optional(&mut self.funnel, other.funnel, FunnelPartial::merge)
            && merge_optional(&mut self.compare, other.compare, |mine, other| {
                mine.0.merge(&other.0) && mine.1.merge(&other.1)
            });
        if !fits {
            return Err(PartialError::Different);
        }
        let of_two = self.scanned_groups > 0 && other.scanned_groups > 0;
        self.lists_cut |= other.lists_cut;
        self.approximate |= other.approximate || (of_two && self.lists_cut);
        self.scanned_rows += other.scanned_rows;
        self.scanned_groups += other.scanned_groups;
        self.groups = match (self.groups.take(), other.groups) {
            (Some(mine), Some(other)) => Some(merge_groups(&mine, &other)?),
            (mine, other) => mine.or(other),
        };
        Ok(())
    }

    /// Keeps, of each list per value, the `ceil(top x factor)` values that rank first here: as Funnel Rocket does with each part.
    /// A list that is merged from such lists is approximate, and the result says so. `factor` is at least 1.
    pub fn keep_top(&mut self, query: &Query, factor: f64) {
        let mut cut = |aggregations: &[Aggregation], tallies: &mut [Tally]| {
            for (aggregation, tally) in aggregations.iter().zip(tallies) {
                self.lists_cut |= top::keep(query, aggregation, tally, factor);
            }
        };
        cut(&query.aggregations, &mut self.query.tallies);
        if let (Some(funnel), Some(partial)) = (&query.funnel, &mut self.funnel) {
            let of_values = partial.breakdown.iter_mut().flat_map(BTreeMap::values_mut).flatten();
            for step in partial.steps.iter_mut().chain(of_values) {
                cut(&funnel.step_aggregations, &mut step.selection.tallies);
            }
            cut(&funnel.end_aggregations, &mut partial.end);
        }
        if let Some((matched, rest)) = &mut self.compare {
            cut(query.compare_aggregations(), &mut matched.tallies);
            cut(query.compare_aggregations(), &mut rest.tallies);
        }
    }

    /// Takes the ids of the matching groups, ascending and distinct, of the type of the group column without its
    /// dictionary. `None` unless the matcher was asked to collect them.
    pub fn take_groups(&mut self) -> Option<ArrayRef> {
        self.groups.take()
    }

    /// Puts back group ids that travelled beside the stored form; they have to be ascending and distinct.
    pub fn set_groups(&mut self, groups: ArrayRef) {
        self.groups = Some(groups);
    }
}

impl Selection {
    pub(crate) fn empty(aggregations: &[Aggregation], query: &Query) -> Self {
        Self {
            groups: 0,
            rows: 0,
            tallies: tallies(aggregations, query),
        }
    }

    /// Counts a group with so many rows.
    pub(crate) fn add_group(&mut self, rows: u64) {
        self.groups += 1;
        self.rows += rows;
    }

    pub(crate) fn merge(&mut self, other: &Self) -> bool {
        self.groups += other.groups;
        self.rows += other.rows;
        merge_tallies(&mut self.tallies, &other.tallies)
    }
}

fn tallies(aggregations: &[Aggregation], query: &Query) -> Vec<Tally> {
    aggregations
        .iter()
        .map(|aggregation| Tally::empty(aggregation, query))
        .collect()
}

pub(crate) fn merge_tallies(tallies: &mut [Tally], others: &[Tally]) -> bool {
    tallies.len() == others.len() && tallies.iter_mut().zip(others).all(|(tally, other)| tally.merge(other))
}

impl StepPartial {
    /// One for each step of the query's funnel.
    pub(crate) fn empty_steps(query: &Query) -> Vec<Self> {
        let Some(funnel) = &query.funnel else { return Vec::new() };
        let is_float = query.is_float(query.time_column);
        let first = funnel.sequence.positive.iter().position(|is_positive| *is_positive);
        let step = |(index, is_positive): (usize, &bool)| Self {
            selection: Selection::empty(&funnel.step_aggregations, query),
            since_previous: (funnel.step_times && *is_positive && Some(index) > first)
                .then(|| Box::new(Durations::empty(is_float))),
        };
        funnel.sequence.positive.iter().enumerate().map(step).collect()
    }

    pub(crate) fn merge(&mut self, other: &Self) -> bool {
        self.selection.merge(&other.selection)
            && merge_optional(
                &mut self.since_previous,
                other.since_previous.as_deref(),
                |mine, other| mine.merge(other),
            )
    }
}

pub(crate) fn merge_steps(steps: &mut [StepPartial], others: &[StepPartial]) -> bool {
    steps.len() == others.len() && steps.iter_mut().zip(others).all(|(step, other)| step.merge(other))
}

impl FunnelPartial {
    fn merge(&mut self, other: Self) -> bool {
        merge_steps(&mut self.steps, &other.steps)
            && merge_tallies(&mut self.end, &other.end)
            && merge_optional(&mut self.breakdown, other.breakdown, |mine, other| {
                other.into_iter().all(|(value, steps)| match mine.entry(value) {
                    Entry::Occupied(known) => merge_steps(known.into_mut(), &steps),
                    Entry::Vacant(place) => {
                        place.insert(steps);
                        true
                    }
                })
            })
    }
}

fn merge_optional<T, O>(mine: &mut Option<T>, other: Option<O>, merge: impl Fn(&mut T, O) -> bool) -> bool {
    match (mine, other) {
        (Some(mine), Some(other)) => merge(mine, other),
        (None, None) => true,
        _ => false,
    }
}

/// Joins two ascending arrays.
fn merge_groups(mine: &ArrayRef, other: &ArrayRef) -> Result<ArrayRef, PartialError> {
    let failed = |reason: String| PartialError::Groups { reason };
    let both = concat(&[mine.as_ref(), other.as_ref()]).map_err(|error| failed(error.to_string()))?;
    let mut ids = group_ids(&both).map_err(failed)?;
    ids.sort();
    ids.dedup();
    group_array(&ids, both.data_type()).map_err(failed)
}

fn group_ids(array: &ArrayRef) -> Result<Vec<Scalar>, String> {
    let cells = crate::column::Cells::read(array).map_err(|error| error.to_string())?;
    Ok((0..array.len()).filter_map(|row| cells.cell(row).to_scalar()).collect())
}

/// An array of group ids of the given type.
pub(crate) fn group_array(ids: &[Scalar], data_type: &DataType) -> Result<ArrayRef, String> {
    let ids: ArrayRef = match data_type {
        DataType::UInt64 => std::sync::Arc::new(unsigned_ids(ids)),
        DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View => std::sync::Arc::new(text_ids(ids)),
        _ => std::sync::Arc::new(signed_ids(ids)),
    };
    let options = CastOptions {
        safe: false,
        ..CastOptions::default()
    };
    cast_with_options(&ids, data_type, &options).map_err(|error| error.to_string())
}

fn signed_ids(ids: &[Scalar]) -> Int64Array {
    let id = |id: &Scalar| match id {
        Scalar::Int(id) => i64::try_from(*id).ok(),
        _ => None,
    };
    ids.iter().map(id).collect()
}

fn unsigned_ids(ids: &[Scalar]) -> UInt64Array {
    let id = |id: &Scalar| match id {
        Scalar::Int(id) => u64::try_from(*id).ok(),
        _ => None,
    };
    ids.iter().map(id).collect()
}

fn text_ids(ids: &[Scalar]) -> LargeStringArray {
    let id = |id: &Scalar| match id {
        Scalar::Text(id) => Some(id.to_string()),
        _ => None,
    };
    ids.iter().map(id).collect()
}

#[cfg(test)]
mod tests;
