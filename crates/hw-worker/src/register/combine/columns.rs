//! Statistics of columns over parts.

use std::collections::HashMap;

use hw_catalog::{Bound, ColumnSummary, ColumnType, UnsupportedColumn};
use hw_files::compare;

use super::{CombineOptions, OutlineColumn, Outlines};
use crate::register::inspect::{InspectedColumn, PartInspection};

/// The summaries of all columns that funnels can use, in the order of the first part.
pub(super) fn summaries(
    inspections: &[&PartInspection],
    others: &[Outlines],
    complete: bool,
    options: &CombineOptions,
) -> Vec<ColumnSummary> {
    let Some(first) = inspections.first() else {
        return Vec::new();
    };
    let inspected: Vec<HashMap<&str, &InspectedColumn>> = inspections
        .iter()
        .map(|part| {
            part.columns
                .iter()
                .map(|column| (column.name.as_str(), column))
                .collect()
        })
        .collect();
    let outlined: Vec<HashMap<&str, &OutlineColumn>> = others
        .iter()
        .map(|part| {
            part.columns
                .iter()
                .map(|column| (column.name.as_str(), column))
                .collect()
        })
        .collect();
    let summary = |column: &InspectedColumn| {
        let name = column.name.as_str();
        let told = Told {
            rows: inspections.iter().map(|part| part.outline.rows).collect(),
            inspected: inspected.iter().filter_map(|part| part.get(name).copied()).collect(),
            outlined: outlined.iter().filter_map(|part| part.get(name).copied()).collect(),
        };
        told.summary(column, complete, options)
    };
    first.columns.iter().map(summary).collect()
}

/// What is told of one column.
struct Told<'a> {
    /// Rows of the inspected parts, in the order of `inspected`.
    rows: Vec<u64>,
    inspected: Vec<&'a InspectedColumn>,
    outlined: Vec<&'a OutlineColumn>,
}

impl Told<'_> {
    fn summary(&self, first: &InspectedColumn, complete: bool, options: &CombineOptions) -> ColumnSummary {
        let is_text = first.column_type == ColumnType::String;
        let text = self.text();
        let (min, max) = self.range();
        ColumnSummary {
            name: first.name.clone(),
            column_type: first.column_type.clone(),
            min,
            max,
            null_count: self.null_count().filter(|_| complete),
            dictionary: self.inspected.iter().all(|column| column.dictionary),
            categorical: is_text && !text.is_empty() && text.iter().all(|column| column.categorical),
            top_values: top_values(&text, options),
            unique_ratio: average(text.iter().filter_map(|column| column.unique_ratio)),
        }
    }

    /// The column in the parts that have rows: an empty part says nothing about values.
    fn text(&self) -> Vec<&InspectedColumn> {
        let with_rows = self.inspected.iter().zip(&self.rows).filter(|(_, rows)| **rows > 0);
        with_rows
            .map(|(column, _)| *column)
            .filter(|column| column.column_type == ColumnType::String)
            .collect()
    }

    fn range(&self) -> (Option<Bound>, Option<Bound>) {
        let inspected = self
            .inspected
            .iter()
            .map(|column| (column.bounded, &column.min, &column.max));
        let outlined = self
            .outlined
            .iter()
            .map(|column| (column.bounded, &column.min, &column.max));
        let all: Vec<_> = inspected.chain(outlined).collect();
        if all.iter().any(|(bounded, _, _)| !bounded) {
            return (None, None);
        }
        (
            least_bound(all.iter().map(|(_, min, _)| *min)),
            greatest_bound(all.iter().map(|(_, _, max)| *max)),
        )
    }

    fn null_count(&self) -> Option<u64> {
        let inspected = self.inspected.iter().map(|column| column.null_count);
        inspected
            .chain(self.outlined.iter().map(|column| column.null_count))
            .sum()
    }
}

/// The least of some lower bounds; `None` where there is no value at all.
pub(super) fn least_bound<'a>(bounds: impl IntoIterator<Item = &'a Option<Bound>>) -> Option<Bound> {
    bounds
        .into_iter()
        .flatten()
        .min_by(|a, b| compare(a.value, b.value))
        .cloned()
}

/// The greatest of some upper bounds.
pub(super) fn greatest_bound<'a>(bounds: impl IntoIterator<Item = &'a Option<Bound>>) -> Option<Bound> {
    bounds
        .into_iter()
        .flatten()
        .max_by(|a, b| compare(a.value, b.value))
        .cloned()
}

/// Shares averaged over the parts; a value that a part does not list has no share there.
fn top_values(columns: &[&InspectedColumn], options: &CombineOptions) -> Vec<(String, f64)> {
    let parts = columns.len() as f64;
    let mut sums: HashMap<&str, f64> = HashMap::new();
    for (value, share) in columns.iter().flat_map(|column| &column.top_values) {
        *sums.entry(value).or_default() += share;
    }
    let mut shares: Vec<(String, f64)> = sums
        .into_iter()
        .map(|(value, sum)| (value.to_owned(), sum / parts))
        .filter(|(_, share)| *share >= options.top_share_min)
        .collect();
    shares.sort_by(|(value, share), (other, other_share)| other_share.total_cmp(share).then(value.cmp(other)));
    shares.truncate(options.top_count);
    shares
}

fn average(values: impl Iterator<Item = f64>) -> Option<f64> {
    let (count, sum) = values.fold((0_u32, 0.0), |(count, sum), value| (count + 1, sum + value));
    (count > 0).then(|| sum / f64::from(count))
}

/// Columns that funnels cannot use, in the order in which the parts name them, each once.
pub(super) fn unsupported(inspections: &[&PartInspection]) -> Vec<UnsupportedColumn> {
    let mut merged: Vec<UnsupportedColumn> = Vec::new();
    for column in inspections.iter().flat_map(|part| &part.unsupported) {
        if !merged.iter().any(|known| known.name == column.name) {
            merged.push(column.clone());
        }
    }
    merged
}
