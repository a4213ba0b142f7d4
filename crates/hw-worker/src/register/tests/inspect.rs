use std::sync::Arc;

use arrow_array::types::Int32Type;
use arrow_array::{
    Array, ArrayRef, BinaryArray, BooleanArray, Date32Array, Decimal128Array, DictionaryArray, Float64Array, Int8Array,
    Int32Array, Int64Array, LargeStringArray, ListArray, NullArray, RecordBatch, StringArray, StringViewArray,
    TimestampMicrosecondArray, TimestampMillisecondArray, TimestampNanosecondArray, TimestampSecondArray, UInt64Array,
};
use arrow_schema::{DataType, Field, Schema};
use expect_test::{Expect, expect};
use hw_files::{Fault, FileStores, FoundFile, Location, StoreLimits, discover};
use object_store::{ObjectStoreExt, PutPayload};
use parquet::arrow::ArrowWriter;
use parquet::file::properties::WriterProperties;

use super::samples::{
    array, batch, events, inspected, lines, options, parquet, stored, try_inspect, without_statistics,
};
use crate::register::{GroupIds, InspectError, InspectOptions, Inspected, PartInspection, inspect};

fn told(part: &Inspected) -> String {
    let inspection = &part.inspection;
    let order = &inspection.order;
    let mut text = format!(
        "{} rows, {} row groups",
        inspection.outline.rows, inspection.outline.row_groups
    );
    for (holds, what) in [
        (order.by_group, "group"),
        (order.by_group_and_time, "group+time"),
        (order.by_time, "time"),
    ] {
        text += if holds { " sorted by " } else { "" };
        text += if holds { what } else { "" };
    }
    text += "\n";
    for column in &inspection.columns {
        let bound = |bound: &Option<hw_catalog::Bound>| match bound {
            Some(bound) => serde_json::to_string(&bound.value).unwrap(),
            None => "-".to_owned(),
        };
        let nulls = column.null_count.map_or("?".to_owned(), |nulls| nulls.to_string());
        text += &format!(
            "{} {} {}..{} nulls {nulls}",
            column.name,
            column.column_type.name(),
            bound(&column.min),
            bound(&column.max)
        );
        text += if column.bounded { "" } else { " unbounded" };
        text += if column.dictionary { " dictionary" } else { "" };
        text += if column.categorical { " categorical" } else { "" };
        if let Some(ratio) = column.unique_ratio {
            text += &format!(" unique {ratio:.3} {:?}", column.top_values);
        }
        text += "\n";
    }
    for column in &inspection.unsupported {
        text += &format!("unsupported {}: {}\n", column.name, column.reason);
    }
    if let Some(ids) = &part.ids {
        text += &format!("{} groups, {:?}\n", inspection.groups.unwrap(), ids.array());
    }
    text
}

/// Looks at a part with and without statistics in its footer: what is found must be the same.
async fn check(batches: &[RecordBatch], options: &InspectOptions, expected: Expect) {
    let with = try_inspect("p", batches, WriterProperties::default(), options)
        .await
        .unwrap();
    expected.assert_eq(&told(&with));
    let without = try_inspect("p", batches, without_statistics(), options).await.unwrap();
    assert_eq!(told(&without), told(&with), "read from the data instead of the footer");
    let text = serde_json::to_string(&with.inspection).unwrap();
    let again = PartInspection::from_json(&serde_json::from_str(&text).unwrap()).unwrap();
    assert_eq!(again, with.inspection, "carried by JSON");
    if let Some(ids) = &with.ids {
        let again = GroupIds::from_ipc(&ids.to_ipc().unwrap()).unwrap();
        assert_eq!(again.array(), ids.array(), "carried by Arrow IPC");
    }
}

async fn check_faults(batches: &[RecordBatch], expected: Expect) {
    for properties in [WriterProperties::default(), without_statistics()] {
        let error = try_inspect("p.parquet", batches, properties, &options())
            .await
            .unwrap_err();
        assert_eq!(error.fault(), Fault::Data);
        expected.assert_eq(&lines(&error.findings()));
    }
}

