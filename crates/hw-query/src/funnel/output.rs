//! The operator's output: one row per partition with the partial, and the ids of groups beside it.

use std::sync::Arc;

use arrow::ipc::reader::StreamReader;
use arrow::ipc::writer::StreamWriter;
use arrow_array::cast::AsArray;
use arrow_array::{Array, ArrayRef, LargeBinaryArray, RecordBatch};
use arrow_schema::{ArrowError, DataType, Field, Schema, SchemaRef};
use hw_funnel::Partial;

use crate::error::QueryError;

/// Columns `partial` (its stored form) and `groups` (Arrow IPC of one column; null unless ids are collected).
pub(super) fn output_schema() -> SchemaRef {
    Arc::new(Schema::new(vec![
        Field::new("partial", DataType::LargeBinary, false),
        Field::new("groups", DataType::LargeBinary, true),
    ]))
}

/// The row of one partial.
pub(super) fn encode(mut partial: Partial) -> Result<RecordBatch, ArrowError> {
    let groups = partial.take_groups().map(group_bytes).transpose()?;
    let columns: Vec<ArrayRef> = vec![
        Arc::new(LargeBinaryArray::from_iter_values([partial.to_bytes()])),
        Arc::new(LargeBinaryArray::from_opt_vec(vec![groups.as_deref()])),
    ];
    RecordBatch::try_new(output_schema(), columns)
}

/// Merges all rows of a batch into `merged`.
pub(super) fn merge_into(merged: &mut Partial, batch: &RecordBatch) -> Result<(), QueryError> {
    let missing = || QueryError::internal("the funnel's output lacks a column");
    let column = |name| {
        let column = batch
            .column_by_name(name)
            .and_then(|column| column.as_binary_opt::<i64>());
        column.ok_or_else(missing)
    };
    let (partials, groups) = (column("partial")?, column("groups")?);
    for row in 0..batch.num_rows() {
        let bytes = groups.is_valid(row).then(|| groups.value(row));
        merged.merge(decode(partials.value(row), bytes)?)?;
    }
    Ok(())
}

fn decode(stored: &[u8], groups: Option<&[u8]>) -> Result<Partial, QueryError> {
    let mut partial = Partial::from_bytes(stored)?;
    if let Some(bytes) = groups {
        let ids = read_groups(bytes).map_err(|error| QueryError::internal(error.to_string()))?;
        partial.set_groups(ids);
    }
    Ok(partial)
}

fn group_bytes(groups: ArrayRef) -> Result<Vec<u8>, ArrowError> {
    let batch = RecordBatch::try_from_iter([("group", groups)])?;
    let mut writer = StreamWriter::try_new(Vec::new(), &batch.schema())?;
    writer.write(&batch)?;
    writer.into_inner()
}

fn read_groups(bytes: &[u8]) -> Result<ArrayRef, ArrowError> {
    let mut reader = StreamReader::try_new(bytes, None)?;
    let batch = reader.next().transpose()?;
    let column = batch.and_then(|batch| batch.columns().first().cloned());
    column.ok_or_else(|| ArrowError::IpcError("no group ids".to_owned()))
}
