#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]
use std::sync::Arc;
use std::time::Duration;

use arrow_array::types::Int32Type;
use arrow_array::{
    Array, ArrayRef, DictionaryArray, Float64Array, Int64Array, RecordBatch, StringArray, TimestampMillisecondArray,
};
use datafusion::execution::memory_pool::{MemoryConsumer, MemoryPool, UnboundedMemoryPool};
use hw_catalog::Groups;
use hw_funnel::Partial;
use serde_json::{Value, json};

use super::order::{Order, ordered};
use super::*;
use crate::FunnelScan;
use crate::testing::World;

const PARTS: i64 = 3;

/// Rows of users 0 to 39: ties, rows out of order of time, nulls and NaN.
fn rows(numbers: &[i64]) -> RecordBatch {
    let pick = |row: &i64, count: i64| usize::try_from(row * row % 31 % count).unwrap();
    let events = ["view", "cart", "buy", "search", "home"];
    let devices = [None, Some("phone"), Some("tablet")];
    let prices = [None, Some(1.5), Some(f64::NAN), Some(-0.0), Some(40.0)];
    let columns: [(&str, ArrayRef); 6] = [
        (
            "user",
            Arc::new(Int64Array::from_iter_values(numbers.iter().map(|row| user(*row)))),
        ),
        (
            "ts",
            Arc::new(TimestampMillisecondArray::from_iter_values(
                numbers.iter().map(|row| 1_700_000_000_000 + row * 37 % 101 * 1_000),
            )),
        ),
        (
            "event",
            Arc::new(StringArray::from_iter_values(
                numbers.iter().map(|row| events[pick(row, 5)]),
            )),
        ),
        (
            "device",
            Arc::new(
                numbers
                    .iter()
                    .map(|row| devices[pick(row, 3)])
                    .collect::<DictionaryArray<Int32Type>>(),
            ),
        ),
        (
            "price",
            Arc::new(Float64Array::from_iter(numbers.iter().map(|row| prices[pick(row, 5)]))),
        ),
        (
            "item",
            Arc::new(Int64Array::from_iter(
                numbers.iter().map(|row| (row % 6 > 0).then_some(row % 300)),
            )),
        ),
    ];
    RecordBatch::try_from_iter(columns).unwrap()
}

fn user(row: i64) -> i64 {
    row * 7 % 53 % 40
}

async fn world(groups: Groups, hot_limit: u64) -> World {
    let world = World::with(|config| config.hot_limit = hot_limit);
    for part in 0..PARTS {
        let belongs = |row: &i64| match groups {
            Groups::Contained => user(*row) % PARTS == part,
            Groups::Split => row % PARTS == part,
        };
        let numbers: Vec<i64> = (0..900).filter(belongs).collect();
        world.parquet(&format!("t/{part}.parquet"), &rows(&numbers), 70);
    }
    let mut stored = world.register("t", "t", &rows(&[0])).await;
    let mut table = (*stored.table).clone();
    table.group_column = Some("user".to_owned());
    table.time_column = Some("ts".to_owned());
    table.groups = groups;
    stored.table = Arc::new(table);
    world.tables.put(stored);
    world
}

fn queries() -> Vec<Value> {
    let step = |event: &str| json!({"filter": ["event", "==", event]});
    let steps = json!([step("view"), step("cart"), step("buy")]);
    vec![
        json!({"query": {"conditions": [step("buy")]}}),
        json!({"query": {"conditions": [{"filter": ["item", ">", 20], "target": ["count", ">=", 9]},
            {"filter": ["price", ">", 1], "target": ["sum", "item", ">", 300]}], "relation": "$0 or $1"}}),
        json!({"funnel": {"sequence": steps}}),
        json!({"funnel": {"sequence": steps, "maxDuration": "20s", "stepTimes": true}, "compare": true}),
        json!({"funnel": {"sequence": steps, "breakdown": {"column": "device", "by": "pair"}}}),
        json!({"funnel": {"sequence": steps, "breakdown": {"column": "item", "by": "first", "top": 4}}}),
        json!({"timeframe": {"from": 1_700_000_020_000_i64, "to": 1_700_000_080_000_i64}, "funnel": {"sequence": steps,
            "stepAggregations": [{"column": "price", "type": "countPerValue"}, {"column": "item", "type": "sum"}],
            "endAggregations": [{"column": "device", "type": "groupsPerValue"},
                {"column": "event", "type": "countPerValue", "top": 10}]}}),
    ]
}

async fn answer(world: &World, query: &Value) -> Partial {
    let stored = world.tables.stored("t");
    let scan = FunnelScan {
        table: stored.table,
        parts: stored.parts.to_vec(),
        query: query.clone(),
        export: None,
    };
    world.session().run_funnel(scan).await.unwrap().partial
}

/// Until the parts are held with these columns at the latest.
fn wait(what: &str, ready: impl Fn() -> bool) {
    for _ in 0..10_000 {
        if ready() {
            return;
        }
        std::thread::sleep(Duration::from_millis(2));
    }
    panic!("{what}");
}

