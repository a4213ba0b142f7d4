#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]
use std::sync::Arc;

use arrow::array::*;
use arrow::buffer::{NullBuffer, OffsetBuffer, ScalarBuffer};
use arrow::compute::cast;
use arrow::datatypes::*;
use expect_test::{Expect, expect};
use futures::{StreamExt, TryStreamExt};

use super::*;
use bytes::Bytes;

fn batch_of(column: ArrayRef) -> RecordBatch {
    RecordBatch::try_from_iter_with_nullable([("c", column, true)]).unwrap()
}

fn encoded(batches: Vec<Result<RecordBatch, QueryError>>, format: RowFormat) -> Result<Vec<Bytes>, QueryError> {
    let schema = batches
        .iter()
        .flatten()
        .next()
        .map_or_else(|| Arc::new(Schema::empty()), RecordBatch::schema);
    let stream = encode(schema, futures::stream::iter(batches).boxed(), format, None)?;
    futures::executor::block_on(stream.try_collect())
}

fn text_of(batch: RecordBatch, format: RowFormat) -> String {
    String::from_utf8(encoded(vec![Ok(batch)], format).unwrap().concat()).unwrap()
}

/// The column as JSON values and as CSV fields, a line each.
#[track_caller]
fn check(column: impl Array + 'static, json: &str, csv: &str) {
    let batch = batch_of(Arc::new(column));
    let lines = text_of(batch.clone(), RowFormat::JsonLines);
    let values: Vec<&str> = lines.lines().map(|line| &line[5..line.len() - 1]).collect();
    assert_eq!(values.join(" "), json);
    for value in values {
        serde_json::from_str::<serde_json::Value>(value).unwrap();
    }
    let fields = text_of(batch, RowFormat::Csv(LineEnd::Lf));
    assert_eq!(
        fields
            .strip_prefix("c\n")
            .unwrap()
            .strip_suffix('\n')
            .unwrap()
            .replace('\n', " "),
        csv
    );
}

#[test]
fn integers_keep_all_digits() {
    check(
        Int8Array::from(vec![Some(-128), None, Some(127)]),
        "-128 null 127",
        "-128  127",
    );
    check(
        Int64Array::from(vec![i64::MIN, i64::MAX]),
        "-9223372036854775808 9223372036854775807",
        "-9223372036854775808 9223372036854775807",
    );
    check(
        UInt64Array::from(vec![u64::MAX]),
        "18446744073709551615",
        "18446744073709551615",
    );
    check(Int16Array::from(vec![1]), "1", "1");
    check(Int32Array::from(vec![1]), "1", "1");
    check(UInt8Array::from(vec![255]), "255", "255");
    check(UInt16Array::from(vec![1]), "1", "1");
    check(UInt32Array::from(vec![1]), "1", "1");
}

#[test]
fn floats_are_shortest_and_words_where_not_finite() {
    check(
        Float64Array::from(vec![
            1.0,
            0.1,
            -0.0,
            1e300,
            1e-7,
            f64::MAX,
            f64::NAN,
            f64::INFINITY,
            f64::NEG_INFINITY,
        ]),
        r#"1.0 0.1 -0.0 1e300 1e-7 1.7976931348623157e308 "NaN" "Infinity" "-Infinity""#,
        "1.0 0.1 -0.0 1e300 1e-7 1.7976931348623157e308 NaN Infinity -Infinity",
    );
    check(
        Float32Array::from(vec![Some(0.1), None, Some(f32::NAN)]),
        r#"0.1 null "NaN""#,
        "0.1  NaN",
    );
    let half = cast(&Float32Array::from(vec![1.5]), &DataType::Float16).unwrap();
    check(half.as_primitive::<Float16Type>().clone(), "1.5", "1.5");
}

