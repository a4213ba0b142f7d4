#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]
mod cut;
mod encodings;
mod explain;
mod fuzz;

use std::sync::Arc;
use std::time::Duration;

use arrow_array::cast::AsArray;
use arrow_array::{ArrayRef, Float64Array, Int64Array, RecordBatch, StringArray};
use datafusion::physical_plan::displayable;
use datafusion_proto::bytes::{
    physical_plan_from_bytes_with_extension_codec, physical_plan_to_bytes_with_extension_codec,
};
use hw_catalog::{Groups, Table};
use hw_funnel::{Partial, Query, result, validate};
use serde_json::{Value, json};

use super::*;
use crate::testing::{World, told};

mod sql;
mod widths;

type Row = (i64, i64, &'static str, Option<&'static str>, Option<f64>);

/// The rows of the language's worked examples: user, time, event, device, price.
fn rows() -> RecordBatch {
    let rows: [Row; 12] = [
        (1, 10, "view", Some("mobile"), None),
        (1, 20, "cart", Some("mobile"), Some(10.0)),
        (1, 30, "buy", Some("mobile"), Some(20.5)),
        (2, 10, "buy", Some("desktop"), Some(5.0)),
        (2, 20, "view", Some("desktop"), None),
        (3, 10, "view", None, None),
        (3, 10, "buy", None, Some(7.0)),
        (4, 10, "view", Some("mobile"), None),
        (4, 15, "buy", Some("mobile"), Some(1.0)),
        (4, 20, "cart", Some("tablet"), None),
        (4, 25, "buy", Some("mobile"), Some(2.0)),
        (5, 12, "view", Some("desktop"), None),
    ];
    let columns: [(&str, ArrayRef, bool); 5] = [
        (
            "user",
            Arc::new(Int64Array::from_iter_values(rows.iter().map(|row| row.0))),
            false,
        ),
        (
            "ts",
            Arc::new(Int64Array::from_iter_values(rows.iter().map(|row| row.1))),
            true,
        ),
        (
            "event",
            Arc::new(StringArray::from_iter_values(rows.iter().map(|row| row.2))),
            true,
        ),
        (
            "device",
            Arc::new(StringArray::from_iter(rows.iter().map(|row| row.3))),
            true,
        ),
        (
            "price",
            Arc::new(Float64Array::from_iter(rows.iter().map(|row| row.4))),
            true,
        ),
    ];
    RecordBatch::try_from_iter_with_nullable(columns).unwrap()
}

/// The worked example: view, buy, cart, buy.
fn example() -> Value {
    json!({"funnel": {
        "sequence": [
            {"filter": ["event", "==", "view"]}, {"filter": ["event", "==", "buy"]},
            {"filter": ["event", "==", "cart"]}, {"filter": ["event", "==", "buy"]},
        ],
        "stepAggregations": [{"column": "price", "type": "count", "name": "priced"}],
        "endAggregations": [{"column": "event", "type": "groupsPerValue"}],
    }})
}

fn example_result() -> Value {
    let step = |groups: u64, rows: u64, priced: u64| {
        json!({"matchingGroups": groups, "matchingGroupRows": rows,
            "aggregations": [{"column": "price", "type": "count", "name": "priced", "value": priced}]})
    };
    json!({
        "query": {"matchingGroups": 5, "matchingGroupRows": 12},
        "funnel": {
            "sequence": [step(5, 12, 6), step(2, 7, 4), step(1, 4, 2), step(1, 4, 2)],
            "endAggregations": [
                {"column": "event", "type": "groupsPerValue", "top": 10, "value": {"view": 1, "buy": 1, "cart": 1}}
            ],
        },
    })
}

/// Users 1, 3, 5 and 2, 4 in two parts, or the rows dealt out one by one.
async fn world(groups: Groups) -> World {
    let world = World::new();
    register(&world, groups).await;
    world
}

