//! Encodings that a writer chooses when it is told to.

use std::sync::Arc;

use arrow_array::{
    ArrayRef, BooleanArray, Date32Array, Float64Array, Int32Array, Int64Array, RecordBatch, StringArray,
    TimestampMillisecondArray,
};
use bytes::Bytes;
use parquet::basic::{Compression, Encoding};
use parquet::file::properties::{WriterProperties, WriterVersion};

use super::{check, write};

const VERSIONS: [WriterVersion; 2] = [WriterVersion::PARQUET_1_0, WriterVersion::PARQUET_2_0];

fn file(array: ArrayRef, encoding: Encoding, version: WriterVersion) -> Bytes {
    let batch = RecordBatch::try_from_iter_with_nullable([("column", array, true)]).unwrap();
    let properties = WriterProperties::builder()
        .set_writer_version(version)
        .set_compression(Compression::SNAPPY)
        .set_dictionary_enabled(false)
        .set_encoding(encoding)
        .set_data_page_row_count_limit(1000)
        .set_write_batch_size(500)
        .build();
    write(&[batch], properties)
}

#[track_caller]
fn check_column(array: impl arrow_array::Array + 'static, encoding: Encoding, by_pages: bool) {
    let array: ArrayRef = Arc::new(array);
    for version in VERSIONS {
        let told = check(&file(array.clone(), encoding, version));
        assert_eq!(told, [(array.data_type().clone(), by_pages)], "{encoding} {version:?}");
    }
}

/// Numbers whose differences have from none to all bits.
fn numbers() -> Vec<i64> {
    let jumps = [0, 1, -1, 100, -70_000, 1 << 31, 1 << 33, i64::MAX, i64::MIN, 1 << 57];
    let mut value = 0i64;
    let mut numbers = Vec::new();
    for jump in jumps {
        for step in 0..260i64 {
            value = value.wrapping_add(jump.wrapping_mul(step % 5));
            numbers.push(value);
        }
    }
    numbers
}

#[test]
fn differences_of_every_width_add_up() {
    check_column(Int64Array::from(numbers()), Encoding::DELTA_BINARY_PACKED, true);
    let small = numbers().into_iter().map(|number| number as i32);
    check_column(Int32Array::from_iter_values(small), Encoding::DELTA_BINARY_PACKED, true);
    for count in [1, 2, 31, 32, 33, 127, 128, 129, 256, 257] {
        let times = (0..count).map(|row| 1_700_000_000_000 + row * row * 31 % 977);
        let times = TimestampMillisecondArray::from_iter_values(times);
        check_column(times, Encoding::DELTA_BINARY_PACKED, true);
    }
}

#[test]
fn differences_with_nulls_add_up() {
    let numbers = numbers().into_iter().enumerate();
    let some: Int64Array = numbers.map(|(row, number)| (row % 3 != 0).then_some(number)).collect();
    check_column(some, Encoding::DELTA_BINARY_PACKED, true);
    let dates: Date32Array = (0..3000)
        .map(|day| (!(1000..2000).contains(&day)).then_some(day))
        .collect();
    check_column(dates, Encoding::DELTA_BINARY_PACKED, true);
}

#[test]
fn truth_values_come_as_runs_or_bits() {
    let runs = || (0..2500).map(|row| (row / 700) % 2 == 0);
    let bits = || (0..2500).map(|row| row % 3 == 0);
    for encoding in [Encoding::PLAIN, Encoding::RLE] {
        check_column(BooleanArray::from_iter(runs().map(Some)), encoding, true);
        let nulls = bits().enumerate().map(|(row, value)| (row % 11 != 0).then_some(value));
        check_column(BooleanArray::from_iter(nulls), encoding, true);
    }
}

#[test]
fn rare_encodings_go_through_the_general_reader() {
    let halves = Float64Array::from_iter_values(numbers().into_iter().map(|number| number as f64 / 2.0));
    check_column(halves, Encoding::BYTE_STREAM_SPLIT, false);
    let texts = || StringArray::from_iter_values(numbers().into_iter().map(|number| format!("a text, {number}")));
    check_column(texts(), Encoding::DELTA_BYTE_ARRAY, false);
    check_column(texts(), Encoding::DELTA_LENGTH_BYTE_ARRAY, false);
    check_column(texts(), Encoding::PLAIN, true);
}