#[test]
fn decimals_keep_all_digits_and_their_scale() {
    let decimal = |values: Vec<i128>, precision, scale| {
        Decimal128Array::from(values)
            .with_precision_and_scale(precision, scale)
            .unwrap()
    };
    check(
        decimal(vec![123, -5, 0, 100], 10, 2),
        "1.23 -0.05 0.00 1.00",
        "1.23 -0.05 0.00 1.00",
    );
    check(decimal(vec![7], 10, 0), "7", "7");
    check(decimal(vec![12, 0, -3], 10, -2), "1200 0 -300", "1200 0 -300");
    check(decimal(vec![99_999], 5, 5), "0.99999", "0.99999");
    let most = "12345678901234567890123456789012345678";
    check(decimal(vec![most.parse().unwrap()], 38, 0), most, most);
    let wide = Decimal256Array::from(vec![i256::MAX]).with_precision_and_scale(76, 10);
    drop(wide);
    check(
        Decimal32Array::from(vec![-1]).with_precision_and_scale(9, 3).unwrap(),
        "-0.001",
        "-0.001",
    );
    check(
        Decimal64Array::from(vec![12_345])
            .with_precision_and_scale(18, 3)
            .unwrap(),
        "12.345",
        "12.345",
    );
    let big = Decimal256Array::from(vec![
        i256::from_string("-123456789012345678901234567890123456789012").unwrap(),
    ]);
    let big = big.with_precision_and_scale(76, 2).unwrap();
    check(
        big,
        "-1234567890123456789012345678901234567890.12",
        "-1234567890123456789012345678901234567890.12",
    );
}

#[test]
fn truth_values_and_nothing() {
    check(
        BooleanArray::from(vec![Some(true), None, Some(false)]),
        "true null false",
        "true  false",
    );
    check(NullArray::new(2), "null null", " ");
}

#[test]
fn texts_are_escaped_where_json_demands_it() {
    let values = vec![
        Some("plain"),
        Some(""),
        None,
        Some("say \"hi\"\\\n\t\r\u{1}"),
        Some("ünï → 🚀"),
    ];
    let json = r#""plain" "" null "say \"hi\"\\\n\t\r\u0001" "ünï → 🚀""#;
    let csv = "plain \"\"  \"say \"\"hi\"\"\\ \t\r\u{1}\" ünï → 🚀";
    check(StringArray::from(values.clone()), json, csv);
    check(LargeStringArray::from(values.clone()), json, csv);
    check(StringViewArray::from(values), json, csv);
}

