#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use arrow::compute::cast;
use arrow::util::display::{ArrayFormatter, FormatOptions};
use arrow_array::{
    ArrayRef, BinaryArray, BooleanArray, Date32Array, Decimal128Array, Float64Array, Int32Array, Int64Array,
    RecordBatch, StringArray, UInt64Array,
};
use arrow_schema::DataType;
use expect_test::{Expect, expect};
use futures::StreamExt as _;

use super::bucket::buckets_of;
use super::{Regroup, RegroupInput, can_group};
use crate::QueryError;
use crate::testing::World;

fn check_buckets(values: ArrayRef, expected: &Expect) {
    let buckets = buckets_of(&values, 1000).unwrap();
    let told: Vec<String> = buckets.values().iter().map(u32::to_string).collect();
    expected.assert_eq(&told.join(" "));
}

/// These figures are a format: tables in use were made with them.
#[test]
fn the_bucket_of_an_id_never_changes() {
    let numbers = || Int64Array::from(vec![Some(0), Some(1), Some(2), Some(-1), Some(1 << 40), None]);
    check_buckets(Arc::new(numbers()), &expect!["883 566 591 893 124 0"]);
    let texts = || {
        StringArray::from(vec![
            Some(""),
            Some("a"),
            Some("ab"),
            Some("abcdefgh"),
            Some("abcdefghi"),
            None,
        ])
    };
    check_buckets(Arc::new(texts()), &expect!["763 651 392 235 967 0"]);
    check_buckets(
        Arc::new(BooleanArray::from(vec![Some(false), Some(true), None])),
        &expect!["883 566 0"],
    );
    let decimals = Decimal128Array::from(vec![Some(1), Some(-7), None]).with_precision_and_scale(10, 2);
    check_buckets(Arc::new(decimals.unwrap()), &expect!["990 917 0"]);
    check_buckets(
        Arc::new(UInt64Array::from(vec![0, 1, u64::MAX])),
        &expect!["883 566 893"],
    );
}

#[test]
fn an_id_has_one_bucket_however_it_is_stored() {
    let same = |values: ArrayRef, types: &[DataType]| {
        let expected = buckets_of(&values, 97).unwrap();
        for data_type in types {
            let stored = cast(&values, data_type).unwrap();
            assert_eq!(buckets_of(&stored, 97).unwrap(), expected, "{data_type}");
        }
    };
    let numbers: ArrayRef = Arc::new(Int64Array::from(vec![Some(5), None, Some(100), Some(0)]));
    let whole = [
        DataType::Int8,
        DataType::Int16,
        DataType::Int32,
        DataType::UInt8,
        DataType::UInt32,
        DataType::UInt64,
    ];
    same(numbers, &whole);
    let texts: ArrayRef = Arc::new(StringArray::from(vec![Some("user-5"), None, Some(""), Some("é")]));
    same(
        texts,
        &[
            DataType::LargeUtf8,
            DataType::Utf8View,
            DataType::Binary,
            DataType::BinaryView,
        ],
    );
}

#[test]
fn floats_and_lists_are_no_ids() {
    let list = DataType::new_list(DataType::Int64, true);
    for data_type in [DataType::Float64, DataType::Float32, DataType::Null, list] {
        assert!(!can_group(&data_type), "{data_type}");
    }
    assert!(buckets_of(&(Arc::new(Float64Array::from(vec![1.0])) as ArrayRef), 3).is_err());
}

/// Rows in an order that has nothing to do with groups and times; each group has rows in every part.
fn rows(ids: &ArrayRef, parts: usize) -> Vec<RecordBatch> {
    let count = ids.len();
    let picked = |part: usize| -> Vec<u32> { (0..count).map(|row| ((row * 7 + part) % count) as u32).collect() };
    (0..parts)
        .map(|part| {
            let ids = arrow::compute::take(ids, &arrow_array::UInt32Array::from(picked(part)), None).unwrap();
            let times = Int64Array::from_iter_values((0..count).map(|row| ((row * 31 + part * 17) % 1000) as i64));
            let numbers = Int32Array::from_iter_values((0..count).map(|row| (part * count + row) as i32));
            RecordBatch::try_from_iter_with_nullable([
                ("id", ids, true),
                ("ts", Arc::new(times) as ArrayRef, false),
                ("n", Arc::new(numbers) as ArrayRef, false),
            ])
            .unwrap()
        })
        .collect()
}

async fn regrouped(
    world: &World,
    batches: &[RecordBatch],
    buckets: u32,
) -> Result<Vec<Vec<(u32, RecordBatch)>>, QueryError> {
    for (part, batch) in batches.iter().enumerate() {
        world.parquet(&format!("t/part-{part}.parquet"), batch, 1000);
    }
    let stored = world.register("t", "t", &batches[0]).await;
    let regroup = Regroup {
        inputs: vec![RegroupInput {
            table: Arc::clone(&stored.table),
            parts: stored.parts.to_vec(),
        }],
        group: "id".to_owned(),
        time: "ts".to_owned(),
        buckets,
    };
    let run = world.session().start_regroup(regroup.clone()).await?;
    let reads = run.streams.into_iter().map(|stream| async move {
        let read: Vec<Result<(u32, RecordBatch), QueryError>> = stream.collect().await;
        read.into_iter().collect::<Result<Vec<_>, _>>()
    });
    let streams = futures::future::try_join_all(reads).await?;
    let seen: BTreeSet<u32> = streams.iter().flatten().map(|(bucket, _)| *bucket).collect();
    assert_eq!(world.session().buckets_of(regroup).await?, seen);
    Ok(streams)
}