async fn register(world: &World, groups: Groups) {
    let all = rows();
    let in_first = |row: usize| match groups {
        Groups::Contained => all.column(0).as_primitive::<arrow::datatypes::Int64Type>().value(row) % 2 == 1,
        Groups::Split => row.is_multiple_of(2),
    };
    for (name, first) in [("a", true), ("b", false)] {
        let mask: arrow_array::BooleanArray = (0..all.num_rows()).map(|row| Some(in_first(row) == first)).collect();
        let part = arrow::compute::filter_record_batch(&all, &mask).unwrap();
        world.parquet(&format!("t/{name}.parquet"), &part, 2);
    }
    let mut stored = world.register("t", "t", &all).await;
    let mut table = (*stored.table).clone();
    table.group_column = Some("user".to_owned());
    table.time_column = Some("ts".to_owned());
    table.groups = groups;
    table.rows = Some(12);
    stored.table = Arc::new(table);
    world.tables.put(stored);
}

fn query_of(dataset: &Dataset, query: &Value) -> Query {
    let validation = validate(query, Some(dataset));
    validation.query.unwrap_or_else(|| panic!("{:?}", validation.findings))
}

fn table_scan(world: &World, query: &Value) -> (FunnelScan, Query) {
    let stored = world.tables.stored("t");
    let query = query_of(&dataset_of(&stored.table).unwrap(), query);
    let scan = FunnelScan {
        table: stored.table,
        parts: stored.parts.to_vec(),
        query: query.expanded().clone(),
        export: None,
    };
    (scan, query)
}

fn relation(name: &str, query: &Value) -> FunnelRelation {
    FunnelRelation {
        name: name.to_owned(),
        group: "user".to_owned(),
        time: "ts".to_owned(),
        query: query.clone(),
        export: None,
    }
}

fn shown(query: &Query, partial: &Partial) -> Value {
    result(query, partial)
}

#[tokio::test]
async fn the_worked_example_holds_however_groups_lie() {
    for groups in [Groups::Contained, Groups::Split] {
        let world = world(groups).await;
        let (scan, query) = table_scan(&world, &example());
        let found = world.session().run_funnel(scan).await.unwrap();
        assert_eq!(shown(&query, &found.partial), example_result(), "{groups:?}");
        assert_eq!(found.redistributed, groups == Groups::Split);
        assert_eq!(found.partial.scanned_rows(), 12);
        assert_eq!(found.pinned.len(), 1);
        assert_eq!((found.files_total, found.files_pruned), (2, 0));
        assert_eq!((found.row_groups_total, found.row_groups_pruned), (6, 0));
        assert_eq!(found.columns, ["user", "ts", "event", "price"]);
        assert!(found.bytes_read > 0);
    }
}

#[tokio::test]
async fn views_files_and_tables_by_name_are_relations() {
    let world = world(Groups::Split).await;
    world.view("v", "SELECT * FROM t WHERE true UNION ALL SELECT * FROM t WHERE ts < 0");
    let (_, query) = table_scan(&world, &example());
    for name in ["t", "main.t", "v", "t/*.parquet", "t/"] {
        let found = world
            .session()
            .run_funnel(relation(name, query.expanded()))
            .await
            .unwrap();
        assert_eq!(shown(&query, &found.partial), example_result(), "{name}");
        assert!(found.redistributed, "{name}");
    }
}

#[tokio::test]
async fn one_part_of_contained_groups_is_a_task() {
    let world = world(Groups::Contained).await;
    let (scan, query) = table_scan(&world, &example());
    let mut merged = Partial::empty(&query);
    for part in &scan.parts {
        let one = FunnelScan {
            parts: vec![part.clone()],
            ..scan.clone()
        };
        merged
            .merge(world.session().run_funnel(one).await.unwrap().partial)
            .unwrap();
    }
    assert_eq!(shown(&query, &merged), example_result());
}

