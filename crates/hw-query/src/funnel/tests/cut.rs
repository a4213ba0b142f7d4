//! Parts cut between row groups: only where no group is on both sides, and noticed where footers are wrong about that.

use std::fs::File;
use std::sync::Arc;

use arrow_array::{ArrayRef, Int64Array, RecordBatch, StringArray};
use hw_catalog::Groups;
use parquet::arrow::ArrowWriter;
use parquet::file::metadata::{ColumnChunkMetaData, ParquetMetaData, ParquetMetaDataReader, ParquetMetaDataWriter};
use parquet::file::properties::WriterProperties;
use parquet::file::statistics::Statistics;
use serde_json::{Value, json};

use super::{FunnelScan, dataset_of, query_of, shown, two_steps};
use crate::testing::World;

/// Rows of user and time; users as texts or numbers.
fn batch(rows: &[(i64, i64)], texts: bool) -> RecordBatch {
    let events = ["view", "cart", "buy"];
    let users = rows.iter().map(|row| row.0);
    let users: ArrayRef = match texts {
        true => Arc::new(StringArray::from_iter_values(
            users.map(|user| format!("user {user:03}")),
        )),
        false => Arc::new(Int64Array::from_iter_values(users)),
    };
    let columns: [(&str, ArrayRef); 3] = [
        ("user", users),
        (
            "ts",
            Arc::new(Int64Array::from_iter_values(rows.iter().map(|row| row.1))),
        ),
        (
            "event",
            Arc::new(StringArray::from_iter_values(
                rows.iter().map(|row| events[((row.0 + row.1) % 3) as usize]),
            )),
        ),
    ];
    RecordBatch::try_from_iter(columns).unwrap()
}

/// A table of parts whose row groups have these rows.
async fn world(parts: &[Vec<Vec<(i64, i64)>>], groups: Groups, texts: bool) -> World {
    let world = World::new();
    std::fs::create_dir_all(world.path("t")).unwrap();
    for (number, row_groups) in parts.iter().enumerate() {
        let path = world.path(&format!("t/{number}.parquet"));
        let schema = batch(&[], texts).schema();
        let properties = WriterProperties::builder().build();
        let mut writer = ArrowWriter::try_new(File::create(path).unwrap(), schema, Some(properties)).unwrap();
        for rows in row_groups {
            writer.write(&batch(rows, texts)).unwrap();
            writer.flush().unwrap();
        }
        writer.close().unwrap();
    }
    register(&world, groups, texts).await;
    world
}

async fn register(world: &World, groups: Groups, texts: bool) {
    let mut stored = world.register("t", "t", &batch(&[], texts)).await;
    let mut table = (*stored.table).clone();
    table.group_column = Some("user".to_owned());
    table.time_column = Some("ts".to_owned());
    table.groups = groups;
    stored.table = Arc::new(table);
    world.tables.put(stored);
}

/// Matchers, those put together again, and the answer, which is that of the plan.
async fn matched(world: &World, query: &Value) -> (u64, u64, Value) {
    let stored = world.tables.stored("t");
    let query = query_of(&dataset_of(&stored.table).unwrap(), query);
    let scan = FunnelScan {
        table: stored.table,
        parts: stored.parts.to_vec(),
        query: query.expanded().clone(),
        export: None,
    };
    let explained = world.session().explain_funnel(scan.clone(), true).await.unwrap();
    let run = |member: &str| explained["analysis"][member].as_u64().unwrap();
    let found = world.session().run_funnel(scan).await.unwrap();
    let answer = shown(&query, &found.partial);
    world.view("v", "SELECT * FROM t");
    let by_plan = super::relation("v", query.expanded());
    let by_plan = world.session().run_funnel(by_plan).await.unwrap();
    assert_eq!(answer, shown(&query, &by_plan.partial));
    assert_eq!(world.engine.memory().reserved, 0);
    (run("matchers"), run("rejoined"), answer)
}

/// Users `users`, each with eight rows in order of time.
fn rows(users: std::ops::Range<i64>) -> Vec<(i64, i64)> {
    users
        .flat_map(|user| (0..8).map(move |time| (user, time * 7 % 8)))
        .collect()
}

fn every_query() -> [Value; 3] {
    let mut times = two_steps();
    times["funnel"]["stepTimes"] = json!(true);
    times["query"] = json!({"aggregations": [{"column": "event"}]});
    let mut frame = two_steps();
    frame["timeframe"] = json!({"from": 3});
    [two_steps(), times, frame]
}

#[tokio::test]
async fn a_part_is_cut_where_no_group_is_on_both_sides() {
    for texts in [false, true] {
        let row_groups = vec![rows(0..3), rows(3..5), rows(5..9), rows(9..10)];
        let world = world(&[row_groups], Groups::Contained, texts).await;
        for query in every_query() {
            let (matchers, rejoined, _) = matched(&world, &query).await;
            assert_eq!((matchers, rejoined), (2, 0), "{texts} {query}");
        }
    }
}

#[tokio::test]
async fn a_group_in_two_row_groups_keeps_them_together() {
    let mut first = rows(0..5);
    let second = [first.split_off(37), rows(5..10)].concat();
    let world = world(&[vec![first, second]], Groups::Contained, false).await;
    assert_eq!(matched(&world, &two_steps()).await.0, 1);
    let spread: Vec<_> = (0..3).map(|_| rows(0..5)).collect();
    let world = self::world(&[spread], Groups::Contained, false).await;
    assert_eq!(matched(&world, &two_steps()).await.0, 1);
}

