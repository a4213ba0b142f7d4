use std::sync::Arc;

use arrow_array::types::Int32Type;
use arrow_array::{
    BooleanArray, Date32Array, Date64Array, DictionaryArray, Float64Array, Int16Array, Int64Array, ListArray,
    RecordBatch, StringArray, TimestampMicrosecondArray, TimestampSecondArray, UInt8Array, UInt32Array, UInt64Array,
};
use arrow_schema::{DataType, Field, Schema};
use expect_test::{Expect, expect};
use object_store::{ObjectStoreExt, PutPayload};
use parquet::arrow::ArrowWriter;
use parquet::arrow::arrow_writer::ArrowWriterOptions;
use parquet::data_type::{Int64Type, Int96, Int96Type};
use parquet::file::metadata::{KeyValue, SortingColumn};
use parquet::file::properties::{EnabledStatistics, WriterProperties};
use parquet::file::writer::SerializedFileWriter;
use parquet::schema::parser::parse_message_type;

use crate::{Footer, footer};

use super::samples::{array, batch, parquet, stored};

async fn footer_of(bytes: Vec<u8>) -> Footer {
    let (open, file) = stored(bytes).await;
    footer(&open, &file).await.unwrap()
}

fn told(footer: &Footer) -> String {
    let mut text = format!("{} rows, {} row groups\n", footer.rows, footer.row_groups);
    for column in &footer.columns {
        let bound = |bound: &Option<hw_catalog::Bound>| match bound {
            Some(bound) => serde_json::to_string(&bound.value).unwrap(),
            None if column.bounds_known => "none".to_owned(),
            None => "?".to_owned(),
        };
        let nulls = column.null_count.map_or("?".to_owned(), |count| count.to_string());
        let dictionary = if column.dictionary { " dictionary" } else { "" };
        text += &format!(
            "{}: {}..{} nulls {nulls}{dictionary}\n",
            column.name,
            bound(&column.min),
            bound(&column.max)
        );
    }
    text
}

async fn check(batches: &[RecordBatch], properties: WriterProperties, expected: Expect) {
    expected.assert_eq(&told(&footer_of(parquet(batches, properties)).await));
}

