//! Answers to small questions, by capability.

use std::sync::Arc;

use arrow_array::{Array, ArrayRef, Int64Array, RecordBatch, StringArray};
use arrow_schema::{DataType, Field, Schema, TimeUnit};
use serde_json::{Value, json};

use super::table::{Table, dictionary};
use crate::{Dataset, GroupExport, MatchError, Matcher, Partial, Query, TimeBounds, TimeValue, result, validate};

/// Rows `group, time, value` with a value column of the given type.
fn values(data_type: DataType, rows: &[(i64, i64, Value)]) -> Table {
    let columns = [("user", DataType::Int64), ("ts", DataType::Int64), ("v", data_type)];
    let rows = rows
        .iter()
        .map(|(user, ts, value)| vec![json!(user), json!(ts), value.clone()])
        .collect();
    Table::new(&columns, rows)
}

/// One group per value: which values pass the filter `["v", op, constant]`.
#[track_caller]
fn check_filter(data_type: DataType, cells: &[Value], filter: Value, expected: &[Value]) {
    let rows: Vec<(i64, i64, Value)> = cells
        .iter()
        .zip(0..)
        .map(|(cell, user)| (user, 0, cell.clone()))
        .collect();
    let table = values(data_type, &rows);
    let query = table.query(&json!({"query": {"conditions": [{"filter": filter}]}}));
    let mut partial = table.match_part(
        &query,
        &[(0..rows.len()).collect()],
        &table.declared_types(),
        Some(GroupExport::Matching),
    );
    let groups = partial.take_groups().unwrap();
    let groups = groups.as_any().downcast_ref::<Int64Array>().unwrap();
    let passed: Vec<Value> = groups
        .values()
        .iter()
        .map(|user| cells[usize::try_from(*user).unwrap()].clone())
        .collect();
    assert_eq!(passed, expected, "{filter}");
}

#[test]
fn nulls_match_negations_only() {
    let cells = [json!("a"), json!("b"), Value::Null];
    let (a, b, null) = (json!("a"), json!("b"), Value::Null);
    for (filter, expected) in [
        (json!(["v", "==", "a"]), vec![a.clone()]),
        (json!(["v", "!=", "a"]), vec![b.clone(), null.clone()]),
        (json!(["v", "<", "b"]), vec![a.clone()]),
        (json!(["v", "<=", "b"]), vec![a.clone(), b.clone()]),
        (json!(["v", ">", "a"]), vec![b.clone()]),
        (json!(["v", ">=", ""]), vec![a.clone(), b.clone()]),
        (json!(["v", "contains", ""]), vec![a.clone(), b.clone()]),
        (json!(["v", "contains", "a"]), vec![a.clone()]),
        (json!(["v", "not contains", "a"]), vec![b.clone(), null.clone()]),
        (json!(["v", "not contains", ""]), vec![null.clone()]),
        (json!(["v", "in", ["a", "x"]]), vec![a.clone()]),
        (json!(["v", "not in", ["a", "x"]]), vec![b.clone(), null.clone()]),
        (json!(["v", "starts with", "a"]), vec![a.clone()]),
        (json!(["v", "starts with", ""]), vec![a.clone(), b.clone()]),
        (json!(["v", "regex", "."]), vec![a.clone(), b.clone()]),
        (json!(["v", "is null"]), vec![null.clone()]),
        (json!(["v", "is not null"]), vec![a, b]),
    ] {
        check_filter(DataType::Utf8, &cells, filter.clone(), &expected);
        check_filter(dictionary(DataType::Utf8), &cells, filter, &expected);
    }
}

#[test]
fn nan_is_null() {
    let cells = [json!(1.5), json!("NaN"), Value::Null];
    check_filter(DataType::Float64, &cells, json!(["v", "is null"]), &cells[1..]);
    check_filter(DataType::Float64, &cells, json!(["v", "!=", 1.5]), &cells[1..]);
    check_filter(DataType::Float64, &cells, json!(["v", "not in", [1.5]]), &cells[1..]);
    check_filter(DataType::Float64, &cells, json!(["v", "<", 2]), &cells[..1]);
    check_filter(DataType::Float64, &[json!(-0.0)], json!(["v", "==", 0]), &[json!(-0.0)]);
    check_filter(
        DataType::Float64,
        &[json!(-0.0)],
        json!(["v", "in", [0]]),
        &[json!(-0.0)],
    );
}

#[test]
fn booleans_with_nulls() {
    let cells = [json!(true), json!(false), Value::Null];
    check_filter(DataType::Boolean, &cells, json!(["v", "==", true]), &cells[..1]);
    check_filter(DataType::Boolean, &cells, json!(["v", "!=", true]), &cells[1..]);
    check_filter(
        DataType::Boolean,
        &cells,
        json!(["v", "in", [false, true]]),
        &cells[..2],
    );
}

#[test]
fn integers_beyond_doubles() {
    let big = 9_007_199_254_740_993_i64;
    let cells = [json!(big), json!(big - 1), json!(i64::MIN)];
    check_filter(DataType::Int64, &cells, json!(["v", "==", big]), &cells[..1]);
    check_filter(DataType::Int64, &cells, json!(["v", ">", big - 1]), &cells[..1]);
    check_filter(DataType::Int64, &cells, json!(["v", "<", i64::MIN + 1]), &cells[2..]);
    check_filter(
        DataType::Int64,
        &cells,
        json!(["v", "==", 9_007_199_254_740_992.0]),
        &cells[1..2],
    );
    check_filter(DataType::Int64, &cells, json!(["v", "<", 1e30]), &cells);
    check_filter(DataType::Int64, &cells, json!(["v", "<", u64::MAX]), &cells);
    let cells = [json!(u64::MAX), json!(u64::MAX - 1), json!(0)];
    check_filter(DataType::UInt64, &cells, json!(["v", "==", u64::MAX]), &cells[..1]);
    check_filter(DataType::UInt64, &cells, json!(["v", ">", -1]), &cells);
    check_filter(
        DataType::UInt64,
        &cells,
        json!(["v", "in", [u64::MAX, -1]]),
        &cells[..1],
    );
    check_filter(DataType::Int8, &[json!(-128)], json!(["v", ">", -1000]), &[json!(-128)]);
    check_filter(DataType::Int32, &[json!(5)], json!(["v", "==", 5.0]), &[json!(5)]);
}

