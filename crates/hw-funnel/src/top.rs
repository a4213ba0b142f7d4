//! The order of lists per value.

use std::cmp::Ordering;
use std::collections::BTreeSet;

use crate::document::AggregationKind;
use crate::query::{Aggregation, Query};
use crate::scalar::{Number, Scalar};
use crate::tally::Tally;

/// A value of a list.
pub(crate) struct Entry<'t> {
    value: &'t Scalar,
    /// The value as a key of the result.
    pub(crate) key: String,
    pub(crate) number: Number,
}

/// The values of a list, by number, descending, NaN last, then by key, ascending. Empty for other tallies.
pub(crate) fn ranked<'t>(query: &Query, aggregation: &Aggregation, tally: &'t Tally) -> Vec<Entry<'t>> {
    let kind = query.kind(aggregation.column);
    let entry = |(value, number): (&'t Scalar, Number)| Entry {
        value,
        key: kind.map_or_else(|| value.key(), |kind| kind.key(value)),
        number,
    };
    let is_mean = aggregation.kind == AggregationKind::MeanPerValue;
    let mut ranked: Vec<Entry<'t>> = match tally {
        Tally::Counts(counts) => {
            let numbers = counts
                .iter()
                .map(|(value, count)| (value, Number::Int((*count).into())));
            numbers.map(entry).collect()
        }
        Tally::Sums(sums) if is_mean => {
            let means = sums.iter().filter_map(|(value, sum)| Some((value, sum.mean()?)));
            means.map(entry).collect()
        }
        Tally::Sums(sums) => sums.iter().map(|(value, sum)| entry((value, sum.total()))).collect(),
        Tally::Rows(_) | Tally::Total(_) | Tally::Extreme { .. } | Tally::Values(_) => Vec::new(),
    };
    ranked.sort_by(|left, right| descending(left.number, right.number).then_with(|| left.key.cmp(&right.key)));
    ranked
}

/// Keeps the `ceil(top x factor)` first values of a list; returns whether any was left out.
pub(crate) fn keep(query: &Query, aggregation: &Aggregation, tally: &mut Tally, factor: f64) -> bool {
    let most = most(aggregation.top, factor);
    let values = match tally {
        Tally::Counts(counts) => counts.len(),
        Tally::Sums(sums) => sums.len(),
        _ => 0,
    };
    if !aggregation.kind.is_per_value() || values <= most {
        return false;
    }
    let first = ranked(query, aggregation, tally).into_iter().take(most);
    let kept: BTreeSet<Scalar> = first.map(|entry| entry.value.clone()).collect();
    match tally {
        Tally::Counts(counts) => counts.retain(|value, _| kept.contains(value)),
        Tally::Sums(sums) => sums.retain(|value, _| kept.contains(value)),
        _ => {}
    }
    true
}

#[expect(
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "lists are shorter than what floats count exactly, and a cast of more stops at the greatest number"
)]
fn most(top: u64, factor: f64) -> usize {
    (top as f64 * factor.max(1.0)).ceil() as usize
}

/// Largest first, NaN last.
fn descending(left: Number, right: Number) -> Ordering {
    let is_nan = |number: Number| number.compare(number).is_none();
    is_nan(left)
        .cmp(&is_nan(right))
        .then(right.compare(left).unwrap_or(Ordering::Equal))
}