/// Every row is there once, each group in one bucket, each bucket in one piece, its rows sorted.
fn check_regrouped(streams: &[Vec<(u32, RecordBatch)>], rows: usize) {
    let mut bucket_of_id: BTreeMap<String, u32> = BTreeMap::new();
    let mut stream_of_bucket: BTreeMap<u32, usize> = BTreeMap::new();
    let mut numbers = BTreeSet::new();
    let mut count = 0;
    for (place, stream) in streams.iter().enumerate() {
        assert!(
            stream.is_sorted_by_key(|(bucket, _)| *bucket),
            "buckets come one after the other"
        );
        let mut last: Option<(u32, String, i64)> = None;
        for (bucket, batch) in stream {
            assert_eq!(*stream_of_bucket.entry(*bucket).or_insert(place), place);
            let options = FormatOptions::default().with_null("NULL");
            let ids = ArrayFormatter::try_new(batch.column(0), &options).unwrap();
            let times = batch.column(1).as_any().downcast_ref::<Int64Array>().unwrap();
            let own = batch.column(2).as_any().downcast_ref::<Int32Array>().unwrap();
            for row in 0..batch.num_rows() {
                let (id, time) = (ids.value(row).to_string(), times.value(row));
                assert_eq!(*bucket_of_id.entry(id.clone()).or_insert(*bucket), *bucket, "{id}");
                if let Some((last_bucket, last_id, last_time)) = &last
                    && (last_bucket, last_id) == (bucket, &id)
                {
                    assert!(*last_time <= time, "{id}");
                }
                last = Some((*bucket, id, time));
                numbers.insert(own.value(row));
                count += 1;
            }
        }
    }
    assert_eq!((count, numbers.len()), (rows, rows));
    let mut groups: Vec<String> = Vec::new();
    for (_, batch) in streams.iter().flatten() {
        let options = FormatOptions::default().with_null("NULL");
        let ids = ArrayFormatter::try_new(batch.column(0), &options).unwrap();
        groups.extend((0..batch.num_rows()).map(|row| ids.value(row).to_string()));
    }
    groups.dedup();
    assert_eq!(groups.len(), bucket_of_id.len(), "the rows of a group stand together");
}

#[tokio::test]
async fn rows_of_every_kind_of_id_are_brought_together() {
    let numbers = || (0..600_i64).map(|row| (row % 40 != 0).then_some(row % 150));
    let plain: ArrayRef = Arc::new(Int64Array::from_iter(numbers()));
    let texts: ArrayRef = Arc::new(
        numbers()
            .map(|id| id.map(|id| format!("user {id}")))
            .collect::<StringArray>(),
    );
    let binaries: ArrayRef = Arc::new(BinaryArray::from_iter(
        numbers().map(|id| id.map(|id| id.to_le_bytes())),
    ));
    let dates: ArrayRef = Arc::new(numbers().map(|id| id.map(|id| id as i32)).collect::<Date32Array>());
    let truths: ArrayRef = Arc::new(numbers().map(|id| id.map(|id| id % 2 == 0)).collect::<BooleanArray>());
    let decimals = numbers().map(|id| id.map(i128::from)).collect::<Decimal128Array>();
    let decimals: ArrayRef = Arc::new(decimals.with_precision_and_scale(12, 3).unwrap());
    let dictionary = cast(
        &texts,
        &DataType::Dictionary(Box::new(DataType::Int16), Box::new(DataType::Utf8)),
    );
    let bytes: ArrayRef = cast(
        &(Arc::new(Int64Array::from_iter(numbers().map(|id| id.map(|id| id % 100)))) as ArrayRef),
        &DataType::Int8,
    )
    .unwrap();
    for ids in [
        plain,
        texts,
        binaries,
        dates,
        truths,
        decimals,
        dictionary.unwrap(),
        bytes,
    ] {
        let world = World::new();
        let streams = regrouped(&world, &rows(&ids, 3), 7).await.unwrap();
        check_regrouped(&streams, 1800);
    }
}

#[tokio::test]
async fn more_rows_than_the_pool_holds_are_spilled() {
    let world = World::with(|config| {
        config.memory_limit = 12 << 20;
        config.batch_size = 1024;
    });
    let texts: ArrayRef = Arc::new(StringArray::from_iter_values(
        (0..60_000).map(|row| format!("a user with a long name, number {:040}", row % 5_000)),
    ));
    let streams = regrouped(&world, &rows(&texts, 4), 16).await.unwrap();
    check_regrouped(&streams, 240_000);
    drop(streams);
    assert_eq!(world.engine.memory().reserved, 0);
}
