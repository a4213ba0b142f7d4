//! Codecs, page versions, dictionaries, nulls and types against each other.

use std::sync::Arc;

use arrow_array::builder::StringDictionaryBuilder;
use arrow_array::types::{Int32Type, TimestampMicrosecondType, TimestampMillisecondType, TimestampNanosecondType};
use arrow_array::{
    ArrayRef, BinaryArray, BooleanArray, Date32Array, Date64Array, Decimal128Array, DurationMillisecondArray,
    FixedSizeBinaryArray, Float32Array, Float64Array, Int8Array, Int16Array, Int32Array, Int64Array, LargeBinaryArray,
    LargeStringArray, ListArray, PrimitiveArray, RecordBatch, StringArray, StringViewArray, Time32MillisecondArray,
    Time64NanosecondArray, TimestampSecondArray, UInt8Array, UInt16Array, UInt32Array, UInt64Array,
};
use arrow_schema::{DataType, Field, Schema};
use parquet::basic::{BrotliLevel, Compression, GzipLevel, ZstdLevel};
use parquet::file::properties::{EnabledStatistics, WriterProperties, WriterPropertiesBuilder, WriterVersion};

use super::{check, write};

fn zstd() -> Compression {
    Compression::ZSTD(ZstdLevel::default())
}

fn codecs() -> [Compression; 7] {
    [
        Compression::UNCOMPRESSED,
        Compression::SNAPPY,
        Compression::GZIP(GzipLevel::default()),
        Compression::BROTLI(BrotliLevel::default()),
        Compression::LZ4,
        Compression::LZ4_RAW,
        zstd(),
    ]
}

const VERSIONS: [WriterVersion; 2] = [WriterVersion::PARQUET_1_0, WriterVersion::PARQUET_2_0];

/// How dictionaries are written.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Dictionaries {
    Off,
    On,
    /// Given up in the middle of a chunk.
    Fallback,
}

const DICTIONARIES: [Dictionaries; 3] = [Dictionaries::Off, Dictionaries::On, Dictionaries::Fallback];

/// Which rows are null.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Nulls {
    None,
    Some,
    All,
    /// Pages of values, then pages of nulls alone, then values again.
    Stretches,
}

const NULLS: [Nulls; 4] = [Nulls::None, Nulls::Some, Nulls::All, Nulls::Stretches];

impl Nulls {
    fn valid(self, row: usize, rows: usize) -> bool {
        match self {
            Self::None => true,
            Self::Some => !row.is_multiple_of(7) && row % 100 > 20,
            Self::All => false,
            Self::Stretches => row < rows / 3 || row > rows * 2 / 3,
        }
    }
}

fn properties(version: WriterVersion, dictionaries: Dictionaries, codec: Compression) -> WriterPropertiesBuilder {
    let limit = match dictionaries {
        Dictionaries::Fallback => 1200,
        _ => 1 << 20,
    };
    WriterProperties::builder()
        .set_writer_version(version)
        .set_compression(codec)
        .set_dictionary_enabled(dictionaries != Dictionaries::Off)
        .set_dictionary_page_size_limit(limit)
        .set_data_page_row_count_limit(300)
        .set_write_batch_size(100)
}