#[test]
fn floats_compare_as_doubles() {
    let cells = [json!(0.1), json!(0.5), json!(9_007_199_254_740_992.0)];
    check_filter(DataType::Float64, &cells, json!(["v", "==", 0.1]), &cells[..1]);
    check_filter(DataType::Float32, &cells[..2], json!(["v", "==", 0.5]), &cells[1..2]);
    // 0.1 is another number with 32 bits, and greater.
    check_filter(DataType::Float32, &cells[..1], json!(["v", ">", 0.1]), &cells[..1]);
    check_filter(
        DataType::Float64,
        &cells,
        json!(["v", "==", 9_007_199_254_740_993_i64]),
        &cells[2..],
    );
}

#[test]
fn values_are_data() {
    let cells: Vec<Value> = [
        "\\",
        "a\\",
        "a\nb",
        "\\b",
        "\' \\\' | (ts >= 0) #",
        "`x`",
        "\"",
        "#",
        "日本",
    ]
    .map(Value::from)
    .into();
    for (index, cell) in cells.iter().enumerate() {
        check_filter(DataType::Utf8, &cells, json!(["v", "==", cell]), &cells[index..=index]);
        check_filter(
            DataType::Utf8,
            &cells,
            json!(["v", "in", [cell]]),
            &cells[index..=index],
        );
    }
    check_filter(
        DataType::Utf8,
        &cells,
        json!(["v", "contains", "\\"]),
        &[0, 1, 3, 4].map(|cell| cells[cell].clone()),
    );
    check_filter(DataType::Utf8, &cells, json!(["v", "starts with", "日"]), &cells[8..]);
    check_filter(DataType::Utf8, &cells, json!(["v", "contains", "."]), &[]);
}

#[test]
fn patterns_match_anywhere() {
    let cells: Vec<Value> = ["cart", "/cart/1", "CART", ""].map(Value::from).into();
    check_filter(DataType::Utf8, &cells, json!(["v", "regex", "cart"]), &cells[..2]);
    check_filter(DataType::Utf8, &cells, json!(["v", "regex", "^cart$"]), &cells[..1]);
    check_filter(
        DataType::Utf8,
        &cells,
        json!(["v", "regex", "(?i)^cart$"]),
        &[cells[0].clone(), cells[2].clone()],
    );
    check_filter(DataType::Utf8, &cells, json!(["v", "regex", ""]), &cells);
}

#[test]
fn lists_contain_items() {
    let list = |item| DataType::List(Field::new("item", item, true).into());
    let cells = [json!([1, 2]), json!([null]), json!([]), Value::Null, json!([2, 2])];
    let with_two = [cells[0].clone(), cells[4].clone()];
    check_filter(list(DataType::Int16), &cells, json!(["v", "contains", 2]), &with_two);
    check_filter(
        list(DataType::Int16),
        &cells,
        json!(["v", "not contains", 2]),
        &cells[1..4],
    );
    check_filter(list(DataType::Int16), &cells, json!(["v", "is null"]), &cells[3..4]);
    let cells = [json!(["a", "ab"]), json!(["b"]), json!([""])];
    check_filter(list(DataType::Utf8), &cells, json!(["v", "contains", "a"]), &cells[..1]);
    check_filter(list(DataType::Utf8), &cells, json!(["v", "contains", ""]), &cells[2..]);
}

#[test]
fn lists_of_fixed_size() {
    let item = || Arc::new(Field::new("item", DataType::Int32, true));
    let lists = arrow_array::FixedSizeListArray::from_iter_primitive::<arrow_array::types::Int32Type, _, _>(
        [Some([Some(1), Some(2)]), None, Some([None, Some(3)])],
        2,
    );
    let users: ArrayRef = Arc::new(Int64Array::from(vec![1, 2, 3]));
    let batch = batch(vec![("user", users.clone()), ("ts", users), ("v", Arc::new(lists))]);
    let table = Table::new(
        &[
            ("user", DataType::Int64),
            ("ts", DataType::Int64),
            ("v", DataType::FixedSizeList(item(), 2)),
        ],
        vec![],
    );
    let groups = |filter: Value| {
        let query = table.query(&json!({"query": {"conditions": [{"filter": filter}]}}));
        push(&query, &batch).unwrap().matching_groups()
    };
    assert_eq!(groups(json!(["v", "contains", 2])), 1);
    assert_eq!(groups(json!(["v", "not contains", 2])), 2);
    assert_eq!(groups(json!(["v", "is not null"])), 2);
}

#[test]
fn timestamps_of_any_unit() {
    // 1970-01-01T00:00:05 in each unit, one step earlier, one step later.
    for (unit, per_second) in [
        (TimeUnit::Second, 1),
        (TimeUnit::Millisecond, 1_000),
        (TimeUnit::Microsecond, 1_000_000),
        (TimeUnit::Nanosecond, 1_000_000_000_i64),
    ] {
        for zone in [None, Some("UTC"), Some("+02:00"), Some("Europe/Berlin")] {
            let data_type = DataType::Timestamp(unit, zone.map(Into::into));
            let five = 5 * per_second;
            let cells = [json!(five - 1), json!(five), json!(five + 1)];
            for text in [
                "1970-01-01T00:00:05Z",
                "1970-01-01 01:00:05+01:00",
                "1969-12-31T19:00:05-0500",
            ] {
                check_filter(data_type.clone(), &cells, json!(["v", "==", text]), &cells[1..2]);
                check_filter(data_type.clone(), &cells, json!(["v", ">", text]), &cells[2..]);
                check_filter(
                    data_type.clone(),
                    &cells,
                    json!(["v", "in", [text, five + 1]]),
                    &cells[1..],
                );
            }
            check_filter(data_type.clone(), &cells, json!(["v", "<", five]), &cells[..1]);
            check_filter(
                data_type,
                &cells,
                json!(["v", "!=", five as f64]),
                &[cells[0].clone(), cells[2].clone()],
            );
        }
    }
}

#[test]
fn times_finer_than_the_unit() {
    let cells = [json!(4), json!(5), json!(6)];
    let seconds = DataType::Timestamp(TimeUnit::Second, None);
    let text = "1970-01-01T00:00:05.000000001";
    check_filter(seconds.clone(), &cells, json!(["v", "==", text]), &[]);
    check_filter(seconds.clone(), &cells, json!(["v", "in", [text]]), &[]);
    check_filter(seconds.clone(), &cells, json!(["v", "!=", text]), &cells);
    check_filter(seconds.clone(), &cells, json!(["v", "<", text]), &cells[..2]);
    check_filter(seconds, &cells, json!(["v", ">=", text]), &cells[2..]);
}