#[tokio::test]
async fn a_part_of_straddling_groups_is_no_task() {
    let world = world(Groups::Split).await;
    let (scan, _) = table_scan(&world, &example());
    let one = FunnelScan {
        parts: vec![scan.parts[0].clone()],
        ..scan.clone()
    };
    let error = world.session().run_funnel(one).await.unwrap_err();
    assert_eq!(error.fault(), crate::Fault::Internal);
}

#[tokio::test]
async fn the_timeframe_skips_row_groups_and_nothing_else() {
    for groups in [Groups::Contained, Groups::Split] {
        let world = world(groups).await;
        let query = json!({
            "timeframe": {"from": 15, "to": 25},
            "query": {"aggregations": [{"column": "event", "type": "countPerValue"}]},
        });
        let (scan, query) = table_scan(&world, &query);
        let found = world.session().run_funnel(scan).await.unwrap();
        let expected = json!({"query": {"matchingGroups": 3, "matchingGroupRows": 4, "aggregations": [
            {"column": "event", "type": "countPerValue", "top": 10, "value": {"cart": 2, "view": 1, "buy": 1}}]}});
        assert_eq!(shown(&query, &found.partial), expected);
        let late = json!({"timeframe": {"from": 30}});
        let (scan, query) = table_scan(&world, &late);
        let found = world.session().run_funnel(scan).await.unwrap();
        assert_eq!(found.partial.scanned_rows(), 1);
        assert_eq!(found.files_pruned, 1, "only one part has a row that late");
        assert_eq!(shown(&query, &found.partial)["query"]["matchingGroups"], 1);
    }
}

#[tokio::test]
async fn the_ids_of_groups_are_collected() {
    for groups in [Groups::Contained, Groups::Split] {
        let world = world(groups).await;
        let (mut scan, _) = table_scan(&world, &example());
        scan.export = Some(GroupExport::Step(2));
        let mut found = world.session().run_funnel(scan.clone()).await.unwrap();
        let ids = found.partial.take_groups().unwrap();
        assert_eq!(ids.as_primitive::<arrow::datatypes::Int64Type>().values(), &[1, 4]);
        scan.export = Some(GroupExport::Step(9));
        assert_eq!(world.session().run_funnel(scan).await.unwrap_err().code(), "HW-F018");
    }
}

#[tokio::test]
async fn only_the_columns_of_the_query_are_read() {
    let world = world(Groups::Split).await;
    let (scan, _) = table_scan(
        &world,
        &json!({"query": {"conditions": [{"filter": ["event", "==", "buy"]}]}}),
    );
    let work = world.session().funnel_work_for_tests(scan.into());
    let (planned, _open) = work.plan_first().await.unwrap();
    let shown = displayable(planned.plan.as_ref()).indent(true).to_string();
    assert!(shown.contains("projection=[user, ts, event]"), "{shown}");
    assert!(shown.contains("Hash([user@0]"), "{shown}");
}

#[tokio::test]
async fn contained_parts_are_never_cut() {
    let world = world(Groups::Contained).await;
    let (scan, _) = table_scan(&world, &json!({"timeframe": {"from": 1}}));
    let work = world.session().funnel_work_for_tests(scan.into());
    let (planned, _open) = work.plan_first().await.unwrap();
    let shown = displayable(planned.plan.as_ref()).indent(true).to_string();
    assert!(!shown.contains("RepartitionExec"), "{shown}");
    assert!(shown.contains("file_groups={1 group: "), "{shown}");
    assert!(shown.contains("pruning_predicate="), "{shown}");
}

