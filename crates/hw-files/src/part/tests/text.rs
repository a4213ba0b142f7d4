//! Text beyond what short offsets reach: the limit is lowered, so that no test needs gigabytes.

use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::{Array, ArrayRef, RecordBatch, StringArray};
use arrow_schema::DataType;
use parquet::basic::Compression;
use parquet::file::properties::WriterProperties;

use super::super::chunk::{Opener, Shape, pages};
use super::super::codec::{Codec, Decoders};
use super::super::{Buffers, values};
use super::{open, write};

/// The type read with this limit, after comparing the values.
fn type_with(limit: usize, dictionary_bytes: usize) -> DataType {
    let texts: Vec<Option<String>> = (0..300)
        .map(|row| (row % 3 != 0).then(|| format!("text {}", row % 100)))
        .collect();
    let column: ArrayRef = Arc::new(StringArray::from(texts.clone()));
    let batch = RecordBatch::try_from_iter([("text", column)]).unwrap();
    let properties = WriterProperties::builder()
        .set_compression(Compression::SNAPPY)
        .set_dictionary_page_size_limit(dictionary_bytes)
        .set_data_page_row_count_limit(50)
        .set_write_batch_size(10)
        .build();
    let file = write(&[batch], properties);
    let reader = open(&file).unwrap();
    let leaf = reader.inner.layout.leaves[0].clone().unwrap();
    let (start, length) = reader.metadata().row_group(0).column(0).byte_range();
    let start = usize::try_from(start).unwrap();
    let bytes = &file[start..start + usize::try_from(length).unwrap()];
    let shape = Shape {
        rows: 300,
        unfolded: 0,
        codec: Codec::Snappy,
        nullable: true,
        short_text_bytes_max: limit,
    };
    let pages = pages(bytes, &shape).unwrap();
    let buffers = Buffers::default();
    let mut decoders = Decoders::default();
    let array = values::read(&leaf, &pages, &mut Opener::new(bytes, shape, &mut decoders, &buffers)).unwrap();
    let read: Vec<_> = match array.data_type() {
        DataType::LargeUtf8 => array.as_string::<i64>().iter().collect(),
        _ => array.as_string::<i32>().iter().collect(),
    };
    assert!(read.into_iter().eq(texts.iter().map(Option::as_deref)));
    array.data_type().clone()
}

#[test]
fn long_text_has_long_offsets() {
    // Plain pages alone, and dictionary-coded ones followed by plain ones: 200 texts of 6 or 7 bytes.
    for dictionary_bytes in [1, 200] {
        assert_eq!(type_with(10_000, dictionary_bytes), DataType::Utf8);
        assert_eq!(type_with(1000, dictionary_bytes), DataType::LargeUtf8);
        assert_eq!(type_with(10, dictionary_bytes), DataType::LargeUtf8);
    }
}