#[test]
fn local_time_of_the_zone() {
    let berlin = DataType::Timestamp(TimeUnit::Second, Some("Europe/Berlin".into()));
    // Midnight in Berlin, summer and winter.
    let cells = [json!(1_719_784_800), json!(1_704_063_600)];
    check_filter(berlin.clone(), &cells, json!(["v", "==", "2024-07-01"]), &cells[..1]);
    check_filter(berlin, &cells, json!(["v", "==", "2024-01-01T00:00"]), &cells[1..]);
    let plain = DataType::Timestamp(TimeUnit::Second, None);
    let cells = [json!(1_704_067_200)];
    check_filter(plain, &cells, json!(["v", "==", "2024-01-01"]), &cells);
}

#[test]
fn dates() {
    let cells = [json!(19_722), json!(19_723), Value::Null];
    check_filter(DataType::Date32, &cells, json!(["v", "==", "2024-01-01"]), &cells[1..2]);
    check_filter(DataType::Date32, &cells, json!(["v", "<", "2024-01-01"]), &cells[..1]);
    check_filter(
        DataType::Date32,
        &cells,
        json!(["v", "<", "2023-12-31T00:00:01"]),
        &cells[..1],
    );
    check_filter(DataType::Date32, &cells, json!(["v", "==", 19_723]), &cells[1..2]);
    let cells = [json!(1_704_067_200_000_i64)];
    check_filter(DataType::Date64, &cells, json!(["v", ">=", "2024-01-01"]), &cells);
}

/// Funnel `a, b, ...` over one group with events at times, as numbers of groups per step.
#[track_caller]
fn check_steps(time: DataType, events: &[(i64, &str)], funnel: Value, expected: &[u64]) {
    let columns = [("user", DataType::Utf8), ("ts", time), ("e", DataType::Utf8)];
    let rows = events
        .iter()
        .map(|(ts, event)| vec![json!("u"), json!(ts), json!(event)])
        .collect();
    let table = Table::new(&columns, rows);
    let result = table.run(&json!({"funnel": funnel}));
    let steps = result["funnel"]["sequence"].as_array().unwrap();
    let groups: Vec<u64> = steps
        .iter()
        .map(|step| step["matchingGroups"].as_u64().unwrap())
        .collect();
    assert_eq!(groups, expected, "{events:?} {funnel}");
}

/// Steps from a text such as `a !b c`.
fn steps(text: &str) -> Value {
    let step = |word: &str| match word.strip_prefix('!') {
        Some(event) => json!({"filter": ["e", "==", event], "rowFound": false}),
        None => json!({"filter": ["e", "==", word]}),
    };
    text.split_whitespace().map(step).collect()
}

#[track_caller]
fn check_sequence(events: &[(i64, &str)], sequence: &str, expected: &[u64]) {
    check_steps(DataType::Int64, events, json!({"sequence": steps(sequence)}), expected);
}

#[test]
fn ties_never_follow_each_other() {
    check_sequence(&[(1, "a"), (1, "b")], "a b", &[1, 0]);
    check_sequence(&[(1, "a"), (1, "b"), (2, "b")], "a b", &[1, 1]);
    check_sequence(&[(1, "a"), (1, "a")], "a a", &[1, 0]);
    check_sequence(&[(1, "a"), (2, "a")], "a a", &[1, 1]);
    check_sequence(&[(2, "a"), (1, "b")], "a b", &[1, 0]);
    check_sequence(&[(1, "a"), (2, "x"), (3, "b")], "a b", &[1, 1]);
}

#[test]
fn nanoseconds_are_told_apart() {
    let events = [(1_700_000_000_000_000_000, "a"), (1_700_000_000_000_000_001, "b")];
    check_sequence(&events, "a b", &[1, 1]);
    let nanos = DataType::Timestamp(TimeUnit::Nanosecond, None);
    check_steps(nanos, &events, json!({"sequence": steps("a b")}), &[1, 1]);
}

#[test]
fn absent_rows_between_steps() {
    let clean = [(1, "a"), (2, "b")];
    let spoiled = [(1, "a"), (2, "n"), (3, "b")];
    check_sequence(&clean, "a !n b", &[1, 1, 1]);
    check_sequence(&spoiled, "a !n b", &[1, 0, 0]);
    // A later start avoids the absent row; one at the very time of a step is not between.
    check_sequence(&[(1, "a"), (2, "n"), (3, "a"), (4, "b")], "a !n b", &[1, 1, 1]);
    check_sequence(&[(1, "a"), (1, "n"), (2, "n"), (2, "b")], "a !n b", &[1, 1, 1]);
    // What is absent may come after the next step, or the next step may never come.
    check_sequence(&[(1, "a"), (2, "b"), (3, "n")], "a !n b", &[1, 1, 1]);
    check_sequence(&[(1, "a"), (2, "x")], "a !n b", &[1, 1, 0]);
    check_sequence(&[(1, "a"), (2, "n")], "a !n b", &[1, 0, 0]);
}

#[test]
fn absent_rows_before_the_first_step_and_after_the_last() {
    check_sequence(&[(1, "a"), (2, "n")], "!n a", &[1, 1]);
    check_sequence(&[(1, "n"), (2, "a")], "!n a", &[0, 0]);
    check_sequence(&[(1, "n"), (1, "a")], "!n a", &[1, 1]);
    check_sequence(&[(1, "x")], "!n a", &[1, 0]);
    check_sequence(&[(1, "n")], "!n a", &[0, 0]);
    check_sequence(&[(1, "a"), (2, "n")], "a !n", &[1, 0]);
    check_sequence(&[(1, "n"), (2, "a")], "a !n", &[1, 1]);
    check_sequence(&[(1, "a"), (2, "n"), (3, "a")], "a !n", &[1, 1]);
    check_sequence(&[(1, "a"), (2, "b"), (3, "m")], "a b !n !m", &[1, 1, 1, 0]);
}