#[tokio::test]
async fn faults_of_data_and_query_are_told() {
    let world = world(Groups::Split).await;
    let (scan, _) = table_scan(&world, &example());
    let mut stale = scan.clone();
    stale.query = serde_json::from_str(&stale.query.to_string().replace("\"event\"", "\"evnt\"")).unwrap();
    let error = world.session().run_funnel(stale).await.unwrap_err();
    assert_eq!(
        (error.code(), error.fault()),
        ("HW-F019", crate::Fault::Input),
        "{}",
        told(&error)
    );
    assert_eq!(error.findings()[0].code, "HW-F003");

    let mut no_group = scan.clone();
    let mut table: Table = (*scan.table).clone();
    table.group_column = None;
    no_group.table = Arc::new(table);
    let error = world.session().run_funnel(no_group).await.unwrap_err();
    assert_eq!(error.code(), "HW-Q023");

    let relation = |name: &str| relation(name, &scan.query);
    assert_eq!(
        world.session().run_funnel(relation("tt")).await.unwrap_err().code(),
        "HW-Q006"
    );
    assert_eq!(
        world
            .session()
            .run_funnel(relation("no/x.parquet"))
            .await
            .unwrap_err()
            .code(),
        "HW-Q012"
    );

    world.view("nulls", "SELECT CAST(NULL AS BIGINT) AS user, ts, event, price FROM t");
    assert_eq!(
        world.session().run_funnel(relation("nulls")).await.unwrap_err().code(),
        "HW-F010"
    );
    world.view(
        "timeless",
        "SELECT user, CAST(NULL AS BIGINT) AS ts, event, price FROM t",
    );
    assert_eq!(
        world
            .session()
            .run_funnel(relation("timeless"))
            .await
            .unwrap_err()
            .code(),
        "HW-F011"
    );
    let mut framed = relation("timeless");
    framed.query["timeframe"] = json!({"from": 5});
    assert_eq!(world.session().run_funnel(framed).await.unwrap_err().code(), "HW-F011");

    std::fs::remove_file(world.path("t/b.parquet")).unwrap();
    assert_eq!(world.session().run_funnel(scan).await.unwrap_err().code(), "HW-Q015");
}

/// Many users, each with a few rows, in several parts.
async fn large(world: &World, rows: i64, groups: Groups) {
    let users = 100_000;
    for part in 0..4_i64 {
        let range = || (rows / 4 * part)..(rows / 4 * (part + 1));
        let events = ["view", "cart", "buy"];
        let columns: [(&str, ArrayRef); 3] = [
            (
                "user",
                Arc::new(Int64Array::from_iter_values(range().map(|row| row * 7919 % users))),
            ),
            ("ts", Arc::new(Int64Array::from_iter_values(range()))),
            (
                "event",
                Arc::new(StringArray::from_iter_values(
                    range().map(|row| events[(row % 3) as usize]),
                )),
            ),
        ];
        world.parquet(
            &format!("big/{part}.parquet"),
            &RecordBatch::try_from_iter(columns).unwrap(),
            20_000,
        );
    }
    let empty = RecordBatch::new_empty(Arc::new(arrow_schema::Schema::new(vec![
        arrow_schema::Field::new("user", DataType::Int64, false),
        arrow_schema::Field::new("ts", DataType::Int64, false),
        arrow_schema::Field::new("event", DataType::Utf8, false),
    ])));
    let mut stored = world.register("t", "big", &empty).await;
    let mut table = (*stored.table).clone();
    table.group_column = Some("user".to_owned());
    table.time_column = Some("ts".to_owned());
    table.groups = groups;
    table.rows = Some(rows as u64);
    stored.table = Arc::new(table);
    world.tables.put(stored);
}

