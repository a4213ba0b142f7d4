//! Parquet files.

use arrow_array::RecordBatch;
use arrow_schema::SchemaRef;
use parquet::arrow::ArrowWriter;
use parquet::basic::{Compression, ZstdLevel};
use parquet::errors::ParquetError;
use parquet::file::properties::WriterProperties;

use super::encode::Encoding;
use super::ipc::{plain_batch, plain_schema};
use crate::error::QueryError;

/// Bytes of a row group that is written out, as encoded so far; one batch more at most.
const ROW_GROUP_BYTES: usize = 32 << 20;

/// Writes one Parquet file, a row group at a time. No columns give no bytes: there is no such file.
#[derive(Default)]
pub(super) struct ParquetBytes {
    writer: Option<ArrowWriter<Vec<u8>>>,
}

impl ParquetBytes {
    /// Moves what the writer has written to `out`; it knows by itself how far it is.
    fn drain(&mut self, out: &mut Vec<u8>) {
        if let Some(writer) = &mut self.writer {
            out.append(writer.inner_mut());
        }
    }
}

impl Encoding for ParquetBytes {
    fn start(&mut self, schema: &SchemaRef, _: &mut Vec<u8>) -> Result<(), QueryError> {
        if schema.fields().is_empty() {
            return Ok(());
        }
        let compression = Compression::ZSTD(ZstdLevel::default());
        let properties = WriterProperties::builder().set_compression(compression).build();
        let schema = SchemaRef::new(plain_schema(schema));
        let writer = ArrowWriter::try_new(Vec::new(), schema, Some(properties)).map_err(unwritable)?;
        self.writer = Some(writer);
        Ok(())
    }

    fn rows(&mut self, batch: &RecordBatch, _: usize, out: &mut Vec<u8>) -> Result<usize, QueryError> {
        if let Some(writer) = &mut self.writer {
            let batch = plain_batch(batch).map_err(|error| unwritable(error.into()))?;
            writer.write(&batch).map_err(unwritable)?;
            if writer.in_progress_size() >= ROW_GROUP_BYTES {
                writer.flush().map_err(unwritable)?;
            }
        }
        self.drain(out);
        Ok(batch.num_rows())
    }

    fn end(&mut self, out: &mut Vec<u8>) -> Result<(), QueryError> {
        if let Some(writer) = &mut self.writer {
            writer.finish().map_err(unwritable)?;
        }
        self.drain(out);
        Ok(())
    }

    fn error(&mut self, _: &QueryError, _: &mut Vec<u8>) -> bool {
        false
    }
}

/// A type that Parquet does not have is the statement's to cast.
fn unwritable(error: ParquetError) -> QueryError {
    QueryError::Data {
        message: format!("the rows cannot be written as Parquet: {error}"),
    }
}