#[test]
fn durations() {
    let events = [(0, "a"), (5, "a"), (9, "b"), (12, "c")];
    let limited = |limit: Value| json!({"sequence": steps("a b c"), "maxDuration": limit});
    for (limit, expected) in [
        (3, [1, 0, 0]),
        (4, [1, 1, 0]),
        (6, [1, 1, 0]),
        (7, [1, 1, 1]),
        (12, [1, 1, 1]),
    ] {
        check_steps(DataType::Int64, &events, limited(json!(limit)), &expected);
        check_steps(DataType::UInt32, &events, limited(json!(limit as f64)), &expected);
        check_steps(
            DataType::Float64,
            &events,
            limited(json!(limit as f64 + 0.5)),
            &expected,
        );
        let seconds = DataType::Timestamp(TimeUnit::Second, Some("UTC".into()));
        check_steps(seconds, &events, limited(json!(format!("{limit}s"))), &expected);
        let millis = events.map(|(ts, event)| (ts * 1_000, event));
        let unit = DataType::Timestamp(TimeUnit::Millisecond, None);
        check_steps(unit.clone(), &millis, limited(json!(format!("{limit} s"))), &expected);
        check_steps(
            unit,
            &millis,
            limited(json!(format!("{}ms", limit * 1_000 + 999))),
            &expected,
        );
        check_steps(
            DataType::Date32,
            &events,
            limited(json!(format!("{limit}d"))),
            &expected,
        );
        check_steps(
            DataType::Date32,
            &events,
            limited(json!(format!("{}h", limit * 24 + 23))),
            &expected,
        );
    }
    check_steps(
        DataType::Int64,
        &[(1, "a"), (2, "b")],
        json!({"sequence": steps("a"), "maxDuration": 0}),
        &[1],
    );
    // The first a is too early for c, the second comes after n.
    let events = [(0, "a"), (4, "n"), (5, "a"), (9, "c")];
    let funnel = json!({"sequence": steps("!n a c"), "maxDuration": 5});
    check_steps(DataType::Int64, &events, funnel, &[1, 1, 0]);
}

#[test]
fn times_of_every_type() {
    let events = [(1, "a"), (2, "b")];
    let types = [
        DataType::Int8,
        DataType::UInt64,
        DataType::Float16,
        DataType::Float64,
        DataType::Timestamp(TimeUnit::Microsecond, Some("Asia/Tokyo".into())),
        DataType::Date32,
        DataType::Date64,
        dictionary(DataType::Int32),
    ];
    for time in types {
        check_steps(time, &events, json!({"sequence": steps("a b")}), &[1, 1]);
    }
    check_steps(
        DataType::Int64,
        &[(i64::MIN, "a"), (i64::MAX, "b")],
        json!({"sequence": steps("a b"), "maxDuration": u64::MAX}),
        &[1, 1],
    );
}

#[test]
fn negative_times_order() {
    let columns = [
        ("user", DataType::Utf8),
        ("ts", DataType::Float64),
        ("e", DataType::Utf8),
    ];
    let rows = [(-2.5, "a"), (-1.5, "b"), (0.5, "c"), (-0.0, "d"), (0.0, "e")];
    let table = Table::new(
        &columns,
        rows.map(|(ts, event)| vec![json!("u"), json!(ts), json!(event)]).into(),
    );
    let last = |sequence: &str| {
        let result = table.run(&json!({"funnel": {"sequence": steps(sequence)}}));
        result["funnel"]["sequence"].as_array().unwrap().last().unwrap()["matchingGroups"].clone()
    };
    assert_eq!(last("a b d c"), json!(1));
    assert_eq!(last("b a"), json!(0));
    assert_eq!(last("d e"), json!(0), "-0 and 0 are the same time");
    assert_eq!(last("e d"), json!(0), "-0 and 0 are the same time");
}

#[test]
fn bounds_are_exact() {
    let bounds = |time: DataType, timeframe: Value| {
        let table = Table::new(&[("user", DataType::Int64), ("ts", time)], vec![]);
        table.query(&json!({"timeframe": timeframe})).time_bounds()
    };
    let seconds = DataType::Timestamp(TimeUnit::Second, None);
    let both = |from, to| TimeBounds {
        from: Some(TimeValue::Int(from)),
        to: Some(TimeValue::Int(to)),
    };
    assert_eq!(bounds(DataType::Int64, json!({"from": 0, "to": 5.0})), both(0, 5));
    assert_eq!(
        bounds(
            seconds.clone(),
            json!({"from": "1970-01-01T00:00:01.5", "to": "1970-01-01T00:00:03.000001"})
        ),
        both(2, 4)
    );
    assert_eq!(
        bounds(
            seconds.clone(),
            json!({"from": "1969-12-31T23:59:58.5", "to": "1970-01-01"})
        ),
        both(-1, 0)
    );
    assert_eq!(bounds(seconds, json!({"from": 7, "to": "1970-01-02"})), both(7, 86_400));
    assert_eq!(
        bounds(
            DataType::Date32,
            json!({"from": "1970-01-02T12:00:00", "to": "1970-02-01"})
        ),
        both(2, 31)
    );
    let half = TimeBounds {
        from: Some(TimeValue::Float(0.5)),
        to: None,
    };
    assert_eq!(bounds(DataType::Float32, json!({"from": 0.5})), half);
    assert_eq!(bounds(DataType::Int64, json!({})), TimeBounds::default());
}

#[test]
fn group_and_time_serve_as_filters() {
    let rows = [(1, 1, json!("x")), (1, 3, json!("x")), (2, 2, json!("x"))];
    let table = values(DataType::Utf8, &rows);
    let conditions =
        |filter: Value| table.run(&json!({"query": {"conditions": [{"filter": filter}]}}))["query"].clone();
    assert_eq!(
        conditions(json!(["user", "==", 1])),
        json!({"matchingGroups": 1, "matchingGroupRows": 2})
    );
    assert_eq!(
        conditions(json!(["ts", ">=", 2])),
        json!({"matchingGroups": 2, "matchingGroupRows": 3})
    );
    let funnel = json!({"funnel": {"sequence": [{"filter": ["ts", "<", 3]}, {"filter": ["user", "in", [1, 7]]}]}});
    assert_eq!(table.run(&funnel)["funnel"]["sequence"][1]["matchingGroups"], json!(1));
}

/// The only aggregation's result over all rows of `v`, without `column`.
fn aggregate(data_type: DataType, cells: &[Value], mut aggregation: Value) -> Value {
    let rows: Vec<(i64, i64, Value)> = cells.iter().map(|cell| (1, 1, cell.clone())).collect();
    aggregation["column"] = json!("v");
    let result = values(data_type, &rows).run(&json!({"query": {"aggregations": [aggregation]}}));
    let mut result = result["query"]["aggregations"][0].clone();
    result.as_object_mut().unwrap().shift_remove("column");
    result
}