#[test]
fn csv_quotes_what_could_be_misread() {
    let values = vec!["a,b", " lead", "trail ", "\u{feff}", "cr\r", "null", "-1"];
    let fields = text_of(
        batch_of(Arc::new(StringArray::from(values))),
        RowFormat::Csv(LineEnd::CrLf),
    );
    expect![[r#""c\r\n\"a,b\"\r\n\" lead\"\r\n\"trail \"\r\n\u{feff}\r\n\"cr\r\"\r\nnull\r\n-1\r\n""#]]
        .assert_eq(&format!("{fields:?}"));
}

#[test]
fn binaries_are_base64() {
    let values: Vec<Option<&[u8]>> = vec![Some(b"\x00\xff\x10"), Some(b""), None];
    let json = r#""AP8Q" "" null"#;
    check(BinaryArray::from(values.clone()), json, "AP8Q \"\" ");
    check(LargeBinaryArray::from(values.clone()), json, "AP8Q \"\" ");
    check(BinaryViewArray::from(values), json, "AP8Q \"\" ");
    check(
        FixedSizeBinaryArray::try_from_iter([[1_u8, 2].as_slice()].into_iter()).unwrap(),
        "\"AQI=\"",
        "AQI=",
    );
}

#[test]
fn timestamps_are_rfc_3339_and_have_a_suffix_only_with_a_zone() {
    check(
        TimestampSecondArray::from(vec![Some(0), None, Some(-1)]),
        r#""1970-01-01T00:00:00" null "1969-12-31T23:59:59""#,
        "1970-01-01T00:00:00  1969-12-31T23:59:59",
    );
    check(
        TimestampMillisecondArray::from(vec![1_500]),
        r#""1970-01-01T00:00:01.500""#,
        "1970-01-01T00:00:01.500",
    );
    check(
        TimestampMicrosecondArray::from(vec![1]),
        r#""1970-01-01T00:00:00.000001""#,
        "1970-01-01T00:00:00.000001",
    );
    check(
        TimestampNanosecondArray::from(vec![1]),
        r#""1970-01-01T00:00:00.000000001""#,
        "1970-01-01T00:00:00.000000001",
    );
    let utc = TimestampSecondArray::from(vec![0]).with_timezone("UTC");
    check(utc, r#""1970-01-01T00:00:00Z""#, "1970-01-01T00:00:00Z");
    let vienna = TimestampSecondArray::from(vec![0]).with_timezone("Europe/Vienna");
    check(vienna, r#""1970-01-01T01:00:00+01:00""#, "1970-01-01T01:00:00+01:00");
    let offset = TimestampSecondArray::from(vec![0]).with_timezone("-03:30");
    check(offset, r#""1969-12-31T20:30:00-03:30""#, "1969-12-31T20:30:00-03:30");
}

#[test]
fn a_point_beyond_the_calendar_is_an_error_not_a_null() {
    let error = encoded(
        vec![Ok(batch_of(Arc::new(TimestampSecondArray::from(vec![i64::MAX]))))],
        RowFormat::Json,
    );
    assert_eq!(error.unwrap_err().code(), "HW-Q016");
    let zone = TimestampSecondArray::from(vec![0]).with_timezone("Nowhere/Land");
    assert_eq!(
        encoded(vec![Ok(batch_of(Arc::new(zone)))], RowFormat::Json)
            .unwrap_err()
            .code(),
        "HW-Q016"
    );
}

#[test]
fn days_and_times() {
    check(
        Date32Array::from(vec![Some(19_782), None, Some(-719_162)]),
        r#""2024-02-29" null "0001-01-01""#,
        "2024-02-29  0001-01-01",
    );
    check(Date64Array::from(vec![86_400_000]), r#""1970-01-02""#, "1970-01-02");
    check(Time32SecondArray::from(vec![47_100]), r#""13:05:00""#, "13:05:00");
    check(
        Time32MillisecondArray::from(vec![47_100_250]),
        r#""13:05:00.250""#,
        "13:05:00.250",
    );
    check(
        Time64MicrosecondArray::from(vec![1]),
        r#""00:00:00.000001""#,
        "00:00:00.000001",
    );
    check(Time64NanosecondArray::from(vec![0]), r#""00:00:00""#, "00:00:00");
}

#[test]
fn durations_and_intervals_are_iso_8601() {
    check(
        DurationSecondArray::from(vec![3_723, 0, -60]),
        r#""PT1H2M3S" "PT0S" "-PT1M""#,
        "PT1H2M3S PT0S -PT1M",
    );
    check(DurationMillisecondArray::from(vec![1_500]), r#""PT1.5S""#, "PT1.5S");
    check(
        DurationMicrosecondArray::from(vec![1]),
        r#""PT0.000001S""#,
        "PT0.000001S",
    );
    check(
        DurationNanosecondArray::from(vec![i64::MIN]),
        r#""-PT2562047H47M16.854775808S""#,
        "-PT2562047H47M16.854775808S",
    );
    check(
        IntervalYearMonthArray::from(vec![14, -1, 0]),
        r#""P1Y2M" "P-1M" "PT0S""#,
        "P1Y2M P-1M PT0S",
    );
    let day_time = IntervalDayTimeArray::from(vec![IntervalDayTime::new(2, 1_000)]);
    check(day_time, r#""P2DT1S""#, "P2DT1S");
    let mixed = IntervalMonthDayNanoArray::from(vec![IntervalMonthDayNano::new(13, -2, -90_500_000_000)]);
    check(mixed, r#""P1Y1M-2DT-1M-30.5S""#, "P1Y1M-2DT-1M-30.5S");
}

#[test]
fn lists_of_every_layout_are_arrays() {
    let lists = || {
        let values = vec![Some(vec![Some(1), None]), None, Some(vec![])];
        ListArray::from_iter_primitive::<Int32Type, _, _>(values)
    };
    let json = "[1,null] null []";
    let csv = "\"[1,null]\"  []";
    check(lists(), json, csv);
    let item = || Arc::new(Field::new("item", DataType::Int32, true));
    for layout in [
        DataType::LargeList(item()),
        DataType::ListView(item()),
        DataType::LargeListView(item()),
    ] {
        let column = cast(&lists(), &layout).unwrap();
        assert_eq!(
            text_of(batch_of(column), RowFormat::Json),
            "[{\"c\":[1,null]},\n{\"c\":null},\n{\"c\":[]}]\n"
        );
    }
    let fixed = FixedSizeListArray::from_iter_primitive::<Int32Type, _, _>(vec![Some(vec![Some(1), Some(2)]), None], 2);
    check(fixed, "[1,2] null", "\"[1,2]\" ");
    check(lists().slice(2, 1), "[]", "[]");
}

#[test]
fn structs_and_maps_are_objects() {
    let structs = StructArray::try_new(
        Fields::from(vec![
            Field::new("a", DataType::Int32, true),
            Field::new("b \"q\"", DataType::Utf8, true),
        ]),
        vec![
            Arc::new(Int32Array::from(vec![1, 2])),
            Arc::new(StringArray::from(vec![Some("x"), None])),
        ],
        Some(NullBuffer::from(vec![true, false])),
    );
    check(
        structs.unwrap(),
        r#"{"a":1,"b \"q\"":"x"} null"#,
        r#""{""a"":1,""b \""q\"""":""x""}" "#,
    );
    let mut maps = MapBuilder::new(None, StringBuilder::new(), Int32Builder::new());
    maps.keys().append_value("k");
    maps.values().append_value(1);
    maps.append(true).unwrap();
    maps.append(false).unwrap();
    maps.append(true).unwrap();
    check(maps.finish(), r#"{"k":1} null {}"#, r#""{""k"":1}"  {}"#);
    let mut maps = MapBuilder::new(None, Int32Builder::new(), StringBuilder::new());
    maps.keys().append_value(5);
    maps.values().append_null();
    maps.append(true).unwrap();
    check(maps.finish(), r#"{"5":null}"#, r#""{""5"":null}""#);
    let empty = StructArray::new_empty_fields(1, None);
    check(empty, "{}", "{}");
}

#[test]
fn pointing_columns_show_their_values() {
    let dictionary: DictionaryArray<Int8Type> = vec![Some("a"), None, Some("b"), Some("a")].into_iter().collect();
    check(dictionary, r#""a" null "b" "a""#, "a  b a");
    let nulls =
        DictionaryArray::<Int32Type>::new(Int32Array::from(vec![None, None]), Arc::new(StringArray::new_null(0)));
    check(nulls, "null null", " ");
    let within = DictionaryArray::<Int8Type>::new(
        Int8Array::from(vec![1, 0]),
        Arc::new(StringArray::from(vec![None, Some("v")])),
    );
    check(within, r#""v" null"#, "v ");
    let runs: RunArray<Int32Type> = vec![Some("x"), Some("x"), None].into_iter().collect();
    check(runs.slice(1, 2), r#""x" null"#, "x ");
}

#[test]
fn unions_show_the_member_that_is_set() {
    let fields = UnionFields::try_new(
        [0, 5],
        [
            Field::new("i", DataType::Int32, true),
            Field::new("s", DataType::Utf8, true),
        ],
    );
    let fields = fields.unwrap();
    let children: Vec<ArrayRef> = vec![
        Arc::new(Int32Array::from(vec![Some(1), None])),
        Arc::new(StringArray::from(vec!["t"])),
    ];
    let dense = UnionArray::try_new(
        fields.clone(),
        ScalarBuffer::from(vec![0_i8, 5, 0]),
        Some(ScalarBuffer::from(vec![0_i32, 0, 1])),
        children,
    );
    check(dense.unwrap(), r#"1 "t" null"#, "1 t ");
    let children: Vec<ArrayRef> = vec![
        Arc::new(Int32Array::from(vec![1, 9])),
        Arc::new(StringArray::from(vec!["x", "t"])),
    ];
    let sparse = UnionArray::try_new(fields, ScalarBuffer::from(vec![0_i8, 5]), None, children);
    check(sparse.unwrap(), r#"1 "t""#, "1 t");
}

#[test]
fn deep_nesting_is_written_from_the_inside() {
    let inner = ListArray::from_iter_primitive::<Int32Type, _, _>(vec![Some(vec![Some(1)]), Some(vec![])]);
    let field = Arc::new(Field::new("item", inner.data_type().clone(), true));
    let outer = ListArray::new(field, OffsetBuffer::from_lengths([2]), Arc::new(inner), None);
    check(outer, "[[1],[]]", "\"[[1],[]]\"");
}

#[test]
fn empty_answers_are_whole_documents() {
    let empty = || RecordBatch::new_empty(Arc::new(Schema::new(vec![Field::new("c", DataType::Int32, true)])));
    assert_eq!(text_of(empty(), RowFormat::Json), "[]\n");
    assert_eq!(text_of(empty(), RowFormat::JsonLines), "");
    assert_eq!(text_of(empty(), RowFormat::Csv(LineEnd::Lf)), "c\n");
    assert_eq!(
        String::from_utf8(encoded(Vec::new(), RowFormat::Csv(LineEnd::Lf)).unwrap().concat()).unwrap(),
        ""
    );
}

#[test]
fn columns_of_one_name_are_refused_where_objects_are_written() {
    let schema = Arc::new(Schema::new(vec![
        Field::new("a", DataType::Int32, true),
        Field::new("a_2", DataType::Int32, true),
        Field::new("a", DataType::Int32, true),
    ]));
    let column = || Arc::new(Int32Array::from(vec![1])) as ArrayRef;
    let batch = RecordBatch::try_new(schema, vec![column(), column(), column()]).unwrap();
    let error = encoded(vec![Ok(batch.clone())], RowFormat::JsonLines).unwrap_err();
    expect![[r#"
        HW-Q022: 2 columns of the result are named `a`
            name them apart with AS, for instance `a_3`
    "#]]
    .assert_eq(&crate::testing::told(&error));
    assert_eq!(text_of(batch, RowFormat::Csv(LineEnd::Lf)), "a,a_2,a\n1,1,1\n");
}

fn failing() -> Vec<Result<RecordBatch, QueryError>> {
    let error = QueryError::Data {
        message: "division by zero".to_owned(),
    };
    vec![Ok(batch_of(Arc::new(Int32Array::from(vec![1])))), Err(error)]
}

#[test]
fn an_error_after_the_first_row_is_the_last_line_of_json_lines() {
    let text = String::from_utf8(encoded(failing(), RowFormat::JsonLines).unwrap().concat()).unwrap();
    expect![[r#"
        {"c":1}
        {"error":{"code":"HW-Q016","message":"division by zero","help":null,"errors":[{"code":"HW-Q016","message":"division by zero"}]}}
    "#]]
    .assert_eq(&text);
}

#[test]
fn an_error_breaks_the_other_formats() {
    for format in [
        RowFormat::Json,
        RowFormat::Csv(LineEnd::Lf),
        RowFormat::ArrowStream,
        RowFormat::Parquet,
    ] {
        assert_eq!(encoded(failing(), format).unwrap_err().code(), "HW-Q016");
    }
    let mut before_rows = failing();
    drop(before_rows.remove(0));
    assert_eq!(
        encoded(before_rows, RowFormat::JsonLines).unwrap_err().code(),
        "HW-Q016"
    );
}

#[test]
fn the_error_of_json_lines_takes_the_caller_s_form() {
    let schema = batch_of(Arc::new(Int32Array::from(vec![1]))).schema();
    let document: ErrorDocument = Box::new(|error| serde_json::json!({"status": 422, "code": error.code()}));
    let stream = encode(
        schema,
        futures::stream::iter(failing()).boxed(),
        RowFormat::JsonLines,
        Some(document),
    )
    .unwrap();
    let text = futures::executor::block_on(stream.try_collect::<Vec<_>>())
        .unwrap()
        .concat();
    assert_eq!(text, b"{\"c\":1}\n{\"error\":{\"status\":422,\"code\":\"HW-Q016\"}}\n");
}

#[test]
fn large_batches_are_cut_into_chunks() {
    let rows = 100_000;
    let column: ArrayRef = Arc::new(StringArray::from_iter_values(
        (0..rows).map(|row| format!("row number {row}")),
    ));
    for format in [RowFormat::Json, RowFormat::JsonLines, RowFormat::Csv(LineEnd::Lf)] {
        let chunks = encoded(vec![Ok(batch_of(Arc::clone(&column)))], format).unwrap();
        assert!(chunks.len() > 10, "{format:?} gives {} chunks", chunks.len());
        assert!(chunks.iter().all(|chunk| chunk.len() < (64 << 10) + 100));
        let text = String::from_utf8(chunks.concat()).unwrap();
        assert_eq!(text.matches("row number").count(), rows);
        assert!(text.contains("row number 99999"));
    }
    let json = encoded(vec![Ok(batch_of(column))], RowFormat::Json).unwrap().concat();
    assert_eq!(
        serde_json::from_slice::<Vec<serde_json::Value>>(&json).unwrap().len(),
        rows
    );
}

#[test]
fn arrow_comes_back_without_views() {
    let views: ArrayRef = Arc::new(StringViewArray::from(vec![
        Some("a text that is longer than twelve bytes"),
        None,
    ]));
    let dictionary: DictionaryArray<Int32Type> = vec![Some("x"), Some("y")].into_iter().collect();
    let list = {
        let mut builder = ListBuilder::new(StringViewBuilder::new());
        builder.append_value([Some("one"), None]);
        builder.append_null();
        builder.finish()
    };
    let columns: Vec<(&str, ArrayRef, bool)> = vec![
        ("t", views, true),
        ("d", Arc::new(dictionary), true),
        ("l", Arc::new(list), true),
    ];
    let batch = RecordBatch::try_from_iter_with_nullable(columns).unwrap();
    let bytes = encoded(vec![Ok(batch.clone()), Ok(batch)], RowFormat::ArrowStream)
        .unwrap()
        .concat();
    let read: Vec<RecordBatch> = arrow::ipc::reader::StreamReader::try_new(bytes.as_slice(), None)
        .unwrap()
        .collect::<Result<_, _>>()
        .unwrap();
    let told = |expected: Expect| {
        expected.assert_eq(&arrow::util::pretty::pretty_format_batches(&read).unwrap().to_string());
    };
    assert_eq!(read[0].schema().field(0).data_type(), &DataType::Utf8);
    told(expect![[r#"
        +-----------------------------------------+---+---------+
        | t                                       | d | l       |
        +-----------------------------------------+---+---------+
        | a text that is longer than twelve bytes | x | [one, ] |
        |                                         | y |         |
        | a text that is longer than twelve bytes | x | [one, ] |
        |                                         | y |         |
        +-----------------------------------------+---+---------+"#]]);
}

#[test]
fn parquet_is_one_file_of_plain_types() {
    let text = StringViewArray::from(vec![Some("a text that is longer than twelve bytes"), None]);
    let numbers = Int32Array::from(vec![1, 2]);
    let columns: Vec<(&str, ArrayRef, bool)> = vec![("t", Arc::new(text), true), ("n", Arc::new(numbers), false)];
    let batch = RecordBatch::try_from_iter_with_nullable(columns).unwrap();
    let bytes = encoded(vec![Ok(batch.clone()), Ok(batch)], RowFormat::Parquet)
        .unwrap()
        .concat();
    let reader = ::parquet::arrow::arrow_reader::ParquetRecordBatchReader::try_new(bytes::Bytes::from(bytes), 1024);
    let read: Vec<RecordBatch> = reader.unwrap().collect::<Result<_, _>>().unwrap();
    assert_eq!(read[0].schema().field(0).data_type(), &DataType::Utf8);
    let told = arrow::util::pretty::pretty_format_batches(&read).unwrap().to_string();
    expect![[r#"
        +-----------------------------------------+---+
        | t                                       | n |
        +-----------------------------------------+---+
        | a text that is longer than twelve bytes | 1 |
        |                                         | 2 |
        | a text that is longer than twelve bytes | 1 |
        |                                         | 2 |
        +-----------------------------------------+---+"#]]
    .assert_eq(&told);
}

#[test]
fn what_parquet_does_not_have_is_told() {
    let span = arrow_array::IntervalMonthDayNanoArray::from(vec![None]);
    let error = encoded(vec![Ok(batch_of(Arc::new(span)))], RowFormat::Parquet).unwrap_err();
    assert_eq!(error.code(), "HW-Q016");
    assert!(
        error.to_string().starts_with("the rows cannot be written as Parquet"),
        "{error}"
    );
}
