//! The worked examples of the language, over every way to cut and store their rows.

use arrow_schema::DataType;
use serde_json::{Value, json};

use super::table::{Table, dictionary};

/// Users 1, 3, 5 and 2, 4 in two parts.
fn shop() -> Table {
    let columns = [
        ("user", DataType::Int64),
        ("ts", DataType::Int64),
        ("event", DataType::Utf8),
        ("device", DataType::Utf8),
        ("price", DataType::Float64),
    ];
    let rows = [
        (1, 10, "view", "mobile", None),
        (1, 20, "cart", "mobile", Some(10.0)),
        (1, 30, "buy", "mobile", Some(20.5)),
        (2, 10, "buy", "desktop", Some(5.0)),
        (2, 20, "view", "desktop", None),
        (3, 10, "view", "-", None),
        (3, 10, "buy", "-", Some(7.0)),
        (4, 10, "view", "mobile", None),
        (4, 15, "buy", "mobile", Some(1.0)),
        (4, 20, "cart", "tablet", None),
        (4, 25, "buy", "mobile", Some(2.0)),
        (5, 12, "view", "desktop", None),
    ];
    let rows = rows.map(|(user, ts, event, device, price)| {
        let device = if device == "-" { Value::Null } else { json!(device) };
        vec![json!(user), json!(ts), json!(event), device, json!(price)]
    });
    Table::new(&columns, rows.into())
}

/// Ways to store the columns.
fn storages() -> Vec<Vec<DataType>> {
    let utf8 = || DataType::Utf8;
    vec![
        vec![DataType::Int64, DataType::Int64, utf8(), utf8(), DataType::Float64],
        vec![
            DataType::Int8,
            DataType::UInt16,
            DataType::LargeUtf8,
            DataType::Utf8View,
            DataType::Float32,
        ],
        vec![
            DataType::UInt64,
            DataType::UInt64,
            dictionary(utf8()),
            dictionary(utf8()),
            DataType::Float16,
        ],
        vec![
            dictionary(DataType::Int64),
            dictionary(DataType::Int32),
            dictionary(DataType::LargeUtf8),
            utf8(),
            dictionary(DataType::Float64),
        ],
    ]
}

/// Ways to cut the rows into parts and batches.
fn cuts() -> Vec<Vec<Vec<Vec<usize>>>> {
    let all: Vec<usize> = (0..12).collect();
    let backwards: Vec<usize> = (0..12).rev().collect();
    let parts = [vec![0, 1, 2, 5, 6, 11], vec![3, 4, 7, 8, 9, 10]];
    let single = |rows: &[usize]| rows.iter().map(|row| vec![*row]).collect::<Vec<_>>();
    vec![
        vec![vec![all.clone()]],
        vec![vec![backwards.clone()]],
        vec![single(&all)],
        vec![single(&backwards)],
        vec![vec![parts[0].clone()], vec![parts[1].clone()]],
        vec![single(&parts[1]), single(&parts[0])],
        vec![
            vec![vec![], vec![0, 1, 2, 3, 4], vec![], (5..12).collect()],
            vec![],
            vec![vec![]],
        ],
    ]
}

#[track_caller]
fn check(query: Value, expected: Value) {
    let shop = shop();
    for stored in storages() {
        for parts in cuts() {
            let actual = shop.run_cut(&query, &parts, &stored);
            assert_eq!(actual, expected, "stored as {stored:?}, cut as {parts:?}");
        }
    }
}

/// Conditions alone.
#[track_caller]
fn check_groups(query: Value, groups: u64, rows: u64) {
    check(
        query,
        json!({"query": {"matchingGroups": groups, "matchingGroupRows": rows}}),
    );
}

fn one(condition: Value) -> Value {
    json!({"query": {"conditions": [condition]}})
}

#[test]
fn the_empty_query_counts_everything() {
    check_groups(json!({}), 5, 12);
    check_groups(json!({"query": {}, "timeframe": {}}), 5, 12);
    check_groups(json!({"query": {"conditions": [], "aggregations": []}}), 5, 12);
}

#[test]
fn conditions() {
    check_groups(
        one(json!({"filter": ["event", "==", "buy"], "target": ["sum", "price", ">=", 7]})),
        2,
        5,
    );
    check_groups(
        one(json!({"filter": ["event", "==", "buy"], "target": ["count", "==", 0]})),
        1,
        1,
    );
    check_groups(
        one(json!({"filter": ["event", "==", "cart"], "target": ["count", "<", 2]})),
        2,
        7,
    );
    let with_zero = json!({"filter": ["event", "==", "cart"], "target": ["count", "<", 2], "includeZero": true});
    check_groups(one(with_zero), 5, 12);
    check_groups(one(json!({"filter": ["device", "!=", "mobile"]})), 4, 9);
    check_groups(
        one(json!({"filter": ["event", "==", "view"], "target": ["sum", "price", "==", 0]})),
        5,
        12,
    );
}

