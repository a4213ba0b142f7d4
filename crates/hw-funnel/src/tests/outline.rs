//! What is told of a query.

use arrow_schema::DataType;
use expect_test::expect;
use serde_json::{Value, json};

use crate::{Dataset, PartMatcher, Query, validate};

fn query(document: &Value) -> Query {
    let columns = [
        ("user", DataType::Int64),
        ("ts", DataType::Int64),
        ("event", DataType::Utf8),
        ("price", DataType::Float64),
        ("device", DataType::Utf8),
    ];
    let dataset = Dataset {
        group_column: "user".to_owned(),
        time_column: "ts".to_owned(),
        columns: columns.map(|(name, data_type)| (name.to_owned(), data_type)).to_vec(),
        unsupported: Vec::new(),
        time_range: None,
    };
    validate(document, Some(&dataset)).query.unwrap()
}

#[test]
fn columns_and_predicates_with_all_their_uses() {
    let buy = json!({"filter": ["event", "==", "buy"]});
    let query = query(&json!({
        "query": {
            "conditions": [
                {"filter": ["event", "==", "buy"], "target": ["sum", "price", ">", 3]},
                {"filters": [{"column": "user", "op": "is not null"}, {"column": "ts", "op": ">", "value": 5}]},
                {"sequence": [buy, {"filter": ["event", "in", ["view", "cart"]]}]},
            ],
            "aggregations": [{"column": "event"}, {"column": "device", "type": "sumPerValue", "otherColumn": "price"}],
        },
        "funnel": {"sequence": [buy], "breakdown": {"column": "device"}},
    }));
    let columns = query.column_outlines().into_iter();
    let columns = columns.map(|column| format!("{} {}: {}\n", column.name, column.data_type, column.uses.join(", ")));
    let predicates = query.predicate_outlines().into_iter().map(|predicate| {
        let value = predicate.value.map(|value| value.to_string()).unwrap_or_default();
        let places = predicate.places.join(" ");
        format!(
            "{} {} {} {value} at {places}\n",
            predicate.column, predicate.name, predicate.op
        )
    });
    expect![[r#"
        user Int64: group, filter
        ts Int64: time, filter
        event Utf8: filter, aggregation
        price Float64: target, aggregation
        device Utf8: aggregation, breakdown
        2 event == "buy" at /query/conditions/0/filter /query/conditions/2/sequence/0/filter /funnel/sequence/0/filter
        0 user is not null  at /query/conditions/1/filters/0
        1 ts > 5 at /query/conditions/1/filters/1
        2 event in ["view","cart"] at /query/conditions/2/sequence/1/filter
    "#]]
    .assert_eq(&columns.chain(predicates).collect::<String>());
}

#[test]
fn strategies_and_their_reasons() {
    let step = |event: &str| json!({"filter": ["event", "==", event]});
    let funnel = |more: Value| {
        let mut funnel = json!({"sequence": [step("view"), step("buy")]});
        funnel
            .as_object_mut()
            .unwrap()
            .extend(more.as_object().unwrap().clone());
        json!({ "funnel": funnel })
    };
    let absent = json!({"sequence": [step("view"), {"filter": ["event", "==", "cart"], "rowFound": false}]});
    let many: Vec<Value> = (0..65)
        .map(|number| json!({"filter": ["price", ">", number]}))
        .collect();
    let cases = [
        json!({}),
        funnel(json!({"maxDuration": 5})),
        funnel(json!({"breakdown": {"column": "device", "by": "pair"}})),
        funnel(json!({"breakdown": {"column": "device"}})),
        funnel(json!({"stepTimes": true})),
        json!({ "funnel": absent }),
        funnel(json!({"breakdown": {"column": "device"}, "stepAggregations": [{"column": "event"}]})),
        json!({"query": {"conditions": many}}),
    ];
    let told = cases.iter().map(|case| {
        let query = query(case);
        let strategy = PartMatcher::strategy(&query);
        let is_taken = PartMatcher::new(&query, None).unwrap().is_some();
        assert_eq!(is_taken, strategy.name() != "plain");
        format!("{strategy:?}\n")
    });
    expect![[r#"
        Streaming
        Streaming
        Streaming
        Gathering { reason: "a breakdown by `first` needs the whole chain of a group" }
        Gathering { reason: "`stepTimes` needs the whole chain of a group" }
        Gathering { reason: "a step with `rowFound: false` needs all rows of a group" }
        Plain { reason: "the breakdown has `stepAggregations` beside it, or a first step with `rowFound: false`" }
        Plain { reason: "the query has more than 64 steps and conditions, or more than 32 steps in one sequence" }
    "#]]
    .assert_eq(&told.collect::<String>());
}