#[test]
fn keys_of_maps() {
    let keys = |data_type: DataType, cells: &[Value]| {
        let result = aggregate(data_type, cells, json!({"type": "countPerValue"}));
        result["value"].as_object().unwrap().keys().cloned().collect::<Vec<_>>()
    };
    assert_eq!(keys(DataType::Int8, &[json!(3), json!(-3)]), ["-3", "3"]);
    assert_eq!(
        keys(DataType::Float64, &[json!(10.0), json!(2.5), json!(1e300), json!(-0.0)]),
        ["0.0", "10.0", "1e300", "2.5"]
    );
    assert_eq!(
        keys(DataType::Float32, &[json!(0.5), json!("NaN"), Value::Null]),
        ["0.5"]
    );
    assert_eq!(
        keys(DataType::Boolean, &[json!(false), json!(true), json!(true)]),
        ["True", "False"]
    );
    assert_eq!(
        keys(DataType::Utf8, &[json!("b"), json!(""), json!("a")]),
        ["", "a", "b"]
    );
    assert_eq!(keys(DataType::Date32, &[json!(19_723)]), ["2024-01-01"]);
    let zoned = DataType::Timestamp(TimeUnit::Millisecond, Some("Europe/Berlin".into()));
    assert_eq!(
        keys(zoned, &[json!(1_719_784_800_500_i64)]),
        ["2024-07-01T00:00:00.500+02:00"]
    );
    let utc = DataType::Timestamp(TimeUnit::Second, Some("UTC".into()));
    assert_eq!(keys(utc, &[json!(0)]), ["1970-01-01T00:00:00Z"]);
    assert_eq!(
        keys(DataType::Timestamp(TimeUnit::Second, None), &[json!(0)]),
        ["1970-01-01T00:00:00"]
    );
    assert_eq!(
        keys(DataType::Timestamp(TimeUnit::Second, None), &[json!(i64::MAX)]),
        [i64::MAX.to_string()]
    );
}

#[test]
fn top_lists_are_ordered_and_cut() {
    let cells: Vec<Value> = (0..30)
        .flat_map(|value| vec![json!(value); if value == 17 { 3 } else { 1 }])
        .collect();
    let result = aggregate(DataType::Int64, &cells, json!({"type": "countPerValue", "top": 4}));
    assert_eq!(
        result.to_string(),
        r#"{"type":"countPerValue","top":4,"value":{"17":3,"0":1,"1":1,"10":1}}"#
    );
    let result = aggregate(DataType::Int64, &cells, json!({"type": "groupsPerValue", "name": "n"}));
    assert_eq!(result["value"].as_object().unwrap().len(), 10);
    assert_eq!(result["name"], json!("n"));
}

#[test]
fn numbers_without_input() {
    for kind in ["sum", "min", "max", "mean"] {
        assert_eq!(
            aggregate(DataType::Float64, &[Value::Null], json!({"type": kind})),
            json!({"type": kind})
        );
    }
    let quantile = json!({"type": "quantile", "q": 0.5});
    assert_eq!(aggregate(DataType::Int64, &[], quantile.clone()), quantile);
    assert_eq!(
        aggregate(DataType::Utf8, &[], json!({"type": "distinct"})),
        json!({"type": "distinct", "value": 0})
    );
    assert_eq!(
        aggregate(DataType::Utf8, &[], json!({"type": "count"})),
        json!({"type": "count", "value": 0})
    );
}

#[test]
fn numbers_over_columns() {
    let value = |data_type: DataType, cells: &[Value], aggregation: Value| {
        aggregate(data_type, cells, aggregation)["value"].clone()
    };
    let cells = [json!(3), json!(1), Value::Null, json!(3)];
    assert_eq!(value(DataType::Int16, &cells, json!({"type": "sum"})), json!(7));
    assert_eq!(value(DataType::Int16, &cells, json!({"type": "min"})), json!(1));
    assert_eq!(value(DataType::Int16, &cells, json!({"type": "max"})), json!(3));
    assert_eq!(
        value(DataType::Int16, &cells, json!({"type": "mean"})),
        json!(7.0 / 3.0)
    );
    assert_eq!(value(DataType::Int16, &cells, json!({"type": "distinct"})), json!(2));
    assert_eq!(
        value(DataType::Int16, &cells, json!({"type": "quantile", "q": 0.25})),
        json!(2.0)
    );
    assert_eq!(value(DataType::Date32, &cells, json!({"type": "max"})), json!(3));
    // Sums neither wrap nor depend on the order.
    let cells = [json!(i64::MAX), json!(i64::MAX), json!(1)];
    assert_eq!(value(DataType::Int64, &cells, json!({"type": "sum"})), json!(u64::MAX));
    assert_eq!(
        value(
            DataType::UInt64,
            &[json!(u64::MAX), json!(u64::MAX)],
            json!({"type": "sum"})
        ),
        json!(2.0 * u64::MAX as f64)
    );
    let cells = [json!(1e100), json!(1.0), json!(-1e100)];
    assert_eq!(value(DataType::Float64, &cells, json!({"type": "sum"})), json!(1.0));
}

#[test]
fn sums_of_integers_do_not_wrap_in_targets() {
    let table = values(
        DataType::Int64,
        &[(1, 1, json!(i64::MAX)), (1, 2, json!(i64::MAX)), (2, 1, json!(5))],
    );
    let groups = |target: Value| {
        let condition = json!({"filter": ["ts", ">", 0], "target": target});
        table.run(&json!({"query": {"conditions": [condition]}}))["query"]["matchingGroups"].clone()
    };
    assert_eq!(groups(json!(["sum", "v", ">", i64::MAX])), json!(1));
    assert_eq!(groups(json!(["sum", "v", "<", 5.5])), json!(1));
    assert_eq!(groups(json!(["sum", "v", "==", 5.0])), json!(1));
    assert_eq!(groups(json!(["sum", "v", "==", 4.999])), json!(0));
}

#[test]
fn sums_of_floats_have_no_tolerance() {
    let table = values(DataType::Float64, &[(1, 1, json!(0.1)), (1, 2, json!(0.2))]);
    let groups = |constant: f64| {
        let condition = json!({"filter": ["ts", ">", 0], "target": ["sum", "v", "==", constant]});
        table.run(&json!({"query": {"conditions": [condition]}}))["query"]["matchingGroups"].clone()
    };
    assert_eq!(groups(0.3), json!(0));
    assert_eq!(groups(0.1 + 0.2), json!(1));
}

