//! However a part is written, the way straight from its pages and the way over a plan give the same answer.

use std::fs::File;
use std::path::Path;
use std::sync::Arc;

use arrow_array::types::Int32Type;
use arrow_array::{
    Array, ArrayRef, BooleanArray, Date32Array, DictionaryArray, Float32Array, Float64Array, Int8Array, Int32Array,
    Int64Array, LargeStringArray, ListArray, RecordBatch, StringArray, TimestampMicrosecondArray, UInt64Array,
};
use hw_catalog::Groups;
use hw_funnel::{PartMatcher, Query};
use parquet::arrow::ArrowWriter;
use parquet::basic::{Compression, Encoding};
use parquet::file::properties::{EnabledStatistics, WriterProperties, WriterPropertiesBuilder, WriterVersion};
use parquet::schema::types::ColumnPath;
use serde_json::{Value, json};

use super::{FunnelRelation, FunnelScan, dataset_of, query_of, shown};
use crate::testing::World;

pub(super) const ROWS: i64 = 180;
pub(super) const PARTS: i64 = 3;

/// Texts that a sloppy reader or matcher would take for something else.
const NOTES: [Option<&str>; 8] = [
    None,
    Some(""),
    Some("back\\"),
    Some("it's"),
    Some("new\nline"),
    Some("\u{0}"),
    Some("日本 😀"),
    Some("\\' | (ts >= 0) #"),
];

/// The user of a row; some have more rows than others, so that conditions tell them apart.
pub(super) fn user(row: i64) -> i64 {
    row * row % 17 % 9
}