/// One column of each type, with values that repeat (so that dictionaries pay) from `start` on.
fn columns(rows: usize, start: usize, nulls: Nulls) -> Vec<(&'static str, ArrayRef)> {
    let numbers = || {
        (0..rows).map(move |row| {
            nulls
                .valid(row, rows)
                .then(|| ((start + row) as i64 * 7919 % 613) - 300)
        })
    };
    let texts: Vec<_> = numbers()
        .map(|number| number.map(|number| format!("text {}", "x".repeat((number % 20).unsigned_abs() as usize))))
        .collect();
    let bytes: Vec<_> = texts.iter().map(|text| text.as_ref().map(String::as_bytes)).collect();
    let mut kinds = StringDictionaryBuilder::<Int32Type>::new();
    texts.iter().for_each(|text| kinds.append_option(text.as_ref()));
    let millis = PrimitiveArray::<TimestampMillisecondType>::from_iter(numbers());
    vec![
        ("i64", Arc::new(Int64Array::from_iter(numbers()))),
        (
            "i32",
            Arc::new(numbers().map(|n| n.map(|n| n as i32)).collect::<Int32Array>()),
        ),
        (
            "u64",
            Arc::new(numbers().map(|n| n.map(|n| n as u64)).collect::<UInt64Array>()),
        ),
        (
            "u32",
            Arc::new(numbers().map(|n| n.map(|n| n as u32)).collect::<UInt32Array>()),
        ),
        (
            "f64",
            Arc::new(numbers().map(|n| n.map(|n| n as f64 / 8.0)).collect::<Float64Array>()),
        ),
        (
            "f32",
            Arc::new(numbers().map(|n| n.map(|n| n as f32 / 8.0)).collect::<Float32Array>()),
        ),
        ("millis", Arc::new(millis.clone())),
        ("millis_zone", Arc::new(millis.with_timezone("Europe/Berlin"))),
        (
            "micros",
            Arc::new(PrimitiveArray::<TimestampMicrosecondType>::from_iter(numbers())),
        ),
        (
            "nanos",
            Arc::new(PrimitiveArray::<TimestampNanosecondType>::from_iter(numbers())),
        ),
        (
            "date",
            Arc::new(numbers().map(|n| n.map(|n| n as i32)).collect::<Date32Array>()),
        ),
        (
            "time32",
            Arc::new(
                numbers()
                    .map(|n| n.map(|n| n as i32 + 400))
                    .collect::<Time32MillisecondArray>(),
            ),
        ),
        (
            "time64",
            Arc::new(numbers().map(|n| n.map(|n| n + 400)).collect::<Time64NanosecondArray>()),
        ),
        ("duration", Arc::new(numbers().collect::<DurationMillisecondArray>())),
        (
            "bool",
            Arc::new(numbers().map(|n| n.map(|n| n % 3 == 0)).collect::<BooleanArray>()),
        ),
        ("utf8", Arc::new(StringArray::from_iter(&texts))),
        ("large_utf8", Arc::new(LargeStringArray::from_iter(&texts))),
        ("utf8_view", Arc::new(StringViewArray::from_iter(&texts))),
        ("binary", Arc::new(BinaryArray::from_iter(bytes.clone()))),
        ("large_binary", Arc::new(LargeBinaryArray::from_iter(bytes))),
        ("kind", Arc::new(kinds.finish())),
    ]
}

