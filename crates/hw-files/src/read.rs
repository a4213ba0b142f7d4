//! Reading columns of a Parquet file, one row group at a time.

use std::ops::Range;
use std::sync::Arc;

use arrow_array::RecordBatch;
use arrow_schema::{DataType, FieldRef, Schema};
use bytes::Bytes;
use futures::FutureExt;
use futures::future::BoxFuture;
use object_store::ObjectStoreExt;
use parquet::arrow::ProjectionMask;
use parquet::arrow::arrow_reader::{ArrowReaderMetadata, ArrowReaderOptions, ParquetRecordBatchReader};
use parquet::arrow::async_reader::{AsyncFileReader, ParquetRecordBatchStream, ParquetRecordBatchStreamBuilder};
use parquet::errors::ParquetError;
use parquet::file::metadata::ParquetMetaData;

use crate::{FileError, Footer, FoundFile, OpenLocation, ReadTally};

/// Reads some top-level columns of a file. Holds one row group of them at a time.
///
/// Values come plain: dictionaries are decoded, and text of every kind is `Utf8`.
pub struct ColumnReader {
    stream: ParquetRecordBatchStream<StoreReader>,
    open: OpenLocation,
    file: FoundFile,
}

/// The batches of one row group. Iterating decodes, so it belongs on a thread for work, not on the reactor.
pub struct RowGroup {
    reader: ParquetRecordBatchReader,
    shown: String,
}

impl ColumnReader {
    /// A reader of the columns at these places of the footer's schema, in batches of at most `batch_rows` rows. Batches
    /// hold the columns in the schema's order, whatever the order here.
    ///
    /// # Errors
    /// [`FileError::Unreadable`] for columns of a type that cannot be read.
    pub fn new(
        open: &OpenLocation,
        file: &FoundFile,
        footer: &Footer,
        columns: &[usize],
        batch_rows: usize,
    ) -> Result<Self, FileError> {
        let unreadable = |error| told(&open.shown(file), error);
        let metadata = plain_metadata(footer, columns).map_err(unreadable)?;
        let mask = ProjectionMask::roots(metadata.parquet_schema(), columns.iter().copied());
        let reader = StoreReader {
            open: open.clone(),
            file: file.clone(),
            metadata: footer.metadata.clone(),
        };
        let stream = ParquetRecordBatchStreamBuilder::new_with_metadata(reader, metadata)
            .with_projection(mask)
            .with_batch_size(batch_rows)
            .build()
            .map_err(unreadable)?;
        Ok(Self {
            stream,
            open: open.clone(),
            file: file.clone(),
        })
    }

    /// Fetches the next row group that has rows; `None` after the last.
    ///
    /// # Errors
    /// [`FileError::Vanished`], [`FileError::Changed`] if the file is another than when it was found,
    /// [`FileError::Unreadable`], and the store's own.
    pub async fn next_row_group(&mut self) -> Result<Option<RowGroup>, FileError> {
        let shown = self.open.shown(&self.file);
        match self.stream.next_row_group().await {
            Ok(reader) => Ok(reader.map(|reader| RowGroup { reader, shown })),
            Err(error) => {
                self.recheck().await?;
                Err(told(&shown, error))
            }
        }
    }

    /// Whether the file is still the one that was found. To be asked when its content makes no sense.
    ///
    /// # Errors
    /// [`FileError::Vanished`] or [`FileError::Changed`] if not, and the store's own.
    pub async fn recheck(&mut self) -> Result<(), FileError> {
        let shown = || self.open.shown(&self.file);
        let meta = self.open.store.head(&self.file.object).await;
        let meta = meta.map_err(|error| FileError::of_store(shown(), &error))?;
        let same_content = match (&meta.e_tag, &self.file.etag) {
            (Some(now), Some(then)) => now == then,
            _ => true,
        };
        match same_content && meta.size == self.file.bytes {
            true => Ok(()),
            false => Err(FileError::Changed {
                file: shown(),
                expected: self.file.bytes,
                found: meta.size,
            }),
        }
    }
}

impl Iterator for RowGroup {
    type Item = Result<RecordBatch, FileError>;

    fn next(&mut self) -> Option<Self::Item> {
        let batch = self.reader.next()?;
        Some(batch.map_err(|error| FileError::Unreadable {
            file: self.shown.clone(),
            reason: error.to_string(),
        }))
    }
}

/// Metadata that gives the columns asked for as plain values.
fn plain_metadata(footer: &Footer, columns: &[usize]) -> Result<ArrowReaderMetadata, ParquetError> {
    let fields = footer.schema.fields().iter().enumerate();
    let fields: Vec<FieldRef> = fields
        .map(|(index, field)| match columns.contains(&index) {
            true => plain_field(field),
            false => field.clone(),
        })
        .collect();
    let schema = Schema::new_with_metadata(fields, footer.schema.metadata().clone());
    let options = match schema == *footer.schema {
        true => ArrowReaderOptions::new(),
        false => ArrowReaderOptions::new().with_schema(Arc::new(schema)),
    };
    ArrowReaderMetadata::try_new(footer.metadata.clone(), options)
}

fn plain_field(field: &FieldRef) -> FieldRef {
    let values = match field.data_type() {
        DataType::Dictionary(_, values) => values,
        other => other,
    };
    let plain = match values {
        DataType::LargeUtf8 | DataType::Utf8View => &DataType::Utf8,
        other => other,
    };
    match plain == field.data_type() {
        true => field.clone(),
        false => Arc::new(field.as_ref().clone().with_data_type(plain.clone())),
    }
}

/// The reader's error: the store's own where that is the cause.
fn told(shown: &str, error: ParquetError) -> FileError {
    let reason = error.to_string();
    if let ParquetError::External(cause) = error
        && let Ok(cause) = cause.downcast::<object_store::Error>()
    {
        return FileError::of_store(shown, &cause);
    }
    FileError::Unreadable {
        file: shown.to_owned(),
        reason,
    }
}

/// Ranges of one object, with its footer at hand.
struct StoreReader {
    open: OpenLocation,
    file: FoundFile,
    metadata: Arc<ParquetMetaData>,
}

impl StoreReader {
    async fn read(&self, ranges: &[Range<u64>]) -> Result<Vec<Bytes>, ParquetError> {
        let read = self.open.read_ranges(&self.file, ranges, &ReadTally::default()).await;
        read.map_err(external)
    }
}

fn external(error: object_store::Error) -> ParquetError {
    ParquetError::External(Box::new(error))
}

impl AsyncFileReader for StoreReader {
    fn get_bytes(&mut self, range: Range<u64>) -> BoxFuture<'_, Result<Bytes, ParquetError>> {
        async move { Ok(self.read(&[range]).await?.into_iter().next().unwrap_or_default()) }.boxed()
    }

    fn get_byte_ranges(&mut self, ranges: Vec<Range<u64>>) -> BoxFuture<'_, Result<Vec<Bytes>, ParquetError>> {
        async move { self.read(&ranges).await }.boxed()
    }

    fn get_metadata<'a>(
        &'a mut self,
        _options: Option<&'a ArrowReaderOptions>,
    ) -> BoxFuture<'a, Result<Arc<ParquetMetaData>, ParquetError>> {
        let metadata = self.metadata.clone();
        async { Ok(metadata) }.boxed()
    }
}
