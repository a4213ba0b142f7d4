#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

use arrow_schema::{DataType, Field, TimeUnit};
use expect_test::{Expect, expect};
use serde_json::{Value, json};

use super::{Validation, validate, validate_text};
use crate::{Dataset, Finding, TimeValue};

fn dataset() -> Dataset {
    let column = |name: &str, data_type: DataType| (name.to_owned(), data_type);
    Dataset {
        group_column: "user".into(),
        time_column: "ts".into(),
        columns: vec![
            column("user", DataType::Int64),
            column("ts", DataType::Int64),
            column("event", DataType::Utf8),
            column("price", DataType::Float64),
            column("ok", DataType::Boolean),
            column("at", DataType::Timestamp(TimeUnit::Millisecond, None)),
            column("day", DataType::Date32),
            column("tags", DataType::List(Field::new("item", DataType::Utf8, true).into())),
            column("amount", DataType::Decimal128(10, 2)),
            column("a b/c~d", DataType::Int8),
        ],
        unsupported: vec!["blob".into()],
        time_range: Some((TimeValue::Int(1_700_000_000), TimeValue::Int(1_710_000_000))),
    }
}

fn render(findings: &[Finding]) -> String {
    let line = |finding: &Finding| {
        let help = finding
            .help
            .as_ref()
            .map(|help| format!(" [{help}]"))
            .unwrap_or_default();
        format!(
            "{} {} `{}`: {}{help}\n",
            finding.code,
            finding.kind.name(),
            finding.pointer,
            finding.message
        )
    };
    findings.iter().map(line).collect()
}

/// Findings, then warnings.
#[track_caller]
fn check(document: Value, expected: Expect) {
    let validation = validate(&document, Some(&dataset()));
    assert_eq!(validation.success, validation.findings.is_empty());
    assert_eq!(
        validation.success,
        validation.query.is_some() && validation.expanded.is_some()
    );
    expected.assert_eq(&format!(
        "{}{}",
        render(&validation.findings),
        render(&validation.warnings)
    ));
}

#[track_caller]
fn check_condition(condition: Value, expected: Expect) {
    check(json!({"query": {"conditions": [condition]}}), expected);
}

#[track_caller]
fn check_filter(filter: Value, expected: Expect) {
    check_condition(json!({"filter": filter}), expected);
}

fn expand(document: Value) -> Value {
    let validation = validate(&document, Some(&dataset()));
    assert!(validation.success, "{}", render(&validation.findings));
    validation.expanded.unwrap()
}

#[test]
fn the_empty_query_is_valid() {
    for document in [
        json!({}),
        json!({"query": {}}),
        json!({"query": {"conditions": [], "aggregations": []}, "timeframe": {}}),
    ] {
        assert_eq!(expand(document), json!({}));
    }
}

