//! What the page loop makes of a column: its leaf in the file, how its values stand in pages, and their Arrow type.

use arrow_schema::{DataType, Schema, TimeUnit};
use parquet::basic::{LogicalType, TimeUnit as ParquetTimeUnit, Type as Physical};
use parquet::schema::types::{ColumnDescriptor, SchemaDescriptor};

/// How values stand in pages.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Stored {
    Boolean,
    Fixed4,
    Fixed8,
    Text,
    Bytes,
}

/// A column that is not nested, of a type whose values Arrow has the same way.
#[derive(Debug, Clone)]
pub(super) struct Leaf {
    /// Place among the column chunks of a row group.
    pub(super) index: usize,
    pub(super) stored: Stored,
    /// Type of the values; text is `Utf8`, bytes are `Binary`.
    pub(super) values: DataType,
    pub(super) nullable: bool,
}

/// For each column of the schema its leaf; `None` for those left to the general reader.
pub(super) fn leaves(schema: &Schema, file: &SchemaDescriptor) -> Vec<Option<Leaf>> {
    let mut found: Vec<Option<Leaf>> = schema.fields().iter().map(|_| None).collect();
    for (index, descriptor) in file.columns().iter().enumerate() {
        let root = file.get_column_root_idx(index);
        let Some(field) = schema.fields().get(root) else {
            continue;
        };
        if let Some(place) = found.get_mut(root) {
            *place = leaf(index, descriptor, plain_type(field.data_type()));
        }
    }
    found
}

/// The type as the values come: dictionaries give their values, text of every kind is `Utf8`, bytes are `Binary`.
pub(super) fn plain_type(data_type: &DataType) -> &DataType {
    match data_type {
        DataType::Dictionary(_, values) => plain_type(values),
        DataType::LargeUtf8 | DataType::Utf8View => &DataType::Utf8,
        DataType::LargeBinary | DataType::BinaryView => &DataType::Binary,
        other => other,
    }
}

fn leaf(index: usize, descriptor: &ColumnDescriptor, values: &DataType) -> Option<Leaf> {
    let flat = descriptor.path().parts().len() == 1 && descriptor.max_rep_level() == 0;
    let nullable = match descriptor.max_def_level() {
        0 => false,
        1 => true,
        _ => return None,
    };
    let stored = stored(descriptor, values).filter(|_| flat && cfg!(target_endian = "little"))?;
    Some(Leaf {
        index,
        stored,
        values: values.clone(),
        nullable,
    })
}

/// How the values stand, if the bytes of the file are those of Arrow.
fn stored(descriptor: &ColumnDescriptor, values: &DataType) -> Option<Stored> {
    match (descriptor.physical_type(), values) {
        (Physical::BOOLEAN, DataType::Boolean) => Some(Stored::Boolean),
        (Physical::INT32, DataType::Int32 | DataType::UInt32 | DataType::Date32 | DataType::Time32(_)) => {
            Some(Stored::Fixed4)
        }
        (Physical::INT64, DataType::Timestamp(unit, _)) => same_unit(descriptor, *unit).then_some(Stored::Fixed8),
        (Physical::INT64, DataType::Int64 | DataType::UInt64 | DataType::Time64(_) | DataType::Duration(_)) => {
            Some(Stored::Fixed8)
        }
        (Physical::FLOAT, DataType::Float32) => Some(Stored::Fixed4),
        (Physical::DOUBLE, DataType::Float64) => Some(Stored::Fixed8),
        (Physical::BYTE_ARRAY, DataType::Utf8) => Some(Stored::Text),
        (Physical::BYTE_ARRAY, DataType::Binary) => Some(Stored::Bytes),
        _ => None,
    }
}

/// Whether the file's own unit, where it has one, is that of the stored Arrow schema.
fn same_unit(descriptor: &ColumnDescriptor, unit: TimeUnit) -> bool {
    match descriptor.logical_type_ref() {
        Some(LogicalType::Timestamp(timestamp)) => match timestamp.unit {
            ParquetTimeUnit::MILLIS => unit == TimeUnit::Millisecond,
            ParquetTimeUnit::MICROS => unit == TimeUnit::Microsecond,
            ParquetTimeUnit::NANOS => unit == TimeUnit::Nanosecond,
        },
        _ => true,
    }
}
