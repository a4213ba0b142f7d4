//! The expanded document: verbose filters and targets, defaults written out, the relation explicit.
//!
//! It is a valid query document itself and expands to itself, so that it can be stored, sent to a worker and read back
//! there, whatever the version of the engine.

use serde_json::{Map, Value, json};

use super::{
    Aggregation, AggregationKind, Breakdown, BreakdownBy, Checked, Condition, ConditionBody, Document, Filter, Funnel,
    Rows, Step, Target,
};
use crate::comparison::Comparison;
use crate::finding::Located;
use crate::scalar::Number;

/// `default_top` is written into aggregations per value without `top` if it is not the language's own default.
pub(crate) fn expand(document: &Document, checked: &Checked, default_top: Option<u64>) -> Value {
    let mut root = Map::new();
    let timeframe = [("from", &document.from), ("to", &document.to)];
    let timeframe: Map<String, Value> = timeframe
        .iter()
        .filter_map(|(key, bound)| Some(((*key).to_owned(), bound.as_ref()?.value.clone())))
        .collect();
    insert_filled(&mut root, "timeframe", timeframe);
    insert_filled(&mut root, "query", expand_query(document, checked, default_top));
    if let Some(funnel) = &document.funnel {
        root.insert("funnel".to_owned(), Value::Object(expand_funnel(funnel, default_top)));
    }
    insert_true(&mut root, "compare", document.compare);
    Value::Object(root)
}

fn expand_query(document: &Document, checked: &Checked, default_top: Option<u64>) -> Map<String, Value> {
    let mut query = Map::new();
    if !document.conditions.is_empty() {
        query.insert(
            "conditions".to_owned(),
            document.conditions.iter().filter_map(expand_condition).collect(),
        );
    }
    if let Some(relation) = &checked.relation_text {
        query.insert("relation".to_owned(), json!(relation));
    }
    insert_aggregations(&mut query, "aggregations", &document.aggregations, default_top);
    query
}

fn expand_condition(condition: &Condition) -> Option<Value> {
    let mut map = Map::new();
    match condition.body.as_ref()? {
        ConditionBody::Rows {
            rows,
            target,
            include_zero,
        } => {
            insert_rows(&mut map, rows);
            map.insert("target".to_owned(), expand_target(target.as_ref()));
            let implied = target.as_ref().is_some_and(Target::implies_zero).then_some(true);
            if let Some(flag) = include_zero.as_ref().map(|flag| flag.value).or(implied) {
                map.insert("includeZero".to_owned(), json!(flag));
            }
        }
        ConditionBody::Sequence { steps, max_duration } => insert_sequence(&mut map, steps, max_duration.as_ref()),
    }
    if let Some(name) = &condition.name {
        map.insert("name".to_owned(), json!(name.value));
    }
    Some(Value::Object(map))
}

impl Target {
    /// `count == 0` asks for the groups without matching rows.
    pub(crate) fn implies_zero(&self) -> bool {
        self.sum.is_none() && self.comparison == Comparison::Equal && self.value == Number::Int(0)
    }
}

fn expand_target(target: Option<&Target>) -> Value {
    match target {
        None => json!({"type": "count", "op": ">=", "value": 1}),
        Some(Target {
            sum: None,
            comparison,
            written,
            ..
        }) => {
            json!({"type": "count", "op": comparison.text(), "value": written})
        }
        Some(Target {
            sum: Some(column),
            comparison,
            written,
            ..
        }) => {
            json!({"type": "sum", "column": column.value, "op": comparison.text(), "value": written})
        }
    }
}

fn insert_rows(map: &mut Map<String, Value>, rows: &Rows) {
    let mut filters = rows.filters.iter().map(expand_filter);
    if rows.is_list {
        map.insert("filters".to_owned(), filters.collect());
    } else if let Some(filter) = filters.next() {
        map.insert("filter".to_owned(), filter);
    }
}

fn expand_filter(filter: &Filter) -> Value {
    let mut map = Map::new();
    map.insert("column".to_owned(), json!(filter.column.value));
    map.insert("op".to_owned(), json!(filter.operator.value.text()));
    if let Some(value) = &filter.value {
        map.insert("value".to_owned(), value.value.clone());
    }
    Value::Object(map)
}

fn insert_sequence(map: &mut Map<String, Value>, steps: &[Step], max_duration: Option<&Located<Value>>) {
    map.insert("sequence".to_owned(), steps.iter().map(expand_step).collect());
    if let Some(duration) = max_duration {
        map.insert("maxDuration".to_owned(), duration.value.clone());
    }
}

fn expand_step(step: &Step) -> Value {
    let mut map = Map::new();
    insert_rows(&mut map, &step.rows);
    if !step.row_found {
        map.insert("rowFound".to_owned(), json!(false));
    }
    Value::Object(map)
}

fn expand_funnel(funnel: &Funnel, default_top: Option<u64>) -> Map<String, Value> {
    let mut map = Map::new();
    insert_sequence(&mut map, &funnel.steps, funnel.max_duration.as_ref());
    insert_aggregations(&mut map, "stepAggregations", &funnel.step_aggregations, default_top);
    insert_aggregations(&mut map, "endAggregations", &funnel.end_aggregations, default_top);
    insert_true(&mut map, "stepTimes", funnel.step_times);
    if let Some(breakdown) = &funnel.breakdown {
        map.insert("breakdown".to_owned(), expand_breakdown(breakdown));
    }
    map
}

fn expand_breakdown(breakdown: &Breakdown) -> Value {
    let by = match breakdown.by {
        BreakdownBy::First => "first",
        BreakdownBy::Pair => "pair",
    };
    json!({"column": breakdown.column.value, "by": by, "top": breakdown.top.unwrap_or(crate::DEFAULT_TOP)})
}

fn insert_aggregations(map: &mut Map<String, Value>, key: &str, list: &[Aggregation], default_top: Option<u64>) {
    if !list.is_empty() {
        let expanded = list
            .iter()
            .map(|aggregation| expand_aggregation(aggregation, default_top))
            .collect();
        map.insert(key.to_owned(), expanded);
    }
}

fn expand_aggregation(aggregation: &Aggregation, default_top: Option<u64>) -> Value {
    let mut map = Map::new();
    map.insert("column".to_owned(), json!(aggregation.column.value));
    map.insert("type".to_owned(), json!(aggregation.kind.name()));
    if let Some(other) = &aggregation.other {
        map.insert("otherColumn".to_owned(), json!(other.value));
    }
    if let (AggregationKind::Quantile, Some(q)) = (aggregation.kind, aggregation.q) {
        map.insert("q".to_owned(), json!(q));
    }
    let default_top = default_top.filter(|_| aggregation.kind.is_per_value());
    if let Some(top) = aggregation.top.or(default_top) {
        map.insert("top".to_owned(), json!(top));
    }
    if let Some(name) = &aggregation.name {
        map.insert("name".to_owned(), json!(name.value));
    }
    Value::Object(map)
}

fn insert_filled(map: &mut Map<String, Value>, key: &str, content: Map<String, Value>) {
    if !content.is_empty() {
        map.insert(key.to_owned(), Value::Object(content));
    }
}

fn insert_true(map: &mut Map<String, Value>, key: &str, flag: bool) {
    if flag {
        map.insert(key.to_owned(), Value::Bool(true));
    }
}