fn two_steps() -> Value {
    json!({"funnel": {"sequence": [{"filter": ["event", "==", "view"]}, {"filter": ["event", "==", "buy"]}]}})
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rows_that_wait_for_their_turn_are_spilled() {
    let rows = 200_000;
    let roomy = World::new();
    large(&roomy, rows, Groups::Split).await;
    let (scan, query) = table_scan(&roomy, &two_steps());
    let expected = roomy.session().run_funnel(scan).await.unwrap().partial;
    assert_eq!(expected.scanned_rows(), rows as u64);

    let tight = World::with(|config| {
        config.memory_limit = 6 << 20;
        config.spill_limit = 1 << 30;
    });
    large(&tight, rows, Groups::Split).await;
    let (scan, _) = table_scan(&tight, &two_steps());
    let run = tight.session().start_funnel(scan).unwrap();
    let watching = tight.engine.clone();
    let watch = tokio::spawn(async move {
        let mut most = 0;
        loop {
            most = most.max(watching.memory().spilled);
            if most > 0 {
                return most;
            }
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    });
    let found = run.finish().await.unwrap();
    assert_eq!(shown(&query, &found.partial), shown(&query, &expected));
    let spilled = tokio::time::timeout(Duration::from_secs(1), watch)
        .await
        .expect("something was spilled")
        .unwrap();
    assert!(spilled > 0);
    assert_eq!(tight.engine.memory().reserved, 0);
}

/// The rows take some ten times the limit, and the numbers of partitions that follow from it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rows_of_ten_times_the_limit_are_matched() {
    for groups in [Groups::Contained, Groups::Split] {
        let rows = 1_000_000;
        let roomy = World::new();
        large(&roomy, rows, groups).await;
        let (scan, query) = table_scan(&roomy, &two_steps());
        let expected = roomy.session().run_funnel(scan).await.unwrap().partial;
        let tight = World::with(|config| {
            config.memory_limit = 3 << 20;
            config.spill_limit = 1 << 30;
        });
        large(&tight, rows, groups).await;
        let (scan, _) = table_scan(&tight, &two_steps());
        let found = tight.session().run_funnel(scan).await.unwrap();
        assert_eq!(shown(&query, &found.partial), shown(&query, &expected));
    }
}

#[tokio::test]
async fn a_group_set_beyond_the_memory_is_refused() {
    let world = World::with(|config| {
        config.memory_limit = 2 << 20;
        config.spill_limit = 0;
    });
    large(&world, 400_000, Groups::Split).await;
    let (scan, _) = table_scan(&world, &two_steps());
    let error = world.session().run_funnel(scan).await.unwrap_err();
    assert_eq!(error.code(), "HW-Q017", "{error}");
    for _ in 0..100 {
        if world.engine.memory().reserved == 0 {
            return;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("still held: {:?}", world.engine.memory());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_run_is_cancelled_by_its_handle_and_by_dropping_it() {
    let world = World::new();
    large(&world, 400_000, Groups::Split).await;
    let (scan, _) = table_scan(&world, &two_steps());
    let run = world.session().start_funnel(scan.clone()).unwrap();
    run.canceller().cancel();
    assert_eq!(run.finish().await.unwrap_err().code(), "HW-Q019");
    drop(world.session().start_funnel(scan).unwrap());
    for _ in 0..200 {
        if world.engine.memory().reserved == 0 {
            return;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("still held: {:?}", world.engine.memory());
}

#[tokio::test]
async fn the_operator_survives_the_wire() {
    for groups in [Groups::Contained, Groups::Split] {
        let world = world(groups).await;
        let (mut scan, query) = table_scan(&world, &example());
        scan.export = Some(GroupExport::Last);
        let work = world.session().funnel_work_for_tests(scan.into());
        let (planned, _open) = work.plan_first().await.unwrap();
        let codec = FunnelCodec::default();
        let bytes = physical_plan_to_bytes_with_extension_codec(Arc::clone(&planned.plan), &codec).unwrap();
        let decoded = physical_plan_from_bytes_with_extension_codec(&bytes, &planned.context, &codec).unwrap();
        let shown_of = |plan: &Arc<dyn datafusion::physical_plan::ExecutionPlan>| {
            displayable(plan.as_ref()).indent(false).to_string()
        };
        assert_eq!(shown_of(&decoded), shown_of(&planned.plan));
        let mut from_wire = Partial::empty(&query);
        let batches = datafusion::physical_plan::collect(decoded, Arc::clone(&planned.context))
            .await
            .unwrap();
        for batch in &batches {
            output::merge_into(&mut from_wire, batch).unwrap();
        }
        let mut here = Partial::empty(&query);
        for batch in datafusion::physical_plan::collect(planned.plan, planned.context)
            .await
            .unwrap()
        {
            output::merge_into(&mut here, &batch).unwrap();
        }
        assert_eq!(from_wire, here);
        assert!(from_wire.scanned_rows() > 0);
    }
}

#[tokio::test]
async fn documents_of_other_versions_are_refused() {
    let world = world(Groups::Contained).await;
    let (scan, _) = table_scan(&world, &example());
    let dataset = dataset_of(&world.tables.stored("t").table).unwrap();
    let options = spec::Options {
        redistribute: true,
        matchers_max: 3,
        room: 1 << 20,
        export: None,
    };
    let spec = spec::FunnelSpec::new(&scan.query, &dataset, options).unwrap();
    let mut document = spec.to_json();
    assert_eq!(
        spec::FunnelSpec::from_json(document.to_string().as_bytes()).unwrap(),
        spec
    );
    document["version"] = json!(2);
    let error = spec::FunnelSpec::from_json(document.to_string().as_bytes()).unwrap_err();
    assert_eq!(
        error.to_string(),
        "the document of a funnel operator has version 2, expected is 1"
    );
    assert!(spec::FunnelSpec::from_json(b"{}").is_err());
}

#[test]
fn the_condition_of_a_timeframe_never_lets_less_pass() {
    use arrow_schema::TimeUnit;
    use hw_funnel::{TimeBounds, TimeValue};
    let int = |value| Some(TimeValue::Int(value));
    let told = |data_type: &DataType, from, to| {
        timeframe::condition("ts", data_type, TimeBounds { from, to }).map(|condition| condition.to_string())
    };
    let expect = |text: &str| Some(text.to_owned());
    assert_eq!(told(&DataType::Int64, None, None), None);
    assert_eq!(
        told(&DataType::Int64, int(1), int(9)),
        expect("ts IS NULL OR ts >= Int64(1) AND ts < Int64(9)")
    );
    assert_eq!(told(&DataType::Int8, int(-1_000), int(1_000)), None);
    assert_eq!(
        told(&DataType::Int8, int(1_000), None),
        expect("ts IS NULL OR Boolean(false)")
    );
    assert_eq!(
        told(&DataType::UInt8, None, int(-1)),
        expect("ts IS NULL OR Boolean(false)")
    );
    assert_eq!(
        told(&DataType::Float64, int(1), int(9)),
        expect("ts IS NULL OR ts >= Float64(1) AND ts <= Float64(9)")
    );
    assert_eq!(
        told(&DataType::Date32, int(5), None),
        expect("ts IS NULL OR ts >= Date32(\"1970-01-06\")")
    );
    let zoned = DataType::Timestamp(TimeUnit::Second, Some("UTC".into()));
    assert_eq!(
        told(&zoned, int(5), None),
        expect("ts IS NULL OR ts >= TimestampSecond(5, Some(\"UTC\"))")
    );
    assert_eq!(told(&DataType::Int64, Some(TimeValue::Float(0.5)), None), None);
}

#[tokio::test]
async fn a_part_larger_than_the_memory_is_distributed_too() {
    let world = World::with(|config| config.memory_limit = 1 << 20);
    register(&world, Groups::Contained).await;
    let (mut scan, query) = table_scan(&world, &example());
    scan.parts[0].rows = Some(10_000_000);
    let explained = world.session().explain_funnel(scan.clone(), false).await.unwrap();
    let plan = explained["plan"]["text"].as_str().unwrap();
    assert!(plan.contains("RepartitionExec"), "{plan}");
    let found = world.session().run_funnel(scan).await.unwrap();
    assert_eq!(shown(&query, &found.partial), example_result());
    assert!(!found.redistributed);
}
