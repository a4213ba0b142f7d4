//! Statistics of columns, taken only where they can be relied on.
//!
//! Not relied on: INT96 (its order was never defined), the old `min`/`max` fields of unsigned columns (ordered as
//! signed), a NaN or an infinity among float statistics, a null count that is absent (it does not mean zero), and text
//! (possibly cut off, and of no use to the catalog).

use arrow_schema::{DataType, Schema};
use hw_catalog::{Bound, Scalar};
use parquet::basic::Encoding;
use parquet::file::metadata::{ColumnChunkMetaData, ParquetMetaData, RowGroupMetaData};
use parquet::file::statistics::Statistics;

use super::ColumnFooter;
use crate::order::{greatest, least};

const MILLISECONDS_OF_DAY: i64 = 86_400_000;

pub(super) fn columns(metadata: &ParquetMetaData, schema: &Schema) -> Vec<ColumnFooter> {
    let leaves = leaves_by_root(metadata, schema.fields().len());
    schema
        .fields()
        .iter()
        .zip(leaves)
        .map(|(field, leaves)| column(metadata, field.name(), field.data_type(), &leaves))
        .collect()
}

/// The leaf columns of each top-level column.
fn leaves_by_root(metadata: &ParquetMetaData, roots: usize) -> Vec<Vec<usize>> {
    let descriptor = metadata.file_metadata().schema_descr();
    let mut leaves = vec![Vec::new(); roots];
    for leaf in 0..descriptor.num_columns() {
        if let Some(of_root) = leaves.get_mut(descriptor.get_column_root_idx(leaf)) {
            of_root.push(leaf);
        }
    }
    leaves
}

fn column(metadata: &ParquetMetaData, name: &str, data_type: &DataType, leaves: &[usize]) -> ColumnFooter {
    let chunks = || {
        metadata
            .row_groups()
            .iter()
            .flat_map(move |group| leaves.iter().filter_map(|leaf| group.columns().get(*leaf)))
    };
    let flat = (!data_type.is_nested())
        .then_some(leaves)
        .and_then(|leaves| leaves.first())
        .copied();
    let summary = flat
        .map(|leaf| Summary::of(metadata, leaf, data_type))
        .unwrap_or_default();
    let range = summary.range.flatten();
    ColumnFooter {
        name: name.to_owned(),
        min: range.map(|(min, _)| Bound {
            value: min,
            exact: true,
        }),
        max: range.map(|(_, max)| Bound {
            value: max,
            exact: true,
        }),
        null_count: summary.null_count,
        bounds_known: summary.range.is_some(),
        dictionary: chunks().next().is_some() && chunks().all(is_dictionary_encoded),
        bytes: chunks()
            .map(|chunk| u64::try_from(chunk.compressed_size()).unwrap_or_default())
            .sum(),
        largest_chunk: metadata
            .row_groups()
            .iter()
            .map(|group| decoded_size(group, leaves))
            .max()
            .unwrap_or_default(),
    }
}

fn decoded_size(group: &RowGroupMetaData, leaves: &[usize]) -> u64 {
    let chunks = leaves.iter().filter_map(|leaf| group.columns().get(*leaf));
    chunks
        .map(|chunk| u64::try_from(chunk.uncompressed_size()).unwrap_or_default())
        .sum()
}

/// Statistics over all row groups. The range is `None` where unknown, `Some(None)` where there is no value.
#[derive(Debug, Default)]
struct Summary {
    range: Option<Option<(Scalar, Scalar)>>,
    null_count: Option<u64>,
}