#[tokio::test]
async fn integers_dates_and_times_are_exact() {
    let rows = batch(vec![
        ("i16", array(Int16Array::from(vec![-7, 9]))),
        ("i64", array(Int64Array::from(vec![i64::MIN, i64::MAX]))),
        ("u8", array(UInt8Array::from(vec![3, 255]))),
        ("u32", array(UInt32Array::from(vec![1, u32::MAX]))),
        ("u64", array(UInt64Array::from(vec![0, u64::MAX]))),
        ("f", array(Float64Array::from(vec![-0.0, 2.5]))),
        ("s", array(TimestampSecondArray::from(vec![1, 2]))),
        (
            "us",
            array(TimestampMicrosecondArray::from(vec![-1, 1_700_000_000_000_001]).with_timezone("UTC")),
        ),
        ("d32", array(Date32Array::from(vec![-1, 20_000]))),
        ("d64", array(Date64Array::from(vec![0, 86_400_000]))),
        ("text", array(StringArray::from(vec!["a", "b"]))),
        ("flag", array(BooleanArray::from(vec![true, false]))),
    ]);
    check(
        &[rows],
        WriterProperties::builder().set_dictionary_enabled(false).build(),
        expect![[r#"
            2 rows, 1 row groups
            i16: -7..9 nulls 0
            i64: -9223372036854775808..9223372036854775807 nulls 0
            u8: 3..255 nulls 0
            u32: 1..4294967295 nulls 0
            u64: 0..18446744073709551615 nulls 0
            f: 0.0..2.5 nulls 0
            s: 1..2 nulls 0
            us: -1..1700000000000001 nulls 0
            d32: -1..20000 nulls 0
            d64: 0..86400000 nulls 0
            text: ?..? nulls 0
            flag: ?..? nulls 0
        "#]],
    )
    .await;
}

#[tokio::test]
async fn row_groups_are_united_and_nulls_counted() {
    let group = |values: Vec<Option<i64>>| batch(vec![("n", array(Int64Array::from(values)))]);
    check(
        &[
            group(vec![Some(5), None]),
            group(vec![None, None]),
            group(vec![Some(-5), Some(1)]),
        ],
        WriterProperties::default(),
        expect![[r#"
            6 rows, 3 row groups
            n: -5..5 nulls 3 dictionary
        "#]],
    )
    .await;
    check(
        &[group(vec![None, None])],
        WriterProperties::default(),
        expect![[r#"
            2 rows, 1 row groups
            n: none..none nulls 2 dictionary
        "#]],
    )
    .await;
}

#[tokio::test]
async fn a_file_without_rows_has_no_range() {
    let nothing = batch(vec![("n", array(Int64Array::from(Vec::<i64>::new())))]);
    let no_groups = ArrowWriter::try_new(Vec::new(), nothing.schema(), None)
        .unwrap()
        .into_inner()
        .unwrap();
    expect![[r#"
        0 rows, 0 row groups
        n: none..none nulls 0
    "#]]
    .assert_eq(&told(&footer_of(no_groups).await));
}

#[tokio::test]
async fn nan_and_infinity_are_no_bounds() {
    let floats = |values: Vec<f64>| batch(vec![("f", array(Float64Array::from(values)))]);
    let plain = || WriterProperties::builder().set_dictionary_enabled(false).build();
    check(
        &[floats(vec![1.0, f64::NAN])],
        plain(),
        expect![[r#"
        2 rows, 1 row groups
        f: 1.0..1.0 nulls 0
    "#]],
    )
    .await;
    check(
        &[floats(vec![f64::NAN, f64::NAN]), floats(vec![1.0])],
        plain(),
        expect![[r#"
        3 rows, 2 row groups
        f: ?..? nulls 0
    "#]],
    )
    .await;
    check(
        &[floats(vec![f64::NEG_INFINITY, 1.0])],
        plain(),
        expect![[r#"
        2 rows, 1 row groups
        f: ?..? nulls 0
    "#]],
    )
    .await;
}

#[tokio::test]
async fn statistics_that_are_absent_are_unknown() {
    let rows = batch(vec![("n", array(Int64Array::from(vec![1, 2])))]);
    let without = WriterProperties::builder()
        .set_statistics_enabled(EnabledStatistics::None)
        .build();
    check(
        &[rows],
        without,
        expect![[r#"
        2 rows, 1 row groups
        n: ?..? nulls ? dictionary
    "#]],
    )
    .await;
}

#[tokio::test]
async fn columns_know_whether_all_goes_through_dictionaries() {
    let many: Vec<String> = (0..5_000).map(|number| format!("value {number}")).collect();
    let rows = batch(vec![
        ("few", array(StringArray::from(vec!["a"; 5_000]))),
        ("many", array(StringArray::from(many))),
        (
            "typed",
            array((0..5_000).map(|_| Some("x")).collect::<DictionaryArray<Int32Type>>()),
        ),
        (
            "list",
            array(ListArray::from_iter_primitive::<Int32Type, _, _>(
                (0..5_000).map(|n| Some(vec![Some(n % 3)])),
            )),
        ),
    ]);
    let small = WriterProperties::builder()
        .set_dictionary_page_size_limit(1_000)
        .build();
    check(
        &[rows],
        small,
        expect![[r#"
        5000 rows, 1 row groups
        few: ?..? nulls 0 dictionary
        many: ?..? nulls 0
        typed: ?..? nulls 0 dictionary
        list: ?..? nulls ? dictionary
    "#]],
    )
    .await;
}

#[tokio::test]
async fn the_embedded_schema_and_the_declared_order_are_kept() {
    let dictionary = DataType::Dictionary(Box::new(DataType::Int32), Box::new(DataType::Utf8));
    let schema = Arc::new(Schema::new(vec![
        Field::new("id", DataType::UInt64, false),
        Field::new("kind", dictionary.clone(), true),
    ]));
    let rows = RecordBatch::try_new(
        schema.clone(),
        vec![
            array(UInt64Array::from(vec![1])),
            array([Some("x")].into_iter().collect::<DictionaryArray<Int32Type>>()),
        ],
    )
    .unwrap();
    let sorted = vec![
        SortingColumn {
            column_idx: 1,
            descending: true,
            nulls_first: true,
        },
        SortingColumn {
            column_idx: 0,
            descending: false,
            nulls_first: false,
        },
    ];
    let properties = WriterProperties::builder().set_sorting_columns(Some(sorted)).build();
    let footer = footer_of(parquet(&[rows], properties)).await;
    assert_eq!(footer.schema.fields(), schema.fields());
    let told: Vec<_> = footer
        .sorting
        .iter()
        .map(|s| (s.column.as_str(), s.descending, s.nulls_first))
        .collect();
    assert_eq!(told, [("kind", true, true), ("id", false, false)]);
    assert_eq!(
        footer.column("id").unwrap().min,
        Some(hw_catalog::Bound {
            value: hw_catalog::Scalar::Int(1),
            exact: true
        })
    );
}

#[tokio::test]
async fn a_footer_beyond_the_first_request_is_fetched() {
    let names: Vec<String> = (0..3_000)
        .map(|number| format!("a column with quite a long name, number {number}"))
        .collect();
    let columns = names
        .iter()
        .map(|name| (name.as_str(), array(Int64Array::from(vec![1]))))
        .collect();
    let footer = footer_of(parquet(&[batch(columns)], WriterProperties::default())).await;
    assert_eq!((footer.rows, footer.columns.len()), (1, 3_000));
}

/// A file as old writers make them: times as INT96, and statistics whose order is not defined.
fn with_int96() -> Vec<u8> {
    let schema = parse_message_type("message m { optional int96 at; optional int64 n; }").unwrap();
    let mut writer = SerializedFileWriter::new(Vec::new(), Arc::new(schema), Arc::default()).unwrap();
    let mut group = writer.next_row_group().unwrap();
    let mut at = group.next_column().unwrap().unwrap();
    let noon_1970 = Int96::from(vec![0x4b7a_8000, 0x2749, 2_440_588]);
    at.typed::<Int96Type>()
        .write_batch(&[noon_1970], Some(&[1, 0]), None)
        .unwrap();
    at.close().unwrap();
    let mut n = group.next_column().unwrap().unwrap();
    n.typed::<Int64Type>().write_batch(&[7], Some(&[0, 1]), None).unwrap();
    n.close().unwrap();
    group.close().unwrap();
    writer.into_inner().unwrap()
}

#[tokio::test]
async fn int96_has_no_bounds() {
    let footer = footer_of(with_int96()).await;
    assert!(matches!(footer.schema.field(0).data_type(), DataType::Timestamp(_, _)));
    expect![[r#"
        2 rows, 1 row groups
        at: ?..? nulls 1 dictionary
        n: 7..7 nulls 1 dictionary
    "#]]
    .assert_eq(&told(&footer));
}

/// Bytes that are no whole Parquet file, and what is told of them.
async fn fault_of(bytes: Vec<u8>) -> (&'static str, String) {
    let (open, file) = stored(bytes).await;
    let error = footer(&open, &file).await.unwrap_err();
    assert!(error.to_string().contains("`memory:///data/part.parquet`"), "{error}");
    (error.code(), error.to_string())
}

#[tokio::test]
async fn damaged_files_are_told_apart() {
    let whole = parquet(
        &[batch(vec![("n", array(Int64Array::from(vec![1; 1_000])))])],
        WriterProperties::default(),
    );
    let mut encrypted = whole.clone();
    let end = encrypted.len();
    encrypted[end - 1] = b'E';
    let mut garbled = whole.clone();
    for byte in &mut garbled[end - 60..end - 8] {
        *byte = 0xff;
    }
    let mut too_long = whole.clone();
    too_long[end - 8..end - 4].copy_from_slice(&u32::MAX.to_le_bytes());
    let cases = [
        (Vec::new(), "HW-T011", "it is empty"),
        (b"PAR1".to_vec(), "HW-T011", "no footer"),
        (whole[..end - 1].to_vec(), "HW-T011", "no footer"),
        (whole[..end / 2].to_vec(), "HW-T011", "no footer"),
        (b"a,b\n1,2\n3,4\n5,6\n".to_vec(), "HW-T012", "is not a Parquet file"),
        (b"x".to_vec(), "HW-T012", "is not a Parquet file"),
        (encrypted, "HW-T013", "its footer is encrypted"),
        (garbled, "HW-T013", "cannot be read as Parquet"),
        (too_long, "HW-T011", "its footer claims 4294967295 bytes"),
    ];
    for (bytes, code, text) in cases {
        let (found, message) = fault_of(bytes).await;
        assert_eq!(found, code, "{message}");
        assert!(message.contains(text), "{message}");
    }
}

#[tokio::test]
async fn vanished_and_changed_files_are_told_apart() {
    let whole = parquet(
        &[batch(vec![("n", array(Int64Array::from(vec![1; 1_000])))])],
        WriterProperties::default(),
    );
    let (open, file) = stored(whole.clone()).await;
    for (bytes, size) in [(&whole[..100], 100), (&whole[..5], 5)] {
        open.store
            .put(&file.object, PutPayload::from(bytes.to_vec()))
            .await
            .unwrap();
        let error = footer(&open, &file).await.unwrap_err();
        assert_eq!(error.code(), "HW-T014");
        assert!(
            error
                .to_string()
                .ends_with(&format!("{} bytes expected, {size} found", whole.len())),
            "{error}"
        );
    }
    let longer = [&b"PAR1"[..], &whole[..]].concat();
    open.store.put(&file.object, PutPayload::from(longer)).await.unwrap();
    assert_eq!(footer(&open, &file).await.unwrap_err().code(), "HW-T014");
    open.store.delete(&file.object).await.unwrap();
    let error = footer(&open, &file).await.unwrap_err();
    assert_eq!((error.code(), error.fault()), ("HW-T010", crate::Fault::Data));
}

#[tokio::test]
async fn an_embedded_schema_that_makes_no_sense_is_told() {
    let rows = batch(vec![
        ("n", array(Int64Array::from(vec![1; 10]))),
        ("t", array(StringArray::from(vec!["x"; 10]))),
    ]);
    let text = parquet::arrow::encode_arrow_schema(&rows.schema());
    let mut errors = 0;
    for place in 0..text.len() {
        let mut damaged = text.clone();
        damaged.replace_range(place..=place, if &text[place..=place] == "i" { "Z" } else { "i" });
        let schema = KeyValue::new("ARROW:schema".to_owned(), damaged);
        let properties = WriterProperties::builder().set_key_value_metadata(Some(vec![schema]));
        let options = ArrowWriterOptions::new()
            .with_properties(properties.build())
            .with_skip_arrow_metadata(true);
        let mut bytes = Vec::new();
        let mut writer = ArrowWriter::try_new_with_options(&mut bytes, rows.schema(), options).unwrap();
        writer.write(&rows).unwrap();
        writer.close().unwrap();
        let (open, file) = stored(bytes).await;
        if let Err(error) = footer(&open, &file).await {
            assert_eq!(error.fault(), crate::Fault::Data, "{error}");
            errors += 1;
        }
    }
    assert!(errors > 10, "{errors} errors");
}
