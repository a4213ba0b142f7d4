#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

use arrow_schema::DataType;
use expect_test::{Expect, expect};
use serde_json::{Value, json};

use super::{Partial, PartialError};
use crate::tests::table::Table;

fn table() -> Table {
    let columns = [
        ("user", DataType::Int64),
        ("ts", DataType::Int64),
        ("e", DataType::Utf8),
        ("price", DataType::Float64),
        ("n", DataType::UInt64),
        ("ok", DataType::Boolean),
    ];
    let rows = vec![
        vec![
            json!(1),
            json!(10),
            json!("view"),
            json!(0.1),
            json!(u64::MAX),
            json!(true),
        ],
        vec![
            json!(1),
            json!(30),
            json!("buy"),
            json!(0.2),
            json!(u64::MAX),
            json!(false),
        ],
        vec![json!(2), json!(10), json!("view"), Value::Null, json!(1), Value::Null],
    ];
    Table::new(&columns, rows)
}

fn query() -> Value {
    let list = json!([
        {"column": "e", "type": "count"},
        {"column": "price", "type": "countPerValue"},
        {"column": "ok", "type": "sumPerValue", "otherColumn": "n"},
        {"column": "price", "type": "sum"},
        {"column": "n", "type": "max"},
        {"column": "price", "type": "min"},
        {"column": "e", "type": "distinct"}]);
    json!({
        "query": {"aggregations": list},
        "funnel": {
            "sequence": [{"filter": ["e", "==", "view"]}, {"filter": ["e", "==", "buy"]}],
            "stepTimes": true,
            "breakdown": {"column": "ok"}},
        "compare": true})
}

fn partial(query: &Value) -> Partial {
    let table = table();
    table.match_part(&table.query(query), &[vec![0, 1, 2]], &table.declared_types(), None)
}

#[track_caller]
fn check(stored: &Value, expected: Expect) {
    expected.assert_eq(&stored.to_string());
}

/// The stored form of version 1: to be read for ever, or to be refused by its version.
#[test]
fn the_stored_form() {
    let stored = partial(&query()).to_json();
    check(
        &stored["query"],
        expect![[
            r#"{"groups":2,"rows":3,"tallies":[{"rows":3},{"counts":[[{"float":"0.1"},1],[{"float":"0.2"},1]]},{"sums":[[false,{"count":1,"int":"18446744073709551615"}],[true,{"count":1,"int":"18446744073709551615"}]]},{"total":{"count":2,"limbs":[[31,"1450710983537555090178048"]]}},{"max":18446744073709551615},{"min":{"float":"0.1"}},{"values":["buy","view"]}]}"#
        ]],
    );
    check(
        &stored["funnel"],
        expect![[
            r#"{"steps":[{"selection":{"groups":2,"rows":3}},{"selection":{"groups":1,"rows":2},"sincePrevious":{"sum":{"count":1,"int":"20"},"min":20,"max":20,"bars":[[4,1]],"exact":[[20,1]]}}],"breakdown":[[null,[{"selection":{"groups":1,"rows":1}},{"selection":{"groups":0,"rows":0},"sincePrevious":{"sum":{"count":0,"int":"0"},"min":null,"max":null,"bars":[],"exact":[]}}]],[true,[{"selection":{"groups":1,"rows":2}},{"selection":{"groups":1,"rows":2},"sincePrevious":{"sum":{"count":1,"int":"20"},"min":20,"max":20,"bars":[[4,1]],"exact":[[20,1]]}}]]]}"#
        ]],
    );
    assert_eq!(stored["version"], json!(1));
}

#[test]
fn the_stored_form_reads_back() {
    let partial = partial(&query());
    let text = partial.to_json().to_string();
    assert_eq!(Partial::from_json(&serde_json::from_str(&text).unwrap()), Ok(partial));
}

