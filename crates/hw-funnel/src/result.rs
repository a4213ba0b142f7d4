//! The result document: members `query`, `funnel` and `compare`.
//!
//! Keys come in a fixed order, nulls are left out, maps list their largest values first.

use std::cmp::{Ordering, Reverse};
use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use crate::column::ColumnKind;
use crate::document::AggregationKind;
use crate::durations::quantile;
use crate::partial::{FunnelPartial, Partial, Selection, StepPartial, merge_steps};
use crate::query::{Aggregation, Breakdown, Funnel, Query};
use crate::scalar::{Number, Scalar};
use crate::tally::Tally;

/// The members of the result document that the query decides, from the merged partials.
///
/// Maps are ordered by number, descending, then by key as text, ascending, and cut to `top`.
pub fn result(query: &Query, partial: &Partial) -> Value {
    let mut document = Map::new();
    document.insert(
        "query".to_owned(),
        selection(query, &query.aggregations, &partial.query),
    );
    if let (Some(funnel), Some(partial)) = (&query.funnel, &partial.funnel) {
        document.insert("funnel".to_owned(), funnel_result(query, funnel, partial));
    }
    if let Some((matched, rest)) = &partial.compare {
        let aggregations = query.compare_aggregations();
        let compared =
            json!({"matched": selection(query, aggregations, matched), "rest": selection(query, aggregations, rest)});
        document.insert("compare".to_owned(), compared);
    }
    Value::Object(document)
}

fn selection(query: &Query, list: &[Aggregation], selection: &Selection) -> Value {
    let mut map = Map::new();
    map.insert("matchingGroups".to_owned(), json!(selection.groups));
    map.insert("matchingGroupRows".to_owned(), json!(selection.rows));
    insert_aggregations(&mut map, "aggregations", query, list, &selection.tallies);
    Value::Object(map)
}

fn insert_aggregations(
    map: &mut Map<String, Value>,
    key: &str,
    query: &Query,
    list: &[Aggregation],
    tallies: &[Tally],
) {
    if !list.is_empty() {
        let results = list
            .iter()
            .zip(tallies)
            .map(|(aggregation, tally)| aggregation_result(query, aggregation, tally));
        map.insert(key.to_owned(), results.collect());
    }
}

fn funnel_result(query: &Query, funnel: &Funnel, partial: &FunnelPartial) -> Value {
    let mut map = Map::new();
    map.insert("sequence".to_owned(), steps(query, funnel, &partial.steps));
    insert_aggregations(
        &mut map,
        "endAggregations",
        query,
        &funnel.end_aggregations,
        &partial.end,
    );
    if let (Some(breakdown), Some(values)) = (&funnel.breakdown, &partial.breakdown) {
        map.insert(
            "breakdown".to_owned(),
            breakdown_result(query, funnel, breakdown, values),
        );
    }
    Value::Object(map)
}

fn steps(query: &Query, funnel: &Funnel, steps: &[StepPartial]) -> Value {
    let step = |step: &StepPartial| {
        let mut result = selection(query, &funnel.step_aggregations, &step.selection);
        if let (Some(map), Some(durations)) = (result.as_object_mut(), &step.since_previous) {
            map.insert("sincePrevious".to_owned(), durations.to_json());
        }
        result
    };
    steps.iter().map(step).collect()
}

fn breakdown_result(
    query: &Query,
    funnel: &Funnel,
    breakdown: &Breakdown,
    values: &BTreeMap<Option<Scalar>, Vec<StepPartial>>,
) -> Value {
    let first_step = |steps: &[StepPartial]| steps.first().map_or(0, |step| step.selection.groups);
    let mut ranked: Vec<(&Option<Scalar>, &Vec<StepPartial>)> = values.iter().collect();
    // Null ranks behind all values with as many groups.
    ranked.sort_by_key(|(value, steps)| (Reverse(first_step(steps)), value.is_none(), *value));
    let top = usize::try_from(breakdown.top).unwrap_or(usize::MAX);
    let (listed, rest) = ranked.split_at_checked(top).unwrap_or((&ranked, &[]));
    let entry = |(value, of_value): &(&Option<Scalar>, &Vec<StepPartial>)| {
        let value = value
            .as_ref()
            .map_or(Value::Null, |value| plain_value(query.kind(breakdown.column), value));
        json!({"value": value, "sequence": steps(query, funnel, of_value)})
    };
    let mut entries: Vec<Value> = listed.iter().map(entry).collect();
    if !rest.is_empty() {
        let mut other = StepPartial::empty_steps(query);
        for (_, of_value) in rest {
            merge_steps(&mut other, of_value);
        }
        entries.push(json!({"other": true, "values": rest.len(), "sequence": steps(query, funnel, &other)}));
    }
    Value::Array(entries)
}

