//! The general reader, for what the page loop leaves to it: one column of one row group at a time.

use std::io::{self, BufReader, Read};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use arrow_array::{Array, ArrayRef, new_empty_array};
use arrow_schema::{DataType, Field, Schema};
use bytes::Bytes;
use parquet::arrow::ProjectionMask;
use parquet::arrow::arrow_reader::{ArrowReaderMetadata, ArrowReaderOptions, ParquetRecordBatchReaderBuilder};
use parquet::errors::ParquetError;
use parquet::file::reader::{ChunkReader, Length};

use super::Inner;
use super::cause::{Cause, Decoded, damaged};
use super::column::plain_type;
use crate::FileError;

/// Calls the crate, which is not written for damaged bytes everywhere: a panic of it counts as damage.
pub(crate) fn guarded<T>(call: impl FnOnce() -> Result<T, ParquetError>) -> Result<T, ParquetError> {
    let outcome = catch_unwind(AssertUnwindSafe(call));
    outcome.unwrap_or_else(|_| Err(ParquetError::General("its bytes make no sense".to_owned())))
}

/// Reads a column of a row group as one array of plain values.
pub(super) fn read(reader: &Arc<Inner>, row_group: usize, column: usize, rows: usize) -> Decoded<ArrayRef> {
    match guarded(|| array(reader, row_group, column, rows)) {
        Ok(Some(array)) if array.len() == rows => Ok(array),
        Ok(array) => {
            let found = array.map_or(0, |array| array.len());
            damaged(format!("it holds {found} values, the row group has {rows} rows"))
        }
        Err(ParquetError::External(cause)) => match cause.downcast::<FileError>() {
            Ok(error) => Err(Cause::File(*error)),
            Err(error) => damaged(error.to_string()),
        },
        Err(error) => damaged(error.to_string()),
    }
}

fn array(reader: &Arc<Inner>, row_group: usize, column: usize, rows: usize) -> Result<Option<ArrayRef>, ParquetError> {
    let metadata = plain_metadata(reader, row_group, column)?;
    let mask = ProjectionMask::roots(metadata.parquet_schema(), [column]);
    let source = Source(reader.clone());
    let mut batches = ParquetRecordBatchReaderBuilder::new_with_metadata(source, metadata)
        .with_projection(mask)
        .with_row_groups(vec![row_group])
        .with_batch_size(rows.max(1))
        .build()?;
    match batches.next() {
        Some(batch) => Ok(batch?.columns().first().cloned()),
        None => Ok(reader
            .layout
            .schema
            .fields()
            .get(column)
            .map(|field| new_empty_array(plain_type(field.data_type())))),
    }
}

/// Metadata that gives the column as plain values; text with long offsets where short ones may not suffice.
fn plain_metadata(reader: &Inner, row_group: usize, column: usize) -> Result<ArrowReaderMetadata, ParquetError> {
    let long = reader.chunk_bytes(row_group, column) > i64::from(i32::MAX);
    let fields = reader.layout.schema.fields().iter().enumerate();
    let fields: Vec<Arc<Field>> = fields
        .map(|(index, field)| {
            let values = match plain_type(field.data_type()) {
                DataType::Utf8 if long => &DataType::LargeUtf8,
                DataType::Binary if long => &DataType::LargeBinary,
                other => other,
            };
            match index == column && values != field.data_type() {
                true => Arc::new(field.as_ref().clone().with_data_type(values.clone())),
                false => field.clone(),
            }
        })
        .collect();
    let schema = Schema::new_with_metadata(fields, reader.layout.schema.metadata().clone());
    let options = match schema == *reader.layout.schema {
        true => ArrowReaderOptions::new(),
        false => ArrowReaderOptions::new().with_schema(Arc::new(schema)),
    };
    ArrowReaderMetadata::try_new(reader.layout.metadata.clone(), options)
}

/// The file as the crate wants it.
struct Source(Arc<Inner>);

impl Length for Source {
    fn len(&self) -> u64 {
        self.0.source.size()
    }
}

impl ChunkReader for Source {
    type T = BufReader<From>;

    fn get_read(&self, start: u64) -> Result<Self::T, ParquetError> {
        let from = From {
            reader: self.0.clone(),
            at: start,
        };
        Ok(BufReader::new(from))
    }

    fn get_bytes(&self, start: u64, length: usize) -> Result<Bytes, ParquetError> {
        let end = start.checked_add(length as u64);
        if end.is_none_or(|end| end > self.0.source.size()) {
            return Err(ParquetError::EOF("a column chunk reaches beyond the file".to_owned()));
        }
        let mut bytes = vec![0; length];
        self.0
            .fetch(start, &mut bytes)
            .map_err(|error| ParquetError::External(error.into()))?;
        Ok(bytes.into())
    }
}

/// The file from some place on.
struct From {
    reader: Arc<Inner>,
    at: u64,
}

impl Read for From {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let left = self.reader.source.size().saturating_sub(self.at);
        let size = into.len().min(usize::try_from(left).unwrap_or(usize::MAX));
        let into = into.get_mut(..size).unwrap_or_default();
        self.reader.fetch(self.at, into).map_err(io::Error::other)?;
        self.at += size as u64;
        Ok(size)
    }
}