#[test]
fn relations() {
    let query = json!({"query": {
        "conditions": [
            {"filter": ["event", "==", "buy"], "name": "bought"},
            {"filter": ["event", "==", "cart"], "name": "seen_cart"},
            {"filters": [
                {"column": "device", "op": "==", "value": "desktop"},
                {"column": "event", "op": "==", "value": "view"}]}],
        "relation": "$bought and ($seen_cart or $2)"}});
    check_groups(query, 3, 9);
}

#[test]
fn sequence_conditions_with_aggregations() {
    let steps = json!([{"filter": ["event", "==", "view"]}, {"filter": ["event", "==", "buy"]}]);
    let query = json!({"query": {
        "conditions": [{"sequence": steps}],
        "aggregations": [
            {"column": "event"},
            {"column": "device", "type": "sumPerValue", "otherColumn": "price"}]}});
    check(
        query,
        json!({"query": {"matchingGroups": 2, "matchingGroupRows": 7, "aggregations": [
            {"column": "event", "type": "count", "value": 7},
            {"column": "event", "type": "countPerValue", "top": 10, "value": {"buy": 3, "view": 2, "cart": 2}},
            {"column": "event", "type": "groupsPerValue", "top": 10, "value": {"view": 2, "buy": 2, "cart": 2}},
            {"column": "device", "type": "sumPerValue", "top": 10, "value": {"mobile": 33.5, "tablet": 0.0}}]}}),
    );
}

#[test]
fn funnels() {
    let query = json!({"funnel": {
        "sequence": [
            {"filter": ["event", "==", "view"]},
            {"filter": ["event", "==", "buy"]},
            {"filter": ["event", "==", "cart"]},
            {"filter": ["event", "==", "buy"]}],
        "stepAggregations": [{"column": "price", "type": "count", "name": "priced"}],
        "endAggregations": [{"column": "event", "type": "groupsPerValue"}]}});
    let step = |groups: u64, rows: u64, priced: u64| {
        json!({"matchingGroups": groups, "matchingGroupRows": rows, "aggregations": [
            {"column": "price", "type": "count", "name": "priced", "value": priced}]})
    };
    check(
        query,
        json!({
            "query": {"matchingGroups": 5, "matchingGroupRows": 12},
            "funnel": {
                "sequence": [step(5, 12, 6), step(2, 7, 4), step(1, 4, 2), step(1, 4, 2)],
                "endAggregations": [
                    {"column": "event", "type": "groupsPerValue", "top": 10, "value": {"view": 1, "buy": 1, "cart": 1}}]}}),
    );
}

#[test]
fn timeframes() {
    let query = json!({
        "timeframe": {"from": 15, "to": 25},
        "query": {"aggregations": [{"column": "event", "type": "countPerValue"}]}});
    check(
        query,
        json!({"query": {"matchingGroups": 3, "matchingGroupRows": 4, "aggregations": [
            {"column": "event", "type": "countPerValue", "top": 10, "value": {"cart": 2, "view": 1, "buy": 1}}]}}),
    );
}

#[test]
fn a_funnel_counts_within_the_groups_of_the_query() {
    let query = json!({
        "query": {"conditions": [{"sequence": [
            {"filter": ["event", "==", "buy"]}, {"filter": ["event", "==", "cart"]}]}]},
        "funnel": {"sequence": [{"filter": ["event", "==", "view"]}, {"filter": ["event", "==", "cart"]}]}});
    let four = json!({"matchingGroups": 1, "matchingGroupRows": 4});
    check(query, json!({"query": four, "funnel": {"sequence": [four, four]}}));
}

#[test]
fn no_matching_groups() {
    let query = json!({
        "query": {
            "conditions": [{"filter": ["event", "==", "view"], "target": ["sum", "price", ">", 0]}],
            "aggregations": [{"column": "event"}]},
        "funnel": {"sequence": [{"filter": ["event", "==", "view"]}]}});
    check(
        query,
        json!({
            "query": {"matchingGroups": 0, "matchingGroupRows": 0, "aggregations": [
                {"column": "event", "type": "count", "value": 0},
                {"column": "event", "type": "countPerValue", "top": 10, "value": {}},
                {"column": "event", "type": "groupsPerValue", "top": 10, "value": {}}]},
            "funnel": {"sequence": [{"matchingGroups": 0, "matchingGroupRows": 0}]}}),
    );
}