impl Summary {
    fn of(metadata: &ParquetMetaData, leaf: usize, data_type: &DataType) -> Self {
        let mut summary = Self {
            range: Some(None),
            null_count: Some(0),
        };
        for group in metadata.row_groups().iter().filter(|group| group.num_rows() > 0) {
            let statistics = group.columns().get(leaf).and_then(ColumnChunkMetaData::statistics);
            let nulls = statistics.and_then(Statistics::null_count_opt);
            let rows = u64::try_from(group.num_rows()).unwrap_or_default();
            let range = match nulls == Some(rows) {
                true => Some(None),
                false => statistics.and_then(|statistics| range(statistics, data_type)).map(Some),
            };
            summary.range = summary.range.zip(range).map(|(so_far, range)| union(so_far, range));
            summary.null_count = summary.null_count.zip(nulls).map(|(so_far, nulls)| so_far + nulls);
        }
        summary
    }
}

fn union(left: Option<(Scalar, Scalar)>, right: Option<(Scalar, Scalar)>) -> Option<(Scalar, Scalar)> {
    match (left, right) {
        (Some((left_min, left_max)), Some((right_min, right_max))) => {
            Some((least(left_min, right_min), greatest(left_max, right_max)))
        }
        (one, other) => one.or(other),
    }
}

fn range(statistics: &Statistics, data_type: &DataType) -> Option<(Scalar, Scalar)> {
    if data_type.is_unsigned_integer() && statistics.is_min_max_deprecated() {
        return None;
    }
    let (min, max) = match statistics {
        Statistics::Int32(s) => (of_int32(*s.min_opt()?, data_type)?, of_int32(*s.max_opt()?, data_type)?),
        Statistics::Int64(s) => (of_int64(*s.min_opt()?, data_type)?, of_int64(*s.max_opt()?, data_type)?),
        Statistics::Float(s) => (of_float((*s.min_opt()?).into())?, of_float((*s.max_opt()?).into())?),
        Statistics::Double(s) => (of_float(*s.min_opt()?)?, of_float(*s.max_opt()?)?),
        Statistics::Boolean(_) | Statistics::Int96(_) | Statistics::ByteArray(_) | Statistics::FixedLenByteArray(_) => {
            return None;
        }
    };
    Some((min, max))
}

fn of_int32(value: i32, data_type: &DataType) -> Option<Scalar> {
    match data_type {
        DataType::Int8 | DataType::Int16 | DataType::Int32 | DataType::Int64 | DataType::Date32 => {
            Some(Scalar::Int(value.into()))
        }
        DataType::UInt8 | DataType::UInt16 | DataType::UInt32 => Some(Scalar::Int(value.cast_unsigned().into())),
        DataType::Date64 => Some(Scalar::Int(i64::from(value) * MILLISECONDS_OF_DAY)),
        _ => None,
    }
}

fn of_int64(value: i64, data_type: &DataType) -> Option<Scalar> {
    match data_type {
        DataType::Int64 | DataType::Int32 | DataType::UInt32 | DataType::Timestamp(_, _) | DataType::Date64 => {
            Some(Scalar::Int(value))
        }
        DataType::UInt64 => Some(of_unsigned(value.cast_unsigned())),
        _ => None,
    }
}

fn of_unsigned(value: u64) -> Scalar {
    i64::try_from(value).map_or(Scalar::UInt(value), Scalar::Int)
}

/// Zero has one form; NaN and infinities tell nothing.
fn of_float(value: f64) -> Option<Scalar> {
    value.is_finite().then_some(Scalar::Float(value + 0.0))
}

/// Whether every data page of the chunk goes through its dictionary.
fn is_dictionary_encoded(chunk: &ColumnChunkMetaData) -> bool {
    let through_dictionary = |encoding| matches!(encoding, Encoding::RLE_DICTIONARY | Encoding::PLAIN_DICTIONARY);
    if chunk.dictionary_page_offset().is_none() {
        return false;
    }
    match chunk.page_encoding_stats_mask() {
        Some(mask) => mask.encodings().all(through_dictionary),
        // Without page statistics: levels are RLE, the dictionary page itself is PLAIN only in old files.
        None => chunk
            .encodings()
            .all(|encoding| through_dictionary(encoding) || encoding == Encoding::RLE),
    }
}