#[test]
fn unknown_keys_at_every_level() {
    check(
        json!({
            "Query": 1,
            "timeframe": {"until": 3},
            "query": {
                "condition": [],
                "conditions": [{"filter": {"column": "event", "op": "==", "value": "a", "values": 1}, "targets": [], "a/b~c": 1}],
                "aggregations": {"columns": [{"column": "event", "kind": "count"}], "column": 1}},
            "funnel": {"sequence": [{"filter": ["event", "==", "a"], "rowfound": true}], "maxduration": 1,
                "breakdown": {"column": "event", "per": 1}}}),
        expect![[r#"
            HW-F001 SCHEMA `/Query`: the query has no key `Query` [did you mean `query`?]
            HW-F001 SCHEMA `/timeframe/until`: a timeframe has no key `until` [the keys are `from` `to`]
            HW-F001 SCHEMA `/query/condition`: `query` has no key `condition` [did you mean `conditions`?]
            HW-F001 SCHEMA `/query/conditions/0/targets`: a condition has no key `targets` [did you mean `target`?]
            HW-F001 SCHEMA `/query/conditions/0/a~1b~0c`: a condition has no key `a/b~c` [the keys are `filter` `filters` `sequence` `target` `includeZero` `maxDuration` `name`]
            HW-F001 SCHEMA `/query/conditions/0/filter/values`: a filter has no key `values` [did you mean `value`?]
            HW-F001 SCHEMA `/query/aggregations/column`: the object around aggregations has no key `column` [did you mean `columns`?]
            HW-F001 SCHEMA `/query/aggregations/columns/0/kind`: an aggregation has no key `kind` [the keys are `column` `type` `name` `otherColumn` `top` `q`]
            HW-F001 SCHEMA `/funnel/maxduration`: `funnel` has no key `maxduration` [did you mean `maxDuration`?]
            HW-F001 SCHEMA `/funnel/sequence/0/rowfound`: a step has no key `rowfound` [did you mean `rowFound`?]
            HW-F001 SCHEMA `/funnel/breakdown/per`: a breakdown has no key `per` [the keys are `column` `by` `top`]
        "#]],
    );
}

#[test]
fn wrong_types_at_every_level() {
    check(
        json!([]),
        expect![[r#"
        HW-F001 SCHEMA ``: the query is an object, not a list
    "#]],
    );
    check(
        json!({
            "timeframe": [],
            "query": {"conditions": {}, "relation": 1, "aggregations": 1},
            "funnel": {"sequence": {}, "stepTimes": "yes", "stepAggregations": [1], "endAggregations": {"columns": 1}, "breakdown": "event"},
            "compare": 1}),
        expect![[r#"
            HW-F001 SCHEMA `/timeframe`: a timeframe is an object, not a list
            HW-F001 SCHEMA `/query/conditions`: expected a list, not an object
            HW-F001 SCHEMA `/query/relation`: `relation` is a string, not an integer
            HW-F001 SCHEMA `/query/aggregations`: expected a list, not an integer
            HW-F001 SCHEMA `/funnel/sequence`: expected a list, not an object
            HW-F001 SCHEMA `/funnel/stepAggregations/0`: an aggregation is an object, not an integer
            HW-F001 SCHEMA `/funnel/endAggregations/columns`: expected a list, not an integer
            HW-F001 SCHEMA `/funnel/stepTimes`: `stepTimes` is true or false, not a string
            HW-F001 SCHEMA `/funnel/breakdown`: a breakdown is an object, not a string
            HW-F001 SCHEMA `/compare`: `compare` is true or false, not an integer
        "#]],
    );
    check(
        json!({"query": {"conditions": [1, {"filter": 1}, {"filters": {}}, {"filters": []}, {"sequence": []}, {"sequence": [1]},
            {"filter": ["event", "==", "a"], "includeZero": 1, "name": 1, "target": 1}]}}),
        expect![[r#"
            HW-F001 SCHEMA `/query/conditions/0`: a condition is an object, not an integer
            HW-F001 SCHEMA `/query/conditions/1/filter`: a filter is an object, not an integer
            HW-F001 SCHEMA `/query/conditions/2/filters`: expected a list, not an object
            HW-F001 SCHEMA `/query/conditions/3/filters`: `filters` needs at least one item
            HW-F001 SCHEMA `/query/conditions/4/sequence`: a `sequence` needs at least one item
            HW-F001 SCHEMA `/query/conditions/5/sequence/0`: a step is an object, not an integer
            HW-F001 SCHEMA `/query/conditions/6/name`: `name` is a string, not an integer
            HW-F001 SCHEMA `/query/conditions/6/target`: a target is an object, not an integer
            HW-F001 SCHEMA `/query/conditions/6/includeZero`: `includeZero` is true or false, not an integer
        "#]],
    );
    check(
        json!({"funnel": {}}),
        expect![[r#"
        HW-F001 SCHEMA `/funnel`: the key `sequence` is missing
    "#]],
    );
}

#[test]
fn conditions_have_one_form() {
    let filter = json!(["event", "==", "a"]);
    check_condition(
        json!({}),
        expect![[r#"
        HW-F001 SCHEMA `/query/conditions/0`: a condition needs exactly one of `filter`, `filters` and `sequence`, this one has 0
    "#]],
    );
    check_condition(
        json!({"filter": filter, "sequence": [{"filter": filter}]}),
        expect![[r#"
            HW-F001 SCHEMA `/query/conditions/0`: a condition needs exactly one of `filter`, `filters` and `sequence`, this one has 2
        "#]],
    );
    check_condition(
        json!({"sequence": [{"filter": filter}], "target": ["count", ">", 1], "includeZero": true}),
        expect![[r#"
            HW-F001 SCHEMA `/query/conditions/0/target`: a condition with a `sequence` takes no `target`
            HW-F001 SCHEMA `/query/conditions/0/includeZero`: a condition with a `sequence` takes no `includeZero`
        "#]],
    );
    check_condition(
        json!({"filter": filter, "maxDuration": 1}),
        expect![[r#"
        HW-F001 SCHEMA `/query/conditions/0/maxDuration`: `maxDuration` belongs to a condition with a `sequence`
    "#]],
    );
    check_condition(
        json!({"sequence": [{"filter": filter, "filters": []}, {}]}),
        expect![[r#"
            HW-F001 SCHEMA `/query/conditions/0/sequence/0`: a step needs exactly one of `filter` and `filters`
            HW-F001 SCHEMA `/query/conditions/0/sequence/1`: a step needs exactly one of `filter` and `filters`
        "#]],
    );
    check_condition(
        json!({"sequence": [{"filter": filter, "rowFound": false}]}),
        expect![[r#"
            HW-F001 SCHEMA `/query/conditions/0/sequence`: a sequence needs at least one step whose row is to be found
        "#]],
    );
    check_condition(
        json!({"filters": [["event", "==", "a"]]}),
        expect![[r#"
        HW-F001 SCHEMA `/query/conditions/0/filters/0`: a filter is an object, not a list
    "#]],
    );
}

#[test]
fn short_filters() {
    check_filter(
        json!([]),
        expect![[r#"
        HW-F001 SCHEMA `/query/conditions/0/filter`: a short filter needs a column, an operator and a value [write [column, operator, value], or [column, "is null"]]
    "#]],
    );
    check_filter(
        json!(["event"]),
        expect![[r#"
        HW-F001 SCHEMA `/query/conditions/0/filter`: a short filter needs a column, an operator and a value [write [column, operator, value], or [column, "is null"]]
    "#]],
    );
    check_filter(
        json!(["event", "=="]),
        expect![[r#"
        HW-F001 SCHEMA `/query/conditions/0/filter`: a short filter with `==` needs three items, this one has two [write [column, operator, value], or [column, "is null"]]
    "#]],
    );
    check_filter(
        json!(["event", "==", "a", "b"]),
        expect![[r#"
        HW-F001 SCHEMA `/query/conditions/0/filter`: a short filter has three items, this one has 4 [write [column, operator, value], or [column, "is null"]]
    "#]],
    );
    check_filter(json!(["event", "is null"]), expect![[""]]);
    check_filter(
        json!(["event", "is null", "a"]),
        expect![[r#"
        HW-F001 SCHEMA `/query/conditions/0/filter/2`: `is null` takes no value
    "#]],
    );
    check_filter(
        json!([1, 2, "a"]),
        expect![[r#"
        HW-F001 SCHEMA `/query/conditions/0/filter/0`: a column is named by a string, not an integer
        HW-F001 SCHEMA `/query/conditions/0/filter/1`: an operator is a string, not an integer
    "#]],
    );
    check_filter(
        json!(["event", "=", "a"]),
        expect![[r#"
        HW-F001 SCHEMA `/query/conditions/0/filter/1`: there is no operator `=` [did you mean `==`?]
    "#]],
    );
    check_filter(
        json!(["evnt", "contain", "a"]),
        expect![[r#"
        HW-F001 SCHEMA `/query/conditions/0/filter/1`: there is no operator `contain` [did you mean `contains`?]
        HW-F003 DATASET_MISMATCH `/query/conditions/0/filter/0`: the dataset has no column `evnt` [did you mean `event`?]
    "#]],
    );
}

#[test]
fn verbose_filters() {
    check_filter(
        json!({}),
        expect![[r#"
        HW-F001 SCHEMA `/query/conditions/0/filter`: the key `column` is missing
        HW-F001 SCHEMA `/query/conditions/0/filter`: the key `op` is missing
    "#]],
    );
    check_filter(
        json!({"column": "event", "op": "=="}),
        expect![[r#"
        HW-F001 SCHEMA `/query/conditions/0/filter`: the key `value` is missing
    "#]],
    );
    check_filter(json!({"column": "event", "op": "is not null"}), expect![[""]]);
    check_filter(
        json!({"column": "event", "op": "is null", "value": null}),
        expect![[r#"
            HW-F001 SCHEMA `/query/conditions/0/filter/value`: `is null` takes no value
        "#]],
    );
}

#[test]
fn values() {
    check_filter(
        json!(["event", "==", null]),
        expect![[r#"
        HW-F001 SCHEMA `/query/conditions/0/filter/2`: the value of a filter is a string, a number or a boolean, not null [ask for missing values with the operators `is null` and `is not null`]
    "#]],
    );
    check_filter(
        json!(["event", "==", ["a"]]),
        expect![[r#"
        HW-F001 SCHEMA `/query/conditions/0/filter/2`: the value of a filter is a string, a number or a boolean, not a list [a list of values goes with the operators `in` and `not in`]
    "#]],
    );
    check_filter(
        json!(["event", "in", "a"]),
        expect![[r#"
        HW-F001 SCHEMA `/query/conditions/0/filter/2`: `in` takes a list of values, not a string
    "#]],
    );
    check_filter(
        json!(["event", "in", []]),
        expect![[r#"
        HW-F001 SCHEMA `/query/conditions/0/filter/2`: `in` takes 1 to 10000 values, not 0
    "#]],
    );
    check_filter(
        json!(["event", "in", [1, "a", null]]),
        expect![[r#"
        HW-F001 SCHEMA `/query/conditions/0/filter/2/2`: the value of a filter is a string, a number or a boolean, not null [ask for missing values with the operators `is null` and `is not null`]
    "#]],
    );
    check_filter(
        json!(["event", "in", ["a", 2, true]]),
        expect![[r#"
            HW-F002 TYPE_MISMATCH `/query/conditions/0/filter/2/1`: `2`, an integer, does not fit the column `event` of type STRING: a string is expected
            HW-F002 TYPE_MISMATCH `/query/conditions/0/filter/2/2`: `true`, a boolean, does not fit the column `event` of type STRING: a string is expected
        "#]],
    );
    check_filter(
        json!(["event", "not in", vec!["a"; 10_001]]),
        expect![[r#"
        HW-F001 SCHEMA `/query/conditions/0/filter/2`: `not in` takes 1 to 10000 values, not 10001
    "#]],
    );
    check_filter(
        json!(["event", "regex", "a("]),
        expect![[r#"
        HW-F008 SCHEMA `/query/conditions/0/filter/2`: `a(` is not a pattern: unclosed group
    "#]],
    );
    check_filter(
        json!(["event", "regex", "(?=a)"]),
        expect![[r#"
        HW-F008 SCHEMA `/query/conditions/0/filter/2`: `(?=a)` is not a pattern: look-around, including look-ahead and look-behind, is not supported
    "#]],
    );
    check_filter(
        json!(["event", "regex", "(\\w{100}){100}"]),
        expect![[r#"
        HW-F008 SCHEMA `/query/conditions/0/filter/2`: `(\w{100}){100}` is not a pattern: it compiles to more than 1048576 bytes
    "#]],
    );
    check_filter(json!(["event", "==", "x".repeat(1_000)]), expect![[""]]);
    check_filter(
        json!(["user", "==", "x".repeat(1_000)]),
        expect![[r#"
            HW-F002 TYPE_MISMATCH `/query/conditions/0/filter/2`: `"xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx..."`, a string, does not fit the column `user` of type INT: an integer is expected
        "#]],
    );
}

#[test]
fn operators_and_values_fit_the_column() {
    check_filter(
        json!(["user", "contains", "a"]),
        expect![[r#"
        HW-F002 TYPE_MISMATCH `/query/conditions/0/filter/1`: the operator `contains` does not go with the column `user` of type INT [such a column takes `==` `!=` `>` `>=` `<` `<=` `in` `not in` `is null` `is not null`]
    "#]],
    );
    check_filter(
        json!(["user", "==", "a"]),
        expect![[r#"
            HW-F002 TYPE_MISMATCH `/query/conditions/0/filter/2`: `"a"`, a string, does not fit the column `user` of type INT: an integer is expected
        "#]],
    );
    check_filter(
        json!(["user", "==", true]),
        expect![[r#"
            HW-F002 TYPE_MISMATCH `/query/conditions/0/filter/2`: `true`, a boolean, does not fit the column `user` of type INT: an integer is expected
        "#]],
    );
    check_filter(
        json!(["user", "==", 1.5]),
        expect![[r#"
            HW-F002 TYPE_MISMATCH `/query/conditions/0/filter/2`: `1.5`, a number with a fraction, does not fit the column `user` of type INT: an integer is expected
        "#]],
    );
    check_filter(json!(["user", "==", 5.0]), expect![[""]]);
    check_filter(
        json!(["price", "==", "1"]),
        expect![[r#"
            HW-F002 TYPE_MISMATCH `/query/conditions/0/filter/2`: `"1"`, a string, does not fit the column `price` of type FLOAT: a number is expected
        "#]],
    );
    check_filter(
        json!(["event", "==", 1]),
        expect![[r#"
            HW-F002 TYPE_MISMATCH `/query/conditions/0/filter/2`: `1`, an integer, does not fit the column `event` of type STRING: a string is expected
        "#]],
    );
    check_filter(
        json!(["event", "<", true]),
        expect![[r#"
            HW-F002 TYPE_MISMATCH `/query/conditions/0/filter/2`: `true`, a boolean, does not fit the column `event` of type STRING: a string is expected
        "#]],
    );
    check_filter(
        json!(["event", "regex", 1]),
        expect![[r#"
            HW-F002 TYPE_MISMATCH `/query/conditions/0/filter/2`: `1`, an integer, does not fit the column `event` of type STRING: a string is expected
        "#]],
    );
    check_filter(
        json!(["ok", "<", true]),
        expect![[r#"
        HW-F002 TYPE_MISMATCH `/query/conditions/0/filter/1`: the operator `<` does not go with the column `ok` of type BOOL [such a column takes `==` `!=` `in` `not in` `is null` `is not null`]
    "#]],
    );
    check_filter(
        json!(["ok", "==", "true"]),
        expect![[r#"
            HW-F002 TYPE_MISMATCH `/query/conditions/0/filter/2`: `"true"`, a string, does not fit the column `ok` of type BOOL: true or false is expected
        "#]],
    );
    check_filter(
        json!(["tags", "==", "a"]),
        expect![[r#"
        HW-F002 TYPE_MISMATCH `/query/conditions/0/filter/1`: the operator `==` does not go with the column `tags` of type LIST<STRING> [such a column takes `contains` `not contains` `is null` `is not null`]
    "#]],
    );
    check_filter(
        json!(["tags", "contains", 1]),
        expect![[r#"
            HW-F002 TYPE_MISMATCH `/query/conditions/0/filter/2`: `1`, an integer, does not fit the column `tags` of type LIST<STRING>: a string is expected
        "#]],
    );
    check_filter(
        json!(["at", "==", "yesterday"]),
        expect![[r#"
            HW-F002 TYPE_MISMATCH `/query/conditions/0/filter/2`: `"yesterday"`, a string, does not fit the column `at` of type TIMESTAMP: a date such as 2024-05-01, or a time such as 2024-05-01T10:00:00 or 2024-05-01T10:00:00.5+02:00, is expected
        "#]],
    );
    check_filter(
        json!(["at", "==", 1.5]),
        expect![[r#"
            HW-F002 TYPE_MISMATCH `/query/conditions/0/filter/2`: `1.5`, a number with a fraction, does not fit the column `at` of type TIMESTAMP: ISO 8601 text or an integer in the stored unit is expected
        "#]],
    );
    check_filter(
        json!(["at", "starts with", "2024"]),
        expect![[r#"
        HW-F002 TYPE_MISMATCH `/query/conditions/0/filter/1`: the operator `starts with` does not go with the column `at` of type TIMESTAMP [such a column takes `==` `!=` `>` `>=` `<` `<=` `in` `not in` `is null` `is not null`]
    "#]],
    );
    check_filter(
        json!(["day", ">=", "2024-02-30"]),
        expect![[r#"
            HW-F002 TYPE_MISMATCH `/query/conditions/0/filter/2`: `"2024-02-30"`, a string, does not fit the column `day` of type DATE: there is no such day
        "#]],
    );
}

#[test]
fn columns_exist() {
    check_filter(
        json!(["Event", "==", "a"]),
        expect![[r#"
        HW-F003 DATASET_MISMATCH `/query/conditions/0/filter/0`: the dataset has no column `Event` [did you mean `event`?]
    "#]],
    );
    check_filter(
        json!(["amount", "==", 1]),
        expect![[r#"
        HW-F003 DATASET_MISMATCH `/query/conditions/0/filter/0`: the column `amount` has the type `Decimal128(10, 2)`, which funnels cannot read
    "#]],
    );
    check_filter(
        json!(["blob", "==", 1]),
        expect![[r#"
        HW-F003 DATASET_MISMATCH `/query/conditions/0/filter/0`: the column `blob` has a type that funnels cannot read
    "#]],
    );
    check_filter(
        json!(["nothing like it", "==", 1]),
        expect![[r#"
        HW-F003 DATASET_MISMATCH `/query/conditions/0/filter/0`: the dataset has no column `nothing like it`
    "#]],
    );
    check_filter(json!(["a b/c~d", "==", 1]), expect![[""]]);
    // Also where the rest of the filter cannot be read.
    check_filter(
        json!(["pric", "=", null]),
        expect![[r#"
        HW-F001 SCHEMA `/query/conditions/0/filter/1`: there is no operator `=` [did you mean `==`?]
        HW-F003 DATASET_MISMATCH `/query/conditions/0/filter/0`: the dataset has no column `pric` [did you mean `price`?]
    "#]],
    );
}

#[test]
fn targets() {
    let target = |target: Value| json!({"filter": ["event", "==", "a"], "target": target});
    check_condition(
        target(json!(["count", ">"])),
        expect![[r#"
        HW-F001 SCHEMA `/query/conditions/0/target`: a short target has the form ["count", operator, number] or ["sum", column, operator, number]
    "#]],
    );
    check_condition(
        target(json!(["count", "contains", -1])),
        expect![[r#"
        HW-F001 SCHEMA `/query/conditions/0/target/1`: the operator of a target is one of `==` `!=` `>` `>=` `<` `<=`, not `"contains"`
        HW-F001 SCHEMA `/query/conditions/0/target/2`: a count is an integer that is not negative, not `-1`
    "#]],
    );
    check_condition(
        target(json!(["count", ">", 1.0])),
        expect![[r#"
        HW-F001 SCHEMA `/query/conditions/0/target/2`: a count is an integer that is not negative, not `1.0`
    "#]],
    );
    check_condition(
        target(json!(["sum", ">", 1])),
        expect![[r#"
        HW-F001 SCHEMA `/query/conditions/0/target`: a short target has the form ["count", operator, number] or ["sum", column, operator, number]
    "#]],
    );
    check_condition(
        target(json!(["sum", "event", ">", "1"])),
        expect![[r#"
        HW-F001 SCHEMA `/query/conditions/0/target/3`: expected a number, not `"1"`
    "#]],
    );
    check_condition(
        target(json!(["sum", "event", ">", 1])),
        expect![[r#"
        HW-F002 TYPE_MISMATCH `/query/conditions/0/target/1`: the column `event` of a sum target is of type STRING, but has to be INT or FLOAT
    "#]],
    );
    check_condition(
        target(json!(["sum", "prise", ">", -1.5])),
        expect![[r#"
        HW-F003 DATASET_MISMATCH `/query/conditions/0/target/1`: the dataset has no column `prise` [did you mean `price`?]
    "#]],
    );
    check_condition(
        target(json!({})),
        expect![[r#"
        HW-F001 SCHEMA `/query/conditions/0/target`: the key `type` is missing
        HW-F001 SCHEMA `/query/conditions/0/target`: the key `op` is missing
        HW-F001 SCHEMA `/query/conditions/0/target`: the key `value` is missing
    "#]],
    );
    check_condition(
        target(json!({"type": "mean", "op": "=", "value": true})),
        expect![[r#"
            HW-F001 SCHEMA `/query/conditions/0/target/type`: the type of a target is `count` or `sum`, not `"mean"`
            HW-F001 SCHEMA `/query/conditions/0/target/op`: the operator of a target is one of `==` `!=` `>` `>=` `<` `<=`, not `"="`
            HW-F001 SCHEMA `/query/conditions/0/target/value`: expected a number, not `true`
        "#]],
    );
    check_condition(
        target(json!({"type": "count", "op": ">", "value": 1, "column": "price"})),
        expect![[r#"
            HW-F001 SCHEMA `/query/conditions/0/target/column`: a `count` target takes no `column`
        "#]],
    );
    check_condition(
        target(json!({"type": "sum", "op": ">", "value": 1})),
        expect![[r#"
        HW-F001 SCHEMA `/query/conditions/0/target`: the key `column` is missing
    "#]],
    );
}

/// Operators and numbers of count targets that take `includeZero: true`.
#[test]
fn include_zero() {
    let faults = |target: &Value, flag: bool| {
        let condition = json!({"filter": ["event", "==", "a"], "target": target, "includeZero": flag});
        let validation = validate(&json!({"query": {"conditions": [condition]}}), Some(&dataset()));
        for finding in &validation.findings {
            assert_eq!(
                (finding.kind.name(), finding.pointer.as_str()),
                ("TYPE_MISMATCH", "/query/conditions/0/includeZero")
            );
        }
        !validation.success
    };
    for (operator, number, is_refused) in [
        ("==", 0, false),
        ("==", 1, true),
        ("!=", 0, true),
        ("!=", 1, false),
        (">", 0, true),
        (">", 5, true),
        (">=", 0, false),
        (">=", 1, true),
        ("<", 0, true),
        ("<", 1, false),
        ("<=", 0, false),
        ("<=", 10, false),
    ] {
        let target = json!(["count", operator, number]);
        assert_eq!(faults(&target, true), is_refused, "{target} with true");
        assert_eq!(
            faults(&target, false),
            operator == "==" && number == 0,
            "{target} with false"
        );
    }
    assert!(faults(&json!(["sum", "price", "<", 5]), true));
    assert!(!faults(&json!(["sum", "price", "==", 0]), false));
    check_condition(
        json!({"filter": ["event", "==", "a"], "includeZero": true}),
        expect![[r#"
            HW-F002 TYPE_MISMATCH `/query/conditions/0/includeZero`: `includeZero` does not go with the target `count >= 1`: zero is excluded by the target
        "#]],
    );
    check_condition(
        json!({"filter": ["event", "==", "a"], "includeZero": false}),
        expect![[""]],
    );
    check_condition(
        json!({"filter": ["event", "==", "a"], "includeZero": true, "target": ["sum", "price", ">", 0]}),
        expect![[r#"
            HW-F002 TYPE_MISMATCH `/query/conditions/0/includeZero`: `includeZero` does not go with the target `sum price > 0`: a sum has no rows to count
        "#]],
    );
}

#[test]
fn targets_that_cannot_be_met() {
    let target = |target: Value| json!({"filter": ["event", "==", "a"], "target": target});
    check_condition(
        target(json!(["count", "<", 1])),
        expect![[r#"
        HW-F022 WARNING `/query/conditions/0/target`: no group can satisfy the target `count < 1` [a group without matching rows is only counted with `"includeZero": true`]
    "#]],
    );
    check_condition(
        target(json!(["count", "<=", 0])),
        expect![[r#"
        HW-F022 WARNING `/query/conditions/0/target`: no group can satisfy the target `count <= 0` [a group without matching rows is only counted with `"includeZero": true`]
    "#]],
    );
    check_condition(
        target(json!(["count", "<", 0])),
        expect![[r#"
        HW-F022 WARNING `/query/conditions/0/target`: no group can satisfy the target `count < 0` [a group without matching rows is only counted with `"includeZero": true`]
    "#]],
    );
    check_condition(target(json!(["count", "<", 2])), expect![[""]]);
}

#[test]
fn names() {
    let named = |name: &str| json!({"filter": ["event", "==", "a"], "name": name});
    let conditions =
        |names: &[&str]| json!({"query": {"conditions": names.iter().map(|name| named(name)).collect::<Value>()}});
    check(conditions(&["a", "a1_B", "", "", "not"]), expect![[""]]);
    check(
        conditions(&["1a", "_a", "a b", "ä", "$0", "a-b"]),
        expect![[r#"
        HW-F001 SCHEMA `/query/conditions/0/name`: `1a` is not a name [a name is a letter followed by letters, digits and `_`]
        HW-F001 SCHEMA `/query/conditions/1/name`: `_a` is not a name [a name is a letter followed by letters, digits and `_`]
        HW-F001 SCHEMA `/query/conditions/2/name`: `a b` is not a name [a name is a letter followed by letters, digits and `_`]
        HW-F001 SCHEMA `/query/conditions/3/name`: `ä` is not a name [a name is a letter followed by letters, digits and `_`]
        HW-F001 SCHEMA `/query/conditions/4/name`: `$0` is not a name [a name is a letter followed by letters, digits and `_`]
        HW-F001 SCHEMA `/query/conditions/5/name`: `a-b` is not a name [a name is a letter followed by letters, digits and `_`]
    "#]],
    );
    check(
        conditions(&["and", "OR"]),
        expect![[r#"
        HW-F001 SCHEMA `/query/conditions/0/name`: a condition cannot be called `and`, which is an operator of the relation
        HW-F001 SCHEMA `/query/conditions/1/name`: a condition cannot be called `OR`, which is an operator of the relation
    "#]],
    );
    check(
        conditions(&["same", "same", "SAME"]),
        expect![[r#"
        HW-F001 SCHEMA `/query/conditions/1/name`: the condition name `same` is used twice [give each condition a name of its own; relations do not distinguish case]
        HW-F001 SCHEMA `/query/conditions/2/name`: the condition names `same` and `SAME` differ by case only [give each condition a name of its own; relations do not distinguish case]
    "#]],
    );
    let count = |name: &str| json!({"column": "event", "type": "count", "name": name});
    check(
        json!({"query": {"aggregations": [count("a"), count("A"), count("a"), count("1")]}}),
        expect![[r#"
            HW-F001 SCHEMA `/query/aggregations/3/name`: `1` is not a name [a name is a letter followed by letters, digits and `_`]
            HW-F001 SCHEMA `/query/aggregations/2/name`: the aggregation name `a` is used twice in one list
        "#]],
    );
    let list = json!([count("a")]);
    let sequence = json!([{"filter": ["event", "==", "a"]}]);
    let funnel = json!({"sequence": sequence, "stepAggregations": list, "endAggregations": list});
    check(
        json!({"query": {"aggregations": list}, "funnel": funnel}),
        expect![[""]],
    );
}

#[test]
fn relations() {
    let related = |relation: &str| {
        let filter = json!(["event", "==", "a"]);
        json!({"query": {"conditions": [{"filter": filter, "name": "first"}, {"filter": filter}], "relation": relation}})
    };
    check(related(" OR "), expect![[""]]);
    check(related("$first or $1"), expect![[""]]);
    check(
        related(""),
        expect![[r#"
        HW-F004 RELATION `/query/relation`: the relation is empty [leave it out to join all conditions with `and`, or write for instance `$0 or $1`]
    "#]],
    );
    check(
        related("$0"),
        expect![[r#"
        HW-F020 WARNING `/query/conditions/1`: the relation does not mention condition `$1`, which therefore has no effect
    "#]],
    );
    check(
        related("$1"),
        expect![[r#"
        HW-F020 WARNING `/query/conditions/0`: the relation does not mention condition `$first`, which therefore has no effect
    "#]],
    );
    check(
        related("$2 and $frist"),
        expect![[r#"
        HW-F004 RELATION `/query/relation`: there is no condition `$2` [the conditions are `$0` to `$1`]
        HW-F004 RELATION `/query/relation`: no condition is called `frist` [did you mean `first`?]
    "#]],
    );
    check(
        related("$0 $1"),
        expect![[r#"
        HW-F004 RELATION `/query/relation`: the relation has `$1` at byte 3, where `and`, `or` or `)` is expected [write for instance `$0 and ($1 or not $name)`]
    "#]],
    );
    check(
        related("$0 and"),
        expect![[r#"
        HW-F004 RELATION `/query/relation`: the relation has the end at byte 6, where a condition such as `$0` or `$name` is expected [write for instance `$0 and ($1 or not $name)`]
    "#]],
    );
    check(
        related("not"),
        expect![[r#"
        HW-F004 RELATION `/query/relation`: the relation has the end at byte 3, where a condition such as `$0` or `$name` is expected [write for instance `$0 and ($1 or not $name)`]
    "#]],
    );
    check(
        json!({"query": {"relation": "and"}}),
        expect![[r#"
        HW-F004 RELATION `/query/relation`: there is a relation, but no condition to relate
    "#]],
    );
    check(
        json!({"query": {"conditions": [], "relation": ""}}),
        expect![[r#"
        HW-F004 RELATION `/query/relation`: there is a relation, but no condition to relate
    "#]],
    );
}

#[test]
fn timeframes() {
    let timeframe = |from: Value, to: Value| json!({"timeframe": {"from": from, "to": to}});
    check(timeframe(json!(1_700_000_000), json!(1_705_000_000.0)), expect![[""]]);
    check(
        timeframe(json!(-1), json!(true)),
        expect![[r#"
        HW-F001 SCHEMA `/timeframe/from`: a time must be a number that is not negative, or ISO text, not `-1`
        HW-F001 SCHEMA `/timeframe/to`: a time must be a number that is not negative, or ISO text, not `true`
    "#]],
    );
    check(
        timeframe(json!(null), json!([])),
        expect![[r#"
        HW-F001 SCHEMA `/timeframe/from`: a time must be a number that is not negative, or ISO text, not `null`
        HW-F001 SCHEMA `/timeframe/to`: a time must be a number that is not negative, or ISO text, not `[]`
    "#]],
    );
    check(
        timeframe(json!(1_700_000_000), json!(1_700_000_000)),
        expect![[r#"
        HW-F001 SCHEMA `/timeframe/to`: the timeframe is empty: `to` `1700000000` is not after `from` `1700000000` [`from` belongs to the timeframe, `to` is the first time after it]
        HW-F021 WARNING `/timeframe`: the timeframe selects no rows: the dataset's times go from 1700000000 to 1710000000
    "#]],
    );
    check(
        timeframe(json!(1_700_000_000.5), json!("2024-01-01")),
        expect![[r#"
            HW-F002 TYPE_MISMATCH `/timeframe/from`: `1700000000.5`, a number with a fraction, does not fit the column `ts` of type INT: an integer is expected
            HW-F002 TYPE_MISMATCH `/timeframe/to`: `"2024-01-01"`, a string, does not fit the column `ts` of type INT: an integer is expected
        "#]],
    );
    check(timeframe(json!(0), json!(1_700_000_001)), expect![[""]]);
    check(
        timeframe(json!(1_700_000_000_000_i64), json!(1_710_000_000_000_i64)),
        expect![[r#"
            HW-F002 TYPE_MISMATCH `/timeframe/from`: the time `1700000000000` is not of the scale of the dataset's minimum 1700000000 [write times in the unit of the time column; seconds and milliseconds differ by a factor of 1000]
            HW-F002 TYPE_MISMATCH `/timeframe/to`: the time `1710000000000` is not of the scale of the dataset's maximum 1710000000 [write times in the unit of the time column; seconds and milliseconds differ by a factor of 1000]
        "#]],
    );
    check(
        timeframe(json!(1_700), json!(17_000_000)),
        expect![[r#"
            HW-F002 TYPE_MISMATCH `/timeframe/from`: the time `1700` is not of the scale of the dataset's minimum 1700000000 [write times in the unit of the time column; seconds and milliseconds differ by a factor of 1000]
            HW-F002 TYPE_MISMATCH `/timeframe/to`: the time `17000000` is not of the scale of the dataset's maximum 1710000000 [write times in the unit of the time column; seconds and milliseconds differ by a factor of 1000]
        "#]],
    );
    check(timeframe(json!(999_999_999), json!(10_000_000_000_i64)), expect![[""]]);
    check(
        json!({"timeframe": {"from": 1_710_000_001}}),
        expect![[r#"
        HW-F021 WARNING `/timeframe`: the timeframe selects no rows: the dataset's times go from 1700000000 to 1710000000
    "#]],
    );
    check(
        json!({"timeframe": {"to": 1_700_000_000}}),
        expect![[r#"
        HW-F021 WARNING `/timeframe`: the timeframe selects no rows: the dataset's times go from 1700000000 to 1710000000
    "#]],
    );
}

#[test]
fn timeframes_of_timestamps() {
    let run = |timeframe: Value| {
        let time_range = Some((TimeValue::Int(1_700_000_000_000), TimeValue::Int(1_710_000_000_000)));
        let dataset = Dataset {
            time_column: "at".into(),
            time_range,
            ..dataset()
        };
        let validation = validate(&json!({"timeframe": timeframe}), Some(&dataset));
        format!("{}{}", render(&validation.findings), render(&validation.warnings))
    };
    expect![[""]].assert_eq(&run(json!({"from": "2023-12-01", "to": "2024-01-01T00:00:00+01:00"})));
    expect![[r#"
        HW-F001 SCHEMA `/timeframe/to`: the timeframe is empty: `to` `"2024-01-01T00:00:00Z"` is not after `from` `"2024-01-01"` [`from` belongs to the timeframe, `to` is the first time after it]
    "#]].assert_eq(&run(json!({"from": "2024-01-01", "to": "2024-01-01T00:00:00Z"})));
    expect![[r#"
        HW-F001 SCHEMA `/timeframe/to`: the timeframe is empty: `to` `"2024-01-01T00:00:00"` is not after `from` `1705000000000` [`from` belongs to the timeframe, `to` is the first time after it]
    "#]].assert_eq(&run(
        json!({"from": 1_705_000_000_000_i64, "to": "2024-01-01T00:00:00"}),
    ));
    expect![[""]].assert_eq(&run(json!({"from": "1999-01-01", "to": "2031-01-01"})));
    expect![[r#"
        HW-F002 TYPE_MISMATCH `/timeframe/to`: `"soon"`, a string, does not fit the column `at` of type TIMESTAMP: a date such as 2024-05-01, or a time such as 2024-05-01T10:00:00 or 2024-05-01T10:00:00.5+02:00, is expected
        HW-F002 TYPE_MISMATCH `/timeframe/from`: the time `1700000000` is not of the scale of the dataset's minimum 1700000000000 [write times in the unit of the time column; seconds and milliseconds differ by a factor of 1000]
    "#]].assert_eq(&run(json!({"from": 1_700_000_000, "to": "soon"})));
    expect![[r#"
        HW-F021 WARNING `/timeframe`: the timeframe selects no rows: the dataset's times go from 1700000000000 to 1710000000000
    "#]].assert_eq(&run(json!({"from": "2031-01-01"})));
}

#[test]
fn durations() {
    let limited =
        |limit: Value| json!({"funnel": {"sequence": [{"filter": ["event", "==", "a"]}], "maxDuration": limit}});
    check(limited(json!(5)), expect![[""]]);
    check(
        limited(json!(-5)),
        expect![[r#"
        HW-F001 SCHEMA `/funnel/maxDuration`: a duration is a number that is not negative, or text such as "30m", not `-5` [the units are `ns us ms s m h d w`]
    "#]],
    );
    check(
        limited(json!(1.5)),
        expect![[r#"
            HW-F002 TYPE_MISMATCH `/funnel/maxDuration`: `1.5`, a number with a fraction, does not fit the column `ts` of type INT: an integer is expected
        "#]],
    );
    check(
        limited(json!("30m")),
        expect![[r#"
            HW-F002 TYPE_MISMATCH `/funnel/maxDuration`: `"30m"`, a string, does not fit the column `ts` of type INT: its unit is unknown, a number in that unit is expected
        "#]],
    );
    check(
        limited(json!("30 minutes")),
        expect![[r#"
        HW-F001 SCHEMA `/funnel/maxDuration`: a duration is a number that is not negative, or text such as "30m", not `"30 minutes"` [the units are `ns us ms s m h d w`]
    "#]],
    );
    check(
        limited(json!(null)),
        expect![[r#"
        HW-F001 SCHEMA `/funnel/maxDuration`: a duration is a number that is not negative, or text such as "30m", not `null` [the units are `ns us ms s m h d w`]
    "#]],
    );
}

#[test]
fn aggregations() {
    let list = |list: Value| json!({"query": {"aggregations": list}});
    check(
        list(json!([{"column": "event", "name": ""}, {"column": "event", "top": 3}])),
        expect![[""]],
    );
    check(
        list(json!([{}, {"type": "count"}, {"column": 1, "type": 1}])),
        expect![[r#"
            HW-F001 SCHEMA `/query/aggregations/0`: the key `column` is missing
            HW-F001 SCHEMA `/query/aggregations/1`: the key `column` is missing
            HW-F001 SCHEMA `/query/aggregations/2/column`: a column is named by a string, not an integer
            HW-F001 SCHEMA `/query/aggregations/2/type`: the type of an aggregation is a string, not an integer
        "#]],
    );
    check(
        list(json!([{"column": "event", "type": "counts"}])),
        expect![[r#"
        HW-F001 SCHEMA `/query/aggregations/0/type`: there is no aggregation type `counts` [did you mean `count`?]
    "#]],
    );
    check(
        list(json!([{"column": "event", "name": "a", "otherColumn": "price", "q": 0.5}])),
        expect![[r#"
            HW-F001 SCHEMA `/query/aggregations/0/name`: an aggregation of `event` without a `type` takes no `name`
            HW-F001 SCHEMA `/query/aggregations/0/otherColumn`: an aggregation of `event` without a `type` takes no `otherColumn`
            HW-F001 SCHEMA `/query/aggregations/0/q`: an aggregation of `event` without a `type` takes no `q`
        "#]],
    );
    check(
        list(
            json!([{"column": "event", "type": "sumPerValue"}, {"column": "event", "type": "count", "otherColumn": "price"}]),
        ),
        expect![[r#"
            HW-F001 SCHEMA `/query/aggregations/0`: the aggregation `sumPerValue` of `event` needs an `otherColumn`
            HW-F001 SCHEMA `/query/aggregations/1/otherColumn`: the aggregation `count` of `event` takes no `otherColumn`
        "#]],
    );
    check(
        list(json!([{"column": "event", "type": "meanPerValue", "otherColumn": "event"}])),
        expect![[r#"
            HW-F002 TYPE_MISMATCH `/query/aggregations/0/otherColumn`: the column `event` as `otherColumn` of `meanPerValue` is of type STRING, but has to be INT or FLOAT
        "#]],
    );
    check(
        list(
            json!([{"column": "event", "type": "count", "top": 3}, {"column": "event", "type": "countPerValue", "top": 0}]),
        ),
        expect![[r#"
            HW-F001 SCHEMA `/query/aggregations/0/top`: `top` does not go with `count`, whose answer is one number
            HW-F001 SCHEMA `/query/aggregations/1/top`: `top` is an integer from 1, not `0`
        "#]],
    );
    check(
        list(
            json!([{"column": "price", "type": "quantile"}, {"column": "price", "type": "quantile", "q": 1}, {"column": "price", "type": "sum", "q": 0.5}]),
        ),
        expect![[r#"
            HW-F001 SCHEMA `/query/aggregations/0`: the aggregation `quantile` of `price` needs a `q`
            HW-F001 SCHEMA `/query/aggregations/1/q`: `q` lies strictly between 0 and 1, it cannot be `1`
            HW-F001 SCHEMA `/query/aggregations/2/q`: `q` goes with `quantile`, not with `sum`
        "#]],
    );
    check(
        list(
            json!([{"column": "event", "type": "sum"}, {"column": "ok", "type": "max"}, {"column": "at", "type": "max"}, {"column": "at", "type": "mean"}]),
        ),
        expect![[r#"
            HW-F002 TYPE_MISMATCH `/query/aggregations/0/column`: the column `event` of `sum` is of type STRING, but has to be INT or FLOAT
            HW-F002 TYPE_MISMATCH `/query/aggregations/1/column`: the column `ok` of `max` is of type BOOL, but has to be INT or FLOAT
            HW-F002 TYPE_MISMATCH `/query/aggregations/3/column`: the column `at` of `mean` is of type TIMESTAMP, but has to be INT or FLOAT
        "#]],
    );
    check(
        list(json!([{"column": "tags", "type": "count"}, {"column": "tags", "type": "distinct"}, {"column": "tags"}])),
        expect![[r#"
            HW-F002 TYPE_MISMATCH `/query/aggregations/1/column`: `distinct` needs single values, but the column `tags` is of type LIST<STRING>
            HW-F002 TYPE_MISMATCH `/query/aggregations/2/column`: `countPerValue` needs single values, but the column `tags` is of type LIST<STRING>
            HW-F002 TYPE_MISMATCH `/query/aggregations/2/column`: `groupsPerValue` needs single values, but the column `tags` is of type LIST<STRING>
        "#]],
    );
}

#[test]
fn breakdowns() {
    let broken =
        |breakdown: Value| json!({"funnel": {"sequence": [{"filter": ["event", "==", "a"]}], "breakdown": breakdown}});
    check(broken(json!({"column": "event"})), expect![[""]]);
    check(
        broken(json!({})),
        expect![[r#"
        HW-F001 SCHEMA `/funnel/breakdown`: the key `column` is missing
    "#]],
    );
    check(
        broken(json!({"column": "evnt", "by": "last", "top": 1_001})),
        expect![[r#"
            HW-F001 SCHEMA `/funnel/breakdown/by`: `by` is `first` or `pair`, not `"last"`
            HW-F001 SCHEMA `/funnel/breakdown/top`: `top` is an integer from 1 to 1000, not `1001`
            HW-F003 DATASET_MISMATCH `/funnel/breakdown/column`: the dataset has no column `evnt` [did you mean `event`?]
        "#]],
    );
    check(
        broken(json!({"column": "tags", "top": 1_000})),
        expect![[r#"
        HW-F002 TYPE_MISMATCH `/funnel/breakdown/column`: a breakdown needs single values, but the column `tags` is of type LIST<STRING>
    "#]],
    );
}

#[test]
fn datasets_that_cannot_serve() {
    let run = |dataset: Dataset| render(&validate(&json!({"timeframe": {"from": 1.5}}), Some(&dataset)).findings);
    expect![[r#"
        HW-F005 INVALID_ARGUMENTS ``: the group column `users` is not among the columns of the dataset
        HW-F005 INVALID_ARGUMENTS ``: the time column `event` is of type STRING, but has to be a number, a timestamp or a date
    "#]].assert_eq(&run(Dataset {
        group_column: "users".into(),
        time_column: "event".into(),
        ..dataset()
    }));
    expect![[r#"
        HW-F005 INVALID_ARGUMENTS ``: the group column `price` is of type FLOAT, but has to be an integer or a string
        HW-F005 INVALID_ARGUMENTS ``: the time column `amount` is of a type that funnels cannot read
    "#]]
    .assert_eq(&run(Dataset {
        group_column: "price".into(),
        time_column: "amount".into(),
        ..dataset()
    }));
}

#[test]
fn all_stages_report_together() {
    check(
        json!({
            "timeframe": {"from": 20, "to": 10},
            "query": {"conditions": [{"filter": ["evnt", "==", "a"], "nam": "x"}, {"filter": ["price", "contains", "a"]}], "relation": "$0 or $7"}}),
        expect![[r#"
            HW-F001 SCHEMA `/query/conditions/0/nam`: a condition has no key `nam` [did you mean `name`?]
            HW-F001 SCHEMA `/timeframe/to`: the timeframe is empty: `to` `10` is not after `from` `20` [`from` belongs to the timeframe, `to` is the first time after it]
            HW-F004 RELATION `/query/relation`: there is no condition `$7` [the conditions are `$0` to `$1`]
            HW-F002 TYPE_MISMATCH `/timeframe/from`: the time `20` is not of the scale of the dataset's minimum 1700000000 [write times in the unit of the time column; seconds and milliseconds differ by a factor of 1000]
            HW-F002 TYPE_MISMATCH `/timeframe/to`: the time `10` is not of the scale of the dataset's maximum 1710000000 [write times in the unit of the time column; seconds and milliseconds differ by a factor of 1000]
            HW-F003 DATASET_MISMATCH `/query/conditions/0/filter/0`: the dataset has no column `evnt` [did you mean `event`?]
            HW-F002 TYPE_MISMATCH `/query/conditions/1/filter/1`: the operator `contains` does not go with the column `price` of type FLOAT [such a column takes `==` `!=` `>` `>=` `<` `<=` `in` `not in` `is null` `is not null`]
        "#]],
    );
}

#[test]
fn expansion() {
    let short = json!({
        "query": {
            "conditions": [
                {"filter": ["event", "==", "a"], "name": "first"},
                {"filter": ["event", "is null"], "target": ["count", "==", 0], "name": ""},
                {"filters": [{"column": "user", "op": "in", "value": [1, 5.0]}], "target": ["sum", "price", ">", 1]},
                {"sequence": [{"filter": ["event", "==", "a"], "rowFound": true}, {"filter": ["event", "==", "b"], "rowFound": false}], "maxDuration": 5}],
            "relation": " && ",
            "aggregations": {"columns": [{"column": "event", "top": 3}]}},
        "funnel": {"sequence": [{"filter": ["event", "==", "a"]}], "endAggregations": [], "stepTimes": false, "breakdown": {"column": "ok"}},
        "compare": false});
    let long = json!({
        "query": {
            "conditions": [
                {"filter": {"column": "event", "op": "==", "value": "a"}, "target": {"type": "count", "op": ">=", "value": 1}, "name": "first"},
                {"filter": {"column": "event", "op": "is null"}, "target": {"type": "count", "op": "==", "value": 0}, "includeZero": true},
                {"filters": [{"column": "user", "op": "in", "value": [1, 5.0]}], "target": {"type": "sum", "column": "price", "op": ">", "value": 1}},
                {"sequence": [
                    {"filter": {"column": "event", "op": "==", "value": "a"}},
                    {"filter": {"column": "event", "op": "==", "value": "b"}, "rowFound": false}], "maxDuration": 5}],
            "relation": "$0 && $1 && $2 && $3",
            "aggregations": [
                {"column": "event", "type": "count"},
                {"column": "event", "type": "countPerValue", "top": 3},
                {"column": "event", "type": "groupsPerValue", "top": 3}]},
        "funnel": {
            "sequence": [{"filter": {"column": "event", "op": "==", "value": "a"}}],
            "breakdown": {"column": "ok", "by": "first", "top": 10}}});
    assert_eq!(expand(short), long);
    assert_eq!(expand(long.clone()), long);
}

#[test]
fn relations_are_made_explicit() {
    let related = |count: usize, relation: Value| {
        let conditions = vec![json!({"filter": ["event", "==", "a"]}); count];
        let mut query = json!({"conditions": conditions});
        if !relation.is_null() {
            query["relation"] = relation;
        }
        expand(json!({"query": query}))["query"]["relation"].clone()
    };
    assert_eq!(related(3, Value::Null), json!("$0 and $1 and $2"));
    assert_eq!(related(2, json!(" Or ")), json!("$0 or $1"));
    assert_eq!(related(1, json!("and")), json!("$0"));
    assert_eq!(related(2, json!(" not $0 OR $1 ")), json!("not $0 OR $1"));
}

#[test]
fn the_answer_as_a_document() {
    let filter = json!(["event", "==", "a"]);
    let document = json!({"query": {"conditions": [{"filter": filter, "name": "Zoe"}, {"filter": filter}, {"filter": filter, "name": "b"}], "relation": "$b or $0"}});
    let validation = validate(&document, Some(&dataset()));
    let mut json = validation.to_json();
    assert_eq!(json["sourceQuery"], document);
    assert_eq!(json["expandedQuery"], validation.expanded.unwrap());
    for key in ["sourceQuery", "expandedQuery"] {
        json.as_object_mut().unwrap().shift_remove(key);
    }
    expect![[r#"
        {
          "success": true,
          "errors": [],
          "warnings": [
            {
              "code": "HW-F020",
              "kind": "WARNING",
              "message": "the relation does not mention condition `$1`, which therefore has no effect",
              "pointer": "/query/conditions/1"
            }
          ],
          "usedColumns": [
            "user",
            "ts",
            "event"
          ],
          "usedConditions": [
            2,
            0
          ],
          "conditionNames": {
            "Zoe": 0,
            "b": 2
          }
        }"#]]
    .assert_eq(&format!("{json:#}"));
    let json = validate(&json!({"querry": {}}), None).to_json();
    expect![[r#"
        {
          "success": false,
          "errorKind": "SCHEMA",
          "errorMessage": "ValidationError(SCHEMA: the query has no key `querry`)",
          "errors": [
            {
              "code": "HW-F001",
              "kind": "SCHEMA",
              "message": "the query has no key `querry`",
              "pointer": "/querry",
              "help": "did you mean `query`?"
            }
          ],
          "warnings": [],
          "sourceQuery": {
            "querry": {}
          }
        }"#]]
    .assert_eq(&format!("{json:#}"));
}

#[test]
fn without_a_dataset_only_the_structure_is_checked() {
    let document =
        json!({"query": {"conditions": [{"filter": ["anything", "contains", 5]}]}, "timeframe": {"from": 1.5}});
    let validation = validate(&document, None);
    assert!(validation.success && validation.query.is_none() && validation.expanded.is_some());
    assert_eq!(validation.used_columns, Vec::<String>::new());
    assert!(
        !validate(
            &json!({"query": {"conditions": [{"filter": ["anything", "contains", null]}]}}),
            None
        )
        .success
    );
}

#[test]
fn text_that_is_not_json() {
    let run = |text: &str| {
        let Validation { findings, .. } = validate_text(text, Some(&dataset()));
        let finding = &findings[0];
        assert_eq!(findings.len(), 1);
        format!(
            "{} {} {:?} {}",
            finding.code,
            finding.kind.name(),
            finding.position.unwrap(),
            finding.message
        )
    };
    expect!["HW-F007 SCHEMA (1, 1) the query is not JSON: EOF while parsing a value"].assert_eq(&run(""));
    expect!["HW-F007 SCHEMA (3, 1) the query is not JSON: trailing comma"].assert_eq(&run("{\n  \"query\": {},\n}"));
    expect!["HW-F007 SCHEMA (1, 4) the query is not JSON: trailing characters"].assert_eq(&run("{} {}"));
    expect!["HW-F007 SCHEMA (1, 128) the query is not JSON: recursion limit exceeded"]
        .assert_eq(&run(&"[".repeat(1_000_000)));
    assert!(validate_text(" {} ", Some(&dataset())).success);
    let json = validate_text("{", None).to_json();
    assert_eq!(
        (&json["errors"][0]["line"], &json["errors"][0]["column"]),
        (&json!(1), &json!(1))
    );
}

#[test]
fn deep_documents_are_refused() {
    let mut deep = json!(1);
    for _ in 0..100 {
        deep = json!({"query": [deep]});
    }
    check(
        deep,
        expect![[r#"
        HW-F001 SCHEMA ``: the document is nested deeper than 64 levels
    "#]],
    );
}

#[test]
fn many_faults_take_no_quadratic_time() {
    let filter = |number: usize| json!({"filter": [format!("no column {number}"), "==", "x".repeat(100)], "name": format!("name {number}")});
    let conditions: Vec<Value> = (0..20_000).map(filter).collect();
    let validation = validate(
        &json!({"query": {"conditions": conditions, "relation": "or"}}),
        Some(&dataset()),
    );
    assert_eq!(validation.findings.len(), 1_001);
    assert_eq!(validation.findings[1_000].message, "39000 more findings are not listed");
    let many = json!({"query": {"conditions": vec![json!({"filter": ["event", "==", "a"]}); 10_000]}});
    let validation = validate(&many, Some(&dataset()));
    assert!(validation.success);
    assert_eq!(validation.query.unwrap().filters.len(), 1);
}