/// A value of a breakdown: a JSON value of its own type, ISO text for timestamps and dates.
fn plain_value(kind: Option<&ColumnKind>, value: &Scalar) -> Value {
    match (kind, value) {
        (Some(kind @ ColumnKind::Calendar(_)), value) => json!(kind.key(value)),
        (_, Scalar::Bool(value)) => json!(value),
        (_, Scalar::Text(text)) => json!(text),
        (_, Scalar::Int(_) | Scalar::Float(_)) => value.number().map_or(Value::Null, Number::to_json),
    }
}

fn aggregation_result(query: &Query, aggregation: &Aggregation, tally: &Tally) -> Value {
    let mut map = Map::new();
    let column = query.columns.get(aggregation.column).map(|column| column.name.as_str());
    map.insert("column".to_owned(), json!(column));
    map.insert("type".to_owned(), json!(aggregation.kind.name()));
    if aggregation.kind == AggregationKind::Quantile {
        map.insert("q".to_owned(), json!(aggregation.q));
    }
    if let Some(name) = &aggregation.name {
        map.insert("name".to_owned(), json!(name));
    }
    if aggregation.kind.is_per_value() {
        map.insert("top".to_owned(), json!(aggregation.top));
    }
    if let Some(value) = aggregation_value(query, aggregation, tally) {
        map.insert("value".to_owned(), value);
    }
    Value::Object(map)
}

/// `None` for an aggregation of one number over no input.
fn aggregation_value(query: &Query, aggregation: &Aggregation, tally: &Tally) -> Option<Value> {
    let number = match (tally, aggregation.kind) {
        (Tally::Rows(count), _) => Number::Int((*count).into()),
        (Tally::Counts(counts), AggregationKind::Quantile) => quantile(counts, aggregation.q)?,
        (Tally::Counts(counts), _) => {
            let numbers = counts
                .iter()
                .map(|(value, count)| (value, Number::Int((*count).into())));
            return Some(top_values(query, aggregation, numbers.collect()));
        }
        (Tally::Sums(sums), AggregationKind::MeanPerValue) => {
            let numbers = sums.iter().filter_map(|(value, sum)| Some((value, sum.mean()?)));
            return Some(top_values(query, aggregation, numbers.collect()));
        }
        (Tally::Sums(sums), _) => {
            let numbers = sums.iter().map(|(value, sum)| (value, sum.total()));
            return Some(top_values(query, aggregation, numbers.collect()));
        }
        (Tally::Total(sum), AggregationKind::Mean) => sum.mean()?,
        (Tally::Total(sum), _) if sum.count == 0 => return None,
        (Tally::Total(sum), _) => sum.total(),
        (Tally::Extreme { value, .. }, _) => value.as_ref()?.number()?,
        (Tally::Values(values), _) => Number::Int(i128::try_from(values.len()).unwrap_or(i128::MAX)),
    };
    Some(number.to_json())
}

fn top_values(query: &Query, aggregation: &Aggregation, numbers: Vec<(&Scalar, Number)>) -> Value {
    let key = |value: &Scalar| {
        query
            .kind(aggregation.column)
            .map_or_else(|| value.key(), |kind| kind.key(value))
    };
    let mut ranked: Vec<(String, Number)> = numbers
        .into_iter()
        .map(|(value, number)| (key(value), number))
        .collect();
    ranked.sort_by(|(left_key, left), (right_key, right)| {
        descending(*left, *right).then_with(|| left_key.cmp(right_key))
    });
    let top = usize::try_from(aggregation.top).unwrap_or(usize::MAX);
    let map: Map<String, Value> = ranked
        .into_iter()
        .take(top)
        .map(|(key, number)| (key, number.to_json()))
        .collect();
    Value::Object(map)
}

/// Largest first, NaN last.
fn descending(left: Number, right: Number) -> Ordering {
    let is_nan = |number: Number| number.compare(number).is_none();
    is_nan(left)
        .cmp(&is_nan(right))
        .then(right.compare(left).unwrap_or(Ordering::Equal))
}
