#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

use arrow_schema::DataType;
use expect_test::expect;
use serde_json::{Value, json};
use xxhash_rust::xxh3::xxh3_64;

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

/// The stored form of version 2: to be read for ever, or to be refused by its version.
#[test]
fn the_stored_form() {
    let stored = partial(&query()).to_bytes();
    let hex = |bytes: &[u8]| bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>();
    let lines: Vec<String> = stored.chunks(32).map(hex).collect();
    expect![[r#"
        02030202030700030102029a9999999999b93f01029a9999999999c93f010202
        00000100feffffffffffffffff0300010100feffffffffffffffff0303020101
        1f80808080e7cc99b3e6cc9913000004010101feffffffffffffffff03040001
        029a9999999999b93f0502030362757903047669657701020203000001020001
        0100280101280101280108010001012801000102000201010000000000010000
        0000000000000100010201020000010200010100280101280101280108010001
        0128010101020700020102029a9999999999b93f01029a9999999999c93f0102
        0200000100feffffffffffffffff0300010100feffffffffffffffff03030201
        011f80808080e7cc99b3e6cc9913000004010101feffffffffffffffff030400
        01029a9999999999b93f05020303627579030476696577010107000101000200
        030001000000040101010204000005010304766965770000561add9f1602271a"#]]
    .assert_eq(&lines.join("\n"));
}

#[test]
fn the_stored_form_reads_back() {
    let partial = partial(&query());
    assert_eq!(Partial::from_bytes(&partial.to_bytes()), Ok(partial));
}

#[test]
fn damaged_forms_and_other_versions_are_refused() {
    let stored = partial(&query()).to_bytes();
    let refused = |stored: &[u8]| {
        let error = Partial::from_bytes(stored).unwrap_err();
        assert_eq!(error.code(), "HW-F016");
        error.to_string()
    };
    let damaged = "the stored partial cannot be read: it is damaged";
    assert_eq!(refused(&[]), damaged);
    assert_eq!(refused(&stored[..stored.len() - 1]), damaged);
    for place in 0..stored.len() {
        let mut changed = stored.clone();
        changed[place] ^= 1;
        assert_eq!(refused(&changed), damaged);
    }
    let sealed = |content: &[u8]| [content, &xxh3_64(content).to_le_bytes()].concat();
    let other = [&[1], &stored[1..stored.len() - 8]].concat();
    assert_eq!(
        refused(&sealed(&other)),
        "the stored partial cannot be read: its version is 1, expected is 2"
    );
    refused(&sealed(&stored[..stored.len() / 2]));
    assert_eq!(refused(&sealed(&[])), damaged);
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
        let stored = Partial::from_bytes(&partial.to_bytes()).unwrap();
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
