//! Arrow IPC stream.

use std::sync::Arc;

use arrow::compute::cast;
use arrow::ipc::writer::StreamWriter;
use arrow_array::{RecordBatch, RecordBatchOptions};
use arrow_schema::{ArrowError, DataType, Field, Schema, SchemaRef};

use super::encode::Encoding;
use crate::error::QueryError;

/// Writes an Arrow IPC stream, a message per batch.
#[derive(Default)]
pub(super) struct ArrowBytes {
    writer: Option<StreamWriter<Vec<u8>>>,
}

impl ArrowBytes {
    /// Moves what the writer has written to `out`.
    fn drain(&mut self, out: &mut Vec<u8>) {
        if let Some(writer) = &mut self.writer {
            out.append(writer.get_mut());
        }
    }
}

impl Encoding for ArrowBytes {
    fn start(&mut self, schema: &SchemaRef, out: &mut Vec<u8>) -> Result<(), QueryError> {
        let writer = StreamWriter::try_new(Vec::new(), &plain_schema(schema)).map_err(of_arrow)?;
        self.writer = Some(writer);
        self.drain(out);
        Ok(())
    }

    fn rows(&mut self, batch: &RecordBatch, _: usize, out: &mut Vec<u8>) -> Result<usize, QueryError> {
        if let Some(writer) = &mut self.writer {
            plain_batch(batch)
                .and_then(|batch| writer.write(&batch))
                .map_err(of_arrow)?;
        }
        self.drain(out);
        Ok(batch.num_rows())
    }

    fn end(&mut self, out: &mut Vec<u8>) -> Result<(), QueryError> {
        if let Some(writer) = &mut self.writer {
            writer.finish().map_err(of_arrow)?;
        }
        self.drain(out);
        Ok(())
    }

    fn error(&mut self, _: &QueryError, _: &mut Vec<u8>) -> bool {
        false
    }
}

fn of_arrow(error: ArrowError) -> QueryError {
    QueryError::internal(format!("rows cannot be written as Arrow: {error}"))
}

pub(super) fn plain_schema(schema: &Schema) -> Schema {
    let fields: Vec<Field> = schema.fields().iter().map(|field| plain_field(field)).collect();
    Schema::new_with_metadata(fields, schema.metadata().clone())
}

fn plain_field(field: &Field) -> Field {
    field.clone().with_data_type(plain_type(field.data_type()))
}

/// The same type without views, on every level.
fn plain_type(data_type: &DataType) -> DataType {
    let item = |field: &Arc<Field>| Arc::new(plain_field(field));
    match data_type {
        DataType::Utf8View => DataType::Utf8,
        DataType::BinaryView => DataType::Binary,
        DataType::List(field) | DataType::ListView(field) => DataType::List(item(field)),
        DataType::LargeList(field) | DataType::LargeListView(field) => DataType::LargeList(item(field)),
        DataType::FixedSizeList(field, size) => DataType::FixedSizeList(item(field), *size),
        DataType::Struct(fields) => DataType::Struct(fields.iter().map(item).collect()),
        DataType::Map(field, sorted) => DataType::Map(item(field), *sorted),
        DataType::Dictionary(keys, values) => DataType::Dictionary(keys.clone(), Box::new(plain_type(values))),
        other => other.clone(),
    }
}

pub(super) fn plain_batch(batch: &RecordBatch) -> Result<RecordBatch, ArrowError> {
    let schema = Arc::new(plain_schema(&batch.schema()));
    let columns = batch
        .columns()
        .iter()
        .zip(schema.fields())
        .map(|(column, field)| match column.data_type() == field.data_type() {
            true => Ok(Arc::clone(column)),
            false => cast(column, field.data_type()),
        })
        .collect::<Result<Vec<_>, _>>()?;
    let options = RecordBatchOptions::new().with_row_count(Some(batch.num_rows()));
    RecordBatch::try_new_with_options(schema, columns, &options)
}