#[test]
fn means_merge_as_sums_and_counts() {
    let columns = [
        ("user", DataType::Int64),
        ("ts", DataType::Int64),
        ("k", DataType::Utf8),
        ("v", DataType::Int64),
    ];
    let rows = [
        (1, "a", json!(1)),
        (1, "a", json!(2)),
        (2, "a", json!(6)),
        (2, "b", Value::Null),
        (3, "c", json!(4)),
    ];
    let table = Table::new(
        &columns,
        rows.map(|(user, key, value)| vec![json!(user), json!(1), json!(key), value])
            .into(),
    );
    let query = json!({"query": {"aggregations": [
        {"column": "k", "type": "meanPerValue", "otherColumn": "v"},
        {"column": "k", "type": "sumPerValue", "otherColumn": "v"}]}});
    let result = table.run_cut(
        &query,
        &[vec![vec![0, 1]], vec![vec![2, 3]], vec![vec![4]]],
        &table.declared_types(),
    );
    let values = |index: usize| result["query"]["aggregations"][index]["value"].clone();
    assert_eq!(values(0), json!({"c": 4.0, "a": 3.0}));
    assert_eq!(values(1), json!({"a": 9, "c": 4, "b": 0}));
}

#[test]
fn a_value_rare_in_every_part_can_lead_overall() {
    // In each of 30 parts, 25 values of its own occur twice, "all" once.
    let mut table = values(DataType::Utf8, &[]);
    let mut parts = Vec::new();
    for part in 0..30 {
        let first = table.rows.len();
        for value in 0..25 {
            let cell = json!(format!("{part}-{value}"));
            table.rows.extend([
                vec![json!(part), json!(1), cell.clone()],
                vec![json!(part), json!(2), cell],
            ]);
        }
        table.rows.push(vec![json!(part), json!(3), json!("all")]);
        parts.push(vec![(first..table.rows.len()).collect()]);
    }
    let query = json!({"query": {"aggregations": [{"column": "v", "type": "countPerValue", "top": 1}]}});
    let stored = [DataType::Int64, DataType::Int64, dictionary(DataType::Utf8)];
    let result = table.run_cut(&query, &parts, &stored);
    assert_eq!(result["query"]["aggregations"][0]["value"], json!({"all": 30}));
}

#[test]
fn values_of_a_dictionary_without_rows_are_not_listed() {
    let table = values(DataType::Utf8, &[(1, 1, json!("a")), (2, 5, json!("b"))]);
    let query = json!({"timeframe": {"to": 3}, "query": {"aggregations": [{"column": "v"}]}});
    let stored = [DataType::Int64, DataType::Int64, dictionary(DataType::Utf8)];
    let result = table.run_cut(&query, &[vec![vec![0, 1]]], &stored);
    assert_eq!(result["query"]["aggregations"][1]["value"], json!({"a": 1}));
    assert_eq!(result["query"]["aggregations"][2]["value"], json!({"a": 1}));
}

#[test]
fn groups_in_a_dictionary() {
    let columns = [("user", DataType::Utf8), ("ts", DataType::Int64), ("e", DataType::Utf8)];
    let mut rows = Vec::new();
    for (user, event) in [("p", "a"), ("q", "b"), ("r", "a")] {
        rows.extend((0..20).map(|ts| vec![json!(user), json!(ts), json!(event)]));
    }
    let table = Table::new(&columns, rows);
    let stored = [dictionary(DataType::Utf8), DataType::Int64, dictionary(DataType::Utf8)];
    let groups = |condition: Value| {
        let all = vec![vec![(0..60).collect()]];
        let result = table.run_cut(&json!({"query": {"conditions": [condition]}}), &all, &stored);
        result["query"]["matchingGroups"].clone()
    };
    assert_eq!(groups(json!({"sequence": steps("a a")})), json!(2));
    assert_eq!(groups(json!({"sequence": steps("a b")})), json!(0));
    assert_eq!(
        groups(json!({"filter": ["e", "==", "b"], "target": ["count", "<", 30]})),
        json!(1)
    );
    assert_eq!(
        groups(json!({"filter": ["e", "==", "b"], "target": ["sum", "ts", "<=", 1000]})),
        json!(1)
    );
}

/// Users with devices and events at times.
fn journeys() -> Table {
    let columns = [
        ("user", DataType::Int64),
        ("ts", DataType::Int64),
        ("e", DataType::Utf8),
        ("device", DataType::Utf8),
    ];
    let rows = [
        (1, 10, "a", json!("phone")),
        (1, 40, "b", json!("desk")),
        (2, 10, "a", json!("phone")),
        (2, 11, "a", json!("desk")),
        (2, 12, "b", json!("desk")),
        (3, 5, "a", Value::Null),
        (4, 5, "a", json!("tv")),
        (4, 6, "b", json!("tv")),
        (5, 1, "b", json!("tv")),
    ];
    Table::new(
        &columns,
        rows.map(|(user, ts, event, device)| vec![json!(user), json!(ts), json!(event), device])
            .into(),
    )
}

fn plain_steps(counts: &[(u64, u64)]) -> Value {
    counts
        .iter()
        .map(|(groups, rows)| json!({"matchingGroups": groups, "matchingGroupRows": rows}))
        .collect()
}

#[test]
fn breakdown_by_the_first_step() {
    let run = |top: u64| {
        let breakdown = json!({"column": "device", "top": top});
        let funnel = json!({"sequence": steps("a b"), "breakdown": breakdown});
        journeys().run(&json!({"funnel": funnel}))["funnel"]["breakdown"].clone()
    };
    let phone = json!({"value": "phone", "sequence": plain_steps(&[(2, 5), (2, 5)])});
    let tv = json!({"value": "tv", "sequence": plain_steps(&[(1, 2), (1, 2)])});
    let none = json!({"value": null, "sequence": plain_steps(&[(1, 1), (0, 0)])});
    assert_eq!(run(3), json!([phone, tv, none]));
    let other = json!({"other": true, "values": 2, "sequence": plain_steps(&[(2, 3), (1, 2)])});
    assert_eq!(run(1), json!([phone, other]));
}

#[test]
fn breakdown_by_pairs() {
    let breakdown = json!({"column": "device", "by": "pair"});
    let funnel = json!({"sequence": steps("a b"), "breakdown": breakdown});
    let result = journeys().run(&json!({"funnel": funnel}));
    assert_eq!(
        result["funnel"]["breakdown"],
        json!([
            {"value": "phone", "sequence": plain_steps(&[(2, 2), (0, 0)])},
            {"value": "desk", "sequence": plain_steps(&[(1, 2), (1, 2)])},
            {"value": "tv", "sequence": plain_steps(&[(1, 2), (1, 2)])},
            {"value": null, "sequence": plain_steps(&[(1, 1), (0, 0)])},
        ])
    );
}

