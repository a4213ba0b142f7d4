//! What a funnel's answer tells of its cost.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

use std::time::Duration;

use hw_catalog::{Table, TableKind, TableName, TableVersion};
use hw_funnel::{Partial, Query};
use hw_job::{JobId, JobView, TaskView};
use serde_json::{Value, json};

use super::{PART, dataset_of, stats};

const PERCENTILES: [f64; 5] = [0.25, 0.5, 0.75, 0.95, 0.99];

fn table() -> Table {
    Table {
        name: TableName::new("main", "events").unwrap(),
        kind: TableKind::Dataset,
        version: TableVersion(1),
        group_column: Some("user".to_owned()),
        time_column: Some("at".to_owned()),
        groups: hw_catalog::Groups::Contained,
        sorted_by: Vec::new(),
        rows: None,
        bytes: 0,
        columns: Vec::new(),
        unsupported: Vec::new(),
        dataset: None,
        registered_at: 0,
        origin: None,
        comment: None,
        repartition: None,
        view: None,
        schema: arrow_schema::Schema::new(vec![
            arrow_schema::Field::new("user", arrow_schema::DataType::Int64, false),
            arrow_schema::Field::new("at", arrow_schema::DataType::Int64, false),
        ]),
    }
}

fn task(index: u32, outcome: Value) -> TaskView {
    TaskView {
        index,
        kind: PART.to_owned(),
        params: Value::Null,
        outcome,
        attempts: 1,
        lost: 0,
    }
}

fn told(tasks: &[TaskView], percentiles: &[f64]) -> Value {
    let table = table();
    let dataset = dataset_of(&table).unwrap();
    let expanded = hw_funnel::validate(&json!({}), Some(&dataset)).expanded.unwrap();
    let query = Query::from_expanded(&expanded, &dataset).unwrap();
    let job = JobView {
        id: JobId::new(1_700_000_000_000, [0; 10]),
        expanded: &Value::Null,
        reads: &[],
        tasks,
        elapsed: Duration::from_millis(1_500),
        enqueued: Duration::from_millis(500),
    };
    let parts: Vec<&TaskView> = tasks.iter().collect();
    stats::stats(&job, &table, &parts, &Partial::empty(&query), percentiles)
}

fn outcome(latency: f64, seconds: f64, load_from: &str) -> Value {
    json!({"invokeLatency": latency, "seconds": seconds, "loadSeconds": 0.25, "loadFrom": load_from, "rowsTotal": 100})
}

#[test]
fn tasks_are_told_by_when_they_ended_and_where_their_parts_came_from() {
    let mut lost = task(2, outcome(2.0, 0.5, "source"));
    (lost.attempts, lost.lost) = (3, 1);
    let tasks = [
        task(0, outcome(0.125, 0.5, "memory_cache")),
        task(1, outcome(0.125, 0.75, "memory_cache")),
        lost,
        task(3, outcome(0.0, 0.625, "disk_cache")),
    ];
    let stats = told(&tasks, &PERCENTILES);
    for (place, value) in [
        ("/totalTime", json!(1.5)),
        ("/invoker/pollTime", json!(1.0)),
        ("/invoker/totalTasks", json!(4)),
        ("/invoker/totalAttempts", json!(6)),
        ("/invoker/failedAttempts", json!(2)),
        ("/invoker/lostRetries", json!(1)),
        ("/invoker/taskSuccessOverTime", json!({"0.75": 2, "1.00": 1, "2.50": 1})),
        ("/worker/cache", json!({"source": 1, "diskCache": 1, "memoryCache": 2})),
        ("/worker/cacheHitRatio", json!(0.75)),
        ("/worker/rows", json!({"total": 400, "pruned": 400})),
        ("/worker/preflightSleep/max", json!(0.0)),
        ("/worker/engineTime/min", json!(0.25)),
        ("/worker/engineTime/max", json!(0.5)),
        ("/worker/invokeLatency/50%", json!(0.125)),
    ] {
        assert_eq!(stats.pointer(place), Some(&value), "{place}: {stats:#}");
    }
}

#[test]
fn a_part_that_does_not_tell_its_rows_leaves_them_out() {
    let stats = told(&[task(0, json!({"seconds": 1.0, "rowsTotal": null}))], &PERCENTILES);
    assert_eq!(stats["worker"]["rows"], Value::Null);
    assert_eq!(told(&[], &PERCENTILES)["worker"]["cacheHitRatio"], Value::Null);
}

#[test]
fn percentiles_are_those_that_mean_something() {
    let check = |samples: u32, percentiles: &[f64], expected: &[(&str, f64)]| {
        let tasks: Vec<TaskView> = (1..=samples)
            .map(|index| task(index, json!({"seconds": f64::from(index), "loadSeconds": 0.0})))
            .collect();
        let stats = told(&tasks, percentiles);
        let mut timing = stats["worker"]["totalTime"].as_object().unwrap().clone();
        timing.retain(|name, _| name.ends_with('%'));
        let expected = expected.iter().map(|(name, value)| ((*name).to_owned(), json!(value)));
        assert_eq!(timing, expected.collect(), "{samples} samples, {percentiles:?}");
    };
    check(1, &PERCENTILES, &[("50%", 1.0)]);
    check(19, &[0.9], &[("50%", 10.0)]);
    check(
        20,
        &PERCENTILES,
        &[("25%", 5.0), ("50%", 10.0), ("75%", 15.0), ("95%", 19.0)],
    );
    check(
        100,
        &PERCENTILES,
        &[
            ("25%", 25.0),
            ("50%", 50.0),
            ("75%", 75.0),
            ("95%", 95.0),
            ("99%", 99.0),
        ],
    );
    check(20, &[0.1, 0.999], &[("10%", 2.0)]);
    check(1_000, &[0.999], &[("99.9%", 999.0)]);
}