fn plain() -> InspectOptions {
    InspectOptions::default()
}

#[tokio::test]
async fn a_part_of_events() {
    let rows = [(1, 10, "view"), (1, 11, "buy"), (2, 5, "view"), (2, 5, "view")];
    check(
        &[events(&rows[..3]), events(&rows[3..])],
        &options(),
        expect![[r#"
        4 rows, 2 row groups sorted by group sorted by group+time
        user INT 1..2 nulls 0
        at INT 5..11 nulls 0
        kind STRING -..- nulls 0 unique 0.500 [("view", 0.75), ("buy", 0.25)]
        2 groups, PrimitiveArray<Int64>
        [
          1,
          2,
        ]
    "#]],
    )
    .await;
}

#[tokio::test]
async fn the_order_of_rows_is_verified() {
    async fn order(rows: &[(i64, i64)]) -> String {
        let all: Vec<_> = rows.iter().map(|(user, at)| (*user, *at, "x")).collect();
        let mut orders = Vec::new();
        for cut in 0..=all.len().saturating_sub(1) {
            let groups: Vec<_> = [&all[..cut], &all[cut..]]
                .into_iter()
                .filter(|rows| !rows.is_empty())
                .map(events)
                .collect();
            let order = inspected("p", &groups).await.inspection.order;
            orders.push(format!(
                "{} {} {}",
                order.by_group, order.by_group_and_time, order.by_time
            ));
        }
        assert!(
            orders.iter().all(|order| *order == orders[0]),
            "row groups do not matter: {orders:?}"
        );
        orders.remove(0)
    }
    assert_eq!(order(&[(1, 1), (1, 2), (2, 1)]).await, "true true false");
    assert_eq!(order(&[(1, 1), (2, 2), (1, 3)]).await, "false false true");
    assert_eq!(order(&[(1, 2), (1, 1), (2, 1)]).await, "true false false");
    assert_eq!(order(&[(1, 1), (2, 1), (3, 1)]).await, "true true true");
    assert_eq!(order(&[(2, 1), (1, 0), (3, -1)]).await, "false false false");
    assert_eq!(
        order(&[(-1, -5), (0, -6), (i64::MAX, i64::MIN)]).await,
        "true true false"
    );
    assert_eq!(order(&[(7, 7)]).await, "true true true");
}

#[tokio::test]
async fn order_holds_over_batches() {
    let many = |late: i64| -> Vec<(i64, i64, &'static str)> {
        (0..20_000)
            .map(|row| (row / 7, if row == 8_192 { late } else { row }, "x"))
            .collect()
    };
    let order = inspected("p", &[events(&many(8_192))]).await.inspection.order;
    assert!(order.by_group_and_time && order.by_time);
    let order = inspected("p", &[events(&many(0))]).await.inspection.order;
    assert!(
        order.by_group && !order.by_group_and_time && !order.by_time,
        "{order:?}"
    );
}

#[tokio::test]
async fn parts_without_rows() {
    let nothing = events(&[]);
    check(
        &[nothing],
        &options(),
        expect![[r#"
        0 rows, 0 row groups sorted by group sorted by group+time sorted by time
        user INT -..- nulls 0
        at INT -..- nulls 0
        kind STRING -..- nulls 0
        0 groups, PrimitiveArray<Int64>
        [
        ]
    "#]],
    )
    .await;
}

#[tokio::test]
async fn all_kinds_of_columns() {
    let kinds = batch(vec![
        ("i8", array(Int8Array::from(vec![Some(-1), None, Some(3)]))),
        ("u64", array(UInt64Array::from(vec![0, u64::MAX, 1]))),
        ("f", array(Float64Array::from(vec![Some(1.5), None, Some(f64::NAN)]))),
        ("inf", array(Float64Array::from(vec![f64::NEG_INFINITY, 1.0, 2.0]))),
        ("b", array(BooleanArray::from(vec![Some(true), None, None]))),
        ("none", array(Int32Array::from(vec![None, None, None]))),
        ("no text", array(StringArray::from(vec![None::<&str>, None, None]))),
        ("s", array(TimestampSecondArray::from(vec![1, 2, 3]))),
        ("ms", array(TimestampMillisecondArray::from(vec![1, 2, 3]))),
        (
            "us",
            array(TimestampMicrosecondArray::from(vec![1, 2, 3]).with_timezone("Europe/Vienna")),
        ),
        ("ns", array(TimestampNanosecondArray::from(vec![i64::MIN, 0, i64::MAX]))),
        ("d", array(Date32Array::from(vec![-1, 0, 20_000]))),
        ("large", array(LargeStringArray::from(vec!["ä", "b", "ä"]))),
        ("view", array(StringViewArray::from(vec!["x", "y", "x"]))),
        (
            "dict",
            array(
                ["a", "b", "c"]
                    .into_iter()
                    .map(Some)
                    .collect::<DictionaryArray<Int32Type>>(),
            ),
        ),
        (
            "list",
            array(ListArray::from_iter_primitive::<Int32Type, _, _>([
                Some(vec![Some(1)]),
                None,
                Some(vec![]),
            ])),
        ),
        ("bytes", array(BinaryArray::from(vec![&b"x"[..], b"y", b"z"]))),
        (
            "dec",
            array(
                Decimal128Array::from(vec![1, 2, 3])
                    .with_precision_and_scale(10, 2)
                    .unwrap(),
            ),
        ),
        ("__cond_0", array(Int32Array::from(vec![1, 2, 3]))),
    ]);
    check(std::slice::from_ref(&kinds), &plain(), expect![[r#"
        3 rows, 1 row groups
        i8 INT -1..3 nulls 1
        u64 INT 0..18446744073709551615 nulls 0
        f FLOAT 1.5..1.5 nulls 1
        inf FLOAT -..- nulls 0 unbounded
        b BOOL -..- nulls 2
        none INT -..- nulls 3
        no text STRING -..- nulls 3 categorical unique 0.000 []
        s TIMESTAMP 1..3 nulls 0
        ms TIMESTAMP 1..3 nulls 0
        us TIMESTAMP 1..3 nulls 0
        ns TIMESTAMP -9223372036854775808..9223372036854775807 nulls 0
        d DATE -1..20000 nulls 0
        large STRING -..- nulls 0 unique 0.667 [("ä", 0.6666666666666666), ("b", 0.3333333333333333)]
        view STRING -..- nulls 0 unique 0.667 [("x", 0.6666666666666666), ("y", 0.3333333333333333)]
        dict STRING -..- nulls 0 dictionary categorical unique 1.000 [("a", 0.3333333333333333), ("b", 0.3333333333333333), ("c", 0.3333333333333333)]
        list LIST<INT> -..- nulls ?
        unsupported bytes: Binary
        unsupported dec: Decimal128(10, 2)
        unsupported __cond_0: reserved name
    "#]]).await;
    let warnings = try_inspect("p", &[kinds], WriterProperties::default(), &plain())
        .await
        .unwrap()
        .inspection
        .warnings;
    expect![[r#"
        HW-T041 - funnels cannot use column `bytes` of type Binary
            SQL can; a funnel needs numbers, text, truth values, dates, timestamps or lists of these
        HW-T041 - funnels cannot use column `dec` of type Decimal128(10, 2)
            SQL can; a funnel needs numbers, text, truth values, dates, timestamps or lists of these
        HW-T040 - column `__cond_0` has a reserved name, and funnels cannot use it
            rename it: names that begin with `__cond_` are used by queries
    "#]]
    .assert_eq(&lines(&warnings));
}

fn with_columns(user: ArrayRef, at: ArrayRef) -> RecordBatch {
    batch(vec![("user", user), ("at", at)])
}

#[tokio::test]
async fn group_ids_of_all_types() {
    async fn ids(user: ArrayRef) -> String {
        let at = array(Int64Array::from(vec![1; user.len()]));
        let part = inspected("p", &[with_columns(user, at)]).await;
        let carried = GroupIds::from_ipc(&part.ids.unwrap().to_ipc().unwrap()).unwrap();
        let shown: Vec<String> = (0..carried.len()).map(|index| carried.shown(index)).collect();
        format!("{} {}", carried.array().data_type(), shown.join(","))
    }
    assert_eq!(ids(array(Int8Array::from(vec![3, -1, 3]))).await, "Int64 -1,3");
    assert_eq!(
        ids(array(UInt64Array::from(vec![u64::MAX, 0, 5]))).await,
        "UInt64 0,5,18446744073709551615"
    );
    assert_eq!(
        ids(array(StringArray::from(vec!["b", "", "ä", "b"]))).await,
        "LargeUtf8 ,b,ä"
    );
    assert_eq!(ids(array(StringViewArray::from(vec!["b", "a"]))).await, "LargeUtf8 a,b");
    assert_eq!(
        ids(array(
            ["y", "x"].into_iter().map(Some).collect::<DictionaryArray<Int32Type>>()
        ))
        .await,
        "LargeUtf8 x,y"
    );
    let codes = DictionaryArray::new(Int32Array::from(vec![1, 0, 1]), array(Int64Array::from(vec![70, -80])));
    assert_eq!(ids(array(codes)).await, "Int64 -80,70");
}

#[tokio::test]
async fn times_of_all_types_are_accepted() {
    let times: Vec<ArrayRef> = vec![
        array(Int8Array::from(vec![1, 2])),
        array(UInt64Array::from(vec![1, u64::MAX])),
        array(Float64Array::from(vec![-0.5, 0.5])),
        array(TimestampSecondArray::from(vec![1, 2])),
        array(TimestampNanosecondArray::from(vec![1, 2]).with_timezone("+01:00")),
        array(Date32Array::from(vec![1, 2])),
    ];
    for at in times {
        let name = at.data_type().to_string();
        let part = inspected("p", &[with_columns(array(Int64Array::from(vec![1, 2])), at)]).await;
        assert!(part.inspection.order.by_time, "{name}");
        assert!(part.inspection.column("at").unwrap().max.is_some(), "{name}");
    }
}

#[tokio::test]
async fn every_fault_of_a_part_is_told() {
    let rows = with_columns(
        array(Int64Array::from(vec![Some(1), None, None])),
        array(Float64Array::from(vec![Some(f64::NAN), None, Some(1.0)])),
    );
    check_faults(
        &[rows.clone(), rows],
        expect![[r#"
        HW-T032 '/group' group column `user` has 4 nulls in `p.parquet`
            write the part without these rows, or with an id of their own for them
        HW-T035 '/time' time column `at` has 2 nulls and 2 NaN in `p.parquet`
            write the part without these rows, or choose another time column
    "#]],
    )
    .await;
    let one = with_columns(
        array(StringArray::from(vec![Some("a"), None])),
        array(Int64Array::from(vec![None, Some(1)])),
    );
    check_faults(
        &[one],
        expect![[r#"
        HW-T032 '/group' group column `user` has one null in `p.parquet`
            write the part without these rows, or with an id of their own for them
        HW-T035 '/time' time column `at` has one null in `p.parquet`
            write the part without these rows, or choose another time column
    "#]],
    )
    .await;
    let misnamed = batch(vec![
        ("User", array(Int64Array::from(vec![1]))),
        ("x", array(StringArray::from(vec!["x"]))),
    ]);
    check_faults(
        &[misnamed],
        expect![[r#"
        HW-T030 '/group' group column `user` does not exist in `p.parquet`
            did you mean `User`?
        HW-T033 '/time' time column `at` does not exist in `p.parquet`
            the columns are `User`, `x`
    "#]],
    )
    .await;
    let unfit = with_columns(
        array(Float64Array::from(vec![1.0])),
        array(StringArray::from(vec!["2026-01-01"])),
    );
    check_faults(
        &[unfit],
        expect![[r#"
        HW-T031 '/group' group column `user` in `p.parquet` is of type Float64
            the group column must be an integer or text
        HW-T034 '/time' time column `at` in `p.parquet` is of type Utf8
            the time column must be an integer, a float, a timestamp or a date
    "#]],
    )
    .await;
    let mixed = with_columns(
        array(BooleanArray::from(vec![true, false])),
        array(Int64Array::from(vec![None, Some(1)])),
    );
    check_faults(
        &[mixed],
        expect![[r#"
        HW-T031 '/group' group column `user` in `p.parquet` is of type Boolean
            the group column must be an integer or text
        HW-T035 '/time' time column `at` has one null in `p.parquet`
            write the part without these rows, or choose another time column
    "#]],
    )
    .await;
}

#[tokio::test]
async fn a_column_of_nulls_is_no_group() {
    let rows = with_columns(array(NullArray::new(2)), array(Int64Array::from(vec![1, 2])));
    check_faults(
        &[rows],
        expect![[r#"
        HW-T031 '/group' group column `user` in `p.parquet` is of type Null
            the group column must be an integer or text
    "#]],
    )
    .await;
}

#[tokio::test]
async fn a_column_name_that_occurs_twice_is_a_fault() {
    let field = |name: &str| Field::new(name, DataType::Int64, true);
    let schema = Arc::new(Schema::new(vec![
        field("user"),
        field("at"),
        field("x"),
        field("x"),
        field("x"),
    ]));
    let one = || array(Int64Array::from(vec![1]));
    let rows = RecordBatch::try_new(schema, vec![one(), one(), one(), one(), one()]).unwrap();
    check_faults(
        &[rows],
        expect![[r#"
        HW-T036 - column name `x` occurs twice in `p.parquet`
            write the part with different column names
    "#]],
    )
    .await;
}

#[tokio::test]
async fn reserved_columns_have_no_role() {
    let rows = batch(vec![
        ("__cond_a", array(Int64Array::from(vec![1]))),
        ("at", array(Int64Array::from(vec![1]))),
    ]);
    let options = InspectOptions {
        group: Some("__cond_a".to_owned()),
        ..options()
    };
    let error = try_inspect("p", &[rows], WriterProperties::default(), &options)
        .await
        .unwrap_err();
    expect![[r#"
        HW-T031 '/group' group column `__cond_a` in `p` has a reserved name
            rename the column: names that begin with `__cond_` are used by queries
    "#]]
    .assert_eq(&lines(&error.findings()));
}

#[tokio::test]
async fn hostile_names_and_values_are_only_shown() {
    let name = "'; drop table \"x\" --\n`${}`";
    let rows = batch(vec![
        (name, array(StringArray::from(vec!["a\0b", "\u{202e}x", "a\0b"]))),
        ("at", array(Int64Array::from(vec![1, 2, 3]))),
    ]);
    let options = InspectOptions {
        group: Some(name.to_owned()),
        ..options()
    };
    let part = try_inspect(
        "it's (1) \"50%\".parquet",
        &[rows],
        WriterProperties::default(),
        &options,
    )
    .await
    .unwrap();
    assert_eq!(part.inspection.column(name).unwrap().top_values[0].0, "a\0b");
    assert_eq!(part.inspection.groups, Some(2));
}

#[tokio::test]
async fn frequent_values_and_the_categorical_decision() {
    let values: Vec<String> = (0..1_000)
        .map(|row| format!("v{:03}", if row % 2 == 0 { 0 } else { row % 100 }))
        .collect();
    let rows = batch(vec![("s", array(StringArray::from(values)))]);
    let column = |part: Inspected| part.inspection.columns[0].clone();
    let few = column(
        try_inspect("p", std::slice::from_ref(&rows), WriterProperties::default(), &plain())
            .await
            .unwrap(),
    );
    assert_eq!(
        (few.unique_ratio, few.categorical, few.top_values.len()),
        (Some(0.051), true, 30)
    );
    assert_eq!(few.top_values[0], ("v000".to_owned(), 0.5));
    assert_eq!(
        few.top_values[1],
        ("v001".to_owned(), 0.01),
        "equally frequent ones by value"
    );
    let strict = InspectOptions {
        categorical_ratio: 0.05,
        top_count: 0,
        ..plain()
    };
    let none = column(
        try_inspect("p", &[rows], WriterProperties::default(), &strict)
            .await
            .unwrap(),
    );
    assert_eq!((none.categorical, none.top_values), (false, Vec::new()));
}

/// More distinct values than are kept: frequent ones stay, shares are nearly right, memory is bounded.
#[tokio::test]
async fn many_distinct_values_are_estimated() {
    let rows = 200_000_usize;
    let long = "x".repeat(600);
    let values = |row: usize| match row % 10 {
        0 | 1 => "common".to_owned(),
        2 => "second".to_owned(),
        3 => long.clone(),
        _ => format!("rare {row}"),
    };
    let table = batch(vec![("s", array(StringArray::from_iter_values((0..rows).map(values))))]);
    let part = try_inspect("p", &[table], WriterProperties::default(), &plain())
        .await
        .unwrap();
    let column = &part.inspection.columns[0];
    let ratio = column.unique_ratio.unwrap();
    assert!(
        (0.59..0.61).contains(&ratio),
        "120,003 of 200,000 are distinct: {ratio}"
    );
    assert!(!column.categorical);
    assert_eq!(
        (column.top_values[0].0.as_str(), column.top_values[1].0.as_str()),
        ("common", "second")
    );
    assert!(
        (0.1999..=0.2).contains(&column.top_values[0].1),
        "{}",
        column.top_values[0].1
    );
    assert!(
        column.top_values.iter().all(|(value, _)| value.len() < 100),
        "long values are counted, not kept"
    );
}

#[tokio::test]
async fn many_ids_are_collected_once_each() {
    let rows = 1_500_000_i64;
    let user = array(Int64Array::from_iter_values((0..rows).map(|row| (row * 7_919) % 1_000)));
    let at = array(Int64Array::from_iter_values(0..rows));
    let part = inspected("p", &[with_columns(user, at)]).await;
    assert_eq!(part.inspection.groups, Some(1_000));
}

#[tokio::test]
async fn wide_parts_are_read_in_packs() {
    let names: Vec<String> = (0..300).map(|number| format!("c{number}")).collect();
    let text: Vec<String> = (0..3_000).map(|row| format!("{row:0>100}")).collect();
    let column = array(StringArray::from(text));
    let rows = batch(names.iter().map(|name| (name.as_str(), column.clone())).collect());
    let properties = WriterProperties::builder().set_dictionary_enabled(false).build();
    let part = try_inspect("p", &[rows], properties, &plain()).await.unwrap();
    let total: u64 = part
        .inspection
        .columns
        .iter()
        .map(|column| column.null_count.unwrap())
        .sum();
    assert_eq!((part.inspection.columns.len(), total), (300, 0));
    assert!(
        part.inspection
            .columns
            .iter()
            .zip(&names)
            .all(|(column, name)| column.name == *name)
    );
    assert!(
        part.inspection
            .columns
            .iter()
            .all(|column| column.unique_ratio == Some(1.0))
    );
}

#[tokio::test]
async fn metadata_of_writers_is_left_out() {
    let rows = events(&[(1, 1, "x")]);
    let metadata = [("pandas".to_owned(), "{}".repeat(1_000))].into();
    let schema = Arc::new(Schema::new_with_metadata(rows.schema().fields().clone(), metadata));
    let rows = rows.with_schema(schema).unwrap();
    let part = inspected("p", &[rows]).await;
    assert!(part.inspection.outline.schema.metadata().is_empty());
    assert_eq!(part.inspection.outline.rows, 1);
}

#[tokio::test]
async fn files_that_cannot_be_read_are_told() {
    let bytes = parquet(&[events(&[(1, 1, "x")])], WriterProperties::default());
    let (open, file) = stored("p.parquet", bytes.clone()).await;
    let error_after = async |bytes: Option<Vec<u8>>| {
        match bytes {
            Some(bytes) => drop(open.store.put(&file.object, PutPayload::from(bytes)).await.unwrap()),
            None => open.store.delete(&file.object).await.unwrap(),
        }
        let error = inspect(&open, &file, &options()).await.unwrap_err();
        assert!(matches!(error, InspectError::File(_)));
        assert_eq!(error.fault(), Fault::Data);
        error.findings()[0].code.clone()
    };
    assert_eq!(error_after(Some(bytes[..bytes.len() - 9].to_vec())).await, "HW-T014");
    let mut garbled = bytes.clone();
    garbled[4..60].fill(0xff);
    assert_eq!(error_after(Some(garbled)).await, "HW-T013");
    assert_eq!(error_after(None).await, "HW-T010");
    let (open, file) = stored("cut.parquet", bytes[..50].to_vec()).await;
    assert_eq!(
        inspect(&open, &file, &options()).await.unwrap_err().findings()[0].code,
        "HW-T011"
    );
    let (open, file) = stored("text.parquet", b"user,at\n1,2\n3,4\n".to_vec()).await;
    assert_eq!(
        inspect(&open, &file, &options()).await.unwrap_err().findings()[0].code,
        "HW-T012"
    );
}

#[test]
fn documents_of_other_versions_are_refused() {
    let error = PartInspection::from_json(&serde_json::json!({"format": 1})).unwrap_err();
    assert!(error.contains("missing field"), "{error}");
}

#[tokio::test]
async fn a_later_version_is_named() {
    let mut document = serde_json::to_value(&inspected("p", &[events(&[(1, 1, "x")])]).await.inspection).unwrap();
    document["format"] = 2.into();
    assert_eq!(
        PartInspection::from_json(&document).unwrap_err(),
        "the inspection of a part has format 2, this version knows 1"
    );
}

#[test]
fn bytes_that_are_no_ids_are_refused() {
    for bytes in [&b""[..], b"PAR1", &[0; 64]] {
        assert!(GroupIds::from_ipc(bytes).is_err());
    }
}

#[tokio::test]
async fn a_part_without_row_groups() {
    let schema = events(&[]).schema();
    let bytes = ArrowWriter::try_new(Vec::new(), schema, None)
        .unwrap()
        .into_inner()
        .unwrap();
    let (open, file) = stored("p", bytes).await;
    let part = inspect(&open, &file, &options()).await.unwrap();
    assert_eq!(
        (part.inspection.outline.row_groups, part.inspection.groups),
        (0, Some(0))
    );
}

#[tokio::test]
async fn parts_in_a_folder_with_any_name() {
    let folder = tempfile::Builder::new()
        .prefix("it's a \"50%\" #1?\n")
        .tempdir()
        .unwrap();
    let bytes = parquet(&[events(&[(1, 1, "x")])], WriterProperties::default());
    for name in ["b '; rm -rf.parquet", "a\n\"%0A\".parquet"] {
        std::fs::write(folder.path().join(name), &bytes).unwrap();
    }
    let location = Location::of_path(folder.path(), None).unwrap();
    let open = FileStores::new([], StoreLimits::default()).open(&location).unwrap();
    let files = discover(&open, "*.parquet", false, 10).await.unwrap();
    assert_eq!(files.len(), 2);
    for file in &files {
        let part = FoundFile::of_part(&open, &file.to_part(None)).unwrap();
        let inspected = inspect(&open, &part, &options()).await.unwrap();
        assert_eq!(
            (inspected.inspection.outline.path.as_str(), inspected.inspection.groups),
            (file.path.as_str(), Some(1))
        );
    }
}