#[test]
fn times_between_steps() {
    let result = journeys().run(&json!({"funnel": {"sequence": steps("a b"), "stepTimes": true}}));
    let sequence = &result["funnel"]["sequence"];
    assert_eq!(sequence[0], json!({"matchingGroups": 4, "matchingGroupRows": 8}));
    assert_eq!(
        sequence[1]["sincePrevious"].to_string(),
        concat!(
            r#"{"count":3,"mean":11.0,"p50":2.0,"p90":24.400000000000002,"p99":29.439999999999998,"min":1,"max":30,"histogram":["#,
            r#"{"from":1,"to":2,"count":1},{"from":2,"to":5,"count":1},{"from":5,"to":10,"count":0},"#,
            r#"{"from":10,"to":20,"count":0},{"from":20,"to":50,"count":1}]}"#
        )
    );
    // Within a day, the second a of user 2 starts the chain that the first one starts without a limit.
    let result = journeys().run(&json!({"funnel": {"sequence": steps("a b"), "stepTimes": true, "maxDuration": 1}}));
    assert_eq!(result["funnel"]["sequence"][1]["sincePrevious"]["max"], json!(1));
    assert_eq!(result["funnel"]["sequence"][1]["sincePrevious"]["count"], json!(2));
}

#[test]
fn comparison_with_the_rest() {
    let run = |query: Value| journeys().run(&query)["compare"].clone();
    let counts = |groups: u64, rows: u64| json!({"matchingGroups": groups, "matchingGroupRows": rows});
    let by_query = json!({"query": {"conditions": [{"filter": ["device", "==", "tv"]}]}, "compare": true});
    assert_eq!(run(by_query), json!({"matched": counts(2, 3), "rest": counts(3, 6)}));
    let by_funnel = json!({"funnel": {"sequence": steps("a b"), "endAggregations": [{"column": "e", "type": "count"}]}, "compare": true});
    let with_count = |groups: u64, rows: u64| {
        json!({"matchingGroups": groups, "matchingGroupRows": rows,
            "aggregations": [{"column": "e", "type": "count", "value": rows}]})
    };
    assert_eq!(
        run(by_funnel),
        json!({"matched": with_count(3, 7), "rest": with_count(2, 2)})
    );
    assert_eq!(
        run(json!({"compare": true})),
        json!({"matched": counts(5, 9), "rest": counts(0, 0)})
    );
}

