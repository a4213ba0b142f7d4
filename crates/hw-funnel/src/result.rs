//! The result document: members `query`, `funnel` and `compare`.
//!
//! Keys come in a fixed order, nulls are left out, maps list their largest values first.

use std::cmp::Reverse;
use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use crate::column::ColumnKind;
use crate::document::AggregationKind;
use crate::durations::quantile;
use crate::partial::{FunnelPartial, Partial, Selection, StepPartial, merge_steps};
use crate::query::{Aggregation, Breakdown, Funnel, Query};
use crate::scalar::{Number, Scalar};
use crate::tally::Tally;
use crate::top;

/// The members of the result document that the query decides, from the merged partials.
///
/// Maps are ordered by number, descending, then by key as text, ascending, and cut to `top`. They have a member `"approx": true`
/// beside them if parts passed on cut lists only ([`Partial::keep_top`]).
pub fn result(query: &Query, partial: &Partial) -> Value {
    let mut document = Map::new();
    let asked = Asked {
        query,
        approximate: partial.approximate,
    };
    document.insert(
        "query".to_owned(),
        selection(asked, &query.aggregations, &partial.query),
    );
    if let (Some(funnel), Some(partial)) = (&query.funnel, &partial.funnel) {
        document.insert("funnel".to_owned(), funnel_result(asked, funnel, partial));
    }
    if let Some((matched, rest)) = &partial.compare {
        let aggregations = query.compare_aggregations();
        let compared =
            json!({"matched": selection(asked, aggregations, matched), "rest": selection(asked, aggregations, rest)});
        document.insert("compare".to_owned(), compared);
    }
    Value::Object(document)
}

/// What the members are made from.
#[derive(Clone, Copy)]
struct Asked<'q> {
    query: &'q Query,
    /// Whether lists per value are approximate.
    approximate: bool,
}

fn selection(asked: Asked<'_>, list: &[Aggregation], selection: &Selection) -> Value {
    let mut map = Map::new();
    map.insert("matchingGroups".to_owned(), json!(selection.groups));
    map.insert("matchingGroupRows".to_owned(), json!(selection.rows));
    insert_aggregations(&mut map, "aggregations", asked, list, &selection.tallies);
    Value::Object(map)
}

fn insert_aggregations(
    map: &mut Map<String, Value>,
    key: &str,
    asked: Asked<'_>,
    list: &[Aggregation],
    tallies: &[Tally],
) {
    if !list.is_empty() {
        let results = list
            .iter()
            .zip(tallies)
            .map(|(aggregation, tally)| aggregation_result(asked, aggregation, tally));
        map.insert(key.to_owned(), results.collect());
    }
}

fn funnel_result(asked: Asked<'_>, funnel: &Funnel, partial: &FunnelPartial) -> Value {
    let mut map = Map::new();
    map.insert("sequence".to_owned(), steps(asked, funnel, &partial.steps));
    insert_aggregations(
        &mut map,
        "endAggregations",
        asked,
        &funnel.end_aggregations,
        &partial.end,
    );
    if let (Some(breakdown), Some(values)) = (&funnel.breakdown, &partial.breakdown) {
        map.insert(
            "breakdown".to_owned(),
            breakdown_result(asked, funnel, breakdown, values),
        );
    }
    Value::Object(map)
}

fn steps(asked: Asked<'_>, funnel: &Funnel, steps: &[StepPartial]) -> Value {
    let step = |step: &StepPartial| {
        let mut result = selection(asked, &funnel.step_aggregations, &step.selection);
        if let (Some(map), Some(durations)) = (result.as_object_mut(), &step.since_previous) {
            map.insert("sincePrevious".to_owned(), durations.to_json());
        }
        result
    };
    steps.iter().map(step).collect()
}

fn breakdown_result(
    asked: Asked<'_>,
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
        let value = value.as_ref().map_or(Value::Null, |value| {
            plain_value(asked.query.kind(breakdown.column), value)
        });
        json!({"value": value, "sequence": steps(asked, funnel, of_value)})
    };
    let mut entries: Vec<Value> = listed.iter().map(entry).collect();
    if !rest.is_empty() {
        let mut other = StepPartial::empty_steps(asked.query);
        for (_, of_value) in rest {
            merge_steps(&mut other, of_value);
        }
        entries.push(json!({"other": true, "values": rest.len(), "sequence": steps(asked, funnel, &other)}));
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

fn aggregation_result(Asked { query, approximate }: Asked<'_>, aggregation: &Aggregation, tally: &Tally) -> Value {
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
        if approximate {
            map.insert("approx".to_owned(), json!(true));
        }
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
        (Tally::Counts(_) | Tally::Sums(_), _) => return Some(top_values(query, aggregation, tally)),
        (Tally::Total(sum), AggregationKind::Mean) => sum.mean()?,
        (Tally::Total(sum), _) if sum.count == 0 => return None,
        (Tally::Total(sum), _) => sum.total(),
        (Tally::Extreme { value, .. }, _) => value.as_ref()?.number()?,
        (Tally::Values(values), _) => Number::Int(i128::try_from(values.len()).unwrap_or(i128::MAX)),
    };
    Some(number.to_json())
}

fn top_values(query: &Query, aggregation: &Aggregation, tally: &Tally) -> Value {
    let top = usize::try_from(aggregation.top).unwrap_or(usize::MAX);
    let ranked = top::ranked(query, aggregation, tally).into_iter().take(top);
    ranked
        .map(|entry| (entry.key, entry.number.to_json()))
        .collect::<Map<_, _>>()
        .into()
}
