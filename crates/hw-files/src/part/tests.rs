//! Tests of the part reader against the Parquet crate, its slow twin.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod buffers;
mod damage;
mod encodings;
mod foreign;
mod header;
mod random;
mod round_trip;
mod sources;
mod text;
mod unpack;

use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::{Array, ArrayRef, RecordBatch};
use arrow_schema::{DataType, Schema};
use arrow_select::take::take;
use bytes::Bytes;
use parquet::arrow::ArrowWriter;
use parquet::arrow::arrow_reader::{ArrowReaderMetadata, ArrowReaderOptions, ParquetRecordBatchReaderBuilder};
use parquet::file::properties::WriterProperties;

use super::column::plain_type;
use super::{Buffers, Codes, ColumnValues, PartReader, ReadRange};
use crate::FileError;

/// A file in memory.
pub(super) struct Memory(pub(super) Bytes);

impl ReadRange for Memory {
    fn shown(&self) -> &str {
        "memory.parquet"
    }

    fn size(&self) -> u64 {
        self.0.len() as u64
    }

    fn read(&self, offset: u64, into: &mut [u8]) -> Result<(), FileError> {
        let start = usize::try_from(offset).unwrap();
        let end = start.checked_add(into.len());
        match end.and_then(|end| self.0.get(start..end)) {
            Some(bytes) => into.copy_from_slice(bytes),
            None => {
                return Err(FileError::Changed {
                    file: self.shown().to_owned(),
                    expected: self.size(),
                    found: self.size(),
                });
            }
        }
        Ok(())
    }
}

fn open(file: &Bytes) -> Result<PartReader, FileError> {
    PartReader::open(Arc::new(Memory(file.clone())))
}

/// A file whose row groups are the batches.
fn write(batches: &[RecordBatch], properties: WriterProperties) -> Bytes {
    let mut writer = ArrowWriter::try_new(Vec::new(), batches[0].schema(), Some(properties)).unwrap();
    for batch in batches {
        writer.write(batch).unwrap();
        writer.flush().unwrap();
    }
    writer.into_inner().unwrap().into()
}

/// Values of a dictionary array row by row; other arrays as they are.
fn flattened(array: &ArrayRef) -> ArrayRef {
    match array.as_any_dictionary_opt() {
        Some(dictionary) => take(dictionary.values(), dictionary.keys(), None).unwrap(),
        None => array.clone(),
    }
}

/// What the Parquet crate reads, plain, by row group and column.
fn expected(file: &Bytes) -> Result<Vec<Vec<ArrayRef>>, parquet::errors::ParquetError> {
    let metadata = ArrowReaderMetadata::load(file, ArrowReaderOptions::new())?;
    let fields = metadata.schema().fields().iter();
    let fields: Vec<_> = fields
        .map(|field| {
            let plain = plain_type(field.data_type()).clone();
            Arc::new(field.as_ref().clone().with_data_type(plain))
        })
        .collect();
    let schema = Schema::new_with_metadata(fields, metadata.schema().metadata().clone());
    let options = ArrowReaderOptions::new().with_schema(Arc::new(schema));
    let metadata = ArrowReaderMetadata::try_new(metadata.metadata().clone(), options)?;
    (0..metadata.metadata().num_row_groups())
        .map(|row_group| {
            let reader = ParquetRecordBatchReaderBuilder::new_with_metadata(file.clone(), metadata.clone());
            let reader = reader.with_row_groups(vec![row_group]).build()?;
            let schema = metadata.schema().clone();
            let batches = reader.collect::<Result<Vec<_>, _>>()?;
            let batch = arrow_select::concat::concat_batches(&schema, &batches)?;
            Ok(batch.columns().to_vec())
        })
        .collect()
}

/// Reads all and compares it with the Parquet crate; returns for each column the types and whether pages were decoded
/// here, of the first row group.
#[track_caller]
fn check(file: &Bytes) -> Vec<(DataType, bool)> {
    let expected = expected(file).unwrap();
    let buffers = Buffers::default();
    let reader = open(file).unwrap();
    assert_eq!(reader.row_groups(), expected.len());
    let mut told = Vec::new();
    for (row_group, columns) in expected.iter().enumerate() {
        for (column, expected) in columns.iter().enumerate() {
            let name = reader.schema().field(column).name().clone();
            let read = reader.read(row_group, column, &buffers);
            let read = read.unwrap_or_else(|error| panic!("{name} of row group {row_group}: {error}"));
            assert_eq!(&flattened(&read.array), expected, "{name} of row group {row_group}");
            assert_eq!(
                read.array.nulls().is_some(),
                read.array.null_count() > 0,
                "{name}: a null buffer where there are nulls, and there alone"
            );
            check_dictionary(&reader, row_group, column, &read.array);
            check_codes(&reader, row_group, column, &read.array);
            if row_group == 0 {
                told.push((read.array.data_type().clone(), read.by_pages));
            }
        }
    }
    drop(reader);
    assert_eq!(buffers.lent_size(), 0, "all memory came back");
    told
}

/// Bare codes stand for the same values, in the narrowest width that has room for null too.
#[track_caller]
fn check_codes(reader: &PartReader, row_group: usize, column: usize, array: &ArrayRef) {
    let buffers = Buffers::default();
    let (codes, entries) = match reader.read_codes(row_group, column, &buffers).unwrap() {
        ColumnValues::Flat(flat) => {
            assert!(array.as_any_dictionary_opt().is_none());
            assert_eq!(&flat, array);
            return;
        }
        ColumnValues::Coded { codes, entries } => (codes, entries),
    };
    let dictionary = array.as_any_dictionary_opt().expect("all pages are dictionary-coded");
    assert_eq!(&entries, dictionary.values());
    let distinct = entries.len() + usize::from(reader.schema().field(column).is_nullable());
    let (width, codes): (usize, Vec<usize>) = match &codes {
        Codes::U8(codes) => (1 << 8, codes.iter().map(|code| usize::from(*code)).collect()),
        Codes::U16(codes) => (1 << 16, codes.iter().map(|code| usize::from(*code)).collect()),
        Codes::U32(codes) => (usize::MAX, codes.iter().map(|code| *code as usize).collect()),
    };
    let fits = [1 << 8, 1 << 16, usize::MAX]
        .into_iter()
        .find(|width| distinct <= *width);
    assert_eq!(Some(width), fits, "{distinct} distinct codes");
    let keys = match entries.is_empty() {
        true => Vec::new(),
        false => dictionary.normalized_keys(),
    };
    let expected = (0..array.len()).map(|row| match dictionary.keys().is_valid(row) {
        true => keys[row],
        false => entries.len(),
    });
    assert_eq!(codes, expected.collect::<Vec<_>>());
}

/// The dictionary alone is that of the whole.
#[track_caller]
fn check_dictionary(reader: &PartReader, row_group: usize, column: usize, array: &ArrayRef) {
    let Some(values) = reader.dictionary(row_group, column, &Buffers::default()).unwrap() else {
        return;
    };
    let dictionary = array.as_any_dictionary_opt().expect("all pages are dictionary-coded");
    assert_eq!(&values, dictionary.values());
}