#[test]
fn members_come_in_a_fixed_order() {
    let query = json!({
        "compare": true,
        "funnel": {"breakdown": {"column": "e"}, "endAggregations": [{"column": "e", "type": "count", "name": "n"}], "sequence": steps("b")}});
    let text = journeys().run(&query).to_string();
    assert!(
        text.starts_with(
            r#"{"query":{"matchingGroups":5,"matchingGroupRows":9},"funnel":{"sequence":[{"matchingGroups":4,"#
        ),
        "{text}"
    );
    assert!(text.contains(r#""endAggregations":[{"column":"e","type":"count","name":"n","value":8}],"breakdown":[{"value":"b","sequence":"#), "{text}");
    assert!(
        text.contains(r#"}],"compare":{"#) || text.contains(r#"},"compare":{"#),
        "{text}"
    );
}

#[test]
fn columns_to_read() {
    let document = json!({
        "query": {
            "conditions": [{"filter": ["e", "==", "a"], "target": ["sum", "ts", ">", 1]}],
            "aggregations": [{"column": "device", "type": "sumPerValue", "otherColumn": "user"}]},
        "funnel": {"sequence": steps("a"), "breakdown": {"column": "device"}}});
    assert_eq!(journeys().query(&document).columns(), ["user", "ts", "e", "device"]);
    assert_eq!(journeys().query(&json!({})).columns(), ["user", "ts"]);
}

#[test]
fn group_ids_are_exported_in_the_column_s_type() {
    for (data_type, ids) in [
        (DataType::UInt64, vec![json!(u64::MAX), json!(3), json!(20)]),
        (DataType::Int8, vec![json!(-5), json!(3), json!(20)]),
        (DataType::Utf8View, vec![json!("b"), json!(""), json!("a")]),
        (
            dictionary(DataType::LargeUtf8),
            vec![json!("b"), json!("a"), json!("ä")],
        ),
    ] {
        let rows = ids.iter().map(|id| vec![id.clone(), json!(1)]).collect();
        let table = Table::new(&[("user", data_type.clone()), ("ts", DataType::Int64)], rows);
        let query = table.query(&json!({}));
        let part =
            |rows: Vec<usize>| table.match_part(&query, &[rows], &table.declared_types(), Some(GroupExport::Last));
        let mut whole = part(vec![0, 1, 2]);
        let mut merged = part(vec![1]);
        merged.merge(part(vec![0, 2])).unwrap();
        merged.merge(part(vec![])).unwrap();
        let groups = merged.take_groups().unwrap();
        assert_eq!(groups.data_type(), crate::column::value_type(&data_type));
        assert_eq!(groups.len(), 3);
        assert_eq!(groups.to_data(), whole.take_groups().unwrap().to_data());
        let mut sorted = ids.clone();
        sorted.sort_by_key(|id| (id.as_i64().unwrap_or(i64::MAX), id.as_str().map(str::to_owned)));
        let sorted: Vec<&Value> = sorted.iter().collect();
        assert_eq!(
            groups.to_data(),
            super::table::array_of(groups.data_type(), &sorted).to_data()
        );
    }
}

#[test]
fn scanned_counts_are_those_of_the_timeframe() {
    let table = journeys();
    let query = table
        .query(&json!({"timeframe": {"from": 6, "to": 12}, "query": {"conditions": [{"filter": ["e", "==", "b"]}]}}));
    let partial = table.match_part(&query, &[(0..9).collect()], &table.declared_types(), None);
    assert_eq!(
        (
            partial.scanned_rows(),
            partial.scanned_groups(),
            partial.matching_groups()
        ),
        (4, 3, 1)
    );
}

fn batch(columns: Vec<(&str, ArrayRef)>) -> RecordBatch {
    RecordBatch::try_from_iter(columns).unwrap()
}

fn push(query: &Query, batch: &RecordBatch) -> Result<Partial, MatchError> {
    let mut matcher = Matcher::new(query, &batch.schema())?;
    matcher.push(batch)?;
    matcher.finish()
}

fn simple_query(time: DataType, document: Value) -> Query {
    let dataset = Dataset {
        group_column: "user".into(),
        time_column: "ts".into(),
        columns: vec![
            ("user".into(), DataType::Utf8),
            ("ts".into(), time),
            ("e".into(), DataType::Utf8),
        ],
        unsupported: vec![],
        time_range: None,
    };
    validate(&document, Some(&dataset)).query.unwrap()
}

#[test]
fn faults_of_the_data() {
    let users: ArrayRef = Arc::new(StringArray::from(vec![Some("u"), None]));
    let times: ArrayRef = Arc::new(Int64Array::from(vec![1, 9]));
    let query = simple_query(DataType::Int64, json!({}));
    let error = push(&query, &batch(vec![("user", users.clone()), ("ts", times.clone())])).unwrap_err();
    assert_eq!(error, MatchError::NullGroup { column: "user".into() });
    assert_eq!(
        (error.code(), error.to_string().as_str()),
        ("HW-F010", "the group column `user` has a null")
    );
    // Outside the timeframe such a row does not exist.
    let query = simple_query(DataType::Int64, json!({"timeframe": {"to": 9}}));
    let partial = push(&query, &batch(vec![("user", users.clone()), ("ts", times.clone())])).unwrap();
    assert_eq!(partial.scanned_rows(), 1);
    let null_times: ArrayRef = Arc::new(Int64Array::from(vec![Some(1), None]));
    let error = push(&query, &batch(vec![("user", users.clone()), ("ts", null_times)])).unwrap_err();
    assert_eq!(error, MatchError::NullTime { column: "ts".into() });
    let error = push(&query, &batch(vec![("ts", times.clone())])).unwrap_err();
    assert_eq!(error, MatchError::MissingColumn { column: "user".into() });
    let error = push(&query, &batch(vec![("user", users.clone()), ("ts", users.clone())])).unwrap_err();
    assert_eq!(
        error.to_string(),
        "the column `ts` has the type `Utf8`, the query was validated for `Int64`"
    );
    assert_eq!(error.code(), "HW-F013");
}

#[test]
fn nan_is_no_time_and_units_do_not_mix() {
    let users: ArrayRef = Arc::new(StringArray::from(vec!["u"]));
    let times: ArrayRef = Arc::new(arrow_array::Float64Array::from(vec![f64::NAN]));
    let query = simple_query(DataType::Float32, json!({}));
    let error = push(&query, &batch(vec![("user", users.clone()), ("ts", times)])).unwrap_err();
    assert_eq!(error.code(), "HW-F011");
    let query = simple_query(DataType::Timestamp(TimeUnit::Second, None), json!({}));
    let times: ArrayRef = Arc::new(arrow_array::TimestampMillisecondArray::from(vec![1]));
    let error = push(&query, &batch(vec![("user", users), ("ts", times)])).unwrap_err();
    assert_eq!(error.code(), "HW-F013");
    assert!(error.is_permanent() && !error.help().is_empty());
}

#[test]
fn a_later_batch_of_another_schema_is_refused() {
    let query = simple_query(DataType::Int64, json!({}));
    let schema = Schema::new(vec![
        Field::new("ts", DataType::Int64, false),
        Field::new("user", DataType::Utf8, false),
    ]);
    let mut matcher = Matcher::new(&query, &schema).unwrap();
    let times: ArrayRef = Arc::new(Int64Array::from(vec![1]));
    let error = matcher.push(&batch(vec![("ts", times)])).unwrap_err();
    assert_eq!(error, MatchError::MissingColumn { column: "user".into() });
}

#[test]
fn steps_that_cannot_be_exported() {
    let query = simple_query(DataType::Int64, json!({"funnel": {"sequence": steps("a b")}}));
    let schema = Schema::new(
        vec!["user", "ts", "e"]
            .into_iter()
            .map(|name| Field::new(name, if name == "ts" { DataType::Int64 } else { DataType::Utf8 }, true))
            .collect::<Vec<_>>(),
    );
    for step in [0, 3] {
        let matcher = Matcher::new(&query, &schema).unwrap();
        let error = matcher.with_export(GroupExport::Step(step)).err().unwrap();
        assert_eq!(error, MatchError::NoSuchStep { step, steps: 2 });
    }
    assert!(
        Matcher::new(&query, &schema)
            .unwrap()
            .with_export(GroupExport::Step(2))
            .is_ok()
    );
}

#[test]
fn memory_is_accounted_for() {
    let table = journeys();
    let query = table.query(&json!({"query": {"aggregations": [{"column": "device"}]}}));
    let stored = table.declared_types();
    let mut matcher = Matcher::new(&query, &table.batch(&[], &stored).schema()).unwrap();
    let empty = matcher.memory_size();
    let rows: Vec<usize> = (0..9).cycle().take(9_000).collect();
    matcher.push(&table.batch(&rows, &stored)).unwrap();
    // The column is kept with the number of each row's group, in 4 bytes.
    let kept = table
        .batch(&rows, &stored)
        .column_by_name("device")
        .unwrap()
        .get_array_memory_size()
        + 9_000 * 4;
    let grown = matcher.memory_size() - empty;
    assert!((kept..kept * 3).contains(&grown), "{grown}");
}

#[test]
fn a_query_that_no_longer_fits_is_not_rebuilt() {
    let table = journeys();
    let query = table.query(&json!({"query": {"conditions": [{"filter": ["e", "==", "a"]}]}}));
    let mut dataset = table.dataset();
    dataset.columns.retain(|(name, _)| name != "e");
    let error = Query::from_expanded(query.expanded(), &dataset).unwrap_err();
    assert_eq!(
        error.to_string(),
        "the stored query does not fit the dataset: the dataset has no column `e`"
    );
    assert_eq!(error.code(), "HW-F019");
}

#[test]
fn another_default_for_top() {
    let table = journeys();
    let document = json!({
        "query": {"aggregations": [{"column": "e"}, {"column": "ts", "type": "countPerValue", "top": 10}]},
        "funnel": {"sequence": steps("a"), "stepAggregations": [{"column": "e", "type": "groupsPerValue"}]}});
    let query = crate::validate_with_top(&document, Some(&table.dataset()), 1)
        .query
        .unwrap();
    let rebuilt = Query::from_expanded(query.expanded(), &table.dataset()).unwrap();
    for query in [query, rebuilt] {
        let partial = table.match_part(&query, &[(0..9).collect()], &table.declared_types(), None);
        let result = result(&query, &partial);
        assert_eq!(result["query"]["aggregations"][1]["value"], json!({"a": 5}));
        assert_eq!(result["query"]["aggregations"][1]["top"], json!(1));
        assert_eq!(result["query"]["aggregations"][3]["top"], json!(10));
        assert_eq!(
            result["funnel"]["sequence"][0]["aggregations"][0]["value"],
            json!({"a": 4})
        );
    }
}