async fn check(groups: Groups) {
    for query in queries() {
        let world = world(groups, 1 << 20).await;
        let first = answer(&world, &query).await;
        assert_eq!(answer(&world, &query).await, first);
        wait("parts are taken in", || world.engine.hot().parts == PARTS as u64);
        let misses = world.engine.hot().misses;
        assert_eq!(answer(&world, &query).await, first, "{groups:?} {query}");
        let used = world.engine.hot();
        assert_eq!((used.hits, used.misses), (PARTS as u64, misses), "{query}");
    }
}

#[tokio::test]
async fn what_is_held_answers_like_the_files() {
    check(Groups::Contained).await;
    check(Groups::Split).await;
}

#[tokio::test]
async fn what_is_held_is_told_in_the_explanation() {
    let world = world(Groups::Contained, 1 << 20).await;
    let query = &queries()[2];
    let held = async || {
        let stored = world.tables.stored("t");
        let scan = FunnelScan {
            table: stored.table,
            parts: stored.parts.to_vec(),
            query: query.clone(),
            export: None,
        };
        let told = world.session().explain_funnel(scan, true).await.unwrap();
        (
            told["memory"]["held"].clone(),
            told["columns"][0]["read"]["row_groups"].clone(),
        )
    };
    assert_eq!(held().await, (Value::Null, json!(18)));
    answer(&world, query).await;
    wait("parts are taken in", || world.engine.hot().parts == PARTS as u64);
    assert_eq!(held().await, (json!(PARTS), json!(0)));
}

#[tokio::test]
async fn what_is_held_is_no_less_needed_and_told_apart() {
    let world = world(Groups::Contained, 1 << 20).await;
    let found = async |query: &Value| {
        let stored = world.tables.stored("t");
        let scan = FunnelScan {
            table: stored.table,
            parts: stored.parts.to_vec(),
            query: query.clone(),
            export: None,
        };
        let found = world.session().run_funnel(scan).await.unwrap();
        (
            (found.files_total, found.files_pruned, found.files_held),
            (found.row_groups_total, found.row_groups_pruned),
        )
    };
    let query = &queries()[2];
    assert_eq!(found(query).await, ((3, 0, 0), (15, 0)));
    found(query).await;
    wait("parts are taken in", || world.engine.hot().parts == PARTS as u64);
    assert_eq!(found(query).await, ((3, 0, 3), (15, 0)));
    let mut early = query.clone();
    early["timeframe"] = json!({"to": 1});
    assert_eq!(found(&early).await, ((3, 3, 0), (15, 15)));
}

#[tokio::test]
async fn columns_join_those_that_are_held() {
    let world = world(Groups::Contained, 1 << 20).await;
    let hits_after = async |query: &Value| {
        let before = world.engine.hot().hits;
        let expected = answer(&self::world(Groups::Contained, 0).await, query).await;
        for _ in 0..200 {
            assert_eq!(answer(&world, query).await, expected);
            if world.engine.hot().hits >= before + PARTS as u64 {
                return;
            }
            std::thread::sleep(Duration::from_millis(5));
        }
        panic!("never held: {query}");
    };
    let queries = queries();
    for query in queries.iter().chain(&queries) {
        hits_after(query).await;
    }
    assert_eq!(world.engine.hot().parts, PARTS as u64);
}

#[tokio::test]
async fn a_part_that_changed_or_vanished_is_told_however_well_it_was_known() {
    for limit in [0, 1 << 20] {
        check_change(limit, |world| drop(world.parquet("t/0.parquet", &rows(&[]), 10))).await;
        check_change(limit, |world| std::fs::remove_file(world.path("t/0.parquet")).unwrap()).await;
    }
}

async fn check_change(hot_limit: u64, change: impl Fn(&World)) {
    let world = world(Groups::Contained, hot_limit).await;
    let query = &queries()[2];
    answer(&world, query).await;
    answer(&world, query).await;
    wait("parts are taken in", || {
        hot_limit == 0 || world.engine.hot().parts == PARTS as u64
    });
    std::thread::sleep(Duration::from_millis(20));
    change(&world);
    let stored = world.tables.stored("t");
    let scan = FunnelScan {
        table: stored.table,
        parts: stored.parts.to_vec(),
        query: query.clone(),
        export: None,
    };
    let told = world.session().run_funnel(scan).await.unwrap_err();
    assert_eq!(told.code(), "HW-Q015", "{told}");
}

#[tokio::test]
async fn the_limit_is_kept_and_queries_come_first() {
    let world = world(Groups::Contained, 40_000).await;
    let query = &queries()[2];
    for _ in 0..4 {
        answer(&world, query).await;
        std::thread::sleep(Duration::from_millis(20));
        assert!(world.engine.hot().bytes <= 40_000, "{:?}", world.engine.hot());
    }
    wait("some part is taken in", || world.engine.hot().parts > 0);
    let held = world.engine.hot();
    assert_eq!(world.engine.memory().reserved, held.bytes);
    // All of the pool: what is held has to go.
    let all = world.engine.reserve("test", world.engine.memory().limit).unwrap();
    let used = world.engine.hot();
    assert_eq!(
        (used.parts, used.bytes, used.evictions),
        (0, 0, held.evictions + held.parts)
    );
    drop(all);
    assert_eq!(world.engine.memory().reserved, 0);
}