/// Row `row` of all; every column goes through its values with a period of its own, so that all of them meet.
pub(super) fn rows(rows: &[i64]) -> Vec<(&'static str, ArrayRef)> {
    let text = |values: &[Option<&'static str>], step: i64| -> Vec<Option<&'static str>> {
        let place = |row: &i64| usize::try_from(row * step).unwrap() % values.len();
        rows.iter().map(|row| values[place(row)]).collect()
    };
    let events = text(&[Some("view"), Some("cart"), None, Some("buy"), Some("view")], 7);
    let prices = [
        None,
        Some(-0.0),
        Some(0.1),
        Some(f64::NAN),
        Some(2.5),
        Some(1e300),
        Some(0.0),
    ];
    let large = [None, Some(u64::MAX), Some(0), Some(1 << 63)];
    let of = |row: &i64, count: usize| usize::try_from(*row).unwrap() % count;
    let start = 1_714_550_400_123_456;
    vec![
        (
            "user",
            Arc::new(Int64Array::from_iter_values(rows.iter().map(|row| user(*row)))),
        ),
        (
            "ts",
            Arc::new(
                // Ties within groups, and rows of a group out of order.
                TimestampMicrosecondArray::from_iter_values(rows.iter().map(|row| start + row * 31 % 97 / 2))
                    .with_timezone("Europe/Berlin"),
            ),
        ),
        ("event", Arc::new(StringArray::from(events.clone()))),
        (
            "coded",
            Arc::new(events.into_iter().collect::<DictionaryArray<Int32Type>>()),
        ),
        ("note", Arc::new(LargeStringArray::from(text(&NOTES, 3)))),
        (
            "price",
            Arc::new(Float64Array::from_iter(rows.iter().map(|row| prices[of(row, 7)]))),
        ),
        (
            "share",
            Arc::new(Float32Array::from_iter_values(
                rows.iter().map(|row| (row % 4) as f32 / 4.0),
            )),
        ),
        (
            "large",
            Arc::new(UInt64Array::from_iter(rows.iter().map(|row| large[of(row, 4)]))),
        ),
        (
            "small",
            Arc::new(Int8Array::from_iter(
                rows.iter().map(|row| (row % 6 > 0).then_some((row % 6) as i8 - 4)),
            )),
        ),
        (
            "count",
            Arc::new(Int32Array::from_iter_values(
                rows.iter().map(|row| (row * row % 11) as i32),
            )),
        ),
        (
            "flag",
            Arc::new(BooleanArray::from_iter(
                rows.iter().map(|row| (row % 5 > 0).then_some(row % 2 == 0)),
            )),
        ),
        (
            "day",
            Arc::new(Date32Array::from_iter_values(
                rows.iter().map(|row| 19_844 + (row % 3) as i32),
            )),
        ),
        (
            "tags",
            Arc::new(ListArray::from_iter_primitive::<Int32Type, _, _>(rows.iter().map(
                |row| (row % 4 > 0).then(|| (0..row % 4 - 1).map(|item| (item > 0).then_some(item as i32))),
            ))),
        ),
        ("nothing", Arc::new(StringArray::new_null(rows.len()))),
    ]
}

type Form = (&'static str, fn(WriterPropertiesBuilder) -> WriterPropertiesBuilder);

fn delta(builder: WriterPropertiesBuilder) -> WriterPropertiesBuilder {
    let mut builder = builder
        .set_dictionary_enabled(false)
        .set_writer_version(WriterVersion::PARQUET_2_0);
    for (encoding, columns) in [
        (
            Encoding::DELTA_BINARY_PACKED,
            ["user", "ts", "large", "count", "day", "small"].as_slice(),
        ),
        (Encoding::DELTA_BYTE_ARRAY, &["event", "note"]),
        (Encoding::DELTA_LENGTH_BYTE_ARRAY, &["coded", "nothing"]),
        (Encoding::BYTE_STREAM_SPLIT, &["price", "share"]),
        (Encoding::RLE, &["flag"]),
    ] {
        for column in columns {
            builder = builder.set_column_encoding(ColumnPath::from(*column), encoding);
        }
    }
    builder
}

fn forms() -> Vec<Form> {
    vec![
        ("plain", |builder| builder.set_dictionary_enabled(false)),
        ("dictionaries", |builder| builder),
        ("snappy, second version of pages", |builder| {
            builder
                .set_compression(Compression::SNAPPY)
                .set_writer_version(WriterVersion::PARQUET_2_0)
        }),
        ("zstd, one value a page", |builder| {
            builder
                .set_compression(Compression::ZSTD(Default::default()))
                .set_data_page_row_count_limit(1)
                .set_write_batch_size(1)
        }),
        ("gzip, dictionaries given up midway", |builder| {
            builder
                .set_compression(Compression::GZIP(Default::default()))
                .set_dictionary_page_size_limit(24)
                .set_data_page_row_count_limit(7)
                .set_write_batch_size(5)
        }),
        ("lz4, no statistics", |builder| {
            builder
                .set_compression(Compression::LZ4_RAW)
                .set_statistics_enabled(EnabledStatistics::None)
        }),
        ("brotli, plain, small pages of the second version", |builder| {
            builder
                .set_compression(Compression::BROTLI(Default::default()))
                .set_dictionary_enabled(false)
                .set_writer_version(WriterVersion::PARQUET_2_0)
                .set_data_page_row_count_limit(3)
                .set_write_batch_size(3)
        }),
        ("differences and split bytes", delta),
        ("differences, compressed, small pages", |builder| {
            delta(builder)
                .set_compression(Compression::ZSTD(Default::default()))
                .set_data_page_row_count_limit(9)
                .set_write_batch_size(9)
        }),
        ("a row a row group", |builder| {
            builder.set_max_row_group_row_count(Some(1))
        }),
        ("row groups of 13 rows, zstd", |builder| {
            builder
                .set_max_row_group_row_count(Some(13))
                .set_compression(Compression::ZSTD(Default::default()))
        }),
    ]
}

/// Writes a part; its columns stand in an order of their own, and are required where that is possible and `required`.
fn write(path: &Path, numbers: &[i64], turn: usize, required: bool, form: Form) {
    let mut columns = rows(numbers);
    columns.rotate_left(turn);
    let columns = columns.into_iter().map(|(name, array)| {
        let nullable = array.null_count() > 0 || name == "nothing" || !required;
        (name, array, nullable)
    });
    let batch = RecordBatch::try_from_iter_with_nullable(columns).unwrap();
    let properties = form.1(WriterProperties::builder()).build();
    let mut writer = ArrowWriter::try_new(File::create(path).unwrap(), batch.schema(), Some(properties)).unwrap();
    writer.write(&batch).unwrap();
    writer.close().unwrap();
}

/// Three parts with users of their own, or the rows dealt out two by two; one part more has no rows.
async fn world(groups: Groups, form: Form) -> World {
    let world = World::new();
    std::fs::create_dir_all(world.path("t")).unwrap();
    for part in 0..=PARTS {
        let belongs = |row: &i64| match groups {
            Groups::Contained => user(*row) % PARTS == part,
            Groups::Split => row / 2 % PARTS == part,
        };
        let numbers: Vec<i64> = (0..ROWS).filter(belongs).collect();
        let turn = usize::try_from(part * 3).unwrap();
        write(
            &world.path(&format!("t/{part}.parquet")),
            &numbers,
            turn,
            part % 2 == 0,
            form,
        );
    }
    let first =
        RecordBatch::try_from_iter_with_nullable(rows(&[0]).into_iter().map(|(name, array)| (name, array, true)));
    let mut stored = world.register("t", "t", &first.unwrap()).await;
    let mut table = (*stored.table).clone();
    table.group_column = Some("user".to_owned());
    table.time_column = Some("ts".to_owned());
    table.groups = groups;
    stored.table = Arc::new(table);
    world.tables.put(stored);
    world.view("v", "SELECT * FROM t");
    world
}

pub(super) fn queries() -> Vec<Value> {
    let filters = [
        json!(["event", "==", "view"]),
        json!(["event", "not contains", "u"]),
        json!(["coded", "!=", "buy"]),
        json!(["coded", "in", ["cart", "buy"]]),
        json!(["note", "==", "\\' | (ts >= 0) #"]),
        json!(["note", "contains", ""]),
        json!(["note", ">", "it's"]),
        json!(["note", "regex", "\\x00|^$"]),
        json!(["price", "==", 0]),
        json!(["price", "!=", 0.1]),
        json!(["price", ">=", 2.5]),
        json!(["price", "is null"]),
        json!(["share", "<", 0.5]),
        json!(["large", "==", u64::MAX]),
        json!(["large", ">", 1_u64 << 62]),
        json!(["small", "<=", -2]),
        json!(["small", "not in", [1, -3]]),
        json!(["count", ">", 4]),
        json!(["flag", "!=", true]),
        json!(["day", "==", "2024-05-02"]),
        json!(["tags", "contains", 1]),
        json!(["tags", "not contains", 2]),
        json!(["nothing", "is null"]),
        json!(["ts", "<", "2024-05-01T10:00:00.123470+02:00"]),
    ];
    let mut queries: Vec<Value> = filters
        .iter()
        .map(|filter| {
            json!({"query": {"conditions": [{"filter": filter, "target": ["count", ">=", 12]}, {"filter": filter,
                "target": ["sum", "count", ">=", 40]}], "relation": "$0 and $1"}})
        })
        .collect();
    let steps = |filters: &[&Value]| -> Value { filters.iter().map(|filter| json!({"filter": filter})).collect() };
    for pair in filters.windows(3).step_by(2) {
        let sequence = steps(&[&pair[0], &pair[1], &pair[2]]);
        queries.push(json!({"funnel": {"sequence": sequence, "stepTimes": true}, "compare": true}));
        queries.push(
            json!({"timeframe": {"from": 1_714_550_400_123_466_i64}, "funnel": {"sequence": sequence,
            "maxDuration": 15, "breakdown": {"column": "note", "by": "pair", "top": 2}}}),
        );
    }
    let map = |column: &str, kind: &str| json!({"column": column, "type": kind, "top": 100});
    let number = |column: &str, kind: &str| json!({"column": column, "type": kind});
    let aggregations: Vec<Value> = [
        "event", "coded", "note", "price", "share", "large", "small", "flag", "day", "ts",
    ]
    .into_iter()
    .flat_map(|column| {
        [
            map(column, "countPerValue"),
            map(column, "groupsPerValue"),
            number(column, "distinct"),
        ]
    })
    .chain(["share", "small", "count", "large"].map(|column| number(column, "sum")))
    .chain(["price", "small", "large", "ts", "day"].map(|column| number(column, "max")))
    .chain(["nothing", "tags", "price"].map(|column| number(column, "count")))
    .chain([json!({"column": "coded", "type": "meanPerValue", "otherColumn": "price"})])
    .chain([json!({"column": "flag", "type": "sumPerValue", "otherColumn": "large"})])
    .chain([json!({"column": "price", "type": "quantile", "q": 0.3})])
    .collect();
    queries.push(json!({"timeframe": {"to": 1_714_550_400_123_490_i64}, "query": {"aggregations": aggregations}}));
    queries.push(
        json!({"funnel": {"sequence": [{"filter": filters[0]}, {"filter": filters[13], "rowFound": false},
        {"filter": filters[3]}], "endAggregations": aggregations}}),
    );
    queries
}

pub(super) async fn by_pages(world: &World, query: &Query) -> Value {
    assert!(
        PartMatcher::new(query, None).unwrap().is_some(),
        "a query for a plan: {}",
        query.expanded()
    );
    let stored = world.tables.stored("t");
    let scan = FunnelScan {
        table: stored.table,
        parts: stored.parts.to_vec(),
        query: query.expanded().clone(),
        export: None,
    };
    shown(query, &world.session().run_funnel(scan).await.unwrap().partial)
}

pub(super) async fn by_plan(world: &World, query: &Query) -> Value {
    let relation = FunnelRelation {
        name: "v".to_owned(),
        group: "user".to_owned(),
        time: "ts".to_owned(),
        query: query.expanded().clone(),
        export: None,
    };
    shown(query, &world.session().run_funnel(relation).await.unwrap().partial)
}

async fn check(groups: Groups) {
    let queries = queries();
    let mut expected: Vec<Value> = Vec::new();
    for form in forms() {
        let world = world(groups, form).await;
        let dataset = dataset_of(&world.tables.stored("t").table).unwrap();
        for (index, query) in queries.iter().enumerate() {
            let query = query_of(&dataset, query);
            if expected.len() == index {
                expected.push(by_plan(&world, &query).await);
            }
            let told = |way: &str| format!("{way}, {}, {groups:?}: {}", form.0, query.expanded());
            assert_eq!(by_pages(&world, &query).await, expected[index], "{}", told("pages"));
            if index % 7 == 0 {
                assert_eq!(by_plan(&world, &query).await, expected[index], "{}", told("plan"));
            }
        }
    }
    assert!(expected.iter().any(|answer| answer["query"]["matchingGroups"] == 7));
    let is_partly = |answer: &&Value| (1..7).contains(&answer["query"]["matchingGroups"].as_u64().unwrap());
    assert!(
        expected.iter().filter(is_partly).count() > 5,
        "the queries tell groups apart"
    );
}

#[tokio::test]
async fn contained_groups_are_matched_alike_however_parts_are_written() {
    check(Groups::Contained).await;
}

#[tokio::test]
async fn straddling_groups_are_matched_alike_however_parts_are_written() {
    check(Groups::Split).await;
}