#[test]
fn damaged_forms_are_refused() {
    let stored = partial(&query()).to_json();
    let refused = |change: &dyn Fn(&mut Value)| {
        let mut damaged = stored.clone();
        change(&mut damaged);
        let error = Partial::from_json(&damaged).unwrap_err();
        assert_eq!(error.code(), "HW-F016");
        error.to_string()
    };
    let reason = refused(&|stored| stored["version"] = json!(2));
    assert_eq!(
        reason,
        "the stored partial cannot be read: its version is 2, expected is 1"
    );
    assert!(refused(&|stored| *stored = json!([])).contains("version is none"));
    refused(&|stored| stored["scannedRows"] = json!(-1));
    refused(&|stored| stored["more"] = json!(1));
    refused(&|stored| stored["query"]["tallies"][3]["total"]["limbs"][0][1] = json!("x"));
    refused(&|stored| stored["query"]["tallies"][3]["total"]["limbs"][0][0] = json!(255));
    refused(&|stored| stored["query"]["tallies"][1]["counts"][0][0] = json!({"float": "NaN"}));
    refused(&|stored| stored["query"]["tallies"][2] = json!({"sums": [[true, {"count": 1}]]}));
    refused(&|stored| stored["funnel"]["steps"][1]["sincePrevious"]["buckets"] = json!([]));
}

#[test]
fn partials_of_other_queries_do_not_merge() {
    let one = partial(&query());
    for other in [
        json!({}),
        json!({"compare": true}),
        json!({"query": {"aggregations": [{"column": "e", "type": "count"}]}}),
        json!({"funnel": {"sequence": [{"filter": ["e", "==", "view"]}]}}),
    ] {
        let error = one.clone().merge(partial(&other)).unwrap_err();
        assert_eq!(error, PartialError::Different);
        assert_eq!(error.code(), "HW-F017");
    }
}

#[test]
fn the_empty_partial_changes_nothing() {
    let query = table().query(&query());
    let whole = partial(query.expanded());
    let mut merged = Partial::empty(&query);
    merged.merge(whole.clone()).unwrap();
    merged.merge(Partial::empty(&query)).unwrap();
    assert_eq!(merged, whole);
}

/// The rows of each group by value, each group a part of its own.
fn of_parts(query: &Value, groups: &[&[&str]], factor: Option<f64>) -> Value {
    let columns = [
        ("user", DataType::Int64),
        ("ts", DataType::Int64),
        ("e", DataType::Utf8),
    ];
    let rows_of = |(user, values): (usize, &&[&str])| {
        let row = move |value: &&str| vec![json!(user), json!(0), json!(value)];
        values.iter().map(row).collect::<Vec<_>>()
    };
    let rows: Vec<Vec<Vec<Value>>> = groups.iter().enumerate().map(rows_of).collect();
    let table = Table::new(&columns, rows.concat());
    let query = table.query(query);
    let mut merged = Partial::empty(&query);
    let mut first = 0;
    for rows in rows {
        let part = [(first..first + rows.len()).collect()];
        first += rows.len();
        let mut partial = table.match_part(&query, &part, &table.declared_types(), None);
        if let Some(factor) = factor {
            partial.keep_top(&query, factor);
        }
        let stored = Partial::from_json(&partial.to_json()).unwrap();
        merged.merge(stored).unwrap();
    }
    crate::result(&query, &merged)["query"]["aggregations"][0].clone()
}

/// A value that is second in every part is first over all, unless the parts pass on their first only.
#[test]
fn lists_of_cut_lists_are_approximate_and_say_so() {
    let query = |top: u64| json!({"query": {"aggregations": [{"column": "e", "type": "countPerValue", "top": top}]}});
    let parts: [&[&str]; 2] = [&["a", "a", "a", "x", "x"], &["b", "b", "b", "x", "x"]];
    let check = |top: u64, parts: &[&[&str]], factor: Option<f64>, value: Value, is_approximate: bool| {
        let answer = of_parts(&query(top), parts, factor);
        assert_eq!(answer["value"], value, "{top} {factor:?}");
        assert_eq!(
            answer.get("approx"),
            is_approximate.then_some(&json!(true)),
            "{top} {factor:?}"
        );
    };
    check(1, &parts, None, json!({"x": 4}), false);
    check(1, &parts, Some(1.0), json!({"a": 3}), true);
    check(1, &parts, Some(1.1), json!({"x": 4}), false);
    check(2, &parts, Some(1.0), json!({"x": 4, "a": 3}), false);
    // Below 1 the list could be shorter than asked for.
    check(1, &parts, Some(0.1), json!({"a": 3}), true);
    // The list of a single part lacks nothing.
    check(1, &parts[..1], Some(1.0), json!({"a": 3}), false);
}