fn key(path: &str) -> HotKey {
    let part = Part {
        path: path.to_owned(),
        bytes: 1,
        rows: None,
        etag: None,
        modified_at: 0,
    };
    HotKey::new("file:///t/", &part, "user", "ts")
}

/// A part of 100 rows and 800 bytes.
fn held() -> HotPart {
    let array: ArrayRef = Arc::new(Int64Array::from_iter_values(0..100));
    HotPart {
        rows: 100,
        of_groups: Arc::default(),
        columns: [("user".to_owned(), column(array))].into(),
    }
}

#[test]
fn a_part_replaces_what_was_not_used_since_it_was_used_before() {
    let size = held().bytes() as u64;
    let hot = HotParts::new(size * 2, Buffers::new(0));
    let pool: Arc<dyn MemoryPool> = Arc::new(UnboundedMemoryPool::default());
    let is_held = |path: &str| hot.find(&key(path), &["user"]).is_some();
    let keep = |path: &str, before: u64| {
        hot.keep(key(path), held(), before, MemoryConsumer::new(CONSUMER).register(&pool));
    };
    let now = || hot.kept().now;
    keep("a", 0);
    keep("b", 0);
    assert_eq!((hot.used().parts, pool.reserved() as u64), (2, size * 2));
    let before = now();
    assert!(is_held("a") && is_held("b"));
    keep("c", before);
    assert!(!is_held("c"), "both were used since");
    let before = now();
    assert!(is_held("a"));
    keep("c", before);
    assert!(is_held("a") && is_held("c") && !is_held("b"));
    assert_eq!(
        (hot.used().parts, pool.reserved() as u64, hot.used().evictions),
        (2, size * 2, 1)
    );
}

#[tokio::test]
async fn what_is_asked_for_in_turns_and_does_not_fit_is_not_taken_in_again_and_again() {
    let query = &queries()[2];
    let one = world(Groups::Contained, 1 << 20).await;
    answer(&one, query).await;
    answer(&one, query).await;
    wait("parts are taken in", || one.engine.hot().parts == PARTS as u64);
    // Two of the three fit.
    let limited = world(Groups::Contained, one.engine.hot().bytes * 5 / 6).await;
    answer(&limited, query).await;
    answer(&limited, query).await;
    wait("some parts are taken in", || limited.engine.hot().parts > 0);
    for _ in 0..5 {
        std::thread::sleep(Duration::from_millis(20));
        answer(&limited, query).await;
    }
    let used = limited.engine.hot();
    assert!(used.hits >= 5 && used.evictions == 0, "{used:?}");
}

#[test]
fn rows_stand_by_group_then_time_then_as_they_stood() {
    let group: ArrayRef = Arc::new(StringArray::from(vec!["b", "a", "b", "a", "b"]));
    let time: ArrayRef = Arc::new(TimestampMillisecondArray::from(vec![5, 7, 3, 2, 3]));
    let Ordered { groups, rows } = ordered(&group, &time).unwrap().unwrap();
    let Order::From(rows) = rows else {
        panic!("out of order")
    };
    assert_eq!(rows.values(), &[3, 1, 2, 4, 0]);
    let plain = arrow::compute::cast(&groups, group.data_type()).unwrap();
    let expected: ArrayRef = Arc::new(StringArray::from(vec!["a", "a", "b", "b", "b"]));
    assert_eq!(&plain, &expected);
    let again = ordered(&groups, &rows_of(&time, &rows)).unwrap().unwrap();
    assert!(matches!(again.rows, Order::AsStored));
}

fn rows_of(array: &ArrayRef, rows: &arrow_array::UInt32Array) -> ArrayRef {
    arrow::compute::take(array, rows, None).unwrap()
}

#[test]
fn what_has_no_order_is_not_held() {
    let ids: ArrayRef = Arc::new(Int64Array::from(vec![Some(1), None]));
    let whole: ArrayRef = Arc::new(Int64Array::from(vec![1, 2]));
    let texts: ArrayRef = Arc::new(StringArray::from(vec!["1", "2"]));
    assert!(ordered(&ids, &whole).unwrap().is_none(), "no group");
    assert!(ordered(&whole, &ids).unwrap().is_none(), "no time");
    assert!(ordered(&whole, &texts).unwrap().is_none(), "times as text");
    assert!(ordered(&whole, &whole).unwrap().is_some());
}

#[test]
fn the_rows_of_each_group_are_known() {
    let group: ArrayRef = Arc::new(Int64Array::from(vec![7, 3, 7, 9, 3, 7]));
    let time: ArrayRef = Arc::new(Int64Array::from(vec![1, 2, 3, 4, 5, 6]));
    let told = ordered(&group, &time).unwrap().unwrap();
    assert_eq!(*told.rows_of_groups(), [2, 3, 1]);
}