fn batch(columns: Vec<(&'static str, ArrayRef)>, nullable: bool) -> RecordBatch {
    let fields = columns
        .iter()
        .map(|(name, array)| Field::new(*name, array.data_type().clone(), nullable));
    let schema = Schema::new(fields.collect::<Vec<_>>());
    let arrays = columns.into_iter().map(|(_, array)| array).collect();
    RecordBatch::try_new(Arc::new(schema), arrays).unwrap()
}

fn flat_type(data_type: &DataType) -> &DataType {
    match data_type {
        DataType::Dictionary(_, values) => values,
        other => other,
    }
}

#[test]
fn every_form_of_page_gives_what_the_parquet_crate_gives() {
    for version in VERSIONS {
        for dictionaries in DICTIONARIES {
            for nulls in NULLS {
                let file = |codec, nullable| {
                    let properties = properties(version, dictionaries, codec).build();
                    let batches = [1_700, 450].map(|rows| batch(columns(rows, rows, nulls), nullable));
                    write(&batches, properties)
                };
                let told = check(&file(zstd(), true));
                for (column, (data_type, by_pages)) in told.iter().enumerate() {
                    let keyed = matches!(data_type, DataType::Dictionary(..));
                    let name = columns(1, 0, nulls)[column].0;
                    let text = matches!(flat_type(data_type), DataType::Utf8 | DataType::Binary);
                    // The second version codes lengths of text as differences, and its truth values as runs.
                    let here = !text || version == WriterVersion::PARQUET_1_0 || keyed;
                    assert!(*by_pages || !here, "{version:?} {dictionaries:?} {nulls:?}: {name}");
                    if dictionaries == Dictionaries::Off {
                        assert!(!keyed, "{version:?} {nulls:?}: {name}");
                    }
                    if dictionaries == Dictionaries::On && name != "bool" {
                        assert!(keyed, "{version:?} {nulls:?}: {name}");
                    }
                }
                if nulls == Nulls::None {
                    check(&file(Compression::SNAPPY, false));
                }
            }
        }
    }
}

#[test]
fn every_codec_unfolds() {
    for codec in codecs() {
        for version in VERSIONS {
            for nulls in [Nulls::None, Nulls::Some] {
                let properties = properties(version, Dictionaries::Fallback, codec).build();
                let told = check(&write(&[batch(columns(900, 5, nulls), true)], properties));
                let by_pages = told.iter().all(|(_, by_pages)| *by_pages);
                assert_eq!(by_pages, codec != Compression::LZ4, "{codec:?} {version:?} {nulls:?}");
            }
        }
    }
}

#[test]
fn row_groups_of_any_size_are_read() {
    for rows in [0, 1, 2, 7, 8, 9, 63, 64, 65, 299, 300, 301] {
        for version in VERSIONS {
            for dictionaries in DICTIONARIES {
                let properties = properties(version, dictionaries, Compression::SNAPPY).build();
                let batches = [rows, 3].map(|rows| batch(columns(rows, 1, Nulls::None), true));
                check(&write(&batches, properties));
            }
        }
    }
}

#[test]
fn other_columns_go_through_the_general_reader() {
    let numbers = || (0..500).map(|row| (row % 5 != 0).then_some(row));
    let list = ListArray::from_iter_primitive::<Int32Type, _, _>(numbers().map(|n| n.map(|n| vec![Some(n), None])));
    let decimal = numbers().map(|n| n.map(i128::from)).collect::<Decimal128Array>();
    let fixed = FixedSizeBinaryArray::try_from_sparse_iter_with_size(numbers().map(|n| n.map(|n| n.to_le_bytes())), 4);
    let columns: Vec<(&'static str, ArrayRef)> = vec![
        ("list", Arc::new(list)),
        ("decimal", Arc::new(decimal.with_precision_and_scale(20, 2).unwrap())),
        ("fixed", Arc::new(fixed.unwrap())),
        (
            "i8",
            Arc::new(numbers().map(|n| n.map(|n| n as i8)).collect::<Int8Array>()),
        ),
        (
            "i16",
            Arc::new(numbers().map(|n| n.map(|n| n as i16)).collect::<Int16Array>()),
        ),
        (
            "u8",
            Arc::new(numbers().map(|n| n.map(|n| n as u8)).collect::<UInt8Array>()),
        ),
        (
            "u16",
            Arc::new(numbers().map(|n| n.map(|n| n as u16)).collect::<UInt16Array>()),
        ),
        (
            "date64",
            Arc::new(
                numbers()
                    .map(|n| n.map(|n| i64::from(n) * 86_400_000))
                    .collect::<Date64Array>(),
            ),
        ),
    ];
    for version in VERSIONS {
        let properties = properties(version, Dictionaries::On, Compression::SNAPPY).build();
        let told = check(&write(&[batch(columns.clone(), true)], properties));
        assert!(told.iter().all(|(_, by_pages)| !by_pages), "{told:?}");
    }
}

#[test]
fn seconds_are_read_as_they_were_written() {
    let seconds = TimestampSecondArray::from_iter_values(0..500);
    let file = write(
        &[batch(vec![("seconds", Arc::new(seconds))], true)],
        WriterProperties::builder().build(),
    );
    check(&file);
}

#[test]
fn keys_are_as_narrow_as_the_dictionary_allows() {
    for (entries, keys) in [
        (1, DataType::UInt8),
        (256, DataType::UInt8),
        (257, DataType::UInt16),
        (65_536, DataType::UInt16),
        (65_537, DataType::UInt32),
    ] {
        let numbers = Int64Array::from_iter_values((0..70_000).map(|row| row % entries));
        let properties = WriterProperties::builder()
            .set_compression(zstd())
            .set_statistics_enabled(EnabledStatistics::None)
            .build();
        let told = check(&write(&[batch(vec![("n", Arc::new(numbers))], true)], properties));
        let expected = DataType::Dictionary(Box::new(keys), Box::new(DataType::Int64));
        assert_eq!(told, [(expected, true)]);
    }
}

#[test]
fn dictionaries_are_read_alone() {
    let batch = batch(columns(1_000, 0, Nulls::Some), true);
    let properties = properties(WriterVersion::PARQUET_1_0, Dictionaries::On, Compression::SNAPPY).build();
    let file = write(&[batch], properties);
    let reader = super::open(&file).unwrap();
    let buffers = super::Buffers::default();
    let values = reader.dictionary(0, 0, &buffers).unwrap().unwrap();
    let alone = reader.bytes_read();
    let read = reader.read(0, 0, &buffers).unwrap();
    assert_eq!(
        &values,
        arrow_array::cast::AsArray::as_any_dictionary(read.array.as_ref()).values()
    );
    let whole = reader.bytes_read() - alone;
    assert!(alone < whole, "{alone} bytes for the dictionary, {whole} for all");
}

#[test]
fn what_is_not_there_is_told() {
    let file = write(&[batch(columns(10, 0, Nulls::None), true)], WriterProperties::default());
    let reader = super::open(&file).unwrap();
    let buffers = super::Buffers::default();
    let error = reader.read(1, 0, &buffers).unwrap_err();
    assert_eq!(
        error.to_string(),
        "file `memory.parquet` cannot be read as Parquet: it has no row group 1"
    );
    let error = reader.dictionary(0, 99, &buffers).unwrap_err();
    assert!(error.to_string().ends_with("it has no column 99"), "{error}");
    assert_eq!((reader.rows(0), reader.rows(1)), (10, 0));
}