#[tokio::test]
async fn small_parts_and_many_parts_are_not_cut() {
    let small = world(&[vec![rows(0..1), rows(1..2)]], Groups::Contained, false).await;
    assert_eq!(matched(&small, &two_steps()).await.0, 1);
    let part = |start: i64| vec![rows(start..start + 5), rows(start + 5..start + 10)];
    let many = world(&[part(0), part(10)], Groups::Contained, false).await;
    assert_eq!(matched(&many, &two_steps()).await.0, 2);
}

#[tokio::test]
async fn straddling_parts_are_cut_across() {
    // Users 0 to 4 and 5 to 9 are in two parts each.
    let half =
        |rows: Vec<(i64, i64)>, which: i64| rows.into_iter().filter(|row| row.1 % 2 == which).collect::<Vec<_>>();
    let part = |which: i64| vec![half(rows(0..5), which), half(rows(5..10), which)];
    let world = world(&[part(0), part(1)], Groups::Split, false).await;
    for query in every_query() {
        let (matchers, rejoined, _) = matched(&world, &query).await;
        assert_eq!((matchers, rejoined), (2, 0), "{query}");
    }
}

/// Writes the footer of a part anew, with the group column of each row group said to lie in a range of its own.
fn lie(path: &std::path::Path) {
    let file = File::open(path).unwrap();
    let metadata = ParquetMetaDataReader::new().parse_and_finish(&file).unwrap();
    let size = std::fs::metadata(path).unwrap().len();
    let bytes = std::fs::read(path).unwrap();
    let length = u32::from_le_bytes(bytes[bytes.len() - 8..bytes.len() - 4].try_into().unwrap());
    let end = usize::try_from(size).unwrap() - 8 - length as usize;
    let mut out = bytes[..end].to_vec();
    ParquetMetaDataWriter::new(&mut out, &lying(&metadata))
        .finish()
        .unwrap();
    std::fs::write(path, out).unwrap();
}

fn lying(metadata: &ParquetMetaData) -> ParquetMetaData {
    let mut builder = metadata.clone().into_builder();
    let row_groups = builder.take_row_groups().into_iter().enumerate();
    let row_groups = row_groups.map(|(number, row_group)| {
        let range = i64::try_from(number * 100).unwrap();
        let user = |chunk: &ColumnChunkMetaData| {
            let range = Statistics::int64(Some(range), Some(range + 99), None, Some(0), false);
            let chunk = chunk.clone().into_builder().set_statistics(range);
            // The places of page indexes are no longer theirs.
            chunk.build().unwrap()
        };
        let columns = row_group.columns().iter().enumerate();
        let columns = columns.map(|(place, chunk)| if place == 0 { user(chunk) } else { chunk.clone() });
        let columns: Vec<ColumnChunkMetaData> = columns.collect();
        row_group.into_builder().set_column_metadata(columns).build().unwrap()
    });
    builder.set_row_groups(row_groups.collect()).build()
}

#[tokio::test]
async fn footers_that_lie_are_noticed() {
    let all = || vec![rows(0..5), rows(0..5), rows(2..6)];
    for (parts, groups) in [(vec![all()], Groups::Contained), (vec![all(), all()], Groups::Split)] {
        let count = parts.len();
        let world = world(&parts, groups, false).await;
        for part in 0..count {
            lie(&world.path(&format!("t/{part}.parquet")));
        }
        register(&world, groups, false).await;
        for query in every_query() {
            let (matchers, rejoined, answer) = matched(&world, &query).await;
            assert_eq!((matchers, rejoined), (2, 1), "{query}");
            assert_eq!(answer["query"]["matchingGroups"], 6);
        }
    }
}

#[tokio::test]
async fn an_order_recorded_wrongly_changes_no_answer() {
    let mut expected = None;
    for sorted_by in [vec![], vec!["user"], vec!["user", "ts"], vec!["ts"]] {
        // In no order at all, neither of users nor of times.
        let scattered: Vec<(i64, i64)> = (0..80).map(|row| (row * 7 % 10, row * 13 % 11)).collect();
        let row_groups: Vec<_> = scattered.chunks(30).map(<[_]>::to_vec).collect();
        for (parts, groups) in [
            (vec![row_groups.clone()], Groups::Contained),
            (row_groups.into_iter().map(|rows| vec![rows]).collect(), Groups::Split),
        ] {
            let world = world(&parts, groups, false).await;
            let mut stored = world.tables.stored("t");
            let mut table = (*stored.table).clone();
            table.sorted_by = sorted_by.iter().map(|column| (*column).to_owned()).collect();
            stored.table = Arc::new(table);
            world.tables.put(stored);
            for (query, place) in every_query().iter().zip(0..) {
                let (_, _, answer) = matched(&world, query).await;
                let expected = expected.get_or_insert_with(Vec::new);
                if expected.len() == place {
                    expected.push(answer.clone());
                }
                assert_eq!(answer, expected[place], "{sorted_by:?} {groups:?} {query}");
            }
            let explained = explained(&world).await;
            assert_eq!(explained["analysis"]["restarted"], 1, "the disorder is detected");
        }
    }
}

async fn explained(world: &World) -> Value {
    let stored = world.tables.stored("t");
    let query = query_of(&dataset_of(&stored.table).unwrap(), &two_steps());
    let scan = FunnelScan {
        table: stored.table,
        parts: stored.parts.to_vec(),
        query: query.expanded().clone(),
        export: None,
    };
    world.session().explain_funnel(scan, true).await.unwrap()
}
